/* test_http_failures.c - api/http.h when connections, answers or libcurl break: the right word, and `sent`.
 */
#include "tests/unit/http_world.h"

#include <curl/curl.h>

#include <arpa/inet.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

static void run_tcp(struct http_world *w, struct call_record *r, const char *bytes, enum raw_then then)
{
    answer_with(&w->tcp_server, bytes, then);
    struct http_request request = http_world_tcp(w, "/x");
    request.changes = true;
    call_run(w, r, &request);
}

static void assert_says(const struct call_record *r, const char *part)
{
    if (strstr(r->failure.message, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, r->failure.message);
}

static void test_broken_answers(void **state)
{
    struct http_world *w = *state;
    static const struct {
        const char *bytes;
        enum raw_then then;
        enum transport transport;
        int status;
    } cases[] = {
        {NULL, RAW_CLOSE, TRANSPORT_CLOSED_BEFORE_ANSWER, 0},
        {NULL, RAW_RESET, TRANSPORT_RESET_BEFORE_ANSWER, 0},
        {"HTTP/1.1 200 OK\r\nContent-Le", RAW_CLOSE, TRANSPORT_PARTIAL_HEADERS, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", RAW_CLOSE, TRANSPORT_PARTIAL_HEADERS, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", RAW_RESET, TRANSPORT_PARTIAL_HEADERS, 200},
        {"HTTP/1.1 100 Continue\r\n\r\n", RAW_CLOSE, TRANSPORT_PARTIAL_HEADERS, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", RAW_CLOSE, TRANSPORT_PARTIAL_BODY, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", RAW_CLOSE, TRANSPORT_PARTIAL_BODY, 200},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", RAW_RESET, TRANSPORT_PARTIAL_BODY, 200},
        {"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", RAW_CLOSE,
         TRANSPORT_PARTIAL_BODY, 201},
        {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", RAW_KEEP, TRANSPORT_PARTIAL_BODY, 200},
        {"garbage\r\n\r\n", RAW_CLOSE, TRANSPORT_BAD_ANSWER, 0},
        {"<html>who are you</html>", RAW_CLOSE, TRANSPORT_BAD_ANSWER, 0},
        {"HTTP/1.1 abc\r\n\r\n", RAW_CLOSE, TRANSPORT_BAD_ANSWER, 0},
        {"HTTP/7.9 200 OK\r\n\r\n", RAW_CLOSE, TRANSPORT_BAD_ANSWER, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", RAW_CLOSE, TRANSPORT_BAD_ANSWER, 200},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call_record r = {0};
        run_tcp(w, &r, cases[i].bytes, cases[i].then);
        assert_failure(&r, cases[i].transport, true, CLOCK_KIND_NONE);
        assert_int_equal(r.status, cases[i].status);
        assert_true(r.failure.changes);
        assert_says(&r, "http://127.0.0.1:");
        assert_int_equal(w->tcp_server.request_count, i + 1);
        call_done(&r);
    }
}

static void test_a_body_beyond_the_maximum(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsixsix",
        "HTTP/1.1 500 OK\r\nContent-Length: 9999999999\r\n\r\nsixsix",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        answer_with(&w->unix_server, answers[i], RAW_KEEP);
        struct http_request request = http_world_get(w);
        request.max_body_bytes = 5;
        call_run(w, &r, &request);
        assert_failure(&r, TRANSPORT_BODY_TOO_LARGE, true, CLOCK_KIND_NONE);
        call_done(&r);
    }
}

static void test_headers_beyond_the_maximum(void **state)
{
    struct http_world *w = *state;
    static const struct {
        size_t lines;
        size_t line_bytes;
    } cases[] = {{1100, 60}, {1, 70000}, {1, 400000}, {40000, 10}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct call_record r = {0};
        struct buf bytes;
        struct err err;
        buf_init(&bytes, SIZE_MAX / 2);
        char *AUTO_FREE line = check_alloc(cases[i].line_bytes + 1);
        memset(line, 'a', cases[i].line_bytes);
        line[1] = ':';
        assert_int_equal(buf_add_str(&bytes, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", &err), 0);
        for (size_t n = 0; n < cases[i].lines; n++)
            assert_int_equal(buf_printf(&bytes, &err, "%s\r\n", line), 0);
        assert_int_equal(buf_add_str(&bytes, "\r\n", &err), 0);
        answer_with(&w->unix_server, bytes.data, RAW_KEEP);
        struct http_request request = http_world_get(w);
        call_run(w, &r, &request);
        assert_failure(&r, TRANSPORT_BAD_ANSWER, true, CLOCK_KIND_NONE);
        call_done(&r);
        buf_done(&bytes);
    }
}

/* --- never sent twice --- */

/* The second request comes on the kept connection, is read to its end, and gets no answer but the close. */
static void assert_not_sent_again(struct http_world *w, const char *method, const char *body)
{
    struct call_record r = {0};
    static const struct raw_answer answers[] = {{ok, RAW_KEEP}, {NULL, RAW_CLOSE}, {ok, RAW_KEEP}};
    int requests = w->unix_server.request_count;
    struct http_request request = http_world_get(w);
    raw_server_answer(&w->unix_server, answers, ARRAY_LEN(answers));
    call_run(w, &r, &request);
    assert_false(r.has_failure);
    call_done(&r);
    int connections = w->unix_server.connection_count;
    request.method = method;
    request.body = body;
    request.body_len = body == NULL ? 0 : strlen(body);
    call_start(w, &r, &request);
    turn(w);
    assert_failure(&r, TRANSPORT_REUSED_CLOSED, true, CLOCK_KIND_NONE);
    assert_int_equal(w->unix_server.request_count, requests + 2);
    assert_true(w->unix_server.connection_count <= connections + 1);
    call_done(&r);
}

static void test_no_request_is_sent_twice(void **state)
{
    struct http_world *w = *state;
    assert_not_sent_again(w, "POST", "{}");
    assert_not_sent_again(w, "POST", NULL);
    assert_not_sent_again(w, "PATCH", "{}");
    assert_not_sent_again(w, "PUT", "{}");
    assert_not_sent_again(w, "DELETE", NULL);
    assert_not_sent_again(w, "GET", NULL);
    assert_not_sent_again(w, "HEAD", NULL);
}

/* The kept connection is closed while the body of the next request is still going out. */
static void test_no_half_sent_request_is_sent_twice(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    size_t len = (size_t)8 * 1024 * 1024;
    char *AUTO_FREE body = check_alloc(len);
    struct http_request request = http_world_get(w);
    answer_with(&w->unix_server, ok, RAW_KEEP);
    call_run(w, &r, &request);
    call_done(&r);
    w->unix_server.close_after_bytes = 100000;
    request.method = "POST";
    request.body = body;
    request.body_len = len;
    call_run(w, &r, &request);
    assert_true(r.has_failure);
    assert_true(r.failure.sent);
    assert_int_equal(r.status, 0);
    assert_true(r.failure.transport == TRANSPORT_REUSED_CLOSED ||
                r.failure.transport == TRANSPORT_SEND_FAILED ||
                r.failure.transport == TRANSPORT_RESET_BEFORE_ANSWER);
    assert_true(w->unix_server.connection_count <= 2);
    assert_int_equal(w->unix_server.open_count, w->unix_server.connection_count - 1);
    assert_int_equal(w->unix_server.request_count, 1);
    call_done(&r);
}

static void test_a_fresh_connection_that_closes(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    answer_with(&w->unix_server, NULL, RAW_CLOSE);
    struct http_request request = http_world_get(w);
    request.method = "POST";
    request.fresh_connection = true;
    request.changes = true;
    call_run(w, &r, &request);
    assert_failure(&r, TRANSPORT_CLOSED_BEFORE_ANSWER, true, CLOCK_KIND_NONE);
    assert_int_equal(w->unix_server.request_count, 1);
    assert_int_equal(w->unix_server.connection_count, 1);
    call_done(&r);
}

/* --- no connection --- */

static void test_no_socket_file(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_get(w);
    request.unix_socket = "/nonexistent/docker.sock";
    call_run(w, &r, &request);
    assert_failure(&r, TRANSPORT_ENOENT_UNIX, false, CLOCK_KIND_NONE);
    assert_says(&r, "cannot connect to unix:///nonexistent/docker.sock: No such file or directory");
    call_done(&r);
}

static void test_a_socket_file_without_a_server(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    close(w->unix_server.fd);
    w->unix_server.fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct http_request request = http_world_get(w);
    call_run(w, &r, &request);
    assert_failure(&r, TRANSPORT_ECONNREFUSED_UNIX, false, CLOCK_KIND_NONE);
    assert_says(&r, "Connection refused");
    call_done(&r);
}

static void test_a_socket_file_we_may_not_use(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    uid_t user = geteuid();
    assert_int_equal(chmod(w->path, 0), 0);
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    struct http_request request = http_world_get(w);
    call_run(w, &r, &request);
    if (user == 0)
        assert_int_equal(seteuid(user), 0);
    assert_failure(&r, TRANSPORT_EACCES_UNIX, false, CLOCK_KIND_NONE);
    call_done(&r);
}

/* Fill a listener's queue, which nobody accepts from. */
static size_t fill_queue(const struct sockaddr *address, socklen_t len, int *fds, size_t count)
{
    size_t n = 0;
    for (; n < count; n++) {
        fds[n] = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        assert_true(fds[n] >= 0);
        int rc = connect(fds[n], address, len);
        if (rc != 0 && address->sa_family == AF_UNIX)
            return n + 1;
    }
    return n;
}

static void test_a_full_unix_queue(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    char *AUTO_FREE path = check_printf("%s/full", w->dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    const struct sockaddr *name = (const struct sockaddr *)&address;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, name, sizeof(address)), 0);
    assert_int_equal(listen(listener, 0), 0);
    int fds[8];
    size_t count = fill_queue(name, sizeof(address), fds, ARRAY_LEN(fds));
    assert_true(count < ARRAY_LEN(fds));
    struct http_request request = http_world_get(w);
    request.unix_socket = path;
    call_run(w, &r, &request);
    assert_failure(&r, TRANSPORT_EAGAIN_UNIX, false, CLOCK_KIND_NONE);
    call_done(&r);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
    unlink(path);
}

static int bind_loopback(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

static void test_a_port_without_a_server(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct sockaddr_in address;
    int bound = bind_loopback(&address);
    char *AUTO_FREE url = check_printf("http://user:hunter2@127.0.0.1:%d/x", ntohs(address.sin_port));
    struct http_request request = http_world_tcp(w, "/");
    request.url = url;
    call_run(w, &r, &request);
    assert_failure(&r, TRANSPORT_ECONNREFUSED_TCP, false, CLOCK_KIND_NONE);
    assert_says(&r, "cannot connect to http://127.0.0.1:");
    assert_null(strstr(r.failure.message, "hunter2"));
    call_done(&r);
    close(bound);
}

static void test_a_port_that_never_answers(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct sockaddr_in address;
    int listener = bind_loopback(&address);
    assert_int_equal(listen(listener, 0), 0);
    int fds[4];
    size_t count = fill_queue((const struct sockaddr *)&address, sizeof(address), fds, ARRAY_LEN(fds));
    char *AUTO_FREE url = check_printf("http://127.0.0.1:%d/x", ntohs(address.sin_port));
    struct http_request request = http_world_tcp(w, "/");
    request.url = url;
    call_start(w, &r, &request);
    turn(w);
    fake_clock_advance(&w->fc, w->timers, 4999);
    turn(w);
    assert_int_equal(r.done_count, 0);
    fake_clock_advance(&w->fc, w->timers, 1);
    assert_int_equal(r.done_count, 0); /* only ever from the loop */
    turn(w);
    assert_failure(&r, TRANSPORT_CONNECT_TIMEOUT, false, CLOCK_KIND_CONNECT);
    assert_says(&r, "no connection to http://127.0.0.1:");
    assert_says(&r, "within 5000 ms");
    assert_int_equal(r.took_ms, 5000);
    call_done(&r);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    close(listener);
}

static sem_t lookup_may_end;
static sem_t lookup_ended;
static bool lookup_was_left_alone = true;

/* Stands in for the C library's, so that no lookup leaves this process. libcurl calls it in a thread. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)service;
    (void)hints;
    (void)result;
    if (strcmp(name, "hangs.test") != 0)
        return EAI_NONAME;
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 20;
    lookup_was_left_alone = sem_timedwait(&lookup_may_end, &end) == 0;
    sem_post(&lookup_ended);
    return EAI_NONAME;
}

static bool is_done(const void *arg)
{
    const struct call_record *r = arg;
    return r->done_count > 0;
}

static void test_a_name_that_cannot_be_found(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_tcp(w, "/");
    request.url = "http://none.test/";
    call_start(w, &r, &request);
    assert_true(turn_until(w->base, is_done, &r));
    assert_failure(&r, TRANSPORT_DNS, false, CLOCK_KIND_NONE);
    call_done(&r);
}

static void test_a_lookup_that_hangs_does_not_hold_up_the_loop(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct http_request request = http_world_tcp(w, "/");
    request.url = "http://hangs.test/";
    assert_int_equal(sem_init(&lookup_may_end, 0, 0), 0);
    assert_int_equal(sem_init(&lookup_ended, 0, 0), 0);
    call_start(w, &r, &request);
    turn(w);
    fake_clock_advance(&w->fc, w->timers, 5000);
    turn(w);
    assert_failure(&r, TRANSPORT_CONNECT_TIMEOUT, false, CLOCK_KIND_CONNECT);
    sem_post(&lookup_may_end);
    sem_wait(&lookup_ended);
    assert_true(lookup_was_left_alone);
    call_done(&r);
}

static void test_no_descriptor_left(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int probe = dup(0);
    close(probe);
    struct rlimit none = {.rlim_cur = (rlim_t)probe, .rlim_max = old.rlim_max};
    struct http_request request = http_world_get(w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    call_start(w, &r, &request);
    turn(w);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_failure(&r, TRANSPORT_EMFILE, false, CLOCK_KIND_NONE);
    call_done(&r);
}

static void test_tls_to_a_server_without_it(void **state)
{
    struct http_world *w = *state;
    struct call_record r = {0};
    char *AUTO_FREE url = check_printf("https://127.0.0.1:%d/x", w->tcp_server.port);
    struct http_request request = http_world_tcp(w, "/");
    request.url = url;
    call_start(w, &r, &request);
    turn(w);
    assert_non_null(raw_last(&w->tcp_server));
    raw_send(raw_last(&w->tcp_server), "HTTP/1.1 400 Bad\r\n\r\n", 20);
    turn(w);
    assert_failure(&r, TRANSPORT_TLS_VERSION, false, CLOCK_KIND_NONE);
    call_done(&r);
    call_start(w, &r, &request);
    turn(w);
    fake_clock_advance(&w->fc, w->timers, 5000);
    turn(w);
    assert_failure(&r, TRANSPORT_TLS_HANDSHAKE_TIMEOUT, false, CLOCK_KIND_CONNECT);
    call_done(&r);
}

static void test_all_connections_in_use(void **state)
{
    struct http_world *w = *state;
    struct call_record r[2] = {0};
    http_world_settings(w, &(struct http_settings){.max_connections = 1});
    struct http_request request = http_world_get(w);
    call_start(w, &r[0], &request);
    turn(w);
    call_start(w, &r[1], &request);
    turn(w);
    fake_clock_advance(&w->fc, w->timers, 5000);
    turn(w);
    assert_int_equal(r[0].done_count, 0);
    assert_failure(&r[1], TRANSPORT_CONNECT_TIMEOUT, false, CLOCK_KIND_CONNECT);
    assert_says(&r[1], "all 1 connections are in use");
    http_cancel(r[0].call);
    call_done(&r[0]);
    call_done(&r[1]);
}

/* --- libcurl itself fails --- */

static bool break_curl;

CURLMcode __real_curl_multi_socket_action(CURLM *multi, curl_socket_t s, int flags, int *running);
CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t s, int flags, int *running);

CURLMcode __wrap_curl_multi_socket_action(CURLM *multi, curl_socket_t s, int flags, int *running)
{
    CURLMcode code = __real_curl_multi_socket_action(multi, s, flags, running);
    return break_curl ? CURLM_INTERNAL_ERROR : code;
}

static void test_the_bridge_outlives_a_broken_multi(void **state)
{
    struct http_world *w = *state;
    struct call_record r[3] = {0};
    struct http_request request = http_world_get(w);
    for (size_t i = 0; i < 2; i++)
        call_start(w, &r[i], &request);
    turn(w);
    assert_int_equal(w->unix_server.request_count, 2);
    call_start(w, &r[2], &request); /* makes curl's timer run */
    break_curl = true;
    turn(w);
    break_curl = false;
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        assert_int_equal(r[i].done_count, 1);
        assert_true(r[i].has_failure);
    }
    assert_failure(&r[0], TRANSPORT_CLOSED_BEFORE_ANSWER, true, CLOCK_KIND_NONE);
    assert_int_equal(http_calls_out(w->http), 0);
    answer_with(&w->unix_server, ok, RAW_KEEP);
    call_done(&r[0]);
    call_run(w, &r[0], &request);
    assert_false(r[0].has_failure);
    for (size_t i = 0; i < ARRAY_LEN(r); i++)
        call_done(&r[i]);
}

#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, http_world_setup, http_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_broken_answers),
        WORLD_TEST(test_a_body_beyond_the_maximum),
        WORLD_TEST(test_headers_beyond_the_maximum),
        WORLD_TEST(test_no_request_is_sent_twice),
        WORLD_TEST(test_no_half_sent_request_is_sent_twice),
        WORLD_TEST(test_a_fresh_connection_that_closes),
        WORLD_TEST(test_no_socket_file),
        WORLD_TEST(test_a_socket_file_without_a_server),
        WORLD_TEST(test_a_socket_file_we_may_not_use),
        WORLD_TEST(test_a_full_unix_queue),
        WORLD_TEST(test_a_port_without_a_server),
        WORLD_TEST(test_a_port_that_never_answers),
        WORLD_TEST(test_a_name_that_cannot_be_found),
        WORLD_TEST(test_a_lookup_that_hangs_does_not_hold_up_the_loop),
        WORLD_TEST(test_no_descriptor_left),
        WORLD_TEST(test_tls_to_a_server_without_it),
        WORLD_TEST(test_all_connections_in_use),
        WORLD_TEST(test_the_bridge_outlives_a_broken_multi),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
