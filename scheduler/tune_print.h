/*
 * tune_print.h - what `sluice tune` says: a table, bars, the configuration that follows; or JSON.
 */
#ifndef SLUICE_TUNE_PRINT_H
#define SLUICE_TUNE_PRINT_H

#include "tune.h"

#include <stdio.h>

/* What would be done. settings: as for tune_new(). report: of a dry run. */
void tune_print_plan(const struct tune_settings *settings, const struct tune_report *report, FILE *out);
void tune_print_plan_json(const struct tune_settings *settings, const struct tune_report *report, FILE *out);

/* can_draw: bars of blocks, in eighths; else of '#'. */
void tune_print(const struct tune_report *report, bool can_draw, FILE *out);
void tune_print_json(const struct tune_report *report, FILE *out);

/* The lines of a configuration file alone. */
void tune_print_config(const struct tune_report *report, FILE *out);

#endif
