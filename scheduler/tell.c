/*
 * tell.c - turns what happens to a launch into the official worker's events and run-log lines
 * (api/prefect_telemetry.h sends them).
 */
#include "tell.h"

#include "api/prefect_telemetry.h"
#include "base/log.h"
#include "clocks.h"
#include "crash_text.h"

#include <string.h>
#include <strings.h>

#define CLOUD_URL "https://api.prefect.cloud/api"
#define CLOUD_LOG_MAX_BYTES 25000
#define SAY_AFTER_MS 30000

struct tell {
    struct prefect_telemetry *telemetry;
    struct timers *timers;
    struct timer say_timer; /* runs while something was told and not yet looked after */
    uint64_t said_events;   /* dropped ones */
    uint64_t said_logs;
    int min_level; /* of run-log lines */
    const struct pool_record *pool;
    char *worker_name;
    char *pid_base;
};

/* PREFECT_LOGGING_LEVEL is the level of the official worker's run-log lines, too. */
static int min_level(const char *name)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"DEBUG", 10}, {"INFO", 20}, {"WARNING", 30}, {"ERROR", 40}, {"CRITICAL", 50}};
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcasecmp(name, levels[i].name) == 0)
            return levels[i].level;
    return PREFECT_LOG_INFO;
}

struct tell *tell_new(struct prefect *prefect, struct timers *timers, const struct random_source *random,
                      const struct config *config, const struct pool_record *pool, const char *pid_base)
{
    struct tell *t = check_alloc(sizeof(*t));
    t->pool = pool;
    t->worker_name = check_strdup(config->worker_name);
    t->pid_base = check_strdup(pid_base);
    t->timers = timers;
    t->min_level = min_level(config->logging_level);
    /* As the official worker: room for one largest line is kept free in a batch. */
    int64_t line_max = config->log_max_bytes, batch_max = config->log_batch_bytes - line_max;
    bool is_cloud = strncmp(config->api_url, CLOUD_URL, sizeof(CLOUD_URL) - 1) == 0;
    if (is_cloud && line_max > CLOUD_LOG_MAX_BYTES)
        line_max = CLOUD_LOG_MAX_BYTES;
    struct prefect_telemetry_settings settings = {.worker_name = config->worker_name,
                                                  .events = true,
                                                  .logs = config->logs_to_api,
                                                  .log_interval_ms = config->log_interval_ms,
                                                  .log_max_bytes = (size_t)line_max,
                                                  .log_batch_max_bytes =
                                                      (size_t)(batch_max > line_max ? batch_max : line_max),
                                                  .clocks = clocks_for(config, "default", STAGE_API),
                                                  .random = random};
    prefect_telemetry_new(prefect, timers, &settings, &t->telemetry);
    return t;
}

static struct prefect_event_run event_run(const struct live *live)
{
    const struct launch *l = live->launch;
    return (struct prefect_event_run){.flow_run_id = l->flow_run_id,
                                      .flow_run_name = l->run_name,
                                      .flow_id = l->flow_id,
                                      .flow_name = l->flow_name,
                                      .deployment_id = l->deployment_id,
                                      .deployment_name = l->deployment_name,
                                      .tags = (const char *const *)live->tags,
                                      .tag_count = live->tag_count};
}

static void say_dropped(const char *what, const struct prefect_telemetry_counts *counts, uint64_t *said)
{
    if (counts->dropped > *said)
        log_warn("Prefect did not take what we told it; runs don't depend on it", kv_s("what", what),
                 kv_int("dropped", (int64_t)(counts->dropped - *said)),
                 kv_int("dropped_in_all", (int64_t)counts->dropped), kv_int("sent", (int64_t)counts->sent),
                 kv_s("off", counts->is_off ? "for some minutes: the server doesn't know this kind" : NULL));
    *said = counts->dropped;
}

/* at_end: what still waits is lost as well. */
static size_t say(struct tell *t, bool at_end)
{
    struct prefect_telemetry_counts events = prefect_telemetry_events(t->telemetry);
    struct prefect_telemetry_counts logs = prefect_telemetry_logs(t->telemetry);
    events.dropped += at_end ? events.queued : 0;
    logs.dropped += at_end ? logs.queued : 0;
    say_dropped("events", &events, &t->said_events);
    say_dropped("run log lines", &logs, &t->said_logs);
    return events.queued + logs.queued;
}

static void on_say(void *arg)
{
    struct tell *t = arg;
    if (say(t, false) > 0)
        timer_start(t->timers, &t->say_timer, SAY_AFTER_MS, on_say, t);
}

void tell_free(struct tell *t)
{
    if (t == NULL)
        return;
    (void)say(t, true);
    timer_cancel(&t->say_timer);
    prefect_telemetry_free(t->telemetry);
    free(t->worker_name);
    free(t->pid_base);
    free(t);
}

/* Something is told: look after a while what became of it. */
static void look_later(struct tell *t)
{
    if (!timer_is_running(&t->say_timer))
        timer_start(t->timers, &t->say_timer, SAY_AFTER_MS, on_say, t);
}

struct tell_counts tell_counts(const struct tell *t)
{
    return (struct tell_counts){.events = prefect_telemetry_events(t->telemetry),
                                .logs = prefect_telemetry_logs(t->telemetry)};
}

static void log_line(struct tell *t, const struct live *live, enum prefect_log_level level,
                     char *take_message)
{
    if ((int)level >= t->min_level)
        prefect_telemetry_log(t->telemetry, live->launch->flow_run_id, level, take_message);
    free(take_message);
    look_later(t);
}

void tell_started(struct tell *t)
{
    prefect_telemetry_set_pool(t->telemetry, t->pool->id, t->pool->name);
    prefect_telemetry_worker_started(t->telemetry);
    look_later(t);
}

void tell_stopped(struct tell *t)
{
    prefect_telemetry_worker_stopped(t->telemetry);
}

void tell_flush(struct tell *t, int64_t limit_ms, void (*done)(void *arg), void *arg)
{
    prefect_telemetry_flush(t->telemetry, limit_ms, done, arg);
}

void tell_submitting(struct tell *t, struct live *live)
{
    log_line(t, live, PREFECT_LOG_INFO,
             check_printf("Worker '%s' submitting flow run '%s'", t->worker_name, live->launch->flow_run_id));
}

void tell_resolved(struct tell *t, struct live *live)
{
    struct prefect_event_run run = event_run(live);
    if (live->submitted_event.id[0] != '\0')
        return;
    prefect_telemetry_submitted(t->telemetry, &run, &live->submitted_event);
    look_later(t);
}

void tell_container(struct tell *t, struct live *live, enum tell_container_event what)
{
    const struct launch *l = live->launch;
    struct prefect_event_run run = event_run(live);
    static const enum prefect_container_event kinds[] = {[TELL_CONTAINER_CREATED] = PREFECT_CONTAINER_CREATED,
                                                         [TELL_CONTAINER_RUNNING] = PREFECT_CONTAINER_RUNNING,
                                                         [TELL_CONTAINER_EXITED] = PREFECT_CONTAINER_EXITED};
    if (what == TELL_CONTAINER_RUNNING && live->was_told_running)
        return;
    if (what == TELL_CONTAINER_RUNNING) {
        live->was_told_running = true;
        log_line(t, live, PREFECT_LOG_INFO,
                 check_printf("Flow run '%s' submitted to infrastructure", l->run_name));
    }
    prefect_telemetry_container(t->telemetry, kinds[what], &run, l->container_id, l->container_name,
                                &live->container_event);
}

/* Nothing of it ever ran. */
static bool is_before_start(const struct launch *l)
{
    return l->run.started_at_ms == 0;
}

void tell_reported(struct tell *t, struct live *live)
{
    const struct launch *l = live->launch;
    enum run_verdict verdict = l->run.verdict;
    if (verdict == RUN_VERDICT_CANCELLED) {
        if (is_before_start(l))
            log_line(t, live, PREFECT_LOG_INFO,
                     check_printf("Cancelled pending flow run '%s'", l->flow_run_id));
        return;
    }
    char *message = crash_text(l);
    const char *hint = crash_hint(l);
    if (verdict == RUN_VERDICT_LAUNCH_FAILED) {
        if (strncmp(l->last_error, "create: ", strlen("create: ")) == 0) {
            struct prefect_event_run run = event_run(live);
            prefect_telemetry_creation_failed(t->telemetry, &run);
        }
        log_line(t, live, PREFECT_LOG_ERROR,
                 check_printf("Failed to submit flow run '%s' to infrastructure.", l->run_name));
    }
    log_line(t, live, PREFECT_LOG_INFO,
             check_printf("Reported flow run '%s' as %s: %s", l->flow_run_id,
                          verdict == RUN_VERDICT_SKIPPED ? "cancelled" : "crashed", message));
    if (hint != NULL)
        log_line(t, live, PREFECT_LOG_INFO, check_strdup(hint));
    free(message);
}

void tell_over(struct tell *t, struct live *live)
{
    const struct launch *l = live->launch;
    bool has_run = l->run.started_at_ms > 0 && l->container_id[0] != '\0';
    if (!has_run)
        return;
    struct prefect_event_run run = event_run(live);
    char *identifier = check_printf("%s:%s", t->pid_base, l->container_id);
    tell_container(t, live, TELL_CONTAINER_EXITED);
    prefect_telemetry_executed(t->telemetry, &run, &live->submitted_event, identifier, (int)l->run.exit_code);
    free(identifier);
}
