/*
 * Who may be claimed and who may start, with a real state file and a fake clock.
 */
#include "admission_world.h"

#include "base/check.h"
#include "core/ahead.h"

/* ---- claims ---- */

static void test_claims_run_so_far_ahead_and_no_further(void **state)
{
    struct admission_world *w = *state;
    w->holds_claims = true;
    w->config.launching = 3;
    world_add_many(w, "a", 20);
    world_turn(w);
    assert_int_equal(w->claimed_count, 5); /* launching and two more */
    assert_int_equal(admission_queued(w->admission), 15);
    /* On to its create: out of the window, which grows by one, since the engine had nothing to do. */
    world_answer(w, w->claimed[0], RUN_EVENT_DONE);
    assert_int_equal(w->claimed_count, 7);
    world_answer(w, w->claimed[1], RUN_EVENT_REFUSED); /* another worker's */
    assert_int_equal(w->claimed_count, 8);
}

/* A server that answers slowly must not let the engine wait: the window grows with each start that found it
 * idle, up to its bound, and shrinks again while runs stand ready. */
static void test_the_window_follows_the_servers_pace(void **state)
{
    struct admission_world *w = *state;
    w->holds_claims = true;
    w->config.launching = 3;
    world_add_many(w, "a", 100);
    world_turn(w);
    for (size_t i = 0; i < 40; i++) {
        world_answer(w, w->claimed[i], RUN_EVENT_DONE);
        world_answer(w, w->created[i], RUN_EVENT_PERMANENT); /* the engine is quick */
    }
    assert_int_equal(runner_slots(w->runner, NULL).claim_ahead, 21);
    /* Now the answers come at once, and all stand ready behind an engine that is slow. */
    w->holds_claims = false;
    for (size_t i = 40; i < 61; i++)
        world_answer(w, w->claimed[i], RUN_EVENT_DONE);
    for (size_t i = 40; i < 70; i++)
        world_answer(w, w->created[i], RUN_EVENT_PERMANENT);
    assert_in_range(runner_slots(w->runner, NULL).claim_ahead, 3, 8);
}

static void test_running_limit_of_the_pool(void **state)
{
    struct admission_world *w = *state;
    w->config.running = 4;
    world_add_many(w, "a", 3);
    world_add_many(w, "b", 7);
    world_turn(w);
    assert_int_equal(w->claimed_count, 4);
    world_turn(w);
    assert_int_equal(w->claimed_count, 4);
    world_answer(w, w->created[0], RUN_EVENT_PERMANENT);
    assert_int_equal(w->claimed_count, 5);
    world_fail_creates(w);
    assert_int_equal(w->claimed_count, 9);
}

static void test_a_class_at_its_running_limit_holds_up_nobody(void **state)
{
    struct admission_world *w = *state;
    w->classes[0].running = 2;
    w->classes[0].priority = 100;
    world_add_many(w, "a", 10);
    world_add_many(w, "b", 3);
    world_add_many(w, "default", 3);
    world_turn(w);
    assert_int_equal(w->claimed_count, 8);
    assert_int_equal(runner_slots(w->runner, "a").running, 2);
    assert_int_equal(runner_slots(w->runner, "b").running, 3);
    assert_int_equal(runner_slots(w->runner, NULL).running, 8);
}

static void test_order_is_queue_class_due(void **state)
{
    struct admission_world *w = *state;
    w->classes[1].priority = 5;
    int64_t now_ms = clock_wall_ms(fake_clock_clock(&w->clock));
    struct live *last = world_add_with(w, "default", 2, now_ms - 9000);
    struct live *fifth = world_add_with(w, "a", 1, now_ms);
    struct live *third = world_add_with(w, "b", 1, now_ms);
    struct live *fourth = world_add_with(w, "default", 1, now_ms - 1000);
    struct live *second = world_add_with(w, "b", 1, now_ms - 500);
    struct live *first = world_add_with(w, "a", 0, now_ms + 5000);
    struct live *wanted[] = {first, second, third, fourth, fifth, last};
    world_turn(w);
    assert_int_equal(w->claimed_count, ARRAY_LEN(wanted));
    assert_int_equal(w->created_count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_ptr_equal(w->claimed[i], wanted[i]);
        assert_ptr_equal(w->created[i], wanted[i]);
    }
}

/* Where the one that is `ageing_ms` older than the other stands, whose class is a step higher. */
static void test_waiting_makes_up_for_priority(void **state)
{
    struct admission_world *w = *state;
    struct err err;
    w->classes[1].priority = 5;
    w->config.ageing_ms = 60000;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    int64_t now_ms = clock_wall_ms(fake_clock_clock(&w->clock));
    struct live *third = world_add_with(w, "a", 1, now_ms - 59999);
    struct live *second = world_add_with(w, "b", 1, now_ms);
    struct live *first = world_add_with(w, "a", 1, now_ms - 60001);
    struct live *wanted[] = {first, second, third};
    world_turn(w);
    assert_memory_equal(w->claimed, wanted, sizeof(wanted));
    assert_memory_equal(w->created, wanted, sizeof(wanted));
}

/* The view computes the order anew, in SQL. */
static void expect_view_in_order(struct admission_world *w, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t r = random_splitmix64(&w->random);
        static const int32_t queues[] = {1, 2, 3, 7, 1500000, 2000000};
        struct live *live = world_add_with(w, w->classes[r % 3].name, queues[r / 8 % ARRAY_LEN(queues)],
                                           INT64_C(1763856000000) + (int64_t)(r / 64 % 40) * 30000);
        if (r / 4096 % 8 == 0)
            live->launch->class_priority = (int32_t)(r / 65536 % 20); /* of a class that is gone */
    }
    world_turn(w);
    assert_int_equal(runner_sync(w->runner), 0);
    char *AUTO_FREE seen = store_fixture_shell(w->fixture->path, "select launch_id from queue");
    w->config.running = CONFIG_NO_LIMIT;
    world_turn(w);
    assert_int_equal(w->claimed_count, count);
    const char *p = seen;
    for (size_t i = 0; i < w->claimed_count; i++, p += UUID_TEXT_SIZE)
        assert_memory_equal(p, w->claimed[i]->launch->launch_id, UUID_TEXT_SIZE - 1);
}

static void show_order(struct admission_world *w)
{
    struct err err;
    struct store_class classes[WORLD_CLASSES_MAX];
    for (size_t i = 0; i < WORLD_CLASSES_MAX; i++)
        classes[i] = (struct store_class){w->classes[i].name, "rule", w->classes[i].priority};
    assert_int_equal(store_replace_classes(w->store, classes, WORLD_CLASSES_MAX, &err), 0);
    assert_int_equal(store_begin(w->store, &err), 0);
    assert_int_equal(store_save_ageing(w->store, w->config.ageing_ms, &err), 0);
    assert_int_equal(store_commit(w->store, &err), 0);
}

static void test_the_view_shows_the_order(void **state)
{
    struct admission_world *w = *state;
    struct err err;
    w->classes[0].priority = 9;
    w->classes[1].priority = -3;
    w->config.running = 0;
    w->config.ageing_ms = 60000;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    show_order(w);
    expect_view_in_order(w, 300);
}

static void test_the_view_shows_the_order_without_ageing(void **state)
{
    struct admission_world *w = *state;
    w->config.running = 0;
    show_order(w);
    expect_view_in_order(w, 300);
}

static void test_who_leaves_the_line_is_not_let_through(void **state)
{
    struct admission_world *w = *state;
    w->config.running = 0;
    struct live *goes = world_add(w, "a");
    world_add(w, "a");
    world_turn(w);
    assert_int_equal(admission_queued(w->admission), 2);
    world_answer(w, goes, RUN_EVENT_CANCEL);
    assert_int_equal(admission_queued(w->admission), 1);
    w->config.running = CONFIG_NO_LIMIT;
    world_turn(w);
    assert_int_equal(w->claimed_count, 1);
}

/* ---- sights ---- */

static void see(struct live *live, enum sight sight)
{
    live->seen_generation = 1 + (uint64_t)sight;
}

static void test_stale_sights_are_asked_for_together(void **state)
{
    struct admission_world *w = *state;
    w->sight = SIGHT_STALE;
    world_add_many(w, "a", 5);
    world_add_many(w, "b", 5);
    world_turn(w);
    assert_int_equal(w->claimed_count, 0);
    assert_int_equal(w->sight_calls, 1);
    assert_int_equal(w->wanted, 10);
    assert_int_equal(admission_queued(w->admission), 10); /* nobody has lost the place */
    w->sight = SIGHT_FRESH;
    world_turn(w);
    assert_int_equal(w->claimed_count, 10);
    assert_int_equal(w->sight_calls, 0);
}

static void test_a_sight_is_asked_for_a_bounded_number(void **state)
{
    struct admission_world *w = *state;
    w->sight = SIGHT_STALE;
    world_add_many(w, "a", 100);
    world_turn(w);
    assert_int_equal(w->sight_calls, 1);
    assert_int_equal(w->wanted, 32);
}

static void test_nobody_overtakes_one_that_must_be_seen_again(void **state)
{
    struct admission_world *w = *state;
    struct live *first = world_add(w, "a");
    struct live *stale = world_add(w, "a");
    world_add(w, "b");
    see(stale, SIGHT_STALE);
    world_turn(w);
    assert_int_equal(w->claimed_count, 1);
    assert_ptr_equal(w->claimed[0], first);
    assert_int_equal(w->wanted, 1);
}

static void test_hidden_runs_are_passed_over(void **state)
{
    struct admission_world *w = *state;
    for (int i = 0; i < 50; i++)
        see(world_add(w, "a"), SIGHT_HIDDEN);
    struct live *fresh = world_add(w, "a");
    world_turn(w);
    assert_int_equal(w->claimed_count, 1);
    assert_ptr_equal(w->claimed[0], fresh);
    assert_int_equal(admission_queued(w->admission), 50);
    assert_int_equal(w->sight_calls, 0);
}

static void test_no_sight_is_asked_for_without_room(void **state)
{
    struct admission_world *w = *state;
    w->sight = SIGHT_STALE;
    w->config.running = 0;
    world_add_many(w, "a", 5);
    world_turn(w);
    assert_int_equal(w->sight_calls, 0);
}

/* ---- starts: slots ---- */

static void test_launching_limit_of_the_pool(void **state)
{
    struct admission_world *w = *state;
    w->config.launching = 3;
    world_add_many(w, "a", 10);
    world_turn(w);
    assert_int_equal(w->created_count, 3);
    assert_int_equal(runner_slots(w->runner, NULL).launching, 3);
    assert_int_equal(runner_slots(w->runner, NULL).claim_ahead, 5);
    world_answer(w, w->created[0], RUN_EVENT_TRANSIENT); /* in backoff it holds no slot */
    assert_int_equal(w->created_count, 4);
    assert_int_equal(runner_slots(w->runner, NULL).launching, 3);
}

static void test_launching_limit_of_a_class(void **state)
{
    struct admission_world *w = *state;
    w->config.launching = 5;
    w->classes[0].launching = 1;
    w->classes[0].priority = 100;
    world_add_many(w, "a", 4);
    world_add_many(w, "b", 2);
    world_turn(w);
    assert_int_equal(runner_slots(w->runner, "a").launching, 1);
    assert_int_equal(runner_slots(w->runner, "b").launching, 2);
    assert_int_equal(w->created_count, 3);
}

/* Between create and start a launch gives its slot up; it must get one of its class again, and meanwhile
 * nobody of another class waits behind it. */
static void test_a_slot_for_the_start_counts_against_the_class_too(void **state)
{
    struct admission_world *w = *state;
    w->config.launching = 5;
    w->classes[0].launching = 1;
    w->classes[0].priority = 100;
    struct live *a1 = world_add(w, "a");
    struct live *a2 = world_add(w, "a");
    struct live *b = world_add(w, "b");
    world_turn(w);
    assert_int_equal(w->created_count, 2); /* a1 and b */
    runner_feed_kind(w->runner, a1, RUN_EVENT_TRANSIENT);
    world_turn(w); /* a1 is in backoff, a2 has the class's slot */
    assert_int_equal(a2->launch->run.pending, RUN_ACTION_CREATE);
    runner_feed_kind(w->runner, b, RUN_EVENT_TRANSIENT);
    world_advance(w, 60000); /* both ask for a slot again */
    assert_int_equal(runner_slots(w->runner, "a").launching, 1);
    assert_int_equal(a1->waits_for, RUN_ACTION_ASK_SLOT);
    assert_int_equal(b->launch->run.pending, RUN_ACTION_LOOK_NAME);
    world_answer(w, a2, RUN_EVENT_PERMANENT);
    assert_int_equal(a1->launch->run.pending, RUN_ACTION_LOOK_NAME);
}

static void test_a_slot_alone_comes_before_a_new_start(void **state)
{
    struct admission_world *w = *state;
    w->config.launching = 1;
    struct live *first = world_add(w, "a");
    world_add_many(w, "a", 3);
    world_turn(w);
    world_answer(w, first, RUN_EVENT_DONE); /* connected and announced at once; its start needs the slot */
    assert_int_equal(first->launch->run.pending, RUN_ACTION_START);
    assert_int_equal(w->created_count, 1);
    world_answer(w, first, RUN_EVENT_DONE);
    assert_int_equal(first->launch->run.state, RUN_STATE_RUNNING);
    assert_int_equal(w->created_count, 2);
}

/* With launching = auto creates and starts have limits of their own, and the former wait for the latter once
 * there are enough containers for them. */
static void test_learned_limits_of_creates_and_starts(void **state)
{
    struct admission_world *w = *state;
    w->config.launching_is_auto = true;
    w->learned[LEARNING_CREATE] = 2;
    w->learned[LEARNING_START] = 1;
    world_add_many(w, "a", 30);
    world_turn(w);
    assert_int_equal(w->created_count, 2);
    world_answer(w, w->created[0], RUN_EVENT_DONE); /* its start goes out beside two creates */
    assert_int_equal(w->created[0]->launch->run.pending, RUN_ACTION_START);
    assert_int_equal(w->created_count, 3);
    size_t answered = 1;
    while (answered <
           w->created_count) { /* their starts have to wait, so at last no container more is made */
        world_answer(w, w->created[answered], RUN_EVENT_DONE);
        assert_int_equal(w->created[answered++]->waits_for, RUN_ACTION_ASK_SLOT);
    }
    assert_int_equal(runner_slots(w->runner, NULL).starting, 1);
    assert_int_equal(w->created_count, 1 + 1 + AHEAD_CREATED);
    world_answer(w, w->created[0], RUN_EVENT_DONE);
    assert_int_equal(w->created[1]->launch->run.pending, RUN_ACTION_START);
    assert_int_equal(w->created_count, 1 + 1 + 1 + AHEAD_CREATED);
    w->learned[LEARNING_CREATE] = 5;
    w->learned[LEARNING_START] = 5; /* four of those that wait go; of the creates one is out */
    world_turn(w);
    assert_int_equal(runner_slots(w->runner, NULL).starting, 5);
    assert_int_equal(w->created_count, 1 + 1 + 1 + AHEAD_CREATED + 4);
}

/* A create that is tried again needs a slot of the creates, and waits for no start; nor a start for it. */
static void test_a_create_tried_again_and_a_start_wait_in_lines_of_their_own(void **state)
{
    struct admission_world *w = *state;
    w->config.launching_is_auto = true;
    w->learned[LEARNING_CREATE] = 1;
    w->learned[LEARNING_START] = 1;
    struct live *first = world_add(w, "a");
    struct live *second = world_add(w, "a");
    struct live *third = world_add(w, "a");
    world_turn(w);
    world_answer(w, first, RUN_EVENT_TRANSIENT); /* the second is created meanwhile */
    assert_int_equal(second->launch->run.pending, RUN_ACTION_CREATE);
    world_advance(w, 60000);
    assert_int_equal(first->waits_for, RUN_ACTION_ASK_SLOT);
    world_answer(w, second, RUN_EVENT_DONE);
    assert_int_equal(second->launch->run.pending, RUN_ACTION_START);
    assert_int_equal(first->launch->run.pending, RUN_ACTION_LOOK_NAME); /* before the third */
    assert_int_equal(third->launch->run.state, RUN_STATE_READY);
}

static void test_the_window_of_claims_follows_the_learned_limits(void **state)
{
    struct admission_world *w = *state;
    w->config.launching_is_auto = true;
    w->learned[LEARNING_CREATE] = 4;
    w->learned[LEARNING_START] = 6;
    w->holds_claims = true;
    world_add_many(w, "a", 30);
    world_turn(w);
    assert_int_equal(w->claimed_count, 4 + 6 + 2);
}

static void test_stops_in_flight_are_limited(void **state)
{
    struct admission_world *w = *state;
    w->config.stops = 2;
    world_add_many(w, "a", 5);
    world_turn(w);
    for (size_t i = 0; i < 5; i++) {
        world_answer(w, w->created[i], RUN_EVENT_DONE);
        world_answer(w, w->created[i], RUN_EVENT_DONE);
        assert_int_equal(w->created[i]->launch->run.state, RUN_STATE_RUNNING);
    }
    for (size_t i = 0; i < 5; i++)
        runner_feed_kind(w->runner, w->created[i], RUN_EVENT_MAX_RUN_TIME);
    world_turn(w);
    assert_int_equal(runner_slots(w->runner, NULL).stopping, 2);
    assert_int_equal(world_count(w, RUN_STATE_STOPPING), 5);
    world_answer(w, w->created[0], RUN_EVENT_DONE);
    assert_int_equal(runner_slots(w->runner, NULL).stopping, 2);
    assert_int_equal(world_count(w, RUN_STATE_STOPPING), 4);
}

/* ---- starts: tokens ---- */

static void test_tokens_of_the_pool(void **state)
{
    struct admission_world *w = *state;
    w->config.starts_per_second = 2;
    w->config.start_burst = 3;
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 20);
    world_add_many(w, "b", 20);
    world_turn(w);
    assert_int_equal(w->created_count, 3);
    world_advance(w, 499);
    assert_int_equal(w->created_count, 3);
    world_advance(w, 1); /* the timer of the next token has woken us */
    assert_int_equal(w->created_count, 4);
    world_advance(w, 9500);
    assert_int_equal(w->created_count, 23);
}

static void test_tokens_of_a_class_hold_up_nobody_else(void **state)
{
    struct admission_world *w = *state;
    w->classes[0].starts_per_second = 1;
    w->classes[0].priority = 100;
    w->config.starts_per_second = 10;
    w->config.start_burst = 5;
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 20);
    world_add_many(w, "b", 20);
    world_turn(w);
    assert_int_equal(w->created_count, 5); /* the pool's burst: one of a, four of b */
    assert_string_equal(w->created[0]->launch->class_name, "a");
    for (size_t i = 1; i < 5; i++)
        assert_string_equal(w->created[i]->launch->class_name, "b");
    world_advance(w, 1000);
    assert_int_equal(w->created_count, 15);
    size_t of_a = 0;
    for (size_t i = 0; i < w->created_count; i++)
        of_a += strcmp(w->created[i]->launch->class_name, "a") == 0 ? 1 : 0;
    assert_int_equal(of_a, 2);
}

static void test_no_token_is_taken_without_a_slot(void **state)
{
    struct admission_world *w = *state;
    w->config.starts_per_second = 1;
    w->config.start_burst = 4;
    w->config.launching = 2;
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 10);
    world_turn(w);
    assert_int_equal(w->created_count, 2);
    world_turn(w);
    world_turn(w);
    world_fail_creates(w); /* the other two tokens are still there */
    assert_int_equal(w->created_count, 4);
    world_fail_creates(w);
    assert_int_equal(w->created_count, 4);
}

static void test_a_clock_that_jumps_neither_grants_nor_takes(void **state)
{
    struct admission_world *w = *state;
    w->config.starts_per_second = 1;
    w->config.start_burst = 3;
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 20);
    world_turn(w);
    assert_int_equal(w->created_count, 3);
    w->clock.wall_ms += 3600000;
    world_turn(w);
    assert_int_equal(w->created_count, 3);
    w->clock.wall_ms -= 2 * 3600000;
    world_advance(w, 2000);
    assert_int_equal(w->created_count, 5);
}

static void test_restarts_grant_no_start(void **state)
{
    struct admission_world *w = *state;
    w->config.starts_per_second = 1;
    w->config.start_burst = 5;
    w->classes[0].starts_per_second = 2;
    w->classes[0].start_burst = 3;
    w->config.launching = 50;
    struct err err;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 30);
    world_add_many(w, "b", 30);
    world_turn(w);
    assert_int_equal(w->created_count, 5);
    for (int i = 0; i < 100; i++)
        world_restart(w);
    assert_int_equal(w->created_count, 5);
    for (int i = 0; i < 10; i++) {
        world_advance(w, 1000);
        world_restart(w);
    }
    assert_int_equal(w->created_count, 15);
}

/* ---- closed, reloaded ---- */

static void test_closed_gates(void **state)
{
    struct admission_world *w = *state;
    w->config.launching = 1;
    world_add_many(w, "a", 10);
    admission_open(w->admission, (struct admission_gates){false, true, true});
    world_turn(w);
    assert_int_equal(w->claimed_count, 0);
    admission_open(w->admission, (struct admission_gates){.claims = true});
    world_turn(w);
    assert_int_equal(w->claimed_count, 3);
    assert_int_equal(w->created_count, 0);
    admission_open(w->admission,
                   (struct admission_gates){false, true, true}); /* drain: what is claimed still starts */
    world_turn(w);
    assert_int_equal(w->claimed_count, 3);
    assert_int_equal(w->created_count, 1);
    world_fail_creates(w);
    world_fail_creates(w);
    assert_int_equal(w->created_count, 3);
    assert_int_equal(w->claimed_count, 3);
}

static void test_a_reload_keeps_everybody_in_line(void **state)
{
    struct admission_world *w = *state;
    w->config.running = 4;
    w->config.launching = 2;
    world_add_many(w, "a", 6);
    world_add_many(w, "b", 6);
    world_turn(w);
    assert_int_equal(admission_queued(w->admission), 8);
    assert_int_equal(w->created_count, 2);
    struct config_class classes[] = {w->classes[0], w->classes[2]}; /* "b" is gone */
    struct config config = w->config;
    config.classes = classes;
    config.class_count = ARRAY_LEN(classes);
    config.running = 6;
    config.launching = 3;
    struct err err;
    runner_set_config(w->runner, &config);
    assert_int_equal(admission_set_config(w->admission, &config, &err), 0);
    assert_int_equal(admission_queued(w->admission), 8);
    world_turn(w);
    assert_int_equal(w->claimed_count, 6);
    assert_int_equal(w->created_count, 3);
    while (w->created_count < 12 && runner_count(w->runner) > 0)
        world_fail_creates(w);
    assert_int_equal(w->created_count, 12);
    runner_set_config(w->runner, &w->config);
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
}

static void test_a_reload_grants_no_tokens(void **state)
{
    struct admission_world *w = *state;
    struct err err;
    w->config.starts_per_second = 1;
    w->config.start_burst = 2;
    assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
    world_add_many(w, "a", 10);
    world_turn(w);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(admission_set_config(w->admission, &w->config, &err), 0);
        world_turn(w);
    }
    assert_int_equal(w->created_count, 2);
}

/* A released run is PENDING through us: no poll can see it SCHEDULED. */
static void test_a_released_run_needs_no_sight(void **state)
{
    struct admission_world *w = *state;
    w->classes[0].retry.park = true;
    struct live *live = world_add(w, "a");
    world_turn(w);
    world_fail_creates(w);
    assert_int_equal(live->launch->run.state, RUN_STATE_PARKED);
    w->sight = SIGHT_HIDDEN;
    world_answer(w, live, RUN_EVENT_RELEASE);
    assert_int_equal(live->launch->run.pending, RUN_ACTION_LOOK_NAME);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, admission_world_setup, admission_world_teardown)

/* Refused, and offered again before its row has been written: the new launch of the run is no second claim.
 */
static void test_a_run_that_is_offered_again_at_once(void **state)
{
    struct admission_world *w = *state;
    w->holds_claims = true;
    struct live *first = world_add(w, "a");
    world_turn(w);
    assert_int_equal(w->claimed_count, 1);
    char *AUTO_FREE run = check_strdup(first->launch->flow_run_id);
    world_answer(w, first, RUN_EVENT_REFUSED);
    struct live *second = world_add_run(w, "a", run);
    world_turn(w);
    assert_int_equal(w->claimed_count, 2);
    assert_ptr_equal(w->claimed[1], second);
    world_answer(w, second, RUN_EVENT_DONE);
    assert_int_equal(runner_sync(w->runner), 0);
    store_fixture_expect(w->fixture->path, "select group_concat(state) from launches", "FINISHED,CREATING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_run_that_is_offered_again_at_once),
        TEST(test_claims_run_so_far_ahead_and_no_further),
        TEST(test_the_window_follows_the_servers_pace),
        TEST(test_running_limit_of_the_pool),
        TEST(test_a_class_at_its_running_limit_holds_up_nobody),
        TEST(test_order_is_queue_class_due),
        TEST(test_waiting_makes_up_for_priority),
        TEST(test_the_view_shows_the_order),
        TEST(test_the_view_shows_the_order_without_ageing),
        TEST(test_who_leaves_the_line_is_not_let_through),
        TEST(test_stale_sights_are_asked_for_together),
        TEST(test_a_sight_is_asked_for_a_bounded_number),
        TEST(test_nobody_overtakes_one_that_must_be_seen_again),
        TEST(test_hidden_runs_are_passed_over),
        TEST(test_no_sight_is_asked_for_without_room),
        TEST(test_launching_limit_of_the_pool),
        TEST(test_launching_limit_of_a_class),
        TEST(test_learned_limits_of_creates_and_starts),
        TEST(test_a_create_tried_again_and_a_start_wait_in_lines_of_their_own),
        TEST(test_the_window_of_claims_follows_the_learned_limits),
        TEST(test_a_slot_for_the_start_counts_against_the_class_too),
        TEST(test_a_slot_alone_comes_before_a_new_start),
        TEST(test_stops_in_flight_are_limited),
        TEST(test_tokens_of_the_pool),
        TEST(test_tokens_of_a_class_hold_up_nobody_else),
        TEST(test_no_token_is_taken_without_a_slot),
        TEST(test_a_clock_that_jumps_neither_grants_nor_takes),
        TEST(test_restarts_grant_no_start),
        TEST(test_closed_gates),
        TEST(test_a_reload_keeps_everybody_in_line),
        TEST(test_a_reload_grants_no_tokens),
        TEST(test_a_released_run_needs_no_sight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
