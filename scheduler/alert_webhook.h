/*
 * alert_webhook.h - posts alerts to `[alerts] webhook`, and never stands in anybody's way.
 *
 * One call at a time, on a connection of its own; a call carries all that is due, as it is when the call
 * begins, so there is no queue that could grow or get stale. What is not taken goes again, after 5 s, 10 s,
 * ... 5 min, spread at random, for as long as it is news; a receiver that refuses (3xx, 4xx but 408, 425 and
 * 429) is asked five times. Any 2xx is good, whatever its body; of that 64 KiB are read and thrown away. A
 * failure is logged once, until it goes well again. Neither URL nor header is ever shown: they may hold a
 * secret.
 */
#ifndef SLUICE_ALERT_WEBHOOK_H
#define SLUICE_ALERT_WEBHOOK_H

#include "api/alert_body.h"
#include "base/random.h"
#include "base/timers.h"
#include "config.h"
#include "core/alerts.h"

struct alert_webhook;
struct event_base;
struct http;

/* All borrowed. */
struct alert_webhook_settings {
    struct event_base *base;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    const struct config *config;
    /* A call is about to go: what is due now; returns how many. Texts are borrowed until it returns to the
     * loop. */
    size_t (*collect)(void *arg, struct alert_note notes[static ALERT_COUNT]);
    /* What was collected last was taken, or is given up. Not called when it will be tried again. */
    void (*on_settled)(void *arg, bool was_taken);
    void *arg;
};

struct alert_webhook *alert_webhook_new(const struct alert_webhook_settings *settings);
/* A call that is out is cut off. Accepts NULL. */
void alert_webhook_free(struct alert_webhook *webhook);
/* alert_webhook_set_config - true if there is another receiver now (or one at last). */
bool alert_webhook_set_config(struct alert_webhook *webhook, const struct config *config);
bool alert_webhook_is_wanted(const struct alert_webhook *webhook);
/* alert_webhook_wake - something new is due: it goes now, or when the call that is out has ended. */
void alert_webhook_wake(struct alert_webhook *webhook);
/* For tests; NULL: none is needed. */
struct http *alert_webhook_http(const struct alert_webhook *webhook);

#endif
