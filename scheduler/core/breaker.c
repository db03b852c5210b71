#include "core/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Probes after which the gap between two grows no more. */
#define PROBES_MAX ((BREAKER_GAP_MAX_MS - BREAKER_GAP_MS) / BREAKER_GAP_STEP_MS)

/* A burst that fails at once is one fault; the share counts what fails in so many of the seconds. */
#define SHARE_SECONDS 4

static void move_on(struct breaker *b, int64_t now_ms)
{
    int64_t second = now_ms / 1000;
    if (second <= b->newest_s)
        return;
    int64_t first = second - b->newest_s >= BREAKER_SECONDS ? second - BREAKER_SECONDS + 1 : b->newest_s + 1;
    for (int64_t s = first; s <= second; s++) {
        b->calls[s % BREAKER_SECONDS] = 0;
        b->failed[s % BREAKER_SECONDS] = 0;
    }
    b->newest_s = second;
}

static void count(struct breaker *b, int64_t now_ms, bool has_failed)
{
    move_on(b, now_ms);
    b->calls[b->newest_s % BREAKER_SECONDS]++;
    b->failed[b->newest_s % BREAKER_SECONDS] += has_failed ? 1 : 0;
}

static bool nearly_all_failed(const struct breaker *b, const struct breaker_rule *rule)
{
    int64_t calls = 0;
    int64_t failed = 0;
    int seconds = 0;
    for (int i = 0; i < BREAKER_SECONDS; i++) {
        calls += b->calls[i];
        failed += b->failed[i];
        seconds += b->failed[i] > 0 ? 1 : 0;
    }
    return seconds >= SHARE_SECONDS && calls >= rule->share_calls &&
           failed * 100 >= calls * rule->share_percent;
}

static bool is_down(const struct breaker *b, const struct breaker_rule *rule, int64_t now_ms, bool is_silent)
{
    bool is_lasting = now_ms - b->failing_since_ms >= rule->failing_ms;
    bool is_enough = b->failures >= rule->failures || (is_silent && b->failures >= rule->silent);
    return (is_lasting && is_enough) || nearly_all_failed(b, rule);
}

static void open_it(struct breaker *b, int64_t now_ms, bool is_silent)
{
    if (b->state != BREAKER_CLOSED)
        return;
    b->state = BREAKER_OPEN;
    b->is_silent = is_silent;
    b->probes = 0;
    b->next_probe_ms = now_ms + BREAKER_GAP_MS;
}

void breaker_open(struct breaker *b, int64_t now_ms)
{
    open_it(b, now_ms, true);
}

void breaker_fail(struct breaker *b, const struct breaker_rule *rule, int64_t now_ms,
                  const struct breaker_failure *failure)
{
    count(b, now_ms, true);
    /* A call that hung while others were answered says nothing of the time before the last answer. */
    if (b->failures == 0)
        b->failing_since_ms = failure->began_ms > b->good_ms ? failure->began_ms : b->good_ms;
    if (b->failures < INT32_MAX)
        b->failures++;
    if (b->state == BREAKER_CLOSED && is_down(b, rule, now_ms, failure->is_silent))
        open_it(b, now_ms, failure->is_silent && !failure->is_refusal);
    if (b->state == BREAKER_CLOSED)
        return;
    b->state = BREAKER_OPEN;
    if (failure->retry_after_ms > 0 && now_ms + failure->retry_after_ms > b->next_probe_ms)
        b->next_probe_ms = now_ms + failure->retry_after_ms;
}

void breaker_succeed(struct breaker *b, int64_t now_ms)
{
    if (b->state != BREAKER_CLOSED) { /* what failed before it opened must not open it at once again */
        memset(b->calls, 0, sizeof(b->calls));
        memset(b->failed, 0, sizeof(b->failed));
    }
    b->state = BREAKER_CLOSED;
    b->failures = 0;
    b->good_ms = now_ms;
    count(b, now_ms, false);
}

int64_t breaker_wait_ms(const struct breaker *b, int64_t now_ms)
{
    if (b->state == BREAKER_CLOSED || now_ms >= b->next_probe_ms)
        return 0;
    return b->next_probe_ms - now_ms;
}

void breaker_probe(struct breaker *b, int64_t now_ms, uint64_t random)
{
    int64_t gap_ms = BREAKER_GAP_MS + (int64_t)b->probes * BREAKER_GAP_STEP_MS;
    if (b->probes < PROBES_MAX)
        b->probes++;
    /* A tenth on top, so that not all workers come at once. */
    gap_ms += (int64_t)(random % (uint64_t)(gap_ms / 10 + 1));
    b->state = BREAKER_HALF_OPEN;
    b->next_probe_ms = now_ms + gap_ms;
}

void breaker_write(const struct breaker *b, char text[static BREAKER_TEXT_SIZE])
{
    if (b->state == BREAKER_CLOSED)
        snprintf(text, BREAKER_TEXT_SIZE, "closed");
    else
        snprintf(text, BREAKER_TEXT_SIZE, "%s %d", b->is_silent ? "silent" : "refusing", (int)b->probes);
}

struct breaker breaker_read(const char *text, int64_t now_ms)
{
    static const char *const words[] = {"refusing ", "silent "};
    struct breaker b = {0};
    for (int i = 0; text != NULL && i < 2; i++) {
        if (strncmp(text, words[i], strlen(words[i])) != 0)
            continue;
        long probes = strtol(text + strlen(words[i]), NULL, 10);
        open_it(&b, now_ms, i == 1);
        b.probes = probes < 0 || probes > PROBES_MAX ? PROBES_MAX : (int32_t)probes;
    }
    return b;
}
