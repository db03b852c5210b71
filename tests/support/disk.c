/*
 * disk.c - the failing disk's files: what is written, what is durable, and what a loss of power leaves.
 *
 * A file has two contents: what a reader sees, and what is on the platter; between them lie the pieces
 * written since the last sync. A loss of power decides piece by piece. Neighbours of a torn sector stay
 * whole, as the unix VFS promises to SQLite (SQLITE_IOCAP_POWERSAFE_OVERWRITE).
 */
#include "tests/support/disk_internal.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- bytes ---- */

static void bytes_set_len(struct disk_bytes *bytes, size_t len)
{
    if (len > bytes->cap) {
        bytes->cap = len < 4096 ? 4096 : len + len / 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        CHECK(bytes->data != NULL);
    }
    if (len > bytes->len)
        memset(bytes->data + bytes->len, 0, len - bytes->len);
    bytes->len = len;
}

static void bytes_write(struct disk_bytes *bytes, const void *data, size_t len, size_t offset)
{
    if (offset + len > bytes->len)
        bytes_set_len(bytes, offset + len);
    if (len > 0)
        memcpy(bytes->data + offset, data, len);
}

static void bytes_copy(struct disk_bytes *to, const struct disk_bytes *from)
{
    to->len = 0;
    bytes_write(to, from->data, from->len, 0);
}

/* ---- files ---- */

static void pieces_done(struct disk_file *file)
{
    for (struct list *link; (link = list_take_first(&file->pieces)) != NULL;) {
        struct disk_piece *piece = LIST_ITEM(link, struct disk_piece, in_file);
        free(piece->data);
        free(piece);
    }
}

struct disk_file *disk_file_new(struct disk *disk, const char *path)
{
    struct disk_file *file = check_alloc(sizeof(*file));
    list_init(&file->in_disk);
    list_init(&file->pieces);
    if (path == NULL)
        return file;
    file->path = check_strdup(path);
    struct stat st;
    if (stat(path, &st) == 0) {
        file->dev = st.st_dev;
        file->ino = st.st_ino;
        file->is_named = true; /* whoever made the real file has synced its folder */
    }
    list_add_last(&disk->files, &file->in_disk);
    return file;
}

void disk_file_free(struct disk_file *file)
{
    CHECK(file->handles == 0);
    list_remove(&file->in_disk);
    pieces_done(file);
    if (file->shm != NULL)
        disk_shm_release(file->shm);
    free(file->now.data);
    free(file->durable.data);
    free(file->path);
    free(file);
}

static struct disk_file *find_in(const struct list *head, const char *path)
{
    for (struct list *link = head->next; link != head; link = link->next) {
        struct disk_file *file = LIST_ITEM(link, struct disk_file, in_disk);
        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

struct disk_file *disk_find(const struct disk *disk, const char *path)
{
    return find_in(&disk->files, path);
}

void disk_unlink(struct disk *disk, struct disk_file *file, bool is_durable)
{
    list_remove(&file->in_disk);
    if (!is_durable && file->is_named)
        list_add_last(&disk->ghosts, &file->in_disk);
    else if (file->handles == 0)
        disk_file_free(file);
}

static void add_piece(struct disk_file *file, const void *data, size_t len, size_t offset)
{
    struct disk_piece *piece = check_alloc(sizeof(*piece));
    piece->offset = offset;
    piece->len = len;
    if (data != NULL) {
        piece->data = check_alloc(len + 1);
        memcpy(piece->data, data, len);
    }
    list_add_last(&file->pieces, &piece->in_file);
}

void disk_write(struct disk_file *file, const void *data, size_t len, size_t offset)
{
    bytes_write(&file->now, data, len, offset);
    add_piece(file, data, len, offset);
}

void disk_truncate(struct disk_file *file, size_t len)
{
    bytes_set_len(&file->now, len);
    add_piece(file, NULL, 0, len);
}

/* The sync of a file SQLite has made syncs the folder too (os_unix.c, UNIXFILE_DIRSYNC), and with it every
 * name in there. */
static void sync_names(struct disk *disk, struct disk_file *file)
{
    if (file->is_named)
        return;
    file->is_named = true;
    for (struct list *link; (link = list_take_first(&disk->ghosts)) != NULL;) {
        struct disk_file *ghost = LIST_ITEM(link, struct disk_file, in_disk);
        if (ghost->handles == 0)
            disk_file_free(ghost);
    }
}

void disk_sync(struct disk *disk, struct disk_file *file)
{
    for (struct list *link = file->pieces.next; link != &file->pieces; link = link->next) {
        const struct disk_piece *piece = LIST_ITEM(link, struct disk_piece, in_file);
        if (piece->data == NULL)
            bytes_set_len(&file->durable, piece->offset);
        else
            bytes_write(&file->durable, piece->data, piece->len, piece->offset);
    }
    pieces_done(file);
    sync_names(disk, file);
}

static uint64_t draw(const struct random_source *random, uint64_t below)
{
    return random->next(random->arg) % below;
}

/* Each sector that the piece touches is kept, lost or garbage; bytes beside the piece stay. */
static void tear(struct disk_bytes *bytes, const struct disk_piece *piece, bool with_garbage,
                 const struct random_source *random)
{
    for (size_t at = piece->offset; at < piece->offset + piece->len;) {
        size_t next = (at / DISK_SECTOR_BYTES + 1) * DISK_SECTOR_BYTES;
        size_t end = piece->offset + piece->len;
        size_t len = (next < end ? next : end) - at;
        uint64_t fate = draw(random, with_garbage ? 3 : 2);
        if (fate == 0) {
            bytes_write(bytes, piece->data + (at - piece->offset), len, at);
        } else if (fate == 2) {
            unsigned char garbage[DISK_SECTOR_BYTES];
            for (size_t i = 0; i < len; i++)
                garbage[i] = (unsigned char)draw(random, 256);
            bytes_write(bytes, garbage, len, at);
        }
        at += len;
    }
}

static void settle(struct disk_file *file, bool with_garbage, const struct random_source *random)
{
    for (struct list *link = file->pieces.next; link != &file->pieces; link = link->next) {
        const struct disk_piece *piece = LIST_ITEM(link, struct disk_piece, in_file);
        uint64_t fate = draw(random, 3);
        if (fate == 0)
            continue;
        if (piece->data == NULL)
            bytes_set_len(&file->durable, piece->offset);
        else if (fate == 1)
            bytes_write(&file->durable, piece->data, piece->len, piece->offset);
        else
            tear(&file->durable, piece, with_garbage, random);
    }
    pieces_done(file);
}

void disk_sync_badly(struct disk *disk, struct disk_file *file)
{
    settle(file, false, &disk->random);
}

/* ---- the end of a process, and of power ---- */

void disk_stop(struct disk *disk)
{
    disk->is_stopped = true;
    disk->life++;
    disk->stop_at = 0;
    for (struct list *link = disk->files.next; link != &disk->files; link = link->next) {
        struct disk_file *file = LIST_ITEM(link, struct disk_file, in_disk);
        file->shared = 0;
        file->reserved = NULL;
        file->pending = NULL;
        if (file->shm != NULL)
            disk_shm_release(STEAL(file->shm)); /* the first one to come makes it anew from the log */
    }
}

/* Dead handles may still be open on it: they read and write nothing any more. */
static void lose_power_of(struct disk *disk, struct disk_file *file, const struct random_source *random)
{
    settle(file, true, random);
    if (!file->is_named && draw(random, 2) == 0) {
        disk_unlink(disk, file, true);
        return;
    }
    file->is_named = true;
    bytes_copy(&file->now, &file->durable);
}

void disk_lose_power(struct disk *disk, const struct random_source *random)
{
    disk_stop(disk);
    for (struct list *link = disk->files.next; link != &disk->files;) {
        struct disk_file *file = LIST_ITEM(link, struct disk_file, in_disk);
        link = link->next;
        lose_power_of(disk, file, random);
    }
    for (struct list *link; (link = list_take_first(&disk->ghosts)) != NULL;) {
        struct disk_file *ghost = LIST_ITEM(link, struct disk_file, in_disk);
        if (find_in(&disk->files, ghost->path) == NULL && draw(random, 2) == 0) {
            list_add_last(&disk->files, &ghost->in_disk);
            lose_power_of(disk, ghost, random);
        } else if (ghost->handles == 0) {
            disk_file_free(ghost);
        }
    }
}

void disk_stop_at(struct disk *disk, uint64_t nth, const struct random_source *power)
{
    disk->stop_at = nth == 0 ? 0 : disk->operations + nth;
    disk->stop_power = power;
}

void disk_revive(struct disk *disk)
{
    disk->is_stopped = false;
}

bool disk_is_stopped(const struct disk *disk)
{
    return disk->is_stopped;
}

/* ---- faults ---- */

void disk_fail(struct disk *disk, uint64_t nth, enum disk_fault fault, bool stays)
{
    CHECK(nth > 0 || fault == DISK_FAULT_NONE);
    disk->fault = fault;
    disk->fault_at = disk->operations + nth;
    disk->fault_stays = stays;
    disk->failures = 0;
}

uint64_t disk_failures(const struct disk *disk)
{
    return disk->failures;
}

static bool can_fail_so(enum disk_operation operation, bool grows, enum disk_fault fault)
{
    switch (fault) {
    case DISK_FAULT_NONE:
        return false;
    case DISK_FAULT_READ:
        return operation == DISK_READ;
    case DISK_FAULT_WRITE:
    case DISK_FAULT_SHORT_WRITE:
        return operation == DISK_WRITE;
    case DISK_FAULT_FULL:
        return operation == DISK_WRITE && grows;
    case DISK_FAULT_SYNC:
    case DISK_FAULT_SYNC_LIES:
        return operation == DISK_SYNC;
    case DISK_FAULT_TRUNCATE:
        return operation == DISK_TRUNCATE;
    case DISK_FAULT_DELETE:
        return operation == DISK_DELETE;
    case DISK_FAULT_OPEN:
        return operation == DISK_OPEN;
    case DISK_FAULT_READ_ONLY:
        return operation != DISK_READ && operation != DISK_SYNC;
    case DISK_FAULT_IO:
        return true;
    }
    UNREACHABLE();
}

static void note(struct disk *disk, const struct disk_file *file, enum disk_operation operation)
{
    static const char *const words[] = {"open", "read", "write", "sync", "truncate", "delete"};
    const char *path = file == NULL || file->path == NULL ? "a temporary file" : file->path;
    const char *slash = strrchr(path, '/');
    snprintf(disk->last, sizeof(disk->last), "operation %llu: %s %s", (unsigned long long)disk->operations,
             words[operation], slash == NULL ? path : slash + 1);
}

bool disk_begin(struct disk *disk, const struct disk_file *file, enum disk_operation operation, bool grows,
                enum disk_fault *fault)
{
    *fault = DISK_FAULT_NONE;
    if (disk->is_stopped)
        return false;
    disk->operations++;
    note(disk, file, operation);
    if (operation == DISK_SYNC)
        disk->syncs++;
    if (disk->operations == disk->stop_at) {
        if (disk->stop_power != NULL)
            disk_lose_power(disk, disk->stop_power);
        else
            disk_stop(disk);
        return false;
    }
    if (disk->operations < disk->fault_at || !can_fail_so(operation, grows, disk->fault) ||
        (disk->failures > 0 && !disk->fault_stays))
        return true;
    disk->failures++;
    *fault = disk->fault;
    return true;
}

bool disk_handle_lives(const struct disk_handle *handle)
{
    return handle->life == handle->disk->life;
}

/* ---- looking ---- */

uint64_t disk_operations(const struct disk *disk)
{
    return disk->operations;
}

uint64_t disk_syncs(const struct disk *disk)
{
    return disk->syncs;
}

const char *disk_last(const struct disk *disk)
{
    return disk->last;
}

const unsigned char *disk_file(const struct disk *disk, const char *path, size_t *len)
{
    const struct disk_file *file = disk_find(disk, path);
    if (file == NULL)
        return NULL;
    *len = file->now.len;
    static const unsigned char nothing;
    return file->now.data == NULL ? &nothing : file->now.data;
}

void disk_set_file(struct disk *disk, const char *path, const void *bytes, size_t len)
{
    struct disk_file *file = disk_find(disk, path);
    if (file == NULL)
        file = disk_file_new(disk, path);
    CHECK(file->handles == 0);
    pieces_done(file);
    file->is_named = true;
    file->now.len = 0;
    bytes_write(&file->now, bytes, len, 0);
    bytes_copy(&file->durable, &file->now);
}

struct disk *disk_new(void)
{
    struct disk *disk = check_alloc(sizeof(*disk));
    list_init(&disk->files);
    list_init(&disk->ghosts);
    disk->random_state = 1;
    disk->random = random_seeded(&disk->random_state);
    disk->former = sqlite3_vfs_find(NULL);
    CHECK(disk->former != NULL && disk->former->szOsFile > 0 &&
          strcmp(disk->former->zName, "sluice-disk") != 0);
    disk_vfs_init(disk);
    CHECK(sqlite3_vfs_register(&disk->vfs, 1) == SQLITE_OK);
    sqlite3_randomness(0, NULL); /* seeded anew, from this disk */
    return disk;
}

static void free_all(struct list *head)
{
    for (struct list *link; (link = list_take_first(head)) != NULL;)
        disk_file_free(LIST_ITEM(link, struct disk_file, in_disk));
}

void disk_free(struct disk *disk)
{
    if (disk == NULL)
        return;
    CHECK(disk->open == 0);
    sqlite3_vfs_unregister(&disk->vfs);
    sqlite3_vfs_register(disk->former, 1);
    free_all(&disk->files);
    free_all(&disk->ghosts);
    free(disk);
}
