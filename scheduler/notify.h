/*
 * notify.h - tells systemd, or whoever else listens on $NOTIFY_SOCKET, what the service does: ready,
 * reloading, stopping, a line of status, and that it is alive (watchdog). Without $NOTIFY_SOCKET nothing
 * happens at all.
 *
 * No libsystemd: each message is one datagram. A manager that does not read loses messages, never holds us
 * up. What is told and when the watchdog is fed is decided in core/notify.c. Once a second the line of status
 * is compared with the last one; only a change is told.
 */
#ifndef SLUICE_NOTIFY_H
#define SLUICE_NOTIFY_H

#include "base/err.h"
#include "base/timers.h"

struct notify;
struct service;

struct notify_settings {
    const char *address;       /* $NOTIFY_SOCKET; NULL: not set; these three are borrowed for the call */
    const char *watchdog_usec; /* $WATCHDOG_USEC */
    const char *watchdog_pid;  /* $WATCHDOG_PID */
    int64_t own_pid;
    struct timers *timers;
    const struct clock *clock;
};

/* notify_new - *out NULL without an address: nobody is to be told. Errors: INVALID, IO: it can't be told. */
int notify_new(const struct notify_settings *settings, struct notify **out, struct err *err) MUST_CHECK;
/* All others take NULL. */
void notify_free(struct notify *notify);

/* notify_begin - what the status and the watchdog are asked of from now on. service: borrowed. READY=1 goes
 * out at the end of the next turn: then the state file is open and the loop turns. Engine and server need not
 * be in reach. */
void notify_begin(struct notify *notify, struct service *service);
/* notify_turn_end - a turn of the loop has come to its end, after service_turn_end(). Also tells when the
 * service stops, for whatever reason. */
void notify_turn_end(struct notify *notify);
/* Around a reload, also one that is refused. */
void notify_reload_begins(struct notify *notify);
void notify_reload_ends(struct notify *notify);

#endif
