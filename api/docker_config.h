/*
 * docker_config.h - Docker's client configuration (config.json, .dockercfg): what it says of one registry.
 * Pure: the text in, an answer out.
 *
 * Read as docker-py does: `credHelpers` of the registry, else `credsStore`, name a program to ask; without an
 * answer of that, `auths` counts (base64 "user:password", identitytoken, registrytoken). A file with none of
 * the three is itself taken for `auths`; a very old .dockercfg is two lines, for Docker Hub. Source:
 * docker-py auth.py; docker/cli, cli/config/configfile.
 */
#ifndef SLUICE_API_DOCKER_CONFIG_H
#define SLUICE_API_DOCKER_CONFIG_H

#include "api/registry_login.h"
#include "base/err.h"

#include <stddef.h>

#define DOCKER_CONFIG_MAX_BYTES ((size_t)1 << 20)

/* Owned. */
struct docker_config_answer {
    char *helper;                 /* NAME of docker-credential-NAME, to be asked first; NULL: none */
    char *server;                 /* what the helper is to be asked for */
    struct registry_login *login; /* of `auths`; NULL: none */
    char *problem; /* what is wrong with an entry that concerns this registry, without its content; or NULL */
};

/* docker_config_find - registry: as registry_of_login() writes it. Errors: PARSE, INVALID, with a sentence
 * that holds nothing of the file. */
int docker_config_find(const char *text, size_t len, const char *registry, struct docker_config_answer *out,
                       struct err *err) MUST_CHECK;
void docker_config_answer_done(struct docker_config_answer *answer);

#endif
