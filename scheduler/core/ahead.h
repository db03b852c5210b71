/*
 * ahead.h - how many runs are claimed and made ready before the engine can take them, and how many of them
 * have their container before it can be started.
 *
 * The engine must never wait for Prefect's answers, and as little as possible should have to be handed back.
 * So the window is as wide as it must be: each start that found the engine idle widens it by one, each start
 * that leaves a full round of ready runs behind narrows it by one. Like TCP's slow start it doubles within
 * one latency of the server while that is needed. Pure; the shell keeps `extra`, which a restart may lose.
 */
#ifndef SLUICE_CORE_AHEAD_H
#define SLUICE_CORE_AHEAD_H

#include <stdbool.h>
#include <stdint.h>

/* More than these are never claimed on top of `launching`. */
#define AHEAD_MIN 2
#define AHEAD_MAX 18
/* Containers on their way from create to start, on top of the starts in flight, while one of them waits for
 * its start: with too few the engine runs dry while Prefect is told of them (a second at twelve starts a
 * second), with too many their creates hold up the starts. */
#define AHEAD_CREATED 12

/* Runs that wait for an image are not in the window, or a handful of one image that is long in coming would
 * hold up the claims of all others. But no more than these are claimed, or than the window is wide: each of
 * them would have to be handed back. Of those that will surely want the same image (one deployment's, that
 * name none of their own) fewer, so that they leave room for others. */
#define AHEAD_PULLING_MAX 48
#define AHEAD_PULLING_ALIKE_MAX 8

/* ahead_window - runs that may be between claim and start. extra: 0 at first. launching: starts in flight. */
int64_t ahead_window(int64_t launching, int64_t extra);

/* ahead_room - how many more may be claimed, with so many in the window and so many that wait for an image; 0
 * or less: none. */
int64_t ahead_room(int64_t window, int64_t ahead, int64_t pulling);

/* ahead_after_start - extra after one start. has_waited: the run stood ready before there was a slot or token
 * for it. left_ready: runs that stand ready behind it. left_queued: runs that wait to be claimed. */
int64_t ahead_after_start(int64_t extra, int64_t launching, bool has_waited, int64_t left_ready,
                          int64_t left_queued);

#endif
