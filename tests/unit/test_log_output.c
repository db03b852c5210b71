/*
 * log_output: a reader that doesn't read, a full disk, a closed descriptor, the journal, rotation.
 */
#include "log_output.h"

#include "base/buf.h"
#include "base/check.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct event_base *base;
    struct log_output *log;
    int ends[2]; /* of a pipe or a pair of sockets: ours to read, the log's to write */
    char folder[64];
    char *path;
};

static int set_up(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    const char *parent = getenv("TMPDIR");
    signal(SIGPIPE, SIG_IGN);
    w->base = event_base_new();
    assert_int_equal(pipe2(w->ends, O_CLOEXEC), 0);
    snprintf(w->folder, sizeof(w->folder), "%.40s/sluice-log-XXXXXX", parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(w->folder));
    w->path = check_printf("%s/sluice.log", w->folder);
    *state = w;
    return 0;
}

static void close_log(struct world *w)
{
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
    log_output_close(w->log);
    w->log = NULL;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 2; i++)
        if (w->ends[i] >= 0)
            close(w->ends[i]);
    close_log(w);
    char *old = check_printf("%s.1", w->path);
    unlink(old);
    unlink(w->path);
    assert_int_equal(rmdir(w->folder), 0);
    free(old);
    free(w->path);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void open_log(struct world *w, const char *file, const char *journal_stream)
{
    struct err err;
    struct log_output_settings settings = {
        .base = w->base, .fd = w->ends[1], .file = file, .journal_stream = journal_stream};
    if (log_output_open(&settings, &w->log, &err) != 0)
        fail_msg("%s", err.msg);
    log_setup(log_output_sink, w->log, LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, NULL);
}

/* What can be read of an end without waiting, added to text. */
static void read_what_is_there(int fd, struct buf *text)
{
    char piece[65536];
    struct err err;
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (ssize_t n; (n = read(fd, piece, sizeof(piece))) > 0;)
        assert_int_equal(buf_add(text, piece, (size_t)n, &err), 0);
}

static void turn(struct world *w)
{
    assert_true(event_base_loop(w->base, EVLOOP_NONBLOCK) >= 0);
}

static struct buf text_of(const char *path)
{
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    read_what_is_there(fd, &text);
    close(fd);
    return text;
}

static void assert_file(const char *path, const char *expected)
{
    struct buf text = text_of(path);
    assert_string_equal(buf_text(&text), expected);
    buf_done(&text);
}

/* Numbered lines are all there, in order and whole, but for one hole that the log itself tells of. */
static void check_numbers(const struct buf *text, int64_t written, uint64_t dropped)
{
    int64_t next = 0;
    uint64_t told = 0;
    for (const char *line = buf_text(text); *line != '\0'; line = strchr(line, '\n') + 1) {
        long long number;
        unsigned long long count;
        if (sscanf(line, "level=info msg=line n=%lld v=", &number) == 1) {
            assert_true(number >= next);
            next = number + 1;
        } else {
            assert_int_equal(
                sscanf(line, "level=warn msg=\"log lines were dropped: nobody took them\" dropped=%llu",
                       &count),
                1);
            told += count;
        }
        assert_non_null(strchr(line, '\n'));
    }
    assert_int_equal(next, written);
    assert_int_equal(told, dropped);
}

/* 40 MB into a pipe that nobody reads: it comes back, keeps what it may, and says what it has lost. */
static void check_slow_reader(struct world *w)
{
    char value[1000];
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    open_log(w, NULL, NULL);
    int64_t n = 0;
    for (; n < 40000; n++)
        log_info("line", kv_int("n", n), kv_s("v", value));
    uint64_t dropped = log_output_dropped(w->log);
    assert_in_range(dropped, 35000, 39999);
    for (size_t before = SIZE_MAX; before != text.len;) {
        before = text.len;
        read_what_is_there(w->ends[0], &text);
        turn(w);
    }
    log_info("line", kv_int("n", n++), kv_s("v", value));
    read_what_is_there(w->ends[0], &text);
    assert_int_equal(log_output_dropped(w->log), dropped);
    check_numbers(&text, n, dropped);
    buf_done(&text);
}

static void test_pipe_without_reading(void **state)
{
    check_slow_reader(*state);
}

static void test_socket_without_reading(void **state)
{
    struct world *w = *state;
    close(w->ends[0]);
    close(w->ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, w->ends), 0);
    check_slow_reader(w);
}

/* The other end belongs to others too: their descriptor must not become non-blocking by us. */
static void test_the_others_descriptor_stays_as_it_is(void **state)
{
    struct world *w = *state;
    open_log(w, NULL, NULL);
    log_info("x");
    assert_int_equal(fcntl(w->ends[1], F_GETFL) & O_NONBLOCK, 0);
}

static void test_reader_has_gone(void **state)
{
    struct world *w = *state;
    open_log(w, NULL, NULL);
    close(w->ends[0]);
    w->ends[0] = -1;
    for (int i = 0; i < 100; i++)
        log_info("x");
    turn(w);
    assert_int_equal(log_output_dropped(w->log), 100);
}

static void test_descriptor_is_closed(void **state)
{
    struct world *w = *state;
    close(w->ends[1]);
    open_log(w, NULL, NULL);
    log_info("x");
    assert_int_equal(log_output_dropped(w->log), 1);
    w->ends[1] = -1;
}

/* ---- the journal ---- */

static void test_journal(void **state)
{
    struct world *w = *state;
    struct stat st;
    char stream[64];
    struct buf text;
    buf_init(&text, 10000);
    assert_int_equal(fstat(w->ends[1], &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    open_log(w, NULL, stream);
    assert_true(log_output_is_journal(w->log));
    log_debug("a");
    log_info("b");
    log_warn("c", kv_s("k", "two\nlines"));
    log_error("d");
    read_what_is_there(w->ends[0], &text);
    assert_string_equal(buf_text(&text), "<7>level=debug msg=a\n<6>level=info msg=b\n"
                                         "<4>level=warn msg=c k=\"two\\nlines\"\n<3>level=error msg=d\n");
    buf_done(&text);
}

/* Sent elsewhere by a shell, the variable stays: only the descriptor itself tells. */
static void test_not_the_journal(void **state)
{
    static const char *const streams[] = {NULL, "", "1:2", "nonsense", "99999999999999999999:1"};
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
        open_log(w, NULL, streams[i]);
        assert_false(log_output_is_journal(w->log));
        close_log(w);
    }
}

/* ---- files ---- */

static void test_file_is_made_for_its_group(void **state)
{
    struct world *w = *state;
    struct stat st;
    mode_t before = umask(022);
    open_log(w, w->path, "1:2");
    umask(before);
    log_info("one");
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_file(w->path, "level=info msg=one\n");
    close_log(w);
    open_log(w, w->path, NULL);
    log_info("two");
    assert_file(w->path, "level=info msg=one\nlevel=info msg=two\n");
}

static void test_reopening(void **state)
{
    struct world *w = *state;
    struct err err;
    char *old = check_printf("%s.1", w->path);
    open_log(w, w->path, NULL);
    log_info("one");
    assert_int_equal(rename(w->path, old), 0);
    log_info("two");
    assert_int_equal(log_output_reopen(w->log, &err), 0);
    log_info("three");
    assert_file(old, "level=info msg=one\nlevel=info msg=two\n");
    assert_file(w->path, "level=info msg=three\n");
    /* A folder in its place: the one that is open goes on. */
    assert_int_equal(unlink(w->path), 0);
    assert_int_equal(rename(old, w->path), 0);
    close_log(w);
    open_log(w, w->path, NULL);
    assert_int_equal(rename(w->path, old), 0);
    assert_int_equal(mkdir(w->path, 0700), 0);
    assert_int_equal(log_output_reopen(w->log, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, w->path));
    assert_int_equal(rmdir(w->path), 0);
    log_info("four");
    assert_file(old, "level=info msg=one\nlevel=info msg=two\nlevel=info msg=four\n");
    free(old);
}

static void test_reopening_without_a_file(void **state)
{
    struct world *w = *state;
    struct err err;
    open_log(w, NULL, NULL);
    assert_int_equal(log_output_reopen(w->log, &err), 0);
}

static void test_file_that_cannot_be_opened(void **state)
{
    struct world *w = *state;
    struct err err;
    struct log_output_settings settings = {.base = w->base, .fd = w->ends[1], .file = "/nonexistent/x.log"};
    assert_int_equal(log_output_open(&settings, &w->log, &err), -1);
    assert_string_equal(err.msg,
                        "the log file /nonexistent/x.log can't be opened: No such file or directory");
    /* A FIFO without a reader would be waited for. */
    assert_int_equal(mkfifo(w->path, 0600), 0);
    settings.file = w->path;
    assert_int_equal(log_output_open(&settings, &w->log, &err), -1);
    w->log = NULL;
}

/* ---- a full disk: writes take so many bytes, then fail ---- */

ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);

static int64_t room = -1; /* bytes; -1: no limit */

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (room < 0)
        return __real_write(fd, data, len);
    if (room == 0) {
        errno = ENOSPC;
        return -1;
    }
    size_t taken = len < (size_t)room ? len : (size_t)room;
    room -= (int64_t)taken;
    return __real_write(fd, data, taken);
}

static void test_full_disk(void **state)
{
    struct world *w = *state;
    struct buf text;
    buf_init(&text, 10000);
    open_log(w, w->path, NULL);
    log_info("one");
    room = 10;
    log_info("two");
    for (int i = 0; i < 5; i++)
        log_info("lost");
    room = -1;
    assert_int_equal(log_output_dropped(w->log), 6);
    log_info("three");
    log_info("four");
    assert_file(w->path, "level=info msg=one\nlevel=info\nlevel=info msg=three\n"
                         "level=warn msg=\"log lines were dropped: nobody took them\" dropped=6\n"
                         "level=info msg=four\n");
    read_what_is_there(w->ends[0], &text);
    assert_string_equal(
        buf_text(&text),
        "sluice: the log file can't be written: No space left on device; lines are dropped\n");
    buf_done(&text);
}

int main(void)
{
#define LOG_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_pipe_without_reading),
        LOG_TEST(test_socket_without_reading),
        LOG_TEST(test_the_others_descriptor_stays_as_it_is),
        LOG_TEST(test_reader_has_gone),
        LOG_TEST(test_descriptor_is_closed),
        LOG_TEST(test_journal),
        LOG_TEST(test_not_the_journal),
        LOG_TEST(test_file_is_made_for_its_group),
        LOG_TEST(test_reopening),
        LOG_TEST(test_reopening_without_a_file),
        LOG_TEST(test_file_that_cannot_be_opened),
        LOG_TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
