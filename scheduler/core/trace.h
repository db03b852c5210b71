/*
 * trace.h - ids of traces and spans, whether a trace is recorded, and the text form of both (W3C Trace
 * Context, "traceparent").
 *
 * All ids follow from the launch id by mixing, so that a restart in mid-life goes on in the same trace and
 * nothing has to be stored. Only the trace that a run brings along is kept with the launch.
 */
#ifndef SLUICE_CORE_TRACE_H
#define SLUICE_CORE_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_PARENT_SIZE 56 /* 00-32 digits-16 digits-2 digits */

/* Both 0: none. */
struct trace_id {
    uint64_t high;
    uint64_t low;
};

struct trace_parent {
    struct trace_id trace;
    uint64_t span; /* never 0 */
    bool is_sampled;
};

/* trace_parent_read - false if the text is no traceparent (NULL and "" are none). Any version but ff is read,
 * as the standard says. */
bool trace_parent_read(const char *text, struct trace_parent *out);
void trace_parent_write(const struct trace_parent *parent, char text[static TRACE_PARENT_SIZE]);

/* trace_id_of - the trace of a launch that no other trace is the parent of; different ids give different
 * ones. launch_id: a UUID. */
struct trace_id trace_id_of(const char *launch_id);
/* trace_span_of - the span of a launch that is `what`, began then (wall), and is the n-th of these; never 0.
 */
uint64_t trace_span_of(const char *launch_id, const char *what, int64_t began_ms, uint64_t n);

/* As OTEL_TRACES_SAMPLER means them. */
struct trace_sampler {
    bool follows_parent; /* parentbased_: what a parent says counts, if there is one */
    double ratio;        /* of the others, 0..1 */
};
/* trace_sampler_named - NULL-safe; false if the name is none of always_on, always_off, traceidratio and their
 * parentbased_ forms. arg: the ratio of traceidratio. */
bool trace_sampler_named(const char *name, double arg, struct trace_sampler *out);
/* parent NULL: none. The same trace is decided upon alike by all who know the ratio (low half of the id). */
bool trace_is_sampled(const struct trace_sampler *sampler, struct trace_id trace,
                      const struct trace_parent *parent);

#endif
