/*
 * replay.h - the log alone, read line by line, gives the table of runs (docs/logs.md, "Replaying").
 */
#ifndef SLUICE_TESTS_FLOW_REPLAY_H
#define SLUICE_TESTS_FLOW_REPLAY_H

#include "tests/flow/world.h"

/*
 * replay_check - build the table from what was logged so far, and compare it with `launches` in the state
 * file: every row is told of, and run, name, class, state, verdict, container and time of the last change are
 * those of the log. was_killed: what a killed process had logged and not yet saved may be in the log alone;
 * otherwise each line must begin where the one before it ended, and no launch be missing in the file.
 */
void replay_check(struct world *w, bool was_killed);

#endif
