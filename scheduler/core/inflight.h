/*
 * inflight.h - how many calls of one stage of the engine (create, start, pull) should be in flight: learned.
 *
 * An engine has a knee: up to it more in flight means more done, beyond it only longer waits. Where it lies
 * depends on the machine and moves with its load. It is found by taking two levels in turns, one a step below
 * and one a step above the present guess, for a short block of calls each. By Little's law each call tells a
 * rate, how many were in flight during it over how long it took, so a few calls are enough and the engine is
 * never idle for it. From two blocks follows how much of the growth in flight came back as growth in rate
 * (1: all of it, well below the knee; 0: nothing, beyond it); the guess goes up if that is more than
 * INFLIGHT_WORTH, else down, by more the clearer the blocks differ for the scatter of their calls, and the
 * longer it has been the same direction.
 *
 * No drop to the minimum is needed to learn an unloaded latency; the lower level costs a part of a step of
 * throughput half of the time. A slow drift of the machine cancels, since the levels take turns. Only calls
 * made while the level was really used count: when little is due, nothing is learned. Where calls differ in
 * what they do, as pulls do by a factor of hundreds, the rate is one of work, not of calls. Every figure in
 * inflight.c was chosen by the simulations of tests/unit/test_inflight.c and test_inflight_pulls.c, which
 * print what comes of them.
 *
 * Sources: Little (1961); Robbins, Monro: A stochastic approximation method (1951), and Kesten (1958) for the
 * step; Heiss, Wagner: Adaptive load control in transaction processing systems (VLDB 1991).
 */
#ifndef SLUICE_CORE_INFLIGHT_H
#define SLUICE_CORE_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFLIGHT_MIN 1
/* Of any kind. Beyond 64 there is nothing to gain: an engine serialises on its locks and its disk long
 * before, each call is a connection, and each start a run that is claimed ahead. */
#define INFLIGHT_MAX 64
/* Half as many in flight again must do at least 1.5^0.17 = 1.07 times as much. */
#define INFLIGHT_WORTH 0.17

/* What kind of calls are learned of. */
struct inflight_kind {
    double first;        /* the guess before anything is learned */
    int32_t max;         /* calls in flight; 2..INFLIGHT_MAX */
    int32_t block_calls; /* a block has no fewer */
    double block_rounds; /* nor fewer than so many times its level */
    double gain_min;     /* of one comparison when the guess has come to rest; few calls need more */
    int64_t stale_ms;    /* what was measured so long ago is not comparable */
};
/* Creates and starts; first: near the best of a two-core engine. */
extern const struct inflight_kind inflight_calls;
/* Pulls, whose work is bytes. */
extern const struct inflight_kind inflight_pulls;

/* Calls in flight, and their sum over time: from it follows the mean during a call. */
struct inflight_load {
    int32_t count;
    int64_t at_ms; /* mono; of `area` */
    double area;   /* calls times milliseconds */
};

/* A call that is out. */
struct inflight_call {
    int64_t began_ms; /* mono */
    double area;      /* of the load when it began */
};

/* A call that went well. */
struct inflight_sample {
    int64_t began_ms;
    int64_t now_ms;        /* mono, as began_ms: when its answer came */
    double mean_in_flight; /* during it, itself included: >= 1 */
    double work;           /* what it did, in a unit of its kind; > 0 */
};

/* Calls at one level, one after the other. */
struct inflight_block {
    int32_t level;
    int64_t
        since_ms; /* calls that began up to then saw another level, or were the ones that filled this one */
    bool is_full; /* an answer came since the level was set */
    int32_t count;
    double sum; /* of the roots of milliseconds a unit of work and a call in flight */
    double squares;
};

struct inflight {
    const struct inflight_kind *kind;
    double guess;   /* of the knee; calls in flight */
    double gain;    /* how far one comparison moves the guess */
    int32_t trend;  /* the last move: 1 up, -1 down, 0 none yet */
    bool is_higher; /* the present block is at the higher of the two levels */
    struct inflight_block now;
    struct inflight_block before; /* complete; level 0: none */
    int64_t last_ms;              /* mono: the last call that counted, or a new beginning */
    int64_t backed_off_ms;        /* mono: the last decrease by a failure */
    int64_t samples;              /* calls that counted, ever */
};

/* inflight_make - begin at this guess, cut to 1..kind->max. kind is borrowed. */
struct inflight inflight_make(const struct inflight_kind *kind, double guess);
/* inflight_limit - calls that may be in flight now; 1..kind->max. */
int64_t inflight_limit(const struct inflight *f);
/* inflight_after_success - learn from one answer. */
struct inflight inflight_after_success(struct inflight f, struct inflight_sample sample);
/* inflight_after_overload - a call that began at began_ms has run into its clock, or was told to slow down:
 * down by three tenths, once for all calls that were out together. */
struct inflight inflight_after_overload(struct inflight f, int64_t began_ms, int64_t now_ms);

/* inflight_begin, inflight_end - a call goes out; it is over, and the mean in flight during it is returned.
 */
struct inflight_call inflight_begin(struct inflight_load *load, int64_t now_ms);
double inflight_end(struct inflight_load *load, struct inflight_call call, int64_t now_ms);

#define INFLIGHT_TEXT_SIZE 96
/* inflight_to_text - what a restart goes on from. */
void inflight_to_text(const struct inflight *f, char text[static INFLIGHT_TEXT_SIZE]);
/* inflight_from_text - *f was made, of the kind that was saved; false, and *f untouched, if the text is not
 * one of inflight_to_text(). */
bool inflight_from_text(const char *text, struct inflight *f);

#endif
