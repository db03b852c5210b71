/*
 * json.c - strict JSON on top of cJSON; the only file that includes it.
 *
 * json_scan.c walks a text before cJSON does: it refuses what cJSON should have refused, and marks numbers,
 * which cJSON would read as doubles. After parsing, marked strings become raw items, which are printed as
 * they stand.
 *
 * Without memory the process ends (base/check.h).
 * Not here: what the values mean.
 */
#include "api/json.h"

#include "api/json_scan.h"

#include <cjson/cJSON.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 2^53: from here on a double may stand for a neighbour of the number that was written. */
#define EXACT_MAX 9007199254740992.0

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

/* --- parsing --- */

/* Turn marked strings into raw items. -1 if a number stood where a name belongs. Depth was limited before. */
static int unmark(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->string != NULL && item->string[0] == JSON_MARK)
            return -1;
        if (cJSON_IsString(item) && item->valuestring[0] == JSON_MARK) {
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
        return json_scan_refuse(json_scan_source_offset(marked, offset),
                                offset >= marked->len ? "early end" : "unexpected text", err);
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
    struct buf marked;
    buf_init(&marked, SIZE_MAX / 4);
    int rc = json_scan(text, len, &marked, err);
    if (rc == 0)
        rc = parse_marked(&marked, out, err);
    buf_done(&marked);
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
        size_t len = json_utf8_len((const unsigned char *)text, left);
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
    CHECK(len > 0 && json_number_len(text, len) == len);
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
