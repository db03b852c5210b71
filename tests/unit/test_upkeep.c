/*
 * test_upkeep.c - the file kept within bounds: what a step of forgetting takes and what it never touches, how
 * few pages it writes, and how a file gets smaller.
 */
#include "store_fixture.h"

#include "store/store_internal.h"

#include <sys/stat.h>
#include <unistd.h>

#define STEP_ROWS 64

static void must(int result, const struct err *err)
{
    if (result != 0)
        fail_msg("%s", err->msg);
}

/* A launch in this state, changed last at that time, with so many lines of history and as many attempts. */
static void add_launch(struct store_fixture *f, struct store *store, int n, enum run_state run_state,
                       int64_t updated_at_ms, int children)
{
    struct err err = {0};
    struct launch *l = store_fixture_launch(f, n);
    l->run.state = run_state;
    l->updated_at_ms = updated_at_ms;
    must(store_begin(store, &err), &err);
    must(store_save_launch(store, l, &err), &err);
    struct store_attempt a = {.launch_id = l->launch_id,
                              .stage = "create",
                              .outcome = "ok",
                              .error = "some words, so that a row has the size of a row"};
    for (int i = 0; i < children; i++) {
        a.started_at_ms = updated_at_ms + i;
        must(store_add_transition(store, l->launch_id, "QUEUED", "QUEUED", "seen again", updated_at_ms, &err),
             &err);
        must(store_add_attempt(store, &a, &err), &err);
    }
    must(store_commit(store, &err), &err);
    launch_free(l);
}

static void add_loose(struct store *store, const char *launch_id, int64_t started_at_ms)
{
    struct err err = {0};
    struct store_attempt a = {
        .launch_id = launch_id, .stage = "api", .outcome = "error", .started_at_ms = started_at_ms};
    must(store_begin(store, &err), &err);
    must(store_add_attempt(store, &a, &err), &err);
    must(store_commit(store, &err), &err);
}

static struct store_trimmed trim(struct store *store, int64_t before_ms, int64_t max_rows)
{
    struct err err = {0};
    struct store_trimmed trimmed = {0};
    must(store_trim(store, before_ms, max_rows, &trimmed, &err), &err);
    assert_true(trimmed.rows <= max_rows);
    assert_false(store_is_begun(store));
    return trimmed;
}

/* Steps until nothing is left; how many they were. */
static int trim_all(struct store *store, int64_t before_ms, int64_t max_rows)
{
    int steps = 1;
    while (!trim(store, before_ms, max_rows).is_done)
        assert_in_range(++steps, 1, 10000);
    return steps;
}

static void test_the_oldest_go_with_all_they_have(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    for (int n = 1; n <= 5; n++)
        add_launch(f, store, n, RUN_STATE_FINISHED, n * 100, 1);
    add_loose(store, NULL, 399);
    add_loose(store, NULL, 400);
    add_loose(store, "long trimmed", 2); /* an answer that came late */
    struct store_trimmed none = trim(store, 400, 0);
    assert_int_equal(none.rows, 0);
    assert_false(none.is_done);
    assert_int_equal(trim(store, 400, 6).launches, 2);
    store_fixture_expect(f->path, "select group_concat(run_name) from (select * from launches order by 1)",
                         "run-3,run-4,run-5");
    struct store_trimmed rest = trim(store, 400, 100);
    assert_int_equal(rest.launches, 1);
    assert_int_equal(rest.rows, 5);
    assert_true(rest.is_done);
    rest = trim(store, 400, 100);
    assert_int_equal(rest.rows, 0);
    assert_true(rest.is_done);
    store_fixture_expect(f->path, "select group_concat(run_name) from launches", "run-4,run-5");
    store_fixture_expect(f->path, "select count(*) from history_rows", "2");
    store_fixture_expect(f->path, "select count(launch_id), count(*) from attempt_rows", "2|3");
    store_fixture_expect(f->path, "pragma foreign_key_check", "");
    store_close(store);
}

static void test_live_rows_are_never_touched(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    int live = 0;
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        live += s == RUN_STATE_FINISHED ? 0 : 1;
        add_launch(f, store, s + 1, (enum run_state)s, 1, 3); /* all older than anything */
    }
    trim_all(store, INT64_MAX, 5);
    char *AUTO_FREE expected = check_printf("%d|0", live);
    store_fixture_expect(f->path, "select count(*), sum(state = 'FINISHED') from launches", expected);
    char *AUTO_FREE children = check_printf("%d", 3 * live);
    store_fixture_expect(f->path, "select count(*) from history_rows", children);
    store_fixture_expect(f->path, "select count(*) from attempt_rows", children);
    store_close(store);
}

/* One launch may have been retried for weeks: it goes in as small steps as many small ones. */
static void test_a_launch_with_many_rows_goes_in_steps(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    add_launch(f, store, 1, RUN_STATE_FINISHED, 1, 1000);
    add_launch(f, store, 2, RUN_STATE_FINISHED, 2, 1);
    struct store_trimmed first = trim(store, INT64_MAX, STEP_ROWS);
    assert_int_equal(first.launches, 0);
    assert_int_equal(first.rows, STEP_ROWS);
    store_fixture_expect(f->path, "select count(*) from launches", "2");
    store_close(store);
    store = store_fixture_open(f); /* the process may end in between */
    assert_int_equal(trim_all(store, INT64_MAX, STEP_ROWS), (2004 - STEP_ROWS) / STEP_ROWS + 1);
    store_fixture_expect(f->path, "select count(*) from launches", "0");
    store_close(store);
}

static int64_t vm_steps(struct store *store)
{
    int64_t steps = 0;
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        if (store->statements[i] != NULL)
            steps += sqlite3_stmt_status(store->statements[i], SQLITE_STMTSTATUS_VM_STEP, 1);
    return steps;
}

/* Old attempts of a launch that lives long are looked at once in a round, a few in each step. */
static void test_attempts_of_a_long_life_hold_up_no_step(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    add_launch(f, store, 1, RUN_STATE_RUNNING, 1, 2000);
    add_loose(store, NULL, 1003);
    for (int round = 0; round < 2; round++) {
        int64_t rows = 0;
        bool is_done = false;
        for (int steps = 0; !is_done; steps++) {
            vm_steps(store);
            struct store_trimmed trimmed = trim(store, 2001, STEP_ROWS);
            assert_true(vm_steps(store) < 40 * STEP_ROWS);
            assert_in_range(steps, 0, 2000 / STEP_ROWS);
            rows += trimmed.rows;
            is_done = trimmed.is_done;
        }
        assert_int_equal(rows, round == 0 ? 1 : 0);
    }
    store_fixture_expect(f->path, "select count(*) from attempt_rows", "2000");
    store_close(store);
}

/* Pages this connection has put into its log since it was last asked. */
static int pages_written(struct store *store)
{
    int pages = 0;
    int highest = 0;
    assert_int_equal(sqlite3_db_status(store->db, SQLITE_DBSTATUS_CACHE_WRITE, &pages, &highest, 1),
                     SQLITE_OK);
    return pages;
}

static void fill(struct store_fixture *f, struct store *store, int launches)
{
    for (int n = 1; n <= launches; n++)
        add_launch(f, store, n, RUN_STATE_FINISHED, n, 10);
}

/* What a step costs in pages doesn't depend on how many launches there are. */
static void test_a_step_writes_few_pages(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    fill(f, store, 1000);
    for (int i = 0; i < 50; i++) {
        pages_written(store);
        assert_int_equal(trim(store, INT64_MAX, STEP_ROWS).rows, STEP_ROWS);
        assert_in_range(pages_written(store), 1, 60);
    }
    store_close(store);
}

static struct store_size size_of(struct store *store)
{
    struct err err = {0};
    struct store_size size = {0};
    must(store_size(store, &size, &err), &err);
    return size;
}

static int64_t bytes_on_disk(const struct store_fixture *f)
{
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    return st.st_size;
}

static void test_a_file_gets_smaller_in_steps(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    fill(f, store, 500);
    add_launch(f, store, 501, RUN_STATE_RUNNING, 1, 2); /* behind all that goes */
    store_checkpoint(store);
    int64_t full = bytes_on_disk(f);
    trim_all(store, INT64_MAX, STEP_ROWS);
    struct store_size size = size_of(store);
    assert_int_equal(size.bytes, full);
    assert_true(size.can_shrink);
    assert_true(size.free_bytes > full / 2);
    while (size.free_bytes > 0) {
        pages_written(store);
        must(store_shrink(store, 16, &err), &err);
        assert_in_range(pages_written(store), 1, 16 * 4);
        struct store_size next = size_of(store);
        assert_in_range(size.bytes - next.bytes, 4096, 16 * 4096 + 4096); /* one more: of the pointer map */
        size = next;
    }
    must(store_shrink(store, 16, &err), &err); /* nothing is left to give */
    store_checkpoint(store);
    assert_int_equal(bytes_on_disk(f), size.bytes);
    assert_true(size.bytes < full / 2);
    store_fixture_expect(f->path, "pragma integrity_check", "ok");
    store_fixture_expect(f->path, "select run_name from running union select max(run_name) from history",
                         "run-501");
    store_close(store);
}

#define OLD_COLUMNS                                                                                          \
    "from pragma_table_info('launches') where \"notnull\" and dflt_value is null and name not in "           \
    "('launch_id', 'flow_run_id', 'run_name', 'class_name', 'state', 'verdict', 'updated_at_ms')"

/* A file of form 7, as it was made then: pages could not be given back. 200 launches have ended, one runs. */
static void make_old_file(struct store_fixture *f)
{
    struct err err = {0};
    struct store *store = NULL;
    free(store_fixture_shell_write(f->path, "pragma auto_vacuum = none; create table t (a); drop table t"));
    must(store_open_list(f->path, &f->clock, migrate_list, 7, &store, &err), &err);
    assert_false(size_of(store).can_shrink);
    store_close(store);
    char *AUTO_FREE columns = store_fixture_shell(f->path, "select group_concat(name) " OLD_COLUMNS);
    char *AUTO_FREE values =
        store_fixture_shell(f->path, "select group_concat(iif(type = 'TEXT', '''''', '0')) " OLD_COLUMNS);
    char *AUTO_FREE sql = check_printf(
        "with recursive n (i) as (values (1) union all select i + 1 from n where i < 201) insert into "
        "launches "
        "(launch_id, flow_run_id, run_name, class_name, state, verdict, updated_at_ms, %s) select 'launch-' "
        "|| i, "
        "'flow-run-' || i, 'run-' || i, 'default', iif(i = 201, 'RUNNING', 'FINISHED'), 'none', i, %s from "
        "n; "
        "insert into history_rows (launch_id, from_state, to_state, why, at_ms) "
        "select launch_id, 'QUEUED', 'CLAIMING', 'ADMITTED', 1 from launches, generate_series(1, 10); "
        "insert into attempt_rows (launch_id, class_name, stage, attempt, started_at_ms, took_ms, "
        "timeout_ms, "
        "outcome, clock_ms) select launch_id, 'default', 'api', 1, 1, 1, 1, 'ok', 0 from launches, "
        "generate_series(1, 10)",
        columns, values);
    free(store_fixture_shell_write(f->path, sql));
}

static void test_an_old_file_shrinks_when_it_was_compacted(void **state)
{
    struct store_fixture *f = *state;
    struct err err = {0};
    make_old_file(f);
    struct store *store = store_fixture_open(f);
    assert_false(size_of(store).can_shrink);
    trim_all(store, 150, STEP_ROWS);
    struct store_size before = size_of(store);
    must(store_shrink(store, 16, &err), &err); /* without effect */
    assert_int_equal(size_of(store).bytes, before.bytes);
    assert_true(before.free_bytes > before.bytes / 4);
    must(store_compact(store, &err), &err);
    struct store_size after = size_of(store);
    assert_true(after.can_shrink);
    assert_int_equal(after.free_bytes, 0);
    assert_true(after.bytes < before.bytes - before.free_bytes + 8 * 4096);
    assert_int_equal(bytes_on_disk(f), after.bytes);
    store_close(store);
    store_fixture_expect(f->path, "pragma integrity_check", "ok");
    store = store_fixture_open(f);
    assert_true(size_of(store).can_shrink);
    store_close(store);
    store_fixture_expect(f->path, "select count(*), sum(state = 'RUNNING') from launches", "52|1");
}

/* The counts of the view `classes` are kept by triggers: they follow every way a launch comes and goes. */
static void test_finished_launches_are_counted(void **state)
{
    struct store_fixture *f = *state;
    make_old_file(f); /* its rows are counted by the migration */
    struct store *store = store_fixture_open(f);
    static const char counts[] =
        "select finished = (select count(*) from launches where state = 'FINISHED'), "
        "finished from finished_rows";
    store_fixture_expect(f->path, counts, "1|200");
    add_launch(f, store, 201, RUN_STATE_FINISHED, 300, 0); /* it ran */
    add_launch(f, store, 201, RUN_STATE_FINISHED, 300, 0); /* saved once more */
    add_launch(f, store, 202, RUN_STATE_FINISHED, 300, 0);
    add_launch(f, store, 203, RUN_STATE_QUEUED, 300, 0);
    store_fixture_expect(f->path, counts, "1|202");
    trim_all(store, 101, STEP_ROWS);
    store_fixture_expect(f->path, counts, "1|102");
    trim_all(store, INT64_MAX, STEP_ROWS);
    store_fixture_expect(f->path, counts, "1|0");
    store_close(store);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_the_oldest_go_with_all_they_have),
        STORE_TEST(test_live_rows_are_never_touched),
        STORE_TEST(test_a_launch_with_many_rows_goes_in_steps),
        STORE_TEST(test_attempts_of_a_long_life_hold_up_no_step),
        STORE_TEST(test_a_step_writes_few_pages),
        STORE_TEST(test_a_file_gets_smaller_in_steps),
        STORE_TEST(test_an_old_file_shrinks_when_it_was_compacted),
        STORE_TEST(test_finished_launches_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
