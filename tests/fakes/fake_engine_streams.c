/*
 * fake_engine_streams.c - answers that last: events, wait, logs and pull, and who is told when a container
 * ends.
 *
 * Events are kept for replay (the last 256, as Docker does) and delivered to every open listener whose
 * filters fit.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

/* ---- events ---- */

static bool list_holds(const struct json *list, const char *text)
{
    if (list == NULL)
        return true; /* no filter of this kind */
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item))
        if (strcmp(json_text(item, ""), text) == 0)
            return true;
    return false;
}

/* Podman's filter compares its own words, also those that it writes differently. */
static bool action_holds(const struct fake_engine *e, const struct json *list, const char *action)
{
    bool is_podman = e->podman_version != NULL;
    if (is_podman && strcmp(action, "die") == 0)
        action = "died";
    return list_holds(list, action);
}

static bool labels_hold(const struct json *list, const struct json *attributes)
{
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        const char *text = json_text(item, "");
        char *AUTO_FREE key = check_printf("%.*s", (int)strcspn(text, "="), text);
        const char *value = json_get_text(attributes, key, NULL);
        if (value == NULL || (text[strlen(key)] == '=' && strcmp(value, text + strlen(key) + 1) != 0))
            return false;
    }
    return true;
}

static bool event_fits(const struct fake_call *call, const struct json *event)
{
    char *AUTO_FREE text = fake_engine_query(call, "filters");
    struct json *filters = NULL;
    struct err err;
    if (text == NULL || json_parse(text, strlen(text), &filters, &err) != 0)
        return true;
    const struct json *actor = json_get(event, "Actor");
    const struct json *attributes = json_get(actor, "Attributes");
    const struct json *containers = json_get(filters, "container");
    bool fits = list_holds(json_get(filters, "type"), json_get_text(event, "Type", "")) &&
                action_holds(call->engine, json_get(filters, "event"), json_get_text(event, "Action", "")) &&
                (list_holds(containers, json_get_text(actor, "ID", "")) ||
                 list_holds(containers, json_get_text(attributes, "name", ""))) &&
                labels_hold(json_get(filters, "label"), attributes);
    json_free(filters);
    return fits;
}

/* False: a fault has ended the call. */
static bool send_event(struct fake_call *call, const struct json *event)
{
    if (!event_fits(call, event))
        return true;
    char *AUTO_FREE text = json_write(event);
    char *AUTO_FREE line = check_printf("%s\n", text);
    return fake_engine_stream_send(call, line, strlen(line));
}

static struct json *make_event(struct fake_engine *e, const char *type, const char *action, const char *id,
                               const struct container *c, const int *exit_code)
{
    struct json *attributes = json_new_object();
    const struct json *labels = c == NULL ? NULL : json_get(c->body, "Labels");
    for (const struct json *l = json_first(labels); l != NULL; l = json_next(l))
        json_set_text(attributes, json_key(l), json_text(l, ""));
    char code[16];
    snprintf(code, sizeof(code), "%d", exit_code == NULL ? 0 : *exit_code);
    if (exit_code != NULL)
        json_set_text(attributes, "exitCode", code);
    if (c != NULL)
        json_set_text(attributes, "image", c->pub.image);
    json_set_text(attributes, "name", c == NULL ? id : c->pub.name);
    struct json *actor = json_new_object();
    json_set_text(actor, "ID", c == NULL ? id : c->pub.id);
    json_take_set(actor, "Attributes", attributes);
    struct json *event = json_new_object();
    json_set_text(event, "status", action);
    json_set_text(event, "id", c == NULL ? id : c->pub.id);
    json_set_text(event, "Type", type);
    json_set_text(event, "Action", action);
    json_take_set(event, "Actor", actor);
    json_set_text(event, "scope", "local");
    json_set_int(event, "time", fake_engine_wall_ms(e) / 1000);
    json_set_int(event, "timeNano", fake_engine_wall_ms(e) * 1000000);
    return event;
}

void fake_engine_emit(struct fake_engine *e, const char *type, const char *action, const char *id,
                      const struct container *c, const int *exit_code)
{
    if (e->podman_version != NULL && strcmp(action, "oom") == 0)
        return;
    if (e->podman_version != NULL && strcmp(action, "destroy") == 0)
        action = "remove";
    struct past_event *past = &e->past[e->events_made++ % EVENTS_KEPT];
    json_free(past->event);
    past->event = make_event(e, type, action, id, c, exit_code);
    past->wall_ms = fake_engine_wall_ms(e);
    for (struct list *l = e->open_calls.next, *next; l != &e->open_calls; l = next) {
        next = l->next;
        struct fake_call *call = LIST_ITEM(l, struct fake_call, link);
        if (call->kind == FAKE_ENGINE_EVENTS && call->state == CALL_STREAMING)
            (void)send_event(call, past->event);
    }
}

static void on_events_over(void *arg)
{
    fake_engine_stream_end(arg);
}

/* "1795445740.123000000" in ms; -1: absent. */
static int64_t time_query_ms(const struct fake_call *call, const char *key)
{
    char *AUTO_FREE text = fake_engine_query(call, key);
    if (text == NULL)
        return -1;
    char *end = NULL;
    int64_t ms = strtoll(text, &end, 10) * 1000;
    if (*end == '.')
        for (int64_t digit = 100; digit > 0 && end[1] >= '0' && end[1] <= '9'; digit /= 10)
            ms += digit * (*++end - '0');
    return ms;
}

void fake_engine_do_events(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    int64_t since_ms = time_query_ms(call, "since");
    int64_t until_ms = time_query_ms(call, "until");
    if (!fake_engine_stream_begin(call))
        return;
    uint64_t first = e->events_made > EVENTS_KEPT ? e->events_made - EVENTS_KEPT : 0;
    first = first < e->events_forgotten ? e->events_forgotten : first;
    bool replays = since_ms >= 0 && e->podman_version == NULL;
    for (uint64_t i = first; replays && i < e->events_made; i++) {
        const struct past_event *past = &e->past[i % EVENTS_KEPT];
        if (past->wall_ms < since_ms || (until_ms >= 0 && past->wall_ms > until_ms))
            continue;
        if (!send_event(call, past->event))
            return;
    }
    if (until_ms < 0)
        return;
    int64_t left_ms = until_ms - fake_engine_wall_ms(e);
    if (left_ms <= 0)
        fake_engine_stream_end(call);
    else
        timer_start(e->timers, &call->timer, left_ms, on_events_over, call);
}

/* ---- wait ---- */

static void answer_wait(struct fake_call *call, int code)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "{\"Error\":null,\"StatusCode\":%d}\n", code);
    if (fake_engine_stream_send(call, body, (size_t)len))
        fake_engine_stream_end(call);
}

void fake_engine_do_wait(struct fake_call *call)
{
    struct container *c = fake_engine_find_container(call->engine, call->subject);
    if (c == NULL) {
        fake_engine_answer_message(call, 404, "No such container: %s", call->subject);
        return;
    }
    call->condition = fake_engine_query(call, "condition");
    bool is_new = strcmp(c->pub.state, "created") == 0;
    bool waits_for_next = call->condition != NULL && strcmp(call->condition, "not-running") != 0;
    if (!fake_engine_stream_begin(call))
        return;
    call->container = c;
    if (!fake_engine_is_running(c) && !waits_for_next)
        answer_wait(call, is_new && call->engine->podman_version != NULL ? -1 : c->pub.exit_code);
}

/* ---- logs ---- */

static bool is_wanted(const struct fake_call *call, const char *key)
{
    char *AUTO_FREE text = fake_engine_query(call, key);
    return text != NULL && strcmp(text, "1") == 0;
}

/* "2026-11-26T19:21:57.448662314Z ": as the engine writes it in front of each message. */
static char *time_text(const struct output *output)
{
    time_t seconds = (time_t)(output->time_ns / NS_PER_S);
    struct tm tm;
    char day[32];
    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    return check_printf("%s.%09lldZ ", day, (long long)(output->time_ns % NS_PER_S));
}

/* One write of the container is one message of its log; of a tty, which has no frames, it should be lines. */
static bool send_output(struct fake_call *call, const struct output *output)
{
    if (!is_wanted(call, output->stream == 1 ? "stdout" : "stderr"))
        return true;
    char *AUTO_FREE at = is_wanted(call, "timestamps") ? time_text(output) : check_strdup("");
    size_t at_len = strlen(at);
    size_t len = at_len + output->len;
    char *AUTO_FREE frame = check_alloc(len + 8);
    memcpy(frame + 8, at, at_len);
    memcpy(frame + 8 + at_len, output->text, output->len);
    if (call->container->pub.tty)
        return fake_engine_stream_send(call, frame + 8, len);
    frame[0] = (char)output->stream;
    for (int i = 0; i < 4; i++)
        frame[4 + i] = (char)(len >> (24 - 8 * i) & 0xff);
    return fake_engine_stream_send(call, frame, len + 8);
}

/* "1795445740.123456789"; -1: absent. */
static int64_t time_query_ns(const struct fake_call *call, const char *key)
{
    char *AUTO_FREE text = fake_engine_query(call, key);
    if (text == NULL)
        return -1;
    char *end = NULL;
    int64_t ns = strtoll(text, &end, 10) * NS_PER_S;
    if (*end == '.')
        for (int64_t digit = NS_PER_S / 10; digit > 0 && end[1] >= '0' && end[1] <= '9'; digit /= 10)
            ns += digit * (*++end - '0');
    return ns;
}

void fake_engine_do_logs(struct fake_call *call)
{
    struct container *c = fake_engine_find_container(call->engine, call->subject);
    if (c == NULL) {
        fake_engine_answer_message(call, 404, "No such container: %s", call->subject);
        return;
    }
    int64_t since_ns = time_query_ns(call, "since");
    char *AUTO_FREE follow = fake_engine_query(call, "follow");
    if (!fake_engine_stream_begin(call))
        return;
    call->container = c;
    char *AUTO_FREE tail = fake_engine_query(call, "tail");
    struct list *first = tail == NULL ? c->outputs.next : &c->outputs;
    for (long left = tail == NULL ? 0 : strtol(tail, NULL, 10); left > 0 && first->prev != &c->outputs;
         left--)
        first = first->prev;
    for (struct list *l = first; l != &c->outputs; l = l->next) {
        const struct output *output = LIST_ITEM(l, struct output, link);
        if (output->time_ns >= since_ns && !send_output(call, output))
            return;
    }
    if (follow == NULL || strcmp(follow, "1") != 0 || !fake_engine_is_running(c))
        fake_engine_stream_end(call);
}

void fake_engine_tell_output(struct container *c, const struct output *output)
{
    struct list *calls = &c->engine->open_calls;
    for (struct list *l = calls->next, *next; l != calls; l = next) {
        next = l->next;
        struct fake_call *call = LIST_ITEM(l, struct fake_call, link);
        if (call->kind == FAKE_ENGINE_LOGS && call->state == CALL_STREAMING && call->container == c)
            (void)send_output(call, output);
    }
}

/* ---- ends ---- */

static void tell_call_ended(struct fake_call *call, const struct container *c)
{
    if (call->state == CALL_STOPPING) {
        timer_cancel(&call->timer);
        call->state = CALL_NEW;
        fake_engine_answer(call, 204, "");
    } else if (call->state == CALL_STREAMING && call->kind == FAKE_ENGINE_LOGS) {
        fake_engine_stream_end(call);
    } else if (call->state == CALL_STREAMING && call->kind == FAKE_ENGINE_WAIT &&
               (call->condition == NULL || strcmp(call->condition, "removed") != 0)) {
        answer_wait(call, c->pub.exit_code);
    }
}

void fake_engine_tell_ended(struct container *c)
{
    struct list *calls = &c->engine->open_calls;
    for (struct list *l = calls->next, *next; l != calls; l = next) {
        next = l->next;
        struct fake_call *call = LIST_ITEM(l, struct fake_call, link);
        if (call->container == c)
            tell_call_ended(call, c);
    }
}

void fake_engine_tell_removed(struct container *c)
{
    struct list *calls = &c->engine->open_calls;
    for (struct list *l = calls->next, *next; l != calls; l = next) {
        next = l->next;
        struct fake_call *call = LIST_ITEM(l, struct fake_call, link);
        if (call->container != c)
            continue;
        call->container = NULL;
        if (call->state == CALL_STREAMING && call->kind == FAKE_ENGINE_WAIT)
            answer_wait(call, c->pub.exit_code);
    }
}

/* ---- pull ---- */

static char *pulled_name(const struct fake_call *call)
{
    char *AUTO_FREE repository = fake_engine_query(call, "fromImage");
    char *AUTO_FREE tag = fake_engine_query(call, "tag");
    if (tag == NULL || tag[0] == '\0')
        return fake_engine_full_image_name(repository != NULL ? repository : "");
    return check_printf("%s%s%s", repository, strchr(tag, ':') != NULL ? "@" : ":", tag);
}

static const struct registry_image *find_source(const struct fake_engine *e, const char *full)
{
    for (struct list *l = e->registry.next; l != &e->registry; l = l->next) {
        const struct registry_image *r = LIST_ITEM(l, struct registry_image, link);
        if (strcmp(r->pub.image, full) == 0)
            return r;
    }
    return NULL;
}

static void finish_image(struct fake_engine *e, const struct registry_image *source)
{
    if (source->pub.error != NULL)
        return;
    fake_engine_count_effect(e, FAKE_ENGINE_PULL);
    fake_engine_add_image(e, source->pub.image);
    fake_engine_emit(e, "image", "pull", source->pub.image, NULL, NULL);
}

static void send_last_lines(struct fake_call *call)
{
    const struct fake_registry_image *image = &call->source->pub;
    char *AUTO_FREE quoted = json_quote(image->error != NULL ? image->error : image->image);
    char *AUTO_FREE line = NULL;
    if (image->error == NULL)
        line = check_printf("{\"status\":%s}\r\n", quoted);
    else if (image->error_is_old_style)
        line = check_printf("{\"error\":%s}\r\n", quoted);
    else
        line = check_printf("{\"errorDetail\":{\"message\":%s},\"error\":%s}\r\n", quoted, quoted);
    finish_image(call->engine, call->source);
    if (fake_engine_stream_send(call, line, strlen(line)))
        fake_engine_stream_end(call);
}

static int64_t image_bytes(const struct fake_registry_image *image, int lines)
{
    return image->bytes > 0 ? image->bytes : lines;
}

/* Until the next line. */
static int64_t pull_step_ms(const struct fake_engine *e, const struct fake_registry_image *image, int lines)
{
    if (e->pull_rate == NULL)
        return image->took_ms / lines;
    int in_flight = e->counts[FAKE_ENGINE_PULL].in_flight;
    double each = e->pull_rate(e->pull_rate_arg, in_flight) / in_flight;
    return (int64_t)((double)image_bytes(image, lines) / lines / each) + 1;
}

static void on_pull_tick(void *arg)
{
    struct fake_call *call = arg;
    const struct fake_registry_image *image = &call->source->pub;
    int lines = image->lines > 0 ? image->lines : 1;
    int64_t bytes = image_bytes(image, lines);
    int64_t step_ms = pull_step_ms(call->engine, image, lines);
    if (call->ticks_left == 0) {
        send_last_lines(call);
        return;
    }
    int done = lines - call->ticks_left + 1;
    call->ticks_left--;
    long long current = bytes / lines * done;
    char line[160];
    int len = snprintf(line, sizeof(line),
                       "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":%lld,\"total\":%lld},"
                       "\"id\":\"fake\"}\r\n",
                       current, (long long)bytes);
    if (!fake_engine_stream_send(call, line, (size_t)len))
        return;
    if (step_ms <= 0 && call->ticks_left > 0)
        on_pull_tick(call);
    else if (step_ms <= 0)
        send_last_lines(call);
    else
        timer_start(call->engine->timers, &call->timer, step_ms, on_pull_tick, call);
}

void fake_engine_do_pull(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    char *AUTO_FREE full = pulled_name(call);
    call->source = find_source(e, full);
    if (call->source == NULL) {
        char *AUTO_FREE repository = fake_engine_query(call, "fromImage");
        fake_engine_answer_message(
            call, 404,
            "pull access denied for %s, repository does not exist or may require 'docker login': "
            "denied: requested access to the resource is denied",
            repository != NULL ? repository : "");
        return;
    }
    if (call->source->pub.status != 0) {
        const char *message = call->source->pub.message;
        fake_engine_answer_message(call, call->source->pub.status, "%s",
                                   message != NULL ? message : "scripted failure");
        return;
    }
    const char *wanted = call->source->pub.registry_auth;
    const char *auth = wire_header(call->exchange, "X-Registry-Auth");
    if (wanted != NULL && (auth == NULL || strcmp(auth, wanted) != 0)) {
        fake_engine_answer_message(call, 500, "Head \"https://registry/v2/%s\": no basic auth credentials",
                                   full);
        return;
    }
    call->ticks_left = call->source->pub.lines > 0 ? call->source->pub.lines : 1;
    if (call->fault.kind == FAKE_FAULT_DROP_AFTER)
        finish_image(e, call->source);
    if (fake_engine_stream_begin(call))
        on_pull_tick(call);
}
