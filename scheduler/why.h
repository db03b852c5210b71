/*
 * why.h - why a run waits, failed, or how it ended: one sentence from what the state file says of it.
 *
 * Pure: texts in, text out. Times are the file's ISO 8601 texts.
 */
#ifndef SLUICE_WHY_H
#define SLUICE_WHY_H

/* Columns of why_query(), in this order; "" where there is nothing. */
struct why {
    const char *run_id;
    const char *run_name;
    const char *class_name;
    const char *state;
    const char *since;       /* the last change of state */
    const char *position;    /* in the queue */
    const char *waits_for;   /* as the view `queue` says it */
    const char *next_try_at; /* "": no backoff, or it is over */
    const char *tries;       /* failed ones of this state; "0": none */
    const char *last_error;
    const char *verdict;
    const char *exit_code;
    const char *oom_killed; /* "1" */
    const char *container_id;
    const char *started_at;
    const char *came_from; /* the state before, as the history says it */
    const char *came_by;   /* what led to the present one */
    const char *token_s;   /* seconds until a token of the tightest bucket is there; "": none is missing */
};

/* What ends the wait, a sentence; "" if it does not wait. Borrowed for ever. */
const char *why_ends(const struct why *why);
/* The SQL that finds the runs of a name, or whose id begins with the word; the best one first. Columns: those
 * of struct why, then launch_id. ?1: the word. */
extern const char why_query[];
/* The whole sentence, malloc'ed. */
char *why_say(const struct why *why);

#endif
