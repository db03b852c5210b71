/*
 * `sluice tune` against the fake engine on a fake clock: what it measures, that it ends in time, and that it
 * leaves nothing behind, whatever fails and whenever it is stopped.
 */
#include "tune.h"

#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TIME_MS 60000
#define CONTAINERS 12 /* levels 1, 2 and 3 */

struct world {
    struct engine_world *engine_world;
    struct fake_engine *fake;
    uint64_t seed;
    struct random_source random;
    struct tune_settings settings;
    struct tune *tune;
    int ended; /* times on_end came */
    struct tune_report report;
    char error[600];
    char pull_error[600];
    int64_t ended_ms; /* mono: when on_end came */
};

static void on_end(void *arg, const struct tune_report *report)
{
    struct world *w = arg;
    w->ended++;
    w->ended_ms = w->engine_world->clock.mono_ms;
    w->report = *report;
    snprintf(w->error, sizeof(w->error), "%s", report->error == NULL ? "" : report->error);
    snprintf(w->pull_error, sizeof(w->pull_error), "%s",
             report->pull_error == NULL ? "" : report->pull_error);
}

/* An engine that has three hands: what comes on top waits. Removals are fast. */
static int64_t latency(void *arg, int call, int in_flight)
{
    const struct fake_engine *fake = arg;
    int64_t out =
        fake_engine_in_flight(fake, FAKE_ENGINE_CREATE) + fake_engine_in_flight(fake, FAKE_ENGINE_START);
    int64_t rounds_of_3 = out > 3 ? out : 3;
    (void)in_flight;
    if (call == FAKE_ENGINE_CREATE)
        return 90 * rounds_of_3 / 3;
    if (call == FAKE_ENGINE_START)
        return 180 * rounds_of_3 / 3;
    return call == FAKE_ENGINE_PING ? 0 : 10;
}

static int setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    void *engine_world = NULL;
    if (engine_world_setup(&engine_world) != 0)
        return -1;
    w->engine_world = engine_world;
    w->fake = w->engine_world->fake;
    w->seed = 7;
    w->random = random_seeded(&w->seed);
    fake_engine_set_program(w->fake, &(struct fake_program){.run_ms = 0});
    fake_engine_set_latency(w->fake, latency, w->fake);
    w->settings = (struct tune_settings){.engine = w->engine_world->engine,
                                         .timers = w->engine_world->timers,
                                         .random = &w->random,
                                         .network = "bridge",
                                         .time_ms = TIME_MS,
                                         .containers = CONTAINERS,
                                         .on_end = on_end,
                                         .arg = w};
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    void *engine_world = w->engine_world;
    tune_free(w->tune);
    fake_engine_clear_faults(w->fake);
    engine_world_teardown(&engine_world);
    free(w);
    return 0;
}

static int64_t now_ms(const struct world *w)
{
    return w->engine_world->clock.mono_ms;
}

/* A new tune; what the last one was told is forgotten. */
static void begin(struct world *w)
{
    tune_free(w->tune);
    w->ended = 0;
    w->tune = tune_new(&w->settings);
    tune_start(w->tune);
    engine_world_turn(w->engine_world);
}

/* Until it has ended, at most for so long. */
static void go_on_for(struct world *w, int64_t ms)
{
    int64_t begun_ms = now_ms(w);
    while (w->ended == 0 && now_ms(w) < begun_ms + ms)
        engine_world_advance(w->engine_world, 2000 < ms ? 2000 : ms);
}

/* To its end, which must be in time. */
static void run(struct world *w)
{
    begin(w);
    go_on_for(w, w->settings.time_ms);
    assert_int_equal(w->ended, 1);
}

static void assert_nothing_left(const struct world *w)
{
    assert_int_equal(fake_engine_container_count(w->fake), 0);
    assert_int_equal(fake_engine_image_count(w->fake), 1); /* busybox */
}

/* What is left is removed by a next tune, whose own work ends before it begins. */
static void clean(struct world *w)
{
    const char *image = w->settings.image;
    w->settings.image = "nosuch:1";
    engine_world_advance(w->engine_world, 2000); /* what was cut off lands */
    run(w);
    assert_nothing_left(w);
    w->settings.image = image;
}

static void assert_says(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

/* ---- what it measures ---- */

static void test_a_sweep_finds_the_knee_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    w->settings.containers = 64;
    w->settings.time_ms = 5 * TIME_MS;
    run(w);
    const struct tune_picture *p = &w->report.picture;
    assert_string_equal(w->error, "");
    assert_int_equal(p->count, 7);
    assert_int_equal(p->rows[p->knee].in_flight, 3);
    for (size_t i = 0; i < p->count; i++) {
        assert_int_equal(p->rows[i].starts, 64);
        assert_int_equal(p->rows[i].failures, 0);
    }
    print_message(
        "in flight 1, 3, 16: %.1f, %.1f, %.1f starts/s; start p50 %lld, %lld, %lld ms; took %.1f s\n",
        p->rows[0].starts_per_second, p->rows[2].starts_per_second, p->rows[6].starts_per_second,
        (long long)p->rows[0].p50_ms[TUNE_START], (long long)p->rows[2].p50_ms[TUNE_START],
        (long long)p->rows[6].p50_ms[TUNE_START], (double)w->report.took_ms / 1000);
    /* One life takes 270 ms; three at once, 3 x 1000 / 270. */
    assert_true(p->rows[0].starts_per_second > 3.6 && p->rows[0].starts_per_second < 3.8);
    assert_true(p->rows[2].starts_per_second > 10.5 && p->rows[2].starts_per_second < 11.3);
    assert_int_equal(p->rows[0].p50_ms[TUNE_CREATE], 90);
    assert_int_equal(p->rows[0].p50_ms[TUNE_START], 180);
    assert_int_equal(p->rows[0].p50_ms[TUNE_REMOVE], 10);
    assert_nothing_left(w);
}

/* The level counts creates and starts together, as `launching` does. */
static void test_no_more_are_in_flight_than_the_level_says(void **state)
{
    struct world *w = *state;
    w->settings.containers = 10; /* levels 1 and 2 */
    run(w);
    assert_int_equal(w->report.picture.count, 2);
    assert_int_equal(fake_engine_peak(w->fake, FAKE_ENGINE_CREATE), 2);
    assert_true(fake_engine_peak(w->fake, FAKE_ENGINE_START) <= 2);
    assert_true(fake_engine_peak(w->fake, FAKE_ENGINE_REMOVE) <= 4);
    assert_int_equal(fake_engine_effects(w->fake, FAKE_ENGINE_CREATE), 2 * 10 + 1); /* and the first one */
}

static void test_what_is_created(void **state)
{
    struct world *w = *state;
    w->settings.network = "none";
    run(w);
    char *AUTO_FREE body =
        check_printf("{\"Image\":\"sluice-tune:%s\",\"Entrypoint\":[\"/exit\"],\"Labels\":{"
                     "\"io.sluice.tune\":\"%s\"},\"HostConfig\":{\"NetworkMode\":\"none\"}}",
                     w->report.id, w->report.id);
    assert_string_equal(fake_engine_last_body(w->fake, FAKE_ENGINE_CREATE), body);
    assert_string_equal(fake_engine_last_body(w->fake, FAKE_ENGINE_IMPORT), "exit"); /* a tar begins so */
    assert_int_equal(fake_engine_effects(w->fake, FAKE_ENGINE_IMPORT), 1);
}

static void test_a_named_image_is_used_and_stays(void **state)
{
    struct world *w = *state;
    w->settings.image = "busybox";
    run(w);
    assert_string_equal(w->error, "");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_IMPORT), 0);
    assert_says(fake_engine_last_body(w->fake, FAKE_ENGINE_CREATE),
                "{\"Image\":\"busybox\",\"Entrypoint\":[\"true\"]");
    assert_nothing_left(w);
}

static void test_a_dry_run_asks_the_version_only(void **state)
{
    struct world *w = *state;
    w->settings.dry_run = true;
    run(w);
    assert_string_equal(w->error, "");
    assert_string_equal(w->report.engine_version, "20.10.24");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PING), 1);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_ANY), 1);
}

/* A slow engine: each level gets its share of the time, and the end comes when it must. */
static int64_t slow(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)in_flight;
    return call == FAKE_ENGINE_START ? 1000 : 0;
}

static void test_levels_share_the_time(void **state)
{
    struct world *w = *state;
    fake_engine_set_latency(w->fake, slow, NULL);
    w->settings.containers = 1000;
    run(w);
    const struct tune_picture *p = &w->report.picture;
    assert_string_equal(w->error, "");
    assert_int_equal(p->count, 7);
    for (size_t i = 0; i < p->count; i++)
        assert_in_range(p->rows[i].starts, 5, 9 * p->rows[i].in_flight);
    assert_true(w->report.took_ms <= TIME_MS - 10000); /* the last part is for cleaning */
    assert_nothing_left(w);
}

/* ---- failures ---- */

static void test_single_failures_are_counted_and_cleaned(void **state)
{
    struct world *w = *state;
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_CREATE, FAKE_ENGINE_START, FAKE_ENGINE_REMOVE};
    static const enum fake_fault_kind kinds[] = {FAKE_FAULT_STATUS, FAKE_FAULT_DROP_BEFORE,
                                                 FAKE_FAULT_DROP_AFTER, FAKE_FAULT_HALF_HEADERS};
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++)
            fake_engine_add_fault(
                w->fake, &(struct fake_fault){
                             .call = calls[c], .kind = kinds[k], .nth = 4 + 5 * (int)k, .status = 500});
        run(w);
        int32_t failures = 0;
        for (size_t i = 0; i < w->report.picture.count; i++)
            failures += w->report.picture.rows[i].failures;
        assert_string_equal(w->error, "");
        assert_int_equal(failures, calls[c] == FAKE_ENGINE_REMOVE ? 0 : ARRAY_LEN(kinds));
        assert_nothing_left(w);
        fake_engine_clear_faults(w->fake);
    }
}

static void test_five_failures_in_a_row_end_it_with_the_engines_words(void **state)
{
    struct world *w = *state;
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_CREATE, FAKE_ENGINE_START};
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        fake_engine_reset_counts(w->fake);
        for (int i = 0; i < 5; i++) /* the first one is the warm-up's */
            fake_engine_add_fault(w->fake, &(struct fake_fault){.call = calls[c],
                                                                .kind = FAKE_FAULT_STATUS,
                                                                .nth = 10 + i,
                                                                .status = 500,
                                                                .message = "no space left on device"});
        run(w);
        assert_says(w->error, "5 containers in a row have failed");
        assert_says(w->error, "no space left on device");
        assert_true(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE) < 20);
        assert_nothing_left(w);
        fake_engine_clear_faults(w->fake);
    }
}

static void expect_sentence(struct world *w, enum fake_engine_call call, int nth, const char *words)
{
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){
            .call = call, .kind = FAKE_FAULT_STATUS, .nth = nth, .status = 500, .message = "out of luck"});
    run(w);
    assert_says(w->error, words);
    assert_says(w->error, "out of luck");
    assert_int_equal(w->report.picture.knee, -1);
    assert_nothing_left(w);
    fake_engine_clear_faults(w->fake);
}

static void test_each_early_failure_has_its_sentence(void **state)
{
    struct world *w = *state;
    expect_sentence(w, FAKE_ENGINE_PING, 1, "asking for the version failed (engine unix://");
    expect_sentence(w, FAKE_ENGINE_IMPORT, 1, "making an image failed");
    expect_sentence(w, FAKE_ENGINE_CREATE, 1, "creating a container failed");
    expect_sentence(w, FAKE_ENGINE_START, 1, "starting a container failed");
    expect_sentence(w, FAKE_ENGINE_WAIT, 1, "waiting for a container failed");
    expect_sentence(w, FAKE_ENGINE_REMOVE, 1, "removing a container failed");
    w->settings.image = "busybox";
    expect_sentence(w, FAKE_ENGINE_IMAGE_INSPECT, 1, "looking for the image failed");
}

static void test_an_engine_that_cannot_list_is_not_measured(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){.call = FAKE_ENGINE_LIST, .kind = FAKE_FAULT_STATUS, .nth = -1, .status = 500});
    run(w);
    assert_says(w->error, "looking for what a tune has left failed");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE), 0);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_IMPORT), 0);
}

static void test_an_absent_image(void **state)
{
    struct world *w = *state;
    w->settings.image = "nosuch:1";
    run(w);
    assert_string_equal(w->error,
                        "the image nosuch:1 is not on the engine: pull it first, or leave --image out");
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_CREATE), 0);
}

static void test_an_image_whose_program_does_not_run(void **state)
{
    struct world *w = *state;
    fake_engine_set_program(
        w->fake, &(struct fake_program){.start_status = 400, .start_message = "exec format error"});
    run(w);
    assert_says(w->error, "the program of the made image does not run on this engine (exec format error)");
    assert_nothing_left(w);
    w->settings.image = "busybox";
    run(w);
    assert_says(w->error, "`true` does not run in the image busybox (exec format error)");
    assert_nothing_left(w);
    fake_engine_set_program(w->fake, &(struct fake_program){.exit_code = 1});
    run(w);
    assert_says(w->error, "`true` does not run in the image busybox (exit code 1)");
    assert_nothing_left(w);
}

/* ---- time ---- */

/* Calls without which cleaning is impossible. */
static bool is_for_cleaning(int call)
{
    return call == FAKE_ENGINE_REMOVE || call == FAKE_ENGINE_LIST || call == FAKE_ENGINE_IMAGE_LIST ||
           call == FAKE_ENGINE_IMAGE_REMOVE;
}

/* From some call of this kind on the engine never answers; what it can't remove the next tune does. */
static void expect_bounded(struct world *w, int call, int skip, enum fake_fault_kind kind)
{
    for (int n = 0; n < 40; n++)
        fake_engine_add_fault(
            w->fake,
            &(struct fake_fault){.call = (enum fake_engine_call)call, .kind = kind, .nth = skip + n + 1});
    run(w);
    assert_true(w->report.took_ms <= w->settings.time_ms);
    if (!is_for_cleaning(call))
        assert_nothing_left(w);
    else if (fake_engine_container_count(w->fake) > 0 || fake_engine_image_count(w->fake) > 1)
        assert_says(w->error, "the next `sluice tune` removes them");
    fake_engine_clear_faults(w->fake);
    fake_engine_release(w->fake, FAKE_ENGINE_ANY);
    clean(w);
}

static void test_an_engine_that_hangs_holds_nobody_longer_than_the_time(void **state)
{
    struct world *w = *state;
    static const int calls[] = {FAKE_ENGINE_PING,       FAKE_ENGINE_IMPORT, FAKE_ENGINE_CREATE,
                                FAKE_ENGINE_START,      FAKE_ENGINE_WAIT,   FAKE_ENGINE_REMOVE,
                                FAKE_ENGINE_IMAGE_LIST, FAKE_ENGINE_LIST,   FAKE_ENGINE_IMAGE_REMOVE};
    w->settings.time_ms = 15000;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        expect_bounded(w, calls[i], 0, FAKE_FAULT_HOLD);
        expect_bounded(w, calls[i], 2, FAKE_FAULT_STALL);
    }
}

/* The shortest times, on an engine that is hardly alive. */
static int64_t very_slow(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)in_flight;
    return call == FAKE_ENGINE_PING ? 0 : 700;
}

static void test_the_bound_holds_for_short_times(void **state)
{
    struct world *w = *state;
    for (int64_t time_ms = TUNE_TIME_MIN_MS; time_ms < 20000; time_ms += 2700) {
        fake_engine_set_latency(w->fake, very_slow, NULL);
        w->settings.time_ms = time_ms;
        run(w);
        assert_true(w->report.took_ms <= time_ms);
        fake_engine_set_latency(w->fake, latency, w->fake);
        clean(w);
    }
}

/* ---- stopped ---- */

static void test_a_stop_at_any_moment_leaves_nothing(void **state)
{
    struct world *w = *state;
    bool was_running = true;
    int stops = 0;
    for (int64_t at_ms = 0; was_running; at_ms += 290) {
        begin(w);
        engine_world_advance(w->engine_world, at_ms);
        was_running = w->ended == 0;
        int64_t stopped_ms = now_ms(w);
        tune_stop(w->tune);
        go_on_for(w, 10000);
        assert_int_equal(w->ended, 1);
        assert_nothing_left(w);
        if (was_running) {
            assert_string_equal(w->error, "stopped before the end");
            assert_true(w->ended_ms - stopped_ms <= 1000);
            stops++;
        }
    }
    print_message("stopped at %d moments\n", stops);
    assert_true(stops > 15);
}

static void test_a_second_stop_ends_at_once_and_says_what_may_be_left(void **state)
{
    struct world *w = *state;
    begin(w);
    engine_world_advance(w->engine_world, 2000);
    tune_stop(w->tune);
    assert_int_equal(w->ended, 0);
    tune_stop(w->tune);
    assert_int_equal(w->ended, 1);
    assert_says(w->error, "stopped before the end; containers or an image with the label io.sluice.tune=");
    tune_stop(w->tune);
    assert_int_equal(w->ended, 1);
    clean(w);
    assert_true(w->report.found > 0);
}

/* A create that hangs is cut off, and lands when the cleaning has begun. */
static void test_a_create_that_lands_late_is_removed_too(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD, .nth = 6});
    begin(w);
    go_on_for(w, 4000);
    assert_int_equal(fake_engine_held(w->fake, FAKE_ENGINE_CREATE), 1);
    tune_stop(w->tune);
    go_on_for(w, 8000); /* cut off after 7.5 s */
    assert_int_equal(w->ended, 0);
    assert_int_equal(fake_engine_release(w->fake, FAKE_ENGINE_CREATE), 1);
    assert_int_equal(fake_engine_container_count(w->fake), 1);
    go_on_for(w, 5000);
    assert_int_equal(w->ended, 1);
    assert_nothing_left(w);
}

/* kill -9 at any moment: the next one finds it all, and nothing of anybody else. */
static void test_what_a_killed_tune_has_left_is_removed_by_the_next(void **state)
{
    struct world *w = *state;
    int found = 0;
    fake_engine_create(w->fake, "foreign", "{\"Image\":\"busybox\",\"Cmd\":[\"x\"]}");
    fake_engine_create(w->fake, "ours", ENGINE_WORLD_BODY);
    for (int64_t at_ms = 0; at_ms < 2500; at_ms += 190) {
        w->settings.image = NULL;
        begin(w);
        engine_world_advance(w->engine_world, at_ms);
        tune_free(w->tune);
        w->tune = NULL;
        engine_world_advance(w->engine_world, 1000); /* what was sent lands */
        w->settings.image = "nosuch:1";              /* the next one ends after its first looks */
        bool has_left = fake_engine_container_count(w->fake) > 2 || fake_engine_image_count(w->fake) > 1;
        run(w);
        assert_says(w->error, "nosuch:1");
        assert_int_equal(w->report.found > 0, has_left);
        found += has_left;
        assert_int_equal(fake_engine_container_count(w->fake), 2);
        assert_int_equal(fake_engine_image_count(w->fake), 1);
    }
    assert_true(found > 10);
}

/* ---- pulls ---- */

static void test_an_absent_image_is_pulled_three_times_and_removed(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){.image = "big:1", .took_ms = 1500, .lines = 3});
    w->settings.pull = "big:1";
    run(w);
    assert_string_equal(w->error, "");
    assert_string_equal(w->pull_error, "");
    assert_int_equal(w->report.pulls.count, 3);
    assert_int_equal(w->report.pulls.longest_ms, 1500);
    assert_false(w->report.pulls.was_there);
    assert_true(w->report.picture.knee >= 0);
    assert_nothing_left(w);
}

static void test_an_image_that_is_there_is_asked_for_once_and_stays(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(w->fake, &(struct fake_registry_image){.image = "busybox"});
    w->settings.pull = "busybox";
    run(w);
    assert_string_equal(w->error, "");
    assert_int_equal(w->report.pulls.count, 1);
    assert_true(w->report.pulls.was_there);
    assert_nothing_left(w);
}

static void test_a_pull_that_fails_leaves_the_rest_as_it_is(void **state)
{
    struct world *w = *state;
    w->settings.pull = "nosuch:1";
    run(w);
    assert_string_equal(w->error, "");
    assert_says(w->pull_error, "pulling failed");
    assert_says(w->pull_error, "pull access denied");
    assert_true(w->report.picture.knee >= 0);
    w->settings.pull = "nosuch:";
    run(w);
    assert_says(w->pull_error, "is no name of an image");
    assert_nothing_left(w);
}

static void test_a_pull_that_takes_too_long_is_cut_off_and_removed(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){.image = "big:1", .took_ms = 1000000, .lines = 1000});
    w->settings.pull = "big:1";
    run(w);
    assert_string_equal(w->error, "");
    assert_string_equal(w->pull_error, "pulling big:1 was not done in the time that was left");
    assert_true(w->report.picture.knee >= 0);
    assert_nothing_left(w);
}

static void test_a_stop_in_the_middle_of_a_pull(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){.image = "big:1", .took_ms = 3000, .lines = 3});
    w->settings.pull = "big:1";
    w->settings.containers = TUNE_CONTAINERS_MIN;
    for (int64_t at_ms = 0; at_ms < 9000; at_ms += 2100) {
        begin(w);
        while (fake_engine_calls(w->fake, FAKE_ENGINE_PULL) == 0)
            engine_world_advance(w->engine_world, 500);
        engine_world_advance(w->engine_world, at_ms);
        tune_stop(w->tune);
        go_on_for(w, 10000);
        assert_int_equal(w->ended, 1);
        assert_nothing_left(w);
        fake_engine_reset_counts(w->fake);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_a_sweep_finds_the_knee_and_leaves_nothing),
        TEST(test_no_more_are_in_flight_than_the_level_says),
        TEST(test_what_is_created),
        TEST(test_a_named_image_is_used_and_stays),
        TEST(test_a_dry_run_asks_the_version_only),
        TEST(test_levels_share_the_time),
        TEST(test_single_failures_are_counted_and_cleaned),
        TEST(test_five_failures_in_a_row_end_it_with_the_engines_words),
        TEST(test_each_early_failure_has_its_sentence),
        TEST(test_an_engine_that_cannot_list_is_not_measured),
        TEST(test_an_absent_image),
        TEST(test_an_image_whose_program_does_not_run),
        TEST(test_an_engine_that_hangs_holds_nobody_longer_than_the_time),
        TEST(test_the_bound_holds_for_short_times),
        TEST(test_a_stop_at_any_moment_leaves_nothing),
        TEST(test_a_second_stop_ends_at_once_and_says_what_may_be_left),
        TEST(test_a_create_that_lands_late_is_removed_too),
        TEST(test_what_a_killed_tune_has_left_is_removed_by_the_next),
        TEST(test_an_absent_image_is_pulled_three_times_and_removed),
        TEST(test_an_image_that_is_there_is_asked_for_once_and_stays),
        TEST(test_a_pull_that_fails_leaves_the_rest_as_it_is),
        TEST(test_a_pull_that_takes_too_long_is_cut_off_and_removed),
        TEST(test_a_stop_in_the_middle_of_a_pull),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
