#include "table.h"

#include "base/check.h"
#include "base/clock.h"
#include "core/columns.h"

#include <string.h>

#define ID_DIGITS 12 /* as `docker ps` */
#define SECOND_MS 1000
#define MINUTE_MS (60 * (int64_t)SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

struct cell {
    char *text; /* owned */
    enum store_cell_kind kind;
};

struct table {
    const struct table_column *columns;
    size_t count;
    struct cell *cells; /* row by row */
    size_t rows;
    size_t room; /* rows there is memory for */
};

struct table *table_new(const struct table_column *columns, size_t count)
{
    CHECK(count > 0 && count <= COLUMNS_MAX);
    struct table *t = check_alloc(sizeof(*t));
    t->columns = columns;
    t->count = count;
    return t;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->rows * t->count; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t);
}

/* Times of tables are wall milliseconds, those of views ISO 8601. */
static struct cell cell_of(const struct store_cell *cell, enum table_kind kind)
{
    if (kind != TABLE_TIME || cell->kind != STORE_CELL_NUMBER)
        return (struct cell){check_strdup(cell->text), cell->kind};
    char text[CLOCK_TEXT_SIZE] = "";
    int64_t at_ms = strtoll(cell->text, NULL, 10);
    if (at_ms != 0)
        clock_format(at_ms, text);
    return (struct cell){check_strdup(text), at_ms == 0 ? STORE_CELL_NULL : STORE_CELL_TEXT};
}

void table_add(struct table *t, const struct store_cell *cells)
{
    if (t->rows == t->room) {
        t->room = t->room == 0 ? 16 : 2 * t->room;
        t->cells = check_realloc(t->cells, t->room * t->count * sizeof(*t->cells));
    }
    struct cell *row = &t->cells[t->rows++ * t->count];
    for (size_t i = 0; i < t->count; i++)
        row[i] = cell_of(&cells[i], t->columns[i].kind);
}

static void on_row(void *arg, size_t columns, const struct store_cell *cells)
{
    struct table *t = arg;
    CHECK(columns == t->count);
    for (size_t i = 0; i < columns; i++)
        CHECK(strcmp(cells[i].name, t->columns[i].key) == 0);
    table_add(t, cells);
}

int table_ask(struct table *t, struct store_reader *reader, const char *sql, const char *const *values,
              struct err *err)
{
    return store_reader_ask(reader, sql, values, on_row, t, err);
}

size_t table_rows(const struct table *t)
{
    return t->rows;
}

const char *table_text(const struct table *t, size_t row, size_t column)
{
    CHECK(row < t->rows && column < t->count);
    return t->cells[row * t->count + column].text;
}

enum store_cell_kind table_kind_of(const struct table *t, size_t row, size_t column)
{
    CHECK(row < t->rows && column < t->count);
    return t->cells[row * t->count + column].kind;
}

/* ---- for programs ---- */

static struct json *json_cell(const struct cell *cell)
{
    /* SQLite can hold infinities, JSON can't. */
    bool is_number = cell->kind == STORE_CELL_NUMBER && cell->text[strcspn(cell->text, "Iin")] == '\0';
    if (is_number)
        return json_new_number_text(cell->text);
    return cell->kind == STORE_CELL_TEXT ? json_new_text(cell->text) : json_new_null();
}

struct json *table_json(const struct table *t)
{
    struct json *rows = json_new_array();
    for (size_t row = 0; row < t->rows; row++) {
        struct json *o = json_new_object();
        for (size_t i = 0; i < t->count; i++)
            json_take_set(o, t->columns[i].key, json_cell(&t->cells[row * t->count + i]));
        json_take_add(rows, o);
    }
    return rows;
}

/* ---- for people ---- */

static const char *decimal_span(int64_t ms, int decimals, char out[static TABLE_SPAN_SIZE])
{
    int len = snprintf(out, TABLE_SPAN_SIZE, "%.*f", decimals, (double)ms / SECOND_MS);
    while (len > 0 && out[len - 1] == '0')
        len--;
    if (len > 0 && out[len - 1] == '.')
        len--;
    snprintf(out + len, TABLE_SPAN_SIZE - (size_t)len, "s");
    return out;
}

const char *table_span(int64_t ms, char out[static TABLE_SPAN_SIZE])
{
    static const struct {
        int64_t from_ms;
        int64_t unit_ms;
        const char *unit;
        int64_t small_ms;
        const char *small;
    } units[] = {
        {2 * DAY_MS, DAY_MS, "d", HOUR_MS, "h"},
        {HOUR_MS, HOUR_MS, "h", MINUTE_MS, "m"},
        {100 * (int64_t)SECOND_MS, MINUTE_MS, "m", SECOND_MS, "s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (ms < units[i].from_ms)
            continue;
        int64_t rest = ms % units[i].unit_ms / units[i].small_ms;
        int len = snprintf(out, TABLE_SPAN_SIZE, "%lld%s", (long long)(ms / units[i].unit_ms), units[i].unit);
        if (rest > 0)
            snprintf(out + len, TABLE_SPAN_SIZE - (size_t)len, " %lld%s", (long long)rest, units[i].small);
        return out;
    }
    if (ms >= SECOND_MS)
        return decimal_span(ms, ms < 10 * SECOND_MS ? 2 : 1, out);
    snprintf(out, TABLE_SPAN_SIZE, "%lldms", (long long)(ms > 0 ? ms : 0));
    return out;
}

/* How long ago, in whole seconds; where nothing is cut, and for what is no time, as it is. */
static char *say_time(const char *text, const struct terminal *terminal, int64_t now_ms)
{
    struct err err;
    char span[TABLE_SPAN_SIZE];
    int64_t at_ms;
    if (terminal->columns == 0 || clock_parse(text, &at_ms, &err) != 0)
        return check_strdup(text);
    int64_t ago_ms = now_ms - at_ms;
    int64_t whole_ms = (ago_ms < 0 ? -ago_ms : ago_ms) / SECOND_MS * SECOND_MS;
    if (whole_ms == 0)
        return check_strdup("now");
    table_span(whole_ms, span);
    return ago_ms < 0 ? check_printf("in %s", span) : check_printf("%s ago", span);
}

static char *say_number(const char *text)
{
    size_t len = strlen(text);
    return check_strndup(text, len > 2 && strcmp(text + len - 2, ".0") == 0 ? len - 2 : len);
}

static char *say_cell(const struct cell *cell, enum table_kind kind, const struct terminal *terminal,
                      int64_t now_ms)
{
    char span[TABLE_SPAN_SIZE];
    if (cell->kind == STORE_CELL_NULL)
        return check_strdup("-");
    if (kind == TABLE_TIME)
        return say_time(cell->text, terminal, now_ms);
    if (cell->kind == STORE_CELL_NUMBER) {
        if (kind == TABLE_MS || kind == TABLE_S)
            return check_strdup(
                table_span(strtoll(cell->text, NULL, 10) * (kind == TABLE_S ? SECOND_MS : 1), span));
        if (kind == TABLE_SHARE)
            return check_printf("%s%%", cell->text);
        return say_number(cell->text);
    }
    char *AUTO_FREE short_id = kind == TABLE_ID ? check_strndup(cell->text, ID_DIGITS) : NULL;
    return display_clean(&terminal->display, short_id != NULL ? short_id : cell->text);
}

static bool is_to_the_right(enum table_kind kind)
{
    return kind == TABLE_NUMBER || kind == TABLE_MS || kind == TABLE_S || kind == TABLE_SHARE;
}

static enum terminal_style style_of(enum table_kind kind, const char *text)
{
    if (kind == TABLE_STATE)
        return strcmp(text, "RUNNING") == 0 ? TERMINAL_GOOD
               : strcmp(text, "PARKED") == 0 || strcmp(text, "firing") == 0 || strcmp(text, "open") == 0
                   ? TERMINAL_BAD
               : strcmp(text, "STOPPING") == 0 || strcmp(text, "CLEARING") == 0 ? TERMINAL_WARN
                                                                                : TERMINAL_PLAIN;
    if (kind == TABLE_SHARE) {
        double share = strtod(text, NULL);
        return share >= 100 ? TERMINAL_BAD : share >= 50 ? TERMINAL_WARN : TERMINAL_PLAIN;
    }
    return TERMINAL_PLAIN;
}

/* One line: texts cut to their widths, no blanks at the end. */
static void print_line(const struct table *t, const struct terminal *terminal, char *const *texts,
                       const size_t *widths, bool is_title, FILE *out)
{
    size_t owed = 0; /* blanks before the next text */
    for (size_t i = 0; i < t->count; i++) {
        if (widths[i] == 0)
            continue;
        char *AUTO_FREE text = display_cut(&terminal->display, texts[i], widths[i]);
        size_t blank = widths[i] - display_width(text);
        bool is_right = is_to_the_right(t->columns[i].kind);
        enum terminal_style style = is_title ? TERMINAL_FAINT : style_of(t->columns[i].kind, texts[i]);
        fprintf(out, "%*s", (int)(owed + (is_right ? blank : 0)), "");
        if (style == TERMINAL_PLAIN)
            fputs(text, out);
        else
            fprintf(out, "%s%s%s", terminal_style(terminal, style), text,
                    terminal_style(terminal, TERMINAL_PLAIN));
        owed = (is_right ? 0 : blank) + COLUMNS_GAP;
    }
    fputc('\n', out);
}

static void fit(const struct table *t, char *const *texts, size_t lines, size_t room, size_t *widths)
{
    struct column_shape shapes[COLUMNS_MAX] = {0};
    for (size_t i = 0; i < t->count; i++) {
        for (size_t line = 0; line < lines; line++) {
            size_t width = display_width(texts[line * t->count + i]);
            shapes[i].natural = width > shapes[i].natural ? width : shapes[i].natural;
        }
        shapes[i].least = t->columns[i].least == 0 ? shapes[i].natural : t->columns[i].least;
        shapes[i].rank = t->columns[i].rank;
    }
    columns_fit(shapes, t->count, room, widths);
}

static void print_heading(const char *heading, const struct terminal *terminal, FILE *out)
{
    size_t room = terminal->columns == 0 ? strlen(heading) : terminal->columns;
    char *AUTO_FREE text = display_cut(&terminal->display, heading, room);
    fprintf(out, "%s%s%s\n", terminal_style(terminal, TERMINAL_TITLE), text,
            terminal_style(terminal, TERMINAL_PLAIN));
}

void table_print(const struct table *t, const char *heading, const struct terminal *terminal, int64_t now_ms,
                 size_t max_rows, FILE *out)
{
    size_t rows = max_rows > 0 && t->rows > max_rows ? max_rows : t->rows;
    if (t->rows == 0)
        return;
    size_t lines = rows + 1;
    char **texts = check_alloc(lines * t->count * sizeof(*texts));
    for (size_t i = 0; i < t->count; i++)
        texts[i] = check_strdup(t->columns[i].title);
    for (size_t i = 0; i < rows * t->count; i++)
        texts[t->count + i] = say_cell(&t->cells[i], t->columns[i % t->count].kind, terminal, now_ms);
    if (heading != NULL)
        print_heading(heading, terminal, out);
    size_t widths[COLUMNS_MAX];
    fit(t, texts, lines, terminal->columns, widths);
    for (size_t line = 0; line < lines; line++)
        print_line(t, terminal, texts + line * t->count, widths, line == 0, out);
    for (size_t i = 0; i < lines * t->count; i++)
        free(texts[i]);
    free(texts);
    if (rows < t->rows)
        fprintf(out, "%sand %zu more%s\n", terminal_style(terminal, TERMINAL_FAINT), t->rows - rows,
                terminal_style(terminal, TERMINAL_PLAIN));
}
