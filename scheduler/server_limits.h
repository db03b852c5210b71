/*
 * server_limits.h - whom the concurrency limits of work pool and queues, kept by the server, let us claim.
 *
 * The server looks at these limits in its answer to a poll alone: it shows as many runs as may start, the
 * first by its own order, and hides the others. Runs that our limits block would so hide runs that could
 * start. As many others as a poll shows may be claimed (core/vacancy.h), but only while we are the pool's one
 * worker: another one may claim what it was shown at the same moment, and no look can tell us in time. So
 * with each poll the server is asked who has told the pool of itself lately; unless it names us and nobody
 * else, only what the newest poll shows is claimed, as every other worker does. What is left open: a worker
 * that starts between that look and the arrival of a claim, a few seconds; one that was silent for longer
 * than PEER_SILENT_MS and comes back with a poll; and one that goes by our name.
 *
 * Runs that count against no such limit (their queue has none, and the pool neither) are none of its
 * business.
 */
#ifndef SLUICE_SERVER_LIMITS_H
#define SLUICE_SERVER_LIMITS_H

#include "api/prefect.h"
#include "core/vacancy.h"
#include "pool.h"
#include "runner.h"

struct server_limits;

struct server_limits_settings { /* all borrowed */
    struct runner *runner;
    struct prefect *prefect;
    const struct clock *clock;
    const struct config *config;
    const struct pool_record *pool;
};

/* A worker that was silent for longer is taken for gone. */
#define PEER_SILENT_MS (10 * 60 * 1000)

struct server_limits *server_limits_new(const struct server_limits_settings *settings);
/* Accepts NULL. */
void server_limits_free(struct server_limits *limits);
void server_limits_set_config(struct server_limits *limits, const struct config *config);
/* No look any more until the next poll. */
void server_limits_stop(struct server_limits *limits);

/* A poll is about to be sent. */
void server_limits_poll_begins(struct server_limits *limits);
/* It went well, and this is its answer. */
void server_limits_polled(struct server_limits *limits, const struct prefect_reply *reply);
/* The launch is let through to its claim. */
void server_limits_take(struct server_limits *limits, const struct live *live);

/* The run counts against a limit. */
bool server_limits_bind(const struct server_limits *limits, const struct live *live);
/* The limits leave room for it, as far as the newest poll tells. */
bool server_limits_have_room(const struct server_limits *limits, const struct live *live);
/* A run that it didn't show may be claimed in place of another one. */
bool server_limits_let_hidden(const struct server_limits *limits, const struct live *live);
/* The last look at the pool's workers showed nobody but us; it may be too old to claim by. */
bool server_limits_are_alone(const struct server_limits *limits);
/* Reading behind a poll's answer is of use: there is somebody whom we might claim. */
bool server_limits_read_on(const struct server_limits *limits);
/* Runs of this queue might be. */
bool server_limits_read_queue(const struct server_limits *limits, const struct pool_queue *queue);
/* server_limits_say - what hides a run that the newest poll didn't show, for people; NULL: no limit does. The
 * caller frees. */
char *server_limits_say(const struct server_limits *limits, const struct live *live);

#endif
