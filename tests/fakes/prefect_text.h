/*
 * prefect_text.h - a reply of api/prefect as one line of text, the same whatever server it came from.
 *
 * Ids become the names a test gave them ("ID" if none), times become their distance from now, rounded to ten
 * seconds. For tests that compare answers, and for the contract program.
 */
#ifndef SLUICE_TESTS_PREFECT_TEXT_H
#define SLUICE_TESTS_PREFECT_TEXT_H

#include "api/prefect.h"

#define PREFECT_TEXT_NAMES_MAX 64

struct prefect_text {
    int64_t now_ms; /* wall */
    struct {
        char id[UUID_TEXT_SIZE];
        char name[16];
    } names[PREFECT_TEXT_NAMES_MAX];
    size_t name_count;
};

/* Call this id by that name from now on. */
void prefect_text_name(struct prefect_text *text, const char *id, const char *name);

enum prefect_text_kind { PREFECT_TEXT_PLAIN, PREFECT_TEXT_SET_STATE };
/* malloc'ed */
char *prefect_text_of(const struct prefect_text *text, enum prefect_text_kind kind,
                      const struct prefect_reply *reply);

#endif
