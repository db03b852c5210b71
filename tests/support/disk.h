/*
 * disk.h - a disk that can fail: a SQLite VFS in memory, made the default one, so that store/ runs on it
 * unchanged.
 *
 * Knows what has reached the platter and what has only been written: a file's sync makes its writes durable,
 * and the sync of a folder its names. Faults come at the n-th operation; operations are opens, reads, writes,
 * syncs, truncations and deletions, in the order SQLite asks for them. Several connections of this process
 * may be open at once, in WAL too. It keeps the locking rules of SQLite, but no bytes of it are on the real
 * disk: store/ makes its empty file at `path` there (and its lock file), and that file stands for the name.
 * If it is moved away or removed, the file of that name here, its log and its journal are gone.
 *
 * Waiting for a lock costs no time. SQLite's randomness is drawn from a constant seed, so that a run can be
 * repeated exactly. Not for several threads.
 */
#ifndef SLUICE_TESTS_SUPPORT_DISK_H
#define SLUICE_TESTS_SUPPORT_DISK_H

#include "base/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;

/* disk_new - an empty disk, registered as SQLite's default VFS "sluice-disk". One at a time. */
struct disk *disk_new(void) __attribute__((returns_nonnull));
/* disk_free - the former default VFS is the default again. No file may be open any more. Accepts NULL. */
void disk_free(struct disk *disk);

/* ---- the end of a process, and of power ---- */

/* disk_stop - the process dies: from now on every operation of open connections fails without effect, for
 * ever, and no new one can be opened until disk_revive(). What was written stays written, locks are gone. */
void disk_stop(struct disk *disk);
/* disk_lose_power - as disk_stop, and each piece that was written since its file's last sync is kept, lost or
 * torn (in sectors of 512 bytes, kept, lost or garbage), as random says; files and deletions whose name was
 * not made durable may come or go. */
void disk_lose_power(struct disk *disk, const struct random_source *random);
/* disk_stop_at - the same before the effect of the nth operation from now on (1: the next one). power: NULL,
 * or as in disk_lose_power, borrowed. nth 0: never. */
void disk_stop_at(struct disk *disk, uint64_t nth, const struct random_source *power);
void disk_revive(struct disk *disk);
bool disk_is_stopped(const struct disk *disk);

/* ---- faults ---- */

enum disk_fault {
    DISK_FAULT_NONE,
    DISK_FAULT_READ,        /* a read fails */
    DISK_FAULT_WRITE,       /* a write fails, nothing is written */
    DISK_FAULT_SHORT_WRITE, /* half is written, then there is no room */
    DISK_FAULT_FULL,        /* no room: a write that would make its file longer fails, nothing is written */
    DISK_FAULT_SYNC, /* a sync fails; what it should have saved is lost to every later sync as well, though
                        reads still show it: sector by sector it is durable, or will never be */
    DISK_FAULT_SYNC_LIES, /* a sync says it is done, and nothing is durable */
    DISK_FAULT_TRUNCATE,  /* a truncation fails */
    DISK_FAULT_DELETE,    /* a deletion fails */
    DISK_FAULT_OPEN,      /* a file can't be opened */
    DISK_FAULT_READ_ONLY, /* the disk is read-only: opens for writing open for reading, and what changes fails
                           */
    DISK_FAULT_IO         /* whatever it is, it fails */
};

/*
 * disk_fail - the nth operation from now on (1: the next one) fails so; if that operation can't fail so (a
 * read where a write should fail), the first later one that can. stays: every later one that can fails too.
 * Replaces the fault set before; DISK_FAULT_NONE: the disk is well again.
 */
void disk_fail(struct disk *disk, uint64_t nth, enum disk_fault fault, bool stays);
/* Operations that failed by disk_fail since it was last called. */
uint64_t disk_failures(const struct disk *disk);

/* ---- looking ---- */

/* Operations so far. */
uint64_t disk_operations(const struct disk *disk);
uint64_t disk_syncs(const struct disk *disk);
/* The last operation, for messages: "write sluice.db-wal, 4096 bytes at 56". Borrowed until the next one. */
const char *disk_last(const struct disk *disk);

/* The bytes a reader would see; NULL: there is no such file. Borrowed until the next operation. path: as
 * given to SQLite, whole ("/tmp/x/s.db", "/tmp/x/s.db-wal"). */
const unsigned char *disk_file(const struct disk *disk, const char *path, size_t *len);
/* Put a file there, durably, in place of the one that is. It must not be open. */
void disk_set_file(struct disk *disk, const char *path, const void *bytes, size_t len);

#endif
