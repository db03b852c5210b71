#include "timeouts.h"

#include "attempts_since.h"
#include "base/check.h"
#include "base/clock.h"

#include <string.h>

struct timeouts {
    struct table *clocks;
    struct table *recent;
    int64_t since_ms;
    char *job_class; /* NULL: all */
    char *stage;     /* NULL: all */
};

enum { CLOCK_TIMEOUTS = 4 };
static const struct table_column clock_columns[] = {
    {"class", "CLASS", TABLE_TEXT, 8, 1},
    {"setting", "CLOCK", TABLE_TEXT, 18, 0},
    {"clock", "KIND", TABLE_TEXT, 0, 10},
    {"calls", "CALLS", TABLE_NUMBER, 0, 5},
    [CLOCK_TIMEOUTS] = {"timeouts", "TIMEOUTS", TABLE_NUMBER, 0, 0},
    {"clock_ms", "AFTER", TABLE_MS, 0, 1},
    {"p50_ms", "P50", TABLE_MS, 0, 6},
    {"p95_ms", "P95", TABLE_MS, 0, 7},
    {"p99_ms", "P99", TABLE_MS, 0, 2},
    {"longest_ms", "LONGEST", TABLE_MS, 0, 8},
    {"p99_percent", "P99/CLOCK", TABLE_SHARE, 0, 3},
    {"clock_from", "FROM", TABLE_TEXT, 8, 4},
    {"last_at", "LAST TIMEOUT", TABLE_TIME, 0, 9},
};

/* ?1: since, wall milliseconds; ?2: class, ?3: stage, '' for all. A clock's value is that of its newest call:
 * the configuration may have changed. The total clock's is with each call, the others' with timeouts only.
 * CROSS JOIN fixes the order of the loops: per class and stage one short walk at the end of the index
 * attempts_ok. */
static const char sql_clocks[] =
    "WITH bound AS (SELECT CAST(?1 AS INTEGER) AS since_ms), "
    "seen AS MATERIALIZED ("
    "SELECT class_name, stage, count(*) AS calls, max(attempt_key) AS newest FROM attempt_rows, bound "
    "WHERE attempt_key > " ATTEMPTS_SINCE(
        "CAST(?1 AS INTEGER)") " "
                               "AND started_at_ms >= since_ms AND ?2 IN ('', class_name) AND ?3 IN ('', "
                               "stage) "
                               "GROUP BY class_name, stage), "
                               "ran_out AS MATERIALIZED ("
                               "SELECT class_name, stage, clock, count(*) AS timeouts, max(attempt_key) AS "
                               "newest, "
                               "max(started_at_ms) AS last_ms FROM attempt_rows, bound "
                               "WHERE outcome = 'timeout' AND started_at_ms >= since_ms "
                               "AND ?2 IN ('', class_name) AND ?3 IN ('', stage) GROUP BY class_name, stage, "
                               "clock), "
                               "clocks AS ("
                               "SELECT s.class_name, s.stage, 'total' AS clock, coalesce(r.timeouts, 0) AS "
                               "timeouts, r.last_ms, "
                               "a.timeout_ms AS clock_ms, a.timeout_from AS clock_from "
                               "FROM seen AS s JOIN attempt_rows AS a ON a.attempt_key = s.newest "
                               "LEFT JOIN ran_out AS r ON r.class_name = s.class_name AND r.stage = s.stage "
                               "AND r.clock = 'total' "
                               "UNION ALL "
                               "SELECT r.class_name, r.stage, r.clock, r.timeouts, r.last_ms, a.clock_ms, "
                               "a.clock_from "
                               "FROM ran_out AS r JOIN attempt_rows AS a ON a.attempt_key = r.newest WHERE "
                               "r.clock <> 'total'), "
                               "sample AS ("
                               "SELECT s.class_name, s.stage, a.took_ms, row_number() OVER by_time AS rank, "
                               "count(*) OVER (PARTITION BY s.class_name, s.stage) AS total "
                               "FROM seen AS s CROSS JOIN attempt_rows AS a "
                               "ON a.attempt_key IN (SELECT o.attempt_key FROM attempt_rows AS o "
                               "WHERE o.outcome = 'ok' AND o.class_name = s.class_name AND o.stage = s.stage "
                               "AND o.started_at_ms >= (SELECT since_ms FROM bound) ORDER BY o.attempt_key "
                               "DESC LIMIT 1000) "
                               "WINDOW by_time AS (PARTITION BY s.class_name, s.stage ORDER BY a.took_ms)), "
                               "took AS ("
                               "SELECT class_name, stage, min(CASE WHEN rank * 100 >= total * 50 THEN "
                               "took_ms END) AS p50, "
                               "min(CASE WHEN rank * 100 >= total * 95 THEN took_ms END) AS p95, "
                               "min(CASE WHEN rank * 100 >= total * 99 THEN took_ms END) AS p99, "
                               "max(took_ms) AS longest "
                               "FROM sample GROUP BY class_name, stage) "
                               "SELECT c.class_name AS class, "
                               "CASE c.clock WHEN 'total' THEN c.stage ELSE c.stage || '_' || c.clock END AS "
                               "setting, "
                               "c.clock, s.calls, c.timeouts, nullif(c.clock_ms, 0) AS clock_ms, "
                               "t.p50 AS p50_ms, t.p95 AS p95_ms, t.p99 AS p99_ms, t.longest AS longest_ms, "
                               "CASE WHEN c.clock <> 'connect' THEN round(t.p99 * 100.0 / nullif(c.clock_ms, "
                               "0), 1) END AS p99_percent, "
                               "c.clock_from, c.last_ms AS last_at "
                               "FROM clocks AS c JOIN seen AS s ON s.class_name = c.class_name AND s.stage = "
                               "c.stage "
                               "LEFT JOIN took AS t ON t.class_name = c.class_name AND t.stage = c.stage "
                               "ORDER BY c.timeouts DESC, p99_percent DESC, class, setting";

static const struct table_column recent_columns[] = {
    {"started_at", "BEGAN", TABLE_TIME, 0, 2}, {"run_name", "RUN", TABLE_TEXT, 12, 1},
    {"class", "CLASS", TABLE_TEXT, 8, 4},      {"setting", "CLOCK", TABLE_TEXT, 18, 0},
    {"clock_ms", "AFTER", TABLE_MS, 0, 1},     {"clock_from", "FROM", TABLE_TEXT, 10, 5},
    {"took_ms", "TOOK", TABLE_MS, 0, 6},       {"attempt", "TRY", TABLE_NUMBER, 0, 3},
    {"error", "ERROR", TABLE_TEXT, 16, 7},     {"stage", "STAGE", TABLE_TEXT, 0, 10},
    {"clock", "KIND", TABLE_TEXT, 0, 9},       {"run_id", "RUN ID", TABLE_TEXT, 8, 8},
};

/* As the view `timeouts`, from the newest on: the view can't be asked for that without reading all of it. ?4:
 * limit. */
static const char sql_recent[] =
    "SELECT a.started_at_ms AS started_at, l.run_name, a.class_name AS class, "
    "CASE a.clock WHEN 'total' THEN a.stage ELSE a.stage || '_' || a.clock END AS setting, "
    "a.clock_ms, a.clock_from, a.took_ms, a.attempt, a.error, a.stage, a.clock, l.flow_run_id AS run_id "
    "FROM attempt_rows AS a LEFT JOIN launches AS l ON l.launch_id = a.launch_id "
    "WHERE a.outcome = 'timeout' AND a.started_at_ms >= CAST(?1 AS INTEGER) "
    "AND ?2 IN ('', a.class_name) AND ?3 IN ('', a.stage) "
    "ORDER BY a.attempt_key DESC LIMIT CAST(?4 AS INTEGER)";

int timeouts_read(const char *state_path, const struct timeouts_filter *filter, struct timeouts **out,
                  struct err *err)
{
    struct store_reader *reader;
    if (store_reader_open(state_path, &reader, err) != 0)
        return -1;
    struct timeouts *t = check_alloc(sizeof(*t));
    char since[32];
    char limit[32];
    t->since_ms = filter->since_ms;
    t->job_class = check_strdup_or_null(filter->job_class);
    t->stage = check_strdup_or_null(filter->stage);
    t->clocks = table_new(clock_columns, ARRAY_LEN(clock_columns));
    t->recent = table_new(recent_columns, ARRAY_LEN(recent_columns));
    snprintf(since, sizeof(since), "%lld", (long long)filter->since_ms);
    snprintf(limit, sizeof(limit), "%lld", filter->limit == 0 ? -1 : (long long)filter->limit);
    const char *const values[] = {since, filter->job_class == NULL ? "" : filter->job_class,
                                  filter->stage == NULL ? "" : filter->stage, limit, NULL};
    const char *const first_values[] = {values[0], values[1], values[2], NULL};
    int rc = table_ask(t->clocks, reader, sql_clocks, first_values, err);
    if (rc == 0)
        rc = table_ask(t->recent, reader, sql_recent, values, err);
    store_reader_close(reader);
    if (rc == 0)
        *out = t;
    else
        timeouts_free(t);
    return rc;
}

void timeouts_free(struct timeouts *t)
{
    if (t == NULL)
        return;
    table_free(t->clocks);
    table_free(t->recent);
    free(t->job_class);
    free(t->stage);
    free(t);
}

struct json *timeouts_json(const struct timeouts *t)
{
    char from[CLOCK_TEXT_SIZE];
    clock_format(t->since_ms, from);
    struct json *o = json_new_object();
    json_set_text(o, "since", from);
    json_set_text(o, "class", t->job_class);
    json_set_text(o, "stage", t->stage);
    json_take_set(o, "clocks", table_json(t->clocks));
    json_take_set(o, "recent", table_json(t->recent));
    return o;
}

void timeouts_print(const struct timeouts *t, const struct terminal *terminal, int64_t now_ms, FILE *out)
{
    int64_t timeouts = 0;
    for (size_t row = 0; row < table_rows(t->clocks); row++)
        timeouts += strtoll(table_text(t->clocks, row, CLOCK_TIMEOUTS), NULL, 10);
    char span[TABLE_SPAN_SIZE];
    char *AUTO_FREE head = check_printf(
        "%lld timeouts in the last %s%s%s%s%s", (long long)timeouts, table_span(now_ms - t->since_ms, span),
        t->job_class == NULL ? "" : ", class ", t->job_class == NULL ? "" : t->job_class,
        t->stage == NULL ? "" : ", stage ", t->stage == NULL ? "" : t->stage);
    char *AUTO_FREE text =
        terminal_say(terminal, table_rows(t->clocks) == 0 ? "no call was made in that time" : head);
    fputs(text, out);
    if (table_rows(t->clocks) > 0)
        fputc('\n', out);
    table_print(t->clocks, "clocks, and what calls take", terminal, now_ms, 0, out);
    if (table_rows(t->recent) > 0)
        fputc('\n', out);
    table_print(t->recent, "timeouts, newest first", terminal, now_ms, 0, out);
}
