/*
 * config_rules.c - [rule NAME] sections into the rules that core/rules.c asks, and what is wrong with them.
 *
 * Refused: a rule that says nothing, or speaks of everything; one that can never match (its keys exclude each
 * other, only answers that got lost are left, or an earlier rule takes all that it would match); one that
 * would end what must not end. How long a rule may repeat is always limited: by its own max_attempts, else by
 * that of stage and class, and neither can be without end.
 */
#include "config_internal.h"
#include "config_text.h"

#include <ctype.h>
#include <string.h>

/* ---- items ---- */

/* 429, 5xx, 500-599; false: none of them. */
static bool read_statuses(const char *item, struct rule_statuses *out)
{
    size_t len = strlen(item);
    bool is_number = len >= 3 && strspn(item, "0123456789") >= 3;
    if (len == 3 && isdigit((unsigned char)item[0]) && strcasecmp(item + 1, "xx") == 0) {
        out->low = (item[0] - '0') * 100;
        out->high = out->low + 99;
    } else if (is_number && len == 3) {
        out->low = out->high = (int)strtol(item, NULL, 10);
    } else if (is_number && len == 7 && item[3] == '-' && strspn(item + 4, "0123456789") == 3) {
        out->low = (int)strtol(item, NULL, 10);
        out->high = (int)strtol(item + 4, NULL, 10);
    } else {
        return false;
    }
    return true;
}

const char *config_rules_check_status(const char *item)
{
    struct rule_statuses statuses;
    if (!read_statuses(item, &statuses))
        return "has an item that is not a status";
    if (statuses.low < 100 || statuses.high > 599)
        return "has a status that no answer has";
    return statuses.low > statuses.high ? "has a range that ends before it begins" : NULL;
}

const char *config_rules_check_transport(const char *item)
{
    return transport_from_name(item) < 0 ? "has an unknown word" : NULL;
}

/* The bits of the words; `all` if there are none. */
static uint64_t bits_of(const struct match_list *words, int (*from_name)(const char *), uint64_t all)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < words->count; i++)
        bits |= UINT64_C(1) << from_name(words->globs[i]);
    return words->count == 0 ? all : bits;
}

static void make_lower(struct match_list *globs)
{
    for (size_t i = 0; i < globs->count; i++)
        for (char *p = globs->globs[i]; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
}

static void compile(struct config_rule *r, struct config_arena *arena)
{
    struct rule *rule = &r->rule;
    rule->stages = (uint32_t)bits_of(&r->stage, stage_from_name, RULE_ALL_STAGES);
    rule->dependencies = (uint32_t)bits_of(&r->dependency, dependency_from_name, RULE_ALL_DEPENDENCIES);
    rule->transports = bits_of(&r->transport, transport_from_name, RULE_ALL_TRANSPORTS);
    rule->error_class = r->class_word == NULL ? -1 : error_class_from_name(r->class_word);
    rule->action = r->action_word == NULL ? RULE_ACTION_UNSET : rule_action_from_name(r->action_word);
    struct rule_statuses *statuses = config_arena_alloc(arena, (r->status.count + 1) * sizeof(*statuses));
    for (size_t i = 0; i < r->status.count; i++)
        CHECK(read_statuses(r->status.globs[i], &statuses[i]));
    rule->statuses = statuses;
    rule->status_count = r->status.count;
    make_lower(&rule->message);
}

/* ---- what can't be ---- */

static bool can_be_from(enum stage stage, enum dependency dependency)
{
    bool is_prefects = stage == STAGE_API || stage == STAGE_RESOLVE || stage == STAGE_REPORT;
    if (is_prefects || dependency == DEPENDENCY_PREFECT)
        return is_prefects && dependency == DEPENDENCY_PREFECT;
    return dependency == DEPENDENCY_ENGINE || stage == STAGE_PULL;
}

static bool has_possible_pair(const struct rule *rule)
{
    for (int s = 0; s < STAGE_COUNT; s++)
        for (int d = 0; d <= DEPENDENCY_PREFECT; d++)
            if ((rule->stages & 1u << s) != 0 && (rule->dependencies & 1u << d) != 0 &&
                can_be_from((enum stage)s, (enum dependency)d))
                return true;
    return false;
}

static bool has_transport_with_status(const struct rule *rule)
{
    for (int t = 0; t <= TRANSPORT_CANCELLED; t++)
        if ((rule->transports & UINT64_C(1) << t) != 0 && transport_has_status((enum transport)t))
            return true;
    return false;
}

/* Nothing but calls that change something, whose answer got lost? */
static bool is_only_lost(const struct rule *rule)
{
    const uint32_t changing = 1u << STAGE_CREATE | 1u << STAGE_NETWORK | 1u << STAGE_START;
    if ((rule->stages & ~changing) != 0)
        return false;
    for (int t = 0; t <= TRANSPORT_CANCELLED; t++) {
        struct failure lost = {.stage = STAGE_CREATE, .transport = (enum transport)t, .sent = true};
        lost.changes = true;
        bool is_lost = t != TRANSPORT_NONE && classify(&lost).error_class == ERROR_CLASS_UNKNOWN_OUTCOME;
        if ((rule->transports & UINT64_C(1) << t) != 0 && !is_lost)
            return false;
    }
    return true;
}

static bool has_match_key(const struct config_rule *r)
{
    return r->stage.count + r->dependency.count + r->transport.count + r->status.count +
               r->rule.message.count + r->rule.job_class.count >
           0;
}

static bool says_something(const struct rule *rule)
{
    const struct retry_override *retry = &rule->retry;
    bool limits = retry->max_attempts > 0 || retry->max_time_ms > 0;
    bool delays = retry->base_ms > 0 || retry->factor > 0 || retry->cap_ms > 0 ||
                  retry->jitter != JITTER_UNSET || rule->delay_ms > 0;
    return rule->error_class >= 0 || rule->action != RULE_ACTION_UNSET || limits || delays;
}

static bool may_end_everywhere(const struct rule *rule)
{
    for (int s = 0; s < STAGE_COUNT; s++)
        if ((rule->stages & 1u << s) != 0 && !stage_may_end((enum stage)s))
            return false;
    return true;
}

/* NULL, or what is wrong and what is allowed. */
static const char *find_fault(const struct config_rule *r)
{
    const struct rule *rule = &r->rule;
    if (!has_match_key(r))
        return "speaks of every error; allowed: at least one of stage, dependency, status, transport, "
               "message, "
               "job_class";
    if (!says_something(rule))
        return "says nothing of the errors it matches; allowed: at least one of class, action, delay, "
               "max_attempts, max_time, base, factor, cap, jitter";
    if (!has_possible_pair(rule))
        return "can never match: no such stage has to do with that dependency; allowed: api, resolve, report "
               "with prefect; pull with registry or engine; all others with engine";
    if (rule->status_count > 0 && !has_transport_with_status(rule))
        return "can never match: such a failure has no status; allowed: status without transport, or with "
               "transport = none";
    if (is_only_lost(rule))
        return "can never match: an answer that was lost is looked at first; a rule can't change that; "
               "allowed: conditions under which the request did not arrive, or was answered";
    if (rule_ends(rule) && !may_end_everywhere(rule))
        return "would end what must not end: outside the way to a started container errors are repeated "
               "until "
               "they pass; allowed: stage = resolve, image, pull, create, network, start or some of them";
    if (rule->error_class == ERROR_CLASS_GONE && (rule->stages & 1u << STAGE_START) != 0)
        return "takes a container for gone that may still be there; allowed: class = permanent for stage "
               "start";
    if (rule->action == RULE_ACTION_RETRY && rule->error_class == ERROR_CLASS_UNKNOWN_OUTCOME)
        return "repeats what has to be looked at first; allowed: class = unknown_outcome without action";
    if (rule->retry.base_ms > 0 && rule->retry.cap_ms > 0 && rule->retry.base_ms > rule->retry.cap_ms)
        return "base is longer than cap; allowed: a base up to cap";
    return NULL;
}

static void check(const struct config_settings *settings, size_t index, const char *path,
                  struct config_problems *problems)
{
    const struct config_rule *r = &settings->rules[index];
    const char *fault = find_fault(r);
    if (fault != NULL) {
        config_problem(problems, "%s:%d: [rule %s]: %s", path, r->line, r->rule.name, fault);
        return;
    }
    for (size_t i = 0; i < index; i++)
        if (rule_covers(&settings->rules[i].rule, &r->rule)) {
            config_problem(problems,
                           "%s:%d: [rule %s]: can never match: [rule %s] on line %d matches all that it does "
                           "and comes first; allowed: the narrower rule above the wider one",
                           path, r->line, r->rule.name, settings->rules[i].rule.name,
                           settings->rules[i].line);
            return;
        }
}

void config_rules_build(struct config_settings *settings, const struct config_file *file,
                        struct config_problems *problems)
{
    size_t count = file->rule_count;
    struct config_arena *arena = &settings->arena;
    settings->rules = config_arena_alloc(arena, (count + 1) * sizeof(*settings->rules));
    settings->rule_from = config_arena_alloc(arena, (count + 1) * sizeof(*settings->rule_from));
    settings->public.rules = config_arena_alloc(arena, (count + 1) * sizeof(struct rule));
    settings->public.rule_count = count;
    for (size_t i = 0; i < count; i++) {
        struct config_rule *r = &settings->rules[i];
        const char **from = config_arena_alloc(arena, config_key_count * sizeof(*from));
        const struct config_target target = {NULL, NULL, r, from, arena};
        size_t before = problems->count;
        settings->rule_from[i] = from;
        r->rule.name = file->rules[i].name;
        r->line = file->rules[i].line;
        config_apply_entries(file, SIZE_MAX, i, &target, problems);
        compile(r, arena);
        if (problems->count == before)
            check(settings, i, file->path, problems);
        settings->public.rules[i] = r->rule;
    }
}
