/*
 * profile.h - the settings of Prefect from its files: the active profile, prefect.toml, pyproject.toml, .env.
 *
 * Knows no precedence (config_environment.c). Source: Prefect's settings sources.
 */
#ifndef SLUICE_PROFILE_H
#define SLUICE_PROFILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define PROFILE_MAX_FILE_BYTES (1024 * 1024)

/* name: "PREFECT_API_URL"; value: as text, booleans as True and False; from: "profile prod", ".env:3",
 * "prefect.toml:2", "pyproject.toml:7". All borrowed for the call. */
typedef void profile_fn(void *arg, const char *name, const char *value, const char *from);
/* text: a finished sentence that names file and line; borrowed. */
typedef void profile_problem_fn(void *arg, const char *text);

struct profile_reader {
    profile_fn *on_setting;
    profile_problem_fn *on_problem;
    void *arg;
};

/* A missing file is fine for all of them: nothing is told. */

enum profile_outcome {
    PROFILE_READ,
    PROFILE_NOT_NAMED, /* no name was wanted and the file has no `active`, or there is no file */
    PROFILE_UNKNOWN    /* the file has no such profile */
};

/* profile_read - tell the settings of one profile. path: profiles.toml, NULL: none; wanted: its name, NULL:
 * the file's `active`. *name: malloc'ed, which it was; NULL with PROFILE_NOT_NAMED. After a problem:
 * PROFILE_READ. */
enum profile_outcome profile_read(const char *path, const char *wanted, const struct profile_reader *reader,
                                  char **name);
/* profile_read_built_in - the same for the profiles that Prefect knows without a file; false: none of them.
 */
bool profile_read_built_in(const char *name, const struct profile_reader *reader);
/* [api] url = "..." is PREFECT_API_URL; in pyproject.toml below [tool.prefect]. Arrays are told as
 * a,b; the table [client.custom_headers] as one JSON object. label: the file's name in origins and sentences.
 */
void profile_read_project(const char *path, const char *label, bool is_pyproject,
                          const struct profile_reader *reader);
/* Lines NAME=VALUE, with quotes and comments as python-dotenv takes them; only names beginning with PREFECT_.
 */
void profile_read_dotenv(const char *path, const struct profile_reader *reader);

#endif
