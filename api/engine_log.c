/*
 * engine_log.c - see engine_log.h.
 *
 * With frames a message is a frame. A tty has none: there a message ends with its line, or after 16 KiB. What
 * follows such a piece is either the same line's next piece, with a time in front, or a text that happens to
 * be that long; only a time that can be read counts as one.
 */
#include "api/engine_log.h"

#include "base/clock.h"

#include <ctype.h>
#include <string.h>

#define PIECE_BYTES 16384 /* of a line, as the engine logs it */
#define NS_PER_S INT64_C(1000000000)
#define FRACTION_DIGITS 9

int64_t engine_log_time_ns(const char *text, size_t len)
{
    char copy[ENGINE_LOG_TIME_MAX + 1];
    static const size_t shortest = sizeof("2026-11-26T19:21:57Z") - 1;
    if (len < shortest || len > ENGINE_LOG_TIME_MAX || text[10] != 'T')
        return -1;
    memcpy(copy, text, len);
    copy[len] = '\0';
    int64_t ms = 0;
    struct err err;
    if (clock_parse(copy, &ms, &err) != 0 || ms < 0)
        return -1;
    int64_t ns = 0;
    int digits = 0;
    if (copy[19] == '.')
        for (const char *c = copy + 20; isdigit((unsigned char)*c) != 0 && digits < FRACTION_DIGITS; c++) {
            ns = ns * 10 + (*c - '0');
            digits++;
        }
    for (; digits < FRACTION_DIGITS; digits++)
        ns *= 10;
    return ms / 1000 * NS_PER_S + ns;
}

static void begin_message(struct engine_log *log)
{
    log->is_in_text = false;
    log->has_time = false;
    log->is_left_out = false;
    log->head_len = 0;
    log->text_bytes = 0;
    log->skip_bytes = 0;
}

void engine_log_open(struct engine_log *log, bool is_tty)
{
    log->is_tty = is_tty;
    log->repeated_ns = log->time_ns;
    log->repeated_count = log->whole_count;
    log->repeated_bytes = log->part_bytes;
    begin_message(log);
}

/* The message's time is known. */
static void take_time(struct engine_log *log, int64_t time_ns)
{
    log->is_in_text = true;
    log->has_time = true;
    if (log->repeated_ns != 0 && time_ns < log->repeated_ns) {
        log->is_left_out = true; /* this engine looks for whole seconds */
        return;
    }
    if (log->repeated_ns != 0 && time_ns == log->repeated_ns) {
        if (log->repeated_count > 0) {
            log->repeated_count--;
            log->is_left_out = true;
            return;
        }
        log->skip_bytes = log->repeated_bytes;
        log->repeated_ns = 0;
        return;
    }
    log->repeated_ns = 0;
    if (time_ns != log->time_ns)
        log->whole_count = 0;
    log->time_ns = time_ns;
    log->part_bytes = 0;
}

static void end_message(struct engine_log *log)
{
    if (log->has_time && !log->is_left_out) {
        log->whole_count++;
        log->part_bytes = 0;
    }
    begin_message(log);
}

static void hand_out(struct engine_log *log, int stream, const char *data, size_t len, engine_log_fn fn,
                     void *arg)
{
    log->text_bytes += len;
    if (log->is_left_out || len == 0)
        return;
    size_t skipped = len < log->skip_bytes ? len : (size_t)log->skip_bytes;
    log->skip_bytes -= skipped;
    if (log->has_time)
        log->part_bytes += len - skipped;
    if (len > skipped)
        fn(arg, stream, data + skipped, len - skipped);
}

/* Text of the message at hand; of a tty it may hold the ends of many. Returns how many bytes belong to it. */
static size_t take_text(struct engine_log *log, int stream, const char *data, size_t len, engine_log_fn fn,
                        void *arg)
{
    if (!log->is_tty) {
        hand_out(log, stream, data, len, fn, arg);
        return len;
    }
    size_t piece = PIECE_BYTES - (size_t)(log->text_bytes % PIECE_BYTES);
    if (piece > len)
        piece = len;
    const char *end = memchr(data, '\n', piece);
    if (end != NULL)
        piece = (size_t)(end - data) + 1;
    hand_out(log, stream, data, piece, fn, arg);
    if (end != NULL || log->text_bytes % PIECE_BYTES == 0)
        end_message(log);
    return piece;
}

/* What was taken for the beginning of a time is text. */
static void give_up_time(struct engine_log *log, int stream, engine_log_fn fn, void *arg)
{
    char head[ENGINE_LOG_TIME_MAX];
    size_t len = log->head_len;
    memcpy(head, log->head, len);
    log->head_len = 0;
    log->is_in_text = true;
    for (size_t at = 0; at < len;) {
        log->is_in_text = true;
        at += take_text(log, stream, head + at, len - at, fn, arg);
    }
}

static bool may_be_in_time(char c)
{
    return isdigit((unsigned char)c) != 0 || strchr("-+:.TZ", c) != NULL;
}

/* One byte in front of a message's text. Returns whether it was used up. */
static bool take_head(struct engine_log *log, int stream, char c, engine_log_fn fn, void *arg)
{
    if (c != '\0' && may_be_in_time(c) && log->head_len < sizeof(log->head)) {
        log->head[log->head_len++] = c;
        return true;
    }
    int64_t time_ns = c == ' ' ? engine_log_time_ns(log->head, log->head_len) : -1;
    if (time_ns >= 0) {
        take_time(log, time_ns);
        return true;
    }
    give_up_time(log, stream, fn, arg);
    return false;
}

void engine_log_feed(struct engine_log *log, int stream, const char *data, size_t len, bool is_last,
                     engine_log_fn fn, void *arg)
{
    for (size_t at = 0; at < len;) {
        if (!log->is_in_text)
            at += take_head(log, stream, data[at], fn, arg) ? 1 : 0;
        else
            at += take_text(log, stream, data + at, len - at, fn, arg);
    }
    if (log->is_tty || !is_last)
        return;
    if (!log->is_in_text)
        give_up_time(log, stream, fn, arg);
    end_message(log);
}
