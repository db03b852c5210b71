/*
 * admin_socket.c - see admin_socket.h.
 *
 * Answers are written at once and never kept: they are short, and a unix socket takes far more than that
 * from a client that reads at all.
 */
#include "api/admin_socket.h"

#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#define CLIENTS_MAX 16
#define LINE_CLOCK_MS 10000
/* Without descriptors an accept fails at once and for ever: it is tried again after this. */
#define ACCEPT_AGAIN_MS 1000
#define BACKLOG 16
#define CONNECT_CLOCK_S 1

struct client {
    struct list link;
    struct admin_socket *socket;
    struct event *event;
    struct timer clock;
    struct buf line;
    int fd;
    bool stays;
};

struct admin_socket {
    struct admin_socket_settings s;
    char *path;
    int fd;
    struct event *event;
    struct timer again;
    struct list clients;
    size_t count;
};

/* ---- addresses ---- */

char *admin_socket_path(const char *state_path)
{
    return check_printf("%s.sock", state_path);
}

/* The address of a path. Where it is too long, *folder_fd is opened (else -1) and must stay open while the
 * address is used. */
static int make_address(const char *path, struct sockaddr_un *address, int *folder_fd)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *folder_fd = -1;
    if (strlen(path) < sizeof(address->sun_path)) {
        memcpy(address->sun_path, path, strlen(path));
        return 0;
    }
    const char *slash = strrchr(path, '/');
    char *AUTO_FREE folder =
        slash == NULL ? check_strdup(".") : check_strndup(path, (size_t)(slash - path) + 1);
    const char *name = slash == NULL ? path : slash + 1;
    *folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder_fd < 0)
        return -1;
    int len = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", *folder_fd, name);
    if (len < (int)sizeof(address->sun_path))
        return 0;
    close(*folder_fd);
    *folder_fd = -1;
    errno = ENAMETOOLONG;
    return -1;
}

static void close_folder(int folder_fd)
{
    int sys = errno;
    if (folder_fd >= 0)
        close(folder_fd);
    errno = sys;
}

int admin_socket_connect(const char *path)
{
    struct sockaddr_un address;
    int folder_fd;
    if (make_address(path, &address, &folder_fd) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* A stopped process accepts nobody: once its backlog is full, connect() would wait for ever. */
    const struct timeval clock = {.tv_sec = CONNECT_CLOCK_S};
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &clock, sizeof(clock));
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close_folder(fd);
        fd = -1;
    }
    close_folder(folder_fd);
    return fd;
}

/* ---- clients ---- */

static void drop(struct client *c)
{
    timer_cancel(&c->clock);
    event_free(c->event);
    close(c->fd);
    buf_done(&c->line);
    list_remove(&c->link);
    c->socket->count--;
    free(c);
}

static void on_clock(void *arg)
{
    drop(arg);
}

/* False: the client does not read, and is not kept. */
static bool send_line(const struct client *c, const char *text)
{
    char *AUTO_FREE line = check_printf("%s\n", text);
    size_t len = strlen(line);
    return send(c->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* The first complete line is answered. False: the client is gone. */
static bool answer_line(struct client *c, size_t len)
{
    struct admin_socket *s = c->socket;
    c->line.data[len] = '\0';
    bool stays = false;
    char *AUTO_FREE answer = s->s.answer(s->s.arg, c->line.data, &stays);
    if (!send_line(c, answer)) {
        drop(c);
        return false;
    }
    c->stays = c->stays || stays;
    buf_consume(&c->line, len + 1);
    if (c->stays)
        timer_cancel(&c->clock);
    else
        timer_start(s->s.timers, &c->clock, LINE_CLOCK_MS, on_clock, c);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    (void)what;
    char piece[1024];
    ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct err err;
    if (n <= 0) {
        drop(c);
        return;
    }
    if (buf_add(&c->line, piece, (size_t)n, &err) != 0) {
        (void)send_line(c, "{\"ok\":false,\"error\":\"a request has at most 4096 bytes\"}");
        drop(c);
        return;
    }
    /* One line a turn would do, but a piece holds few. */
    const char *end;
    while (c->line.len > 0 && (end = memchr(c->line.data, '\n', c->line.len)) != NULL)
        if (!answer_line(c, (size_t)(end - c->line.data)))
            return;
}

static void add_client(struct admin_socket *s, int fd)
{
    struct client *c = check_alloc(sizeof(*c));
    c->socket = s;
    c->fd = fd;
    buf_init(&c->line, ADMIN_LINE_MAX_BYTES);
    c->event = event_new(s->s.base, fd, EV_READ | EV_PERSIST, on_readable, c);
    CHECK_MEMORY(c->event != NULL && event_add(c->event, NULL) == 0);
    timer_start(s->s.timers, &c->clock, LINE_CLOCK_MS, on_clock, c);
    list_add_last(&s->clients, &c->link);
    s->count++;
}

static void on_again(void *arg)
{
    struct admin_socket *s = arg;
    CHECK_MEMORY(event_add(s->event, NULL) == 0);
}

/* One at a time: whoever connects in a loop gets no more than his share of turns. */
static void on_connection(evutil_socket_t listener, short what, void *arg)
{
    struct admin_socket *s = arg;
    (void)what;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            event_del(s->event);
            timer_start(s->s.timers, &s->again, ACCEPT_AGAIN_MS, on_again, s);
        }
        return;
    }
    if (s->count < CLIENTS_MAX) {
        add_client(s, fd);
        return;
    }
    static const char full[] = "{\"ok\":false,\"error\":\"too many commands at once: try again\"}\n";
    (void)!send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

void admin_socket_tell(struct admin_socket *s, const char *line)
{
    struct list *next;
    for (struct list *link = s->clients.next; link != &s->clients; link = next) {
        next = link->next;
        struct client *c = LIST_ITEM(link, struct client, link);
        if (c->stays && !send_line(c, line))
            drop(c);
    }
}

size_t admin_socket_staying(const struct admin_socket *s)
{
    size_t count = 0;
    for (const struct list *link = s->clients.next; link != &s->clients; link = link->next)
        count += ((const struct client *)((const char *)link - offsetof(struct client, link)))->stays;
    return count;
}

/* ---- the socket ---- */

/* The holder of the state file's lock is the only one who may be listening here. */
static int clear_the_way(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : err_sys(err, errno, "%s can't be looked at", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_CONFLICT, "%s is no socket, and is left alone: move it away", path);
    return unlink(path) == 0 ? 0 : err_sys(err, errno, "%s can't be replaced", path);
}

/* Nobody may connect between bind and chmod: the mode is right from the first moment. */
static int bind_private(int fd, const char *path, struct err *err)
{
    struct sockaddr_un address;
    int folder_fd;
    if (make_address(path, &address, &folder_fd) != 0)
        return err_sys(err, errno, "the admin socket %s", path);
    mode_t before = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)&address, sizeof(address));
    int sys = errno;
    umask(before);
    close_folder(folder_fd);
    return rc == 0 ? 0 : err_sys(err, sys, "the admin socket %s", path);
}

int admin_socket_new(const struct admin_socket_settings *settings, struct admin_socket **out, struct err *err)
{
    if (clear_the_way(settings->path, err) != 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, errno, "the admin socket");
    if (bind_private(fd, settings->path, err) != 0) {
        close(fd);
        return -1;
    }
    if (listen(fd, BACKLOG) != 0) {
        int sys = errno;
        unlink(settings->path);
        close(fd);
        return err_sys(err, sys, "the admin socket %s", settings->path);
    }
    struct admin_socket *s = check_alloc(sizeof(*s));
    s->s = *settings;
    s->path = check_strdup(settings->path);
    s->fd = fd;
    list_init(&s->clients);
    s->event = event_new(settings->base, fd, EV_READ | EV_PERSIST, on_connection, s);
    CHECK_MEMORY(s->event != NULL && event_add(s->event, NULL) == 0);
    *out = s;
    return 0;
}

void admin_socket_free(struct admin_socket *s)
{
    if (s == NULL)
        return;
    while (!list_is_empty(&s->clients))
        drop(LIST_ITEM(s->clients.next, struct client, link));
    timer_cancel(&s->again);
    event_free(s->event);
    close(s->fd);
    unlink(s->path);
    free(s->path);
    free(s);
}
