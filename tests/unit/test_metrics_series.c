/*
 * How many series a scrape has, and what it costs, when all that can happen has happened; counted in series
 * and in function calls of the files that write metrics, which are compiled for this test so that each of
 * their functions tells of its entry.
 */
#include "metrics_write.h"
#include "tests/support/steps.h"

#include "store_fixture.h"

#include <stdlib.h>

#define CLASSES_MAX 300
#define SERIES_MAX 2000 /* with 20 classes */
#define TEXT_MAX_BYTES (1024 * 1024)

struct world {
    struct store *store;
    struct config config;
    struct config_class classes[CLASSES_MAX];
    char names[CLASSES_MAX][16];
    struct learned_timeouts *timeouts;
    struct meters *meters;
    struct snapshot now;
    struct snapshot_class now_classes[CLASSES_MAX + 1];
    struct metrics_places places;
    struct buf text;
    size_t series;
};

/* ---- everything happens ---- */

/* Every clock is `auto`, each with a value of its own. */
static void make_class(struct world *w, size_t i)
{
    struct config_class *c = &w->classes[i];
    snprintf(w->names[i], sizeof(w->names[i]), "class-%zu", i);
    c->name = i + 1 == w->config.class_count ? "default" : w->names[i];
    c->timeout_margin = 2.5;
    c->timeout_samples = 3;
    for (int stage = 0; stage < STAGE_COUNT; stage++)
        c->clocks[stage] = (struct config_clocks){.connect = {7000, "default", true},
                                                  .inactivity = {8000, "default", true},
                                                  .total = {60000, "default", true},
                                                  .floor_ms = 5000,
                                                  .ceiling_ms = 180000};
}

static void make_snapshot(struct world *w)
{
    static const char *const kinds[SNAPSHOT_SLOTS_COUNT] = {"create", "start", "pull", "stop"};
    static char registries[SNAPSHOT_GUARDS_MAX][32];
    struct snapshot *now = &w->now;
    now->classes = w->now_classes;
    now->class_count = w->config.class_count + 1;
    for (size_t i = 0; i < now->class_count; i++) {
        bool is_other = i + 1 == now->class_count;
        w->now_classes[i] = (struct snapshot_class){.name = is_other ? "other" : w->classes[i].name,
                                                    .queued = 10000,
                                                    .due = 100,
                                                    .oldest_due_ms = 5,
                                                    .running = 3,
                                                    .running_limit = is_other ? 0 : 7,
                                                    .starts_per_second = is_other ? 0 : 2.5,
                                                    .tokens = is_other ? -1 : 1.5};
    }
    now->pool = w->now_classes[0];
    for (size_t i = 0; i < SNAPSHOT_SLOTS_COUNT; i++)
        now->slots[i] = (struct snapshot_slots){kinds[i], 1, 2, true};
    now->guard_count = SNAPSHOT_GUARDS_MAX;
    now->guards[0] = (struct snapshot_guard){"engine", DEPENDENCY_ENGINE, false, 10};
    now->guards[1] = (struct snapshot_guard){"prefect", DEPENDENCY_PREFECT, false, 10};
    for (size_t i = 2; i < SNAPSHOT_GUARDS_MAX; i++) {
        snprintf(registries[i], sizeof(registries[i]), "registry r%zu.example", i);
        now->guards[i] =
            (struct snapshot_guard){registries[i], DEPENDENCY_REGISTRY, i == 30, 10 - (int64_t)i / 4};
    }
}

static void attempt(struct world *w, const char *class_name, enum stage stage, enum meters_outcome outcome,
                    enum clock_kind clock)
{
    meters_attempt(w->meters, &(struct meters_attempt){.stage = stage,
                                                       .outcome = outcome,
                                                       .clock = clock,
                                                       .class_name = class_name,
                                                       .took_ms = 1234,
                                                       .timeout_ms = 60000});
}

static void all_attempts_of(struct world *w, const char *class_name)
{
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        attempt(w, class_name, (enum stage)stage, METERS_OK, CLOCK_KIND_NONE);
        attempt(w, class_name, (enum stage)stage, METERS_ERROR, CLOCK_KIND_NONE);
        attempt(w, class_name, (enum stage)stage, METERS_CANCELLED, CLOCK_KIND_NONE);
        for (int clock = CLOCK_KIND_CONNECT; clock < CLOCK_KIND_COUNT; clock++)
            attempt(w, class_name, (enum stage)stage, METERS_TIMEOUT, (enum clock_kind)clock);
    }
}

static void retry(struct world *w, const char *class_name, enum error_class reason)
{
    const struct run run = {.state = RUN_STATE_PULLING, .has_claim = true};
    const struct run_event event = {.kind = (enum run_event_kind)((int)RUN_EVENT_TRANSIENT + (int)reason)};
    meters_step(w->meters, class_name, &run, &run, &event);
}

static void end(struct world *w, const char *class_name, enum run_verdict verdict)
{
    const struct run before = {.state = RUN_STATE_REPORTING, .verdict = verdict, .has_claim = true};
    struct run after = before;
    after.state = RUN_STATE_FINISHED;
    meters_step(w->meters, class_name, &before, &after, &(struct run_event){.kind = RUN_EVENT_DONE});
}

static void all_of(struct world *w, const char *class_name)
{
    all_attempts_of(w, class_name);
    for (int reason = 0; reason < ERROR_CLASS_COUNT; reason++)
        retry(w, class_name, (enum error_class)reason);
    for (int verdict = RUN_VERDICT_LAUNCH_FAILED; verdict < RUN_VERDICT_COUNT; verdict++)
        end(w, class_name, (enum run_verdict)verdict);
}

static void all_calls(struct world *w)
{
    static const int statuses[] = {0, 101, 200, 304, 404, 500};
    for (int i = 0; i < 2 * METERS_ENDPOINTS_MAX; i++) {
        char route[40];
        snprintf(route, sizeof(route), "POST /route/%d", i);
        for (size_t k = 0; k < ARRAY_LEN(statuses); k++)
            meters_call(w->meters, i % 2 == 0 ? DEPENDENCY_ENGINE : DEPENDENCY_PREFECT, route, statuses[k],
                        5);
    }
}

static void furnish(struct world *w, void **state, size_t class_count)
{
    struct err err;
    struct store_fixture *f = *state;
    w->store = store_fixture_open(f);
    w->config = (struct config){.classes = w->classes, .class_count = class_count};
    for (size_t i = 0; i < class_count; i++)
        make_class(w, i);
    if (learned_timeouts_new(w->store, &f->clock, &w->config, &w->timeouts, &err) != 0)
        fail_msg("%s", err.msg);
    w->meters = meters_new(&w->config);
    make_snapshot(w);
    buf_init(&w->text, TEXT_MAX_BYTES);
}

static void leave(struct world *w)
{
    buf_done(&w->text);
    meters_free(w->meters);
    learned_timeouts_free(w->timeouts);
    store_close(w->store);
    free(w);
}

static void scrape(struct world *w)
{
    struct metrics_view view = {
        .now = &w->now,
        .done = w->meters,
        .timeouts = w->timeouts,
        .state = store_disk(w->store),
        .process = {.resident_bytes = 1, .virtual_bytes = 2, .open_fds = 3, .max_fds = 4}};
    buf_clear(&w->text);
    assert_true(metrics_write(&view, &w->places, METRICS_OPENMETRICS, &w->text, &w->series));
}

/* The value of a series; "" if it is not there. */
static const char *value_of(const struct world *w, const char *series)
{
    static char value[64];
    char line[256];
    snprintf(line, sizeof(line), "\n%s ", series);
    const char *at = strstr(buf_text(&w->text), line);
    value[0] = '\0';
    if (at != NULL)
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(line), "\n"), at + strlen(line));
    return value;
}

static double sum_of(const struct world *w, const char *start)
{
    double sum = 0;
    char line[64];
    snprintf(line, sizeof(line), "\n%s", start);
    for (const char *at = strstr(buf_text(&w->text), line); at != NULL; at = strstr(at + 1, line))
        sum += strtod(strstr(at + 1, "} ") + 2, NULL);
    return sum;
}

static size_t lines_of(const struct world *w)
{
    size_t lines = 0;
    bool is_begin = true;
    for (const char *p = buf_text(&w->text); *p != '\0'; p++) {
        lines += is_begin && *p != '#' ? 1 : 0;
        is_begin = *p == '\n';
    }
    return lines;
}

/* ---- the tests ---- */

static void test_at_most_2000_series_with_20_classes(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    furnish(w, state, 20);
    for (size_t i = 0; i < 20; i++)
        all_of(w, w->classes[i].name);
    all_of(w, ""); /* of no class */
    all_calls(w);
    steps = 0;
    scrape(w);
    int64_t full_steps = steps;
    assert_int_equal(lines_of(w), w->series);
    print_message("series at 20 classes: %zu, %zu bytes, %ld steps\n", w->series, w->text.len,
                  (long)full_steps);
    assert_true(w->series > 1500); /* it is full */
    assert_true(w->series <= SERIES_MAX);
    /* Work follows from the number of series alone: a few calls for each character of a label. */
    assert_true(full_steps < 80 * (int64_t)w->series);
    assert_true(w->text.len < 128 * w->series);
    leave(w);
}

/* Nobody's configuration has as many; still there is an end to it, and nothing is counted twice or lost. */
static void test_more_classes_have_an_end(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    furnish(w, state, CLASSES_MAX);
    for (size_t i = 0; i < CLASSES_MAX; i++)
        all_of(w, w->classes[i].name);
    all_calls(w);
    scrape(w);
    assert_int_equal(lines_of(w), w->series);
    assert_true(w->series <= 2600);
    assert_string_equal(value_of(w, "sluice_queue_runs{class=\"class-63\"}"), "10000.0");
    assert_string_equal(value_of(w, "sluice_queue_runs{class=\"class-64\"}"), "");
    assert_string_equal(value_of(w, "sluice_queue_runs{class=\"(other)\"}"), "2370000.0");
    assert_true(sum_of(w, "sluice_queue_runs{") == 10000.0 * (CLASSES_MAX + 1));
    assert_true(sum_of(w, "sluice_timeouts_total{") == 3.0 * STAGE_COUNT * CLASSES_MAX);
    assert_true(sum_of(w, "sluice_retries_total{") == (double)ERROR_CLASS_COUNT * CLASSES_MAX);
    assert_true(strtod(value_of(w, "sluice_metrics_left_out"), NULL) > 1000);
    leave(w);
}

static void test_further_registries_are_one(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    furnish(w, state, 2);
    scrape(w);
    assert_string_equal(value_of(w, "sluice_breaker_open{dependency=\"engine\"}"), "0.0");
    assert_string_equal(value_of(w, "sluice_breaker_open{dependency=\"registry r9.example\"}"), "0.0");
    assert_string_equal(value_of(w, "sluice_breaker_open{dependency=\"registry r10.example\"}"), "");
    assert_string_equal(value_of(w, "sluice_breaker_open{dependency=\"(other)\"}"), "1.0");
    assert_string_equal(value_of(w, "sluice_retry_budget{dependency=\"(other)\"}"), "3.0");
    leave(w);
}

/* What has been shown goes on being shown, and what came too late stays with the others: no counter falls. */
static void test_no_counter_falls(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    furnish(w, state, 20);
    attempt(w, "class-7", STAGE_PULL, METERS_TIMEOUT, CLOCK_KIND_TOTAL);
    scrape(w);
    assert_string_equal(
        value_of(w, "sluice_timeouts_total{class=\"class-7\",stage=\"pull\",clock=\"total\"}"), "1");
    for (size_t i = 0; i < 20; i++)
        all_of(w, w->classes[i].name);
    scrape(w);
    assert_string_equal(
        value_of(w, "sluice_timeouts_total{class=\"class-7\",stage=\"pull\",clock=\"total\"}"), "2");
    const char *late = "sluice_timeouts_total{class=\"(other)\",stage=\"pull\",clock=\"total\"}";
    double before = strtod(value_of(w, late), NULL);
    assert_true(before > 1);
    double all = sum_of(w, "sluice_timeouts_total{");
    /* A class that comes by a reload is no cause for a change of places either. */
    w->config.class_count = 21;
    make_class(w, 19);
    make_class(w, 20);
    meters_set_config(w->meters, &w->config);
    make_snapshot(w);
    attempt(w, "class-19", STAGE_PULL, METERS_TIMEOUT, CLOCK_KIND_TOTAL);
    attempt(w, "default", STAGE_PULL, METERS_TIMEOUT, CLOCK_KIND_TOTAL);
    scrape(w);
    assert_true(strtod(value_of(w, late), NULL) == before + 2);
    assert_true(sum_of(w, "sluice_timeouts_total{") == all + 2);
    leave(w);
}

/* A class of that name is itself, and what belongs to none is told from it. */
static void test_a_class_called_other(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    furnish(w, state, 2);
    meters_free(w->meters);
    w->classes[0].name = "other";
    w->meters = meters_new(&w->config);
    make_snapshot(w);
    attempt(w, "other", STAGE_PULL, METERS_OK, CLOCK_KIND_NONE);
    attempt(w, "other", STAGE_PULL, METERS_TIMEOUT, CLOCK_KIND_TOTAL);
    attempt(w, "", STAGE_API, METERS_TIMEOUT, CLOCK_KIND_TOTAL);
    scrape(w);
    assert_string_equal(value_of(w, "sluice_class_attempts_total{class=\"other\"}"), "2");
    assert_string_equal(value_of(w, "sluice_class_attempts_total{class=\"(other)\"}"), "1");
    assert_string_equal(value_of(w, "sluice_timeouts_total{class=\"other\",stage=\"pull\",clock=\"total\"}"),
                        "1");
    assert_string_equal(value_of(w, "sluice_timeouts_total{class=\"(other)\",stage=\"api\",clock=\"total\"}"),
                        "1");
    assert_string_equal(value_of(w, "sluice_queue_runs{class=\"other\"}"), "10000.0");
    assert_string_equal(value_of(w, "sluice_queue_runs{class=\"(other)\"}"), "10000.0");
    leave(w);
}

#define SERIES_TEST(name) cmocka_unit_test_setup_teardown(name, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERIES_TEST(test_at_most_2000_series_with_20_classes),
        SERIES_TEST(test_more_classes_have_an_end),
        SERIES_TEST(test_further_registries_are_one),
        SERIES_TEST(test_no_counter_falls),
        SERIES_TEST(test_a_class_called_other),
    };
    return cmocka_run_group_tests_name("metrics_series", tests, NULL, NULL);
}
