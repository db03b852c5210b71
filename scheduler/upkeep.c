#include "upkeep.h"

#include "base/log.h"
#include "core/file_bounds.h"

/* Not while there is so much else to do as after a start. */
#define LOOK_EVERY_MS (10 * 60 * 1000)
/* Of each row that goes a page or two change; a page that is given back changes three. */
#define ROWS_A_PAGE 4

struct upkeep {
    struct upkeep_settings s;
    struct timer timer;
    struct file_bounds bounds;
    int64_t step_rows;
    int64_t trimmed; /* launches, since the last look that found nothing to do */
};

static void tell_cut(const struct upkeep *u, const struct store_size *size)
{
    log_warn("the state file has passed max_size: the oldest finished runs are forgotten before keep_history "
             "is over",
             kv_int("bytes", size->bytes), kv_int("max_bytes", u->s.config->max_size_bytes),
             kv_s("file", store_path(u->s.store)));
}

static int look(struct upkeep *u, struct err *err)
{
    struct store_size size;
    bool was_cutting = u->bounds.is_cutting;
    if (store_size(u->s.store, &size, err) != 0)
        return -1;
    const struct file_sight sight = {.bytes = size.bytes,
                                     .free_bytes = size.free_bytes,
                                     .can_shrink = size.can_shrink,
                                     .max_bytes = u->s.config->max_size_bytes};
    file_bounds_see(&u->bounds, &sight);
    if (u->bounds.is_cutting && !was_cutting)
        tell_cut(u, &size);
    return 0;
}

/* Forgets first: what is given back is what nobody needs then. */
static int step(struct upkeep *u, bool *is_done, struct err *err)
{
    int64_t before_ms =
        u->bounds.is_cutting ? INT64_MAX : clock_wall_ms(u->s.clock) - u->s.config->keep_history_ms;
    struct store_trimmed trimmed;
    if (store_begin(u->s.store, err) != 0 ||
        store_trim(u->s.store, before_ms, u->step_rows, &trimmed, err) != 0)
        return -1;
    u->trimmed += trimmed.launches;
    *is_done = trimmed.is_done && !u->bounds.is_shrinking;
    if (trimmed.is_done && u->bounds.is_shrinking)
        return store_shrink(u->s.store, u->step_rows / ROWS_A_PAGE, err);
    return 0;
}

/* 1,000 pages in the log make SQLite write them into the file within a commit: after each step they are few.
 */
static int commit(struct upkeep *u)
{
    if (u->s.commit(u->s.arg) != 0)
        return -1;
    store_checkpoint(u->s.store);
    return 0;
}

static void on_timer(void *arg)
{
    struct upkeep *u = arg;
    struct err err;
    bool is_done = false;
    int64_t began_ms = clock_mono_ms(u->s.clock);
    if (u->step_rows == 0)
        u->step_rows = file_bounds_rows(0, 0);
    if (look(u, &err) != 0 || step(u, &is_done, &err) != 0) {
        u->s.on_failure(u->s.arg, &err);
        return;
    }
    u->step_rows = file_bounds_rows(u->step_rows, clock_mono_ms(u->s.clock) - began_ms);
    if (is_done && u->trimmed > 0) {
        log_info("history trimmed", kv_int("launches", u->trimmed));
        u->trimmed = 0;
    }
    if (commit(u) != 0)
        return; /* told elsewhere */
    int64_t pause_ms = file_bounds_pause_ms(clock_mono_ms(u->s.clock) - began_ms);
    timer_start(u->s.timers, &u->timer, is_done ? LOOK_EVERY_MS : pause_ms, on_timer, u);
}

struct upkeep *upkeep_new(const struct upkeep_settings *settings)
{
    struct upkeep *u = check_alloc(sizeof(*u));
    u->s = *settings;
    timer_start(u->s.timers, &u->timer, LOOK_EVERY_MS, on_timer, u);
    return u;
}

void upkeep_free(struct upkeep *upkeep)
{
    if (upkeep == NULL)
        return;
    timer_cancel(&upkeep->timer);
    free(upkeep);
}

void upkeep_set_config(struct upkeep *upkeep, const struct config *config)
{
    upkeep->s.config = config;
}
