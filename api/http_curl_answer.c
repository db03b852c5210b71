/*
 * http_curl_answer.c - what curl tells while a call runs: a socket, the request going out, headers, body.
 *
 * These functions run inside curl and only note things: they append to the call's buffers, move its timers
 * and mark it for delivery. Sizes are limited here.
 *
 * curl repeats a request by itself when a reused connection dies before the first byte of an answer
 * (Curl_retry_request() in libcurl 7.88's transfer.c; no option turns that off). The pre-request function is
 * called each time a request is about to go out, so the second time without a redirect of ours between is
 * such a repetition, and is refused: it ends the call, with nothing sent again.
 */
#include "api/http_curl_internal.h"

#include <curl/curl.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int on_request_begins(void *arg, char *to, char *from, int to_port, int from_port)
{
    struct http_call *call = MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC);
    (void)to;
    (void)from;
    (void)to_port;
    (void)from_port;
    if (call->has_begun) {
        call->resend_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    http_curl_begin(call);
    return CURL_PREREQFUNC_OK;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_call *call = MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC);
    (void)purpose;
    call->has_socket = true;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    call->socket_errno = fd < 0 ? errno : 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int read_status(const char *line, size_t len)
{
    size_t at = 0;
    while (at < len && line[at] != ' ')
        at++;
    int status = 0;
    for (size_t i = at + 1; i < at + 4 && i < len && line[i] >= '0' && line[i] <= '9'; i++)
        status = status * 10 + (line[i] - '0');
    return status;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC);
    size_t len = size * count;
    call->http->activity += len;
    http_curl_touch(call);
    if (call->has_headers)
        return len; /* trailers of a chunked body: nobody asks for them */
    call->has_line = true;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        buf_clear(&call->headers);
        call->status = read_status(data, len);
    }
    while (len > 0 && strchr("\r\n\t ", data[len - 1]) != NULL)
        len--;
    if (len == 0) {
        call->has_headers = call->status >= 200;
        /* Servers close behind an error without saying so (uvicorn after Prefect's 503): a request sent into
         * that would be lost. */
        if (call->status >= 500)
            curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, 1L);
        if (call->has_headers)
            http_curl_mark_ready(call);
        else
            call->status = 0; /* of a 1xx */
        return size * count;
    }
    struct err err;
    if (buf_add(&call->headers, data, len, &err) != 0 || buf_add(&call->headers, "", 1, &err) != 0) {
        call->headers_too_large = true;
        return 0;
    }
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct http_call *call = MAGIC_CAST(struct http_call, arg, HTTP_CALL_MAGIC);
    size_t len = size * count;
    struct err err;
    call->http->activity += len;
    http_curl_touch(call);
    if (http_curl_is_streamed(call)) {
        if (buf_add(&call->chunks, data, len, &err) != 0) {
            call->answer_too_large = true;
            return 0;
        }
        http_curl_mark_ready(call);
        return len;
    }
    if (call->on_chunk != NULL && len > HTTP_ERROR_BODY_MAX_BYTES - call->answer.len) {
        call->answer_cut = true;
        len = HTTP_ERROR_BODY_MAX_BYTES - call->answer.len;
    }
    if (buf_add(&call->answer, data, len, &err) != 0) {
        call->answer_too_large = true;
        return 0;
    }
    return call->answer_cut ? 0 : len;
}

void http_curl_answer_options(struct http_call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_request_begins);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void http_curl_answer_reset(struct http_call *call)
{
    call->has_socket = false;
    call->has_begun = false;
    call->has_line = false;
    call->has_headers = false;
    call->status = 0;
    buf_clear(&call->headers);
    buf_clear(&call->answer);
    timer_cancel(&call->inactivity_timer);
}
