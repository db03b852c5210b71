/*
 * bench_lives_stall.h - how long the loop stands still for the state file: the time each turn spends inside
 * SQLite, without the syncs, which are counted apart.
 *
 * Linked with --wrap=sqlite3_step; fdatasync() is found here before the C library's.
 */
#ifndef SLUICE_BENCH_LIVES_STALL_H
#define SLUICE_BENCH_LIVES_STALL_H

int bench_syncs(void);
/* Forget what was measured, but for the syncs. */
void bench_stall_begin(void);
/* End of a turn: one sample, if it was in SQLite at all. */
void bench_stall_turn(void);
void bench_stall_print(void);

#endif
