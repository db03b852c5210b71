/*
 * sim_wire.c - fake_wire.h without sockets: the servers of the net (sim_net.h).
 *
 * An answer is written as the bytes that a real server would send. Times are nobody's business here: what the
 * server writes lies on the connection until the net brings it.
 */
#include "sim_net_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static struct wire *add_server(struct event_base *base, wire_request_fn on_request, void *arg)
{
    struct wire *w = check_alloc(sizeof(*w));
    *w = (struct wire){.net = sim_net_of(base), .on_request = on_request, .arg = arg};
    list_init(&w->link);
    list_add_last(&w->net->servers, &w->link);
    return w;
}

struct wire *wire_new(struct event_base *base, const char *path, wire_request_fn on_request, void *arg)
{
    struct wire *w = add_server(base, on_request, arg);
    w->place = check_strdup(path);
    w->is_unix = true;
    return w;
}

struct wire *wire_new_tcp(struct event_base *base, wire_request_fn on_request, void *arg)
{
    struct wire *w = add_server(base, on_request, arg);
    w->port = w->net->ports++;
    w->place = check_printf("127.0.0.1:%d", w->port);
    return w;
}

int wire_port(const struct wire *w)
{
    return w->port;
}

void wire_listen(struct wire *w)
{
    w->is_listening = true;
    w->is_refused = false;
}

/* A connection of a server that goes: its client notices an end, its exchange goes on without it. */
static void break_link(struct wire_exchange *x)
{
    bool is_unread = x->state == LINK_LATE || x->state == LINK_UNREAD;
    if (is_unread)
        x->state = LINK_ENDED;
    timer_cancel(&x->timer);
    x->is_slow = false;
    x->is_broken = true;
    sim_net_wake(x);
}

void wire_shut(struct wire *w, bool keep_file)
{
    w->is_listening = false;
    w->is_refused = keep_file;
    struct list *all = &w->net->links;
    for (struct list *l = all->next; l != all; l = l->next) {
        struct wire_exchange *x = LIST_ITEM(l, struct wire_exchange, link);
        if (x->server == w && x->state != LINK_CONNECTING)
            break_link(x);
    }
}

static void end_link(struct wire_exchange *x)
{
    x->state = LINK_ENDED;
    x->is_closed = true;
    if (x->call != NULL)
        sim_net_wake(x);
    sim_net_release(x);
}

void wire_free(struct wire *w)
{
    if (w == NULL)
        return;
    struct list *all = &w->net->links;
    for (struct list *l = all->next, *next; l != all; l = next) {
        next = l->next;
        struct wire_exchange *x = LIST_ITEM(l, struct wire_exchange, link);
        if (x->server != w)
            continue;
        x->server = NULL;
        if (x->state != LINK_CONNECTING)
            end_link(x);
    }
    list_remove(&w->link);
    free(w->place);
    free(w);
}

void wire_halt(struct wire *w)
{
    w->is_halted = true;
}

void wire_resume(struct wire *w)
{
    w->is_halted = false;
    struct list *all = &w->net->links;
    for (struct list *l = all->next; l != all; l = l->next) {
        struct wire_exchange *x = LIST_ITEM(l, struct wire_exchange, link);
        if (x->server == w && x->state == LINK_UNREAD)
            sim_net_wake(x);
    }
}

int wire_accepted(const struct wire *w)
{
    return w->accepted;
}

int wire_open_connections(const struct wire *w)
{
    int count = 0;
    for (const struct list *l = w->net->links.next; l != &w->net->links; l = l->next) {
        const struct wire_exchange *x =
            (const struct wire_exchange *)((uintptr_t)l - offsetof(struct wire_exchange, link));
        count += x->server == w && x->call != NULL;
    }
    return count;
}

/* ---- a request ---- */

void sim_wire_deliver(struct wire_exchange *x)
{
    struct wire *w = x->server;
    if (w->is_halted) {
        x->state = LINK_UNREAD;
        return;
    }
    const struct sim_request request = {
        .http = x->http, .place = x->place, .method = x->method, .target = x->target, .body = x->body};
    x->state = LINK_SERVED;
    x->net->s.on_arrival(x->net->s.arg, &request);
    w->on_request(w->arg, x);
    if (x->call == NULL && x->state == LINK_SERVED)
        sim_net_wake(x); /* its client went before it came */
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
    size_t len = strlen(name);
    for (const char *line = head; *line != '\0';) {
        size_t line_len = strcspn(line, "\r\n");
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            const char *begin = line + len + 1 + strspn(line + len + 1, " ");
            snprintf(value, sizeof(value), "%.*s", (int)(line + line_len - begin), begin);
            return value;
        }
        line += line_len;
        line += strspn(line, "\r\n");
    }
    return NULL;
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
    return x->call == NULL;
}

/* ---- an answer ---- */

void wire_raw(struct wire_exchange *x, const void *data, size_t len)
{
    struct err err;
    if (x->call == NULL || x->is_broken || len == 0)
        return;
    CHECK(buf_add(&x->answer, data, len, &err) == 0);
    sim_net_wake(x);
}

void wire_reply(struct wire_exchange *x, int status, const char *headers, const char *body)
{
    char head[2048];
    bool has_body = status != 204 && status != 304;
    char length_line[64] = "";
    if (has_body)
        snprintf(length_line, sizeof(length_line), "Content-Length: %zu\r\n", strlen(body));
    int len = snprintf(head, sizeof(head), "HTTP/1.1 %d Fake\r\n%s%s\r\n", status, headers, length_line);
    CHECK(len > 0 && (size_t)len < sizeof(head));
    wire_raw(x, head, (size_t)len);
    if (has_body)
        wire_raw(x, body, strlen(body));
    end_link(x);
}

void wire_begin(struct wire_exchange *x, int status, const char *headers)
{
    char *AUTO_FREE head =
        check_printf("HTTP/1.1 %d Fake\r\n%sTransfer-Encoding: chunked\r\n\r\n", status, headers);
    wire_raw(x, head, strlen(head));
}

void wire_chunk(struct wire_exchange *x, const void *data, size_t len)
{
    char size_line[32];
    int n = snprintf(size_line, sizeof(size_line), "%zx\r\n", len);
    CHECK(len > 0);
    wire_raw(x, size_line, (size_t)n);
    wire_raw(x, data, len);
    wire_raw(x, "\r\n", 2);
}

void wire_end(struct wire_exchange *x)
{
    wire_raw(x, "0\r\n\r\n", 5);
    end_link(x);
}

void wire_drop(struct wire_exchange *x)
{
    end_link(x);
}
