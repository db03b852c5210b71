/*
 * credential_helper.c - one process a question: spawn, read its answer, notice its end, reap it.
 *
 * Its end is the end of the process, not of its output: a child that it leaves behind may hold the pipe open.
 * The end comes through a pidfd; where there is none, the process is asked after every POLL_MS of true time.
 * A question whose process was killed is answered at once, and stays until that has been reaped.
 */
#include "api/credential_helper.h"

#include "api/json.h"
#include "base/list.h"
#include "base/secret.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUESTION_MAGIC 0x63726564u
#define SERVER_MAX_BYTES 1000 /* a pipe takes them without a reader */
#define POLL_MS 20
/* At the very end: a killed process is gone within a millisecond, unless it hangs in the kernel. */
#define LAST_WAIT_TRIES 100
#define LAST_WAIT_NS 1000000
/* How the programs say that they have nothing; docker-py looks for the same words. */
#define NOT_FOUND_TEXT "credentials not found in native keychain"
#define TOKEN_USERNAME "<token>"
/* Of a shell whose command is missing, and of posix_spawn() where it can't tell otherwise that a program is.
 */
#define NOT_STARTED_CODE 127

extern char **environ;

struct credential_helpers {
    struct event_base *base;
    struct timers *timers;
    struct list questions; /* credential_question.link */
    size_t count;
};

struct credential_question {
    uint32_t magic;
    struct list link;
    struct credential_helpers *helpers;
    char *program; /* "docker-credential-NAME" */
    char *server;
    credential_done_fn done; /* NULL: answered, or nobody wants to know */
    void *arg;
    pid_t pid; /* 0: could not be started, or is reaped */
    int pidfd; /* -1: none */
    int out;   /* its standard output; -1: closed */
    struct event *out_event;
    struct event *end_event;
    struct timer limit_timer;
    struct timer early_timer; /* tells of a start that failed */
    int64_t limit_ms;
    char *problem; /* of a start that failed */
    bool may_pass;
    char *answer; /* CREDENTIAL_ANSWER_MAX_BYTES + 1, secret */
    size_t answer_len;
};

struct credential_helpers *credential_helpers_new(struct event_base *base, struct timers *timers)
{
    struct credential_helpers *helpers = check_alloc(sizeof(*helpers));
    helpers->base = base;
    helpers->timers = timers;
    list_init(&helpers->questions);
    return helpers;
}

size_t credential_helpers_count(const struct credential_helpers *helpers)
{
    return helpers->count;
}

/* ---- the end of a question ---- */

static void close_output(struct credential_question *q)
{
    if (q->out_event != NULL)
        event_free(q->out_event);
    q->out_event = NULL;
    if (q->out >= 0)
        close(q->out);
    q->out = -1;
}

static void free_question(struct credential_question *q)
{
    close_output(q);
    if (q->end_event != NULL)
        event_free(q->end_event);
    if (q->pidfd >= 0)
        close(q->pidfd);
    timer_cancel(&q->limit_timer);
    timer_cancel(&q->early_timer);
    list_remove(&q->link);
    secret_free_bytes(q->answer, CREDENTIAL_ANSWER_MAX_BYTES + 1);
    free(q->program);
    free(q->server);
    free(q->problem);
    q->magic = 0;
    free(q);
}

static void tell(struct credential_question *q, const struct credential_reply *reply)
{
    credential_done_fn done = q->done;
    q->done = NULL;
    timer_cancel(&q->limit_timer);
    if (done != NULL)
        done(q->arg, reply);
}

static void tell_problem(struct credential_question *q, const char *problem, bool may_pass)
{
    char *AUTO_FREE sentence = check_printf("%s %s", q->program, problem);
    tell(q, &(struct credential_reply){.problem = sentence, .may_pass = may_pass});
}

/* The group is the process's own, and its number can't be another's before the process is reaped. */
static void kill_group(const struct credential_question *q)
{
    if (q->pid > 0)
        (void)kill(-q->pid, SIGKILL);
}

static void tell_login(struct credential_question *q, const char *username, const char *secret)
{
    struct registry_login *login;
    if (strcmp(username, TOKEN_USERNAME) == 0) {
        login = check_alloc(sizeof(*login));
        login->server = check_strdup(q->server);
        login->identity_token = check_strdup(secret);
    } else {
        login = registry_login_new(q->server, username, secret);
    }
    tell(q, &(struct credential_reply){.login = login});
    registry_login_free(login);
}

/* It went well by its exit code. Some programs answer with empty texts when they have nothing. */
static void read_login(struct credential_question *q)
{
    struct json *root = NULL;
    struct err err;
    bool is_json = json_parse(q->answer, q->answer_len, &root, &err) == 0;
    const char *username = is_json ? json_get_text(root, "Username", NULL) : NULL;
    const char *secret = is_json ? json_get_text(root, "Secret", NULL) : NULL;
    if (username == NULL || secret == NULL)
        tell_problem(q, "gave no answer that is a login", false);
    else if (username[0] == '\0' && secret[0] == '\0')
        tell(q, &(struct credential_reply){0});
    else
        tell_login(q, username, secret);
    json_wipe_free(root);
}

static void read_end(struct credential_question *q, const siginfo_t *end)
{
    q->answer[q->answer_len] = '\0';
    bool has_exited = end->si_code == CLD_EXITED;
    char reason[64];
    if (has_exited && end->si_status == 0) {
        read_login(q);
    } else if (strstr(q->answer, NOT_FOUND_TEXT) != NULL) {
        tell(q, &(struct credential_reply){0});
    } else {
        snprintf(reason, sizeof(reason), "%s %d", has_exited ? "ended with code" : "was killed by signal",
                 end->si_status);
        tell_problem(q, reason, !has_exited || end->si_status != NOT_STARTED_CODE);
    }
}

/* ---- what it says ---- */

enum reading { READING_GOES_ON, READING_ENDED, READING_TOO_LONG };

/* Take what is there. */
static enum reading read_some(struct credential_question *q)
{
    for (;;) {
        size_t left = CREDENTIAL_ANSWER_MAX_BYTES - q->answer_len;
        char more;
        ssize_t n = left > 0 ? read(q->out, q->answer + q->answer_len, left) : read(q->out, &more, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? READING_GOES_ON : READING_ENDED;
        if (n == 0)
            return READING_ENDED;
        if (left == 0)
            return READING_TOO_LONG;
        q->answer_len += (size_t)n;
    }
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct credential_question *q = MAGIC_CAST(struct credential_question, arg, QUESTION_MAGIC);
    enum reading reading = read_some(q);
    if (reading == READING_GOES_ON)
        return;
    close_output(q);
    if (reading == READING_TOO_LONG) {
        kill_group(q);
        tell_problem(q, "gave an answer that is too long", false);
    }
}

/* ---- its end ---- */

/* Has it ended? Then reap it, tell, and free the question. */
static bool reap(struct credential_question *q)
{
    siginfo_t end = {0};
    if (waitid(P_PID, (id_t)q->pid, &end, WEXITED | WNOHANG) != 0)
        end = (siginfo_t){.si_pid = errno == EINTR ? 0 : q->pid, .si_code = CLD_KILLED};
    if (end.si_pid == 0)
        return false;
    q->pid = 0;
    q->helpers->count--;
    if (q->done != NULL && q->out >= 0 && read_some(q) == READING_TOO_LONG)
        tell_problem(q, "gave an answer that is too long", false);
    if (q->done != NULL)
        read_end(q, &end);
    free_question(q);
    return true;
}

static void on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)reap(MAGIC_CAST(struct credential_question, arg, QUESTION_MAGIC));
}

static void on_limit(void *arg)
{
    struct credential_question *q = MAGIC_CAST(struct credential_question, arg, QUESTION_MAGIC);
    char reason[64];
    kill_group(q);
    close_output(q);
    snprintf(reason, sizeof(reason), "did not answer within %lld ms", (long long)q->limit_ms);
    tell_problem(q, reason, false);
}

static void on_early(void *arg)
{
    struct credential_question *q = MAGIC_CAST(struct credential_question, arg, QUESTION_MAGIC);
    tell_problem(q, q->problem, q->may_pass);
    free_question(q);
}

/* ---- its beginning ---- */

/* A pipe with the text in it and nobody who writes; -1: errno says why. */
static int make_input(const char *text)
{
    int ends[2];
    size_t len = strlen(text);
    CHECK(len <= SERVER_MAX_BYTES);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    ssize_t written = write(ends[1], text, len);
    close(ends[1]);
    CHECK(written == (ssize_t)len);
    return ends[0];
}

/* Descriptors of ours are closed, signals are as at the start of any program. Returns an errno value. */
static int spawn(struct credential_question *q, int in, int out)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char get[] = "get";
    char *const argv[] = {q->program, get, NULL};
    sigemptyset(&none);
    sigfillset(&all);
    CHECK_MEMORY(posix_spawn_file_actions_init(&files) == 0 && posix_spawnattr_init(&attributes) == 0);
    CHECK_MEMORY(posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO) == 0 &&
                 posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO) == 0 &&
                 posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
                 posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1) == 0);
    (void)posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    int rc = posix_spawnp(&q->pid, q->program, &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

static int spawn_with_pipes(struct credential_question *q)
{
    int ends[2];
    int in = make_input(q->server);
    if (in < 0)
        return errno;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        int why = errno;
        close(in);
        return why;
    }
    int rc = spawn(q, in, ends[1]);
    close(in);
    close(ends[1]);
    if (rc != 0)
        close(ends[0]);
    else
        q->out = ends[0];
    return rc;
}

static void watch(struct credential_question *q)
{
    struct credential_helpers *helpers = q->helpers;
    helpers->count++;
    q->answer = check_alloc(CREDENTIAL_ANSWER_MAX_BYTES + 1);
    (void)fcntl(q->out, F_SETFL, O_NONBLOCK);
    q->out_event = event_new(helpers->base, q->out, EV_READ | EV_PERSIST, on_output, q);
    CHECK_MEMORY(q->out_event != NULL && event_add(q->out_event, NULL) == 0);
    q->pidfd = pidfd_open(q->pid, 0);
    bool has_pidfd = q->pidfd >= 0;
    const struct timeval poll = {.tv_usec = POLL_MS * 1000};
    q->end_event = event_new(helpers->base, q->pidfd, (has_pidfd ? EV_READ : 0) | EV_PERSIST, on_end, q);
    CHECK_MEMORY(q->end_event != NULL && event_add(q->end_event, has_pidfd ? NULL : &poll) == 0);
    timer_start(helpers->timers, &q->limit_timer, q->limit_ms, on_limit, q);
}

struct credential_question *credential_helpers_ask(struct credential_helpers *helpers, const char *name,
                                                   const char *server, int64_t limit_ms,
                                                   credential_done_fn done, void *arg)
{
    struct credential_question *q = check_alloc(sizeof(*q));
    *q = (struct credential_question){.magic = QUESTION_MAGIC,
                                      .helpers = helpers,
                                      .program = check_printf("docker-credential-%s", name),
                                      .server = check_strdup(server),
                                      .done = done,
                                      .arg = arg,
                                      .pidfd = -1,
                                      .out = -1,
                                      .limit_ms = limit_ms};
    list_add_last(&helpers->questions, &q->link);
    int rc = spawn_with_pipes(q);
    if (rc == 0) {
        watch(q);
        return q;
    }
    q->pid = 0;
    q->may_pass = rc == EAGAIN || rc == ENOMEM || rc == EMFILE || rc == ENFILE;
    q->problem =
        rc == ENOENT ? check_strdup("is not in PATH") : check_printf("can't be started: %s", strerror(rc));
    timer_start(helpers->timers, &q->early_timer, 0, on_early, q);
    return q;
}

void credential_cancel(struct credential_question *q)
{
    CHECK(q->magic == QUESTION_MAGIC);
    q->done = NULL;
    timer_cancel(&q->limit_timer);
    if (q->pid == 0) {
        free_question(q);
        return;
    }
    kill_group(q);
    close_output(q);
}

/* One that hangs in the kernel is left to whoever inherits it. */
static void wait_for_last(struct credential_question *q)
{
    const struct timespec pause = {.tv_nsec = LAST_WAIT_NS};
    for (int i = 0; i < LAST_WAIT_TRIES; i++) {
        if (reap(q))
            return;
        (void)nanosleep(&pause, NULL);
    }
    free_question(q);
}

void credential_helpers_free(struct credential_helpers *helpers)
{
    if (helpers == NULL)
        return;
    while (!list_is_empty(&helpers->questions)) {
        struct credential_question *q = LIST_ITEM(helpers->questions.next, struct credential_question, link);
        q->done = NULL;
        kill_group(q);
        if (q->pid > 0)
            wait_for_last(q);
        else
            free_question(q);
    }
    free(helpers);
}
