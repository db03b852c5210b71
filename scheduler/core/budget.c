#include "core/budget.h"

#define SECOND_MS 1000
#define WINDOW_S (BUDGET_WINDOW_MS / SECOND_MS)
#define FLOOR_WINDOW_S (BUDGET_FLOOR_WINDOW_MS / SECOND_MS)

static int64_t second_of(const struct budget *b, int64_t now_ms)
{
    int64_t second = now_ms / SECOND_MS;
    return second > b->newest_s ? second : b->newest_s;
}

/* Forget what fell out of the ring since the newest count. */
static void move_on(struct budget *b, int64_t now_ms)
{
    int64_t second = second_of(b, now_ms);
    int64_t first = second - b->newest_s >= BUDGET_SECONDS ? second - BUDGET_SECONDS + 1 : b->newest_s + 1;
    for (int64_t s = first; s <= second; s++) {
        b->requests[s % BUDGET_SECONDS] = 0;
        b->retries[s % BUDGET_SECONDS] = 0;
    }
    b->newest_s = second;
}

/* Over the seconds newest - span to now's, as far as the ring still holds them. */
static int64_t sum(const struct budget *b, const uint32_t *counts, int64_t now_s, int64_t span)
{
    int64_t total = 0;
    for (int64_t s = now_s - span; s <= b->newest_s; s++)
        if (s >= 0 && s > b->newest_s - BUDGET_SECONDS)
            total += counts[s % BUDGET_SECONDS];
    return total;
}

/* Retries that the requests of the window pay for. */
static int64_t share_of(const struct budget *b, int64_t now_s)
{
    int64_t first_requests = sum(b, b->requests, now_s, WINDOW_S) - sum(b, b->retries, now_s, WINDOW_S);
    return first_requests > 0 ? first_requests * BUDGET_PERCENT / 100 : 0;
}

void budget_request(struct budget *b, int64_t now_ms)
{
    move_on(b, now_ms);
    b->requests[b->newest_s % BUDGET_SECONDS]++;
}

void budget_retry(struct budget *b, int64_t now_ms)
{
    move_on(b, now_ms);
    b->retries[b->newest_s % BUDGET_SECONDS]++;
}

/* When so many of the last retries have left the floor's window. */
static int64_t floor_wait_ms(const struct budget *b, int64_t now_ms, int64_t leaving)
{
    int64_t now_s = second_of(b, now_ms);
    for (int64_t s = now_s - FLOOR_WINDOW_S; s <= b->newest_s; s++) {
        if (s < 0)
            continue;
        leaving -= b->retries[s % BUDGET_SECONDS];
        if (leaving <= 0)
            return (s + FLOOR_WINDOW_S + 1) * SECOND_MS - now_ms;
    }
    return (FLOOR_WINDOW_S + 1) * SECOND_MS;
}

int64_t budget_left(const struct budget *b, int64_t now_ms)
{
    int64_t now_s = second_of(b, now_ms);
    int64_t by_share = share_of(b, now_s) - sum(b, b->retries, now_s, WINDOW_S);
    int64_t by_floor = BUDGET_FLOOR - sum(b, b->retries, now_s, FLOOR_WINDOW_S);
    int64_t left = by_share > by_floor ? by_share : by_floor;
    return left > 0 ? left : 0;
}

int64_t budget_wait_ms(const struct budget *b, int64_t now_ms, int64_t ahead)
{
    int64_t now_s = second_of(b, now_ms);
    int64_t share = share_of(b, now_s);
    int64_t recent = sum(b, b->retries, now_s, FLOOR_WINDOW_S);
    if (sum(b, b->retries, now_s, WINDOW_S) + ahead < share || recent + ahead < BUDGET_FLOOR)
        return 0;
    /* Whole rounds of the floor go before; then as many of the last round must have left. */
    int64_t rounds = ahead / BUDGET_FLOOR;
    int64_t leaving = recent + ahead % BUDGET_FLOOR - BUDGET_FLOOR + 1;
    int64_t wait_ms =
        rounds * (BUDGET_FLOOR_WINDOW_MS + SECOND_MS) + (leaving > 0 ? floor_wait_ms(b, now_ms, leaving) : 0);
    /* A share that is more than the floor comes back evenly. */
    int64_t by_share_ms = share > 0 ? (ahead + 1) * BUDGET_WINDOW_MS / share : wait_ms;
    wait_ms = by_share_ms < wait_ms ? by_share_ms : wait_ms;
    return wait_ms > 0 ? wait_ms : 1;
}
