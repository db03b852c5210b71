/*
 * completions.c - what bash, zsh and fish complete: commands, their options, and the words that options take.
 *
 * The shells differ only in how a list is written. Texts are put in single quotes, which all three read to
 * the next one.
 */
#include "manual.h"

#include <string.h>

/* In single quotes; a single quote inside is written in the way of the Bourne shells, which fish reads too.
 */
static void write_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (const char *p = text; *p != '\0'; p++)
        fputs(*p == '\'' ? "'\\''" : (const char[]){*p, '\0'}, out);
    fputc('\'', out);
}

static void write_words_of_commands(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++)
        fprintf(out, "%s%s", i > 0 ? " " : "", options_commands[i].name);
}

/* ---- bash ---- */

void manual_write_bash_commands(FILE *out)
{
    fputs("    echo ", out);
    write_words_of_commands(out);
    fputc('\n', out);
}

static void write_bash_option(void *arg, const struct manual_option *option)
{
    FILE *out = arg;
    if (option->short_flag != 0)
        fprintf(out, " -%c", option->short_flag);
    fprintf(out, " %s", option->flag);
}

void manual_write_bash_options(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++) {
        fprintf(out, "    %s) echo", options_commands[i].name);
        manual_each_option(options_commands[i].command, write_bash_option, out);
        fputs(" ;;\n", out);
    }
}

struct bash_values {
    FILE *out;
    const char *command;
};

static void write_bash_value(void *arg, const struct manual_option *option)
{
    const struct bash_values *values = arg;
    if (option->argument == NULL)
        return;
    fputs("    ", values->out);
    if (option->short_flag != 0)
        fprintf(values->out, "'%s -%c' | ", values->command, option->short_flag);
    fprintf(values->out, "'%s %s') echo ", values->command, option->flag);
    if (option->words != NULL)
        fprintf(values->out, "words %s", option->words);
    else
        fputs(option->is_file ? "file" : "text", values->out);
    fputs(" ;;\n", values->out);
}

void manual_write_bash_values(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++)
        manual_each_option(options_commands[i].command, write_bash_value,
                           &(struct bash_values){out, options_commands[i].name});
}

void manual_write_bash_arguments(FILE *out)
{
    static const char *const words[] = {[MANUAL_ARGUMENT_FILE] = "file", [MANUAL_ARGUMENT_RUN] = "run"};
    for (size_t i = 0; i < options_command_count; i++) {
        enum manual_argument argument = manual_argument_of(&options_commands[i]);
        if (argument != MANUAL_ARGUMENT_NONE)
            fprintf(out, "    %s) echo %s ;;\n", options_commands[i].name, words[argument]);
    }
}

/* ---- zsh ---- */

void manual_write_zsh_commands(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++) {
        char *AUTO_FREE text = check_printf("%s:%s", options_commands[i].name, options_commands[i].help);
        fputs("        ", out);
        write_quoted(out, text);
        fputc('\n', out);
    }
}

/* The explanation in brackets. */
static char *zsh_help(const char *text)
{
    char *help = check_alloc(2 * strlen(text) + 1);
    char *to = help;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '[' || *p == ']' || *p == '\\')
            *to++ = '\\';
        *to++ = *p;
    }
    *to = '\0';
    return help;
}

/* What comes after the option: ":message:action"; "": nothing. */
static char *zsh_value(const struct manual_option *option)
{
    if (option->argument == NULL)
        return check_strdup("");
    char *message = check_strdup(option->argument);
    message[strcspn(message, ":")] = '\0';
    char *value = option->words != NULL ? check_printf(":%s:(%s)", message, option->words)
                  : option->is_file     ? check_printf(":%s:_files", message)
                                        : check_printf(":%s: ", message);
    free(message);
    return value;
}

/* "*" lets an option be given again, which all of sluice's may be. */
static void write_zsh_option(void *arg, const struct manual_option *option)
{
    FILE *out = arg;
    const char *end = option->argument != NULL ? "=" : "";
    char *AUTO_FREE help = zsh_help(option->help);
    char *AUTO_FREE value = zsh_value(option);
    char *AUTO_FREE text = check_printf("*%s%s[%s]%s", option->flag, end, help, value);
    fputs(" \\\n            ", out);
    write_quoted(out, text);
    if (option->short_flag == 0)
        return;
    char *AUTO_FREE letter =
        check_printf("*-%c%s[%s]%s", option->short_flag, option->argument != NULL ? "+" : "", help, value);
    fputs(" \\\n            ", out);
    write_quoted(out, letter);
}

void manual_write_zsh_arguments(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++) {
        const struct option_command *command = &options_commands[i];
        fprintf(out, "    %s)\n        _arguments -s", command->name);
        manual_each_option(command->command, write_zsh_option, out);
        if (manual_argument_of(command) == MANUAL_ARGUMENT_FILE)
            fputs(" \\\n            ':FILE:_files'", out);
        else if (manual_argument_of(command) == MANUAL_ARGUMENT_RUN)
            fputs(" \\\n            ':RUN:_sluice_runs'", out);
        fputs("\n        ;;\n", out);
    }
}

/* ---- fish ---- */

struct fish_options {
    FILE *out;
    const char *command;
};

static void write_fish_option(void *arg, const struct manual_option *option)
{
    const struct fish_options *options = arg;
    FILE *out = options->out;
    fprintf(out, "complete -c sluice -n '__fish_seen_subcommand_from %s' -l %s", options->command,
            option->flag + 2);
    if (option->short_flag != 0)
        fprintf(out, " -s %c", option->short_flag);
    if (option->argument != NULL)
        fputs(option->is_file ? " -r -F" : " -x", out);
    if (option->words != NULL)
        fprintf(out, " -a '%s'", option->words);
    fputs(" -d ", out);
    write_quoted(out, option->help);
    fputc('\n', out);
}

void manual_write_fish(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++) {
        const struct option_command *command = &options_commands[i];
        fprintf(out, "complete -c sluice -n __fish_use_subcommand -a %s -d ", command->name);
        write_quoted(out, command->help);
        fputc('\n', out);
        if (manual_argument_of(command) == MANUAL_ARGUMENT_FILE)
            fprintf(out, "complete -c sluice -n '__fish_seen_subcommand_from %s' -F\n", command->name);
        else if (manual_argument_of(command) == MANUAL_ARGUMENT_RUN)
            fprintf(out, "complete -c sluice -n '__fish_seen_subcommand_from %s' -a '(__sluice_runs)'\n",
                    command->name);
        manual_each_option(command->command, write_fish_option, &(struct fish_options){out, command->name});
    }
}
