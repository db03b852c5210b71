/*
 * meters.h - what has been done, counted: numbers that only rise, from the start of the process on.
 *
 * Who does something says so here in one call, and knows nothing of who reads: /metrics, the alerts, the
 * status page. All state is plain memory of fixed size per class, so that telling costs nanoseconds. What
 * is now (queue, limits, breakers) is not here but in snapshot.h.
 *
 * Classes: each of the configuration has counters of its own; those of a class that leaves it at a reload
 * are kept under their name (a counter must not fall), METERS_CLASSES_MAX at most; others count as "other".
 */
#ifndef SLUICE_METERS_H
#define SLUICE_METERS_H

#include "config.h"
#include "core/classify.h"
#include "core/histogram.h"
#include "core/run_step.h"

struct meters;

#define METERS_CLASSES_MAX 64

/* As in the view `attempts`. */
#define METERS_OUTCOMES(X)                                                                                   \
    X(OK, "ok")                                                                                              \
    X(TIMEOUT, "timeout")                                                                                    \
    X(ERROR, "error")                                                                                        \
    X(CANCELLED, "cancelled")

enum meters_outcome {
#define X(name, text) METERS_##name,
    METERS_OUTCOMES(X)
#undef X
};
#define METERS_OUTCOME_COUNT (METERS_CANCELLED + 1)

const char *meters_outcome_name(enum meters_outcome outcome);

struct meters *meters_new(const struct config *config);
void meters_free(struct meters *meters);
void meters_set_config(struct meters *meters, const struct config *config);

/* ---- telling; meters may be NULL: nobody counts ---- */

struct meters_attempt {
    enum stage stage;
    enum meters_outcome outcome;
    enum clock_kind clock;        /* TIMEOUT: which ran out */
    enum error_class error_class; /* ERROR and TIMEOUT */
    const char *class_name;       /* "": belongs to no launch */
    int64_t took_ms;
    int64_t timeout_ms; /* the whole clock; 0: none */
};
/* A line of `attempts`. */
void meters_attempt(struct meters *meters, const struct meters_attempt *attempt);
/*
 * A launch has moved (or stayed) by an event: tells claims, starts with how late they were, ends of claimed
 * launches with their verdict, parkings, and retries: a request failed, and its launch is not given up.
 */
void meters_step(struct meters *meters, const char *class_name, const struct run *before,
                 const struct run *after, const struct run_event *event);
/* An HTTP call has ended. endpoint: of call_route(); METERS_ENDPOINTS_MAX of them, the rest is "other".
 * status 0: no answer came. took_ms -1: a stream, whose length says nothing; it is counted only. */
#define METERS_ENDPOINTS_MAX 48
void meters_call(struct meters *meters, enum dependency dependency, const char *endpoint, int status,
                 int64_t took_ms);
/* A commit of the state file took so long. */
void meters_commit(struct meters *meters, int64_t took_us);
/* A timer rang so much later than it should have: for so long the loop was not free. */
void meters_loop_lag(struct meters *meters, int64_t late_us);

/* ---- reading ---- */

struct meters_class {
    const char *name; /* borrowed */
    uint64_t claims;
    uint64_t starts;
    uint64_t ends[RUN_VERDICT_COUNT];
    uint64_t parked;
    uint64_t retries[ERROR_CLASS_COUNT];
    uint64_t attempts[STAGE_COUNT];
    uint64_t timeouts[STAGE_COUNT][CLOCK_KIND_COUNT];
    uint64_t errors[STAGE_COUNT];
};
struct meters_endpoint {
    enum dependency dependency;
    const char *name;      /* borrowed */
    uint64_t by_status[6]; /* 0: no answer; 1..5: by the first digit */
    struct histogram took; /* histogram_seconds */
};

size_t meters_class_count(const struct meters *meters);
const struct meters_class *meters_class(const struct meters *meters, size_t index);
size_t meters_endpoint_count(const struct meters *meters);
const struct meters_endpoint *meters_endpoint(const struct meters *meters, size_t index);
/* histogram_seconds: how long attempts took. */
const struct histogram *meters_took(const struct meters *meters, enum stage stage,
                                    enum meters_outcome outcome);
/* histogram_share: of the whole timeout, by attempts that had one. */
const struct histogram *meters_share(const struct meters *meters, enum stage stage,
                                     enum meters_outcome outcome);
const struct histogram *meters_lateness(const struct meters *meters); /* due to started; histogram_lateness */
const struct histogram *meters_commits(const struct meters *meters);  /* histogram_short */
const struct histogram *meters_loop_lags(const struct meters *meters); /* histogram_short */

/* All classes and stages, for who compares two moments. */
struct meters_totals {
    uint64_t claims;
    uint64_t starts;
    uint64_t launches_ended;  /* of claimed ones */
    uint64_t launches_failed; /* of these, given up before their container ran */
    uint64_t attempts[STAGE_COUNT];
    uint64_t timeouts[STAGE_COUNT]; /* of these */
    uint64_t errors[STAGE_COUNT];   /* of these */
};
struct meters_totals meters_totals(const struct meters *meters);

#endif
