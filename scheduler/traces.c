/*
 * traces.c - see traces.h: the life of the traces, where a launch's spans belong, and what others ask for.
 */
#include "traces_internal.h"

#include "base/log.h"

#include <string.h>

#define SAY_AFTER_MS 30000
#define RESOURCE_MAX 100

/* ---- life ---- */

static bool has_key(const struct otlp_attribute *attributes, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(attributes[i].key, key) == 0)
            return true;
    return false;
}

/* What the operator says of the service beats what we know of it. malloc'ed. */
static char *make_head(const struct config *config, const char *instance)
{
    const struct otlp_attribute known[] = {{.key = "service.version", .text = SLUICE_VERSION},
                                           {.key = "service.instance.id", .text = instance},
                                           {.key = "prefect.worker.name", .text = config->worker_name},
                                           {.key = "prefect.work-pool.name", .text = config->pool}};
    struct otlp_attribute all[RESOURCE_MAX + ARRAY_LEN(known)];
    size_t count = 0;
    for (const char *const *pair = config->traces.resource; *pair != NULL && count < RESOURCE_MAX; pair += 2)
        all[count++] = (struct otlp_attribute){.key = pair[0], .text = pair[1]};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!has_key(all, count, known[i].key))
            all[count++] = known[i];
    return otlp_head_json(all, count, "sluice", SLUICE_VERSION);
}

static int make_exporter(struct traces *t, const struct traces_settings *s, struct err *err)
{
    const struct config_traces *c = &s->config->traces;
    const struct http_settings http = {.max_connections = 1,
                                       .ca_file = c->ca_file,
                                       .cert_file = c->cert_file,
                                       .key_file = c->key_file,
                                       .proxy = c->proxy,
                                       .user_agent = "sluice/" SLUICE_VERSION};
    if (http_new(s->base, s->timers, &http, &t->http, err) != 0)
        return -1;
    char *AUTO_FREE head = make_head(s->config, s->instance);
    t->otlp = otlp_new(t->http, s->timers,
                       &(struct otlp_settings){.url = c->url,
                                               .headers = c->headers,
                                               .head_json = head,
                                               .timeout_ms = c->timeout_ms,
                                               .batch_ms = c->batch_delay_ms,
                                               .queue_max = (size_t)c->queue_size,
                                               .batch_max = (size_t)c->batch_size});
    t->serial = s->random->next(s->random->arg);
    log_info("traces", kv_s("collector", c->url), kv_s("sampler", c->sampler_name));
    if (c->notice != NULL)
        log_warn("traces", kv_s("notice", c->notice));
    return 0;
}

int traces_new(const struct traces_settings *settings, struct traces **out, struct err *err)
{
    const struct config *config = settings->config;
    struct traces *t = check_alloc(sizeof(*t));
    t->timers = settings->timers;
    t->sampler = config->traces.sampler;
    t->pool = check_strdup_or_null(config->pool);
    if (config->traces.url != NULL && make_exporter(t, settings, err) != 0) {
        traces_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

/* at_end: what still waits is lost as well. */
static void say_dropped(struct traces *t, bool at_end)
{
    struct otlp_counts counts = otlp_counts(t->otlp);
    uint64_t dropped = counts.dropped + (at_end ? counts.queued : 0);
    if (dropped > t->said)
        log_warn("the collector did not take all spans; runs don't depend on it",
                 kv_int("dropped", (int64_t)(dropped - t->said)), kv_int("dropped_in_all", (int64_t)dropped),
                 kv_int("sent", (int64_t)counts.sent), kv_s("error", otlp_trouble(t->otlp)));
    t->said = dropped;
}

static void on_say(void *arg)
{
    struct traces *t = arg;
    say_dropped(t, false);
    if (otlp_counts(t->otlp).queued > 0)
        timer_start(t->timers, &t->say_timer, SAY_AFTER_MS, on_say, t);
}

void traces_free(struct traces *t)
{
    if (t == NULL)
        return;
    if (t->otlp != NULL)
        say_dropped(t, true);
    timer_cancel(&t->say_timer);
    timer_cancel(&t->flush_timer);
    otlp_free(t->otlp);
    http_free(t->http);
    free(t->pool);
    free(t);
}

/* ---- where a span belongs ---- */

bool traces_context(const struct traces *t, const struct launch *l, struct trace_context *out)
{
    struct trace_context c = {.launch = l};
    if (t == NULL || t->otlp == NULL)
        return false;
    bool has_parent = trace_parent_read(l->trace_parent, &c.parent);
    if (!has_parent)
        c.parent.span = 0;
    c.root.trace = has_parent ? c.parent.trace : trace_id_of(l->launch_id);
    c.root.span = trace_span_of(l->launch_id, "launch", 0, 0);
    c.root.is_sampled = trace_is_sampled(&t->sampler, c.root.trace, has_parent ? &c.parent : NULL);
    *out = c;
    return true;
}

void traces_add(struct traces *t, const struct trace_context *c, struct otlp_span *span)
{
    span->trace = c->root.trace;
    otlp_add(t->otlp, span);
    if (!timer_is_running(&t->say_timer))
        timer_start(t->timers, &t->say_timer, SAY_AFTER_MS, on_say, t);
}

/* ---- for others ---- */

void traces_parent(const struct traces *t, const struct launch *l, char text[static TRACE_PARENT_SIZE])
{
    text[0] = '\0';
    struct trace_context c;
    if (traces_context(t, l, &c))
        trace_parent_write(&c.root, text);
}

struct otlp_counts traces_counts(const struct traces *t)
{
    const struct otlp_counts none = {0};
    return t == NULL || t->otlp == NULL ? none : otlp_counts(t->otlp);
}

static void on_nothing_to_flush(void *arg)
{
    struct traces *t = arg;
    t->flush_done(t->flush_arg);
}

void traces_flush(struct traces *t, int64_t limit_ms, void (*done)(void *arg), void *arg)
{
    if (t->otlp != NULL) {
        otlp_flush(t->otlp, limit_ms, done, arg);
        return;
    }
    t->flush_done = done;
    t->flush_arg = arg;
    timer_start(t->timers, &t->flush_timer, 0, on_nothing_to_flush, t);
}

struct http *traces_http(struct traces *t)
{
    return t == NULL ? NULL : t->http;
}
