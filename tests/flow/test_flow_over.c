/*
 * test_flow_over.c - runs and containers that have parted: a run RUNNING at the server whose container is
 * gone is reported; a run that is over at the server while its container lives on is treated as its class
 * says.
 */
#include "tests/flow/world.h"

#include "runner.h"

#include <unistd.h>

#define GRACE_MS SECONDS(60)
#define STOP "[engine]\nwhen_run_is_over = stop\n"
#define LEFT_ALONE "it is left alone"

static const struct fake_container *first_container(struct world *w)
{
    return fake_engine_container_at(w->engine, 0);
}

static const char *run_until_told(struct world *w, const char *config_text)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.run_ms = -1};
    world_start(w, config_text);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_RUNNING));
    return run;
}

static void somebody_proposes(struct world *w, const char *run, enum prefect_state_type type, bool force)
{
    struct fake_verdict verdict = fake_prefect_propose(
        w->prefect, run, &(struct prefect_proposal){.type = type, .message = "by somebody", .force = force});
    assert_int_equal(verdict.outcome, PREFECT_OUTCOME_ACCEPT);
}

/* ---- the container is gone, the run is RUNNING ---- */

static void expect_disappeared(struct world *w, const char *run, int64_t within_ms)
{
    UNTIL(w, within_ms, world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_non_null(strstr(world_message(w, run), "disappeared"));
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_a_container_removed_by_a_person_is_reported(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    assert_true(fake_engine_remove(w->engine, first_container(w)->id));
    expect_disappeared(w, run, SECONDS(70));
}

static void test_a_container_removed_while_we_were_away_is_reported(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    world_crash(w);
    assert_true(fake_engine_remove(w->engine, first_container(w)->id));
    world_pass(w, MINUTES(30));
    world_start(w, NULL);
    expect_disappeared(w, run, SECONDS(10));
}

static void lose_the_state_file(struct world *w)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = check_printf("%s%s", w->state_path, ends[i]);
        (void)unlink(path);
        free(path);
    }
}

static void test_a_container_that_died_before_the_state_file_was_lost_is_reported(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    world_crash(w);
    assert_true(fake_engine_exit(w->engine, first_container(w)->id, 137));
    lose_the_state_file(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(70), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_non_null(strstr(world_message(w, run), "code 137"));
}

static void test_a_container_adopted_after_the_state_file_was_lost_is_watched(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    world_crash(w);
    lose_the_state_file(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(70), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_true(fake_engine_remove(w->engine, first_container(w)->id));
    expect_disappeared(w, run, SECONDS(70));
}

/* ---- the run is over, the container lives ---- */

static void test_by_default_it_is_left_alone_and_that_is_said_once(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    assert_true(fake_prefect_container_completes(w->prefect, run));
    UNTIL(w, GRACE_MS + SECONDS(10), world_logged(w, LEFT_ALONE) == 1);
    world_pass(w, MINUTES(30));
    assert_int_equal(world_logged(w, LEFT_ALONE), 1);
    assert_string_equal(first_container(w)->state, "running");
    assert_non_null(strstr(world_query(w, "SELECT last_error FROM running"), "left alone"));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_STOP), 0);
    assert_true(fake_engine_exit(w->engine, first_container(w)->id, 1));
    UNTIL(w, SECONDS(10), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
}

static void test_a_flow_that_ends_in_time_is_nothing_to_speak_of(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, STOP);
    assert_true(fake_prefect_container_completes(w->prefect, run));
    world_pass(w, GRACE_MS - SECONDS(5));
    assert_true(fake_engine_exit(w->engine, first_container(w)->id, 0));
    UNTIL(w, SECONDS(10), world_launches(w) == 0);
    assert_int_equal(world_logged(w, LEFT_ALONE), 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_STOP), 0);
}

/* Completed, Failed, or Crashed by an automation: stopped when its grace time is over, and the run's end
 * stays. */
static void expect_stopped_when(struct world *w, enum prefect_state_type type, const char *config_text)
{
    const char *run = run_until_told(w, config_text);
    somebody_proposes(w, run, type, false);
    world_pass(w, GRACE_MS - SECONDS(2));
    assert_string_equal(first_container(w)->state, "running");
    UNTIL(w, SECONDS(12), world_launches(w) == 0);
    assert_string_equal(first_container(w)->state, "exited");
    assert_int_equal(first_container(w)->exit_code, 143);
    assert_int_equal(world_state(w, run), type);
    assert_string_equal(world_message(w, run), "by somebody");
    world_pass(w, 100); /* the row rides with the next commit */
    assert_string_equal(world_query(w, "SELECT verdict FROM launches"), "over");
}

static void test_a_completed_run_may_have_its_container_stopped(void **state)
{
    expect_stopped_when(*state, PREFECT_STATE_COMPLETED, STOP);
}

static void test_a_failed_run_may_have_its_container_stopped(void **state)
{
    expect_stopped_when(*state, PREFECT_STATE_FAILED, STOP);
}

static void test_a_crashed_run_of_a_class_may_have_its_container_stopped(void **state)
{
    expect_stopped_when(*state, PREFECT_STATE_CRASHED,
                        "[class a]\nmatch_deployment = *\nwhen_run_is_over = stop\n");
}

static void test_the_grace_time_begins_anew_after_a_restart(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, STOP);
    assert_true(fake_prefect_container_completes(w->prefect, run));
    world_pass(w, SECONDS(40));
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, GRACE_MS + SECONDS(10), world_launches(w) == 0);
    assert_string_equal(first_container(w)->state, "exited");
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
}

static void test_a_run_that_lives_again_is_not_stopped(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, STOP);
    somebody_proposes(w, run, PREFECT_STATE_CRASHED, false);
    world_pass(w, SECONDS(30));
    somebody_proposes(w, run, PREFECT_STATE_RUNNING, false); /* the flow goes on */
    world_pass(w, MINUTES(10));
    assert_string_equal(first_container(w)->state, "running");
    assert_true(fake_prefect_container_completes(w->prefect, run)); /* and over once more, for good */
    UNTIL(w, GRACE_MS + SECONDS(10), world_launches(w) == 0);
    assert_string_equal(first_container(w)->state, "exited");
}

/* Whatever the class says, cancelled is cancelled. */
static void test_a_run_cancelled_by_force_has_its_container_stopped(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    somebody_proposes(w, run, PREFECT_STATE_CANCELLED, true);
    UNTIL(w, GRACE_MS + SECONDS(10), world_launches(w) == 0);
    assert_string_equal(first_container(w)->state, "exited");
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLED);
}

static void test_a_deleted_run_has_its_container_stopped(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, NULL);
    fake_prefect_delete_run(w->prefect, run);
    UNTIL(w, GRACE_MS + SECONDS(10), world_launches(w) == 0);
    assert_string_equal(first_container(w)->state, "exited");
}

/* ---- before the container ---- */

static const char *pull_for_long(struct world *w)
{
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(2), .lines = 100});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    return run;
}

static void test_a_run_that_was_crashed_by_others_is_not_launched(void **state)
{
    struct world *w = *state;
    const char *run = pull_for_long(w);
    somebody_proposes(w, run, PREFECT_STATE_CRASHED, false);
    UNTIL(w, SECONDS(4), world_launches(w) == 0);
    world_pass(w, MINUTES(5));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
    assert_string_equal(world_message(w, run), "by somebody");
}

static void test_a_run_that_is_deleted_while_it_is_launched_leaves_nothing(void **state)
{
    struct world *w = *state;
    const char *run = pull_for_long(w);
    fake_prefect_delete_run(w->prefect, run);
    UNTIL(w, SECONDS(4), world_launches(w) == 0);
    world_pass(w, MINUTES(5));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

/* A flow that is quicker than the engine's answer to its start is not over before it began. */
static void test_a_flow_that_ends_before_its_start_is_answered(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL});
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = 1000, .exit_code = 0};
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_state(w, run) == PREFECT_STATE_COMPLETED);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    UNTIL(w, MINUTES(2), world_launches(w) == 0);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_container_removed_by_a_person_is_reported),
        FLOW_TEST(test_a_container_removed_while_we_were_away_is_reported),
        FLOW_TEST(test_a_container_that_died_before_the_state_file_was_lost_is_reported),
        FLOW_TEST(test_a_container_adopted_after_the_state_file_was_lost_is_watched),
        FLOW_TEST(test_by_default_it_is_left_alone_and_that_is_said_once),
        FLOW_TEST(test_a_flow_that_ends_in_time_is_nothing_to_speak_of),
        FLOW_TEST(test_a_completed_run_may_have_its_container_stopped),
        FLOW_TEST(test_a_failed_run_may_have_its_container_stopped),
        FLOW_TEST(test_a_crashed_run_of_a_class_may_have_its_container_stopped),
        FLOW_TEST(test_the_grace_time_begins_anew_after_a_restart),
        FLOW_TEST(test_a_run_that_lives_again_is_not_stopped),
        FLOW_TEST(test_a_run_cancelled_by_force_has_its_container_stopped),
        FLOW_TEST(test_a_deleted_run_has_its_container_stopped),
        FLOW_TEST(test_a_run_that_was_crashed_by_others_is_not_launched),
        FLOW_TEST(test_a_run_that_is_deleted_while_it_is_launched_leaves_nothing),
        FLOW_TEST(test_a_flow_that_ends_before_its_start_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
