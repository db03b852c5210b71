/*
 * runner.h - event -> step -> save -> act: the only place where a launch moves.
 *
 * Callbacks feed events; at the end of the loop turn runner_flush() takes each through run_step(), saves all
 * rows of the turn in one commit if any action needs its row on disk (others wait at most 50 ms for the next
 * commit), and only then performs the actions. When saving fails nothing is performed any more and
 * `on_failure` is called: the caller stops the process, and the next start recovers.
 */
#ifndef SLUICE_RUNNER_H
#define SLUICE_RUNNER_H

#include "base/err.h"
#include "base/random.h"
#include "config.h"
#include "core/classify.h"
#include "core/run_step.h"
#include "core/slots.h"
#include "live.h"
#include "meters.h"
#include "store/store.h"
#include "traces.h"
#include "values.h"

struct runner;

/* What the runner needs from the rest of the shell. */
struct runner_ports {
    void *arg;
    /* Perform a request or WATCH; exactly one answer event is fed for each request. The call must not feed
     * synchronously for other launches. */
    void (*perform)(void *arg, struct live *live, enum run_action action);
    /* End the request that is out, without an answer. */
    void (*abandon)(void *arg, struct live *live);
    /* The launch waits for admission (ADMIT, ASK_START, ASK_SLOT, ASK_STOP), or (NONE) no longer does. */
    void (*wait)(void *arg, struct live *live, enum run_action what);
    /* The launch has left the house; it is freed when this returns. */
    void (*forget)(void *arg, struct live *live);
    /* The state file can't be written. */
    void (*on_failure)(void *arg, const struct err *err);
    /* A call has failed in a way that may pass: is the dependency out of reach altogether? Then it costs no
     * attempt. May be NULL. */
    bool (*is_away)(void *arg, const struct live *live, const struct failure *failure);
    /* Take out of a message about the launch what it repeats of the launch's secrets, in place. May be NULL.
     */
    void (*hide)(void *arg, const struct live *live, char *message);
    /* A commit is about to be made: what others have for the state file may go along. May be NULL. */
    int (*ride)(void *arg, struct err *err);
};

struct runner_settings {
    struct store *store;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    const struct config *config;       /* runner_set_config() replaces it at a reload */
    const char *mark;                  /* of launch_make_ids() */
    struct learned_timeouts *timeouts; /* NULL: as configured */
    struct meters *meters;             /* NULL: nobody counts */
    struct traces *traces;             /* told of every step and attempt; NULL: nobody is */
    struct runner_ports ports;
};

struct runner *runner_new(const struct runner_settings *settings);
void runner_free(struct runner *runner);
void runner_set_config(struct runner *runner, const struct config *config);

/* runner_add - take over a new launch; its row is saved with the next commit. Feed ENTER to set it going. */
struct live *runner_add(struct runner *runner, struct launch *take_launch);
/* runner_load - load what is unfinished in the state file and feed each ENTER (after_restart). */
int runner_load(struct runner *runner, struct err *err) MUST_CHECK;

/* Feed an event; it is taken through run_step at the end of the turn. An answer belongs to the request that
 * is out now. */
void runner_feed(struct runner *runner, struct live *live, struct run_event event);
void runner_feed_kind(struct runner *runner, struct live *live, enum run_event_kind kind);
/* runner_fail - feed what a failed call means; records the attempt and the sentence for people, with what
 * must be hidden of it hidden. */
void runner_fail(struct runner *runner, struct live *live, const struct failure *failure, int64_t took_ms);
/* runner_note - keep a sentence for people (`last_error`); rides with the next commit. */
void runner_note(struct runner *runner, struct live *live, const char *sentence);
/* runner_follow_schedule - a run that is not claimed yet, as far as we know, is due then by now. Its place in
 * line stays. */
void runner_follow_schedule(struct runner *runner, struct live *live, int64_t due_ms);
/* runner_say_wait - what the launch waits for in its present state, where row and limits don't tell: shown by
 * `queue.waits_for` until it is taken back with "". */
void runner_say_wait(struct runner *runner, struct live *live, const char *waits_for);
/* runner_record - one line of `attempts`, and for a timeout one line of log. failure NULL: it went well. live
 * may be NULL. */
void runner_record(struct runner *runner, struct live *live, enum stage stage, int64_t took_ms,
                   const struct failure *failure);

/* runner_record_timeout - for a call that belongs to no launch: if a clock ended it, one line of `timeouts`
 * and of log. */
void runner_record_timeout(struct runner *runner, const struct failure *failure, int64_t took_ms);

/* runner_wake - the dependency is within reach again: launches in a backoff because of it try again soon, one
 * after the other. was_silent: nobody has answered them, so that next try is none that the retry budget
 * counts.
 */
void runner_wake(struct runner *runner, enum dependency dependency, bool was_silent);
/* runner_go_on - its backoff is over now. False: it is in none. */
bool runner_go_on(struct live *live);
/* There will be a commit within 50 ms of what was begun in the state file. */
void runner_save_soon(struct runner *runner);

/* End of the turn. Returns -1 after a failed save. */
int runner_flush(struct runner *runner);
/* Commit what waits, for a clean stop. */
int runner_sync(struct runner *runner);

struct live *runner_find_flow_run(const struct runner *runner, const char *flow_run_id);
struct live *runner_find_launch(const struct runner *runner, const char *launch_id);
struct list *runner_all(struct runner *runner); /* of live.all_link */
size_t runner_count(const struct runner *runner);
/* class_name NULL: the whole pool. */
struct slots runner_slots(const struct runner *runner, const char *class_name);
/* runner_troubles - the last calls that went wrong; borrowed. */
struct troubles;
const struct troubles *runner_troubles(const struct runner *runner);
struct values *runner_values(struct runner *runner);
/* runner_recount_values - after another configuration: what each launch counts against, and how many do.
 * Nobody may stand in a lane meanwhile. */
void runner_recount_values(struct runner *runner);
/* Requests of launches that are out, for a clean stop. */
size_t runner_calls_out(const struct runner *runner);

#endif
