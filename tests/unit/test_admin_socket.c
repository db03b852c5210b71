/* The admin socket's transport: answers, and clients that are slow, huge, silent, many, or gone. */
#include "api/admin_socket.h"
#include "tests/support/fake_clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include <cmocka.h>

#define CLIENTS 16 /* as many as are served at once */

struct world {
    struct event_base *base;
    struct fake_clock clock;
    struct timers *timers;
    struct admin_socket *socket;
    char folder[64];
    char *path;
    int answered;
    char last[ADMIN_LINE_MAX_BYTES + 1]; /* request */
    const char *big;                     /* not NULL: the answer instead */
};

static char *answer(void *arg, const char *line, bool *stays)
{
    struct world *w = arg;
    w->answered++;
    snprintf(w->last, sizeof(w->last), "%s", line);
    *stays = strcmp(line, "stay") == 0;
    return w->big != NULL ? check_strdup(w->big) : check_printf("you said %.20s", line);
}

static int listen_at(struct world *w, const char *path, struct err *err)
{
    return admin_socket_new(
        &(struct admin_socket_settings){
            .base = w->base, .timers = w->timers, .path = path, .answer = answer, .arg = w},
        &w->socket, err);
}

static int setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    struct err err;
    const char *parent = getenv("TMPDIR");
    snprintf(w->folder, sizeof(w->folder), "%.40s/sluice-admin-XXXXXX", parent == NULL ? "/tmp" : parent);
    assert_non_null(mkdtemp(w->folder));
    w->path = check_printf("%s/s.db.sock", w->folder);
    w->base = event_base_new();
    fake_clock_init(&w->clock);
    w->timers = timers_new(fake_clock_clock(&w->clock));
    assert_int_equal(listen_at(w, w->path, &err), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    admin_socket_free(w->socket);
    assert_int_equal(timers_next_ms(w->timers), -1);
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    assert_int_not_equal(access(w->path, F_OK), 0); /* it goes with its owner */
    timers_free(w->timers);
    event_base_free(w->base);
    assert_int_equal(rmdir(w->folder), 0);
    free(w->path);
    free(w);
    return 0;
}

static void turn(struct world *w, int turns)
{
    for (int i = 0; i < turns; i++)
        event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static int join(struct world *w)
{
    int fd = admin_socket_connect(w->path);
    assert_true(fd >= 0);
    turn(w, 2);
    return fd;
}

static void say(struct world *w, int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
    turn(w, 8);
}

/* What has come; "" nothing yet, "(gone)" the end. */
static const char *hear(int fd)
{
    static char text[512];
    ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return "(gone)";
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void pass(struct world *w, int64_t ms)
{
    w->clock.mono_ms += ms;
    timers_run(w->timers);
    turn(w, 2);
}

static void test_one_line_one_answer(void **state)
{
    struct world *w = *state;
    int fd = join(w);
    say(w, fd, "hello\n");
    assert_string_equal(hear(fd), "you said hello\n");
    say(w, fd, "in pie");
    assert_string_equal(hear(fd), "");
    say(w, fd, "ces\nand more\n");
    assert_string_equal(hear(fd), "you said in pieces\nyou said and more\n");
    close(fd);
}

static void test_its_owner_alone_may_use_it(void **state)
{
    struct world *w = *state;
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    mode_t now = umask(022);
    umask(now);
    assert_int_not_equal(now, 0177); /* files made later have their usual modes */
}

static void test_a_huge_line_is_refused(void **state)
{
    struct world *w = *state;
    int fd = join(w);
    char piece[1001] = "";
    memset(piece, 'x', 1000);
    for (int i = 0; i < 4; i++)
        say(w, fd, piece);
    assert_string_equal(hear(fd), "");
    say(w, fd, piece);
    assert_non_null(strstr(hear(fd), "at most 4096 bytes"));
    assert_string_equal(hear(fd), "(gone)");
    assert_int_equal(w->answered, 0);
    close(fd);
}

static void test_half_a_request_ends_with_its_clock(void **state)
{
    struct world *w = *state;
    int silent = join(w);
    int slow = join(w);
    for (int i = 0; i < 9; i++) { /* a byte a second doesn't buy time */
        say(w, slow, "x");
        pass(w, 1000);
    }
    assert_string_equal(hear(slow), "");
    pass(w, 1000);
    assert_string_equal(hear(slow), "(gone)");
    assert_string_equal(hear(silent), "(gone)");
    close(silent);
    close(slow);
}

static void test_clients_are_few(void **state)
{
    struct world *w = *state;
    int fds[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = join(w);
    int more = join(w);
    assert_non_null(strstr(hear(more), "too many"));
    assert_string_equal(hear(more), "(gone)");
    close(more);
    say(w, fds[CLIENTS - 1], "a\n"); /* those that are there are served */
    assert_string_equal(hear(fds[CLIENTS - 1]), "you said a\n");
    close(fds[0]);
    turn(w, 4);
    more = join(w);
    say(w, more, "b\n");
    assert_string_equal(hear(more), "you said b\n");
    close(more);
    for (int i = 1; i < CLIENTS; i++)
        close(fds[i]);
}

/* Answers pile up until the socket takes no more: the client is dropped, and nothing is kept for it. */
static void test_a_client_that_does_not_read_is_dropped(void **state)
{
    struct world *w = *state;
    int fd = join(w);
    char *big = check_alloc(60001);
    memset(big, 'y', 60000);
    w->big = big;
    for (int i = 0; i < 100; i++)
        if (send(fd, "x\n", 2, MSG_NOSIGNAL) == 2)
            turn(w, 4);
    assert_true(w->answered < 100);
    w->big = NULL;
    int other = join(w);
    say(w, other, "still there\n");
    assert_string_equal(hear(other), "you said still there\n");
    free(big);
    close(fd);
    close(other);
}

static void test_who_stays_is_told(void **state)
{
    struct world *w = *state;
    int stays = join(w);
    int goes = join(w);
    say(w, stays, "stay\n");
    say(w, goes, "go\n");
    (void)hear(stays);
    (void)hear(goes);
    assert_int_equal(admin_socket_staying(w->socket), 1);
    pass(w, 3600000);
    admin_socket_tell(w->socket, "news");
    assert_string_equal(hear(stays), "news\n");
    assert_string_equal(hear(goes), "(gone)"); /* its clock */
    close(stays);
    turn(w, 2);
    assert_int_equal(admin_socket_staying(w->socket), 0);
    admin_socket_tell(w->socket, "more");
    close(goes);
}

static void test_a_dead_socket_is_replaced_and_nothing_else(void **state)
{
    struct world *w = *state;
    struct err err;
    char *copy = check_printf("%s/old", w->folder);
    assert_int_equal(link(w->path, copy), 0);
    admin_socket_free(w->socket);
    assert_int_equal(rename(copy, w->path), 0); /* a process died and left it */
    assert_int_equal(admin_socket_connect(w->path), -1);
    assert_int_equal(listen_at(w, w->path, &err), 0);
    int fd = join(w);
    say(w, fd, "new\n");
    assert_string_equal(hear(fd), "you said new\n");
    close(fd);
    admin_socket_free(w->socket);
    w->socket = NULL;
    FILE *f = fopen(w->path, "we");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(listen_at(w, w->path, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    assert_non_null(strstr(err.msg, w->path));
    assert_int_equal(unlink(w->path), 0);
    free(copy);
}

static void test_a_path_longer_than_an_address(void **state)
{
    struct world *w = *state;
    struct err err;
    char name[61] = "";
    memset(name, 'n', 60);
    char *first = check_printf("%s/%s", w->folder, name);
    char *second = check_printf("%s/%s", first, name);
    char *path = check_printf("%s/worker.db.sock", second);
    assert_true(strlen(path) > 107);
    assert_int_equal(mkdir(first, 0700), 0);
    assert_int_equal(mkdir(second, 0700), 0);
    admin_socket_free(w->socket);
    assert_int_equal(listen_at(w, path, &err), 0);
    int fd = admin_socket_connect(path);
    assert_true(fd >= 0);
    say(w, fd, "far\n");
    assert_string_equal(hear(fd), "you said far\n");
    close(fd);
    admin_socket_free(w->socket);
    assert_int_not_equal(access(path, F_OK), 0);
    char *too_long = check_printf("%s/%s%s.sock", first, name, name); /* the name alone */
    w->socket = NULL;
    assert_int_equal(listen_at(w, too_long, &err), -1);
    assert_non_null(strstr(err.msg, "File name too long"));
    assert_int_equal(rmdir(second), 0);
    assert_int_equal(rmdir(first), 0);
    free(first);
    free(second);
    free(path);
    free(too_long);
}

#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(test_one_line_one_answer),
        SOCKET_TEST(test_its_owner_alone_may_use_it),
        SOCKET_TEST(test_a_huge_line_is_refused),
        SOCKET_TEST(test_half_a_request_ends_with_its_clock),
        SOCKET_TEST(test_clients_are_few),
        SOCKET_TEST(test_a_client_that_does_not_read_is_dropped),
        SOCKET_TEST(test_who_stays_is_told),
        SOCKET_TEST(test_a_dead_socket_is_replaced_and_nothing_else),
        SOCKET_TEST(test_a_path_longer_than_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
