/*
 * kill_requests.c - kill points of requests: "POST:/containers/{}/start:sent".
 *
 * Each request has four: `before` it is made; `sent`, when bytes of it have left; `answered`, when its answer
 * is here but nobody was told yet, so that nothing of it is saved; or `failed`. The name is made of method
 * and route; of a proposed state its name or type; of a removal whether by force; of a list and of events
 * what for.
 */
#include "api/http_curl_internal.h"
#include "base/kill_point.h"
#include "tests/crash/kill_points.h"

#include <stdio.h>
#include <string.h>

#define CALLS_MAX 256

static struct tracked {
    const struct http_call *call; /* NULL: free */
    char name[KILL_NAME_SIZE - 16];
    bool is_sent;
    bool is_answered;
} tracked[CALLS_MAX];

static void pass(const struct tracked *t, const char *where)
{
    char name[KILL_NAME_SIZE];
    snprintf(name, sizeof(name), "%s:%s", t->name, where);
    kill_point(name);
}

static struct tracked *find(const struct http_call *call)
{
    for (size_t i = 0; i < CALLS_MAX; i++)
        if (tracked[i].call == call)
            return &tracked[i];
    return NULL;
}

/* Words of the routes; what else stands between two slashes is a name. */
static bool is_word(const char *part, size_t len)
{
    static const char *const words[] = {"containers",
                                        "images",
                                        "networks",
                                        "events",
                                        "create",
                                        "json",
                                        "start",
                                        "stop",
                                        "kill",
                                        "wait",
                                        "logs",
                                        "_ping",
                                        "connect",
                                        "set_state",
                                        "flow_runs",
                                        "flows",
                                        "filter",
                                        "deployments",
                                        "work_pools",
                                        "queues",
                                        "workers",
                                        "heartbeat",
                                        "get_scheduled_flow_runs",
                                        "labels",
                                        "flow_run_states",
                                        "csrf-token",
                                        "admin",
                                        "version",
                                        "block_documents",
                                        "variables",
                                        "name",
                                        "attach",
                                        "concurrency_limits",
                                        "leases",
                                        "renew",
                                        "v2",
                                        "increment-with-lease",
                                        "decrement-with-lease"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == len && memcmp(words[i], part, len) == 0)
            return true;
    return false;
}

static void add(char *name, size_t size, const char *text, size_t len)
{
    size_t used = strlen(name);
    snprintf(name + used, size - used, "%.*s", (int)len, text);
}

/* The path without what stands before it ("/v1.41", "/api"), each name in it as "{}". */
static void add_route(char *name, size_t size, const char *url)
{
    const char *host = strstr(url, "://");
    const char *p = host == NULL ? NULL : strchr(host + 3, '/');
    if (p == NULL)
        return;
    if (strncmp(p, "/v1.", 4) == 0 || strncmp(p, "/api/", 5) == 0)
        p = p + 1 + strcspn(p + 1, "/?");
    while (*p == '/') {
        size_t len = strcspn(p + 1, "/?");
        add(name, size, "/", 1);
        if (len > 0 && is_word(p + 1, len))
            add(name, size, p + 1, len);
        else if (len > 0)
            add(name, size, "{}", 2);
        p += 1 + len;
    }
}

static void add_state(char *name, size_t size, const char *body)
{
    const char *key = strstr(body, "\"name\":\"") != NULL ? "\"name\":\"" : "\"type\":\"";
    const char *at = strstr(body, key);
    CHECK(at != NULL);
    at += strlen(key);
    add(name, size, ":", 1);
    add(name, size, at, strcspn(at, "\""));
}

static void make_name(char *name, size_t size, const struct http_request *request)
{
    snprintf(name, size, "%s:", request->method);
    add_route(name, size, request->url);
    if (strstr(request->url, "/set_state") != NULL)
        add_state(name, size, request->body);
    if (strcmp(request->method, "DELETE") == 0 && strstr(request->url, "force=1") != NULL)
        add(name, size, ":force", 6);
    if (strstr(request->url, "io.sluice.launch%3D") != NULL)
        add(name, size, ":launch", 7);
    if (strstr(request->url, "until=") != NULL)
        add(name, size, ":replay", 7);
}

void kill_request_begins(const struct http_call *call, const struct http_request *request)
{
    struct tracked *t = find(call);
    if (t == NULL)
        t = find(NULL);
    CHECK(t != NULL);
    *t = (struct tracked){.call = call};
    make_name(t->name, sizeof(t->name), request);
    pass(t, "before");
}

void kill_request_moved(struct http *http)
{
    for (struct list *link = http->calls.next; link != &http->calls; link = link->next) {
        const struct http_call *call = LIST_ITEM(link, struct http_call, in_calls);
        struct tracked *t = find(call);
        if (t == NULL || t->is_sent || !http_curl_was_sent(call))
            continue;
        t->is_sent = true;
        pass(t, "sent");
    }
}

void kill_request_answers(const struct http_call *call)
{
    struct tracked *t = find(call);
    if (t == NULL)
        return;
    bool is_here = call->is_finished || call->on_chunk != NULL;
    if (is_here && !t->is_answered && !call->is_cancelled) {
        t->is_answered = true;
        pass(t, call->failure == NULL ? "answered" : "failed");
    }
}

void kill_request_ends(const struct http_call *call)
{
    struct tracked *t = find(call);
    if (t != NULL)
        t->call = NULL;
}
