/*
 * values.h - how many runs hold a running slot of each value that a limit counts by (core/per_value.h); and
 * how many of a deployment wait for their image, so that one that is long in coming holds up no others
 * (core/ahead.h).
 *
 * A value is there as long as a launch counts against it. Its count follows from rows, as all slots do: the
 * runner tells each step's difference, so it can't leak.
 */
#ifndef SLUICE_VALUES_H
#define SLUICE_VALUES_H

#include "config.h"
#include "live.h"

struct value {
    /* Class and line: "etl\ntag:team-*\tteam-a"; of the pool "\ntag:..."; "\npulls\tDEPLOYMENT IMAGE" */
    char *key;
    bool is_of_pulls; /* counts who waits for the image, not who holds a running slot */
    int64_t limit;
    int64_t in_use; /* from rows */
    int64_t let_in; /* admission's: let through in this turn, on top of the rows */
    size_t users;   /* launches that count against it */
    struct list changed_link;
    struct list blocked; /* lanes.c's: lanes that wait for it */
};

struct values;

struct values *values_new(void);
void values_free(struct values *values);

/* values_lines - what a run of this class counts against; as per_value_lines(). */
char *values_lines(const struct config *config, const struct config_class *class_,
                   const struct match_subject *run, const char *before);
/* values_attach - find the launch's values by its row (limit_values, deployment_id, and the image as far as
 * it is known by now); values_detach: let go of them. The launch must not be counted meanwhile. */
void values_attach(struct values *values, const struct config *config, struct live *live);
void values_detach(struct values *values, struct live *live);
/* values_count - a launch went from `before` to `after`; either may be NULL. */
void values_count(struct values *values, const struct live *live, const struct run *before,
                  const struct run *after);

bool value_is_full(const struct value *value);
void values_let_in(struct values *values, const struct live *live);
/* values_take_changed - one that has, or may have, room again since it was last asked for; its let_in is 0.
 * NULL: none. */
struct value *values_take_changed(struct values *values);
/* values_in_use - of this key, for tests; 0 if there is none. */
int64_t values_in_use(const struct values *values, const char *key);

#endif
