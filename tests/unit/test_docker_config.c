/* What Docker's client configuration says of a registry, also when it is made to hurt. */
#include "api/docker_config.h"

#include "base/buf.h"
#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define R "r.example:5000"
#define SECRET "hunter2"
#define PAIR "dTpodW50ZXIy" /* u:hunter2 */

/* What is found, as one text: "helper/server user:password@server id=TOKEN !problem". */
static char *found(const char *text, const char *registry)
{
    struct docker_config_answer a = {0};
    struct err err = {0};
    if (docker_config_find(text, strlen(text), registry, &a, &err) != 0) {
        assert_null(strstr(err.msg, SECRET));
        assert_null(a.login);
        return check_printf("error");
    }
    const struct registry_login *l = a.login;
    char *AUTO_FREE helper = a.helper == NULL ? check_strdup("") : check_printf("%s/%s ", a.helper, a.server);
    char *AUTO_FREE login = l == NULL                   ? check_strdup("")
                            : l->identity_token != NULL ? check_printf("id=%s", l->identity_token)
                            : l->registry_token != NULL
                                ? check_printf("token=%s", l->registry_token)
                                : check_printf("%s:%s@%s", l->username, l->password, l->server);
    char *text_found = check_printf("%s%s%s%s", helper, login, a.problem != NULL ? "!" : "",
                                    a.problem != NULL ? a.problem : "");
    docker_config_answer_done(&a);
    return text_found;
}

static void assert_found(const char *text, const char *registry, const char *wanted)
{
    char *AUTO_FREE got = found(text, registry);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s in %.200s: \"%s\", not \"%s\"", registry, text, got, wanted);
}

static void test_auths(void **state)
{
    (void)state;
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"" PAIR "\"}}}", R, "u:" SECRET "@" R);
    assert_found("{\"auths\":{\"https://" R "/v1/\":{\"auth\":\"" PAIR "\"}}}", R,
                 "u:" SECRET "@https://" R "/v1/");
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"" PAIR "\"}}}", "other.example", "");
    assert_found("{\"auths\":{\"r.example\":{\"auth\":\"" PAIR "\"}}}", R, "");
    /* a password may hold colons, and be empty; the pair may be padded with NULs */
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"dTphOmI=\"}}}", R, "u:a:b@" R);
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"dTo\"}}}", R, "u:@" R);
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"dTpwAAA=\"}}}", R, "u:p@" R);
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"" PAIR "\",\"identitytoken\":\"t\"}}}", R, "id=t");
    assert_found("{\"auths\":{\"" R "\":{\"registrytoken\":\"t\"}}}", R, "token=t");
    /* an empty entry: the credential store has it */
    assert_found("{\"auths\":{\"" R "\":{}},\"credsStore\":\"x\"}", R, "x/" R " ");
    assert_found("{\"auths\":{\"" R "\":{\"auth\":\"\",\"identitytoken\":null}}}", R, "");
    assert_found("{\"auths\":null,\"credHelpers\":null,\"credsStore\":null}", R, "");
    assert_found("{}", R, "");
}

static void test_docker_hub(void **state)
{
    (void)state;
    static const char *const keys[] = {"https://index.docker.io/v1/", "docker.io", "index.docker.io",
                                       "registry-1.docker.io", "https://registry-1.docker.io/v2/"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char *AUTO_FREE text = check_printf("{\"auths\":{\"%s\":{\"auth\":\"%s\"}}}", keys[i], PAIR);
        char *AUTO_FREE wanted = check_printf("u:" SECRET "@%s", keys[i]);
        assert_found(text, "docker.io", wanted);
        assert_found(text, R, "");
    }
    /* Docker Desktop writes these, too: they are no login for pulls */
    assert_found("{\"auths\":{\"https://index.docker.io/v1/access-token\":{\"auth\":\"dTpw\"},"
                 "\"https://index.docker.io/v1/\":{\"auth\":\"" PAIR "\"}}}",
                 "docker.io", "u:" SECRET "@https://index.docker.io/v1/");
    assert_found("{\"credHelpers\":{\"docker.io\":\"x\"}}", "docker.io", "x/https://index.docker.io/v1/ ");
    assert_found("{\"credHelpers\":{\"https://index.docker.io/v1/\":\"x\",\"docker.io\":\"y\"}}", "docker.io",
                 "x/https://index.docker.io/v1/ ");
    assert_found("{\"credsStore\":\"x\"}", "docker.io", "x/https://index.docker.io/v1/ ");
}

static void test_helpers(void **state)
{
    (void)state;
    assert_found("{\"credHelpers\":{\"" R "\":\"x\"},\"credsStore\":\"y\"}", R, "x/" R " ");
    assert_found("{\"credHelpers\":{\"" R "\":\"x\"},\"credsStore\":\"y\"}", "o.example", "y/o.example ");
    assert_found("{\"credHelpers\":{\"" R "\":\"\"},\"credsStore\":\"y\"}", R, "y/" R " ");
    assert_found("{\"credHelpers\":{\"" R "\":\"x\"},\"auths\":{\"" R "\":{\"auth\":\"" PAIR "\"}}}", R,
                 "x/" R " u:" SECRET "@" R);
    /* a name becomes part of a program's */
    assert_found("{\"credHelpers\":{\"" R "\":\"../../tmp/x\"}}", R,
                 "!the credential helper that it names for " R " can't be one");
    assert_found("{\"credsStore\":[\"x\"]}", R,
                 "!the credential helper that it names for " R " can't be one");
    assert_found("{\"credHelpers\":{\"" R "\":7}}", R,
                 "!the credential helper that it names for " R " can't be one");
}

static void test_old_forms(void **state)
{
    (void)state;
    assert_found("{\"" R "\":{\"auth\":\"" PAIR "\",\"email\":\"e\"}}", R, "u:" SECRET "@" R);
    assert_found("auth = " PAIR "\nemail = e@x\n", "docker.io", "u:" SECRET "@https://index.docker.io/v1/");
    assert_found("auth = " PAIR "\nemail = e@x\n", R, "");
    assert_found("auth = ***\n", "docker.io", "!its entry for docker.io can't be read");
    /* a configuration without logins is none of these */
    assert_found("{\"proxies\":{\"default\":{}},\"detachKeys\":\"ctrl-e\"}", R, "");
}

static void test_entries_that_cant_be_read(void **state)
{
    (void)state;
    static const char *const entries[] = {
        "7",
        "\"" SECRET "\"",
        "{\"auth\":7}",
        "{\"auth\":\"*" SECRET "\"}",
        "{\"auth\":\"aHVudGVyMg==\"}", /* no colon */
        "{\"auth\":\"dTpwAHg=\"}",     /* a NUL inside */
    };
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        char *AUTO_FREE text =
            check_printf("{\"auths\":{\"" R "\":%s,\"o.example\":{\"auth\":\"%s\"}}}", entries[i], PAIR);
        assert_found(text, R, "!its entry for " R " can't be read");
        /* and no other registry suffers */
        assert_found(text, "o.example", "u:" SECRET "@o.example");
    }
}

static void test_files_that_cant_be_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "7",
        "\"" SECRET "\"",
        "{\"auths\":[]}",
        "{\"auths\":\"" SECRET "\"}",
        "{\"credHelpers\":[\"" SECRET "\"]}",
        "{\"auths\":{\"" R "\":{\"auth\":\"" SECRET "\"}}",
        "\x80\xff" SECRET,
        "<html>" SECRET "</html>",
        "{\"auths\":{\"" R "\":{\"auth\":\"" SECRET "\\u0000\"}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_found(texts[i], R, "error");
}

static void test_too_many_entries(void **state)
{
    (void)state;
    struct buf text;
    struct err err;
    buf_init(&text, DOCKER_CONFIG_MAX_BYTES);
    assert_int_equal(buf_add_str(&text, "{\"auths\":{", &err), 0);
    for (int i = 0; i < 4001; i++)
        assert_int_equal(buf_printf(&text, &err, "\"h%d.example\":{},", i), 0);
    assert_int_equal(buf_add_str(&text, "\"x\":{}}}", &err), 0);
    assert_found(buf_text(&text), R, "error");
    buf_done(&text);
}

/* Any change of a few bytes gives an answer or an error, and neither repeats the file. */
static void test_random_damage(void **state)
{
    (void)state;
    static const char good[] =
        "{\"auths\":{\"" R "\":{\"auth\":\"" PAIR "\",\"email\":\"e\"},\"https://index.docker.io/v1/\":{"
        "\"identitytoken\":\"t\"}},\"credHelpers\":{\"g.example\":\"gcloud\"},\"credsStore\":\"\"}";
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        for (int change = 0; change < 3; change++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text[random % (sizeof(good) - 1)] = (char)(1 + (random >> 32) % 255);
        }
        struct docker_config_answer a = {0};
        struct err err = {0};
        if (docker_config_find(text, strlen(text), i % 2 == 0 ? R : "docker.io", &a, &err) != 0)
            assert_null(strstr(err.msg, PAIR));
        else if (a.problem != NULL)
            assert_null(strstr(a.problem, PAIR));
        docker_config_answer_done(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auths),
        cmocka_unit_test(test_docker_hub),
        cmocka_unit_test(test_helpers),
        cmocka_unit_test(test_old_forms),
        cmocka_unit_test(test_entries_that_cant_be_read),
        cmocka_unit_test(test_files_that_cant_be_read),
        cmocka_unit_test(test_too_many_entries),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
