/*
 * jobspec_size.c - "512m" -> bytes.
 *
 * docker-py's parse_bytes: a Python number, then b, k, m or g in either case, a further b allowed; no unit
 * means bytes, "" means 0. The number may have a sign, a fraction, an exponent, blanks around it and
 * underscores between digits, all of which Python's float() takes. Not taken, although Python does: digits of
 * other scripts, infinity.
 */
#include "api/jobspec_internal.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* More than this is no number a person would write. */
#define NUMBER_MAX 100

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with single underscores between them; returns how many were appended to out, or -1. */
static int take_digits(const char **at, char *out, size_t *n)
{
    int count = 0;
    const char *p = *at;
    while (is_digit(*p) || (*p == '_' && count > 0 && is_digit(p[-1]) && is_digit(p[1]))) {
        if (*n >= NUMBER_MAX)
            return -1;
        if (*p != '_') {
            out[(*n)++] = *p;
            count++;
        }
        p++;
    }
    *at = p;
    return count;
}

static void take_sign(const char **at, char *out, size_t *n)
{
    if (**at == '+' || **at == '-')
        out[(*n)++] = *(*at)++;
}

/* Python's float(); false if text is none. */
static bool parse_float(const char *text, double *number)
{
    char plain[NUMBER_MAX + 8];
    size_t n = 0;
    while (isspace((unsigned char)*text))
        text++;
    take_sign(&text, plain, &n);
    int whole = take_digits(&text, plain, &n);
    int fraction = 0;
    if (*text == '.') {
        plain[n++] = *text++;
        fraction = take_digits(&text, plain, &n);
    }
    if (whole < 0 || fraction < 0 || whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        plain[n++] = *text++;
        take_sign(&text, plain, &n);
        if (take_digits(&text, plain, &n) <= 0)
            return false;
    }
    while (isspace((unsigned char)*text))
        text++;
    plain[n] = '\0';
    *number = strtod(plain, NULL);
    return *text == '\0';
}

/* Split off the unit: length of the number's text, and the factor (0: unknown unit). */
static size_t split_unit(const char *text, double *factor)
{
    size_t len = strlen(text);
    if (len >= 2 && isalpha((unsigned char)text[len - 2]) && (text[len - 1] == 'b' || text[len - 1] == 'B'))
        len--;
    static const char units[] = "bkmg";
    char last = text[len - 1];
    const char *unit = memchr(units, tolower((unsigned char)last), sizeof(units) - 1);
    *factor = is_digit(last) ? 1 : unit == NULL ? 0 : ldexp(1, 10 * (int)(unit - units));
    return is_digit(last) ? len : len - 1;
}

int jobspec_parse_size(const char *text, long long *bytes, struct err *err)
{
    if (*text == '\0') {
        *bytes = 0;
        return 0;
    }
    double factor = 0;
    size_t len = split_unit(text, &factor);
    if (factor == 0)
        return err_set(err, ERR_INVALID, "\"%.60s\" is not a size: its unit must be b, k, m or g", text);
    char number_text[NUMBER_MAX + 1];
    double number = 0;
    bool fits = len < sizeof(number_text);
    if (fits) {
        memcpy(number_text, text, len);
        number_text[len] = '\0';
    }
    if (!fits || !parse_float(number_text, &number))
        return err_set(err, ERR_INVALID,
                       "\"%.60s\" is not a size: expected a number, with or without b, k, m or g", text);
    double product = trunc(number * factor);
    if (!(product > -0x1p63 && product < 0x1p63))
        return err_set(err, ERR_INVALID, "\"%.60s\" is larger than any memory", text);
    *bytes = (long long)product;
    return 0;
}
