/* Who is served first, and that waiting makes up for priority. */
#include "core/order.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AGEING_MS 600000

static const int32_t priorities[] = {100, 10, 0};
static const struct order_rule strict = {0, priorities, ARRAY_LEN(priorities)};
static const struct order_rule aged = {AGEING_MS, priorities, ARRAY_LEN(priorities)};

static bool is_before(const struct order_rule *rule, int32_t queue_a, int32_t class_a, int64_t due_a_ms,
                      int32_t queue_b, int32_t class_b, int64_t due_b_ms)
{
    struct order_place a = order_place(rule, queue_a, class_a, due_a_ms);
    struct order_place b = order_place(rule, queue_b, class_b, due_b_ms);
    int order = order_compare(&a, &b);
    assert_int_equal(order_compare(&b, &a), -order);
    return order < 0;
}

static void test_distinct_priorities(void **state)
{
    (void)state;
    int32_t values[] = {0, 10, INT32_MIN, 10, INT32_MAX, 0};
    static const int32_t wanted[] = {INT32_MAX, 10, 0, INT32_MIN};
    assert_int_equal(order_distinct(values, ARRAY_LEN(values)), ARRAY_LEN(wanted));
    assert_memory_equal(values, wanted, sizeof(wanted));
    assert_int_equal(order_distinct(values, 0), 0);
}

/* Of one age: queue, then class, with ageing and without. */
static void test_priorities_are_strict_among_runs_of_one_age(void **state)
{
    (void)state;
    const struct order_rule *rules[] = {&strict, &aged};
    static const int32_t queues[] = {0, 1, 2, 3, 900, 1000000};
    static const int32_t classes[] = {1000000, 100, 10, 5, 0, -7}; /* some of them no longer configured */
    for (size_t r = 0; r < ARRAY_LEN(rules); r++)
        for (size_t i = 0; i < ARRAY_LEN(queues) * ARRAY_LEN(classes); i++)
            for (size_t j = i + 1; j < ARRAY_LEN(queues) * ARRAY_LEN(classes); j++)
                assert_true(is_before(rules[r], queues[i / ARRAY_LEN(classes)],
                                      classes[i % ARRAY_LEN(classes)], 1000, queues[j / ARRAY_LEN(classes)],
                                      classes[j % ARRAY_LEN(classes)], 1000));
}

static void test_of_one_priority_the_older_goes_first(void **state)
{
    (void)state;
    assert_true(is_before(&strict, 2, 10, 999, 2, 10, 1000));
    assert_true(is_before(&aged, 2, 10, 999, 2, 10, 1000));
    struct order_place a = order_place(&aged, 1, 10, 1000);
    assert_int_equal(order_compare(&a, &a), 0);
}

static void test_without_ageing_no_wait_makes_up_for_priority(void **state)
{
    (void)state;
    assert_true(is_before(&strict, 1, 0, INT64_C(1) << 50, 2, 100, 0));
    assert_true(is_before(&strict, 1, 100, INT64_C(1) << 50, 1, 10, 0));
}

static void test_a_step_of_class_priority_is_worth_one_ageing(void **state)
{
    (void)state;
    assert_true(is_before(&aged, 1, 100, AGEING_MS, 1, 10, 0));
    assert_true(is_before(&aged, 1, 10, 0, 1, 100, AGEING_MS + 1));
    assert_true(is_before(&aged, 1, 100, 2 * AGEING_MS, 1, 0, 0)); /* two steps, whatever the numbers */
    assert_true(is_before(&aged, 1, 0, 0, 1, 100, 2 * AGEING_MS + 1));
}

static void test_a_step_of_queue_priority_is_worth_all_class_priorities(void **state)
{
    (void)state;
    assert_true(is_before(&aged, 1, 10, 3 * AGEING_MS, 2, 10, 0));
    assert_true(is_before(&aged, 2, 10, 0, 1, 10, 3 * AGEING_MS + 1));
    const struct order_rule only_default = {AGEING_MS, &(int32_t){0}, 1};
    assert_true(is_before(&only_default, 1, 0, AGEING_MS, 2, 0, 0));
    assert_true(is_before(&only_default, 2, 0, 0, 1, 0, AGEING_MS + 1));
}

static void test_extremes_do_not_overflow(void **state)
{
    (void)state;
    int32_t many[201];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = -(int32_t)i;
    const struct order_rule rule = {ORDER_AGEING_MAX_MS, many, ARRAY_LEN(many)};
    int64_t late_ms = INT64_C(1) << 53;
    assert_true(is_before(&rule, 1, 0, late_ms, ORDER_QUEUE_PRIORITY_MAX, -200, late_ms));
    assert_true(is_before(&rule, ORDER_QUEUE_PRIORITY_MAX, 0, 0, INT32_MAX, 0, 0));
    assert_true(is_before(&rule, INT32_MIN, 0, 0, INT32_MAX, INT32_MIN, 0));
}

/* ---- an overloaded pool ---- */

#define PRIORITIES 3
#define SERVED_MS 1000
#define WAITING_MAX 20000

struct waiter {
    struct order_place place;
    int kind;
};

struct pool {
    struct waiter waiting[WAITING_MAX];
    size_t count;
    int64_t longest_ms[PRIORITIES]; /* of those that were served */
    int64_t served[PRIORITIES];
};

/* kind 0 is the highest priority: they alone fill the pool, for ever. The others come now and then. */
static void arrive(struct pool *p, const struct order_rule *rule, int kind, int64_t now_ms)
{
    static const int32_t queue_of[PRIORITIES] = {1, 1, 2};
    static const int32_t class_of[PRIORITIES] = {100, 0, 0};
    CHECK(p->count < WAITING_MAX);
    p->waiting[p->count++] = (struct waiter){order_place(rule, queue_of[kind], class_of[kind], now_ms), kind};
}

static void serve_one(struct pool *p, int64_t now_ms)
{
    size_t best = 0;
    for (size_t i = 1; i < p->count; i++)
        if (order_compare(&p->waiting[i].place, &p->waiting[best].place) < 0)
            best = i;
    if (p->count == 0)
        return;
    const struct waiter w = p->waiting[best];
    int64_t waited_ms = now_ms - w.place.due_at_ms;
    p->served[w.kind]++;
    if (waited_ms > p->longest_ms[w.kind])
        p->longest_ms[w.kind] = waited_ms;
    memmove(&p->waiting[best], &p->waiting[best + 1], (--p->count - best) * sizeof(p->waiting[0]));
}

/* One run is served a second. So many of the highest priority fall due each second, and now and then one
 * more; each minute one of either other. */
static void live_three_hours(struct pool *p, const struct order_rule *rule)
{
    uint64_t random = 5;
    for (int64_t now_s = 0; now_s < 3 * 3600; now_s++) {
        bool is_crowded = random_splitmix64(&random) % 100 < 5;
        arrive(p, rule, 0, now_s * SERVED_MS);
        if (is_crowded)
            arrive(p, rule, 0, now_s * SERVED_MS);
        if (now_s % 60 == 0) {
            arrive(p, rule, 1, now_s * SERVED_MS);
            arrive(p, rule, 2, now_s * SERVED_MS);
        }
        serve_one(p, now_s * SERVED_MS);
    }
}

static int64_t oldest_waiting_ms(const struct pool *p, int kind, int64_t now_ms)
{
    int64_t oldest_ms = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->waiting[i].kind == kind && now_ms - p->waiting[i].place.due_at_ms > oldest_ms)
            oldest_ms = now_ms - p->waiting[i].place.due_at_ms;
    return oldest_ms;
}

/* The highest priority alone is more than the pool can do. Whoever waits is overtaken only by runs that fall
 * due within its steps of ageing; so it waits for these, and for what was there before it. */
static void test_nobody_starves_in_an_overloaded_pool(void **state)
{
    (void)state;
    static const int32_t two[] = {100, 0};
    static const int64_t steps[PRIORITIES] = {0, 1,
                                              3}; /* a queue is two class priorities, and one of class */
    struct order_rule rule = {AGEING_MS, two, ARRAY_LEN(two)};
    struct pool *p = check_alloc(sizeof(*p));
    live_three_hours(p, &rule);
    int64_t end_ms = (int64_t)3 * 3600 * SERVED_MS;
    int64_t first_ms = oldest_waiting_ms(p, 0, end_ms);
    for (int kind = 0; kind < PRIORITIES; kind++) {
        int64_t oldest_ms = oldest_waiting_ms(p, kind, end_ms);
        if (p->longest_ms[kind] > oldest_ms)
            oldest_ms = p->longest_ms[kind];
        print_message(
            "priority %d: %lld served, longest wait %lld s (ageing allows %lld s over the first's)\n", kind,
            (long long)p->served[kind], (long long)oldest_ms / 1000,
            (long long)steps[kind] * AGEING_MS / 1000);
        assert_true(p->served[kind] > 0);
        assert_true(oldest_ms <= first_ms + steps[kind] * AGEING_MS + SERVED_MS);
    }
    *p = (struct pool){.count = 0};
    rule.ageing_ms = 0; /* the test can tell: without ageing the lowest is never served */
    live_three_hours(p, &rule);
    assert_int_equal(p->served[2], 0);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distinct_priorities),
        cmocka_unit_test(test_priorities_are_strict_among_runs_of_one_age),
        cmocka_unit_test(test_of_one_priority_the_older_goes_first),
        cmocka_unit_test(test_without_ageing_no_wait_makes_up_for_priority),
        cmocka_unit_test(test_a_step_of_class_priority_is_worth_one_ageing),
        cmocka_unit_test(test_a_step_of_queue_priority_is_worth_all_class_priorities),
        cmocka_unit_test(test_extremes_do_not_overflow),
        cmocka_unit_test(test_nobody_starves_in_an_overloaded_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
