/* test_meters.c - histograms, routes of calls, and the counts that follow from what launches do. */
#include "meters.h"

#include "api/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

static void test_histogram(void **state)
{
    (void)state;
    struct histogram h = {0};
    assert_true(histogram_quantile(&h, &histogram_seconds, 0.5) < 0);
    histogram_add(&h, &histogram_seconds, 0.005); /* a bound belongs to its bucket */
    histogram_add(&h, &histogram_seconds, 0.0051);
    histogram_add(&h, &histogram_seconds, 1e9);
    histogram_add(&h, &histogram_seconds, -3);
    histogram_add(&h, &histogram_seconds, (double)NAN);
    assert_int_equal(h.buckets[0], 3);
    assert_int_equal(h.buckets[1], 1);
    assert_int_equal(h.buckets[histogram_seconds.count], 1);
    assert_int_equal(h.count, 5);
    assert_true(fabs(h.sum - 1000000000.0101) < 1e-6);
    assert_true(fabs(histogram_quantile(&h, &histogram_seconds, 0.3) - 0.0025) < 1e-9);
    assert_true(fabs(histogram_quantile(&h, &histogram_seconds, 1) - 600) < 1e-9);
}

static void test_bounds_rise(void **state)
{
    (void)state;
    const struct histogram_bounds *const all[] = {&histogram_seconds, &histogram_share, &histogram_lateness,
                                                  &histogram_short};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_in_range(all[i]->count, 2, HISTOGRAM_BOUNDS_MAX);
        for (size_t k = 1; k < all[i]->count; k++)
            assert_true(all[i]->upper[k] > all[i]->upper[k - 1]);
    }
}

static void expect_route(const char *method, const char *path, const char *expected)
{
    char route[CALL_ROUTE_SIZE];
    call_route(method, path, route);
    assert_string_equal(route, expected);
}

static void test_routes(void **state)
{
    (void)state;
    expect_route("POST", "/containers/4f0e/start", "POST /containers/{}/start");
    expect_route("GET", "/images/registry%2Fapp%3A1/json?x=/start", "GET /images/{}/json");
    expect_route("POST", "/flow_runs/6f1c/set_state", "POST /flow_runs/{}/set_state");
    expect_route("GET", "/", "GET /");
    expect_route("GET", "", "GET ");
    expect_route("GET", "//a//b", "GET //{}//{}");
    char long_path[4096];
    memset(long_path, '/', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    char route[CALL_ROUTE_SIZE];
    call_route("DELETE", long_path, route);
    assert_int_equal(strlen(route), CALL_ROUTE_SIZE - 1);
}

static struct meters *make(const char *first, const char *second)
{
    struct config_class classes[2] = {{.name = first}, {.name = second}};
    struct config config = {.classes = classes, .class_count = second == NULL ? 1 : 2};
    return meters_new(&config);
}

static void step(struct meters *m, enum run_state from, enum run_state to, enum run_event_kind kind,
                 enum run_verdict verdict)
{
    struct run before = {.state = from, .has_claim = from > RUN_STATE_QUEUED};
    struct run after = {.state = to, .verdict = verdict, .due_at_ms = 1000, .started_at_ms = 3000};
    meters_step(m, "etl", &before, &after, &(struct run_event){.kind = kind});
}

static void test_steps(void **state)
{
    (void)state;
    struct meters *m = make("etl", "default");
    step(m, RUN_STATE_CLAIMING, RUN_STATE_SUBMITTING, RUN_EVENT_DONE, RUN_VERDICT_NONE);
    step(m, RUN_STATE_CREATING, RUN_STATE_CREATING, RUN_EVENT_CAPACITY, RUN_VERDICT_NONE);
    step(m, RUN_STATE_CREATING, RUN_STATE_CLEARING, RUN_EVENT_PERMANENT, RUN_VERDICT_LAUNCH_FAILED);
    step(m, RUN_STATE_STARTING, RUN_STATE_RUNNING, RUN_EVENT_DONE, RUN_VERDICT_NONE);
    step(m, RUN_STATE_STOPPING, RUN_STATE_RUNNING, RUN_EVENT_DONE, RUN_VERDICT_NONE); /* no start */
    step(m, RUN_STATE_REPORTING, RUN_STATE_FINISHED, RUN_EVENT_DONE, RUN_VERDICT_LAUNCH_FAILED);
    step(m, RUN_STATE_QUEUED, RUN_STATE_FINISHED, RUN_EVENT_SEEN_ELSEWHERE, RUN_VERDICT_NONE); /* not ours */
    const struct meters_class *c = meters_class(m, 0);
    assert_string_equal(c->name, "etl");
    assert_int_equal(c->claims, 1);
    assert_int_equal(c->starts, 1);
    assert_int_equal(c->retries[ERROR_CLASS_CAPACITY], 1);
    assert_int_equal(c->retries[ERROR_CLASS_PERMANENT], 0);
    assert_int_equal(c->ends[RUN_VERDICT_LAUNCH_FAILED], 1);
    assert_int_equal(c->ends[RUN_VERDICT_NONE], 0);
    assert_int_equal(meters_lateness(m)->count, 1);
    assert_true(fabs(meters_lateness(m)->sum - 2) < 1e-9);
    struct meters_totals t = meters_totals(m);
    assert_int_equal(t.launches_ended, 1);
    assert_int_equal(t.launches_failed, 1);
    meters_free(m);
}

static void test_attempts(void **state)
{
    (void)state;
    struct meters *m = make("etl", NULL);
    struct meters_attempt a = {
        .stage = STAGE_PULL, .outcome = METERS_OK, .class_name = "etl", .took_ms = 500};
    meters_attempt(m, &a);
    a.timeout_ms = 1000;
    a.class_name = ""; /* belongs to no launch */
    meters_attempt(m, &a);
    a.outcome = METERS_TIMEOUT;
    a.clock = CLOCK_KIND_INACTIVITY;
    meters_attempt(m, &a);
    assert_int_equal(meters_took(m, STAGE_PULL, METERS_OK)->count, 2);
    assert_int_equal(meters_share(m, STAGE_PULL, METERS_OK)->count, 1); /* one had no timeout */
    assert_true(fabs(meters_share(m, STAGE_PULL, METERS_TIMEOUT)->sum - 0.5) < 1e-9);
    assert_int_equal(meters_class(m, 0)->attempts[STAGE_PULL], 1);
    const struct meters_class *other = meters_class(m, meters_class_count(m) - 1);
    assert_string_equal(other->name, "other");
    assert_int_equal(other->timeouts[STAGE_PULL][CLOCK_KIND_INACTIVITY], 1);
    assert_int_equal(meters_totals(m).attempts[STAGE_PULL], 3);
    assert_int_equal(meters_totals(m).timeouts[STAGE_PULL], 1);
    meters_attempt(NULL, &a); /* nobody counts */
    meters_free(m);
}

static void test_a_class_that_leaves_keeps_its_counts(void **state)
{
    (void)state;
    struct meters *m = make("etl", "default");
    step(m, RUN_STATE_CLAIMING, RUN_STATE_SUBMITTING, RUN_EVENT_DONE, RUN_VERDICT_NONE);
    struct config_class classes[METERS_CLASSES_MAX + 5];
    char names[ARRAY_LEN(classes)][16];
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        snprintf(names[i], sizeof(names[i]), "class%zu", i);
        classes[i] = (struct config_class){.name = names[i]};
    }
    struct config config = {.classes = classes, .class_count = ARRAY_LEN(classes)};
    meters_set_config(m, &config);
    memset(names, 0, sizeof(names)); /* names are not borrowed */
    assert_int_equal(meters_class_count(m), METERS_CLASSES_MAX + 1);
    step(m, RUN_STATE_CLAIMING, RUN_STATE_SUBMITTING, RUN_EVENT_DONE, RUN_VERDICT_NONE);
    assert_int_equal(meters_class(m, 0)->claims, 2);
    assert_string_equal(meters_class(m, 2)->name, "class0");
    meters_free(m);
}

static void test_endpoints(void **state)
{
    (void)state;
    struct meters *m = make("etl", NULL);
    meters_call(m, DEPENDENCY_ENGINE, "GET /_ping", 200, 5);
    meters_call(m, DEPENDENCY_ENGINE, "GET /_ping", 0, 5);
    meters_call(m, DEPENDENCY_PREFECT, "GET /_ping", 999, 5);
    assert_int_equal(meters_endpoint_count(m), 2);
    assert_int_equal(meters_endpoint(m, 0)->by_status[2], 1);
    assert_int_equal(meters_endpoint(m, 0)->by_status[0], 1);
    assert_int_equal(meters_endpoint(m, 1)->by_status[0], 1); /* no status that there is */
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "GET %d", i);
        meters_call(m, DEPENDENCY_ENGINE, name, 404, 5);
    }
    assert_int_equal(meters_endpoint_count(m), METERS_ENDPOINTS_MAX);
    const struct meters_endpoint *last = meters_endpoint(m, METERS_ENDPOINTS_MAX - 1);
    assert_string_equal(last->name, "other");
    assert_int_equal(last->by_status[4], 200 - (METERS_ENDPOINTS_MAX - 3));
    meters_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram), cmocka_unit_test(test_bounds_rise),
        cmocka_unit_test(test_routes),    cmocka_unit_test(test_steps),
        cmocka_unit_test(test_attempts),  cmocka_unit_test(test_a_class_that_leaves_keeps_its_counts),
        cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
