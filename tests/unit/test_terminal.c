/*
 * terminal: who gets colours, movements, columns and characters; a line of progress; a picture cut to a
 * screen.
 */
#include "base/check.h"
#include "progress.h"
#include "status_watch.h"
#include "table.h"
#include "terminal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A terminal of today. */
static const struct terminal_facts usual = {
    .is_terminal = true, .columns = 100, .rows = 30, .term = "xterm-256color", .lang = "en_US.UTF-8"};

static bool has_color(struct terminal_facts facts, enum terminal_color color)
{
    struct terminal t = terminal_of(&facts, color, false);
    assert_int_equal(terminal_style(&t, TERMINAL_BAD)[0] != '\0', t.has_color);
    return t.has_color;
}

static void test_colors(void **state)
{
    (void)state;
    struct terminal_facts pipe = {.term = "xterm"};
    struct terminal_facts f = usual;
    assert_true(has_color(usual, TERMINAL_COLOR_AUTO));
    assert_false(has_color(usual, TERMINAL_COLOR_NEVER));
    assert_false(has_color(pipe, TERMINAL_COLOR_AUTO));
    assert_true(has_color(pipe, TERMINAL_COLOR_ALWAYS));
    f.no_color = "1";
    assert_false(has_color(f, TERMINAL_COLOR_AUTO));
    assert_true(has_color(f, TERMINAL_COLOR_ALWAYS)); /* who asks for it on the command line means it */
    f.no_color = "";
    assert_true(has_color(f, TERMINAL_COLOR_AUTO));
    f.clicolor = "0";
    assert_false(has_color(f, TERMINAL_COLOR_AUTO));
    f.clicolor_force = "1";
    assert_true(has_color(f, TERMINAL_COLOR_AUTO));
    f.no_color = "yes";
    assert_false(has_color(f, TERMINAL_COLOR_AUTO));
    pipe.clicolor_force = "0";
    assert_false(has_color(pipe, TERMINAL_COLOR_AUTO));
    pipe.clicolor_force = "1";
    assert_true(has_color(pipe, TERMINAL_COLOR_AUTO));
}

static void test_dumb_terminals_are_not_moved_in(void **state)
{
    (void)state;
    static const char *const terms[] = {NULL, "", "dumb"};
    struct terminal_facts f = usual;
    assert_true(terminal_of(&f, TERMINAL_COLOR_AUTO, false).can_move);
    for (size_t i = 0; i < ARRAY_LEN(terms); i++) {
        f.term = terms[i];
        assert_false(terminal_of(&f, TERMINAL_COLOR_AUTO, false).can_move);
        assert_false(terminal_of(&f, TERMINAL_COLOR_AUTO, false).has_color);
        assert_int_equal(terminal_of(&f, TERMINAL_COLOR_AUTO, false).columns, 100);
    }
    f = usual;
    f.is_terminal = false;
    assert_false(terminal_of(&f, TERMINAL_COLOR_ALWAYS, false).can_move);
}

static size_t columns_of(struct terminal_facts facts, bool is_wide)
{
    return terminal_of(&facts, TERMINAL_COLOR_AUTO, is_wide).columns;
}

static void test_columns(void **state)
{
    (void)state;
    static const char *const odd[] = {"", "wide", "0", "-3", "1e3", "99999999999999999999"};
    struct terminal_facts f = usual;
    assert_int_equal(columns_of(f, false), 100);
    assert_int_equal(columns_of(f, true), 0);
    f.env_columns = "66";
    assert_int_equal(columns_of(f, false), 100); /* the terminal knows better */
    f.columns = 0;
    assert_int_equal(columns_of(f, false), 66);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        f.env_columns = odd[i];
        assert_int_equal(columns_of(f, false), 80);
    }
    f.is_terminal = false;
    f.env_columns = "66";
    assert_int_equal(columns_of(f, false), 0);
    assert_int_equal(terminal_of(&f, TERMINAL_COLOR_AUTO, false).rows, 0);
}

static bool is_utf8(bool is_terminal, const char *lc_all, const char *lc_ctype, const char *lang)
{
    struct terminal_facts f = {
        .is_terminal = is_terminal, .lc_all = lc_all, .lc_ctype = lc_ctype, .lang = lang};
    return terminal_of(&f, TERMINAL_COLOR_AUTO, false).display.is_utf8;
}

static void test_characters(void **state)
{
    (void)state;
    assert_true(is_utf8(true, NULL, NULL, "en_US.UTF-8"));
    assert_true(is_utf8(true, "", "C.utf8", "C"));
    assert_false(is_utf8(true, "C", NULL, "en_US.UTF-8"));
    assert_false(is_utf8(true, NULL, NULL, NULL));
    assert_false(is_utf8(true, NULL, NULL, "de_DE.ISO-8859-1"));
    assert_true(is_utf8(false, "C", NULL, NULL)); /* into a file all goes */
}

static void test_sentences(void **state)
{
    (void)state;
    struct terminal t = terminal_of(&usual, TERMINAL_COLOR_NEVER, false);
    t.columns = 20;
    char *AUTO_FREE text = terminal_say(&t, "run evil\x1b[2J is parked, and waits");
    assert_string_equal(text, "run evil\\x1b[2J is\n  parked, and waits\n");
}

static void test_progress(void **state)
{
    (void)state;
    static const struct {
        size_t columns;
        double share;
        const char *text;
        const char *line;
    } cases[] = {
        {30, 0.5, "half", "[####   ]  50%  half"},
        {80, 0, "begins", "[                   ]   0%  begins"},
        {200, 1, "ends", "[##############################] 100%  ends"},
        {80, 0.999, "nearly", "[###################]  99%  nearly"},
        {20, 0.4, "a long sentence", "[##   ]  40%  a lo~"},
        {20, 0.4, "\x1b[2J", "[##   ]  40%  \\x1b~"},
        {8, 2, "x", "[#####~"},
    };
    struct terminal t = {.is_terminal = true, .can_move = true};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        t.columns = cases[i].columns;
        char *AUTO_FREE line = progress_line(&t, cases[i].share, cases[i].text);
        assert_string_equal(line, cases[i].line);
    }
}

static void test_picture_is_cut_to_the_screen(void **state)
{
    (void)state;
    struct terminal t = {.is_terminal = true, .can_move = true, .columns = 40};
    char *AUTO_FREE whole = status_watch_cut(&t, "a\nb\nc\n", 3);
    char *AUTO_FREE cut = status_watch_cut(&t, "a\nb\nc\nd\n", 3);
    char *AUTO_FREE least = status_watch_cut(&t, "a\nb\nc\nd\n", 1);
    char *AUTO_FREE all = status_watch_cut(&t, "a\nb\n", 0);
    assert_string_equal(whole, "a\nb\nc\n");
    assert_string_equal(cut, "a\nb\nand 2 more lines\n");
    assert_string_equal(least, "and 4 more lines\n");
    assert_string_equal(all, "a\nb\n");
}

static void test_spans(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *span;
    } cases[] = {
        {-5, "0ms"},
        {0, "0ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1250, "1.25s"},
        {9999, "10s"},
        {12345, "12.3s"},
        {60000, "60s"},
        {99000, "99s"},
        {100000, "1m 40s"},
        {3599000, "59m 59s"},
        {3600000, "1h"},
        {172799000, "47h 59m"},
        {172800000, "2d"},
        {180000000, "2d 2h"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char span[TABLE_SPAN_SIZE];
        assert_string_equal(table_span(cases[i].ms, span), cases[i].span);
    }
}

/* ---- tables ---- */

static const struct table_column columns[] = {
    {"name", "NAME", TABLE_TEXT, 6, 0},
    {"n", "N", TABLE_NUMBER, 0, 0},
    {"at", "WHEN", TABLE_TIME, 0, 1},
    {"id", "ID", TABLE_ID, 0, 2},
};

static struct table *make_table(void)
{
    const struct store_cell first[] = {{NULL, "otter\n\x1b[2J", STORE_CELL_TEXT},
                                       {NULL, "12.0", STORE_CELL_NUMBER},
                                       {NULL, "60000", STORE_CELL_NUMBER},
                                       {NULL, "0123456789abcdef", STORE_CELL_TEXT}};
    const struct store_cell second[] = {{NULL, "\u6570\u636e", STORE_CELL_TEXT},
                                        {NULL, "", STORE_CELL_NULL},
                                        {NULL, "0", STORE_CELL_NUMBER},
                                        {NULL, "", STORE_CELL_NULL}};
    struct table *t = table_new(columns, ARRAY_LEN(columns));
    table_add(t, first);
    table_add(t, second);
    return t;
}

static void expect_print(size_t width, size_t max_rows, const char *wanted)
{
    struct terminal t = {.is_terminal = width > 0, .display = {.is_utf8 = true}, .columns = width};
    struct table *table = make_table();
    char *AUTO_FREE text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    table_print(table, "all", &t, 90000, max_rows, out);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, wanted);
    table_free(table);
}

static void test_table_for_people(void **state)
{
    (void)state;
    expect_print(0, 0,
                 "all\n"
                 "NAME             N  WHEN                      ID\n"
                 "otter\\n\\x1b[2J  12  1970-01-01T00:01:00.000Z  0123456789ab\n"
                 "\u6570\u636e             -  -                         -\n");
    expect_print(50, 0,
                 "all\n"
                 "NAME             N  WHEN     ID\n"
                 "otter\\n\\x1b[2J  12  30s ago  0123456789ab\n"
                 "\u6570\u636e             -  -        -\n");
    expect_print(20, 1,
                 "all\n"
                 "NAME      N  WHEN\n"
                 "otter\\\u2026  12  30s ago\n"
                 "and 1 more\n");
    expect_print(10, 0,
                 "all\n"
                 "NAME     N\n"
                 "otter\u2026  12\n"
                 "\u6570\u636e     -\n");
    expect_print(2, 0, "a\u2026\nN\u2026\no\u2026\n\u2026\n");
}

static void test_table_for_programs(void **state)
{
    (void)state;
    struct table *table = make_table();
    struct json *json = table_json(table);
    char *AUTO_FREE text = json_write(json);
    assert_string_equal(text,
                        "[{\"name\":\"otter\\n\\u001b[2J\",\"n\":12.0,\"at\":\"1970-01-01T00:01:00.000Z\","
                        "\"id\":\"0123456789abcdef\"},"
                        "{\"name\":\"\u6570\u636e\",\"n\":null,\"at\":null,\"id\":null}]");
    json_free(json);
    table_free(table);
}

static void test_a_number_that_json_has_not(void **state)
{
    (void)state;
    static const struct table_column one[] = {{"n", "N", TABLE_NUMBER, 0, 0}};
    static const char *const texts[] = {"Inf", "-Inf"};
    struct table *table = table_new(one, 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        table_add(table, &(struct store_cell){NULL, texts[i], STORE_CELL_NUMBER});
    struct json *json = table_json(table);
    char *AUTO_FREE text = json_write(json);
    assert_string_equal(text, "[{\"n\":null},{\"n\":null}]");
    json_free(json);
    table_free(table);
}

static int setup(void **state)
{
    (void)state;
    display_use_libc();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_colors),
        cmocka_unit_test(test_dumb_terminals_are_not_moved_in),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_picture_is_cut_to_the_screen),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_table_for_people),
        cmocka_unit_test(test_table_for_programs),
        cmocka_unit_test(test_a_number_that_json_has_not),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
