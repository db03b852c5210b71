#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "sluice: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}

/* Neither stdio nor exit handlers: both may want memory, and a library may be in the middle of its work. */
void check_no_memory(void)
{
    static const char sentence[] =
        "sluice: out of memory: ending here; the next start goes on from the state file\n";
    ssize_t ignored = write(STDERR_FILENO, sentence, sizeof(sentence) - 1);
    (void)ignored;
    _exit(EXIT_FAILURE);
}

void *check_alloc(size_t size_bytes)
{
    void *p = calloc(1, size_bytes > 0 ? size_bytes : 1);
    CHECK_MEMORY(p != NULL);
    return p;
}

void *check_realloc(void *p, size_t size_bytes)
{
    void *moved = realloc(p, size_bytes > 0 ? size_bytes : 1);
    CHECK_MEMORY(moved != NULL);
    return moved;
}

char *check_strdup(const char *s)
{
    char *copy = strdup(s);
    CHECK_MEMORY(copy != NULL);
    return copy;
}

char *check_strndup(const char *s, size_t max_len)
{
    char *copy = strndup(s, max_len);
    CHECK_MEMORY(copy != NULL);
    return copy;
}

char *check_strdup_or_null(const char *s)
{
    return s == NULL ? NULL : check_strdup(s);
}

char *check_vprintf(const char *fmt, va_list ap)
{
    /* Not vasprintf(): without memory for the exact size glibc's keeps a text of 100 bytes in a buffer of
     * 100, and ends it one byte behind. */
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    CHECK_MEMORY(len >= 0);
    char *text = check_alloc((size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}

char *check_printf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = check_vprintf(fmt, ap);
    va_end(ap);
    return text;
}
