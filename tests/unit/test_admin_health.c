/* /health through real sockets on the test's own loop: well, unwell, other paths and methods, and a request
 * that is too large. */
#include "api/admin_health.h"
#include "api/http.h"
#include "tests/support/fake_clock.h"
#include "tests/support/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include <cmocka.h>

struct world {
    struct event_base *base;
    struct fake_clock fc;
    struct timers *timers;
    struct http *http;
    struct admin_health *health;
    bool well;
    int status;
    char body[200];
};

static bool is_well(void *arg)
{
    struct world *w = arg;
    return w->well;
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct world *w = arg;
    w->status = reply->status;
    snprintf(w->body, sizeof(w->body), "%s", reply->body);
}

static int setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    struct err err;
    w->base = event_base_new();
    fake_clock_init(&w->fc);
    w->timers = timers_new(fake_clock_clock(&w->fc));
    struct http_settings settings = {.proxy = ""};
    assert_int_equal(http_new(w->base, w->timers, &settings, &w->http, &err), 0);
    assert_int_equal(admin_health_new(w->base, "127.0.0.1", 0, is_well, w, &w->health, &err), 0);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    http_free(w->http);
    admin_health_free(w->health);
    timers_free(w->timers);
    event_base_free(w->base);
    free(w);
    return 0;
}

static void ask(struct world *w, const char *method, const char *path, const char *header)
{
    char url[100];
    struct err err;
    struct http_call *call;
    const char *headers[] = {header, NULL};
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", admin_health_port(w->health), path);
    struct http_request request = {
        .method = method, .url = url, .headers = headers, .done = on_done, .arg = w};
    w->status = 0;
    w->body[0] = '\0';
    assert_int_equal(http_start(w->http, &request, &call, &err), 0);
    turn_until_quiet(w->base, w->http);
}

static void test_health_says_what_the_service_says(void **state)
{
    struct world *w = *state;
    w->well = true;
    ask(w, "GET", "/health", NULL);
    assert_int_equal(w->status, 200);
    assert_string_equal(w->body, "{\"message\":\"OK\"}");
    w->well = false;
    ask(w, "GET", "/health", NULL);
    assert_int_equal(w->status, 503);
    assert_string_equal(w->body, "{\"message\":\"Worker may be unresponsive at this time\"}");
}

static void test_nothing_else_is_served(void **state)
{
    struct world *w = *state;
    w->well = true;
    ask(w, "GET", "/", NULL);
    assert_int_equal(w->status, 404);
    ask(w, "GET", "/health/../metrics", NULL);
    assert_int_not_equal(w->status, 500);
    ask(w, "DELETE", "/health", NULL);
    assert_int_equal(w->status, 501);
}

static void test_huge_headers_are_refused(void **state)
{
    struct world *w = *state;
    static char header[20000];
    w->well = true;
    snprintf(header, sizeof(header), "X: %0*d", (int)sizeof(header) - 10, 1);
    ask(w, "GET", "/health", header);
    assert_int_not_equal(w->status, 200);
    ask(w, "GET", "/health", NULL);
    assert_int_equal(w->status, 200);
}

static void test_an_address_in_use_is_told(void **state)
{
    struct world *w = *state;
    struct admin_health *second = NULL;
    struct err err;
    assert_int_equal(
        admin_health_new(w->base, "127.0.0.1", admin_health_port(w->health), is_well, w, &second, &err), -1);
    assert_non_null(strstr(err.msg, "127.0.0.1:"));
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health_says_what_the_service_says, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_else_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_huge_headers_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_address_in_use_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
