/*
 * batch_queue.h - a bounded queue of JSON texts that go out in batches: what waits, and the one batch that is
 * on its way or waits for its next try.
 *
 * Knows neither who takes the batches nor when: its owner sends, and says what became of each. When it is
 * full the oldest item that waits goes, minor ones first, and is counted. Used by prefect_telemetry_queue.c
 * and otlp.c.
 */
#ifndef SLUICE_API_BATCH_QUEUE_H
#define SLUICE_API_BATCH_QUEUE_H

#include "base/buf.h"
#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct batch_limits {
    size_t max_count; /* items, those of the batch included */
    size_t max_bytes; /* of all texts; an item adds some 50 bytes of its own */
    size_t batch_max_count;
    size_t batch_max_bytes; /* of a batch of several */
};

/* To be read by its owner, and changed by the functions below only. */
struct batch_queue {
    struct batch_limits limits;
    struct list waiting;
    struct list batch;
    size_t waiting_count;
    size_t minor_count; /* among the waiting: none, and nobody has to look for one */
    size_t batch_count;
    size_t bytes;       /* of both */
    size_t batch_limit; /* items; less than usual while one of them is not liked */
    uint64_t dropped;
};

void batch_queue_init(struct batch_queue *q, const struct batch_limits *limits);
void batch_queue_done(struct batch_queue *q);

/* batch_queue_add - copy a text to the end; what had to go for it, or the text itself, is counted as dropped.
 */
void batch_queue_add(struct batch_queue *q, bool is_minor, const char *text);
/* Items that wait or are in the batch. */
size_t batch_queue_count(const struct batch_queue *q);
/* A whole batch waits: no need to collect any longer. */
bool batch_queue_has_batch(const struct batch_queue *q);
/* Move the next items into the batch, if that is empty. False: there are none. */
bool batch_queue_fill(struct batch_queue *q);
/* batch_queue_write - the batch's texts, with commas between. Errors: NOMEM, LIMIT. */
int batch_queue_write(const struct batch_queue *q, struct buf *out, struct err *err) MUST_CHECK;
/* The batch is over; returns how many items it had. */
size_t batch_queue_end(struct batch_queue *q);
/* The batch is over, and counts as dropped; so does all that waits. */
void batch_queue_drop_all(struct batch_queue *q);
/* The later half of the batch waits again, in front of all; the next batches are as short, too. */
void batch_queue_halve(struct batch_queue *q);
/* Batches may be longer again: twice as long, up to the usual. False: they are of usual length. */
bool batch_queue_relax(struct batch_queue *q);

/* batch_pause_ms - before the next try, after so many failures in a row (from 1 on): 1, 2, 4, ... 60 s, later
 * if the other side asks for it (retry_after_ms, -1: does not), but never more than 60 s. */
int64_t batch_pause_ms(int failures, int64_t retry_after_ms);

#endif
