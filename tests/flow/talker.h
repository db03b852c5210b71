/*
 * talker.h - a client of the admin socket in the test's own thread, and the real commands beside a service
 * that goes on turning.
 */
#ifndef SLUICE_TESTS_FLOW_TALKER_H
#define SLUICE_TESTS_FLOW_TALKER_H

#include "tests/flow/world.h"

struct talker {
    int fd;
    char text[16384]; /* all that was heard */
    size_t len;
    bool is_over; /* the service has closed it */
};

void talker_join(struct talker *t, struct world *w);
/* Send one request and wait for its answer; the answer, borrowed until the next call. */
const char *talker_ask(struct talker *t, struct world *w, const char *request);
/* Take in what has come; whether it holds the text. */
bool talker_has_heard(struct talker *t, const char *text);
void talker_leave(struct talker *t);

/* A request on a connection of its own; the answer, borrowed until the next call. */
const char *ask(struct world *w, const char *request);

/* Fails the test where the part is not in it. */
void expect_said(const char *said, const char *part);

/*
 * run_command - `sluice WORDS... --state FILE` in a process of its own, while the service turns (it may end
 * meanwhile, or not be there). Words are separated by "|". *text: what it printed on both outputs, borrowed
 * until the next call. Returns the exit code.
 */
int run_command(struct world *w, const char *words, const char **text);

#endif
