#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool text_ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

size_t text_fitting(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)text[max] & 0xC0) == 0x80)
        max--;
    return max;
}

/* Digits and exponent of the shortest %e form that reads back as the same double. */
static int shortest_digits(double number, char *digits, size_t size)
{
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof(text), "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    size_t n = 0;
    for (const char *p = text; *p != 'e' && n + 1 < size; p++) {
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    return (int)strtol(strchr(text, 'e') + 1, NULL, 10);
}

/* Plain between 1e-4 and 1e16, with an exponent outside. */
const char *text_of_double(double number, char out[static TEXT_DOUBLE_SIZE])
{
    const char *sign = signbit(number) ? "-" : "";
    if (isnan(number) || isinf(number)) {
        snprintf(out, TEXT_DOUBLE_SIZE, "%s%s", isnan(number) ? "" : sign, isnan(number) ? "nan" : "inf");
        return out;
    }
    char digits[24];
    int exponent = shortest_digits(fabs(number), digits, sizeof(digits));
    int count = (int)strlen(digits);
    if (exponent < -4 || exponent >= 16)
        snprintf(out, TEXT_DOUBLE_SIZE, "%s%c%s%se%c%02d", sign, digits[0], count > 1 ? "." : "", digits + 1,
                 exponent < 0 ? '-' : '+', abs(exponent));
    else if (exponent < 0)
        snprintf(out, TEXT_DOUBLE_SIZE, "%s0.%.*s%s", sign, -exponent - 1, "0000", digits);
    else if (count <= exponent + 1)
        snprintf(out, TEXT_DOUBLE_SIZE, "%s%s%.*s.0", sign, digits, exponent + 1 - count, "0000000000000000");
    else
        snprintf(out, TEXT_DOUBLE_SIZE, "%s%.*s.%s", sign, exponent + 1, digits, digits + exponent + 1);
    return out;
}
