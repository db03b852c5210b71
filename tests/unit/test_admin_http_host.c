/* test_admin_http_host.c - which Host headers are answered. */
#include "api/admin_http_host.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_whose_host_it_is(void **state)
{
    (void)state;
    static const char *const names[] = {"sluice.example.org", NULL};
    static const char *const ours[] = {"",
                                       "localhost",
                                       "LOCALHOST:8080",
                                       "127.0.0.1",
                                       "127.0.0.1:9",
                                       "10.1.2.3",
                                       "[::1]",
                                       "[::1]:80",
                                       "[fe80::1]",
                                       "sluice",
                                       "sluice:9090",
                                       "a.localhost",
                                       "sluice.example.org",
                                       "Sluice.Example.org.:80"};
    static const char *const others[] = {"evil.example.com",
                                         "evil.example.com:8080",
                                         "127.0.0.1.evil.com",
                                         "localhost.evil.com",
                                         "sluice.example.org.evil.com",
                                         "1.2.3",
                                         "[evil.com]",
                                         "[::1",
                                         "[::1]evil.com",
                                         "evil.com:80:80",
                                         ":80",
                                         "localhost:evil.com",
                                         "x.sluice.example.org"};
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (!admin_http_host_is_ours(ours[i], names))
            fail_msg("refused: %s", ours[i]);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (admin_http_host_is_ours(others[i], names))
            fail_msg("let in: %s", others[i]);
    assert_false(admin_http_host_is_ours("sluice.example.org", NULL));
    char longer[400];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_false(admin_http_host_is_ours(longer, names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whose_host_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
