/*
 * rules.h - the operator's rules: what an error means here and how it is retried, before the built-in table.
 *
 * The first rule in file order that fits a failure wins. What a rule may not do: turn an answer that was lost
 * into something that is repeated without a look (no rule is asked about those), and end what must not end,
 * the stop, removal or report of a run whose container may live (there a rule only chooses how to repeat, and
 * what it repeats although the table would not is repeated as often as the limits say, then the table holds).
 * Pure; the texts belong to whoever made the rules. Source: design, "Retry" and "Error classes".
 */
#ifndef SLUICE_CORE_RULES_H
#define SLUICE_CORE_RULES_H

#include "core/classify.h"
#include "core/match.h"
#include "core/retry.h"

#include <stddef.h>

#define RULE_ACTIONS(X)                                                                                      \
    X(RETRY, "retry") /* repeat it, whatever its class */                                                    \
    X(FAIL, "fail")   /* the launch has failed */                                                            \
    X(PARK, "park")   /* it has failed, and the run is kept aside for a person */

enum rule_action {
    RULE_ACTION_UNSET, /* what follows from the class */
#define X(name, text) RULE_ACTION_##name,
    RULE_ACTIONS(X)
#undef X
};

struct rule_statuses {
    int low; /* 100 to 599, both included */
    int high;
};

#define RULE_ALL_STAGES ((1u << STAGE_COUNT) - 1)
#define RULE_ALL_DEPENDENCIES ((1u << (DEPENDENCY_PREFECT + 1)) - 1)
#define RULE_ALL_TRANSPORTS ((UINT64_C(1) << (TRANSPORT_CANCELLED + 1)) - 1)

struct rule {
    const char *name;
    uint32_t stages;       /* bits by enum stage */
    uint32_t dependencies; /* bits by enum dependency */
    uint64_t transports;   /* bits by enum transport */
    const struct rule_statuses *statuses;
    size_t status_count;         /* 0: any status, also none */
    struct match_list message;   /* globs in lower case; no item: any message */
    struct match_list job_class; /* globs over the name of the run's class; no item: any */
    int error_class;             /* enum error_class; -1: as the built-in table says */
    enum rule_action action;
    int64_t delay_ms; /* no try again sooner, as if the other side had asked for it; 0: no such time */
    struct retry_override retry;
};

/* Where a failure hits a launch. */
struct rule_place {
    const char *job_class;             /* the run's class */
    bool gives_up;                     /* its state gives up after so many tries (run_state_gives_up) */
    int32_t attempt;                   /* tries of this state that failed before this one */
    int64_t spent_ms;                  /* since the first of them */
    const struct retry_policy *policy; /* of class and stage */
};

struct ruling {
    struct verdict_on_failure verdict; /* its `rule`: the rule's name if one fits, else the table's row */
    bool repeats;                      /* the same request goes again, unchanged, by itself, without a look */
    enum error_class acts_as; /* the class that decides what is done: the verdict's, but for an action */
    bool park;
    int64_t retry_after_ms; /* as the failure's; longer if the rule has a delay */
    struct retry_override retry;
};

/* rules_judge - what is to be done about one failure. Never fails. */
struct ruling rules_judge(const struct rule *rules, size_t count, const struct failure *failure,
                          const struct rule_place *place);

/* rule_fits - does the rule speak of this failure? */
bool rule_fits(const struct rule *rule, const struct failure *failure, const char *job_class);

/* rule_covers - does `first` surely fit every failure that `second` fits? Globs with sets count as covered
 * only by themselves and by what matches any text. */
bool rule_covers(const struct rule *first, const struct rule *second);

/* rule_ends - does it make an error final (a class that is not repeated, or fail, or park)? */
bool rule_ends(const struct rule *rule);

/* error_class_repeats - may the same request go again by itself without a look (design, "Error classes")? */
bool error_class_repeats(enum error_class c);

/* stage_may_end - may a rule make an error of this stage final? */
bool stage_may_end(enum stage s);

/* transport_has_status - can a failure of this kind have a status? */
bool transport_has_status(enum transport t);

/* Find by its text; RULE_ACTION_UNSET if there is none. */
enum rule_action rule_action_from_name(const char *text);
const char *rule_action_name(enum rule_action a);

#endif
