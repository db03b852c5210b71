-- The order with ageing, and limits per value ("5 running per team").

-- How the running configuration orders runs (scheduler/core/order.h); one row, replaced with the classes.
CREATE TABLE order_row (
    order_key INTEGER PRIMARY KEY CHECK (order_key = 1),
    ageing_ms INTEGER NOT NULL                     -- a step of priority weighs so much waiting; 0: none
) STRICT;

-- What the run counts against, one a line: the word of the limit, a tab, the value. Kept, since tags and parameters
-- are not. Lines hold no other control character.
ALTER TABLE launches ADD COLUMN limit_values TEXT NOT NULL DEFAULT '';

-- Per-value slots that are held: one row per run with a running slot and value it counts against.
CREATE VIEW value_slots AS
SELECT l.flow_run_id AS run_id,
       l.class_name AS class,
       substr(held.value, 1, instr(held.value, char(9)) - 1) AS per,
       substr(held.value, instr(held.value, char(9)) + 1) AS value,
       l.state,
       l.run_name,
       l.launch_id
  FROM launches AS l,
       json_each('["' || replace(replace(replace(replace(l.limit_values, '\', '\\'), '"', '\"'), char(9), '\t'),
                                 char(10), '","') || '"]') AS held
 WHERE l.state <> 'FINISHED'
   AND l.state IN ('CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING', 'CONNECTING',
                   'ANNOUNCING', 'STARTING', 'RUNNING', 'STOPPING', 'CLEARING')
   AND l.limit_values <> '';

-- As in form 4, in the order with ageing.
DROP VIEW queue;
CREATE VIEW queue AS
WITH present AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS now_ms),
     -- Limits that let nobody through now, pool before class, as people would say it.
     full (class_name, kind, said) AS MATERIALIZED (
         SELECT class, kind,
                CASE class WHEN '(pool)' THEN 'pool' ELSE 'class ' || class END || ' limit: ' || kind || ' ' ||
                CASE kind WHEN 'starts_per_second' THEN "limit" ELSE CAST("limit" AS INTEGER) END
           FROM limits
          WHERE (in_use >= "limit" OR tokens < 1) AND kind NOT LIKE 'running_per %'
     ),
     held (stage, said) AS MATERIALIZED (
         SELECT stage,
                group_concat(said || ' since ' || strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') ||
                             CASE WHEN until_ms > 0
                                 THEN ' until ' || strftime('%Y-%m-%dT%H:%M:%fZ', until_ms / 1000.0, 'unixepoch')
                                 ELSE '' END, '; ')
           FROM (SELECT 'claim' AS stage, said, since_ms, until_ms FROM hold_rows
                  UNION ALL
                 SELECT 'start', said, since_ms, until_ms FROM hold_rows WHERE stage = 'start'
                  ORDER BY since_ms)
          GROUP BY stage
     ),
     -- Values at their limit: of the pool, and of a class.
     full_values (class_name, line, said) AS MATERIALIZED (
         SELECT r.class_name, h.per || char(9) || h.value,
                CASE r.class_name WHEN '' THEN 'pool' ELSE 'class ' || r.class_name END || ' limit: ' || r.kind ||
                ' ' || CAST(r.limit_value AS INTEGER) || ' (' || h.value || ')'
           FROM limit_rows AS r
           JOIN value_slots AS h ON r.kind = 'running_per ' || h.per AND r.class_name IN ('', h.class)
          GROUP BY r.limit_key, h.per, h.value
         HAVING count(*) >= r.limit_value
     ),
     -- Steps of priority above each class priority that is configured.
     priorities (priority, above) AS MATERIALIZED (
         SELECT priority, row_number() OVER (ORDER BY priority DESC) - 1
           FROM (SELECT DISTINCT priority FROM class_rows)
     ),
     ordered AS (SELECT coalesce((SELECT ageing_ms FROM order_row), 0) AS ageing_ms,
                        (SELECT max(1, count(*)) FROM priorities) AS priority_count)
SELECT row_number() OVER (ORDER BY CASE ageing_ms WHEN 0 THEN 0 ELSE
                              due_at_ms + ageing_ms *
                              (max(0, min(1000000, queue_priority)) * priority_count +
                               min(priority_count - 1,
                                   coalesce(above, (SELECT count(*) FROM priorities AS p
                                                     WHERE p.priority > launches.class_priority)))) END,
                              queue_priority, class_priority DESC, due_at_ms, launch_key) AS position,
       flow_run_id AS run_id,
       run_name,
       flow_name AS flow,
       nullif(deployment_name, '') AS deployment,
       class_name AS class,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(due_at_ms, 0) / 1000.0, 'unixepoch') AS due_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(next_try_at_ms, 0) / 1000.0, 'unixepoch') AS next_try_at,
       attempt AS tries,
       CASE
           -- A request that is out is what the run waits for, whatever was said before.
           WHEN pending IN ('claim', 'look_run', 'submit', 'resolve', 'pull', 'create', 'look_name', 'connect',
                            'announce', 'start', 'look_container', 'retire')
               THEN 'answer to ' || pending
           WHEN waits_for <> '' THEN waits_for
           WHEN unreachable_since_ms > 0
               THEN 'dependency out of reach since ' ||
                    strftime('%Y-%m-%dT%H:%M:%fZ', nullif(unreachable_since_ms, 0) / 1000.0, 'unixepoch')
           WHEN next_try_at_ms > now_ms
               THEN 'backoff until ' ||
                    strftime('%Y-%m-%dT%H:%M:%fZ', nullif(next_try_at_ms, 0) / 1000.0, 'unixepoch')
           WHEN state = 'QUEUED' THEN coalesce(
               (SELECT said FROM held WHERE held.stage = 'claim'),
               (SELECT said FROM full WHERE full.class_name = '(pool)' AND kind = 'running'),
               (SELECT said FROM full WHERE full.class_name = launches.class_name AND kind = 'running'),
               CASE WHEN limit_values <> '' THEN
                   (SELECT said FROM full_values AS f
                     WHERE f.class_name IN ('', launches.class_name)
                       AND instr(char(10) || limit_values || char(10), char(10) || f.line || char(10)) > 0
                     LIMIT 1) END,
               'claim-ahead window')
           WHEN state = 'READY' THEN coalesce(
               (SELECT said FROM held WHERE held.stage = 'start'),
               (SELECT said FROM full WHERE full.class_name = '(pool)' AND kind IN ('starts_per_second', 'launching')),
               (SELECT said FROM full WHERE full.class_name = launches.class_name
                   AND kind IN ('starts_per_second', 'launching')),
               'launch slot')
           WHEN state = 'STARTING' THEN 'launch slot'
           ELSE ''
       END AS waits_for,
       nullif(last_error, '') AS last_error,
       nullif(work_queue_name, '') AS work_queue,
       queue_priority,
       class_priority,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(claimed_at_ms, 0) / 1000.0, 'unixepoch') AS claimed_at,
       nullif(container_id, '') AS container_id,
       launch_id
  FROM launches
  JOIN present
  JOIN ordered
  LEFT JOIN priorities ON priorities.priority = launches.class_priority
 WHERE state <> 'FINISHED'
   AND state IN ('QUEUED', 'CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING',
                 'CONNECTING', 'ANNOUNCING', 'STARTING')
 ORDER BY position;

-- As in form 3, and limits per value.
DROP VIEW limits;
CREATE VIEW limits AS
WITH present AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS now_ms),
     active AS (
         SELECT class_name, state, pending
           FROM launches
          WHERE state <> 'FINISHED'
            AND state IN ('CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING', 'CONNECTING',
                          'ANNOUNCING', 'STARTING', 'RUNNING', 'STOPPING', 'CLEARING')
     ),
     used (class_name, kind, in_use) AS MATERIALIZED (
         SELECT class_name, 'running', count(*) FROM active GROUP BY class_name
         UNION ALL
         SELECT class_name, 'launching', count(*) FROM active
          WHERE pending IN ('create', 'look_name', 'connect', 'start', 'retire')
             OR (pending = 'look_container' AND state = 'STARTING')
          GROUP BY class_name
         UNION ALL
         SELECT class_name, 'pulls', count(*) FROM active WHERE pending = 'pull' GROUP BY class_name
         UNION ALL
         SELECT class_name, 'stops', count(*) FROM active WHERE pending = 'stop' GROUP BY class_name
     ),
     -- Of a limit per value, the fullest one counts.
     used_values (limit_key, in_use) AS MATERIALIZED (
         SELECT limit_key, max(in_use)
           FROM (SELECT r.limit_key, count(*) AS in_use
                   FROM limit_rows AS r
                   JOIN value_slots AS h ON r.kind = 'running_per ' || h.per AND r.class_name IN ('', h.class)
                  GROUP BY r.limit_key, h.per, h.value)
          GROUP BY limit_key
     )
SELECT class, kind, "limit", in_use, tokens, learned_value, burst, learned_from
  FROM (SELECT 1 AS part,
               r.limit_key AS place,
               CASE r.class_name WHEN '' THEN '(pool)' ELSE r.class_name END AS class,
               r.kind,
               CASE WHEN r.limit_value >= 0 THEN r.limit_value END AS "limit",
               CASE WHEN r.kind LIKE 'running_per %'
                   THEN coalesce((SELECT in_use FROM used_values AS v WHERE v.limit_key = r.limit_key), 0)
                    WHEN r.kind <> 'starts_per_second'
                   THEN (SELECT coalesce(sum(u.in_use), 0) FROM used AS u
                          WHERE u.kind = r.kind AND (r.class_name = '' OR u.class_name = r.class_name))
               END AS in_use,
               -- GCRA: each token that is missing keeps the theoretical arrival time 1/rate further ahead of now.
               CASE WHEN r.kind = 'starts_per_second' AND r.limit_value > 0
                   THEN round(max(0.0, min(1.0 * max(r.burst, 1),
                                  max(r.burst, 1) -
                                  (coalesce(b.tat_us, 0) / 1000.0 - now_ms) / 1000.0 * r.limit_value)), 3)
               END AS tokens,
               CASE WHEN r.learned_from IS NOT NULL AND r.limit_value >= 0 THEN r.limit_value END
                   AS learned_value,
               CASE WHEN r.kind = 'starts_per_second' THEN r.burst END AS burst,
               r.learned_from
          FROM limit_rows AS r
          JOIN present
          LEFT JOIN buckets AS b ON b.name = r.bucket
         UNION ALL
        SELECT 2,
               row_number() OVER (ORDER BY name),
               CASE class_name WHEN '' THEN '(pool)' ELSE class_name END,
               kind,
               NULL,
               NULL,
               NULL,
               CASE WHEN value >= 0 THEN value END,
               NULL,
               learned_from
          FROM learned_rows)
 ORDER BY part, place;
