/*
 * prefect.h - the Prefect API over REST: one function per call, one callback per call.
 *
 * Describes what happened (`failure`), never judges or retries it, with one exception: a refused or missing
 * CSRF token is fetched anew and the request goes again, once (nothing was changed by the refused one). JSON
 * that goes on into a container travels as its source text. Source: docs/prefect-facts.md (routes, answers
 * and their tricks, as tried on 3.8.8).
 */
#ifndef SLUICE_API_PREFECT_H
#define SLUICE_API_PREFECT_H

#include "api/http.h"
#include "base/random.h"
#include "core/trace.h"

/* The Prefect version whose worker we equal; in the User-Agent and the container's label. */
#define PREFECT_CLAIMED_VERSION "3.8.8"

struct prefect;
struct prefect_call;

enum prefect_state_type {
    PREFECT_STATE_UNKNOWN,
    PREFECT_STATE_SCHEDULED,
    PREFECT_STATE_PENDING,
    PREFECT_STATE_RUNNING,
    PREFECT_STATE_COMPLETED,
    PREFECT_STATE_FAILED,
    PREFECT_STATE_CRASHED,
    PREFECT_STATE_CANCELLED,
    PREFECT_STATE_CANCELLING,
    PREFECT_STATE_PAUSED
};
const char *prefect_state_type_name(enum prefect_state_type type); /* "SCHEDULED" */
enum prefect_state_type
prefect_state_type_from_name(const char *name); /* PREFECT_STATE_UNKNOWN if it is none of them */
bool prefect_state_type_is_final(enum prefect_state_type type); /* COMPLETED, FAILED, CRASHED, CANCELLED */

/* Strings are borrowed for the callback and never NULL: "" where the server said null or nothing. */
struct prefect_state {
    enum prefect_state_type type;
    const char *name;
    const char *message;
    const char *transition_id;
    const char *lease_id; /* deployment_concurrency_lease_id */
    bool has_scheduled_time;
    int64_t scheduled_at_ms; /* wall */
    int64_t timestamp_ms;    /* wall; 0 unknown */
    const char *data_json;   /* source text of "data", "null" if none */
};

/* The label of a flow run that holds its trace, as a traceparent. */
#define PREFECT_TRACE_LABEL "__OTEL_TRACEPARENT"

struct prefect_run {
    const char *id;
    const char *name;
    const char *flow_id;
    const char *deployment_id;
    const char *work_queue_id;
    const char *infrastructure_pid;
    const char *job_variables_json; /* source text, "{}" if null */
    const char *parameters_json;    /* source text, "{}" if null */
    const char *const *tags;
    size_t tag_count;
    enum prefect_state_type state_type;
    const char *state_name;
    const struct prefect_state *state; /* NULL where the answer has none (poll answers) */
    struct trace_parent trace_parent;  /* of its labels; span 0: none */
    int64_t expected_start_ms; /* wall; next_scheduled_start_time, else expected_start_time; 0 unknown */
    bool retries_in_process; /* SCHEDULED, but its live container waits to try again: no worker's to claim */
};

struct prefect_queue {
    const char *id;
    const char *name;
    int32_t priority;
    bool is_paused;
    int64_t concurrency_limit; /* -1: none */
};

struct prefect_pool {
    const char *id;
    const char *name;
    const char *type;
    bool is_paused;
    int64_t concurrency_limit;          /* -1: none */
    const char *base_job_template_json; /* source text; "{}" if empty */
    bool has_template;                  /* false: {} */
};

struct prefect_deployment {
    const char *id;
    const char *name;
    const char *flow_id;
    const char *updated; /* ISO text */
    const char *job_variables_json;
};

enum prefect_outcome {
    PREFECT_OUTCOME_ACCEPT,
    PREFECT_OUTCOME_REJECT,
    PREFECT_OUTCOME_ABORT,
    PREFECT_OUTCOME_WAIT
};

struct prefect_reply {
    const struct failure *failure; /* NULL: success, and the fields of that call are set */
    int status;
    int64_t took_ms;
    enum prefect_outcome outcome;       /* set_state */
    const char *reason;                 /* set_state: why not */
    int64_t wait_ms;                    /* set_state with WAIT */
    const struct prefect_state *states; /* set_state: one; history: count, oldest first */
    const struct prefect_run *runs;     /* poll, filter: count; get_run: one */
    const struct prefect_queue *queues; /* queues: count */
    const char *const *worker_names;    /* workers: count */
    size_t count;
    const struct prefect_pool *pool; /* get and create pool */
    const struct prefect_deployment *deployment;
    const char *flow_name; /* get_flow */
    const char *json; /* get_variable: source text of its value; get_block: of its data; get_object: of the
                         answer; server_version: the version, unquoted */
    const char *secret_fields_json; /* get_block: source text of the list of paths in its data that are
                                       secret; NULL: the server names none */
};
/* The run with this id in a reply's runs; NULL: none. */
const struct prefect_run *prefect_reply_run(const struct prefect_reply *reply, const char *flow_run_id);
typedef void (*prefect_done_fn)(void *arg, const struct prefect_reply *reply);

struct prefect_settings {
    const char *api_url;     /* without a trailing slash */
    const char *api_key;     /* NULL: none. Secret */
    const char *auth_string; /* NULL: none; wins over api_key. Secret */
    const char *worker_name;
    const char *custom_headers_json; /* PREFECT_CLIENT_CUSTOM_HEADERS or NULL */
    /* Told of every call's end, just before its own callback. May be NULL. Must not start or end calls. */
    void (*on_call_end)(void *arg, const struct call_end *end);
    /* Asked before a call is sent; false: it is not, and fails with TRANSPORT_BREAKER_OPEN. May be NULL. */
    bool (*may_go)(void *arg);
    void *arg;
    bool csrf_enabled; /* false for Prefect Cloud, which has no such tokens */
    bool is_cloud;     /* it gives workers an id */
    const struct random_source *random;
};

/* prefect_check_custom_headers - whether prefect_new would take these; NULL is fine. Errors: INVALID. */
int prefect_check_custom_headers(const char *json, struct err *err) MUST_CHECK;

/* prefect_new - http, timers and random are borrowed; settings are copied. Errors: INVALID (URL, headers). */
int prefect_new(struct http *http, struct timers *timers, const struct prefect_settings *settings,
                struct prefect **out, struct err *err) MUST_CHECK;
/* prefect_free - ends every call without a callback. Not from inside a callback of a call. Accepts NULL. */
void prefect_free(struct prefect *prefect);
const char *prefect_api_url(const struct prefect *prefect);
/* prefect_give_up - end the calls that began before began_ms (mono) and of which no byte of an answer has
 * come, as ones whose answer is lost. Their callbacks come later. */
void prefect_give_up(struct prefect *prefect, int64_t began_ms);

/*
 * Calls that a server may not have: older ones lack some, and the work goes on without. An answer of 404 for
 * the route itself, 405 or 422 is remembered for each of them by itself, for PREFECT_LACK_MS; until then the
 * call ends in the next turn with status 404, unsent, and no one is told of it in on_call_end.
 */
enum prefect_optional {
    PREFECT_OPTIONAL_NONE,
    PREFECT_OPTIONAL_LABELS,  /* prefect_patch_labels */
    PREFECT_OPTIONAL_WORKERS, /* prefect_list_workers */
    PREFECT_OPTIONAL_LEASES,  /* prefect_renew_lease */
    PREFECT_OPTIONAL_EVENTS,  /* prefect_post_events */
    PREFECT_OPTIONAL_LOGS,    /* prefect_post_logs */
    PREFECT_OPTIONAL_COUNT
};
#define PREFECT_LACK_MS (10 * 60 * 1000)
bool prefect_lacks(const struct prefect *p, enum prefect_optional call);
/* prefect_lacking - "labels of flow runs, events", "" if nothing is known to be lacking; malloc'ed. */
char *prefect_lacking(const struct prefect *p);
/* prefect_note_lack - as if the server had said so: for a caller that has found out otherwise. */
void prefect_note_lack(struct prefect *p, enum prefect_optional call);
/* prefect_forget_lacking - the server may be another one now: all is tried again. */
void prefect_forget_lacking(struct prefect *p);
/* prefect_worker_id - what Cloud calls this worker, "" before its first heartbeat and elsewhere; borrowed. */
const char *prefect_worker_id(const struct prefect *p);

/* What every call below takes: stage and clocks go into the failure and the clocks; *call may be NULL.
 * Returns as in engine.h. */
struct prefect_ask {
    enum stage stage;
    struct http_clocks clocks;
    prefect_done_fn done;
    void *arg;
    struct prefect_call **call; /* where to put the handle for prefect_cancel(), or NULL */
    bool can_wait; /* nobody's progress hangs on it: it goes when no other call is out, or after 10 s at the
                      latest. Its clocks and took_ms begin then */
};
/* No callback comes any more. Harmless from inside the call's own callback. */
void prefect_cancel(struct prefect_call *call);

/* prefect_hurry - from now on no call waits for others: for the end. */
void prefect_hurry(struct prefect *prefect);

int prefect_get_pool(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                     struct err *err) MUST_CHECK;
/* template_json: source text of the base job template. 409: somebody was faster. */
int prefect_create_pool(struct prefect *p, const struct prefect_ask *ask, const char *pool, const char *type,
                        const char *template_json, struct err *err) MUST_CHECK;
int prefect_patch_pool_template(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                                const char *template_json, struct err *err) MUST_CHECK;
/* interval_s: a whole number, since the server refuses fractions. Cloud is asked for the worker's id with it,
 * until it has given one or refused to (422). */
int prefect_heartbeat(struct prefect *p, const struct prefect_ask *ask, const char *pool, int64_t interval_s,
                      struct err *err) MUST_CHECK;
/* The first 200 queues of the pool, which is as many as a server gives at once. */
int prefect_list_queues(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                        struct err *err) MUST_CHECK;
/* queue_names: count 0 = all. limit: 0 to 200, -1: the server's. */
int prefect_poll(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                 const char *const *queue_names, size_t queue_count, int64_t scheduled_before_ms,
                 int64_t limit, struct err *err) MUST_CHECK;
/* POST /work_pools/POOL/workers/filter: the workers that have told of themselves since then (wall, by the
 * server's clock), at most PREFECT_LIST_MAX, the last first. */
int prefect_list_workers(struct prefect *p, const struct prefect_ask *ask, const char *pool, int64_t since_ms,
                         struct err *err) MUST_CHECK;
/* POST /flow_runs/filter by id, at most 200, each answered at most once; deleted ones are missing from the
 * answer. */
int prefect_filter_runs(struct prefect *p, const struct prefect_ask *ask, const char *const *ids,
                        size_t count, struct err *err) MUST_CHECK;
/* POST /flow_runs/filter for the runs of a pool in a type of state, PREFECT_LIST_MAX of them from the offset
 * on, highest id first. */
#define PREFECT_LIST_MAX 200
int prefect_list_in_state(struct prefect *p, const struct prefect_ask *ask, const char *pool,
                          enum prefect_state_type type, int64_t offset, struct err *err) MUST_CHECK;

struct prefect_due_page {
    const char *pool;
    const char *const *queue_names; /* count 0: all of the pool */
    size_t queue_count;
    bool has_after;
    int64_t after_ms;  /* wall; due then or later */
    int64_t before_ms; /* wall; due then or sooner */
    bool is_by_id;     /* sorted by id instead of due time */
    int64_t offset;
};
/* POST /flow_runs/filter for SCHEDULED runs of a pool, PREFECT_LIST_MAX of them. Unlike a poll it shows runs
 * of paused queues, and those that retry in their process, and knows no concurrency limit. */
int prefect_list_due(struct prefect *p, const struct prefect_ask *ask, const struct prefect_due_page *page,
                     struct err *err) MUST_CHECK;
int prefect_get_run(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                    struct err *err) MUST_CHECK;
/* GET /flow_run_states/?flow_run_id=. */
int prefect_get_history(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                        struct err *err) MUST_CHECK;

struct prefect_proposal {
    enum prefect_state_type type;
    const char *name;          /* NULL: the type's own */
    const char *message;       /* NULL: none */
    const char *transition_id; /* NULL: none */
    const char *lease_id;      /* "" or NULL: none */
    int64_t scheduled_at_ms;   /* SCHEDULED only; 0: now */
    const char *data_json;     /* NULL: null */
    bool force;
};
/* POST /flow_runs/ID/set_state. Every answer with a status word is a success here, whatever the word: read
 * `outcome`. */
int prefect_set_state(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                      const struct prefect_proposal *proposal, struct err *err) MUST_CHECK;
/* PATCH /flow_runs/ID {"infrastructure_pid":...}; NULL clears it. */
int prefect_patch_pid(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                      const char *pid, struct err *err) MUST_CHECK;
/* PATCH /flow_runs/ID/labels; labels: pairs key, value, ..., NULL. */
int prefect_patch_labels(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                         const char *const *labels, struct err *err) MUST_CHECK;
int prefect_get_deployment(struct prefect *p, const struct prefect_ask *ask, const char *deployment_id,
                           struct err *err) MUST_CHECK;
int prefect_get_flow(struct prefect *p, const struct prefect_ask *ask, const char *flow_id,
                     struct err *err) MUST_CHECK;
/* GET /block_documents/ID, with its secrets -> json. Secret. */
int prefect_get_block(struct prefect *p, const struct prefect_ask *ask, const char *block_id,
                      struct err *err) MUST_CHECK;
/* GET /block_types/slug/TYPE/block_documents/name/NAME, with its secrets -> json. Secret. */
int prefect_get_block_by_name(struct prefect *p, const struct prefect_ask *ask, const char *type_slug,
                              const char *name, struct err *err) MUST_CHECK;
/* GET /variables/name/NAME -> json. */
int prefect_get_variable(struct prefect *p, const struct prefect_ask *ask, const char *name,
                         struct err *err) MUST_CHECK;
/* GET /flow_runs/ID or /flows/ID -> json: the whole object. */
int prefect_get_run_object(struct prefect *p, const struct prefect_ask *ask, const char *flow_run_id,
                           struct err *err) MUST_CHECK;
int prefect_get_flow_object(struct prefect *p, const struct prefect_ask *ask, const char *flow_id,
                            struct err *err) MUST_CHECK;
/* POST /v2/concurrency_limits/leases/ID/renew: the lease ends duration_s (60 to 86400) from now. 410: it has
 * expired or was given up. */
int prefect_renew_lease(struct prefect *p, const struct prefect_ask *ask, const char *lease_id,
                        int64_t duration_s, struct err *err) MUST_CHECK;
/* POST /v2/concurrency_limits/increment, mode rate_limit: so many tokens of a global concurrency limit with
 * slot decay, all or none. count: limits that granted it; 0: there is no active limit of this name. 423, with
 * Retry-After: not now. */
int prefect_take_rate(struct prefect *p, const struct prefect_ask *ask, const char *limit_name,
                      int64_t tokens, struct err *err) MUST_CHECK;
/* GET /admin/version -> json. */
int prefect_server_version(struct prefect *p, const struct prefect_ask *ask, struct err *err) MUST_CHECK;
/* POST /events, POST /logs/: body is a finished JSON list. */
int prefect_post_events(struct prefect *p, const struct prefect_ask *ask, const char *body,
                        struct err *err) MUST_CHECK;
int prefect_post_logs(struct prefect *p, const struct prefect_ask *ask, const char *body,
                      struct err *err) MUST_CHECK;

#endif
