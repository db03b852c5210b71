#include "metrics_internal.h"

#include <string.h>

#define BIT(n) (UINT32_C(1) << (n))
/* Bounds of histogram_seconds that are written: with all of them the families of attempts alone would be half
 * of what a scrape may have. 10, 50, 100, 500 ms; 1, 5, 10, 30, 120, 600 s. */
#define SECONDS_SHOWN                                                                                        \
    (BIT(1) | BIT(3) | BIT(4) | BIT(6) | BIT(7) | BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(13))
/* Of histogram_share: 0.1, 0.25, 0.5, 0.75, 0.9, 1. */
#define SHARE_SHOWN (BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(8))
#define ALL_SHOWN UINT32_MAX

/* ---- single values ---- */

static void write_value(struct metrics_scrape *s, enum metrics_id family, double value)
{
    metrics_text_begin(s->text, family);
    metrics_text_value(s->text, NULL, value);
}

/* Below zero: not known. */
static void write_known(struct metrics_scrape *s, enum metrics_id family, int64_t value)
{
    if (value >= 0)
        write_value(s, family, (double)value);
}

static void write_service(struct metrics_scrape *s)
{
    const struct snapshot *now = s->view->now;
    int64_t polled_ms = now->last_poll_mono_ms == 0 ? now->began_mono_ms : now->last_poll_mono_ms;
    metrics_text_begin(s->text, METRICS_BUILD);
    metrics_text_count(s->text, METRICS_LABEL({"version", SLUICE_VERSION}), 1);
    write_value(s, METRICS_UPTIME, (double)(now->now_mono_ms - now->began_mono_ms) / 1000);
    write_value(s, METRICS_PAUSED, now->paused_at_ms != 0);
    write_value(s, METRICS_DRAINING, now->is_draining || now->is_stopping);
    write_value(s, METRICS_ONLINE, now->is_online);
    metrics_text_begin(s->text, METRICS_REACHABLE);
    metrics_text_value(s->text, METRICS_LABEL({"dependency", dependency_name(DEPENDENCY_ENGINE)}),
                       !now->is_engine_away);
    metrics_text_value(s->text, METRICS_LABEL({"dependency", dependency_name(DEPENDENCY_PREFECT)}),
                       !now->is_prefect_away);
    write_value(s, METRICS_POLL_AGE, (double)(now->now_mono_ms - polled_ms) / 1000);
    write_value(s, METRICS_POLL_INTERVAL, (double)now->poll_interval_ms / 1000);
    metrics_text_begin(s->text, METRICS_LAUNCHES);
    for (size_t i = 0; i < RUN_STATE_FINISHED; i++)
        metrics_text_value(s->text, METRICS_LABEL({"state", run_state_name((enum run_state)i)}),
                           (double)now->pool.states[i]);
}

static void write_process(struct metrics_scrape *s)
{
    const struct metrics_process *p = &s->view->process;
    write_value(s, METRICS_PROCESS_CPU, p->cpu_seconds);
    write_known(s, METRICS_PROCESS_RESIDENT, p->resident_bytes);
    write_known(s, METRICS_PROCESS_VIRTUAL, p->virtual_bytes);
    write_known(s, METRICS_PROCESS_FDS, p->open_fds);
    write_known(s, METRICS_PROCESS_FDS_MAX, p->max_fds);
    write_value(s, METRICS_PROCESS_START, p->start_seconds);
}

static void write_state_file(struct metrics_scrape *s)
{
    const struct store_disk *size = &s->view->state;
    metrics_text_begin(s->text, METRICS_STATE_FILE);
    if (size->file_bytes >= 0)
        metrics_text_value(s->text, METRICS_LABEL({"part", "main"}), (double)size->file_bytes);
    if (size->log_bytes >= 0)
        metrics_text_value(s->text, METRICS_LABEL({"part", "wal"}), (double)size->log_bytes);
    write_value(s, METRICS_STATE_DAMAGED, s->view->was_state_damaged);
    write_known(s, METRICS_DISK_FREE, size->disk_free_bytes);
    write_known(s, METRICS_DISK_SIZE, size->disk_bytes);
}

static void write_losses(struct metrics_scrape *s)
{
    const struct metrics_losses *lost = &s->view->lost;
    metrics_text_begin(s->text, METRICS_LOST);
    metrics_text_count(s->text, METRICS_LABEL({"what", "output_lines"}), lost->output_lines);
    metrics_text_count(s->text, METRICS_LABEL({"what", "events"}), lost->events);
    metrics_text_count(s->text, METRICS_LABEL({"what", "log_lines"}), lost->log_lines);
}

/* ---- limits ---- */

static void write_slots(struct metrics_scrape *s)
{
    const struct snapshot *now = s->view->now;
    const struct snapshot_class *pool = &now->pool;
    metrics_text_begin(s->text, METRICS_SLOTS);
    metrics_text_value(s->text, METRICS_LABEL({"kind", "running"}), (double)pool->running);
    for (size_t i = 0; i < SNAPSHOT_SLOTS_COUNT; i++)
        metrics_text_value(s->text, METRICS_LABEL({"kind", now->slots[i].name}),
                           (double)now->slots[i].in_use);
    metrics_text_begin(s->text, METRICS_SLOTS_LIMIT);
    if (pool->running_limit > 0)
        metrics_text_value(s->text, METRICS_LABEL({"kind", "running"}), (double)pool->running_limit);
    for (size_t i = 0; i < SNAPSHOT_SLOTS_COUNT; i++)
        if (now->slots[i].limit > 0)
            metrics_text_value(s->text, METRICS_LABEL({"kind", now->slots[i].name}),
                               (double)now->slots[i].limit);
    metrics_text_begin(s->text, METRICS_SLOTS_LEARNED);
    for (size_t i = 0; i < SNAPSHOT_SLOTS_COUNT; i++)
        metrics_text_value(s->text, METRICS_LABEL({"kind", now->slots[i].name}), now->slots[i].is_learned);
}

static void write_starts(struct metrics_scrape *s)
{
    const struct snapshot_class *pool = &s->view->now->pool;
    if (pool->starts_per_second <= 0)
        return;
    write_value(s, METRICS_TOKENS, pool->tokens > 0 ? pool->tokens : 0);
    write_value(s, METRICS_RATE_LIMIT, pool->starts_per_second);
}

/* The guards that are shown, those of further registries as one: open if one of them is, with the smallest
 * budget. */
struct guards_shown {
    struct snapshot_guard guards[METRICS_REGISTRIES_MAX + 3];
    size_t count;
};

static struct guards_shown choose_guards(const struct snapshot *now, size_t *left_out)
{
    struct guards_shown shown = {.count = 0};
    struct snapshot_guard other = {.name = METRICS_OTHER};
    size_t registries = 0;
    size_t others = 0;
    for (size_t i = 0; i < now->guard_count; i++) {
        const struct snapshot_guard *g = &now->guards[i];
        if (g->dependency != DEPENDENCY_REGISTRY || registries++ < METRICS_REGISTRIES_MAX) {
            if (shown.count < ARRAY_LEN(shown.guards) - 1)
                shown.guards[shown.count++] = *g;
            continue;
        }
        if (others == 0 || g->retries_left < other.retries_left)
            other.retries_left = g->retries_left;
        other.is_open = other.is_open || g->is_open;
        others++;
    }
    if (others > 0)
        shown.guards[shown.count++] = other;
    *left_out += others;
    return shown;
}

static void write_guards(struct metrics_scrape *s)
{
    struct guards_shown shown = choose_guards(s->view->now, &s->left_out);
    metrics_text_begin(s->text, METRICS_BREAKER_OPEN);
    for (size_t i = 0; i < shown.count; i++)
        metrics_text_value(s->text, METRICS_LABEL({"dependency", shown.guards[i].name}),
                           shown.guards[i].is_open);
    metrics_text_begin(s->text, METRICS_BUDGET);
    for (size_t i = 0; i < shown.count; i++)
        metrics_text_value(s->text, METRICS_LABEL({"dependency", shown.guards[i].name}),
                           (double)shown.guards[i].retries_left);
}

/* ---- attempts and calls ---- */

static void write_ends(struct metrics_scrape *s)
{
    uint64_t parkings = 0;
    metrics_text_begin(s->text, METRICS_ENDS);
    for (size_t verdict = RUN_VERDICT_NONE + 1; verdict < RUN_VERDICT_COUNT; verdict++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < meters_class_count(s->view->done); i++)
            sum += meters_class(s->view->done, i)->ends[verdict];
        metrics_text_count(s->text, METRICS_LABEL({"verdict", run_verdict_name((enum run_verdict)verdict)}),
                           sum);
    }
    for (size_t i = 0; i < meters_class_count(s->view->done); i++)
        parkings += meters_class(s->view->done, i)->parked;
    metrics_text_begin(s->text, METRICS_PARKINGS);
    metrics_text_count(s->text, NULL, parkings);
}

/* Those that can be expected are there from the start on, so that the first one is seen as a rise; an attempt
 * that we ended ourselves tells nothing of its timeout. */
static void write_attempts(struct metrics_scrape *s, enum metrics_id family,
                           const struct histogram_bounds *bounds, uint32_t shown,
                           const struct histogram *(*histogram)(const struct meters *, enum stage,
                                                                enum meters_outcome))
{
    metrics_text_begin(s->text, family);
    for (size_t stage = 0; stage < STAGE_COUNT; stage++) {
        for (size_t outcome = 0; outcome < METERS_OUTCOME_COUNT; outcome++) {
            const struct histogram *h =
                histogram(s->view->done, (enum stage)stage, (enum meters_outcome)outcome);
            bool is_hidden = stage == STAGE_RUN || (outcome == METERS_CANCELLED &&
                                                    (family == METRICS_TIMEOUT_USED || h->count == 0));
            if (!is_hidden)
                metrics_text_histogram(
                    s->text,
                    METRICS_LABEL({"stage", stage_name((enum stage)stage)},
                                  {"outcome", meters_outcome_name((enum meters_outcome)outcome)}),
                    h, bounds, shown);
        }
    }
}

static void write_calls(struct metrics_scrape *s)
{
    static const char *const statuses[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    const struct meters *done = s->view->done;
    metrics_text_begin(s->text, METRICS_CALLS);
    for (size_t i = 0; i < meters_endpoint_count(done); i++) {
        const struct meters_endpoint *e = meters_endpoint(done, i);
        for (size_t k = 0; k < ARRAY_LEN(statuses); k++)
            if (e->by_status[k] > 0)
                metrics_text_count(s->text,
                                   METRICS_LABEL({"dependency", dependency_name(e->dependency)},
                                                 {"endpoint", e->name}, {"status", statuses[k]}),
                                   e->by_status[k]);
    }
    metrics_text_begin(s->text, METRICS_CALL_SECONDS);
    for (size_t i = 0; i < meters_endpoint_count(done); i++) {
        const struct meters_endpoint *e = meters_endpoint(done, i);
        metrics_text_value(
            s->text, METRICS_LABEL({"dependency", dependency_name(e->dependency)}, {"endpoint", e->name}),
            e->took.sum);
    }
}

static void write_call_durations(struct metrics_scrape *s)
{
    metrics_text_begin(s->text, METRICS_CALL_DURATION);
    for (size_t d = DEPENDENCY_ENGINE; d <= DEPENDENCY_PREFECT; d++) {
        struct histogram all = {.count = 0};
        for (size_t i = 0; i < meters_endpoint_count(s->view->done); i++) {
            const struct meters_endpoint *e = meters_endpoint(s->view->done, i);
            if (e->dependency == (enum dependency)d)
                histogram_merge(&all, &e->took);
        }
        if (all.count > 0)
            metrics_text_histogram(s->text,
                                   METRICS_LABEL({"dependency", dependency_name((enum dependency)d)}), &all,
                                   &histogram_seconds, SECONDS_SHOWN);
    }
}

static void write_histogram(struct metrics_scrape *s, enum metrics_id family, const struct histogram *h,
                            const struct histogram_bounds *bounds)
{
    metrics_text_begin(s->text, family);
    metrics_text_histogram(s->text, NULL, h, bounds, ALL_SHOWN);
}

bool metrics_write(const struct metrics_view *view, struct metrics_places *places, enum metrics_format format,
                   struct buf *out, size_t *series)
{
    struct metrics_text text = {.out = out, .format = format};
    struct metrics_scrape s = {.view = view, .places = places, .text = &text};
    write_service(&s);
    metrics_write_class_gauges(&s);
    write_starts(&s);
    write_slots(&s);
    write_guards(&s);
    metrics_write_class_counters(&s);
    write_ends(&s);
    write_attempts(&s, METRICS_ATTEMPT_DURATION, &histogram_seconds, SECONDS_SHOWN, meters_took);
    write_attempts(&s, METRICS_TIMEOUT_USED, &histogram_share, SHARE_SHOWN, meters_share);
    write_histogram(&s, METRICS_LATENESS, meters_lateness(view->done), &histogram_lateness);
    write_calls(&s);
    write_call_durations(&s);
    write_histogram(&s, METRICS_COMMIT, meters_commits(view->done), &histogram_short);
    write_histogram(&s, METRICS_LOOP_LAG, meters_loop_lags(view->done), &histogram_short);
    write_losses(&s);
    write_state_file(&s);
    write_process(&s);
    write_value(&s, METRICS_LEFT_OUT, (double)s.left_out);
    metrics_text_end(&text);
    *series = text.series;
    return !text.is_failed;
}
