/*
 * jobspec_networks.c - the keywords network, networking_config and mac_address.
 *
 * The networks of a container are `network`, then the field `networks`, then those that only
 * networking_config names, provided that it also names the first: docker-py drops the whole of it otherwise,
 * and without any network. The first one belongs to the create body, the others are connected afterwards,
 * each with its settings, which works with every engine (before API 1.44 a create takes one).
 */
#include "api/jobspec_internal.h"

#include <string.h>
#include <strings.h>

#define CONFIG "networking_config"
/* From this minor version of the API on an address belongs to an endpoint. */
#define ENDPOINT_MAC_MINOR 44

static size_t count_networks(const struct jobspec_fields *fields)
{
    size_t count = 0;
    while (fields->networks[count] != NULL)
        count++;
    return count;
}

static bool has_network(const struct jobspec_fields *fields, const char *name)
{
    for (char *const *network = fields->networks; *network != NULL; network++) {
        if (strcmp(*network, name) == 0)
            return true;
    }
    return false;
}

/* The list with `name` in front, and nowhere else. */
static void put_first(struct jobspec_fields *fields, const char *name)
{
    size_t count = 0;
    char **list = check_alloc((count_networks(fields) + 2) * sizeof(*list));
    list[count++] = check_strdup(name);
    for (char *const *network = fields->networks; *network != NULL; network++) {
        if (strcmp(*network, name) != 0)
            list[count++] = check_strdup(*network);
    }
    list[count] = NULL;
    jobspec_free_list(fields->networks);
    fields->networks = list;
}

static void put_last(struct jobspec_fields *fields, const char *name)
{
    size_t count = count_networks(fields);
    fields->networks = check_realloc(fields->networks, (count + 2) * sizeof(*fields->networks));
    fields->networks[count] = check_strdup(name);
    fields->networks[count + 1] = NULL;
}

static int read_network(struct jobspec_fields *fields, struct err *err)
{
    const struct json *network = json_get(fields->create_kwargs, "network");
    if (json_kind(network) == JSON_NULL)
        return 0;
    if (json_kind(network) != JSON_STRING)
        return jobspec_wrong_type("text", network, err);
    if (*json_text(network, "") != '\0')
        put_first(fields, json_text(network, ""));
    return 0;
}

static int check_endpoint(const struct json *endpoint, struct err *err)
{
    if (json_kind(endpoint) == JSON_OBJECT || json_kind(endpoint) == JSON_NULL)
        return 0;
    jobspec_wrong_type("an object", endpoint, err);
    return err_wrap(err, "%.100s", json_key(endpoint));
}

static int read_config(struct jobspec_fields *fields, struct jobspec *out, struct err *err)
{
    const struct json *config = json_get(fields->create_kwargs, CONFIG);
    if (!jobspec_is_truthy(config))
        return 0;
    if (json_kind(config) != JSON_OBJECT)
        return jobspec_wrong_type("an object", config, err);
    if (jobspec_limit_members(config, err) != 0)
        return -1;
    const char *first = jobspec_first_network(fields);
    bool is_whole = first != NULL && json_get(config, first) != NULL;
    for (const struct json *endpoint = json_first(config); endpoint != NULL; endpoint = json_next(endpoint)) {
        const char *name = json_key(endpoint);
        if (check_endpoint(endpoint, err) != 0)
            return -1;
        if (has_network(fields, name))
            continue;
        if (is_whole && *name != '\0')
            put_last(fields, name);
        else
            jobspec_warn(out,
                         CONFIG " for \"%.100s\" is ignored, since the first of the networks is %s%.100s",
                         name, first == NULL ? "not given" : "", first == NULL ? "" : first);
    }
    return 0;
}

int jobspec_networks(struct jobspec_fields *fields, struct jobspec *out, struct err *err)
{
    if (read_network(fields, err) != 0)
        return err_wrap(err, "container_create_kwargs: network");
    if (read_config(fields, out, err) != 0)
        return err_wrap(err, "container_create_kwargs: " CONFIG);
    const char *first = jobspec_first_network(fields);
    if (first != NULL && fields->network_mode != NULL)
        jobspec_warn(out,
                     "network_mode \"%.100s\" is ignored, since the container joins the network \"%.100s\"",
                     fields->network_mode, first);
    return 0;
}

const char *jobspec_first_network(const struct jobspec_fields *fields)
{
    const char *name = fields->networks[0];
    return name == NULL || *name == '\0' ? NULL : name;
}

static struct json *endpoint_of(const struct jobspec_fields *fields, const char *network)
{
    const struct json *given = json_get(json_get(fields->create_kwargs, CONFIG), network);
    return json_kind(given) == JSON_OBJECT ? json_copy(given) : json_new_object();
}

void jobspec_further_networks(const struct jobspec_fields *fields, struct jobspec *out)
{
    size_t count = count_networks(fields);
    if (count < 2)
        return;
    out->networks = check_alloc(count * sizeof(*out->networks));
    out->endpoints = check_alloc(count * sizeof(*out->endpoints));
    for (size_t i = 1; i < count; i++) {
        struct json *endpoint = endpoint_of(fields, fields->networks[i]);
        out->networks[i - 1] = check_strdup(fields->networks[i]);
        out->endpoints[i - 1] = json_write(endpoint);
        json_free(endpoint);
    }
    out->networks[count - 1] = NULL;
    out->endpoints[count - 1] = NULL;
}

/* --- the create body -------------------------------------------------------------------------------------
 */

/* Whose network it is then, nobody may give it an address. */
static bool has_foreign_network(const char *mode)
{
    return strcmp(mode, "host") == 0 || strncmp(mode, "container:", strlen("container:")) == 0;
}

/* Move the address from the top of the body into the endpoint, unless that has the same already. */
static int give_address(struct json *top, struct json *endpoint, struct err *err)
{
    const char *address = json_get_text(top, "MacAddress", "");
    const char *own = json_get_text(endpoint, "MacAddress", "");
    if (*own != '\0' && strcasecmp(own, address) != 0)
        return err_set(err, ERR_INVALID, "\"%.40s\" is not the address that " CONFIG " gives, \"%.40s\"",
                       address, own);
    json_set_text(endpoint, "MacAddress", address);
    json_remove(top, "MacAddress");
    return 0;
}

int jobspec_add_endpoint(const struct jobspec_fields *fields, const char *mode,
                         const char *engine_api_version, struct json *top, struct err *err)
{
    const char *first = jobspec_first_network(fields);
    bool has_address = *json_get_text(top, "MacAddress", "") != '\0';
    if (has_address && first == NULL && has_foreign_network(mode)) {
        err_set(err, ERR_INVALID,
                "in network mode \"%.60s\"%s the container has no network of its own; set networks or "
                "network_mode",
                mode,
                fields->network_mode == NULL ? ", which is assumed since the API is on this machine," : "");
        return err_wrap(err, "container_create_kwargs: mac_address");
    }
    /* Without a network there is no endpoint, and the engine ignores the address. */
    bool moves_address = has_address && jobspec_api_has(engine_api_version, ENDPOINT_MAC_MINOR, false) &&
                         (first != NULL || strcmp(mode, "none") != 0);
    if (first == NULL && !moves_address)
        return 0;
    struct json *endpoint = first == NULL ? json_new_object() : endpoint_of(fields, first);
    if (moves_address && give_address(top, endpoint, err) != 0) {
        json_free(endpoint);
        return err_wrap(err, "container_create_kwargs: mac_address");
    }
    struct json *endpoints = json_new_object();
    json_take_set(endpoints, first == NULL ? mode : first, endpoint);
    struct json *config = json_new_object();
    json_take_set(config, "EndpointsConfig", endpoints);
    json_take_set(top, "NetworkingConfig", config);
    return 0;
}
