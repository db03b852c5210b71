/* test_prefect_telemetry.c - the promises of api/prefect_telemetry.h, against the fake server and a fake
 * clock. */
#include "api/prefect_telemetry.h"

#include "prefect_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN_ID "4e2564d8-30dc-4f6c-a390-0eadcde8b4ab"

struct telemetry_world {
    struct prefect_world *w;
    struct prefect_telemetry *t;
    struct prefect_telemetry_settings settings;
    int flushed;
};

static int setup(void **state)
{
    struct telemetry_world *tw = calloc(1, sizeof(*tw));
    assert_non_null(tw);
    void *inner = NULL;
    if (prefect_world_setup(&inner) != 0)
        return -1;
    tw->w = inner;
    tw->settings = (struct prefect_telemetry_settings){
        .worker_name = "Big Worker/1_",
        .events = true,
        .logs = true,
        .clocks = {.connect_ms = 1000, .inactivity_ms = 5000, .total_ms = 10000},
        .random = &tw->w->random};
    prefect_telemetry_new(tw->w->prefect, tw->w->timers, &tw->settings, &tw->t);
    *state = tw;
    return 0;
}

static int teardown(void **state)
{
    struct telemetry_world *tw = *state;
    void *inner = tw->w;
    prefect_telemetry_free(tw->t);
    int result = prefect_world_teardown(&inner);
    free(tw);
    return result;
}

static void restart(struct telemetry_world *tw)
{
    prefect_telemetry_free(tw->t);
    prefect_telemetry_new(tw->w->prefect, tw->w->timers, &tw->settings, &tw->t);
}

static const char *const tags[] = {"red", "blue", "red"};

static struct prefect_event_run whole_run(void)
{
    return (struct prefect_event_run){.flow_run_id = RUN_ID,
                                      .flow_run_name = "brainy-kelpie",
                                      .flow_id = "F",
                                      .flow_name = "my flow",
                                      .deployment_id = "D",
                                      .deployment_name = "dep",
                                      .tags = tags,
                                      .tag_count = 3};
}

static void log_lines(struct telemetry_world *tw, int count)
{
    for (int i = 0; i < count; i++) {
        char message[32];
        snprintf(message, sizeof(message), "line %d", i);
        prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, message);
    }
}

/* An event's text with every UUID replaced, since they are random. malloc'ed. */
static char *event_without_ids(struct telemetry_world *tw, size_t index)
{
    struct prefect_reply reply = {.status = 0, .json = fake_prefect_event(tw->w->fake, index)};
    return prefect_text_of(&tw->w->text, PREFECT_TEXT_PLAIN, &reply);
}

static void id_of_event(struct telemetry_world *tw, size_t index, const char *key,
                        char id[static UUID_TEXT_SIZE])
{
    char *needle = check_printf("\"%s\":\"", key);
    const char *at = strstr(fake_prefect_event(tw->w->fake, index), needle);
    snprintf(id, UUID_TEXT_SIZE, "%s", at != NULL ? at + strlen(needle) : "");
    free(needle);
}

static void assert_follows(struct telemetry_world *tw, size_t later, size_t earlier)
{
    char id[UUID_TEXT_SIZE];
    char follows[UUID_TEXT_SIZE];
    id_of_event(tw, earlier, "id", id);
    id_of_event(tw, later, "follows", follows);
    assert_string_equal(follows, id);
}

#define WORKER                                                                                               \
    "\"prefect.resource.id\":\"prefect.worker.docker.big-worker-1\",\"prefect.resource.name\":\"Big "        \
    "Worker/1_\","                                                                                           \
    "\"prefect.version\":\"3.8.8\",\"prefect.worker-type\":\"docker\""
#define POOL                                                                                                 \
    "{\"prefect.resource.id\":\"prefect.work-pool.P\",\"prefect.resource.role\":\"work-pool\","              \
    "\"prefect.resource.name\":\"docs\"}"
#define BEFORE_RUN                                                                                           \
    "{\"prefect.resource.id\":\"prefect.deployment.D\",\"prefect.resource.role\":\"deployment\","            \
    "\"prefect.resource.name\":\"dep\"},"                                                                    \
    "{\"prefect.resource.id\":\"prefect.flow.F\",\"prefect.resource.role\":\"flow\","                        \
    "\"prefect.resource.name\":\"my flow\"},"                                                                \
    "{\"prefect.resource.id\":\"prefect.flow-run.ID\",\"prefect.resource.role\":\"flow-run\","               \
    "\"prefect.resource.name\":\"brainy-kelpie\""
#define AFTER_RUN                                                                                            \
    "},{\"prefect.resource.id\":\"prefect.tag.blue\",\"prefect.resource.role\":\"tag\"},"                    \
    "{\"prefect.resource.id\":\"prefect.tag.red\",\"prefect.resource.role\":\"tag\"}," POOL

/* Names, resources, roles and their order are what people's automations look at. */
static void test_events_are_the_official_ones(void **state)
{
    struct telemetry_world *tw = *state;
    struct prefect_event_run run = whole_run();
    struct prefect_event_ref submitted;
    struct prefect_event_ref container = {.occurred_ms = 0};
    prefect_telemetry_set_pool(tw->t, "P", "docs");
    prefect_telemetry_worker_started(tw->t);
    prefect_telemetry_submitted(tw->t, &run, &submitted);
    prefect_telemetry_container(tw->t, PREFECT_CONTAINER_CREATED, &run, "abc", "/brainy-kelpie", &container);
    prefect_telemetry_container(tw->t, PREFECT_CONTAINER_RUNNING, &run, "abc", "brainy-kelpie", &container);
    prefect_telemetry_container(tw->t, PREFECT_CONTAINER_EXITED, &run, "abc", "brainy-kelpie", &container);
    prefect_telemetry_executed(tw->t, &run, &submitted, "http+docker://localhost:abc", -1);
    prefect_telemetry_worker_stopped(tw->t);
    prefect_telemetry_creation_failed(tw->t, &run);
    prefect_world_advance(tw->w, 1000);
    static const char *const expected[] = {
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.worker.started\",\"resource\":"
        "{" WORKER "},\"related\":[" POOL "],\"payload\":{},\"id\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.worker.submitted-flow-run\","
        "\"resource\":{" WORKER "},\"related\":[" BEFORE_RUN AFTER_RUN "],\"payload\":{},\"id\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.docker.container.created\","
        "\"resource\":{"
        "\"prefect.resource.id\":\"prefect.docker.container.abc\",\"prefect.resource.name\":\"brainy-"
        "kelpie\"},\"related\":[" BEFORE_RUN AFTER_RUN ",{" WORKER
        ",\"prefect.resource.role\":\"worker\"}],\"payload\":{},\"id\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.docker.container.running\","
        "\"resource\":{"
        "\"prefect.resource.id\":\"prefect.docker.container.abc\",\"prefect.resource.name\":\"brainy-"
        "kelpie\"},\"related\":[" BEFORE_RUN AFTER_RUN ",{" WORKER
        ",\"prefect.resource.role\":\"worker\"}],\"payload\":{},\"id\":\"ID\",\"follows\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.docker.container.exited\","
        "\"resource\":{"
        "\"prefect.resource.id\":\"prefect.docker.container.abc\",\"prefect.resource.name\":\"brainy-"
        "kelpie\"},\"related\":[" BEFORE_RUN AFTER_RUN ",{" WORKER
        ",\"prefect.resource.role\":\"worker\"}],\"payload\":{},\"id\":\"ID\",\"follows\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.worker.executed-flow-run\","
        "\"resource\":{" WORKER "},\"related\":[" BEFORE_RUN
        ",\"prefect.infrastructure.identifier\":\"http+docker://localhost:abc\","
        "\"prefect.infrastructure.status-code\":\"-1\"" AFTER_RUN
        "],\"payload\":{},\"id\":\"ID\",\"follows\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.worker.stopped\",\"resource\":"
        "{" WORKER "},\"related\":[" POOL "],\"payload\":{},\"id\":\"ID\",\"follows\":\"ID\"}",
        "{\"occurred\":\"2026-01-01T00:00:00.000Z\",\"event\":\"prefect.docker.container.creation-failed\","
        "\"resource\":{" WORKER "},\"related\":[" BEFORE_RUN AFTER_RUN "],\"payload\":{},\"id\":\"ID\"}",
    };
    assert_int_equal(fake_prefect_event_count(tw->w->fake, NULL), ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        char *text = event_without_ids(tw, i);
        assert_string_equal(strchr(text, '{'), expected[i]);
        free(text);
    }
    assert_follows(tw, 3, 2);
    assert_follows(tw, 4, 3);
    assert_follows(tw, 5, 1);
    assert_follows(tw, 6, 0);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_EVENTS), 1);
    assert_int_equal(prefect_telemetry_events(tw->t).sent, 8);
}

static void test_ids_are_version_7_and_follows_needs_nearness(void **state)
{
    struct telemetry_world *tw = *state;
    struct prefect_event_run run = {.flow_run_id = RUN_ID};
    struct prefect_event_ref submitted;
    struct prefect_event_ref none = {.occurred_ms = 0};
    prefect_telemetry_submitted(tw->t, &run, &submitted);
    /* 2026-01-01T00:00:00Z is 0x019b7720dc00 in milliseconds; version 7 and variant follow. */
    char expected[16];
    snprintf(expected, sizeof(expected), "%08x-%04x", (unsigned)(submitted.occurred_ms >> 16),
             (unsigned)(submitted.occurred_ms & 0xffff));
    assert_true(strncmp(submitted.id, expected, strlen(expected)) == 0);
    assert_int_equal(submitted.id[14], '7');
    assert_non_null(strchr("89ab", submitted.id[19]));
    prefect_world_advance(tw->w, 300 * 1000 - 1);
    prefect_telemetry_executed(tw->t, &run, &submitted, "x", 0);
    prefect_world_advance(tw->w, 1);
    prefect_telemetry_executed(tw->t, &run, &submitted, "x", 0);
    prefect_telemetry_executed(tw->t, &run, &none, "x", 0);
    prefect_world_advance(tw->w, 1000);
    assert_int_equal(fake_prefect_event_count(tw->w->fake, NULL), 4);
    assert_non_null(strstr(fake_prefect_event(tw->w->fake, 1), "\"follows\""));
    assert_null(strstr(fake_prefect_event(tw->w->fake, 2), "\"follows\""));
    assert_null(strstr(fake_prefect_event(tw->w->fake, 3), "\"follows\""));
    /* No deployment, no flow, no pool, no tags: only the run is related. */
    assert_non_null(strstr(fake_prefect_event(tw->w->fake, 0),
                           "\"related\":[{\"prefect.resource.id\":\"prefect.flow-run." RUN_ID
                           "\",\"prefect.resource.role\":\"flow-run\",\"prefect.resource.name\":\"\"}]"));
}

static void test_worker_slug(void **state)
{
    struct telemetry_world *tw = *state;
    static const struct {
        const char *name;
        const char *slug;
        const char *resource;
    } cases[] = {{"--A  b..C--", NULL, "docker.a-b-c\""},
                 {"w\xc3\xa4_1", NULL, "docker.wa-1\""},
                 {"x", "y-z", "docker.y-z\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        tw->settings.worker_name = cases[i].name;
        tw->settings.worker_slug = cases[i].slug;
        restart(tw);
        prefect_telemetry_worker_started(tw->t);
        prefect_world_advance(tw->w, 1000);
        assert_non_null(strstr(fake_prefect_event(tw->w->fake, i), cases[i].resource));
    }
}

static void test_log_line(void **state)
{
    struct telemetry_world *tw = *state;
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_WARNING, "a \"b\"\n\xff");
    prefect_world_advance(tw->w, 999);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 0);
    prefect_world_advance(tw->w, 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 1);
    assert_string_equal(
        fake_prefect_log(tw->w->fake, 0),
        "{\"name\":\"prefect.flow_runs.worker\",\"level\":30,\"message\":\"a \\\"b\\\"\\n\xef\xbf\xbd\","
        "\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"flow_run_id\":\"" RUN_ID "\",\"task_run_id\":null}");
    size_t len = 200 * 1000;
    char *huge = check_alloc(len + 1);
    memset(huge, 'x', len);
    huge[len] = '\0';
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, huge);
    prefect_world_advance(tw->w, 1000);
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 1), "xxx... [truncated]\""));
    assert_in_range(strlen(fake_prefect_log(tw->w->fake, 1)), 100 * 1000, 100 * 1000 + 300);
    free(huge);
}

static void test_batches(void **state)
{
    struct telemetry_world *tw = *state;
    log_lines(tw, 199);
    prefect_world_turn(tw->w);
    prefect_world_advance(tw->w, 0);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 0);
    log_lines(tw, 1);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 0);
    prefect_world_advance(tw->w, 0);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 200);
    /* A crowd goes out batch after batch, each with at most 200, in order. */
    log_lines(tw, 450);
    prefect_world_advance(tw->w, 1000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 4);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 650);
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 649), "\"line 449\""));
    assert_int_equal(prefect_telemetry_logs(tw->t).sent, 650);
    assert_int_equal(prefect_telemetry_logs(tw->t).queued, 0);
    /* Idle: no request without items. */
    prefect_world_advance(tw->w, 3600 * 1000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 4);
}

static void test_one_request_of_a_kind_at_a_time(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS,
                                                                 .kind = PREFECT_FAULT_DELAY,
                                                                 .delay_ms = 4000});
    log_lines(tw, 200);
    prefect_world_advance(tw->w, 0);
    log_lines(tw, 300);
    prefect_telemetry_worker_started(tw->t);
    prefect_world_advance(tw->w, 3999);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 1);
    /* The other kind doesn't wait for it. */
    assert_int_equal(fake_prefect_event_count(tw->w->fake, "prefect.worker.started"), 1);
    prefect_world_advance(tw->w, 1001);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 500);
}

static void test_failures_are_retried_with_growing_delay(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS,
                                                                 .times = 8,
                                                                 .kind = PREFECT_FAULT_STATUS,
                                                                 .status = 503});
    log_lines(tw, 2);
    /* It has surely not stored them: until it works. */
    static const int64_t delays_ms[] = {1000, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
        prefect_world_advance(tw->w, delays_ms[i] - 1);
        assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), i);
        prefect_world_advance(tw->w, 1);
        assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), i + 1);
    }
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 2);
    assert_int_equal(prefect_telemetry_logs(tw->t).sent, 2);
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 0);
}

/* What may have been stored is not sent for ever; and a server that fails is asked ever more rarely. */
static void test_fourth_failure_drops(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS,
                                                                 .times = 4,
                                                                 .kind = PREFECT_FAULT_DROP_BEFORE});
    log_lines(tw, 2);
    prefect_world_advance(tw->w, 1000);
    log_lines(tw, 1);
    prefect_world_advance(tw->w, 7000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 4);
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 2);
    assert_int_equal(prefect_telemetry_logs(tw->t).queued, 1);
    prefect_world_advance(tw->w, 7999);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 0);
    prefect_world_advance(tw->w, 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 1);
    assert_int_equal(prefect_telemetry_logs(tw->t).sent, 1);
}

static void test_retry_after_is_obeyed(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS,
                                                                 .kind = PREFECT_FAULT_STATUS,
                                                                 .status = 429,
                                                                 .header = "Retry-After: 20"});
    log_lines(tw, 1);
    prefect_world_advance(tw->w, 1000 + 19999);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 1);
    prefect_world_advance(tw->w, 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 1);
}

/* An event's answer is lost: it goes again under its id, and is stored once. */
static void test_repeated_events_are_stored_once(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_EVENTS,
                                                                 .kind = PREFECT_FAULT_DROP_AFTER});
    prefect_telemetry_worker_started(tw->t);
    prefect_world_advance(tw->w, 2000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_EVENTS), 2);
    assert_int_equal(fake_prefect_event_count(tw->w->fake, NULL), 1);
}

static void answer_with(struct telemetry_world *tw, enum fake_prefect_route route, int status, int times)
{
    fake_prefect_reset_counts(tw->w->fake);
    fake_prefect_fault(tw->w->fake,
                       &(struct fake_prefect_fault){
                           .route = route, .times = times, .kind = PREFECT_FAULT_STATUS, .status = status});
}

static void test_a_kind_that_is_not_there_is_switched_off(void **state)
{
    static const int statuses[] = {404, 405};
    struct telemetry_world *tw = *state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        restart(tw);
        prefect_forget_lacking(tw->w->prefect);
        answer_with(tw, FAKE_PREFECT_EVENTS, statuses[i], 1);
        prefect_telemetry_worker_started(tw->t);
        prefect_telemetry_worker_stopped(tw->t);
        log_lines(tw, 1);
        prefect_world_advance(tw->w, 1000);
        prefect_telemetry_worker_started(tw->t);
        prefect_world_advance(tw->w, 10 * 60 * 1000 - 1);
        prefect_telemetry_worker_started(tw->t);
        assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_EVENTS), 1);
        assert_true(prefect_telemetry_events(tw->t).is_off);
        assert_int_equal(prefect_telemetry_events(tw->t).dropped, 4);
        assert_int_equal(prefect_telemetry_events(tw->t).queued, 0);
        assert_false(prefect_telemetry_logs(tw->t).is_off);
        assert_int_equal(prefect_telemetry_logs(tw->t).sent, 1);
        /* It may have come with an update of the server. */
        prefect_world_advance(tw->w, 1);
        prefect_telemetry_worker_started(tw->t);
        prefect_world_advance(tw->w, 1000);
        assert_false(prefect_telemetry_events(tw->t).is_off);
        assert_int_equal(prefect_telemetry_events(tw->t).sent, 1);
    }
    /* A proxy's page doesn't switch anything off. */
    restart(tw);
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_EVENTS,
                                                                 .kind = PREFECT_FAULT_STATUS,
                                                                 .status = 404,
                                                                 .body = "<html>"});
    prefect_telemetry_worker_started(tw->t);
    prefect_world_advance(tw->w, 2000);
    assert_false(prefect_telemetry_events(tw->t).is_off);
    assert_int_equal(prefect_telemetry_events(tw->t).sent, 1);
}

/* One item that the server doesn't like costs itself, not its batch. */
static void test_a_refused_item_is_found(void **state)
{
    static const int statuses[] = {400, 413, 422};
    struct telemetry_world *tw = *state;
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        restart(tw);
        size_t before = fake_prefect_log_count(tw->w->fake);
        answer_with(tw, FAKE_PREFECT_LOGS, statuses[i], 4);
        log_lines(tw, 8); /* 8, 4, 2 and "line 0" alone are refused */
        prefect_world_advance(tw->w, 1000);
        prefect_world_advance(tw->w, 0);
        assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 1);
        assert_int_equal(prefect_telemetry_logs(tw->t).sent, 7);
        assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 4 + 3); /* 1, 2, 4 */
        assert_non_null(strstr(fake_prefect_log(tw->w->fake, before), "\"line 1\""));
        assert_non_null(strstr(fake_prefect_log(tw->w->fake, before + 6), "\"line 7\""));
    }
}

static void test_a_kind_that_is_refused_is_switched_off(void **state)
{
    struct telemetry_world *tw = *state;
    answer_with(tw, FAKE_PREFECT_LOGS, 422, -1);
    log_lines(tw, 200);
    prefect_world_advance(tw->w, 1000);
    prefect_world_advance(tw->w, 0);
    assert_true(prefect_telemetry_logs(tw->t).is_off);
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 200);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 8 + 2); /* 200, 100, ... 1, 1, 1 */
    prefect_world_advance(tw->w, 60 * 1000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 10);
}

static void test_settings_of_log_lines(void **state)
{
    struct telemetry_world *tw = *state;
    tw->settings.log_interval_ms = 5000;
    tw->settings.log_max_bytes = 100;
    tw->settings.log_batch_max_bytes = 1000;
    restart(tw);
    char message[201];
    memset(message, 'x', 200);
    message[200] = '\0';
    for (int i = 0; i < 10; i++)
        prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, message);
    prefect_world_advance(tw->w, 4999);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 0);
    prefect_world_advance(tw->w, 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 3);
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 0), "xx... [truncated]\""));
    prefect_world_advance(tw->w, 15000);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 10);
}

/* The server refuses an event with more than 100 related resources. */
static void test_many_tags(void **state)
{
    struct telemetry_world *tw = *state;
    const char *many[150];
    char texts[150][8];
    for (int i = 0; i < 150; i++) {
        snprintf(texts[i], sizeof(texts[i]), "t%03d", i);
        many[i] = texts[i];
    }
    struct prefect_event_run run = whole_run();
    struct prefect_event_ref last = {.occurred_ms = 0};
    run.tags = many;
    run.tag_count = 150;
    prefect_telemetry_set_pool(tw->t, "P", "docs");
    prefect_telemetry_container(tw->t, PREFECT_CONTAINER_CREATED, &run, "abc", "x", &last);
    prefect_world_advance(tw->w, 1000);
    size_t related = 0;
    for (const char *p = fake_prefect_event(tw->w->fake, 0); (p = strstr(p, "resource.role")) != NULL; p++)
        related++;
    assert_int_equal(related, 100);
}

static void test_full_queue_drops_the_oldest_debug_first(void **state)
{
    struct telemetry_world *tw = *state;
    tw->settings.queue_max = 3;
    restart(tw);
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, "first");
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_DEBUG, "debug");
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, "second");
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, "third");
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 1);
    prefect_world_advance(tw->w, 1000);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 3);
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 0), "\"first\""));
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 2), "\"third\""));
    log_lines(tw, 5);
    prefect_world_advance(tw->w, 1000);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 6);
    assert_non_null(strstr(fake_prefect_log(tw->w->fake, 3), "\"line 2\""));
}

static void test_queue_is_bounded_in_bytes(void **state)
{
    struct telemetry_world *tw = *state;
    tw->settings.queue_max_bytes = 1000;
    restart(tw);
    log_lines(tw, 100);
    struct prefect_telemetry_counts counts = prefect_telemetry_logs(tw->t);
    assert_in_range(counts.queued, 1, 8);
    assert_int_equal(counts.queued + counts.dropped, 100);
    char *large = check_alloc(2001);
    memset(large, 'x', 2000);
    large[2000] = '\0';
    prefect_telemetry_log(tw->t, RUN_ID, PREFECT_LOG_INFO, large);
    free(large);
    prefect_world_advance(tw->w, 1000);
    counts = prefect_telemetry_logs(tw->t);
    assert_int_equal(counts.sent + counts.dropped, 101);
}

static void test_switched_off_by_settings(void **state)
{
    struct telemetry_world *tw = *state;
    tw->settings.events = false;
    tw->settings.logs = false;
    restart(tw);
    prefect_telemetry_worker_started(tw->t);
    log_lines(tw, 300);
    prefect_world_advance(tw->w, 5000);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_ANY), 0);
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 0);
}

static void on_flushed(void *arg)
{
    struct telemetry_world *tw = arg;
    tw->flushed++;
}

static void test_flush_sends_everything_at_once(void **state)
{
    struct telemetry_world *tw = *state;
    prefect_telemetry_worker_stopped(tw->t);
    log_lines(tw, 450);
    prefect_telemetry_flush(tw->t, 2000, on_flushed, tw);
    assert_int_equal(tw->flushed, 0);
    prefect_world_advance(tw->w, 0);
    prefect_world_advance(tw->w, 0);
    prefect_world_advance(tw->w, 0);
    prefect_world_advance(tw->w, 0);
    assert_int_equal(tw->flushed, 1);
    assert_int_equal(fake_prefect_event_count(tw->w->fake, NULL), 1);
    assert_int_equal(fake_prefect_log_count(tw->w->fake), 450);
    prefect_world_advance(tw->w, 60 * 1000);
    assert_int_equal(tw->flushed, 1);
}

static void test_flush_of_nothing_ends_later(void **state)
{
    struct telemetry_world *tw = *state;
    prefect_telemetry_flush(tw->t, 2000, on_flushed, tw);
    assert_int_equal(tw->flushed, 0);
    prefect_world_advance(tw->w, 0);
    assert_int_equal(tw->flushed, 1);
}

static void test_flush_is_bounded(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){
                                        .route = FAKE_PREFECT_LOGS, .times = -1, .kind = PREFECT_FAULT_HOLD});
    log_lines(tw, 1);
    prefect_telemetry_flush(tw->t, 2000, on_flushed, tw);
    prefect_world_turn(tw->w);
    prefect_world_advance(tw->w, 1999);
    assert_int_equal(tw->flushed, 0);
    prefect_world_advance(tw->w, 1);
    assert_int_equal(tw->flushed, 1);
    assert_int_equal(prefect_telemetry_logs(tw->t).queued, 1);
}

/* A server that refuses ends the flush at once: each batch is tried once. */
static void test_flush_does_not_retry(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS,
                                                                 .times = -1,
                                                                 .kind = PREFECT_FAULT_STATUS,
                                                                 .status = 503});
    log_lines(tw, 250);
    prefect_telemetry_flush(tw->t, 5000, on_flushed, tw);
    for (int i = 0; i < 4; i++)
        prefect_world_advance(tw->w, 0);
    assert_int_equal(tw->flushed, 1);
    assert_int_equal(fake_prefect_calls(tw->w->fake, FAKE_PREFECT_LOGS), 2);
    assert_int_equal(prefect_telemetry_logs(tw->t).dropped, 250);
}

static void test_free_while_a_batch_is_out(void **state)
{
    struct telemetry_world *tw = *state;
    fake_prefect_fault(tw->w->fake,
                       &(struct fake_prefect_fault){.route = FAKE_PREFECT_LOGS, .kind = PREFECT_FAULT_HOLD});
    log_lines(tw, 200);
    prefect_world_advance(tw->w, 0);
    log_lines(tw, 10);
    prefect_telemetry_flush(tw->t, 2000, on_flushed, tw);
    prefect_telemetry_free(tw->t);
    tw->t = NULL;
    fake_prefect_release(tw->w->fake);
    prefect_world_advance(tw->w, 10000);
    assert_int_equal(tw->flushed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_the_official_ones),
        TEST(test_ids_are_version_7_and_follows_needs_nearness),
        TEST(test_worker_slug),
        TEST(test_log_line),
        TEST(test_batches),
        TEST(test_one_request_of_a_kind_at_a_time),
        TEST(test_failures_are_retried_with_growing_delay),
        TEST(test_fourth_failure_drops),
        TEST(test_retry_after_is_obeyed),
        TEST(test_repeated_events_are_stored_once),
        TEST(test_a_kind_that_is_not_there_is_switched_off),
        TEST(test_a_refused_item_is_found),
        TEST(test_a_kind_that_is_refused_is_switched_off),
        TEST(test_settings_of_log_lines),
        TEST(test_many_tags),
        TEST(test_full_queue_drops_the_oldest_debug_first),
        TEST(test_queue_is_bounded_in_bytes),
        TEST(test_switched_off_by_settings),
        TEST(test_flush_sends_everything_at_once),
        TEST(test_flush_of_nothing_ends_later),
        TEST(test_flush_is_bounded),
        TEST(test_flush_does_not_retry),
        TEST(test_free_while_a_batch_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
