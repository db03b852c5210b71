/*
 * jobspec_kwargs.c - container_create_kwargs: keywords of docker-py's containers.create -> keys of the
 * engine.
 *
 * One table row per keyword that maps to one key; a few that do more stand beside it. Keywords that are
 * fields of the job are dropped, as the official worker does; one that docker-py does not know is refused by
 * name. Which values are left out (0, false, empty) differs from keyword to keyword in docker-py. The
 * conversions: jobspec_convert.c, jobspec_records.c, jobspec_forms.c, jobspec_ports.c.
 */
#include "api/jobspec_internal.h"

#include <string.h>

#define KWARGS "container_create_kwargs"

/* --- the table -------------------------------------------------------------------------------------------
 */

enum place { PLACE_TOP, PLACE_HOST };
enum sent { SENT_IF_GIVEN, SENT_IF_TRUE };

struct keyword {
    const char *name;
    const char *key;
    enum place place;
    enum sent sent;
    jobspec_convert_fn convert;
};

static const struct keyword keyword_table[] = {
    {"domainname", "Domainname", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_text},
    {"entrypoint", "Entrypoint", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_words},
    {"healthcheck", "Healthcheck", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_healthcheck},
    {"hostname", "Hostname", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_text},
    {"mac_address", "MacAddress", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_text},
    {"network_disabled", "NetworkDisabled", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_bool},
    {"stdin_open", "OpenStdin", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_bool},
    {"stop_signal", "StopSignal", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_text},
    {"tty", "Tty", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_bool},
    {"user", "User", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_user},
    {"working_dir", "WorkingDir", PLACE_TOP, SENT_IF_GIVEN, jobspec_as_text},
    {"blkio_weight", "BlkioWeight", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"blkio_weight_device", "BlkioWeightDevice", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"cap_add", "CapAdd", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"cap_drop", "CapDrop", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"cgroup_parent", "CgroupParent", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_text},
    {"cgroupns", "CgroupnsMode", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"cpu_count", "CpuCount", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_percent", "CpuPercent", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_period", "CpuPeriod", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_quota", "CpuQuota", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_rt_period", "CPURealtimePeriod", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_rt_runtime", "CPURealtimeRuntime", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpu_shares", "CpuShares", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"cpuset_cpus", "CpusetCpus", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"cpuset_mems", "CpusetMems", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"device_cgroup_rules", "DeviceCgroupRules", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_list},
    {"device_read_bps", "BlkioDeviceReadBps", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"device_read_iops", "BlkioDeviceReadIOps", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"device_requests", "DeviceRequests", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_device_requests},
    {"device_write_bps", "BlkioDeviceWriteBps", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"device_write_iops", "BlkioDeviceWriteIOps", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"devices", "Devices", PLACE_HOST, SENT_IF_TRUE, jobspec_as_devices},
    {"dns", "Dns", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_list},
    {"dns_opt", "DnsOptions", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_list},
    {"dns_search", "DnsSearch", PLACE_HOST, SENT_IF_TRUE, jobspec_as_list},
    {"group_add", "GroupAdd", PLACE_HOST, SENT_IF_TRUE, jobspec_as_texts},
    {"init", "Init", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_bool},
    {"ipc_mode", "IpcMode", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"isolation", "Isolation", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"kernel_memory", "KernelMemory", PLACE_HOST, SENT_IF_TRUE, jobspec_as_size},
    {"links", "Links", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_links},
    {"log_config", "LogConfig", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_log_config},
    {"lxc_conf", "LxcConf", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_lxc_conf},
    {"mem_reservation", "MemoryReservation", PLACE_HOST, SENT_IF_TRUE, jobspec_as_size},
    {"mem_swappiness", "MemorySwappiness", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_whole},
    {"mounts", "Mounts", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_list},
    {"nano_cpus", "NanoCpus", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"oom_kill_disable", "OomKillDisable", PLACE_HOST, SENT_IF_TRUE, jobspec_as_bool},
    {"oom_score_adj", "OomScoreAdj", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"pid_mode", "PidMode", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"pids_limit", "PidsLimit", PLACE_HOST, SENT_IF_TRUE, jobspec_as_whole},
    {"publish_all_ports", "PublishAllPorts", PLACE_HOST, SENT_IF_TRUE, jobspec_as_bool},
    {"read_only", "ReadonlyRootfs", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_bool},
    {"restart_policy", "RestartPolicy", PLACE_HOST, SENT_IF_TRUE, jobspec_as_restart_policy},
    {"runtime", "Runtime", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text},
    {"security_opt", "SecurityOpt", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_list},
    {"shm_size", "ShmSize", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_size},
    {"storage_opt", "StorageOpt", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_object},
    {"sysctls", "Sysctls", PLACE_HOST, SENT_IF_TRUE, jobspec_as_text_values},
    {"tmpfs", "Tmpfs", PLACE_HOST, SENT_IF_TRUE, jobspec_as_tmpfs},
    {"ulimits", "Ulimits", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_ulimits},
    {"userns_mode", "UsernsMode", PLACE_HOST, SENT_IF_TRUE, jobspec_as_host_only},
    {"uts_mode", "UTSMode", PLACE_HOST, SENT_IF_TRUE, jobspec_as_host_only},
    {"volume_driver", "VolumeDriver", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_text},
    {"volumes_from", "VolumesFrom", PLACE_HOST, SENT_IF_GIVEN, jobspec_as_volumes_from},
};

/* Read by others: jobspec_networks.c, jobspec_body.c, and below. `version` is the engine's, whatever is
 * written. */
static const char *const elsewhere[] = {"detach",  "environment",       "extra_hosts",
                                        "network", "networking_config", "platform",
                                        "ports",   "use_config_proxy",  "version"};

static bool is_elsewhere(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++) {
        if (strcmp(name, elsewhere[i]) == 0)
            return true;
    }
    return false;
}

static int apply_keyword(const struct keyword *keyword, const struct json *value, struct json *top,
                         struct json *host, struct err *err)
{
    struct json *made = NULL;
    struct json *place = keyword->place == PLACE_TOP ? top : host;
    if (json_kind(value) == JSON_NULL) {
        json_remove(place, keyword->key); /* null takes the place of false, and is not sent */
        return 0;
    }
    if (keyword->sent == SENT_IF_TRUE && !jobspec_is_truthy(value))
        return 0;
    if (keyword->convert(value, &made, err) != 0)
        return -1;
    json_take_set(place, keyword->key, made);
    return 0;
}

static int apply_named(const struct json *value, struct json *top, struct json *host, struct err *err)
{
    const char *name = json_key(value);
    if (jobspec_is_field(name) || is_elsewhere(name))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(keyword_table); i++) {
        if (strcmp(keyword_table[i].name, name) == 0)
            return apply_keyword(&keyword_table[i], value, top, host, err);
    }
    if (strcmp(name, "init_path") != 0)
        return err_set(err, ERR_INVALID, "no such keyword");
    return json_kind(value) == JSON_NULL ? 0 : err_set(err, ERR_INVALID, "no engine since API 1.29 takes it");
}

/* --- more than one key -----------------------------------------------------------------------------------
 */

static void attach(const struct json *kwargs, struct json *top)
{
    bool is_attached = !jobspec_is_truthy(json_get(kwargs, "detach"));
    bool has_stdin = is_attached && json_get_bool(top, "OpenStdin", false);
    json_set_bool(top, "StdinOnce", has_stdin);
    json_set_bool(top, "AttachStdin", has_stdin);
    json_set_bool(top, "AttachStdout", is_attached);
    json_set_bool(top, "AttachStderr", is_attached);
}

static int read_platform(const struct json *kwargs, struct jobspec *out, struct err *err)
{
    const struct json *platform = json_get(kwargs, "platform");
    if (json_kind(platform) != JSON_NULL && json_kind(platform) != JSON_STRING)
        return jobspec_wrong_type("text", platform, err);
    if (*json_text(platform, "") != '\0')
        out->platform = check_strdup(json_text(platform, ""));
    return 0;
}

static void warn_of_ignored(const struct json *kwargs, struct jobspec *out)
{
    if (json_get(kwargs, "volumes") != NULL)
        jobspec_warn(out, "volumes in " KWARGS " are ignored; they belong into the job variable volumes");
    if (json_kind(json_get(kwargs, "lxc_conf")) != JSON_NULL)
        jobspec_warn(out, "lxc_conf in " KWARGS " has no effect: engines do not know it any more");
}

int jobspec_kwargs(const struct json *kwargs, struct json *top, struct json *host, struct jobspec *out,
                   struct err *err)
{
    for (const struct json *value = json_first(kwargs); value != NULL; value = json_next(value)) {
        if (apply_named(value, top, host, err) != 0)
            return err_wrap(err, KWARGS ": %.100s", json_key(value));
    }
    if (jobspec_ports(json_get(kwargs, "ports"), top, host, err) != 0)
        return err_wrap(err, KWARGS ": ports");
    if (read_platform(kwargs, out, err) != 0)
        return err_wrap(err, KWARGS ": platform");
    attach(kwargs, top);
    out->tty = json_get_bool(top, "Tty", false);
    warn_of_ignored(kwargs, out);
    return 0;
}

bool jobspec_uses_proxies(const struct json *kwargs)
{
    const struct json *value = json_get(kwargs, "use_config_proxy");
    return value == NULL || jobspec_is_truthy(value);
}

/* --- environment -----------------------------------------------------------------------------------------
 */

static int set_object(struct jobspec_pairs *env, const struct json *object, struct err *err)
{
    for (const struct json *item = json_first(object); item != NULL; item = json_next(item)) {
        char *AUTO_FREE text = NULL;
        if (json_kind(item) != JSON_NULL && jobspec_python_copy(item, &text, err) != 0)
            return -1;
        jobspec_pairs_set(env, json_key(item), text);
    }
    return 0;
}

static int set_list(struct jobspec_pairs *env, const struct json *list, struct err *err)
{
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING)
            return jobspec_wrong_type("a list of texts", item, err);
        char *AUTO_FREE name = check_strdup(json_text(item, ""));
        char *equals = strchr(name, '=');
        if (equals != NULL)
            *equals = '\0';
        jobspec_pairs_set(env, name, equals == NULL ? NULL : equals + 1);
    }
    return 0;
}

int jobspec_kwargs_environment(const struct json *kwargs, struct jobspec_pairs *env, struct err *err)
{
    const struct json *value = json_get(kwargs, "environment");
    int rc = jobspec_limit_members(value, err);
    if (json_kind(value) == JSON_NULL)
        return 0;
    if (rc == 0 && json_kind(value) == JSON_OBJECT)
        rc = set_object(env, value, err);
    else if (rc == 0 && json_kind(value) == JSON_ARRAY)
        rc = set_list(env, value, err);
    else if (rc == 0)
        rc = jobspec_wrong_type("an object or a list", value, err);
    return rc == 0 ? 0 : err_wrap(err, KWARGS ": environment");
}
