/*
 * Budget and breaker against a dependency that is too slow, gone, or fails every second call: what is offered
 * to it, how much of that is done, and how soon it is all right again. Each bound is shown to break without
 * them.
 *
 * The dependency does one request in 10 ms, holds 100 in its queue and turns away the rest at once, which
 * costs it a third of the work of doing them. The client tries what fails again for ever, by the default
 * policy. Time goes in steps of 10 ms. Source of the experiment: L. Huang et al., "Metastable Failures in the
 * Wild", OSDI 2022.
 */
#include "base/check.h"
#include "base/random.h"
#include "core/breaker.h"
#include "core/budget.h"
#include "core/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STEP_MS 10
#define SECONDS_MAX 900
#define STEPS_MAX (SECONDS_MAX * 1000 / STEP_MS)
#define OPERATIONS_MAX 70000
#define QUEUE_MAX 100
#define REJECTION_COST 0.3
#define PACE_MS 7 /* of those who waited for the breaker; as runner_wake.c */
#define FOREIGN (-1)
#define NOBODY (-2)

/* As the service has it for Prefect. */
static const struct breaker_rule rule = {
    .failing_ms = 3000, .silent = 2, .failures = 5, .share_calls = 20, .share_percent = 90};

struct simulation {
    bool has_budget;
    bool has_breaker;
    double fails; /* share of what it does that fails */
    bool is_gone; /* refuses every call */
    uint64_t seed;
    int64_t now_ms;
    struct retry_policy policy;
    struct budget budget;
    struct breaker breaker;
    int64_t out;     /* calls of the client's that are not answered */
    int64_t out_max; /* connections; 0: as many as it takes, as of many clients */
    int count;       /* operations so far */
    int32_t attempt[OPERATIONS_MAX];
    int32_t next[OPERATIONS_MAX];     /* in a list of those due at one step */
    bool was_excused[OPERATIONS_MAX]; /* nobody has answered it: that cost the dependency nothing */
    int32_t due[STEPS_MAX + 1];       /* first of each list */
    int32_t held;                     /* by the budget, first and last of a list */
    int32_t held_last;
    int32_t waiting; /* for the breaker */
    int32_t queue[QUEUE_MAX];
    int queue_first;
    int queue_count;
    double work;              /* that the dependency can do now */
    int offered[SECONDS_MAX]; /* by the client, first tries */
    int retried[SECONDS_MAX]; /* by the client, further tries */
    int done[SECONDS_MAX];    /* of the client's */
    int probes[SECONDS_MAX];  /* sent while it is not closed */
    int done_in_all;
};

static struct simulation *begin(bool has_budget, bool has_breaker, uint64_t seed)
{
    struct simulation *s = check_alloc(sizeof(*s));
    s->has_budget = has_budget;
    s->has_breaker = has_breaker;
    s->seed = seed;
    s->policy = retry_policy_default();
    s->waiting = s->held = NOBODY;
    for (int i = 0; i <= STEPS_MAX; i++)
        s->due[i] = NOBODY;
    return s;
}

static void come_at(struct simulation *s, int32_t op, int64_t at_ms)
{
    int64_t step = (at_ms + STEP_MS - 1) / STEP_MS;
    if (step * STEP_MS <= s->now_ms)
        step = s->now_ms / STEP_MS + 1;
    if (step > STEPS_MAX)
        step = STEPS_MAX; /* after the end */
    s->next[op] = s->due[step];
    s->due[step] = op;
}

static void wake_all(struct simulation *s)
{
    int64_t delay_ms = 0;
    while (s->waiting != NOBODY) {
        int32_t op = s->waiting;
        s->waiting = s->next[op];
        s->was_excused[op] = s->breaker.is_silent;
        come_at(s, op, s->now_ms + delay_ms);
        delay_ms += PACE_MS;
    }
}

static void wait_for_breaker(struct simulation *s, int32_t op)
{
    s->next[op] = s->waiting;
    s->waiting = op;
}

static void has_failed(struct simulation *s, int32_t op, bool is_silent)
{
    if (s->has_breaker)
        breaker_fail(
            &s->breaker, &rule, s->now_ms,
            &(struct breaker_failure){.began_ms = s->now_ms, .retry_after_ms = -1, .is_silent = is_silent});
    if (op == FOREIGN)
        return;
    s->out--;
    if (s->breaker.state != BREAKER_CLOSED) {
        wait_for_breaker(s, op); /* and no attempt is counted */
        return;
    }
    s->attempt[op]++;
    s->was_excused[op] = false;
    come_at(s, op,
            s->now_ms + retry_delay_ms(&s->policy, ERROR_CLASS_TRANSIENT, s->attempt[op], -1, 0,
                                       random_splitmix64(&s->seed)));
}

static void has_gone_well(struct simulation *s)
{
    bool was_open = s->breaker.state != BREAKER_CLOSED;
    breaker_succeed(&s->breaker, s->now_ms);
    if (was_open)
        wake_all(s);
}

/* The dependency takes it, or turns it away. */
static void arrive(struct simulation *s, int32_t op)
{
    if (s->is_gone) {
        if (op != FOREIGN)
            has_failed(s, op, true);
    } else if (s->queue_count < QUEUE_MAX) {
        s->queue[(s->queue_first + s->queue_count++) % QUEUE_MAX] = op;
    } else {
        s->work -= REJECTION_COST;
        if (op != FOREIGN)
            has_failed(s, op, false);
    }
}

/* An operation's turn has come. */
static void go(struct simulation *s, int32_t op, bool is_granted)
{
    bool is_retry = s->attempt[op] > 0 && !s->was_excused[op];
    if (s->has_breaker && s->breaker.state != BREAKER_CLOSED) {
        wait_for_breaker(s, op);
        return;
    }
    if (s->out_max > 0 && s->out >= s->out_max) {
        come_at(s, op, s->now_ms + STEP_MS);
        return;
    }
    if (is_retry && s->has_budget && !is_granted) {
        s->next[op] = NOBODY;
        *(s->held == NOBODY ? &s->held : &s->next[s->held_last]) = op;
        s->held_last = op;
        return;
    }
    budget_request(&s->budget, s->now_ms);
    if (is_retry)
        budget_retry(&s->budget, s->now_ms);
    s->out++;
    int *count = is_retry ? s->retried : s->offered;
    count[s->now_ms / 1000]++;
    arrive(s, op);
}

/* Retries go in the order they came, as the budget lets them. */
static void grant(struct simulation *s)
{
    while (s->held != NOBODY && budget_wait_ms(&s->budget, s->now_ms, 0) == 0 &&
           (s->out_max == 0 || s->out < s->out_max)) {
        int32_t op = s->held;
        s->held = s->next[op];
        go(s, op, true);
    }
}

static void probe(struct simulation *s)
{
    if (s->breaker.state == BREAKER_CLOSED || breaker_wait_ms(&s->breaker, s->now_ms) > 0)
        return;
    breaker_probe(&s->breaker, s->now_ms, random_splitmix64(&s->seed));
    s->probes[s->now_ms / 1000]++;
    if (s->is_gone)
        has_failed(s, FOREIGN, true);
    else
        has_gone_well(s);
}

static void serve(struct simulation *s)
{
    s->work = s->work + 1 > 1 ? 1 : s->work + 1;
    while (s->work >= 1 && s->queue_count > 0) {
        int32_t op = s->queue[s->queue_first];
        s->queue_first = (s->queue_first + 1) % QUEUE_MAX;
        s->queue_count--;
        s->work -= 1;
        if (op == FOREIGN)
            continue;
        if ((double)(random_splitmix64(&s->seed) >> 11) / 9007199254740992.0 < s->fails) {
            has_failed(s, op, false);
            continue;
        }
        has_gone_well(s);
        s->out--;
        s->done[s->now_ms / 1000]++;
        s->done_in_all++;
    }
}

static void add(struct simulation *s, int64_t at_ms)
{
    CHECK(s->count < OPERATIONS_MAX);
    come_at(s, s->count++, at_ms);
}

/* Live on for so long, with so many new operations and requests of others a second, evenly spread. */
static void live(struct simulation *s, int64_t seconds, double new_per_s, double others_per_s)
{
    double new_ones = 0, others = 0;
    for (int64_t i = 0; i < seconds * 1000 / STEP_MS; i++) {
        s->now_ms += STEP_MS;
        CHECK(s->now_ms / STEP_MS < STEPS_MAX);
        for (new_ones += new_per_s * STEP_MS / 1000; new_ones >= 1; new_ones--)
            go(s, s->count++, false);
        for (others += others_per_s * STEP_MS / 1000; others >= 1; others--)
            arrive(s, FOREIGN);
        int32_t op = s->due[s->now_ms / STEP_MS];
        while (op != NOBODY) {
            int32_t next = s->next[op];
            go(s, op, false);
            op = next;
        }
        grant(s);
        probe(s);
        serve(s);
    }
}

static int sum(const int *by_second, int64_t from_s, int64_t to_s)
{
    int total = 0;
    for (int64_t i = from_s; i < to_s; i++)
        total += by_second[i];
    return total;
}

static double share(int part, int whole)
{
    return (double)part / (double)whole;
}

/* ---- overload ---- */

#define FRESH_PER_S 70

struct after_overload {
    double goodput;       /* of what was new in the minute that begins 10 s after */
    double retries_per_s; /* in that minute */
    double worst_10_s;    /* least goodput of any 10 s of it */
};

/* 60 s of quiet, 60 s of three times what it can do, 70 s of quiet. */
static struct after_overload overload(bool is_guarded, uint64_t seed)
{
    struct simulation *s = begin(is_guarded, is_guarded, seed);
    live(s, 60, FRESH_PER_S, 0);
    live(s, 60, FRESH_PER_S, 300 - FRESH_PER_S);
    live(s, 70, FRESH_PER_S, 0);
    struct after_overload after = {.goodput = share(sum(s->done, 130, 190), 60 * FRESH_PER_S),
                                   .retries_per_s = share(sum(s->retried, 130, 190), 60),
                                   .worst_10_s = 1e9};
    for (int64_t i = 130; i + 10 <= 190; i++) {
        double here = share(sum(s->done, i, i + 10), 10 * FRESH_PER_S);
        after.worst_10_s = here < after.worst_10_s ? here : after.worst_10_s;
    }
    free(s);
    return after;
}

static void test_goodput_is_back_ten_seconds_after_an_overload(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct after_overload with = overload(true, seed);
        struct after_overload without = overload(false, seed);
        print_message(
            "3x overload for 60 s, the minute from 10 s after (seed %d): goodput %.1f %% (worst 10 s %.1f "
            "%%), %.1f retries/s; without budget and breaker %.1f %%, %.1f retries/s\n",
            (int)seed, 100 * with.goodput, 100 * with.worst_10_s, with.retries_per_s, 100 * without.goodput,
            without.retries_per_s);
        assert_true(with.goodput >= 0.95);
        assert_true(with.worst_10_s >= 0.95);
        assert_true(with.retries_per_s <= FRESH_PER_S * 0.1 + 1);
        /* It would not end by itself: retries are what keeps it down. */
        assert_true(without.goodput < 0.8);
        assert_true(without.retries_per_s > FRESH_PER_S * 0.5);
    }
}

/* ---- outage ---- */

#define PENDING 1000

struct outage {
    int calls_a_second;  /* most in one second of the outage, from 10 s after its begin */
    int calls;           /* from then on to its end */
    int64_t full_rate_s; /* after its end: the first second with nearly all that the dependency can do */
    int64_t all_done_s;  /* after its end; -1: not within 200 s */
};

/* 1,000 operations pending, gone for 10 minutes. */
static struct outage outage(bool is_guarded, uint64_t seed)
{
    struct simulation *s = begin(is_guarded, is_guarded, seed);
    s->is_gone = true;
    s->out_max = 16; /* as the service has to Prefect */
    for (int i = 0; i < PENDING; i++)
        add(s, i * 10);
    live(s, 600, 0, 0);
    s->is_gone = false;
    struct outage o = {.all_done_s = -1, .full_rate_s = -1};
    for (int64_t i = 10; i < 600; i++) {
        int calls = s->offered[i] + s->retried[i] + s->probes[i];
        o.calls += calls;
        o.calls_a_second = calls > o.calls_a_second ? calls : o.calls_a_second;
    }
    for (int64_t i = 1; i <= 200; i++) {
        live(s, 1, 0, 0);
        if (o.full_rate_s < 0 && s->done[599 + i] >= 95)
            o.full_rate_s = i;
        if (s->done_in_all == PENDING && o.all_done_s < 0)
            o.all_done_s = i;
    }
    free(s);
    return o;
}

static void test_an_outage_of_ten_minutes_is_probed_and_left_quickly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct outage with = outage(true, seed);
        struct outage without = outage(false, seed);
        print_message(
            "outage of 600 s with %d pending (seed %d): %.2f calls/s, %d in the worst second, full rate %d s "
            "after, all done %d s after; without budget and breaker %.2f calls/s, %d in the worst second, "
            "full rate %d s after, all done %d s after\n",
            PENDING, (int)seed, share(with.calls, 590), with.calls_a_second, (int)with.full_rate_s,
            (int)with.all_done_s, share(without.calls, 590), without.calls_a_second, (int)without.full_rate_s,
            (int)without.all_done_s);
        assert_true(with.calls_a_second <= 1);
        assert_true(with.full_rate_s >= 0 && with.full_rate_s <= 10);
        /* The dependency does 100 a second: 10 s is what a thousand take at its full rate. */
        assert_true(with.all_done_s >= 0 && with.all_done_s <= 10 + PENDING / 100);
        assert_true(without.calls > 590);
        assert_true(without.all_done_s > with.all_done_s);
    }
}

/* ---- every second call fails ---- */

static void test_failing_half_of_it_offers_at_most_a_tenth_more(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        double factor[2];
        for (int is_guarded = 0; is_guarded <= 1; is_guarded++) {
            struct simulation *s = begin(is_guarded, is_guarded, seed);
            s->fails = 0.5;
            live(s, 300, 40, 0);
            int first = sum(s->offered, 0, 300);
            int retried = sum(s->retried, 0, 300);
            factor[is_guarded] = share(first + retried, first);
            if (is_guarded) {
                assert_true(retried <= first / 10 + BUDGET_FLOOR);
                assert_int_equal(sum(s->probes, 0, 300), 0); /* the breaker has no part in it */
            }
            free(s);
        }
        print_message(
            "every second call fails (seed %d): offered %.3f times the operations; without budget %.3f\n",
            (int)seed, factor[1], factor[0]);
        assert_true(factor[1] <= 1.1 + 0.001);
        assert_true(factor[0] > 1.5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goodput_is_back_ten_seconds_after_an_overload),
        cmocka_unit_test(test_an_outage_of_ten_minutes_is_probed_and_left_quickly),
        cmocka_unit_test(test_failing_half_of_it_offers_at_most_a_tenth_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
