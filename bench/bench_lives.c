/*
 * bench_lives.c - what a run costs ourselves: prints CPU, commits and calls per life, and lives per second.
 *
 * The whole service runs in this process, on the real clock, real sockets and a real state file with
 * synchronous=FULL; the fakes run in a child, so that what getrusage() says of this process is ours alone. A
 * life: due, claimed, container created, started, ended, looked at, over. Commits are counted as calls of
 * fdatasync(), which SQLite makes once a commit and twice a checkpoint.
 *
 * bench_lives LIVES [LAUNCHING|auto] [GAP_MS] [ENGINE_MS] [API_MS] [visited]
 * GAP_MS: one run falls due every so often, so that commits can't be shared. ENGINE_MS: how long the engine
 * takes to create and to start. API_MS: how long the Prefect API takes for each answer.
 * visited: the status page is served on a port that is free, which is printed first (bench/visitors.py).
 * With BENCH_KEEP in the environment the state file stays, and is named.
 */
#include "bench_lives.h"
#include "bench_lives_stall.h"
#include "own_cpu.h"

#include "api/admin_http.h"
#include "api/jobspec.h"
#include "base/log.h"
#include "base/random.h"
#include "scheduler/admin_pages.h"
#include "scheduler/config.h"
#include "scheduler/loop.h"
#include "scheduler/runner.h"
#include "scheduler/service.h"

#include <event2/event.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
    struct bench_shape shape;
    const char *launching;
    bool is_visited;
    char folder[64];
    struct bench_addresses addresses;
    struct bench_counts counts;
    bool is_counted; /* the fakes have told their counts: every container has ended */
    struct loop *loop;
    struct service *service;
    struct config *config;
    int64_t first_ms; /* when there was something to do */
    int64_t last_ms;
    long first_cpu_us;
    long cpu_us;
    int syncs; /* of the lives; before they are over: those before them */
};

static void on_turn_end(void *arg)
{
    struct bench *b = arg;
    service_turn_end(b->service);
    bench_stall_turn();
    size_t count = runner_count(service_runner(b->service));
    int64_t now_ms = clock_mono_ms(&clock_system);
    if (b->first_ms == 0 && count > 0) {
        b->first_ms = now_ms;
        b->first_cpu_us = own_cpu_us();
        b->syncs = bench_syncs();
        bench_stall_begin();
    }
    if (b->is_counted && b->last_ms == 0 && count == 0) {
        b->last_ms = now_ms;
        b->cpu_us = own_cpu_us() - b->first_cpu_us;
        b->syncs = bench_syncs() - b->syncs;
        service_stop(b->service);
    }
}

static void on_end(void *arg, int exit_code)
{
    struct bench *b = arg;
    if (exit_code != 0)
        printf("the service ended with %d\n", exit_code);
    loop_stop(b->loop);
}

static void on_counts(evutil_socket_t fd, short what, void *arg)
{
    struct bench *b = arg;
    (void)what;
    b->is_counted = read(fd, &b->counts, sizeof(b->counts)) == (ssize_t)sizeof(b->counts);
    if (!b->is_counted) {
        printf("the fakes have gone\n");
        loop_stop(b->loop);
    }
}

static void load_config(struct bench *b)
{
    char api_url[300], host[300], path[128], file[128];
    snprintf(api_url, sizeof(api_url), "PREFECT_API_URL=%s", b->addresses.api_url);
    snprintf(host, sizeof(host), "DOCKER_HOST=%s", b->addresses.engine_host);
    snprintf(path, sizeof(path), "%s/state.db", b->folder);
    snprintf(file, sizeof(file), "%s/bench.conf", b->folder);
    char *environment[] = {api_url, host, NULL};
    const char *flags[] = {"prefect.pool", BENCH_POOL, "prefect.name", "bench", "state.path", path, NULL};
    FILE *f = fopen(file, "w");
    CHECK(f != NULL);
    fprintf(f, "[prefect]\npoll_interval = 250ms\n[limits]\nlaunching = %s\n%s", b->launching,
            b->is_visited ? "[admin]\nlisten = 127.0.0.1:9191\n" : "");
    CHECK(fclose(f) == 0);
    struct config_sources sources = {.file = file,
                                     .flags = flags,
                                     .environ = environment,
                                     .working_directory = b->folder,
                                     .hostname = "bench"};
    struct config_problems problems = {0};
    struct err err;
    CHECK(config_load(&sources, &b->config, &problems, &err) == 0);
    for (size_t i = 0; i < problems.count; i++)
        printf("%s\n", problems.items[i].text);
    CHECK(problems.count == 0);
    config_problems_done(&problems);
}

static void print_result(const struct bench *b)
{
    double lives = b->shape.lives;
    double took_s = (double)(b->last_ms - b->first_ms) / 1000;
    printf("%d lives, launching %s, gap %d ms, engine %d ms, API %d ms: %.1f lives/s, CPU %.3f ms a life, "
           "%.2f syncs a "
           "life, %.2f "
           "engine calls, %.2f API calls; "
           "%d started, %d completed; the fakes' CPU %.3f ms a life\n",
           b->shape.lives, b->launching, b->shape.gap_ms, b->shape.engine_ms, b->shape.api_ms, lives / took_s,
           (double)b->cpu_us / 1000 / lives, b->syncs / lives, b->counts.engine_calls / lives,
           b->counts.api_calls / lives, b->counts.starts, b->counts.completed,
           (double)b->counts.cpu_us / 1000 / lives);
    bench_stall_print();
}

/* NULL: nobody is expected. */
static struct admin_pages *serve_pages(const struct bench *b)
{
    struct err err;
    struct admin_pages *pages;
    struct admin_pages_settings settings = {.base = loop_base(b->loop),
                                            .timers = loop_timers(b->loop),
                                            .config = b->config,
                                            .hostname = "",
                                            .takes_any_port = true};
    CHECK(admin_pages_new(&settings, &pages, &err) == 0);
    admin_pages_set_service(pages, b->service);
    if (pages != NULL)
        printf("%d\n", admin_http_port(admin_pages_admin(pages)));
    fflush(stdout);
    return pages;
}

static void serve(struct bench *b, int from_fakes)
{
    struct err err;
    char log_path[128];
    snprintf(log_path, sizeof(log_path), "%s/log", b->folder);
    FILE *log = fopen(log_path, "we");
    CHECK(log != NULL);
    log_setup(log_to_file, log, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, &clock_system);
    CHECK(loop_new(&clock_system, &b->loop, &err) == 0);
    struct service_settings settings = {.base = loop_base(b->loop),
                                        .timers = loop_timers(b->loop),
                                        .clock = &clock_system,
                                        .random = &random_system,
                                        .config = b->config,
                                        .output_fd = fileno(log),
                                        .working_directory = b->folder,
                                        .template_json = jobspec_default_template(),
                                        .on_end = on_end,
                                        .arg = b};
    if (service_new(&settings, &b->service, &err) != 0) {
        printf("%s\n", err.msg);
    } else {
        struct event *counts = event_new(loop_base(b->loop), from_fakes, EV_READ, on_counts, b);
        CHECK(counts != NULL && event_add(counts, NULL) == 0);
        loop_on_turn_end(b->loop, on_turn_end, b);
        struct admin_pages *pages = serve_pages(b);
        loop_run(b->loop);
        admin_pages_free(pages);
        event_free(counts);
        if (b->last_ms > 0)
            print_result(b);
    }
    service_free(b->service);
    loop_free(b->loop);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    fclose(log);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"state.db",      "state.db-wal", "state.db-shm",
                                        "state.db.lock", "log",          "bench.conf"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static int number(int argc, char **argv, int index, int otherwise)
{
    return argc > index ? (int)strtol(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct bench b = {.shape = {.lives = number(argc, argv, 1, 1000),
                                .gap_ms = number(argc, argv, 3, 0),
                                .engine_ms = number(argc, argv, 4, 0),
                                .api_ms = number(argc, argv, 5, 0)},
                      .launching = argc > 2 ? argv[2] : "auto",
                      .is_visited = argc > 6,
                      .folder = "/tmp/bench-lives-XXXXXX"};
    int from_fakes[2], to_fakes[2];
    CHECK(b.shape.lives > 0 && pipe(from_fakes) == 0 && pipe(to_fakes) == 0);
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, "bench_fakes"); /* a profile keeps the two apart */
        close(to_fakes[1]);
        bench_fakes_run(&b.shape, from_fakes[1], to_fakes[0]);
        return 0;
    }
    close(from_fakes[1]);
    close(to_fakes[0]);
    CHECK(read(from_fakes[0], &b.addresses, sizeof(b.addresses)) == (ssize_t)sizeof(b.addresses));
    CHECK(mkdtemp(b.folder) != NULL);
    load_config(&b);
    serve(&b, from_fakes[0]);
    config_free(b.config);
    if (getenv("BENCH_KEEP") == NULL)
        remove_folder(b.folder);
    else
        printf("kept: %s\n", b.folder);
    close(to_fakes[1]);
    waitpid(pid, NULL, 0);
    return b.last_ms > 0 ? 0 : 1;
}
