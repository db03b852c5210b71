#include "core/quantile.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROWTH 1.08
/* Weight of a fresh sample: it is gone after ten halvings, and not at the first. */
#define FRESH 1024u
#define FULL (2048u * FRESH)

static int bucket_of(int64_t ms)
{
    if (ms <= 1)
        return 0;
    /* A hair less than the quotient, so that a bound falls into the bucket that it closes. */
    double index = ceil(log((double)ms) / log(GROWTH) - 1e-9);
    return index < QUANTILE_BUCKETS - 1 ? (int)index : QUANTILE_BUCKETS - 1;
}

static void halve(struct quantile *q)
{
    q->total = 0;
    for (int i = 0; i < QUANTILE_BUCKETS; i++) {
        q->weights[i] /= 2;
        q->total += q->weights[i];
    }
}

void quantile_add(struct quantile *q, int64_t ms)
{
    if (q->total > FULL - FRESH)
        halve(q);
    q->weights[bucket_of(ms)] += FRESH;
    q->total += FRESH;
}

int64_t quantile_ms(const struct quantile *q, double share)
{
    double wanted = share * (double)q->total;
    uint64_t sum = 0;
    int last = -1;
    for (int i = 0; i < QUANTILE_BUCKETS; i++) {
        if (q->weights[i] == 0)
            continue;
        last = i;
        sum += q->weights[i];
        if ((double)sum >= wanted)
            break;
    }
    return last < 0 ? 0 : (int64_t)ceil(pow(GROWTH, last) - 1e-9);
}

void quantile_save(const struct quantile *q, char text[static QUANTILE_TEXT_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < QUANTILE_BUCKETS; i++)
        if (q->weights[i] > 0)
            used += (size_t)snprintf(text + used, QUANTILE_TEXT_SIZE - used, "%s%d:%" PRIu32,
                                     used > 0 ? " " : "", i, q->weights[i]);
    CHECK(used < QUANTILE_TEXT_SIZE);
}

/* Digits only, up to max; *p stands behind them. */
static bool read_number(const char **p, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (uint32_t)(**p - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return *p > start;
}

bool quantile_load(struct quantile *q, const char *text)
{
    struct quantile read = {.total = 0};
    uint32_t next = 0;
    for (const char *p = text; *p != '\0';) {
        uint32_t index;
        uint32_t weight;
        if (p != text && *p++ != ' ')
            return false;
        if (!read_number(&p, QUANTILE_BUCKETS - 1, &index) || index < next || *p++ != ':' ||
            !read_number(&p, FULL, &weight) || weight == 0 || weight > FULL - read.total)
            return false;
        read.weights[index] = weight;
        read.total += weight;
        next = index + 1;
    }
    *q = read;
    return true;
}
