/*
 * config_forwarded.c - which of the worker's own settings go on into containers, and in which form.
 *
 * As Prefect's worker does it: every setting that was set, secrets included, under its present name, with the
 * text of the value as it was understood. Where it stands in several sources, or under an older name too, the
 * strongest source counts, and in that the present name.
 */
#include "config_internal.h"
#include "config_text.h"
#include "prefect_settings.h"

#include <string.h>

#define CLOUD_URL "https://api.prefect.cloud/api"
#define CLOUD_LOG_MAX "25000"
#define LOG_MAX "1000000"

bool config_is_cloud(const struct config_variables *variables, const char *url)
{
    const struct config_variable *given = config_variables_find(variables, "PREFECT_CLOUD_API_URL");
    const char *cloud = given != NULL ? given->value : CLOUD_URL;
    return url != NULL && strncmp(url, cloud, strlen(cloud)) == 0;
}

static const struct config_variable *find_setting(const struct config_variables *variables,
                                                  const struct prefect_setting *setting)
{
    const struct config_variable *present = config_variables_find(variables, setting->name);
    const struct config_variable *older =
        setting->old_name != NULL ? config_variables_find(variables, setting->old_name) : NULL;
    if (present == NULL || (older != NULL && older->source > present->source))
        return older;
    return present;
}

static bool is_on(const struct config_variables *variables, const char *name, const char *old_name)
{
    const struct prefect_setting setting = {name, old_name, PREFECT_SETTING_BOOL};
    const struct config_variable *variable = find_setting(variables, &setting);
    bool is_true = false;
    return variable != NULL && text_to_bool(variable->value, &is_true) && is_true;
}

/* Debug mode sets them by itself, and what was set by itself is not handed on. */
static bool is_overruled(const struct config_variables *variables, const char *name)
{
    return text_is_in_words(name, "PREFECT_LOGGING_LEVEL PREFECT_INTERNAL_LOGGING_LEVEL") &&
           (is_on(variables, "PREFECT_DEBUG_MODE", NULL) ||
            is_on(variables, "PREFECT_TESTING_TEST_MODE", "PREFECT_TEST_MODE"));
}

/* Reading it for ourselves has told of a bad value already. To a key of type text any is fine; the headers
 * are read by profile.c. */
static bool has_told(const char *name)
{
    for (size_t row = 0; row < config_key_count; row++)
        if (config_keys[row].environment != NULL && config_keys[row].type != CONFIG_TYPE_TEXT &&
            text_is_in_words(name, config_keys[row].environment))
            return true;
    return strcmp(name, "PREFECT_CLIENT_CUSTOM_HEADERS") == 0;
}

static void tell_bad_value(const struct prefect_setting *setting, const struct config_variable *variable,
                           struct config_problems *problems)
{
    if (has_told(variable->name))
        return;
    const char *separator = strcmp(variable->from, variable->name) == 0 ? "" : ": ";
    config_problem(problems, "%s%s%s: the value can't be read; allowed: %s",
                   separator[0] != '\0' ? variable->from : "", separator, variable->name,
                   prefect_setting_allowed(setting));
}

static int64_t log_size(const struct config_variables *variables, const char *name, const char *otherwise)
{
    const struct config_variable *variable = config_variables_find(variables, name);
    int64_t size;
    return text_to_whole(variable != NULL ? variable->value : otherwise, &size) ? size : INT64_MAX;
}

/* The most that Cloud takes, which Prefect's worker hands on there whether it was set or not. */
static const char *cloud_log_size(const struct config_variables *variables, struct config_arena *arena)
{
    int64_t own = log_size(variables, "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE", LOG_MAX);
    int64_t clouds = log_size(variables, "PREFECT_CLOUD_MAX_LOG_SIZE", CLOUD_LOG_MAX);
    return config_arena_printf(arena, "%lld", (long long)(own < clouds ? own : clouds));
}

/* The address as it was written, if it is the one in force. */
static const char *api_url(const struct config_variable *variable, const char *in_force)
{
    size_t len = in_force != NULL ? strlen(in_force) : 0;
    bool is_same = variable != NULL && in_force != NULL && strncmp(variable->value, in_force, len) == 0 &&
                   variable->value[len + strspn(variable->value + len, "/")] == '\0';
    return is_same ? variable->value : in_force;
}

struct forwarding {
    const struct config_variables *variables;
    const struct config *config;
    char **environment;
    struct config_arena *arena;
    struct config_problems *problems;
};

/* NULL: not handed on. */
static const char *value_of(const struct forwarding *f, const struct prefect_setting *setting)
{
    const struct config_variable *variable = find_setting(f->variables, setting);
    if (strcmp(setting->name, "PREFECT_API_URL") == 0)
        return api_url(variable, f->config->api_url);
    if (f->config->is_cloud && strcmp(setting->name, "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE") == 0)
        return cloud_log_size(f->variables, f->arena);
    if (variable == NULL || is_overruled(f->variables, setting->name))
        return NULL;
    char *AUTO_FREE text = prefect_setting_text(setting, variable->value);
    if (text == NULL) {
        tell_bad_value(setting, variable, f->problems);
        return NULL;
    }
    const char *value = config_arena_copy(f->arena, text, strlen(text));
    if (strcmp(setting->name, "PREFECT_HOME") == 0)
        return config_home_path(f->environment, value, f->arena);
    return value;
}

const char *const *config_forwarded(const struct config_variables *variables, const struct config *config,
                                    char **environment, struct config_arena *arena,
                                    struct config_problems *problems)
{
    const struct forwarding f = {variables, config, environment, arena, problems};
    const char **pairs = config_arena_alloc(arena, (2 * prefect_settings_count + 1) * sizeof(*pairs));
    size_t count = 0;
    for (size_t i = 0; i < prefect_settings_count; i++) {
        const char *value = value_of(&f, &prefect_settings[i]);
        if (value == NULL || match_any(&config->withhold, prefect_settings[i].name))
            continue;
        pairs[count++] = prefect_settings[i].name;
        pairs[count++] = value;
    }
    pairs[count] = NULL;
    return pairs;
}
