/*
 * What learned inactivity and connect clocks promise, on simulated pulls and connections: hardly one is ended
 * too early, a stall is noticed soon, and what has become slow for good is followed.
 *
 * A pull is a row of gaps between pieces; its sample is the longest. One with a longer gap than the clock it
 * was sent with is a false timeout, tells nothing of how long the gap would have been, and is tried again. So
 * is a connection. One in a thousand stalls for ever. Floors and ceilings are out of the way, so that it is
 * the learning that is measured. Where the answer comes late and is found, test_timeout_sim.c has it.
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
#define STALL_ONE_IN 1000
#define STALLS_MAX 1024
#define PI 3.14159265358979323846

static const struct timeout_policy policy = {
    .fixed_ms = FIXED_MS, .floor_ms = 10, .ceiling_ms = 600000, .margin = 2.5, .min_samples = 30};

/* ---- how long it is silent ---- */

static uint64_t random_state;

static double draw(void)
{
    return ((double)(random_splitmix64(&random_state) >> 11) + 0.5) / 9007199254740992.0;
}

static double lognormal(double median_ms, double spread)
{
    return median_ms * exp(spread * sqrt(-2 * log(draw())) * cos(2 * PI * draw()));
}

static double longest_of(int gaps, double median_ms, double spread)
{
    double longest_ms = 0;
    for (int i = 0; i < gaps; i++)
        longest_ms = fmax(longest_ms, lognormal(median_ms, spread));
    return longest_ms;
}

/* Progress ten times a second, and a layer in between that is verified. */
static double steady_pull(int64_t nth)
{
    (void)nth;
    return fmax(longest_of(200, 100, 0.3), lognormal(800, 0.5));
}

/* Nine in ten find the image up to date and are done in one gap; the tenth unpacks. 99.9 % are silent for 5 s
 * at most, so that no value with the margin could notice a stall five times sooner than 60 s. */
static double mostly_there(int64_t nth)
{
    (void)nth;
    return draw() < 0.9 ? lognormal(300, 0.3) : fmax(longest_of(100, 100, 0.3), lognormal(2500, 0.3));
}

/* Small images and, one in twenty, one of which a layer takes seconds to unpack without a word. */
static double mixed_images(int64_t nth)
{
    (void)nth;
    return draw() < 0.95 ? longest_of(50, 100, 0.5) : lognormal(2500, 0.15);
}

/* A line that loses now and then: 99.9 % within 3.2 s, one in 100,000 takes 32 s. */
static double lossy_line(int64_t nth)
{
    (void)nth;
    double gap_ms = 100 * pow(draw(), -1 / 2.0);
    return gap_ms < 50000 ? gap_ms : 50000;
}

/* A registry that is slower by day: the median of the longest gap goes from 300 ms to 2 s and back. */
static double by_day(int64_t nth)
{
    return lognormal(775 * pow(2.58, sin((double)nth / 5000 * 2 * PI)), 0.35);
}

/* A unix socket, or a host nearby. */
static double near_connect(int64_t nth)
{
    (void)nth;
    return lognormal(2, 1);
}

/* TLS over a long line; one packet in fifty is lost, and is sent again after 1 s, then 3 s. */
static double far_connect(int64_t nth)
{
    (void)nth;
    double again_ms = draw() < 0.98 ? 0 : draw() < 0.98 ? 1000 : 3000;
    return again_ms + lognormal(150, 0.3);
}

struct distribution {
    const char *name;
    double (*draw_ms)(int64_t nth); /* the longest silence of one */
    double sooner;                  /* a stall is to be noticed so many times sooner than after 60 s */
};
static const struct distribution distributions[] = {
    {"steady pulls", steady_pull, 5}, {"mostly there", mostly_there, 4}, {"mixed images", mixed_images, 5},
    {"lossy line", lossy_line, 5},    {"slower by day", by_day, 5},      {"connect, near", near_connect, 5},
    {"connect, far", far_connect, 5}};

/* ---- one after the other ---- */

struct simulation {
    const struct distribution *from;
    struct timeout timeout;
    double factor; /* of all silences */
    int64_t count;
    int64_t false_timeouts;
    int64_t in_a_row;
    int64_t most_in_a_row;
    int stalls;
    int64_t noticed_ms[STALLS_MAX];
};

/* One try of something that is silent for so long at most. Has it gone well? */
static bool try_once(struct simulation *s, int64_t silence_ms)
{
    int64_t used_ms = timeout_ms(&s->timeout, &policy);
    if (silence_ms <= used_ms) {
        timeout_done(&s->timeout, silence_ms);
        s->in_a_row = 0;
        return true;
    }
    timeout_expired(&s->timeout, &policy, used_ms);
    s->false_timeouts++;
    if (++s->in_a_row > s->most_in_a_row)
        s->most_in_a_row = s->in_a_row;
    return false;
}

static void stall(struct simulation *s)
{
    int64_t used_ms = timeout_ms(&s->timeout, &policy);
    if (timeout_is_learned(&s->timeout, &policy)) {
        CHECK(s->stalls < STALLS_MAX);
        s->noticed_ms[s->stalls++] = used_ms;
    }
    timeout_expired(&s->timeout, &policy, used_ms);
}

/* Each is tried until it goes well: the same image has the same layers, so its silences stay as long. */
static void operate(struct simulation *s, int64_t count)
{
    for (int64_t i = 0; i < count; i++, s->count++) {
        if (draw() * STALL_ONE_IN < 1)
            stall(s);
        int64_t silence_ms = (int64_t)ceil(s->factor * s->from->draw_ms(s->count));
        while (!try_once(s, silence_ms)) {
        }
    }
}

static struct simulation *begin(const struct distribution *from, uint64_t seed)
{
    struct simulation *s = check_alloc(sizeof(*s));
    random_state = seed;
    s->from = from;
    s->factor = 1;
    return s;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return (*x > *y) - (*x < *y);
}

/* ---- what is promised ---- */

#define STEADY 50000

static void expect_steady(const struct distribution *from, uint64_t seed)
{
    struct simulation *s = begin(from, seed);
    operate(s, STEADY);
    qsort(s->noticed_ms, (size_t)s->stalls, sizeof(s->noticed_ms[0]), by_size);
    int64_t median_ms = s->noticed_ms[s->stalls / 2];
    int64_t longest_ms = s->noticed_ms[s->stalls - 1];
    double share = 100 * (double)s->false_timeouts / (double)STEADY;
    double sooner = (double)FIXED_MS / (double)median_ms;
    print_message(
        "%-14s %d, %.3f %% ended too early; %d stalls noticed after %lld ms (median), %.1f times sooner "
        "than %d ms; the last after %lld ms\n",
        from->name, STEADY, share, s->stalls, (long long)median_ms, sooner, FIXED_MS, (long long)longest_ms);
    assert_true(share <= 0.1);
    assert_true(s->stalls > 30);
    assert_true(sooner >= from->sooner);
    assert_true(longest_ms <= FIXED_MS);
    free(s);
}

static void test_few_are_ended_too_early_and_stalls_are_noticed_soon(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(distributions); i++)
        expect_steady(&distributions[i], 5000 + i);
}

/* All silences grow, and stay so. A try that is ended teaches nothing; its repetition, with twice the time,
 * does. */
static void expect_slow_down(const struct distribution *from, double factor, uint64_t seed)
{
    struct simulation *s = begin(from, seed);
    operate(s, 5000);
    int64_t before_ms = timeout_ms(&s->timeout, &policy);
    s->false_timeouts = 0;
    s->most_in_a_row = 0;
    s->factor = factor;
    operate(s, 1000);
    int64_t at_first = s->false_timeouts;
    s->false_timeouts = 0;
    operate(s, 20000);
    double share = 100 * (double)s->false_timeouts / 20000;
    int64_t after_ms = timeout_ms(&s->timeout, &policy);
    print_message(
        "%-14s %2.0f times as silent for good: %lld ms -> %lld ms; %lld tries of the first 1000 ended too "
        "early (%lld in a row), %.3f %% of those that followed\n",
        from->name, factor, (long long)before_ms, (long long)after_ms, (long long)at_first,
        (long long)s->most_in_a_row, share);
    assert_true(after_ms > before_ms);
    assert_true(at_first <= 20);
    assert_true(s->most_in_a_row <= 5);
    assert_true(share <= 0.1);
    free(s);
}

static void test_what_has_become_slow_is_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(distributions); i++) {
        expect_slow_down(&distributions[i], 3, 6000 + i);
        expect_slow_down(&distributions[i], 10, 7000 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_are_ended_too_early_and_stalls_are_noticed_soon),
        cmocka_unit_test(test_what_has_become_slow_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
