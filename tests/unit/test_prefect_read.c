/* Prefect's answers into structs: the exact bytes of a real server, and hostile ones. */
#include "api/prefect_read.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define RUN_ID "4e2564d8-30dc-4f6c-a390-0eadcde8b4ab"
#define FLOW_ID "84668a72-908b-49a6-90a2-40cb958d3ae2"
#define DEPLOYMENT_ID "2f4f4f4a-9198-4fa9-837e-2d50c3d2e51b"
#define QUEUE_ID "14135eeb-cc3e-44e0-b807-d60ebd52cd5d"
#define POOL_ID "d2ce0550-26bb-469c-bdc3-217cfdf061c1"
#define CLAIM_ID "8dbf899b-180b-42ae-b716-051721f0f901"

/* As a 3.8.8 server answers a poll. */
static const char poll_answer[] =
    "[{\"work_pool_id\":\"" POOL_ID "\",\"work_queue_id\":\"" QUEUE_ID "\",\"flow_run\":{\"id\":\"" RUN_ID
    "\",\"created\":\"2026-11-23T02:40:08.208780Z\",\"updated\":\"2026-11-23T02:40:08.218000Z\","
    "\"name\":\"myrtle-toucan\",\"flow_id\":\"" FLOW_ID
    "\",\"state_id\":\"01a20646-6c10-711f-986b-e1063e888f10\",\"deployment_id\":\"" DEPLOYMENT_ID
    "\",\"deployment_version\":null,\"work_queue_name\":null,\"flow_version\":null,"
    "\"parameters\":{\"x\":1.0,\"big\":9007199254740993},\"idempotency_key\":null,\"context\":{},"
    "\"empirical_policy\":{\"max_retries\":0,\"retry_delay_seconds\":0.0,\"retries\":null,\"retry_delay\":"
    "null,\"pause_keys\":[],\"resuming\":false,\"retry_type\":null},\"tags\":[\"red\",\"blue\"],"
    "\"labels\":{\"prefect.flow.id\":\"" FLOW_ID "\"},\"parent_task_run_id\":null,"
    "\"state_type\":\"SCHEDULED\",\"state_name\":\"Scheduled\",\"run_count\":0,"
    "\"expected_start_time\":\"2026-11-23T02:40:08.181784Z\","
    "\"next_scheduled_start_time\":\"2026-11-23T02:40:09.181784Z\",\"start_time\":null,\"end_time\":null,"
    "\"total_run_time\":0.0,\"infrastructure_pid\":null,\"created_by\":null,\"work_queue_id\":\"" QUEUE_ID
    "\",\"state\":null,\"job_variables\":{}}}]";

static const char claim_answer[] =
    "{\"status\":\"ACCEPT\",\"details\":{\"type\":\"accept_details\"},\"state\":{\"id\":"
    "\"01a20646-6c37-7519-986a-9506a72eca66\",\"type\":\"PENDING\",\"name\":\"Pending\","
    "\"timestamp\":\"2026-11-23T02:40:08.247351Z\",\"message\":null,\"data\":null,\"state_details\":"
    "{\"flow_run_id\":\"" RUN_ID
    "\",\"scheduled_time\":\"2026-11-23T02:40:08.181784Z\",\"transition_id\":\"" CLAIM_ID
    "\",\"deployment_concurrency_lease_id\":null}}}";

struct read {
    struct prefect_arena arena;
    struct prefect_reply reply;
    struct err err;
    int result;
};

static struct read read_text(prefect_read_fn fn, const char *text)
{
    struct read r = {.result = 0};
    prefect_arena_init(&r.arena);
    r.result = prefect_read_answer(text, strlen(text), fn, &r.arena, &r.reply, &r.err);
    return r;
}

static void assert_refused(prefect_read_fn fn, const char *text)
{
    struct read r = read_text(fn, text);
    if (r.result == 0)
        fail_msg("taken: %.200s", text);
    assert_true(r.err.msg[0] != '\0');
    prefect_arena_done(&r.arena);
}

/* text with the first `from` replaced; malloc'ed. */
static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    assert_non_null(at);
    return check_printf("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
}

static void test_poll(void **state)
{
    (void)state;
    struct read r = read_text(prefect_read_poll, poll_answer);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.reply.count, 1);
    const struct prefect_run *run = &r.reply.runs[0];
    assert_string_equal(run->id, RUN_ID);
    assert_string_equal(run->name, "myrtle-toucan");
    assert_string_equal(run->flow_id, FLOW_ID);
    assert_string_equal(run->deployment_id, DEPLOYMENT_ID);
    assert_string_equal(run->work_queue_id, QUEUE_ID);
    assert_string_equal(run->infrastructure_pid, "");
    assert_string_equal(run->job_variables_json, "{}");
    assert_string_equal(run->parameters_json, "{\"x\":1.0,\"big\":9007199254740993}");
    assert_int_equal(run->tag_count, 2);
    assert_string_equal(run->tags[1], "blue");
    assert_int_equal(run->state_type, PREFECT_STATE_SCHEDULED);
    assert_string_equal(run->state_name, "Scheduled");
    assert_null(run->state);
    /* The next scheduled start wins over the first expected one. */
    assert_true(run->expected_start_ms == 1795401609181);
    prefect_arena_done(&r.arena);
}

static void test_poll_takes_what_versions_change(void **state)
{
    (void)state;
    struct read r =
        read_text(prefect_read_poll,
                  "[{\"new\":[1,{}],\"work_queue_id\":\"" QUEUE_ID "\",\"flow_run\":{\"id\":\"" RUN_ID
                  "\",\"tags\":null,\"parameters\":null,\"job_variables\":"
                  "null,\"state_type\":\"DREAMING\",\"surprise\":{\"a\":1}}}]");
    assert_int_equal(r.result, 0);
    const struct prefect_run *run = &r.reply.runs[0];
    assert_string_equal(run->name, "");
    assert_string_equal(run->deployment_id, "");
    assert_string_equal(run->work_queue_id, QUEUE_ID);
    assert_string_equal(run->job_variables_json, "{}");
    assert_string_equal(run->parameters_json, "{}");
    assert_int_equal(run->tag_count, 0);
    assert_int_equal(run->state_type, PREFECT_STATE_UNKNOWN);
    assert_true(run->expected_start_ms == 0);
    prefect_arena_done(&r.arena);
    struct read empty = read_text(prefect_read_poll, "[]");
    assert_int_equal(empty.result, 0);
    assert_int_equal(empty.reply.count, 0);
    prefect_arena_done(&empty.arena);
}

/* 3.9.1 puts the whole state into a poll's answer. */
static void test_poll_with_state(void **state)
{
    (void)state;
    char *text = replaced(poll_answer, "\"state\":null",
                          "\"state\":{\"type\":\"SCHEDULED\",\"name\":\"Late\",\"state_details\":"
                          "{\"transition_id\":\"" CLAIM_ID "\"}}");
    struct read r = read_text(prefect_read_poll, text);
    assert_int_equal(r.result, 0);
    assert_string_equal(r.reply.runs[0].state->name, "Late");
    assert_string_equal(r.reply.runs[0].state->transition_id, CLAIM_ID);
    prefect_arena_done(&r.arena);
    free(text);
}

static void test_runs_are_demanded_ids(void **state)
{
    (void)state;
    assert_refused(prefect_read_poll, "[{\"flow_run\":{\"name\":\"x\"}}]");
    assert_refused(prefect_read_poll, "[{\"flow_run\":null}]");
    assert_refused(prefect_read_poll, "[7]");
    assert_refused(prefect_read_poll, "[null]");
    assert_refused(prefect_read_poll, "{}");
    assert_refused(prefect_read_poll, "null");
    assert_refused(prefect_read_runs, "[{\"id\":\"../../admin\"}]");
    assert_refused(prefect_read_runs, "[{\"id\":\"4e2564d8-30dc-4f6c-a390-0eadcde8b4a\"}]");
    assert_refused(prefect_read_runs, "[{\"id\":\"4e2564d8-30dc-4f6c-a390-0eadcde8b4ag\"}]");
    assert_refused(prefect_read_runs, "[{\"id\":\"" RUN_ID "\",\"deployment_id\":\"; drop table\"}]");
    assert_refused(prefect_read_runs, "[{\"id\":\"" RUN_ID "\",\"deployment_id\":{}}]");
    assert_refused(prefect_read_run, "[]");
    assert_refused(prefect_read_run, "{\"id\":\"" RUN_ID "\",\"state_type\":\"X\",\"state_name\":\"Y\"}");
}

static void test_run_with_state(void **state)
{
    (void)state;
    struct read r =
        read_text(prefect_read_run,
                  "{\"id\":\"" RUN_ID "\",\"infrastructure_pid\":\"http+docker://localhost:abc\","
                  "\"job_variables\":{\"a\":[1.50,null]},\"tags\":[\"a\",1,null,\"b\"],"
                  "\"state\":{\"type\":\"COMPLETED\",\"name\":\"Done\",\"message\":\"m\","
                  "\"timestamp\":\"2026-11-23T02:40:08.247351+00:00\",\"data\":{\"type\":\"x\",\"n\":1.0},"
                  "\"state_details\":{\"deployment_concurrency_lease_id\":\"L\"}}}");
    assert_int_equal(r.result, 0);
    const struct prefect_run *run = r.reply.runs;
    assert_string_equal(run->infrastructure_pid, "http+docker://localhost:abc");
    assert_string_equal(run->job_variables_json, "{\"a\":[1.50,null]}");
    assert_int_equal(run->tag_count, 2);
    assert_string_equal(run->tags[1], "b");
    assert_int_equal(run->state_type, PREFECT_STATE_COMPLETED);
    assert_string_equal(run->state_name, "Done");
    assert_string_equal(run->state->message, "m");
    assert_string_equal(run->state->data_json, "{\"type\":\"x\",\"n\":1.0}");
    assert_string_equal(run->state->lease_id, "L");
    assert_string_equal(run->state->transition_id, "");
    assert_false(run->state->has_scheduled_time);
    assert_true(run->state->timestamp_ms == 1795401608247);
    prefect_arena_done(&r.arena);
}

static void test_set_state(void **state)
{
    (void)state;
    struct read r = read_text(prefect_read_set_state, claim_answer);
    assert_int_equal(r.result, 0);
    assert_int_equal(r.reply.outcome, PREFECT_OUTCOME_ACCEPT);
    assert_int_equal(r.reply.count, 1);
    assert_int_equal(r.reply.states[0].type, PREFECT_STATE_PENDING);
    assert_string_equal(r.reply.states[0].transition_id, CLAIM_ID);
    assert_string_equal(r.reply.states[0].lease_id, "");
    assert_true(r.reply.states[0].has_scheduled_time);
    assert_true(r.reply.states[0].scheduled_at_ms == 1795401608181);
    assert_string_equal(r.reply.states[0].data_json, "null");
    assert_string_equal(r.reply.reason, "");
    prefect_arena_done(&r.arena);

    r = read_text(prefect_read_set_state, "{\"status\":\"WAIT\",\"state\":null,\"details\":{\"type\":"
                                          "\"wait_details\",\"delay_seconds\":30,\"reason\":\"later\"}}");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.reply.outcome, PREFECT_OUTCOME_WAIT);
    assert_true(r.reply.wait_ms == 30000);
    assert_string_equal(r.reply.reason, "later");
    assert_int_equal(r.reply.states[0].type, PREFECT_STATE_UNKNOWN);
    assert_string_equal(r.reply.states[0].name, "");
    prefect_arena_done(&r.arena);

    r = read_text(prefect_read_set_state, "{\"status\":\"WAIT\",\"details\":{\"delay_seconds\":1e300}}");
    assert_int_equal(r.result, 0);
    assert_true(r.reply.wait_ms == 0);
    prefect_arena_done(&r.arena);
}

/* A claim must never be taken for won or lost on a guess. */
static void test_set_state_is_strict(void **state)
{
    (void)state;
    assert_refused(prefect_read_set_state, "{}");
    assert_refused(prefect_read_set_state, "[]");
    assert_refused(prefect_read_set_state, "\"ACCEPT\"");
    assert_refused(prefect_read_set_state, "{\"status\":null,\"state\":{\"type\":\"PENDING\"}}");
    assert_refused(prefect_read_set_state, "{\"status\":\"accept\",\"state\":{\"type\":\"PENDING\"}}");
    assert_refused(prefect_read_set_state, "{\"status\":\"ACCEPT\",\"state\":null}");
    assert_refused(prefect_read_set_state, "{\"status\":\"ACCEPT\"}");
    assert_refused(prefect_read_set_state, "{\"status\":\"ACCEPT\",\"state\":{\"type\":\"NEW\"}}");
    assert_refused(prefect_read_set_state, "{\"status\":\"ACCEPT\",\"state\":[]}");
}

/* Every prefix of an answer is refused, by every reader of objects and lists. */
static void test_cut_off(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(claim_answer) - 1; len++) {
        char *part = check_printf("%.*s", (int)len, claim_answer);
        assert_refused(prefect_read_set_state, part);
        free(part);
    }
    for (size_t len = 0; len < sizeof(poll_answer) - 1; len++) {
        char *part = check_printf("%.*s", (int)len, poll_answer);
        assert_refused(prefect_read_poll, part);
        free(part);
    }
}

static void test_history(void **state)
{
    (void)state;
    struct read r =
        read_text(prefect_read_history, "[{\"type\":\"SCHEDULED\",\"name\":\"Scheduled\"},"
                                        "{\"type\":\"FAILED\",\"name\":\"Failed\",\"message\":\"no\","
                                        "\"data\":{\"a\":1}}]");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.reply.count, 2);
    assert_int_equal(r.reply.states[1].type, PREFECT_STATE_FAILED);
    assert_string_equal(r.reply.states[1].data_json, "{\"a\":1}");
    prefect_arena_done(&r.arena);
    assert_refused(prefect_read_history, "[{\"type\":\"SCHEDULED\"},null]");
    assert_refused(prefect_read_history, "[{\"name\":\"Scheduled\"}]");
}

static void test_pool(void **state)
{
    (void)state;
    struct read r = read_text(prefect_read_pool,
                              "{\"id\":\"" POOL_ID "\",\"name\":\"docs\",\"type\":\"docker\","
                              "\"base_job_template\":{\"job_configuration\":{\"n\":1.0},\"variables\":{}},"
                              "\"is_paused\":true,\"concurrency_limit\":4,\"status\":\"READY\"}");
    assert_int_equal(r.result, 0);
    assert_string_equal(r.reply.pool->name, "docs");
    assert_string_equal(r.reply.pool->type, "docker");
    assert_true(r.reply.pool->is_paused);
    assert_true(r.reply.pool->concurrency_limit == 4);
    assert_true(r.reply.pool->has_template);
    assert_string_equal(r.reply.pool->base_job_template_json,
                        "{\"job_configuration\":{\"n\":1.0},\"variables\":{}}");
    prefect_arena_done(&r.arena);

    const char *const empty_templates[] = {"", ",\"base_job_template\":{}", ",\"base_job_template\":null",
                                           ",\"base_job_template\":7"};
    for (size_t i = 0; i < ARRAY_LEN(empty_templates); i++) {
        char *text = check_printf("{\"id\":\"" POOL_ID "\",\"name\":\"p\"%s}", empty_templates[i]);
        r = read_text(prefect_read_pool, text);
        assert_int_equal(r.result, 0);
        assert_false(r.reply.pool->has_template);
        assert_string_equal(r.reply.pool->base_job_template_json, "{}");
        assert_true(r.reply.pool->concurrency_limit == -1);
        prefect_arena_done(&r.arena);
        free(text);
    }
    assert_refused(prefect_read_pool, "{\"name\":\"p\"}");
    assert_refused(prefect_read_pool, "{\"id\":\"" POOL_ID "\"}");
}

static void test_queues(void **state)
{
    (void)state;
    struct read r = read_text(prefect_read_queues,
                              "[{\"id\":\"" QUEUE_ID "\",\"name\":\"high\",\"priority\":2,\"is_paused\":true,"
                              "\"concurrency_limit\":0},{\"id\":\"" QUEUE_ID "\",\"priority\":-5}]");
    assert_int_equal(r.result, 0);
    assert_int_equal(r.reply.count, 2);
    assert_string_equal(r.reply.queues[0].name, "high");
    assert_int_equal(r.reply.queues[0].priority, 2);
    assert_true(r.reply.queues[0].is_paused);
    assert_true(r.reply.queues[0].concurrency_limit == 0);
    assert_int_equal(r.reply.queues[1].priority, INT32_MAX);
    assert_true(r.reply.queues[1].concurrency_limit == -1);
    prefect_arena_done(&r.arena);
    assert_refused(prefect_read_queues, "[{\"name\":\"high\"}]");
}

static void test_deployment_flow_version(void **state)
{
    (void)state;
    struct read r =
        read_text(prefect_read_deployment,
                  "{\"id\":\"" DEPLOYMENT_ID "\",\"name\":\"d\",\"flow_id\":\"" FLOW_ID
                  "\",\"updated\":\"2026-11-23T02:40:08.218000Z\",\"job_variables\":{\"env\":{}}}");
    assert_int_equal(r.result, 0);
    assert_string_equal(r.reply.deployment->flow_id, FLOW_ID);
    assert_string_equal(r.reply.deployment->updated, "2026-11-23T02:40:08.218000Z");
    assert_string_equal(r.reply.deployment->job_variables_json, "{\"env\":{}}");
    prefect_arena_done(&r.arena);
    assert_refused(prefect_read_deployment, "{\"id\":\"" DEPLOYMENT_ID "\"}");

    r = read_text(prefect_read_flow, "{\"id\":\"x\",\"name\":\"my flow\"}");
    assert_int_equal(r.result, 0);
    assert_string_equal(r.reply.flow_name, "my flow");
    prefect_arena_done(&r.arena);
    assert_refused(prefect_read_flow, "{\"name\":7}");

    r = read_text(prefect_read_version, "\"3.8.8\"");
    assert_int_equal(r.result, 0);
    assert_string_equal(r.reply.json, "3.8.8");
    prefect_arena_done(&r.arena);
    assert_refused(prefect_read_version, "3.8");
}

static void test_html_is_no_answer(void **state)
{
    (void)state;
    const char html[] = "\xef\xbb\xbf \n<!doctype html><html>secret</html>";
    assert_refused(prefect_read_poll, html);
    struct read r = read_text(NULL, html);
    assert_int_equal(r.result, -1);
    assert_null(strstr(r.err.msg, "secret"));
    assert_non_null(strstr(r.err.msg, "/api"));
    prefect_arena_done(&r.arena);
    r = read_text(NULL, "");
    assert_int_equal(r.result, 0);
    prefect_arena_done(&r.arena);
    r = read_text(NULL, "null");
    assert_int_equal(r.result, 0);
    prefect_arena_done(&r.arena);
}

/* Answers may hold parameters: an unreadable one is described without its content. */
static void test_messages_hold_no_content(void **state)
{
    (void)state;
    struct read r = read_text(prefect_read_poll, "[{\"flow_run\":{\"id\":\"hunter2\"}}]");
    assert_int_equal(r.result, -1);
    assert_null(strstr(r.err.msg, "hunter2"));
    prefect_arena_done(&r.arena);
    r = read_text(prefect_read_poll, "[{\"password\":\"hunter2\"");
    assert_int_equal(r.result, -1);
    assert_null(strstr(r.err.msg, "hunter2"));
    prefect_arena_done(&r.arena);
}

static void assert_error_text(const char *body, bool is_ours, const char *expected)
{
    char text[128];
    assert_int_equal(prefect_read_error(body, strlen(body), text, sizeof(text)), is_ours);
    assert_string_equal(text, expected);
}

static void test_error_texts(void **state)
{
    (void)state;
    assert_error_text("{\"detail\":\"Locked\"}", true, "Locked");
    assert_error_text("{\"exception_message\":\"Flow run with id x not found\"}", true,
                      "Flow run with id x not found");
    assert_error_text("{\"detail\":[{\"type\":\"int_from_float\",\"loc\":[\"body\",\"heartbeat\",3],\"msg\":"
                      "\"Input should be a valid integer\",\"input\":5.5}]}",
                      true, "body.heartbeat.3: Input should be a valid integer");
    assert_error_text("{\"exception_message\":\"Invalid request received.\",\"exception_detail\":[{\"loc\":"
                      "[\"body\"],\"msg\":\"bad\"}],\"request_body\":{\"secret\":1}}",
                      true, "Invalid request received.: body: bad");
    assert_error_text("{\"detail\":[{\"msg\":\"a\"},\"b\",{},{\"msg\":\"never\"}]}", true, ": a; : b; : ?");
    assert_error_text("{\"detail\":{\"a\":1}}", true, "");
    assert_error_text("{}", true, "");
    assert_error_text("", false, "an empty answer");
    assert_error_text("<html>404</html>", false, "an HTML page instead of the API's answer");
    assert_error_text("404 page not found", false, "an answer that is not the API's");
    assert_error_text("{\"detail\":\"cut", false, "an answer that is not the API's");
    assert_error_text("[]", false, "an answer that is not the API's");
}

static void test_error_text_is_cut(void **state)
{
    (void)state;
    char text[16];
    const char body[] = "{\"exception_message\":\"0123456789012345678901234567890\"}";
    assert_true(prefect_read_error(body, strlen(body), text, sizeof(text)));
    assert_string_equal(text, "012345678901234");
    const char list[] =
        "{\"detail\":[{\"loc\":[\"aaaaaaaaaaaaaaaaaaaaaaaa\",\"b\"],\"msg\":\"m\"},{\"msg\":\"n\"}]}";
    assert_true(prefect_read_error(list, strlen(list), text, sizeof(text)));
    assert_string_equal(text, "aaaaaaaaaaaaaaa");
    const char both[] = "{\"exception_message\":\"0123456789abc\",\"exception_detail\":[{\"msg\":\"mm\"}]}";
    assert_true(prefect_read_error(both, strlen(both), text, sizeof(text)));
    assert_string_equal(text, "0123456789abc");
}

/* Found by fuzz_prefect: a sentence goes into logs and into JSON, and half a character fits neither. */
static void test_error_text_is_cut_between_characters(void **state)
{
    (void)state;
    char text[16];
    const char plain[] = "{\"detail\":\"01234567890123\xC3\xA9\"}";
    assert_true(prefect_read_error(plain, strlen(plain), text, sizeof(text)));
    assert_string_equal(text, "01234567890123");
    const char list[] = "{\"detail\":[{\"loc\":[\"0123456789ab\xF0\x9F\x98\x80\"],\"msg\":\"m\"}]}";
    assert_true(prefect_read_error(list, strlen(list), text, sizeof(text)));
    assert_string_equal(text, "0123456789ab: m");
    char message[400];
    char *AUTO_FREE many = check_printf("{\"detail\":[{\"msg\":\"%0199d\xC3\xA9\"}]}", 0);
    assert_true(prefect_read_error(many, strlen(many), message, sizeof(message)));
    assert_int_equal(strlen(message), strlen(": ") + 199);
}

static void test_state_type_names(void **state)
{
    (void)state;
    for (int i = PREFECT_STATE_SCHEDULED; i <= PREFECT_STATE_PAUSED; i++) {
        enum prefect_state_type type = (enum prefect_state_type)i;
        assert_int_equal(prefect_state_type_from_name(prefect_state_type_name(type)), type);
    }
    assert_int_equal(prefect_state_type_from_name("UNKNOWN"), PREFECT_STATE_UNKNOWN);
    assert_int_equal(prefect_state_type_from_name("pending"), PREFECT_STATE_UNKNOWN);
    assert_true(prefect_state_type_is_final(PREFECT_STATE_CRASHED));
    assert_false(prefect_state_type_is_final(PREFECT_STATE_CANCELLING));
    assert_false(prefect_state_type_is_final(PREFECT_STATE_UNKNOWN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_poll_takes_what_versions_change),
        cmocka_unit_test(test_poll_with_state),
        cmocka_unit_test(test_runs_are_demanded_ids),
        cmocka_unit_test(test_run_with_state),
        cmocka_unit_test(test_set_state),
        cmocka_unit_test(test_set_state_is_strict),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_pool),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_deployment_flow_version),
        cmocka_unit_test(test_html_is_no_answer),
        cmocka_unit_test(test_messages_hold_no_content),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_error_text_is_cut),
        cmocka_unit_test(test_error_text_is_cut_between_characters),
        cmocka_unit_test(test_state_type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
