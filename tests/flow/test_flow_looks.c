/* test_flow_looks.c - looks at flow runs are gathered, and each launch gets its own answer. */
#include "tests/flow/world.h"

#define RUNS 40

static void test_ended_runs_are_looked_at_together(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < RUNS; i++)
        world_add_run(w);
    w->flow.run_ms = 60000;
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_RUNNING) == RUNS);
    fake_prefect_reset_counts(w->prefect);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == RUNS && world_launches(w) == 0);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_GET_RUN), 0);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE), 0);
    /* Some for the watch, every 10 s; and a few for the ends, which are spread over the starts. */
    assert_in_range(fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS), 1, 20);
}

/* Three look at one time: one has completed, one never said a word, one has been deleted. */
static void test_each_gets_its_own_answer(void **state)
{
    struct world *w = *state;
    const char *good = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, good) == PREFECT_STATE_RUNNING);
    w->flow.end = FLOW_NEVER_BEGINS;
    const char *silent = world_add_run(w);
    const char *deleted = world_add_run(w);
    UNTIL(w, MINUTES(1),
          world_is_in(w, silent, RUN_STATE_RUNNING) && world_is_in(w, deleted, RUN_STATE_RUNNING));
    (void)fake_prefect_container_completes(w->prefect, good);
    for (size_t i = 0; i < 3; i++)
        (void)fake_engine_exit(w->engine, fake_engine_container_at(w->engine, i)->id, 0);
    char *gone = check_strdup(deleted);
    fake_prefect_delete_run(w->prefect, deleted);
    fake_prefect_reset_counts(w->prefect);
    UNTIL(w, SECONDS(30), world_launches(w) == 0);
    assert_int_equal(world_state(w, good), PREFECT_STATE_COMPLETED);
    assert_int_equal(world_state(w, silent), PREFECT_STATE_CRASHED);
    assert_int_equal(world_state(w, gone), PREFECT_STATE_UNKNOWN);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE), 1);
    free(gone);
}

/* A state that nobody knows is no answer: looked at again, and nothing decided. */
static void test_an_unknown_state_decides_nothing(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.end = FLOW_NEVER_BEGINS;
    w->flow.run_ms = 5000;
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_REPORTING));
    char *body = check_printf(
        "[{\"id\":\"%s\",\"flow_id\":\"%s\",\"state_type\":\"DREAMING\",\"state_name\":\"x\"}]", run, run);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 200,
                                                                .body = body});
    UNTIL(w, SECONDS(30), world_logged(w, "state_type of the flow run is unknown") == 1);
    assert_true(world_is_in(w, run, RUN_STATE_REPORTING));
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_CRASHED);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_ended_runs_are_looked_at_together),
        FLOW_TEST(test_each_gets_its_own_answer),
        FLOW_TEST(test_an_unknown_state_decides_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
