/* engine_world.c - see engine_world.h. */
#include "tests/fakes/engine_world.h"

#include "tests/support/turn.h"

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void turn(void *arg)
{
    engine_world_turn(arg);
}

int engine_world_setup(void **state)
{
    struct engine_world *w = check_alloc(sizeof(*w));
    struct err err;
    w->base = event_base_new();
    CHECK(w->base != NULL);
    fake_clock_init(&w->clock);
    w->clock.after_timers = turn;
    w->clock.after_timers_arg = w;
    w->timers = timers_new(fake_clock_clock(&w->clock));
    w->fake = fake_engine_new(w->base, w->timers, NULL);
    fake_engine_add_image(w->fake, "busybox");
    fake_engine_add_network(w->fake, "net1");
    fake_engine_set_program(w->fake, &(struct fake_program){.run_ms = -1});
    CHECK(http_new(w->base, w->timers, &(struct http_settings){.proxy = ""}, &w->http, &err) == 0);
    engine_world_reconnect(w, NULL);
    *state = w;
    return 0;
}

int engine_world_teardown(void **state)
{
    struct engine_world *w = *state;
    engine_free(w->engine);
    http_free(w->http);
    fake_engine_free(w->fake);
    CHECK(timers_next_ms(w->timers) == -1); /* nobody left a timer behind */
    timers_free(w->timers);
    event_base_free(w->base);
    free(w);
    return 0;
}

void engine_world_reconnect(struct engine_world *w, const char *api_version)
{
    struct err err;
    struct engine_settings settings = {.host = fake_engine_host(w->fake), .api_version = api_version};
    engine_free(w->engine);
    CHECK(engine_new(w->http, w->timers, &settings, &w->engine, &err) == 0);
}

void engine_world_turn(struct engine_world *w)
{
    turn_until_quiet(w->base, w->http);
}

void engine_world_advance(struct engine_world *w, int64_t ms)
{
    engine_world_turn(w);
    fake_clock_advance(&w->clock, w->timers, ms);
    engine_world_turn(w);
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void note_container(struct noted *n, const struct engine_container *c)
{
    n->state = c->state;
    n->exit_code = c->exit_code;
    copy(n->container_id, sizeof(n->container_id), c->id);
    copy(n->name, sizeof(n->name), c->name);
    copy(n->launch_id, sizeof(n->launch_id), c->launch_id);
    copy(n->error, sizeof(n->error), c->error);
}

void noted_on_done(void *arg, const struct engine_reply *reply)
{
    struct noted *n = arg;
    n->done++;
    n->call = NULL;
    n->has_failed = reply->failure != NULL;
    if (reply->failure != NULL)
        n->failure = *reply->failure;
    n->status = reply->status;
    n->was_already = reply->was_already;
    n->took_ms = reply->took_ms;
    n->downloaded_bytes = reply->downloaded_bytes;
    n->count = reply->count;
    copy(n->container_id, sizeof(n->container_id), reply->container_id);
    copy(n->image_id, sizeof(n->image_id), reply->image_id);
    if (reply->image_ids != NULL && reply->count > 0)
        copy(n->image_id, sizeof(n->image_id), reply->image_ids[0]);
    copy(n->version, sizeof(n->version), reply->version);
    copy(n->api_version, sizeof(n->api_version), reply->api_version);
    copy(n->warning, sizeof(n->warning), reply->warning);
    if (reply->containers != NULL && reply->count > 0)
        note_container(n, &reply->containers[0]);
}

static void cancel_if_asked(struct noted *n)
{
    if (!n->cancels)
        return;
    n->cancels = false;
    engine_cancel(n->call);
    n->call = NULL;
}

void noted_on_open(void *arg)
{
    struct noted *n = arg;
    n->opened++;
    cancel_if_asked(n);
}

bool noted_on_event(void *arg, const struct engine_event *event)
{
    struct noted *n = arg;
    size_t len = strlen(n->event_text);
    n->events++;
    snprintf(n->event_text + len, sizeof(n->event_text) - len, "%s %s %.6s %s;", event->type, event->action,
             event->id, event->launch_id);
    cancel_if_asked(n);
    return !n->stops_events;
}

void noted_on_output(void *arg, int stream, const char *data, size_t len)
{
    struct noted *n = arg;
    size_t used = strlen(n->output_text);
    snprintf(n->output_text + used, sizeof(n->output_text) - used, "%d:%.*s", stream, (int)len, data);
    cancel_if_asked(n);
}

static int start_kind(struct engine_world *w, int kind, struct noted *n, struct err *err)
{
    struct engine *e = w->engine;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    switch (kind) {
    case FAKE_ENGINE_PING:
        return engine_ping(e, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_IMAGE_INSPECT:
        return engine_image_inspect(e, "busybox", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_IMAGE_LIST:
        return engine_image_list(e, "io.sluice.tune=t1", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_IMAGE_REMOVE:
        return engine_image_remove(e, "busybox", true, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_IMPORT:
        return engine_image_import(e, &ENGINE_WORLD_IMPORT, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_PULL:
        return engine_pull(e, "busybox", NULL, NULL, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_CREATE:
        return engine_create(e, "c1", NULL, ENGINE_WORLD_BODY, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_NETWORK_CONNECT:
        return engine_network_connect(e, "net1", "c1", "{\"Aliases\":[\"a\"]}", &c, noted_on_done, n,
                                      &n->call, err);
    case FAKE_ENGINE_START:
        return engine_start(e, "c1", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_INSPECT:
        return engine_inspect(e, "c1", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_LIST:
        return engine_list(e, "io.sluice.instance=i1", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_STOP:
        return engine_stop(e, "c1", 2500, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_KILL:
        return engine_kill(e, "c1", "SIGKILL", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_REMOVE:
        return engine_remove(e, "c1", true, &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_WAIT:
        return engine_wait(e, "c1", &c, noted_on_done, n, &n->call, err);
    case FAKE_ENGINE_EVENTS:
        return engine_events(e, NULL, 0, 0, noted_on_open, noted_on_event, &c, noted_on_done, n, &n->call,
                             err);
    case FAKE_ENGINE_LOGS:
        return engine_logs(e, "c1", false, 0, &n->log, 0, noted_on_output, &c, noted_on_done, n, &n->call,
                           err);
    default:
        UNREACHABLE();
    }
}

void engine_world_start(struct engine_world *w, int kind, struct noted *noted)
{
    struct err err;
    *noted = (struct noted){.stops_events = noted->stops_events, .cancels = noted->cancels};
    CHECK(start_kind(w, kind, noted, &err) == 0);
    CHECK(noted->done == 0); /* never before the start has returned */
}

void engine_world_call(struct engine_world *w, int kind, struct noted *noted)
{
    engine_world_start(w, kind, noted);
    engine_world_turn(w);
}

const struct fake_container *engine_world_make(struct engine_world *w, bool is_running)
{
    const struct fake_container *c = fake_engine_create(w->fake, "c1", ENGINE_WORLD_BODY);
    CHECK(c != NULL);
    if (!is_running)
        return c;
    struct noted noted = {0};
    engine_world_call(w, FAKE_ENGINE_START, &noted);
    CHECK(noted.done == 1 && !noted.has_failed);
    fake_engine_reset_counts(w->fake);
    return c;
}

void noted_assert_refused(const struct noted *n, int status, const char *message)
{
    assert_int_equal(n->done, 1);
    assert_true(n->has_failed);
    assert_int_equal(n->failure.status, status);
    assert_int_equal(n->failure.transport, TRANSPORT_NONE);
    assert_true(n->failure.sent);
    assert_string_equal(n->failure.message, message);
    assert_int_equal(n->failure.retry_after_ms, -1);
    assert_int_equal(n->status, status);
}

void noted_assert_fine(const struct noted *n)
{
    if (n->has_failed)
        fail_msg("failed: %d %d %s", n->failure.status, (int)n->failure.transport, n->failure.message);
    assert_int_equal(n->done, 1);
}

bool engine_world_changes(int kind)
{
    return kind == FAKE_ENGINE_CREATE || kind == FAKE_ENGINE_START || kind == FAKE_ENGINE_NETWORK_CONNECT;
}

void engine_world_prepare(struct engine_world *w, int kind)
{
    struct noted n = {0};
    fake_engine_remove(w->fake, "c1");
    fake_engine_add_image(w->fake, "busybox"); /* a removal may have gone before */
    fake_engine_add_registry_image(w->fake, &(struct fake_registry_image){.image = "busybox"});
    if (kind != FAKE_ENGINE_CREATE)
        engine_world_make(w, kind == FAKE_ENGINE_KILL || kind == FAKE_ENGINE_STOP);
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    fake_engine_reset_counts(w->fake);
}

void engine_world_assert_failed_once(const struct engine_world *w, int kind, const struct noted *n)
{
    if (n->done != 1 || !n->has_failed || fake_engine_calls(w->fake, kind) != 1)
        fail_msg("%s: done %d, failed %d, requests %d", fake_engine_call_name(kind), n->done, n->has_failed,
                 fake_engine_calls(w->fake, kind));
    assert_true(n->failure.sent);
    assert_int_equal(n->failure.changes, engine_world_changes(kind));
    assert_true(n->failure.message[0] != '\0');
}
