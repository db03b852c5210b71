/*
 * config_proxy.c - which proxy of the environment the Prefect API is asked through.
 *
 * As the HTTP client of Prefect's worker reads it: http_proxy, https_proxy or all_proxy, in small letters
 * before others; no_proxy lists who is asked directly. libcurl alone would pass over HTTP_PROXY, and knows no
 * ports in no_proxy. One address is asked, and redirects stay with it, so the choice is made once.
 */
#include "config_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Scheme, host in small letters and port of an address; port 0: none, or the scheme's own. */
struct address {
    char scheme[16];
    char host[256];
    int port;
};

static int default_port(const char *scheme)
{
    return strcmp(scheme, "https") == 0 ? 443 : strcmp(scheme, "http") == 0 ? 80 : 0;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "SCHEME://[USER@]HOST[:PORT][/...]"; what doesn't fit is cut off. */
static struct address read_address(const char *url)
{
    struct address a = {"", "", 0};
    const char *host = strstr(url, "://");
    if (host == NULL)
        return a;
    snprintf(a.scheme, sizeof(a.scheme), "%.*s", (int)(host - url), url);
    host += 3;
    size_t len = strcspn(host, "/?#");
    for (size_t i = 0; i < len; i++)
        if (host[i] == '@') {
            host += i + 1;
            len -= i + 1;
            i = 0;
        }
    bool is_v6 = host[0] == '[';
    size_t name_len = is_v6 ? strcspn(host, "]/?#") : strcspn(host, ":/?#");
    snprintf(a.host, sizeof(a.host), "%.*s", (int)name_len - (is_v6 ? 1 : 0), host + (is_v6 ? 1 : 0));
    const char *rest = host + name_len + (is_v6 && host[name_len] == ']' ? 1 : 0);
    if (*rest == ':')
        a.port = (int)strtol(rest + 1, NULL, 10);
    lower(a.scheme);
    lower(a.host);
    if (a.port == default_port(a.scheme))
        a.port = 0;
    return a;
}

/* NAME_proxy: the last one in small letters, even if that is empty; else the last one that isn't empty. */
static const char *find_proxy(char **environment, const char *name)
{
    const char *any = NULL;
    const char *small = NULL;
    size_t len = strlen(name);
    for (char **p = environment; p != NULL && *p != NULL; p++) {
        if (strncasecmp(*p, name, len) != 0 || (*p)[len] != '=')
            continue;
        const char *value = *p + len + 1;
        if (strncmp(*p + len - 6, "_proxy", 6) == 0)
            small = value;
        if (value[0] != '\0')
            any = value;
    }
    const char *found = small != NULL ? small : any;
    return found != NULL && found[0] != '\0' ? found : NULL;
}

static bool is_address(int family, const char *text, size_t len)
{
    unsigned char out[sizeof(struct in6_addr)];
    char plain[64];
    if (len >= sizeof(plain))
        return false;
    snprintf(plain, sizeof(plain), "%.*s", (int)len, text);
    return inet_pton(family, plain, out) == 1;
}

/* `domain` itself, or what ends with ".domain" */
static bool is_within(const char *host, const char *domain, bool or_itself)
{
    size_t host_len = strlen(host);
    size_t len = strlen(domain);
    if (host_len == len)
        return or_itself && strcmp(host, domain) == 0;
    return host_len > len + 1 && host[host_len - len - 1] == '.' &&
           strcmp(host + host_len - len, domain) == 0;
}

/* One item of no_proxy: a name with all below it, ".name" for those below it alone, localhost, an IP address,
 * or a whole address with its scheme. */
static bool is_exempt(const struct address *api, const char *item)
{
    size_t len = strcspn(item, "/");
    bool has_scheme = strstr(item, "://") != NULL;
    bool is_v6 = !has_scheme && is_address(AF_INET6, item, len);
    bool is_exact =
        has_scheme || is_v6 || is_address(AF_INET, item, len) || strcasecmp(item, "localhost") == 0;
    char *AUTO_FREE url = is_v6 ? check_printf("all://[%.*s]", (int)len, item)
                                : check_printf("%s%s", has_scheme ? "" : "all://", item);
    const struct address wanted = read_address(url);
    if (wanted.port != 0 && wanted.port != api->port)
        return false;
    if (strcmp(wanted.scheme, "all") != 0 && strcmp(wanted.scheme, api->scheme) != 0)
        return false;
    if (wanted.host[0] == '\0')
        return has_scheme;
    if (is_exact)
        return strcmp(wanted.host, api->host) == 0;
    bool is_below = wanted.host[0] == '.';
    return is_within(api->host, wanted.host + (is_below ? 1 : 0), !is_below);
}

static bool goes_directly(const struct address *api, const char *no_proxy)
{
    char *AUTO_FREE items = check_strdup(no_proxy);
    char *rest = items;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        while (isspace((unsigned char)*item))
            item++;
        size_t len = strlen(item);
        while (len > 0 && isspace((unsigned char)item[len - 1]))
            item[--len] = '\0';
        if (strcmp(item, "*") == 0 || (len > 0 && is_exempt(api, item)))
            return true;
    }
    return false;
}

const char *config_proxy_for(char **environment, const char *url, struct config_arena *arena)
{
    if (url == NULL)
        return "";
    const struct address api = read_address(url);
    bool is_https = strcmp(api.scheme, "https") == 0;
    const char *proxy = find_proxy(environment, is_https ? "https_proxy" : "http_proxy");
    if (proxy == NULL)
        proxy = find_proxy(environment, "all_proxy");
    const char *no_proxy = find_proxy(environment, "no_proxy");
    if (proxy == NULL || (no_proxy != NULL && goes_directly(&api, no_proxy)))
        return "";
    return config_arena_printf(arena, "%s%s", strstr(proxy, "://") != NULL ? "" : "http://", proxy);
}
