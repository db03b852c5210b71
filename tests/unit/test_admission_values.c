/*
 * Limits per value: who is claimed, who is held up, and that no slot leaks however often the process dies.
 */
#include "admission_world.h"

#include "base/check.h"
#include "core/per_value.h"

#define TEAM_A "tag:team-*\tteam-a"
#define TEAM_B "tag:team-*\tteam-b"
#define EU "parameter:region\teu"
#define US "parameter:region\tus"

static char *pool_limits[] = {"tag:team-* 2", "parameter:region 3"};
static char *class_limits[] = {"tag:team-* 1"};

static void reload(struct admission_world *w)
{
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
}

static void limit_pool(struct admission_world *w)
{
    w->config.running_per = (struct match_list){pool_limits, ARRAY_LEN(pool_limits)};
    reload(w);
}

static void add_valued(struct admission_world *w, const char *lines, int count)
{
    for (int i = 0; i < count; i++)
        world_add_valued(w, "a", lines);
}

static int64_t running(struct admission_world *w, const char *key)
{
    return values_in_use(runner_values(w->runner), key);
}

static void test_a_full_value_holds_up_nobody(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    add_valued(w, TEAM_A, 10);
    add_valued(w, TEAM_B, 1);
    world_add(w, "b");
    world_turn(w);
    assert_int_equal(w->claimed_count, 4);
    assert_int_equal(running(w, "\n" TEAM_A), 2);
    assert_int_equal(running(w, "\n" TEAM_B), 1);
    assert_int_equal(admission_queued(w->admission), 8);
}

/* Whatever becomes of the one that held it. */
static void test_a_freed_value_goes_to_the_next(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    struct live *lives[6];
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        lives[i] = world_add_valued(w, "a", TEAM_A);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
    world_answer(w, lives[1], RUN_EVENT_PERMANENT);
    assert_int_equal(w->claimed_count, 3);
    assert_ptr_equal(w->claimed[2], lives[2]);
    world_answer(w, lives[3], RUN_EVENT_CANCEL); /* was still in line */
    world_answer(w, lives[0], RUN_EVENT_PERMANENT);
    assert_int_equal(w->claimed_count, 4);
    assert_ptr_equal(w->claimed[3], lives[4]);
    world_fail_creates(w);
    assert_ptr_equal(w->claimed[4], lives[5]);
    world_fail_creates(w);
    assert_int_equal(running(w, "\n" TEAM_A), 0);
}

static void test_a_run_needs_room_at_each_of_its_values(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    add_valued(w, TEAM_A "\n" EU, 5); /* the team allows two */
    add_valued(w, TEAM_B "\n" EU, 5); /* the region one more */
    struct live *free_one = world_add_valued(w, "a", TEAM_B "\n" US);
    world_turn(w);
    assert_int_equal(w->claimed_count, 4);
    assert_int_equal(running(w, "\n" TEAM_A), 2);
    assert_int_equal(running(w, "\n" TEAM_B), 2);
    assert_int_equal(running(w, "\n" EU), 3);
    assert_int_equal(running(w, "\n" US), 1);
    world_answer(w, free_one, RUN_EVENT_PERMANENT); /* team b has room, the region has none */
    assert_int_equal(w->claimed_count, 4);
    world_answer(w, w->claimed[0], RUN_EVENT_PERMANENT);
    assert_int_equal(w->claimed_count, 5);
    assert_int_equal(running(w, "\n" EU), 3);
}

static void test_order_holds_across_lanes(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    w->config.running = 1;
    struct live *lives[30];
    static const char *const lines[] = {"", TEAM_A, TEAM_B, TEAM_A "\n" EU, EU};
    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        lives[i] = world_add_valued(w, "a", lines[i * 7 % ARRAY_LEN(lines)]);
    world_turn(w);
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        assert_int_equal(w->claimed_count, i + 1);
        assert_ptr_equal(w->claimed[i], lives[i]);
        world_fail_creates(w);
    }
}

static void test_a_limit_of_a_class_counts_that_class_alone(void **state)
{
    struct admission_world *w = *state;
    w->classes[0].running_per = (struct match_list){class_limits, ARRAY_LEN(class_limits)};
    limit_pool(w);
    add_valued(w, TEAM_A, 4);
    for (int i = 0; i < 4; i++)
        world_add_valued(w, "b", TEAM_A);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2); /* the pool's limit: one of a, one of b */
    assert_int_equal(running(w, "a\n" TEAM_A), 1);
    assert_int_equal(running(w, "b\n" TEAM_A), 0); /* not limited there */
    assert_int_equal(running(w, "\n" TEAM_A), 2);
    assert_string_equal(w->claimed[1]->launch->class_name, "b");
}

/* Ten thousand that can't go on are not even looked at. */
static void test_blocked_runs_cost_nothing(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    add_valued(w, TEAM_A, 10000);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
    for (int i = 0; i < 10; i++) {
        world_turn(w);
        assert_int_equal(w->sights, 0);
    }
    struct live *one = world_add(w, "default");
    world_turn(w);
    assert_int_equal(w->sights, 1);
    assert_ptr_equal(w->claimed[2], one);
}

static void test_a_reload_changes_the_limit(void **state)
{
    struct admission_world *w = *state;
    static char *more[] = {"tag:team-* 4"};
    static char *other[] = {"parameter:region 1"};
    limit_pool(w);
    add_valued(w, TEAM_A "\n" EU, 9);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
    w->config.running_per = (struct match_list){more, 1};
    reload(w);
    world_turn(w);
    assert_int_equal(w->claimed_count, 4);
    assert_int_equal(running(w, "\n" TEAM_A), 4);
    w->config.running_per = (struct match_list){other, 1}; /* what the rows no longer say is not limited */
    reload(w);
    world_turn(w);
    assert_int_equal(w->claimed_count, 9);
    assert_int_equal(running(w, "\n" TEAM_A), 0);
}

static void test_a_stale_run_keeps_its_place(void **state)
{
    struct admission_world *w = *state;
    limit_pool(w);
    w->sight = SIGHT_STALE;
    struct live *first = world_add_valued(w, "a", TEAM_A);
    add_valued(w, TEAM_A, 5);
    world_turn(w);
    assert_int_equal(w->claimed_count, 0);
    w->sight = SIGHT_FRESH;
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
    assert_ptr_equal(w->claimed[0], first);
}

/* ---- what people see ---- */

static void test_views_show_it(void **state)
{
    struct admission_world *w = *state;
    struct err err;
    limit_pool(w);
    const struct store_limit limits[] = {{"", "running_per tag:team-*", 2, 0, NULL, NULL},
                                         {"", "running_per parameter:region", 3, 0, NULL, NULL},
                                         {"b", "running_per tag:team-*", 7, 0, NULL, NULL}};
    assert_int_equal(store_replace_limits(w->store, limits, ARRAY_LEN(limits), &err), 0);
    add_valued(w, TEAM_A "\n" EU, 3);
    world_add_valued(w, "b", "tag:team-*\tteam \"b\\\"");
    world_turn(w);
    assert_int_equal(runner_sync(w->runner), 0);
    store_fixture_expect(w->fixture->path, "select class, kind, \"limit\", in_use from limits",
                         "(pool)|running_per tag:team-*|2.0|2\n(pool)|running_per parameter:region|3.0|2\n"
                         "b|running_per tag:team-*|7.0|1");
    store_fixture_expect(w->fixture->path,
                         "select per, value, count(*) from value_slots group by 1, 2 order by 1, 2",
                         "parameter:region|eu|2\ntag:team-*|team \"b\\\"|1\ntag:team-*|team-a|2");
    store_fixture_expect(w->fixture->path, "select waits_for from queue where state = 'QUEUED'",
                         "pool limit: running_per tag:team-* 2 (team-a)");
}

/* ---- no slot leaks ---- */

#define KILLS 1000
#define VALUES 4

static const char *const all_lines[] = {
    "", TEAM_A, TEAM_B, EU, TEAM_A "\n" EU, TEAM_B "\n" US, TEAM_A "\n" US};
static const char *const all_keys[VALUES] = {"\n" TEAM_A, "\n" TEAM_B, "\n" EU, "\n" US};
static const int64_t all_limits[VALUES] = {2, 2, 3, 3};

/* What the rows say, launch by launch. */
static void expect_counts(struct admission_world *w)
{
    int64_t counts[VALUES] = {0};
    struct list *all = runner_all(w->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct launch *l = LIST_ITEM(link, struct live, all_link)->launch;
        for (size_t v = 0; v < VALUES; v++)
            counts[v] += run_holds_running_slot(&l->run) && strstr(l->limit_values, all_keys[v] + 1) != NULL;
    }
    for (size_t v = 0; v < VALUES; v++) {
        assert_int_equal(running(w, all_keys[v]), counts[v]);
        assert_true(counts[v] <= all_limits[v]);
    }
}

static bool is_one_in(struct admission_world *w, uint64_t n)
{
    return random_splitmix64(&w->random) % n == 0;
}

/* Some of those that are out get an answer, some are cancelled, some both. */
static void play(struct admission_world *w)
{
    for (uint64_t i = random_splitmix64(&w->random) % 4; i > 0; i--)
        if (runner_count(w->runner) < 40)
            world_add_valued(w, "a", all_lines[random_splitmix64(&w->random) % ARRAY_LEN(all_lines)]);
    struct list *all = runner_all(w->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        bool is_out = live->launch->run.pending != RUN_ACTION_NONE;
        if (is_one_in(w, is_out ? 3 : 20))
            runner_feed_kind(w->runner, live, RUN_EVENT_CANCEL);
        if (is_out && is_one_in(w, 2))
            runner_feed_kind(w->runner, live, is_one_in(w, 2) ? RUN_EVENT_PERMANENT : RUN_EVENT_DONE);
    }
    if (!is_one_in(w, 4))
        world_turn(w); /* else it dies before the turn */
    w->claimed_count = 0;
    w->created_count = 0;
}

static void end_all(struct admission_world *w)
{
    for (int i = 0; i < 200 && runner_count(w->runner) > 0; i++) {
        struct list *all = runner_all(w->runner);
        for (struct list *link = all->next; link != all; link = link->next) {
            struct live *live = LIST_ITEM(link, struct live, all_link);
            runner_feed_kind(w->runner, live, RUN_EVENT_CANCEL);
            if (live->launch->run.pending != RUN_ACTION_NONE)
                runner_feed_kind(w->runner, live, RUN_EVENT_DONE);
        }
        world_advance(w, 60000);
        w->claimed_count = 0;
        w->created_count = 0;
    }
    assert_int_equal(runner_count(w->runner), 0);
}

static void test_a_thousand_kills_leak_no_slot(void **state)
{
    struct admission_world *w = *state;
    int64_t held = 0;
    limit_pool(w);
    for (int kill = 0; kill < KILLS; kill++) {
        play(w);
        w->claimed_count = 0;
        w->created_count = 0;
        world_restart(w);
        expect_counts(w);
        held += running(w, "\n" TEAM_A);
    }
    print_message("%d kills: %lld slots of one value were held over a restart, 0 leaked\n", KILLS,
                  (long long)held);
    assert_true(held > KILLS / 10); /* there was something to leak */
    end_all(w);
    for (size_t v = 0; v < VALUES; v++)
        assert_int_equal(running(w, all_keys[v]), 0);
    add_valued(w, TEAM_A, 3);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, admission_world_setup, admission_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_full_value_holds_up_nobody),
        TEST(test_a_freed_value_goes_to_the_next),
        TEST(test_a_run_needs_room_at_each_of_its_values),
        TEST(test_order_holds_across_lanes),
        TEST(test_a_limit_of_a_class_counts_that_class_alone),
        TEST(test_blocked_runs_cost_nothing),
        TEST(test_a_reload_changes_the_limit),
        TEST(test_a_stale_run_keeps_its_place),
        TEST(test_views_show_it),
        TEST(test_a_thousand_kills_leak_no_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
