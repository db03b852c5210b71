/*
 * registry.h - which registry an image comes from, and limits that count for each registry apart.
 *
 * The rule is Docker's: what stands before the first slash is a registry if it holds a dot or a colon, or is
 * "localhost"; else the image is Docker Hub's, "docker.io". A limit is written HOST NUMBER, HOST being a
 * glob; the first whose glob matches counts, for each registry apart. Source: distribution/reference,
 * normalize.go, splitDockerDomain.
 */
#ifndef SLUICE_CORE_REGISTRY_H
#define SLUICE_CORE_REGISTRY_H

#include "core/match.h"

#define REGISTRY_SIZE 256 /* longer ones are cut off */
#define REGISTRY_LIMIT_MAX 1000000.0

struct registry_limit {
    char host[REGISTRY_SIZE]; /* a glob */
    double value;
};

void registry_of(const char *image, char host[static REGISTRY_SIZE]);

/* registry_of_login - the registry that a login is for: its address without scheme and path, in small
 * letters; "" and all names of Docker Hub are "docker.io". Takes what registry_of() gives, too. */
void registry_of_login(const char *address, char host[static REGISTRY_SIZE]);

/* registry_limit_parse - read "ghcr.io 4". is_count: a whole number from 1 on, else any above 0. NULL, or
 * what is wrong with it. */
const char *registry_limit_parse(const char *item, bool is_count, struct registry_limit *out);

/* registry_limit_for - the limit of this registry among texts that registry_limit_parse takes; -1: none. */
double registry_limit_for(const struct match_list *limits, const char *host);

#endif
