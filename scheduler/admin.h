/*
 * admin.h - what people ask a running service over its socket: pause, resume, drain, retry, discard,
 * progress.
 *
 * A request is an object with "command", and "run" (id, beginning of an id, or name) or "wait" where the
 * command takes it. An answer has "ok", then "said" (a sentence) and "progress", or "error" (a sentence). Who
 * asked to wait for a drain gets a line with each change of progress, and a last one with "drained".
 */
#ifndef SLUICE_ADMIN_H
#define SLUICE_ADMIN_H

#include "base/timers.h"
#include "service.h"

struct event_base;
struct admin;

struct admin_settings {
    struct event_base *base;
    struct timers *timers;
    struct service *service;
    const char *state_path;
};

/* admin_new - all borrowed. Errors: those of admin_socket_new(). */
int admin_new(const struct admin_settings *settings, struct admin **out, struct err *err) MUST_CHECK;
void admin_free(struct admin *admin);
/* admin_end - the service has come to its end: tell who waits for it. */
void admin_end(struct admin *admin, int exit_code);
/* admin_answer - for the socket and for tests; malloc'ed. */
char *admin_answer(struct service *service, const char *request, bool *stays);

#endif
