-- What was learned of the dependencies while working: kept over a restart, shown in the view `limits`.

CREATE TABLE learned_rows (
    name         TEXT NOT NULL PRIMARY KEY,        -- whose it is: 'launching:create', 'timeout:create:etl'
    class_name   TEXT NOT NULL,                    -- '' for the whole pool
    kind         TEXT NOT NULL,                    -- as the view says it
    value        REAL NOT NULL,                    -- the value in force; -1: nothing learned yet
    learned_from TEXT NOT NULL,                    -- for people: '42 samples'
    state        TEXT NOT NULL,                    -- what its module goes on from; not for people
    saved_at_ms  INTEGER NOT NULL                  -- when it was saved last
) STRICT;

-- As in form 2, and behind the limits of the configuration what was learned.
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
     )
SELECT class, kind, "limit", in_use, tokens, learned_value, burst, learned_from
  FROM (SELECT 1 AS part,
               r.limit_key AS place,
               CASE r.class_name WHEN '' THEN '(pool)' ELSE r.class_name END AS class,
               r.kind,
               CASE WHEN r.limit_value >= 0 THEN r.limit_value END AS "limit",
               CASE WHEN r.kind <> 'starts_per_second'
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
