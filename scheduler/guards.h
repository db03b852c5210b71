/*
 * guards.h - what stands before each dependency (the engine, Prefect, each registry): its retry budget and
 * its breaker.
 *
 * The decisions are core/budget and core/breaker; here are the calls they are told of, the line of launches
 * that wait for a retry, and what the state file keeps. The clients ask guard_lets_go() before they send
 * anything; who probes is the owner's business: reach.c for Prefect, watcher.c for the engine, and for a
 * registry the next pull. A breaker is saved when it opens or closes, so a restart keeps it.
 */
#ifndef SLUICE_GUARDS_H
#define SLUICE_GUARDS_H

#include "base/random.h"
#include "runner.h"

struct guards;
struct guard;

struct guards_settings {
    struct store *store;
    struct timers *timers;
    const struct clock *clock;
    const struct random_source *random;
    /* What was begun in the state file needs a commit soon; or it failed (err not NULL). */
    void (*on_saved)(void *arg, const struct err *err);
    /* A breaker has opened or closed by a call that was noted, or a probe. Comes while that call is being
     * told: neither starts nor ends calls. */
    void (*on_change)(void *arg, struct guard *guard);
    void *arg;
};

/* guards_new - with the breakers as the state file has them. Errors: IO. */
int guards_new(const struct guards_settings *settings, struct guards **out, struct err *err) MUST_CHECK;
void guards_free(struct guards *guards);
struct guard *guards_engine(struct guards *guards);
struct guard *guards_prefect(struct guards *guards);
/* guards_registry - that of an image's registry; made when it is first asked for. */
struct guard *guards_registry(struct guards *guards, const char *image);

/* guards_next - one after the other, in the order they were made; guard NULL: the first; NULL: no more. */
const struct guard *guards_next(const struct guards *guards, const struct guard *guard);

const char *guard_name(const struct guard *guard); /* "engine", "prefect", "registry ghcr.io" */

enum dependency guard_dependency(const struct guard *guard);

/* ---- the breaker ---- */

/* guard_note - a call has ended: it counts as a request, and the breaker is told. failure NULL: it went well.
 * What we ended or refused ourselves says nothing. began_ms: mono. */
void guard_note(struct guard *guard, const struct failure *failure, int64_t began_ms);
/* guard_open - whoever probes has found that nobody answers. */
void guard_open(struct guard *guard);
bool guard_is_open(const struct guard *guard);
/* guard_was_silent - it is, or was when it was open last, open because nobody answered. */
bool guard_was_silent(const struct guard *guard);
/* guard_wait_ms - 0: closed, or a probe may go; else how long until then. */
int64_t guard_wait_ms(const struct guard *guard);
/* guard_probe - the probe goes now. */
void guard_probe(struct guard *guard);
/* guard_refusal - the failure of a call that an open breaker keeps from being sent; its retry_after_ms is
 * when the next probe may go. */
struct failure guard_refusal(const struct guard *guard, enum stage stage);

/* ---- the budget ---- */

/* guard_retries_left - that may go at once now. */
int64_t guard_retries_left(const struct guard *guard);

/* guard_take - a retry that nobody stands in line for, if the budget has one; else *wait_ms until it has. */
bool guard_take(struct guard *guard, int64_t *wait_ms);
/*
 * guard_lets - may this launch try again now? If not it stands in line (once), and its backoff ends when its
 * turn has come; *wait_ms: about when that is. Taken from the line by guard_leave().
 */
bool guard_lets(struct guard *guard, struct live *live, int64_t *wait_ms);
void guard_leave(struct live *live);
/* guard_hold - the failure of a retry that has to wait for so long. */
struct failure guard_hold(const struct guard *guard, enum stage stage, int64_t wait_ms);

#endif
