#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "sluice: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}

void *check_alloc(size_t size_bytes)
{
    void *p = calloc(1, size_bytes > 0 ? size_bytes : 1);
    CHECK(p != NULL);
    return p;
}

char *check_strdup(const char *s)
{
    char *copy = strdup(s);
    CHECK(copy != NULL);
    return copy;
}

char *check_strdup_or_null(const char *s)
{
    return s == NULL ? NULL : check_strdup(s);
}

char *check_printf(const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    CHECK(n >= 0 && text != NULL);
    return text;
}
