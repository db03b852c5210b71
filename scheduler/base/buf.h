/*
 * buf.h - a growing byte buffer that is born with its maximum.
 *
 * Always NUL-terminated once something was added, so that `data` may be read as text. A failed append leaves
 * the buffer as it was; the caller reports LIMIT.
 */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include "base/err.h"

#include <stddef.h>

struct buf {
    char *data; /* owned; NULL while empty */
    size_t len; /* bytes in use, without the closing NUL */
    size_t cap; /* bytes allocated */
    size_t max; /* bytes allowed */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);
/* Forget the content, keep the memory. */
void buf_clear(struct buf *b);
int buf_add(struct buf *b, const void *data, size_t len, struct err *err) MUST_CHECK;
int buf_add_str(struct buf *b, const char *s, struct err *err) MUST_CHECK;
int buf_printf(struct buf *b, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_CHECK;
/* Drop the first n bytes (n <= len). */
void buf_consume(struct buf *b, size_t n);
/* The content as text, "" if empty; borrowed until the next change. */
const char *buf_text(const struct buf *b);
/* Hand the content out as a malloc'ed, NUL-terminated string; the buffer is empty afterwards. */
char *buf_take(struct buf *b);

#endif
