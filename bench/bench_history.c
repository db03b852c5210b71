/*
 * bench_history.c - how long the steps hold the loop in which a long history is forgotten, and its file
 * shrinks.
 *
 * bench_history FILE [STEPS]: takes the steps that scheduler/upkeep.c takes, without the pauses between them,
 * as if every finished launch were too old. Changes FILE. Prints how long a step and its commit take, and how
 * many rows a step deletes.
 */
#include "base/clock.h"
#include "core/file_bounds.h"
#include "store/store.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#define ROWS_A_PAGE 4

struct spans {
    double *ms;
    size_t count;
};

static double now_ms(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_spans(const char *what, struct spans *spans)
{
    if (spans->count == 0)
        return;
    qsort(spans->ms, spans->count, sizeof(*spans->ms), compare);
    printf("%s: %zu, p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms, longest %.2f ms\n", what, spans->count,
           spans->ms[spans->count / 2], spans->ms[spans->count * 99 / 100],
           spans->ms[spans->count * 999 / 1000], spans->ms[spans->count - 1]);
}

struct bench {
    struct store *store;
    int64_t rows; /* of the next step */
    struct store_trimmed total;
    struct spans trims, shrinks, commits, checkpoints, cpu;
};

static void add(struct spans *spans, double ms)
{
    spans->ms[spans->count++] = ms;
}

static void step(struct bench *b, bool shrinks)
{
    struct err err;
    struct store_trimmed trimmed = {0};
    double began = now_ms(CLOCK_MONOTONIC);
    double cpu = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(store_begin(b->store, &err) == 0);
    if (shrinks)
        CHECK(store_shrink(b->store, b->rows / ROWS_A_PAGE, &err) == 0);
    else
        CHECK(store_trim(b->store, INT64_MAX, b->rows, &trimmed, &err) == 0);
    double took = now_ms(CLOCK_MONOTONIC) - began;
    b->rows = file_bounds_rows(b->rows, (int64_t)took);
    add(shrinks ? &b->shrinks : &b->trims, took);
    b->total.launches += trimmed.launches;
    b->total.rows += trimmed.rows;
    b->total.is_done = trimmed.is_done;
    began = now_ms(CLOCK_MONOTONIC);
    CHECK(store_commit(b->store, &err) == 0);
    add(&b->commits, now_ms(CLOCK_MONOTONIC) - began);
    began = now_ms(CLOCK_MONOTONIC);
    store_checkpoint(b->store);
    add(&b->checkpoints, now_ms(CLOCK_MONOTONIC) - began);
    add(&b->cpu, now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

static double megabytes(struct store *store)
{
    struct store_size size;
    struct err err;
    CHECK(store_size(store, &size, &err) == 0);
    return (double)size.bytes / 1e6;
}

int main(int argc, char **argv)
{
    struct err err;
    size_t steps = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 2000;
    struct bench b = {.rows = file_bounds_rows(0, 0)};
    if (argc < 2 || steps == 0) {
        fputs("usage: bench_history FILE [STEPS]\n", stderr);
        return 2;
    }
    double began = now_ms(CLOCK_PROCESS_CPUTIME_ID);
    if (store_open(argv[1], &clock_system, &b.store, &err) != 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    printf("opened with %.1f ms of CPU\n", now_ms(CLOCK_PROCESS_CPUTIME_ID) - began);
    struct spans *all[] = {&b.trims, &b.shrinks, &b.commits, &b.checkpoints, &b.cpu};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        all[i]->ms = check_alloc(2 * steps * sizeof(*all[i]->ms));
    for (size_t i = 0; i < steps && !b.total.is_done; i++)
        step(&b, false);
    double before = megabytes(b.store);
    for (size_t i = 0; i < steps; i++)
        step(&b, true);
    printf("%lld launches, %lld rows forgotten; the file has %.1f MB, had %.1f MB\n",
           (long long)b.total.launches, (long long)b.total.rows, megabytes(b.store), before);
    print_spans("steps that forget", &b.trims);
    print_spans("steps that give pages back", &b.shrinks);
    print_spans("their commits", &b.commits);
    print_spans("their checkpoints", &b.checkpoints);
    print_spans("CPU of a step with commit and checkpoint", &b.cpu);
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        free(all[i]->ms);
    store_close(b.store);
    return 0;
}
