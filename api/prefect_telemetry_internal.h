/* prefect_telemetry_internal.h - the queue of one kind of item, as the files of telemetry share it. */
#ifndef SLUICE_API_PREFECT_TELEMETRY_INTERNAL_H
#define SLUICE_API_PREFECT_TELEMETRY_INTERNAL_H

#include "api/batch_queue.h"
#include "api/prefect_telemetry.h"

/* One kind of item: its queue, and the tries of its batch. */
struct telemetry_queue {
    struct prefect_telemetry *owner;
    int (*post)(struct prefect *p, const struct prefect_ask *ask, const char *body, struct err *err);
    struct batch_queue items;
    int64_t collect_ms;
    int tries;         /* of the present batch that may have been carried out */
    int failures;      /* in a row */
    int refused_count; /* items refused alone, in a row */
    bool is_on;
    enum prefect_optional kind;
    bool is_out;               /* the request is on the way */
    struct prefect_call *call; /* while is_out */
    struct timer timer;        /* the next batch, or the next try */
    uint64_t sent;
};

struct prefect_telemetry {
    struct prefect *prefect;
    struct timers *timers;
    const struct random_source *random;
    struct http_clocks clocks;
    char *worker_name;
    char *worker_resource; /* resource id */
    size_t log_max_bytes;
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
