/*
 * jobspec_env.c - the container's environment and how it reaches the API.
 *
 * The worker's own settings, then the run's identity and trace, then the job's env; a name keeps the place of
 * its first source. An API on this machine is reached in one of two ways: network mode host, which is assumed
 * when nothing is configured, or the name host.docker.internal (an older Podman's: host.containers.internal)
 * put into the worker's own address. An address that the job gives is never changed. The texts are matched
 * the way the official worker does, which is not by host name.
 */
#include "api/jobspec_internal.h"

#include <stdio.h>
#include <string.h>

#define API_URL "PREFECT_API_URL"
#define HOST_NAME "host.docker.internal"
#define HOST_GATEWAY_MINOR 41
#define PODMAN_HOST_NAME "host.containers.internal" /* every container of Podman's knows it */

/* --- network mode ----------------------------------------------------------------------------------------
 */

/* What Python's urlparse takes for the network location, up to its first colon. */
static bool has_local_host(const char *url)
{
    while (*url > 0 && *url <= ' ')
        url++;
    size_t scheme = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    if (url[scheme] == ':' && scheme > 0 && strchr("0123456789+-.", url[0]) == NULL)
        url += scheme + 1;
    if (strncmp(url, "//", 2) != 0)
        return false;
    url += 2;
    size_t len = strcspn(url, ":/?#");
    return (len == strlen("localhost") && strncmp(url, "localhost", len) == 0) ||
           (len == strlen("127.0.0.1") && strncmp(url, "127.0.0.1", len) == 0);
}

const char *jobspec_network_mode(const struct jobspec_fields *fields, const struct jobspec_pairs *env,
                                 const char *api_url)
{
    if (jobspec_first_network(fields) != NULL)
        return NULL;
    if (fields->network_mode != NULL || fields->networks[0] != NULL)
        return fields->network_mode;
    const struct jobspec_pair *own = jobspec_pairs_find(env, API_URL);
    const char *url = own != NULL ? own->value : api_url;
    return url != NULL && has_local_host(url) ? "host" : NULL;
}

/* --- the environment -------------------------------------------------------------------------------------
 */

/* text with every `from` replaced by `to`; malloc'ed. */
static char *replace_host(const char *text, const char *from, const char *to)
{
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, from)) != NULL; p += strlen(from))
        count++;
    size_t size = strlen(text) + count * strlen(to) + 1;
    char *out = check_alloc(size);
    size_t n = 0;
    for (const char *p; (p = strstr(text, from)) != NULL; text = p + strlen(from))
        n += (size_t)snprintf(out + n, size - n, "%.*s%s", (int)(p - text), text, to);
    snprintf(out + n, size - n, "%s", text);
    return out;
}

static void set_forwarded(const struct jobspec_input *input, bool is_host_mode, struct jobspec_pairs *out)
{
    const char *name = jobspec_host_name(input);
    for (const char *const *pair = input->forwarded; pair != NULL && *pair != NULL; pair += 2) {
        if (strcmp(pair[0], API_URL) != 0 || is_host_mode) {
            jobspec_pairs_set(out, pair[0], pair[1]);
            continue;
        }
        char *AUTO_FREE half = replace_host(pair[1], "localhost", name);
        char *AUTO_FREE url = replace_host(half, "127.0.0.1", name);
        jobspec_pairs_set(out, pair[0], url);
    }
}

static void set_known(struct jobspec_pairs *out, const char *name, const char *value)
{
    if (value != NULL && *value != '\0')
        jobspec_pairs_set(out, name, value);
}

void jobspec_environment(const struct jobspec_input *input, const struct jobspec_fields *fields,
                         struct jobspec_pairs *out)
{
    struct jobspec_pairs all = {0};
    const char *mode = jobspec_network_mode(fields, &fields->env, input->api_url);
    set_forwarded(input, mode != NULL && strcmp(mode, "host") == 0, &all);
    set_known(&all, "PREFECT__FLOW_RUN_ID", input->flow_run_id);
    set_known(&all, "PREFECT__WORKER_ID", input->worker_id);
    set_known(&all, "PREFECT__WORKER_NAME", input->worker_name);
    set_known(&all, "PREFECT__FLOW_ID", input->flow_id);
    set_known(&all, "PREFECT__FLOW_NAME", input->flow_name);
    set_known(&all, "PREFECT__DEPLOYMENT_ID", input->deployment_id);
    set_known(&all, "PREFECT__DEPLOYMENT_NAME", input->deployment_name);
    set_known(&all, "TRACEPARENT", input->trace_parent);
    for (size_t i = 0; i < fields->env.count; i++)
        jobspec_pairs_set(&all, fields->env.items[i].name, fields->env.items[i].value);
    for (size_t i = 0; i < all.count; i++) {
        if (all.items[i].value != NULL)
            jobspec_pairs_set(out, all.items[i].name, all.items[i].value);
    }
    jobspec_pairs_done(&all);
}

/* --- extra hosts -----------------------------------------------------------------------------------------
 */

/* Whether pattern is found in text, where a dot of the pattern stands for any character but a line end. */
static bool has_pattern(const char *text, const char *pattern)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (pattern[i] != '\0' && text[i] != '\0' &&
               (pattern[i] == text[i] || (pattern[i] == '.' && text[i] != '\n')))
            i++;
        if (pattern[i] == '\0')
            return true;
    }
    return false;
}

bool jobspec_needs_host_entry(const struct jobspec_pairs *environment)
{
    const struct jobspec_pair *url = jobspec_pairs_find(environment, API_URL);
    return url == NULL || has_pattern(url->value, "localhost") || has_pattern(url->value, "127.0.0.1") ||
           has_pattern(url->value, HOST_NAME);
}

bool jobspec_api_has(const char *engine_api_version, long minor, bool if_unknown)
{
    char *end = NULL;
    long major = strtol(engine_api_version, &end, 10);
    if (end == engine_api_version || *end != '.')
        return if_unknown;
    return major > 1 || (major == 1 && strtol(end + 1, NULL, 10) >= minor);
}

bool jobspec_is_podman(const struct jobspec_input *input)
{
    return input->podman_version != NULL && input->podman_version[0] != '\0';
}

/* Podman reads host-gateway from 4.7 on; an older one writes the word into /etc/hosts and breaks that. */
static bool is_old_podman(const struct jobspec_input *input)
{
    if (!jobspec_is_podman(input))
        return false;
    char *end = NULL;
    long major = strtol(input->podman_version, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return major < 4 || (major == 4 && minor < 7);
}

const char *jobspec_host_name(const struct jobspec_input *input)
{
    return is_old_podman(input) ? PODMAN_HOST_NAME : HOST_NAME;
}

bool jobspec_knows_host_gateway(const struct jobspec_input *input)
{
    /* Before the engine's first answer: an older one is refused before anything is created. */
    return !is_old_podman(input) && jobspec_api_has(input->engine_api_version, HOST_GATEWAY_MINOR, true);
}

bool jobspec_lacks_host_name(const struct jobspec_input *input, const struct jobspec_pairs *environment)
{
    const struct jobspec_pair *url = jobspec_pairs_find(environment, API_URL);
    if (is_old_podman(input))
        return url != NULL && has_pattern(url->value, HOST_NAME);
    return jobspec_needs_host_entry(environment) && !jobspec_knows_host_gateway(input);
}
