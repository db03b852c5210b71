/*
 * progress.h - how far long work is, on one line of a terminal that is drawn again and again.
 *
 * Where the cursor can't be moved, news come as lines of their own; where nobody looks, nothing is written.
 */
#ifndef SLUICE_PROGRESS_H
#define SLUICE_PROGRESS_H

#include "terminal.h"

#include <stdio.h>

struct progress {
    struct terminal terminal;
    FILE *out; /* borrowed */
    bool is_shown;
};

/* progress_of - looks at the terminal behind out, which should be stderr: results go to stdout. */
struct progress progress_of(FILE *out);
/* progress_show - share: 0..1. is_news: the text says something that was not said before. */
void progress_show(struct progress *progress, double share, const char *text, bool is_news);
/* progress_clear - before anything else is written there, and at the end. */
void progress_clear(struct progress *progress);

/* progress_line - "[###   ]  50%  text", of less than the terminal's columns; the bar gives way to the text.
 * malloc'ed. For tests. */
char *progress_line(const struct terminal *terminal, double share, const char *text);

#endif
