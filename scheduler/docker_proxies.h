/*
 * docker_proxies.h - the proxies of the Docker client's configuration, for the environment of containers.
 *
 * What `docker run` and docker-py put into each container: the entry of this engine, or `default`, below
 * `proxies` of config.json.
 */
#ifndef SLUICE_DOCKER_PROXIES_H
#define SLUICE_DOCKER_PROXIES_H

#include "base/err.h"

#include <stddef.h>

/* docker_proxies_parse - text of the file -> name, value, name, value, ..., NULL; free with
 * jobspec_free_list. host: the engine's, as "unix:///var/run/docker.sock". Values may hold passwords. Errors:
 * PARSE, LIMIT, INVALID; no value is in them. */
int docker_proxies_parse(const char *text, size_t len, const char *host, char ***out,
                         struct err *err) MUST_CHECK;
/* docker_proxies_read - of folder/config.json, else home/.docker/config.json; an empty list if there is
 * neither. folder, home: may be NULL. Errors: as above, IO; they name the file. */
int docker_proxies_read(const char *folder, const char *home, const char *host, char ***out,
                        struct err *err) MUST_CHECK;

#endif
