/*
 * config_describe.c - what is allowed for a key, in words: for mistakes, help and the manual.
 *
 * Made from the key's row, so that it stays true when the table changes. Nothing is read or checked here
 * (config_value.c).
 */
#include "config_internal.h"
#include "config_text.h"

#include <string.h>

static void describe_range(const struct config_key *key, char *out, size_t size)
{
    char min[TEXT_DURATION_SIZE];
    char max[TEXT_DURATION_SIZE];
    snprintf(out, size, "%sa duration such as 500ms, 60s, 5m, 2h or 7d, from %s to %s",
             key->type == CONFIG_TYPE_TIME_AUTO ? "auto or " : "", text_of_duration(key->min, min),
             text_of_duration(key->max, max));
}

static void describe_sizes(const struct config_key *key, char *out, size_t size)
{
    char max[TEXT_SIZE_SIZE];
    snprintf(out, size, "a size such as 500MB or 4GB, up to %s; 0: none", text_of_size(key->max, max));
}

static void describe_seconds(const struct config_key *key, bool is_whole, char *out, size_t size)
{
    const char *kind = is_whole ? "a whole number of seconds" : "a number of seconds";
    if (key->min <= 1)
        snprintf(out, size, "%s%s, such as %s", kind, key->min == 0 ? ", 0 or more" : " above 0",
                 is_whole ? "60" : "60 or 2.5");
    else
        snprintf(out, size, "%s, %g or more, such as %s", kind, (double)key->min / 1000,
                 is_whole ? "60" : "60 or 2.5");
}

static void describe_words(const char *words, const char *how_many, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s", how_many);
    for (const char *p = words; *p != '\0' && used < size; p++)
        used += (size_t)snprintf(out + used, size - used, *p == ' ' ? ", " : "%c", *p);
}

/* Types whose rows differ in nothing; NULL: another one. */
static const char *const fixed_texts[] = {
    [CONFIG_TYPE_TEXT] = "a text of one line",
    [CONFIG_TYPE_NAME] = "a name without / and %",
    [CONFIG_TYPE_URL] = "a URL such as http://127.0.0.1:4200/api",
    [CONFIG_TYPE_WEBHOOK] = "a URL such as https://alerts.example.com/hooks/sluice",
    [CONFIG_TYPE_ENGINE_HOST] = "unix:///PATH or tcp://HOST:PORT",
    [CONFIG_TYPE_LISTEN] = "HOST:PORT, such as 127.0.0.1:9191 or [::1]:9191",
    [CONFIG_TYPE_PROXY] = "a URL such as http://proxy:3128",
    [CONFIG_TYPE_VERSION] = "a version such as 1.41",
    [CONFIG_TYPE_BOOL] = "true or false",
    [CONFIG_TYPE_PRESENCE] = "true or false",
    [CONFIG_TYPE_LIST] = "names separated by commas, or nothing",
    [CONFIG_TYPE_GLOBS] =
        "globs separated by commas, such as etl, nightly-*, team-[ab]; \\ before a special character",
    [CONFIG_TYPE_PARAMETERS] = "NAME=GLOB, separated by commas",
    [CONFIG_TYPE_REGISTRY_COUNTS] =
        "HOST NUMBER, separated by commas, such as docker.io 2, *.internal:5000 8",
    [CONFIG_TYPE_REGISTRY_RATES] = "HOST RATE, separated by commas, such as docker.io 0.5, *.internal:5000 8",
    [CONFIG_TYPE_PER_VALUE] =
        "tag:GLOB, deployment, flow, work_queue or parameter:NAME, each with a number from 1 to 1000000, "
        "separated by commas, such as tag:team-* 5",
    [CONFIG_TYPE_TRANSPORTS] =
        "words of `sluice explain --transport`, separated by commas, such as DNS failure, partial body",
    [CONFIG_TYPE_STATUSES] = "statuses from 100 to 599, separated by commas, such as 429, 5xx, 500-504",
    [CONFIG_TYPE_RATE] = "a number above 0, such as 8 or 0.5; leave the key out for no limit",
    [CONFIG_TYPE_PERCENT] = "a percentage from 50% to below 100%, such as 99.5%",
    [CONFIG_TYPE_COUNT32] = NULL,
};

void config_value_describe(const struct config_key *key, enum config_style style, char *out, size_t size)
{
    switch ((int)key->type) {
    case CONFIG_TYPE_WORD:
    case CONFIG_TYPE_JITTER:
        describe_words(key->words, "one of ", out, size);
        return;
    case CONFIG_TYPE_WORDS:
        describe_words(key->words, "one or several of ", out, size);
        return;
    case CONFIG_TYPE_TIME_AUTO:
    case CONFIG_TYPE_DURATION:
    case CONFIG_TYPE_TIME:
        if (style == CONFIG_STYLE_FILE)
            describe_range(key, out, size);
        else if (config_value_is_in_ms(key, style))
            snprintf(out, size, "a whole number of milliseconds, such as 5000");
        else
            describe_seconds(key, style == CONFIG_STYLE_FLAG, out, size);
        return;
    case CONFIG_TYPE_SIZE:
        describe_sizes(key, out, size);
        return;
    case CONFIG_TYPE_FACTOR:
        snprintf(out, size, "a number from %lld to %lld", (long long)key->min, (long long)key->max);
        return;
    case CONFIG_TYPE_COUNT:
    case CONFIG_TYPE_COUNT_AUTO:
    case CONFIG_TYPE_COUNT32:
        snprintf(out, size, "%sa whole number from %lld to %lld%s",
                 key->type == CONFIG_TYPE_COUNT_AUTO ? "auto or " : "", (long long)key->min,
                 (long long)key->max,
                 key->type == CONFIG_TYPE_COUNT && key->default_text == NULL && key->flag == NULL
                     ? "; leave the key out for no limit"
                     : "");
        return;
    default:
        CHECK(fixed_texts[key->type] != NULL);
        snprintf(out, size, "%s", fixed_texts[key->type]);
    }
}
