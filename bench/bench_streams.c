/*
 * bench_streams.c - a Prefect API and an engine whose containers write: the other side of bench/streams.py.
 *
 * bench_streams CONTAINERS SECONDS LOUD_BYTES_A_SECOND
 * Prints the addresses in one line. When every container's log is followed, prints "writing"; then each
 * container writes a line a second ("NUMBER COUNT xxx"); if number 0 is to be loud, it writes so many bytes a
 * second instead ("loud COUNT xxx"). At the end prints how many lines of each kind were written, and serves
 * on until stdin is closed.
 */
#include "bench_streams.h"

#include "scheduler/loop.h"
#include "tests/fakes/fake_prefect.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 10
#define LINE_BYTES 100
#define LOUD_LINE_BYTES 1000
#define LOUD_PIECE_BYTES 16000

static const char template_json[] =
    "{\"job_configuration\":{\"image\":\"{{ image }}\",\"command\":\"{{ command }}\",\"env\":\"{{ env "
    "}}\",\"labels\":\"{{ labels }}\",\"name\":\"{{ name }}\",\"image_pull_policy\":\"{{ image_pull_policy "
    "}}\",\"stream_output\":\"{{ stream_output }}\"},"
    "\"variables\":{\"type\":\"object\",\"properties\":{\"image\":{\"type\":\"string\",\"default\":"
    "\"" STREAMS_IMAGE "\"},"
    "\"command\":{\"type\":\"string\",\"default\":\"true\"},\"env\":{\"type\":\"object\"},\"labels\":{"
    "\"type\":\"object\"},"
    "\"name\":{\"type\":\"string\"},\"image_pull_policy\":{\"type\":\"string\",\"default\":\"IfNotPresent\"},"
    "\"stream_output\":{\"type\":\"boolean\",\"default\":true}}}}";

struct fakes {
    struct loop *loop;
    struct fake_prefect *prefect;
    struct streams_engine *engine;
    struct timer timer;
    size_t containers;
    int64_t seconds;
    int64_t loud_bytes_per_second;
    int64_t began_ms; /* 0: not all are followed yet */
    int64_t lines;    /* written */
    int64_t loud_lines;
};

static void on_start(void *arg, const char *flow_run_id)
{
    struct fakes *f = arg;
    fake_prefect_container_runs(f->prefect, flow_run_id);
}

static void write_lines(struct fakes *f, int64_t elapsed_ms)
{
    size_t first = f->loud_bytes_per_second > 0 ? 1 : 0;
    int64_t quiet = (int64_t)(f->containers - first);
    int64_t wanted = elapsed_ms * quiet / 1000;
    for (; f->lines < wanted; f->lines++) {
        char line[LINE_BYTES + 1];
        size_t index = first + (size_t)(f->lines % quiet);
        int len = snprintf(line, sizeof(line), "%zu %lld ", index, (long long)(f->lines / quiet));
        memset(line + len, 'x', LINE_BYTES - 1 - (size_t)len);
        line[LINE_BYTES - 1] = '\n';
        streams_engine_write(f->engine, index, line, LINE_BYTES);
    }
}

static void write_loud(struct fakes *f, int64_t elapsed_ms)
{
    int64_t wanted = elapsed_ms * f->loud_bytes_per_second / 1000 / LOUD_LINE_BYTES;
    while (f->loud_lines + LOUD_PIECE_BYTES / LOUD_LINE_BYTES <= wanted) {
        char piece[LOUD_PIECE_BYTES];
        memset(piece, 'x', sizeof(piece));
        for (size_t at = 0; at < sizeof(piece); at += LOUD_LINE_BYTES) {
            int len = snprintf(piece + at, 64, "loud %lld ", (long long)f->loud_lines++);
            piece[at + (size_t)len] = 'x';
            piece[at + LOUD_LINE_BYTES - 1] = '\n';
        }
        streams_engine_write(f->engine, 0, piece, sizeof(piece));
    }
}

static void on_tick(void *arg)
{
    struct fakes *f = arg;
    int64_t now_ms = clock_mono_ms(&clock_system);
    if (f->began_ms == 0 && streams_engine_open_logs(f->engine) >= f->containers) {
        f->began_ms = now_ms;
        printf("writing\n");
    }
    int64_t elapsed_ms = f->began_ms == 0 ? 0 : now_ms - f->began_ms;
    if (elapsed_ms >= f->seconds * 1000) {
        printf("%lld %lld\n", (long long)f->lines, (long long)f->loud_lines);
        return;
    }
    write_lines(f, elapsed_ms);
    write_loud(f, elapsed_ms);
    timer_start(loop_timers(f->loop), &f->timer, TICK_MS, on_tick, f);
}

static void on_parent_gone(evutil_socket_t fd, short what, void *arg)
{
    struct fakes *f = arg;
    (void)fd;
    (void)what;
    loop_stop(f->loop);
}

int main(int argc, char **argv)
{
    struct fakes f = {0};
    struct err err;
    CHECK(argc == 4);
    f.containers = (size_t)strtoll(argv[1], NULL, 10);
    f.seconds = strtoll(argv[2], NULL, 10);
    f.loud_bytes_per_second = strtoll(argv[3], NULL, 10);
    setlinebuf(stdout);
    CHECK(loop_new(&clock_system, &f.loop, &err) == 0);
    fake_prefect_new(
        &(struct fake_prefect_settings){.base = loop_base(f.loop), .timers = loop_timers(f.loop), .seed = 1},
        &f.prefect);
    f.engine = streams_engine_new(loop_base(f.loop), loop_timers(f.loop), on_start, &f);
    fake_prefect_add_pool(f.prefect, STREAMS_POOL, "docker", template_json);
    const char *deployment_id = fake_prefect_add_deployment(
        f.prefect, &(struct fake_prefect_deployment){.name = "talks", .pool = STREAMS_POOL});
    for (size_t i = 0; i < f.containers; i++)
        fake_prefect_add_run(f.prefect, &(struct fake_prefect_run){.deployment_id = deployment_id});
    struct event *gone = event_new(loop_base(f.loop), STDIN_FILENO, EV_READ, on_parent_gone, &f);
    CHECK(gone != NULL && event_add(gone, NULL) == 0);
    printf("%s %s\n", fake_prefect_url(f.prefect), streams_engine_host(f.engine));
    timer_start(loop_timers(f.loop), &f.timer, TICK_MS, on_tick, &f);
    loop_run(f.loop);
    event_free(gone);
    timer_cancel(&f.timer);
    streams_engine_free(f.engine);
    fake_prefect_free(f.prefect);
    loop_free(f.loop);
    return 0;
}
