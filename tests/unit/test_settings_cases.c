/*
 * test_settings_cases.c - which settings go on into containers, against what Prefect's own worker hands on.
 *
 * tests/data/settings-cases.json holds what it made of each environment and set of files
 * (make_settings_cases.py renews it); null means that it refused to start. Names, values and their order are
 * compared. Where there is no API address at all, Prefect's answer has none and ours neither.
 */
#include "tests/unit/whole_file.h"

#include "api/json.h"
#include "base/check.h"
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CASES_MIN 60
#define VARIABLES_MAX 16

static void write_files(const struct json *files)
{
    for (const struct json *item = json_first(files); item != NULL; item = json_next(item)) {
        char *AUTO_FREE folder = check_strdup(json_key(item));
        char *slash = strchr(folder, '/');
        if (slash != NULL) {
            *slash = '\0';
            assert_int_equal(mkdir(folder, 0700), 0);
        }
        FILE *file = fopen(json_key(item), "w");
        assert_non_null(file);
        fputs(json_text(item, ""), file);
        assert_int_equal(fclose(file), 0);
    }
}

static void remove_files(const struct json *files)
{
    for (const struct json *item = json_first(files); item != NULL; item = json_next(item)) {
        char *AUTO_FREE path = check_strdup(json_key(item));
        assert_int_equal(unlink(path), 0);
        char *slash = strchr(path, '/');
        if (slash != NULL) {
            *slash = '\0';
            assert_int_equal(rmdir(path), 0);
        }
    }
}

/* "NAME=value\n" lines; the folder's name is @. */
static char *handed_on(const struct config *config, const char *folder)
{
    char *text = check_strdup("");
    for (const char *const *p = config->forwarded; p[0] != NULL; p += 2) {
        bool is_inside = strncmp(p[1], folder, strlen(folder)) == 0;
        char *more = check_printf("%s%s=%s%s\n", text, p[0], is_inside ? "@" : "",
                                  is_inside ? p[1] + strlen(folder) : p[1]);
        free(text);
        text = more;
    }
    return text;
}

static char *expected_of(const struct json *pairs)
{
    char *text = check_strdup("");
    for (const struct json *pair = json_first(pairs); pair != NULL; pair = json_next(pair)) {
        const struct json *name = json_first(pair);
        char *more = check_printf("%s%s=%s\n", text, json_text(name, ""), json_text(json_next(name), ""));
        free(text);
        text = more;
    }
    return text;
}

/* Adds to *failed, and says how they differ. */
static void check_case(const struct json *item, const char *folder, int *failed)
{
    char *environment[VARIABLES_MAX + 2] = {check_printf("HOME=%s", folder)};
    size_t count = 1;
    for (const struct json *v = json_first(json_get(item, "environ")); v != NULL; v = json_next(v)) {
        assert_true(count <= VARIABLES_MAX);
        environment[count++] = check_printf("%s=%s", json_key(v), json_text(v, ""));
    }
    const char *profile = json_get_text(item, "profile", "");
    struct config_sources sources = {.environ = environment,
                                     .profile = profile[0] != '\0' ? profile : NULL,
                                     .working_directory = folder,
                                     .hostname = "box",
                                     .is_root = true};
    struct config *config = NULL;
    struct config_problems problems = {NULL, 0};
    struct err err;
    write_files(json_get(item, "files"));
    assert_int_equal(config_load(&sources, &config, &problems, &err), 0);
    const struct json *pairs = json_get(item, "forwarded");
    bool is_refused = json_kind(pairs) == JSON_NULL;
    char *AUTO_FREE ours = handed_on(config, folder);
    char *AUTO_FREE expected = expected_of(pairs);
    if (is_refused != (problems.count > 0) || (!is_refused && strcmp(ours, expected) != 0)) {
        print_error("%s: %zu mistakes (%s)\nexpected%s:\n%sgot:\n%s\n", json_get_text(item, "name", ""),
                    problems.count, problems.count > 0 ? problems.items[0].text : "none",
                    is_refused ? " a refusal" : "", expected, ours);
        ++*failed;
    }
    remove_files(json_get(item, "files"));
    config_problems_done(&problems);
    config_free(config);
    for (size_t i = 0; i < count; i++)
        free(environment[i]);
}

static void test_every_case(void **state)
{
    (void)state;
    char *AUTO_FREE text = read_whole("tests/data/settings-cases.json");
    char folder[] = "/tmp/sluice-settings-XXXXXX";
    struct json *cases = NULL;
    struct err err;
    int failed = 0;
    int count = 0;
    assert_int_equal(json_parse(text, strlen(text), &cases, &err), 0);
    assert_non_null(mkdtemp(folder));
    char *AUTO_FREE start_folder = getcwd(NULL, 0);
    assert_int_equal(chdir(folder), 0);
    for (const struct json *item = json_first(cases); item != NULL; item = json_next(item), count++)
        check_case(item, folder, &failed);
    assert_int_equal(chdir(start_folder), 0);
    assert_int_equal(rmdir(folder), 0);
    json_free(cases);
    assert_true(count >= CASES_MIN);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_case)};
    return cmocka_run_group_tests_name("settings_cases", tests, NULL, NULL);
}
