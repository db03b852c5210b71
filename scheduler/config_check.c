/*
 * config_check.c - is this text a URL, an address of an engine, a version, a glob?
 *
 * Each check returns NULL or what is wrong, as the middle of a sentence ("has no port"). Addresses follow
 * what docker-py takes in DOCKER_HOST, as far as this version connects to it. Nothing is resolved or opened.
 */
#include "config_internal.h"
#include "config_text.h"

#include <string.h>
#include <sys/un.h>

/* PORT, or PORT/... */
static bool is_port(const char *text)
{
    int64_t port = 0;
    size_t len = strcspn(text, "/?");
    char digits[6];
    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    return digits[0] != '-' && text_to_whole(digits, &port) && port >= 1 && port <= 65535;
}

/* HOST[:PORT][/...], with [ADDRESS] for IPv6. */
static const char *check_authority(const char *text, bool needs_port)
{
    size_t host = text[0] == '[' ? strcspn(text, "]/") : strcspn(text, ":/?#");
    if (text[0] == '[') {
        if (text[host] != ']' || host < 3)
            return "has no host";
        host++;
    }
    if (host == 0 && !needs_port)
        return "has no host";
    if (text[host] == ':')
        return is_port(text + host + 1) ? NULL : "has a bad port";
    return needs_port ? "has no port" : NULL;
}

const char *config_check_url(const char *text, const char *login)
{
    const char *rest = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    if (rest == NULL)
        return "does not begin with http:// or https://";
    if (strpbrk(rest, " \t\"<>\\") != NULL)
        return "holds a character that no URL has";
    if (strpbrk(rest, "?#") != NULL)
        return "has a query or fragment";
    size_t host = strcspn(rest, "/");
    if (memchr(rest, '@', host) != NULL)
        return login;
    return check_authority(rest, false);
}

const char *config_check_webhook(const char *text)
{
    size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0)
        return "does not begin with http:// or https://";
    if (strpbrk(text, " \t\"<>\\#") != NULL)
        return "holds a character that no such URL has";
    const char *authority = text + scheme;
    const char *login = memchr(authority, '@', strcspn(authority, "/?"));
    return check_authority(login == NULL ? authority : login + 1, false);
}

const char *config_check_proxy(const char *text)
{
    return strchr(text, '@') != NULL ? "holds a login, which this version can't keep secret"
                                     : config_check_url(text, NULL);
}

const char *config_check_engine_host(const char *text)
{
    if (strpbrk(text, "?# \t") != NULL)
        return "holds a blank, a query or a fragment";
    if (strncmp(text, "unix://", 7) == 0) {
        if (text[7] == '\0')
            return "has no path";
        return strlen(text + 7) >= sizeof(((struct sockaddr_un *)0)->sun_path) - 1
                   ? "is too long for a socket"
                   : NULL;
    }
    const char *rest = text;
    if (strncmp(text, "tcp://", 6) == 0)
        rest = text + 6;
    else if (strncmp(text, "http://", 7) == 0)
        rest = text + 7;
    else if (strncmp(text, "https://", 8) == 0)
        rest = text + 8;
    else if (strncmp(text, "ssh://", 6) == 0)
        return "is not supported (forward the engine's socket: ssh -L /PATH:/var/run/docker.sock HOST)";
    else if (strstr(text, "://") != NULL)
        return "is not an address of an engine";
    return strchr(rest, '@') != NULL ? "holds a login" : check_authority(rest, true);
}

const char *config_check_listen(const char *text)
{
    if (strpbrk(text, "/?#@ \t") != NULL)
        return "holds more than a host and a port";
    if (text[0] != '[' && strchr(text, ':') != strrchr(text, ':'))
        return "has an IPv6 address without [ ]";
    if (text[0] == ':')
        return "has no host (0.0.0.0 is every address of this machine)";
    return check_authority(text, true);
}

const char *config_check_version(const char *text)
{
    const char *p = text;
    for (int part = 0; part < 2; part++) {
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > 4)
            return "is not a version";
        p += digits;
        if (part == 0 && *p++ != '.')
            return "is not a version";
    }
    return *p == '\0' ? NULL : "is not a version";
}

const char *config_glob_next(const char *p, bool *is_in_set)
{
    if (*p == '\\' && p[1] != '\0')
        return p + 2;
    if (*p == '[' && !*is_in_set) {
        *is_in_set = true;
        p++;
        if (*p == '!')
            p++;
        return *p == ']' ? p + 1 : p;
    }
    if (*p == ']')
        *is_in_set = false;
    return p + 1;
}

const char *config_check_glob(const char *glob)
{
    bool is_in_set = false;
    for (const char *p = glob; *p != '\0'; p = config_glob_next(p, &is_in_set))
        if (*p == '\\' && p[1] == '\0')
            return "ends in a lone \\";
    return is_in_set ? "has a [ that is never closed" : NULL;
}
