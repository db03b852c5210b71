/*
 * store.h - the state file: launches, their history, attempts, buckets, and the views people read.
 *
 * One writing connection, WAL, synchronous=FULL, prepared statements, STRICT tables, migrations from
 * migrations/ embedded at build time. A save is not durable before store_commit() has returned 0. Times are
 * wall milliseconds in columns ending in _ms; views show ISO 8601 text. Only store/ knows sqlite3.h. Never
 * stored: API keys, passwords, environment values, rendered job configuration.
 */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include "base/clock.h"
#include "base/err.h"
#include "core/launch.h"

struct store;

/*
 * store_open - open or make the file (mode 0600, folders made as needed, 0700), take its lock (flock on
 * PATH.lock), migrate. A file of ours that is damaged (pages, or a row that can't be) is renamed to
 * PATH.corrupt-YYYYMMDDTHHMMSSZ together with its log, and a new one begun. Errors, each with a sentence that
 * names the file and the way out: CONFLICT (another sluice holds it: use another --name), VERSION (made by a
 * newer sluice), PARSE (not a state file), IO.
 */
int store_open(const char *path, const struct clock *clock, struct store **out, struct err *err) MUST_CHECK;
/* store_close - rolls back what was not committed, checkpoints. A file that turned out to be damaged is set
 * aside, so that the next start begins anew. Accepts NULL. */
void store_close(struct store *store);
const char *store_path(const struct store *store);
/* store_is_new - there was no file, an empty one, or a damaged one: what was claimed before is not known
 * here. */
bool store_is_new(const struct store *store);
/* store_set_aside - the new name of the damaged file that store_open found, and what was wrong; NULL: none.
 */
const char *store_set_aside(const struct store *store, const char **why);

/*
 * Saves outside of begin/commit are errors of ours (assert); store_replace_*, store_trim and store_shrink
 * make a transaction of their own if none is begun. begin when begun is harmless. After a failed commit every
 * further begin fails (IO): what is on disk is then not known, and the process has to end and read the file
 * anew. Errors: CONFLICT (another program keeps the file locked), IO.
 */
int store_begin(struct store *store, struct err *err) MUST_CHECK;
int store_commit(struct store *store, struct err *err) MUST_CHECK;
bool store_is_begun(const struct store *store);

/* store_save_launch - insert or update by launch_id; flow_run_id and run_name stay as first saved. A change
 * of state clears what store_save_wait said. run.pending is stored for the views only. Errors: CONFLICT
 * (another launch of the same flow run is QUEUED or CLAIMING as well: the last guard against two claims), IO.
 */
int store_save_launch(struct store *store, const struct launch *launch, struct err *err) MUST_CHECK;

/* store_load_launches - every launch that is not FINISHED, oldest first, with pending, epoch and died_early
 * at 0; fn takes over the launch, saves nothing meanwhile, and returns false to stop. Errors: PARSE (a row
 * that can't be), IO. */
typedef bool (*store_launch_fn)(void *arg, struct launch *take_launch);
int store_load_launches(struct store *store, store_launch_fn fn, void *arg, struct err *err) MUST_CHECK;

/* store_last_change - wall time of the last change of state of a launch, in whatever state it is; 0 if there
 * is no such row. */
int store_last_change(struct store *store, const char *launch_id, int64_t *at_ms, struct err *err) MUST_CHECK;

/* store_has_ended - *has_ended: a launch of the flow run is FINISHED that had this container. */
int store_has_ended(struct store *store, const char *flow_run_id, const char *container_id, bool *has_ended,
                    struct err *err) MUST_CHECK;

/* One line of `history`. from may be NULL for the first. why: a sentence or a word. The launch must have been
 * saved when the transaction commits, or the commit fails. */
int store_add_transition(struct store *store, const char *launch_id, const char *from, const char *to,
                         const char *why, int64_t at_ms, struct err *err) MUST_CHECK;

/* One call that changed something (or timed out). */
struct store_attempt {
    const char *launch_id; /* NULL: not for a launch; one not saved yet, or no longer kept, is fine */
    const char *class_name;
    const char *stage;
    int32_t attempt;
    int64_t started_at_ms;
    int64_t took_ms;
    int64_t timeout_ms;       /* the total clock's value, 0: none */
    const char *timeout_from; /* where it came from: "default", "sluice.conf:12", "DOCKER_CLIENT_TIMEOUT",
                                 "learned" */
    const char *outcome;      /* ok, timeout, error, cancelled */
    const char *clock;        /* connect, inactivity, total; NULL: no clock ran out */
    int64_t clock_ms;         /* that clock's value */
    const char *clock_from;   /* where that came from */
    const char *error_class;  /* NULL: none */
    const char *error;        /* NULL: none; cut to 4 KiB */
};
int store_add_attempt(struct store *store, const struct store_attempt *attempt, struct err *err) MUST_CHECK;

/* Token buckets: the theoretical arrival time by name ("pool", "class:etl"). */
int store_save_bucket(struct store *store, const char *name, int64_t tat_us, struct err *err) MUST_CHECK;
int store_load_bucket(struct store *store, const char *name, int64_t *tat_us,
                      struct err *err) MUST_CHECK; /* 0 if unknown */

/* What the views `classes` and `limits` show of the configuration: replaced as a whole at start and at a
 * reload. */
struct store_class {
    const char *name;
    const char *rule; /* as text, "everything else" for default */
    int32_t priority;
};
struct store_limit {
    const char *class_name;   /* "" for the pool */
    const char *kind;         /* starts_per_second, launching, running, pulls, stops */
    double limit_value;       /* -1: none */
    int64_t burst;            /* with starts_per_second */
    const char *bucket;       /* bucket's name, NULL: none */
    const char *learned_from; /* NULL, or "auto" */
};
int store_replace_classes(struct store *store, const struct store_class *classes, size_t count,
                          struct err *err) MUST_CHECK;
/* store_save_ageing - how the view `queue` orders runs (core/order.h). */
int store_save_ageing(struct store *store, int64_t ageing_ms, struct err *err) MUST_CHECK;
int store_replace_limits(struct store *store, const struct store_limit *limits, size_t count,
                         struct err *err) MUST_CHECK;

/* What was learned of a dependency: kept over a restart, and shown in the view `limits`. */
struct store_learned {
    const char *name;         /* whose it is: "launching:create", "timeout:create:etl", "breaker:engine" */
    const char *class_name;   /* "" for the pool */
    const char *kind;         /* what `limits.kind` shows */
    double value;             /* what `limits.learned_value` shows; -1: nothing yet */
    const char *learned_from; /* for people: "42 samples" */
    const char *state;        /* the module's own text, at most 4 KiB; never shown */
};
int store_save_learned(struct store *store, const struct store_learned *learned, struct err *err) MUST_CHECK;
/* *state is the caller's to free; NULL: nothing is known by that name. What it says is checked by its reader:
 * the file may be an old one, or edited. */
int store_load_learned(struct store *store, const char *name, char **state, struct err *err) MUST_CHECK;
/* Unknown name: no effect. */
int store_forget_learned(struct store *store, const char *name, struct err *err) MUST_CHECK;

/* What `queue.waits_for` shows: a word or sentence by launch; "" clears it. A request that is out is shown
 * instead, and so are backoff and a dependency out of reach where nothing is said. Unknown launch: no effect.
 */
int store_save_wait(struct store *store, const char *launch_id, const char *waits_for,
                    struct err *err) MUST_CHECK;

/* store_add_loss - so many more were not taken; what: 'output lines', 'events', 'run log lines'. For the view
 * `losses`. */
int store_add_loss(struct store *store, const char *what, int64_t dropped, int64_t at_ms,
                   struct err *err) MUST_CHECK;

/* An alert as the view `alerts` shows it; name and severity are its key. */
struct store_alert {
    const char *name;
    const char *severity;
    const char *state; /* ok, firing, resolved */
    const char *class_name;
    int64_t since_ms;
    int64_t changed_ms;
    const char *reason;
    const char *delivery; /* "", due, sent, given up */
    int64_t sent_ms;
};
int store_save_alert(struct store *store, const struct store_alert *alert, struct err *err) MUST_CHECK;
/* store_load_alerts - all there are; texts are borrowed for the call of fn, which checks what they say: the
 * file may be an old one, or edited. */
typedef void (*store_alert_fn)(void *arg, const struct store_alert *alert);
int store_load_alerts(struct store *store, store_alert_fn fn, void *arg, struct err *err) MUST_CHECK;
/* What alerts go by ("timeouts"): a text that only its module reads. *windows is the caller's to free; NULL:
 * nothing is known. */
int store_save_burn(struct store *store, const char *name, const char *windows, struct err *err) MUST_CHECK;
int store_load_burn(struct store *store, const char *name, char **windows, struct err *err) MUST_CHECK;

/* What holds all runs at once; `queue.waits_for` says it before any limit. */
struct store_hold {
    const char *name;  /* unique: "paused", "engine" */
    bool holds_starts; /* claimed runs that are READY as well, not only the claim */
    const char *said;  /* "paused (sluice resume ends it)"; the view adds the times */
    int64_t since_ms;  /* wall */
    int64_t until_ms;  /* wall; 0: not known */
};
/* Both need store_begin. Clearing what isn't there is fine. */
int store_save_hold(struct store *store, const struct store_hold *hold, struct err *err) MUST_CHECK;
int store_clear_hold(struct store *store, const char *name, struct err *err) MUST_CHECK;
/* store_keep_hold - at the start: all but this one were the last process's. *since_ms: when it began; 0: not
 * there. Needs store_begin. */
int store_keep_hold(struct store *store, const char *name, int64_t *since_ms, struct err *err) MUST_CHECK;

/* ---- keeping the file within bounds (core/file_bounds.h decides) ---- */

struct store_size {
    int64_t bytes;      /* of the file, its log not counted */
    int64_t free_bytes; /* of these: pages that hold nothing; they are used again */
    bool can_shrink;    /* free pages can be given back: so in files made or compacted by form 8 and later */
};
/* store_size - as the transaction that is begun sees it. */
int store_size(struct store *store, struct store_size *out, struct err *err) MUST_CHECK;

struct store_trimmed {
    int64_t launches;
    int64_t rows; /* of all tables, the launches' own among them */
    bool is_done; /* nothing is left that is older */
};
/*
 * store_trim - one step of forgetting what is older than before_ms: finished launches, oldest first, their
 * history and attempts; then attempts that belong to no launch. Deletes at most max_rows rows, whatever a
 * single launch has; one that has more is left with fewer until the next step. Never touches a launch that
 * is not FINISHED. INT64_MAX: whatever its age.
 */
int store_trim(struct store *store, int64_t before_ms, int64_t max_rows, struct store_trimmed *out,
               struct err *err) MUST_CHECK;

/* store_disk - how large the file and its log are, and its file system; -1: not known. Asks the system, not
 * SQLite. */
struct store_disk {
    int64_t file_bytes;
    int64_t log_bytes;       /* 0: there is none */
    int64_t disk_free_bytes; /* that we may use */
    int64_t disk_bytes;
};
struct store_disk store_disk(const struct store *store);

/* store_shrink - give at most max_pages free pages back to the disk; the file itself gets shorter at the next
 * checkpoint. No effect where store_size says !can_shrink. */
int store_shrink(struct store *store, int64_t max_pages, struct err *err) MUST_CHECK;

/* store_checkpoint - write what is in the log into the file, as far as no reader needs it; after a step, so
 * that no later commit has to do it for many. Nothing depends on its success. */
void store_checkpoint(struct store *store);

/* store_compact - write the whole file anew, without free pages and able to shrink. Takes seconds a gigabyte,
 * and three times the file's size on disk meanwhile; not for a running service. No transaction may be begun.
 * Errors: IO (also: no room, and then nothing has changed). */
int store_compact(struct store *store, struct err *err) MUST_CHECK;

/*
 * store_backup - copy a state file, as of one commit, into a new file of mode 0600, while a service writes or
 * while none runs. The copy is checked and durable before it gets its name; until then it is TO.partial,
 * which goes with any error, and which the next backup replaces if the process was killed. replace: an older
 * TO may be overwritten. progress: called for each MiB with pages of 4 KiB, and with done = total while the
 * copy is checked; false ends it (IO); may be NULL. Errors: NOT_FOUND (no such state file), CONFLICT (TO
 * exists, is a database in use, or another backup writes it), PARSE, VERSION, IO.
 */
typedef bool (*store_progress_fn)(void *arg, int64_t done, int64_t total);
int store_backup(const char *path, const char *to, bool replace, store_progress_fn progress, void *arg,
                 struct err *err) MUST_CHECK;

/*
 * store_query_file - run one read-only statement on a state file, on a connection of its own that can't
 * write, and hand out rows as text. For `sluice queue` and `sluice status`, while the service runs or not.
 * NULL columns are "". Rows already handed out stay so when an error follows. Errors: NOT_FOUND (no such
 * file), INVALID (not one reading statement), PARSE, VERSION, IO.
 */
typedef void (*store_row_fn)(void *arg, size_t columns, const char *const *names, const char *const *values);
int store_query_file(const char *path, const char *sql, store_row_fn fn, void *arg,
                     struct err *err) MUST_CHECK;

#endif
