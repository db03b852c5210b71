/*
 * json_scan.c - the walk over a text before cJSON parses it.
 *
 * It knows tokens only; the grammar between them is left to cJSON. Texts that need no mark are copied in one
 * piece.
 */
#include "api/json_scan.h"

#include <ctype.h>
#include <stdbool.h>

#define DEPTH_MAX 200
/* The quotes and the mark around a number. */
#define MARK_OVERHEAD_BYTES 3

struct scan {
    const unsigned char *text;
    size_t len;
    size_t at;
    size_t copied; /* the text before this offset is in `out` */
    int depth;
    struct buf *out;
};

size_t json_utf8_len(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    }
    bool too_long = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xF0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xED && p[1] > 0x9F;
    bool too_large = p[0] == 0xF4 && p[1] > 0x8F;
    return too_long || surrogate || too_large ? 0 : len;
}

int json_scan_refuse(size_t offset, const char *what, struct err *err)
{
    return err_set(err, ERR_PARSE, "not valid JSON: %s at byte %zu", what, offset);
}

/* Check the \uXXXX at s->at. cJSON reads one with wrong digits as 0, and ends the string there. */
static int check_code(const struct scan *s, struct err *err)
{
    const unsigned char *p = s->text + s->at;
    bool is_zero = true;
    for (size_t i = 2; i < 6; i++) {
        if (i >= s->len - s->at || !isxdigit(p[i]))
            return json_scan_refuse(s->at, "a malformed \\u in a string", err);
        is_zero = is_zero && p[i] == '0';
    }
    if (!is_zero)
        return 0;
    return err_set(err, ERR_INVALID, "a string with \\u0000, which sluice does not take, at byte %zu", s->at);
}

/* Length of what stands for itself in a string, as nearly all of an answer does. */
static size_t plain_len(const unsigned char *p, size_t left)
{
    size_t n = 0;
    while (n < left && p[n] >= 0x20 && p[n] < 0x80 && p[n] != '"' && p[n] != '\\')
        n++;
    return n;
}

/* Step over a string; s->at is at its opening quote. */
static int scan_string(struct scan *s, struct err *err)
{
    size_t start = s->at++;
    while (s->at < s->len) {
        s->at += plain_len(s->text + s->at, s->len - s->at);
        if (s->at == s->len)
            break;
        const unsigned char *p = s->text + s->at;
        size_t left = s->len - s->at;
        if (*p == '"') {
            s->at++;
            return 0;
        }
        if (*p < 0x20)
            return json_scan_refuse(s->at, "control character in a string", err);
        if (*p == '\\' && left >= 2 && p[1] == 'u' && check_code(s, err) != 0)
            return -1;
        size_t len = *p == '\\' ? 2 : json_utf8_len(p, left);
        if (len == 0)
            return json_scan_refuse(s->at, "a string that is not UTF-8", err);
        s->at += len;
    }
    return json_scan_refuse(start, "a string without an end", err);
}

static size_t count_digits(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

size_t json_number_len(const char *text, size_t len)
{
    size_t at = len > 0 && text[0] == '-' ? 1 : 0;
    size_t digits = count_digits(text + at, len - at);
    if (digits == 0 || (digits > 1 && text[at] == '0'))
        return 0;
    at += digits;
    if (at < len && text[at] == '.') {
        digits = count_digits(text + at + 1, len - at - 1);
        if (digits == 0)
            return 0;
        at += 1 + digits;
    }
    if (at < len && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < len && (text[at] == '+' || text[at] == '-'))
            at++;
        digits = count_digits(text + at, len - at);
        if (digits == 0)
            return 0;
        at += digits;
    }
    return at;
}

static int copy_up_to(struct scan *s, size_t end, struct err *err)
{
    if (buf_add(s->out, s->text + s->copied, end - s->copied, err) != 0)
        return -1;
    s->copied = end;
    return 0;
}

static int scan_number(struct scan *s, struct err *err)
{
    static const char open[] = {'"', JSON_MARK};
    size_t len = json_number_len((const char *)s->text + s->at, s->len - s->at);
    if (len == 0)
        return json_scan_refuse(s->at, "a malformed number", err);
    if (copy_up_to(s, s->at, err) != 0 || buf_add(s->out, open, sizeof(open), err) != 0)
        return -1;
    s->at += len;
    if (copy_up_to(s, s->at, err) != 0)
        return -1;
    return buf_add(s->out, "\"", 1, err);
}

static int scan_token(struct scan *s, struct err *err)
{
    unsigned char c = s->text[s->at];
    if (c == '"')
        return scan_string(s, err);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s, err);
    if (c == '[' || c == '{') {
        if (++s->depth > DEPTH_MAX)
            return err_set(err, ERR_LIMIT, "JSON nested deeper than %d levels at byte %zu", DEPTH_MAX, s->at);
    } else if (c == ']' || c == '}') {
        s->depth--;
    } else if (c >= 0x7F || (c < 0x20 && c != '\t' && c != '\n' && c != '\r')) {
        return json_scan_refuse(s->at, "a byte that does not belong there", err);
    }
    s->at++;
    return 0;
}

int json_scan(const char *text, size_t len, struct buf *marked, struct err *err)
{
    struct scan s = {.text = (const unsigned char *)text, .len = len, .out = marked};
    while (s.at < s.len) {
        if (scan_token(&s, err) != 0)
            return -1;
    }
    return copy_up_to(&s, s.len, err);
}

size_t json_scan_source_offset(const struct buf *marked, size_t offset)
{
    size_t numbers = 0;
    for (size_t i = 0; i < offset && i < marked->len; i++)
        numbers += marked->data[i] == JSON_MARK;
    size_t added = numbers * MARK_OVERHEAD_BYTES;
    return offset > added ? offset - added : 0;
}
