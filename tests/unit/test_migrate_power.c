/*
 * The process dies, the power goes, or the disk fails at each operation of opening an older state file: the
 * file is of one form or of the next, never between, and the next start brings it to the newest. The same for
 * making a new one.
 */
#include "store_fixture.h"

#include "store/store_internal.h"
#include "tests/support/disk.h"

#define FORMS_MAX 16
/* Points that are left out between two, unless "all" is asked for. */
#define STRIDE 19
#define WHOLE "SELECT group_concat(type || name || coalesce(sql, '')) FROM sqlite_schema"

static uint64_t stride = STRIDE;

struct fixture {
    void *store_state;
    struct store_fixture *f;
    struct disk *disk;
    char *forms[FORMS_MAX]; /* what a file of each form answers to WHOLE; [0] is no file */
};

static int setup(void **state)
{
    struct fixture *x = check_alloc(sizeof(*x));
    if (store_fixture_setup(&x->store_state) != 0)
        return -1;
    x->f = x->store_state;
    x->disk = disk_new();
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    for (size_t i = 0; i < FORMS_MAX; i++)
        free(x->forms[i]);
    disk_free(x->disk);
    int result = store_fixture_teardown(&x->store_state);
    free(x);
    return result;
}

/* The first column of the one row; the caller's. */
static char *ask(struct fixture *x, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open(x->f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    char *copy = check_strdup(text == NULL ? "" : text);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return copy;
}

static int open_form(struct fixture *x, size_t form)
{
    struct store *store = NULL;
    struct err err;
    if (store_open_list(x->f->path, &x->f->clock, migrate_list, form, &store, &err) != 0)
        return -1;
    store_close(store);
    return 0;
}

/* A file of this form with a row, cleanly closed; form 0: none. */
static void make_form(struct fixture *x, size_t form)
{
    disk_remove(x->disk, x->f->path);
    if (form == 0)
        return;
    assert_int_equal(open_form(x, form), 0);
    free(ask(x, "INSERT INTO buckets VALUES ('pool', 4711) RETURNING 1"));
}

static void expect_one_form(struct fixture *x, size_t from, uint64_t at)
{
    char *AUTO_FREE number = ask(x, "PRAGMA user_version");
    size_t form = strtoul(number, NULL, 10);
    assert_in_range(form, from, migrate_list_count);
    char *AUTO_FREE whole = ask(x, WHOLE);
    if (strcmp(whole, x->forms[form]) != 0)
        fail_msg("between the forms after %s (%d)", disk_last(x->disk), (int)at);
    char *AUTO_FREE check = ask(x, "PRAGMA integrity_check");
    assert_string_equal(check, "ok");
    assert_int_equal(open_form(x, migrate_list_count), 0);
    char *AUTO_FREE newest = ask(x, WHOLE);
    assert_string_equal(newest, x->forms[migrate_list_count]);
    if (from > 0) {
        char *AUTO_FREE row = ask(x, "SELECT tat_us FROM buckets WHERE name = 'pool'");
        assert_string_equal(row, "4711");
    }
}

static void heal(struct fixture *x)
{
    disk_fail(x->disk, 0, DISK_FAULT_NONE, false);
    disk_stop_at(x->disk, 0, NULL);
    disk_revive(x->disk);
}

/* The number of operations before it happened; 0: never. */
static uint64_t spoil_at(struct fixture *x, size_t from, int kind, uint64_t at)
{
    static const enum disk_fault faults[] = {DISK_FAULT_WRITE, DISK_FAULT_SHORT_WRITE, DISK_FAULT_SYNC,
                                             DISK_FAULT_IO};
    uint64_t seed = at;
    struct random_source random = random_seeded(&seed);
    make_form(x, from);
    uint64_t before = disk_operations(x->disk);
    if (kind < 2)
        disk_stop_at(x->disk, at, kind == 0 ? NULL : &random);
    else
        disk_fail(x->disk, at, faults[kind - 2], kind % 2 == 0);
    (void)open_form(x, migrate_list_count);
    uint64_t happened_at = disk_is_stopped(x->disk)     ? at
                           : disk_failures(x->disk) > 0 ? disk_failed_at(x->disk) - before
                                                        : 0;
    heal(x);
    expect_one_form(x, from, at);
    return happened_at;
}

static void test_any_mishap_in_migrating(void **state)
{
    struct fixture *x = *state;
    assert_true(migrate_list_count < FORMS_MAX);
    int points = 0;
    for (size_t form = 0; form <= migrate_list_count; form++) {
        make_form(x, form);
        x->forms[form] = form == 0 ? check_strdup("") : ask(x, WHOLE);
    }
    for (size_t from = 0; from < migrate_list_count; from++)
        for (int kind = 0; kind < 6; kind++)
            for (uint64_t at = 0; (at = spoil_at(x, from, kind, at + stride)) != 0; points++) {
            }
    print_message("%d points\n", points);
    assert_true(points > (stride == 1 ? 600 : 20));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "all") == 0)
        stride = 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_mishap_in_migrating, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
