/*
 * act_claim.c - Prefect before the engine: claim, look, submitting, resolve.
 *
 * An answer of set_state is judged by its `status` and the state inside, never by its HTTP code
 * (protocol 4.2). A PENDING state is ours if it carries one of our transition ids; a claim that was accepted
 * without a scheduled time has overtaken a finished run (protocol 4.4).
 */
#include "act.h"

#include "api/jobspec.h"
#include "base/log.h"
#include "base/text.h"
#include "clocks.h"
#include "docker_proxies.h"

#include <stdio.h>
#include <string.h>

/* Copies of a deployment and a flow may be this old when a job is rendered. */
#define DEPLOYMENT_AGE_MS 2000
#define FLOW_AGE_MS (10 * 60 * 1000)
/* From the claim to the answer of "Submitting": within this nobody else's flow has taken the run up and ended
 * it, and so our "Submitting" has overwritten nothing. */
#define PROMPT_MS 5000

/* ---- CLAIM ---- */

/* Whichever answer shows our state first brings the deployment's lease along. */
static void keep_lease(struct live *live, const struct prefect_state *state)
{
    if (state->lease_id[0] != '\0')
        snprintf(live->launch->lease_id, sizeof(live->launch->lease_id), "%s", state->lease_id);
}

static void on_claimed(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_API, reply->took_ms, NULL);
    const struct prefect_state *state = reply->states;
    bool is_ours = reply->outcome == PREFECT_OUTCOME_ACCEPT || act_is_our_claim(live, state);
    if (!is_ours && act_is_our_submitting(live, state)) {
        keep_lease(live, state);
        act_feed(live, RUN_EVENT_DONE);
        return;
    }
    if (!is_ours) {
        char *sentence = check_printf("claim refused: %s", reply->reason);
        runner_note(live->runner, live, sentence);
        free(sentence);
        act_feed(live, RUN_EVENT_REFUSED);
        return;
    }
    keep_lease(live, state);
    act_feed(live, state->has_scheduled_time ? RUN_EVENT_DONE : RUN_EVENT_OVERTOOK);
}

void act_claim(struct act *act, struct live *live)
{
    live->claim_sent_mono_ms = clock_mono_ms(act->clock);
    struct prefect_ask ask = act_ask(act, live, STAGE_API, on_claimed);
    struct prefect_proposal proposal = {
        .type = PREFECT_STATE_PENDING, .name = "Pending", .transition_id = live->launch->launch_id};
    struct err err;
    if (prefect_set_state(act->prefect, &ask, live->launch->flow_run_id, &proposal, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_API, &err);
}

/* ---- LOOK_RUN ---- */

static void on_history_of_look(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    struct history h = act_history(live, reply);
    if (h.latest != NULL)
        keep_lease(live, h.latest);
    /* An adopted container was claimed for by another; then the run's own word counts. */
    bool is_ours = h.was_ours ? h.is_ours : live->is_named_by_run;
    enum prefect_state_type present =
        reply->count > 0 ? reply->states[reply->count - 1].type : PREFECT_STATE_UNKNOWN;
    if (h.overwritten != NULL && present != PREFECT_STATE_RUNNING)
        act_feed(live, RUN_EVENT_OVERTOOK);
    else if (!is_ours)
        act_feed(live, RUN_EVENT_RUN_ENDED);
    else if (present == PREFECT_STATE_CANCELLING)
        act_feed(live, RUN_EVENT_RUN_CANCELLING);
    else if (present == PREFECT_STATE_RUNNING)
        act_feed(live, RUN_EVENT_RUN_RUNNING);
    else
        act_feed(live, RUN_EVENT_RUN_PENDING);
}

static void read_history(struct live *live)
{
    struct act *act = act_of(live);
    struct prefect_ask ask = act_ask(act, live, STAGE_API, on_history_of_look);
    struct err err;
    if (prefect_get_history(act->prefect, &ask, live->launch->flow_run_id, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_API, &err);
}

static void feed_pending(struct live *live, const struct prefect_state *state)
{
    if (act_is_our_claim(live, state) || act_is_our_submitting(live, state))
        keep_lease(live, state);
    if (act_is_our_claim(live, state))
        act_feed(live, state->has_scheduled_time ? RUN_EVENT_RUN_PENDING : RUN_EVENT_OVERTOOK);
    else if (act_is_our_submitting(live, state) && live->was_submitted_promptly)
        act_feed(live, RUN_EVENT_RUN_PENDING);
    else if (act_is_our_submitting(live, state) || live->is_named_by_run)
        read_history(live); /* it may have landed late, on a run that was not ours any more, or be adopted */
    else
        act_feed(live, RUN_EVENT_RUN_ENDED);
}

/* The run names this container as its own, or none yet. */
static bool names_container(const struct prefect_run *run, const char *container_id)
{
    return container_id[0] != '\0' &&
           (run->infrastructure_pid[0] == '\0' || text_ends_with(run->infrastructure_pid, container_id));
}

static void on_looked(void *arg, const struct failure *failure, int64_t took_ms,
                      const struct prefect_run *run)
{
    struct live *live = arg;
    live->look = NULL;
    if (failure != NULL) {
        runner_fail(live->runner, live, failure, took_ms);
        return;
    }
    if (run == NULL) { /* deleted */
        act_feed(live, RUN_EVENT_RUN_ENDED);
        return;
    }
    live->is_named_by_run = names_container(run, live->launch->container_id);
    switch (run->state_type) {
    case PREFECT_STATE_SCHEDULED:
        runner_follow_schedule(live->runner, live, run->expected_start_ms);
        act_feed(live, RUN_EVENT_RUN_SCHEDULED);
        return;
    case PREFECT_STATE_PENDING:
        if (run->state == NULL)
            act_feed(live, RUN_EVENT_RUN_ENDED);
        else
            feed_pending(live, run->state);
        return;
    case PREFECT_STATE_RUNNING:
        if (live->launch->run.state == RUN_STATE_REPORTING)
            read_history(live); /* ours only if nobody has scheduled it again since our claim */
        else
            act_feed(live, RUN_EVENT_RUN_RUNNING);
        return;
    case PREFECT_STATE_CANCELLING:
        if (live->launch->run.state == RUN_STATE_CLAIMING ||
            live->launch->run.state == RUN_STATE_HANDING_BACK)
            /* ours only if our claim had landed before, and our hand back has not */
            read_history(live);
        else
            act_feed(live, RUN_EVENT_RUN_CANCELLING);
        return;
    case PREFECT_STATE_COMPLETED:
    case PREFECT_STATE_FAILED:
    case PREFECT_STATE_CRASHED:
    case PREFECT_STATE_CANCELLED:
    case PREFECT_STATE_PAUSED:
    case PREFECT_STATE_UNKNOWN:
        act_feed(live, RUN_EVENT_RUN_ENDED);
        return;
    }
}

void act_look_run(struct act *act, struct live *live)
{
    const struct http_clocks clocks = clocks_for(act->config, live->launch->class_name, STAGE_API);
    live->look =
        looks_want(act->looks, live->launch->flow_run_id, &clocks, act_can_wait(live), on_looked, live);
}

/* ---- SUBMIT ---- */

static void on_submitted(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    if (!act_prefect_is_fine(live, reply))
        return;
    runner_record(live->runner, live, STAGE_API, reply->took_ms, NULL);
    int64_t since_claim_ms = clock_mono_ms(act_of(live)->clock) - live->claim_sent_mono_ms;
    live->was_submitted_promptly = live->claim_sent_mono_ms != 0 && since_claim_ms <= PROMPT_MS;
    switch (reply->states[0].type) {
    case PREFECT_STATE_CANCELLING:
        act_feed(live, RUN_EVENT_RUN_CANCELLING);
        return;
    case PREFECT_STATE_RUNNING:
        act_feed(live, RUN_EVENT_RUN_RUNNING);
        return;
    case PREFECT_STATE_SCHEDULED:
        act_feed(live, RUN_EVENT_RUN_SCHEDULED);
        return;
    case PREFECT_STATE_COMPLETED:
    case PREFECT_STATE_FAILED:
    case PREFECT_STATE_CRASHED:
    case PREFECT_STATE_CANCELLED:
        act_feed(live, RUN_EVENT_RUN_ENDED);
        return;
    case PREFECT_STATE_PENDING:
    case PREFECT_STATE_PAUSED:
    case PREFECT_STATE_UNKNOWN:
        act_feed(live, RUN_EVENT_DONE);
        return;
    }
}

/* Labels are for people: nobody waits for them, and nobody minds if they fail (protocol D46). */
static void on_labelled(void *arg, const struct prefect_reply *reply)
{
    (void)arg;
    if (reply->failure != NULL)
        log_debug("labels not written", kv_int("status", reply->status),
                  kv_s("error", reply->failure->message));
}

static void send_labels(struct act *act, struct live *live)
{
    char trace[TRACE_PARENT_SIZE];
    traces_parent(act->traces, live->launch, trace);
    const char *labels[11] = {
        "prefect.worker.name",    act->config->worker_name, "prefect.worker.type",  "docker",
        "prefect.work-pool.name", act->pool->name,          "prefect.work-pool.id", act->pool->id};
    if (trace[0] != '\0') { /* the flow's own span goes below the one that is named here */
        labels[8] = PREFECT_TRACE_LABEL;
        labels[9] = trace;
    }
    struct prefect_ask ask = act_ask(act, live, STAGE_API, on_labelled);
    ask.call = NULL;
    ask.arg = act;
    ask.can_wait = true;
    struct err err;
    if (prefect_patch_labels(act->prefect, &ask, live->launch->flow_run_id, labels, &err) != 0)
        log_debug("labels not sent", kv_s("error", err.msg));
}

void act_submit(struct act *act, struct live *live)
{
    struct prefect_ask ask = act_ask(act, live, STAGE_API, on_submitted);
    struct prefect_proposal proposal = {.type = PREFECT_STATE_PENDING,
                                        .name = "Submitting",
                                        .transition_id = live->launch->submit_id,
                                        .lease_id = live->launch->lease_id};
    struct err err;
    live->was_submitted_promptly = false; /* that was of an earlier one */
    tell_submitting(act->tell, live);
    send_labels(act, live);
    if (prefect_set_state(act->prefect, &ask, live->launch->flow_run_id, &proposal, &err) != 0)
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_API, &err);
}

/* ---- RESOLVE: run, deployment, flow, what the configuration refers to, then the job ---- */

static void resolve_on(struct live *live);

/* Deleted meanwhile: nothing to launch any more. Outside RESOLVING "gone" would be taken for the image or the
 * container. */
static void resolve_failed(struct live *live, const struct failure *failure, int64_t took_ms)
{
    if (failure->status == 404 && live->after_resolve != RUN_ACTION_NONE) {
        act_feed(live, RUN_EVENT_CANCEL);
        act_feed(live, RUN_EVENT_PERMANENT);
        return;
    }
    runner_fail(live->runner, live, failure, took_ms);
}

static void on_run_read(void *arg, const struct prefect_reply *reply)
{
    struct live *live = arg;
    live->prefect_call = NULL;
    if (reply->failure != NULL) {
        resolve_failed(live, reply->failure, reply->took_ms);
        return;
    }
    free(live->job_variables_json);
    live->job_variables_json = check_strdup(reply->runs[0].job_variables_json);
    resolve_on(live);
}

static void on_catalog(void *arg, const struct failure *failure, int64_t took_ms)
{
    struct live *live = arg;
    live->in_catalog = false;
    if (failure != NULL) {
        resolve_failed(live, failure, took_ms);
        return;
    }
    live->max_copy_age_ms = INT64_MAX; /* just read, however long that took */
    resolve_on(live);
}

/* Secrets don't wait for the next try. */
static void drop_references(struct live *live)
{
    reference_set_free(live->references);
    live->references = NULL;
}

static void on_references(void *arg, const struct failure *failure, int64_t took_ms)
{
    struct live *live = arg;
    if (failure == NULL) {
        resolve_on(live);
        return;
    }
    drop_references(live);
    resolve_failed(live, failure, took_ms);
}

/* What the configuration refers to. */
static void ask_for_references(struct live *live, const struct jobspec *spec)
{
    const struct launch *l = live->launch;
    bool is_retry = live->references == NULL && l->run.attempt > 0;
    if (live->references == NULL)
        live->references =
            reference_set_new(act_of(live)->references, l->flow_run_id, l->flow_id, on_references, live);
    live->max_copy_age_ms = INT64_MAX; /* what was read for this job serves until it is rendered */
    reference_set_ask(live->references, spec->questions, spec->question_count, is_retry);
}

static const char *read_environment(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

static void fill_input(const struct act *act, const struct live *live, const char *trace_parent,
                       struct jobspec_input *in)
{
    const struct launch *l = live->launch;
    const struct catalog_item *deployment = catalog_deployment(act->catalog, l->deployment_id);
    bool has_deployment = l->deployment_id[0] != '\0' && deployment != NULL;
    *in = (struct jobspec_input){
        .template_json = act->pool->template_json,
        .deployment_variables_json = has_deployment ? deployment->job_variables_json : "{}",
        .run_variables_json = live->job_variables_json,
        .flow_run_id = l->flow_run_id,
        .flow_run_name = l->run_name,
        .flow_id = l->flow_id,
        .flow_name = l->flow_name,
        .deployment_id = l->deployment_id,
        .deployment_name = has_deployment ? deployment->name : "",
        .deployment_updated = has_deployment ? deployment->updated : "",
        .pool_id = act->pool->id,
        .pool_name = act->pool->name,
        .worker_name = act->config->worker_name,
        .worker_id = prefect_worker_id(act->prefect),
        .prefect_version = act->prefect_version,
        .trace_parent = trace_parent,
        .api_url = act->config->api_url,
        .forwarded = act->config->forwarded,
        .default_image = act->config->default_image,
        .working_directory = act->working_directory,
        .instance = act->instance,
        .launch_id = l->launch_id,
        .class_name = l->class_name,
        .engine_api_version = engine_api_version(act->engine),
        .podman_version = engine_podman_version(act->engine),
        .getenv = read_environment,
    };
    in->answers = reference_set_answers(live->references, &in->answer_count);
}

/* NULL if there are none, or they can't be read: the run is not to fail for that. */
static char **read_proxies(const struct act *act, const struct live *live)
{
    struct err err;
    char **proxies = NULL;
    if (docker_proxies_read(act->config->docker_config, act->config->home, engine_host(act->engine), &proxies,
                            &err) != 0)
        log_warn("containers go without the proxies of the Docker client's configuration",
                 kv_s("run", live->launch->flow_run_id), kv_s("error", err.msg));
    return proxies;
}

static void render(struct live *live)
{
    struct act *act = act_of(live);
    struct jobspec_input in;
    struct jobspec spec;
    struct err err;
    char trace[TRACE_PARENT_SIZE];
    char **proxies = read_proxies(act, live);
    traces_parent(act->traces, live->launch, trace);
    fill_input(act, live, trace, &in);
    in.proxy_environment = (const char *const *)proxies;
    int rc = jobspec_render(&in, &spec, &err);
    jobspec_free_list(proxies);
    if (rc != 0) {
        drop_references(live);
        act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_RESOLVE, &err);
        return;
    }
    if (spec.question_count > 0) {
        ask_for_references(live, &spec);
        jobspec_done(&spec);
        return;
    }
    if (spec.warning != NULL)
        log_warn("job configuration", kv_s("run", live->launch->flow_run_id), kv_s("warning", spec.warning));
    act_forget(act, live);
    live->job = check_alloc(sizeof(*live->job));
    *live->job = spec;
    struct launch *l = live->launch;
    if (l->container_name[0] == '\0')
        launch_set_text(&l->container_name, spec.name);
    launch_set_text(&l->image, spec.image);
    l->auto_remove = spec.auto_remove;
    l->stream_output = spec.stream_output;
    if (live->after_resolve == RUN_ACTION_NONE) {
        tell_resolved(act->tell, live);
        act_feed(live, RUN_EVENT_DONE);
    } else {
        act_perform(act, live, live->after_resolve);
    }
}

/* Ask for what is still missing; called again when it has come. */
static void resolve_on(struct live *live)
{
    struct act *act = act_of(live);
    struct launch *l = live->launch;
    if (live->job_variables_json == NULL) {
        struct prefect_ask ask = act_ask(act, live, STAGE_RESOLVE, on_run_read);
        struct err err;
        if (prefect_get_run(act->prefect, &ask, l->flow_run_id, &err) != 0)
            act_refuse(act, live, DEPENDENCY_PREFECT, STAGE_RESOLVE, &err);
        return;
    }
    live->in_catalog = true;
    if (l->deployment_id[0] != '\0' &&
        !catalog_want_deployment(act->catalog, l->deployment_id, live->max_copy_age_ms, on_catalog, live))
        return;
    if (!catalog_want_flow(act->catalog, l->flow_id, FLOW_AGE_MS, on_catalog, live))
        return;
    live->in_catalog = false;
    launch_set_text(&l->flow_name, catalog_flow(act->catalog, l->flow_id)->name);
    render(live);
}

void act_resolve(struct act *act, struct live *live)
{
    if (!act->pool->is_known) {
        struct failure failure = {.dependency = DEPENDENCY_PREFECT,
                                  .stage = STAGE_RESOLVE,
                                  .transport = TRANSPORT_CONNECT_FAILED,
                                  .retry_after_ms = -1,
                                  .message = "the work pool has not been read yet"};
        runner_fail(act->runner, live, &failure, 0);
        return;
    }
    live->max_copy_age_ms = DEPLOYMENT_AGE_MS;
    resolve_on(live);
}
