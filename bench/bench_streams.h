/*
 * bench_streams.h - what the files of bench_streams share.
 *
 * The two fakes name some things alike, so each has a file of its own.
 */
#ifndef SLUICE_BENCH_STREAMS_H
#define SLUICE_BENCH_STREAMS_H

#include "base/timers.h"

#include <stddef.h>

struct event_base;
struct streams_engine;

#define STREAMS_POOL "bench"
#define STREAMS_IMAGE "busybox:latest"

/* A fake engine whose containers run until they are told to end; on_start gets their flow run. */
struct streams_engine *streams_engine_new(struct event_base *base, struct timers *timers,
                                          void (*on_start)(void *arg, const char *flow_run_id), void *arg);
void streams_engine_free(struct streams_engine *engine);
const char *streams_engine_host(const struct streams_engine *engine);
size_t streams_engine_open_logs(const struct streams_engine *engine);
/* One message into the log of the container with this number. */
void streams_engine_write(struct streams_engine *engine, size_t index, const char *data, size_t len);

#endif
