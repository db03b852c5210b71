/*
 * timeout.h - the timeout of one kind of operation, learned from how long it takes.
 *
 * It is the 99.9 % quantile of what went well times a margin, between a floor and a ceiling; a fixed value
 * until there are enough samples. The margin gives way, down to 1.25, before it would make the wait longer
 * than nine tenths of the fixed value. What failed is no sample. A timeout doubles the value in force, up to
 * the ceiling, until something goes well again (RFC 6298, 5.5 and 5.7). An operation that timed out and turns
 * out done later is a sample of at least its timeout; without that, a lasting slow-down would end every
 * operation before it can teach anything.
 *
 * Operations overlap: ten that time out together are one sign and double once, since only one that had the
 * value in force can raise it. Pure; times are durations in ms.
 * Sources: RFC 6298; AWS Builders' Library, "Timeouts, retries, and backoff with jitter" (the timeout follows
 * from the false timeouts one accepts: 0.1 % is the 99.9 % quantile).
 */
#ifndef SLUICE_CORE_TIMEOUT_H
#define SLUICE_CORE_TIMEOUT_H

#include "core/quantile.h"

/* Room for timeout_save(). */
#define TIMEOUT_TEXT_SIZE (QUANTILE_TEXT_SIZE + 64)

struct timeout_policy {
    int64_t fixed_ms;    /* in force while there are too few samples, > 0 */
    int64_t floor_ms;    /* what is learned is not less */
    int64_t ceiling_ms;  /* what is learned, or doubled, is not more; >= floor_ms */
    double margin;       /* >= 1; gives way, see above */
    int64_t min_samples; /* >= 1 */
};

struct timeout {
    struct quantile took;
    int64_t samples;   /* so many were ever added */
    int64_t raised_ms; /* doubled by timeouts, until something goes well; 0: not */
};

/* timeout_ms - the value in force. */
int64_t timeout_ms(const struct timeout *t, const struct timeout_policy *policy);
bool timeout_is_learned(const struct timeout *t, const struct timeout_policy *policy);

/* timeout_done - an operation went well, within its time. */
void timeout_done(struct timeout *t, int64_t took_ms);
/* timeout_expired - one that was sent with used_ms had no answer in that time. */
void timeout_expired(struct timeout *t, const struct timeout_policy *policy, int64_t used_ms);
/* timeout_late - it turned out done after all; seen_ms: from its sending until that was seen. */
void timeout_late(struct timeout *t, const struct timeout_policy *policy, int64_t used_ms, int64_t seen_ms);

/* timeout_save - as text of one line. timeout_load - the reverse; false, and *t as it was, if the text is not
 * one that timeout_save() can have made. */
void timeout_save(const struct timeout *t, char text[static TIMEOUT_TEXT_SIZE]);
bool timeout_load(struct timeout *t, const char *text);

#endif
