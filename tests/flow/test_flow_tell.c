/* What Prefect's people are told of a run: its log lines and events, and that nobody waits for them (A16,
 * A69). */
#include "world.h"

/* Lines of run logs so far that hold this text at this level. */
static int lines_with(struct world *w, int level, const char *text)
{
    char level_text[24];
    int count = 0;
    snprintf(level_text, sizeof(level_text), "\"level\":%d,", level);
    for (size_t i = 0; i < fake_prefect_log_count(w->prefect); i++) {
        const char *line = fake_prefect_log(w->prefect, i);
        count += strstr(line, text) != NULL && strstr(line, level_text) != NULL &&
                 strstr(line, "\"name\":\"prefect.flow_runs.worker\"") != NULL;
    }
    return count;
}

static const char *event_with(struct world *w, const char *name)
{
    char *AUTO_FREE quoted = check_printf("\"event\":\"%s\"", name);
    for (size_t i = 0; i < fake_prefect_event_count(w->prefect, NULL); i++)
        if (strstr(fake_prefect_event(w->prefect, i), quoted) != NULL)
            return fake_prefect_event(w->prefect, i);
    fail_msg("no event %s", name);
    return "";
}

static void text_of(const char *event, const char *key, char text[static 40])
{
    char *AUTO_FREE needle = check_printf("\"%s\":\"", key);
    const char *at = strstr(event, needle);
    snprintf(text, 40, "%.36s", at == NULL ? "" : at + strlen(needle));
}

static void assert_follows(struct world *w, const char *later, const char *earlier)
{
    char id[40], follows[40];
    text_of(event_with(w, earlier), "id", id);
    text_of(event_with(w, later), "follows", follows);
    assert_int_equal(strlen(id), 36);
    assert_string_equal(follows, id);
}

static void test_a_good_run(void **state)
{
    struct world *w = *state;
    const char *run = world_add_named_run(w, "kelpie");
    world_start(w, NULL);
    UNTIL(w, SECONDS(60), world_launches(w) == 0 && world_state(w, run) == PREFECT_STATE_COMPLETED);
    world_pass(w, SECONDS(5));
    char *AUTO_FREE submitting = check_printf("submitting flow run '%s'", run);
    assert_int_equal(lines_with(w, 20, submitting), 1);
    assert_int_equal(lines_with(w, 20, "Flow run 'kelpie' submitted to infrastructure"), 1);
    assert_int_equal(fake_prefect_log_count(w->prefect), 2);
    assert_follows(w, "prefect.worker.executed-flow-run", "prefect.worker.submitted-flow-run");
    assert_follows(w, "prefect.docker.container.running", "prefect.docker.container.created");
    assert_follows(w, "prefect.docker.container.exited", "prefect.docker.container.running");
    /* Sent when all is known that it names. */
    const char *event = event_with(w, "prefect.worker.submitted-flow-run");
    assert_null(strstr(event, "\"prefect.resource.name\":\"\""));
    assert_non_null(strstr(event, "\"prefect.resource.role\":\"flow\""));
    assert_int_equal(fake_prefect_event_count(w->prefect, "prefect.worker.submitted-flow-run"), 1);
}

static void test_a_container_that_can_not_be_made(void **state)
{
    struct world *w = *state;
    const char *run = world_add_named_run(w, "kelpie");
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "invalid mount config"});
    world_start(w, NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    world_pass(w, SECONDS(5));
    char *AUTO_FREE reported = check_printf(
        "Reported flow run '%s' as crashed: Failed to submit flow run to infrastructure: CreateError: ", run);
    assert_int_equal(lines_with(w, 40, "Failed to submit flow run 'kelpie' to infrastructure."), 1);
    assert_int_equal(lines_with(w, 20, reported), 1);
    assert_int_equal(fake_prefect_event_count(w->prefect, "prefect.docker.container.creation-failed"), 1);
    assert_int_equal(fake_prefect_event_count(w->prefect, "prefect.worker.executed-flow-run"), 0);
}

static void test_a_run_that_is_cancelled_before_its_start(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_IMAGE_INSPECT, .kind = FAKE_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_engine_held(w->engine, FAKE_ENGINE_ANY) == 1);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
    world_pass(w, SECONDS(5));
    char *AUTO_FREE cancelled = check_printf("Cancelled pending flow run '%s'", run);
    assert_int_equal(lines_with(w, 20, cancelled), 1);
}

static void test_a_level_for_run_logs(void **state)
{
    struct world *w = *state;
    static const char *const environment[] = {"PREFECT_LOGGING_LEVEL=error", NULL};
    w->environment = environment;
    w->flow_variables = "{\"mem_limit\":\"much\"}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    world_pass(w, SECONDS(5));
    assert_int_equal(fake_prefect_log_count(w->prefect), 1);
    assert_int_equal(lines_with(w, 40, "Failed to submit"), 1);
}

/* Whatever becomes of logs and events, runs are as quick as without. */
static void test_nobody_waits_for_telemetry(void **state)
{
    struct world *w = *state;
    static const struct fake_prefect_fault faults[] = {
        {.kind = PREFECT_FAULT_STATUS, .status = 404},
        {.kind = PREFECT_FAULT_STATUS, .status = 413},
        {.kind = PREFECT_FAULT_STATUS, .status = 422},
        {.kind = PREFECT_FAULT_STATUS, .status = 500},
        {.kind = PREFECT_FAULT_HOLD},
    };
    int64_t good_ms = 0;
    world_start(w, NULL);
    for (size_t i = 0; i <= ARRAY_LEN(faults); i++) {
        static const enum fake_prefect_route routes[] = {FAKE_PREFECT_LOGS, FAKE_PREFECT_EVENTS};
        for (size_t r = 0; i > 0 && r < ARRAY_LEN(routes); r++) {
            struct fake_prefect_fault fault = faults[i - 1];
            fault.route = routes[r];
            fault.times = -1;
            fake_prefect_fault(w->prefect, &fault);
        }
        world_pass(w, SECONDS(15));
        int64_t from_ms = w->clock.mono_ms;
        const char *run = world_add_run(w);
        UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        int64_t took_ms = w->clock.mono_ms - from_ms;
        if (i == 0)
            good_ms = took_ms;
        assert_in_range(took_ms, 0, good_ms + 10000 /* a poll */);
        if (i > 0)
            UNTIL(w, MINUTES(20), world_logged(w, "Prefect did not take what we told it") >= (int)i);
        fake_prefect_clear_faults(w->prefect);
        fake_prefect_release(w->prefect);
        world_pass(w, MINUTES(11)); /* what was switched off is asked for again */
    }
    assert_true(world_number(w, "select dropped from losses where what = 'events'") > 0);
    assert_true(world_number(w, "select dropped from losses where what = 'run log lines'") > 0);
    size_t before = fake_prefect_log_count(w->prefect);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    UNTIL(w, MINUTES(2), fake_prefect_log_count(w->prefect) > before);
}

/* A restart goes on with what still runs, and not with what was written meanwhile. */
static void test_output_after_a_restart(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = SECONDS(100);
    world_add_named_run(w, "talker");
    world_add_named_run(w, "gone");
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_printed(w, "talker | hello\n") && world_printed(w, "gone | hello\n"));
    world_crash(w);
    fake_engine_write(w->engine, "talker", 1, "meanwhile\n");
    fake_engine_write(w->engine, "gone", 1, "too late\n");
    fake_engine_exit(w->engine, "gone", 0);
    world_pass(w, SECONDS(10));
    world_start(w, NULL);
    world_pass(w, SECONDS(5));
    fake_engine_write(w->engine, "talker", 1, "afterwards\n");
    UNTIL(w, SECONDS(5), world_printed(w, "talker | afterwards\n"));
    assert_false(world_printed(w, "meanwhile"));
    assert_false(world_printed(w, "too late"));
}

/* The engine goes and comes back with its containers alive: no line twice, none missing. */
static void test_output_over_an_outage_of_the_engine(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = SECONDS(300);
    world_add_named_run(w, "talker");
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_printed(w, "talker | hello\n"));
    fake_engine_write(w->engine, "talker", 1, "one\n");
    UNTIL(w, SECONDS(5), world_printed(w, "talker | hello\ntalker | one\n"));
    fake_engine_go_down(w->engine, true, false);
    fake_engine_write(w->engine, "talker", 1, "two\n");
    world_pass(w, SECONDS(60));
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(60), world_printed(w, "talker | two\n"));
    fake_engine_write(w->engine, "talker", 1, "three\n");
    UNTIL(w, SECONDS(5), world_printed(w, "talker | hello\ntalker | one\ntalker | two\ntalker | three\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_good_run),
        FLOW_TEST(test_a_container_that_can_not_be_made),
        FLOW_TEST(test_a_run_that_is_cancelled_before_its_start),
        FLOW_TEST(test_a_level_for_run_logs),
        FLOW_TEST(test_nobody_waits_for_telemetry),
        FLOW_TEST(test_output_after_a_restart),
        FLOW_TEST(test_output_over_an_outage_of_the_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
