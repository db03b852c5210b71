/*
 * jobspec_credentials.c - the field `registry_credentials`, and what becomes of it. Nothing of its values is
 * ever in an error.
 */
#include "api/jobspec_internal.h"

#include "base/secret.h"

#include <string.h>

/* The header that they become must fit in what engines take. */
#define TEXT_MAX_BYTES 65536

struct jobspec_credentials *jobspec_credentials_copy(const struct jobspec_credentials *credentials)
{
    if (credentials == NULL)
        return NULL;
    struct jobspec_credentials *copy = check_alloc(sizeof(*copy));
    copy->username = check_strdup(credentials->username);
    copy->password = check_strdup(credentials->password);
    copy->registry_url = check_strdup(credentials->registry_url);
    copy->reauth = credentials->reauth;
    return copy;
}

void jobspec_credentials_free(struct jobspec_credentials *credentials)
{
    if (credentials == NULL)
        return;
    secret_free(credentials->username);
    secret_free(credentials->password);
    free(credentials->registry_url);
    free(credentials);
}

bool jobspec_credentials_equal(const struct jobspec_credentials *a, const struct jobspec_credentials *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return secret_equals(a->username, b->username) && secret_equals(a->password, b->password) &&
           strcmp(a->registry_url, b->registry_url) == 0 && a->reauth == b->reauth;
}

static int read_text(const struct json *object, const char *key, char **out, struct err *err)
{
    const struct json *value = json_get(object, key);
    const char *text = json_text(value, NULL);
    if (value == NULL)
        return err_set(err, ERR_INVALID, "%s is missing", key);
    if (text == NULL)
        return err_set(err, ERR_INVALID, "%s: expected text, got %s", key, jobspec_kind_phrase(value));
    if (strlen(text) > TEXT_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "%s is longer than %d bytes", key, TEXT_MAX_BYTES);
    *out = check_strdup(text);
    return 0;
}

int jobspec_credentials_read(const struct json *value, struct jobspec_credentials **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return err_set(err, ERR_INVALID,
                       "expected an object with username, password and registry_url, got %s",
                       jobspec_kind_phrase(value));
    if (json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d entries", JOBSPEC_MEMBERS_MAX);
    struct jobspec_credentials *read = check_alloc(sizeof(*read));
    const struct json *reauth = json_get(value, "reauth");
    read->reauth = true;
    int rc = read_text(value, "username", &read->username, err);
    if (rc == 0)
        rc = read_text(value, "password", &read->password, err);
    if (rc == 0)
        rc = read_text(value, "registry_url", &read->registry_url, err);
    if (rc == 0 && reauth != NULL && json_kind(reauth) != JSON_NULL &&
        jobspec_read_bool(reauth, &read->reauth, err) != 0)
        rc = err_wrap(err, "reauth");
    if (rc != 0) {
        jobspec_credentials_free(read);
        return -1;
    }
    jobspec_credentials_free(*out);
    *out = read;
    return 0;
}
