#include "status_internal.h"

#include "attempts_since.h"
#include "base/check.h"

static const struct table_column alert_columns[] = {
    {"alert", "ALERT", TABLE_TEXT, 10, 0},
    {"severity", "SEVERITY", TABLE_TEXT, 0, 1},
    {"since", "SINCE", TABLE_TIME, 0, 1},
    {"reason", "REASON", TABLE_TEXT, 16, 2},
};

static const struct table_column held_columns[] = {
    {"said", "WHAT", TABLE_TEXT, 12, 0},
    {"since", "SINCE", TABLE_TIME, 0, 1},
    {"until", "UNTIL", TABLE_TIME, 0, 2},
};

static const struct table_column class_columns[] = {
    [CLASS_NAME] = {"class", "CLASS", TABLE_TEXT, 8, 0},
    [CLASS_QUEUED] = {"queued", "QUEUED", TABLE_NUMBER, 0, 0},
    [CLASS_STARTING] = {"starting", "STARTING", TABLE_NUMBER, 0, 2},
    [CLASS_RUNNING] = {"running", "RUNNING", TABLE_NUMBER, 0, 1},
    [CLASS_ENDING] = {"ending", "ENDING", TABLE_NUMBER, 0, 4},
    [CLASS_PARKED] = {"parked", "PARKED", TABLE_NUMBER, 0, 3},
    {"oldest_due_at", "OLDEST DUE", TABLE_TIME, 0, 5},
};

static const struct table_column wait_columns[WAIT_COLUMNS] = {
    [WAIT_CLASS] = {"class", "CLASS", TABLE_TEXT, 8, 2},
    [WAIT_REASON] = {"waits_for", "WAITS FOR", TABLE_TEXT, 12, 0},
    [WAIT_RUNS] = {"runs", "RUNS", TABLE_NUMBER, 0, 0},
    [WAIT_OLDEST] = {"oldest_due_at", "OLDEST DUE", TABLE_TIME, 0, 3},
};

static const struct table_column running_columns[] = {
    {"run_name", "RUN", TABLE_TEXT, 12, 0},
    {"class", "CLASS", TABLE_TEXT, 8, 3},
    {"state", "STATE", TABLE_STATE, 0, 2},
    {"age_s", "FOR", TABLE_S, 0, 0},
    {"flow", "FLOW", TABLE_TEXT, 8, 4},
    {"deployment", "DEPLOYMENT", TABLE_TEXT, 8, 5},
    {"container_id", "CONTAINER", TABLE_ID, 0, 6},
    {"run_id", "RUN ID", TABLE_TEXT, 8, 7},
};

static const struct table_column limit_columns[LIMIT_COLUMNS] = {
    {"class", "CLASS", TABLE_TEXT, 8, 1},
    {"kind", "LIMIT", TABLE_TEXT, 10, 0},
    [LIMIT_IN_USE] = {"in_use", "IN USE", TABLE_NUMBER, 0, 0},
    [LIMIT_LIMIT] = {"limit", "OF", TABLE_NUMBER, 0, 0},
    {"tokens", "TOKENS", TABLE_NUMBER, 0, 2},
    [LIMIT_LEARNED] = {"learned_value", "LEARNED", TABLE_NUMBER, 0, 3},
    {"burst", "BURST", TABLE_NUMBER, 0, 4},
    {"learned_from", "LEARNED FROM", TABLE_TEXT, 10, 5},
};

static const struct table_column breaker_columns[] = {
    {"dependency", "OF", TABLE_TEXT, 10, 0},
    {"state", "STATE", TABLE_STATE, 0, 0},
    {"said", "SAID", TABLE_TEXT, 16, 1},
};

static const struct table_column trouble_columns[] = {
    {"stage", "STAGE", TABLE_TEXT, 5, 0},         {"class", "CLASS", TABLE_TEXT, 8, 1},
    {"calls", "CALLS", TABLE_NUMBER, 0, 3},       {"retries", "RETRIES", TABLE_NUMBER, 0, 0},
    {"timeouts", "TIMEOUTS", TABLE_NUMBER, 0, 0}, {"errors", "ERRORS", TABLE_NUMBER, 0, 2},
    {"last_at", "LAST", TABLE_TIME, 0, 4},
};

static const struct table_column timeout_columns[] = {
    {"started_at", "BEGAN", TABLE_TIME, 0, 2}, {"setting", "CLOCK", TABLE_TEXT, 18, 0},
    {"clock_ms", "AFTER", TABLE_MS, 0, 0},     {"clock_from", "FROM", TABLE_TEXT, 10, 4},
    {"class", "CLASS", TABLE_TEXT, 8, 3},      {"run_name", "RUN", TABLE_TEXT, 12, 1},
    {"error", "ERROR", TABLE_TEXT, 16, 5},     {"run_id", "RUN ID", TABLE_TEXT, 8, 6},
};

static const struct table_column parked_columns[] = {
    {"run_name", "RUN", TABLE_TEXT, 12, 0}, {"class", "CLASS", TABLE_TEXT, 8, 3},
    {"since", "SINCE", TABLE_TIME, 0, 2},   {"reason", "REASON", TABLE_TEXT, 16, 1},
    {"run_id", "RUN ID", TABLE_TEXT, 8, 4},
};

static const struct table_column loss_columns[] = {
    {"what", "WHAT", TABLE_TEXT, 8, 0},
    {"dropped", "DROPPED", TABLE_NUMBER, 0, 0},
    {"last_at", "LAST", TABLE_TIME, 0, 1},
};

static const char sql_alerts[] = "SELECT alert, severity, since, reason FROM alerts WHERE state = 'firing'";

static const char sql_held_by[] =
    "SELECT said, since_ms AS since, until_ms AS until FROM hold_rows ORDER BY since_ms";

static const char sql_classes[] =
    "SELECT class_name AS class, sum(state = 'QUEUED') AS queued, "
    "sum(state IN ('CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING', 'CONNECTING', "
    "'ANNOUNCING', 'STARTING')) AS starting, "
    "sum(state IN ('RUNNING', 'STOPPING')) AS running, "
    "sum(state IN ('CLEARING', 'REPORTING', 'HANDING_BACK', 'RESTORING', 'REMOVING')) AS ending, "
    "sum(state = 'PARKED') AS parked, "
    "min(CASE WHEN state = 'QUEUED' THEN due_at_ms END) AS oldest_due_at "
    "FROM launches WHERE state <> 'FINISHED' GROUP BY class_name ORDER BY class_name";

static const char sql_waits[] = "SELECT class, waits_for, count(*) AS runs, min(due_at) AS oldest_due_at "
                                "FROM queue GROUP BY class, waits_for";

static const char sql_running[] =
    "SELECT run_name, class, state, age_s, flow, deployment, container_id, run_id FROM running "
    "ORDER BY age_s DESC LIMIT 10";

static const char sql_limits[] =
    "SELECT class, kind, in_use, \"limit\", tokens, learned_value, burst, learned_from FROM limits "
    "WHERE kind <> 'breaker' AND kind NOT LIKE 'timeout:%'";

/* The table, since the view does not tell whose a breaker is: 'breaker:NAME'. */
static const char sql_breakers[] =
    "SELECT substr(name, 9) AS dependency, CASE value WHEN 1 THEN 'open' ELSE 'closed' END AS state, "
    "learned_from AS said FROM learned_rows WHERE kind = 'breaker' ORDER BY value DESC, name";

static const char sql_trouble[] =
    "SELECT stage, class_name AS class, count(*) AS calls, sum(attempt > 1) AS retries, "
    "sum(outcome = 'timeout') AS timeouts, sum(outcome = 'error') AS errors, "
    "max(CASE WHEN outcome IN ('timeout', 'error') OR attempt > 1 THEN started_at_ms END) AS last_at "
    "FROM attempt_rows WHERE attempt_key > " ATTEMPTS_SINCE(
        "CAST(?1 AS INTEGER)") " AND started_at_ms >= CAST(?1 AS INTEGER) GROUP BY stage, class_name "
                               "HAVING retries + timeouts + errors > 0 ORDER BY timeouts DESC, errors DESC, "
                               "stage, class";

static const char sql_timeouts[] =
    "SELECT a.started_at_ms AS started_at, "
    "CASE a.clock WHEN 'total' THEN a.stage ELSE a.stage || '_' || a.clock END AS setting, "
    "a.clock_ms, a.clock_from, a.class_name AS class, l.run_name, a.error, l.flow_run_id AS run_id "
    "FROM attempt_rows AS a LEFT JOIN launches AS l ON l.launch_id = a.launch_id "
    "WHERE a.outcome = 'timeout' AND a.started_at_ms >= CAST(?2 AS INTEGER) ORDER BY a.attempt_key DESC "
    "LIMIT 5";

static const char sql_parked[] = "SELECT run_name, class, since, reason, run_id FROM parked LIMIT 10";

static const char sql_not_taken[] = "SELECT what, dropped, last_at FROM losses";

#define COLUMNS(name) name##_columns, ARRAY_LEN(name##_columns)

const struct status_section status_sections[SECTION_COUNT] = {
    [SECTION_ALERTS] = {"alerts", "alerts", "alerts", COLUMNS(alert), sql_alerts},
    [SECTION_HELD_BY] = {"held_by", "all runs are held by", "hold_rows", COLUMNS(held), sql_held_by},
    [SECTION_CLASSES] = {"classes", "launches", "launches", COLUMNS(class), sql_classes},
    [SECTION_WAITS] = {"waits", "waiting for", "queue", COLUMNS(wait), sql_waits},
    [SECTION_RUNNING] = {"running", "running, longest first", "running", COLUMNS(running), sql_running},
    [SECTION_LIMITS] = {"limits", "limits", "limits", COLUMNS(limit), sql_limits},
    [SECTION_BREAKERS] = {"breakers", "breakers", "learned_rows", COLUMNS(breaker), sql_breakers},
    [SECTION_TROUBLE] = {"trouble", "failed and repeated calls of the last 15m", "attempt_rows",
                         COLUMNS(trouble), sql_trouble},
    [SECTION_TIMEOUTS] = {"timeouts", "timeouts of the last 24h", "attempt_rows", COLUMNS(timeout),
                          sql_timeouts},
    [SECTION_PARKED] = {"parked", "parked: sluice retry RUN or sluice discard RUN", "parked", COLUMNS(parked),
                        sql_parked},
    [SECTION_NOT_TAKEN] = {"not_taken", "not taken by stdout or Prefect", "losses", COLUMNS(loss),
                           sql_not_taken},
};
