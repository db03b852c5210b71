/*
 * log_output.c - see log_output.h.
 *
 * A line goes straight to the descriptor as long as nothing waits before it. What is left over waits in
 * `kept` until the descriptor is writable again, or until the next line where that can't be told (a file on a
 * full disk): each line is also a try. A line of which a part was written is finished before any other, so
 * that no two are ever mixed; only an error tears one, and the next line then begins on a line of its own.
 */
#include "log_output.h"

#include "output_fd.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MAX_BYTES (1024 * 1024)
#define CLOSE_WAIT_MS 1000

struct log_output {
    struct log_output_settings s;
    struct output_fd out;
    int file_fd; /* -1: no file */
    bool is_journal;
    bool is_torn; /* the last thing written was a part of a line */
    bool is_said; /* that lines are dropped, on stderr, since the last one that was taken */
    struct buf kept;
    uint64_t dropped;
    uint64_t told_dropped; /* of which a line has told */
};

/* ---- where to ---- */

/* "DEVICE:INODE" of the journal's socket, as systemd.exec(5) says; stderr may have been sent elsewhere since.
 */
static bool is_journal(int fd, const char *stream)
{
    struct stat st;
    char own[64];
    if (stream == NULL || fstat(fd, &st) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(own, stream) == 0;
}

/* A FIFO without a reader is refused instead of waited for. */
static int open_file(const char *path, int *fd, struct err *err)
{
    int opened = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (opened < 0)
        return err_sys(err, errno, "the log file %s can't be opened", path);
    *fd = opened;
    return 0;
}

static void on_writable(void *arg);

int log_output_open(const struct log_output_settings *settings, struct log_output **out, struct err *err)
{
    int fd = -1;
    if (settings->file != NULL && open_file(settings->file, &fd, err) != 0)
        return -1;
    struct log_output *log = check_alloc(sizeof(*log));
    log->s = *settings;
    log->file_fd = fd;
    log->is_journal = fd < 0 && is_journal(settings->fd, settings->journal_stream);
    buf_init(&log->kept, KEPT_MAX_BYTES);
    output_fd_open(&log->out, fd < 0 ? settings->fd : fd, settings->base, on_writable, log);
    *out = log;
    return 0;
}

bool log_output_is_journal(const struct log_output *log)
{
    return log->is_journal;
}

uint64_t log_output_dropped(const struct log_output *log)
{
    return log->dropped;
}

/* ---- writing ---- */

void log_output_say(int fd, const char *text)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
        dprintf(fd, "sluice: %s\n", text);
}

/* A file has nobody behind it who would miss its lines, so its trouble is told on stderr, once. */
static void say_trouble(struct log_output *log, int error)
{
    char text[128];
    if (log->file_fd < 0 || log->is_said)
        return;
    log->is_said = true;
    snprintf(text, sizeof(text), "the log file can't be written: %s; lines are dropped", strerror(error));
    log_output_say(log->s.fd, text);
}

/* How many bytes were taken; less than len: no more at present. All are gone after an error. */
static size_t put(struct log_output *log, const char *data, size_t len, bool *has_failed)
{
    size_t done = 0;
    *has_failed = false;
    while (done < len) {
        ssize_t n = output_fd_write(&log->out, data + done, len - done);
        if (n < 0) {
            *has_failed = true;
            say_trouble(log, errno);
            break;
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    if (done > 0)
        log->is_torn = data[done - 1] != '\n';
    return done;
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n';
    return lines;
}

/* Of what could not be written after an error nothing is tried again: the rest of a line alone is no line. */
static void flush_kept(struct log_output *log)
{
    bool has_failed;
    if (log->kept.len == 0)
        return;
    buf_consume(&log->kept, put(log, buf_text(&log->kept), log->kept.len, &has_failed));
    if (has_failed) {
        log->dropped += count_lines(buf_text(&log->kept), log->kept.len);
        buf_clear(&log->kept);
    }
    if (log->kept.len > 0 && !output_fd_wait(&log->out))
        return; /* the next line tries again */
}

/* Whole lines or nothing. */
static void keep(struct log_output *log, const char *data, size_t len)
{
    struct err ignored;
    if (buf_add(&log->kept, data, len, &ignored) != 0)
        log->dropped++;
}

static void write_line(struct log_output *log, const char *data, size_t len)
{
    bool has_failed = false;
    size_t done = 0;
    if (log->kept.len == 0) {
        if (log->is_torn && put(log, "\n", 1, &has_failed) == 0 && has_failed) {
            log->dropped++;
            return;
        }
        done = put(log, data, len, &has_failed);
    }
    if (has_failed)
        log->dropped++;
    else if (done < len)
        keep(log, data + done, len - done);
    else
        log->is_said = false;
    flush_kept(log);
}

/* As soon as there is room again: the hole is told of where it is. */
static void tell_dropped(struct log_output *log)
{
    uint64_t dropped = log->dropped - log->told_dropped;
    if (dropped == 0 || log->kept.len > 0)
        return;
    log->told_dropped = log->dropped;
    log_warn("log lines were dropped: nobody took them", kv_int("dropped", (int64_t)dropped));
}

void log_output_sink(void *arg, enum log_level level, const char *line, size_t len)
{
    static const char *const prefixes[] = {"<7>", "<6>", "<4>", "<3>"};
    struct log_output *log = arg;
    uint64_t dropped = log->dropped;
    if (log->is_journal) {
        char *AUTO_FREE prefixed = check_alloc(len + 4);
        memcpy(prefixed, prefixes[level], 3);
        memcpy(prefixed + 3, line, len);
        write_line(log, prefixed, len + 3);
    } else {
        write_line(log, line, len);
    }
    if (log->dropped == dropped)
        tell_dropped(log);
}

static void on_writable(void *arg)
{
    struct log_output *log = arg;
    flush_kept(log);
    tell_dropped(log);
}

/* ---- life ---- */

int log_output_reopen(struct log_output *log, struct err *err)
{
    int fd = -1;
    if (log->file_fd < 0)
        return 0;
    if (open_file(log->s.file, &fd, err) != 0)
        return -1;
    flush_kept(log);
    output_fd_close(&log->out);
    close(log->file_fd);
    log->file_fd = fd;
    log->is_torn = false;
    output_fd_open(&log->out, fd, log->s.base, on_writable, log);
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void log_output_close(struct log_output *log)
{
    if (log == NULL)
        return;
    int64_t end_ms = now_ms() + CLOSE_WAIT_MS;
    flush_kept(log);
    while (log->kept.len > 0 && now_ms() < end_ms) {
        struct pollfd p = {.fd = log->out.fd, .events = POLLOUT};
        if (poll(&p, 1, (int)(end_ms - now_ms())) <= 0)
            break;
        flush_kept(log);
    }
    output_fd_close(&log->out);
    if (log->file_fd >= 0)
        close(log->file_fd);
    buf_done(&log->kept);
    free(log);
}
