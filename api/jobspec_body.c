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

static void add_variable(struct json *array, const char *name, const char *value)
{
    char *AUTO_FREE item = check_printf("%s=%s", name, value);
    json_take_add(array, json_new_text(item));
}

/* The proxies stand in front and go without regard to the rest, as docker-py does it: a job's own variable of
 * that name comes later, and engines go by the last. */
static struct json *environment_list(const struct jobspec_parts *parts)
{
    struct json *array = json_new_array();
    const struct jobspec_pairs *environment = parts->environment;
    const char *const *proxy = parts->input->proxy_environment;
    if (!jobspec_uses_proxies(parts->fields->create_kwargs))
        proxy = NULL;
    for (; proxy != NULL && *proxy != NULL; proxy += 2)
        add_variable(array, proxy[0], proxy[1]);
    for (size_t i = 0; i < environment->count; i++)
        add_variable(array, environment->items[i].name, environment->items[i].value);
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

static int add_volumes(const struct jobspec_parts *parts, struct json *body, struct json *host,
                       struct err *err)
{
    if (parts->fields->volumes[0] == NULL)
        return 0;
    json_take_set(host, "Binds", json_new_array());
    json_take_set(body, "Volumes", json_new_object());
    for (char *const *text = parts->fields->volumes; *text != NULL; text++) {
        char *AUTO_FREE bind = NULL;
        char *AUTO_FREE path = NULL;
        if (jobspec_volume_resolve(*text, parts->input->working_directory, &bind, &path, err) != 0)
            return err_wrap(err, "volumes");
        json_take_add(json_edit(host, "Binds"), json_new_text(bind));
        json_take_set(json_edit(body, "Volumes"), path, json_new_object());
    }
    return 0;
}

static void warn_of_old_engine(const struct jobspec_parts *parts, struct jobspec *out)
{
    const struct jobspec_input *input = parts->input;
    if (jobspec_is_podman(input))
        jobspec_warn(
            out,
            "Podman %s does not know host-gateway, so the container can't find host.docker.internal; "
            "Podman's own name is host.containers.internal",
            input->podman_version);
    else
        jobspec_warn(out,
                     "the engine (API %s) does not know host-gateway, so the container can't find "
                     "host.docker.internal",
                     input->engine_api_version);
}

/* "host:address", sorted; a list of the job's stays as it is where there is nothing to merge it with. */
static int add_extra_hosts(const struct jobspec_parts *parts, struct json *host, struct jobspec *out,
                           struct err *err)
{
    bool is_needed = jobspec_needs_host_entry(parts->environment);
    bool is_known = jobspec_knows_host_gateway(parts->input);
    if (jobspec_lacks_host_name(parts->input, parts->environment))
        warn_of_old_engine(parts, out);
    const struct json *own = json_get(parts->fields->create_kwargs, "extra_hosts");
    struct json *made = NULL;
    if (jobspec_extra_hosts(own, is_needed && is_known, &made, err) != 0)
        return err_wrap(err, "container_create_kwargs: extra_hosts");
    if (made == NULL && is_needed && own == NULL)
        made = json_new_array();
    if (made != NULL)
        json_take_set(host, "ExtraHosts", made);
    return 0;
}

/* The network, or else the mode. */
static const char *network_mode(const struct jobspec_parts *parts)
{
    const char *mode = jobspec_first_network(parts->fields);
    if (mode == NULL)
        mode = jobspec_network_mode(parts->fields, parts->environment, parts->input->api_url);
    return mode == NULL ? "default" : mode;
}

static int check_ports(const struct jobspec_parts *parts, const char *mode, const struct json *host,
                       struct err *err)
{
    if (strcmp(mode, "host") != 0 || json_get(host, "PortBindings") == NULL)
        return 0;
    return err_set(
        err, ERR_INVALID,
        "container_create_kwargs: ports: in network mode \"host\"%s a container has no ports of its "
        "own; set networks or network_mode",
        parts->fields->network_mode == NULL ? ", which is assumed since the API is on this machine," : "");
}

/* HostConfig, and what of the top depends on the network. */
static int fill_host(const struct jobspec_parts *parts, struct json *top, struct json *host,
                     struct jobspec *out, struct err *err)
{
    const struct jobspec_fields *fields = parts->fields;
    if (fields->has_mem_limit)
        json_set_int(host, "Memory", fields->mem_limit_bytes);
    if (fields->has_memswap_limit)
        json_set_int(host, "MemorySwap", fields->memswap_limit_bytes);
    if (fields->privileged)
        json_set_bool(host, "Privileged", true);
    const char *mode = network_mode(parts);
    json_set_text(host, "NetworkMode", mode);
    if (check_ports(parts, mode, host, err) != 0 ||
        jobspec_add_endpoint(fields, mode, parts->input->engine_api_version, top, err) != 0)
        return -1;
    return add_extra_hosts(parts, host, out, err);
}

/* --- order -----------------------------------------------------------------------------------------------
 */

static const char *const top_order[] = {"Hostname",
                                        "Domainname",
                                        "ExposedPorts",
                                        "User",
                                        "Tty",
                                        "OpenStdin",
                                        "StdinOnce",
                                        "AttachStdin",
                                        "AttachStdout",
                                        "AttachStderr",
                                        "Env",
                                        "Cmd",
                                        "Image",
                                        "Volumes",
                                        "NetworkDisabled",
                                        "Entrypoint",
                                        "WorkingDir",
                                        "HostConfig",
                                        "NetworkingConfig",
                                        "MacAddress",
                                        "Labels",
                                        "StopSignal",
                                        "Healthcheck"};
static const char *const host_order[] = {"Memory",
                                         "MemorySwap",
                                         "MemoryReservation",
                                         "KernelMemory",
                                         "MemorySwappiness",
                                         "ShmSize",
                                         "PidMode",
                                         "IpcMode",
                                         "Privileged",
                                         "OomKillDisable",
                                         "OomScoreAdj",
                                         "PublishAllPorts",
                                         "ReadonlyRootfs",
                                         "DnsSearch",
                                         "NetworkMode",
                                         "RestartPolicy",
                                         "CapAdd",
                                         "CapDrop",
                                         "Devices",
                                         "GroupAdd",
                                         "Dns",
                                         "DnsOptions",
                                         "SecurityOpt",
                                         "Sysctls",
                                         "VolumesFrom",
                                         "Binds",
                                         "PortBindings",
                                         "ExtraHosts",
                                         "Links",
                                         "LxcConf",
                                         "CgroupParent",
                                         "Ulimits",
                                         "LogConfig",
                                         "CpuQuota",
                                         "CpuPeriod",
                                         "CpuShares",
                                         "CpusetCpus",
                                         "CpusetMems",
                                         "CPURealtimePeriod",
                                         "CPURealtimeRuntime",
                                         "BlkioWeight",
                                         "BlkioWeightDevice",
                                         "BlkioDeviceReadBps",
                                         "BlkioDeviceWriteBps",
                                         "BlkioDeviceReadIOps",
                                         "BlkioDeviceWriteIOps",
                                         "Tmpfs",
                                         "UsernsMode",
                                         "UTSMode",
                                         "PidsLimit",
                                         "Isolation",
                                         "StorageOpt",
                                         "Init",
                                         "VolumeDriver",
                                         "CpuCount",
                                         "CpuPercent",
                                         "NanoCpus",
                                         "Runtime",
                                         "Mounts",
                                         "DeviceCgroupRules",
                                         "DeviceRequests",
                                         "CgroupnsMode"};

static int add_member(struct buf *text, const char *key, const char *value, struct err *err)
{
    bool is_first = text->data[text->len - 1] == '{';
    return buf_printf(text, err, "%s\"%s\":", is_first ? "" : ",", key) != 0 ? -1
                                                                             : buf_add_str(text, value, err);
}

/* The members of object in the given order; host stands in for the member HostConfig, if given. */
static int write_members(const struct json *object, const char *const *order, size_t count, const char *host,
                         struct buf *text, struct err *err)
{
    size_t left = json_count(object);
    if (buf_add_str(text, "{", err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (host != NULL && strcmp(order[i], "HostConfig") == 0) {
            if (add_member(text, order[i], host, err) != 0)
                return -1;
            continue;
        }
        const struct json *value = json_get(object, order[i]);
        if (value == NULL)
            continue;
        char *AUTO_FREE written = json_write(value);
        if (add_member(text, order[i], written, err) != 0)
            return -1;
        left--;
    }
    CHECK(left == 0); /* a key that the order forgot would be lost in silence */
    return buf_add_str(text, "}", err);
}

static int write_ordered(const struct json *top, const struct json *host, char **out, struct err *err)
{
    struct buf host_text;
    struct buf text;
    buf_init(&host_text, SIZE_MAX / 4);
    buf_init(&text, SIZE_MAX / 4);
    int rc = write_members(host, host_order, ARRAY_LEN(host_order), NULL, &host_text, err);
    if (rc == 0)
        rc = write_members(top, top_order, ARRAY_LEN(top_order), buf_text(&host_text), &text, err);
    if (rc == 0)
        *out = buf_take(&text);
    buf_done(&host_text);
    buf_done(&text);
    return rc;
}

/* Everything but HostConfig. */
static int fill_top(const struct jobspec_parts *parts, struct json *body, struct json *host, struct err *err)
{
    static const char *const off[] = {"Tty", "OpenStdin", "NetworkDisabled"};
    for (size_t i = 0; i < ARRAY_LEN(off); i++)
        json_set_bool(body, off[i], false);
    json_take_set(body, "Env", environment_list(parts));
    json_set_text(body, "Image", parts->image);
    json_take_set(body, "Labels", label_object(parts->labels));
    if (add_command(parts->fields, body, err) != 0)
        return -1;
    return add_volumes(parts, body, host, err);
}

int jobspec_body(const struct jobspec_parts *parts, struct jobspec *out, struct err *err)
{
    struct json *top = json_new_object();
    struct json *host = json_new_object();
    int rc = fill_top(parts, top, host, err);
    if (rc == 0)
        rc = jobspec_kwargs(parts->fields->create_kwargs, top, host, out, err);
    if (rc == 0)
        rc = fill_host(parts, top, host, out, err);
    if (rc == 0)
        rc = write_ordered(top, host, &out->create_body, err);
    json_free(top);
    json_free(host);
    return rc;
}
