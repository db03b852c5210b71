/*
 * fake_prefect.h - a Prefect API in the test's own event_base: real HTTP on loopback, a server's rules
 * inside.
 *
 * It keeps what a 3.8.8 server keeps as far as a worker can see it: pools, queues with priority, pause and
 * limits, flows, deployments with ENQUEUE or CANCEL_NEW limits, flow runs with their whole history, the
 * poll's rules, the transition rules (the contract program holds them against a real server), CSRF tokens,
 * heartbeats, events, logs. Time is the clock of `timers`. On top of that a test scripts faults, plays other
 * workers, the container and the user, and counts calls. Texts that are returned are borrowed: until the
 * object changes.
 *
 *     fake_prefect_new(&(struct fake_prefect_settings){.base = base, .timers = timers}, &fake);
 *     fake_prefect_add_pool(fake, "pool", "docker", "{}");
 *     const char *run = fake_prefect_add_run(fake, &(struct fake_prefect_run){.pool = "pool"});
 *     ... the code under test works against fake_prefect_url(fake) ...
 *     assert_string_equal(fake_prefect_history(fake, run), "SCHEDULED Scheduled, PENDING Pending");
 */
#ifndef SLUICE_TESTS_FAKE_PREFECT_H
#define SLUICE_TESTS_FAKE_PREFECT_H

#include "api/prefect.h"

struct event_base;
struct fake_prefect;

struct fake_prefect_settings {
    struct event_base *base;   /* borrowed */
    struct timers *timers;     /* borrowed; its clock is the server's clock */
    const char *authorization; /* the Authorization line's value that is demanded, "Basic dTpw"; NULL: none */
    bool csrf;                 /* demand CSRF tokens; may change later */
    uint64_t seed;             /* for its ids */
    int64_t slot_wait_ms;      /* PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS; 0: 30 s */
};

/* Aborts when it can't listen. Ignores SIGPIPE for the process. */
void fake_prefect_new(const struct fake_prefect_settings *settings, struct fake_prefect **out);
void fake_prefect_free(struct fake_prefect *fake);
/* "http://127.0.0.1:PORT/api" */
const char *fake_prefect_url(const struct fake_prefect *fake);

/* name, text, changes something that a run or pool shows */
#define FAKE_PREFECT_ROUTES(X)                                                                               \
    X(GET_POOL, "get pool", false)                                                                           \
    X(CREATE_POOL, "create pool", true)                                                                      \
    X(PATCH_POOL, "patch pool", true)                                                                        \
    X(DELETE_POOL, "delete pool", true)                                                                      \
    X(HEARTBEAT, "heartbeat", false)                                                                         \
    X(LIST_WORKERS, "list workers", false)                                                                   \
    X(LIST_QUEUES, "list queues", false)                                                                     \
    X(CREATE_QUEUE, "create queue", true)                                                                    \
    X(PATCH_QUEUE, "patch queue", true)                                                                      \
    X(POLL, "poll", false)                                                                                   \
    X(FILTER_RUNS, "filter runs", false)                                                                     \
    X(GET_RUN, "get run", false)                                                                             \
    X(PATCH_RUN, "patch run", true)                                                                          \
    X(PATCH_LABELS, "patch labels", true)                                                                    \
    X(SET_STATE, "set state", true)                                                                          \
    X(DELETE_RUN, "delete run", true)                                                                        \
    X(RENEW_LEASE, "renew lease", true)                                                                      \
    X(TAKE_RATE, "take rate", true)                                                                          \
    X(HISTORY, "history", false)                                                                             \
    X(CREATE_FLOW, "create flow", true)                                                                      \
    X(GET_FLOW, "get flow", false)                                                                           \
    X(CREATE_DEPLOYMENT, "create deployment", true)                                                          \
    X(GET_DEPLOYMENT, "get deployment", false)                                                               \
    X(DELETE_DEPLOYMENT, "delete deployment", true)                                                          \
    X(CREATE_RUN, "create run", true)                                                                        \
    X(EVENTS, "events", false)                                                                               \
    X(LOGS, "logs", false)                                                                                   \
    X(CREATE_BLOCK_TYPE, "create block type", true)                                                          \
    X(CREATE_BLOCK_SCHEMA, "create block schema", true)                                                      \
    X(CREATE_BLOCK, "create block", true)                                                                    \
    X(CREATE_VARIABLE, "create variable", true)                                                              \
    X(GET_BLOCK, "get block", false)                                                                         \
    X(GET_BLOCK_BY_NAME, "get block by name", false)                                                         \
    X(GET_VARIABLE, "get variable", false)                                                                   \
    X(VERSION, "version", false)                                                                             \
    X(HEALTH, "health", false)                                                                               \
    X(CSRF, "csrf token", false)                                                                             \
    X(UNKNOWN, "unknown", false)

enum fake_prefect_route {
#define X(name, text, changes) FAKE_PREFECT_##name,
    FAKE_PREFECT_ROUTES(X)
#undef X
        FAKE_PREFECT_ANY /* in faults and counts: every route */
};

/* --- faults --- */

/* "The effect": what the request does, or its refusal by login or CSRF. */
enum fake_prefect_fault_kind {
    PREFECT_FAULT_STATUS,       /* answer `status`, `header`, `body`; no effect */
    PREFECT_FAULT_STATUS_AFTER, /* the effect happens, then as STATUS */
    PREFECT_FAULT_DELAY,        /* the effect happens at once, its answer comes delay_ms later */
    PREFECT_FAULT_LATE,         /* neither effect nor answer before delay_ms, whoever still waits */
    PREFECT_FAULT_STALL,        /* the effect happens; never an answer byte */
    PREFECT_FAULT_DROP_BEFORE,  /* the connection is closed; no effect, no answer byte */
    PREFECT_FAULT_DROP_AFTER,   /* the effect happens, then as DROP_BEFORE: a lost answer */
    PREFECT_FAULT_HOLD,     /* nothing happens until fake_prefect_release(), then the effect and the answer */
    PREFECT_FAULT_HTML,     /* a page of HTML with `status` (0: 200); no effect */
    PREFECT_FAULT_CUT_JSON, /* the effect happens; a complete HTTP answer with half of its JSON */
    PREFECT_FAULT_HALF_BODY,    /* the effect happens; the connection closes in the middle of the body */
    PREFECT_FAULT_HALF_HEADERS, /* the same in the middle of the headers */
};

struct fake_prefect_fault {
    enum fake_prefect_route route; /* or FAKE_PREFECT_ANY */
    int nth;                       /* the n-th call from now on (1: the next); 0: the next as well */
    int times;                     /* as many calls in a row; 0: one; -1: all */
    enum fake_prefect_fault_kind kind;
    int status;
    const char *header; /* "Retry-After: 7"; NULL: none */
    const char *body;   /* NULL: {"detail":"scripted"} */
    int64_t delay_ms;
};

/* Copied. Several may be armed; the one armed first wins a call, and others count that call as well. */
void fake_prefect_fault(struct fake_prefect *fake, const struct fake_prefect_fault *fault);
void fake_prefect_clear_faults(struct fake_prefect *fake);
/* Asked for calls that no armed fault meets, for random faults: fill *fault (route, nth and times don't
 * count) and return true. Texts must live on. */
typedef bool (*fake_prefect_fault_fn)(void *arg, enum fake_prefect_route route,
                                      struct fake_prefect_fault *fault);
void fake_prefect_choose_fault(struct fake_prefect *fake, fake_prefect_fault_fn fn, void *arg);
/* The server ends: connections break, and connecting is refused until it comes up again at the same place.
 * What it had begun is carried out. */
void fake_prefect_go_down(struct fake_prefect *fake);
void fake_prefect_come_up(struct fake_prefect *fake);
/* Halted: connections and requests pile up unread; resume carries all of them out, also those whose client
 * has gone. */
void fake_prefect_halt(struct fake_prefect *fake);
void fake_prefect_resume(struct fake_prefect *fake);
/* Carry out what is held, oldest first; returns how many. The answers go to whoever still waits. */
int fake_prefect_release(struct fake_prefect *fake);
size_t fake_prefect_held(const struct fake_prefect *fake);
/* Received and not answered: held, delayed or stalled. */
size_t fake_prefect_unanswered(const struct fake_prefect *fake);

/* --- counts --- */

/* Requests that arrived, faults included. FAKE_PREFECT_ANY: all of them. */
int fake_prefect_calls(const struct fake_prefect *fake, enum fake_prefect_route route);
/* Effects carried out on routes that change something. */
int fake_prefect_changes(const struct fake_prefect *fake);
void fake_prefect_reset_counts(struct fake_prefect *fake);
/* A header of the last request, its name written as the client wrote it; NULL if it had none. */
const char *fake_prefect_last_header(const struct fake_prefect *fake, const char *name);
/* Method, path and body of the last request: "POST /logs/ [...]". */
const char *fake_prefect_last_request(const struct fake_prefect *fake);

/* --- furnishing --- */

/* Ids come back; they live as long as the object. The pool gets its queue "default". */
const char *fake_prefect_add_pool(struct fake_prefect *fake, const char *name, const char *type,
                                  const char *template_json);
const char *fake_prefect_add_queue(struct fake_prefect *fake, const char *pool, const char *name,
                                   int priority);
void fake_prefect_pause_pool(struct fake_prefect *fake, const char *pool, bool is_paused);
void fake_prefect_pause_queue(struct fake_prefect *fake, const char *pool, const char *queue, bool is_paused);
/* -1: none */
void fake_prefect_limit_pool(struct fake_prefect *fake, const char *pool, int64_t limit);
void fake_prefect_limit_queue(struct fake_prefect *fake, const char *pool, const char *queue, int64_t limit);

const char *fake_prefect_add_flow(struct fake_prefect *fake, const char *name);

struct fake_prefect_deployment {
    const char *name;
    const char *flow_id; /* NULL: a new flow */
    const char *pool;
    const char *queue;              /* NULL: "default" */
    const char *job_variables_json; /* NULL: {} */
    const char *const *tags;        /* NULL-terminated, or NULL */
    bool has_limit;
    int64_t limit;
    int64_t grace_s; /* of the first lease; 0: the server's, 300 */
    bool cancel_new; /* collision strategy; else ENQUEUE */
};
const char *fake_prefect_add_deployment(struct fake_prefect *fake,
                                        const struct fake_prefect_deployment *setup);
void fake_prefect_delete_deployment(struct fake_prefect *fake, const char *deployment_id);
/* Slots of the deployment's limit that the server thinks taken; -1: no such deployment. */
int64_t fake_prefect_slots(struct fake_prefect *fake, const char *deployment_id);
/* As a server that restarts: it keeps leases in memory and slots on disk. */
void fake_prefect_lose_leases(struct fake_prefect *fake);

/* A global concurrency limit: `limit` slots, of which each that is taken comes back at the rate of
 * slot_decay. */
void fake_prefect_add_limit(struct fake_prefect *fake, const char *name, int64_t limit, double slot_decay);
void fake_prefect_delete_limit(struct fake_prefect *fake, const char *name);
/* Slots of it that were ever granted; 0: no such limit. */
int64_t fake_prefect_taken(const struct fake_prefect *fake, const char *name);

/* A block of that type (slug) and name, all of which is secret, or new data for the one there is; its id. */
const char *fake_prefect_set_block(struct fake_prefect *fake, const char *type, const char *name,
                                   const char *data_json);
void fake_prefect_delete_block(struct fake_prefect *fake, const char *type, const char *name);
/* From now on texts in blocks are shown as ********, as to a role that may not read secrets. */
void fake_prefect_hide_secrets(struct fake_prefect *fake);
/* NULL: there is none any more. */
void fake_prefect_set_variable(struct fake_prefect *fake, const char *name, const char *value_json);

struct fake_prefect_run {
    const char *deployment_id; /* NULL: none; then pool and queue count */
    const char *pool;
    const char *queue;              /* NULL: "default", or the deployment's */
    const char *name;               /* NULL: "run-N" */
    const char *parameters_json;    /* NULL: {} */
    const char *job_variables_json; /* NULL: {} */
    const char *const *tags;        /* NULL-terminated, or NULL */
    int64_t scheduled_at_ms;        /* 0: now */
};
const char *fake_prefect_add_run(struct fake_prefect *fake, const struct fake_prefect_run *setup);
void fake_prefect_delete_run(struct fake_prefect *fake, const char *run_id);
/* As a worker writes it; NULL: none. */
void fake_prefect_set_pid(struct fake_prefect *fake, const char *run_id, const char *pid);

/* --- the world beside the code under test --- */

struct fake_verdict {
    int status; /* as HTTP: 200, 201, 404 */
    enum prefect_outcome outcome;
};
/* Propose a state as anybody may; goes by the same rules as a request. */
struct fake_verdict fake_prefect_propose(struct fake_prefect *fake, const char *run_id,
                                         const struct prefect_proposal *proposal);
/* Another worker's claim, with an id of its own; true: it has the run now. */
bool fake_prefect_other_worker_claims(struct fake_prefect *fake, const char *run_id);
/* What a container, or another worker's container, proposes; true: accepted. */
bool fake_prefect_container_runs(struct fake_prefect *fake, const char *run_id);
bool fake_prefect_container_completes(struct fake_prefect *fake, const char *run_id);
bool fake_prefect_container_fails(struct fake_prefect *fake, const char *run_id);
bool fake_prefect_container_cancelled(struct fake_prefect *fake, const char *run_id);
/* Its flow failed and waits, in its live container, to try again: SCHEDULED, but nobody's to claim. */
void fake_prefect_retries_in_process(struct fake_prefect *fake, const char *run_id);
/* For so long the server refuses every claim of the run while it is SCHEDULED, with REJECT or ABORT and the
 * state as it was, and goes on offering it in polls. */
void fake_prefect_refuse_claims(struct fake_prefect *fake, const char *run_id, enum prefect_outcome outcome,
                                int64_t span_ms);
/* The user presses Cancel: CANCELLING, or CANCELLED at once where nothing has to be stopped. */
void fake_prefect_user_cancels(struct fake_prefect *fake, const char *run_id);

/* --- looks --- */

struct fake_prefect_look {
    enum prefect_state_type type;
    const char *name;
    const char *message; /* "" if none */
    const char *transition_id;
    const char *lease_id;
    const char *pid; /* "" if none */
    bool has_scheduled_time;
    int64_t scheduled_at_ms;
    int64_t timestamp_ms;
    int state_count;
    int run_count; /* RUNNING states */
};
/* false: there is no such run (any more). */
bool fake_prefect_look(const struct fake_prefect *fake, const char *run_id, struct fake_prefect_look *look);
/* "SCHEDULED Scheduled, PENDING Pending, ..."; "" for no such run. Borrowed until the next call. */
const char *fake_prefect_history(struct fake_prefect *fake, const char *run_id);
/* How often the run had a state of this type (and name, unless NULL). */
int fake_prefect_had_state(const struct fake_prefect *fake, const char *run_id, enum prefect_state_type type,
                           const char *name);
/* A label's text; NULL if it has none. */
const char *fake_prefect_label(const struct fake_prefect *fake, const char *run_id, const char *key);
void fake_prefect_set_label(struct fake_prefect *fake, const char *run_id, const char *key, const char *text);
size_t fake_prefect_run_count(const struct fake_prefect *fake);
const char *fake_prefect_run_id(const struct fake_prefect *fake, size_t index);
size_t fake_prefect_runs_in(const struct fake_prefect *fake, enum prefect_state_type type);
bool fake_prefect_has_pool(const struct fake_prefect *fake, const char *name);
const char *fake_prefect_pool_template(const struct fake_prefect *fake, const char *name);

/* --- what workers say --- */

/* Another worker of that name tells the pool of itself, now. */
void fake_prefect_worker_is_there(struct fake_prefect *fake, const char *pool, const char *name);
int fake_prefect_heartbeats(const struct fake_prefect *fake); /* accepted ones */
/* Stored events (an id counts once) and log lines, as JSON text, in the order they came. */
size_t fake_prefect_event_count(const struct fake_prefect *fake, const char *name); /* NULL: all */
const char *fake_prefect_event(const struct fake_prefect *fake, size_t index);
size_t fake_prefect_log_count(const struct fake_prefect *fake);
const char *fake_prefect_log(const struct fake_prefect *fake, size_t index);

void fake_prefect_demand_csrf(struct fake_prefect *fake, bool is_demanded);
/* Forget every token that was given out. */
void fake_prefect_forget_csrf_tokens(struct fake_prefect *fake);
void fake_prefect_set_csrf_life_ms(struct fake_prefect *fake, int64_t life_ms);

#endif
