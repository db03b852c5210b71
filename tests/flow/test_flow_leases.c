/*
 * test_flow_leases.c - a claimed run of a deployment with a concurrency limit keeps its slot for as long as
 * it waits with us, and gives it up with the run: the limit never shows fewer slots than there are runs.
 */
#include "tests/flow/world.h"

#include "runner.h"

#define LEASE_S 60

static const char *add_limited(struct world *w, int64_t limit)
{
    return fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "single",
                                                      .pool = WORLD_POOL,
                                                      .job_variables_json = "{\"image\":\"etl:2\"}",
                                                      .has_limit = true,
                                                      .limit = limit,
                                                      .grace_s = LEASE_S});
}

static const char *add_run(struct world *w, const char *deployment)
{
    return fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
}

static void make_pull_take(struct world *w, int64_t ms)
{
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = ms, .lines = 100});
}

static int renewals(const struct world *w)
{
    return fake_prefect_calls(w->prefect, FAKE_PREFECT_RENEW_LEASE);
}

/* Runs that hold, or should hold, a slot. */
static int64_t holders(const struct world *w)
{
    return (int64_t)(world_count(w, PREFECT_STATE_PENDING) + world_count(w, PREFECT_STATE_RUNNING) +
                     world_count(w, PREFECT_STATE_CANCELLING));
}

static void test_a_pull_longer_than_the_lease(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *first = add_run(w, deployment);
    make_pull_take(w, MINUTES(12));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, first, RUN_STATE_PULLING));
    const char *second = add_run(w, deployment);
    UNTIL_DOING(w, MINUTES(20), world_state(w, second) == PREFECT_STATE_COMPLETED, {
        assert_int_equal(fake_prefect_slots(w->prefect, deployment), holders(w));
        assert_true(holders(w) <= 1);
    });
    assert_int_equal(world_state(w, first), PREFECT_STATE_COMPLETED);
    assert_in_range(renewals(w), 8, 9); /* at 10 to 15 s, then every 100 to 105 s */
    assert_int_equal(fake_prefect_had_state(w->prefect, first, PREFECT_STATE_SCHEDULED, NULL), 1);
}

static void test_a_quick_launch_costs_no_renewal(void **state)
{
    struct world *w = *state;
    const char *run = add_run(w, add_limited(w, 1));
    make_pull_take(w, SECONDS(2));
    w->flow.run_ms = MINUTES(30);
    world_start(w, NULL);
    UNTIL(w, MINUTES(40), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(renewals(w), 0); /* and a container that runs renews itself */
}

/* Created, started, and slow to say RUNNING: nobody else renews it so far. */
static void test_a_container_that_is_slow_to_begin(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, SECONDS(2));
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, MINUTES(10));
    assert_int_equal(fake_prefect_slots(w->prefect, deployment), 1);
    assert_true(fake_prefect_container_runs(w->prefect, run));
    world_pass(w, SECONDS(20));
    int so_far = renewals(w);
    world_pass(w, MINUTES(10));
    assert_int_equal(renewals(w), so_far);
}

static void test_a_restart_goes_on_renewing(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, MINUTES(12));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    world_pass(w, SECONDS(5));
    assert_int_equal(renewals(w), 0);
    world_crash(w);
    world_pass(w, SECONDS(50)); /* five seconds are left */
    world_start(w, NULL);
    UNTIL(w, SECONDS(4), renewals(w) == 1);
    UNTIL(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL), 1);
}

/* Down for so long that the lease is over, while another worker's run takes the slot. That run. */
static const char *lose_slot_while_down(struct world *w, const char *deployment)
{
    world_crash(w);
    world_pass(w, MINUTES(5));
    const char *other = add_run(w, deployment);
    assert_true(fake_prefect_other_worker_claims(w->prefect, other));
    assert_true(fake_prefect_container_runs(w->prefect, other));
    return other;
}

static void expect_run_when_slot_is_free(struct world *w, const char *run, const char *other)
{
    assert_true(fake_prefect_container_completes(w->prefect, other));
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
}

/* Away for so long that the slot is another's: started all the same, the server would cancel the run. */
static void test_a_restart_after_the_lease_asks_before_it_goes_on(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, MINUTES(12));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    const char *other = lose_slot_while_down(w, deployment);
    fake_engine_add_image(w->engine, "etl:2");
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    world_pass(w, SECONDS(20));
    expect_run_when_slot_is_free(w, run, other);
}

/* The same with the container made, and its start not sent. */
static void test_a_restart_after_the_lease_asks_before_the_start(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, SECONDS(2));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .kind = PREFECT_FAULT_STALL});
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), fake_prefect_calls(w->prefect, FAKE_PREFECT_PATCH_RUN) == 1);
    const char *other = lose_slot_while_down(w, deployment);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_START), 0);
    expect_run_when_slot_is_free(w, run, other);
}

/* A run that has begun, or is over, has no lease that a worker could renew: nothing to warn of. */
static void test_a_lease_that_is_over_with_its_run_is_no_warning(void **state)
{
    struct world *w = *state;
    const char *run = add_run(w, add_limited(w, 1));
    make_pull_take(w, SECONDS(9));
    w->flow.run_ms = 500;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .times = 8,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503});
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_true(renewals(w) > 0);
    assert_int_equal(world_logged(w, "given the concurrency slot"), 0);
}

/* The claim's answer was lost; the look that finds it finds the lease as well. */
static void test_a_claim_whose_answer_was_lost(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, MINUTES(12));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DROP_AFTER});
    world_start(w, NULL);
    UNTIL(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_true(renewals(w) >= 7);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL), 1);
}

static void test_renewals_that_fail_are_tried_again(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    make_pull_take(w, MINUTES(5));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_RENEW_LEASE,
                                                                .times = 6,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503});
    world_start(w, NULL);
    UNTIL_DOING(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED,
                assert_int_equal(fake_prefect_slots(w->prefect, deployment), holders(w)));
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL), 1);
}

static void test_a_server_that_knows_no_renewal_is_asked_once(void **state)
{
    struct world *w = *state;
    const char *run = add_run(w, add_limited(w, 1));
    make_pull_take(w, SECONDS(50));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_RENEW_LEASE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 404});
    world_start(w, NULL);
    UNTIL(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(renewals(w), 1);
}

/* The server forgets the lease of a run whose image is being pulled. */
static void lose_lease_while_pulling(struct world *w, const char *run)
{
    make_pull_take(w, MINUTES(5));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    world_pass(w, SECONDS(60));
    fake_prefect_lose_leases(w->prefect);
}

static void expect_sent_back_and_come_again(struct world *w, const char *deployment, const char *run)
{
    UNTIL(w, MINUTES(2), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    assert_int_equal(fake_prefect_slots(w->prefect, deployment), 0);
    assert_int_equal(world_logged(w, "given the concurrency slot of a claimed run away"), 1);
    UNTIL(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CANCELLED, NULL), 0);
}

/* The server restarts: it forgets leases and goes on counting slots. Going on would end in Cancelled. */
static void test_a_lost_lease_sends_the_run_back_and_it_comes_again(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    lose_lease_while_pulling(w, run);
    expect_sent_back_and_come_again(w, deployment, run);
}

/* Prefect 3.4.11 says so with 404. */
static void test_a_lease_that_an_older_server_has_lost(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 1);
    const char *run = add_run(w, deployment);
    lose_lease_while_pulling(w, run);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_RENEW_LEASE,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 404,
                                                                .body = "{\"detail\":\"Lease not found\"}"});
    expect_sent_back_and_come_again(w, deployment, run);
}

/* Its start may have been sent: it is not handed back, whatever became of the slot. */
static void test_a_lost_lease_does_not_touch_a_container_that_may_run(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 2);
    const char *run = add_run(w, deployment);
    make_pull_take(w, SECONDS(1));
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_lose_leases(w->prefect);
    world_pass(w, MINUTES(5));
    assert_string_equal(fake_engine_container_at(w->engine, 0)->state, "running");
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_SCHEDULED, NULL), 1);
    assert_int_equal(world_logged(w, "the lease of a started run is over"), 1);
}

/* However a claimed run ends with us, its slot is free at once. */
static void test_the_slot_goes_with_the_run(void **state)
{
    struct world *w = *state;
    const char *deployment = add_limited(w, 4);
    const char *cancelled = add_run(w, deployment);
    const char *deleted = add_run(w, deployment);
    const char *drained = add_run(w, deployment);
    make_pull_take(w, MINUTES(12));
    world_start(w, NULL);
    UNTIL(w, SECONDS(20),
          world_is_in(w, drained, RUN_STATE_PULLING) && fake_prefect_slots(w->prefect, deployment) == 3);
    world_pass(w, MINUTES(3));
    fake_prefect_user_cancels(w->prefect, cancelled);
    UNTIL(w, SECONDS(10), fake_prefect_slots(w->prefect, deployment) == 2);
    fake_prefect_delete_run(w->prefect, deleted);
    UNTIL(w, SECONDS(10), world_launches(w) == 1);
    assert_int_equal(fake_prefect_slots(w->prefect, deployment), 1);
    world_stop(w);
    assert_int_equal(world_state(w, drained), PREFECT_STATE_SCHEDULED);
    assert_int_equal(fake_prefect_slots(w->prefect, deployment), 0);
}

/* Sixty containers that are slow to begin: their leases are renewed a few at a time, and none is late. */
static void test_many_leases(void **state)
{
    struct world *w = *state;
    enum { RUNS = 60 };
    const char *deployment = add_limited(w, RUNS);
    for (int i = 0; i < RUNS; i++)
        add_run(w, deployment);
    make_pull_take(w, SECONDS(1));
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), fake_engine_starts(w->engine, NULL) == RUNS);
    for (int i = 0; i < 60; i++) {
        world_pass(w, SECONDS(10));
        assert_int_equal(fake_prefect_slots(w->prefect, deployment), RUNS);
    }
    assert_in_range(renewals(w), RUNS * 6, RUNS * 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_pull_longer_than_the_lease),
        FLOW_TEST(test_a_quick_launch_costs_no_renewal),
        FLOW_TEST(test_a_container_that_is_slow_to_begin),
        FLOW_TEST(test_a_restart_goes_on_renewing),
        FLOW_TEST(test_a_restart_after_the_lease_asks_before_it_goes_on),
        FLOW_TEST(test_a_restart_after_the_lease_asks_before_the_start),
        FLOW_TEST(test_a_lease_that_is_over_with_its_run_is_no_warning),
        FLOW_TEST(test_a_claim_whose_answer_was_lost),
        FLOW_TEST(test_renewals_that_fail_are_tried_again),
        FLOW_TEST(test_a_server_that_knows_no_renewal_is_asked_once),
        FLOW_TEST(test_a_lost_lease_sends_the_run_back_and_it_comes_again),
        FLOW_TEST(test_a_lease_that_an_older_server_has_lost),
        FLOW_TEST(test_a_lost_lease_does_not_touch_a_container_that_may_run),
        FLOW_TEST(test_the_slot_goes_with_the_run),
        FLOW_TEST(test_many_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
