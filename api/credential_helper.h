/*
 * credential_helper.h - asks the programs docker-credential-NAME for a login; nothing here blocks the loop.
 *
 * A question is one process, in a process group of its own: `docker-credential-NAME get`, the registry on its
 * standard input, the answer {"ServerURL", "Username", "Secret"} on its standard output; what it writes to
 * standard error goes nowhere. When its time is over, when it says too much, or when nobody wants to know any
 * more, the whole group is killed. Each process is reaped as soon as it has ended.
 *
 * No sentence holds anything that the program wrote. Source: docker/docker-credential-helpers.
 */
#ifndef SLUICE_API_CREDENTIAL_HELPER_H
#define SLUICE_API_CREDENTIAL_HELPER_H

#include "api/registry_login.h"
#include "base/timers.h"

struct event_base;
struct credential_helpers;
struct credential_question;

#define CREDENTIAL_ANSWER_MAX_BYTES 65536

struct credential_reply {
    const struct registry_login *login; /* NULL: it knows none, or there is a problem. Borrowed */
    const char *problem;                /* NULL: all went well; it begins with the program's name */
    bool may_pass;                      /* the problem may be gone the next time */
};
typedef void (*credential_done_fn)(void *arg, const struct credential_reply *reply);

/* Both borrowed. */
struct credential_helpers *credential_helpers_new(struct event_base *base, struct timers *timers);
/* Kills those that run, and waits a moment for their end. */
void credential_helpers_free(struct credential_helpers *helpers);
/* Processes that have not been reaped. */
size_t credential_helpers_count(const struct credential_helpers *helpers);

/* credential_helpers_ask - done comes once, later, on the loop thread, unless credential_cancel() is called;
 * also when the program can't be started. name: without "/"; server: at most 1000 bytes. */
struct credential_question *credential_helpers_ask(struct credential_helpers *helpers, const char *name,
                                                   const char *server, int64_t limit_ms,
                                                   credential_done_fn done, void *arg);
void credential_cancel(struct credential_question *question);

#endif
