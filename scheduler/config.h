/*
 * config.h - what the operator asked for, from flags, environment, configuration file, Prefect profile and
 * defaults.
 *
 * One table (config_table.c) drives reading, `sluice check`, `sluice config`, --help and, later, the manual
 * page and completions. Precedence for every key: flag > environment > file > Prefect profile > default;
 * except that a class section beats DOCKER_CLIENT_TIMEOUT. Every value knows where it came from. Reading
 * never stops at the first mistake: all are collected, each as "file:line: what is wrong, what is allowed".
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "base/err.h"
#include "core/classify.h"
#include "core/match.h"
#include "core/retry.h"
#include "core/rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_NO_LIMIT (-1)

/* A time and where it came from ("default", "/etc/sluice.conf:12", "DOCKER_CLIENT_TIMEOUT",
 * "--prefetch-seconds"). */
struct config_time {
    int64_t ms; /* 0: off */
    const char *from;
    bool is_auto; /* learned; ms is in force while too little is known */
};

struct config_clocks {
    struct config_time connect;
    struct config_time inactivity;
    struct config_time total;
    int64_t floor_ms; /* of a total that is learned; 0 and no `auto` in stages of the API */
    int64_t ceiling_ms;
};

struct config_class {
    const char *name; /* "default" is the last one and has no rule */
    struct match_rule rule;
    const char *rule_text;    /* for people: "tag: etl, nightly-*" */
    int32_t priority;         /* higher first; default 0 */
    double starts_per_second; /* CONFIG_NO_LIMIT */
    int64_t start_burst;
    int64_t running;                                /* CONFIG_NO_LIMIT */
    struct match_list running_per;                  /* as in struct config, within the class */
    int64_t launching;                              /* CONFIG_NO_LIMIT: only the pool's */
    struct config_clocks clocks[STAGE_COUNT];       /* by enum stage; RUN unused */
    double timeout_margin;                          /* of learned times */
    int64_t timeout_samples;                        /* as few give no learned time yet; >= 1 */
    struct config_time launch_deadline;             /* claim to start; 0: none */
    struct config_time max_run_time;                /* 0: none */
    struct retry_policy retry;                      /* remove_ended_container is filled in per run */
    struct retry_override stage_retry[STAGE_COUNT]; /* what STAGE_max_attempts and the like say instead */
    struct config_time keep_containers;             /* ended ones; 0: for ever */
    const char *when_late;                          /* "run", "leave" or "skip" */
    struct config_time late_after;                  /* due longer ago; 0: no run is late */
    const char *when_run_is_over; /* "leave" or "stop": a container whose run has ended at the server */
};

struct config {
    /* [prefect] and the options of `prefect worker start` */
    const char *api_url;        /* without trailing slash; NULL: missing */
    const char *api_key;        /* secret; NULL: none */
    const char *auth_string;    /* secret; NULL: none */
    const char *custom_headers; /* NULL: none */
    bool csrf_enabled;
    bool logs_to_api; /* write lines into the logs of flow runs */
    bool tls_skip_verify;
    const char *ca_file;     /* NULL: the system's */
    const char *pool;        /* NULL: missing */
    const char *worker_name; /* "sluice-HOSTNAME" by default */
    const char *worker_type; /* --type; NULL: taken from the pool */
    const char *const *work_queues;
    size_t work_queue_count;       /* 0: all */
    int64_t poll_interval_ms;      /* PREFECT_WORKER_QUERY_SECONDS, 10 s */
    int64_t prefetch_ms;           /* PREFECT_WORKER_PREFETCH_SECONDS, 10 s */
    int64_t heartbeat_interval_ms; /* PREFECT_WORKER_HEARTBEAT_SECONDS, 30 s; fractions allowed here */
    bool create_pool;
    const char *base_job_template_file; /* NULL: the built-in template */
    bool run_once;
    int64_t limit; /* --limit: most runs at once; CONFIG_NO_LIMIT */
    bool with_healthcheck;
    const char *webserver_host;
    int64_t webserver_port;
    const char *default_image;
    /* pairs name, value, ..., NULL: PREFECT_* settings that go on into containers (protocol 5.7), from
     * environment and profile; may hold secrets */
    const char *const *forwarded;

    /* [engine] */
    const char *engine_host;        /* DOCKER_HOST; NULL: the default socket */
    const char *engine_api_version; /* NULL: negotiate */
    bool engine_tls_verify;         /* as given; what follows of it is in the four below */
    const char *engine_cert_path;   /* as given; NULL: not */
    bool engine_is_tls;
    const char *engine_ca_file;   /* NULL: the system's */
    const char *engine_cert_file; /* NULL: no certificate of ours */
    const char *engine_key_file;
    int64_t engine_max_connections;
    int64_t engine_keep_alive_ms; /* 0: no connection is used twice */
    const char *engine_proxy;     /* NULL: none */
    const char *const *adopt;     /* instance ids, or "official" */
    size_t adopt_count;

    /* [state] */
    const char *state_path; /* never NULL once pool and name are known */
    int64_t keep_history_ms;

    /* [limits] */
    double starts_per_second; /* CONFIG_NO_LIMIT */
    int64_t start_burst;
    int64_t launching;      /* creates and starts together; CONFIG_NO_LIMIT with launching_is_auto */
    bool launching_is_auto; /* a limit for each, learned (learning.h) */
    int64_t running;        /* the smaller of [limits] running and --limit; CONFIG_NO_LIMIT */
    int64_t pulls;
    const char *shared_limit; /* a global concurrency limit of Prefect whose tokens starts take; NULL: none */
    double shared_limit_fallback; /* starts a second while it can't be asked */
    int64_t stops;
    struct match_list running_per;    /* each text good for per_value_parse() */
    struct match_list registry_pulls; /* both good for registry_limit_parse() */
    struct match_list registry_pulls_per_second;
    int64_t ageing_ms; /* core/order.h; 0: none */

    /* [log] */
    const char *log_format; /* "logfmt" or "json" */
    const char *log_level;  /* "debug", "info", "warn", "error" */

    struct config_class *classes; /* in file order, "default" last */
    size_t class_count;
    struct rule *rules; /* in file order */
    size_t rule_count;
};

/* What the process was given. Everything borrowed for the call. */
struct config_sources {
    const char *file; /* --config FILE; NULL: none */
    const char *const
        *flags; /* pairs KEY, value, ..., NULL, KEY as the table names it ("prefect.pool"); from options.c */
    char **environ;
    const char *profile;           /* --profile NAME; NULL: none */
    const char *working_directory; /* for .env and prefect.toml */
    const char *hostname;
    bool is_root;
};

struct config_problem {
    char *text; /* "sluice.conf:12: [limits] runing: unknown key; did you mean \"running\"?" */
};
struct config_problems {
    struct config_problem *items;
    size_t count;
};
void config_problems_done(struct config_problems *problems);

/*
 * config_load - read everything. Returns 0 and *out (also when there are problems, for `sluice config`), -1
 * with err only when the file can't be read at all. The caller refuses to start when problems->count > 0.
 * Missing pool or API URL are not problems here: `start` says them.
 */
int config_load(const struct config_sources *sources, struct config **out, struct config_problems *problems,
                struct err *err) MUST_CHECK;
void config_free(struct config *config);

/* config_print - the effective configuration with the origin of each value, secrets as "(set)"; as JSON if
 * json. */
void config_print(const struct config *config, FILE *out, bool json);

/* config_class_for - the class of a run: the first whose rule holds, else the last ("default"). */
const struct config_class *config_class_for(const struct config *config, const struct match_subject *subject);
const struct config_class *config_class_by_name(const struct config *config,
                                                const char *name); /* default if unknown */

/* config_longest_ms - how long the whole of a call of this stage may be waited for; 0: for ever. */
int64_t config_longest_ms(const struct config_class *of, enum stage stage);

/* config_describe_changes - after a reload: one line per key whose effective value changed, "limits.running:
 * 200 -> 100"; secrets without values. */
void config_describe_changes(const struct config *before, const struct config *after,
                             void (*line)(void *arg, const char *text), void *arg);

#endif
