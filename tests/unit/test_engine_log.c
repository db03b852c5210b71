/* engine_log.c: times come off, wherever pieces are cut, and a stream that is opened again goes on where it
 * broke. */
#include "api/engine_log.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T1 "2026-11-26T19:21:57.448662314Z "
#define T2 "2026-11-26T19:21:57.448786908Z "
#define T3 "2026-11-26T19:21:58.000000000Z "

struct heard {
    struct engine_log log;
    char text[200000];
    size_t len;
};

static void on_text(void *arg, int stream, const char *data, size_t len)
{
    struct heard *h = arg;
    assert_true(stream == 1 || stream == 2);
    assert_true(h->len + len < sizeof(h->text));
    memcpy(h->text + h->len, data, len);
    h->len += len;
    h->text[h->len] = '\0';
}

static struct heard *heard_new(void)
{
    return check_alloc(sizeof(struct heard));
}

/* One frame in pieces of `step` bytes; `until`: only its first bytes. */
static void feed_frame(struct heard *h, const char *frame, size_t until, size_t step)
{
    size_t len = strlen(frame);
    for (size_t at = 0; at < until && at < len; at += step) {
        size_t end = at + step < len ? at + step : len;
        end = end < until ? end : until;
        engine_log_feed(&h->log, 1, frame + at, end - at, end == len, on_text, h);
    }
}

static const char *const frames[] = {
    T1 "first\n", T2 "long ", T2 "long ", T2 "line\n", T3 "no end", T3, T3 "a\nb\n",
};
#define FRAMES (sizeof(frames) / sizeof(frames[0]))
static const char whole[] = "first\nlong long line\nno enda\nb\n";

static void test_times_come_off(void **state)
{
    (void)state;
    for (size_t step = 1; step < 50; step++) {
        struct heard *h = heard_new();
        engine_log_open(&h->log, false);
        for (size_t i = 0; i < FRAMES; i++)
            feed_frame(h, frames[i], SIZE_MAX, step);
        assert_string_equal(h->text, whole);
        free(h);
    }
}

/* Broken at every byte, twice: what the engine then repeats, messages of the place's time or later, makes the
 * same text. */
static void test_goes_on_after_a_break(void **state)
{
    (void)state;
    for (size_t broken = 0; broken < FRAMES; broken++) {
        for (size_t cut = 0; cut <= strlen(frames[broken]); cut++) {
            for (size_t again = 0; again < 4; again++) {
                struct heard *h = heard_new();
                engine_log_open(&h->log, false);
                for (size_t i = 0; i < broken; i++)
                    feed_frame(h, frames[i], SIZE_MAX, 7);
                feed_frame(h, frames[broken], cut, 5);
                for (size_t turn = 0; turn < 2; turn++) {
                    engine_log_open(&h->log, false);
                    size_t left = turn == 0 ? again : FRAMES;
                    for (size_t i = 0; i < FRAMES && left > 0; i++) {
                        if (engine_log_time_ns(frames[i], strlen(T1) - 1) < h->log.repeated_ns)
                            continue;
                        left--;
                        feed_frame(h, frames[i], left == 0 && turn == 0 ? 34 : SIZE_MAX, 9);
                    }
                }
                assert_string_equal(h->text, whole);
                free(h);
            }
        }
    }
}

/* An engine that looks for whole seconds repeats more. */
static void test_older_messages_are_left_out(void **state)
{
    (void)state;
    struct heard *h = heard_new();
    engine_log_open(&h->log, false);
    feed_frame(h, T1 "first\n", SIZE_MAX, 100);
    feed_frame(h, T2 "second\n", SIZE_MAX, 100);
    engine_log_open(&h->log, false);
    feed_frame(h, T1 "first\n", SIZE_MAX, 100);
    feed_frame(h, T2 "second\n", SIZE_MAX, 100);
    feed_frame(h, T3 "third\n", SIZE_MAX, 100);
    assert_string_equal(h->text, "first\nsecond\nthird\n");
    free(h);
}

static void test_text_without_times_passes(void **state)
{
    (void)state;
    static const char *const texts[] = {"x\n",
                                        "2026-11-26 \n",
                                        "2026-11-26T19:21:57.448662314Z\n",
                                        " \n",
                                        "12",
                                        "2026-99-26T19:21:57Z x\n",
                                        "1234567890123456789012345678901234567890\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (int tty = 0; tty < 2; tty++) {
            struct heard *h = heard_new();
            engine_log_open(&h->log, tty == 1);
            engine_log_feed(&h->log, 1, texts[i], strlen(texts[i]), true, on_text, h);
            engine_log_feed(&h->log, 1, "\n", 1, true, on_text, h);
            size_t len = strlen(texts[i]);
            assert_memory_equal(h->text, texts[i], len);
            assert_int_equal(h->len, len + 1);
            assert_true(h->log.time_ns == 0);
            free(h);
        }
    }
}

/* A line of 40,000 bytes on a tty has a time in front of each 16 KiB. */
static char *tty_log(void)
{
    char *x = check_alloc(16385);
    memset(x, 'x', 16384);
    char *log = check_printf(T1 "%s" T1 "%s" T1 "%.7232s\r\n" T2 "two\r\n" T3 "three\r\n", x, x, x);
    free(x);
    return log;
}

static void test_tty(void **state)
{
    (void)state;
    char *log = tty_log();
    size_t len = strlen(log);
    static const size_t steps[] = {1, 3, 31, 1000, 16384, 16415, 100000};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct heard *h = heard_new();
        engine_log_open(&h->log, true);
        for (size_t at = 0; at < len; at += steps[i])
            engine_log_feed(&h->log, 1, log + at, steps[i] < len - at ? steps[i] : len - at, false, on_text,
                            h);
        assert_int_equal(h->len, 40000 + 2 + 5 + 7);
        assert_int_equal(strspn(h->text, "x"), 40000);
        assert_string_equal(h->text + 40000, "\r\ntwo\r\nthree\r\n");
        free(h);
    }
    free(log);
}

static void test_tty_goes_on_after_a_break(void **state)
{
    (void)state;
    char *log = tty_log();
    size_t len = strlen(log);
    for (size_t cut = 0; cut < len; cut += cut < 100 || cut > 40000 ? 1 : 977) {
        struct heard *h = heard_new();
        engine_log_open(&h->log, true);
        engine_log_feed(&h->log, 1, log, cut, false, on_text, h);
        engine_log_open(&h->log, true);
        const char *from = log;
        if (h->log.time_ns == engine_log_time_ns(T2, strlen(T2) - 1))
            from = strstr(log, T2);
        else if (h->log.time_ns == engine_log_time_ns(T3, strlen(T3) - 1))
            from = strstr(log, T3);
        engine_log_feed(&h->log, 1, from, strlen(from), false, on_text, h);
        assert_int_equal(strspn(h->text, "x"), 40000);
        assert_string_equal(h->text + 40000, "\r\ntwo\r\nthree\r\n");
        free(h);
    }
    free(log);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {{"1970-01-01T00:00:01.5Z", 1500000000},
                 {"1970-01-01T00:00:01Z", 1000000000},
                 {"1970-01-01T01:00:00.000000001+01:00", 1},
                 {"1970-01-01T00:00:01.123456789Z", 1123456789},
                 {"1970-01-01 00:00:01Z", -1},
                 {"1970-01-01", -1},
                 {"", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(engine_log_time_ns(cases[i].text, strlen(cases[i].text)) == cases[i].ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times_come_off),
        cmocka_unit_test(test_goes_on_after_a_break),
        cmocka_unit_test(test_older_messages_are_left_out),
        cmocka_unit_test(test_text_without_times_passes),
        cmocka_unit_test(test_tty),
        cmocka_unit_test(test_tty_goes_on_after_a_break),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
