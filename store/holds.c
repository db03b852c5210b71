/*
 * holds.c - what holds all runs at once (a pause, a dependency out of reach): one row by name.
 */
#include "store/store_internal.h"

int store_save_hold(struct store *store, const struct store_hold *hold, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(
            store, STORE_SAVE_HOLD,
            "INSERT INTO hold_rows (name, stage, said, since_ms, until_ms) VALUES (?1, ?2, ?3, ?4, ?5) "
            "ON CONFLICT (name) DO UPDATE SET stage = excluded.stage, said = excluded.said, "
            "since_ms = excluded.since_ms, until_ms = excluded.until_ms",
            &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, hold->name);
    store_bind_text(statement, 2, hold->holds_starts ? "start" : "claim");
    store_bind_text(statement, 3, hold->said);
    store_bind_int(statement, 4, hold->since_ms);
    store_bind_int(statement, 5, hold->until_ms);
    return store_run(store, statement, "save what holds the runs", err);
}

int store_clear_hold(struct store *store, const char *name, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_CLEAR_HOLD, "DELETE FROM hold_rows WHERE name = ?1", &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    return store_run(store, statement, "clear what held the runs", err);
}

int store_keep_hold(struct store *store, const char *name, int64_t *since_ms, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_KEEP_HOLD, "DELETE FROM hold_rows WHERE name <> ?1", &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    if (store_run(store, statement, "clear what held the runs", err) != 0 ||
        store_prepare(store, STORE_LOAD_HOLD, "SELECT since_ms FROM hold_rows WHERE name = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    int rc = sqlite3_step(statement);
    int64_t found = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int result = rc == SQLITE_ROW || rc == SQLITE_DONE
                     ? 0
                     : store_fail_with(store, rc, "load what holds the runs", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (result == 0)
        *since_ms = found;
    return result;
}
