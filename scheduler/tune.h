/*
 * tune.h - `sluice tune`: measures an engine with short-lived containers and says which settings follow
 * (core/tune.h), within a bounded time, and leaves nothing behind.
 *
 * Order: ask the engine's version; remove what an earlier tune that was killed has left; make an image of one
 * tiny program, or look whether the named one is there; run one container to its end, to see that it works;
 * sweep the levels up and down; pull, if an image is named for it; remove everything. A life is create,
 * start, remove by force. As many lives as the level says have their create or start out at once, as with
 * `[limits] launching`; removals run beside them, and if more than that pile up new lives wait.
 *
 * Everything made carries the label io.sluice.tune=ID, and is found by it: at the end, whatever became of the
 * calls, and by the next tune if this one is killed. A pulled image can carry no label; it is removed if the
 * engine did not have it before. Two tunes of one engine at once would remove each other's containers, so
 * the command holds a lock.
 *
 * Time: the last quarter (15 s at most) of `time_ms` is kept for the end. When the rest is used up, or on
 * tune_stop(), nothing new begins, and what is out may end; half of that quarter later it is cut off; at the
 * very end cleaning is given up with a sentence.
 */
#ifndef SLUICE_TUNE_H
#define SLUICE_TUNE_H

#include "api/engine.h"
#include "base/random.h"
#include "core/tune.h"

#define TUNE_LABEL "io.sluice.tune"

struct tune;

/* What was found; texts live as long as the tune. */
struct tune_report {
    const char *error;          /* a sentence; NULL: fine */
    const char *id;             /* the value of the label */
    const char *engine_host;    /* for people */
    const char *engine_version; /* "" before the engine has told it */
    const char *api_version;
    const char *image; /* NULL: made */
    const char *network;
    const struct tune_level *levels; /* picture.count of them, sorted */
    struct tune_picture picture;
    const char *pull_image; /* NULL: none was named */
    struct tune_pulls pulls;
    const char *pull_error; /* NULL: fine */
    int32_t found;          /* containers and images of earlier tunes, removed */
    int64_t took_ms;
};

struct tune_settings {
    struct engine *engine; /* borrowed, as are timers and texts */
    struct timers *timers;
    const struct random_source *random; /* for the id */
    const char *image;                  /* must be on the engine and have `true`; NULL: make one */
    const char *pull;                   /* NULL: pull nothing */
    const char *network;                /* "host", "bridge", "none", or any other name */
    int64_t time_ms;                    /* at least TUNE_TIME_MIN_MS */
    int32_t containers;                 /* at each level; TUNE_CONTAINERS_MIN to TUNE_SAMPLES_MAX */
    bool dry_run;                       /* ask the version, and nothing else */
    /* After each pass of a level; may be NULL. rate: starts a second. */
    void (*on_pass)(void *arg, int32_t in_flight, const struct tune_pass *pass);
    /* Once, at the end; not the place to free the tune. */
    void (*on_end)(void *arg, const struct tune_report *report);
    void *arg;
};

struct tune *tune_new(const struct tune_settings *settings);
/* tune_free - ends every call without a callback, and cleans nothing. Accepts NULL. */
void tune_free(struct tune *tune);
void tune_start(struct tune *tune);
/* tune_stop - as when a person says enough: ends early, cleans, and reports that as the error. A second one
 * ends at once. */
void tune_stop(struct tune *tune);

#endif
