/*
 * http_curl_failure.c - from what curl and the clocks say to the words of core/classify.h.
 *
 * Three questions, in this order: how far was the call (not connected, nothing back, in the headers, in the
 * body), what happened (curl's code, errno, a clock), and did a byte of the request leave (`sent`)? Messages
 * name the place without user or password, and never hold anything of the request.
 */
#include "api/http_curl_internal.h"

#include <curl/curl.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool http_curl_was_sent(const struct http_call *call)
{
    long bytes = 0;
    if (call->easy != NULL)
        curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &bytes);
    return call->has_begun && bytes > 0;
}

static int os_errno(const struct http_call *call)
{
    long number = 0;
    if (call->socket_errno != 0)
        return call->socket_errno;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    return (int)number;
}

static bool curl_says(const struct http_call *call, const char *words)
{
    return strcasestr(call->curl_error, words) != NULL;
}

static enum transport connect_errno_transport(const struct http_call *call, int number)
{
    switch (number) {
    case ENOENT:
        return call->is_unix ? TRANSPORT_ENOENT_UNIX : TRANSPORT_CONNECT_FAILED;
    case EACCES:
    case EPERM:
        return call->is_unix ? TRANSPORT_EACCES_UNIX : TRANSPORT_CONNECT_FAILED;
    case ECONNREFUSED:
        return call->is_unix ? TRANSPORT_ECONNREFUSED_UNIX : TRANSPORT_ECONNREFUSED_TCP;
    case EAGAIN:
        return call->is_unix ? TRANSPORT_EAGAIN_UNIX : TRANSPORT_CONNECT_FAILED;
    case EHOSTUNREACH:
        return TRANSPORT_EHOSTUNREACH;
    case ENETUNREACH:
        return TRANSPORT_ENETUNREACH;
    case EMFILE:
    case ENFILE:
        return TRANSPORT_EMFILE;
    case ETIMEDOUT:
        return TRANSPORT_CONNECT_TIMEOUT;
    default:
        return TRANSPORT_CONNECT_FAILED;
    }
}

/* TLS servers refuse a client's certificate with an alert, in TLS 1.3 only after the handshake. */
static bool is_client_cert_alert(const struct http_call *call)
{
    return curl_says(call, "alert") && (curl_says(call, "certificate") || curl_says(call, "unknown ca"));
}

static enum transport connect_transport(const struct http_call *call, CURLcode code)
{
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        return TRANSPORT_DNS;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR)
        return TRANSPORT_TLS_VERIFY;
    if (code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE)
        return TRANSPORT_TLS_CERT_FILE;
    if (is_client_cert_alert(call))
        return TRANSPORT_TLS_CLIENT_CERT;
    if (code == CURLE_SSL_CONNECT_ERROR && curl_says(call, "wrong version"))
        return TRANSPORT_TLS_VERSION;
    /* connect() to a unix socket whose queue is full says EAGAIN, which curl takes for "in progress"; then
     * the socket is neither connected nor in error. */
    if (code == CURLE_COULDNT_CONNECT && call->is_unix && os_errno(call) == 0)
        return TRANSPORT_EAGAIN_UNIX;
    return connect_errno_transport(call, os_errno(call));
}

static enum transport request_transport(const struct http_call *call, CURLcode code)
{
    if (call->resend_refused)
        return TRANSPORT_REUSED_CLOSED;
    if (call->answer_too_large)
        return TRANSPORT_BODY_TOO_LARGE;
    /* curl says "out of memory" to a header line beyond its own limit of 100 KB. */
    if (code == CURLE_OUT_OF_MEMORY && !call->has_headers)
        return TRANSPORT_BAD_ANSWER;
    if (call->headers_too_large || code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
        return TRANSPORT_BAD_ANSWER;
    if (call->has_headers)
        return TRANSPORT_PARTIAL_BODY;
    if (call->has_line)
        return TRANSPORT_PARTIAL_HEADERS;
    if (code == CURLE_SEND_ERROR)
        return TRANSPORT_SEND_FAILED;
    if (is_client_cert_alert(call))
        return TRANSPORT_TLS_CLIENT_CERT;
    return code == CURLE_RECV_ERROR ? TRANSPORT_RESET_BEFORE_ANSWER : TRANSPORT_CLOSED_BEFORE_ANSWER;
}

/* What to say between "the answer of/the connection to WHERE" and curl's own words. */
static const char *sentence(enum transport transport, bool has_begun)
{
    if (!has_begun)
        return "cannot connect to";
    if (transport == TRANSPORT_BODY_TOO_LARGE || transport == TRANSPORT_BAD_ANSWER)
        return "cannot take the answer of";
    if (transport == TRANSPORT_PARTIAL_HEADERS)
        return "connection lost in the headers of the answer of";
    if (transport == TRANSPORT_PARTIAL_BODY)
        return "connection lost in the body of the answer of";
    if (transport == TRANSPORT_REUSED_CLOSED)
        return "a kept connection was closed before an answer came from";
    return "connection lost before an answer came from";
}

static const char *reason(const struct http_call *call, CURLcode code, enum transport transport)
{
    if (transport == TRANSPORT_BODY_TOO_LARGE)
        return "its body is too large";
    if (call->headers_too_large || (transport == TRANSPORT_BAD_ANSWER && code == CURLE_OUT_OF_MEMORY))
        return "its headers are too large";
    if (call->resend_refused)
        return "not sent again";
    if (transport == TRANSPORT_EAGAIN_UNIX)
        return strerror(EAGAIN);
    if (!call->has_begun && code == CURLE_COULDNT_CONNECT && os_errno(call) != 0)
        return strerror(os_errno(call));
    if (call->curl_error[0] != '\0')
        return call->curl_error;
    return code == CURLE_OK ? "the connection ended early" : curl_easy_strerror(code);
}

void http_curl_fail_by_code(struct http_call *call, int curl_code)
{
    CURLcode code = (CURLcode)curl_code;
    bool sent = http_curl_was_sent(call);
    enum transport transport =
        call->has_begun ? request_transport(call, code) : connect_transport(call, code);
    http_curl_fail(call, transport, CLOCK_KIND_NONE, sent, "%s %s: %s", sentence(transport, call->has_begun),
                   call->where, reason(call, code, transport));
}

static bool has_tcp_connection(const struct http_call *call)
{
    const struct http *http = call->http;
    struct sockaddr_storage peer;
    for (size_t fd = 0; fd < http->socket_count; fd++) {
        socklen_t len = sizeof(peer);
        if (http->sockets[fd].call == call && getpeername((int)fd, (struct sockaddr *)&peer, &len) == 0)
            return true;
    }
    return false;
}

static void fail_by_connect_clock(struct http_call *call)
{
    const struct http *http = call->http;
    long long ms = (long long)call->clocks.connect_ms;
    if (strncmp(call->where, "https:", strlen("https:")) == 0 && has_tcp_connection(call))
        http_curl_fail(call, TRANSPORT_TLS_HANDSHAKE_TIMEOUT, CLOCK_KIND_CONNECT, false,
                       "no TLS connection to %s within %lld ms", call->where, ms);
    else if (!call->has_socket && http->call_count > (size_t)http->max_connections)
        http_curl_fail(call, TRANSPORT_CONNECT_TIMEOUT, CLOCK_KIND_CONNECT, false,
                       "no connection to %s within %lld ms: all %d connections are in use", call->where, ms,
                       http->max_connections);
    else
        http_curl_fail(call, TRANSPORT_CONNECT_TIMEOUT, CLOCK_KIND_CONNECT, false,
                       "no connection to %s within %lld ms", call->where, ms);
}

static void fail_by_inactivity_clock(struct http_call *call)
{
    long long ms = (long long)call->clocks.inactivity_ms;
    bool sent = http_curl_was_sent(call);
    if (call->has_headers)
        http_curl_fail(call, TRANSPORT_IDLE_TIMEOUT, CLOCK_KIND_INACTIVITY, sent,
                       "nothing more came from %s for %lld ms, in the middle of the answer's body",
                       call->where, ms);
    else if (call->has_line)
        http_curl_fail(call, TRANSPORT_PARTIAL_HEADERS, CLOCK_KIND_INACTIVITY, sent,
                       "nothing more came from %s for %lld ms, in the middle of the answer's headers",
                       call->where, ms);
    else if (sent)
        http_curl_fail(call, TRANSPORT_READ_TIMEOUT, CLOCK_KIND_INACTIVITY, sent,
                       "no answer from %s within %lld ms", call->where, ms);
    else
        http_curl_fail(call, TRANSPORT_NOTHING_ACCEPTED, CLOCK_KIND_INACTIVITY, sent,
                       "%s took no byte of the request within %lld ms", call->where, ms);
}

void http_curl_fail_by_clock(struct http_call *call, enum clock_kind clock)
{
    switch (clock) {
    case CLOCK_KIND_NONE:
        UNREACHABLE();
    case CLOCK_KIND_CONNECT:
        fail_by_connect_clock(call);
        break;
    case CLOCK_KIND_INACTIVITY:
        fail_by_inactivity_clock(call);
        break;
    case CLOCK_KIND_TOTAL:
        http_curl_fail(call, TRANSPORT_TOTAL_TIMEOUT, CLOCK_KIND_TOTAL, http_curl_was_sent(call),
                       "no complete answer from %s within %lld ms", call->where,
                       (long long)call->clocks.total_ms);
        break;
    }
}

void http_give_up(struct http_call *call)
{
    CHECK(call->magic == HTTP_CALL_MAGIC);
    if (call->is_finished || call->is_cancelled || call->has_line)
        return;
    http_curl_fail(call, call->has_begun ? TRANSPORT_READ_TIMEOUT : TRANSPORT_CONNECT_FAILED, CLOCK_KIND_NONE,
                   http_curl_was_sent(call), "%s has answered later calls, but not this one", call->where);
}

void http_curl_fail_uncertain(struct http_call *call, const char *why)
{
    enum transport transport = call->has_headers ? TRANSPORT_PARTIAL_BODY
                               : call->has_line  ? TRANSPORT_PARTIAL_HEADERS
                               : call->has_begun ? TRANSPORT_CLOSED_BEFORE_ANSWER
                                                 : TRANSPORT_CONNECT_FAILED;
    http_curl_fail(call, transport, CLOCK_KIND_NONE, call->has_begun,
                   "the call to %s was lost within libcurl: %s", call->where, why);
}
