/*
 * commands.h - the subcommands but start. Each returns the process's exit code.
 *
 * commands.c       check, config, explain
 * command_look.c   those that show what the state file says: queue, status, timeouts
 * command_why.c    why
 * command_backup.c backup, compact
 * command_admin.c  those that ask a running sluice: pause, resume, drain, retry, discard
 */
#ifndef SLUICE_COMMANDS_H
#define SLUICE_COMMANDS_H

#include "base/buf.h"
#include "config.h"
#include "options.h"

#include <stdio.h>

#define EXIT_FINE 0
#define EXIT_FAILED 1
#define EXIT_WRONG_USE 2

int command_check(const struct options *options, FILE *out);
int command_config(const struct options *options, FILE *out);
int command_queue(const struct options *options, FILE *out);
int command_status(const struct options *options, FILE *out);
int command_timeouts(const struct options *options, FILE *out);
int command_explain(const struct options *options, FILE *out);
int command_why(const struct options *options, FILE *out);
int command_backup(const struct options *options, FILE *out);
int command_compact(const struct options *options, FILE *out);
int command_admin(const struct options *options, FILE *out);

#define COMMANDS_TEMPLATE_MAX_BYTES (5 * 1024 * 1024)

/*
 * commands_prepare - what a configuration names and only `start` opens: the custom headers, and the base job
 * template, read into template_json (its limit is COMMANDS_TEMPLATE_MAX_BYTES). A broken one is found now,
 * not when the pool is made. Errors: INVALID, PARSE, IO, LIMIT, with a sentence.
 */
int commands_prepare(const struct config *config, struct buf *template_json, struct err *err) MUST_CHECK;

/* commands_find_state - the configuration whose state_path is the file of the worker that is meant; NULL and
 * *exit_code, said on stderr, if it can't be told. */
struct config *commands_find_state(const struct options *options, int *exit_code);

/* commands_load_config - as `start` does; prints every mistake to stderr. NULL if there is any. */
struct config *commands_load_config(const struct options *options);
/* commands_read_config - the same for a process that may not wait for stderr: tell(arg, ...) is called with
 * every mistake, and with a notice if there is one. */
struct config *commands_read_config(const struct options *options,
                                    void (*tell)(void *arg, bool is_mistake, const char *text), void *arg);

#endif
