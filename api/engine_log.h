/*
 * engine_log.h - a container's log with the engine's time stamps: takes them off, and finds the place again
 * after a break. Pure.
 *
 * The engine puts a time in front of each message it has logged: a line, or 16 KiB of a longer one (all
 * pieces of a line carry the same time). The place is the newest message's time, how many messages with that
 * time have been taken, and how much of the one after them. A stream that is opened again from that time
 * begins with what was taken, and that is left out: no line comes twice, none is missing. Bytes without a
 * time in front pass as they are. Source: docs/engine-facts.md, "Logs".
 */
#ifndef SLUICE_API_ENGINE_LOG_H
#define SLUICE_API_ENGINE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "2026-11-26T19:21:57.448662314+02:00" is 35 bytes. */
#define ENGINE_LOG_TIME_MAX 36

/* Pieces end anywhere; the times are not in them. */
typedef void (*engine_log_fn)(void *arg, int stream, const char *data, size_t len);

struct engine_log {
    /* The place. time_ns: wall, the engine's; 0: no message yet. */
    int64_t time_ns;
    uint64_t whole_count;
    uint64_t part_bytes;
    /* What an opened stream still repeats: messages of that time, and then bytes. */
    int64_t repeated_ns; /* 0: nothing */
    uint64_t repeated_count;
    uint64_t repeated_bytes;
    /* The message at hand. */
    bool is_tty;
    bool is_in_text; /* its time has been read, or it has none */
    bool has_time;
    bool is_left_out;
    uint64_t text_bytes; /* of it so far */
    uint64_t skip_bytes;
    char head[ENGINE_LOG_TIME_MAX]; /* what may be its time */
    size_t head_len;
};

/* engine_log_open - a stream of this log begins: from the place on, if there is one. A log that is new is
 * zeroed. */
void engine_log_open(struct engine_log *log, bool is_tty);
/* engine_log_feed - bytes of one frame, or of a tty. is_last: the frame ends with them (not of a tty). fn may
 * be called any number of times. */
void engine_log_feed(struct engine_log *log, int stream, const char *data, size_t len, bool is_last,
                     engine_log_fn fn, void *arg);
/* engine_log_time_ns - read "2026-11-26T19:21:57.448662314Z", also with fewer digits and another zone; -1: it
 * is none. */
int64_t engine_log_time_ns(const char *text, size_t len);

#endif
