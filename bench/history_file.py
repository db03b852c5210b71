"""Makes a state file with a long history, as sluice would have left it: for history.py, and to try things on."""

import os
import sqlite3
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DAY_MS = 86_400_000
BATCH = 20_000
CLASSES = ("default", "etl", "short", "reports")
QUEUED = 1000
RUNNING = 100

# What a run leaves behind: from, to, why, milliseconds after it was due.
STEPS = (
    ("QUEUED", "CLAIMING", "ADMITTED", 0),
    ("CLAIMING", "SUBMITTING", "DONE", 40),
    ("SUBMITTING", "RESOLVING", "DONE", 70),
    ("RESOLVING", "PULLING", "DONE", 75),
    ("PULLING", "READY", "DONE", 80),
    ("READY", "CREATING", "ADMITTED", 100),
    ("CREATING", "CONNECTING", "DONE", 300),
    ("CONNECTING", "ANNOUNCING", "DONE", 301),
    ("ANNOUNCING", "STARTING", "DONE", 330),
    ("STARTING", "RUNNING", "DONE", 600),
    ("RUNNING", "REPORTING", "EXITED", 60_600),
    ("REPORTING", "FINISHED", "DONE", 60_650),
)
# Stage, milliseconds after due, how long it took at least.
CALLS = (("api", 0, 40), ("api", 40, 30), ("create", 100, 200), ("api", 301, 29), ("start", 330, 270), ("api", 60_600, 45))

UUID = (
    "lower(hex(randomblob(4))||'-'||hex(randomblob(2))||'-4'||substr(hex(randomblob(2)),2)||'-a'"
    "||substr(hex(randomblob(2)),2)||'-'||hex(randomblob(6)))"
)
# Columns of launches that matter; every other one is empty or 0.
VALUES = {
    "launch_id": "launch_id",
    "flow_run_id": UUID,
    "submit_id": UUID,
    "report_id": UUID,
    "hand_back_id": UUID,
    "deployment_id": "'0d5f1c2a-0000-4000-8000-00000000000'||(n%10)",
    "flow_id": "'0d5f1c2a-0000-4000-8000-10000000000'||(n%10)",
    "work_queue_id": "'0d5f1c2a-0000-4000-8000-200000000000'",
    "container_id": "lower(hex(randomblob(32)))",
    "run_name": "'adjective-animal-'||n",
    "flow_name": "'flow-'||(n%10)",
    "deployment_name": "'deployment-'||(n%10)",
    "work_queue_name": "'default'",
    "class_name": "class",
    "container_name": "'adjective-animal-'||n",
    "image": "'registry.example/team/image:1.'||(n%10)",
    "last_error": "iif(n%50=0, 'create: no answer within 60 s', '')",
    "queue_priority": "1",
    "grace_ms": "30000",
    "created_at_ms": "at",
    "updated_at_ms": "at+60650",
    "state": "state",
    "verdict": "iif(state='FINISHED', 'ended', 'none')",
    "has_claim": "state<>'QUEUED'",
    "create_sent": "state<>'QUEUED'",
    "has_container": "state<>'QUEUED'",
    "start_sent": "state<>'QUEUED'",
    "is_announced": "state<>'QUEUED'",
    "due_at_ms": "at",
    "claimed_at_ms": "at",
    "start_sent_at_ms": "at+330",
    "started_at_ms": "at+600",
    "pending": "'none'",
}


def open_new(path: Path) -> sqlite3.Connection:
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript(
        "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-2000000; PRAGMA application_id=0x736c6365"
    )
    migrations = sorted((ROOT / "migrations").glob("*.sql"))
    for migration in migrations:
        db.executescript(migration.read_text())
    db.execute(f"PRAGMA user_version={len(migrations)}")
    db.executemany("insert into class_rows(name, rule, priority) values (?, 'everything else', 0)", [(name,) for name in CLASSES])
    db.execute("create temp table step(from_state, to_state, why, at)")
    db.executemany("insert into step values (?, ?, ?, ?)", STEPS)
    db.execute("create temp table call(stage, at, took)")
    db.executemany("insert into call values (?, ?, ?)", CALLS)
    db.execute("create temp table fresh(n integer primary key, launch_id, at, class, state)")
    return db


def insert_launches(db: sqlite3.Connection) -> None:
    values = dict(VALUES)
    for name, kind, needed in db.execute("select name, type, \"notnull\" and dflt_value is null and pk = 0 from pragma_table_info('launches')").fetchall():
        if needed:
            values.setdefault(name, "''" if kind == "TEXT" else "0")
    db.execute(f"insert into launches({', '.join(values)}) select {', '.join(values.values())} from fresh order by n")


def add_batch(db: sqlite3.Connection, first: int, last: int, count: int, now_ms: int) -> None:
    span_ms = 13 * DAY_MS
    db.execute("delete from fresh")
    db.execute(
        "with recursive k(n) as (select :first union all select n+1 from k where n+1<:last) "
        f"insert into fresh select n, {UUID}, :now - :span + cast(n*1.0*(:span-120000)/:count as integer), "
        "case n%10 when 0 then 'etl' when 1 then 'short' when 2 then 'reports' else 'default' end, "
        "case when n >= :count - :queued then 'QUEUED' when n >= :count - :queued - :running then 'RUNNING' else 'FINISHED' end from k",
        {"first": first, "last": last, "count": count, "now": now_ms, "span": span_ms, "queued": QUEUED, "running": RUNNING},
    )
    insert_launches(db)
    db.execute(
        "insert into history_rows(launch_id, from_state, to_state, why, at_ms) "
        "select launch_id, from_state, to_state, why, fresh.at+step.at from fresh cross join step where fresh.state='FINISHED' order by 5"
    )
    db.execute(
        "insert into attempt_rows(launch_id, class_name, stage, attempt, started_at_ms, took_ms, timeout_ms, timeout_from, outcome, "
        "clock, clock_ms, clock_from, error_class, error) "
        "select launch_id, class, stage, 1, fresh.at+call.at, took+abs(random()%100), 60000, 'default', 'ok', NULL, 0, NULL, NULL, NULL "
        "from fresh cross join call where state='FINISHED' union all "
        "select launch_id, class, 'create', 1, at+90, 60000, 60000, 'default', 'timeout', 'total', 60000, 'default', 'transient', "
        "'no answer within 60 s' from fresh where n%50=0 and state='FINISHED' order by 5"
    )


def make(path: Path, launches: int) -> None:
    """A file with so many launches of the last 13 days; the newest wait (1,000) and run (100)."""
    db = open_new(path)
    now_ms = int(time.time() * 1000)
    db.execute("begin")
    for first in range(0, launches, BATCH):
        add_batch(db, first, min(launches, first + BATCH), launches, now_ms)
    db.execute("commit")
    db.close()
    # A file of gigabytes that isn't on the disk yet is written out by the first fsync near it, which would be the measured start's.
    os.sync()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: history_file.py FILE LAUNCHES")
    make(Path(sys.argv[1]), int(sys.argv[2]))
