#include "api/admin_http_host.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX_BYTES 255

/* The name or address of a Host header, without port, brackets and closing dot. False: it is none. */
static bool host_name(const char *host, char name[static HOST_MAX_BYTES + 1])
{
    bool has_bracket = host[0] == '[';
    const char *start = has_bracket ? host + 1 : host;
    size_t len = strcspn(start, has_bracket ? "]" : ":");
    const char *port = start + len + (has_bracket && start[len] == ']' ? 1 : 0);
    bool has_port = port[0] == ':' && strspn(port + 1, "0123456789") == strlen(port + 1);
    if (len == 0 || len > HOST_MAX_BYTES || (has_bracket && start[len] != ']') ||
        (port[0] != '\0' && !has_port))
        return false;
    snprintf(name, HOST_MAX_BYTES + 1, "%.*s", (int)len, start);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    return true;
}

bool admin_http_host_is_ours(const char *host, const char *const *names)
{
    char name[HOST_MAX_BYTES + 1];
    struct in6_addr address;
    if (host[0] == '\0')
        return true; /* no browser leaves it out */
    if (!host_name(host, name))
        return false;
    if (host[0] == '[')
        return inet_pton(AF_INET6, name, &address) == 1;
    if (strchr(name, '.') == NULL || inet_pton(AF_INET, name, &address) == 1 ||
        text_ends_with(name, ".localhost"))
        return true;
    for (; names != NULL && *names != NULL; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}
