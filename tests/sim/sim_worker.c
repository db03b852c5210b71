/* sim_worker.c - a worker of ours: its configuration, its start, its sudden end. See sim.h. */
#include "sim.h"

#include "api/jobspec.h"
#include "runner.h"
#include "store/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The store makes its empty files and locks here; contents are on the disk of the sim. */
static const char *folder(void)
{
    static char made[64];
    if (made[0] != '\0')
        return made;
    const char *tmp = getenv("TMPDIR");
    if (access("/dev/shm", W_OK) == 0)
        tmp = "/dev/shm";
    snprintf(made, sizeof(made), "%.40s/sluice-sim-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(made) != NULL);
    return made;
}

/* In place of the real one, which depends on the machine and on the folder: the same seed must make the same
 * ids everywhere. The instance differs from worker to worker. */
void __wrap_service_mark(const char *instance, const char *state_path,
                         char text[static SERVICE_INSTANCE_SIZE]);
void __wrap_service_mark(const char *instance, const char *state_path,
                         char text[static SERVICE_INSTANCE_SIZE])
{
    (void)state_path;
    snprintf(text, SERVICE_INSTANCE_SIZE, "%s", instance);
}

static void on_exit_remove(void)
{
    CHECK(rmdir(folder()) == 0);
}

static int64_t read_mono_ms(void *arg)
{
    return ((struct sim_worker *)arg)->sim->mono_ms;
}

static int64_t read_wall_ms(void *arg)
{
    const struct sim_worker *w = arg;
    return w->sim->wall_ms + w->wall_offset_ms;
}

/* A file of settings for this world; removed at once after it was read. */
static char *write_settings(const struct sim *sim)
{
    static const char *const stages[] = {"create", "start", "inspect", "remove", "stop", "api", "report"};
    char *path = check_printf("%s/sluice.conf", folder());
    FILE *f = fopen(path, "we");
    CHECK(f != NULL);
    fprintf(f, "[limits]\nlaunching = %d\nrunning = %d\n", sim->launching_limit, sim->running_limit);
    sim_control_write_limits(sim, f);
    fprintf(f, "[engine]\nwhen_run_is_over = %s\n", sim->seed % 3 == 0 ? "stop" : "leave");
    fprintf(f, "[retry]\nmax_attempts = %d\n[timeouts]\n", sim->gives_up ? 4 : 1000);
    for (size_t i = 0; i < ARRAY_LEN(stages); i++)
        fprintf(f, "%s = %llds\n", stages[i], (long long)(sim->weather.clocks_ms / 1000));
    sim_control_write_sections(sim, f);
    CHECK(fclose(f) == 0);
    return path;
}

static struct config *load_config(struct sim_worker *w)
{
    const struct sim *sim = w->sim;
    char *path = write_settings(sim);
    const char *flags[] = {"prefect.pool", SIM_POOL, "prefect.name", w->name, "state.path",
                           w->state_path,  NULL};
    char *environment[] = {check_printf("PREFECT_API_URL=%s", fake_prefect_url(sim->prefect)),
                           check_printf("DOCKER_HOST=%s", fake_engine_host(sim->engine)),
                           check_strdup("PREFECT_PROFILES_PATH=/nonexistent"), NULL};
    struct config_sources sources = {.file = path,
                                     .flags = flags,
                                     .environ = environment,
                                     .working_directory = folder(),
                                     .hostname = "box",
                                     .is_root = false};
    struct config *config = NULL;
    struct config_problems problems = {0};
    struct err err;
    CHECK(config_load(&sources, &config, &problems, &err) == 0);
    if (problems.count > 0)
        fprintf(stderr, "%s\n", problems.items[0].text);
    CHECK(problems.count == 0);
    config_problems_done(&problems);
    CHECK(unlink(path) == 0);
    free(path);
    for (size_t i = 0; environment[i] != NULL; i++)
        free(environment[i]);
    return config;
}

/* A state file as it is after the first start, so that not every world has to migrate one: made once. */
static void copy_state_file(struct sim_worker *w)
{
    static unsigned char *bytes;
    static size_t len;
    struct err err;
    if (bytes == NULL) {
        struct store *store;
        CHECK(store_open(w->state_path, &w->clock, &store, &err) == 0);
        store_close(store);
        const unsigned char *made = disk_file(w->sim->disk, w->state_path, &len);
        CHECK(made != NULL);
        bytes = check_alloc(len);
        memcpy(bytes, made, len);
    }
    int fd = open(w->state_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    disk_set_file(w->sim->disk, w->state_path, bytes, len);
}

void sim_worker_init(struct sim *sim, int index)
{
    static bool is_registered = false;
    if (!is_registered) {
        is_registered = true;
        CHECK(atexit(on_exit_remove) == 0);
    }
    struct sim_worker *w = &sim->workers[index];
    *w = (struct sim_worker){.sim = sim, .index = index};
    snprintf(w->name, sizeof(w->name), "worker %d", index + 1);
    w->state_path = check_printf("%s/state-%d.db", folder(), index + 1);
    w->clock = (struct clock){.mono_ms = read_mono_ms, .wall_ms = read_wall_ms, .arg = w};
    w->wall_offset_ms = sim_chance(sim, 20) ? sim_between(sim, -30000, 30000) : 0;
    w->timers = timers_new(&w->clock);
    w->random_state = sim_draw(sim, UINT64_MAX);
    w->random = random_seeded(&w->random_state);
    w->config = load_config(w);
    if (!sim_chance(sim, 5))
        copy_state_file(w);
    w->back_at_ms = sim->mono_ms;
}

static void drop(struct sim_worker *w)
{
    service_free(w->service);
    w->service = NULL;
    CHECK(timers_next_ms(w->timers) == -1);
}

void sim_worker_done(struct sim_worker *w)
{
    drop(w);
    timers_free(w->timers);
    config_free(w->config);
    unlink(w->state_path);
    char *lock_path = check_printf("%s.lock", w->state_path);
    unlink(lock_path);
    free(lock_path);
    free(w->state_path);
}

static void on_end(void *arg, int exit_code)
{
    struct sim_worker *w = arg;
    w->has_ended = true;
    sim_tell(w->sim, "%s has ended: %d", w->name, exit_code);
    if (exit_code != 0 && !w->sim->disk_may_fail)
        sim_fail(w->sim, "%s has ended with code %d, and its disk is well", w->name, exit_code);
}

void sim_worker_start(struct sim_worker *w)
{
    struct sim *sim = w->sim;
    struct service_settings settings = {.base = sim_net_base(sim->net),
                                        .timers = w->timers,
                                        .clock = &w->clock,
                                        .random = &w->random,
                                        .config = w->config,
                                        .output_fd = -1,
                                        .working_directory = "/sim",
                                        .template_json = jobspec_default_template(),
                                        .on_end = on_end,
                                        .arg = w};
    struct err err;
    w->back_at_ms = 0;
    w->has_ended = false;
    sim_tell(sim, "%s starts", w->name);
    if (service_new(&settings, &w->service, &err) == 0) {
        sim_check_loaded(w);
        sim_control_on_start(w);
        return;
    }
    w->service = NULL;
    /* A disk that fails may fail here, too. */
    bool has_failed = disk_is_stopped(sim->disk) || disk_failures(sim->disk) > 0;
    if (!has_failed || sim->is_healed)
        sim_fail(sim, "%s can't start: %s", w->name, err.msg);
    sim_tell(sim, "%s can't start: %s", w->name, err.msg);
    disk_fail(sim->disk, 0, DISK_FAULT_NONE, false);
    w->back_at_ms = sim->mono_ms + 1000;
}

void sim_worker_crash(struct sim_worker *w, int64_t away_ms)
{
    if (w->service == NULL)
        return;
    sim_tell(w->sim, "%s is gone for %lld ms", w->name, (long long)away_ms);
    w->sim->result->crashes++;
    drop(w);
    sim_commit_forget(w);
    w->back_at_ms = w->sim->mono_ms + away_ms;
}

void sim_workers_lose_disk(struct sim *sim, bool power)
{
    sim_tell(sim, power ? "power fails" : "all workers are killed");
    if (power)
        disk_lose_power(sim->disk, &sim->random);
    else
        disk_stop(sim->disk);
    for (int i = 0; i < sim->worker_count; i++)
        sim_worker_crash(&sim->workers[i], sim_between(sim, 0, sim_chance(sim, 20) ? 60000 : 2000));
    disk_revive(sim->disk);
}

bool sim_worker_is_idle(const struct sim_worker *w)
{
    return w->service != NULL && !w->has_ended && runner_count(service_runner(w->service)) == 0;
}
