/*
 * files.c - folders, creation and lock of the state file, before SQLite sees it.
 *
 * SQLite makes files with the mode the umask leaves, so the file is made here first; its -wal and -shm take
 * the mode over from it. The lock is on a file of its own and not on the state file, because SQLite's own
 * locks are lost as soon as any descriptor of the state file is closed (POSIX advisory locks).
 */
#include "store/files.h"

#include "base/file_lock.h"
#include "base/kill_point.h"
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folder(const char *folder, struct err *err)
{
    if (mkdir(folder, 0700) == 0)
        return 0;
    int mkdir_errno = errno;
    struct stat st;
    if (mkdir_errno == EEXIST && stat(folder, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        mkdir_errno = ENOTDIR;
    }
    return err_sys(err, mkdir_errno,
                   "can't make the folder %s for the state file (--state names another place)", folder);
}

int files_make_folders(const char *path, struct err *err)
{
    char *AUTO_FREE folder = check_strdup(path);
    for (char *p = folder + 1; *folder != '\0' && *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (make_folder(folder, err) != 0)
            return -1;
        *p = '/';
    }
    return 0;
}

int files_sync_folder_of(const char *path, struct err *err)
{
    char *AUTO_FREE folder = check_strdup(path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    const char *name = slash == NULL ? "." : folder;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "can't open the folder %s of the state file", name);
    int result =
        fsync(fd) == 0 ? 0 : err_sys(err, errno, "can't write the folder %s of the state file", name);
    close(fd);
    return result;
}

int files_create(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        KILL_POINT(state_file_made);
        return files_sync_folder_of(path, err);
    }
    struct stat st;
    if (errno != EEXIST || stat(path, &st) != 0)
        return err_sys(err, errno, "can't make the state file %s (--state names another place)", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "the state file %s is no ordinary file: name another one with --state",
                       path);
    return 0;
}

/* The first bytes of every database; a whole one has at least one page of 512 bytes.
 * sqlite.org/fileformat.html */
#define DATABASE_MAGIC "SQLite format 3"
#define DATABASE_MIN_BYTES 512

int files_check_begin(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, errno, "can't read the state file %s", path);
    char begin[DATABASE_MIN_BYTES];
    ssize_t n = pread(fd, begin, sizeof(begin), 0);
    int result = 0;
    if (n < 0)
        result = err_sys(err, errno, "can't read the state file %s", path);
    else if (n > 0 && (n < DATABASE_MIN_BYTES || memcmp(begin, DATABASE_MAGIC, sizeof(DATABASE_MAGIC)) != 0))
        result =
            err_set(err, ERR_PARSE,
                    "%s is not a sluice state file but something else, or cut off: name another file with "
                    "--state, or move it away to begin anew",
                    path);
    close(fd);
    return result;
}

/* Offset of application_id in the header: four bytes, the highest first. */
#define DATABASE_ID_OFFSET 68

bool files_is_ours(const char *path)
{
    unsigned char header[DATABASE_ID_OFFSET + 4];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, header, sizeof(header), 0);
    close(fd);
    const unsigned char *id = header + DATABASE_ID_OFFSET;
    return n == (ssize_t)sizeof(header) && memcmp(header, DATABASE_MAGIC, sizeof(DATABASE_MAGIC)) == 0 &&
           ((uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3]) ==
               STORE_APPLICATION_ID;
}

bool files_is_cut(const char *path)
{
    struct stat file;
    struct stat log;
    char *AUTO_FREE log_path = check_printf("%s-wal", path);
    return stat(path, &file) == 0 && file.st_size == 0 && stat(log_path, &log) == 0 && log.st_size > 0;
}

/* "20260102T030405Z" */
static void stamp(const struct clock *clock, char text[static 20])
{
    char iso[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(clock), iso);
    size_t n = 0;
    for (const char *p = iso; *p != '\0' && *p != '.' && n < 15; p++)
        if (*p != '-' && *p != ':')
            text[n++] = *p;
    text[n++] = 'Z';
    text[n] = '\0';
}

/* A name that nothing has yet, for the file and for its log. */
static char *free_name(const char *path, const struct clock *clock)
{
    char text[20];
    stamp(clock, text);
    for (int i = 1;; i++) {
        char *name = i == 1 ? check_printf("%s.corrupt-%s", path, text)
                            : check_printf("%s.corrupt-%s-%d", path, text, i);
        char *AUTO_FREE log = check_printf("%s-wal", name);
        struct stat st;
        if (lstat(name, &st) != 0 && lstat(log, &st) != 0)
            return name;
        free(name);
    }
}

int files_set_aside(const char *path, const struct clock *clock, char **out, struct err *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    char *AUTO_FREE name = free_name(path, clock);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *AUTO_FREE from = check_printf("%s%s", path, suffixes[i]);
        char *AUTO_FREE to = check_printf("%s%s", name, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return err_sys(err, errno, "can't set the damaged state file aside: rename %s to %s", from, to);
    }
    if (files_sync_folder_of(path, err) != 0)
        return -1;
    *out = STEAL(name);
    return 0;
}

int files_keep_private(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_sys(err, errno, "can't look at the state file %s", path);
    if ((st.st_mode & 077) != 0 && chmod(path, 0600) != 0)
        return err_sys(err, errno, "can't take the rights of others away from the state file %s", path);
    return 0;
}

int files_lock_path(const char *path, char **out, struct err *err)
{
    char *AUTO_FREE real = realpath(path, NULL);
    if (real == NULL)
        return err_sys(err, errno, "can't find out where the state file %s lies", path);
    *out = check_printf("%s" FILES_LOCK_SUFFIX, real);
    return 0;
}

int files_lock(const char *lock_path, const char *state_path, const struct clock *clock, int *fd,
               struct err *err)
{
    char holder[FILE_LOCK_HOLDER_SIZE] = "";
    if (file_lock_take(lock_path, clock, fd, holder, err) == 0)
        return 0;
    if (err->kind != ERR_CONFLICT)
        return err_wrap(err, "the state file %s can't be held (--state names another place)", state_path);
    return err_set(
        err, ERR_CONFLICT,
        "another sluice%s%s holds the state file %s: give this one a name of its own with --name, or "
        "stop the other",
        *holder != '\0' ? " " : "", holder, state_path);
}
