/*
 * jobspec_secrets.c - what a job holds that nobody may see in a message: the values of its environment, what
 * the server calls secret of the blocks that it refers to, and what its template took from our environment,
 * wherever in the job that has gone.
 */
#include "api/jobspec_internal.h"

#include "base/secret.h"

#include <string.h>

void jobspec_secrets_note(struct jobspec_secrets *secrets, const char *text)
{
    secrets->items = check_realloc(secrets->items, (secrets->count + 1) * sizeof(*secrets->items));
    secrets->items[secrets->count++] = check_strdup(text);
}

void jobspec_secrets_done(struct jobspec_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++)
        secret_free(secrets->items[i]);
    free(secrets->items);
    *secrets = (struct jobspec_secrets){0};
}

/* Every text and number in it. */
static void note_leaves(struct jobspec_secrets *secrets, const struct json *value)
{
    enum json_kind kind = json_kind(value);
    if (kind == JSON_STRING) {
        jobspec_secrets_note(secrets, json_text(value, ""));
    } else if (kind == JSON_NUMBER) {
        char *source = json_write(value);
        jobspec_secrets_note(secrets, source);
        secret_free(source);
    }
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item))
        note_leaves(secrets, item);
}

/* What is at "member.member", all of an object at "member.*". */
static void note_path(struct jobspec_secrets *secrets, const struct json *data, const char *path)
{
    while (data != NULL && path[0] != '\0' && strcmp(path, "*") != 0) {
        size_t len = strcspn(path, ".");
        char *AUTO_FREE name = check_strndup(path, len);
        data = json_kind(data) == JSON_OBJECT ? json_get(data, name) : NULL;
        path += path[len] == '.' ? len + 1 : len;
    }
    if (data != NULL)
        note_leaves(secrets, data);
}

void jobspec_secrets_note_block(struct jobspec_secrets *secrets, const struct json *data,
                                const char *paths_json)
{
    struct json *paths = NULL;
    struct err ignored;
    if (json_parse(paths_json, strlen(paths_json), &paths, &ignored) != 0)
        return;
    for (const struct json *path = json_first(paths); path != NULL; path = json_next(path))
        if (json_text(path, "")[0] != '\0')
            note_path(secrets, data, json_text(path, NULL));
    json_free(paths);
}

/* A longer one may hold a shorter one: only its rests would be found once that is hidden. */
static int longest_first(const void *a, const void *b)
{
    size_t left = strlen(*(const char *const *)a);
    size_t right = strlen(*(const char *const *)b);
    return left < right ? 1 : left > right ? -1 : 0;
}

void jobspec_hide(const struct jobspec *spec, char *message)
{
    struct json *root = NULL;
    struct err ignored;
    if (spec == NULL || spec->create_body == NULL ||
        json_parse(spec->create_body, strlen(spec->create_body), &root, &ignored) != 0)
        return;
    const struct json *env = json_get(root, "Env");
    const char **texts =
        check_alloc((spec->secrets.count + (env == NULL ? 0 : json_count(env)) + 1) * sizeof(*texts));
    size_t count = 0;
    for (size_t i = 0; i < spec->secrets.count; i++)
        texts[count++] = spec->secrets.items[i];
    for (const struct json *item = env == NULL ? NULL : json_first(env); item != NULL;
         item = json_next(item)) {
        const char *equals = strchr(json_text(item, ""), '=');
        if (equals != NULL && strlen(equals + 1) >= JOBSPEC_HIDDEN_MIN_BYTES)
            texts[count++] = equals + 1;
    }
    qsort(texts, count, sizeof(*texts), longest_first);
    for (size_t i = 0; i < count; i++)
        secret_hide(message, texts[i]);
    free(texts);
    json_wipe_free(root);
}
