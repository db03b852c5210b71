/*
 * lack.h - a process in which memory is out at a chosen allocation: malloc and its relatives of the whole
 * process, libcurl, SQLite, libevent, cJSON and the C library included.
 *
 * lack.c stands before the C library's in the programs that link it. It counts and fails only between
 * lack_use() and lack_use(NULL), which the service's process calls; the fakes' never does.
 */
#ifndef SLUICE_TESTS_CRASH_LACK_H
#define SLUICE_TESTS_CRASH_LACK_H

#include <stdbool.h>
#include <stdint.h>

#define LACK_PLACES_MAX 200000

struct lack {
    int64_t fail_at; /* the so many-th allocation from lack_use() on fails; 0: none */
    bool stays;      /* and all after it */
    int64_t count;   /* allocations so far */
    int64_t failed;  /* of them, those that failed */
    bool is_recorded;
};

/* Who asked for each of the first allocations of a process whose lack.is_recorded: a hash of the call stack.
 * Lies in memory that outlives the process. */
struct lack_places {
    uint64_t hash[LACK_PLACES_MAX];
};

/* In memory that outlives the process; NULL: no more. */
void lack_use(struct lack *lack, struct lack_places *places);

#endif
