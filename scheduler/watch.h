/*
 * watch.h - what the watch over claimed runs makes of a run's state at the server. Values in, values out.
 */
#ifndef SLUICE_WATCH_H
#define SLUICE_WATCH_H

#include "api/prefect.h"
#include "core/run.h"

/* Cancellations are noticed within this before the container runs, and within that otherwise. */
#define WATCH_LAUNCHING_MS 3000
#define WATCH_RUNNING_MS 10000

/* The server may say something of this launch's run that it wouldn't learn by itself. */
bool run_is_watched(const struct run *run);
int64_t watch_period_ms(const struct run *run);
/* What the state that the run is seen in means to its launch; false: nothing. A deleted run counts as
 * cancelled. */
bool run_heeds(const struct run *run, enum prefect_state_type type, enum run_event_kind *kind);

#endif
