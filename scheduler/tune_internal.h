/*
 * tune_internal.h - what the files of `sluice tune` share; nobody else includes it.
 *
 * tune.c        the order of things, time and ends
 * tune_clean.c  removes what carries a label
 * tune_image.c  the image that is made
 * tune_pull.c   pulls of a named image
 * tune_sweep.c  the lives of the sweep
 * tune_warm.c   the one container before it
 */
#ifndef SLUICE_TUNE_INTERNAL_H
#define SLUICE_TUNE_INTERNAL_H

#include "base/list.h"
#include "tune.h"

#define TUNE_SENTENCE_SIZE 600
#define TUNE_ID_SIZE 17
#define TUNE_CONTAINER_ID_SIZE 130

enum tune_phase {
    TUNE_PHASE_PING,
    TUNE_PHASE_OLD,   /* removes what earlier ones have left */
    TUNE_PHASE_IMAGE, /* from here on there may be something of ours */
    TUNE_PHASE_WARM,
    TUNE_PHASE_SWEEP,
    TUNE_PHASE_PULL,
    TUNE_PHASE_CLEAN,
    TUNE_PHASE_ENDED
};

typedef void (*tune_fn)(struct tune *t);

/* Removes all containers, then all images that carry a label, and looks again until there are none. */
struct tune_cleaner {
    char label[64];
    tune_fn done;
    bool at_images;
    int round;
    char **ids; /* owned, and each of them */
    size_t count;
    size_t next;
    int32_t removed;
    struct engine_call *call;
    struct timer timer;
    char error[TUNE_SENTENCE_SIZE]; /* of the last round; "": nothing went wrong */
};

struct tune_sweep {
    size_t count; /* levels */
    size_t step;  /* 0 to TUNE_PASSES * count: up, then down */
    int64_t end_ms;
    int64_t step_end_ms;
    int64_t step_begun_ms;
    int64_t last_start_ms;
    int32_t begun; /* lives of this step */
    int32_t launching;
    int32_t removing;
    int32_t failed_in_a_row;
    struct list lives;
};

struct tune {
    uint32_t magic;
    struct tune_settings s;
    enum tune_phase phase;
    char id[TUNE_ID_SIZE];
    char label[sizeof(TUNE_LABEL) + TUNE_ID_SIZE];
    char image_name[64];
    char engine_version[64];
    int64_t begun_ms; /* mono, as all others */
    int64_t limit_ms; /* no call may last longer */
    int32_t containers_made;
    bool is_winding_down;
    bool may_land_late; /* a call whose effect we don't know may still be carried out */
    struct timer work_timer;
    struct timer cut_timer;
    struct timer end_timer;
    struct engine_call *call;                  /* of the phases with one call at a time */
    char container_id[TUNE_CONTAINER_ID_SIZE]; /* warm-up */
    bool pull_is_ours;                         /* the named image may be here because of us */
    struct tune_level levels[TUNE_LEVELS_MAX];
    struct tune_sweep sweep;
    struct tune_cleaner cleaner;
    struct tune_report report;
    char error[TUNE_SENTENCE_SIZE];
    char pull_error[TUNE_SENTENCE_SIZE];
};

/* tune.c */
int64_t tune_now_ms(const struct tune *t);
/* The clocks of a call that begins now. */
struct http_clocks tune_clocks(const struct tune *t);
/* "what: the engine's words" */
void tune_describe(const struct tune *t, const char *what, const struct failure *failure,
                   char text[static TUNE_SENTENCE_SIZE]);
/* Keep this sentence, if it is the first, and end. */
void tune_fail(struct tune *t, const char *sentence);
void tune_fail_call(struct tune *t, const char *what, const struct failure *failure);
/* A container's create, with a name and a body of ours. */
void tune_create(struct tune *t, engine_done_fn done, void *arg, struct engine_call **call);
/* What a failed create or start may mean for the end. */
void tune_note_unknown(struct tune *t, const struct failure *failure);
/* The phase is over; is it also the end? Then the way goes to cleaning, and true is returned. */
bool tune_is_over(struct tune *t);

/* Each begins a phase, which ends in the function named behind it. */
void tune_warm_start(struct tune *t); /* tune_warm_done */
void tune_warm_done(struct tune *t);
void tune_sweep_start(struct tune *t); /* tune_sweep_done */
void tune_sweep_done(struct tune *t);
void tune_pull_start(struct tune *t); /* tune_pull_done */
void tune_pull_done(struct tune *t);
/* Cancel what is out. */
void tune_sweep_cancel(struct tune *t);

/* settle_ms: how long to wait first. done: also if something could not be removed (cleaner.error). */
void tune_clean_start(struct tune *t, const char *label, int64_t settle_ms, tune_fn done);
void tune_clean_cancel(struct tune *t);

#endif
