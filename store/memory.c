/*
 * memory.c - what SQLite does without memory: the process ends, as with any lack of ours.
 *
 * By itself SQLite goes on as well as it can, and what it then says can't be relied upon: quick_check takes a
 * page it had no memory for for a damaged one.
 */
#include "store/store_internal.h"

static sqlite3_mem_methods own; /* SQLite's own, which do the work; set once */

static void *allocate(int size_bytes)
{
    void *p = own.xMalloc(size_bytes);
    CHECK_MEMORY(p != NULL);
    return p;
}

static void *reallocate(void *p, int size_bytes)
{
    void *moved = own.xRealloc(p, size_bytes);
    CHECK_MEMORY(moved != NULL);
    return moved;
}

void store_use_memory(void)
{
    sqlite3_mem_methods methods;
    /* Refused once SQLite has begun its work. */
    if (own.xMalloc != NULL || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &methods) != SQLITE_OK)
        return;
    own = methods;
    methods.xMalloc = allocate;
    methods.xRealloc = reallocate;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK)
        own.xMalloc = NULL;
}
