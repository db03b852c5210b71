#include "base/base64.h"

#include "base/check.h"

#include <stdbool.h>
#include <string.h>

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char *const alphabets[] = {
    [BASE64_STANDARD] = ALPHANUMERIC "+/", [BASE64_URL] = ALPHANUMERIC "-_"};

char *base64_encode(const char *text, enum base64_alphabet alphabet)
{
    const char *digits = alphabets[alphabet];
    size_t len = strlen(text);
    const unsigned char *in = (const unsigned char *)text;
    char *out = check_alloc((len + 2) / 3 * 4 + 1);
    char *to = out;
    for (size_t i = 0; i < len; i += 3) {
        unsigned bits = (unsigned)in[i] << 16;
        bits |= i + 1 < len ? (unsigned)in[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned)in[i + 2] : 0;
        *to++ = digits[bits >> 18];
        *to++ = digits[(bits >> 12) & 63];
        *to++ = i + 1 < len ? digits[(bits >> 6) & 63] : '=';
        *to++ = i + 2 < len ? digits[bits & 63] : '=';
    }
    *to = '\0';
    return out;
}

/* Digits in front of the padding; 0 for none, or a padding that can't be. */
static size_t count_digits(const char *text)
{
    size_t len = strlen(text);
    size_t digits = strspn(text, alphabets[BASE64_STANDARD]);
    size_t padding = len - digits;
    bool is_padding = strspn(text + digits, "=") == padding;
    bool is_whole = padding == 0 || (padding <= 2 && len % 4 == 0);
    return is_padding && is_whole && digits % 4 != 1 ? digits : 0;
}

char *base64_decode(const char *text, size_t *len)
{
    size_t digits = count_digits(text);
    if (digits == 0)
        return NULL;
    unsigned char *out = check_alloc(digits / 4 * 3 + 3);
    size_t count = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < digits; i++) {
        bits =
            bits << 6 | (unsigned)(strchr(alphabets[BASE64_STANDARD], text[i]) - alphabets[BASE64_STANDARD]);
        if (i % 4 != 0)
            out[count++] = (unsigned char)(bits >> (6 - i % 4 * 2));
    }
    out[count] = '\0';
    *len = count;
    return (char *)out;
}
