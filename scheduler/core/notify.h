/*
 * notify.h - what a service manager is told (sd_notify(3)), and when its watchdog may be fed: texts and
 * decisions as values. Nothing is sent here (scheduler/notify.c).
 *
 * Source: sd_notify(3), sd_watchdog_enabled(3), systemd.service(5) of systemd 252 to 257.
 */
#ifndef SLUICE_CORE_NOTIFY_H
#define SLUICE_CORE_NOTIFY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOTIFY_PATH_MAX 108 /* bytes of sockaddr_un.sun_path */
#define NOTIFY_STATUS_SIZE 200
#define NOTIFY_TEXT_SIZE (NOTIFY_STATUS_SIZE + 100)

/* Where $NOTIFY_SOCKET points: a path, or a name in the abstract space, whose first byte is 0 here. */
struct notify_address {
    char path[NOTIFY_PATH_MAX];
    size_t len; /* bytes of path that count; a path's closing NUL is not among them */
};

/* notify_address_read - "/run/x" or "@name". Errors: INVALID (empty, neither form, longer than a socket's
 * name may be). */
int notify_address_read(const char *text, struct notify_address *out, struct err *err) MUST_CHECK;

/*
 * notify_watchdog_ms - how often the watchdog wants to be fed: half of $WATCHDOG_USEC; 0: not at all, since
 * it is not set, or $WATCHDOG_PID names another process. Errors: INVALID (no number above 0). usec, pid:
 * NULL: not set.
 */
int notify_watchdog_ms(const char *usec, const char *pid, int64_t own_pid, int64_t *out,
                       struct err *err) MUST_CHECK;

/* ---- messages ---- */

/* What the line of status is made of. */
struct notify_picture {
    size_t running;
    size_t waiting; /* claimed, without a container that runs */
    size_t queued;
    size_t parked;
    bool is_engine_reachable;
    bool is_prefect_reachable;
    bool is_paused;
    bool is_draining;
    bool is_stopping;
};

/* notify_status - "12 running, 3 queued, engine in reach": one line of plain text. */
void notify_status(const struct notify_picture *picture, char text[static NOTIFY_STATUS_SIZE]);

enum notify_event {
    NOTIFY_READY,     /* also at the end of a reload */
    NOTIFY_RELOADING, /* with the time of the monotonic clock, which Type=notify-reload asks for */
    NOTIFY_STOPPING,  /* with the time that a stop may take */
    NOTIFY_STATUS,
    NOTIFY_WATCHDOG
};

/* notify_text - the datagram of an event. mono_us: CLOCK_MONOTONIC, for RELOADING; extend_ms: for STOPPING;
 * status: goes along if it is not NULL. */
void notify_text(enum notify_event event, int64_t mono_us, int64_t extend_ms, const char *status,
                 char text[static NOTIFY_TEXT_SIZE]);

/* ---- the watchdog ---- */

/* The poller may be so much later than it had planned: a busy loop, a machine that was suspended. */
#define NOTIFY_LATE_MS 10000

struct notify_watchdog {
    int64_t every_ms; /* 0: there is none */
    int64_t fed_ms;   /* mono; 0: never */
    uint64_t turns;   /* of the loop, when it was last fed */
};

/* What has moved, as of now. */
struct notify_progress {
    int64_t now_ms;        /* mono */
    int64_t next_look_ms;  /* mono; when this is asked again */
    uint64_t turns;        /* of the loop that came to their end */
    int64_t poller_due_ms; /* mono; when the poller has to have moved on by itself; INT64_MAX: it need not */
};

/*
 * notify_feeds - whether to feed the watchdog now; if so, that is noted in w.
 * It is fed when half its time would be over before the next look, and both have advanced: at least one turn
 * of the loop has ended since, and the poller is not late. What a server or an engine does has no part in it.
 */
bool notify_feeds(struct notify_watchdog *w, const struct notify_progress *progress);

#endif
