/*
 * prefect_headers.c - the header lines of every request: who we are, the login, what the operator adds.
 *
 * Secrets live in the lines only and are wiped with them. Lines of single requests (tokens, Content-Type) are
 * prefect.c's.
 */
#include "api/prefect_internal.h"

#include "base/base64.h"
#include "base/secret.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The Prefect version whose behaviour we claim to equal (the server's rules look at it). */
#define CLAIMED_API_VERSION "0.8.4"
#define CLAIMED_USER_AGENT "prefect/" PREFECT_CLAIMED_VERSION " (API " CLAIMED_API_VERSION ")"

static bool is_same_header(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

/* Add a header, in the place of one with the same name. */
void prefect_set_header(struct prefect *p, const char *name, const char *value)
{
    char *line = check_printf("%s: %s", name, value);
    for (size_t i = 0; i < p->header_count; i++) {
        if (is_same_header(p->headers[i], name)) {
            secret_free(p->headers[i]);
            p->headers[i] = line;
            return;
        }
    }
    char **grown = check_realloc(p->headers, (p->header_count + 2) * sizeof(*grown));
    p->headers = grown;
    p->headers[p->header_count++] = line;
    p->headers[p->header_count] = NULL;
}

/* Shorter ones of the operator's are words, which would go out of every sentence. */
#define CUSTOM_SECRET_MIN_BYTES 8

static void keep_secret(struct prefect *p, const char *text)
{
    p->secrets = check_realloc(p->secrets, (p->secret_count + 1) * sizeof(*p->secrets));
    p->secrets[p->secret_count++] = check_strdup(text);
}

void prefect_hide(const struct prefect *p, char *message)
{
    for (size_t i = 0; i < p->secret_count; i++)
        secret_hide(message, p->secrets[i]);
}

/* "Scheme SECRET", "USER:SECRET": the last part is one by itself, too. */
static void keep_parts(struct prefect *p, const char *text, char separator, size_t min_bytes)
{
    const char *last = strrchr(text, separator);
    if (strlen(text) >= min_bytes)
        keep_secret(p, text);
    if (last != NULL && strlen(last + 1) >= min_bytes)
        keep_secret(p, last + 1);
}

static bool is_header_value(const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t')
            return false;
    return true;
}

static bool is_header_name(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("!#$%&'*+-.^_`|~", *c) == NULL)
            return false;
    return name[0] != '\0';
}

static int set_authorization(struct prefect *p, const struct prefect_settings *settings, struct err *err)
{
    const char *auth =
        settings->auth_string != NULL && settings->auth_string[0] != '\0' ? settings->auth_string : NULL;
    const char *key = settings->api_key != NULL && settings->api_key[0] != '\0' ? settings->api_key : NULL;
    if (auth == NULL && key != NULL && !is_header_value(key))
        return err_set(err, ERR_INVALID, "the Prefect API key holds a line break or control character");
    if (auth == NULL && key == NULL)
        return 0;
    char *credential = auth != NULL ? base64_encode(auth, BASE64_STANDARD) : check_strdup(key);
    keep_secret(p, credential);
    if (auth != NULL)
        keep_parts(p, auth, ':', 1);
    char *value = check_printf("%s %s", auth != NULL ? "Basic" : "Bearer", credential);
    prefect_set_header(p, "Authorization", value);
    secret_free(value);
    secret_free(credential);
    return 0;
}

/* Blanks at both ends go, as the official client does; what a header can't carry is percent-encoded. */
static void set_worker_name(struct prefect *p, const char *name)
{
    if (name == NULL)
        return;
    const char *end = name + strlen(name);
    while (*name == ' ' || *name == '\t')
        name++;
    while (end > name && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (end == name)
        return;
    char *safe = check_alloc((size_t)(end - name) * 3 + 1);
    char *to = safe;
    for (; name < end; name++) {
        unsigned char c = (unsigned char)*name;
        if (c >= 0x20 && c < 0x7f)
            *to++ = *name;
        else
            to += snprintf(to, 4, "%%%02X", c);
    }
    *to = '\0';
    prefect_set_header(p, "X-Prefect-Worker-Name", safe);
    free(safe);
}

/* The official client ignores these in the custom headers too, save the last three: they are curl's to write.
 */
static bool is_protected_header(const char *name)
{
    static const char *const names[] = {"User-Agent",     "Prefect-Csrf-Token", "Prefect-Csrf-Client",
                                        "Content-Length", "Transfer-Encoding",  "Connection"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

/* p: NULL to look only. */
static int take_custom_headers(struct prefect *p, const char *text, struct err *err)
{
    static const char allowed[] = "allowed: a JSON object of texts, such as {\"X-Name\": \"value\"}";
    if (text == NULL || text[0] == '\0')
        return 0;
    struct json *root = NULL;
    struct err ignored;
    if (json_parse(text, strlen(text), &root, &ignored) != 0 || json_kind(root) != JSON_OBJECT) {
        json_free(root);
        return err_set(err, ERR_INVALID, "PREFECT_CLIENT_CUSTOM_HEADERS: the value is not a JSON object; %s",
                       allowed);
    }
    int result = 0;
    for (const struct json *item = json_first(root); item != NULL && result == 0; item = json_next(item)) {
        const char *name = json_key(item);
        const char *value = json_text(item, NULL);
        if (!is_header_name(name) || value == NULL || !is_header_value(value))
            result = err_set(err, ERR_INVALID,
                             "PREFECT_CLIENT_CUSTOM_HEADERS: \"%.80s\" is not a header with a text value; %s",
                             name, allowed);
        else if (p != NULL && !is_protected_header(name)) {
            prefect_set_header(p, name, value);
            keep_parts(p, value, ' ', CUSTOM_SECRET_MIN_BYTES);
        }
    }
    json_free(root);
    return result;
}

int prefect_set_headers(struct prefect *p, const struct prefect_settings *settings, struct err *err)
{
    prefect_set_header(p, "User-Agent", CLAIMED_USER_AGENT);
    prefect_set_header(p, "X-PREFECT-API-VERSION", CLAIMED_API_VERSION);
    prefect_set_header(p, "X-Sluice-Version", SLUICE_VERSION);
    prefect_set_header(p, "Accept", "application/json");
    set_worker_name(p, settings->worker_name);
    if (set_authorization(p, settings, err) != 0)
        return -1;
    return take_custom_headers(p, settings->custom_headers_json, err);
}

int prefect_check_custom_headers(const char *json, struct err *err)
{
    return take_custom_headers(NULL, json, err);
}
