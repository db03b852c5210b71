/*
 * The line of waiting launches: its order, and that it stays a heap whatever comes and goes.
 */
#include "line.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LIVES 300
#define OPERATIONS 30000

static struct live *new_live(int32_t queue_priority, int32_t class_priority, int64_t due_at_ms,
                             uint64_t arrival)
{
    struct live *live = check_alloc(sizeof(*live));
    live->place = order_place(&(struct order_rule){0}, queue_priority, class_priority, due_at_ms);
    live->arrival = arrival;
    return live;
}

/* Each one comes before the next. */
static void test_order(void **state)
{
    (void)state;
    struct live *lives[] = {
        new_live(1, 0, 9000, 9), new_live(2, 10, 9000, 9), new_live(2, 0, 100, 9),  new_live(2, 0, 200, 1),
        new_live(2, 0, 200, 2),  new_live(2, 0, 200, 3),   new_live(2, -5, 100, 1), new_live(3, 100, 1, 1),
    };
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        assert_false(line_is_before(lives[i], lives[i]));
        for (size_t j = i + 1; j < ARRAY_LEN(lives); j++) {
            assert_true(line_is_before(lives[i], lives[j]));
            assert_false(line_is_before(lives[j], lives[i]));
        }
    }
    /* From the wrong end in, in the right order out. */
    struct line line = {0};
    for (size_t i = ARRAY_LEN(lives); i > 0; i--)
        line_add(&line, lives[i - 1]);
    for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
        assert_ptr_equal(line_first(&line), lives[i]);
        line_remove(&line, lives[i]);
        free(lives[i]);
    }
    assert_null(line_first(&line));
    line_done(&line);
}

static void assert_is_heap(const struct line *line, const bool *stands, struct live *const *lives)
{
    const struct live *best = NULL;
    size_t count = 0;
    for (size_t i = 0; i < line->count; i++) {
        assert_int_equal(line->heap[i]->line_index, i);
        if (i > 0)
            assert_false(line_is_before(line->heap[i], line->heap[(i - 1) / 2]));
    }
    for (size_t i = 0; i < LIVES; i++) {
        if (!stands[i])
            continue;
        count++;
        if (best == NULL || line_is_before(lives[i], best))
            best = lives[i];
    }
    assert_int_equal(line->count, count);
    assert_ptr_equal(line_first(line), best);
}

static void test_random_coming_and_going(void **state)
{
    (void)state;
    static struct live *lives[LIVES];
    static bool stands[LIVES];
    struct line line = {0};
    uint64_t random = 7;
    for (size_t i = 0; i < LIVES; i++) {
        uint64_t r = random_splitmix64(&random);
        lives[i] = new_live((int32_t)(r % 3), (int32_t)((r >> 8) % 3), (int64_t)((r >> 16) % 5), (uint64_t)i);
    }
    for (int i = 0; i < OPERATIONS; i++) {
        size_t which = random_splitmix64(&random) % LIVES;
        if (stands[which])
            line_remove(&line, lives[which]);
        else
            line_add(&line, lives[which]);
        stands[which] = !stands[which];
        if (i % 31 == 0)
            assert_is_heap(&line, stands, lives);
    }
    assert_is_heap(&line, stands, lives);
    line_done(&line);
    for (size_t i = 0; i < LIVES; i++)
        free(lives[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_random_coming_and_going),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
