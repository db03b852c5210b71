/*
 * learned_timeouts.h - the timeouts that are `auto`: one learned value by stage, clock and class, kept in the
 * state file.
 *
 * Only clocks of calls to the engine are learned: the whole time, the longest silence, the time to connect.
 * What a value is made of is in core/timeout.h. Rows
 * go into the state file with commits that happen anyway, each at most every few seconds, and at the stop.
 * What was learned of another engine (`host`) is not taken over. Everywhere a class stands for those whose
 * clock of that stage is not `auto`, too: then nothing is learned, and the configured value holds.
 */
#ifndef SLUICE_LEARNED_TIMEOUTS_H
#define SLUICE_LEARNED_TIMEOUTS_H

#include "api/http.h"
#include "config.h"
#include "store/store.h"

struct learned_timeouts;

#define LEARNED_FROM_SIZE 64

/* Borrowed for its life. Loads what the configuration makes `auto`, and forgets the rows of what it doesn't.
 */
int learned_timeouts_new(struct store *store, const struct clock *clock, const struct config *config,
                         struct learned_timeouts **out, struct err *err) MUST_CHECK;
void learned_timeouts_free(struct learned_timeouts *timeouts);
/* After a reload. */
int learned_timeouts_set_config(struct learned_timeouts *timeouts, const struct config *config,
                                struct err *err) MUST_CHECK;

/* learned_timeouts_total_ms - how long the whole of a call may take now. timeouts NULL: as configured. */
int64_t learned_timeouts_total_ms(const struct learned_timeouts *timeouts, const struct config_class *of,
                                  enum stage stage);
/* learned_timeouts_clocks - all clocks of a call that is made now. */
struct http_clocks learned_timeouts_clocks(const struct learned_timeouts *timeouts,
                                           const struct config_class *of, enum stage stage);
/* learned_timeouts_from - where the clock's value came from, for people: "learned (auto, 42 samples)". clock
 * here and below: any but NONE. */
void learned_timeouts_from(const struct learned_timeouts *timeouts, const struct config_class *of,
                           enum stage stage, enum clock_kind clock, char from[static LEARNED_FROM_SIZE]);

/* learned_timeouts_each - every value of its own that is `auto`, as it is in force now: all totals first,
 * then silences, then connects; classes as in the configuration. */
typedef void (*learned_timeout_fn)(void *arg, const char *class_name, enum stage stage, enum clock_kind clock,
                                   int64_t ms);
void learned_timeouts_each(const struct learned_timeouts *timeouts, learned_timeout_fn fn, void *arg);

/* How long each clock of a call has run, in ms; -1: that one teaches nothing. */
struct learned_times {
    int64_t connect_ms;
    int64_t silence_ms; /* the longest */
    int64_t took_ms;
};

/* What came of a call: it went well; this clock, of used_ms, ran out; it turned out done seen_ms after that
 * clock had begun to run, although it had run out. */
void learned_timeouts_done(struct learned_timeouts *timeouts, const struct config_class *of, enum stage stage,
                           const struct learned_times *times);
void learned_timeouts_expired(struct learned_timeouts *timeouts, const struct config_class *of,
                              enum stage stage, enum clock_kind clock, int64_t used_ms);
void learned_timeouts_late(struct learned_timeouts *timeouts, const struct config_class *of, enum stage stage,
                           enum clock_kind clock, int64_t used_ms, int64_t seen_ms);

/* learned_timeouts_save - add what has changed to the transaction that is begun; all: also what was saved a
 * moment ago. */
int learned_timeouts_save(struct learned_timeouts *timeouts, bool all, struct err *err) MUST_CHECK;
/* Is there something that such a save would add? */
bool learned_timeouts_is_unsaved(const struct learned_timeouts *timeouts);

#endif
