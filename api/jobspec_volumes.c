/*
 * jobspec_volumes.c - "SOURCE:/path[:options]".
 *
 * /path alone is an anonymous volume. A source is an absolute path (also C:\ and \\server\share), a relative
 * one that begins with . or .. and is resolved against the worker's working directory, or the name of a
 * volume. Nothing is expanded: $(pwd) and ~ are refused. Options are those engines know, of which the
 * official worker takes ro and rw only.
 */
#include "api/jobspec_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_relative(const char *source)
{
    return strcmp(source, ".") == 0 || strcmp(source, "..") == 0 || strncmp(source, "./", 2) == 0 ||
           strncmp(source, "../", 3) == 0 || strncmp(source, ".\\", 2) == 0 ||
           strncmp(source, "..\\", 3) == 0;
}

static bool is_drive(const char *source)
{
    return isalpha((unsigned char)source[0]) && source[1] == ':' && source[2] == '\\';
}

static bool is_volume_name(const char *source)
{
    for (size_t i = 0; source[i] != '\0'; i++) {
        bool is_first_class = isalnum((unsigned char)source[i]) != 0;
        if (!is_first_class && (i == 0 || strchr("_.-", source[i]) == NULL))
            return false;
    }
    return source[0] != '\0';
}

static bool are_options(const char *options)
{
    static const char *const known[] = {"ro",      "rw",       "z",       "Z",         "copy",
                                        "nocopy",  "shared",   "rshared", "slave",     "rslave",
                                        "private", "rprivate", "cached",  "delegated", "consistent"};
    for (;;) {
        size_t len = strcspn(options, ",");
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(known); i++)
            is_known = is_known || (strlen(known[i]) == len && strncmp(known[i], options, len) == 0);
        if (!is_known)
            return false;
        if (options[len] == '\0')
            return true;
        options += len + 1;
    }
}

/* directory/path with . and .. and doubled slashes taken out, as Python's abspath; malloc'ed. */
static char *absolute_path(const char *directory, const char *path)
{
    char *AUTO_FREE joined = check_printf("%s/%s", directory, path);
    char *out = check_alloc(strlen(joined) + 2);
    size_t n = 0;
    for (const char *p = joined; *p != '\0';) {
        size_t len = strcspn(p, "/");
        if (len == 2 && strncmp(p, "..", 2) == 0) {
            while (n > 0 && out[--n] != '/')
                continue;
        } else if (len > 0 && !(len == 1 && *p == '.')) {
            out[n++] = '/';
            memcpy(out + n, p, len);
            n += len;
        }
        p += len + (p[len] == '/');
    }
    if (n == 0)
        out[n++] = '/';
    out[n] = '\0';
    return out;
}

struct volume {
    char *source;  /* owned; NULL: anonymous */
    char *path;    /* owned */
    char *options; /* owned; NULL: none */
};

static void volume_done(struct volume *volume)
{
    free(volume->source);
    free(volume->path);
    free(volume->options);
}

static char *copy_part(const char *start, const char *end)
{
    return check_strndup(start, (size_t)(end - start));
}

/* Split at the colons, but not at a drive's. false: malformed. */
static bool split(const char *text, struct volume *out)
{
    bool has_drive = is_drive(text) && text[3] != '\0' && text[3] != ':';
    const char *colon = strchr(text + (has_drive ? 3 : 0), ':');
    if (colon == NULL) {
        out->path = check_strdup(text);
        return text[0] == '/' && text[1] != '\0';
    }
    const char *path_end = colon + 1 + strcspn(colon + 1, ":");
    out->source = copy_part(text, colon);
    out->path = copy_part(colon + 1, path_end);
    out->options = *path_end == ':' ? check_strdup(path_end + 1) : NULL;
    return colon > text && out->path[0] != '\0';
}

static int check(const struct volume *volume, struct err *err)
{
    if (volume->source == NULL)
        return 0;
    const char *source = volume->source;
    bool is_path =
        source[0] == '/' || is_drive(source) || strncmp(source, "\\\\", 2) == 0 || is_relative(source);
    if (is_path && volume->path[0] != '/')
        return err_set(err, ERR_INVALID, "\"%.100s\" must be an absolute path in the container",
                       volume->path);
    if (!is_path && !is_volume_name(source))
        return err_set(
            err, ERR_INVALID,
            "\"%.100s\" is neither an absolute path, nor a relative one that begins with . or .., nor the "
            "name of a volume ([a-zA-Z0-9][a-zA-Z0-9_.-]*); nothing is expanded",
            source);
    if (volume->options != NULL && !are_options(volume->options))
        return err_set(err, ERR_INVALID, "\"%.60s\" is no option of a volume", volume->options);
    return 0;
}

static char *trimmed(const char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    return copy_part(text, text + len);
}

int jobspec_volume_resolve(const char *text, const char *working_directory, char **bind, char **path,
                           struct err *err)
{
    char *AUTO_FREE plain = trimmed(text);
    struct volume volume = {0};
    int rc = split(plain, &volume) ? check(&volume, err)
                                   : err_set(err, ERR_INVALID,
                                             "\"%.100s\" is no volume: expected /path or "
                                             "SOURCE:/path[:options]",
                                             text);
    if (rc == 0 && volume.source != NULL && is_relative(volume.source)) {
        char *absolute = absolute_path(working_directory, volume.source);
        free(volume.source);
        volume.source = absolute;
    }
    if (rc == 0) {
        *bind = volume.source == NULL
                    ? check_strdup(volume.path)
                    : check_printf("%s:%s%s%s", volume.source, volume.path, volume.options == NULL ? "" : ":",
                                   volume.options == NULL ? "" : volume.options);
        *path = STEAL(volume.path);
    }
    volume_done(&volume);
    return rc;
}
