/*
 * engine_stream.h - what the engine sends piece by piece, taken apart: lines, log frames, pull progress.
 * Pure.
 *
 * Pieces may end anywhere. Memory is bounded: a line that is too long is skipped and counted, log frames are
 * handed on without being collected.
 */
#ifndef SLUICE_API_ENGINE_STREAM_H
#define SLUICE_API_ENGINE_STREAM_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_LINE_MAX_BYTES ((size_t)256 * 1024)

/* Lines end with LF; CR before it and blank lines are dropped. */
struct engine_lines {
    struct buf rest; /* a line that has begun */
    bool is_skipping;
    uint64_t too_long; /* lines skipped */
};
/* line: not NUL-terminated. Return false to stop. */
typedef bool (*engine_line_fn)(void *arg, const char *line, size_t len);

void engine_lines_init(struct engine_lines *lines, size_t max_bytes);
void engine_lines_done(struct engine_lines *lines);
/* Returns false when fn did; the rest of the data is dropped then. */
bool engine_lines_feed(struct engine_lines *lines, const char *data, size_t len, engine_line_fn fn,
                       void *arg);
/* The stream has ended: hand out a last line without LF. */
bool engine_lines_end(struct engine_lines *lines, engine_line_fn fn, void *arg);

/* Multiplexed logs: 8 bytes (stream, 3 zero bytes, length big-endian), then that many bytes. */
struct engine_frames {
    bool is_raw; /* a tty: no frames */
    unsigned char header[8];
    size_t header_len;
    uint32_t left; /* bytes of the frame still to come */
    int stream;
};
typedef bool (*engine_frame_fn)(void *arg, int stream, const char *data, size_t len);

enum engine_frames_result { ENGINE_FRAMES_OK, ENGINE_FRAMES_STOPPED, ENGINE_FRAMES_BAD };

void engine_frames_init(struct engine_frames *frames, bool is_raw);
/* stream is 1 or 2; the engine's own messages (3) come as 2, "stdin" (0) as 1. STOPPED: fn returned false. */
enum engine_frames_result engine_frames_feed(struct engine_frames *frames, const char *data, size_t len,
                                             engine_frame_fn fn, void *arg);
/* Did the stream end between two frames? */
bool engine_frames_is_complete(const struct engine_frames *frames);

/* An image has no more layers; of further ones nothing is counted. */
#define ENGINE_LAYERS_MAX 128
/* What one layer's lines have told. */
struct engine_layer {
    uint64_t id_hash;
    int64_t bytes; /* downloaded */
    int64_t total; /* 0: not told */
};

/* A pull's JSON lines. */
struct engine_pull {
    char *error;        /* the first error line's sentence; owned; NULL: none */
    uint64_t bad_lines; /* lines that are no JSON object */
    struct engine_layer *layers;
    size_t layer_count;
};
void engine_pull_done(struct engine_pull *pull);
/* engine_pull_bytes - downloaded so far, as the lines tell: nothing of layers that were here, and of a layer
 * so small that its progress was never told. */
int64_t engine_pull_bytes(const struct engine_pull *pull);
/* An engine_line_fn; arg is a struct engine_pull. Never stops the stream. */
bool engine_pull_line(void *arg, const char *line, size_t len);

#endif
