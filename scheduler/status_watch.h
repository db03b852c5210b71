/*
 * status_watch.h - a picture of text that is drawn again and again, as top does.
 *
 * On a terminal that can move its cursor: on its alternate screen, cut to its height, again at once when its
 * size changes; q, Ctrl-C, SIGTERM, SIGQUIT and SIGHUP end it, Ctrl-Z stops it, and each way the terminal is
 * given back as it was. Elsewhere pictures follow each other.
 */
#ifndef SLUICE_STATUS_WATCH_H
#define SLUICE_STATUS_WATCH_H

#include "terminal.h"

#include <stdint.h>
#include <stdio.h>

struct status_watch_settings {
    FILE *out;
    int64_t interval_ms;
    bool is_plain; /* never on the alternate screen, and nothing between pictures (JSON lines) */
    enum terminal_color color;
    bool is_wide;
    /* Writes one picture; false: the end, what went wrong is said. */
    bool (*draw)(void *arg, const struct terminal *terminal, FILE *out);
    void *arg;
};

/* status_watch - until it is ended: true by a person (q, Ctrl-C), or false by draw(), or since out can't be
 * written. SIGTERM, SIGQUIT and SIGHUP end the process. */
bool status_watch(const struct status_watch_settings *settings);

/* status_watch_cut - the first `rows` lines of a picture; if there are more, the last of them says how many.
 * malloc'ed. For tests. */
char *status_watch_cut(const struct terminal *terminal, const char *picture, size_t rows);

#endif
