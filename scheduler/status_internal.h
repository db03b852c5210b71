/*
 * status_internal.h - the sections of a status, as status*.c share them. status_sections.c: columns and
 * queries.
 */
#ifndef SLUICE_STATUS_INTERNAL_H
#define SLUICE_STATUS_INTERNAL_H

#include "status.h"

enum section {
    SECTION_ALERTS,
    SECTION_HELD_BY,
    SECTION_CLASSES,
    SECTION_WAITS,
    SECTION_RUNNING,
    SECTION_LIMITS,
    SECTION_BREAKERS,
    SECTION_TROUBLE,
    SECTION_TIMEOUTS,
    SECTION_PARKED,
    SECTION_NOT_TAKEN,
    SECTION_COUNT
};

struct status_section {
    const char *key;     /* in JSON */
    const char *heading; /* for people */
    const char *needs;   /* table or view that the query reads */
    const struct table_column *columns;
    size_t count;
    const char *sql; /* ?1: wall milliseconds from when on trouble counts, ?2: the same for single timeouts */
};
extern const struct status_section status_sections[SECTION_COUNT];

/* Columns by place, of the sections that are more than shown. */
enum { CLASS_NAME, CLASS_QUEUED, CLASS_STARTING, CLASS_RUNNING, CLASS_ENDING, CLASS_PARKED };
enum { WAIT_CLASS, WAIT_REASON, WAIT_RUNS, WAIT_OLDEST, WAIT_COLUMNS };
enum { LIMIT_LIMIT = 3, LIMIT_IN_USE = 2, LIMIT_LEARNED = 5, LIMIT_COLUMNS = 8 };

#endif
