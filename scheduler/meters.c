#include "meters.h"

#include "base/buf.h"

#include <string.h>

#define OTHER "other"

struct endpoint {
    struct meters_endpoint public;
    char name[80];
};

struct meters {
    struct meters_class classes[METERS_CLASSES_MAX + 1]; /* the last: "other" */
    char *names[METERS_CLASSES_MAX];
    size_t class_count; /* without the last */
    struct endpoint endpoints[METERS_ENDPOINTS_MAX];
    size_t endpoint_count;
    struct histogram took[STAGE_COUNT][METERS_OUTCOME_COUNT];
    struct histogram share[STAGE_COUNT][METERS_OUTCOME_COUNT];
    struct histogram lateness;
    struct histogram commits;
    struct histogram loop_lags;
};

const char *meters_outcome_name(enum meters_outcome outcome)
{
    static const char *const names[] = {
#define X(name, text) text,
        METERS_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

struct meters *meters_new(const struct config *config)
{
    struct meters *m = check_alloc(sizeof(*m));
    meters_set_config(m, config);
    return m;
}

void meters_free(struct meters *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->class_count; i++)
        free(m->names[i]);
    free(m);
}

static struct meters_class *find_class(struct meters *m, const char *name)
{
    for (size_t i = 0; i < m->class_count; i++)
        if (strcmp(m->classes[i].name, name) == 0)
            return &m->classes[i];
    return &m->classes[METERS_CLASSES_MAX];
}

void meters_set_config(struct meters *m, const struct config *config)
{
    struct meters_class *other = &m->classes[METERS_CLASSES_MAX];
    other->name = OTHER;
    for (size_t i = 0; i < config->class_count && m->class_count < METERS_CLASSES_MAX; i++) {
        if (find_class(m, config->classes[i].name) != other)
            continue;
        char *name = check_strdup(config->classes[i].name);
        m->names[m->class_count] = name;
        m->classes[m->class_count++].name = name;
    }
}

/* ---- telling ---- */

void meters_attempt(struct meters *m, const struct meters_attempt *a)
{
    if (m == NULL)
        return;
    struct meters_class *c = find_class(m, a->class_name);
    c->attempts[a->stage]++;
    c->timeouts[a->stage][a->clock] += a->outcome == METERS_TIMEOUT ? 1 : 0;
    c->errors[a->stage] += a->outcome == METERS_ERROR ? 1 : 0;
    histogram_add(&m->took[a->stage][a->outcome], &histogram_seconds, (double)a->took_ms / 1000);
    if (a->timeout_ms > 0)
        histogram_add(&m->share[a->stage][a->outcome], &histogram_share,
                      (double)a->took_ms / (double)a->timeout_ms);
}

static bool is_failure(enum run_event_kind kind)
{
    return kind >= RUN_EVENT_TRANSIENT && kind <= RUN_EVENT_UNKNOWN_OUTCOME;
}

static bool is_given_up(const struct run *before, const struct run *after)
{
    return after->verdict != before->verdict || after->state == RUN_STATE_PARKED ||
           after->state == RUN_STATE_FINISHED;
}

/* A short one may have ended before we see it run. */
static bool has_started(const struct run *before, const struct run *after, enum run_event_kind kind)
{
    return before->state < RUN_STATE_RUNNING &&
           (after->state == RUN_STATE_RUNNING || kind == RUN_EVENT_FOUND_EXITED);
}

void meters_step(struct meters *m, const char *class_name, const struct run *before, const struct run *after,
                 const struct run_event *event)
{
    if (m == NULL)
        return;
    struct meters_class *c = find_class(m, class_name);
    if (is_failure(event->kind) && !is_given_up(before, after))
        c->retries[(int)event->kind - (int)RUN_EVENT_TRANSIENT]++;
    if (before->state == after->state)
        return;
    if (before->state == RUN_STATE_CLAIMING && after->state == RUN_STATE_SUBMITTING)
        c->claims++;
    if (has_started(before, after, event->kind)) {
        c->starts++;
        if (after->started_at_ms != 0)
            histogram_add(&m->lateness, &histogram_lateness,
                          (double)(after->started_at_ms - after->due_at_ms) / 1000);
    }
    if (after->state == RUN_STATE_PARKED)
        c->parked++;
    if (after->state == RUN_STATE_FINISHED && before->has_claim)
        c->ends[after->verdict]++;
}

static struct endpoint *find_endpoint(struct meters *m, enum dependency dependency, const char *name)
{
    for (size_t i = 0; i < m->endpoint_count; i++)
        if (m->endpoints[i].public.dependency == dependency && strcmp(m->endpoints[i].name, name) == 0)
            return &m->endpoints[i];
    return NULL;
}

/* The last place is for all that come too late. */
static struct endpoint *take_endpoint(struct meters *m, enum dependency dependency, const char *name)
{
    struct endpoint *e = find_endpoint(m, dependency, name);
    if (e != NULL)
        return e;
    if (m->endpoint_count == METERS_ENDPOINTS_MAX)
        return &m->endpoints[METERS_ENDPOINTS_MAX - 1];
    e = &m->endpoints[m->endpoint_count++];
    bool is_last = m->endpoint_count == METERS_ENDPOINTS_MAX;
    snprintf(e->name, sizeof(e->name), "%s", is_last ? OTHER : name);
    e->public.dependency = dependency;
    e->public.name = e->name;
    return e;
}

void meters_call(struct meters *m, enum dependency dependency, const char *endpoint, int status,
                 int64_t took_ms)
{
    struct meters_endpoint *e = &take_endpoint(m, dependency, endpoint)->public;
    e->by_status[status >= 100 && status <= 599 ? status / 100 : 0]++;
    if (took_ms >= 0)
        histogram_add(&e->took, &histogram_seconds, (double)took_ms / 1000);
}

void meters_commit(struct meters *m, int64_t took_us)
{
    if (m != NULL)
        histogram_add(&m->commits, &histogram_short, (double)took_us / 1e6);
}

void meters_loop_lag(struct meters *m, int64_t late_us)
{
    histogram_add(&m->loop_lags, &histogram_short, (double)late_us / 1e6);
}

/* ---- reading ---- */

size_t meters_class_count(const struct meters *m)
{
    return m->class_count + 1;
}

const struct meters_class *meters_class(const struct meters *m, size_t index)
{
    return &m->classes[index < m->class_count ? index : METERS_CLASSES_MAX];
}

size_t meters_endpoint_count(const struct meters *m)
{
    return m->endpoint_count;
}

const struct meters_endpoint *meters_endpoint(const struct meters *m, size_t index)
{
    return &m->endpoints[index].public;
}

const struct histogram *meters_took(const struct meters *m, enum stage stage, enum meters_outcome outcome)
{
    return &m->took[stage][outcome];
}

const struct histogram *meters_share(const struct meters *m, enum stage stage, enum meters_outcome outcome)
{
    return &m->share[stage][outcome];
}

const struct histogram *meters_lateness(const struct meters *m)
{
    return &m->lateness;
}

const struct histogram *meters_commits(const struct meters *m)
{
    return &m->commits;
}

const struct histogram *meters_loop_lags(const struct meters *m)
{
    return &m->loop_lags;
}

static void add_stages(struct meters_totals *t, const struct meters_class *c)
{
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        t->attempts[stage] += c->attempts[stage];
        t->errors[stage] += c->errors[stage];
        for (int clock = 0; clock < CLOCK_KIND_COUNT; clock++)
            t->timeouts[stage] += c->timeouts[stage][clock];
    }
}

struct meters_totals meters_totals(const struct meters *m)
{
    struct meters_totals t = {0};
    for (size_t i = 0; i < meters_class_count(m); i++) {
        const struct meters_class *c = meters_class(m, i);
        t.claims += c->claims;
        t.starts += c->starts;
        for (int verdict = 0; verdict < RUN_VERDICT_COUNT; verdict++)
            t.launches_ended += c->ends[verdict];
        t.launches_failed += c->ends[RUN_VERDICT_LAUNCH_FAILED];
        add_stages(&t, c);
    }
    return t;
}
