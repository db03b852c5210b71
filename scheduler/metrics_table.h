/*
 * metrics_table.h - every family of metrics: name, type, unit, labels, what it tells.
 *
 * The one place where a metric's name is written; docs/metrics.md, the alerts and the dashboard in packaging/
 * are held against it by tests. Names are those of OpenMetrics: a counter's and an info's without "_total"
 * and "_info", which the samples have.
 */
#ifndef SLUICE_METRICS_TABLE_H
#define SLUICE_METRICS_TABLE_H

enum metrics_type { METRICS_GAUGE, METRICS_COUNTER, METRICS_HISTOGRAM, METRICS_INFO };

struct metrics_family {
    const char *name;
    enum metrics_type type;
    const char *unit;   /* the name ends in it; "": none */
    const char *labels; /* "stage, outcome"; "": none. A histogram's buckets have "le" besides */
    const char *help;
};

#define METRICS_FAMILIES(X)                                                                                  \
    X(BUILD)                                                                                                 \
    X(UPTIME)                                                                                                \
    X(PAUSED)                                                                                                \
    X(DRAINING)                                                                                              \
    X(ONLINE)                                                                                                \
    X(REACHABLE)                                                                                             \
    X(POLL_AGE)                                                                                              \
    X(POLL_INTERVAL)                                                                                         \
    X(LAUNCHES)                                                                                              \
    X(QUEUED)                                                                                                \
    X(DUE)                                                                                                   \
    X(OLDEST_DUE)                                                                                            \
    X(PARKED)                                                                                                \
    X(CLASS_RUNNING)                                                                                         \
    X(CLASS_RUNNING_LIMIT)                                                                                   \
    X(CLASS_TOKENS)                                                                                          \
    X(CLASS_RATE_LIMIT)                                                                                      \
    X(TOKENS)                                                                                                \
    X(RATE_LIMIT)                                                                                            \
    X(SLOTS)                                                                                                 \
    X(SLOTS_LIMIT)                                                                                           \
    X(SLOTS_LEARNED)                                                                                         \
    X(LEARNED_TIMEOUT)                                                                                       \
    X(BREAKER_OPEN)                                                                                          \
    X(BUDGET)                                                                                                \
    X(CLAIMS)                                                                                                \
    X(STARTS)                                                                                                \
    X(CLASS_ATTEMPTS)                                                                                        \
    X(ENDS)                                                                                                  \
    X(PARKINGS)                                                                                              \
    X(RETRIES)                                                                                               \
    X(TIMEOUTS)                                                                                              \
    X(ATTEMPT_DURATION)                                                                                      \
    X(TIMEOUT_USED)                                                                                          \
    X(LATENESS)                                                                                              \
    X(CALLS)                                                                                                 \
    X(CALL_SECONDS)                                                                                          \
    X(CALL_DURATION)                                                                                         \
    X(COMMIT)                                                                                                \
    X(LOOP_LAG)                                                                                              \
    X(LOST)                                                                                                  \
    X(STATE_FILE)                                                                                            \
    X(STATE_DAMAGED)                                                                                         \
    X(DISK_FREE)                                                                                             \
    X(DISK_SIZE)                                                                                             \
    X(LEFT_OUT)                                                                                              \
    X(PROCESS_CPU)                                                                                           \
    X(PROCESS_RESIDENT)                                                                                      \
    X(PROCESS_VIRTUAL)                                                                                       \
    X(PROCESS_FDS)                                                                                           \
    X(PROCESS_FDS_MAX)                                                                                       \
    X(PROCESS_START)

enum metrics_id {
#define X(id) METRICS_##id,
    METRICS_FAMILIES(X)
#undef X
};
#define METRICS_FAMILY_COUNT (METRICS_PROCESS_START + 1)

const struct metrics_family *metrics_family(enum metrics_id id);
/* "gauge", "counter", "histogram", "info". */
const char *metrics_type_name(enum metrics_type type);

#endif
