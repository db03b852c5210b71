/*
 * per_value.h - limits that count for each value of something apart: "at most 5 running of each team".
 *
 * A limit is written WORD LIMIT, where WORD is tag:GLOB (each tag that the glob matches is a value),
 * deployment, flow, work_queue, or parameter:NAME. A run counts against each value it has; one that has none
 * (no such tag, no deployment, no such parameter) is not limited. What a run counts against is a text of
 * lines, WORD tab VALUE, that is kept in its row: so slots can be counted anew from rows alone, although tags
 * and parameters are not stored.
 */
#ifndef SLUICE_CORE_PER_VALUE_H
#define SLUICE_CORE_PER_VALUE_H

#include "core/match.h"

#include <stdint.h>

#define PER_VALUE_WORD_SIZE 200
/* A longer value, or one with control characters, stands as "#" and a hash of it. */
#define PER_VALUE_MAX_BYTES 200
#define PER_VALUE_LIMIT_MAX 1000000

enum per_value_kind {
    PER_VALUE_TAG,
    PER_VALUE_DEPLOYMENT, /* as flow/deployment */
    PER_VALUE_FLOW,
    PER_VALUE_WORK_QUEUE,
    PER_VALUE_PARAMETER
};

struct per_value {
    enum per_value_kind kind;
    char word[PER_VALUE_WORD_SIZE]; /* "tag:team-*", blanks at its end cut off */
    const char *name;               /* the glob or the parameter's name, within word; "" for others */
    int64_t limit;                  /* 1..PER_VALUE_LIMIT_MAX */
};

/* per_value_parse - read "tag:team-* 5". NULL, or what is wrong with it ("has no number at its end"). */
const char *per_value_parse(const char *item, struct per_value *out);

/*
 * per_value_lines - what the run counts against, by these limits: lines without doubles, the last one without
 * newline; "" if nothing. Of what the subject doesn't know (tags or parameter_names NULL) the lines of
 * `before` stay. The caller frees it.
 */
char *per_value_lines(const struct per_value *limits, size_t count, const struct match_subject *run,
                      const char *before);

/* per_value_has - is this line (line_len bytes) one of the limit's? */
bool per_value_has(const struct per_value *limit, const char *line, size_t line_len);

#endif
