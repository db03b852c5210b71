/*
 * What a failure means.
 *
 * First the transport: what never reached the other side may go again; an answer that is lost after the
 * request was sent leaves the outcome of a change unknown. If there was an answer, the rows of
 * classify_table.c are tried in order against dependency, stage, status and message, and the first that fits
 * wins. Messages are compared in lower case by substrings, each found in one pass, so the time is bounded by
 * the size of table and message whatever the message holds. Not here: how long to wait (retry), what a state
 * does with a class (run_step), the operator's own rules (they come before this table).
 */
#include "core/classify.h"

#include "base/check.h"
#include "core/classify_internal.h"

#include <ctype.h>
#include <string.h>

/* Does the text hold all parts of one alternative, in their order? */
static bool holds_parts(const char *text, size_t text_len, const char *pattern, size_t pattern_len)
{
    while (pattern_len > 0) {
        const char *star = memchr(pattern, '*', pattern_len);
        size_t part_len = star == NULL ? pattern_len : (size_t)(star - pattern);
        const char *found = memmem(text, text_len, pattern, part_len);
        if (found == NULL)
            return false;
        text_len -= (size_t)(found - text) + part_len;
        text = found + part_len;
        size_t used = star == NULL ? part_len : part_len + 1;
        pattern += used;
        pattern_len -= used;
    }
    return true;
}

static bool holds_text(const char *text, size_t text_len, const char *alternatives)
{
    for (;;) {
        size_t len = strcspn(alternatives, "|");
        if (holds_parts(text, text_len, alternatives, len))
            return true;
        if (alternatives[len] == '\0')
            return false;
        alternatives += len + 1;
    }
}

static unsigned status_kind(int status)
{
    if (status >= 100 && status < 200)
        return STATUS_NONE;
    if (status >= 200 && status < 600)
        return 1u << (status / 100);
    return STATUS_NONE;
}

static const struct classify_rule *find_rule(const struct failure *failure)
{
    char text[FAILURE_MESSAGE_SIZE];
    size_t text_len = strnlen(failure->message, sizeof(failure->message));
    for (size_t i = 0; i < text_len; i++)
        text[i] = (char)tolower((unsigned char)failure->message[i]);
    /* a pull's failure is the registry's, whoever told us */
    enum dependency dependency = failure->stage == STAGE_PULL ? DEPENDENCY_REGISTRY : failure->dependency;
    for (size_t i = 0; i < classify_rule_count; i++) {
        const struct classify_rule *rule = &classify_rules[i];
        if ((rule->dependencies & 1u << dependency) != 0 && (rule->stages & 1u << failure->stage) != 0 &&
            (rule->status_kinds & status_kind(failure->status)) != 0 &&
            (rule->status == 0 || rule->status == failure->status) &&
            (rule->text == NULL || holds_text(text, text_len, rule->text)))
            return rule;
    }
    UNREACHABLE();
}

/* What does not speak the other side's language (a proxy's page) says nothing about the object asked for: its
 * word counts only where any proxy may speak. */
static bool is_proxys_to_say(int status)
{
    return status >= 400 && status != 404 && status != 405 && status != 409 && status != 410 && status != 422;
}

static bool is_answer(const struct failure *failure)
{
    if (failure->transport == TRANSPORT_BAD_ANSWER || failure->transport == TRANSPORT_BODY_TOO_LARGE)
        return is_proxys_to_say(failure->status);
    return failure->transport == TRANSPORT_NONE;
}

static struct verdict_on_failure judge_lost(const struct failure *failure)
{
    const struct classify_transport *row = &classify_transports[failure->transport];
    bool is_lost_change = row->kind == TRANSPORT_KIND_MAYBE_SENT && failure->sent && failure->changes;
    return (struct verdict_on_failure){
        .error_class = is_lost_change ? ERROR_CLASS_UNKNOWN_OUTCOME : row->error_class,
        .out_of_reach =
            row->out_of_reach || (failure->clock == CLOCK_KIND_CONNECT && !failure->sent && !is_lost_change),
        .rule = transport_name(failure->transport),
    };
}

/* Nothing that a launch needs comes from Prefect but its job: silence there, also a gateway's, must not use
 * the launch up. A 500 is the server's own word on this job and counts. */
static bool is_job_out_of_reach(const struct failure *failure, enum error_class error_class)
{
    bool is_success = failure->status >= 200 && failure->status <= 299; /* perhaps what it always says */
    bool is_silence =
        (!is_answer(failure) && !is_success) || (failure->status >= 502 && failure->status <= 504);
    return failure->dependency == DEPENDENCY_PREFECT && failure->stage == STAGE_RESOLVE &&
           error_class == ERROR_CLASS_TRANSIENT && is_silence;
}

static struct verdict_on_failure judge(const struct failure *failure)
{
    CHECK((unsigned)failure->stage < STAGE_COUNT && (unsigned)failure->transport <= TRANSPORT_CANCELLED);
    if (!is_answer(failure))
        return judge_lost(failure);
    const struct classify_rule *rule = find_rule(failure);
    struct verdict_on_failure verdict = {rule->error_class, rule->out_of_reach, rule->name};
    if (verdict.error_class == ERROR_CLASS_UNKNOWN_OUTCOME && !failure->changes)
        verdict.error_class = ERROR_CLASS_TRANSIENT;
    /* no status line, or a success that cannot be one: nobody has said that the change was not made */
    bool is_refused = failure->status >= 300;
    if (!is_refused && failure->sent && failure->changes && rule->error_class == ERROR_CLASS_TRANSIENT &&
        !rule->out_of_reach)
        verdict.error_class = ERROR_CLASS_UNKNOWN_OUTCOME;
    return verdict;
}

struct verdict_on_failure classify(const struct failure *failure)
{
    struct verdict_on_failure verdict = judge(failure);
    verdict.out_of_reach = verdict.out_of_reach || is_job_out_of_reach(failure, verdict.error_class);
    return verdict;
}

bool transport_may_have_sent(enum transport t)
{
    return classify_transports[t].kind != TRANSPORT_KIND_NOT_SENT;
}

/* The name functions and their inverses, for each list of classify.h. */
#define NAME_CASE(prefix, name, text)                                                                        \
    case prefix##name:                                                                                       \
        return text;

const char *dependency_name(enum dependency d)
{
    switch (d) {
#define X(name, text) NAME_CASE(DEPENDENCY_, name, text)
        DEPENDENCIES(X)
#undef X
    }
    return "?";
}

const char *stage_name(enum stage s)
{
    switch (s) {
#define X(name, text) NAME_CASE(STAGE_, name, text)
        STAGES(X)
#undef X
    }
    return "?";
}

const char *transport_name(enum transport t)
{
    switch (t) {
#define X(name, text) NAME_CASE(TRANSPORT_, name, text)
        TRANSPORTS(X)
#undef X
    }
    return "?";
}

const char *error_class_name(enum error_class c)
{
    switch (c) {
#define X(name, text) NAME_CASE(ERROR_CLASS_, name, text)
        ERROR_CLASSES(X)
#undef X
    }
    return "?";
}

const char *clock_kind_name(enum clock_kind k)
{
    switch (k) {
#define X(name, text) NAME_CASE(CLOCK_KIND_, name, text)
        CLOCK_KINDS(X)
#undef X
    }
    return "?";
}

static int find_name(const char *const *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], text) == 0)
            return (int)i;
    }
    return -1;
}

#define X(name, text) text,
static const char *const dependency_names[] = {DEPENDENCIES(X)};
static const char *const stage_names[] = {STAGES(X)};
static const char *const transport_names[] = {TRANSPORTS(X)};
static const char *const error_class_names[] = {ERROR_CLASSES(X)};
#undef X

int dependency_from_name(const char *text)
{
    return find_name(dependency_names, ARRAY_LEN(dependency_names), text);
}

int stage_from_name(const char *text)
{
    return find_name(stage_names, ARRAY_LEN(stage_names), text);
}

int transport_from_name(const char *text)
{
    return find_name(transport_names, ARRAY_LEN(transport_names), text);
}

int error_class_from_name(const char *text)
{
    return find_name(error_class_names, ARRAY_LEN(error_class_names), text);
}
