/*
 * admin_http.h - HTTP for people and machines that look: `[admin] listen`, and Prefect's /health.
 *
 * One server listens at one address and serves the routes it is given; what they say is the routes' own. GET
 * and HEAD only; others get 405, unknown paths 404, both as JSON {"detail"} as Prefect's worker says it.
 * Nobody can hold up the loop through it: connections are few (`max_connections`; for a further one that goes
 * which has been waited for longest), a request's head is at most 8 KiB and has to be complete within 5 s
 * however slowly it drips, bodies above 1 KiB are refused, an answer is made at once, and a client that
 * doesn't take any of it for 5 s, or not all within 60 s, is dropped. All clocks are the timers', and looked
 * at once a second.
 */
#ifndef SLUICE_API_ADMIN_HTTP_H
#define SLUICE_API_ADMIN_HTTP_H

#include "base/buf.h"
#include "base/timers.h"

#include <stdbool.h>

struct event_base;
struct admin_http;

/* What was asked for; borrowed for the call. */
struct admin_http_request {
    const char *path;   /* the route's */
    const char *query;  /* as it came, "" if there is none */
    const char *accept; /* the Accept header, "" if there is none */
};

struct admin_http_answer {
    int status;                          /* 200 to begin with */
    const char *content_type;            /* static; "application/json" to begin with */
    const char *content_security_policy; /* static; to begin with one that allows nothing */
    struct buf body;                     /* at most ADMIN_HTTP_BODY_MAX_BYTES */
};

#define ADMIN_HTTP_BODY_MAX_BYTES ((size_t)4 << 20)

/* Asked on the loop's thread; may not end the server. */
struct admin_http_route {
    const char *path;
    void (*answer)(void *arg, const struct admin_http_request *request, struct admin_http_answer *answer);
};

struct admin_http_settings {
    struct event_base *base;
    struct timers *timers;
    const char *host;
    int port;                              /* 0: any */
    const char *what;                      /* for the sentence of an error: "[admin] listen" */
    int max_connections;                   /* 0: 64 */
    bool is_prefects;                      /* HEAD gets 405, as from Prefect's worker; any Host will do */
    const char *const *names;              /* of this host, ended by NULL; see admin_http_host_is_ours() */
    const struct admin_http_route *routes; /* ended by a NULL path; borrowed for its life */
    void *arg;
};

/* admin_http_new - all borrowed. Errors: IO (address in use, or not ours), with a sentence. */
int admin_http_new(const struct admin_http_settings *settings, struct admin_http **out,
                   struct err *err) MUST_CHECK;
void admin_http_free(struct admin_http *http);
/* The port that is listened on, also when 0 was asked for. */
int admin_http_port(const struct admin_http *http);
/* Connections that are open. */
int admin_http_connections(struct admin_http *http);

#endif
