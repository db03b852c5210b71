/*
 * alerts.c - the alerts as they are, and the windows they go by: one row each.
 */
#include "store/store_internal.h"

int store_save_alert(struct store *store, const struct store_alert *alert, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_ALERT,
                      "INSERT INTO alert_rows (name, severity, state, class_name, since_ms, changed_ms, "
                      "reason, delivery, sent_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) "
                      "ON CONFLICT (name, severity) DO UPDATE SET state = excluded.state, "
                      "class_name = excluded.class_name, since_ms = excluded.since_ms, "
                      "changed_ms = excluded.changed_ms, reason = excluded.reason, "
                      "delivery = excluded.delivery, sent_ms = excluded.sent_ms",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, alert->name);
    store_bind_text(statement, 2, alert->severity);
    store_bind_text(statement, 3, alert->state);
    store_bind_text(statement, 4, alert->class_name);
    store_bind_int(statement, 5, alert->since_ms);
    store_bind_int(statement, 6, alert->changed_ms);
    store_bind_text(statement, 7, alert->reason);
    store_bind_text(statement, 8, alert->delivery);
    store_bind_int(statement, 9, alert->sent_ms);
    return store_run(store, statement, "save an alert", err);
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
    return (const char *)sqlite3_column_text(statement, column);
}

int store_load_alerts(struct store *store, store_alert_fn fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOAD_ALERTS,
                      "SELECT name, severity, state, class_name, since_ms, changed_ms, reason, delivery, "
                      "sent_ms FROM alert_rows",
                      &statement, err) != 0)
        return -1;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        fn(arg, &(struct store_alert){.name = text_of(statement, 0),
                                      .severity = text_of(statement, 1),
                                      .state = text_of(statement, 2),
                                      .class_name = text_of(statement, 3),
                                      .since_ms = sqlite3_column_int64(statement, 4),
                                      .changed_ms = sqlite3_column_int64(statement, 5),
                                      .reason = text_of(statement, 6),
                                      .delivery = text_of(statement, 7),
                                      .sent_ms = sqlite3_column_int64(statement, 8)});
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : store_fail_with(store, rc, "load the alerts", err);
}

int store_save_burn(struct store *store, const char *name, const char *windows, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_BURN,
                      "INSERT INTO burn_rows (name, windows, saved_ms) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (name) DO UPDATE SET windows = excluded.windows, "
                      "saved_ms = excluded.saved_ms",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    store_bind_text(statement, 2, windows);
    store_bind_int(statement, 3, clock_wall_ms(store->clock));
    return store_run(store, statement, "save what alerts go by", err);
}

int store_load_burn(struct store *store, const char *name, char **windows, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOAD_BURN, "SELECT windows FROM burn_rows WHERE name = ?1", &statement,
                      err) != 0)
        return -1;
    store_bind_text(statement, 1, name);
    int rc = sqlite3_step(statement);
    char *found = rc == SQLITE_ROW ? check_strdup(text_of(statement, 0)) : NULL;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return store_fail_with(store, rc, "load what alerts go by", err);
    *windows = found;
    return 0;
}
