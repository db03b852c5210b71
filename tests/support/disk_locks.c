/*
 * disk_locks.c - who may read and write a file of the failing disk at the same time: SQLite's five lock
 * levels (sqlite.org/lockingv3.html), and the shared memory of its write-ahead log with its eight locks
 * (sqlite.org/walformat.html, chapter 2). A dead connection holds nothing and gets nothing.
 */
#include "tests/support/disk_internal.h"

#include "base/check.h"

#include <string.h>

/* ---- the five levels ---- */

static int lock_shared(struct disk_handle *handle)
{
    struct disk_file *file = handle->file;
    if (file->pending != NULL)
        return SQLITE_BUSY;
    file->shared++;
    handle->lock = SQLITE_LOCK_SHARED;
    return SQLITE_OK;
}

static int lock_reserved(struct disk_handle *handle)
{
    struct disk_file *file = handle->file;
    if (file->reserved != NULL || file->pending != NULL)
        return SQLITE_BUSY;
    file->reserved = handle;
    handle->lock = SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

/* PENDING keeps new readers out, and is kept while old ones are still there. */
static int lock_exclusive(struct disk_handle *handle)
{
    struct disk_file *file = handle->file;
    if ((file->pending != NULL && file->pending != handle) ||
        (file->reserved != NULL && file->reserved != handle))
        return SQLITE_BUSY;
    file->pending = handle;
    handle->lock = SQLITE_LOCK_PENDING;
    if (file->shared > 1)
        return SQLITE_BUSY;
    handle->lock = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

int disk_lock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    if (!disk_handle_lives(handle))
        return SQLITE_IOERR_LOCK;
    if (handle->lock >= level)
        return SQLITE_OK;
    switch (level) {
    case SQLITE_LOCK_SHARED:
        return lock_shared(handle);
    case SQLITE_LOCK_RESERVED:
        return lock_reserved(handle);
    case SQLITE_LOCK_EXCLUSIVE:
        return lock_exclusive(handle);
    default: /* SQLite never asks for PENDING */
        UNREACHABLE();
    }
}

int disk_unlock(sqlite3_file *base, int level)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    struct disk_file *file = handle->file;
    int former = handle->lock;
    if (former <= level)
        return SQLITE_OK;
    handle->lock = level;
    if (!disk_handle_lives(handle))
        return SQLITE_OK;
    if (file->reserved == handle)
        file->reserved = NULL;
    if (file->pending == handle)
        file->pending = NULL;
    if (level == SQLITE_LOCK_NONE)
        file->shared--;
    return SQLITE_OK;
}

int disk_check_reserved(sqlite3_file *base, int *is_reserved)
{
    const struct disk_handle *handle = (struct disk_handle *)base;
    if (!disk_handle_lives(handle))
        return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *is_reserved = handle->file->reserved != NULL || handle->file->pending != NULL;
    return SQLITE_OK;
}

/* ---- the log's shared memory ---- */

void disk_shm_release(struct disk_shm *shm)
{
    if (--shm->references > 0)
        return;
    for (int i = 0; i < shm->count; i++)
        free(shm->regions[i]);
    free(shm->regions);
    free(shm);
}

static void make_regions(struct disk_shm *shm, int count, size_t size)
{
    unsigned char **regions = realloc(shm->regions, (size_t)count * sizeof(*regions));
    CHECK(regions != NULL);
    shm->regions = regions;
    while (shm->count < count)
        shm->regions[shm->count++] = check_alloc(size);
}

int disk_shm_map(sqlite3_file *base, int index, int size, int extend, void volatile **out)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    struct disk_file *file = handle->file;
    *out = NULL;
    if (!disk_handle_lives(handle))
        return SQLITE_IOERR_SHMMAP;
    if (handle->shm == NULL) {
        if (file->shm == NULL) {
            file->shm = check_alloc(sizeof(*file->shm));
            file->shm->references = 1;
        }
        handle->shm = file->shm;
        handle->shm->references++;
    }
    if (index >= handle->shm->count && extend)
        make_regions(handle->shm, index + 1, (size_t)size);
    if (index < handle->shm->count)
        *out = handle->shm->regions[index];
    return SQLITE_OK;
}

static void shm_unlock(struct disk_handle *handle, int slot)
{
    unsigned bit = 1U << slot;
    if ((handle->shm_shared & bit) != 0)
        handle->shm->shared[slot]--;
    if ((handle->shm_exclusive & bit) != 0)
        handle->shm->owner[slot] = NULL;
    handle->shm_shared &= ~bit;
    handle->shm_exclusive &= ~bit;
}

static bool shm_is_free(const struct disk_handle *handle, int slot, bool exclusive)
{
    const struct disk_shm *shm = handle->shm;
    int own = (handle->shm_shared >> slot) & 1U;
    return (shm->owner[slot] == NULL || shm->owner[slot] == handle) &&
           (!exclusive || shm->shared[slot] == own);
}

int disk_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
    struct disk_handle *handle = (struct disk_handle *)base;
    if (handle->shm == NULL)
        return SQLITE_IOERR_SHMLOCK;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        for (int i = offset; i < offset + count; i++)
            shm_unlock(handle, i);
        return SQLITE_OK;
    }
    if (!disk_handle_lives(handle))
        return SQLITE_IOERR_SHMLOCK;
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = offset; i < offset + count; i++) {
        if (!shm_is_free(handle, i, exclusive))
            return SQLITE_BUSY;
    }
    for (int i = offset; i < offset + count; i++) {
        unsigned bit = 1U << i;
        if (exclusive) {
            handle->shm->owner[i] = handle;
            handle->shm_exclusive |= bit;
        } else if ((handle->shm_shared & bit) == 0) {
            handle->shm->shared[i]++;
            handle->shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

void disk_shm_barrier(sqlite3_file *base)
{
    (void)base; /* one thread */
}

int disk_shm_unmap(sqlite3_file *base, int delete_it)
{
    (void)delete_it; /* nothing outlives the last connection: the next one makes it anew, as the unix VFS does
                      */
    struct disk_handle *handle = (struct disk_handle *)base;
    struct disk_file *file = handle->file;
    if (handle->shm == NULL)
        return SQLITE_OK;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        shm_unlock(handle, i);
    disk_shm_release(STEAL(handle->shm));
    if (file->shm != NULL && file->shm->references == 1)
        disk_shm_release(STEAL(file->shm));
    return SQLITE_OK;
}
