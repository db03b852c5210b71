/*
 * What `sluice status` and `sluice timeouts` read off a state file: what waits for the same counts as one,
 * each thing once, files of older forms too, all of one reader from one commit.
 */
#include "store_fixture.h"

#include "status.h"
#include "timeouts.h"

#define MINUTE_MS (60 * (int64_t)1000)

static const struct service_sight down = {.state = SERVICE_DOWN};
static const struct terminal narrow = {.is_terminal = true, .display = {.is_utf8 = true}, .columns = 80};

static void write_sql(const struct store_fixture *f, const char *sql)
{
    free(store_fixture_shell_write(f->path, sql));
}

static struct status *read_status(const struct store_fixture *f, const struct service_sight *sight)
{
    struct err err = {0};
    struct status *status = NULL;
    if (status_read(f->path, sight, f->now_ms, &status, &err) != 0)
        fail_msg("%s", err.msg);
    return status;
}

/* One member of what programs get. */
static char *section(const struct store_fixture *f, const struct service_sight *sight, const char *key)
{
    struct status *status = read_status(f, sight);
    struct json *json = status_json(status);
    char *text = json_write(json_get(json, key));
    json_free(json);
    status_free(status);
    return text;
}

static void expect_section(const struct store_fixture *f, const char *key, const char *wanted)
{
    char *AUTO_FREE text = section(f, &down, key);
    assert_string_equal(text, wanted);
}

static char *for_people(const struct store_fixture *f, const struct service_sight *sight, bool is_all)
{
    struct status *status = read_status(f, sight);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    status_print(status, &narrow, is_all, out);
    assert_int_equal(fclose(out), 0);
    status_free(status);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

/* ---- waits ---- */

static void save_in_backoff(struct store_fixture *f, struct store *store, int n, const char *class_name)
{
    struct launch *l = store_fixture_launch(f, n);
    launch_set_text(&l->class_name, class_name);
    l->run.next_try_at_ms = f->now_ms + n * MINUTE_MS; /* the present is the machine's: far enough ahead */
    store_fixture_save(store, l);
    launch_free(l);
}

static void test_what_waits_for_the_same_is_one(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    for (int n = 10; n < 13; n++)
        save_in_backoff(f, store, n, "etl");
    save_in_backoff(f, store, 13, "ml");
    store_close(store);
    write_sql(f, "update launches set due_at_ms = 1000 + launch_key");
    expect_section(f, "waits",
                   "[{\"class\":\"etl\",\"waits_for\":\"backoff\",\"runs\":3,\"oldest_due_at\":"
                   "\"1970-01-01T00:00:01.001Z\"},"
                   "{\"class\":\"ml\",\"waits_for\":\"backoff\",\"runs\":1,\"oldest_due_at\":"
                   "\"1970-01-01T00:00:01.004Z\"}]");
    expect_section(f, "classes",
                   "[{\"class\":\"etl\",\"queued\":3,\"starting\":0,\"running\":0,\"ending\":0,\"parked\":0,"
                   "\"oldest_due_at\":\"1970-01-01T00:00:01.001Z\"},"
                   "{\"class\":\"ml\",\"queued\":1,\"starting\":0,\"running\":0,\"ending\":0,\"parked\":0,"
                   "\"oldest_due_at\":\"1970-01-01T00:00:01.004Z\"}]");
}

/* A launch in any state but FINISHED counts in one column, of one row. */
static void test_each_state_counts_once(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        struct launch *l = store_fixture_launch(f, s);
        l->run.state = (enum run_state)s;
        l->run.has_container = true;
        store_fixture_save(store, l);
        launch_free(l);
    }
    store_close(store);
    struct status *status = read_status(f, &down);
    struct json *json = status_json(status);
    const struct json *row = json_first(json_get(json, "classes"));
    int64_t sum = 0;
    static const char *const keys[] = {"queued", "starting", "running", "ending", "parked"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        sum += json_get_int(row, keys[i], 0);
    assert_int_equal(sum, RUN_STATE_COUNT - 1);
    assert_int_equal(json_get_int(row, "queued", 0), 1);
    assert_int_equal(json_get_int(row, "parked", 0), 1);
    assert_int_equal(json_count(json_get(json, "parked")), 1);
    assert_int_equal(json_count(json_get(json, "running")), 3); /* STARTING, RUNNING, STOPPING */
    json_free(json);
    status_free(status);
}

/* ---- the service ---- */

static void test_the_service_is_told(void **state)
{
    struct store_fixture *f = *state;
    static const struct {
        enum service_state state;
        const char *said;
        const char *json;
    } cases[] = {
        {SERVICE_DOWN, "down: no sluice serves", "\"state\":\"down\""},
        {SERVICE_SILENT, "silent: a sluice has", "\"state\":\"silent\""},
        {SERVICE_RUNNING, "running for 2h (process 12);", "\"state\":\"running\""},
        {SERVICE_PAUSED, "paused for 5m; sluice resume ends it (process 12, up for 2h);",
         "\"state\":\"paused\""},
        {SERVICE_DRAINING, "draining (process 12, up for 2h);", "\"state\":\"draining\""},
        {SERVICE_STOPPING, "stopping (process 12, up for 2h);", "\"state\":\"stopping\""},
    };
    store_close(store_fixture_open(f));
    char *AUTO_FREE hold = check_printf("insert into hold_rows values ('paused', 'claim', 'paused', %lld, 0)",
                                        (long long)(f->now_ms - 5 * MINUTE_MS));
    write_sql(f, hold);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct service_sight sight = {
            .state = cases[i].state, .pid = 12, .since_ms = f->now_ms - 120 * MINUTE_MS};
        char *AUTO_FREE json = section(f, &sight, "service");
        char *AUTO_FREE text = for_people(f, &sight, false);
        assert_has(json, cases[i].json);
        assert_int_equal(strncmp(text, cases[i].said, strlen(cases[i].said)), 0);
        assert_has(text, "nothing waits, nothing runs\n");
    }
}

static void test_what_has_just_begun_has_no_span(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    const int64_t begun_ms[] = {f->now_ms - 999, f->now_ms, f->now_ms + 60000, 0};
    for (size_t i = 0; i < ARRAY_LEN(begun_ms); i++) {
        struct service_sight sight = {.state = SERVICE_RUNNING, .pid = 12, .since_ms = begun_ms[i]};
        char *AUTO_FREE text = for_people(f, &sight, false);
        assert_int_equal(strncmp(text, "running (process 12);", 21), 0);
    }
}

/* ---- limits, breakers, alerts ---- */

static void test_limits_without_a_value_are_for_programs(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    write_sql(
        f, "insert into limit_rows (class_name, kind, limit_value, burst) values "
           "('', 'running', 7, 0), ('quiet', 'pulls', -1, 0);"
           "insert into learned_rows values ('breaker:registry h:5', '', 'breaker', 1, 'h:5: open', '', 0), "
           "('timeout:create:etl', 'etl', 'timeout:create', 900, '42 samples', '', 0)");
    char *AUTO_FREE few = for_people(f, &down, false);
    char *AUTO_FREE all = for_people(f, &down, true);
    assert_has(few, "(pool)  running       0   7");
    assert_null(strstr(few, "quiet"));
    assert_has(all, "quiet");
    expect_section(f, "limits",
                   "[{\"class\":\"(pool)\",\"kind\":\"running\",\"in_use\":0,\"limit\":7.0,\"tokens\":null,"
                   "\"learned_value\":null,\"burst\":null,\"learned_from\":null},"
                   "{\"class\":\"quiet\",\"kind\":\"pulls\",\"in_use\":0,\"limit\":null,\"tokens\":null,"
                   "\"learned_value\":null,\"burst\":null,\"learned_from\":null}]");
    expect_section(f, "breakers",
                   "[{\"dependency\":\"registry h:5\",\"state\":\"open\",\"said\":\"h:5: open\"}]");
}

static void test_alerts_are_shown_where_there_are_any(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    write_sql(f, "drop view if exists alerts");
    expect_section(f, "alerts", "[]");
    write_sql(f, "create view alerts as select 'timeouts' as alert, 'firing' as state, 'page' as severity, "
                 "'2026-01-01T00:00:00.000Z' as since, '14 % of create' as reason "
                 "union all select 'queue_old', 'resolved', 'ticket', '', ''");
    expect_section(f, "alerts",
                   "[{\"alert\":\"timeouts\",\"severity\":\"page\",\"since\":\"2026-01-01T00:00:00.000Z\","
                   "\"reason\":\"14 % of create\"}]");
    char *AUTO_FREE text = for_people(f, &down, false);
    assert_has(text, "alerts\nALERT     SEVERITY  SINCE");
}

static void test_a_file_of_an_older_form(void **state)
{
    struct store_fixture *f = *state;
    write_sql(f, ".read tests/data/state-form-2.sql");
    char *AUTO_FREE text = for_people(f, &down, true);
    assert_has(text, "1 queued, 9 starting, 2 running, 5 ending, 1 parked\n");
    expect_section(f, "held_by", "[]");
    expect_section(f, "not_taken", "[]");
}

/* ---- timeouts ---- */

/* n calls that took 1 to n ms, and what ran out of time. */
static void write_calls(const struct store_fixture *f, int64_t at_ms)
{
    char *AUTO_FREE sql =
        check_printf("with recursive n (i) as (select 1 union all select i + 1 from n where i < 200) "
                     "insert into attempt_rows (class_name, stage, attempt, started_at_ms, took_ms, "
                     "timeout_ms, timeout_from, "
                     "outcome, clock, clock_ms, clock_from, error) "
                     "select 'etl', 'create', 1, %lld, i, 400, 'sluice.conf:3', 'ok', NULL, 0, NULL, NULL "
                     "from n union all "
                     "select 'etl', 'create', 2, %lld, 400, 400, 'sluice.conf:4', 'timeout', 'total', 400, "
                     "'sluice.conf:4', 'late' "
                     "union all select 'etl', 'pull', 1, %lld, 999, 0, NULL, 'timeout', 'inactivity', 60000, "
                     "'default', 'silent' "
                     "union all select 'ml', 'start', 1, %lld, 5, 0, NULL, 'ok', NULL, 0, NULL, NULL",
                     (long long)at_ms, (long long)at_ms, (long long)at_ms, (long long)at_ms);
    write_sql(f, sql);
}

static char *read_timeouts(const struct store_fixture *f, struct timeouts_filter filter, const char *key)
{
    struct err err = {0};
    struct timeouts *t = NULL;
    filter.since_ms = filter.since_ms == 0 ? f->now_ms - 60 * MINUTE_MS : filter.since_ms;
    if (timeouts_read(f->path, &filter, &t, &err) != 0)
        fail_msg("%s", err.msg);
    struct json *json = timeouts_json(t);
    char *text = json_write(json_get(json, key));
    json_free(json);
    timeouts_free(t);
    return text;
}

static void test_clocks_beside_what_calls_take(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    write_calls(f, 1000);
    char *AUTO_FREE clocks = read_timeouts(f, (struct timeouts_filter){.since_ms = 500}, "clocks");
    assert_string_equal(
        clocks,
        "[{\"class\":\"etl\",\"setting\":\"create\",\"clock\":\"total\",\"calls\":201,\"timeouts\":1,\"clock_"
        "ms\":400,"
        "\"p50_ms\":100,\"p95_ms\":190,\"p99_ms\":198,\"longest_ms\":200,\"p99_percent\":49.5,"
        "\"clock_from\":\"sluice.conf:4\",\"last_at\":\"1970-01-01T00:00:01.000Z\"},"
        "{\"class\":\"etl\",\"setting\":\"pull_inactivity\",\"clock\":\"inactivity\",\"calls\":1,"
        "\"timeouts\":1,"
        "\"clock_ms\":60000,\"p50_ms\":null,\"p95_ms\":null,\"p99_ms\":null,\"longest_ms\":null,\"p99_"
        "percent\":null,"
        "\"clock_from\":\"default\",\"last_at\":\"1970-01-01T00:00:01.000Z\"},"
        "{\"class\":\"etl\",\"setting\":\"pull\",\"clock\":\"total\",\"calls\":1,\"timeouts\":0,\"clock_ms\":"
        "null,"
        "\"p50_ms\":null,\"p95_ms\":null,\"p99_ms\":null,\"longest_ms\":null,\"p99_percent\":null,\"clock_"
        "from\":null,"
        "\"last_at\":null},"
        "{\"class\":\"ml\",\"setting\":\"start\",\"clock\":\"total\",\"calls\":1,\"timeouts\":0,\"clock_ms\":"
        "null,"
        "\"p50_ms\":5,\"p95_ms\":5,\"p99_ms\":5,\"longest_ms\":5,\"p99_percent\":null,\"clock_from\":null,"
        "\"last_at\":null}]");
}

static void test_filters(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    write_calls(f, f->now_ms - 90 * MINUTE_MS);
    write_calls(f, f->now_ms);
    char *AUTO_FREE of_ml = read_timeouts(f, (struct timeouts_filter){.job_class = "ml"}, "clocks");
    char *AUTO_FREE of_pull = read_timeouts(f, (struct timeouts_filter){.stage = "pull"}, "clocks");
    char *AUTO_FREE quoted = read_timeouts(f, (struct timeouts_filter){.job_class = "' or 1 --"}, "clocks");
    char *AUTO_FREE last = read_timeouts(f, (struct timeouts_filter){.limit = 1}, "recent");
    char *AUTO_FREE all = read_timeouts(f, (struct timeouts_filter){.since_ms = 1}, "recent");
    assert_has(of_ml, "\"ml\"");
    assert_null(strstr(of_ml, "\"etl\""));
    assert_has(of_ml, "\"calls\":1,"); /* not the one of 90 minutes ago */
    assert_has(of_pull, "pull_inactivity");
    assert_null(strstr(of_pull, "create"));
    assert_string_equal(quoted, "[]");
    assert_has(last, "\"setting\":\"pull_inactivity\"");
    assert_null(strstr(last, "\"setting\":\"create\""));
    size_t count = 0;
    for (const char *p = all; (p = strstr(p, "\"started_at\"")) != NULL; p++)
        count++;
    assert_int_equal(count, 4);
}

static void test_trouble_is_counted_for_a_while(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    write_calls(f, f->now_ms - 16 * MINUTE_MS);
    expect_section(f, "trouble", "[]");
    char *AUTO_FREE older = section(f, &down, "timeouts");
    assert_has(older, "pull_inactivity"); /* single ones of a day */
    write_calls(f, f->now_ms - 14 * MINUTE_MS);
    char *AUTO_FREE trouble = section(f, &down, "trouble");
    assert_has(
        trouble,
        "{\"stage\":\"create\",\"class\":\"etl\",\"calls\":201,\"retries\":1,\"timeouts\":1,\"errors\":0,");
    assert_has(
        trouble,
        "{\"stage\":\"pull\",\"class\":\"etl\",\"calls\":1,\"retries\":0,\"timeouts\":1,\"errors\":0,");
    assert_null(strstr(trouble, "\"ml\""));
}

/* ---- the reader ---- */

static void on_count(void *arg, size_t columns, const struct store_cell *cells)
{
    assert_int_equal(columns, 1);
    assert_int_equal(cells[0].kind, STORE_CELL_NUMBER);
    *(long *)arg = strtol(cells[0].text, NULL, 10);
}

static void test_a_reader_sees_one_commit(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct store_reader *reader = NULL;
    struct err err = {0};
    long count = -1;
    assert_int_equal(store_reader_open(f->path, &reader, &err), 0);
    assert_true(store_reader_has(reader, "queue"));
    assert_false(store_reader_has(reader, "no such view"));
    struct launch *l = store_fixture_launch(f, 1);
    store_fixture_save(store, l);
    launch_free(l);
    const char *const values[] = {"QUEUED", "more than it asks for", NULL};
    static const char sql[] = "select count(*) from launches where state = ?1";
    assert_int_equal(store_reader_ask(reader, sql, values, on_count, &count, &err), 0);
    assert_int_equal(count, 0);
    store_reader_close(reader);
    assert_int_equal(store_reader_open(f->path, &reader, &err), 0);
    assert_int_equal(store_reader_ask(reader, sql, values, on_count, &count, &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(store_reader_ask(reader, "delete from launches", NULL, on_count, &count, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    store_reader_close(reader);
    store_close(store);
}

#define STATUS_TEST(test) cmocka_unit_test_setup_teardown(test, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATUS_TEST(test_what_waits_for_the_same_is_one),
        STATUS_TEST(test_each_state_counts_once),
        STATUS_TEST(test_the_service_is_told),
        STATUS_TEST(test_what_has_just_begun_has_no_span),
        STATUS_TEST(test_limits_without_a_value_are_for_programs),
        STATUS_TEST(test_alerts_are_shown_where_there_are_any),
        STATUS_TEST(test_a_file_of_an_older_form),
        STATUS_TEST(test_clocks_beside_what_calls_take),
        STATUS_TEST(test_filters),
        STATUS_TEST(test_trouble_is_counted_for_a_while),
        STATUS_TEST(test_a_reader_sees_one_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
