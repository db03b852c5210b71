/*
 * config_file.c - a configuration file into entries (row of the table, value, line), through libinih.
 *
 * libinih 55 gives its handler no line numbers, tells of the first bad line only, splits lines that exceed
 * its buffer, takes an indented line for more of the key above, cuts names of sections at 49 bytes and keeps
 * quiet about text after a section's bracket. So it reads from a reader of ours: `next_line` counts, judges
 * and reports each line, handles section lines itself, and passes on only lines that are plain KEY = VALUE;
 * every other line reaches libinih empty. A passed line for which no handler call came had no '='.
 * Values are not parsed here; entries with a mistake of form are left out, their mistake is on the list.
 */
#include "base/buf.h"
#include "config_internal.h"
#include "config_text.h"

#include <ini.h>
#include <stdarg.h>
#include <string.h>

struct reader {
    const char *rest; /* of the text */
    const char *end;
    int line;   /* number of the line handed out last */
    bool waits; /* it was passed on, and no handler call has come yet */
    const char
        *section;     /* static text: "class", "limits"; "" before the first and after a bad section line */
    bool has_section; /* a section line came, good or bad */
    size_t class_index;
    size_t rule_index;
    int first_lines[16]; /* by index in sections: where it came first */
    struct config_arena *arena;
    struct config_file *file;
    struct config_problems *problems;
};

static const char *const sections[] = {"prefect", "engine", "state", "limits", "timeouts", "retry", "log",
                                       "alerts",  "traces", "admin", "class",  "rule",     NULL};

static void report(const struct reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void report(const struct reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *AUTO_FREE text = check_vprintf(fmt, args);
    va_end(args);
    config_problem(r->problems, "%s:%d: %s", r->file->path, r->line, text);
}

/* "[limits]" or "[class etl]", for messages. */
static const char *section_label(const struct reader *r)
{
    if (r->class_index != SIZE_MAX)
        return config_arena_printf(r->arena, "[class %s]", r->file->classes[r->class_index].name);
    if (r->rule_index != SIZE_MAX)
        return config_arena_printf(r->arena, "[rule %s]", r->file->rules[r->rule_index].name);
    return config_arena_printf(r->arena, "[%s]", r->section);
}

/* ---- sections ---- */

/* Adds the section to the list, unless its name is bad, taken or one too many. Returns its index, or
 * SIZE_MAX. */
static size_t add_named(struct reader *r, const char *kind, const char *name,
                        struct config_file_section **list, size_t *count, size_t max)
{
    static const char *const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (name[0] == '\0' || name[strspn(name, letters)] != '\0' ||
        strlen(name) > CONFIG_MAX_CLASS_NAME_BYTES) {
        report(r, "[%s %s]: bad name; allowed: 1 to %d letters, digits, _, . and -", kind, name,
               CONFIG_MAX_CLASS_NAME_BYTES);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*list)[i].name, name) == 0) {
            report(r, "[%s %s]: given twice, first on line %d; allowed: once", kind, name, (*list)[i].line);
            return SIZE_MAX;
        }
    if (*count == max) {
        report(r, "[%s %s]: too many %s; allowed: %zu", kind, name,
               strcmp(kind, "class") == 0 ? "classes" : "rules", max);
        return SIZE_MAX;
    }
    *list = check_realloc(*list, (*count + 1) * sizeof(**list));
    (*list)[*count] = (struct config_file_section){config_arena_copy(r->arena, name, strlen(name)), r->line};
    return (*count)++;
}

static void add_class(struct reader *r, const char *name)
{
    if (strcmp(name, "default") == 0) {
        report(r, "[class default]: default is what no class matches, and is set by [timeouts] and [retry]; "
                  "allowed: any other name");
        return;
    }
    r->class_index =
        add_named(r, "class", name, &r->file->classes, &r->file->class_count, CONFIG_MAX_CLASSES);
    r->section = r->class_index != SIZE_MAX ? "class" : "";
}

static void add_rule(struct reader *r, const char *name)
{
    r->rule_index = add_named(r, "rule", name, &r->file->rules, &r->file->rule_count, CONFIG_MAX_RULES);
    r->section = r->rule_index != SIZE_MAX ? "rule" : "";
}

static void report_section(const struct reader *r, const char *name)
{
    const char *nearest = text_nearest(name, sections);
    if (nearest != NULL)
        report(r, "[%s]: unknown section; did you mean [%s]?", name, nearest);
    else
        report(r,
               "[%s]: unknown section; allowed: prefect, engine, state, limits, timeouts, retry, log, "
               "alerts, traces, admin, "
               "class NAME, rule NAME",
               name);
}

/* The name in "class etl"; NULL if it is another kind of section. */
static const char *name_behind(const char *section, const char *kind)
{
    size_t len = strlen(kind);
    if (strncmp(section, kind, len) != 0 || strchr(" \t", section[len]) == NULL) /* finds the end as well */
        return NULL;
    return section + len + strspn(section + len, " \t");
}

static void open_section(struct reader *r, const char *name)
{
    const char *class_name = name_behind(name, "class");
    const char *rule_name = name_behind(name, "rule");
    if (class_name != NULL) {
        add_class(r, class_name);
        return;
    }
    if (rule_name != NULL) {
        add_rule(r, rule_name);
        return;
    }
    for (size_t i = 0; sections[i] != NULL; i++) {
        if (strcmp(sections[i], name) != 0)
            continue;
        if (r->first_lines[i] != 0) {
            report(r, "[%s]: given twice, first on line %d; allowed: once", name, r->first_lines[i]);
            return;
        }
        r->first_lines[i] = r->line;
        r->section = sections[i];
        return;
    }
    report_section(r, name);
}

static void section_line(struct reader *r, char *line)
{
    r->has_section = true;
    r->section = "";
    r->class_index = SIZE_MAX;
    r->rule_index = SIZE_MAX;
    char *end = strchr(line, ']');
    if (end == NULL)
        report(r, "the section has no closing ]; allowed: [NAME]");
    else if (end[1] != '\0')
        report(r, "text after the section's ]; allowed: [NAME] alone, comments on lines of their own");
    else {
        *end = '\0';
        open_section(r, line + 1);
    }
}

/* ---- keys ---- */

/* Keys that are set elsewhere, or that people may know from the full example of a later version. */
static bool report_known_elsewhere(const struct reader *r, const char *name)
{
    static const char *const later[] = {"budget", "budget_floor", "listen"};
    bool is_later = false;
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        is_later = is_later || strcmp(name, later[i]) == 0;
    if (is_later) {
        report(r, "%s %s: this version has no such key; leave it out", section_label(r), name);
        return true;
    }
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(key->key, name) != 0)
            continue;
        if (config_key_is_in_file(key))
            report(r, "%s %s: unknown key; it belongs to [%s%s]", section_label(r), name, key->section,
                   strcmp(key->section, "class") == 0 || strcmp(key->section, "rule") == 0 ? " NAME" : "");
        else
            report(r, "%s %s: not read from a file; use %.*s", section_label(r), name,
                   (int)strcspn(key->flag != NULL ? key->flag : key->environment, " "),
                   key->flag != NULL ? key->flag : key->environment);
        return true;
    }
    return false;
}

static void list_keys(const char *section, struct buf *out)
{
    struct err ignored;
    const char *comma = "";
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].section, section) == 0 &&
            strstr(config_keys[i].help, " in stage ") == NULL && strcmp(section, "timeouts") != 0) {
            if (buf_printf(out, &ignored, "%s%s", comma, config_keys[i].key) != 0)
                return; /* a shorter list is still a list */
            comma = ", ";
        }
    const char *more =
        strcmp(section, "timeouts") == 0
            ? "STAGE, STAGE_connect and STAGE_inactivity (stages: api, resolve, image, pull, create, "
              "network, start, inspect, stop, report, remove), STAGE_floor and STAGE_ceiling (but for api, "
              "resolve and report), timeout_margin, timeout_samples, connect_floor, connect_ceiling, "
              "inactivity_floor, inactivity_ceiling, launch_deadline, max_run_time"
        : strcmp(section, "class") == 0 ? ", when_late, late_after, keep_containers, when_run_is_over and "
                                          "the keys of [timeouts] and [retry]"
        : strcmp(section, "retry") == 0
            ? ", and STAGE_max_attempts, STAGE_max_time, STAGE_base, STAGE_factor, STAGE_cap, STAGE_jitter "
              "(stages: resolve, pull, create, network, start)"
            : "";
    if (buf_add_str(out, more, &ignored) != 0)
        return;
}

static void report_key(const struct reader *r, const char *name)
{
    const char **AUTO_FREE words = check_alloc((config_key_count + 1) * sizeof(*words));
    size_t count = 0;
    for (size_t i = 0; i < config_key_count; i++)
        if (config_keys_find(r->section, config_keys[i].key) == &config_keys[i])
            words[count++] = config_keys[i].key;
    words[count] = NULL;
    if (report_known_elsewhere(r, name))
        return;
    const char *nearest = text_nearest(name, words);
    if (nearest != NULL) {
        report(r, "%s %s: unknown key; did you mean \"%s\"?", section_label(r), name, nearest);
        return;
    }
    struct buf list;
    buf_init(&list, 2000);
    list_keys(r->section, &list);
    report(r, "%s %s: unknown key; allowed: %s", section_label(r), name, buf_text(&list));
    buf_done(&list);
}

/* A habit from other formats that would become part of the value. */
static const char *find_habit(const struct config_key *key, const char *value)
{
    if (key->type == CONFIG_TYPE_GLOBS || key->type == CONFIG_TYPE_PARAMETERS)
        return NULL;
    size_t len = strlen(value);
    if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0])
        return "the value is in quotes; allowed: the bare value";
    if (value[0] == '#' || value[0] == ';' || strstr(value, " #") != NULL || strstr(value, " ;") != NULL)
        return "a comment after the value; allowed: comments on lines of their own";
    return NULL;
}

static void add_entry(struct reader *r, const struct config_key *key, const char *value)
{
    struct config_file *file = r->file;
    for (size_t i = 0; i < file->entry_count; i++)
        if (file->entries[i].key == key && file->entries[i].class_index == r->class_index &&
            file->entries[i].rule_index == r->rule_index) {
            report(r, "%s %s: given twice, first on line %d; allowed: once", section_label(r), key->key,
                   file->entries[i].line);
            return;
        }
    struct config_entry *entries = check_realloc(file->entries, (file->entry_count + 1) * sizeof(*entries));
    file->entries = entries;
    entries[file->entry_count++] = (struct config_entry){
        key, r->class_index, r->rule_index, config_arena_copy(r->arena, value, strlen(value)), r->line};
}

/* libinih's handler; its own idea of the section is not used, it may be cut off. */
static int on_key(void *user, const char *section, const char *name, const char *value)
{
    (void)section;
    struct reader *r = user;
    r->waits = false;
    if (name[0] == '\0') {
        report(r, "no key in front of the =; allowed: KEY = VALUE");
        return 1;
    }
    const struct config_key *key = config_keys_find(r->section, name);
    if (key == NULL) {
        report_key(r, name);
        return 1;
    }
    const char *habit = find_habit(key, value);
    if (habit != NULL)
        report(r, "%s %s: %s", section_label(r), name, habit);
    else
        add_entry(r, key, value);
    return 1;
}

/* ---- lines ---- */

/* Is this line one for libinih? Reports what is wrong with it otherwise; section lines are dealt with. */
static bool judge_line(struct reader *r, char *line, size_t raw_len, bool has_nul)
{
    char *start = line + strspn(line, " \t");
    if (raw_len + 1 > CONFIG_MAX_LINE_BYTES) {
        report(r, "the line is %zu bytes long; allowed: %d with its newline", raw_len + 1,
               CONFIG_MAX_LINE_BYTES);
        return false;
    }
    const char *fault = has_nul ? "holds a control character" : text_find_fault(line);
    if (fault != NULL) {
        report(r, "the line %s; allowed: plain UTF-8 text", fault);
        return false;
    }
    if (*start == '\0' || *start == '#' || *start == ';')
        return false;
    if (start > line) {
        report(r, "the line is indented; allowed: lines that begin at the margin, values of one line");
        return false;
    }
    if (*line == '[') {
        section_line(r, line);
        return false;
    }
    if (!r->has_section)
        report(r, "a key before any section; allowed: a line such as [prefect] above it");
    return r->section[0] != '\0';
}

/* libinih's reader: like fgets, but an over-long line comes out empty instead of in pieces. */
static char *next_line(char *out, int size, void *stream)
{
    struct reader *r = stream;
    if (r->waits)
        report(r, "no = in the line; allowed: KEY = VALUE, [SECTION], # COMMENT");
    r->waits = false;
    if (r->rest == r->end || r->problems->count > CONFIG_MAX_PROBLEMS)
        return NULL;
    const char *newline = memchr(r->rest, '\n', (size_t)(r->end - r->rest));
    const char *line_end = newline != NULL ? newline : r->end;
    size_t len = (size_t)(line_end - r->rest);
    char line[CONFIG_MAX_LINE_BYTES];
    size_t kept = len < sizeof(line) ? len : sizeof(line) - 1;
    memcpy(line, r->rest, kept);
    while (kept > 0 && strchr(" \t\r", line[kept - 1]) != NULL && line[kept - 1] != '\0')
        kept--;
    line[kept] = '\0';
    bool has_nul = memchr(line, '\0', kept) != NULL;
    r->rest = newline != NULL ? newline + 1 : r->end;
    r->line++;
    out[0] = '\0';
    if (judge_line(r, line, len, has_nul)) {
        CHECK(kept < (size_t)size);
        memcpy(out, line, kept + 1);
        r->waits = true;
    }
    return out;
}

int config_file_read(const char *path, struct config_arena *arena, struct config_file *out,
                     struct config_problems *problems, struct err *err)
{
    char *AUTO_FREE text = NULL;
    size_t len = 0;
    if (text_read_file(path, CONFIG_MAX_FILE_BYTES, &text, &len, err) != 0)
        return err_wrap(err, "configuration");
    *out = (struct config_file){.path = path};
    bool has_mark = len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
    struct reader reader = {.rest = text + (has_mark ? 3 : 0),
                            .end = text + len,
                            .section = "",
                            .class_index = SIZE_MAX,
                            .rule_index = SIZE_MAX,
                            .arena = arena,
                            .file = out,
                            .problems = problems};
    ini_allow_inline_comments = false; /* a ; in a value is part of it; find_habit reports it */
    int bad_line = ini_parse_stream(next_line, &reader, on_key, &reader);
    /* A bad line has been reported with its own words; anything else would be a line that was lost. */
    CHECK(bad_line >= 0);
    return 0;
}

void config_file_done(struct config_file *file)
{
    free(file->entries);
    free(file->classes);
    free(file->rules);
    *file = (struct config_file){0};
}
