/*
 * file_lock.h - a file that one process at a time holds, and that says which.
 *
 * The lock is a flock on a file of its own: the kernel gives it up when its holder ends, however that comes.
 * The file is never removed: a second process could already have it open.
 */
#ifndef SLUICE_BASE_FILE_LOCK_H
#define SLUICE_BASE_FILE_LOCK_H

#include "base/clock.h"
#include "base/err.h"

#define FILE_LOCK_HOLDER_SIZE 80

/*
 * file_lock_take - take the lock of path, a file of mode 0600 that is made if it is missing. *fd holds it
 * until it is closed or the process ends. holder: "(process 12 since 2026-01-01T00:00:00.000Z)" or "", set
 * when another has it. Errors: CONFLICT (held; the caller knows the better sentence), IO.
 */
int file_lock_take(const char *path, const struct clock *clock, int *fd,
                   char holder[static FILE_LOCK_HOLDER_SIZE], struct err *err) MUST_CHECK;

#endif
