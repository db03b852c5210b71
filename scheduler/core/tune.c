#include "core/tune.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MIN 2      /* lives of a pass by lives in flight */
#define STARTS_MIN 5      /* fewer say nothing about a rate */
#define STARTS_WANTED 20  /* a rate of fewer is a rough one: said */
#define FAILURES_MAX 0.1  /* a level is no choice if more of its lives failed */
#define DRIFT_NOTED 0.15  /* the two passes differ by more than so much: said */
#define SCATTER_NOTED 0.1 /* more than twice the share that the knee may lie below the best */
#define RATE_SHARE 0.9    /* of the knee's rate is for starts: stops, looks and removals want some, too */
#define BURST_MIN 2       /* with 1 a start that comes late is lost for good (core/bucket.h) */

size_t tune_plan(int32_t containers, int32_t out[static TUNE_LEVELS_MAX])
{
    static const int32_t levels[] = {1, 2, 3, 4, 6, 8, 16};
    _Static_assert(ARRAY_LEN(levels) <= TUNE_LEVELS_MAX, "out has room for all");
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (levels[i] == 1 || levels[i] * TUNE_PASSES * ROUNDS_MIN <= containers)
            out[count++] = levels[i];
    return count;
}

const char *tune_call_name(enum tune_call call)
{
    static const char *const names[] = {"create", "start", "remove"};
    return names[call];
}

void tune_add(struct tune_level *level, enum tune_call call, int64_t took_ms)
{
    if (level->counts[call] == TUNE_SAMPLES_MAX)
        return;
    int64_t ms = took_ms < INT32_MAX ? took_ms : INT32_MAX;
    level->ms[call][level->counts[call]++] = (int32_t)ms;
}

static int compare_ms(const void *a, const void *b)
{
    const int32_t *x = a;
    const int32_t *y = b;
    return (*x > *y) - (*x < *y);
}

int64_t tune_quantile_ms(const int32_t *sorted, size_t count, double q)
{
    if (count == 0)
        return -1;
    double rank = ceil(q * (double)count - 1e-9);
    size_t place = rank < 1 ? 1 : (size_t)rank;
    return sorted[(place < count ? place : count) - 1];
}

/* ---- the picture ---- */

static double rate_of(const struct tune_pass *pass)
{
    return pass->took_ms > 0 ? 1000.0 * pass->starts / (double)pass->took_ms : 0;
}

/* The mean of the rates, not all starts by all time, in which the slower pass would count for more: of an
 * engine that slows down evenly every level has the same mean loss. */
static double mean_rate(const struct tune_level *level)
{
    double sum = 0;
    int n = 0;
    for (int i = 0; i < TUNE_PASSES; i++) {
        sum += rate_of(&level->passes[i]);
        n += level->passes[i].took_ms > 0;
    }
    return n == 0 ? 0 : sum / n;
}

static struct tune_row make_row(const struct tune_level *level)
{
    struct tune_row row = {.in_flight = level->in_flight, .failures = level->failures, .why_not = ""};
    for (int i = 0; i < TUNE_PASSES; i++)
        row.starts += level->passes[i].starts;
    row.starts_per_second = mean_rate(level);
    for (int call = 0; call < TUNE_CALLS; call++) {
        row.p50_ms[call] = tune_quantile_ms(level->ms[call], level->counts[call], 0.5);
        row.p95_ms[call] = tune_quantile_ms(level->ms[call], level->counts[call], 0.95);
    }
    if (row.failures > FAILURES_MAX * (row.starts + row.failures))
        row.why_not = "too many failed";
    else if (row.starts < STARTS_MIN || row.starts < row.in_flight)
        row.why_not = "too few starts";
    row.is_usable = row.why_not[0] == '\0';
    return row;
}

static bool has_both(const struct tune_level *level)
{
    return rate_of(&level->passes[0]) > 0 && rate_of(&level->passes[1]) > 0;
}

/* The mean of the levels' ratios, as a product's: one level twice as fast and one half as fast is no drift.
 */
static double drift_of(const struct tune_level *levels, size_t count)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_both(&levels[i]))
            continue;
        sum += log(rate_of(&levels[i].passes[1]) / rate_of(&levels[i].passes[0]));
        n++;
    }
    return n == 0 ? 1 : exp(sum / n);
}

static double scatter_of(const struct tune_level *levels, size_t count, double drift)
{
    double scatter = 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_both(&levels[i]))
            continue;
        double first = rate_of(&levels[i].passes[0]) * drift;
        double second = rate_of(&levels[i].passes[1]);
        double difference = fabs(second - first) / ((first + second) / 2);
        scatter = difference > scatter ? difference : scatter;
    }
    return scatter;
}

void tune_look(struct tune_level *levels, size_t count, struct tune_picture *out)
{
    CHECK(count <= TUNE_LEVELS_MAX);
    *out = (struct tune_picture){.count = count, .knee = -1, .best = -1};
    for (size_t i = 0; i < count; i++) {
        for (int call = 0; call < TUNE_CALLS; call++)
            qsort(levels[i].ms[call], levels[i].counts[call], sizeof(levels[i].ms[call][0]), compare_ms);
        out->rows[i] = make_row(&levels[i]);
        for (int pass = 0; pass < TUNE_PASSES; pass++)
            out->missing += levels[i].passes[pass].took_ms == 0;
        bool is_better =
            out->best < 0 || out->rows[i].starts_per_second > out->rows[out->best].starts_per_second;
        if (out->rows[i].is_usable && is_better)
            out->best = (int)i;
    }
    for (size_t i = 0; i < count && out->knee < 0 && out->best >= 0; i++)
        if (out->rows[i].is_usable &&
            out->rows[i].starts_per_second >= TUNE_KNEE_SHARE * out->rows[out->best].starts_per_second)
            out->knee = (int)i;
    out->drift = drift_of(levels, count);
    out->scatter = scatter_of(levels, count, out->drift);
}

/* ---- values ---- */

static struct tune_value *add_value(struct tune_value *out, size_t *count, const char *section,
                                    const char *key)
{
    CHECK(*count < TUNE_VALUES_MAX);
    struct tune_value *value = &out[(*count)++];
    *value = (struct tune_value){.section = section, .key = key};
    return value;
}

static void advise_launching(const struct tune_picture *p, struct tune_value *out)
{
    const struct tune_row *knee = &p->rows[p->knee];
    const struct tune_row *best = &p->rows[p->best];
    snprintf(out->value, sizeof(out->value), "%d", knee->in_flight);
    if (p->knee == p->best)
        snprintf(out->evidence, sizeof(out->evidence),
                 "the best of %zu levels: %.1f starts/s with %d in flight (%d starts measured)", p->count,
                 knee->starts_per_second, knee->in_flight, knee->starts);
    else
        snprintf(
            out->evidence, sizeof(out->evidence),
            "%.1f starts/s with %d in flight, %.0f %% of the best, %.1f with %d (%d and %d starts measured)",
            knee->starts_per_second, knee->in_flight, 100 * knee->starts_per_second / best->starts_per_second,
            best->starts_per_second, best->in_flight, knee->starts, best->starts);
}

static void advise_rate(const struct tune_row *knee, struct tune_value *out)
{
    double rate = knee->starts_per_second * RATE_SHARE;
    double rounded = rate >= 1 ? floor(rate * 10) / 10 : floor(rate * 1000) / 1000;
    snprintf(out->value, sizeof(out->value), "%.*f", rate >= 1 ? 1 : 3, rounded > 0.001 ? rounded : 0.001);
    snprintf(out->evidence, sizeof(out->evidence),
             "%.0f %% of %.1f/s, so that stops, looks and removals have their share", 100 * RATE_SHARE,
             knee->starts_per_second);
}

static void advise_burst(const struct tune_row *knee, struct tune_value *out)
{
    int32_t burst = knee->in_flight > BURST_MIN ? knee->in_flight : BURST_MIN;
    snprintf(out->value, sizeof(out->value), "%d", burst);
    snprintf(out->evidence, sizeof(out->evidence), "%s",
             burst == knee->in_flight ? "one round in flight may start at once"
                                      : "the least that makes up for a start that came late");
}

/* Fewer samples have seen less of what is rare. */
static int margin_of(size_t samples)
{
    if (samples >= 1000)
        return 3;
    return samples >= 100 ? 5 : 10;
}

/* Whole seconds, upwards. */
static int64_t whole_seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* The samples of the levels up to the knee: that is how the engine will be used. Returns their number, and
 * their p99.9, which is among the largest: so many of them are looked for from the top. */
static size_t pooled_p999(const struct tune_level *levels, int knee, enum tune_call call, int64_t *p999_ms)
{
    size_t total = 0;
    size_t left[TUNE_LEVELS_MAX] = {0};
    for (int i = 0; i <= knee; i++)
        total += left[i] = levels[i].counts[call];
    *p999_ms = -1;
    for (size_t above = total / 1000 + 1; above > 0 && total > 0; above--) {
        int top = -1;
        for (int i = 0; i <= knee; i++)
            if (left[i] > 0 &&
                (top < 0 || levels[i].ms[call][left[i] - 1] > levels[top].ms[call][left[top] - 1]))
                top = i;
        if (top < 0)
            break;
        *p999_ms = levels[top].ms[call][--left[top]];
    }
    return total;
}

static void advise_timeout(const struct tune_level *levels, int knee, enum tune_call call,
                           struct tune_value *out)
{
    int64_t p999_ms;
    size_t samples = pooled_p999(levels, knee, call, &p999_ms);
    int margin = margin_of(samples);
    int64_t ms = p999_ms * margin;
    const char *floor_text = ms < TUNE_TIMEOUT_FLOOR_MS ? ", but no less than 5 s" : "";
    ms = ms < TUNE_TIMEOUT_FLOOR_MS ? TUNE_TIMEOUT_FLOOR_MS : ms;
    snprintf(out->value, sizeof(out->value), "%llds", (long long)whole_seconds(ms));
    if (samples >= 1000)
        snprintf(out->evidence, sizeof(out->evidence), "%d x the p99.9 of %zu, %lld ms%s", margin, samples,
                 (long long)p999_ms, floor_text);
    else
        snprintf(out->evidence, sizeof(out->evidence),
                 "%d x the longest of %zu, %lld ms%s; a p99.9 takes 1000 samples, so the margin is wide",
                 margin, samples, (long long)p999_ms, floor_text);
}

#define PULL_MARGIN 10
#define PULL_FLOOR_MS 60000

static void advise_pull(const struct tune_pulls *pulls, struct tune_value *out)
{
    int64_t ms = pulls->longest_ms * PULL_MARGIN;
    ms = ms < PULL_FLOOR_MS ? PULL_FLOOR_MS : ms;
    snprintf(out->value, sizeof(out->value), "%llds", (long long)whole_seconds(ms));
    snprintf(out->evidence, sizeof(out->evidence),
             "%d x the longest of %d, %lld ms, but no less than 60 s; other images and days take longer",
             PULL_MARGIN, pulls->count, (long long)pulls->longest_ms);
}

size_t tune_advise(const struct tune_level *levels, const struct tune_picture *picture,
                   const struct tune_pulls *pulls, struct tune_value out[static TUNE_VALUES_MAX])
{
    size_t count = 0;
    if (picture->knee < 0)
        return 0;
    const struct tune_row *knee = &picture->rows[picture->knee];
    advise_rate(knee, add_value(out, &count, "limits", "starts_per_second"));
    advise_burst(knee, add_value(out, &count, "limits", "start_burst"));
    advise_launching(picture, add_value(out, &count, "limits", "launching"));
    for (int call = 0; call < TUNE_CALLS; call++)
        if (levels[picture->knee].counts[call] > 0)
            advise_timeout(levels, picture->knee, (enum tune_call)call,
                           add_value(out, &count, "timeouts", tune_call_name((enum tune_call)call)));
    if (pulls->count > 0 && !pulls->was_there)
        advise_pull(pulls, add_value(out, &count, "timeouts", "pull"));
    return count;
}

/* ---- notes ---- */

static int32_t count_failures(const struct tune_picture *p)
{
    int32_t failures = 0;
    for (size_t i = 0; i < p->count; i++)
        failures += p->rows[i].failures;
    return failures;
}

size_t tune_notes(const struct tune_picture *p, struct tune_note out[static TUNE_NOTES_MAX])
{
    size_t n = 0;
#define NOTE(...) snprintf(out[n].text, sizeof(out[n].text), __VA_ARGS__), n++
    size_t usable = 0;
    for (size_t i = 0; i < p->count; i++)
        usable += p->rows[i].is_usable;
    if (usable == 0)
        NOTE("No level has enough good starts for a recommendation; give more --time.");
    else if (usable == 1)
        NOTE("Only one level could be used, so this is no knee; give more --time or --containers.");
    else if (p->knee == (int)p->count - 1)
        NOTE("The highest level is the best; more in flight may be better still.");
    if (p->knee >= 0 && (p->missing > 0 || p->rows[p->knee].starts < STARTS_WANTED))
        NOTE("Little fitted into the time: %zu of %zu passes are missing, and the knee rests on %d starts; "
             "give more --time.",
             p->missing, TUNE_PASSES * p->count, p->rows[p->knee].starts);
    if (p->drift < 1 - DRIFT_NOTED || p->drift > 1 + DRIFT_NOTED)
        NOTE("The engine got %s while it was measured: the second pass made %.0f %% of the first's rate. "
             "Something else uses it, or containers pile up on it.",
             p->drift < 1 ? "slower" : "faster", 100 * p->drift);
    if (p->scatter > SCATTER_NOTED && usable > 1)
        NOTE("Two passes of one level differ by up to %.0f %%, so the knee may lie a level off; more "
             "--containers and --time tell.",
             100 * p->scatter);
    if (count_failures(p) > 0)
        NOTE("%d of the containers failed; they are in no rate and no timeout.", count_failures(p));
#undef NOTE
    return n;
}
