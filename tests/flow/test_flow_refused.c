/* test_flow_refused.c - claims that are refused while the run is offered on, at once or by a poll that is
 * answered late: it shows runs as they were when it was asked, and what has happened to them with us since
 * counts for more. */
#include "tests/flow/world.h"

/* So long a poll's answer is on its way; the next poll comes after it. */
#define ON_ITS_WAY_MS SECONDS(20)

static const char config_text[] = "[timeouts]\napi = 30s\n";

/* One of its runs at a time. */
static const char *add_single_deployment(struct world *w)
{
    return fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "single",
                                                      .pool = WORLD_POOL,
                                                      .job_variables_json = "{\"image\":\"" WORLD_IMAGE "\"}",
                                                      .has_limit = true,
                                                      .limit = 1});
}

static void test_a_deployments_limit_sends_the_run_back_and_it_comes_again(void **state)
{
    struct world *w = *state;
    const char *deployment = add_single_deployment(w);
    for (int i = 0; i < 3; i++)
        fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 3 && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 3);
}

/* A poll is answered a millisecond after the claim before it, and the run is claimed anew before the end of
 * its last launch is on disk. */
static void expect_a_life_after_refusals(struct world *w, enum prefect_outcome outcome)
{
    const char *run = world_add_run(w);
    fake_prefect_refuse_claims(w->prefect, run, outcome, SECONDS(12));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    fake_prefect_fault(w->prefect,
                       &(struct fake_prefect_fault){
                           .route = FAKE_PREFECT_POLL, .nth = 2, .kind = PREFECT_FAULT_DELAY, .delay_ms = 1});
    world_start(w, config_text);
    UNTIL(w, SECONDS(15), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == 2);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    int64_t refused_at_ms = w->clock.mono_ms;
    UNTIL(w, SECONDS(1), fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE) == 2);
    assert_int_equal(w->clock.mono_ms, refused_at_ms + 1);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_pass(w, SECONDS(1)); /* the last row gets to disk */
    assert_false(w->has_ended);
    assert_int_equal(world_times_run(w, run), 1);
    assert_string_equal(
        world_query(w, "SELECT group_concat(state) FROM (SELECT state FROM launches ORDER BY rowid)"),
        "FINISHED,FINISHED,FINISHED");
    assert_string_equal(fake_prefect_history(w->prefect, run),
                        "SCHEDULED Scheduled, PENDING Pending, PENDING Submitting, RUNNING Running, "
                        "COMPLETED Completed");
}

static void test_rejected_and_offered_again_at_once(void **state)
{
    expect_a_life_after_refusals(*state, PREFECT_OUTCOME_REJECT);
}

static void test_aborted_and_offered_again_at_once(void **state)
{
    expect_a_life_after_refusals(*state, PREFECT_OUTCOME_ABORT);
}

/* The first claim stands at the server, and the poll after it has been answered, before the claim is carried
 * out; that answer is on its way. */
static void start_with_an_old_poll(struct world *w)
{
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .nth = 2,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = ON_ITS_WAY_MS});
    world_start(w, config_text);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    UNTIL(w, SECONDS(15), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == 2);
    world_pass(w, 100);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
}

/* The launch has ended before the poll's answer, which makes no other of it. */
static void expect_nothing_of_the_old_poll(struct world *w)
{
    int proposals = fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE);
    assert_int_equal(fake_prefect_unanswered(w->prefect), 1);
    UNTIL_DOING(w, ON_ITS_WAY_MS, fake_prefect_unanswered(w->prefect) == 0,
                assert_int_equal(world_launches(w), 0));
    world_pass(w, SECONDS(2));
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL), 2);
    assert_int_equal(world_launches(w), 0);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE), proposals);
}

/* Its due time has moved with the refusal: who claimed it by the old one would take it before its time. */
static void test_a_claim_was_refused_since(void **state)
{
    struct world *w = *state;
    const char *deployment = add_single_deployment(w);
    const struct fake_prefect_run setup = {.deployment_id = deployment};
    char *AUTO_FREE other = check_strdup(fake_prefect_add_run(w->prefect, &setup));
    assert_true(fake_prefect_other_worker_claims(w->prefect, other));
    const char *run = fake_prefect_add_run(w->prefect, &setup);
    start_with_an_old_poll(w);
    UNTIL(w, SECONDS(1), world_launches(w) == 0);
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, run, &look));
    assert_string_equal(look.name, "AwaitingConcurrencySlot");
    assert_true(fake_prefect_container_runs(w->prefect, other));
    assert_true(fake_prefect_container_completes(w->prefect, other)); /* now a claim would be taken */
    expect_nothing_of_the_old_poll(w);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_true(fake_engine_container_at(w->engine, 0)->created_at_ms >= look.scheduled_at_ms - SECONDS(10));
    assert_string_equal(fake_prefect_history(w->prefect, run),
                        "SCHEDULED Scheduled, SCHEDULED AwaitingConcurrencySlot, PENDING Pending, "
                        "PENDING Submitting, RUNNING Running, COMPLETED Completed");
}

/* Refused, and its due time is the old one: it is nobody's before a poll begun since has shown it. */
static void test_a_claim_was_refused_and_nothing_has_moved(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_refuse_claims(w->prefect, run, PREFECT_OUTCOME_REJECT, SECONDS(12));
    start_with_an_old_poll(w);
    UNTIL(w, SECONDS(1), world_launches(w) == 0);
    expect_nothing_of_the_old_poll(w);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_its_launch_has_ended_since(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = 1000;
    start_with_an_old_poll(w);
    UNTIL(w, ON_ITS_WAY_MS, world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    expect_nothing_of_the_old_poll(w);
    world_pass(w, MINUTES(1));
    assert_string_equal(fake_prefect_history(w->prefect, run),
                        "SCHEDULED Scheduled, PENDING Pending, PENDING Submitting, RUNNING Running, "
                        "COMPLETED Completed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_deployments_limit_sends_the_run_back_and_it_comes_again),
        FLOW_TEST(test_rejected_and_offered_again_at_once),
        FLOW_TEST(test_aborted_and_offered_again_at_once),
        FLOW_TEST(test_a_claim_was_refused_since),
        FLOW_TEST(test_a_claim_was_refused_and_nothing_has_moved),
        FLOW_TEST(test_its_launch_has_ended_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
