/*
 * service.h - the worker as a whole: makes the parts, connects them, and ends them in order.
 *
 * Knows no signals and no command line (main.c), and decides nothing about a launch (core/run_step.c). Tests
 * run it in process, with their own clock, randomness and event base.
 */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

#include "base/random.h"
#include "base/timers.h"
#include "config.h"

struct event_base;
struct service;

struct service_settings {
    struct event_base *base;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    const struct config *config; /* borrowed until service_reload() or service_free() */
    int output_fd;               /* where containers' output goes */
    const char *working_directory;
    const char *template_json; /* for a pool that is created, or has an empty template; borrowed */
    /* The service has come to its end: 0 after a stop, 1 after a failure (with a sentence, already logged).
     * Called once, from service_turn_end(). */
    void (*on_end)(void *arg, int exit_code);
    void *arg;
};

/* service_new - open the state file, load what is unfinished, begin to work. Errors: those of store_open(),
 * engine_new(), prefect_new(). */
int service_new(const struct service_settings *settings, struct service **out, struct err *err) MUST_CHECK;
void service_free(struct service *service);

/* service_turn_end - save and act (runner.h), then let through who may go (admission.h). Call at the end of
 * every turn of the loop. */
void service_turn_end(struct service *service);
/* service_reload - go on with another configuration; what can't change while running is told by the caller.
 */
int service_reload(struct service *service, const struct config *config, struct err *err) MUST_CHECK;
/* The longest that a stop takes: the calls that are out, then the goodbyes. */
#define SERVICE_STOP_MAX_MS 9000
/* service_stop - claim nothing more, finish the calls that are out (at most 8 s), hand back what has no
 * container, end. Containers live on. */
void service_stop(struct service *service);

/*
 * What people ask for over the admin socket. Each may be asked for twice. Errors: CONFLICT (it is stopping,
 * or draining, which can't be taken back), IO (the state file can't be written: the service ends).
 *
 * service_pause - claim nothing more and start nothing new until service_resume(), also over a restart. What
 * has had its token is finished, what runs goes on; what is claimed and waits for its start is handed back
 * after hand_back_after.
 * service_drain - claim nothing more, hand back what has no container, watch what runs to its end, then stop
 * with 0. Not kept over a restart. Parked runs are waited for: only a person can say what becomes of them.
 */
int service_pause(struct service *service, struct err *err) MUST_CHECK;
int service_resume(struct service *service, struct err *err) MUST_CHECK;
int service_drain(struct service *service, struct err *err) MUST_CHECK;

struct service_progress {
    int64_t paused_at_ms; /* wall; 0: not paused */
    bool is_draining;
    bool is_stopping;
    size_t queued;  /* unclaimed: they are left to others */
    size_t waiting; /* claimed, without a container that has been started */
    size_t running; /* a container of theirs runs, or is being stopped */
    size_t ending;  /* reported, handed back, removed */
    size_t parked;
};
struct service_progress service_progress(struct service *service);

/* service_is_well - for /health: a poll went well within 30 poll intervals, or that long has not passed since
 * the start (protocol 8.3), or it is draining; not after a failure that ends the service. */
bool service_is_well(const struct service *service);

/* service_state_file_trouble - why the state file is no good, "" if it is. */
const char *service_state_file_trouble(const struct service *service);

struct meters;
/* service_meters - what it has done, for who shows it (meters.h). */
struct meters *service_meters(struct service *service);

struct alerts;
/* service_alerts - which there are, and whether they fire, for who shows it (alerts.h). */
const struct alerts *service_alerts(const struct service *service);

/* For whoever watches over the process (notify.h): it is on its way out, or over; whether the dependencies
 * are in reach, as far as is known; when poll and watch have to have moved on by themselves. */
bool service_is_leaving(const struct service *service);
bool service_reaches_engine(const struct service *service);
bool service_reaches_prefect(const struct service *service);
int64_t service_poller_due_ms(const struct service *service);

struct poller;
struct run_watch;
struct runner;
struct http;
/* For tests. */
struct runner *service_runner(struct service *service);
struct poller *service_poller(struct service *service);
struct run_watch *service_run_watch(struct service *service);
/* The engine's events are heard, and the first list of containers has been taken in. */
bool service_sees(const struct service *service);
/* Credential helpers that run. */
size_t service_helpers(const struct service *service);
#define SERVICE_HTTP_COUNT 4
struct http *
service_http(struct service *service,
             int which); /* 0: engine, 1: Prefect, 2: probe of Prefect, 3: collector of traces or NULL */

/* The label value that marks containers as ours: a hash of server URL, pool and name, the same after a
 * restart. 32 hex digits. */
#define SERVICE_INSTANCE_SIZE 33
void service_instance(const char *api_url, const char *pool, const char *name,
                      char text[static SERVICE_INSTANCE_SIZE]);
/* What marks claims as ours (launch_make_ids): the instance, this machine and the state file, since a claim
 * that is taken for ours and unknown is handed back. */
void service_mark(const char *instance, const char *state_path, char text[static SERVICE_INSTANCE_SIZE]);

#endif
