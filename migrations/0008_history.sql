-- A long history costs the present nothing: indexes, counts that are kept, and views that use them.

-- The runs of one name, for `sluice why NAME` and the views. A launch's name stays as first saved.
CREATE INDEX launches_run_name ON launches (run_name);

-- Attempts stand in the order of their time: what is old is found from their beginning on. This index cost every save of
-- an attempt a page, more than the two above and below cost a launch.
DROP INDEX attempts_by_age;

-- How many finished launches of each class are kept: counting a million of them takes a quarter of a second.
-- Kept by the triggers below, within the transaction of the change.
CREATE TABLE finished_rows (
    class_name TEXT NOT NULL PRIMARY KEY,          -- job class
    finished   INTEGER NOT NULL                    -- launches of it in state FINISHED
) STRICT;
INSERT INTO finished_rows
SELECT class_name, count(*) FROM launches WHERE state = 'FINISHED' GROUP BY class_name;

CREATE TRIGGER finished_inserted AFTER INSERT ON launches WHEN NEW.state = 'FINISHED'
BEGIN
    INSERT INTO finished_rows VALUES (NEW.class_name, 1) ON CONFLICT (class_name) DO UPDATE SET finished = finished + 1;
END;
CREATE TRIGGER finished_updated AFTER UPDATE OF state ON launches
    WHEN NEW.state = 'FINISHED' AND OLD.state <> 'FINISHED'
BEGIN
    INSERT INTO finished_rows VALUES (NEW.class_name, 1) ON CONFLICT (class_name) DO UPDATE SET finished = finished + 1;
END;
-- No launch leaves FINISHED but by going.
CREATE TRIGGER finished_deleted AFTER DELETE ON launches WHEN OLD.state = 'FINISHED'
BEGIN
    UPDATE finished_rows SET finished = finished - 1 WHERE class_name = OLD.class_name;
END;

-- As in form 2, with the same values; what it reads no longer grows with the history.
DROP VIEW classes;
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
     stages (stage) AS (VALUES ('api'), ('resolve'), ('image'), ('pull'), ('create'), ('network'),
                         ('start'), ('run'), ('inspect'), ('stop'), ('report'), ('remove')),
     -- Where the newest good calls of a class and stage begin, 1,000 of them or what is a class's share of 2,000: one short
     -- walk at the index's end, and with many classes not a longer one.
     newest AS MATERIALIZED (
         SELECT k.name AS class_name, s.stage,
                coalesce((SELECT o.attempt_key FROM attempt_rows AS o
                           WHERE o.outcome = 'ok' AND o.class_name = k.name AND o.stage = s.stage
                           ORDER BY o.attempt_key DESC LIMIT 1 OFFSET (SELECT min(999, max(99, 1999 / count(*))) FROM known)), 0) AS since_key
           FROM known AS k
          CROSS JOIN stages AS s
     ),
     -- CROSS JOIN fixes the order of the loops.
     ranked AS (
         SELECT n.class_name, n.stage, a.took_ms,
                cume_dist() OVER (PARTITION BY n.class_name, n.stage ORDER BY a.took_ms) AS share
           FROM newest AS n
          CROSS JOIN attempt_rows AS a
             ON a.outcome = 'ok' AND a.class_name = n.class_name AND a.stage = n.stage
            AND a.attempt_key >= n.since_key
     ),
     quantile AS (
         SELECT class_name, stage,
                min(CASE WHEN share >= 0.5 THEN took_ms END) AS p50,
                min(CASE WHEN share >= 0.95 THEN took_ms END) AS p95,
                min(CASE WHEN share >= 0.99 THEN took_ms END) AS p99
           FROM ranked
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
  LEFT JOIN finished_rows AS e ON e.class_name = k.name
  LEFT JOIN timed AS t ON t.class_name = k.name
 ORDER BY k.class_key IS NULL, k.class_key, k.name;

-- As in form 2, and the order of the rows as a number: newest first is ORDER BY number DESC LIMIT 20.
DROP VIEW attempts;
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
       l.launch_id,
       a.attempt_key AS number
  FROM attempt_rows AS a
  LEFT JOIN launches AS l ON l.launch_id = a.launch_id
 ORDER BY a.attempt_key;
DROP VIEW timeouts;
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
       l.launch_id,
       a.attempt_key AS number
  FROM attempt_rows AS a
  LEFT JOIN launches AS l ON l.launch_id = a.launch_id
 WHERE a.outcome = 'timeout'
 ORDER BY a.attempt_key;
DROP VIEW history;
CREATE VIEW history AS
SELECT l.flow_run_id AS run_id,
       h.from_state AS "from",
       h.to_state AS "to",
       h.why,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(h.at_ms, 0) / 1000.0, 'unixepoch') AS at,
       l.run_name,
       l.class_name AS class,
       l.launch_id,
       h.history_key AS number
  FROM history_rows AS h
  JOIN launches AS l ON l.launch_id = h.launch_id
 ORDER BY h.history_key;
