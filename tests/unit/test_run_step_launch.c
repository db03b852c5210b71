/*
 * run_step() from CREATING to STARTING, promise by promise: where a container comes to life, once.
 */
#include "run_table.h"

#include "core/run_step_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CREATE_OUT "ENTER ADMITTED DONE DONE DONE DONE ADMITTED"
#define CONNECT_OUT CREATE_OUT " DONE"
#define ANNOUNCE_OUT CONNECT_OUT " DONE"
#define STARTING ANNOUNCE_OUT " DONE"
#define START_OUT STARTING " ADMITTED"
#define RETIRE_OUT START_OUT " UNKNOWN_OUTCOME FOUND_CREATED +60000 ENTER ADMITTED FOUND_CREATED"

static struct trip go(const char *path)
{
    struct trip trip = trip_new();
    trip_go(&trip, path);
    return trip;
}

static void assert_at(const struct trip *trip, enum run_state state, enum run_action action)
{
    assert_string_equal(run_state_name(trip->run.state), run_state_name(state));
    assert_string_equal(run_action_name(trip->action), run_action_name(action));
}

static void assert_goes(const char *path, enum run_state state, enum run_action action)
{
    struct trip trip = go(path);
    assert_at(&trip, state, action);
}

/* ---- create ---- */

static void test_names_up_to_21_are_tried(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    for (int i = 1; i <= RUN_NAME_INDEX_MAX; i++) {
        trip_go(&trip, "CONFLICT FOUND_FOREIGN");
        assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_CREATE);
        assert_int_equal(trip.run.name_index, i);
    }
    trip_go(&trip, "CONFLICT FOUND_FOREIGN");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
    assert_int_equal(RUN_NAME_INDEX_MAX, 21);
}

static void test_conflicts_that_no_look_explains_end(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    int conflicts = 0;
    while (trip.run.state == RUN_STATE_CREATING && conflicts < 100) {
        trip_go(&trip, "CONFLICT FOUND_ABSENT");
        if (trip.action == RUN_ACTION_WAIT)
            trip_go(&trip, "ENTER ADMITTED FOUND_ABSENT");
        conflicts++;
    }
    assert_int_equal(trip.run.state, RUN_STATE_CLEARING);
    assert_int_equal(conflicts, trip.policy.max_attempts);
}

static void test_a_lost_create_is_looked_for(void **state)
{
    (void)state;
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME", RUN_STATE_CREATING, RUN_ACTION_LOOK_NAME);
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME FOUND_ABSENT", RUN_STATE_CREATING, RUN_ACTION_CREATE);
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME FOUND_CREATED", RUN_STATE_CONNECTING, RUN_ACTION_CONNECT);
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME FOUND_RUNNING", RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_goes(CREATE_OUT " restart ADMITTED", RUN_STATE_CREATING, RUN_ACTION_LOOK_NAME);
}

/* The engine reserves the name before the container is there to be looked at. */
static void test_a_create_in_progress_is_waited_for(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_ABSENT");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_CREATE);
    trip_go(&trip, "CONFLICT FOUND_ABSENT");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
    assert_true(trip.delay_ms >= 500);
    trip_go(&trip, "ENTER ADMITTED FOUND_ABSENT");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_CREATE);
    trip_go(&trip, "CONFLICT FOUND_CREATED");
    assert_at(&trip, RUN_STATE_CONNECTING, RUN_ACTION_CONNECT);
}

/* The other container may give the name up, and the create land under it: no second name before that is over.
 */
static void test_the_next_name_waits_for_a_lost_create(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_FOREIGN");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.settle_ms);
    assert_false(run_is_backing_off(&trip.run)); /* nobody may cut it short */
    trip_go(&trip, "ENTER ADMITTED FOUND_FOREIGN");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_CREATE);
    assert_int_equal(trip.run.name_index, 1);
    trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_FOREIGN ENTER ADMITTED FOUND_CREATED");
    assert_at(&trip, RUN_STATE_CONNECTING, RUN_ACTION_CONNECT);
    assert_int_equal(trip.run.name_index, 0);
    /* Cut short by a cancel, the wait has told nothing. */
    trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_FOREIGN CANCEL DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
    /* Nor has it in a process that died. */
    trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_FOREIGN restart ADMITTED FOUND_FOREIGN");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
}

static void test_a_verdict_waits_for_a_lost_create(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " UNKNOWN_OUTCOME CANCEL DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, RUN_CREATE_SETTLE_MS);
    trip_go(&trip, "ENTER DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    /* Whether the process that died had sent one is not known. */
    trip = go(CREATE_OUT " restart CANCEL DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
    trip_go(&trip, "restart DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
}

/* The second create took the name; when its container is removed again, the first may land under it. */
static void test_a_lost_create_is_not_forgotten_with_the_next(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_ABSENT DONE PERMANENT DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
    trip_go(&trip, "ENTER DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    trip = go(CREATE_OUT " UNKNOWN_OUTCOME FOUND_ABSENT DONE restart ADMITTED PERMANENT DONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_WAIT);
}

static void test_a_missing_image_is_pulled_again_once(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " GONE");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_PULL);
    assert_true(trip.run.has_repulled);
    trip_go(&trip, "DONE ADMITTED FOUND_ABSENT GONE");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
}

/* ---- announce ---- */

static void test_an_announcement_never_ends_the_launch(void **state)
{
    (void)state;
    assert_goes(ANNOUNCE_OUT " PERMANENT", RUN_STATE_STARTING, RUN_ACTION_ASK_SLOT);
    assert_goes(ANNOUNCE_OUT " TRANSIENT ENTER TRANSIENT ENTER TRANSIENT", RUN_STATE_STARTING,
                RUN_ACTION_ASK_SLOT);
    for (int max = 1; max <= 3; max++) {
        struct trip trip = trip_new();
        trip.policy.max_attempts = max;
        trip_go(&trip, ANNOUNCE_OUT);
        for (int i = 0; i < max && trip.run.state == RUN_STATE_ANNOUNCING; i++)
            trip_go(&trip, "TRANSIENT ENTER");
        assert_int_equal(trip.run.state, RUN_STATE_STARTING);
        assert_false(trip.run.is_announced);
    }
}

/* ---- start ---- */

static void test_a_start_is_sent_once(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT);
    assert_true(trip.run.start_sent);
    assert_int_equal(trip.run.start_sent_at_ms, trip.now_ms);
    trip_go(&trip, "restart ADMITTED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_LOOK_CONTAINER);
    trip_go(&trip, "FOUND_CREATED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.start_clock_ms);
    trip_go(&trip, "+60000 ENTER ADMITTED FOUND_CREATED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_RETIRE);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_ASK_SLOT);
    assert_false(trip.run.start_sent);
    assert_int_equal(trip.run.launch_tries, 1);
    trip_go(&trip, "ADMITTED FOUND_ABSENT DONE DONE DONE ADMITTED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_START);
}

static void test_a_start_that_left_nobody_may_be_sent_again(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " out_of_reach");
    assert_false(trip.run.start_sent);
    trip_go(&trip, "ENTER ADMITTED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_START);
}

static void test_an_answered_start_is_retired_at_once(void **state)
{
    (void)state;
    assert_goes(START_OUT " TRANSIENT ENTER ADMITTED FOUND_CREATED", RUN_STATE_STARTING, RUN_ACTION_RETIRE);
}

static void test_a_clock_that_jumps_back_does_not_lengthen_the_wait_for_a_start(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " UNKNOWN_OUTCOME");
    trip.now_ms -= 86400000;
    trip_go(&trip, "FOUND_CREATED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_RETIRE);
}

static void test_containers_are_retired_so_often_and_no_more(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT);
    int retired = 0;
    while (trip.run.state != RUN_STATE_CLEARING && retired < 100) {
        trip_go(&trip, "TRANSIENT ENTER ADMITTED FOUND_CREATED");
        assert_int_equal(trip.action, RUN_ACTION_RETIRE);
        trip_go(&trip, "DONE ADMITTED FOUND_ABSENT DONE DONE DONE ADMITTED");
        retired++;
    }
    assert_int_equal(retired, trip.policy.max_attempts);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
}

static void test_a_start_of_unknown_outcome_and_no_container_is_disappeared(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " UNKNOWN_OUTCOME FOUND_ABSENT");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_DISAPPEARED);
    trip = go(RETIRE_OUT " GONE");
    assert_int_equal(trip.run.verdict, RUN_VERDICT_DISAPPEARED);
}

static void test_a_lost_removal_is_asked_again(void **state)
{
    (void)state;
    assert_goes(RETIRE_OUT " TRANSIENT ENTER ADMITTED FOUND_ABSENT", RUN_STATE_STARTING, RUN_ACTION_RETIRE);
    assert_goes(RETIRE_OUT " restart ADMITTED FOUND_ABSENT", RUN_STATE_STARTING, RUN_ACTION_RETIRE);
    assert_goes(RETIRE_OUT " CONFLICT FOUND_RUNNING", RUN_STATE_RUNNING, RUN_ACTION_WATCH);
}

static void test_a_removal_that_is_always_refused_ends(void **state)
{
    (void)state;
    struct trip trip = go(RETIRE_OUT);
    int refused = 0;
    while (trip.run.state == RUN_STATE_STARTING && refused < 100) {
        trip_go(&trip, "CONFLICT FOUND_CREATED");
        refused++;
    }
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_int_equal(refused, trip.policy.max_attempts);
    /* The last look still counts if it shows that the container runs. */
    trip = go(RETIRE_OUT " CONFLICT FOUND_CREATED CONFLICT FOUND_CREATED CONFLICT FOUND_CREATED "
                         "CONFLICT FOUND_CREATED CONFLICT FOUND_CREATED CONFLICT FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
}

static void test_an_end_seen_while_a_start_is_waited_for_is_looked_at(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " UNKNOWN_OUTCOME FOUND_CREATED DIED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_ASK_SLOT);
    trip_go(&trip, "ADMITTED exit_1");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
    assert_int_equal(trip.run.exit_code, 1);
}

static void test_an_end_seen_before_the_answer_to_the_start_is_looked_at(void **state)
{
    (void)state;
    assert_goes(START_OUT " DIED DONE", RUN_STATE_RUNNING, RUN_ACTION_LOOK_CONTAINER);
    assert_goes(START_OUT " DIED UNKNOWN_OUTCOME FOUND_RUNNING", RUN_STATE_RUNNING,
                RUN_ACTION_LOOK_CONTAINER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_up_to_21_are_tried),
        cmocka_unit_test(test_conflicts_that_no_look_explains_end),
        cmocka_unit_test(test_a_lost_create_is_looked_for),
        cmocka_unit_test(test_a_create_in_progress_is_waited_for),
        cmocka_unit_test(test_the_next_name_waits_for_a_lost_create),
        cmocka_unit_test(test_a_verdict_waits_for_a_lost_create),
        cmocka_unit_test(test_a_lost_create_is_not_forgotten_with_the_next),
        cmocka_unit_test(test_a_missing_image_is_pulled_again_once),
        cmocka_unit_test(test_an_announcement_never_ends_the_launch),
        cmocka_unit_test(test_a_start_is_sent_once),
        cmocka_unit_test(test_a_start_that_left_nobody_may_be_sent_again),
        cmocka_unit_test(test_an_answered_start_is_retired_at_once),
        cmocka_unit_test(test_a_clock_that_jumps_back_does_not_lengthen_the_wait_for_a_start),
        cmocka_unit_test(test_containers_are_retired_so_often_and_no_more),
        cmocka_unit_test(test_a_start_of_unknown_outcome_and_no_container_is_disappeared),
        cmocka_unit_test(test_a_lost_removal_is_asked_again),
        cmocka_unit_test(test_a_removal_that_is_always_refused_ends),
        cmocka_unit_test(test_an_end_seen_while_a_start_is_waited_for_is_looked_at),
        cmocka_unit_test(test_an_end_seen_before_the_answer_to_the_start_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
