/*
 * fake_wire.c - see fake_wire.h.
 *
 * A connection has at most one exchange at a time. When the client goes, the exchange loses its connection
 * and every later write to it is a no-op; when the exchange ends, the connection reads its next request.
 */
#include "tests/fakes/fake_wire.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX_BYTES 65536

struct wire {
    struct event_base *base;
    struct evconnlistener *listener;
    char *path; /* NULL: on loopback */
    int port;   /* 0: not known before the first wire_listen */
    wire_request_fn on_request;
    void *arg;
    struct list connections; /* wire_connection.link */
    struct list exchanges;   /* wire_exchange.link */
    int accepted;
    int open;
    bool is_halted;
};

struct wire_connection {
    struct list link;
    struct wire *wire;
    struct bufferevent *bev;
    struct event
        *read_soon; /* look for a next request on the next turn; a deferred trigger would outlive us */
    struct wire_exchange *exchange; /* NULL between requests */
    bool closes_when_flushed;
};

struct wire_exchange {
    struct list link;
    struct wire_connection *connection; /* NULL: the client has gone */
    char *method;
    char *target;
    char *head; /* header lines */
    char *body;
    bool closes; /* the client asked for Connection: close */
    wire_gone_fn on_gone;
    void *on_gone_arg;
};

static void read_requests(struct wire_connection *c);

static void free_exchange(struct wire_exchange *x)
{
    list_remove(&x->link);
    free(x->method);
    free(x->target);
    free(x->head);
    free(x->body);
    free(x);
}

static void close_connection(struct wire_connection *c)
{
    struct wire_exchange *x = c->exchange;
    c->wire->open--;
    list_remove(&c->link);
    event_free(c->read_soon);
    bufferevent_free(c->bev);
    free(c);
    if (x == NULL)
        return;
    x->connection = NULL;
    if (x->on_gone != NULL)
        x->on_gone(x->on_gone_arg);
}

static const char *find_header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = head; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
        line = strstr(line, "\r\n");
        line = line == NULL ? NULL : line + 2;
    }
    return NULL;
}

/* Cut "METHOD TARGET HTTP/1.1" in place. */
static bool read_request_line(struct wire_exchange *x, char *head)
{
    char *line_end = strstr(head, "\r\n");
    char *blank = strchr(head, ' ');
    if (line_end == NULL || blank == NULL || blank > line_end)
        return false;
    char *target_end = strchr(blank + 1, ' ');
    if (target_end == NULL || target_end > line_end)
        return false;
    x->method = check_printf("%.*s", (int)(blank - head), head);
    x->target = check_printf("%.*s", (int)(target_end - blank - 1), blank + 1);
    x->head = check_strdup(line_end + 2);
    return true;
}

/* One whole request out of the input, or NULL. */
static struct wire_exchange *take_request(struct wire_connection *c)
{
    struct evbuffer *in = bufferevent_get_input(c->bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        CHECK(evbuffer_get_length(in) < HEAD_MAX_BYTES);
        return NULL;
    }
    size_t head_len = (size_t)end.pos + 4;
    char *AUTO_FREE head = check_alloc(head_len + 1);
    CHECK(evbuffer_copyout(in, head, head_len) == (ev_ssize_t)head_len);
    const char *length = find_header(head, "Content-Length");
    size_t body_len = length == NULL ? 0 : strtoul(length, NULL, 10);
    CHECK(find_header(head, "Transfer-Encoding") == NULL);
    if (evbuffer_get_length(in) < head_len + body_len)
        return NULL;
    struct wire_exchange *x = check_alloc(sizeof(*x));
    list_init(&x->link);
    CHECK(read_request_line(x, head));
    x->body = check_alloc(body_len + 1);
    evbuffer_drain(in, head_len);
    CHECK(evbuffer_remove(in, x->body, body_len) == (int)body_len);
    const char *connection = find_header(x->head, "Connection");
    x->closes = connection != NULL && strncasecmp(connection, "close", 5) == 0;
    x->connection = c;
    list_add_last(&c->wire->exchanges, &x->link);
    return x;
}

static void read_requests(struct wire_connection *c)
{
    struct wire *w = c->wire;
    if (c->exchange != NULL || c->closes_when_flushed || w->is_halted)
        return;
    struct wire_exchange *x = take_request(c);
    if (x == NULL)
        return;
    c->exchange = x;
    w->on_request(w->arg, x);
}

static void on_read(struct bufferevent *bev, void *arg)
{
    (void)bev;
    read_requests(arg);
}

static void on_read_soon(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_requests(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
    struct wire_connection *c = arg;
    if (c->closes_when_flushed && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        close_connection(c);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
        close_connection(arg);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len,
                      void *arg)
{
    (void)listener;
    (void)address;
    (void)len;
    struct wire *w = arg;
    int on = 1;
    /* Without it a long answer's last piece waits for the other side's delayed acknowledgement: real time,
     * which no fake clock sees. */
    if (w->path == NULL)
        CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
    struct wire_connection *c = check_alloc(sizeof(*c));
    c->wire = w;
    c->bev = bufferevent_socket_new(w->base, fd, BEV_OPT_CLOSE_ON_FREE);
    c->read_soon = event_new(w->base, -1, 0, on_read_soon, c);
    CHECK(c->bev != NULL && c->read_soon != NULL);
    list_init(&c->link);
    list_add_last(&w->connections, &c->link);
    w->accepted++;
    w->open++;
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static struct wire *make_wire(struct event_base *base, wire_request_fn on_request, void *arg)
{
    struct wire *w = check_alloc(sizeof(*w));
    (void)signal(SIGPIPE, SIG_IGN); /* writing to a client that has gone is ordinary here */
    w->base = base;
    w->on_request = on_request;
    w->arg = arg;
    list_init(&w->connections);
    list_init(&w->exchanges);
    return w;
}

struct wire *wire_new(struct event_base *base, const char *path, wire_request_fn on_request, void *arg)
{
    struct wire *w = make_wire(base, on_request, arg);
    w->path = check_strdup(path);
    return w;
}

struct wire *wire_new_tcp(struct event_base *base, wire_request_fn on_request, void *arg)
{
    return make_wire(base, on_request, arg);
}

int wire_port(const struct wire *w)
{
    return w->port;
}

static void listen_at(struct wire *w, const struct sockaddr *address, size_t len)
{
    w->listener = evconnlistener_new_bind(w->base, on_accept, w,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                          SOMAXCONN, address, (int)len);
    CHECK(w->listener != NULL);
}

static void listen_on_loopback(struct wire *w)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)w->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    listen_at(w, (struct sockaddr *)&address, sizeof(address));
    CHECK(getsockname(evconnlistener_get_fd(w->listener), (struct sockaddr *)&address, &len) == 0);
    w->port = ntohs(address.sin_port);
}

void wire_listen(struct wire *w)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(w->listener == NULL);
    if (w->path == NULL) {
        listen_on_loopback(w);
        return;
    }
    CHECK(strlen(w->path) < sizeof(address.sun_path));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", w->path);
    (void)unlink(w->path);
    listen_at(w, (struct sockaddr *)&address, sizeof(address));
}

void wire_shut(struct wire *w, bool keep_file)
{
    if (w->listener != NULL)
        evconnlistener_free(w->listener);
    w->listener = NULL;
    while (!list_is_empty(&w->connections))
        close_connection(LIST_ITEM(w->connections.next, struct wire_connection, link));
    if (!keep_file && w->path != NULL)
        (void)unlink(w->path);
}

void wire_free(struct wire *w)
{
    if (w == NULL)
        return;
    wire_shut(w, false);
    while (!list_is_empty(&w->exchanges))
        free_exchange(LIST_ITEM(w->exchanges.next, struct wire_exchange, link));
    free(w->path);
    free(w);
}

void wire_halt(struct wire *w)
{
    w->is_halted = true;
    if (w->listener != NULL)
        evconnlistener_disable(w->listener);
    for (struct list *l = w->connections.next; l != &w->connections; l = l->next)
        bufferevent_disable(LIST_ITEM(l, struct wire_connection, link)->bev, EV_READ);
}

void wire_resume(struct wire *w)
{
    w->is_halted = false;
    if (w->listener != NULL)
        evconnlistener_enable(w->listener);
    for (struct list *l = w->connections.next; l != &w->connections; l = l->next) {
        struct wire_connection *c = LIST_ITEM(l, struct wire_connection, link);
        bufferevent_enable(c->bev, EV_READ);
        event_active(c->read_soon, EV_TIMEOUT, 0); /* what had been read before */
    }
}

int wire_accepted(const struct wire *w)
{
    return w->accepted;
}

int wire_open_connections(const struct wire *w)
{
    return w->open;
}

const char *wire_method(const struct wire_exchange *x)
{
    return x->method;
}

const char *wire_target(const struct wire_exchange *x)
{
    return x->target;
}

const char *wire_body(const struct wire_exchange *x)
{
    return x->body;
}

const char *wire_head(const struct wire_exchange *x)
{
    return x->head;
}

const char *wire_find_line(const char *head, const char *name)
{
    static char value[4096];
    const char *found = find_header(head, name);
    if (found == NULL)
        return NULL;
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(found, "\r\n"), found);
    return value;
}

const char *wire_header(const struct wire_exchange *x, const char *name)
{
    return wire_find_line(x->head, name);
}

void wire_on_gone(struct wire_exchange *x, wire_gone_fn fn, void *arg)
{
    x->on_gone = fn;
    x->on_gone_arg = arg;
}

bool wire_is_gone(const struct wire_exchange *x)
{
    return x->connection == NULL;
}

void wire_raw(struct wire_exchange *x, const void *data, size_t len)
{
    if (x->connection != NULL)
        CHECK(bufferevent_write(x->connection->bev, data, len) == 0);
}

static void write_head(struct wire_exchange *x, int status, const char *headers, const char *length_line)
{
    char *AUTO_FREE head = check_printf("HTTP/1.1 %d Fake\r\n%s%s%s\r\n", status, headers, length_line,
                                        x->closes ? "Connection: close\r\n" : "");
    wire_raw(x, head, strlen(head));
}

static void end_exchange(struct wire_exchange *x, bool closes)
{
    struct wire_connection *c = x->connection;
    free_exchange(x);
    if (c == NULL)
        return;
    c->exchange = NULL;
    if (!closes) {
        event_active(c->read_soon, EV_TIMEOUT, 0);
        return;
    }
    c->closes_when_flushed = true;
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
        close_connection(c);
}

void wire_reply(struct wire_exchange *x, int status, const char *headers, const char *body)
{
    char length_line[64] = "";
    bool has_body = status != 204 && status != 304;
    if (has_body)
        snprintf(length_line, sizeof(length_line), "Content-Length: %zu\r\n", strlen(body));
    write_head(x, status, headers, length_line);
    if (has_body)
        wire_raw(x, body, strlen(body));
    end_exchange(x, x->closes);
}

void wire_begin(struct wire_exchange *x, int status, const char *headers)
{
    write_head(x, status, headers, "Transfer-Encoding: chunked\r\n");
}

void wire_chunk(struct wire_exchange *x, const void *data, size_t len)
{
    char size_line[32];
    int n = snprintf(size_line, sizeof(size_line), "%zx\r\n", len);
    CHECK(len > 0); /* an empty chunk would end the body */
    wire_raw(x, size_line, (size_t)n);
    wire_raw(x, data, len);
    wire_raw(x, "\r\n", 2);
}

void wire_end(struct wire_exchange *x)
{
    wire_raw(x, "0\r\n\r\n", 5);
    end_exchange(x, x->closes);
}

void wire_drop(struct wire_exchange *x)
{
    end_exchange(x, true);
}
