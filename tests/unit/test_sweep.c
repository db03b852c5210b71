/*
 * Reading on behind a full poll: a pass shows all that stays due throughout, whatever comes and leaves in the
 * meantime; windows show what is new; and there are not too many of them.
 */
#include "core/sweep.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RUNS 3000
#define STORIES 60
#define PAGE_MS 200

/* What a server holds: runs in creation order, which is also the order of their ids. */
struct server {
    int64_t due_us[RUNS]; /* -1: not there (any more) */
    bool was_shown[RUNS];
    size_t count;
    int pages;
    uint64_t random;
};

static int64_t ms_of(int64_t us)
{
    return us / 1000;
}

static const struct server *sorting;

static int by_due(const void *left, const void *right)
{
    const size_t *a = left;
    const size_t *b = right;
    if (sorting->due_us[*a] != sorting->due_us[*b])
        return sorting->due_us[*a] < sorting->due_us[*b] ? -1 : 1;
    return *a < *b ? -1 : 1;
}

static int by_id(const void *left, const void *right)
{
    const size_t *a = left;
    const size_t *b = right;
    return *a > *b ? -1 : 1;
}

/* One page; returns how many runs it holds. */
static size_t answer(struct server *s, const struct sweep_page *page, int64_t *last_due_ms)
{
    static size_t found[RUNS];
    size_t count = 0;
    int64_t after_us = page->after_ms == SWEEP_FROM_FIRST ? INT64_MIN : page->after_ms * 1000;
    for (size_t i = 0; i < s->count; i++)
        if (s->due_us[i] >= 0 && s->due_us[i] >= after_us && s->due_us[i] <= page->before_ms * 1000)
            found[count++] = i;
    sorting = s;
    qsort(found, count, sizeof(found[0]), page->is_by_id ? by_id : by_due);
    size_t begin = (size_t)page->offset < count ? (size_t)page->offset : count;
    size_t held = count - begin < SWEEP_PAGE ? count - begin : SWEEP_PAGE;
    for (size_t i = 0; i < held; i++)
        s->was_shown[found[begin + i]] = true;
    *last_due_ms = held > 0 ? ms_of(s->due_us[found[begin + held - 1]]) : 0;
    s->pages++;
    return held;
}

/* Ask until there is nothing left to ask; between two pages the world goes on. */
static void run_out(struct server *s, struct sweep *sweep, int64_t *now_ms, void (*between)(struct server *s))
{
    struct sweep_page page;
    int64_t last_due_ms;
    while (sweep_next(sweep, &page)) {
        size_t held = answer(s, &page, &last_due_ms);
        *now_ms += PAGE_MS;
        sweep_answered(sweep, &page, held, last_due_ms, *now_ms);
        if (between != NULL)
            between(s);
        assert_true(s->pages < 10 * RUNS / SWEEP_PAGE);
    }
}

static struct server *new_server(size_t count, uint64_t seed, int64_t (*due_us)(uint64_t random))
{
    struct server *s = check_alloc(sizeof(*s));
    s->random = seed;
    s->count = count;
    for (size_t i = 0; i < count; i++)
        s->due_us[i] = due_us(random_splitmix64(&s->random));
    return s;
}

static int64_t all_different(uint64_t random)
{
    return (int64_t)(random % 1000000000);
}

/* Some hundred in each of a few minutes, as schedules make them. */
static int64_t on_the_minute(uint64_t random)
{
    return (int64_t)(random % 20) * 60000000;
}

static int64_t all_at_once(uint64_t random)
{
    (void)random;
    return 5000000;
}

static int64_t within_a_millisecond(uint64_t random)
{
    return 5000000 + (int64_t)(random % 1000);
}

static void assert_all_shown(const struct server *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->due_us[i] >= 0 && !s->was_shown[i])
            fail_msg("run %zu, due at %lld us, was not shown", i, (long long)s->due_us[i]);
}

static void expect_whole_pass(int64_t (*due_us)(uint64_t random), int max_pages)
{
    struct sweep sweep = {0};
    int64_t now_ms = 1;
    struct server *s = new_server(RUNS, 11, due_us);
    sweep_open(&sweep, now_ms, 2000000, 2000000);
    run_out(s, &sweep, &now_ms, NULL);
    assert_all_shown(s);
    if (s->pages > max_pages)
        fail_msg("%d pages", s->pages);
    free(s);
}

static void test_a_pass_shows_all(void **state)
{
    (void)state;
    expect_whole_pass(all_different, RUNS / SWEEP_PAGE + 2);
    expect_whole_pass(on_the_minute, RUNS / SWEEP_PAGE * 2 + 2);
    expect_whole_pass(all_at_once, RUNS / SWEEP_PAGE + 5);
    expect_whole_pass(within_a_millisecond, RUNS / SWEEP_PAGE + 5);
}

/* Between two pages thirty runs are claimed or cancelled, mostly those due first. */
static void thirty_leave(struct server *s)
{
    for (int i = 0; i < 30; i++) {
        size_t which = random_splitmix64(&s->random) % s->count;
        for (size_t k = 0; i % 3 != 0 && k < s->count; k++)
            if (s->due_us[k] >= 0 && (s->due_us[which] < 0 || s->due_us[k] < s->due_us[which]))
                which = k;
        s->due_us[which] = -1;
    }
}

static void test_runs_that_leave_hide_nobody(void **state)
{
    (void)state;
    for (uint64_t story = 0; story < STORIES; story++) {
        struct sweep sweep = {0};
        int64_t now_ms = 1;
        struct server *s = new_server(RUNS / 2, story, story % 2 == 0 ? all_different : on_the_minute);
        sweep_open(&sweep, now_ms, 2000000, 2000000);
        run_out(s, &sweep, &now_ms, thirty_leave);
        assert_all_shown(s);
        free(s);
    }
}

/* Within one due time there are gaps; they close when nobody leaves any more. */
static void test_gaps_among_equals_close_with_the_next_pass(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    int64_t now_ms = 1;
    struct server *s = new_server(RUNS, 3, all_at_once);
    sweep_open(&sweep, now_ms, 2000000, 2000000);
    run_out(s, &sweep, &now_ms, thirty_leave);
    now_ms = sweep.due_mono_ms;
    sweep_open(&sweep, now_ms, 2000000, 2000000);
    run_out(s, &sweep, &now_ms, NULL);
    assert_all_shown(s);
    free(s);
}

static void test_a_failed_page_is_asked_for_again(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page first;
    struct sweep_page again;
    sweep_open(&sweep, 1, 50000, 60000);
    assert_true(sweep_next(&sweep, &first));
    sweep_answered(&sweep, &first, SWEEP_PAGE, 1234, 2);
    assert_true(sweep_next(&sweep, &first));
    sweep_open(&sweep, 10001, 60000, 70000); /* a poll later: a window is open, the pass is where it was */
    assert_true(sweep_next(&sweep, &again));
    assert_true(again.is_window);
    sweep_answered(&sweep, &again, 0, 0, 10002);
    assert_true(sweep_next(&sweep, &again));
    assert_int_equal(again.after_ms, 1234);
    assert_int_equal(again.before_ms, first.before_ms);
    assert_int_equal(again.offset, first.offset);
    assert_true(again.is_window == first.is_window && again.is_by_id == first.is_by_id);
}

/* Of an hour with full polls every ten seconds. */
static void test_passes_are_seldom(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page page;
    int64_t pass_ms = 0;
    int passes = 0;
    int windows = 0;
    for (int64_t now_ms = 1; now_ms < 3600000; now_ms += 10000) {
        int64_t at_ms = now_ms;
        sweep_open(&sweep, now_ms, now_ms, now_ms + 10000);
        for (int left = 50; sweep_next(&sweep, &page); left--) { /* a pass is 50 pages */
            int64_t began_ms = at_ms;
            size_t held = page.is_window || left <= 1 ? 1 : SWEEP_PAGE;
            at_ms += PAGE_MS;
            passes += sweep_answered(&sweep, &page, held, 1000 - left, at_ms);
            windows += page.is_window;
            pass_ms += page.is_window ? 0 : at_ms - began_ms;
        }
    }
    assert_in_range(passes, 30, 34);         /* one in 110 s */
    assert_true(pass_ms <= 3600000 / 10);    /* a tenth of the time */
    assert_in_range(windows, 360 - 34, 360); /* one page a poll, where no pass begins */
}

static void test_a_short_pass_is_followed_by_a_minute_of_rest(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page page;
    sweep_open(&sweep, 1, 1000, 1000);
    assert_true(sweep_next(&sweep, &page));
    assert_false(page.is_window);
    assert_true(sweep_answered(&sweep, &page, 3, 500, 100));
    sweep_open(&sweep, 100 + SWEEP_PAUSE_MS - 1, 1000, 1000);
    assert_true(sweep_next(&sweep, &page));
    assert_true(page.is_window);
    assert_false(sweep_answered(&sweep, &page, 0, 0, 100 + SWEEP_PAUSE_MS - 1));
    sweep_open(&sweep, 100 + SWEEP_PAUSE_MS, 1000, 1000);
    assert_true(sweep_next(&sweep, &page));
    assert_false(page.is_window);
}

/* Runs that come due, or are made for "now", in a pass of a thousand pages: each is shown by the window after
 * its poll. */
static void test_windows_leave_out_no_moment(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page page;
    int64_t polls_ms[] = {1000000, 1010000, 1019000, 1031000, 1040000, 1190000};
    int64_t prefetch_ms = 10000;
    sweep_open(&sweep, 1, polls_ms[0], polls_ms[0] + prefetch_ms);
    for (size_t i = 1; i < ARRAY_LEN(polls_ms); i++) {
        sweep_open(&sweep, 1 + (int64_t)i, polls_ms[i], polls_ms[i] + prefetch_ms);
        assert_true(sweep_next(&sweep, &page));
        assert_true(page.is_window);
        assert_int_equal(page.after_ms, polls_ms[i - 1] - SWEEP_OVERLAP_MS);
        assert_int_equal(page.before_ms, polls_ms[i] + prefetch_ms);
        sweep_answered(&sweep, &page, 0, 0, 1 + (int64_t)i);
    }
    assert_true(sweep_next(&sweep, &page));
    assert_false(page.is_window); /* and the pass is on still */
}

static void test_a_clock_that_is_set_back_makes_no_gap(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page page;
    sweep_open(&sweep, 1, 9000000, 9000000);
    sweep_open(&sweep, 2, 5000000, 5000000);
    assert_true(sweep_next(&sweep, &page));
    assert_true(page.after_ms <= 5000000 - SWEEP_OVERLAP_MS);
}

/* A server that doesn't sort must not have us ask for ever. */
static void test_an_answer_out_of_order_ends_the_pass(void **state)
{
    (void)state;
    struct sweep sweep = {0};
    struct sweep_page page;
    sweep_open(&sweep, 1, 9000, 9000);
    assert_true(sweep_next(&sweep, &page));
    sweep_answered(&sweep, &page, SWEEP_PAGE, 500, 2);
    assert_true(sweep_next(&sweep, &page));
    assert_true(sweep_answered(&sweep, &page, SWEEP_PAGE, 499, 3));
    assert_false(sweep_next(&sweep, &page));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pass_shows_all),
        cmocka_unit_test(test_runs_that_leave_hide_nobody),
        cmocka_unit_test(test_gaps_among_equals_close_with_the_next_pass),
        cmocka_unit_test(test_a_failed_page_is_asked_for_again),
        cmocka_unit_test(test_passes_are_seldom),
        cmocka_unit_test(test_a_short_pass_is_followed_by_a_minute_of_rest),
        cmocka_unit_test(test_windows_leave_out_no_moment),
        cmocka_unit_test(test_a_clock_that_is_set_back_makes_no_gap),
        cmocka_unit_test(test_an_answer_out_of_order_ends_the_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
