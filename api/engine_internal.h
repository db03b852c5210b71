/*
 * engine_internal.h - what the files of the engine client share; nobody else includes it.
 *
 * engine_host.c    DOCKER_HOST -> where to connect
 * engine.c         life of the client and of a call: queue until the version is known, send, stream, finish
 * engine_version.c which API version is spoken, and when to ask anew
 * engine_calls.c   the public calls: paths, queries and bodies
 * engine_answer.c  an HTTP answer -> engine_reply or failure
 * engine_read.c    JSON answers -> values (pure)
 * engine_stream.c  lines, log frames and pull streams, cut anywhere (pure)
 * engine_log.c     times in front of log messages, and where a log goes on after a break (pure)
 */
#ifndef SLUICE_API_ENGINE_INTERNAL_H
#define SLUICE_API_ENGINE_INTERNAL_H

#include "api/engine.h"
#include "api/engine_read.h"
#include "api/engine_stream.h"
#include "base/list.h"

#define ENGINE_MAGIC 0x656e6769u
#define ENGINE_CALL_MAGIC 0x656e6763u

/* API versions are "1.MINOR". */
#define ENGINE_OLDEST_MINOR 41 /* Docker 20.10 */
#define ENGINE_NEWEST_MINOR 51 /* the newest we know the answers of */

/* Where DOCKER_HOST points to; every text is owned. */
struct engine_target {
    char *unix_socket; /* NULL: tcp */
    char *url;         /* "http://HOST:PORT", no slash at the end */
    char *pid_base;
    char *for_people;
};

int engine_target_parse(const char *host, bool is_tls, struct engine_target *out, struct err *err) MUST_CHECK;
void engine_target_done(struct engine_target *target);

struct engine {
    uint32_t magic;
    struct http *http;     /* borrowed */
    struct timers *timers; /* borrowed */
    struct engine_target target;
    void (*on_call_end)(void *arg, const struct call_end *end);
    bool (*may_go)(void *arg);
    void *arg;
    bool is_pinned; /* the settings name the version: never asked */
    bool is_version_known;
    bool is_asking;
    uint64_t generation;     /* raised with each answer to the question */
    char api_version[16];    /* in use, or the last one that was */
    char engine_version[16]; /* the Api-Version header it follows from */
    char podman_version[16]; /* of the last answer; "": not Podman's */
    int64_t date_ms;         /* wall, the engine's: of the last Date header; 0: none yet */
    int64_t date_mono_ms;    /* when it came */
    uint64_t last_number;
    struct list waiting; /* engine_call.link, oldest first */
    struct list out;     /* engine_call.link */
};

/* What a success answer holds. */
enum engine_answer_kind {
    ENGINE_ANSWER_PING,
    ENGINE_ANSWER_IMAGE,
    ENGINE_ANSWER_IMAGES,
    ENGINE_ANSWER_PULL, /* and import: lines of progress */
    ENGINE_ANSWER_CREATE,
    ENGINE_ANSWER_NETWORK, /* nothing; "already connected" is fine */
    ENGINE_ANSWER_NOTHING,
    ENGINE_ANSWER_INSPECT,
    ENGINE_ANSWER_LIST,
    ENGINE_ANSWER_WAIT,
    ENGINE_ANSWER_EVENTS,
    ENGINE_ANSWER_LOGS
};

struct engine_call {
    uint32_t magic;
    struct list link; /* on the engine's list `waiting` or `out` */
    struct engine *engine;
    uint64_t number;     /* order of start */
    uint64_t generation; /* of the version it was sent under */

    enum engine_answer_kind kind;
    enum stage stage;
    const char *method; /* static text */
    char *path;         /* behind the version, with its query; owned */
    char *body;         /* owned; NULL: none */
    size_t body_len;
    const char *body_type; /* static text: a Content-Type line; NULL without body */
    char *auth_header;     /* owned, secret; NULL: none */
    bool is_unversioned;   /* the ping: it needs no version and waits for none */
    bool changes;          /* a lost answer is an unknown outcome */
    bool is_fresh;         /* on a connection of its own */
    bool allows_304;       /* start, stop: "already" */
    bool is_endless;       /* no inactivity and total clock once the engine has accepted it */
    struct http_clocks clocks;

    engine_done_fn done;
    engine_open_fn on_open;
    engine_event_fn on_event;
    engine_output_fn on_output;
    void *arg;

    int64_t started_ms; /* mono */
    int64_t heard_ms;   /* mono; of the last piece of a stream; 0: none yet */
    struct timer timer; /* its end, if it may not go; total clock while waiting; until the answer begins, for
                           an endless call */
    struct http_call *http; /* NULL while waiting and after the end */
    int callback_depth;     /* stream callbacks on the stack: freeing waits for them */
    bool is_cancelled;
    bool is_finishing; /* done is on the stack, or has returned */

    struct engine_lines lines;   /* pull, events */
    struct engine_frames frames; /* logs */
    struct engine_log *log;      /* logs; borrowed */
    struct engine_pull pull;
    uint64_t good_lines; /* events */
    uint64_t bad_lines;  /* events */
    bool stream_is_bad;  /* logs: a frame that can't be one */
    bool stopped_by_listener;
};

/* engine_call_new - a call with nothing but its kind and texts set; takes path. */
struct engine_call *engine_call_new(struct engine *engine, enum engine_answer_kind kind, enum stage stage,
                                    const char *method, char *take_path);
/* engine_call_start - takes the call; sends it, or queues it until the version is known. */
int engine_call_start(struct engine_call *take_call, const struct http_clocks *clocks, engine_done_fn done,
                      void *arg, struct engine_call **out, struct err *err) MUST_CHECK;

/* The settings name the version: it is never asked. */
int engine_version_pin(struct engine *engine, const char *text, struct err *err) MUST_CHECK;
/* Use the version of an answered ping; header: its Api-Version, not below the oldest. */
void engine_version_take(struct engine *engine, const char *header);
/* What an ended call tells about the engine behind the socket. */
void engine_version_note(const struct engine_call *call, const struct http_reply *reply);
/* "Docker/20.10.24 (linux)" -> "20.10.24", "" if it is no such text. */
void engine_version_read_server(const char *header, char *text, size_t size);

/* Read one ended call's answer; *reply points into the other three, which the caller owns. */
void engine_answer(struct engine_call *call, const struct http_reply *http, struct engine_parsed *parsed,
                   struct failure *failure, struct engine_reply *reply);
/* Now, of the clock behind the engine's timers. */
int64_t engine_wall_ms(const struct engine *engine);
/* A failure of this call with our own words. */
void engine_answer_fail(const struct engine_call *call, struct failure *failure, int status,
                        enum transport transport, const char *message);
/* The failure of a call that was never sent, because the question for the version failed thus. */
void engine_answer_unsent(const struct engine_call *call, const struct failure *cause,
                          struct failure *failure);

#endif
