/*
 * options_internal.h - the tables of commands and of options that are no setting, as options*.c and the
 * manual (packaging/manual) share them.
 */
#ifndef SLUICE_OPTIONS_INTERNAL_H
#define SLUICE_OPTIONS_INTERNAL_H

#include "config_table.h"
#include "options.h"

#define FOR(command) (1u << (command))
#define FOR_ALL (~0u)
#define FOR_CONFIGURED (FOR(COMMAND_START) | FOR(COMMAND_CHECK) | FOR(COMMAND_CONFIG) | FOR_FILE)
/* They need no more than to find the state file. */
#define FOR_FILE (FOR_LOOK | FOR_COPY | FOR_ADMIN)
/* They show what the state file says. */
#define FOR_LOOK (FOR(COMMAND_QUEUE) | FOR(COMMAND_STATUS) | FOR(COMMAND_WHY) | FOR(COMMAND_TIMEOUTS))
#define FOR_COPY (FOR(COMMAND_BACKUP) | FOR(COMMAND_COMPACT))
#define FOR_ADMIN                                                                                            \
    (FOR(COMMAND_PAUSE) | FOR(COMMAND_RESUME) | FOR(COMMAND_DRAIN) | FOR(COMMAND_RETRY) |                    \
     FOR(COMMAND_DISCARD))
#define FOR_RUN (FOR(COMMAND_WHY) | FOR(COMMAND_RETRY) | FOR(COMMAND_DISCARD))

struct option_command {
    const char *name;
    enum command command;
    const char *arguments;
    const char *help;
};
extern const struct option_command options_commands[];
extern const size_t options_command_count;

/* Options that are no setting. */
enum extra {
    EXTRA_CONFIG,
    EXTRA_PROFILE,
    EXTRA_MISTAKE_CODE,
    EXTRA_JSON,
    EXTRA_INSTALL_POLICY,
    EXTRA_PROMPT,
    EXTRA_NO_PROMPT,
    EXTRA_EMPTY_WORK_QUEUE,
    EXTRA_STAGE,
    EXTRA_STATUS,
    EXTRA_MESSAGE,
    EXTRA_MESSAGE_FILE,
    EXTRA_HEADER,
    EXTRA_TRANSPORT,
    EXTRA_DEPENDENCY,
    EXTRA_CLASS,
    EXTRA_WAIT,
    EXTRA_WATCH,
    EXTRA_INTERVAL,
    EXTRA_SINCE,
    EXTRA_ONLY_CLASS,
    EXTRA_ONLY_STAGE,
    EXTRA_LIMIT,
    EXTRA_WIDE,
    EXTRA_COLOR,
    EXTRA_IMAGE,
    EXTRA_PULL,
    EXTRA_NETWORK,
    EXTRA_TIME,
    EXTRA_CONTAINERS,
    EXTRA_DRY_RUN,
    EXTRA_FORCE,
    EXTRA_HELP
};
struct option_extra {
    const char *flag;
    char short_flag;
    const char *argument; /* NULL: none */
    unsigned commands;    /* FOR() those that take it */
    const char *help;
    const char *words; /* those it takes, by blanks; NULL: any text */
    const char *like;  /* the setting whose words it takes, "rule.stage"; NULL: none */
};
extern const struct option_extra options_extras[]; /* by enum extra */
extern const size_t options_extra_count;

/* options_key_is_for - is this setting an option of the command? */
bool options_key_is_for(const struct config_key *key, enum command command);
/* options_key_argument - what --help calls its value ("FILE"); NULL: it has none, and there is --no-FLAG too.
 */
const char *options_key_argument(const struct config_key *key);
/* options_extra_words - the words it takes, by blanks; NULL: any text. */
const char *options_extra_words(const struct option_extra *extra);

#endif
