/*
 * renew_log.c - what is read at the start is made durable before anything is done upon it.
 *
 * When a sync fails, the kernel forgets that the pages are not on the disk, and goes on to show them: the
 * next process reads a commit that a loss of power takes away again, together with all later ones, since a
 * log is read up to its first hole. A second sync doesn't help, it has nothing to write. So a log that a
 * process left behind is written once more, byte for byte in its place, and then synced. Pages of the
 * database itself need no such care: the log is not given up before their sync went well.
 */
#include "store/store_internal.h"

/* The most that SQLite itself ever writes at once: the unix VFS takes no more than 128 KiB. */
#define PIECE_BYTES (64 * 1024)

static int rewrite(sqlite3_file *log, void *piece)
{
    sqlite3_int64 len = 0;
    int rc = log->pMethods->xFileSize(log, &len);
    for (sqlite3_int64 at = 0; rc == SQLITE_OK && at < len;) {
        int n = (int)(len - at < PIECE_BYTES ? len - at : PIECE_BYTES);
        rc = log->pMethods->xRead(log, piece, n, at);
        if (rc == SQLITE_OK)
            rc = log->pMethods->xWrite(log, piece, n, at);
        at += n;
    }
    return rc == SQLITE_OK && len > 0 ? log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) : rc;
}

int store_renew_log(struct store *store, struct err *err)
{
    sqlite3_file *log = NULL;
    /* With the write lock nobody else appends to the log or begins it anew. */
    int rc = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return store_fail(store->db, rc, store->path, "begin a transaction", err);
    rc = sqlite3_file_control(store->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    CHECK(rc == SQLITE_OK && log != NULL);
    if (log->pMethods != NULL) {
        void *AUTO_FREE piece = check_alloc(PIECE_BYTES);
        rc = rewrite(log, piece);
    }
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(NULL, rc, store->path, "make the log durable", err);
}
