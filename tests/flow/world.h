/*
 * world.h - the whole service in process: a fake clock, a real state file, a fake engine on a unix socket and
 * a fake Prefect on loopback, all in one event base. Nothing sleeps.
 *
 * A test furnishes the fakes, starts the service with a configuration text, and waits with UNTIL() for what
 * must come: the loop turns until nothing moves, then the clock jumps to the next deadline, until the
 * condition holds or the given span of fake time is over. The condition is asked after every single turn, so
 * a test can catch the moment between a request and its answer, and stop or drop the service there. A
 * credential helper is a real process: while one runs, the clock stands.
 *
 * Containers play flows: world.flow says what a flow run does once its container runs. At the end of every
 * test no launch has been started twice, and neither log nor state file holds a secret.
 */
#ifndef SLUICE_TESTS_FLOW_WORLD_H
#define SLUICE_TESTS_FLOW_WORLD_H

#include "admin.h"
#include "base/buf.h"
#include "base/list.h"
#include "core/run.h"
#include "service.h"
#include "tests/fakes/fake_collector.h"
#include "tests/fakes/fake_engine.h"
#include "tests/fakes/fake_prefect.h"
#include "tests/fakes/fake_webhook.h"
#include "tests/support/fake_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) ((int64_t)(n)*60000)

#define WORLD_POOL "pool"
#define WORLD_IMAGE "flows:1" /* no "latest", which is always pulled */
#define WORLD_API_KEY "pnu_key_nobody_may_see"
#define WORLD_ENV_SECRET "value_nobody_may_see"
#define WORLD_REGISTRY_PASSWORD "password_nobody_may_see"

enum world_flow_end {
    FLOW_COMPLETES,     /* RUNNING, at the end COMPLETED */
    FLOW_FAILS,         /* RUNNING, at the end FAILED */
    FLOW_STAYS_RUNNING, /* RUNNING, and never says more */
    FLOW_NEVER_BEGINS   /* nothing is ever said */
};

/* What a container does from its start on. */
struct world_flow {
    enum world_flow_end end;
    int64_t run_ms; /* -1: until told, or stopped */
    int exit_code;
    bool ignores_sigterm;
    bool oom_killed;
};

struct world {
    struct event_base *base;
    struct fake_clock clock;
    struct timers *timers;
    struct fake_engine *engine;
    struct fake_prefect *prefect;
    struct fake_collector *collector; /* of traces; a test that wants one makes it. NULL: none */
    struct fake_webhook *webhook;     /* NULL, but where a test makes one; freed with the world */
    const char *deployment;           /* "nightly", of the pool; image WORLD_IMAGE */
    struct world_flow flow;     /* what every container plays from its next start on; COMPLETES after 5 s */
    const char *flow_variables; /* of world_add_run(); NULL: none */
    bool helpers_hang;          /* credential helpers are not waited for: the clock goes on */

    struct service *service; /* NULL: not running */
    struct admin *admin;     /* its socket: state_path + ".sock" */
    struct config *config;
    const char *const *flags;       /* pairs key, value, NULL, for the next start */
    const char *const *environment; /* "NAME=value", NULL: further ones for the next start */
    bool has_ended;                 /* the service has come to its end by itself, or after a stop */
    int exit_code;

    int output_fd;
    char folder[64];
    char *state_path;
    char *config_path;
    char *output_path; /* what the service prints of its containers */
    char *config_text; /* of the last start */
    struct buf log;    /* every line of every level */
    char *answer;      /* world_query()'s */
    uint64_t random_state;
    struct random_source random;
    struct list plays; /* of flows; world_play.c */
    uint64_t turns;
    void (*on_turn_end)(void *arg); /* what main.c does after service_turn_end(); NULL: nothing */
    void *turn_end_arg;
};

int world_setup(void **state);
int world_teardown(void **state);

/* Make the service, with this text as its configuration file (NULL: the last one's). Fails the test if it
 * can't be made. */
void world_start(struct world *w, const char *config_text);
/* The same; false with a sentence if it can't be made. */
bool world_try_start(struct world *w, const char *config_text, struct err *err);
/* The two steps of a start, for a service in a process of its own (tests/crash): write the text into its
 * file (NULL: the last one's stays there); read it, with flags and environment, into a configuration that the
 * caller frees. */
void world_keep_text(struct world *w, const char *config_text);
int world_load_config(struct world *w, struct config **config, struct err *err) MUST_CHECK;
/* Read another text and hand it to the running service, as SIGHUP does. */
void world_reload(struct world *w, const char *config_text);
/* As SIGTERM: ask it to stop, wait for its end (fails after 10 s), free it. */
void world_stop(struct world *w);
/* As SIGKILL: drop it where it stands; what was not committed is lost. Fakes go on. */
void world_crash(struct world *w);

/* ---- time ---- */

#define FLOW_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

struct world_wait {
    int64_t end_ms; /* mono */
    const char *condition;
    const char *file;
    int line;
    int quiet;
    uint64_t activity;
};
struct world_wait world_wait_begin(struct world *w, int64_t limit_ms, const char *condition, const char *file,
                                   int line);
void world_wait_step(struct world *w, struct world_wait *wait);

/* Turn, and let time pass, until the condition holds; fails the test when it does not within limit_ms. */
#define UNTIL(w, limit_ms, condition) UNTIL_DOING(w, limit_ms, condition, )
/* The same, with a statement after every turn: to sample what must hold at any time. */
#define UNTIL_DOING(w, limit_ms, condition, statement)                                                       \
    for (struct world_wait wait_ = world_wait_begin(w, limit_ms, #condition, __FILE__, __LINE__);            \
         !(condition);) {                                                                                    \
        world_wait_step(w, &wait_);                                                                          \
        statement;                                                                                           \
    }

/* Let time pass; turns until quiet at the end. 0: only until quiet. */
void world_pass(struct world *w, int64_t ms);

/* ---- furnishing and looking ---- */

/* One more deployment, of this work queue; its id. */
const char *world_add_deployment(struct world *w, const char *name, const char *queue);
/* A due run of the deployment; its id. */
const char *world_add_run(struct world *w);
const char *world_add_named_run(struct world *w, const char *name);

enum prefect_state_type world_state(struct world *w, const char *run);
const char *world_message(struct world *w, const char *run);
size_t world_count(const struct world *w, enum prefect_state_type type);
/* RUNNING states the run has had: 2 means that its flow ran twice. */
int world_times_run(const struct world *w, const char *run);
/* The launch state of a run in the state file, "" if there is no row (of the newest launch). Reads what is
 * committed. */
const char *world_row(struct world *w, const char *run);
/* The first column of the first row, "" if there is none; borrowed until the next query. */
const char *world_query(struct world *w, const char *sql);
long world_number(struct world *w, const char *sql);
/* Log lines so far that hold the text. */
int world_logged(const struct world *w, const char *text);
/* The service has printed this of its containers' output. */
bool world_printed(const struct world *w, const char *text);
/* Calls of a launch's making: everything but ping, events, list, and the look for an image. */
int world_launch_calls(const struct world *w);
/* Calls to Prefect in all, but for heartbeats and polls. */
int world_api_calls(const struct world *w);
/* Launches in memory. */
size_t world_launches(const struct world *w);
/* The state of a run's launch in memory, which may be ahead of the file; "" if there is none (any more). */
const char *world_launch(const struct world *w, const char *run);
bool world_is_in(const struct world *w, const char *run, enum run_state state);

/* world_play.c: containers play flows. */
void world_play_begin(struct world *w);
void world_play_done(struct world *w);

#endif
