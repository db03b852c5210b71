#include "base/log.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES (64 * 1024)

static struct {
    log_sink_fn sink;
    void *sink_arg;
    enum log_format format;
    enum log_level level;
    const struct clock *clock;
    void (*tap)(void *arg, enum log_level level, const char *line);
    void *tap_arg;
} output = {.level = LOG_LEVEL_INFO};

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_DEBUG:
        return "debug";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_WARN:
        return "warn";
    case LOG_LEVEL_ERROR:
        return "error";
    }
    return "?";
}

void log_setup(log_sink_fn sink, void *arg, enum log_format format, enum log_level level,
               const struct clock *clock)
{
    output.sink = sink;
    output.sink_arg = arg;
    output.format = format;
    output.level = level;
    output.clock = clock;
}

void log_set_level(enum log_level level)
{
    output.level = level;
}

void log_to_file(void *file, enum log_level level, const char *line, size_t len)
{
    (void)level;
    fwrite(line, 1, len, file);
    fflush(file);
}

void log_tap(void (*fn)(void *arg, enum log_level level, const char *line), void *arg)
{
    output.tap = fn;
    output.tap_arg = arg;
}

bool log_is_on(enum log_level level)
{
    return level >= output.level && (output.sink != NULL || output.tap != NULL);
}

/* A line that grows too long loses what does not fit; that is the only way an append fails here. */
static void add(struct buf *line, const char *text, size_t len)
{
    struct err ignored;
    if (buf_add(line, text, len, &ignored) != 0)
        return;
}

static void add_text(struct buf *line, const char *text)
{
    add(line, text, strlen(text));
}

static bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

/* Quote for logfmt and JSON alike: both take JSON's escapes. Bytes that are not ASCII pass through. */
static void add_quoted(struct buf *line, const char *text, size_t len)
{
    add(line, "\"", 1);
    for (size_t i = 0; i < len;) {
        size_t plain = i;
        while (plain < len && !needs_escape((unsigned char)text[plain]))
            plain++;
        add(line, text + i, plain - i);
        i = plain;
        if (i == len)
            break;
        unsigned char c = (unsigned char)text[i++];
        char escape[8];
        if (c == '"' || c == '\\')
            snprintf(escape, sizeof(escape), "\\%c", c);
        else if (c == '\n')
            snprintf(escape, sizeof(escape), "\\n");
        else
            snprintf(escape, sizeof(escape), "\\u%04x", c);
        add_text(line, escape);
    }
    add(line, "\"", 1);
}

static bool needs_quotes(const char *text, size_t len)
{
    if (len == 0)
        return true;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return false;
}

/* Cut to LOG_VALUE_MAX bytes, never in the middle of a UTF-8 character. */
static size_t cut_length(const char *text)
{
    size_t len = strlen(text);
    if (len <= LOG_VALUE_MAX)
        return len;
    len = LOG_VALUE_MAX;
    while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static void add_pair(struct buf *line, const char *key, const char *text)
{
    bool json = output.format == LOG_FORMAT_JSON;
    size_t len = cut_length(text);
    if (json)
        add_quoted(line, key, strlen(key));
    else
        add_text(line, key);
    add_text(line, json ? ":" : "=");
    if (json || needs_quotes(text, len))
        add_quoted(line, text, len);
    else
        add(line, text, len);
}

static void add_separator(struct buf *line)
{
    add_text(line, output.format == LOG_FORMAT_JSON ? "," : " ");
}

void log_write(enum log_level level, const char *message, const struct log_kv *kvs)
{
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    bool json = output.format == LOG_FORMAT_JSON;
    if (json)
        add_text(&line, "{");
    if (output.clock != NULL) {
        char now[CLOCK_TEXT_SIZE];
        clock_format(clock_wall_ms(output.clock), now);
        add_pair(&line, "time", now);
        add_separator(&line);
    }
    add_pair(&line, "level", level_name(level));
    add_separator(&line);
    add_pair(&line, "msg", message);
    for (; kvs->kind != LOG_VALUE_END; kvs++) {
        char number[24];
        snprintf(number, sizeof(number), "%lld", (long long)kvs->number);
        const char *text = kvs->kind == LOG_VALUE_INT ? number : kvs->text;
        if (text == NULL)
            continue;
        add_separator(&line);
        if (json && kvs->kind == LOG_VALUE_INT) {
            add_quoted(&line, kvs->key, strlen(kvs->key));
            add_text(&line, ":");
            add_text(&line, number);
        } else {
            add_pair(&line, kvs->key, text);
        }
    }
    if (json)
        add_text(&line, "}");
    if (output.tap != NULL)
        output.tap(output.tap_arg, level, buf_text(&line));
    if (output.sink != NULL) {
        line.max++; /* there is always room for the line's end */
        add(&line, "\n", 1);
        output.sink(output.sink_arg, level, buf_text(&line), line.len);
    }
    buf_done(&line);
}
