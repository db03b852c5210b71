/*
 * error_body.c - what kind of bytes are these, and which sentence do they hold?
 *
 * One JSON value is an error answer: {"message"} of the engine, {"detail"} or {"exception_message"} of
 * Prefect,
 * {"errors": [{"code", "message"}]} of a registry (told as the engine tells it: "manifest unknown: ..."), or
 * a pull of one line. Several lines of which one is a JSON object are a pull. Everything else is text.
 */
#include "api/error_body.h"

#include "api/engine_read.h"
#include "api/engine_stream.h"
#include "api/json.h"
#include "api/prefect_read.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct lines {
    struct engine_pull pull;
    uint64_t count;
    char *last; /* owned */
};

static void plain(char *text)
{
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

/* As the engine writes a registry's error: its code in words, then the message. */
static bool read_registry_error(const struct json *root, char *message, size_t size)
{
    const struct json *first = json_first(json_get(root, "errors"));
    const char *code = json_get_text(first, "code", "");
    if (first == NULL || code[0] == '\0')
        return false;
    snprintf(message, size, "%s", code);
    for (char *p = message; *p != '\0'; p++)
        *p = *p == '_' ? ' ' : (char)tolower((unsigned char)*p);
    size_t used = strlen(message);
    snprintf(message + used, size - used, ": %s", json_get_text(first, "message", ""));
    return true;
}

static bool read_answer(const struct json *root, const char *bytes, size_t len, char *message, size_t size)
{
    bool is_prefects = json_get(root, "detail") != NULL || json_get(root, "exception_message") != NULL;
    if (json_get_text(root, "message", "")[0] != '\0')
        return engine_read_message(bytes, len, message, size);
    if (is_prefects)
        return prefect_read_error(bytes, len, message, size);
    return read_registry_error(root, message, size);
}

static bool on_line(void *arg, const char *line, size_t len)
{
    struct lines *lines = arg;
    free(lines->last);
    lines->last = check_strndup(line, len);
    lines->count++;
    return engine_pull_line(&lines->pull, line, len);
}

/* "Status: Downloaded newer image for ...", "Status: Image is up to date for ..." */
static bool is_end_of_pull(const char *line)
{
    struct json *root = NULL;
    struct err err;
    if (json_parse(line, strlen(line), &root, &err) != 0)
        return false;
    bool is_end = strncmp(json_get_text(root, "status", ""), "Status: ", 8) == 0;
    json_free(root);
    return is_end;
}

static enum error_body judge_lines(const struct lines *lines, const char *bytes, size_t len, char *message,
                                   size_t size)
{
    if (lines->pull.error != NULL) {
        engine_copy_text(message, size, lines->pull.error, strlen(lines->pull.error));
        return ERROR_BODY_STREAM;
    }
    if (lines->count == lines->pull.bad_lines) {
        /* of a long log the end tells what happened */
        bool is_long = len >= size && lines->last != NULL;
        engine_copy_text(message, size, is_long ? lines->last : bytes, is_long ? strlen(lines->last) : len);
        return ERROR_BODY_TEXT;
    }
    if (is_end_of_pull(lines->last))
        return ERROR_BODY_FINE;
    if (strstr(lines->last, "\"error") == NULL)
        return ERROR_BODY_CUT_OFF;
    engine_copy_text(message, size, lines->last, strlen(lines->last));
    return ERROR_BODY_STREAM;
}

static enum error_body read_lines(const char *bytes, size_t len, char *message, size_t size)
{
    struct lines lines = {.last = NULL};
    struct engine_lines splitter;
    engine_lines_init(&splitter, ENGINE_LINE_MAX_BYTES);
    (void)engine_lines_feed(&splitter, bytes, len, on_line, &lines);
    (void)engine_lines_end(&splitter, on_line, &lines);
    engine_lines_done(&splitter);
    enum error_body kind = judge_lines(&lines, bytes, len, message, size);
    engine_pull_done(&lines.pull);
    free(lines.last);
    return kind;
}

enum error_body error_body_read(const char *bytes, size_t len, char *message, size_t size)
{
    struct json *root = NULL;
    struct err err;
    message[0] = '\0';
    while (len > 0 && strchr(" \t\r\n", bytes[0]) != NULL && bytes[0] != '\0') {
        bytes++;
        len--;
    }
    while (len > 0 && strchr(" \t\r\n", bytes[len - 1]) != NULL && bytes[len - 1] != '\0')
        len--;
    if (len == 0)
        return ERROR_BODY_EMPTY;
    bool is_answer = json_parse(bytes, len, &root, &err) == 0 && read_answer(root, bytes, len, message, size);
    json_free(root);
    enum error_body kind = is_answer ? ERROR_BODY_JSON : read_lines(bytes, len, message, size);
    plain(message);
    return kind;
}
