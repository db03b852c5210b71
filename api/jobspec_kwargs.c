/*
 * jobspec_kwargs.c - container_create_kwargs: keywords of docker-py's containers.create -> keys of the
 * engine.
 *
 * One table row per keyword that maps to one key; a few that do more stand beside it. Keywords that are
 * fields of the job are dropped, as the official worker does; a keyword that docker-py has and we don't yet
 * is refused, and so is one that nobody knows. Types are checked here, where a sentence can name the keyword;
 * inside lists and objects the engine judges. Which values are left out (0, false, empty) differs from
 * keyword to keyword in docker-py.
 */
#include "api/jobspec_internal.h"

#include <string.h>

static int wrong_type(const char *expected, const struct json *value, struct err *err)
{
    return err_set(err, ERR_INVALID, "expected %s, got %s", expected, jobspec_kind_phrase(value));
}

static int copy_of_kind(const struct json *value, enum json_kind kind, const char *expected,
                        struct json **out, struct err *err)
{
    if (json_kind(value) != kind)
        return wrong_type(expected, value, err);
    *out = json_copy(value);
    return 0;
}

static struct json *python_text(const struct json *value)
{
    struct buf text;
    struct err err;
    buf_init(&text, JOBSPEC_GROWTH_MAX_BYTES * 4);
    CHECK(jobspec_python_text(value, &text, &err) == 0);
    struct json *made = json_new_text(buf_text(&text));
    buf_done(&text);
    return made;
}

/* --- conversions -----------------------------------------------------------------------------------------
 */

static int as_text(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_STRING, "text", out, err);
}

static int as_bool(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_BOOL, "true or false", out, err);
}

static int as_list(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_ARRAY, "a list", out, err);
}

static int as_object(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_OBJECT, "an object", out, err);
}

static int as_whole(const struct json *value, struct json **out, struct err *err)
{
    const char *text = json_number_text(value);
    if (text == NULL || strpbrk(text, ".eE") != NULL)
        return wrong_type("a whole number", value, err);
    *out = json_copy(value);
    return 0;
}

static int as_size(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_NUMBER)
        return as_whole(value, out, err);
    long long bytes = 0;
    if (json_kind(value) != JSON_STRING)
        return wrong_type("a size such as \"512m\"", value, err);
    if (jobspec_parse_size(json_text(value, ""), &bytes, err) != 0)
        return -1;
    *out = json_new_int(bytes);
    return 0;
}

/* Text of the value: user ids are often written as numbers. */
static int as_user(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_STRING && json_kind(value) != JSON_NUMBER)
        return wrong_type("text or a number", value, err);
    *out = python_text(value);
    return 0;
}

static int as_host_only(const struct json *value, struct json **out, struct err *err)
{
    if (strcmp(json_text(value, ""), "host") != 0)
        return err_set(err, ERR_INVALID, "only \"host\" is allowed");
    *out = json_copy(value);
    return 0;
}

/* Text is split like a command, a list stays as it is. */
static int as_words(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_ARRAY)
        return as_list(value, out, err);
    if (json_kind(value) != JSON_STRING)
        return wrong_type("text or a list", value, err);
    char **words = NULL;
    if (jobspec_split_command(json_text(value, ""), &words, err) != 0)
        return -1;
    *out = json_new_array();
    for (char **word = words; *word != NULL; word++)
        json_take_add(*out, json_new_text(*word));
    jobspec_free_list(words);
    return 0;
}

static int as_texts(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return wrong_type("a list", value, err);
    *out = json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item))
        json_take_add(*out, python_text(item));
    return 0;
}

static int limit_members(const struct json *value, struct err *err)
{
    if (json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d entries", JOBSPEC_MEMBERS_MAX);
    return 0;
}

static int as_text_values(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return wrong_type("an object", value, err);
    if (limit_members(value, err) != 0)
        return -1;
    *out = json_new_object();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item))
        json_take_set(*out, json_key(item), python_text(item));
    return 0;
}

/* {path: options}, or a list of "path[:options]". */
static int as_tmpfs(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_OBJECT)
        return as_object(value, out, err);
    if (json_kind(value) != JSON_ARRAY)
        return wrong_type("an object or a list", value, err);
    if (limit_members(value, err) != 0)
        return -1;
    struct json *made = json_new_object();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING) {
            json_free(made);
            return wrong_type("a list of texts", item, err);
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

/* The member under the name of docker-py or, if that is absent, of the engine; NULL for null. */
static const struct json *either(const struct json *object, const char *ours, const char *engine)
{
    const struct json *value = json_get(object, ours);
    if (value == NULL)
        value = json_get(object, engine);
    return json_kind(value) == JSON_NULL ? NULL : value;
}

static struct json *copy_or_null(const struct json *value)
{
    return value == NULL ? json_new_null() : json_copy(value);
}

static int add_ulimit(const struct json *item, struct json *list, struct err *err)
{
    const struct json *name = either(item, "name", "Name");
    const struct json *soft = either(item, "soft", "Soft");
    const struct json *hard = either(item, "hard", "Hard");
    struct json *ignored = NULL;
    if (json_kind(name) != JSON_STRING)
        return wrong_type("a text \"name\" in each ulimit", name, err);
    const struct json *const numbers[] = {soft, hard};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (numbers[i] != NULL && as_whole(numbers[i], &ignored, err) != 0)
            return -1;
        json_free(STEAL(ignored));
    }
    struct json *made = json_new_object();
    json_take_set(made, "Name", json_copy(name));
    json_take_set(made, "Soft", copy_or_null(soft));
    json_take_set(made, "Hard", copy_or_null(hard));
    json_take_add(list, made);
    return 0;
}

static int as_ulimits(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return wrong_type("a list", value, err);
    struct json *made = json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (add_ulimit(item, made, err) != 0) {
            json_free(made);
            return -1;
        }
    }
    *out = made;
    return 0;
}

static int as_log_config(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return wrong_type("an object", value, err);
    const struct json *config = either(value, "config", "Config");
    if (config != NULL && json_kind(config) != JSON_OBJECT)
        return wrong_type("an object \"config\"", config, err);
    *out = json_new_object();
    json_take_set(*out, "Type", copy_or_null(either(value, "type", "Type")));
    json_take_set(*out, "Config", config == NULL ? json_new_object() : json_copy(config));
    return 0;
}

/* --- the table -------------------------------------------------------------------------------------------
 */

enum place { PLACE_TOP, PLACE_HOST };
enum sent { SENT_IF_GIVEN, SENT_IF_TRUE };

struct keyword {
    const char *name;
    const char *key;
    enum place place;
    enum sent sent;
    int (*convert)(const struct json *value, struct json **out, struct err *err);
};

static const struct keyword keyword_table[] = {
    {"domainname", "Domainname", PLACE_TOP, SENT_IF_GIVEN, as_text},
    {"entrypoint", "Entrypoint", PLACE_TOP, SENT_IF_GIVEN, as_words},
    {"hostname", "Hostname", PLACE_TOP, SENT_IF_GIVEN, as_text},
    {"network_disabled", "NetworkDisabled", PLACE_TOP, SENT_IF_GIVEN, as_bool},
    {"stop_signal", "StopSignal", PLACE_TOP, SENT_IF_GIVEN, as_text},
    {"tty", "Tty", PLACE_TOP, SENT_IF_GIVEN, as_bool},
    {"user", "User", PLACE_TOP, SENT_IF_GIVEN, as_user},
    {"working_dir", "WorkingDir", PLACE_TOP, SENT_IF_GIVEN, as_text},
    {"blkio_weight", "BlkioWeight", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"blkio_weight_device", "BlkioWeightDevice", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"cap_add", "CapAdd", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"cap_drop", "CapDrop", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"cgroup_parent", "CgroupParent", PLACE_HOST, SENT_IF_GIVEN, as_text},
    {"cgroupns", "CgroupnsMode", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"cpu_count", "CpuCount", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_percent", "CpuPercent", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_period", "CpuPeriod", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_quota", "CpuQuota", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_rt_period", "CPURealtimePeriod", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_rt_runtime", "CPURealtimeRuntime", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpu_shares", "CpuShares", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"cpuset_cpus", "CpusetCpus", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"cpuset_mems", "CpusetMems", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"device_cgroup_rules", "DeviceCgroupRules", PLACE_HOST, SENT_IF_GIVEN, as_list},
    {"device_read_bps", "BlkioDeviceReadBps", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"device_read_iops", "BlkioDeviceReadIOps", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"device_write_bps", "BlkioDeviceWriteBps", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"device_write_iops", "BlkioDeviceWriteIOps", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"dns", "Dns", PLACE_HOST, SENT_IF_GIVEN, as_list},
    {"dns_opt", "DnsOptions", PLACE_HOST, SENT_IF_GIVEN, as_list},
    {"dns_search", "DnsSearch", PLACE_HOST, SENT_IF_TRUE, as_list},
    {"group_add", "GroupAdd", PLACE_HOST, SENT_IF_TRUE, as_texts},
    {"init", "Init", PLACE_HOST, SENT_IF_GIVEN, as_bool},
    {"ipc_mode", "IpcMode", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"isolation", "Isolation", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"kernel_memory", "KernelMemory", PLACE_HOST, SENT_IF_TRUE, as_size},
    {"log_config", "LogConfig", PLACE_HOST, SENT_IF_GIVEN, as_log_config},
    {"mem_reservation", "MemoryReservation", PLACE_HOST, SENT_IF_TRUE, as_size},
    {"mem_swappiness", "MemorySwappiness", PLACE_HOST, SENT_IF_GIVEN, as_whole},
    {"mounts", "Mounts", PLACE_HOST, SENT_IF_GIVEN, as_list},
    {"nano_cpus", "NanoCpus", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"oom_kill_disable", "OomKillDisable", PLACE_HOST, SENT_IF_TRUE, as_bool},
    {"oom_score_adj", "OomScoreAdj", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"pid_mode", "PidMode", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"pids_limit", "PidsLimit", PLACE_HOST, SENT_IF_TRUE, as_whole},
    {"publish_all_ports", "PublishAllPorts", PLACE_HOST, SENT_IF_TRUE, as_bool},
    {"read_only", "ReadonlyRootfs", PLACE_HOST, SENT_IF_GIVEN, as_bool},
    {"runtime", "Runtime", PLACE_HOST, SENT_IF_TRUE, as_text},
    {"security_opt", "SecurityOpt", PLACE_HOST, SENT_IF_GIVEN, as_list},
    {"shm_size", "ShmSize", PLACE_HOST, SENT_IF_GIVEN, as_size},
    {"storage_opt", "StorageOpt", PLACE_HOST, SENT_IF_GIVEN, as_object},
    {"sysctls", "Sysctls", PLACE_HOST, SENT_IF_TRUE, as_text_values},
    {"tmpfs", "Tmpfs", PLACE_HOST, SENT_IF_TRUE, as_tmpfs},
    {"ulimits", "Ulimits", PLACE_HOST, SENT_IF_GIVEN, as_ulimits},
    {"userns_mode", "UsernsMode", PLACE_HOST, SENT_IF_TRUE, as_host_only},
    {"uts_mode", "UTSMode", PLACE_HOST, SENT_IF_TRUE, as_host_only},
    {"volume_driver", "VolumeDriver", PLACE_HOST, SENT_IF_GIVEN, as_text},
};

/* In docker-py, not yet here. */
static const char *const not_yet[] = {
    "detach",     "device_requests", "devices",          "environment", "healthcheck",       "init_path",
    "links",      "lxc_conf",        "mac_address",      "network",     "networking_config", "ports",
    "stdin_open", "restart_policy",  "use_config_proxy", "version",     "volumes_from"};
/* Read by others: jobspec_body.c and below. */
static const char *const elsewhere[] = {"extra_hosts", "platform"};

static bool is_among(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

static int apply_keyword(const struct keyword *keyword, const struct json *value, struct json *top,
                         struct json *host, struct err *err)
{
    struct json *made = NULL;
    if (json_kind(value) == JSON_NULL || (keyword->sent == SENT_IF_TRUE && !jobspec_is_truthy(value)))
        return 0;
    if (keyword->convert(value, &made, err) != 0)
        return -1;
    json_take_set(keyword->place == PLACE_TOP ? top : host, keyword->key, made);
    return 0;
}

static int apply_named(const struct json *value, struct json *top, struct json *host, struct err *err)
{
    const char *name = json_key(value);
    if (jobspec_is_field(name) || is_among(name, elsewhere, ARRAY_LEN(elsewhere)))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(keyword_table); i++) {
        if (strcmp(keyword_table[i].name, name) == 0)
            return apply_keyword(&keyword_table[i], value, top, host, err);
    }
    if (is_among(name, not_yet, ARRAY_LEN(not_yet)))
        return err_set(err, ERR_INVALID, "not supported yet");
    return err_set(err, ERR_INVALID, "no such keyword");
}

int jobspec_kwargs(const struct json *kwargs, struct json *top, struct json *host, struct jobspec *out,
                   struct err *err)
{
    for (const struct json *value = json_first(kwargs); value != NULL; value = json_next(value)) {
        if (apply_named(value, top, host, err) != 0)
            return err_wrap(err, "container_create_kwargs: %.100s", json_key(value));
    }
    const struct json *platform = json_get(kwargs, "platform");
    if (platform != NULL && json_kind(platform) != JSON_NULL && json_kind(platform) != JSON_STRING) {
        wrong_type("text", platform, err);
        return err_wrap(err, "container_create_kwargs: platform");
    }
    if (*json_text(platform, "") != '\0')
        out->platform = check_strdup(json_text(platform, ""));
    out->tty = json_get_bool(top, "Tty", false);
    if (json_get(kwargs, "volumes") != NULL)
        out->warning =
            check_strdup("volumes in container_create_kwargs are ignored; they belong into the job "
                         "variable volumes");
    return 0;
}
