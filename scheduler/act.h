/*
 * act.h - performs what run_step decided: one action, one or a few calls, one answer event.
 *
 * act.c             the table of actions, and giving up a request that is out
 * act_clocks.c      the clocks of engine calls, and what is learned from them
 * act_claim.c       Prefect before the engine: claim, look, submitting, resolve
 * act_engine.c      the engine to a running container: pull, create, connect, start, looks, watch
 * act_engine_end.c  the engine at its end: stop, kill, remove, retire, clear
 * act_report.c      Prefect after the engine: announce, verdict, hand back, restore
 * Nothing here decides what comes next: answers are only turned into events.
 */
#ifndef SLUICE_ACT_H
#define SLUICE_ACT_H

#include "api/engine.h"
#include "api/prefect.h"
#include "catalog.h"
#include "guards.h"
#include "history.h"
#include "learning.h"
#include "looks.h"
#include "output.h"
#include "pool.h"
#include "pulls.h"
#include "references.h"
#include "runner.h"
#include "tell.h"
#include "traces.h"

/* Everything borrowed, except what is said. */
struct act {
    struct runner *runner; /* set after runner_new() */
    struct engine *engine;
    struct prefect *prefect;
    struct pulls *pulls;
    struct guards *guards;
    struct catalog *catalog;
    struct references *references;
    struct looks *looks;
    struct learning *learning;
    struct output *output;
    struct learned_timeouts *timeouts;
    struct tell *tell;
    struct traces *traces;
    const struct clock *clock;
    const struct config *config;
    const struct pool_record *pool;
    struct watcher *watcher; /* set after watcher_new() */
    struct leases *leases;   /* set after leases_new() */
    const char *instance;    /* label value of this worker */
    const char *working_directory;
    const char *prefect_version;
};

/* runner_ports.perform and .abandon; arg is the struct act. */
void act_perform(void *arg, struct live *live, enum run_action action);
void act_abandon(void *arg, struct live *live);
/* Release what a launch holds in memory: its rendered job, and the answers for one. */
void act_forget(struct act *act, struct live *live);
/* act_hide - what a message repeats of the launch's secrets, as long as its job is known. */
void act_hide(const struct live *live, char *message);

/* Between the files of act. */
void act_claim(struct act *act, struct live *live);
void act_look_run(struct act *act, struct live *live);
void act_submit(struct act *act, struct live *live);
void act_resolve(struct act *act, struct live *live);
void act_pull(struct act *act, struct live *live);
void act_create(struct act *act, struct live *live);
void act_look_name(struct act *act, struct live *live);
void act_connect(struct act *act, struct live *live);
void act_start(struct act *act, struct live *live);
void act_look_container(struct act *act, struct live *live);
void act_retire(struct act *act, struct live *live);
void act_watch(struct act *act, struct live *live);
void act_stop(struct act *act, struct live *live);
void act_kill(struct act *act, struct live *live);
void act_clear(struct act *act, struct live *live);
void act_remove(struct act *act, struct live *live);
void act_announce(struct act *act, struct live *live);
void act_report(struct act *act, struct live *live);
void act_hand_back(struct act *act, struct live *live);
void act_restore(struct act *act, struct live *live);

/* act_clocks.c: the clocks of an engine call that is made now. What it takes is learned. */
struct http_clocks act_clocks(struct live *live, enum stage stage);
/* The same for a call of a kind of its own, which would teach its stage wrong times. */
struct http_clocks act_fixed_clocks(struct live *live, enum stage stage);
/* A call that others waited for as well is over: the clocks that its record is to show. */
void act_shared_clock(struct live *live, enum stage stage);
/* What came of a call with act_clocks(). After its record, which shows the value that was in force. */
void act_learn(struct live *live, const struct engine_reply *reply);
/* A look has found our container: a create or start that had timed out may be done after all. */
void act_learn_found(struct live *live, enum run_event_kind found);

/* How a Prefect call for a launch is asked. */
struct prefect_ask act_ask(struct act *act, struct live *live, enum stage stage, prefect_done_fn done);
/* Nobody waits for what becomes of an ended launch, unless a person has cancelled the run or it has been
 * tried before. */
bool act_can_wait(const struct live *live);
/* A call could not even be made (no memory, or a value the client refuses): a permanent failure of that
 * stage. */
void act_refuse(struct act *act, struct live *live, enum dependency dependency, enum stage stage,
                const struct err *err);
/* The engine call that was out is over. True if it went well; else it was fed as a failure. */
bool act_engine_is_fine(struct live *live, const struct engine_reply *reply);
/* Nothing was sent: the same once more, soon. */
void act_ask_later(struct live *live);
/* The Prefect call that was out is over. True if it went well; else it was fed as a failure. */
bool act_prefect_is_fine(struct live *live, const struct prefect_reply *reply);
/* A PENDING state that our claim or our Submitting has written: it carries one of our transition ids
 * (protocol 4.4). */
bool act_is_our_claim(const struct live *live, const struct prefect_state *state);
bool act_is_our_submitting(const struct live *live, const struct prefect_state *state);
/* A reply with states, read for this launch; pointers as in history_read. */
struct history act_history(const struct live *live, const struct prefect_reply *reply);
void act_feed(struct live *live, enum run_event_kind kind);
struct act *act_of(const struct live *live);

#endif
