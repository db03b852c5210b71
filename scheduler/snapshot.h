/*
 * snapshot.h - the service at this moment, as plain values: for /metrics, /readyz, the alerts, the status
 * page.
 *
 * Counted anew by one walk over the launches in memory (about 1 ms for 10,000), never kept up to date on the
 * way. Reads only what is in memory: no call, no query.
 */
#ifndef SLUICE_SNAPSHOT_H
#define SLUICE_SNAPSHOT_H

#include "core/classify.h"
#include "core/run.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;

#define SNAPSHOT_GUARDS_MAX 32

/* Of one job class. */
struct snapshot_class {
    const char *name; /* borrowed from the configuration; "other": of classes that have left it */
    size_t states[RUN_STATE_COUNT];
    size_t queued;            /* unclaimed */
    size_t due;               /* of these, due by now */
    int64_t oldest_due_ms;    /* wall, of those not started yet (QUEUED to STARTING) and due; 0: none */
    int64_t running;          /* slots held */
    int64_t running_limit;    /* 0: none */
    int64_t launching;        /* creates and starts in flight */
    int64_t launching_limit;  /* of both together; 0: none, or learned ones (slots) */
    double starts_per_second; /* 0: no limit */
    double tokens;            /* there now, whole and in part; -1: no limit */
};

struct snapshot_guard {
    const char *name; /* "engine", "prefect", "registry ghcr.io"; borrowed */
    enum dependency dependency;
    bool is_open;
    int64_t retries_left; /* that may go at once now */
};

/* Calls in flight of a kind that has a limit. */
struct snapshot_slots {
    const char *name; /* "create", "start", "pull", "stop"; static */
    int64_t in_use;
    int64_t limit; /* 0: none */
    bool is_learned;
};
#define SNAPSHOT_SLOTS_COUNT 4

struct snapshot {
    int64_t now_ms; /* wall */
    int64_t now_mono_ms;
    int64_t began_mono_ms; /* the process's start */
    int64_t paused_at_ms;  /* wall; 0: not paused */
    bool is_draining;
    bool is_stopping;
    bool is_online; /* pool read, heartbeat sent */
    bool is_engine_away;
    bool is_prefect_away;
    int64_t engine_away_ms;    /* for how long; 0: it isn't */
    int64_t last_poll_mono_ms; /* the last that went well; 0: none yet */
    int64_t poll_interval_ms;
    uint64_t spans_sent; /* of traces, by this process */
    uint64_t spans_dropped;
    struct snapshot_class pool;     /* all together; its limits are the pool's */
    struct snapshot_class *classes; /* of the configuration, in its order, then "other" */
    size_t class_count;
    struct snapshot_guard guards[SNAPSHOT_GUARDS_MAX];
    size_t guard_count;
    struct snapshot_slots slots[SNAPSHOT_SLOTS_COUNT];
};

/* snapshot_take - fills *out; what it points to is borrowed from the service until the loop's next turn, but
 * for `classes`. */
void snapshot_take(struct service *service, struct snapshot *out);
void snapshot_done(struct snapshot *snapshot);

#endif
