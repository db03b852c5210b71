/*
 * output_lines.c - see output_lines.h.
 *
 * A source with blocks is in the ring `waiting`; its turn is over with one block. A line that lies whole in
 * what is fed goes straight into a block; only one that has begun is collected.
 */
#include "core/output_lines.h"

#include "base/buf.h"
#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS = 2, KEPT_BYTES = 512 /* by an idle stream */ };

struct output_source {
    struct list link; /* lines.sources */
    struct list turn; /* lines.waiting, while it has blocks */
    struct output_lines *owner;
    char *prefix;
    size_t prefix_len;
    struct buf begun[STREAMS]; /* lines without their end yet */
    struct output_block *first;
    struct output_block *last;
    size_t bytes;        /* memory of its blocks */
    uint64_t lost_lines; /* dropped since it was last said */
    bool is_closed;
};

struct output_lines {
    struct list sources;
    struct list waiting;
    size_t source_max_bytes;
    size_t all_max_bytes;
    size_t bytes;
    struct output_block *spare; /* of the usual size; saves an allocation a block */
    struct output_counts counts;
};

struct output_lines *output_lines_new(size_t source_max_bytes, size_t all_max_bytes)
{
    struct output_lines *lines = check_alloc(sizeof(*lines));
    list_init(&lines->sources);
    list_init(&lines->waiting);
    lines->source_max_bytes = source_max_bytes;
    lines->all_max_bytes = all_max_bytes;
    return lines;
}

static struct output_block *take_first(struct output_source *s)
{
    struct output_block *block = s->first;
    s->first = block->next;
    if (s->first == NULL) {
        s->last = NULL;
        list_remove(&s->turn);
    }
    s->bytes -= block->cap;
    s->owner->bytes -= block->cap;
    block->next = NULL;
    return block;
}

static void free_block(struct output_lines *lines, struct output_block *block)
{
    if (lines->spare == NULL && block->cap == OUTPUT_BLOCK_BYTES)
        lines->spare = block;
    else
        free(block);
}

static void free_source(struct output_source *s)
{
    while (s->first != NULL)
        free(take_first(s));
    for (int i = 0; i < STREAMS; i++)
        buf_done(&s->begun[i]);
    list_remove(&s->link);
    list_remove(&s->turn);
    free(s->prefix);
    free(s);
}

void output_lines_free(struct output_lines *lines)
{
    if (lines == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&lines->sources)) != NULL)
        free_source(LIST_ITEM(link, struct output_source, link));
    free(lines->spare);
    free(lines);
}

struct output_counts output_lines_counts(const struct output_lines *lines)
{
    return lines->counts;
}

bool output_lines_is_waiting(const struct output_lines *lines)
{
    return !list_is_empty(&lines->waiting);
}

struct output_source *output_source_new(struct output_lines *lines, const char *prefix)
{
    struct output_source *s = check_alloc(sizeof(*s));
    s->owner = lines;
    s->prefix = check_strdup(prefix);
    s->prefix_len = strlen(prefix);
    for (int i = 0; i < STREAMS; i++)
        buf_init(&s->begun[i], OUTPUT_LINE_MAX_BYTES);
    list_init(&s->turn);
    list_add_last(&lines->sources, &s->link);
    return s;
}

/* ---- blocks ---- */

static void count_dropped(struct output_lines *lines, uint64_t line_count, uint64_t bytes)
{
    lines->counts.dropped_lines += line_count;
    lines->counts.dropped_bytes += bytes;
}

static void drop_oldest(struct output_source *s)
{
    struct output_block *block = take_first(s);
    s->lost_lines += block->line_count;
    count_dropped(s->owner, block->line_count, block->len);
    free_block(s->owner, block);
}

static struct output_source *largest(struct output_lines *lines)
{
    struct output_source *found = NULL;
    for (struct list *link = lines->waiting.next; link != &lines->waiting; link = link->next) {
        struct output_source *s = LIST_ITEM(link, struct output_source, turn);
        if (found == NULL || s->bytes > found->bytes)
            found = s;
    }
    return found;
}

/* The one with most gives up a quarter at once: looking for it costs a look at all. */
static void make_room(struct output_lines *lines, size_t bytes)
{
    while (lines->bytes + bytes > lines->all_max_bytes && !list_is_empty(&lines->waiting)) {
        struct output_source *s = largest(lines);
        size_t rest = s->bytes - s->bytes / 4;
        do
            drop_oldest(s);
        while (s->first != NULL && s->bytes > rest);
        if (s->first == NULL && s->is_closed)
            free_source(s);
    }
}

/* A block at the end of the source that takes `bytes` more. */
static struct output_block *room_for(struct output_source *s, size_t bytes)
{
    struct output_lines *lines = s->owner;
    if (s->last != NULL && s->last->cap - s->last->len >= bytes)
        return s->last;
    size_t cap = bytes > OUTPUT_BLOCK_BYTES ? bytes : OUTPUT_BLOCK_BYTES;
    while (s->first != NULL && s->bytes + cap > lines->source_max_bytes)
        drop_oldest(s);
    make_room(lines, cap);
    struct output_block *block = cap == OUTPUT_BLOCK_BYTES ? lines->spare : NULL;
    if (block != NULL)
        lines->spare = NULL;
    else
        block = check_alloc(sizeof(*block) + cap);
    block->next = NULL;
    block->len = 0;
    block->cap = cap;
    block->line_count = 0;
    if (s->last == NULL)
        s->first = block;
    else
        s->last->next = block;
    s->last = block;
    s->bytes += cap;
    lines->bytes += cap;
    if (list_is_empty(&s->turn))
        list_add_last(&lines->waiting, &s->turn);
    return block;
}

static void put(struct output_block *block, const char *data, size_t len)
{
    if (len > 0)
        memcpy(block->data + block->len, data, len);
    block->len += len;
}

static void add_line(struct output_source *s, const char *data, size_t len)
{
    struct output_block *block = room_for(s, s->prefix_len + len + 1);
    put(block, s->prefix, s->prefix_len);
    put(block, data, len);
    put(block, "\n", 1);
    block->line_count++;
    s->owner->counts.lines++;
}

/* ---- lines ---- */

static void end_begun(struct output_source *s, struct buf *begun)
{
    add_line(s, begun->data, begun->len);
    if (begun->cap > KEPT_BYTES)
        buf_done(begun);
    else
        buf_clear(begun);
}

static void collect(struct output_source *s, struct buf *begun, const char *data, size_t len)
{
    while (len > 0) {
        size_t room = OUTPUT_LINE_MAX_BYTES - begun->len;
        size_t piece = len < room ? len : room;
        struct err err;
        CHECK(buf_add(begun, data, piece, &err) == 0);
        data += piece;
        len -= piece;
        if (len > 0) /* a line that ends just here must not become two */
            end_begun(s, begun);
    }
}

void output_source_feed(struct output_source *s, int stream, const char *data, size_t len)
{
    struct buf *begun = &s->begun[stream == 2 ? 1 : 0];
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t piece = end == NULL ? len : (size_t)(end - data);
        if (end != NULL && begun->len == 0 && piece <= OUTPUT_LINE_MAX_BYTES) {
            add_line(s, data, piece);
        } else {
            collect(s, begun, data, piece);
            if (end != NULL)
                end_begun(s, begun);
        }
        data += piece;
        len -= piece;
        if (end != NULL) {
            data++;
            len--;
        }
    }
}

void output_source_close(struct output_source *s)
{
    for (int i = 0; i < STREAMS; i++)
        if (s->begun[i].len > 0)
            end_begun(s, &s->begun[i]);
    s->is_closed = true;
    if (s->first == NULL)
        free_source(s);
}

/* ---- on their way out ---- */

/* The block that says what is missing in front of it; it is not counted as waiting. */
static struct output_block *say_lost(struct output_source *s)
{
    static const char text[] = "[sluice: %llu lines are missing here, since stdout did not take them]\n";
    size_t cap = s->prefix_len + sizeof(text) + 20;
    struct output_block *block = check_alloc(sizeof(*block) + cap);
    *block = (struct output_block){.cap = cap};
    put(block, s->prefix, s->prefix_len);
    block->len +=
        (size_t)snprintf(block->data + block->len, cap - block->len, text, (unsigned long long)s->lost_lines);
    s->lost_lines = 0;
    return block;
}

struct output_block *output_lines_take(struct output_lines *lines)
{
    if (list_is_empty(&lines->waiting))
        return NULL;
    struct output_source *s = LIST_ITEM(lines->waiting.next, struct output_source, turn);
    if (s->lost_lines > 0)
        return say_lost(s);
    struct output_block *block = take_first(s);
    if (s->first != NULL) {
        list_remove(&s->turn);
        list_add_last(&lines->waiting, &s->turn);
    } else if (s->is_closed) {
        free_source(s);
    }
    return block;
}

void output_block_done(struct output_lines *lines, struct output_block *block, bool is_dropped,
                       size_t written_bytes)
{
    if (is_dropped)
        count_dropped(lines, block->line_count, block->len - written_bytes);
    free_block(lines, block);
}
