/*
 * service_internal.h - what the files of the service share.
 *
 * service.c         its life: turning, stopping, reloading
 * service_control.c what people ask a running service to do: pause, resume, drain; who is held by that
 * service_make.c    makes the parts, connects them, ends them in order; what they tell each other
 * service_file.c    the state file beside the rows: whose it is, what people see of the configuration
 */
#ifndef SLUICE_SERVICE_INTERNAL_H
#define SLUICE_SERVICE_INTERNAL_H

#include "act.h"
#include "admission.h"
#include "alerts.h"
#include "guards.h"
#include "leases.h"
#include "lost_claims.h"
#include "meters.h"
#include "poller.h"
#include "pool_sync.h"
#include "reach.h"
#include "registry_logins.h"
#include "run_watch.h"
#include "service.h"
#include "shared_starts.h"
#include "stale_cancels.h"
#include "upkeep.h"
#include "watcher.h"

struct service {
    struct service_settings s;
    char instance[SERVICE_INSTANCE_SIZE];
    char mark[SERVICE_INSTANCE_SIZE];
    struct store *store;
    struct http *engine_http;
    struct http *prefect_http;
    struct http *probe_http; /* the calls that wait in an outage use up all connections of the other */
    struct engine *engine;
    struct prefect *prefect;
    struct prefect *probe;
    struct meters *meters;
    struct alerts *alerts;
    struct guards *guards;
    struct reach *reach;
    struct registry_logins *logins;
    struct pulls *pulls;
    struct catalog *catalog;
    struct references *references;
    struct looks *looks;
    struct learning *learning;
    struct output *output;
    struct {
        uint64_t output_lines, events, log_lines, spans;
    } saved_losses; /* of this process, as they are in the state file */
    struct tell *tell;
    struct traces *traces;
    struct learned_timeouts *timeouts;
    struct runner *runner;
    struct admission *admission;
    struct shared_starts *shared_starts;
    struct pool_sync *pool_sync;
    struct poller *poller;
    struct run_watch *run_watch;
    struct leases *leases;
    struct watcher *watcher;
    struct lost_claims *lost_claims;
    struct stale_cancels *stale_cancels;
    struct upkeep *upkeep;
    struct act act;
    struct timer stop_timer;
    struct timer held_timer; /* runs while starts are held */
    struct timer give_up_timer;
    int64_t answered_since_ms;    /* mono; with give_up_timer */
    int64_t unreachable_since_ms; /* mono; valid while the engine is out of reach */
    bool is_online;               /* the pool was read and a heartbeat sent */
    int64_t began_ms;             /* mono */
    bool has_polled;
    int64_t paused_at_ms;    /* wall; 0: not paused; stored */
    int64_t paused_since_ms; /* mono; valid while paused, in this process */
    bool is_engine_away;     /* as the state file says it */
    bool is_prefect_away;
    bool is_draining;
    bool is_stopping;
    bool is_flushing; /* everything else is done */
    int flushes;      /* that are not over */
    bool is_ended;
    int exit_code;
};

/* It is over; on_end is told at the end of the turn. The first reason counts. */
void service_end(struct service *service, int exit_code);
/* Claims need a pool, an engine within reach, and nobody who wants us to stop, drain or pause. While starts
 * are held, who waits for one is handed back after a while. */
void service_open_gates(struct service *service);
/* What others did not take, into the transaction that has begun. */
int service_save_losses(struct service *service, struct err *err) MUST_CHECK;
/* Engine or Prefect came within or went out of reach: keep for people what holds the runs. */
void service_keep_reach(struct service *service, enum dependency dependency, bool is_reachable);
/* At the start: a pause outlives the process; what else held the runs does not. */
int service_load_holds(struct service *service, struct err *err) MUST_CHECK;
/* At each turn while stopping or draining: what has no container, and whose call has been answered, is asked
 * to go back. */
void service_drain_ready(struct service *service);
/* Draining, and nothing is left. */
bool service_is_drained(struct service *service);
/* The state file can't be written: log it and end. arg: the service. */
void service_on_save_failure(void *arg, const struct err *err);

/* service_make - the clients and all parts, connected, nothing started. Errors: those of engine_new(),
 * prefect_new(), admission_new(). */
int service_make(struct service *service, struct err *err) MUST_CHECK;
/* End every part in order; accepts half-made ones. */
void service_unmake(struct service *service);
/* Begin to look for engine and server. */
void service_begin(struct service *service);

/* What people see of the configuration in the state file. */
int service_save_limits(struct service *service, const struct config *config, struct err *err) MUST_CHECK;
/* Say which file it is, and what became of a damaged one. */
void service_tell_of_file(const struct service *service);

#endif
