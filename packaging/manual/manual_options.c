/*
 * manual_options.c - the options of a command out of both tables, as pages and completions want them.
 */
#include "manual.h"

#include <string.h>

static void each_key(enum command command, manual_option_fn *each, void *arg)
{
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!options_key_is_for(key, command))
            continue;
        const char *argument = options_key_argument(key);
        struct manual_option option = {.flag = key->flag,
                                       .short_flag = key->short_flag,
                                       .argument = argument,
                                       .words = key->words,
                                       .is_file = argument != NULL && strcmp(argument, "FILE") == 0,
                                       .help = key->help};
        each(arg, &option);
        if (argument != NULL)
            continue;
        char *AUTO_FREE name = check_printf("--no-%s", key->flag + 2);
        each(arg, &(struct manual_option){.flag = name, .help = "the opposite"});
    }
}

enum manual_argument manual_argument_of(const struct option_command *command)
{
    if (strstr(command->arguments, "FILE") != NULL)
        return MANUAL_ARGUMENT_FILE;
    /* retry and discard want a parked run, and `sluice queue` has those that wait. */
    return command->command == COMMAND_WHY ? MANUAL_ARGUMENT_RUN : MANUAL_ARGUMENT_NONE;
}

void manual_each_option(enum command command, manual_option_fn *each, void *arg)
{
    each_key(command, each, arg);
    for (size_t i = 0; i < options_extra_count; i++) {
        const struct option_extra *extra = &options_extras[i];
        if ((extra->commands & FOR(command)) == 0)
            continue;
        each(arg, &(struct manual_option){.flag = extra->flag,
                                          .short_flag = extra->short_flag,
                                          .argument = extra->argument,
                                          .words = options_extra_words(extra),
                                          .is_file =
                                              extra->argument != NULL && strcmp(extra->argument, "FILE") == 0,
                                          .help = extra->help});
    }
}
