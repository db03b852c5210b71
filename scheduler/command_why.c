/*
 * command_why.c - `sluice why RUN`: reads the state file, and works with and without a running service.
 */
#include "commands.h"

#include "admin_client.h"
#include "api/json.h"
#include "store/reader.h"
#include "terminal.h"
#include "why.h"

#include <string.h>
#include <unistd.h>

#define COLUMNS 19

/* In the order of why_query; the fields of struct why, and one for the caller. */
struct row {
    char *values[COLUMNS];
    size_t count; /* rows: flow runs that fit */
};

static void on_row(void *arg, size_t columns, const struct store_cell *cells)
{
    struct row *row = arg;
    CHECK(columns == COLUMNS);
    if (row->count++ > 0)
        return;
    for (size_t i = 0; i < COLUMNS; i++)
        row->values[i] = check_strdup(cells[i].text);
}

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

static void print(const struct options *options, const char *state_path, const struct row *row, FILE *out)
{
    struct why why = why_of(row);
    char *AUTO_FREE sentence = why_say(&why);
    bool served = admin_client_look(state_path).state != SERVICE_DOWN;
    bool is_over = strcmp(why.state, "FINISHED") == 0;
    if (options->json) {
        print_json(&why, sentence, served, out);
        return;
    }
    struct terminal terminal = terminal_look(fileno(out), options->look.color, options->look.wide);
    char *AUTO_FREE whole =
        check_printf("%s%s", sentence, served || is_over ? "" : "; but no sluice serves this state file now");
    char *AUTO_FREE text = terminal_say(&terminal, whole);
    fputs(text, out);
    if (row->count > 1)
        fprintf(stderr, "sluice: %zu runs fit; this is the newest: give the run's id for another\n",
                row->count);
}

static int ask(const char *state_path, const char *word, struct row *row, struct err *err)
{
    struct store_reader *reader;
    const char *const values[] = {word, NULL};
    if (store_reader_open(state_path, &reader, err) != 0)
        return -1;
    int rc = store_reader_ask(reader, why_query, values, on_row, row, err);
    store_reader_close(reader);
    return rc;
}

int command_why(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct row row = {0};
    struct err err;
    if (ask(config->state_path, options->run, &row, &err) != 0) {
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
