-- A state file of form 2, as sluice 0.1.0 made it: one launch in each state, named after it, with a line of history
-- and an attempt each. Written by store/ of that version, then dumped by the sqlite3 shell; not to be changed.
PRAGMA application_id = 1936483173;
PRAGMA user_version = 2;
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO launches VALUES(1,'a1000000-0000-4000-8000-000000000000','f1000000-0000-4000-8000-000000000000','a2000000-0000-4000-8000-000000000000','a3000000-0000-4000-8000-000000000000','a4000000-0000-4000-8000-000000000000','','','','','','QUEUED','flow','nightly','default','default','','','',1,0,30000,0,0,1767225550000,1767225590000,'QUEUED','none',0,0,0,0,0,0,0,0,0,0,0,0,0,0,1767225540000,0,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(2,'a1000000-0000-4000-8000-000000000001','f1000000-0000-4000-8000-000000000001','a2000000-0000-4000-8000-000000000001','a3000000-0000-4000-8000-000000000001','a4000000-0000-4000-8000-000000000001','','','','','','CLAIMING','flow','nightly','default','default','','','',1,0,30000,0,0,1767225550000,1767225590000,'CLAIMING','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(3,'a1000000-0000-4000-8000-000000000002','f1000000-0000-4000-8000-000000000002','a2000000-0000-4000-8000-000000000002','a3000000-0000-4000-8000-000000000002','a4000000-0000-4000-8000-000000000002','','','','','','SUBMITTING','flow','nightly','default','default','','','',1,0,30000,0,0,1767225550000,1767225590000,'SUBMITTING','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(4,'a1000000-0000-4000-8000-000000000003','f1000000-0000-4000-8000-000000000003','a2000000-0000-4000-8000-000000000003','a3000000-0000-4000-8000-000000000003','a4000000-0000-4000-8000-000000000003','','','','','','RESOLVING','flow','nightly','default','default','','','',1,0,30000,0,0,1767225550000,1767225590000,'RESOLVING','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(5,'a1000000-0000-4000-8000-000000000004','f1000000-0000-4000-8000-000000000004','a2000000-0000-4000-8000-000000000004','a3000000-0000-4000-8000-000000000004','a4000000-0000-4000-8000-000000000004','','','','','','PULLING','flow','nightly','default','default','name-of-04','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'PULLING','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(6,'a1000000-0000-4000-8000-000000000005','f1000000-0000-4000-8000-000000000005','a2000000-0000-4000-8000-000000000005','a3000000-0000-4000-8000-000000000005','a4000000-0000-4000-8000-000000000005','','','','','','READY','flow','nightly','default','default','name-of-05','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'READY','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(7,'a1000000-0000-4000-8000-000000000006','f1000000-0000-4000-8000-000000000006','a2000000-0000-4000-8000-000000000006','a3000000-0000-4000-8000-000000000006','a4000000-0000-4000-8000-000000000006','','','','','','CREATING','flow','nightly','default','default','name-of-06','flows:1','create: the engine said no',1,0,30000,0,0,1767225550000,1767225590000,'CREATING','none',1,0,0,0,0,0,1,1,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,1000,'none','');
INSERT INTO launches VALUES(8,'a1000000-0000-4000-8000-000000000007','f1000000-0000-4000-8000-000000000007','a2000000-0000-4000-8000-000000000007','a3000000-0000-4000-8000-000000000007','a4000000-0000-4000-8000-000000000007','','','','','789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456','CONNECTING','flow','nightly','default','default','name-of-07','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'CONNECTING','none',0,0,0,0,0,0,1,1,1,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(9,'a1000000-0000-4000-8000-000000000008','f1000000-0000-4000-8000-000000000008','a2000000-0000-4000-8000-000000000008','a3000000-0000-4000-8000-000000000008','a4000000-0000-4000-8000-000000000008','','','','','89abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567','ANNOUNCING','flow','nightly','default','default','name-of-08','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'ANNOUNCING','none',0,0,0,0,0,0,1,1,1,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(10,'a1000000-0000-4000-8000-000000000009','f1000000-0000-4000-8000-000000000009','a2000000-0000-4000-8000-000000000009','a3000000-0000-4000-8000-000000000009','a4000000-0000-4000-8000-000000000009','','','','','9abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345678','STARTING','flow','nightly','default','default','name-of-09','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'STARTING','none',0,0,0,0,0,0,1,1,1,1,0,1,0,0,1767225540000,1767225555000,1767225560000,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(11,'a1000000-0000-4000-8000-00000000000a','f1000000-0000-4000-8000-00000000000a','a2000000-0000-4000-8000-00000000000a','a3000000-0000-4000-8000-00000000000a','a4000000-0000-4000-8000-00000000000a','','','','','abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789','RUNNING','flow','nightly','default','default','name-of-0a','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'RUNNING','none',0,0,0,0,0,0,1,1,1,1,0,1,0,0,1767225540000,1767225555000,1767225560000,1767225561000,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(12,'a1000000-0000-4000-8000-00000000000b','f1000000-0000-4000-8000-00000000000b','a2000000-0000-4000-8000-00000000000b','a3000000-0000-4000-8000-00000000000b','a4000000-0000-4000-8000-00000000000b','','','','','bcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789a','STOPPING','flow','nightly','default','default','name-of-0b','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'STOPPING','none',0,0,0,0,0,0,1,1,1,1,0,1,0,1,1767225540000,1767225555000,1767225560000,1767225561000,1767225589000,0,0,0,0,'none','');
INSERT INTO launches VALUES(13,'a1000000-0000-4000-8000-00000000000c','f1000000-0000-4000-8000-00000000000c','a2000000-0000-4000-8000-00000000000c','a3000000-0000-4000-8000-00000000000c','a4000000-0000-4000-8000-00000000000c','','','','','','CLEARING','flow','nightly','default','default','name-of-0c','flows:1','create: no such thing',1,0,30000,0,0,1767225550000,1767225590000,'CLEARING','launch_failed',0,0,0,0,0,0,1,1,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(14,'a1000000-0000-4000-8000-00000000000d','f1000000-0000-4000-8000-00000000000d','a2000000-0000-4000-8000-00000000000d','a3000000-0000-4000-8000-00000000000d','a4000000-0000-4000-8000-00000000000d','','','','','def0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc','REPORTING','flow','nightly','default','default','name-of-0d','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'REPORTING','exited',0,0,0,0,3,0,1,1,1,1,0,1,0,0,1767225540000,1767225555000,1767225560000,1767225561000,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(15,'a1000000-0000-4000-8000-00000000000e','f1000000-0000-4000-8000-00000000000e','a2000000-0000-4000-8000-00000000000e','a3000000-0000-4000-8000-00000000000e','a4000000-0000-4000-8000-00000000000e','','','','','','HANDING_BACK','flow','nightly','default','default','name-of-0e','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'HANDING_BACK','hand_back',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(16,'a1000000-0000-4000-8000-00000000000f','f1000000-0000-4000-8000-00000000000f','a2000000-0000-4000-8000-00000000000f','a3000000-0000-4000-8000-00000000000f','a4000000-0000-4000-8000-00000000000f','','','','','','RESTORING','flow','nightly','default','default','name-of-0f','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'RESTORING','none',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(17,'a1000000-0000-4000-8000-000000000010','f1000000-0000-4000-8000-000000000010','a2000000-0000-4000-8000-000000000010','a3000000-0000-4000-8000-000000000010','a4000000-0000-4000-8000-000000000010','','','','','','PARKED','flow','nightly','default','default','name-of-10','flows:1','',1,0,30000,0,0,1767225550000,1767225590000,'PARKED','launch_failed',0,0,0,0,0,0,1,0,0,0,0,0,0,0,1767225540000,1767225555000,0,0,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(18,'a1000000-0000-4000-8000-000000000011','f1000000-0000-4000-8000-000000000011','a2000000-0000-4000-8000-000000000011','a3000000-0000-4000-8000-000000000011','a4000000-0000-4000-8000-000000000011','','','','','123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0','REMOVING','flow','nightly','default','default','name-of-11','flows:1','',1,0,30000,1,0,1767225550000,1767225590000,'REMOVING','ended',0,0,0,0,0,0,1,1,1,1,0,1,0,0,1767225540000,1767225555000,1767225560000,1767225561000,0,0,0,0,0,'none','');
INSERT INTO launches VALUES(19,'a1000000-0000-4000-8000-000000000012','f1000000-0000-4000-8000-000000000012','a2000000-0000-4000-8000-000000000012','a3000000-0000-4000-8000-000000000012','a4000000-0000-4000-8000-000000000012','','','','','23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01','FINISHED','flow','nightly','default','default','name-of-12','flows:1','',1,0,30000,1,0,1767225550000,1767225590000,'FINISHED','ended',0,0,0,0,0,0,1,1,1,1,0,1,0,0,1767225540000,1767225555000,1767225560000,1767225561000,0,0,0,0,0,'none','');
CREATE TABLE history_rows (
    history_key  INTEGER PRIMARY KEY,              -- order of the changes
    launch_id TEXT NOT NULL                        -- the launch it belongs to
        REFERENCES launches (launch_id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    from_state   TEXT,                             -- NULL for a launch's first line
    to_state     TEXT NOT NULL,                    -- word of RUN_STATES
    why          TEXT NOT NULL,                    -- a word or a sentence
    at_ms        INTEGER NOT NULL                  -- when it happened
) STRICT;
INSERT INTO history_rows VALUES(1,'a1000000-0000-4000-8000-000000000000',NULL,'QUEUED','made for a test',1767225590000);
INSERT INTO history_rows VALUES(2,'a1000000-0000-4000-8000-000000000001',NULL,'CLAIMING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(3,'a1000000-0000-4000-8000-000000000002',NULL,'SUBMITTING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(4,'a1000000-0000-4000-8000-000000000003',NULL,'RESOLVING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(5,'a1000000-0000-4000-8000-000000000004',NULL,'PULLING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(6,'a1000000-0000-4000-8000-000000000005',NULL,'READY','made for a test',1767225590000);
INSERT INTO history_rows VALUES(7,'a1000000-0000-4000-8000-000000000006',NULL,'CREATING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(8,'a1000000-0000-4000-8000-000000000007',NULL,'CONNECTING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(9,'a1000000-0000-4000-8000-000000000008',NULL,'ANNOUNCING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(10,'a1000000-0000-4000-8000-000000000009',NULL,'STARTING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(11,'a1000000-0000-4000-8000-00000000000a',NULL,'RUNNING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(12,'a1000000-0000-4000-8000-00000000000b',NULL,'STOPPING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(13,'a1000000-0000-4000-8000-00000000000c',NULL,'CLEARING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(14,'a1000000-0000-4000-8000-00000000000d',NULL,'REPORTING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(15,'a1000000-0000-4000-8000-00000000000e',NULL,'HANDING_BACK','made for a test',1767225590000);
INSERT INTO history_rows VALUES(16,'a1000000-0000-4000-8000-00000000000f',NULL,'RESTORING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(17,'a1000000-0000-4000-8000-000000000010',NULL,'PARKED','made for a test',1767225590000);
INSERT INTO history_rows VALUES(18,'a1000000-0000-4000-8000-000000000011',NULL,'REMOVING','made for a test',1767225590000);
INSERT INTO history_rows VALUES(19,'a1000000-0000-4000-8000-000000000012',NULL,'FINISHED','made for a test',1767225590000);
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
INSERT INTO attempt_rows VALUES(1,'a1000000-0000-4000-8000-000000000000','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(2,'a1000000-0000-4000-8000-000000000001','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(3,'a1000000-0000-4000-8000-000000000002','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(4,'a1000000-0000-4000-8000-000000000003','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(5,'a1000000-0000-4000-8000-000000000004','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(6,'a1000000-0000-4000-8000-000000000005','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(7,'a1000000-0000-4000-8000-000000000006','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(8,'a1000000-0000-4000-8000-000000000007','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(9,'a1000000-0000-4000-8000-000000000008','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(10,'a1000000-0000-4000-8000-000000000009','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(11,'a1000000-0000-4000-8000-00000000000a','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(12,'a1000000-0000-4000-8000-00000000000b','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(13,'a1000000-0000-4000-8000-00000000000c','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(14,'a1000000-0000-4000-8000-00000000000d','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(15,'a1000000-0000-4000-8000-00000000000e','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(16,'a1000000-0000-4000-8000-00000000000f','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(17,'a1000000-0000-4000-8000-000000000010','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(18,'a1000000-0000-4000-8000-000000000011','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
INSERT INTO attempt_rows VALUES(19,'a1000000-0000-4000-8000-000000000012','default','api',1,1767225555000,12,10000,'default','ok',NULL,0,NULL,NULL,NULL);
CREATE TABLE buckets (
    name   TEXT NOT NULL PRIMARY KEY,              -- 'pool', 'class:NAME'
    tat_us INTEGER NOT NULL                        -- theoretical arrival time, wall microseconds since 1970
) STRICT;
INSERT INTO buckets VALUES('pool',1767225599000000);
CREATE TABLE class_rows (
    class_key INTEGER PRIMARY KEY,                 -- order of the configuration file
    name      TEXT NOT NULL UNIQUE,                -- as in the configuration
    rule      TEXT NOT NULL,                       -- for people
    priority  INTEGER NOT NULL                     -- higher is served first
) STRICT;
INSERT INTO class_rows VALUES(1,'default','everything else',0);
CREATE TABLE limit_rows (
    limit_key    INTEGER PRIMARY KEY,              -- order of the configuration
    class_name   TEXT NOT NULL,                    -- '' for the whole pool
    kind         TEXT NOT NULL,                    -- starts_per_second, launching, running, pulls, stops
    limit_value  REAL NOT NULL,                    -- a count, or starts a second; -1: none
    burst        INTEGER NOT NULL,                 -- tokens; with starts_per_second
    bucket       TEXT,                             -- name in buckets; NULL: none
    learned_from TEXT                              -- 'auto'; NULL: given by the configuration
) STRICT;
INSERT INTO limit_rows VALUES(1,'','running',200.0,0,NULL,NULL);
CREATE INDEX launches_open ON launches (state, class_name) WHERE state <> 'FINISHED';
CREATE INDEX launches_finished ON launches (updated_at_ms, class_name, state) WHERE state = 'FINISHED';
CREATE INDEX launches_flow_run ON launches (flow_run_id);
CREATE UNIQUE INDEX launches_one_claim ON launches (flow_run_id) WHERE state IN ('QUEUED', 'CLAIMING');
CREATE INDEX history_by_launch ON history_rows (launch_id);
CREATE INDEX attempts_by_launch ON attempt_rows (launch_id);
CREATE INDEX attempts_ok ON attempt_rows (class_name, stage) WHERE outcome = 'ok';
CREATE INDEX attempts_timeout ON attempt_rows (attempt_key) WHERE outcome = 'timeout';
CREATE INDEX attempts_by_age ON attempt_rows (started_at_ms);
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
 ORDER BY position
;
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
 ORDER BY r.limit_key
;
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
 ORDER BY k.class_key IS NULL, k.class_key, k.name
;
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
COMMIT;
