#include "core/per_value.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text; /* one that ends in a colon goes on with a name */
    enum per_value_kind kind;
} words[] = {
    {"tag:", PER_VALUE_TAG},
    {"deployment", PER_VALUE_DEPLOYMENT},
    {"flow", PER_VALUE_FLOW},
    {"work_queue", PER_VALUE_WORK_QUEUE},
    {"parameter:", PER_VALUE_PARAMETER},
};

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static const char *read_word(struct per_value *out)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].text);
        if (strncmp(out->word, words[i].text, len) != 0)
            continue;
        bool takes_name = words[i].text[len - 1] == ':';
        if (takes_name != (out->word[len] != '\0'))
            continue;
        out->kind = words[i].kind;
        out->name = out->word + len;
        return NULL;
    }
    return "counts by something unknown";
}

static const char *read_limit(const char *digits, int64_t *out)
{
    *out = 0;
    if (*digits == '\0' || strlen(digits) > 7)
        return *digits == '\0' ? "has no number at its end" : "has a number that is too large";
    for (const char *p = digits; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return "has no number at its end";
        *out = *out * 10 + (*p - '0');
    }
    if (*out > PER_VALUE_LIMIT_MAX)
        return "has a number that is too large";
    return *out == 0 ? "has a number that is too small" : NULL;
}

const char *per_value_parse(const char *item, struct per_value *out)
{
    const char *blank = strrchr(item, ' ');
    if (blank == NULL)
        return "has no number at its end";
    size_t len = (size_t)(blank - item);
    while (len > 0 && item[len - 1] == ' ')
        len--;
    if (len >= sizeof(out->word))
        return "is too long";
    memcpy(out->word, item, len);
    out->word[len] = '\0';
    for (const char *p = out->word; *p != '\0'; p++)
        if (is_control(*p))
            return "holds a control character";
    const char *wrong = read_limit(blank + 1, &out->limit);
    return wrong != NULL ? wrong : read_word(out);
}

bool per_value_has(const struct per_value *limit, const char *line, size_t line_len)
{
    size_t len = strlen(limit->word);
    return line_len > len && line[len] == '\t' && memcmp(line, limit->word, len) == 0;
}

/* ---- lines ---- */

struct lines {
    char *text;
    size_t len;
};

static bool has_line(const struct lines *lines, const char *line, size_t len)
{
    for (const char *p = lines->text; p != NULL && *p != '\0';) {
        size_t here = strcspn(p, "\n");
        if (here == len && memcmp(p, line, len) == 0)
            return true;
        p += here + (p[here] == '\n' ? 1 : 0);
    }
    return false;
}

static void add_line(struct lines *lines, const char *line, size_t len)
{
    if (has_line(lines, line, len))
        return;
    lines->text = check_realloc(lines->text, lines->len + len + 2);
    if (lines->len > 0)
        lines->text[lines->len++] = '\n';
    memcpy(lines->text + lines->len, line, len);
    lines->len += len;
    lines->text[lines->len] = '\0';
}

/* FNV-1a: to tell values apart, not a secret. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

static void add_value(struct lines *lines, const struct per_value *limit, const char *value)
{
    bool is_plain = strlen(value) <= PER_VALUE_MAX_BYTES;
    for (const char *p = value; is_plain && *p != '\0'; p++)
        is_plain = !is_control(*p);
    AUTO_FREE char *line = is_plain ? check_printf("%s\t%s", limit->word, value)
                                    : check_printf("%s\t#%016" PRIx64, limit->word, hash(value));
    add_line(lines, line, strlen(line));
}

static void keep_lines(struct lines *lines, const struct per_value *limit, const char *before)
{
    while (*before != '\0') {
        size_t len = strcspn(before, "\n");
        if (per_value_has(limit, before, len))
            add_line(lines, before, len);
        before += len + (before[len] == '\n' ? 1 : 0);
    }
}

static void add_tags(struct lines *lines, const struct per_value *limit, const struct match_subject *run)
{
    for (size_t i = 0; i < run->tag_count; i++)
        if (match_glob(limit->name, run->tags[i]))
            add_value(lines, limit, run->tags[i]);
}

static void add_parameter(struct lines *lines, const struct per_value *limit, const struct match_subject *run)
{
    for (size_t i = 0; i < run->parameter_count; i++)
        if (strcmp(limit->name, run->parameter_names[i]) == 0 && run->parameter_values[i] != NULL)
            add_value(lines, limit, run->parameter_values[i]);
}

static void add_deployment(struct lines *lines, const struct per_value *limit,
                           const struct match_subject *run)
{
    if (run->deployment == NULL || run->deployment[0] == '\0')
        return;
    AUTO_FREE char *full_name = check_printf("%s/%s", run->flow == NULL ? "" : run->flow, run->deployment);
    add_value(lines, limit, full_name);
}

static void add_name(struct lines *lines, const struct per_value *limit, const char *name)
{
    if (name != NULL && name[0] != '\0')
        add_value(lines, limit, name);
}

static void add_limit(struct lines *lines, const struct per_value *limit, const struct match_subject *run,
                      const char *before)
{
    switch (limit->kind) {
    case PER_VALUE_TAG:
        if (run->tags == NULL)
            keep_lines(lines, limit, before);
        else
            add_tags(lines, limit, run);
        return;
    case PER_VALUE_PARAMETER:
        if (run->parameter_names == NULL)
            keep_lines(lines, limit, before);
        else
            add_parameter(lines, limit, run);
        return;
    case PER_VALUE_DEPLOYMENT:
        add_deployment(lines, limit, run);
        return;
    case PER_VALUE_FLOW:
        add_name(lines, limit, run->flow);
        return;
    case PER_VALUE_WORK_QUEUE:
        add_name(lines, limit, run->work_queue);
        return;
    }
}

char *per_value_lines(const struct per_value *limits, size_t count, const struct match_subject *run,
                      const char *before)
{
    struct lines lines = {NULL, 0};
    for (size_t i = 0; i < count; i++)
        add_limit(&lines, &limits[i], run, before);
    return lines.text != NULL ? lines.text : check_strdup("");
}
