/*
 * bench_lives_fakes.c - the process of the fakes: a Prefect API and an engine, so that their work is not
 * counted as ours.
 *
 * A container's flow run becomes RUNNING and COMPLETED when it starts, as a very short flow would do.
 */
#include "bench_lives.h"
#include "own_cpu.h"

#include "scheduler/loop.h"
#include "tests/fakes/fake_prefect.h"

#include <event2/event.h>

#include <stdio.h>
#include <unistd.h>

#define LOOK_MS 50
static const char template_json[] =
    "{\"job_configuration\":{\"image\":\"{{ image }}\",\"command\":\"{{ command }}\",\"env\":\"{{ env "
    "}}\",\"labels\":\"{{ labels }}\","
    "\"name\":\"{{ name }}\",\"image_pull_policy\":\"{{ image_pull_policy }}\",\"stream_output\":\"{{ "
    "stream_output }}\"},"
    "\"variables\":{\"type\":\"object\",\"properties\":{\"image\":{\"type\":\"string\",\"default\":"
    "\"" BENCH_IMAGE "\"},"
    "\"command\":{\"type\":\"string\",\"default\":\"true\"},\"env\":{\"type\":\"object\"},\"labels\":{"
    "\"type\":\"object\"},"
    "\"name\":{\"type\":\"string\"},\"image_pull_policy\":{\"type\":\"string\",\"default\":\"IfNotPresent\"},"
    "\"stream_output\":{\"type\":\"boolean\",\"default\":false}}}}";

struct fakes {
    struct loop *loop;
    struct fake_prefect *prefect;
    struct bench_engine *engine;
    const char *deployment_id;
    struct timer add_timer;
    struct timer look_timer;
    struct bench_shape shape;
    int added;
    int out_fd;
};

static void on_start(void *arg, const char *flow_run_id)
{
    struct fakes *f = arg;
    fake_prefect_container_runs(f->prefect, flow_run_id);
    fake_prefect_container_completes(f->prefect, flow_run_id);
}

static void add_run(struct fakes *f)
{
    fake_prefect_add_run(f->prefect, &(struct fake_prefect_run){.deployment_id = f->deployment_id});
    f->added++;
}

static void on_add(void *arg)
{
    struct fakes *f = arg;
    add_run(f);
    if (f->added < f->shape.lives)
        timer_start(loop_timers(f->loop), &f->add_timer, f->shape.gap_ms, on_add, f);
}

static void on_look(void *arg)
{
    struct fakes *f = arg;
    if (!bench_engine_is_over(f->engine, f->shape.lives)) {
        timer_start(loop_timers(f->loop), &f->look_timer, LOOK_MS, on_look, f);
        return;
    }
    struct bench_counts counts = {.engine_calls = bench_engine_calls(f->engine),
                                  .api_calls = fake_prefect_calls(f->prefect, FAKE_PREFECT_ANY),
                                  .starts = bench_engine_starts(f->engine),
                                  .completed = (int)fake_prefect_runs_in(f->prefect, PREFECT_STATE_COMPLETED),
                                  .cpu_us = own_cpu_us()};
    CHECK(write(f->out_fd, &counts, sizeof(counts)) == (ssize_t)sizeof(counts));
}

static void on_parent_gone(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct fakes *f = arg;
    loop_stop(f->loop);
}

static void furnish(struct fakes *f)
{
    fake_prefect_add_pool(f->prefect, BENCH_POOL, "docker", template_json);
    if (f->shape.api_ms > 0)
        fake_prefect_fault(f->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                    .times = -1,
                                                                    .kind = PREFECT_FAULT_DELAY,
                                                                    .delay_ms = f->shape.api_ms});
    f->deployment_id = fake_prefect_add_deployment(
        f->prefect, &(struct fake_prefect_deployment){.name = "short", .pool = BENCH_POOL});
    if (f->shape.gap_ms > 0)
        timer_start(loop_timers(f->loop), &f->add_timer, 1000, on_add, f);
    while (f->shape.gap_ms == 0 && f->added < f->shape.lives)
        add_run(f);
}

void bench_fakes_run(const struct bench_shape *shape, int out_fd, int in_fd)
{
    struct fakes f = {.shape = *shape, .out_fd = out_fd};
    struct err err;
    CHECK(loop_new(&clock_system, &f.loop, &err) == 0);
    struct fake_prefect_settings settings = {
        .base = loop_base(f.loop), .timers = loop_timers(f.loop), .seed = 1};
    fake_prefect_new(&settings, &f.prefect);
    f.engine = bench_engine_new(loop_base(f.loop), loop_timers(f.loop), shape->engine_ms, on_start, &f);
    furnish(&f);
    timer_start(loop_timers(f.loop), &f.look_timer, LOOK_MS, on_look, &f);
    struct event *gone = event_new(loop_base(f.loop), in_fd, EV_READ, on_parent_gone, &f);
    CHECK(gone != NULL && event_add(gone, NULL) == 0);
    struct bench_addresses addresses = {0};
    snprintf(addresses.api_url, sizeof(addresses.api_url), "%s", fake_prefect_url(f.prefect));
    snprintf(addresses.engine_host, sizeof(addresses.engine_host), "%s", bench_engine_host(f.engine));
    CHECK(write(out_fd, &addresses, sizeof(addresses)) == (ssize_t)sizeof(addresses));
    loop_run(f.loop);
    event_free(gone);
    timer_cancel(&f.add_timer);
    timer_cancel(&f.look_timer);
    bench_engine_free(f.engine);
    fake_prefect_free(f.prefect);
    loop_free(f.loop);
}
