#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define HIDDEN_MIN_BYTES 4

void secret_free_bytes(void *data, size_t len)
{
    if (data != NULL)
        explicit_bzero(data, len);
    free(data);
}

void secret_free(char *text)
{
    secret_free_bytes(text, text == NULL ? 0 : strlen(text));
}

bool secret_equals(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    size_t len = strlen(a);
    if (strlen(b) != len)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

void secret_hide(char *message, const char *secret)
{
    size_t len = secret == NULL ? 0 : strlen(secret);
    if (len < HIDDEN_MIN_BYTES)
        return;
    char *at = message;
    while ((at = strstr(at, secret)) != NULL) {
        memset(at, '*', len);
        at += len;
    }
}
