/*
 * jobspec_name.c - any text -> a container name.
 *
 * The steps of python-slugify as the official worker calls it: quotes become dashes; decomposition and
 * transliteration; HTML entities (only decomposed, since they come later); commas between digits go; what
 * Docker does not take becomes one dash; dashes at both ends go; 250 characters; then leading _ - . go.
 * Latin, Greek and Cyrillic are transliterated by generated tables; letters of other scripts become dashes
 * and characters beyond the basic plane go. A name too short for the engine is replaced, since ours are saved
 * before they are used.
 */
#include "api/jobspec_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LAST_OF_BASIC_PLANE 0xFFFFU
#define LAST_CODE_POINT 0x10FFFFU

/* --- tables ----------------------------------------------------------------------------------------------
 */

static const struct jobspec_translit *find_run(const struct jobspec_translit *table, size_t count, uint32_t c)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c >= table[middle].first + table[middle].count)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= table[low].first ? &table[low] : NULL;
}

/* Append what the table says for c, or `otherwise`. out has room for 6 more. */
static size_t put_mapped(const struct jobspec_translit *run, uint32_t c, const char *otherwise, char *out)
{
    const char *text = run == NULL ? otherwise : run->text;
    size_t len = strlen(text);
    memcpy(out, text, len);
    if (run != NULL && run->count > 1 && len > 0)
        out[0] = (char)(run->text[0] + (char)(c - run->first));
    return len;
}

/* --- the steps, each from one malloc'ed text to the next --------------------------------------------------
 */

static char *transliterate(const char *text)
{
    char *out = check_alloc(strlen(text) * sizeof(jobspec_translit_table[0].text) + 1);
    size_t n = 0;
    while (*text != '\0') {
        size_t len = 0;
        uint32_t c = jobspec_decode(text, &len);
        if (c == '\'') {
            text += strspn(text, "'");
            out[n++] = '-';
            continue;
        }
        if (c < 0x80)
            out[n++] = (char)c;
        else
            n += put_mapped(find_run(jobspec_translit_table, jobspec_translit_count, c), c,
                            c > LAST_OF_BASIC_PLANE ? "" : "-", out + n);
        text += len;
    }
    out[n] = '\0';
    return out;
}

static size_t put_decomposed(uint32_t c, char *out)
{
    if (c >= 0x80)
        return put_mapped(find_run(jobspec_decompose_table, jobspec_decompose_count, c), c, "-", out);
    out[0] = c == 0 ? '-' : (char)c;
    return 1;
}

static int compare_entity(const void *key, const void *entry)
{
    return strcmp(key, ((const struct jobspec_entity *)entry)->name);
}

/* Each of these reads a reference at `text` ("&...;"): its length, or 0. */
typedef size_t (*reference_fn)(const char *text, uint32_t *code);

static size_t named_reference(const char *text, uint32_t *code)
{
    char name[12];
    size_t len = strcspn(text + 1, ";&");
    if (len >= sizeof(name) || text[1 + len] != ';')
        return 0;
    memcpy(name, text + 1, len);
    name[len] = '\0';
    const struct jobspec_entity *entity = bsearch(name, jobspec_entity_table, jobspec_entity_count,
                                                  sizeof(jobspec_entity_table[0]), compare_entity);
    if (entity == NULL)
        return 0;
    *code = entity->code_point;
    return len + 2;
}

static size_t number_reference(const char *text, const char *prefix, uint32_t base, uint32_t *code)
{
    size_t start = strlen(prefix);
    if (strncmp(text, prefix, start) != 0)
        return 0;
    size_t len = strspn(text + start, base == 10 ? "0123456789" : "0123456789abcdefABCDEF");
    if (len == 0 || text[start + len] != ';')
        return 0;
    *code = 0;
    for (size_t i = 0; i < len && *code <= LAST_CODE_POINT; i++) {
        char c = text[start + i];
        *code = *code * base + (uint32_t)(isdigit((unsigned char)c) ? c - '0' : (tolower(c) - 'a') + 10);
    }
    return start + len + 1;
}

static size_t decimal_reference(const char *text, uint32_t *code)
{
    return number_reference(text, "&#", 10, code);
}

static size_t hexadecimal_reference(const char *text, uint32_t *code)
{
    return number_reference(text, "&#x", 16, code);
}

/* One impossible code point leaves all references of its kind as they are. */
static bool all_possible(const char *text, reference_fn read)
{
    for (const char *p = text; (p = strchr(p, '&')) != NULL; p++) {
        uint32_t code = 0;
        if (read(p, &code) > 0 && code > LAST_CODE_POINT)
            return false;
    }
    return true;
}

static char *decode_references(char *text, reference_fn read)
{
    if (strchr(text, '&') == NULL || !all_possible(text, read))
        return text;
    /* A reference has at least 4 bytes and becomes at most 5. */
    char *out = check_alloc(strlen(text) * 2 + sizeof(jobspec_decompose_table[0].text) + 1);
    size_t n = 0;
    for (const char *p = text; *p != '\0';) {
        uint32_t code = 0;
        size_t len = *p == '&' ? read(p, &code) : 0;
        if (len == 0) {
            out[n++] = *p++;
            continue;
        }
        n += put_decomposed(code, out + n);
        p += len;
    }
    out[n] = '\0';
    free(text);
    return out;
}

static bool is_allowed(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.';
}

/* Quotes go, in place. */
static void drop_quotes(char *text)
{
    char *out = text;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '\'')
            *out++ = *p;
    }
    *out = '\0';
}

/* Commas between digits go, all else that is not allowed becomes one dash; in place. */
static void replace_others(char *text)
{
    size_t n = 0;
    char before = '\0';
    for (const char *p = text; *p != '\0'; p++) {
        char c = *p;
        bool is_number_comma = c == ',' && before >= '0' && before <= '9' && p[1] >= '0' && p[1] <= '9';
        before = c;
        if (is_number_comma)
            continue;
        if (is_allowed(c))
            text[n++] = c;
        else if (n == 0 || text[n - 1] != '-')
            text[n++] = '-';
    }
    text[n] = '\0';
}

static void strip_end(char *text)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '-')
        len--;
    text[len] = '\0';
}

char *jobspec_slug(const char *text)
{
    char *slug = transliterate(text);
    slug = decode_references(slug, named_reference);
    slug = decode_references(slug, decimal_reference);
    slug = decode_references(slug, hexadecimal_reference);
    drop_quotes(slug);
    replace_others(slug);
    strip_end(slug);
    size_t start = strspn(slug, "-");
    if (strlen(slug + start) > JOBSPEC_NAME_MAX) {
        slug[start + JOBSPEC_NAME_MAX] = '\0';
        strip_end(slug);
    }
    start += strspn(slug + start, "_-.");
    memmove(slug, slug + start, strlen(slug + start) + 1);
    return slug;
}

/* --- the name of this run's container ---------------------------------------------------------------------
 */

/* What is known of flow run and flow without asking. */
static const char *const known_of_run[] = {"id", "name", "flow_id", "deployment_id", NULL};
static const char *const known_of_flow[] = {"id", "name", NULL};

static bool is_among(const char *const *names, const char *name)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static struct jobspec_question question_of(enum jobspec_question_kind kind)
{
    static char none[] = "";
    return (struct jobspec_question){kind, none, none};
}

static int ask(struct jobspec_references *refs, enum jobspec_question_kind kind, struct err *err)
{
    struct jobspec_question question = question_of(kind);
    const struct json *ignored = NULL;
    int rc;
    (void)jobspec_answer_of(refs, &question, &ignored, &rc, err);
    return rc;
}

/* parts: of a placeholder's path. "ctx" alone is both as a whole. */
static int ask_for_path(struct jobspec_references *refs, char **parts, struct err *err)
{
    if (strcmp(parts[0], "ctx") != 0)
        return 0;
    bool is_all = parts[1] == NULL;
    bool is_run = is_all || strcmp(parts[1], "flow_run") == 0;
    bool is_flow = is_all || strcmp(parts[1], "flow") == 0;
    const char *field = is_all || parts[2] == NULL ? "" : parts[2];
    if (is_run && !is_among(known_of_run, field) && ask(refs, JOBSPEC_ASK_FLOW_RUN, err) != 0)
        return -1;
    return is_flow && !is_among(known_of_flow, field) ? ask(refs, JOBSPEC_ASK_FLOW, err) : 0;
}

int jobspec_ask_for_name(struct jobspec_references *refs, const char *name, struct err *err)
{
    size_t at = 0;
    struct jobspec_placeholder found;
    while (jobspec_find_placeholder(name, at, &found)) {
        char *AUTO_FREE path = found.name;
        char **parts = NULL;
        at = found.end;
        if (jobspec_path_split(path, &parts, err) != 0)
            return -1;
        int rc = ask_for_path(refs, parts, err);
        jobspec_free_list(parts);
        if (rc != 0)
            return -1;
    }
    return 0;
}

/* The whole object if it was asked for, else what is known. */
static struct json *object_of(struct jobspec_references *refs, enum jobspec_question_kind kind,
                              const char *const *pairs)
{
    struct jobspec_question question = question_of(kind);
    for (size_t i = 0; i < refs->input->answer_count; i++) {
        const struct json *whole = NULL;
        struct err ignored;
        int rc;
        if (jobspec_is_same_question(&refs->input->answers[i].question, &question) &&
            jobspec_answer_of(refs, &question, &whole, &rc, &ignored) && json_kind(whole) == JSON_OBJECT)
            return json_copy(whole);
    }
    struct json *object = json_new_object();
    for (; *pairs != NULL; pairs += 2)
        json_set_text(object, pairs[0], *pairs[1] == '\0' ? NULL : pairs[1]);
    return object;
}

/* {"ctx": {"flow": {...}, "flow_run": {...}}} */
static struct json *context_values(struct jobspec_references *refs)
{
    const struct jobspec_input *input = refs->input;
    const char *const flow[] = {"id", input->flow_id, "name", input->flow_name, NULL};
    const char *const run[] = {"id",      input->flow_run_id, "name",          input->flow_run_name,
                               "flow_id", input->flow_id,     "deployment_id", input->deployment_id,
                               NULL};
    struct json *context = json_new_object();
    json_take_set(context, "flow", object_of(refs, JOBSPEC_ASK_FLOW, flow));
    json_take_set(context, "flow_run", object_of(refs, JOBSPEC_ASK_FLOW_RUN, run));
    struct json *values = json_new_object();
    json_take_set(values, "ctx", context);
    return values;
}

/* *out is NULL where the template gives nothing, so that the run's name is taken. */
static int fill_name(struct jobspec_references *refs, const char *template, char **out, struct err *err)
{
    struct json *values = context_values(refs);
    struct json *text = json_new_text(template);
    struct json *filled = NULL;
    struct jobspec_substitution s = {values, refs->input, JOBSPEC_GROWTH_MAX_BYTES, &refs->secrets};
    struct buf buf;
    buf_init(&buf, JOBSPEC_GROWTH_MAX_BYTES * 4);
    int rc = jobspec_apply(&s, text, &filled, err);
    /* An absent name leaves its placeholder as text. */
    if (rc == 0 && (filled == NULL || json_kind(filled) != JSON_NULL))
        rc = jobspec_python_text(filled == NULL ? text : filled, &buf, err);
    if (rc != 0)
        err_wrap(err, "name");
    else
        *out = buf.len == 0 ? NULL : check_strdup(buf_text(&buf));
    buf_done(&buf);
    json_free(filled);
    json_free(text);
    json_free(values);
    return rc;
}

int jobspec_container_name(struct jobspec_references *refs, const char *name, char **out, struct err *err)
{
    char *AUTO_FREE filled = NULL;
    if (name != NULL && strstr(name, "{{") == NULL)
        filled = check_strdup(name);
    else if (name != NULL && fill_name(refs, name, &filled, err) != 0)
        return -1;
    char *slug = jobspec_slug(filled == NULL ? refs->input->flow_run_name : filled);
    if (strlen(slug) < 2) {
        free(slug);
        slug = check_printf("run-%.8s", refs->input->flow_run_id);
    }
    *out = slug;
    return 0;
}
