/*
 * json.h - strict reading and writing of JSON; json.c is the only file that knows cJSON.
 *
 * Numbers keep their source text (1.0 stays 1.0, 9007199254740993 stays itself): cJSON reads them as doubles,
 * so a pre-pass turns each into a marked string before parsing, and writing turns it back. A string that
 * holds \u0000 is refused, since cJSON would cut it. Depth is limited to 200. Keys are compared with case; of
 * two equal keys readers see the first. What is written is always UTF-8: other bytes in a text become U+FFFD.
 * A struct json may be read by anyone and freed once, by the owner of the root.
 */
#ifndef SLUICE_API_JSON_H
#define SLUICE_API_JSON_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json; /* a value: root or part of one */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* json_parse - exactly one value, nothing after it but blanks. Errors: PARSE (with the offset), INVALID
 * (\u0000), LIMIT (depth). */
int json_parse(const char *text, size_t len, struct json **out, struct err *err) MUST_CHECK;
void json_free(struct json *root);
/* json_wipe_free - the same, with every text overwritten first: for secrets. */
void json_wipe_free(struct json *root);
struct json *json_copy(const struct json *value);

enum json_kind json_kind(const struct json *value);
/* All readers take NULL for value (as if absent) and answer with the fallback when the kind is another. */
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent or not an object */
const char *json_text(const struct json *value, const char *fallback);   /* a string's text, borrowed */
bool json_bool(const struct json *value, bool fallback);
int64_t json_int(const struct json *value, int64_t fallback);  /* whole numbers that fit; "5.0" is 5 */
double json_double(const struct json *value, double fallback); /* finite numbers */
const char *json_number_text(const struct json *value); /* source text of a number, NULL if it is none */
const char *json_get_text(const struct json *object, const char *key, const char *fallback);
int64_t json_get_int(const struct json *object, const char *key, int64_t fallback);
bool json_get_bool(const struct json *object, const char *key, bool fallback);

size_t json_count(const struct json *array_or_object);
const struct json *json_first(const struct json *array_or_object);
const struct json *json_next(const struct json *item);
const char *json_key(const struct json *member); /* of an object's member */

/* Building. Each takes ownership of `value`; set replaces a member of that name in place. */
struct json *json_new_object(void);
struct json *json_new_array(void);
struct json *json_new_text(const char *text);
struct json *json_new_int(int64_t number);
struct json *json_new_number_text(const char *text); /* text must be a JSON number */
struct json *json_new_bool(bool value);
struct json *json_new_null(void);
void json_take_set(struct json *object, const char *key, struct json *value);
void json_take_add(struct json *array, struct json *value);
void json_remove(struct json *object, const char *key);
/* json_edit - as json_get, for changing a part in its place; owned by the object. */
struct json *json_edit(struct json *object, const char *key);
void json_set_text(struct json *object, const char *key, const char *text); /* NULL writes null */
void json_set_int(struct json *object, const char *key, int64_t number);
void json_set_bool(struct json *object, const char *key, bool value);

/* json_write - compact text, malloc'ed. */
char *json_write(const struct json *value);
/* json_quote - one string as a JSON literal with its quotes, malloc'ed. */
char *json_quote(const char *text);

#endif
