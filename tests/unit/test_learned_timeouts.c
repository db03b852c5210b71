/* Learned timeouts and the state file: what is loaded, what is not believed, and how often is saved. */
#include "learned_timeouts.h"

#include "store_fixture.h"

#include <stdlib.h>

struct world {
    struct store_fixture *f;
    struct store *store;
    struct config_class classes[2];
    struct config config;
    struct learned_timeouts *timeouts;
};

/* Class "etl" learns its creates, class "default" nothing. */
static void furnish(struct world *w, void **state)
{
    w->f = *state;
    w->store = store_fixture_open(w->f);
    w->classes[0].name = "etl";
    w->classes[1].name = "default";
    for (size_t i = 0; i < 2; i++) {
        for (int stage = 0; stage < STAGE_COUNT; stage++)
            w->classes[i].clocks[stage] = (struct config_clocks){.connect = {7000, "default", false},
                                                                 .inactivity = {8000, "default", false},
                                                                 .total = {60000, "default", false},
                                                                 .floor_ms = 5000,
                                                                 .ceiling_ms = 180000};
        w->classes[i].timeout_margin = 2.5;
        w->classes[i].timeout_samples = 3;
    }
    w->classes[0].clocks[STAGE_CREATE].total = (struct config_time){60000, "c.conf:4", true};
    w->classes[0].clocks[STAGE_CREATE].inactivity = (struct config_time){60000, "c.conf:4", true};
    w->config = (struct config){.classes = w->classes, .class_count = 2};
}

static void open_it(struct world *w)
{
    struct err err = {0};
    if (learned_timeouts_new(w->store, &w->f->clock, &w->config, &w->timeouts, &err) != 0)
        fail_msg("%s", err.msg);
}

static void reopen(struct world *w)
{
    learned_timeouts_free(w->timeouts);
    store_close(w->store);
    w->store = store_fixture_open(w->f);
    open_it(w);
}

static void leave(struct world *w)
{
    learned_timeouts_free(w->timeouts);
    store_close(w->store);
}

static int64_t total_ms(const struct world *w)
{
    return learned_timeouts_total_ms(w->timeouts, &w->classes[0], STAGE_CREATE);
}

static void add(struct world *w, int count, int64_t took_ms)
{
    for (int i = 0; i < count; i++)
        learned_timeouts_done(w->timeouts, &w->classes[0], STAGE_CREATE, took_ms);
}

static void save(struct world *w, bool all)
{
    struct err err = {0};
    assert_int_equal(store_begin(w->store, &err), 0);
    assert_int_equal(learned_timeouts_save(w->timeouts, all, &err), 0);
    assert_int_equal(store_commit(w->store, &err), 0);
}

#define ROWS "SELECT name, class_name, kind, value, learned_from FROM learned_rows"

static void test_only_what_is_auto_is_learned(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    store_fixture_expect(w.f->path, ROWS,
                         "timeout:create:etl|etl|timeout:create|60000.0|fixed, 0 of 3 samples");
    for (int i = 0; i < 10; i++)
        learned_timeouts_done(w.timeouts, &w.classes[1], STAGE_CREATE, 4000);
    assert_false(learned_timeouts_is_unsaved(w.timeouts));
    assert_int_equal(learned_timeouts_total_ms(w.timeouts, &w.classes[1], STAGE_CREATE), 60000);
    assert_int_equal(learned_timeouts_total_ms(NULL, &w.classes[0], STAGE_CREATE), 60000);
    char from[LEARNED_FROM_SIZE];
    learned_timeouts_from(w.timeouts, &w.classes[1], STAGE_CREATE, from);
    assert_string_equal(from, "default");
    leave(&w);
}

static void test_the_clocks_of_a_call(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    add(&w, 3, 4000);
    struct http_clocks clocks = learned_timeouts_clocks(w.timeouts, &w.classes[0], STAGE_CREATE);
    assert_int_equal(clocks.connect_ms, 7000);
    assert_int_equal(clocks.inactivity_ms, 0);
    assert_in_range(clocks.total_ms, 10000, 10800);
    w.classes[0].clocks[STAGE_CREATE].inactivity = (struct config_time){3000, "c.conf:5", false};
    clocks = learned_timeouts_clocks(w.timeouts, &w.classes[0], STAGE_CREATE);
    assert_int_equal(clocks.inactivity_ms, 3000);
    clocks = learned_timeouts_clocks(w.timeouts, &w.classes[0], STAGE_START);
    assert_int_equal(clocks.inactivity_ms, 8000);
    assert_int_equal(clocks.total_ms, 60000);
    leave(&w);
}

static void test_it_goes_on_where_it_was(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    add(&w, 5, 4000);
    learned_timeouts_expired(w.timeouts, &w.classes[0], STAGE_CREATE, total_ms(&w));
    int64_t before_ms = total_ms(&w);
    assert_in_range(before_ms, 20000, 21600);
    save(&w, true);
    reopen(&w);
    assert_int_equal(total_ms(&w), before_ms);
    add(&w, 1, 4000);
    assert_in_range(total_ms(&w), 10000, 10800);
    char from[LEARNED_FROM_SIZE];
    learned_timeouts_from(w.timeouts, &w.classes[0], STAGE_CREATE, from);
    assert_string_equal(from, "learned (auto, 6 samples)");
    leave(&w);
}

static void test_it_is_saved_every_few_seconds_and_at_the_end(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    add(&w, 1, 4000);
    w.f->now_ms += 5000;
    save(&w, false);
    store_fixture_expect(w.f->path, "SELECT learned_from FROM learned_rows", "fixed, 1 of 3 samples");
    add(&w, 1, 4000);
    w.f->now_ms += 4999;
    save(&w, false);
    store_fixture_expect(w.f->path, "SELECT learned_from FROM learned_rows", "fixed, 1 of 3 samples");
    assert_true(learned_timeouts_is_unsaved(w.timeouts));
    save(&w, true);
    store_fixture_expect(w.f->path, "SELECT learned_from FROM learned_rows", "fixed, 2 of 3 samples");
    assert_false(learned_timeouts_is_unsaved(w.timeouts));
    leave(&w);
}

static void test_what_cannot_be_read_is_learned_anew(void **state)
{
    static const char *const states[] = {"",
                                         "x",
                                         "cbf29ce484222325",
                                         "cbf29ce484222325 ",
                                         "cbf29ce484222325 q1 3 0 1:99999999999",
                                         "q1 3 0 101:3072"};
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        add(&w, 5, 4000);
        save(&w, true);
        learned_timeouts_free(w.timeouts);
        store_close(w.store);
        char *AUTO_FREE sql = check_printf("UPDATE learned_rows SET state = '%s'", states[i]);
        free(store_fixture_shell_write(w.f->path, sql));
        w.store = store_fixture_open(w.f);
        open_it(&w);
        assert_int_equal(total_ms(&w), 60000);
        store_fixture_expect(w.f->path, "SELECT learned_from FROM learned_rows", "fixed, 0 of 3 samples");
    }
    leave(&w);
}

static void test_another_engine_has_other_times(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    add(&w, 5, 4000);
    save(&w, true);
    reopen(&w);
    assert_in_range(total_ms(&w), 10000, 10800);
    w.config.engine_host = "tcp://somebody:secret@10.0.0.7:2375";
    reopen(&w);
    assert_int_equal(total_ms(&w), 60000);
    store_fixture_expect(w.f->path, "SELECT count(*) FROM learned_rows WHERE state LIKE '%secret%'", "0");
    leave(&w);
}

static void test_a_row_goes_with_its_class_and_with_auto(void **state)
{
    struct world w = {0};
    struct err err = {0};
    furnish(&w, state);
    open_it(&w);
    struct config less = w.config;
    less.classes = &w.classes[1];
    less.class_count = 1;
    assert_int_equal(learned_timeouts_set_config(w.timeouts, &less, &err), 0);
    store_fixture_expect(w.f->path, ROWS, "");
    assert_int_equal(learned_timeouts_set_config(w.timeouts, &w.config, &err), 0);
    store_fixture_expect(w.f->path, "SELECT count(*) FROM learned_rows", "1");
    w.classes[0].clocks[STAGE_CREATE].total.is_auto = false;
    reopen(&w);
    store_fixture_expect(w.f->path, ROWS, "");
    leave(&w);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_is_auto_is_learned),
        TEST(test_the_clocks_of_a_call),
        TEST(test_it_goes_on_where_it_was),
        TEST(test_it_is_saved_every_few_seconds_and_at_the_end),
        TEST(test_what_cannot_be_read_is_learned_anew),
        TEST(test_another_engine_has_other_times),
        TEST(test_a_row_goes_with_its_class_and_with_auto),
    };
    return cmocka_run_group_tests_name("learned_timeouts", tests, NULL, NULL);
}
