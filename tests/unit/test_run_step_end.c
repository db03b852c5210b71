/*
 * run_step() from RUNNING to FINISHED, promise by promise, and what the lists of run.h promise.
 */
#include "run_table.h"

#include "base/check.h"
#include "core/run_step_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define RESOLVE_OUT "ENTER ADMITTED DONE DONE"
#define CREATE_OUT RESOLVE_OUT " DONE DONE ADMITTED"
#define START_OUT CREATE_OUT " DONE DONE DONE ADMITTED"
#define LOST_START START_OUT " UNKNOWN_OUTCOME"
#define RUNNING START_OUT " DONE"
#define ENDED RUNNING " DIED FOUND_EXITED"
#define EXITED RUNNING " DIED exit_1"
#define HAND_BACK_OUT RESOLVE_OUT " DRAIN"

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

static void assert_goes(const char *path, enum run_state state, enum run_action action,
                        enum run_verdict verdict)
{
    struct trip trip = go(path);
    assert_at(&trip, state, action);
    assert_string_equal(run_verdict_name(trip.run.verdict), run_verdict_name(verdict));
}

/* ---- running ---- */

static void test_the_end_is_what_the_look_says(void **state)
{
    (void)state;
    assert_goes(EXITED, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN, RUN_VERDICT_EXITED);
    assert_goes(EXITED " RUN_RUNNING", RUN_STATE_REPORTING, RUN_ACTION_REPORT, RUN_VERDICT_EXITED);
    assert_goes(EXITED " RUN_SCHEDULED", RUN_STATE_FINISHED, RUN_ACTION_FORGET, RUN_VERDICT_EXITED);
    assert_goes(ENDED, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN, RUN_VERDICT_ENDED);
    assert_goes(RUNNING " DIED FOUND_ABSENT", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_DISAPPEARED);
    assert_goes(RUNNING " DIED FOUND_RUNNING", RUN_STATE_RUNNING, RUN_ACTION_WATCH, RUN_VERDICT_NONE);
}

static void test_exit_code_and_oom_are_kept(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " DIED");
    struct run_event event = trip_event(RUN_EVENT_FOUND_EXITED);
    event.exit_code = 137;
    event.oom_killed = true;
    trip_feed(&trip, event);
    assert_int_equal(trip.run.exit_code, 137);
    assert_true(trip.run.oom_killed);
}

static void test_running_is_never_given_up(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " ENTER");
    for (int i = 0; i < 100; i++)
        trip_go(&trip, "PERMANENT ENTER");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_LOOK_CONTAINER);
    trip_go(&trip, "FOUND_RUNNING ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, trip.policy.base_ms); /* a good look ends the backoff */
}

static void test_started_at_is_kept_over_a_restart(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING);
    int64_t started_at_ms = trip.run.started_at_ms;
    assert_int_equal(started_at_ms, trip.now_ms);
    trip_go(&trip, "+5000 restart FOUND_RUNNING");
    assert_int_equal(trip.run.started_at_ms, started_at_ms);
}

static void test_cancel_gives_the_flow_its_time(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " CANCEL");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
    trip_go(&trip, "+20000 CANCEL ENTER FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms - 20000);
    trip_go(&trip, "+40000 ENTER FOUND_RUNNING ADMITTED");
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_STOP);
    trip_go(&trip, "DONE RUN_CANCELLING");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_CANCELLED);
}

static void test_cancel_does_not_put_off_a_look_that_is_due(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " DIED TRANSIENT CANCEL");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.base_ms);
    trip_go(&trip, "ENTER FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
}

static void test_cancel_during_the_start_gives_the_flow_its_time_too(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " CANCEL DONE");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
    trip = go(START_OUT " CANCEL DIED DONE FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
}

/* A start whose answer is lost may have begun the flow: it is looked for, again and again, and never removed
 * by force while it runs. */
static void test_cancel_of_a_start_that_may_have_landed_looks_first(void **state)
{
    (void)state;
    assert_goes(START_OUT " CANCEL UNKNOWN_OUTCOME", RUN_STATE_STARTING, RUN_ACTION_LOOK_CONTAINER,
                RUN_VERDICT_NONE);
    assert_goes(START_OUT " restart CANCEL", RUN_STATE_STARTING, RUN_ACTION_ASK_SLOT, RUN_VERDICT_NONE);
    assert_goes(LOST_START " TRANSIENT CANCEL", RUN_STATE_STARTING, RUN_ACTION_ASK_SLOT, RUN_VERDICT_NONE);
    assert_goes(LOST_START " CANCEL out_of_reach", RUN_STATE_STARTING, RUN_ACTION_WAIT, RUN_VERDICT_NONE);
    assert_goes(LOST_START " CANCEL FOUND_CREATED", RUN_STATE_CLEARING, RUN_ACTION_CLEAR,
                RUN_VERDICT_CANCELLED);
    assert_goes(LOST_START " CANCEL FOUND_ABSENT", RUN_STATE_CLEARING, RUN_ACTION_CLEAR,
                RUN_VERDICT_CANCELLED);
    struct trip trip = go(START_OUT " restart CANCEL ADMITTED FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WATCH);
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
}

static void test_cancel_grace_survives_a_clock_that_jumps_back(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " CANCEL");
    trip.now_ms -= 86400000;
    trip_go(&trip, "ENTER FOUND_RUNNING");
    assert_int_equal(trip.delay_ms, trip.policy.cancel_grace_ms);
    trip_go(&trip, "+60000 ENTER FOUND_RUNNING ADMITTED");
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_STOP);
}

static void test_a_death_during_a_look_is_looked_at_again(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " DIED DIED FOUND_RUNNING");
    assert_at(&trip, RUN_STATE_RUNNING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.base_ms);
    trip_go(&trip, "ENTER exit_1");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
}

static void test_max_run_time(void **state)
{
    (void)state;
    assert_goes(RUNNING " MAX_RUN_TIME", RUN_STATE_STOPPING, RUN_ACTION_ASK_STOP, RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(RUNNING " MAX_RUN_TIME ADMITTED DONE RUN_RUNNING", RUN_STATE_REPORTING, RUN_ACTION_REPORT,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(RUNNING " MAX_RUN_TIME ADMITTED CANCEL DONE", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN,
                RUN_VERDICT_CANCELLED);
    /* A look that was out is left, and its answer belongs to an older epoch. */
    struct trip trip = go(RUNNING " DIED");
    uint32_t epoch = trip.run.epoch;
    trip_go(&trip, "MAX_RUN_TIME ADMITTED");
    assert_true(trip.run.epoch > epoch);
}

/* What the flow said of its own end stands, even if we have stopped it. */
static void test_the_word_of_a_stopped_flow_stands(void **state)
{
    (void)state;
    assert_goes(RUNNING " MAX_RUN_TIME ADMITTED DONE RUN_ENDED", RUN_STATE_FINISHED, RUN_ACTION_FORGET,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(RUNNING " MAX_RUN_TIME ADMITTED DONE RUN_SCHEDULED", RUN_STATE_FINISHED, RUN_ACTION_FORGET,
                RUN_VERDICT_RAN_TOO_LONG);
    assert_goes(RUNNING " CANCEL DIED exit_1 RUN_ENDED", RUN_STATE_FINISHED, RUN_ACTION_FORGET,
                RUN_VERDICT_CANCELLED);
}

static void test_a_stop_is_repeated_until_it_is_answered(void **state)
{
    (void)state;
    struct trip trip = go(RUNNING " MAX_RUN_TIME ADMITTED");
    for (int i = 0; i < 50; i++)
        trip_go(&trip, "TRANSIENT ENTER ADMITTED");
    assert_at(&trip, RUN_STATE_STOPPING, RUN_ACTION_STOP);
}

/* ---- clearing ---- */

static void test_clearing_goes_on_until_the_engine_confirms(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " PERMANENT");
    for (int i = 0; i < 50; i++)
        trip_go(&trip, i % 2 == 0 ? "PERMANENT ENTER" : "out_of_reach ENTER");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_true(run_holds_running_slot(&trip.run));
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_false(run_holds_running_slot(&trip.run));
}

static void test_cancel_while_clearing(void **state)
{
    (void)state;
    assert_goes(CREATE_OUT " PERMANENT CANCEL DONE", RUN_STATE_REPORTING, RUN_ACTION_REPORT,
                RUN_VERDICT_CANCELLED);
    assert_goes(CREATE_OUT " TRANSIENT DRAIN CANCEL DONE", RUN_STATE_REPORTING, RUN_ACTION_REPORT,
                RUN_VERDICT_CANCELLED);
}

/* ---- reporting ---- */

static void test_left_running_after_six_looks(void **state)
{
    (void)state;
    struct trip trip = go(ENDED);
    for (int i = 1; i < RUN_LEFT_RUNNING_LOOKS; i++) {
        trip_go(&trip, "RUN_RUNNING");
        assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_WAIT);
        assert_int_equal(trip.delay_ms, RUN_LEFT_RUNNING_DELAY_MS);
        trip_go(&trip, "ENTER");
    }
    trip_go(&trip, "RUN_RUNNING");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LEFT_RUNNING);
}

/* A server that was away must not make a flow crashed that has just ended well. */
static void test_failed_looks_are_not_counted_as_left_running(void **state)
{
    (void)state;
    struct trip trip = go(ENDED);
    for (int i = 0; i < 30; i++)
        trip_go(&trip, "TRANSIENT ENTER");
    assert_int_equal(trip.run.attempt, 0);
    trip_go(&trip, "RUN_RUNNING");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_WAIT);
    assert_int_equal(trip.run.attempt, 1);
    trip_go(&trip, "ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, trip.policy.base_ms);
    trip_go(&trip, "ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, 2 * trip.policy.base_ms);
}

static void test_never_ran(void **state)
{
    (void)state;
    assert_goes(ENDED " RUN_PENDING", RUN_STATE_REPORTING, RUN_ACTION_REPORT, RUN_VERDICT_NEVER_RAN);
}

static void test_a_verdict_is_not_put_on_another_workers_run(void **state)
{
    (void)state;
    /* Nothing of ours was ever started, so the run that is RUNNING is another's. */
    assert_goes(RESOLVE_OUT " PERMANENT UNKNOWN_OUTCOME ENTER RUN_RUNNING", RUN_STATE_FINISHED,
                RUN_ACTION_FORGET, RUN_VERDICT_LAUNCH_FAILED);
    assert_goes(EXITED " UNKNOWN_OUTCOME ENTER RUN_RUNNING", RUN_STATE_REPORTING, RUN_ACTION_REPORT,
                RUN_VERDICT_EXITED);
    assert_goes(EXITED " UNKNOWN_OUTCOME ENTER RUN_SCHEDULED", RUN_STATE_FINISHED, RUN_ACTION_FORGET,
                RUN_VERDICT_EXITED);
}

static void test_a_permanent_answer_ends_a_proposal_but_not_a_look(void **state)
{
    (void)state;
    assert_goes(EXITED " RUN_RUNNING PERMANENT", RUN_STATE_FINISHED, RUN_ACTION_FORGET, RUN_VERDICT_EXITED);
    assert_goes(ENDED " PERMANENT", RUN_STATE_REPORTING, RUN_ACTION_WAIT, RUN_VERDICT_ENDED);
    assert_goes(HAND_BACK_OUT " PERMANENT", RUN_STATE_FINISHED, RUN_ACTION_FORGET, RUN_VERDICT_HAND_BACK);
    assert_goes(HAND_BACK_OUT " restart PERMANENT", RUN_STATE_HANDING_BACK, RUN_ACTION_WAIT,
                RUN_VERDICT_HAND_BACK);
    assert_goes("ENTER ADMITTED PERMANENT", RUN_STATE_FINISHED, RUN_ACTION_FORGET, RUN_VERDICT_NONE);
    assert_goes("ENTER ADMITTED restart PERMANENT", RUN_STATE_CLAIMING, RUN_ACTION_WAIT, RUN_VERDICT_NONE);
}

static void test_cancelling_turns_the_verdict(void **state)
{
    (void)state;
    assert_goes(EXITED " RUN_CANCELLING", RUN_STATE_REPORTING, RUN_ACTION_REPORT, RUN_VERDICT_CANCELLED);
    /* The same answer to that must not go round at once. */
    assert_goes(EXITED " RUN_CANCELLING RUN_CANCELLING", RUN_STATE_REPORTING, RUN_ACTION_WAIT,
                RUN_VERDICT_CANCELLED);
    assert_goes(HAND_BACK_OUT " RUN_CANCELLING", RUN_STATE_REPORTING, RUN_ACTION_REPORT,
                RUN_VERDICT_CANCELLED);
}

static void test_removing(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.remove_ended_container = true;
    trip_go(&trip, EXITED " DONE");
    assert_at(&trip, RUN_STATE_REMOVING, RUN_ACTION_REMOVE);
    trip_go(&trip, "TRANSIENT ENTER GONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
    /* Nothing to remove where nothing is there any more. */
    trip = trip_new();
    trip.policy.remove_ended_container = true;
    trip_go(&trip, RUNNING " DIED FOUND_ABSENT DONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

/* ---- hand back, restore, parked ---- */

static void test_a_lost_hand_back_is_not_sent_twice_while_it_may_land(void **state)
{
    (void)state;
    struct trip trip = go(HAND_BACK_OUT " UNKNOWN_OUTCOME");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.settle_ms);
    trip_go(&trip, "restart RUN_PENDING");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_WAIT);
    trip_go(&trip, "+60000 ENTER RUN_PENDING");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_a_hand_back_that_finds_an_overwritten_end_restores_it(void **state)
{
    (void)state;
    assert_goes(HAND_BACK_OUT " restart OVERTOOK", RUN_STATE_RESTORING, RUN_ACTION_RESTORE,
                RUN_VERDICT_HAND_BACK);
    assert_goes(ENDED " OVERTOOK", RUN_STATE_RESTORING, RUN_ACTION_RESTORE, RUN_VERDICT_ENDED);
}

static void test_restoring_goes_on_until_it_is_answered(void **state)
{
    (void)state;
    struct trip trip = go("ENTER ADMITTED OVERTOOK");
    for (int i = 0; i < 50; i++)
        trip_go(&trip, "TRANSIENT ENTER");
    assert_at(&trip, RUN_STATE_RESTORING, RUN_ACTION_RESTORE);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

/* Sent twice, the first could land on a run that others have taken up since. */
static void test_a_run_is_put_back_again_only_when_the_first_cannot_land_any_more(void **state)
{
    (void)state;
    static const char *const doubts[] = {" UNKNOWN_OUTCOME", " restart"};
    for (size_t i = 0; i < ARRAY_LEN(doubts); i++) {
        struct trip trip = go("ENTER ADMITTED OVERTOOK");
        trip_go(&trip, doubts[i]);
        assert_at(&trip, RUN_STATE_RESTORING, RUN_ACTION_WAIT);
        trip_go(&trip, "+30000 restart");
        assert_at(&trip, RUN_STATE_RESTORING, RUN_ACTION_WAIT);
        trip_go(&trip, "+60000 ENTER");
        assert_at(&trip, RUN_STATE_RESTORING, RUN_ACTION_RESTORE);
        trip_go(&trip, "DONE");
        assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
    }
}

static void test_restoring_survives_a_clock_that_jumps_back(void **state)
{
    (void)state;
    struct trip trip = go("ENTER ADMITTED UNKNOWN_OUTCOME ENTER OVERTOOK");
    trip.now_ms -= 86400000;
    trip_go(&trip, "DONE +60000 ENTER");
    assert_at(&trip, RUN_STATE_RESTORING, RUN_ACTION_WAIT);
    trip_go(&trip, "+60000 ENTER DONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_parked(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, RESOLVE_OUT " PERMANENT LAUNCH_DEADLINE DRAIN restart");
    assert_int_equal(trip.run.state, RUN_STATE_PARKED);
    struct trip discarded = trip;
    trip_go(&discarded, "DISCARD"); /* after days: it may be another's by now */
    assert_at(&discarded, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
    struct trip taken = discarded;
    trip_go(&taken, "RUN_SCHEDULED");
    assert_at(&taken, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
    trip_go(&discarded, "RUN_PENDING");
    assert_at(&discarded, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(discarded.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
    struct trip cancelled = trip;
    trip_go(&cancelled, "CANCEL");
    assert_at(&cancelled, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(cancelled.run.verdict, RUN_VERDICT_CANCELLED);
}

/* Someone has scheduled it again: the poll brings it as another launch, and this one leaves without a word.
 */
static void test_parked_and_scheduled_again(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, RESOLVE_OUT " PERMANENT SEEN_ELSEWHERE");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_LOOK_RUN);
    trip_go(&trip, "RUN_SCHEDULED");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

/* A released run stands in line with its claim: on drain nobody else could take it. */
static void test_a_released_run_goes_back_on_drain(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, RESOLVE_OUT " PERMANENT RELEASE DRAIN");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_LOOK_RUN);
    trip_go(&trip, "RUN_PENDING");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
}

/* ---- run.h ---- */

static void test_what_must_be_on_disk_first(void **state)
{
    (void)state;
    for (int a = 0; a < RUN_ACTION_COUNT; a++) {
        bool wanted = a == RUN_ACTION_CLAIM || a == RUN_ACTION_CREATE || a == RUN_ACTION_START ||
                      a == RUN_ACTION_REPORT || a == RUN_ACTION_HAND_BACK || a == RUN_ACTION_RESTORE ||
                      a == RUN_ACTION_CLEAR || a == RUN_ACTION_RETIRE;
        assert_int_equal(run_action_is_durable((enum run_action)a), wanted);
        if (wanted)
            assert_true(run_action_is_request((enum run_action)a));
    }
}

static void test_names_of_states_and_verdicts_lead_back(void **state)
{
    (void)state;
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        assert_int_equal(run_state_from_name(run_state_name((enum run_state)s)), s);
    for (int v = 0; v <= (int)RUN_VERDICT_HAND_BACK; v++)
        assert_int_equal(run_verdict_from_name(run_verdict_name((enum run_verdict)v)), v);
    assert_int_equal(run_state_from_name("running"), -1);
    assert_int_equal(run_state_from_name(""), -1);
    assert_int_equal(run_verdict_from_name("EXITED"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_end_is_what_the_look_says),
        cmocka_unit_test(test_exit_code_and_oom_are_kept),
        cmocka_unit_test(test_running_is_never_given_up),
        cmocka_unit_test(test_started_at_is_kept_over_a_restart),
        cmocka_unit_test(test_cancel_gives_the_flow_its_time),
        cmocka_unit_test(test_cancel_does_not_put_off_a_look_that_is_due),
        cmocka_unit_test(test_cancel_during_the_start_gives_the_flow_its_time_too),
        cmocka_unit_test(test_cancel_of_a_start_that_may_have_landed_looks_first),
        cmocka_unit_test(test_cancel_grace_survives_a_clock_that_jumps_back),
        cmocka_unit_test(test_a_death_during_a_look_is_looked_at_again),
        cmocka_unit_test(test_max_run_time),
        cmocka_unit_test(test_the_word_of_a_stopped_flow_stands),
        cmocka_unit_test(test_a_stop_is_repeated_until_it_is_answered),
        cmocka_unit_test(test_clearing_goes_on_until_the_engine_confirms),
        cmocka_unit_test(test_cancel_while_clearing),
        cmocka_unit_test(test_left_running_after_six_looks),
        cmocka_unit_test(test_failed_looks_are_not_counted_as_left_running),
        cmocka_unit_test(test_never_ran),
        cmocka_unit_test(test_a_verdict_is_not_put_on_another_workers_run),
        cmocka_unit_test(test_a_permanent_answer_ends_a_proposal_but_not_a_look),
        cmocka_unit_test(test_cancelling_turns_the_verdict),
        cmocka_unit_test(test_removing),
        cmocka_unit_test(test_a_lost_hand_back_is_not_sent_twice_while_it_may_land),
        cmocka_unit_test(test_a_hand_back_that_finds_an_overwritten_end_restores_it),
        cmocka_unit_test(test_restoring_goes_on_until_it_is_answered),
        cmocka_unit_test(test_a_run_is_put_back_again_only_when_the_first_cannot_land_any_more),
        cmocka_unit_test(test_restoring_survives_a_clock_that_jumps_back),
        cmocka_unit_test(test_parked),
        cmocka_unit_test(test_parked_and_scheduled_again),
        cmocka_unit_test(test_a_released_run_goes_back_on_drain),
        cmocka_unit_test(test_what_must_be_on_disk_first),
        cmocka_unit_test(test_names_of_states_and_verdicts_lead_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
