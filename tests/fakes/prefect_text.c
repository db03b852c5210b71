/* prefect_text.c - see prefect_text.h. Lines are built in a buffer that can't fail for what tests ask of it.
 */
#include "prefect_text.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX_BYTES = 1024 * 1024 };

static void add(struct buf *b, const char *text)
{
    struct err err;
    CHECK(buf_add_str(b, text, &err) == 0);
}

static void add_char(struct buf *b, char c)
{
    struct err err;
    CHECK(buf_add(b, &c, 1, &err) == 0);
}

static void add_int(struct buf *b, const char *key, int64_t number)
{
    char text[64];
    snprintf(text, sizeof(text), "%s%lld", key, (long long)number);
    add(b, text);
}

void prefect_text_name(struct prefect_text *text, const char *id, const char *name)
{
    CHECK(text->name_count < PREFECT_TEXT_NAMES_MAX);
    snprintf(text->names[text->name_count].id, sizeof(text->names[0].id), "%s", id);
    snprintf(text->names[text->name_count].name, sizeof(text->names[0].name), "%s", name);
    text->name_count++;
}

static size_t uuid_length(const char *text)
{
    size_t i = 0;
    while (i < UUID_TEXT_SIZE - 1 && (isxdigit((unsigned char)text[i]) || text[i] == '-'))
        i++;
    return i == UUID_TEXT_SIZE - 1 && text[8] == '-' && text[13] == '-' ? i : 0;
}

/* Copy a text with every UUID in it replaced. */
static void add_named(struct buf *b, const struct prefect_text *text, const char *value)
{
    while (*value != '\0') {
        size_t len = uuid_length(value);
        if (len == 0) {
            add_char(b, *value++);
            continue;
        }
        const char *name = "ID";
        for (size_t i = 0; i < text->name_count; i++)
            if (strncmp(text->names[i].id, value, len) == 0)
                name = text->names[i].name;
        add(b, name);
        value += len;
    }
}

static void add_key(struct buf *b, const struct prefect_text *text, const char *key, const char *value)
{
    add(b, " ");
    add(b, key);
    add(b, "=");
    add_named(b, text, value[0] != '\0' ? value : "-");
}

/* From now, in steps of 20 s, and as if less than 19 s had passed since the time was made: what a slow server
 * tells is the same. */
static void add_time(struct buf *b, const struct prefect_text *text, const char *key, int64_t at_ms)
{
    int64_t away_ms = at_ms - text->now_ms;
    int64_t steps = (away_ms + (away_ms >= 0 ? 19000 : -1000)) / 20000;
    add(b, " ");
    add(b, key);
    add_int(b, steps < 0 ? "=" : "=+", steps * 20);
    add(b, "s");
}

/* The server renames overdue runs in the background: Late is told as Scheduled. */
static void add_type_and_name(struct buf *b, enum prefect_state_type type, const char *name)
{
    add(b, prefect_state_type_name(type));
    add(b, "/");
    add(b, strcmp(name, "Late") == 0 ? "Scheduled" : name);
}

static void add_state(struct buf *b, const struct prefect_text *text, const struct prefect_state *state)
{
    add_type_and_name(b, state->type, state->name);
    add_key(b, text, "message", state->message);
    add_key(b, text, "transition", state->transition_id);
    add_key(b, text, "lease", state->lease_id);
    add_key(b, text, "data", state->data_json);
    if (state->has_scheduled_time)
        add_time(b, text, "scheduled", state->scheduled_at_ms);
    else
        add(b, " scheduled=-");
    add(b, state->timestamp_ms != 0 ? "" : " no-timestamp");
}

static void add_run(struct buf *b, const struct prefect_text *text, const struct prefect_run *run)
{
    add(b, "run");
    add_key(b, text, "id", run->id);
    add_key(b, text, "name", run->name);
    add_key(b, text, "flow", run->flow_id);
    add_key(b, text, "deployment", run->deployment_id);
    add_key(b, text, "queue", run->work_queue_id);
    add_key(b, text, "pid", run->infrastructure_pid);
    add_key(b, text, "parameters", run->parameters_json);
    add_key(b, text, "variables", run->job_variables_json);
    for (size_t i = 0; i < run->tag_count; i++)
        add_key(b, text, "tag", run->tags[i]);
    add(b, " is=");
    add_type_and_name(b, run->state_type, run->state_name);
    add_time(b, text, "due", run->expected_start_ms);
    if (run->state != NULL) {
        add(b, " state=");
        add_state(b, text, run->state);
    }
}

static void add_pool(struct buf *b, const struct prefect_text *text, const struct prefect_pool *pool)
{
    add(b, "pool");
    add_key(b, text, "id", pool->id);
    add_key(b, text, "name", pool->name);
    add_key(b, text, "type", pool->type);
    add(b, pool->is_paused ? " paused" : "");
    add_int(b, " limit=", pool->concurrency_limit);
    add_key(b, text, "template", pool->base_job_template_json);
    add(b, pool->has_template ? "" : " no-template");
}

static void add_queue(struct buf *b, const struct prefect_text *text, const struct prefect_queue *queue)
{
    add(b, "queue");
    add_key(b, text, "id", queue->id);
    add_key(b, text, "name", queue->name);
    add_int(b, " priority=", queue->priority);
    add_int(b, " limit=", queue->concurrency_limit);
    add(b, queue->is_paused ? " paused" : "");
}

static void add_failure(struct buf *b, const struct prefect_text *text, const struct failure *failure)
{
    add_int(b, "failure ", failure->status);
    add(b, " ");
    add(b, transport_name(failure->transport));
    add(b, failure->sent ? " sent" : " unsent");
    add(b, failure->changes ? " changes" : "");
    if (failure->retry_after_ms >= 0)
        add_int(b, " retry_after_ms=", failure->retry_after_ms);
    add(b, ": ");
    add_named(b, text, failure->message);
}

static void add_set_state(struct buf *b, const struct prefect_text *text, const struct prefect_reply *reply)
{
    static const char *const words[] = {"ACCEPT", "REJECT", "ABORT", "WAIT"};
    add(b, " ");
    add(b, words[reply->outcome]);
    if (reply->outcome == PREFECT_OUTCOME_WAIT)
        add_int(b, " wait_s=", (reply->wait_ms + 5000) / 10000 * 10);
    add(b, " ");
    add_state(b, text, &reply->states[0]);
    add_key(b, text, "reason", reply->reason);
}

static void add_lists(struct buf *b, const struct prefect_text *text, const struct prefect_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        add(b, i > 0 ? "; " : " ");
        if (reply->runs != NULL)
            add_run(b, text, &reply->runs[i]);
        else if (reply->worker_names != NULL)
            add_key(b, text, "worker", reply->worker_names[i]);
        else if (reply->queues != NULL)
            add_queue(b, text, &reply->queues[i]);
        else if (reply->states != NULL)
            add_state(b, text, &reply->states[i]);
    }
}

char *prefect_text_of(const struct prefect_text *text, enum prefect_text_kind kind,
                      const struct prefect_reply *reply)
{
    struct buf b;
    buf_init(&b, TEXT_MAX_BYTES);
    if (reply->failure != NULL) {
        add_failure(&b, text, reply->failure);
        return buf_take(&b);
    }
    add_int(&b, "", reply->status);
    if (kind == PREFECT_TEXT_SET_STATE && reply->states != NULL)
        add_set_state(&b, text, reply);
    else
        add_lists(&b, text, reply);
    if (reply->pool != NULL) {
        add(&b, " ");
        add_pool(&b, text, reply->pool);
    }
    if (reply->deployment != NULL) {
        add(&b, " deployment");
        add_key(&b, text, "id", reply->deployment->id);
        add_key(&b, text, "name", reply->deployment->name);
        add_key(&b, text, "flow", reply->deployment->flow_id);
        add_key(&b, text, "variables", reply->deployment->job_variables_json);
        add(&b, reply->deployment->updated[0] != '\0' ? " updated" : " not-updated");
    }
    if (reply->flow_name != NULL)
        add_key(&b, text, "flow", reply->flow_name);
    if (reply->json != NULL)
        add_key(&b, text, "json", reply->json);
    if (reply->secret_fields_json != NULL)
        add_key(&b, text, "secret", reply->secret_fields_json);
    return buf_take(&b);
}
