/*
 * json.c - strict JSON on top of cJSON; the only file that includes it.
 *
 * cJSON alone is too kind for us: it reads numbers as doubles, cuts strings at \u0000, takes control
 * characters, malformed \u, bytes that are no UTF-8 and numbers such as 01. So a pre-pass walks the text
 * first. It refuses what cJSON should have refused and turns each number into a string that begins with MARK,
 * a byte that no valid UTF-8 holds; after parsing, marked strings become raw items, which are printed as they
 * stand. The pre-pass doesn't check the grammar between the tokens: that is left to cJSON.
 *
 * Without memory the process ends (base/check.h).
 * Not here: what the values mean.
 */
#include "api/json.h"

#include <cjson/cJSON.h>

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 200
#define MARK '\xff'
/* 2^53: from here on a double may stand for a neighbour of the number that was written. */
#define EXACT_MAX 9007199254740992.0
/* The quotes and the mark that the pre-pass puts around a number. */
#define MARK_OVERHEAD_BYTES 3

static const cJSON *item_of(const struct json *value)
{
    return (const cJSON *)(const void *)value;
}

static cJSON *own_item(struct json *value)
{
    return (cJSON *)(void *)value;
}

static const struct json *json_of(const cJSON *item)
{
    return (const struct json *)(const void *)item;
}

static struct json *own_json(cJSON *item)
{
    CHECK_MEMORY(item != NULL);
    return (struct json *)(void *)item;
}

/* --- the pre-pass --- */

struct scan {
    const unsigned char *text;
    size_t len;
    size_t at;
    size_t copied; /* the text before this offset is in `out` */
    int depth;
    struct buf out;
};

/* Length of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates), 0 if there is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
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

static int bad_at(size_t offset, const char *what, struct err *err)
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
            return bad_at(s->at, "a malformed \\u in a string", err);
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
            return bad_at(s->at, "control character in a string", err);
        if (*p == '\\' && left >= 2 && p[1] == 'u' && check_code(s, err) != 0)
            return -1;
        size_t len = *p == '\\' ? 2 : utf8_len(p, left);
        if (len == 0)
            return bad_at(s->at, "a string that is not UTF-8", err);
        s->at += len;
    }
    return bad_at(start, "a string without an end", err);
}

static size_t count_digits(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && text[n] >= '0' && text[n] <= '9')
        n++;
    return n;
}

/* Length of the JSON number (RFC 8259, 6) at the front of text, 0 if there is none. */
static size_t number_len(const char *text, size_t len)
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
    if (buf_add(&s->out, s->text + s->copied, end - s->copied, err) != 0)
        return -1;
    s->copied = end;
    return 0;
}

static int scan_number(struct scan *s, struct err *err)
{
    static const char open[] = {'"', MARK};
    size_t len = number_len((const char *)s->text + s->at, s->len - s->at);
    if (len == 0)
        return bad_at(s->at, "a malformed number", err);
    if (copy_up_to(s, s->at, err) != 0 || buf_add(&s->out, open, sizeof(open), err) != 0)
        return -1;
    s->at += len;
    if (copy_up_to(s, s->at, err) != 0)
        return -1;
    return buf_add(&s->out, "\"", 1, err);
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
        return bad_at(s->at, "a byte that does not belong there", err);
    }
    s->at++;
    return 0;
}

static int scan_all(struct scan *s, struct err *err)
{
    while (s->at < s->len) {
        if (scan_token(s, err) != 0)
            return -1;
    }
    return copy_up_to(s, s->len, err);
}

/* --- parsing --- */

/* Where in the source text an offset of the pre-pass's output lies. */
static size_t source_offset(const struct buf *out, size_t offset)
{
    size_t numbers = 0;
    for (size_t i = 0; i < offset && i < out->len; i++)
        numbers += out->data[i] == MARK;
    size_t added = numbers * MARK_OVERHEAD_BYTES;
    return offset > added ? offset - added : 0;
}

/* Turn marked strings into raw items. -1 if a number stood where a name belongs. Depth was limited before. */
static int unmark(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->string != NULL && item->string[0] == MARK)
            return -1;
        if (cJSON_IsString(item) && item->valuestring[0] == MARK) {
            memmove(item->valuestring, item->valuestring + 1, strlen(item->valuestring));
            item->type = cJSON_Raw;
        }
        if (item->child != NULL && unmark(item->child) != 0)
            return -1;
    }
    return 0;
}

static void *allocate(size_t size_bytes)
{
    return check_realloc(NULL, size_bytes);
}

static int parse_marked(const struct buf *marked, struct json **out, struct err *err)
{
    const char *end = NULL;
    /* Without memory cJSON would say the same as of bad text. */
    cJSON_InitHooks(&(cJSON_Hooks){allocate, free});
    cJSON *root = cJSON_ParseWithLengthOpts(buf_text(marked), marked->len + 1, &end, 1);
    if (root == NULL) {
        size_t offset = end == NULL ? 0 : (size_t)(end - buf_text(marked));
        return bad_at(source_offset(marked, offset), offset >= marked->len ? "early end" : "unexpected text",
                      err);
    }
    if (unmark(root) != 0) {
        cJSON_Delete(root);
        return err_set(err, ERR_PARSE, "not valid JSON: a number where a name belongs");
    }
    *out = own_json(root);
    return 0;
}

int json_parse(const char *text, size_t len, struct json **out, struct err *err)
{
    struct scan s = {.text = (const unsigned char *)text, .len = len};
    buf_init(&s.out, SIZE_MAX / 4);
    int rc = scan_all(&s, err);
    if (rc == 0)
        rc = parse_marked(&s.out, out, err);
    buf_done(&s.out);
    return rc;
}

void json_free(struct json *root)
{
    cJSON_Delete(own_item(root));
}

static void wipe(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            explicit_bzero(item->valuestring, strlen(item->valuestring));
        wipe(item->child);
    }
}

void json_wipe_free(struct json *root)
{
    wipe(own_item(root));
    json_free(root);
}

struct json *json_copy(const struct json *value)
{
    return own_json(cJSON_Duplicate(item_of(value), 1));
}

/* --- reading --- */

enum json_kind json_kind(const struct json *value)
{
    const cJSON *item = item_of(value);
    if (cJSON_IsRaw(item))
        return JSON_NUMBER;
    if (cJSON_IsString(item))
        return JSON_STRING;
    if (cJSON_IsBool(item))
        return JSON_BOOL;
    if (cJSON_IsArray(item))
        return JSON_ARRAY;
    if (cJSON_IsObject(item))
        return JSON_OBJECT;
    return JSON_NULL;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!cJSON_IsObject(item_of(object)))
        return NULL;
    return json_of(cJSON_GetObjectItemCaseSensitive(item_of(object), key));
}

const char *json_text(const struct json *value, const char *fallback)
{
    return json_kind(value) == JSON_STRING ? item_of(value)->valuestring : fallback;
}

bool json_bool(const struct json *value, bool fallback)
{
    return json_kind(value) == JSON_BOOL ? cJSON_IsTrue(item_of(value)) != 0 : fallback;
}

const char *json_number_text(const struct json *value)
{
    return json_kind(value) == JSON_NUMBER ? item_of(value)->valuestring : NULL;
}

double json_double(const struct json *value, double fallback)
{
    const char *text = json_number_text(value);
    double number = text == NULL ? (double)NAN : strtod(text, NULL);
    return isfinite(number) ? number : fallback;
}

int64_t json_int(const struct json *value, int64_t fallback)
{
    const char *text = json_number_text(value);
    if (text == NULL)
        return fallback;
    if (strpbrk(text, "eE") != NULL) {
        double number = strtod(text, NULL);
        bool is_exact = fabs(number) < EXACT_MAX && number == trunc(number);
        return is_exact ? (int64_t)number : fallback;
    }
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0)
        return fallback;
    if (*end == '.')
        end++;
    end += strspn(end, "0");
    return *end == '\0' ? number : fallback;
}

const char *json_get_text(const struct json *object, const char *key, const char *fallback)
{
    return json_text(json_get(object, key), fallback);
}

int64_t json_get_int(const struct json *object, const char *key, int64_t fallback)
{
    return json_int(json_get(object, key), fallback);
}

bool json_get_bool(const struct json *object, const char *key, bool fallback)
{
    return json_bool(json_get(object, key), fallback);
}

static bool has_children(const struct json *value)
{
    enum json_kind kind = json_kind(value);
    return kind == JSON_ARRAY || kind == JSON_OBJECT;
}

size_t json_count(const struct json *array_or_object)
{
    size_t n = 0;
    for (const struct json *item = json_first(array_or_object); item != NULL; item = json_next(item))
        n++;
    return n;
}

const struct json *json_first(const struct json *array_or_object)
{
    return has_children(array_or_object) ? json_of(item_of(array_or_object)->child) : NULL;
}

const struct json *json_next(const struct json *item)
{
    return item == NULL ? NULL : json_of(item_of(item)->next);
}

const char *json_key(const struct json *member)
{
    return member == NULL || item_of(member)->string == NULL ? "" : item_of(member)->string;
}

/* --- building --- */

/* A copy in which each byte that is not UTF-8 is U+FFFD: a sentence of the engine's that was cut in the
 * middle of a letter must not make a whole request unreadable. */
static char *clean_text(const char *text)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t left = strlen(text);
    char *clean = check_alloc(left * (sizeof(replacement) - 1) + 1);
    size_t n = 0;
    while (left > 0) {
        size_t len = utf8_len((const unsigned char *)text, left);
        const char *from = len == 0 ? replacement : text;
        size_t count = len == 0 ? sizeof(replacement) - 1 : len;
        memcpy(clean + n, from, count);
        n += count;
        text += len == 0 ? 1 : len;
        left -= len == 0 ? 1 : len;
    }
    return clean;
}

struct json *json_new_object(void)
{
    return own_json(cJSON_CreateObject());
}

struct json *json_new_array(void)
{
    return own_json(cJSON_CreateArray());
}

struct json *json_new_text(const char *text)
{
    char *AUTO_FREE clean = clean_text(text);
    return own_json(cJSON_CreateString(clean));
}

struct json *json_new_int(int64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRId64, number);
    return own_json(cJSON_CreateRaw(text));
}

struct json *json_new_number_text(const char *text)
{
    size_t len = strlen(text);
    CHECK(len > 0 && number_len(text, len) == len);
    return own_json(cJSON_CreateRaw(text));
}

struct json *json_new_bool(bool value)
{
    return own_json(cJSON_CreateBool(value));
}

struct json *json_new_null(void)
{
    return own_json(cJSON_CreateNull());
}

void json_take_set(struct json *object, const char *key, struct json *value)
{
    CHECK(json_kind(object) == JSON_OBJECT && value != NULL);
    char *AUTO_FREE clean = clean_text(key);
    cJSON *item = own_item(object);
    if (cJSON_GetObjectItemCaseSensitive(item, clean) != NULL)
        CHECK_MEMORY(cJSON_ReplaceItemInObjectCaseSensitive(item, clean, own_item(value)));
    else
        CHECK_MEMORY(cJSON_AddItemToObject(item, clean, own_item(value)));
}

void json_take_add(struct json *array, struct json *value)
{
    CHECK(json_kind(array) == JSON_ARRAY && value != NULL);
    CHECK_MEMORY(cJSON_AddItemToArray(own_item(array), own_item(value)));
}

void json_remove(struct json *object, const char *key)
{
    cJSON_DeleteItemFromObjectCaseSensitive(own_item(object), key);
}

struct json *json_edit(struct json *object, const char *key)
{
    if (!cJSON_IsObject(own_item(object)))
        return NULL;
    return (struct json *)(void *)cJSON_GetObjectItemCaseSensitive(own_item(object), key);
}

void json_set_text(struct json *object, const char *key, const char *text)
{
    json_take_set(object, key, text == NULL ? json_new_null() : json_new_text(text));
}

void json_set_int(struct json *object, const char *key, int64_t number)
{
    json_take_set(object, key, json_new_int(number));
}

void json_set_bool(struct json *object, const char *key, bool value)
{
    json_take_set(object, key, json_new_bool(value));
}

char *json_write(const struct json *value)
{
    char *text = cJSON_PrintUnformatted(item_of(value));
    CHECK_MEMORY(text != NULL);
    return text;
}

char *json_quote(const char *text)
{
    struct json *value = json_new_text(text);
    char *quoted = json_write(value);
    json_free(value);
    return quoted;
}
