/*
 * prefect_telemetry.h - events and run-log lines for Prefect, sent in batches beside the work and never in
 * its way.
 *
 * Nothing here can fail or wait for its caller: items go into bounded queues, batches go out every second
 * (log lines: as the settings say) or when 200 items are there, one request of a kind at a time. A batch that
 * fails is tried again 1, 2, 4, ... 60 s later (later still if the server asks for it): until it works if the
 * server has surely not stored it, else four times; then it is dropped and counted. Events carry ids, so a
 * repeated one is stored once; a repeated log line may be stored twice. Of a batch that is refused (400, 413,
 * 422) only the items that are refused alone are dropped. An answer of 404 or 405, or three such items in a
 * row, says that the server doesn't take this kind: what is queued, and what comes as long as prefect_lacks()
 * it, is counted as dropped. When a queue is full its oldest item goes, debug log lines first. Secrets are
 * not known here: what is handed in is sent. Source: docs/prefect-facts.md and the events of the official
 * worker.
 */
#ifndef SLUICE_API_PREFECT_TELEMETRY_H
#define SLUICE_API_PREFECT_TELEMETRY_H

#include "api/prefect.h"

struct prefect_telemetry;

struct prefect_telemetry_settings {
    const char *worker_name;
    const char *worker_slug;    /* NULL: made from the name: lower case, ASCII letters, digits and dashes */
    bool events;                /* send events */
    bool logs;                  /* send run-log lines */
    int64_t log_interval_ms;    /* between two batches of log lines; 0: 1000 */
    size_t log_batch_max_bytes; /* 0, or more than 1 MiB: 1 MiB */
    size_t log_max_bytes;       /* of one message; 0, or more than 100,000: 100,000 */
    size_t queue_max;           /* items of each kind; 0: 5000 */
    size_t queue_max_bytes;     /* of each kind; 0: 8 MiB */
    struct http_clocks clocks;  /* of each request */
    const struct random_source *random;
};

/* An event that a later one follows. Zeroed: none. */
struct prefect_event_ref {
    char id[UUID_TEXT_SIZE];
    int64_t occurred_ms; /* wall */
};

/* What an event about a run tells of it; all borrowed for the call, "" or NULL where unknown. */
struct prefect_event_run {
    const char *flow_run_id;
    const char *flow_run_name;
    const char *flow_id;
    const char *flow_name;
    const char *deployment_id;
    const char *deployment_name;
    const char *const *tags; /* of deployment and run together; sent sorted and once each */
    size_t tag_count;
};

enum prefect_container_event {
    PREFECT_CONTAINER_CREATED,
    PREFECT_CONTAINER_RUNNING,
    PREFECT_CONTAINER_EXITED
};

enum prefect_log_level {
    PREFECT_LOG_DEBUG = 10,
    PREFECT_LOG_INFO = 20,
    PREFECT_LOG_WARNING = 30,
    PREFECT_LOG_ERROR = 40
};

/* prefect and timers are borrowed for its life; settings are copied. */
void prefect_telemetry_new(struct prefect *prefect, struct timers *timers,
                           const struct prefect_telemetry_settings *settings, struct prefect_telemetry **out);
/* Drops what is queued. Accepts NULL. To be called before prefect_free(). */
void prefect_telemetry_free(struct prefect_telemetry *t);
/* Events before this are sent without a work pool. Both copied. */
void prefect_telemetry_set_pool(struct prefect_telemetry *t, const char *pool_id, const char *pool_name);

void prefect_telemetry_worker_started(struct prefect_telemetry *t);
/* Follows the started event. */
void prefect_telemetry_worker_stopped(struct prefect_telemetry *t);
/* *ref gets the event, for the executed event to follow. */
void prefect_telemetry_submitted(struct prefect_telemetry *t, const struct prefect_event_run *run,
                                 struct prefect_event_ref *ref);
/* identifier: the infrastructure pid. submitted: zeroed if not known, e.g. after a restart. */
void prefect_telemetry_executed(struct prefect_telemetry *t, const struct prefect_event_run *run,
                                const struct prefect_event_ref *submitted, const char *identifier,
                                int exit_code);
/* last: the event before it of this container (zeroed: none); becomes this one. */
void prefect_telemetry_container(struct prefect_telemetry *t, enum prefect_container_event what,
                                 const struct prefect_event_run *run, const char *container_id,
                                 const char *container_name, struct prefect_event_ref *last);
/* A container could not be made. */
void prefect_telemetry_creation_failed(struct prefect_telemetry *t, const struct prefect_event_run *run);
/* A line in the log of a flow run, from logger prefect.flow_runs.worker. Over log_max_bytes it is cut and
 * says so. */
void prefect_telemetry_log(struct prefect_telemetry *t, const char *flow_run_id, enum prefect_log_level level,
                           const char *message);

/*
 * prefect_telemetry_flush - send what is queued, each batch once, and tell when it is over or limit_ms has
 * passed. done: called once, later, on the loop thread. One flush at a time. For the end: what comes after it
 * may not be sent any more.
 */
void prefect_telemetry_flush(struct prefect_telemetry *t, int64_t limit_ms, void (*done)(void *arg),
                             void *arg);

struct prefect_telemetry_counts {
    uint64_t sent;
    uint64_t dropped;
    size_t queued; /* waiting or on the way */
    bool is_off;   /* for some minutes, by the server's answer */
};
struct prefect_telemetry_counts prefect_telemetry_events(const struct prefect_telemetry *t);
struct prefect_telemetry_counts prefect_telemetry_logs(const struct prefect_telemetry *t);

#endif
