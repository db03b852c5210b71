/*
 * tune.h - what measured lives of containers say about an engine: where its knee is, and which settings
 * follow.
 *
 * A life is create, start, remove. A level is a number of lives whose create or start is out at once; it is
 * measured in two passes, all levels upwards and then all downwards, so that an engine that gets slower while
 * it is measured does not make the later levels look worse. Pure: samples in, rows and values out; only the
 * order of the samples is changed. Times are milliseconds.
 *
 * The knee is the least level with at least 95 % of the best rate: more in flight only adds waiting. A level
 * of which more than a tenth failed, or with too few starts, is shown and not chosen. Quantiles are by
 * nearest rank; with n samples no quantile above 1 - 1/n can be seen, so below 1,000 the p99.9 is the largest
 * sample, and the margin is larger the fewer there are.
 */
#ifndef SLUICE_CORE_TUNE_H
#define SLUICE_CORE_TUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TUNE_LEVELS_MAX 8
#define TUNE_SAMPLES_MAX 1000 /* of one call at one level */
#define TUNE_PASSES 2

/* What may be asked for: the time of all, and containers at each level (up to TUNE_SAMPLES_MAX). */
#define TUNE_TIME_MIN_MS 6000
#define TUNE_TIME_DEFAULT_MS 60000
#define TUNE_TIME_MAX_MS 3600000
#define TUNE_CONTAINERS_MIN 10
#define TUNE_CONTAINERS_DEFAULT 64

#define TUNE_KNEE_SHARE 0.95
#define TUNE_TIMEOUT_FLOOR_MS 5000

/* tune_plan - the levels worth measuring with so many containers each, rising; at least one. A pass has half
 * of them, and a level needs some rounds before its beginning and end count for little. */
size_t tune_plan(int32_t containers, int32_t out[static TUNE_LEVELS_MAX]);

enum tune_call { TUNE_CREATE, TUNE_START, TUNE_REMOVE };
#define TUNE_CALLS (TUNE_REMOVE + 1)
const char *tune_call_name(enum tune_call call); /* "create": also the key in [timeouts] */

struct tune_pass {
    int32_t starts;  /* answered well */
    int64_t took_ms; /* from the first create sent to the last start answered; 0: the pass was not made */
};

struct tune_level {
    int32_t in_flight;
    struct tune_pass passes[TUNE_PASSES];
    int32_t failures; /* lives of which a create or start failed */
    size_t counts[TUNE_CALLS];
    int32_t ms[TUNE_CALLS][TUNE_SAMPLES_MAX]; /* in any order; those that failed are not here */
};

/* tune_add - one sample; more than TUNE_SAMPLES_MAX are dropped. */
void tune_add(struct tune_level *level, enum tune_call call, int64_t took_ms);

struct tune_row {
    int32_t in_flight;
    int32_t starts;
    int32_t failures;
    double starts_per_second; /* mean of the passes that were made; 0: none */
    int64_t p50_ms[TUNE_CALLS];
    int64_t p95_ms[TUNE_CALLS];
    bool is_usable;
    const char *why_not; /* "" if usable; static text */
};

struct tune_picture {
    struct tune_row rows[TUNE_LEVELS_MAX];
    size_t count;
    int knee;       /* index of rows; -1: no usable row */
    int best;       /* the row with the best rate; -1 */
    size_t missing; /* passes that were not made */
    double drift;   /* rate of the second pass by that of the first, over levels that have both; 1 if none */
    double scatter; /* largest difference of a level's two rates, drift taken out, by their mean; 0 if none */
};

/* tune_look - count at most TUNE_LEVELS_MAX, by rising in_flight; sorts the samples in their places. */
void tune_look(struct tune_level *levels, size_t count, struct tune_picture *out);

/* tune_quantile_ms - nearest rank in sorted samples; q from 0 to 1; -1 without samples. */
int64_t tune_quantile_ms(const int32_t *sorted, size_t count, double q);

/* ---- what follows ---- */

/* One line of a configuration, and the line of evidence in front of it. */
struct tune_value {
    const char *section; /* "limits", "timeouts"; static text */
    const char *key;     /* static text */
    char value[32];
    char evidence[180]; /* with "# " a line of a configuration file, which may have 200 bytes */
};
#define TUNE_VALUES_MAX 8

/* Pulls of the image that was named; was_there: the engine had it, so that only the registry was asked. */
struct tune_pulls {
    int32_t count;
    int64_t longest_ms;
    bool was_there;
};

/* tune_advise - the values, ordered by section; 0 without a knee. The samples sorted, as tune_look leaves
 * them. */
size_t tune_advise(const struct tune_level *levels, const struct tune_picture *picture,
                   const struct tune_pulls *pulls, struct tune_value out[static TUNE_VALUES_MAX]);

/* What a reader of the values has to know; each a sentence. */
struct tune_note {
    char text[240];
};
#define TUNE_NOTES_MAX 6
size_t tune_notes(const struct tune_picture *picture, struct tune_note out[static TUNE_NOTES_MAX]);

#endif
