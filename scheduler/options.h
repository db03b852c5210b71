/*
 * options.h - the command line: subcommand, flags, help text; all from one table.
 */
#ifndef SLUICE_OPTIONS_H
#define SLUICE_OPTIONS_H

#include "base/err.h"
#include "explain.h"
#include "terminal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum command {
    COMMAND_START,
    COMMAND_CHECK,
    COMMAND_CONFIG,
    COMMAND_QUEUE,
    COMMAND_STATUS,
    COMMAND_EXPLAIN,
    COMMAND_WHY,
    COMMAND_TIMEOUTS,
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_DRAIN,
    COMMAND_RETRY,
    COMMAND_DISCARD,
    COMMAND_TUNE,
    COMMAND_BACKUP,
    COMMAND_COMPACT,
    COMMAND_HELP, /* sluice --help, sluice COMMAND --help: help_for says which */
    COMMAND_VERSION
};

struct options {
    enum command command;
    enum command help_for;   /* COMMAND_HELP: the whole program when it is COMMAND_HELP itself */
    const char **flags;      /* pairs KEY, value, ..., NULL for config_sources.flags; owned */
    const char *config_file; /* --config or the positional FILE of check and config; NULL: none */
    const char *profile;     /* --profile; NULL: PREFECT_PROFILE or the active one */
    int mistake_code;        /* start: exit code for a mistake in options or configuration */
    bool json;
    bool wait;                        /* drain */
    bool force;                       /* backup: over an older copy */
    const char *file;                 /* backup: the copy */
    const char *run;                  /* why, retry, discard: id, beginning of an id, or name */
    struct explain_question question; /* explain */
    struct {
        bool watch;
        int64_t interval_ms;
        int64_t since_ms;
        int64_t limit;         /* rows; -1: the command's own, 0: all */
        const char *job_class; /* NULL: all */
        const char *stage;     /* NULL: all */
        bool wide;
        enum terminal_color color;
    } look; /* queue, status, why, timeouts */
    struct {
        const char *image;   /* NULL: made */
        const char *pull;    /* NULL: none */
        const char *network; /* never NULL */
        int64_t time_ms;
        int32_t containers; /* at each level */
        bool dry_run;
    } tune;
};

#define OPTIONS_MISTAKE_CODE_DEFAULT 1 /* the official worker's */
/* options_parse - argv is borrowed for the life of the result. Errors: INVALID, with a sentence; the caller
 * exits 2 (out->mistake_code for `start`, which is set then, too: 1, as the official worker, or what was said
 * before the mistake). */
int options_parse(int argc, char **argv, struct options *out, struct err *err) MUST_CHECK;
void options_done(struct options *options);
/* "drain" */
const char *options_command_name(enum command command);
void options_print_help(enum command command, FILE *out);

#endif
