#include "lost_claims.h"

#include "base/log.h"
#include "clocks.h"

#include <stdio.h>
#include <string.h>

/* A pass that failed, or that found something, is followed by another one. */
#define AGAIN_MS 60000

struct lost_claims {
    struct lost_claims_settings s;
    struct timer timer;
    struct prefect_call *page_call;
    struct engine_call *list_call;
    int64_t offset;                         /* of the page */
    size_t page_count;                      /* runs on it */
    bool has_found;                         /* in this pass */
    struct launch *found[PREFECT_LIST_MAX]; /* of this page; owned */
    size_t found_count;
};

static void begin_pass(void *arg);
static void ask_page(struct lost_claims *lost);

struct lost_claims *lost_claims_new(const struct lost_claims_settings *settings)
{
    struct lost_claims *lost = check_alloc(sizeof(*lost));
    lost->s = *settings;
    return lost;
}

static void drop_found(struct lost_claims *lost)
{
    for (size_t i = 0; i < lost->found_count; i++)
        launch_free(lost->found[i]);
    lost->found_count = 0;
}

void lost_claims_stop(struct lost_claims *lost)
{
    timer_cancel(&lost->timer);
    if (lost->page_call != NULL)
        prefect_cancel(lost->page_call);
    if (lost->list_call != NULL)
        engine_cancel(lost->list_call);
    lost->page_call = NULL;
    lost->list_call = NULL;
    drop_found(lost);
}

void lost_claims_free(struct lost_claims *lost)
{
    if (lost == NULL)
        return;
    lost_claims_stop(lost);
    free(lost);
}

void lost_claims_set_config(struct lost_claims *lost, const struct config *config)
{
    lost->s.config = config;
}

static void again(struct lost_claims *lost, const char *what, const struct failure *failure)
{
    log_debug("the look for lost claims failed", kv_s("call", what), kv_int("status", failure->status),
              kv_s("error", failure->message));
    drop_found(lost);
    timer_start(lost->s.timers, &lost->timer, AGAIN_MS, begin_pass, lost);
}

/* The page is done. */
static void go_on(struct lost_claims *lost)
{
    drop_found(lost);
    if (lost->page_count == PREFECT_LIST_MAX) {
        lost->offset += PREFECT_LIST_MAX;
        ask_page(lost);
    } else if (lost->has_found) {
        /* What was handed back has moved others to pages that were read before. */
        timer_start(lost->s.timers, &lost->timer, AGAIN_MS, begin_pass, lost);
    }
}

/* A container that is running, or has run, is the watcher's to adopt. */
static bool has_run(const struct engine_reply *reply, const char *flow_run_id)
{
    for (size_t i = 0; i < reply->count; i++) {
        const struct engine_container *c = &reply->containers[i];
        if (strcmp(c->flow_run_id, flow_run_id) == 0 && c->state != ENGINE_CONTAINER_CREATED)
            return true;
    }
    return false;
}

static void hand_back(struct lost_claims *lost, struct launch *take_launch)
{
    log_warn("handing back a run that we had claimed and no launch knows",
             kv_s("run", take_launch->flow_run_id), kv_s("name", take_launch->run_name),
             kv_s("launch", take_launch->launch_id));
    struct live *live = runner_add(lost->s.runner, take_launch);
    runner_feed_kind(lost->s.runner, live, RUN_EVENT_ENTER);
}

static void on_listed(void *arg, const struct engine_reply *reply)
{
    struct lost_claims *lost = arg;
    lost->list_call = NULL;
    if (reply->failure != NULL) {
        again(lost, "list", reply->failure);
        return;
    }
    for (size_t i = 0; i < lost->found_count; i++) {
        struct launch *launch = lost->found[i];
        if (runner_find_flow_run(lost->s.runner, launch->flow_run_id) == NULL &&
            !has_run(reply, launch->flow_run_id))
            hand_back(lost, STEAL(lost->found[i]));
    }
    go_on(lost);
}

static void list_containers(struct lost_claims *lost)
{
    char *AUTO_FREE label = check_printf("%s=%s", ENGINE_LABEL_INSTANCE, lost->s.instance);
    struct http_clocks clocks = clocks_for(lost->s.config, "default", STAGE_INSPECT);
    struct err err;
    CHECK(engine_list(lost->s.engine, label, &clocks, on_listed, lost, &lost->list_call, &err) == 0);
}

/* A claim of ours that neither memory nor file knows: as a launch on its way back. */
static struct launch *lost_launch(struct lost_claims *lost, const struct prefect_run *run)
{
    char launch_id[UUID_TEXT_SIZE];
    struct err err;
    int64_t known_ms = 0;
    if (run->state == NULL || run->state_type != PREFECT_STATE_PENDING ||
        !launch_id_of(run->state->transition_id, lost->s.mark, launch_id) ||
        runner_find_flow_run(lost->s.runner, run->id) != NULL ||
        store_last_change(lost->s.store, launch_id, &known_ms, &err) != 0 || known_ms != 0)
        return NULL;
    struct launch *l = launch_new(run->id, run->expected_start_ms);
    snprintf(l->launch_id, sizeof(l->launch_id), "%s", launch_id);
    snprintf(l->deployment_id, sizeof(l->deployment_id), "%s", run->deployment_id);
    snprintf(l->flow_id, sizeof(l->flow_id), "%s", run->flow_id);
    snprintf(l->work_queue_id, sizeof(l->work_queue_id), "%s", run->work_queue_id);
    snprintf(l->lease_id, sizeof(l->lease_id), "%s", run->state->lease_id);
    launch_set_text(&l->run_name, run->name);
    launch_set_text(&l->class_name, "default");
    l->run.state = RUN_STATE_CLEARING;
    l->run.verdict = RUN_VERDICT_HAND_BACK;
    l->run.has_claim = true;
    l->run.create_sent = true; /* not known, so it may have been */
    l->run.claimed_at_ms = clock_wall_ms(lost->s.clock);
    return l;
}

static void on_page(void *arg, const struct prefect_reply *reply)
{
    struct lost_claims *lost = arg;
    lost->page_call = NULL;
    if (reply->failure != NULL) {
        again(lost, "filter", reply->failure);
        return;
    }
    lost->page_count = reply->count;
    for (size_t i = 0; i < reply->count; i++) {
        struct launch *launch = lost_launch(lost, &reply->runs[i]);
        if (launch != NULL)
            lost->found[lost->found_count++] = launch;
    }
    lost->has_found = lost->has_found || lost->found_count > 0;
    if (lost->found_count > 0)
        list_containers(lost);
    else
        go_on(lost);
}

static void ask_page(struct lost_claims *lost)
{
    struct prefect_ask ask = {.stage = STAGE_API,
                              .clocks = clocks_for(lost->s.config, "default", STAGE_API),
                              .done = on_page,
                              .arg = lost,
                              .call = &lost->page_call,
                              .can_wait = true};
    struct err err;
    CHECK(prefect_list_pending(lost->s.prefect, &ask, lost->s.config->pool, lost->offset, &err) == 0);
}

static void begin_pass(void *arg)
{
    struct lost_claims *lost = arg;
    lost->offset = 0;
    lost->has_found = false;
    ask_page(lost);
}

void lost_claims_start(struct lost_claims *lost)
{
    /* Until then a claim, a create or a start of the process before us may still land. */
    const struct config_class *c = config_class_by_name(lost->s.config, "default");
    int64_t wait_ms = c->retry.settle_ms;
    static const enum stage stages[] = {STAGE_API, STAGE_CREATE, STAGE_START};
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        int64_t longest_ms = config_longest_ms(c, stages[i]);
        if (longest_ms > wait_ms)
            wait_ms = longest_ms;
    }
    timer_start(lost->s.timers, &lost->timer, wait_ms, begin_pass, lost);
}
