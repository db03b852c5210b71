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
        w->classes[i].connect_floor_ms = 2000;
        w->classes[i].connect_ceiling_ms = 30000;
        w->classes[i].inactivity_floor_ms = 3000;
        w->classes[i].inactivity_ceiling_ms = 90000;
    }
    w->classes[0].clocks[STAGE_CREATE].total = (struct config_time){60000, "c.conf:4", true};
    w->classes[0].clocks[STAGE_CREATE].inactivity = (struct config_time){60000, "c.conf:4", true};
    w->classes[0].clocks[STAGE_CREATE].inactivity_follows = true;
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
    const struct learned_times times = {.connect_ms = 20, .silence_ms = took_ms, .took_ms = took_ms};
    for (int i = 0; i < count; i++)
        learned_timeouts_done(w->timeouts, &w->classes[0], STAGE_CREATE, &times);
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
    const struct learned_times times = {20, 4000, 4000};
    for (int i = 0; i < 10; i++)
        learned_timeouts_done(w.timeouts, &w.classes[1], STAGE_CREATE, &times);
    assert_false(learned_timeouts_is_unsaved(w.timeouts));
    assert_int_equal(learned_timeouts_total_ms(w.timeouts, &w.classes[1], STAGE_CREATE), 60000);
    assert_int_equal(learned_timeouts_total_ms(NULL, &w.classes[0], STAGE_CREATE), 60000);
    char from[LEARNED_FROM_SIZE];
    learned_timeouts_from(w.timeouts, &w.classes[1], STAGE_CREATE, CLOCK_KIND_TOTAL, from);
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
    w.classes[0].clocks[STAGE_CREATE].inactivity_follows = false;
    clocks = learned_timeouts_clocks(w.timeouts, &w.classes[0], STAGE_CREATE);
    assert_int_equal(clocks.inactivity_ms, 3000);
    clocks = learned_timeouts_clocks(w.timeouts, &w.classes[0], STAGE_START);
    assert_int_equal(clocks.inactivity_ms, 8000);
    assert_int_equal(clocks.total_ms, 60000);
    leave(&w);
}

/* Of pulls, whose silence is not their whole time. */
static void learn_all_of_pulls(struct world *w)
{
    struct config_clocks *pull = &w->classes[0].clocks[STAGE_PULL];
    pull->connect = (struct config_time){7000, "c.conf:5", true};
    pull->inactivity = (struct config_time){60000, "c.conf:6", true};
    pull->total = (struct config_time){1800000, "c.conf:7", true};
    pull->floor_ms = 30000;
    pull->ceiling_ms = 7200000;
    open_it(w);
}

static void expect_clocks(const struct world *w, int64_t connect_ms, int64_t inactivity_ms, int64_t total_ms)
{
    struct http_clocks clocks = learned_timeouts_clocks(w->timeouts, &w->classes[0], STAGE_PULL);
    assert_in_range(clocks.connect_ms, connect_ms, connect_ms + connect_ms / 12);
    assert_in_range(clocks.inactivity_ms, inactivity_ms, inactivity_ms + inactivity_ms / 12);
    assert_in_range(clocks.total_ms, total_ms, total_ms + total_ms / 12);
}

static void test_each_clock_has_a_value_of_its_own(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    learn_all_of_pulls(&w);
    const struct config_class *etl = &w.classes[0];
    store_fixture_expect(w.f->path,
                         "SELECT name, kind, value FROM learned_rows WHERE kind LIKE '%pull%' ORDER BY name",
                         "timeout:pull:etl|timeout:pull|1800000.0\n"
                         "timeout:pull_connect:etl|timeout:pull_connect|7000.0\n"
                         "timeout:pull_inactivity:etl|timeout:pull_inactivity|60000.0");
    const struct learned_times times = {1000, 2000, 40000};
    for (int i = 0; i < 3; i++)
        learned_timeouts_done(w.timeouts, etl, STAGE_PULL, &times);
    expect_clocks(&w, 2500, 5000, 100000);
    /* A kept connection teaches nothing of connecting. */
    char from[LEARNED_FROM_SIZE];
    learned_timeouts_done(w.timeouts, etl, STAGE_PULL, &(struct learned_times){-1, 2000, 40000});
    learned_timeouts_from(w.timeouts, etl, STAGE_PULL, CLOCK_KIND_CONNECT, from);
    assert_string_equal(from, "learned (auto, 3 samples)");
    learned_timeouts_from(w.timeouts, etl, STAGE_PULL, CLOCK_KIND_INACTIVITY, from);
    assert_string_equal(from, "learned (auto, 4 samples)");
    /* Each doubles alone, up to its own ceiling, and is kept. */
    struct http_clocks used = learned_timeouts_clocks(w.timeouts, etl, STAGE_PULL);
    learned_timeouts_expired(w.timeouts, etl, STAGE_PULL, CLOCK_KIND_INACTIVITY, used.inactivity_ms);
    expect_clocks(&w, 2500, 10000, 100000);
    save(&w, true);
    reopen(&w);
    expect_clocks(&w, 2500, 10000, 100000);
    for (int i = 0; i < 10; i++) {
        used = learned_timeouts_clocks(w.timeouts, etl, STAGE_PULL);
        learned_timeouts_expired(w.timeouts, etl, STAGE_PULL, CLOCK_KIND_INACTIVITY, used.inactivity_ms);
        learned_timeouts_expired(w.timeouts, etl, STAGE_PULL, CLOCK_KIND_CONNECT, used.connect_ms);
    }
    expect_clocks(&w, 30000, 90000, 100000);
    /* What goes well brings it back; below the floor it doesn't go. */
    learned_timeouts_done(w.timeouts, etl, STAGE_PULL, &(struct learned_times){1000, 2000, 40000});
    expect_clocks(&w, 2500, 5000, 100000);
    leave(&w);
}

static void test_the_floors_of_the_clocks(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    learn_all_of_pulls(&w);
    for (int i = 0; i < 3; i++)
        learned_timeouts_done(w.timeouts, &w.classes[0], STAGE_PULL, &(struct learned_times){1, 100, 300});
    expect_clocks(&w, 2000, 3000, 30000);
    leave(&w);
}

/* One that goes along with a learned total has no row and no clock of its own. */
static void test_rows_come_and_go_by_clock(void **state)
{
    struct world w = {0};
    struct err err = {0};
    furnish(&w, state);
    learn_all_of_pulls(&w);
    store_fixture_expect(w.f->path, "SELECT count(*) FROM learned_rows", "4");
    w.classes[0].clocks[STAGE_PULL].inactivity.is_auto = false;
    assert_int_equal(learned_timeouts_set_config(w.timeouts, &w.config, &err), 0);
    store_fixture_expect(w.f->path, "SELECT kind FROM learned_rows ORDER BY name",
                         "timeout:create\ntimeout:pull\ntimeout:pull_connect");
    struct config less = w.config;
    less.classes = &w.classes[1];
    less.class_count = 1;
    assert_int_equal(learned_timeouts_set_config(w.timeouts, &less, &err), 0);
    store_fixture_expect(w.f->path, ROWS, "");
    leave(&w);
}

static void test_it_goes_on_where_it_was(void **state)
{
    struct world w = {0};
    furnish(&w, state);
    open_it(&w);
    add(&w, 5, 4000);
    learned_timeouts_expired(w.timeouts, &w.classes[0], STAGE_CREATE, CLOCK_KIND_TOTAL, total_ms(&w));
    int64_t before_ms = total_ms(&w);
    assert_in_range(before_ms, 20000, 21600);
    save(&w, true);
    reopen(&w);
    assert_int_equal(total_ms(&w), before_ms);
    add(&w, 1, 4000);
    assert_in_range(total_ms(&w), 10000, 10800);
    char from[LEARNED_FROM_SIZE];
    learned_timeouts_from(w.timeouts, &w.classes[0], STAGE_CREATE, CLOCK_KIND_TOTAL, from);
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
        TEST(test_each_clock_has_a_value_of_its_own),
        TEST(test_the_floors_of_the_clocks),
        TEST(test_rows_come_and_go_by_clock),
        TEST(test_it_goes_on_where_it_was),
        TEST(test_it_is_saved_every_few_seconds_and_at_the_end),
        TEST(test_what_cannot_be_read_is_learned_anew),
        TEST(test_another_engine_has_other_times),
        TEST(test_a_row_goes_with_its_class_and_with_auto),
    };
    return cmocka_run_group_tests_name("learned_timeouts", tests, NULL, NULL);
}
