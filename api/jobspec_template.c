/*
 * jobspec_template.c - {{ placeholders }}.
 *
 * A template that is one placeholder and nothing else becomes the value with its type; with text around it,
 * or several of them, each becomes text. An absent name takes its item along in the first case and is empty
 * text in the second. One pass, left to right: values put in are not scanned again. What may be put in is
 * bounded in all, since a few placeholders of a large value could otherwise fill the memory.
 *
 * Blocks and variables need questions to the server and are left for jobspec_references.c. Follows
 * prefect/utilities/templating of 3.8.8.
 */
#include "api/jobspec_internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* --- finding ---------------------------------------------------------------------------------------------
 */

static bool is_word(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    size_t low = 0;
    size_t high = jobspec_word_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c > jobspec_word_table[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < jobspec_word_count && c >= jobspec_word_table[low].first;
}

/* What Python's \s takes. */
static bool is_blank(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
           c == 0x3000;
}

static bool is_name_part(uint32_t c)
{
    return is_word(c) || c == '.' || c == '-' || c == '[' || c == ']' || c == '$';
}

static size_t skip_while(const char *text, size_t at, bool (*is_wanted)(uint32_t))
{
    while (text[at] != '\0') {
        size_t len = 0;
        if (!is_wanted(jobspec_decode(text + at, &len)))
            break;
        at += len;
    }
    return at;
}

static enum jobspec_placeholder_kind kind_of(const char *name)
{
    if (strncmp(name, JOBSPEC_BLOCK_PREFIX, strlen(JOBSPEC_BLOCK_PREFIX)) == 0)
        return JOBSPEC_PLACEHOLDER_BLOCK;
    if (strncmp(name, JOBSPEC_VARIABLE_PREFIX, strlen(JOBSPEC_VARIABLE_PREFIX)) == 0)
        return JOBSPEC_PLACEHOLDER_VARIABLE;
    return name[0] == '$' ? JOBSPEC_PLACEHOLDER_ENVIRONMENT : JOBSPEC_PLACEHOLDER_VALUE;
}

bool jobspec_find_placeholder(const char *text, size_t from, struct jobspec_placeholder *out)
{
    for (const char *open = strchr(text + from, '{'); open != NULL; open = strchr(open + 1, '{')) {
        if (open[1] != '{')
            continue;
        size_t start = (size_t)(open - text);
        size_t name = skip_while(text, start + 2, is_blank);
        size_t name_end = skip_while(text, name, is_name_part);
        size_t close = skip_while(text, name_end, is_blank);
        if (name_end > name && text[close] == '}' && text[close + 1] == '}') {
            char *copy = check_strndup(text + name, name_end - name);
            *out = (struct jobspec_placeholder){start, close + 2, copy, kind_of(copy)};
            return true;
        }
    }
    return false;
}

/* --- looking up ------------------------------------------------------------------------------------------
 */

int jobspec_path_split(const char *path, char ***out, struct err *err)
{
    char **parts = check_alloc((JOBSPEC_PATH_PARTS_MAX + 1) * sizeof(*parts));
    size_t count = 0;
    parts[0] = NULL;
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, ".[");
        if (count == JOBSPEC_PATH_PARTS_MAX) {
            jobspec_free_list(parts);
            return err_set(err, ERR_LIMIT, "\"%.60s...\" has more than %d parts", path,
                           JOBSPEC_PATH_PARTS_MAX);
        }
        char *part = check_alloc(len + 1);
        size_t n = 0;
        for (size_t i = 0; i < len; i++) {
            if (p[i] != ']')
                part[n++] = p[i];
        }
        part[n] = '\0';
        parts[count++] = part;
        parts[count] = NULL;
        p += len;
        if (*p == '\0')
            break;
    }
    *out = parts;
    return 0;
}

/* Python's int() of a path part, as far as a person would write one. */
static bool is_index(const char *part, long *index)
{
    const char *digits = *part == '-' || *part == '+' ? part + 1 : part;
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    *index = strtol(part, NULL, 10);
    if (errno != 0)
        *index = LONG_MAX;
    return true;
}

static const struct json *list_item(const struct json *list, long index)
{
    if (index < 0)
        index += (long)json_count(list);
    if (index < 0)
        return NULL;
    const struct json *item = json_first(list);
    while (item != NULL && index-- > 0)
        item = json_next(item);
    return item;
}

/* The index-th character of a text as a new value, NULL if it is shorter: Python indexes texts too. */
static struct json *text_item(const char *text, long index)
{
    long count = 0;
    for (const char *p = text; *p != '\0'; p++)
        count += ((unsigned char)*p & 0xC0) != 0x80;
    if (index < 0)
        index += count;
    if (index < 0 || index >= count)
        return NULL;
    size_t len = 0;
    jobspec_decode(text, &len);
    while (index-- > 0) {
        text += len;
        jobspec_decode(text, &len);
    }
    char *AUTO_FREE one = check_strndup(text, len);
    return json_new_text(one);
}

/* The value at a path: borrowed from values, or *made if it had to be made. NULL: absent. */
static const struct json *look_up(const struct json *values, char **parts, struct json **made)
{
    const struct json *value = values;
    for (size_t i = 0; parts[i] != NULL; i++) {
        long index = 0;
        bool is_number = is_index(parts[i], &index);
        enum json_kind kind = json_kind(value);
        if (is_number && kind == JSON_STRING) {
            struct json *one = text_item(json_text(value, ""), index);
            json_free(*made);
            *made = one;
            value = one;
        } else if (is_number) {
            value = kind == JSON_ARRAY ? list_item(value, index) : NULL;
        } else {
            value = json_get(value, parts[i]);
        }
        if (value == NULL)
            return NULL;
    }
    return value;
}

/* --- filling ---------------------------------------------------------------------------------------------
 */

static int spend(struct jobspec_substitution *s, size_t bytes, struct err *err)
{
    if (bytes > s->left_bytes)
        return err_set(err, ERR_LIMIT, "with its placeholders filled it grows beyond %zu MiB",
                       JOBSPEC_GROWTH_MAX_BYTES >> 20);
    s->left_bytes -= bytes;
    return 0;
}

/* About what a copy of the value takes. */
static size_t weight_bytes(const struct json *value)
{
    size_t bytes = 64 + strlen(json_key(value)) + strlen(json_text(value, ""));
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item))
        bytes += weight_bytes(item);
    return bytes;
}

int jobspec_copy(struct jobspec_substitution *s, const struct json *value, struct json **out, struct err *err)
{
    if (spend(s, weight_bytes(value), err) != 0)
        return -1;
    *out = json_copy(value);
    return 0;
}

int jobspec_copy_at(struct jobspec_substitution *s, const struct json *values, const char *path,
                    struct json **out, struct err *err)
{
    char **parts = NULL;
    if (jobspec_path_split(path, &parts, err) != 0)
        return -1;
    struct json *made = NULL;
    const struct json *value = look_up(values, parts, &made);
    jobspec_free_list(parts);
    *out = NULL;
    int rc = value == NULL ? 0 : jobspec_copy(s, value, out, err);
    json_free(made);
    return rc;
}

static const char *environment_value(const struct jobspec_substitution *s, const char *name)
{
    name += strspn(name, "$");
    return s->input->getenv == NULL ? NULL : s->input->getenv(s->input->getenv_arg, name);
}

static int add_value_text(struct jobspec_substitution *s, const char *name, struct buf *text, struct err *err)
{
    struct json *value = NULL;
    if (jobspec_copy_at(s, s->values, name, &value, err) != 0)
        return -1;
    int rc = value == NULL ? 0 : jobspec_python_text(value, text, err);
    json_free(value);
    return rc;
}

static int add_filled(struct jobspec_substitution *s, const char *source,
                      const struct jobspec_placeholder *placeholder, struct buf *text, struct err *err)
{
    const char *value = NULL;
    switch (placeholder->kind) {
    case JOBSPEC_PLACEHOLDER_VALUE:
        return add_value_text(s, placeholder->name, text, err);
    case JOBSPEC_PLACEHOLDER_ENVIRONMENT:
        value = environment_value(s, placeholder->name);
        if (value == NULL)
            return 0;
        if (strlen(value) >= JOBSPEC_HIDDEN_MIN_BYTES)
            jobspec_secrets_note(s->secrets, value);
        return spend(s, strlen(value), err) != 0 ? -1 : buf_add_str(text, value, err);
    case JOBSPEC_PLACEHOLDER_BLOCK:
    case JOBSPEC_PLACEHOLDER_VARIABLE:
        return buf_add(text, source + placeholder->start, placeholder->end - placeholder->start, err);
    }
    UNREACHABLE();
}

static int fill_text(struct jobspec_substitution *s, const char *source, struct buf *text, struct err *err)
{
    size_t at = 0;
    struct jobspec_placeholder placeholder;
    while (jobspec_find_placeholder(source, at, &placeholder)) {
        int rc = buf_add(text, source + at, placeholder.start - at, err);
        if (rc == 0)
            rc = add_filled(s, source, &placeholder, text, err);
        free(placeholder.name);
        if (rc != 0)
            return -1;
        at = placeholder.end;
    }
    return buf_add_str(text, source + at, err);
}

static int apply_to_text(struct jobspec_substitution *s, const char *source, struct json **out,
                         struct err *err)
{
    struct jobspec_placeholder first;
    if (!jobspec_find_placeholder(source, 0, &first)) {
        *out = json_new_text(source);
        return 0;
    }
    char *AUTO_FREE name = first.name;
    if (first.kind == JOBSPEC_PLACEHOLDER_VALUE && first.start == 0 && source[first.end] == '\0')
        return jobspec_copy_at(s, s->values, name, out, err);
    struct buf text;
    buf_init(&text, JOBSPEC_GROWTH_MAX_BYTES * 4);
    int rc = fill_text(s, source, &text, err);
    if (rc == 0)
        *out = json_new_text(buf_text(&text));
    buf_done(&text);
    return rc;
}

static int apply_to_members(struct jobspec_substitution *s, const struct json *template, struct json *into,
                            struct err *err)
{
    bool is_object = json_kind(template) == JSON_OBJECT;
    for (const struct json *item = json_first(template); item != NULL; item = json_next(item)) {
        struct json *filled = NULL;
        if (jobspec_apply(s, item, &filled, err) != 0)
            return -1;
        if (filled == NULL)
            continue;
        if (is_object)
            json_take_set(into, json_key(item), filled);
        else
            json_take_add(into, filled);
    }
    return 0;
}

int jobspec_apply(struct jobspec_substitution *s, const struct json *template, struct json **out,
                  struct err *err)
{
    enum json_kind kind = json_kind(template);
    if (kind == JSON_STRING)
        return apply_to_text(s, json_text(template, ""), out, err);
    if (kind != JSON_ARRAY && kind != JSON_OBJECT) {
        *out = json_copy(template);
        return 0;
    }
    if (kind == JSON_OBJECT && json_count(template) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d members in one object", JOBSPEC_MEMBERS_MAX);
    struct json *filled = kind == JSON_OBJECT ? json_new_object() : json_new_array();
    if (apply_to_members(s, template, filled, err) != 0) {
        json_free(filled);
        return -1;
    }
    *out = filled;
    return 0;
}
