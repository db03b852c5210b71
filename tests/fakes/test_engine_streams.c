/*
 * What the engine sends piece by piece: pulls, events, logs; and ending a call from any place.
 */
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- pull ---- */

static void test_pull(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    const struct http_clocks c = {.inactivity_ms = 5000};
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){
                     .image = "h:5000/a/b:1.2", .took_ms = 40000, .lines = 10, .bytes = 5000});
    assert_int_equal(engine_pull(w->engine, "h:5000/a/b:1.2", "linux/amd64", "c2VjcmV0", &c, noted_on_done,
                                 &n, NULL, &err),
                     0);
    engine_world_advance(w, 39999); /* each line of progress is activity */
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    noted_assert_fine(&n);
    assert_int_equal(n.downloaded_bytes, 5000);
    assert_true(fake_engine_has_image(w->fake, "h:5000/a/b:1.2"));
    assert_string_equal(
        fake_engine_last_request(w->fake, FAKE_ENGINE_PULL),
        "POST /v1.41/images/create?fromImage=h%3A5000%2Fa%2Fb&tag=1.2&platform=linux%2Famd64");
    assert_string_equal(fake_engine_last_registry_auth(w->fake, FAKE_ENGINE_PULL), "c2VjcmV0");
}

static void test_pull_names(void **state)
{
    struct engine_world *w = *state;
    static const char *const cases[][2] = {
        {"busybox", "fromImage=busybox&tag=latest"},
        {"busybox:1", "fromImage=busybox&tag=1"},
        {"a/b@sha256:12", "fromImage=a%2Fb&tag=sha256%3A12"},
        {"a:1@sha256:12", "fromImage=a&tag=sha256%3A12"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct noted n = {0};
        struct err err;
        const struct http_clocks c = ENGINE_WORLD_CLOCKS;
        assert_int_equal(engine_pull(w->engine, cases[i][0], NULL, NULL, &c, noted_on_done, &n, NULL, &err),
                         0);
        engine_world_turn(w);
        assert_non_null(strstr(fake_engine_last_request(w->fake, FAKE_ENGINE_PULL), cases[i][1]));
        assert_string_equal(fake_engine_last_registry_auth(w->fake, FAKE_ENGINE_PULL), "");
    }
}

static void test_pull_refused_is_the_registrys_failure(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_PULL, &n);
    noted_assert_refused(
        &n, 404,
        "pull access denied for busybox, repository does not exist or may require 'docker login': denied: "
        "requested access to the resource is denied");
    assert_int_equal(n.failure.dependency, DEPENDENCY_REGISTRY);
    assert_int_equal(n.failure.stage, STAGE_PULL);
    assert_false(n.failure.changes);
}

static void test_pull_error_in_the_stream(void **state)
{
    struct engine_world *w = *state;
    for (int old_style = 0; old_style < 2; old_style++) {
        struct noted n = {0};
        fake_engine_add_registry_image(w->fake,
                                       &(struct fake_registry_image){.image = "busybox",
                                                                     .lines = 3,
                                                                     .bytes = 300,
                                                                     .error = "toomanyrequests: slow down",
                                                                     .error_is_old_style = old_style == 1});
        engine_world_call(w, FAKE_ENGINE_PULL, &n);
        noted_assert_refused(&n, 200, "toomanyrequests: slow down");
        assert_int_equal(n.downloaded_bytes, 300);
        assert_int_equal(n.failure.dependency, DEPENDENCY_REGISTRY);
    }
}

static void test_pull_cut_or_garbled_is_the_engines_failure(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_add_registry_image(w->fake, &(struct fake_registry_image){.image = "busybox", .lines = 3});
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_HALF_BODY});
    engine_world_call(w, FAKE_ENGINE_PULL, &n);
    assert_true(n.has_failed);
    assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
    assert_int_equal(n.failure.transport, TRANSPORT_PARTIAL_BODY);
    assert_true(n.failure.sent);
    static const char *const bodies[] = {"<html>busy</html>", "{\"status\":\"Pulling\"}\n{\"status\":\"Do",
                                         "null\n"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        fake_engine_add_fault(
            w->fake,
            &(struct fake_fault){.call = FAKE_ENGINE_PULL, .kind = FAKE_FAULT_BODY, .body = bodies[i]});
        engine_world_call(w, FAKE_ENGINE_PULL, &n);
        assert_true(n.has_failed);
        assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
        assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
    }
}

/* The error was told, the connection broke afterwards: what was told counts. */
static void test_pull_error_then_cut(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PULL,
                                                        .kind = FAKE_FAULT_BODY,
                                                        .status = 200,
                                                        .headers = "Transfer-Encoding: chunked\r\n",
                                                        .body = "11\r\n{\"error\":\"full\"}\n\r\n"});
    engine_world_call(w, FAKE_ENGINE_PULL, &n);
    fake_engine_go_down(w->fake, false, false);
    engine_world_turn(w);
    noted_assert_refused(&n, 200, "full");
    assert_int_equal(n.failure.dependency, DEPENDENCY_REGISTRY);
    fake_engine_come_up(w->fake);
}

/* ---- events ---- */

static void test_events(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    assert_int_equal(n.opened, 1);
    engine_world_advance(w, 10000000);                           /* silence is no failure */
    const struct fake_container *c = engine_world_make(w, true); /* "create" and "start" are filtered out */
    fake_engine_oom(w->fake, "c1");
    fake_engine_remove_image(w->fake, "busybox");
    char *AUTO_FREE expected =
        check_printf("container oom %.6s l1;container die %.6s l1;"
                     "image untag busybo ;image delete busybo ;container destroy %.6s l1;",
                     c->id, c->id, c->id);
    fake_engine_remove(w->fake, "c1");
    engine_world_turn(w);
    assert_string_equal(n.event_text, expected);
    assert_int_equal(n.done, 0);
    fake_engine_go_down(w->fake, false, false);
    engine_world_turn(w);
    assert_int_equal(n.done, 1);
    assert_true(n.has_failed);
    assert_int_equal(n.failure.transport, TRANSPORT_PARTIAL_BODY);
    assert_int_equal(n.failure.stage, STAGE_RUN);
    fake_engine_come_up(w->fake);
}

static void test_events_replay(void **state)
{
    struct engine_world *w = *state;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct noted n = {0};
    struct err err;
    engine_world_make(w, true);
    int64_t since_ms = w->clock.wall_ms + 500;
    engine_world_advance(w, 500);
    fake_engine_exit(w->fake, "c1", 1);
    engine_world_advance(w, 500);
    const struct fake_container *other = fake_engine_create(w->fake, "c2", ENGINE_WORLD_BODY);
    char *AUTO_FREE other_id = check_strdup(other->id);
    fake_engine_remove(w->fake, "c2");
    engine_world_advance(w, 10);
    assert_int_equal(engine_events(w->engine, NULL, since_ms, w->clock.wall_ms, noted_on_open, noted_on_event,
                                   &c, noted_on_done, &n, NULL, &err),
                     0);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_int_equal(n.events, 2); /* die and destroy, not the start before */
    n = (struct noted){0};
    assert_int_equal(engine_events(w->engine, other_id, 1000, w->clock.wall_ms, NULL, noted_on_event, &c,
                                   noted_on_done, &n, NULL, &err),
                     0);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_int_equal(n.events, 2);
    assert_non_null(strstr(n.event_text, "container create"));
    assert_non_null(strstr(n.event_text, "container destroy"));
    assert_non_null(
        strstr(fake_engine_last_request(w->fake, FAKE_ENGINE_EVENTS), "since=1.000000000&until="));
}

static void test_events_stopped_by_listener(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {.stops_events = true};
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    engine_world_make(w, true);
    fake_engine_exit(w->fake, "c1", 0);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_int_equal(n.events, 1);
}

/* The stream ends where the engine stops, with a last line that was not ended. */
static void test_events_odd_lines(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){
            .call = FAKE_ENGINE_EVENTS,
            .kind = FAKE_FAULT_BODY,
            .body = "{\"half\n\n{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"a\"}}\n7\n"
                    "{\"Type\":\"container\",\"Action\":\"oom\",\"Actor\":{\"ID\":\"b\"}}"});
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    noted_assert_fine(&n);
    assert_string_equal(n.event_text, "container die a ;container oom b ;");
}

/* A halted engine: the kernel accepts the connection, nobody reads. */
static void test_events_never_accepted(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    fake_engine_halt(w->fake);
    engine_world_start(w, FAKE_ENGINE_EVENTS, &n);
    engine_world_advance(w, 19999);
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    assert_int_equal(n.done, 1);
    assert_int_equal(n.opened, 0);
    assert_int_equal(n.failure.transport, TRANSPORT_READ_TIMEOUT);
    assert_int_equal(n.failure.clock, CLOCK_KIND_INACTIVITY);
    fake_engine_resume(w->fake);
}

/* ---- logs ---- */

static void test_logs(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_make(w, true);
    fake_engine_write(w->fake, "c1", 1, "first\n");
    engine_world_call(w, FAKE_ENGINE_LOGS, &n);
    assert_string_equal(fake_engine_last_request(w->fake, FAKE_ENGINE_LOGS),
                        "GET /v1.41/containers/c1/logs?follow=1&stdout=1&stderr=1&timestamps=1");
    engine_world_advance(w, 10000000);
    fake_engine_write(w->fake, "c1", 2, "bad\n");
    engine_world_turn(w);
    assert_string_equal(n.output_text, "1:first\n2:bad\n");
    assert_int_equal(n.done, 0);
    fake_engine_exit(w->fake, "c1", 0);
    engine_world_turn(w);
    noted_assert_fine(&n);
}

static void test_logs_since_and_tty(void **state)
{
    struct engine_world *w = *state;
    const struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct noted n = {0};
    struct err err;
    fake_engine_create(w->fake, "t1", "{\"Image\":\"busybox\",\"Cmd\":[\"x\"],\"Tty\":true}");
    fake_engine_write(w->fake, "t1", 1, "old");
    engine_world_advance(w, 1500);
    fake_engine_write(w->fake, "t1", 1, "new");
    assert_int_equal(engine_logs(w->engine, "t1", true, w->clock.wall_ms, &n.log, 0, noted_on_output, &c,
                                 noted_on_done, &n, NULL, &err),
                     0);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_string_equal(n.output_text, "1:new");
}

static void test_logs_bad_frames(void **state)
{
    struct engine_world *w = *state;
    static const char *const bodies[] = {"not a frame at all", "\1"}; /* the second: cut in its header */
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct noted n = {0};
        engine_world_prepare(w, FAKE_ENGINE_LOGS);
        fake_engine_add_fault(
            w->fake,
            &(struct fake_fault){.call = FAKE_ENGINE_LOGS, .kind = FAKE_FAULT_BODY, .body = bodies[i]});
        engine_world_call(w, FAKE_ENGINE_LOGS, &n);
        engine_world_assert_failed_once(w, FAKE_ENGINE_LOGS, &n);
        assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
    }
}

/* ---- cancelling and freeing ---- */

static void test_cancel(void **state)
{
    struct engine_world *w = *state;
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
        struct noted waiting = {0};
        struct noted out = {0};
        engine_world_reconnect(w, NULL);
        engine_world_start(w, kind, &waiting); /* waits for the version, but for the ping */
        engine_cancel(waiting.call);
        engine_world_turn(w);
        engine_world_prepare(w, kind);
        engine_world_start(w, kind, &out);
        engine_cancel(out.call);
        engine_world_turn(w);
        engine_world_advance(w, 100000);
        assert_int_equal(waiting.done, 0);
        assert_int_equal(out.done, 0);
    }
    engine_cancel(NULL);
}

static void test_cancel_inside_stream_callbacks(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {.cancels = true};
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n); /* in on_open */
    assert_int_equal(n.opened, 1);
    n.cancels = false;
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    n.cancels = true;
    engine_world_make(w, true);
    fake_engine_oom(w->fake, "c1");
    engine_world_turn(w);
    assert_int_equal(n.events, 1); /* oom; die came too late */
    n.cancels = true;
    fake_engine_write(w->fake, "c1", 1, "one");
    fake_engine_write(w->fake, "c1", 1, "two");
    engine_world_call(w, FAKE_ENGINE_LOGS, &n);
    assert_string_equal(n.output_text, "1:one");
    assert_int_equal(n.done, 0);
}

static void test_free_with_calls_out(void **state)
{
    struct engine_world *w = *state;
    struct noted n[FAKE_ENGINE_OTHER] = {{0}};
    engine_world_prepare(w, FAKE_ENGINE_STOP);
    fake_engine_halt(w->fake);
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++)
        engine_world_start(w, kind, &n[kind]);
    engine_world_turn(w);
    engine_world_reconnect(w, NULL);
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++)
        engine_world_start(w, kind, &n[kind]); /* these wait for the version */
    engine_world_reconnect(w, NULL);
    fake_engine_resume(w->fake);
    engine_world_turn(w);
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++)
        assert_int_equal(n[kind].done, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pull),
        TEST(test_pull_names),
        TEST(test_pull_refused_is_the_registrys_failure),
        TEST(test_pull_error_in_the_stream),
        TEST(test_pull_cut_or_garbled_is_the_engines_failure),
        TEST(test_pull_error_then_cut),
        TEST(test_events),
        TEST(test_events_replay),
        TEST(test_events_stopped_by_listener),
        TEST(test_events_odd_lines),
        TEST(test_events_never_accepted),
        TEST(test_logs),
        TEST(test_logs_since_and_tty),
        TEST(test_logs_bad_frames),
        TEST(test_cancel),
        TEST(test_cancel_inside_stream_callbacks),
        TEST(test_free_with_calls_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
