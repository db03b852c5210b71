/*
 * limits.c - token buckets, and what the views `classes` and `limits` show of the configuration.
 *
 * Slots in use are not here: the view counts them from the launches, so that they can't leak.
 */
#include "store/store_internal.h"

int store_save_bucket(struct store *store, const char *name, int64_t tat_us, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_BUCKET,
                      "INSERT INTO buckets (name, tat_us) VALUES (?1, ?2) "
                      "ON CONFLICT (name) DO UPDATE SET tat_us = excluded.tat_us",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    store_bind_int(statement, 2, tat_us);
    return store_run(store, statement, "save a bucket", err);
}

int store_load_bucket(struct store *store, const char *name, int64_t *tat_us, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOAD_BUCKET, "SELECT tat_us FROM buckets WHERE name = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    int rc = sqlite3_step(statement);
    int64_t found = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int result = rc == SQLITE_ROW || rc == SQLITE_DONE
                     ? 0
                     : store_fail(store->db, rc, store->path, "load a bucket", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (result == 0)
        *tat_us = found;
    return result;
}

static int clear(struct store *store, enum store_statement which, const char *sql, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, which, sql, &statement, err) != 0)
        return -1;
    return store_run(store, statement, "replace the configuration's limits", err);
}

static int add_classes(struct store *store, const struct store_class *classes, size_t count, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (clear(store, STORE_CLEAR_CLASSES, "DELETE FROM class_rows", err) != 0 ||
        store_prepare(store, STORE_ADD_CLASS,
                      "INSERT INTO class_rows (class_key, name, rule, priority) VALUES (?1, ?2, ?3, ?4)",
                      &statement, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        store_bind_int(statement, 1, (int64_t)i + 1);
        store_bind_text(statement, 2, classes[i].name);
        store_bind_text(statement, 3, classes[i].rule);
        store_bind_int(statement, 4, classes[i].priority);
        if (store_run(store, statement, "save a job class", err) != 0)
            return -1;
    }
    return 0;
}

int store_replace_classes(struct store *store, const struct store_class *classes, size_t count,
                          struct err *err)
{
    bool began;
    if (store_enter(store, &began, err) != 0)
        return -1;
    return store_leave(store, began, add_classes(store, classes, count, err), err);
}

int store_save_ageing(struct store *store, int64_t ageing_ms, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_AGEING,
                      "INSERT INTO order_row (order_key, ageing_ms) VALUES (1, ?1) "
                      "ON CONFLICT (order_key) DO UPDATE SET ageing_ms = excluded.ageing_ms",
                      &statement, err) != 0)
        return -1;
    store_bind_int(statement, 1, ageing_ms);
    return store_run(store, statement, "save the order of runs", err);
}

static int add_limits(struct store *store, const struct store_limit *limits, size_t count, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (clear(store, STORE_CLEAR_LIMITS, "DELETE FROM limit_rows", err) != 0 ||
        store_prepare(store, STORE_ADD_LIMIT,
                      "INSERT INTO limit_rows (limit_key, class_name, kind, limit_value, burst, bucket, "
                      "learned_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                      &statement, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        store_bind_int(statement, 1, (int64_t)i + 1);
        store_bind_text(statement, 2, limits[i].class_name);
        store_bind_text(statement, 3, limits[i].kind);
        CHECK(sqlite3_bind_double(statement, 4, limits[i].limit_value) == SQLITE_OK);
        store_bind_int(statement, 5, limits[i].burst);
        store_bind_text(statement, 6, limits[i].bucket);
        store_bind_text(statement, 7, limits[i].learned_from);
        if (store_run(store, statement, "save a limit", err) != 0)
            return -1;
    }
    return 0;
}

int store_replace_limits(struct store *store, const struct store_limit *limits, size_t count, struct err *err)
{
    bool began;
    if (store_enter(store, &began, err) != 0)
        return -1;
    return store_leave(store, began, add_limits(store, limits, count, err), err);
}
