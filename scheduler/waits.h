/*
 * waits.h - says of launches in the queue what they wait for where row and limits of the configuration don't
 * tell: a limit at the server, or an image that others of the deployment wait for as well.
 */
#ifndef SLUICE_WAITS_H
#define SLUICE_WAITS_H

#include "runner.h"
#include "server_limits.h"

/* waits_tell - of every launch in the queue that the poll of this generation didn't show, and take back what
 * isn't true any more. is_held: all claims are held by something that is said elsewhere. */
void waits_tell(struct runner *runner, const struct server_limits *limits, uint64_t generation, bool is_held);

#endif
