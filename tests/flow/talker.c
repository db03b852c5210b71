#include "tests/flow/talker.h"

#include "api/admin_socket.h"
#include "commands.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 12

static char answer[16384];

void talker_join(struct talker *t, struct world *w)
{
    char *AUTO_FREE path = admin_socket_path(w->state_path);
    *t = (struct talker){.fd = admin_socket_connect(path)};
    if (t->fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
}

bool talker_has_heard(struct talker *t, const char *text)
{
    ssize_t n;
    while (t->len + 1 < sizeof(t->text) &&
           (n = recv(t->fd, t->text + t->len, sizeof(t->text) - 1 - t->len, MSG_DONTWAIT)) >= 0) {
        t->is_over = n == 0;
        t->len += (size_t)n;
        t->text[t->len] = '\0';
        if (n == 0)
            break;
    }
    return strstr(t->text, text) != NULL;
}

const char *talker_ask(struct talker *t, struct world *w, const char *request)
{
    size_t before = t->len;
    char *AUTO_FREE line = check_printf("%s\n", request);
    assert_int_equal(send(t->fd, line, strlen(line), MSG_NOSIGNAL), (int)strlen(line));
    UNTIL(w, SECONDS(5), (talker_has_heard(t, ""), strchr(t->text + before, '\n') != NULL));
    snprintf(answer, sizeof(answer), "%s", t->text + before);
    return answer;
}

void talker_leave(struct talker *t)
{
    close(t->fd);
}

const char *ask(struct world *w, const char *request)
{
    struct talker t;
    talker_join(&t, w);
    const char *said = talker_ask(&t, w, request);
    talker_leave(&t);
    return said;
}

void expect_said(const char *said, const char *part)
{
    if (strstr(said, part) == NULL)
        fail_msg("not in the answer: %s\n%s", part, said);
}

/* ---- the commands ---- */

static _Noreturn void be_the_command(struct world *w, const char *words, int out)
{
    char *copy = check_strdup(words);
    char *argv[WORDS_MAX + 4] = {check_strdup("sluice")};
    int argc = 1;
    for (char *rest = copy, *word; (word = strsep(&rest, "|")) != NULL && argc < WORDS_MAX;)
        argv[argc++] = word;
    argv[argc++] = check_strdup("--state");
    argv[argc++] = w->state_path;
    struct options options;
    struct err err;
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    int code = EXIT_WRONG_USE;
    if (options_parse(argc, argv, &options, &err) != 0)
        fprintf(stderr, "sluice: %s\n", err.msg);
    else
        code = options.command == COMMAND_WHY      ? command_why(&options, stdout)
               : options.command == COMMAND_STATUS ? command_status(&options, stdout)
                                                   : command_admin(&options, stdout);
    fflush(stdout);
    _exit(code);
}

/* So many turns of the loop the fake clock stands still while a command is out. */
#define STILL_TURNS 200

struct listener {
    int fd;
    size_t len;
    bool is_over;
};

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;
    (void)what;
    ssize_t n = read(fd, answer + l->len, sizeof(answer) - 1 - l->len);
    l->is_over = n <= 0;
    l->len += n > 0 ? (size_t)n : 0;
    answer[l->len] = '\0';
}

/* Lets the loop turn while nothing happens. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

int run_command(struct world *w, const char *words, const char **text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_the_command(w, words, ends[1]);
    close(ends[1]);
    struct listener l = {.fd = ends[0]};
    answer[0] = '\0';
    struct event *event = event_new(w->base, ends[0], EV_READ | EV_PERSIST, on_output, &l);
    assert_true(event != NULL && event_add(event, NULL) == 0);
    const struct timeval pause = {.tv_usec = 20000};
    struct event *tick = event_new(w->base, -1, EV_PERSIST, on_tick, NULL);
    assert_true(tick != NULL && event_add(tick, &pause) == 0);
    for (int turn = 0; !l.is_over; turn++) { /* the command's own clock bounds this */
        assert_true(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
        if (turn > STILL_TURNS) { /* a command that waits must not find a service whose timers stand still */
            w->clock.mono_ms += 20;
            w->clock.wall_ms += 20;
        }
        if (w->service != NULL && !w->has_ended)
            service_turn_end(w->service);
        timers_run(w->timers);
    }
    event_free(tick);
    event_free(event);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (text != NULL)
        *text = answer;
    return WEXITSTATUS(status);
}
