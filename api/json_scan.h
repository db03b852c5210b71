/*
 * json_scan.h - what cJSON is too kind for, looked at before it parses: json.c's first step, and its alone.
 *
 * cJSON reads numbers as doubles, cuts strings at \u0000, takes control characters, malformed \u, bytes that
 * are no UTF-8 and numbers such as 01. So the text is walked first: what cJSON should have refused is
 * refused, and each number becomes a string that begins with JSON_MARK, a byte that no valid UTF-8 holds.
 */
#ifndef SLUICE_API_JSON_SCAN_H
#define SLUICE_API_JSON_SCAN_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

#define JSON_MARK '\xff'

/*
 * json_scan - the text with its numbers marked, added to `marked`. The grammar between tokens is not looked
 * at. Errors: PARSE, INVALID (\u0000), LIMIT (nested too deep), each with the offset.
 */
int json_scan(const char *text, size_t len, struct buf *marked, struct err *err) MUST_CHECK;

/* json_scan_source_offset - where in the text that was scanned an offset of `marked` lies. */
size_t json_scan_source_offset(const struct buf *marked, size_t offset);

/* json_scan_refuse - PARSE, with what is wrong at this offset of the text. Returns -1. */
int json_scan_refuse(size_t offset, const char *what, struct err *err);

/* json_utf8_len - bytes of the UTF-8 sequence at p (RFC 3629: shortest form, no surrogates); 0: there is
 * none. left: bytes that may be read, at least one. */
size_t json_utf8_len(const unsigned char *p, size_t left);

/* json_number_len - bytes of the JSON number (RFC 8259, 6) at the front of the text; 0: there is none. */
size_t json_number_len(const char *text, size_t len);

#endif
