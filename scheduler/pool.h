/*
 * pool.h - what is known of our work pool; written by pool_sync.c, read by everybody.
 */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

#include <stdbool.h>
#include <stdint.h>

struct pool_queue {
    char *id;
    char *name;
    int32_t priority; /* 1 is served first */
    bool is_paused;
    bool is_limited; /* it has a concurrency limit at the server */
};

struct pool_record {
    bool is_known;        /* read at least once */
    int64_t read_mono_ms; /* what follows is as young as that, or younger */
    char *id;             /* owned, "" until known */
    char *name;
    char *type;
    char *template_json;
    bool is_paused;
    bool is_limited; /* the pool itself has a concurrency limit at the server */
    bool has_limits; /* the pool or one of its queues has one: only the server knows what is left of it */
    struct pool_queue *queues;
    int queue_count;
};

/* Something is paused: the pool, or a queue. */
bool pool_has_pauses(const struct pool_record *pool);
/* The pool is paused, or the queue of that id is. */
bool pool_is_paused_for(const struct pool_record *pool, const char *queue_id);
/* The queue of that id, or NULL. */
const struct pool_queue *pool_queue_by_id(const struct pool_record *pool, const char *id);

#endif
