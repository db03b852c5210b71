/*
 * history.c - what happened: changes of state and calls, appended for people.
 *
 * Rows name their launch by its id, not by its number in the file, so that a turn of the loop may tell of a
 * launch before it saves it. They go with their launch (upkeep.c). Nothing here is read back by the program;
 * the views are.
 */
#include "store/store_internal.h"

#include <stdio.h>
#include <string.h>

#define ERROR_MAX_BYTES 4096

int store_add_transition(struct store *store, const char *launch_id, const char *from, const char *to,
                         const char *why, int64_t at_ms, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_ADD_TRANSITION,
                      "INSERT INTO history_rows (launch_id, from_state, to_state, why, at_ms) "
                      "VALUES (?1, ?2, ?3, ?4, ?5)",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, launch_id);
    store_bind_text(statement, 2, from);
    store_bind_text(statement, 3, to);
    store_bind_text(statement, 4, why == NULL ? "" : why);
    store_bind_int(statement, 5, at_ms);
    return store_run(store, statement, "add to the history", err);
}

/* At most ERROR_MAX_BYTES of text, cut before a character and not inside one; NULL stays NULL. */
static void bind_error(sqlite3_stmt *statement, int index, const char *text)
{
    size_t len = text == NULL ? 0 : strnlen(text, ERROR_MAX_BYTES + 1);
    if (len > ERROR_MAX_BYTES) {
        len = ERROR_MAX_BYTES;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    CHECK(sqlite3_bind_text(statement, index, text, (int)len, SQLITE_STATIC) == SQLITE_OK);
}

int store_add_attempt(struct store *store, const struct store_attempt *attempt, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(
            store, STORE_ADD_ATTEMPT,
            "INSERT INTO attempt_rows (launch_id, class_name, stage, attempt, started_at_ms, took_ms, "
            "timeout_ms, timeout_from, outcome, clock, clock_ms, clock_from, error_class, error) VALUES "
            "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, attempt->launch_id);
    store_bind_text(statement, 2, attempt->class_name == NULL ? "" : attempt->class_name);
    store_bind_text(statement, 3, attempt->stage);
    store_bind_int(statement, 4, attempt->attempt);
    store_bind_int(statement, 5, attempt->started_at_ms);
    store_bind_int(statement, 6, attempt->took_ms);
    store_bind_int(statement, 7, attempt->timeout_ms);
    store_bind_text(statement, 8, attempt->timeout_from);
    store_bind_text(statement, 9, attempt->outcome);
    store_bind_text(statement, 10, attempt->clock);
    store_bind_int(statement, 11, attempt->clock_ms);
    store_bind_text(statement, 12, attempt->clock_from);
    store_bind_text(statement, 13, attempt->error_class);
    bind_error(statement, 14, attempt->error);
    return store_run(store, statement, "add an attempt", err);
}
