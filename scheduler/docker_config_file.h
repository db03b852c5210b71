/*
 * docker_config_file.h - Docker's client configuration on disk: which file counts, and its text.
 *
 * The text holds logins and, in its proxies, perhaps passwords: it is wiped when it is done with. What it
 * means: api/docker_config.h, docker_proxies.h.
 */
#ifndef SLUICE_DOCKER_CONFIG_FILE_H
#define SLUICE_DOCKER_CONFIG_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct docker_config_file {
    char *path;
    char *text; /* secret; NUL-terminated; NULL: it can't be read */
    size_t len;
    struct stat status;
};

/* docker_config_file_find - the first that is there of folder/config.json, home/.docker/config.json and,
 * with has_old_form, home/.dockercfg; folder and home may be NULL. False: there is none, and nothing to be
 * done with. True with text NULL: err says what is wrong with it (IO, LIMIT). */
bool docker_config_file_find(const char *folder, const char *home, bool has_old_form,
                             struct docker_config_file *file, struct err *err);
/* docker_config_file_done - wipes the text. */
void docker_config_file_done(struct docker_config_file *file);

#endif
