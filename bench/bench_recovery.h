/*
 * bench_recovery.h - what the files of bench_recovery share.
 */
#ifndef SLUICE_BENCH_RECOVERY_H
#define SLUICE_BENCH_RECOVERY_H

#define RECOVERY_POOL "bench"
#define RECOVERY_NAME "recovery"
#define RECOVERY_IMAGE "busybox:latest"

/* What one row of the state file stands for: in a hundred rows this many of each. */
enum recovery_kind {
    RECOVERY_RUNS,     /* RUNNING, its container runs: the rest of the hundred */
    RECOVERY_ENDED,    /* RUNNING, its container has ended: 4 */
    RECOVERY_STARTING, /* its start was sent, and it runs: 2 */
    RECOVERY_CREATING, /* its create was sent, and there is none: 2 */
    RECOVERY_REPORTING /* its verdict was sent: 2 */
};

/* Row i of a mix; without a mix all run. */
static inline enum recovery_kind recovery_kind_of(int i, int is_mixed)
{
    static const enum recovery_kind first[] = {
        RECOVERY_ENDED,    RECOVERY_ENDED,    RECOVERY_ENDED,    RECOVERY_ENDED,     RECOVERY_STARTING,
        RECOVERY_STARTING, RECOVERY_CREATING, RECOVERY_CREATING, RECOVERY_REPORTING, RECOVERY_REPORTING};
    int place = i % 100;
    return is_mixed && place < 10 ? first[place] : RECOVERY_RUNS;
}

struct recovery_addresses {
    char api_url[256];
    char engine_host[256];
    char deployment_id[40];
    char flow_id[40];
};

/* A row's run and container, as the fakes know them. */
struct recovery_row {
    char launch_id[40];
    char flow_run_id[40];
    char container_id[72]; /* "" if there is none */
};

/* recovery_fakes_run - make `rows` runs and their containers, labelled with `instance`, write
 * recovery_addresses and the rows to out_fd, then serve until in_fd is closed. `instance_of` makes the label
 * from the API's URL. */
void recovery_fakes_run(int rows, int is_mixed, void (*instance_of)(const char *api_url, char *text),
                        int out_fd, int in_fd);

#endif
