/*
 * bench_recovery.c - how long a restart takes: prints the time from the start of the service to the moment
 * when its events are heard and the first list has been taken in (blind until then), and to the moment when
 * every row of the state file has been looked at; and its private memory some seconds later, when it only
 * watches.
 *
 * bench_recovery ROWS [mixed]
 * The fakes run in a child. The state file is made before the clock starts. mixed: a tenth of the rows is in
 * other states than RUNNING with a live container (bench_recovery.h).
 */
#include "bench_recovery.h"
#include "own_cpu.h"

#include "api/jobspec.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "scheduler/config.h"
#include "scheduler/loop.h"
#include "scheduler/runner.h"
#include "scheduler/service.h"

#include <event2/event.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIVE_UP_MS 60000
#define WATCH_MS 5000

struct bench {
    int rows;
    int is_mixed;
    char folder[64];
    char path[128];
    struct recovery_addresses addresses;
    struct recovery_row *made;
    enum run_state *states; /* of each row, as saved */
    struct loop *loop;
    struct service *service;
    struct config *config;
    int64_t began_ms;
    int64_t seeing_ms; /* 0: still blind */
    int64_t looked_ms;
    int64_t loaded_ms;
    long looked_cpu_us; /* of ours, when all had been looked at */
    long first_cpu_us;  /* when the clock began */
    struct timer watched;
};

static void instance_of(const char *api_url, char *text)
{
    char instance[SERVICE_INSTANCE_SIZE];
    service_instance(api_url, RECOVERY_POOL, RECOVERY_NAME, instance);
    memcpy(text, instance, sizeof(instance));
}

static void read_all(int fd, void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, (char *)data + done, len - done);
        CHECK(n > 0);
        done += (size_t)n;
    }
}

/* ---- the state file of the worker that died ---- */

static struct launch *launch_of(const struct bench *b, int i)
{
    const struct recovery_row *row = &b->made[i];
    int64_t now_ms = clock_wall_ms(&clock_system);
    struct launch *l = launch_new(row->flow_run_id, now_ms - 60000);
    snprintf(l->launch_id, sizeof(l->launch_id), "%.36s", row->launch_id);
    snprintf(l->container_id, sizeof(l->container_id), "%.64s", row->container_id);
    snprintf(l->deployment_id, sizeof(l->deployment_id), "%.36s", b->addresses.deployment_id);
    snprintf(l->flow_id, sizeof(l->flow_id), "%.36s", b->addresses.flow_id);
    random_uuid(&random_system, l->submit_id);
    random_uuid(&random_system, l->report_id);
    random_uuid(&random_system, l->hand_back_id);
    launch_set_text(&l->class_name, "default");
    launch_set_text(&l->run_name, "run");
    launch_set_text(&l->image, RECOVERY_IMAGE);
    char *name = check_printf("row-%d", i);
    launch_set_text(&l->container_name, name);
    free(name);
    l->created_at_ms = l->updated_at_ms = now_ms - 30000;
    struct run *r = &l->run;
    r->has_claim = r->create_sent = r->is_announced = true;
    r->claimed_at_ms = now_ms - 30000;
    r->has_container = r->start_sent = row->container_id[0] != '\0';
    switch (recovery_kind_of(i, b->is_mixed)) {
    case RECOVERY_RUNS:
    case RECOVERY_ENDED:
        r->state = RUN_STATE_RUNNING;
        r->started_at_ms = now_ms - 20000;
        break;
    case RECOVERY_STARTING:
        r->state = RUN_STATE_STARTING;
        r->start_sent_at_ms = now_ms - 1000;
        break;
    case RECOVERY_CREATING:
        r->state = RUN_STATE_CREATING;
        r->is_announced = false;
        break;
    case RECOVERY_REPORTING:
        r->state = RUN_STATE_REPORTING;
        r->verdict = RUN_VERDICT_EXITED;
        r->exit_code = 3;
        r->started_at_ms = now_ms - 20000;
        break;
    }
    return l;
}

static void make_state(struct bench *b)
{
    struct store *store;
    struct err err;
    CHECK(store_open(b->path, &clock_system, &store, &err) == 0 && store_begin(store, &err) == 0);
    for (int i = 0; i < b->rows; i++) {
        struct launch *l = launch_of(b, i);
        b->states[i] = l->run.state;
        CHECK(store_save_launch(store, l, &err) == 0);
        launch_free(l);
    }
    CHECK(store_commit(store, &err) == 0);
    store_close(store);
}

/* ---- the measurement ---- */

static long private_kb(void)
{
    long kb = 0;
    char line[128];
    FILE *status = fopen("/proc/self/status", "re");
    CHECK(status != NULL);
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtol(line + 8, NULL, 10);
    fclose(status);
    return kb;
}

static void on_watched(void *arg)
{
    struct bench *b = arg;
    loop_stop(b->loop);
}

/* Its first question has been answered: it is watched, has moved on, or asks the next. */
static bool is_looked_at(const struct bench *b, int i)
{
    const struct live *live = runner_find_launch(service_runner(b->service), b->made[i].launch_id);
    if (live == NULL)
        return true;
    const struct run *run = &live->launch->run;
    if (run->state != b->states[i] || run->epoch >= 2)
        return true;
    return run->state == RUN_STATE_RUNNING && run->epoch == 1 && run->pending == RUN_ACTION_NONE &&
           live->action == RUN_ACTION_NONE;
}

static void on_turn_end(void *arg)
{
    struct bench *b = arg;
    static int next; /* rows before it have been looked at */
    service_turn_end(b->service);
    int64_t now_ms = clock_mono_ms(&clock_system);
    if (b->seeing_ms == 0 && service_sees(b->service))
        b->seeing_ms = now_ms;
    while (next < b->rows && is_looked_at(b, next))
        next++;
    if (b->looked_ms == 0 && next == b->rows) {
        b->looked_ms = now_ms;
        b->looked_cpu_us = own_cpu_us();
    }
    bool is_done = b->seeing_ms != 0 && b->looked_ms != 0;
    if (is_done && !timer_is_running(&b->watched))
        timer_start(loop_timers(b->loop), &b->watched, WATCH_MS, on_watched, b);
    if (!is_done && now_ms - b->began_ms > GIVE_UP_MS)
        loop_stop(b->loop);
}

static void on_end(void *arg, int exit_code)
{
    struct bench *b = arg;
    printf("the service ended with %d\n", exit_code);
    loop_stop(b->loop);
}

static void load_config(struct bench *b)
{
    char api_url[300], host[300];
    snprintf(api_url, sizeof(api_url), "PREFECT_API_URL=%s", b->addresses.api_url);
    snprintf(host, sizeof(host), "DOCKER_HOST=%s", b->addresses.engine_host);
    char *environment[] = {api_url, host, NULL};
    const char *flags[] = {"prefect.pool", RECOVERY_POOL, "prefect.name", RECOVERY_NAME, "state.path",
                           b->path,        NULL};
    struct config_sources sources = {
        .flags = flags, .environ = environment, .working_directory = b->folder, .hostname = "bench"};
    struct config_problems problems = {0};
    struct err err;
    CHECK(config_load(&sources, &b->config, &problems, &err) == 0 && problems.count == 0);
    config_problems_done(&problems);
}

static void print_result(const struct bench *b)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%d rows%s: loaded after %lld ms, blind for %lld ms, every row looked at after %lld ms; CPU of "
           "ours %ld ms, "
           "greatest resident set %ld MB, private while it watches %.1f MB\n",
           b->rows, b->is_mixed ? ", mixed" : " with live containers",
           (long long)(b->loaded_ms - b->began_ms),
           b->seeing_ms == 0 ? -1LL : (long long)(b->seeing_ms - b->began_ms),
           b->looked_ms == 0 ? -1LL : (long long)(b->looked_ms - b->began_ms),
           (b->looked_cpu_us - b->first_cpu_us) / 1000, usage.ru_maxrss / 1024, (double)private_kb() / 1024);
}

static void serve(struct bench *b)
{
    struct err err;
    char log_path[128];
    snprintf(log_path, sizeof(log_path), "%s/log", b->folder);
    FILE *log = fopen(log_path, "we");
    CHECK(log != NULL);
    log_setup(log_to_file, log, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, &clock_system);
    memory_keep_small();
    b->first_cpu_us = own_cpu_us();
    b->began_ms = clock_mono_ms(&clock_system);
    load_config(b);
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
        b->loaded_ms = clock_mono_ms(&clock_system);
        loop_on_turn_end(b->loop, on_turn_end, b);
        loop_run(b->loop);
        print_result(b);
    }
    service_free(b->service);
    loop_free(b->loop);
    config_free(b->config);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_INFO, NULL);
    fclose(log);
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"state.db", "state.db-wal", "state.db-shm", "state.db.lock", "log"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

int main(int argc, char **argv)
{
    struct bench b = {.rows = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000,
                      .is_mixed = argc > 2 && strcmp(argv[2], "mixed") == 0,
                      .folder = "/tmp/bench-recovery-XXXXXX"};
    int from_fakes[2], to_fakes[2];
    CHECK(b.rows > 0 && pipe(from_fakes) == 0 && pipe(to_fakes) == 0 && mkdtemp(b.folder) != NULL);
    snprintf(b.path, sizeof(b.path), "%s/state.db", b.folder);
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(to_fakes[1]);
        recovery_fakes_run(b.rows, b.is_mixed, instance_of, from_fakes[1], to_fakes[0]);
        return 0;
    }
    close(from_fakes[1]);
    close(to_fakes[0]);
    b.made = check_alloc((size_t)b.rows * sizeof(*b.made));
    b.states = check_alloc((size_t)b.rows * sizeof(*b.states));
    read_all(from_fakes[0], &b.addresses, sizeof(b.addresses));
    read_all(from_fakes[0], b.made, (size_t)b.rows * sizeof(*b.made));
    make_state(&b);
    serve(&b);
    remove_folder(b.folder);
    close(to_fakes[1]);
    waitpid(pid, NULL, 0);
    free(b.made);
    free(b.states);
    return 0;
}
