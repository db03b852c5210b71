/*
 * steps.h - counts the functions that are called in what is compiled with -finstrument-functions: how much is
 * done, where the time it takes can't be asserted.
 */
#ifndef SLUICE_TESTS_STEPS_H
#define SLUICE_TESTS_STEPS_H

#include <stdint.h>

/* So many so far; set it to 0 to count anew. */
extern int64_t steps;

#endif
