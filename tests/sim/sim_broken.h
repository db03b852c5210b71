/* sim_broken.h - builds with one known bug put back, for the test of the test. */
#ifndef SLUICE_TESTS_SIM_BROKEN_H
#define SLUICE_TESTS_SIM_BROKEN_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the service has the bug of this number; false: there is none of that number. *what: in words.
 */
bool sim_break(size_t number, const char **what);

#endif
