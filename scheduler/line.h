/*
 * line.h - a line of waiting launches, served in the order of core/order.h (live.place, set by whoever adds
 * them), then as they came. A heap; each launch stands in at most one line.
 */
#ifndef SLUICE_LINE_H
#define SLUICE_LINE_H

#include "live.h"

struct line {
    struct live **heap; /* borrowed */
    size_t count;
    size_t cap;
};

void line_done(struct line *line);
void line_add(struct line *line, struct live *live);
void line_remove(struct line *line, struct live *live);
/* The one to be served next, or NULL. */
struct live *line_first(const struct line *line);
/* Does a come before b? */
bool line_is_before(const struct live *a, const struct live *b);

#endif
