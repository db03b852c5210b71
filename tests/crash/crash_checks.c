/*
 * crash_checks.c - what must hold after each death and at the end of each life.
 *
 * The file is read as a copy, with the log beside it: opening the file itself would recover it before the
 * service does.
 */
#include "tests/crash/crash.h"

#include <sqlite3.h>

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy_file(const char *from, const char *to)
{
    struct stat st;
    unlink(to);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return;
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(out >= 0 && fstat(in, &st) == 0);
    for (off_t done = 0; done < st.st_size;)
        CHECK(sendfile(out, in, &done, (size_t)(st.st_size - done)) > 0);
    close(in);
    close(out);
}

/* The first column of the first row; "" if there is none. */
static void read_first(struct crash *c, sqlite3 *db, const char *sql, char *answer, size_t size)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        crash_fail(c, "%s: %s", sql, sqlite3_errmsg(db));
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        crash_fail(c, "%s: %s", sql, sqlite3_errmsg(db));
    snprintf(answer, size, "%s", rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "");
    sqlite3_finalize(statement);
}

static void expect_first(struct crash *c, sqlite3 *db, const char *sql, const char *expected)
{
    char answer[200];
    read_first(c, db, sql, answer, sizeof(answer));
    if (strcmp(answer, expected) != 0)
        crash_fail(c, "%s is \"%s\"", sql, answer);
}

/* A file that was only made, or whose first migration was not finished, has no tables yet. */
static void check_database(struct crash *c, sqlite3 *db)
{
    char version[20];
    expect_first(c, db, "PRAGMA integrity_check", "ok");
    read_first(c, db, "PRAGMA user_version", version, sizeof(version));
    if (strcmp(version, "0") == 0 || strcmp(version, "1") == 0)
        return;
    expect_first(c, db, "SELECT count(*) FROM pragma_foreign_key_check", "0");
    /* Both sides are counted here, the view's by itself, the other's from the rows' words. */
    expect_first(
        c, db,
        "SELECT coalesce((SELECT in_use FROM limits WHERE class = '(pool)' AND kind = 'running'), n) = n "
        "FROM (SELECT count(*) AS n FROM launches WHERE state NOT IN ('QUEUED', 'REPORTING', "
        "'HANDING_BACK', 'RESTORING', 'PARKED', 'REMOVING', 'FINISHED'))",
        "1");
    expect_first(c, db,
                 "SELECT count(*) FROM (SELECT flow_run_id FROM launches WHERE state <> 'FINISHED' GROUP BY "
                 "flow_run_id HAVING count(*) > 1)",
                 "0");
}

void crash_check_file(struct crash *c)
{
    struct world *w = c->world;
    char *copy = check_printf("%s/copy.db", w->folder);
    char *copy_log = check_printf("%s-wal", copy);
    char *copy_index = check_printf("%s-shm", copy);
    char *log = check_printf("%s-wal", w->state_path);
    copy_file(w->state_path, copy);
    copy_file(log, copy_log);
    struct stat st;
    sqlite3 *db = NULL;
    if (stat(copy, &st) == 0 && st.st_size > 0) {
        if (sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
            crash_fail(c, "the state file can't be opened: %s", sqlite3_errmsg(db));
        check_database(c, db);
        CHECK(sqlite3_close(db) == SQLITE_OK);
    }
    unlink(copy);
    unlink(copy_log);
    unlink(copy_index);
    free(copy);
    free(copy_log);
    free(copy_index);
    free(log);
    c->checks++;
}

static void check_containers(struct crash *c)
{
    struct world *w = c->world;
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++) {
        const struct fake_container *container = fake_engine_container_at(w->engine, i);
        char sql[200];
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM launches WHERE launch_id = '%s'",
                 container->launch_id);
        if (strcmp(container->state, "exited") != 0)
            crash_fail(c, "container %s was left %s", container->name, container->state);
        if (world_number(w, sql) != 1)
            crash_fail(c, "container %s belongs to nobody", container->name);
    }
}

void crash_check_end(struct crash *c)
{
    struct world *w = c->world;
    if (fake_engine_max_starts(w->engine) > 1)
        crash_fail(c, "a launch was started %d times", fake_engine_max_starts(w->engine));
    for (size_t i = 0; i < fake_prefect_run_count(w->prefect); i++) {
        const char *run = fake_prefect_run_id(w->prefect, i);
        if (world_times_run(w, run) > 1)
            crash_fail(c, "a run ran %d times: %s", world_times_run(w, run),
                       fake_prefect_history(w->prefect, run));
    }
    check_containers(c);
    if (world_number(w, "SELECT count(*) FROM launches WHERE state <> 'FINISHED'") != 0)
        crash_fail(c, "the file has unfinished launches, memory has none");
    if (world_number(w, "SELECT sum(in_use) FROM limits") != 0)
        crash_fail(c, "a slot is in use, and nothing lives");
}
