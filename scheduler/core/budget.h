/*
 * budget.h - how many retries one dependency may be sent: a tenth of its requests, and a few in any case.
 *
 * A retry may go while fewer than BUDGET_PERCENT of the first requests of the last 60 s were followed by one,
 * or while fewer than BUDGET_FLOOR went in the last 10 s, whichever is more. So a dependency that fails half
 * of what it is asked sees at most 1.1 times the load, and one that is hardly used is still retried at once.
 * An empty budget delays and never fails anything. Looks are no business of this: they are neither retries
 * nor held. Counted in seconds, rounded against the retry: in no 10 s do more than the floor go. Fixed size;
 * time is an argument (mono milliseconds; one that goes back counts as the latest seen). Source: Google,
 * "Site Reliability Engineering", chapter 21 (10 % a client); Twitter Finagle, RetryBudget.
 */
#ifndef SLUICE_CORE_BUDGET_H
#define SLUICE_CORE_BUDGET_H

#include <stdint.h>

#define BUDGET_PERCENT 10
#define BUDGET_WINDOW_MS 60000
#define BUDGET_FLOOR 10
#define BUDGET_FLOOR_WINDOW_MS 10000
/* The window, and the second that has just begun. */
#define BUDGET_SECONDS 61

struct budget {
    int64_t newest_s;                  /* the second of the newest count */
    uint32_t requests[BUDGET_SECONDS]; /* by second, a ring; retries among them */
    uint32_t retries[BUDGET_SECONDS];
};

/* All zero is a fresh budget. */

/* budget_request - a request was made, be it a first one or a retry. */
void budget_request(struct budget *budget, int64_t now_ms);
/* budget_retry - a retry is let go now; its request is told with budget_request() besides. */
void budget_retry(struct budget *budget, int64_t now_ms);

/* budget_left - retries that may go at once, for people. */
int64_t budget_left(const struct budget *budget, int64_t now_ms);

/*
 * budget_wait_ms - how long until a retry may go, 0: now. ahead: retries that wait already and go first.
 * Never more than it takes the floor to let all of those go; it may be less when it has passed, since
 * requests come in meanwhile: ask again.
 */
int64_t budget_wait_ms(const struct budget *budget, int64_t now_ms, int64_t ahead);

#endif
