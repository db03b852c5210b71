/*
 * test_flow_metrics.c - what /metrics says is what happened: counted by the fakes, in the state file, or
 * known from the script; in both formats, and it is no way to secrets.
 *
 * With SLUICE_METRICS_FOLDER set, the scrapes of the load are left there for the parsers of others, and one
 * of every minute of a storm for the rules of Prometheus (tests/metrics/check_metrics.py).
 */
#include "tests/flow/world.h"

#include "meters.h"
#include "metrics.h"

#include <stdlib.h>

#define OPENMETRICS "application/openmetrics-text; version=1.0.0"

struct scraped {
    struct admin_http_answer answer;
};

static void scrape(struct metrics *metrics, const char *accept, struct scraped *out)
{
    const struct admin_http_request request = {.path = "/metrics", .query = "", .accept = accept};
    out->answer = (struct admin_http_answer){.status = 200, .content_type = "application/json"};
    buf_init(&out->answer.body, 4 * 1024 * 1024);
    metrics_answer(metrics, &request, &out->answer);
    assert_int_equal(out->answer.status, 200);
}

/* The value of a series, -1 if it is not there. */
static double value_of(const struct scraped *s, const char *series)
{
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", series);
    const char *at = strstr(buf_text(&s->answer.body), line);
    return at == NULL ? -1 : strtod(at + strlen(line), NULL);
}

static void expect(const struct scraped *s, const char *series, double value)
{
    double seen = value_of(s, series);
    if (seen < value - 1e-6 || seen > value + 1e-6)
        fail_msg("%s is %g, not %g", series, seen, value);
}

/* Of all series whose name and labels begin and end so. */
static double sum_of(const struct scraped *s, const char *begin, const char *end)
{
    double sum = 0;
    char line[128];
    snprintf(line, sizeof(line), "\n%s", begin);
    for (const char *at = strstr(buf_text(&s->answer.body), line); at != NULL; at = strstr(at + 1, line)) {
        const char *close = strstr(at + 1, "} ");
        if (strncmp(close + 1 - strlen(end), end, strlen(end)) == 0)
            sum += strtod(close + 2, NULL);
    }
    return sum;
}

static void leave_for_others(const struct scraped *s, const char *name)
{
    const char *folder = getenv("SLUICE_METRICS_FOLDER");
    char path[512];
    if (folder == NULL)
        return;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(s->answer.body.data, 1, s->answer.body.len, file), s->answer.body.len);
    assert_int_equal(fclose(file), 0);
}

/* ---- what was done ---- */

static const char *const etl_tags[] = {"etl", NULL};

static void add_etl(struct world *w, const char *job_variables)
{
    fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = w->deployment,
                                                                .job_variables_json = job_variables,
                                                                .tags = etl_tags});
}

/* Five runs of class default, three of etl, and one whose image is nowhere; one create is refused, one start
 * is never answered. */
static void play_the_load(struct world *w)
{
    for (int i = 0; i < 5; i++)
        world_add_run(w);
    for (int i = 0; i < 3; i++)
        add_etl(w, NULL);
    add_etl(w, "{\"image\":\"nowhere:1\"}");
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STATUS, .status = 500});
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL});
    world_start(w, "[limits]\nlaunching = 20\n[timeouts]\nstart = 5s\n[class etl]\nmatch_tag = etl\n");
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 8 && world_launches(w) == 0);
    assert_int_equal(world_count(w, PREFECT_STATE_CRASHED), 1);
}

/* Every line of `attempts` is in the histograms, and every one of `timeouts` in its counter. */
static void expect_attempts_of_the_file(struct world *w, const struct scraped *s)
{
    char series[200];
    char sql[200];
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        for (int outcome = METERS_OK; outcome <= METERS_ERROR && stage != STAGE_RUN; outcome++) {
            const char *stage_text = stage_name((enum stage)stage);
            const char *outcome_text = meters_outcome_name((enum meters_outcome)outcome);
            snprintf(sql, sizeof(sql), "SELECT count(*) FROM attempts WHERE stage = '%s' AND outcome = '%s'",
                     stage_text, outcome_text);
            snprintf(series, sizeof(series),
                     "sluice_attempt_duration_seconds_count{stage=\"%s\",outcome=\"%s\"}", stage_text,
                     outcome_text);
            expect(s, series, (double)world_number(w, sql));
        }
    static const char *const classes[] = {"default", "etl"};
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM attempts WHERE class = '%s'", classes[i]);
        snprintf(series, sizeof(series), "sluice_class_attempts_total{class=\"%s\"}", classes[i]);
        expect(s, series, (double)world_number(w, sql));
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM timeouts WHERE class = '%s'", classes[i]);
        snprintf(series, sizeof(series), "sluice_timeouts_total{class=\"%s\"", classes[i]);
        assert_true(sum_of(s, series, "}") == (double)world_number(w, sql));
    }
}

static void expect_counters(struct world *w, const struct scraped *s)
{
    expect(s, "sluice_claims_total{class=\"default\"}", 5);
    expect(s, "sluice_claims_total{class=\"etl\"}", 4);
    expect(s, "sluice_starts_total{class=\"default\"}", 5);
    expect(s, "sluice_starts_total{class=\"etl\"}", 3);
    expect(s, "sluice_launches_ended_total{verdict=\"ended\"}", 8);
    expect(s, "sluice_launches_ended_total{verdict=\"launch_failed\"}", 1);
    expect(s, "sluice_launches_ended_total{verdict=\"exited\"}", 0);
    assert_true(sum_of(s, "sluice_timeouts_total{", "stage=\"start\",clock=\"total\"}") == 1);
    assert_true(sum_of(s, "sluice_timeouts_total{", "}") == 1);
    assert_true(sum_of(s, "sluice_retries_total{", "error_class=\"transient\"}") == 1);
    assert_true(sum_of(s, "sluice_retries_total{", "error_class=\"unknown_outcome\"}") == 1);
    assert_true(sum_of(s, "sluice_retries_total{", "}") == 2);
    expect(s, "sluice_calls_total{dependency=\"engine\",endpoint=\"POST /containers/create\",status=\"2xx\"}",
           8);
    expect(s, "sluice_calls_total{dependency=\"engine\",endpoint=\"POST /containers/create\",status=\"5xx\"}",
           1);
    expect(s,
           "sluice_calls_total{dependency=\"engine\",endpoint=\"POST /containers/{}/start\",status=\"none\"}",
           1);
    assert_true(sum_of(s, "sluice_calls_total{dependency=\"engine\",endpoint=\"POST /containers/create\"",
                       "}") == (double)fake_engine_calls(w->engine, FAKE_ENGINE_CREATE));
    expect(s, "sluice_start_lateness_seconds_count", 7); /* one was seen ended only */
    expect(s, "sluice_lost_total{what=\"events\"}", 0);
    assert_true(value_of(s, "sluice_commit_duration_seconds_count") > 8);
    /* The whole timeout, by the one that ran out. */
    expect(s, "sluice_attempt_timeout_used_ratio_bucket{stage=\"start\",outcome=\"timeout\",le=\"0.9\"}", 0);
    expect(s, "sluice_attempt_timeout_used_ratio_bucket{stage=\"start\",outcome=\"timeout\",le=\"1.0\"}", 1);
    expect(s, "sluice_attempt_duration_seconds_sum{stage=\"start\",outcome=\"timeout\"}", 5);
}

static void test_counters_are_what_happened(void **state)
{
    struct world *w = *state;
    struct scraped open;
    struct scraped plain;
    play_the_load(w);
    world_pass(w, SECONDS(1));
    struct metrics *metrics = metrics_new(w->service);
    scrape(metrics, "", &plain);
    scrape(metrics, OPENMETRICS, &open);
    expect_counters(w, &open);
    expect_counters(w, &plain);
    expect_attempts_of_the_file(w, &open);
    assert_string_equal(open.answer.content_type,
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_string_equal(plain.answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
    leave_for_others(&open, "openmetrics.txt");
    leave_for_others(&plain, "prometheus.txt");
    static const char *const secrets[] = {WORLD_API_KEY, WORLD_ENV_SECRET, WORLD_REGISTRY_PASSWORD};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        assert_null(strstr(buf_text(&open.answer.body), secrets[i]));
    buf_done(&open.answer.body);
    buf_done(&plain.answer.body);
    metrics_free(metrics);
}

/* A call for a log that is followed for ten minutes is no slow call. */
static void test_streams_have_no_duration(void **state)
{
    struct world *w = *state;
    struct scraped s;
    w->flow.run_ms = MINUTES(15);
    world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(20), world_count(w, PREFECT_STATE_COMPLETED) == 1 && world_launches(w) == 0);
    struct metrics *metrics = metrics_new(w->service);
    scrape(metrics, "", &s);
    assert_true(sum_of(&s, "sluice_calls_total{dependency=\"engine\",endpoint=\"GET /containers/{}/logs\"",
                       "}") >= 1);
    expect(&s, "sluice_call_duration_seconds_bucket{dependency=\"engine\",le=\"600.0\"}",
           value_of(&s, "sluice_call_duration_seconds_count{dependency=\"engine\"}"));
    buf_done(&s.answer.body);
    metrics_free(metrics);
}

/* ---- a storm ---- */

#define STORM_BEGINS 60 /* minutes */
#define STORM_ENDS 120
#define ENGINE_GOES 130
#define STORM_MINUTES 140
#define RUNS_A_MINUTE 3

struct storm {
    bool is_on;
    int stalled;
};

/* Creates and starts take effect, and are never answered. */
static bool stall(void *arg, int call, const struct fake_container *container, struct fake_fault *fault)
{
    struct storm *storm = arg;
    (void)container;
    if (!storm->is_on || (call != FAKE_ENGINE_CREATE && call != FAKE_ENGINE_START))
        return false;
    *fault = (struct fake_fault){.kind = FAKE_FAULT_STALL};
    storm->stalled++;
    return true;
}

static void scrape_minute(struct metrics *metrics, int minute, struct scraped *s)
{
    char name[32];
    scrape(metrics, OPENMETRICS, s);
    snprintf(name, sizeof(name), "minute-%03d.txt", minute);
    leave_for_others(s, name);
}

/* Two hours and a half of a pool with three runs a minute: an hour of peace, an hour in which the engine
 * answers no create and no start, ten minutes of peace, and then it is gone. */
static void test_a_storm_of_timeouts(void **state)
{
    struct world *w = *state;
    struct storm storm = {false, 0};
    fake_engine_choose_fault(w->engine, stall, &storm);
    world_start(
        w,
        "[limits]\nlaunching = 20\nrunning = 100\nstarts_per_second = 50\n[timeouts]\ncreate = 5s\nstart = "
        "5s\npull = auto\n");
    struct metrics *metrics = metrics_new(w->service);
    double peaceful = -1;
    for (int minute = 0; minute < STORM_MINUTES; minute++) {
        struct scraped s;
        storm.is_on = minute >= STORM_BEGINS && minute < STORM_ENDS;
        if (minute == ENGINE_GOES)
            fake_engine_go_down(w->engine, true, false);
        scrape_minute(metrics, minute, &s);
        if (minute == STORM_BEGINS)
            peaceful = sum_of(&s, "sluice_timeouts_total{", "}");
        if (minute == STORM_ENDS + 5)
            assert_true(sum_of(&s, "sluice_timeouts_total{", "}") == storm.stalled);
        buf_done(&s.answer.body);
        for (int i = 0; i < RUNS_A_MINUTE; i++)
            world_add_run(w);
        world_pass(w, MINUTES(1));
    }
    assert_true(peaceful <= 0);
    assert_true(storm.stalled >= 2 * RUNS_A_MINUTE * (STORM_ENDS - STORM_BEGINS - 1));
    metrics_free(metrics);
}

/* ---- what is now ---- */

static void test_gauges_are_what_is(void **state)
{
    struct world *w = *state;
    struct scraped s;
    for (int i = 0; i < 7; i++)
        world_add_run(w);
    for (int i = 0; i < 3; i++)
        add_etl(w, NULL);
    w->flow.run_ms = MINUTES(10);
    world_start(
        w, "[limits]\nrunning = 3\nstarts_per_second = 5\nlaunching = auto\nstops = 9\n[timeouts]\ncreate = "
           "auto\n[class etl]\nmatch_tag = etl\nrunning = 1\nstarts_per_second = 1\n");
    UNTIL(w, SECONDS(60), fake_engine_starts(w->engine, NULL) == 3);
    world_pass(w, SECONDS(20));
    struct metrics *metrics = metrics_new(w->service);
    scrape(metrics, OPENMETRICS, &s);
    expect(&s, "sluice_build_info{version=\"" SLUICE_VERSION "\"}", 1);
    expect(&s, "sluice_online", 1);
    expect(&s, "sluice_paused", 0);
    expect(&s, "sluice_dependency_reachable{dependency=\"engine\"}", 1);
    expect(&s, "sluice_launches{state=\"RUNNING\"}", 3);
    expect(&s, "sluice_launches{state=\"QUEUED\"}", 7);
    assert_true(sum_of(&s, "sluice_queue_runs{", "}") == 7);
    assert_true(sum_of(&s, "sluice_queue_due_runs{", "}") == 7);
    double age = value_of(&s, "sluice_queue_oldest_due_seconds{class=\"default\"}");
    assert_true(age >= 20 && age < 90);
    assert_true(sum_of(&s, "sluice_class_running{", "}") == 3);
    expect(&s, "sluice_class_running_limit{class=\"etl\"}", 1);
    expect(&s, "sluice_class_running_limit{class=\"default\"}", -1); /* it has none */
    expect(&s, "sluice_class_start_rate_limit{class=\"etl\"}", 1);
    expect(&s, "sluice_start_rate_limit", 5);
    assert_true(value_of(&s, "sluice_start_tokens") >= 1);
    expect(&s, "sluice_slots_in_use{kind=\"running\"}", 3);
    expect(&s, "sluice_slots_limit{kind=\"running\"}", 3);
    expect(&s, "sluice_slots_limit{kind=\"stop\"}", 9);
    expect(&s, "sluice_slots_limit_learned{kind=\"create\"}", 1);
    expect(&s, "sluice_slots_limit_learned{kind=\"stop\"}", 0);
    expect(&s, "sluice_learned_timeout_seconds{class=\"etl\",stage=\"create\",clock=\"total\"}", 60);
    expect(&s, "sluice_breaker_open{dependency=\"engine\"}", 0);
    expect(&s, "sluice_retry_budget{dependency=\"engine\"}", 10);
    expect(&s, "sluice_poll_interval_seconds", 10);
    assert_true(value_of(&s, "sluice_poll_age_seconds") <= 10);
    assert_true(value_of(&s, "sluice_state_file_bytes{part=\"main\"}") > 4096);
    expect(&s, "sluice_state_file_damaged", 0);
    assert_true(value_of(&s, "sluice_state_disk_size_bytes") > value_of(&s, "sluice_state_disk_free_bytes"));
    assert_true(value_of(&s, "process_resident_memory_bytes") > 1e6);
    assert_true(value_of(&s, "process_open_fds") > 5);
    buf_done(&s.answer.body);
    metrics_free(metrics);
}

static void test_trouble_is_seen(void **state)
{
    struct world *w = *state;
    struct scraped s;
    struct err err;
    world_start(w, NULL);
    world_pass(w, SECONDS(20));
    struct metrics *metrics = metrics_new(w->service);
    assert_int_equal(service_pause(w->service, &err), 0);
    fake_engine_go_down(w->engine, true, false);
    world_pass(w, SECONDS(65));
    scrape(metrics, "", &s);
    expect(&s, "sluice_paused", 1);
    expect(&s, "sluice_dependency_reachable{dependency=\"engine\"}", 0);
    expect(&s, "sluice_breaker_open{dependency=\"engine\"}", 1);
    expect(&s, "sluice_breaker_open{dependency=\"prefect\"}", 0);
    buf_done(&s.answer.body);
    metrics_free(metrics);
}

/* As many lines with 200 runs as with ten: what a scrape writes does not grow with the queue. */
static void test_a_scrape_does_not_grow_with_the_queue(void **state)
{
    struct world *w = *state;
    struct scraped few;
    struct scraped many;
    world_start(w, "[limits]\nrunning = 1\n");
    w->flow.run_ms = MINUTES(60);
    for (int i = 0; i < 10; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(1), world_launches(w) == 10);
    world_pass(w, SECONDS(30));
    struct metrics *metrics = metrics_new(w->service);
    scrape(metrics, "", &few);
    for (int i = 0; i < 190; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(2), world_launches(w) == 200);
    scrape(metrics, "", &many);
    expect(&few, "sluice_queue_runs{class=\"default\"}", 9);
    expect(&many, "sluice_queue_runs{class=\"default\"}", 199);
    assert_in_range(many.answer.body.len, few.answer.body.len, few.answer.body.len + 500);
    buf_done(&few.answer.body);
    buf_done(&many.answer.body);
    metrics_free(metrics);
}

static void test_an_answer_without_room_is_an_error(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    struct metrics *metrics = metrics_new(w->service);
    const struct admin_http_request request = {.path = "/metrics", .query = "", .accept = ""};
    struct admin_http_answer answer = {.status = 200, .content_type = "application/json"};
    buf_init(&answer.body, 4096);
    metrics_answer(metrics, &request, &answer);
    assert_int_equal(answer.status, 500);
    assert_non_null(strstr(buf_text(&answer.body), "{\"message\":"));
    buf_done(&answer.body);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_counters_are_what_happened),
        FLOW_TEST(test_streams_have_no_duration),
        FLOW_TEST(test_a_storm_of_timeouts),
        FLOW_TEST(test_gauges_are_what_is),
        FLOW_TEST(test_trouble_is_seen),
        FLOW_TEST(test_a_scrape_does_not_grow_with_the_queue),
        FLOW_TEST(test_an_answer_without_room_is_an_error),
    };
    return cmocka_run_group_tests_name("flow_metrics", tests, NULL, NULL);
}
