/*
 * columns.h - how wide the columns of a table are in the room there is.
 *
 * First the columns that may be cut give way, always the widest one, down to their least widths. If that is
 * not enough, columns are left out, the one with the highest rank first, and the others have their full width
 * again to begin with. What has rank 0 stays; if even that has no room, it is cut to the room there is, from
 * the last column on. Pure.
 */
#ifndef SLUICE_CORE_COLUMNS_H
#define SLUICE_CORE_COLUMNS_H

#include <stddef.h>

#define COLUMNS_GAP 2 /* blanks between two columns */
#define COLUMNS_MAX 32

struct column_shape {
    size_t natural; /* what its widest cell, or its title, takes; above 0 */
    size_t least;   /* it may be cut down to this; at least natural: never cut */
    int rank;       /* which are left out first; 0: never */
};

/* columns_fit - widths[i] for each column, 0 for those left out, so that all and the gaps between them take
 * at most `room` columns. count: at most COLUMNS_MAX. room 0: no limit. */
void columns_fit(const struct column_shape *shapes, size_t count, size_t room, size_t *widths);

#endif
