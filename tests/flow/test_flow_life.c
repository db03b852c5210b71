/* test_flow_life.c - the life of a run from due to its end: what people see of it, and what it costs. */
#include "tests/flow/world.h"

static int engine_calls(const struct world *w, enum fake_engine_call call)
{
    return fake_engine_calls(w->engine, (int)call);
}

static void test_a_due_run_completes(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_RUNNING));
    UNTIL(w, SECONDS(30), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
    assert_string_equal(fake_prefect_history(w->prefect, run),
                        "SCHEDULED Scheduled, PENDING Pending, PENDING Submitting, RUNNING Running, "
                        "COMPLETED Completed");
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    /* Its container is kept, as the job says. */
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    UNTIL(w, 100, world_row(w, run)[0] == 'F');
    assert_string_equal(world_query(w, "SELECT group_concat(\"to\") FROM history"),
                        "CLAIMING,SUBMITTING,RESOLVING,PULLING,READY,CREATING,CONNECTING,ANNOUNCING,STARTING,"
                        "RUNNING,REPORTING,FINISHED");
}

static void test_what_a_run_costs(void **state)
{
    struct world *w = *state;
    const int runs = 50;
    for (int i = 0; i < runs; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == (size_t)runs && world_launches(w) == 0);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_CREATE), runs);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_START), runs);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_INSPECT), runs);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_WAIT), 0);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_IMAGE_INSPECT), 1);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_LOGS), 2 * runs); /* the second for what came too late */
    assert_true(world_launch_calls(w) <= 5 * runs);
    assert_true(world_api_calls(w) <= 6 * runs);
    assert_int_equal(fake_engine_starts(w->engine, NULL), runs);
}

static void expect_image(struct world *w, const char *image)
{
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    size_t last = fake_engine_container_count(w->engine) - 1;
    assert_string_equal(fake_engine_container_at(w->engine, last)->image, image);
}

static void test_a_job_that_names_no_image(void **state)
{
    struct world *w = *state;
    const char *of_prefect = "prefecthq/prefect:" PREFECT_CLAIMED_VERSION "-python3.12";
    fake_engine_add_image(w->engine, of_prefect);
    fake_engine_add_image(w->engine, "other:1");
    w->flow_variables = "{\"image\":null}";
    world_start(w, NULL);
    expect_image(w, of_prefect);
    world_reload(w, "[prefect]\ndefault_image = other:1\n");
    expect_image(w, "other:1");
}

static void test_a_flow_that_fails_keeps_its_own_verdict(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.end = FLOW_FAILS;
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_FAILED && world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

static void test_a_flow_that_failed_and_exits_badly_stays_failed(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_FAILS, .run_ms = 2000, .exit_code = 1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_FAILED && world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

static void expect_crash(struct world *w, const struct world_flow *flow, const char *message)
{
    const char *run = world_add_run(w);
    w->flow = *flow;
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_string_equal(world_message(w, run), message);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_a_killed_container_is_a_crash(void **state)
{
    expect_crash(
        *state, &(struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000, .exit_code = 137},
        "Flow run infrastructure exited with non-zero status code 137. The process was killed by SIGKILL, "
        "probably for lack of memory.");
}

static void test_a_container_out_of_memory_says_so(void **state)
{
    expect_crash(
        *state,
        &(struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000, .exit_code = 137, .oom_killed = true},
        "Flow run infrastructure exited with non-zero status code 137. The container exceeded its memory "
        "limit "
        "and was killed by the kernel.");
}

static void test_a_container_that_never_ran_its_flow(void **state)
{
    expect_crash(
        *state, &(struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = 1000},
        "Flow run infrastructure exited with status code 0 without starting the flow run. Check the job's "
        "command and the image's entrypoint.");
}

static void test_a_container_that_leaves_its_flow_running(void **state)
{
    struct world *w = *state;
    expect_crash(w, &(struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000},
                 "Flow run infrastructure exited with status code 0 while the flow run was still running.");
    /* Not before the flow's own late report has had its time. */
    assert_true(w->clock.wall_ms - fake_engine_container_at(w->engine, 0)->finished_at_ms >= 40000);
}

static void test_a_container_that_ends_at_once(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = 0;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void test_auto_remove_removes_after_the_report(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"auto_remove\":true}";
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000, .exit_code = 3};
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_REMOVE) > 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CRASHED);
    UNTIL(w, SECONDS(5), world_launches(w) == 0);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    /* The engine is never told to do it: it would throw the exit code away. */
    assert_null(strstr(fake_engine_last_body(w->engine, FAKE_ENGINE_CREATE), "\"AutoRemove\":true"));
}

static void test_the_worker_makes_itself_known(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    world_start(w, "[prefect]\nheartbeat_interval = 30s\n");
    world_pass(w, SECONDS(95));
    assert_int_equal(fake_prefect_heartbeats(w->prefect), 4);
    assert_string_equal(fake_prefect_label(w->prefect, run, "prefect.worker.name"), "worker 1");
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    assert_non_null(strstr(look.pid, fake_engine_container_at(w->engine, 0)->id));
}

static void test_the_views_tell_what_happens_now(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    for (int i = 0; i < 3; i++)
        world_add_run(w);
    world_start(w, "[limits]\nrunning = 2\nlaunching = 4\nstarts_per_second = 5\nstart_burst = 2\n");
    UNTIL(w, SECONDS(10), fake_engine_starts(w->engine, NULL) == 2);
    world_pass(w, 100);
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM running WHERE state = 'RUNNING' AND started_at <> ''"), 2);
    assert_int_equal(world_number(w, "SELECT count(*) FROM running WHERE container_id = ''"), 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM queue"), 1);
    assert_string_equal(world_query(w, "SELECT state || ' ' || position || ' ' || class FROM queue"),
                        "QUEUED 1 default");
    assert_string_equal(world_query(w, "SELECT in_use || '/' || \"limit\" FROM limits "
                                       "WHERE class = '(pool)' AND kind = 'running'"),
                        "2/2.0");
    assert_int_equal(
        world_number(w, "SELECT in_use FROM limits WHERE class = '(pool)' AND kind = 'launching'"), 0);
    assert_int_equal(world_number(w, "SELECT running FROM classes WHERE class = 'default'"), 2);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 0));
    UNTIL(w, MINUTES(2), world_number(w, "SELECT count(*) FROM queue") == 0);
}

static void test_a_calling_launch_shows_in_the_views(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), fake_engine_held(w->engine, FAKE_ENGINE_START) == 1);
    world_pass(w, 100);
    assert_string_equal(world_query(w, "SELECT waits_for FROM queue"), "answer to start");
    assert_int_equal(
        world_number(w, "SELECT in_use FROM limits WHERE class = '(pool)' AND kind = 'launching'"), 1);
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_START), 1);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

static void test_a_job_that_can_not_be_made_crashes_with_the_reason(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"mem_limit\":\"much\"}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_non_null(
        strstr(world_message(w, run), "Failed to submit flow run to infrastructure: ResolveError: "));
    assert_non_null(strstr(world_message(w, run), "mem_limit"));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

static void test_run_once_leaves_after_one_poll(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"command.run_once", "true", NULL};
    w->flags = flags;
    w->flow.run_ms = SECONDS(600);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), w->has_ended);
    assert_int_equal(w->exit_code, 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_RUNNING);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL), 1);
}

static void test_run_once_with_a_limit_stays_to_the_end(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"command.run_once", "true", "command.limit", "2", NULL};
    w->flags = flags;
    for (int i = 0; i < 2; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), w->has_ended);
    assert_int_equal(world_count(w, PREFECT_STATE_COMPLETED), 2);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL), 1);
}

static void test_output_is_copied_line_by_line(void **state)
{
    struct world *w = *state;
    world_add_named_run(w, "talker");
    w->flow.run_ms = 5000;
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_engine_starts(w->engine, NULL) == 1);
    world_pass(w, 500);
    assert_true(fake_engine_write(w->engine, "talker", 2, "two\nlines\n"));
    UNTIL(w, SECONDS(30), world_launches(w) == 0);
    assert_true(world_printed(w, "talker | hello\n"));
    assert_true(world_printed(w, "talker | two\ntalker | lines\n"));
}

static void test_output_is_not_copied_when_the_job_says_so(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"stream_output\":false}";
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, fake_prefect_run_id(w->prefect, 0)) == PREFECT_STATE_COMPLETED);
    assert_int_equal(engine_calls(w, FAKE_ENGINE_LOGS), 0);
    assert_false(world_printed(w, "hello"));
}

/* The third proposal of a run's life is its verdict. */
static void expect_one_verdict(struct world *w, enum fake_prefect_fault_kind kind)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000, .exit_code = 1};
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 3, .kind = kind, .status = 503});
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_launches(w) == 0 && world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 1);
    assert_non_null(strstr(world_message(w, run), "status code 1."));
}

static void test_a_verdict_whose_answer_is_lost(void **state)
{
    expect_one_verdict(*state, PREFECT_FAULT_DROP_AFTER);
}

static void test_a_verdict_that_never_arrived(void **state)
{
    expect_one_verdict(*state, PREFECT_FAULT_DROP_BEFORE);
}

static void test_a_verdict_that_the_server_has_no_time_for(void **state)
{
    expect_one_verdict(*state, PREFECT_FAULT_STATUS);
}

static void test_a_server_that_demands_csrf_tokens(void **state)
{
    struct world *w = *state;
    fake_prefect_demand_csrf(w->prefect, true);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_forget_csrf_tokens(w->prefect);
    const char *second = world_add_run(w);
    UNTIL(w, SECONDS(60), world_state(w, second) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(world_times_run(w, second), 1);
}

static void test_a_pool_that_is_missing_is_made(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"prefect.pool", "fresh", NULL};
    w->flags = flags;
    world_start(w, NULL);
    UNTIL(w, SECONDS(10),
          fake_prefect_has_pool(w->prefect, "fresh") && fake_prefect_heartbeats(w->prefect) == 1);
    assert_non_null(strstr(fake_prefect_pool_template(w->prefect, "fresh"), "image_pull_policy"));
}

/* A67. Fields that nobody knows are in every answer of the fake; other runs of the same poll are as before.
 */
static void test_a_parameter_object_of_five_megabytes(void **state)
{
    struct world *w = *state;
    enum { BYTES = 5 << 20 };
    char *AUTO_FREE text = check_alloc(BYTES + 1);
    memset(text, 'x', BYTES);
    char *AUTO_FREE parameters = check_printf("{\"large\":\"%s\",\"null\":null,\"deep\":[[[[1.0]]]]}", text);
    const char *large =
        fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = w->deployment,
                                                                    .parameters_json = parameters});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(2),
          world_state(w, large) == PREFECT_STATE_COMPLETED && world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, large), 1);
    /* What is due later is found in the same answers as before. */
    const char *later = world_add_run(w);
    UNTIL(w, MINUTES(2), world_state(w, later) == PREFECT_STATE_COMPLETED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_due_run_completes),
        FLOW_TEST(test_what_a_run_costs),
        FLOW_TEST(test_a_parameter_object_of_five_megabytes),
        FLOW_TEST(test_a_flow_that_fails_keeps_its_own_verdict),
        FLOW_TEST(test_a_flow_that_failed_and_exits_badly_stays_failed),
        FLOW_TEST(test_a_killed_container_is_a_crash),
        FLOW_TEST(test_a_container_out_of_memory_says_so),
        FLOW_TEST(test_a_container_that_never_ran_its_flow),
        FLOW_TEST(test_a_container_that_leaves_its_flow_running),
        FLOW_TEST(test_a_container_that_ends_at_once),
        FLOW_TEST(test_auto_remove_removes_after_the_report),
        FLOW_TEST(test_the_worker_makes_itself_known),
        FLOW_TEST(test_the_views_tell_what_happens_now),
        FLOW_TEST(test_a_calling_launch_shows_in_the_views),
        FLOW_TEST(test_a_job_that_can_not_be_made_crashes_with_the_reason),
        FLOW_TEST(test_run_once_leaves_after_one_poll),
        FLOW_TEST(test_run_once_with_a_limit_stays_to_the_end),
        FLOW_TEST(test_output_is_copied_line_by_line),
        FLOW_TEST(test_output_is_not_copied_when_the_job_says_so),
        FLOW_TEST(test_a_verdict_whose_answer_is_lost),
        FLOW_TEST(test_a_verdict_that_never_arrived),
        FLOW_TEST(test_a_verdict_that_the_server_has_no_time_for),
        FLOW_TEST(test_a_job_that_names_no_image),
        FLOW_TEST(test_a_server_that_demands_csrf_tokens),
        FLOW_TEST(test_a_pool_that_is_missing_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
