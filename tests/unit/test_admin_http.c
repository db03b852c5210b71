/*
 * The server of /health and the status page, through real sockets on the test's own loop and fake clock: what
 * it answers, and that clients who drip, dawdle, don't read or are many are got rid of.
 */
#include "api/admin_http.h"
#include "tests/support/fake_clock.h"
#include "tests/support/turn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include <cmocka.h>

#define H "Host: localhost\r\n\r\n"
#define LARGE_BYTES ((size_t)4000000)

struct world {
    struct event_base *base;
    struct fake_clock fc;
    struct timers *timers;
    struct admin_http *http;
    int asked; /* how often a route was */
};

static void answer_small(void *arg, const struct admin_http_request *request,
                         struct admin_http_answer *answer)
{
    struct world *w = arg;
    struct err err;
    w->asked++;
    assert_int_equal(
        buf_printf(&answer->body, &err, "[%s|%s|%s]", request->path, request->query, request->accept), 0);
}

static void answer_large(void *arg, const struct admin_http_request *request,
                         struct admin_http_answer *answer)
{
    (void)arg;
    (void)request;
    struct err err;
    char *AUTO_FREE bytes = check_alloc(LARGE_BYTES);
    memset(bytes, 'x', LARGE_BYTES);
    answer->content_type = "text/plain";
    assert_int_equal(buf_add(&answer->body, bytes, LARGE_BYTES, &err), 0);
}

static const struct admin_http_route routes[] = {
    {"/", answer_small}, {"/health", answer_small}, {"/large", answer_large}, {NULL, NULL}};

static int setup_as(void **state, bool is_prefects)
{
    struct world *w = check_alloc(sizeof(*w));
    struct err err;
    w->base = event_base_new();
    fake_clock_init(&w->fc);
    w->timers = timers_new(fake_clock_clock(&w->fc));
    struct admin_http_settings settings = {.base = w->base,
                                           .timers = w->timers,
                                           .host = "127.0.0.1",
                                           .what = "[admin] listen",
                                           .routes = routes,
                                           .is_prefects = is_prefects,
                                           .arg = w};
    assert_int_equal(admin_http_new(&settings, &w->http, &err), 0);
    *state = w;
    return 0;
}

static int setup(void **state)
{
    return setup_as(state, false);
}

static int setup_prefects(void **state)
{
    return setup_as(state, true);
}

static int teardown(void **state)
{
    struct world *w = *state;
    admin_http_free(w->http);
    timers_free(w->timers);
    event_base_free(w->base);
    free(w);
    return 0;
}

/* receive_buffer: 0: as the system likes it. */
static int dial_with(struct world *w, int receive_buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)admin_http_port(w->http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer)), 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

static int dial(struct world *w)
{
    return dial_with(w, 0);
}

static void give(struct world *w, int fd, const char *bytes, size_t len)
{
    (void)!send(fd, bytes, len, MSG_NOSIGNAL); /* it may have been thrown out already */
    turn_until_quiet(w->base, NULL);
}

/* What has come, as text; " EOF" at the end if the other side has closed. */
static const char *take(int fd)
{
    static char text[20000];
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, text + len, sizeof(text) - 8 - len, MSG_DONTWAIT)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    if (n == 0 || errno == ECONNRESET)
        memcpy(text + len, " EOF", sizeof(" EOF"));
    return text;
}

static const char *ask(struct world *w, const char *bytes)
{
    int fd = dial(w);
    give(w, fd, bytes, strlen(bytes));
    const char *text = take(fd);
    close(fd);
    turn_until_quiet(w->base, NULL);
    return text;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool is_closed(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_empty(const void *arg)
{
    return admin_http_connections((struct admin_http *)(uintptr_t)arg) == 0;
}

/* Of what is due to happen without more time: the system's own ways between two sockets may take a moment. */
static bool all_are_gone(struct world *w)
{
    return turn_until(w->base, is_empty, w->http);
}

struct taking {
    int fd;
    size_t *left;
};

static bool takes_enough(const void *arg)
{
    const struct taking *t = arg;
    static char piece[65536];
    ssize_t n = recv(t->fd, piece, *t->left < sizeof(piece) ? *t->left : sizeof(piece), MSG_DONTWAIT);
    *t->left -= n > 0 ? (size_t)n : 0;
    return *t->left == 0;
}

/* Read exactly so much. */
static bool take_bytes(struct world *w, int fd, size_t count)
{
    struct taking taking = {fd, &count};
    return turn_until(w->base, takes_enough, &taking);
}

static void pass(struct world *w, int64_t ms)
{
    fake_clock_advance(&w->fc, w->timers, ms);
    turn_until_quiet(w->base, NULL);
}

static void test_a_route_answers(void **state)
{
    struct world *w = *state;
    const char *text = ask(w, "GET /health?a=b HTTP/1.1\r\nAccept: x/y\r\n" H);
    assert_true(starts_with(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n[/health|a=b|x/y]"));
    assert_non_null(strstr(text, "Content-Length: 17\r\n"));
    assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(text, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(text, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"));
    assert_non_null(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(text, "Referrer-Policy: no-referrer\r\n"));
    assert_non_null(strstr(text, "Cross-Origin-Resource-Policy: same-origin\r\n"));
    assert_null(strstr(text, "EOF"));
    assert_int_equal(admin_http_connections(w->http), 0);
}

static void test_head_is_an_answer_without_its_body(void **state)
{
    struct world *w = *state;
    const char *text = ask(w, "HEAD /health HTTP/1.1\r\n" H);
    assert_true(starts_with(text, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(text, "Content-Length: 11\r\n"));
    assert_true(strcmp(strstr(text, "\r\n\r\n"), "\r\n\r\n") == 0);
}

static void test_a_connection_is_kept_for_the_next_request(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    for (int i = 0; i < 3; i++) {
        give(w, fd, "GET / HTTP/1.1\r\n" H, strlen("GET / HTTP/1.1\r\n" H));
        assert_non_null(strstr(take(fd), "[/||]"));
        pass(w, 4000);
    }
    pass(w, 2000);
    assert_true(is_closed(fd));
    assert_int_equal(admin_http_connections(w->http), 0);
    close(fd);
    assert_non_null(strstr(ask(w, "GET / HTTP/1.0\r\n\r\n"), "[/||] EOF"));
}

static void test_refusals(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *request;
        const char *status;
        const char *told;
    } cases[] = {
        {"GET /nothing HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"GET //health HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"GET /large/../health HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"GET /healthy HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"GET /health/x HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"GET /health/ HTTP/1.1\r\n" H, "307", "Location: /health\r\n"},
        {"POST /health HTTP/1.1\r\n" H, "405", "Allow: GET, HEAD\r\n"},
        {"DELETE / HTTP/1.1\r\n" H, "405", "{\"detail\":\"Method Not Allowed\"}"},
        {"FOO / HTTP/1.1\r\n" H, "405", "Allow: GET, HEAD\r\n"},
        {"PROPFIND /health HTTP/1.1\r\n" H, "405", "{\"detail\":\"Method Not Allowed\"}"},
        {"get /large HTTP/1.1\r\n" H, "405", "Allow: GET, HEAD\r\n"},
        {"FOO /nothing HTTP/1.1\r\n" H, "404", "{\"detail\":\"Not Found\"}"},
        {"FOO / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "421", "[admin] names"},
        {"POST / HTTP/1.1\r\nContent-Length: 5\r\n" H "hello", "405", "Allow: GET, HEAD\r\n"},
        {"POST / HTTP/1.1\r\nContent-Length: 5000\r\n" H, "413", "Connection: close\r\n"},
        {"GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "421", "[admin] names"},
        {"GET http://evil.example.com/ HTTP/1.1\r\n" H, "421", "[admin] names"},
        {"GET / HTTP/3\r\n" H, "400", "Connection: close\r\n"},
        {"GET /\r\n" H, "400", "Connection: close\r\n"},
    };
    const char *refusal = ask(w, "GET /nothing HTTP/1.1\r\n" H);
    assert_non_null(
        strstr(refusal, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *text = ask(w, cases[i].request);
        if (!starts_with(text + strlen("HTTP/1.1 "), cases[i].status) || strstr(text, cases[i].told) == NULL)
            fail_msg("%s: %s", cases[i].request, text);
    }
    assert_int_equal(w->asked, 0);
}

static void test_prefects_rules_are_its_workers(void **state)
{
    struct world *w = *state;
    assert_true(
        starts_with(ask(w, "GET /health HTTP/1.1\r\nHost: some.where.example\r\n\r\n"), "HTTP/1.1 200"));
    const char *text = ask(w, "HEAD /health HTTP/1.1\r\n" H);
    assert_true(starts_with(text, "HTTP/1.1 405"));
    assert_non_null(strstr(text, "Allow: GET\r\n"));
    assert_non_null(strstr(text, "Content-Length: 31\r\n"));
}

static void test_piled_up_requests_are_answered_in_turn(void **state)
{
    struct world *w = *state;
    const char *text =
        ask(w, "GET / HTTP/1.1\r\n" H "GET /health HTTP/1.1\r\n" H "GET /health HTTP/1.1\r\n" H);
    const char *first = strstr(text, "[/||]");
    assert_non_null(first);
    assert_non_null(strstr(strstr(first, "[/health||]") + 1, "[/health||]"));
    assert_int_equal(w->asked, 3);
}

static void test_bodies_are_refused(void **state)
{
    struct world *w = *state;
    static char body[30000];
    memset(body, 'b', sizeof(body));
    int fd = dial(w);
    const char *head = "POST /health HTTP/1.1\r\nContent-Length: 10000000\r\n" H;
    give(w, fd, head, strlen(head));
    assert_true(starts_with(take(fd), "HTTP/1.1 413"));
    give(w, fd, body, sizeof(body));
    assert_true(all_are_gone(w));
    close(fd);
    assert_true(starts_with(
        ask(w, "POST /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" H "5\r\nhello\r\n0\r\n\r\n"),
        "HTTP/1.1 405"));
    assert_int_equal(w->asked, 0);
}

/* It would be taken for the next request. */
static void test_a_body_that_is_not_read_ends_the_connection(void **state)
{
    struct world *w = *state;
    static const char *const methods[] = {"FOO", "TRACE", "HEAD"};
    static const char *const headers[] = {"Content-Length: 35\r\n", "Transfer-Encoding: chunked\r\n"};
    char request[200];
    for (size_t i = 0; i < ARRAY_LEN(methods) * ARRAY_LEN(headers); i++) {
        snprintf(request, sizeof(request), "%s /nothing HTTP/1.1\r\n%s" H "GET / HTTP/1.1\r\n" H,
                 methods[i / 2], headers[i % 2]);
        assert_non_null(strstr(ask(w, request), "Connection: close\r\n"));
    }
    assert_int_equal(w->asked, 0);
    snprintf(request, sizeof(request), "FOO / HTTP/1.1\r\n" H "GET / HTTP/1.1\r\n" H);
    assert_non_null(strstr(ask(w, request), "[/||]"));
}

static void test_huge_heads_are_refused(void **state)
{
    struct world *w = *state;
    static char head[20000];
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nX: %08000d\r\n" H, 1);
    assert_true(starts_with(ask(w, head), "HTTP/1.1 200"));
    snprintf(head, sizeof(head), "GET / HTTP/1.1\r\nX: %015000d\r\n" H, 1);
    assert_true(starts_with(ask(w, head), "HTTP/1.1 400"));
    snprintf(head, sizeof(head), "GET /%09000d HTTP/1.1\r\n" H, 1);
    assert_true(starts_with(ask(w, head), "HTTP/1.1 400"));
    memset(head, '\n', sizeof(head) - 1);
    assert_true(starts_with(ask(w, head), "HTTP/1.1 400"));
    assert_int_equal(w->asked, 1);
}

static void test_another_protocol_ends_in_time(void **state)
{
    struct world *w = *state;
    int fd = dial(w);
    give(w, fd, "\x16\x03\x01\x02", 4); /* TLS */
    pass(w, 6000);
    assert_true(is_closed(fd));
    assert_int_equal(admin_http_connections(w->http), 0);
    close(fd);
}

/* A hundred who send a byte a second: none has more than its five seconds, and others are served meanwhile.
 */
static void test_dripping_heads_end_in_time(void **state)
{
    struct world *w = *state;
    int slow[100];
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        slow[i] = dial(w);
        give(w, slow[i], "G", 1);
        assert_in_range(admin_http_connections(w->http), 1, 64);
    }
    assert_int_equal(admin_http_connections(w->http), 64);
    for (int second = 1; second < 5; second++) {
        pass(w, 1000);
        for (size_t i = 0; i < ARRAY_LEN(slow); i++)
            (void)!send(slow[i], "E", 1, MSG_NOSIGNAL);
        assert_non_null(strstr(ask(w, "GET / HTTP/1.1\r\n" H), "[/||]"));
        assert_int_equal(admin_http_connections(w->http),
                         63); /* the one that has been waited for longest went */
    }
    pass(w, 1000);
    assert_int_equal(admin_http_connections(w->http), 0);
    for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
        assert_true(is_closed(slow[i]));
        close(slow[i]);
    }
}

static void test_who_does_not_read_is_dropped(void **state)
{
    struct world *w = *state;
    static const char request[] = "GET /large HTTP/1.1\r\n" H;
    int deaf[64];
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++) {
        deaf[i] = dial_with(w, 4096);
        give(w, deaf[i], request, sizeof(request) - 1);
    }
    assert_int_equal(admin_http_connections(w->http), 64);
    /* All are owed an answer: one more is the last that is let in, and the next waits outside. */
    int last = dial(w);
    give(w, last, request, sizeof(request) - 1);
    int next = dial(w);
    give(w, next, "GET / HTTP/1.1\r\n" H, strlen("GET / HTTP/1.1\r\n" H));
    assert_int_equal(admin_http_connections(w->http), 65);
    assert_string_equal(take(next), "");
    pass(w, 7000);
    assert_non_null(strstr(take(next), "[/||]"));
    assert_int_equal(admin_http_connections(w->http), 1);
    close(last);
    close(next);
    for (size_t i = 0; i < ARRAY_LEN(deaf); i++)
        close(deaf[i]);
}

/* Progress again and again, but never done: a minute is all it gets. */
static void test_who_reads_too_slowly_is_dropped(void **state)
{
    struct world *w = *state;
    static const char request[] = "GET /large HTTP/1.1\r\n" H;
    int fd = dial_with(w, 32768);
    give(w, fd, request, sizeof(request) - 1);
    for (int second = 0; second < 57; second += 3) {
        assert_true(take_bytes(w, fd, 150000));
        pass(w, 3000);
    }
    assert_true(take_bytes(w, fd, 150000));
    pass(w, 2999);
    assert_int_equal(admin_http_connections(w->http), 1);
    pass(w, 1);
    assert_int_equal(admin_http_connections(w->http), 0);
    close(fd);
}

static void test_who_reads_gets_all(void **state)
{
    struct world *w = *state;
    static const char request[] = "GET /large HTTP/1.1\r\n" H;
    static char answer[LARGE_BYTES + 1000];
    int fd = dial(w);
    give(w, fd, request, sizeof(request) - 1);
    assert_true(take_bytes(w, fd, LARGE_BYTES));
    ssize_t n = recv(fd, answer, sizeof(answer), 0);
    assert_in_range(n, 100, 999); /* that is as long as the headers */
    close(fd);
}

static void test_who_leaves_is_forgotten(void **state)
{
    struct world *w = *state;
    struct linger at_once = {.l_onoff = 1};
    static const char request[] = "GET /large HTTP/1.1\r\n" H;
    int fd = dial(w);
    give(w, fd, "GET /he", 7);
    close(fd);
    assert_true(all_are_gone(w));
    fd = dial(w);
    give(w, fd, request, sizeof(request) - 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
    assert_true(all_are_gone(w));
}

static void test_an_address_that_cannot_be_had_is_told(void **state)
{
    struct world *w = *state;
    struct admin_http *second = NULL;
    struct err err;
    struct admin_http_settings settings = {.base = w->base,
                                           .timers = w->timers,
                                           .host = "127.0.0.1",
                                           .port = admin_http_port(w->http),
                                           .what = "[admin] listen",
                                           .routes = routes};
    assert_int_equal(admin_http_new(&settings, &second, &err), -1);
    assert_true(starts_with(err.msg, "[admin] listen: can't listen on 127.0.0.1:"));
    settings.host = "no such name";
    assert_int_equal(admin_http_new(&settings, &second, &err), -1);
    assert_non_null(strstr(err.msg, "no such name"));
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_route_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_head_is_an_answer_without_its_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_connection_is_kept_for_the_next_request, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_prefects_rules_are_its_workers, setup_prefects, teardown),
        cmocka_unit_test_setup_teardown(test_piled_up_requests_are_answered_in_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bodies_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_body_that_is_not_read_ends_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_huge_heads_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_protocol_ends_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dripping_heads_end_in_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_does_not_read_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_reads_too_slowly_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_reads_gets_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_leaves_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_address_that_cannot_be_had_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
