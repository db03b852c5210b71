/*
 * registry_logins.h - which login a pull goes with: the job's own, or what Docker's client configuration says
 * of the image's registry (protocol 5.14).
 *
 * The files are read anew for each pull, so a change counts at once and no password stays in memory. A
 * credential helper that they name is asked once for all who wait for the same registry; what it said is
 * handed to them and forgotten. At most 8 helpers run at once.
 *
 * Without a login a pull goes all the same: many images need none. Why there was none is told along, for a
 * registry that refuses. Not here: POST /auth, which would only say sooner what the pull says anyway.
 */
#ifndef SLUICE_REGISTRY_LOGINS_H
#define SLUICE_REGISTRY_LOGINS_H

#include "api/jobspec.h"
#include "api/registry_login.h"
#include "base/timers.h"
#include "config.h"

struct event_base;
struct registry_logins;
struct login_ask;

/* Owned by whoever receives it; login_answer_done() wipes it. */
struct login_answer {
    struct registry_login *login; /* NULL: none */
    char *problem;                /* why none could be had; NULL: nothing was wrong. Holds no secret */
    bool may_pass;                /* the problem may be gone the next time */
};
void login_answer_done(struct login_answer *answer);
/* The answer is the receiver's. */
typedef void (*login_done_fn)(void *arg, struct login_answer answer);

/* All borrowed. */
struct registry_logins *registry_logins_new(struct event_base *base, struct timers *timers,
                                            const struct config *config);
void registry_logins_free(struct registry_logins *logins);
void registry_logins_set_config(struct registry_logins *logins, const struct config *config);

/* registry_logins_fit - whether the job's credentials are for the registry of this image. */
bool registry_logins_fit(const struct jobspec_credentials *credentials, const char *image);
/*
 * registry_logins_want - credentials: the job's, or NULL; others than the image's registry's don't count.
 * NULL: *at_once holds the answer, and done never comes. Else done comes once, later, on the loop thread,
 * unless registry_logins_leave() is called.
 */
struct login_ask *registry_logins_want(struct registry_logins *logins, const char *image,
                                       const struct jobspec_credentials *credentials, login_done_fn done,
                                       void *arg, struct login_answer *at_once);
void registry_logins_leave(struct login_ask *ask);
/* Processes of helpers that have not been reaped. */
size_t registry_logins_helpers(const struct registry_logins *logins);

#endif
