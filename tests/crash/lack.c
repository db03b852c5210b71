/* lack.c - see lack.h. */
#include "tests/crash/lack.h"

#include <errno.h>
#include <execinfo.h>
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

#define FRAMES_MAX 64

static struct lack *in_use;
static struct lack_places *recorded;
static int outer_frames; /* those of the caller of lack_use(), which are the test's */

void lack_use(struct lack *lack, struct lack_places *places)
{
    void *frames[FRAMES_MAX];
    in_use = NULL;
    outer_frames = backtrace(frames, FRAMES_MAX) - 1; /* loads a library the first time */
    recorded = places;
    in_use = lack;
}

/* FNV-1a over the return addresses of the service; the same in all processes forked from one. */
static void record(struct lack *l)
{
    void *frames[FRAMES_MAX];
    in_use = NULL;
    int count = backtrace(frames, FRAMES_MAX);
    in_use = l;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < count - outer_frames; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)frames[i]) * 0x100000001b3u;
    recorded->hash[l->count] = hash;
}

static bool is_out(void)
{
    struct lack *l = in_use;
    if (l == NULL)
        return false;
    l->count++;
    if (l->is_recorded && l->count < LACK_PLACES_MAX)
        record(l);
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
