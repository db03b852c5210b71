/*
 * jobspec_python.c - values as Python would write them.
 *
 * The official worker puts str(value) wherever a value that is no text lands inside text, and flows have come
 * to depend on it: True, None, 1.5, ['a', 1], {'a': 'b'}. Whole numbers keep all their digits, others are
 * read as doubles and written in the shortest form that reads back, as repr() does. Not here: what is done
 * with the text.
 */
#include "api/jobspec_internal.h"

#include "base/text.h"

#include <string.h>

uint32_t jobspec_decode(const char *text, size_t *len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t need = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : p[0] >= 0xC2 ? 2 : 0;
    if (need == 0 || p[0] > 0xF4) {
        *len = 1;
        return 0xFFFD;
    }
    static const unsigned char lead_mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = p[0] & lead_mask[need];
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            *len = 1;
            return 0xFFFD;
        }
        code = code << 6 | (p[i] & 0x3FU);
    }
    *len = need;
    return code;
}

const char *jobspec_kind_phrase(const struct json *value)
{
    switch (json_kind(value)) {
    case JSON_NULL:
        return "null";
    case JSON_BOOL:
        return "true or false";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "text";
    case JSON_ARRAY:
        return "a list";
    case JSON_OBJECT:
        return "an object";
    }
    UNREACHABLE();
}

static int add_number(const char *text, struct buf *out, struct err *err)
{
    char number[TEXT_DOUBLE_SIZE];
    if (strpbrk(text, ".eE") != NULL)
        return buf_add_str(out, text_of_double(strtod(text, NULL), number), err);
    return buf_add_str(out, strcmp(text, "-0") == 0 ? "0" : text, err);
}

/* Code points that repr() escapes; the common ones of Python's "not printable". */
static bool is_escaped(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || (c >= 0x2000 && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202F) || (c >= 0x205F && c <= 0x206F) || c == 0x3000 || c == 0xFEFF ||
           (c >= 0xE000 && c <= 0xF8FF);
}

static int add_escaped(uint32_t c, char quote, const char *source, size_t len, struct buf *out,
                       struct err *err)
{
    if (c == '\n' || c == '\r' || c == '\t')
        return buf_add_str(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", err);
    if (c == '\\' || c == (uint32_t)(unsigned char)quote)
        return buf_printf(out, err, "\\%c", (int)c);
    if (is_escaped(c))
        return buf_printf(out, err, c > 0xFF ? "\\u%04x" : "\\x%02x", c);
    return buf_add(out, source, len, err);
}

/* repr() of a string: in single quotes, unless it holds those and no double ones. */
static int add_quoted(const char *text, struct buf *out, struct err *err)
{
    char quote = strchr(text, '\'') != NULL && strchr(text, '"') == NULL ? '"' : '\'';
    if (buf_add(out, &quote, 1, err) != 0)
        return -1;
    while (*text != '\0') {
        size_t len = 0;
        uint32_t c = jobspec_decode(text, &len);
        if (add_escaped(c, quote, text, len, out, err) != 0)
            return -1;
        text += len;
    }
    return buf_add(out, &quote, 1, err);
}

static int add_repr(const struct json *value, struct buf *out, struct err *err);

static int add_members(const struct json *value, struct buf *out, struct err *err)
{
    bool is_object = json_kind(value) == JSON_OBJECT;
    if (buf_add_str(out, is_object ? "{" : "[", err) != 0)
        return -1;
    const struct json *first = json_first(value);
    for (const struct json *item = first; item != NULL; item = json_next(item)) {
        if (item != first && buf_add_str(out, ", ", err) != 0)
            return -1;
        if (is_object && (add_quoted(json_key(item), out, err) != 0 || buf_add_str(out, ": ", err) != 0))
            return -1;
        if (add_repr(item, out, err) != 0)
            return -1;
    }
    return buf_add_str(out, is_object ? "}" : "]", err);
}

static int add_repr(const struct json *value, struct buf *out, struct err *err)
{
    switch (json_kind(value)) {
    case JSON_NULL:
        return buf_add_str(out, "None", err);
    case JSON_BOOL:
        return buf_add_str(out, json_bool(value, false) ? "True" : "False", err);
    case JSON_NUMBER:
        return add_number(json_number_text(value), out, err);
    case JSON_STRING:
        return add_quoted(json_text(value, ""), out, err);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return add_members(value, out, err);
    }
    UNREACHABLE();
}

int jobspec_python_text(const struct json *value, struct buf *out, struct err *err)
{
    if (json_kind(value) == JSON_STRING)
        return buf_add_str(out, json_text(value, ""), err);
    return add_repr(value, out, err);
}
