/*
 * history.h - whose a flow run is, read from the list of its states.
 *
 * States stand in the order in which they were asked for, so the server's "Late" mark, which came before a
 * claim, may stand behind it.
 */
#ifndef SLUICE_HISTORY_H
#define SLUICE_HISTORY_H

#include "api/prefect.h"

#include <stdbool.h>
#include <stddef.h>

struct history {
    /* Our claim and the "Submitting" behind it that nobody has scheduled or claimed away since. "Submitting"
     * alone makes nothing ours: it may have landed late, on another worker's claim. */
    bool is_ours;
    bool was_ours;                      /* our claim stands somewhere in it */
    bool ends_with_ours;                /* the present state is a claim or "Submitting" of ours */
    bool ends_with_cancel_of_ours;      /* it is CANCELLING, right behind one of ours */
    const struct prefect_state *latest; /* of our states while the run was ours; NULL: none */
    /* What the last state of ours has overwritten and should not have: an end, or a run that was scheduled
     * again after our claim. NULL: nothing. */
    const struct prefect_state *overwritten;
};

/* The transition ids of our proposals; "" where there is none. */
struct history_ids {
    const char *claim;
    const char *submitting;
    const char *hand_back;
};
/* Reads states, oldest first (protocol 4.4); the pointers are into them. A cancel right behind our own hand
 * back is ours to carry out: nobody else can claim the run any more. Pure. */
struct history history_read(const struct prefect_state *states, size_t count, const struct history_ids *ids);
/* The run is CANCELLING, and nobody had claimed it when it was cancelled. Pure; states oldest first. */
bool history_was_cancelled_unclaimed(const struct prefect_state *states, size_t count);
/* A PENDING state with that transition id; "" is nobody's. */
bool history_is_state_of(const struct prefect_state *state, const char *transition_id);

#endif
