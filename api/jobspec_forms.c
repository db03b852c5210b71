/*
 * jobspec_forms.c - keywords that may be written in several forms: tmpfs, devices, links, lxc_conf,
 * volumes_from.
 *
 * Each becomes the one form of the engine, as docker-py makes it. Where docker-py would take a text letter by
 * letter, the text is refused.
 */
#include "api/jobspec_internal.h"

#include <string.h>

/* {path: options}, or a list of "path[:options]". */
int jobspec_as_tmpfs(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_OBJECT)
        return jobspec_as_object(value, out, err);
    if (json_kind(value) != JSON_ARRAY)
        return jobspec_wrong_type("an object or a list", value, err);
    if (jobspec_limit_members(value, err) != 0)
        return -1;
    struct json *made = json_new_object();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING) {
            json_free(made);
            return jobspec_wrong_type("a list of texts", item, err);
        }
        char *AUTO_FREE path = check_strdup(json_text(item, ""));
        char *colon = strchr(path, ':');
        if (colon != NULL)
            *colon = '\0';
        json_set_text(made, path, colon == NULL ? "" : colon + 1);
    }
    *out = made;
    return 0;
}

/* "/host[:/container[:permissions]]"; what follows a third colon is dropped. */
static struct json *device_of(const char *text)
{
    char *AUTO_FREE parts = check_strdup(text);
    char *path = strchr(parts, ':');
    if (path != NULL)
        *path++ = '\0';
    char *permissions = path == NULL ? NULL : strchr(path, ':');
    if (permissions != NULL) {
        *permissions++ = '\0';
        permissions[strcspn(permissions, ":")] = '\0';
    }
    struct json *device = json_new_object();
    json_set_text(device, "PathOnHost", parts);
    json_set_text(device, "PathInContainer", path == NULL ? parts : path);
    json_set_text(device, "CgroupPermissions", permissions == NULL ? "rwm" : permissions);
    return device;
}

int jobspec_as_devices(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return jobspec_wrong_type("a list of texts or objects", value, err);
    struct json *made = json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING && json_kind(item) != JSON_OBJECT) {
            json_free(made);
            return jobspec_wrong_type("a list of texts or objects", item, err);
        }
        json_take_add(made,
                      json_kind(item) == JSON_STRING ? device_of(json_text(item, "")) : json_copy(item));
    }
    *out = made;
    return 0;
}

/* --- links -----------------------------------------------------------------------------------------------
 */

struct link {
    char *container; /* owned */
    char *alias;     /* owned; NULL: none */
};

struct links {
    struct link *items;
    size_t count;
};

static void links_done(struct links *links)
{
    for (size_t i = 0; i < links->count; i++) {
        free(links->items[i].container);
        free(links->items[i].alias);
    }
    free(links->items);
}

static int compare_links(const void *left, const void *right)
{
    const struct link *a = left;
    const struct link *b = right;
    int order = strcmp(a->container, b->container);
    return order != 0 ? order : strcmp(a->alias == NULL ? "" : a->alias, b->alias == NULL ? "" : b->alias);
}

static int take_alias(struct link *link, const struct json *alias, struct err *err)
{
    if (!jobspec_is_truthy(alias))
        return 0;
    if (json_kind(alias) != JSON_STRING && json_kind(alias) != JSON_NUMBER)
        return jobspec_wrong_type("text as alias", alias, err);
    return jobspec_python_copy(alias, &link->alias, err);
}

/* An item of a list: "container[:alias]" or ["container", "alias"]. */
static int read_listed(const struct json *item, struct link *link, struct err *err)
{
    if (json_kind(item) == JSON_STRING) {
        link->container = check_strdup(json_text(item, ""));
        return 0;
    }
    const struct json *container = json_first(item);
    if (json_kind(item) != JSON_ARRAY || json_count(item) != 2 || json_kind(container) != JSON_STRING)
        return err_set(err, ERR_INVALID, "expected \"container:alias\" or a pair [\"container\", \"alias\"]");
    link->container = check_strdup(json_text(container, ""));
    return take_alias(link, json_next(container), err);
}

static int read_links(const struct json *value, struct links *links, struct err *err)
{
    bool is_object = json_kind(value) == JSON_OBJECT;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        struct link *link = &links->items[links->count++];
        *link = (struct link){.container = is_object ? check_strdup(json_key(item)) : NULL};
        if ((is_object ? take_alias(link, item, err) : read_listed(item, link, err)) != 0)
            return -1;
    }
    return 0;
}

/* {container: alias}, or a list; sorted. */
int jobspec_as_links(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT && json_kind(value) != JSON_ARRAY)
        return jobspec_wrong_type("an object or a list", value, err);
    struct links links = {check_alloc((json_count(value) + 1) * sizeof(struct link)), 0};
    int rc = read_links(value, &links, err);
    if (rc == 0) {
        qsort(links.items, links.count, sizeof(links.items[0]), compare_links);
        *out = json_new_array();
        for (size_t i = 0; i < links.count; i++) {
            const struct link *link = &links.items[i];
            char *AUTO_FREE text = check_printf("%s%s%s", link->container, link->alias == NULL ? "" : ":",
                                                link->alias == NULL ? "" : link->alias);
            json_take_add(*out, json_new_text(text));
        }
    }
    links_done(&links);
    return rc;
}

/* --- the rest --------------------------------------------------------------------------------------------
 */

/* No engine reads it any more; anything goes. */
int jobspec_as_lxc_conf(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT) {
        *out = json_copy(value);
        return 0;
    }
    struct json *made = json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        char *AUTO_FREE text = NULL;
        if (jobspec_python_copy(item, &text, err) != 0) {
            json_free(made);
            return -1;
        }
        struct json *pair = json_new_object();
        json_set_text(pair, "Key", json_key(item));
        json_set_text(pair, "Value", text);
        json_take_add(made, pair);
    }
    *out = made;
    return 0;
}

/* A list, or text with commas. */
int jobspec_as_volumes_from(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_ARRAY)
        return jobspec_as_list(value, out, err);
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("text or a list", value, err);
    char *AUTO_FREE text = check_strdup(json_text(value, ""));
    *out = json_new_array();
    for (char *part = text;;) {
        char *comma = strchr(part, ',');
        if (comma != NULL)
            *comma = '\0';
        json_take_add(*out, json_new_text(part));
        if (comma == NULL)
            return 0;
        part = comma + 1;
    }
}
