/*
 * run_table.h - every situation of a launch worth telling apart, and the table of what each event does in it.
 *
 * A situation is reached by feeding run_step() the events of its path, beginning with a new launch, so that
 * no row can be made up that the code never writes.
 */
#ifndef SLUICE_TESTS_RUN_TABLE_H
#define SLUICE_TESTS_RUN_TABLE_H

#include "core/run_step.h"

#include <stddef.h>

struct situation {
    const char *title;
    const char *path; /* words: an event's name, a variant's name (run_table.c), +N: N ms pass */
    bool park;
    bool stops;   /* when_run_is_over = stop */
    bool removes; /* the job's auto_remove */
};

extern const struct situation situations[];
extern const size_t situation_count;

/* A launch on its way, with what the shell would keep beside it. */
struct trip {
    struct run run;
    struct retry_policy policy;
    int64_t now_ms;
    enum run_action action; /* the last that was not NONE: what is out, or what the launch waits for */
    int64_t delay_ms;
};

/* The default policy without jitter. */
struct trip trip_new(void);
/* Go on by the words of a path. An unknown word stops the test program. */
void trip_go(struct trip *trip, const char *path);
struct trip trip_to(const struct situation *situation);
/* Feed one event now; returns the step, which the trip has taken. */
struct run_step trip_feed(struct trip *trip, struct run_event event);
struct run_event trip_event(enum run_event_kind kind);

bool run_event_is_answer(enum run_event_kind kind);
/* Can the shell answer this request so? */
bool run_can_answer(enum run_action request, enum run_event_kind kind);

/* The whole table as text; malloc'ed. */
char *run_table_print(void);

#endif
