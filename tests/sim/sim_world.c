/*
 * sim_world.c - a world from its seed to its end: furnishing, steps and time. See sim.h.
 *
 * A step: the world may meddle; then some of what can happen on the net happens, and the services end their
 * turns; if nothing can happen, time jumps to the next deadline of anybody.
 */
#include "sim.h"

#include "api/jobspec.h"
#include "base/log.h"

#include <stdarg.h>
#include <string.h>

#define START_MONO_MS 1000000
#define START_WALL_MS 1767225600000
#define STEPS_MAX 3000000
#define HEAL_MAX_MS MINUTES(120)
#define HASH_PRIME 0x100000001b3u

/* ---- small things ---- */

uint64_t sim_draw(struct sim *sim, uint64_t below)
{
    return random_splitmix64(&sim->random_state) % below;
}

bool sim_chance(struct sim *sim, int percent)
{
    return sim_draw(sim, 100) < (uint64_t)percent;
}

int64_t sim_between(struct sim *sim, int64_t first, int64_t last)
{
    return first + (int64_t)sim_draw(sim, (uint64_t)(last - first + 1));
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    if (sim->result->has_failed)
        return;
    sim->result->has_failed = true;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sim->result->failure, sizeof(sim->result->failure), fmt, ap);
    va_end(ap);
    sim_tell(sim, "FAILED: %s", sim->result->failure);
}

void sim_tell(struct sim *sim, const char *fmt, ...)
{
    if (sim->story == NULL)
        return;
    fprintf(sim->story, "%9.3f ", (double)(sim->mono_ms - START_MONO_MS) / 1000);
    va_list ap;
    va_start(ap, fmt);
    vfprintf(sim->story, fmt, ap);
    va_end(ap);
    fputc('\n', sim->story);
}

static void mix_number(struct sim *sim, uint64_t number)
{
    sim->result->hash = (sim->result->hash ^ number) * HASH_PRIME;
}

void sim_mix(struct sim *sim, const char *text)
{
    mix_number(sim, (uint64_t)sim->mono_ms);
    for (const char *c = text; *c != '\0'; c++)
        mix_number(sim, (unsigned char)*c);
}

struct sim_flow_run *sim_find_run(struct sim *sim, const char *flow_run_id)
{
    for (int i = 0; i < sim->runs_added; i++)
        if (strcmp(sim->runs[i].id, flow_run_id) == 0)
            return &sim->runs[i];
    return NULL;
}

static int64_t read_mono_ms(void *arg)
{
    return ((struct sim *)arg)->mono_ms;
}

static int64_t read_wall_ms(void *arg)
{
    return ((struct sim *)arg)->wall_ms;
}

static void on_log_line(void *arg, enum log_level level, const char *line)
{
    struct sim *sim = arg;
    (void)level;
    sim_tell(sim, "    %s", line);
}

/* ---- furnishing ---- */

static void draw_run(struct sim *sim, struct sim_flow_run *run)
{
    static const enum sim_flow_kind kinds[] = {
        SIM_FLOW_COMPLETES,    SIM_FLOW_COMPLETES,     SIM_FLOW_COMPLETES, SIM_FLOW_COMPLETES,
        SIM_FLOW_COMPLETES,    SIM_FLOW_FAILS,         SIM_FLOW_EXITS,     SIM_FLOW_LEAVES,
        SIM_FLOW_NEVER_BEGINS, SIM_FLOW_BREAKS_AT_ONCE};
    run->kind = kinds[sim_draw(sim, ARRAY_LEN(kinds))];
    run->run_ms = sim_chance(sim, 80) ? sim_between(sim, 0, 20000) : sim_between(sim, 20000, 120000);
    bool has_code = run->kind == SIM_FLOW_EXITS || run->kind == SIM_FLOW_BREAKS_AT_ONCE;
    run->exit_code =
        has_code ? (int)sim_between(sim, 1, 255) : run->kind == SIM_FLOW_FAILS && sim_chance(sim, 50);
    run->oom_killed = run->kind == SIM_FLOW_EXITS && sim_chance(sim, 30);
    run->exit_code = run->oom_killed ? 137 : run->exit_code;
    run->ignores_sigterm = sim_chance(sim, 20);
    run->is_retried_at_once = run->kind == SIM_FLOW_FAILS && sim_chance(sim, 30);
    run->official_fails = sim_chance(sim, 30);
}

static void on_arrival(void *arg)
{
    struct sim *sim = arg;
    int count = (int)sim_between(sim, 1, 5);
    for (int i = 0; i < count && sim->runs_added < sim->run_count; i++) {
        struct sim_flow_run *run = &sim->runs[sim->runs_added];
        draw_run(sim, run);
        int64_t due_ms = sim->wall_ms + (sim_chance(sim, 80) ? 0 : sim_between(sim, 0, 30000));
        run->id = check_strdup(sim_control_add_run(sim, run, due_ms));
        sim->runs_added++;
        sim_tell(sim, "run %s: kind %d, %lld ms, exit %d", run->id, (int)run->kind, (long long)run->run_ms,
                 run->exit_code);
    }
    if (sim->runs_added < sim->run_count)
        timer_start(sim->timers, &sim->arrival_timer, sim_between(sim, 0, 40000), on_arrival, sim);
}

static void draw_weather(struct sim *sim)
{
    static const int percents[] = {0, 1, 3, 6, 12, 25};
    static const int meddles[] = {0, 10, 30, 80, 200};
    static const int64_t clocks_ms[] = {9000, 20000, 60000};
    sim->weather = (struct sim_weather){.net = percents[sim_draw(sim, ARRAY_LEN(percents))],
                                        .status = percents[sim_draw(sim, ARRAY_LEN(percents))],
                                        .meddle = meddles[sim_draw(sim, ARRAY_LEN(meddles))],
                                        .clocks_ms = clocks_ms[sim_draw(sim, ARRAY_LEN(clocks_ms))]};
    sim->run_count =
        (int)(sim_chance(sim, 70) ? sim_between(sim, 5, 20) : sim_between(sim, 20, SIM_RUNS_MAX));
    sim->worker_count = sim_chance(sim, 60) ? 1 : (int)sim_between(sim, 2, SIM_WORKERS_MAX);
    sim->launching_limit = (int)sim_between(sim, 1, 5);
    sim->running_limit = (int)sim_between(sim, 2, 12);
    sim->gives_up = sim->seed % 7 == 0;
}

/* Prefect's own template is long; most worlds do with what their jobs use of it. */
static const char short_template[] =
    "{\"job_configuration\":{\"command\":\"{{ command }}\",\"env\":\"{{ env }}\",\"labels\":\"{{ labels "
    "}}\",\"name\":\"{{ name }}\",\"image\":\"{{ image }}\",\"networks\":\"{{ networks "
    "}}\",\"auto_remove\":\"{{ auto_remove }}\",\"stream_output\":\"{{ stream_output "
    "}}\"},\"variables\":{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\"},\"env\":{"
    "\"type\":\"object\"},\"labels\":{\"type\":\"object\"},\"name\":{\"type\":\"string\"},\"image\":{"
    "\"type\":"
    "\"string\"},\"networks\":{\"type\":\"array\"},\"auto_remove\":{\"type\":\"boolean\",\"default\":false},"
    "\"stream_output\":{\"type\":\"boolean\",\"default\":false}}}}";

static void furnish_servers(struct sim *sim)
{
    sim->engine = fake_engine_new(sim_net_base(sim->net), sim->timers, "/sim/engine.sock");
    fake_engine_add_image(sim->engine, SIM_IMAGE);
    fake_engine_add_registry_image(
        sim->engine, &(struct fake_registry_image){.image = SIM_IMAGE, .took_ms = 3000, .lines = 3});
    sim->demands_csrf = sim_chance(sim, 20);
    fake_prefect_new(&(struct fake_prefect_settings){.base = sim_net_base(sim->net),
                                                     .timers = sim->timers,
                                                     .csrf = sim->demands_csrf,
                                                     .seed = sim_draw(sim, UINT64_MAX)},
                     &sim->prefect);
    (void)fake_prefect_add_pool(sim->prefect, SIM_POOL, "docker",
                                sim_chance(sim, 20) ? jobspec_default_template() : short_template);
    if (sim->seed % SIM_POOL_LIMITED_EVERY == 0)
        sim->pool_limit = 1 + (int)(sim->seed / 11 % 6);
    if (sim->pool_limit > 0)
        fake_prefect_limit_pool(sim->prefect, SIM_POOL, sim->pool_limit);
    const char *variables = sim_chance(sim, 70) ? "{\"image\":\"" SIM_IMAGE "\",\"command\":\"flow\"}"
                                                : "{\"image\":\"" SIM_IMAGE
                                                  "\",\"command\":\"flow\",\"auto_remove\":true,"
                                                  "\"networks\":[\"net1\",\"net2\"]}";
    fake_engine_add_network(sim->engine, "net1");
    fake_engine_add_network(sim->engine, "net2");
    /* In a fifth of the worlds runs queue for slots and hold them by a lease. */
    sim->deployment = fake_prefect_add_deployment(
        sim->prefect, &(struct fake_prefect_deployment){.name = "d",
                                                        .pool = SIM_POOL,
                                                        .job_variables_json = variables,
                                                        .has_limit = sim->seed % 5 == 0,
                                                        .limit = 1 + (int64_t)(sim->seed / 5 % 5),
                                                        .grace_s = sim->seed % 2 == 0 ? 30 : 300});
    /* Runs that a limit of ours blocks, for those that the pool's limit hides behind them. */
    if (sim->pool_limit > 0)
        sim->narrow = fake_prefect_add_deployment(
            sim->prefect, &(struct fake_prefect_deployment){
                              .name = "narrow", .pool = SIM_POOL, .job_variables_json = variables});
}

static void begin(struct sim *sim, uint64_t seed, FILE *story, struct sim_result *result)
{
    *sim = (struct sim){.seed = seed,
                        .random_state = seed * 0x9e3779b97f4a7c15u + 1,
                        .mono_ms = START_MONO_MS,
                        .began_ms = START_MONO_MS,
                        .wall_ms = START_WALL_MS,
                        .story = story,
                        .result = result};
    sim->clock = (struct clock){.mono_ms = read_mono_ms, .wall_ms = read_wall_ms, .arg = sim};
    sim->random = random_seeded(&sim->random_state);
    sim->timers = timers_new(&sim->clock);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, story != NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR, NULL);
    log_tap(story != NULL ? on_log_line : NULL, sim);
    sim->net = sim_net_new(
        &(struct sim_net_settings){
            .timers = sim->timers, .plan = sim_plan_request, .on_arrival = sim_check_arrival, .arg = sim},
        &sim->random);
    sim->disk = disk_new();
    draw_weather(sim);
    sim_control_draw(sim);
    sim_refuse_draw(sim);
    sim_tell(sim,
             "seed %llu: %d runs, %d workers, launching %d, running %d, net %d %%, status %d %%, meddle %d, "
             "clocks %lld ms",
             (unsigned long long)seed, sim->run_count, sim->worker_count, sim->launching_limit,
             sim->running_limit, sim->weather.net, sim->weather.status, sim->weather.meddle,
             (long long)sim->weather.clocks_ms);
    furnish_servers(sim);
    sim_control_furnish(sim);
    sim_commit_begin(sim);
    sim_plan_begin(sim);
    sim_flow_begin(sim);
    for (int i = 0; i < sim->worker_count; i++)
        sim_worker_init(sim, i);
    sim_people_begin(sim);
    on_arrival(sim);
}

static void end(struct sim *sim)
{
    timer_cancel(&sim->engine_timer);
    timer_cancel(&sim->prefect_timer);
    timer_cancel(&sim->arrival_timer);
    timer_cancel(&sim->official_timer);
    timer_cancel(&sim->people_timer);
    timer_cancel(&sim->refusals.timer);
    sim_flow_done(sim);
    for (int i = 0; i < sim->worker_count; i++)
        sim_worker_done(&sim->workers[i]);
    fake_engine_free(sim->engine);
    fake_prefect_free(sim->prefect);
    while (sim_net_step(sim->net)) {
    }
    sim_net_free(sim->net);
    sim_commit_done(sim);
    disk_free(sim->disk);
    CHECK(timers_next_ms(sim->timers) == -1); /* nobody left a timer behind */
    timers_free(sim->timers);
    for (int i = 0; i < sim->runs_added; i++) {
        char *id;
        memcpy(&id, &sim->runs[i].id, sizeof(id));
        free(id);
    }
    log_tap(NULL, NULL);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
}

/* ---- time ---- */

static void end_turns(struct sim *sim)
{
    for (int i = 0; i < sim->worker_count; i++) {
        struct sim_worker *w = &sim->workers[i];
        if (w->service != NULL && !w->has_ended)
            service_turn_end(w->service);
        if (w->service != NULL && w->has_ended)
            sim_worker_crash(w, sim_between(sim, 0, 5000));
    }
}

static int64_t next_deadline_ms(const struct sim *sim)
{
    int64_t next_ms = timers_next_ms(sim->timers);
    for (int i = 0; i < sim->worker_count; i++) {
        const struct sim_worker *w = &sim->workers[i];
        int64_t ms = timers_next_ms(w->timers);
        if (w->back_at_ms != 0)
            ms = w->back_at_ms > sim->mono_ms ? w->back_at_ms - sim->mono_ms : 0;
        if (ms >= 0 && (next_ms < 0 || ms < next_ms))
            next_ms = ms;
    }
    return next_ms;
}

static void run_timers(struct sim *sim)
{
    timers_run(sim->timers);
    for (int i = 0; i < sim->worker_count; i++) {
        struct sim_worker *w = &sim->workers[i];
        timers_run(w->timers);
        if (w->back_at_ms != 0 && w->back_at_ms <= sim->mono_ms)
            sim_worker_start(w);
    }
}

static void jump(struct sim *sim)
{
    int64_t next_ms = next_deadline_ms(sim);
    if (next_ms < 0) {
        sim_fail(sim, "nothing will ever happen again");
        return;
    }
    sim->mono_ms += next_ms;
    sim->wall_ms += next_ms;
    run_timers(sim);
}

static void step(struct sim *sim)
{
    sim->result->steps++;
    if (!sim->is_healed)
        sim_meddle(sim);
    bool has_moved = false;
    uint64_t together = 1 + sim_draw(sim, 4);
    for (uint64_t i = 0; i < together && sim_net_step(sim->net); i++)
        has_moved = true;
    if (!has_moved)
        jump(sim);
    end_turns(sim);
    sim_check_step(sim);
}

void sim_run(uint64_t seed, FILE *story, struct sim_result *result)
{
    static struct sim sim;
    *result = (struct sim_result){.hash = 0xcbf29ce484222325u};
    begin(&sim, seed, story, result);
    int64_t heal_at_ms = sim.mono_ms + sim_between(&sim, MINUTES(2), MINUTES(8));
    while (sim.mono_ms < heal_at_ms && !result->has_failed && result->steps < STEPS_MAX)
        step(&sim);
    sim_heal(&sim);
    int64_t limit_ms = sim.mono_ms + HEAL_MAX_MS;
    while (!result->has_failed && !sim_is_over(&sim)) {
        step(&sim);
        if (sim.mono_ms > limit_ms || result->steps > STEPS_MAX) {
            char left[1500];
            sim_say_left(&sim, left, sizeof(left));
            sim_fail(&sim, "not at its end within %lld minutes after all was well%s",
                     (long long)(HEAL_MAX_MS / MINUTES(1)), left);
        }
    }
    /* What rides with the next commit gets there. */
    for (int64_t end_ms = sim.mono_ms + SECONDS(1); !result->has_failed && sim.mono_ms < end_ms;)
        step(&sim);
    if (!result->has_failed || sim.mono_ms > limit_ms)
        sim_check_end(&sim);
    result->lives = sim.runs_added;
    result->fake_ms = sim.mono_ms - START_MONO_MS;
    mix_number(&sim, (uint64_t)sim.mono_ms);
    end(&sim);
}
