/*
 * scenarios.h - the lives that are led, with a death at each of their points.
 */
#ifndef SLUICE_TESTS_CRASH_SCENARIOS_H
#define SLUICE_TESTS_CRASH_SCENARIOS_H

#include "tests/crash/crash.h"

struct scenario {
    const char *name;
    const char *config;
    /* Runs, images, faults; the fakes have what world_setup() gave them. */
    void (*furnish)(struct crash *c);
    /* Called before every step: what people and other workers do. May be NULL. */
    void (*meddle)(struct crash *c);
    enum prefect_state_type end; /* of every run */
    int containers;              /* left at the end, each ended; -1: any number */
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* scenario_live - lead this life to its end, and check it. first: where its first process dies; second: where
 * the one after that does. Both may be empty plans. */
void scenario_live(const struct scenario *scenario, struct crash *c, const struct kill_plan *first,
                   const struct kill_plan *second);

#endif
