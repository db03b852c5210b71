/*
 * learned.c - what was learned of the dependencies: one row by name, with a text that only its module reads.
 */
#include "store/store_internal.h"

#include <string.h>

#define STATE_MAX 4096

int store_save_learned(struct store *store, const struct store_learned *learned, struct err *err)
{
    CHECK(store->is_begun);
    CHECK(strlen(learned->state) <= STATE_MAX);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_LEARNED,
                      "INSERT INTO learned_rows (name, class_name, kind, value, learned_from, state, "
                      "saved_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO UPDATE SET "
                      "class_name = excluded.class_name, kind = excluded.kind, value = excluded.value, "
                      "learned_from = excluded.learned_from, state = excluded.state, "
                      "saved_at_ms = excluded.saved_at_ms",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, learned->name);
    store_bind_text(statement, 2, learned->class_name);
    store_bind_text(statement, 3, learned->kind);
    CHECK(sqlite3_bind_double(statement, 4, learned->value) == SQLITE_OK);
    store_bind_text(statement, 5, learned->learned_from);
    store_bind_text(statement, 6, learned->state);
    store_bind_int(statement, 7, clock_wall_ms(store->clock));
    return store_run(store, statement, "save what was learned", err);
}

int store_load_learned(struct store *store, const char *name, char **state, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOAD_LEARNED, "SELECT state FROM learned_rows WHERE name = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    int rc = sqlite3_step(statement);
    char *found = rc == SQLITE_ROW ? check_strdup((const char *)sqlite3_column_text(statement, 0)) : NULL;
    int result = rc == SQLITE_ROW || rc == SQLITE_DONE
                     ? 0
                     : store_fail(store->db, rc, store->path, "load what was learned", err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (result == 0)
        *state = found;
    return result;
}

int store_forget_learned(struct store *store, const char *name, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_FORGET_LEARNED, "DELETE FROM learned_rows WHERE name = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    return store_run(store, statement, "forget what was learned", err);
}
