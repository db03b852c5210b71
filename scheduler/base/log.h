/*
 * log.h - one line per event, as logfmt or JSON: log_info("container started", kv_s("run", id),
 * kv_int("attempt", 2)).
 *
 * The message is a constant text; everything that varies is a key. Only the shell (scheduler/) logs; base,
 * core, store and api return errors. Levels: error = somebody must act; warn = we went on without it (the
 * line says so); info = a run changed state, or the service did; debug = all else. Never a secret, never a
 * body over 200 bytes: values longer than LOG_VALUE_MAX are cut. The output and its level are the one piece
 * of global state. docs/logs.md has every message and key; a test holds the two together.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

#include "base/clock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

#define LOG_VALUE_MAX 1024 /* bytes of one value; the engine's sentences fit */

enum log_value_kind { LOG_VALUE_END, LOG_VALUE_TEXT, LOG_VALUE_INT };

struct log_kv {
    enum log_value_kind kind;
    const char *key;
    const char *text; /* borrowed for the call; NULL leaves the key out */
    int64_t number;
};

static inline struct log_kv kv_s(const char *key, const char *text)
{
    return (struct log_kv){LOG_VALUE_TEXT, key, text, 0};
}

static inline struct log_kv kv_int(const char *key, int64_t number)
{
    return (struct log_kv){LOG_VALUE_INT, key, NULL, number};
}

/* The same, left out where 0 says that there is nothing to say. */
static inline struct log_kv kv_int_if(const char *key, int64_t number)
{
    return number == 0 ? kv_s(key, NULL) : kv_int(key, number);
}

/* Takes one line, which ends with a newline that len counts. Borrowed for the call. */
typedef void (*log_sink_fn)(void *arg, enum log_level level, const char *line, size_t len);

/* log_setup - where lines go (sink NULL: nowhere), in which form, from which level on. clock gives the time
 * stamp and may be NULL for none. */
void log_setup(log_sink_fn sink, void *arg, enum log_format format, enum log_level level,
               const struct clock *clock);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);
/* A sink for programs that may wait for their log's reader: arg is a FILE, flushed after each line. */
void log_to_file(void *file, enum log_level level, const char *line, size_t len);

/* Write one line; kvs ends with an item of kind LOG_VALUE_END. Use the macros below. */
void log_write(enum log_level level, const char *message, const struct log_kv *kvs);

/* A second listener for lines of any level, for tests. fn may be NULL. */
void log_tap(void (*fn)(void *arg, enum log_level level, const char *line), void *arg);

/* The first item is there for the comma of an empty list, and stepped over. */
#define LOG_AT(level, message, ...)                                                                          \
    do {                                                                                                     \
        if (log_is_on(level)) {                                                                              \
            const struct log_kv kvs_[] = {{.kind = LOG_VALUE_END}, ##__VA_ARGS__, {.kind = LOG_VALUE_END}};  \
            log_write(level, message, kvs_ + 1);                                                             \
        }                                                                                                    \
    } while (0)
#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_LEVEL_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_LEVEL_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, ##__VA_ARGS__)

#endif
