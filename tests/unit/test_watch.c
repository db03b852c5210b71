/*
 * Which launches are watched, how often, and what the state that their run is seen in means to them.
 */
#include "watch.h"

#include "core/run_step.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct run in_state(enum run_state state)
{
    struct run run = run_new(0);
    run.state = state;
    run.has_claim = true;
    return run;
}

static void test_every_claimed_run_is_watched_that_waits_for_something(void **state)
{
    (void)state;
    static const struct {
        enum run_state state;
        bool is_watched;
        int64_t period_ms;
    } cases[] = {
        {RUN_STATE_QUEUED, true, 10000},     {RUN_STATE_SUBMITTING, true, 3000},
        {RUN_STATE_RESOLVING, true, 3000},   {RUN_STATE_PULLING, true, 3000},
        {RUN_STATE_READY, true, 3000},       {RUN_STATE_CREATING, true, 3000},
        {RUN_STATE_CONNECTING, true, 3000},  {RUN_STATE_ANNOUNCING, true, 3000},
        {RUN_STATE_STARTING, true, 3000},    {RUN_STATE_RUNNING, true, 10000},
        {RUN_STATE_STOPPING, true, 10000},   {RUN_STATE_CLEARING, true, 10000},
        {RUN_STATE_REPORTING, false, 10000}, {RUN_STATE_RESTORING, false, 10000},
        {RUN_STATE_PARKED, true, 10000},     {RUN_STATE_REMOVING, false, 10000},
        {RUN_STATE_FINISHED, false, 10000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run run = in_state(cases[i].state);
        assert_int_equal(run_is_watched(&run), cases[i].is_watched);
        assert_int_equal(watch_period_ms(&run), cases[i].period_ms);
        run.cancel_wanted = true;
        assert_false(run_is_watched(&run));
        run.cancel_wanted = false;
        run.has_claim = false;
        assert_false(run_is_watched(&run));
    }
}

/* CLAIMING, HANDING_BACK and REPORTING look themselves; the watch only spares them a long wait. */
static void test_a_proposal_is_watched_while_it_waits(void **state)
{
    (void)state;
    static const enum run_state states[] = {RUN_STATE_CLAIMING, RUN_STATE_HANDING_BACK, RUN_STATE_REPORTING};
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct run run = in_state(states[i]);
        enum run_event_kind kind;
        assert_false(run_is_watched(&run));
        run.next_try_at_ms = 1;
        assert_true(run_is_watched(&run));
        assert_int_equal(watch_period_ms(&run), 3000);
        assert_true(run_heeds(&run, PREFECT_STATE_CANCELLING, &kind));
        assert_int_equal(kind, RUN_EVENT_CANCEL);
        assert_false(run_heeds(&run, PREFECT_STATE_CANCELLED, &kind));
        assert_false(run_heeds(&run, PREFECT_STATE_COMPLETED, &kind));
    }
}

static void test_what_a_state_means(void **state)
{
    (void)state;
    static const struct {
        enum prefect_state_type type;
        bool heeds;
        bool heeds_when_over;
        enum run_event_kind kind;
    } cases[] = {
        {PREFECT_STATE_CANCELLING, true, true, RUN_EVENT_CANCEL},
        {PREFECT_STATE_CANCELLED, true, true, RUN_EVENT_CANCEL},
        {PREFECT_STATE_COMPLETED, true, false, RUN_EVENT_SEEN_OVER},
        {PREFECT_STATE_FAILED, true, false, RUN_EVENT_SEEN_OVER},
        {PREFECT_STATE_CRASHED, true, false, RUN_EVENT_SEEN_OVER},
        {PREFECT_STATE_SCHEDULED, false, true, RUN_EVENT_SEEN_ALIVE},
        {PREFECT_STATE_PENDING, false, true, RUN_EVENT_SEEN_ALIVE},
        {PREFECT_STATE_RUNNING, false, true, RUN_EVENT_SEEN_ALIVE},
        {PREFECT_STATE_PAUSED, false, true, RUN_EVENT_SEEN_ALIVE},
        {PREFECT_STATE_UNKNOWN, false, true, RUN_EVENT_SEEN_ALIVE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run run = in_state(RUN_STATE_RUNNING);
        enum run_event_kind kind;
        assert_int_equal(run_heeds(&run, cases[i].type, &kind), cases[i].heeds);
        assert_int_equal(kind, cases[i].kind);
        run.is_over = true;
        assert_int_equal(run_heeds(&run, cases[i].type, &kind), cases[i].heeds_when_over);
    }
}

/* A parked run that is no longer PENDING through us is no longer kept. */
static void test_a_parked_run_that_was_scheduled_again_is_let_go(void **state)
{
    (void)state;
    static const enum prefect_state_type gone[] = {PREFECT_STATE_SCHEDULED, PREFECT_STATE_RUNNING,
                                                   PREFECT_STATE_PAUSED};
    struct run run = in_state(RUN_STATE_PARKED);
    enum run_event_kind kind;
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_true(run_heeds(&run, gone[i], &kind));
        assert_int_equal(kind, RUN_EVENT_SEEN_ELSEWHERE);
    }
    assert_false(run_heeds(&run, PREFECT_STATE_PENDING, &kind));
    run.state = RUN_STATE_QUEUED;
    assert_false(run_heeds(&run, PREFECT_STATE_SCHEDULED, &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_claimed_run_is_watched_that_waits_for_something),
        cmocka_unit_test(test_a_proposal_is_watched_while_it_waits),
        cmocka_unit_test(test_what_a_state_means),
        cmocka_unit_test(test_a_parked_run_that_was_scheduled_again_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
