/*
 * The failing disk of tests/support: what it keeps, loses and tears, and that store/ runs on it unchanged.
 */
#include "store_fixture.h"

#include "tests/support/disk.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    void *store_state;
    struct store_fixture *f;
    struct disk *disk;
    char path[160];
};

static int setup(void **state)
{
    struct fixture *x = check_alloc(sizeof(*x));
    if (store_fixture_setup(&x->store_state) != 0)
        return -1;
    x->f = x->store_state;
    x->disk = disk_new();
    snprintf(x->path, sizeof(x->path), "%s/raw", x->f->folder);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    disk_free(x->disk);
    int result = store_fixture_teardown(&x->store_state);
    free(x);
    return result;
}

/* ---- below SQLite: one file, opened as SQLite opens a log ---- */

static int open_raw(struct fixture *x, sqlite3_file **out)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *file = check_alloc((size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL;
    int rc = vfs->xOpen(vfs, x->path, file, flags, &flags);
    if (rc != SQLITE_OK) {
        free(file);
        return rc;
    }
    *out = file;
    return SQLITE_OK;
}

static sqlite3_file *raw(struct fixture *x)
{
    sqlite3_file *file = NULL;
    assert_int_equal(open_raw(x, &file), SQLITE_OK);
    return file;
}

static void close_raw(sqlite3_file *file)
{
    file->pMethods->xClose(file);
    free(file);
}

static int put(sqlite3_file *file, char c, size_t len, size_t offset)
{
    char *AUTO_FREE data = check_alloc(len);
    memset(data, c, len);
    return file->pMethods->xWrite(file, data, (int)len, (sqlite3_int64)offset);
}

static int sync_raw(sqlite3_file *file)
{
    return file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
}

static size_t count_of(const unsigned char *data, size_t len, char c)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += data[i] == (unsigned char)c;
    return count;
}

static void test_unsynced_pieces_are_kept_lost_or_torn(void **state)
{
    struct fixture *x = *state;
    int kept = 0;
    int lost = 0;
    int torn = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        sqlite3_file *file = raw(x);
        assert_int_equal(put(file, 'a', 2048, 0), SQLITE_OK);
        assert_int_equal(sync_raw(file), SQLITE_OK);
        /* Begins and ends within a sector: the bytes beside it are safe. */
        assert_int_equal(put(file, 'b', 1024, 300), SQLITE_OK);
        uint64_t s = seed;
        struct random_source random = random_seeded(&s);
        disk_lose_power(x->disk, &random);
        close_raw(file);
        disk_revive(x->disk);

        size_t len = 0;
        const unsigned char *data = disk_file(x->disk, x->path, &len);
        assert_non_null(data);
        assert_int_equal(len, 2048);
        assert_int_equal(count_of(data, 300, 'a'), 300);
        assert_int_equal(count_of(data + 1324, 2048 - 1324, 'a'), 2048 - 1324);
        size_t new = count_of(data + 300, 1024, 'b');
        size_t old = count_of(data + 300, 1024, 'a');
        kept += new == 1024;
        lost += old == 1024;
        torn += new != 1024 && old != 1024;
    }
    assert_true(kept > 20 && lost > 20 && torn > 20);
}

static void test_a_death_of_the_process_loses_nothing_written(void **state)
{
    struct fixture *x = *state;
    sqlite3_file *file = raw(x);
    assert_int_equal(put(file, 'a', 100, 0), SQLITE_OK);
    disk_stop(x->disk);
    assert_true(disk_is_stopped(x->disk));
    assert_int_equal(put(file, 'b', 100, 0), SQLITE_IOERR_WRITE);
    sqlite3_file *other;
    assert_int_equal(open_raw(x, &other), SQLITE_CANTOPEN);
    disk_revive(x->disk);
    assert_int_equal(put(file, 'b', 100, 0), SQLITE_IOERR_WRITE); /* still dead */
    close_raw(file);
    size_t len = 0;
    assert_int_equal(count_of(disk_file(x->disk, x->path, &len), 100, 'a'), 100);
}

static void test_a_file_never_synced_may_vanish_and_a_deletion_come_undone(void **state)
{
    struct fixture *x = *state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int vanished = 0;
    int undone = 0;
    int undone_though_synced = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t s = seed;
        struct random_source random = random_seeded(&s);
        size_t len;
        sqlite3_file *file = raw(x);
        disk_lose_power(x->disk, &random);
        disk_revive(x->disk);
        close_raw(file);
        vanished += disk_file(x->disk, x->path, &len) == NULL;
        for (int synced = 0; synced < 2; synced++) {
            disk_set_file(x->disk, x->path, "text", 4);
            assert_int_equal(vfs->xDelete(vfs, x->path, synced), SQLITE_OK);
            assert_null(disk_file(x->disk, x->path, &len));
            disk_lose_power(x->disk, &random);
            disk_revive(x->disk);
            *(synced ? &undone_though_synced : &undone) += disk_file(x->disk, x->path, &len) != NULL;
            if (disk_file(x->disk, x->path, &len) != NULL)
                assert_int_equal(vfs->xDelete(vfs, x->path, 1), SQLITE_OK);
        }
    }
    assert_true(vanished > 20 && vanished < 80);
    assert_true(undone > 20 && undone < 80);
    assert_int_equal(undone_though_synced, 0);
}

static void test_faults_come_where_they_can(void **state)
{
    struct fixture *x = *state;
    char data[8];
    sqlite3_file *file = raw(x);
    uint64_t before = disk_operations(x->disk);
    assert_int_equal(put(file, 'a', 8, 0), SQLITE_OK);
    assert_int_equal(file->pMethods->xRead(file, data, 8, 0), SQLITE_OK);
    assert_int_equal(disk_operations(x->disk), before + 2);

    disk_fail(x->disk, 2, DISK_FAULT_WRITE, false);
    assert_int_equal(put(file, 'b', 8, 0), SQLITE_OK);                    /* the first */
    assert_int_equal(file->pMethods->xRead(file, data, 8, 0), SQLITE_OK); /* the second, but no write */
    assert_int_equal(put(file, 'c', 8, 0), SQLITE_IOERR_WRITE);
    assert_int_equal(put(file, 'd', 8, 0), SQLITE_OK);
    assert_int_equal(disk_failures(x->disk), 1);

    disk_fail(x->disk, 1, DISK_FAULT_READ, true);
    assert_int_equal(file->pMethods->xRead(file, data, 8, 0), SQLITE_IOERR_READ);
    assert_int_equal(file->pMethods->xRead(file, data, 8, 0), SQLITE_IOERR_READ);
    assert_int_equal(disk_failures(x->disk), 2);

    disk_fail(x->disk, 1, DISK_FAULT_FULL, true);
    assert_int_equal(put(file, 'e', 8, 0), SQLITE_OK); /* takes no room */
    assert_int_equal(put(file, 'e', 8, 4), SQLITE_FULL);
    disk_fail(x->disk, 1, DISK_FAULT_SHORT_WRITE, false);
    assert_int_equal(put(file, 'f', 8, 0), SQLITE_FULL);
    size_t len = 0;
    assert_memory_equal(disk_file(x->disk, x->path, &len), "ffffeeee", 8);
    assert_int_equal(len, 8);

    disk_fail(x->disk, 1, DISK_FAULT_TRUNCATE, false);
    assert_int_equal(file->pMethods->xTruncate(file, 0), SQLITE_IOERR_TRUNCATE);
    assert_int_equal(file->pMethods->xTruncate(file, 4), SQLITE_OK);
    close_raw(file);

    disk_fail(x->disk, 1, DISK_FAULT_OPEN, false);
    assert_int_equal(open_raw(x, &file), SQLITE_CANTOPEN);
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    disk_fail(x->disk, 1, DISK_FAULT_DELETE, false);
    assert_int_equal(vfs->xDelete(vfs, x->path, 0), SQLITE_IOERR_DELETE);
    assert_string_equal(strstr(disk_last(x->disk), "delete"), "delete raw");
    disk_fail(x->disk, 1, DISK_FAULT_IO, true);
    assert_int_equal(open_raw(x, &file), SQLITE_CANTOPEN);
    disk_fail(x->disk, 0, DISK_FAULT_NONE, false);
    close_raw(raw(x));
}

/* Loses power many times after a sync that went so, and a good one after it if repeated. How often was a
 * whole piece there afterwards? */
static int times_durable(struct fixture *x, enum disk_fault fault, int expect_rc, bool repeated)
{
    int durable = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        disk_set_file(x->disk, x->path, "", 0);
        sqlite3_file *file = raw(x);
        assert_int_equal(put(file, 'a', 512, 0), SQLITE_OK);
        disk_fail(x->disk, 1, fault, false);
        assert_int_equal(sync_raw(file), expect_rc);
        if (repeated)
            assert_int_equal(sync_raw(file), SQLITE_OK);
        char seen = 0;
        assert_int_equal(file->pMethods->xRead(file, &seen, 1, 511), SQLITE_OK);
        assert_int_equal(seen, 'a');
        uint64_t s = seed;
        struct random_source random = random_seeded(&s);
        disk_lose_power(x->disk, &random);
        close_raw(file);
        disk_revive(x->disk);
        size_t len = 0;
        const unsigned char *data = disk_file(x->disk, x->path, &len);
        durable += data != NULL && len == 512 && count_of(data, len, 'a') == 512;
    }
    return durable;
}

static void test_syncs_that_fail_and_lie(void **state)
{
    struct fixture *x = *state;
    assert_int_equal(times_durable(x, DISK_FAULT_NONE, SQLITE_OK, false), 60);
    int failed = times_durable(x, DISK_FAULT_SYNC, SQLITE_IOERR_FSYNC, false);
    assert_true(failed > 0 && failed < 60);
    failed = times_durable(x, DISK_FAULT_SYNC, SQLITE_IOERR_FSYNC, true);
    assert_true(failed > 0 && failed < 60); /* the second sync knows nothing of them any more */
    int lied = times_durable(x, DISK_FAULT_SYNC_LIES, SQLITE_OK, false);
    assert_true(lied > 0 && lied < 60);
    assert_int_equal(times_durable(x, DISK_FAULT_SYNC_LIES, SQLITE_OK, true), 60);
}

/* ---- store/ on it ---- */

static void test_store_runs_on_it(void **state)
{
    struct fixture *x = *state;
    struct store *store = store_fixture_open(x->f);
    struct launch *launch = store_fixture_launch(x->f, 1);
    store_fixture_save(store, launch);
    store_close(store);
    launch_free(launch);
    struct stat st;
    assert_int_equal(stat(x->f->path, &st), 0);
    assert_int_equal(st.st_size, 0); /* nothing of it is on the real disk */
    size_t len = 0;
    assert_memory_equal(disk_file(x->disk, x->f->path, &len), "SQLite format 3", 16);
    char *AUTO_FREE wal = check_printf("%s-wal", x->f->path);
    assert_null(disk_file(x->disk, wal, &len)); /* closed cleanly */
    store_close(store_fixture_open(x->f));
}

static void take_text(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    (void)names;
    assert_int_equal(columns, 1);
    snprintf(arg, 64, "%s", values[0]);
}

static long rows(struct fixture *x)
{
    char text[64] = "";
    struct err err;
    if (store_query_file(x->f->path, "SELECT count(*) FROM launches", take_text, text, &err) != 0)
        fail_msg("%s", err.msg);
    return strtol(text, NULL, 10);
}

static void test_readers_beside_the_writer(void **state)
{
    struct fixture *x = *state;
    struct store *store = store_fixture_open(x->f);
    for (int i = 1; i <= 3; i++) {
        struct launch *launch = store_fixture_launch(x->f, i);
        store_fixture_save(store, launch);
        launch_free(launch);
        assert_int_equal(rows(x), i);
    }
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open_v2(x->f->path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct err err = {0};
    assert_int_equal(store_begin(store, &err), -1); /* at once: waiting costs no time */
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(store, &err), 0);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    store_close(store);
    assert_int_equal(rows(x), 3);
}

/* Saves launch by launch until the power goes; how many commits had returned, and what is there afterwards.
 */
static void lose_power_in_saves(struct fixture *x, uint64_t at, long *promised, long *found)
{
    uint64_t seed = at;
    struct random_source random = random_seeded(&seed);
    struct store *store = store_fixture_open(x->f);
    *promised = rows(x);
    disk_stop_at(x->disk, at, &random);
    struct err err = {0};
    for (int i = 0; i < 40 && !disk_is_stopped(x->disk); i++) {
        struct launch *launch = store_fixture_launch(x->f, (int)*promised + 1);
        if (store_begin(store, &err) == 0 && store_save_launch(store, launch, &err) == 0 &&
            store_commit(store, &err) == 0)
            ++*promised;
        launch_free(launch);
    }
    assert_true(disk_is_stopped(x->disk));
    store_close(store);
    disk_revive(x->disk);
    store_close(store_fixture_open(x->f));
    *found = rows(x);
}

static void test_what_was_committed_survives_a_loss_of_power(void **state)
{
    struct fixture *x = *state;
    for (uint64_t at = 1; at <= 60; at++) {
        long promised = 0;
        long found = 0;
        lose_power_in_saves(x, at, &promised, &found);
        if (found != promised && found != promised + 1)
            fail_msg("%ld of %ld rows after %s", found, promised, disk_last(x->disk));
    }
}

static void test_a_lying_disk_loses_what_was_committed(void **state)
{
    struct fixture *x = *state;
    int lost = 0;
    for (uint64_t at = 40; at < 80; at++) {
        unlink(x->f->path); /* a new file each time: this one may be damaged */
        store_close(store_fixture_open(x->f));
        disk_fail(x->disk, 1, DISK_FAULT_SYNC_LIES, true);
        struct store *store = store_fixture_open(x->f);
        for (int i = 1; i <= 5; i++) {
            struct launch *launch = store_fixture_launch(x->f, i);
            store_fixture_save(store, launch);
            launch_free(launch);
        }
        uint64_t seed = at;
        struct random_source random = random_seeded(&seed);
        disk_lose_power(x->disk, &random);
        store_close(store);
        disk_fail(x->disk, 0, DISK_FAULT_NONE, false);
        disk_revive(x->disk);
        struct err err;
        if (store_open(x->f->path, &x->f->clock, &store, &err) == 0)
            store_close(store);
        char text[64] = "0";
        lost += store_query_file(x->f->path, "SELECT count(*) FROM launches", take_text, text, &err) != 0 ||
                strtol(text, NULL, 10) < 5;
    }
    assert_true(lost > 5);
}

static void test_a_read_only_disk(void **state)
{
    struct fixture *x = *state;
    store_close(store_fixture_open(x->f));
    disk_fail(x->disk, 1, DISK_FAULT_READ_ONLY, true);
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open(x->f->path, &x->f->clock, &store, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, "writable"));
    disk_fail(x->disk, 0, DISK_FAULT_NONE, false);
    store_close(store_fixture_open(x->f));
}

static void test_a_file_moved_away_is_gone(void **state)
{
    struct fixture *x = *state;
    struct store *store = store_fixture_open(x->f);
    struct launch *launch = store_fixture_launch(x->f, 1);
    store_fixture_save(store, launch);
    disk_stop(x->disk); /* its log stays */
    store_close(store);
    launch_free(launch);
    disk_revive(x->disk);
    char *AUTO_FREE aside = check_printf("%s.aside", x->f->path);
    assert_int_equal(rename(x->f->path, aside), 0);
    store_close(store_fixture_open(x->f));
    assert_int_equal(rows(x), 0);
    unlink(aside);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_unsynced_pieces_are_kept_lost_or_torn),
        TEST(test_a_death_of_the_process_loses_nothing_written),
        TEST(test_a_file_never_synced_may_vanish_and_a_deletion_come_undone),
        TEST(test_faults_come_where_they_can),
        TEST(test_syncs_that_fail_and_lie),
        TEST(test_store_runs_on_it),
        TEST(test_readers_beside_the_writer),
        TEST(test_what_was_committed_survives_a_loss_of_power),
        TEST(test_a_lying_disk_loses_what_was_committed),
        TEST(test_a_read_only_disk),
        TEST(test_a_file_moved_away_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
