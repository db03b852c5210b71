/*
 * backup.c - a copy of a state file as of one commit, made beside a service that goes on writing.
 *
 * The source is read within one transaction, so that every page is of the same commit; a writer is not held
 * up by it, only its log isn't emptied meanwhile. SQLite's backup copies page by page. Each step would take
 * a new look at the source, and begin anew when it has changed: hence the transaction around all of them.
 *
 * Until it is whole the copy is TO.partial, held by a flock: what a killed backup left is told from what
 * another one is writing. Then it is read and checked, synced, renamed, and its folder synced.
 */
#include "store/files.h"
#include "store/store_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* 1 MiB: often enough to show how it goes, and to be stopped. */
#define STEP_PAGES 256
#define BUSY_TIMEOUT_MS 2000
/* Of SQLite's virtual machine: some milliseconds. */
#define CHECK_STEPS 100000
#define STOPPED "the backup was stopped; nothing is left of it"

struct backup {
    const char *path; /* of the state file */
    const char *to;
    char *partial;
    bool replace;
    store_progress_fn progress; /* NULL: none */
    void *arg;
};

/* ---- names ---- */

/* Over a database that is in use, or that needs its log, nothing may be put: the log would be applied to the
 * copy. */
static int check_target(const struct backup *b, struct err *err)
{
    struct stat to;
    struct stat from;
    struct stat log;
    char *AUTO_FREE log_path = check_printf("%s-wal", b->to);
    if (stat(log_path, &log) == 0 && log.st_size > 0)
        return err_set(err, ERR_CONFLICT, "%s is the log of a database in use: give the copy another name",
                       log_path);
    if (lstat(b->to, &to) != 0)
        return 0;
    if (stat(b->path, &from) == 0 && stat(b->to, &to) == 0 && from.st_dev == to.st_dev &&
        from.st_ino == to.st_ino)
        return err_set(err, ERR_CONFLICT, "%s is the state file itself: give the copy another name", b->to);
    if (lstat(b->to, &to) == 0 && !S_ISREG(to.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is no ordinary file: give the copy another name", b->to);
    return b->replace ? 0 : err_set(err, ERR_CONFLICT, "%s exists: give another name, or --force", b->to);
}

/* Nobody else has it, and it is what its name still means. */
static bool is_held(int fd, const char *path)
{
    struct stat held;
    struct stat named;
    return flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &held) == 0 && lstat(path, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* An empty file of our own. *fd keeps it ours; it must stay open as long as SQLite has the file open, whose
 * locks go with any descriptor of it. */
static int take_partial(const struct backup *b, int *out, struct err *err)
{
    struct stat st;
    int fd = open(b->partial, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, errno, "can't make %s", b->partial);
    if (!is_held(fd, b->partial)) {
        close(fd);
        return err_set(err, ERR_CONFLICT, "another backup is writing %s", b->partial);
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1) {
        close(fd);
        return err_set(err, ERR_CONFLICT, "%s is in the way, and not ours: remove it", b->partial);
    }
    if (ftruncate(fd, 0) != 0 || fchmod(fd, 0600) != 0) {
        int failed = errno;
        close(fd);
        return err_sys(err, failed, "can't begin %s anew", b->partial);
    }
    *out = fd;
    return 0;
}

static int give_name(const struct backup *b, struct err *err)
{
    int rc = renameat2(AT_FDCWD, b->partial, AT_FDCWD, b->to, b->replace ? 0 : RENAME_NOREPLACE);
    if (rc != 0 && errno == EINVAL) /* a file system without it: what check_target saw must do */
        rc = rename(b->partial, b->to);
    if (rc != 0 && errno == EEXIST)
        return err_set(err, ERR_CONFLICT, "%s exists: give another name, or --force", b->to);
    if (rc != 0)
        return err_sys(err, errno, "can't rename %s to %s", b->partial, b->to);
    return files_sync_folder_of(b->to, err);
}

/* ---- pages ---- */

static int run(sqlite3 *db, const char *path, const char *sql, const char *doing, struct err *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(db, rc, path, doing, err);
}

static int copy_pages(const struct backup *b, sqlite3 *from, sqlite3 *to, struct err *err)
{
    sqlite3_backup *pages = sqlite3_backup_init(to, "main", from, "main");
    if (pages == NULL)
        return store_fail(to, sqlite3_errcode(to), b->partial, "begin a copy", err);
    int rc;
    bool goes_on = true;
    do {
        rc = sqlite3_backup_step(pages, STEP_PAGES);
        int64_t total = sqlite3_backup_pagecount(pages);
        if (b->progress != NULL && (rc == SQLITE_OK || rc == SQLITE_DONE))
            goes_on = b->progress(b->arg, total - sqlite3_backup_remaining(pages), total);
    } while (rc == SQLITE_OK && goes_on);
    int finished = sqlite3_backup_finish(pages);
    if (!goes_on)
        return err_set(err, ERR_IO, STOPPED);
    if (rc == SQLITE_DONE && finished == SQLITE_OK)
        return 0;
    return store_fail(to, finished != SQLITE_OK ? finished : rc, b->partial, "copy the state file", err);
}

/* One look at the source, for all pages. */
static int copy_commit(const struct backup *b, sqlite3 *from, sqlite3 *to, struct err *err)
{
    int version = 0;
    sqlite3_busy_timeout(from, BUSY_TIMEOUT_MS);
    if (run(from, b->path, "BEGIN", "read", err) != 0 ||
        migrate_check(from, b->path, (int)migrate_list_count, &version, err) != 0)
        return -1;
    if (version == 0)
        return err_set(err, ERR_PARSE, "%s is not a sluice state file: it is empty", b->path);
    /* The copy needs no way back, but its last commit syncs it. */
    if (run(to, b->partial, "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL", "set up the copy", err) !=
        0)
        return -1;
    return copy_pages(b, from, to, err);
}

static int copy(const struct backup *b, struct err *err)
{
    char *AUTO_FREE from_file = store_sqlite_file(b->path);
    char *AUTO_FREE to_file = store_sqlite_file(b->partial);
    sqlite3 *from = NULL;
    sqlite3 *to = NULL;
    int result;
    int rc = sqlite3_open_v2(from_file, &from, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        result = store_fail(from, rc, b->path, "open the state file", err);
    else if ((rc = sqlite3_open_v2(to_file, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)) !=
             SQLITE_OK)
        result = store_fail(to, rc, b->partial, "open the copy", err);
    else
        result = copy_commit(b, from, to, err);
    CHECK(sqlite3_close(to) == SQLITE_OK);
    CHECK(sqlite3_close(from) == SQLITE_OK);
    return result;
}

/* ---- the check ---- */

/* "file:...?immutable=1": SQLite then makes no log and no index beside the copy. */
static char *immutable_name(const char *path)
{
    static const char digits[] = "0123456789abcdef";
    char *AUTO_FREE encoded = check_alloc(3 * strlen(path) + 1);
    char *end = encoded;
    for (const char *p = path; *p != '\0'; p++) {
        unsigned char byte = (unsigned char)*p;
        if (isalnum(byte) || byte == '/') {
            *end++ = *p;
            continue;
        }
        *end++ = '%';
        *end++ = digits[byte >> 4];
        *end++ = digits[byte & 15];
    }
    *end = '\0';
    return check_printf("file:%s%s?immutable=1", path[0] == '/' ? "" : "./", encoded);
}

/* A check of gigabytes takes minutes: it can be stopped, too. */
static int on_check(void *arg)
{
    const struct backup *b = arg;
    return b->progress != NULL && !b->progress(b->arg, 1, 1) ? 1 : 0;
}

static int read_check(struct backup *b, sqlite3 *db, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    sqlite3_progress_handler(db, CHECK_STEPS, on_check, b);
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return store_fail(db, rc, b->partial, "check the copy", err);
    rc = sqlite3_step(statement);
    const char *found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    int result = 0;
    if (rc == SQLITE_INTERRUPT)
        result = err_set(err, ERR_IO, STOPPED);
    else if (found == NULL)
        result = store_fail(db, rc, b->partial, "check the copy", err);
    else if (strcmp(found, "ok") != 0)
        result = err_set(err, ERR_PARSE, "the copy of %s is damaged, and probably the file: %.200s", b->path,
                         found);
    sqlite3_finalize(statement);
    return result;
}

static int check_copy(struct backup *b, struct err *err)
{
    char *AUTO_FREE name = immutable_name(b->partial);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
    int result =
        rc == SQLITE_OK ? read_check(b, db, err) : store_fail(db, rc, b->partial, "open the copy", err);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return result;
}

int store_backup(const char *path, const char *to, bool replace, store_progress_fn progress, void *arg,
                 struct err *err)
{
    char *AUTO_FREE partial = check_printf("%s.partial", to);
    struct backup b = {
        .path = path, .to = to, .partial = partial, .replace = replace, .progress = progress, .arg = arg};
    int fd = -1;
    store_use_memory();
    if (store_find_file(path, err) != 0 || check_target(&b, err) != 0 || take_partial(&b, &fd, err) != 0)
        return -1;
    int result = copy(&b, err);
    if (result == 0)
        result = check_copy(&b, err);
    if (result == 0 && fsync(fd) != 0)
        result = err_sys(err, errno, "can't write %s", partial);
    if (result == 0)
        result = give_name(&b, err);
    if (result != 0)
        unlink(partial);
    close(fd);
    return result;
}
