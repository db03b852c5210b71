/*
 * output.c against the fake engine: lines with their container's name, bytes as they are, streams that break,
 * and a reader of stdout that is slow or gone.
 */
#include "output.h"
#include "tests/fakes/engine_world.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct http_clocks no_clocks = {0};

/* A pipe in place of stdout: [0] is read by the test. */
struct sink {
    int fds[2];
    struct output *output;
    char text[200000];
    size_t len;
};

static struct sink *sink_new(struct engine_world *w)
{
    struct sink *s = check_alloc(sizeof(*s));
    assert_int_equal(pipe2(s->fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(s->fds[0], F_SETFL, O_NONBLOCK), 0);
    s->output = output_new(w->engine, w->timers, s->fds[1]);
    return s;
}

static void sink_free(struct sink *s)
{
    output_free(s->output);
    if (s->fds[0] >= 0)
        close(s->fds[0]);
    close(s->fds[1]);
    free(s);
}

static const char *sink_read(struct sink *s)
{
    ssize_t n;
    while ((n = read(s->fds[0], s->text + s->len, sizeof(s->text) - s->len - 1)) > 0)
        s->len += (size_t)n;
    s->text[s->len] = '\0';
    return s->text;
}

static void follow(struct engine_world *w, struct sink *s)
{
    output_follow(s->output, fake_engine_find(w->fake, "c1")->id, "c1", false, 0, &no_clocks);
    engine_world_turn(w);
}

static void test_lines_carry_the_name(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "one\ntw");
    engine_world_turn(w);
    assert_string_equal(sink_read(s), "c1 | one\n");
    fake_engine_write(w->fake, "c1", 2, "o\n\nthree");
    fake_engine_exit(w->fake, "c1", 0);
    engine_world_turn(w);
    assert_string_equal(sink_read(s), "c1 | one\nc1 | two\nc1 | \nc1 | three\n");
    assert_int_equal(output_dropped_bytes(s->output), 0);
    sink_free(s);
}

static void test_bytes_are_bytes(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "\xff\xfe \x1b[0m\r\n");
    engine_world_turn(w);
    assert_string_equal(sink_read(s), "c1 | \xff\xfe \x1b[0m\r\n");
    sink_free(s);
}

static void test_a_long_line_is_written_in_pieces(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    static char line[40002];
    memset(line, 'x', 40000);
    line[40000] = '\n';
    fake_engine_write(w->fake, "c1", 1, line);
    engine_world_turn(w);
    size_t marks = 0;
    size_t letters = 0;
    for (const char *p = sink_read(s); *p != '\0'; p++) {
        marks += *p == '|';
        letters += *p == 'x';
    }
    assert_int_equal(letters, 40000);
    assert_int_equal(marks, 3);
    sink_free(s);
}

static void test_following_twice_is_once(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "once\n");
    engine_world_turn(w);
    assert_string_equal(sink_read(s), "c1 | once\n");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 1);
    sink_free(s);
}

/* A full pipe: the loop goes on, what fits is kept, the rest is dropped and counted; later all that was kept
 * arrives. */
static void test_a_slow_reader_holds_up_nobody(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    static char block[10001];
    memset(block, 'y', 9999);
    block[9999] = '\n';
    for (int i = 0; i < 1000; i++) {
        fake_engine_write(w->fake, "c1", 1, block);
        if (i % 20 == 0)
            engine_world_turn(w);
    }
    engine_world_turn(w);
    int64_t dropped = output_dropped_bytes(s->output);
    assert_true(dropped > 0);
    assert_true(dropped < 1000 * 10000);
    size_t total = 0;
    for (int i = 0; i < 2000 && total + (size_t)dropped < 1000 * 9999; i++) {
        s->len = 0;
        total += strlen(sink_read(s));
        engine_world_advance(w, 20);
    }
    assert_true(total + (size_t)dropped >= 1000 * 9999);
    sink_free(s);
}

static void test_a_reader_that_left_is_no_trouble(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    close(s->fds[0]);
    s->fds[0] = -1;
    fake_engine_write(w->fake, "c1", 1, "to nobody\n");
    engine_world_turn(w);
    assert_true(output_dropped_bytes(s->output) > 0);
    sink_free(s);
}

static void test_a_broken_stream_is_opened_again(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_LOGS, .kind = FAKE_FAULT_DROP_BEFORE});
    follow(w, s);
    engine_world_advance(w, 2000);
    fake_engine_write(w->fake, "c1", 1, "here\n");
    engine_world_turn(w);
    assert_non_null(strstr(sink_read(s), "c1 | here\n"));
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 2);
    sink_free(s);
}

static void test_a_log_that_cannot_be_read_is_left_alone(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_LOGS,
                                      .kind = FAKE_FAULT_STATUS,
                                      .status = 501,
                                      .message = "configured logging driver does not support reading"});
    follow(w, s);
    engine_world_advance(w, 60000);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 1);
    sink_free(s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
#define OUTPUT_TEST(f) cmocka_unit_test_setup_teardown(f, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        OUTPUT_TEST(test_lines_carry_the_name),
        OUTPUT_TEST(test_bytes_are_bytes),
        OUTPUT_TEST(test_a_long_line_is_written_in_pieces),
        OUTPUT_TEST(test_following_twice_is_once),
        OUTPUT_TEST(test_a_slow_reader_holds_up_nobody),
        OUTPUT_TEST(test_a_reader_that_left_is_no_trouble),
        OUTPUT_TEST(test_a_broken_stream_is_opened_again),
        OUTPUT_TEST(test_a_log_that_cannot_be_read_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
