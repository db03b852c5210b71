/*
 * explain.c - words and bytes into a failure, its ruling into JSON.
 *
 * The failure is made as the clients make it: what a word below HTTP says of the sending, what the stage says
 * of changing. Of a file the last mebibyte is read (a pull's error is its last line), of at most 64.
 */
#include "explain.h"

#include "api/error_body.h"
#include "api/http.h"
#include "api/json.h"
#include "core/rules.h"

#include <errno.h>
#include <string.h>

#define KEPT_BYTES ((size_t)1024 * 1024)
#define FILE_MAX_BYTES (64 * KEPT_BYTES)

enum { FINE = 0, FAILED = 1, WRONG_USE = 2 };

#define X(name, text) text,
static const char *const stage_words[] = {STAGES(X) NULL};
static const char *const transport_words[] = {TRANSPORTS(X) NULL};
static const char *const dependency_words[] = {DEPENDENCIES(X) NULL};
#undef X

/* ---- the words ---- */

static int unknown_word(FILE *errors, const char *flag, const char *word, const char *const *allowed)
{
    fprintf(errors, "sluice: %s: \"%s\" is not known; allowed: one of ", flag, word);
    for (size_t i = 0; allowed[i] != NULL; i++)
        fprintf(errors, "%s%s", i > 0 ? ", " : "", allowed[i]);
    fputc('\n', errors);
    return WRONG_USE;
}

/* A word of the table, perhaps with more in brackets: "TLS wrong version number (the server speaks HTTP)". */
static int find_transport(const char *text)
{
    for (int i = 0; transport_words[i] != NULL; i++) {
        size_t len = strlen(transport_words[i]);
        if (strncmp(text, transport_words[i], len) == 0 &&
            (text[len] == '\0' || strncmp(text + len, " (", 2) == 0))
            return i;
    }
    return -1;
}

/* The dependency that a stage talks to, where none is named. */
static enum dependency dependency_of(enum stage stage)
{
    bool is_prefect = stage == STAGE_API || stage == STAGE_RESOLVE || stage == STAGE_REPORT;
    if (is_prefect)
        return DEPENDENCY_PREFECT;
    return stage == STAGE_PULL ? DEPENDENCY_REGISTRY : DEPENDENCY_ENGINE;
}

/* What a lost answer leaves unknown (design, "Error classes"). */
static bool stage_changes(enum stage stage)
{
    return stage == STAGE_CREATE || stage == STAGE_START || stage == STAGE_NETWORK || stage == STAGE_API ||
           stage == STAGE_REPORT;
}

static int read_headers(const struct explain_question *q, int64_t now_ms, struct failure *failure,
                        FILE *errors)
{
    for (size_t i = 0; i < EXPLAIN_MAX_HEADERS && q->headers[i] != NULL; i++) {
        const char *line = q->headers[i];
        const char *value = http_find_header(line, strlen(line) + 1, "Retry-After");
        const char *colon = strchr(line, ':');
        if (colon == NULL || colon == line) {
            fprintf(errors, "sluice: --header: \"%.60s\" is not a header; allowed: NAME: VALUE\n", line);
            return WRONG_USE;
        }
        if (value == NULL)
            continue;
        failure->retry_after_ms = http_retry_after_ms(value, now_ms);
        if (failure->retry_after_ms < 0)
            fprintf(errors,
                    "sluice: --header: \"%.60s\" is neither seconds nor a date and counts for nothing\n",
                    line);
    }
    return FINE;
}

/* ---- the message ---- */

/* The end of the file, at most KEPT_BYTES; begins with a whole line if something was left out. */
static int read_end(const char *path, char *bytes, size_t *len, struct err *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return err_sys(err, errno, "can't be read");
    size_t used = 0;
    size_t total = 0;
    size_t n;
    errno = 0;
    while (total <= FILE_MAX_BYTES && (n = fread(bytes + used, 1, 2 * KEPT_BYTES - used, file)) > 0) {
        used += n;
        total += n;
        if (used == 2 * KEPT_BYTES) {
            memmove(bytes, bytes + KEPT_BYTES, KEPT_BYTES);
            used = KEPT_BYTES;
        }
    }
    int rc = 0;
    if (ferror(file) != 0)
        rc = err_sys(err, errno, "can't be read");
    else if (total > FILE_MAX_BYTES)
        rc = err_set(err, ERR_LIMIT,
                     "is longer than 64 MiB; allowed: one error answer, or the lines of a pull");
    fclose(file);
    if (rc != 0)
        return rc;
    const char *newline = total > used ? memchr(bytes, '\n', used) : NULL;
    size_t skipped = newline == NULL ? 0 : (size_t)(newline + 1 - bytes);
    memmove(bytes, bytes + skipped, used - skipped);
    *len = used - skipped;
    return 0;
}

static int read_message_file(const struct explain_question *q, struct failure *failure, FILE *errors)
{
    char *AUTO_FREE bytes = check_alloc(2 * KEPT_BYTES);
    size_t len = 0;
    struct err err;
    const char *path = q->message_file;
    if (read_end(path, bytes, &len, &err) != 0) {
        fprintf(errors, "sluice: --message-file: \"%s\" %s\n", path, err.msg);
        return FAILED;
    }
    switch (error_body_read(bytes, len, failure->message, sizeof(failure->message))) {
    case ERROR_BODY_EMPTY:
        fprintf(errors, "sluice: --message-file: \"%s\" is empty: judged by the rest alone\n", path);
        return FINE;
    case ERROR_BODY_FINE:
        fprintf(errors, "sluice: --message-file: \"%s\" is a pull that has succeeded: no error to explain\n",
                path);
        return FAILED;
    case ERROR_BODY_CUT_OFF:
        fprintf(errors, "sluice: --message-file: \"%s\" is a pull without its end: judged as \"%s\"\n", path,
                transport_name(TRANSPORT_PARTIAL_BODY));
        if (failure->transport == TRANSPORT_NONE)
            failure->transport = TRANSPORT_PARTIAL_BODY;
        return FINE;
    case ERROR_BODY_TEXT:
    case ERROR_BODY_JSON:
    case ERROR_BODY_STREAM:
        break;
    }
    return FINE;
}

static int make_failure(const struct explain_question *q, int64_t now_ms, struct failure *failure,
                        FILE *errors)
{
    int stage = q->stage == NULL ? (int)STAGE_API : stage_from_name(q->stage);
    int transport = q->transport == NULL ? (int)TRANSPORT_NONE : find_transport(q->transport);
    if (stage < 0)
        return unknown_word(errors, "--stage", q->stage, stage_words);
    if (transport < 0)
        return unknown_word(errors, "--transport", q->transport, transport_words);
    int dependency =
        q->dependency == NULL ? (int)dependency_of((enum stage)stage) : dependency_from_name(q->dependency);
    if (dependency < 0)
        return unknown_word(errors, "--dependency", q->dependency, dependency_words);
    *failure = (struct failure){.dependency = (enum dependency)dependency,
                                .stage = (enum stage)stage,
                                .status = q->status,
                                .transport = (enum transport)transport,
                                .changes = stage_changes((enum stage)stage),
                                .retry_after_ms = -1};
    snprintf(failure->message, sizeof(failure->message), "%s", q->message == NULL ? "" : q->message);
    int code = q->message_file == NULL ? FINE : read_message_file(q, failure, errors);
    failure->sent = transport_may_have_sent(failure->transport);
    return code != FINE ? code : read_headers(q, now_ms, failure, errors);
}

/* ---- the answer ---- */

static struct json *delays_of(const struct ruling *ruling, const struct retry_policy *policy)
{
    struct json *delays = json_new_array();
    for (int32_t attempt = 1; ruling->repeats && attempt < policy->max_attempts; attempt++) {
        int64_t low_ms;
        int64_t high_ms;
        retry_delay_bounds_ms(policy, ruling->acts_as, attempt, ruling->retry_after_ms, &low_ms, &high_ms);
        struct json *d = json_new_object();
        json_set_int(d, "attempt", attempt + 1);
        json_set_int(d, "low", low_ms);
        json_set_int(d, "high", high_ms);
        json_take_add(delays, d);
    }
    return delays;
}

static void print_ruling(const struct ruling *ruling, const struct retry_policy *policy, FILE *out)
{
    struct json *o = json_new_object();
    json_set_text(o, "class", error_class_name(ruling->verdict.error_class));
    json_set_bool(o, "retry", ruling->repeats);
    json_set_bool(o, "out_of_reach", ruling->verdict.out_of_reach);
    json_set_bool(o, "park", ruling->park);
    json_set_text(o, "rule", ruling->verdict.rule);
    json_set_int(o, "max_attempts", policy->max_attempts);
    json_set_int(o, "max_time_ms", policy->max_time_ms);
    json_take_set(o, "delays_ms", delays_of(ruling, policy));
    char *text = json_write(o);
    fprintf(out, "%s\n", text);
    free(text);
    json_free(o);
}

static const struct config_class *find_class(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->class_count; i++)
        if (strcmp(config->classes[i].name, name) == 0)
            return &config->classes[i];
    return NULL;
}

static int unknown_class(const struct config *config, const char *name, FILE *errors)
{
    fprintf(errors, "sluice: --class: \"%s\" is not known; allowed: one of ", name);
    for (size_t i = 0; config != NULL && i < config->class_count; i++)
        fprintf(errors, "%s%s", i > 0 ? ", " : "", config->classes[i].name);
    fprintf(errors, "%s\n", config == NULL ? "default, or a class of --config FILE" : "");
    return WRONG_USE;
}

int explain(const struct explain_question *question, const struct config *config, int64_t now_ms, FILE *out,
            FILE *errors)
{
    struct failure failure;
    const char *class_name = question->job_class == NULL ? "default" : question->job_class;
    const struct config_class *class = config == NULL ? NULL : find_class(config, class_name);
    if (class == NULL && (config != NULL || strcmp(class_name, "default") != 0))
        return unknown_class(config, class_name, errors);
    if (question->message != NULL && question->message_file != NULL) {
        fprintf(errors, "sluice: --message and --message-file: allowed: one of them\n");
        return WRONG_USE;
    }
    int code = make_failure(question, now_ms, &failure, errors);
    if (code != FINE)
        return code;
    struct retry_policy policy = class == NULL ? retry_policy_default() : class->retry;
    if (class != NULL)
        retry_policy_override(&policy, &class->stage_retry[failure.stage]);
    const struct rule_place place = {
        .job_class = class_name, .gives_up = stage_may_end(failure.stage), .policy = &policy};
    const struct ruling ruling = rules_judge(config == NULL ? NULL : config->rules,
                                             config == NULL ? 0 : config->rule_count, &failure, &place);
    retry_policy_override(&policy, &ruling.retry);
    print_ruling(&ruling, &policy, out);
    return FINE;
}
