/*
 * test_backup.c - a copy is of one commit, whole, private and durable, or it isn't there; whatever the
 * service writes meanwhile, and whenever the process dies or the disk fails.
 */
#include "store_fixture.h"

#include "store/store_internal.h"
#include "tests/support/disk.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAUNCHES 600 /* several steps of the copy */

struct fixture {
    void *store_state;
    struct store_fixture *f;
    struct store *store; /* a service's; NULL: none runs */
    int written;         /* launches 1 to this one are committed */
    char to[160];
    char partial[180];
};

static int setup(void **state)
{
    struct fixture *x = check_alloc(sizeof(*x));
    if (store_fixture_setup(&x->store_state) != 0)
        return -1;
    x->f = x->store_state;
    snprintf(x->to, sizeof(x->to), "%s/a copy #1?.db", x->f->folder);
    snprintf(x->partial, sizeof(x->partial), "%s.partial", x->to);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    store_close(x->store);
    int result = store_fixture_teardown(&x->store_state);
    free(x);
    return result;
}

/* One commit: a launch, its line of history and an attempt with a long text. */
static void write_launch(struct fixture *x)
{
    struct err err = {0};
    struct launch *l = store_fixture_launch(x->f, ++x->written);
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct store_attempt a = {
        .launch_id = l->launch_id, .stage = "create", .outcome = "error", .error = text};
    if (store_begin(x->store, &err) != 0 || store_save_launch(x->store, l, &err) != 0 ||
        store_add_transition(x->store, l->launch_id, NULL, "QUEUED", "seen", 1, &err) != 0 ||
        store_add_attempt(x->store, &a, &err) != 0 || store_commit(x->store, &err) != 0)
        fail_msg("%s", err.msg);
    launch_free(l);
}

static void serve(struct fixture *x, int launches)
{
    x->store = store_fixture_open(x->f);
    while (x->written < launches)
        write_launch(x);
}

static void end_service(struct fixture *x)
{
    store_close(x->store);
    x->store = NULL;
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* The copy holds exactly the first so many commits, each of them whole. */
static void expect_copy(struct fixture *x, int launches)
{
    struct stat st;
    assert_int_equal(stat(x->to, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(is_there(x->partial));
    store_fixture_expect(x->to, "pragma integrity_check; pragma foreign_key_check", "ok");
    char *AUTO_FREE expected = check_printf("%d|%d|%d|%d", launches, launches, launches, launches);
    store_fixture_expect(x->to,
                         "select (select count(*) from launches), (select max(launch_key) from launches), "
                         "(select count(*) from history), (select count(*) from attempts)",
                         expected);
}

static void back_up(struct fixture *x, bool replace, store_progress_fn progress)
{
    struct err err = {0};
    if (store_backup(x->f->path, x->to, replace, progress, x, &err) != 0)
        fail_msg("%s", err.msg);
}

static void expect_refused(struct fixture *x, const char *to, bool replace, enum err_kind kind,
                           const char *said)
{
    struct err err = {0};
    assert_int_equal(store_backup(x->f->path, to, replace, NULL, NULL, &err), -1);
    if (err.kind != kind || strstr(err.msg, said) == NULL)
        fail_msg("not what was expected (%s, \"%s\"): %s: %s", err_kind_name(kind), said,
                 err_kind_name(err.kind), err.msg);
}

static bool write_on(void *arg, int64_t done, int64_t total)
{
    struct fixture *x = arg;
    assert_in_range(done, 0, total);
    for (int i = 0; i < 20; i++)
        write_launch(x);
    store_checkpoint(x->store);
    return true;
}

static void test_a_writer_goes_on_committing(void **state)
{
    struct fixture *x = *state;
    serve(x, LAUNCHES);
    back_up(x, false, write_on);
    assert_true(x->written >= LAUNCHES + 40);
    expect_copy(x, LAUNCHES); /* what was committed when it began */
    back_up(x, true, NULL);
    expect_copy(x, x->written);
}

static void test_without_a_service(void **state)
{
    struct fixture *x = *state;
    serve(x, 10);
    end_service(x);
    mode_t mask = umask(0);
    back_up(x, false, NULL);
    umask(mask);
    expect_copy(x, 10);
}

/* The newest commits of a killed service are in its log alone. */
static void test_after_a_kill(void **state)
{
    struct fixture *x = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        serve(x, 10);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    back_up(x, false, NULL);
    expect_copy(x, 10);
}

static void test_a_copy_serves_as_a_state_file(void **state)
{
    struct fixture *x = *state;
    serve(x, 10);
    back_up(x, false, NULL);
    write_launch(x);
    end_service(x);
    assert_int_equal(rename(x->to, x->f->path), 0);
    x->written = 10;
    x->store = store_fixture_open(x->f);
    assert_false(store_is_new(x->store));
    write_launch(x);
    store_fixture_expect(x->f->path, "select count(*), max(position) from queue", "11|11");
}

static void test_an_older_copy_is_replaced_only_if_asked(void **state)
{
    struct fixture *x = *state;
    serve(x, 5);
    back_up(x, false, NULL);
    write_launch(x);
    expect_refused(x, x->to, false, ERR_CONFLICT, "--force");
    expect_copy(x, 5);
    assert_int_equal(chmod(x->to, 0644), 0);
    back_up(x, true, NULL);
    expect_copy(x, 6);
}

static void test_targets_that_can_not_be(void **state)
{
    struct fixture *x = *state;
    serve(x, 5);
    char *AUTO_FREE link_path = check_printf("%s/link", x->f->folder);
    char *AUTO_FREE log = check_printf("%s-wal", x->to);
    char *AUTO_FREE nowhere = check_printf("%s/none/copy", x->f->folder);
    assert_int_equal(symlink(x->f->path, link_path), 0);
    expect_refused(x, x->f->path, true, ERR_CONFLICT, "-wal"); /* the newest commits are in its log */
    expect_refused(x, link_path, true, ERR_CONFLICT, "the state file itself");
    expect_refused(x, x->f->folder, true, ERR_CONFLICT, "no ordinary file");
    expect_refused(x, nowhere, true, ERR_IO, "No such file");
    store_fixture_write_file(log, "log", 3);
    expect_refused(x, x->to, true, ERR_CONFLICT, "in use");
    store_fixture_expect(x->f->path, "select count(*) from launches; pragma integrity_check", "5\nok");
    assert_int_equal(unlink(log), 0);
    end_service(x);
    expect_refused(x, x->f->path, true, ERR_CONFLICT, "the state file itself");
}

static void test_sources_that_can_not_be(void **state)
{
    struct fixture *x = *state;
    expect_refused(x, x->to, false, ERR_NOT_FOUND, "--state");
    store_fixture_write_file(x->f->path, "", 0);
    expect_refused(x, x->to, false, ERR_PARSE, "empty");
    assert_int_equal(unlink(x->f->path), 0);
    free(store_fixture_shell_write(x->f->path, "create table t (a)"));
    expect_refused(x, x->to, false, ERR_PARSE, "another program's");
    assert_int_equal(unlink(x->f->path), 0);
    serve(x, 5);
    end_service(x);
    free(store_fixture_shell_write(x->f->path, "pragma user_version = 99"));
    expect_refused(x, x->to, false, ERR_VERSION, "newer sluice");
    assert_false(is_there(x->to));
    assert_false(is_there(x->partial));
}

/* A page that went bad since the start is found in the copy, which is not kept: the older one is better. */
static void test_a_damaged_file_makes_no_copy(void **state)
{
    struct fixture *x = *state;
    serve(x, LAUNCHES);
    end_service(x);
    back_up(x, false, NULL);
    char garbage[4096];
    memset(garbage, 0x5a, sizeof(garbage));
    char *AUTO_FREE page = store_fixture_shell(
        x->f->path,
        "select pageno from dbstat where name = 'history_by_launch' and pagetype = 'leaf' limit 1");
    int fd = open(x->f->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof(garbage), (strtol(page, NULL, 10) - 1) * 4096),
                     sizeof(garbage));
    close(fd);
    expect_refused(x, x->to, true, ERR_PARSE, "damaged");
    expect_copy(x, LAUNCHES);
}

static bool die_half_way(void *arg, int64_t done, int64_t total)
{
    (void)arg;
    if (done > total / 2)
        kill(getpid(), SIGKILL);
    return true;
}

static bool stop_half_way(void *arg, int64_t done, int64_t total)
{
    (void)arg;
    return done <= total / 2;
}

static void test_killed_half_way(void **state)
{
    struct fixture *x = *state;
    serve(x, LAUNCHES);
    end_service(x);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct err err;
        (void)!store_backup(x->f->path, x->to, false, die_half_way, NULL, &err);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_false(is_there(x->to));
    assert_true(is_there(x->partial));
    back_up(x, false, NULL); /* takes the place of what is left */
    expect_copy(x, LAUNCHES);
}

/* Once all is copied. */
static bool stop_in_the_check(void *arg, int64_t done, int64_t total)
{
    int *calls = arg;
    return done < total || ++*calls < 2;
}

static void test_stopped_while_the_copy_is_checked(void **state)
{
    struct fixture *x = *state;
    struct err err = {0};
    int calls = 0;
    serve(x, 3 * LAUNCHES);
    assert_int_equal(store_backup(x->f->path, x->to, false, stop_in_the_check, &calls, &err), -1);
    assert_int_equal(calls, 2);
    assert_non_null(strstr(err.msg, "stopped"));
    assert_false(is_there(x->to));
    assert_false(is_there(x->partial));
}

static void test_stopped_half_way(void **state)
{
    struct fixture *x = *state;
    struct err err = {0};
    serve(x, LAUNCHES);
    assert_int_equal(store_backup(x->f->path, x->to, false, stop_half_way, NULL, &err), -1);
    assert_non_null(strstr(err.msg, "stopped"));
    assert_false(is_there(x->to));
    assert_false(is_there(x->partial));
}

static bool take_its_name(void *arg, int64_t done, int64_t total)
{
    struct fixture *x = arg;
    (void)done;
    (void)total;
    store_fixture_write_file(x->to, "precious", 8);
    return true;
}

static void test_a_file_that_comes_meanwhile_is_kept(void **state)
{
    struct fixture *x = *state;
    struct err err = {0};
    struct stat st;
    serve(x, 5);
    assert_int_equal(store_backup(x->f->path, x->to, false, take_its_name, x, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_int_equal(stat(x->to, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_false(is_there(x->partial));
}

static void test_what_is_in_the_way_of_the_partial_copy(void **state)
{
    struct fixture *x = *state;
    serve(x, 5);
    char *AUTO_FREE victim = check_printf("%s/victim", x->f->folder);
    store_fixture_write_file(victim, "precious", 8);
    assert_int_equal(symlink(victim, x->partial), 0);
    expect_refused(x, x->to, false, ERR_IO, ".partial");
    assert_int_equal(unlink(x->partial), 0);
    assert_int_equal(link(victim, x->partial), 0);
    expect_refused(x, x->to, false, ERR_CONFLICT, "in the way");
    struct stat st;
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_size, 8);
    assert_int_equal(unlink(x->partial), 0);
    int fd = open(x->partial, O_RDWR | O_CREAT, 0600); /* another one writes it */
    assert_int_equal(flock(fd, LOCK_EX), 0);
    expect_refused(x, x->to, false, ERR_CONFLICT, "another backup");
    close(fd);
    back_up(x, false, NULL);
    expect_copy(x, 5);
}

/* On a disk that fails at its nth operation: an error and no copy, and the state file is as it was. */
static uint64_t fail_at(struct fixture *x, struct disk *disk, enum disk_fault fault, uint64_t at)
{
    struct err err = {0};
    disk_fail(disk, at, fault, true);
    int result = store_backup(x->f->path, x->to, false, NULL, NULL, &err);
    uint64_t failures = disk_failures(disk);
    disk_fail(disk, 0, DISK_FAULT_NONE, false);
    if (result == 0) { /* the name stands for what is on that disk */
        assert_int_equal(unlink(x->to), 0);
        disk_remove(disk, x->to);
    }
    assert_int_equal(result != 0, failures > 0);
    assert_false(is_there(x->to));
    assert_false(is_there(x->partial));
    disk_remove(disk, x->partial);
    return failures;
}

static void test_a_disk_that_fails(void **state)
{
    struct fixture *x = *state;
    static const enum disk_fault faults[] = {DISK_FAULT_FULL, DISK_FAULT_SHORT_WRITE, DISK_FAULT_SYNC,
                                             DISK_FAULT_READ};
    struct disk *disk = disk_new();
    serve(x, 30);
    end_service(x);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        uint64_t at = 1;
        while (fail_at(x, disk, faults[i], at) > 0)
            at += 1 + at / 3;
        assert_true(at > 2);
    }
    x->store = store_fixture_open(x->f);
    write_launch(x);
    end_service(x);
    disk_free(disk);
}

int main(void)
{
#define BACKUP_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        BACKUP_TEST(test_a_writer_goes_on_committing),
        BACKUP_TEST(test_without_a_service),
        BACKUP_TEST(test_after_a_kill),
        BACKUP_TEST(test_a_copy_serves_as_a_state_file),
        BACKUP_TEST(test_an_older_copy_is_replaced_only_if_asked),
        BACKUP_TEST(test_targets_that_can_not_be),
        BACKUP_TEST(test_sources_that_can_not_be),
        BACKUP_TEST(test_a_damaged_file_makes_no_copy),
        BACKUP_TEST(test_killed_half_way),
        BACKUP_TEST(test_stopped_half_way),
        BACKUP_TEST(test_stopped_while_the_copy_is_checked),
        BACKUP_TEST(test_a_file_that_comes_meanwhile_is_kept),
        BACKUP_TEST(test_what_is_in_the_way_of_the_partial_copy),
        BACKUP_TEST(test_a_disk_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
