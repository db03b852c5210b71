/*
 * crash.h - the service as a process of its own that dies and is started again, while the fakes live on.
 *
 * The test's process holds the fakes (a `struct world` without a service) and the time; it forks the service,
 * which has loaded all its libraries that way and opened nothing. Both go in step: a step of the service is
 * asked for through a pipe and answered through another, then the fakes have theirs. When no byte moves any
 * more the clock, which lies in shared memory, jumps to the next deadline of either. So a settling time of a
 * minute costs nothing, and nobody sleeps.
 *
 * A life: crash_begin, furnish the world, crash_live until every run is over, crash_end. Whenever the process
 * dies by SIGKILL, or ends well, it is started again, as systemd would; any other end fails the test.
 */
#ifndef SLUICE_TESTS_CRASH_CRASH_H
#define SLUICE_TESTS_CRASH_CRASH_H

#include "tests/crash/kill_points.h"
#include "tests/crash/lack.h"
#include "tests/flow/world.h"

#include <sys/types.h>

/* Memory that both processes see. */
struct crash_shared {
    int64_t mono_ms;
    int64_t wall_ms;
    uint64_t random_state; /* of the service's randomness: goes on over a restart */
    struct kill_points points;
    struct lack lack; /* only in programs that link lack.c */
    struct lack_places places;

    /* The service, after each of its steps. */
    int64_t next_ms; /* until its next deadline; -1: none */
    uint64_t activity;
    size_t calls_out[2]; /* to the engine, to Prefect */
    size_t launches;     /* in memory */
    char wrong[200];     /* what it found wrong with itself; "" if nothing */
};

struct crash {
    struct world *world;
    struct crash_shared *shared;
    uint64_t seed;
    pid_t pid; /* 0: not running */
    int orders_fd;
    int answers_fd;
    bool is_down; /* it is not to be started again */

    /* What the next processes are to do. */
    struct kill_plan next_plan; /* of the next one to be started; used up by it */
    struct lack next_lack;      /* the same */
    void (*use_lack)(struct lack *lack, struct lack_places *places); /* lack_use, where lack.c is linked */
    int64_t kill_after_us; /* SIGKILL in the middle of the next step; < 0: no */

    int check_every; /* the file is checked after every so many-th death */

    /* The scenario's. */
    const char *run;
    int acts;         /* what it did once, and must not do again */
    int64_t acted_ms; /* mono */

    /* In step. */
    int quiet;
    uint64_t seen_activity;

    /* What happened. */
    int starts;
    int kills;
    int clean_ends;
    int memory_ends;  /* by the sentence and the code that are documented */
    int checks;       /* of the state file, after a death */
    size_t log_bytes; /* when the present process began */
    uint64_t steps;
};

/* The world stands, without runs; the service is not running. seed: of the service's randomness. */
struct crash *crash_begin(uint64_t seed);
/* Kills the service if it runs, and tears the world down, with its checks. */
void crash_end(struct crash *c);

/* Fork the service, with this configuration (NULL: the last one's). */
void crash_start(struct crash *c, const char *config_text);
/* SIGKILL now. */
void crash_kill(struct crash *c);

/* One step of both; starts the service again if it has died, unless is_down. What may not be fails the test.
 */
void crash_step(struct crash *c);
/* Step until is_over(c) has held, or fail the test after so much of fake time. */
void crash_until(struct crash *c, int64_t limit_ms, bool (*is_over)(struct crash *c), const char *what);
/* Step for so much of fake time, or a little more. */
void crash_pass(struct crash *c, int64_t ms);
/* No flow run is in a state that isn't an end, and the service knows no launch any more. */
bool crash_is_all_over(struct crash *c);
/* Fail the test: seed, kill plan, what was wrong, and the end of the log. */
void crash_fail(struct crash *c, const char *fmt, ...) PRINTF_LIKE(2, 3) __attribute__((noreturn));
/* The log of all processes so far, malloc'ed. */
char *crash_log(struct crash *c);

/* ---- crash_checks.c ---- */

/* After a death: the file is sound, and its slots are those of its rows. Reads a copy. */
void crash_check_file(struct crash *c);
/* At the end of a life: every container of ours has a launch in the file and has ended, none was started
 * twice, no run ran twice, no slot is in use. */
void crash_check_end(struct crash *c);

/* ---- crash_service.c ---- */

/* Be the service until it ends; the exit code. */
int crash_serve(struct world *world, struct crash_shared *shared, int orders_fd, int answers_fd);

#endif
