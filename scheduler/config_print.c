/*
 * config_print.c - a configuration for people: each value with its origin, and what a reload changed.
 *
 * Values are written as they would stand in a file, made from the values in use and not from the text that
 * was given, so that 60s and 1m are no change. A class shows what differs from class default. Secrets are
 * "(set)", here and in changes.
 */
#include "config_internal.h"
#include "config_text.h"

#include <string.h>

static const char *jitter_text(enum jitter jitter)
{
    switch (jitter) {
    case JITTER_UNSET:
        return "";
#define X(name, text)                                                                                        \
    case JITTER_##name:                                                                                      \
        return text;
        JITTERS(X)
#undef X
    }
    UNREACHABLE();
}

static const char *items_text(const char *const *items, size_t count, struct config_arena *arena)
{
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = config_arena_printf(arena, "%s%s%s", text, i > 0 ? ", " : "", items[i]);
    return text;
}

static const char *duration_text(int64_t ms, struct config_arena *arena)
{
    char out[TEXT_DURATION_SIZE];
    return config_arena_printf(arena, "%s", text_of_duration(ms, out));
}

static const char *count_text(int64_t value, struct config_arena *arena)
{
    if (value == CONFIG_AUTO)
        return "auto";
    return value == CONFIG_NO_LIMIT ? "no limit" : config_arena_printf(arena, "%lld", (long long)value);
}

static const char *number_text(double value, struct config_arena *arena)
{
    return value < 0 ? "no limit" : config_arena_printf(arena, "%.10g", value);
}

/* The least of these numbers is 1, so that 0 means that nothing was said. */
static bool is_not_given(const struct config_key *key, const void *place)
{
    if (key->default_text != NULL)
        return false;
    if (key->type == CONFIG_TYPE_DURATION)
        return *(const int64_t *)place == 0;
    if (key->type == CONFIG_TYPE_COUNT32)
        return *(const int32_t *)place == 0;
    return key->type == CONFIG_TYPE_FACTOR && *(const double *)place == 0;
}

const char *config_value_text(const struct config_key *key, const void *base, struct config_arena *arena)
{
    const void *place = (const char *)base + key->offset;
    const struct match_list *globs = place;
    const struct config_list *list = place;
    const char *const *text = place;
    char size[TEXT_SIZE_SIZE];
    if (key->scope != CONFIG_SCOPE_SERVICE && is_not_given(key, place))
        return "";
    switch (key->type) {
    case CONFIG_TYPE_TEXT:
    case CONFIG_TYPE_NAME:
    case CONFIG_TYPE_URL:
    case CONFIG_TYPE_WEBHOOK:
    case CONFIG_TYPE_ENGINE_HOST:
    case CONFIG_TYPE_LISTEN:
    case CONFIG_TYPE_PROXY:
    case CONFIG_TYPE_VERSION:
    case CONFIG_TYPE_WORD:
        if (*text == NULL)
            return "";
        return key->is_secret ? "(set)" : *text;
    case CONFIG_TYPE_JITTER:
        return jitter_text(*(const enum jitter *)place);
    case CONFIG_TYPE_BOOL:
    case CONFIG_TYPE_PRESENCE:
        return *(const bool *)place ? "true" : "false";
    case CONFIG_TYPE_LIST:
        return items_text((const char *const *)list->items, list->count, arena);
    case CONFIG_TYPE_GLOBS:
    case CONFIG_TYPE_PARAMETERS:
    case CONFIG_TYPE_PER_VALUE:
    case CONFIG_TYPE_REGISTRY_COUNTS:
    case CONFIG_TYPE_REGISTRY_RATES:
    case CONFIG_TYPE_WORDS:
    case CONFIG_TYPE_TRANSPORTS:
    case CONFIG_TYPE_STATUSES:
        return items_text((const char *const *)globs->globs, globs->count, arena);
    case CONFIG_TYPE_DURATION:
        return duration_text(*(const int64_t *)place, arena);
    case CONFIG_TYPE_TIME:
    case CONFIG_TYPE_TIME_AUTO:
        return ((const struct config_time *)place)->is_auto
                   ? "auto"
                   : duration_text(((const struct config_time *)place)->ms, arena);
    case CONFIG_TYPE_SIZE:
        return config_arena_printf(arena, "%s", text_of_size(*(const int64_t *)place, size));
    case CONFIG_TYPE_RATE:
    case CONFIG_TYPE_FACTOR:
        return number_text(*(const double *)place, arena);
    case CONFIG_TYPE_PERCENT:
        return config_arena_printf(arena, "%s%%", number_text(*(const double *)place, arena));
    case CONFIG_TYPE_COUNT:
    case CONFIG_TYPE_COUNT_AUTO:
        return count_text(*(const int64_t *)place, arena);
    case CONFIG_TYPE_COUNT32:
        return config_arena_printf(arena, "%d", *(const int32_t *)place);
    }
    UNREACHABLE();
}

static const struct config_class *default_class(const struct config *config)
{
    return &config->classes[config->class_count - 1];
}

/* Only in sections that have a name. */
static bool is_class_only(const struct config_key *key)
{
    return strcmp(key->section, "class") == 0 || key->scope == CONFIG_SCOPE_RULE;
}

/* The value of a key outside [class NAME] sections. */
static const char *service_text(const struct config *config, const struct config_key *key,
                                struct config_arena *arena)
{
    const void *base = key->scope == CONFIG_SCOPE_SERVICE ? (const void *)config_settings_of(config)
                                                          : (const void *)default_class(config);
    return config_value_text(key, base, arena);
}

static const char *service_from(const struct config *config, const struct config_key *key)
{
    const struct config_settings *settings = config_settings_of(config);
    size_t row = (size_t)(key - config_keys);
    return key->scope == CONFIG_SCOPE_SERVICE ? settings->from[row]
                                              : settings->class_from[config->class_count - 1][row];
}

static bool belongs_to_class(const struct config_key *key)
{
    return key->scope == CONFIG_SCOPE_CLASS && (is_class_only(key) || key->in_class);
}

/* Does the class say this itself, or differ from class default for another reason? */
static bool class_differs(const struct config *config, size_t index, const struct config_key *key)
{
    const struct config_settings *settings = config_settings_of(config);
    size_t row = (size_t)(key - config_keys);
    return strcmp(settings->class_from[index][row], settings->class_from[config->class_count - 1][row]) != 0;
}

/* ---- sluice config ---- */

static void print_json_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if ((unsigned char)*p < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

struct printing {
    FILE *out;
    bool json;
    const char *comma; /* JSON: what goes in front of the next element */
};

static void print_setting(struct printing *p, const char *section, const char *key, const char *value,
                          const char *from)
{
    if (!p->json) {
        char name[128];
        snprintf(name, sizeof(name), "%s.%s", section, key);
        fprintf(p->out, "%-36s %-28s %s\n", name, value[0] != '\0' ? value : "-", from);
        return;
    }
    fprintf(p->out, "%s\n    {\"key\": ", p->comma);
    char *AUTO_FREE name = check_printf("%s.%s", section, key);
    print_json_text(p->out, name);
    fputs(", \"value\": ", p->out);
    if (value[0] != '\0')
        print_json_text(p->out, value);
    else
        fputs("null", p->out);
    fputs(", \"from\": ", p->out);
    print_json_text(p->out, from);
    fputc('}', p->out);
    p->comma = ",";
}

static void print_class(struct printing *p, const struct config *config, size_t index,
                        struct config_arena *arena)
{
    const struct config_class *class = &config->classes[index];
    const struct config_settings *settings = config_settings_of(config);
    const char *section = config_arena_printf(arena, "class %s", class->name);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (belongs_to_class(key) && class_differs(config, index, key))
            print_setting(p, section, key->key, config_value_text(key, class, arena),
                          settings->class_from[index][row]);
    }
}

static void print_rule(struct printing *p, const struct config *config, size_t index,
                       struct config_arena *arena)
{
    const struct config_settings *settings = config_settings_of(config);
    const char *section = config_arena_printf(arena, "rule %s", config->rules[index].name);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        const char *from = settings->rule_from[index][row];
        if (key->scope == CONFIG_SCOPE_RULE && from != NULL)
            print_setting(p, section, key->key, config_value_text(key, &settings->rules[index], arena), from);
    }
}

void config_print(const struct config *config, FILE *out, bool json)
{
    struct config_arena arena = {NULL};
    struct printing p = {.out = out, .json = json, .comma = ""};
    if (json)
        fputs("{\n  \"settings\": [", out);
    for (size_t row = 0; row < config_key_count; row++)
        if (!is_class_only(&config_keys[row]))
            print_setting(&p, config_keys[row].section, config_keys[row].key,
                          service_text(config, &config_keys[row], &arena),
                          service_from(config, &config_keys[row]));
    for (size_t i = 0; i + 1 < config->class_count; i++)
        print_class(&p, config, i, &arena);
    for (size_t i = 0; i < config->rule_count; i++)
        print_rule(&p, config, i, &arena);
    if (json)
        fputs("\n  ]\n}\n", out);
    config_arena_done(&arena);
}

/* ---- after a reload ---- */

struct changes {
    const struct config *before;
    const struct config *after;
    void (*line)(void *arg, const char *text);
    void *arg;
    struct config_arena arena;
};

static void tell(struct changes *c, const struct config_key *key, const char *name, const char *before,
                 const char *after)
{
    const char *when = key->reloadable ? "" : " (after a restart)";
    c->line(c->arg, config_arena_printf(&c->arena, "%s: %s -> %s%s", name, before[0] != '\0' ? before : "-",
                                        after[0] != '\0' ? after : "-", when));
}

static bool secret_changed(const struct changes *c, const struct config_key *key)
{
    const char *const *before = (const void *)((const char *)config_settings_of(c->before) + key->offset);
    const char *const *after = (const void *)((const char *)config_settings_of(c->after) + key->offset);
    bool is_same = *before == NULL || *after == NULL ? *before == *after : strcmp(*before, *after) == 0;
    return !is_same;
}

static void describe_service(struct changes *c)
{
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (is_class_only(key))
            continue;
        const char *name = config_arena_printf(&c->arena, "%s.%s", key->section, key->key);
        const char *before = service_text(c->before, key, &c->arena);
        const char *after = service_text(c->after, key, &c->arena);
        if (key->is_secret && secret_changed(c, key))
            c->line(c->arg, config_arena_printf(&c->arena, "%s: changed%s", name,
                                                key->reloadable ? "" : " (after a restart)"));
        else if (strcmp(before, after) != 0)
            tell(c, key, name, before, after);
    }
}

static size_t find_class(const struct config *config, const char *name)
{
    for (size_t i = 0; i + 1 < config->class_count; i++)
        if (strcmp(config->classes[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* Keys that one of the two says itself; what follows [timeouts] or [retry] was told there. */
static void describe_class(struct changes *c, size_t before_index, size_t after_index)
{
    const struct config_class *before = &c->before->classes[before_index];
    const struct config_class *after = &c->after->classes[after_index];
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!belongs_to_class(key) ||
            (!class_differs(c->before, before_index, key) && !class_differs(c->after, after_index, key)))
            continue;
        const char *old = config_value_text(key, before, &c->arena);
        const char *new = config_value_text(key, after, &c->arena);
        if (strcmp(old, new) != 0)
            tell(c, key, config_arena_printf(&c->arena, "class %s.%s", after->name, key->key), old, new);
    }
}

/* All that a rule says, in one line. */
static const char *rule_line(const struct config *config, size_t index, struct config_arena *arena)
{
    const struct config_settings *settings = config_settings_of(config);
    const char *line = "";
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (key->scope == CONFIG_SCOPE_RULE && settings->rule_from[index][row] != NULL)
            line = config_arena_printf(arena, "%s%s%s = %s", line, line[0] != '\0' ? "; " : "", key->key,
                                       config_value_text(key, &settings->rules[index], arena));
    }
    return line;
}

static size_t find_rule(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->rule_count; i++)
        if (strcmp(config->rules[i].name, name) == 0)
            return i;
    return SIZE_MAX;
}

static void describe_rules(struct changes *c)
{
    size_t last = 0;
    bool is_reordered = false;
    for (size_t i = 0; i < c->before->rule_count; i++) {
        const char *name = c->before->rules[i].name;
        size_t now = find_rule(c->after, name);
        if (now == SIZE_MAX) {
            c->line(c->arg, config_arena_printf(&c->arena, "rule %s: removed", name));
            continue;
        }
        is_reordered = is_reordered || now < last;
        last = now;
        const char *old = rule_line(c->before, i, &c->arena);
        const char *new = rule_line(c->after, now, &c->arena);
        if (strcmp(old, new) != 0)
            c->line(c->arg, config_arena_printf(&c->arena, "rule %s: %s -> %s", name, old, new));
    }
    for (size_t i = 0; i < c->after->rule_count; i++)
        if (find_rule(c->before, c->after->rules[i].name) == SIZE_MAX)
            c->line(c->arg, config_arena_printf(&c->arena, "rule %s: added (%s)", c->after->rules[i].name,
                                                rule_line(c->after, i, &c->arena)));
    if (is_reordered)
        c->line(c->arg, "rules: their order changed, the first that matches wins");
}

void config_describe_changes(const struct config *before, const struct config *after,
                             void (*line)(void *arg, const char *text), void *arg)
{
    struct changes c = {.before = before, .after = after, .line = line, .arg = arg};
    describe_service(&c);
    size_t last = 0;
    bool is_reordered = false;
    for (size_t i = 0; i + 1 < before->class_count; i++) {
        size_t now = find_class(after, before->classes[i].name);
        if (now == SIZE_MAX) {
            line(arg, config_arena_printf(&c.arena, "class %s: removed", before->classes[i].name));
            continue;
        }
        is_reordered = is_reordered || now < last;
        last = now;
        describe_class(&c, i, now);
    }
    for (size_t i = 0; i + 1 < after->class_count; i++)
        if (find_class(before, after->classes[i].name) == SIZE_MAX)
            line(arg, config_arena_printf(&c.arena, "class %s: added (%s)", after->classes[i].name,
                                          after->classes[i].rule_text));
    if (is_reordered)
        line(arg, "classes: their order changed, the first that matches wins");
    describe_rules(&c);
    config_arena_done(&c.arena);
}
