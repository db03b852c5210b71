/*
 * jobspec_references.c - blocks and variables in the places where a configuration refers to them.
 *
 * Two passes over what the placeholders have left: first blocks ({"$ref": {"block_document_id": ID}} and
 * {{ prefect.blocks.TYPE.NAME.PATH }}), then variables ({{ prefect.variables.NAME }}). Neither scans what it
 * has put in, so there are no circles: a block's value may hold a variable, nothing else is followed. What is
 * not in the input's answers becomes a question, and its reference stays until the next rendering. Follows
 * prefect/utilities/templating of 3.8.8; only the fields that are read are looked at.
 */
#include "api/jobspec_internal.h"

#include <ctype.h>
#include <string.h>

/* What the server writes where the caller may not read a secret. */
#define HIDDEN_SECRET "********"

/* --- questions -------------------------------------------------------------------------------------------
 */

bool jobspec_is_same_question(const struct jobspec_question *a, const struct jobspec_question *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->block_type, b->block_type) == 0;
}

char *jobspec_question_phrase(const struct jobspec_question *question)
{
    switch (question->kind) {
    case JOBSPEC_ASK_BLOCK_ID:
        return check_printf("block %.60s", question->name);
    case JOBSPEC_ASK_BLOCK:
        return check_printf("block '%.100s' of type '%.100s'", question->name, question->block_type);
    case JOBSPEC_ASK_VARIABLE:
        return check_printf("variable '%.200s'", question->name);
    case JOBSPEC_ASK_FLOW_RUN:
        return check_strdup("flow run");
    case JOBSPEC_ASK_FLOW:
        return check_strdup("flow");
    }
    UNREACHABLE();
}

struct jobspec_question jobspec_copy_question(const struct jobspec_question *question)
{
    return (struct jobspec_question){question->kind, check_strdup(question->name),
                                     check_strdup(question->block_type)};
}

void jobspec_free_question(struct jobspec_question *question)
{
    free(question->name);
    free(question->block_type);
    *question = (struct jobspec_question){0};
}

void jobspec_references_init(struct jobspec_references *refs, const struct jobspec_input *input)
{
    *refs = (struct jobspec_references){.input = input};
    if (input->answer_count > 0)
        refs->parsed = check_alloc(input->answer_count * sizeof(*refs->parsed));
}

void jobspec_references_done(struct jobspec_references *refs)
{
    for (size_t i = 0; i < refs->input->answer_count; i++)
        json_wipe_free(refs->parsed[i]);
    free(refs->parsed);
    for (size_t i = 0; i < refs->asked_count; i++)
        jobspec_free_question(&refs->asked[i]);
    free(refs->asked);
    free(refs->hidden);
    jobspec_secrets_done(&refs->secrets);
    *refs = (struct jobspec_references){.input = refs->input};
}

static int note(struct jobspec_references *refs, const struct jobspec_question *question, struct err *err)
{
    for (size_t i = 0; i < refs->asked_count; i++) {
        if (jobspec_is_same_question(&refs->asked[i], question))
            return 0;
    }
    if (refs->asked_count + refs->input->answer_count >= JOBSPEC_QUESTIONS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d different blocks and variables in one configuration",
                       JOBSPEC_QUESTIONS_MAX);
    refs->asked = check_realloc(refs->asked, (refs->asked_count + 1) * sizeof(*refs->asked));
    refs->asked[refs->asked_count++] = jobspec_copy_question(question);
    return 0;
}

static int parse_answer(struct jobspec_references *refs, size_t index, struct err *err)
{
    const struct jobspec_answer *answer = &refs->input->answers[index];
    if (refs->parsed[index] != NULL ||
        json_parse(answer->json, answer->json_len, &refs->parsed[index], err) == 0)
        return 0;
    char *AUTO_FREE phrase = jobspec_question_phrase(&answer->question);
    return err_wrap(err, "%s", phrase);
}

bool jobspec_answer_of(struct jobspec_references *refs, const struct jobspec_question *question,
                       const struct json **out, int *rc, struct err *err)
{
    *out = NULL;
    *rc = 0;
    for (size_t i = 0; i < refs->input->answer_count; i++) {
        const struct jobspec_answer *answer = &refs->input->answers[i];
        if (!jobspec_is_same_question(&answer->question, question))
            continue;
        if (answer->is_found)
            *rc = parse_answer(refs, i, err);
        *out = refs->parsed[i];
        return true;
    }
    *rc = note(refs, question, err);
    return false;
}

void jobspec_note_secrets(struct jobspec_references *refs)
{
    struct err ignored;
    for (size_t i = 0; i < refs->input->answer_count; i++) {
        const struct jobspec_answer *answer = &refs->input->answers[i];
        if (answer->is_found && answer->secret_fields_json != NULL && parse_answer(refs, i, &ignored) == 0)
            jobspec_secrets_note_block(&refs->secrets, refs->parsed[i], answer->secret_fields_json);
    }
}

/* --- blocks ----------------------------------------------------------------------------------------------
 */

static bool holds_hidden(const struct json *value)
{
    if (json_kind(value) == JSON_STRING)
        return strcmp(json_text(value, ""), HIDDEN_SECRET) == 0;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (holds_hidden(item))
            return true;
    }
    return false;
}

static void look_for_hidden(struct jobspec_references *refs, const struct jobspec_question *question,
                            const struct json *value)
{
    if (refs->hidden == NULL && holds_hidden(value))
        refs->hidden = jobspec_question_phrase(question);
}

/* The block's data; *data is NULL if it is not answered yet. */
static int block_data(struct jobspec_references *refs, const struct jobspec_question *question,
                      const struct json **data, struct err *err)
{
    int rc;
    bool is_answered = jobspec_answer_of(refs, question, data, &rc, err);
    if (rc != 0 || !is_answered || *data != NULL)
        return rc;
    char *AUTO_FREE phrase = jobspec_question_phrase(question);
    return err_set(err, ERR_INVALID,
                   "%s was not found: the job configuration refers to it, but it may have been deleted or "
                   "renamed since",
                   phrase);
}

/* "TYPE.NAME" or "TYPE.NAME.PATH" in three; *path is NULL if there is none. */
static int split_block(const char *reference, struct jobspec_question *question, const char **path,
                       struct err *err)
{
    const char *name = strchr(reference, '.');
    size_t name_len = name == NULL ? 0 : strcspn(name + 1, ".");
    if (name == NULL || name == reference || name_len == 0)
        return err_set(err, ERR_INVALID,
                       "{{ %s%.200s }}: expected prefect.blocks.TYPE.NAME, and perhaps a path behind it",
                       JOBSPEC_BLOCK_PREFIX, reference);
    *path = name[1 + name_len] == '.' ? name + name_len + 2 : NULL;
    *question = (struct jobspec_question){JOBSPEC_ASK_BLOCK, check_strndup(name + 1, name_len),
                                          check_strndup(reference, (size_t)(name - reference))};
    return 0;
}

/* Blocks such as Secret and JSON hold everything in the one member `value`: it need not be named. */
static const struct json *inside_value(const struct json *data, const char *path)
{
    const struct json *value = json_get(data, "value");
    bool is_named = path != NULL && strncmp(path, "value", 5) == 0 && strchr(".[", path[5]) != NULL;
    return value == NULL || json_count(data) != 1 || is_named ? data : value;
}

/* The value of a placeholder behind "prefect.blocks."; *out is NULL if it is not answered yet. */
static int block_value(struct jobspec_references *refs, struct jobspec_substitution *s, const char *reference,
                       struct json **out, struct err *err)
{
    struct jobspec_question question = {0};
    const struct json *data = NULL;
    const char *path = NULL;
    *out = NULL;
    if (split_block(reference, &question, &path, err) != 0)
        return -1;
    int rc = block_data(refs, &question, &data, err);
    if (rc == 0 && data != NULL) {
        const struct json *from = inside_value(data, path);
        rc = path == NULL ? jobspec_copy(s, from, out, err) : jobspec_copy_at(s, from, path, out, err);
        if (rc == 0 && *out == NULL)
            rc = err_set(err, ERR_INVALID, "block '%.100s' of type '%.100s' has nothing at \"%.100s\"",
                         question.name, question.block_type, path);
        if (rc == 0)
            look_for_hidden(refs, &question, *out);
    }
    jobspec_free_question(&question);
    return rc;
}

/* As the server takes ids, and nothing that would change a path's meaning. */
static bool is_block_id(const char *id)
{
    size_t digits = 0;
    for (const char *p = id; *p != '\0'; p++) {
        if (*p != '-' && !isxdigit((unsigned char)*p))
            return false;
        digits += *p != '-';
    }
    return digits == 32 && strlen(id) <= 36;
}

/* An object that refers to a block as a whole: *is_one, and *out as of block_value(). */
static int block_by_id(struct jobspec_references *refs, struct jobspec_substitution *s,
                       const struct json *object, bool *is_one, struct json **out, struct err *err)
{
    const struct json *reference = json_get(object, "$ref");
    *is_one = false;
    *out = NULL;
    if (reference == NULL)
        return 0;
    if (json_kind(reference) != JSON_OBJECT)
        return err_set(err, ERR_INVALID,
                       "$ref: expected an object with block_document_id, the id of a block, got %s",
                       jobspec_kind_phrase(reference));
    const struct json *id = json_get(reference, "block_document_id");
    if (!jobspec_is_truthy(id))
        return 0;
    if (!is_block_id(json_text(id, "")))
        return err_set(err, ERR_INVALID, "$ref: block_document_id is not the id of a block");
    char *AUTO_FREE name = check_strdup(json_text(id, ""));
    char none[] = "";
    struct jobspec_question question = {JOBSPEC_ASK_BLOCK_ID, name, none};
    const struct json *data = NULL;
    *is_one = true;
    if (block_data(refs, &question, &data, err) != 0)
        return -1;
    if (data == NULL)
        return 0;
    look_for_hidden(refs, &question, data);
    return jobspec_copy(s, data, out, err);
}

/* --- variables -------------------------------------------------------------------------------------------
 */

/* The value of a placeholder behind "prefect.variables."; a missing one is empty text, also as a whole. */
static int variable_value(struct jobspec_references *refs, struct jobspec_substitution *s, const char *name,
                          struct json **out, struct err *err)
{
    *out = NULL;
    if (name[strspn(name, ".")] == '\0')
        return err_set(err, ERR_INVALID, "{{ %s%.200s }} names no variable", JOBSPEC_VARIABLE_PREFIX, name);
    char *AUTO_FREE copy = check_strdup(name);
    char none[] = "";
    struct jobspec_question question = {JOBSPEC_ASK_VARIABLE, copy, none};
    const struct json *value = NULL;
    int rc;
    if (!jobspec_answer_of(refs, &question, &value, &rc, err) || rc != 0)
        return rc;
    if (value != NULL)
        return jobspec_copy(s, value, out, err);
    *out = json_new_text("");
    return 0;
}

/* --- passes ----------------------------------------------------------------------------------------------
 */

struct pass {
    struct jobspec_references *refs;
    struct jobspec_substitution *s;
    enum jobspec_placeholder_kind kind; /* BLOCK or VARIABLE */
};

static int value_of(const struct pass *pass, const char *name, struct json **out, struct err *err)
{
    if (pass->kind == JOBSPEC_PLACEHOLDER_BLOCK)
        return block_value(pass->refs, pass->s, name + strlen(JOBSPEC_BLOCK_PREFIX), out, err);
    return variable_value(pass->refs, pass->s, name + strlen(JOBSPEC_VARIABLE_PREFIX), out, err);
}

/* A placeholder with text around it. */
static int add_inside_text(const struct pass *pass, const char *source,
                           const struct jobspec_placeholder *placeholder, struct buf *text, struct err *err)
{
    struct json *value = NULL;
    int rc = placeholder->kind == pass->kind ? value_of(pass, placeholder->name, &value, err) : 0;
    bool is_block = pass->kind == JOBSPEC_PLACEHOLDER_BLOCK;
    if (rc == 0 && is_block && (json_kind(value) == JSON_OBJECT || json_kind(value) == JSON_ARRAY))
        rc = err_set(err, ERR_INVALID,
                     "{{ %.200s }} is %s, which can't stand inside text: name a part of it by a path",
                     placeholder->name, jobspec_kind_phrase(value));
    else if (rc == 0 && value != NULL)
        rc = jobspec_python_text(value, text, err);
    else if (rc == 0)
        rc = buf_add(text, source + placeholder->start, placeholder->end - placeholder->start, err);
    json_wipe_free(value);
    return rc;
}

static int fill_text(const struct pass *pass, const char *source, struct buf *text, struct err *err)
{
    size_t at = 0;
    struct jobspec_placeholder placeholder;
    while (jobspec_find_placeholder(source, at, &placeholder)) {
        int rc = buf_add(text, source + at, placeholder.start - at, err);
        if (rc == 0)
            rc = add_inside_text(pass, source, &placeholder, text, err);
        free(placeholder.name);
        if (rc != 0)
            return -1;
        at = placeholder.end;
    }
    return buf_add_str(text, source + at, err);
}

static int resolve_text(const struct pass *pass, const struct json *value, struct json **out, struct err *err)
{
    const char *source = json_text(value, "");
    struct jobspec_placeholder first;
    *out = NULL;
    if (!jobspec_find_placeholder(source, 0, &first)) {
        *out = json_copy(value);
        return 0;
    }
    char *AUTO_FREE name = first.name;
    int rc = 0;
    if (first.kind == pass->kind && first.start == 0 && source[first.end] == '\0') {
        rc = value_of(pass, name, out, err);
        if (rc == 0 && *out == NULL)
            *out = json_copy(value);
        return rc;
    }
    struct buf text;
    buf_init(&text, JOBSPEC_GROWTH_MAX_BYTES * 4);
    rc = fill_text(pass, source, &text, err);
    if (rc == 0)
        *out = json_new_text(buf_text(&text));
    if (text.data != NULL)
        explicit_bzero(text.data, text.len);
    buf_done(&text);
    return rc;
}

static int resolve_value(const struct pass *pass, const struct json *value, struct json **out,
                         struct err *err);

static int resolve_members(const struct pass *pass, const struct json *value, struct json *into,
                           struct err *err)
{
    bool is_object = json_kind(value) == JSON_OBJECT;
    if (is_object && json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d members in one object", JOBSPEC_MEMBERS_MAX);
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        struct json *resolved = NULL;
        if (resolve_value(pass, item, &resolved, err) != 0)
            return -1;
        if (is_object)
            json_take_set(into, json_key(item), resolved);
        else
            json_take_add(into, resolved);
    }
    return 0;
}

static int resolve_value(const struct pass *pass, const struct json *value, struct json **out,
                         struct err *err)
{
    enum json_kind kind = json_kind(value);
    bool is_one = false;
    if (kind == JSON_STRING)
        return resolve_text(pass, value, out, err);
    if (kind == JSON_OBJECT && pass->kind == JOBSPEC_PLACEHOLDER_BLOCK &&
        block_by_id(pass->refs, pass->s, value, &is_one, out, err) != 0)
        return -1;
    if (is_one && *out != NULL)
        return 0;
    if (is_one || (kind != JSON_ARRAY && kind != JSON_OBJECT)) {
        *out = json_copy(value);
        return 0;
    }
    struct json *resolved = kind == JSON_OBJECT ? json_new_object() : json_new_array();
    if (resolve_members(pass, value, resolved, err) != 0) {
        json_wipe_free(resolved);
        return -1;
    }
    *out = resolved;
    return 0;
}

/* Most values hold nothing that a pass would have to copy. */
static bool may_refer(const struct json *value)
{
    if (json_kind(value) == JSON_STRING)
        return strstr(json_text(value, ""), JOBSPEC_REFERENCE_PREFIX) != NULL;
    if (json_kind(value) == JSON_OBJECT && json_get(value, "$ref") != NULL)
        return true;
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        if (may_refer(item))
            return true;
    }
    return false;
}

int jobspec_resolve(struct jobspec_references *refs, struct jobspec_substitution *s, struct json **value,
                    struct err *err)
{
    static const enum jobspec_placeholder_kind passes[] = {JOBSPEC_PLACEHOLDER_BLOCK,
                                                           JOBSPEC_PLACEHOLDER_VARIABLE};
    for (size_t i = 0; i < ARRAY_LEN(passes) && may_refer(*value); i++) {
        struct pass pass = {refs, s, passes[i]};
        struct json *resolved = NULL;
        if (resolve_value(&pass, *value, &resolved, err) != 0)
            return -1;
        json_wipe_free(*value);
        *value = resolved;
    }
    return 0;
}
