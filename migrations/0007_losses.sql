-- What others did not take: output of containers (stdout), events and run-log lines (Prefect). No run depends on it.

CREATE TABLE loss_rows (
    what       TEXT NOT NULL PRIMARY KEY, -- 'output lines', 'events', 'run log lines'
    dropped    INTEGER NOT NULL,          -- since this file was made
    last_at_ms INTEGER NOT NULL           -- when the newest of them were counted
) STRICT;

CREATE VIEW losses AS
SELECT what,
       dropped,
       strftime('%Y-%m-%dT%H:%M:%fZ', last_at_ms / 1000.0, 'unixepoch') AS last_at
  FROM loss_rows
 ORDER BY what;
