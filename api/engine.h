/*
 * engine.h - the Docker Engine API: one function per call, one callback per call.
 *
 * Describes what happened (`failure`), never judges or retries it. Changing calls go on a fresh connection
 * each, so that libcurl can't send one twice. The API version is negotiated from GET /_ping:
 * min(engine's, 1.51), refused below 1.41; calls started before the answer wait for it. Not here: TLS and ssh
 * (DOCKER_HOST accepts unix:// and tcp:// for now). Source: Docker Engine API 1.41 to 1.51;
 * docs/engine-facts.md.
 */
#ifndef SLUICE_API_ENGINE_H
#define SLUICE_API_ENGINE_H

#include "api/engine_log.h"
#include "api/http.h"

struct engine;
struct engine_call;

/* Container labels of ours. */
#define ENGINE_LABEL_INSTANCE "io.sluice.instance"
#define ENGINE_LABEL_LAUNCH "io.sluice.launch"
#define ENGINE_LABEL_CLASS "io.sluice.class"
#define ENGINE_LABEL_FLOW_RUN "io.prefect.flow-run-id"
#define ENGINE_LABEL_POOL "io.prefect.work-pool-name"

enum engine_container_state {
    ENGINE_CONTAINER_CREATED,
    ENGINE_CONTAINER_RUNNING, /* also paused and restarting */
    ENGINE_CONTAINER_EXITED,  /* also dead */
    ENGINE_CONTAINER_REMOVING
};

/* Strings are borrowed for the callback, "" where unknown. */
struct engine_container {
    const char *id;
    const char *name; /* without the leading slash */
    const char *launch_id;
    const char *flow_run_id;
    const char *instance;
    const char *class_name;
    const char *image;
    enum engine_container_state state;
    int32_t exit_code;      /* inspect only */
    bool oom_killed;        /* inspect only */
    bool tty;               /* inspect only */
    const char *error;      /* State.Error; inspect only */
    int64_t created_at_ms;  /* wall; 0 unknown */
    int64_t started_at_ms;  /* wall; 0 if never started; inspect only */
    int64_t finished_at_ms; /* wall; 0 if not; inspect only */
};

struct engine_reply {
    const struct failure *failure; /* NULL: success, and the fields of that call are set */
    int64_t took_ms;
    int64_t connect_ms; /* this and silence_ms: as in struct http_reply; set where failure is NULL */
    int64_t silence_ms;
    int status;
    const char *container_id;                  /* create */
    const struct engine_container *containers; /* inspect: one; list: count */
    size_t count;
    const char *image_id;            /* image inspect: "sha256:..." */
    const char *const *repo_digests; /* image inspect: count of them */
    const char *const *image_ids;    /* image list: count of them */
    bool was_already;                /* start: 304 already started; stop: 304 already stopped */
    const char *version;             /* ping: engine's own version text */
    const char *api_version;         /* ping: the version in use */
    const char *warning;             /* create: the engine's warnings joined, or NULL */
    int64_t downloaded_bytes; /* pull, also one that failed: as its progress told; not of layers that were
                                 here */
};
typedef void (*engine_done_fn)(void *arg, const struct engine_reply *reply);

struct engine_settings {
    const char *host; /* DOCKER_HOST's text; NULL: unix:///var/run/docker.sock. Borrowed for engine_new() */
    const char *api_version; /* NULL: negotiate */
    bool is_tls;             /* tcp:// means https; the certificates are the http bridge's */
    /* Told of every call's end, just before its own callback. May be NULL. Must not start or end calls. */
    void (*on_call_end)(void *arg, const struct call_end *end);
    /* Asked before a call is sent, but for ping and events, which find out; false: it is not, and fails with
     * TRANSPORT_BREAKER_OPEN. May be NULL. */
    bool (*may_go)(void *arg);
    void *arg;
};

/* engine_new - http is borrowed. Errors: INVALID, with a sentence, for a host text that can't be used. */
int engine_new(struct http *http, struct timers *timers, const struct engine_settings *settings,
               struct engine **out, struct err *err) MUST_CHECK;
/* engine_free - ends every call without a callback. */
void engine_free(struct engine *engine);
/* "http+docker://localhost" for unix sockets, "http://HOST:PORT" for tcp: the front of infrastructure_pid
 * (protocol 6.8). */
const char *engine_pid_base(const struct engine *engine);
/* For people: "unix:///var/run/docker.sock". */
const char *engine_host(const struct engine *engine);
/* Negotiated version, "" before the first answer. */
const char *engine_api_version(const struct engine *engine);
/* Podman's own version, "4.3.1"; "" if the engine is another, or has not answered yet. */
const char *engine_podman_version(const struct engine *engine);

/*
 * Every call below: clocks are those of its stage; arg is handed to done; *call may be NULL if the caller
 * never cancels. Returns -1 only for INVALID, and then done never comes. done comes exactly once,
 * later, on the loop thread, and never after engine_cancel().
 */
void engine_cancel(struct engine_call *call);
/* engine_heard_ms - mono; when the last piece of a stream came, or else when the call was started. */
int64_t engine_heard_ms(const struct engine_call *call);

int engine_ping(struct engine *engine, const struct http_clocks *clocks, engine_done_fn done, void *arg,
                struct engine_call **call, struct err *err) MUST_CHECK;
/* GET /images/NAME/json. 404 is a failure with status 404. */
int engine_image_inspect(struct engine *engine, const char *image, const struct http_clocks *clocks,
                         engine_done_fn done, void *arg, struct engine_call **call,
                         struct err *err) MUST_CHECK;
/*
 * POST /images/create, streamed to its end; an error line inside the stream is a failure with status 200 and
 * dependency REGISTRY. platform may be NULL. registry_auth: the ready header value, or NULL. A name without
 * tag or digest pulls "latest".
 */
int engine_pull(struct engine *engine, const char *image, const char *platform, const char *registry_auth,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err) MUST_CHECK;
/* GET /images/json with one label filter, "KEY" or "KEY=VALUE"; the answer has the images' ids. */
int engine_image_list(struct engine *engine, const char *label, const struct http_clocks *clocks,
                      engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;
/* All borrowed for the call. */
struct engine_import {
    const char *name;  /* "REPOSITORY:TAG" */
    const char *label; /* "KEY=VALUE": letters, digits and "._-=" only */
    const char *tar;   /* the image's files */
    size_t tar_len;
};
/* POST /images/create?fromSrc=-: makes an image of one layer; an error line in the answer is a failure with
 * status 200. */
int engine_image_import(struct engine *engine, const struct engine_import *import,
                        const struct http_clocks *clocks, engine_done_fn done, void *arg,
                        struct engine_call **call, struct err *err) MUST_CHECK;
/* DELETE /images/NAME-OR-ID?force=. 404: a failure with status 404. Without force an image of which there is
 * a container is a 409. */
int engine_image_remove(struct engine *engine, const char *image, bool force,
                        const struct http_clocks *clocks, engine_done_fn done, void *arg,
                        struct engine_call **call, struct err *err) MUST_CHECK;
/* POST /containers/create?name=. body: the finished JSON. name: 1 to 250 legal characters. 409: name taken,
 * or in progress. */
int engine_create(struct engine *engine, const char *name, const char *platform, const char *body,
                  const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                  struct err *err) MUST_CHECK;
/* POST /networks/NET/connect. endpoint: EndpointConfig, a JSON object. "already connected" (403, or 500 with
 * such a text) counts as success. */
int engine_network_connect(struct engine *engine, const char *network, const char *container_id,
                           const char *endpoint, const struct http_clocks *clocks, engine_done_fn done,
                           void *arg, struct engine_call **call, struct err *err) MUST_CHECK;
/* POST /containers/ID/start; 204, 304. */
int engine_start(struct engine *engine, const char *container_id, const struct http_clocks *clocks,
                 engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;
/* GET /containers/ID-OR-NAME/json. */
int engine_inspect(struct engine *engine, const char *container, const struct http_clocks *clocks,
                   engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;
/* GET /containers/json?all=1 with one label filter "KEY=VALUE". */
int engine_list(struct engine *engine, const char *label, const struct http_clocks *clocks,
                engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;
/* POST /containers/ID/stop?t=grace; 204, 304. grace_ms is rounded up to seconds; the clocks' total and
 * inactivity are extended by it. */
int engine_stop(struct engine *engine, const char *container_id, int64_t grace_ms,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err) MUST_CHECK;
/* POST /containers/ID/kill?signal=. */
int engine_kill(struct engine *engine, const char *container_id, const char *signal,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err) MUST_CHECK;
/* DELETE /containers/ID?v=1&force=. 404: a failure with status 404. Without force a running container is a
 * 409. */
int engine_remove(struct engine *engine, const char *container_id, bool force,
                  const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                  struct err *err) MUST_CHECK;
/* POST /containers/ID/wait?condition=not-running: the fallback where events can't be had. reply:
 * containers[0].exit_code. */
int engine_wait(struct engine *engine, const char *container_id, const struct http_clocks *clocks,
                engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;

struct engine_event {
    const char *type;   /* "container", "image" */
    const char *action; /* "die", "start", "destroy", "oom", "delete", "untag", ... */
    const char *id;
    const char *launch_id;   /* label, "" if absent */
    const char *flow_run_id; /* label, "" if absent */
    int64_t time_ms;         /* wall */
};
/* Return false to end the stream. */
typedef bool (*engine_event_fn)(void *arg, const struct engine_event *event);
typedef void (*engine_open_fn)(void *arg);
/* engine_now_ms - the engine's own wall clock, as its last answer told it: never before it, at most 1 s
 * after. Ours, if it has told none. Its host, and so its clock, need not be ours. */
int64_t engine_now_ms(const struct engine *engine);
/*
 * GET /events: container events (die, destroy, oom; of one container also create and start) and image events
 * (delete, untag). label: "KEY=VALUE" for containers... the engine applies label filters to all types, so it
 * is left to the caller to sort out foreign ids. since_ms, until_ms: wall, the engine's, 0 = absent; with
 * until in the past this is a replay that ends by itself; what happens later in that millisecond is not in
 * it. container_id: only this container's, or NULL. on_open: the engine has accepted the stream (may be
 * NULL). done: the stream ended, with or without failure. No inactivity and total clock unless until_ms is
 * set.
 */
int engine_events(struct engine *engine, const char *container_id, int64_t since_ms, int64_t until_ms,
                  engine_open_fn on_open, engine_event_fn on_event, const struct http_clocks *clocks,
                  engine_done_fn done, void *arg, struct engine_call **call, struct err *err) MUST_CHECK;

/* stream: 1 stdout, 2 stderr; 1 for a tty. Pieces end anywhere. */
typedef void (*engine_output_fn)(void *arg, int stream, const char *data, size_t len);
/*
 * GET /containers/ID/logs?follow=1&stdout=1&stderr=1&timestamps=1, frames taken apart and times taken off.
 * log: the place to go on from, kept up to date; borrowed until done or engine_cancel() (and until on_output
 * has returned), and to be given again to go on after a break. since_ms: wall, where a log without a place
 * begins; 0: from its beginning.
 */
int engine_logs(struct engine *engine, const char *container_id, bool tty, int64_t since_ms,
                struct engine_log *log, int tail, engine_output_fn on_output,
                const struct http_clocks *clocks, engine_done_fn done, void *arg, struct engine_call **call,
                struct err *err) MUST_CHECK;

#endif
