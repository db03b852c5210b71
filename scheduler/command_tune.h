/*
 * command_tune.h - `sluice tune`: the loop, the signals and the lock around tune.h.
 */
#ifndef SLUICE_COMMAND_TUNE_H
#define SLUICE_COMMAND_TUNE_H

#include "options.h"

#include <stdio.h>

/* command_tune - returns the exit code. What it finds goes to out, sentences and progress to stderr. */
int command_tune(const struct options *options, FILE *out);

#endif
