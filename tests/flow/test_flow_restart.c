/* test_flow_restart.c - stopped or killed at any point, and started again: every run has one start and its
 * right end. */
#include "tests/flow/world.h"

static void expect_one_life(struct world *w, const char *run)
{
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
}

/* Those that have a request out; the others pass within one turn. */
static const enum run_state crash_states[] = {RUN_STATE_CLAIMING, RUN_STATE_SUBMITTING, RUN_STATE_PULLING,
                                              RUN_STATE_CREATING, RUN_STATE_ANNOUNCING, RUN_STATE_STARTING,
                                              RUN_STATE_RUNNING,  RUN_STATE_REPORTING};

static void test_killed_in_each_state(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(crash_states); i++) {
        const char *run = world_add_run(w);
        world_start(w, NULL);
        UNTIL(w, SECONDS(60), world_is_in(w, run, crash_states[i]));
        world_crash(w);
        world_pass(w, SECONDS(1));
        world_start(w, NULL);
        UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        assert_int_equal(world_times_run(w, run), 1);
        assert_int_equal(fake_engine_starts(w->engine, NULL), (int)i + 1);
        assert_int_equal(fake_engine_container_count(w->engine), i + 1);
        world_crash(w);
    }
}

/* Killed after so many turns of the loop, for each number: between any save, request, effect and answer. */
static void expect_survives_kill_after(struct world *w, int turns)
{
    const char *run = world_add_run(w);
    w->flow.run_ms = 0;
    world_start(w, NULL);
    struct world_wait wait = world_wait_begin(w, SECONDS(3600), "", __FILE__, __LINE__);
    for (int i = 0; i < turns; i++)
        world_wait_step(w, &wait);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
    world_crash(w);
}

static void test_killed_after_any_number_of_turns(void **state)
{
    struct world *w = *state;
    for (int turns = 1; turns <= 150; turns += 2)
        expect_survives_kill_after(w, turns);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 75);
    assert_int_equal(fake_engine_container_count(w->engine), 75);
}

static void expect_survives_kill_at(struct world *w, enum fake_engine_call call, enum fake_fault_kind kind)
{
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = call, .kind = kind});
    fake_engine_reset_counts(w->engine);
    world_start(w, "[timeouts]\ncreate = 10s\nstart = 10s\n");
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, (int)call) > 0);
    world_crash(w);
    world_pass(w, SECONDS(2));
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_launches(w) > 0);
    world_pass(w, SECONDS(1));
    fake_engine_release(w->engine, FAKE_ENGINE_ANY); /* what the dead process had asked for lands now */
    UNTIL(w, MINUTES(10), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
    world_crash(w);
}

static void test_killed_with_a_call_out(void **state)
{
    struct world *w = *state;
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_CREATE, FAKE_ENGINE_START};
    static const enum fake_fault_kind kinds[] = {FAKE_FAULT_HOLD, FAKE_FAULT_STALL, FAKE_FAULT_DROP_BEFORE,
                                                 FAKE_FAULT_DROP_AFTER};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        for (size_t j = 0; j < ARRAY_LEN(kinds); j++)
            expect_survives_kill_at(w, calls[i], kinds[j]);
}

static void test_killed_with_a_claim_out_that_lands_late(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_calls(w->prefect, FAKE_PREFECT_GET_RUN) > 0);
    world_pass(w, SECONDS(3));
    fake_prefect_release(w->prefect);
    expect_one_life(w, run);
}

static void test_nothing_is_claimed_from_an_old_queue_before_a_fresh_poll(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    world_add_run(w);
    const char *second = world_add_run(w);
    world_start(w, "[limits]\nrunning = 1\n");
    UNTIL(w, SECONDS(5), fake_engine_starts(w->engine, NULL) == 1);
    world_pass(w, 100);
    world_crash(w);
    /* While we are away another worker runs what is left. */
    for (size_t i = 0; i < 2; i++) {
        second = fake_prefect_run_id(w->prefect, i);
        if (fake_prefect_other_worker_claims(w->prefect, second))
            break;
    }
    assert_true(fake_prefect_container_runs(w->prefect, second));
    assert_true(fake_prefect_container_completes(w->prefect, second));
    fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 0);
    /* With room for it at once, and polls that come late. */
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 1500});
    world_start(w, "[limits]\nrunning = 9\n");
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_string_equal(fake_prefect_history(w->prefect, second),
                        "SCHEDULED Scheduled, PENDING Pending, RUNNING Running, COMPLETED Completed");
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_a_container_that_ended_while_nobody_watched(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 5000, .exit_code = 4};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    world_crash(w);
    world_pass(w, MINUTES(1));
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "status code 4"));
}

/* Its flow failed while we were away, and somebody has scheduled the run once more: it is not ours any more.
 */
static const char *fail_while_away_and_schedule_again(struct world *w)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_FAILS, .run_ms = 5000, .exit_code = 1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, 100);
    world_crash(w);
    world_pass(w, SECONDS(20));
    assert_int_equal(world_state(w, run), PREFECT_STATE_FAILED);
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED,
                                           .name = "AwaitingRetry",
                                           .scheduled_at_ms = w->clock.wall_ms + MINUTES(60)};
    assert_int_equal(fake_prefect_propose(w->prefect, run, &again).status, 201);
    return run;
}

static void test_no_verdict_on_a_run_that_was_scheduled_again(void **state)
{
    struct world *w = *state;
    const char *run = fail_while_away_and_schedule_again(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
}

static void test_no_verdict_on_a_run_that_runs_elsewhere_now(void **state)
{
    struct world *w = *state;
    const char *run = fail_while_away_and_schedule_again(w);
    const struct prefect_proposal now = {.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry"};
    assert_int_equal(fake_prefect_propose(w->prefect, run, &now).status, 201);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    assert_true(fake_prefect_container_runs(w->prefect, run));
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_RUNNING);
}

static void test_a_lost_state_file_orphans_nothing(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 30000, .exit_code = 4};
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    world_crash(w);
    assert_int_equal(remove(w->state_path), 0);
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_another_instance_has_its_own_containers(void **state)
{
    struct world *w = *state;
    const struct fake_container *c = fake_engine_create(
        w->engine, "theirs",
        "{\"Image\":\"" WORLD_IMAGE "\",\"Cmd\":[\"x\"],\"Labels\":{\"io.sluice.instance\":\"another\","
        "\"io.sluice.launch\":\"11111111-2222-4333-8444-555555555555\"}}");
    assert_non_null(c);
    world_start(w, NULL);
    world_pass(w, MINUTES(10));
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    assert_int_equal(world_launches(w), 0);
}

/* ---- stopping ---- */

static void test_an_idle_service_stops_at_once(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, SECONDS(3));
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_int_equal(w->exit_code, 0);
    assert_true(w->clock.mono_ms - asked_ms < 100);
}

static void test_running_containers_live_on_and_are_adopted(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = SECONDS(100);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - asked_ms < 100);
    assert_string_equal(world_row(w, run), "RUNNING");
    world_pass(w, SECONDS(20));
    assert_int_equal(world_state(w, run), PREFECT_STATE_RUNNING);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_stopping_hands_back_what_has_no_container(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 60000, .lines = 60});
    const char *pulling = world_add_run(w);
    world_start(w, "[limits]\nstarts_per_second = 0.01\n");
    UNTIL(w, SECONDS(5), world_is_in(w, pulling, RUN_STATE_PULLING));
    world_pass(w, SECONDS(3));
    w->flow_variables = NULL;
    world_add_run(w);
    const char *ready = world_add_run(w);
    UNTIL(w, SECONDS(30), fake_engine_starts(w->engine, NULL) == 1);
    world_pass(w, SECONDS(1));
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - asked_ms < 1000);
    assert_int_equal(w->exit_code, 0);
    assert_int_equal(world_state(w, pulling), PREFECT_STATE_SCHEDULED);
    assert_int_equal(world_count(w, PREFECT_STATE_SCHEDULED), 2);
    assert_int_equal(world_count(w, PREFECT_STATE_PENDING), 0);
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, ready, &look));
    assert_string_equal(look.pid[0] == '\0' || look.type == PREFECT_STATE_RUNNING ? "fine" : look.pid,
                        "fine");
    /* Another worker may take them now. */
    assert_true(fake_prefect_other_worker_claims(w->prefect, pulling));
}

static void test_stopping_takes_at_most_eight_seconds(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - asked_ms >= 7900);
    assert_true(w->clock.mono_ms - asked_ms <= 8500);
    assert_int_equal(w->exit_code, 0);
    fake_engine_release(w->engine, FAKE_ENGINE_CREATE);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_stopping_waits_for_the_answer_that_is_out(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = SECONDS(60);
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_NONE, .delay_ms = 3000});
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_engine_in_flight(w->engine, FAKE_ENGINE_START) == 1);
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - asked_ms < 4000);
    assert_string_equal(world_row(w, run), "RUNNING");
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_stopping_with_both_dependencies_away(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_engine_starts(w->engine, NULL) >= 1);
    fake_engine_go_down(w->engine, false, false);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){
                                       .route = FAKE_PREFECT_ANY, .times = -1, .kind = PREFECT_FAULT_HOLD});
    world_pass(w, SECONDS(1));
    int64_t asked_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - asked_ms <= 9500); /* Docker kills after 10 s */
    fake_prefect_clear_faults(w->prefect);
    fake_prefect_release(w->prefect);
    fake_engine_come_up(w->engine);
    world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 5 && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 5);
}

static void test_the_state_file_is_one_services(void **state)
{
    struct world *w = *state;
    struct err err;
    world_start(w, NULL);
    struct service *first = w->service;
    struct config *config = w->config;
    int fd = w->output_fd;
    w->service = NULL;
    assert_false(world_try_start(w, NULL, &err));
    assert_non_null(strstr(err.msg, "--name"));
    w->service = first;
    w->config = config;
    w->output_fd = fd;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_killed_in_each_state),
        FLOW_TEST(test_killed_after_any_number_of_turns),
        FLOW_TEST(test_killed_with_a_call_out),
        FLOW_TEST(test_killed_with_a_claim_out_that_lands_late),
        FLOW_TEST(test_nothing_is_claimed_from_an_old_queue_before_a_fresh_poll),
        FLOW_TEST(test_a_container_that_ended_while_nobody_watched),
        FLOW_TEST(test_no_verdict_on_a_run_that_was_scheduled_again),
        FLOW_TEST(test_no_verdict_on_a_run_that_runs_elsewhere_now),
        FLOW_TEST(test_a_lost_state_file_orphans_nothing),
        FLOW_TEST(test_another_instance_has_its_own_containers),
        FLOW_TEST(test_an_idle_service_stops_at_once),
        FLOW_TEST(test_running_containers_live_on_and_are_adopted),
        FLOW_TEST(test_stopping_hands_back_what_has_no_container),
        FLOW_TEST(test_stopping_takes_at_most_eight_seconds),
        FLOW_TEST(test_stopping_waits_for_the_answer_that_is_out),
        FLOW_TEST(test_stopping_with_both_dependencies_away),
        FLOW_TEST(test_the_state_file_is_one_services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
