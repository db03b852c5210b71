/*
 * pull_plant.h - a host that pulls images, simulated: pulls share a line, then the cores that unpack.
 *
 * A pull asks for its manifest, downloads and unpacks, one after the other. Downloads share the line evenly,
 * each at most as fast as its registry sends; as many unpack at full speed as there are cores for it, more
 * share them. As many pulls are in flight as the limit under test allows, and there is always one more to do.
 * The nth image of a seed is the same under every limit, so two limits are compared on the same images.
 */
#ifndef SLUICE_TESTS_PULL_PLANT_H
#define SLUICE_TESTS_PULL_PLANT_H

#include "core/inflight.h"

/* As many as may ever be in flight: the most that `pulls` learns. */
#define PULL_PLANT_MAX 16

struct pull_host {
    double line;           /* bytes a millisecond, all downloads together */
    double each;           /* bytes a millisecond, the most of one download (mean) */
    double unpacked;       /* bytes a millisecond that one core unpacks, as they were downloaded (mean) */
    int cores;             /* that unpack */
    double thrash;         /* each pull beyond `cores` costs line and cores so much of what is left to them */
    double speeds_scatter; /* deviation of registries' speeds over their mean */
    bool is_fifo;          /* a pull has a core for itself, first come first served; else they share them */
};

enum pull_step { PULL_FREE, PULL_ASKS, PULL_DOWNLOADS, PULL_UNPACKS };

struct pull_flight {
    enum pull_step step;
    double began_ms;
    double bytes;     /* of the image */
    double each;      /* bytes a millisecond that its registry sends at most */
    double unpacked;  /* bytes a millisecond on one core */
    double queued_ms; /* when it was to unpack */
    double left;      /* of this step: milliseconds, or bytes */
    double speed;     /* at present: of `left` a millisecond */
    struct inflight_call call;
};

/* When a pull was over. */
struct pull_end {
    double at_ms;
    double moved; /* bytes since the beginning, half of them counted when downloaded, half when unpacked */
    int limit;
};

struct pull_plant {
    struct pull_host host;
    uint64_t seed;
    double now_ms;
    double moved;
    int fixed; /* limit; 0: learned */
    struct inflight learned;
    struct inflight_load load;
    struct pull_flight flights[PULL_PLANT_MAX];
    int used; /* behind these of them none has been in flight yet */
    size_t begun;
    struct pull_end *ends;
    size_t end_count;
};

/* fixed: the limit, 0 for a learned one that begins at `first`. */
void pull_plant_init(struct pull_plant *p, struct pull_host host, uint64_t seed, int fixed, double first);
void pull_plant_done(struct pull_plant *p);
/* Until so many pulls are over since the beginning. */
void pull_plant_run(struct pull_plant *p, size_t pulls);
/* Bytes a millisecond between the ends of two pulls; from 0: since the beginning. */
double pull_plant_rate(const struct pull_plant *p, size_t from, size_t to);
/* Mean limit over the pulls that ended between the two. */
double pull_plant_limit(const struct pull_plant *p, size_t from, size_t to);

#endif
