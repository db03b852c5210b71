#include "store_fixture.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t fixture_wall_ms(void *arg)
{
    return ((struct store_fixture *)arg)->now_ms;
}

int store_fixture_setup(void **state)
{
    struct store_fixture *f = check_alloc(sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/sluice-store-XXXXXX");
    if (mkdtemp(f->folder) == NULL)
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/state.db", f->folder);
    f->now_ms = clock_wall_ms(&clock_system);
    f->clock = (struct clock){.mono_ms = fixture_wall_ms, .wall_ms = fixture_wall_ms, .arg = f};
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

int store_fixture_teardown(void **state)
{
    struct store_fixture *f = *state;
    int result = nftw(f->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(f);
    return result;
}

struct store *store_fixture_open(struct store_fixture *f)
{
    struct err err = {0};
    struct store *store = NULL;
    if (store_open(f->path, &f->clock, &store, &err) != 0)
        fail_msg("%s", err.msg);
    return store;
}

static void make_id(char text[static UUID_TEXT_SIZE], int n, int which)
{
    snprintf(text, UUID_TEXT_SIZE, "%08x-0000-4000-8000-%012x", (unsigned)which, (unsigned)n);
}

struct launch *store_fixture_launch(struct store_fixture *f, int n)
{
    char run_id[UUID_TEXT_SIZE];
    make_id(run_id, n, 1);
    struct launch *l = launch_new(run_id, f->now_ms - 1000 + n);
    make_id(l->launch_id, n, 2);
    make_id(l->submit_id, n, 3);
    make_id(l->report_id, n, 4);
    make_id(l->hand_back_id, n, 5);
    make_id(l->deployment_id, n, 6);
    make_id(l->flow_id, n, 7);
    make_id(l->work_queue_id, n, 8);
    char *AUTO_FREE name = check_printf("run-%d", n);
    launch_set_text(&l->run_name, name);
    launch_set_text(&l->flow_name, "flow");
    launch_set_text(&l->deployment_name, "deployment");
    launch_set_text(&l->work_queue_name, "queue");
    launch_set_text(&l->class_name, "default");
    l->created_at_ms = f->now_ms;
    l->updated_at_ms = f->now_ms;
    return l;
}

void store_fixture_save(struct store *store, const struct launch *launch)
{
    struct err err = {0};
    if (store_begin(store, &err) != 0 || store_save_launch(store, launch, &err) != 0 ||
        store_commit(store, &err) != 0)
        fail_msg("%s", err.msg);
}

/* The parent's side of the pipe: everything until the end of file. */
static char *read_all(int fd)
{
    struct buf out;
    struct err err;
    char piece[4096];
    ssize_t n;
    buf_init(&out, (size_t)256 << 20);
    while ((n = read(fd, piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            assert_int_equal(buf_add(&out, piece, (size_t)n, &err), 0);
    close(fd);
    if (out.len > 0 && out.data[out.len - 1] == '\n')
        out.data[out.len - 1] = '\0';
    char *text = check_strdup(buf_text(&out));
    buf_done(&out);
    return text;
}

static char *run_shell(const char *path, const char *sql, bool is_readonly)
{
    const char *argv[] = {"sqlite3",   "-bail", "-nullvalue", "(null)", "-init",
                          "/dev/null", path,    sql,          NULL,     NULL};
    if (is_readonly) {
        argv[6] = "-readonly";
        argv[7] = path;
        argv[8] = sql;
    }
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    /* Not fork: under a sanitizer copying the process takes longer than the query. */
    posix_spawn_file_actions_t actions;
    pid_t pid;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_addclose(&actions, fds[0]), 0);
    assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    char *text = read_all(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("sqlite3 (is the shell installed?) failed on: %s", sql);
    return text;
}

char *store_fixture_shell(const char *path, const char *sql)
{
    return run_shell(path, sql, true);
}

char *store_fixture_shell_write(const char *path, const char *sql)
{
    return run_shell(path, sql, false);
}

void store_fixture_expect(const char *path, const char *sql, const char *answer)
{
    char *got = store_fixture_shell(path, sql);
    if (strcmp(got, answer) != 0)
        fail_msg("%s\n  expected: %s\n  got:      %s", sql, answer, got);
    free(got);
}

void store_fixture_write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}
