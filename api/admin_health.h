/*
 * admin_health.h - GET /health as Prefect's own worker serves it with --with-healthcheck: health and nothing
 * else.
 *
 * 200 {"message":"OK"}, or 503 {"message":"Worker may be unresponsive at this time"} (protocol 8.3). Requests
 * are small, connections few and idle ones closed, so that nobody can hold up the loop through it.
 */
#ifndef SLUICE_API_ADMIN_HEALTH_H
#define SLUICE_API_ADMIN_HEALTH_H

#include "base/err.h"

#include <stdbool.h>

struct event_base;
struct admin_health;

/* admin_health_new - base is borrowed. is_well: asked at each request. Errors: IO (address in use, or not
 * ours), with a sentence. */
int admin_health_new(struct event_base *base, const char *host, int port, bool (*is_well)(void *arg),
                     void *arg, struct admin_health **out, struct err *err) MUST_CHECK;
void admin_health_free(struct admin_health *health);
/* The port that is listened on, also when 0 was asked for. */
int admin_health_port(const struct admin_health *health);

#endif
