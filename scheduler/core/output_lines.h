/*
 * output_lines.h - containers' output as whole lines that wait for stdout: bounded for each container and in
 * all, and fair. Pure.
 *
 * Each stream of a container (stdout, stderr) makes lines of its own. A line ends with LF; bytes are bytes.
 * Longer ones than OUTPUT_LINE_MAX_BYTES become several. Lines wait in blocks of about a pipe's page. Whoever
 * writes takes a block from each container in turn, so a loud one doesn't delay the others. What is beyond a
 * container's bound is dropped from its oldest; what is beyond the bound of all is dropped from whoever has
 * most waiting. Where lines are missing, a line says so.
 */
#ifndef SLUICE_CORE_OUTPUT_LINES_H
#define SLUICE_CORE_OUTPUT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTPUT_LINE_MAX_BYTES ((size_t)16384)
/* A write of so many bytes into a pipe is never cut or mixed with another's. */
#define OUTPUT_BLOCK_BYTES ((size_t)4096)

struct output_lines;
struct output_source;

struct output_counts {
    uint64_t lines;         /* complete, whatever became of them */
    uint64_t dropped_lines; /* at least begun to be dropped */
    uint64_t dropped_bytes; /* with their names in front */
};

/* source_max_bytes, all_max_bytes: memory that waiting blocks may take. */
struct output_lines *output_lines_new(size_t source_max_bytes, size_t all_max_bytes);
/* All sources are gone by then, or go with it. Accepts NULL. */
void output_lines_free(struct output_lines *lines);
struct output_counts output_lines_counts(const struct output_lines *lines);
/* Blocks wait. */
bool output_lines_is_waiting(const struct output_lines *lines);

/* output_source_new - a container; prefix: in front of each line, "" for none; copied. */
struct output_source *output_source_new(struct output_lines *lines, const char *prefix);
/* output_source_feed - stream: 1 or 2. */
void output_source_feed(struct output_source *source, int stream, const char *data, size_t len);
/* output_source_close - nothing more comes: what has no LF yet is a line. The source is freed once its lines
 * have been taken. */
void output_source_close(struct output_source *take_source);

/* A block of whole lines on its way out. */
struct output_block {
    struct output_block *next;
    size_t len;
    size_t cap;
    size_t line_count;
    char data[];
};
/* output_lines_take - the next block, to be freed by output_block_done(); NULL: none. */
struct output_block *output_lines_take(struct output_lines *lines);
/* output_block_done - frees a block. dropped: that it was not written; bytes of it that were. */
void output_block_done(struct output_lines *lines, struct output_block *take_block, bool is_dropped,
                       size_t written_bytes);

#endif
