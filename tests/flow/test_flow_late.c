/* test_flow_late.c - many runs that are overdue after an outage: within the limits, and what becomes of late
 * ones. */
#include "tests/flow/world.h"

#define HOUR SECONDS(3600)

static const char *add_due(struct world *w, int64_t ago_ms, const char *const *tags)
{
    return fake_prefect_add_run(w->prefect,
                                &(struct fake_prefect_run){.deployment_id = w->deployment,
                                                           .scheduled_at_ms = w->clock.wall_ms - ago_ms,
                                                           .tags = tags});
}

/* ---- within the limits ---- */

#define OVERDUE 1000
#define RATE 8
#define BURST 10
#define RUNNING 100

static int running_now(const struct world *w)
{
    int count = 0;
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        count += strcmp(fake_engine_container_at(w->engine, i)->state, "running") == 0;
    return count;
}

static void expect_rate(struct world *w)
{
    static int64_t times[OVERDUE];
    size_t count = fake_engine_container_count(w->engine);
    assert_int_equal(count, OVERDUE);
    for (size_t i = 0; i < count; i++)
        times[i] = fake_engine_container_at(w->engine, i)->created_at_ms;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i; j < count; j++)
            if ((int64_t)(j - i + 1) * 1000 > BURST * 1000 + RATE * (times[j] - times[i]))
                fail_msg("%zu starts in %d ms", j - i + 1, (int)(times[j] - times[i]));
    print_message("%d overdue runs started in %lld ms; the rate allows %d ms at best\n", OVERDUE,
                  (long long)(times[count - 1] - times[0]), (OVERDUE - BURST) * 1000 / RATE);
    /* At least 95 % of the allowed rate. */
    assert_in_range(times[count - 1] - times[0], 0, (OVERDUE - BURST) * 1000 / RATE * 105 / 100);
}

static void test_a_thousand_overdue_runs_start_within_the_limits(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < OVERDUE; i++)
        add_due(w, SECONDS(i * 3), NULL);
    world_start(w, "[limits]\nstarts_per_second = 8\nstart_burst = 10\nlaunching = 20\nrunning = 100\n");
    int most = 0;
    UNTIL_DOING(w, MINUTES(20), world_count(w, PREFECT_STATE_COMPLETED) == OVERDUE,
                most = running_now(w) > most ? running_now(w) : most);
    assert_in_range(most, RATE * 4, RUNNING);
    assert_in_range(fake_engine_peak(w->engine, FAKE_ENGINE_CREATE), 1, 20);
    assert_int_equal(fake_engine_starts(w->engine, NULL), OVERDUE);
    expect_rate(w);
}

/* ---- by policy ---- */

#define POLICIES                                                                                             \
    "[limits]\nlaunching = 20\nlate_after = 1h\n[class skips]\nmatch_tag = skip\nwhen_late = skip\n"         \
    "[class leaves]\nmatch_tag = leave\nwhen_late = leave\n"

static const char *const skip_tags[] = {"skip", NULL};
static const char *const leave_tags[] = {"leave", NULL};

static void test_late_runs_by_policy(void **state)
{
    struct world *w = *state;
    const char *runs = add_due(w, 2 * HOUR, NULL);
    const char *skipped = add_due(w, 2 * HOUR, skip_tags);
    const char *in_time = add_due(w, HOUR - MINUTES(1), skip_tags);
    const char *left = add_due(w, 2 * HOUR, leave_tags);
    const char *taken = add_due(w, HOUR - MINUTES(1), leave_tags);
    world_start(w, POLICIES);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == 3 && world_launches(w) == 0);
    world_pass(w, MINUTES(2));
    assert_int_equal(world_state(w, runs), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_state(w, in_time), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_state(w, taken), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_state(w, skipped), PREFECT_STATE_CANCELLED);
    assert_non_null(
        strstr(world_message(w, skipped), "Flow run skipped by worker: it was due 7200 s before"));
    assert_int_equal(world_state(w, left), PREFECT_STATE_SCHEDULED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 3);
    assert_string_equal(
        world_query(w, "SELECT verdict FROM launches WHERE class_name = 'skips' AND verdict <> 'ended'"),
        "skipped");
}

/* It was in time when it was taken in, and became late in line. */
static void test_a_run_that_gets_late_in_line_is_left(void **state)
{
    struct world *w = *state;
    const char *first = add_due(w, 0, leave_tags);
    w->flow.run_ms = 2 * HOUR;
    world_start(w, "[limits]\nrunning = 1\nlate_after = 1h\nwhen_late = leave\n");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_RUNNING);
    const char *second = add_due(w, 0, leave_tags);
    UNTIL(w, MINUTES(1), world_is_in(w, second, RUN_STATE_QUEUED));
    UNTIL(w, 3 * HOUR, world_state(w, first) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    world_pass(w, MINUTES(2));
    assert_int_equal(world_state(w, second), PREFECT_STATE_SCHEDULED);
    assert_int_equal(world_logged(w, "a run that is late is left to other workers"), 1);
}

/* It was late when we proposed to take it; that was lost, and a user has scheduled it again meanwhile. */
static void test_a_run_that_is_scheduled_again_in_place_of_our_claim_is_not_late(void **state)
{
    struct world *w = *state;
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED, .name = "Scheduled"};
    const char *run = add_due(w, 2 * HOUR, NULL);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .nth = 1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
    world_start(w, "[limits]\nlate_after = 1h\nwhen_late = skip\n[retry]\nbase = 5s\njitter = none\n");
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_CLAIMING));
    world_pass(w, 100);
    (void)fake_prefect_propose(w->prefect, run, &again);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* Another worker ran it while it stood in line here, and a user has scheduled it again: it is due since then.
 */
static void test_a_run_that_is_scheduled_again_in_line_is_not_late(void **state)
{
    struct world *w = *state;
    const struct prefect_proposal again = {.type = PREFECT_STATE_SCHEDULED, .name = "AwaitingRetry"};
    const char *first = add_due(w, 0, NULL);
    w->flow.run_ms = 2 * HOUR;
    world_start(w, "[limits]\nrunning = 1\nlate_after = 1h\nwhen_late = skip\n");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_RUNNING);
    const char *second = add_due(w, 0, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, second, RUN_STATE_QUEUED));
    world_pass(w, 2 * HOUR - MINUTES(5));
    assert_true(fake_prefect_other_worker_claims(w->prefect, second));
    assert_true(fake_prefect_container_runs(w->prefect, second));
    assert_true(fake_prefect_container_fails(w->prefect, second));
    (void)fake_prefect_propose(w->prefect, second, &again);
    UNTIL(w, MINUTES(10), world_state(w, second) != PREFECT_STATE_SCHEDULED);
    UNTIL(w, MINUTES(10), world_state(w, second) != PREFECT_STATE_PENDING);
    assert_int_equal(world_state(w, second), PREFECT_STATE_RUNNING);
}

/* The claim was sent in time; its answer is found when it would be too late. */
static void test_what_was_claimed_in_time_is_not_skipped_after_a_kill(void **state)
{
    struct world *w = *state;
    const char *run = add_due(w, HOUR - MINUTES(1), skip_tags);
    world_start(w, POLICIES);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_PENDING);
    world_crash(w);
    world_pass(w, MINUTES(10));
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* Killed between the claim's answer and the verdict's: it is Cancelled all the same, once. */
static void test_a_skip_survives_kills(void **state)
{
    struct world *w = *state;
    const char *run = add_due(w, 2 * HOUR, skip_tags);
    world_start(w, POLICIES);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_PENDING);
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_thousand_overdue_runs_start_within_the_limits),
        FLOW_TEST(test_late_runs_by_policy),
        FLOW_TEST(test_a_run_that_gets_late_in_line_is_left),
        FLOW_TEST(test_a_run_that_is_scheduled_again_in_place_of_our_claim_is_not_late),
        FLOW_TEST(test_a_run_that_is_scheduled_again_in_line_is_not_late),
        FLOW_TEST(test_what_was_claimed_in_time_is_not_skipped_after_a_kill),
        FLOW_TEST(test_a_skip_survives_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
