/* sim_net.c - see sim_net.h: the connections, their work, and how a plan spoils them. */
#include "sim_net_internal.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define NO_WORK SIZE_MAX

struct sim_net *sim_net_new(const struct sim_net_settings *settings, const struct random_source *random)
{
    struct sim_net *net = check_alloc(sizeof(*net));
    *net = (struct sim_net){.s = *settings, .random = *random, .ports = 4200};
    list_init(&net->servers);
    list_init(&net->links);
    list_init(&net->ready);
    return net;
}

void sim_net_free(struct sim_net *net)
{
    if (net == NULL)
        return;
    CHECK(list_is_empty(&net->links) && list_is_empty(&net->servers));
    free(net->work);
    free(net);
}

struct event_base *sim_net_base(struct sim_net *net)
{
    return (struct event_base *)net;
}

struct sim_net *sim_net_of(struct event_base *base)
{
    return (struct sim_net *)base;
}

uint64_t sim_net_draw(struct sim_net *net, uint64_t below)
{
    return net->random.next(net->random.arg) % below;
}

struct wire *sim_net_server_at(const struct sim_net *net, const char *place)
{
    for (const struct list *l = net->servers.next; l != &net->servers; l = l->next) {
        struct wire *w = (struct wire *)((uintptr_t)l - offsetof(struct wire, link));
        if (strcmp(w->place, place) == 0)
            return w;
    }
    return NULL;
}

/* ---- work ---- */

void sim_net_wake(struct wire_exchange *x)
{
    struct sim_net *net = x->net;
    if (x->work_index != NO_WORK)
        return;
    if (net->work_count == net->work_cap) {
        net->work_cap = net->work_cap == 0 ? 64 : net->work_cap * 2;
        net->work = realloc(net->work, net->work_cap * sizeof(*net->work));
        CHECK(net->work != NULL);
    }
    x->work_index = net->work_count;
    net->work[net->work_count++] = x;
}

static void take_off_work(struct wire_exchange *x)
{
    struct sim_net *net = x->net;
    if (x->work_index == NO_WORK)
        return;
    struct wire_exchange *last = net->work[--net->work_count];
    net->work[x->work_index] = last;
    last->work_index = x->work_index;
    x->work_index = NO_WORK;
}

static char *join_head(const char *const *headers, bool closes)
{
    struct buf b;
    struct err err;
    buf_init(&b, ANSWER_MAX_BYTES);
    for (size_t i = 0; headers != NULL && headers[i] != NULL; i++)
        CHECK(buf_printf(&b, &err, "%s\r\n", headers[i]) == 0);
    if (closes)
        CHECK(buf_add_str(&b, "Connection: close\r\n", &err) == 0);
    CHECK(buf_add_str(&b, "\r\n", &err) == 0);
    return buf_take(&b);
}

struct wire_exchange *sim_net_connect(struct sim_net *net, struct http_call *call,
                                      const struct sim_request *request, const char *const *headers,
                                      bool closes)
{
    struct wire_exchange *x = check_alloc(sizeof(*x));
    *x = (struct wire_exchange){.net = net,
                                .call = call,
                                .http = request->http,
                                .place = check_strdup(request->place),
                                .method = check_strdup(request->method),
                                .target = check_strdup(request->target),
                                .head = join_head(headers, closes),
                                .body = check_strdup(request->body),
                                .work_index = NO_WORK};
    buf_init(&x->answer, ANSWER_MAX_BYTES);
    list_init(&x->link);
    list_add_last(&net->links, &x->link);
    x->plan = net->s.plan(net->s.arg, request);
    if (x->plan.fault != SIM_FAULT_NO_ANSWER)
        sim_net_wake(x);
    return x;
}

void sim_net_release(struct wire_exchange *x)
{
    bool server_needs_it = x->state == LINK_LATE || x->state == LINK_UNREAD || x->state == LINK_SERVED;
    if (x->call != NULL || server_needs_it || x->in_work)
        return;
    take_off_work(x);
    timer_cancel(&x->timer);
    list_remove(&x->link);
    buf_done(&x->answer);
    free(x->place);
    free(x->method);
    free(x->target);
    free(x->head);
    free(x->body);
    free(x);
}

void sim_net_leave(struct wire_exchange *x)
{
    x->call = NULL;
    if (x->state == LINK_SERVED)
        sim_net_wake(x); /* the server notices */
    sim_net_release(x);
}

/* ---- what happens with a connection ---- */

static void on_late(void *arg)
{
    struct wire_exchange *x = arg;
    sim_net_wake(x);
}

static void on_slow(void *arg)
{
    struct wire_exchange *x = arg;
    x->is_slow = false;
    sim_net_wake(x);
}

static enum transport refusal(struct wire_exchange *x)
{
    struct sim_net *net = x->net;
    bool is_unix = x->place[0] == '/';
    if (x->plan.fault == SIM_FAULT_REFUSED && sim_net_draw(net, 2) == 0)
        return is_unix ? TRANSPORT_EAGAIN_UNIX : TRANSPORT_CONNECT_FAILED;
    if (!is_unix)
        return TRANSPORT_ECONNREFUSED_TCP;
    return x->server == NULL || !x->server->is_refused ? TRANSPORT_ENOENT_UNIX : TRANSPORT_ECONNREFUSED_UNIX;
}

/* The request sets out. */
static void connect_link(struct wire_exchange *x)
{
    struct sim_net *net = x->net;
    x->server = sim_net_server_at(net, x->place);
    bool is_there = x->server != NULL && x->server->is_listening;
    if (!is_there || x->plan.fault == SIM_FAULT_REFUSED) {
        x->state = LINK_ENDED;
        sim_http_refused(x->call, refusal(x));
        return;
    }
    x->server->accepted++;
    sim_http_connected(x->call);
    if (x->plan.fault == SIM_FAULT_LOST_BEFORE) {
        x->state = LINK_ENDED;
        sim_http_closed(x->call);
    } else if (x->plan.fault == SIM_FAULT_LATE) {
        x->state = LINK_LATE;
        timer_start(net->s.timers, &x->timer, x->plan.delay_ms, on_late, x);
    } else {
        sim_wire_deliver(x);
    }
}

/* Bytes for the client, or their end. */
static void bring_answer(struct wire_exchange *x)
{
    struct sim_net *net = x->net;
    if (x->is_silent || x->is_slow)
        return;
    if (x->plan.fault == SIM_FAULT_SLOW && (x->answer.len > 0 || x->is_closed)) {
        x->plan.fault = SIM_FAULT_NONE;
        x->is_slow = true;
        timer_start(net->s.timers, &x->timer, x->plan.delay_ms, on_slow, x);
        return;
    }
    size_t len = x->answer.len;
    if (len > 1 && sim_net_draw(net, 16) == 0)
        len = 1 + (size_t)sim_net_draw(net, len - 1);
    bool is_spoiled = x->plan.fault == SIM_FAULT_CUT || x->plan.fault == SIM_FAULT_SILENT;
    if (is_spoiled && x->answered_bytes + len >= x->plan.at_byte) {
        len = x->plan.at_byte - x->answered_bytes;
        x->is_silent = x->plan.fault == SIM_FAULT_SILENT;
        x->is_broken = x->is_broken || x->plan.fault == SIM_FAULT_CUT;
    }
    if (len > 0) {
        char *AUTO_FREE bytes = check_alloc(len);
        memcpy(bytes, x->answer.data, len);
        buf_consume(&x->answer, len);
        x->answered_bytes += len;
        sim_http_receive(x->call, bytes, len);
        if (x->answer.len > 0 || x->is_closed || x->is_broken)
            sim_net_wake(x);
    } else if ((x->is_broken || x->is_closed) && !x->is_silent) {
        sim_http_closed(x->call);
    }
}

static void work(struct wire_exchange *x)
{
    if (x->state == LINK_CONNECTING) {
        connect_link(x);
    } else if ((x->state == LINK_LATE && !timer_is_running(&x->timer)) || x->state == LINK_UNREAD) {
        sim_wire_deliver(x);
    } else if (x->call != NULL) {
        bring_answer(x);
    } else if (x->state == LINK_SERVED && !x->gone_is_told) {
        x->gone_is_told = true;
        if (x->on_gone != NULL)
            x->on_gone(x->on_gone_arg);
    }
}

bool sim_net_step(struct sim_net *net)
{
    bool has_ready = !list_is_empty(&net->ready);
    if (has_ready && (net->work_count == 0 || sim_net_draw(net, 2) == 0))
        return sim_http_tell_one(net);
    if (net->work_count == 0)
        return false;
    struct wire_exchange *x = net->work[sim_net_draw(net, net->work_count)];
    take_off_work(x);
    x->in_work = true;
    work(x);
    x->in_work = false;
    sim_net_release(x);
    return true;
}

bool sim_net_spoil_any(struct sim_net *net, bool is_silent)
{
    size_t count = 0;
    for (struct list *l = net->links.next; l != &net->links; l = l->next)
        count += LIST_ITEM(l, struct wire_exchange, link)->call != NULL;
    if (count == 0)
        return false;
    size_t index = (size_t)sim_net_draw(net, count);
    for (struct list *l = net->links.next; l != &net->links; l = l->next) {
        struct wire_exchange *x = LIST_ITEM(l, struct wire_exchange, link);
        if (x->call == NULL || index-- > 0)
            continue;
        if (x->state == LINK_CONNECTING)
            return false;
        x->is_silent = x->is_silent || is_silent;
        x->is_broken = x->is_broken || !is_silent;
        buf_clear(&x->answer);
        sim_net_wake(x);
        return true;
    }
    return false;
}

size_t sim_net_count(const struct sim_net *net, const struct http *http, const char *method, const char *text)
{
    size_t count = 0;
    for (const struct list *l = net->links.next; l != &net->links; l = l->next) {
        const struct wire_exchange *x =
            (const struct wire_exchange *)((uintptr_t)l - offsetof(struct wire_exchange, link));
        count += x->call != NULL && x->http == http && strcmp(x->method, method) == 0 &&
                 strstr(x->target, text) != NULL;
    }
    return count;
}
