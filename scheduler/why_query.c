/*
 * why_query.c - what `sluice why` asks the state file.
 */
#include "why.h"

/* Fewer digits of an id are too easily another's. */
#define PREFIX_MIN "4"

/* The newest launch of each flow run that fits, living ones first; a whole id beats a name. Names and ids are
 * looked up one by one, each in its index. */
const char why_query[] =
    "WITH want (word) AS (VALUES (?1)), "
    "found AS (SELECT launch_key, flow_run_id FROM want CROSS JOIN launches ON run_name = word UNION "
    /* '~' is beyond every character of an id. */
    "SELECT launch_key, flow_run_id FROM want CROSS JOIN launches ON flow_run_id >= lower(word) "
    "AND flow_run_id < lower(word) || '~' WHERE length(word) >= " PREFIX_MIN "), "
    "fit AS (SELECT max(launch_key) AS launch_key FROM found GROUP BY flow_run_id) "
    "SELECT l.flow_run_id, l.run_name, l.class_name, l.state, "
    "strftime('%Y-%m-%dT%H:%M:%fZ', l.updated_at_ms / 1000.0, 'unixepoch'), "
    "q.position, q.waits_for, "
    "CASE WHEN l.next_try_at_ms > 0 "
    "THEN strftime('%Y-%m-%dT%H:%M:%fZ', l.next_try_at_ms / 1000.0, 'unixepoch') END, "
    "l.attempt, l.last_error, l.verdict, l.exit_code, l.oom_killed, l.container_id, "
    "CASE WHEN l.started_at_ms > 0 "
    "THEN strftime('%Y-%m-%dT%H:%M:%fZ', l.started_at_ms / 1000.0, 'unixepoch') END, "
    "h.from_state, h.why, "
    "(SELECT round(max((1 - tokens) / \"limit\"), 1) FROM limits "
    "WHERE tokens < 1 AND class IN ('(pool)', l.class_name)), "
    "l.launch_id "
    "FROM fit CROSS JOIN want JOIN launches AS l USING (launch_key) "
    "LEFT JOIN queue AS q ON q.launch_id = l.launch_id "
    "LEFT JOIN history_rows AS h ON h.history_key = "
    "(SELECT max(history_key) FROM history_rows WHERE launch_id = l.launch_id) "
    "ORDER BY l.flow_run_id = lower(word) DESC, l.state = 'FINISHED', l.launch_key DESC";
