/*
 * base64.h - RFC 4648, with padding.
 */
#ifndef SLUICE_BASE_BASE64_H
#define SLUICE_BASE_BASE64_H

#include <stddef.h>

enum base64_alphabet {
    BASE64_STANDARD, /* + and / */
    BASE64_URL       /* - and _ */
};

/* base64_encode - malloc'ed. */
char *base64_encode(const char *text, enum base64_alphabet alphabet);
/* base64_decode - the standard alphabet; padding may be missing, nothing else may. malloc'ed with a closing
 * NUL, *len bytes; NULL: malformed. */
char *base64_decode(const char *text, size_t *len);

#endif
