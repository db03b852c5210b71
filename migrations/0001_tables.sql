-- What the state file holds. Applied in one transaction by store/migrate.c; never edited once released.
-- Times: *_at_ms and *_since_ms are wall milliseconds since 1970-01-01 UTC, 0 where nothing happened yet;
-- other *_ms are durations in milliseconds; *_us are microseconds. Booleans are 0 or 1. Texts are never NULL
-- unless said so. No column ever holds a key, a password, an environment value or a rendered job.

-- One try to run one flow run as a container. Fields of struct launch and struct run (scheduler/core).
CREATE TABLE launches (
    launch_key            INTEGER PRIMARY KEY,     -- order of arrival; only inside this file
    launch_id             TEXT NOT NULL UNIQUE,    -- UUID; the claim's transition id and the container's label
    flow_run_id           TEXT NOT NULL,           -- UUID at the Prefect server
    submit_id             TEXT NOT NULL,           -- UUID; transition id of Submitting, '' until drawn
    report_id             TEXT NOT NULL,           -- UUID; transition id of the verdict, '' until drawn
    hand_back_id          TEXT NOT NULL,           -- UUID; transition id of the hand back, '' until drawn
    deployment_id         TEXT NOT NULL,           -- UUID, '' if the run has none
    flow_id               TEXT NOT NULL,           -- UUID at the Prefect server
    work_queue_id         TEXT NOT NULL,           -- UUID at the Prefect server
    lease_id              TEXT NOT NULL,           -- UUID of the deployment's concurrency lease, '' if none
    container_id          TEXT NOT NULL,           -- 64 hex digits, '' until known
    run_name              TEXT NOT NULL,           -- Prefect's name of the flow run
    flow_name             TEXT NOT NULL,           -- of its flow
    deployment_name       TEXT NOT NULL,           -- '' if the run has none
    work_queue_name       TEXT NOT NULL,           -- of the work queue it came through
    class_name            TEXT NOT NULL,           -- job class, 'default' if no rule matched
    container_name        TEXT NOT NULL,           -- create is sent under it; '' until rendered
    image                 TEXT NOT NULL,           -- '' until rendered
    last_error            TEXT NOT NULL,           -- a sentence, '' if none
    queue_priority        INTEGER NOT NULL,        -- Prefect's; 1 is served first
    class_priority        INTEGER NOT NULL,        -- of the job class; higher is served first
    grace_ms              INTEGER NOT NULL,        -- time between stop and kill
    auto_remove           INTEGER NOT NULL,        -- boolean; the job's wish
    stream_output         INTEGER NOT NULL,        -- boolean; the job's wish
    created_at_ms         INTEGER NOT NULL,        -- when the row was made
    updated_at_ms         INTEGER NOT NULL,        -- last change of state
    state                 TEXT NOT NULL,           -- word of RUN_STATES
    verdict               TEXT NOT NULL,           -- word of RUN_VERDICTS, 'none' until decided
    attempt               INTEGER NOT NULL,        -- failed tries of this state that count
    reach_tries           INTEGER NOT NULL,        -- tries in a row that did not reach the dependency
    launch_tries          INTEGER NOT NULL,        -- containers retired because their one start failed
    name_index            INTEGER NOT NULL,        -- 0: the job's name, n: name-n
    exit_code             INTEGER NOT NULL,        -- valid with verdicts exited and ended
    oom_killed            INTEGER NOT NULL,        -- boolean; the kernel ended it for its memory
    has_claim             INTEGER NOT NULL,        -- boolean; the server has, or may have, the run PENDING for us
    create_sent           INTEGER NOT NULL,        -- boolean; a container of ours may exist
    has_container         INTEGER NOT NULL,        -- boolean; its id is known
    start_sent            INTEGER NOT NULL,        -- boolean; its one start may have been sent
    is_retiring           INTEGER NOT NULL,        -- boolean; removal of a container that never started was sent
    is_announced          INTEGER NOT NULL,        -- boolean; infrastructure_pid written
    has_repulled          INTEGER NOT NULL,        -- boolean; "no such image" sent us back to PULLING once
    cancel_wanted         INTEGER NOT NULL,        -- boolean; cancel as soon as the request that is out allows
    due_at_ms             INTEGER NOT NULL,        -- scheduled start
    claimed_at_ms         INTEGER NOT NULL,        -- PENDING first proposed
    start_sent_at_ms      INTEGER NOT NULL,        -- start request first sent
    started_at_ms         INTEGER NOT NULL,        -- RUNNING entered
    cancel_at_ms          INTEGER NOT NULL,        -- when the cancel of a running container is ours to enforce
    unreachable_since_ms  INTEGER NOT NULL,        -- 0: the dependency is in reach
    next_try_at_ms        INTEGER NOT NULL,        -- end of the present backoff
    unsettled_until_ms    INTEGER NOT NULL,        -- a proposal whose answer was lost may land until then
    last_delay_ms         INTEGER NOT NULL,        -- previous backoff, for decorrelated jitter
    pending               TEXT NOT NULL,           -- word of RUN_ACTIONS: the request that is out; for views only
    waits_for             TEXT NOT NULL DEFAULT '' -- what it waits for, as the scheduler said; '' unknown
) STRICT;

-- Rows that live. Serves the load at start, the queue and all counts; finished rows cost it nothing.
CREATE INDEX launches_open ON launches (state, class_name) WHERE state <> 'FINISHED';
-- Rows that may be forgotten, oldest first; the other columns let them be counted without reading them.
CREATE INDEX launches_finished ON launches (updated_at_ms, class_name, state) WHERE state = 'FINISHED';
-- All launches of one flow run, for people.
CREATE INDEX launches_flow_run ON launches (flow_run_id);
-- A flow run waits for its claim at most once: the last guard against starting it twice.
CREATE UNIQUE INDEX launches_one_claim ON launches (flow_run_id) WHERE state IN ('QUEUED', 'CLAIMING');

-- State changes, appended and never changed. View: history. Deferred: within a transaction a launch may be
-- saved after its first line.
CREATE TABLE history_rows (
    history_key  INTEGER PRIMARY KEY,              -- order of the changes
    launch_id TEXT NOT NULL                        -- the launch it belongs to
        REFERENCES launches (launch_id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    from_state   TEXT,                             -- NULL for a launch's first line
    to_state     TEXT NOT NULL,                    -- word of RUN_STATES
    why          TEXT NOT NULL,                    -- a word or a sentence
    at_ms        INTEGER NOT NULL                  -- when it happened
) STRICT;
CREATE INDEX history_by_launch ON history_rows (launch_id);

-- Calls that changed something, or timed out. Views: attempts, timeouts.
CREATE TABLE attempt_rows (
    attempt_key   INTEGER PRIMARY KEY,             -- order of the calls
    launch_id     TEXT,                            -- NULL: not for a launch; may be one that is no longer kept
    class_name    TEXT NOT NULL,                   -- job class
    stage         TEXT NOT NULL,                   -- word of STAGES
    attempt       INTEGER NOT NULL,                -- number of the try, from 1
    started_at_ms INTEGER NOT NULL,                -- when the call began
    took_ms       INTEGER NOT NULL,                -- from its beginning to its answer or end
    timeout_ms    INTEGER NOT NULL,                -- the total clock; 0: none
    timeout_from  TEXT,                            -- where that value came from; NULL: no clock
    outcome       TEXT NOT NULL,                   -- ok, timeout, error, cancelled
    clock         TEXT,                            -- the clock that ran out: connect, inactivity, total; NULL: none did
    clock_ms      INTEGER NOT NULL,                -- that clock's value
    clock_from    TEXT,                            -- where that value came from
    error_class   TEXT,                            -- word of ERROR_CLASSES; NULL: none
    error         TEXT                             -- at most 4 KiB; NULL: none
) STRICT;
CREATE INDEX attempts_by_launch ON attempt_rows (launch_id);
-- The newest good samples of one class and stage, for the percentiles.
CREATE INDEX attempts_ok ON attempt_rows (class_name, stage) WHERE outcome = 'ok';
CREATE INDEX attempts_timeout ON attempt_rows (attempt_key) WHERE outcome = 'timeout';
-- Old ones that no launch takes along when it goes.
CREATE INDEX attempts_by_age ON attempt_rows (started_at_ms);

-- Token buckets.
CREATE TABLE buckets (
    name   TEXT NOT NULL PRIMARY KEY,              -- 'pool', 'class:NAME'
    tat_us INTEGER NOT NULL                        -- theoretical arrival time, wall microseconds since 1970
) STRICT;

-- The job classes of the running configuration; replaced as a whole. View: classes.
CREATE TABLE class_rows (
    class_key INTEGER PRIMARY KEY,                 -- order of the configuration file
    name      TEXT NOT NULL UNIQUE,                -- as in the configuration
    rule      TEXT NOT NULL,                       -- for people
    priority  INTEGER NOT NULL                     -- higher is served first
) STRICT;

-- The limits of the running configuration; replaced as a whole. View: limits.
CREATE TABLE limit_rows (
    limit_key    INTEGER PRIMARY KEY,              -- order of the configuration
    class_name   TEXT NOT NULL,                    -- '' for the whole pool
    kind         TEXT NOT NULL,                    -- starts_per_second, launching, running, pulls, stops
    limit_value  REAL NOT NULL,                    -- a count, or starts a second; -1: none
    burst        INTEGER NOT NULL,                 -- tokens; with starts_per_second
    bucket       TEXT,                             -- name in buckets; NULL: none
    learned_from TEXT                              -- 'auto'; NULL: given by the configuration
) STRICT;
