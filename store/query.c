/*
 * query.c - one reading statement on a state file, for the commands that print tables.
 *
 * Works beside a running service and without one: the connection is opened read-only and takes no lock that a
 * writer would notice (WAL). It needs no struct store and never waits for the lock file.
 */
#include "store/store_internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BUSY_TIMEOUT_MS 2000

static int hand_out_rows(sqlite3 *db, const char *path, sqlite3_stmt *statement, store_row_fn fn, void *arg,
                         struct err *err)
{
    int columns = sqlite3_column_count(statement);
    const char **names = check_alloc(((size_t)columns + 1) * 2 * sizeof(*names));
    const char **values = names + columns + 1;
    for (int i = 0; i < columns; i++)
        names[i] = sqlite3_column_name(statement, i);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++) {
            const char *text = (const char *)sqlite3_column_text(statement, i);
            values[i] = text == NULL ? "" : text;
        }
        fn(arg, (size_t)columns, names, values);
    }
    free(names);
    return rc == SQLITE_DONE ? 0 : store_fail(db, rc, path, "read", err);
}

static int query(sqlite3 *db, const char *path, const char *sql, store_row_fn fn, void *arg, struct err *err)
{
    int version = 0;
    sqlite3_busy_timeout(db, READ_BUSY_TIMEOUT_MS);
    if (migrate_check(db, path, (int)migrate_list_count, &version, err) != 0)
        return -1;
    if (version == 0)
        return err_set(err, ERR_PARSE, "%s is not a sluice state file: it is empty", path);
    sqlite3_stmt *statement = NULL;
    const char *rest;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, &rest);
    if (rc != SQLITE_OK)
        return store_fail(db, rc, path, "prepare a query", err);
    int result;
    if (statement == NULL || *rest != '\0' || !sqlite3_stmt_readonly(statement))
        result = err_set(err, ERR_INVALID, "not one reading statement: %.200s", sql);
    else
        result = hand_out_rows(db, path, statement, fn, arg, err);
    sqlite3_finalize(statement);
    return result;
}

int store_query_file(const char *path, const char *sql, store_row_fn fn, void *arg, struct err *err)
{
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(err, ERR_NOT_FOUND,
                       "there is no state file %s: name it with --state, or the pool and name it belongs to",
                       path);
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is no ordinary file: name the state file with --state", path);
    store_use_memory();
    char *AUTO_FREE file = store_sqlite_file(path);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    int result = rc == SQLITE_OK ? query(db, path, sql, fn, arg, err)
                                 : store_fail(db, rc, path, "open the state file", err);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return result;
}
