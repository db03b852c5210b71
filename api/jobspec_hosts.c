/*
 * jobspec_hosts.c - extra_hosts of container_create_kwargs, and ours for reaching the API.
 *
 * An object becomes "host:address" items in order of the names. A list is merged with our entry where there
 * is one (items without a colon fall away), else handed on as it is.
 */
#include "api/jobspec_internal.h"

#include <string.h>

static int compare_names(const void *left, const void *right)
{
    const struct jobspec_pair *a = left;
    const struct jobspec_pair *b = right;
    return strcmp(a->name, b->name);
}

static int set_object(struct jobspec_pairs *hosts, const struct json *object, struct err *err)
{
    if (jobspec_limit_members(object, err) != 0)
        return -1;
    for (const struct json *item = json_first(object); item != NULL; item = json_next(item)) {
        char *AUTO_FREE text = NULL;
        if (jobspec_python_copy(item, &text, err) != 0)
            return -1;
        jobspec_pairs_set(hosts, json_key(item), text);
    }
    return 0;
}

static int set_list(struct jobspec_pairs *hosts, const struct json *list, struct err *err)
{
    if (jobspec_limit_members(list, err) != 0)
        return -1;
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING)
            return jobspec_wrong_type("texts in the list", item, err);
        char *AUTO_FREE name = check_strdup(json_text(item, ""));
        char *colon = strchr(name, ':');
        if (colon == NULL)
            continue;
        *colon = '\0';
        jobspec_pairs_set(hosts, name, colon + 1);
    }
    return 0;
}

static struct json *sorted_items(struct jobspec_pairs *hosts)
{
    struct json *list = json_new_array();
    if (hosts->count > 0)
        qsort(hosts->items, hosts->count, sizeof(hosts->items[0]), compare_names);
    for (size_t i = 0; i < hosts->count; i++) {
        char *AUTO_FREE item = check_printf("%s:%s", hosts->items[i].name, hosts->items[i].value);
        json_take_add(list, json_new_text(item));
    }
    return list;
}

int jobspec_extra_hosts(const struct json *own, bool with_gateway, struct json **out, struct err *err)
{
    struct jobspec_pairs hosts = {0};
    enum json_kind kind = json_kind(own);
    if (kind != JSON_NULL && kind != JSON_OBJECT && kind != JSON_ARRAY)
        return jobspec_wrong_type("an object or a list", own, err);
    if (with_gateway)
        jobspec_pairs_set(&hosts, "host.docker.internal", "host-gateway");
    int rc = kind == JSON_OBJECT ? set_object(&hosts, own, err) : set_list(&hosts, own, err);
    if (rc == 0 && kind == JSON_ARRAY && !with_gateway)
        *out = json_copy(own);
    else if (rc == 0)
        *out = kind == JSON_NULL && !with_gateway ? NULL : sorted_items(&hosts);
    jobspec_pairs_done(&hosts);
    return rc;
}
