/*
 * tell.c - turns what happens to a launch into the official worker's events and run-log lines
 * (api/prefect_telemetry.h sends them).
 */
#include "tell.h"

#include "api/prefect_telemetry.h"
#include "clocks.h"
#include "crash_text.h"

#include <string.h>

#define TAGS_MAX 64

struct tell {
    struct prefect_telemetry *telemetry;
    const struct pool_record *pool;
    char *worker_name;
    char *pid_base;
};

struct tell *tell_new(struct prefect *prefect, struct timers *timers, const struct random_source *random,
                      const struct config *config, const struct pool_record *pool, const char *pid_base)
{
    struct tell *t = check_alloc(sizeof(*t));
    t->pool = pool;
    t->worker_name = check_strdup(config->worker_name);
    t->pid_base = check_strdup(pid_base);
    struct prefect_telemetry_settings settings = {.worker_name = config->worker_name,
                                                  .events = true,
                                                  .logs = config->logs_to_api,
                                                  .clocks = clocks_for(config, "default", STAGE_API),
                                                  .random = random};
    prefect_telemetry_new(prefect, timers, &settings, &t->telemetry);
    return t;
}

void tell_free(struct tell *t)
{
    if (t == NULL)
        return;
    prefect_telemetry_free(t->telemetry);
    free(t->worker_name);
    free(t->pid_base);
    free(t);
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

static void log_line(struct tell *t, const struct live *live, enum prefect_log_level level,
                     char *take_message)
{
    prefect_telemetry_log(t->telemetry, live->launch->flow_run_id, level, take_message);
    free(take_message);
}

void tell_started(struct tell *t)
{
    prefect_telemetry_set_pool(t->telemetry, t->pool->id, t->pool->name);
    prefect_telemetry_worker_started(t->telemetry);
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
    struct prefect_event_run run = event_run(live);
    log_line(t, live, PREFECT_LOG_INFO,
             check_printf("Worker '%s' submitting flow run '%s'", t->worker_name, live->launch->flow_run_id));
    prefect_telemetry_submitted(t->telemetry, &run, &live->submitted_event);
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

void tell_reported(struct tell *t, struct live *live)
{
    enum run_verdict verdict = live->launch->run.verdict;
    if (verdict == RUN_VERDICT_CANCELLED)
        return;
    char *message = crash_text(live->launch);
    const char *hint = crash_hint(live->launch);
    log_line(t, live, PREFECT_LOG_INFO,
             check_printf("Reported flow run '%s' as %s: %s", live->launch->flow_run_id,
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
