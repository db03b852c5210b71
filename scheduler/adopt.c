/*
 * adopt.c - see adopt.h.
 *
 * A verdict must never fall on a run that has moved on: a flow run can be scheduled again, and then it has a
 * newer container, perhaps another worker's. So the run must still name this container (infrastructure_pid),
 * or, if it names none yet, its claim must be older than the container. An ended container whose run is over,
 * too, needs nothing.
 */
#include "adopt.h"

#include "base/log.h"
#include "base/text.h"
#include "clocks.h"
#include "index.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define WANTED_MAX 200
/* The server's clock and the engine's need not agree. */
#define CLOCK_MARGIN_MS 5000

struct wanted {
    char container_id[CONTAINER_ID_SIZE];
    char flow_run_id[UUID_TEXT_SIZE];
    char launch_id[UUID_TEXT_SIZE];
    char *name;
    char *class_name;
    char *image;
    int64_t created_at_ms;
    bool has_ended;
};

struct adopt {
    struct adopt_settings s;
    struct prefect_call *call;
    struct wanted *wanted;
    size_t count;
    struct index settled; /* container ids, owned keys: need no second look */
};

struct adopt *adopt_new(const struct adopt_settings *settings)
{
    struct adopt *a = check_alloc(sizeof(*a));
    a->s = *settings;
    a->wanted = check_alloc(WANTED_MAX * sizeof(*a->wanted));
    return a;
}

static void forget_wanted(struct adopt *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->wanted[i].name);
        free(a->wanted[i].class_name);
        free(a->wanted[i].image);
    }
    a->count = 0;
}

void adopt_free(struct adopt *a)
{
    if (a == NULL)
        return;
    if (a->call != NULL)
        prefect_cancel(a->call);
    forget_wanted(a);
    free(a->wanted);
    for (size_t i = 0; i < a->settled.cap; i++)
        free(a->settled.slots[i].value);
    index_done(&a->settled);
    free(a);
}

void adopt_set_config(struct adopt *adopt, const struct config *config)
{
    adopt->s.config = config;
}

static void settle(struct adopt *a, const char *container_id)
{
    char *key = check_strdup(container_id);
    index_put(&a->settled, key, key);
}

bool adopt_has_settled(const struct adopt *a, const char *container_id)
{
    return index_find(&a->settled, container_id) != NULL;
}

/* The label is anybody's to write, and one id that is none would spoil the request for all. */
static bool is_uuid(const char *text)
{
    for (int i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[UUID_TEXT_SIZE - 1] == '\0';
}

void adopt_want(struct adopt *a, const struct engine_container *c)
{
    bool is_over = c->state == ENGINE_CONTAINER_EXITED;
    if ((!is_over && c->state != ENGINE_CONTAINER_RUNNING) || !is_uuid(c->flow_run_id))
        return;
    if (a->call != NULL || a->count == WANTED_MAX || index_find(&a->settled, c->id) != NULL)
        return;
    if (runner_find_flow_run(a->s.runner, c->flow_run_id) != NULL)
        return; /* a newer launch of that flow run has taken over */
    struct wanted *w = &a->wanted[a->count++];
    *w = (struct wanted){.name = check_strdup(c->name),
                         .class_name = check_strdup(c->class_name[0] == '\0' ? "default" : c->class_name),
                         .image = check_strdup(c->image),
                         .created_at_ms = c->created_at_ms,
                         .has_ended = is_over};
    snprintf(w->container_id, sizeof(w->container_id), "%s", c->id);
    snprintf(w->flow_run_id, sizeof(w->flow_run_id), "%s", c->flow_run_id);
    snprintf(w->launch_id, sizeof(w->launch_id), "%s", c->launch_id);
}

static bool is_the_runs_own(const struct wanted *w, const struct prefect_run *run)
{
    if (run->infrastructure_pid[0] != '\0')
        return text_ends_with(run->infrastructure_pid, w->container_id);
    bool is_pending = run->state_type == PREFECT_STATE_PENDING && run->state != NULL;
    return !is_pending || run->state->timestamp_ms <= w->created_at_ms + CLOCK_MARGIN_MS;
}

static bool is_unfinished(const struct prefect_run *run)
{
    return run->state_type == PREFECT_STATE_PENDING || run->state_type == PREFECT_STATE_RUNNING ||
           run->state_type == PREFECT_STATE_CANCELLING;
}

/* run: NULL if it was deleted. */
static struct launch *make_launch(const struct wanted *w, const struct prefect_run *run)
{
    struct launch *l = launch_new(w->flow_run_id, w->created_at_ms);
    snprintf(l->launch_id, sizeof(l->launch_id), "%s", w->launch_id);
    snprintf(l->container_id, sizeof(l->container_id), "%s", w->container_id);
    launch_set_text(&l->container_name, w->name);
    launch_set_text(&l->run_name, w->name);
    launch_set_text(&l->class_name, w->class_name);
    launch_set_text(&l->image, w->image);
    l->run.state = RUN_STATE_RUNNING;
    l->run.has_claim = true;
    l->run.create_sent = true;
    l->run.has_container = true;
    l->run.start_sent = true;
    l->run.claimed_at_ms = w->created_at_ms;
    l->run.started_at_ms = w->created_at_ms;
    if (run == NULL)
        return l;
    snprintf(l->deployment_id, sizeof(l->deployment_id), "%s", run->deployment_id);
    snprintf(l->flow_id, sizeof(l->flow_id), "%s", run->flow_id);
    snprintf(l->work_queue_id, sizeof(l->work_queue_id), "%s", run->work_queue_id);
    launch_set_text(&l->run_name, run->name);
    l->run.due_at_ms = run->expected_start_ms;
    l->run.is_announced = run->infrastructure_pid[0] != '\0';
    return l;
}

static void take_over(struct adopt *a, const struct wanted *w, const struct prefect_run *run)
{
    struct launch *l = make_launch(w, run);
    log_warn("adopting a container that no launch knows", kv_s("container", w->container_id),
             kv_s("name", w->name), kv_s("run", w->flow_run_id), kv_s("ended", w->has_ended ? "yes" : "no"));
    struct live *live = runner_add(a->s.runner, l);
    /* The run is PENDING through the claim that led to this container: it is ours now. */
    if (run != NULL && run->state_type == PREFECT_STATE_PENDING && run->state != NULL)
        snprintf(l->submit_id, sizeof(l->submit_id), "%s", run->state->transition_id);
    runner_feed_kind(a->s.runner, live, RUN_EVENT_ENTER);
}

static void judge(struct adopt *a, const struct wanted *w, const struct prefect_run *run)
{
    if (runner_find_flow_run(a->s.runner, w->flow_run_id) != NULL)
        return;
    /* What runs for a run that was deleted is stopped, as with any launch; but not what the official worker
     * started. */
    bool is_left_alone = run == NULL && w->launch_id[0] == '\0';
    bool is_own = run == NULL || is_the_runs_own(w, run);
    bool is_needed = !w->has_ended || (run != NULL && is_unfinished(run));
    if (is_own && is_needed && !is_left_alone)
        take_over(a, w, run);
    else if (w->has_ended)
        settle(a, w->container_id);
}

static void on_runs(void *arg, const struct prefect_reply *reply)
{
    struct adopt *a = arg;
    a->call = NULL;
    if (reply->failure != NULL)
        runner_record_timeout(a->s.runner, reply->failure, reply->took_ms);
    for (size_t i = 0; reply->failure == NULL && i < a->count; i++) {
        const struct prefect_run *run = NULL;
        for (size_t j = 0; j < reply->count && run == NULL; j++)
            if (strcmp(reply->runs[j].id, a->wanted[i].flow_run_id) == 0)
                run = &reply->runs[j];
        judge(a, &a->wanted[i], run);
    }
    forget_wanted(a);
}

void adopt_begin(struct adopt *a)
{
    if (a->count == 0 || a->call != NULL)
        return;
    const char *ids[WANTED_MAX];
    for (size_t i = 0; i < a->count; i++)
        ids[i] = a->wanted[i].flow_run_id;
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = clocks_for(a->s.config, "default", STAGE_API),
                              .done = on_runs,
                              .arg = a,
                              .call = &a->call};
    struct err err;
    CHECK(prefect_filter_runs(a->s.prefect, &ask, ids, a->count, &err) == 0);
}
