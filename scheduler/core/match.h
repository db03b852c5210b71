/*
 * match.h - which job class a run belongs to: globs over tag, deployment, flow, work queue and parameters.
 *
 * All keys that are given must match (AND); several values of one key: any (OR). The first class that matches
 * wins; a run that none matches belongs to class "default". Glob: * any text, ? one character (of UTF-8),
 * [abc] [a-z] [!a] sets, \ takes the next character as it is; the whole value must match; case counts. The
 * work is bounded by length of glob times length of text, whatever they hold.
 */
#ifndef SLUICE_CORE_MATCH_H
#define SLUICE_CORE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

struct match_list {
    char **globs; /* owned by whoever made the rule */
    size_t count; /* 0: the key was not given and matches anything */
};

struct match_rule {
    struct match_list tag;
    struct match_list deployment; /* "flow/deployment" or the deployment's name alone */
    struct match_list flow;
    struct match_list work_queue;
    struct match_list parameter; /* "name=glob": the parameter's value as JSON text, or bare text for strings;
                                    "name" alone: it is given, whatever its value */
};

/* What is known of a run when it is classified; every pointer borrowed, NULL where unknown. */
struct match_subject {
    const char *const *tags;
    size_t tag_count;
    const char *deployment;
    const char *flow;
    const char *work_queue;
    const char *const *parameter_names;
    const char *const *parameter_values; /* as many as names */
    size_t parameter_count;
};

bool match_glob(const char *glob, const char *text);
/* match_any - one of the globs matches; text may be NULL: none does. */
bool match_any(const struct match_list *list, const char *text);
bool match_rule_is_empty(const struct match_rule *rule);
/* A rule with no key holds for every subject; a key that is given never holds for what is unknown. */
bool match_rule_holds(const struct match_rule *rule, const struct match_subject *subject);

#endif
