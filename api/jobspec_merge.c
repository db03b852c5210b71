/*
 * jobspec_merge.c - pool template, deployment and run -> one object of variables.
 *
 * Run over deployment over the pool's defaults, whole values; only `env` is laid over each other. The order
 * of the steps matters to env: a default of the pool takes the place of the template's "{{ env }}" before
 * anything is substituted. Follows BaseJobConfiguration.from_template_and_values and resolve_for_flow_run
 * of 3.8.8. Not here: placeholders.
 */
#include "api/jobspec_internal.h"

#include <string.h>

/* --- reading the three inputs ----------------------------------------------------------------------------
 */

/* null counts as an empty object. */
static int parse_object(const char *text, const char *what, struct json **out, struct err *err)
{
    struct json *value = NULL;
    if (json_parse(text, strlen(text), &value, err) != 0)
        return err_wrap(err, "%s", what);
    if (json_kind(value) == JSON_NULL) {
        json_free(value);
        value = json_new_object();
    }
    if (json_kind(value) != JSON_OBJECT) {
        err_set(err, ERR_PARSE, "%s: expected an object, got %s", what, jobspec_kind_phrase(value));
        json_free(value);
        return -1;
    }
    if (json_count(value) > JOBSPEC_MEMBERS_MAX) {
        json_free(value);
        return err_set(err, ERR_LIMIT, "%s: more than %d members", what, JOBSPEC_MEMBERS_MAX);
    }
    *out = value;
    return 0;
}

bool jobspec_is_truthy(const struct json *value)
{
    if (value == NULL)
        return false;
    switch (json_kind(value)) {
    case JSON_NULL:
        return false;
    case JSON_BOOL:
        return json_bool(value, false);
    case JSON_NUMBER:
        return json_double(value, 1) != 0;
    case JSON_STRING:
        return *json_text(value, "") != '\0';
    case JSON_ARRAY:
    case JSON_OBJECT:
        return json_first(value) != NULL;
    }
    UNREACHABLE();
}

static int limit_members(size_t count, struct err *err)
{
    if (count > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d members in one object", JOBSPEC_MEMBERS_MAX);
    return 0;
}

/* Members of `over` into `object`, replacing. */
static int lay_over(struct json *object, const struct json *over, struct err *err)
{
    if (limit_members(json_count(object) + json_count(over), err) != 0)
        return -1;
    for (const struct json *item = json_first(over); item != NULL; item = json_next(item))
        json_take_set(object, json_key(item), json_copy(item));
    return 0;
}

/* Like lay_over, but objects on both sides are laid over each other all the way down. */
static int merge_deep(struct json *object, const struct json *over, struct err *err)
{
    if (limit_members(json_count(object) + json_count(over), err) != 0)
        return -1;
    for (const struct json *item = json_first(over); item != NULL; item = json_next(item)) {
        struct json *there = json_edit(object, json_key(item));
        if (json_kind(there) == JSON_OBJECT && json_kind(item) == JSON_OBJECT) {
            if (merge_deep(there, item, err) != 0)
                return -1;
        } else {
            json_take_set(object, json_key(item), json_copy(item));
        }
    }
    return 0;
}

/* --- deployment and run ----------------------------------------------------------------------------------
 */

/* Lay the run's env over the deployment's, if that is an object, and take it out of the run's variables. */
static int merge_run_env(struct json *deployment, struct json *run, struct err *err)
{
    struct json *env = json_edit(deployment, "env");
    const struct json *over = json_get(run, "env");
    if (json_kind(env) != JSON_OBJECT || over == NULL)
        return 0;
    if (json_kind(over) != JSON_OBJECT && json_kind(over) != JSON_NULL)
        return err_set(err, ERR_INVALID,
                       "env: expected an object in the job variables of the flow run, got %s",
                       jobspec_kind_phrase(over));
    if (lay_over(env, over, err) != 0)
        return err_wrap(err, "env");
    json_remove(run, "env");
    return 0;
}

static int read_values(const struct jobspec_input *input, struct json **out, struct err *err)
{
    struct json *deployment = NULL;
    struct json *run = NULL;
    int rc =
        parse_object(input->deployment_variables_json, "job variables of the deployment", &deployment, err);
    if (rc == 0)
        rc = parse_object(input->run_variables_json, "job variables of the flow run", &run, err);
    if (rc == 0)
        rc = merge_run_env(deployment, run, err);
    if (rc == 0)
        rc = lay_over(deployment, run, err);
    json_free(run);
    if (rc == 0)
        *out = deployment;
    else
        json_free(deployment);
    return rc;
}

/* --- dotted keys -----------------------------------------------------------------------------------------
 */

/* {"env.A": "x"} -> {"env": {"A": "x"}} */
static int set_at_path(struct json *object, const char *path, const struct json *value, struct err *err)
{
    char **parts = NULL;
    if (jobspec_path_split(path, &parts, err) != 0)
        return -1;
    int rc = 0;
    size_t i = 0;
    for (; parts[i + 1] != NULL && rc == 0; i++) {
        struct json *next = json_edit(object, parts[i]);
        if (next == NULL) {
            json_take_set(object, parts[i], json_new_object());
            next = json_edit(object, parts[i]);
        }
        if (json_kind(next) != JSON_OBJECT)
            rc = err_set(err, ERR_INVALID, "%.100s: the job variable %.100s is %s and has no members", path,
                         parts[i], jobspec_kind_phrase(next));
        object = next;
    }
    if (rc == 0)
        json_take_set(object, parts[i], json_copy(value));
    jobspec_free_list(parts);
    return rc;
}

/* Dotted keys first, then the plain ones over them. */
static int unfold(const struct json *values, struct json *into, struct err *err)
{
    for (const struct json *item = json_first(values); item != NULL; item = json_next(item)) {
        if (strchr(json_key(item), '.') != NULL && set_at_path(into, json_key(item), item, err) != 0)
            return -1;
    }
    for (const struct json *item = json_first(values); item != NULL; item = json_next(item)) {
        const char *key = json_key(item);
        if (strchr(key, '.') != NULL)
            continue;
        struct json *there = json_edit(into, key);
        if (json_kind(there) != JSON_OBJECT || json_kind(item) != JSON_OBJECT)
            json_take_set(into, key, json_copy(item));
        else if (merge_deep(there, item, err) != 0)
            return err_wrap(err, "%.100s", key);
    }
    return 0;
}

/* --- the pool's template ---------------------------------------------------------------------------------
 */

static int read_defaults(const struct json *template, struct json *into, struct err *err)
{
    const struct json *schema = json_get(template, "variables");
    const struct json *properties = json_get(schema, "properties");
    if ((schema != NULL && json_kind(schema) != JSON_OBJECT) ||
        (properties != NULL && json_kind(properties) != JSON_OBJECT))
        return err_set(err, ERR_PARSE,
                       "base job template of the work pool: its variables are no JSON schema");
    if (limit_members(json_count(properties), err) != 0)
        return err_wrap(err, "base job template of the work pool");
    for (const struct json *item = json_first(properties); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_OBJECT)
            return err_set(err, ERR_PARSE,
                           "base job template of the work pool: the variable %.100s is %s, no schema",
                           json_key(item), jobspec_kind_phrase(item));
        const struct json *value = json_get(item, "default");
        if (value != NULL && json_kind(value) != JSON_NULL)
            json_take_set(into, json_key(item), json_copy(value));
    }
    return 0;
}

/* Lay the variable env, if there is any, over the template of the field. */
static int lay_env(struct jobspec_merged *merged, struct err *err)
{
    const struct json *over = json_get(merged->variables, "env");
    if (!jobspec_is_truthy(over))
        return 0;
    if (json_kind(over) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "env: expected an object, got %s", jobspec_kind_phrase(over));
    return lay_over(merged->env, over, err) != 0 ? err_wrap(err, "env") : 0;
}

static int start_env(struct jobspec_merged *merged, struct err *err)
{
    const struct json *template = json_get(merged->configuration, "env");
    const struct json *defaults = json_get(merged->variables, "env");
    if (json_kind(template) != JSON_OBJECT && jobspec_is_truthy(defaults)) {
        merged->env = json_copy(defaults);
        return 0;
    }
    merged->env = template == NULL ? NULL : json_copy(template);
    return json_kind(template) == JSON_OBJECT ? lay_env(merged, err) : 0;
}

static int merge_values(struct jobspec_merged *merged, const struct jobspec_input *input, struct err *err)
{
    struct json *values = NULL;
    if (read_values(input, &values, err) != 0)
        return -1;
    struct json *unfolded = json_new_object();
    int rc = unfold(values, unfolded, err);
    if (rc == 0)
        rc = lay_over(merged->variables, unfolded, err);
    json_free(unfolded);
    json_free(values);
    if (rc == 0 && json_kind(merged->env) == JSON_OBJECT)
        rc = lay_env(merged, err);
    return rc;
}

int jobspec_merge(const struct jobspec_input *input, struct jobspec_merged *out, struct err *err)
{
    struct jobspec_merged merged = {.variables = json_new_object()};
    int rc = parse_object(input->template_json, "base job template of the work pool", &merged.template, err);
    if (rc == 0) {
        merged.configuration = json_get(merged.template, "job_configuration");
        if (json_kind(merged.configuration) != JSON_OBJECT)
            rc = err_set(err, ERR_PARSE,
                         "base job template of the work pool: it has no object job_configuration");
    }
    if (rc == 0)
        rc = read_defaults(merged.template, merged.variables, err);
    if (rc == 0)
        rc = start_env(&merged, err);
    if (rc == 0)
        rc = merge_values(&merged, input, err);
    if (rc == 0)
        *out = merged;
    else
        jobspec_merged_done(&merged);
    return rc;
}

void jobspec_merged_done(struct jobspec_merged *merged)
{
    json_free(merged->template);
    json_free(merged->env);
    json_free(merged->variables);
    *merged = (struct jobspec_merged){0};
}
