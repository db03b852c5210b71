/*
 * prefect_internal.h - what the files of the Prefect client share; nobody else includes it.
 *
 * A call is PATIENT (is_patient: it lets others go first), WAITING for a CSRF token (is_waiting), OUT (http
 * is set), or finished (its callback runs, or has run and the memory is gone). prefect_call_finish() and
 * prefect_cancel() are the only ways to its end.
 */
#ifndef SLUICE_API_PREFECT_INTERNAL_H
#define SLUICE_API_PREFECT_INTERNAL_H

#include "api/prefect_read.h"
#include "base/list.h"

enum csrf_state {
    CSRF_STATE_OFF,      /* switched off by the settings */
    CSRF_STATE_NONE,     /* no usable token: fetch one before the next changing request */
    CSRF_STATE_ASKING,   /* the fetch is out, changing requests wait */
    CSRF_STATE_VALID,    /* send the token until it expires */
    CSRF_STATE_NOT_HERE, /* the server has no such thing, until a refusal shows otherwise */
};

struct prefect_csrf {
    enum csrf_state state;
    char client[UUID_TEXT_SIZE];
    char *token;
    int64_t expires_mono_ms;
    uint64_t generation;     /* raised with each answer of a fetch */
    struct http_call *fetch; /* while ASKING */
    struct list waiting;     /* of prefect_call.wait_link */
    enum stage fetch_stage;
};

/* Calls that can wait (prefect_ask.can_wait) go one by one behind those that can't. */
struct prefect_lane {
    struct list patient; /* of prefect_call.lane_link, oldest first */
    struct timer timer;  /* the oldest has waited long enough */
    int urgent_count;    /* calls that can't wait and are not over */
    int patient_out;     /* calls that could wait and were let go */
    bool is_in_hurry;    /* nobody waits any more */
};

struct prefect {
    uint32_t magic;
    struct http *http;
    struct timers *timers;
    char *api_url;
    char *worker_name;
    char **headers; /* "Name: value" of every request, NULL-terminated; secrets inside */
    size_t header_count;
    char **secrets; /* what messages may not repeat of them */
    size_t secret_count;
    struct list calls; /* of prefect_call.link */
    void (*on_call_end)(void *arg, const struct call_end *end);
    bool (*may_go)(void *arg);
    void *arg;
    struct prefect_csrf csrf;
    struct prefect_lane lane;
    int64_t lacks_until_ms[PREFECT_OPTIONAL_COUNT]; /* mono; 0: not known to be lacking */
    bool is_cloud;
    bool gives_no_worker_ids;       /* it refused to be asked for one */
    char worker_id[UUID_TEXT_SIZE]; /* "": none */
    int delivering;                 /* callbacks on the stack */
};

/* One request, ready to be sent. */
struct prefect_request {
    const char *method;
    const char *path; /* after the API URL, escaped */
    const char *body; /* JSON or NULL */
    prefect_read_fn read;
    bool changes;
    enum prefect_optional optional;
    bool asks_worker_id;
    size_t max_body_bytes; /* 0: as http.h */
};

struct prefect_call {
    uint32_t magic;
    struct list link;
    struct list wait_link;
    struct list lane_link;
    struct prefect *prefect;
    struct prefect_ask ask;
    const char *method;
    char *url;
    char *body;
    prefect_read_fn read;
    bool changes;
    size_t max_body_bytes;
    enum prefect_optional optional;
    bool asks_worker_id;
    bool is_lacking; /* never sent, since the server doesn't have it */
    bool is_patient;
    bool is_waiting;
    bool has_repeated; /* went again once after a refused token */
    bool is_finished;
    uint64_t token_generation; /* of the token it was sent with */
    int64_t started_mono_ms;
    struct timer waiting_timer; /* its total clock while it waits for a token; its end, if it may not go */
    struct http_call *http;
};

/* prefect_call_start - start a request for an ask, fetching a CSRF token first if need be. Errors as
 * http_start(). */
int prefect_call_start(struct prefect *p, const struct prefect_ask *ask,
                       const struct prefect_request *request, struct err *err) MUST_CHECK;
/* Send it, or let it wait for a token. Its total clock has begun before. Errors as http_start(). */
int prefect_call_go(struct prefect_call *call, struct err *err) MUST_CHECK;
/* The same for a call that was accepted long ago: what goes wrong comes in its callback. */
void prefect_call_go_late(struct prefect_call *call);
/* Put the request on the wire with what is left of its total clock. */
int prefect_call_send(struct prefect_call *call, struct err *err) MUST_CHECK;
/* End the call with this failure or with what its reply holds, in its one callback. */
void prefect_call_finish(struct prefect_call *call, struct prefect_reply *reply);
void prefect_call_fail(struct prefect_call *call, const struct failure *failure);
/* A failure of this call with our own sentence; nothing was sent. */
struct failure prefect_call_local_failure(const struct prefect_call *call, enum transport transport,
                                          const char *message);
/* Describe an answer with an error status. */
/* Take out of a message what it repeats of the login and the operator's headers. */
void prefect_hide(const struct prefect *p, char *message);
void prefect_describe_error(const struct http_reply *reply, int64_t wall_ms, struct failure *failure);

/* --- prefect_headers.c --- */

/* Add a header, in the place of one with the same name. */
void prefect_set_header(struct prefect *p, const char *name, const char *value);
/* The lines of every request. Errors: INVALID. */
int prefect_set_headers(struct prefect *p, const struct prefect_settings *settings,
                        struct err *err) MUST_CHECK;

/* --- prefect_optional.c --- */

/* Remember what the failure of an optional call says of the server. */
void prefect_optional_note(const struct prefect_call *call, const struct failure *failure);
/* Timer of a call that is not sent. arg: struct prefect_call. */
void prefect_optional_on_lacking(void *arg);
/* The answer to a heartbeat that asked for the worker's id. */
void prefect_take_worker_id(struct prefect *p, const struct http_reply *reply);

/* --- prefect_lane.c --- */

void prefect_lane_init(struct prefect *p);
void prefect_lane_done(struct prefect *p);
/* A call begins: false if it waits, and will be let go by prefect_call_go_late(). */
bool prefect_lane_enter(struct prefect_call *call);
/* A call is over, in whatever way. */
void prefect_lane_leave(struct prefect_call *call);

/* --- prefect_csrf.c --- */

void prefect_csrf_init(struct prefect *p, const struct prefect_settings *settings);
void prefect_csrf_done(struct prefect *p);
/* A request with this method may go out now: it needs no token, or there is a valid one. */
bool prefect_csrf_is_ready(const struct prefect *p, const char *method);
/* Let the call wait for a token; starts the one fetch. Errors as http_start(); then it does not wait. */
int prefect_csrf_wait(struct prefect_call *call, struct err *err) MUST_CHECK;
/* A 403 was about the token (and tokens are not switched off). */
bool prefect_csrf_is_refusal(const struct prefect *p, const struct http_reply *reply);
/* The token this call was sent with is no good. */
void prefect_csrf_refused(struct prefect_call *call);

int64_t prefect_mono_ms(const struct prefect *p);
int64_t prefect_wall_ms(const struct prefect *p);

#endif
