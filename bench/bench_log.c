/*
 * bench_log.c - how many lines a second the log takes: prints lines and CPU time a line into a file, into a
 * pipe that is read, and into one that nobody reads. A line has the keys of a call that timed out.
 */
#include "log_output.h"

#include "base/buf.h"
#include "base/log.h"

#include <event2/event.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINES 200000

static double seconds(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void write_lines(void)
{
    for (int i = 0; i < LINES; i++)
        log_warn("timeout", kv_s("run", "01985f7a-3d2e-7c4b-9a51-6f1f6f0c2a11"),
                 kv_s("launch", "5b8c2f61-94a3-4d0e-8d38-0c9f2f7f3e22"), kv_s("stage", "create"),
                 kv_int("attempt", i), kv_s("class", "etl"), kv_int("took_ms", 60001),
                 kv_int("timeout_ms", 60000), kv_s("timeout_from", "DOCKER_CLIENT_TIMEOUT"),
                 kv_s("clock", "total"), kv_int("clock_ms", 60000),
                 kv_s("clock_from", "DOCKER_CLIENT_TIMEOUT"), kv_s("dependency", "engine"),
                 kv_s("transport", "timeout"), kv_s("error_class", "transient"),
                 kv_s("error", "no answer within 60 s, although the request was sent"));
}

static void measure(const char *where, int fd, const char *file, enum log_format format)
{
    struct event_base *base = event_base_new();
    struct log_output *log;
    struct err err;
    struct log_output_settings settings = {.base = base, .fd = fd, .file = file};
    if (base == NULL || log_output_open(&settings, &log, &err) != 0)
        exit(1);
    log_setup(log_output_sink, log, format, LOG_LEVEL_INFO, &clock_system);
    double began = seconds(CLOCK_MONOTONIC);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    write_lines();
    double took = seconds(CLOCK_MONOTONIC) - began;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%-28s %-6s %8.0f lines/s, %4.1f us of CPU a line, %llu of %d dropped\n", where,
           format == LOG_FORMAT_JSON ? "json" : "logfmt", LINES / took, cpu * 1e6 / LINES,
           (unsigned long long)log_output_dropped(log), LINES);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
    log_output_close(log);
    event_base_free(base);
}

/* A child that only reads, or (false) a pipe's end that nobody touches. */
static void measure_pipe(const char *where, bool is_read)
{
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    pid_t child = is_read ? fork() : -1;
    if (child == 0) {
        static char piece[65536];
        close(ends[1]);
        while (read(ends[0], piece, sizeof(piece)) > 0)
            ;
        _exit(0);
    }
    measure(where, ends[1], NULL, LOG_FORMAT_LOGFMT);
    close(ends[0]);
    close(ends[1]);
    if (is_read)
        waitpid(child, NULL, 0);
}

int main(void)
{
    char path[] = "/tmp/sluice-bench-log-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IONBF, 0);
    measure("file", -1, path, LOG_FORMAT_LOGFMT);
    measure("file", -1, path, LOG_FORMAT_JSON);
    measure_pipe("pipe that is read", true);
    measure_pipe("pipe that nobody reads", false);
    close(fd);
    unlink(path);
    return 0;
}
