/*
 * engine_host.c - DOCKER_HOST's text -> where to connect, and the front of infrastructure_pid.
 *
 * Follows docker-py's parse_host: unix://PATH (a missing first slash is added), tcp://HOST:PORT and http://
 * (port required, missing host = 127.0.0.1), bare HOST:PORT; with TLS tcp:// is https://, which may also be
 * written. Refused with a sentence: what can't be spoken (ssh, npipe), what the engine's clients refuse too
 * (fd, query, fragment, password), and http:// where TLS is asked for: that would be a plain connection after
 * all.
 */
#include "api/engine_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_HOST "unix:///var/run/docker.sock"

void engine_target_done(struct engine_target *target)
{
    free(target->unix_socket);
    free(target->url);
    free(target->pid_base);
    free(target->for_people);
    *target = (struct engine_target){0};
}

static int parse_unix(const char *host, const char *path, struct engine_target *out, struct err *err)
{
    if (path[0] == '\0')
        return err_set(err, ERR_INVALID, "DOCKER_HOST \"%s\" names no socket; write unix:///PATH", host);
    char *AUTO_FREE full = check_printf("%s%s", path[0] == '/' ? "" : "/", path);
    size_t limit = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (strlen(full) > limit)
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST: a socket's path may have %zu bytes at most, this has %zu", limit,
                       strlen(full));
    out->for_people = check_printf("unix://%s", full);
    out->unix_socket = STEAL(full);
    out->url = check_strdup("http://localhost");
    out->pid_base = check_strdup("http+docker://localhost");
    return 0;
}

/* Length of "name", "1.2.3.4" or "[::1]" at the beginning; 0 may be a missing one. */
static size_t host_length(const char *text)
{
    if (text[0] == '[') {
        size_t len = 1 + strspn(text + 1, "0123456789abcdefABCDEF:.");
        return text[len] == ']' ? len + 1 : 0;
    }
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
}

static int parse_tcp(const char *host, const char *address, bool is_tls, struct engine_target *out,
                     struct err *err)
{
    size_t len = host_length(address);
    const char *port_text = address + len + 1;
    if (address[len] != ':' || strspn(port_text, "0123456789") == 0)
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST \"%s\" is not understood; write tcp://HOST:PORT, the port "
                       "is needed",
                       host);
    char *end = NULL;
    unsigned long port = strtoul(port_text, &end, 10);
    if (*end == '/' && end[1] == '\0')
        end++;
    if (*end != '\0' || port == 0 || port > 65535)
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST \"%s\": the port must be 1 to 65535, and nothing may follow", host);
    char *AUTO_FREE name = len == 0 ? check_strdup("127.0.0.1") : check_printf("%.*s", (int)len, address);
    out->url = check_printf("%s://%s:%lu", is_tls ? "https" : "http", name, port);
    out->pid_base = check_strdup(out->url);
    out->for_people = check_printf("tcp://%s:%lu", name, port);
    return 0;
}

static bool begins(const char *text, const char *front)
{
    return strncmp(text, front, strlen(front)) == 0;
}

int engine_target_parse(const char *host, bool is_tls, struct engine_target *out, struct err *err)
{
    *out = (struct engine_target){0};
    if (host == NULL || host[0] == '\0')
        host = DEFAULT_HOST;
    if (strpbrk(host, "?#@ \t\r\n") != NULL && !begins(host, "ssh://") && !begins(host, "unix://"))
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST may hold no user, password, query, fragment or blank; write "
                       "unix:///PATH or tcp://HOST:PORT");
    if (begins(host, "unix://"))
        return parse_unix(host, host + strlen("unix://"), out, err);
    if (begins(host, "tcp://"))
        return parse_tcp(host, host + strlen("tcp://"), is_tls, out, err);
    if (begins(host, "https://"))
        return parse_tcp(host, host + strlen("https://"), true, out, err);
    if (begins(host, "http://") && is_tls)
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST \"%s\" is without TLS, which is asked for; write tcp:// or https://",
                       host);
    if (begins(host, "http://"))
        return parse_tcp(host, host + strlen("http://"), false, out, err);
    if (begins(host, "ssh://") || begins(host, "npipe://"))
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST begins with \"%.*s\", which is not supported; unix:// and "
                       "tcp:// are",
                       (int)(strstr(host, "://") - host + 3), host);
    if (strstr(host, "://") != NULL || host[0] == '/')
        return err_set(err, ERR_INVALID,
                       "DOCKER_HOST \"%s\" is not understood; write unix:///PATH or "
                       "tcp://HOST:PORT",
                       host);
    return parse_tcp(host, host, is_tls, out, err);
}
