/*
 * prefect_settings.c - values of Prefect's settings, read as pydantic reads them and written as Python does.
 */
#include "prefect_settings.h"

#include "base/buf.h"
#include "base/text.h"
#include "config_text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define VALUE_MAX_BYTES ((size_t)256 * 1024)

/* ---- numbers ---- */

/* Blanks at both ends go, and the underscores between digits; NULL if one stands elsewhere. */
static char *plain_number(const char *value)
{
    while (isspace((unsigned char)*value))
        value++;
    size_t len = strlen(value);
    while (len > 0 && isspace((unsigned char)value[len - 1]))
        len--;
    char *out = check_alloc(len + 1);
    char *to = out;
    for (size_t i = 0; i < len; i++) {
        bool is_between = i > 0 && i + 1 < len && isdigit((unsigned char)value[i - 1]) &&
                          isdigit((unsigned char)value[i + 1]);
        if (value[i] != '_') {
            *to++ = value[i];
        } else if (!is_between) {
            free(out);
            return NULL;
        }
    }
    *to = '\0';
    return out;
}

/* "+007" is 7, "30.0" is 30. */
static char *whole(const char *value)
{
    char *AUTO_FREE text = plain_number(value);
    if (text == NULL)
        return NULL;
    const char *digits = text + (text[0] == '-' || text[0] == '+' ? 1 : 0);
    size_t len = strspn(digits, "0123456789");
    const char *rest = digits + len;
    if (*rest == '.' && rest[1] != '\0')
        rest += 1 + strspn(rest + 1, "0");
    if (len == 0 || *rest != '\0')
        return NULL;
    while (len > 1 && *digits == '0') {
        digits++;
        len--;
    }
    bool is_negative = text[0] == '-' && !(len == 1 && *digits == '0');
    return check_printf("%s%.*s", is_negative ? "-" : "", (int)len, digits);
}

bool prefect_setting_float(const char *value, double *out)
{
    char *AUTO_FREE text = plain_number(value);
    char *end = NULL;
    if (text == NULL || text[0] == '\0' || strpbrk(text, "xXpP(") != NULL)
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

static char *of_double(double number)
{
    char text[TEXT_DOUBLE_SIZE];
    return check_strdup(text_of_double(number, text));
}

/* ---- several ---- */

static int compare(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

typedef char *item_fn(const char *value); /* malloc'ed; NULL: not a value */

static char *plain_item(const char *value)
{
    return check_strdup(value);
}

static char *float_item(const char *value)
{
    double number;
    return prefect_setting_float(value, &number) ? of_double(number) : NULL;
}

/* The items between commas, without the blanks and quotes around them: a JSON list of texts or numbers is
 * taken, too. */
static char **split(const char *value, size_t *count)
{
    size_t len = strlen(value);
    bool is_list = len >= 2 && value[0] == '[' && value[len - 1] == ']';
    char *AUTO_FREE inner = is_list ? check_strndup(value + 1, len - 2) : check_strdup(value);
    char **items = check_alloc((strlen(inner) + 2) * sizeof(*items));
    char *rest = inner;
    *count = 0;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        while (isspace((unsigned char)*item))
            item++;
        size_t item_len = strlen(item);
        while (item_len > 0 && isspace((unsigned char)item[item_len - 1]))
            item_len--;
        bool is_quoted = is_list && item_len >= 2 && item[0] == '"' && item[item_len - 1] == '"';
        items[(*count)++] = is_quoted ? check_strndup(item + 1, item_len - 2) : check_strndup(item, item_len);
    }
    return items;
}

/* Sorted as texts; is_set: each once. */
static char *join(char **items, size_t count, bool is_set)
{
    struct buf out;
    struct err err;
    buf_init(&out, VALUE_MAX_BYTES);
    qsort(items, count, sizeof(*items), compare);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (i == 0 || !is_set || strcmp(items[i], items[i - 1]) != 0)
            rc = buf_printf(&out, &err, "%s%s", i > 0 ? "," : "", items[i]);
    char *text = rc == 0 ? check_strdup(buf_text(&out)) : NULL;
    buf_done(&out);
    return text;
}

static char *several(const char *value, item_fn *read, bool is_set)
{
    size_t count;
    char **items = split(value, &count);
    bool is_fine = true;
    for (size_t i = 0; i < count; i++) {
        char *item = read(items[i]);
        free(items[i]);
        items[i] = item;
        is_fine = is_fine && item != NULL;
    }
    char *text = is_fine ? join(items, count, is_set) : NULL;
    for (size_t i = 0; i < count; i++)
        free(items[i]);
    free(items);
    return text;
}

static char *delays(const char *value)
{
    if (strpbrk(value, "[,") != NULL)
        return several(value, float_item, false);
    return strpbrk(value, ".eEnN") != NULL ? float_item(value) : whole(value);
}

/* ---- the rest ---- */

static char *boolean(const char *value)
{
    bool is_true;
    if (!text_to_bool(value, &is_true))
        return NULL;
    return check_strdup(is_true ? "True" : "False");
}

static char *level(const char *value)
{
    char *text = check_strdup(value);
    for (char *c = text; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    if (text_is_in_words(text, "DEBUG INFO WARNING ERROR CRITICAL"))
        return text;
    free(text);
    return NULL;
}

static char *path(const char *value)
{
    char *text = check_alloc(strlen(value) + 2);
    char *to = text;
    for (const char *c = value; *c != '\0'; c++)
        if (*c != '/' || c == value || c[-1] != '/')
            *to++ = *c;
    if (to > text + 1 && to[-1] == '/')
        to--;
    if (to == text)
        *to++ = '.';
    *to = '\0';
    return text;
}

/* Only the blanks between its parts are ours to set. */
static char *object(const char *value)
{
    struct buf out;
    struct err err;
    bool is_inside = false;
    int rc = 0;
    buf_init(&out, VALUE_MAX_BYTES);
    for (const char *c = value; *c != '\0' && rc == 0; c++) {
        bool is_escape = is_inside && *c == '\\' && c[1] != '\0';
        if (*c == '"')
            is_inside = !is_inside;
        if (!is_inside && isspace((unsigned char)*c))
            continue;
        rc = buf_add(&out, c, is_escape ? 2 : 1, &err);
        c += is_escape ? 1 : 0;
        if (rc == 0 && !is_inside && (*c == ':' || *c == ','))
            rc = buf_add(&out, " ", 1, &err);
    }
    bool is_object = rc == 0 && out.len >= 2 && out.data[0] == '{' && out.data[out.len - 1] == '}';
    char *text = is_object ? check_strdup(buf_text(&out)) : NULL;
    buf_done(&out);
    return text;
}

char *prefect_setting_text(const struct prefect_setting *setting, const char *value)
{
    switch (setting->kind) {
    case PREFECT_SETTING_TEXT:
        return check_strdup(value);
    case PREFECT_SETTING_BOOL:
        return boolean(value);
    case PREFECT_SETTING_WHOLE:
        return whole(value);
    case PREFECT_SETTING_FLOAT:
        return float_item(value);
    case PREFECT_SETTING_LEVEL:
        return level(value);
    case PREFECT_SETTING_PATH:
        return path(value);
    case PREFECT_SETTING_TEXT_SET:
        return several(value, plain_item, true);
    case PREFECT_SETTING_WHOLE_SET:
        return several(value, whole, true);
    case PREFECT_SETTING_DELAYS:
        return delays(value);
    case PREFECT_SETTING_OBJECT:
        return object(value);
    }
    UNREACHABLE();
}

const char *prefect_setting_allowed(const struct prefect_setting *setting)
{
    switch (setting->kind) {
    case PREFECT_SETTING_BOOL:
        return "true or false";
    case PREFECT_SETTING_WHOLE:
        return "a whole number";
    case PREFECT_SETTING_FLOAT:
        return "a number";
    case PREFECT_SETTING_LEVEL:
        return "DEBUG, INFO, WARNING, ERROR or CRITICAL";
    case PREFECT_SETTING_WHOLE_SET:
        return "whole numbers, with commas between them";
    case PREFECT_SETTING_DELAYS:
        return "numbers, with commas between them";
    case PREFECT_SETTING_OBJECT:
        return "a JSON object of texts";
    case PREFECT_SETTING_TEXT:
    case PREFECT_SETTING_PATH:
    case PREFECT_SETTING_TEXT_SET:
        return "a text";
    }
    UNREACHABLE();
}
