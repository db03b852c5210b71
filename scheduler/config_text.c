/*
 * config_text.c - small readers of text that several parts of the configuration share.
 *
 * Numbers are read by hand since strtod follows the locale and takes "nan", hex and blanks; durations are
 * exact to the millisecond. Nothing here knows a key or a file; errors are told by what is returned.
 */
#include "config_text.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

bool text_to_whole(const char *text, int64_t *out)
{
    bool is_negative = text[0] == '-';
    const char *p = text + (is_negative ? 1 : 0);
    if (!isdigit((unsigned char)*p))
        return false;
    int64_t value = 0;
    for (; isdigit((unsigned char)*p); p++) {
        if (value > (INT64_MAX - 9) / 10)
            value = INT64_MAX / 100; /* stays far above every maximum of the table */
        value = value * 10 + (*p - '0');
    }
    if (*p != '\0')
        return false;
    *out = is_negative ? -value : value;
    return true;
}

/* Reads DIGITS[.DIGITS] in thousandths of `unit`; returns where it ends, NULL if there is no number. */
static const char *read_decimal(const char *p, double *out)
{
    if (!isdigit((unsigned char)*p))
        return NULL;
    double value = 0;
    for (; isdigit((unsigned char)*p); p++)
        value = value * 10 + (*p - '0');
    if (*p == '.') {
        p++;
        if (!isdigit((unsigned char)*p))
            return NULL;
        for (double place = 0.1; isdigit((unsigned char)*p); p++, place /= 10)
            value += place * (*p - '0');
    }
    *out = value;
    return p;
}

bool text_to_decimal(const char *text, double *out)
{
    bool is_negative = text[0] == '-';
    double value;
    const char *end = read_decimal(text + (is_negative ? 1 : 0), &value);
    if (end == NULL || *end != '\0')
        return false;
    *out = is_negative ? -value : value;
    return true;
}

static const struct {
    const char *name;
    int64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

/* To whole milliseconds; what is above 0 never becomes 0. */
static int64_t to_ms(double value, double unit_ms)
{
    double ms = value * unit_ms;
    if (ms >= 9e15)
        return INT64_MAX;
    if (ms > 0 && ms < 1)
        return 1;
    return (int64_t)(ms + 0.5);
}

enum text_duration text_to_duration(const char *text, int64_t *out_ms)
{
    bool is_negative = text[0] == '-';
    double value;
    const char *unit = read_decimal(text + (is_negative ? 1 : 0), &value);
    if (unit == NULL)
        return TEXT_DURATION_BAD;
    if (*unit == '\0' && value > 0)
        return TEXT_DURATION_NO_UNIT;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strcmp(unit, units[i].name) == 0 || (*unit == '\0' && i == 0)) {
            int64_t ms = to_ms(value, (double)units[i].ms);
            *out_ms = is_negative ? -ms : ms;
            return TEXT_DURATION_FINE;
        }
    return TEXT_DURATION_BAD;
}

bool text_seconds_to_ms(const char *text, bool is_whole, int64_t *out_ms)
{
    bool is_negative = text[0] == '-';
    double value;
    const char *end = read_decimal(text + (is_negative ? 1 : 0), &value);
    if (end == NULL || *end != '\0' || (is_whole && strchr(text, '.') != NULL))
        return false;
    int64_t ms = to_ms(value, 1000);
    *out_ms = is_negative ? -ms : ms;
    return true;
}

const char *text_of_duration(int64_t ms, char out[static TEXT_DURATION_SIZE])
{
    size_t best = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (ms % units[i].ms == 0)
            best = i;
    if (ms == 60000) /* people say 60 s for the timeout of a call */
        best = 1;
    if (ms == 0)
        snprintf(out, TEXT_DURATION_SIZE, "0");
    else
        snprintf(out, TEXT_DURATION_SIZE, "%lld%s", (long long)(ms / units[best].ms), units[best].name);
    return out;
}

static const struct {
    const char *name;
    int64_t bytes;
} size_units[] = {{"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}};

bool text_to_size(const char *text, int64_t *out_bytes)
{
    double value;
    const char *unit = read_decimal(text, &value);
    if (unit == NULL || (*unit == '\0' && value > 0))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
        if (strcmp(unit, size_units[i].name) == 0 || *unit == '\0') {
            double bytes = value * (double)size_units[i].bytes;
            *out_bytes = bytes >= 9e18 ? INT64_MAX : (int64_t)(bytes + 0.5);
            return true;
        }
    return false;
}

const char *text_of_size(int64_t bytes, char out[static TEXT_SIZE_SIZE])
{
    size_t best = 0;
    for (size_t i = 0; i < ARRAY_LEN(size_units); i++)
        if (bytes % size_units[i].bytes == 0)
            best = i;
    if (bytes == 0)
        snprintf(out, TEXT_SIZE_SIZE, "0");
    else
        snprintf(out, TEXT_SIZE_SIZE, "%lld%s", (long long)(bytes / size_units[best].bytes),
                 size_units[best].name);
    return out;
}

bool text_to_bool(const char *text, bool *out)
{
    static const char *const words[][6] = {{"false", "0", "off", "f", "n", "no"},
                                           {"true", "1", "on", "t", "y", "yes"}};
    for (int value = 0; value < 2; value++)
        for (size_t i = 0; i < ARRAY_LEN(words[value]); i++)
            if (strcasecmp(text, words[value][i]) == 0) {
                *out = value == 1;
                return true;
            }
    return false;
}

bool text_is_in_words(const char *text, const char *words)
{
    size_t len = strlen(text);
    for (const char *p = words; *p != '\0';) {
        size_t word_len = strcspn(p, " ");
        if (word_len == len && strncmp(p, text, len) == 0)
            return true;
        p += word_len;
        p += strspn(p, " ");
    }
    return false;
}

/* Length of the UTF-8 sequence at p, 0 if it isn't one (overlong, surrogate or above U+10FFFF included). */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t len = p[0] >= 0xC2 && p[0] <= 0xDF     ? 2
                 : (p[0] & 0xF0) == 0xE0          ? 3
                 : (p[0] >= 0xF0 && p[0] <= 0xF4) ? 4
                                                  : 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
        (p[0] == 0xF4 && p[1] > 0x8F))
        return 0;
    return len;
}

const char *text_find_fault(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != '\0') {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7F)
            return "holds a control character";
        size_t len = utf8_length(p);
        if (len == 0)
            return "is not valid UTF-8";
        p += len;
    }
    return NULL;
}

/* Damerau-Levenshtein distance (optimal alignment) of two short words; SIZE_MAX when one is long. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 48 };
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);
    if (a_len > LONGEST || b_len > LONGEST)
        return SIZE_MAX;
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0];
    size_t *above = rows[1];
    size_t *row = rows[2];
    for (size_t j = 0; j <= b_len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_len];
}

const char *text_nearest(const char *word, const char *const *words)
{
    const char *nearest = NULL;
    size_t best =
        1 + strlen(word) / 3; /* one slip in three letters is a typing error, more is another word */
    if (best > 3)
        best = 3;
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t distance = edit_distance(word, words[i]);
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

int text_read_file(const char *path, size_t max_bytes, char **out, size_t *len, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "%s: no such file", path);
    if (file == NULL)
        return err_sys(err, errno, "%s: can't be opened", path);
    char *AUTO_FREE text = check_alloc(max_bytes + 2);
    *len = fread(text, 1, max_bytes + 1, file);
    int sys = ferror(file) != 0 ? errno : 0;
    fclose(file);
    if (sys != 0)
        return err_sys(err, sys, "%s: can't be read", path);
    if (*len > max_bytes)
        return err_set(err, ERR_LIMIT, "%s: larger than %zu KiB", path, max_bytes / 1024);
    text[*len] = '\0';
    *out = STEAL(text);
    return 0;
}
