/*
 * test_flow_history.c - history is kept in bounds while launches go on, and a copy of the state file that is
 * put back repeats nothing.
 */
#include "tests/flow/world.h"

#include "core/file_bounds.h"
#include "store/store.h"

#include <unistd.h>

#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define OLD 300
#define FINISHED "SELECT count(*) FROM launches WHERE state = 'FINISHED' AND run_name LIKE 'old-%'"

/* Finished launches of earlier days in the state file of a service that isn't running; each later one a
 * second younger. */
static void add_history(struct world *w, int count, int64_t age_ms)
{
    struct store *store;
    struct err err = {0};
    assert_int_equal(store_open(w->state_path, &w->clock.clock, &store, &err), 0);
    assert_int_equal(store_begin(store, &err), 0);
    for (int n = 0; n < count; n++) {
        char id[UUID_TEXT_SIZE];
        snprintf(id, sizeof(id), "%08x-0000-4000-8000-000000000000", (unsigned)n);
        int64_t at_ms = w->clock.wall_ms - age_ms + n * SECONDS(1);
        struct launch *l = launch_new(id, at_ms);
        char *AUTO_FREE name = check_printf("old-%d", n);
        snprintf(l->launch_id, sizeof(l->launch_id), "%s", id);
        launch_set_text(&l->run_name, name);
        launch_set_text(&l->class_name, "default");
        l->run.state = RUN_STATE_FINISHED;
        l->created_at_ms = l->updated_at_ms = at_ms;
        assert_int_equal(store_save_launch(store, l, &err), 0);
        for (int i = 0; i < 10; i++)
            assert_int_equal(store_add_transition(store, id, "QUEUED", "CLAIMING", "ADMITTED", at_ms, &err),
                             0);
        launch_free(l);
    }
    assert_int_equal(store_commit(store, &err), 0);
    store_close(store);
}

static void test_a_long_history_goes_in_steps_while_launches_go_on(void **state)
{
    struct world *w = *state;
    add_history(w, OLD, 20 * DAY_MS);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    const char *live = world_add_run(w);
    world_start(w, "");
    UNTIL(w, MINUTES(1), world_is_in(w, live, RUN_STATE_RUNNING));
    world_pass(w, MINUTES(9));
    assert_int_equal(world_number(w, FINISHED), OLD); /* not so soon after the start */
    /* A step is of one moment, and the file is asked once in each: to ask it in every turn costs more than
     * all the rest. */
    long left = OLD;
    int64_t asked_ms = w->clock.mono_ms;
    int steps = 0;
    const char *run = NULL;
    w->flow = (struct world_flow){.end = FLOW_COMPLETES, .run_ms = 10};
    UNTIL_DOING(w, MINUTES(6), left == 0, {
        if (w->clock.mono_ms == asked_ms)
            continue;
        asked_ms = w->clock.mono_ms;
        long before = left;
        left = world_number(w, FINISHED);
        assert_true(before - left <= FILE_BOUNDS_ROWS_MAX / 11 + 1);
        steps += left < before;
        if (run == NULL && left < OLD)
            run = world_add_run(w);
    });
    assert_true(steps >= OLD * 11 / FILE_BOUNDS_ROWS_MAX);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_string_equal(world_row(w, live), "RUNNING");
    assert_int_equal(world_logged(w, "history trimmed"), 1);
    assert_int_equal(world_logged(w, "launches=300"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM history WHERE run_name LIKE 'old-%'"), 0);
}

static void test_the_oldest_go_when_the_file_is_too_large(void **state)
{
    struct world *w = *state;
    add_history(w, OLD, DAY_MS);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    const char *live = world_add_run(w);
    world_start(w, "");
    world_pass(w, MINUTES(11));
    assert_int_equal(world_number(w, FINISHED), OLD); /* neither too old nor too many */
    world_reload(w, "[state]\nmax_size = 500kB\n");
    world_pass(w, MINUTES(12));
    long left = world_number(w, FINISHED);
    assert_in_range(left, OLD / 10, OLD * 9 / 10);
    char *AUTO_FREE youngest = check_printf("%ld", OLD - left);
    assert_string_equal(world_query(w, "SELECT min(CAST(substr(run_name, 5) AS INTEGER)) FROM launches WHERE "
                                       "run_name LIKE 'old-%'"),
                        youngest);
    assert_string_equal(world_row(w, live), "RUNNING");
    assert_int_equal(world_logged(w, "has passed max_size"), 1);
    assert_in_range(world_number(w, "SELECT page_size * (page_count - freelist_count) FROM pragma_page_size, "
                                    "pragma_page_count, pragma_freelist_count"),
                    350000, 450000);
    assert_true(world_number(w, "SELECT page_size * page_count FROM pragma_page_size, pragma_page_count") <=
                500000);
    world_pass(w, MINUTES(11)); /* and there it stays */
    assert_int_equal(world_number(w, FINISHED), left);
}

/* docs/state-file.md, "The way back": the log of the file that was is not the copy's. */
static void put_back(struct world *w, const char *copy)
{
    static const char *const of_the_old[] = {"-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(of_the_old); i++) {
        char *AUTO_FREE path = check_printf("%s%s", w->state_path, of_the_old[i]);
        unlink(path);
    }
    assert_int_equal(rename(copy, w->state_path), 0);
}

/* What was begun after the copy has ended meanwhile: it is looked at, and not begun again. */
static void test_a_copy_that_is_put_back_repeats_nothing(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_CLAIMING,   RUN_STATE_SUBMITTING, RUN_STATE_CREATING,
                                            RUN_STATE_ANNOUNCING, RUN_STATE_STARTING,   RUN_STATE_RUNNING};
    char *AUTO_FREE copy = check_printf("%s/copy.db", w->folder);
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const char *run = world_add_run(w);
        world_start(w, NULL);
        UNTIL(w, SECONDS(60), world_is_in(w, run, states[i]));
        if (store_backup(w->state_path, copy, true, NULL, NULL, &err) != 0)
            fail_msg("%s", err.msg);
        UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        const char *later = world_add_run(w); /* unknown to the copy */
        UNTIL(w, MINUTES(10), world_state(w, later) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        world_stop(w);
        put_back(w, copy);
        world_start(w, NULL);
        assert_string_not_equal(world_row(w, run), "FINISHED");
        assert_string_equal(world_row(w, later), "");
        UNTIL(w, MINUTES(10), world_launches(w) == 0);
        world_pass(w, MINUTES(2));
        assert_int_equal(world_state(w, run), PREFECT_STATE_COMPLETED);
        assert_int_equal(world_state(w, later), PREFECT_STATE_COMPLETED);
        assert_int_equal(world_times_run(w, run), 1);
        assert_int_equal(world_times_run(w, later), 1);
        assert_int_equal(fake_engine_starts(w->engine, NULL), 2 * ((int)i + 1));
        world_stop(w);
    }
}

/* What was claimed after the copy, and has not ended: claims go back and are run once, containers are
 * adopted. */
static void test_what_began_after_the_copy_is_found(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_SUBMITTING, RUN_STATE_CREATING, RUN_STATE_RUNNING};
    char *AUTO_FREE copy = check_printf("%s/copy.db", w->folder);
    struct err err = {0};
    world_start(w, NULL);
    world_stop(w);
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (store_backup(w->state_path, copy, true, NULL, NULL, &err) != 0)
            fail_msg("%s", err.msg);
        const char *run = world_add_run(w);
        world_start(w, NULL);
        UNTIL(w, MINUTES(3),
              world_is_in(w, run, states[i]) && world_state(w, run) != PREFECT_STATE_SCHEDULED);
        world_crash(w);
        put_back(w, copy);
        world_start(w, NULL);
        assert_string_equal(world_row(w, run), "");
        UNTIL(w, MINUTES(10), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        assert_int_equal(world_times_run(w, run), 1);
        assert_int_equal(fake_engine_starts(w->engine, NULL), (int)i + 1);
        world_stop(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_long_history_goes_in_steps_while_launches_go_on),
        FLOW_TEST(test_the_oldest_go_when_the_file_is_too_large),
        FLOW_TEST(test_a_copy_that_is_put_back_repeats_nothing),
        FLOW_TEST(test_what_began_after_the_copy_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
