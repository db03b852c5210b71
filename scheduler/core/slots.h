/*
 * slots.h - how many launches hold what, counted from states.
 *
 * A slot is never taken or given back: it follows from the launch's row (run_holds_*), and the one mover
 * tells the difference each step makes. So a slot cannot leak.
 */
#ifndef SLUICE_CORE_SLOTS_H
#define SLUICE_CORE_SLOTS_H

#include "core/run.h"

struct slots {
    int64_t running;     /* claimed and not over: CLAIMING to CLEARING */
    int64_t launching;   /* engine calls of launches that are out or of unknown outcome */
    int64_t starting;    /* of these, the ones of STARTING */
    int64_t announcing;  /* containers created, and Prefect is being told before they are started */
    int64_t claim_ahead; /* claimed, nothing on the engine yet, and not for want of an image */
    int64_t pulling;     /* claimed, and waiting for an image */
    int64_t stopping;    /* stops that are out */
    int64_t claiming;    /* proposals of PENDING that are out */
    int64_t queued;      /* known to be due, never claimed */
};

/* slots_change - a launch went from `before` to `after`; either may be NULL (not there). */
void slots_change(struct slots *slots, const struct run *before, const struct run *after);
bool slots_equal(const struct slots *a, const struct slots *b);

#endif
