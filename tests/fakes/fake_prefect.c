/*
 * fake_prefect.c - the fake's HTTP side: faults, delays, counts, login and CSRF.
 *
 * A request becomes a `struct job` around its exchange. Without a fault it is served and answered in the
 * callback. With one it may be put on `pending`: delayed ones carry a timer of the test's clock, held ones
 * wait for fake_prefect_release(), stalled ones for their client to go. A client that goes does not stop what
 * it has asked for.
 */
#include "fake_prefect_internal.h"
#include "fake_wire.h"

#include <event2/http.h>
#include <stdio.h>
#include <string.h>

enum { SLOT_WAIT_MS = 30 * 1000 };

enum job_wait { JOB_WAIT_NONE, JOB_WAIT_DELAY, JOB_WAIT_LATE, JOB_WAIT_HOLD, JOB_WAIT_STALL };

struct job {
    struct list link; /* on fake->pending while it waits */
    struct fake_prefect *fake;
    struct wire_exchange *exchange; /* NULL: it has ended */
    enum fake_prefect_route route;
    struct fake_call call;
    struct fake_answer answer;
    char *text; /* memory of call's parts */
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
    free(job);
}

/* --- answering --- */

#define JSON_TYPE "Content-Type: application/json\r\n"

static const char *body_of(const struct job *job)
{
    return job->answer.body != NULL ? job->answer.body : "";
}

static void send_with(struct job *job, const char *headers)
{
    wire_reply(job->exchange, job->answer.status, headers, body_of(job));
    free_job(job);
}

static void send_json(struct job *job)
{
    send_with(job, JSON_TYPE);
}

static void replace_answer(struct job *job, int status, const char *body)
{
    free(job->answer.body);
    job->answer.status = status;
    job->answer.body = check_strdup(body);
}

static bool header_is(const struct job *job, const char *name, const char *value)
{
    const char *given = wire_header(job->exchange, name);
    return value != NULL && given != NULL && strcmp(given, value) == 0;
}

/* The server's middleware: login, then CSRF. True: refused, and the answer is set. */
static bool is_refused(struct job *job)
{
    const struct fake_prefect *fake = job->fake;
    if (fake->authorization != NULL && job->route != FAKE_PREFECT_HEALTH &&
        !header_is(job, "Authorization", fake->authorization)) {
        replace_answer(job, 401, "{\"exception_message\":\"Unauthorized\"}");
        return true;
    }
    if (!fake->csrf_demanded || strcmp(job->call.method, "GET") == 0)
        return false;
    if (wire_header(job->exchange, "Prefect-Csrf-Token") == NULL) {
        replace_answer(job, 403, "{\"detail\":\"Missing CSRF token.\"}");
        return true;
    }
    if (fake_now_ms(fake) >= fake->csrf_expires_ms ||
        !header_is(job, "Prefect-Csrf-Token", fake->csrf_token) ||
        !header_is(job, "Prefect-Csrf-Client", fake->csrf_client)) {
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

static void drop(struct job *job)
{
    wire_drop(job->exchange);
    free_job(job);
}

static void wait_as(struct job *job, enum job_wait wait)
{
    job->wait = wait;
    list_add_last(&job->fake->pending, &job->link);
}

static void on_delay_over(void *arg)
{
    struct job *job = arg;
    if (job->wait == JOB_WAIT_LATE)
        serve(job);
    send_json(job);
}

static void wait_for(struct job *job, enum job_wait wait, int64_t delay_ms)
{
    wait_as(job, wait);
    timer_start(job->fake->timers, &job->timer, delay_ms, on_delay_over, job);
}

static void on_client_gone(void *arg)
{
    struct job *job = arg;
    if (job->wait == JOB_WAIT_STALL)
        drop(job);
}

static void stall(struct job *job)
{
    wait_as(job, JOB_WAIT_STALL);
    if (wire_is_gone(job->exchange))
        drop(job);
}

/* All headers and half of the body, or half of the headers; then the connection closes. */
static void send_half(struct job *job, bool whole_head)
{
    const char *body = body_of(job);
    char *head = check_printf("HTTP/1.1 %d Fake\r\n" JSON_TYPE "Content-Length: %zu\r\n\r\n",
                              job->answer.status, strlen(body) + 100);
    wire_raw(job->exchange, head, whole_head ? strlen(head) : strlen(head) / 2);
    if (whole_head)
        wire_raw(job->exchange, body, strlen(body) / 2);
    free(head);
    drop(job);
}

static void send_scripted(struct job *job, const struct fake_prefect_fault *fault)
{
    replace_answer(job, fault->status, fault->body != NULL ? fault->body : "{\"detail\":\"scripted\"}");
    char *headers =
        fault->header != NULL ? check_printf(JSON_TYPE "%s\r\n", fault->header) : check_strdup(JSON_TYPE);
    send_with(job, headers);
    free(headers);
}

static void cut_answer(struct job *job)
{
    if (job->answer.body != NULL)
        job->answer.body[strlen(job->answer.body) / 2] = '\0';
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
        wait_for(job, JOB_WAIT_DELAY, fault->delay_ms);
        return;
    case PREFECT_FAULT_LATE:
        wait_for(job, JOB_WAIT_LATE, fault->delay_ms);
        return;
    case PREFECT_FAULT_DROP_AFTER:
        serve(job);
        drop(job);
        return;
    case PREFECT_FAULT_DROP_BEFORE:
        drop(job);
        return;
    case PREFECT_FAULT_STALL:
        serve(job);
        stall(job);
        return;
    case PREFECT_FAULT_HOLD:
        wait_as(job, JOB_WAIT_HOLD);
        return;
    case PREFECT_FAULT_HTML:
        replace_answer(job, fault->status != 0 ? fault->status : 200,
                       "<!DOCTYPE html><html><body>not the API</body></html>");
        send_with(job, "Content-Type: text/html\r\n");
        return;
    case PREFECT_FAULT_CUT_JSON:
        serve(job);
        cut_answer(job);
        return;
    case PREFECT_FAULT_HALF_BODY:
    case PREFECT_FAULT_HALF_HEADERS:
        serve(job);
        send_half(job, fault->kind == PREFECT_FAULT_HALF_BODY);
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

static void remember(struct fake_prefect *fake, const struct wire_exchange *x)
{
    free(fake->last_request);
    free(fake->last_head);
    fake->last_request = check_printf("%s %s %s", wire_method(x), wire_target(x), wire_body(x));
    fake->last_head = check_strdup(wire_head(x));
}

static struct job *make_job(struct fake_prefect *fake, struct wire_exchange *x)
{
    struct job *job = check_alloc(sizeof(*job));
    *job = (struct job){.fake = fake, .exchange = x};
    list_init(&job->link);
    struct err err;
    job->call.method = wire_method(x);
    if (json_parse(wire_body(x), strlen(wire_body(x)), &job->call.body, &err) != 0)
        job->call.body = NULL;
    split_path(job, wire_target(x));
    job->route = fake_route(&job->call);
    remember(fake, x);
    wire_on_gone(x, on_client_gone, job);
    return job;
}

static void on_request(void *arg, struct wire_exchange *x)
{
    struct fake_prefect *fake = arg;
    struct job *job = make_job(fake, x);
    fake->calls[job->route]++;
    fake->calls[FAKE_PREFECT_ANY]++;
    struct fake_armed *armed = next_fault(fake, job->route);
    struct fake_prefect_fault chosen = {0};
    if (armed != NULL) {
        act_on_fault(job, &armed->fault);
        if (armed->fault.times > 0 && armed->seen >= armed->fault.nth + armed->fault.times - 1)
            free_armed(armed);
    } else if (fake->choose_fault != NULL &&
               fake->choose_fault(fake->choose_fault_arg, job->route, &chosen)) {
        act_on_fault(job, &chosen);
    } else {
        serve(job);
        send_json(job);
    }
}

/* --- life --- */

void fake_prefect_new(const struct fake_prefect_settings *settings, struct fake_prefect **out)
{
    struct fake_prefect *fake = check_alloc(sizeof(*fake));
    *fake = (struct fake_prefect){.timers = settings->timers,
                                  .authorization = check_strdup_or_null(settings->authorization),
                                  .random_state = settings->seed,
                                  .slot_wait_ms =
                                      settings->slot_wait_ms != 0 ? settings->slot_wait_ms : SLOT_WAIT_MS,
                                  .csrf_demanded = settings->csrf,
                                  .csrf_life_ms = 3600 * 1000};
    list_init(&fake->faults);
    list_init(&fake->pending);
    fake->wire = wire_new_tcp(settings->base, on_request, fake);
    wire_listen(fake->wire);
    fake->url = check_printf("http://127.0.0.1:%d/api", wire_port(fake->wire));
    *out = fake;
}

void fake_prefect_free(struct fake_prefect *fake)
{
    if (fake == NULL)
        return;
    fake_prefect_clear_faults(fake);
    wire_shut(fake->wire, false);
    while (!list_is_empty(&fake->pending))
        drop(LIST_ITEM(fake->pending.next, struct job, link));
    wire_free(fake->wire);
    fake_free_data(fake);
    free(fake->last_head);
    free(fake->last_request);
    free(fake->history_text);
    free(fake->csrf_token);
    free(fake->csrf_client);
    free(fake->authorization);
    free(fake->url);
    free(fake);
}

void fake_prefect_choose_fault(struct fake_prefect *fake, fake_prefect_fault_fn fn, void *arg)
{
    fake->choose_fault = fn;
    fake->choose_fault_arg = arg;
}

void fake_prefect_go_down(struct fake_prefect *fake)
{
    wire_shut(fake->wire, false);
}

void fake_prefect_come_up(struct fake_prefect *fake)
{
    wire_listen(fake->wire);
}

void fake_prefect_halt(struct fake_prefect *fake)
{
    wire_halt(fake->wire);
}

void fake_prefect_resume(struct fake_prefect *fake)
{
    wire_resume(fake->wire);
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
    char *key = check_printf("\r\n%s:", name);
    char *lines = check_printf("\r\n%s", fake->last_head != NULL ? fake->last_head : "");
    const char *at = strstr(lines, key);
    const char *value = at != NULL ? wire_find_line(at + 2, name) : NULL;
    free(key);
    free(lines);
    return value;
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
