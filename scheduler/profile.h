/*
 * profile.h - the settings of Prefect from its files: the active profile, prefect.toml, pyproject.toml, .env.
 *
 * Source: protocol of the worker: process environment > .env > prefect.toml > [tool.prefect] of
 * pyproject.toml > active profile. Profiles: PREFECT_PROFILES_PATH, else $PREFECT_HOME/profiles.toml, else
 * ~/.prefect/profiles.toml; PREFECT_PROFILE names another than the file's `active`.
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

/* path: profiles.toml; wanted: --profile or PREFECT_PROFILE, NULL: the file's `active`. */
void profile_read(const char *path, const char *wanted, const struct profile_reader *reader);
/* [api] url = "..." is PREFECT_API_URL; in pyproject.toml below [tool.prefect]. label: the file's name in
 * origins and sentences. */
void profile_read_project(const char *path, const char *label, bool is_pyproject,
                          const struct profile_reader *reader);
/* Lines NAME=VALUE, with quotes and comments as python-dotenv takes them; only names beginning with PREFECT_.
 */
void profile_read_dotenv(const char *path, const struct profile_reader *reader);

#endif
