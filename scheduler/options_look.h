/*
 * options_look.h - values of the options of `sluice queue`, `status`, `why` and `timeouts`. Errors: INVALID,
 * with a sentence.
 */
#ifndef SLUICE_OPTIONS_LOOK_H
#define SLUICE_OPTIONS_LOOK_H

#include "base/err.h"
#include "terminal.h"

#include <stdint.h>

#define OPTIONS_INTERVAL_DEFAULT_MS 2000
#define OPTIONS_INTERVAL_MIN_MS 100
#define OPTIONS_INTERVAL_MAX_MS 3600000
#define OPTIONS_SINCE_DEFAULT_MS 86400000 /* a day */
#define OPTIONS_LIMIT_MAX 1000000

/* options_color - auto, always, never. */
int options_color(const char *text, enum terminal_color *out, struct err *err) MUST_CHECK;
/* options_interval - "2s", or seconds as top and watch take them: "2", "0.5". */
int options_interval(const char *text, int64_t *out_ms, struct err *err) MUST_CHECK;
int options_since(const char *text, int64_t *out_ms, struct err *err) MUST_CHECK;
int options_limit(const char *text, int64_t *out, struct err *err) MUST_CHECK;
/* options_stage - one of STAGES (core/classify.h). */
int options_stage(const char *text, const char **out, struct err *err) MUST_CHECK;

#endif
