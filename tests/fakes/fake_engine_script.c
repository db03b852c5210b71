/*
 * fake_engine_script.c - what tests set, do and count. See fake_engine.h.
 */
#include "tests/fakes/fake_engine_internal.h"

#include <stdio.h>
#include <string.h>

const char *fake_engine_call_name(int call)
{
    static const char *const names[] = {
#define X(name) #name,
        FAKE_ENGINE_CALLS(X)
#undef X
            "ANY"};
    CHECK(call >= 0 && call <= FAKE_ENGINE_CALL_COUNT);
    return names[call];
}

void fake_engine_set_api_version(struct fake_engine *e, const char *newest, const char *oldest)
{
    free(e->newest_api);
    free(e->oldest_api);
    e->newest_api = check_strdup_or_null(newest);
    e->oldest_api = check_strdup(oldest != NULL ? oldest : "1.12");
}

void fake_engine_be_podman(struct fake_engine *e, const char *version)
{
    free(e->podman_version);
    e->podman_version = check_strdup_or_null(version);
}

/* ---- registries, networks ---- */

void fake_engine_add_registry_image(struct fake_engine *e, const struct fake_registry_image *image)
{
    struct registry_image *r = check_alloc(sizeof(*r));
    r->pub = *image;
    r->pub.image = fake_engine_full_image_name(image->image);
    r->pub.message = check_strdup_or_null(image->message);
    r->pub.error = check_strdup_or_null(image->error);
    r->pub.registry_auth = check_strdup_or_null(image->registry_auth);
    /* In front of an older one, which a running pull may still point to. */
    list_add_last(e->registry.next, &r->link);
}

void fake_engine_add_network(struct fake_engine *e, const char *network)
{
    if (fake_engine_find_name(&e->networks, network) == NULL)
        fake_engine_add_name(&e->networks, network);
}

/* ---- containers ---- */

void fake_engine_set_program(struct fake_engine *e, const struct fake_program *program)
{
    e->program = *program;
}

void fake_engine_choose_program(struct fake_engine *e, fake_program_fn fn, void *arg)
{
    e->choose_program = fn;
    e->choose_program_arg = arg;
}

static struct container *find_any(struct fake_engine *e, const char *what)
{
    struct container *c = fake_engine_find_container(e, what);
    if (c != NULL)
        return c;
    for (struct list *l = e->containers.prev; l != &e->containers; l = l->prev) {
        c = LIST_ITEM(l, struct container, link);
        if (what[0] != '\0' && strcmp(c->pub.launch_id, what) == 0)
            return c;
    }
    return NULL;
}

const struct fake_container *fake_engine_find(struct fake_engine *e, const char *what)
{
    const struct container *c = find_any(e, what);
    return c == NULL ? NULL : &c->pub;
}

size_t fake_engine_container_count(const struct fake_engine *e)
{
    return e->container_count;
}

const struct fake_container *fake_engine_container_at(const struct fake_engine *e, size_t index)
{
    CHECK(index < e->container_count);
    struct container_cursor *at = e->cursor;
    if (at->link == NULL || at->index > index)
        *at = (struct container_cursor){.link = e->containers.next};
    for (; at->index < index; at->index++)
        at->link = at->link->next;
    return &LIST_ITEM(at->link, struct container, link)->pub;
}

const struct fake_container *fake_engine_create(struct fake_engine *e, const char *name, const char *body)
{
    struct container *c = NULL;
    char *AUTO_FREE message = NULL;
    (void)fake_engine_create_container(e, name, body, &c, &message);
    return c == NULL ? NULL : &c->pub;
}

static struct container *find_running(struct fake_engine *e, const char *what)
{
    struct container *c = find_any(e, what);
    return c != NULL && strcmp(c->pub.state, "running") == 0 ? c : NULL;
}

bool fake_engine_exit(struct fake_engine *e, const char *what, int exit_code)
{
    struct container *c = find_running(e, what);
    if (c != NULL)
        fake_engine_exit_container(c, exit_code, false);
    return c != NULL;
}

bool fake_engine_oom(struct fake_engine *e, const char *what)
{
    struct container *c = find_running(e, what);
    if (c != NULL)
        fake_engine_exit_container(c, 137, true);
    return c != NULL;
}

bool fake_engine_remove(struct fake_engine *e, const char *what)
{
    struct container *c = find_any(e, what);
    if (c != NULL)
        fake_engine_remove_container(c);
    return c != NULL;
}

bool fake_engine_write(struct fake_engine *e, const char *what, int stream, const char *text)
{
    return fake_engine_write_bytes(e, what, stream, text, strlen(text));
}

bool fake_engine_write_bytes(struct fake_engine *e, const char *what, int stream, const char *data,
                             size_t len)
{
    struct container *c = find_any(e, what);
    if (c == NULL)
        return false;
    struct output *output = check_alloc(sizeof(*output));
    output->stream = stream;
    output->time_ns = fake_engine_wall_ms(e) * 1000000 + (int64_t)(e->outputs_made++ % 1000000);
    output->text = check_alloc(len + 1);
    output->len = len;
    memcpy(output->text, data, len);
    list_add_last(&c->outputs, &output->link);
    fake_engine_tell_output(c, output);
    if (e->forgets_output) {
        list_remove(&output->link);
        free(output->text);
        free(output);
    }
    return true;
}

void fake_engine_forget_output(struct fake_engine *e)
{
    e->forgets_output = true;
}

/* ---- counts ---- */

static const struct kind_counts *counts_of(const struct fake_engine *e, int call)
{
    CHECK(call >= 0 && call <= FAKE_ENGINE_CALL_COUNT);
    return &e->counts[call];
}

int fake_engine_calls(const struct fake_engine *e, int call)
{
    return counts_of(e, call)->calls;
}

int fake_engine_effects(const struct fake_engine *e, int call)
{
    return counts_of(e, call)->effects;
}

int fake_engine_in_flight(const struct fake_engine *e, int call)
{
    return counts_of(e, call)->in_flight;
}

int fake_engine_peak(const struct fake_engine *e, int call)
{
    return counts_of(e, call)->peak;
}

void fake_engine_reset_counts(struct fake_engine *e)
{
    for (int i = 0; i <= FAKE_ENGINE_CALL_COUNT; i++) {
        e->counts[i].calls = 0;
        e->counts[i].effects = 0;
        e->counts[i].peak = e->counts[i].in_flight;
    }
}

int fake_engine_max_starts(const struct fake_engine *e)
{
    return e->max_starts;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

const char *fake_engine_last_request(const struct fake_engine *e, int call)
{
    return or_empty(counts_of(e, call)->last_request);
}

const char *fake_engine_last_body(const struct fake_engine *e, int call)
{
    return or_empty(counts_of(e, call)->last_body);
}

const char *fake_engine_last_registry_auth(const struct fake_engine *e, int call)
{
    return or_empty(counts_of(e, call)->last_registry_auth);
}

/* ---- time and faults ---- */

void fake_engine_set_wall_offset_ms(struct fake_engine *e, int64_t offset_ms)
{
    e->wall_offset_ms = offset_ms;
}

void fake_engine_set_latency(struct fake_engine *e, fake_latency_fn fn, void *arg)
{
    e->latency = fn;
    e->latency_arg = arg;
}

void fake_engine_set_pull_rate(struct fake_engine *e, fake_pull_rate_fn fn, void *arg)
{
    e->pull_rate = fn;
    e->pull_rate_arg = arg;
}

void fake_engine_add_fault(struct fake_engine *e, const struct fake_fault *fault)
{
    struct fault_item *item = check_alloc(sizeof(*item));
    fake_engine_copy_fault(&item->pub, fault);
    list_add_last(&e->faults, &item->link);
}

void fake_engine_clear_faults(struct fake_engine *e)
{
    struct list *l;
    while ((l = list_take_first(&e->faults)) != NULL) {
        struct fault_item *item = LIST_ITEM(l, struct fault_item, link);
        fake_engine_done_fault(&item->pub);
        free(item);
    }
}

void fake_engine_choose_fault(struct fake_engine *e, fake_fault_fn fn, void *arg)
{
    e->choose_fault = fn;
    e->choose_fault_arg = arg;
}

static struct fake_call *first_held(const struct fake_engine *e, int kind)
{
    for (struct list *l = e->open_calls.next; l != &e->open_calls; l = l->next) {
        struct fake_call *call = LIST_ITEM(l, struct fake_call, link);
        if (call->state == CALL_HELD && (kind == FAKE_ENGINE_ANY || call->kind == kind))
            return call;
    }
    return NULL;
}

int fake_engine_release(struct fake_engine *e, int call)
{
    int released = 0;
    struct fake_call *held;
    while ((held = first_held(e, call)) != NULL) {
        held->is_released = true;
        held->state = CALL_NEW;
        released++;
        fake_engine_perform(held);
    }
    return released;
}

int fake_engine_held(const struct fake_engine *e, int call)
{
    int held = 0;
    for (struct list *l = e->open_calls.next; l != &e->open_calls; l = l->next) {
        const struct fake_call *c = LIST_ITEM(l, struct fake_call, link);
        held += c->state == CALL_HELD && (call == FAKE_ENGINE_ANY || c->kind == call);
    }
    return held;
}
