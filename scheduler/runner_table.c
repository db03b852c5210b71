/*
 * runner_table.c - the launches in memory: added by polls, loaded at start, found by id.
 */
#include "runner_internal.h"

static struct live *adopt(struct runner *r, struct launch *launch)
{
    struct live *live = check_alloc(sizeof(*live));
    live->magic = LIVE_MAGIC;
    live->runner = r;
    live->launch = launch;
    /* It came as one that runs: whoever started it has told so. Thousands would be told again at a restart.
     */
    live->was_told_running = launch->run.state == RUN_STATE_RUNNING;
    list_init(&live->dirty_link);
    list_init(&live->acting_link);
    list_init(&live->all_link);
    list_init(&live->held_link);
    list_add_last(&r->all, &live->all_link);
    index_put(&r->by_launch, launch->launch_id, live);
    index_put(&r->by_flow_run, launch->flow_run_id, live);
    runner_refresh_values(r, live);
    runner_count_change(r, live, NULL, &launch->run);
    live->arrival = r->arrivals++;
    r->count++;
    return live;
}

struct live *runner_add(struct runner *r, struct launch *launch)
{
    const struct random_source *random = r->s.random;
    uint64_t bits = random->next(random->arg);
    launch_make_ids(launch, bits, random->next(random->arg), r->s.mark);
    launch->created_at_ms = clock_wall_ms(r->s.clock);
    launch->updated_at_ms = launch->created_at_ms;
    struct live *live = adopt(r, launch);
    runner_tell_new(live);
    runner_mark_dirty(r, live);
    runner_save_soon(r);
    return live;
}

static bool on_loaded(void *arg, struct launch *launch)
{
    struct runner *r = arg;
    struct live *live = adopt(r, launch);
    live->has_row = true;
    live->has_old_wait = true;
    runner_feed(r, live,
                (struct run_event){.kind = RUN_EVENT_ENTER, .after_restart = true, .retry_after_ms = -1});
    return true;
}

int runner_load(struct runner *r, struct err *err)
{
    if (store_load_launches(r->s.store, on_loaded, r, err) != 0)
        return -1;
    for (struct list *link = r->all.next; link != &r->all; link = link->next)
        runner_start_deadline(r, LIST_ITEM(link, struct live, all_link));
    return 0;
}

const struct troubles *runner_troubles(const struct runner *r)
{
    return &r->troubles;
}

struct live *runner_find_flow_run(const struct runner *r, const char *flow_run_id)
{
    return index_find(&r->by_flow_run, flow_run_id);
}

struct live *runner_find_launch(const struct runner *r, const char *launch_id)
{
    return index_find(&r->by_launch, launch_id);
}

struct list *runner_all(struct runner *r)
{
    return &r->all;
}

size_t runner_count(const struct runner *r)
{
    return r->count;
}

size_t runner_calls_out(const struct runner *r)
{
    size_t out = 0;
    for (const struct list *link = r->all.next; link != &r->all; link = link->next) {
        const struct live *live = (const struct live *)((const char *)link - offsetof(struct live, all_link));
        if (live->launch->run.pending != RUN_ACTION_NONE || live->action != RUN_ACTION_NONE)
            out++;
    }
    return out;
}
