/*
 * jobspec_body.c - the body of POST /containers/create.
 *
 * Keys stand in the order in which docker-py sends them, so that a recording of the official worker can be
 * compared line by line. Left out on purpose: AutoRemove, which would throw the exit code away before it is
 * read (the service removes the container itself). Networks beyond the first are for the caller to connect.
 */
#include "api/jobspec_internal.h"

#include <string.h>

static struct json *text_list(char *const *list)
{
    struct json *array = json_new_array();
    for (; *list != NULL; list++)
        json_take_add(array, json_new_text(*list));
    return array;
}

static struct json *environment_list(const struct jobspec_pairs *environment)
{
    struct json *array = json_new_array();
    for (size_t i = 0; i < environment->count; i++) {
        char *AUTO_FREE item = check_printf("%s=%s", environment->items[i].name, environment->items[i].value);
        json_take_add(array, json_new_text(item));
    }
    return array;
}

static struct json *label_object(const struct jobspec_pairs *labels)
{
    struct json *object = json_new_object();
    for (size_t i = 0; i < labels->count; i++)
        json_set_text(object, labels->items[i].name, labels->items[i].value);
    return object;
}

static int add_command(const struct jobspec_fields *fields, struct json *body, struct err *err)
{
    char **words = NULL;
    const char *command = fields->command == NULL ? "prefect flow-run execute" : fields->command;
    if (jobspec_split_command(command, &words, err) != 0)
        return err_wrap(err, "command");
    json_take_set(body, "Cmd", text_list(words));
    jobspec_free_list(words);
    return 0;
}

/* Fills Binds and Volumes; both stay empty without volumes. */
static int read_volumes(const struct jobspec_parts *parts, struct json *binds, struct json *volumes,
                        struct err *err)
{
    for (char *const *text = parts->fields->volumes; *text != NULL; text++) {
        char *AUTO_FREE bind = NULL;
        char *AUTO_FREE path = NULL;
        if (jobspec_volume_resolve(*text, parts->input->working_directory, &bind, &path, err) != 0)
            return err_wrap(err, "volumes");
        json_take_add(binds, json_new_text(bind));
        json_take_set(volumes, path, json_new_object());
    }
    return 0;
}

static const char *first_network(const struct jobspec_fields *fields)
{
    const char *name = fields->networks[0];
    return name == NULL || *name == '\0' ? NULL : name;
}

static void add_extra_hosts(const struct jobspec_parts *parts, struct json *host, struct jobspec *out)
{
    if (!jobspec_needs_host_entry(parts->environment))
        return;
    struct json *hosts = json_new_array();
    if (jobspec_knows_host_gateway(parts->input->engine_api_version))
        json_take_add(hosts, json_new_text("host.docker.internal:host-gateway"));
    else
        out->warning =
            check_printf("the engine (API %s) does not know host-gateway, so the container can't find "
                         "host.docker.internal",
                         parts->input->engine_api_version);
    json_take_set(host, "ExtraHosts", hosts);
}

static struct json *host_config(const struct jobspec_parts *parts, struct json *binds, struct jobspec *out)
{
    const struct jobspec_fields *fields = parts->fields;
    struct json *host = json_new_object();
    if (fields->has_mem_limit)
        json_set_int(host, "Memory", fields->mem_limit_bytes);
    if (fields->has_memswap_limit)
        json_set_int(host, "MemorySwap", fields->memswap_limit_bytes);
    if (fields->privileged)
        json_set_bool(host, "Privileged", true);
    const char *mode = first_network(fields);
    if (mode == NULL)
        mode = jobspec_network_mode(fields, parts->environment, parts->input->api_url);
    json_set_text(host, "NetworkMode", mode == NULL ? "default" : mode);
    if (json_first(binds) != NULL)
        json_take_set(host, "Binds", binds);
    else
        json_free(binds);
    add_extra_hosts(parts, host, out);
    return host;
}

static struct json *networking_config(const char *network)
{
    struct json *endpoints = json_new_object();
    json_take_set(endpoints, network, json_new_object());
    struct json *config = json_new_object();
    json_take_set(config, "EndpointsConfig", endpoints);
    return config;
}

static int fill_body(const struct jobspec_parts *parts, struct json *body, struct jobspec *out,
                     struct err *err)
{
    static const char *const off[] = {"Tty", "OpenStdin", "StdinOnce", "AttachStdin"};
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        json_set_bool(body, off[i], false);
    json_set_bool(body, "AttachStdout", true);
    json_set_bool(body, "AttachStderr", true);
    json_take_set(body, "Env", environment_list(parts->environment));
    if (add_command(parts->fields, body, err) != 0)
        return -1;
    json_set_text(body, "Image", parts->image);

    struct json *binds = json_new_array();
    struct json *volumes = json_new_object();
    int rc = read_volumes(parts, binds, volumes, err);
    if (rc == 0 && json_first(volumes) != NULL)
        json_take_set(body, "Volumes", volumes);
    else
        json_free(volumes);
    if (rc != 0) {
        json_free(binds);
        return -1;
    }
    json_set_bool(body, "NetworkDisabled", false);
    json_take_set(body, "HostConfig", host_config(parts, binds, out));
    const char *network = first_network(parts->fields);
    if (network != NULL)
        json_take_set(body, "NetworkingConfig", networking_config(network));
    json_take_set(body, "Labels", label_object(parts->labels));
    return 0;
}

int jobspec_body(const struct jobspec_parts *parts, struct jobspec *out, struct err *err)
{
    struct json *body = json_new_object();
    int rc = fill_body(parts, body, out, err);
    if (rc == 0)
        out->create_body = json_write(body);
    json_free(body);
    return rc;
}
