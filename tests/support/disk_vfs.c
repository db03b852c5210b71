/*
 * disk_vfs.c - the failing disk as SQLite sees it: the tables of functions of sqlite3_vfs and
 * sqlite3_io_methods (sqlite.org/c3ref/io_methods.html). Result codes are those of the unix VFS for the same
 * mishap.
 */
#include "tests/support/disk_internal.h"

#include "base/check.h"

#include <string.h>
#include <sys/stat.h>

static struct disk *disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* ---- open files ---- */

static bool begin(struct disk_handle *handle, enum disk_operation operation, bool grows,
                  enum disk_fault *fault)
{
    *fault = DISK_FAULT_NONE;
    return disk_handle_lives(handle) && disk_begin(handle->disk, handle->file, operation, grows, fault);
}

static int on_close(sqlite3_file *base)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    struct disk_file *file = handle->file;
    disk_unlock(base, SQLITE_LOCK_NONE);
    disk_shm_unmap(base, 0);
    handle->disk->open--;
    file->handles--;
    if (handle->deletes_on_close && file->path != NULL && disk_handle_lives(handle) &&
        !list_is_empty(&file->in_disk))
        disk_unlink(handle->disk, file, false);
    else if (file->handles == 0 && list_is_empty(&file->in_disk))
        disk_file_free(file);
    base->pMethods = NULL;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *data, int len, sqlite3_int64 offset)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    enum disk_fault fault;
    if (!begin(handle, DISK_READ, false, &fault) || fault != DISK_FAULT_NONE)
        return SQLITE_IOERR_READ;
    const struct disk_bytes *now = &handle->file->now;
    size_t at = (size_t)offset;
    size_t want = (size_t)len;
    size_t have = at >= now->len ? 0 : now->len - at;
    size_t n = have < want ? have : want;
    if (n > 0)
        memcpy(data, now->data + at, n);
    if (n == want)
        return SQLITE_OK;
    memset((char *)data + n, 0, want - n);
    return SQLITE_IOERR_SHORT_READ;
}

static int on_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 offset)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    struct disk_file *file = handle->file;
    size_t at = (size_t)offset;
    size_t n = (size_t)len;
    enum disk_fault fault;
    if (handle->is_read_only || !begin(handle, DISK_WRITE, at + n > file->now.len, &fault))
        return SQLITE_IOERR_WRITE;
    if (fault == DISK_FAULT_SHORT_WRITE)
        disk_write(file, data, n / 2, at);
    if (fault == DISK_FAULT_SHORT_WRITE || fault == DISK_FAULT_FULL)
        return SQLITE_FULL;
    if (fault != DISK_FAULT_NONE)
        return SQLITE_IOERR_WRITE;
    disk_write(file, data, n, at);
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 len)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    enum disk_fault fault;
    if (handle->is_read_only || !begin(handle, DISK_TRUNCATE, false, &fault) || fault != DISK_FAULT_NONE)
        return SQLITE_IOERR_TRUNCATE;
    disk_truncate(handle->file, (size_t)len);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct disk_handle *handle = (struct disk_handle *)base;
    enum disk_fault fault;
    if (!begin(handle, DISK_SYNC, false, &fault))
        return SQLITE_IOERR_FSYNC;
    if (fault == DISK_FAULT_SYNC_LIES)
        return SQLITE_OK;
    if (fault != DISK_FAULT_NONE) {
        disk_sync_badly(handle->disk, handle->file);
        return SQLITE_IOERR_FSYNC;
    }
    disk_sync(handle->disk, handle->file);
    return SQLITE_OK;
}

static int on_file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    const struct disk_handle *handle = (struct disk_handle *)base;
    if (!disk_handle_lives(handle))
        return SQLITE_IOERR_FSTAT;
    *size = (sqlite3_int64)handle->file->now.len;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096; /* as the unix VFS says, whatever the disk does */
}

static int on_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2, /* no memory mapping */
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_file_size,
    .xLock = disk_lock,
    .xUnlock = disk_unlock,
    .xCheckReservedLock = disk_check_reserved,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = disk_shm_map,
    .xShmLock = disk_shm_lock,
    .xShmBarrier = disk_shm_barrier,
    .xShmUnmap = disk_shm_unmap,
};

/* ---- names ---- */

static void forget(struct disk *disk, const char *path, const char *suffix)
{
    char *AUTO_FREE name = check_printf("%s%s", path, suffix);
    struct disk_file *file = disk_find(disk, name);
    if (file != NULL)
        disk_unlink(disk, file, true);
}

/* A database is there if the real file that stands for it is. If that one is not the one it was, what was
 * here under its name has been moved away. */
static struct disk_file *find_database(struct disk *disk, const char *path, bool may_create)
{
    struct stat st;
    bool is_there = stat(path, &st) == 0;
    struct disk_file *file = disk_find(disk, path);
    if (file != NULL && file->ino != 0 && (!is_there || st.st_ino != file->ino || st.st_dev != file->dev)) {
        forget(disk, path, "");
        forget(disk, path, "-wal");
        forget(disk, path, "-journal");
        file = NULL;
    }
    if (file == NULL)
        return is_there || may_create ? disk_file_new(disk, path) : NULL;
    if (is_there) {
        file->dev = st.st_dev;
        file->ino = st.st_ino;
    }
    return file;
}

static struct disk_file *find(struct disk *disk, const char *path, int flags)
{
    bool may_create = (flags & SQLITE_OPEN_CREATE) != 0;
    if (path == NULL)
        return disk_file_new(disk, NULL);
    if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
        return find_database(disk, path, may_create);
    struct disk_file *file = disk_find(disk, path);
    return file == NULL && may_create ? disk_file_new(disk, path) : file;
}

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags)
{
    struct disk *disk = disk_of(vfs);
    struct disk_handle *handle = (struct disk_handle *)base;
    memset(handle, 0, sizeof(*handle));
    const struct disk_file name = {.path = (char *)(uintptr_t)path}; /* for the message only */
    enum disk_fault fault;
    if (!disk_begin(disk, &name, DISK_OPEN, false, &fault))
        return SQLITE_CANTOPEN;
    if (fault != DISK_FAULT_NONE && fault != DISK_FAULT_READ_ONLY)
        return SQLITE_CANTOPEN;
    if (fault == DISK_FAULT_READ_ONLY && (flags & SQLITE_OPEN_READWRITE) != 0)
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    struct disk_file *file = find(disk, path, flags);
    if (file == NULL)
        return SQLITE_CANTOPEN;
    file->handles++;
    disk->open++;
    handle->disk = disk;
    handle->file = file;
    handle->life = disk->life;
    handle->deletes_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    handle->is_read_only = (flags & SQLITE_OPEN_READONLY) != 0;
    base->pMethods = &methods;
    if (out_flags != NULL)
        *out_flags = flags;
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int syncs_folder)
{
    struct disk *disk = disk_of(vfs);
    struct disk_file *file = disk_find(disk, path);
    enum disk_fault fault;
    if (file == NULL)
        return disk_is_stopped(disk) ? SQLITE_IOERR_DELETE : SQLITE_IOERR_DELETE_NOENT;
    if (!disk_begin(disk, file, DISK_DELETE, false, &fault) || fault != DISK_FAULT_NONE)
        return SQLITE_IOERR_DELETE;
    disk_unlink(disk, file, syncs_folder != 0);
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    struct disk *disk = disk_of(vfs);
    if (disk_is_stopped(disk))
        return SQLITE_IOERR_ACCESS;
    const struct disk_file *file = disk_find(disk, path);
    /* As the unix VFS: an empty file doesn't exist. */
    *out = file != NULL && (flags != SQLITE_ACCESS_EXISTS || file->now.len > 0);
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    sqlite3_vfs *former = disk_of(vfs)->former;
    return former->xFullPathname(former, path, size, out);
}

static int on_randomness(sqlite3_vfs *vfs, int len, char *out)
{
    const struct random_source *random = &disk_of(vfs)->random;
    for (int i = 0; i < len; i++)
        out[i] = (char)random->next(random->arg);
    return len;
}

static int on_sleep(sqlite3_vfs *vfs, int micros)
{
    (void)vfs;
    return micros;
}

static int on_current_time(sqlite3_vfs *vfs, double *out)
{
    sqlite3_vfs *former = disk_of(vfs)->former;
    return former->xCurrentTime(former, out);
}

static int on_current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    sqlite3_vfs *former = disk_of(vfs)->former;
    return former->xCurrentTimeInt64(former, out);
}

static int on_last_error(sqlite3_vfs *vfs, int len, char *out)
{
    (void)vfs;
    (void)len;
    (void)out;
    return 0;
}

void disk_vfs_init(struct disk *disk)
{
    disk->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(struct disk_handle),
        .mxPathname = disk->former->mxPathname,
        .zName = "sluice-disk",
        .pAppData = disk,
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_path,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xCurrentTime = on_current_time,
        .xCurrentTimeInt64 = on_current_time_ms,
        .xGetLastError = on_last_error,
    };
}
