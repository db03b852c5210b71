/*
 * act_engine.c - the engine on the way to a running container: pull, create, connect, start, looks, watch.
 *
 * Names: create is sent under the saved name (launch.container_name) plus "-n" for the n-th name that others
 * hold. Looks go by that name before the container's id is known, by id afterwards.
 */
#include "act.h"

#include "api/jobspec.h"
#include "base/log.h"
#include "core/run_step.h"
#include "leases.h"
#include "registry_logins.h"
#include "watcher.h"

#include <stdio.h>
#include <string.h>

#define CONTAINER_NAME_SIZE 300
/* Highest name-n; the index after it is a name made of the launch id (protocol 5.9). */
#define NAME_SUFFIX_MAX 20

static void make_name(const struct launch *l, char name[static CONTAINER_NAME_SIZE])
{
    if (l->run.name_index == 0)
        snprintf(name, CONTAINER_NAME_SIZE, "%.250s", l->container_name);
    else if (l->run.name_index <= NAME_SUFFIX_MAX)
        snprintf(name, CONTAINER_NAME_SIZE, "%.240s-%d", l->container_name, (int)l->run.name_index);
    else
        snprintf(name, CONTAINER_NAME_SIZE, "%.240s-%.8s", l->container_name, l->launch_id);
}

bool act_engine_is_fine(struct live *live, const struct engine_reply *reply)
{
    live->engine_call = NULL;
    learning_end(act_of(live)->learning, &live->learning_call, reply->failure, 1);
    if (reply->failure == NULL) {
        act_learn(live, reply);
        return true;
    }
    runner_fail(live->runner, live, reply->failure, reply->took_ms);
    act_learn(live, reply);
    return false;
}

static void feed_found(struct live *live, const struct engine_container *c)
{
    struct run_event ev = {.kind = RUN_EVENT_FOUND_CREATED, .retry_after_ms = -1, .was_sent = true};
    switch (c->state) {
    case ENGINE_CONTAINER_CREATED:
        break;
    case ENGINE_CONTAINER_RUNNING:
        ev.kind = RUN_EVENT_FOUND_RUNNING;
        break;
    case ENGINE_CONTAINER_EXITED:
        ev.kind = RUN_EVENT_FOUND_EXITED;
        ev.exit_code = c->exit_code;
        ev.oom_killed = c->oom_killed;
        break;
    case ENGINE_CONTAINER_REMOVING: /* soon it will be absent */
        ev.kind = RUN_EVENT_TRANSIENT;
        break;
    }
    /* An engine that died and came back may show a container that ran as merely created; its start time
     * tells. */
    if (ev.kind == RUN_EVENT_FOUND_CREATED && c->started_at_ms > 0) {
        ev.kind = RUN_EVENT_FOUND_EXITED;
        ev.exit_code = c->exit_code;
    }
    if (ev.kind != RUN_EVENT_TRANSIENT)
        act_learn_found(live, ev.kind);
    runner_feed(live->runner, live, ev);
}

void act_ask_later(struct live *live)
{
    runner_feed(live->runner, live,
                (struct run_event){.kind = RUN_EVENT_TRANSIENT, .out_of_reach = true, .retry_after_ms = -1});
}

/* Its concurrency slot at the server is still its own, as far as is known. */
static bool holds_slot(struct act *act, struct live *live)
{
    bool holds = leases_hold(act->leases, live);
    if (holds == (live->said_reason != NULL))
        runner_say_wait(live->runner, live, holds ? "" : "renewal of its concurrency lease");
    return holds;
}

/* ---- PULL ---- */

static void on_image(void *arg, const struct failure *failure, int64_t took_ms, bool was_pulled,
                     const char *warning)
{
    struct live *live = arg;
    live->pull_wait = NULL;
    act_shared_clock(live, failure == NULL ? STAGE_PULL : failure->stage);
    if (failure != NULL) {
        runner_fail(live->runner, live, failure, took_ms);
        return;
    }
    if (warning != NULL)
        log_warn("image", kv_s("run", live->launch->flow_run_id), kv_s("image", live->launch->image),
                 kv_s("warning", warning));
    if (was_pulled)
        runner_record(live->runner, live, STAGE_PULL, took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

/* The job's login, if it is for the registry of its image. Another one's is not for this registry to see. */
static const struct jobspec_credentials *fitting_credentials(const struct live *live)
{
    const struct jobspec *job = live->job;
    if (job->credentials == NULL || registry_logins_fit(job->credentials, job->image))
        return job->credentials;
    log_warn("registry_credentials are for another registry than the image's and are not used",
             kv_s("run", live->launch->flow_run_id), kv_s("image", job->image),
             kv_s("registry_url", job->credentials->registry_url));
    return NULL;
}

void act_pull(struct act *act, struct live *live)
{
    const struct jobspec *job = live->job;
    const struct pull_request request = {.image = job->image,
                                         .platform = job->platform,
                                         .policy = job->pull_policy,
                                         .must_pull = live->launch->run.has_repulled,
                                         .class_name = live->launch->class_name,
                                         .credentials = fitting_credentials(live)};
    live->pull_wait = pulls_want(act->pulls, &request, on_image, live);
}

/* ---- CREATE, LOOK_NAME, CONNECT ---- */

static void keep_container(struct live *live, const char *id)
{
    snprintf(live->launch->container_id, sizeof(live->launch->container_id), "%s", id);
}

static void tell_warning(const struct live *live, const char *warning)
{
    char *AUTO_FREE shown = check_strdup_or_null(warning);
    if (shown == NULL)
        return;
    act_hide(live, shown);
    log_warn("engine", kv_s("run", live->launch->flow_run_id), kv_s("stage", "create"),
             kv_s("warning", shown));
}

static void on_created(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply)) {
        if (reply->failure->status == 404)
            pulls_forget(act_of(live)->pulls);
        return;
    }
    runner_record(live->runner, live, STAGE_CREATE, reply->took_ms, NULL);
    tell_warning(live, reply->warning);
    keep_container(live, reply->container_id);
    tell_container(act_of(live)->tell, live, TELL_CONTAINER_CREATED);
    act_feed(live, RUN_EVENT_DONE);
}

void act_create(struct act *act, struct live *live)
{
    if (!holds_slot(act, live)) {
        act_ask_later(live);
        return;
    }
    char name[CONTAINER_NAME_SIZE];
    make_name(live->launch, name);
    struct http_clocks clocks = act_clocks(live, STAGE_CREATE);
    struct err err;
    live->launch->container_id[0] = '\0';
    live->looked_mono_ms = 0;
    live->was_heard_to_die = false;
    if (engine_create(act->engine, name, live->job->platform, live->job->create_body, &clocks, on_created,
                      live, &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_CREATE, &err);
    else
        learning_begin(act->learning, &live->learning_call, LEARNING_CREATE);
}

static void on_name_looked(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (reply->failure != NULL && reply->failure->status == 404) {
        live->engine_call = NULL;
        act_feed(live, RUN_EVENT_FOUND_ABSENT);
        return;
    }
    if (!act_engine_is_fine(live, reply))
        return;
    const struct engine_container *c = &reply->containers[0];
    if (strcmp(c->launch_id, live->launch->launch_id) != 0) {
        act_feed(live, RUN_EVENT_FOUND_FOREIGN);
        return;
    }
    keep_container(live, c->id);
    feed_found(live, c);
}

void act_look_name(struct act *act, struct live *live)
{
    char name[CONTAINER_NAME_SIZE];
    make_name(live->launch, name);
    if (name[0] == '\0') { /* never rendered, so never created */
        act_feed(live, RUN_EVENT_FOUND_ABSENT);
        return;
    }
    struct http_clocks clocks = act_clocks(live, STAGE_INSPECT);
    struct err err;
    if (engine_inspect(act->engine, name, &clocks, on_name_looked, live, &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_INSPECT, &err);
}

static void connect_next(struct live *live);

static void on_connected(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_NETWORK, reply->took_ms, NULL);
    live->connect_index++;
    connect_next(live);
}

static void connect_next(struct live *live)
{
    struct act *act = act_of(live);
    const char *network = live->job->networks == NULL ? NULL : live->job->networks[live->connect_index];
    if (network == NULL) {
        act_feed(live, RUN_EVENT_DONE);
        return;
    }
    struct http_clocks clocks = act_clocks(live, STAGE_NETWORK);
    struct err err;
    if (engine_network_connect(act->engine, network, live->launch->container_id,
                               live->job->endpoints[live->connect_index], &clocks, on_connected, live,
                               &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_NETWORK, &err);
}

void act_connect(struct act *act, struct live *live)
{
    (void)act;
    live->connect_index = 0;
    connect_next(live);
}

/* ---- START, LOOK_CONTAINER, WATCH ---- */

static void on_started(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (!act_engine_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_START, reply->took_ms, NULL);
    act_feed(live, RUN_EVENT_DONE);
}

void act_start(struct act *act, struct live *live)
{
    if (!holds_slot(act, live)) {
        act_ask_later(live);
        return;
    }
    struct http_clocks clocks = act_clocks(live, STAGE_START);
    struct err err;
    if (engine_start(act->engine, live->launch->container_id, &clocks, on_started, live, &live->engine_call,
                     &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_START, &err);
    else
        learning_begin(act->learning, &live->learning_call, LEARNING_START);
}

static void on_container_looked(void *arg, const struct engine_reply *reply)
{
    struct live *live = arg;
    if (reply->failure != NULL && reply->failure->status == 404) {
        live->engine_call = NULL;
        act_feed(live, RUN_EVENT_FOUND_ABSENT);
        return;
    }
    if (!act_engine_is_fine(live, reply))
        return;
    const struct engine_container *c = &reply->containers[0];
    if (c->state == ENGINE_CONTAINER_CREATED && c->started_at_ms == 0)
        live->looked_mono_ms = clock_mono_ms(act_of(live)->clock) - reply->took_ms;
    feed_found(live, c);
}

void act_look_container(struct act *act, struct live *live)
{
    if (live->launch->container_id[0] == '\0') {
        act_feed(live, RUN_EVENT_FOUND_ABSENT);
        return;
    }
    if (live->launch->run.state == RUN_STATE_RUNNING && watcher_answers(act->watcher, live))
        return;
    struct http_clocks clocks = act_clocks(live, STAGE_INSPECT);
    struct err err;
    if (engine_inspect(act->engine, live->launch->container_id, &clocks, on_container_looked, live,
                       &live->engine_call, &err) != 0)
        act_refuse(act, live, DEPENDENCY_ENGINE, STAGE_INSPECT, &err);
}

static void follow_output(struct act *act, struct live *live)
{
    char name[CONTAINER_NAME_SIZE];
    make_name(live->launch, name);
    output_follow(act->output, &(struct output_wish){.launch_id = live->launch->launch_id,
                                                     .container_id = live->launch->container_id,
                                                     .name = name,
                                                     .is_resumed = live->job == NULL,
                                                     .tty = live->job != NULL && live->job->tty,
                                                     .clocks = act_fixed_clocks(live, STAGE_INSPECT)});
}

/* No request: the events stream and the reconcile tell the end. Its output is copied if the job says so. The
 * job has done its service, and holds secrets. */
void act_watch(struct act *act, struct live *live)
{
    tell_container(act->tell, live, TELL_CONTAINER_RUNNING);
    if (live->launch->stream_output)
        follow_output(act, live);
    act_forget(act, live);
}
