/*
 * attempts_since.h - where the attempts that began after some moment are in a long table.
 */
#ifndef SLUICE_ATTEMPTS_SINCE_H
#define SLUICE_ATTEMPTS_SINCE_H

/* SQL for a scalar, to be compared as attempt_key > ATTEMPTS_SINCE("?1"): a key that no attempt begun at
 * since_ms or later (wall milliseconds, an SQL expression) has or is below. A row is written when its attempt
 * ended, so keys are in the order of the ends: going back from the newest in steps that double, the first row
 * that ended before since_ms is a bound, and at most twice the rows that were asked for lie behind it. There
 * is no index on the time, which would cost every saved attempt a page. */
#define ATTEMPTS_SINCE(since_ms)                                                                             \
    "(WITH RECURSIVE back (key, step) AS (SELECT max(attempt_key), 1000 FROM attempt_rows UNION ALL "        \
    "SELECT key - step, step * 2 FROM back WHERE (SELECT a.started_at_ms + a.took_ms >= " since_ms " "       \
    "FROM attempt_rows AS a WHERE a.attempt_key <= back.key ORDER BY a.attempt_key DESC LIMIT 1)) "          \
    "SELECT min(key) - 1 FROM back)"

#endif
