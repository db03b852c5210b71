/*
 * lease.h - when the lease of a deployment's concurrency slot is renewed. Values in, values out.
 *
 * The server gives a claimed run of a deployment with a concurrency limit a slot and a lease on it. From the
 * claim until the run is RUNNING nobody renews that lease unless we do; from then on the engine in the
 * container does. A lease that runs out gives the slot to another run, and the server then counts wrongly
 * when ours leaves PENDING (docs/prefect-facts.md), so it must not happen.
 */
#ifndef SLUICE_CORE_LEASE_H
#define SLUICE_CORE_LEASE_H

#include "core/run.h"

/* As long as the engine in the container asks for, so that neither cuts the other's lease short. */
#define LEASE_DURATION_MS 300000

struct lease_times {
    int64_t claimed_ago_ms; /* since the claim was sent; by the wall clock, so it may be negative */
    int64_t renewed_ago_ms; /* since the last renewal of this process was sent; -1: none */
    int64_t failed_ago_ms;  /* since the last try, if it failed; else -1 */
};

/* The launch's lease is ours to renew. */
bool lease_is_ours(const struct run *run, bool is_running_at_server);
/* It is time to renew it (again). */
bool lease_is_due(const struct lease_times *times);

#endif
