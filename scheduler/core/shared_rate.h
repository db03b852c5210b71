/*
 * shared_rate.h - starts of many hosts at one rate: tokens of a Prefect global concurrency limit with slot
 * decay.
 *
 * The limit's `limit` is the burst and its slot_decay_per_second the rate. Tokens are asked for in advance, a
 * few at a time: as many as runs stand ready, twice as many after each grant, half as many after a refusal
 * (a limit of 3 never grants 4 together). A token that is not used within SHARED_RATE_KEPT_MS is thrown away:
 * used late, those of several hosts would come together. While the limit can't be asked, a bucket of the
 * host's own counts instead. A request whose answer was lost may have cost tokens that nobody uses; it is
 * never repeated, the next one is another. Pure: values in, values out. Source: Prefect 3.8.8, POST
 * /v2/concurrency_limits/increment with mode rate_limit: 200, or 423 with Retry-After.
 */
#ifndef SLUICE_CORE_SHARED_RATE_H
#define SLUICE_CORE_SHARED_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define SHARED_RATE_ASK_MAX 8
#define SHARED_RATE_KEPT_MS 5000
/* Between two tries at a limit that can't be asked. */
#define SHARED_RATE_AGAIN_MS 2000

struct shared_rate {
    int64_t held;         /* granted and not used */
    int64_t held_till_ms; /* mono */
    int64_t ask;          /* tokens of the next request, 1 to SHARED_RATE_ASK_MAX; 0 counts as 1 */
    int64_t asked;        /* tokens of the request that is out; 0: none is */
    int64_t next_ask_ms;  /* mono; not before */
    bool is_away;         /* the last request was neither granted nor refused: the host's own bucket counts */
};

/* shared_rate_wants - how many tokens to ask for now, with `ready` runs that wait for one; 0: none now. */
int64_t shared_rate_wants(const struct shared_rate *rate, int64_t ready, int64_t now_ms);
/* shared_rate_wait_ms - how long until a request may go, if one is wanted and none is out; 0: now. */
int64_t shared_rate_wait_ms(const struct shared_rate *rate, int64_t now_ms);
/* Is a token there? */
bool shared_rate_has(const struct shared_rate *rate, int64_t now_ms);
/* shared_rate_take - only when shared_rate_has(). */
struct shared_rate shared_rate_take(struct shared_rate rate);

/* What became of it: sent, granted, refused (retry_after_ms: what the server asks for, -1 nothing), or none
 * of both (an outage, or no such limit). */
struct shared_rate shared_rate_sent(struct shared_rate rate, int64_t tokens);
struct shared_rate shared_rate_granted(struct shared_rate rate, int64_t now_ms);
struct shared_rate shared_rate_refused(struct shared_rate rate, int64_t retry_after_ms, int64_t now_ms);
struct shared_rate shared_rate_failed(struct shared_rate rate, int64_t now_ms);

#endif
