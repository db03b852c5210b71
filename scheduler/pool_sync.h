/*
 * pool_sync.h - keeps the pool's record true and the worker ONLINE: read or create the pool, fill an empty
 * template, read its queues, heartbeat.
 *
 * Runs every heartbeat interval. Trouble with the server never ends the process: it backs off to at most a
 * minute and says so once. Only a pool that no Docker worker can serve is fatal.
 */
#ifndef SLUICE_POOL_SYNC_H
#define SLUICE_POOL_SYNC_H

#include "api/prefect.h"
#include "config.h"
#include "pool.h"

struct pool_sync;

struct pool_sync_settings {
    struct prefect *prefect;
    struct timers *timers;
    const struct config *config;
    const char *template_json;   /* for a pool that has none; borrowed */
    void (*on_ready)(void *arg); /* the first complete round: the worker is ONLINE */
    void (*on_failure)(void *arg, const struct failure *failure, int64_t took_ms); /* each call that failed */
    void (*on_fatal)(void *arg, const char *sentence);
    void *arg;
};

struct pool_sync *pool_sync_new(const struct pool_sync_settings *settings);
void pool_sync_free(struct pool_sync *sync);
/* Prefect is back after an outage: if the last round failed, the next one begins now. */
void pool_sync_wake(struct pool_sync *sync);
void pool_sync_start(struct pool_sync *sync);
/* Valid for the life of the object; its fields change. */
const struct pool_record *pool_sync_pool(const struct pool_sync *sync);
void pool_sync_set_config(struct pool_sync *sync, const struct config *config);

#endif
