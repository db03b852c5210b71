/*
 * losses.c - what others did not take, counted by kind.
 */
#include "store/store_internal.h"

int store_add_loss(struct store *store, const char *what, int64_t dropped, int64_t at_ms, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_ADD_LOSS,
                      "INSERT INTO loss_rows (what, dropped, last_at_ms) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (what) DO UPDATE SET dropped = dropped + excluded.dropped, "
                      "last_at_ms = excluded.last_at_ms",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, what);
    store_bind_int(statement, 2, dropped);
    store_bind_int(statement, 3, at_ms);
    return store_run(store, statement, "count what was not taken", err);
}
