/*
 * run_step() before RUNNING, promise by promise; test_run_step_end has the rest, test_run_table the whole
 * table.
 */
#include "run_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CLAIM_OUT "ENTER ADMITTED"
#define SUBMIT_OUT CLAIM_OUT " DONE"
#define RESOLVE_OUT SUBMIT_OUT " DONE"
#define PULL_OUT RESOLVE_OUT " DONE"
#define READY PULL_OUT " DONE"
#define CREATE_OUT READY " ADMITTED"
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

/* ---- late runs ---- */

static struct trip late_trip(bool skip, bool leave)
{
    struct trip trip = trip_new();
    trip.policy.late_after_ms = 60000;
    trip.policy.skip_late = skip;
    trip.policy.leave_late = leave;
    return trip;
}

static void test_a_late_run_is_skipped_once_it_is_ours(void **state)
{
    (void)state;
    struct trip trip = late_trip(true, false);
    trip_go(&trip, "ENTER +60001 ADMITTED");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_CLAIM); /* unclaimed it may be another's */
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_SKIPPED);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
    trip = late_trip(true, false); /* the claim's answer was lost */
    trip_go(&trip, "ENTER +60001 ADMITTED UNKNOWN_OUTCOME ENTER RUN_PENDING");
    assert_int_equal(trip.run.verdict, RUN_VERDICT_SKIPPED);
}

static void test_what_was_claimed_in_time_is_not_late(void **state)
{
    (void)state;
    struct trip trip = late_trip(true, false);
    trip_go(&trip, "ENTER +60000 ADMITTED +600000 DONE");
    assert_at(&trip, RUN_STATE_SUBMITTING, RUN_ACTION_SUBMIT);
    trip = late_trip(false, false);
    trip_go(&trip, "ENTER +600000 ADMITTED DONE");
    assert_at(&trip, RUN_STATE_SUBMITTING, RUN_ACTION_SUBMIT);
    trip = late_trip(true, true);
    trip.policy.late_after_ms = 0; /* no run is late */
    trip_go(&trip, "ENTER +600000 ADMITTED DONE");
    assert_at(&trip, RUN_STATE_SUBMITTING, RUN_ACTION_SUBMIT);
}

static void test_a_late_run_is_left_unclaimed(void **state)
{
    (void)state;
    struct trip trip = late_trip(false, true);
    trip_go(&trip, "ENTER +60001 ADMITTED");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
    assert_false(trip.run.has_claim);
    trip = late_trip(false, true);
    trip_go(&trip, "ENTER +60000 ADMITTED");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_CLAIM);
}

/* ---- giving up ---- */

static void test_attempts_are_exhausted(void **state)
{
    (void)state;
    static const char *const ways[] = {RESOLVE_OUT, PULL_OUT};
    for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
        struct trip trip = go(ways[w]);
        for (int i = 1; i < trip.policy.max_attempts; i++) {
            trip_go(&trip, "TRANSIENT");
            assert_int_equal(trip.action, RUN_ACTION_WAIT);
            assert_int_equal(trip.run.attempt, i);
            trip_go(&trip, "ENTER");
        }
        trip_go(&trip, "TRANSIENT");
        assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
        assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
    }
}

static void test_attempts_of_the_launch_clear_before_the_verdict(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    for (int i = 0; i < trip.policy.max_attempts; i++)
        trip_go(&trip, i == 0 ? "TRANSIENT" : "ENTER ADMITTED TRANSIENT");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
    assert_false(trip.run.has_container);
}

static void test_each_state_counts_its_own_attempts(void **state)
{
    (void)state;
    struct trip trip = go(RESOLVE_OUT " TRANSIENT ENTER TRANSIENT ENTER DONE");
    assert_int_equal(trip.run.state, RUN_STATE_PULLING);
    assert_int_equal(trip.run.attempt, 0);
}

static void test_a_claim_is_never_given_up(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT);
    for (int i = 0; i < 50; i++)
        trip_go(&trip, "TRANSIENT ENTER");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_LOOK_RUN);
}

static void test_park_instead_of_crashed(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, CREATE_OUT " PERMANENT");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    trip_go(&trip, "DONE");
    assert_int_equal(trip.run.state, RUN_STATE_PARKED);
    assert_false(run_holds_running_slot(&trip.run));
}

/* Released, it would be started a second time. */
static void test_what_may_have_started_is_not_parked(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip.policy.max_attempts = 1;
    trip_go(&trip, START_OUT " UNKNOWN_OUTCOME PERMANENT");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
    /* A start that was answered with an error has not happened. */
    trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, START_OUT " PERMANENT DONE");
    assert_int_equal(trip.run.state, RUN_STATE_PARKED);
}

/* ---- waiting ---- */

static void test_retry_after_passes_through(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    struct run_event event = trip_event(RUN_EVENT_THROTTLED);
    event.retry_after_ms = 40000;
    struct run_step step = trip_feed(&trip, event);
    assert_int_equal(step.action, RUN_ACTION_WAIT);
    assert_in_range(step.delay_ms, 40000, 48000);
    assert_int_equal(step.next.next_try_at_ms, trip.now_ms + step.delay_ms);
}

/* Counted from the first failed try; the last try comes when the time is up. */
static void test_total_time_is_exhausted(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    trip.policy.max_time_ms = 10000;
    trip.policy.max_attempts = 1000;
    trip.policy.base_ms = 4000;
    trip.policy.factor = 1;
    trip_go(&trip, "+99999 TRANSIENT");
    assert_int_equal(trip.delay_ms, 4000);
    trip_go(&trip, "+4000 ENTER TRANSIENT +4000 ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, 2000);
    trip_go(&trip, "+2000 ENTER TRANSIENT");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_LAUNCH_FAILED);
}

/* What was asked for is never undercut, also when the time is up before. */
static void test_total_time_does_not_undercut_what_was_asked(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    trip.policy.max_time_ms = 10000;
    struct run_event event = trip_event(RUN_EVENT_THROTTLED);
    event.retry_after_ms = 40000;
    struct run_step step = trip_feed(&trip, event);
    assert_true(step.delay_ms >= 40000);
}

/* An outage uses up neither tries nor time. */
static void test_total_time_stands_still_while_out_of_reach(void **state)
{
    (void)state;
    struct trip trip = go(RESOLVE_OUT);
    trip.policy.max_time_ms = 10000;
    trip_go(&trip, "TRANSIENT +500 ENTER out_of_reach +3600000 ENTER TRANSIENT");
    assert_int_equal(trip.run.state, RUN_STATE_RESOLVING);
    assert_int_equal(trip.run.attempt, 2);
    trip_go(&trip, "+9400 ENTER TRANSIENT");
    assert_int_equal(trip.run.state, RUN_STATE_RESOLVING);
    trip_go(&trip, "+100 ENTER TRANSIENT");
    assert_int_equal(trip.run.state, RUN_STATE_REPORTING);
}

static void test_total_time_begins_anew_in_each_state(void **state)
{
    (void)state;
    struct trip trip = go(RESOLVE_OUT);
    trip.policy.max_time_ms = 10000;
    trip_go(&trip, "TRANSIENT +9000 ENTER DONE +9000 TRANSIENT +9000 ENTER TRANSIENT");
    assert_int_equal(trip.run.state, RUN_STATE_PULLING);
    assert_int_equal(trip.run.attempt, 2);
}

/* From RUNNING on nothing is given up. */
static void test_total_time_ends_no_stop(void **state)
{
    (void)state;
    struct trip trip = go(START_OUT " DONE MAX_RUN_TIME ADMITTED");
    trip.policy.max_time_ms = 1000;
    for (int i = 0; i < 50; i++)
        trip_go(&trip, "TRANSIENT +60000 ENTER ADMITTED");
    assert_int_equal(trip.run.state, RUN_STATE_STOPPING);
}

/* What a rule says holds for this error only. */
static void test_an_event_brings_its_limits(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    struct run_event event = trip_event(RUN_EVENT_TRANSIENT);
    event.retry = (struct retry_override){.base_ms = 7000, .jitter = JITTER_NONE};
    assert_int_equal(trip_feed(&trip, event).delay_ms, 7000);
    trip_go(&trip, "ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, 2 * trip.policy.base_ms);
    trip_go(&trip, "ENTER");
    event.retry = (struct retry_override){.max_attempts = 3};
    trip_feed(&trip, event);
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
}

static void test_an_event_may_park(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    struct run_event event = trip_event(RUN_EVENT_PERMANENT);
    event.park = true;
    trip_feed(&trip, event);
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    trip_go(&trip, "DONE");
    assert_int_equal(trip.run.state, RUN_STATE_PARKED);
    trip_go(&trip, "RELEASE");
    assert_false(trip.run.park_wanted);
}

/* A backoff is served to its end, whoever died meanwhile; not one for a dependency that may be back. */
static void test_a_restart_serves_the_backoff(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    trip.policy.base_ms = 8000;
    trip_go(&trip, "TRANSIENT");
    int64_t next_try_at_ms = trip.run.next_try_at_ms;
    trip_go(&trip, "+3000 restart");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, 5000);
    assert_int_equal(trip.run.next_try_at_ms, next_try_at_ms);
    assert_int_equal(trip.run.attempt, 1);
    trip_go(&trip, "+5000 restart");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_PULL);
    trip_go(&trip, "TRANSIENT");
    trip.now_ms -= 3600000; /* the clock jumps back */
    trip_go(&trip, "restart");
    assert_int_equal(trip.delay_ms, 16000);
    trip = go(PULL_OUT " out_of_reach restart");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_PULL);
}

static void test_delays_grow_to_the_cap(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT " TRANSIENT");
    assert_int_equal(trip.delay_ms, trip.policy.base_ms);
    trip_go(&trip, "ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, 2 * trip.policy.base_ms);
    for (int i = 0; i < 20; i++)
        trip_go(&trip, "ENTER TRANSIENT");
    assert_int_equal(trip.delay_ms, trip.policy.cap_ms);
}

static void test_out_of_reach_costs_no_attempt(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    for (int i = 1; i <= 20; i++) {
        trip_go(&trip, "out_of_reach");
        assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
        assert_int_equal(trip.run.attempt, 0);
        assert_int_equal(trip.run.reach_tries, i);
        trip_go(&trip, "ENTER ADMITTED");
    }
    assert_int_equal(trip.delay_ms, 0); /* of the look */
    trip_go(&trip, "TRANSIENT");
    assert_int_equal(trip.run.attempt, 1);
    assert_int_equal(trip.run.reach_tries, 0);
    assert_int_equal(trip.run.unreachable_since_ms, 0);
}

/* Held by a retry budget: it waits just as long as that says, and nothing is counted. */
static void test_a_held_retry_waits_and_costs_nothing(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    trip_go(&trip, "TRANSIENT");
    for (int i = 0; i < 20; i++) {
        trip_go(&trip, "ENTER ADMITTED FOUND_ABSENT held");
        assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
        assert_int_equal(trip.delay_ms, 7000);
        assert_int_equal(trip.run.attempt, 1);
        assert_int_equal(trip.run.reach_tries, 0);
        assert_int_equal(trip.run.unreachable_since_ms, 0);
        assert_true(run_is_backing_off(&trip.run));
    }
}

static void test_the_time_for_retries_stands_still_while_one_is_held(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT);
    trip.policy.max_time_ms = 10000;
    trip_go(&trip, "TRANSIENT");
    for (int i = 0; i < 10; i++)
        trip_go(&trip, "ENTER ADMITTED FOUND_ABSENT held +7000");
    trip_go(&trip, "ENTER ADMITTED FOUND_ABSENT TRANSIENT");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_WAIT);
    trip_go(&trip, "+10000 ENTER ADMITTED FOUND_ABSENT TRANSIENT");
    assert_int_not_equal(trip.run.state, RUN_STATE_CREATING);
}

/* Held by a breaker: the next try comes with the next probe, and a run without a container goes back in the
 * end. */
static void test_behind_an_open_breaker_it_waits_for_the_probe(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    for (int i = 0; i < 19; i++) {
        trip_go(&trip, "held_out_of_reach +1500 ENTER");
        assert_int_equal(trip.run.attempt, 0);
    }
    trip_go(&trip, "held_out_of_reach");
    assert_int_equal(trip.delay_ms, 1500);
    trip_go(&trip, "+1500 ENTER held_out_of_reach");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
}

static void test_hand_back_after_a_dependency_was_out_of_reach(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT);
    trip_go(&trip, "out_of_reach +29999 ENTER out_of_reach");
    assert_int_equal(trip.action, RUN_ACTION_WAIT);
    trip_go(&trip, "+1 ENTER out_of_reach");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
}

static void test_no_hand_back_while_prefect_itself_is_away(void **state)
{
    (void)state;
    struct trip trip = go(RESOLVE_OUT);
    trip_go(&trip, "out_of_reach +600000 ENTER out_of_reach");
    assert_at(&trip, RUN_STATE_RESOLVING, RUN_ACTION_WAIT);
    trip_go(&trip, "ENTER DONE");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_PULL);
}

static void test_reach_begins_anew_after_an_answer(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT " out_of_reach +29999 ENTER TRANSIENT +1 ENTER out_of_reach");
    assert_at(&trip, RUN_STATE_PULLING, RUN_ACTION_WAIT);
    assert_int_equal(trip.run.unreachable_since_ms, trip.now_ms);
}

static void test_reach_survives_a_clock_that_jumps_back(void **state)
{
    (void)state;
    struct trip trip = go(PULL_OUT " out_of_reach");
    trip.now_ms -= 86400000;
    trip_go(&trip, "ENTER out_of_reach +30000 ENTER out_of_reach");
    assert_int_equal(trip.run.state, RUN_STATE_HANDING_BACK);
}

/* A first create may have been sent before the image was missed: it must not be left behind by the hand back.
 */
static void test_hand_back_after_a_second_pull_goes_through_clearing(void **state)
{
    (void)state;
    struct trip trip = go(CREATE_OUT " GONE out_of_reach +30000 ENTER out_of_reach");
    assert_at(&trip, RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    trip_go(&trip, "DONE");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
}

/* ---- claim ---- */

static void test_lost_claim_is_dropped_only_when_it_cannot_land(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT " UNKNOWN_OUTCOME +1000 ENTER RUN_ENDED");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.settle_ms - 1000);
    trip_go(&trip, "+59000 ENTER RUN_ENDED");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_settling_survives_a_clock_that_jumps_back(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT " UNKNOWN_OUTCOME");
    trip.now_ms -= 86400000;
    /* How long ago the claim was sent is not known any more: the wait begins anew, and is no longer than
     * ever. */
    trip_go(&trip, "ENTER RUN_ENDED");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_WAIT);
    assert_int_equal(trip.delay_ms, trip.policy.settle_ms);
    trip_go(&trip, "+60000 ENTER RUN_ENDED");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_a_restart_doubts_what_may_have_been_proposed(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT " restart");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_LOOK_RUN);
    assert_int_equal(trip.run.unsettled_until_ms, trip.now_ms + trip.policy.settle_ms);
    trip = go(SUBMIT_OUT " restart RUN_ENDED");
    assert_at(&trip, RUN_STATE_CLAIMING, RUN_ACTION_WAIT);
    trip = go(RESOLVE_OUT " restart");
    assert_int_equal(trip.run.unsettled_until_ms, 0);
}

static void test_lost_submitting_is_remembered(void **state)
{
    (void)state;
    struct trip trip = go(SUBMIT_OUT " UNKNOWN_OUTCOME");
    assert_at(&trip, RUN_STATE_RESOLVING, RUN_ACTION_RESOLVE);
    assert_int_not_equal(trip.run.unsettled_until_ms, 0);
    trip_go(&trip, "PERMANENT DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_WAIT);
    trip_go(&trip, "+60000 ENTER RUN_ENDED");
    assert_at(&trip, RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_a_released_run_waits_in_line_with_its_claim(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, RESOLVE_OUT " PERMANENT +3600000 RELEASE");
    assert_at(&trip, RUN_STATE_QUEUED, RUN_ACTION_ADMIT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_NONE);
    assert_int_equal(trip.run.claimed_at_ms, trip.now_ms); /* its launch deadline counts from here */
    trip_go(&trip, "SEEN_ELSEWHERE");                      /* at the server it is PENDING: through us */
    assert_at(&trip, RUN_STATE_QUEUED, RUN_ACTION_ADMIT);
    trip_go(&trip, "ADMITTED RUN_PENDING");
    assert_at(&trip, RUN_STATE_SUBMITTING, RUN_ACTION_SUBMIT);
}

/* It was claimed in time, and failed; a person took longer than late_after to release it. */
static void test_a_released_run_is_not_skipped_as_late(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip.policy.skip_late = true;
    trip.policy.late_after_ms = 600000;
    trip_go(&trip, RESOLVE_OUT " PERMANENT +3600000 RELEASE");
    trip_go(&trip, "ADMITTED RUN_PENDING");
    assert_at(&trip, RUN_STATE_SUBMITTING, RUN_ACTION_SUBMIT);
}

static void test_a_released_launch_looks_for_its_old_container(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, START_OUT " PERMANENT DONE RELEASE ADMITTED RUN_PENDING DONE DONE DONE DONE ADMITTED");
    assert_at(&trip, RUN_STATE_CREATING, RUN_ACTION_LOOK_NAME);
    trip_go(&trip, "FOUND_ABSENT DONE DONE DONE ADMITTED");
    assert_at(&trip, RUN_STATE_STARTING, RUN_ACTION_START);
}

static void expect_end_in_line(const char *event)
{
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, START_OUT " PERMANENT DONE RELEASE");
    trip_go(&trip, event);
    assert_int_equal(trip.run.state, RUN_STATE_REPORTING);
    assert_false(run_holds_running_slot(&trip.run));
}

/* Its containers were cleared before it was parked; in line it has no slot that clearing them again would
 * take.
 */
static void test_a_released_run_that_is_over_takes_no_slot(void **state)
{
    (void)state;
    expect_end_in_line("CANCEL");
    expect_end_in_line("SEEN_OVER");
}

/* ---- cancel, deadline, drain ---- */

static void test_cancel_waits_for_a_changing_request(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum run_state after;
    } cases[] = {
        {SUBMIT_OUT, RUN_STATE_REPORTING}, {CREATE_OUT, RUN_STATE_CLEARING},
        {CONNECT_OUT, RUN_STATE_CLEARING}, {ANNOUNCE_OUT, RUN_STATE_CLEARING},
        {RETIRE_OUT, RUN_STATE_CLEARING},  {START_OUT, RUN_STATE_RUNNING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trip trip = go(cases[i].path);
        enum run_action out = trip.run.pending;
        struct run_step step = trip_feed(&trip, trip_event(RUN_EVENT_CANCEL));
        assert_int_equal(step.action, RUN_ACTION_NONE);
        assert_int_equal(step.next.pending, out);
        assert_true(step.next.cancel_wanted);
        trip_go(&trip, "DONE");
        assert_string_equal(run_state_name(trip.run.state), run_state_name(cases[i].after));
    }
}

/* Before the claim's answer nobody knows whose run is cancelled. */
static void test_a_cancel_during_the_claim_leads_to_a_look(void **state)
{
    (void)state;
    struct trip trip = go(CLAIM_OUT " CANCEL");
    assert_int_equal(trip.run.pending, RUN_ACTION_CLAIM);
    assert_false(trip.run.cancel_wanted);
    assert_goes(CLAIM_OUT " UNKNOWN_OUTCOME CANCEL", RUN_STATE_CLAIMING, RUN_ACTION_LOOK_RUN);
    assert_goes(CLAIM_OUT " UNKNOWN_OUTCOME CANCEL CANCEL", RUN_STATE_CLAIMING, RUN_ACTION_LOOK_RUN);
    /* The lost claim may still land: its report looks first, too. */
    assert_goes(CLAIM_OUT " UNKNOWN_OUTCOME CANCEL RUN_CANCELLING", RUN_STATE_REPORTING, RUN_ACTION_LOOK_RUN);
    assert_goes(CLAIM_OUT " UNKNOWN_OUTCOME CANCEL RUN_CANCELLING RUN_CANCELLING", RUN_STATE_REPORTING,
                RUN_ACTION_REPORT);
    assert_goes(CLAIM_OUT " TRANSIENT CANCEL RUN_ENDED", RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_cancel_takes_effect_at_once_where_nothing_can_land(void **state)
{
    (void)state;
    assert_goes(RESOLVE_OUT " CANCEL", RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_goes(PULL_OUT " CANCEL", RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_goes(READY " CANCEL", RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_goes(CREATE_OUT " UNKNOWN_OUTCOME CANCEL", RUN_STATE_CLEARING, RUN_ACTION_CLEAR);
    assert_goes("ENTER CANCEL", RUN_STATE_FINISHED, RUN_ACTION_FORGET);
}

static void test_a_cancel_beats_every_other_verdict(void **state)
{
    (void)state;
    struct trip trip = trip_new();
    trip.policy.park = true;
    trip_go(&trip, START_OUT " CANCEL PERMANENT DONE");
    assert_at(&trip, RUN_STATE_REPORTING, RUN_ACTION_REPORT);
    assert_int_equal(trip.run.verdict, RUN_VERDICT_CANCELLED);
}

/* Deadline and drain give the claim back, but only where nothing of ours can have started. */
static void test_deadline_and_drain_in_each_state(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum run_state deadline;
        enum run_state drain;
    } cases[] = {
        {"ENTER", RUN_STATE_QUEUED, RUN_STATE_QUEUED},
        {CLAIM_OUT, RUN_STATE_CLAIMING, RUN_STATE_CLAIMING},
        {SUBMIT_OUT, RUN_STATE_SUBMITTING, RUN_STATE_SUBMITTING},
        {RESOLVE_OUT, RUN_STATE_HANDING_BACK, RUN_STATE_HANDING_BACK},
        {PULL_OUT, RUN_STATE_HANDING_BACK, RUN_STATE_HANDING_BACK},
        {READY, RUN_STATE_HANDING_BACK, RUN_STATE_HANDING_BACK},
        {CREATE_OUT, RUN_STATE_CREATING, RUN_STATE_CREATING},
        {CREATE_OUT " TRANSIENT", RUN_STATE_CLEARING, RUN_STATE_CLEARING},
        {CONNECT_OUT, RUN_STATE_CONNECTING, RUN_STATE_CONNECTING},
        {CONNECT_OUT " TRANSIENT", RUN_STATE_CLEARING, RUN_STATE_CONNECTING},
        {ANNOUNCE_OUT " TRANSIENT", RUN_STATE_CLEARING, RUN_STATE_ANNOUNCING},
        {STARTING, RUN_STATE_CLEARING, RUN_STATE_STARTING},
        {START_OUT, RUN_STATE_STARTING, RUN_STATE_STARTING},
        {START_OUT " UNKNOWN_OUTCOME", RUN_STATE_STARTING, RUN_STATE_STARTING},
        {START_OUT " DONE", RUN_STATE_RUNNING, RUN_STATE_RUNNING},
        {START_OUT " DONE MAX_RUN_TIME", RUN_STATE_STOPPING, RUN_STATE_STOPPING},
        {CREATE_OUT " PERMANENT", RUN_STATE_CLEARING, RUN_STATE_CLEARING},
        {RESOLVE_OUT " PERMANENT", RUN_STATE_REPORTING, RUN_STATE_REPORTING},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trip trip = go(cases[i].path);
        trip_go(&trip, "LAUNCH_DEADLINE");
        assert_string_equal(run_state_name(trip.run.state), run_state_name(cases[i].deadline));
        trip = go(cases[i].path);
        trip_go(&trip, "DRAIN");
        assert_string_equal(run_state_name(trip.run.state), run_state_name(cases[i].drain));
    }
}

static void test_a_hand_back_with_a_container_clears_first(void **state)
{
    (void)state;
    struct trip trip = go(STARTING " LAUNCH_DEADLINE DONE");
    assert_at(&trip, RUN_STATE_HANDING_BACK, RUN_ACTION_HAND_BACK);
    assert_false(trip.run.has_container);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_run_is_skipped_once_it_is_ours),
        cmocka_unit_test(test_what_was_claimed_in_time_is_not_late),
        cmocka_unit_test(test_a_late_run_is_left_unclaimed),
        cmocka_unit_test(test_attempts_are_exhausted),
        cmocka_unit_test(test_attempts_of_the_launch_clear_before_the_verdict),
        cmocka_unit_test(test_each_state_counts_its_own_attempts),
        cmocka_unit_test(test_a_claim_is_never_given_up),
        cmocka_unit_test(test_park_instead_of_crashed),
        cmocka_unit_test(test_what_may_have_started_is_not_parked),
        cmocka_unit_test(test_retry_after_passes_through),
        cmocka_unit_test(test_total_time_is_exhausted),
        cmocka_unit_test(test_total_time_does_not_undercut_what_was_asked),
        cmocka_unit_test(test_total_time_stands_still_while_out_of_reach),
        cmocka_unit_test(test_total_time_begins_anew_in_each_state),
        cmocka_unit_test(test_total_time_ends_no_stop),
        cmocka_unit_test(test_an_event_brings_its_limits),
        cmocka_unit_test(test_an_event_may_park),
        cmocka_unit_test(test_a_restart_serves_the_backoff),
        cmocka_unit_test(test_delays_grow_to_the_cap),
        cmocka_unit_test(test_out_of_reach_costs_no_attempt),
        cmocka_unit_test(test_a_held_retry_waits_and_costs_nothing),
        cmocka_unit_test(test_the_time_for_retries_stands_still_while_one_is_held),
        cmocka_unit_test(test_behind_an_open_breaker_it_waits_for_the_probe),
        cmocka_unit_test(test_hand_back_after_a_dependency_was_out_of_reach),
        cmocka_unit_test(test_no_hand_back_while_prefect_itself_is_away),
        cmocka_unit_test(test_reach_begins_anew_after_an_answer),
        cmocka_unit_test(test_reach_survives_a_clock_that_jumps_back),
        cmocka_unit_test(test_hand_back_after_a_second_pull_goes_through_clearing),
        cmocka_unit_test(test_lost_claim_is_dropped_only_when_it_cannot_land),
        cmocka_unit_test(test_settling_survives_a_clock_that_jumps_back),
        cmocka_unit_test(test_a_restart_doubts_what_may_have_been_proposed),
        cmocka_unit_test(test_lost_submitting_is_remembered),
        cmocka_unit_test(test_a_released_run_waits_in_line_with_its_claim),
        cmocka_unit_test(test_a_released_run_is_not_skipped_as_late),
        cmocka_unit_test(test_a_released_launch_looks_for_its_old_container),
        cmocka_unit_test(test_a_released_run_that_is_over_takes_no_slot),
        cmocka_unit_test(test_cancel_waits_for_a_changing_request),
        cmocka_unit_test(test_a_cancel_during_the_claim_leads_to_a_look),
        cmocka_unit_test(test_cancel_takes_effect_at_once_where_nothing_can_land),
        cmocka_unit_test(test_a_cancel_beats_every_other_verdict),
        cmocka_unit_test(test_deadline_and_drain_in_each_state),
        cmocka_unit_test(test_a_hand_back_with_a_container_clears_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
