/*
 * core/notify: addresses, the watchdog's period, the texts, and when the watchdog is fed.
 */
#include "base/check.h"
#include "core/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void refuse_address(const char *text)
{
    struct notify_address address;
    struct err err;
    assert_int_equal(notify_address_read(text, &address, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void test_addresses(void **state)
{
    (void)state;
    struct notify_address address;
    struct err err;
    assert_int_equal(notify_address_read("/run/systemd/notify", &address, &err), 0);
    assert_string_equal(address.path, "/run/systemd/notify");
    assert_int_equal(address.len, strlen("/run/systemd/notify"));
    assert_int_equal(notify_address_read("@name", &address, &err), 0);
    assert_memory_equal(address.path, "\0name", 6);
    assert_int_equal(address.len, 5);
    refuse_address("");
    refuse_address("/");
    refuse_address("@");
    refuse_address("relative");
    refuse_address("vsock:2:1234");
}

/* A path needs its closing NUL, a name of the abstract space does not. */
static void test_the_longest_address(void **state)
{
    (void)state;
    struct notify_address address;
    struct err err;
    char text[NOTIFY_PATH_MAX + 2];
    memset(text, 'x', sizeof(text));
    text[0] = '/';
    text[NOTIFY_PATH_MAX] = '\0';
    refuse_address(text);
    text[NOTIFY_PATH_MAX - 1] = '\0';
    assert_int_equal(notify_address_read(text, &address, &err), 0);
    assert_int_equal(address.path[NOTIFY_PATH_MAX - 1], '\0');
    memset(text, 'x', sizeof(text));
    text[0] = '@';
    text[NOTIFY_PATH_MAX + 1] = '\0';
    refuse_address(text);
    text[NOTIFY_PATH_MAX] = '\0';
    assert_int_equal(notify_address_read(text, &address, &err), 0);
    assert_int_equal(address.len, NOTIFY_PATH_MAX);
}

static int64_t period_of(const char *usec, const char *pid)
{
    int64_t ms;
    struct err err;
    if (notify_watchdog_ms(usec, pid, 42, &ms, &err) == 0)
        return ms;
    assert_int_equal(err.kind, ERR_INVALID);
    return -1;
}

static void test_period_of_the_watchdog(void **state)
{
    (void)state;
    assert_int_equal(period_of(NULL, NULL), 0);
    assert_int_equal(period_of(NULL, "42"), 0);
    assert_int_equal(period_of("30000000", NULL), 15000);
    assert_int_equal(period_of("30000000", "42"), 15000);
    assert_int_equal(period_of("30000000", "41"), 0);
    assert_int_equal(period_of("1", NULL), 1);
    static const char *const wrong[] = {"", "0", "-1", "+5", " 5", "5s", "1e6", "9999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(period_of(wrong[i], NULL), -1);
        assert_int_equal(period_of("30000000", wrong[i]), -1);
    }
}

static void check_status(struct notify_picture picture, const char *expected)
{
    char text[NOTIFY_STATUS_SIZE];
    notify_status(&picture, text);
    assert_string_equal(text, expected);
}

static void test_status(void **state)
{
    (void)state;
    struct notify_picture well = {
        .running = 12, .queued = 3, .is_engine_reachable = true, .is_prefect_reachable = true};
    check_status(well, "12 running, 3 queued, engine in reach");
    struct notify_picture busy = well;
    busy.waiting = 2;
    busy.parked = 1;
    busy.is_paused = true;
    check_status(busy, "paused, 12 running, 2 launching, 3 queued, 1 parked, engine in reach");
    busy.is_draining = true;
    busy.is_engine_reachable = false;
    busy.is_prefect_reachable = false;
    check_status(busy, "draining, 12 running, 2 launching, 3 queued, 1 parked, engine out of reach, "
                       "Prefect out of reach");
    busy.is_stopping = true;
    busy.running = busy.waiting = busy.queued = busy.parked = SIZE_MAX;
    check_status(busy, "stopping, 18446744073709551615 running, 18446744073709551615 launching, "
                       "18446744073709551615 queued, 18446744073709551615 parked, engine out of reach, "
                       "Prefect out of reach");
}

static void check_text(enum notify_event event, const char *status, const char *expected)
{
    char text[NOTIFY_TEXT_SIZE];
    notify_text(event, 123456789, 14000, status, text);
    assert_string_equal(text, expected);
}

static void test_texts(void **state)
{
    (void)state;
    check_text(NOTIFY_READY, "fine", "READY=1\nSTATUS=fine\n");
    check_text(NOTIFY_RELOADING, NULL, "RELOADING=1\nMONOTONIC_USEC=123456789\n");
    check_text(NOTIFY_STOPPING, "bye", "STOPPING=1\nEXTEND_TIMEOUT_USEC=14000000\nSTATUS=bye\n");
    check_text(NOTIFY_STATUS, "1 running", "STATUS=1 running\n");
    check_text(NOTIFY_WATCHDOG, NULL, "WATCHDOG=1\n");
    char longest[NOTIFY_STATUS_SIZE];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    char text[NOTIFY_TEXT_SIZE];
    notify_text(NOTIFY_RELOADING, INT64_MAX, 0, longest, text);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

/* ---- feeding ---- */

#define EVERY_MS 15000

static bool feeds_at(struct notify_watchdog *w, int64_t now_ms, uint64_t turns, int64_t poller_due_ms)
{
    return notify_feeds(w, &(struct notify_progress){.now_ms = now_ms,
                                                     .next_look_ms = now_ms + 1000,
                                                     .turns = turns,
                                                     .poller_due_ms = poller_due_ms});
}

static void test_fed_at_half_its_time(void **state)
{
    (void)state;
    struct notify_watchdog w = {.every_ms = EVERY_MS};
    int fed = 0;
    int64_t last_ms = 1000;
    for (int64_t now_ms = 1000; now_ms <= 301000; now_ms += 1000) {
        if (!feeds_at(&w, now_ms, (uint64_t)now_ms, INT64_MAX))
            continue;
        assert_true(now_ms - last_ms <= EVERY_MS);
        last_ms = now_ms;
        fed++;
    }
    assert_int_equal(fed, 1 + 300000 / EVERY_MS);
}

static void test_starved_by_a_loop_that_does_not_turn(void **state)
{
    (void)state;
    struct notify_watchdog w = {.every_ms = EVERY_MS};
    assert_true(feeds_at(&w, 1000, 7, INT64_MAX));
    for (int64_t now_ms = 2000; now_ms < 100000; now_ms += 1000)
        assert_false(feeds_at(&w, now_ms, 7, INT64_MAX));
    assert_true(feeds_at(&w, 100000, 8, INT64_MAX));
}

static void test_starved_by_a_poller_that_is_late(void **state)
{
    (void)state;
    struct notify_watchdog w = {.every_ms = EVERY_MS};
    assert_true(feeds_at(&w, 20000, 1, 20000));
    assert_true(feeds_at(&w, 40000, 2, 40000 - NOTIFY_LATE_MS + 1));
    assert_false(feeds_at(&w, 60000, 3, 60000 - NOTIFY_LATE_MS));
    assert_false(feeds_at(&w, 80000, 4, 0));
    assert_true(feeds_at(&w, 80000, 5, 80000 + 3600000)); /* as long as a server may ask to be left alone */
}

static void test_without_a_watchdog_nothing_is_fed(void **state)
{
    (void)state;
    struct notify_watchdog w = {0};
    assert_false(feeds_at(&w, 1000, 1, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_the_longest_address),
        cmocka_unit_test(test_period_of_the_watchdog),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_fed_at_half_its_time),
        cmocka_unit_test(test_starved_by_a_loop_that_does_not_turn),
        cmocka_unit_test(test_starved_by_a_poller_that_is_late),
        cmocka_unit_test(test_without_a_watchdog_nothing_is_fed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
