/*
 * launches.c - struct launch as a row.
 *
 * One table lists every column with its place in the struct; saving and loading both walk it, so neither can
 * forget a field. What run.h calls "not stored" means nothing to another process. run.pending is stored as a
 * word for the views only, never loaded, and cleared at open, when no request of ours is out.
 */
#include "store/store_internal.h"

#include "base/buf.h"
#include "base/kill_point.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum column_kind {
    COLUMN_ID,
    COLUMN_TEXT,
    COLUMN_INT32,
    COLUMN_INT64,
    COLUMN_BOOL,
    COLUMN_STATE,
    COLUMN_VERDICT
};

struct column {
    const char *name;
    enum column_kind kind;
    size_t offset; /* in struct launch */
    size_t size;   /* bytes of the member */
};

#define MEMBER(name, member, kind)                                                                           \
    {                                                                                                        \
        name, kind, offsetof(struct launch, member), sizeof(((struct launch *)NULL)->member)                 \
    }

/* launch_id comes first: it is the key of the upsert. */
static const struct column columns[] = {
    MEMBER("launch_id", launch_id, COLUMN_ID),
    MEMBER("flow_run_id", flow_run_id, COLUMN_ID),
    MEMBER("submit_id", submit_id, COLUMN_ID),
    MEMBER("report_id", report_id, COLUMN_ID),
    MEMBER("hand_back_id", hand_back_id, COLUMN_ID),
    MEMBER("deployment_id", deployment_id, COLUMN_ID),
    MEMBER("flow_id", flow_id, COLUMN_ID),
    MEMBER("work_queue_id", work_queue_id, COLUMN_ID),
    MEMBER("lease_id", lease_id, COLUMN_ID),
    MEMBER("container_id", container_id, COLUMN_ID),
    MEMBER("trace_parent", trace_parent, COLUMN_ID),
    MEMBER("run_name", run_name, COLUMN_TEXT),
    MEMBER("flow_name", flow_name, COLUMN_TEXT),
    MEMBER("deployment_name", deployment_name, COLUMN_TEXT),
    MEMBER("work_queue_name", work_queue_name, COLUMN_TEXT),
    MEMBER("class_name", class_name, COLUMN_TEXT),
    MEMBER("container_name", container_name, COLUMN_TEXT),
    MEMBER("image", image, COLUMN_TEXT),
    MEMBER("last_error", last_error, COLUMN_TEXT),
    MEMBER("limit_values", limit_values, COLUMN_TEXT),
    MEMBER("queue_priority", queue_priority, COLUMN_INT32),
    MEMBER("class_priority", class_priority, COLUMN_INT32),
    MEMBER("grace_ms", grace_ms, COLUMN_INT64),
    MEMBER("auto_remove", auto_remove, COLUMN_BOOL),
    MEMBER("stream_output", stream_output, COLUMN_BOOL),
    MEMBER("created_at_ms", created_at_ms, COLUMN_INT64),
    MEMBER("updated_at_ms", updated_at_ms, COLUMN_INT64),
    MEMBER("state", run.state, COLUMN_STATE),
    MEMBER("verdict", run.verdict, COLUMN_VERDICT),
    MEMBER("attempt", run.attempt, COLUMN_INT32),
    MEMBER("reach_tries", run.reach_tries, COLUMN_INT32),
    MEMBER("launch_tries", run.launch_tries, COLUMN_INT32),
    MEMBER("name_index", run.name_index, COLUMN_INT32),
    MEMBER("exit_code", run.exit_code, COLUMN_INT32),
    MEMBER("oom_killed", run.oom_killed, COLUMN_BOOL),
    MEMBER("has_claim", run.has_claim, COLUMN_BOOL),
    MEMBER("create_sent", run.create_sent, COLUMN_BOOL),
    MEMBER("has_container", run.has_container, COLUMN_BOOL),
    MEMBER("start_sent", run.start_sent, COLUMN_BOOL),
    MEMBER("is_retiring", run.is_retiring, COLUMN_BOOL),
    MEMBER("is_announced", run.is_announced, COLUMN_BOOL),
    MEMBER("has_repulled", run.has_repulled, COLUMN_BOOL),
    MEMBER("cancel_wanted", run.cancel_wanted, COLUMN_BOOL),
    MEMBER("park_wanted", run.park_wanted, COLUMN_BOOL),
    MEMBER("due_at_ms", run.due_at_ms, COLUMN_INT64),
    MEMBER("claimed_at_ms", run.claimed_at_ms, COLUMN_INT64),
    MEMBER("start_sent_at_ms", run.start_sent_at_ms, COLUMN_INT64),
    MEMBER("started_at_ms", run.started_at_ms, COLUMN_INT64),
    MEMBER("cancel_at_ms", run.cancel_at_ms, COLUMN_INT64),
    MEMBER("unreachable_since_ms", run.unreachable_since_ms, COLUMN_INT64),
    MEMBER("next_try_at_ms", run.next_try_at_ms, COLUMN_INT64),
    MEMBER("retrying_since_ms", run.retrying_since_ms, COLUMN_INT64),
    MEMBER("unsettled_until_ms", run.unsettled_until_ms, COLUMN_INT64),
    MEMBER("last_delay_ms", run.last_delay_ms, COLUMN_INT64),
};

#define SQL_MAX_BYTES 8192
/* No time and no duration is beyond. */
#define NUMBER_MAX (INT64_C(1) << 53)

/* As first saved: they never change, and their indexes would be written with every save. */
static bool is_kept(const struct column *column)
{
    return strcmp(column->name, "flow_run_id") == 0 || strcmp(column->name, "run_name") == 0;
}

/* The texts of the two statements; made once per connection. Both fit easily, so a failure is ours. */
static char *make_save_sql(void)
{
    struct buf sql;
    struct err err;
    buf_init(&sql, SQL_MAX_BYTES);
    CHECK(buf_add_str(&sql, "INSERT INTO launches (pending", &err) == 0);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        CHECK(buf_printf(&sql, &err, ", %s", columns[i].name) == 0);
    CHECK(buf_add_str(&sql, ") VALUES (?1", &err) == 0);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        CHECK(buf_printf(&sql, &err, ", ?%zu", i + 2) == 0);
    /* What was said about the wait was said about the state the row leaves. */
    CHECK(buf_add_str(&sql,
                      ") ON CONFLICT (launch_id) DO UPDATE SET pending = excluded.pending, waits_for = "
                      "CASE excluded.state WHEN launches.state THEN launches.waits_for ELSE '' END",
                      &err) == 0);
    for (size_t i = 1; i < ARRAY_LEN(columns); i++)
        if (!is_kept(&columns[i]))
            CHECK(buf_printf(&sql, &err, ", %s = excluded.%s", columns[i].name, columns[i].name) == 0);
    return buf_take(&sql);
}

static char *make_load_sql(void)
{
    struct buf sql;
    struct err err;
    buf_init(&sql, SQL_MAX_BYTES);
    CHECK(buf_add_str(&sql, "SELECT launch_key", &err) == 0);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        CHECK(buf_printf(&sql, &err, ", %s", columns[i].name) == 0);
    /* In their order without sorting whole rows, and without a walk over a million finished ones, which
     * SQLite would prefer to that. */
    CHECK(buf_add_str(&sql,
                      " FROM launches WHERE launch_key IN (SELECT launch_key FROM launches INDEXED BY "
                      "launches_open WHERE state <> 'FINISHED') ORDER BY launch_key",
                      &err) == 0);
    return buf_take(&sql);
}

static void bind_column(sqlite3_stmt *statement, int index, const struct column *column,
                        const struct launch *launch)
{
    const void *member = (const char *)launch + column->offset;
    switch (column->kind) {
    case COLUMN_ID:
        store_bind_text(statement, index, member);
        break;
    case COLUMN_TEXT:
        store_bind_text(statement, index, *(char *const *)member);
        break;
    case COLUMN_INT32:
        store_bind_int(statement, index, *(const int32_t *)member);
        break;
    case COLUMN_INT64:
        store_bind_int(statement, index, *(const int64_t *)member);
        break;
    case COLUMN_BOOL:
        store_bind_int(statement, index, *(const bool *)member ? 1 : 0);
        break;
    case COLUMN_STATE:
        store_bind_text(statement, index, run_state_name(*(const enum run_state *)member));
        break;
    case COLUMN_VERDICT:
        store_bind_text(statement, index, run_verdict_name(*(const enum run_verdict *)member));
        break;
    }
}

int store_save_launch(struct store *store, const struct launch *launch, struct err *err)
{
    CHECK(store->is_begun);
    CHECK(launch->launch_id[0] != '\0');
    char *AUTO_FREE sql = store->statements[STORE_SAVE_LAUNCH] == NULL ? make_save_sql() : NULL;
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_LAUNCH, sql, &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, run_action_name(launch->run.pending));
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        bind_column(statement, (int)i + 2, &columns[i], launch);
    KILL_POINT(save_row);
    return store_run(store, statement, "save a launch", err);
}

/* UUIDs and container ids; printable, whoever drew them. */
static bool is_id(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p > '~')
            return false;
    }
    return true;
}

/* Every value of the kind "number" is a time, a duration or a count. */
static bool is_number(const struct column *column, int64_t number)
{
    switch (column->kind) {
    case COLUMN_BOOL:
        return number == 0 || number == 1;
    case COLUMN_INT32:
        return number >= INT32_MIN && number <= INT32_MAX;
    case COLUMN_INT64:
        return number >= -NUMBER_MAX && number <= NUMBER_MAX;
    case COLUMN_ID:
    case COLUMN_TEXT:
    case COLUMN_STATE:
    case COLUMN_VERDICT:
        break;
    }
    return false;
}

static bool read_number(int64_t number, const struct column *column, void *member)
{
    if (!is_number(column, number))
        return false;
    if (column->kind == COLUMN_BOOL)
        *(bool *)member = number != 0;
    else if (column->kind == COLUMN_INT32)
        *(int32_t *)member = (int32_t)number;
    else
        *(int64_t *)member = number;
    return true;
}

static bool read_text(const char *text, const struct column *column, void *member)
{
    int word;
    switch (column->kind) {
    case COLUMN_ID:
        if (strlen(text) >= column->size || !is_id(text))
            return false;
        snprintf(member, column->size, "%s", text);
        return true;
    case COLUMN_TEXT:
        launch_set_text(member, text);
        return true;
    case COLUMN_STATE:
        word = run_state_from_name(text);
        *(enum run_state *)member = (enum run_state)word;
        return word >= 0;
    case COLUMN_VERDICT:
        word = run_verdict_from_name(text);
        *(enum run_verdict *)member = (enum run_verdict)word;
        return word >= 0;
    case COLUMN_INT32:
    case COLUMN_INT64:
    case COLUMN_BOOL:
        break;
    }
    return false;
}

/* Read one value; false if the row holds what this program can't have written. SQLite keeps no checksum of
 * what is in a page, so this is what tells a row that rotted. */
static bool read_column(sqlite3_stmt *statement, int index, const struct column *column,
                        struct launch *launch)
{
    void *member = (char *)launch + column->offset;
    switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
        return read_number(sqlite3_column_int64(statement, index), column, member);
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, index);
        return text != NULL && strlen(text) == (size_t)sqlite3_column_bytes(statement, index) &&
               read_text(text, column, member);
    }
    default:
        return false;
    }
}

static struct launch *read_launch(struct store *store, sqlite3_stmt *statement, struct err *err)
{
    struct launch *launch = launch_new("", 0);
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        if (read_column(statement, (int)i + 1, &columns[i], launch))
            continue;
        err_set(err, ERR_PARSE, "row %lld of launches in %s has a %s that can't be",
                (long long)sqlite3_column_int64(statement, 0), store->path, columns[i].name);
        launch_free(launch);
        return NULL;
    }
    return launch;
}

int store_load_launches(struct store *store, store_launch_fn fn, void *arg, struct err *err)
{
    char *AUTO_FREE sql = store->statements[STORE_LOAD_LAUNCHES] == NULL ? make_load_sql() : NULL;
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_LOAD_LAUNCHES, sql, &statement, err) != 0)
        return -1;
    int rc;
    int result = 0;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct launch *launch = read_launch(store, statement, err);
        if (launch == NULL)
            result = -1;
        if (launch == NULL || !fn(arg, launch))
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        result = store_fail(store->db, rc, store->path, "load the launches", err);
    sqlite3_reset(statement);
    return result;
}

int store_save_wait(struct store *store, const char *launch_id, const char *waits_for, struct err *err)
{
    CHECK(store->is_begun);
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, STORE_SAVE_WAIT,
                      "UPDATE launches SET waits_for = ?2 WHERE launch_id = ?1 AND waits_for <> ?2",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, launch_id);
    store_bind_text(statement, 2, waits_for);
    return store_run(store, statement, "save what a launch waits for", err);
}

int store_clear_pending(struct store *store, struct err *err)
{
    int rc = sqlite3_exec(store->db,
                          "UPDATE launches SET pending = 'none', waits_for = '' WHERE state <> 'FINISHED' "
                          "AND (pending <> 'none' OR waits_for <> '')",
                          NULL, NULL, NULL);
    return rc == SQLITE_OK
               ? 0
               : store_fail(store->db, rc, store->path, "forget requests of the last process", err);
}

/* Step a statement of at most one row, and reset it. *number: its first column; 0: no row. */
static int read_one(struct store *store, sqlite3_stmt *statement, const char *doing, int64_t *number,
                    struct err *err)
{
    int rc = sqlite3_step(statement);
    int64_t found = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    int result =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(store->db, rc, store->path, doing, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (result == 0)
        *number = found;
    return result;
}

int store_last_change(struct store *store, const char *launch_id, int64_t *at_ms, struct err *err)
{
    sqlite3_stmt *statement;
    if (store_prepare(store, STORE_LAST_CHANGE, "SELECT updated_at_ms FROM launches WHERE launch_id = ?1",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, launch_id);
    return read_one(store, statement, "look for a launch", at_ms, err);
}

int store_has_ended(struct store *store, const char *flow_run_id, const char *container_id, bool *has_ended,
                    struct err *err)
{
    sqlite3_stmt *statement;
    int64_t found = 0;
    if (store_prepare(store, STORE_HAS_ENDED,
                      "SELECT 1 FROM launches WHERE flow_run_id = ?1 AND container_id = ?2 AND state = "
                      "'FINISHED' LIMIT 1",
                      &statement, err) != 0)
        return -1;
    store_bind_text(statement, 1, flow_run_id);
    store_bind_text(statement, 2, container_id);
    if (read_one(store, statement, "look for a container's launch", &found, err) != 0)
        return -1;
    *has_ended = found != 0;
    return 0;
}
