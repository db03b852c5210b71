/*
 * The hash table from text to pointer, against a plain array that does the same.
 */
#include "index.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 600
#define OPERATIONS 100000
#define KEY_SIZE 24

struct model {
    char keys[KEYS][KEY_SIZE];
    int *values[KEYS]; /* NULL: not in the table */
    int numbers[KEYS];
    size_t count;
};

static void model_init(struct model *m)
{
    for (int i = 0; i < KEYS; i++) {
        snprintf(m->keys[i], KEY_SIZE, "run-%d", i * 7919);
        m->numbers[i] = i;
    }
}

static void assert_same(const struct index *index, const struct model *m)
{
    assert_int_equal(index->count, m->count);
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(index_find(index, m->keys[i]), m->values[i]);
}

static void put_or_remove(struct index *index, struct model *m, uint64_t random)
{
    size_t key = random % KEYS;
    bool puts = (random >> 32) % 100 < 55;
    if (puts) {
        m->count += m->values[key] == NULL ? 1 : 0;
        m->values[key] = &m->numbers[(random >> 40) % KEYS];
        index_put(index, m->keys[key], m->values[key]);
    } else {
        m->count -= m->values[key] != NULL ? 1 : 0;
        m->values[key] = NULL;
        index_remove(index, m->keys[key]);
    }
}

static void test_random_operations(void **state)
{
    (void)state;
    static struct model m;
    struct index index = {0};
    uint64_t random = 1;
    model_init(&m);
    for (int i = 0; i < OPERATIONS; i++) {
        put_or_remove(&index, &m, random_splitmix64(&random));
        if (i % 97 == 0)
            assert_same(&index, &m);
        assert_true(index.count * 2 <= index.cap);
    }
    assert_same(&index, &m);
    for (int i = 0; i < KEYS; i++) {
        index_remove(&index, m.keys[i]);
        m.count -= m.values[i] != NULL ? 1 : 0;
        m.values[i] = NULL;
    }
    assert_same(&index, &m);
    assert_int_equal(index.count, 0);
    index_done(&index);
}

static void test_empty(void **state)
{
    (void)state;
    struct index index = {0};
    assert_null(index_find(&index, "a"));
    index_remove(&index, "a");
    index_done(&index);
    assert_null(index_find(&index, ""));
    index_done(&index);
}

/* Keys live as long as their value: a new value brings its own key. */
static void test_put_takes_the_new_key(void **state)
{
    (void)state;
    struct index index = {0};
    int old_value = 1;
    int new_value = 2;
    char *old_key = check_strdup("run");
    char *new_key = check_strdup("run");
    index_put(&index, old_key, &old_value);
    index_put(&index, new_key, &new_value);
    memset(old_key, 'x', 3);
    free(old_key);
    assert_ptr_equal(index_find(&index, "run"), &new_value);
    assert_int_equal(index.count, 1);
    index_remove(&index, "run");
    free(new_key);
    assert_null(index_find(&index, "run"));
    index_done(&index);
}

static void test_removing_what_is_not_there_changes_nothing(void **state)
{
    (void)state;
    struct index index = {0};
    int value = 1;
    index_put(&index, "a", &value);
    index_put(&index, "", &value);
    index_remove(&index, "b");
    assert_int_equal(index.count, 2);
    assert_ptr_equal(index_find(&index, "a"), &value);
    assert_ptr_equal(index_find(&index, ""), &value);
    index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_takes_the_new_key),
        cmocka_unit_test(test_removing_what_is_not_there_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
