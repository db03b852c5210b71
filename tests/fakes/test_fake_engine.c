/*
 * The fake engine's own promises, those the client's tests don't show: faults in time, held calls, counts,
 * programs and a daemon that goes down or stands still.
 */
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The case that starts a flow twice: the client has given up, the engine carries the start out later. */
static void test_a_held_start_lands_after_its_client_has_gone(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_START);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_HOLD});
    engine_world_call(w, FAKE_ENGINE_START, &n);
    engine_world_advance(w, 20000);
    engine_world_assert_failed_once(w, FAKE_ENGINE_START, &n);
    assert_int_equal(fake_engine_starts(w->fake, "l1"), 0);
    assert_int_equal(fake_engine_held(w->fake, FAKE_ENGINE_START), 1);
    assert_int_equal(fake_engine_release(w->fake, FAKE_ENGINE_START), 1);
    assert_int_equal(fake_engine_starts(w->fake, "l1"), 1);
    assert_string_equal(fake_engine_find(w->fake, "l1")->state, "running");
    assert_int_equal(fake_engine_held(w->fake, FAKE_ENGINE_ANY), 0);
    assert_int_equal(fake_engine_in_flight(w->fake, FAKE_ENGINE_START), 0);
}

static void test_a_held_call_is_answered_if_somebody_still_waits(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_CREATE);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    engine_world_call(w, FAKE_ENGINE_CREATE, &n);
    assert_null(fake_engine_find(w->fake, "c1"));
    assert_int_equal(fake_engine_in_flight(w->fake, FAKE_ENGINE_CREATE), 1);
    assert_int_equal(fake_engine_release(w->fake, FAKE_ENGINE_ANY), 1);
    engine_world_turn(w);
    noted_assert_fine(&n);
    assert_non_null(fake_engine_find(w->fake, "c1"));
}

static void test_effect_or_not(void **state)
{
    struct engine_world *w = *state;
    static const struct {
        enum fake_fault_kind kind;
        bool has_effect;
    } cases[] = {{FAKE_FAULT_DROP_BEFORE, false}, {FAKE_FAULT_DROP_AFTER, true}, {FAKE_FAULT_STATUS, false},
                 {FAKE_FAULT_HALF_HEADERS, true}, {FAKE_FAULT_HALF_BODY, true},  {FAKE_FAULT_BODY, true},
                 {FAKE_FAULT_STALL, true},        {FAKE_FAULT_STALL_BODY, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct noted n = {0};
        engine_world_prepare(w, FAKE_ENGINE_CREATE);
        fake_engine_add_fault(
            w->fake, &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = cases[i].kind, .status = 500});
        engine_world_call(w, FAKE_ENGINE_CREATE, &n);
        engine_world_advance(w, 20000);
        engine_world_assert_failed_once(w, FAKE_ENGINE_CREATE, &n);
        assert_int_equal(fake_engine_find(w->fake, "c1") != NULL, cases[i].has_effect);
        assert_int_equal(fake_engine_effects(w->fake, FAKE_ENGINE_CREATE), cases[i].has_effect);
        assert_int_equal(fake_engine_in_flight(w->fake, FAKE_ENGINE_ANY), 0);
    }
}

static void test_the_nth_call_is_met(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_LIST);
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){.call = FAKE_ENGINE_LIST, .nth = 3, .kind = FAKE_FAULT_STATUS, .status = 500});
    for (int i = 1; i <= 4; i++) {
        engine_world_call(w, FAKE_ENGINE_LIST, &n);
        assert_int_equal(n.has_failed, i == 3);
    }
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){.call = FAKE_ENGINE_LIST, .nth = -1, .kind = FAKE_FAULT_STATUS, .status = 500});
    for (int i = 0; i < 3; i++) {
        engine_world_call(w, FAKE_ENGINE_LIST, &n);
        assert_true(n.has_failed);
    }
    fake_engine_clear_faults(w->fake);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    fake_engine_add_fault(w->fake, &(struct fake_fault){.call = FAKE_ENGINE_START,
                                                        .kind = FAKE_FAULT_STATUS,
                                                        .status = 500,
                                                        .launch_id = "other"});
    engine_world_call(w, FAKE_ENGINE_START, &n);
    noted_assert_fine(&n);
}

static bool fail_creates(void *arg, int call, const struct fake_container *container,
                         struct fake_fault *fault)
{
    (void)arg;
    (void)container;
    *fault = (struct fake_fault){.kind = FAKE_FAULT_STATUS, .status = 507, .message = "chosen"};
    return call == FAKE_ENGINE_CREATE;
}

static int64_t ten_each(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)call;
    return 10 * in_flight;
}

static void test_chosen_faults_and_latency(void **state)
{
    struct engine_world *w = *state;
    struct noted n[2] = {{0}};
    engine_world_prepare(w, FAKE_ENGINE_CREATE);
    fake_engine_choose_fault(w->fake, fail_creates, NULL);
    engine_world_call(w, FAKE_ENGINE_CREATE, &n[0]);
    noted_assert_refused(&n[0], 507, "chosen");
    fake_engine_set_latency(w->fake, ten_each, NULL);
    engine_world_start(w, FAKE_ENGINE_LIST, &n[0]);
    engine_world_start(w, FAKE_ENGINE_LIST, &n[1]);
    engine_world_turn(w);
    assert_int_equal(fake_engine_in_flight(w->fake, FAKE_ENGINE_LIST), 2);
    engine_world_advance(w, 100);
    assert_int_equal(n[0].took_ms, 10);
    assert_int_equal(n[1].took_ms, 20);
    assert_int_equal(fake_engine_peak(w->fake, FAKE_ENGINE_LIST), 2);
    assert_int_equal(fake_engine_in_flight(w->fake, FAKE_ENGINE_LIST), 0);
}

static struct fake_program by_command(void *arg, const struct fake_container *c)
{
    (void)arg;
    return (struct fake_program){
        .run_ms = 100, .exit_code = strcmp(c->command, "true") == 0 ? 0 : 5, .output = "hi\n"};
}

static void test_programs(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    const struct fake_container *c = engine_world_make(w, true);
    engine_world_advance(w, 100000);
    assert_string_equal(c->state, "running"); /* until told */
    assert_true(fake_engine_exit(w->fake, "l1", 42));
    assert_false(fake_engine_exit(w->fake, "l1", 43));
    assert_int_equal(c->exit_code, 42);
    fake_engine_choose_program(w->fake, by_command, NULL);
    engine_world_call(w, FAKE_ENGINE_START, &n); /* an ended container runs again */
    noted_assert_fine(&n);
    assert_int_equal(c->starts, 2);
    assert_int_equal(fake_engine_max_starts(w->fake), 2);
    engine_world_advance(w, 99);
    assert_string_equal(c->state, "running");
    engine_world_advance(w, 1);
    assert_string_equal(c->state, "exited");
    assert_int_equal(c->exit_code, 0);
    assert_int_equal(c->finished_at_ms, w->clock.wall_ms);
    fake_engine_choose_program(w->fake, NULL, NULL);
    fake_engine_set_program(w->fake, &(struct fake_program){.exit_code = 9, .oom_killed = true});
    engine_world_call(w, FAKE_ENGINE_START, &n);
    assert_int_equal(c->exit_code, 9); /* at once */
    assert_true(c->oom_killed);
    assert_int_equal(fake_engine_starts(w->fake, NULL), 3);
}

static void test_termination(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    fake_engine_set_program(w->fake,
                            &(struct fake_program){.run_ms = -1, .sigterm_ms = 1000, .sigterm_code = 3});
    const struct fake_container *c = engine_world_make(w, true);
    engine_world_start(w, FAKE_ENGINE_STOP, &n);
    engine_world_advance(w, 999);
    assert_int_equal(n.done, 0);
    engine_world_advance(w, 1);
    noted_assert_fine(&n);
    assert_int_equal(c->exit_code, 3);
    fake_engine_set_program(w->fake, &(struct fake_program){.run_ms = -1, .ignores_sigterm = true});
    engine_world_call(w, FAKE_ENGINE_START, &n);
    engine_world_start(w, FAKE_ENGINE_STOP, &n); /* 2.5 s, rounded up */
    engine_world_advance(w, 2999);
    assert_string_equal(c->state, "running");
    engine_world_advance(w, 1);
    noted_assert_fine(&n);
    assert_int_equal(c->exit_code, 137);
}

static void test_starts_outlive_their_container(void **state)
{
    struct engine_world *w = *state;
    engine_world_make(w, true);
    assert_true(fake_engine_remove(w->fake, "c1"));
    assert_false(fake_engine_remove(w->fake, "c1"));
    engine_world_make(w, true);
    assert_int_equal(fake_engine_starts(w->fake, "l1"), 2);
    assert_int_equal(fake_engine_starts(w->fake, "l2"), 0);
    assert_int_equal(fake_engine_max_starts(w->fake), 2);
    assert_int_equal(fake_engine_container_count(w->fake), 1);
    assert_string_equal(fake_engine_container_at(w->fake, 0)->name, "c1");
}

static void test_going_down(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    const struct fake_container *c = engine_world_make(w, true);
    fake_engine_go_down(w->fake, false, true);
    assert_string_equal(c->state, "exited");
    assert_int_equal(c->exit_code, 137);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    assert_true(n.has_failed);
    fake_engine_come_up(w->fake);
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_fine(&n);
    assert_int_equal(n.state, ENGINE_CONTAINER_EXITED);
}

/* A halted engine carries out what was sent to it when it runs again, for clients long gone, too. */
static void test_halting(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_prepare(w, FAKE_ENGINE_CREATE);
    fake_engine_halt(w->fake);
    engine_world_start(w, FAKE_ENGINE_CREATE, &n);
    engine_world_advance(w, 20000);
    assert_int_equal(n.done, 1);
    assert_int_equal(n.failure.transport, TRANSPORT_READ_TIMEOUT);
    assert_true(n.failure.sent);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE), 0);
    fake_engine_resume(w->fake);
    engine_world_turn(w);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE), 1);
    assert_non_null(fake_engine_find(w->fake, "c1"));
}

static void test_versions_outside_are_refused(void **state)
{
    struct engine_world *w = *state;
    struct noted n = {0};
    engine_world_reconnect(w, "1.44");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_refused(&n, 400, "client version 1.44 is too new. Maximum supported API version is 1.41");
    fake_engine_set_api_version(w->fake, "1.52", "1.44");
    engine_world_reconnect(w, "1.41");
    engine_world_call(w, FAKE_ENGINE_LIST, &n);
    noted_assert_refused(
        &n, 400,
        "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your "
        "client to a newer version");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, engine_world_setup, engine_world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_held_start_lands_after_its_client_has_gone),
        TEST(test_a_held_call_is_answered_if_somebody_still_waits),
        TEST(test_effect_or_not),
        TEST(test_the_nth_call_is_met),
        TEST(test_chosen_faults_and_latency),
        TEST(test_programs),
        TEST(test_termination),
        TEST(test_starts_outlive_their_container),
        TEST(test_going_down),
        TEST(test_halting),
        TEST(test_versions_outside_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
