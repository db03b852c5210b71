/*
 * lanes.h - launches of one class that wait to be claimed, in lines by what they count against (values.h).
 *
 * All of a lane count against the same values, so a lane may go on or not as a whole: ten thousand blocked
 * ones cost nothing. Lanes that may go on are a heap by their first launch; one whose value turns out to be
 * full waits aside, at that value, until lanes_reopen().
 */
#ifndef SLUICE_LANES_H
#define SLUICE_LANES_H

#include "index.h"
#include "line.h"
#include "values.h"

struct lane;

struct lanes {
    struct lane **heap; /* those that may go on, as far as is known */
    size_t open_count;
    size_t cap;
    struct index by_key;
    size_t count; /* launches */
};

void lanes_done(struct lanes *lanes);
void lanes_add(struct lanes *lanes, struct live *live);
void lanes_remove(struct lanes *lanes, struct live *live);
/* The launch to be claimed next, of those whose values have room; NULL: none. */
struct live *lanes_first(struct lanes *lanes);
/* The value may have room again: lanes that wait for it are looked at anew. */
void lanes_reopen(struct value *value);

#endif
