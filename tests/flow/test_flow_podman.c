/* test_flow_podman.c - the same lives on an engine that is Podman 4.3: other statuses, words and events. */
#include "tests/flow/world.h"

#define VERSION "4.3.1"

static void be_podman(struct world *w)
{
    fake_engine_be_podman(w->engine, VERSION);
}

static void test_an_end_is_noticed_by_its_event(void **state)
{
    struct world *w = *state;
    be_podman(w);
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 3));
    UNTIL(w, SECONDS(3), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "status code 3"));
}

static void test_a_removal_is_noticed_by_its_event(void **state)
{
    struct world *w = *state;
    be_podman(w);
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_true(fake_engine_remove(w->engine, fake_engine_container_at(w->engine, 0)->id));
    UNTIL(w, SECONDS(10), world_state(w, run) == PREFECT_STATE_CRASHED);
}

/* Containers live on without the service, and it knows nothing of what it has missed. */
static void test_an_end_while_the_service_is_away(void **state)
{
    struct world *w = *state;
    be_podman(w);
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, NULL);
    UNTIL(w, SECONDS(10), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_engine_go_down(w->engine, false, false);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 7));
    world_pass(w, SECONDS(5));
    fake_engine_come_up(w->engine);
    UNTIL(w, SECONDS(10), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "status code 7"));
}

static void test_a_name_that_another_holds(void **state)
{
    struct world *w = *state;
    be_podman(w);
    assert_non_null(
        fake_engine_create(w->engine, "report", "{\"Image\":\"" WORLD_IMAGE "\",\"Cmd\":[\"other\"]}"));
    const char *run = world_add_named_run(w, "report");
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_string_equal(fake_engine_container_at(w->engine, 1)->name, "report-1");
    assert_int_equal(fake_engine_container_count(w->engine), 2);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
}

static void expect_refused(struct world *w, const char *run, const char *words)
{
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_non_null(strstr(world_message(w, run), words));
    assert_int_equal(fake_engine_container_count(w->engine), 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
}

static void test_a_command_that_does_not_exist(void **state)
{
    struct world *w = *state;
    be_podman(w);
    fake_engine_add_fault(
        w->engine, &(struct fake_fault){
                       .call = FAKE_ENGINE_START,
                       .nth = -1,
                       .kind = FAKE_FAULT_STATUS,
                       .status = 500,
                       .message = "runc: runc create failed: unable to start container process: exec: "
                                  "\"/nope\": stat /nope: no such file or directory: OCI runtime attempted "
                                  "to invoke a command that was not found"});
    expect_refused(w, world_add_run(w), "/nope");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_START), 1);
}

static void test_a_network_that_does_not_exist(void **state)
{
    struct world *w = *state;
    be_podman(w);
    w->flow_variables = "{\"networks\":[\"nowhere\"]}";
    expect_refused(w, world_add_run(w), "network not found");
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 1);
}

/* Podman below 4.7 would write the word host-gateway into /etc/hosts. */
static void test_the_name_of_the_machine_is_podmans(void **state)
{
    struct world *w = *state;
    be_podman(w);
    w->flow_variables = "{\"network_mode\":\"bridge\"}";
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    const char *body = fake_engine_last_body(w->engine, FAKE_ENGINE_CREATE);
    assert_non_null(strstr(body, "\"PREFECT_API_URL=http://host.containers.internal:"));
    assert_null(strstr(body, "host-gateway"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_an_end_is_noticed_by_its_event),     FLOW_TEST(test_a_removal_is_noticed_by_its_event),
        FLOW_TEST(test_an_end_while_the_service_is_away),   FLOW_TEST(test_a_name_that_another_holds),
        FLOW_TEST(test_a_command_that_does_not_exist),      FLOW_TEST(test_a_network_that_does_not_exist),
        FLOW_TEST(test_the_name_of_the_machine_is_podmans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
