/* test_flow_outage.c - Prefect or the engine out of reach, and answers that make no sense: nothing is lost,
 * nothing runs twice. */
#include "tests/flow/world.h"

static void prefect_away(struct world *w)
{
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
}

static void until_all_completed(struct world *w, size_t count)
{
    UNTIL(w, MINUTES(15), world_count(w, PREFECT_STATE_COMPLETED) == count && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), (int)count);
}

/* ---- Prefect ---- */

static void test_prefect_away_for_ten_minutes(void **state)
{
    struct world *w = *state;
    const char *runs[12];
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        runs[i] = world_add_run(w);
    w->flow.run_ms = SECONDS(60); /* they end during the outage, the server hears of it from themselves */
    world_start(w, "[limits]\nrunning = 6\nstarts_per_second = 1\n");
    UNTIL(w, SECONDS(60), fake_engine_starts(w->engine, NULL) == 3);
    prefect_away(w);
    world_pass(w, MINUTES(10));
    int started = fake_engine_starts(w->engine, NULL);
    assert_true(started >= 3 && started <= 6);
    assert_true(world_logged(w, "level=warn") <= 6); /* says so, and does not go on saying so */
    fake_prefect_clear_faults(w->prefect);
    until_all_completed(w, ARRAY_LEN(runs));
    for (size_t i = 0; i < ARRAY_LEN(runs); i++)
        assert_int_equal(world_times_run(w, runs[i]), 1);
}

static void test_a_crash_is_reported_after_the_outage(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(30), .exit_code = 9};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    prefect_away(w);
    world_pass(w, MINUTES(10));
    assert_int_equal(world_state(w, run), PREFECT_STATE_RUNNING);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_CRASHED);
}

static void test_prefect_silent_at_the_start(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    prefect_away(w);
    world_start(w, NULL);
    world_pass(w, MINUTES(5));
    assert_false(w->has_ended);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, SECONDS(90), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

static void test_an_announcement_that_keeps_failing_stops_nothing(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
    world_start(w, NULL);
    /* The announcement is given up after a few tries: the run matters more than its cancel button. */
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

/* ---- the engine ---- */

static void test_nothing_is_claimed_without_an_engine(void **state)
{
    struct world *w = *state;
    fake_engine_go_down(w->engine, false, false);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    world_pass(w, MINUTES(3));
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    assert_int_equal(world_logged(w, "the engine can't be reached"), 1);
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

static void test_trouble_of_another_kind_is_said_too(void **state)
{
    struct world *w = *state;
    fake_engine_go_down(w->engine, false, false);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_logged(w, "the engine can't be reached") == 1);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_EVENTS,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 403,
                                                          .message = "not for you",
                                                          .nth = -1});
    fake_engine_come_up(w->engine);
    UNTIL(w, MINUTES(1), world_logged(w, "not for you") == 1);
    world_pass(w, MINUTES(5));
    assert_int_equal(world_logged(w, "the engine can't be reached"), 2);
}

static void test_claimed_runs_go_back_when_the_engine_stays_away(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_PULLING));
    fake_engine_go_down(w->engine, true, false);
    int64_t down_ms = w->clock.wall_ms;
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_SCHEDULED);
    assert_true(w->clock.wall_ms - down_ms >= 30000);
    assert_true(w->clock.wall_ms - down_ms <= 90000);
    world_pass(w, MINUTES(5));
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_claimed_runs_that_wait_for_a_token_go_back_too(void **state)
{
    struct world *w = *state;
    const char *first = world_add_run(w);
    w->flow.run_ms = MINUTES(10);
    world_start(w, "[limits]\nstarts_per_second = 0.002\n");
    UNTIL(w, SECONDS(15), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *second = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, second, RUN_STATE_READY));
    fake_engine_go_down(w->engine, true, false);
    UNTIL(w, MINUTES(3), world_state(w, second) == PREFECT_STATE_SCHEDULED);
    fake_engine_come_up(w->engine);
    UNTIL(w, MINUTES(25), world_count(w, PREFECT_STATE_COMPLETED) == 2);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
}

static void test_an_engine_that_restarts_and_keeps_its_containers(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        world_add_run(w);
    w->flow.run_ms = SECONDS(90);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_engine_starts(w->engine, NULL) == 4);
    fake_engine_go_down(w->engine, false, false);
    world_pass(w, SECONDS(40));
    fake_engine_come_up(w->engine);
    until_all_completed(w, 4);
}

static void test_an_engine_that_restarts_and_kills_its_containers(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_engine_go_down(w->engine, false, true);
    world_pass(w, SECONDS(20));
    assert_int_equal(world_state(w, run), PREFECT_STATE_RUNNING); /* only an inspect tells */
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "status code 137"));
}

static void test_a_halted_engine_carries_out_late_what_was_asked(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 6; i++)
        world_add_run(w);
    world_start(w, "[timeouts]\ncreate = 10s\nstart = 10s\ninspect = 10s\nimage = 10s\nremove = "
                   "10s\n[limits]\nlaunching = 3\n");
    UNTIL(w, SECONDS(5), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) >= 2);
    fake_engine_halt(w->engine);
    world_pass(w, SECONDS(50));
    fake_engine_resume(w->engine);
    UNTIL(w, MINUTES(15), world_count(w, PREFECT_STATE_COMPLETED) == 6 && world_launches(w) == 0);
    assert_int_equal(fake_engine_max_starts(w->engine), 1);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(world_times_run(w, fake_prefect_run_id(w->prefect, i)), 1);
}

static void test_without_events_the_reconcile_finds_the_end(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = SECONDS(20)};
    /* The stream opens, and then says nothing for ever. */
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_EVENTS, .kind = FAKE_FAULT_STALL_BODY});
    world_start(w, NULL);
    UNTIL(w, SECONDS(25), world_state(w, run) == PREFECT_STATE_COMPLETED);
    int64_t ended_ms = fake_engine_container_at(w->engine, 0)->finished_at_ms;
    UNTIL(w, SECONDS(90), world_launches(w) == 0);
    assert_true(w->clock.wall_ms - ended_ms <= 60000);
}

static void test_an_events_stream_that_breaks_is_opened_again(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = SECONDS(20);
    for (int i = 0; i < 3; i++)
        fake_engine_add_fault(w->engine,
                              &(struct fake_fault){.call = FAKE_ENGINE_EVENTS, .kind = FAKE_FAULT_HALF_BODY});
    world_start(w, NULL);
    UNTIL(w, SECONDS(40), fake_engine_calls(w->engine, FAKE_ENGINE_EVENTS) >= 2);
    UNTIL(w, SECONDS(80), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
}

static void test_a_container_removed_by_somebody_else(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_true(fake_engine_remove(w->engine, fake_engine_container_at(w->engine, 0)->id));
    UNTIL(w, SECONDS(70), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "disappeared"));
}

/* ---- answers that make no sense ---- */

static const char html[] = "<html><body>Bad gateway</body></html>";

/* Every engine call once with each strange body; the run completes all the same, started once. */
static void expect_engine_nonsense_survived(struct world *w, enum fake_engine_call call, const char *body,
                                            int status)
{
    const char *run = world_add_run(w);
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = call, .kind = FAKE_FAULT_BODY, .status = status, .body = body});
    if (w->service == NULL)
        world_start(w, "[retry]\nmax_attempts = 4\n");
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
    fake_engine_clear_faults(w->engine);
}

static void test_engine_nonsense(void **state)
{
    struct world *w = *state;
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_PING,   FAKE_ENGINE_LIST,  FAKE_ENGINE_EVENTS,
                                                  FAKE_ENGINE_CREATE, FAKE_ENGINE_START, FAKE_ENGINE_INSPECT};
    static const char *const bodies[] = {html, "null", "{}", "[]", "{\"Id\":", "{\"Id\":null,\"State\":null}",
                                         ""};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++)
            expect_engine_nonsense_survived(w, calls[i], bodies[j], 0);
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        expect_engine_nonsense_survived(w, calls[i], html, 502);
}

static void expect_prefect_nonsense_survived(struct world *w, const struct fake_prefect_fault *fault)
{
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, fault);
    if (w->service == NULL)
        world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
    fake_prefect_clear_faults(w->prefect);
}

static void test_prefect_nonsense(void **state)
{
    struct world *w = *state;
    static const enum fake_prefect_route routes[] = {
        FAKE_PREFECT_GET_POOL,  FAKE_PREFECT_LIST_QUEUES,  FAKE_PREFECT_HEARTBEAT,
        FAKE_PREFECT_POLL,      FAKE_PREFECT_FILTER_RUNS,  FAKE_PREFECT_GET_RUN,
        FAKE_PREFECT_PATCH_RUN, FAKE_PREFECT_PATCH_LABELS, FAKE_PREFECT_GET_DEPLOYMENT,
        FAKE_PREFECT_GET_FLOW,  FAKE_PREFECT_EVENTS,       FAKE_PREFECT_LOGS,
        FAKE_PREFECT_SET_STATE};
    static const char *const bodies[] = {"null", "{}", "[]", "[null]", "\"\"", "{\"id\":null}", ""};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        for (size_t j = 0; j < ARRAY_LEN(bodies); j++)
            expect_prefect_nonsense_survived(
                w, &(struct fake_prefect_fault){
                       .route = routes[i], .kind = PREFECT_FAULT_STATUS, .status = 200, .body = bodies[j]});
        static const enum fake_prefect_fault_kind kinds[] = {PREFECT_FAULT_HTML, PREFECT_FAULT_CUT_JSON,
                                                             PREFECT_FAULT_HALF_BODY};
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++)
            expect_prefect_nonsense_survived(
                w, &(struct fake_prefect_fault){.route = routes[i], .kind = kinds[j]});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_prefect_away_for_ten_minutes),
        FLOW_TEST(test_a_crash_is_reported_after_the_outage),
        FLOW_TEST(test_prefect_silent_at_the_start),
        FLOW_TEST(test_an_announcement_that_keeps_failing_stops_nothing),
        FLOW_TEST(test_nothing_is_claimed_without_an_engine),
        FLOW_TEST(test_trouble_of_another_kind_is_said_too),
        FLOW_TEST(test_claimed_runs_go_back_when_the_engine_stays_away),
        FLOW_TEST(test_claimed_runs_that_wait_for_a_token_go_back_too),
        FLOW_TEST(test_an_engine_that_restarts_and_keeps_its_containers),
        FLOW_TEST(test_an_engine_that_restarts_and_kills_its_containers),
        FLOW_TEST(test_a_halted_engine_carries_out_late_what_was_asked),
        FLOW_TEST(test_without_events_the_reconcile_finds_the_end),
        FLOW_TEST(test_an_events_stream_that_breaks_is_opened_again),
        FLOW_TEST(test_a_container_removed_by_somebody_else),
        FLOW_TEST(test_engine_nonsense),
        FLOW_TEST(test_prefect_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
