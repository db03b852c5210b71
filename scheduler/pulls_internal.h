/*
 * pulls_internal.h - what the files of the pulls share; nobody else includes it.
 *
 * pulls.c      who waits for which image; looks and pulls
 * pull_slots.c what may be pulled now: slots, and what the guards of a registry say
 */
#ifndef SLUICE_PULLS_INTERNAL_H
#define SLUICE_PULLS_INTERNAL_H

#include "base/list.h"
#include "core/registry.h"
#include "index.h"
#include "pull_limits.h"
#include "pulls.h"
#include "registry_logins.h"

enum flight_step { FLIGHT_LOOKS, FLIGHT_WAITS, FLIGHT_ASKS_LOGIN, FLIGHT_PULLS, FLIGHT_LOOKS_AFTER };

struct flight {
    struct list link;
    struct pulls *pulls;
    char *image;
    char *platform; /* NULL: none */
    char registry[REGISTRY_SIZE];
    char *class_name;
    enum jobspec_pull_policy policy;
    bool must_pull;
    struct jobspec_credentials *credentials; /* the job's, secret; NULL: none for this registry */
    struct login_ask *login_ask;             /* a helper is being asked */
    struct login_answer login;               /* secret; valid with has_login */
    bool has_login;
    int64_t login_ms; /* mono; when it came */
    enum flight_step step;
    struct engine_call *call;
    struct list waits; /* pull_wait.link */
    char *pull_error;  /* IF_POSSIBLE: what the pull said */
    struct failure *pull_failure;
    int64_t pull_took_ms;
    struct http_clocks clocks; /* of the call that is out */
    enum stage expired_stage;
    enum clock_kind expired; /* the clock that ran out */
    int64_t expired_ms;      /* its value; 0: none did */
    int64_t pull_began_ms;   /* mono */
    struct learning_call learning_call;
    struct timer early; /* delivers a failure that was known before anything was sent */
    struct failure *early_failure;
};

struct pull_wait {
    struct list link;
    struct flight *flight; /* NULL: answered without one, delivery is due */
    pull_done_fn done;
    void *arg;
    struct timer timer;
};

struct pulls {
    struct engine *engine;
    struct timers *timers;
    const struct config *config;
    struct learned_timeouts *timeouts; /* NULL: as configured */
    struct list flights;
    struct list ready;              /* waits whose answer is known from memory, delivered by their timer */
    struct index present;           /* keys owned: "image platform" seen here */
    struct registry_logins *logins; /* NULL: pulls go without a login */
    struct guards *guards;          /* NULL: none */
    struct learning *learning;      /* NULL: none */
    struct index failed;            /* keys owned: images whose last pull failed through their registry */
    size_t in_flight;
    struct pull_limits *limits;
    struct timer slot_timer; /* when a pull that waits may have a slot */
};

/* Pulls that wait and may go now go. */
void pulls_start_waiting(struct pulls *p);

/* pull_slots.c */
/* Is there a slot? If not, pulls_start_waiting() is called when there may be one. */
bool pull_has_slot(struct pulls *p, const struct flight *f);
/* The breaker of its registry is open, and no probe is due. */
bool pull_is_refused(const struct flight *f);
/* What keeps a pull from being sent: that breaker, or the registry's retry budget, from which it takes. */
bool pull_is_held(struct flight *f, struct failure *failure);
/* A pull has ended. */
void pull_note(struct flight *f, const struct failure *failure);

#endif
