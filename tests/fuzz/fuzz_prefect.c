/*
 * fuzz_prefect.c - the Prefect server's answers. The first byte chooses the reader, the second where the
 * answer is cut off; the rest is the body.
 *
 * What is read has sound texts: ids are UUIDs, variables and templates are JSON. A part of an answer is no
 * answer. A refusal's sentence has nothing of the body (no '@' is in ours); an error answer's sentence fits,
 * is UTF-8 and says something where there was something.
 */
#include "fuzz.h"

#include "api/error_body.h"
#include "api/prefect_read.h"

static void check_json(const char *text)
{
    struct json *root = NULL;
    struct err err;
    CHECK(json_parse(text, strlen(text), &root, &err) == 0);
    json_free(root);
}

static void check_id(const char *id, bool may_be_absent)
{
    CHECK((may_be_absent && id[0] == '\0') || (strlen(id) == 36 && id[8] == '-' && id[23] == '-'));
    CHECK(strspn(id, "0123456789abcdefABCDEF-") == strlen(id));
}

static void check_state(const struct prefect_state *state)
{
    CHECK(state->name != NULL && state->message != NULL && state->transition_id != NULL);
    CHECK(state->lease_id != NULL);
    CHECK(state->has_scheduled_time || state->scheduled_at_ms == 0);
    check_json(state->data_json);
}

static void check_run(const struct prefect_run *run)
{
    check_id(run->id, false);
    check_id(run->flow_id, true);
    check_id(run->deployment_id, true);
    check_id(run->work_queue_id, true);
    check_json(run->job_variables_json);
    check_json(run->parameters_json);
    CHECK(run->name != NULL && run->infrastructure_pid != NULL && run->state_name != NULL);
    for (size_t i = 0; i < run->tag_count; i++)
        CHECK(run->tags[i] != NULL);
    if (run->state != NULL)
        check_state(run->state);
}

static void check_reply(const struct prefect_reply *reply)
{
    for (size_t i = 0; reply->runs != NULL && i < reply->count; i++) {
        check_run(&reply->runs[i]);
        CHECK(prefect_reply_run(reply, reply->runs[i].id) != NULL);
    }
    for (size_t i = 0; reply->states != NULL && i < reply->count; i++)
        check_state(&reply->states[i]);
    for (size_t i = 0; reply->queues != NULL && i < reply->count; i++) {
        check_id(reply->queues[i].id, false);
        CHECK(reply->queues[i].name != NULL && reply->queues[i].priority >= 0);
    }
    for (size_t i = 0; reply->worker_names != NULL && i < reply->count; i++)
        CHECK(reply->worker_names[i] != NULL);
    if (reply->pool != NULL) {
        check_id(reply->pool->id, false);
        check_json(reply->pool->base_job_template_json);
        CHECK(reply->pool->name[0] != '\0' && reply->pool->type != NULL);
    }
    if (reply->deployment != NULL) {
        check_id(reply->deployment->id, false);
        check_id(reply->deployment->flow_id, false);
        check_json(reply->deployment->job_variables_json);
    }
    CHECK(reply->wait_ms >= 0);
}

static bool read_body(prefect_read_fn read, const char *body, size_t len)
{
    struct prefect_arena arena;
    struct prefect_reply reply = {0};
    struct err err = {.msg = ""};
    prefect_arena_init(&arena);
    bool is_read = prefect_read_answer(body, len, read, &arena, &reply, &err) == 0;
    if (is_read)
        check_reply(&reply);
    else
        CHECK(err.msg[0] != '\0' && strchr(err.msg, '@') == NULL);
    prefect_arena_done(&arena);
    return is_read;
}

/* Lists and objects end with a bracket: before it nothing is whole. */
static void check_cut(prefect_read_fn read, const char *body, size_t len, unsigned char cut)
{
    while (len > 0 && strchr(" \t\r\n", body[len - 1]) != NULL && body[len - 1] != '\0')
        len--;
    if (len == 0 || (body[len - 1] != ']' && body[len - 1] != '}'))
        return;
    /* of its own size, so that ASan sees a step too far */
    size_t kept = (len - 1) * cut / 255;
    char *AUTO_FREE part = check_alloc(kept == 0 ? 1 : kept);
    memcpy(part, body, kept);
    CHECK(!read_body(read, part, kept));
}

static void check_sentence(const char *text, size_t size)
{
    CHECK(strlen(text) < size);
    char *AUTO_FREE quoted = json_quote(text);
    CHECK(strstr(text, "\xEF\xBF\xBD") != NULL || strstr(quoted, "\xEF\xBF\xBD") == NULL);
}

static void read_errors(const char *body, size_t len, size_t size)
{
    char *AUTO_FREE text = check_alloc(size);
    (void)prefect_read_error(body, len, text, size);
    check_sentence(text, size);
    enum error_body kind = error_body_read(body, len, text, size);
    CHECK(strlen(text) < size);
    CHECK(kind != ERROR_BODY_EMPTY || text[0] == '\0');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    static const prefect_read_fn readers[] = {
        prefect_read_poll,    prefect_read_runs,      prefect_read_run,     prefect_read_history,
        prefect_read_pool,    prefect_read_set_state, prefect_read_queues,  prefect_read_workers,
        prefect_read_granted, prefect_read_flow,      prefect_read_version, prefect_read_deployment,
    };
    if (len < 2)
        return 0;
    size_t which = data[0] % (ARRAY_LEN(readers) + 1);
    unsigned char second = data[1];
    const char *body = (const char *)data + 2;
    len -= 2;
    if (which == ARRAY_LEN(readers))
        read_errors(body, len, 4 + second);
    else if (read_body(readers[which], body, len))
        check_cut(readers[which], body, len, second);
    return 0;
}
