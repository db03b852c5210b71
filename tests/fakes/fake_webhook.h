/*
 * fake_webhook.h - a receiver of alerts that keeps what it gets and misbehaves as told. Runs in the test's
 * own event_base.
 */
#ifndef SLUICE_TESTS_FAKE_WEBHOOK_H
#define SLUICE_TESTS_FAKE_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct fake_webhook;

enum fake_webhook_mood {
    FAKE_WEBHOOK_TAKES,  /* answers with `status` */
    FAKE_WEBHOOK_HANGS,  /* never answers */
    FAKE_WEBHOOK_RESETS, /* closes instead of answering */
    FAKE_WEBHOOK_FLOODS, /* answers 200 with a body that never ends */
    FAKE_WEBHOOK_STUCK   /* answers 200, half a body, and no more */
};

struct fake_webhook *fake_webhook_new(struct event_base *base);
/* Accepts NULL. */
void fake_webhook_free(struct fake_webhook *webhook);
const char *fake_webhook_url(const struct fake_webhook *webhook); /* with a secret in its path */
#define FAKE_WEBHOOK_SECRET "hook_nobody_may_see"

/* From the next request on. */
void fake_webhook_be(struct fake_webhook *webhook, enum fake_webhook_mood mood, int status);

/* Requests that came in whole, in whatever mood. */
int fake_webhook_count(const struct fake_webhook *webhook);
/* The body of the nth from 0; NULL: there is none. */
const char *fake_webhook_body(const struct fake_webhook *webhook, int n);
/* The header Authorization of the last; "" if it had none. */
const char *fake_webhook_authorization(const struct fake_webhook *webhook);
/* Seen and not answered to the end. */
size_t fake_webhook_unanswered(const struct fake_webhook *webhook);

#endif
