/*
 * instance_lock.h - one process of this machine at a time is the worker of this server, pool and name.
 *
 * Two of them carry one instance id whatever their state files, so that each would take the other's
 * containers for strays. The lock of the state file (store/) does not see that.
 */
#ifndef SLUICE_INSTANCE_LOCK_H
#define SLUICE_INSTANCE_LOCK_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

/* Where such locks lie: $RUNTIME_DIRECTORY, as systemd makes it; else /run/sluice for root; else
 * $XDG_RUNTIME_DIR. NULL: there is no such place. The values are those of the environment, NULL or "" if
 * unset; the caller's. */
char *instance_lock_folder(bool is_root, const char *runtime_directory, const char *xdg_runtime_dir);

/*
 * Take the lock of an instance in a folder, which is made if it is missing; *fd holds it until closed.
 * Errors: CONFLICT (another sluice is this worker; pool and name are for the sentence), IO.
 */
int instance_lock_take(const char *folder, const char *instance, const char *pool, const char *name,
                       const struct clock *clock, int *fd, struct err *err) MUST_CHECK;

#endif
