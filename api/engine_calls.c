/*
 * engine_calls.c - the public calls: what each asks of the engine.
 *
 * All that changes something, and all that may take long, goes on a connection of its own. Texts from outside
 * are percent-encoded; what stands in a path must be a name that can't leave its place.
 */
#include "api/engine_internal.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_S INT64_C(1000000000)

/* A path like "/containers/ID/start". NULL and err where the name can't be one. */
static char *container_path(const char *name, const char *tail, struct err *err)
{
    if (!engine_is_container_name(name)) {
        (void)err_set(err, ERR_INVALID, "\"%.80s\" is no container's id or name", name == NULL ? "" : name);
        return NULL;
    }
    return check_printf("/containers/%s%s", name, tail);
}

/* Percent-encoded; NULL and err for what would be no path part, or another one. */
static char *path_part(const char *what, const char *text, struct err *err)
{
    if (text == NULL || text[0] == '\0' || strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        (void)err_set(err, ERR_INVALID, "\"%s\" is no name of %s", text == NULL ? "" : text, what);
        return NULL;
    }
    return http_escape(text);
}

static int start_changing(struct engine_call *call, const struct http_clocks *clocks, engine_done_fn done,
                          void *arg, struct engine_call **out, struct err *err)
{
    call->is_fresh = true;
    return engine_call_start(call, clocks, done, arg, out, err);
}

static void give_json(struct engine_call *call, char *take_text)
{
    call->body = take_text;
    call->body_len = strlen(take_text);
    call->body_type = "Content-Type: application/json";
}

int engine_ping(struct engine *engine, const struct http_clocks *clocks, engine_done_fn done, void *arg,
                struct engine_call **call, struct err *err)
{
    struct engine_call *c =
        engine_call_new(engine, ENGINE_ANSWER_PING, STAGE_INSPECT, "GET", check_strdup("/_ping"));
    c->is_unversioned = true;
    return engine_call_start(c, clocks, done, arg, call, err);
}

int engine_image_inspect(struct engine *engine, const char *image, const struct http_clocks *clocks,
                         engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *AUTO_FREE name = path_part("an image", image, err);
    if (name == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_IMAGE, STAGE_IMAGE, "GET",
                                            check_printf("/images/%s/json", name));
    return engine_call_start(c, clocks, done, arg, call, err);
}

/* The text as "&KEY=VALUE", or "" for NULL and ""; malloc'ed. */
static char *optional_query(const char *key, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return check_strdup("");
    char *AUTO_FREE escaped = http_escape(value);
    return check_printf("&%s=%s", key, escaped);
}

int engine_pull(struct engine *engine, const char *image, const char *platform, const char *registry_auth,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err)
{
    char *AUTO_FREE repository = NULL;
    char *AUTO_FREE tag = NULL;
    engine_split_image(image, &repository, &tag);
    /* An empty tag would pull every tag there is. */
    if (repository[0] == '\0' || tag[0] == '\0')
        return err_set(err, ERR_INVALID, "\"%.200s\" is no name of an image", image);
    if (registry_auth != NULL && strpbrk(registry_auth, "\r\n") != NULL)
        return err_set(err, ERR_INVALID, "the registry credentials hold a line end");
    char *AUTO_FREE repository_part = http_escape(repository);
    char *AUTO_FREE tag_part = http_escape(tag);
    char *AUTO_FREE platform_part = optional_query("platform", platform);
    struct engine_call *c = engine_call_new(
        engine, ENGINE_ANSWER_PULL, STAGE_PULL, "POST",
        check_printf("/images/create?fromImage=%s&tag=%s%s", repository_part, tag_part, platform_part));
    if (registry_auth != NULL)
        c->auth_header = check_printf("X-Registry-Auth: %s", registry_auth);
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_create(struct engine *engine, const char *name, const char *platform, const char *body,
                  const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                  struct err *err)
{
    if (!engine_is_container_name(name) || strlen(name) > 250)
        return err_set(err, ERR_INVALID, "\"%.80s\" can't be a container's name", name == NULL ? "" : name);
    char *AUTO_FREE platform_part = optional_query("platform", platform);
    struct engine_call *c =
        engine_call_new(engine, ENGINE_ANSWER_CREATE, STAGE_CREATE, "POST",
                        check_printf("/containers/create?name=%s%s", name, platform_part));
    give_json(c, check_strdup(body));
    c->changes = true;
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_network_connect(struct engine *engine, const char *network, const char *container_id,
                           const char *endpoint, const struct http_clocks *clocks, engine_done_fn done,
                           void *arg, struct engine_call **call, struct err *err)
{
    char *AUTO_FREE name = path_part("a network", network, err);
    if (name == NULL)
        return -1;
    if (!engine_is_container_name(container_id))
        return err_set(err, ERR_INVALID, "\"%.80s\" is no container's id or name", container_id);
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NETWORK, STAGE_NETWORK, "POST",
                                            check_printf("/networks/%s/connect", name));
    give_json(c, check_printf("{\"Container\":\"%s\",\"EndpointConfig\":%s}", container_id, endpoint));
    c->changes = true;
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_start(struct engine *engine, const char *container_id, const struct http_clocks *clocks,
                 engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *path = container_path(container_id, "/start", err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NOTHING, STAGE_START, "POST", path);
    c->allows_304 = true;
    c->changes = true;
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_inspect(struct engine *engine, const char *container, const struct http_clocks *clocks,
                   engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *path = container_path(container, "/json", err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_INSPECT, STAGE_INSPECT, "GET", path);
    return engine_call_start(c, clocks, done, arg, call, err);
}

/* {"KEY":["a","b"],...}; add_filter appends to it. */
static void add_filter(struct json *filters, const char *key, const char *const *values)
{
    struct json *list = json_new_array();
    for (; *values != NULL; values++)
        json_take_add(list, json_new_text(*values));
    json_take_set(filters, key, list);
}

/* Ends `filters`; malloc'ed. */
static char *encode_filters(struct json *take_filters)
{
    char *AUTO_FREE text = json_write(take_filters);
    json_free(take_filters);
    return http_escape(text);
}

static char *label_filter(const char *label)
{
    struct json *filters = json_new_object();
    add_filter(filters, "label", (const char *const[]){label, NULL});
    return encode_filters(filters);
}

int engine_image_list(struct engine *engine, const char *label, const struct http_clocks *clocks,
                      engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *AUTO_FREE encoded = label_filter(label);
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_IMAGES, STAGE_IMAGE, "GET",
                                            check_printf("/images/json?filters=%s", encoded));
    return engine_call_start(c, clocks, done, arg, call, err);
}

/* What stands in an instruction must not begin another one. */
static bool is_label(const char *text)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-=";
    return text[0] != '\0' && strspn(text, legal) == strlen(text);
}

int engine_image_import(struct engine *engine, const struct engine_import *import,
                        const struct http_clocks *clocks, engine_done_fn done, void *arg,
                        struct engine_call **call, struct err *err)
{
    char *AUTO_FREE repository = NULL;
    char *AUTO_FREE tag = NULL;
    engine_split_image(import->name, &repository, &tag);
    if (repository[0] == '\0' || tag[0] == '\0')
        return err_set(err, ERR_INVALID, "\"%.200s\" is no name of an image", import->name);
    if (!is_label(import->label))
        return err_set(err, ERR_INVALID, "\"%.200s\" can't be a label", import->label);
    char *AUTO_FREE repository_part = http_escape(repository);
    char *AUTO_FREE tag_part = http_escape(tag);
    char *AUTO_FREE instruction = check_printf("LABEL %s", import->label);
    char *AUTO_FREE changes_part = http_escape(instruction);
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_PULL, STAGE_IMAGE, "POST",
                                            check_printf("/images/create?fromSrc=-&repo=%s&tag=%s&changes=%s",
                                                         repository_part, tag_part, changes_part));
    c->body = check_alloc(import->tar_len + 1);
    memcpy(c->body, import->tar, import->tar_len);
    c->body_len = import->tar_len;
    c->body_type = "Content-Type: application/x-tar";
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_image_remove(struct engine *engine, const char *image, bool force,
                        const struct http_clocks *clocks, engine_done_fn done, void *arg,
                        struct engine_call **call, struct err *err)
{
    char *AUTO_FREE name = path_part("an image", image, err);
    if (name == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NOTHING, STAGE_IMAGE, "DELETE",
                                            check_printf("/images/%s?force=%d", name, force ? 1 : 0));
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_list(struct engine *engine, const char *label, const struct http_clocks *clocks,
                engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *AUTO_FREE encoded = label_filter(label);
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_LIST, STAGE_INSPECT, "GET",
                                            check_printf("/containers/json?all=1&filters=%s", encoded));
    return engine_call_start(c, clocks, done, arg, call, err);
}

int engine_stop(struct engine *engine, const char *container_id, int64_t grace_ms,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err)
{
    if (grace_ms < 0 || grace_ms > INT32_MAX)
        return err_set(err, ERR_INVALID, "a grace time of %lld ms can't be used", (long long)grace_ms);
    int64_t grace_s = (grace_ms + 999) / 1000;
    char tail[48];
    snprintf(tail, sizeof(tail), "/stop?t=%lld", (long long)grace_s);
    char *path = container_path(container_id, tail, err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NOTHING, STAGE_STOP, "POST", path);
    c->allows_304 = true;
    struct http_clocks extended = *clocks;
    extended.inactivity_ms += extended.inactivity_ms > 0 ? grace_s * 1000 : 0;
    extended.total_ms += extended.total_ms > 0 ? grace_s * 1000 : 0;
    return start_changing(c, &extended, done, arg, call, err);
}

int engine_kill(struct engine *engine, const char *container_id, const char *signal,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err)
{
    char *AUTO_FREE signal_part = path_part("a signal", signal, err);
    if (signal_part == NULL)
        return -1;
    char *AUTO_FREE tail = check_printf("/kill?signal=%s", signal_part);
    char *path = container_path(container_id, tail, err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NOTHING, STAGE_STOP, "POST", path);
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_remove(struct engine *engine, const char *container_id, bool force,
                  const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                  struct err *err)
{
    char *path = container_path(container_id, force ? "?v=1&force=1" : "?v=1&force=0", err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_NOTHING, STAGE_REMOVE, "DELETE", path);
    return start_changing(c, clocks, done, arg, call, err);
}

int engine_wait(struct engine *engine, const char *container_id, const struct http_clocks *clocks,
                engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *path = container_path(container_id, "/wait?condition=not-running", err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_WAIT, STAGE_RUN, "POST", path);
    c->is_endless = true;
    return start_changing(c, clocks, done, arg, call, err);
}

/* "&since=SECONDS.NANOSECONDS", "" for 0; malloc'ed. */
static char *time_query(const char *key, int64_t wall_ms)
{
    if (wall_ms <= 0)
        return check_strdup("");
    return check_printf("&%s=%lld.%09lld", key, (long long)(wall_ms / 1000),
                        (long long)(wall_ms % 1000) * 1000000);
}

static char *event_filters(const char *container_id)
{
    static const char *const both[] = {"container", "image", NULL};
    static const char *const containers_only[] = {"container", NULL};
    /* "died" and "remove" are Podman's words for die and destroy: to its filter, also where its events say
     * "die". "create" and "start" come first, so that they can be left out: an answer tells them already, and
     * each event of any container on the host wakes us. */
    static const char *const actions[] = {"create", "start", "die",    "died",  "destroy",
                                          "remove", "oom",   "delete", "untag", NULL};
    struct json *filters = json_new_object();
    add_filter(filters, "type", container_id == NULL ? both : containers_only);
    add_filter(filters, "event", container_id == NULL ? actions + 2 : actions);
    if (container_id != NULL)
        add_filter(filters, "container", (const char *const[]){container_id, NULL});
    return encode_filters(filters);
}

int engine_events(struct engine *engine, const char *container_id, int64_t since_ms, int64_t until_ms,
                  engine_open_fn on_open, engine_event_fn on_event, const struct http_clocks *clocks,
                  engine_done_fn done, void *arg, struct engine_call **call, struct err *err)
{
    char *AUTO_FREE filters = event_filters(container_id);
    char *AUTO_FREE since = time_query("since", since_ms);
    char *AUTO_FREE until = time_query("until", until_ms);
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_EVENTS, STAGE_RUN, "GET",
                                            check_printf("/events?filters=%s%s%s", filters, since, until));
    c->is_endless = until_ms <= 0;
    c->is_fresh = true;
    c->on_open = on_open;
    c->on_event = on_event;
    return engine_call_start(c, clocks, done, arg, call, err);
}

/* Where a log is opened: "&since=SECONDS.NANOSECONDS", "" for its beginning; malloc'ed. */
static char *log_since(const struct engine_log *log, int64_t since_ms)
{
    if (log->time_ns <= 0)
        return time_query("since", since_ms);
    return check_printf("&since=%lld.%09lld", (long long)(log->time_ns / NS_PER_S),
                        (long long)(log->time_ns % NS_PER_S));
}

int engine_logs(struct engine *engine, const char *container_id, bool tty, int64_t since_ms,
                struct engine_log *log, int tail, engine_output_fn on_output,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err)
{
    char *AUTO_FREE since = log_since(log, since_ms);
    char *AUTO_FREE newest = tail > 0 ? check_printf("&tail=%d", tail) : check_strdup("");
    char *AUTO_FREE rest = check_printf("/logs?follow=1&stdout=1&stderr=1&timestamps=1%s%s", since, newest);
    char *path = container_path(container_id, rest, err);
    if (path == NULL)
        return -1;
    struct engine_call *c = engine_call_new(engine, ENGINE_ANSWER_LOGS, STAGE_RUN, "GET", path);
    c->is_endless = true;
    c->is_fresh = true;
    c->on_output = on_output;
    c->log = log;
    engine_log_open(log, tty);
    engine_frames_init(&c->frames, tty);
    return engine_call_start(c, clocks, done, arg, call, err);
}
