/*
 * admin_http.c - libevent's evhttp, with bounds around it.
 *
 * evhttp reads and writes HTTP; what it lacks is kept here: how many connections there are, and for how long
 * one may take over a request or an answer. Its own clocks start anew with each byte and are the machine's.
 * So each connection's bufferevent is made here and held by a reference of ours, and a timer looks at all of
 * them once a second: one that evhttp has let go of is freed, one that takes too long is ended as if its
 * client had closed it.
 */
#include "api/admin_http.h"

#include "api/admin_http_host.h"
#include "base/list.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

#define HEAD_MAX_BYTES 8192
#define BODY_MAX_BYTES 1024 /* read, and thrown away with the request's refusal */
#define NOTHING_ALLOWED "default-src 'none'; frame-ancestors 'none'"
#define SEND_BUFFER_BYTES 65536
#define SWEEP_MS 1000
/* For a request, from the connection or the last answer on. */
#define REQUEST_MS 5000
/* For an answer: without progress, and altogether. */
#define STUCK_MS 5000
#define ANSWER_MS 60000
#define CONNECTIONS_DEFAULT 64
/* Refused here, with a sentence that Prefect's worker would say; evhttp's bit for those that it doesn't know
 * is among them. */
#define ALL_METHODS 0xffff
/* Those whose body evhttp reads; that of any other it would take for the next request. */
#define METHODS_WITH_BODY                                                                                    \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE |              \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_CONNECT)

struct client {
    struct list link;
    struct bufferevent *stream; /* a reference of ours */
    int64_t waits_since_ms;     /* mono: for a request, or for the answer to be taken */
    int64_t progress_ms;        /* mono: of the answer */
    size_t left_bytes;          /* of the answer; 0: a request is waited for */
};

struct admin_http {
    struct admin_http_settings s;
    struct evhttp *server;
    struct evhttp_bound_socket *bound;
    struct list clients;
    int count;
    struct timer sweep_timer;
};

/* ---- connections ---- */

static int64_t now_ms(const struct admin_http *h)
{
    return clock_mono_ms(timers_clock(h->s.timers));
}

static void forget(struct admin_http *h, struct client *c)
{
    list_remove(&c->link);
    h->count--;
    free(c);
}

/* True: it is gone; evhttp had given up its reference, and ours was the last. */
static bool is_gone(struct admin_http *h, struct client *c)
{
    if (bufferevent_decref(c->stream) != 0) {
        forget(h, c);
        return true;
    }
    bufferevent_incref(c->stream);
    return false;
}

/* evhttp frees what it is told has closed. */
static void end(struct admin_http *h, struct client *c)
{
    bufferevent_trigger_event(c->stream, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
    (void)is_gone(h, c);
}

/* Follow the answer on its way out. True: the client has had its time. */
static bool is_over(const struct admin_http *h, struct client *c)
{
    int64_t now = now_ms(h);
    size_t left = evbuffer_get_length(bufferevent_get_output(c->stream));
    if (left != c->left_bytes) {
        c->progress_ms = now;
        if (c->left_bytes == 0 || left == 0)
            c->waits_since_ms = now;
        c->left_bytes = left;
    }
    if (left == 0)
        return now - c->waits_since_ms >= REQUEST_MS;
    return now - c->progress_ms >= STUCK_MS || now - c->waits_since_ms >= ANSWER_MS;
}

static void sweep(struct admin_http *h)
{
    struct list *next;
    for (struct list *link = h->clients.next; link != &h->clients; link = next) {
        struct client *c = LIST_ITEM(link, struct client, link);
        next = link->next;
        if (!is_gone(h, c) && is_over(h, c))
            end(h, c);
    }
    if (h->count < h->s.max_connections)
        evconnlistener_enable(evhttp_bound_socket_get_listener(h->bound));
}

static void on_sweep(void *arg)
{
    struct admin_http *h = arg;
    sweep(h);
    if (h->count > 0)
        timer_start(h->s.timers, &h->sweep_timer, SWEEP_MS, on_sweep, h);
}

/* For a further one that goes which has been waited for longest; who is owed an answer stays. */
static void make_room(struct admin_http *h)
{
    sweep(h);
    struct client *oldest = NULL;
    for (struct list *link = h->clients.next; link != &h->clients; link = link->next) {
        struct client *c = LIST_ITEM(link, struct client, link);
        if (c->left_bytes == 0 && (oldest == NULL || c->waits_since_ms < oldest->waits_since_ms))
            oldest = c;
    }
    if (h->count >= h->s.max_connections && oldest != NULL)
        end(h, oldest);
}

/* evhttp asks for the stream of a connection that it has accepted, and gives it its socket afterwards. If
 * nobody could make room, this one is the last until somebody has gone. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    struct admin_http *h = arg;
    make_room(h);
    struct client *c = check_alloc(sizeof(*c));
    c->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    CHECK_MEMORY(c->stream != NULL);
    bufferevent_incref(c->stream);
    c->waits_since_ms = now_ms(h);
    list_add_last(&h->clients, &c->link);
    if (++h->count > h->s.max_connections)
        evconnlistener_disable(evhttp_bound_socket_get_listener(h->bound));
    if (!timer_is_running(&h->sweep_timer))
        timer_start(h->s.timers, &h->sweep_timer, SWEEP_MS, on_sweep, h);
    return c->stream;
}

/* ---- answers ---- */

static void add_header(struct evhttp_request *request, const char *name, const char *value)
{
    CHECK_MEMORY(evhttp_add_header(evhttp_request_get_output_headers(request), name, value) == 0);
}

/* Those that evhttp doesn't know; NULL: it does. */
static const char *reason_of(int status)
{
    return status == 307 ? "Temporary Redirect" : status == 421 ? "Misdirected Request" : NULL;
}

static void send_answer(struct evhttp_request *request, int status, const char *content_type,
                        const char *policy, const char *body, size_t len)
{
    struct evbuffer *out = evbuffer_new();
    bool is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD; /* evhttp would send the body */
    CHECK_MEMORY(out != NULL && evbuffer_add(out, body, is_head ? 0 : len) == 0);
    char length[24];
    snprintf(length, sizeof(length), "%zu", len);
    add_header(request, "Content-Length", length);
    if (content_type != NULL)
        add_header(request, "Content-Type", content_type);
    add_header(request, "Cache-Control", "no-store");
    add_header(request, "Content-Security-Policy", policy);
    add_header(request, "Cross-Origin-Resource-Policy", "same-origin");
    add_header(request, "X-Content-Type-Options", "nosniff");
    add_header(request, "Referrer-Policy", "no-referrer");
    evhttp_send_reply(request, status, reason_of(status), out);
    evbuffer_free(out);
}

static void refuse(struct evhttp_request *request, int status, const char *detail)
{
    char body[200];
    int len = snprintf(body, sizeof(body), "{\"detail\":\"%s\"}", detail);
    send_answer(request, status, "application/json", NOTHING_ALLOWED, body, (size_t)len);
}

static const char *header(struct evhttp_request *request, const char *name)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
    return value == NULL ? "" : value;
}

/* The host that is asked for: of a proxy's form of the request its own. */
static bool is_for_us(const struct admin_http *h, struct evhttp_request *request)
{
    const char *of_url = evhttp_uri_get_host(evhttp_request_get_evhttp_uri(request));
    return h->s.is_prefects ||
           admin_http_host_is_ours(of_url != NULL ? of_url : header(request, "Host"), h->s.names);
}

/* Percent-decoded once and then only compared; malloc'ed, NULL if there is none. */
static char *decoded_path(struct evhttp_request *request)
{
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    size_t len;
    char *decoded = path == NULL ? NULL : evhttp_uridecode(path, 0, &len);
    if (decoded == NULL || strlen(decoded) == len)
        return decoded;
    free(decoded); /* a NUL is in no route */
    return NULL;
}

static const struct admin_http_route *find_route(const struct admin_http *h, const char *path)
{
    for (const struct admin_http_route *r = h->s.routes; path != NULL && r->path != NULL; r++)
        if (strcmp(r->path, path) == 0)
            return r;
    return NULL;
}

static void answer_route(const struct admin_http *h, const struct admin_http_route *route,
                         struct evhttp_request *request)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    const struct admin_http_request asked = {
        .path = route->path, .query = query == NULL ? "" : query, .accept = header(request, "Accept")};
    struct admin_http_answer answer = {
        .status = HTTP_OK, .content_type = "application/json", .content_security_policy = NOTHING_ALLOWED};
    buf_init(&answer.body, ADMIN_HTTP_BODY_MAX_BYTES);
    route->answer(h->s.arg, &asked, &answer);
    send_answer(request, answer.status, answer.content_type, answer.content_security_policy,
                buf_text(&answer.body), answer.body.len);
    buf_done(&answer.body);
}

/* Its time for the answer begins now, and afterwards that for the next request. */
static void note_answer(struct admin_http *h, const struct bufferevent *stream)
{
    for (struct list *link = h->clients.next; link != &h->clients; link = link->next) {
        struct client *c = LIST_ITEM(link, struct client, link);
        if (c->stream != stream)
            continue;
        c->waits_since_ms = c->progress_ms = now_ms(h);
        c->left_bytes = evbuffer_get_length(bufferevent_get_output(c->stream));
    }
}

/* As Prefect's worker does it: /health/ is /health. */
static const struct admin_http_route *find_without_slash(const struct admin_http *h, const char *path)
{
    size_t len = path == NULL ? 0 : strlen(path);
    if (len < 2 || path[len - 1] != '/')
        return NULL;
    char *AUTO_FREE shorter = check_printf("%.*s", (int)len - 1, path);
    return find_route(h, shorter);
}

static bool has_unread_body(struct evhttp_request *request)
{
    return (evhttp_request_get_command(request) & METHODS_WITH_BODY) == 0 &&
           (header(request, "Content-Length")[0] != '\0' || header(request, "Transfer-Encoding")[0] != '\0');
}

static void answer_request(struct admin_http *h, struct evhttp_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    char *path = decoded_path(request);
    const struct admin_http_route *route = find_route(h, path);
    const struct admin_http_route *meant = find_without_slash(h, path);
    free(path);
    if (has_unread_body(request))
        add_header(request, "Connection", "close");
    bool is_allowed = method == EVHTTP_REQ_GET || (method == EVHTTP_REQ_HEAD && !h->s.is_prefects);
    if (!is_for_us(h, request)) {
        refuse(request, 421, "not a name of this host; see [admin] names");
    } else if (meant != NULL) {
        add_header(request, "Location", meant->path);
        send_answer(request, 307, NULL, NOTHING_ALLOWED, "", 0);
    } else if (route == NULL) {
        refuse(request, HTTP_NOTFOUND, "Not Found");
    } else if (!is_allowed) {
        add_header(request, "Allow", h->s.is_prefects ? "GET" : "GET, HEAD");
        refuse(request, HTTP_BADMETHOD, "Method Not Allowed");
    } else {
        answer_route(h, route, request);
    }
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct admin_http *h = arg;
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
    answer_request(h, request);
    note_answer(h, stream);
}

/* ---- the server ---- */

int admin_http_new(const struct admin_http_settings *settings, struct admin_http **out, struct err *err)
{
    struct admin_http *h = check_alloc(sizeof(*h));
    h->s = *settings;
    if (h->s.max_connections == 0)
        h->s.max_connections = CONNECTIONS_DEFAULT;
    list_init(&h->clients);
    h->server = evhttp_new(settings->base);
    CHECK_MEMORY(h->server != NULL);
    evhttp_set_max_headers_size(h->server, HEAD_MAX_BYTES);
    evhttp_set_max_body_size(h->server, BODY_MAX_BYTES);
    evhttp_set_allowed_methods(h->server, ALL_METHODS);
    evhttp_set_default_content_type(h->server, NULL);
    evhttp_set_bevcb(h->server, on_connection, h);
    evhttp_set_gencb(h->server, on_request, h);
    errno = 0;
    h->bound = evhttp_bind_socket_with_handle(h->server, settings->host, (ev_uint16_t)settings->port);
    if (h->bound == NULL) {
        int sys = errno != 0 ? errno : EADDRNOTAVAIL; /* a name that can't be resolved leaves no number */
        admin_http_free(h);
        return err_sys(err, sys, "%s: can't listen on %s:%d", settings->what, settings->host, settings->port);
    }
    /* Connections have it from here: what a client does not take stays with us, where it is bounded. */
    int send_buffer = SEND_BUFFER_BYTES;
    (void)setsockopt(evhttp_bound_socket_get_fd(h->bound), SOL_SOCKET, SO_SNDBUF, &send_buffer,
                     sizeof(send_buffer));
    *out = h;
    return 0;
}

void admin_http_free(struct admin_http *h)
{
    if (h == NULL)
        return;
    timer_cancel(&h->sweep_timer);
    evhttp_free(h->server);
    while (!list_is_empty(&h->clients)) {
        struct client *c = LIST_ITEM(h->clients.next, struct client, link);
        bufferevent_decref(c->stream);
        forget(h, c);
    }
    free(h);
}

int admin_http_port(const struct admin_http *h)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(evhttp_bound_socket_get_fd(h->bound), (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

int admin_http_connections(struct admin_http *h)
{
    sweep(h);
    return h->count;
}
