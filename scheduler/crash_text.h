/*
 * crash_text.h - the sentences that people read at the server when a launch ends badly. Pure.
 *
 * The beginnings are the official worker's, kept to the letter, since automations match them; what follows is
 * ours (protocol 4.7).
 */
#ifndef SLUICE_CRASH_TEXT_H
#define SLUICE_CRASH_TEXT_H

#include "core/launch.h"

/* crash_text - the message of the state that REPORTING proposes; malloc'ed. */
char *crash_text(const struct launch *launch);
/* crash_hint - what to do about an exit code, for the run's log; static text, NULL if there is nothing to
 * say. */
const char *crash_hint(const struct launch *launch);

#endif
