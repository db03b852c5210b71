/*
 * traces_spans.c - which spans a launch has, and what they say.
 *
 * A root span, one span under it for each state it was in, and under these one for each call and each wait
 * before the next try. A span is made when it is over: its beginning is in the row (updated_at_ms,
 * created_at_ms), and its id follows from launch id, name and beginning. Nobody refers to the ids of calls
 * and waits, which are numbered.
 */
#include "traces_internal.h"

#include <string.h>

#define ATTRIBUTES_MAX 32
#define REFERENCE_SIZE 300

struct attributes {
    struct otlp_attribute items[ATTRIBUTES_MAX];
    size_t count;
};

static void add_text(struct attributes *a, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    CHECK(a->count < ATTRIBUTES_MAX);
    a->items[a->count++] = (struct otlp_attribute){.key = key, .text = text};
}

static void add_number(struct attributes *a, const char *key, int64_t number)
{
    CHECK(a->count < ATTRIBUTES_MAX);
    a->items[a->count++] = (struct otlp_attribute){.key = key, .number = number};
}

/* The name of the span of a state. */
static const char *state_span(enum run_state state)
{
    static const char *const names[RUN_STATE_COUNT] = {
        [RUN_STATE_QUEUED] = "queue",
        [RUN_STATE_CLAIMING] = "claim",
        [RUN_STATE_SUBMITTING] = "submit",
        [RUN_STATE_RESOLVING] = "resolve",
        [RUN_STATE_PULLING] = "pull",
        [RUN_STATE_READY] = "wait for start",
        [RUN_STATE_CREATING] = "create",
        [RUN_STATE_CONNECTING] = "network",
        [RUN_STATE_ANNOUNCING] = "announce",
        [RUN_STATE_STARTING] = "start",
        [RUN_STATE_RUNNING] = "run",
        [RUN_STATE_STOPPING] = "stop",
        [RUN_STATE_CLEARING] = "clear",
        [RUN_STATE_REPORTING] = "report",
        [RUN_STATE_HANDING_BACK] = "hand back",
        [RUN_STATE_RESTORING] = "restore",
        [RUN_STATE_PARKED] = "parked",
        [RUN_STATE_REMOVING] = "remove",
        [RUN_STATE_FINISHED] = "finished",
    };
    return names[state];
}

/* Of the state that the launch was in from since_ms on. */
static uint64_t state_span_id(const struct launch *l, enum run_state state, int64_t since_ms)
{
    return trace_span_of(l->launch_id, state_span(state), since_ms, 0);
}

static void add_span(struct traces *t, const struct trace_context *c, struct otlp_span *span,
                     const struct attributes *attributes)
{
    span->attributes = attributes->items;
    span->attribute_count = attributes->count;
    traces_add(t, c, span);
}

/* A span below that of the present state, which nobody refers to. */
static void add_below(struct traces *t, const struct trace_context *c, enum run_state state,
                      struct otlp_span *span, const struct attributes *attributes)
{
    span->id = trace_span_of(c->launch->launch_id, span->name, span->start_ms, t->serial++);
    span->parent = state_span_id(c->launch, state, c->launch->updated_at_ms);
    add_span(t, c, span, attributes);
}

/* ---- states ---- */

/* An end that somebody should look at. Of the others some are no ends, and some are wanted. */
static bool is_bad(enum run_verdict verdict)
{
    switch (verdict) {
    case RUN_VERDICT_LAUNCH_FAILED:
    case RUN_VERDICT_EXITED:
    case RUN_VERDICT_NEVER_RAN:
    case RUN_VERDICT_LEFT_RUNNING:
    case RUN_VERDICT_DISAPPEARED:
    case RUN_VERDICT_RAN_TOO_LONG:
        return true;
    case RUN_VERDICT_NONE:
    case RUN_VERDICT_ENDED:
    case RUN_VERDICT_CANCELLED:
    case RUN_VERDICT_SKIPPED:
    case RUN_VERDICT_OVER:
    case RUN_VERDICT_HAND_BACK:
        return false;
    }
    UNREACHABLE();
}

static void set_error(struct otlp_span *span, struct attributes *a, const struct launch *l)
{
    bool is_failed = l->run.verdict == RUN_VERDICT_LAUNCH_FAILED;
    if (!is_bad(l->run.verdict))
        return;
    span->is_error = true;
    span->message = is_failed ? l->last_error : run_verdict_name(l->run.verdict);
    add_text(a, "error.type", run_verdict_name(l->run.verdict));
}

/* "registry/name:tag@digest" in the parts that the conventions have a name for. */
struct image_reference {
    char name[REFERENCE_SIZE];
    char tag[REFERENCE_SIZE];
};

static void split_image(const char *image, struct image_reference *out)
{
    size_t len = strcspn(image, "@");
    const char *slash = memrchr(image, '/', len);
    const char *from = slash == NULL ? image : slash;
    const char *colon = memchr(from, ':', len - (size_t)(from - image));
    size_t name_len = colon == NULL ? len : (size_t)(colon - image);
    snprintf(out->name, sizeof(out->name), "%.*s", (int)name_len, image);
    snprintf(out->tag, sizeof(out->tag), "%.*s", colon == NULL ? 0 : (int)(len - name_len - 1),
             colon == NULL ? "" : colon + 1);
}

static void add_image(struct attributes *a, const struct launch *l, struct image_reference *image)
{
    split_image(l->image, image);
    add_text(a, "container.image.name", image->name);
    if (image->tag[0] != '\0')
        a->items[a->count++] =
            (struct otlp_attribute){.key = "container.image.tags", .text = image->tag, .is_list = true};
    if (strchr(l->image, '@') != NULL)
        a->items[a->count++] =
            (struct otlp_attribute){.key = "container.image.repo_digests", .text = l->image, .is_list = true};
}

static bool has_exit_code(const struct run *run)
{
    return run->verdict == RUN_VERDICT_EXITED || run->verdict == RUN_VERDICT_ENDED ||
           run->verdict == RUN_VERDICT_NEVER_RAN || run->verdict == RUN_VERDICT_LEFT_RUNNING;
}

/* The launch as a whole: a message of the work pool, received and processed. */
static void add_root(struct traces *t, const struct trace_context *c, int64_t now_ms)
{
    const struct launch *l = c->launch;
    struct attributes a = {.count = 0};
    struct image_reference image;
    struct otlp_span span = {.id = c->root.span,
                             .parent = c->parent.span,
                             .is_parent_remote = true,
                             .name = "launch",
                             .kind = OTLP_KIND_CONSUMER,
                             .start_ms = l->created_at_ms,
                             .end_ms = now_ms};
    add_text(&a, "messaging.system", "prefect");
    add_text(&a, "messaging.operation.type", "process");
    add_text(&a, "messaging.operation.name", "launch");
    add_text(&a, "messaging.destination.name", t->pool);
    add_text(&a, "messaging.message.id", l->flow_run_id);
    add_text(&a, "prefect.run.id", l->flow_run_id);
    add_text(&a, "prefect.run.name", l->run_name);
    add_text(&a, "prefect.run.type", "flow");
    add_text(&a, "prefect.flow.id", l->flow_id);
    add_text(&a, "prefect.flow.name", l->flow_name);
    add_text(&a, "prefect.deployment.id", l->deployment_id);
    add_text(&a, "prefect.deployment.name", l->deployment_name);
    add_text(&a, "prefect.work-queue.name", l->work_queue_name);
    add_text(&a, "container.id", l->container_id);
    add_image(&a, l, &image);
    if (has_exit_code(&l->run))
        add_number(&a, "process.exit.code", l->run.exit_code);
    add_text(&a, "sluice.launch.id", l->launch_id);
    add_text(&a, "sluice.class", l->class_name);
    add_text(&a, "sluice.verdict", run_verdict_name(l->run.verdict));
    if (l->run.started_at_ms > 0 && l->run.due_at_ms > 0)
        add_number(&a, "sluice.lateness_ms", l->run.started_at_ms - l->run.due_at_ms);
    set_error(&span, &a, l);
    add_span(t, c, &span, &a);
}

/* The state that is over. */
static void add_state(struct traces *t, const struct trace_context *c, const struct run *before,
                      int64_t now_ms)
{
    const struct launch *l = c->launch;
    struct attributes a = {.count = 0};
    struct otlp_span span = {.id = state_span_id(l, before->state, l->updated_at_ms),
                             .parent = c->root.span,
                             .name = state_span(before->state),
                             .kind = OTLP_KIND_INTERNAL,
                             .start_ms = l->updated_at_ms,
                             .end_ms = now_ms};
    add_text(&a, "sluice.state", run_state_name(before->state));
    add_number(&a, "sluice.attempts", before->attempt + 1);
    if (before->state == RUN_STATE_RUNNING) {
        add_text(&a, "container.id", l->container_id);
        if (has_exit_code(&l->run))
            add_number(&a, "process.exit.code", l->run.exit_code);
    }
    if (before->verdict == RUN_VERDICT_NONE)
        set_error(&span, &a, l);
    add_span(t, c, &span, &a);
}

/* A wait for the next try that is over, or begins. Of one that another process began the row knows how long
 * it was to be. */
static void follow_backoff(struct traces *t, const struct trace_context *c, struct live *live,
                           const struct run *before, int64_t now_ms)
{
    const struct run *run = &live->launch->run;
    if (run_is_backing_off(before) && run->next_try_at_ms != before->next_try_at_ms) {
        struct attributes a = {.count = 0};
        int64_t planned_ms = before->next_try_at_ms - before->last_delay_ms;
        struct otlp_span span = {.name = "backoff",
                                 .kind = OTLP_KIND_INTERNAL,
                                 .start_ms =
                                     live->backoff_since_ms != 0 ? live->backoff_since_ms : planned_ms,
                                 .end_ms = now_ms};
        add_number(&a, "sluice.attempt", before->attempt);
        add_number(&a, "sluice.reach_tries", before->reach_tries);
        add_below(t, c, before->state, &span, &a);
        live->backoff_since_ms = 0;
    }
    if (run_is_backing_off(run) && live->backoff_since_ms == 0)
        live->backoff_since_ms = now_ms;
}

void traces_stepped(struct traces *t, struct live *live, const struct run *before)
{
    const struct launch *l = live->launch;
    struct trace_context c;
    if (!traces_context(t, l, &c))
        return;
    /* Left to other workers: it was theirs. */
    bool is_not_ours =
        before->state == RUN_STATE_QUEUED && l->run.state == RUN_STATE_FINISHED && !before->has_claim;
    if (!c.root.is_sampled || is_not_ours)
        return;
    int64_t now_ms = clock_wall_ms(timers_clock(t->timers));
    follow_backoff(t, &c, live, before, now_ms);
    if (l->run.state == before->state)
        return;
    add_state(t, &c, before, now_ms);
    if (l->run.state == RUN_STATE_FINISHED)
        add_root(t, &c, now_ms);
}

/* ---- calls ---- */

static enum dependency asked_of(enum stage stage)
{
    bool is_prefects = stage == STAGE_API || stage == STAGE_RESOLVE || stage == STAGE_REPORT;
    return is_prefects ? DEPENDENCY_PREFECT : DEPENDENCY_ENGINE;
}

/* The status as a text, or what went wrong below HTTP. */
static const char *error_type(const struct failure *failure, char text[static 16])
{
    if (failure->transport != TRANSPORT_NONE)
        return transport_name(failure->transport);
    snprintf(text, 16, "%d", failure->status);
    return text;
}

static struct otlp_span call_span(enum stage stage, int64_t start_ms, int64_t took_ms)
{
    return (struct otlp_span){.name = stage_name(stage),
                              .kind = OTLP_KIND_CLIENT,
                              .start_ms = start_ms,
                              .end_ms = start_ms + took_ms};
}

void traces_attempted(struct traces *t, const struct live *live, enum stage stage,
                      const struct store_attempt *attempt, const struct failure *failure)
{
    struct trace_context c;
    if (!traces_context(t, live->launch, &c) || !c.root.is_sampled)
        return;
    char type[16];
    struct attributes a = {.count = 0};
    struct otlp_span span = call_span(stage, attempt->started_at_ms, attempt->took_ms);
    add_text(&a, "peer.service", dependency_name(failure == NULL ? asked_of(stage) : failure->dependency));
    add_number(&a, "sluice.attempt", attempt->attempt);
    add_text(&a, "sluice.outcome", attempt->outcome);
    if (attempt->timeout_ms > 0) {
        add_number(&a, "sluice.timeout_ms", attempt->timeout_ms);
        add_text(&a, "sluice.timeout.origin", attempt->timeout_from);
    }
    if (failure != NULL) {
        span.is_error = true;
        span.message = failure->message;
        add_text(&a, "error.type", error_type(failure, type));
        add_text(&a, "sluice.error.class", attempt->error_class);
        if (failure->status > 0)
            add_number(&a, "http.response.status_code", failure->status);
    }
    if (attempt->clock != NULL) {
        add_text(&a, "sluice.clock", attempt->clock);
        add_number(&a, "sluice.clock_ms", attempt->clock_ms);
        add_text(&a, "sluice.clock.origin", attempt->clock_from);
    }
    add_below(t, &c, live->launch->run.state, &span, &a);
}

void traces_late(struct traces *t, const struct live *live, enum stage stage, int64_t took_ms,
                 int64_t timeout_ms)
{
    struct trace_context c;
    if (!traces_context(t, live->launch, &c) || !c.root.is_sampled)
        return;
    struct attributes a = {.count = 0};
    struct otlp_span span = call_span(stage, clock_wall_ms(timers_clock(t->timers)) - took_ms, took_ms);
    add_text(&a, "peer.service", dependency_name(asked_of(stage)));
    add_text(&a, "sluice.outcome", "late");
    add_number(&a, "sluice.timeout_ms", timeout_ms);
    add_below(t, &c, live->launch->run.state, &span, &a);
}
