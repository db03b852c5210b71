/*
 * Which files open, which are refused and with what sentence, and how a file gets from one form to the next.
 */
#include "store_fixture.h"

#include "store/store_internal.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Expect store_open to fail with this kind and a sentence that names `named`; the file at path is untouched.
 */
static void expect_refused(struct store_fixture *f, const char *path, enum err_kind kind, const char *named)
{
    struct err err = {0};
    struct store *store = NULL;
    if (store_open(path, &f->clock, &store, &err) == 0) {
        store_close(store);
        fail_msg("%s opened", path);
    }
    assert_null(store);
    if (err.kind != kind || strstr(err.msg, named) == NULL)
        fail_msg("not what was expected (%s, \"%s\"): %s: %s", err_kind_name(kind), named,
                 err_kind_name(err.kind), err.msg);
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = check_alloc((size_t)8 << 20);
    *len = fread(bytes, 1, (size_t)8 << 20, file);
    fclose(file);
    return bytes;
}

/* Expect a file of ours that is damaged: it is kept under another name, byte for byte, and a new one begun.
 */
static void expect_set_aside(struct store_fixture *f, const char *named)
{
    size_t before_len;
    size_t after_len;
    char *AUTO_FREE before = read_file(f->path, &before_len);
    struct store *store = store_fixture_open(f);
    const char *why = "";
    const char *aside = store_set_aside(store, &why);
    if (aside == NULL || strstr(why, named) == NULL || strstr(why, f->path) == NULL)
        fail_msg("not set aside for \"%s\": %s", named, why);
    char *AUTO_FREE start = check_printf("%s.corrupt-20", f->path);
    assert_memory_equal(aside, start, strlen(start));
    assert_true(store_is_new(store));
    char *AUTO_FREE after = read_file(aside, &after_len);
    assert_int_equal(after_len, before_len);
    assert_memory_equal(after, before, before_len);
    assert_int_equal(unlink(aside), 0);
    store_close(store);
    store_fixture_expect(f->path, "select count(*) from launches", "0");
}

static void count_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    (void)columns;
    (void)names;
    (void)values;
    (*(int *)arg)++;
}

static void expect_query_refused(const char *path, const char *sql, enum err_kind kind, const char *named)
{
    struct err err = {0};
    int rows = 0;
    assert_int_equal(store_query_file(path, sql, count_row, &rows, &err), -1);
    if (err.kind != kind || strstr(err.msg, named) == NULL)
        fail_msg("not what was expected (%s, \"%s\"): %s: %s", err_kind_name(kind), named,
                 err_kind_name(err.kind), err.msg);
    assert_int_equal(rows, 0);
}

/* A state file with some rows, closed. */
static void make_state_file(struct store_fixture *f, int rows)
{
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    assert_int_equal(store_begin(store, &err), 0);
    for (int n = 0; n < rows; n++) {
        struct launch *l = store_fixture_launch(f, n);
        assert_int_equal(store_save_launch(store, l, &err), 0);
        launch_free(l);
    }
    assert_int_equal(store_commit(store, &err), 0);
    store_close(store);
}

static void test_a_new_file_is_private(void **state)
{
    struct store_fixture *f = *state;
    struct stat st;
    char path[200];
    mode_t old = umask(0);
    snprintf(path, sizeof(path), "%s/a/b c/pool.db", f->folder);
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open(path, &f->clock, &store, &err), 0);
    assert_string_equal(store_path(store), path);
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char *AUTO_FREE name = check_printf("%s%s", path, suffixes[i]);
        assert_int_equal(stat(name, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    char *AUTO_FREE folder = check_printf("%s/a/b c", f->folder);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    store_close(store);
    umask(old);
}

static void test_an_open_file_is_made_private(void **state)
{
    struct store_fixture *f = *state;
    struct stat st;
    make_state_file(f, 1);
    assert_int_equal(chmod(f->path, 0664), 0);
    store_close(store_fixture_open(f));
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_settings_of_the_connection(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    static const struct {
        const char *pragma;
        const char *value;
    } settings[] = {
        {"journal_mode", "wal"},
        {"synchronous", "2"},
        {"foreign_keys", "1"},
        {"mmap_size", "0"},
        {"application_id", "1936483173"},
        {"user_version", "10"},
        {"auto_vacuum", "2"},
        {"busy_timeout", "2000"},
        {"trusted_schema", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        char *AUTO_FREE sql = check_printf("PRAGMA %s", settings[i].pragma);
        sqlite3_stmt *statement;
        assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        if (strcmp((const char *)sqlite3_column_text(statement, 0), settings[i].value) != 0)
            fail_msg("%s is %s", sql, (const char *)sqlite3_column_text(statement, 0));
        sqlite3_finalize(statement);
    }
    store_close(store);
}

static void test_every_table_is_strict(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 0);
    store_fixture_expect(f->path,
                         "select name from pragma_table_list where type = 'table' and schema = 'main' "
                         "and name not like 'sqlite_%' and (not strict or wr)",
                         "");
    store_fixture_expect(f->path,
                         "select count(*) > 5 from pragma_table_list where type = 'table' and strict", "1");
}

/* A line of four blanks and a small letter defines a column; its comment says meaning and unit. */
static void test_every_column_is_commented(void **state)
{
    (void)state;
    char *AUTO_FREE text = check_strdup(migrate_list[0].sql);
    int columns = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (strncmp(line, "    ", 4) != 0 || line[4] < 'a' || line[4] > 'z')
            continue;
        const char *comment = strstr(line, "-- ");
        if (comment == NULL || strlen(comment) < 7)
            fail_msg("no comment: %s", line);
        columns++;
    }
    assert_true(columns > 70);
}

static void test_sql_in_a_name_is_a_name(void **state)
{
    struct store_fixture *f = *state;
    static const char *const names[] = {"file:x?mode=memory", ":memory:", "q'uo\"te;%s.db"};
    char here[4096];
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(f->folder), 0);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct err err = {0};
        struct store *store = NULL;
        struct stat st;
        assert_int_equal(store_open(names[i], &f->clock, &store, &err), 0);
        store_close(store);
        assert_int_equal(stat(names[i], &st), 0);
        assert_true(st.st_size > 4096);
        int rows = 0;
        assert_int_equal(store_query_file(names[i], "select * from queue", count_row, &rows, &err), 0);
    }
    assert_int_equal(chdir(here), 0);
}

static void test_another_programs_database(void **state)
{
    struct store_fixture *f = *state;
    free(store_fixture_shell_write(f->path, "pragma journal_mode = wal; create table theirs (a); insert into "
                                            "theirs values (1)"));
    size_t before_len;
    size_t after_len;
    char *AUTO_FREE before = read_file(f->path, &before_len);
    expect_refused(f, f->path, ERR_PARSE, "not a sluice state file");
    expect_query_refused(f->path, "select 1", ERR_PARSE, "not a sluice state file");
    char *AUTO_FREE after = read_file(f->path, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    free(store_fixture_shell_write(f->path, "pragma application_id = 7; pragma user_version = 1"));
    expect_refused(f, f->path, ERR_PARSE, "another program's database");
}

static void test_garbage(void **state)
{
    struct store_fixture *f = *state;
    char bytes[8192];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 + 1);
    static const size_t lengths[] = {1, 16, 99, 100, 512, 8192};
    for (size_t i = 0; i < 2 * ARRAY_LEN(lengths); i++) {
        /* the second half begins as a database does */
        if (i == ARRAY_LEN(lengths))
            memcpy(bytes, "SQLite format 3", 16);
        store_fixture_write_file(f->path, bytes, lengths[i % ARRAY_LEN(lengths)]);
        expect_refused(f, f->path, ERR_PARSE, f->path);
        expect_query_refused(f->path, "select * from queue", ERR_PARSE, f->path);
    }
}

static void test_truncated_file(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 200);
    size_t len;
    char *AUTO_FREE bytes = read_file(f->path, &len);
    assert_true(len > 100000);
    /* also cut inside a page */
    for (size_t cut = 1; cut < len; cut += cut < 8192 ? 1023 : 20011) {
        store_fixture_write_file(f->path, bytes, cut);
        if (cut < 512) /* nothing says any more that it was ours */
            expect_refused(f, f->path, ERR_PARSE, f->path);
        else
            expect_set_aside(f, "");
    }
    store_fixture_write_file(f->path, bytes, len);
    store_close(store_fixture_open(f));
}

static void test_overwritten_pages(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 200);
    size_t len;
    char *AUTO_FREE bytes = read_file(f->path, &len);
    int refused = 0;
    for (size_t at = 4096; at + 4096 <= len; at += 8 * 4096) {
        char kept[512];
        memcpy(kept, bytes + at, sizeof(kept));
        memset(bytes + at, 0xee, sizeof(kept));
        store_fixture_write_file(f->path, bytes, len);
        expect_set_aside(f, "damaged");
        memcpy(bytes + at, kept, sizeof(kept));
        refused++;
    }
    assert_true(refused > 2);
}

/* SQLite would throw away the log of an empty file. */
static void test_a_file_cut_to_nothing_keeps_its_log(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct launch *l = store_fixture_launch(f, 1);
    store_fixture_save(store, l);
    launch_free(l);
    char *AUTO_FREE log = check_printf("%s-wal", f->path);
    size_t len;
    char *AUTO_FREE bytes = read_file(log, &len);
    assert_true(len > 0);
    store_close(store);
    store_fixture_write_file(f->path, "", 0);
    store_fixture_write_file(log, bytes, len);
    store = store_fixture_open(f);
    const char *why;
    const char *aside = store_set_aside(store, &why);
    assert_non_null(aside);
    assert_non_null(strstr(why, "its log is not"));
    char *AUTO_FREE aside_log = check_printf("%s-wal", aside);
    size_t aside_len;
    char *AUTO_FREE aside_bytes = read_file(aside_log, &aside_len);
    assert_int_equal(aside_len, len);
    assert_memory_equal(aside_bytes, bytes, len);
    store_close(store);
}

static void test_nothing_is_set_aside_over_another_file(void **state)
{
    struct store_fixture *f = *state;
    char *names[3];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) { /* within one second of the clock */
        make_state_file(f, 1);
        free(store_fixture_shell_write(f->path, "pragma user_version = -1"));
        struct store *store = store_fixture_open(f);
        const char *why;
        names[i] = check_strdup(store_set_aside(store, &why));
        store_close(store);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        store_fixture_expect(names[i], "select count(*) from launches", "1");
        free(names[i]);
    }
}

/* Damage that comes, or shows, while the file is open: saves fail, and the next start begins anew. */
static void test_damage_that_shows_while_it_is_open(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 3000);
    struct store *store = store_fixture_open(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    FILE *file = fopen(f->path, "r+be");
    assert_non_null(file);
    char garbage[4096];
    memset(garbage, 0xee, sizeof(garbage));
    for (long at = 4096; at + 4096 <= (long)st.st_size; at += 4096)
        assert_true(fseek(file, at, SEEK_SET) == 0 && fwrite(garbage, 4096, 1, file) == 1);
    assert_int_equal(fclose(file), 0);
    struct err err = {0};
    int result = 0;
    for (int n = 0; n < 3000 && result == 0; n++) {
        struct launch *l = store_fixture_launch(f, n);
        result = store_begin(store, &err) != 0 || store_save_launch(store, l, &err) != 0 ||
                 store_commit(store, &err) != 0;
        launch_free(l);
    }
    assert_true(result);
    assert_int_equal(err.kind, ERR_PARSE);
    assert_non_null(strstr(err.msg, "sets it aside"));
    store_close(store);
    assert_int_not_equal(stat(f->path, &st), 0);
    store = store_fixture_open(f);
    assert_true(store_is_new(store));
    store_close(store);
}

/* The file itself goes aside, and the link stays. */
static void test_a_damaged_file_behind_a_link(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 1);
    free(store_fixture_shell_write(f->path, "pragma user_version = -1"));
    char *AUTO_FREE link_path = check_printf("%s-link", f->path);
    assert_int_equal(symlink(f->path, link_path), 0);
    struct store *store = NULL;
    struct err err = {0};
    assert_int_equal(store_open(link_path, &f->clock, &store, &err), 0);
    const char *why;
    assert_memory_equal(store_set_aside(store, &why), f->path, strlen(f->path));
    store_close(store);
    store_fixture_expect(f->path, "select count(*) from launches", "0");
}

static void test_an_empty_file_counts_as_new(void **state)
{
    struct store_fixture *f = *state;
    store_fixture_write_file(f->path, "", 0);
    expect_query_refused(f->path, "select * from queue", ERR_PARSE, "empty");
    store_close(store_fixture_open(f));
    store_fixture_expect(f->path, "select count(*) from queue", "0");
}

static void test_newer_file(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 3);
    free(store_fixture_shell_write(f->path, "pragma user_version = 99"));
    expect_refused(f, f->path, ERR_VERSION, "newer sluice (form 99, this one knows up to ");
    expect_query_refused(f->path, "select * from queue", ERR_VERSION, "newer sluice");
    store_fixture_expect(f->path, "select count(*) from launches", "3"); /* nothing lost */
    static const char *const damaged[] = {"pragma user_version = 0", "pragma user_version = -1"};
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        free(store_fixture_shell_write(f->path, damaged[i]));
        expect_set_aside(f, "damaged");
    }
}

static void test_places_that_can_not_be(void **state)
{
    struct store_fixture *f = *state;
    char path[200];
    store_fixture_write_file(f->path, "text", 4);
    snprintf(path, sizeof(path), "%s/below/state.db", f->path); /* a file as folder */
    expect_refused(f, path, ERR_IO, f->path);
    expect_query_refused(path, "select 1", ERR_NOT_FOUND, path);
    expect_refused(f, f->folder, ERR_IO, "no ordinary file");
    expect_refused(f, "", ERR_IO, "");
    snprintf(path, sizeof(path), "%s/absent.db", f->folder);
    expect_query_refused(path, "select 1", ERR_NOT_FOUND, "--state");
    struct stat st;
    assert_int_not_equal(stat(path, &st), 0); /* asking makes nothing */
    char *long_path = check_alloc(6000);
    memset(long_path, 'x', 5999);
    memcpy(long_path, "/tmp/", 5);
    expect_refused(f, long_path, ERR_IO, "can't");
    free(long_path);
}

static void test_a_read_only_query(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 3);
    struct err err = {0};
    int rows = 0;
    for (int is_held = 0; is_held < 2; is_held++) {
        struct store *store = is_held != 0 ? store_fixture_open(f) : NULL;
        assert_int_equal(store_query_file(f->path, "select * from queue", count_row, &rows, &err), 0);
        assert_int_equal(rows, 3);
        rows = 0;
        expect_query_refused(f->path, "delete from launches", ERR_INVALID, "");
        expect_query_refused(f->path, "select 1; select 2", ERR_INVALID, "not one reading statement");
        expect_query_refused(f->path, "", ERR_INVALID, "not one reading statement");
        expect_query_refused(f->path, "select 1 from nowhere", ERR_INVALID, "nowhere");
        store_close(store);
    }
    store_fixture_expect(f->path, "select count(*) from launches", "3");
}

static void check_null_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    assert_int_equal(columns, 2);
    assert_string_equal(names[0], "a");
    assert_string_equal(names[1], "b");
    assert_string_equal(values[0], "");
    assert_string_equal(values[1], "1.5");
    (*(int *)arg)++;
}

static void test_query_hands_out_text(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 0);
    struct err err = {0};
    int rows = 0;
    assert_int_equal(store_query_file(f->path, "select null as a, 1.5 as b", check_null_row, &rows, &err), 0);
    assert_int_equal(rows, 1);
}

/* The child did what it should, and then ended itself as kill -9 would. */
static void expect_killed(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_second_process_is_refused(void **state)
{
    struct store_fixture *f = *state;
    int ready[2];
    int leave[2];
    char byte = 'x';
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(leave), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;
        struct store *store;
        close(leave[1]);
        bool is_open = store_open(f->path, &f->clock, &store, &err) == 0;
        bool told = write(ready[1], is_open ? "y" : "n", 1) == 1;
        if (told && read(leave[0], &byte, 1) >= 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    expect_refused(f, f->path, ERR_CONFLICT, "--name");
    char *AUTO_FREE holder = check_printf("process %d since 20", (int)pid);
    expect_refused(f, f->path, ERR_CONFLICT, holder);
    expect_refused(f, f->path, ERR_CONFLICT, f->path);
    store_fixture_expect(f->path, "select count(*) from queue", "0"); /* reading works meanwhile */
    close(leave[0]);
    close(leave[1]);
    expect_killed(pid);
    store_close(store_fixture_open(f)); /* the lock went with its process */
    close(ready[0]);
    close(ready[1]);
}

/* A link is another name of the same file: SQLite would take both writers for one. */
static void test_a_link_does_not_get_around_the_lock(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct store *second = NULL;
    struct err err = {0};
    char *link_path = check_printf("%s-link", f->path);
    assert_int_equal(symlink(f->path, link_path), 0);
    assert_int_equal(store_open(link_path, &f->clock, &second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_null(second);
    store_close(store);
    unlink(link_path);
    free(link_path);
}

static void test_a_writer_from_outside_is_reported(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    struct err err = {0};
    sqlite3 *other;
    sqlite3_busy_timeout(store->db, 1);
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(store, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.msg, "sqlite3 -readonly"));
    assert_false(store_is_begun(store));
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_begin(store, &err), 0); /* and works once that one has gone */
    assert_int_equal(store_commit(store, &err), 0);
    sqlite3_close(other);
    store_close(store);
}

/* Not yet checkpointed commits of a process that was killed must be there. */
static void test_commits_of_a_killed_process_are_there(void **state)
{
    struct store_fixture *f = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;
        struct launch *l = store_fixture_launch(f, 1);
        struct store *store = store_fixture_open(f);
        bool is_ok = store_begin(store, &err) == 0 && store_save_launch(store, l, &err) == 0 &&
                     store_commit(store, &err) == 0 && store_begin(store, &err) == 0;
        launch_set_text(&l->image, "uncommitted");
        if (is_ok && store_save_launch(store, l, &err) == 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    expect_killed(pid);
    store_fixture_expect(f->path, "select count(*), max(image) from launches", "1|");
    store_close(store_fixture_open(f));
    store_fixture_expect(f->path, "select count(*), max(image) from launches", "1|");
}

static const struct migration good_list[] = {
    {1, "one", "CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1);"},
    {2, "two", "ALTER TABLE t ADD COLUMN b TEXT; UPDATE t SET b = 'two';"},
    {3, "three", "CREATE VIEW v AS SELECT b FROM t;"},
};

static void open_with(struct store_fixture *f, const struct migration *list, size_t count)
{
    struct err err = {0};
    struct store *store = NULL;
    if (store_open_list(f->path, &f->clock, list, count, &store, &err) != 0)
        fail_msg("%s", err.msg);
    store_close(store);
}

static void test_migrations_go_forward_in_order(void **state)
{
    struct store_fixture *f = *state;
    for (size_t count = 1; count <= ARRAY_LEN(good_list); count++) {
        open_with(f, good_list, count);
        char *AUTO_FREE version = check_printf("%zu", count);
        store_fixture_expect(f->path, "pragma user_version", version);
        store_fixture_expect(f->path, "pragma application_id", "1936483173");
    }
    open_with(f, good_list, 3); /* nothing left to do */
    store_fixture_expect(f->path, "select * from v", "two");
    struct err err = {0};
    struct store *store = NULL;
    assert_int_equal(store_open_list(f->path, &f->clock, good_list, 2, &store, &err), -1);
    assert_int_equal(err.kind, ERR_VERSION);
}

static void test_a_migration_that_fails_leaves_nothing(void **state)
{
    struct store_fixture *f = *state;
    struct migration list[3];
    memcpy(list, good_list, sizeof(list));
    list[1].sql = "ALTER TABLE t ADD COLUMN b TEXT; UPDATE t SET b = 'half'; INSERT INTO missing VALUES (1);";
    struct err err = {0};
    struct store *store = NULL;
    assert_int_equal(store_open_list(f->path, &f->clock, list, 3, &store, &err), -1);
    assert_non_null(strstr(err.msg, "migrate to form 2 (two)"));
    assert_non_null(strstr(err.msg, f->path));
    store_fixture_expect(f->path, "pragma user_version", "1");
    store_fixture_expect(f->path, "select * from t", "1");
    open_with(f, good_list, 3);
    store_fixture_expect(f->path, "select * from t", "1|two");
}

static void test_killed_in_the_middle_of_a_migration(void **state)
{
    struct store_fixture *f = *state;
    open_with(f, good_list, 1);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sqlite3 *db;
        bool is_ok =
            sqlite3_open(f->path, &db) == SQLITE_OK &&
            sqlite3_exec(db, "BEGIN IMMEDIATE; PRAGMA cache_size = 1", NULL, NULL, NULL) == SQLITE_OK &&
            sqlite3_exec(db, good_list[1].sql, NULL, NULL, NULL) == SQLITE_OK &&
            sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL) == SQLITE_OK;
        if (is_ok)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    expect_killed(pid);
    store_fixture_expect(f->path, "pragma user_version", "1");
    open_with(f, good_list, 3);
    store_fixture_expect(f->path, "select * from t", "1|two");
}

static void test_the_embedded_list_is_the_folder(void **state)
{
    (void)state;
    assert_int_equal(migrate_list_count, 10);
    for (size_t i = 0; i < migrate_list_count; i++) {
        char *AUTO_FREE path = check_printf("migrations/%s.sql", migrate_list[i].name);
        size_t len;
        char *AUTO_FREE bytes = read_file(path, &len);
        assert_int_equal(migrate_list[i].version, (int)i + 1);
        assert_int_equal(strlen(migrate_list[i].sql), len);
        assert_memory_equal(migrate_list[i].sql, bytes, len);
    }
}

/* docs/state-file.md promises that none of these has a place in the file. */
static void test_no_column_for_secrets(void **state)
{
    struct store_fixture *f = *state;
    make_state_file(f, 1);
    store_fixture_expect(
        f->path,
        "select t.name || '.' || c.name from pragma_table_list as t, pragma_table_info(t.name) as c "
        "where t.schema = 'main' and (c.name like '%secret%' or c.name like '%password%' "
        "or c.name like '%auth%' or c.name like '%env%' or c.name like '%api%key%' "
        "or c.name like '%job_conf%' or c.name like '%command%')",
        "");
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_a_new_file_is_private),
        STORE_TEST(test_a_link_does_not_get_around_the_lock),
        STORE_TEST(test_an_open_file_is_made_private),
        STORE_TEST(test_settings_of_the_connection),
        STORE_TEST(test_every_table_is_strict),
        cmocka_unit_test(test_every_column_is_commented),
        STORE_TEST(test_sql_in_a_name_is_a_name),
        STORE_TEST(test_another_programs_database),
        STORE_TEST(test_garbage),
        STORE_TEST(test_truncated_file),
        STORE_TEST(test_overwritten_pages),
        STORE_TEST(test_a_file_cut_to_nothing_keeps_its_log),
        STORE_TEST(test_nothing_is_set_aside_over_another_file),
        STORE_TEST(test_damage_that_shows_while_it_is_open),
        STORE_TEST(test_a_damaged_file_behind_a_link),
        STORE_TEST(test_an_empty_file_counts_as_new),
        STORE_TEST(test_newer_file),
        STORE_TEST(test_places_that_can_not_be),
        STORE_TEST(test_a_read_only_query),
        STORE_TEST(test_query_hands_out_text),
        STORE_TEST(test_second_process_is_refused),
        STORE_TEST(test_a_writer_from_outside_is_reported),
        STORE_TEST(test_commits_of_a_killed_process_are_there),
        STORE_TEST(test_migrations_go_forward_in_order),
        STORE_TEST(test_a_migration_that_fails_leaves_nothing),
        STORE_TEST(test_killed_in_the_middle_of_a_migration),
        STORE_TEST(test_the_embedded_list_is_the_folder),
        STORE_TEST(test_no_column_for_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
