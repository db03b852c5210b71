#include "commands.h"

#include "api/json.h"
#include "base/buf.h"
#include "core/retry.h"
#include "store/store.h"

#include <string.h>
#include <unistd.h>

#define COLUMNS_MAX 32
#define CELL_MAX 48

extern char **environ;

static int load(const struct options *options, struct config **config, struct config_problems *problems)
{
    char host[256] = "localhost";
    if (gethostname(host, sizeof(host) - 1) != 0)
        snprintf(host, sizeof(host), "localhost");
    char *cwd = getcwd(NULL, 0);
    struct config_sources sources = {.file = options->config_file,
                                     .flags = options->flags,
                                     .environ = environ,
                                     .working_directory = cwd == NULL ? "/" : cwd,
                                     .hostname = host,
                                     .is_root = geteuid() == 0};
    struct err err;
    int rc = config_load(&sources, config, problems, &err);
    free(cwd);
    if (rc != 0)
        fprintf(stderr, "sluice: %s\n", err.msg);
    return rc;
}

static void print_problems(const struct config_problems *problems, FILE *out)
{
    for (size_t i = 0; i < problems->count; i++)
        fprintf(out, "%s\n", problems->items[i].text);
}

struct config *commands_load_config(const struct options *options)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load(options, &config, &problems) != 0)
        return NULL;
    print_problems(&problems, stderr);
    if (problems.count > 0) {
        config_free(config);
        config = NULL;
    }
    config_problems_done(&problems);
    return config;
}

int command_check(const struct options *options, FILE *out)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load(options, &config, &problems) != 0)
        return EXIT_FAILED;
    print_problems(&problems, stderr);
    int code = problems.count > 0 ? EXIT_FAILED : EXIT_FINE;
    if (code == EXIT_FINE)
        fprintf(out, "%s: fine\n", options->config_file == NULL ? "configuration" : options->config_file);
    config_problems_done(&problems);
    config_free(config);
    return code;
}

int command_config(const struct options *options, FILE *out)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load(options, &config, &problems) != 0)
        return EXIT_FAILED;
    config_print(config, out, options->json);
    print_problems(&problems, stderr);
    int code = problems.count > 0 ? EXIT_FAILED : EXIT_FINE;
    config_problems_done(&problems);
    config_free(config);
    return code;
}

/* ---- tables out of the state file ---- */

struct table {
    struct json *rows; /* array of objects, texts only */
    char *names[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t columns;
};

static void on_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct table *t = arg;
    struct json *row = json_new_object();
    if (t->columns == 0) {
        t->columns = columns < COLUMNS_MAX ? columns : COLUMNS_MAX;
        for (size_t i = 0; i < t->columns; i++) {
            t->names[i] = check_strdup(names[i]);
            t->widths[i] = strlen(names[i]);
        }
    }
    for (size_t i = 0; i < t->columns; i++) {
        size_t len = strlen(values[i]) < CELL_MAX ? strlen(values[i]) : CELL_MAX;
        t->widths[i] = len > t->widths[i] ? len : t->widths[i];
        json_set_text(row, names[i], values[i]);
    }
    json_take_add(t->rows, row);
}

static void print_table(const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->columns; i++)
        fprintf(out, "%-*s%s", (int)t->widths[i], t->names[i], i + 1 < t->columns ? "  " : "\n");
    for (const struct json *row = json_first(t->rows); row != NULL; row = json_next(row))
        for (size_t i = 0; i < t->columns; i++)
            fprintf(out, "%-*.*s%s", (int)t->widths[i], CELL_MAX, json_get_text(row, t->names[i], ""),
                    i + 1 < t->columns ? "  " : "\n");
}

static int print_query(const char *path, const char *title, const char *sql, bool json, FILE *out)
{
    struct table t = {.rows = json_new_array()};
    struct err err;
    int rc = store_query_file(path, sql, on_row, &t, &err);
    if (rc != 0) {
        fprintf(stderr, "sluice: %s\n", err.msg);
    } else if (json) {
        char *text = json_write(t.rows);
        fprintf(out, "%s\n", text);
        free(text);
    } else {
        fprintf(out, "%s%s", title, t.columns == 0 ? "none\n" : "");
        print_table(&t, out);
    }
    for (size_t i = 0; i < t.columns; i++)
        free(t.names[i]);
    json_free(t.rows);
    return rc;
}

static int look(const struct options *options, FILE *out, const char *const *titles_and_queries, size_t count)
{
    struct config *config = commands_load_config(options);
    if (config == NULL)
        return EXIT_FAILED;
    int code = EXIT_FINE;
    if (config->state_path == NULL) {
        fprintf(stderr, "sluice: which worker? give --pool (and --name), --state FILE, or [state] path\n");
        code = EXIT_WRONG_USE;
    }
    for (size_t i = 0; i < count && code == EXIT_FINE; i++)
        if (print_query(config->state_path, titles_and_queries[2 * i], titles_and_queries[2 * i + 1],
                        options->json, out) != 0)
            code = EXIT_FAILED;
    config_free(config);
    return code;
}

static const char sql_queue[] =
    "SELECT position, run_name, flow, deployment, class, state, due_at, next_try_at, tries, "
    "waits_for, last_error, run_id FROM queue";

int command_queue(const struct options *options, FILE *out)
{
    static const char *const queries[] = {"", sql_queue};
    return look(options, out, queries, 1);
}

/* A launch in STARTING stands in both views; it is counted once. */
static const char sql_launches[] =
    "SELECT class, state, count(*) AS launches FROM (SELECT class, state FROM queue UNION ALL SELECT class, "
    "state FROM "
    "running WHERE state <> 'STARTING') GROUP BY class, state ORDER BY class, state";
static const char sql_limits[] = "SELECT class, kind, \"limit\", in_use, tokens FROM limits";

int command_status(const struct options *options, FILE *out)
{
    static const char *const queries[] = {"launches\n", sql_launches, "\nlimits\n", sql_limits};
    return look(options, out, queries, options->json ? 1 : 2);
}

/* ---- explain ---- */

static void print_explanation(const struct failure *failure, FILE *out)
{
    struct verdict_on_failure v = classify(failure);
    bool retries = v.error_class == ERROR_CLASS_TRANSIENT || v.error_class == ERROR_CLASS_THROTTLED ||
                   v.error_class == ERROR_CLASS_CAPACITY;
    struct retry_policy policy = retry_policy_default();
    struct json *o = json_new_object();
    struct json *delays = json_new_array();
    json_set_text(o, "class", error_class_name(v.error_class));
    json_set_bool(o, "retry", retries);
    json_set_bool(o, "out_of_reach", v.out_of_reach);
    json_set_text(o, "rule", v.rule);
    for (int32_t attempt = 1; retries && attempt < policy.max_attempts; attempt++) {
        int64_t low_ms;
        int64_t high_ms;
        retry_delay_bounds_ms(&policy, v.error_class, attempt, &low_ms, &high_ms);
        struct json *d = json_new_object();
        json_set_int(d, "attempt", attempt + 1);
        json_set_int(d, "from_ms", low_ms);
        json_set_int(d, "to_ms", high_ms);
        json_take_add(delays, d);
    }
    json_take_set(o, "delays", delays);
    char *text = json_write(o);
    fprintf(out, "%s\n", text);
    free(text);
    json_free(o);
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

static int unknown_word(const char *what, const char *word)
{
    fprintf(stderr, "sluice: unknown %s \"%s\"\n", what, word);
    return EXIT_WRONG_USE;
}

int command_explain(const struct options *options, FILE *out)
{
    int stage = options->stage == NULL ? (int)STAGE_API : stage_from_name(options->stage);
    int transport =
        options->transport == NULL ? (int)TRANSPORT_NONE : transport_from_name(options->transport);
    if (stage < 0)
        return unknown_word("stage", options->stage);
    if (transport < 0)
        return unknown_word("transport", options->transport);
    int dependency = options->dependency == NULL ? (int)dependency_of((enum stage)stage)
                                                 : dependency_from_name(options->dependency);
    if (dependency < 0)
        return unknown_word("dependency", options->dependency);
    struct failure failure = {.dependency = (enum dependency)dependency,
                              .stage = (enum stage)stage,
                              .status = options->status,
                              .transport = (enum transport)transport,
                              .sent = transport_may_have_sent((enum transport)transport),
                              .changes = stage_changes((enum stage)stage),
                              .retry_after_ms = -1};
    snprintf(failure.message, sizeof(failure.message), "%s",
             options->message == NULL ? "" : options->message);
    print_explanation(&failure, out);
    return EXIT_FINE;
}
