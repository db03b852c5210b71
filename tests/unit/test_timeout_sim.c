/*
 * What learned timeouts promise, on simulated operations from four distributions: hardly any is given up too
 * early, a hang is noticed soon, and a lasting slow-down is followed.
 *
 * Operations start at even intervals and overlap. One that takes longer than the timeout it was sent with is
 * a false timeout: it is looked at, at once and then after delays that double, and the first look behind its
 * true end finds it done. One in a thousand hangs for ever. Floor and ceiling are out of the way, so that it
 * is the learning that is measured.
 */
#include "core/timeout.h"

#include "base/check.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIXED_MS 60000
#define FLYING_MAX 4096
#define FIRST_LOOK_AGAIN_MS 500
#define LOOK_AGAIN_MAX_MS 60000
#define HANG_ONE_IN 1000
#define HANGS_MAX 1024
#define PI 3.14159265358979323846

static const struct timeout_policy policy = {
    .fixed_ms = FIXED_MS, .floor_ms = 10, .ceiling_ms = 600000, .margin = 2.5, .min_samples = 30};

/* ---- how long an operation takes ---- */

static uint64_t random_state;

static double draw(void)
{
    return ((double)(random_splitmix64(&random_state) >> 11) + 0.5) / 9007199254740992.0;
}

static double draw_normal(void)
{
    return sqrt(-2 * log(draw())) * cos(2 * PI * draw());
}

/* As creates of a busy engine: median 300 ms, 99.9 % within 1.9 s. */
static double lognormal(int64_t now_ms)
{
    (void)now_ms;
    return 300 * exp(0.6 * draw_normal());
}

/* Nine in ten find all in the cache, the tenth waits for the disk. */
static double bimodal(int64_t now_ms)
{
    (void)now_ms;
    return draw() < 0.9 ? 200 * exp(0.2 * draw_normal()) : 3000 * exp(0.15 * draw_normal());
}

/* Nothing that answers takes longer. */
static double pareto(double least_ms, double exponent)
{
    double took_ms = least_ms * pow(draw(), -1 / exponent);
    return took_ms < 300000 ? took_ms : 300000;
}

/* Of infinite variance: 99.9 % within 3.2 s, one in 100,000 takes 32 s. */
static double heavy_tailed(int64_t now_ms)
{
    (void)now_ms;
    return pareto(100, 2);
}

/* 99.9 % within 10 s, so that no timeout could notice a hang ten times sooner than 60 s. */
static double heavier_tailed(int64_t now_ms)
{
    (void)now_ms;
    return pareto(100, 1.5);
}

/* The median goes from 200 ms to 2 s and back every 20 minutes. */
static double drifting(int64_t now_ms)
{
    double phase = sin((double)now_ms / (20 * 60000.0) * 2 * PI);
    return 632 * pow(10, 0.5 * phase) * exp(0.4 * draw_normal());
}

struct distribution {
    const char *name;
    double (*draw_ms)(int64_t now_ms);
    double sooner; /* a hang is to be noticed so many times sooner than after 60 s, on the median */
};
static const struct distribution distributions[] = {{"lognormal", lognormal, 5},
                                                    {"bimodal", bimodal, 5},
                                                    {"heavy-tailed", heavy_tailed, 5},
                                                    {"drifting", drifting, 5},
                                                    {"heavier", heavier_tailed, 2}};
#define DISTRIBUTIONS ARRAY_LEN(distributions)

/* ---- operations in flight ---- */

struct flying {
    int64_t sent_ms;
    int64_t takes_ms; /* -1: hangs for ever */
    int64_t used_ms;
    int64_t next_ms; /* its answer, its timeout, or the next look */
    int64_t look_again_ms;
    bool is_over_time;
};

struct simulation {
    const struct distribution *from;
    struct timeout timeout;
    int64_t now_ms;
    int64_t interval_ms; /* between two operations */
    double factor;       /* of all times: a step */
    struct flying flying[FLYING_MAX];
    int count;
    int64_t operations;
    int64_t false_timeouts;
    int64_t false_in_a_row;
    int64_t most_in_a_row;
    int hangs;
    int64_t noticed_ms[HANGS_MAX]; /* by hang: the timeout it was sent with */
};

static int64_t reaches_ms(const struct flying *f)
{
    bool is_in_time = f->takes_ms >= 0 && f->takes_ms <= f->used_ms;
    return f->sent_ms + (is_in_time ? f->takes_ms : f->used_ms);
}

static void send_one(struct simulation *s)
{
    CHECK(s->count < FLYING_MAX);
    struct flying *f = &s->flying[s->count++];
    bool hangs = draw() * HANG_ONE_IN < 1;
    int64_t used_ms = timeout_ms(&s->timeout, &policy);
    *f = (struct flying){.sent_ms = s->now_ms, .used_ms = used_ms, .look_again_ms = FIRST_LOOK_AGAIN_MS};
    f->takes_ms = hangs ? -1 : (int64_t)ceil(s->factor * s->from->draw_ms(s->now_ms));
    f->next_ms = reaches_ms(f);
    s->operations++;
    if (!hangs || !timeout_is_learned(&s->timeout, &policy))
        return;
    CHECK(s->hangs < HANGS_MAX);
    s->noticed_ms[s->hangs++] = used_ms;
}

static void count_false(struct simulation *s, bool is_false)
{
    s->false_timeouts += is_false;
    s->false_in_a_row = is_false ? s->false_in_a_row + 1 : 0;
    if (s->false_in_a_row > s->most_in_a_row)
        s->most_in_a_row = s->false_in_a_row;
}

/* What happens to one operation now. False: nothing more will. */
static bool go_on(struct simulation *s, struct flying *f)
{
    bool hangs = f->takes_ms < 0;
    if (!f->is_over_time && !hangs && f->takes_ms <= f->used_ms) {
        timeout_done(&s->timeout, f->takes_ms);
        count_false(s, false);
        return false;
    }
    if (!f->is_over_time) {
        f->is_over_time = true;
        timeout_expired(&s->timeout, &policy, f->used_ms);
        if (!hangs)
            count_false(s, true);
    }
    if (hangs)
        return false;
    int64_t age_ms = f->next_ms - f->sent_ms;
    if (age_ms >= f->takes_ms) {
        timeout_late(&s->timeout, &policy, f->used_ms, age_ms);
        return false;
    }
    f->next_ms += f->look_again_ms;
    f->look_again_ms = f->look_again_ms * 2 < LOOK_AGAIN_MAX_MS ? f->look_again_ms * 2 : LOOK_AGAIN_MAX_MS;
    return true;
}

static void run_until(struct simulation *s, int64_t end_ms)
{
    for (;;) {
        int first = -1;
        for (int i = 0; i < s->count; i++)
            if (s->flying[i].next_ms <= end_ms &&
                (first < 0 || s->flying[i].next_ms < s->flying[first].next_ms))
                first = i;
        if (first < 0)
            break;
        if (!go_on(s, &s->flying[first]))
            s->flying[first] = s->flying[--s->count];
    }
    s->now_ms = end_ms;
}

static void operate(struct simulation *s, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        send_one(s);
        run_until(s, s->now_ms + s->interval_ms);
    }
}

static struct simulation *begin(const struct distribution *from, int64_t interval_ms, uint64_t seed)
{
    struct simulation *s = check_alloc(sizeof(*s));
    memset(s, 0, sizeof(*s));
    random_state = seed;
    s->from = from;
    s->interval_ms = interval_ms;
    s->factor = 1;
    return s;
}

/* In %. */
static double share_of(int64_t part, int64_t whole)
{
    return 100 * (double)part / (double)whole;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* ---- what is promised ---- */

#define STEADY_OPERATIONS 50000

static void expect_steady(const struct distribution *from, uint64_t seed)
{
    struct simulation *s = begin(from, 100, seed);
    operate(s, STEADY_OPERATIONS);
    qsort(s->noticed_ms, (size_t)s->hangs, sizeof(s->noticed_ms[0]), by_size);
    int64_t median_ms = s->noticed_ms[s->hangs / 2];
    int64_t longest_ms = s->noticed_ms[s->hangs - 1];
    double share = share_of(s->false_timeouts, s->operations);
    double sooner = (double)FIXED_MS / (double)median_ms;
    print_message(
        "%-12s %lld operations, %.3f %% timed out too early; %d hangs noticed after %lld ms (median), "
        "%.1f times sooner than %d ms; the last after %lld ms\n",
        from->name, (long long)s->operations, share, s->hangs, (long long)median_ms, sooner, FIXED_MS,
        (long long)longest_ms);
    assert_true(share <= 0.1);
    assert_true(s->hangs > 30);
    assert_true(sooner >= from->sooner);
    assert_true(longest_ms < FIXED_MS);
    free(s);
}

static void test_few_are_given_up_too_early_and_hangs_are_noticed_soon(void **state)
{
    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++)
        expect_steady(&distributions[i], 1000 + i);
}

#define STEPS 20

/* All times grow threefold from one operation to the next; each step finds what was learned without any. */
static void expect_step(const struct distribution *from, int64_t interval_ms, uint64_t seed)
{
    struct simulation *s = begin(from, interval_ms, seed);
    struct simulation *calm = check_alloc(sizeof(*calm));
    int64_t a_minute = 60000 / interval_ms;
    int64_t early = 0;
    operate(s, 5000);
    *calm = *s;
    for (int step = 0; step < STEPS; step++) {
        *s = *calm;
        s->factor = 3;
        operate(s, a_minute);
        run_until(s, s->now_ms + FIXED_MS); /* those of its last seconds, too */
        early += s->false_timeouts - calm->false_timeouts;
    }
    double share = share_of(early, STEPS * a_minute);
    print_message(
        "%-12s %4.0f/min: in the minute after everything takes 3 times as long %.3f %% timed out too "
        "early\n",
        from->name, 60000.0 / (double)interval_ms, share);
    assert_true(share <= 1);
    free(calm);
    free(s);
}

static void test_the_minute_after_a_step(void **state)
{
    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++) {
        expect_step(&distributions[i], 100, 2000 + i);
        expect_step(&distributions[i], 1000, 2000 + i);
    }
}

/* All times are five times as long from one operation to the next, and stay so. */
static void expect_slow_down(const struct distribution *from, uint64_t seed)
{
    struct simulation *s = begin(from, 100, seed);
    operate(s, 10000);
    int64_t before_ms = timeout_ms(&s->timeout, &policy);
    int64_t before = s->false_timeouts;
    s->factor = 5;
    operate(s, 2 * 600);
    int64_t at_first = s->false_timeouts - before;
    before = s->false_timeouts;
    operate(s, 20000);
    double share = share_of(s->false_timeouts - before, 20000);
    int64_t after_ms = timeout_ms(&s->timeout, &policy);
    print_message("%-12s 5 times as long for good: %lld ms -> %lld ms; %lld of the first 1200 timed out too "
                  "early (%lld in a row), %.3f %% of those that followed\n",
                  from->name, (long long)before_ms, (long long)after_ms, (long long)at_first,
                  (long long)s->most_in_a_row, share);
    assert_true(after_ms > 3 * before_ms || after_ms == 9 * FIXED_MS / 10);
    assert_true(at_first <= 36);
    assert_true(s->most_in_a_row <= 3);
    assert_true(share <= 0.1);
    free(s);
}

static void test_a_lasting_slow_down_is_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++)
        expect_slow_down(&distributions[i], 3000 + i);
}

/* All take the same time, so a slow-down ends every single one until the timeout has grown. */
static double even(int64_t now_ms)
{
    (void)now_ms;
    return 1000 + 10 * draw();
}

static void test_a_slow_down_that_ends_every_operation_locks_nothing_up(void **state)
{
    (void)state;
    static const struct distribution from = {"even", even, 1};
    struct simulation *s = begin(&from, 1000, 4000);
    operate(s, 3000);
    assert_in_range(timeout_ms(&s->timeout, &policy), 2500, 2800);
    s->factor = 20;
    operate(s, 200);
    print_message("%-12s 20 times as long for good: %lld of 200 timed out too early; now %lld ms\n",
                  from.name, (long long)s->false_timeouts, (long long)timeout_ms(&s->timeout, &policy));
    assert_in_range(timeout_ms(&s->timeout, &policy), 25000, 60000);
    int64_t before = s->false_timeouts;
    assert_true(before >= 1);
    operate(s, 2000);
    assert_int_equal(s->false_timeouts, before);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_are_given_up_too_early_and_hangs_are_noticed_soon),
        cmocka_unit_test(test_the_minute_after_a_step),
        cmocka_unit_test(test_a_lasting_slow_down_is_followed),
        cmocka_unit_test(test_a_slow_down_that_ends_every_operation_locks_nothing_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
