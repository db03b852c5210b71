/*
 * files.h - what stands around the state file: its folders, its creation, its lock. Internal to store/.
 */
#ifndef SLUICE_STORE_FILES_H
#define SLUICE_STORE_FILES_H

#include "base/clock.h"
#include "base/err.h"

#include <stdbool.h>

/* files_make_folders - make every missing folder above path, mode 0700. Errors: IO. */
int files_make_folders(const char *path, struct err *err) MUST_CHECK;

/* files_create - make an empty file of mode 0600 unless path exists, durably. Errors: IO, also for a path
 * that is no ordinary file. */
int files_create(const char *path, struct err *err) MUST_CHECK;

/*
 * files_check_begin - the file must be empty or begin as a database does: SQLite takes a few bytes of
 * anything for an empty database and would write over them. To be called before this process has SQLite open
 * the file. Errors: PARSE (no database), IO.
 */
int files_check_begin(const char *path, struct err *err) MUST_CHECK;

/* files_is_ours - do the first bytes of the file say that it is a state file, whatever else is wrong with it?
 */
bool files_is_ours(const char *path);

/* files_is_cut - the file is empty and its log is not: SQLite would throw the log away. Also the half of a
 * files_set_aside() that was interrupted. */
bool files_is_cut(const char *path);

/*
 * files_set_aside - rename the file and its log to PATH.corrupt-YYYYMMDDTHHMMSSZ (and -wal, -shm), durably;
 * never over another file. The file goes first: a log alone is set aside by the next start, a file without
 * its log would be taken for whole. path: no link. *out: the new name; the caller's. Errors: IO.
 */
int files_set_aside(const char *path, const struct clock *clock, char **out, struct err *err) MUST_CHECK;

/* files_sync_folder_of - a new or changed name is on disk only when its folder is. Errors: IO. */
int files_sync_folder_of(const char *path, struct err *err) MUST_CHECK;

/* files_keep_private - take the rights of group and others away from path. Errors: IO. */
int files_keep_private(const char *path, struct err *err) MUST_CHECK;

#define FILES_LOCK_SUFFIX ".lock"

/* files_lock_path - the lock's place, beside the file itself: a link to it leads to the same lock. *out is
 * the caller's. Errors: IO. */
int files_lock_path(const char *path, char **out, struct err *err) MUST_CHECK;

/*
 * files_lock - take the lock of a state file; *fd holds it until closed or the process ends. The lock file
 * says who holds it, for the message. state_path: for messages. Errors: CONFLICT (held), IO.
 */
int files_lock(const char *lock_path, const char *state_path, const struct clock *clock, int *fd,
               struct err *err) MUST_CHECK;

#endif
