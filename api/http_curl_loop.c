/*
 * http_curl_loop.c - drives libcurl's multi socket interface with libevent.
 *
 * curl tells which descriptors to watch (on_curl_socket) and when to wake it (on_curl_timer); both only set
 * libevent events. Events call curl_multi_socket_action(), after which everything that ended is drained. The
 * events get the bridge, never a per-descriptor struct, because curl may drop that one during the call. No
 * callback from curl calls the multi interface: that is refused by curl, and was a source of bugs elsewhere.
 *
 * curl's real-time timer serves only its own needs (address races, name lookups, "go on at once"); the clocks
 * of a call are in http_curl_call.c and run on `timers`. When curl_multi_socket_action() itself fails, curl
 * says nothing about any transfer, so all calls end and the multi is made anew.
 */
#include "api/http_curl_internal.h"

#include <curl/curl.h>
#include <event2/event.h>

#include <string.h>

static void new_multi(struct http *http);

static void forget_socket(struct http *http, size_t fd)
{
    if (fd >= http->socket_count || http->sockets[fd].event == NULL)
        return;
    event_free(http->sockets[fd].event);
    http->sockets[fd] = (struct http_socket){0};
}

static void forget_all_sockets(struct http *http)
{
    for (size_t fd = 0; fd < http->socket_count; fd++)
        forget_socket(http, fd);
}

/* Calls that start in the meantime cannot exist: no callback of the user runs in here. */
static void rebuild(struct http *http, CURLMcode code)
{
    forget_all_sockets(http);
    struct list *link = http->calls.next;
    while (link != &http->calls) {
        struct http_call *call = LIST_ITEM(link, struct http_call, in_calls);
        link = link->next;
        if (!call->is_finished)
            http_curl_fail_uncertain(call, curl_multi_strerror(code));
    }
    curl_multi_cleanup(http->multi);
    forget_all_sockets(http);
    event_del(http->curl_timer);
    new_multi(http);
}

static void drain(struct http *http)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        void *arg = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &arg);
        struct http_call *call = MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC);
        http_curl_on_result(call, (int)code);
    }
}

static void act(struct http *http, curl_socket_t fd, int flags)
{
    int running;
    CURLMcode code = curl_multi_socket_action(http->multi, fd, flags, &running);
    KILL_REQUEST(moved, http);
    if (code == CURLM_OK)
        drain(http);
    else
        rebuild(http, code);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct http *http = MAGIC_CAST(struct http, arg, HTTP_MAGIC);
    http->activity++;
    struct http_call *call = http->sockets[fd].call;
    if (call != NULL)
        http_curl_touch(call);
    int flags =
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    act(http, fd, flags);
}

static void on_timer_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(MAGIC_CAST(struct http, arg, HTTP_MAGIC), CURL_SOCKET_TIMEOUT, 0);
}

static void on_deliver_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    http_curl_deliver(MAGIC_CAST(struct http, arg, HTTP_MAGIC));
}

static struct http_socket *socket_at(struct http *http, size_t fd)
{
    if (fd >= http->socket_count) {
        size_t count = fd + 16;
        struct http_socket *sockets = check_realloc(http->sockets, count * sizeof(*sockets));
        memset(sockets + http->socket_count, 0, (count - http->socket_count) * sizeof(*sockets));
        http->sockets = sockets;
        http->socket_count = count;
    }
    return &http->sockets[fd];
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct http *http = MAGIC_CAST(struct http, arg, HTTP_MAGIC);
    (void)unused;
    forget_socket(http, (size_t)fd);
    if (what == CURL_POLL_REMOVE || what == CURL_POLL_NONE)
        return 0;
    struct http_socket *s = socket_at(http, (size_t)fd);
    void *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    s->call = call;
    short events = EV_PERSIST;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        events |= EV_READ;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        events |= EV_WRITE;
    s->event = event_new(http->base, fd, events, on_socket_event, http);
    CHECK_MEMORY(s->event != NULL && event_add(s->event, NULL) == 0);
    return 0;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct http *http = MAGIC_CAST(struct http, arg, HTTP_MAGIC);
    (void)multi;
    if (timeout_ms < 0) {
        event_del(http->curl_timer);
        return 0;
    }
    struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    CHECK_MEMORY(event_add(http->curl_timer, &tv) == 0);
    return 0;
}

static void new_multi(struct http *http)
{
    http->multi = curl_multi_init();
    CHECK_MEMORY(http->multi != NULL);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)http->max_connections);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->max_connections);
}

void http_curl_loop_init(struct http *http)
{
    http->curl_timer = evtimer_new(http->base, on_timer_event, http);
    http->deliver_event = event_new(http->base, -1, 0, on_deliver_event, http);
    CHECK_MEMORY(http->curl_timer != NULL && http->deliver_event != NULL);
    new_multi(http);
}

void http_curl_loop_done(struct http *http)
{
    if (http->multi != NULL)
        curl_multi_cleanup(http->multi);
    forget_all_sockets(http);
    free(http->sockets);
    if (http->curl_timer != NULL)
        event_free(http->curl_timer);
    if (http->deliver_event != NULL)
        event_free(http->deliver_event);
}

int http_curl_add(struct http_call *call, struct err *err)
{
    CURLMcode code = curl_multi_add_handle(call->http->multi, call->easy);
    CHECK_MEMORY(code != CURLM_OUT_OF_MEMORY);
    if (code == CURLM_OK)
        return 0;
    return err_set(err, ERR_INVALID, "libcurl did not take a request: %s", curl_multi_strerror(code));
}

void http_curl_detach(struct http_call *call)
{
    struct http *http = call->http;
    timer_cancel(&call->connect_timer);
    timer_cancel(&call->inactivity_timer);
    timer_cancel(&call->total_timer);
    if (call->easy == NULL)
        return;
    curl_multi_remove_handle(http->multi, call->easy);
    curl_easy_cleanup(call->easy);
    call->easy = NULL;
    for (size_t fd = 0; fd < http->socket_count; fd++) {
        if (http->sockets[fd].call == call)
            http->sockets[fd].call = NULL;
    }
}
