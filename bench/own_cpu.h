/*
 * own_cpu.h - what this process has used of the processor so far.
 */
#ifndef SLUICE_BENCH_OWN_CPU_H
#define SLUICE_BENCH_OWN_CPU_H

#include <sys/resource.h>

/* Microseconds, of the program and of the kernel for it. */
static inline long own_cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

#endif
