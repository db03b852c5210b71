/*
 * runner_internal.h - what the files of the runner share.
 *
 * runner.c         the turn: events, steps, actions, slots
 * runner_save.c    the state file: rows, history, attempts, notes
 * runner_table.c   the launches in memory: adding, loading, finding
 * runner_wake.c    who waits for a dependency goes on when it is back
 */
#ifndef SLUICE_RUNNER_INTERNAL_H
#define SLUICE_RUNNER_INTERNAL_H

#include "index.h"
#include "runner.h"
#include "troubles.h"

struct queued_event {
    struct list link;
    struct live *live;
    uint32_t epoch;
    bool is_answer;
    struct run_event event;
};

struct class_slots {
    char *name;
    struct slots slots;
};

struct runner {
    struct runner_settings s;
    struct index by_flow_run;
    struct index by_launch;
    struct list all;    /* live.all_link */
    struct list events; /* queued_event.link */
    struct list dirty;  /* live.dirty_link */
    struct list acting; /* live.acting_link */
    struct list dead;   /* live.all_link: forgotten in this turn */
    size_t count;
    uint64_t arrivals; /* launches that ever came into memory */
    struct slots slots;
    struct values *values;
    struct class_slots *classes;
    size_t class_count;
    struct troubles troubles;
    struct timer save_timer;
    int64_t wall_minus_mono_ms; /* when events were fed last; moves only when the wall clock is set */
    bool is_failed;
};

/* The state file can't be written: nothing is performed any more. Always -1. */
int runner_save_failed(struct runner *r, struct err *err);
/* The row differs from the file; it goes there with the next commit. */
void runner_mark_dirty(struct runner *r, struct live *live);
/* History and attempts refer to the launch's row: see to it that there is one. Opens the turn's transaction.
 */
int runner_begin_row(struct runner *r, struct live *live, struct err *err) MUST_CHECK;
/* One line for a launch that is new here; with those of its changes the log tells what the table holds. */
void runner_tell_new(const struct live *live);
/* A state change is told once, here: history and log. */
int runner_tell_change(struct runner *r, struct live *live, enum run_state from,
                       enum run_event_kind why) MUST_CHECK;
/* The launch's timer rings: feed ENTER. arg: the struct live. */
void runner_on_live_timer(void *arg);
/* Say in log and row that the container of a run that is over is left alone. */
void runner_tell_left_alone(struct runner *r, struct live *live);
/* Say that a run is left to others because it is late. */
void runner_tell_too_late(struct runner *r, struct live *live);
/* live may be NULL: the default class. */
const struct config_class *runner_class_of(const struct runner *r, const struct live *live);
/* What holds for a launch in its present state. */
struct retry_policy runner_policy_of(const struct runner *r, const struct live *live);
/* Arm the launch's deadline for the state it is in: launch_deadline or max_run_time. */
void runner_start_deadline(struct runner *r, struct live *live);
/* What the launch counts against, by today's configuration; it must not be counted yet. */
void runner_refresh_values(struct runner *r, struct live *live);
/* Slots follow from rows; either may be NULL (not there). */
void runner_count_change(struct runner *r, const struct live *live, const struct run *before,
                         const struct run *after);

#endif
