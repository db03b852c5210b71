/*
 * alerts.h - the alerts that are built in: looked at every `[alerts] interval`, kept, told.
 *
 * What fires is decided in core/alerts.h. A change is in the state file (view `alerts`) before it is logged
 * and goes to the webhook (alert_webhook.h); one the webhook has not taken yet stands there as due, so a
 * restart sends it: at least once, with the same fingerprint. The windows are written with a commit that
 * happens anyway, once a minute at most, and at a stop.
 */
#ifndef SLUICE_ALERTS_H
#define SLUICE_ALERTS_H

#include "base/random.h"
#include "base/timers.h"
#include "config.h"
#include "core/alerts.h"

struct alerts;
struct event_base;
struct http;
struct meters;
struct runner;
struct service;
struct store;

/* All borrowed. */
struct alerts_settings {
    struct event_base *base;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    const struct config *config; /* alerts_set_config() replaces it at a reload */
    struct store *store;
    struct service *service; /* for snapshot.h */
    struct runner *runner;
    const struct meters *meters;
    /* What was begun in the state file must be on disk when this returns 0; -1: it can't be, which is told.
     */
    int (*sync)(void *arg);
    /* What was begun needs a commit soon; or it failed (err not NULL). */
    void (*on_saved)(void *arg, const struct err *err);
    void *arg;
};

/* alerts_new - as the state file has them. Errors: those of the store. */
int alerts_new(const struct alerts_settings *settings, struct alerts **out, struct err *err) MUST_CHECK;
/* A post that is out is cut off; it stays due. Accepts NULL. */
void alerts_free(struct alerts *alerts);
/* alerts_start - begin to look; what is due for the webhook goes now. */
void alerts_start(struct alerts *alerts);
/* alerts_stop - no alert begins or ends any more. */
void alerts_stop(struct alerts *alerts);
/* alerts_set_config - a new receiver is told of all that fires. */
void alerts_set_config(struct alerts *alerts, const struct config *config);

/* alerts_has_news - the windows in the state file are older than the last look. */
bool alerts_has_news(const struct alerts *alerts);
/* alerts_save - the windows, into the transaction that has begun: if they have news, and were saved a minute
 * ago or if `now`. */
int alerts_save(struct alerts *alerts, bool now, struct err *err) MUST_CHECK;

/* For /metrics and the status page: all of them, in a fixed order; borrowed until the next look. */
struct alerts_item {
    const struct alert_kind *kind;
    const struct alert *alert;
};
size_t alerts_count(const struct alerts *alerts);
struct alerts_item alerts_list(const struct alerts *alerts, size_t index);

/* For tests; NULL: there is none. */
struct http *alerts_http(const struct alerts *alerts);

#endif
