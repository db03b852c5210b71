/*
 * bench_lives.h - what the files of bench_lives share.
 *
 * The two fakes name some things alike, so each has a file of its own.
 */
#ifndef SLUICE_BENCH_LIVES_H
#define SLUICE_BENCH_LIVES_H

#include "base/timers.h"

#include <stddef.h>

struct event_base;
struct bench_engine;

/* What the fakes' process tells ours, once it listens. */
struct bench_addresses {
    char api_url[256];
    char engine_host[256];
};

/* And when all is over. */
struct bench_counts {
    int engine_calls;
    int api_calls;
    int starts;
    int completed; /* at the server */
    long cpu_us;   /* of the fakes */
};

/* What is measured. */
struct bench_shape {
    int lives;
    int gap_ms;    /* one run falls due every so often; 0: all at once */
    int engine_ms; /* how long the engine takes to create and to start */
    int api_ms;    /* how long the Prefect API takes for each answer */
};

#define BENCH_POOL "bench"
#define BENCH_IMAGE "busybox:latest"

/* bench_fakes_run - serve the fakes: `lives` runs, all due at once or one every gap_ms. Writes
 * bench_addresses to out_fd, then bench_counts when every container has ended. Returns when in_fd is closed.
 */
void bench_fakes_run(const struct bench_shape *shape, int out_fd, int in_fd);

/* A fake engine whose containers call on_start with their flow run, then end well after some milliseconds. */
struct bench_engine *bench_engine_new(struct event_base *base, struct timers *timers, int engine_ms,
                                      void (*on_start)(void *arg, const char *flow_run_id), void *arg);
void bench_engine_free(struct bench_engine *engine);
const char *bench_engine_host(const struct bench_engine *engine);
int bench_engine_starts(const struct bench_engine *engine);
int bench_engine_calls(const struct bench_engine *engine);
bool bench_engine_is_over(struct bench_engine *engine,
                          int lives); /* so many have been made, all have ended */

#endif
