/* raw_server.c - see raw_server.h. Plain sockets and events, so that nothing tidies up behind the test. */
#include "tests/support/raw_server.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER_MAX ((size_t)64 * 1024 * 1024)

struct raw_connection {
    struct raw_server *server;
    struct list link;
    int fd;
    struct event *readable;
    struct event *writable;
    struct buf in;
    struct buf out;
    bool is_ending;
};

static void connection_free(struct raw_connection *c)
{
    list_remove(&c->link);
    event_free(c->readable);
    event_free(c->writable);
    close(c->fd);
    buf_done(&c->in);
    buf_done(&c->out);
    c->server->open_count--;
    free(c);
}

/* Length of the first complete request in `in`, 0 if there is none. */
static size_t request_len(const struct buf *in)
{
    const char *end = in->len == 0 ? NULL : strstr(in->data, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t len = (size_t)(end - in->data) + 4;
    const char *length = strcasestr(in->data, "\r\nContent-Length:");
    if (length != NULL && length < end)
        len += strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    return len <= in->len ? len : 0;
}

static void answer(struct raw_connection *c)
{
    struct raw_server *s = c->server;
    if (s->on_request != NULL) {
        s->on_request(c, buf_text(&s->last_request), s->arg);
        return;
    }
    if (s->answer_count == 0)
        return;
    struct raw_answer now = s->answers[0];
    if (s->answer_count > 1) {
        s->answers++;
        s->answer_count--;
    }
    if (now.bytes != NULL)
        raw_send(c, now.bytes, strlen(now.bytes));
    if (now.then != RAW_KEEP)
        raw_end(c, now.then);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct raw_connection *c = arg;
    struct raw_server *s = c->server;
    struct err err;
    char data[65536];
    (void)what;
    ssize_t n = recv(fd, data, sizeof(data), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        connection_free(c);
        return;
    }
    CHECK(buf_add(&c->in, data, (size_t)n, &err) == 0);
    if (s->close_after_bytes > 0 && c->in.len > s->close_after_bytes) {
        connection_free(c);
        return;
    }
    size_t len = request_len(&c->in);
    if (len == 0)
        return;
    s->request_count++;
    buf_clear(&s->last_request);
    CHECK(buf_add(&s->last_request, c->in.data, len, &err) == 0);
    buf_consume(&c->in, len);
    answer(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct raw_connection *c = arg;
    (void)what;
    ssize_t n = c->out.len == 0 ? 0 : send(fd, c->out.data, c->out.len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0) {
        connection_free(c);
        return;
    }
    buf_consume(&c->out, (size_t)n);
    if (c->out.len > 0)
        return;
    event_del(c->writable);
    if (c->is_ending)
        connection_free(c);
}

void raw_send(struct raw_connection *c, const char *data, size_t len)
{
    struct err err;
    CHECK(buf_add(&c->out, data, len, &err) == 0 && event_add(c->writable, NULL) == 0);
}

void raw_end(struct raw_connection *c, enum raw_then then)
{
    c->is_ending = true;
    if (then == RAW_RESET) {
        struct linger linger = {.l_onoff = 1, .l_linger = 0};
        CHECK(c->server->path[0] == '\0');
        CHECK(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    }
    CHECK(event_add(c->writable, NULL) == 0);
}

struct raw_connection *raw_last(struct raw_server *s)
{
    return list_is_empty(&s->connections) ? NULL
                                          : LIST_ITEM(s->connections.prev, struct raw_connection, link);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct raw_server *s = arg;
    (void)what;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return;
    struct raw_connection *c = check_alloc(sizeof(*c));
    c->server = s;
    c->fd = accepted;
    c->readable = event_new(s->base, accepted, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(s->base, accepted, EV_WRITE | EV_PERSIST, on_writable, c);
    CHECK(c->readable != NULL && c->writable != NULL);
    buf_init(&c->in, BUFFER_MAX);
    buf_init(&c->out, BUFFER_MAX);
    list_add_last(&s->connections, &c->link);
    s->connection_count++;
    s->open_count++;
    if (!s->never_reads)
        CHECK(event_add(c->readable, NULL) == 0);
}

static void listen_on(struct raw_server *s, struct event_base *base, const struct sockaddr *address,
                      socklen_t len)
{
    s->base = base;
    list_init(&s->connections);
    buf_init(&s->last_request, BUFFER_MAX);
    s->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(s->fd >= 0 && bind(s->fd, address, len) == 0 && listen(s->fd, 64) == 0);
    s->event = event_new(base, s->fd, EV_READ | EV_PERSIST, on_accept, s);
    CHECK(s->event != NULL && event_add(s->event, NULL) == 0);
}

void raw_server_listen_unix(struct raw_server *s, struct event_base *base, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *s = (struct raw_server){.fd = -1};
    CHECK(strlen(path) < sizeof(address.sun_path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    snprintf(s->path, sizeof(s->path), "%s", path);
    unlink(path);
    listen_on(s, base, (const struct sockaddr *)&address, sizeof(address));
}

void raw_server_listen_tcp(struct raw_server *s, struct event_base *base)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *s = (struct raw_server){.fd = -1};
    listen_on(s, base, (const struct sockaddr *)&address, len);
    CHECK(getsockname(s->fd, (struct sockaddr *)&address, &len) == 0);
    s->port = ntohs(address.sin_port);
}

void raw_server_done(struct raw_server *s)
{
    if (s->base == NULL)
        return;
    while (!list_is_empty(&s->connections))
        connection_free(LIST_ITEM(s->connections.next, struct raw_connection, link));
    event_free(s->event);
    close(s->fd);
    if (s->path[0] != '\0')
        unlink(s->path);
    buf_done(&s->last_request);
    s->base = NULL;
}

void raw_server_answer(struct raw_server *s, const struct raw_answer *answers, size_t count)
{
    s->answers = answers;
    s->answer_count = count;
}
