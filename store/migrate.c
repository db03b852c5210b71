/*
 * migrate.c - tells a state file from other files, and applies the migrations it lacks.
 *
 * A file is ours by its application_id; its form is user_version. Both live in the database header and change
 * with the transaction of the migration. An empty database counts as version 0, which also covers a process
 * that was killed between making the file and its first migration. Never goes back, never repairs.
 */
#include "store/migrate.h"

#include "base/kill_point.h"
#include "store/store_internal.h"

#include <limits.h>
#include <stdio.h>

static int read_number(sqlite3 *db, const char *sql, int64_t *number)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *number = sqlite3_column_int64(statement, 0);
    int finalize_rc = sqlite3_finalize(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : finalize_rc;
}

static int run_sql(sqlite3 *db, const char *path, const char *sql, const char *doing, struct err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(db, rc, path, doing, err);
}

int migrate_check(sqlite3 *db, const char *path, int newest, int *version, struct err *err)
{
    int64_t application_id = 0;
    int64_t user_version = 0;
    int64_t things = 0;
    int rc = read_number(db, "PRAGMA application_id", &application_id);
    if (rc == SQLITE_OK)
        rc = read_number(db, "PRAGMA user_version", &user_version);
    if (rc == SQLITE_OK)
        rc = read_number(db, "SELECT count(*) FROM sqlite_schema", &things);
    if (rc != SQLITE_OK)
        return store_fail(db, rc, path, "look at the state file", err);
    if (application_id == 0 && user_version == 0 && things == 0) {
        *version = 0;
        return 0;
    }
    if (application_id != STORE_APPLICATION_ID)
        return err_set(err, ERR_PARSE,
                       "%s is not a sluice state file but another program's database: name another file with "
                       "--state",
                       path);
    if (user_version > newest)
        return err_set(
            err, ERR_VERSION,
            "the state file %s was made by a newer sluice (form %lld, this one knows up to %d): use "
            "that version, or name another file with --state",
            path, (long long)user_version, newest);
    if (user_version < 1 || things == 0)
        return err_set(
            err, ERR_PARSE,
            "the state file %s is damaged (form %lld): restore a copy, or move it away to begin anew", path,
            (long long)user_version);
    *version = (int)user_version;
    return 0;
}

static int apply_one(sqlite3 *db, const char *path, const struct migration *migration, struct err *err)
{
    char doing[120];
    snprintf(doing, sizeof(doing), "migrate to form %d (%s)", migration->version, migration->name);
    if (run_sql(db, path, "BEGIN IMMEDIATE", doing, err) != 0)
        return -1;
    char numbers[100];
    snprintf(numbers, sizeof(numbers), "PRAGMA application_id = %d; PRAGMA user_version = %d",
             STORE_APPLICATION_ID, migration->version);
    int result = run_sql(db, path, migration->sql, doing, err);
    if (result == 0) {
        CHECK(sqlite3_get_autocommit(db) == 0); /* the migration must not have ended its transaction */
        result = run_sql(db, path, numbers, doing, err);
    }
    KILL_POINT(migrate_before);
    if (result == 0)
        result = run_sql(db, path, "COMMIT", doing, err);
    KILL_POINT(migrate_after);
    if (result != 0 && sqlite3_get_autocommit(db) == 0)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return result;
}

int migrate_apply(sqlite3 *db, const char *path, const struct migration *list, size_t count, struct err *err)
{
    CHECK(count > 0 && count < INT_MAX);
    int version = 0;
    if (migrate_check(db, path, (int)count, &version, err) != 0)
        return -1;
    for (size_t i = (size_t)version; i < count; i++) {
        CHECK(list[i].version == (int)i + 1);
        if (apply_one(db, path, &list[i], err) != 0)
            return -1;
    }
    return 0;
}
