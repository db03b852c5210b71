#include "api/admin_health.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#define IDLE_S 5
#define HEADERS_MAX_BYTES 8192
#define BODY_MAX_BYTES 0

struct admin_health {
    struct evhttp *http;
    struct evhttp_bound_socket *bound;
    bool (*is_well)(void *arg);
    void *arg;
};

static void answer(struct evhttp_request *request, int status, const char *message)
{
    struct evbuffer *body = evbuffer_new();
    CHECK_MEMORY(body != NULL);
    evbuffer_add_printf(body, "{\"message\":\"%s\"}", message);
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "application/json");
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

static void on_health(struct evhttp_request *request, void *arg)
{
    struct admin_health *h = arg;
    if (h->is_well(h->arg))
        answer(request, HTTP_OK, "OK");
    else
        answer(request, HTTP_SERVUNAVAIL, "Worker may be unresponsive at this time");
}

static void on_other(struct evhttp_request *request, void *arg)
{
    (void)arg;
    answer(request, HTTP_NOTFOUND, "Not Found");
}

int admin_health_new(struct event_base *base, const char *host, int port, bool (*is_well)(void *arg),
                     void *arg, struct admin_health **out, struct err *err)
{
    struct admin_health *h = check_alloc(sizeof(*h));
    h->is_well = is_well;
    h->arg = arg;
    h->http = evhttp_new(base);
    CHECK_MEMORY(h->http != NULL);
    evhttp_set_timeout(h->http, IDLE_S);
    evhttp_set_max_headers_size(h->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(h->http, BODY_MAX_BYTES);
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_cb(h->http, "/health", on_health, h);
    evhttp_set_gencb(h->http, on_other, h);
    errno = 0;
    h->bound = evhttp_bind_socket_with_handle(h->http, host, (ev_uint16_t)port);
    if (h->bound == NULL) {
        int sys = errno != 0 ? errno : EADDRNOTAVAIL; /* a name that can't be resolved leaves no number */
        admin_health_free(h);
        return err_sys(err, sys,
                       "the health endpoint can't listen on %s:%d (PREFECT_WORKER_WEBSERVER_HOST, _PORT)",
                       host, port);
    }
    *out = h;
    return 0;
}

void admin_health_free(struct admin_health *h)
{
    if (h == NULL)
        return;
    evhttp_free(h->http);
    free(h);
}

int admin_health_port(const struct admin_health *h)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getsockname(evhttp_bound_socket_get_fd(h->bound), (struct sockaddr *)&address, &len) != 0)
        return 0;
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
}
