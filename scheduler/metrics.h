/*
 * metrics.h - /metrics: the service as Prometheus reads it.
 *
 * One scrape walks the launches in memory once (snapshot.h), asks the system for the sizes of a few files,
 * and writes text: some milliseconds with 10,000 runs, in which the loop does nothing else. Names:
 * metrics_table.h; docs/metrics.md.
 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include "api/admin_http.h"
#include "service.h"

struct metrics;

/* metrics_new - service: borrowed. */
struct metrics *metrics_new(struct service *service);
void metrics_free(struct metrics *metrics);

/* metrics_answer - the answer to GET (or HEAD) /metrics, in the format that Accept asks for. 500 with a
 * sentence if it has no room in the body. */
void metrics_answer(struct metrics *metrics, const struct admin_http_request *request,
                    struct admin_http_answer *answer);

#endif
