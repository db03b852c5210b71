/*
 * What reading costs does not grow with the history: counted in steps of SQLite's machine, on a file with 20
 * busy classes and 400,000 calls of which the last 15 minutes hold 2,000.
 */
#include "store_fixture.h"

#include "status_internal.h"

#include <sqlite3.h>

enum { CALLS = 400000, CALLS_MS = 450, CLASSES = 20, STAGES = 7 };

static void make_history(struct store_fixture *f)
{
    store_close(store_fixture_open(f));
    char sql[1400];
    snprintf(
        sql, sizeof(sql),
        "DELETE FROM class_rows;"
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
        "INSERT INTO class_rows (class_key, name, rule, priority) SELECT i, 'class-' || i, '', 0 FROM n;"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
        "INSERT INTO attempt_rows (launch_id, class_name, stage, attempt, started_at_ms, took_ms, "
        "timeout_ms, "
        "outcome, clock_ms) SELECT NULL, 'class-' || (i / %d %% %d), "
        "CASE i %% %d WHEN 0 THEN 'resolve' WHEN 1 THEN 'image' WHEN 2 THEN 'create' WHEN 3 THEN 'start' "
        "WHEN 4 THEN 'run' WHEN 5 THEN 'report' ELSE 'remove' END, 1 + (i %% 50 = 0), "
        "%lld - (%d - i) * %d - i %% 977, i %% 977, 60000, 'ok', 0 FROM n;",
        CLASSES - 1, CALLS, STAGES, CLASSES, STAGES, (long long)f->now_ms, CALLS, CALLS_MS);
    free(store_fixture_shell_write(f->path, sql));
}

/* What the query reads, and in how many steps. */
static int steps_of(struct store_fixture *f, const char *sql, int64_t since_ms, int *rows)
{
    sqlite3 *db;
    sqlite3_stmt *query;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &query, NULL), SQLITE_OK);
    if (sqlite3_bind_parameter_count(query) > 0)
        assert_int_equal(sqlite3_bind_int64(query, 1, since_ms), SQLITE_OK);
    for (*rows = 0; sqlite3_step(query) == SQLITE_ROW; ++*rows)
        ;
    int steps = sqlite3_stmt_status(query, SQLITE_STMTSTATUS_VM_STEP, 0);
    assert_int_equal(sqlite3_finalize(query), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return steps;
}

static void test_reads_do_not_grow_with_the_history(void **state)
{
    struct store_fixture *f = *state;
    int rows;
    make_history(f);
    const char *trouble = status_sections[SECTION_TROUBLE].sql;
    int steps = steps_of(f, trouble, f->now_ms - 900000, &rows);
    print_message("failed and repeated calls of 15 minutes: %d rows in %d steps\n", rows, steps);
    assert_int_equal(rows, 14);
    assert_in_range(steps, 1, 200000);
    steps = steps_of(f, trouble, f->now_ms + 1, &rows);
    assert_int_equal(rows, 0);
    assert_in_range(steps, 1, 50000);
    steps = steps_of(f, "SELECT * FROM classes", 0, &rows);
    print_message("classes: %d rows in %d steps\n", rows, steps);
    assert_int_equal(rows, CLASSES);
    assert_in_range(steps, 1, 2000000);
}

static void test_a_short_table_is_read_whole(void **state)
{
    struct store_fixture *f = *state;
    int rows;
    store_close(store_fixture_open(f));
    const char *trouble = status_sections[SECTION_TROUBLE].sql;
    steps_of(f, trouble, f->now_ms - 900000, &rows);
    assert_int_equal(rows, 0);
    /* A gap in the keys, as forgetting leaves one, and an old call behind a new one. */
    free(store_fixture_shell_write(f->path,
                                   "INSERT INTO attempt_rows (attempt_key, class_name, stage, attempt, "
                                   "started_at_ms, took_ms, timeout_ms, "
                                   "outcome, clock_ms) VALUES (7, 'a', 'create', 2, 5000, 0, 0, 'ok', 0), "
                                   "(900000, 'b', 'create', 2, 5000, 0, 0, 'ok', 0), (900001, 'c', 'create', "
                                   "2, 4000, 1000, 0, 'ok', 0)"));
    steps_of(f, trouble, 5000, &rows);
    assert_int_equal(rows, 2);
    steps_of(f, trouble, 1, &rows);
    assert_int_equal(rows, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reads_do_not_grow_with_the_history, store_fixture_setup,
                                        store_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_short_table_is_read_whole, store_fixture_setup,
                                        store_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
