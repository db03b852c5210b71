/* Which registry an image comes from, by the rule of Docker's names. */
#include "core/image_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *image;
        const char *host;
    } cases[] = {
        {"busybox", "docker.io"},
        {"busybox:1.36", "docker.io"},
        {"prefecthq/prefect:3-latest", "docker.io"},
        {"docker.io/library/busybox", "docker.io"},
        {"ghcr.io/owner/image:tag", "ghcr.io"},
        {"ghcr.io/owner/image@sha256:0123", "ghcr.io"},
        {"127.0.0.1:5000/a", "127.0.0.1:5000"},
        {"registry:5000/team/a:1", "registry:5000"},
        {"localhost/a", "localhost"},
        {"localhosts/a", "docker.io"},
        {"", "docker.io"},
        {"/a", "docker.io"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char host[IMAGE_HOST_SIZE];
        image_host(cases[i].image, host);
        assert_string_equal(host, cases[i].host);
    }
}

static void test_a_host_that_is_too_long_is_cut(void **state)
{
    (void)state;
    char image[600];
    char host[IMAGE_HOST_SIZE];
    memset(image, 'a', sizeof(image));
    memcpy(image + 500, ".b/c", 5);
    image_host(image, host);
    assert_int_equal(strlen(host), IMAGE_HOST_SIZE - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_a_host_that_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
