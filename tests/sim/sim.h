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
#define SIM_REGISTRY "hub.io"
#define SIM_POOL_LIMITED_EVERY 11 /* seeds */
#define SIM_HUB_IMAGES 4          /* "hub.io/flows0:1" and so on */

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

/* The classes of sim_control.c, by tags; a run of several belongs to the first. */
enum sim_class { SIM_CLASS_PERIODIC, SIM_CLASS_HIGH, SIM_CLASS_LOW, SIM_CLASS_REST };

struct sim_flow_run {
    const char *id;
    enum sim_class class_;
    int team;   /* 0: none */
    int region; /* the same */
    int image;  /* of the hub; -1: SIM_IMAGE */
    enum sim_flow_kind kind;
    int64_t run_ms;
    int exit_code;
    bool oom_killed;
    bool ignores_sigterm;
    bool is_retried_at_once; /* an automation schedules it again as soon as it has failed */
    /* What has happened to it that is nobody's fault. */
    bool was_cancelled; /* a user pressed Cancel */
    bool was_deleted;
    bool was_killed;          /* its container, by the world */
    int64_t retried_at_ms;    /* mono */
    int64_t looked_at_ms;     /* mono; when a worker of ours asked for it last */
    int64_t refused_until_ms; /* mono; till then the server refuses claims of it */
    bool was_retried;         /* a user has scheduled it again */
    bool official;            /* the other worker had it */
    bool official_fails;
};

/* A token bucket, watched from outside: how far ahead of its rate it is. */
struct sim_rate {
    double per_second; /* 0: no limit */
    int burst;
    double ahead_until_ms; /* mono */
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
    int64_t back_at_ms;         /* mono; when it is started again; 0: it runs */
    bool is_paused;             /* as a person was answered */
    bool is_pause_open;         /* the answer was that it could not be written */
    int64_t offset_at_start_ms; /* of the wall clock; buckets go on from there */
    struct sim_rate starts;
    struct sim_rate low_starts; /* of class low */
    struct sim_rate pulls;
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
    bool was_late;       /* when it was claimed */
    bool was_start_sent; /* of any container of it */
    bool was_discarded;  /* a person gave it up while it was parked */
};

/* How much goes wrong in this world, in percent of requests. */
struct sim_weather {
    int net;
    int status;
    int meddle; /* acts of sim_meddle.c in 10,000 steps */
    int64_t clocks_ms;
};

enum sim_late { SIM_LATE_RUNS, SIM_LATE_IS_LEFT, SIM_LATE_IS_SKIPPED };

/* How starts and retries are controlled in this world; sim_control.c. 0, NULL and false: not used. */
struct sim_control {
    uint64_t random_state; /* draws of its own, so that a world without any of it stays as it was */
    int team_limit;        /* running_per of each team, in the whole pool */
    int region_limit;      /* running_per of each region, in class high */
    int low_limit;         /* running, of class low */
    int64_t ageing_ms;
    enum sim_late late; /* what becomes of late runs of class periodic */
    int64_t late_after_ms;
    const struct sim_rules *rules;
    bool parks;      /* every class does */
    bool has_people; /* who pause, resume, drain, retry and discard */
    int hub_pulls;
    double hub_pulls_per_second;
    bool hub_is_lost[SIM_HUB_IMAGES]; /* the image was removed once */
    double starts_per_second;
    int start_burst;
    double low_starts_per_second;
    int shared_limit;
    double shared_decay;
    double shared_fallback;
    int64_t shared_starts; /* all workers' */
};

/* Claims that the server refuses although it offers the run; sim_refuse.c. */
struct sim_refusals {
    uint64_t random_state; /* draws of its own, so that a world without any of it stays as it was */
    int percent;           /* of claims that begin one */
    bool waits_for_poll;   /* the claim that arrives now is answered with the next poll */
    struct timer timer;    /* when no poll comes */
};

struct sim {
    uint64_t seed;
    uint64_t random_state;
    struct random_source random;
    int64_t mono_ms;
    int64_t began_ms; /* mono */
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
    const char *narrow; /* another one, of which a worker of ours runs one at a time; NULL: none */
    int pool_limit;     /* at the server; 0: none */
    bool gives_up;      /* launches have few tries */
    bool demands_csrf;
    struct sim_flow_run runs[SIM_RUNS_MAX];
    int run_count;
    int runs_added;
    int launching_limit;
    int running_limit;
    struct sim_weather weather;
    struct sim_control control;
    struct sim_refusals refusals;
    bool is_healed;
    bool disk_may_fail; /* it was told to, once */
    int containers_created;
    int containers_started;
    bool image_was_lost;
    bool engine_is_down;
    bool engine_is_halted;
    bool prefect_is_down;
    bool prefect_is_halted;
    struct timer engine_timer;
    struct timer prefect_timer;
    struct timer arrival_timer;
    struct timer official_timer;
    struct timer people_timer;
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

/* sim_refuse.c */
void sim_refuse_draw(struct sim *sim);
/* A request has reached the server, which sees it next. */
void sim_refuse_on_arrival(struct sim *sim, const struct sim_request *request);
/* The set_state that the server sees now is answered with the next poll, not at once. */
bool sim_refuse_waits_for_poll(struct sim *sim);

/* sim_meddle.c: what the world does by itself. */
void sim_meddle(struct sim *sim);
void sim_heal(struct sim *sim);
/* As a user or an automation does: once in a run's life. */
void sim_schedule_again(struct sim *sim, struct sim_flow_run *run);

/* sim_control.c: flow control, and which runs it concerns. */
void sim_control_draw(struct sim *sim);
void sim_control_furnish(struct sim *sim);
/* For a configuration file: keys of [limits]; sections. */
void sim_control_write_limits(const struct sim *sim, FILE *f);
void sim_control_write_sections(const struct sim *sim, FILE *f);
const char *sim_control_add_run(struct sim *sim, struct sim_flow_run *run, int64_t due_ms);
/* What a rule makes of this error. */
bool sim_control_rule_ends(const struct sim *sim, const char *message);
bool sim_control_parks(const struct sim *sim, const char *message);
/* Due so long ago by the server that its class leaves or skips it; at this wall time. */
bool sim_control_is_late(struct sim *sim, const struct sim_flow_run *run, int64_t wall_ms);
/* A run that nobody will take any more. */
bool sim_control_is_left(struct sim *sim, const struct sim_flow_run *run);

/* sim_control_check.c */
void sim_control_on_start(struct sim_worker *worker);
/* A row is saved, not yet on disk; before NULL: it is new. */
void sim_control_on_save(struct sim_row *row, const struct run *before, const struct run *after);
/* Rows of this worker have entered CLAIMING on disk; has_passed: one of them is not of class high. */
void sim_control_on_claims(struct sim_worker *worker, bool has_passed);
bool sim_control_is_high(const struct sim_row *row);
/* This one has had its token, on disk. */
void sim_control_on_token(struct sim_row *row);
void sim_control_on_pull(struct sim_worker *worker, const struct sim_request *request);
void sim_control_on_create(struct sim *sim, const struct sim_row *row);
void sim_control_check_step(struct sim *sim);
/* The launch may have been given up for good: by a rule, a person, or for want of tries. */
bool sim_control_may_give_up(struct sim *sim, const struct sim_row *row, const char *message);

/* sim_people.c: who use the admin socket. */
void sim_people_begin(struct sim *sim);

/* sim_flow.c: containers, and the other worker. */
void sim_flow_begin(struct sim *sim);
void sim_flow_done(struct sim *sim);

/* sim_commit.c: what of the state files is durable. */
struct sim_row *sim_row_by(struct sim *sim, const char *launch_id);
struct sim_row *sim_row_by_container(struct sim *sim, const char *container_id);
void sim_commit_begin(struct sim *sim);
void sim_commit_done(struct sim *sim);
/* From now on the end of a launch is written behind whatever is saved next, or before the commit: a bug, for
 * sim_broken.c. */
void sim_commit_hold_ends(void);
/* The worker has lost what it had not committed. */
void sim_commit_forget(struct sim_worker *worker);

/* sim_check.c, sim_check_end.c */
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
