/*
 * bench_metrics.c - how long the loop is held up by one scrape of /metrics, with how many runs and classes:
 * the answer as the HTTP server would get it, snapshot and all.
 *
 * The runs are rows of a state file, loaded by the service's own start; nobody answers it, and it never
 * turns. All that can happen has been told to the meters, so that every series is there. The target is 5 ms
 * with 10,000 runs.
 */
#include "base/log.h"
#include "base/random.h"
#include "scheduler/loop.h"
#include "scheduler/meters.h"
#include "scheduler/metrics.h"

#include "api/jobspec.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CLASSES 20
#define SCRAPES 200
#define ANSWER_MAX_BYTES (4 * 1024 * 1024)

struct bench {
    int runs;
    char folder[64];
    char state_path[128];
    char config_path[128];
    struct loop *loop;
    struct config *config;
    struct service *service;
};

static void make_state(const struct bench *b)
{
    struct store *store;
    struct err err;
    CHECK(store_open(b->state_path, &clock_system, &store, &err) == 0 && store_begin(store, &err) == 0);
    for (int i = 0; i < b->runs; i++) {
        char id[UUID_TEXT_SIZE];
        random_uuid(&random_system, id);
        struct launch *l = launch_new(id, clock_wall_ms(&clock_system) - i);
        random_uuid(&random_system, l->launch_id);
        char *name = check_printf("class-%d", i % (CLASSES - 1));
        launch_set_text(&l->class_name, name);
        free(name);
        l->created_at_ms = l->updated_at_ms = clock_wall_ms(&clock_system);
        CHECK(store_save_launch(store, l, &err) == 0);
        launch_free(l);
    }
    CHECK(store_commit(store, &err) == 0);
    store_close(store);
}

static void load_config(struct bench *b)
{
    FILE *file = fopen(b->config_path, "we");
    CHECK(file != NULL);
    fputs("[timeouts]\ncreate = auto\nstart = auto\npull = auto\n", file);
    for (int i = 0; i + 1 < CLASSES; i++)
        fprintf(file, "[class class-%d]\nmatch_tag = tag-%d\nrunning = 5\n", i, i);
    CHECK(fclose(file) == 0);
    char *environment[] = {"PREFECT_API_URL=http://127.0.0.1:9/api", "DOCKER_HOST=unix:///nowhere", NULL};
    const char *flags[] = {"prefect.pool", "bench", "state.path", b->state_path, NULL};
    struct config_sources sources = {.file = b->config_path,
                                     .flags = flags,
                                     .environ = environment,
                                     .working_directory = b->folder,
                                     .hostname = "bench"};
    struct config_problems problems = {0};
    struct err err;
    CHECK(config_load(&sources, &b->config, &problems, &err) == 0 && problems.count == 0);
    config_problems_done(&problems);
}

static void attempt(struct meters *meters, const char *class_name, int stage, enum meters_outcome outcome,
                    enum clock_kind clock)
{
    meters_attempt(meters, &(struct meters_attempt){.stage = (enum stage)stage,
                                                    .outcome = outcome,
                                                    .clock = clock,
                                                    .class_name = class_name,
                                                    .took_ms = 1234,
                                                    .timeout_ms = 60000});
}

static void let_all_happen(struct meters *meters, const struct config *config)
{
    for (size_t i = 0; i < config->class_count; i++)
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            for (int outcome = METERS_OK; outcome < METERS_OUTCOME_COUNT; outcome++)
                for (int clock = CLOCK_KIND_CONNECT; clock < CLOCK_KIND_COUNT; clock++)
                    attempt(meters, config->classes[i].name, stage, (enum meters_outcome)outcome,
                            (enum clock_kind)clock);
    for (int i = 0; i < METERS_ENDPOINTS_MAX; i++) {
        char route[40];
        snprintf(route, sizeof(route), "POST /route/%d", i);
        for (int status = 0; status < 600; status += 100)
            meters_call(meters, i % 2 == 0 ? DEPENDENCY_ENGINE : DEPENDENCY_PREFECT, route, status, 5);
    }
}

static int compare(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0 ? 1 : 0;
}

static double read_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1000 + (double)now.tv_nsec / 1e6;
}

static void measure(const struct bench *b, const char *accept)
{
    struct metrics *metrics = metrics_new(b->service);
    const struct admin_http_request request = {.path = "/metrics", .query = "", .accept = accept};
    double took_ms[SCRAPES];
    double cpu_ms[SCRAPES];
    size_t bytes = 0;
    size_t lines = 0;
    for (int i = 0; i < SCRAPES; i++) {
        struct admin_http_answer answer = {.status = 200};
        buf_init(&answer.body, ANSWER_MAX_BYTES);
        double began_ms = read_ms(CLOCK_MONOTONIC);
        double began_cpu_ms = read_ms(CLOCK_THREAD_CPUTIME_ID);
        metrics_answer(metrics, &request, &answer);
        cpu_ms[i] = read_ms(CLOCK_THREAD_CPUTIME_ID) - began_cpu_ms;
        took_ms[i] = read_ms(CLOCK_MONOTONIC) - began_ms;
        CHECK(answer.status == 200);
        bytes = answer.body.len;
        lines = 0;
        for (const char *p = buf_text(&answer.body); *p != '\0'; p++)
            lines += *p == '\n' ? 1 : 0;
        buf_done(&answer.body);
    }
    qsort(took_ms, SCRAPES, sizeof(took_ms[0]), compare);
    qsort(cpu_ms, SCRAPES, sizeof(cpu_ms[0]), compare);
    printf("%d runs, %d classes, %zu lines, %zu kB, %s: p50 %.2f ms, p99 %.2f ms; CPU p50 %.2f ms, p99 %.2f "
           "ms\n",
           b->runs, CLASSES, lines, bytes / 1000, accept[0] == '\0' ? "Prometheus text" : "OpenMetrics",
           took_ms[SCRAPES / 2], took_ms[SCRAPES * 99 / 100], cpu_ms[SCRAPES / 2],
           cpu_ms[SCRAPES * 99 / 100]);
    metrics_free(metrics);
}

static void on_end(void *arg, int exit_code)
{
    (void)arg;
    printf("the service ended with %d\n", exit_code);
}

static void serve(struct bench *b)
{
    struct err err;
    load_config(b);
    CHECK(loop_new(&clock_system, &b->loop, &err) == 0);
    struct service_settings settings = {.base = loop_base(b->loop),
                                        .timers = loop_timers(b->loop),
                                        .clock = &clock_system,
                                        .random = &random_system,
                                        .config = b->config,
                                        .output_fd = STDERR_FILENO,
                                        .working_directory = b->folder,
                                        .template_json = jobspec_default_template(),
                                        .on_end = on_end};
    if (service_new(&settings, &b->service, &err) != 0) {
        printf("%s\n", err.msg);
    } else {
        let_all_happen(service_meters(b->service), b->config);
        measure(b, "");
        measure(b, "application/openmetrics-text");
    }
    service_free(b->service);
    loop_free(b->loop);
    config_free(b->config);
}

static void remove_folder(const struct bench *b)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = check_printf("%s%s", b->state_path, ends[i]);
        unlink(path);
        free(path);
    }
    unlink(b->config_path);
    rmdir(b->folder);
}

int main(int argc, char **argv)
{
    struct bench b = {.runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000,
                      .folder = "/tmp/bench-metrics-XXXXXX"};
    CHECK(b.runs >= 0 && mkdtemp(b.folder) != NULL);
    snprintf(b.state_path, sizeof(b.state_path), "%s/state.db", b.folder);
    snprintf(b.config_path, sizeof(b.config_path), "%s/sluice.conf", b.folder);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    make_state(&b);
    serve(&b);
    remove_folder(&b);
    return 0;
}
