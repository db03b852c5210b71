/*
 * inflight_plant.h - an engine with a knee, simulated: calls of up to two stages share a few servers.
 *
 * Each call first takes a time of its own (any number at once), then one of the servers, first come first
 * served. With the time of its own 0 the knee is where calls in flight equal servers; with it the knee is
 * round. As many calls are in flight as the limit under test allows; a container is created, then started, if
 * the plant has both stages. Time is in milliseconds since the plant was made, with fractions.
 */
#ifndef SLUICE_TESTS_INFLIGHT_PLANT_H
#define SLUICE_TESTS_INFLIGHT_PLANT_H

#include "core/inflight.h"

enum plant_scatter {
    PLANT_EVEN,        /* every call takes the same */
    PLANT_NARROW,      /* lognormal, deviation a third of the mean */
    PLANT_WIDE,        /* lognormal, deviation 1.2 times the mean */
    PLANT_EXPONENTIAL, /* deviation as large as the mean */
};

enum plant_stage { PLANT_START, PLANT_CREATE };
#define PLANT_STAGES 2

struct plant_shape {
    enum plant_scatter scatter;
    int servers;
    double own_ms[PLANT_STAGES];    /* mean time of its own */
    double served_ms[PLANT_STAGES]; /* mean time with a server; 0: there is no such stage */
    double slower;                  /* factor on all of them */
    double stalls;                  /* share of calls that a disk holds up for stall_ms more */
    double stall_ms;
    double idle_ms; /* 0: always something due; else calls come singly, one so long after another (mean) */
};

#define PLANT_CALLS_MAX (2 * INFLIGHT_MAX)

struct plant_call {
    enum plant_stage stage;
    enum { CALL_FREE, CALL_ALONE, CALL_QUEUES, CALL_SERVED } step;
    double began_ms;
    double ends_ms; /* of this step */
    double served_ms;
    uint64_t order;
    struct inflight_call call;
};

/* What came of the starts between two moments. */
struct plant_span {
    double per_s;
    double p50_ms;
    double mean_limit; /* over the starts */
};

struct plant {
    struct plant_shape shape;
    uint64_t seed;
    double now_ms;
    uint64_t orders;
    int created;   /* containers that wait for a start slot */
    double due_ms; /* when the next is due, with idle_ms */
    int fixed;     /* limit of starts (and creates); 0: learned */
    struct inflight learned[PLANT_STAGES];
    struct inflight_load load[PLANT_STAGES];
    struct plant_call calls[PLANT_CALLS_MAX];
    size_t used; /* of these, up to the last that was ever out */
    /* Every start so far. */
    struct plant_done {
        double at_ms;
        double took_ms;
        int limit;
    } * done;
    size_t done_count;
    size_t done_cap;
};

/* fixed: the limit, 0 for a learned one that begins at `first`. */
void plant_init(struct plant *p, struct plant_shape shape, uint64_t seed, int fixed, int first);
void plant_done(struct plant *p);
/* Let time pass. */
void plant_run(struct plant *p, double until_ms);
struct plant_span plant_span(const struct plant *p, double from_ms, double to_ms);
/* The least rate of any window of so long within the span, per second. */
double plant_least(const struct plant *p, double from_ms, double to_ms, double window_ms);
/* When the rate of windows of so long is first at least per_s, and stays so on the whole: since from_ms; -1:
 * never before to_ms. */
double plant_reached_ms(const struct plant *p, double from_ms, double to_ms, double window_ms, double per_s);

/* The best rate of any fixed limit, found by trying them. */
double plant_best(struct plant_shape shape, uint64_t seed);

#endif
