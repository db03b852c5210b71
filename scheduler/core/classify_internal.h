/*
 * classify_internal.h - the shape of the built-in table, shared by the table, the judge and its test.
 */
#ifndef SLUICE_CORE_CLASSIFY_INTERNAL_H
#define SLUICE_CORE_CLASSIFY_INTERNAL_H

#include "core/classify.h"

#include <stddef.h>

/* Bits for dependencies, stages and kinds of status, so that a row can name several. */
enum {
    FROM_ENGINE = 1 << DEPENDENCY_ENGINE,
    FROM_REGISTRY = 1 << DEPENDENCY_REGISTRY,
    FROM_PREFECT = 1 << DEPENDENCY_PREFECT,
    FROM_ANY = FROM_ENGINE | FROM_REGISTRY | FROM_PREFECT,

    STATUS_NONE = 1 << 0, /* no status line: a text alone */
    STATUS_2XX = 1 << 2,
    STATUS_3XX = 1 << 3,
    STATUS_4XX = 1 << 4,
    STATUS_5XX = 1 << 5,
    STATUS_ANY = 0xff,
    STATUS_NOT_4XX = STATUS_NONE | STATUS_2XX | STATUS_5XX, /* a 4xx settles it: what its text tells lasts */
};
#define STAGE_BIT(name) (1u << STAGE_##name)
#define STAGES_ANY 0xffffu

struct classify_rule {
    const char *name;
    unsigned dependencies;
    unsigned stages;
    unsigned status_kinds;
    int status;       /* exactly this one; 0: any of status_kinds */
    const char *text; /* lower-case alternatives parted by '|', each a substring in which '*' stands for any
                         text; NULL: any message */
    enum error_class error_class;
    bool out_of_reach;
};

/* In the order they are tried; the last row matches everything. */
extern const struct classify_rule classify_rules[];
extern const size_t classify_rule_count;

enum transport_kind {
    TRANSPORT_KIND_ANSWERED,  /* look at the table of rules */
    TRANSPORT_KIND_NOT_SENT,  /* the request did not reach the other side, whatever else is claimed */
    TRANSPORT_KIND_MAYBE_SENT /* the answer is lost if the request was sent */
};

struct classify_transport {
    enum transport_kind kind;
    enum error_class error_class; /* unless the answer to a change is lost */
    bool out_of_reach;
};

/* By enum transport. */
extern const struct classify_transport classify_transports[];

#endif
