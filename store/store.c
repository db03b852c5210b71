/*
 * store.c - the state file's one writing connection: open and check, settings, transactions, errors.
 *
 * Order of store_open: folders, file, lock, then SQLite; nothing is changed in a file before it is known to
 * be ours. WAL with synchronous=FULL: a commit that returned is on disk. Only this connection writes and
 * checkpoints, and no memory mapping is used, because SQLite before 3.51.3 can damage a WAL file when two
 * connections do (sqlite.org/wal.html, "WAL-reset bug"). A failed commit leaves unknown what is on disk (a
 * repeated fsync may lie), so the store then refuses everything: the process must end and read the file anew
 * (renew_log.c).
 * Rows are the business of launches.c, history.c and limits.c; the file's size of upkeep.c, its soundness of
 * check.c; reading for people of query.c, copies of backup.c.
 */
#include "store/store.h"

#include "base/kill_point.h"
#include "store/files.h"
#include "store/store_internal.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A reader never blocks us in WAL; this is for a person who writes with the sqlite3 shell. */
#define BUSY_TIMEOUT_MS 2000

char *store_sqlite_file(const char *path)
{
    return path[0] == '/' ? check_strdup(path) : check_printf("./%s", path);
}

static enum err_kind kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_PARSE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CONSTRAINT:
        return ERR_CONFLICT;
    case SQLITE_TOOBIG:
        return ERR_LIMIT;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return ERR_INVALID;
    default:
        return ERR_IO;
    }
}

static const char *way_out(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOTADB:
        return "; it is not a sluice state file: name another one with --state";
    case SQLITE_CORRUPT:
        return "; the file is damaged: sluice sets it aside and begins anew";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program keeps it locked: look at it with sqlite3 -readonly only";
    case SQLITE_FULL:
        return "; make room on its disk";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return "; the file and its folder must be writable for this user";
    default:
        return "";
    }
}

int store_fail(sqlite3 *db, int rc, const char *path, const char *doing, struct err *err)
{
    CHECK_MEMORY((rc & 0xff) != SQLITE_NOMEM && rc != SQLITE_IOERR_NOMEM);
    const char *message =
        db != NULL && sqlite3_errcode(db) != SQLITE_OK ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    err_set(err, kind_of(rc), "can't %s in %s: %s%s", doing, path, message, way_out(rc));
    if (db != NULL && err->kind == ERR_IO)
        err->sys = sqlite3_system_errno(db);
    return -1;
}

int store_fail_with(struct store *store, int rc, const char *doing, struct err *err)
{
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB)
        store->is_damaged = true;
    return store_fail(store->db, rc, store->path, doing, err);
}

static int set_up(struct store *store, struct err *err)
{
    /* auto_vacuum counts only before the first page is written, or for store_compact: pages are given back
     * when we say so (store_shrink), not at each commit, since freed pages are used again. secure_delete:
     * there is nothing secret to wipe. */
    static const char settings[] = "PRAGMA auto_vacuum = INCREMENTAL;"
                                   "PRAGMA mmap_size = 0;"
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = FULL;"
                                   "PRAGMA foreign_keys = ON;"
                                   "PRAGMA trusted_schema = OFF;"
                                   "PRAGMA secure_delete = OFF;"
                                   "PRAGMA journal_size_limit = 16777216;"
                                   "PRAGMA cache_size = -1024";
    int rc = sqlite3_exec(store->db, settings, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store->db, rc, store->path, "set up the connection", err);
    sqlite3_stmt *statement = NULL;
    rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode", -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store->db, rc, store->path, "read the journal mode", err);
    bool is_wal = sqlite3_step(statement) == SQLITE_ROW &&
                  strcmp((const char *)sqlite3_column_text(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    if (!is_wal)
        return err_set(
            err, ERR_IO,
            "the state file %s can't use a write-ahead log where it is: put it on a local disk with "
            "--state",
            store->path);
    return 0;
}

/* A migration may sort a million rows, which is for a file: no cheaper memory than that. Afterwards nothing
 * large is sorted. */
static int keep_temporary_in_memory(struct store *store, struct err *err)
{
    int rc = sqlite3_exec(store->db, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(store->db, rc, store->path, "set up the connection", err);
}

static int open_database(struct store *store, const struct migration *list, size_t count, struct err *err)
{
    CHECK(count > 0 && count < INT_MAX);
    int rc = sqlite3_open_v2(store->file, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store->db, rc, store->path, "open the state file", err);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    /* Closing must not write into a file that turns out to be another program's. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int version = 0;
    if (migrate_check(store->db, store->path, (int)count, &version, err) != 0 || store_check(store, err) != 0)
        return -1;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (files_keep_private(store->path, err) != 0 || set_up(store, err) != 0 ||
        store_renew_log(store, err) != 0)
        return -1;
    store->is_new = version == 0;
    if (version == (int)count)
        return keep_temporary_in_memory(store, err);
    if (migrate_apply(store->db, store->path, list, count, err) != 0)
        return -1;
    /* From now on the file itself says that it is ours, and not only its log. */
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return keep_temporary_in_memory(store, err);
}

/* The file, and the lock that keeps it ours until the store is closed. */
static int take_file(const char *path, const struct clock *clock, struct store *store, struct err *err)
{
    store->lock_fd = -1;
    store->clock = clock;
    store->path = check_strdup(path);
    store->file = store_sqlite_file(path);
    if (sqlite3_libversion_number() < 3040000)
        return err_set(err, ERR_INVALID, "SQLite %s is too old: sluice needs 3.40 or newer",
                       sqlite3_libversion());
    if (files_make_folders(path, err) != 0 || files_create(path, err) != 0 ||
        files_lock_path(path, &store->lock_path, err) != 0)
        return -1;
    return files_lock(store->lock_path, path, clock, &store->lock_fd, err);
}

int store_open_list(const char *path, const struct clock *clock, const struct migration *list, size_t count,
                    struct store **out, struct err *err)
{
    store_use_memory();
    struct store *store = check_alloc(sizeof(*store));
    if (take_file(path, clock, store, err) != 0 || files_check_begin(path, err) != 0 ||
        open_database(store, list, count, err) != 0) {
        store->is_damaged = false;
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

static bool forget_launch(void *arg, struct launch *take_launch)
{
    (void)arg;
    launch_free(take_launch);
    return true;
}

/* Open it, and see that every row can be read: what is wrong shows before anything is done upon it. */
static int open_whole(struct store *store, struct err *err)
{
    if (files_is_cut(store->path))
        return err_set(err, ERR_PARSE, "the state file %s is empty, and its log is not", store->path);
    if (files_check_begin(store->path, err) != 0 ||
        open_database(store, migrate_list, migrate_list_count, err) != 0 ||
        store_clear_pending(store, err) != 0)
        return -1;
    return store_load_launches(store, forget_launch, NULL, err);
}

static void close_database(struct store *store)
{
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    if (store->db == NULL)
        return;
    if (store->is_damaged)
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_get_autocommit(store->db) == 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    /* The last connection to close checkpoints by itself and removes the log. With a reader still there it
     * would not, so that the file would need its log to be complete. */
    int is_left_alone = 0;
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, -1, &is_left_alone);
    if (!is_left_alone)
        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    CHECK(sqlite3_close(store->db) == SQLITE_OK);
    store->db = NULL;
}

/* The lock lies beside the file itself, links followed. */
static char *real_path(const struct store *store)
{
    size_t len = strlen(store->lock_path) - strlen(FILES_LOCK_SUFFIX);
    return check_printf("%.*s", (int)len, store->lock_path);
}

/* A damaged file of ours makes room for a new one; any other stays as it is, and err with it. */
static int begin_anew(struct store *store, struct err *err)
{
    char *AUTO_FREE path = real_path(store);
    if (err->kind != ERR_PARSE || !(files_is_ours(path) || files_is_cut(path)))
        return -1;
    store->aside_why = check_strdup(err->msg);
    store->is_damaged = true;
    close_database(store);
    store->is_damaged = false;
    if (files_set_aside(path, store->clock, &store->aside_path, err) != 0 || files_create(path, err) != 0)
        return -1;
    return open_whole(store, err);
}

int store_open(const char *path, const struct clock *clock, struct store **out, struct err *err)
{
    struct store *store = check_alloc(sizeof(*store));
    int result = take_file(path, clock, store, err);
    if (result == 0 && open_whole(store, err) != 0)
        result = begin_anew(store, err);
    if (result != 0) {
        store->is_damaged = false;
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    close_database(store);
    if (store->is_damaged) {
        struct err ignored; /* the next start finds the damage, or meets it again */
        char *AUTO_FREE path = real_path(store);
        char *AUTO_FREE aside = NULL;
        if (files_is_ours(path) && files_set_aside(path, store->clock, &aside, &ignored) != 0)
            CHECK(aside == NULL);
    }
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    free(store->aside_path);
    free(store->aside_why);
    free(store->lock_path);
    free(store->file);
    free(store->path);
    free(store);
}

bool store_is_new(const struct store *store)
{
    return store->is_new;
}

const char *store_set_aside(const struct store *store, const char **why)
{
    *why = store->aside_why;
    return store->aside_path;
}

const char *store_path(const struct store *store)
{
    return store->path;
}

int store_prepare(struct store *store, enum store_statement which, const char *sql, sqlite3_stmt **out,
                  struct err *err)
{
    sqlite3_stmt **cached = &store->statements[which];
    if (*cached == NULL) {
        int rc = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, cached, NULL);
        if (rc != SQLITE_OK)
            return store_fail_with(store, rc, "prepare a statement", err);
    }
    *out = *cached;
    return 0;
}

int store_run(struct store *store, sqlite3_stmt *statement, const char *doing, struct err *err)
{
    int rc = sqlite3_step(statement);
    CHECK(rc != SQLITE_ROW);
    int result = rc == SQLITE_DONE ? 0 : store_fail_with(store, rc, doing, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result;
}

/* Binding fails only for a wrong index, a statement that runs, or no memory: all end the process. */
void store_bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    CHECK(sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC) == SQLITE_OK);
}

void store_bind_int(sqlite3_stmt *statement, int index, int64_t value)
{
    CHECK(sqlite3_bind_int64(statement, index, value) == SQLITE_OK);
}

static int run_word(struct store *store, enum store_statement which, const char *sql, const char *doing,
                    struct err *err)
{
    sqlite3_stmt *statement = NULL;
    if (store_prepare(store, which, sql, &statement, err) != 0)
        return -1;
    return store_run(store, statement, doing, err);
}

int store_begin(struct store *store, struct err *err)
{
    if (store->is_failed)
        return err_set(
            err, ERR_IO,
            "an earlier commit to %s failed, so what it holds is not known: start again to read it",
            store->path);
    if (store->is_begun)
        return 0;
    /* IMMEDIATE: a lock that somebody else holds shows here and not in the middle of the saves. */
    if (run_word(store, STORE_BEGIN, "BEGIN IMMEDIATE", "begin a transaction", err) != 0)
        return -1;
    store->is_begun = true;
    return 0;
}

static void roll_back(struct store *store)
{
    struct err ignored;
    /* SQLite has rolled back by itself after some errors (full disk, I/O). */
    if (sqlite3_get_autocommit(store->db) == 0 &&
        run_word(store, STORE_ROLLBACK, "ROLLBACK", "roll back", &ignored) != 0)
        store->is_failed = true;
    store->is_begun = false;
}

int store_commit(struct store *store, struct err *err)
{
    CHECK(store->is_begun);
    KILL_POINT(save_before);
    /* A transaction that SQLite has given up meanwhile must not pass for one that was committed. */
    if (sqlite3_get_autocommit(store->db) != 0) {
        store->is_begun = false;
        store->is_failed = true;
        return err_set(err, ERR_IO, "a save in %s failed and took its transaction along", store->path);
    }
    if (run_word(store, STORE_COMMIT, "COMMIT", "commit", err) != 0) {
        roll_back(store);
        store->is_failed = true;
        return -1;
    }
    store->is_begun = false;
    KILL_POINT(save_after);
    return 0;
}

bool store_is_begun(const struct store *store)
{
    return store->is_begun;
}

int store_enter(struct store *store, bool *began, struct err *err)
{
    bool was_begun = store->is_begun;
    if (store_begin(store, err) != 0)
        return -1;
    *began = !was_begun;
    return 0;
}

int store_leave(struct store *store, bool began, int result, struct err *err)
{
    if (!began)
        return result;
    if (result == 0)
        return store_commit(store, err);
    roll_back(store);
    return result;
}
