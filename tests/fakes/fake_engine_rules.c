/*
 * fake_engine_rules.c - images, containers and networks: find, create, connect, look; in the real engine's
 * words, recorded from Docker 20.10.24. Connecting a created container to a network that doesn't exist is 200
 * there, too: only its start fails.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <search.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- finding ---- */

static int compare_ids(const void *a, const void *b)
{
    const struct container *x = a;
    const struct container *y = b;
    return strcmp(x->pub.id, y->pub.id);
}

static int compare_names(const void *a, const void *b)
{
    const struct container *x = a;
    const struct container *y = b;
    return strcmp(x->pub.name, y->pub.name);
}

static struct container *find_in(void *const *tree, const struct container *key,
                                 int (*compare)(const void *, const void *))
{
    void *node = tfind(key, tree, compare);
    return node == NULL ? NULL : *(struct container **)node;
}

struct container *fake_engine_find_container(struct fake_engine *e, const char *ref)
{
    const char *name = ref[0] == '/' ? ref + 1 : ref;
    const struct container key = {.pub = {.id = name, .name = name}};
    struct container *found = find_in(&e->containers_by_id, &key, compare_ids);
    if (found == NULL)
        found = find_in(&e->containers_by_name, &key, compare_names);
    size_t len = strlen(name);
    if (found != NULL || len < 12 || strspn(name, "0123456789abcdef") != len)
        return found;
    for (struct list *l = e->containers.next; l != &e->containers; l = l->next) {
        struct container *c = LIST_ITEM(l, struct container, link);
        if (strncmp(c->pub.id, name, len) == 0)
            return c;
    }
    return NULL;
}

/* The call's container, or a 404 that ends the call. */
struct container *fake_engine_subject(struct fake_call *call)
{
    struct container *c = fake_engine_find_container(call->engine, call->subject);
    if (c == NULL)
        fake_engine_answer_message(call, 404, "No such container: %s", call->subject);
    return c;
}

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

char *fake_engine_make_id(uint64_t seed)
{
    return check_printf("%016llx%016llx%016llx%016llx", (unsigned long long)mix(seed * 4),
                        (unsigned long long)mix(seed * 4 + 1), (unsigned long long)mix(seed * 4 + 2),
                        (unsigned long long)mix(seed * 4 + 3));
}

bool fake_engine_is_running(const struct container *c)
{
    return strcmp(c->pub.state, "running") == 0;
}

/* ---- create ---- */

static int refuse(char **message, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int refuse(char **message, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    CHECK(vasprintf(message, fmt, ap) >= 0);
    va_end(ap);
    return status;
}

static bool is_name(const char *name)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char later[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return strlen(name) >= 2 && strchr(first, name[0]) != NULL && strspn(name, later) == strlen(name);
}

static char *join_command(const struct json *command)
{
    struct buf b;
    struct err err;
    buf_init(&b, 65536);
    if (json_text(command, NULL) != NULL)
        CHECK(buf_add_str(&b, json_text(command, ""), &err) == 0);
    for (const struct json *word = json_first(command); word != NULL; word = json_next(word))
        CHECK(buf_printf(&b, &err, "%s%s", b.len > 0 ? " " : "", json_text(word, "")) == 0);
    return buf_take(&b);
}

static void read_networks(struct container *c)
{
    const struct json *mode = json_get(json_get(c->body, "HostConfig"), "NetworkMode");
    const struct json *endpoints = json_get(json_get(c->body, "NetworkingConfig"), "EndpointsConfig");
    const char *first = json_text(mode, "default");
    fake_engine_add_name(&c->networks, strcmp(first, "default") == 0 || first[0] == '\0' ? "bridge" : first);
    for (const struct json *n = json_first(endpoints); n != NULL; n = json_next(n))
        if (fake_engine_find_name(&c->networks, json_key(n)) == NULL)
            fake_engine_add_name(&c->networks, json_key(n));
}

static struct container *make_container(struct fake_engine *e, const char *name, const char *body_text,
                                        struct json *take_body)
{
    const struct json *labels = json_get(take_body, "Labels");
    struct container *c = check_alloc(sizeof(*c));
    *c = (struct container){.engine = e, .body = take_body};
    list_init(&c->networks);
    list_init(&c->outputs);
    c->pub.id = fake_engine_make_id(++e->ids_made);
    c->pub.name =
        name[0] != '\0' ? check_strdup(name) : check_printf("fake_%llu", (unsigned long long)e->ids_made);
    c->pub.image = check_strdup(json_get_text(take_body, "Image", ""));
    c->pub.launch_id = check_strdup(json_get_text(labels, "io.sluice.launch", ""));
    c->pub.flow_run_id = check_strdup(json_get_text(labels, "io.prefect.flow-run-id", ""));
    c->pub.command = join_command(json_get(take_body, "Cmd"));
    c->pub.create_body = check_strdup(body_text);
    c->pub.state = "created";
    c->pub.error = check_strdup("");
    c->pub.tty = json_get_bool(take_body, "Tty", false);
    c->pub.created_at_ms = fake_engine_wall_ms(e);
    read_networks(c);
    CHECK(tsearch(c, &e->containers_by_id, compare_ids) != NULL);
    CHECK(tsearch(c, &e->containers_by_name, compare_names) != NULL);
    list_add_last(&e->containers, &c->link);
    e->container_count++;
    return c;
}

/* Podman looks for the network when the container is made. 201: it has nothing against it. */
static int refuse_as_podman(const struct fake_engine *e, const char *name, const struct json *body,
                            const struct container *holder, char **message)
{
    const char *mode = json_get_text(json_get(body, "HostConfig"), "NetworkMode", "default");
    bool is_built_in = strcmp(mode, "default") == 0 || strcmp(mode, "host") == 0 || strcmp(mode, "none") == 0;
    if (holder != NULL)
        return refuse(
            message, 500,
            "container create: creating container storage: the container name \"%s\" is already in use "
            "by %s. You have to remove that container to be able to reuse that name: that name is "
            "already in use",
            name, holder->pub.id);
    if (!is_built_in && fake_engine_find_name(&e->networks, mode) == NULL)
        return refuse(message, 500,
                      "container create: unable to find network with name or ID %s: network not found", mode);
    return 201;
}

int fake_engine_create_container(struct fake_engine *e, const char *name, const char *body,
                                 struct container **made, char **message)
{
    struct json *json = NULL;
    struct err err;
    if (json_parse(body, strlen(body), &json, &err) != 0)
        return refuse(message, 500, "unexpected EOF");
    char *AUTO_FREE full = fake_engine_full_image_name(json_get_text(json, "Image", ""));
    char *AUTO_FREE command = join_command(json_get(json, "Cmd"));
    char *AUTO_FREE entrypoint = join_command(json_get(json, "Entrypoint"));
    const struct container key = {.pub = {.name = name}};
    const struct container *holder = find_in(&e->containers_by_name, &key, compare_names);
    bool is_podman = e->podman_version != NULL;
    int status = 201;
    if (fake_engine_find_name(&e->images, full) == NULL)
        status = refuse(message, 404, "No such image: %s", full);
    else if (is_podman)
        status = refuse_as_podman(e, name, json, holder, message);
    else if (command[0] == '\0' && entrypoint[0] == '\0')
        status = refuse(message, 400, "No command specified");
    else if (name[0] != '\0' && !is_name(name))
        status = refuse(message, 400,
                        "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
    else if (holder != NULL)
        status =
            refuse(message, 409,
                   "Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to "
                   "remove (or rename) that container to be able to reuse that name.",
                   name, holder->pub.id);
    if (status != 201) {
        json_free(json);
        return status;
    }
    *made = make_container(e, name, body, json);
    fake_engine_count_effect(e, FAKE_ENGINE_CREATE);
    fake_engine_emit(e, "container", "create", NULL, *made, NULL);
    return 201;
}

void fake_engine_do_create(struct fake_call *call)
{
    char *AUTO_FREE name = fake_engine_query(call, "name");
    char *AUTO_FREE message = NULL;
    struct container *c = NULL;
    int status = fake_engine_create_container(call->engine, name != NULL ? name : "",
                                              wire_body(call->exchange), &c, &message);
    if (c == NULL) {
        fake_engine_answer_message(call, status, "%s", message);
        return;
    }
    char *AUTO_FREE body = check_printf("{\"Id\":\"%s\",\"Warnings\":[]}\n", c->pub.id);
    fake_engine_answer(call, status, body);
}

void fake_engine_free_container(struct container *c)
{
    timer_cancel(&c->end_timer);
    timer_cancel(&c->term_timer);
    json_free(c->body);
    fake_engine_free_names(&c->networks);
    struct list *l;
    while ((l = list_take_first(&c->outputs)) != NULL) {
        struct output *o = LIST_ITEM(l, struct output, link);
        free(o->text);
        free(o);
    }
    fake_engine_free_text(c->pub.id);
    fake_engine_free_text(c->pub.name);
    fake_engine_free_text(c->pub.image);
    fake_engine_free_text(c->pub.launch_id);
    fake_engine_free_text(c->pub.flow_run_id);
    fake_engine_free_text(c->pub.command);
    fake_engine_free_text(c->pub.create_body);
    fake_engine_free_text(c->pub.error);
    free(c);
}

void fake_engine_forget_container(struct container *c)
{
    struct fake_engine *e = c->engine;
    list_remove(&c->link);
    e->cursor->link = NULL;
    e->container_count--;
    tdelete(c, &e->containers_by_id, compare_ids);
    tdelete(c, &e->containers_by_name, compare_names);
    fake_engine_free_container(c);
}

void fake_engine_do_network_connect(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    struct json *body = NULL;
    struct err err;
    const char *text = wire_body(call->exchange);
    if (json_parse(text, strlen(text), &body, &err) != 0) {
        fake_engine_answer_message(call, 400, "invalid JSON");
        return;
    }
    char *AUTO_FREE ref = check_strdup(json_get_text(body, "Container", ""));
    json_free(body);
    struct container *c = fake_engine_find_container(e, ref);
    bool is_known = fake_engine_find_name(&e->networks, call->subject) != NULL;
    if (c == NULL) {
        fake_engine_answer_message(call, 404, "No such container: %s", ref);
    } else if (fake_engine_is_running(c) && !is_known) {
        fake_engine_answer_message(call, 404, "network %s not found", call->subject);
    } else if (is_known && fake_engine_find_name(&c->networks, "host") != NULL) {
        fake_engine_answer_message(
            call, 400,
            "container sharing network namespace with another container or host cannot be "
            "connected to any other network");
    } else if (fake_engine_is_running(c) && fake_engine_find_name(&c->networks, call->subject) != NULL) {
        fake_engine_answer_message(call, 403, "endpoint with name %s already exists in network %s",
                                   c->pub.name, call->subject);
    } else {
        if (fake_engine_find_name(&c->networks, call->subject) == NULL) {
            fake_engine_add_name(&c->networks, call->subject);
            fake_engine_count_effect(e, FAKE_ENGINE_NETWORK_CONNECT);
        }
        fake_engine_answer(call, 200, "");
    }
}

/* ---- looks ---- */

static void set_time(struct json *object, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT_SIZE] = "0001-01-01T00:00:00Z";
    if (wall_ms != 0)
        clock_format(wall_ms, text);
    json_set_text(object, key, text);
}

static struct json *describe_state(const struct container *c)
{
    struct json *state = json_new_object();
    json_set_text(state, "Status", c->pub.state);
    json_set_bool(state, "Running", fake_engine_is_running(c));
    json_set_bool(state, "Paused", false);
    json_set_bool(state, "Restarting", false);
    json_set_bool(state, "OOMKilled", c->pub.oom_killed);
    json_set_bool(state, "Dead", false);
    json_set_int(state, "Pid", fake_engine_is_running(c) ? 4242 : 0);
    json_set_int(state, "ExitCode", c->pub.exit_code);
    json_set_text(state, "Error", c->pub.error);
    set_time(state, "StartedAt", c->pub.started_at_ms);
    set_time(state, "FinishedAt", c->pub.finished_at_ms);
    return state;
}

static struct json *copy_labels(const struct container *c)
{
    const struct json *labels = json_get(c->body, "Labels");
    return labels != NULL && json_kind(labels) == JSON_OBJECT ? json_copy(labels) : json_new_object();
}

void fake_engine_do_inspect(struct fake_call *call)
{
    struct container *c = fake_engine_subject(call);
    if (c == NULL)
        return;
    char *AUTO_FREE name = check_printf("/%s", c->pub.name);
    char *AUTO_FREE full = fake_engine_full_image_name(c->pub.image);
    char *AUTO_FREE image = fake_engine_image_id(full);
    struct json *config = json_new_object();
    json_set_bool(config, "Tty", c->pub.tty);
    json_set_text(config, "Image", c->pub.image);
    json_take_set(config, "Labels", copy_labels(c));
    struct json *answer = json_new_object();
    json_set_text(answer, "Id", c->pub.id);
    set_time(answer, "Created", c->pub.created_at_ms);
    json_take_set(answer, "State", describe_state(c));
    json_set_text(answer, "Image", image);
    json_set_text(answer, "Name", name);
    json_take_set(answer, "Config", config);
    fake_engine_answer_json(call, 200, answer);
}

/* Every "KEY=VALUE" or "KEY" of the label filter holds. */
static bool has_labels(const struct container *c, const struct json *wanted)
{
    const struct json *labels = json_get(c->body, "Labels");
    for (const struct json *w = json_first(wanted); w != NULL; w = json_next(w)) {
        const char *text = json_text(w, "");
        const char *equals = strchr(text, '=');
        char *AUTO_FREE key =
            check_printf("%.*s", equals == NULL ? (int)strlen(text) : (int)(equals - text), text);
        const char *value = json_get_text(labels, key, NULL);
        if (value == NULL || (equals != NULL && strcmp(value, equals + 1) != 0))
            return false;
    }
    return true;
}

static struct json *describe_item(const struct container *c)
{
    struct json *item = json_new_object();
    struct json *names = json_new_array();
    char *AUTO_FREE name = check_printf("/%s", c->pub.name);
    json_take_add(names, json_new_text(name));
    json_set_text(item, "Id", c->pub.id);
    json_take_set(item, "Names", names);
    json_set_text(item, "Image", c->pub.image);
    json_set_text(item, "Command", c->pub.command);
    json_set_int(item, "Created", c->pub.created_at_ms / 1000);
    json_take_set(item, "Labels", copy_labels(c));
    json_set_text(item, "State", c->pub.state);
    return item;
}

bool fake_engine_read_filters(struct fake_call *call, struct json **filters)
{
    char *AUTO_FREE text = fake_engine_query(call, "filters");
    struct err err;
    if (text == NULL || json_parse(text, strlen(text), filters, &err) == 0)
        return true;
    fake_engine_answer_message(call, 500, "unexpected end of JSON input");
    return false;
}

void fake_engine_do_list(struct fake_call *call)
{
    struct fake_engine *e = call->engine;
    char *AUTO_FREE all = fake_engine_query(call, "all");
    struct json *filters = NULL;
    if (!fake_engine_read_filters(call, &filters))
        return;
    struct json *answer = json_new_array();
    for (struct list *l = e->containers.prev; l != &e->containers; l = l->prev) { /* newest first */
        const struct container *c = LIST_ITEM(l, struct container, link);
        if ((all != NULL || fake_engine_is_running(c)) && has_labels(c, json_get(filters, "label")))
            json_take_add(answer, describe_item(c));
    }
    json_free(filters);
    fake_engine_answer_json(call, 200, answer);
}
