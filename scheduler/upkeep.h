/*
 * upkeep.h - keeps the state file's history within keep_history and max_size while launches go on.
 *
 * Works in steps of some 2 ms, each with a commit of its own, and leaves the loop to others for 20 times as
 * long in between; a million launches that are too old go in an hour or two. What to do is decided in
 * core/file_bounds.h, done in store/upkeep.c.
 */
#ifndef SLUICE_UPKEEP_H
#define SLUICE_UPKEEP_H

#include "base/timers.h"
#include "config.h"
#include "store/store.h"

struct upkeep;

struct upkeep_settings {
    struct store *store;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
    /* The step is in the transaction that has begun: commit it. -1: told elsewhere; nothing more is done. */
    int (*commit)(void *arg);
    void (*on_failure)(void *arg, const struct err *err);
    void *arg;
};

/* upkeep_new - first looks at the file after ten minutes, and then every ten. All of settings is borrowed. */
struct upkeep *upkeep_new(const struct upkeep_settings *settings) __attribute__((returns_nonnull));
/* Accepts NULL. */
void upkeep_free(struct upkeep *upkeep);
void upkeep_set_config(struct upkeep *upkeep, const struct config *config);

#endif
