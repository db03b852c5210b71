/*
 * readiness.h - what /livez and /readyz say, in the words of Kubernetes' API server.
 *
 * Alive is who answers at all: the answer comes from the loop. Ready is who would start a due run now; that
 * hangs on others, and whoever is not ready must not be killed for it.
 */
#ifndef SLUICE_READINESS_H
#define SLUICE_READINESS_H

#include "base/buf.h"
#include "snapshot.h"

struct readiness_check {
    const char *name; /* "engine" */
    char reason[120]; /* "": it is fine */
};

/* state_file, engine, prefect, poll, shutdown. */
#define READINESS_CHECK_COUNT 5

/* readiness_checks - state_file_reason: what is wrong with it, "" if nothing. */
void readiness_checks(const struct snapshot *snapshot, const char *state_file_reason,
                      struct readiness_check checks[static READINESS_CHECK_COUNT]);

/*
 * readiness_write - the answer to a question: "ok", or with ?verbose, or when a check fails, a line for each:
 * "[+]engine ok", "[-]engine failed: reason". ?exclude=NAME, which may be repeated, leaves a check out.
 * Returns the status, 200 or 503. what: "readyz". query: as in the request.
 */
int readiness_write(const char *what, const struct readiness_check *checks, size_t count, const char *query,
                    struct buf *out);

#endif
