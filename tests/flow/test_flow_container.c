/* test_flow_container.c - one start a container, whatever is lost on the way; and images. */
#include "tests/flow/world.h"

static void fault(struct world *w, enum fake_engine_call call, enum fake_fault_kind kind)
{
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = call, .kind = kind});
}

static void refuse(struct world *w, enum fake_engine_call call, int status, const char *message)
{
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = call, .kind = FAKE_FAULT_STATUS, .status = status, .message = message});
}

static void expect_one_life(struct world *w, const char *run)
{
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
}

/* ---- networks ---- */

/* The first network is part of the create, with its settings; each further one is connected with its own. */
static void test_each_network_gets_its_settings(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"networks\":[\"one\",\"two\"],\"container_create_kwargs\":{\"networking_config\":"
                        "{\"one\":{\"Aliases\":[\"x\"]},\"two\":{\"Aliases\":[\"y\"]}}}}";
    fake_engine_add_network(w->engine, "one");
    fake_engine_add_network(w->engine, "two");
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_non_null(strstr(fake_engine_last_body(w->engine, FAKE_ENGINE_CREATE),
                           "\"NetworkingConfig\":{\"EndpointsConfig\":{\"one\":{\"Aliases\":[\"x\"]}}}"));
    assert_non_null(
        strstr(fake_engine_last_request(w->engine, FAKE_ENGINE_NETWORK_CONNECT), "/networks/two/connect"));
    assert_non_null(strstr(fake_engine_last_body(w->engine, FAKE_ENGINE_NETWORK_CONNECT),
                           "\"EndpointConfig\":{\"Aliases\":[\"y\"]}}"));
}

/* ---- lost answers ---- */

static void expect_one_life_with(struct world *w, enum fake_engine_call call, enum fake_fault_kind kind)
{
    const char *run = world_add_run(w);
    fault(w, call, kind);
    world_start(w, NULL);
    expect_one_life(w, run);
    /* Nothing of a first try is left. */
    assert_int_equal(fake_engine_container_count(w->engine), 1);
}

static void test_create_answer_lost(void **state)
{
    expect_one_life_with(*state, FAKE_ENGINE_CREATE, FAKE_FAULT_DROP_AFTER);
}

static void test_create_never_arrived(void **state)
{
    expect_one_life_with(*state, FAKE_ENGINE_CREATE, FAKE_FAULT_DROP_BEFORE);
}

static void test_create_answer_never_comes(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_CREATE, FAKE_FAULT_STALL);
    world_start(w, "[timeouts]\ncreate = 7s\n");
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 1);
}

static void test_create_lands_late(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_CREATE, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\ncreate = 7s\n");
    UNTIL(w, SECONDS(60), fake_engine_effects(w->engine, FAKE_ENGINE_CREATE) == 1);
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_CREATE), 1);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
}

static void test_start_answer_lost(void **state)
{
    expect_one_life_with(*state, FAKE_ENGINE_START, FAKE_FAULT_DROP_AFTER);
}

static void test_start_answer_lost_and_the_flow_already_over(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 0;
    expect_one_life_with(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_AFTER);
}

static void test_start_never_arrived(void **state)
{
    struct world *w = *state;
    expect_one_life_with(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
    /* The container whose one start was lost is never started again: a new one takes its place. */
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 2);
}

static void test_start_lands_after_its_clock(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\nstart = 20s\n");
    /* The clock ran out and the look found it Created; before it is retired, the start is carried out after
     * all. */
    UNTIL(w, SECONDS(60), fake_engine_calls(w->engine, FAKE_ENGINE_INSPECT) == 1);
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_START), 1);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
}

static void test_start_lands_after_its_container_was_retired(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\nstart = 20s\n");
    UNTIL(w, MINUTES(3), fake_engine_effects(w->engine, FAKE_ENGINE_CREATE) == 2);
    fake_engine_release(w->engine, FAKE_ENGINE_START);
    expect_one_life(w, run);
}

/* An engine on another host, or a clock that was set: its hour is not ours. */
static void expect_start_is_missed(struct world *w, int64_t offset_ms)
{
    const char *run = world_add_run(w);
    fake_engine_set_wall_offset_ms(w->engine, offset_ms);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
    world_start(w, "[timeouts]\nstart = 20s\ninspect = 20s\n");
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 2);
}

static void test_a_lost_start_with_an_engine_whose_clock_is_behind(void **state)
{
    expect_start_is_missed(*state, -MINUTES(60));
}

static void test_a_lost_start_with_an_engine_whose_clock_is_ahead(void **state)
{
    expect_start_is_missed(*state, MINUTES(60));
}

/* The start is carried out after our look and is over before the removal, which is not refused therefore:
 * only the engine's events tell of it. */
static void expect_start_is_found(struct world *w, int64_t offset_ms)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_NEVER_BEGINS, .run_ms = 0};
    fake_engine_set_wall_offset_ms(w->engine, offset_ms);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_HOLD);
    fault(w, FAKE_ENGINE_REMOVE, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\nstart = 20s\ninspect = 20s\n");
    UNTIL(w, SECONDS(60), fake_engine_held(w->engine, FAKE_ENGINE_REMOVE) == 1);
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_START), 1);
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_REMOVE), 1);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CRASHED);
}

static void test_a_late_start_that_is_over_before_its_removal(void **state)
{
    expect_start_is_found(*state, 0);
}

static void test_a_late_start_with_an_engine_whose_clock_is_behind(void **state)
{
    expect_start_is_found(*state, -MINUTES(60));
}

static void test_a_late_start_with_an_engine_whose_clock_is_ahead(void **state)
{
    expect_start_is_found(*state, MINUTES(60));
}

/* Killed in the middle of retiring: the next start knows that the removal was ours. */
static void test_a_restart_while_a_container_is_being_retired(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
    world_start(w, "[timeouts]\nstart = 20s\n");
    UNTIL(w, SECONDS(60), fake_engine_effects(w->engine, FAKE_ENGINE_REMOVE) == 1);
    world_crash(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 2);
}

static void test_a_lost_removal_of_what_never_started(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
    fault(w, FAKE_ENGINE_REMOVE, FAKE_FAULT_DROP_AFTER);
    world_start(w, "[timeouts]\nstart = 20s\n");
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 2);
}

/* Between the look that showed it created and its removal the container runs and ends, the engine forgets its
 * events, and the answer to the removal is lost: nothing is left that tells. */
static void retire_with_no_witness(struct world *w, bool start_lands)
{
    w->flow.run_ms = 0;
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_HOLD);
    fault(w, FAKE_ENGINE_REMOVE, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\nstart = 20s\n");
    UNTIL(w, MINUTES(2), fake_engine_held(w->engine, FAKE_ENGINE_REMOVE) == 1);
    fake_engine_go_down(w->engine, false, false);
    world_pass(w, SECONDS(1));
    if (start_lands)
        fake_engine_release(w->engine, FAKE_ENGINE_START);
    fake_engine_release(w->engine, FAKE_ENGINE_REMOVE);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    fake_engine_come_up(w->engine);
    UNTIL(w, MINUTES(5), world_launches(w) == 0);
}

static void test_a_start_nobody_has_seen_is_not_repeated(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    retire_with_no_witness(w, true);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
}

static void test_a_container_nobody_can_tell_of_is_given_up(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    retire_with_no_witness(w, false);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CRASHED);
    assert_int_equal(world_logged(w, "nobody can tell whether"), 1);
}

/* The daemon dies with the start in its hands: after its return the look is enough. */
static void test_a_start_that_died_with_the_engine(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
    world_start(w, "[timeouts]\nstart = 20s\n");
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_START) == 1);
    fake_engine_go_down(w->engine, false, false);
    world_pass(w, SECONDS(3));
    fake_engine_come_up(w->engine);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 2);
}

/* The cancel finds no container, two seconds later it does. */
static void test_a_create_lands_while_its_launch_is_cleared(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_CREATE, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\ncreate = 20s\n");
    UNTIL(w, SECONDS(30), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, SECONDS(40), world_is_in(w, run, RUN_STATE_CLEARING));
    int lists = fake_engine_calls(w->engine, FAKE_ENGINE_LIST);
    UNTIL(w, SECONDS(2), fake_engine_calls(w->engine, FAKE_ENGINE_LIST) > lists);
    world_pass(w, SECONDS(2));
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_CREATE), 1);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    UNTIL(w, SECONDS(8), world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
}

/* Minutes later: nobody starts it, and the reconcile removes it. */
static void test_a_create_lands_after_its_launch_has_ended(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_CREATE, FAKE_FAULT_HOLD);
    world_start(w, "[timeouts]\ncreate = 20s\n");
    UNTIL(w, SECONDS(30), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
    world_pass(w, MINUTES(3));
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_CREATE), 1);
    UNTIL(w, SECONDS(61), fake_engine_container_count(w->engine) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
}

static void test_a_start_that_stalls(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fault(w, FAKE_ENGINE_START, FAKE_FAULT_STALL);
    world_start(w, "[timeouts]\nstart = 20s\n");
    expect_one_life(w, run);
    assert_int_equal(fake_engine_effects(w->engine, FAKE_ENGINE_CREATE), 1);
}

static void test_inspect_lost(void **state)
{
    expect_one_life_with(*state, FAKE_ENGINE_INSPECT, FAKE_FAULT_DROP_BEFORE);
}

/* ---- refusals ---- */

static void test_a_500_of_create_passes(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    refuse(w, FAKE_ENGINE_CREATE, 500, "database is locked");
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_a_500_of_start_gets_a_new_container(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    refuse(w, FAKE_ENGINE_START, 500, "driver failed programming external connectivity");
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_a_create_the_engine_will_never_take(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    refuse(w, FAKE_ENGINE_CREATE, 400,
           "invalid mount config for type \"bind\": bind source path does not exist: /x");
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_string_equal(
        world_message(w, run),
        "Failed to submit flow run to infrastructure: CreateError: invalid mount config for type "
        "\"bind\": bind source path does not exist: /x");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 1);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
}

static void test_a_policy_that_is_exhausted_leaves_no_container(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_START,
                                                          .nth = -1,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "the engine is in a bad way"});
    world_start(w, "[retry]\nmax_attempts = 3\n");
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_START), 3);
    assert_non_null(strstr(world_message(w, run), "StartError: the engine is in a bad way"));
}

static void test_a_name_that_another_holds(void **state)
{
    struct world *w = *state;
    assert_non_null(
        fake_engine_create(w->engine, "report", "{\"Image\":\"" WORLD_IMAGE "\",\"Cmd\":[\"other\"]}"));
    const char *run = world_add_named_run(w, "report");
    world_start(w, NULL);
    expect_one_life(w, run);
    const struct fake_container *mine = fake_engine_container_at(w->engine, 1);
    assert_string_equal(mine->name, "report-1");
    assert_int_equal(fake_engine_container_count(w->engine), 2);
}

/* ---- images ---- */

static void add_job_image(struct world *w, const char *image, const char *policy)
{
    static char variables[200];
    snprintf(variables, sizeof(variables), "{\"image\":\"%s\"%s%s%s}", image,
             policy == NULL ? "" : ",\"image_pull_policy\":\"", policy == NULL ? "" : policy,
             policy == NULL ? "" : "\"");
    w->flow_variables = variables;
}

static void test_a_hundred_runs_of_one_image_pull_once(void **state)
{
    struct world *w = *state;
    add_job_image(w, "etl:2", NULL);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 8000, .lines = 20});
    for (int i = 0; i < 100; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 100 && world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 100);
}

static void test_a_pull_that_fails_and_then_works(void **state)
{
    struct world *w = *state;
    add_job_image(w, "etl:2", NULL);
    fake_engine_add_registry_image(w->engine, &(struct fake_registry_image){.image = "etl:2"});
    refuse(w, FAKE_ENGINE_PULL, 500,
           "Get \"https://registry-1.docker.io/v2/\": net/http: TLS handshake timeout");
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 2);
}

static void test_an_error_inside_the_stream_of_a_pull(void **state)
{
    struct world *w = *state;
    add_job_image(w, "etl:2", NULL);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2",
                                                 .lines = 3,
                                                 .took_ms = 300,
                                                 .error = "manifest for etl:2 not found: manifest unknown"});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_string_equal(world_message(w, run), "Failed to submit flow run to infrastructure: PullError: "
                                               "manifest for etl:2 not found: manifest unknown");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

static void test_an_image_that_vanishes_before_create_is_pulled_again(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(w->engine, &(struct fake_registry_image){.image = WORLD_IMAGE});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_is_in(w, run, RUN_STATE_CREATING));
    assert_true(fake_engine_remove_image(w->engine, WORLD_IMAGE));
    expect_one_life(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
}

static void test_an_image_that_was_deleted_is_looked_for_again(void **state)
{
    struct world *w = *state;
    const char *first = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, first);
    fake_engine_remove_image(w->engine, WORLD_IMAGE);
    fake_engine_add_registry_image(w->engine, &(struct fake_registry_image){.image = WORLD_IMAGE});
    const char *second = world_add_run(w);
    UNTIL(w, MINUTES(1), world_state(w, second) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 2);
}

static void test_policy_always_pulls(void **state)
{
    struct world *w = *state;
    add_job_image(w, WORLD_IMAGE, "Always");
    fake_engine_add_registry_image(w->engine, &(struct fake_registry_image){.image = WORLD_IMAGE});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
}

static void test_policy_never_does_not_look(void **state)
{
    struct world *w = *state;
    add_job_image(w, WORLD_IMAGE, "Never");
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_IMAGE_INSPECT), 0);
}

static void test_at_most_three_pulls_at_once(void **state)
{
    struct world *w = *state;
    char images[8][20];
    char variables[8][200];
    for (int i = 0; i < 8; i++) {
        snprintf(images[i], sizeof(images[i]), "etl-%d:1", i);
        snprintf(variables[i], sizeof(variables[i]), "{\"image\":\"%s\"}", images[i]);
        fake_engine_add_registry_image(
            w->engine, &(struct fake_registry_image){.image = images[i], .took_ms = 2000, .lines = 4});
        w->flow_variables = variables[i];
        world_add_run(w);
    }
    world_start(w, "[limits]\nlaunching = 20\n");
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 8);
    assert_int_equal(fake_engine_peak(w->engine, FAKE_ENGINE_PULL), 3);
}

static void test_a_pull_that_makes_progress_outlives_its_inactivity_clock(void **state)
{
    struct world *w = *state;
    add_job_image(w, "etl:2", NULL);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 60});
    const char *run = world_add_run(w);
    world_start(w, "[timeouts]\npull = 30m\npull_inactivity = 30s\n");
    UNTIL(w, MINUTES(12), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_PULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_each_network_gets_its_settings),
        FLOW_TEST(test_create_answer_lost),
        FLOW_TEST(test_create_never_arrived),
        FLOW_TEST(test_create_answer_never_comes),
        FLOW_TEST(test_create_lands_late),
        FLOW_TEST(test_start_answer_lost),
        FLOW_TEST(test_start_answer_lost_and_the_flow_already_over),
        FLOW_TEST(test_start_never_arrived),
        FLOW_TEST(test_start_lands_after_its_clock),
        FLOW_TEST(test_start_lands_after_its_container_was_retired),
        FLOW_TEST(test_a_lost_start_with_an_engine_whose_clock_is_behind),
        FLOW_TEST(test_a_lost_start_with_an_engine_whose_clock_is_ahead),
        FLOW_TEST(test_a_late_start_that_is_over_before_its_removal),
        FLOW_TEST(test_a_late_start_with_an_engine_whose_clock_is_behind),
        FLOW_TEST(test_a_late_start_with_an_engine_whose_clock_is_ahead),
        FLOW_TEST(test_a_restart_while_a_container_is_being_retired),
        FLOW_TEST(test_a_lost_removal_of_what_never_started),
        FLOW_TEST(test_a_start_nobody_has_seen_is_not_repeated),
        FLOW_TEST(test_a_container_nobody_can_tell_of_is_given_up),
        FLOW_TEST(test_a_start_that_died_with_the_engine),
        FLOW_TEST(test_a_create_lands_while_its_launch_is_cleared),
        FLOW_TEST(test_a_create_lands_after_its_launch_has_ended),
        FLOW_TEST(test_a_start_that_stalls),
        FLOW_TEST(test_inspect_lost),
        FLOW_TEST(test_a_500_of_create_passes),
        FLOW_TEST(test_a_500_of_start_gets_a_new_container),
        FLOW_TEST(test_a_create_the_engine_will_never_take),
        FLOW_TEST(test_a_policy_that_is_exhausted_leaves_no_container),
        FLOW_TEST(test_a_name_that_another_holds),
        FLOW_TEST(test_a_hundred_runs_of_one_image_pull_once),
        FLOW_TEST(test_a_pull_that_fails_and_then_works),
        FLOW_TEST(test_an_error_inside_the_stream_of_a_pull),
        FLOW_TEST(test_an_image_that_vanishes_before_create_is_pulled_again),
        FLOW_TEST(test_an_image_that_was_deleted_is_looked_for_again),
        FLOW_TEST(test_policy_always_pulls),
        FLOW_TEST(test_policy_never_does_not_look),
        FLOW_TEST(test_at_most_three_pulls_at_once),
        FLOW_TEST(test_a_pull_that_makes_progress_outlives_its_inactivity_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
