/*
 * One worker of a server, pool and name: where its lock lies, and who gets it.
 */
#include "instance_lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_folder(const char *expected, bool is_root, const char *runtime, const char *xdg)
{
    char *folder = instance_lock_folder(is_root, runtime, xdg);
    if (expected == NULL)
        assert_null(folder);
    else
        assert_string_equal(folder, expected);
    free(folder);
}

static void test_folder(void **state)
{
    (void)state;
    expect_folder("/run/a", true, "/run/a", "/run/user/0");
    expect_folder("/run/a", false, "/run/a:/run/b", NULL);
    expect_folder("/run/sluice", true, NULL, "/run/user/0");
    expect_folder("/run/sluice", true, "", NULL);
    expect_folder("/run/user/7/sluice", false, NULL, "/run/user/7");
    expect_folder(NULL, false, NULL, NULL);
    expect_folder(NULL, false, "", "");
}

static void test_the_second_is_refused_until_the_first_has_gone(void **state)
{
    (void)state;
    char parent[] = "/tmp/sluice-instance-XXXXXX";
    assert_non_null(mkdtemp(parent));
    char *folder = check_printf("%s/locks", parent);
    int first = -1;
    int second = -1;
    int other = -1;
    struct err err;
    assert_int_equal(instance_lock_take(folder, "a1", "pool", "w", &clock_system, &first, &err), 0);
    assert_int_equal(instance_lock_take(folder, "b2", "pool", "v", &clock_system, &other, &err), 0);
    assert_int_equal(instance_lock_take(folder, "a1", "pool", "w", &clock_system, &second, &err), -1);
    assert_int_equal(err.kind, ERR_CONFLICT);
    char *who = check_printf("another sluice (process %ld since ", (long)getpid());
    assert_non_null(strstr(err.msg, who));
    assert_non_null(strstr(err.msg, "the worker \"w\" of the work pool \"pool\""));
    assert_int_equal(second, -1);
    close(first);
    assert_int_equal(instance_lock_take(folder, "a1", "pool", "w", &clock_system, &second, &err), 0);
    close(second);
    close(other);
    free(who);
    char *remove = check_printf("rm -r %s", parent);
    assert_int_equal(system(remove), 0);
    free(remove);
    free(folder);
}

static void test_no_place_for_it(void **state)
{
    (void)state;
    struct err err;
    int fd = -1;
    assert_int_equal(instance_lock_take("/proc/none", "a1", "pool", "w", &clock_system, &fd, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, "/proc/none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_the_second_is_refused_until_the_first_has_gone),
        cmocka_unit_test(test_no_place_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
