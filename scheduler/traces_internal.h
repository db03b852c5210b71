/*
 * traces_internal.h - what the files of the traces share.
 *
 * traces.c        their life, where a launch's spans belong, and what others ask for
 * traces_spans.c  which spans there are, and what they say
 */
#ifndef SLUICE_TRACES_INTERNAL_H
#define SLUICE_TRACES_INTERNAL_H

#include "traces.h"

struct traces {
    struct timers *timers;
    struct http *http;
    struct otlp *otlp; /* NULL: there are no traces */
    struct trace_sampler sampler;
    char *pool;
    uint64_t serial;        /* of spans that nobody refers to; begins anywhere */
    struct timer say_timer; /* runs while something was added and not yet looked after */
    uint64_t said;          /* dropped ones */
    struct timer flush_timer;
    void (*flush_done)(void *arg);
    void *flush_arg;
};

/* Where the spans of a launch belong. */
struct trace_context {
    const struct launch *launch;
    struct trace_parent parent; /* span 0: none */
    struct trace_parent root;   /* its own first span */
};

/* traces_context - false: there are no traces. */
bool traces_context(const struct traces *traces, const struct launch *launch, struct trace_context *out);
/* Hand a span to the exporter; its trace is filled in. */
void traces_add(struct traces *traces, const struct trace_context *context, struct otlp_span *span);

#endif
