/*
 * check.c - is the file whole? Read once at the start, so that damage is found before it is acted upon.
 */
#include "store/store_internal.h"

#include <string.h>

/* Larger files would delay the start by seconds; there SQLite still reports a damaged page when it meets it.
 */
#define QUICK_CHECK_MAX_PAGES 16384
#define PIECE_BYTES (64 * 1024)

/* A page that could not be read is told among the damages, in these words (btree.c of SQLite 3.40). It says
 * nothing about what the file holds. */
static bool is_read_error(const char *found)
{
    static const char code[] = "error code=";
    const char *at = strstr(found, code);
    long rc = at == NULL ? 0 : strtol(at + strlen(code), NULL, 10) & 0xff;
    return strstr(found, "failed to get page") != NULL ||
           (at != NULL && rc != SQLITE_CORRUPT && rc != SQLITE_NOTADB);
}

/* Said of a page of the pointer map that could not be read, and of one that holds what can't be. */
static bool is_ambiguous(const char *found)
{
    return strstr(found, "Failed to read ptrmap") != NULL;
}

/* SQLite's result of reading all of a file; OK for one that is not open. */
static int read_through(sqlite3_file *file)
{
    sqlite3_int64 len = 0;
    if (file == NULL || file->pMethods == NULL)
        return SQLITE_OK;
    void *AUTO_FREE piece = check_alloc(PIECE_BYTES);
    int rc = file->pMethods->xFileSize(file, &len);
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < len; at += PIECE_BYTES)
        rc = file->pMethods->xRead(file, piece, (int)(len - at < PIECE_BYTES ? len - at : PIECE_BYTES), at);
    return rc;
}

static int read_all(struct store *store)
{
    static const int which[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < ARRAY_LEN(which); i++) {
        sqlite3_file *file = NULL;
        rc = sqlite3_file_control(store->db, "main", which[i], &file);
        if (rc == SQLITE_OK)
            rc = read_through(file);
    }
    return rc;
}

static int check_once(struct store *store, bool *ambiguous, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db,
                                "SELECT quick_check FROM pragma_page_count AS p, pragma_quick_check(1) "
                                "WHERE p.page_count <= ?1",
                                -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store->db, rc, store->path, "check the state file", err);
    store_bind_int(statement, 1, QUICK_CHECK_MAX_PAGES);
    rc = sqlite3_step(statement);
    int result = 0;
    const char *found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "ok";
    *ambiguous = is_ambiguous(found);
    if (is_read_error(found))
        result = store_fail(NULL, SQLITE_IOERR_READ, store->path, "read all", err);
    else if (strcmp(found, "ok") != 0)
        result = store_fail(NULL, SQLITE_CORRUPT, store->path, "rely on what is", err);
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        result = store_fail(store->db, rc, store->path, "check the state file", err);
    sqlite3_finalize(statement);
    return result;
}

int store_check(struct store *store, struct err *err)
{
    bool ambiguous = false;
    int result = check_once(store, &ambiguous, err);
    if (result == 0 || !ambiguous)
        return result;
    int rc = read_all(store);
    if (rc != SQLITE_OK)
        return store_fail(NULL, rc, store->path, "read all", err);
    /* All can be read now: what is said again is damage. */
    return check_once(store, &ambiguous, err);
}
