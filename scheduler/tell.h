/*
 * tell.h - tells Prefect's people what happens: run-log lines and events, as the official worker words them.
 * Never in the way of a launch. What Prefect doesn't take is counted, and said in the log.
 */
#ifndef SLUICE_TELL_H
#define SLUICE_TELL_H

#include "api/prefect.h"
#include "api/prefect_telemetry.h"
#include "config.h"
#include "live.h"
#include "pool.h"

struct tell;

enum tell_container_event { TELL_CONTAINER_CREATED, TELL_CONTAINER_RUNNING, TELL_CONTAINER_EXITED };

/* tell_new - all borrowed; pid_base: the front of infrastructure_pid. */
struct tell *tell_new(struct prefect *prefect, struct timers *timers, const struct random_source *random,
                      const struct config *config, const struct pool_record *pool, const char *pid_base);
void tell_free(struct tell *tell);
void tell_started(struct tell *tell);
void tell_stopped(struct tell *tell);
void tell_submitting(struct tell *tell, struct live *live);
/* Its job is known. Once in a launch. */
void tell_resolved(struct tell *tell, struct live *live);
void tell_container(struct tell *tell, struct live *live, enum tell_container_event what);
/* The verdict was taken by the server. */
void tell_reported(struct tell *tell, struct live *live);
/* The launch is over: if its container ran, that it exited and was executed. */
void tell_over(struct tell *tell, struct live *live);
struct tell_counts {
    struct prefect_telemetry_counts events;
    struct prefect_telemetry_counts logs;
};
/* What became of what was told by this process. */
struct tell_counts tell_counts(const struct tell *tell);
/* Send what waits, at most for limit_ms; done comes once, later. */
void tell_flush(struct tell *tell, int64_t limit_ms, void (*done)(void *arg), void *arg);

#endif
