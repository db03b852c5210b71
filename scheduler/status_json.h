/*
 * status_json.h - /status.json: the service at this moment, for the status page and for scripts.
 *
 * Made of what is in memory, by two walks over the launches: no call, no query. At most STATUS_ROWS_MAX runs
 * are named, and fewer when the answer would grow over 200 KB; `runs.total` counts all. Texts that come from
 * outside (names of runs, other sides' sentences) are cut.
 */
#ifndef SLUICE_STATUS_JSON_H
#define SLUICE_STATUS_JSON_H

#include "base/buf.h"
#include "service.h"
#include "status_series.h"

#define STATUS_ROWS_MAX 200
#define STATUS_MAX_BYTES 200000

/* status_json_write - one JSON object into an empty buffer. */
void status_json_write(struct service *service, const struct status_series *series, struct buf *out);

/* status_json_sample - what the series is made of. */
struct status_sample status_json_sample(struct service *service);

#endif
