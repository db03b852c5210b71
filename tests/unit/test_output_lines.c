/* output_lines.c: lines of many containers, bounded and fair. */
#include "core/output_lines.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KIB ((size_t)1024)

static void feed(struct output_source *s, int stream, const char *text)
{
    output_source_feed(s, stream, text, strlen(text));
}

static char *take_all(struct output_lines *lines)
{
    struct buf text;
    struct err err;
    buf_init(&text, KIB * KIB * 64);
    struct output_block *block;
    while ((block = output_lines_take(lines)) != NULL) {
        assert_int_equal(buf_add(&text, block->data, block->len, &err), 0);
        assert_true(block->len > 0 && block->data[block->len - 1] == '\n');
        output_block_done(lines, block, false, block->len);
    }
    return text.len == 0 ? check_strdup("") : buf_take(&text);
}

static void assert_taken(struct output_lines *lines, const char *expected)
{
    char *text = take_all(lines);
    assert_string_equal(text, expected);
    free(text);
}

static void test_lines(void **state)
{
    (void)state;
    struct output_lines *lines = output_lines_new(64 * KIB, 256 * KIB);
    struct output_source *a = output_source_new(lines, "a | ");
    feed(a, 1, "one\ntw");
    feed(a, 2, "err"); /* another stream: another line */
    feed(a, 1, "o\n\nthree");
    assert_taken(lines, "a | one\na | two\na | \n");
    feed(a, 2, "or\n");
    output_source_close(a);
    assert_taken(lines, "a | error\na | three\n");
    assert_false(output_lines_is_waiting(lines));
    assert_int_equal(output_lines_counts(lines).lines, 5);
    assert_int_equal(output_lines_counts(lines).dropped_lines, 0);
    output_lines_free(lines);
}

static void test_bytes_are_bytes(void **state)
{
    (void)state;
    struct output_lines *lines = output_lines_new(64 * KIB, 256 * KIB);
    struct output_source *a = output_source_new(lines, "");
    static const char bytes[] = "\xff\0\r10%\r20%\xfe\n";
    output_source_feed(a, 1, bytes, sizeof(bytes) - 1);
    struct output_block *block = output_lines_take(lines);
    assert_int_equal(block->len, sizeof(bytes) - 1);
    assert_memory_equal(block->data, bytes, sizeof(bytes) - 1);
    output_block_done(lines, block, false, block->len);
    output_source_close(a);
    output_lines_free(lines);
}

/* However a line is cut into pieces, it comes as the same lines: one, or several of the greatest length. */
static void test_long_lines(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 4090, 16383, 16384, 16385, 40000};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t step = 7; step < 50000; step *= 13) {
            struct output_lines *lines = output_lines_new(256 * KIB, 256 * KIB);
            struct output_source *a = output_source_new(lines, "a | ");
            size_t len = lengths[i];
            char *line = check_alloc(len + 1);
            memset(line, 'x', len);
            line[len] = '\n';
            for (size_t at = 0; at <= len; at += step)
                output_source_feed(a, 1, line + at, step < len + 1 - at ? step : len + 1 - at);
            char *text = take_all(lines);
            size_t marks = 0, letters = 0;
            for (const char *p = text; *p != '\0'; p++) {
                marks += *p == '|';
                letters += *p == 'x';
            }
            assert_int_equal(letters, len);
            assert_int_equal(marks, len == 0 ? 1 : (len + OUTPUT_LINE_MAX_BYTES - 1) / OUTPUT_LINE_MAX_BYTES);
            free(text);
            free(line);
            output_source_close(a);
            output_lines_free(lines);
        }
    }
}

/* Whoever is loud loses its own oldest lines, and a line says how many. */
static void test_a_source_is_bounded(void **state)
{
    (void)state;
    struct output_lines *lines = output_lines_new(16 * KIB, 256 * KIB);
    struct output_source *loud = output_source_new(lines, "loud | ");
    struct output_source *quiet = output_source_new(lines, "quiet | ");
    feed(quiet, 1, "here\n");
    for (int i = 0; i < 10000; i++) {
        char line[32];
        snprintf(line, sizeof(line), "line %d\n", i);
        feed(loud, 1, line);
    }
    struct output_counts counts = output_lines_counts(lines);
    assert_int_equal(counts.lines, 10001);
    assert_in_range(counts.dropped_lines, 8000, 10000);
    char *said =
        check_printf("loud | [sluice: %llu lines are missing here", (unsigned long long)counts.dropped_lines);
    char *text = take_all(lines);
    assert_non_null(strstr(text, "quiet | here\n"));
    assert_non_null(strstr(text, "loud | line 9999\n"));
    assert_non_null(strstr(text, said));
    assert_true(strstr(text, said) < strstr(text, "loud | line"));
    size_t kept = 0;
    for (const char *p = text; (p = strstr(p, "| line ")) != NULL; p++)
        kept++;
    assert_int_equal(kept + counts.dropped_lines, 10000);
    free(said);
    free(text);
    output_source_close(loud);
    output_source_close(quiet);
    output_lines_free(lines);
}

/* When all is full, it is the one with most that gives. */
static void test_all_is_bounded_fairly(void **state)
{
    (void)state;
    struct output_lines *lines = output_lines_new(200 * KIB, 256 * KIB);
    struct output_source *loud = output_source_new(lines, "loud | ");
    struct output_source *quiet[20];
    char kib[KIB + 1];
    memset(kib, 'x', KIB - 1);
    kib[KIB - 1] = '\n';
    kib[KIB] = '\0';
    for (size_t i = 0; i < 20; i++)
        quiet[i] = output_source_new(lines, "quiet | ");
    for (int turn = 0; turn < 4; turn++) {
        for (int i = 0; i < 300; i++)
            feed(loud, 1, kib);
        for (size_t i = 0; i < 20; i++)
            feed(quiet[i], 2, "here\n");
    }
    char *text = take_all(lines);
    size_t here = 0;
    for (const char *p = text; (p = strstr(p, "quiet | here\n")) != NULL; p++)
        here++;
    assert_int_equal(here, 80);
    assert_true(strlen(text) <= 256 * KIB);
    free(text);
    for (size_t i = 0; i < 20; i++)
        output_source_close(quiet[i]);
    output_source_close(loud);
    output_lines_free(lines);
}

/* Blocks are taken in turn: a loud container doesn't delay the others. */
static void test_turns(void **state)
{
    (void)state;
    struct output_lines *lines = output_lines_new(200 * KIB, 256 * KIB);
    struct output_source *loud = output_source_new(lines, "loud | ");
    struct output_source *quiet = output_source_new(lines, "quiet | ");
    for (int i = 0; i < 5000; i++)
        feed(loud, 1, "a line of it\n");
    feed(quiet, 1, "here\n");
    output_source_close(quiet); /* its line stays */
    struct output_block *first = output_lines_take(lines);
    struct output_block *second = output_lines_take(lines);
    assert_true(first->len <= OUTPUT_BLOCK_BYTES);
    assert_memory_equal(first->data, "loud | a", 8);
    assert_int_equal(second->len, strlen("quiet | here\n"));
    output_block_done(lines, first, true, 10);
    output_block_done(lines, second, false, second->len);
    assert_in_range(output_lines_counts(lines).dropped_lines, 190, 210);
    output_source_close(loud);
    output_lines_free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bytes_are_bytes),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_a_source_is_bounded),
        cmocka_unit_test(test_all_is_bounded_fairly),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
