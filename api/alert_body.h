/*
 * alert_body.h - alerts as the JSON that a webhook gets: Prometheus Alertmanager's form, version 4, so that
 * what receives Alertmanager's webhooks receives ours.
 *
 * Source: Prometheus documentation, "Alerting: Configuration", webhook_config (2.x and 0.27). An alert's
 * identity is its labels; `fingerprint` is made of them, so it is the same for the beginning and the end of
 * an alert, for a repetition, and after a restart.
 */
#ifndef SLUICE_API_ALERT_BODY_H
#define SLUICE_API_ALERT_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All texts borrowed. */
struct alert_note {
    const char *name;      /* "timeout_burn" */
    const char *rule_name; /* "SluiceTimeoutBurn" */
    const char *severity;
    const char *class_name; /* "": none */
    const char *summary;
    const char *reason;
    const char *what_to_do;
    bool is_firing;
    int64_t since_ms; /* wall */
    int64_t ended_ms; /* wall; 0: it fires */
};

/* Who tells. */
struct alert_sender {
    const char *pool;
    const char *worker_name;
};

#define ALERT_FINGERPRINT_SIZE 17
/* 16 hex digits. */
void alert_fingerprint(const struct alert_sender *sender, const struct alert_note *note,
                       char text[static ALERT_FINGERPRINT_SIZE]);

/* alert_body - of at least one alert; malloc'ed. */
char *alert_body(const struct alert_sender *sender, const struct alert_note *notes, size_t count)
    __attribute__((returns_nonnull));

#endif
