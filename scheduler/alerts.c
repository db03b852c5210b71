#include "alerts.h"

#include "alert_webhook.h"
#include "alerts_watch.h"

#include "base/log.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define SAVE_EVERY_MS (60 * 1000)

#define DELIVERIES(X)                                                                                        \
    X(NOT_WANTED, "")                                                                                        \
    X(DUE, "due")                                                                                            \
    X(SENT, "sent")                                                                                          \
    X(GIVEN_UP, "given up")

enum delivery {
#define X(name, text) DELIVERY_##name,
    DELIVERIES(X)
#undef X
};

/* Of an alert's newest change. */
struct news {
    enum delivery delivery;
    int64_t sent_ms; /* wall; 0: not yet */
    bool is_out;     /* in the call that is out; false again when it changes meanwhile */
};

struct alerts {
    struct alerts_settings s;
    struct alerts_book book;
    struct alerts_watch watch;
    struct alert_webhook *webhook;
    struct news news[ALERT_COUNT];
    bool is_stored[ALERT_COUNT];
    struct timer timer;
    int64_t saved_ms; /* mono; the windows */
    bool has_news;    /* of them */
};

static const char *delivery_name(enum delivery delivery)
{
    static const char *const names[] = {
#define X(name, text) [DELIVERY_##name] = (text),
        DELIVERIES(X)
#undef X
    };
    return names[delivery];
}

/* ---- the state file ---- */

static int save_alert(struct alerts *a, enum alert_id id, struct err *err)
{
    const struct alert *alert = &a->book.all[id];
    return store_save_alert(a->s.store,
                            &(struct store_alert){.name = alert_kinds[id].name,
                                                  .severity = alert_severity_name(alert_kinds[id].severity),
                                                  .state = alert->is_firing       ? "firing"
                                                           : alert->since_ms == 0 ? "ok"
                                                                                  : "resolved",
                                                  .class_name = alert->class_name,
                                                  .since_ms = alert->since_ms,
                                                  .changed_ms = alert->changed_ms,
                                                  .reason = alert->reason,
                                                  .delivery = delivery_name(a->news[id].delivery),
                                                  .sent_ms = a->news[id].sent_ms},
                            err);
}

static void on_row(void *arg, const struct store_alert *row)
{
    struct alerts *a = arg;
    for (enum alert_id id = 0; id < ALERT_COUNT; id++) {
        const struct alert_kind *kind = &alert_kinds[id];
        struct alert *alert = &a->book.all[id];
        if (strcmp(kind->name, row->name) != 0 ||
            strcmp(alert_severity_name(kind->severity), row->severity) != 0)
            continue;
        a->is_stored[id] = true;
        alert->is_firing = strcmp(row->state, "firing") == 0;
        alert->since_ms = row->since_ms;
        alert->changed_ms = row->changed_ms;
        snprintf(alert->reason, sizeof(alert->reason), "%s", row->reason);
        snprintf(alert->class_name, sizeof(alert->class_name), "%s", row->class_name);
        a->news[id].delivery = strcmp(row->delivery, "due") == 0        ? DELIVERY_DUE
                               : strcmp(row->delivery, "sent") == 0     ? DELIVERY_SENT
                               : strcmp(row->delivery, "given up") == 0 ? DELIVERY_GIVEN_UP
                                                                        : DELIVERY_NOT_WANTED;
        a->news[id].sent_ms = row->sent_ms;
    }
}

static const char *const burn_names[] = {"timeouts", "launches", "commits"};

static struct burn_rate *burn_of(struct alerts *a, size_t i)
{
    struct burn_rate *const all[ARRAY_LEN(burn_names)] = {&a->book.timeouts, &a->book.launches,
                                                          &a->book.commits};
    return all[i];
}

static int load_windows(struct alerts *a, struct err *err)
{
    int64_t now_ms = alerts_time_ms(&a->book, clock_mono_ms(a->s.clock));
    for (size_t i = 0; i < ARRAY_LEN(burn_names); i++) {
        char *AUTO_FREE text = NULL;
        if (store_load_burn(a->s.store, burn_names[i], &text, err) != 0)
            return -1;
        if (text != NULL && !burn_rate_read(burn_of(a, i), text, now_ms))
            log_warn("what alerts go by can't be read; it is counted anew", kv_s("of", burn_names[i]));
    }
    return 0;
}

bool alerts_has_news(const struct alerts *a)
{
    return a->has_news;
}

int alerts_save(struct alerts *a, bool now, struct err *err)
{
    int64_t mono_ms = clock_mono_ms(a->s.clock);
    if (!a->has_news || (!now && mono_ms - a->saved_ms < SAVE_EVERY_MS))
        return 0;
    char *AUTO_FREE text = check_alloc(BURN_TEXT_SIZE);
    a->saved_ms = mono_ms;
    a->has_news = false;
    for (size_t i = 0; i < ARRAY_LEN(burn_names); i++) {
        burn_rate_write(burn_of(a, i), alerts_time_ms(&a->book, mono_ms), text);
        if (store_save_burn(a->s.store, burn_names[i], text, err) != 0)
            return -1;
    }
    return 0;
}

/* The view shows every alert there is from the first start on. */
static int store_missing(struct alerts *a, struct err *err)
{
    for (enum alert_id id = 0; id < ALERT_COUNT; id++)
        if (!a->is_stored[id] && (store_begin(a->s.store, err) != 0 || save_alert(a, id, err) != 0))
            return -1;
    return store_is_begun(a->s.store) ? store_commit(a->s.store, err) : 0;
}

/* ---- the webhook ---- */

static void want_delivery(struct alerts *a, enum alert_id id)
{
    bool is_wanted = alert_webhook_is_wanted(a->webhook);
    a->news[id] = (struct news){.delivery = is_wanted ? DELIVERY_DUE : DELIVERY_NOT_WANTED};
}

static size_t collect(void *arg, struct alert_note notes[static ALERT_COUNT])
{
    struct alerts *a = arg;
    size_t count = 0;
    for (enum alert_id id = 0; id < ALERT_COUNT; id++) {
        const struct alert_kind *kind = &alert_kinds[id];
        const struct alert *alert = &a->book.all[id];
        a->news[id].is_out = a->news[id].delivery == DELIVERY_DUE;
        if (a->news[id].is_out)
            notes[count++] = (struct alert_note){.name = kind->name,
                                                 .rule_name = kind->rule_name,
                                                 .severity = alert_severity_name(kind->severity),
                                                 .class_name = alert->class_name,
                                                 .summary = kind->summary,
                                                 .reason = alert->reason,
                                                 .what_to_do = kind->what_to_do,
                                                 .is_firing = alert->is_firing,
                                                 .since_ms = alert->since_ms,
                                                 .ended_ms = alert->is_firing ? 0 : alert->changed_ms};
    }
    return count;
}

static void on_settled(void *arg, bool was_taken)
{
    struct alerts *a = arg;
    struct err err;
    int rc = store_begin(a->s.store, &err);
    for (enum alert_id id = 0; rc == 0 && id < ALERT_COUNT; id++) {
        struct news *news = &a->news[id];
        if (!news->is_out)
            continue;
        news->is_out = false;
        news->delivery = was_taken ? DELIVERY_SENT : DELIVERY_GIVEN_UP;
        news->sent_ms = clock_wall_ms(a->s.clock);
        rc = save_alert(a, id, &err);
    }
    a->s.on_saved(a->s.arg, rc == 0 ? NULL : &err);
}

/* ---- looking ---- */

static void tell(const struct alerts *a, enum alert_id id)
{
    const struct alert *alert = &a->book.all[id];
    const struct alert_kind *kind = &alert_kinds[id];
    const char *class_name = alert->class_name[0] != '\0' ? alert->class_name : NULL;
    if (alert->is_firing)
        log_warn("an alert fires", kv_s("alert", kind->name),
                 kv_s("severity", alert_severity_name(kind->severity)), kv_s("class", class_name),
                 kv_s("reason", alert->reason), kv_s("do", kind->what_to_do));
    else
        log_info("an alert is over", kv_s("alert", kind->name),
                 kv_s("severity", alert_severity_name(kind->severity)), kv_s("reason", alert->reason));
}

static int save_changed(struct alerts *a, uint32_t changed)
{
    struct err err;
    int rc = store_begin(a->s.store, &err);
    for (enum alert_id id = 0; rc == 0 && id < ALERT_COUNT; id++)
        if ((changed >> id & 1) != 0)
            rc = save_alert(a, id, &err);
    if (rc == 0) /* what made it fire, too */
        rc = alerts_save(a, true, &err);
    if (rc != 0) {
        a->s.on_saved(a->s.arg, &err);
        return -1;
    }
    return a->s.sync(a->s.arg);
}

static struct alerts_rules rules_of(const struct config *c)
{
    return (struct alerts_rules){.timeout_budget = 1 - c->timeout_objective / 100,
                                 .launch_budget = 1 - c->launch_objective / 100,
                                 .queue_age_ms = c->queue_age_ms,
                                 .nothing_starts_ms = c->nothing_starts_ms};
}

static void on_timer(void *arg)
{
    struct alerts *a = arg;
    struct alerts_signals signals;
    struct alerts_rules rules = rules_of(a->s.config);
    timer_start(a->s.timers, &a->timer, a->s.config->alerts_interval_ms, on_timer, a);
    alerts_watch_look(&a->watch, &signals);
    uint32_t changed = alerts_step(&a->book, &rules, &signals);
    a->has_news = true;
    if (changed == 0)
        return;
    for (enum alert_id id = 0; id < ALERT_COUNT; id++)
        if ((changed >> id & 1) != 0)
            want_delivery(a, id);
    if (save_changed(a, changed) != 0)
        return; /* the service ends */
    for (enum alert_id id = 0; id < ALERT_COUNT; id++)
        if ((changed >> id & 1) != 0)
            tell(a, id);
    alert_webhook_wake(a->webhook);
}

/* ---- life ---- */

/* Who is new is told of all that fires; where nobody is to be told nothing is due. */
static void change_receiver(struct alerts *a, bool is_new)
{
    bool is_wanted = alert_webhook_is_wanted(a->webhook);
    for (enum alert_id id = 0; id < ALERT_COUNT; id++) {
        struct news *news = &a->news[id];
        bool was_never_told = news->delivery == DELIVERY_NOT_WANTED;
        news->is_out = news->is_out && !is_new;
        if (is_wanted && a->book.all[id].is_firing && (is_new || was_never_told))
            *news = (struct news){.delivery = DELIVERY_DUE};
        else if (!is_wanted && news->delivery == DELIVERY_DUE)
            *news = (struct news){.delivery = DELIVERY_NOT_WANTED};
    }
}

int alerts_new(const struct alerts_settings *settings, struct alerts **out, struct err *err)
{
    struct alerts *a = check_alloc(sizeof(*a));
    a->s = *settings;
    a->watch.service = settings->service;
    a->watch.runner = settings->runner;
    a->watch.meters = settings->meters;
    a->watch.config = settings->config;
    a->saved_ms = a->watch.looked_ms = clock_mono_ms(settings->clock);
    alerts_begin(&a->book, a->saved_ms, clock_wall_ms(settings->clock));
    if (store_load_alerts(settings->store, on_row, a, err) != 0 || load_windows(a, err) != 0 ||
        store_missing(a, err) != 0) {
        free(a);
        return -1;
    }
    alerts_restored(&a->book);
    a->webhook = alert_webhook_new(&(struct alert_webhook_settings){.base = settings->base,
                                                                    .timers = settings->timers,
                                                                    .clock = settings->clock,
                                                                    .random = settings->random,
                                                                    .config = settings->config,
                                                                    .collect = collect,
                                                                    .on_settled = on_settled,
                                                                    .arg = a});
    change_receiver(a, false);
    *out = a;
    return 0;
}

void alerts_free(struct alerts *a)
{
    if (a == NULL)
        return;
    timer_cancel(&a->timer);
    alert_webhook_free(a->webhook);
    free(a);
}

void alerts_start(struct alerts *a)
{
    timer_start(a->s.timers, &a->timer, a->s.config->alerts_interval_ms, on_timer, a);
    alert_webhook_wake(a->webhook);
}

void alerts_stop(struct alerts *a)
{
    timer_cancel(&a->timer);
}

void alerts_set_config(struct alerts *a, const struct config *config)
{
    a->s.config = config;
    a->watch.config = config;
    change_receiver(a, alert_webhook_set_config(a->webhook, config));
    if (timer_is_running(&a->timer))
        alerts_start(a);
}

size_t alerts_count(const struct alerts *a)
{
    (void)a;
    return ALERT_COUNT;
}

struct alerts_item alerts_list(const struct alerts *a, size_t index)
{
    CHECK(index < ALERT_COUNT);
    return (struct alerts_item){&alert_kinds[index], &a->book.all[index]};
}

struct http *alerts_http(const struct alerts *a)
{
    return a == NULL ? NULL : alert_webhook_http(a->webhook);
}
