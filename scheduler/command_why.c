/*
 * command_why.c - `sluice why RUN`: reads the state file, and works with and without a running service.
 */
#include "commands.h"

#include "api/admin_socket.h"
#include "api/json.h"
#include "store/store.h"
#include "why.h"

#include <string.h>
#include <unistd.h>

/* Fewer digits of an id are too easily another's. */
#define PREFIX_MIN 4
#define COLUMNS 19

/* In the order of the query below; the fields of struct why, and one for the caller. */
struct row {
    char *values[COLUMNS];
    size_t count; /* rows: flow runs that fit */
};

static void on_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct row *row = arg;
    (void)names;
    CHECK(columns == COLUMNS);
    if (row->count++ > 0)
        return;
    for (size_t i = 0; i < COLUMNS; i++)
        row->values[i] = check_strdup(values[i]);
}

/* A text of SQL, malloc'ed. */
static char *quote(const char *text)
{
    size_t len = strlen(text);
    char *quoted = check_alloc(2 * len + 3);
    char *to = quoted;
    *to++ = '\'';
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\'')
            *to++ = '\'';
        *to++ = text[i];
    }
    *to = '\'';
    return quoted;
}

/* The newest launch of each flow run that fits, living ones first; a whole id beats a name. */
static const char sql[] =
    "WITH want (word) AS (VALUES (%s)), "
    "fit AS (SELECT max(launch_key) AS launch_key FROM launches, want "
    "WHERE run_name = word OR (length(word) >= %d AND substr(flow_run_id, 1, length(word)) = lower(word)) "
    "GROUP BY flow_run_id) "
    "SELECT l.flow_run_id, l.run_name, l.class_name, l.state, "
    "strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', l.updated_at_ms / 1000.0, 'unixepoch'), "
    "q.position, q.waits_for, "
    "CASE WHEN l.next_try_at_ms > 0 "
    "THEN strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', l.next_try_at_ms / 1000.0, 'unixepoch') END, "
    "l.attempt, l.last_error, l.verdict, l.exit_code, l.oom_killed, l.container_id, "
    "CASE WHEN l.started_at_ms > 0 "
    "THEN strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', l.started_at_ms / 1000.0, 'unixepoch') END, "
    "h.from_state, h.why, "
    "(SELECT round(max((1 - tokens) / \"limit\"), 1) FROM limits "
    "WHERE tokens < 1 AND class IN ('(pool)', l.class_name)), "
    "l.launch_id "
    "FROM fit CROSS JOIN want JOIN launches AS l USING (launch_key) "
    "LEFT JOIN queue AS q ON q.launch_id = l.launch_id "
    "LEFT JOIN history_rows AS h ON h.history_key = "
    "(SELECT max(history_key) FROM history_rows WHERE launch_id = l.launch_id) "
    "ORDER BY l.flow_run_id = lower(word) DESC, l.state = 'FINISHED', l.launch_key DESC";

static struct why why_of(const struct row *row)
{
    char *const *v = row->values;
    return (struct why){.run_id = v[0],
                        .run_name = v[1],
                        .class_name = v[2],
                        .state = v[3],
                        .since = v[4],
                        .position = v[5],
                        .waits_for = v[6],
                        .next_try_at = v[7],
                        .tries = v[8],
                        .last_error = v[9],
                        .verdict = v[10],
                        .exit_code = v[11],
                        .oom_killed = v[12],
                        .container_id = v[13],
                        .started_at = v[14],
                        .came_from = v[15],
                        .came_by = v[16],
                        .token_s = v[17]};
}

static void print_json(const struct why *w, const char *sentence, bool is_served, FILE *out)
{
    struct json *o = json_new_object();
    json_set_text(o, "run_id", w->run_id);
    json_set_text(o, "run_name", w->run_name);
    json_set_text(o, "class", w->class_name);
    json_set_text(o, "state", w->state);
    json_set_text(o, "since", w->since);
    json_set_text(o, "why", sentence);
    json_set_text(o, "waits_for", w->waits_for[0] == '\0' ? NULL : w->waits_for);
    json_set_text(o, "ends", why_ends(w)[0] == '\0' ? NULL : why_ends(w));
    json_set_text(o, "next_try_at", w->next_try_at[0] == '\0' ? NULL : w->next_try_at);
    json_set_text(o, "verdict", strcmp(w->verdict, "none") == 0 ? NULL : w->verdict);
    json_set_text(o, "last_error", w->last_error[0] == '\0' ? NULL : w->last_error);
    json_set_bool(o, "served", is_served);
    char *AUTO_FREE text = json_write(o);
    fprintf(out, "%s\n", text);
    json_free(o);
}

/* Somebody listens at the file's socket. */
static bool is_served(const char *state_path)
{
    char *AUTO_FREE path = admin_socket_path(state_path);
    int fd = admin_socket_connect(path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void print(const struct options *options, const char *state_path, const struct row *row, FILE *out)
{
    struct why why = why_of(row);
    char *AUTO_FREE sentence = why_say(&why);
    bool served = is_served(state_path);
    bool is_over = strcmp(why.state, "FINISHED") == 0;
    if (options->json) {
        print_json(&why, sentence, served, out);
        return;
    }
    fprintf(out, "%s%s\n", sentence, served || is_over ? "" : "; but no sluice serves this state file now");
    if (row->count > 1)
        fprintf(stderr, "sluice: %zu runs fit; this is the newest: give the run's id for another\n",
                row->count);
}

int command_why(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    char *AUTO_FREE word = quote(options->run);
    char *AUTO_FREE query = check_printf(sql, word, PREFIX_MIN);
    struct row row = {0};
    struct err err;
    if (store_query_file(config->state_path, query, on_row, &row, &err) != 0) {
        fprintf(stderr, "sluice: %s\n", err.msg);
        code = EXIT_FAILED;
    } else if (row.count == 0) {
        fprintf(stderr,
                "sluice: %s knows no run \"%.60s\": it was never due here, or is longer over than "
                "keep_history\n",
                config->state_path, options->run);
        code = EXIT_FAILED;
    } else {
        print(options, config->state_path, &row, out);
    }
    for (size_t i = 0; i < COLUMNS; i++)
        free(row.values[i]);
    config_free(config);
    return code;
}
