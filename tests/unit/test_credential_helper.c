/*
 * Credential helpers, as real processes: shell scripts in a folder that PATH begins with. The clock is a fake
 * one, so a helper that hangs costs no time.
 */
#include "api/credential_helper.h"

#include "base/check.h"
#include "tests/support/fake_clock.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 30000
#define LEAKED_FD 50

struct world {
    struct event_base *base;
    struct fake_clock clock;
    struct timers *timers;
    struct credential_helpers *helpers;
    char folder[64];
    char *old_path;
    char *fifo; /* a helper that opens it for writing is alive while it has a writer */
    int fifo_fd;
};

/* What was told. */
struct told {
    int times;
    char text[400]; /* "user:password", "id=TOKEN", "nothing", or "!problem" and "~" if it may pass */
};

static bool has_no_pidfd;
int __real_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
    if (!has_no_pidfd)
        return __real_pidfd_open(pid, flags);
    errno = ENOSYS;
    return -1;
}

static char *path_of(const struct world *w, const char *name)
{
    return check_printf("%s/%s", w->folder, name);
}

static void add_helper(const struct world *w, const char *name, const char *script)
{
    char *AUTO_FREE path = check_printf("%s/docker-credential-%s", w->folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
}

static int setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    w->base = event_base_new();
    fake_clock_init(&w->clock);
    w->timers = timers_new(fake_clock_clock(&w->clock));
    w->helpers = credential_helpers_new(w->base, w->timers);
    snprintf(w->folder, sizeof(w->folder), "/tmp/sluice-helpers-XXXXXX");
    if (mkdtemp(w->folder) == NULL)
        return -1;
    w->fifo = path_of(w, "fifo");
    if (mkfifo(w->fifo, 0600) != 0)
        return -1;
    w->fifo_fd = open(w->fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    w->old_path = check_strdup(getenv("PATH"));
    char *AUTO_FREE path = check_printf("%s:%s", w->folder, w->old_path);
    setenv("PATH", path, 1);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    credential_helpers_free(w->helpers);
    bool has_child = waitid(P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT) == 0;
    timers_free(w->timers);
    event_base_free(w->base);
    setenv("PATH", w->old_path, 1);
    close(w->fifo_fd);
    char *AUTO_FREE remove = check_printf("rm -r %s", w->folder);
    int rc = system(remove); // NOLINT(cert-env33-c): our own folder
    free(w->fifo);
    free(w->old_path);
    free(w);
    has_no_pidfd = false;
    return rc == 0 && !has_child ? 0 : -1;
}

static void on_done(void *arg, const struct credential_reply *reply)
{
    struct told *told = arg;
    told->times++;
    if (reply->problem != NULL)
        snprintf(told->text, sizeof(told->text), "!%s%s", reply->problem, reply->may_pass ? "~" : "");
    else if (reply->login == NULL)
        snprintf(told->text, sizeof(told->text), "nothing");
    else if (reply->login->identity_token != NULL)
        snprintf(told->text, sizeof(told->text), "id=%s@%s", reply->login->identity_token,
                 reply->login->server);
    else
        snprintf(told->text, sizeof(told->text), "%s:%s@%s", reply->login->username, reply->login->password,
                 reply->login->server);
}

static struct credential_question *ask(struct world *w, const char *name, struct told *told)
{
    struct credential_question *q =
        credential_helpers_ask(w->helpers, name, "r.example", LIMIT_MS, on_done, told);
    assert_int_equal(told->times, 0); /* never before it has returned */
    return q;
}

/* Turn until every process has been reaped and every answer told. */
static void finish(struct world *w)
{
    fake_clock_advance(&w->clock, w->timers, 0);
    while (credential_helpers_count(w->helpers) > 0)
        assert_true(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
}

static void assert_told(struct world *w, const char *name, const char *script, const char *wanted)
{
    struct told told = {0};
    if (script != NULL)
        add_helper(w, name, script);
    ask(w, name, &told);
    finish(w);
    assert_int_equal(told.times, 1);
    assert_string_equal(told.text, wanted);
}

/* Where posix_spawn() has no vfork (under valgrind), the exit code tells it. */
static void assert_not_started(struct world *w, const char *name, const char *wanted)
{
    struct told told = {0};
    char *AUTO_FREE by_code = check_printf("!docker-credential-%s ended with code 127", name);
    ask(w, name, &told);
    finish(w);
    assert_int_equal(told.times, 1);
    assert_string_equal(told.text, strcmp(told.text, by_code) == 0 ? by_code : wanted);
}

static void test_answers(void **state)
{
    struct world *w = *state;
    assert_told(w, "good",
                "read r; [ \"$1\" = get ] && printf "
                "'{\"ServerURL\":\"%s\",\"Username\":\"u\",\"Secret\":\"of %s\"}' $r $r",
                "u:of r.example@r.example");
    assert_told(w, "token", "echo '{\"Username\":\"<token>\",\"Secret\":\"t\",\"More\":[]}'",
                "id=t@r.example");
    assert_told(w, "empty", "echo '{\"ServerURL\":\"\",\"Username\":\"\",\"Secret\":\"\"}'", "nothing");
    assert_told(w, "none", "echo credentials not found in native keychain; exit 1", "nothing");
}

/* Nothing that it wrote is in a sentence. */
static void test_problems(void **state)
{
    struct world *w = *state;
    assert_told(w, "fails", "echo hunter2; echo hunter2 >&2; exit 3",
                "!docker-credential-fails ended with code 3~");
    assert_told(w, "lost", "nosuchprogram", "!docker-credential-lost ended with code 127");
    assert_told(w, "dies", "kill -9 $$", "!docker-credential-dies was killed by signal 9~");
    assert_told(w, "rubbish", "echo hunter2", "!docker-credential-rubbish gave no answer that is a login");
    assert_told(w, "silent", "exit 0", "!docker-credential-silent gave no answer that is a login");
    assert_told(w, "half", "printf '{\"Username\":\"hunter2\",\"Sec'",
                "!docker-credential-half gave no answer that is a login");
    assert_told(w, "types", "echo '{\"Username\":7,\"Secret\":[]}'",
                "!docker-credential-types gave no answer that is a login");
    assert_told(w, "lacks", "echo '{\"Username\":\"u\"}'",
                "!docker-credential-lacks gave no answer that is a login");
    assert_told(w, "huge", "exec yes hunter2", "!docker-credential-huge gave an answer that is too long");
    assert_not_started(w, "absent", "!docker-credential-absent is not in PATH");
    add_helper(w, "shut", "");
    char *AUTO_FREE path = path_of(w, "docker-credential-shut");
    assert_int_equal(chmod(path, 0600), 0);
    assert_not_started(w, "shut", "!docker-credential-shut can't be started: Permission denied");
}

/* Wait, without a clock, until the helper has said that it has begun. */
static void wait_for_begin(struct world *w)
{
    char byte;
    struct pollfd fd = {.fd = w->fifo_fd, .events = POLLIN};
    do
        assert_int_equal(poll(&fd, 1, -1), 1);
    while (read(w->fifo_fd, &byte, 1) != 1);
}

/* Until no process holds the fifo any more. */
static void wait_for_end(struct world *w)
{
    struct pollfd fd = {.fd = w->fifo_fd, .events = POLLIN};
    do
        assert_int_equal(poll(&fd, 1, -1), 1);
    while ((fd.revents & POLLHUP) == 0);
}

static void add_hanging(struct world *w, const char *name)
{
    char *AUTO_FREE script = check_printf("exec 3>%s; trap '' TERM; echo >&3; sleep 1000 & wait", w->fifo);
    add_helper(w, name, script);
}

/* With what it has started. */
static void test_one_that_hangs_is_killed(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    add_hanging(w, "hangs");
    ask(w, "hangs", &told);
    wait_for_begin(w);
    fake_clock_advance(&w->clock, w->timers, LIMIT_MS - 1);
    assert_int_equal(told.times, 0);
    fake_clock_advance(&w->clock, w->timers, 1);
    assert_int_equal(told.times, 1);
    assert_string_equal(told.text, "!docker-credential-hangs did not answer within 30000 ms");
    wait_for_end(w);
    finish(w);
    assert_int_equal(told.times, 1);
}

/* One that closes its output is not over. */
static void test_its_end_is_that_of_the_process(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    char *AUTO_FREE script = check_printf(
        "exec 3>%s; echo '{\"Username\":\"u\",\"Secret\":\"p\"}'; exec >&-; echo >&3; sleep 1000", w->fifo);
    add_helper(w, "closes", script);
    ask(w, "closes", &told);
    wait_for_begin(w);
    assert_true(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
    assert_int_equal(told.times, 0);
    fake_clock_advance(&w->clock, w->timers, LIMIT_MS);
    assert_string_equal(told.text, "!docker-credential-closes did not answer within 30000 ms");
    finish(w);
}

/* Its answer counts, though a child of its own still holds the pipe. */
static void test_a_child_left_behind_holds_up_nothing(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE script = check_printf(
        "exec 3>%s; cat %s.never & echo '{\"Username\":\"u\",\"Secret\":\"p\"}'", w->fifo, w->fifo);
    char *AUTO_FREE never = check_printf("%s.never", w->fifo);
    assert_int_equal(mkfifo(never, 0600), 0);
    assert_told(w, "leaves", script, "u:p@r.example");
    int fd = open(never, O_WRONLY | O_CLOEXEC); /* and now the child may end */
    assert_true(fd >= 0);
    close(fd);
    wait_for_end(w);
}

static void test_one_that_nobody_waits_for_is_killed(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    add_hanging(w, "hangs");
    struct credential_question *q = ask(w, "hangs", &told);
    wait_for_begin(w);
    credential_cancel(q);
    wait_for_end(w);
    finish(w);
    credential_cancel(ask(w, "absent", &told));
    finish(w);
    assert_int_equal(told.times, 0);
}

static void test_the_end_leaves_none_behind(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    add_hanging(w, "hangs");
    ask(w, "hangs", &told);
    ask(w, "absent", &told);
    wait_for_begin(w);
    credential_helpers_free(w->helpers);
    w->helpers = NULL;
    wait_for_end(w);
    assert_int_equal(told.times, 0);
}

/* What we ignore and hold open is no business of theirs. */
static void test_it_begins_as_any_program(void **state)
{
    struct world *w = *state;
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(dup2(STDERR_FILENO, LEAKED_FD), LEAKED_FD);
    char *AUTO_FREE script = check_printf(
        "i=$(sed -n 's/^SigIgn:.*\\(....\\)$/\\1/p' /proc/$$/status); [ -e /proc/$$/fd/%d ] && i=leak; "
        "printf '{\"Username\":\"u\",\"Secret\":\"%%s\"}' $i",
        LEAKED_FD);
    assert_told(w, "looks", script, "u:0000@r.example");
    close(LEAKED_FD);
    signal(SIGPIPE, SIG_DFL);
}

static void test_without_a_pidfd(void **state)
{
    struct world *w = *state;
    has_no_pidfd = true;
    assert_told(w, "good", "echo '{\"Username\":\"u\",\"Secret\":\"p\"}'", "u:p@r.example");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_problems),
        TEST(test_one_that_hangs_is_killed),
        TEST(test_its_end_is_that_of_the_process),
        TEST(test_a_child_left_behind_holds_up_nothing),
        TEST(test_one_that_nobody_waits_for_is_killed),
        TEST(test_the_end_leaves_none_behind),
        TEST(test_it_begins_as_any_program),
        TEST(test_without_a_pidfd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
