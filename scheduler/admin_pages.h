/*
 * admin_pages.h - what is served over HTTP, and where: health alone on the address of --with-healthcheck, as
 * Prefect's worker does; on `[admin] listen` also /livez, /readyz, /metrics, /status.json and the status page
 * at /.
 *
 * The routes are one table in admin_pages.c. What is asked for again within a moment is answered with what
 * was made for the last one, so that who asks without end costs the loop next to nothing.
 */
#ifndef SLUICE_ADMIN_PAGES_H
#define SLUICE_ADMIN_PAGES_H

#include "base/timers.h"
#include "config.h"

struct admin_http;
struct admin_pages;
struct event_base;
struct service;

struct admin_pages_settings {
    struct event_base *base;
    struct timers *timers;
    const struct config *config; /* read during the call */
    const char *hostname;        /* this machine's; "" if unknown */
    bool takes_any_port;         /* for tests: those that are free, not the configured ones */
};

/* admin_pages_new - listen where the configuration says; *out is NULL if that is nowhere. Until it has a
 * service, everything but /livez is answered with 503. Errors: IO, with a sentence. */
int admin_pages_new(const struct admin_pages_settings *settings, struct admin_pages **out,
                    struct err *err) MUST_CHECK;
/* admin_pages_set_service - what is told of; borrowed until admin_pages_free(). pages may be NULL. */
void admin_pages_set_service(struct admin_pages *pages, struct service *service);
void admin_pages_free(struct admin_pages *pages);

/* For tests: NULL if there is no such listener. */
const struct admin_http *admin_pages_health(const struct admin_pages *pages);
const struct admin_http *admin_pages_admin(const struct admin_pages *pages);

#endif
