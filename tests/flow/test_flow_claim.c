/* test_flow_claim.c - taking runs: each once, none that another worker has, in the order Prefect's people
 * asked for. */
#include "tests/flow/world.h"

static void fault(struct world *w, enum fake_prefect_route route, enum fake_prefect_fault_kind kind)
{
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = route, .kind = kind});
}

static void expect_one_life(struct world *w, const char *run)
{
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, "Pending"), 1);
}

static void expect_no_launch(struct world *w)
{
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    world_pass(w, SECONDS(60));
    assert_int_equal(world_launches(w), 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

static void test_another_worker_was_faster(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HOLD);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    expect_no_launch(w);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_int_equal(world_logged(w, "from=CLAIMING to=FINISHED why=REFUSED"), 1);
}

static void test_another_worker_finished_it_since_the_poll(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HOLD);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    assert_true(fake_prefect_container_runs(w->prefect, run));
    assert_int_equal(fake_prefect_propose(w->prefect, run,
                                          &(struct prefect_proposal){.type = PREFECT_STATE_COMPLETED,
                                                                     .name = "Cached",
                                                                     .message = "42 rows"})
                         .outcome,
                     PREFECT_OUTCOME_ACCEPT);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    expect_no_launch(w);
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    assert_int_equal(look.type, PREFECT_STATE_COMPLETED);
    assert_string_equal(look.name, "Cached");
    assert_string_equal(look.message, "42 rows");
    assert_int_equal(look.run_count, 1);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, NULL), 2);
}

static void test_a_claim_whose_answer_is_lost(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_AFTER);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_a_claim_that_never_arrived(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_BEFORE);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_a_claim_that_lands_late(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HOLD);
    world_start(w, "[timeouts]\napi = 5s\n");
    /* The clock runs out, the look finds nothing, the claim is repeated; then the first one lands as well. */
    UNTIL(w, SECONDS(60), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, "Pending") == 1);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    expect_one_life(w, run);
}

static void test_html_for_a_claim(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HTML);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_half_a_claim_answer(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_CUT_JSON);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_a_lost_answer_to_submitting(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .nth = 2,
                                                                .kind = PREFECT_FAULT_DROP_AFTER});
    world_start(w, NULL);
    expect_one_life(w, run);
}

/* A run whose flow has told this end while our Submitting is still on its way. */
static const char *end_with_submitting_held(struct world *w, const struct world_flow *flow,
                                            enum prefect_state_type end)
{
    const char *run = world_add_run(w);
    w->flow = *flow;
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 2, .kind = PREFECT_FAULT_HOLD});
    world_start(w, "[timeouts]\napi = 5s\n");
    UNTIL(w, SECONDS(40), world_state(w, run) == end);
    return run;
}

/* Our Submitting is carried out long after we gave it up, on a run whose flow has told its own end since. */
static void expect_late_submitting_is_undone(struct world *w, const struct world_flow *flow,
                                             enum prefect_state_type end, int64_t later_ms)
{
    const char *run = end_with_submitting_held(w, flow, end);
    world_pass(w, later_ms);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), end);
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_a_submitting_that_lands_on_a_completed_run(void **state)
{
    const struct world_flow flow = {.end = FLOW_COMPLETES, .run_ms = SECONDS(5)};
    expect_late_submitting_is_undone(*state, &flow, PREFECT_STATE_COMPLETED, 0);
}

/* We have seen the end by then, and look once more when nothing can land any more. */
static void test_a_submitting_that_lands_after_our_look(void **state)
{
    const struct world_flow flow = {.end = FLOW_COMPLETES, .run_ms = SECONDS(5)};
    expect_late_submitting_is_undone(*state, &flow, PREFECT_STATE_COMPLETED, SECONDS(5));
}

static void test_a_submitting_that_lands_on_a_failed_run(void **state)
{
    const struct world_flow flow = {.end = FLOW_FAILS, .run_ms = SECONDS(5), .exit_code = 1};
    expect_late_submitting_is_undone(*state, &flow, PREFECT_STATE_FAILED, 0);
}

/* Our Submitting lands on a run that its flow has left to be run again: it goes back to where it was, with
 * its time, and is run once more. */
static void test_a_submitting_that_lands_on_a_rescheduled_run(void **state)
{
    struct world *w = *state;
    const struct world_flow fails = {.end = FLOW_FAILS, .run_ms = SECONDS(5), .exit_code = 1};
    const char *run = end_with_submitting_held(w, &fails, PREFECT_STATE_FAILED);
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED,
                                           .name = "AwaitingRetry",
                                           .scheduled_at_ms = w->clock.wall_ms + MINUTES(10)};
    assert_int_equal(fake_prefect_propose(w->prefect, run, &again).outcome, PREFECT_OUTCOME_ACCEPT);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = SECONDS(5)};
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    assert_int_equal(look.type, PREFECT_STATE_SCHEDULED);
    assert_string_equal(look.name, "AwaitingRetry");
    assert_int_equal(world_times_run(w, run), 1);
    UNTIL(w, MINUTES(15), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 2);
}

/* A person cancels what our late Submitting has made of the run: it ends Cancelled, whatever it was before.
 */
static void expect_cancel_after_late_submitting(struct world *w, bool is_rescheduled)
{
    const struct world_flow fails = {.end = FLOW_FAILS, .run_ms = SECONDS(5), .exit_code = 1};
    const char *run = end_with_submitting_held(w, &fails, PREFECT_STATE_FAILED);
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry"};
    if (is_rescheduled)
        assert_int_equal(fake_prefect_propose(w->prefect, run, &again).outcome, PREFECT_OUTCOME_ACCEPT);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    fake_prefect_user_cancels(w->prefect, run);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLED);
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_a_late_submitting_on_an_ended_run_is_cancelled(void **state)
{
    expect_cancel_after_late_submitting(*state, false);
}

static void test_a_late_submitting_on_a_rescheduled_run_is_cancelled(void **state)
{
    expect_cancel_after_late_submitting(*state, true);
}

/* Our claim lands on another worker's COMPLETED, and a person cancels the run that looks PENDING. */
static void test_a_late_claim_that_is_cancelled(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HOLD);
    world_start(w, "[timeouts]\napi = 5s\n");
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    assert_true(fake_prefect_container_runs(w->prefect, run));
    const struct prefect_proposal completed = {.type = PREFECT_STATE_COMPLETED, .name = "Cached"};
    assert_int_equal(fake_prefect_propose(w->prefect, run, &completed).outcome, PREFECT_OUTCOME_ACCEPT);
    world_pass(w, SECONDS(20)); /* the claim is given up and looked at: COMPLETED */
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    assert_int_equal(look.type, PREFECT_STATE_COMPLETED);
    assert_string_equal(look.name, "Cached");
}

/* While a lost claim may still land, the clock of our host is set. */
static void expect_late_claim_is_undone(struct world *w, int64_t jump_ms)
{
    /* Due long since, also by the server's clock, which is the same here. */
    const char *run = fake_prefect_add_run(
        w->prefect, &(struct fake_prefect_run){.deployment_id = w->deployment,
                                               .scheduled_at_ms = w->clock.wall_ms - MINUTES(120)});
    fault(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_HOLD);
    world_start(w, "[timeouts]\napi = 5s\n");
    UNTIL(w, SECONDS(20), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, "Pending") == 1);
    w->clock.wall_ms += jump_ms;
    UNTIL(w, SECONDS(40), world_state(w, run) == PREFECT_STATE_COMPLETED);
    world_pass(w, SECONDS(15));
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_a_late_claim_and_a_clock_set_back(void **state)
{
    expect_late_claim_is_undone(*state, -MINUTES(60));
}

static void test_a_late_claim_and_a_clock_set_forward(void **state)
{
    expect_late_claim_is_undone(*state, MINUTES(30));
}

static void test_503_survives(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        world_add_run(w);
    for (int nth = 1; nth < 80; nth += 4)
        fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                    .nth = nth,
                                                                    .kind = PREFECT_FAULT_STATUS,
                                                                    .status = 503});
    world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 5 && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 5);
}

static void test_retry_after_is_obeyed(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 20"});
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE) == 1);
    int64_t asked_ms = w->clock.wall_ms;
    UNTIL(w, SECONDS(60), fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, NULL) == 1);
    assert_true(w->clock.wall_ms - asked_ms >= 20000);
    assert_true(w->clock.wall_ms - asked_ms <= 24000 + 2000);
    expect_one_life(w, run);
}

/* A deployment is read for many runs: the others wait as well, also those that come meanwhile. */
static void test_retry_after_holds_back_every_reader_of_a_deployment(void **state)
{
    struct world *w = *state;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_DEPLOYMENT,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 20"});
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_prefect_calls(w->prefect, FAKE_PREFECT_GET_DEPLOYMENT) == 1);
    int64_t asked_ms = w->clock.wall_ms;
    world_add_run(w);
    world_add_run(w);
    UNTIL(w, SECONDS(60), fake_prefect_calls(w->prefect, FAKE_PREFECT_GET_DEPLOYMENT) == 2);
    assert_true(w->clock.wall_ms - asked_ms >= 20000);
    assert_true(w->clock.wall_ms - asked_ms <= 24000 + 2000);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == 3 && world_launches(w) == 0);
}

static void test_no_poll_comes_earlier_than_the_server_asked_for(void **state)
{
    struct world *w = *state;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .times = 20,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 70"});
    world_start(w, NULL);
    /* Twenty, since each comes a random while later. */
    for (int polls = 1; polls <= 20; polls++) {
        UNTIL(w, SECONDS(90), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == polls);
        int64_t asked_ms = w->clock.wall_ms;
        UNTIL(w, SECONDS(90), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == polls + 1);
        assert_true(w->clock.wall_ms - asked_ms >= 70000);
        assert_true(w->clock.wall_ms - asked_ms <= 84000);
    }
}

static void test_a_server_that_answers_slowly(void **state)
{
    struct world *w = *state;
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_POLL, FAKE_PREFECT_FILTER_RUNS};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        fake_prefect_fault(
            w->prefect, &(struct fake_prefect_fault){
                            .route = routes[i], .times = -1, .kind = PREFECT_FAULT_DELAY, .delay_ms = 5000});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
}

/* Names of the containers in the order they were created: "a b c". */
static void expect_order(struct world *w, const char *names)
{
    char order[400] = "";
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++) {
        size_t len = strlen(order);
        snprintf(order + len, sizeof(order) - len, "%s%s", i == 0 ? "" : " ",
                 fake_engine_container_at(w->engine, i)->name);
    }
    assert_string_equal(order, names);
}

static const char *add_in_queue(struct world *w, const char *queue, const char *name, int64_t due_before_ms)
{
    return fake_prefect_add_run(
        w->prefect, &(struct fake_prefect_run){.pool = WORLD_POOL,
                                               .queue = queue,
                                               .name = name,
                                               .job_variables_json = "{\"image\":\"" WORLD_IMAGE "\"}",
                                               .scheduled_at_ms = w->clock.wall_ms - due_before_ms});
}

static void test_order_is_queue_priority_then_due_time(void **state)
{
    struct world *w = *state;
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "fast", 1);
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "slow", 9);
    add_in_queue(w, "slow", "slow-old", 9000);
    add_in_queue(w, "fast", "fast-new", 1000);
    add_in_queue(w, "slow", "slow-new", 2000);
    add_in_queue(w, "fast", "fast-old", 5000);
    w->flow.run_ms = 1000;
    world_start(w, "[limits]\nrunning = 1\n");
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_COMPLETED) == 4 && world_launches(w) == 0);
    expect_order(w, "fast-old fast-new slow-old slow-new");
}

static void test_class_priority_comes_before_due_time(void **state)
{
    struct world *w = *state;
    world_add_named_run(w, "early");
    add_in_queue(w, "default", "urgent", 0);
    w->flow.run_ms = 1000;
    world_start(w, "[limits]\nrunning = 1\n[class nightly]\nmatch_deployment = nightly\npriority = -5\n");
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_COMPLETED) == 2 && world_launches(w) == 0);
    expect_order(w, "urgent early");
}

static void test_only_the_queues_that_were_named(void **state)
{
    struct world *w = *state;
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "a", 1);
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "b", 2);
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "c", 3);
    add_in_queue(w, "a", "in-a", 0);
    add_in_queue(w, "b", "in-b", 0);
    const char *in_c = add_in_queue(w, "c", "in-c", 0);
    world_start(w, "[prefect]\nwork_queues = a, b\n");
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_COMPLETED) == 2);
    world_pass(w, SECONDS(60));
    assert_int_equal(world_state(w, in_c), PREFECT_STATE_SCHEDULED);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Runs that hold a slot at the server. */
static size_t taken(const struct world *w)
{
    return world_count(w, PREFECT_STATE_PENDING) + world_count(w, PREFECT_STATE_RUNNING);
}

static void test_the_pools_limit_is_kept(void **state)
{
    struct world *w = *state;
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 2);
    for (int i = 0; i < 6; i++)
        world_add_run(w);
    w->flow.run_ms = 3000;
    world_start(w, "[prefect]\npoll_interval = 1s\n");
    size_t most = 0;
    UNTIL_DOING(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 6, most = larger(most, taken(w)));
    assert_int_equal(most, 2);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 6);
}

static void test_a_paused_pool_gives_nothing(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, true);
    world_start(w, NULL);
    world_pass(w, SECONDS(60));
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, false);
    expect_one_life(w, run);
}

static void test_a_run_that_is_scheduled_again_is_a_new_launch(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 1000, .exit_code = 1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = 1000};
    fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .scheduled_at_ms = w->clock.wall_ms});
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 2);
    /* The first container is kept under the run's name. */
    assert_non_null(strstr(fake_engine_container_at(w->engine, 1)->name, "-1"));
}

static void test_more_runs_than_a_poll_shows(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 230; i++)
        world_add_run(w);
    w->flow.run_ms = 0;
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 230 && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 230);
}

static void test_a_queued_run_that_is_cancelled_is_let_go(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = -1;
    world_add_run(w);
    world_start(w, "[limits]\nrunning = 1\n");
    UNTIL(w, SECONDS(5), fake_engine_starts(w->engine, NULL) == 1);
    const char *second = world_add_run(w);
    UNTIL(w, SECONDS(60), world_launches(w) == 2);
    fake_prefect_user_cancels(w->prefect, second);
    UNTIL(w, SECONDS(60), world_launches(w) == 1);
    assert_int_equal(world_state(w, second), PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 1);
}

/* The server's late-run service and our claim met, and by their times the "Late" comes second. The run is
 * ours all the same: nobody else would ever end it. */
static void test_a_late_mark_behind_our_claim_takes_nothing_away(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = 1000};
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 2, .kind = PREFECT_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), fake_prefect_held(w->prefect) == 1);
    (void)fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .name = "Late", .force = true});
    world_pass(w, SECONDS(7));
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

/* Our "Submitting" was slow, somebody has scheduled the run again, another worker has claimed it, and a copy
 * of our "Submitting" lands on that: the run is theirs, and our container's end is no verdict on it. */
static void test_a_submitting_on_anothers_claim_makes_nothing_ours(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = -1};
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .nth = 2,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 6000});
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    char *AUTO_FREE submit_id = check_strdup(look.transition_id);
    (void)fake_prefect_propose(w->prefect, run,
                               &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .force = true});
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    (void)fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){
            .type = PREFECT_STATE_PENDING, .name = "Submitting", .transition_id = submit_id, .force = true});
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 1));
    UNTIL(w, MINUTES(1), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_another_worker_was_faster),
        FLOW_TEST(test_another_worker_finished_it_since_the_poll),
        FLOW_TEST(test_a_claim_whose_answer_is_lost),
        FLOW_TEST(test_a_claim_that_never_arrived),
        FLOW_TEST(test_a_claim_that_lands_late),
        FLOW_TEST(test_html_for_a_claim),
        FLOW_TEST(test_half_a_claim_answer),
        FLOW_TEST(test_a_lost_answer_to_submitting),
        FLOW_TEST(test_a_submitting_that_lands_on_a_completed_run),
        FLOW_TEST(test_a_submitting_that_lands_after_our_look),
        FLOW_TEST(test_a_submitting_that_lands_on_a_failed_run),
        FLOW_TEST(test_a_submitting_that_lands_on_a_rescheduled_run),
        FLOW_TEST(test_a_late_submitting_on_an_ended_run_is_cancelled),
        FLOW_TEST(test_a_late_claim_that_is_cancelled),
        FLOW_TEST(test_a_late_submitting_on_a_rescheduled_run_is_cancelled),
        FLOW_TEST(test_a_late_claim_and_a_clock_set_back),
        FLOW_TEST(test_a_late_claim_and_a_clock_set_forward),
        FLOW_TEST(test_503_survives),
        FLOW_TEST(test_retry_after_is_obeyed),
        FLOW_TEST(test_retry_after_holds_back_every_reader_of_a_deployment),
        FLOW_TEST(test_no_poll_comes_earlier_than_the_server_asked_for),
        FLOW_TEST(test_a_server_that_answers_slowly),
        FLOW_TEST(test_order_is_queue_priority_then_due_time),
        FLOW_TEST(test_class_priority_comes_before_due_time),
        FLOW_TEST(test_only_the_queues_that_were_named),
        FLOW_TEST(test_the_pools_limit_is_kept),
        FLOW_TEST(test_a_paused_pool_gives_nothing),
        FLOW_TEST(test_a_run_that_is_scheduled_again_is_a_new_launch),
        FLOW_TEST(test_more_runs_than_a_poll_shows),
        FLOW_TEST(test_a_queued_run_that_is_cancelled_is_let_go),
        FLOW_TEST(test_a_submitting_on_anothers_claim_makes_nothing_ours),
        FLOW_TEST(test_a_late_mark_behind_our_claim_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
