/*
 * buf: growth up to the maximum and not beyond, a failed append changes nothing, what is handed out.
 */
#include "base/buf.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_starts_as_empty_text(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_text(&b), "");
    buf_clear(&b);
    buf_consume(&b, 0);
    char *taken = buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
    buf_done(&b);
    buf_done(NULL);
}

static void test_maximum_is_exact_and_refusal_changes_nothing(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 10);
    assert_int_equal(buf_add_str(&b, "0123456789", &err), 0);
    assert_int_equal(buf_add(&b, "", 0, &err), 0);
    assert_int_equal(buf_add_str(&b, "x", &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_non_null(strstr(err.msg, "10 bytes"));
    assert_string_equal(buf_text(&b), "0123456789");
    assert_int_equal(b.len, 10);
    assert_int_equal(buf_printf(&b, &err, "%d", 1), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    buf_consume(&b, 4);
    assert_int_equal(buf_printf(&b, &err, "%s-%d", "a", 12), 0);
    assert_string_equal(buf_text(&b), "456789a-12");
    buf_done(&b);
    assert_string_equal(buf_text(&b), "");
}

static void test_huge_lengths_do_not_wrap_around(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, SIZE_MAX / 2);
    assert_int_equal(buf_add_str(&b, "abc", &err), 0);
    assert_int_equal(buf_add(&b, "x", SIZE_MAX, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_int_equal(buf_add(&b, "x", SIZE_MAX / 2 - 2, &err), -1);
    assert_int_equal(err.kind, ERR_LIMIT);
    assert_string_equal(buf_text(&b), "abc");
    buf_done(&b);
}

static void test_bytes_pass_as_they_are(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 100);
    assert_int_equal(buf_add(&b, "a\0b", 3, &err), 0);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
    buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(buf_text(&b), "");
    buf_done(&b);
}

static void test_what_is_taken_belongs_to_the_caller(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 5);
    assert_int_equal(buf_add_str(&b, "one", &err), 0);
    char *one = buf_take(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(buf_add_str(&b, "three", &err), 0);
    assert_int_equal(buf_add_str(&b, "4", &err), -1);
    assert_string_equal(one, "one");
    assert_string_equal(buf_text(&b), "three");
    free(one);
    buf_done(&b);
}

/* Against a plain array: random appends and consumes. */
static void test_random_use_against_a_plain_array(void **state)
{
    (void)state;
    static char plain[4096];
    size_t len = 0;
    uint64_t seed = 1;
    struct buf b;
    struct err err;
    buf_init(&b, sizeof(plain));
    for (int i = 0; i < 20000; i++) {
        char piece[300];
        size_t n = random_splitmix64(&seed) % sizeof(piece);
        memset(piece, 'a' + i % 26, n);
        if (random_splitmix64(&seed) % 3 == 0) {
            n = n < len ? n : len;
            buf_consume(&b, n);
            memmove(plain, plain + n, len - n);
            len -= n;
        } else {
            int expected = len + n <= sizeof(plain) ? 0 : -1;
            assert_int_equal(buf_add(&b, piece, n, &err), expected);
            if (expected == 0) {
                memcpy(plain + len, piece, n);
                len += n;
            }
        }
        assert_int_equal(b.len, len);
        assert_memory_equal(buf_text(&b), plain, len);
        assert_int_equal(buf_text(&b)[len], '\0');
    }
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_as_empty_text),
        cmocka_unit_test(test_maximum_is_exact_and_refusal_changes_nothing),
        cmocka_unit_test(test_huge_lengths_do_not_wrap_around),
        cmocka_unit_test(test_bytes_pass_as_they_are),
        cmocka_unit_test(test_what_is_taken_belongs_to_the_caller),
        cmocka_unit_test(test_random_use_against_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
