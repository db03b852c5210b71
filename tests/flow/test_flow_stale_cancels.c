/*
 * test_flow_stale_cancels.c - a run whose container of ours has ended, scheduled again and cancelled before
 * anybody has claimed it: it ends Cancelled although no launch has it, and nobody else's run is touched.
 */
#include "tests/flow/world.h"

#include "runner.h"

/* A round's wait, a call that lets others go first, and the calls themselves. */
#define BOUND_MS SECONDS(41)
#define ANOTHER_PID "http+docker://localhost:0123456789abcdef"
#define FAST "[limits]\nstarts_per_second = 100\nlaunching = 50\n"

/* Its container ends before it says a word. */
static const char *crash_run(struct world *w)
{
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = 1000, .exit_code = 1};
    return world_add_run(w);
}

static const char *begin_crashed(struct world *w, const char *config_text)
{
    const char *run = crash_run(w);
    world_start(w, config_text);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    return run;
}

static void person_retries(struct world *w, const char *run)
{
    struct fake_verdict verdict = fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry"});
    assert_int_equal(verdict.outcome, PREFECT_OUTCOME_ACCEPT);
}

/* Before anybody can claim it. */
static void retry_and_cancel(struct world *w, const char *run)
{
    person_retries(w, run);
    fake_prefect_user_cancels(w->prefect, run);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
}

static void pause(struct world *w)
{
    struct err err;
    assert_int_equal(service_pause(w->service, &err), 0);
}

static void expect_cancelled(struct world *w, const char *run, int64_t within_ms)
{
    UNTIL(w, within_ms, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_string_equal(world_message(w, run), "Flow run cancelled by worker.");
    world_pass(w, MINUTES(2));
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CANCELLED, NULL), 1);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 1);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void expect_left_alone(struct world *w, const char *run)
{
    world_pass(w, MINUTES(5));
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
}

/* ---- it ends ---- */

static void test_cancelled_at_once(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    retry_and_cancel(w, run);
    expect_cancelled(w, run, BOUND_MS);
}

static void test_cancelled_while_we_are_paused(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    pause(w);
    person_retries(w, run);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_QUEUED));
    fake_prefect_user_cancels(w->prefect, run);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
    expect_cancelled(w, run, BOUND_MS);
}

static void test_cancelled_while_a_limit_is_reached(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, "[limits]\nrunning = 1\n");
    w->flow = (struct world_flow){.run_ms = -1};
    const char *long_one = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, long_one, RUN_STATE_RUNNING));
    person_retries(w, run);
    world_pass(w, SECONDS(40));
    assert_true(world_is_in(w, run, RUN_STATE_QUEUED));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
}

static void test_cancelled_while_we_were_away(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    world_stop(w);
    retry_and_cancel(w, run);
    world_pass(w, MINUTES(10));
    world_start(w, NULL);
    expect_cancelled(w, run, BOUND_MS + SECONDS(10));
}

/* ---- it isn't ours ---- */

static void test_another_s_pid(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    fake_prefect_set_pid(w->prefect, run, ANOTHER_PID);
    retry_and_cancel(w, run);
    expect_left_alone(w, run);
}

/* The server would let that worker's container begin a run that is CANCELLED. */
static void test_claimed_by_another_when_it_was_cancelled(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    person_retries(w, run);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    fake_prefect_user_cancels(w->prefect, run);
    expect_left_alone(w, run);
    assert_false(fake_prefect_container_runs(w->prefect, run));
}

/* Its launch carries out the cancel, and gives the flow time for that. */
static void test_one_that_runs(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    w->flow = (struct world_flow){.run_ms = -1};
    person_retries(w, run);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL_DOING(w, MINUTES(3), world_launches(w) == 0,
                assert_int_equal(world_logged(w, "that nobody had claimed is Cancelled"), 0));
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLED);
}

/* Cancelled right behind our own hand back, which its launch knows; the answer to its report takes long. */
static void test_one_that_we_hand_back(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\",\"image_pull_policy\":\"Always\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = SECONDS(20), .lines = 100});
    const char *run = begin_crashed(w, "[timeouts]\nreport = 5m\n");
    person_retries(w, run);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_PULLING));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DROP_AFTER});
    runner_feed_kind(service_runner(w->service), runner_find_flow_run(service_runner(w->service), run),
                     RUN_EVENT_LAUNCH_DEADLINE);
    UNTIL(w, SECONDS(10), world_state(w, run) == PREFECT_STATE_SCHEDULED);
    fake_prefect_user_cancels(w->prefect, run);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    UNTIL(w, SECONDS(20), fake_prefect_held(w->prefect) == 1);
    world_pass(w, SECONDS(65)); /* two rounds */
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
    fake_prefect_release(w->prefect);
    UNTIL(w, SECONDS(5), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLED);
    assert_int_equal(world_logged(w, "that nobody had claimed is Cancelled"), 0);
}

/* ---- calls that fail ---- */

static void test_failures(void **state)
{
    struct world *w = *state;
    static const struct fake_prefect_fault faults[] = {
        {.route = FAKE_PREFECT_FILTER_RUNS, .kind = PREFECT_FAULT_STATUS, .status = 500},
        {.route = FAKE_PREFECT_HISTORY, .kind = PREFECT_FAULT_STATUS, .status = 500},
        {.route = FAKE_PREFECT_SET_STATE, .kind = PREFECT_FAULT_STATUS, .status = 500},
        {.route = FAKE_PREFECT_SET_STATE, .kind = PREFECT_FAULT_DROP_BEFORE},
        {.route = FAKE_PREFECT_SET_STATE, .kind = PREFECT_FAULT_DROP_AFTER},
    };
    const char *run = begin_crashed(w, NULL);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        int calls = fake_prefect_calls(w->prefect, faults[i].route);
        retry_and_cancel(w, run);
        fake_prefect_fault(w->prefect, &faults[i]);
        UNTIL(w, 2 * BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
        assert_true(fake_prefect_calls(w->prefect, faults[i].route) > calls);
        world_pass(w, MINUTES(2));
        assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CANCELLED, NULL), i + 1);
    }
}

static void test_an_outage(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    fake_prefect_go_down(w->prefect);
    world_pass(w, MINUTES(5));
    retry_and_cancel(w, run);
    fake_prefect_come_up(w->prefect);
    expect_cancelled(w, run, BOUND_MS + SECONDS(20));
}

/* ---- how much is asked ---- */

static int pages(const struct world *w)
{
    return fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS);
}

static void test_one_page_every_half_minute(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    fake_prefect_set_pid(w->prefect, run, ANOTHER_PID);
    retry_and_cancel(w, run);
    world_pass(w, MINUTES(3)); /* and the one look for lost claims is over */
    int before = pages(w);
    int histories = fake_prefect_calls(w->prefect, FAKE_PREFECT_HISTORY);
    world_pass(w, MINUTES(30));
    assert_in_range(pages(w) - before, 58, 60);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_HISTORY), histories);
}

static void test_nothing_before_the_pool_was_read(void **state)
{
    struct world *w = *state;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_POOL,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    world_start(w, NULL);
    world_pass(w, MINUTES(10));
    assert_in_range(pages(w), 0, 1); /* the look for lost claims */
}

static void test_nothing_while_draining(void **state)
{
    struct world *w = *state;
    struct err err;
    const char *run = begin_crashed(w, NULL);
    w->flow = (struct world_flow){.run_ms = -1};
    const char *long_one = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, long_one, RUN_STATE_RUNNING));
    assert_int_equal(service_drain(w->service, &err), 0);
    retry_and_cancel(w, run);
    expect_left_alone(w, run);
}

/* The stop takes its time, since a claim is out. */
static void test_nothing_while_stopping(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    retry_and_cancel(w, run);
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    int64_t round_ms = w->clock.mono_ms;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    world_add_run(w);
    UNTIL(w, SECONDS(20), fake_prefect_held(w->prefect) == 1);
    world_pass(w, round_ms + SECONDS(25) - w->clock.mono_ms);
    retry_and_cancel(w, run);
    service_stop(w->service);
    world_pass(w, SECONDS(7));
    assert_false(w->has_ended);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
    UNTIL(w, SECONDS(5), w->has_ended);
}

static void test_a_stop_while_the_proposal_is_out(void **state)
{
    struct world *w = *state;
    const char *run = begin_crashed(w, NULL);
    retry_and_cancel(w, run);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    UNTIL(w, BOUND_MS, fake_prefect_held(w->prefect) == 1);
    world_stop(w);
    world_start(w, NULL);
    expect_cancelled(w, run, BOUND_MS + SECONDS(10));
}

static void test_twenty_a_round(void **state)
{
    struct world *w = *state;
    enum { RUNS = 45, ROUND_RUNS = 20 };
    for (int i = 0; i + 1 < RUNS; i++)
        crash_run(w);
    begin_crashed(w, FAST);
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_CRASHED) == RUNS && world_launches(w) == 0);
    for (size_t i = 0; i < RUNS; i++)
        retry_and_cancel(w, fake_prefect_run_id(w->prefect, i));
    UNTIL(w, BOUND_MS, world_count(w, PREFECT_STATE_CANCELLED) > 0);
    world_pass(w, SECONDS(15));
    assert_int_equal(world_count(w, PREFECT_STATE_CANCELLED), ROUND_RUNS);
    UNTIL(w, 2 * BOUND_MS, world_count(w, PREFECT_STATE_CANCELLED) == RUNS);
    assert_int_equal(fake_engine_starts(w->engine, NULL), RUNS);
}

/* Three pages of what isn't ours are no wall. */
static void test_many_of_others_hide_none_of_ours(void **state)
{
    struct world *w = *state;
    enum { RUNS = 8, OTHERS = 590 };
    const char *runs[RUNS];
    for (size_t i = 0; i < RUNS; i++)
        runs[i] = crash_run(w);
    begin_crashed(w, FAST);
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_CRASHED) == RUNS + 1 && world_launches(w) == 0);
    pause(w);
    for (int i = 0; i < OTHERS; i++) {
        const char *other = world_add_run(w);
        fake_prefect_set_pid(w->prefect, other, ANOTHER_PID);
        fake_prefect_user_cancels(w->prefect, other);
    }
    for (size_t i = 0; i < RUNS; i++)
        retry_and_cancel(w, runs[i]);
    UNTIL(w, 4 * BOUND_MS, world_count(w, PREFECT_STATE_CANCELLED) == RUNS);
    assert_int_equal(world_count(w, PREFECT_STATE_CANCELLING), OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_cancelled_at_once),
        FLOW_TEST(test_cancelled_while_we_are_paused),
        FLOW_TEST(test_cancelled_while_a_limit_is_reached),
        FLOW_TEST(test_cancelled_while_we_were_away),
        FLOW_TEST(test_another_s_pid),
        FLOW_TEST(test_claimed_by_another_when_it_was_cancelled),
        FLOW_TEST(test_one_that_runs),
        FLOW_TEST(test_one_that_we_hand_back),
        FLOW_TEST(test_failures),
        FLOW_TEST(test_an_outage),
        FLOW_TEST(test_one_page_every_half_minute),
        FLOW_TEST(test_nothing_before_the_pool_was_read),
        FLOW_TEST(test_nothing_while_draining),
        FLOW_TEST(test_nothing_while_stopping),
        FLOW_TEST(test_a_stop_while_the_proposal_is_out),
        FLOW_TEST(test_twenty_a_round),
        FLOW_TEST(test_many_of_others_hide_none_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
