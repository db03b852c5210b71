/*
 * http_curl_redirect.c - follows 307 and 308, at most REDIRECTS_MAX times.
 *
 * Prefect answers a URL with a wrong slash at its end with 307. Method and body stay as they are. Only the
 * same origin is followed, or the same host from http to https on their usual ports, since the request
 * carries credentials. Other redirects are answers like any other.
 */
#include "api/http_curl_internal.h"

#include <curl/curl.h>

#include <string.h>
#include <strings.h>

#define REDIRECTS_MAX 3

struct origin {
    char *scheme;
    char *host;
    char *port;
};

static void origin_done(struct origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
}

static bool origin_init(struct origin *o, const char *url)
{
    *o = (struct origin){0};
    CURLU *u = curl_url();
    CHECK_MEMORY(u != NULL);
    bool is_read = http_curl_url_is_fine(curl_url_set(u, CURLUPART_URL, url, 0)) &&
                   http_curl_url_is_fine(curl_url_get(u, CURLUPART_SCHEME, &o->scheme, 0)) &&
                   http_curl_url_is_fine(curl_url_get(u, CURLUPART_HOST, &o->host, 0)) &&
                   http_curl_url_is_fine(curl_url_get(u, CURLUPART_PORT, &o->port, CURLU_DEFAULT_PORT));
    curl_url_cleanup(u);
    return is_read;
}

static bool may_follow(const char *from, const char *to)
{
    struct origin a = {0};
    struct origin b = {0};
    bool yes = false;
    if (origin_init(&a, from) && origin_init(&b, to) && strcasecmp(a.host, b.host) == 0) {
        bool is_same = strcmp(a.scheme, b.scheme) == 0 && strcmp(a.port, b.port) == 0;
        bool is_upgrade = strcmp(a.scheme, "http") == 0 && strcmp(a.port, "80") == 0 &&
                          strcmp(b.scheme, "https") == 0 && strcmp(b.port, "443") == 0;
        yes = is_same || is_upgrade;
    }
    origin_done(&a);
    origin_done(&b);
    return yes;
}

bool http_curl_follow(struct http_call *call)
{
    char *from = NULL;
    char *to = NULL;
    if ((call->status != 307 && call->status != 308) || call->redirects == REDIRECTS_MAX)
        return false;
    curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &from);
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &to);
    if (from == NULL || to == NULL || !may_follow(from, to))
        return false;
    char *AUTO_FREE url = check_strdup(to);
    struct err err;
    call->redirects++;
    http_curl_answer_reset(call);
    curl_multi_remove_handle(call->http->multi, call->easy);
    if (curl_easy_setopt(call->easy, CURLOPT_URL, url) != CURLE_OK || http_curl_add(call, &err) != 0)
        http_curl_fail(call, TRANSPORT_CONNECT_FAILED, CLOCK_KIND_NONE, false,
                       "%s redirected the call, but libcurl did not take it again", call->where);
    else
        http_curl_start_clocks(call);
    return true;
}
