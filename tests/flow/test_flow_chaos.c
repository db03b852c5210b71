/*
 * test_flow_chaos.c - everything goes wrong at random for a while: lost requests and answers, calls that land
 * late, refusals, kills at any turn, cancellations. Then the world is well again, and every run must come to
 * its one right end.
 *
 * Same seed, same story: SLUICE_FLOW_SEED=N SLUICE_FLOW_STORIES=1 SLUICE_FLOW_LOG=1 tells one of them.
 */
#include "tests/flow/replay.h"

#include <stdlib.h>

#define RUNS 8
#define STORIES 8
#define STEPS 1500

struct chaos {
    struct world *world;
    uint64_t state;
    int64_t held_ms; /* mono; since when the server holds a request; 0: it holds none */
    bool is_over;
};

static uint64_t draw(struct chaos *c, uint64_t below)
{
    struct random_source random = random_seeded(&c->state);
    return random.next(random.arg) % below;
}

static bool spoil(void *arg, int call, const struct fake_container *container, struct fake_fault *fault)
{
    struct chaos *c = arg;
    (void)container;
    static const enum fake_fault_kind kinds[] = {
        FAKE_FAULT_STATUS, FAKE_FAULT_DROP_BEFORE, FAKE_FAULT_DROP_AFTER,  FAKE_FAULT_HOLD,
        FAKE_FAULT_STALL,  FAKE_FAULT_HALF_BODY,   FAKE_FAULT_HALF_HEADERS};
    if (c->is_over || call == FAKE_ENGINE_PING || draw(c, 100) >= 15)
        return false;
    *fault = (struct fake_fault){
        .kind = kinds[draw(c, ARRAY_LEN(kinds))], .status = 500, .message = "database is locked"};
    return true;
}

static void spoil_prefect(struct chaos *c)
{
    static const enum fake_prefect_fault_kind kinds[] = {
        PREFECT_FAULT_STATUS, PREFECT_FAULT_STATUS_AFTER, PREFECT_FAULT_DROP_BEFORE, PREFECT_FAULT_DROP_AFTER,
        PREFECT_FAULT_HOLD,   PREFECT_FAULT_HTML,         PREFECT_FAULT_CUT_JSON,    PREFECT_FAULT_HALF_BODY};
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_SET_STATE, FAKE_PREFECT_ANY};
    fake_prefect_fault(c->world->prefect,
                       &(struct fake_prefect_fault){.route = routes[draw(c, ARRAY_LEN(routes))],
                                                    .nth = 1 + (int)draw(c, 4),
                                                    .kind = kinds[draw(c, ARRAY_LEN(kinds))],
                                                    .status = 503});
}

/* No server carries out a request minutes after its client has gone; the service counts on 60 s. */
static void release_in_time(struct chaos *c)
{
    struct world *w = c->world;
    if (fake_prefect_held(w->prefect) == 0)
        c->held_ms = 0;
    else if (c->held_ms == 0)
        c->held_ms = w->clock.mono_ms;
    else if (w->clock.mono_ms - c->held_ms >= SECONDS(40))
        fake_prefect_release(w->prefect);
}

/* Something the world does by itself, once in a while. */
static void meddle(struct chaos *c)
{
    struct world *w = c->world;
    switch (draw(c, 60)) {
    case 0:
        world_crash(w);
        world_start(w, NULL);
        return;
    case 1:
    case 2:
    case 3:
        spoil_prefect(c);
        return;
    case 4:
        fake_engine_release(w->engine, FAKE_ENGINE_ANY);
        return;
    case 5:
        fake_prefect_release(w->prefect);
        return;
    case 6:
        if (draw(c, 4) == 0)
            fake_prefect_user_cancels(w->prefect, fake_prefect_run_id(w->prefect, draw(c, RUNS)));
        return;
    default:
        return;
    }
}

static void heal(struct chaos *c)
{
    c->is_over = true;
    fake_engine_clear_faults(c->world->engine);
    fake_prefect_clear_faults(c->world->prefect);
    fake_engine_release(c->world->engine, FAKE_ENGINE_ANY);
    fake_prefect_release(c->world->prefect);
}

static bool is_at_its_end(struct world *w, const char *run)
{
    enum prefect_state_type type = world_state(w, run);
    return type == PREFECT_STATE_COMPLETED || type == PREFECT_STATE_CRASHED ||
           type == PREFECT_STATE_CANCELLED;
}

static size_t ended(struct world *w)
{
    size_t count = 0;
    for (size_t i = 0; i < RUNS; i++)
        count += is_at_its_end(w, fake_prefect_run_id(w->prefect, i));
    return count;
}

static void tell_story(struct world *w, uint64_t seed)
{
    struct chaos c = {.world = w, .state = seed * 7919 + 1};
    fake_engine_choose_fault(w->engine, spoil, &c);
    w->flow.run_ms = SECONDS(7);
    for (int i = 0; i < RUNS; i++)
        world_add_run(w);
    world_start(w,
                "[limits]\nlaunching = 3\nrunning = 5\n[timeouts]\ncreate = 9s\nstart = 9s\ninspect = "
                "9s\nremove = 9s\n"
                "stop = 9s\nimage = 9s\napi = 9s\nreport = 9s\nresolve = 9s\n[retry]\nmax_attempts = 50\n");
    struct world_wait wait = world_wait_begin(w, MINUTES(600), "", __FILE__, __LINE__);
    for (int i = 0; i < STEPS; i++) {
        world_wait_step(w, &wait);
        release_in_time(&c);
        meddle(&c);
    }
    heal(&c);
    UNTIL(w, MINUTES(30), ended(w) == RUNS && world_launches(w) == 0);
    fake_engine_choose_fault(w->engine, NULL, NULL);
}

static void expect_right_ends(struct world *w, uint64_t seed)
{
    for (size_t i = 0; i < RUNS; i++) {
        const char *run = fake_prefect_run_id(w->prefect, i);
        if (world_times_run(w, run) > 1)
            fail_msg("seed %d: run %zu ran twice: %s", (int)seed, i, fake_prefect_history(w->prefect, run));
        if (world_state(w, run) == PREFECT_STATE_COMPLETED && world_times_run(w, run) != 1)
            fail_msg("seed %d: run %zu completed without running", (int)seed, i);
    }
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        if (strcmp(fake_engine_container_at(w->engine, i)->state, "exited") != 0)
            fail_msg("seed %d: a container was left %s", (int)seed,
                     fake_engine_container_at(w->engine, i)->state);
    assert_true(fake_engine_max_starts(w->engine) <= 1);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static void test_whatever_happens(void **state)
{
    (void)state;
    uint64_t first = number_from("SLUICE_FLOW_SEED", 1);
    uint64_t stories = number_from("SLUICE_FLOW_STORIES", STORIES);
    for (uint64_t seed = first; seed < first + stories; seed++) {
        void *world;
        world_setup(&world);
        print_message("seed %d\n", (int)seed);
        tell_story(world, seed);
        expect_right_ends(world, seed);
        world_stop(world);
        replay_check(world, true);
        world_teardown(&world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whatever_happens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
