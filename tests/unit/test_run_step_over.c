/*
 * run_step() where run and container part: a run that is over at the server while its container lives, a stop
 * that the engine refuses, a concurrency slot that is given away, a cancel that is seen late.
 */
#include "run_table.h"

#include "core/run_step_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define RESOLVE_OUT "ENTER ADMITTED DONE DONE"
#define PULL_OUT RESOLVE_OUT " DONE"
#define READY PULL_OUT " DONE"
#define CREATE_OUT READY " ADMITTED"
#define STARTING CREATE_OUT " DONE DONE DONE"
#define START_OUT STARTING " ADMITTED"
#define RUNNING START_OUT " DONE"
#define STOP_OUT RUNNING " MAX_RUN_TIME ADMITTED"
#define GRACE " +60000 ENTER FOUND_RUNNING"

static struct trip go(const char *path, bool stops)
{
    struct trip trip = trip_new();
    trip.policy.stop_when_over = stops;
    trip_go(&trip, path);
    return trip;
}

static void assert_at(const struct trip *trip, enum run_state state, enum run_action action)
{
    assert_string_equal(run_state_name(trip->run.state), run_state_name(state));
    assert_string_equal(run_action_name(trip->action), run_action_name(action));
}

static void assert_goes(const char *path, enum run_state state, enum run_action action,
                        enum run_verdict verdict)
{
    struct trip trip = go(path, true);
    assert_at(&trip, state, action);
    assert_string_equal(run_verdict_name(trip.run.verdict), run_verdict_name(verdict));
}

/* ---- over at the server ---- */

static void test_a_container_has_its_grace_time_when_its_run_is_over(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " SEEN_OVER", true);
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
    trip_go(&trip, "+59000 SEEN_OVER ENTER FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, 1000);
    trip_go(&trip, "+1000 ENTER FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP);
}

static void test_a_run_that_is_over_gets_no_verdict(void **state)
{
    (void)state;
    assert_goes(RUNNING " SEEN_OVER" GRACE " ADMITTED DONE", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_OVER);
    assert_goes(RUNNING " SEEN_OVER" GRACE " ADMITTED DONE RUN_ENDED", RUN_STATE_FINISHED, RUN_ACTION_FORGET,
                RUN_VERDICT_OVER);
    assert_goes(RUNNING " SEEN_OVER" GRACE " ADMITTED DONE RUN_RUNNING", RUN_STATE_FINISHED,
                RUN_ACTION_FORGET, RUN_VERDICT_OVER);
    assert_goes(RUNNING " SEEN_OVER" GRACE " ADMITTED DONE RUN_CANCELLING", RUN_STATE_REPORTING,
                RUN_ACTION_REPORT, RUN_VERDICT_CANCELLED);
}

static void test_an_end_within_the_grace_time_is_the_usual_one(void **state)
{
    (void)state;
    assert_goes(RUNNING " SEEN_OVER DIED FOUND_EXITED", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_ENDED);
    assert_goes(RUNNING " SEEN_OVER DIED exit_1", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_EXITED);
}

static void test_left_alone_it_is_watched_on(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " SEEN_OVER +59000 ENTER FOUND_RUNNING", false);
    assert_false(trip.run.is_left_alone);
    trip_go(&trip, "+1000 ENTER FOUND_RUNNING");
    assert_true(trip.run.is_left_alone);
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, 0);
    trip_go(&trip, "SEEN_OVER ENTER FOUND_RUNNING");
    assert_true(trip.run.is_left_alone);
    trip_go(&trip, "CANCEL");
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
    trip_go(&trip, GRACE);
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP);
}

static void test_alive_after_all(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " SEEN_OVER +30000 SEEN_ALIVE" GRACE, true);
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, 0);
    trip = go(RUNNING " CANCEL SEEN_ALIVE" GRACE, true); /* a cancel stays one */
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP);
}

static void test_a_launch_whose_run_is_over_is_dropped_before_its_start(void **state)
{
    (void)state;
    static const char *const without_container[] = {RESOLVE_OUT, PULL_OUT, READY};
    for (size_t i = 0; i < sizeof(without_container) / sizeof(without_container[0]); i++) {
        struct trip trip = go(without_container[i], false);
        trip_go(&trip, "SEEN_OVER");
        assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
    }
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME SEEN_OVER", RUN_STATE_CLEARING, RUN_ACTION_CLEAR,
                RUN_VERDICT_OVER);
    assert_goes(STARTING " SEEN_OVER DONE", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN, RUN_VERDICT_OVER);
}

static void test_it_is_not_dropped_over_a_request_or_a_start(void **state)
{
    (void)state;
    assert_goes(CREATE_OUT " SEEN_OVER", RUN_STATE_CREATING, RUN_ACTION_CREATE, RUN_VERDICT_NONE);
    assert_goes(START_OUT " SEEN_OVER", RUN_STATE_STARTING, RUN_ACTION_START, RUN_VERDICT_NONE);
    assert_goes(START_OUT " UNKNOWN_OUTCOME SEEN_OVER", RUN_STATE_STARTING, RUN_ACTION_LOOK_CONTAINER,
                RUN_VERDICT_NONE);
    assert_goes(START_OUT " UNKNOWN_OUTCOME FOUND_CREATED SEEN_OVER", RUN_STATE_STARTING, RUN_ACTION_WAIT,
                RUN_VERDICT_NONE);
}

static void test_what_is_over_is_not_handed_back(void **state)
{
    (void)state;
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME LAUNCH_DEADLINE SEEN_OVER DONE +5000 ENTER DONE",
                RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN, RUN_VERDICT_OVER);
}

/* ---- stopped is what has ended ---- */

static void test_a_stop_that_is_refused_is_no_end(void **state)
{
    (void)state;
    assert_goes(STOP_OUT " PERMANENT", RUN_STATE_STOPPING, RUN_ACTION_LOOK_CONTAINER,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(STOP_OUT " PERMANENT FOUND_RUNNING", RUN_STATE_STOPPING, RUN_ACTION_KILL,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(STOP_OUT " PERMANENT FOUND_EXITED", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(STOP_OUT " PERMANENT FOUND_ABSENT", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_RAN_TOO_LONG);
}

static void test_a_kill_is_no_end_either(void **state)
{
    (void)state;
    struct trip trip = go(STOP_OUT, true);
    for (int i = 0; i < 30; i++) {
        trip_go(&trip, "PERMANENT FOUND_RUNNING DONE");
        assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_WAIT);
        trip_go(&trip, "ENTER ADMITTED");
        assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_STOP);
    }
    trip_go(&trip, "PERMANENT FOUND_RUNNING PERMANENT ENTER ADMITTED PERMANENT FOUND_EXITED");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
}

/* ---- the slot is gone ---- */

static void test_a_lost_lease_sends_the_run_back_until_its_start(void **state)
{
    (void)state;
    assert_goes(PULL_OUT " LEASE_LOST", RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK, RUN_VERDICT_HAND_BACK);
    assert_goes(READY " LEASE_LOST", RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK, RUN_VERDICT_HAND_BACK);
    assert_goes(CREATE_OUT " LEASE_LOST", RUN_STATE_CREATING, RUN_ACTION_CREATE, RUN_VERDICT_NONE);
    assert_goes(STARTING " LEASE_LOST", RUN_STATE_CLEARING, RUN_ACTION_CLEAR, RUN_VERDICT_HAND_BACK);
    assert_goes(START_OUT " LEASE_LOST", RUN_STATE_STARTING, RUN_ACTION_START, RUN_VERDICT_NONE);
    assert_goes(START_OUT " UNKNOWN_OUTCOME FOUND_CREATED LEASE_LOST", RUN_STATE_STARTING, RUN_ACTION_WAIT,
                RUN_VERDICT_NONE);
    assert_goes(RUNNING " LEASE_LOST", RUN_STATE_RUNNING, RUN_ACTION_WATCH, RUN_VERDICT_NONE);
}

/* ---- a cancel that is seen late ---- */

static struct run_event late(enum run_event_kind kind, int64_t age_ms)
{
    struct run_event event = trip_event(kind);
    event.age_ms = age_ms;
    return event;
}

static void test_the_grace_time_counts_from_the_cancel(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING, true);
    trip_feed(&trip, late(RUN_EVENT_CANCEL, 9000));
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms - 9000);
    trip_go(&trip, "+51000 ENTER FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP);
}

static void test_a_grace_time_that_is_over_already(void **state)
{
    (void)state;
    static const enum run_event_kind kinds[] = {RUN_EVENT_CANCEL, RUN_EVENT_SEEN_OVER};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct trip trip = go(RUNNING, true);
        trip.policy.cancel_grace_ms = 5000;
        trip_feed(&trip, late(kinds[i], 20000));
        assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_LOOK_CONTAINER);
        trip_go(&trip, "FOUND_RUNNING");
        assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_container_has_its_grace_time_when_its_run_is_over),
        cmocka_unit_test(test_a_run_that_is_over_gets_no_verdict),
        cmocka_unit_test(test_an_end_within_the_grace_time_is_the_usual_one),
        cmocka_unit_test(test_left_alone_it_is_watched_on),
        cmocka_unit_test(test_alive_after_all),
        cmocka_unit_test(test_a_launch_whose_run_is_over_is_dropped_before_its_start),
        cmocka_unit_test(test_it_is_not_dropped_over_a_request_or_a_start),
        cmocka_unit_test(test_what_is_over_is_not_handed_back),
        cmocka_unit_test(test_a_stop_that_is_refused_is_no_end),
        cmocka_unit_test(test_a_kill_is_no_end_either),
        cmocka_unit_test(test_a_lost_lease_sends_the_run_back_until_its_start),
        cmocka_unit_test(test_the_grace_time_counts_from_the_cancel),
        cmocka_unit_test(test_a_grace_time_that_is_over_already),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
