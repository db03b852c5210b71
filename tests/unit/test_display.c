/*
 * display: nothing that a terminal would obey comes through, widths are those of the screen, and what is cut
 * or wrapped never takes more columns than there are.
 */
#include "base/check.h"
#include "base/display.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct display utf8 = {.is_utf8 = true};
static const struct display ascii = {.is_utf8 = false};

static int setup(void **state)
{
    (void)state;
    display_use_libc();
    return 0;
}

static void expect_clean(const struct display *display, const char *text, const char *clean)
{
    char *AUTO_FREE got = display_clean(display, text);
    assert_string_equal(got, clean);
}

static void test_clean(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *clean;
    } cases[] = {
        {"", ""},
        {"happy-otter", "happy-otter"},
        {"a\tb\nc\rd", "a\\tb\\nc\\rd"},
        {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
        {"\x1b]0;title\x07", "\\x1b]0;title\\x07"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m"},                                        /* CSI as one character of C1 */
        {"\x9b", "\\x9b"},                                     /* and as one byte */
        {"a\u202eb", "a\\u202eb"},                             /* turns the line round */
        {"a\u2066b\u2069", "a\\u2066b\\u2069"},                /* isolates */
        {"a\u200bb\ufeff", "a\\u200bb\\ufeff"},                /* not seen at all */
        {"a\u2028b", "a\\u2028b"},                             /* a line end */
        {"\U000e0041", "\\U000e0041"},                         /* tags */
        {"\xff\xfe", "\\xff\\xfe"},                            /* no UTF-8 */
        {"\xe6\x95", "\\xe6\\x95"},                            /* cut off */
        {"\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80"}, /* overlong, a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          /* beyond Unicode */
        {"\u6570\u636e e\u0301", "\u6570\u636e e\u0301"},
        {"\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"},
        {"z\u0301\u0302\u0303\u0304\u0305\u0306y", "z\u0301\u0302\u0303\u0304y"}, /* four marks are enough */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_clean(&utf8, cases[i].text, cases[i].clean);
}

static void test_clean_for_a_terminal_without_utf8(void **state)
{
    (void)state;
    expect_clean(&ascii, "caf\u00e9", "caf?");
    expect_clean(&ascii, "e\u0301", "e");
    expect_clean(&ascii, "\u6570\u636e", "??");
    expect_clean(&ascii, "\u202e\xff\n", "\\u202e\\xff\\n");
}

/* Whatever the bytes are, what comes out holds no control character and can be measured. */
static void test_no_byte_comes_through_raw(void **state)
{
    (void)state;
    char text[4] = "";
    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second++) {
            text[0] = (char)first;
            text[1] = (char)second;
            char *AUTO_FREE clean = display_clean(&utf8, text);
            char *AUTO_FREE again = display_clean(&utf8, clean);
            assert_string_equal(clean, again);
            for (const char *p = clean; *p != '\0'; p++)
                assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
        }
    }
}

static void test_width(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},       {"abc", 3},    {"caf\u00e9", 4},  {"cafe\u0301", 4},   {"\u6570\u636e", 4},
        {"\uff21", 2}, {"\uac00", 2}, {"\U0001f600", 2}, {"\u0e01\u0e34", 1}, {"\u2026", 1},
        {"\u2588", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(display_width(cases[i].text), cases[i].width);
}

static void test_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *cut;
    } cases[] = {
        {"abcdef", 6, "abcdef"},
        {"abcdef", 7, "abcdef"},
        {"abcdef", 5, "abcd\u2026"},
        {"abcdef", 1, "\u2026"},
        {"abcdef", 0, ""},
        {"", 0, ""},
        {"\u6570\u636e\u6d41", 6, "\u6570\u636e\u6d41"},
        {"\u6570\u636e\u6d41", 5, "\u6570\u636e\u2026"},
        {"\u6570\u636e\u6d41", 4, "\u6570\u2026"}, /* half of one can't be shown */
        {"\u6570\u636e\u6d41", 1, "\u2026"},
        {"ae\u0301b", 3, "ae\u0301b"},
        {"ae\u0301bc", 3, "ae\u0301\u2026"}, /* a mark stays with its letter */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE cut = display_cut(&utf8, cases[i].text, cases[i].width);
        assert_string_equal(cut, cases[i].cut);
    }
    char *AUTO_FREE plain = display_cut(&ascii, "abcdef", 5);
    assert_string_equal(plain, "abcd~");
}

static void test_wrap(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        size_t indent;
        const char *wrapped;
    } cases[] = {
        {"", 10, 2, ""},
        {"one two", 0, 2, "one two"},
        {"one two", 7, 2, "one two"},
        {"one two three four", 13, 2, "one two three\n  four"},
        {"one two three four", 12, 2, "one two\n  three four"},
        {"abcdefghijklmnopqrst", 12, 2, "abcdefghijkl\n  mnopqrst"}, /* a word wider than the line */
        {"one abcdefghijklmnop", 8, 0, "one\nabcdefgh\nijklmnop"},
        {"\u6570\u636e\u6570\u636e", 5, 0, "\u6570\u636e\n\u6570\u636e"},
        {"\u6570\u636e", 1, 0, "\u6570\n\u636e"}, /* what fits nowhere still comes */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE wrapped = display_wrap(cases[i].text, cases[i].width, cases[i].indent);
        assert_string_equal(wrapped, cases[i].wrapped);
    }
}

static void test_bar(void **state)
{
    (void)state;
    static const struct {
        double share;
        const char *drawn;
        const char *plain;
    } cases[] = {
        {0, "    ", "    "},
        {0.25, "\u2588   ", "#   "},
        {0.5 + 1.0 / 32, "\u2588\u2588\u258f ", "##  "},
        {1, "\u2588\u2588\u2588\u2588", "####"},
        {7, "\u2588\u2588\u2588\u2588", "####"},
        {-1, "    ", "    "},
        {0.0 / 0.0, "    ", "    "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE drawn = display_bar(&utf8, cases[i].share, 4);
        char *AUTO_FREE plain = display_bar(&ascii, cases[i].share, 4);
        assert_string_equal(drawn, cases[i].drawn);
        assert_string_equal(plain, cases[i].plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_for_a_terminal_without_utf8),
        cmocka_unit_test(test_no_byte_comes_through_raw),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_bar),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
