/*
 * config_value.c - one value: its text against the type and range of its row, then into its place.
 *
 * Knows the types, not the keys. Each type has a reader that returns NULL or what is wrong ("has no unit");
 * what is allowed instead is said in config_describe.c. Checking (for options.c) is setting into a place of
 * its own that is thrown away.
 */
#include "config_internal.h"
#include "config_text.h"
#include "core/per_value.h"
#include "core/registry.h"
#include "prefect_settings.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define SHOWN_BYTES 60
/* Far more than any key allows. */
#define SECONDS_MAX 1e15
/* Of an objective: what leaves nothing to lose can't be kept, nor measured. */
#define PERCENT_MIN 50.0
#define PERCENT_MAX 99.9999

static const char *check_range(int64_t value, const struct config_key *key)
{
    return value < key->min ? "is too small" : value > key->max ? "is too large" : NULL;
}

static const char *read_count(const struct config_key *key, const char *text, int64_t *out)
{
    if (key->type == CONFIG_TYPE_COUNT_AUTO && strcmp(text, "auto") == 0) {
        *out = CONFIG_AUTO;
        return NULL;
    }
    return text_to_whole(text, out) ? check_range(*out, key) : "is not a whole number";
}

bool config_value_is_in_ms(const struct config_key *key, enum config_style style)
{
    return style == CONFIG_STYLE_ENVIRONMENT && key->environment != NULL &&
           strncmp(key->environment, "OTEL_", 5) == 0;
}

/* Settings of Prefect in the environment are read as it reads numbers. */
static bool read_seconds(const struct config_key *key, const char *text, enum config_style style,
                         int64_t *out_ms)
{
    double seconds;
    char plain[40];
    bool is_prefects = key->environment != NULL && strncmp(key->environment, "PREFECT_", 8) == 0;
    if (style != CONFIG_STYLE_ENVIRONMENT || !is_prefects)
        return text_seconds_to_ms(text, style == CONFIG_STYLE_FLAG, out_ms);
    if (!prefect_setting_float(text, &seconds) || isnan(seconds))
        return false;
    seconds = seconds > SECONDS_MAX ? SECONDS_MAX : seconds < -SECONDS_MAX ? -SECONDS_MAX : seconds;
    snprintf(plain, sizeof(plain), "%.9f", seconds);
    return text_seconds_to_ms(plain, false, out_ms);
}

static const char *read_duration(const struct config_key *key, const char *text, enum config_style style,
                                 int64_t *out_ms)
{
    if (style == CONFIG_STYLE_FILE) {
        if (strcmp(text, "auto") == 0)
            return "is only for the clocks of a call to the engine";
        enum text_duration result = text_to_duration(text, out_ms);
        if (result != TEXT_DURATION_FINE)
            return result == TEXT_DURATION_NO_UNIT ? "has no unit" : "is not a duration";
    } else if (config_value_is_in_ms(key, style)) {
        if (!text_to_whole(text, out_ms))
            return "is not a whole number";
    } else if (!read_seconds(key, text, style, out_ms)) {
        return "is not a number of seconds";
    }
    return check_range(*out_ms, key);
}

static const char *read_number(const struct config_key *key, const char *text, double *out)
{
    if (!text_to_decimal(text, out))
        return "is not a number";
    if (key->type == CONFIG_TYPE_RATE)
        return *out <= 0 ? "is too small" : *out > 1e6 ? "is too large" : NULL;
    return *out < (double)key->min ? "is too small" : *out > (double)key->max ? "is too large" : NULL;
}

static const char *read_percent(const char *text, double *out)
{
    char number[32];
    size_t len = strlen(text);
    len -= len > 0 && text[len - 1] == '%';
    if (len >= sizeof(number))
        return "is not a percentage";
    memcpy(number, text, len);
    number[len] = '\0';
    if (!text_to_decimal(number, out))
        return "is not a percentage";
    return *out < PERCENT_MIN ? "is too small" : *out > PERCENT_MAX ? "is too large" : NULL;
}

/* The check of the types that are kept as text. */
static const char *check_text(const struct config_key *key, const char *text)
{
    if (key->type == CONFIG_TYPE_NAME)
        return strpbrk(text, "/%") != NULL ? "holds / or %" : NULL;
    if (key->type == CONFIG_TYPE_URL)
        return config_check_url(text, strcmp(key->section, "traces") == 0
                                          ? "holds a login (use OTEL_EXPORTER_OTLP_HEADERS)"
                                          : "holds a login (use PREFECT_API_AUTH_STRING)");
    if (key->type == CONFIG_TYPE_WEBHOOK)
        return config_check_webhook(text);
    if (key->type == CONFIG_TYPE_ENGINE_HOST)
        return config_check_engine_host(text);
    if (key->type == CONFIG_TYPE_LISTEN)
        return config_check_listen(text);
    if (key->type == CONFIG_TYPE_PROXY)
        return config_check_proxy(text);
    if (key->type == CONFIG_TYPE_VERSION)
        return config_check_version(text);
    if (key->type == CONFIG_TYPE_WORD)
        return text_is_in_words(text, key->words) ? NULL : "is not known";
    return NULL;
}

/* Length of the item at p: up to a comma that is neither escaped nor, in globs, inside a set. */
static size_t item_length(const char *p, bool is_glob)
{
    bool is_in_set = false;
    const char *end = p;
    while (*end != '\0' && (*end != ',' || is_in_set))
        end = is_glob ? config_glob_next(end, &is_in_set) : end + 1;
    return (size_t)(end - p);
}

/* Two limits by the same word would contradict each other. */
static const char *check_per_value(const char *item, char *const *before, size_t before_count)
{
    struct per_value limit;
    const char *wrong = per_value_parse(item, &limit);
    if (wrong == NULL && limit.kind == PER_VALUE_TAG)
        wrong = config_check_glob(limit.name);
    for (size_t i = 0; wrong == NULL && i < before_count; i++) {
        struct per_value other;
        if (per_value_parse(before[i], &other) == NULL && strcmp(other.word, limit.word) == 0)
            wrong = "limits the same twice";
    }
    return wrong;
}

static const char *check_registry(const char *item, bool is_count)
{
    struct registry_limit limit;
    const char *wrong = registry_limit_parse(item, is_count, &limit);
    return wrong != NULL ? wrong : config_check_glob(limit.host);
}

static const char *check_item(const struct config_key *key, const char *item, char *const *before,
                              size_t before_count)
{
    if (key->type == CONFIG_TYPE_LIST)
        return NULL;
    if (key->type == CONFIG_TYPE_PER_VALUE)
        return check_per_value(item, before, before_count);
    if (key->type == CONFIG_TYPE_REGISTRY_COUNTS || key->type == CONFIG_TYPE_REGISTRY_RATES)
        return check_registry(item, key->type == CONFIG_TYPE_REGISTRY_COUNTS);
    if (key->type == CONFIG_TYPE_GLOBS)
        return config_check_glob(item);
    if (key->type == CONFIG_TYPE_WORDS)
        return text_is_in_words(item, key->words) ? NULL : "has an unknown word";
    if (key->type == CONFIG_TYPE_TRANSPORTS)
        return config_rules_check_transport(item);
    if (key->type == CONFIG_TYPE_STATUSES)
        return config_rules_check_status(item);
    const char *equals = strchr(item, '=');
    if (equals == NULL || equals == item)
        return "has an item that is not NAME=GLOB";
    return config_check_glob(equals + 1);
}

/* Split at commas into the arena; a list is never longer than its line. */
static const char *read_items(const struct config_key *key, const char *text, struct config_arena *arena,
                              char ***out, size_t *out_count)
{
    char **items = config_arena_alloc(arena, (strlen(text) + 1) * sizeof(*items));
    size_t count = 0;
    for (const char *p = text; *text != '\0';) {
        bool is_glob = key->type == CONFIG_TYPE_GLOBS || key->type == CONFIG_TYPE_PARAMETERS ||
                       key->type == CONFIG_TYPE_PER_VALUE || key->type == CONFIG_TYPE_REGISTRY_COUNTS ||
                       key->type == CONFIG_TYPE_REGISTRY_RATES;
        size_t len = item_length(p, is_glob);
        const char *next = p + len;
        for (; len > 0 && isspace((unsigned char)*p); len--)
            p++;
        while (len > 0 && isspace((unsigned char)p[len - 1]))
            len--;
        if (len == 0)
            return "has an empty item";
        items[count] = config_arena_copy(arena, p, len);
        const char *wrong = check_item(key, items[count], items, count);
        count++;
        if (wrong != NULL)
            return wrong;
        if (*next == '\0')
            break;
        p = next + 1;
    }
    *out = items;
    *out_count = count;
    return NULL;
}

/* -q may be given again: each is one name, added to those before. */
static void append_item(struct config_list *list, const char *text, struct config_arena *arena)
{
    char **items = config_arena_alloc(arena, (list->count + 1) * sizeof(*items));
    for (size_t i = 0; i < list->count; i++)
        items[i] = list->items[i];
    items[list->count] = config_arena_copy(arena, text, strlen(text));
    *list = (struct config_list){items, list->count + 1};
}

static void store_text(const struct config_key *key, const char *text, struct config_arena *arena,
                       void *place)
{
    size_t len = strlen(text);
    while (key->type == CONFIG_TYPE_URL && text[len - 1] == '/')
        len--;
    *(const char **)place = config_arena_copy(arena, text, len);
}

/* Where a value goes, and what the origin of a time will say. */
struct destination {
    void *place;
    const char *from;
    bool appends; /* a repeated option */
    struct config_arena *arena;
};

/* A variable says how long to wait while too little is known: a file's `auto` stays. */
static bool stays_auto(const struct config_key *key, enum config_style style, const void *place)
{
    return key->type == CONFIG_TYPE_TIME_AUTO && style == CONFIG_STYLE_ENVIRONMENT &&
           ((const struct config_time *)place)->is_auto;
}

static const char *store_time(const struct config_key *key, const char *text, enum config_style style,
                              const struct destination *to)
{
    struct config_time *time = to->place;
    bool is_auto = stays_auto(key, style, time);
    if (key->type == CONFIG_TYPE_TIME_AUTO && style == CONFIG_STYLE_FILE && strcmp(text, "auto") == 0) {
        time->is_auto = true;
        time->from = to->from;
        return NULL;
    }
    int64_t ms = 0;
    const char *wrong = read_duration(key, text, style, &ms);
    if (wrong == NULL)
        *time = (struct config_time){ms, is_auto ? time->from : to->from, is_auto};
    return wrong;
}

static const char *store_number(const struct config_key *key, const char *text, enum config_style style,
                                const struct destination *to)
{
    int64_t whole = 0;
    double number = 0;
    const char *wrong = NULL;
    bool is_real =
        key->type == CONFIG_TYPE_RATE || key->type == CONFIG_TYPE_FACTOR || key->type == CONFIG_TYPE_PERCENT;
    if (key->type == CONFIG_TYPE_PERCENT)
        wrong = read_percent(text, &number);
    else if (is_real)
        wrong = read_number(key, text, &number);
    else if (key->type == CONFIG_TYPE_DURATION)
        wrong = read_duration(key, text, style, &whole);
    else if (key->type == CONFIG_TYPE_SIZE)
        wrong = text_to_size(text, &whole) ? check_range(whole, key) : "is not a size";
    else
        wrong = read_count(key, text, &whole);
    if (wrong != NULL)
        return wrong;
    if (is_real)
        *(double *)to->place = number;
    else if (key->type == CONFIG_TYPE_COUNT32)
        *(int32_t *)to->place = (int32_t)whole;
    else
        *(int64_t *)to->place = whole;
    return NULL;
}

static const char *store_items(const struct config_key *key, const char *text, enum config_style style,
                               const struct destination *to)
{
    char **items;
    size_t count;
    if (style == CONFIG_STYLE_FLAG) {
        struct config_list *list = to->place;
        if (!to->appends)
            *list = (struct config_list){NULL, 0};
        append_item(list, text, to->arena);
        return NULL;
    }
    const char *wrong = read_items(key, text, to->arena, &items, &count);
    if (wrong != NULL)
        return wrong;
    if (key->type == CONFIG_TYPE_LIST)
        *(struct config_list *)to->place = (struct config_list){items, count};
    else
        *(struct match_list *)to->place = (struct match_list){items, count};
    return NULL;
}

static const char *store_jitter(const char *text, enum jitter *place)
{
    static const struct {
        enum jitter jitter;
        const char *text;
    } words[] = {
#define X(name, word) {JITTER_##name, word},
        JITTERS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(words[i].text, text) == 0) {
            *place = words[i].jitter;
            return NULL;
        }
    return "is not known";
}

/* Parse by type and store. Returns what is wrong, or NULL. */
static const char *store(const struct config_key *key, const char *text, enum config_style style,
                         const struct destination *to)
{
    const char *wrong = text_find_fault(text);
    if (wrong != NULL)
        return wrong;
    if (text[0] == '\0' && key->type != CONFIG_TYPE_LIST)
        return "is empty";
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
        wrong = check_text(key, text);
        if (wrong == NULL)
            store_text(key, text, to->arena, to->place);
        return wrong;
    case CONFIG_TYPE_JITTER:
        return store_jitter(text, to->place);
    case CONFIG_TYPE_BOOL:
        return text_to_bool(text, to->place) ? NULL : "is neither true nor false";
    case CONFIG_TYPE_PRESENCE:
        if (style == CONFIG_STYLE_ENVIRONMENT)
            *(bool *)to->place = true;
        else if (!text_to_bool(text, to->place))
            return "is neither true nor false";
        return NULL;
    case CONFIG_TYPE_LIST:
    case CONFIG_TYPE_GLOBS:
    case CONFIG_TYPE_PARAMETERS:
    case CONFIG_TYPE_PER_VALUE:
    case CONFIG_TYPE_REGISTRY_COUNTS:
    case CONFIG_TYPE_REGISTRY_RATES:
    case CONFIG_TYPE_WORDS:
    case CONFIG_TYPE_TRANSPORTS:
    case CONFIG_TYPE_STATUSES:
        return store_items(key, text, style, to);
    case CONFIG_TYPE_TIME:
    case CONFIG_TYPE_TIME_AUTO:
        return store_time(key, text, style, to);
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_SIZE:
    case CONFIG_TYPE_RATE:
    case CONFIG_TYPE_FACTOR:
    case CONFIG_TYPE_PERCENT:
    case CONFIG_TYPE_COUNT:
    case CONFIG_TYPE_COUNT_AUTO:
    case CONFIG_TYPE_COUNT32:
        return store_number(key, text, style, to);
    }
    UNREACHABLE();
}

static int refuse(const struct config_key *key, const char *text, enum config_style style, const char *wrong,
                  struct err *err)
{
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(key, style, allowed, sizeof(allowed));
    bool is_address = key->type == CONFIG_TYPE_URL || key->type == CONFIG_TYPE_ENGINE_HOST ||
                      key->type == CONFIG_TYPE_PROXY;
    bool may_hold_login = is_address && strchr(text, '@') != NULL;
    if (key->is_secret || may_hold_login)
        return err_set(err, ERR_INVALID, "the value %s; allowed: %s", wrong, allowed);
    if (text_find_fault(text) != NULL)
        return err_set(err, ERR_INVALID, "the value %s; allowed: %s", wrong, allowed);
    if (strlen(text) > SHOWN_BYTES)
        return err_set(err, ERR_INVALID, "a value of %zu bytes %s; allowed: %s", strlen(text), wrong,
                       allowed);
    return err_set(err, ERR_INVALID, "\"%s\" %s; allowed: %s", text, wrong, allowed);
}

int config_value_set(const struct config_target *target, const struct config_key *key, const char *text,
                     enum config_style style, const char *from, struct err *err)
{
    size_t row = (size_t)(key - config_keys);
    void *base = key->scope == CONFIG_SCOPE_SERVICE ? target->service
                 : key->scope == CONFIG_SCOPE_CLASS ? (void *)target->class_values
                                                    : (void *)target->rule_values;
    CHECK(base != NULL);
    struct destination to = {.place = (char *)base + key->offset, .from = from, .arena = target->arena};
    to.appends = target->from[row] != NULL && strcmp(target->from[row], from) == 0;
    const char *wrong = store(key, text, style, &to);
    if (wrong != NULL)
        return refuse(key, text, style, wrong, err);
    if (!stays_auto(key, style, to.place))
        target->from[row] = from;
    return 0;
}

int config_value_check(const struct config_key *key, const char *text, enum config_style style,
                       struct err *err)
{
    struct config_arena arena = {0};
    union {
        double number;
        int64_t whole;
        struct config_time time;
        struct match_list globs;
        struct config_list list;
        const char *text;
    } place = {.time = {0, NULL, false}};
    const struct destination to = {.place = &place, .from = "", .arena = &arena};
    const char *wrong = store(key, text, style, &to);
    config_arena_done(&arena);
    return wrong == NULL ? 0 : refuse(key, text, style, wrong, err);
}
