/*
 * command_look.c - the commands that show what the state file says: queue, status, timeouts. With and without
 * a running service; status says which, the others on stderr if there is none.
 */
#include "commands.h"

#include "admin_client.h"
#include "base/clock.h"
#include "status.h"
#include "status_watch.h"
#include "timeouts.h"

#include <string.h>
#include <unistd.h>

#define TIMEOUTS_LIMIT 20

static int fail(const char *sentence)
{
    struct terminal terminal = terminal_look(STDERR_FILENO, TERMINAL_COLOR_NEVER, false);
    char *AUTO_FREE whole = check_printf("sluice: %s", sentence);
    char *AUTO_FREE text = terminal_say(&terminal, whole);
    fputs(text, stderr);
    return EXIT_FAILED;
}

static struct terminal terminal_of_options(const struct options *options, FILE *out)
{
    return terminal_look(fileno(out), options->look.color, options->look.wide);
}

static void print_json(struct json *take_json, FILE *out)
{
    char *AUTO_FREE text = json_write(take_json);
    json_free(take_json);
    fprintf(out, "%s\n", text);
}

static void say_if_down(const char *state_path)
{
    if (admin_client_look(state_path).state == SERVICE_DOWN)
        fail("no sluice serves this state file now; it tells what was when the last one ended");
}

/* ---- queue ---- */

static const struct table_column queue_columns[] = {
    {"position", "#", TABLE_NUMBER, 0, 5},
    {"run_name", "RUN", TABLE_TEXT, 12, 0},
    {"class", "CLASS", TABLE_TEXT, 8, 4},
    {"state", "STATE", TABLE_STATE, 0, 2},
    {"due_at", "DUE", TABLE_TIME, 0, 3},
    {"waits_for", "WAITS FOR", TABLE_TEXT, 16, 1},
    {"tries", "TRIES", TABLE_NUMBER, 0, 6},
    {"next_try_at", "NEXT TRY", TABLE_TIME, 0, 7},
    {"last_error", "LAST ERROR", TABLE_TEXT, 16, 8},
    {"flow", "FLOW", TABLE_TEXT, 8, 10},
    {"deployment", "DEPLOYMENT", TABLE_TEXT, 8, 11},
    {"run_id", "RUN ID", TABLE_TEXT, 8, 9},
};

static const char sql_queue[] = "SELECT position, run_name, class, state, due_at, waits_for, tries, "
                                "next_try_at, last_error, flow, deployment, run_id "
                                "FROM queue WHERE ?1 IN ('', class) LIMIT CAST(?2 AS INTEGER)";

static int read_queue(const struct options *options, const char *state_path, struct table *table,
                      struct err *err)
{
    struct store_reader *reader;
    if (store_reader_open(state_path, &reader, err) != 0)
        return -1;
    char limit[32];
    snprintf(limit, sizeof(limit), "%lld", options->look.limit > 0 ? (long long)options->look.limit : -1);
    const char *const values[] = {options->look.job_class == NULL ? "" : options->look.job_class, limit,
                                  NULL};
    int rc = table_ask(table, reader, sql_queue, values, err);
    store_reader_close(reader);
    return rc;
}

static void show_queue(const struct options *options, const struct table *table, FILE *out)
{
    struct terminal terminal = terminal_of_options(options, out);
    if (options->json)
        print_json(table_json(table), out);
    else if (table_rows(table) == 0)
        fputs("nothing waits\n", out);
    else
        table_print(table, NULL, &terminal, clock_wall_ms(&clock_system), 0, out);
}

int command_queue(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct err err;
    struct table *table = table_new(queue_columns, ARRAY_LEN(queue_columns));
    if (read_queue(options, config->state_path, table, &err) == 0) {
        show_queue(options, table, out);
        say_if_down(config->state_path);
    } else {
        code = fail(err.msg);
    }
    table_free(table);
    config_free(config);
    return code;
}

/* ---- status ---- */

struct picture {
    const struct options *options;
    const char *state_path;
    bool is_first;
    struct err err; /* of the first */
};

/* "every 2s; 2026-11-26T22:57:18.000Z; q ends" */
static void print_head(const struct picture *p, const struct terminal *terminal, int64_t now_ms, FILE *out)
{
    char now[CLOCK_TEXT_SIZE];
    char span[TABLE_SPAN_SIZE];
    clock_format(now_ms, now);
    char *AUTO_FREE head = check_printf("%s, every %s%s", now, table_span(p->options->look.interval_ms, span),
                                        terminal->can_move ? "; q ends" : "");
    char *AUTO_FREE text = terminal_say(terminal, head);
    fprintf(out, "%s%s%s", terminal_style(terminal, TERMINAL_FAINT), text,
            terminal_style(terminal, TERMINAL_PLAIN));
}

static void show_status(const struct picture *p, const struct status *status, const struct terminal *terminal,
                        FILE *out)
{
    if (p->options->json)
        print_json(status_json(status), out);
    else
        status_print(status, terminal, p->options->look.wide, out);
}

/* What is wrong at the first look ends it; later the file may be back at the next one. */
static bool draw(void *arg, const struct terminal *terminal, FILE *out)
{
    struct picture *p = arg;
    int64_t now_ms = clock_wall_ms(&clock_system);
    struct service_sight sight = admin_client_look(p->state_path);
    struct status *status;
    struct err err;
    bool was_first = p->is_first;
    p->is_first = false;
    bool has_head = p->options->look.watch && !p->options->json;
    if (has_head && !was_first && !terminal->can_move)
        fputc('\n', out);
    if (has_head)
        print_head(p, terminal, now_ms, out);
    if (status_read(p->state_path, &sight, now_ms, &status, &err) != 0) {
        p->err = err;
        char *AUTO_FREE text = terminal_say(terminal, err.msg);
        if (has_head)
            fputs(text, out);
        return !was_first;
    }
    show_status(p, status, terminal, out);
    status_free(status);
    return true;
}

static int watch(struct picture *p, FILE *out)
{
    struct status_watch_settings settings = {.out = out,
                                             .interval_ms = p->options->look.interval_ms,
                                             .is_plain = p->options->json,
                                             .color = p->options->look.color,
                                             .is_wide = p->options->look.wide,
                                             .draw = draw,
                                             .arg = p};
    if (status_watch(&settings))
        return EXIT_FINE;
    /* Else stdout is gone, which main() tells. */
    return p->err.msg[0] != '\0' && ferror(out) == 0 ? fail(p->err.msg) : EXIT_FAILED;
}

int command_status(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct picture picture = {.options = options, .state_path = config->state_path, .is_first = true};
    struct terminal terminal = terminal_of_options(options, out);
    if (options->look.watch)
        code = watch(&picture, out);
    else if (!draw(&picture, &terminal, out))
        code = fail(picture.err.msg);
    config_free(config);
    return code;
}

/* ---- timeouts ---- */

static void show_timeouts(const struct options *options, const struct timeouts *timeouts, int64_t now_ms,
                          FILE *out)
{
    struct terminal terminal = terminal_of_options(options, out);
    if (options->json)
        print_json(timeouts_json(timeouts), out);
    else
        timeouts_print(timeouts, &terminal, now_ms, out);
}

int command_timeouts(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    int64_t now_ms = clock_wall_ms(&clock_system);
    bool is_all = options->look.since_ms >= now_ms;
    struct timeouts_filter filter = {.since_ms = is_all ? 0 : now_ms - options->look.since_ms,
                                     .job_class = options->look.job_class,
                                     .stage = options->look.stage,
                                     .limit = options->look.limit < 0 ? TIMEOUTS_LIMIT : options->look.limit};
    struct timeouts *timeouts;
    struct err err;
    if (timeouts_read(config->state_path, &filter, &timeouts, &err) == 0) {
        show_timeouts(options, timeouts, now_ms, out);
        say_if_down(config->state_path);
        timeouts_free(timeouts);
    } else {
        code = fail(err.msg);
    }
    config_free(config);
    return code;
}
