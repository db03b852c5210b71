/*
 * config_traces.c - what follows from [traces] and OpenTelemetry's variables: the address, the lists of
 * headers and attributes, the sampler, and what is done otherwise than asked for.
 *
 * Both lists are "KEY=VALUE,...", keys and values percent-encoded, blanks around them not counted (the
 * specification's "OTLP exporter" and "Resource SDK", which name W3C Baggage). What such a list holds
 * wrongly is a mistake and named by its place only, since headers are secret.
 */
#include "config_internal.h"

#include <ctype.h>
#include <string.h>

#define TRACES_PATH "/v1/traces"
/* As otlp.c takes. */
#define HEADERS_MAX 64

static int digit_of(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

/* What stands between two places, without blanks at its ends, decoded; NULL if it holds what no header may:
 * a control character. */
static const char *decode(const char *text, const char *end, struct config_arena *arena)
{
    while (text < end && (*text == ' ' || *text == '\t'))
        text++;
    while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    char *out = config_arena_copy(arena, text, (size_t)(end - text));
    size_t len = 0;
    for (; text < end; text++) {
        bool is_code = *text == '%' && end - text > 2 && digit_of(text[1]) >= 0 && digit_of(text[2]) >= 0;
        int byte = is_code ? digit_of(text[1]) * 16 + digit_of(text[2]) : *text;
        out[len] = (char)byte;
        text += is_code ? 2 : 0;
        if (iscntrl((unsigned char)out[len++]))
            return NULL;
    }
    out[len] = '\0';
    return out;
}

static size_t count_items(const char *text)
{
    size_t count = 1;
    for (; text != NULL && *text != '\0'; text++)
        count += *text == ',';
    return count;
}

/* Read one list into pairs, from `pairs` on; returns behind the last one. key_chars: those that a key may not
 * hold. */
static const char **read_list(const char *text, const char *name, const char *key_chars, const char **pairs,
                              struct config_arena *arena, struct config_problems *problems)
{
    int place = 0;
    while (text != NULL && *text != '\0') {
        const char *end = text + strcspn(text, ",");
        const char *equals = memchr(text, '=', (size_t)(end - text));
        const char *key = equals == NULL ? NULL : decode(text, equals, arena);
        const char *value = equals == NULL ? NULL : decode(equals + 1, end, arena);
        bool is_blank = text + strspn(text, " \t") >= end;
        place++;
        if (key != NULL && value != NULL && *key != '\0' && strpbrk(key, key_chars) == NULL) {
            *pairs++ = key;
            *pairs++ = value;
        } else if (!is_blank) {
            config_problem(problems, "%s: entry %d is not KEY=VALUE; allowed: KEY=VALUE,..., percent-encoded",
                           name, place);
        }
        text = *end == ',' ? end + 1 : end;
    }
    *pairs = NULL;
    return pairs;
}

static const char *const *read_headers(const struct config_traces *t, const char *from,
                                       struct config_arena *arena, struct config_problems *problems)
{
    size_t max = count_items(t->headers_text);
    const char **pairs = config_arena_alloc(arena, (2 * max + 1) * sizeof(*pairs));
    const char **lines = config_arena_alloc(arena, (max + 1) * sizeof(*lines));
    size_t count = 0;
    read_list(t->headers_text, from, " \t:()<>@;\\\"/[]?{}", pairs, arena, problems);
    for (; *pairs != NULL; pairs += 2)
        lines[count++] = config_arena_printf(arena, "%s: %s", pairs[0], pairs[1]);
    lines[count] = NULL;
    if (count > HEADERS_MAX)
        config_problem(problems, "%s: %zu headers; allowed: %d", from, count, HEADERS_MAX);
    return lines;
}

/* service.name first; a later one of the list would contradict it. */
static const char *const *read_resource(const struct config_traces *t, const char *from,
                                        struct config_arena *arena, struct config_problems *problems)
{
    size_t max = count_items(t->resource_attributes) + 1;
    const char **listed = config_arena_alloc(arena, (2 * max + 1) * sizeof(*listed));
    const char **out = config_arena_alloc(arena, (2 * max + 1) * sizeof(*out));
    const char *name = t->service_name;
    size_t count = 2;
    read_list(t->resource_attributes, from, " \t", listed, arena, problems);
    for (; *listed != NULL; listed += 2) {
        if (strcmp(listed[0], "service.name") != 0) {
            out[count++] = listed[0];
            out[count++] = listed[1];
        } else if (name == NULL) {
            name = listed[1];
        }
    }
    out[0] = "service.name";
    out[1] = name == NULL ? "sluice" : name;
    out[count] = NULL;
    return out;
}

/* "otlp" among names with commas between. */
static bool names_otlp(const char *exporter)
{
    for (const char *p = exporter; *p != '\0'; p += *p == ',') {
        p += strspn(p, " \t");
        size_t len = strcspn(p, ", \t");
        if (len == strlen("otlp") && strncmp(p, "otlp", len) == 0)
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

static const char *notice_of(const struct config_traces *t, bool is_known_sampler, struct config_arena *arena)
{
    const char *notice = NULL;
    if (strcmp(t->protocol, "http/json") != 0)
        notice = config_arena_printf(
            arena,
            "traces go as JSON over HTTP, not as %s: the collector's HTTP port (usually 4318) has to "
            "be named",
            t->protocol);
    if (!is_known_sampler)
        notice =
            config_arena_printf(arena, "%s%sthere is no sampler %s: parentbased_always_on is used",
                                notice == NULL ? "" : notice, notice == NULL ? "" : "; ", t->sampler_name);
    return notice;
}

void config_traces_finish(struct config_settings *settings, const struct config_sources *sources,
                          struct config_problems *problems)
{
    struct config_traces *t = &settings->public.traces;
    struct config_arena *arena = &settings->arena;
    const char *const *from = settings->from;
    bool is_known = trace_sampler_named(t->sampler_name, t->sampler_arg, &t->sampler);
    if (!is_known)
        (void)trace_sampler_named("parentbased_always_on", 1, &t->sampler);
    t->headers = read_headers(t, from[config_row_named("environment.traces_headers")], arena, problems);
    t->resource = read_resource(t, from[config_row_named("traces.resource_attributes")], arena, problems);
    if (t->disabled || !names_otlp(t->exporter))
        return;
    t->url = t->endpoint;
    if (t->url == NULL && t->collector != NULL)
        t->url = config_arena_printf(arena, "%s" TRACES_PATH, t->collector);
    t->proxy = config_proxy_for(sources->environ, t->url, arena);
    if (t->url != NULL)
        t->notice = notice_of(t, is_known, arena);
}
