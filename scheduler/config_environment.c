/*
 * config_environment.c - the settings of Prefect, Docker and OpenTelemetry: process environment, systemd's
 * credentials, .env, project files, the active profile.
 *
 * All are read into one list, weakest first, so that the strongest is the last of its name; an empty variable
 * counts as not set, except DOCKER_CLIENT_TIMEOUT, which is never ignored. The table says which variable
 * means which key. What goes on into containers is config_forwarded.c's.
 */
#include "config_internal.h"
#include "config_text.h"
#include "profile.h"

#include "base/secret.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define PREFIX "PREFECT_"
#define CREDENTIAL_MAX_BYTES 65536
#define CLIENT_TIMEOUT "DOCKER_CLIENT_TIMEOUT"

struct gathering {
    struct config_variables *variables;
    struct config_arena *arena;
    struct config_problems *problems;
    enum config_source source;
    const char *notice; /* NULL: none */
};

static void add_variable(struct gathering *g, const char *name, const char *value, const char *from)
{
    struct config_variables *v = g->variables;
    struct config_variable *items = check_realloc(v->items, (v->count + 1) * sizeof(*items));
    v->items = items;
    items[v->count] = (struct config_variable){.name = config_arena_copy(g->arena, name, strlen(name)),
                                               .value = config_arena_copy(g->arena, value, strlen(value)),
                                               .from = config_arena_copy(g->arena, from, strlen(from)),
                                               .source = g->source,
                                               .order = v->count};
    v->count++;
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

const char *config_home_path(char **environment, const char *path, struct config_arena *arena)
{
    const char *home = find_in_environ(environment, "HOME");
    if (home != NULL && path[0] == '~' && (path[1] == '/' || path[1] == '\0'))
        return config_arena_printf(arena, "%s%s", home, path + 1);
    return path;
}

const char *config_environ_path(char **environment, const char *name, struct config_arena *arena)
{
    const char *path = find_in_environ(environment, name);
    return path != NULL ? config_home_path(environment, path, arena) : NULL;
}

/* As Prefect reads them: in any case. What is not Prefect's keeps its name. */
static char *name_of_variable(const char *text, size_t len)
{
    char *name = check_strndup(text, len);
    bool is_prefects = strncasecmp(name, PREFIX, strlen(PREFIX)) == 0;
    for (char *c = name; is_prefects && *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    return name;
}

static void read_environ(char **environment, struct gathering *g)
{
    for (char **p = environment; p != NULL && *p != NULL; p++) {
        const char *equals = strchr(*p, '=');
        bool is_ours = strncasecmp(*p, PREFIX, strlen(PREFIX)) == 0 || strncmp(*p, "DOCKER_", 7) == 0 ||
                       strncmp(*p, "SSL_CERT_", 9) == 0 || strncmp(*p, "OTEL_", 5) == 0 ||
                       strncmp(*p, "SLUICE_", 7) == 0;
        if (equals == NULL || !is_ours)
            continue;
        char *AUTO_FREE name = name_of_variable(*p, (size_t)(equals - *p));
        add_variable(g, name, equals + 1, name);
    }
}

/* ---- credentials of systemd ---- */

/* Files that only this service can read (LoadCredential= of its unit), unlike its environment. */
static const struct {
    const char *file;
    const char *variable;
} credentials[] = {{"prefect-api-key", "PREFECT_API_KEY"},
                   {"prefect-api-auth-string", "PREFECT_API_AUTH_STRING"}};

/* As an editor leaves it: the newline at the end is no part of it. */
static const char *text_without_end(char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        text[--len] = '\0';
    return text;
}

static void read_credential(const char *path, const char *variable, const char *from, struct gathering *g)
{
    char *text;
    size_t len;
    struct err err;
    if (text_read_file(path, CREDENTIAL_MAX_BYTES, &text, &len, &err) != 0) {
        if (err.kind != ERR_NOT_FOUND)
            config_problem(g->problems, "%s: %s", from, err.msg);
        return;
    }
    if (strlen(text) != len)
        config_problem(g->problems, "%s: holds a NUL character", from);
    else
        add_variable(g, variable, text_without_end(text, len), from);
    secret_free_bytes(text, len);
}

static void read_credentials(char **environment, struct gathering *g)
{
    const char *folder = find_in_environ(environment, "CREDENTIALS_DIRECTORY");
    for (size_t i = 0; folder != NULL && i < ARRAY_LEN(credentials); i++)
        read_credential(config_arena_printf(g->arena, "%s/%s", folder, credentials[i].file),
                        credentials[i].variable,
                        config_arena_printf(g->arena, "credential %s", credentials[i].file), g);
}

/* ---- profiles ---- */

/* The environment beats .env, that prefect.toml, that pyproject.toml; `projects` holds all of them. */
static const char *profiles_path(const struct config_sources *sources,
                                 const struct config_variables *projects, struct config_arena *arena)
{
    const struct config_variable *given = config_variables_find(projects, "PREFECT_PROFILES_PATH");
    if (given != NULL)
        return config_home_path(sources->environ, given->value, arena);
    const char *prefect_home = config_environ_path(sources->environ, "PREFECT_HOME", arena);
    if (prefect_home != NULL)
        return config_arena_printf(arena, "%s/profiles.toml", prefect_home);
    const char *home = find_in_environ(sources->environ, "HOME");
    return home != NULL ? config_arena_printf(arena, "%s/.prefect/profiles.toml", home) : NULL;
}

/* The active profile. One that isn't there is no mistake for Prefect: it says so and takes `ephemeral`.
 * Returns the name of the one that is taken, malloc'ed. */
static char *read_active(const char *path, const char *wanted, struct gathering *g,
                         const struct profile_reader *reader)
{
    char *name;
    enum profile_outcome outcome = profile_read(path, wanted, reader, &name);
    if (outcome == PROFILE_READ)
        return name;
    if (outcome == PROFILE_UNKNOWN)
        g->notice = config_arena_printf(
            g->arena, "there is no profile \"%.60s\" (named by %s) in %s; the profile ephemeral is used",
            name, wanted != NULL ? "PREFECT_PROFILE" : "active", path != NULL ? path : "profiles.toml");
    free(name);
    profile_read_built_in("ephemeral", reader);
    return check_strdup("ephemeral");
}

/* The profile of --profile, which beats the environment, as it does in Prefect. */
static void read_chosen(const char *path, const char *chosen, struct gathering *g,
                        const struct profile_reader *reader)
{
    char *name;
    if (profile_read(path, chosen, reader, &name) != PROFILE_READ && !profile_read_built_in(chosen, reader))
        config_problem(g->problems, "--profile: there is no profile \"%.60s\" in %s", chosen,
                       path != NULL ? path : "profiles.toml");
    free(name);
}

/* ---- all of them ---- */

static void read_projects(const char *folder, struct gathering *g, const struct profile_reader *reader)
{
    g->source = CONFIG_SOURCE_PYPROJECT;
    profile_read_project(config_arena_printf(g->arena, "%s/pyproject.toml", folder), "pyproject.toml", true,
                         reader);
    g->source = CONFIG_SOURCE_PREFECT_TOML;
    profile_read_project(config_arena_printf(g->arena, "%s/prefect.toml", folder), "prefect.toml", false,
                         reader);
    g->source = CONFIG_SOURCE_DOTENV;
    profile_read_dotenv(config_arena_printf(g->arena, "%s/.env", folder), reader);
}

static int compare_sources(const void *a, const void *b)
{
    const struct config_variable *left = a;
    const struct config_variable *right = b;
    return left->source != right->source ? (left->source < right->source ? -1 : 1)
                                         : (left->order < right->order ? -1 : 1);
}

void config_variables_read(const struct config_sources *sources, struct config_arena *arena,
                           struct config_variables *out, struct config_problems *problems)
{
    *out = (struct config_variables){.items = NULL};
    struct gathering g = {.variables = out, .arena = arena, .problems = problems};
    const struct profile_reader reader = {on_setting, on_file_problem, &g};
    if (sources->working_directory != NULL)
        read_projects(sources->working_directory, &g, &reader);
    g.source = CONFIG_SOURCE_ENVIRONMENT;
    read_credentials(sources->environ, &g); /* first, so that a variable beats it */
    read_environ(sources->environ, &g);
    const char *path = profiles_path(sources, out, arena);
    g.source = CONFIG_SOURCE_PROFILE;
    char *AUTO_FREE active =
        read_active(path, find_in_environ(sources->environ, "PREFECT_PROFILE"), &g, &reader);
    g.source = CONFIG_SOURCE_CHOSEN_PROFILE;
    if (sources->profile != NULL && strcmp(sources->profile, active) != 0)
        read_chosen(path, sources->profile, &g, &reader);
    if (out->count > 0)
        qsort(out->items, out->count, sizeof(*out->items), compare_sources);
    out->notice = g.notice;
}

void config_variables_done(struct config_variables *variables)
{
    free(variables->items);
    *variables = (struct config_variables){.items = NULL};
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

/* Settings in Prefect's own files give way to ours. */
bool config_variable_beats_file(const struct config_variable *variable)
{
    return variable->source >= CONFIG_SOURCE_DOTENV;
}

void config_variables_apply(const struct config_variables *variables, bool beats_file,
                            const struct config_target *target, struct config_problems *problems)
{
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        for (const char *name = key->environment; name != NULL && *name != '\0';) {
            size_t len = strcspn(name, " ");
            const struct config_variable *variable = find_variable(variables, name, len);
            if (variable != NULL && config_variable_beats_file(variable) == beats_file) {
                apply_variable(variable, key, target, problems);
                break;
            }
            name += len + strspn(name + len, " ");
        }
    }
}
