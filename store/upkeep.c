/*
 * upkeep.c - the file kept within bounds: forgetting in small steps, giving pages back, writing it anew.
 *
 * A step is bounded by rows, not by launches: one that was retried for weeks has tens of thousands. So the
 * children go first, a few at a time, and the launch when it has none left. A process that dies in between
 * leaves a launch with a shorter history, which the next step finds again as the oldest.
 */
#include "store/store_internal.h"

#include <stdio.h>

int store_size(struct store *store, struct store_size *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SIZE,
                      "SELECT page_size * page_count, page_size * freelist_count, auto_vacuum = 2 "
                      "FROM pragma_page_size, pragma_page_count, pragma_freelist_count, pragma_auto_vacuum",
                      &statement, err) != 0)
        return -1;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = (struct store_size){.bytes = sqlite3_column_int64(statement, 0),
                                   .free_bytes = sqlite3_column_int64(statement, 1),
                                   .can_shrink = sqlite3_column_int(statement, 2) != 0};
    int result = rc == SQLITE_ROW ? 0 : store_fail_with(store, rc, "read the size", err);
    sqlite3_reset(statement);
    return result;
}

/* ---- forgetting ---- */

struct oldest {
    sqlite3_int64 launch_key; /* 0: none */
    char launch_id[UUID_TEXT_SIZE];
};

static int find_oldest(struct store *store, int64_t before_ms, struct oldest *out, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_OLDEST_FINISHED,
                      "SELECT launch_key, launch_id FROM launches WHERE state = 'FINISHED' AND updated_at_ms "
                      "< ?1 ORDER BY updated_at_ms LIMIT 1",
                      &statement, err) != 0)
        return -1;
    store_bind_int(statement, 1, before_ms);
    int rc = sqlite3_step(statement);
    *out = (struct oldest){0};
    if (rc == SQLITE_ROW) {
        out->launch_key = sqlite3_column_int64(statement, 0);
        snprintf(out->launch_id, sizeof(out->launch_id), "%s",
                 (const char *)sqlite3_column_text(statement, 1));
    }
    int result =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail_with(store, rc, "find the oldest launch", err);
    sqlite3_reset(statement);
    return result;
}

/* Run a prepared deletion, and count what went. */
static int delete_rows(struct store *store, sqlite3_stmt *statement, int64_t *rows, struct err *err)
{
    if (store_run(store, statement, "forget old launches", err) != 0)
        return -1;
    *rows += sqlite3_changes64(store->db);
    return 0;
}

static int delete_children(struct store *store, enum store_statement which, const char *sql,
                           const char *launch_id, int64_t max_rows, int64_t *rows, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, which, sql, &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, launch_id);
    store_bind_int(statement, 2, max_rows - *rows);
    return delete_rows(store, statement, rows, err);
}

/* As much of the launch as there is room for; the launch itself last. */
static int trim_launch(struct store *store, const struct oldest *launch, int64_t max_rows,
                       struct store_trimmed *out, struct err *err)
{
    if (delete_children(store, STORE_TRIM_HISTORY,
                        "DELETE FROM history_rows WHERE history_key IN "
                        "(SELECT history_key FROM history_rows WHERE launch_id = ?1 LIMIT ?2)",
                        launch->launch_id, max_rows, &out->rows, err) != 0 ||
        delete_children(store, STORE_TRIM_ATTEMPTS,
                        "DELETE FROM attempt_rows WHERE attempt_key IN "
                        "(SELECT attempt_key FROM attempt_rows WHERE launch_id = ?1 LIMIT ?2)",
                        launch->launch_id, max_rows, &out->rows, err) != 0)
        return -1;
    sqlite3_stmt *statement = NULL;
    if (out->rows >= max_rows)
        return 0;
    if (store_prepare(store, STORE_TRIM_LAUNCH, "DELETE FROM launches WHERE launch_key = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_int(statement, 1, launch->launch_key);
    out->launches++;
    return delete_rows(store, statement, &out->rows, err);
}

/* Where a look at max_rows attempts ends; *is_last: behind it there is none, or all of them are younger. */
static int find_loose_end(struct store *store, int64_t before_ms, int64_t max_rows, int64_t *end_key,
                          bool *is_last, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOOSE_END,
                      "SELECT max(attempt_key), count(*), min(started_at_ms) FROM (SELECT attempt_key, "
                      "started_at_ms FROM attempt_rows WHERE attempt_key > ?1 ORDER BY attempt_key LIMIT ?2)",
                      &statement, err) != 0)
        return -1;
    store_bind_int(statement, 1, store->loose_from_key);
    store_bind_int(statement, 2, max_rows);
    int rc = sqlite3_step(statement);
    int result = rc == SQLITE_ROW ? 0 : store_fail_with(store, rc, "find old attempts", err);
    if (result == 0) {
        *end_key = sqlite3_column_int64(statement, 0);
        *is_last =
            sqlite3_column_int64(statement, 1) < max_rows || sqlite3_column_int64(statement, 2) >= before_ms;
    }
    sqlite3_reset(statement);
    return result;
}

/* Attempts of no launch, or of one that is no longer kept, in the order in which they were written. Those of
 * launches that live long are passed over once in a round, and not again in each step: hence loose_from_key.
 */
static int trim_loose(struct store *store, int64_t before_ms, int64_t max_rows, struct store_trimmed *out,
                      struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int64_t end_key = 0;
    if (find_loose_end(store, before_ms, max_rows, &end_key, &out->is_done, err) != 0 ||
        store_prepare(
            store, STORE_TRIM_LOOSE,
            "DELETE FROM attempt_rows WHERE attempt_key > ?1 AND attempt_key <= ?2 AND started_at_ms "
            "< ?3 AND NOT EXISTS (SELECT 1 FROM launches AS l "
            "WHERE l.launch_id = attempt_rows.launch_id)",
            &statement, err) != 0)
        return -1;
    store_bind_int(statement, 1, store->loose_from_key);
    store_bind_int(statement, 2, end_key);
    store_bind_int(statement, 3, before_ms);
    store->loose_from_key = out->is_done ? 0 : end_key;
    return delete_rows(store, statement, &out->rows, err);
}

static int trim(struct store *store, int64_t before_ms, int64_t max_rows, struct store_trimmed *out,
                struct err *err)
{
    while (out->rows < max_rows) {
        struct oldest oldest;
        if (find_oldest(store, before_ms, &oldest, err) != 0)
            return -1;
        if (oldest.launch_key == 0)
            return trim_loose(store, before_ms, max_rows - out->rows, out, err);
        if (trim_launch(store, &oldest, max_rows, out, err) != 0)
            return -1;
    }
    return 0;
}

int store_trim(struct store *store, int64_t before_ms, int64_t max_rows, struct store_trimmed *out,
               struct err *err)
{
    bool began;
    struct store_trimmed trimmed = {0};
    CHECK(max_rows >= 0); /* SQLite takes a negative limit for none */
    if (store_enter(store, &began, err) != 0)
        return -1;
    int result = trim(store, before_ms, max_rows, &trimmed, err);
    if (store_leave(store, began, result, err) != 0)
        return -1;
    *out = trimmed;
    return 0;
}

/* ---- giving back ---- */

int store_shrink(struct store *store, int64_t max_pages, struct err *err)
{
    bool began;
    char sql[64];
    CHECK(max_pages > 0); /* SQLite takes 0 for all */
    if (store_enter(store, &began, err) != 0)
        return -1;
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%lld)", (long long)max_pages);
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    int result = rc == SQLITE_OK ? 0 : store_fail_with(store, rc, "give room back", err);
    return store_leave(store, began, result, err);
}

void store_checkpoint(struct store *store)
{
    if (!store->is_begun && !store->is_failed)
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

int store_compact(struct store *store, struct err *err)
{
    CHECK(!store->is_begun);
    /* auto_vacuum is set since the file was opened, and takes effect now. The copy VACUUM makes is for a
     * file, not for memory. */
    int rc = sqlite3_exec(store->db, "PRAGMA temp_store = FILE; VACUUM; PRAGMA temp_store = MEMORY", NULL,
                          NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    /* A reader that keeps the log from being emptied does no harm: the next checkpoint ends it. */
    return rc == SQLITE_OK || rc == SQLITE_BUSY ? 0 : store_fail_with(store, rc, "write all anew", err);
}
