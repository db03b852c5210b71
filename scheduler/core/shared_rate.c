#include "core/shared_rate.h"

/* Without a word of the server on when to come back; and at most, whatever it says: its Retry-After grows
 * with all refusals there ever were. */
#define PAUSE_MS 1000
#define PAUSE_MAX_MS 10000

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t held_now(const struct shared_rate *rate, int64_t now_ms)
{
    return now_ms < rate->held_till_ms ? rate->held : 0;
}

int64_t shared_rate_wants(const struct shared_rate *rate, int64_t ready, int64_t now_ms)
{
    int64_t missing = ready - held_now(rate, now_ms);
    if (missing <= 0 || rate->asked > 0 || now_ms < rate->next_ask_ms)
        return 0;
    return least(missing, rate->ask > 0 ? rate->ask : 1);
}

int64_t shared_rate_wait_ms(const struct shared_rate *rate, int64_t now_ms)
{
    return now_ms < rate->next_ask_ms ? rate->next_ask_ms - now_ms : 0;
}

bool shared_rate_has(const struct shared_rate *rate, int64_t now_ms)
{
    return held_now(rate, now_ms) > 0;
}

struct shared_rate shared_rate_take(struct shared_rate rate)
{
    rate.held--;
    return rate;
}

struct shared_rate shared_rate_sent(struct shared_rate rate, int64_t tokens)
{
    rate.asked = tokens;
    return rate;
}

struct shared_rate shared_rate_granted(struct shared_rate rate, int64_t now_ms)
{
    rate.held = held_now(&rate, now_ms) + rate.asked;
    rate.held_till_ms = now_ms + SHARED_RATE_KEPT_MS;
    /* Only a request that was cut to `ask` tells that more are wanted. */
    if (rate.asked >= rate.ask)
        rate.ask = least(2 * rate.asked, SHARED_RATE_ASK_MAX);
    rate.asked = 0;
    rate.is_away = false;
    return rate;
}

struct shared_rate shared_rate_refused(struct shared_rate rate, int64_t retry_after_ms, int64_t now_ms)
{
    rate.next_ask_ms = now_ms + (retry_after_ms < 0 ? PAUSE_MS : least(retry_after_ms, PAUSE_MAX_MS));
    rate.ask = rate.asked > 1 ? rate.asked / 2 : 1;
    rate.asked = 0;
    rate.is_away = false;
    return rate;
}

struct shared_rate shared_rate_failed(struct shared_rate rate, int64_t now_ms)
{
    rate.next_ask_ms = now_ms + SHARED_RATE_AGAIN_MS;
    rate.ask = 1;
    rate.asked = 0;
    rate.is_away = true;
    return rate;
}
