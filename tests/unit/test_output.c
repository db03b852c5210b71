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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* A pipe in place of stdout: [0] is read by the test. */
struct sink {
    int fds[2];
    struct output_settings settings;
    struct engine_world *w;
    struct output *output;
    bool runs; /* what the launch is said to do when a stream has ended */
    char text[200000];
    size_t len;
};

static bool still_runs(void *arg, const char *launch_id)
{
    const struct sink *s = arg;
    return s->runs && strcmp(launch_id, "l1") == 0;
}

static struct sink *sink_new(struct engine_world *w)
{
    struct sink *s = check_alloc(sizeof(*s));
    assert_int_equal(pipe2(s->fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(s->fds[0], F_SETFL, O_NONBLOCK), 0);
    s->w = w;
    s->settings = (struct output_settings){.engine = w->engine,
                                           .timers = w->timers,
                                           .base = w->base,
                                           .fd = s->fds[1],
                                           .with_names = true,
                                           .still_runs = still_runs,
                                           .arg = s};
    s->output = output_new(&s->settings);
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
    engine_world_advance(s->w, 0);
    while ((n = read(s->fds[0], s->text + s->len, sizeof(s->text) - s->len - 1)) > 0)
        s->len += (size_t)n;
    s->text[s->len] = '\0';
    return s->text;
}

static void follow(struct engine_world *w, struct sink *s)
{
    output_follow(s->output, &(struct output_wish){.launch_id = "l1",
                                                   .container_id = fake_engine_find(w->fake, "c1")->id,
                                                   .name = "c1"});
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
    fake_engine_write(w->fake, "c1", 2, "other\n");
    fake_engine_write(w->fake, "c1", 1, "o\n\nthree");
    fake_engine_exit(w->fake, "c1", 0);
    engine_world_advance(w, 2000);
    assert_string_equal(sink_read(s), "c1 | one\nc1 | other\nc1 | two\nc1 | \nc1 | three\n");
    assert_int_equal((int64_t)output_counts(s->output).dropped_bytes, 0);
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
    uint64_t dropped = output_counts(s->output).dropped_lines;
    assert_in_range(dropped, 600, 900);
    uint64_t total = 0;
    for (int i = 0; i < 200 && total + dropped < 1000; i++) {
        s->len = 0;
        for (const char *p = sink_read(s); (p = strstr(p, "| y")) != NULL; p++)
            total++;
        engine_world_advance(w, 200);
    }
    assert_int_equal(total + dropped, 1000);
    assert_int_equal(output_counts(s->output).dropped_lines, dropped);
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
    for (int i = 0; i < 3; i++) {
        fake_engine_write(w->fake, "c1", 1, "to nobody\n");
        engine_world_advance(w, 1000);
    }
    assert_int_equal(output_counts(s->output).dropped_lines, 3);
    sink_free(s);
}

/* A stdout that takes only so much and then nothing, whatever it is: the loop goes on. */
static void test_no_stdout_holds_up_the_loop(void **state)
{
    struct engine_world *w = *state;
    static char block[10001];
    memset(block, 'y', 9999);
    block[9999] = '\n';
    for (int kind = 0; kind < 3; kind++) {
        int fds[2] = {-1, -1};
        if (kind == 0) {
            assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        } else if (kind == 1) {
            fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
            assert_true(fds[0] >= 0 && grantpt(fds[0]) == 0 && unlockpt(fds[0]) == 0);
            fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        } else {
            fds[1] = open("/dev/full", O_WRONLY | O_CLOEXEC);
        }
        assert_true(fds[1] >= 0);
        char name[8];
        snprintf(name, sizeof(name), "k%d", kind);
        fake_engine_create(w->fake, name, ENGINE_WORLD_BODY);
        fake_engine_start(w->fake, name);
        struct output *o = output_new(&(struct output_settings){
            .engine = w->engine, .timers = w->timers, .base = w->base, .fd = fds[1], .with_names = true});
        output_follow(o, &(struct output_wish){.launch_id = "l1",
                                               .container_id = fake_engine_find(w->fake, name)->id,
                                               .name = name});
        for (int i = 0; i < 500; i++) {
            fake_engine_write(w->fake, name, 1, block);
            if (i % 50 == 0)
                engine_world_advance(w, 1);
        }
        engine_world_advance(w, 5000);
        assert_int_equal(output_counts(o).lines, 500);
        assert_in_range(output_counts(o).dropped_lines, 100, 500);
        assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0); /* it is others' as well */
        output_free(o);
        close(fds[1]);
        if (fds[0] >= 0)
            close(fds[0]);
    }
}

/* Without a line twice, and without one missing. */
static void test_a_broken_stream_goes_on(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_LOGS, .kind = FAKE_FAULT_DROP_BEFORE});
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "one\n");
    engine_world_advance(w, 2000);
    assert_string_equal(sink_read(s), "c1 | one\n");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 2);
    fake_engine_write(w->fake, "c1", 1, "two\nthr");
    engine_world_turn(w);
    fake_engine_go_down(w->fake, true, false);
    engine_world_turn(w);
    fake_engine_come_up(w->fake);
    fake_engine_write(w->fake, "c1", 1, "ee\n");
    fake_engine_write(w->fake, "c1", 2, "four\n");
    engine_world_advance(w, 1000);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 3);
    assert_string_equal(sink_read(s), "c1 | one\nc1 | two\nc1 | three\nc1 | four\n");
    sink_free(s);
}

/* Docker ends a stream before the last bytes are in the log, if they are no whole line. */
static void test_last_bytes_that_come_too_late(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "one\n");
    engine_world_turn(w);
    fake_engine_exit(w->fake, "c1", 0);
    engine_world_turn(w);
    fake_engine_write(w->fake, "c1", 1, "end");
    fake_engine_write(w->fake, "c1", 2, "bad");
    engine_world_advance(w, 600000);
    assert_string_equal(sink_read(s), "c1 | one\nc1 | end\nc1 | bad\n");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 3);
    assert_non_null(strstr(fake_engine_last_request(w->fake, FAKE_ENGINE_LOGS), "&tail=4"));
    sink_free(s);
}

/* An engine that shuts down ends streams as if the containers had ended. */
static void test_a_stream_that_ends_too_early_goes_on(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "1\n");
    engine_world_turn(w);
    s->runs = true;
    fake_engine_exit(w->fake, "c1", 0); /* as the stream tells it; the launch is said to run on */
    engine_world_advance(w, 1500);      /* a look that brings nothing */
    for (int i = 2; i < 10; i++) {
        char line[8];
        snprintf(line, sizeof(line), "%d\n", i);
        fake_engine_write(w->fake, "c1", 1, line);
    }
    engine_world_advance(w, 4000);
    assert_string_equal(sink_read(s),
                        "c1 | 1\nc1 | 2\nc1 | 3\nc1 | 4\nc1 | 5\nc1 | 6\nc1 | 7\nc1 | 8\nc1 | 9\n");
    s->runs = false;
    engine_world_advance(w, 600000);
    int calls = fake_engine_calls(w->fake, FAKE_ENGINE_LOGS);
    engine_world_advance(w, 600000);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), calls);
    assert_in_range(calls, 3, 7);
    sink_free(s);
}

static void resume(struct engine_world *w, struct sink *s, const char *name)
{
    output_follow(s->output, &(struct output_wish){.launch_id = "l1",
                                                   .container_id = fake_engine_find(w->fake, name)->id,
                                                   .name = name,
                                                   .is_resumed = true});
}

/* After our restart: only what still runs, with its tty, from now on. */
static void test_resumed(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    engine_world_make(w, true);
    fake_engine_write(w->fake, "c1", 1, "over\n");
    fake_engine_exit(w->fake, "c1", 0);
    fake_engine_create(w->fake, "t1", "{\"Image\":\"busybox\",\"Cmd\":[\"x\"],\"Tty\":true}");
    fake_engine_start(w->fake, "t1");
    fake_engine_write(w->fake, "t1", 1, "before\r\n");
    engine_world_advance(w, 5000);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_INSPECT, .kind = FAKE_FAULT_DROP_BEFORE});
    resume(w, s, "t1");
    resume(w, s, "c1");
    engine_world_advance(w, 1000);
    fake_engine_write(w->fake, "t1", 1, "after\r\n");
    assert_string_equal(sink_read(s), "t1 | after\r\n");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LOGS), 1);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_INSPECT), 3);
    sink_free(s);
}

static void test_names_can_be_left_out(void **state)
{
    struct engine_world *w = *state;
    struct sink *s = sink_new(w);
    output_free(s->output);
    s->settings.with_names = false;
    s->output = output_new(&s->settings);
    engine_world_make(w, true);
    follow(w, s);
    fake_engine_write(w->fake, "c1", 1, "{\"a\":1}\n");
    engine_world_turn(w);
    assert_string_equal(sink_read(s), "{\"a\":1}\n");
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
        OUTPUT_TEST(test_no_stdout_holds_up_the_loop),
        OUTPUT_TEST(test_a_broken_stream_goes_on),
        OUTPUT_TEST(test_last_bytes_that_come_too_late),
        OUTPUT_TEST(test_a_stream_that_ends_too_early_goes_on),
        OUTPUT_TEST(test_resumed),
        OUTPUT_TEST(test_names_can_be_left_out),
        OUTPUT_TEST(test_a_log_that_cannot_be_read_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
