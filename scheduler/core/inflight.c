#include "core/inflight.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

const struct inflight_kind inflight_calls = {.first = 2,
                                             .max = INFLIGHT_MAX,
                                             .block_calls = 10,
                                             .block_rounds = 1,
                                             .gain_min = 0.14,
                                             .stale_ms = 30000};
const struct inflight_kind inflight_pulls = {
    .first = 3, .max = 16, .block_calls = 4, .block_rounds = 0.5, .gain_min = 0.4, .stale_ms = 30 * 60000};

/* The higher level is so many times the lower one: wide while the guess moves, narrow when it has come to
 * rest. */
#define RATIO_WIDE 2.0
#define RATIO_NARROW 1.45
/* Gain: at first, and at most. One comparison moves the guess by a factor of two at most. */
#define GAIN_FIRST 2.0
#define GAIN_MAX 2.5
#define GAIN_WIDE 0.67
#define GAIN_UP 1.2
#define GAIN_DOWN 0.55
#define MOVE_MAX M_LN2
/* The root of what a call took counts up to so many means. */
#define ROOT_MAX 2.0
/* A comparison whose deviation is this weighs half. */
#define HALF_WEIGHT 0.85
/* The same direction again, and so many deviations clear: it is still far. */
#define CLEAR 0.5
/* Two blocks never agree better than this, however even their calls are: the machine has other work. */
#define LEAST_VARIANCE 0.0004
/* Levels that differ by less (logarithm) can't be told apart. */
#define LEAST_GROWTH 0.1
#define OVERLOAD_FACTOR 0.7

static double bounded(double value, double low, double high)
{
    return fmin(fmax(value, low), high);
}

/* The lower or the higher of the two levels around the guess. */
static int32_t level_of(const struct inflight *f, bool is_higher)
{
    double half = sqrt(f->gain > GAIN_WIDE ? RATIO_WIDE : RATIO_NARROW);
    double low = bounded(round(f->guess / half), INFLIGHT_MIN, f->kind->max - 1);
    return (int32_t)(is_higher ? bounded(round(f->guess * half), low + 1, f->kind->max) : low);
}

static void begin_block(struct inflight *f, int64_t now_ms)
{
    f->now = (struct inflight_block){.level = level_of(f, f->is_higher), .since_ms = now_ms};
}

struct inflight inflight_make(const struct inflight_kind *kind, double guess)
{
    struct inflight f = {.kind = kind, .guess = bounded(guess, INFLIGHT_MIN, kind->max), .gain = GAIN_FIRST};
    begin_block(&f, 0);
    return f;
}

int64_t inflight_limit(const struct inflight *f)
{
    return f->now.level;
}

/* ---- blocks ---- */

static bool is_complete(const struct inflight *f)
{
    return f->now.count >= f->kind->block_calls && f->now.count >= f->kind->block_rounds * f->now.level;
}

static bool is_in_use(int32_t level, double mean_in_flight)
{
    return mean_in_flight > level - fmax(0.6, 0.2 * level);
}

/* One call that the disk held up must not outweigh all others: so it is roots that are summed, and none
 * counts for much more than the last block's mean. */
static void add(struct inflight_block *block, const struct inflight_block *before,
                const struct inflight_sample *s)
{
    int64_t took_ms = s->now_ms - s->began_ms;
    double root = sqrt((double)(took_ms > 0 ? took_ms : 1) / (s->mean_in_flight * s->work));
    if (before->level != 0)
        root = fmin(root, ROOT_MAX * before->sum / before->count);
    block->count++;
    block->sum += root;
    block->squares += root * root;
}

static double rate_log(const struct inflight_block *block)
{
    return -2 * log(block->sum / block->count);
}

static double rate_variance(const struct inflight_block *block)
{
    double mean = block->sum / block->count;
    double variance = block->squares / block->count - mean * mean;
    return 4 * fmax(variance, 0) / (mean * mean * block->count) + LEAST_VARIANCE;
}

/* ---- learning ---- */

/* Move the guess by what the last two blocks tell. */
static void compare(struct inflight *f)
{
    double growth = log((double)f->now.level / f->before.level); /* below 0 downwards, and so is the rate's */
    if (fabs(growth) < LEAST_GROWTH)
        return;
    double excess = (rate_log(&f->now) - rate_log(&f->before)) / growth - INFLIGHT_WORTH;
    double deviation = sqrt(rate_variance(&f->now) + rate_variance(&f->before)) / fabs(growth);
    double weight = 1 / (1 + deviation * deviation / (HALF_WEIGHT * HALF_WEIGHT));
    int32_t trend = excess > 0 ? 1 : -1;
    if (trend == -f->trend)
        f->gain = fmax(f->gain * GAIN_DOWN, f->kind->gain_min);
    else if (trend == f->trend && fabs(excess) > CLEAR * deviation)
        f->gain = fmin(f->gain * GAIN_UP, GAIN_MAX);
    f->trend = trend;
    double move = bounded(f->gain * weight * excess * fabs(growth), -MOVE_MAX, MOVE_MAX);
    f->guess = bounded(f->guess * exp(move), INFLIGHT_MIN, f->kind->max);
}

static void end_block(struct inflight *f, int64_t now_ms)
{
    if (f->before.level != 0)
        compare(f);
    f->before = f->now;
    f->is_higher = !f->is_higher;
    if (level_of(f, f->is_higher) == f->before.level) /* it has moved just there */
        f->is_higher = !f->is_higher;
    begin_block(f, now_ms);
}

/* What was measured before this moment says nothing any more. */
static void start_anew(struct inflight *f, int64_t now_ms)
{
    f->before.level = 0;
    begin_block(f, now_ms);
}

struct inflight inflight_after_success(struct inflight f, struct inflight_sample s)
{
    if (s.now_ms - f.last_ms > f.kind->stale_ms && f.last_ms != 0) {
        start_anew(&f, s.began_ms);
        f.last_ms = s.now_ms;
    }
    if (!f.now.is_full && s.now_ms > f.now.since_ms) {
        f.now.is_full = true;
        f.now.since_ms = s.now_ms;
    }
    if (s.began_ms <= f.now.since_ms || !is_in_use(f.now.level, s.mean_in_flight))
        return f;
    add(&f.now, &f.before, &s);
    f.samples++;
    f.last_ms = s.now_ms;
    if (is_complete(&f))
        end_block(&f, s.now_ms);
    return f;
}

struct inflight inflight_after_overload(struct inflight f, int64_t began_ms, int64_t now_ms)
{
    if (began_ms < f.backed_off_ms)
        return f;
    f.backed_off_ms = now_ms;
    f.guess = bounded(f.guess * OVERLOAD_FACTOR, INFLIGHT_MIN, f.kind->max);
    f.trend = -1;
    f.is_higher = false;
    start_anew(&f, now_ms);
    return f;
}

/* ---- calls ---- */

static void bring_up_to(struct inflight_load *load, int64_t now_ms)
{
    load->area += load->count * (double)(now_ms - load->at_ms);
    load->at_ms = now_ms;
}

struct inflight_call inflight_begin(struct inflight_load *load, int64_t now_ms)
{
    bring_up_to(load, now_ms);
    load->count++;
    return (struct inflight_call){.began_ms = now_ms, .area = load->area};
}

double inflight_end(struct inflight_load *load, struct inflight_call call, int64_t now_ms)
{
    CHECK(load->count > 0);
    bring_up_to(load, now_ms);
    double mean = load->count;
    if (now_ms > call.began_ms)
        mean = (load->area - call.area) / (double)(now_ms - call.began_ms);
    load->count--;
    return mean > 1 ? mean : 1;
}

/* ---- text ---- */

void inflight_to_text(const struct inflight *f, char text[static INFLIGHT_TEXT_SIZE])
{
    snprintf(text, INFLIGHT_TEXT_SIZE, "1 %d %" PRId64, (int)round(f->guess * 100), f->samples);
}

bool inflight_from_text(const char *text, struct inflight *f)
{
    int form = 0;
    int hundredths = 0;
    int64_t samples = 0;
    int length = 0;
    if (sscanf(text, "%1d %6d %18" SCNd64 "%n", &form, &hundredths, &samples, &length) != 3 ||
        text[length] != '\0' || form != 1 || hundredths < 100 * INFLIGHT_MIN ||
        hundredths > 100 * f->kind->max || samples < 0)
        return false;
    *f = inflight_make(f->kind, hundredths / 100.0);
    f->gain = f->kind->gain_min;
    f->samples = samples;
    begin_block(f, 0);
    return true;
}
