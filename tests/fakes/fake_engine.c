/*
 * fake_engine.c - life of the fake engine, and of one request up to its effect: route, count, choose a fault,
 * delay, perform. See fake_engine.h.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <event2/http.h>

#include <search.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_request(void *arg, struct wire_exchange *x);

int64_t fake_engine_wall_ms(const struct fake_engine *e)
{
    return clock_wall_ms(timers_clock(e->timers)) + e->wall_offset_ms;
}

void fake_engine_add_name(struct list *names, const char *name)
{
    struct name_item *item = check_alloc(sizeof(*item));
    item->name = check_strdup(name);
    list_add_last(names, &item->link);
}

struct name_item *fake_engine_find_name(const struct list *names, const char *name)
{
    for (struct list *l = names->next; l != names; l = l->next) {
        struct name_item *item = LIST_ITEM(l, struct name_item, link);
        if (strcmp(item->name, name) == 0)
            return item;
    }
    return NULL;
}

void fake_engine_free_names(struct list *names)
{
    struct list *l;
    while ((l = list_take_first(names)) != NULL) {
        struct name_item *item = LIST_ITEM(l, struct name_item, link);
        free(item->name);
        free(item->label);
        free(item);
    }
}

void fake_engine_copy_fault(struct fake_fault *to, const struct fake_fault *from)
{
    *to = *from;
    to->message = check_strdup_or_null(from->message);
    to->body = check_strdup_or_null(from->body);
    to->headers = check_strdup_or_null(from->headers);
    to->launch_id = check_strdup_or_null(from->launch_id);
}

void fake_engine_free_text(const char *text)
{
    union {
        const char *from;
        void *to;
    } u = {.from = text};
    free(u.to);
}

void fake_engine_done_fault(struct fake_fault *fault)
{
    fake_engine_free_text(fault->message);
    fake_engine_free_text(fault->body);
    fake_engine_free_text(fault->headers);
    fake_engine_free_text(fault->launch_id);
    *fault = (struct fake_fault){0};
}

struct fake_engine *fake_engine_new(struct event_base *base, struct timers *timers, const char *path)
{
    struct fake_engine *e = check_alloc(sizeof(*e));
    e->timers = timers;
    list_init(&e->containers);
    e->cursor = check_alloc(sizeof(*e->cursor));
    list_init(&e->images);
    list_init(&e->networks);
    list_init(&e->registry);
    list_init(&e->faults);
    list_init(&e->open_calls);
    fake_engine_add_name(&e->networks, "bridge");
    e->newest_api = check_strdup("1.41");
    e->oldest_api = check_strdup("1.12");
    if (path == NULL) {
        const char *tmp = getenv("TMPDIR");
        e->folder = check_printf("%s/fake-engine-XXXXXX", tmp != NULL ? tmp : "/tmp");
        CHECK(mkdtemp(e->folder) != NULL);
        e->path = check_printf("%s/docker.sock", e->folder);
    } else {
        e->path = check_strdup(path);
    }
    e->host = check_printf("unix://%s", e->path);
    e->wire = wire_new(base, e->path, on_request, e);
    wire_listen(e->wire);
    return e;
}

static void keep_item(void *item)
{
    (void)item;
}

static void free_start_count(void *item)
{
    struct start_count *s = item;
    free(s->launch_id);
    free(s);
}

static void free_registry(struct fake_engine *e)
{
    struct list *l;
    while ((l = list_take_first(&e->registry)) != NULL) {
        struct registry_image *r = LIST_ITEM(l, struct registry_image, link);
        fake_engine_free_text(r->pub.image);
        fake_engine_free_text(r->pub.message);
        fake_engine_free_text(r->pub.error);
        fake_engine_free_text(r->pub.registry_auth);
        free(r);
    }
}

static void free_counts(struct fake_engine *e)
{
    for (int i = 0; i <= FAKE_ENGINE_CALL_COUNT; i++) {
        free(e->counts[i].last_request);
        free(e->counts[i].last_body);
        free(e->counts[i].last_registry_auth);
    }
}

void fake_engine_free(struct fake_engine *e)
{
    if (e == NULL)
        return;
    wire_shut(e->wire, false);
    while (!list_is_empty(&e->open_calls))
        fake_engine_end_call(LIST_ITEM(e->open_calls.next, struct fake_call, link));
    wire_free(e->wire);
    fake_engine_clear_faults(e);
    tdestroy(e->containers_by_id, keep_item);
    tdestroy(e->containers_by_name, keep_item);
    tdestroy(e->starts_by_launch, free_start_count);
    struct list *l;
    while ((l = list_take_first(&e->containers)) != NULL)
        fake_engine_free_container(LIST_ITEM(l, struct container, link));
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        json_free(e->past[i].event);
    fake_engine_free_names(&e->images);
    fake_engine_free_names(&e->networks);
    free_registry(e);
    free_counts(e);
    if (e->folder != NULL)
        (void)rmdir(e->folder);
    free(e->folder);
    free(e->path);
    free(e->host);
    free(e->cursor);
    free(e->newest_api);
    free(e->oldest_api);
    free(e->podman_version);
    free(e);
}

const char *fake_engine_host(const struct fake_engine *e)
{
    return e->host;
}

void fake_engine_go_down(struct fake_engine *e, bool refused, bool containers_die)
{
    wire_shut(e->wire, refused);
    for (struct list *l = e->containers.next; containers_die && l != &e->containers; l = l->next) {
        struct container *c = LIST_ITEM(l, struct container, link);
        if (strcmp(c->pub.state, "running") == 0)
            fake_engine_exit_container(c, 137, false);
    }
}

void fake_engine_come_up(struct fake_engine *e)
{
    e->events_forgotten = e->events_made;
    wire_listen(e->wire);
}

void fake_engine_halt(struct fake_engine *e)
{
    wire_halt(e->wire);
}

void fake_engine_resume(struct fake_engine *e)
{
    wire_resume(e->wire);
}

int fake_engine_connections(const struct fake_engine *e)
{
    return wire_accepted(e->wire);
}

int fake_engine_open_connections(const struct fake_engine *e)
{
    return wire_open_connections(e->wire);
}

/* ---- counting ---- */

static void count_received(struct fake_engine *e, int kind, const struct wire_exchange *x)
{
    const int places[] = {kind, FAKE_ENGINE_ANY};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        struct kind_counts *c = &e->counts[places[i]];
        c->calls++;
        c->in_flight++;
        c->peak = c->in_flight > c->peak ? c->in_flight : c->peak;
        free(c->last_request);
        free(c->last_body);
        free(c->last_registry_auth);
        c->last_request = check_printf("%s %s", wire_method(x), wire_target(x));
        c->last_body = check_strdup(wire_body(x));
        const char *auth = wire_header(x, "X-Registry-Auth");
        c->last_registry_auth = check_strdup(auth == NULL ? "" : auth);
    }
}

void fake_engine_count_effect(struct fake_engine *e, int kind)
{
    e->counts[kind].effects++;
    e->counts[FAKE_ENGINE_ANY].effects++;
}

void fake_engine_end_call(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    e->counts[call->kind].in_flight--;
    e->counts[FAKE_ENGINE_ANY].in_flight--;
    timer_cancel(&call->timer);
    list_remove(&call->link);
    fake_engine_done_fault(&call->fault);
    free(call->subject);
    free(call->query);
    free(call->condition);
    free(call);
}

/* ---- requests ---- */

char *fake_engine_query(const struct fake_call *call, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = call->query; *at != '\0';) {
        size_t item_len = strcspn(at, "&");
        if (item_len > len && strncmp(at, key, len) == 0 && at[len] == '=') {
            char *AUTO_FREE value = check_printf("%.*s", (int)(item_len - len - 1), at + len + 1);
            return evhttp_uridecode(value, 1, NULL);
        }
        at += item_len;
        at += *at == '&';
    }
    return NULL;
}

struct route {
    const char *method;
    const char *front;
    const char *end;
    int kind;
};

static const struct route routes[] = {
    {"GET", "/_ping", "", FAKE_ENGINE_PING},
    {"POST", "/images/create", "", FAKE_ENGINE_PULL},
    {"GET", "/images/json", "", FAKE_ENGINE_IMAGE_LIST},
    {"GET", "/images/", "/json", FAKE_ENGINE_IMAGE_INSPECT},
    {"DELETE", "/images/", "", FAKE_ENGINE_IMAGE_REMOVE},
    {"POST", "/containers/create", "", FAKE_ENGINE_CREATE},
    {"GET", "/containers/json", "", FAKE_ENGINE_LIST},
    {"POST", "/networks/", "/connect", FAKE_ENGINE_NETWORK_CONNECT},
    {"POST", "/containers/", "/start", FAKE_ENGINE_START},
    {"GET", "/containers/", "/json", FAKE_ENGINE_INSPECT},
    {"POST", "/containers/", "/stop", FAKE_ENGINE_STOP},
    {"POST", "/containers/", "/kill", FAKE_ENGINE_KILL},
    {"POST", "/containers/", "/wait", FAKE_ENGINE_WAIT},
    {"GET", "/containers/", "/logs", FAKE_ENGINE_LOGS},
    {"DELETE", "/containers/", "", FAKE_ENGINE_REMOVE},
    {"GET", "/events", "", FAKE_ENGINE_EVENTS},
};

/* path: without version. Fronts without a slash at the end are whole paths. */
static int find_route(const char *method, const char *path, char **subject)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
        const struct route *r = &routes[i];
        size_t front = strlen(r->front);
        size_t end = strlen(r->end);
        bool is_whole = r->front[front - 1] != '/';
        if (strcmp(method, r->method) != 0 || strncmp(path, r->front, front) != 0)
            continue;
        if (is_whole ? len != front : len <= front + end || strcmp(path + len - end, r->end) != 0)
            continue;
        char *AUTO_FREE middle = check_printf("%.*s", (int)(len - front - end), path + front);
        *subject = is_whole ? check_strdup("") : evhttp_uridecode(middle, 0, NULL);
        return r->kind;
    }
    *subject = check_strdup("");
    return FAKE_ENGINE_OTHER;
}

static int minor_of(const char *version)
{
    return strncmp(version, "1.", 2) == 0 ? (int)strtol(version + 2, NULL, 10) : 0;
}

/* Answers and returns false if the engine doesn't speak this version. */
static bool check_version(struct fake_call *call, const char *version)
{
    const struct fake_engine *e = call->engine;
    if (version[0] == '\0' || e->newest_api == NULL)
        return true;
    if (minor_of(version) > minor_of(e->newest_api)) {
        fake_engine_answer_message(call, 400,
                                   "client version %s is too new. Maximum supported API version is %s",
                                   version, e->newest_api);
        return false;
    }
    if (minor_of(version) < minor_of(e->oldest_api)) {
        fake_engine_answer_message(
            call, 400,
            "client version %s is too old. Minimum supported API version is %s, please "
            "upgrade your client to a newer version",
            version, e->oldest_api);
        return false;
    }
    return true;
}

static bool is_about_launch(struct fake_call *call, const char *launch_id)
{
    if (launch_id == NULL)
        return true;
    if (call->kind == FAKE_ENGINE_CREATE)
        return strstr(wire_body(call->exchange), launch_id) != NULL;
    const struct container *c = fake_engine_find_container(call->engine, call->subject);
    return c != NULL && strcmp(c->pub.launch_id, launch_id) == 0;
}

static bool take_added_fault(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    struct fault_item *taken = NULL;
    for (struct list *l = e->faults.next; l != &e->faults; l = l->next) {
        struct fault_item *item = LIST_ITEM(l, struct fault_item, link);
        if ((int)item->pub.call != call->kind || !is_about_launch(call, item->pub.launch_id))
            continue;
        if (item->pub.nth > 1)
            item->pub.nth--;
        else if (taken == NULL)
            taken = item;
    }
    if (taken == NULL)
        return false;
    fake_engine_copy_fault(&call->fault, &taken->pub);
    if (taken->pub.nth == -1)
        return true;
    list_remove(&taken->link);
    fake_engine_done_fault(&taken->pub);
    free(taken);
    return true;
}

static void choose_fault(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    if (take_added_fault(call) || e->choose_fault == NULL)
        return;
    const struct container *c = fake_engine_find_container(e, call->subject);
    struct fake_fault fault = {0};
    if (e->choose_fault(e->choose_fault_arg, call->kind, c == NULL ? NULL : &c->pub, &fault))
        fake_engine_copy_fault(&call->fault, &fault);
}

static void on_client_gone(void *arg)
{
    struct fake_call *call = arg;
    if (call->state != CALL_STREAMING && call->state != CALL_PARKED)
        return; /* what was asked for is carried out all the same */
    fake_engine_drop(call);
}

void fake_engine_perform(struct fake_call *call)
{
    static void (*const perform[])(struct fake_call *) = {
        [FAKE_ENGINE_IMAGE_INSPECT] = fake_engine_do_image_inspect,
        [FAKE_ENGINE_IMAGE_LIST] = fake_engine_do_image_list,
        [FAKE_ENGINE_IMAGE_REMOVE] = fake_engine_do_image_remove,
        [FAKE_ENGINE_IMPORT] = fake_engine_do_import,
        [FAKE_ENGINE_PULL] = fake_engine_do_pull,
        [FAKE_ENGINE_CREATE] = fake_engine_do_create,
        [FAKE_ENGINE_NETWORK_CONNECT] = fake_engine_do_network_connect,
        [FAKE_ENGINE_START] = fake_engine_do_start,
        [FAKE_ENGINE_INSPECT] = fake_engine_do_inspect,
        [FAKE_ENGINE_LIST] = fake_engine_do_list,
        [FAKE_ENGINE_STOP] = fake_engine_do_stop,
        [FAKE_ENGINE_KILL] = fake_engine_do_kill,
        [FAKE_ENGINE_REMOVE] = fake_engine_do_remove,
        [FAKE_ENGINE_WAIT] = fake_engine_do_wait,
        [FAKE_ENGINE_EVENTS] = fake_engine_do_events,
        [FAKE_ENGINE_LOGS] = fake_engine_do_logs,
    };
    if (call->kind == FAKE_ENGINE_PING)
        fake_engine_answer(call, 200, "OK");
    else if (call->kind == FAKE_ENGINE_OTHER)
        fake_engine_answer_message(call, 404, "page not found");
    else
        perform[call->kind](call);
}

static void go_on(struct fake_call *call)
{
    if (call->fault.kind == FAKE_FAULT_STATUS) {
        int status = call->fault.status;
        fake_engine_answer_message(call, status, "%s",
                                   call->fault.message != NULL ? call->fault.message : "scripted failure");
    } else if (call->fault.kind == FAKE_FAULT_DROP_BEFORE) {
        fake_engine_drop(call);
    } else if (call->fault.kind == FAKE_FAULT_HOLD && !call->is_released) {
        call->state = CALL_HELD;
    } else {
        fake_engine_perform(call);
    }
}

static void on_delay_over(void *arg)
{
    go_on(arg);
}

static bool is_stream(int kind)
{
    return kind == FAKE_ENGINE_EVENTS || kind == FAKE_ENGINE_LOGS || kind == FAKE_ENGINE_WAIT ||
           kind == FAKE_ENGINE_PULL || kind == FAKE_ENGINE_IMPORT;
}

static void on_request(void *arg, struct wire_exchange *x)
{
    struct fake_engine *e = arg;
    struct fake_call *call = check_alloc(sizeof(*call));
    const char *target = wire_target(x);
    char *AUTO_FREE path = check_printf("%.*s", (int)strcspn(target, "?"), target);
    char version[16] = "";
    const char *rest = path;
    if (sscanf(path, "/v%15[0-9.]", version) == 1)
        rest = path + 2 + strlen(version);
    list_init(&call->link);
    call->engine = e;
    call->exchange = x;
    call->number = ++e->last_number;
    call->kind = find_route(wire_method(x), rest, &call->subject);
    call->query = check_strdup(target[strlen(path)] == '?' ? target + strlen(path) + 1 : "");
    if (call->kind == FAKE_ENGINE_PULL && strncmp(call->query, "fromSrc=", 8) == 0)
        call->kind = FAKE_ENGINE_IMPORT;
    list_add_last(&e->open_calls, &call->link);
    count_received(e, call->kind, x);
    wire_on_gone(x, on_client_gone, call);
    if (!check_version(call, version))
        return;
    choose_fault(call);
    int64_t delay_ms = call->fault.delay_ms;
    if (e->latency != NULL && !is_stream(call->kind))
        delay_ms += e->latency(e->latency_arg, call->kind, e->counts[call->kind].in_flight);
    if (delay_ms <= 0) {
        go_on(call);
        return;
    }
    call->state = CALL_DELAYED;
    timer_start(e->timers, &call->timer, delay_ms, on_delay_over, call);
}
