/*
 * leases.h - renews the concurrency leases of launches whose run isn't RUNNING yet.
 *
 * When, says core/lease. A lease that is lost is told to its launch (LEASE_LOST), which goes back to the
 * server as long as its container can't have been started. Nothing is stored but the lease's id: after a
 * restart each lease is renewed at once.
 */
#ifndef SLUICE_LEASES_H
#define SLUICE_LEASES_H

#include "api/prefect.h"
#include "runner.h"

struct leases;

/* Everything borrowed. */
struct leases_settings {
    struct runner *runner;
    struct prefect *prefect;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
};

/* leases_new - begins at once. */
struct leases *leases_new(const struct leases_settings *settings);
/* leases_free - after the runner. Accepts NULL. */
void leases_free(struct leases *leases);
/* Before the engine is asked for a launch: its slot is still its own, as far as anybody can know. A claim
 * older than the shortest first lease, whose lease this process has not renewed yet, is renewed now: false
 * until that is answered, and for good if the slot is gone. Then LEASE_LOST follows. */
bool leases_hold(struct leases *leases, struct live *live);
void leases_set_config(struct leases *leases, const struct config *config);
/* The launch leaves the memory. */
void leases_forget(struct leases *leases, struct live *live);

#endif
