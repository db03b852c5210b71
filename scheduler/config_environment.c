/*
 * config_environment.c - Prefect's and Docker's own settings: process environment, .env, project files, the
 * active profile.
 *
 * All are read into one list, weakest first, so that the strongest is the last of its name; an empty variable
 * counts as not set, except DOCKER_CLIENT_TIMEOUT, which is never ignored. The table says which variable
 * means which key. What goes on into containers is chosen by name alone (protocol of the worker, 5.7 item 1).
 */
#include "config_internal.h"
#include "config_text.h"
#include "profile.h"

#include <string.h>
#include <unistd.h>

#define PREFIX "PREFECT_"
#define CLIENT_TIMEOUT "DOCKER_CLIENT_TIMEOUT"

struct gathering {
    struct config_variables *variables;
    struct config_arena *arena;
    struct config_problems *problems;
    bool beats_file;
};

static void add_variable(struct gathering *g, const char *name, const char *value, const char *from)
{
    struct config_variables *v = g->variables;
    struct config_variable *items = check_realloc(v->items, (v->count + 1) * sizeof(*items));
    v->items = items;
    items[v->count++] = (struct config_variable){.name = config_arena_copy(g->arena, name, strlen(name)),
                                                 .value = config_arena_copy(g->arena, value, strlen(value)),
                                                 .from = config_arena_copy(g->arena, from, strlen(from)),
                                                 .beats_file = g->beats_file};
}

static void on_setting(void *arg, const char *name, const char *value, const char *from)
{
    add_variable(arg, name, value, from);
}

static void on_file_problem(void *arg, const char *text)
{
    struct gathering *g = arg;
    config_problem(g->problems, "%s", text);
}

static const char *find_in_environ(char **environment, const char *name)
{
    size_t len = strlen(name);
    for (char **p = environment; p != NULL && *p != NULL; p++)
        if (strncmp(*p, name, len) == 0 && (*p)[len] == '=' && (*p)[len + 1] != '\0')
            return *p + len + 1;
    return NULL;
}

const char *config_environ_path(char **environment, const char *name, struct config_arena *arena)
{
    const char *path = find_in_environ(environment, name);
    const char *home = find_in_environ(environment, "HOME");
    if (path != NULL && path[0] == '~' && path[1] == '/' && home != NULL)
        return config_arena_printf(arena, "%s%s", home, path + 1);
    return path;
}

static void read_profile(const struct config_sources *sources, struct gathering *g,
                         const struct profile_reader *reader)
{
    const char *path = config_environ_path(sources->environ, "PREFECT_PROFILES_PATH", g->arena);
    const char *prefect_home = config_environ_path(sources->environ, "PREFECT_HOME", g->arena);
    const char *home = find_in_environ(sources->environ, "HOME");
    if (path == NULL && prefect_home != NULL)
        path = config_arena_printf(g->arena, "%s/profiles.toml", prefect_home);
    else if (path == NULL && home != NULL)
        path = config_arena_printf(g->arena, "%s/.prefect/profiles.toml", home);
    const char *wanted =
        sources->profile != NULL ? sources->profile : find_in_environ(sources->environ, "PREFECT_PROFILE");
    if (sources->profile != NULL && (path == NULL || access(path, R_OK) != 0))
        config_problem(g->problems, "--profile: there is no profile \"%.60s\", since there is no file %s",
                       sources->profile, path != NULL ? path : "profiles.toml");
    else if (path != NULL)
        profile_read(path, wanted, reader);
}

static void read_environ(char **environment, struct gathering *g)
{
    for (char **p = environment; p != NULL && *p != NULL; p++) {
        const char *equals = strchr(*p, '=');
        bool is_ours = strncmp(*p, PREFIX, strlen(PREFIX)) == 0 || strncmp(*p, "DOCKER_", 7) == 0 ||
                       strncmp(*p, "SSL_CERT_FILE=", 14) == 0;
        if (equals == NULL || !is_ours)
            continue;
        char *AUTO_FREE name = check_strndup(*p, (size_t)(equals - *p));
        add_variable(g, name, equals + 1, name);
    }
}

void config_variables_read(const struct config_sources *sources, struct config_arena *arena,
                           struct config_variables *out, struct config_problems *problems)
{
    *out = (struct config_variables){NULL, 0};
    struct gathering g = {.variables = out, .arena = arena, .problems = problems};
    const struct profile_reader reader = {on_setting, on_file_problem, &g};
    const char *folder = sources->working_directory;
    read_profile(sources, &g, &reader);
    if (folder != NULL) {
        profile_read_project(config_arena_printf(arena, "%s/pyproject.toml", folder), "pyproject.toml", true,
                             &reader);
        profile_read_project(config_arena_printf(arena, "%s/prefect.toml", folder), "prefect.toml", false,
                             &reader);
        g.beats_file = true;
        profile_read_dotenv(config_arena_printf(arena, "%s/.env", folder), &reader);
    }
    g.beats_file = true;
    read_environ(sources->environ, &g);
}

void config_variables_done(struct config_variables *variables)
{
    free(variables->items);
    *variables = (struct config_variables){NULL, 0};
}

/* The strongest of the first `count` that is set. */
static const struct config_variable *find_variable(const struct config_variables *v, const char *name,
                                                   size_t name_len)
{
    for (size_t i = v->count; i > 0; i--) {
        const struct config_variable *item = &v->items[i - 1];
        bool is_set = item->value[0] != '\0' || strcmp(item->name, CLIENT_TIMEOUT) == 0;
        if (is_set && strncmp(item->name, name, name_len) == 0 && item->name[name_len] == '\0')
            return item;
    }
    return NULL;
}

const struct config_variable *config_variables_find(const struct config_variables *variables,
                                                    const char *name)
{
    return find_variable(variables, name, strlen(name));
}

static void apply_variable(const struct config_variable *variable, const struct config_key *key,
                           const struct config_target *target, struct config_problems *problems)
{
    struct err err;
    if (config_value_set(target, key, variable->value, CONFIG_STYLE_ENVIRONMENT, variable->from, &err) == 0)
        return;
    if (strcmp(variable->from, variable->name) == 0)
        config_problem(problems, "%s: %s", variable->name, err.msg);
    else
        config_problem(problems, "%s: %s: %s", variable->from, variable->name, err.msg);
}

void config_variables_apply(const struct config_variables *variables, bool beats_file,
                            const struct config_target *target, struct config_problems *problems)
{
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        for (const char *name = key->environment; name != NULL && *name != '\0';) {
            size_t len = strcspn(name, " ");
            const struct config_variable *variable = find_variable(variables, name, len);
            if (variable != NULL && variable->beats_file == beats_file) {
                apply_variable(variable, key, target, problems);
                break;
            }
            name += len + strspn(name + len, " ");
        }
    }
}

/* ---- what goes on into containers ---- */

/* Sections of Prefect's settings, and settings that stand in none. */
static bool is_forwarded(const char *name)
{
    static const char *const known[] = {"API_",     "CLIENT_",           "CLOUD_",
                                        "LOGGING_", "RESULTS_",          "TASKS_",
                                        "FLOWS_",   "FLOW_RUN_EXECUTE_", "RUNNER_",
                                        "EVENTS_",  "DEPLOYMENTS_",      "EXPERIMENTS_",
                                        "SERVER_",  "INTERNAL_",         "PLUGINS_",
                                        "CLI_",     "TELEMETRY_",        "TESTING_",
                                        "UI_URL",   "DEBUG_MODE",        "SILENCE_API_URL_MISCONFIGURATION"};
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || strcmp(name, "PREFECT_SERVER_EPHEMERAL_ENABLED") == 0)
        return false;
    const char *rest = name + strlen(PREFIX);
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        size_t len = strlen(known[i]);
        bool is_section = known[i][len - 1] == '_';
        if (strncmp(rest, known[i], len) == 0 && (is_section ? rest[len] != '\0' : rest[len] == '\0'))
            return true;
    }
    return false;
}

/* Prefect hands on its parsed value: True for what was given as "1" or "yes". */
static const char *forwarded_value(const char *name, const char *value)
{
    static const char *const booleans =
        "PREFECT_API_ENABLE_HTTP2 PREFECT_API_TLS_INSECURE_SKIP_VERIFY PREFECT_CLIENT_CSRF_SUPPORT_ENABLED "
        "PREFECT_CLIENT_METRICS_ENABLED PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED PREFECT_CLI_COLORS "
        "PREFECT_CLI_WRAP_LINES PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY PREFECT_DEBUG_MODE "
        "PREFECT_LOGGING_COLORS PREFECT_LOGGING_LOG_PRINTS PREFECT_LOGGING_MARKUP "
        "PREFECT_LOGGING_TO_API_ENABLED PREFECT_RESULTS_PERSIST_BY_DEFAULT PREFECT_TASKS_DEFAULT_NO_CACHE "
        "PREFECT_TASKS_DISABLE_CACHING PREFECT_TASKS_REFRESH_CACHE PREFECT_TESTING_TEST_MODE";
    bool is_true = false;
    if (!text_is_in_words(name, booleans) || !text_to_bool(value, &is_true))
        return value;
    return is_true ? "True" : "False";
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(left[0], right[0]);
}

const char *const *config_forwarded(const struct config_variables *variables, const char *api_url,
                                    struct config_arena *arena)
{
    const char **pairs = config_arena_alloc(arena, (2 * variables->count + 3) * sizeof(*pairs));
    size_t count = 0;
    if (api_url != NULL) {
        pairs[count++] = "PREFECT_API_URL";
        pairs[count++] = api_url;
    }
    for (size_t i = 0; i < variables->count; i++) {
        const struct config_variable *item = &variables->items[i];
        bool is_strongest = config_variables_find(variables, item->name) == item;
        if (!is_strongest || !is_forwarded(item->name) || strcmp(item->name, "PREFECT_API_URL") == 0)
            continue;
        pairs[count++] = item->name;
        pairs[count++] = forwarded_value(item->name, item->value);
    }
    qsort(pairs, count / 2, 2 * sizeof(*pairs), compare_names);
    pairs[count] = NULL;
    return pairs;
}
