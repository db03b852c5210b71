#include "status_internal.h"

#include "base/check.h"
#include "base/clock.h"
#include "core/wait_reason.h"

#include <string.h>

struct status {
    struct table *tables[SECTION_COUNT];
    struct service_sight sight;
    char *state_path;
    int64_t paused_since_ms; /* wall, as are the others; 0: not paused */
    int64_t last_change_ms;  /* 0: nothing ever happened */
    int64_t now_ms;
};

/* ---- what runs wait for ---- */

struct wait {
    const char *class_name; /* borrowed from the table that was read */
    char *reason;           /* owned */
    int64_t runs;
    const char *oldest; /* as class_name */
};

static int by_class_and_reason(const void *a, const void *b)
{
    const struct wait *left = a;
    const struct wait *right = b;
    int order = strcmp(left->class_name, right->class_name);
    return order != 0 ? order : strcmp(left->reason, right->reason);
}

static int by_runs(const void *a, const void *b)
{
    const struct wait *left = a;
    const struct wait *right = b;
    if (left->runs != right->runs)
        return left->runs < right->runs ? 1 : -1;
    return by_class_and_reason(a, b);
}

static void add_wait(struct table *t, const struct wait *wait)
{
    char runs[32];
    snprintf(runs, sizeof(runs), "%lld", (long long)wait->runs);
    const struct store_cell cells[WAIT_COLUMNS] = {
        [WAIT_CLASS] = {NULL, wait->class_name, STORE_CELL_TEXT},
        [WAIT_REASON] = {NULL, wait->reason, STORE_CELL_TEXT},
        [WAIT_RUNS] = {NULL, runs, STORE_CELL_NUMBER},
        [WAIT_OLDEST] = {NULL, wait->oldest, wait->oldest[0] == '\0' ? STORE_CELL_NULL : STORE_CELL_TEXT},
    };
    table_add(t, cells);
}

/* One row for each class and reason, the most frequent first, of rows that differ in times. */
static struct table *gather_waits(const struct table *read)
{
    size_t count = table_rows(read);
    struct wait *waits = check_alloc((count + 1) * sizeof(*waits));
    for (size_t i = 0; i < count; i++)
        waits[i] = (struct wait){.class_name = table_text(read, i, WAIT_CLASS),
                                 .reason = wait_reason(table_text(read, i, WAIT_REASON)),
                                 .runs = strtoll(table_text(read, i, WAIT_RUNS), NULL, 10),
                                 .oldest = table_text(read, i, WAIT_OLDEST)};
    qsort(waits, count, sizeof(*waits), by_class_and_reason);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || by_class_and_reason(&waits[kept - 1], &waits[i]) != 0) {
            waits[kept++] = waits[i];
            continue;
        }
        struct wait *same = &waits[kept - 1];
        same->runs += waits[i].runs;
        if (waits[i].oldest[0] != '\0' &&
            (same->oldest[0] == '\0' || strcmp(waits[i].oldest, same->oldest) < 0))
            same->oldest = waits[i].oldest;
        free(waits[i].reason);
    }
    qsort(waits, kept, sizeof(*waits), by_runs);
    struct table *gathered = table_new(status_sections[SECTION_WAITS].columns, WAIT_COLUMNS);
    for (size_t i = 0; i < kept; i++) {
        add_wait(gathered, &waits[i]);
        free(waits[i].reason);
    }
    free(waits);
    return gathered;
}

/* ---- reading ---- */

static void on_number(void *arg, size_t columns, const struct store_cell *cells)
{
    (void)columns;
    *(int64_t *)arg = strtoll(cells[0].text, NULL, 10);
}

static int read_service(struct status *s, struct store_reader *reader, struct err *err)
{
    if (store_reader_ask(reader, "SELECT at_ms FROM history_rows ORDER BY history_key DESC LIMIT 1", NULL,
                         on_number, &s->last_change_ms, err) != 0)
        return -1;
    if (!store_reader_has(reader, "hold_rows"))
        return 0;
    return store_reader_ask(reader, "SELECT since_ms FROM hold_rows WHERE name = 'paused'", NULL, on_number,
                            &s->paused_since_ms, err);
}

static int read_sections(struct status *s, struct store_reader *reader, struct err *err)
{
    char trouble[32];
    char timeouts[32];
    snprintf(trouble, sizeof(trouble), "%lld", (long long)(s->now_ms - STATUS_TROUBLE_MS));
    snprintf(timeouts, sizeof(timeouts), "%lld", (long long)(s->now_ms - STATUS_TIMEOUTS_MS));
    const char *const values[] = {trouble, timeouts, NULL};
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        s->tables[i] = table_new(status_sections[i].columns, status_sections[i].count);
        if (store_reader_has(reader, status_sections[i].needs) &&
            table_ask(s->tables[i], reader, status_sections[i].sql, values, err) != 0)
            return -1;
    }
    struct table *waits = gather_waits(s->tables[SECTION_WAITS]);
    table_free(s->tables[SECTION_WAITS]);
    s->tables[SECTION_WAITS] = waits;
    return 0;
}

int status_read(const char *state_path, const struct service_sight *sight, int64_t now_ms,
                struct status **out, struct err *err)
{
    struct store_reader *reader;
    if (store_reader_open(state_path, &reader, err) != 0)
        return -1;
    struct status *s = check_alloc(sizeof(*s));
    s->now_ms = now_ms;
    s->sight = *sight;
    s->state_path = check_strdup(state_path);
    int rc = read_service(s, reader, err);
    if (rc == 0)
        rc = read_sections(s, reader, err);
    store_reader_close(reader);
    if (rc == 0)
        *out = s;
    else
        status_free(s);
    return rc;
}

void status_free(struct status *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < SECTION_COUNT; i++)
        table_free(s->tables[i]);
    free(s->state_path);
    free(s);
}

/* ---- for programs ---- */

static void set_time(struct json *o, const char *key, int64_t at_ms)
{
    char text[CLOCK_TEXT_SIZE];
    if (at_ms != 0)
        clock_format(at_ms, text);
    json_set_text(o, key, at_ms == 0 ? NULL : text);
}

static struct json *json_service(const struct status *s)
{
    struct json *o = json_new_object();
    json_set_text(o, "state", service_state_name(s->sight.state));
    json_take_set(o, "pid", s->sight.pid > 0 ? json_new_int(s->sight.pid) : json_new_null());
    set_time(o, "since", s->sight.since_ms);
    set_time(o, "paused_since", s->paused_since_ms);
    set_time(o, "last_change_at", s->last_change_ms);
    json_set_text(o, "state_file", s->state_path);
    return o;
}

struct json *status_json(const struct status *s)
{
    struct json *o = json_new_object();
    json_take_set(o, "service", json_service(s));
    for (size_t i = 0; i < SECTION_COUNT; i++)
        json_take_set(o, status_sections[i].key, table_json(s->tables[i]));
    return o;
}

/* ---- for people ---- */

/* " for 3h 5m", or "" if it is not known since when, or has just begun. */
static char *say_for(const struct status *s, int64_t since_ms)
{
    char span[TABLE_SPAN_SIZE];
    if (since_ms == 0 || s->now_ms - since_ms < 1000)
        return check_strdup("");
    return check_printf(" for %s", table_span((s->now_ms - since_ms) / 1000 * 1000, span));
}

/* " (process 12, up for 3h 5m)", as far as it is known. */
static char *say_process(const struct status *s, bool with_age)
{
    if (s->sight.pid <= 0)
        return check_strdup("");
    char *AUTO_FREE lives = say_for(s, with_age ? s->sight.since_ms : 0);
    return check_printf(" (process %lld%s%s)", (long long)s->sight.pid, lives[0] == '\0' ? "" : ", up",
                        lives);
}

/* Begins with the word of the state. */
static char *say_service(const struct status *s)
{
    enum service_state state = s->sight.state;
    char *AUTO_FREE process = say_process(s, state != SERVICE_RUNNING);
    char *AUTO_FREE lives = say_for(s, s->sight.since_ms);
    char *AUTO_FREE pause = say_for(s, s->paused_since_ms);
    char *AUTO_FREE still = say_for(s, s->last_change_ms);
    const char *name = service_state_name(state);
    if (state == SERVICE_DOWN)
        return check_printf("%s: no sluice serves %s%s%s%s", name, s->state_path,
                            still[0] == '\0' ? "" : "; nothing has changed", still,
                            s->paused_since_ms == 0 ? "" : "; it is paused, and stays so after a start");
    if (state == SERVICE_SILENT)
        return check_printf("%s: a sluice has %s and does not answer%s", name, s->state_path, process);
    if (state == SERVICE_PAUSED)
        return check_printf("%s%s; sluice resume ends it%s; %s", name, pause, process, s->state_path);
    if (state == SERVICE_RUNNING)
        return check_printf("%s%s%s; %s", name, lives, process, s->state_path);
    return check_printf("%s%s; %s", name, process, s->state_path);
}

static void print_service(const struct status *s, const struct terminal *terminal, FILE *out)
{
    static const enum terminal_style styles[] = {
        [SERVICE_DOWN] = TERMINAL_BAD,      [SERVICE_SILENT] = TERMINAL_BAD,
        [SERVICE_RUNNING] = TERMINAL_GOOD,  [SERVICE_PAUSED] = TERMINAL_WARN,
        [SERVICE_DRAINING] = TERMINAL_WARN, [SERVICE_STOPPING] = TERMINAL_WARN,
    };
    char *AUTO_FREE said = say_service(s);
    char *AUTO_FREE text = terminal_say(terminal, said);
    size_t word = strlen(service_state_name(s->sight.state));
    if (strncmp(text, said, word) != 0) /* broken in a very narrow window */
        word = 0;
    fprintf(out, "%s%.*s%s%s", terminal_style(terminal, styles[s->sight.state]), (int)word, text,
            terminal_style(terminal, TERMINAL_PLAIN), text + word);
}

static int64_t sum(const struct table *classes, size_t column)
{
    int64_t total = 0;
    for (size_t row = 0; row < table_rows(classes); row++)
        total += strtoll(table_text(classes, row, column), NULL, 10);
    return total;
}

static void print_sums(const struct status *s, const struct terminal *terminal, FILE *out)
{
    const struct table *t = s->tables[SECTION_CLASSES];
    char *AUTO_FREE sums =
        table_rows(t) == 0
            ? check_strdup("nothing waits, nothing runs")
            : check_printf("%lld queued, %lld starting, %lld running, %lld ending, %lld parked",
                           (long long)sum(t, CLASS_QUEUED), (long long)sum(t, CLASS_STARTING),
                           (long long)sum(t, CLASS_RUNNING), (long long)sum(t, CLASS_ENDING),
                           (long long)sum(t, CLASS_PARKED));
    char *AUTO_FREE text = terminal_say(terminal, sums);
    fputs(text, out);
}

/* Limits that are set, used or learned. */
static struct table *known_limits(const struct table *all)
{
    struct table *known = table_new(status_sections[SECTION_LIMITS].columns, LIMIT_COLUMNS);
    for (size_t row = 0; row < table_rows(all); row++) {
        struct store_cell cells[LIMIT_COLUMNS];
        for (size_t i = 0; i < LIMIT_COLUMNS; i++) {
            cells[i] =
                (struct store_cell){.text = table_text(all, row, i), .kind = table_kind_of(all, row, i)};
        }
        bool is_used =
            cells[LIMIT_IN_USE].kind != STORE_CELL_NULL && strcmp(cells[LIMIT_IN_USE].text, "0") != 0;
        if (cells[LIMIT_LIMIT].kind != STORE_CELL_NULL || cells[LIMIT_LEARNED].kind != STORE_CELL_NULL ||
            is_used)
            table_add(known, cells);
    }
    return known;
}

void status_print(const struct status *s, const struct terminal *terminal, bool is_all, FILE *out)
{
    struct table *limits = is_all ? NULL : known_limits(s->tables[SECTION_LIMITS]);
    print_service(s, terminal, out);
    print_sums(s, terminal, out);
    for (size_t i = 0; i < SECTION_COUNT; i++) {
        const struct table *t = i == SECTION_LIMITS && !is_all ? limits : s->tables[i];
        if (table_rows(t) == 0)
            continue;
        fputc('\n', out);
        table_print(t, status_sections[i].heading, terminal, s->now_ms, is_all ? 0 : 10, out);
    }
    table_free(limits);
}
