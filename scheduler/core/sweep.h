/*
 * sweep.h - which page of a long queue is asked for next. Values in, values out.
 *
 * A poll shows the first 200 due runs only; what lies behind them is read in pages of 200, sorted by due
 * time. A pass goes through all that is due. It is seldom, since it costs the server a request for 200 runs;
 * between two passes each full poll opens a window: what has come due since the last one, which is mostly one
 * page. A window's pages go before a pass's, so that a new run is seen soon while a long pass is on.
 *
 * The next page begins at the last page's last due time, not at a count: runs that leave meanwhile move
 * nobody to a page that was read before. Several runs may have that time; they come twice. If a whole page
 * has one due time, the runs of that time are counted through by id, where leaving runs do make gaps; the
 * next pass closes them. Times are wall ms unless they say mono.
 */
#ifndef SLUICE_CORE_SWEEP_H
#define SLUICE_CORE_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SWEEP_PAGE 200 /* runs */
#define SWEEP_FROM_FIRST INT64_MIN
/* Between the end of a pass and the next: the longer of this, and so many times what the pass took. */
#define SWEEP_PAUSE_MS 60000
#define SWEEP_PAUSE_TIMES 10
/* A window begins so long before the last one was opened: clocks differ, and a run made for "now" takes a
 * moment until it can be read. */
#define SWEEP_OVERLAP_MS 10000

struct sweep_span {
    bool is_on;
    bool is_by_id;    /* counting through the runs of after_ms */
    int64_t after_ms; /* or SWEEP_FROM_FIRST */
    int64_t before_ms;
    int64_t offset; /* with is_by_id */
};

/* Zero at first. */
struct sweep {
    struct sweep_span pass;
    struct sweep_span window;
    int64_t window_from_ms;
    int64_t began_mono_ms; /* the pass that is on, or the last one */
    int64_t due_mono_ms;   /* no pass before */
};

/* Runs due from after_ms (SWEEP_FROM_FIRST: the first) to before_ms, both included. */
struct sweep_page {
    bool is_window;
    bool is_by_id; /* sorted by id, from the offset on; else sorted by due time */
    int64_t after_ms;
    int64_t before_ms;
    int64_t offset;
};

/* sweep_open - a poll's answer was full: begin a pass or a window if it is time, up to before_ms. */
void sweep_open(struct sweep *sweep, int64_t now_mono_ms, int64_t now_wall_ms, int64_t before_ms);
/* sweep_next - the page to ask for, the same one until it is answered; false: none. */
bool sweep_next(const struct sweep *sweep, struct sweep_page *page);
/* sweep_answered - the page came with so many runs, of which the last is due at last_due_ms (if there is
 * one). True: that was the end of a pass. */
bool sweep_answered(struct sweep *sweep, const struct sweep_page *page, size_t count, int64_t last_due_ms,
                    int64_t now_mono_ms);

#endif
