/*
 * config_proxy: which proxy the API is asked through. The expected ones are what httpx 0.28.1 chooses, the
 * HTTP client of Prefect's worker.
 */
#include "config_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_as_the_http_client_of_prefect(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *environment[4];
        const char *proxy;
    } cases[] = {
        {"http://h:4200/api", {"HTTP_PROXY=http://p:1"}, "http://p:1"},
        {"http://h:4200/api", {"http_proxy=p:1"}, "http://p:1"},
        {"http://h:4200/api", {"HTTP_PROXY=http://big:1", "http_proxy=http://small:1"}, "http://small:1"},
        {"http://h:4200/api", {"HTTP_PROXY=http://big:1", "http_proxy="}, ""},
        {"http://h:4200/api", {"HTTPS_PROXY=http://p:1"}, ""},
        {"https://h/api", {"HTTPS_PROXY=http://u:p@p:1"}, "http://u:p@p:1"},
        {"https://h/api", {"HTTP_PROXY=http://p:1"}, ""},
        {"https://h/api", {"ALL_PROXY=http://a:1"}, "http://a:1"},
        {"https://h/api", {"All_Proxy=http://a:1", "https_proxy=http://s:1"}, "http://s:1"},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=*"}, ""},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=a, h ,b"}, ""},
        {"http://H/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h"}, ""},
        {"http://a.h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h"}, ""},
        {"http://ah/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h"}, "http://p:1"},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=.h"}, "http://p:1"},
        {"http://a.h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=.h"}, ""},
        {"http://a.localhost/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=localhost"}, "http://p:1"},
        {"http://localhost:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=localhost"}, ""},
        {"http://h:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h:4200"}, ""},
        {"http://h:4201/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h:4200"}, "http://p:1"},
        {"http://127.0.0.1:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=127.0.0.1"}, ""},
        {"http://127.0.0.1:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=127.0.0.0/8"}, "http://p:1"},
        {"http://[::1]:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=::1"}, ""},
        {"http://[::1]:4200/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=::2"}, "http://p:1"},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=https://h"}, "http://p:1"},
        {"https://h/api", {"ALL_PROXY=http://p:1", "NO_PROXY=https://h"}, ""},
        {"https://h/api", {"ALL_PROXY=http://p:1", "NO_PROXY=https://"}, ""},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=h", "no_proxy="}, "http://p:1"},
        {"http://h/api", {"HTTP_PROXY=http://p:1", "NO_PROXY=", "no_proxy=x"}, "http://p:1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *environment[4] = {NULL};
        struct config_arena arena = {NULL};
        for (size_t v = 0; cases[i].environment[v] != NULL; v++)
            environment[v] = check_strdup(cases[i].environment[v]);
        const char *proxy = config_proxy_for(environment, cases[i].url, &arena);
        if (strcmp(proxy, cases[i].proxy) != 0)
            fail_msg("%s with %s: \"%s\"", cases[i].url, cases[i].environment[0], proxy);
        config_arena_done(&arena);
        for (size_t v = 0; environment[v] != NULL; v++)
            free(environment[v]);
    }
}

/* Hostile or half-written ones: no proxy or any, but read within their bounds. */
static void test_odd_addresses(void **state)
{
    (void)state;
    static const char *const urls[] = {"", "http://", "http://[", "x", "http://u@h@i:99999999999/", "://"};
    static const char *const lists[] = {"",  ",,",         "://", "[::",      ":",
                                        "@", "https://:1", ".",   "a:b:c,*x", "//"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
            char proxy[] = "all_proxy=http://p:1";
            char *AUTO_FREE list = check_printf("no_proxy=%s", lists[k]);
            char *environment[] = {proxy, list, NULL};
            struct config_arena arena = {NULL};
            assert_non_null(config_proxy_for(environment, urls[i], &arena));
            config_arena_done(&arena);
        }
    assert_string_equal(config_proxy_for(NULL, NULL, NULL), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_the_http_client_of_prefect),
                                       cmocka_unit_test(test_odd_addresses)};
    return cmocka_run_group_tests_name("config_proxy", tests, NULL, NULL);
}
