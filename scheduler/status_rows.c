/*
 * status_rows.c - runs of /status.json.
 *
 * Of thousands the page names few: those that a person would look at first. They are found in one walk, each
 * list kept sorted while it grows to its bound.
 */
#include "status_parts.h"

#include <string.h>

#define WAITING_MAX 100
#define RUNNING_MAX 70
#define PARKED_MAX 30

/* ---- counted ---- */

/* What has no place of its own is counted in the last one. */
static void count_reason(struct status_reason *reasons, const char *why)
{
    for (size_t i = 0; i < STATUS_REASONS_MAX; i++) {
        bool is_last = i + 1 == STATUS_REASONS_MAX;
        if (reasons[i].why == NULL)
            reasons[i].why = is_last ? "other reasons" : why;
        if (is_last || reasons[i].why == why || strcmp(reasons[i].why, why) == 0) {
            reasons[i].count++;
            return;
        }
    }
}

static int by_count(const void *a, const void *b)
{
    const struct status_reason *x = a;
    const struct status_reason *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

static bool is_waiting(const struct run *run)
{
    return run->state < RUN_STATE_RUNNING;
}

struct status_reasons *status_reasons(struct list *all, const struct snapshot *s)
{
    struct status_reasons *reasons = check_alloc(s->class_count * sizeof(*reasons));
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *l = LIST_ITEM(link, struct live, all_link);
        if (is_waiting(&l->launch->run))
            count_reason(reasons[status_class_of(s, l->launch->class_name) - s->classes].items,
                         status_wait(l, s));
    }
    for (size_t i = 0; i < s->class_count; i++)
        qsort(reasons[i].items, STATUS_REASONS_MAX, sizeof(reasons[i].items[0]), by_count);
    return reasons;
}

/* ---- named ---- */

struct rows {
    size_t max;
    bool (*is_before)(const struct live *a, const struct live *b);
    size_t count;
    const struct live *items[WAITING_MAX];
};

/* On their way first, the furthest in front; then the queue, the longest due in front. */
static bool is_waiting_before(const struct live *a, const struct live *b)
{
    const struct run *x = &a->launch->run;
    const struct run *y = &b->launch->run;
    return x->state != y->state ? x->state > y->state : x->due_at_ms < y->due_at_ms;
}

static bool is_older(const struct live *a, const struct live *b)
{
    return a->launch->updated_at_ms < b->launch->updated_at_ms;
}

static void offer(struct rows *rows, const struct live *l)
{
    size_t at = rows->count < rows->max ? rows->count++ : rows->max;
    if (at == rows->max && !rows->is_before(l, rows->items[--at]))
        return;
    for (; at > 0 && rows->is_before(l, rows->items[at - 1]); at--)
        rows->items[at] = rows->items[at - 1];
    rows->items[at] = l;
}

static void write_row(struct buf *out, const struct live *l, const struct snapshot *s)
{
    const struct launch *launch = l->launch;
    status_open(out, NULL, '{');
    status_text(out, "id", launch->flow_run_id, UUID_TEXT_SIZE);
    status_text(out, "name", launch->run_name, STATUS_NAME_MAX_BYTES);
    status_text(out, "class", launch->class_name, STATUS_NAME_MAX_BYTES);
    status_text(out, "deployment", launch->deployment_name, STATUS_NAME_MAX_BYTES);
    status_text(out, "state", run_state_name(launch->run.state), STATUS_NAME_MAX_BYTES);
    status_int(out, "due_ms", launch->run.due_at_ms);
    status_int(out, "since_ms", launch->updated_at_ms);
    status_int(out, "tries", launch->run.attempt);
    if (is_waiting(&launch->run))
        status_text(out, "waits_for", status_wait(l, s), STATUS_SENTENCE_MAX_BYTES);
    status_text(out, "error", launch->last_error, STATUS_SENTENCE_MAX_BYTES);
    status_close(out, '}');
}

static void write_rows(struct buf *out, const char *key, const struct rows *rows, const struct snapshot *s,
                       size_t max_bytes)
{
    status_open(out, key, '[');
    for (size_t i = 0; i < rows->count && out->len < max_bytes; i++)
        write_row(out, rows->items[i], s);
    status_close(out, ']');
}

void status_runs(struct buf *out, struct list *all, const struct snapshot *s, size_t max_bytes)
{
    struct rows waiting = {.max = WAITING_MAX, .is_before = is_waiting_before};
    struct rows running = {.max = RUNNING_MAX, .is_before = is_older};
    struct rows parked = {.max = PARKED_MAX, .is_before = is_older};
    size_t total = 0;
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *l = LIST_ITEM(link, struct live, all_link);
        enum run_state state = l->launch->run.state;
        total++;
        if (is_waiting(&l->launch->run))
            offer(&waiting, l);
        else if (state == RUN_STATE_RUNNING || state == RUN_STATE_STOPPING)
            offer(&running, l);
        else if (state == RUN_STATE_PARKED)
            offer(&parked, l);
    }
    status_open(out, "runs", '{');
    status_int(out, "total", (int64_t)total);
    write_rows(out, "parked", &parked, s, max_bytes);
    write_rows(out, "running", &running, s, max_bytes);
    write_rows(out, "waiting", &waiting, s, max_bytes);
    status_close(out, '}');
}
