/*
 * jobspec_records.c - keywords that are objects with known members: ulimits, log_config, healthcheck,
 * device_requests, restart_policy.
 *
 * Members may be named as docker-py does (start_period) or as the engine does (StartPeriod); docker-py's name
 * wins, also with null. Others are dropped, except in restart_policy, which docker-py hands on as it is.
 */
#include "api/jobspec_internal.h"

#include <string.h>
#include <strings.h>

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

struct member {
    const char *ours;
    const char *engine;
    jobspec_convert_fn convert;
    struct json *(*absent)(void);
};

static struct json *new_empty_text(void)
{
    return json_new_text("");
}

static struct json *new_zero(void)
{
    return json_new_int(0);
}

/* The members in the order of the table, each under the engine's name. */
static int read_members(const struct json *object, const struct member *members, size_t count,
                        struct json **out, struct err *err)
{
    if (json_kind(object) != JSON_OBJECT)
        return jobspec_wrong_type("an object", object, err);
    struct json *made = json_new_object();
    for (size_t i = 0; i < count; i++) {
        const struct json *value = either(object, members[i].ours, members[i].engine);
        struct json *converted = NULL;
        if (value == NULL) {
            json_take_set(made, members[i].engine, members[i].absent());
        } else if (members[i].convert(value, &converted, err) == 0) {
            json_take_set(made, members[i].engine, converted);
        } else {
            json_free(made);
            return err_wrap(err, "%s", members[i].ours);
        }
    }
    *out = made;
    return 0;
}

static int read_each(const struct json *list, const struct member *members, size_t count, struct json **out,
                     struct err *err)
{
    if (json_kind(list) != JSON_ARRAY)
        return jobspec_wrong_type("a list", list, err);
    struct json *made = json_new_array();
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        struct json *one = NULL;
        if (read_members(item, members, count, &one, err) != 0) {
            json_free(made);
            return -1;
        }
        json_take_add(made, one);
    }
    *out = made;
    return 0;
}

int jobspec_as_ulimits(const struct json *value, struct json **out, struct err *err)
{
    static const struct member members[] = {
        {"name", "Name", jobspec_as_text, json_new_null},
        {"soft", "Soft", jobspec_as_whole, json_new_null},
        {"hard", "Hard", jobspec_as_whole, json_new_null},
    };
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) == JSON_OBJECT && either(item, "name", "Name") == NULL)
            return err_set(err, ERR_INVALID, "each needs a \"name\"");
    }
    return read_each(value, members, ARRAY_LEN(members), out, err);
}

int jobspec_as_device_requests(const struct json *value, struct json **out, struct err *err)
{
    static const struct member members[] = {
        {"driver", "Driver", jobspec_as_text, new_empty_text},
        {"count", "Count", jobspec_as_whole, new_zero},
        {"device_ids", "DeviceIDs", jobspec_as_list, json_new_array},
        {"capabilities", "Capabilities", jobspec_as_list, json_new_array},
        {"options", "Options", jobspec_as_object, json_new_object},
    };
    return read_each(value, members, ARRAY_LEN(members), out, err);
}

/* Text is a command for the container's shell. */
static int as_test(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_ARRAY)
        return jobspec_as_list(value, out, err);
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("text or a list", value, err);
    *out = json_new_array();
    json_take_add(*out, json_new_text("CMD-SHELL"));
    json_take_add(*out, json_copy(value));
    return 0;
}

static int as_nanoseconds(const struct json *value, struct json **out, struct err *err)
{
    if (jobspec_as_whole(value, out, err) == 0)
        return 0;
    return jobspec_wrong_type("nanoseconds as a whole number", value, err);
}

int jobspec_as_healthcheck(const struct json *value, struct json **out, struct err *err)
{
    static const struct member members[] = {
        {"test", "Test", as_test, json_new_null},
        {"interval", "Interval", as_nanoseconds, json_new_null},
        {"timeout", "Timeout", as_nanoseconds, json_new_null},
        {"retries", "Retries", jobspec_as_whole, json_new_null},
        {"start_period", "StartPeriod", as_nanoseconds, json_new_null},
    };
    if (json_kind(value) == JSON_OBJECT && json_first(value) == NULL)
        return jobspec_as_object(value, out, err);
    return read_members(value, members, ARRAY_LEN(members), out, err);
}

/* A "config" that is false in Python is none. */
int jobspec_as_log_config(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object", value, err);
    const struct json *config = either(value, "config", "Config");
    if (jobspec_is_truthy(config) && json_kind(config) != JSON_OBJECT) {
        jobspec_wrong_type("an object", config, err);
        return err_wrap(err, "config");
    }
    *out = json_new_object();
    json_take_set(*out, "Type", copy_or_null(either(value, "type", "Type")));
    json_take_set(*out, "Config", jobspec_is_truthy(config) ? json_copy(config) : json_new_object());
    return 0;
}

/*
 * A container is started once in its life: one that the engine starts again would run its flow again, behind
 * the back of Prefect. So only the policy that does nothing is let through. Engines take the name of a member
 * in either case.
 */
int jobspec_as_restart_policy(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object", value, err);
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        const char *policy = json_text(item, json_kind(item) == JSON_NULL ? "" : NULL);
        if (strcasecmp(json_key(item), "Name") != 0)
            continue;
        if (policy == NULL)
            return jobspec_wrong_type("text as \"Name\"", item, err);
        if (*policy != '\0' && strcmp(policy, "no") != 0)
            return err_set(
                err, ERR_INVALID,
                "\"%.60s\" is refused, since a container that the engine starts again would run its "
                "flow again; let Prefect retry the flow",
                policy);
    }
    *out = json_copy(value);
    return 0;
}
