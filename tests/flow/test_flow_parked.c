/* test_flow_parked.c - runs kept aside for a person: how they get there, and each way out. */
#include "tests/flow/talker.h"

#include "runner.h"

#define PARKS "[class a]\nmatch_deployment = *\npark = true\n"

/* Its image is nowhere to be had. */
static const char *park_named(struct world *w, const char *name)
{
    w->flow_variables = "{\"image\":\"nowhere:1\"}";
    const char *run = world_add_named_run(w, name);
    if (w->service == NULL)
        world_start(w, PARKS);
    UNTIL(w, MINUTES(3), world_is_in(w, run, RUN_STATE_PARKED));
    return run;
}

static const char *ask_for(struct world *w, const char *command, const char *run)
{
    char *AUTO_FREE request = check_printf("{\"command\":\"%s\",\"run\":\"%s\"}", command, run);
    return ask(w, request);
}

static void test_what_people_see(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    world_pass(w, MINUTES(60)); /* no deadline, no limit of tries ends it */
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_string_equal(world_query(w, "SELECT run_name FROM parked"), "otter");
    expect_said(world_query(w, "SELECT reason FROM parked"), "pull: ");
    char *AUTO_FREE release = check_printf("sluice retry %s (or: sluice discard %s)", run, run);
    assert_string_equal(world_query(w, "SELECT release FROM parked"), release);
    assert_int_equal(world_number(w, "SELECT in_use FROM limits WHERE class = '(pool)' AND kind = 'running'"),
                     0);
    world_crash(w);
    world_start(w, NULL);
    world_pass(w, MINUTES(1));
    assert_true(world_is_in(w, run, RUN_STATE_PARKED));
    const char *text;
    assert_int_equal(run_command(w, "why|otter", &text), 0);
    expect_said(text, "is parked since ");
}

static void test_retry_tries_anew(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    expect_said(ask_for(w, "retry", "otter"), "is released: tried again");
    UNTIL(w, MINUTES(1), !world_is_in(w, run, RUN_STATE_PARKED));
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_PARKED)); /* nothing has changed */
    fake_engine_add_image(w->engine, "nowhere:1");
    char *AUTO_FREE prefix = check_strndup(run, 6);
    expect_said(ask_for(w, "retry", prefix), "is released: tried again");
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    expect_said(ask_for(w, "retry", run), "has no run");
}

static void test_a_release_survives_a_kill(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    fake_engine_add_image(w->engine, "nowhere:1");
    ask_for(w, "retry", run);
    UNTIL(w, MINUTES(1), strcmp(world_row(w, run), "PARKED") != 0);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
}

/* Its second Submitting is lost, and lands when its flow has ended: the first, which went well, must not be
 * taken for it. */
static void test_a_released_run_whose_submitting_lands_late(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    fake_engine_add_image(w->engine, "nowhere:1");
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = SECONDS(5)};
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 1, .kind = PREFECT_FAULT_HOLD});
    ask_for(w, "retry", run);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
}

static void test_discard_reports_crashed(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    expect_said(ask_for(w, "discard", run), "is given up: reported Crashed");
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_CRASHED);
    expect_said(world_message(w, run), "pull access denied for nowhere");
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    const char *text;
    assert_int_equal(run_command(w, "why|otter", &text), 0);
    expect_said(text, "its launch failed for good: pull: ");
}

/* A name that several bear, a run that isn't parked, and one that nobody knows. */
static void test_which_run_is_meant(void **state)
{
    struct world *w = *state;
    const char *first = park_named(w, "twin");
    park_named(w, "twin");
    expect_said(ask_for(w, "discard", "twin"), "2 parked runs are called \\\"twin\\\": give the run's id");
    expect_said(ask_for(w, "discard", "abc"), "has no run"); /* three digits are too few, whatever they fit */
    w->flow_variables = NULL;
    w->flow.run_ms = -1;
    const char *runs = world_add_named_run(w, "twin");
    UNTIL(w, MINUTES(1), world_is_in(w, runs, RUN_STATE_RUNNING));
    char *AUTO_FREE sentence = check_printf("run %s (twin) is not parked: it is RUNNING", runs);
    expect_said(ask_for(w, "retry", runs), sentence);
    expect_said(ask_for(w, "discard", first), "is given up");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_CRASHED);
    expect_said(ask_for(w, "discard", "twin"), "is given up"); /* one parked is left, and is meant */
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_CRASHED) == 2);
    assert_int_equal(world_state(w, runs), PREFECT_STATE_RUNNING);
}

static void test_cancelled_at_the_server(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    world_pass(w, MINUTES(5));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, SECONDS(20), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
}

static void test_deleted_at_the_server(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    fake_prefect_delete_run(w->prefect, run);
    UNTIL(w, SECONDS(20), world_launches(w) == 0);
}

static void schedule_again(struct world *w, const char *run)
{
    fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .scheduled_at_ms = w->clock.wall_ms});
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
}

/* A person presses Retry in Prefect's own window: that is another launch, and the parked one says nothing. */
static void test_scheduled_again_at_the_server(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    fake_engine_add_image(w->engine, "nowhere:1");
    schedule_again(w, run);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches"), 2);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

/* Between two looks of the watch another worker has taken it up: to give it up is no word on that. */
static void test_discard_spares_anothers_run(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    world_pass(w, SECONDS(1));
    schedule_again(w, run);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    ask_for(w, "discard", run);
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

/* A drain waits for a person's word; a retry then gives the run to another worker. */
static void test_drain_waits_for_parked_runs(void **state)
{
    struct world *w = *state;
    const char *first = park_named(w, "one");
    const char *second = park_named(w, "two");
    expect_said(ask(w, "{\"command\":\"drain\"}"), "2 parked (a drain waits for them: sluice retry RUN");
    world_pass(w, MINUTES(10));
    assert_false(w->has_ended);
    expect_said(ask_for(w, "retry", first), "is released: handed back, since this sluice is draining");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_SCHEDULED);
    ask_for(w, "discard", second);
    UNTIL(w, MINUTES(1), w->has_ended);
    assert_int_equal(w->exit_code, 0);
    assert_int_equal(world_state(w, first), PREFECT_STATE_SCHEDULED);
    assert_int_equal(world_state(w, second), PREFECT_STATE_CRASHED);
}

static void test_paused_a_released_run_waits(void **state)
{
    struct world *w = *state;
    const char *run = park_named(w, "otter");
    fake_engine_add_image(w->engine, "nowhere:1");
    ask(w, "{\"command\":\"pause\"}");
    expect_said(ask_for(w, "retry", run), "tried again after sluice resume");
    world_pass(w, MINUTES(5));
    assert_true(world_is_in(w, run, RUN_STATE_QUEUED));
    ask(w, "{\"command\":\"resume\"}");
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* Its concurrency slot stays its own: the lease is renewed for as long as it is parked. */
static void test_its_concurrency_slot_is_kept(void **state)
{
    struct world *w = *state;
    w->deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "limited",
                                                      .pool = WORLD_POOL,
                                                      .has_limit = true,
                                                      .limit = 1,
                                                      .job_variables_json = "{\"command\":\"flow\"}"});
    const char *run = park_named(w, "otter");
    world_pass(w, MINUTES(30));
    assert_int_equal(fake_prefect_slots(w->prefect, w->deployment), 1);
    fake_engine_add_image(w->engine, "nowhere:1");
    ask_for(w, "retry", run);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    assert_int_equal(fake_prefect_slots(w->prefect, w->deployment), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_what_people_see),
        FLOW_TEST(test_retry_tries_anew),
        FLOW_TEST(test_a_release_survives_a_kill),
        FLOW_TEST(test_a_released_run_whose_submitting_lands_late),
        FLOW_TEST(test_discard_reports_crashed),
        FLOW_TEST(test_which_run_is_meant),
        FLOW_TEST(test_cancelled_at_the_server),
        FLOW_TEST(test_deleted_at_the_server),
        FLOW_TEST(test_scheduled_again_at_the_server),
        FLOW_TEST(test_discard_spares_anothers_run),
        FLOW_TEST(test_drain_waits_for_parked_runs),
        FLOW_TEST(test_paused_a_released_run_waits),
        FLOW_TEST(test_its_concurrency_slot_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
