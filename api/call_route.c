/*
 * call_route.c - a call's path without what varies, as a label that takes few values.
 */
#include "api/http.h"
#include "base/buf.h"

#include <string.h>

/* Of the engine, then of Prefect. */
static const char *const words[] = {"_ping",
                                    "containers",
                                    "create",
                                    "json",
                                    "start",
                                    "stop",
                                    "kill",
                                    "wait",
                                    "logs",
                                    "networks",
                                    "connect",
                                    "images",
                                    "events",
                                    "admin",
                                    "version",
                                    "block_documents",
                                    "block_types",
                                    "concurrency_limits",
                                    "csrf-token",
                                    "deployments",
                                    "filter",
                                    "flow_runs",
                                    "flow_run_states",
                                    "flows",
                                    "get_scheduled_flow_runs",
                                    "heartbeat",
                                    "increment",
                                    "labels",
                                    "leases",
                                    "name",
                                    "queues",
                                    "renew",
                                    "set_state",
                                    "slug",
                                    "v2",
                                    "variables",
                                    "work_pools",
                                    "workers"};

static bool is_word(const char *part, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strlen(words[i]) == len && memcmp(words[i], part, len) == 0)
            return true;
    return false;
}

static void add(char route[static CALL_ROUTE_SIZE], size_t *at, const char *text, size_t len)
{
    size_t room = CALL_ROUTE_SIZE - 1 - *at;
    size_t n = len < room ? len : room;
    memcpy(route + *at, text, n);
    *at += n;
    route[*at] = '\0';
}

void call_route(const char *method, const char *path, char route[static CALL_ROUTE_SIZE])
{
    size_t at = 0;
    size_t left = strcspn(path, "?#");
    add(route, &at, method, strlen(method));
    add(route, &at, " ", 1);
    while (left > 0) {
        if (*path == '/') {
            add(route, &at, "/", 1);
            path++;
            left--;
            continue;
        }
        size_t len = strcspn(path, "/");
        if (len > left)
            len = left;
        if (is_word(path, len))
            add(route, &at, path, len);
        else
            add(route, &at, "{}", 2);
        path += len;
        left -= len;
    }
}
