/*
 * Every way to fail, for every call: described once, to the one who asked, and asked of the engine once.
 */
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- every failure, for every call: described once, asked once ---- */

static void fail_each_call(struct engine_world *w, const struct fake_fault *fault, enum transport transport,
                           enum transport other_transport)
{
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
        struct fake_fault f = *fault;
        struct noted n = {0};
        bool is_bodyless = kind == FAKE_ENGINE_START || kind == FAKE_ENGINE_STOP ||
                           kind == FAKE_ENGINE_KILL || kind == FAKE_ENGINE_REMOVE ||
                           kind == FAKE_ENGINE_NETWORK_CONNECT || kind == FAKE_ENGINE_PING;
        bool cuts_body = fault->kind == FAKE_FAULT_HALF_BODY || fault->kind == FAKE_FAULT_STALL_BODY;
        /* No body to be cut; an event stream and logs send nothing here. */
        if (cuts_body && (is_bodyless || kind == FAKE_ENGINE_EVENTS || kind == FAKE_ENGINE_LOGS))
            continue;
        engine_world_prepare(w, kind);
        f.call = (enum fake_engine_call)kind;
        fake_engine_add_fault(w->fake, &f);
        engine_world_call(w, kind, &n);
        engine_world_assert_failed_once(w, kind, &n);
        if (n.failure.transport != transport && n.failure.transport != other_transport)
            fail_msg("%s: transport %d", fake_engine_call_name(kind), (int)n.failure.transport);
    }
}

static void test_each_call_dropped_before(void **state)
{
    fail_each_call(*state, &(struct fake_fault){.kind = FAKE_FAULT_DROP_BEFORE},
                   TRANSPORT_CLOSED_BEFORE_ANSWER, TRANSPORT_REUSED_CLOSED);
}

static void test_each_call_dropped_after(void **state)
{
    fail_each_call(*state, &(struct fake_fault){.kind = FAKE_FAULT_DROP_AFTER},
                   TRANSPORT_CLOSED_BEFORE_ANSWER, TRANSPORT_REUSED_CLOSED);
}

static void test_each_call_half_headers(void **state)
{
    fail_each_call(*state, &(struct fake_fault){.kind = FAKE_FAULT_HALF_HEADERS}, TRANSPORT_PARTIAL_HEADERS,
                   TRANSPORT_PARTIAL_HEADERS);
}

static void test_each_call_half_body(void **state)
{
    fail_each_call(*state, &(struct fake_fault){.kind = FAKE_FAULT_HALF_BODY}, TRANSPORT_PARTIAL_BODY,
                   TRANSPORT_PARTIAL_BODY);
}

static void test_each_call_refused(void **state)
{
    struct engine_world *w = *state;
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
        struct noted n = {0};
        engine_world_prepare(w, kind);
        fake_engine_add_fault(w->fake, &(struct fake_fault){.call = (enum fake_engine_call)kind,
                                                            .kind = FAKE_FAULT_STATUS,
                                                            .status = 503,
                                                            .message = "not now",
                                                            .headers = "Retry-After: 7\r\n"});
        engine_world_call(w, kind, &n);
        engine_world_assert_failed_once(w, kind, &n);
        assert_int_equal(n.failure.status, 503);
        assert_int_equal(n.failure.transport, TRANSPORT_NONE);
        assert_string_equal(n.failure.message, "not now");
        assert_int_equal(n.failure.retry_after_ms, 7000);
        assert_int_equal(n.failure.dependency,
                         kind == FAKE_ENGINE_PULL ? DEPENDENCY_REGISTRY : DEPENDENCY_ENGINE);
    }
}

/* A page where JSON belongs, with a status of success and with one of failure. */
static void test_each_call_answered_with_a_page(void **state)
{
    struct engine_world *w = *state;
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
        struct noted n = {0};
        struct fake_fault fault = {.call = (enum fake_engine_call)kind,
                                   .kind = FAKE_FAULT_BODY,
                                   .status = 502,
                                   .body = "<html><h1>502 Bad Gateway</h1></html>"};
        engine_world_prepare(w, kind);
        fake_engine_add_fault(w->fake, &fault);
        engine_world_call(w, kind, &n);
        engine_world_assert_failed_once(w, kind, &n);
        assert_int_equal(n.failure.status, 502);
        assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
        assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
        assert_string_equal(n.failure.message, fault.body);
        if (kind == FAKE_ENGINE_PING)
            continue; /* its answer is a header */
        engine_world_prepare(w, kind);
        fault.status = 200;
        fake_engine_add_fault(w->fake, &fault);
        engine_world_call(w, kind, &n);
        engine_world_assert_failed_once(w, kind, &n);
        assert_int_equal(n.failure.status, 200);
        assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
        assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
    }
}

/* A 404 that is not the engine's own (a proxy whose engine is away) must not look like an absence. */
static void test_a_foreign_404_is_no_absence(void **state)
{
    struct engine_world *w = *state;
    static const char *const bodies[] = {"", "404 page not found\n", "{\"detail\":\"Not Found\"}",
                                         "{\"message\":null}", "{\"message\":\"No such cont"};
    for (int kind = FAKE_ENGINE_IMAGE_INSPECT; kind < FAKE_ENGINE_OTHER; kind++) {
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
            struct noted n = {0};
            engine_world_prepare(w, kind);
            fake_engine_add_fault(w->fake, &(struct fake_fault){.call = (enum fake_engine_call)kind,
                                                                .kind = FAKE_FAULT_BODY,
                                                                .status = 404,
                                                                .body = bodies[i]});
            engine_world_call(w, kind, &n);
            engine_world_assert_failed_once(w, kind, &n);
            assert_int_equal(n.failure.status, 404);
            assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
        }
    }
}

static void test_each_call_answered_with_half_json(void **state)
{
    struct engine_world *w = *state;
    static const char *const bodies[] = {"{\"Id\":\"a", "null", "[null]",
                                         "{\"Id\":7,\"State\":[],\"StatusCode\":{}}"};
    static const int kinds[] = {FAKE_ENGINE_IMAGE_INSPECT, FAKE_ENGINE_CREATE, FAKE_ENGINE_INSPECT,
                                FAKE_ENGINE_LIST, FAKE_ENGINE_WAIT};
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
            struct noted n = {0};
            engine_world_prepare(w, kinds[k]);
            fake_engine_add_fault(w->fake, &(struct fake_fault){.call = (enum fake_engine_call)kinds[k],
                                                                .kind = FAKE_FAULT_BODY,
                                                                .body = bodies[i]});
            engine_world_call(w, kinds[k], &n);
            engine_world_assert_failed_once(w, kinds[k], &n);
            assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
        }
    }
}

/* An answer that holds a container's environment must not be quoted when it can't be read. */
static void test_bad_json_is_not_quoted(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_INSPECT);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_INSPECT,
                                               .kind = FAKE_FAULT_BODY,
                                               .body = " {\"Config\":{\"Env\":[\"PREFECT_API_KEY=hush\"]"});
    engine_world_call(w, FAKE_ENGINE_INSPECT, &n);
    engine_world_assert_failed_once(w, FAKE_ENGINE_INSPECT, &n);
    assert_null(strstr(n.failure.message, "hush"));
}

static void test_each_call_stalled(void **state)
{
    struct engine_world *w = *state;
    for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
        struct noted n = {0};
        if (kind == FAKE_ENGINE_WAIT)
            continue; /* waits for ever */
        engine_world_prepare(w, kind);
        fake_engine_add_fault(
            w->fake, &(struct fake_fault){.call = (enum fake_engine_call)kind, .kind = FAKE_FAULT_STALL});
        engine_world_start(w, kind, &n);
        engine_world_advance(w, 19999);
        assert_int_equal(n.done, 0);
        engine_world_advance(w, kind == FAKE_ENGINE_STOP ? 3001 : 1);
        engine_world_assert_failed_once(w, kind, &n);
        assert_int_equal(n.failure.transport, TRANSPORT_READ_TIMEOUT);
        assert_int_equal(n.failure.clock, CLOCK_KIND_INACTIVITY);
    }
}

static void test_each_call_unreachable(void **state)
{
    struct engine_world *w = *state;
    for (int refused = 0; refused < 2; refused++) {
        for (int kind = 0; kind < FAKE_ENGINE_OTHER; kind++) {
            struct noted n = {0};
            engine_world_prepare(w, kind);
            fake_engine_go_down(w->fake, refused == 1, false);
            engine_world_call(w, kind, &n);
            assert_int_equal(n.done, 1);
            assert_true(n.has_failed);
            assert_int_equal(n.failure.transport,
                             refused == 1 ? TRANSPORT_ECONNREFUSED_UNIX : TRANSPORT_ENOENT_UNIX);
            assert_false(n.failure.sent);
            assert_int_equal(n.failure.dependency, DEPENDENCY_ENGINE);
            assert_int_equal(n.failure.changes, engine_world_changes(kind));
            fake_engine_come_up(w->fake);
        }
    }
}

/* The total clock runs, too. */
static void test_total_clock(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_INSPECT);
    struct err err;
    const struct http_clocks c = {.inactivity_ms = 50000, .total_ms = 700};
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_INSPECT, .delay_ms = 800});
    assert_int_equal(engine_inspect(w->engine, "c1", &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_advance(w, 700);
    engine_world_assert_failed_once(w, FAKE_ENGINE_INSPECT, &n);
    assert_int_equal(n.failure.clock, CLOCK_KIND_TOTAL);
    assert_int_equal(n.took_ms, 700);
    engine_world_advance(w, 100);
}

/* Changing calls go on a connection of their own, reads share one. */
static void test_connections(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    int before = fake_engine_connections(w->fake);
    for (int i = 0; i < 5; i++)
        engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_int_equal(fake_engine_connections(w->fake), before);
    static const int fresh[] = {
        FAKE_ENGINE_CREATE, FAKE_ENGINE_NETWORK_CONNECT, FAKE_ENGINE_START, FAKE_ENGINE_STOP,
        FAKE_ENGINE_KILL,   FAKE_ENGINE_REMOVE,          FAKE_ENGINE_PULL};
    for (size_t i = 0; i < ARRAY_LEN(fresh); i++) {
        before = fake_engine_connections(w->fake);
        engine_world_call(w, fresh[i], &n);
        assert_int_equal(fake_engine_connections(w->fake), before + 1);
        assert_true(fake_engine_open_connections(w->fake) <= 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_call_dropped_before),
        TEST(test_each_call_dropped_after),
        TEST(test_each_call_half_headers),
        TEST(test_each_call_half_body),
        TEST(test_each_call_refused),
        TEST(test_each_call_answered_with_a_page),
        TEST(test_a_foreign_404_is_no_absence),
        TEST(test_each_call_answered_with_half_json),
        TEST(test_bad_json_is_not_quoted),
        TEST(test_each_call_stalled),
        TEST(test_each_call_unreachable),
        TEST(test_total_clock),
        TEST(test_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
