/*
 * toml.c - a recursive reader of TOML v1.0.0 that keeps nothing.
 *
 * Knows the grammar as a whole (all four kinds of strings, arrays, inline tables, dotted and quoted keys),
 * since the part we want may stand behind anything in a pyproject.toml; builds no tree: `path` is where we
 * are, values are told at once. Bounded: depth of tables, keys and arrays together, length of a key or value.
 * A NUL, a control character or a \u0000 is refused.
 */
#include "toml.h"

#include "base/buf.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct toml {
    const char *p;
    const char *end;
    int line;
    char *path[TOML_MAX_DEPTH]; /* owned */
    size_t depth;
    size_t nesting; /* of arrays and inline tables */
    toml_fn *on_value;
    void *arg;
    struct err *err;
};

static int read_value(struct toml *t, bool is_told);

static int fail(struct toml *t, const char *what)
{
    return err_set(t->err, ERR_PARSE, "%s", what);
}

static int peek(const struct toml *t)
{
    return t->p < t->end ? (unsigned char)*t->p : -1;
}

static bool looking_at(const struct toml *t, const char *text)
{
    size_t len = strlen(text);
    return (size_t)(t->end - t->p) >= len && memcmp(t->p, text, len) == 0;
}

static void skip_blanks(struct toml *t)
{
    while (peek(t) == ' ' || peek(t) == '\t')
        t->p++;
}

/* To the end of the line, over a comment if there is one. */
static int end_line(struct toml *t)
{
    skip_blanks(t);
    if (peek(t) == '#')
        while (t->p < t->end && *t->p != '\n') {
            if ((unsigned char)*t->p < 0x20 && *t->p != '\t' && *t->p != '\r')
                return fail(t, "a control character in a comment");
            t->p++;
        }
    if (looking_at(t, "\r\n"))
        t->p++;
    if (t->p == t->end)
        return 0;
    if (*t->p != '\n')
        return fail(t, "text after the value; allowed: one KEY = VALUE a line");
    t->p++;
    t->line++;
    return 0;
}

/* Blanks, newlines and comments, as allowed between the items of an array. */
static int skip_lines(struct toml *t)
{
    for (;;) {
        skip_blanks(t);
        if (peek(t) != '#' && peek(t) != '\n' && !looking_at(t, "\r\n"))
            return 0;
        if (end_line(t) != 0)
            return -1;
    }
}

static int add_char(struct toml *t, struct buf *out, uint32_t c)
{
    if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return fail(t, "an escape that is no character");
    char bytes[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        bytes[i] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(heads[len] | c);
    return buf_add(out, bytes, len, t->err);
}

static int read_hex(struct toml *t, int digits, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, t->p++) {
        int c = peek(t);
        if (c < 0 || !isxdigit(c))
            return fail(t, "an escape that is no character");
        *out = *out * 16 + (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    return 0;
}

/* After the backslash. */
static int read_escape(struct toml *t, bool is_multiline, struct buf *out)
{
    static const char names[] = "btnfr\"\\";
    static const char meanings[] = "\b\t\n\f\r\"\\";
    int c = peek(t);
    uint32_t code = 0;
    if (is_multiline && (c == ' ' || c == '\t' || c == '\r' || c == '\n')) {
        skip_blanks(t);
        if (peek(t) != '\n' && !looking_at(t, "\r\n"))
            return fail(t, "an unknown escape");
        for (; t->p < t->end && strchr(" \t\r\n", *t->p) != NULL && *t->p != '\0'; t->p++)
            t->line += *t->p == '\n' ? 1 : 0;
        return 0;
    }
    t->p++;
    if (c == 'u' || c == 'U') {
        if (read_hex(t, c == 'u' ? 4 : 8, &code) != 0)
            return -1;
        return add_char(t, out, code);
    }
    const char *name = c > 0 ? strchr(names, c) : NULL;
    if (name == NULL)
        return fail(t, "an unknown escape");
    return add_char(t, out, (unsigned char)meanings[name - names]);
}

/* One character inside a string, not its end. */
static int read_string_char(struct toml *t, char quote, bool is_multiline, struct buf *out)
{
    char c = *t->p;
    bool is_newline = c == '\n' || looking_at(t, "\r\n");
    if (is_newline && !is_multiline)
        return fail(t, "a string that doesn't end on its line");
    if (((unsigned char)c < 0x20 && c != '\t' && !is_newline) || c == 0x7F)
        return fail(t, "a control character in a string");
    t->p++;
    if (c == '\\' && quote == '"')
        return read_escape(t, is_multiline, out);
    if (c == '\r')
        return 0; /* the newline follows */
    t->line += c == '\n' ? 1 : 0;
    return buf_add(out, &c, 1, t->err);
}

static int read_string(struct toml *t, struct buf *out)
{
    char quote = *t->p;
    const char triple[] = {quote, quote, quote, '\0'};
    bool is_multiline = looking_at(t, triple);
    t->p += is_multiline ? 3 : 1;
    if (is_multiline && looking_at(t, "\r\n"))
        t->p++;
    if (is_multiline && peek(t) == '\n') {
        t->p++;
        t->line++;
    }
    while (t->p < t->end) {
        if (*t->p == quote && (!is_multiline || looking_at(t, triple))) {
            t->p += is_multiline ? 3 : 1;
            /* up to two quotes may stand in front of the closing three */
            for (int i = 0; is_multiline && i < 2 && peek(t) == quote; i++, t->p++)
                if (buf_add(out, &quote, 1, t->err) != 0)
                    return -1;
            return 0;
        }
        if (read_string_char(t, quote, is_multiline, out) != 0)
            return -1;
    }
    return fail(t, "a string that never ends");
}

static void cut_path(struct toml *t, size_t depth)
{
    while (t->depth > depth)
        free(t->path[--t->depth]);
}

static bool is_bare(int c)
{
    return c >= 0 && c < 0x80 && (isalnum(c) || c == '_' || c == '-');
}

/* One part of a key, put at the end of the path. */
static int read_key_part(struct toml *t)
{
    struct buf part;
    buf_init(&part, TOML_MAX_VALUE_BYTES);
    int result = 0;
    if ((peek(t) == '"' || peek(t) == '\'') && !looking_at(t, "\"\"\"") && !looking_at(t, "'''"))
        result = read_string(t, &part);
    else if (is_bare(peek(t)))
        for (; result == 0 && is_bare(peek(t)); t->p++)
            result = buf_add(&part, t->p, 1, t->err);
    else
        result = fail(t, "a key is missing");
    if (result == 0 && t->depth == TOML_MAX_DEPTH)
        result = fail(t, "tables nested too deep");
    if (result == 0)
        t->path[t->depth++] = check_strdup(buf_text(&part));
    buf_done(&part);
    return result;
}

static int read_key(struct toml *t)
{
    for (;;) {
        skip_blanks(t);
        if (read_key_part(t) != 0)
            return -1;
        skip_blanks(t);
        if (peek(t) != '.')
            return 0;
        t->p++;
    }
}

static int read_key_value(struct toml *t, bool is_told)
{
    size_t depth = t->depth;
    if (read_key(t) != 0)
        return -1;
    if (peek(t) != '=')
        return fail(t, "no = after the key");
    t->p++;
    skip_blanks(t);
    if (read_value(t, is_told) != 0)
        return -1;
    cut_path(t, depth);
    return 0;
}

static int read_inline_table(struct toml *t, bool is_told)
{
    t->p++;
    skip_blanks(t);
    while (peek(t) != '}') {
        if (read_key_value(t, is_told) != 0)
            return -1;
        skip_blanks(t);
        if (peek(t) == '}')
            break;
        if (peek(t) != ',')
            return fail(t, "an inline table that never ends");
        t->p++;
        skip_blanks(t);
    }
    t->p++;
    return 0;
}

/* The blank between a date and its time belongs to the value. */
static bool is_before_time(const struct toml *t, const struct buf *out)
{
    return out->len == 10 && out->data[4] == '-' && t->end - t->p > 1 && isdigit((unsigned char)t->p[1]);
}

/* true, false, a number or a date. */
static int read_bare(struct toml *t, enum toml_kind *kind, struct buf *out)
{
    for (int c = peek(t);
         is_bare(c) || c == '+' || c == '.' || c == ':' || (c == ' ' && is_before_time(t, out));
         t->p++, c = peek(t))
        if (c != '_' && buf_add(out, t->p, 1, t->err) != 0)
            return -1;
    const char *text = buf_text(out);
    *kind = strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? TOML_BOOL : TOML_NUMBER;
    const char *digits = text + strspn(text, "+-");
    bool is_number =
        isdigit((unsigned char)*digits) || strcmp(digits, "inf") == 0 || strcmp(digits, "nan") == 0;
    if (*kind == TOML_NUMBER && !is_number)
        return fail(t, "a value is missing, or a text without quotes");
    return 0;
}

/* A string, boolean, number or date. */
static int read_plain(struct toml *t, enum toml_kind *kind, struct buf *out)
{
    *kind = TOML_STRING;
    return peek(t) == '"' || peek(t) == '\'' ? read_string(t, out) : read_bare(t, kind, out);
}

/* One item, its text behind what is in `items` if it is plain. */
static int read_item(struct toml *t, struct buf *items)
{
    if (peek(t) == '[' || peek(t) == '{')
        return read_value(t, false);
    struct buf value;
    enum toml_kind kind;
    buf_init(&value, TOML_MAX_VALUE_BYTES);
    int result = read_plain(t, &kind, &value);
    if (result == 0 && items->len > 0)
        result = buf_add_str(items, ",", t->err);
    if (result == 0)
        result = buf_add(items, buf_text(&value), value.len, t->err);
    buf_done(&value);
    return result;
}

static int read_items(struct toml *t, struct buf *items)
{
    t->p++;
    for (;;) {
        if (skip_lines(t) != 0)
            return -1;
        if (peek(t) == ']')
            break;
        if (read_item(t, items) != 0 || skip_lines(t) != 0)
            return -1;
        if (peek(t) == ',')
            t->p++;
        else if (peek(t) != ']')
            return fail(t, "an array that never ends");
    }
    t->p++;
    return 0;
}

static int read_array(struct toml *t, bool is_told)
{
    int line = t->line;
    struct buf items;
    buf_init(&items, TOML_MAX_VALUE_BYTES);
    int result = read_items(t, &items);
    if (result == 0 && is_told)
        t->on_value(t->arg, (const char *const *)t->path, t->depth, TOML_ARRAY, buf_text(&items), line);
    buf_done(&items);
    return result;
}

static int read_value(struct toml *t, bool is_told)
{
    if (peek(t) == '[' || peek(t) == '{') {
        if (t->nesting == TOML_MAX_DEPTH)
            return fail(t, "values nested too deep");
        t->nesting++;
        int result = peek(t) == '[' ? read_array(t, is_told) : read_inline_table(t, is_told);
        t->nesting--;
        return result;
    }
    int line = t->line;
    struct buf value;
    enum toml_kind kind;
    buf_init(&value, TOML_MAX_VALUE_BYTES);
    int result = read_plain(t, &kind, &value);
    if (result == 0 && is_told)
        t->on_value(t->arg, (const char *const *)t->path, t->depth, kind, buf_text(&value), line);
    buf_done(&value);
    return result;
}

/* [a.b] or [[a.b]]; becomes the path of the lines below. */
static int read_header(struct toml *t)
{
    bool is_array = looking_at(t, "[[");
    t->p += is_array ? 2 : 1;
    cut_path(t, 0);
    if (read_key(t) != 0)
        return -1;
    if (!looking_at(t, is_array ? "]]" : "]"))
        return fail(t, "a table's name without closing ]");
    t->p += is_array ? 2 : 1;
    t->on_value(t->arg, (const char *const *)t->path, t->depth, TOML_TABLE, "", t->line);
    return 0;
}

static int read_document(struct toml *t)
{
    if (looking_at(t, "\xEF\xBB\xBF"))
        t->p += 3;
    for (;;) {
        if (skip_lines(t) != 0)
            return -1;
        if (t->p == t->end)
            return 0;
        if ((*t->p == '[' ? read_header(t) : read_key_value(t, true)) != 0 || end_line(t) != 0)
            return -1;
    }
}

int toml_read(const char *text, size_t len, toml_fn *on_value, void *arg, int *bad_line, struct err *err)
{
    struct toml t = {.p = text, .end = text + len, .line = 1, .on_value = on_value, .arg = arg, .err = err};
    int result = read_document(&t);
    if (result != 0) {
        err->kind = ERR_PARSE; /* a value over the limit is a bad text too */
        *bad_line = t.line;
    }
    cut_path(&t, 0);
    return result;
}
