/*
 * disk_internal.h - what the files of the failing disk share: files, connections to them, faults.
 */
#ifndef SLUICE_TESTS_SUPPORT_DISK_INTERNAL_H
#define SLUICE_TESTS_SUPPORT_DISK_INTERNAL_H

#include "tests/support/disk.h"

#include "base/list.h"

#include <sqlite3.h>
#include <sys/types.h>

#define DISK_SECTOR_BYTES 512

/* Bytes that may grow. */
struct disk_bytes {
    unsigned char *data;
    size_t len;
    size_t cap;
};

/* A write or truncation that no sync has made durable yet. */
struct disk_piece {
    struct list in_file; /* oldest first */
    size_t offset;       /* of a truncation: the new length */
    size_t len;
    unsigned char *data; /* NULL: a truncation */
};

struct disk_handle;

/* The index of a write-ahead log, shared by the connections to one file. */
struct disk_shm {
    int references; /* handles that have mapped it, and the file */
    int count;
    unsigned char **regions;
    int shared[SQLITE_SHM_NLOCK];                      /* holders */
    const struct disk_handle *owner[SQLITE_SHM_NLOCK]; /* exclusive, NULL: none */
};

struct disk_file {
    struct list in_disk; /* in files or ghosts, or on no list: deleted and still open */
    char *path;          /* NULL: a temporary file without a name */
    struct disk_bytes now;
    struct disk_bytes durable;
    struct list pieces;
    bool is_named; /* its name is durable */
    dev_t dev;     /* of the real file that stands for it; ino 0: none */
    ino_t ino;
    int handles;
    struct disk_shm *shm; /* NULL: nobody has mapped it since the last stop */
    /* Locks, as in sqlite.org/lockingv3.html. */
    int shared; /* connections that hold SHARED or more */
    const struct disk_handle *reserved;
    const struct disk_handle *pending; /* PENDING or EXCLUSIVE: no new SHARED */
};

/* One open file of one connection; SQLite provides the memory. */
struct disk_handle {
    sqlite3_file base;
    struct disk *disk;
    struct disk_file *file;
    struct disk_shm *shm; /* NULL: not mapped */
    uint64_t life;        /* of the disk when it was opened: a handle of an earlier one is dead */
    bool deletes_on_close;
    bool is_read_only;
    int lock; /* SQLITE_LOCK_* */
    unsigned shm_shared;
    unsigned shm_exclusive; /* bits of the slots held */
};

enum disk_operation {
    DISK_OPEN,
    DISK_READ,
    DISK_WRITE,
    DISK_SYNC,
    DISK_TRUNCATE,
    DISK_DELETE,
};

struct disk {
    sqlite3_vfs vfs;
    sqlite3_vfs *former; /* for names, times and dates */
    struct list files;
    struct list ghosts; /* deleted, and the deletion is not durable */
    uint64_t operations;
    uint64_t syncs;
    uint64_t life; /* raised by each stop */
    int open;      /* handles */
    bool is_stopped;
    enum disk_fault fault;
    uint64_t fault_at; /* number of the operation */
    bool fault_stays;
    uint64_t failures;
    uint64_t stop_at; /* number of the operation, 0: never */
    const struct random_source *stop_power;
    uint64_t random_state; /* for SQLite, and for what a failed sync leaves */
    struct random_source random;
    char last[200];
};

/* disk_begin - count one operation, and say how it fails: DISK_FAULT_NONE if it does not. grows: of a write,
 * whether it makes its file longer. False: the process is dead, nothing may happen. */
bool disk_begin(struct disk *disk, const struct disk_file *file, enum disk_operation operation, bool grows,
                enum disk_fault *fault);
/* The connection's process is alive. */
bool disk_handle_lives(const struct disk_handle *handle);

/* disk_find - the file of that name that stands for the real one; NULL: none. */
struct disk_file *disk_find(const struct disk *disk, const char *path);
struct disk_file *disk_file_new(struct disk *disk, const char *path);
void disk_file_free(struct disk_file *file);
/* Take the name away; the file itself goes with its last handle. is_durable: the deletion can't come undone.
 */
void disk_unlink(struct disk *disk, struct disk_file *file, bool is_durable);

void disk_write(struct disk_file *file, const void *data, size_t len, size_t offset);
void disk_truncate(struct disk_file *file, size_t len);
void disk_sync(struct disk *disk, struct disk_file *file);
/* What a failed sync leaves: each sector since the last one is durable or lost for ever. */
void disk_sync_badly(struct disk *disk, struct disk_file *file);

/* disk_locks.c */
int disk_lock(sqlite3_file *base, int level);
int disk_unlock(sqlite3_file *base, int level);
int disk_check_reserved(sqlite3_file *base, int *is_reserved);
int disk_shm_map(sqlite3_file *base, int index, int size, int extend, void volatile **out);
int disk_shm_lock(sqlite3_file *base, int offset, int count, int flags);
void disk_shm_barrier(sqlite3_file *base);
int disk_shm_unmap(sqlite3_file *base, int delete_it);
void disk_shm_release(struct disk_shm *shm);

/* disk_vfs.c */
void disk_vfs_init(struct disk *disk);

#endif
