/*
 * manual_pages.c - lists in the language of manual pages, mdoc(7).
 *
 * All text is escaped, so that it is printed as --help prints it: no hyphen becomes a dash, no quote a curly
 * one, and no line begins with a dot by chance.
 */
#include "manual.h"

#include <string.h>

static void write_escaped(FILE *out, const char *text)
{
    static const struct {
        char letter;
        const char *escape;
    } escapes[] = {{'\\', "\\e"},  {'-', "\\-"},   {'\'', "\\(aq"}, {'`', "\\(ga"},
                   {'"', "\\(dq"}, {'~', "\\(ti"}, {'^', "\\(ha"}};
    for (const char *p = text; *p != '\0'; p++) {
        const char *escape = NULL;
        for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
            if (escapes[i].letter == *p)
                escape = escapes[i].escape;
        if (escape != NULL)
            fputs(escape, out);
        else
            fputc(*p, out);
    }
}

/* Text with a full stop at its end; each sentence of it begins a line, as formatters want it. */
static void write_sentence(FILE *out, const char *text)
{
    const char *end = strstr(text, ". ");
    char *AUTO_FREE first = end == NULL ? check_strdup(text) : check_strndup(text, (size_t)(end - text));
    if (first[0] == '.')
        fputs("\\&", out);
    write_escaped(out, first);
    fputs(".\n", out);
    if (end != NULL)
        write_sentence(out, end + 2);
}

/* The arguments of a macro are words, so blanks within one are escaped too. */
static void write_argument(FILE *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p == ' ')
            fputs("\\ ", out);
        else
            write_escaped(out, (const char[]){*p, '\0'});
}

static void write_option(void *arg, const struct manual_option *option)
{
    FILE *out = arg;
    fputs(".It ", out);
    if (option->short_flag != 0)
        fprintf(out, "Fl %c , ", option->short_flag);
    fputs("Fl ", out);
    write_argument(out, option->flag + 1);
    if (option->argument != NULL) {
        fputs(" Ar ", out);
        write_argument(out, option->argument);
    }
    fputc('\n', out);
    write_sentence(out, option->help);
    if (option->words != NULL && strchr(option->words, ' ') != NULL) {
        char *AUTO_FREE words = check_printf("One of: %s", option->words);
        write_sentence(out, words);
    }
}

static void write_options(FILE *out, enum command command)
{
    fputs(".Bl -tag -width Ds\n", out);
    manual_each_option(command, write_option, out);
    fputs(".El\n", out);
}

void manual_write_commands(FILE *out)
{
    for (size_t i = 0; i < options_command_count; i++) {
        const struct option_command *command = &options_commands[i];
        if (command->command == COMMAND_START)
            continue;
        fprintf(out, ".Ss sluice %s", command->name);
        write_escaped(out, command->arguments);
        fputc('\n', out);
        write_sentence(out, command->help);
        write_options(out, command->command);
    }
}

void manual_write_start(FILE *out)
{
    write_options(out, COMMAND_START);
}

/* ".Ev A , B" of names by blanks */
static void write_variables(FILE *out, const char *names)
{
    fputs("Environment:\n.Ev ", out);
    for (const char *p = names; *p != '\0'; p++)
        fputs(*p == ' ' ? " ,\n.Ev " : (const char[]){*p, '\0'}, out);
    fputs(" .\n", out);
}

static void write_values(FILE *out, const struct config_key *key, enum config_style style)
{
    char allowed[CONFIG_DESCRIPTION_SIZE];
    config_value_describe(key, style, allowed, sizeof(allowed));
    char *AUTO_FREE values = check_printf("Allowed: %s", allowed);
    write_sentence(out, values);
    if (key->default_text == NULL)
        return;
    char *AUTO_FREE text = check_printf("Default: %s", key->default_text);
    write_sentence(out, text);
}

static void write_key(FILE *out, const struct config_key *key)
{
    fputs(".It Ic ", out);
    write_argument(out, key->key);
    fputc('\n', out);
    write_sentence(out, key->help);
    write_values(out, key, CONFIG_STYLE_FILE);
    if (key->environment != NULL)
        write_variables(out, key->environment);
    if (key->flag != NULL) {
        fputs("Option:\n.Fl ", out);
        write_argument(out, key->flag + 1);
        fputs(" .\n", out);
    }
    if (key->in_class)
        fputs("A class may set it too.\n", out);
    if (!key->reloadable)
        fputs("A change needs a restart.\n", out);
}

static bool is_first_of_section(size_t row)
{
    for (size_t i = 0; i < row; i++)
        if (strcmp(config_keys[i].section, config_keys[row].section) == 0)
            return false;
    return true;
}

void manual_write_sections(FILE *out)
{
    for (size_t first = 0; first < config_key_count; first++) {
        const char *section = config_keys[first].section;
        if (!config_key_is_in_file(&config_keys[first]) || !is_first_of_section(first))
            continue;
        bool has_name = strcmp(section, "class") == 0 || strcmp(section, "rule") == 0;
        fprintf(out, ".Ss [%s%s]\n.Bl -tag -width Ds\n", section, has_name ? " NAME" : "");
        for (size_t row = first; row < config_key_count; row++)
            if (strcmp(config_keys[row].section, section) == 0)
                write_key(out, &config_keys[row]);
        fputs(".El\n", out);
    }
}

void manual_write_environment(FILE *out)
{
    fputs(".Bl -tag -width Ds\n", out);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (key->environment == NULL || config_key_is_in_file(key))
            continue;
        fputs(".It Ev ", out);
        for (const char *p = key->environment; *p != '\0'; p++)
            fputs(*p == ' ' ? " , Ev " : (const char[]){*p, '\0'}, out);
        fputc('\n', out);
        write_sentence(out, key->help);
        write_values(out, key, CONFIG_STYLE_ENVIRONMENT);
    }
    fputs(".El\n", out);
}
