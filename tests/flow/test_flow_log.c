/*
 * test_flow_log.c - what the log promises: one line for every change of a run's state, from which the table
 * of runs can be built again, and all that is known of a call on its line.
 */
#include "tests/flow/replay.h"

#include "runner.h"

/* Lives of every kind, over a restart: each line begins where the last one ended, and the end is the file's.
 */
static void test_the_log_alone_gives_the_table(void **state)
{
    struct world *w = *state;
    world_start(w, "[retry]\nmax_attempts = 2\n");
    const char *good = world_add_named_run(w, "good \xc3\xbc run");
    UNTIL(w, MINUTES(2), world_state(w, good) == PREFECT_STATE_COMPLETED);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "no such thing"});
    const char *refused = world_add_run(w);
    UNTIL(w, MINUTES(2), world_state(w, refused) == PREFECT_STATE_CRASHED);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STALL});
    const char *retried = world_add_run(w);
    UNTIL(w, MINUTES(10), world_state(w, retried) == PREFECT_STATE_COMPLETED);
    w->flow.run_ms = -1;
    const char *cancelled = world_add_run(w);
    UNTIL(w, MINUTES(2), world_is_in(w, cancelled, RUN_STATE_RUNNING));
    world_pass(w, 100);     /* the file may be 50 ms behind */
    replay_check(w, false); /* while something runs, too */
    fake_prefect_user_cancels(w->prefect, cancelled);
    UNTIL(w, MINUTES(2), world_state(w, cancelled) == PREFECT_STATE_CANCELLED);
    const char *running = world_add_run(w);
    UNTIL(w, MINUTES(2), world_is_in(w, running, RUN_STATE_RUNNING));
    world_stop(w);
    replay_check(w, false);
    world_start(w, NULL);
    assert_int_equal(service_pause(w->service, &(struct err){0}), 0);
    const char *queued = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, queued, RUN_STATE_QUEUED));
    world_pass(w, SECONDS(2));
    replay_check(w, false);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches"), 6);
}

/* ---- calls ---- */

static const char *line_of(const struct world *w, const char *text)
{
    const char *found = strstr(buf_text(&w->log), text);
    if (found == NULL)
        fail_msg("not logged: %s", text);
    while (found > buf_text(&w->log) && found[-1] != '\n')
        found--;
    return found;
}

static void expect_keys(const struct world *w, const char *text, const char *const *keys, size_t count)
{
    const char *line = line_of(w, text);
    for (size_t i = 0; i < count; i++) {
        char key[40];
        snprintf(key, sizeof(key), " %s=", keys[i]);
        const char *at = strstr(line, key);
        if (at == NULL || at > strchr(line, '\n'))
            fail_msg("no %s in %.400s", keys[i], line);
    }
}

static void test_all_that_is_known_of_a_call(void **state)
{
    static const char *const keys[] = {"run",        "launch",       "stage",   "attempt",  "class",
                                       "timeout_ms", "timeout_from", "took_ms", "error",    "error_class",
                                       "transport",  "dependency",   "clock",   "clock_ms", "clock_from"};
    const size_t of_success = 8;
    const size_t of_failure = 12;
    struct world *w = *state;
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "database is locked"});
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL});
    world_start(w, "[timeouts]\nstart = 2s\n");
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED);
    expect_keys(w, " msg=call ", keys, of_success);
    expect_keys(w, " stage=create attempt=1 ", keys, of_failure);
    expect_keys(w, "database is locked", keys, of_failure);
    expect_keys(w, " msg=timeout ", keys, ARRAY_LEN(keys));
    /* One line a call. */
    assert_int_equal(world_logged(w, " stage=start "), fake_engine_calls(w->engine, FAKE_ENGINE_START));
    assert_int_equal(world_logged(w, " stage=create "), 2);
}

/* ---- secrets: world.c looks for them at every end ---- */

static void test_errors_that_repeat_secrets(void **state)
{
    struct world *w = *state;
    static const char body[] = "{\"detail\":\"no such key: " WORLD_API_KEY "\"}";
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "bad env: TOKEN=" WORLD_ENV_SECRET "!"});
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 401,
                                                                .body = body});
    world_start(w, NULL);
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "bad env: TOKEN=********************!"));
    assert_true(world_logged(w, "bad env: TOKEN=********************!") >= 1);
    assert_int_equal(world_logged(w, "no such key: **********************"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_the_log_alone_gives_the_table),
        FLOW_TEST(test_all_that_is_known_of_a_call),
        FLOW_TEST(test_errors_that_repeat_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
