/*
 * live.h - a launch while it is in memory: the stored row plus what a restart may lose.
 */
#ifndef SLUICE_LIVE_H
#define SLUICE_LIVE_H

#include "api/prefect_telemetry.h"
#include "base/list.h"
#include "base/timers.h"
#include "core/launch.h"
#include "core/order.h"
#include "learned_timeouts.h"
#include "learning.h"

struct engine_call;
struct prefect_call;
struct jobspec;
struct pull_wait;
struct reference_set;
struct look;
struct runner;
struct act;
struct leases;
struct lane;
struct value;
struct guard;

#define LIVE_MAGIC 0x6c697665u
/* Names of containers to remove while CLEARING; a launch has one, rarely two. */
#define LIVE_CLEAR_MAX 8

struct live {
    uint32_t magic;
    struct runner *runner; /* borrowed */
    struct launch *launch; /* owned */
    struct timer timer;    /* WAIT, and what WATCH waits for */
    struct timer deadline; /* launch deadline before RUNNING, max_run_time after */

    /* act_engine*.c's: the clock of the engine call that is out, or was out last. */
    struct {
        enum stage stage;
        bool is_learned_from;
        struct http_clocks clocks;
        int64_t grace_ms;             /* of a stop: comes on top of inactivity and total */
        char from[LEARNED_FROM_SIZE]; /* of the total */
        int64_t sent_mono_ms;
    } call;
    /* A call whose total or inactivity clock ran out, and of which it is not known yet whether it was done
     * after all. */
    struct {
        int64_t begun_mono_ms; /* of that clock; 0: none */
        int64_t used_ms;
        enum stage stage;
        enum clock_kind clock;
    } late;

    /* The runner's. */
    enum run_action action; /* decided, saved or about to be, not yet performed; NONE otherwise */
    int64_t action_delay_ms;
    bool is_dirty;         /* the row differs from the file */
    bool has_row;          /* the file has a row of it */
    char *said_reason;     /* runner_say_wait(), as wait_reason() has it; NULL: nothing. Owned */
    bool was_drained;      /* asked to go back since we began to stop */
    bool has_old_wait;     /* the wait, if it is in one, was begun by the process that died */
    bool is_forgotten;     /* freed at the end of the turn */
    uint64_t arrival;      /* order of coming into memory */
    bool awaits_list;      /* the watcher's: its look is answered by the first round of lists */
    uint64_t runs_in;      /* the watcher's: the last round that showed it running */
    uint64_t listed_in;    /* the watcher's: the last round of lists that showed its container */
    struct value **values; /* what it counts against; values.c */
    size_t value_count;
    struct list dirty_link;
    struct list acting_link;
    struct list all_link;

    /* The one request that is out; at most one of them is set. */
    struct engine_call *engine_call;
    struct prefect_call *prefect_call;
    struct pull_wait *pull_wait;
    bool in_catalog;                    /* waits for a deployment or a flow */
    struct reference_set *references;   /* of the job that is being rendered: waits for blocks and the like */
    struct look *look;                  /* at its flow run, gathered or out */
    struct learning_call learning_call; /* the create or start that is out, as it is measured */

    /* The guards'. */
    struct guard *held_by; /* waits for a retry of that one's budget; NULL: does not */
    struct list held_link;
    bool has_retry;  /* has got it */
    bool is_excused; /* its tries were never answered: the next one is no retry */

    /* Admission's. */
    enum run_action waits_for;      /* ADMIT, ASK_START, ASK_SLOT, ASK_STOP; NONE: in no line */
    struct order_place place;       /* in the order of core/order.h */
    struct lane *lane;              /* while it waits to be claimed */
    size_t line_index;              /* in its line's heap */
    int64_t waits_since_ms;         /* mono */
    enum learning_stage slot_stage; /* with ASK_SLOT: of which stage the slot is */

    /* The poller's. */
    int64_t seen_mono_ms;     /* beginning of the last request that showed the run SCHEDULED; 0: never */
    uint64_t seen_generation; /* the poll it came from; 0: another request */
    char *said_wait;          /* waits.c's: what it was said to wait for; NULL: nothing. Owned */
    int64_t watched_mono_ms;  /* beginning of the last watch that asked for the run; 0: never, or it failed */
    bool is_running_at_server; /* as that watch saw it */

    /* The leases'. */
    int64_t lease_renewed_mono_ms; /* 0: not by this process */
    int64_t lease_tried_mono_ms;   /* the last try, which failed; 0: none */
    bool was_lease_answered;       /* a renewal by this process was answered, or failed */
    bool is_lease_lost;            /* the server has given its slot away */
    bool is_lease_unknown;         /* the server can't renew leases */
    struct prefect_call *lease_call;
    struct leases *leases; /* borrowed; set with the first call */

    /* act_claim.c's. */
    int64_t claim_sent_mono_ms;  /* of this process; 0: none */
    bool is_named_by_run;        /* at the last look: the run named our container, or none */
    bool was_submitted_promptly; /* "Submitting" was answered so soon after the claim that nobody can have
                                    ended the run in between */

    /* Telemetry's: the events that the next ones follow; not known after a restart. */
    struct prefect_event_ref submitted_event;
    struct prefect_event_ref container_event;
    bool was_told_running;

    int64_t backoff_since_ms; /* traces.c's: when the backoff it is in began (wall); 0: none, or not known */

    /* Never stored: read again when needed. */
    char **tags; /* the run's own, owned; NULL after a restart */
    size_t tag_count;
    char *job_variables_json;             /* the run's own; NULL: not known (after a restart) */
    struct jobspec *job;                  /* rendered; NULL until RESOLVING is done */
    char (*clear_ids)[CONTAINER_ID_SIZE]; /* LIVE_CLEAR_MAX of them, owned; NULL: never needed */
    int clear_count;
    struct act *act; /* borrowed; set when the first action is performed */
    enum run_action
        after_resolve;       /* the action that waits for the job to be rendered again; NONE otherwise */
    int64_t max_copy_age_ms; /* how old a copy of the deployment may be for this resolve */
    int connect_index;       /* the network that is being connected */
    bool was_started;        /* RETIRE: the engine's events tell of a start */
    bool was_heard_to_die;   /* the events stream told of its end */
    bool was_seen_created;   /* RETIRE: those events reach back to the create */
    int64_t looked_mono_ms;  /* beginning of the last look that showed the container never started; 0: none */
};

#endif
