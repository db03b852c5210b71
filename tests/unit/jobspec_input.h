/* jobspec_input.h - a run that is as ordinary as can be, for tests to change. */
#ifndef SLUICE_TESTS_UNIT_JOBSPEC_INPUT_H
#define SLUICE_TESTS_UNIT_JOBSPEC_INPUT_H

#include "api/jobspec.h"

/* The default template, no variables, no deployment, a server elsewhere, API 1.41. */
struct jobspec_input ordinary_input(void);

#endif
