/*
 * test_crash_points.c - the life of a run, with a death at each named point of it, and a second one during
 * the recovery.
 *
 * Which points a life has is found by leading it once, and which a recovery has by recovering, so that a new
 * request is there by itself; those that must be among them are listed below, so that none gets lost.
 *
 * test_crash_points           each point once, in the first life that has it
 * test_crash_points all       each point of each life, at its first two passings, and twice at the first
 * test_crash_points "plain success" "save_after" 2 [ANY]
 *                             one death: at the second passing; ANY: and the next process at its ANY-th
 */
#include "tests/crash/scenarios.h"

#include <stdlib.h>

#define PASSES_MAX 2
/* The second death comes at one of so many passings of the next process. */
#define SECOND_MAX 60

static const struct kill_plan nowhere;

static bool tries_all;
static struct kill_passed seen[KILL_POINTS_MAX]; /* by any life */
static int seen_count;
static int lives;
static int kills;
static int checks;

/* False if it is there already. */
static bool is_new(const char *name)
{
    for (int i = 0; i < seen_count; i++)
        if (strcmp(seen[i].name, name) == 0)
            return false;
    CHECK(seen_count < KILL_POINTS_MAX);
    snprintf(seen[seen_count++].name, KILL_NAME_SIZE, "%s", name);
    return true;
}

/* points NULL: they are not asked for. */
static void live(const struct scenario *scenario, const struct kill_plan *first,
                 const struct kill_plan *second, struct kill_points *points)
{
    struct crash *c = crash_begin(1);
    if (getenv("CRASH_TELL") != NULL)
        fprintf(stderr, "\"%s\" \"%s\" %d %d\n", scenario->name, first->name, first->pass, second->any_pass);
    scenario_live(scenario, c, first, second);
    if (points != NULL)
        *points = c->shared->points;
    lives++;
    kills += c->kills;
    checks += c->checks;
    crash_end(c);
}

/* Points that only a recovery has: die there, too. */
static void die_recovering(const struct scenario *scenario, const struct kill_plan *first,
                           const struct kill_points *points)
{
    for (int i = 0; i < points->count; i++) {
        struct kill_plan second = {.pass = 1};
        snprintf(second.name, sizeof(second.name), "%s", points->passed[i].name);
        if (is_new(second.name))
            live(scenario, first, &second, NULL);
    }
}

static void die_at(const struct scenario *scenario, const char *name, int pass, int number)
{
    static struct kill_points passed;
    struct kill_plan first = {.pass = pass};
    struct kill_plan second = {.any_pass = 1 + number % SECOND_MAX};
    snprintf(first.name, sizeof(first.name), "%s", name);
    bool dies_once = tries_all || number % 2 == 0;
    bool dies_twice = tries_all ? pass == 1 : !dies_once;
    if (dies_once) {
        live(scenario, &first, &nowhere, &passed);
        die_recovering(scenario, &first, &passed);
    }
    if (dies_twice)
        live(scenario, &first, &second, NULL);
}

static void die_at_each_point(const struct scenario *scenario)
{
    static struct kill_points whole;
    live(scenario, &nowhere, &nowhere, &whole);
    for (int i = 0; i < whole.count; i++) {
        const struct kill_passed *point = &whole.passed[i];
        bool is_first = is_new(point->name);
        int passes = tries_all ? PASSES_MAX : 1;
        for (int pass = 1; (tries_all || is_first) && pass <= passes && pass <= point->passes; pass++)
            die_at(scenario, point->name, pass, i * 7 + pass);
    }
}

/* What the service asks of the two others. Each request has the points before, sent and answered. */
static const char *const requests[] = {
    "GET:/work_pools/{}",
    "POST:/work_pools/{}/queues/filter",
    "POST:/work_pools/{}/workers/heartbeat",
    "POST:/work_pools/{}/get_scheduled_flow_runs", /* poll */
    "POST:/flow_runs/filter",                      /* watch, sight */
    "GET:/flow_runs/{}",                           /* look */
    "POST:/flow_runs/{}/set_state:Pending",        /* claim */
    "POST:/flow_runs/{}/set_state:Submitting",
    "POST:/flow_runs/{}/set_state:CRASHED", /* report */
    "POST:/flow_runs/{}/set_state:CANCELLED",
    "POST:/flow_runs/{}/set_state:SCHEDULED", /* hand back */
    "GET:/flow_run_states/",                  /* restore */
    "POST:/flow_runs/{}/set_state:Completed", /* restore */
    "PATCH:/flow_runs/{}",                    /* announce */
    "PATCH:/flow_runs/{}/labels",
    "GET:/deployments/{}",
    "GET:/flows/{}",
    "POST:/v2/concurrency_limits/leases/{}/renew",
    "POST:/events", /* telemetry */
    "POST:/logs/",
    "GET:/csrf-token",
    "GET:/_ping",
    "GET:/events", /* the stream */
    "GET:/containers/json",
    "GET:/containers/json:launch", /* clear */
    "GET:/images/{}/json",
    "POST:/images/create", /* pull */
    "POST:/containers/create",
    "POST:/networks/{}/connect",
    "POST:/containers/{}/start",
    "GET:/containers/{}/json",
    "POST:/containers/{}/stop",
    "DELETE:/containers/{}:force", /* remove, clear */
    "DELETE:/containers/{}",       /* retire */
    "GET:/events:replay",          /* retire */
};
static const char *const others[] = {"save_before",    "save_row",      "save_after",
                                     "migrate_before", "migrate_after", "state_file_made"};

static void expect_seen(const char *name)
{
    if (is_new(name))
        fail_msg("no life passes %s", name);
}

static void test_killed_at_each_point(void **state)
{
    (void)state;
    static const char *const places[] = {"before", "sent", "answered"};
    for (size_t i = 0; i < scenario_count; i++)
        die_at_each_point(&scenarios[i]);
    print_message("%d lives, %d kills at %d named points, %d checks of the file\n", lives, kills, seen_count,
                  checks);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect_seen(others[i]);
    for (size_t i = 0; i < ARRAY_LEN(requests) * ARRAY_LEN(places); i++) {
        char name[KILL_NAME_SIZE];
        snprintf(name, sizeof(name), "%s:%s", requests[i / ARRAY_LEN(places)], places[i % ARRAY_LEN(places)]);
        expect_seen(name);
    }
}

static int try_one(int argc, char **argv)
{
    struct kill_plan first = {.pass = (int)strtol(argv[3], NULL, 10)};
    struct kill_plan second = {.any_pass = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 0};
    snprintf(first.name, sizeof(first.name), "%s", argv[2]);
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, argv[1]) == 0)
            live(&scenarios[i], &first, &second, NULL);
    printf("%d lives, %d kills\n", lives, kills);
    return lives == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed_at_each_point)};
    if (argc > 3)
        return try_one(argc, argv);
    tries_all = argc == 2 && strcmp(argv[1], "all") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
