/*
 * Promises of core/shared_rate.h: several hosts together never start more than the limit's burst and rate
 * allow, but for what they hold; nearly all of it is used; what goes wrong with a request costs tokens, never
 * adds any.
 */
#include "core/bucket.h"
#include "core/shared_rate.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_one_request_at_a_time(void **state)
{
    (void)state;
    struct shared_rate r = {0};
    assert_int_equal(shared_rate_wants(&r, 0, 0), 0);
    assert_int_equal(shared_rate_wants(&r, 100, 0), 1);
    r = shared_rate_sent(r, 1);
    assert_int_equal(shared_rate_wants(&r, 100, 0), 0);
    assert_false(shared_rate_has(&r, 0));
    r = shared_rate_granted(r, 10);
    assert_true(shared_rate_has(&r, 10));
    assert_int_equal(shared_rate_wants(&r, 1, 10), 0); /* it is there */
    assert_int_equal(shared_rate_wants(&r, 100, 10), 2);
    r = shared_rate_take(r);
    assert_false(shared_rate_has(&r, 10));
}

static void test_grants_double_what_is_asked_for_and_refusals_halve_it(void **state)
{
    (void)state;
    struct shared_rate r = {0};
    static const int64_t expected[] = {1, 2, 4, 8, 8};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        r.held = 0;
        int64_t tokens = shared_rate_wants(&r, 1000, 0);
        assert_int_equal(tokens, expected[i]);
        r = shared_rate_granted(shared_rate_sent(r, tokens), 0);
    }
    r.held = 0;
    r = shared_rate_refused(shared_rate_sent(r, 8), 700, 1000);
    assert_int_equal(shared_rate_wants(&r, 1000, 1699), 0);
    assert_int_equal(shared_rate_wait_ms(&r, 1500), 200);
    for (int64_t tokens = 4; tokens >= 1; tokens /= 2) {
        assert_int_equal(shared_rate_wants(&r, 1000, 1700), tokens);
        r = shared_rate_refused(shared_rate_sent(r, tokens), 0, 1700);
    }
    assert_int_equal(shared_rate_wants(&r, 1000, 1700), 1);
    /* Fewer than were thought of tell nothing of how many are wanted. */
    r.ask = 8;
    r = shared_rate_granted(shared_rate_sent(r, 2), 2000);
    assert_int_equal(r.ask, 8);
}

static void test_a_refusal_never_blocks_for_long(void **state)
{
    (void)state;
    struct shared_rate r = {0};
    static const int64_t after_ms[] = {-1, 0, 3600000, INT64_MAX};
    static const int64_t expected_ms[] = {1000, 0, 10000, 10000};
    for (size_t i = 0; i < ARRAY_LEN(after_ms); i++) {
        r = shared_rate_refused(shared_rate_sent(r, 1), after_ms[i], 50);
        assert_int_equal(shared_rate_wait_ms(&r, 50), expected_ms[i]);
        assert_false(r.is_away);
    }
}

static void test_what_is_not_used_soon_is_thrown_away(void **state)
{
    (void)state;
    struct shared_rate r = shared_rate_granted(shared_rate_sent((struct shared_rate){0}, 4), 100);
    assert_true(shared_rate_has(&r, 100 + SHARED_RATE_KEPT_MS - 1));
    assert_false(shared_rate_has(&r, 100 + SHARED_RATE_KEPT_MS));
    r = shared_rate_granted(shared_rate_sent(r, 1), 100 + SHARED_RATE_KEPT_MS);
    assert_int_equal(r.held, 1);
}

static void test_a_failed_request_gives_nothing(void **state)
{
    (void)state;
    struct shared_rate r = shared_rate_failed(shared_rate_sent((struct shared_rate){0}, 4), 100);
    assert_true(r.is_away);
    assert_false(shared_rate_has(&r, 100));
    assert_int_equal(shared_rate_wants(&r, 9, 100 + SHARED_RATE_AGAIN_MS - 1), 0);
    assert_int_equal(shared_rate_wants(&r, 9, 100 + SHARED_RATE_AGAIN_MS), 1);
    r = shared_rate_granted(shared_rate_sent(r, 1), 100 + SHARED_RATE_AGAIN_MS);
    assert_false(r.is_away);
}

/* ---- several hosts at one limit ---- */

#define HOSTS 4
#define STEP_MS 10
#define SECONDS_LONG 600
#define STARTS_MAX 20000

struct cluster {
    double slots;
    double limit;
    double decay;
    struct shared_rate hosts[HOSTS];
    int64_t answer_at_ms[HOSTS]; /* 0: no request is out */
    int64_t starts_ms[STARTS_MAX];
    size_t start_count;
    uint64_t random;
};

/* The server's part, as Prefect does it: decay, then all or none. */
static void answer(struct cluster *c, size_t host, int64_t now_ms)
{
    struct shared_rate *r = &c->hosts[host];
    c->answer_at_ms[host] = 0;
    bool is_granted = c->slots + (double)r->asked <= c->limit;
    bool is_lost = random_splitmix64(&c->random) % 50 == 0;
    if (is_granted)
        c->slots += (double)r->asked;
    if (is_lost)
        *r = shared_rate_failed(*r, now_ms);
    else if (is_granted)
        *r = shared_rate_granted(*r, now_ms);
    else
        *r = shared_rate_refused(*r, (int64_t)(1000.0 / c->decay * HOSTS), now_ms);
}

static void host_step(struct cluster *c, size_t host, int64_t now_ms)
{
    struct shared_rate *r = &c->hosts[host];
    if (c->answer_at_ms[host] != 0 && now_ms >= c->answer_at_ms[host])
        answer(c, host, now_ms);
    while (shared_rate_has(r, now_ms)) {
        *r = shared_rate_take(*r);
        assert_true(c->start_count < STARTS_MAX);
        c->starts_ms[c->start_count++] = now_ms;
    }
    int64_t tokens = shared_rate_wants(r, 1000, now_ms);
    if (tokens > 0) {
        *r = shared_rate_sent(*r, tokens);
        c->answer_at_ms[host] = now_ms + 10 + (int64_t)(random_splitmix64(&c->random) % 200);
    }
}

static void test_hosts_together_keep_the_rate(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 2, 20};
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        struct cluster *c = check_alloc(sizeof(*c));
        c->limit = 5;
        c->decay = rates[i];
        c->random = 17 + i;
        for (int64_t now_ms = STEP_MS; now_ms < SECONDS_LONG * 1000; now_ms += STEP_MS) {
            c->slots -= c->decay * STEP_MS / 1000.0;
            c->slots = c->slots < 0 ? 0 : c->slots;
            for (size_t host = 0; host < HOSTS; host++)
                host_step(c, host, now_ms);
        }
        /* An answer is under way for 210 ms at most: so late may a token of an earlier moment be used. */
        for (size_t a = 0; a < c->start_count; a++)
            for (size_t b = a; b < c->start_count && b < a + 500; b++) {
                double window_s = (double)(c->starts_ms[b] - c->starts_ms[a] + 220) / 1000.0;
                assert_true((double)(b - a + 1) <= c->limit + c->decay * window_s + 1);
            }
        double used = (double)c->start_count / (c->decay * SECONDS_LONG);
        print_message("%d hosts at a limit of %.1f/s: %.1f %% of it used\n", HOSTS, c->decay, 100 * used);
        assert_true(used > 0.80);
        free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_request_at_a_time),
        cmocka_unit_test(test_grants_double_what_is_asked_for_and_refusals_halve_it),
        cmocka_unit_test(test_a_refusal_never_blocks_for_long),
        cmocka_unit_test(test_what_is_not_used_soon_is_thrown_away),
        cmocka_unit_test(test_a_failed_request_gives_nothing),
        cmocka_unit_test(test_hosts_together_keep_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
