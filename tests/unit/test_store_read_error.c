/*
 * A read that fails at the start, once or from then on, is no damage: the file stays where it is, and the
 * next start has every row.
 */
#include "store_fixture.h"

#include "base/check.h"
#include "tests/support/disk.h"

#define ROWS 400

static bool count_row(void *arg, struct launch *take_launch)
{
    int *count = arg;
    (*count)++;
    launch_free(take_launch);
    return true;
}

static int count_rows(struct store *store)
{
    struct err err;
    int count = 0;
    assert_int_equal(store_load_launches(store, count_row, &count, &err), 0);
    return count;
}

static void fill(struct store_fixture *f)
{
    struct store *store = store_fixture_open(f);
    for (int i = 0; i < ROWS; i++) {
        struct launch *launch = store_fixture_launch(f, i);
        store_fixture_save(store, launch);
        launch_free(launch);
    }
    store_close(store);
}

/* Whether the fault came into it at all. */
static bool open_with_fault(struct store_fixture *f, struct disk *disk, uint64_t nth, bool stays)
{
    const char *why;
    struct store *store = NULL;
    struct err err = {0};
    disk_fail(disk, nth, DISK_FAULT_READ, stays);
    int result = store_open(f->path, &f->clock, &store, &err);
    bool has_failed = disk_failures(disk) > 0;
    if (result == 0) {
        assert_null(store_set_aside(store, &why));
        store_close(store);
    } else {
        assert_int_not_equal(err.kind, ERR_PARSE);
    }
    disk_fail(disk, 0, DISK_FAULT_NONE, false);
    store = store_fixture_open(f);
    assert_int_equal(count_rows(store), ROWS);
    store_close(store);
    return has_failed;
}

static void try_each_read(void **state, bool stays)
{
    struct store_fixture *f = *state;
    struct disk *disk = disk_new();
    uint64_t tried = 0;
    fill(f);
    for (uint64_t nth = 1; open_with_fault(f, disk, nth, stays); nth++)
        tried++;
    assert_true(tried > 20);
    disk_free(disk);
}

static void test_a_read_that_fails_once_is_no_damage(void **state)
{
    try_each_read(state, false);
}

static void test_reads_that_fail_from_then_on_are_no_damage(void **state)
{
    try_each_read(state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_read_that_fails_once_is_no_damage, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reads_that_fail_from_then_on_are_no_damage, store_fixture_setup,
                                        store_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
