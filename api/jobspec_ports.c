/*
 * jobspec_ports.c - ports: {"80[/protocol]": where on the host}.
 *
 * Where on the host is a port (number or text, null: any), {"HostIp", "HostPort"}, an address,
 * "address:port", a pair [address, port], or a list of all these. docker-py takes the last three for ports,
 * since in Python only a tuple is a pair; no engine would take them so. Each port is also exposed.
 */
#include "api/jobspec_internal.h"

#include <string.h>

static struct json *new_binding(const char *address, const char *port)
{
    struct json *binding = json_new_object();
    json_set_text(binding, "HostIp", address);
    json_set_text(binding, "HostPort", port);
    return binding;
}

/* IPv4 or IPv6, rather than a port or a range of ports. */
static bool is_address(const char *text)
{
    return strpbrk(text, ".:") != NULL;
}

/* The colon in front of the port of "1.2.3.4:80" and "[::1]:80"; NULL if there is none. */
static const char *port_colon(const char *text)
{
    const char *first = strchr(text, ':');
    const char *last = strrchr(text, ':');
    if (last == NULL || (first != last && last[-1] != ']'))
        return NULL;
    return last;
}

static struct json *binding_of_text(const char *text)
{
    const char *colon = port_colon(text);
    if (colon == NULL)
        return is_address(text) ? new_binding(text, "") : new_binding("", text);
    bool has_brackets = text[0] == '[' && colon[-1] == ']';
    char *AUTO_FREE address =
        check_strndup(text + has_brackets, (size_t)(colon - text) - 2 * (size_t)has_brackets);
    return new_binding(address, colon + 1);
}

/* Text of a port: a number, text, or null for any. false: none of these. */
static bool port_text(const struct json *value, const char **out)
{
    *out = json_kind(value) == JSON_NUMBER ? json_number_text(value) : json_text(value, "");
    return json_kind(value) == JSON_NULL || json_kind(value) == JSON_STRING ||
           (json_kind(value) == JSON_NUMBER && strpbrk(*out, ".eE") == NULL);
}

static int binding_of_object(const struct json *object, struct json **out, struct err *err)
{
    const char *port = NULL;
    const struct json *address = json_get(object, "HostIp");
    if (json_get(object, "HostPort") == NULL)
        return err_set(err, ERR_INVALID, "expected a \"HostPort\" in the object");
    if (!port_text(json_get(object, "HostPort"), &port))
        return jobspec_wrong_type("a port as \"HostPort\"", json_get(object, "HostPort"), err);
    if (json_kind(address) != JSON_NULL && json_kind(address) != JSON_STRING)
        return jobspec_wrong_type("text as \"HostIp\"", address, err);
    *out = new_binding(json_text(address, ""), port);
    return 0;
}

/* [address] or [address, port] */
static bool is_pair(const struct json *value)
{
    const struct json *first = json_first(value);
    const char *address = json_text(first, "");
    const char *ignored = NULL;
    if (json_kind(value) != JSON_ARRAY || !is_address(address) || port_colon(address) != NULL)
        return false;
    const struct json *second = json_next(first);
    return second == NULL ||
           (json_next(second) == NULL && port_text(second, &ignored) && !is_address(ignored));
}

static struct json *binding_of_pair(const struct json *pair)
{
    const char *port = "";
    const struct json *second = json_next(json_first(pair));
    if (second != NULL)
        CHECK(port_text(second, &port));
    return new_binding(json_text(json_first(pair), ""), port);
}

static int binding_of(const struct json *value, struct json **out, struct err *err)
{
    const char *port = NULL;
    if (json_kind(value) == JSON_OBJECT)
        return binding_of_object(value, out, err);
    if (is_pair(value))
        *out = binding_of_pair(value);
    else if (json_kind(value) == JSON_STRING)
        *out = binding_of_text(json_text(value, ""));
    else if (port_text(value, &port))
        *out = new_binding("", port);
    else
        return jobspec_wrong_type("a port, a pair of address and port, or an object with HostPort", value,
                                  err);
    return 0;
}

static int bindings_of(const struct json *value, struct json **out, struct err *err)
{
    struct json *list = json_new_array();
    bool is_list = json_kind(value) == JSON_ARRAY && !is_pair(value);
    for (const struct json *item = is_list ? json_first(value) : value; item != NULL;
         item = is_list ? json_next(item) : NULL) {
        struct json *binding = NULL;
        if (binding_of(item, &binding, err) != 0) {
            json_free(list);
            return -1;
        }
        json_take_add(list, binding);
    }
    *out = list;
    return 0;
}

static int compare_keys(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The keys of the bindings in order, each with an empty object. */
static struct json *exposed_ports(const struct json *bindings)
{
    size_t count = 0;
    const char **AUTO_FREE keys = check_alloc((json_count(bindings) + 1) * sizeof(*keys));
    for (const struct json *item = json_first(bindings); item != NULL; item = json_next(item))
        keys[count++] = json_key(item);
    qsort(keys, count, sizeof(*keys), compare_keys);
    struct json *ports = json_new_object();
    for (size_t i = 0; i < count; i++)
        json_take_set(ports, keys[i], json_new_object());
    return ports;
}

int jobspec_ports(const struct json *value, struct json *top, struct json *host, struct err *err)
{
    if (!jobspec_is_truthy(value))
        return 0;
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object", value, err);
    if (jobspec_limit_members(value, err) != 0)
        return -1;
    struct json *made = json_new_object();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        struct json *bindings = NULL;
        const char *port = json_key(item);
        char *AUTO_FREE key = check_printf("%s%s", port, strchr(port, '/') == NULL ? "/tcp" : "");
        if (bindings_of(item, &bindings, err) != 0) {
            json_free(made);
            return err_wrap(err, "%.60s", port);
        }
        json_take_set(made, key, bindings);
    }
    json_take_set(top, "ExposedPorts", exposed_ports(made));
    json_take_set(host, "PortBindings", made);
    return 0;
}
