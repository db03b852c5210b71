-- The views people read: sqlite3 -readonly FILE 'select * from queue'. Positions, waits, counts, tokens and
-- percentiles are derived when read. docs/state-file.md shows each with an example.
--
-- Every view over living rows says `state <> 'FINISHED'` besides its own list of states, because that is what
-- lets SQLite use the partial index launches_open. SQLite 3.40 has no unixepoch('subsec'): the present time
-- comes from julianday.

-- Runs that wait for their start or are on their way to it, in the order they are served.
CREATE VIEW queue AS
WITH present AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS now_ms),
     -- Limits that let nobody through now, pool before class, as people would say it.
     full (class_name, kind, said) AS MATERIALIZED (
         SELECT class, kind,
                CASE class WHEN '(pool)' THEN 'pool' ELSE 'class ' || class END || ' limit: ' || kind || ' ' ||
                CASE kind WHEN 'starts_per_second' THEN "limit" ELSE CAST("limit" AS INTEGER) END
           FROM limits
          WHERE in_use >= "limit" OR tokens < 1
     )
SELECT row_number() OVER (ORDER BY queue_priority, class_priority DESC, due_at_ms, launch_key) AS position,
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
               (SELECT said FROM full WHERE full.class_name = '(pool)' AND kind = 'running'),
               (SELECT said FROM full WHERE full.class_name = launches.class_name AND kind = 'running'),
               'claim-ahead window')
           WHEN state = 'READY' THEN coalesce(
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
  FROM launches, present
 WHERE state <> 'FINISHED'
   AND state IN ('QUEUED', 'CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING',
                 'CONNECTING', 'ANNOUNCING', 'STARTING')
 ORDER BY position;

-- Containers of ours that have been, or are just being, started.
CREATE VIEW running AS
WITH present AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS now_ms)
SELECT flow_run_id AS run_id,
       container_id,
       class_name AS class,
       state,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(started_at_ms, 0) / 1000.0, 'unixepoch') AS started_at,
       CASE
           WHEN started_at_ms > 0 THEN max(0, (now_ms - started_at_ms) / 1000)
           WHEN start_sent_at_ms > 0 THEN max(0, (now_ms - start_sent_at_ms) / 1000)
       END AS age_s,
       run_name,
       flow_name AS flow,
       nullif(deployment_name, '') AS deployment,
       container_name,
       image,
       nullif(last_error, '') AS last_error,
       launch_id
  FROM launches, present
 WHERE state <> 'FINISHED'
   AND state IN ('STARTING', 'RUNNING', 'STOPPING')
   AND has_container
 ORDER BY started_at_ms, launch_key;

-- Calls to the engine, a registry or Prefect that changed something, or timed out.
CREATE VIEW attempts AS
SELECT l.flow_run_id AS run_id,
       a.stage,
       a.attempt,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(a.started_at_ms, 0) / 1000.0, 'unixepoch') AS started_at,
       a.took_ms,
       a.timeout_ms,
       a.timeout_from,
       a.outcome,
       a.error_class,
       a.error,
       a.class_name AS class,
       a.clock,
       l.run_name,
       l.launch_id
  FROM attempt_rows AS a
  LEFT JOIN launches AS l ON l.launch_id = a.launch_id
 ORDER BY a.attempt_key;

-- Calls that a clock ended. `setting` is the configuration's word for that clock.
CREATE VIEW timeouts AS
SELECT l.flow_run_id AS run_id,
       a.stage,
       a.clock,
       a.clock_ms,
       a.clock_from,
       a.attempt,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(a.started_at_ms, 0) / 1000.0, 'unixepoch') AS started_at,
       a.took_ms,
       CASE a.clock WHEN 'total' THEN a.stage ELSE a.stage || '_' || a.clock END AS setting,
       a.class_name AS class,
       a.error,
       l.run_name,
       l.launch_id
  FROM attempt_rows AS a
  LEFT JOIN launches AS l ON l.launch_id = a.launch_id
 WHERE a.outcome = 'timeout'
 ORDER BY a.attempt_key;

-- Every change of state of every run.
CREATE VIEW history AS
SELECT l.flow_run_id AS run_id,
       h.from_state AS "from",
       h.to_state AS "to",
       h.why,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(h.at_ms, 0) / 1000.0, 'unixepoch') AS at,
       l.run_name,
       l.class_name AS class,
       l.launch_id
  FROM history_rows AS h
  JOIN launches AS l ON l.launch_id = h.launch_id
 ORDER BY h.history_key;

-- Limits and buckets of the running configuration. in_use is counted from the rows and so can't leak; which
-- states and requests count is decided in core/run.c (run_holds_running_slot, run_holds_launch_slot).
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
     )
SELECT CASE r.class_name WHEN '' THEN '(pool)' ELSE r.class_name END AS class,
       r.kind,
       CASE WHEN r.limit_value >= 0 THEN r.limit_value END AS "limit",
       CASE WHEN r.kind <> 'starts_per_second'
           THEN (SELECT coalesce(sum(u.in_use), 0) FROM used AS u
                  WHERE u.kind = r.kind AND (r.class_name = '' OR u.class_name = r.class_name))
       END AS in_use,
       -- GCRA: each token that is missing keeps the theoretical arrival time 1/rate further ahead of now.
       CASE WHEN r.kind = 'starts_per_second' AND r.limit_value > 0
           THEN round(max(0.0, min(1.0 * max(r.burst, 1),
                          max(r.burst, 1) - (coalesce(b.tat_us, 0) / 1000.0 - now_ms) / 1000.0 * r.limit_value)), 3)
       END AS tokens,
       CASE WHEN r.learned_from IS NOT NULL AND r.limit_value >= 0 THEN r.limit_value END AS learned_value,
       CASE WHEN r.kind = 'starts_per_second' THEN r.burst END AS burst,
       r.learned_from
  FROM limit_rows AS r
  JOIN present
  LEFT JOIN buckets AS b ON b.name = r.bucket
 ORDER BY r.limit_key;

-- Job classes: rule, living launches by state, finished ones that are still kept, and how long the newest
-- 1,000 good calls of each stage took. A class that left the configuration stays while it has living runs.
CREATE VIEW classes AS
WITH known (name, rule, priority, class_key) AS (
         SELECT name, rule, priority, class_key FROM class_rows
         UNION ALL
         SELECT DISTINCT class_name, '(no longer configured)', NULL, NULL
           FROM launches
          WHERE state <> 'FINISHED' AND class_name NOT IN (SELECT name FROM class_rows)
     ),
     counted AS (
         SELECT class_name,
                sum(state = 'QUEUED') AS queued,
                sum(state = 'CLAIMING') AS claiming,
                sum(state = 'SUBMITTING') AS submitting,
                sum(state = 'RESOLVING') AS resolving,
                sum(state = 'PULLING') AS pulling,
                sum(state = 'READY') AS ready,
                sum(state = 'CREATING') AS creating,
                sum(state = 'CONNECTING') AS connecting,
                sum(state = 'ANNOUNCING') AS announcing,
                sum(state = 'STARTING') AS starting,
                sum(state = 'RUNNING') AS running,
                sum(state = 'STOPPING') AS stopping,
                sum(state = 'CLEARING') AS clearing,
                sum(state = 'REPORTING') AS reporting,
                sum(state = 'HANDING_BACK') AS handing_back,
                sum(state = 'RESTORING') AS restoring,
                sum(state = 'PARKED') AS parked,
                sum(state = 'REMOVING') AS removing
           FROM launches
          WHERE state <> 'FINISHED'
          GROUP BY class_name
     ),
     ended AS (
         SELECT class_name, count(*) AS finished FROM launches WHERE state = 'FINISHED' GROUP BY class_name
     ),
     stages (stage) AS (VALUES ('api'), ('resolve'), ('image'), ('pull'), ('create'), ('network'),
                         ('start'), ('run'), ('inspect'), ('stop'), ('report'), ('remove')),
     -- CROSS JOIN fixes the order of the loops: per class and stage one short walk at the index's end.
     sample AS (
         SELECT k.name AS class_name, s.stage, a.took_ms,
                row_number() OVER by_time AS rank,
                count(*) OVER (PARTITION BY k.name, s.stage) AS total
           FROM known AS k
          CROSS JOIN stages AS s
          CROSS JOIN attempt_rows AS a
             ON a.attempt_key IN (SELECT o.attempt_key FROM attempt_rows AS o
                                   WHERE o.outcome = 'ok' AND o.class_name = k.name AND o.stage = s.stage
                                   ORDER BY o.attempt_key DESC LIMIT 1000)
         WINDOW by_time AS (PARTITION BY k.name, s.stage ORDER BY a.took_ms)
     ),
     quantile AS (
         SELECT class_name, stage,
                min(CASE WHEN rank * 100 >= total * 50 THEN took_ms END) AS p50,
                min(CASE WHEN rank * 100 >= total * 95 THEN took_ms END) AS p95,
                min(CASE WHEN rank * 100 >= total * 99 THEN took_ms END) AS p99
           FROM sample
          GROUP BY class_name, stage
     ),
     timed AS (
         SELECT class_name,
                max(CASE WHEN stage = 'api' THEN p50 END) AS api_p50_ms,
                max(CASE WHEN stage = 'api' THEN p95 END) AS api_p95_ms,
                max(CASE WHEN stage = 'api' THEN p99 END) AS api_p99_ms,
                max(CASE WHEN stage = 'resolve' THEN p50 END) AS resolve_p50_ms,
                max(CASE WHEN stage = 'resolve' THEN p95 END) AS resolve_p95_ms,
                max(CASE WHEN stage = 'resolve' THEN p99 END) AS resolve_p99_ms,
                max(CASE WHEN stage = 'image' THEN p50 END) AS image_p50_ms,
                max(CASE WHEN stage = 'image' THEN p95 END) AS image_p95_ms,
                max(CASE WHEN stage = 'image' THEN p99 END) AS image_p99_ms,
                max(CASE WHEN stage = 'pull' THEN p50 END) AS pull_p50_ms,
                max(CASE WHEN stage = 'pull' THEN p95 END) AS pull_p95_ms,
                max(CASE WHEN stage = 'pull' THEN p99 END) AS pull_p99_ms,
                max(CASE WHEN stage = 'create' THEN p50 END) AS create_p50_ms,
                max(CASE WHEN stage = 'create' THEN p95 END) AS create_p95_ms,
                max(CASE WHEN stage = 'create' THEN p99 END) AS create_p99_ms,
                max(CASE WHEN stage = 'network' THEN p50 END) AS network_p50_ms,
                max(CASE WHEN stage = 'network' THEN p95 END) AS network_p95_ms,
                max(CASE WHEN stage = 'network' THEN p99 END) AS network_p99_ms,
                max(CASE WHEN stage = 'start' THEN p50 END) AS start_p50_ms,
                max(CASE WHEN stage = 'start' THEN p95 END) AS start_p95_ms,
                max(CASE WHEN stage = 'start' THEN p99 END) AS start_p99_ms,
                max(CASE WHEN stage = 'run' THEN p50 END) AS run_p50_ms,
                max(CASE WHEN stage = 'run' THEN p95 END) AS run_p95_ms,
                max(CASE WHEN stage = 'run' THEN p99 END) AS run_p99_ms,
                max(CASE WHEN stage = 'inspect' THEN p50 END) AS inspect_p50_ms,
                max(CASE WHEN stage = 'inspect' THEN p95 END) AS inspect_p95_ms,
                max(CASE WHEN stage = 'inspect' THEN p99 END) AS inspect_p99_ms,
                max(CASE WHEN stage = 'stop' THEN p50 END) AS stop_p50_ms,
                max(CASE WHEN stage = 'stop' THEN p95 END) AS stop_p95_ms,
                max(CASE WHEN stage = 'stop' THEN p99 END) AS stop_p99_ms,
                max(CASE WHEN stage = 'report' THEN p50 END) AS report_p50_ms,
                max(CASE WHEN stage = 'report' THEN p95 END) AS report_p95_ms,
                max(CASE WHEN stage = 'report' THEN p99 END) AS report_p99_ms,
                max(CASE WHEN stage = 'remove' THEN p50 END) AS remove_p50_ms,
                max(CASE WHEN stage = 'remove' THEN p95 END) AS remove_p95_ms,
                max(CASE WHEN stage = 'remove' THEN p99 END) AS remove_p99_ms
           FROM quantile
          GROUP BY class_name
     )
SELECT k.name AS class,
       k.rule,
       coalesce(c.queued, 0) AS queued,
       coalesce(c.claiming, 0) AS claiming,
       coalesce(c.submitting, 0) AS submitting,
       coalesce(c.resolving, 0) AS resolving,
       coalesce(c.pulling, 0) AS pulling,
       coalesce(c.ready, 0) AS ready,
       coalesce(c.creating, 0) AS creating,
       coalesce(c.connecting, 0) AS connecting,
       coalesce(c.announcing, 0) AS announcing,
       coalesce(c.starting, 0) AS starting,
       coalesce(c.running, 0) AS running,
       coalesce(c.stopping, 0) AS stopping,
       coalesce(c.clearing, 0) AS clearing,
       coalesce(c.reporting, 0) AS reporting,
       coalesce(c.handing_back, 0) AS handing_back,
       coalesce(c.restoring, 0) AS restoring,
       coalesce(c.parked, 0) AS parked,
       coalesce(c.removing, 0) AS removing,
       coalesce(e.finished, 0) AS finished,
       t.api_p50_ms, t.api_p95_ms, t.api_p99_ms,
       t.resolve_p50_ms, t.resolve_p95_ms, t.resolve_p99_ms,
       t.image_p50_ms, t.image_p95_ms, t.image_p99_ms,
       t.pull_p50_ms, t.pull_p95_ms, t.pull_p99_ms,
       t.create_p50_ms, t.create_p95_ms, t.create_p99_ms,
       t.network_p50_ms, t.network_p95_ms, t.network_p99_ms,
       t.start_p50_ms, t.start_p95_ms, t.start_p99_ms,
       t.run_p50_ms, t.run_p95_ms, t.run_p99_ms,
       t.inspect_p50_ms, t.inspect_p95_ms, t.inspect_p99_ms,
       t.stop_p50_ms, t.stop_p95_ms, t.stop_p99_ms,
       t.report_p50_ms, t.report_p95_ms, t.report_p99_ms,
       t.remove_p50_ms, t.remove_p95_ms, t.remove_p99_ms,
       k.priority
  FROM known AS k
  LEFT JOIN counted AS c ON c.class_name = k.name
  LEFT JOIN ended AS e ON e.class_name = k.name
  LEFT JOIN timed AS t ON t.class_name = k.name
 ORDER BY k.class_key IS NULL, k.class_key, k.name;

-- Runs kept aside, and what ends that.
CREATE VIEW parked AS
SELECT l.flow_run_id AS run_id,
       l.run_name,
       l.class_name AS class,
       CASE
           WHEN l.last_error <> '' THEN l.last_error
           ELSE coalesce((SELECT h.why FROM history_rows AS h
                           WHERE h.launch_id = l.launch_id AND h.to_state = 'PARKED'
                           ORDER BY h.history_key DESC LIMIT 1), 'unknown')
       END AS reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(l.updated_at_ms, 0) / 1000.0, 'unixepoch') AS since,
       'sluice retry ' || l.flow_run_id || ' (or: sluice discard ' || l.flow_run_id || ')' AS release,
       l.flow_name AS flow,
       nullif(l.deployment_name, '') AS deployment,
       l.launch_id
  FROM launches AS l
 WHERE l.state <> 'FINISHED'
   AND l.state = 'PARKED'
 ORDER BY l.updated_at_ms, l.launch_key;
