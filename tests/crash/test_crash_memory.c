/*
 * test_crash_memory.c - each allocation of a full life fails in turn, once, or from then on.
 *
 * Whichever fails, the service goes on, or ends with code 1 and says that memory is out; never by a signal.
 * Then it is started with memory, and the run comes to its right end.
 *
 * test_crash_memory              every so many-th allocation
 * test_crash_memory all          each
 * test_crash_memory N [stays]    one
 */
#include "tests/crash/scenarios.h"

#include <stdlib.h>

/* Of some thousands. */
#define THIN_STEP 97

static int64_t step = THIN_STEP;
static int lives, memory_ends;

static int64_t live_without(const struct scenario *scenario, int64_t fail_at, bool stays)
{
    static const struct kill_plan nowhere;
    struct crash *c = crash_begin(1);
    c->use_lack = lack_use;
    c->check_every = 1000;
    c->next_lack = (struct lack){.fail_at = fail_at, .stays = stays};
    if (getenv("CRASH_TELL") != NULL)
        fprintf(stderr, "%s: %lld%s\n", scenario->name, (long long)fail_at, stays ? " stays" : "");
    scenario_live(scenario, c, &nowhere, &nowhere);
    int64_t count = c->shared->lack.count;
    lives++;
    memory_ends += c->memory_ends;
    crash_end(c);
    return count;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    const struct scenario *plain = &scenarios[0];
    int64_t all = live_without(plain, 0, false);
    for (int64_t at = 1; at <= all; at += step) {
        live_without(plain, at, false);
        live_without(plain, at, true);
    }
    print_message("%lld allocations in a life; %d lives, %d ended for lack of memory\n", (long long)all,
                  lives, memory_ends);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_fails)};
    if (argc > 1 && strcmp(argv[1], "all") == 0)
        step = 1;
    else if (argc > 1)
        return live_without(&scenarios[0], strtoll(argv[1], NULL, 10), argc > 2) > 0 ? 0 : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
