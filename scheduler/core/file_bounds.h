/*
 * file_bounds.h - when the state file's history is cut short, when free pages are given back, and in how
 * small steps.
 *
 * Both begin late and end early (hysteresis), so that a file in balance is left alone: freed pages are used
 * again by what comes next.
 */
#ifndef SLUICE_CORE_FILE_BOUNDS_H
#define SLUICE_CORE_FILE_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

/* What is seen of the file. */
struct file_sight {
    int64_t bytes;
    int64_t free_bytes; /* of these, in pages that hold nothing */
    bool can_shrink;    /* free pages can be given back */
    int64_t max_bytes;  /* what it may have; 0: no limit */
};

/* Zeroed at the start. */
struct file_bounds {
    bool is_cutting;   /* the oldest finished launches go, whatever their age */
    bool is_shrinking; /* free pages are given back */
};

/* file_bounds_see - decide anew. Cutting: from more than max_bytes in use until 9/10 of it are. Shrinking:
 * once a quarter of the file, and at least 4 MiB, is free, until an eighth is; and while the file is larger
 * than max_bytes though what is in use is not. */
void file_bounds_see(struct file_bounds *bounds, const struct file_sight *sight);

#define FILE_BOUNDS_ROWS_MIN 16
#define FILE_BOUNDS_ROWS_MAX 256
#define FILE_BOUNDS_PAUSE_MIN_MS 100

/* file_bounds_rows - how many rows the next step may delete, when one of `rows` (0: none yet) took so long:
 * some 2 ms a step are aimed at. */
int64_t file_bounds_rows(int64_t rows, int64_t took_ms);

/* file_bounds_pause_ms - how long the loop is left to others before the next step: 20 times as long as the
 * last one took. */
int64_t file_bounds_pause_ms(int64_t took_ms);

#endif
