/*
 * test_crash_random.c - killed again and again, at whatever instant, while both fakes misbehave; then the
 * world is well again, and every run must come to its one right end.
 *
 * A story is one world in which so many processes are killed. In stories with an even seed each dies at the
 * n-th kill point that it passes; in the others SIGKILL comes so many microseconds into one of its steps,
 * whatever it does then.
 *
 * test_crash_random [KILLS [SEED]]   at least so many kills, in stories from this seed on
 * SLUICE_FLOW_LOG=1 test_crash_random 1 SEED   one story again, with the service's debug lines
 */
#include "tests/crash/crash.h"

#include <stdlib.h>

#define STORY_KILLS 100
#define STORY_KILLS_MAX (2 * STORY_KILLS)
#define RUNS_AT_ONCE 6
#define RUNS_MAX 60
/* So many kill points until death, at most: a start passes some 40, a whole life some 150. */
#define PASSES_MAX 160
#define STEPS_MAX 60
#define STEP_US 400
#define CHECK_EVERY 8

static const char config[] =
    "[limits]\nlaunching = 3\nrunning = 5\n[timeouts]\ncreate = 9s\nstart = 9s\ninspect = 9s\nremove = "
    "9s\nstop "
    "= 9s\nimage = 9s\napi = 9s\nreport = 9s\nresolve = 9s\n[retry]\nmax_attempts = 50\n";

struct story {
    struct crash *crash;
    struct world *world;
    uint64_t state; /* of the story's own randomness */
    bool by_point;
    bool is_over;                 /* the world is well again */
    int64_t held_ms;              /* mono; since when the server holds a request; 0: it holds none */
    int steps_left;               /* until SIGKILL, in stories that don't go by points */
    bool was_cancelled[RUNS_MAX]; /* by a user, in the order of the runs */
};

struct sums {
    int stories, kills, starts, lives, checks;
};

static uint64_t draw(struct story *s, uint64_t below)
{
    struct random_source random = random_seeded(&s->state);
    return random.next(random.arg) % below;
}

static bool spoil(void *arg, int call, const struct fake_container *container, struct fake_fault *fault)
{
    struct story *s = arg;
    (void)container;
    static const enum fake_fault_kind kinds[] = {
        FAKE_FAULT_NONE, FAKE_FAULT_STATUS, FAKE_FAULT_DROP_BEFORE, FAKE_FAULT_DROP_AFTER,
        FAKE_FAULT_HOLD, FAKE_FAULT_STALL,  FAKE_FAULT_HALF_BODY,   FAKE_FAULT_HALF_HEADERS};
    if (s->is_over || call == FAKE_ENGINE_PING || draw(s, 100) >= 10)
        return false;
    *fault = (struct fake_fault){.kind = kinds[draw(s, ARRAY_LEN(kinds))],
                                 .delay_ms = (int64_t)draw(s, 5000),
                                 .status = 500,
                                 .message = "database is locked"};
    return true;
}

static void spoil_prefect(struct story *s)
{
    static const enum fake_prefect_fault_kind kinds[] = {PREFECT_FAULT_STATUS,     PREFECT_FAULT_STATUS_AFTER,
                                                         PREFECT_FAULT_DELAY,      PREFECT_FAULT_DROP_BEFORE,
                                                         PREFECT_FAULT_DROP_AFTER, PREFECT_FAULT_HOLD,
                                                         PREFECT_FAULT_CUT_JSON,   PREFECT_FAULT_HALF_BODY};
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_SET_STATE, FAKE_PREFECT_ANY};
    fake_prefect_fault(s->world->prefect,
                       &(struct fake_prefect_fault){.route = routes[draw(s, ARRAY_LEN(routes))],
                                                    .nth = 1 + (int)draw(s, 4),
                                                    .kind = kinds[draw(s, ARRAY_LEN(kinds))],
                                                    .delay_ms = (int64_t)draw(s, 20000),
                                                    .status = 503});
}

/* No server carries out a request minutes after its client has gone; the service counts on 60 s. */
static void release_in_time(struct story *s)
{
    struct world *w = s->world;
    if (fake_prefect_held(w->prefect) == 0)
        s->held_ms = 0;
    else if (s->held_ms == 0)
        s->held_ms = w->clock.mono_ms;
    else if (w->clock.mono_ms - s->held_ms >= SECONDS(40))
        fake_prefect_release(w->prefect);
}

static size_t unfinished(const struct story *s)
{
    return world_count(s->world, PREFECT_STATE_SCHEDULED) + world_count(s->world, PREFECT_STATE_PENDING) +
           world_count(s->world, PREFECT_STATE_RUNNING) + world_count(s->world, PREFECT_STATE_CANCELLING);
}

static void add_runs(struct story *s)
{
    while (unfinished(s) < RUNS_AT_ONCE && fake_prefect_run_count(s->world->prefect) < RUNS_MAX)
        world_add_run(s->world);
}

static void cancel_one(struct story *s)
{
    size_t index = draw(s, fake_prefect_run_count(s->world->prefect));
    fake_prefect_user_cancels(s->world->prefect, fake_prefect_run_id(s->world->prefect, index));
    s->was_cancelled[index] = true;
}

static void meddle(struct story *s)
{
    switch (draw(s, 80)) {
    case 0:
    case 1:
        spoil_prefect(s);
        return;
    case 2:
        fake_engine_release(s->world->engine, FAKE_ENGINE_ANY);
        return;
    case 3:
        fake_prefect_release(s->world->prefect);
        return;
    case 4:
        if (draw(s, 6) == 0)
            cancel_one(s);
        return;
    default:
        return;
    }
}

/* Where the next process dies is known before it begins. */
static void plan_next(struct story *s)
{
    if (s->by_point)
        s->crash->next_plan.any_pass = 1 + (int)draw(s, PASSES_MAX);
}

static void kill_sometimes(struct story *s)
{
    struct crash *c = s->crash;
    if (s->by_point || --s->steps_left > 0)
        return;
    s->steps_left = 1 + (int)draw(s, STEPS_MAX);
    c->kill_after_us = (int64_t)draw(s, STEP_US);
}

static void heal(struct story *s)
{
    struct crash *c = s->crash;
    s->is_over = true;
    fake_engine_clear_faults(s->world->engine);
    fake_prefect_clear_faults(s->world->prefect);
    fake_engine_release(s->world->engine, FAKE_ENGINE_ANY);
    fake_prefect_release(s->world->prefect);
    c->next_plan = (struct kill_plan){.pass = 0};
    c->shared->points.plan = c->next_plan;
}

static void check_ends(struct story *s)
{
    struct world *w = s->world;
    for (size_t i = 0; i < fake_prefect_run_count(w->prefect); i++) {
        const char *run = fake_prefect_run_id(w->prefect, i);
        enum prefect_state_type type = world_state(w, run);
        if (type != PREFECT_STATE_COMPLETED && !(type == PREFECT_STATE_CANCELLED && s->was_cancelled[i]))
            crash_fail(s->crash, "run %zu has no right end: %s (%s)", i,
                       fake_prefect_history(w->prefect, run), world_message(w, run));
        if (type == PREFECT_STATE_COMPLETED && world_times_run(w, run) != 1)
            crash_fail(s->crash, "run %zu completed without running", i);
    }
}

static void tell_story(uint64_t seed, struct sums *sums)
{
    struct story s = {.crash = crash_begin(seed), .state = seed * 7919 + 1, .by_point = seed % 2 == 0};
    struct crash *c = s.crash;
    s.world = c->world;
    c->check_every = CHECK_EVERY;
    s.world->flow.run_ms = SECONDS(3);
    s.steps_left = STEPS_MAX;
    fake_engine_choose_fault(s.world->engine, spoil, &s);
    plan_next(&s);
    crash_start(c, config);
    for (int starts = 0; c->kills < STORY_KILLS && c->starts < STORY_KILLS_MAX;) {
        add_runs(&s);
        if (starts != c->starts)
            plan_next(&s);
        starts = c->starts;
        kill_sometimes(&s);
        release_in_time(&s);
        meddle(&s);
        crash_step(c);
    }
    heal(&s);
    crash_until(c, MINUTES(60), crash_is_all_over, "every run has its end");
    crash_pass(c, 100);
    check_ends(&s);
    crash_check_end(c);
    crash_check_file(c);
    fake_engine_choose_fault(s.world->engine, NULL, NULL);
    sums->stories++;
    sums->kills += c->kills;
    sums->starts += c->starts;
    sums->checks += c->checks;
    sums->lives += (int)fake_prefect_run_count(s.world->prefect);
    crash_end(c);
}

static int kills_wanted = 100;
static uint64_t first_seed = 1;

static void test_killed_at_any_instant(void **state)
{
    (void)state;
    struct sums sums = {0};
    for (uint64_t seed = first_seed; sums.kills < kills_wanted; seed++)
        tell_story(seed, &sums);
    print_message(
        "%d kills in %d stories from seed %llu on: %d starts, %d lives ended, %d checks of the file\n",
        sums.kills, sums.stories, (unsigned long long)first_seed, sums.starts, sums.lives, sums.checks);
    assert_true(sums.lives > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_at_any_instant)};
    if (argc > 1)
        kills_wanted = (int)strtol(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoull(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
