/*
 * test_crash_memory.c - each allocation of a full life fails in turn, once, or it and all after it.
 *
 * Whichever fails, the service goes on, or ends with code 1 and says that memory is out; never by a signal.
 * Then it is started with memory, and the run comes to its right end.
 *
 * "Each" is: each place that allocates, by its whole call stack, at its first allocation. Places are recorded
 * in two lives: one that makes the state file, one that finds it. A life goes from the configuration to a
 * clean stop, with a pull, two networks and the removal of the container on the way.
 *
 * test_crash_memory                 every so many-th place
 * test_crash_memory once            each place
 * test_crash_memory stays           every eighth: most processes end at the first
 * test_crash_memory once|stays N [COUNT]    the N-th place only, or COUNT of them
 */
#include "tests/crash/crash.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>

#define THIN_STEP 61
#define STAYS_STEP 8
/* Failures while the state file is made mostly end the process before it asks anybody for anything: after
 * every so many-th of them the life is led to its end all the same. */
#define FULL_EVERY 20
#define LIVES_A_WORLD 60
#define CHECK_EVERY 10
#define LIFE_MS MINUTES(30)

static const char config[] =
    "[timeouts]\ncreate = 9s\nstart = 9s\ninspect = 9s\nremove = 9s\nstop = 9s\nimage = "
    "9s\napi = 9s\nreport = 9s\nresolve = 9s\n";

struct failing {
    int64_t at;    /* of a process's allocations */
    bool is_fresh; /* in a life without a state file */
};

static struct failing failings[2 * LACK_PLACES_MAX];
static int failing_count;

static int step = THIN_STEP;
static int first, count_max = INT_MAX;
static bool tries_once = true, tries_stays = true;
static int lives, cases, memory_ends, clean_ends;

/* ---- one life ---- */

static struct crash *begin_world(void)
{
    struct crash *c = crash_begin(1);
    struct world *w = c->world;
    c->use_lack = lack_use;
    c->check_every = 50;
    w->flow_variables = "{\"image\":\"etl:2\",\"networks\":[\"bridge\",\"second\"],\"auto_remove\":true}";
    fake_engine_add_network(w->engine, "second");
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 2000, .lines = 2});
    return c;
}

static void end_world(struct crash *c)
{
    memory_ends += c->memory_ends;
    clean_ends += c->clean_ends;
    crash_end(c);
}

static void remove_state(struct crash *c)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = check_printf("%s%s", c->world->state_path, ends[i]);
        unlink(path);
        free(path);
    }
}

static bool is_down(struct crash *c)
{
    return c->pid == 0;
}

/* To the end of the run, and to a clean stop; a process that dies while it stops is followed by another. */
static void lead_to_the_end(struct crash *c)
{
    int clean_ends_before = c->clean_ends;
    while (c->clean_ends == clean_ends_before) {
        crash_until(c, LIFE_MS, crash_is_all_over, "the run has its end");
        c->is_down = true;
        kill(c->pid, SIGTERM);
        crash_until(c, LIFE_MS, is_down, "the service stops");
        c->is_down = false;
        if (c->clean_ends == clean_ends_before)
            crash_start(c, NULL);
    }
}

static void check_run(struct crash *c, const char *run)
{
    struct world *w = c->world;
    if (world_state(w, run) != PREFECT_STATE_COMPLETED || world_times_run(w, run) != 1)
        crash_fail(c, "the run has no right end: %s", fake_prefect_history(w->prefect, run));
    if (fake_engine_container_count(w->engine) != 0)
        crash_fail(c, "a container is left");
}

/* One life with this lack in its first process. */
static void live(struct crash *c, bool is_fresh, struct lack lack, bool is_short)
{
    struct world *w = c->world;
    fake_engine_remove_image(w->engine, "etl:2");
    if (is_fresh)
        remove_state(c);
    if (world_count(w, PREFECT_STATE_SCHEDULED) == 0)
        c->run = world_add_run(w);
    c->next_lack = lack;
    c->is_down = is_short;
    int memory_ends_before = c->memory_ends;
    crash_start(c, config);
    crash_step(c);
    if (c->pid == 0 && c->memory_ends > memory_ends_before)
        return; /* short, and already over */
    c->is_down = false;
    if (c->pid == 0)
        crash_start(c, NULL);
    lead_to_the_end(c);
    check_run(c, c->run);
    if (lives++ % CHECK_EVERY == 0)
        crash_check_end(c);
}

/* ---- all of them ---- */

static uint64_t known[4 * LACK_PLACES_MAX]; /* open addressing */

static bool is_new(uint64_t hash)
{
    size_t at = hash % ARRAY_LEN(known);
    for (; known[at] != 0; at = (at + 1) % ARRAY_LEN(known))
        if (known[at] == hash)
            return false;
    known[at] = hash;
    return true;
}

static int64_t record_life(struct crash *c, bool is_fresh)
{
    live(c, is_fresh, (struct lack){.is_recorded = true}, false);
    int64_t count = c->shared->lack.count;
    CHECK(count < LACK_PLACES_MAX);
    for (int64_t i = 1; i <= count; i++)
        if (is_new(c->shared->places.hash[i]))
            failings[failing_count++] = (struct failing){i, is_fresh};
    return count;
}

static void fail_at(struct crash **c, int number, bool stays)
{
    const struct failing *f = &failings[number];
    if (cases % LIVES_A_WORLD == 0) {
        end_world(*c);
        *c = begin_world();
        live(*c, true, (struct lack){.fail_at = 0}, false); /* there is a state file */
    }
    if (getenv("CRASH_TELL") != NULL)
        fprintf(stderr, "case %d: allocation %lld%s%s\n", number, (long long)f->at,
                f->is_fresh ? ", fresh" : "", stays ? ", stays" : "");
    (*c)->seed = (uint64_t)number;
    live(*c, f->is_fresh, (struct lack){.fail_at = f->at, .stays = stays},
         f->is_fresh && number % FULL_EVERY != 0);
    cases++;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    struct crash *c = begin_world();
    int64_t fresh = record_life(c, true);
    int64_t again = record_life(c, false);
    print_message("%lld allocations in a life that makes the file, %lld in one that finds it, at %d places\n",
                  (long long)fresh, (long long)again, failing_count);
    for (int i = first; i < failing_count && i - first < count_max; i += step) {
        if (tries_once)
            fail_at(&c, i, false);
        if (tries_stays)
            fail_at(&c, i, true);
    }
    end_world(c);
    print_message("%d allocations failed: %d processes ended for lack of memory, %d stopped when told to; %d "
                  "lives came to their end\n",
                  cases, memory_ends, clean_ends, lives);
    assert_true(memory_ends > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    if (argc > 1) {
        step = strcmp(argv[1], "stays") == 0 ? STAYS_STEP : 1;
        tries_stays = strcmp(argv[1], "stays") == 0;
        tries_once = !tries_stays;
    }
    if (argc > 2) {
        step = 1;
        first = (int)strtol(argv[2], NULL, 10);
        count_max = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
