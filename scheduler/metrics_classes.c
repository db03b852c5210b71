#include "metrics_internal.h"

/* ---- what is now ---- */

/* Classes that are shown by themselves: as many as have counters of their own. The last of the snapshot's is
 * of no class of the configuration. */
static size_t own_count(const struct snapshot *now)
{
    size_t configured = now->class_count > 0 ? now->class_count - 1 : 0;
    return configured < METERS_CLASSES_MAX ? configured : METERS_CLASSES_MAX;
}

/* What is shown as one. An age is the oldest one's; tokens and limits of several are nobody's. */
static struct snapshot_class rest_of(const struct snapshot *now)
{
    struct snapshot_class rest = {.name = METRICS_OTHER};
    for (size_t i = own_count(now); i < now->class_count; i++) {
        const struct snapshot_class *c = &now->classes[i];
        rest.queued += c->queued;
        rest.due += c->due;
        rest.running += c->running;
        rest.states[RUN_STATE_PARKED] += c->states[RUN_STATE_PARKED];
        if (c->oldest_due_ms != 0 && (rest.oldest_due_ms == 0 || c->oldest_due_ms < rest.oldest_due_ms))
            rest.oldest_due_ms = c->oldest_due_ms;
    }
    return rest;
}

static double queued(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return (double)c->queued;
}

static double due(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return (double)c->due;
}

static double oldest_due_seconds(const struct snapshot *now, const struct snapshot_class *c)
{
    int64_t age_ms = c->oldest_due_ms == 0 ? 0 : now->now_ms - c->oldest_due_ms;
    return age_ms > 0 ? (double)age_ms / 1000 : 0;
}

static double parked(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return (double)c->states[RUN_STATE_PARKED];
}

static double running(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return (double)c->running;
}

/* Below zero: not written. */
static double running_limit(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return c->running_limit > 0 ? (double)c->running_limit : -1;
}

static double tokens(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return c->starts_per_second <= 0 ? -1 : c->tokens > 0 ? c->tokens : 0;
}

static double rate_limit(const struct snapshot *now, const struct snapshot_class *c)
{
    (void)now;
    return c->starts_per_second > 0 ? c->starts_per_second : -1;
}

static const struct {
    enum metrics_id family;
    double (*value)(const struct snapshot *now, const struct snapshot_class *c);
} gauges[] = {
    {METRICS_QUEUED, queued},
    {METRICS_DUE, due},
    {METRICS_OLDEST_DUE, oldest_due_seconds},
    {METRICS_PARKED, parked},
    {METRICS_CLASS_RUNNING, running},
    {METRICS_CLASS_RUNNING_LIMIT, running_limit},
    {METRICS_CLASS_TOKENS, tokens},
    {METRICS_CLASS_RATE_LIMIT, rate_limit},
};

static void write_gauge(struct metrics_scrape *s, size_t which, const struct snapshot_class *c)
{
    double value = gauges[which].value(s->view->now, c);
    if (value >= 0)
        metrics_text_value(s->text, METRICS_LABEL({"class", c->name}), value);
}

struct learned_writer {
    struct metrics_scrape *scrape;
    size_t count;
};

static void on_learned(void *arg, const char *class_name, enum stage stage, enum clock_kind clock, int64_t ms)
{
    struct learned_writer *w = arg;
    if (w->count++ >= METRICS_LEARNED_SERIES_MAX)
        w->scrape->left_out++;
    else
        metrics_text_value(w->scrape->text,
                           METRICS_LABEL({"class", class_name}, {"stage", stage_name(stage)},
                                         {"clock", clock_kind_name(clock)}),
                           (double)ms / 1000);
}

void metrics_write_class_gauges(struct metrics_scrape *s)
{
    const struct snapshot *now = s->view->now;
    struct snapshot_class rest = rest_of(now);
    for (size_t i = 0; i < ARRAY_LEN(gauges); i++) {
        metrics_text_begin(s->text, gauges[i].family);
        for (size_t k = 0; k < own_count(now); k++)
            write_gauge(s, i, &now->classes[k]);
        write_gauge(s, i, &rest);
    }
    metrics_text_begin(s->text, METRICS_LEARNED_TIMEOUT);
    if (s->view->timeouts != NULL)
        learned_timeouts_each(s->view->timeouts, on_learned, &(struct learned_writer){s, 0});
}

/* ---- what was done ---- */

/* The last is of no class by itself. */
static bool is_rest(const struct metrics_view *view, size_t index)
{
    return index + 1 == meters_class_count(view->done);
}

static const char *class_label(const struct metrics_view *view, size_t index)
{
    return is_rest(view, index) ? METRICS_OTHER : meters_class(view->done, index)->name;
}

static void write_counter(struct metrics_scrape *s, enum metrics_id family,
                          uint64_t (*value)(const struct meters_class *c))
{
    metrics_text_begin(s->text, family);
    for (size_t i = 0; i < meters_class_count(s->view->done); i++)
        metrics_text_count(s->text, METRICS_LABEL({"class", class_label(s->view, i)}),
                           value(meters_class(s->view->done, i)));
}

static uint64_t claims(const struct meters_class *c)
{
    return c->claims;
}

static uint64_t starts(const struct meters_class *c)
{
    return c->starts;
}

static uint64_t attempts(const struct meters_class *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        sum += c->attempts[i];
    return sum;
}

/* Where a series goes that has a value: by itself while there is room. Once decided it stays so. */
static bool is_own(unsigned char *place, uint64_t value, size_t *series, size_t max)
{
    if (*place == METRICS_UNSEEN && value > 0) {
        bool has_room = *series < max;
        *place = has_room ? METRICS_OWN : METRICS_IN_OTHER;
        *series += has_room ? 1 : 0;
    }
    return *place == METRICS_OWN;
}

static void write_retries_of(struct metrics_scrape *s, size_t index, uint64_t other[ERROR_CLASS_COUNT])
{
    const struct meters_class *c = meters_class(s->view->done, index);
    for (size_t k = 0; k < ERROR_CLASS_COUNT; k++) {
        if (!is_rest(s->view, index) && is_own(&s->places->retries[index][k], c->retries[k],
                                               &s->places->retry_series, METRICS_RETRY_SERIES_MAX)) {
            metrics_text_count(
                s->text,
                METRICS_LABEL({"class", c->name}, {"error_class", error_class_name((enum error_class)k)}),
                c->retries[k]);
            continue;
        }
        other[k] += c->retries[k];
        s->left_out += c->retries[k] > 0 && !is_rest(s->view, index) ? 1 : 0;
    }
}

static void write_retries(struct metrics_scrape *s)
{
    uint64_t other[ERROR_CLASS_COUNT] = {0};
    metrics_text_begin(s->text, METRICS_RETRIES);
    for (size_t i = 0; i < meters_class_count(s->view->done); i++)
        write_retries_of(s, i, other);
    for (size_t k = 0; k < ERROR_CLASS_COUNT; k++)
        if (other[k] > 0)
            metrics_text_count(s->text,
                               METRICS_LABEL({"class", METRICS_OTHER},
                                             {"error_class", error_class_name((enum error_class)k)}),
                               other[k]);
}

static void write_timeout(struct metrics_scrape *s, const char *class_name, size_t stage, size_t clock,
                          uint64_t value)
{
    metrics_text_count(s->text,
                       METRICS_LABEL({"class", class_name}, {"stage", stage_name((enum stage)stage)},
                                     {"clock", clock_kind_name((enum clock_kind)clock)}),
                       value);
}

typedef uint64_t timeout_table[STAGE_COUNT][CLOCK_KIND_COUNT];

static void write_timeouts_of(struct metrics_scrape *s, size_t index, timeout_table other)
{
    const struct meters_class *c = meters_class(s->view->done, index);
    for (size_t stage = 0; stage < STAGE_COUNT; stage++) {
        for (size_t clock = CLOCK_KIND_NONE + 1; clock < CLOCK_KIND_COUNT; clock++) {
            uint64_t value = c->timeouts[stage][clock];
            if (!is_rest(s->view, index) && is_own(&s->places->timeouts[index][stage][clock], value,
                                                   &s->places->timeout_series, METRICS_TIMEOUT_SERIES_MAX)) {
                write_timeout(s, c->name, stage, clock, value);
                continue;
            }
            other[stage][clock] += value;
            s->left_out += value > 0 && !is_rest(s->view, index) ? 1 : 0;
        }
    }
}

static void write_timeouts(struct metrics_scrape *s)
{
    timeout_table other = {{0}};
    metrics_text_begin(s->text, METRICS_TIMEOUTS);
    for (size_t i = 0; i < meters_class_count(s->view->done); i++)
        write_timeouts_of(s, i, other);
    for (size_t stage = 0; stage < STAGE_COUNT; stage++)
        for (size_t clock = 0; clock < CLOCK_KIND_COUNT; clock++)
            if (other[stage][clock] > 0)
                write_timeout(s, METRICS_OTHER, stage, clock, other[stage][clock]);
}

void metrics_write_class_counters(struct metrics_scrape *s)
{
    write_counter(s, METRICS_CLAIMS, claims);
    write_counter(s, METRICS_STARTS, starts);
    write_counter(s, METRICS_CLASS_ATTEMPTS, attempts);
    write_retries(s);
    write_timeouts(s);
}
