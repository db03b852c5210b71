/* test_flow_waits.c - why a run waits, as `select waits_for from queue` tells it, and the status page in the
 * same words. */
#include "tests/flow/world.h"

#include "core/wait_reason.h"
#include "runner.h"
#include "status_parts.h"

/* As the page has it: "class n limit: running 3" is "class limit: running". */
static char *without_values(const char *said)
{
    char *reason = wait_reason(said);
    char *limit = strstr(reason, " limit: ");
    if (limit == NULL)
        return reason;
    char *kind = limit + strlen(" limit: ");
    char *shorter = check_printf("%s limit: %.*s", strncmp(reason, "class ", 6) == 0 ? "class" : "pool",
                                 (int)strcspn(kind, " "), kind);
    free(reason);
    return shorter;
}

static void expect_same_on_page(struct world *w, const char *run, const char *said)
{
    struct snapshot snapshot;
    char *AUTO_FREE expected = without_values(said);
    snapshot_take(w->service, &snapshot);
    const char *shown = NULL;
    struct list *all = runner_all(service_runner(w->service));
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct live *live = LIST_ITEM(link, struct live, all_link);
        if (strcmp(live->launch->flow_run_id, run) == 0)
            shown = status_wait(live, &snapshot);
    }
    assert_non_null(shown);
    assert_string_equal(shown, expected);
    snapshot_done(&snapshot);
}

static void expect_wait(struct world *w, const char *run, const char *expected)
{
    char sql[300];
    world_pass(w, 100);
    snprintf(sql, sizeof(sql), "SELECT coalesce(waits_for, '') FROM queue WHERE run_id = '%s'", run);
    assert_string_equal(world_query(w, sql), expected);
    expect_same_on_page(w, run, expected);
}

/* Some run waits for what is like this; the page says the same of it. */
static void expect_wait_like(struct world *w, const char *pattern)
{
    char sql[300];
    world_pass(w, 100);
    snprintf(sql, sizeof(sql), "SELECT run_id || waits_for FROM queue WHERE waits_for LIKE '%s' LIMIT 1",
             pattern);
    char *AUTO_FREE found = check_strdup(world_query(w, sql));
    if (found[0] == '\0')
        fail_msg("nobody waits for %s, but: %s", pattern, world_query(w, "SELECT waits_for FROM queue"));
    char *AUTO_FREE run = check_printf("%.36s", found);
    expect_same_on_page(w, run, found + 36);
}

/* A run that waits in this state while another one runs, for ever. */
static const char *wait_behind_another(struct world *w, const char *config, enum run_state waiting)
{
    const char *first = world_add_run(w);
    w->flow.run_ms = -1;
    world_start(w, config);
    UNTIL(w, SECONDS(10), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, waiting));
    return run;
}

static void test_for_a_slot_of_the_pool(void **state)
{
    struct world *w = *state;
    const char *run = wait_behind_another(w, "[limits]\nrunning = 1\n", RUN_STATE_QUEUED);
    expect_wait(w, run, "pool limit: running 1");
}

static void test_for_a_slot_of_its_class(void **state)
{
    struct world *w = *state;
    const char *run =
        wait_behind_another(w, "[class n]\nmatch_deployment = nightly\nrunning = 1\n", RUN_STATE_QUEUED);
    expect_wait(w, run, "class n limit: running 1");
}

static void test_for_a_token(void **state)
{
    struct world *w = *state;
    w->clock.wall_ms += (int64_t)20 * 365 * 86400 * 1000; /* the view compares with the real present */
    const char *run = wait_behind_another(w, "[limits]\nstarts_per_second = 0.001\n", RUN_STATE_READY);
    expect_wait(w, run, "pool limit: starts_per_second 0.001");
}

static void test_for_a_token_of_its_class(void **state)
{
    struct world *w = *state;
    w->clock.wall_ms += (int64_t)20 * 365 * 86400 * 1000;
    const char *run = wait_behind_another(
        w, "[class n]\nmatch_deployment = nightly\nstarts_per_second = 0.001\n", RUN_STATE_READY);
    expect_wait(w, run, "class n limit: starts_per_second 0.001");
}

static void test_for_a_value_of_its_class(void **state)
{
    struct world *w = *state;
    const char *run = wait_behind_another(
        w, "[class n]\nmatch_deployment = nightly\nrunning_per = deployment 1\n", RUN_STATE_QUEUED);
    expect_wait(w, run, "class n limit: running_per deployment 1 (flow/nightly)");
}

/* A create holds the only one. */
static const char *wait_for_a_launch_slot(struct world *w, const char *config)
{
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    world_add_run(w);
    world_start(w, config);
    UNTIL(w, SECONDS(10), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(15), world_is_in(w, run, RUN_STATE_READY));
    return run;
}

static void test_for_a_launch_slot(void **state)
{
    struct world *w = *state;
    expect_wait(w, wait_for_a_launch_slot(w, "[limits]\nlaunching = 1\n"), "pool limit: launching 1");
}

static void test_for_a_launch_slot_of_its_class(void **state)
{
    struct world *w = *state;
    const char *run = wait_for_a_launch_slot(w, "[class n]\nmatch_deployment = nightly\nlaunching = 1\n");
    expect_wait(w, run, "class n limit: launching 1");
}

/* Announced, while another one's create has the only slot. */
static void test_for_the_slot_of_its_start(void **state)
{
    struct world *w = *state;
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .kind = PREFECT_FAULT_HOLD});
    const char *run = world_add_run(w);
    world_start(w, "[limits]\nlaunching = 1\n");
    UNTIL(w, SECONDS(10), fake_prefect_held(w->prefect) == 1);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    world_add_run(w);
    UNTIL(w, SECONDS(15), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    fake_prefect_release(w->prefect);
    UNTIL(w, SECONDS(1), world_is_in(w, run, RUN_STATE_STARTING));
    expect_wait(w, run, "launch slot");
}

static void test_for_the_window_of_claims(void **state)
{
    struct world *w = *state;
    (void)wait_for_a_launch_slot(w, "[limits]\nlaunching = 1\n");
    for (int i = 0; i < 30; i++)
        world_add_run(w);
    world_pass(w, SECONDS(20));
    expect_wait_like(w, "claim-ahead window");
}

/* From the claim to the start, one after the other. */
static void test_for_each_answer(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *said;
        int of_prefect; /* a route; -1: none */
        int of_engine;
        bool is_second;
    } calls[] = {
        {"answer to claim", FAKE_PREFECT_SET_STATE, -1, false},
        {"answer to submit", FAKE_PREFECT_SET_STATE, -1, true},
        {"answer to resolve", FAKE_PREFECT_GET_DEPLOYMENT, -1, false},
        {"answer to create", -1, FAKE_ENGINE_CREATE, false},
        {"answer to announce", FAKE_PREFECT_PATCH_RUN, -1, false},
        {"answer to start", -1, FAKE_ENGINE_START, false},
    };
    world_start(w, NULL);
    world_pass(w, SECONDS(5));
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (calls[i].of_prefect >= 0)
            fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){
                                               .route = (enum fake_prefect_route)calls[i].of_prefect,
                                               .nth = calls[i].is_second ? 2 : 1,
                                               .kind = PREFECT_FAULT_HOLD});
        else
            fake_engine_add_fault(w->engine,
                                  &(struct fake_fault){.call = (enum fake_engine_call)calls[i].of_engine,
                                                       .kind = FAKE_FAULT_HOLD});
        const char *run = world_add_run(w);
        UNTIL(w, SECONDS(20),
              fake_prefect_held(w->prefect) == 1 ||
                  (calls[i].of_engine >= 0 && fake_engine_held(w->engine, calls[i].of_engine) == 1));
        expect_wait(w, run, calls[i].said);
        fake_prefect_release(w->prefect);
        if (calls[i].of_engine >= 0)
            fake_engine_release(w->engine, calls[i].of_engine);
        UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    }
}

static void test_for_a_retry_that_the_budget_has_not(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 30; i++)
        world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .nth = -1,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "database is locked"});
    world_start(w, "[limits]\nlaunching = 20\n[retry]\nmax_attempts = 20\n");
    UNTIL(w, SECONDS(30),
          world_number(w, "SELECT count(*) FROM queue WHERE waits_for LIKE 'retry budget%'") > 10);
    expect_wait_like(w, "retry budget of engine until %");
}

static void test_for_an_engine_that_went_away_in_a_call(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), fake_engine_held(w->engine, FAKE_ENGINE_CREATE) == 1);
    fake_engine_go_down(w->engine, true, false);
    world_pass(w, SECONDS(5));
    expect_wait_like(w, "dependency out of reach since %");
}

static void test_for_a_registry_that_throttles(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(
        w->engine,
        &(struct fake_registry_image){.image = "ill.example/a:1",
                                      .status = 500,
                                      .message = "toomanyrequests: You have reached your pull rate limit"});
    w->flow_variables = "{\"image\":\"ill.example/a:1\"}";
    for (int i = 0; i < 3; i++)
        world_add_run(w);
    world_start(w, "[retry]\nmax_attempts = 10\n");
    UNTIL(w, SECONDS(60), world_number(w, "SELECT count(*) FROM queue WHERE waits_for LIKE 'breaker%'") == 3);
    expect_wait_like(w, "breaker of registry ill.example");
}

static void test_for_the_end_of_a_pause(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, SECONDS(5));
    assert_int_equal(service_pause(w->service, &(struct err){0}), 0);
    world_add_run(w);
    world_pass(w, SECONDS(30));
    expect_wait_like(w, "paused (sluice resume ends it) since %");
}

static void test_for_the_end_of_a_backoff(void **state)
{
    struct world *w = *state;
    w->clock.wall_ms = 4102444800000; /* 2100: the view compares with the real present */
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "database is locked"});
    const char *run = world_add_run(w);
    world_start(w, "[retry]\nbase = 30s\njitter = none\n");
    UNTIL(w, SECONDS(10), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    expect_wait(w, run, "backoff until 2100-01-01T00:00:30.000Z");
    assert_string_equal(world_query(w, "SELECT last_error FROM queue"), "create: database is locked");
    assert_string_equal(world_query(w, "SELECT next_try_at FROM queue"), "2100-01-01T00:00:30.000Z");
}

static void test_for_the_engine(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, SECONDS(5));
    fake_engine_go_down(w->engine, true, false);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_QUEUED));
    expect_wait(w, run, "engine out of reach since 2026-01-01T00:00:05.000Z");
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_string_equal(world_query(w, "SELECT count(*) FROM hold_rows"), "0");
}

/* It was not there when we started. */
static void test_for_an_engine_that_never_was_there(void **state)
{
    struct world *w = *state;
    fake_engine_go_down(w->engine, false, false);
    world_start(w, NULL);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_QUEUED));
    world_pass(w, SECONDS(5));
    expect_wait(w, run, "engine out of reach since 2026-01-01T00:00:00.000Z");
}

/* Ready to be started when the engine went away. */
static void test_for_the_engine_when_claimed(void **state)
{
    struct world *w = *state;
    (void)wait_behind_another(w, "[limits]\nstarts_per_second = 0.1\n", RUN_STATE_READY);
    fake_engine_go_down(w->engine, true, false);
    UNTIL(w, SECONDS(10), world_number(w, "SELECT count(*) FROM hold_rows") == 1);
    world_pass(w, 100);
    expect_wait_like(w, "engine out of reach since %");
}

static void test_for_prefect(void **state)
{
    struct world *w = *state;
    const char *run = wait_behind_another(w, "[limits]\nrunning = 1\n", RUN_STATE_QUEUED);
    fake_prefect_go_down(w->prefect);
    UNTIL(w, MINUTES(1), world_number(w, "SELECT count(*) FROM hold_rows") == 1);
    expect_wait_like(w, "Prefect out of reach since 2026-01-01T00:00:%");
    fake_prefect_come_up(w->prefect);
    UNTIL(w, MINUTES(1), world_number(w, "SELECT count(*) FROM hold_rows") == 0);
    expect_wait(w, run, "pool limit: running 1");
    /* What held the runs of a process that is dead holds nobody any more; but the breaker is open until the
     * first probe. */
    fake_prefect_go_down(w->prefect);
    UNTIL(w, MINUTES(1), world_number(w, "SELECT count(*) FROM hold_rows") == 1);
    world_crash(w);
    fake_prefect_come_up(w->prefect);
    world_start(w, NULL);
    UNTIL(w, SECONDS(5), world_logged(w, "Prefect is back") == 2);
    expect_wait(w, run, "pool limit: running 1");
}

/* Back after a long absence: the slot at the server is asked for before the container is made. */
static void test_for_its_concurrency_lease(void **state)
{
    struct world *w = *state;
    w->deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "limited",
                                                      .pool = WORLD_POOL,
                                                      .has_limit = true,
                                                      .limit = 1,
                                                      .job_variables_json =
                                                          "{\"image\":\"etl:2\",\"command\":\"flow\"}"});
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(20), .lines = 1000});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_PULLING));
    expect_wait(w, run, "answer to pull");
    world_crash(w);
    world_pass(w, MINUTES(1));
    fake_engine_add_image(w->engine, "etl:2");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_RENEW_LEASE,
                                                                .kind = PREFECT_FAULT_HOLD,
                                                                .times = -1});
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_CREATING));
    expect_wait(w, run, "renewal of its concurrency lease");
    fake_prefect_clear_faults(w->prefect);
    fake_prefect_release(w->prefect);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_string_equal(world_query(w, "SELECT waits_for FROM launches"), "");
}

/* Runs at a limit of ours that hide others behind a limit of the server's, beside another worker. */
static const char *wait_at_the_server(struct world *w, const char *config)
{
    world_add_run(w);
    world_add_run(w);
    const char *behind = world_add_run(w);
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    w->flow.run_ms = -1;
    /* All three are shown before there is a limit, and seen no more then. */
    world_start(w, config);
    UNTIL(w, SECONDS(15), world_count(w, PREFECT_STATE_RUNNING) == 1);
    return behind;
}

#define ONE_AT_A_TIME                                                                                        \
    "[prefect]\nheartbeat_interval = 3s\npoll_interval = 5s\n[limits]\nrunning_per = deployment 1\n"

static void test_for_a_limit_of_the_pool_at_the_server(void **state)
{
    struct world *w = *state;
    const char *run = wait_at_the_server(w, ONE_AT_A_TIME);
    expect_wait(w, run, "pool limit: running_per deployment 1 (flow/nightly)");
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 2);
    world_pass(w, SECONDS(12));
    expect_wait(w, run, "limit of the work pool at the server");
    /* Whatever holds all is told instead. */
    fake_engine_go_down(w->engine, true, false);
    UNTIL(w, SECONDS(10), world_number(w, "SELECT count(*) FROM hold_rows") == 1);
    world_pass(w, SECONDS(12));
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM queue WHERE waits_for LIKE 'engine out of reach%'"), 2);
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(20), world_number(w, "SELECT count(*) FROM hold_rows") == 0);
    expect_wait(w, run, "limit of the work pool at the server");
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 5);
    world_pass(w, SECONDS(12));
    expect_wait(w, run, "pool limit: running_per deployment 1 (flow/nightly)");
}

static void test_for_a_limit_of_its_queue_at_the_server(void **state)
{
    struct world *w = *state;
    const char *run = wait_at_the_server(w, ONE_AT_A_TIME);
    fake_prefect_limit_queue(w->prefect, WORLD_POOL, "default", 1);
    world_pass(w, SECONDS(12));
    expect_wait(w, run, "limit of work queue default at the server");
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 2);
    world_pass(w, SECONDS(12));
    expect_wait(w, run, "limit of the work pool or of work queue default at the server");
    fake_prefect_limit_queue(w->prefect, WORLD_POOL, "default", -1);
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, -1);
    world_pass(w, SECONDS(12));
    expect_wait(w, run, "pool limit: running_per deployment 1 (flow/nightly)");
}

/* Eight of its deployment wait for their image already. */
static void test_for_an_image_that_others_wait_for(void **state)
{
    struct world *w = *state;
    w->deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "large",
                                                      .pool = WORLD_POOL,
                                                      .job_variables_json =
                                                          "{\"image\":\"etl:2\",\"command\":\"flow\"}"});
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(2), .lines = 1000});
    for (int i = 0; i < 8; i++)
        world_add_run(w);
    world_start(w, "[prefect]\npoll_interval = 5s\n");
    UNTIL(w, SECONDS(20), world_number(w, "SELECT count(*) FROM launches WHERE state = 'PULLING'") == 8);
    const char *run = world_add_run(w);
    world_pass(w, SECONDS(11));
    expect_wait(w, run, "image of 8 runs before it");
    UNTIL(w, MINUTES(4), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_for_a_slot_of_the_pool),
        FLOW_TEST(test_for_a_slot_of_its_class),
        FLOW_TEST(test_for_a_token),
        FLOW_TEST(test_for_a_token_of_its_class),
        FLOW_TEST(test_for_a_value_of_its_class),
        FLOW_TEST(test_for_a_launch_slot),
        FLOW_TEST(test_for_a_launch_slot_of_its_class),
        FLOW_TEST(test_for_the_slot_of_its_start),
        FLOW_TEST(test_for_the_window_of_claims),
        FLOW_TEST(test_for_each_answer),
        FLOW_TEST(test_for_a_retry_that_the_budget_has_not),
        FLOW_TEST(test_for_an_engine_that_went_away_in_a_call),
        FLOW_TEST(test_for_a_registry_that_throttles),
        FLOW_TEST(test_for_the_end_of_a_pause),
        FLOW_TEST(test_for_the_end_of_a_backoff),
        FLOW_TEST(test_for_the_engine),
        FLOW_TEST(test_for_an_engine_that_never_was_there),
        FLOW_TEST(test_for_the_engine_when_claimed),
        FLOW_TEST(test_for_prefect),
        FLOW_TEST(test_for_its_concurrency_lease),
        FLOW_TEST(test_for_a_limit_of_the_pool_at_the_server),
        FLOW_TEST(test_for_a_limit_of_its_queue_at_the_server),
        FLOW_TEST(test_for_an_image_that_others_wait_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
