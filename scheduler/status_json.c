#include "status_json.h"

#include "alerts.h"
#include "service_internal.h"
#include "status_parts.h"
#include "troubles.h"

#include <string.h>

/* Room for what comes after the runs: nothing is cut within a row. */
#define ROW_MAX_BYTES 6000

static const char *word(const struct snapshot *s)
{
    return s->is_stopping         ? "stopping"
           : s->is_draining       ? "draining"
           : s->paused_at_ms != 0 ? "paused"
           : s->is_online         ? "working"
                                  : "starting";
}

static void write_head(struct buf *out, const struct service *service, const struct snapshot *s)
{
    const struct config *c = service->s.config;
    status_text(out, "version", SLUICE_VERSION, STATUS_NAME_MAX_BYTES);
    status_text(out, "pool", c->pool, STATUS_NAME_MAX_BYTES);
    status_text(out, "name", c->worker_name, STATUS_NAME_MAX_BYTES);
    status_text(out, "state", word(s), STATUS_NAME_MAX_BYTES);
    status_int(out, "now_ms", s->now_ms);
    status_int(out, "uptime_ms", s->now_mono_ms - s->began_mono_ms);
    status_int(out, "paused_since_ms", s->paused_at_ms);
    status_bool(out, "engine_ok", !s->is_engine_away);
    status_int(out, "engine_away_ms", s->engine_away_ms);
    status_bool(out, "prefect_ok", !s->is_prefect_away && s->is_online);
    status_int(out, "poll_age_ms", s->last_poll_mono_ms == 0 ? -1 : s->now_mono_ms - s->last_poll_mono_ms);
    status_int(out, "poll_interval_ms", s->poll_interval_ms);
}

static size_t count_states(const struct snapshot_class *c, enum run_state from, enum run_state to)
{
    size_t count = 0;
    for (enum run_state state = from; state <= to; state++)
        count += c->states[state];
    return count;
}

static int64_t count_running(const struct snapshot_class *c)
{
    return (int64_t)count_states(c, RUN_STATE_RUNNING, RUN_STATE_STOPPING);
}

static void write_counts(struct buf *out, const struct snapshot_class *c)
{
    status_int(out, "queued", (int64_t)c->queued);
    status_int(out, "due", (int64_t)c->due);
    status_int(out, "waiting", (int64_t)(count_states(c, RUN_STATE_QUEUED, RUN_STATE_STARTING) - c->queued));
    status_int(out, "running", count_running(c));
    status_int(out, "parked", (int64_t)c->states[RUN_STATE_PARKED]);
    status_int(out, "oldest_due_ms", c->oldest_due_ms);
    status_int(out, "slots", c->running);
    status_int(out, "slots_limit", c->running_limit);
    status_number(out, "starts_per_second", c->starts_per_second);
    status_number(out, "tokens", c->tokens);
}

static const struct meters_class *meters_of(const struct meters *meters, const char *name)
{
    for (size_t i = 0; i < meters_class_count(meters); i++)
        if (strcmp(meters_class(meters, i)->name, name) == 0)
            return meters_class(meters, i);
    return NULL;
}

static void write_done(struct buf *out, const struct meters_class *done)
{
    uint64_t timeouts = 0;
    uint64_t retries = 0;
    for (size_t stage = 0; stage < STAGE_COUNT; stage++)
        for (size_t clock = 0; clock < CLOCK_KIND_COUNT; clock++)
            timeouts += done->timeouts[stage][clock];
    for (size_t i = 0; i < ERROR_CLASS_COUNT; i++)
        retries += done->retries[i];
    status_int(out, "starts", (int64_t)done->starts);
    status_int(out, "timeouts", (int64_t)timeouts);
    status_int(out, "retries", (int64_t)retries);
}

static void write_reasons(struct buf *out, const struct status_reasons *reasons)
{
    status_open(out, "reasons", '[');
    for (size_t i = 0; i < STATUS_REASONS_MAX && reasons->items[i].count > 0; i++) {
        status_open(out, NULL, '{');
        status_text(out, "why", reasons->items[i].why, STATUS_SENTENCE_MAX_BYTES);
        status_int(out, "count", (int64_t)reasons->items[i].count);
        status_close(out, '}');
    }
    status_close(out, ']');
}

static void write_classes(struct buf *out, struct service *service, const struct snapshot *s)
{
    status_open(out, "all", '{');
    write_counts(out, &s->pool);
    status_close(out, '}');
    struct status_reasons *AUTO_FREE reasons = status_reasons(runner_all(service->runner), s);
    status_open(out, "classes", '[');
    for (size_t i = 0; i < s->class_count; i++) {
        const struct snapshot_class *c = &s->classes[i];
        const struct meters_class *done = meters_of(service->meters, c->name);
        if (i + 1 == s->class_count && count_states(c, RUN_STATE_QUEUED, RUN_STATE_FINISHED) == 0)
            continue;
        status_open(out, NULL, '{');
        status_text(out, "name", c->name, STATUS_NAME_MAX_BYTES);
        write_counts(out, c);
        if (done != NULL)
            write_done(out, done);
        write_reasons(out, &reasons[i]);
        status_close(out, '}');
    }
    status_close(out, ']');
}

static void write_dependencies(struct buf *out, const struct snapshot *s)
{
    status_open(out, "slots", '[');
    for (size_t i = 0; i < SNAPSHOT_SLOTS_COUNT; i++) {
        status_open(out, NULL, '{');
        status_text(out, "name", s->slots[i].name, STATUS_NAME_MAX_BYTES);
        status_int(out, "in_use", s->slots[i].in_use);
        status_int(out, "limit", s->slots[i].limit);
        status_bool(out, "is_learned", s->slots[i].is_learned);
        status_close(out, '}');
    }
    status_close(out, ']');
    status_open(out, "breakers", '[');
    for (size_t i = 0; i < s->guard_count; i++) {
        status_open(out, NULL, '{');
        status_text(out, "name", s->guards[i].name, STATUS_NAME_MAX_BYTES);
        status_bool(out, "is_open", s->guards[i].is_open);
        status_int(out, "retries_left", s->guards[i].retries_left);
        status_close(out, '}');
    }
    status_close(out, ']');
}

/* Of the calls that went well: how long they took, beside how long one may take by now. */
static void write_stages(struct buf *out, const struct service *service)
{
    const struct config_class *of = config_class_by_name(service->s.config, "default");
    struct meters_totals totals = meters_totals(service->meters);
    status_open(out, "stages", '[');
    for (enum stage stage = 0; stage < STAGE_COUNT; stage++) {
        const struct histogram *took = meters_took(service->meters, stage, METERS_OK);
        char from[LEARNED_FROM_SIZE];
        if (totals.attempts[stage] == 0)
            continue;
        learned_timeouts_from(service->timeouts, of, stage, CLOCK_KIND_TOTAL, from);
        status_open(out, NULL, '{');
        status_text(out, "name", stage_name(stage), STATUS_NAME_MAX_BYTES);
        status_int(out, "calls", (int64_t)totals.attempts[stage]);
        status_int(out, "timeouts", (int64_t)totals.timeouts[stage]);
        status_int(out, "errors", (int64_t)totals.errors[stage]);
        status_number(out, "p50_s", histogram_quantile(took, &histogram_seconds, 0.5));
        status_number(out, "p99_s", histogram_quantile(took, &histogram_seconds, 0.99));
        status_number(out, "timeout_s",
                      (double)learned_timeouts_total_ms(service->timeouts, of, stage) / 1000);
        status_text(out, "timeout_from", from, STATUS_NAME_MAX_BYTES);
        status_close(out, '}');
    }
    status_close(out, ']');
}

static void write_troubles(struct buf *out, const struct troubles *troubles)
{
    status_open(out, "troubles", '[');
    for (size_t i = 0; i < troubles->count; i++) {
        const struct trouble *t = troubles_get(troubles, i);
        status_open(out, NULL, '{');
        status_int(out, "at_ms", t->at_ms);
        status_text(out, "run", t->run_id, sizeof(t->run_id));
        status_text(out, "name", t->run_name, STATUS_NAME_MAX_BYTES);
        status_text(out, "class", t->class_name, STATUS_NAME_MAX_BYTES);
        status_text(out, "stage", stage_name(t->stage), STATUS_NAME_MAX_BYTES);
        status_text(out, "clock", t->clock == CLOCK_KIND_NONE ? "" : clock_kind_name(t->clock),
                    STATUS_NAME_MAX_BYTES);
        status_int(out, "took_ms", t->took_ms);
        status_int(out, "timeout_ms", t->timeout_ms);
        status_text(out, "timeout_from", t->timeout_from, STATUS_NAME_MAX_BYTES);
        status_int(out, "attempt", t->attempt);
        status_text(out, "meaning", error_class_name(t->error_class), STATUS_NAME_MAX_BYTES);
        status_text(out, "error", t->error, STATUS_SENTENCE_MAX_BYTES);
        status_close(out, '}');
    }
    status_close(out, ']');
}

/* Those that fire. */
static void write_alerts(struct buf *out, const struct alerts *alerts)
{
    status_open(out, "alerts", '[');
    for (size_t i = 0; i < alerts_count(alerts); i++) {
        struct alerts_item item = alerts_list(alerts, i);
        if (!item.alert->is_firing)
            continue;
        status_open(out, NULL, '{');
        status_text(out, "name", item.kind->name, STATUS_NAME_MAX_BYTES);
        status_text(out, "severity", alert_severity_name(item.kind->severity), STATUS_NAME_MAX_BYTES);
        status_int(out, "since_ms", item.alert->since_ms);
        status_text(out, "summary", item.kind->summary, ALERT_REASON_SIZE);
        status_text(out, "reason", item.alert->reason, ALERT_REASON_SIZE);
        status_text(out, "what_to_do", item.kind->what_to_do, ALERT_REASON_SIZE);
        status_close(out, '}');
    }
    status_close(out, ']');
}

void status_json_write(struct service *service, const struct status_series *series, struct buf *out)
{
    struct snapshot s;
    snapshot_take(service, &s);
    status_open(out, NULL, '{');
    write_head(out, service, &s);
    write_classes(out, service, &s);
    write_dependencies(out, &s);
    write_stages(out, service);
    write_alerts(out, service->alerts);
    write_troubles(out, runner_troubles(service->runner));
    status_key(out, "series");
    status_series_write(series, out);
    status_runs(out, runner_all(service->runner), &s, STATUS_MAX_BYTES - ROW_MAX_BYTES);
    status_close(out, '}');
    snapshot_done(&s);
}

static uint64_t sum(const uint64_t *numbers)
{
    uint64_t all = 0;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        all += numbers[i];
    return all;
}

struct status_sample status_json_sample(struct service *service)
{
    struct snapshot s;
    snapshot_take(service, &s);
    struct meters_totals totals = meters_totals(service->meters);
    struct status_sample sample = {.starts = totals.starts,
                                   .timeouts = sum(totals.timeouts),
                                   .errors = sum(totals.errors),
                                   .running = count_running(&s.pool),
                                   .due = (int64_t)s.pool.due,
                                   .create = s.slots[0].in_use,
                                   .start = s.slots[1].in_use,
                                   .pull = s.slots[2].in_use,
                                   .create_limit = s.slots[0].limit,
                                   .start_limit = s.slots[1].limit,
                                   .pull_limit = s.slots[2].limit};
    snapshot_done(&s);
    return sample;
}
