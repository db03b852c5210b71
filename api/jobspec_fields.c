/*
 * jobspec_fields.c - from the merged template to typed fields.
 *
 * One table row per field; each is filled (placeholders, then blocks and variables) and later read by its
 * type with the kindness of the official worker's validation (texts and 0/1 for booleans, any value as text
 * in env) and a little more (null means the default everywhere, sizes may be numbers). A field that is
 * absent, or whose whole placeholder has no value, keeps its default; other keys of the template are not
 * looked at. All are filled before the first is read, so that all questions are asked at once.
 */
#include "api/jobspec_internal.h"

#include <string.h>
#include <strings.h>

/* --- readers by type; value is never null ----------------------------------------------------------------
 */

static int read_text(const struct json *value, char **out, struct err *err)
{
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("text", value, err);
    free(*out);
    *out = check_strdup(json_text(value, ""));
    return 0;
}

/* Empty text counts as none. */
static int read_optional_text(const struct json *value, char **out, struct err *err)
{
    if (read_text(value, out, err) != 0)
        return -1;
    if (**out == '\0') {
        free(*out);
        *out = NULL;
    }
    return 0;
}

int jobspec_read_bool(const struct json *value, bool *out, struct err *err)
{
    static const char *const yes[] = {"1", "on", "t", "true", "y", "yes"};
    static const char *const no[] = {"0", "off", "f", "false", "n", "no"};
    double number = json_double(value, -1);
    if (json_kind(value) == JSON_BOOL || (json_kind(value) == JSON_NUMBER && (number == 0 || number == 1))) {
        *out = json_bool(value, number == 1);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        bool is_yes = strcasecmp(json_text(value, ""), yes[i]) == 0;
        if (is_yes || strcasecmp(json_text(value, ""), no[i]) == 0) {
            *out = is_yes;
            return 0;
        }
    }
    return jobspec_wrong_type("true or false", value, err);
}

static int read_size(const struct json *value, long long *out, bool *is_given, struct err *err)
{
    const char *text = json_kind(value) == JSON_NUMBER ? json_number_text(value) : json_text(value, NULL);
    if (text == NULL)
        return jobspec_wrong_type("a size such as \"512m\"", value, err);
    if (jobspec_parse_size(text, out, err) != 0)
        return -1;
    *is_given = true;
    return 0;
}

static int read_list(const struct json *value, char ***out, struct err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return jobspec_wrong_type("a list of texts", value, err);
    char **list = check_alloc((json_count(value) + 1) * sizeof(*list));
    size_t count = 0;
    list[0] = NULL;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING) {
            jobspec_free_list(list);
            return jobspec_wrong_type("a list of texts", item, err);
        }
        list[count++] = check_strdup(json_text(item, ""));
        list[count] = NULL;
    }
    jobspec_free_list(*out);
    *out = list;
    return 0;
}

static int check_object(const struct json *value, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object of texts", value, err);
    if (json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d entries", JOBSPEC_MEMBERS_MAX);
    return 0;
}

/* --- fields ----------------------------------------------------------------------------------------------
 */

static int read_command(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    if (read_optional_text(value, &fields->command, err) != 0)
        return -1;
    /* Blank text would make an empty command, and the image's own would run instead of the flow. */
    if (fields->command != NULL && fields->command[strspn(fields->command, " \t\r\n")] == '\0') {
        free(fields->command);
        fields->command = NULL;
    }
    return 0;
}

static int read_env(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    if (check_object(value, err) != 0)
        return -1;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) == JSON_NULL) {
            jobspec_pairs_set(&fields->env, json_key(item), NULL);
            continue;
        }
        struct buf text;
        buf_init(&text, JOBSPEC_GROWTH_MAX_BYTES * 4);
        int rc = jobspec_python_text(item, &text, err);
        if (rc == 0)
            jobspec_pairs_set(&fields->env, json_key(item), buf_text(&text));
        buf_done(&text);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int read_labels(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    if (check_object(value, err) != 0)
        return -1;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (json_kind(item) != JSON_STRING)
            return err_set(err, ERR_INVALID, "the value of \"%.100s\" must be text, but is %s",
                           json_key(item), jobspec_kind_phrase(item));
        jobspec_pairs_set(&fields->labels, json_key(item), json_text(item, ""));
    }
    return 0;
}

/* The only field that may be computed from other types: a number of the flow run makes a fine name. */
static int read_name(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_optional_text(value, &fields->name, err);
}

static int read_image(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_optional_text(value, &fields->image, err);
}

static int read_pull_policy(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    static const char *const names[] = {
        [JOBSPEC_PULL_IF_NOT_PRESENT] = "IfNotPresent",
        [JOBSPEC_PULL_ALWAYS] = "Always",
        [JOBSPEC_PULL_IF_POSSIBLE] = "IfPossible",
        [JOBSPEC_PULL_NEVER] = "Never",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(json_text(value, ""), names[i]) == 0) {
            fields->pull_policy = (enum jobspec_pull_policy)i;
            fields->has_pull_policy = true;
            return 0;
        }
    }
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("IfNotPresent, Always, IfPossible or Never", value, err);
    return err_set(err, ERR_INVALID, "\"%.60s\" is none of IfNotPresent, Always, IfPossible and Never",
                   json_text(value, ""));
}

static int read_networks(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    if (read_list(value, &fields->networks, err) != 0)
        return -1;
    for (size_t i = 0; fields->networks[i] != NULL; i++) {
        if (i > 0 && fields->networks[i][0] == '\0')
            return err_set(err, ERR_INVALID, "the name of network %zu is empty", i + 1);
    }
    return 0;
}

static int read_network_mode(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_optional_text(value, &fields->network_mode, err);
}

static int read_volumes(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_list(value, &fields->volumes, err);
}

static int read_auto_remove(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return jobspec_read_bool(value, &fields->auto_remove, err);
}

static int read_stream_output(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return jobspec_read_bool(value, &fields->stream_output, err);
}

static int read_privileged(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return jobspec_read_bool(value, &fields->privileged, err);
}

static int read_mem_limit(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_size(value, &fields->mem_limit_bytes, &fields->has_mem_limit, err);
}

static int read_memswap_limit(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return read_size(value, &fields->memswap_limit_bytes, &fields->has_memswap_limit, err);
}

static int read_credentials(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    return jobspec_credentials_read(value, &fields->credentials, err);
}

static int read_create_kwargs(struct jobspec_fields *fields, const struct json *value, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object", value, err);
    if (json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d entries", JOBSPEC_MEMBERS_MAX);
    fields->create_kwargs = json_first(value) == NULL ? NULL : json_copy(value);
    return 0;
}

struct field {
    const char *name;
    int (*read)(struct jobspec_fields *fields, const struct json *value, struct err *err);
};

static const struct field field_table[] = {
    {"command", read_command},
    {"env", read_env},
    {"labels", read_labels},
    {"name", read_name},
    {"image", read_image},
    {"registry_credentials", read_credentials},
    {"image_pull_policy", read_pull_policy},
    {"networks", read_networks},
    {"network_mode", read_network_mode},
    {"auto_remove", read_auto_remove},
    {"volumes", read_volumes},
    {"stream_output", read_stream_output},
    {"mem_limit", read_mem_limit},
    {"memswap_limit", read_memswap_limit},
    {"privileged", read_privileged},
    {"container_create_kwargs", read_create_kwargs},
};

bool jobspec_is_field(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(field_table); i++) {
        if (strcmp(field_table[i].name, name) == 0)
            return true;
    }
    return false;
}

_Static_assert(ARRAY_LEN(field_table) <= JOBSPEC_FIELDS_MAX, "a value for each field");

/* The place of a field in the table. */
static size_t index_of(const char *name)
{
    size_t i = 0;
    while (strcmp(field_table[i].name, name) != 0)
        i++;
    return i;
}

static int fill_field(const struct json *template, struct jobspec_references *refs,
                      struct jobspec_substitution *s, struct json **value, struct err *err)
{
    if (template == NULL)
        return 0;
    if (jobspec_apply(s, template, value, err) != 0)
        return -1;
    return *value == NULL ? 0 : jobspec_resolve(refs, s, value, err);
}

int jobspec_fields_fill(const struct jobspec_merged *merged, struct jobspec_references *refs,
                        struct jobspec_values *out, struct err *err)
{
    struct jobspec_substitution s = {merged->variables, refs->input, JOBSPEC_GROWTH_MAX_BYTES,
                                     &refs->secrets};
    struct jobspec_values values = {0};
    for (size_t i = 0; i < ARRAY_LEN(field_table); i++) {
        const struct field *field = &field_table[i];
        bool is_env = field->read == read_env;
        const struct json *template = is_env ? merged->env : json_get(merged->configuration, field->name);
        if (fill_field(template, refs, &s, &values.items[i], err) != 0) {
            jobspec_values_done(&values);
            return err_wrap(err, "%s", field->name);
        }
    }
    *out = values;
    return 0;
}

void jobspec_values_done(struct jobspec_values *values)
{
    for (size_t i = 0; i < ARRAY_LEN(values->items); i++)
        json_wipe_free(values->items[i]);
    *values = (struct jobspec_values){0};
}

const char *jobspec_values_text(const struct jobspec_values *values, const char *field)
{
    return json_text(values->items[index_of(field)], NULL);
}

int jobspec_fields_read(const struct jobspec_values *values, struct jobspec_fields *out, struct err *err)
{
    struct jobspec_fields fields = {.stream_output = true};
    fields.networks = check_alloc(sizeof(char *));
    fields.networks[0] = NULL;
    fields.volumes = check_alloc(sizeof(char *));
    fields.volumes[0] = NULL;
    for (size_t i = 0; i < ARRAY_LEN(field_table); i++) {
        const struct json *value = values->items[i];
        if (json_kind(value) != JSON_NULL && field_table[i].read(&fields, value, err) != 0) {
            jobspec_fields_done(&fields);
            return err_wrap(err, "%s", field_table[i].name);
        }
    }
    *out = fields;
    return 0;
}

void jobspec_fields_done(struct jobspec_fields *fields)
{
    free(fields->command);
    jobspec_pairs_done(&fields->env);
    jobspec_pairs_done(&fields->labels);
    free(fields->name);
    free(fields->image);
    jobspec_free_list(fields->networks);
    jobspec_free_list(fields->volumes);
    free(fields->network_mode);
    json_free(fields->create_kwargs);
    jobspec_credentials_free(fields->credentials);
    *fields = (struct jobspec_fields){0};
}
