/*
 * What a place in a line costs with a hundred thousand behind it, counted in function calls of line.c, which
 * is compiled for this test so that each of its functions tells of its entry: O(log n).
 */
#include "line.h"
#include "tests/support/steps.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define OPERATIONS 2000

static int64_t log2_of(size_t n)
{
    int64_t log = 0;
    while (n > 1) {
        n /= 2;
        log++;
    }
    return log;
}

/* The most steps that one operation took: the first is served, or somebody in the middle leaves, and another
 * comes. */
static int64_t most_steps(size_t count)
{
    struct live *lives = check_alloc(count * sizeof(*lives));
    struct launch *launches = check_alloc(count * sizeof(*launches));
    struct line line = {0};
    uint64_t random = 5;
    for (size_t i = 0; i < count; i++) {
        launches[i].run.due_at_ms = (int64_t)(random_splitmix64(&random) % 1000000);
        lives[i].launch = &launches[i];
        lives[i].arrival = i;
        line_add(&line, &lives[i]);
    }
    int64_t most = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        struct live *live = i % 2 == 0 ? line_first(&line) : &lives[random_splitmix64(&random) % count];
        steps = 0;
        line_remove(&line, live);
        live->launch->run.due_at_ms = i % 4 == 0 ? 0 : (int64_t)(random_splitmix64(&random) % 1000000);
        line_add(&line, live);
        most = steps > most ? steps : most;
    }
    assert_int_equal(line.count, count);
    line_done(&line);
    free(launches);
    free(lives);
    return most;
}

static void test_steps_grow_with_the_logarithm(void **state)
{
    (void)state;
    static const size_t counts[] = {100, 1000, 10000, 100000};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        int64_t most = most_steps(counts[i]);
        print_message("%zu in line: one leaves and one comes in %d calls at most\n", counts[i], (int)most);
        assert_true(most > 0 && most <= 6 * log2_of(counts[i]) + 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_grow_with_the_logarithm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
