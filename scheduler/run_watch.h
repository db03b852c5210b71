/*
 * run_watch.h - the watch over claimed runs: asks Prefect what became of them, so that a cancel is noticed
 * within seconds. What a state means to a launch is in watch.h.
 *
 * Goes on while sluice is paused, drains or stops; a run that several launches were of is judged by launch.
 */
#ifndef SLUICE_RUN_WATCH_H
#define SLUICE_RUN_WATCH_H

#include "runner.h"

struct prefect;
struct run_watch;

/* All borrowed. */
struct run_watch_settings {
    struct runner *runner;
    struct prefect *prefect;
    struct timers *timers;
    const struct clock *clock;
    const struct config *config;
};

/* run_watch_new - the first look is in the loop's next turn. */
struct run_watch *run_watch_new(const struct run_watch_settings *settings);
void run_watch_free(struct run_watch *watch);
void run_watch_set_config(struct run_watch *watch, const struct config *config);
/* Prefect is back after an outage: look at once. */
void run_watch_wake(struct run_watch *watch);
/* Mono time by which it will have gone on by itself, whatever the server does; long past: it has got stuck.
 */
int64_t run_watch_due_ms(const struct run_watch *watch);
/* For tests: what a lost answer without a deadline would leave behind. */
void run_watch_lose_look(struct run_watch *watch);

#endif
