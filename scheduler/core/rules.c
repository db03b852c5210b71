/*
 * The operator's rules.
 *
 * The built-in table is always asked first: it alone knows whether the answer to a change was lost, and its
 * verdict stands wherever a rule may not speak. Messages are compared in lower case; the work of one rule is
 * bounded by the lengths of its globs times that of the message (match_glob).
 */
#include "core/rules.h"

#include "base/check.h"

#include <ctype.h>
#include <string.h>

bool error_class_repeats(enum error_class c)
{
    return c == ERROR_CLASS_TRANSIENT || c == ERROR_CLASS_THROTTLED || c == ERROR_CLASS_CAPACITY;
}

bool stage_may_end(enum stage s)
{
    return s == STAGE_RESOLVE || s == STAGE_IMAGE || s == STAGE_PULL || s == STAGE_CREATE ||
           s == STAGE_NETWORK || s == STAGE_START;
}

bool transport_has_status(enum transport t)
{
    switch ((int)t) {
    case TRANSPORT_NONE:
    case TRANSPORT_PARTIAL_BODY:
    case TRANSPORT_IDLE_TIMEOUT:
    case TRANSPORT_TOTAL_TIMEOUT:
    case TRANSPORT_BODY_TOO_LARGE:
    case TRANSPORT_BAD_ANSWER:
    case TRANSPORT_CANCELLED:
        return true;
    default:
        return false;
    }
}

bool rule_ends(const struct rule *rule)
{
    if (rule->action != RULE_ACTION_UNSET)
        return rule->action != RULE_ACTION_RETRY;
    return rule->error_class >= 0 && !error_class_repeats((enum error_class)rule->error_class) &&
           rule->error_class != ERROR_CLASS_UNKNOWN_OUTCOME;
}

/* ---- does it fit? ---- */

static bool fits_any(const struct match_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (match_glob(list->globs[i], text))
            return true;
    return list->count == 0;
}

static bool fits_status(const struct rule *rule, int status)
{
    for (size_t i = 0; i < rule->status_count; i++)
        if (status >= rule->statuses[i].low && status <= rule->statuses[i].high)
            return true;
    return rule->status_count == 0;
}

/* An error that a pull ends with is the registry's, whoever told us; a broken call to the engine is not. */
static enum dependency dependency_of(const struct failure *failure)
{
    bool is_told = failure->stage == STAGE_PULL && failure->transport == TRANSPORT_NONE;
    return is_told ? DEPENDENCY_REGISTRY : failure->dependency;
}

static bool fits(const struct rule *rule, const struct failure *failure, const char *message,
                 const char *job_class)
{
    return (rule->stages & 1u << failure->stage) != 0 &&
           (rule->dependencies & 1u << dependency_of(failure)) != 0 &&
           (rule->transports & UINT64_C(1) << failure->transport) != 0 &&
           fits_status(rule, failure->status) && fits_any(&rule->job_class, job_class) &&
           fits_any(&rule->message, message);
}

static void copy_lower(char *out, const struct failure *failure)
{
    size_t len = strnlen(failure->message, FAILURE_MESSAGE_SIZE);
    for (size_t i = 0; i < len; i++)
        out[i] = (char)tolower((unsigned char)failure->message[i]);
    out[len] = '\0';
}

bool rule_fits(const struct rule *rule, const struct failure *failure, const char *job_class)
{
    char message[FAILURE_MESSAGE_SIZE + 1];
    copy_lower(message, failure);
    return fits(rule, failure, message, job_class);
}

static const struct rule *find_rule(const struct rule *rules, size_t count, const struct failure *failure,
                                    const char *job_class)
{
    if (count == 0)
        return NULL;
    char message[FAILURE_MESSAGE_SIZE + 1];
    copy_lower(message, failure);
    for (size_t i = 0; i < count; i++)
        if (fits(&rules[i], failure, message, job_class))
            return &rules[i];
    return NULL;
}

/* ---- what follows ---- */

/* What a state that never gives up repeats only because a rule says so, it repeats within the limits. */
static bool is_used_up(const struct rule *rule, const struct rule_place *place)
{
    struct retry_policy policy = *place->policy;
    retry_policy_override(&policy, &rule->retry);
    return place->attempt + 1 >= policy.max_attempts ||
           (policy.max_time_ms > 0 && place->spent_ms >= policy.max_time_ms);
}

static struct ruling rule_by_table(const struct verdict_on_failure *verdict, const struct failure *failure)
{
    return (struct ruling){.verdict = *verdict,
                           .repeats = error_class_repeats(verdict->error_class),
                           .acts_as = verdict->error_class,
                           .retry_after_ms = failure->retry_after_ms};
}

/* The class that an action stands for. */
static enum error_class class_of_action(enum rule_action action, enum error_class meaning)
{
    if (action == RULE_ACTION_FAIL || action == RULE_ACTION_PARK)
        return ERROR_CLASS_PERMANENT;
    return action == RULE_ACTION_RETRY && !error_class_repeats(meaning) ? ERROR_CLASS_TRANSIENT : meaning;
}

struct ruling rules_judge(const struct rule *rules, size_t count, const struct failure *failure,
                          const struct rule_place *place)
{
    struct verdict_on_failure verdict = classify(failure);
    struct ruling ruling = rule_by_table(&verdict, failure);
    if (verdict.error_class == ERROR_CLASS_UNKNOWN_OUTCOME)
        return ruling; /* looked at first; a rule can't change that */
    const struct rule *rule = find_rule(rules, count, failure, place->job_class);
    if (rule == NULL || (rule_ends(rule) && !place->gives_up))
        return ruling;
    enum error_class meaning =
        rule->error_class >= 0 ? (enum error_class)rule->error_class : verdict.error_class;
    enum error_class acts_as = class_of_action(rule->action, meaning);
    bool is_against_table = error_class_repeats(acts_as) && !ruling.repeats;
    if (is_against_table && !place->gives_up && is_used_up(rule, place))
        return ruling;
    bool decides = rule->error_class >= 0 || rule->action != RULE_ACTION_UNSET;
    ruling.verdict = (struct verdict_on_failure){
        .error_class = meaning, .out_of_reach = verdict.out_of_reach && !decides, .rule = rule->name};
    ruling.acts_as = acts_as;
    ruling.repeats = error_class_repeats(acts_as);
    ruling.park = rule->action == RULE_ACTION_PARK;
    ruling.retry = rule->retry;
    if (ruling.retry_after_ms < rule->delay_ms && rule->delay_ms > 0)
        ruling.retry_after_ms = rule->delay_ms;
    return ruling;
}

/* ---- does one hide another? ---- */

/* Every text of `inner` is one of `outer`: a '*' of inner is only taken by a '*' of outer, a '?' also by a
 * '?'. As match_glob, with the inner glob for a text. */
static bool glob_holds_glob(const char *outer, const char *inner)
{
    const char *after_star = NULL;
    const char *star_inner = NULL;
    while (*inner != '\0') {
        if (*outer == '*') {
            after_star = ++outer;
            star_inner = inner;
            continue;
        }
        if (*outer != '\0' && *inner != '*' && (*outer == '?' || *outer == *inner)) {
            outer++;
            inner++;
            continue;
        }
        if (after_star == NULL)
            return false;
        inner = ++star_inner;
        outer = after_star;
    }
    while (*outer == '*')
        outer++;
    return *outer == '\0';
}

static bool glob_covers(const char *outer, const char *inner)
{
    if (strcmp(outer, inner) == 0 || strcmp(outer, "*") == 0)
        return true;
    bool is_plain = strpbrk(outer, "[\\") == NULL && strpbrk(inner, "[\\") == NULL;
    return is_plain && glob_holds_glob(outer, inner);
}

static bool list_covers(const struct match_list *outer, const struct match_list *inner)
{
    if (outer->count == 0)
        return true;
    for (size_t i = 0; i < inner->count; i++) {
        bool is_covered = false;
        for (size_t k = 0; k < outer->count; k++)
            is_covered = is_covered || glob_covers(outer->globs[k], inner->globs[i]);
        if (!is_covered)
            return false;
    }
    return inner->count > 0;
}

static bool statuses_cover(const struct rule *outer, const struct rule *inner)
{
    if (outer->status_count == 0)
        return true;
    for (size_t i = 0; i < inner->status_count; i++)
        for (int status = inner->statuses[i].low; status <= inner->statuses[i].high; status++)
            if (!fits_status(outer, status))
                return false;
    return inner->status_count > 0;
}

bool rule_covers(const struct rule *first, const struct rule *second)
{
    return (second->stages & ~first->stages) == 0 && (second->dependencies & ~first->dependencies) == 0 &&
           (second->transports & ~first->transports) == 0 && statuses_cover(first, second) &&
           list_covers(&first->message, &second->message) &&
           list_covers(&first->job_class, &second->job_class);
}

enum rule_action rule_action_from_name(const char *text)
{
#define X(name, word)                                                                                        \
    if (strcmp(text, word) == 0)                                                                             \
        return RULE_ACTION_##name;
    RULE_ACTIONS(X)
#undef X
    return RULE_ACTION_UNSET;
}

const char *rule_action_name(enum rule_action a)
{
    switch (a) {
    case RULE_ACTION_UNSET:
        break;
#define X(name, text)                                                                                        \
    case RULE_ACTION_##name:                                                                                 \
        return text;
        RULE_ACTIONS(X)
#undef X
    }
    return "";
}
