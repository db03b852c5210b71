/* test_flow_references.c - jobs that refer to blocks, variables and fields of the flow run: what is asked of
 * the server, and what becomes of the run when it does not answer. */
#include "tests/flow/world.h"

#define SECRET WORLD_ENV_SECRET /* that neither log nor state file holds it, every test checks */

/* A run whose environment has S (a secret block), V (a variable) and T (a template around them). */
static void furnish(struct world *w)
{
    (void)fake_prefect_set_block(w->prefect, "secret", "token", "{\"value\":\"" SECRET "\"}");
    fake_prefect_set_variable(w->prefect, "stage", "\"live\"");
    w->flow_variables =
        "{\"env\":{\"S\":\"{{ prefect.blocks.secret.token }}\",\"V\":\"{{ prefect.variables.stage }}\","
        "\"T\":\"<{{ prefect.variables.stage }}:{{ prefect.blocks.secret.token.value }}>\"}}";
}

static const char *body_of(const struct world *w, size_t index)
{
    assert_true(index < fake_engine_container_count(w->engine));
    return fake_engine_container_at(w->engine, index)->create_body;
}

static void assert_has(const char *body, const char *text)
{
    if (strstr(body, text) == NULL)
        fail_msg("%s is not in %s", text, body);
}

static int asked(const struct world *w, enum fake_prefect_route route)
{
    return fake_prefect_calls(w->prefect, route);
}

static void assert_told_nobody(const struct world *w)
{
    for (size_t i = 0; i < fake_prefect_event_count(w->prefect, NULL); i++)
        assert_null(strstr(fake_prefect_event(w->prefect, i), SECRET));
    for (size_t i = 0; i < fake_prefect_log_count(w->prefect); i++)
        assert_null(strstr(fake_prefect_log(w->prefect, i), SECRET));
}

static void expect_one_life(struct world *w, const char *run)
{
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    assert_has(body_of(w, 0), "\"S=" SECRET "\"");
    assert_has(body_of(w, 0), "\"V=live\"");
    assert_told_nobody(w);
}

static void expect_crash(struct world *w, const char *run, const char *part)
{
    UNTIL(w, MINUTES(30), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    if (strstr(world_message(w, run), part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world_message(w, run), part);
    assert_null(strstr(world_message(w, run), SECRET));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
    assert_told_nobody(w);
}

/* ---- values ---- */

static void test_values_arrive_and_each_is_asked_for_once(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_has(body_of(w, 0), "\"T=<live:" SECRET ">\"");
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME), 1);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_VARIABLE), 1);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK), 0);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_RUN), 0);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_FLOW), 1);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_DEPLOYMENT), 1);
}

static void test_nothing_is_asked_without_references(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME) + asked(w, FAKE_PREFECT_GET_BLOCK) +
                         asked(w, FAKE_PREFECT_GET_VARIABLE) + asked(w, FAKE_PREFECT_GET_RUN),
                     0);
}

static void test_a_block_by_its_id(void **state)
{
    struct world *w = *state;
    const char *id =
        fake_prefect_set_block(w->prefect, "env", "all", "{\"S\":\"" SECRET "\",\"V\":\"live\"}");
    char *AUTO_FREE variables =
        check_printf("{\"env.S\":\"x\",\"env\":{\"$ref\":{\"block_document_id\":\"%s\"}}}", id);
    w->flow_variables = variables;
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK), 1);
}

static void test_the_name_may_use_flow_run_and_flow(void **state)
{
    struct world *w = *state;
    fake_prefect_set_variable(
        w->prefect, "name",
        "\"{{ ctx.flow.name }}-{{ ctx.flow_run.parameters.region }}-{{ ctx.flow_run.labels.team }}\"");
    w->flow_variables = "{\"name\":\"{{ prefect.variables.name }}\"}";
    const char *run = fake_prefect_add_run(
        w->prefect, &(struct fake_prefect_run){.deployment_id = w->deployment,
                                               .parameters_json = "{\"region\":\"eu west\"}",
                                               .job_variables_json = w->flow_variables});
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    const char *name = fake_engine_container_at(w->engine, 0)->name;
    assert_non_null(strstr(name, "-eu-west"));
    assert_int_equal(asked(w, FAKE_PREFECT_GET_RUN), 1);
    /* Its name alone is known. */
    assert_int_equal(asked(w, FAKE_PREFECT_GET_FLOW), 1);
}

static void test_each_run_sees_what_the_server_has_then(void **state)
{
    struct world *w = *state;
    furnish(w);
    world_start(w, NULL);
    const char *first = world_add_run(w);
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_RUNNING);
    fake_prefect_set_variable(w->prefect, "stage", "\"test\"");
    (void)fake_prefect_set_block(w->prefect, "secret", "token", "{\"value\":\"new\"}");
    const char *second = world_add_run(w);
    UNTIL(w, MINUTES(1), world_state(w, second) == PREFECT_STATE_COMPLETED);
    assert_has(body_of(w, 0), "\"V=live\"");
    assert_has(body_of(w, 1), "\"V=test\"");
    assert_has(body_of(w, 1), "\"S=new\"");
}

/* The values are those of the moment of the launch also if a request that began before is still out. */
static void test_an_old_request_is_not_joined(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_VARIABLE,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = SECONDS(40)});
    world_start(w, NULL);
    const char *first = world_add_run(w);
    UNTIL(w, SECONDS(30), asked(w, FAKE_PREFECT_GET_VARIABLE) == 1);
    fake_prefect_set_variable(w->prefect, "stage", "\"test\"");
    world_pass(w, SECONDS(3));
    const char *second = world_add_run(w);
    UNTIL(w, SECONDS(30), world_state(w, second) == PREFECT_STATE_COMPLETED);
    assert_has(body_of(w, 0), "\"V=test\"");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_COMPLETED);
    assert_has(body_of(w, 1), "\"V=live\"");
    assert_int_equal(asked(w, FAKE_PREFECT_GET_VARIABLE), 2);
}

static void test_runs_at_once_share_requests(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_VARIABLE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 1000});
    for (int i = 0; i < 30; i++)
        (void)world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 30);
    assert_in_range(asked(w, FAKE_PREFECT_GET_VARIABLE), 1, 15);
    for (size_t i = 0; i < 30; i++)
        assert_has(body_of(w, i), "\"T=<live:" SECRET ">\"");
}

static void test_a_large_block(void **state)
{
    struct world *w = *state;
    enum { BYTES = 5 << 20 };
    char *AUTO_FREE text = check_alloc(BYTES + 1);
    memset(text, 'x', BYTES);
    char *AUTO_FREE data = check_printf("{\"value\":\"%s\"}", text);
    furnish(w);
    (void)fake_prefect_set_block(w->prefect, "string", "large", data);
    w->flow_variables = "{\"env\":{\"S\":\"{{ prefect.blocks.secret.token }}\",\"V\":\"live\",\"L\":\"{{ "
                        "prefect.blocks.string.large }}\"}}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_has(body_of(w, 0), text);
}

static void test_answers_are_bounded(void **state)
{
    struct world *w = *state;
    enum { BYTES = 9 << 20 };
    char *AUTO_FREE text = check_alloc(BYTES + 1);
    memset(text, 'x', BYTES);
    char *AUTO_FREE value = check_printf("\"%s\"", text);
    fake_prefect_set_variable(w->prefect, "a", value);
    fake_prefect_set_variable(w->prefect, "b", value);
    w->flow_variables = "{\"env\":{\"A\":\"{{ prefect.variables.a }}\",\"B\":\"{{ prefect.variables.b }}\"}}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_crash(w, run, "hold more than 16 MiB");
    assert_int_equal(asked(w, FAKE_PREFECT_GET_VARIABLE), 2);
}

/* The engine quotes the command that it can't start. */
static void test_a_secret_in_the_command_is_told_nobody(void **state)
{
    struct world *w = *state;
    fake_prefect_set_variable(w->prefect, "stage", "\"live\"");
    (void)fake_prefect_set_block(w->prefect, "secret", "token", "{\"value\":\"c0mmand-t0ken\"}");
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_START,
                                                          .nth = -1,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "exec: \"x-c0mmand-t0ken\": not found"});
    w->flow_variables = "{\"command\":\"x-{{ prefect.blocks.secret.token }} {{ prefect.variables.stage }}\"}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_has(world_message(w, run), "exec: \"x-****");
    assert_int_equal(world_logged(w, "c0mmand-t0ken"), 0);
}

/* ---- what is not there ---- */

static void test_a_missing_block_crashes_the_run(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_delete_block(w->prefect, "secret", "token");
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_crash(w, run, "env: block 'token' of type 'secret' was not found");
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME), 1);
}

static void test_a_missing_variable_is_empty(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_set_variable(w->prefect, "stage", NULL);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_has(body_of(w, 0), "\"V=\"");
    assert_has(body_of(w, 0), "\"T=<:" SECRET ">\"");
}

static void test_hidden_secrets_are_told(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_hide_secrets(w->prefect);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_has(body_of(w, 0), "\"S=********\"");
    assert_int_equal(world_logged(w, "block 'token' of type 'secret' came with ********"), 1);
}

static void test_a_page_that_is_not_the_apis_is_no_missing_block(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_BLOCK_BY_NAME,
                                                                .kind = PREFECT_FAULT_HTML,
                                                                .status = 404});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_one_life(w, run);
}

/* ---- the server fails ---- */

static void test_each_failure_is_tried_again(void **state)
{
    struct world *w = *state;
    static const enum fake_prefect_fault_kind kinds[] = {PREFECT_FAULT_DROP_BEFORE, PREFECT_FAULT_DROP_AFTER,
                                                         PREFECT_FAULT_HTML,        PREFECT_FAULT_CUT_JSON,
                                                         PREFECT_FAULT_HALF_BODY,   PREFECT_FAULT_STALL,
                                                         PREFECT_FAULT_HALF_HEADERS};
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_GET_BLOCK_BY_NAME,
                                                     FAKE_PREFECT_GET_VARIABLE};
    furnish(w);
    world_start(w, NULL);
    for (size_t i = 0; i < ARRAY_LEN(kinds) * ARRAY_LEN(routes); i++) {
        fake_prefect_fault(w->prefect,
                           &(struct fake_prefect_fault){.route = routes[i % 2], .kind = kinds[i / 2]});
        const char *run = world_add_run(w);
        UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        assert_int_equal(world_times_run(w, run), 1);
        assert_has(body_of(w, i), "\"T=<live:" SECRET ">\"");
    }
    assert_told_nobody(w);
}

static void test_a_busy_server_is_left_alone_as_long_as_it_asks_for(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_BLOCK_BY_NAME,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 60"});
    const char *first = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME) == 1);
    const char *second = world_add_run(w);
    world_pass(w, SECONDS(50));
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME), 1);
    UNTIL(w, MINUTES(5),
          world_state(w, first) == PREFECT_STATE_COMPLETED &&
              world_state(w, second) == PREFECT_STATE_COMPLETED);
}

static void test_who_may_not_read_blocks_crashes(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_BLOCK_BY_NAME,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 403,
                                                                .body = "{\"detail\":\"Forbidden\"}"});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_crash(w, run, "block 'token' of type 'secret': Forbidden");
}

static void test_a_server_error_in_the_end_crashes_this_run_alone(void **state)
{
    struct world *w = *state;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_VARIABLE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    const char *other = world_add_run(w);
    furnish(w);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(30), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "variable 'stage'"));
    assert_int_equal(world_state(w, other), PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_container_count(w->engine), 1);
}

/* Each of them asks for a variable of its own, so that nothing is shared. */
static void test_tries_again_keep_to_the_retry_budget(void **state)
{
    struct world *w = *state;
    enum { RUNS = 30 };
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_VARIABLE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    for (int i = 0; i < RUNS; i++) {
        char variables[80];
        snprintf(variables, sizeof(variables), "{\"env\":{\"V\":\"{{ prefect.variables.v%d }}\"}}", i);
        w->flow_variables = variables;
        (void)world_add_run(w);
    }
    w->flow_variables = NULL;
    world_start(w, "[limits]\nlaunching = 40\n[retry]\nmax_attempts = 50\n");
    UNTIL(w, SECONDS(60), asked(w, FAKE_PREFECT_GET_VARIABLE) >= RUNS);
    int before = asked(w, FAKE_PREFECT_GET_VARIABLE);
    world_pass(w, SECONDS(60));
    int retries = asked(w, FAKE_PREFECT_GET_VARIABLE) - before;
    print_message("%d variables that can't be read: %d tries more in 60 s\n", RUNS, retries);
    assert_in_range(retries, 20, 75); /* ten in ten seconds, and a tenth of other requests */
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == RUNS && world_launches(w) == 0);
}

static void test_answers_that_are_not_taken_are_named(void **state)
{
    struct world *w = *state;
    furnish(w);
    (void)fake_prefect_set_block(w->prefect, "secret", "token", "{\"value\":\"" SECRET "\\u0000\"}");
    const char *run = world_add_run(w);
    world_start(w, NULL);
    expect_crash(w, run, "block 'token' of type 'secret': a string with \\u0000, which sluice does not take");
}

static void test_an_outage_between_claim_and_answer(void **state)
{
    struct world *w = *state;
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_BLOCK_BY_NAME,
                                                                .kind = PREFECT_FAULT_HOLD});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_prefect_held(w->prefect) == 1);
    fake_prefect_go_down(w->prefect);
    world_pass(w, MINUTES(30));
    fake_prefect_come_up(w->prefect);
    expect_one_life(w, run);
}

/* ---- an end in between ---- */

static void hold_and_start(struct world *w)
{
    furnish(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_VARIABLE,
                                                                .kind = PREFECT_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, SECONDS(30),
          fake_prefect_held(w->prefect) == 1 && asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME) == 1);
    world_pass(w, 0);
}

static void test_killed_in_between(void **state)
{
    struct world *w = *state;
    const char *run;
    furnish(w);
    run = world_add_run(w);
    hold_and_start(w);
    world_crash(w);
    (void)fake_prefect_release(w->prefect);
    world_start(w, NULL);
    expect_one_life(w, run);
}

/* After the restart the job is made again, and the block is read again for it. */
static void test_killed_after_the_job_was_made(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_DROP_BEFORE});
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    world_crash(w);
    world_start(w, NULL);
    expect_one_life(w, run);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_BLOCK_BY_NAME), 2);
}

static void test_the_block_is_deleted_before_the_restart(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_DROP_BEFORE});
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    world_crash(w);
    fake_prefect_delete_block(w->prefect, "secret", "token");
    world_start(w, NULL);
    UNTIL(w, MINUTES(30), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_non_null(strstr(world_message(w, run), "block 'token' of type 'secret' was not found"));
    assert_int_equal(fake_engine_container_count(w->engine), 0);
}

static void test_cancelled_in_between(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *run = world_add_run(w);
    hold_and_start(w);
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_CANCELLED && world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
    /* The late answer is nobody's. */
    (void)fake_prefect_release(w->prefect);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

/* One of two that wait for the same answer is cancelled: the other gets it. */
static void test_one_of_two_is_cancelled(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *gone = world_add_run(w);
    const char *run = world_add_run(w);
    hold_and_start(w);
    assert_int_equal(asked(w, FAKE_PREFECT_GET_VARIABLE), 1);
    fake_prefect_user_cancels(w->prefect, gone);
    UNTIL(w, SECONDS(30), world_state(w, gone) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_prefect_release(w->prefect), 1);
    expect_one_life(w, run);
}

static void test_stopped_in_between(void **state)
{
    struct world *w = *state;
    furnish(w);
    const char *run = world_add_run(w);
    hold_and_start(w);
    service_stop(w->service);
    world_pass(w, SECONDS(1));
    (void)fake_prefect_release(w->prefect);
    UNTIL(w, MINUTES(2), w->has_ended);
    world_crash(w);
    world_start(w, NULL);
    expect_one_life(w, run);
}

static void test_deleted_in_between(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"name\":\"{{ ctx.flow_run.tags[0] }}-x\"}";
    fake_prefect_fault(
        w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_RUN, .kind = PREFECT_FAULT_HOLD});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(30), fake_prefect_held(w->prefect) == 1);
    fake_prefect_delete_run(w->prefect, run);
    (void)fake_prefect_release(w->prefect);
    UNTIL(w, MINUTES(30), world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_values_arrive_and_each_is_asked_for_once),
        FLOW_TEST(test_nothing_is_asked_without_references),
        FLOW_TEST(test_a_block_by_its_id),
        FLOW_TEST(test_the_name_may_use_flow_run_and_flow),
        FLOW_TEST(test_each_run_sees_what_the_server_has_then),
        FLOW_TEST(test_an_old_request_is_not_joined),
        FLOW_TEST(test_runs_at_once_share_requests),
        FLOW_TEST(test_a_large_block),
        FLOW_TEST(test_a_secret_in_the_command_is_told_nobody),
        FLOW_TEST(test_answers_are_bounded),
        FLOW_TEST(test_a_missing_block_crashes_the_run),
        FLOW_TEST(test_a_missing_variable_is_empty),
        FLOW_TEST(test_hidden_secrets_are_told),
        FLOW_TEST(test_a_page_that_is_not_the_apis_is_no_missing_block),
        FLOW_TEST(test_each_failure_is_tried_again),
        FLOW_TEST(test_a_busy_server_is_left_alone_as_long_as_it_asks_for),
        FLOW_TEST(test_who_may_not_read_blocks_crashes),
        FLOW_TEST(test_a_server_error_in_the_end_crashes_this_run_alone),
        FLOW_TEST(test_tries_again_keep_to_the_retry_budget),
        FLOW_TEST(test_answers_that_are_not_taken_are_named),
        FLOW_TEST(test_an_outage_between_claim_and_answer),
        FLOW_TEST(test_killed_in_between),
        FLOW_TEST(test_killed_after_the_job_was_made),
        FLOW_TEST(test_the_block_is_deleted_before_the_restart),
        FLOW_TEST(test_cancelled_in_between),
        FLOW_TEST(test_one_of_two_is_cancelled),
        FLOW_TEST(test_stopped_in_between),
        FLOW_TEST(test_deleted_in_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
