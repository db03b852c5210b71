/*
 * test_flow_listing.c - more runs are due than a poll can show: those that can't start hide nobody.
 *
 * "crowd" is a deployment with a class of its own, which runs one at a time; whoever is first in it stays.
 */
#include "tests/flow/world.h"

#include <stdlib.h>

#define CROWD_ALONE "[class crowd]\nmatch_deployment = crowd\nrunning = 1\n"
#define POLL_MS SECONDS(10)

static const char *add_run_at(struct world *w, const char *deployment, int64_t from_now_ms)
{
    return fake_prefect_add_run(
        w->prefect, &(struct fake_prefect_run){.deployment_id = deployment,
                                               .scheduled_at_ms = w->clock.wall_ms + from_now_ms});
}

/* So many that were due an hour ago, a second apart; NULL runs: nobody wants to know them. */
static void add_crowd(struct world *w, const char *deployment, const char **runs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *run = add_run_at(w, deployment, SECONDS((int64_t)i) - MINUTES(600));
        if (runs != NULL)
            runs[i] = run;
    }
}

static long queued(struct world *w)
{
    return world_number(w, "SELECT count(*) FROM launches WHERE state = 'QUEUED'");
}

static int filter_calls(const struct world *w)
{
    return fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS);
}

/* ---- nobody is hidden ---- */

static void test_ten_thousand_blocked_runs_hide_nobody(void **state)
{
    struct world *w = *state;
    enum { CROWD = 10000 };
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, CROWD);
    const char *behind = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_state(w, behind) == PREFECT_STATE_RUNNING);
    UNTIL(w, SECONDS(20), queued(w) == CROWD - 1);
    /* And one that comes while all this waits starts when it is due. */
    world_pass(w, SECONDS(15));
    const char *late = add_run_at(w, w->deployment, SECONDS(60));
    const char *soon = add_run_at(w, w->deployment, 0);
    UNTIL(w, POLL_MS + SECONDS(2), world_state(w, soon) == PREFECT_STATE_RUNNING);
    UNTIL(w, SECONDS(62), world_state(w, late) == PREFECT_STATE_RUNNING);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 4);
}

/* In the order of their due times, while pages come in. */
static void test_a_crowd_is_claimed_in_its_order(void **state)
{
    struct world *w = *state;
    enum { CROWD = 2000, STARTS = 40 };
    static const char *runs[CROWD];
    add_crowd(w, world_add_deployment(w, "crowd", NULL), runs, CROWD);
    w->flow.run_ms = 500;
    world_start(w, CROWD_ALONE);
    UNTIL(w, MINUTES(3), fake_engine_starts(w->engine, NULL) == STARTS);
    for (int i = 0; i < STARTS; i++)
        assert_int_equal(fake_prefect_had_state(w->prefect, runs[i], PREFECT_STATE_PENDING, "Pending"), 1);
    assert_int_equal(world_count(w, PREFECT_STATE_SCHEDULED), CROWD - STARTS);
}

/* As a backfill makes them. */
static void test_a_crowd_with_one_due_time(void **state)
{
    struct world *w = *state;
    enum { CROWD = 900 };
    const char *crowd = world_add_deployment(w, "crowd", NULL);
    for (int i = 0; i < CROWD; i++)
        add_run_at(w, crowd, -MINUTES(10));
    const char *behind = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_state(w, behind) == PREFECT_STATE_RUNNING && queued(w) == CROWD - 1);
}

/* More than we keep: each class still has its share, the earliest of it. */
static void test_there_is_a_bound_and_a_share_of_it(void **state)
{
    struct world *w = *state;
    enum { CROWD = 20700, OTHERS = 1300, KEPT = 20000, SHARE = 1000 };
    const char *crowd = world_add_deployment(w, "crowd", NULL);
    const char *others = world_add_deployment(w, "others", NULL);
    add_crowd(w, crowd, NULL, CROWD);
    for (int i = 0; i < OTHERS; i++)
        add_run_at(w, others, SECONDS(i) - MINUTES(60));
    const char *behind = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE "[class others]\nmatch_deployment = others\nrunning = 1\n");
    UNTIL(w, SECONDS(60), world_logged(w, "read all runs") > 0);
    UNTIL(w, SECONDS(5), world_state(w, behind) == PREFECT_STATE_RUNNING);
    world_pass(w, SECONDS(1));
    assert_in_range(world_number(w, "SELECT queued FROM classes WHERE class = 'crowd'"), KEPT - 1, KEPT);
    assert_in_range(world_number(w, "SELECT queued FROM classes WHERE class = 'others'"), SHARE - 1, SHARE);
    assert_in_range(world_number(w, "SELECT (max(due_at_ms) - min(due_at_ms)) / 1000 FROM launches "
                                    "WHERE class_name = 'others' AND state = 'QUEUED'"),
                    SHARE - 2, SHARE - 1);
}

/* ---- what leaves ---- */

static void test_runs_that_are_gone_leave_the_queue(void **state)
{
    struct world *w = *state;
    enum { CROWD = 1200 };
    static const char *runs[CROWD];
    add_crowd(w, world_add_deployment(w, "crowd", NULL), runs, CROWD);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), queued(w) == CROWD - 1);
    for (int i = 100; i < 400; i++)
        fake_prefect_user_cancels(w->prefect, runs[i]);
    for (int i = 600; i < 700; i++)
        assert_true(fake_prefect_other_worker_claims(w->prefect, runs[i]));
    for (int i = 1150; i < 1200; i++)
        fake_prefect_delete_run(w->prefect, runs[i]);
    UNTIL(w, SECONDS(90), queued(w) == CROWD - 1 - 450);
    world_pass(w, MINUTES(2));
    assert_int_equal(queued(w), CROWD - 1 - 450);
    /* All of them: now polls are not full, and the rows go all the same. */
    for (int i = 1; i < 1150; i++)
        fake_prefect_user_cancels(w->prefect, runs[i]);
    UNTIL(w, SECONDS(40), queued(w) == 0);
    assert_int_equal(world_launches(w), 1);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

/* ---- what is not ours to take ---- */

static void test_runs_of_a_paused_queue_are_left_out(void **state)
{
    struct world *w = *state;
    enum { CROWD = 300, NIGHT = 3000 };
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "night", 1);
    fake_prefect_pause_queue(w->prefect, WORLD_POOL, "night", true);
    add_crowd(w, world_add_deployment(w, "crowd", "night"), NULL, NIGHT);
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, CROWD);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    world_pass(w, MINUTES(2));
    assert_int_equal(queued(w), CROWD - 1);
    /* Nor do they cost pages: two passes of two, and what watch, windows and sights need. */
    assert_in_range(filter_calls(w), 4, 40);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches WHERE work_queue_name = 'night'"), 0);
    fake_prefect_pause_queue(w->prefect, WORLD_POOL, "night", false);
    UNTIL(w, MINUTES(3), queued(w) == NIGHT + CROWD - 1);
}

/* A page that was asked for before the pause was known. */
static void test_a_queue_is_paused_while_a_page_is_out(void **state)
{
    struct world *w = *state;
    enum { CROWD = 300 };
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "night", 9);
    add_crowd(w, world_add_deployment(w, "crowd", "night"), NULL, CROWD);
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, CROWD);
    w->flow.run_ms = -1;
    world_start(w, "[prefect]\nheartbeat_interval = 2s\n[timeouts]\napi = 60s\n" CROWD_ALONE);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 9000});
    UNTIL(w, SECONDS(5), fake_prefect_unanswered(w->prefect) == 1);
    fake_prefect_pause_queue(w->prefect, WORLD_POOL, "night", true);
    world_pass(w, SECONDS(40));
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches WHERE work_queue_name = 'night'"), 0);
    assert_int_equal(queued(w), CROWD - 1);
}

/* What waits in our queue stays where it is when the queue, or the pool, is paused, though the filter shows
 * it SCHEDULED. */
static void pause_and_go_on(struct world *w, bool is_pool)
{
    enum { RUNS = 20 };
    for (int i = 0; i < RUNS; i++)
        add_run_at(w, w->deployment, -SECONDS(60));
    w->flow.run_ms = 4000;
    world_start(w, "[prefect]\npoll_interval = 60s\nheartbeat_interval = 5s\n[limits]\nrunning = 1\n");
    UNTIL(w, SECONDS(30), world_count(w, PREFECT_STATE_COMPLETED) == 2);
    if (is_pool)
        fake_prefect_pause_pool(w->prefect, WORLD_POOL, true);
    else
        fake_prefect_pause_queue(w->prefect, WORLD_POOL, "default", true);
    world_pass(w, SECONDS(6)); /* the pool has been read */
    size_t waiting = world_count(w, PREFECT_STATE_SCHEDULED);
    assert_true(waiting > RUNS / 2);
    world_pass(w, SECONDS(30)); /* before a poll */
    assert_int_equal(world_count(w, PREFECT_STATE_SCHEDULED), waiting);
    world_pass(w, MINUTES(5));
    assert_int_equal(world_count(w, PREFECT_STATE_SCHEDULED), waiting);
    assert_int_equal(queued(w), 0);
    if (is_pool)
        fake_prefect_pause_pool(w->prefect, WORLD_POOL, false);
    else
        fake_prefect_pause_queue(w->prefect, WORLD_POOL, "default", false);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == RUNS);
}

static void test_a_queue_that_is_paused_later(void **state)
{
    pause_and_go_on(*state, false);
}

static void test_a_pool_that_is_paused_later(void **state)
{
    pause_and_go_on(*state, true);
}

static void test_a_run_that_retries_in_its_container_is_nobodys(void **state)
{
    struct world *w = *state;
    enum { CROWD = 400 };
    static const char *runs[CROWD];
    add_crowd(w, world_add_deployment(w, "crowd", NULL), runs, CROWD);
    w->flow.run_ms = 60000;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), queued(w) == CROWD - 1);
    /* Another worker's, which waits in our queue still, and one that no row knows. */
    assert_true(fake_prefect_other_worker_claims(w->prefect, runs[1]));
    fake_prefect_retries_in_process(w->prefect, runs[1]);
    const char *other = add_run_at(w, w->deployment, -MINUTES(700));
    assert_true(fake_prefect_other_worker_claims(w->prefect, other));
    fake_prefect_retries_in_process(w->prefect, other);
    UNTIL(w, MINUTES(4), fake_engine_starts(w->engine, NULL) == 3);
    assert_int_equal(fake_prefect_had_state(w->prefect, runs[1], PREFECT_STATE_PENDING, NULL), 1);
    assert_int_equal(fake_prefect_had_state(w->prefect, other, PREFECT_STATE_PENDING, NULL), 1);
    assert_string_equal(world_launch(w, runs[1]), "");
    assert_string_equal(world_launch(w, other), "");
}

static void test_run_once_takes_what_one_poll_shows(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"command.run_once", "true", NULL};
    w->flags = flags;
    for (int i = 0; i < 230; i++)
        world_add_run(w);
    world_start(w, "[limits]\nlaunching = 50\n");
    UNTIL(w, MINUTES(10), w->has_ended);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 200);
}

/* ---- what it costs, and trouble ---- */

/* Filter calls in ten minutes, with so many runs of which one runs. */
static int calls_with(struct world *w, size_t count)
{
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, count);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), queued(w) == (long)count - 1);
    world_pass(w, MINUTES(1));
    int before = filter_calls(w);
    world_pass(w, MINUTES(10));
    return filter_calls(w) - before;
}

/* The watch over the one that runs, a call every ten seconds, and the look for cancels that nobody has, one
 * every thirty. */
#define OTHER_CALLS_MIN (58 + 19)
#define OTHER_CALLS_MAX (62 + 20)

static void test_polls_that_are_not_full_cost_nothing(void **state)
{
    assert_in_range(calls_with(*state, 190), OTHER_CALLS_MIN, OTHER_CALLS_MAX);
}

/* One window a poll, and one pass in 60 s. */
static void test_what_full_polls_cost(void **state)
{
    assert_in_range(calls_with(*state, 950), OTHER_CALLS_MIN + 50 + 5 * 8, OTHER_CALLS_MAX + 67 + 6 * 10);
}

/* Beside another worker only polls show what may be claimed under a limit. */
static void test_a_limit_of_the_pool_keeps_it_to_polls(void **state)
{
    struct world *w = *state;
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 1000);
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, 950);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    world_pass(w, MINUTES(2));
    assert_in_range(queued(w), 190, 201);
}

/* Also while the queues are being read anew. */
static void test_a_limit_of_a_queue_keeps_it_to_polls(void **state)
{
    struct world *w = *state;
    fake_prefect_limit_queue(w->prefect, WORLD_POOL, "default", 1000);
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LIST_QUEUES,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 15000});
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, 950);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    world_pass(w, MINUTES(4));
    assert_in_range(queued(w), 190, 201);
}

static void test_a_pass_survives_errors(void **state)
{
    struct world *w = *state;
    enum { CROWD = 1500 };
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, CROWD);
    const char *behind = world_add_run(w);
    w->flow.run_ms = -1;
    static const enum fake_prefect_fault_kind kinds[] = {PREFECT_FAULT_STATUS, PREFECT_FAULT_DROP_BEFORE,
                                                         PREFECT_FAULT_CUT_JSON, PREFECT_FAULT_HALF_BODY};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                    .nth = 3 + 2 * (int)i,
                                                                    .kind = kinds[i],
                                                                    .status = 503});
    world_start(w, CROWD_ALONE);
    UNTIL(w, MINUTES(2), queued(w) == CROWD - 1 && world_state(w, behind) == PREFECT_STATE_RUNNING);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
}

static void test_a_restart_in_the_middle_of_a_pass(void **state)
{
    struct world *w = *state;
    enum { CROWD = 1500 };
    add_crowd(w, world_add_deployment(w, "crowd", NULL), NULL, CROWD);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), queued(w) > 600);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), queued(w) == CROWD - 1);
    world_stop(w);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_ten_thousand_blocked_runs_hide_nobody),
        FLOW_TEST(test_a_crowd_is_claimed_in_its_order),
        FLOW_TEST(test_a_crowd_with_one_due_time),
        FLOW_TEST(test_there_is_a_bound_and_a_share_of_it),
        FLOW_TEST(test_runs_that_are_gone_leave_the_queue),
        FLOW_TEST(test_runs_of_a_paused_queue_are_left_out),
        FLOW_TEST(test_a_queue_is_paused_while_a_page_is_out),
        FLOW_TEST(test_a_queue_that_is_paused_later),
        FLOW_TEST(test_a_pool_that_is_paused_later),
        FLOW_TEST(test_a_run_that_retries_in_its_container_is_nobodys),
        FLOW_TEST(test_run_once_takes_what_one_poll_shows),
        FLOW_TEST(test_polls_that_are_not_full_cost_nothing),
        FLOW_TEST(test_what_full_polls_cost),
        FLOW_TEST(test_a_limit_of_the_pool_keeps_it_to_polls),
        FLOW_TEST(test_a_limit_of_a_queue_keeps_it_to_polls),
        FLOW_TEST(test_a_pass_survives_errors),
        FLOW_TEST(test_a_restart_in_the_middle_of_a_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
