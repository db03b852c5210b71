#include "core/timeout.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SHARE 0.999
/* The margin gives way where it would make the wait as long as the fixed value's: down to this. */
#define LEAST_MARGIN 1.25
#define SOONER 0.9
/* The form of the text; another one is not read. */
#define FORM "q1"
/* No value of a day's length or more makes sense here, and sums stay far from overflow. */
#define LONGEST_MS (INT64_C(366) * 24 * 3600 * 1000)
#define SAMPLES_MAX INT64_C(1000000000000000)

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

bool timeout_is_learned(const struct timeout *t, const struct timeout_policy *policy)
{
    return t->samples >= policy->min_samples;
}

static int64_t base_ms(const struct timeout *t, const struct timeout_policy *policy)
{
    if (!timeout_is_learned(t, policy))
        return policy->fixed_ms;
    double took_ms = (double)quantile_ms(&t->took, SHARE);
    double wanted_ms =
        fmin(policy->margin * took_ms, fmax(SOONER * (double)policy->fixed_ms, LEAST_MARGIN * took_ms));
    return clamp((int64_t)fmin(wanted_ms, (double)policy->ceiling_ms), policy->floor_ms, policy->ceiling_ms);
}

int64_t timeout_ms(const struct timeout *t, const struct timeout_policy *policy)
{
    int64_t base = base_ms(t, policy);
    int64_t raised = t->raised_ms < policy->ceiling_ms ? t->raised_ms : policy->ceiling_ms;
    return raised > base ? raised : base;
}

static void add(struct timeout *t, int64_t took_ms)
{
    quantile_add(&t->took, took_ms);
    if (t->samples < SAMPLES_MAX)
        t->samples++;
}

void timeout_done(struct timeout *t, int64_t took_ms)
{
    add(t, took_ms);
    t->raised_ms = 0;
}

void timeout_expired(struct timeout *t, const struct timeout_policy *policy, int64_t used_ms)
{
    if (used_ms >= timeout_ms(t, policy) && used_ms < policy->ceiling_ms)
        t->raised_ms = clamp(2 * used_ms, 0, policy->ceiling_ms);
}

void timeout_late(struct timeout *t, const struct timeout_policy *policy, int64_t used_ms, int64_t seen_ms)
{
    /* When it was seen may say more of us (a restart, a backoff) than of the operation. */
    int64_t most_ms = used_ms > policy->ceiling_ms ? used_ms : policy->ceiling_ms;
    add(t, clamp(seen_ms, used_ms, most_ms));
}

void timeout_save(const struct timeout *t, char text[static TIMEOUT_TEXT_SIZE])
{
    char took[QUANTILE_TEXT_SIZE];
    quantile_save(&t->took, took);
    snprintf(text, TIMEOUT_TEXT_SIZE, FORM " %" PRId64 " %" PRId64 " %s", t->samples, t->raised_ms, took);
}

bool timeout_load(struct timeout *t, const char *text)
{
    struct timeout read = {.samples = 0};
    int used = 0;
    if (sscanf(text, FORM " %15" SCNd64 " %15" SCNd64 "%n", &read.samples, &read.raised_ms, &used) != 2 ||
        text[used] != ' ' || !quantile_load(&read.took, text + used + 1))
        return false;
    bool is_possible = read.samples >= 0 && read.raised_ms >= 0 && read.raised_ms <= LONGEST_MS &&
                       (read.samples > 0) == (read.took.total > 0);
    if (is_possible)
        *t = read;
    return is_possible;
}
