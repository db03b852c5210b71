/*
 * config.c - put the sources together: defaults, profile, file, environment, options; then the classes.
 *
 * Later sources overwrite earlier ones, so precedence is the order of the calls in `gather`. Each source is
 * read to its end whatever is wrong with it; a value with a mistake leaves what was there before. Classes
 * are copies of `base` (what [timeouts], [retry], environment and defaults say) with their own keys on top,
 * which is how a class section beats DOCKER_CLIENT_TIMEOUT. Reads files and decides nothing about running.
 */
#include "config_internal.h"
#include "config_text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CLASS "default"

const struct config_settings *config_settings_of(const struct config *config)
{
    _Static_assert(offsetof(struct config_settings, public) == 0, "the public part comes first");
    return (const struct config_settings *)(const void *)config;
}

static const struct config_key *key_named(const char *full_name)
{
    const struct config_key *key = config_keys_find_full(full_name);
    CHECK(key != NULL);
    return key;
}

static size_t row_of(const struct config_key *key)
{
    return (size_t)(key - config_keys);
}

size_t config_row_named(const char *full_name)
{
    return row_of(key_named(full_name));
}

/* ---- the sources, weakest first ---- */

static void apply_defaults(struct config_settings *settings, const struct config_target *target)
{
    settings->base = (struct config_class){.name = DEFAULT_CLASS,
                                           .rule_text = "everything else",
                                           .starts_per_second = CONFIG_NO_LIMIT,
                                           .running = CONFIG_NO_LIMIT,
                                           .launching = CONFIG_NO_LIMIT,
                                           .retry = retry_policy_default()};
    settings->public.starts_per_second = CONFIG_NO_LIMIT;
    settings->public.limit = CONFIG_NO_LIMIT;
    settings->running = CONFIG_NO_LIMIT;
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        struct err err;
        if (key->scope == CONFIG_SCOPE_RULE)
            continue;
        if (key->default_text == NULL)
            settings->from[row] = "default";
        else if (config_value_set(target, key, key->default_text, CONFIG_STYLE_FILE, "default", &err) != 0)
            UNREACHABLE();
    }
}

/* "[limits] running", "[class etl] running" or "[rule full] class". */
static const char *entry_label(const struct config_file *file, const struct config_entry *entry,
                               struct config_arena *arena)
{
    if (entry->class_index != SIZE_MAX)
        return config_arena_printf(arena, "[class %s] %s", file->classes[entry->class_index].name,
                                   entry->key->key);
    if (entry->rule_index != SIZE_MAX)
        return config_arena_printf(arena, "[rule %s] %s", file->rules[entry->rule_index].name,
                                   entry->key->key);
    return config_arena_printf(arena, "[%s] %s", entry->key->section, entry->key->key);
}

void config_apply_entries(const struct config_file *file, size_t class_index, size_t rule_index,
                          const struct config_target *target, struct config_problems *problems)
{
    for (size_t i = 0; i < file->entry_count; i++) {
        const struct config_entry *entry = &file->entries[i];
        if (entry->class_index != class_index || entry->rule_index != rule_index)
            continue;
        struct err err;
        const char *from = config_arena_printf(target->arena, "%s:%d", file->path, entry->line);
        if (config_value_set(target, entry->key, entry->value, CONFIG_STYLE_FILE, from, &err) != 0)
            config_problem(problems, "%s: %s: %s", from, entry_label(file, entry, target->arena), err.msg);
    }
}

static void apply_flags(const char *const *flags, const struct config_target *target,
                        struct config_problems *problems)
{
    for (; flags != NULL && flags[0] != NULL; flags += 2) {
        const struct config_key *key = key_named(flags[0]);
        CHECK(key->flag != NULL);
        struct err err;
        if (config_value_set(target, key, flags[1], CONFIG_STYLE_FLAG, key->flag, &err) != 0)
            config_problem(problems, "%s: %s", key->flag, err.msg);
    }
}

/* ---- classes ---- */

static void add_rule_part(struct buf *out, const char *name, const struct match_list *list)
{
    struct err ignored;
    int result = 0;
    if (list->count > 0)
        result = buf_printf(out, &ignored, "%s%s: ", out->len > 0 ? "; " : "", name);
    for (size_t i = 0; result == 0 && i < list->count; i++)
        result = buf_printf(out, &ignored, "%s%s", i > 0 ? ", " : "", list->globs[i]);
}

static const char *rule_text(const struct match_rule *rule, struct config_arena *arena)
{
    struct buf text;
    buf_init(&text, 2 * CONFIG_MAX_LINE_BYTES * 5);
    add_rule_part(&text, "tag", &rule->tag);
    add_rule_part(&text, "deployment", &rule->deployment);
    add_rule_part(&text, "flow", &rule->flow);
    add_rule_part(&text, "work_queue", &rule->work_queue);
    add_rule_part(&text, "parameter", &rule->parameter);
    const char *copy = config_arena_copy(arena, buf_text(&text), text.len);
    buf_done(&text);
    return copy;
}

/* Was it set in the file? */
bool config_is_own(const char *from, const char *path)
{
    size_t len = strlen(path);
    return len > 0 && strncmp(from, path, len) == 0 && from[len] == ':';
}

/* where: NULL for class default. */
static void check_class(const struct config_class *class, const struct config_file_section *where,
                        const char *path, const char **from, struct config_arena *arena,
                        struct config_problems *problems)
{
    const char *label = where != NULL ? config_arena_printf(arena, "[class %s]", class->name) : "[retry]";
    const char *base_from = from[config_row_named("retry.base")];
    const char *cap_from = from[config_row_named("retry.cap")];
    if (class->retry.base_ms > class->retry.cap_ms)
        config_problem(problems,
                       "%s: %s base: %lldms is longer than cap, %lldms (%s); allowed: a base up to cap",
                       config_is_own(base_from, path) ? base_from : cap_from, label,
                       (long long)class->retry.base_ms, (long long)class->retry.cap_ms, cap_from);
    const char *late_from = from[row_of(key_named("limits.when_late"))];
    if (class->late_after.ms == 0 && strcmp(class->when_late, "run") != 0)
        config_problem(
            problems,
            "%s: %s when_late: \"%s\" without late_after would mean nothing; allowed: with late_after "
            "above 0",
            late_from, where != NULL ? label : "[limits]", class->when_late);
    if (where != NULL && match_rule_is_empty(&class->rule))
        config_problem(problems,
                       "%s:%d: [class %s]: no rule, so no run would belong to it; allowed: at least one of "
                       "match_tag, match_deployment, match_flow, match_work_queue, match_parameter",
                       path, where->line, class->name);
}

/* One class from `base`; where is NULL for "default". */
static void build_class(struct config_settings *settings, const struct config_file *file, size_t index,
                        struct config_problems *problems)
{
    bool is_default = index == file->class_count;
    struct config_class *class = &settings->public.classes[index];
    const char **from = config_arena_alloc(&settings->arena, config_key_count * sizeof(*from));
    memcpy(from, settings->from, config_key_count * sizeof(*from));
    settings->class_from[index] = from;
    *class = settings->base;
    if (!is_default) {
        const struct config_target target = {NULL, class, NULL, from, &settings->arena};
        size_t before = problems->count;
        class->name = file->classes[index].name;
        config_apply_entries(file, index, SIZE_MAX, &target, problems);
        class->rule_text = rule_text(&class->rule, &settings->arena);
        if (problems->count == before) {
            check_class(class, &file->classes[index], file->path, from, &settings->arena, problems);
            config_clocks_check(class, config_arena_printf(&settings->arena, "[class %s]", class->name), from,
                                settings->from, file->path, problems);
        }
    } else {
        check_class(class, NULL, file->path, from, &settings->arena, problems);
        config_clocks_check(class, "[timeouts]", settings->from, settings->from, file->path, problems);
    }
    config_clocks_join(class, from, file->path);
    class->retry.start_clock_ms = class->clocks[STAGE_START].total.ms;
}

static void build_classes(struct config_settings *settings, const struct config_file *file,
                          struct config_problems *problems)
{
    size_t count = file->class_count + 1;
    settings->public.classes = config_arena_alloc(&settings->arena, count * sizeof(struct config_class));
    settings->class_from = config_arena_alloc(&settings->arena, count * sizeof(*settings->class_from));
    settings->public.class_count = count;
    for (size_t i = 0; i < count; i++)
        build_class(settings, file, i, problems);
}

/* ---- the whole ---- */

static void check_file(const char *path, const char *from, struct config_problems *problems)
{
    if (path != NULL && access(path, R_OK) != 0)
        config_problem(problems, "%s: \"%s\" can't be read: %s", from, path, strerror(errno));
}

/* What people mistake the address of the API for; NULL: nothing odd. */
static const char *odd_url(const struct config_variables *variables, const char *url)
{
    static const struct {
        const char *part;
        const char *sentence;
    } odd[] = {{"app.prefect.cloud",
                "the Prefect API URL names app.prefect.cloud, which is for people; did you "
                "mean api.prefect.cloud?"},
               {"/account/", "the Prefect API URL holds /account/; did you mean /accounts/?"},
               {"/workspace/", "the Prefect API URL holds /workspace/; did you mean /workspaces/?"}};
    const struct config_variable *silence =
        config_variables_find(variables, "PREFECT_SILENCE_API_URL_MISCONFIGURATION");
    bool is_silenced = false;
    if (url == NULL || (silence != NULL && text_to_bool(silence->value, &is_silenced) && is_silenced))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        if (strstr(url, odd[i].part) != NULL)
            return odd[i].sentence;
    return NULL;
}

/* What is computed from several keys. */
static void finish(struct config_settings *settings, const struct config_sources *sources,
                   const struct config_variables *variables, struct config_problems *problems)
{
    struct config *config = &settings->public;
    config->work_queues = (const char *const *)settings->work_queues.items;
    config->work_queue_count = settings->work_queues.count;
    config->adopt = (const char *const *)settings->adopt.items;
    config->adopt_count = settings->adopt.count;
    config->admin_names = (const char *const *)settings->admin_names.items;
    config->admin_name_count = settings->admin_names.count;
    config->launching_is_auto = settings->launching == CONFIG_AUTO;
    config->launching = config->launching_is_auto ? CONFIG_NO_LIMIT : settings->launching;
    config->pulls_is_auto = settings->pulls == CONFIG_AUTO;
    config->pulls = config->pulls_is_auto ? CONFIG_NO_LIMIT : settings->pulls;
    bool limit_is_smaller = config->limit != CONFIG_NO_LIMIT &&
                            (settings->running == CONFIG_NO_LIMIT || config->limit < settings->running);
    config->running = limit_is_smaller ? config->limit : settings->running;
    if (config->worker_name == NULL)
        config->worker_name =
            config_arena_printf(&settings->arena, "sluice%s%s", sources->hostname != NULL ? "-" : "",
                                sources->hostname != NULL ? sources->hostname : "");
    if (config->state_path == NULL && config->pool != NULL)
        config->state_path =
            config_state_path(sources, config->pool, config->worker_name, &settings->arena, problems);
    const char *home = config_environ_path(sources->environ, "HOME", &settings->arena);
    home = home != NULL ? home : sources->home;
    config->home = home == NULL ? NULL : config_arena_printf(&settings->arena, "%s", home);
    config->notice = variables->notice != NULL ? variables->notice : odd_url(variables, config->api_url);
    config->api_proxy = config_proxy_for(sources->environ, config->api_url, &settings->arena);
    config->is_cloud = config_is_cloud(variables, config->api_url);
    config->forwarded = config_forwarded(variables, config, sources->environ, &settings->arena, problems);
    config_engine_finish(settings, sources, problems);
    config_traces_finish(settings, sources, problems);
    check_file(config->ca_file, settings->from[config_row_named("environment.ca_file")], problems);
    check_file(config->traces.ca_file, settings->from[config_row_named("traces.ca_file")], problems);
    check_file(config->traces.cert_file, settings->from[config_row_named("traces.cert_file")], problems);
    check_file(config->traces.key_file, settings->from[config_row_named("traces.key_file")], problems);
    check_file(config->webhook_ca_file, settings->from[config_row_named("alerts.webhook_ca_file")], problems);
    check_file(config->base_job_template_file, settings->from[config_row_named("command.base_job_template")],
               problems);
}

static struct config_settings *settings_new(void)
{
    struct config_settings *settings = check_alloc(sizeof(*settings));
    memset(settings, 0, sizeof(*settings));
    settings->from = config_arena_alloc(&settings->arena, config_key_count * sizeof(*settings->from));
    return settings;
}

static void gather(struct config_settings *settings, const struct config_sources *sources,
                   const struct config_file *file, struct config_problems *problems)
{
    const struct config_target target = {settings, &settings->base, NULL, settings->from, &settings->arena};
    struct config_variables variables;
    config_variables_read(sources, &settings->arena, &variables, problems);
    apply_defaults(settings, &target);
    config_variables_apply(&variables, false, &target, problems);
    config_engine_clocks(file, &target);
    config_apply_entries(file, SIZE_MAX, SIZE_MAX, &target, problems);
    config_variables_apply(&variables, true, &target, problems);
    apply_flags(sources->flags, &target, problems);
    build_classes(settings, file, problems);
    config_rules_build(settings, file, problems);
    config_contradictions_find(settings, file, problems);
    finish(settings, sources, &variables, problems);
    config_variables_done(&variables);
}

int config_load(const struct config_sources *sources, struct config **out, struct config_problems *problems,
                struct err *err)
{
    struct config_settings *settings = settings_new();
    struct config_file file = {.path = ""};
    struct config_problems found = {NULL, 0};
    if (sources->file != NULL && config_file_read(sources->file, &settings->arena, &file, &found, err) != 0) {
        config_free(&settings->public);
        return -1;
    }
    gather(settings, sources, &file, &found);
    config_problems_sort(&found, file.path);
    config_file_done(&file);
    *out = &settings->public;
    *problems = found;
    return 0;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    struct config_settings *settings = (struct config_settings *)(void *)config;
    config_arena_done(&settings->arena);
    free(settings);
}

const struct config_class *config_class_for(const struct config *config, const struct match_subject *subject)
{
    for (size_t i = 0; i + 1 < config->class_count; i++)
        if (match_rule_holds(&config->classes[i].rule, subject))
            return &config->classes[i];
    return &config->classes[config->class_count - 1];
}

int64_t config_longest_ms(const struct config_class *of, enum stage stage)
{
    const struct config_clocks *clocks = &of->clocks[stage];
    bool may_grow = clocks->total.is_auto && clocks->ceiling_ms > clocks->total.ms;
    return may_grow ? clocks->ceiling_ms : clocks->total.ms;
}

const struct config_class *config_class_by_name(const struct config *config, const char *name)
{
    for (size_t i = 0; i + 1 < config->class_count; i++)
        if (strcmp(config->classes[i].name, name) == 0)
            return &config->classes[i];
    return &config->classes[config->class_count - 1];
}
