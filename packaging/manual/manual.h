/*
 * manual.h - the parts of man pages and completions that are made from the tables of commands, options and
 * settings.
 *
 * A template (sluice.1.in, sluice.bash.in, ...) is prose or shell code by hand; a line that is nothing but
 * @NAME@ stands for one of these parts. So what changes with a row of a table is written nowhere by hand.
 */
#ifndef SLUICE_MANUAL_H
#define SLUICE_MANUAL_H

#include "base/check.h"
#include "options_internal.h"

#include <stdio.h>

/* Writes one part. */
typedef void manual_part_fn(FILE *out);

/* ---- manual_pages.c: lists of mdoc ---- */
/* manual_write_commands - each command but start, with its options: sluice(1). */
void manual_write_commands(FILE *out);
/* manual_write_start - the options of `sluice start`: sluice(8). */
void manual_write_start(FILE *out);
/* manual_write_sections - each section of the file with its keys: sluice.conf(5). */
void manual_write_sections(FILE *out);
/* manual_write_environment - the variables that have no key in the file: sluice(8). */
void manual_write_environment(FILE *out);

/* ---- completions.c ---- */
/* What the shells complete after an option of a command. */
struct manual_option {
    const char *flag;     /* "--pool" */
    char short_flag;      /* 0: none */
    const char *argument; /* NULL: none */
    const char *words;    /* by blanks; NULL: any text */
    bool is_file;
    const char *help;
};
typedef void manual_option_fn(void *arg, const struct manual_option *option);
/* manual_each_option - all options of a command in the order of --help, "--no-x" included. Borrowed for the
 * call. */
void manual_each_option(enum command command, manual_option_fn *each, void *arg);

/* What the shells complete where no option is. */
enum manual_argument {
    MANUAL_ARGUMENT_NONE, /* nothing, or what they can't know */
    MANUAL_ARGUMENT_FILE,
    MANUAL_ARGUMENT_RUN /* one that waits */
};
enum manual_argument manual_argument_of(const struct option_command *command);

void manual_write_bash_commands(FILE *out);
void manual_write_bash_options(FILE *out);
void manual_write_bash_values(FILE *out);
void manual_write_bash_arguments(FILE *out);
void manual_write_zsh_commands(FILE *out);
void manual_write_zsh_arguments(FILE *out);
void manual_write_fish(FILE *out);

#endif
