/*
 * make_manual.c - fills a template in: make-manual TEMPLATE >PAGE. A tool of the build, never installed.
 *
 * A line that is nothing but @NAME@ becomes a part made from the tables (manual.h); @VERSION@ and @DATE@ may
 * stand anywhere. An unknown name fails the build.
 */
#include "manual.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *line;
    manual_part_fn *write;
} parts[] = {
    {"@COMMANDS@", manual_write_commands},
    {"@START_OPTIONS@", manual_write_start},
    {"@SECTIONS@", manual_write_sections},
    {"@ENVIRONMENT@", manual_write_environment},
    {"@BASH_COMMANDS@", manual_write_bash_commands},
    {"@BASH_OPTIONS@", manual_write_bash_options},
    {"@BASH_VALUES@", manual_write_bash_values},
    {"@BASH_ARGUMENTS@", manual_write_bash_arguments},
    {"@ZSH_COMMANDS@", manual_write_zsh_commands},
    {"@ZSH_ARGUMENTS@", manual_write_zsh_arguments},
    {"@FISH@", manual_write_fish},
};

static const struct {
    const char *name;
    const char *text;
} words[] = {{"@VERSION@", SLUICE_VERSION}, {"@DATE@", SLUICE_DATE}};

/* The line with its words filled in. */
static void write_line(const char *line, FILE *out)
{
    while (*line != '\0') {
        size_t i = 0;
        while (i < ARRAY_LEN(words) && strncmp(line, words[i].name, strlen(words[i].name)) != 0)
            i++;
        if (i < ARRAY_LEN(words)) {
            fputs(words[i].text, out);
            line += strlen(words[i].name);
        } else {
            fputc(*line++, out);
        }
    }
    fputc('\n', out);
}

/* 0, or -1: a part of this name is unknown. */
static int fill(const char *line, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcmp(line, parts[i].line) == 0) {
            parts[i].write(out);
            return 0;
        }
    size_t len = strlen(line);
    if (len > 2 && line[0] == '@' && line[len - 1] == '@')
        return -1;
    write_line(line, out);
    return 0;
}

int main(int argc, char **argv)
{
    FILE *template = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (template == NULL) {
        fprintf(stderr, "usage: make-manual TEMPLATE >PAGE\n");
        return EXIT_FAILURE;
    }
    char *line = NULL;
    size_t size = 0;
    int rc = 0;
    while (rc == 0 && getline(&line, &size, template) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        rc = fill(line, stdout);
        if (rc != 0)
            fprintf(stderr, "%s: %s is no part that can be filled in\n", argv[1], line);
    }
    free(line);
    fclose(template);
    if (fflush(stdout) != 0)
        rc = -1;
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
