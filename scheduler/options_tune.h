/*
 * options_tune.h - the values of the options of `sluice tune`. Errors: INVALID, with the option's name in the
 * sentence.
 */
#ifndef SLUICE_OPTIONS_TUNE_H
#define SLUICE_OPTIONS_TUNE_H

#include "base/err.h"

#include <stdint.h>

int options_tune_time(const char *text, int64_t *out_ms, struct err *err) MUST_CHECK;
int options_tune_containers(const char *text, int32_t *out, struct err *err) MUST_CHECK;
/* A name that is given must name something; *out is text itself. */
int options_tune_name(const char *text, const char *flag, const char **out, struct err *err) MUST_CHECK;

#endif
