/* replay.c - see replay.h. */
#include "tests/flow/replay.h"

#include "store/store.h"

#define COLUMN_MAX 200

/* One launch, as the log tells it. */
struct told {
    char launch[COLUMN_MAX];
    char run[COLUMN_MAX];
    char name[COLUMN_MAX];
    char class_name[COLUMN_MAX];
    char state[COLUMN_MAX];
    char verdict[COLUMN_MAX];
    char container[COLUMN_MAX];
    int64_t at_ms;
    bool has_row;
};

struct replay {
    struct told *all;
    size_t count;
    size_t rows;
};

/* The value of a key as logfmt has it, "" if it is not there. Quoted ones hold no quotes here. */
static void value_of(const char *line, const char *key, char out[static COLUMN_MAX])
{
    char name[40];
    const char *end = strchr(line, '\n');
    snprintf(name, sizeof(name), " %s=", key);
    const char *at = strstr(line, name);
    out[0] = '\0';
    if (at == NULL || at > end)
        return;
    at += strlen(name);
    bool is_quoted = *at == '"';
    at += is_quoted;
    size_t len = strcspn(at, is_quoted ? "\"\n" : " \n");
    assert_true(len < COLUMN_MAX);
    snprintf(out, COLUMN_MAX, "%.*s", (int)len, at);
}

static struct told *find(const struct replay *r, const char *launch)
{
    for (size_t i = r->count; i > 0; i--)
        if (strcmp(r->all[i - 1].launch, launch) == 0)
            return &r->all[i - 1];
    return NULL;
}

static void read_line(struct replay *r, const char *line, bool was_killed)
{
    char text[COLUMN_MAX];
    char from[COLUMN_MAX];
    struct err err;
    value_of(line, "launch", text);
    value_of(line, "from", from);
    struct told *told = find(r, text);
    if (told == NULL) {
        if (from[0] != '\0')
            fail_msg("a launch that was never new: %.300s", line);
        r->all = check_realloc(r->all, (r->count + 1) * sizeof(*r->all));
        told = &r->all[r->count++];
        *told = (struct told){0};
        memcpy(told->launch, text, sizeof(text));
    } else if (!was_killed && strcmp(told->state, from) != 0) {
        fail_msg("it was %s before: %.300s", told->state, line);
    }
    value_of(line, "run", told->run);
    value_of(line, "name", told->name);
    value_of(line, "class", told->class_name);
    value_of(line, "to", told->state);
    value_of(line, "verdict", told->verdict);
    value_of(line, "container", told->container);
    assert_int_equal(strncmp(line, "time=", 5), 0);
    snprintf(text, sizeof(text), "%.24s", line + 5);
    assert_int_equal(clock_parse(text, &told->at_ms, &err), 0);
}

static void expect_same(const char *column, const char *told, const char *row, const char *launch)
{
    if (strcmp(told, row) != 0)
        fail_msg("launch %s: %s is %s in the log and %s in the file", launch, column, told, row);
}

static void on_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct replay *r = arg;
    char at_ms[24];
    struct told *told = find(r, values[0]);
    assert_int_equal(columns, 8);
    if (told == NULL) {
        fail_msg("the log does not tell of launch %s", values[0]);
        return;
    }
    told->has_row = true;
    r->rows++;
    snprintf(at_ms, sizeof(at_ms), "%lld", (long long)told->at_ms);
    const char *const known[] = {told->launch, told->run,     told->name,      told->class_name,
                                 told->state,  told->verdict, told->container, at_ms};
    for (size_t i = 0; i < columns; i++)
        expect_same(names[i], known[i], values[i], values[0]);
}

void replay_check(struct world *w, bool was_killed)
{
    struct replay replay = {0};
    struct err err;
    for (const char *line = buf_text(&w->log); *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *msg = strstr(line, " msg=run ");
        if (msg != NULL && msg < strchr(line, '\n'))
            read_line(&replay, line, was_killed);
    }
    if (store_query_file(w->state_path,
                         "SELECT launch_id, flow_run_id, run_name, class_name, state, "
                         "iif(verdict = 'none', '', verdict), container_id, updated_at_ms FROM launches",
                         on_row, &replay, &err) != 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < replay.count && !was_killed; i++)
        if (!replay.all[i].has_row)
            fail_msg("launch %s of the log is not in the file", replay.all[i].launch);
    assert_true(replay.rows > 0);
    free(replay.all);
}
