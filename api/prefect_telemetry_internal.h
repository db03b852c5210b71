/* prefect_telemetry_internal.h - the queue of one kind of item, as the files of telemetry share it. */
#ifndef SLUICE_API_PREFECT_TELEMETRY_INTERNAL_H
#define SLUICE_API_PREFECT_TELEMETRY_INTERNAL_H

#include "api/prefect_telemetry.h"
#include "base/list.h"

struct telemetry_item {
    struct list link;
    int level; /* of a log line; PREFECT_LOG_ERROR for events */
    size_t len;
    char text[]; /* JSON */
};

/* Items wait in `waiting`, at most one batch of them is in `batch`, on the way or in backoff. */
struct telemetry_queue {
    struct prefect_telemetry *owner;
    int (*post)(struct prefect *p, const struct prefect_ask *ask, const char *body, struct err *err);
    struct list waiting;
    struct list batch;
    size_t waiting_count;
    size_t debug_count; /* debug lines among the waiting: none, and nobody has to look for one */
    size_t batch_count;
    size_t bytes; /* of both */
    size_t max_count;
    size_t max_bytes;
    int tries; /* of the present batch that failed */
    bool is_on;
    bool is_off_by_server;
    bool is_out;               /* the request is on the way */
    struct prefect_call *call; /* while is_out */
    struct timer timer;        /* the next batch, or the next try */
    uint64_t sent;
    uint64_t dropped;
};

struct prefect_telemetry {
    struct prefect *prefect;
    struct timers *timers;
    const struct random_source *random;
    struct http_clocks clocks;
    char *worker_name;
    char *worker_resource; /* resource id */
    char *pool_id;
    char *pool_name;
    struct prefect_event_ref started;
    struct telemetry_queue events;
    struct telemetry_queue logs;
    bool is_flushing;
    struct timer flush_timer;
    void (*flush_done)(void *arg);
    void *flush_arg;
};

void telemetry_queue_init(struct telemetry_queue *q, struct prefect_telemetry *owner, bool is_on,
                          const struct prefect_telemetry_settings *settings);
void telemetry_queue_done(struct telemetry_queue *q);
/* Put a JSON value into the queue; dropped and counted if it can't be. */
void telemetry_queue_add(struct telemetry_queue *q, int level, const char *text);
/* Send the next batch now, if none is out. */
void telemetry_queue_send(struct telemetry_queue *q);
/* Called when a queue may have become empty. */
void telemetry_on_progress(struct prefect_telemetry *t);

#endif
