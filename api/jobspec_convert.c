/*
 * jobspec_convert.c - one value of a keyword -> one value of the engine.
 *
 * The plain conversions of the table in jobspec_kwargs.c. Types are checked here, where a sentence can say
 * what was expected; inside lists and objects that are handed on as they are the engine judges. Numbers keep
 * their text.
 */
#include "api/jobspec_internal.h"

#include <string.h>

int jobspec_wrong_type(const char *expected, const struct json *value, struct err *err)
{
    return err_set(err, ERR_INVALID, "expected %s, got %s", expected, jobspec_kind_phrase(value));
}

int jobspec_limit_members(const struct json *value, struct err *err)
{
    if (json_count(value) > JOBSPEC_MEMBERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d entries", JOBSPEC_MEMBERS_MAX);
    return 0;
}

int jobspec_python_copy(const struct json *value, char **out, struct err *err)
{
    struct buf text;
    buf_init(&text, JOBSPEC_GROWTH_MAX_BYTES * 4);
    int rc = jobspec_python_text(value, &text, err);
    if (rc == 0)
        *out = check_strdup(buf_text(&text));
    buf_done(&text);
    return rc;
}

static int copy_of_kind(const struct json *value, enum json_kind kind, const char *expected,
                        struct json **out, struct err *err)
{
    if (json_kind(value) != kind)
        return jobspec_wrong_type(expected, value, err);
    *out = json_copy(value);
    return 0;
}

static int python_json(const struct json *value, struct json **out, struct err *err)
{
    char *AUTO_FREE text = NULL;
    if (jobspec_python_copy(value, &text, err) != 0)
        return -1;
    *out = json_new_text(text);
    return 0;
}

int jobspec_as_text(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_STRING, "text", out, err);
}

int jobspec_as_bool(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_BOOL, "true or false", out, err);
}

int jobspec_as_list(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_ARRAY, "a list", out, err);
}

int jobspec_as_object(const struct json *value, struct json **out, struct err *err)
{
    return copy_of_kind(value, JSON_OBJECT, "an object", out, err);
}

int jobspec_as_whole(const struct json *value, struct json **out, struct err *err)
{
    const char *text = json_number_text(value);
    if (text == NULL || strpbrk(text, ".eE") != NULL)
        return jobspec_wrong_type("a whole number", value, err);
    *out = json_copy(value);
    return 0;
}

int jobspec_as_size(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_NUMBER)
        return jobspec_as_whole(value, out, err);
    long long bytes = 0;
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("a size such as \"512m\"", value, err);
    if (jobspec_parse_size(json_text(value, ""), &bytes, err) != 0)
        return -1;
    *out = json_new_int(bytes);
    return 0;
}

/* Text of the value: user ids are often written as numbers. */
int jobspec_as_user(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_STRING && json_kind(value) != JSON_NUMBER)
        return jobspec_wrong_type("text or a number", value, err);
    return python_json(value, out, err);
}

int jobspec_as_host_only(const struct json *value, struct json **out, struct err *err)
{
    if (strcmp(json_text(value, ""), "host") != 0)
        return err_set(err, ERR_INVALID, "only \"host\" is allowed");
    *out = json_copy(value);
    return 0;
}

/* Text is split like a command, a list stays as it is. */
int jobspec_as_words(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) == JSON_ARRAY)
        return jobspec_as_list(value, out, err);
    if (json_kind(value) != JSON_STRING)
        return jobspec_wrong_type("text or a list", value, err);
    char **words = NULL;
    if (jobspec_split_command(json_text(value, ""), &words, err) != 0)
        return -1;
    *out = json_new_array();
    for (char **word = words; *word != NULL; word++)
        json_take_add(*out, json_new_text(*word));
    jobspec_free_list(words);
    return 0;
}

int jobspec_as_texts(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_ARRAY)
        return jobspec_wrong_type("a list", value, err);
    struct json *made = json_new_array();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        struct json *text = NULL;
        if (python_json(item, &text, err) != 0) {
            json_free(made);
            return -1;
        }
        json_take_add(made, text);
    }
    *out = made;
    return 0;
}

int jobspec_as_text_values(const struct json *value, struct json **out, struct err *err)
{
    if (json_kind(value) != JSON_OBJECT)
        return jobspec_wrong_type("an object", value, err);
    if (jobspec_limit_members(value, err) != 0)
        return -1;
    struct json *made = json_new_object();
    for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
        struct json *text = NULL;
        if (python_json(item, &text, err) != 0) {
            json_free(made);
            return -1;
        }
        json_take_set(made, json_key(item), text);
    }
    *out = made;
    return 0;
}
