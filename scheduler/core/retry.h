/*
 * retry.h - how long to wait before trying again: from (error class, attempt, random) alone.
 *
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full, equal, decorrelated); the policy
 * words are the configuration's [retry] keys.
 */
#ifndef SLUICE_CORE_RETRY_H
#define SLUICE_CORE_RETRY_H

#include "core/classify.h"

#include <stdbool.h>
#include <stdint.h>

#define JITTERS(X)                                                                                           \
    X(NONE, "none")                                                                                          \
    X(EQUAL, "equal")                                                                                        \
    X(FULL, "full")                                                                                          \
    X(DECORRELATED, "decorrelated")

enum jitter {
    JITTER_UNSET, /* of a retry_override: nothing was said */
#define X(name, text) JITTER_##name,
    JITTERS(X)
#undef X
};

struct retry_policy {
    int32_t max_attempts; /* tries in one state before the run is given up; at least 1 */
    int64_t
        max_time_ms; /* given up too when the first failed try of a state is so long ago; 0: no such limit */
    int64_t base_ms; /* first delay */
    double factor;   /* growth a try, >= 1 */
    int64_t cap_ms;  /* longest delay */
    enum jitter jitter;
    int64_t hand_back_after_ms; /* a claimed run without a container waits this long for a dependency out of
                                   reach */
    int64_t cancel_grace_ms; /* a RUNNING container whose run was cancelled, or is over, may end by itself for
                                this long */
    bool stop_when_over;     /* stop it then also when the run is over though not cancelled; else leave it */
    int64_t start_clock_ms;  /* after this long an unanswered start is looked at for the last time */
    int64_t settle_ms;       /* after this long a state proposed to Prefect can't land any more */
    int64_t late_after_ms;   /* a run that was due longer ago is late; 0: none is */
    bool leave_late;         /* a late one is not claimed */
    bool skip_late;          /* a late one is claimed and ended as Cancelled */
    bool park; /* when the policy is exhausted: keep the run aside instead of reporting Crashed */
    bool remove_ended_container; /* the job's auto_remove: REMOVING removes; otherwise it is kept */
};

/* What a stage of a class, or a rule, says instead of the class's policy; 0, or JITTER_UNSET: nothing. */
struct retry_override {
    int32_t max_attempts;
    int64_t max_time_ms;
    int64_t base_ms;
    double factor;
    int64_t cap_ms;
    enum jitter jitter;
};

/* The defaults without any configuration file. */
struct retry_policy retry_policy_default(void);

/* retry_policy_override - put what was said in its place. A base that is longer than a cap nobody changed
 * takes the cap along. */
void retry_policy_override(struct retry_policy *policy, const struct retry_override *override);

/*
 * retry_delay_ms - the delay before try `attempt` + 1 (attempt counts the tries made, >= 1).
 * random: 64 random bits. retry_after_ms: what the other side asked for, or -1; never undercut (for throttled
 * and transient alike), jitter is added on top (0 to 20 %); a longer backoff of our own stands. capacity:
 * starts at 10 times the base. previous_ms: the last delay, for decorrelated jitter; 0 if there was none.
 * Never negative, never above max(cap, retry_after * 1.2); both count as a year when they are longer.
 */
int64_t retry_delay_ms(const struct retry_policy *policy, enum error_class error_class, int32_t attempt,
                       int64_t retry_after_ms, int64_t previous_ms, uint64_t random);

/*
 * retry_delay_bounds_ms - the least and the greatest delay that can follow try `attempt` (retry_after_ms as
 * above); for people (`sluice explain`). With decorrelated jitter: over all histories that lead there.
 */
void retry_delay_bounds_ms(const struct retry_policy *policy, enum error_class error_class, int32_t attempt,
                           int64_t retry_after_ms, int64_t *low_ms, int64_t *high_ms);

const char *jitter_name(enum jitter j);

#endif
