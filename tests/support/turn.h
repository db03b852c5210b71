/*
 * turn.h - turns an event base until what can happen without more time has happened.
 *
 * For tests whose servers live on the same base and thread. Time does not pass here: due timers are the fake
 * clock's job. Every loop has a limit.
 */
#ifndef SLUICE_TESTS_SUPPORT_TURN_H
#define SLUICE_TESTS_SUPPORT_TURN_H

#include <stdbool.h>

struct event_base;
struct http;

/* turn_until_quiet - turn until http_activity() has stood still for several turns. http NULL: just several
 * turns. Stops the program after 200,000 turns. */
void turn_until_quiet(struct event_base *base, const struct http *http);

/* turn_until - turn until is_done(arg). False if it was not within 20,000 turns; a turn in which nothing
 * happens takes a millisecond, so that a server in another thread or process has its time, too. */
bool turn_until(struct event_base *base, bool (*is_done)(const void *arg), const void *arg)
    __attribute__((warn_unused_result));

#endif
