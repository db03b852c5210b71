/*
 * config.h - what the operator asked for, from flags, environment, configuration file, Prefect profile and
 * defaults.
 *
 * One table (config_table.c) drives reading, `sluice check`, `sluice config`, --help and, later, the manual
 * page and completions. Precedence for every key: flag > --profile > environment > .env > file > prefect.toml
 * > pyproject.toml > active profile > default; except that a class section beats DOCKER_CLIENT_TIMEOUT. Every
 * value knows where it came from. Reading never stops at the first mistake: all are collected, each as
 * "file:line: what is wrong, what is allowed".
 */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "base/err.h"
#include "core/classify.h"
#include "core/match.h"
#include "core/retry.h"
#include "core/rules.h"
#include "core/trace.h"

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
    bool inactivity_follows; /* both are `auto`, and the total's value serves both */
    int64_t floor_ms;        /* of a total that is learned; 0 and no `auto` in stages of the API */
    int64_t ceiling_ms;
};

struct config_class {
    const char *name; /* "default" is the last one and has no rule */
    struct match_rule rule;
    const char *rule_text;    /* for people: "tag: etl, nightly-*" */
    int32_t priority;         /* higher first; default 0 */
    double starts_per_second; /* CONFIG_NO_LIMIT */
    int64_t start_burst;
    int64_t running;                          /* CONFIG_NO_LIMIT */
    struct match_list running_per;            /* as in struct config, within the class */
    int64_t launching;                        /* CONFIG_NO_LIMIT: only the pool's */
    struct config_clocks clocks[STAGE_COUNT]; /* by enum stage; RUN unused */
    double timeout_margin;                    /* of learned times */
    int64_t connect_floor_ms;                 /* of connect clocks that are learned */
    int64_t connect_ceiling_ms;
    int64_t inactivity_floor_ms; /* of inactivity clocks that are learned */
    int64_t inactivity_ceiling_ms;
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

/* [traces], as given, and what follows from it (config_traces.c). */
struct config_traces {
    const char *endpoint;  /* where spans are posted; NULL: see collector */
    const char *collector; /* the same without /v1/traces; NULL: not given */
    const char *exporter;
    bool disabled;
    const char *protocol;
    const char *headers_text; /* secret; NULL: none */
    int64_t timeout_ms;
    const char *service_name; /* NULL: not given */
    const char *resource_attributes;
    const char *sampler_name;
    double sampler_arg;
    int64_t batch_delay_ms;
    int64_t queue_size; /* spans */
    int64_t batch_size;
    const char *ca_file;   /* NULL: the system's */
    const char *cert_file; /* NULL: none */
    const char *key_file;

    const char *url;             /* NULL: no traces */
    const char *proxy;           /* "": none; secret */
    const char *const *headers;  /* "Name: value", NULL-terminated; secret */
    const char *const *resource; /* pairs key, value, ..., NULL; service.name is the first */
    struct trace_sampler sampler;
    const char *notice; /* what is done otherwise than asked for; NULL: nothing */
};

struct config {
    /* [prefect] and the options of `prefect worker start` */
    const char *notice;         /* a sentence for people, at the start; NULL: none */
    const char *api_url;        /* without trailing slash; NULL: missing */
    bool is_cloud;              /* Prefect Cloud is what it names */
    const char *api_key;        /* secret; NULL: none */
    const char *auth_string;    /* secret; NULL: none */
    const char *custom_headers; /* NULL: none */
    bool csrf_enabled;
    bool logs_to_api; /* write lines into the logs of flow runs */
    int64_t log_interval_ms;
    int64_t log_batch_bytes;
    int64_t log_max_bytes;
    const char *logging_level;
    bool tls_skip_verify;
    const char *ca_file;   /* NULL: the system's */
    const char *ca_folder; /* further ones; NULL: the system's */
    const char *api_proxy; /* http://[USER:PASSWORD@]HOST:PORT, "": none; secret */
    bool server_version_check;
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
    const char *default_image;  /* never NULL */
    struct match_list withhold; /* names of settings that don't go on into containers */
    /* pairs name, value, ..., NULL: the settings of Prefect that were set, as they go on into containers; may
     * hold secrets */
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
    const char *docker_config;    /* folder of config.json, DOCKER_CONFIG; NULL: only below home */
    const char *home;             /* HOME, or the user's by the system's list; NULL: unknown */
    int64_t credential_helper_ms; /* how long a credential helper may take */
    const char *const *adopt;     /* instance ids, or "official" */
    size_t adopt_count;

    /* [state] */
    const char *state_path; /* never NULL once pool and name are known */
    int64_t keep_history_ms;
    int64_t max_size_bytes; /* of the state file; 0: no limit */

    /* [limits] */
    double starts_per_second; /* CONFIG_NO_LIMIT */
    int64_t start_burst;
    int64_t launching;        /* creates and starts together; CONFIG_NO_LIMIT with launching_is_auto */
    bool launching_is_auto;   /* a limit for each, learned (learning.h) */
    int64_t running;          /* the smaller of [limits] running and --limit; CONFIG_NO_LIMIT */
    int64_t pulls;            /* images at once; CONFIG_NO_LIMIT with pulls_is_auto */
    bool pulls_is_auto;       /* learned, as above */
    const char *shared_limit; /* a global concurrency limit of Prefect whose tokens starts take; NULL: none */
    double shared_limit_fallback; /* starts a second while it can't be asked */
    int64_t stops;
    struct match_list running_per;    /* each text good for per_value_parse() */
    struct match_list registry_pulls; /* both good for registry_limit_parse() */
    struct match_list registry_pulls_per_second;
    int64_t ageing_ms; /* core/order.h; 0: none */

    /* [log] */
    const char *log_format; /* "logfmt" or "json" */
    bool output_names;      /* containers' names in front of their output's lines */
    const char *log_level;  /* "debug", "info", "warn", "error" */
    const char *log_file;   /* NULL: stderr */
    bool core_dumps;        /* a crash may leave one */

    struct config_traces traces;
    /* [alerts] */
    int64_t alerts_interval_ms;
    double timeout_objective;          /* percent */
    double launch_objective;           /* percent */
    int64_t queue_age_ms;              /* 0: queue_old is off */
    int64_t nothing_starts_ms;         /* 0: nothing_starts is off */
    const char *webhook;               /* secret; NULL: none */
    const char *webhook_authorization; /* secret: the value of the header; NULL: none */
    const char *webhook_ca_file;       /* NULL: the system's */

    /* [admin] */
    const char *admin_listen;       /* HOST:PORT, [ADDRESS]:PORT; NULL: nowhere */
    const char *const *admin_names; /* of the hosts that it may be asked for as */
    size_t admin_name_count;

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
    const char *home; /* where HOME is not set; NULL: unknown */
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

/* config_clock - one clock of a stage; NULL for NONE. */
static inline const struct config_time *config_clock(const struct config_class *of, enum stage stage,
                                                     enum clock_kind clock)
{
    const struct config_clocks *clocks = &of->clocks[stage];
    return clock == CLOCK_KIND_CONNECT      ? &clocks->connect
           : clock == CLOCK_KIND_INACTIVITY ? &clocks->inactivity
           : clock == CLOCK_KIND_TOTAL      ? &clocks->total
                                            : NULL;
}

/* config_longest_ms - how long the whole of a call of this stage may be waited for; 0: for ever. */
int64_t config_longest_ms(const struct config_class *of, enum stage stage);

/* config_describe_changes - after a reload: one line per key whose effective value changed, "limits.running:
 * 200 -> 100"; secrets without values. */
void config_describe_changes(const struct config *before, const struct config *after,
                             void (*line)(void *arg, const char *text), void *arg);

#endif
