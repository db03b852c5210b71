#include "base/memory.h"

#include <malloc.h>

void memory_keep_small(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MEMORY_LARGE_BYTES);
    mallopt(M_TRIM_THRESHOLD, MEMORY_LARGE_BYTES);
}

void memory_give_back(void)
{
    malloc_trim(0);
}
