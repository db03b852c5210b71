/* lack.c - see lack.h. */
#include "tests/crash/lack.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

#ifdef IS_SANITIZED
#define REAL(name) __interceptor_##name
#else
#define REAL(name) __libc_##name
#endif

extern void *REAL(malloc)(size_t size);
extern void *REAL(calloc)(size_t count, size_t size);
extern void *REAL(realloc)(void *p, size_t size);
extern void *REAL(memalign)(size_t alignment, size_t size);

static struct lack *in_use;

void lack_use(struct lack *lack)
{
    in_use = lack;
}

static bool is_out(void)
{
    struct lack *l = in_use;
    if (l == NULL)
        return false;
    l->count++;
    bool fails = l->fail_at > 0 && (l->count == l->fail_at || (l->stays && l->count > l->fail_at));
    if (!fails)
        return false;
    l->failed++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return is_out() ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    return is_out() ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *p, size_t size)
{
    return is_out() ? NULL : REAL(realloc)(p, size);
}

void *memalign(size_t alignment, size_t size)
{
    return is_out() ? NULL : REAL(memalign)(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = memalign(alignment, size);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}
