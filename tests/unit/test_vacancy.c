/* How many runs may be claimed after a poll that concurrency limits at the server have cut. */
#include "core/vacancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define NIGHT "11111111-1111-4111-8111-111111111111"
#define DAY "22222222-2222-4222-8222-222222222222"

static const struct vacancy_limits of_none = {0};
static const struct vacancy_limits of_pool = {.of_pool = true};
static const struct vacancy_limits of_queue = {.of_queue = true};
static const struct vacancy_limits of_both = {.of_pool = true, .of_queue = true};

static void test_an_empty_answer_leaves_no_room(void **state)
{
    (void)state;
    struct vacancy v = {0};
    assert_false(vacancy_has_room(&v, DAY, of_pool));
    assert_false(vacancy_has_room(&v, DAY, of_queue));
    assert_false(vacancy_has_room(&v, DAY, of_both));
    assert_true(vacancy_has_room(&v, DAY, of_none));
    vacancy_done(&v);
}

static void test_a_pool_has_as_many_places_as_are_shown(void **state)
{
    (void)state;
    struct vacancy v = {0};
    vacancy_show(&v, DAY);
    vacancy_show(&v, DAY);
    vacancy_take(&v, NIGHT);
    assert_true(vacancy_has_room(&v, NIGHT, of_pool));
    vacancy_take(&v, DAY);
    assert_false(vacancy_has_room(&v, NIGHT, of_pool));
    assert_false(vacancy_has_room(&v, DAY, of_pool));
    vacancy_done(&v);
}

static void test_a_queue_has_as_many_places_as_are_shown_of_it(void **state)
{
    (void)state;
    struct vacancy v = {0};
    vacancy_show(&v, DAY);
    vacancy_show(&v, NIGHT);
    vacancy_show(&v, NIGHT);
    vacancy_take(&v, DAY);
    assert_false(vacancy_has_room(&v, DAY, of_queue));
    assert_true(vacancy_has_room(&v, NIGHT, of_queue));
    assert_true(vacancy_has_room(&v, DAY, of_pool));
    assert_false(vacancy_has_room(&v, DAY, of_both));
    vacancy_take(&v, NIGHT);
    vacancy_take(&v, NIGHT);
    assert_false(vacancy_has_room(&v, NIGHT, of_queue));
    vacancy_done(&v);
}

/* Nobody knows whether it has landed; it may be of a queue of which nothing is shown. */
static void test_a_claim_from_before_the_poll_takes_a_place(void **state)
{
    (void)state;
    struct vacancy v = {0};
    vacancy_take(&v, NIGHT);
    vacancy_show(&v, DAY);
    assert_false(vacancy_has_room(&v, DAY, of_pool));
    assert_true(vacancy_has_room(&v, DAY, of_queue));
    assert_false(vacancy_has_room(&v, NIGHT, of_queue));
    vacancy_done(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_answer_leaves_no_room),
        cmocka_unit_test(test_a_pool_has_as_many_places_as_are_shown),
        cmocka_unit_test(test_a_queue_has_as_many_places_as_are_shown_of_it),
        cmocka_unit_test(test_a_claim_from_before_the_poll_takes_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
