#include "bench_lives_stall.h"

#include "base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct sqlite3_stmt;
int __real_sqlite3_step(struct sqlite3_stmt *statement);
int __wrap_sqlite3_step(struct sqlite3_stmt *statement);

struct samples {
    int64_t *ns;
    size_t count;
    size_t cap;
};

static int syncs;
static int64_t turn_ns;      /* in SQLite in this turn, syncs included */
static int64_t turn_sync_ns; /* of them in syncs */
static int64_t turn_cpu_ns;  /* our own CPU in SQLite in this turn: what a busy machine can't lengthen */
static struct samples stalls;
static struct samples cpus;
static struct samples waits; /* for syncs, of turns that had one */

static int64_t read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int fdatasync(int fd)
{
    int64_t began_ns = now_ns();
    int rc = (int)syscall(SYS_fdatasync, fd);
    turn_sync_ns += now_ns() - began_ns;
    syncs++;
    return rc;
}

int __wrap_sqlite3_step(struct sqlite3_stmt *statement)
{
    int64_t began_ns = now_ns();
    int64_t cpu_ns = read_ns(CLOCK_THREAD_CPUTIME_ID);
    int rc = __real_sqlite3_step(statement);
    turn_cpu_ns += read_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    turn_ns += now_ns() - began_ns;
    return rc;
}

int bench_syncs(void)
{
    return syncs;
}

static void add(struct samples *samples, int64_t ns)
{
    if (samples->count == samples->cap) {
        samples->cap = samples->cap == 0 ? 4096 : samples->cap * 2;
        samples->ns = realloc(samples->ns, samples->cap * sizeof(*samples->ns));
        CHECK(samples->ns != NULL);
    }
    samples->ns[samples->count++] = ns;
}

void bench_stall_begin(void)
{
    stalls.count = 0;
    cpus.count = 0;
    waits.count = 0;
}

void bench_stall_turn(void)
{
    if (turn_ns > 0) {
        add(&stalls, turn_ns - turn_sync_ns);
        add(&cpus, turn_cpu_ns);
    }
    if (turn_sync_ns > 0)
        add(&waits, turn_sync_ns);
    turn_ns = 0;
    turn_cpu_ns = 0;
    turn_sync_ns = 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print(const char *what, struct samples *samples)
{
    static const double percentiles[] = {50, 99, 99.9, 100};
    if (samples->count == 0)
        return;
    qsort(samples->ns, samples->count, sizeof(*samples->ns), compare);
    printf("  %s, %zu turns:", what, samples->count);
    for (size_t i = 0; i < ARRAY_LEN(percentiles); i++) {
        size_t at = (size_t)((double)samples->count * percentiles[i] / 100);
        printf(" p%g %.2f ms%s", percentiles[i],
               (double)samples->ns[at < samples->count ? at : samples->count - 1] / 1e6,
               i + 1 < ARRAY_LEN(percentiles) ? "," : "\n");
    }
    free(samples->ns);
    *samples = (struct samples){0};
}

void bench_stall_print(void)
{
    print("loop in SQLite, net of syncs (p99.9 wants <= 5 ms)", &stalls);
    print("of it our own CPU, syncs included", &cpus);
    print("loop waiting for syncs", &waits);
}
