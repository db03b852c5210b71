/*
 * docker_proxies: which entry of the Docker client's configuration is taken, what becomes of it, and files of
 * every shape.
 */
#include "docker_proxies.h"

#include "api/jobspec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST "unix:///var/run/docker.sock"

/* "name=value " for each. */
static char *joined(char **list)
{
    char *text = check_strdup("");
    for (char **pair = list; *pair != NULL; pair += 2) {
        char *more = check_printf("%s%s=%s ", text, pair[0], pair[1]);
        free(text);
        text = more;
    }
    jobspec_free_list(list);
    return text;
}

static void assert_parsed(const char *file, const char *expected)
{
    struct err err = {0};
    char **list = NULL;
    if (docker_proxies_parse(file, strlen(file), HOST, &list, &err) != 0)
        fail_msg("%s", err.msg);
    char *AUTO_FREE text = joined(list);
    assert_string_equal(text, expected);
}

static void test_entries(void **state)
{
    (void)state;
    assert_parsed("{}", "");
    assert_parsed("null", "");
    assert_parsed("[]", "");
    assert_parsed("{\"auths\":{\"r\":{\"auth\":\"x\"}},\"proxies\":null}", "");
    assert_parsed("{\"proxies\":{}}", "");
    assert_parsed("{\"proxies\":{\"default\":null}}", "");
    assert_parsed("{\"proxies\":{\"default\":{\"httpProxy\":\"\",\"more\":5,\"noProxy\":null}}}", "");
    assert_parsed(
        "{\"proxies\":{\"default\":{\"noProxy\":\"n\",\"ftpProxy\":\"f\",\"httpsProxy\":\"s\","
        "\"httpProxy\":\"http://u:p@h:1\"}}}",
        "http_proxy=http://u:p@h:1 HTTP_PROXY=http://u:p@h:1 https_proxy=s HTTPS_PROXY=s ftp_proxy=f "
        "FTP_PROXY=f no_proxy=n NO_PROXY=n ");
    assert_parsed("{\"proxies\":{\"default\":{\"httpProxy\":\"d\"},\"tcp://other:1\":{\"httpProxy\":\"o\"}}}",
                  "http_proxy=d HTTP_PROXY=d ");
    assert_parsed("{\"proxies\":{\"default\":{\"httpProxy\":\"d\"},\"" HOST "\":{\"httpsProxy\":\"s\"}}}",
                  "https_proxy=s HTTPS_PROXY=s ");
    assert_parsed("{\"proxies\":{\"default\":{\"httpProxy\":\"d\"},\"" HOST "\":{}}}", "");
}

static void test_mistakes_are_named_without_a_value(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *part;
        enum err_kind kind;
    } bad[] = {
        {"", "JSON", ERR_PARSE},
        {"{\"proxies\":{\"default\":{\"httpProxy\":\"hunter2", "JSON", ERR_PARSE},
        {"{\"proxies\":[\"hunter2\"]}", "\"proxies\"", ERR_INVALID},
        {"{\"proxies\":\"hunter2\"}", "\"proxies\"", ERR_INVALID},
        {"{\"proxies\":{\"default\":\"hunter2\"}}", "entries", ERR_INVALID},
        {"{\"proxies\":{\"default\":{\"httpProxy\":\"x\",\"noProxy\":[\"hunter2\"]}}}", "noProxy",
         ERR_INVALID},
        {"{\"proxies\":{\"default\":{\"httpProxy\":\"hunter2\\u0000\"}}}", "u0000", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        char **list = NULL;
        assert_int_equal(docker_proxies_parse(bad[i].file, strlen(bad[i].file), HOST, &list, &err), -1);
        assert_int_equal(err.kind, bad[i].kind);
        assert_non_null(strstr(err.msg, bad[i].part));
        assert_null(strstr(err.msg, "hunter2"));
        assert_null(list);
    }
}

/* --- the file --------------------------------------------------------------------------------------------
 */

struct places {
    const char *docker_config;
    const char *home;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_read(struct places places, const char *expected)
{
    struct err err = {0};
    char **list = NULL;
    if (docker_proxies_read(places.docker_config, places.home, HOST, &list, &err) != 0)
        fail_msg("%s", err.msg);
    char *AUTO_FREE text = joined(list);
    assert_string_equal(text, expected);
}

static void test_where_the_file_is(void **state)
{
    (void)state;
    char folder[] = "/tmp/sluice-proxies-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *AUTO_FREE docker = check_printf("%s/.docker", folder);
    char *AUTO_FREE at_home = check_printf("%s/.docker/config.json", folder);
    char *AUTO_FREE named = check_printf("%s/config.json", folder);
    assert_read((struct places){NULL, NULL}, "");
    assert_read((struct places){"", ""}, "");
    assert_read((struct places){folder, folder}, "");
    assert_read((struct places){"/dev/null", "/dev/null/x"}, "");
    assert_int_equal(mkdir(docker, 0700), 0);
    write_file(at_home, "{\"proxies\":{\"default\":{\"httpProxy\":\"home\"}}}");
    assert_read((struct places){NULL, folder}, "http_proxy=home HTTP_PROXY=home ");
    assert_read((struct places){folder, folder}, "http_proxy=home HTTP_PROXY=home ");
    write_file(named, "{}");
    assert_read((struct places){folder, folder}, "");
    write_file(named, "{\"proxies\":");
    struct places places = {folder, folder};
    struct err err = {0};
    char **list = NULL;
    assert_int_equal(docker_proxies_read(places.docker_config, places.home, HOST, &list, &err), -1);
    assert_non_null(strstr(err.msg, named));
    assert_int_equal(unlink(named), 0);
    assert_int_equal(mkdir(named, 0700), 0);
    assert_int_equal(docker_proxies_read(places.docker_config, places.home, HOST, &list, &err), -1);
    assert_int_equal(err.kind, ERR_IO);
    assert_int_equal(rmdir(named), 0);
    assert_int_equal(unlink(at_home), 0);
    assert_int_equal(rmdir(docker), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_mistakes_are_named_without_a_value),
        cmocka_unit_test(test_where_the_file_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
