/*
 * http_curl.c - api/http.h on libcurl: the bridge's life, and a request turned into curl's options.
 *
 * The other files: http_curl_loop.c (curl on libevent), http_curl_answer.c (what arrives), http_curl_call.c
 * (clocks, the end of a call, callbacks), http_curl_failure.c (what went wrong, in our words),
 * http_curl_redirect.c (307 and 308), http_text.c (headers and escaping, without curl).
 *
 * HTTP/1.1 only: one call, one connection, so that a clock or a lost connection concerns one call. curl's own
 * time limits are off, since ours run on `timers`.
 */
#include "api/http_curl_internal.h"

#include <curl/curl.h>

#include <limits.h>
#include <string.h>

#define DEFAULT_CONNECTIONS 64
#define DEFAULT_IDLE_CLOSE_MS 4000
#define DEFAULT_BODY_MAX_BYTES ((size_t)16 * 1024 * 1024)
/* Chunks wait here until curl returns, so this is far more than curl reads in one go. */
#define CHUNKS_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define METHOD_MAX_BYTES 16

int http_new(struct event_base *base, struct timers *timers, const struct http_settings *settings,
             struct http **out, struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(err, ERR_IO, "libcurl could not start");
    struct http *http = check_alloc(sizeof(*http));
    http->magic = HTTP_MAGIC;
    http->base = base;
    http->timers = timers;
    http->max_connections = settings->max_connections > 0 ? settings->max_connections : DEFAULT_CONNECTIONS;
    http->idle_close_ms = settings->idle_close_ms != 0 ? settings->idle_close_ms : DEFAULT_IDLE_CLOSE_MS;
    http->tls_skip_verify = settings->tls_skip_verify;
    http->ca_file = check_strdup_or_null(settings->ca_file);
    http->ca_folder = check_strdup_or_null(settings->ca_folder);
    http->cert_file = check_strdup_or_null(settings->cert_file);
    http->key_file = check_strdup_or_null(settings->key_file);
    http->proxy = check_strdup_or_null(settings->proxy);
    http->user_agent = check_strdup_or_null(settings->user_agent);
    list_init(&http->calls);
    list_init(&http->ready);
    http_curl_loop_init(http);
    *out = http;
    return 0;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    CHECK(!http->is_delivering);
    while (!list_is_empty(&http->calls))
        http_curl_call_free(LIST_ITEM(http->calls.next, struct http_call, in_calls));
    http_curl_loop_done(http);
    free(http->ca_file);
    free(http->ca_folder);
    free(http->cert_file);
    free(http->key_file);
    free(http->proxy);
    free(http->user_agent);
    http->magic = 0;
    free(http);
    curl_global_cleanup();
}

size_t http_calls_out(const struct http *http)
{
    return http == NULL ? 0 : http->call_count;
}

uint64_t http_activity(const struct http *http)
{
    return http == NULL ? 0 : http->activity;
}

/* --- a request's options --- */

static bool has_control_character(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7F)
            return true;
    }
    return false;
}

static int check_method(const char *method, struct err *err)
{
    size_t len = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (len == 0 || len > METHOD_MAX_BYTES || method[len] != '\0')
        return err_set(err, ERR_INVALID, "\"%.20s\" is not an HTTP method", method);
    return 0;
}

bool http_curl_url_is_fine(unsigned url_code)
{
    CHECK_MEMORY(url_code != CURLUE_OUT_OF_MEMORY);
    return url_code == CURLUE_OK;
}

/* Read the URL and make the text that stands for its place in messages. */
static int read_place(const struct http_request *request, char **where, struct err *err)
{
    CURLU *u = curl_url();
    CHECK_MEMORY(u != NULL);
    char *scheme = NULL;
    char *host = NULL;
    char *port = NULL;
    bool is_url = !has_control_character(request->url) &&
                  http_curl_url_is_fine(curl_url_set(u, CURLUPART_URL, request->url, 0)) &&
                  http_curl_url_is_fine(curl_url_get(u, CURLUPART_SCHEME, &scheme, 0)) &&
                  http_curl_url_is_fine(curl_url_get(u, CURLUPART_HOST, &host, 0)) &&
                  (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    if (is_url && request->unix_socket != NULL)
        *where = check_printf("unix://%s", request->unix_socket);
    else if (is_url && http_curl_url_is_fine(curl_url_get(u, CURLUPART_PORT, &port, 0)))
        *where = check_printf("%s://%s:%s", scheme, host, port);
    else if (is_url)
        *where = check_printf("%s://%s", scheme, host);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    /* The URL may hold a password: it is not repeated here. */
    return is_url ? 0 : err_set(err, ERR_INVALID, "the URL is not a valid http or https URL");
}

/* Some hold keys and passwords. */
static void free_lines(struct curl_slist *lines)
{
    for (struct curl_slist *line = lines; line != NULL; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(lines);
}

static void add_line(struct http_call *call, const char *line)
{
    struct curl_slist *lines = curl_slist_append(call->lines, line);
    CHECK_MEMORY(lines != NULL);
    call->lines = lines;
}

static int set_headers(struct http_call *call, const struct http_request *request, struct err *err)
{
    bool has_type = false;
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        const char *line = request->headers[i];
        const char *colon = strchr(line, ':');
        if (has_control_character(line) || colon == NULL || colon == line)
            return err_set(err, ERR_INVALID, "\"%.*s\" is not a header that can be sent",
                           colon == NULL ? 0 : (int)(colon - line), line);
        has_type = has_type || strncasecmp(line, "Content-Type:", strlen("Content-Type:")) == 0;
        add_line(call, line);
    }
    /* An empty value takes out what curl would add: its form type, and a wait for "100 Continue". */
    if (!has_type)
        add_line(call, "Content-Type:");
    add_line(call, "Expect:");
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->lines);
    return 0;
}

static void set_method_and_body(struct http_call *call, const struct http_request *request)
{
    CURL *easy = call->easy;
    const char *method = request->method;
    bool is_post = strcmp(method, "POST") == 0;
    bool wants_length = is_post || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    if (request->body == NULL && strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (request->body == NULL && !wants_length) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    } else {
        size_t len = request->body == NULL ? 0 : request->body_len;
        call->body = check_realloc(NULL, len + 1);
        if (len > 0)
            memcpy(call->body, request->body, len);
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    }
    CHECK_MEMORY(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method) == CURLE_OK);
}

static int set_place(struct http_call *call, const struct http_request *request, struct err *err)
{
    const struct http *http = call->http;
    CURL *easy = call->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url);
    if (code == CURLE_OK && request->unix_socket != NULL)
        code = curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
    if (code == CURLE_OK && request->unix_socket != NULL)
        code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    else if (code == CURLE_OK && http->proxy != NULL)
        code = curl_easy_setopt(easy, CURLOPT_PROXY, http->proxy);
    if (code == CURLE_OK && http->ca_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca_file);
    if (code == CURLE_OK && http->ca_folder != NULL)
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, http->ca_folder);
    if (code == CURLE_OK && http->cert_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT, http->cert_file);
    if (code == CURLE_OK && http->key_file != NULL)
        code = curl_easy_setopt(easy, CURLOPT_SSLKEY, http->key_file);
    if (code == CURLE_OK && http->user_agent != NULL)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, http->user_agent);
    CHECK_MEMORY(code != CURLE_OUT_OF_MEMORY);
    if (code != CURLE_OK)
        return err_set(err, ERR_INVALID, "libcurl did not take a request: %s", curl_easy_strerror(code));
    return 0;
}

static void set_habits(struct http_call *call, bool fresh_connection)
{
    const struct http *http = call->http;
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    /* Without it, ending a call in the middle of a name lookup waits for the resolver's thread, and the loop
     * with it. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    /* 0 would mean curl's own 300 s. */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)INT_MAX);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    bool is_alone = fresh_connection || http->idle_close_ms == HTTP_NEVER_KEEP;
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, is_alone ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, is_alone ? 1L : 0L);
    /* curl counts whole seconds and rounds idle time down, so N stands for "less than N + 1 seconds". */
    long idle_s = (long)(http->idle_close_ms / 1000) - 1;
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, idle_s > 0 ? idle_s : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, http->tls_skip_verify ? 0L : 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, http->tls_skip_verify ? 0L : 2L);
}

/* --- a call's life --- */

static struct http_call *call_new(struct http *http, const struct http_request *request)
{
    struct http_call *call = check_alloc(sizeof(*call));
    call->magic = HTTP_CALL_MAGIC;
    call->http = http;
    call->dependency = request->dependency;
    call->stage = request->stage;
    call->changes = request->changes;
    call->clocks = request->clocks;
    call->on_chunk = request->on_chunk;
    call->on_headers = request->on_headers;
    call->done = request->done;
    call->arg = request->arg;
    call->is_unix = request->unix_socket != NULL;
    call->started_ms = clock_mono_ms(timers_clock(http->timers));
    call->connect_ms = -1;
    call->curl_error = check_alloc(CURL_ERROR_SIZE);
    buf_init(&call->headers, HTTP_HEADERS_MAX_BYTES);
    buf_init(&call->answer, request->max_body_bytes > 0 ? request->max_body_bytes : DEFAULT_BODY_MAX_BYTES);
    buf_init(&call->chunks, CHUNKS_MAX_BYTES);
    list_init(&call->in_ready);
    list_add_last(&http->calls, &call->in_calls);
    http->call_count++;
    return call;
}

void http_curl_call_free(struct http_call *call)
{
    CHECK(!call->in_callback);
    KILL_REQUEST(ends, call);
    http_curl_detach(call);
    list_remove(&call->in_ready);
    list_remove(&call->in_calls);
    call->http->call_count--;
    free_lines(call->lines);
    buf_done(&call->headers);
    buf_done(&call->answer);
    buf_done(&call->chunks);
    free(call->body);
    free(call->where);
    free(call->curl_error);
    free(call->failure);
    call->magic = 0;
    free(call);
}

static int prepare(struct http_call *call, const struct http_request *request, struct err *err)
{
    if (check_method(request->method, err) != 0 || read_place(request, &call->where, err) != 0)
        return -1;
    call->easy = curl_easy_init();
    CHECK_MEMORY(call->easy != NULL);
    set_habits(call, request->fresh_connection);
    http_curl_answer_options(call);
    if (set_place(call, request, err) != 0 || set_headers(call, request, err) != 0)
        return -1;
    set_method_and_body(call, request);
    return http_curl_add(call, err);
}

int http_start(struct http *http, const struct http_request *request, struct http_call **call,
               struct err *err)
{
    CHECK(request->done != NULL && request->method != NULL && request->url != NULL);
    struct http_call *started = call_new(http, request);
    KILL_REQUEST(begins, started, request);
    if (prepare(started, request, err) != 0) {
        http_curl_call_free(started);
        return -1;
    }
    http_curl_start_clocks(started);
    *call = started;
    return 0;
}

void http_cancel(struct http_call *call)
{
    CHECK(call->magic == HTTP_CALL_MAGIC);
    call->is_cancelled = true;
    if (call->in_callback)
        http_curl_detach(call);
    else
        http_curl_call_free(call);
}
