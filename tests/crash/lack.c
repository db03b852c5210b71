/* lack.c - see lack.h. */
#include "tests/crash/lack.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <unwind.h>

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
static struct lack_places *recorded;
static int outer_frames; /* those of the caller of lack_use(), which are the test's */

struct walk {
    int frames;
    int frames_max;
    uint64_t hash;
};

/* FNV-1a over the return addresses; the same in all processes forked from one. */
static _Unwind_Reason_Code on_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    if (walk->frames == walk->frames_max)
        return _URC_NORMAL_STOP;
    walk->frames++;
    walk->hash = (walk->hash ^ (uint64_t)_Unwind_GetIP(context)) * 0x100000001b3u;
    return _URC_NO_REASON;
}

static struct walk walk_stack(int frames_max)
{
    struct walk walk = {.frames_max = frames_max, .hash = 0xcbf29ce484222325u};
    _Unwind_Backtrace(on_frame, &walk);
    return walk;
}

void lack_use(struct lack *lack, struct lack_places *places)
{
    in_use = NULL;
    outer_frames = walk_stack(INT_MAX).frames - 2; /* without the walker and this function */
    recorded = places;
    in_use = lack;
}

static void record(struct lack *l)
{
    in_use = NULL;
    int frames = walk_stack(INT_MAX).frames;
    recorded->hash[l->count] = walk_stack(frames - outer_frames).hash;
    in_use = l;
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
