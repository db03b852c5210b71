/*
 * run.h - the life of one launch as plain values: states, events, actions, and what must survive a restart.
 *
 * `struct run` is copied freely and holds no pointer. What each state does and where it may go is decided in
 * run_step.c and nowhere else; docs/states.md holds the table, and a test prints it and compares.
 */
#ifndef SLUICE_CORE_RUN_H
#define SLUICE_CORE_RUN_H

#include "core/retry.h"

#include <stdbool.h>
#include <stdint.h>

/* name, text */
#define RUN_STATES(X)                                                                                        \
    X(QUEUED, "QUEUED")             /* known to be due; unclaimed */                                         \
    X(CLAIMING, "CLAIMING")         /* PENDING proposed with a saved transition id */                        \
    X(SUBMITTING, "SUBMITTING")     /* ours; "Submitting" proposed */                                        \
    X(RESOLVING, "RESOLVING")       /* deployment, flow and template read, job rendered */                   \
    X(PULLING, "PULLING")           /* image looked for or pulled */                                         \
    X(READY, "READY")               /* waits for a token and a launch slot */                                \
    X(CREATING, "CREATING")         /* create sent under a saved name */                                     \
    X(CONNECTING, "CONNECTING")     /* second and further networks */                                        \
    X(ANNOUNCING, "ANNOUNCING")     /* container id written into the flow run */                             \
    X(STARTING, "STARTING")         /* the one start of the container's life */                              \
    X(RUNNING, "RUNNING")           /* until the engine says the container has ended */                      \
    X(STOPPING, "STOPPING")         /* stop with grace time */                                               \
    X(CLEARING, "CLEARING")         /* everything with our launch id is removed before a verdict */          \
    X(REPORTING, "REPORTING")       /* verdict proposed */                                                   \
    X(HANDING_BACK, "HANDING_BACK") /* SCHEDULED proposed, so that another worker can take the run */        \
    X(RESTORING, "RESTORING")       /* the state that we overwrote is put back */                            \
    X(PARKED, "PARKED")             /* kept for a person or a rule */                                        \
    X(REMOVING, "REMOVING")         /* the ended container is removed, if the job says so */                 \
    X(FINISHED, "FINISHED")

enum run_state {
#define X(name, text) RUN_STATE_##name,
    RUN_STATES(X)
#undef X
};
#define RUN_STATE_COUNT (RUN_STATE_FINISHED + 1)

/* name, text, is a request (an answer will come), must be saved durably before it is performed */
#define RUN_ACTIONS(X)                                                                                       \
    X(NONE, "none", false, false)                                                                            \
    X(WAIT, "wait", false, false)   /* feed ENTER after delay_ms */                                          \
    X(ADMIT, "admit", false, false) /* wait for a running slot, the claim-ahead window and a fresh sight */  \
    X(CLAIM, "claim", true, true)   /* set_state PENDING "Pending" */                                        \
    X(LOOK_RUN, "look_run", true, false) /* read the flow run */                                             \
    X(SUBMIT, "submit", true, false)     /* set_state PENDING "Submitting", labels */                        \
    X(RESOLVE, "resolve", true, false)                                                                       \
    X(PULL, "pull", true, false)                                                                             \
    X(ASK_START, "ask_start", false, false) /* wait for a token and a launch slot */                         \
    X(CREATE, "create", true, true)                                                                          \
    X(LOOK_NAME, "look_name", true, false) /* inspect the container that holds our saved name */             \
    X(CONNECT, "connect", true, false)                                                                       \
    X(ANNOUNCE, "announce", true, false)                                                                     \
    X(ASK_SLOT, "ask_slot", false, false) /* wait for a launch slot only */                                  \
    X(START, "start", true, true)                                                                            \
    X(LOOK_CONTAINER, "look_container", true, false) /* inspect our container */                             \
    X(RETIRE, "retire", true, true)       /* remove what never started, and make sure that it never did */   \
    X(WATCH, "watch", false, false)       /* events and reconcile tell the end; copy its output */           \
    X(ASK_STOP, "ask_stop", false, false) /* wait for a stop slot */                                         \
    X(STOP, "stop", true, false)                                                                             \
    X(KILL, "kill", true, false) /* a container that runs although it can't be stopped */                    \
    X(CLEAR, "clear", true, true)                                                                            \
    X(REPORT, "report", true, true)                                                                          \
    X(HAND_BACK, "hand_back", true, true)                                                                    \
    X(RESTORE, "restore", true, true)                                                                        \
    X(REMOVE, "remove", true, false)                                                                         \
    X(FORGET, "forget", false, false) /* drop the launch from memory */

enum run_action {
#define X(name, text, is_request, is_durable) RUN_ACTION_##name,
    RUN_ACTIONS(X)
#undef X
};
#define RUN_ACTION_COUNT (RUN_ACTION_FORGET + 1)

/* The eight in the middle are the error classes of core/classify, in its order. */
#define RUN_EVENTS(X)                                                                                        \
    X(ENTER, "ENTER")       /* state entered, timer rang, process restarted: do the state's action */        \
    X(ADMITTED, "ADMITTED") /* what the state waited for is ours */                                          \
    X(DONE, "DONE")         /* the request succeeded */                                                      \
    X(TRANSIENT, "TRANSIENT")                                                                                \
    X(THROTTLED, "THROTTLED")                                                                                \
    X(CAPACITY, "CAPACITY")                                                                                  \
    X(CONFLICT, "CONFLICT")                                                                                  \
    X(GONE, "GONE")                                                                                          \
    X(AUTH, "AUTH")                                                                                          \
    X(PERMANENT, "PERMANENT")                                                                                \
    X(UNKNOWN_OUTCOME, "UNKNOWN_OUTCOME")                                                                    \
    X(REFUSED, "REFUSED")               /* the server said no: not ours, or already final */                 \
    X(OVERTOOK, "OVERTOOK")             /* we overwrote a run that had ended, or was scheduled again */      \
    X(RUN_SCHEDULED, "RUN_SCHEDULED")   /* looked: still SCHEDULED, nothing of ours on it */                 \
    X(RUN_PENDING, "RUN_PENDING")       /* looked: PENDING with one of our transition ids */                 \
    X(RUN_RUNNING, "RUN_RUNNING")       /* looked: RUNNING */                                                \
    X(RUN_CANCELLING, "RUN_CANCELLING") /* looked, or seen in an answer */                                   \
    X(RUN_ENDED, "RUN_ENDED")           /* looked: terminal, deleted, or somebody else's */                  \
    X(FOUND_ABSENT, "FOUND_ABSENT")     /* looked: no such container */                                      \
    X(FOUND_FOREIGN, "FOUND_FOREIGN")   /* looked: the name belongs to another's container */                \
    X(FOUND_CREATED, "FOUND_CREATED")   /* looked: ours, never started */                                    \
    X(FOUND_RUNNING, "FOUND_RUNNING")   /* looked: ours, running, paused or restarting */                    \
    X(FOUND_EXITED, "FOUND_EXITED")     /* looked: ours, ended; exit_code is true */                         \
    X(DIED, "DIED")                     /* the events stream says so; a hint to look */                      \
    X(CANCEL, "CANCEL")                 /* the run is seen CANCELLING, CANCELLED or deleted at the server */ \
    X(SEEN_OVER, "SEEN_OVER")   /* a claimed run is seen COMPLETED, FAILED or CRASHED at the server */       \
    X(SEEN_ALIVE, "SEEN_ALIVE") /* it is so no longer */                                                     \
    X(SEEN_ELSEWHERE, "SEEN_ELSEWHERE")   /* a queued run is no longer SCHEDULED, a parked one is again */   \
    X(LAUNCH_DEADLINE, "LAUNCH_DEADLINE") /* claimed so long ago, and not started */                         \
    X(LEASE_LOST, "LEASE_LOST")           /* the server has given the run's concurrency slot away */         \
    X(MAX_RUN_TIME, "MAX_RUN_TIME")                                                                          \
    X(DRAIN, "DRAIN")     /* we are stopping: nothing new */                                                 \
    X(RELEASE, "RELEASE") /* a parked run shall be tried again */                                            \
    X(DISCARD, "DISCARD") /* a parked run shall be given up */

enum run_event_kind {
#define X(name, text) RUN_EVENT_##name,
    RUN_EVENTS(X)
#undef X
};
#define RUN_EVENT_COUNT (RUN_EVENT_DISCARD + 1)

/* What REPORTING proposes. */
#define RUN_VERDICTS(X)                                                                                      \
    X(NONE, "none")                                                                                          \
    X(LAUNCH_FAILED, "launch_failed") /* CRASHED: failed for good, or tried often enough */                  \
    X(EXITED, "exited")               /* CRASHED: exit_code is not 0 */                                      \
    X(ENDED, "ended")                 /* exit code 0: look whether the flow reported its own end */          \
    X(NEVER_RAN, "never_ran")         /* CRASHED: ended with 0, but the run is still PENDING */              \
    X(LEFT_RUNNING, "left_running")   /* CRASHED: ended with 0, but the run stays RUNNING */                 \
    X(DISAPPEARED, "disappeared")     /* CRASHED: the container is gone, its exit code unknown */            \
    X(RAN_TOO_LONG, "ran_too_long")   /* CRASHED: max_run_time */                                            \
    X(CANCELLED, "cancelled")                                                                                \
    X(SKIPPED, "skipped") /* CANCELLED: claimed too long after it was due (when_late = skip) */              \
    X(OVER, "over") /* none: the server knows the run's end from others; look whether that still holds */    \
    X(HAND_BACK, "hand_back") /* no verdict on the run: after CLEARING it goes back */

enum run_verdict {
#define X(name, text) RUN_VERDICT_##name,
    RUN_VERDICTS(X)
#undef X
};
#define RUN_VERDICT_COUNT (RUN_VERDICT_HAND_BACK + 1)

struct run {
    enum run_state state;
    enum run_verdict verdict;
    enum run_action pending; /* the request that is out; NONE after a restart (not stored) */
    uint32_t epoch;          /* raised with each request; an answer with an older one is dropped */
    int32_t attempt;         /* tries of this state that failed and count */
    int32_t reach_tries; /* tries in a row that could not reach the dependency: they only stretch the delay */
    int32_t launch_tries; /* containers retired because their one start failed or got lost */
    int32_t name_index;   /* 0: the job's name, n: name-n */
    int32_t exit_code;    /* valid with verdict EXITED and ENDED */
    bool oom_killed;
    bool has_claim;        /* the server has (or may have) the run PENDING for us */
    bool create_sent;      /* a container of ours may exist: a verdict goes through CLEARING until RUNNING */
    bool has_container;    /* its id is known */
    bool start_sent;       /* the one start of this container may have been sent */
    bool is_retiring;      /* the removal of a container that never started was sent */
    bool is_announced;     /* infrastructure_pid written */
    bool has_repulled;     /* "no such image" sent us back to PULLING once */
    bool cancel_wanted;    /* the run is to be cancelled as soon as the request that is out allows */
    bool park_wanted;      /* a rule says to keep the run aside instead of reporting Crashed */
    bool died_early;       /* the end was seen before the start's answer (not stored) */
    bool create_lost;      /* a create was sent and not answered: it may still land, if only under the name of
                              a later one that was removed again (not stored) */
    bool waits_for_create; /* the wait after which it can't land any more is on (not stored) */
    bool name_was_taken;   /* the create that was answered last met a name in use (not stored) */
    bool is_over;          /* the server shows the run's end while its container runs (not stored) */
    bool is_left_alone;    /* and that has lasted, and the class says to leave it (not stored) */
    int64_t due_at_ms;     /* wall; when the run was scheduled to start */
    int64_t claimed_at_ms; /* wall; 0: not claimed */
    int64_t start_sent_at_ms; /* wall; 0: not sent */
    int64_t started_at_ms;    /* wall; when RUNNING was entered; 0: not yet */
    int64_t cancel_at_ms; /* wall; when the end of a RUNNING container whose run was cancelled, or is over,
                             becomes ours to enforce; 0: none */
    int64_t unreachable_since_ms; /* wall; 0: reachable */
    int64_t next_try_at_ms;       /* wall; end of the present backoff; 0: none */
    int64_t retrying_since_ms;    /* wall; first try of this state that failed and counts, moved on by the
                                     time for which the dependency was out of reach; 0: none */
    int64_t unsettled_until_ms;   /* wall; a proposal of PENDING whose answer was lost may still land until
                                     then; 0: none */
    int64_t last_delay_ms;        /* for decorrelated jitter */
};

struct run_event {
    enum run_event_kind kind;
    int64_t now_ms;     /* wall */
    uint64_t random;    /* 64 fresh bits, used for jitter */
    bool after_restart; /* with ENTER: the row was just loaded, and what was out is not known */
    bool out_of_reach;  /* with TRANSIENT: the dependency could not be reached */
    bool is_held;       /* with TRANSIENT: nothing was sent, and it may be after retry_after_ms, just then */
    bool was_sent;      /* with an error class: the request may have reached the other side */
    int64_t retry_after_ms;      /* -1: none */
    struct retry_override retry; /* with an error class: what an operator's rule says of its retries */
    bool park;                   /* with PERMANENT: a rule says to keep the run aside */
    int64_t age_ms;    /* with CANCEL and SEEN_OVER: how long ago that happened; 0: just now, or not known */
    int32_t exit_code; /* with FOUND_EXITED */
    bool oom_killed;   /* with FOUND_EXITED */
};

const char *run_state_name(enum run_state s);
const char *run_action_name(enum run_action a);
const char *run_event_name(enum run_event_kind e);
const char *run_verdict_name(enum run_verdict v);
/* Find a state by its text; -1 if there is none. */
int run_state_from_name(const char *text);
int run_verdict_from_name(const char *text);

/* A state whose tries are numbered: before it the server, behind it the container must not be left alone. */
bool run_state_gives_up(enum run_state s);

/* The stage whose limits hold in a state: looks belong to what they look after. API: none of its own. */
enum stage run_state_stage(enum run_state s);

/* An answer will come for this action. */
bool run_action_is_request(enum run_action a);
/* The row must be on disk before this action is performed. */
bool run_action_is_durable(enum run_action a);

/* It waits because its last request failed, and would do no harm to try again sooner. Other waits are of its
 * own choosing. */
bool run_is_backing_off(const struct run *run);

/* It was due longer ago than that at this time (wall). late_after_ms 0: never. */
bool run_is_late(const struct run *run, int64_t at_ms, int64_t late_after_ms);

/* Which slots a run holds follows from its row, so it cannot leak (design: "Limits"). */
bool run_holds_running_slot(const struct run *run); /* CLAIMING to CLEARING */
bool run_holds_launch_slot(
    const struct run *run); /* an engine call of the launch is out, or its outcome unknown */
/* Of these, one of STARTING; the others make its container. */
bool run_holds_start_slot(const struct run *run);
bool run_holds_stop_slot(const struct run *run); /* a stop is out */
/* claimed, and no engine call sent yet: CLAIMING to READY, but for those that wait for an image */
bool run_is_claim_ahead(const struct run *run);

#endif
