/*
 * options_help.c - --help of the program and of each command, from the tables.
 */
#include "options_internal.h"

#include "base/check.h"

#include <string.h>

static void print_option(FILE *out, const char *flag, char short_flag, const char *argument, const char *help,
                         const char *environment)
{
    char left[80];
    char letter[8] = "    ";
    if (short_flag != 0)
        snprintf(letter, sizeof(letter), "-%c, ", short_flag);
    snprintf(left, sizeof(left), "%s%s%s%s", letter, flag, argument != NULL ? " " : "",
             argument != NULL ? argument : "");
    fprintf(out, "  %-34s %s", left, help);
    if (environment != NULL)
        fprintf(out, " [%s]", environment);
    fputc('\n', out);
}

const char *options_key_argument(const struct config_key *key)
{
    if (key->type == CONFIG_TYPE_BOOL)
        return NULL;
    if (key->type == CONFIG_TYPE_TEXT)
        return "FILE";
    if (key->type == CONFIG_TYPE_COUNT)
        return "N";
    return key->type == CONFIG_TYPE_DURATION ? "SECONDS" : "NAME";
}

static void print_command_help(enum command command, FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++)
        if (options_commands[i].command == command)
            fprintf(out, "usage: sluice %s [OPTIONS]%s\n\n%s\n\noptions:\n", options_commands[i].name,
                    options_commands[i].arguments, options_commands[i].help);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!options_key_is_for(key, command))
            continue;
        print_option(out, key->flag, key->short_flag, options_key_argument(key), key->help, key->environment);
        if (key->type == CONFIG_TYPE_BOOL) {
            char *AUTO_FREE name = check_printf("--no-%s", key->flag + 2);
            print_option(out, name, 0, NULL, "the opposite", NULL);
        }
    }
    for (size_t i = 0; i < options_extra_count; i++)
        if ((options_extras[i].commands & FOR(command)) != 0)
            print_option(out, options_extras[i].flag, options_extras[i].short_flag,
                         options_extras[i].argument, options_extras[i].help, NULL);
}

/* Settings without an option, so that --help of start shows all there is. */
static void print_settings(FILE *out)
{
    fputs("\nsettings without an option (file: [section] key; environment in brackets):\n", out);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        bool is_clock = strcmp(key->section, "timeouts") == 0 && strchr(key->key, '_') != NULL &&
                        strstr(key->help, "in stage") != NULL;
        if (key->flag != NULL || is_clock)
            continue;
        char *AUTO_FREE name = config_key_is_in_file(key) ? check_printf("[%s] %s", key->section, key->key)
                                                          : check_strdup("environment only");
        print_option(out, name, 0, NULL, key->help, key->environment);
    }
    fputs("  [timeouts] STAGE_connect, STAGE_inactivity: its other two clocks; docs/configuration.md\n", out);
}

void options_print_help(enum command command, FILE *out)
{
    if (command != COMMAND_HELP && command != COMMAND_VERSION) {
        print_command_help(command, out);
        if (command == COMMAND_START)
            print_settings(out);
        return;
    }
    fputs("usage: sluice COMMAND [OPTIONS]\n\nA worker for Prefect's Docker work pools.\n\ncommands:\n", out);
    for (size_t i = 0; i < options_command_count; i++)
        fprintf(out, "  %-10s %s\n", options_commands[i].name, options_commands[i].help);
    fputs("\nsluice COMMAND --help tells its options; sluice --version the version.\n"
          "exit codes: 0 fine, 1 failed, 2 wrong use\n",
          out);
}
