#include "tests/unit/inflight_plant.h"

#include "base/check.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>

/* ---- randomness ---- */

static double uniform(struct plant *p)
{
    return ((double)(random_splitmix64(&p->seed) >> 11) + 0.5) / 9007199254740992.0;
}

static double lognormal(struct plant *p, double mean, double deviation)
{
    double variance = log(1 + deviation * deviation);
    double normal = sqrt(-2 * log(uniform(p))) * cos(2 * M_PI * uniform(p));
    return mean * exp(sqrt(variance) * normal - variance / 2);
}

static double scattered(struct plant *p, double mean)
{
    switch (p->shape.scatter) {
    case PLANT_EVEN:
        return mean;
    case PLANT_NARROW:
        return lognormal(p, mean, 0.33);
    case PLANT_WIDE:
        return lognormal(p, mean, 1.2);
    case PLANT_EXPONENTIAL:
        return -mean * log(uniform(p));
    }
    return mean;
}

/* ---- calls ---- */

void plant_init(struct plant *p, struct plant_shape shape, uint64_t seed, int fixed, int first)
{
    *p = (struct plant){.shape = shape, .seed = seed, .fixed = fixed};
    for (int stage = 0; stage < PLANT_STAGES; stage++)
        p->learned[stage] = inflight_make(&inflight_calls, first);
}

void plant_done(struct plant *p)
{
    free(p->done);
    p->done = NULL;
}

static int64_t whole_ms(const struct plant *p)
{
    return (int64_t)p->now_ms;
}

static int limit_of(const struct plant *p, enum plant_stage stage)
{
    return p->fixed > 0 ? p->fixed : (int)inflight_limit(&p->learned[stage]);
}

static void begin(struct plant *p, enum plant_stage stage)
{
    struct plant_call *call = p->calls;
    while (call->step != CALL_FREE)
        call++;
    if ((size_t)(call - p->calls) == p->used)
        p->used++;
    double slower = p->shape.slower > 0 ? p->shape.slower : 1;
    *call = (struct plant_call){.stage = stage, .step = CALL_ALONE, .began_ms = p->now_ms};
    call->ends_ms = p->now_ms + scattered(p, slower * p->shape.own_ms[stage]);
    call->served_ms = scattered(p, slower * p->shape.served_ms[stage]);
    if (uniform(p) < p->shape.stalls)
        call->served_ms += p->shape.stall_ms;
    call->call = inflight_begin(&p->load[stage], whole_ms(p));
}

static void note(struct plant *p, const struct plant_call *call)
{
    if (p->done_count == p->done_cap) {
        p->done_cap = p->done_cap == 0 ? 1024 : 2 * p->done_cap;
        p->done = check_realloc(p->done, p->done_cap * sizeof(*p->done));
    }
    p->done[p->done_count++] = (struct plant_done){
        .at_ms = p->now_ms, .took_ms = p->now_ms - call->began_ms, .limit = limit_of(p, call->stage)};
}

static void end(struct plant *p, struct plant_call *call)
{
    enum plant_stage stage = call->stage;
    struct inflight_sample sample = {.began_ms = call->call.began_ms, .now_ms = whole_ms(p), .work = 1};
    sample.mean_in_flight = inflight_end(&p->load[stage], call->call, sample.now_ms);
    p->learned[stage] = inflight_after_success(p->learned[stage], sample);
    call->step = CALL_FREE;
    if (stage == PLANT_CREATE)
        p->created++;
    else
        note(p, call);
}

static int served(const struct plant *p)
{
    int count = 0;
    for (size_t i = 0; i < p->used; i++)
        count += p->calls[i].step == CALL_SERVED ? 1 : 0;
    return count;
}

static void serve(struct plant *p)
{
    for (int busy = served(p); busy < p->shape.servers; busy++) {
        struct plant_call *first = NULL;
        for (size_t i = 0; i < p->used; i++) {
            struct plant_call *call = &p->calls[i];
            if (call->step == CALL_QUEUES && (first == NULL || call->order < first->order))
                first = call;
        }
        if (first == NULL)
            return;
        first->step = CALL_SERVED;
        first->ends_ms = p->now_ms + first->served_ms;
    }
}

/* What is due goes out, as far as the limits allow. */
static void refill(struct plant *p)
{
    if (p->shape.idle_ms > 0) {
        if (p->now_ms < p->due_ms)
            return;
        p->due_ms = p->now_ms + scattered(p, p->shape.idle_ms);
        begin(p, PLANT_START);
        return;
    }
    bool has_creates = p->shape.served_ms[PLANT_CREATE] > 0;
    while (p->load[PLANT_START].count < limit_of(p, PLANT_START) && (!has_creates || p->created > 0)) {
        p->created -= has_creates ? 1 : 0;
        begin(p, PLANT_START);
    }
    /* As in scheduler/admission.c: no more than may start at once wait for it. */
    while (has_creates && p->load[PLANT_CREATE].count < limit_of(p, PLANT_CREATE) &&
           (p->created == 0 || p->created + p->load[PLANT_CREATE].count < limit_of(p, PLANT_START)))
        begin(p, PLANT_CREATE);
}

void plant_run(struct plant *p, double until_ms)
{
    for (;;) {
        refill(p);
        serve(p);
        struct plant_call *next = NULL;
        for (size_t i = 0; i < p->used; i++) {
            struct plant_call *call = &p->calls[i];
            if ((call->step == CALL_ALONE || call->step == CALL_SERVED) &&
                (next == NULL || call->ends_ms < next->ends_ms))
                next = call;
        }
        double at_ms = next == NULL ? INFINITY : next->ends_ms;
        if (p->shape.idle_ms > 0 && p->due_ms < at_ms) {
            next = NULL;
            at_ms = p->due_ms;
        }
        if (at_ms > until_ms)
            break;
        p->now_ms = at_ms;
        if (next == NULL)
            continue;
        if (next->step == CALL_ALONE) {
            next->step = CALL_QUEUES;
            next->order = ++p->orders;
        } else {
            end(p, next);
        }
    }
    p->now_ms = until_ms;
}

/* ---- what came of it ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

struct plant_span plant_span(const struct plant *p, double from_ms, double to_ms)
{
    struct plant_span span = {0};
    double *took = check_alloc((p->done_count + 1) * sizeof(*took));
    size_t count = 0;
    for (size_t i = 0; i < p->done_count; i++) {
        if (p->done[i].at_ms < from_ms || p->done[i].at_ms >= to_ms)
            continue;
        took[count++] = p->done[i].took_ms;
        span.mean_limit += p->done[i].limit;
    }
    qsort(took, count, sizeof(*took), by_size);
    if (count > 0) {
        span.p50_ms = took[count / 2];
        span.mean_limit /= (double)count;
    }
    span.per_s = (double)count * 1000 / (to_ms - from_ms);
    free(took);
    return span;
}

double plant_least(const struct plant *p, double from_ms, double to_ms, double window_ms)
{
    double least = INFINITY;
    for (double at_ms = from_ms; at_ms + window_ms <= to_ms; at_ms += 1000)
        least = fmin(least, plant_span(p, at_ms, at_ms + window_ms).per_s);
    return least;
}

double plant_reached_ms(const struct plant *p, double from_ms, double to_ms, double window_ms, double per_s)
{
    for (double at_ms = from_ms; at_ms + window_ms <= to_ms; at_ms += 1000)
        if (plant_span(p, at_ms, at_ms + window_ms).per_s >= per_s)
            return at_ms + window_ms - from_ms;
    return -1;
}

double plant_best(struct plant_shape shape, uint64_t seed)
{
    double best = 0;
    for (int fixed = 1; fixed <= INFLIGHT_MAX; fixed += fixed < 8 ? 1 : fixed / 3) {
        struct plant p;
        plant_init(&p, shape, seed, fixed, 0);
        plant_run(&p, 110000);
        best = fmax(best, plant_span(&p, 10000, 110000).per_s);
        plant_done(&p);
    }
    return best;
}
