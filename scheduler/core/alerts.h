/*
 * alerts.h - which alerts there are, and whether each fires: from signals and time alone.
 *
 * Every alert has a condition that is bad, fine or neither. Bad for as long as the alert asks makes it fire,
 * fine for as long as it asks ends it; neither leaves it as it is. "Neither" is what hysteresis is made of
 * (burn_rate.h), and what is said of the followers of a cause that has an alert of its own: with engine or
 * Prefect away only breaker_open fires, and what happens meanwhile is not counted against any budget.
 *
 * Runs wait by right while a pause or an outage holds them, and from its end on they are given the same time
 * as if they were due only then. docs/alerts.md says the same for people; its headings are the names here.
 */
#ifndef SLUICE_CORE_ALERTS_H
#define SLUICE_CORE_ALERTS_H

#include "core/burn_rate.h"

enum alert_id {
    ALERT_BREAKER_OPEN_PAGE,   /* of the engine or Prefect */
    ALERT_BREAKER_OPEN_TICKET, /* of a registry */
    ALERT_POLL_STALE,
    ALERT_NOTHING_STARTS,
    ALERT_QUEUE_OLD,
    ALERT_TIMEOUT_BURN_PAGE,
    ALERT_TIMEOUT_BURN_TICKET,
    ALERT_LAUNCH_FAILURE_BURN_PAGE,
    ALERT_LAUNCH_FAILURE_BURN_TICKET,
    ALERT_DISK_TROUBLE_PAGE,   /* it is nearly full */
    ALERT_DISK_TROUBLE_TICKET, /* it is slow */
    ALERT_STATE_FILE_DAMAGED
};
#define ALERT_COUNT (ALERT_STATE_FILE_DAMAGED + 1)

enum alert_severity {
    ALERT_PAGE,  /* wake somebody */
    ALERT_TICKET /* soon, by day */
};
const char *alert_severity_name(enum alert_severity severity); /* "page", "ticket" */

/* name and severity together are an alert's identity. */
struct alert_kind {
    const char *name;      /* "timeout_burn"; the heading in docs/alerts.md */
    const char *rule_name; /* "SluiceTimeoutBurn": of the Prometheus rule that says the same */
    enum alert_severity severity;
    const char *summary;    /* what it means, as one sentence */
    const char *what_to_do; /* the first step, with our command */
    int64_t end_after_ms;   /* fine for so long */
};
extern const struct alert_kind alert_kinds[ALERT_COUNT];

#define ALERT_REASON_SIZE 320
#define ALERT_CLASS_SIZE 48

struct alert {
    bool is_firing;
    int64_t since_ms;                  /* wall; when it began to fire last; 0: never */
    int64_t changed_ms;                /* wall; when it began or ended; 0: never */
    char reason[ALERT_REASON_SIZE];    /* while it fires: as of now; else what it was; "" if never */
    char class_name[ALERT_CLASS_SIZE]; /* the class that the reason points at; "": none */
    /* what follows is not kept over a restart */
    int64_t bad_since_ms;  /* mono; valid while is_bad */
    int64_t fine_since_ms; /* mono; valid while is_fine */
    bool is_bad;           /* since then, but for times that were too short to end it */
    bool is_fine;
    bool has_burned[BURN_SPEED_COUNT]; /* at that speed, and its short window is not clean yet */
};

struct alerts_rules {
    double timeout_budget; /* allowed share, above 0 */
    double launch_budget;
    int64_t queue_age_ms;      /* 0: queue_old never fires */
    int64_t nothing_starts_ms; /* 0: nothing_starts never fires */
};

/* What was done since the process began: these only rise. */
struct alerts_counters {
    uint64_t attempts; /* but for pulls */
    uint64_t timeouts; /* of these */
    uint64_t pulls;
    uint64_t pull_timeouts;
    uint64_t launches_ended;
    uint64_t launches_failed;
    uint64_t starts;
    uint64_t commits;
    uint64_t slow_commits; /* of these: ALERTS_SLOW_COMMIT_MS or longer */
};

/* What is seen at one moment; texts are borrowed for the step. */
struct alerts_signals {
    int64_t now_ms; /* mono */
    int64_t wall_ms;
    struct alerts_counters done;
    const char *timeout_class; /* most of the newer timeouts are of this class; "": no such class */
    const char *failure_class;
    const char *away; /* of the engine and Prefect who is out of reach: "engine, prefect"; "": none */
    const char *registries_away; /* "registry ghcr.io"; "": none */
    bool is_paused;
    bool is_leaving;       /* draining or stopping */
    int64_t oldest_due_ms; /* wall; of the runs that are due and not started; 0: none */
    const char *oldest_class;
    size_t startable;     /* runs due whom no limit, pause or backoff holds */
    int64_t last_poll_ms; /* mono; 0: none yet */
    int64_t poll_interval_ms;
    int64_t disk_free_bytes; /* -1: not known, as disk_bytes */
    int64_t disk_bytes;
    const char *damaged_file; /* one that was set aside and is still there; "": none */
};

#define ALERTS_SLOW_COMMIT_MS 1000

struct alerts_book {
    struct alert all[ALERT_COUNT];
    struct burn_rate timeouts;
    struct burn_rate launches;
    struct burn_rate commits;
    struct alerts_counters last; /* at the last step */
    int64_t began_ms;            /* mono */
    int64_t began_wall_ms;
    int64_t free_since_ms;  /* mono; nothing holds all runs since then */
    int64_t last_outage_ms; /* mono; engine or Prefect was away; valid if had_outage */
    bool had_outage;
};

/* alerts_begin - nothing fires, nothing is known. What the state file knows is put in afterwards: `all`, as
 * far as it is kept, and the three windows by burn_rate_read() with alerts_time_ms(). */
void alerts_begin(struct alerts_book *book, int64_t now_ms, int64_t wall_ms);
/* alerts_time_ms - the time that the windows go by. */
int64_t alerts_time_ms(const struct alerts_book *book, int64_t now_ms);
/* alerts_restored - what fires by the state file goes on firing until it is seen to be fine. */
void alerts_restored(struct alerts_book *book);

/* alerts_step - a look at the signals. Returns the set of alerts that began or ended: bit 1 << id. */
uint32_t alerts_step(struct alerts_book *book, const struct alerts_rules *rules,
                     const struct alerts_signals *signals);

#endif
