/*
 * status_parts.h - what the files of /status.json share.
 *
 * status_json.c  the object and its parts
 * status_rows.c  runs, and how many wait for what
 * status_wait.c  what one waits for
 * status_text.c  JSON into a buffer
 */
#ifndef SLUICE_STATUS_PARTS_H
#define SLUICE_STATUS_PARTS_H

#include "base/buf.h"
#include "live.h"
#include "snapshot.h"

/* Bytes of a text from outside, cut between characters. */
#define STATUS_NAME_MAX_BYTES 100
#define STATUS_SENTENCE_MAX_BYTES 200

/* ---- status_text.c ---- */
/* "key": - with a comma in front, unless it is the first of its object or array. key NULL: an item of an
 * array. */
void status_key(struct buf *out, const char *key);
void status_text(struct buf *out, const char *key, const char *text, size_t max_bytes);
void status_int(struct buf *out, const char *key, int64_t number);
void status_number(struct buf *out, const char *key, double number);
void status_bool(struct buf *out, const char *key, bool value);
/* bracket: '{' or '['; the same function closes with '}' and ']'. */
void status_open(struct buf *out, const char *key, char bracket);
void status_close(struct buf *out, char bracket);

/* ---- status_wait.c ---- */
/* The class of this name; the last one of those that have left the configuration. */
const struct snapshot_class *status_class_of(const struct snapshot *snapshot, const char *name);
/* What a launch before its start waits for: a few words, of which there are few, so that they can be counted.
 * Borrowed from the launch, or static. */
const char *status_wait(const struct live *live, const struct snapshot *snapshot);

/* ---- status_rows.c ---- */
#define STATUS_REASONS_MAX 6
struct status_reasons {
    struct status_reason {
        const char *why; /* NULL: none, as are those behind it */
        size_t count;
    } items[STATUS_REASONS_MAX]; /* the most frequent first */
};
/* status_reasons - what waits for what, for each class of the snapshot, in its order; malloc'ed. Texts are
 * borrowed from the launches. all: of live.all_link. */
struct status_reasons *status_reasons(struct list *all, const struct snapshot *snapshot);
/* "runs": {"total", "waiting", "running", "parked"}; each of the latter an array. Stops adding when the
 * buffer holds more than max_bytes. */
void status_runs(struct buf *out, struct list *all, const struct snapshot *snapshot, size_t max_bytes);

#endif
