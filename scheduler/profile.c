/*
 * profile.c - which of Prefect's own files say what, as PREFECT_NAME=value.
 *
 * profiles.toml is read twice: first for `active`, which may stand below the profile. A file that isn't TOML
 * is a mistake; in .env, which often belongs to other programs, only lines that begin with PREFECT_ are
 * judged.
 */
#include "profile.h"

#include "base/buf.h"
#include "config_text.h"
#include "toml.h"

#include <ctype.h>
#include <string.h>

#define PREFIX "PREFECT_"

static bool is_prefect_name(const char *name)
{
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
           name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

/* A file that isn't there gives NULL. */
static char *read_text(const char *path, const struct profile_reader *reader, size_t *len)
{
    struct err err;
    char *text = NULL;
    if (text_read_file(path, PROFILE_MAX_FILE_BYTES, &text, len, &err) == 0)
        return text;
    if (err.kind != ERR_NOT_FOUND)
        reader->on_problem(reader->arg, err.msg);
    return NULL;
}

static void tell_problem(const struct profile_reader *reader, const char *file, int line, const char *what)
{
    char *AUTO_FREE text = check_printf("%s:%d: %s", file, line, what);
    reader->on_problem(reader->arg, text);
}

static const char *python_text(enum toml_kind kind, const char *value)
{
    if (kind != TOML_BOOL)
        return value;
    return strcmp(value, "true") == 0 ? "True" : "False";
}

/* ---- profiles.toml ---- */

struct profiles {
    char *wanted; /* owned */
    bool is_found;
    bool takes_active;
    const struct profile_reader *reader; /* NULL in the first pass */
};

static void on_profile_value(void *arg, const char *const *path, size_t depth, enum toml_kind kind,
                             const char *value, int line)
{
    (void)line;
    struct profiles *profiles = arg;
    if (depth == 1 && strcmp(path[0], "active") == 0 && profiles->takes_active && kind == TOML_STRING) {
        free(profiles->wanted);
        profiles->wanted = check_strdup(value);
    }
    if (profiles->reader == NULL || depth < 2 || strcmp(path[0], "profiles") != 0 ||
        strcmp(path[1], profiles->wanted) != 0)
        return;
    profiles->is_found = true;
    if (depth != 3 || kind == TOML_TABLE || !is_prefect_name(path[2]))
        return;
    char *AUTO_FREE from = check_printf("profile %s", profiles->wanted);
    profiles->reader->on_setting(profiles->reader->arg, path[2], python_text(kind, value), from);
}

enum profile_outcome profile_read(const char *path, const char *wanted, const struct profile_reader *reader,
                                  char **name)
{
    size_t len = 0;
    char *AUTO_FREE text = path != NULL ? read_text(path, reader, &len) : NULL;
    *name = check_strdup_or_null(wanted);
    if (text == NULL)
        return wanted == NULL ? PROFILE_NOT_NAMED : PROFILE_UNKNOWN;
    struct profiles profiles = {.wanted = *name, .takes_active = wanted == NULL};
    struct err err;
    int bad_line = 0;
    int result = toml_read(text, len, on_profile_value, &profiles, &bad_line, &err);
    *name = profiles.wanted;
    if (result != 0) {
        tell_problem(reader, path, bad_line, err.msg);
        return PROFILE_READ;
    }
    if (profiles.wanted == NULL)
        return PROFILE_NOT_NAMED;
    profiles.takes_active = false;
    profiles.reader = reader;
    result = toml_read(text, len, on_profile_value, &profiles, &bad_line, &err);
    CHECK(result == 0);
    return profiles.is_found ? PROFILE_READ : PROFILE_UNKNOWN;
}

bool profile_read_built_in(const char *name, const struct profile_reader *reader)
{
    static const struct {
        const char *profile;
        const char *setting; /* NULL: it has none */
        const char *value;
    } settings[] = {{"ephemeral", "PREFECT_SERVER_EPHEMERAL_ENABLED", "true"},
                    {"local", "PREFECT_API_URL", "http://127.0.0.1:4200/api"},
                    {"test", "PREFECT_SERVER_EPHEMERAL_ENABLED", "true"},
                    {"test", "PREFECT_SERVER_DATABASE_CONNECTION_URL", "sqlite+aiosqlite:///:memory:"},
                    {"cloud", NULL, NULL}};
    char *AUTO_FREE from = check_printf("profile %s", name);
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        if (strcmp(settings[i].profile, name) != 0)
            continue;
        is_known = true;
        if (settings[i].setting != NULL)
            reader->on_setting(reader->arg, settings[i].setting, settings[i].value, from);
    }
    return is_known;
}

/* ---- prefect.toml, pyproject.toml ---- */

#define HEADERS "PREFECT_CLIENT_CUSTOM_HEADERS"

struct project {
    const char *label;
    bool is_pyproject;
    const struct profile_reader *reader;
    struct buf headers; /* {"X-A": "b", without the closing brace; "": none */
    int headers_line;
};

/* path as a name of a setting: PREFECT_API_URL; false if it can't be one. */
static bool name_of(const char *const *path, size_t depth, struct buf *name)
{
    struct err err;
    int result = buf_add_str(name, "PREFECT", &err);
    for (size_t i = 0; result == 0 && i < depth; i++)
        result = buf_printf(name, &err, "_%s", path[i]);
    for (size_t i = 0; result == 0 && i < name->len; i++)
        name->data[i] = (char)toupper((unsigned char)name->data[i]);
    return result == 0 && is_prefect_name(buf_text(name));
}

/* Returns 0, or -1 when there is no more room. */
static int add_quoted(struct buf *out, const char *text, struct err *err)
{
    int rc = buf_add(out, "\"", 1, err);
    for (const char *c = text; *c != '\0' && rc == 0; c++) {
        unsigned char byte = (unsigned char)*c;
        rc = byte < 0x20                   ? buf_printf(out, err, "\\u%04x", byte)
             : byte == '"' || byte == '\\' ? buf_printf(out, err, "\\%c", byte)
                                           : buf_add(out, c, 1, err);
    }
    return rc == 0 ? buf_add(out, "\"", 1, err) : -1;
}

static void add_header(struct project *project, const char *name, const char *value, int line)
{
    struct buf *out = &project->headers;
    struct err err;
    if (out->len == 0)
        project->headers_line = line;
    if (buf_add_str(out, out->len == 0 ? "{" : ", ", &err) != 0 || add_quoted(out, name, &err) != 0 ||
        buf_add_str(out, ": ", &err) != 0 || add_quoted(out, value, &err) != 0)
        tell_problem(project->reader, project->label, line, err.msg);
}

static void on_project_value(void *arg, const char *const *path, size_t depth, enum toml_kind kind,
                             const char *value, int line)
{
    struct project *project = arg;
    size_t first = project->is_pyproject ? 2 : 0;
    if (kind == TOML_TABLE || depth <= first ||
        (first == 2 && (strcmp(path[0], "tool") != 0 || strcmp(path[1], "prefect") != 0)))
        return;
    if (depth == first + 3 && strcmp(path[first], "client") == 0 &&
        strcmp(path[first + 1], "custom_headers") == 0) {
        add_header(project, path[first + 2], value, line);
        return;
    }
    struct buf name;
    buf_init(&name, 200);
    if (name_of(path + first, depth - first, &name)) {
        char *AUTO_FREE from = check_printf("%s:%d", project->label, line);
        project->reader->on_setting(project->reader->arg, buf_text(&name), python_text(kind, value), from);
    }
    buf_done(&name);
}

static void tell_headers(struct project *project)
{
    struct err err;
    char *AUTO_FREE from = check_printf("%s:%d", project->label, project->headers_line);
    if (project->headers.len > 0 && buf_add_str(&project->headers, "}", &err) == 0)
        project->reader->on_setting(project->reader->arg, HEADERS, buf_text(&project->headers), from);
}

void profile_read_project(const char *path, const char *label, bool is_pyproject,
                          const struct profile_reader *reader)
{
    size_t len = 0;
    char *AUTO_FREE text = read_text(path, reader, &len);
    if (text == NULL)
        return;
    struct project project = {.label = label, .is_pyproject = is_pyproject, .reader = reader};
    struct err err;
    int bad_line = 0;
    buf_init(&project.headers, TOML_MAX_VALUE_BYTES);
    if (toml_read(text, len, on_project_value, &project, &bad_line, &err) != 0)
        tell_problem(reader, label, bad_line, err.msg);
    else
        tell_headers(&project);
    buf_done(&project.headers);
}

/* ---- .env ---- */

struct dotenv {
    const char *p; /* NUL-terminated */
    int line;
};

static void skip_dotenv_line(struct dotenv *d)
{
    d->p += strcspn(d->p, "\n");
    if (*d->p == '\n') {
        d->p++;
        d->line++;
    }
}

/* NAME in capitals, or "" if the line has another form; stops behind the =. */
static void read_dotenv_name(struct dotenv *d, char *out, size_t size)
{
    out[0] = '\0';
    if (strncmp(d->p, "export", 6) == 0 && (d->p[6] == ' ' || d->p[6] == '\t'))
        d->p += 6 + strspn(d->p + 6, " \t");
    size_t len = strcspn(d->p, "= \t\r\n#");
    const char *equals = d->p + len + strspn(d->p + len, " \t");
    if (*equals != '=')
        return;
    if (len < size)
        snprintf(out, size, "%.*s", (int)len, d->p);
    for (char *c = out; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    d->p = equals + 1 + strspn(equals + 1, " \t");
}

/* From behind the opening quote to behind the closing one; false if there is none. */
static bool read_quoted(struct dotenv *d, char quote, struct buf *out, struct err *err)
{
    static const char names[] = "abfnrtv";
    static const char meanings[] = "\a\b\f\n\r\t\v";
    for (; *d->p != '\0' && *d->p != quote; d->p++) {
        char c = *d->p;
        d->line += c == '\n' ? 1 : 0;
        if (c == '\\' && d->p[1] != '\0') {
            const char *name = quote == '"' ? strchr(names, d->p[1]) : NULL;
            bool is_plain = d->p[1] == '\\' || d->p[1] == quote || (quote == '"' && d->p[1] == '\'');
            if (name != NULL || is_plain) {
                d->p++;
                c = name != NULL ? meanings[name - names] : *d->p;
            }
        }
        if (buf_add(out, &c, 1, err) != 0)
            return false;
    }
    if (*d->p != quote)
        return false;
    d->p++;
    return true;
}

/* To the end of the line or a comment, without the blanks before it. */
static bool read_unquoted(struct dotenv *d, struct buf *out, struct err *err)
{
    size_t len = strcspn(d->p, "\r\n");
    for (size_t i = 0; i < len; i++)
        if (d->p[i] == '#' && (i == 0 || isspace((unsigned char)d->p[i - 1])))
            len = i;
    const char *start = d->p;
    d->p += len;
    while (len > 0 && isspace((unsigned char)start[len - 1]))
        len--;
    return buf_add(out, start, len, err) == 0;
}

static void read_dotenv_setting(struct dotenv *d, const struct profile_reader *reader)
{
    char name[128];
    int line = d->line;
    read_dotenv_name(d, name, sizeof(name));
    struct buf value;
    struct err err;
    buf_init(&value, TOML_MAX_VALUE_BYTES);
    char quote = *d->p == '"' || *d->p == '\'' ? *d->p : '\0';
    bool is_read;
    if (quote != '\0') {
        d->p++;
        is_read = read_quoted(d, quote, &value, &err);
    } else {
        is_read = read_unquoted(d, &value, &err);
    }
    if (is_prefect_name(name)) {
        char *AUTO_FREE from = check_printf(".env:%d", line);
        char *AUTO_FREE problem =
            check_printf(".env:%d: %s: %s", line, name,
                         is_read ? "${...} is not filled in here; allowed: the value itself"
                                 : "the closing quote is missing");
        if (!is_read || (quote != '\'' && strstr(buf_text(&value), "${") != NULL))
            reader->on_problem(reader->arg, problem);
        else
            reader->on_setting(reader->arg, name, buf_text(&value), from);
    }
    buf_done(&value);
    skip_dotenv_line(d);
}

void profile_read_dotenv(const char *path, const struct profile_reader *reader)
{
    size_t len = 0;
    char *AUTO_FREE text = read_text(path, reader, &len);
    if (text == NULL)
        return;
    struct dotenv d = {.p = text, .line = 1};
    if (strncmp(d.p, "\xEF\xBB\xBF", 3) == 0)
        d.p += 3;
    while (*d.p != '\0') {
        d.p += strspn(d.p, " \t\r");
        if (*d.p == '\0' || *d.p == '\n' || *d.p == '#')
            skip_dotenv_line(&d);
        else
            read_dotenv_setting(&d, reader);
    }
}
