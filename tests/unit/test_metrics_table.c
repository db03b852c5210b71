/*
 * The table of docs/metrics.md is the one of metrics_table.c, whose names are as OpenMetrics and Prometheus
 * want them.
 *
 * After a wanted change: METRICS_WRITE=1 build/dev/tests/unit/test_metrics_table writes the page's table anew
 * (from the top of the source tree).
 */
#include "metrics_table.h"

#include "base/buf.h"
#include "base/text.h"
#include "whole_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE "docs/metrics.md"
#define BEGIN "<!-- table: begin (written by test_metrics_table) -->\n"
#define END "<!-- table: end -->"

static const char *ending(const struct metrics_family *f)
{
    return f->type == METRICS_COUNTER ? "_total" : f->type == METRICS_INFO ? "_info" : "";
}

static char *print_table(void)
{
    struct buf table;
    struct err err;
    buf_init(&table, 65536);
    assert_int_equal(
        buf_add_str(&table, "| metric | type | labels | what it tells |\n|---|---|---|---|\n", &err), 0);
    for (int i = 0; i < METRICS_FAMILY_COUNT; i++) {
        const struct metrics_family *f = metrics_family((enum metrics_id)i);
        assert_int_equal(buf_printf(&table, &err, "| `%s%s` | %s | %s | %s |\n", f->name, ending(f),
                                    metrics_type_name(f->type), f->labels, f->help),
                         0);
    }
    return buf_take(&table);
}

static void test_the_page_has_the_table(void **state)
{
    (void)state;
    char *page = read_whole(PAGE);
    char *table = print_table();
    char *begin = strstr(page, BEGIN);
    char *end = strstr(page, END);
    assert_true(begin != NULL && end != NULL && begin < end);
    begin += strlen(BEGIN);
    if (getenv("METRICS_WRITE") != NULL) {
        FILE *file = fopen(PAGE, "w");
        assert_non_null(file);
        fprintf(file, "%.*s%s%s", (int)(begin - page), page, table, end);
        assert_int_equal(fclose(file), 0);
    } else {
        *end = '\0';
        assert_string_equal(begin, table); /* see the head of this test */
    }
    free(table);
    free(page);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const units[] = {"seconds", "bytes", "ratio"};
    for (int i = 0; i < METRICS_FAMILY_COUNT; i++) {
        const struct metrics_family *f = metrics_family((enum metrics_id)i);
        assert_non_null(f->name);
        bool is_ours = strncmp(f->name, "sluice_", 7) == 0;
        assert_true(is_ours || strncmp(f->name, "process_", 8) == 0);
        assert_int_equal(strspn(f->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(f->name));
        /* Written where they belong only. */
        assert_false(text_ends_with(f->name, "_total") || text_ends_with(f->name, "_info") ||
                     text_ends_with(f->name, "_count"));
        for (size_t k = 0; k < ARRAY_LEN(units); k++)
            assert_int_equal(text_ends_with(f->name, units[k]), strcmp(f->unit, units[k]) == 0);
        /* The formats escape these differently. */
        assert_null(strpbrk(f->help, "\"\\\n|"));
        assert_true(text_ends_with(f->help, "."));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(f->name, metrics_family((enum metrics_id)k)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_page_has_the_table),
    };
    return cmocka_run_group_tests_name("metrics_table", tests, NULL, NULL);
}
