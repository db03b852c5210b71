/* test_flow_servers.c - servers that are older, newer, Cloud, or not yet furnished as the worker expects. */
#include "tests/flow/world.h"

#define WORKER_ID "cb88b57f-c60f-48c3-a219-1e24dd55c2ae"

static void answer_once(struct world *w, enum fake_prefect_route route, int status, const char *body)
{
    fake_prefect_fault(w->prefect,
                       &(struct fake_prefect_fault){
                           .route = route, .kind = PREFECT_FAULT_STATUS, .status = status, .body = body});
}

static int labels_asked(struct world *w)
{
    return fake_prefect_calls(w->prefect, FAKE_PREFECT_PATCH_LABELS);
}

static bool all_have_started(struct world *w, int count)
{
    return fake_engine_starts(w->engine, NULL) == count;
}

/* What it lacks is left out, without a delay, until a heartbeat shows another version. */
static void test_an_older_server_and_then_a_newer_one(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 1000;
    answer_once(w, FAKE_PREFECT_VERSION, 200, "\"3.0.11\"");
    answer_once(w, FAKE_PREFECT_VERSION, 200, "\"3.0.11\"");
    answer_once(w, FAKE_PREFECT_PATCH_LABELS, 404, "{\"detail\":\"Not Found\"}");
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), all_have_started(w, 1) && labels_asked(w) == 1);
    world_add_run(w);
    UNTIL(w, SECONDS(15), all_have_started(w, 2));
    world_pass(w, SECONDS(11)); /* as long as a call that can wait does */
    assert_int_equal(labels_asked(w), 1);
    UNTIL(w, SECONDS(70), strstr(buf_text(&w->log), "another version now") != NULL);
    world_add_run(w);
    UNTIL(w, SECONDS(30), all_have_started(w, 3) && labels_asked(w) == 2);
}

static void test_a_server_that_is_too_old_is_named(void **state)
{
    struct world *w = *state;
    answer_once(w, FAKE_PREFECT_VERSION, 200, "\"3.0.3\"");
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), strstr(buf_text(&w->log), "older than 3.0.4") != NULL);
}

static void test_the_version_is_not_read_if_nobody_wants_it(void **state)
{
    struct world *w = *state;
    static const char *const environment[] = {"PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED=false", NULL};
    w->environment = environment;
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), all_have_started(w, 1));
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_VERSION), 0);
}

/* A76: the worker's id goes into the container; nobody asks for a version. */
static void test_cloud_names_the_worker(void **state)
{
    struct world *w = *state;
    char *AUTO_FREE cloud = check_printf("PREFECT_CLOUD_API_URL=%s", fake_prefect_url(w->prefect));
    const char *const environment[] = {cloud, NULL};
    w->environment = environment;
    answer_once(w, FAKE_PREFECT_HEARTBEAT, 200, WORKER_ID);
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), all_have_started(w, 1));
    assert_non_null(
        strstr(fake_engine_last_body(w->engine, FAKE_ENGINE_CREATE), "PREFECT__WORKER_ID=" WORKER_ID));
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_VERSION), 0);
}

/* A43: a queue that isn't there yet is waited for, with one warning. */
static void test_a_queue_that_is_made_later(void **state)
{
    struct world *w = *state;
    const char *const flags[] = {"prefect.work_queues", "later", NULL};
    w->flags = flags;
    world_start(w, NULL);
    UNTIL(w, MINUTES(3), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) >= 3);
    const char *text = buf_text(&w->log);
    const char *first = strstr(text, "poll failed");
    assert_non_null(first);
    assert_null(strstr(first + 1, "poll failed"));
    assert_non_null(strstr(first, "later' not found"));
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "later", 1);
    const char *deployment = world_add_deployment(w, "later", "later");
    (void)fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
    UNTIL(w, MINUTES(2), all_have_started(w, 1));
}

/* As `prefect worker start` has it, but for the Python, of which we have none. */
static void test_a_job_without_an_image_gets_prefects_own(void **state)
{
    struct world *w = *state;
    (void)fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.pool = WORLD_POOL});
    world_start(w, NULL);
    UNTIL(w, SECONDS(60), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 1);
    UNTIL(w, SECONDS(60), world_launches(w) == 0);
    assert_string_equal(w->config->default_image, "prefecthq/prefect:" PREFECT_CLAIMED_VERSION "-python3.12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_an_older_server_and_then_a_newer_one),
        FLOW_TEST(test_a_server_that_is_too_old_is_named),
        FLOW_TEST(test_the_version_is_not_read_if_nobody_wants_it),
        FLOW_TEST(test_cloud_names_the_worker),
        FLOW_TEST(test_a_queue_that_is_made_later),
        FLOW_TEST(test_a_job_without_an_image_gets_prefects_own),
    };
    return cmocka_run_group_tests_name("flow_servers", tests, NULL, NULL);
}
