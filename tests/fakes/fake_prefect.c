/*
 * fake_prefect.c - the fake's HTTP side: the listener, faults, delays, counts, login and CSRF.
 *
 * A request becomes a `struct job` with everything copied out of evhttp. Without a fault it is served and
 * answered in the callback. With one it may be put on `pending`: delayed answers carry a timer of the test's
 * clock, held ones wait for fake_prefect_release(), dropped ones are closed from an event of their own, since
 * a connection can't be freed inside its own callback. evhttp stops reading while a request is open, so the
 * request stays valid even if the client has gone.
 */
#include "fake_prefect_internal.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum job_wait { JOB_WAIT_NONE, JOB_WAIT_DELAY, JOB_WAIT_HOLD, JOB_WAIT_DROP };

struct job {
    struct list link; /* on fake->pending while it waits */
    struct fake_prefect *fake;
    struct evhttp_request *request;
    enum fake_prefect_route route;
    struct fake_call call;
    struct fake_answer answer;
    char *text; /* memory of call's parts */
    char *body;
    enum job_wait wait;
    struct timer timer;
};

static void free_job(struct job *job)
{
    timer_cancel(&job->timer);
    list_remove(&job->link);
    json_free(job->call.body);
    free(job->answer.body);
    free(job->text);
    free(job->call.query);
    free(job->body);
    free(job);
}

/* --- answering --- */

static void send_answer(struct job *job, const char *content_type, size_t body_len)
{
    struct evbuffer *buffer = evbuffer_new();
    CHECK(buffer != NULL);
    if (job->answer.body != NULL)
        evbuffer_add(buffer, job->answer.body, body_len);
    evhttp_add_header(evhttp_request_get_output_headers(job->request), "Content-Type", content_type);
    evhttp_send_reply(job->request, job->answer.status, NULL, buffer);
    evbuffer_free(buffer);
    free_job(job);
}

static void send_json(struct job *job)
{
    send_answer(job, "application/json", job->answer.body != NULL ? strlen(job->answer.body) : 0);
}

static void replace_answer(struct job *job, int status, const char *body)
{
    free(job->answer.body);
    job->answer.status = status;
    job->answer.body = check_strdup(body);
}

static const char *header_of(const struct job *job, const char *name)
{
    const char *value = evhttp_find_header(evhttp_request_get_input_headers(job->request), name);
    return value != NULL ? value : "";
}

/* The server's middleware: login, then CSRF. True: refused, and the answer is set. */
static bool is_refused(struct job *job)
{
    const struct fake_prefect *fake = job->fake;
    if (fake->authorization != NULL && job->route != FAKE_PREFECT_HEALTH &&
        strcmp(header_of(job, "Authorization"), fake->authorization) != 0) {
        replace_answer(job, 401, "{\"exception_message\":\"Unauthorized\"}");
        return true;
    }
    if (!fake->csrf_demanded || strcmp(job->call.method, "GET") == 0)
        return false;
    if (header_of(job, "Prefect-Csrf-Token")[0] == '\0') {
        replace_answer(job, 403, "{\"detail\":\"Missing CSRF token.\"}");
        return true;
    }
    if (fake->csrf_token == NULL || fake_now_ms(fake) >= fake->csrf_expires_ms ||
        strcmp(header_of(job, "Prefect-Csrf-Token"), fake->csrf_token) != 0 ||
        strcmp(header_of(job, "Prefect-Csrf-Client"), fake->csrf_client) != 0) {
        replace_answer(job, 403, "{\"detail\":\"Invalid CSRF token or client identifier.\"}");
        return true;
    }
    return false;
}

static void serve(struct job *job)
{
    if (!is_refused(job))
        fake_serve(job->fake, job->route, &job->call, &job->answer);
}

static void close_connection(struct job *job)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(job->request);
    if (connection != NULL)
        evhttp_connection_free(connection);
    else
        evhttp_request_free(job->request);
    free_job(job);
}

static void on_drop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct fake_prefect *fake = arg;
    struct list *item = fake->pending.next;
    while (item != &fake->pending) {
        struct job *job = LIST_ITEM(item, struct job, link);
        item = item->next;
        if (job->wait == JOB_WAIT_DROP)
            close_connection(job);
    }
}

static void wait_as(struct job *job, enum job_wait wait)
{
    job->wait = wait;
    list_add_last(&job->fake->pending, &job->link);
    if (wait == JOB_WAIT_DROP)
        event_active(job->fake->drop_event, EV_TIMEOUT, 0);
}

static void on_delay_over(void *arg)
{
    send_json(arg);
}

static void send_half_body(struct job *job)
{
    char length[32];
    size_t len = job->answer.body != NULL ? strlen(job->answer.body) : 0;
    snprintf(length, sizeof(length), "%zu", len + 100);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(job->request);
    evhttp_add_header(headers, "Content-Length", length);
    evhttp_add_header(headers, "Connection", "close");
    send_answer(job, "application/json", len / 2);
}

static void send_scripted(struct job *job, const struct fake_prefect_fault *fault)
{
    replace_answer(job, fault->status, fault->body != NULL ? fault->body : "{\"detail\":\"scripted\"}");
    const char *colon = fault->header != NULL ? strchr(fault->header, ':') : NULL;
    if (colon != NULL) {
        char *name = check_printf("%.*s", (int)(colon - fault->header), fault->header);
        evhttp_add_header(evhttp_request_get_output_headers(job->request), name,
                          colon + 1 + strspn(colon + 1, " "));
        free(name);
    }
    send_json(job);
}

static void act_on_fault(struct job *job, const struct fake_prefect_fault *fault)
{
    switch (fault->kind) {
    case PREFECT_FAULT_STATUS_AFTER:
        serve(job);
        send_scripted(job, fault);
        return;
    case PREFECT_FAULT_STATUS:
        send_scripted(job, fault);
        return;
    case PREFECT_FAULT_DELAY:
        serve(job);
        wait_as(job, JOB_WAIT_DELAY);
        timer_start(job->fake->timers, &job->timer, fault->delay_ms, on_delay_over, job);
        return;
    case PREFECT_FAULT_DROP_AFTER:
        serve(job);
        wait_as(job, JOB_WAIT_DROP);
        return;
    case PREFECT_FAULT_DROP_BEFORE:
        wait_as(job, JOB_WAIT_DROP);
        return;
    case PREFECT_FAULT_HOLD:
        wait_as(job, JOB_WAIT_HOLD);
        return;
    case PREFECT_FAULT_HTML:
        replace_answer(job, fault->status != 0 ? fault->status : 200,
                       "<!DOCTYPE html><html><body>not the API</body></html>");
        send_answer(job, "text/html", strlen(job->answer.body));
        return;
    case PREFECT_FAULT_CUT_JSON:
        serve(job);
        send_answer(job, "application/json", job->answer.body != NULL ? strlen(job->answer.body) / 2 : 0);
        return;
    case PREFECT_FAULT_HALF_BODY:
        serve(job);
        send_half_body(job);
        return;
    }
    UNREACHABLE();
}

/* --- faults --- */

void fake_prefect_fault(struct fake_prefect *fake, const struct fake_prefect_fault *fault)
{
    struct fake_armed *armed = check_alloc(sizeof(*armed));
    *armed = (struct fake_armed){.fault = *fault};
    armed->fault.header = check_strdup_or_null(fault->header);
    armed->fault.body = check_strdup_or_null(fault->body);
    if (armed->fault.nth == 0)
        armed->fault.nth = 1;
    if (armed->fault.times == 0)
        armed->fault.times = 1;
    list_add_last(&fake->faults, &armed->link);
}

static void free_armed(struct fake_armed *armed)
{
    char *texts[] = {NULL, NULL};
    memcpy(&texts[0], &armed->fault.header, sizeof(char *));
    memcpy(&texts[1], &armed->fault.body, sizeof(char *));
    list_remove(&armed->link);
    free(texts[0]);
    free(texts[1]);
    free(armed);
}

void fake_prefect_clear_faults(struct fake_prefect *fake)
{
    while (!list_is_empty(&fake->faults))
        free_armed(LIST_ITEM(fake->faults.next, struct fake_armed, link));
}

/* The fault that meets this call, or NULL; every fault of the route counts the call. */
static struct fake_armed *next_fault(struct fake_prefect *fake, enum fake_prefect_route route)
{
    struct fake_armed *hit = NULL;
    for (struct list *item = fake->faults.next; item != &fake->faults; item = item->next) {
        struct fake_armed *armed = LIST_ITEM(item, struct fake_armed, link);
        const struct fake_prefect_fault *fault = &armed->fault;
        if (fault->route != route && fault->route != FAKE_PREFECT_ANY)
            continue;
        armed->seen++;
        bool is_due =
            armed->seen >= fault->nth && (fault->times < 0 || armed->seen < fault->nth + fault->times);
        if (is_due && hit == NULL)
            hit = armed;
    }
    return hit;
}

int fake_prefect_release(struct fake_prefect *fake)
{
    int count = 0;
    struct list held;
    list_init(&held);
    struct list *item = fake->pending.next;
    while (item != &fake->pending) {
        struct list *next = item->next;
        if (LIST_ITEM(item, struct job, link)->wait == JOB_WAIT_HOLD) {
            list_remove(item);
            list_add_last(&held, item);
        }
        item = next;
    }
    while ((item = list_take_first(&held)) != NULL) {
        struct job *job = LIST_ITEM(item, struct job, link);
        serve(job);
        send_json(job);
        count++;
    }
    return count;
}

size_t fake_prefect_held(const struct fake_prefect *fake)
{
    size_t count = 0;
    for (struct list *item = fake->pending.next; item != &fake->pending; item = item->next)
        count += LIST_ITEM(item, struct job, link)->wait == JOB_WAIT_HOLD;
    return count;
}

size_t fake_prefect_unanswered(const struct fake_prefect *fake)
{
    size_t count = 0;
    for (struct list *item = fake->pending.next; item != &fake->pending; item = item->next)
        count++;
    return count;
}

/* --- requests --- */

static const char *method_name(enum evhttp_cmd_type type)
{
    return type == EVHTTP_REQ_GET      ? "GET"
           : type == EVHTTP_REQ_POST   ? "POST"
           : type == EVHTTP_REQ_PATCH  ? "PATCH"
           : type == EVHTTP_REQ_DELETE ? "DELETE"
                                       : "OTHER";
}

/* Split and decode "/api/a/b%20c/?q" into the parts "a", "b c", "". */
static void split_path(struct job *job, const char *uri)
{
    static const char prefix[] = "/api/";
    const char *question = strchr(uri, '?');
    size_t len = question != NULL ? (size_t)(question - uri) : strlen(uri);
    job->call.query = question != NULL ? check_strdup(question + 1) : NULL;
    if (strncmp(uri, prefix, strlen(prefix)) != 0 || len < strlen(prefix))
        return;
    size_t room = len + 1;
    job->text = check_alloc(room);
    char *to = job->text;
    const char *from = uri + strlen(prefix);
    const char *end = uri + len;
    while (job->call.part_count < FAKE_PARTS_MAX) {
        size_t part_len = 0;
        while (from + part_len < end && from[part_len] != '/')
            part_len++;
        char *raw = check_printf("%.*s", (int)part_len, from);
        char *decoded = evhttp_uridecode(raw, 0, NULL);
        CHECK(decoded != NULL);
        job->call.parts[job->call.part_count++] = to;
        to += snprintf(to, (size_t)(job->text + room - to), "%s", decoded) + 1;
        free(decoded);
        free(raw);
        if (from + part_len >= end)
            return;
        from += part_len + 1;
    }
}

static void remember(struct fake_prefect *fake, const struct job *job, const char *uri)
{
    free(fake->last_request);
    fake->last_request = check_printf("%s %s %s", job->call.method, uri, job->body);
    json_free(fake->last_headers);
    fake->last_headers = json_new_object();
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(job->request);
    for (const struct evkeyval *header = headers->tqh_first; header != NULL; header = header->next.tqe_next)
        json_set_text(fake->last_headers, header->key, header->value);
}

static struct job *make_job(struct fake_prefect *fake, struct evhttp_request *request)
{
    struct job *job = check_alloc(sizeof(*job));
    *job = (struct job){.fake = fake, .request = request};
    list_init(&job->link);
    const char *uri = evhttp_request_get_uri(request);
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    struct err err;
    job->body = check_alloc(len + 1);
    evbuffer_copyout(input, job->body, len);
    job->body[len] = '\0';
    job->call.method = method_name(evhttp_request_get_command(request));
    if (json_parse(job->body, len, &job->call.body, &err) != 0)
        job->call.body = NULL;
    split_path(job, uri);
    job->route = fake_route(&job->call);
    remember(fake, job, uri);
    return job;
}

/* Without it a long answer's last piece waits for the other side's delayed acknowledgement: real time, which
 * no fake clock sees. */
static void send_without_delay(struct evhttp_request *request)
{
    struct bufferevent *connection =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(request));
    int on = 1;
    CHECK(setsockopt(bufferevent_getfd(connection), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    struct fake_prefect *fake = arg;
    send_without_delay(request);
    struct job *job = make_job(fake, request);
    fake->calls[job->route]++;
    fake->calls[FAKE_PREFECT_ANY]++;
    struct fake_armed *armed = next_fault(fake, job->route);
    if (armed != NULL) {
        act_on_fault(job, &armed->fault);
        if (armed->fault.times > 0 && armed->seen >= armed->fault.nth + armed->fault.times - 1)
            free_armed(armed);
        return;
    }
    serve(job);
    send_json(job);
}

/* --- life --- */

static void listen_on_loopback(struct fake_prefect *fake)
{
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(fake->http, "127.0.0.1", 0);
    CHECK(bound != NULL);
    fake->listener = bound;
    socklen_t len = sizeof(fake->address);
    CHECK(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&fake->address, &len) == 0);
    fake->url = check_printf("http://127.0.0.1:%d/api", ntohs(fake->address.sin_port));
}

void fake_prefect_go_down(struct fake_prefect *fake)
{
    CHECK(fake->listener != NULL);
    evhttp_del_accept_socket(fake->http, fake->listener);
    fake->listener = NULL;
    fake->held_port_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    CHECK(fake->held_port_fd >= 0 &&
          setsockopt(fake->held_port_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
          bind(fake->held_port_fd, (struct sockaddr *)&fake->address, sizeof(fake->address)) == 0);
    fake_prefect_fault(fake, &(struct fake_prefect_fault){
                                 .route = FAKE_PREFECT_ANY, .times = -1, .kind = PREFECT_FAULT_DROP_BEFORE});
}

void fake_prefect_come_up(struct fake_prefect *fake)
{
    CHECK(fake->listener == NULL && listen(fake->held_port_fd, 128) == 0);
    fake->listener = evhttp_accept_socket_with_handle(fake->http, fake->held_port_fd);
    CHECK(fake->listener != NULL);
    fake_prefect_clear_faults(fake);
}

void fake_prefect_new(const struct fake_prefect_settings *settings, struct fake_prefect **out)
{
    struct fake_prefect *fake = check_alloc(sizeof(*fake));
    *fake = (struct fake_prefect){.base = settings->base,
                                  .timers = settings->timers,
                                  .authorization = check_strdup_or_null(settings->authorization),
                                  .random_state = settings->seed,
                                  .csrf_demanded = settings->csrf,
                                  .csrf_life_ms = 3600 * 1000};
    list_init(&fake->faults);
    list_init(&fake->pending);
    signal(SIGPIPE, SIG_IGN);
    fake->http = evhttp_new(settings->base);
    fake->drop_event = event_new(settings->base, -1, 0, on_drop, fake);
    CHECK(fake->http != NULL && fake->drop_event != NULL);
    evhttp_set_allowed_methods(fake->http,
                               EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
    evhttp_set_gencb(fake->http, on_request, fake);
    listen_on_loopback(fake);
    *out = fake;
}

void fake_prefect_free(struct fake_prefect *fake)
{
    if (fake == NULL)
        return;
    fake_prefect_clear_faults(fake);
    while (!list_is_empty(&fake->pending))
        close_connection(LIST_ITEM(fake->pending.next, struct job, link));
    event_free(fake->drop_event);
    if (fake->listener == NULL)
        close(fake->held_port_fd);
    evhttp_free(fake->http);
    fake_free_data(fake);
    json_free(fake->last_headers);
    free(fake->last_request);
    free(fake->history_text);
    free(fake->csrf_token);
    free(fake->csrf_client);
    free(fake->authorization);
    free(fake->url);
    free(fake);
}

/* --- small looks --- */

const char *fake_prefect_url(const struct fake_prefect *fake)
{
    return fake->url;
}

int fake_prefect_calls(const struct fake_prefect *fake, enum fake_prefect_route route)
{
    return fake->calls[route];
}

int fake_prefect_changes(const struct fake_prefect *fake)
{
    return fake->changes;
}

void fake_prefect_reset_counts(struct fake_prefect *fake)
{
    memset(fake->calls, 0, sizeof(fake->calls));
    fake->changes = 0;
}

const char *fake_prefect_last_header(const struct fake_prefect *fake, const char *name)
{
    return json_get_text(fake->last_headers, name, NULL);
}

const char *fake_prefect_last_request(const struct fake_prefect *fake)
{
    return fake->last_request != NULL ? fake->last_request : "";
}

int fake_prefect_heartbeats(const struct fake_prefect *fake)
{
    return fake->heartbeats;
}

size_t fake_prefect_event_count(const struct fake_prefect *fake, const char *name)
{
    if (name == NULL)
        return fake->events.count;
    char *needle = check_printf("\"event\":\"%s\"", name);
    size_t count = 0;
    for (size_t i = 0; i < fake->events.count; i++)
        count += strstr(fake->events.items[i], needle) != NULL;
    free(needle);
    return count;
}

const char *fake_prefect_event(const struct fake_prefect *fake, size_t index)
{
    CHECK(index < fake->events.count);
    return fake->events.items[index];
}

size_t fake_prefect_log_count(const struct fake_prefect *fake)
{
    return fake->logs.count;
}

const char *fake_prefect_log(const struct fake_prefect *fake, size_t index)
{
    CHECK(index < fake->logs.count);
    return fake->logs.items[index];
}

void fake_prefect_demand_csrf(struct fake_prefect *fake, bool is_demanded)
{
    fake->csrf_demanded = is_demanded;
}

void fake_prefect_forget_csrf_tokens(struct fake_prefect *fake)
{
    free(fake->csrf_token);
    fake->csrf_token = NULL;
}

void fake_prefect_set_csrf_life_ms(struct fake_prefect *fake, int64_t life_ms)
{
    fake->csrf_life_ms = life_ms;
}
