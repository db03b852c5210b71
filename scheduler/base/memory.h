/*
 * memory.h - how much freed memory the process keeps. A service that waits most of the time should be as
 * small as what it holds, not as large as the largest answer it ever read.
 *
 * Source: mallopt(3), malloc_trim(3).
 */
#ifndef SLUICE_BASE_MEMORY_H
#define SLUICE_BASE_MEMORY_H

/* What is larger is mapped by itself; whoever frees something as large calls memory_give_back(). */
#define MEMORY_LARGE_BYTES (128 * 1024)

/* Once, before the first thread. One arena, also for the threads in which libcurl resolves names; large
 * buffers are mapped and go back when they are freed. Left to itself the allocator raises that bound with
 * each buffer it has seen, and they stay. */
void memory_keep_small(void);

/* Give free pages back to the kernel, also those below others that are in use. Costs a walk over the free
 * pieces: after something large, not after everything. */
void memory_give_back(void);

#endif
