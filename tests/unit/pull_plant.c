#include "tests/unit/pull_plant.h"

#include "base/check.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

/* Images: lognormal around 100 MB, nine in ten between 13 and 770 MB, never outside 5 MB to 2 GB. */
#define MEDIAN_BYTES 100e6
#define SIZE_SIGMA 1.25
#define LEAST_BYTES 5e6
#define MOST_BYTES 2e9
/* Some are compressed more than others. */
#define UNPACK_SCATTER 0.3
#define MANIFEST_MS 500

/* ---- randomness ---- */

static double uniform(uint64_t *seed)
{
    return ((double)(random_splitmix64(seed) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *seed)
{
    double radius = sqrt(-2 * log(uniform(seed)));
    return radius * cos(2 * M_PI * uniform(seed));
}

static double lognormal(uint64_t *seed, double mean, double deviation)
{
    double variance = log(1 + deviation * deviation);
    return mean * exp(sqrt(variance) * normal(seed) - variance / 2);
}

/* ---- pulls ---- */

void pull_plant_init(struct pull_plant *p, struct pull_host host, uint64_t seed, int fixed, double first)
{
    *p = (struct pull_plant){.host = host, .seed = seed, .fixed = fixed};
    p->learned = inflight_make(&inflight_pulls, first);
}

void pull_plant_done(struct pull_plant *p)
{
    free(p->ends);
    p->ends = NULL;
}

static int limit_of(const struct pull_plant *p)
{
    return p->fixed > 0 ? p->fixed : (int)inflight_limit(&p->learned);
}

static void begin(struct pull_plant *p)
{
    struct pull_flight *f = p->flights;
    CHECK(p->load.count < PULL_PLANT_MAX);
    while (f->step != PULL_FREE)
        f++;
    int place = (int)(f - p->flights) + 1;
    p->used = place > p->used ? place : p->used;
    uint64_t seed = p->seed * 1000003 + p->begun++;
    double bytes = MEDIAN_BYTES * exp(SIZE_SIGMA * normal(&seed));
    *f = (struct pull_flight){.step = PULL_ASKS, .began_ms = p->now_ms};
    f->bytes = fmin(fmax(bytes, LEAST_BYTES), MOST_BYTES);
    f->each = lognormal(&seed, p->host.each, p->host.speeds_scatter);
    f->unpacked = lognormal(&seed, p->host.unpacked, UNPACK_SCATTER);
    f->left = lognormal(&seed, MANIFEST_MS, 0.5);
    f->call = inflight_begin(&p->load, (int64_t)p->now_ms);
}

static void end(struct pull_plant *p, struct pull_flight *f)
{
    struct inflight_sample sample = {
        .began_ms = f->call.began_ms, .now_ms = (int64_t)p->now_ms, .work = f->bytes};
    sample.mean_in_flight = inflight_end(&p->load, f->call, sample.now_ms);
    p->learned = inflight_after_success(p->learned, sample);
    f->step = PULL_FREE;
    p->ends = check_realloc(p->ends, (p->end_count + 1) * sizeof(*p->ends));
    p->ends[p->end_count++] = (struct pull_end){p->now_ms, p->moved, limit_of(p)};
}

static void next_step(struct pull_plant *p, struct pull_flight *f)
{
    if (f->step == PULL_UNPACKS) {
        end(p, f);
        return;
    }
    f->step++;
    f->left = f->bytes;
    f->queued_ms = p->now_ms;
}

/* ---- speeds ---- */

static int count(const struct pull_plant *p, enum pull_step step)
{
    int n = 0;
    for (int i = 0; i < p->used; i++)
        n += p->flights[i].step == step ? 1 : 0;
    return n;
}

/* What is left of the line for each, slowest registries first: who can't use a share leaves it to others. */
static void share_line(struct pull_plant *p, double line)
{
    struct pull_flight *down[PULL_PLANT_MAX];
    int n = 0;
    for (int i = 0; i < p->used; i++) {
        struct pull_flight *f = &p->flights[i];
        if (f->step != PULL_DOWNLOADS)
            continue;
        int at = n++;
        for (; at > 0 && down[at - 1]->each > f->each; at--)
            down[at] = down[at - 1];
        down[at] = f;
    }
    for (int i = 0; i < n; i++) {
        down[i]->speed = fmin(down[i]->each, line / (n - i));
        line -= down[i]->speed;
    }
}

/* Has it a core for itself? */
static bool has_core(const struct pull_plant *p, const struct pull_flight *f)
{
    int before = 0;
    for (int i = 0; i < p->used; i++) {
        const struct pull_flight *other = &p->flights[i];
        before += other->step == PULL_UNPACKS && other->queued_ms < f->queued_ms ? 1 : 0;
    }
    return before < p->host.cores;
}

static void set_speeds(struct pull_plant *p)
{
    int beyond = p->load.count - p->host.cores;
    double whole = 1 / (1 + p->host.thrash * (beyond > 0 ? beyond : 0));
    share_line(p, p->host.line * whole);
    double share = fmin(1, (double)p->host.cores / count(p, PULL_UNPACKS));
    for (int i = 0; i < p->used; i++) {
        struct pull_flight *f = &p->flights[i];
        if (f->step == PULL_ASKS)
            f->speed = 1;
        else if (f->step == PULL_UNPACKS)
            f->speed = f->unpacked * whole * (p->host.is_fifo ? has_core(p, f) : share);
    }
}

/* The step that ends first, after *in_ms. */
static struct pull_flight *first_to_end(struct pull_plant *p, double *in_ms)
{
    struct pull_flight *first = NULL;
    *in_ms = INFINITY;
    for (int i = 0; i < p->used; i++) {
        struct pull_flight *f = &p->flights[i];
        if (f->step != PULL_FREE && f->speed > 0 && f->left / f->speed < *in_ms) {
            first = f;
            *in_ms = f->left / f->speed;
        }
    }
    return first;
}

void pull_plant_run(struct pull_plant *p, size_t pulls)
{
    while (p->end_count < pulls) {
        while (p->load.count < limit_of(p))
            begin(p);
        set_speeds(p);
        double in_ms;
        struct pull_flight *first = first_to_end(p, &in_ms);
        for (int i = 0; i < p->used; i++) {
            struct pull_flight *f = &p->flights[i];
            if (f->step == PULL_FREE)
                continue;
            f->left -= in_ms * f->speed;
            if (f->step != PULL_ASKS)
                p->moved += in_ms * f->speed / 2;
        }
        p->now_ms += in_ms;
        next_step(p, first);
    }
}

/* ---- what came of it ---- */

double pull_plant_rate(const struct pull_plant *p, size_t from, size_t to)
{
    struct pull_end none = {0};
    const struct pull_end *begin = from == 0 ? &none : &p->ends[from - 1];
    const struct pull_end *end = &p->ends[to - 1];
    return (end->moved - begin->moved) / (end->at_ms - begin->at_ms);
}

double pull_plant_limit(const struct pull_plant *p, size_t from, size_t to)
{
    double sum = 0;
    for (size_t i = from; i < to; i++)
        sum += p->ends[i].limit;
    return sum / (double)(to - from);
}
