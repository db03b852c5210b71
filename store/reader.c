#include "store/reader.h"

#include "store/store_internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BUSY_TIMEOUT_MS 2000

struct store_reader {
    sqlite3 *db;
    char *path; /* as given; owned */
};

int store_find_file(const char *path, struct err *err)
{
    struct stat st;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(err, ERR_NOT_FOUND,
                       "there is no state file %s: name it with --state, or the pool and name it belongs to",
                       path);
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_INVALID, "%s is no ordinary file: name the state file with --state", path);
    return 0;
}

static int open_file(struct store_reader *r, struct err *err)
{
    char *AUTO_FREE file = store_sqlite_file(r->path);
    int rc = sqlite3_open_v2(file, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return store_fail(r->db, rc, r->path, "open the state file", err);
    int version = 0;
    sqlite3_busy_timeout(r->db, READ_BUSY_TIMEOUT_MS);
    if (migrate_check(r->db, r->path, (int)migrate_list_count, &version, err) != 0)
        return -1;
    if (version == 0)
        return err_set(err, ERR_PARSE, "%s is not a sluice state file: it is empty", r->path);
    rc = sqlite3_exec(r->db, "BEGIN", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : store_fail(r->db, rc, r->path, "read", err);
}

int store_reader_open(const char *path, struct store_reader **out, struct err *err)
{
    if (store_find_file(path, err) != 0)
        return -1;
    store_use_memory();
    struct store_reader *r = check_alloc(sizeof(*r));
    r->path = check_strdup(path);
    if (open_file(r, err) != 0) {
        store_reader_close(r);
        return -1;
    }
    *out = r;
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    if (r == NULL)
        return;
    CHECK(sqlite3_close(r->db) == SQLITE_OK);
    free(r->path);
    free(r);
}

static void read_cells(sqlite3_stmt *statement, struct store_cell *cells, int columns)
{
    for (int i = 0; i < columns; i++) {
        int type = sqlite3_column_type(statement, i);
        const char *text = (const char *)sqlite3_column_text(statement, i);
        cells[i].text = text == NULL ? "" : text;
        cells[i].kind = type == SQLITE_NULL                              ? STORE_CELL_NULL
                        : type == SQLITE_INTEGER || type == SQLITE_FLOAT ? STORE_CELL_NUMBER
                                                                         : STORE_CELL_TEXT;
    }
}

static int hand_out_rows(struct store_reader *r, sqlite3_stmt *statement, store_reader_row_fn fn, void *arg,
                         struct err *err)
{
    int columns = sqlite3_column_count(statement);
    struct store_cell *cells = check_alloc(((size_t)columns + 1) * sizeof(*cells));
    for (int i = 0; i < columns; i++)
        cells[i].name = sqlite3_column_name(statement, i);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        read_cells(statement, cells, columns);
        fn(arg, (size_t)columns, cells);
    }
    free(cells);
    return rc == SQLITE_DONE ? 0 : store_fail(r->db, rc, r->path, "read", err);
}

int store_reader_ask(struct store_reader *r, const char *sql, const char *const *values,
                     store_reader_row_fn fn, void *arg, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    const char *rest;
    int rc = sqlite3_prepare_v2(r->db, sql, -1, &statement, &rest);
    if (rc != SQLITE_OK)
        return store_fail(r->db, rc, r->path, "prepare a query", err);
    int result;
    if (statement == NULL || *rest != '\0' || !sqlite3_stmt_readonly(statement)) {
        result = err_set(err, ERR_INVALID, "not one reading statement: %.200s", sql);
    } else {
        int wanted = sqlite3_bind_parameter_count(statement);
        for (int i = 0; i < wanted && values != NULL && values[i] != NULL; i++)
            store_bind_text(statement, i + 1, values[i]);
        result = hand_out_rows(r, statement, fn, arg, err);
    }
    sqlite3_finalize(statement);
    return result;
}

static void on_name(void *arg, size_t columns, const struct store_cell *cells)
{
    (void)columns;
    (void)cells;
    *(bool *)arg = true;
}

bool store_reader_has(struct store_reader *r, const char *name)
{
    const char *const values[] = {name, NULL};
    bool is_there = false;
    struct err err;
    return store_reader_ask(r, "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?1",
                            values, on_name, &is_there, &err) == 0 &&
           is_there;
}
