/*
 * The API version: asked once, waited for, asked anew when another engine may have taken the place.
 */
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_calls_wait_for_one_question(void **state)
{
    struct engine_world *w = *state;
    struct noted n[4] = {{0}};
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PING, .delay_ms = 1000});
    for (int i = 0; i < 4; i++)
        engine_world_start(w, FAKE_ENGINE_LIST, &n[i]);
    engine_world_advance(w, 999);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LIST), 0);
    engine_world_advance(w, 1);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_LIST), 4);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 1);
    for (int i = 0; i < 4; i++) {
        noted_assert_fine(&n[i]);
        assert_int_equal(n[i].took_ms, 1000);
    }
    engine_world_call(w, FAKE_ENGINE_LIST, &n[0]);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 1);
}

static void expect_version(struct engine_world *w, const char *engines, const char *used)
{
    struct noted n = {0};
    char *AUTO_FREE front = check_printf("GET /v%s/containers/json?", used);
    fake_engine_set_api_version(w->fake, engines, NULL);
    engine_world_reconnect(w, NULL);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(strncmp(fake_engine_last_request(w->fake, FAKE_ENGINE_LIST), front, strlen(front)), 0);
    assert_string_equal(engine_api_version(w->engine), used);
}

static void test_the_lower_version_is_used(void **state)
{
    struct engine_world *w = *state;
    expect_version(w, "1.41", "1.41");
    expect_version(w, "1.44", "1.44");
    expect_version(w, "1.51", "1.51");
    expect_version(w, "1.52", "1.51");
    expect_version(w, "1.100", "1.51");
}

static void test_an_engine_too_old_is_refused(void **state)
{
    struct engine_world *w = *state;
    static const char *const versions[] = {"1.40", "1.9"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct noted n = {0};
        fake_engine_set_api_version(w->fake, versions[i], NULL);
        engine_world_reconnect(w, NULL);
        engine_world_call(w, FAKE_ENGINE_CREATE, &n);
        assert_int_equal(n.done, 1);
        assert_true(n.has_failed);
        assert_int_equal(n.failure.status, 400);
        assert_false(n.failure.sent); /* the create never went out */
        assert_true(n.failure.changes);
        assert_int_equal(n.failure.stage, STAGE_CREATE);
        assert_non_null(strstr(n.failure.message, versions[i]));
        assert_non_null(strstr(n.failure.message, "1.41"));
        assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE), 0);
    }
}

static void test_no_engine_at_all(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_set_api_version(w->fake, NULL, NULL);
    engine_world_call(w, FAKE_ENGINE_START, &n);
    assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
    assert_false(n.failure.sent);
    fake_engine_set_api_version(w->fake, "v1.41", NULL);
    engine_world_call(w, FAKE_ENGINE_START, &n);
    assert_int_equal(n.failure.transport, TRANSPORT_BAD_ANSWER);
    fake_engine_set_api_version(w->fake, "1.41", NULL);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
}

/* What the question failed of is what its waiting calls fail of; each hears it once, as not sent. */
static void test_a_failed_question_fails_all_who_wait(void **state)
{
    struct engine_world *w = *state;
    struct noted create = {0};
    struct noted pull = {0};
    fake_engine_go_down(w->fake, false, false);
    engine_world_start(w, FAKE_ENGINE_CREATE, &create);
    engine_world_start(w, FAKE_ENGINE_PULL, &pull);
    engine_world_turn(w);
    assert_int_equal(create.done, 1);
    assert_int_equal(create.failure.transport, TRANSPORT_ENOENT_UNIX);
    assert_int_equal(create.failure.stage, STAGE_CREATE);
    assert_true(create.failure.changes);
    assert_false(create.failure.sent);
    assert_int_equal(pull.done, 1);
    assert_int_equal(pull.failure.stage, STAGE_PULL);
    assert_int_equal(pull.failure.dependency, DEPENDENCY_ENGINE);
    assert_false(pull.failure.changes);
    fake_engine_come_up(w->fake);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_PING, .kind = FAKE_FAULT_DROP_AFTER});
    engine_world_call(w, FAKE_ENGINE_CREATE, &create);
    assert_int_equal(create.done, 1);
    assert_false(create.failure.sent); /* the ping was sent, the create was not */
    engine_world_call(w, FAKE_ENGINE_CREATE, &create);
    noted_assert_fine(&create);
}

struct again {
    struct engine_world *w;
    struct noted first;
    struct noted second;
};

/* A caller that asks again from inside its failure must not be failed by the same answer. */
static void again_on_done(void *arg, const struct engine_reply *reply)
{
    struct again *a = arg;
    noted_on_done(&a->first, reply);
    engine_world_start(a->w, FAKE_ENGINE_LIST, &a->second);
}

static void test_asking_again_inside_the_failure(void **state)
{
    struct engine_world *w = *state;
    struct again a = {.w = w};
    struct http_clocks c = ENGINE_WORLD_CLOCKS;
    struct err err;
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PING, .kind = FAKE_FAULT_STATUS, .status = 500});
    assert_int_equal(engine_list(w->engine, "a=b", &c, again_on_done, &a, NULL, &err), 0);
    engine_world_turn(w);
    assert_int_equal(a.first.done, 1);
    assert_int_equal(a.first.failure.status, 500);
    noted_assert_fine(&a.second);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 2);
}

static void test_the_total_clock_runs_while_waiting(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct noted patient = {0};
    struct err err;
    struct http_clocks c = {.inactivity_ms = 5000, .total_ms = 700};
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PING, .delay_ms = 2000});
    engine_world_start(w, FAKE_ENGINE_LIST, &patient);
    assert_int_equal(engine_start(w->engine, "c1", &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_advance(w, 699);
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    assert_int_equal(n.done, 1);
    assert_int_equal(n.failure.transport, TRANSPORT_TOTAL_TIMEOUT);
    assert_int_equal(n.failure.clock, CLOCK_KIND_TOTAL);
    assert_false(n.failure.sent);
    assert_int_equal(n.took_ms, 700);
    engine_world_advance(w, 2000);
    noted_assert_fine(&patient);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_START), 0);
}

/* What was spent on waiting is missing afterwards. */
static void test_the_total_clock_goes_on_after_waiting(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    struct http_clocks c = {.total_ms = 700};
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PING, .delay_ms = 400});
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_LIST, .delay_ms = 400});
    assert_int_equal(engine_list(w->engine, "a=b", &c, noted_on_done, &n, NULL, &err), 0);
    engine_world_advance(w, 699);
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    assert_int_equal(n.failure.clock, CLOCK_KIND_TOTAL);
    engine_world_advance(w, 100);
}

/* A stream has no clocks, the question for it has. */
static void test_a_halted_engine_is_noticed(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct err err;
    struct http_clocks none = {0};
    fake_engine_halt(w->fake);
    assert_int_equal(
        engine_events(w->engine, NULL, 0, 0, NULL, noted_on_event, &none, noted_on_done, &n, NULL, &err), 0);
    engine_world_advance(w, 60000);
    assert_int_equal(n.done, 1);
    assert_true(n.has_failed);
    assert_false(n.failure.sent);
    fake_engine_resume(w->fake);
}

static void replace_engine(struct engine_world *w, const char *version)
{
    fake_engine_go_down(w->fake, false, false);
    engine_world_turn(w);
    fake_engine_set_api_version(w->fake, version, NULL);
    fake_engine_come_up(w->fake);
}

static void expect_asked_again(struct engine_world *w, const char *version)
{
    struct noted n = {0};
    fake_engine_reset_counts(w->fake);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 1);
    assert_string_equal(engine_api_version(w->engine), version);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 1);
}

static void test_asked_again_after_a_lost_connection(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    struct noted other = {0};
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    engine_world_make(w, true);
    engine_world_start(w, FAKE_ENGINE_WAIT, &other);
    engine_world_turn(w);
    replace_engine(w, "1.45");
    assert_int_equal(n.done, 1);
    assert_int_equal(other.done, 1);
    expect_asked_again(w, "1.45");
    replace_engine(w, "1.41");
    engine_world_call(w, FAKE_ENGINE_CREATE,
                      &n); /* refused: nobody told us yet that the engine has changed */
    assert_int_equal(n.failure.status, 400);
    expect_asked_again(w, "1.41"); /* its answer did */
}

/* A daemon that stops ends its event streams in good order. */
static void test_asked_again_after_the_event_stream_ended(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_EVENTS, .kind = FAKE_FAULT_BODY, .status = 200});
    engine_world_call(w, FAKE_ENGINE_EVENTS, &n);
    noted_assert_fine(&n);
    expect_asked_again(w, "1.41");
}

static void test_not_asked_again_without_need(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    static const enum fake_fault_kind kinds[] = {FAKE_FAULT_STATUS, FAKE_FAULT_BODY, FAKE_FAULT_STALL};
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    fake_engine_reset_counts(w->fake);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        fake_engine_add_fault(
            w->fake,
            &(struct fake_fault){.call = FAKE_ENGINE_LIST, .kind = kinds[i], .status = 500, .body = "<p>"});
        engine_world_call(w, FAKE_ENGINE_LIST, &n);
        engine_world_advance(w, 30000);
        assert_true(n.has_failed);
    }
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 0);
}

static void test_a_pinned_version_is_never_asked(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_set_api_version(w->fake, "1.45", NULL);
    engine_world_reconnect(w, "1.42");
    assert_string_equal(engine_api_version(w->engine), "1.42");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(strncmp(fake_engine_last_request(w->fake, FAKE_ENGINE_LIST), "GET /v1.42/", 11), 0);
    engine_world_call(w, FAKE_ENGINE_PING, &n);
    assert_string_equal(n.api_version, "1.42");
    fake_engine_go_down(w->fake, false, false);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_true(n.has_failed);
    fake_engine_come_up(w->fake);
    fake_engine_reset_counts(w->fake);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 0);
}

static void test_bad_settings(void **state)
{
    struct engine_world *w = *state;
    static const char *const versions[] = {"1.40", "v1.41", "latest", "2.0", "1.41x"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct engine *engine = NULL;
        struct err err = {0};
        struct engine_settings settings = {.api_version = versions[i]};
        assert_int_equal(engine_new(w->http, w->timers, &settings, &engine, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_non_null(strstr(err.msg, versions[i]));
        assert_null(engine);
    }
    struct engine *engine = NULL;
    struct err err = {0};
    assert_int_equal(
        engine_new(w->http, w->timers, &(struct engine_settings){.host = "ssh://h"}, &engine, &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    engine_free(NULL);
}

/* From any answer, since a pinned version is never asked; and Docker in its place is noticed. */
static void test_podman_tells_its_own_version(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_reconnect(w, "1.41");
    assert_string_equal(engine_podman_version(w->engine), "");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_string_equal(engine_podman_version(w->engine), "");
    fake_engine_be_podman(w->fake, "4.3.1");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_string_equal(engine_podman_version(w->engine), "4.3.1");
    fake_engine_be_podman(w->fake, NULL);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_string_equal(engine_podman_version(w->engine), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_calls_wait_for_one_question),
        TEST(test_the_lower_version_is_used),
        TEST(test_an_engine_too_old_is_refused),
        TEST(test_no_engine_at_all),
        TEST(test_a_failed_question_fails_all_who_wait),
        TEST(test_asking_again_inside_the_failure),
        TEST(test_the_total_clock_runs_while_waiting),
        TEST(test_the_total_clock_goes_on_after_waiting),
        TEST(test_a_halted_engine_is_noticed),
        TEST(test_asked_again_after_a_lost_connection),
        TEST(test_asked_again_after_the_event_stream_ended),
        TEST(test_not_asked_again_without_need),
        TEST(test_a_pinned_version_is_never_asked),
        TEST(test_podman_tells_its_own_version),
        TEST(test_bad_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
