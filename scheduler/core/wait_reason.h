/*
 * wait_reason.h - what many runs wait for, as one: the text of `queue.waits_for` without what differs from
 * run to run.
 *
 * Times go (" since 2026-...", " until 2026-..."), and so does the number in "image of 8 runs before it".
 * Pure.
 */
#ifndef SLUICE_CORE_WAIT_REASON_H
#define SLUICE_CORE_WAIT_REASON_H

/* wait_reason - malloc'ed, at most as long as the text. */
char *wait_reason(const char *waits_for);

#endif
