/*
 * Globs, and rules made of them.
 *
 * Matching keeps only the last star and where its text began: when something later fails, the star takes one
 * character more. That is enough for globs, and bounds the work by glob times text, whatever the glob. A
 * character is a UTF-8 one; a byte that belongs to none counts as a character of its own, so broken text
 * still matches what it says. A set that is never closed is an ordinary '['.
 */
#include "core/match.h"

#include "base/check.h"

#include <stdint.h>
#include <string.h>

/* Read one character at *p, step over it. Bytes outside UTF-8 become values above all of Unicode's. */
static uint32_t next_char(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    if (s[0] < 0x80) {
        (*p)++;
        return s[0];
    }
    int more = s[0] >= 0xf8 ? 0 : s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc2 ? 1 : 0;
    uint32_t c = more == 3 ? s[0] & 0x07u : more == 2 ? s[0] & 0x0fu : s[0] & 0x1fu;
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            more = 0;
            break;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    *p += more + 1;
    return more > 0 ? c : 0x110000u + s[0];
}

/* One end of a range; a backslash takes the next character as it is. */
static uint32_t set_char(const char **p)
{
    if (**p == '\\' && (*p)[1] != '\0')
        (*p)++;
    return next_char(p);
}

/*
 * Try character c against the set that begins after its '['. Returns what follows the closing ']', or NULL if
 * there is none. A ']' that comes first, and a '-' at either end, mean themselves.
 */
static const char *match_set(const char *glob, uint32_t c, bool *holds)
{
    bool is_inverted = *glob == '!';
    if (is_inverted)
        glob++;
    bool is_in = false;
    bool is_first = true;
    while (*glob != '\0' && (*glob != ']' || is_first)) {
        is_first = false;
        uint32_t low = set_char(&glob);
        uint32_t high = low;
        if (*glob == '-' && glob[1] != ']' && glob[1] != '\0') {
            glob++;
            high = set_char(&glob);
        }
        is_in = is_in || (c >= low && c <= high);
    }
    if (*glob != ']')
        return NULL;
    *holds = is_in != is_inverted;
    return glob + 1;
}

/* Match one character of text against the head of glob (not a star); step over it when it fits. */
static bool match_one(const char **glob, uint32_t c)
{
    const char *rest = *glob;
    bool holds = false;
    if (*rest == '\0')
        return false;
    if (*rest == '?') {
        (*glob)++;
        return true;
    }
    if (*rest == '[') {
        const char *after = match_set(rest + 1, c, &holds);
        if (after != NULL && holds)
            *glob = after;
        if (after != NULL)
            return holds;
    }
    if (set_char(&rest) != c)
        return false;
    *glob = rest;
    return true;
}

bool match_glob(const char *glob, const char *text)
{
    const char *after_star = NULL;
    const char *star_text = NULL;
    while (*text != '\0') {
        if (*glob == '*') {
            after_star = ++glob;
            star_text = text;
            continue;
        }
        const char *rest = text;
        if (match_one(&glob, next_char(&rest))) {
            text = rest;
            continue;
        }
        if (after_star == NULL)
            return false;
        next_char(&star_text);
        text = star_text;
        glob = after_star;
    }
    while (*glob == '*')
        glob++;
    return *glob == '\0';
}

bool match_any(const struct match_list *list, const char *text)
{
    if (text == NULL)
        return false;
    for (size_t i = 0; i < list->count; i++) {
        if (match_glob(list->globs[i], text))
            return true;
    }
    return false;
}

static bool tags_hold(const struct match_list *list, const struct match_subject *subject)
{
    for (size_t i = 0; i < subject->tag_count; i++) {
        if (match_any(list, subject->tags[i]))
            return true;
    }
    return false;
}

static bool deployment_holds(const struct match_list *list, const struct match_subject *subject)
{
    if (subject->deployment == NULL)
        return false;
    if (match_any(list, subject->deployment))
        return true;
    if (subject->flow == NULL)
        return false;
    AUTO_FREE char *full_name = check_printf("%s/%s", subject->flow, subject->deployment);
    return match_any(list, full_name);
}

/* "name=glob"; "name" alone: the parameter is given, whatever its value. */
static bool parameter_holds(const char *entry, const char *name, const char *value)
{
    size_t name_len = strcspn(entry, "=");
    if (strlen(name) != name_len || memcmp(entry, name, name_len) != 0)
        return false;
    if (entry[name_len] == '\0')
        return true;
    return value != NULL && match_glob(entry + name_len + 1, value);
}

static bool parameters_hold(const struct match_list *list, const struct match_subject *subject)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t p = 0; p < subject->parameter_count; p++) {
            if (parameter_holds(list->globs[i], subject->parameter_names[p], subject->parameter_values[p]))
                return true;
        }
    }
    return false;
}

bool match_rule_is_empty(const struct match_rule *rule)
{
    return rule->tag.count == 0 && rule->deployment.count == 0 && rule->flow.count == 0 &&
           rule->work_queue.count == 0 && rule->parameter.count == 0;
}

bool match_rule_holds(const struct match_rule *rule, const struct match_subject *subject)
{
    return (rule->tag.count == 0 || tags_hold(&rule->tag, subject)) &&
           (rule->deployment.count == 0 || deployment_holds(&rule->deployment, subject)) &&
           (rule->flow.count == 0 || match_any(&rule->flow, subject->flow)) &&
           (rule->work_queue.count == 0 || match_any(&rule->work_queue, subject->work_queue)) &&
           (rule->parameter.count == 0 || parameters_hold(&rule->parameter, subject));
}
