#include "core/registry.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCKER_HUB "docker.io"

void registry_of(const char *image, char host[static REGISTRY_SIZE])
{
    size_t len = strcspn(image, "/");
    bool is_host = image[len] == '/' && (memchr(image, '.', len) != NULL || memchr(image, ':', len) != NULL ||
                                         (len == 9 && memcmp(image, "localhost", 9) == 0));
    if (is_host)
        snprintf(host, REGISTRY_SIZE, "%.*s", (int)(len < REGISTRY_SIZE ? len : REGISTRY_SIZE - 1), image);
    if (!is_host || strcmp(host, "index.docker.io") == 0)
        snprintf(host, REGISTRY_SIZE, "%s", DOCKER_HUB);
}

void registry_of_login(const char *address, char host[static REGISTRY_SIZE])
{
    const char *scheme_end = strstr(address, "://");
    const char *from = scheme_end == NULL ? address : scheme_end + 3;
    size_t len = strcspn(from, "/");
    if (len >= REGISTRY_SIZE)
        len = REGISTRY_SIZE - 1;
    for (size_t i = 0; i < len; i++)
        host[i] = (char)tolower((unsigned char)from[i]);
    host[len] = '\0';
    if (len == 0 || strcmp(host, "index.docker.io") == 0 || strcmp(host, "registry-1.docker.io") == 0)
        snprintf(host, REGISTRY_SIZE, "%s", DOCKER_HUB);
}

static const char *read_number(const char *text, bool is_count, double *out)
{
    if (text[0] == '\0' || strspn(text, is_count ? "0123456789" : "0123456789.") != strlen(text))
        return "has no number at its end";
    char *end;
    *out = strtod(text, &end);
    if (*end != '\0')
        return "has no number at its end";
    if (*out > REGISTRY_LIMIT_MAX)
        return "has a number that is too large";
    return *out > 0 ? NULL : "has a number that is too small";
}

const char *registry_limit_parse(const char *item, bool is_count, struct registry_limit *out)
{
    size_t len = strcspn(item, " ");
    if (len == 0 || len >= sizeof(out->host))
        return "has no registry";
    snprintf(out->host, sizeof(out->host), "%.*s", (int)len, item);
    return read_number(item + len + strspn(item + len, " "), is_count, &out->value);
}

double registry_limit_for(const struct match_list *limits, const char *host)
{
    for (size_t i = 0; i < limits->count; i++) {
        struct registry_limit limit;
        if (registry_limit_parse(limits->globs[i], false, &limit) == NULL && match_glob(limit.host, host))
            return limit.value;
    }
    return -1;
}
