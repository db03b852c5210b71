/*
 * How long to wait before trying again.
 *
 * The undisturbed delay grows as base * factor^(attempt - 1) up to the cap; the jitter then draws from it:
 * none takes it as it is, equal from its upper half, full from all of it, decorrelated from base to three
 * times the last delay. What the other side asked for is a floor, with up to a fifth added so that its
 * clients don't come back together. Not here: whether to try again at all (run_step), budgets and breakers.
 *
 * All sums are done in double and cut to the cap before they become an integer, so that no attempt number,
 * however large, overflows.
 */
#include "core/retry.h"

#include "base/check.h"

#include <math.h>

/* Capacity comes back when another run ends, which takes far longer than a daemon's hiccup. */
#define CAPACITY_FACTOR 10.0
/* Prefect's own client adds so much to a Retry-After (PREFECT_CLIENT_RETRY_JITTER_FACTOR). */
#define RETRY_AFTER_SPREAD 5
/* Delays beyond a year are the same to everybody, and leave room for sums. */
#define LONGEST_MS (366LL * 24 * 3600 * 1000)
#define DECORRELATED_FACTOR 3.0

struct retry_policy retry_policy_default(void)
{
    return (struct retry_policy){
        .max_attempts = 6,
        .max_time_ms = 0,
        .base_ms = 500,
        .factor = 2,
        .cap_ms = 60000,
        .jitter = JITTER_FULL,
        .hand_back_after_ms = 30000,
        .cancel_grace_ms = 60000,
        .stop_when_over = false,
        .start_clock_ms = 60000,
        .settle_ms = 60000,
        .park = false,
        .remove_ended_container = false,
    };
}

void retry_policy_override(struct retry_policy *policy, const struct retry_override *override)
{
    if (override->max_attempts > 0)
        policy->max_attempts = override->max_attempts;
    if (override->max_time_ms > 0)
        policy->max_time_ms = override->max_time_ms;
    if (override->base_ms > 0)
        policy->base_ms = override->base_ms;
    if (override->factor > 0)
        policy->factor = override->factor;
    if (override->cap_ms > 0)
        policy->cap_ms = override->cap_ms;
    else if (override->base_ms > policy->cap_ms)
        policy->cap_ms = override->base_ms;
    if (override->jitter != JITTER_UNSET)
        policy->jitter = override->jitter;
}

static int64_t at_most(int64_t value, int64_t limit)
{
    return value < limit ? value : limit;
}

static int64_t at_least(int64_t value, int64_t limit)
{
    return value > limit ? value : limit;
}

/* The longest delay for who was asked to wait so long. */
static int64_t spread(int64_t asked_ms)
{
    return asked_ms + asked_ms / RETRY_AFTER_SPREAD;
}

static int64_t cap_of(const struct retry_policy *policy)
{
    if (policy->cap_ms < 0)
        return 0;
    return at_most(policy->cap_ms, LONGEST_MS);
}

/* base_ms * factor^power, cut to 0..cap. */
static int64_t grown_ms(double base_ms, double factor, double power, int64_t cap_ms)
{
    if (!(base_ms > 0))
        return 0;
    if (!(factor >= 1))
        factor = 1;
    double ms = base_ms * pow(factor, power);
    return ms < (double)cap_ms ? (int64_t)ms : cap_ms;
}

static double base_for(const struct retry_policy *policy, enum error_class error_class)
{
    double base_ms = (double)policy->base_ms;
    return error_class == ERROR_CLASS_CAPACITY ? base_ms * CAPACITY_FACTOR : base_ms;
}

/* A whole number from low to high, both included, each equally likely but for 1 in 2^64 / (high - low). */
static int64_t draw(int64_t low, int64_t high, uint64_t random)
{
    if (high <= low)
        return low;
    uint64_t count = (uint64_t)(high - low) + 1;
    return low + (int64_t)(((unsigned __int128)random * count) >> 64);
}

/* From where to where the delay is drawn; decorrelated_ms is the upper end for that jitter. */
static void jitter_range(enum jitter jitter, int64_t base_ms, int64_t full_ms, int64_t decorrelated_ms,
                         int64_t *low_ms, int64_t *high_ms)
{
    *high_ms = full_ms;
    switch (jitter) {
    case JITTER_UNSET:
        break;
    case JITTER_NONE:
        *low_ms = full_ms;
        return;
    case JITTER_EQUAL:
        *low_ms = full_ms - full_ms / 2;
        return;
    case JITTER_FULL:
        *low_ms = 0;
        return;
    case JITTER_DECORRELATED:
        *low_ms = base_ms;
        *high_ms = decorrelated_ms > base_ms ? decorrelated_ms : base_ms;
        return;
    }
    UNREACHABLE();
}

int64_t retry_delay_ms(const struct retry_policy *policy, enum error_class error_class, int32_t attempt,
                       int64_t retry_after_ms, int64_t previous_ms, uint64_t random)
{
    int64_t cap_ms = cap_of(policy);
    double base = base_for(policy, error_class);
    int64_t base_ms = grown_ms(base, 1, 1, cap_ms);
    double power = attempt > 1 ? (double)attempt - 1 : 0;
    double previous = previous_ms > base_ms ? (double)previous_ms : (double)base_ms;
    int64_t low_ms;
    int64_t high_ms;
    jitter_range(policy->jitter, base_ms, grown_ms(base, policy->factor, power, cap_ms),
                 grown_ms(previous, DECORRELATED_FACTOR, 1, cap_ms), &low_ms, &high_ms);
    int64_t delay_ms = draw(low_ms, high_ms, random);
    if (retry_after_ms <= 0)
        return delay_ms;
    int64_t asked_ms = at_most(retry_after_ms, LONGEST_MS);
    return at_least(delay_ms, draw(asked_ms, spread(asked_ms), random));
}

void retry_delay_bounds_ms(const struct retry_policy *policy, enum error_class error_class, int32_t attempt,
                           int64_t retry_after_ms, int64_t *low_ms, int64_t *high_ms)
{
    int64_t cap_ms = cap_of(policy);
    double base = base_for(policy, error_class);
    double power = attempt > 1 ? (double)attempt - 1 : 0;
    jitter_range(policy->jitter, grown_ms(base, 1, 1, cap_ms), grown_ms(base, policy->factor, power, cap_ms),
                 grown_ms(base, DECORRELATED_FACTOR, power + 1, cap_ms), low_ms, high_ms);
    if (retry_after_ms <= 0)
        return;
    int64_t asked_ms = at_most(retry_after_ms, LONGEST_MS);
    *low_ms = at_least(*low_ms, asked_ms);
    *high_ms = at_least(*high_ms, spread(asked_ms));
}

const char *jitter_name(enum jitter j)
{
    switch (j) {
    case JITTER_UNSET:
        break;
#define X(name, text)                                                                                        \
    case JITTER_##name:                                                                                      \
        return text;
        JITTERS(X)
#undef X
    }
    return "?";
}
