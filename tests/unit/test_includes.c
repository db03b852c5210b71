/*
 * The direction of dependencies, read off the include lines: base <- core <- store, api <- the shell. Each
 * outside library is known to its one place, core stays without I/O, clock and random, and functions that
 * write without a limit, or guess, are used nowhere. A line that should be allowed is a row here.
 */
#include "base/check.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* What the files whose path starts so may include from within the project; the first row that fits counts. */
static const struct {
    const char *path;
    const char *allowed[6];
} directions[] = {
    {"scheduler/base/", {"base/"}},
    {"scheduler/core/", {"base/", "core/"}},
    {"store/", {"base/", "core/", "store/"}},
    {"api/", {"base/", "core/", "api/"}},
    {"scheduler/", {""}},
};

/* Outside headers, and the only places that may include them. */
static const struct {
    const char *header;
    const char *places[6];
} libraries[] = {
    {"curl/", {"api/http_curl"}},
    {"cjson/", {"api/json.c"}},
    {"cJSON.h", {NULL}},
    {"sqlite3.h", {"store/"}},
    {"event2/",
     {"api/http_curl", "scheduler/loop.c", "api/admin", "api/credential_helper.c", "scheduler/output_fd.c"}},
    {"event.h", {NULL}},
    {"ini.h", {"scheduler/config"}},
};

/* Headers of the system that would let the world into core. */
static const char *const impure[] = {"time.h",   "unistd.h", "fcntl.h", "sys/",    "pthread.h",
                                     "signal.h", "poll.h",   "netdb.h", "dirent.h"};

static bool is_in_list(const char *path, const char *const *places, size_t count)
{
    for (size_t i = 0; i < count && places[i] != NULL; i++) {
        if (starts_with(path, places[i]))
            return true;
    }
    return false;
}

static bool may_include_ours(const char *path, const char *header)
{
    if (strstr(header, "../") != NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(directions); i++) {
        if (starts_with(path, directions[i].path))
            return is_in_list(header, directions[i].allowed, ARRAY_LEN(directions[i].allowed));
    }
    return true;
}

static bool may_include_system(const char *path, const char *header)
{
    for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
        if (starts_with(header, libraries[i].header))
            return is_in_list(path, libraries[i].places, ARRAY_LEN(libraries[i].places));
    }
    return !starts_with(path, "scheduler/core/") || !is_in_list(header, impure, ARRAY_LEN(impure));
}

static bool is_include_allowed(const char *path, const char *line)
{
    char header[256];
    if (sscanf(line, " # include \"%255[^\"]\"", header) == 1)
        return may_include_ours(path, header);
    if (sscanf(line, " # include <%255[^>]>", header) == 1)
        return may_include_system(path, header);
    return true;
}

static const char *const banned[] = {"strcpy",
                                     "stpcpy",
                                     "strcat",
                                     "strncpy",
                                     "strncat",
                                     "sprintf",
                                     "vsprintf",
                                     "gets",
                                     "atoi",
                                     "atol",
                                     "atoll",
                                     "atof",
                                     "strtok",
                                     "alloca",
                                     "tmpnam",
                                     "mktemp",
                                     "gmtime",
                                     "localtime",
                                     "ctime",
                                     "asctime",
                                     "rand",
                                     "srand",
                                     "cJSON_GetObjectItem",
                                     "cJSON_Parse"};

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The banned function that the line calls, or NULL. Comments count: they have no reason to show a call. */
static const char *banned_call(const char *line)
{
    for (size_t i = 0; i < ARRAY_LEN(banned); i++) {
        size_t len = strlen(banned[i]);
        for (const char *p = strstr(line, banned[i]); p != NULL; p = strstr(p + 1, banned[i])) {
            bool begins = p == line || !is_word_char(p[-1]);
            if (begins && p[len + strspn(p + len, " ")] == '(')
                return banned[i];
        }
    }
    return NULL;
}

static bool is_pure(const char *path, const char *line)
{
    if (!starts_with(path, "scheduler/core/"))
        return true;
    return strstr(line, "clock_system") == NULL && strstr(line, "random_system") == NULL &&
           strstr(line, "log_") == NULL && strstr(line, "fopen(") == NULL &&
           strstr(line, "printf(stderr") == NULL;
}

static int file_count;
static int line_count;
static int wrong_count;

static void check_line(const char *path, const char *line, int number)
{
    const char *call = banned_call(line);
    if (call != NULL)
        print_error("%s:%d: %s() is banned\n", path, number, call);
    if (!is_include_allowed(path, line))
        print_error("%s:%d: against the direction of dependencies: %s\n", path, number, line);
    if (!is_pure(path, line))
        print_error("%s:%d: core is without I/O, clock and random: %s\n", path, number, line);
    wrong_count += call != NULL || !is_include_allowed(path, line) || !is_pure(path, line);
    line_count++;
}

static int check_file(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)place;
    size_t len = strlen(path);
    if (type != FTW_F || len < 2 || path[len - 2] != '.' || (path[len - 1] != 'c' && path[len - 1] != 'h'))
        return 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *line = NULL;
    size_t size = 0;
    for (int number = 1; getline(&line, &size, file) >= 0; number++)
        check_line(path, line, number);
    free(line);
    assert_int_equal(fclose(file), 0);
    file_count++;
    return 0;
}

static void test_the_tree(void **state)
{
    (void)state;
    const char *const roots[] = {"scheduler", "store", "api"};
    for (size_t i = 0; i < ARRAY_LEN(roots); i++)
        assert_int_equal(nftw(roots[i], check_file, 8, FTW_PHYS), 0);
    assert_int_equal(wrong_count, 0);
    assert_true(file_count > 60);
    assert_true(line_count > 6000);
}

static void test_wrong_directions_are_seen(void **state)
{
    (void)state;
    assert_true(is_include_allowed("scheduler/core/run.c", "#include \"base/check.h\"\n"));
    assert_false(is_include_allowed("scheduler/base/buf.c", "#include \"core/run.h\"\n"));
    assert_false(is_include_allowed("scheduler/core/run.c", "#include \"api/json.h\"\n"));
    assert_false(is_include_allowed("scheduler/core/run.c", "#include \"config.h\"\n"));
    assert_false(is_include_allowed("store/store.c", "#include \"api/json.h\"\n"));
    assert_false(is_include_allowed("api/json.c", "  #  include \"store/store.h\"\n"));
    assert_false(is_include_allowed("api/json.c", "#include \"../scheduler/config.h\"\n"));
    assert_true(is_include_allowed("scheduler/runner.c", "#include \"store/store.h\"\n"));
}

static void test_wrong_libraries_are_seen(void **state)
{
    (void)state;
    assert_true(is_include_allowed("api/json.c", "#include <cjson/cJSON.h>\n"));
    assert_false(is_include_allowed("api/engine.c", "#include <cjson/cJSON.h>\n"));
    assert_true(is_include_allowed("api/http_curl_events.c", "#include <curl/curl.h>\n"));
    assert_false(is_include_allowed("api/http.c", "#include <curl/curl.h>\n"));
    assert_false(is_include_allowed("api/engine.c", "#include <event2/event.h>\n"));
    assert_true(is_include_allowed("scheduler/loop.c", "#include <event2/event.h>\n"));
    assert_false(is_include_allowed("scheduler/runner.c", "#include <event2/event.h>\n"));
    assert_false(is_include_allowed("scheduler/runner.c", "#include <sqlite3.h>\n"));
    assert_false(is_include_allowed("scheduler/core/retry.c", "#include <time.h>\n"));
    assert_true(is_include_allowed("scheduler/core/retry.c", "#include <math.h>\n"));
}

static void test_banned_calls_are_seen(void **state)
{
    (void)state;
    assert_string_equal(banned_call("    strcpy(a, b);"), "strcpy");
    assert_string_equal(banned_call("x = atoi (text);"), "atoi");
    assert_string_equal(banned_call("if (cJSON_GetObjectItem(a, b))"), "cJSON_GetObjectItem");
    assert_null(banned_call("cJSON_GetObjectItemCaseSensitive(a, b)"));
    assert_null(banned_call("snprintf(a, sizeof(a), \"%s\", b);"));
    assert_null(banned_call("my_strcpy(a)"));
    assert_null(banned_call("/* never atoi */"));
    assert_false(is_pure("scheduler/core/run.c", "clock_wall_ms(&clock_system)"));
    assert_true(is_pure("scheduler/runner.c", "clock_wall_ms(&clock_system)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tree),
        cmocka_unit_test(test_wrong_directions_are_seen),
        cmocka_unit_test(test_wrong_libraries_are_seen),
        cmocka_unit_test(test_banned_calls_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
