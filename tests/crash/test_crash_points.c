/*
 * test_crash_points.c - the life of a run, with a death at each named point of it, and a second one during
 * the recovery.
 *
 * Which points a life has is found by leading it once. One of them alone:
 * CRASH_SCENARIO="plain success" CRASH_POINT="POST:/containers/{}/start:sent" CRASH_PASS=1 test_crash_points
 */
#include "tests/crash/scenarios.h"

#include <stdlib.h>

/* Passings of one point at which it dies: the first ones. */
#define PASSES_MAX 2

static struct kill_passed seen[KILL_POINTS_MAX]; /* by any scenario */
static int seen_count;
static int lives;
static int kills;

static void remember(const struct kill_points *points)
{
    for (int i = 0; i < points->count; i++) {
        int j = 0;
        while (j < seen_count && strcmp(seen[j].name, points->passed[i].name) != 0)
            j++;
        if (j == seen_count) {
            CHECK(seen_count < KILL_POINTS_MAX);
            seen[seen_count++] = points->passed[i];
        } else {
            seen[j].passes += points->passed[i].passes;
        }
    }
}

static void live_once(const struct scenario *scenario, const struct kill_plan *first,
                      const struct kill_plan *second, struct kill_points *points, uint64_t seed)
{
    struct crash *c = crash_begin(seed);
    scenario_live(scenario, c, first, second);
    remember(&c->shared->points);
    *points = c->shared->points;
    lives++;
    kills += c->kills;
    crash_end(c);
}

static void die_at_each_point(const struct scenario *scenario)
{
    static const struct kill_plan nowhere;
    struct kill_points whole, ignored;
    live_once(scenario, &nowhere, &nowhere, &whole, 1);
    for (int i = 0; i < whole.count; i++) {
        for (int pass = 1; pass <= PASSES_MAX && pass <= whole.passed[i].passes; pass++) {
            struct kill_plan plan = {.pass = pass};
            struct kill_plan again = {.any_pass = 1 + (i * 7 + pass * 3) % 60};
            snprintf(plan.name, sizeof(plan.name), "%s", whole.passed[i].name);
            if (getenv("CRASH_TELL") != NULL)
                fprintf(stderr, "%s: %s, pass %d\n", scenario->name, plan.name, pass);
            live_once(scenario, &plan, &nowhere, &ignored, 1);
            live_once(scenario, &plan, &again, &ignored, 1);
        }
    }
}

static void test_killed_at_each_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < scenario_count; i++) {
        int before = lives;
        die_at_each_point(&scenarios[i]);
        print_message("%s: %d lives\n", scenarios[i].name, lives - before);
    }
    print_message("%d lives, %d kills at %d named points\n", lives, kills, seen_count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_at_each_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
