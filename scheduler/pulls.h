/*
 * pulls.h - images: is it here, and if not, one pull per image shared by everybody who waits for it with the
 * same login.
 *
 * At most `pulls` pulls are in flight, with `auto` as many as were learned to suit the host; the others wait.
 * One that has fallen silent does not count. A registry may allow less, and holds up no other then. One that
 * refuses or doesn't answer is left alone by its breaker, and pulls that failed are repeated within its retry
 * budget (guards.h): meanwhile whoever waits for an image of that registry, and nobody else, is told when to
 * ask again. What was seen here is remembered until the engine says that an image was deleted or untagged
 * (pulls_forget), so that a burst of runs of one image costs one look.
 */
#ifndef SLUICE_PULLS_H
#define SLUICE_PULLS_H

#include "api/engine.h"
#include "api/jobspec.h"
#include "config.h"
#include "guards.h"
#include "learned_timeouts.h"
#include "learning.h"

struct pulls;
struct registry_logins;
struct store;
struct pull_wait;

/* failure NULL: the image is here, as far as the policy asks. warning: something to log, or NULL. */
typedef void (*pull_done_fn)(void *arg, const struct failure *failure, int64_t took_ms, bool was_pulled,
                             const char *warning);

/* store NULL: the rates of registries are not kept over a restart. */
struct pulls *pulls_new(struct engine *engine, struct timers *timers, struct store *store,
                        const struct config *config);
void pulls_free(struct pulls *pulls);
/* pulls_set_guards - borrowed; without any, registries are asked without bounds. */
void pulls_set_guards(struct pulls *pulls, struct guards *guards);
void pulls_set_config(struct pulls *pulls, const struct config *config);
/* Timeouts that are `auto` come from there, and learn from what looks and pulls took. Borrowed. */
void pulls_set_timeouts(struct pulls *pulls, struct learned_timeouts *timeouts);
/* pulls_set_logins - borrowed; without any, pulls go without a login. */
void pulls_set_logins(struct pulls *pulls, struct registry_logins *logins);
/* pulls_set_learning - borrowed; `pulls = auto` asks there for its limit, and each pull is told there. */
void pulls_set_learning(struct pulls *pulls, struct learning *learning);

/* All borrowed for the call. */
struct pull_request {
    const char *image;
    const char *platform; /* NULL: the engine's own */
    enum jobspec_pull_policy policy;
    bool must_pull;         /* the engine has just said that the image is gone */
    const char *class_name; /* whose clocks count */
    /* The job's; NULL: none, or for another registry (registry_logins_fit). Kept until the pull is over. */
    const struct jobspec_credentials *credentials;
};
/* pulls_want - done comes once, later, on the loop thread, unless pulls_leave() is called. */
struct pull_wait *pulls_want(struct pulls *pulls, const struct pull_request *request, pull_done_fn done,
                             void *arg);
void pulls_leave(struct pull_wait *wait);
/* An image may have gone: look again next time. */
void pulls_forget(struct pulls *pulls);
/* Pulls in flight. */
size_t pulls_in_flight(const struct pulls *pulls);

#endif
