/*
 * migrate.h - brings a state file to the form this program knows. Internal to store/ and its tests.
 *
 * The form is a number in user_version: the number of migrations applied. Forward only, each migration in one
 * transaction of its own, so that a process killed on the way leaves the file at the last finished number.
 */
#ifndef SLUICE_STORE_MIGRATE_H
#define SLUICE_STORE_MIGRATE_H

#include "base/err.h"

#include <stddef.h>

struct sqlite3;

/* "slce": marks a file as ours, so that another program's database is never touched. */
#define STORE_APPLICATION_ID 0x736c6365

struct migration {
    int version; /* 1, 2, ... without a gap */
    const char *name;
    const char *sql; /* without BEGIN or COMMIT */
};

/* What migrations/ held at build time. */
extern const struct migration migrate_list[];
extern const size_t migrate_list_count;

/*
 * migrate_check - is this a state file, and one we know? path: for messages. newest: the highest version
 * known. An empty database is fine (version 0). Errors: PARSE (not a database, or another program's, or
 * damaged), VERSION (made by a newer sluice), CONFLICT (kept locked by another program), IO.
 */
int migrate_check(struct sqlite3 *db, const char *path, int newest, int *version, struct err *err) MUST_CHECK;

/* migrate_apply - apply what is missing. On failure the file stays at the last version that was finished. */
int migrate_apply(struct sqlite3 *db, const char *path, const struct migration *list, size_t count,
                  struct err *err) MUST_CHECK;

#endif
