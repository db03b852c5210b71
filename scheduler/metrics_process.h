/*
 * metrics_process.h - what the kernel says of this process, as Prometheus' own client libraries name it.
 *
 * Source: proc(5); the process_* metrics of Prometheus' guide to writing client libraries.
 */
#ifndef SLUICE_METRICS_PROCESS_H
#define SLUICE_METRICS_PROCESS_H

#include "metrics_write.h"

/* metrics_process_read - start_seconds stays as it is: it is metrics_process_start()'s, read once. */
void metrics_process_read(struct metrics_process *process);
/* metrics_process_start - wall seconds at which the process began; 0: not known. */
double metrics_process_start(void);

#endif
