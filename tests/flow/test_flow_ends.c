/* test_flow_ends.c - clocks that run out, cancellations in each state, and what is told of them. */
#include "tests/flow/world.h"

/* ---- timeouts ---- */

static void expect_told(struct world *w, const char *stage, const char *clock, const char *value,
                        const char *from)
{
    char text[300];
    snprintf(text, sizeof(text), "clock=%s clock_ms=%s clock_from=%s", clock, value, from);
    int told = world_logged(w, text);
    char of_stage[100];
    snprintf(of_stage, sizeof(of_stage), " stage=%s attempt=1 ", stage);
    if (told != 1 || world_logged(w, of_stage) == 0)
        fail_msg("\"%s\" was told %d times", text, told);
    assert_int_equal(world_logged(w, "msg=timeout"), 1);
    world_pass(w, 100);
    snprintf(text, sizeof(text),
             "SELECT count(*) FROM timeouts WHERE stage = '%s' AND clock = '%s' AND clock_ms = %s AND "
             "clock_from = '%s'",
             stage, clock, value, from);
    assert_int_equal(world_number(w, text), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM timeouts"), 1);
}

static void test_a_create_that_takes_too_long(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STALL});
    world_start(w, "\n[timeouts]\ncreate = 7s\n");
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    char from[200];
    snprintf(from, sizeof(from), "%s:3", w->config_path);
    expect_told(w, "create", "total", "7000", from);
    assert_string_equal(world_query(w, "SELECT setting FROM timeouts"), "create");
}

static void test_a_start_under_docker_client_timeout(void **state)
{
    struct world *w = *state;
    const char *const environment[] = {"DOCKER_CLIENT_TIMEOUT=9", NULL};
    w->environment = environment;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL});
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_pass(w, 100);
    assert_int_equal(world_number(w,
                                  "SELECT count(*) FROM timeouts WHERE stage = 'start' AND clock_ms = 9000 "
                                  "AND clock_from = 'DOCKER_CLIENT_TIMEOUT'"),
                     1);
}

static void test_a_pull_that_falls_silent(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 4000, .lines = 4});
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_STALL_BODY});
    const char *run = world_add_run(w);
    world_start(w, "[timeouts]\npull_inactivity = 40s\n");
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
    char from[200];
    snprintf(from, sizeof(from), "%s:2", w->config_path);
    expect_told(w, "pull", "inactivity", "40000", from);
    assert_string_equal(world_query(w, "SELECT setting FROM timeouts"), "pull_inactivity");
}

static void test_a_claim_that_takes_too_long(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 20000});
    world_start(w, "[timeouts]\napi = 8s\n");
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    char from[200];
    snprintf(from, sizeof(from), "%s:2", w->config_path);
    expect_told(w, "api", "total", "8000", from);
}

/* Calls that belong to no launch. */
static void expect_slow_call_told(struct world *w, enum fake_prefect_route route)
{
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){
                                       .route = route, .kind = PREFECT_FAULT_DELAY, .delay_ms = 20000});
    for (int i = 0; i < 3; i++)
        world_add_run(w);
    world_start(w, "[timeouts]\napi = 8s\nresolve = 8s\n");
    world_pass(w, SECONDS(15));
    char from[200];
    bool is_resolve = route == FAKE_PREFECT_GET_DEPLOYMENT;
    snprintf(from, sizeof(from), "%s:%d", w->config_path, is_resolve ? 3 : 2);
    expect_told(w, is_resolve ? "resolve" : "api", "total", "8000", from);
}

static void test_a_slow_poll_is_told(void **state)
{
    expect_slow_call_told(*state, FAKE_PREFECT_POLL);
}

static void test_a_slow_heartbeat_is_told(void **state)
{
    expect_slow_call_told(*state, FAKE_PREFECT_HEARTBEAT);
}

static void test_a_slow_watch_for_cancellations_is_told(void **state)
{
    expect_slow_call_told(*state, FAKE_PREFECT_FILTER_RUNS);
}

static void test_a_slow_deployment_is_told_once(void **state)
{
    expect_slow_call_told(*state, FAKE_PREFECT_GET_DEPLOYMENT);
}

static void test_a_slow_reconcile_is_told(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_LIST, .kind = FAKE_FAULT_STALL});
    world_start(w, "[timeouts]\ninspect = 6s\n");
    world_pass(w, SECONDS(15));
    char from[200];
    snprintf(from, sizeof(from), "%s:2", w->config_path);
    expect_told(w, "inspect", "total", "6000", from);
}

static void test_a_class_has_its_own_clocks(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STALL});
    world_start(w, "[timeouts]\ncreate = 50s\n[class n]\nmatch_deployment = nightly\ncreate = 3s\n");
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    char from[200];
    snprintf(from, sizeof(from), "%s:5", w->config_path);
    expect_told(w, "create", "total", "3000", from);
}

static void test_launch_deadline_gives_the_run_back(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 100});
    const char *run = world_add_run(w);
    world_start(w, "[timeouts]\nlaunch_deadline = 2m\n");
    UNTIL(w, MINUTES(3), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    assert_true(w->clock.wall_ms - fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) > 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

static void test_max_run_time_stops_the_container(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = MINUTES(60);
    world_start(w, "[timeouts]\nmax_run_time = 3m\n");
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_string_equal(world_message(w, run), "Flow run infrastructure was stopped after max_run_time.");
    const struct fake_container *c = fake_engine_container_at(w->engine, 0);
    assert_true(c->finished_at_ms - c->started_at_ms >= MINUTES(3));
    assert_true(c->finished_at_ms - c->started_at_ms <= MINUTES(3) + 2000);
}

static void test_max_run_time_counts_on_over_a_restart(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = MINUTES(60);
    world_start(w, "[timeouts]\nmax_run_time = 3m\n");
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, MINUTES(2));
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(70), world_state(w, run) == PREFECT_STATE_CRASHED);
}

/* ---- cancelling ---- */

static void expect_cancelled(struct world *w, const char *run)
{
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

static void test_cancelled_before_its_container(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_SUBMITTING, RUN_STATE_PULLING, RUN_STATE_CREATING,
                                            RUN_STATE_ANNOUNCING};
    static const enum fake_engine_call held[] = {FAKE_ENGINE_OTHER, FAKE_ENGINE_IMAGE_INSPECT,
                                                 FAKE_ENGINE_CREATE, FAKE_ENGINE_OTHER};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (held[i] != FAKE_ENGINE_OTHER)
            fake_engine_add_fault(w->engine, &(struct fake_fault){.call = held[i], .kind = FAKE_FAULT_HOLD});
        else
            fake_prefect_fault(w->prefect,
                               &(struct fake_prefect_fault){.route = i == 0 ? FAKE_PREFECT_SET_STATE
                                                                            : FAKE_PREFECT_PATCH_RUN,
                                                            .nth = i == 0 ? 2 : 1,
                                                            .kind = PREFECT_FAULT_HOLD});
        const char *run = world_add_run(w);
        world_start(w, NULL);
        UNTIL(w, SECONDS(20),
              world_is_in(w, run, states[i]) &&
                  fake_engine_held(w->engine, FAKE_ENGINE_ANY) + (int)fake_prefect_held(w->prefect) == 1);
        fake_prefect_user_cancels(w->prefect, run);
        world_pass(w, SECONDS(4));
        fake_engine_release(w->engine, FAKE_ENGINE_ANY);
        fake_prefect_release(w->prefect);
        expect_cancelled(w, run);
        assert_int_equal(fake_engine_container_count(w->engine), 0);
        assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
        world_crash(w);
    }
}

static void test_cancelled_while_it_waits_for_a_token(void **state)
{
    struct world *w = *state;
    const char *first = world_add_run(w);
    world_start(w, "[limits]\nstarts_per_second = 0.001\n");
    UNTIL(w, SECONDS(20), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_READY));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, SECONDS(10), world_state(w, run) == PREFECT_STATE_CANCELLED);
    UNTIL(w, SECONDS(20), world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_cancelled_while_it_is_being_started(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_HOLD});
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), fake_engine_held(w->engine, FAKE_ENGINE_START) == 1);
    fake_prefect_user_cancels(w->prefect, run);
    world_pass(w, SECONDS(5));
    fake_engine_release(w->engine, FAKE_ENGINE_START);
    expect_cancelled(w, run);
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        assert_string_not_equal(fake_engine_container_at(w->engine, i)->state, "running");
}

static void test_a_running_flow_may_end_its_own_cancellation(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_user_cancels(w->prefect, run);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_STOP), 0);
    assert_true(fake_prefect_container_cancelled(w->prefect, run));
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 0));
    expect_cancelled(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_STOP), 0);
}

static void test_a_running_flow_that_does_not_cancel_is_stopped(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_user_cancels(w->prefect, run);
    expect_cancelled(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_STOP), 1);
    assert_int_equal(fake_engine_container_at(w->engine, 0)->exit_code, 143);
}

static void test_a_cancellation_outlives_a_restart(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_user_cancels(w->prefect, run);
    world_pass(w, SECONDS(20));
    world_crash(w);
    world_start(w, NULL);
    expect_cancelled(w, run);
}

static void test_a_run_that_is_deleted_is_stopped(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_delete_run(w->prefect, run);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_string_equal(fake_engine_container_at(w->engine, 0)->state, "exited");
}

static void test_a_deployment_that_is_deleted_cancels_its_claimed_run(void **state)
{
    struct world *w = *state;
    const char *deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "short-lived", .pool = WORLD_POOL});
    const char *run =
        fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 2, .kind = PREFECT_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    fake_prefect_delete_deployment(w->prefect, deployment);
    world_pass(w, SECONDS(3));
    fake_prefect_release(w->prefect);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
    (void)run;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_create_that_takes_too_long),
        FLOW_TEST(test_a_start_under_docker_client_timeout),
        FLOW_TEST(test_a_pull_that_falls_silent),
        FLOW_TEST(test_a_claim_that_takes_too_long),
        FLOW_TEST(test_a_slow_poll_is_told),
        FLOW_TEST(test_a_slow_heartbeat_is_told),
        FLOW_TEST(test_a_slow_watch_for_cancellations_is_told),
        FLOW_TEST(test_a_slow_deployment_is_told_once),
        FLOW_TEST(test_a_slow_reconcile_is_told),
        FLOW_TEST(test_a_class_has_its_own_clocks),
        FLOW_TEST(test_launch_deadline_gives_the_run_back),
        FLOW_TEST(test_max_run_time_stops_the_container),
        FLOW_TEST(test_max_run_time_counts_on_over_a_restart),
        FLOW_TEST(test_cancelled_before_its_container),
        FLOW_TEST(test_cancelled_while_it_waits_for_a_token),
        FLOW_TEST(test_cancelled_while_it_is_being_started),
        FLOW_TEST(test_a_running_flow_may_end_its_own_cancellation),
        FLOW_TEST(test_a_running_flow_that_does_not_cancel_is_stopped),
        FLOW_TEST(test_a_cancellation_outlives_a_restart),
        FLOW_TEST(test_a_run_that_is_deleted_is_stopped),
        FLOW_TEST(test_a_deployment_that_is_deleted_cancels_its_claimed_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
