/*
 * sim.h - a world in one process without sockets, disks or waiting: whole services (scheduler/service.c and
 * all below it) on a net, a disk and a time of our own, against the fakes.
 *
 * A world has some runs, one to three workers of ours with a state file each, and often a scripted worker
 * that is not ours and also takes runs of the pool. For a while everything goes wrong as the seed says
 * (sim_plan.c, sim_meddle.c); then the world heals, and every run must come to a right end (sim_check.c).
 * Time moves on only when nothing can happen without it. Same seed, same world, to the byte: sim_result.hash
 * says so.
 */
#ifndef SLUICE_TESTS_SIM_H
#define SLUICE_TESTS_SIM_H

#include "base/list.h"
#include "config.h"
#include "core/launch.h"
#include "service.h"
#include "sim_net.h"
#include "tests/fakes/fake_engine.h"
#include "tests/fakes/fake_prefect.h"
#include "tests/support/disk.h"

#include <stdio.h>

#define SECONDS(n) ((int64_t)(n)*1000)
#define MINUTES(n) ((int64_t)(n)*60000)

#define SIM_WORKERS_MAX 3
#define SIM_RUNS_MAX 40
#define SIM_POOL "pool"
#define SIM_IMAGE "flows:1"

/* ---- outside ---- */

struct sim_result {
    bool has_failed;
    char failure[2000]; /* what broke, in which run */
    int lives;          /* runs that came to their end */
    uint64_t steps;
    uint64_t hash;
    int64_t fake_ms; /* how long it lasted there */
    int crashes;
    int faults;
};

/* sim_run - live through the world of this seed. story: told there line by line; NULL: nowhere. */
void sim_run(uint64_t seed, FILE *story, struct sim_result *result);

/* ---- inside ---- */

struct sim;

/* What the flow of a run does, once its container runs. */
enum sim_flow_kind {
    SIM_FLOW_COMPLETES,
    SIM_FLOW_FAILS,
    SIM_FLOW_EXITS,         /* says RUNNING, ends with a code and without a word */
    SIM_FLOW_LEAVES,        /* the same with code 0 */
    SIM_FLOW_NEVER_BEGINS,  /* says nothing at all, ends with 0 */
    SIM_FLOW_BREAKS_AT_ONCE /* says nothing at all, ends with a code */
};

struct sim_flow_run {
    const char *id;
    enum sim_flow_kind kind;
    int64_t run_ms;
    int exit_code;
    bool oom_killed;
    bool ignores_sigterm;
    bool is_retried_at_once; /* an automation schedules it again as soon as it has failed */
    /* What has happened to it that is nobody's fault. */
    bool was_cancelled; /* a user pressed Cancel */
    bool was_deleted;
    bool was_killed;       /* its container, by the world */
    int64_t retried_at_ms; /* mono */
    int64_t looked_at_ms;  /* mono; when a worker of ours asked for it last */
    bool was_retried;      /* a user has scheduled it again */
    bool official;         /* the other worker had it */
    bool official_fails;
};

struct sim_worker {
    struct sim *sim;
    int index;
    char name[24];
    char *state_path;
    struct clock clock; /* mono of the world, a wall clock of its own */
    int64_t wall_offset_ms;
    struct timers *timers;
    struct config *config;
    uint64_t random_state;
    struct random_source random;
    struct service *service; /* NULL: not running */
    bool has_ended;
    int64_t back_at_ms; /* mono; when it is started again; 0: it runs */
};

/* What is durable of a launch; sim_commit.c. */
struct sim_row {
    struct sim_worker *worker;
    struct launch launch; /* texts are not valid but for the two below */
    char name[300];       /* container_name */
    bool is_committed;
    struct run saved; /* not yet committed */
    char saved_container_id[CONTAINER_ID_SIZE];
    char saved_name[300];
    bool has_saved;      /* `saved` is not committed */
    bool is_in_doubt;    /* a crash has met `saved`: it may be durable or not */
    int64_t clearing_ms; /* the servers' wall clock when it came to CLEARING; 0: never */
    int start_requests;  /* of the present container that have reached the engine */
    char start_container_id[CONTAINER_ID_SIZE];
};

/* How much goes wrong in this world, in percent of requests. */
struct sim_weather {
    int net;
    int status;
    int meddle; /* acts of sim_meddle.c in 10,000 steps */
    int64_t clocks_ms;
};

struct sim {
    uint64_t seed;
    uint64_t random_state;
    struct random_source random;
    int64_t mono_ms;
    int64_t wall_ms;
    struct clock clock;    /* the servers' */
    struct timers *timers; /* the servers', and of everything that is not a worker of ours */
    struct sim_net *net;
    struct fake_engine *engine;
    struct fake_prefect *prefect;
    struct disk *disk;
    struct sim_worker workers[SIM_WORKERS_MAX];
    int worker_count;
    const char *deployment;
    bool gives_up; /* launches have few tries */
    struct sim_flow_run runs[SIM_RUNS_MAX];
    int run_count;
    int runs_added;
    int launching_limit;
    int running_limit;
    struct sim_weather weather;
    bool is_healed;
    int containers_created;
    bool image_was_lost;
    bool engine_is_down;
    bool engine_is_halted;
    bool prefect_is_down;
    bool prefect_is_halted;
    struct timer engine_timer;
    struct timer prefect_timer;
    struct timer arrival_timer;
    struct timer official_timer;
    struct list plays;     /* sim_flow.c */
    struct list officials; /* the same */
    int64_t official_ms;   /* the other worker polls about so often; 0: there is none */
    struct sim_row *rows;
    size_t row_count;
    FILE *story;
    struct sim_result *result;
};

uint64_t sim_draw(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, int percent);
/* First to last, both included. */
int64_t sim_between(struct sim *sim, int64_t first, int64_t last);
/* The first failure stands; the world stops at it. */
void sim_fail(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_tell(struct sim *sim, const char *fmt, ...) PRINTF_LIKE(2, 3);
void sim_mix(struct sim *sim, const char *text);
struct sim_flow_run *sim_find_run(struct sim *sim, const char *flow_run_id);

/* sim_worker.c */
void sim_worker_init(struct sim *sim, int index);
void sim_worker_done(struct sim_worker *worker);
void sim_worker_start(struct sim_worker *worker);
/* As SIGKILL: it is gone, and comes back after a while. */
void sim_worker_crash(struct sim_worker *worker, int64_t away_ms);
/* All at once: their process group, or the machine with its disk, dies. */
void sim_workers_lose_disk(struct sim *sim, bool power);
bool sim_worker_is_idle(const struct sim_worker *worker);

/* sim_plan.c: how requests fare. */
struct sim_plan sim_plan_request(void *arg, const struct sim_request *request);
void sim_plan_begin(struct sim *sim);

/* sim_meddle.c: what the world does by itself. */
void sim_meddle(struct sim *sim);
void sim_heal(struct sim *sim);
/* As a user or an automation does: once in a run's life. */
void sim_schedule_again(struct sim *sim, struct sim_flow_run *run);

/* sim_flow.c: containers, and the other worker. */
void sim_flow_begin(struct sim *sim);
void sim_flow_done(struct sim *sim);

/* sim_commit.c: what of the state files is durable. */
struct sim_row *sim_row_by(struct sim *sim, const char *launch_id);
struct sim_row *sim_row_by_container(struct sim *sim, const char *container_id);
void sim_commit_begin(struct sim *sim);
void sim_commit_done(struct sim *sim);
/* The worker has lost what it had not committed. */
void sim_commit_forget(struct sim_worker *worker);

/* sim_check.c */
void sim_check_sending(struct sim *sim, struct sim_worker *worker, const struct sim_request *request);
void sim_check_arrival(void *arg, const struct sim_request *request);
/* What was loaded is what was committed. */
void sim_check_loaded(struct sim_worker *worker);
void sim_check_step(struct sim *sim);
void sim_check_end(struct sim *sim);
/* Everything has come to its end, and nothing is left over. */
bool sim_is_over(struct sim *sim);
void sim_say_left(struct sim *sim, char *text, size_t size);
struct sim_worker *sim_worker_of(struct sim *sim, const struct http *http);

#endif
