#include "commands.h"

#include "api/jobspec.h"
#include "api/json.h"
#include "api/prefect.h"
#include "base/buf.h"
#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
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
                                     .profile = options->profile,
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

static int read_file(const char *path, struct buf *text, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return err_sys(err, errno, "can't be read");
    char piece[4096];
    size_t n;
    int rc = 0;
    errno = 0;
    while (rc == 0 && (n = fread(piece, 1, sizeof(piece), f)) > 0)
        rc = buf_add(text, piece, n, err);
    if (rc == 0 && ferror(f) != 0)
        rc = err_sys(err, errno, "can't be read");
    fclose(f);
    return rc;
}

static int read_template(const char *path, struct buf *text, struct err *err)
{
    if (read_file(path, text, err) != 0)
        return -1;
    struct json *root;
    if (json_parse(buf_text(text), text->len, &root, err) != 0)
        return -1;
    bool is_object = json_kind(root) == JSON_OBJECT;
    json_free(root);
    return is_object ? 0 : err_set(err, ERR_INVALID, "not a JSON object");
}

int commands_prepare(const struct config *config, struct buf *template_json, struct err *err)
{
    const char *path = config->base_job_template_file;
    if (prefect_check_custom_headers(config->custom_headers, err) != 0)
        return -1;
    if (path == NULL)
        return buf_add_str(template_json, jobspec_default_template(), err);
    struct err why;
    if (read_template(path, template_json, &why) == 0)
        return 0;
    return err_set(err, why.kind,
                   "--base-job-template: \"%s\": %s; allowed: a file with one JSON object, as "
                   "`prefect work-pool get-default-base-job-template --type docker` writes it",
                   path, why.msg);
}

/* Prints what commands_prepare finds. */
static bool can_be_prepared(const struct config *config)
{
    struct err err;
    struct buf template_json;
    buf_init(&template_json, COMMANDS_TEMPLATE_MAX_BYTES);
    int rc = commands_prepare(config, &template_json, &err);
    if (rc != 0)
        fprintf(stderr, "%s\n", err.msg);
    buf_done(&template_json);
    return rc == 0;
}

int command_check(const struct options *options, FILE *out)
{
    struct config *config;
    struct config_problems problems = {0};
    if (load(options, &config, &problems) != 0)
        return EXIT_FAILED;
    print_problems(&problems, stderr);
    bool is_fine = problems.count == 0 && can_be_prepared(config);
    int code = is_fine ? EXIT_FINE : EXIT_FAILED;
    if (is_fine)
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

struct question {
    const char *title; /* "": the only one */
    const char *sql;
};

/* Adds the rows to `answers` under the title, or prints them. */
static int ask(const char *path, const struct question *question, struct json *answers, FILE *out)
{
    struct table t = {.rows = json_new_array()};
    struct err err;
    int rc = store_query_file(path, question->sql, on_row, &t, &err);
    if (rc != 0) {
        fprintf(stderr, "sluice: %s\n", err.msg);
    } else if (answers == NULL) {
        fprintf(out, "%s%s%s", question->title, question->title[0] != '\0' ? "\n" : "",
                t.columns == 0 ? "none\n" : "");
        print_table(&t, out);
    }
    for (size_t i = 0; i < t.columns; i++)
        free(t.names[i]);
    if (rc == 0 && answers != NULL)
        json_take_set(answers, question->title, t.rows);
    else
        json_free(t.rows);
    return rc;
}

/* One question: its rows. Several: an object of rows by title. */
static void print_answers(const struct json *answers, size_t count, FILE *out)
{
    char *text = json_write(count == 1 ? json_first(answers) : answers);
    fprintf(out, "%s\n", text);
    free(text);
}

struct config *commands_find_state(const struct options *options, int *exit_code)
{
    struct config *config = commands_load_config(options);
    if (config == NULL) {
        *exit_code = EXIT_FAILED;
        return NULL;
    }
    if (config->state_path != NULL)
        return config;
    fprintf(stderr, "sluice: which worker? give --pool (and --name), --state FILE, or [state] path\n");
    config_free(config);
    *exit_code = EXIT_WRONG_USE;
    return NULL;
}

static int look(const struct options *options, FILE *out, const struct question *questions, size_t count)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct json *answers = options->json ? json_new_object() : NULL;
    for (size_t i = 0; i < count && code == EXIT_FINE; i++) {
        if (i > 0 && answers == NULL)
            fputc('\n', out);
        if (ask(config->state_path, &questions[i], answers, out) != 0)
            code = EXIT_FAILED;
    }
    if (code == EXIT_FINE && answers != NULL)
        print_answers(answers, count, out);
    json_free(answers);
    config_free(config);
    return code;
}

static const char sql_queue[] =
    "SELECT position, run_name, flow, deployment, class, state, due_at, next_try_at, tries, "
    "waits_for, last_error, run_id FROM queue";

int command_queue(const struct options *options, FILE *out)
{
    static const struct question questions[] = {{"", sql_queue}};
    return look(options, out, questions, ARRAY_LEN(questions));
}

/* A launch in STARTING stands in both views; it is counted once. */
static const char sql_launches[] =
    "SELECT class, state, count(*) AS launches FROM (SELECT class, state FROM queue UNION ALL SELECT class, "
    "state FROM "
    "running WHERE state <> 'STARTING') GROUP BY class, state ORDER BY class, state";
static const char sql_limits[] = "SELECT class, kind, \"limit\", in_use, tokens FROM limits";
/* A pause, or a dependency out of reach. */
static const char sql_holds[] =
    "SELECT said, strftime('%Y-%m-%dT%H:%M:%fZ', since_ms / 1000.0, 'unixepoch') AS since FROM hold_rows "
    "ORDER BY since_ms";

int command_status(const struct options *options, FILE *out)
{
    static const struct question questions[] = {
        {"held by", sql_holds}, {"launches", sql_launches}, {"limits", sql_limits}};
    return look(options, out, questions, ARRAY_LEN(questions));
}

/* ---- explain ---- */

int command_explain(const struct options *options, FILE *out)
{
    struct config *config = NULL;
    if (options->config_file != NULL && (config = commands_load_config(options)) == NULL)
        return EXIT_FAILED;
    int code = explain(&options->question, config, clock_wall_ms(&clock_system), out, stderr);
    config_free(config);
    return code;
}
