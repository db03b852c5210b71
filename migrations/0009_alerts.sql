-- The alerts that are built in: whether each fires, what the webhook knows of it, and the windows they go by.

-- One row per alert, from the first start on (scheduler/core/alerts.h).
CREATE TABLE alert_rows (
    name       TEXT NOT NULL,                      -- 'timeout_burn'; a heading of docs/alerts.md
    severity   TEXT NOT NULL,                      -- 'page', 'ticket'
    state      TEXT NOT NULL,                      -- 'ok': it never fired; 'firing'; 'resolved'
    class_name TEXT NOT NULL,                      -- the job class that the reason points at; '': none
    since_ms   INTEGER NOT NULL,                   -- when it began to fire last; 0: never
    changed_ms INTEGER NOT NULL,                   -- when it began to fire or ended last; 0: never
    reason     TEXT NOT NULL,                      -- a sentence, as of that change
    delivery   TEXT NOT NULL,                      -- of the newest change to the webhook: '' (not wanted), 'due',
                                                   -- 'sent', 'given up'
    sent_ms    INTEGER NOT NULL,                   -- when the webhook took it, or it was given up; 0: not yet
    PRIMARY KEY (name, severity)
) STRICT;

-- Good and bad events of the last three days (scheduler/core/burn_rate.h), so that a restart goes on from them.
CREATE TABLE burn_rows (
    name     TEXT NOT NULL PRIMARY KEY,            -- 'timeouts', 'launches', 'commits'
    windows  TEXT NOT NULL,                        -- as its module writes them; not for people
    saved_ms INTEGER NOT NULL
) STRICT;

CREATE VIEW alerts AS
SELECT name AS alert,
       state,
       severity,
       nullif(class_name, '') AS class,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(since_ms, 0) / 1000.0, 'unixepoch') AS since,
       nullif(reason, '') AS reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(changed_ms, 0) / 1000.0, 'unixepoch') AS last_change,
       nullif(delivery, '') AS webhook,
       strftime('%Y-%m-%dT%H:%M:%fZ', nullif(sent_ms, 0) / 1000.0, 'unixepoch') AS webhook_at
  FROM alert_rows
 ORDER BY CASE state WHEN 'firing' THEN 0 WHEN 'resolved' THEN 1 ELSE 2 END, severity, changed_ms DESC, name;
