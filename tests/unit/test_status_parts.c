/* The parts of what is told over HTTP that need no service: readiness, the hour's series, the last troubles.
 */
#include "readiness.h"
#include "status_series.h"
#include "troubles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- readiness ---- */

static struct snapshot well(void)
{
    return (struct snapshot){.now_mono_ms = 1000000,
                             .began_mono_ms = 500000,
                             .is_online = true,
                             .last_poll_mono_ms = 995000,
                             .poll_interval_ms = 10000};
}

/* The checks that fail, "name: reason; ". */
static const char *failing(const struct snapshot *snapshot, const char *state_file)
{
    static char told[400];
    struct readiness_check checks[READINESS_CHECK_COUNT];
    readiness_checks(snapshot, state_file, checks);
    told[0] = '\0';
    for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
        if (checks[i].reason[0] != '\0') {
            size_t len = strlen(told);
            snprintf(told + len, sizeof(told) - len, "%s: %s; ", checks[i].name, checks[i].reason);
        }
    return told;
}

static void test_each_check_has_its_cause(void **state)
{
    (void)state;
    struct snapshot s = well();
    assert_string_equal(failing(&s, ""), "");
    assert_string_equal(failing(&s, "it is gone"), "state_file: it is gone; ");
    s.is_engine_away = true;
    s.engine_away_ms = 12900;
    assert_string_equal(failing(&s, ""), "engine: out of reach for 12 s; ");
    s = well();
    s.guards[0] =
        (struct snapshot_guard){.name = "registry x", .dependency = DEPENDENCY_REGISTRY, .is_open = true};
    s.guards[1] = (struct snapshot_guard){.name = "engine", .dependency = DEPENDENCY_ENGINE};
    s.guard_count = 2;
    assert_string_equal(failing(&s, ""), ""); /* a registry keeps some runs back, not us */
    s.guards[1].is_open = true;
    assert_string_equal(failing(&s, ""), "engine: its breaker is open; ");
    s = well();
    s.is_prefect_away = true;
    assert_string_equal(failing(&s, ""), "prefect: out of reach; ");
    s = well();
    s.is_online = false;
    assert_string_equal(failing(&s, ""),
                        "prefect: the pool has not been read yet, or no heartbeat was taken; ");
    s = well();
    s.is_draining = true;
    assert_string_equal(failing(&s, ""), "shutdown: draining; ");
    s.is_stopping = true;
    assert_string_equal(failing(&s, ""), "shutdown: stopping; ");
}

static void test_a_poll_is_stale_after_two_intervals(void **state)
{
    (void)state;
    struct snapshot s = well();
    s.now_mono_ms = s.last_poll_mono_ms + 20000;
    assert_string_equal(failing(&s, ""), "");
    s.now_mono_ms++;
    assert_string_equal(failing(&s, ""), "poll: the last that went well was 20 s ago; ");
    s.is_draining = true; /* and polls no more */
    assert_string_equal(failing(&s, ""), "shutdown: draining; ");
    s = well();
    s.last_poll_mono_ms = 0;
    assert_string_equal(failing(&s, ""), "poll: no poll has gone well yet; ");
}

static const struct readiness_check two[] = {{.name = "a"}, {.name = "b", .reason = "broken"}};

static void expect_written(const struct readiness_check *checks, size_t count, const char *query, int status,
                           const char *text)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(readiness_write("readyz", checks, count, query, &out), status);
    assert_string_equal(buf_text(&out), text);
    buf_done(&out);
}

static void test_it_is_written_as_kubernetes_writes_it(void **state)
{
    (void)state;
    expect_written(two, 1, "", 200, "ok");
    expect_written(two, 1, "verbose", 200, "[+]a ok\nreadyz check passed\n");
    expect_written(two, 1, "x=y&verbose=true", 200, "[+]a ok\nreadyz check passed\n");
    expect_written(two, 1, "verbosely", 200, "ok");
    expect_written(two, 2, "", 503, "[+]a ok\n[-]b failed: broken\nreadyz check failed\n");
    expect_written(two, 2, "exclude=b", 200, "ok");
    expect_written(two, 2, "&&exclude=a&exclude=b&", 200, "ok");
    expect_written(two, 2, "verbose&exclude=b", 200, "[+]a ok\n[+]b excluded: ok\nreadyz check passed\n");
    expect_written(two, 2, "exclude=", 503,
                   "[+]a ok\n[-]b failed: broken\n"
                   "warn: some health checks cannot be excluded: no such name\nreadyz check failed\n");
    expect_written(
        two, 1, "verbose&exclude=%0a<b>", 200,
        "[+]a ok\nwarn: some health checks cannot be excluded: no such name\nreadyz check passed\n");
}

/* ---- the series ---- */

static void expect_series(const struct status_series *series, const char *start)
{
    struct buf out;
    buf_init(&out, 65536);
    status_series_write(series, &out);
    if (strncmp(buf_text(&out), start, strlen(start)) != 0)
        fail_msg("%s\nis not\n%s", buf_text(&out), start);
    buf_done(&out);
}

static void test_counters_are_shown_as_what_was_added(void **state)
{
    (void)state;
    static struct status_series series;
    status_series_begin(&series, &(struct status_sample){.starts = 100});
    expect_series(&series, "{\"step_s\":10,\"starts\":[],\"timeouts\":[],");
    status_series_add(&series, &(struct status_sample){.starts = 103, .timeouts = 1});
    status_series_add(&series, &(struct status_sample){.starts = 103, .timeouts = 4});
    status_series_add(&series, &(struct status_sample){.starts = 90, .timeouts = 4}); /* can't be */
    status_series_add(&series, &(struct status_sample){.starts = 92, .timeouts = 4});
    expect_series(&series, "{\"step_s\":10,\"starts\":[3,0,0,2],\"timeouts\":[1,3,0,0],");
}

static void test_the_oldest_step_leaves(void **state)
{
    (void)state;
    static struct status_series series;
    status_series_begin(&series, &(struct status_sample){0});
    for (uint64_t i = 1; i <= STATUS_SERIES_MAX + 2; i++)
        status_series_add(&series, &(struct status_sample){.starts = i * (i + 1) / 2});
    assert_int_equal(series.count, STATUS_SERIES_MAX);
    expect_series(&series, "{\"step_s\":10,\"starts\":[3,4,5,");
    /* At its fullest it fits into what is set aside for it. */
    for (uint64_t i = 1; i <= STATUS_SERIES_MAX; i++)
        status_series_add(&series, &(struct status_sample){i * 100000, i * 100000, i * 100000, 99999, 99999,
                                                           64, 64, 16, 64, 64, 16});
    struct buf out;
    buf_init(&out, 65536);
    status_series_write(&series, &out);
    assert_in_range(out.len, 8000, 30000);
    buf_done(&out);
}

/* ---- troubles ---- */

static void test_the_newest_troubles_are_kept(void **state)
{
    (void)state;
    static struct troubles troubles;
    assert_int_equal(troubles.count, 0);
    for (int i = 0; i < TROUBLES_MAX + 7; i++)
        troubles_add(&troubles)->took_ms = i;
    assert_int_equal(troubles.count, TROUBLES_MAX);
    assert_int_equal(troubles_get(&troubles, 0)->took_ms, TROUBLES_MAX + 6);
    assert_int_equal(troubles_get(&troubles, TROUBLES_MAX - 1)->took_ms, 7);
}

static void test_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char to[5];
    troubles_text(to, sizeof(to), "ab\xc3\xa4\xc3\xa4");
    assert_string_equal(to, "ab\xc3\xa4");
    troubles_text(to, sizeof(to), "abc\xc3\xa4");
    assert_string_equal(to, "abc");
    troubles_text(to, sizeof(to), NULL);
    assert_string_equal(to, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_check_has_its_cause),
        cmocka_unit_test(test_a_poll_is_stale_after_two_intervals),
        cmocka_unit_test(test_it_is_written_as_kubernetes_writes_it),
        cmocka_unit_test(test_counters_are_shown_as_what_was_added),
        cmocka_unit_test(test_the_oldest_step_leaves),
        cmocka_unit_test(test_the_newest_troubles_are_kept),
        cmocka_unit_test(test_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
