/*
 * metrics_text.h - writes samples as text in one of the two formats that Prometheus reads, and chooses which.
 *
 * Families are written one after the other, each sample under the family that was begun last. A label's value
 * may be anything: it is escaped, and what is no printable UTF-8 or too long is replaced, with a hash of the
 * whole behind it so that two values stay two.
 * Source: OpenMetrics 1.0 (RFC draft, prometheus/OpenMetrics); Prometheus text exposition format 0.0.4.
 */
#ifndef SLUICE_METRICS_TEXT_H
#define SLUICE_METRICS_TEXT_H

#include "base/buf.h"
#include "core/histogram.h"
#include "metrics_table.h"

#include <stdbool.h>

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* metrics_format_for - by an Accept header (RFC 9110, 12.5.1): OpenMetrics 1.0 where it is named and wanted
 * no less than the other; Prometheus 0.0.4 otherwise, also where neither would be acceptable. */
enum metrics_format metrics_format_for(const char *accept);
const char *metrics_content_type(enum metrics_format format);

/* Longer values of labels are cut. */
#define METRICS_LABEL_MAX_BYTES 96

struct metrics_text {
    struct buf *out; /* borrowed */
    enum metrics_format format;
    const struct metrics_family *family;
    bool is_begun;  /* the family's description is written; that waits for its first sample */
    bool is_failed; /* the buffer was too small */
    size_t series;  /* so far */
};

struct metrics_label {
    const char *name;
    const char *value;
};
#define METRICS_LABELS_MAX 3

void metrics_text_begin(struct metrics_text *text, enum metrics_id family);
/* labels: METRICS_LABELS_MAX of them or fewer, ended by a NULL name; NULL: none. */
void metrics_text_count(struct metrics_text *text, const struct metrics_label *labels, uint64_t value);
/* A number that is none, or is infinite, is written as the formats do: NaN, +Inf. */
void metrics_text_value(struct metrics_text *text, const struct metrics_label *labels, double value);
/* shown: the bits of the bounds that are written; "+Inf" always is. */
void metrics_text_histogram(struct metrics_text *text, const struct metrics_label *labels,
                            const struct histogram *histogram, const struct histogram_bounds *bounds,
                            uint32_t shown);
/* The closing line, where the format has one. */
void metrics_text_end(struct metrics_text *text);

#endif
