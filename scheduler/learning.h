/*
 * learning.h - what is learned of the engine while launches go through it: how many creates and how many
 * starts in flight suit it (`launching = auto`, core/inflight.h), and how many pulls (`pulls = auto`).
 *
 * act_engine.c and pulls.c tell when a call goes out and is answered; admission and pulls.c ask for the
 * limits. A restart goes on from what was learned: it is written with a commit that happens anyway, every few
 * seconds at most, and once at a stop; a kill loses those seconds.
 */
#ifndef SLUICE_LEARNING_H
#define SLUICE_LEARNING_H

#include "base/clock.h"
#include "base/err.h"
#include "core/classify.h"
#include "core/inflight.h"

struct config;
struct store;
struct learning;

enum learning_stage { LEARNING_CREATE, LEARNING_START, LEARNING_PULL };
#define LEARNING_STAGE_COUNT 3
/* LEARNING_START and those before it are stages of `launching`. */
#define LEARNING_LAUNCHING_COUNT 2

/* A pull that has downloaded less tells of its registry's answers, not of the line. */
#define LEARNING_BYTES_MIN (1024 * 1024)

/* A call that is measured; all zero: none is out. */
struct learning_call {
    bool is_out;
    enum learning_stage stage;
    struct inflight_call call;
};

/* learning_new - goes on from what the state file says; what it says and can't be is passed over. All
 * borrowed. Errors: those of the store. */
int learning_new(struct store *store, const struct clock *clock, const struct config *config,
                 struct learning **out, struct err *err) MUST_CHECK;
void learning_free(struct learning *learning);
/* With a fixed limit nothing is learned, and what was is forgotten. */
void learning_set_config(struct learning *learning, const struct config *config);

/* The call goes out; it was answered (failure NULL: well); it was given up. The last two do nothing if none
 * is out. work: bytes that a pull has downloaded, 1 for other calls. */
void learning_begin(struct learning *learning, struct learning_call *call, enum learning_stage stage);
void learning_end(struct learning *learning, struct learning_call *call, const struct failure *failure,
                  int64_t work);
void learning_leave(struct learning *learning, struct learning_call *call);

/* learning_limit - calls of the stage that may be in flight; 1..64, pulls 1..16. */
int64_t learning_limit(const struct learning *learning, enum learning_stage stage);

/* learning_save - put what is new into the transaction that is begun; is_last: also what was saved a moment
 * ago. Errors: those of the store. */
int learning_save(struct learning *learning, bool is_last, struct err *err) MUST_CHECK;
/* learning_has_news - there is something that learning_save() with is_last would write. */
bool learning_has_news(const struct learning *learning);

#endif
