-- What holds all runs at once, not one: said in `queue.waits_for` before any limit.

CREATE TABLE hold_rows (
    name     TEXT NOT NULL PRIMARY KEY,            -- whose it is: 'paused', 'engine', 'prefect'
    stage    TEXT NOT NULL,                        -- 'claim': holds QUEUED; 'start': holds READY as well
    said     TEXT NOT NULL,                        -- for people, without the times
    since_ms INTEGER NOT NULL,                     -- when it began
    until_ms INTEGER NOT NULL                      -- when it ends by itself; 0: not known, or not by itself
) STRICT;

-- As in form 2; new is what holds all runs of a state.
DROP VIEW queue;
CREATE VIEW queue AS
WITH present AS (SELECT CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER) AS now_ms),
     -- Limits that let nobody through now, pool before class, as people would say it.
     full (class_name, kind, said) AS MATERIALIZED (
         SELECT class, kind,
                CASE class WHEN '(pool)' THEN 'pool' ELSE 'class ' || class END || ' limit: ' || kind || ' ' ||
                CASE kind WHEN 'starts_per_second' THEN "limit" ELSE CAST("limit" AS INTEGER) END
           FROM limits
          WHERE in_use >= "limit" OR tokens < 1
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
               (SELECT said FROM held WHERE held.stage = 'claim'),
               (SELECT said FROM full WHERE full.class_name = '(pool)' AND kind = 'running'),
               (SELECT said FROM full WHERE full.class_name = launches.class_name AND kind = 'running'),
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
  FROM launches, present
 WHERE state <> 'FINISHED'
   AND state IN ('QUEUED', 'CLAIMING', 'SUBMITTING', 'RESOLVING', 'PULLING', 'READY', 'CREATING',
                 'CONNECTING', 'ANNOUNCING', 'STARTING')
 ORDER BY position;
