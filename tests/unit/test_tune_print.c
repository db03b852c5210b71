/* What `sluice tune` prints, the image it makes, and that its configuration is one. */
#include "tune_image.h"
#include "tune_print.h"

#include "config_fixture.h"

#include "api/json.h"
#include "base/check.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct tune_level levels[3];

/* 1, 2 and 3 in flight: 4, 8 and 12 starts/s; 16 samples each. */
static struct tune_report make_report(void)
{
    struct tune_report r = {.id = "0123",
                            .engine_host = "unix:///var/run/docker.sock",
                            .engine_version = "20.10.24",
                            .api_version = "1.41",
                            .network = "bridge",
                            .levels = levels,
                            .took_ms = 41500};
    memset(levels, 0, sizeof(levels));
    for (int i = 0; i < 3; i++) {
        levels[i].in_flight = i + 1;
        for (int pass = 0; pass < TUNE_PASSES; pass++)
            levels[i].passes[pass] = (struct tune_pass){.starts = 8, .took_ms = 2000 / (i + 1)};
        for (int k = 0; k < 16; k++) {
            tune_add(&levels[i], TUNE_CREATE, 70 + k);
            tune_add(&levels[i], TUNE_START, 170 + k);
            tune_add(&levels[i], TUNE_REMOVE, 40 + k);
        }
    }
    tune_look(levels, 3, &r.picture);
    return r;
}

static char *print(const struct tune_report *r, bool can_draw)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    tune_print(r, can_draw, out);
    fclose(out);
    return text;
}

static void assert_has(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void test_table_and_bars_in_ascii(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    char *AUTO_FREE text = print(&r, false);
    assert_has(text, "engine 20.10.24 (API 1.41) at unix:///var/run/docker.sock; image: made");
    assert_has(text,
               "in flight   starts  failed  starts/s     p50     p95     p50     p95     p50     p95\n"
               "        1       16       0       4.0      77      85     177     185      47      55\n");
    assert_has(text, "        3       16       0      12.0      77      85     177     185      47      55  "
                     "<- the knee\n");
    assert_has(text, "        1 #############                            4.0\n"
                     "        2 ###########################              8.0\n"
                     "        3 ######################################## 12.0\n");
    assert_has(text, "The highest level is the best");
    assert_has(text, "[limits]\n# 90 % of 12.0/s");
    for (const char *c = text; *c != '\0'; c++)
        assert_true((unsigned char)*c < 0x80);
}

static void test_bars_in_eighths(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    char *AUTO_FREE text = print(&r, true);
    /* 40 / 3 = 13 and 3 eighths */
    assert_has(
        text, "        1 \u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u258d"
              "                           4.0\n");
    assert_null(strstr(text, "##"));
}

static void test_a_sweep_without_a_knee_prints_no_configuration(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    for (int i = 0; i < 3; i++)
        levels[i].failures = 9;
    tune_look(levels, 3, &r.picture);
    char *AUTO_FREE text = print(&r, false);
    assert_has(text, "too many failed");
    assert_has(text, "No level has enough good starts");
    assert_null(strstr(text, "[limits]"));
}

static void test_pulls_are_told(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    r.pull_image = "a:1";
    r.pulls = (struct tune_pulls){.count = 3, .longest_ms = 4100};
    char *AUTO_FREE pulled = print(&r, false);
    assert_has(pulled, "pull of a:1: 3 times, 4100 ms at most; removed again");
    assert_has(pulled, "pull = 60s");
    r.pulls.was_there = true;
    char *AUTO_FREE asked = print(&r, false);
    assert_has(asked, "only the registry was asked");
    assert_null(strstr(asked, "pull = "));
}

static void test_json(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    char *text = NULL;
    size_t len = 0;
    struct json *json = NULL;
    struct err err;
    FILE *out = open_memstream(&text, &len);
    tune_print_json(&r, out);
    fclose(out);
    assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
    free(text);
    const struct json *row = json_first(json_get(json, "levels"));
    const struct json *value = json_first(json_get(json, "recommended"));
    assert_int_equal(json_get_int(json, "knee", 0), 3);
    assert_int_equal(json_count(json_get(json, "levels")), 3);
    assert_int_equal(json_get_int(row, "start_p50_ms", 0), 177);
    assert_string_equal(json_number_text(json_get(row, "starts_per_second")), "4.000");
    assert_string_equal(json_get_text(value, "key", ""), "starts_per_second");
    assert_string_equal(json_get_text(value, "value", ""), "10.8");
    assert_int_equal(json_kind(json_get(json, "pull")), JSON_NULL);
    assert_int_equal(json_kind(json_get(json, "error")), JSON_NULL);
    json_free(json);
}

static void test_the_plan_names_all_that_would_be_done(void **state)
{
    (void)state;
    struct tune_report r = make_report();
    struct tune_settings s = {.network = "host", .time_ms = 60000, .containers = 16, .pull = "a:1"};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    tune_print_plan(&s, &r, out);
    fclose(out);
    assert_has(text, "dry run: only the engine's version was asked");
    assert_has(text, "up to 16 containers at each of 1, 2, 3, 4 in flight");
    assert_has(text, "65 in all at most, in network host");
    assert_has(text, "a:1 is pulled");
    assert_has(text, "60 s at most");
    free(text);
}

/* What is proposed is taken by `sluice check`, and says what it means. */
static void test_the_configuration_is_one(void **state)
{
    struct fixture *f = *state;
    struct tune_report r = make_report();
    r.pull_image = "a:1";
    r.pulls = (struct tune_pulls){.count = 3, .longest_ms = 41000};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    tune_print_config(&r, out);
    fclose(out);
    fixture_load(f, text, NULL, NULL);
    free(text);
    fixture_expect_problems(f, "");
    assert_int_equal(f->config->launching, 3);
    assert_false(f->config->launching_is_auto);
    assert_true(f->config->starts_per_second > 10.7 && f->config->starts_per_second < 10.9);
    assert_int_equal(f->config->start_burst, 3);
    const struct config_class *c = &f->config->classes[f->config->class_count - 1];
    assert_int_equal(c->clocks[STAGE_CREATE].total.ms, 5000);
    assert_int_equal(c->clocks[STAGE_REMOVE].total.ms, 5000);
    assert_int_equal(c->clocks[STAGE_PULL].total.ms, 410000);
}

/* ---- the image ---- */

/* This machine is one that the program is made for. */
static void test_the_program_ends_with_code_0(void **state)
{
    (void)state;
    const char *program = tune_exit_program();
    assert_memory_equal(program, "\177ELF", 4);
    assert_true(tune_exit_program_size() < 4096);
    int fd = open("exit", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, program, tune_exit_program_size()), (ssize_t)tune_exit_program_size());
    assert_int_equal(close(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl("./exit", "./exit", (char *)NULL);
        _exit(77);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(unlink("exit"), 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_the_image_is_a_tar_of_one_executable(void **state)
{
    (void)state;
    size_t len;
    char *AUTO_FREE tar = tune_image_tar(&len);
    size_t size = tune_exit_program_size();
    assert_int_equal(len % 512, 0);
    assert_true(len >= 512 + size + 1024);
    assert_string_equal(tar, "exit");
    assert_string_equal(tar + 100, "0000755");
    assert_int_equal(strtoul(tar + 124, NULL, 8), size);
    assert_int_equal(tar[156], '0');
    assert_memory_equal(tar + 257, "ustar\00000", 8);
    unsigned long sum = 0;
    for (size_t i = 0; i < 512; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)tar[i];
    assert_int_equal(strtoul(tar + 148, NULL, 8), sum);
    assert_memory_equal(tar + 512, tune_exit_program(), size);
    for (size_t i = 512 + size; i < len; i++)
        assert_int_equal(tar[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_and_bars_in_ascii),
        cmocka_unit_test(test_bars_in_eighths),
        cmocka_unit_test(test_a_sweep_without_a_knee_prints_no_configuration),
        cmocka_unit_test(test_pulls_are_told),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_the_plan_names_all_that_would_be_done),
        cmocka_unit_test_setup_teardown(test_the_configuration_is_one, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_the_program_ends_with_code_0, fixture_setup, fixture_teardown),
        cmocka_unit_test(test_the_image_is_a_tar_of_one_executable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
