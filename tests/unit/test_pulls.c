/*
 * Images, against the fake engine: who shares a look or a pull with whom, and what is remembered.
 */
#include "pulls.h"

#include "base/check.h"
#include "tests/fakes/engine_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ABSENT "alpine:3"
#define PULL_MS 1000
#define NAME_SIZE 24

struct world {
    struct engine_world *engine_world;
    struct fake_engine *fake;
    struct pulls *pulls;
    struct config_class class_;
    struct config config;
};

/* What one waiter was told. */
struct told {
    struct world *world; /* not NULL: wants the image again when told */
    struct told *again;
    int times;
    bool has_failed;
    int status;
    bool was_pulled;
    char warning[256];
};

static int setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    void *engine_world = NULL;
    if (engine_world_setup(&engine_world) != 0)
        return -1;
    w->engine_world = engine_world;
    w->fake = w->engine_world->fake;
    w->class_.name = "default";
    w->config.classes = &w->class_;
    w->config.class_count = 1;
    w->config.pulls = 3;
    w->pulls = pulls_new(w->engine_world->engine, w->engine_world->timers, NULL, &w->config);
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){.image = ABSENT, .took_ms = PULL_MS, .lines = 2});
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    void *engine_world = w->engine_world;
    pulls_free(w->pulls);
    engine_world_teardown(&engine_world);
    free(w);
    return 0;
}

static struct pull_wait *want(struct world *w, const char *image, enum jobspec_pull_policy policy,
                              bool must_pull, struct told *told);

static void on_done(void *arg, const struct failure *failure, int64_t took_ms, bool was_pulled,
                    const char *warning)
{
    struct told *told = arg;
    told->times++;
    told->has_failed = failure != NULL;
    told->status = failure == NULL ? 0 : failure->status;
    told->was_pulled = was_pulled;
    assert_true(took_ms >= 0);
    snprintf(told->warning, sizeof(told->warning), "%s", warning == NULL ? "" : warning);
    if (told->world != NULL)
        want(told->world, ABSENT, JOBSPEC_PULL_ALWAYS, false, told->again);
}

static struct pull_wait *want(struct world *w, const char *image, enum jobspec_pull_policy policy,
                              bool must_pull, struct told *told)
{
    const struct pull_request request = {
        .image = image, .policy = policy, .must_pull = must_pull, .class_name = "default"};
    struct pull_wait *wait = pulls_want(w->pulls, &request, on_done, told);
    assert_int_equal(told->times, 0); /* never before it has returned */
    return wait;
}

static struct pull_wait *want_if_absent(struct world *w, const char *image, struct told *told)
{
    return want(w, image, JOBSPEC_PULL_IF_NOT_PRESENT, false, told);
}

static void turn(struct world *w)
{
    engine_world_advance(w->engine_world, 0);
}

static void wait_for_pulls(struct world *w)
{
    engine_world_advance(w->engine_world, 20 * PULL_MS);
}

static void assert_calls(const struct world *w, int looks, int pulls)
{
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_IMAGE_INSPECT), looks);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PULL), pulls);
}

static void assert_fine(const struct told *told, bool was_pulled)
{
    assert_int_equal(told->times, 1);
    assert_false(told->has_failed);
    assert_int_equal(told->was_pulled, was_pulled);
}

static void assert_failed(const struct told *told, int status)
{
    assert_int_equal(told->times, 1);
    assert_true(told->has_failed);
    assert_int_equal(told->status, status);
}

static void test_what_is_here_is_looked_at_once(void **state)
{
    struct world *w = *state;
    struct told first = {0};
    want_if_absent(w, "busybox", &first);
    turn(w);
    assert_fine(&first, false);
    for (int i = 0; i < 10; i++) {
        struct told told = {0};
        want_if_absent(w, "busybox", &told);
        turn(w);
        assert_fine(&told, false);
    }
    assert_calls(w, 1, 0);
}

static void test_one_pull_is_shared_by_many(void **state)
{
    struct world *w = *state;
    struct told told[10] = {0};
    for (size_t i = 0; i < 5; i++)
        want_if_absent(w, ABSENT, &told[i]);
    turn(w);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    for (size_t i = 5; i < ARRAY_LEN(told); i++)
        want_if_absent(w, ABSENT, &told[i]);
    wait_for_pulls(w);
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        assert_fine(&told[i], true);
    assert_calls(w, 1, 1);
    assert_int_equal(pulls_in_flight(w->pulls), 0);
    struct told later = {0};
    want_if_absent(w, ABSENT, &later);
    turn(w);
    assert_fine(&later, false);
    assert_calls(w, 1, 1);
}

static void add_images(struct world *w, char images[][NAME_SIZE], int count)
{
    for (int i = 0; i < count; i++) {
        snprintf(images[i], NAME_SIZE, "image:%d", i);
        fake_engine_add_registry_image(
            w->fake, &(struct fake_registry_image){.image = images[i], .took_ms = PULL_MS, .lines = 1});
    }
}

static void test_pulls_in_flight_are_limited(void **state)
{
    struct world *w = *state;
    char images[8][NAME_SIZE];
    struct told told[8] = {0};
    w->config.pulls = 2;
    add_images(w, images, 8);
    for (int i = 0; i < 8; i++)
        want_if_absent(w, images[i], &told[i]);
    turn(w);
    assert_int_equal(pulls_in_flight(w->pulls), 2);
    wait_for_pulls(w);
    for (int i = 0; i < 8; i++)
        assert_fine(&told[i], true);
    assert_calls(w, 8, 8);
    assert_int_equal(fake_engine_peak(w->fake, FAKE_ENGINE_PULL), 2);
    assert_int_equal(pulls_in_flight(w->pulls), 0);
}

static void test_a_raised_limit_counts_at_once(void **state)
{
    struct world *w = *state;
    char images[4][NAME_SIZE];
    struct told told[4] = {0};
    w->config.pulls = 1;
    add_images(w, images, 4);
    for (int i = 0; i < 4; i++)
        want(w, images[i], JOBSPEC_PULL_ALWAYS, false, &told[i]);
    turn(w);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    struct config raised = w->config;
    raised.pulls = 3;
    pulls_set_config(w->pulls, &raised);
    assert_int_equal(pulls_in_flight(w->pulls), 3);
    raised.pulls = CONFIG_NO_LIMIT;
    pulls_set_config(w->pulls, &raised);
    assert_int_equal(pulls_in_flight(w->pulls), 4);
    wait_for_pulls(w);
    for (int i = 0; i < 4; i++)
        assert_fine(&told[i], true);
}

static void stall_pulls(struct world *w, int nth)
{
    fake_engine_add_fault(
        w->fake, &(struct fake_fault){.call = FAKE_ENGINE_PULL, .nth = nth, .kind = FAKE_FAULT_STALL_BODY});
}

static void test_a_silent_pull_leaves_its_slot(void **state)
{
    struct world *w = *state;
    char images[5][NAME_SIZE];
    struct told told[5] = {0};
    w->config.pulls = 1;
    add_images(w, images, 5);
    stall_pulls(w, 1);
    for (int i = 0; i < 5; i++)
        want(w, images[i], JOBSPEC_PULL_ALWAYS, false, &told[i]);
    engine_world_advance(w->engine_world, 1990);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    engine_world_advance(w->engine_world, 60);
    assert_int_equal(pulls_in_flight(w->pulls), 2);
    engine_world_advance(w->engine_world, 4 * PULL_MS + 100);
    assert_int_equal(told[0].times, 0);
    for (int i = 1; i < 5; i++)
        assert_fine(&told[i], true);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
}

/* An engine that is stuck gets no more than twice as much. */
static void test_silent_pulls_are_bounded(void **state)
{
    struct world *w = *state;
    char images[12][NAME_SIZE];
    struct told told[12] = {0};
    w->config.pulls = 3;
    add_images(w, images, 12);
    stall_pulls(w, -1);
    for (int i = 0; i < 12; i++)
        want(w, images[i], JOBSPEC_PULL_ALWAYS, false, &told[i]);
    engine_world_advance(w->engine_world, 20000);
    assert_int_equal(pulls_in_flight(w->pulls), 6);
}

static void test_a_slow_pull_with_progress_keeps_its_slot(void **state)
{
    struct world *w = *state;
    struct told told[2] = {0};
    w->config.pulls = 1;
    static const char *const images[] = {"slow:1", "slow:2"};
    for (int i = 0; i < 2; i++) {
        fake_engine_add_registry_image(
            w->fake, &(struct fake_registry_image){.image = images[i], .took_ms = 9000, .lines = 9});
        want(w, images[i], JOBSPEC_PULL_ALWAYS, false, &told[i]);
    }
    engine_world_advance(w->engine_world, 19000);
    assert_fine(&told[0], true);
    assert_fine(&told[1], true);
    assert_int_equal(fake_engine_peak(w->fake, FAKE_ENGINE_PULL), 1);
}

static void add_image(struct world *w, const char *image, struct told *told)
{
    fake_engine_add_registry_image(
        w->fake, &(struct fake_registry_image){.image = image, .took_ms = PULL_MS, .lines = 1});
    want(w, image, JOBSPEC_PULL_ALWAYS, false, told);
}

static void test_a_registry_at_its_limit_holds_up_no_other(void **state)
{
    struct world *w = *state;
    struct told told[5] = {0};
    static char *limits[] = {"slow.io 1"};
    w->config.registry_pulls = (struct match_list){limits, 1};
    static const char *const images[] = {"slow.io/a", "slow.io/b", "slow.io/c", "ghcr.io/a", "hub"};
    for (int i = 0; i < 5; i++)
        add_image(w, images[i], &told[i]);
    turn(w);
    assert_int_equal(pulls_in_flight(w->pulls), 3); /* one of the slow one, two others */
    engine_world_advance(w->engine_world, PULL_MS + 100);
    assert_fine(&told[0], true);
    assert_fine(&told[3], true);
    assert_fine(&told[4], true);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    wait_for_pulls(w);
    assert_fine(&told[1], true);
    assert_fine(&told[2], true);
}

static void test_a_registry_gives_so_many_a_second(void **state)
{
    struct world *w = *state;
    struct told told[4] = {0};
    static char *limits[] = {"*.io 0.1"};
    w->config.registry_pulls_per_second = (struct match_list){limits, 1};
    static const char *const images[] = {"slow.io/a", "slow.io/b", "slow.io/c", "127.0.0.1:5000/a"};
    for (int i = 0; i < 4; i++)
        add_image(w, images[i], &told[i]);
    engine_world_advance(w->engine_world, 9990);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PULL), 2);
    engine_world_advance(w->engine_world, 100);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PULL), 3);
    engine_world_advance(w->engine_world, 9800);
    assert_int_equal(fake_engine_calls(w->fake, FAKE_ENGINE_PULL), 3);
    engine_world_advance(w->engine_world, 2000);
    for (int i = 0; i < 4; i++)
        assert_fine(&told[i], true);
}

static void test_a_failed_pull_is_told_to_all_and_not_remembered(void **state)
{
    struct world *w = *state;
    struct told told[3] = {0};
    for (size_t i = 0; i < 3; i++)
        want_if_absent(w, "unknown", &told[i]);
    wait_for_pulls(w);
    for (size_t i = 0; i < 3; i++)
        assert_failed(&told[i], 404);
    assert_calls(w, 1, 1);
    struct told again = {0};
    want_if_absent(w, "unknown", &again);
    wait_for_pulls(w);
    assert_failed(&again, 404);
    assert_calls(w, 2, 2);
}

static void test_a_failed_look_is_a_failure(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    fake_engine_add_fault(
        w->fake,
        &(struct fake_fault){.call = FAKE_ENGINE_IMAGE_INSPECT, .kind = FAKE_FAULT_STATUS, .status = 500});
    want_if_absent(w, "busybox", &told);
    turn(w);
    assert_failed(&told, 500);
    assert_calls(w, 1, 0);
    struct told again = {0};
    want_if_absent(w, "busybox", &again);
    turn(w);
    assert_fine(&again, false);
}

static void test_always_pulls_what_is_here(void **state)
{
    struct world *w = *state;
    fake_engine_add_registry_image(w->fake, &(struct fake_registry_image){.image = "busybox", .lines = 1});
    for (int i = 1; i <= 2; i++) {
        struct told told = {0};
        want(w, "busybox", JOBSPEC_PULL_ALWAYS, false, &told);
        wait_for_pulls(w);
        assert_fine(&told, true);
        assert_calls(w, 0, i);
    }
}

static void test_if_possible_makes_do_with_what_is_here(void **state)
{
    struct world *w = *state;
    struct told here = {0};
    want(w, "busybox", JOBSPEC_PULL_IF_POSSIBLE, false, &here); /* its registry knows nothing of it */
    wait_for_pulls(w);
    assert_fine(&here, false);
    assert_non_null(strstr(here.warning, "pull access denied"));
    assert_calls(w, 1, 1);
    struct told nowhere = {0};
    want(w, "unknown", JOBSPEC_PULL_IF_POSSIBLE, false, &nowhere);
    wait_for_pulls(w);
    assert_failed(&nowhere, 404);
    struct told possible = {0};
    want(w, ABSENT, JOBSPEC_PULL_IF_POSSIBLE, false, &possible);
    wait_for_pulls(w);
    assert_fine(&possible, true);
    assert_string_equal(possible.warning, "");
    assert_int_equal(pulls_in_flight(w->pulls), 0);
}

static void test_a_pull_one_can_do_without_makes_way_for_the_next(void **state)
{
    struct world *w = *state;
    struct told here = {0};
    struct told next = {0};
    w->config.pulls = 1;
    want(w, "busybox", JOBSPEC_PULL_IF_POSSIBLE, false, &here);
    want(w, ABSENT, JOBSPEC_PULL_ALWAYS, false, &next);
    wait_for_pulls(w);
    assert_fine(&here, false);
    assert_fine(&next, true);
    assert_int_equal(pulls_in_flight(w->pulls), 0);
}

static void test_never_asks_nobody(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    want(w, "unknown", JOBSPEC_PULL_NEVER, false, &told);
    turn(w);
    assert_fine(&told, false);
    struct told must = {0};
    want(w, "unknown", JOBSPEC_PULL_NEVER, true, &must);
    turn(w);
    assert_fine(&must, false);
    assert_calls(w, 0, 0);
}

static void test_must_pull_trusts_no_memory(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    want_if_absent(w, ABSENT, &told);
    wait_for_pulls(w);
    fake_engine_remove_image(w->fake, ABSENT);
    struct told must = {0};
    want(w, ABSENT, JOBSPEC_PULL_IF_NOT_PRESENT, true, &must);
    wait_for_pulls(w);
    assert_fine(&must, true);
    assert_calls(w, 1, 2);
    assert_true(fake_engine_has_image(w->fake, ABSENT));
}

static void test_forget_looks_again(void **state)
{
    struct world *w = *state;
    for (int i = 1; i <= 3; i++) {
        struct told told = {0};
        want_if_absent(w, "busybox", &told);
        turn(w);
        assert_fine(&told, false);
        assert_calls(w, i, 0);
        pulls_forget(w->pulls);
    }
}

static void test_platforms_do_not_share(void **state)
{
    struct world *w = *state;
    struct told plain = {0};
    struct told arm = {0};
    struct told arm_too = {0};
    want_if_absent(w, ABSENT, &plain);
    const struct pull_request request = {
        .image = ABSENT, .platform = "linux/arm64", .policy = JOBSPEC_PULL_ALWAYS, .class_name = "default"};
    pulls_want(w->pulls, &request, on_done, &arm);
    pulls_want(w->pulls, &request, on_done, &arm_too);
    wait_for_pulls(w);
    assert_fine(&plain, true);
    assert_fine(&arm, true);
    assert_fine(&arm_too, true);
    assert_calls(w, 1, 2);
}

static void test_leaving(void **state)
{
    struct world *w = *state;
    struct told leaves = {0};
    struct told stays = {0};
    struct pull_wait *wait = want_if_absent(w, ABSENT, &leaves);
    want_if_absent(w, ABSENT, &stays);
    turn(w);
    pulls_leave(wait);
    wait_for_pulls(w);
    assert_int_equal(leaves.times, 0);
    assert_fine(&stays, true);
}

static void test_the_last_one_who_leaves_ends_the_pull_and_lets_the_next_begin(void **state)
{
    struct world *w = *state;
    char images[2][NAME_SIZE];
    struct told told[2] = {0};
    w->config.pulls = 1;
    add_images(w, images, 2);
    struct pull_wait *first = want_if_absent(w, images[0], &told[0]);
    want_if_absent(w, images[1], &told[1]);
    turn(w);
    assert_calls(w, 2, 1);
    pulls_leave(first);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    wait_for_pulls(w);
    assert_int_equal(told[0].times, 0);
    assert_fine(&told[1], true);
    assert_int_equal(pulls_in_flight(w->pulls), 0);
}

static void test_leaving_at_every_step(void **state)
{
    struct world *w = *state;
    struct told told = {0};
    pulls_leave(want_if_absent(w, ABSENT, &told)); /* looks */
    wait_for_pulls(w);
    struct pull_wait *wait = want_if_absent(w, ABSENT, &told);
    turn(w);
    assert_int_equal(pulls_in_flight(w->pulls), 1);
    pulls_leave(wait); /* pulls */
    assert_int_equal(pulls_in_flight(w->pulls), 0);
    pulls_leave(want(w, "busybox", JOBSPEC_PULL_NEVER, false, &told)); /* known, not told yet */
    w->config.pulls = 0;
    wait = want(w, "image:x", JOBSPEC_PULL_ALWAYS, false, &told);
    turn(w);
    pulls_leave(wait); /* waits for a slot */
    w->config.pulls = 3;
    wait = want(w, "busybox", JOBSPEC_PULL_IF_POSSIBLE, false, &told);
    fake_engine_add_fault(w->fake,
                          &(struct fake_fault){.call = FAKE_ENGINE_IMAGE_INSPECT, .kind = FAKE_FAULT_HOLD});
    turn(w);
    assert_int_equal(fake_engine_held(w->fake, FAKE_ENGINE_IMAGE_INSPECT), 1);
    pulls_leave(wait); /* looks after a failed pull */
    fake_engine_release(w->fake, FAKE_ENGINE_ANY);
    wait_for_pulls(w);
    assert_int_equal(told.times, 0);
    assert_int_equal(pulls_in_flight(w->pulls), 0);
}

/* Whoever comes while the others are told is not told with them, and not forgotten. */
static void test_wanting_from_inside_the_answer(void **state)
{
    struct world *w = *state;
    struct told second = {0};
    struct told first = {.world = w, .again = &second};
    want(w, ABSENT, JOBSPEC_PULL_ALWAYS, false, &first);
    wait_for_pulls(w);
    assert_fine(&first, true);
    assert_fine(&second, true);
    assert_calls(w, 0, 2);
}

static void test_free_with_everybody_waiting(void **state)
{
    struct world *w = *state;
    char images[3][NAME_SIZE];
    struct told told[5] = {0};
    w->config.pulls = 1;
    add_images(w, images, 3);
    want(w, images[0], JOBSPEC_PULL_ALWAYS, false, &told[0]);
    want(w, images[1], JOBSPEC_PULL_ALWAYS, false, &told[1]);
    turn(w);
    want_if_absent(w, images[2], &told[2]);
    want(w, images[2], JOBSPEC_PULL_NEVER, false, &told[3]);
    want_if_absent(w, "busybox", &told[4]);
    pulls_free(w->pulls);
    w->pulls = NULL;
    wait_for_pulls(w);
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        assert_int_equal(told[i].times, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_here_is_looked_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_pull_is_shared_by_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pulls_in_flight_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_raised_limit_counts_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_silent_pull_leaves_its_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silent_pulls_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_slow_pull_with_progress_keeps_its_slot, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_registry_at_its_limit_holds_up_no_other, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_registry_gives_so_many_a_second, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_pull_is_told_to_all_and_not_remembered, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_failed_look_is_a_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_always_pulls_what_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_if_possible_makes_do_with_what_is_here, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_pull_one_can_do_without_makes_way_for_the_next, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_never_asks_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_must_pull_trusts_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forget_looks_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_platforms_do_not_share, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_last_one_who_leaves_ends_the_pull_and_lets_the_next_begin,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaving_at_every_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wanting_from_inside_the_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_with_everybody_waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
