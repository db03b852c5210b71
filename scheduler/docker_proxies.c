/*
 * docker_proxies.c - httpProxy, httpsProxy, ftpProxy and noProxy -> variables of a container.
 *
 * Each in both cases, lower case first, in the order of docker-py. The file is read for each job: a change of
 * it is in the next container. A folder that is named but that holds no such file is no end of the
 * search, as in docker-py.
 */
#include "docker_proxies.h"

#include "api/json.h"
#include "docker_config_file.h"

#include <string.h>

static const struct {
    const char *key;
    const char *lower;
    const char *upper;
} variables[] = {
    {"httpProxy", "http_proxy", "HTTP_PROXY"},
    {"httpsProxy", "https_proxy", "HTTPS_PROXY"},
    {"ftpProxy", "ftp_proxy", "FTP_PROXY"},
    {"noProxy", "no_proxy", "NO_PROXY"},
};

static char **new_list(void)
{
    char **list = check_alloc((ARRAY_LEN(variables) * 4 + 1) * sizeof(*list));
    list[0] = NULL;
    return list;
}

/* The entry of this engine, else the common one; NULL if there is none. */
static int find_entry(const struct json *root, const char *host, const struct json **out, struct err *err)
{
    const struct json *proxies = json_get(root, "proxies");
    const struct json *entry = json_get(proxies, host);
    if (json_kind(proxies) != JSON_NULL && json_kind(proxies) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "\"proxies\" must be an object");
    if (entry == NULL)
        entry = json_get(proxies, "default");
    if (json_kind(entry) != JSON_NULL && json_kind(entry) != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "the entries of \"proxies\" must be objects");
    *out = entry;
    return 0;
}

static int list_entry(const struct json *entry, char ***out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        enum json_kind kind = json_kind(json_get(entry, variables[i].key));
        if (kind != JSON_NULL && kind != JSON_STRING)
            return err_set(err, ERR_INVALID, "\"%s\" of \"proxies\" must be text", variables[i].key);
    }
    char **list = new_list();
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        const char *value = json_get_text(entry, variables[i].key, "");
        const char *const names[] = {variables[i].lower, variables[i].upper};
        for (size_t k = 0; k < ARRAY_LEN(names) && *value != '\0'; k++) {
            list[n++] = check_strdup(names[k]);
            list[n++] = check_strdup(value);
        }
    }
    list[n] = NULL;
    *out = list;
    return 0;
}

int docker_proxies_parse(const char *text, size_t len, const char *host, char ***out, struct err *err)
{
    struct json *root = NULL;
    const struct json *entry = NULL;
    if (json_parse(text, len, &root, err) != 0)
        return -1;
    int rc = find_entry(root, host, &entry, err);
    if (rc == 0)
        rc = list_entry(entry, out, err);
    json_wipe_free(root); /* the logins of the file are in it */
    return rc;
}

int docker_proxies_read(const char *folder, const char *home, const char *host, char ***out, struct err *err)
{
    struct docker_config_file file;
    if (!docker_config_file_find(folder, home, false, &file, err)) {
        *out = new_list();
        return 0;
    }
    int rc = file.text == NULL ? -1 : docker_proxies_parse(file.text, file.len, host, out, err);
    if (rc != 0)
        rc = err_wrap(err, "%.150s", file.path);
    docker_config_file_done(&file);
    return rc;
}
