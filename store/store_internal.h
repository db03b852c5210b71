/*
 * store_internal.h - what the files of store/ share: the connection, its prepared statements, errors.
 */
#ifndef SLUICE_STORE_INTERNAL_H
#define SLUICE_STORE_INTERNAL_H

#include "store/migrate.h"
#include "store/store.h"

#include <sqlite3.h>

/* One per operation; the SQL stands beside the function that uses it. */
enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_SAVE_LAUNCH,
    STORE_LOAD_LAUNCHES,
    STORE_SAVE_WAIT,
    STORE_ADD_TRANSITION,
    STORE_ADD_ATTEMPT,
    STORE_SIZE,
    STORE_OLDEST_FINISHED,
    STORE_TRIM_HISTORY,
    STORE_TRIM_ATTEMPTS,
    STORE_TRIM_LAUNCH,
    STORE_LOOSE_END,
    STORE_TRIM_LOOSE,
    STORE_SAVE_BUCKET,
    STORE_LOAD_BUCKET,
    STORE_LAST_CHANGE,
    STORE_HAS_ENDED,
    STORE_CLEAR_CLASSES,
    STORE_ADD_CLASS,
    STORE_SAVE_AGEING,
    STORE_CLEAR_LIMITS,
    STORE_ADD_LIMIT,
    STORE_SAVE_LEARNED,
    STORE_LOAD_LEARNED,
    STORE_FORGET_LEARNED,
    STORE_SAVE_HOLD,
    STORE_CLEAR_HOLD,
    STORE_KEEP_HOLD,
    STORE_LOAD_HOLD,
    STORE_ADD_LOSS,
    STORE_SAVE_ALERT,
    STORE_LOAD_ALERTS,
    STORE_SAVE_BURN,
    STORE_LOAD_BURN,
};
#define STORE_STATEMENT_COUNT (STORE_LOAD_BURN + 1)

struct store {
    const struct clock *clock; /* borrowed */
    char *path;                /* as given; owned */
    char *file;                /* the same in a form SQLite can't take for a URI; owned */
    char *lock_path;           /* owned */
    int lock_fd;               /* holds the flock; -1: none */
    sqlite3 *db;               /* the one writing connection */
    bool is_begun;
    bool is_new;            /* nothing was in the file */
    bool is_damaged;        /* the file is set aside when it is closed */
    char *aside_path;       /* where a damaged file went, owned; NULL: none did */
    char *aside_why;        /* a sentence, owned; NULL */
    bool is_failed;         /* a commit failed: what is on disk is not known, so nothing more is written */
    int64_t loose_from_key; /* store_trim looked at the attempts up to this one */
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT]; /* NULL until first used */
};

/* store_open_list - store_open with a list of migrations of the test's choice; sets nothing aside and reads
 * no row. */
int store_open_list(const char *path, const struct clock *clock, const struct migration *list, size_t count,
                    struct store **out, struct err *err) MUST_CHECK;

/* store_use_memory - SQLite ends the process when there is no memory (base/check.h). To be called before
 * SQLite is used; without effect after that, and when called again. */
void store_use_memory(void);

/* store_sqlite_file - the name to give to SQLite: a path that can't be read as "file:..." or ":memory:". */
char *store_sqlite_file(const char *path) __attribute__((returns_nonnull));

/* store_find_file - the state file somebody names is there. Errors: NOT_FOUND, INVALID (no ordinary file). */
int store_find_file(const char *path, struct err *err) MUST_CHECK;

/* store_fail - make an error from a SQLite result code. doing: "save a launch". Always returns -1. */
int store_fail(sqlite3 *db, int rc, const char *path, const char *doing, struct err *err);

/* store_fail_with - the same for a store, which then knows when its file is damaged. */
int store_fail_with(struct store *store, int rc, const char *doing, struct err *err);

/* store_prepare - the cached statement, reset, made from sql when first used. */
int store_prepare(struct store *store, enum store_statement which, const char *sql, sqlite3_stmt **out,
                  struct err *err) MUST_CHECK;

/* store_run - step a statement that returns no rows to its end, and reset it. doing: as in store_fail. */
int store_run(struct store *store, sqlite3_stmt *statement, const char *doing, struct err *err) MUST_CHECK;

/* Bind a text that is borrowed until the statement is reset; NULL binds NULL. */
void store_bind_text(sqlite3_stmt *statement, int index, const char *text);
void store_bind_int(sqlite3_stmt *statement, int index, int64_t value);

/* Begin a transaction unless the caller has; end the one that this call began: commit if result is 0, else
 * roll back. Returns result, or -1 if the commit failed. */
int store_enter(struct store *store, bool *began, struct err *err) MUST_CHECK;
int store_leave(struct store *store, bool began, int result, struct err *err) MUST_CHECK;

/* Write the log that the last process left once more, so that what is read from it can't go any more
 * (renew_log.c). */
int store_renew_log(struct store *store, struct err *err) MUST_CHECK;

/* Is the file whole, if it is small enough to be read at a start (check.c)? Errors: PARSE (damaged), IO
 * (could not be read, which says nothing about what it holds). */
int store_check(struct store *store, struct err *err) MUST_CHECK;

/* Forget requests that were out when the last process ended (launches.c). */
int store_clear_pending(struct store *store, struct err *err) MUST_CHECK;

#endif
