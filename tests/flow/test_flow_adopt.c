/*
 * test_flow_adopt.c - containers of another instance and of the official worker are taken over when the user
 * says so: watched to their end, reported with the true exit code, counted, cancelled; and nobody else's are
 * touched.
 */
#include "tests/flow/world.h"

/* The flags of `sluice start --adopt WHOSE`, as another worker of the pool. */
static const char *const *adopting(const char *whose)
{
    static const char *flags[] = {"prefect.name", "worker 2", "engine.adopt", NULL, NULL};
    flags[3] = whose;
    return flags;
}

/* What the official worker does: claims, creates, starts, writes the pid; and then it is gone. */
static const char *official_starts(struct world *w, const char *run, const char *pool)
{
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    char *body = check_printf(
        "{\"Image\":\"" WORLD_IMAGE "\",\"Cmd\":[\"flow\"],\"Labels\":{\"io.prefect.flow-run-id\":\"%s\","
        "\"io.prefect.work-pool-name\":\"%s\",\"io.prefect.worker-name\":\"DockerWorker 1\"}}",
        run, pool);
    const struct fake_container *c = fake_engine_create(w->engine, run, body);
    free(body);
    assert_non_null(c);
    assert_true(fake_engine_start(w->engine, c->id));
    return c->id;
}

/* Another state file: the first worker's is lost, or on another disk. */
static void lose_state(struct world *w)
{
    world_crash(w);
    assert_int_equal(remove(w->state_path), 0);
}

static char *instance_of(struct world *w)
{
    char text[SERVICE_INSTANCE_SIZE];
    service_instance(fake_prefect_url(w->prefect), WORLD_POOL, "worker 1", text);
    return check_strdup(text);
}

static void test_another_instances_containers_are_watched_to_their_end(void **state)
{
    struct world *w = *state;
    const char *bad = world_add_run(w);
    const char *good = world_add_run(w);
    char *AUTO_FREE instance = instance_of(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(90), .exit_code = 7};
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_count(w, PREFECT_STATE_RUNNING) == 2);
    lose_state(w);
    w->flags = adopting(instance);
    world_start(w, "[limits]\nrunning = 2\n");
    UNTIL(w, SECONDS(10), world_launches(w) == 2);
    /* They take up the room that there is. */
    const char *waits = world_add_run(w);
    world_pass(w, SECONDS(30));
    assert_string_equal(world_launch(w, waits), "QUEUED");
    /* A restart, now without the option. */
    w->flags = (const char *const[]){"prefect.name", "worker 2", NULL};
    world_crash(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(90),
          world_state(w, bad) == PREFECT_STATE_CRASHED && world_state(w, good) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, bad), "status code 7"));
    UNTIL(w, SECONDS(60), world_times_run(w, waits) == 1);
    assert_int_equal(fake_engine_max_starts(w->engine), 1);
}

static void test_without_the_option_nobody_elses_are_touched(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    const char *officials = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(90), .exit_code = 7};
    official_starts(w, officials, WORLD_POOL);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_RUNNING);
    lose_state(w);
    w->flags = (const char *const[]){"prefect.name", "worker 2", NULL};
    world_start(w, NULL);
    world_pass(w, MINUTES(5));
    assert_int_equal((int)world_launches(w), 0);
    assert_int_equal(world_count(w, PREFECT_STATE_RUNNING), 2);
    assert_int_equal(fake_engine_container_count(w->engine), 2);
}

static void test_the_official_workers_container_is_watched_to_its_end(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    const char *elsewhere = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(60), .exit_code = 3};
    official_starts(w, run, WORLD_POOL);
    official_starts(w, elsewhere, "another pool");
    w->flags = adopting("official");
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    UNTIL(w, SECONDS(65), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "status code 3"));
    assert_int_equal(world_state(w, elsewhere), PREFECT_STATE_RUNNING);
    /* It has no launch label; its end came as an event all the same, not with the next reconcile. */
    const struct fake_container *c = fake_engine_container_at(w->engine, 0);
    assert_true(w->clock.wall_ms - c->finished_at_ms < 3000);
}

static void test_ends_that_nobody_saw_are_reported(void **state)
{
    struct world *w = *state;
    const char *ran = world_add_run(w);
    const char *never_said = world_add_run(w);
    const char *well = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(1), .exit_code = 3};
    official_starts(w, ran, WORLD_POOL);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = SECONDS(1), .exit_code = 0};
    official_starts(w, never_said, WORLD_POOL);
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = SECONDS(1)};
    official_starts(w, well, WORLD_POOL);
    world_pass(w, MINUTES(2));
    w->flags = adopting("official");
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_state(w, ran) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, ran), "status code 3"));
    UNTIL(w, SECONDS(30), world_state(w, never_said) == PREFECT_STATE_CRASHED);
    assert_int_equal(world_state(w, well), PREFECT_STATE_COMPLETED);
    world_pass(w, MINUTES(3));
    assert_int_equal(fake_engine_container_count(w->engine), 3); /* the official worker keeps them */
    assert_int_equal(world_logged(w, "adopting a container"), 2);
}

/* Its run was scheduled again, and another worker has claimed it since: the old container's end is no verdict
 * on it. */
static void test_a_run_that_has_moved_on_is_left_alone(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = SECONDS(1), .exit_code = 3};
    official_starts(w, run, WORLD_POOL);
    world_pass(w, MINUTES(2));
    (void)fake_prefect_propose(w->prefect, run,
                               &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .force = true});
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    w->flags = adopting("official");
    world_start(w, NULL);
    world_pass(w, MINUTES(3));
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_int_equal(world_logged(w, "adopting a container"), 0);
}

static void test_an_adopted_run_can_be_cancelled(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    const char *id = official_starts(w, run, WORLD_POOL);
    w->flags = adopting("official");
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_string_equal(fake_engine_find(w->engine, id)->state, "exited");
}

/* The official worker watches on and reports first, or last: one Crashed either way. */
static void test_both_report(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(20), .exit_code = 3};
    official_starts(w, run, WORLD_POOL);
    w->flags = adopting("official");
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_REPORTING));
    (void)fake_prefect_propose(w->prefect, run, &(struct prefect_proposal){.type = PREFECT_STATE_CRASHED});
    UNTIL(w, SECONDS(30), world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 1);
}

static void test_prefect_away_at_the_adoption(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(1), .exit_code = 3};
    official_starts(w, run, WORLD_POOL);
    world_pass(w, SECONDS(5));
    fake_prefect_go_down(w->prefect);
    w->flags = adopting("official");
    world_start(w, NULL);
    world_pass(w, MINUTES(2));
    fake_prefect_come_up(w->prefect);
    UNTIL(w, SECONDS(15), world_state(w, run) == PREFECT_STATE_CRASHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_another_instances_containers_are_watched_to_their_end),
        FLOW_TEST(test_without_the_option_nobody_elses_are_touched),
        FLOW_TEST(test_the_official_workers_container_is_watched_to_its_end),
        FLOW_TEST(test_ends_that_nobody_saw_are_reported),
        FLOW_TEST(test_a_run_that_has_moved_on_is_left_alone),
        FLOW_TEST(test_an_adopted_run_can_be_cancelled),
        FLOW_TEST(test_both_report),
        FLOW_TEST(test_prefect_away_at_the_adoption),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
