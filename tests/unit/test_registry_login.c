/* The header of a pull, and how secrets are kept out of sight. */
#include "api/registry_login.h"

#include "api/jobspec.h"
#include "base/base64.h"
#include "base/check.h"
#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4648, section 10. */
static void test_base64(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xfb\xef\xff", "++//"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE encoded = base64_encode(cases[i][0], BASE64_STANDARD);
        assert_string_equal(encoded, cases[i][1]);
        size_t len = 0;
        char *AUTO_FREE decoded = base64_decode(encoded, &len);
        assert_string_equal(decoded, cases[i][0]);
        assert_int_equal(len, strlen(cases[i][0]));
        encoded[strcspn(encoded, "=")] = '\0';
        char *AUTO_FREE unpadded = base64_decode(encoded, &len);
        assert_string_equal(unpadded, cases[i][0]);
    }
    char *AUTO_FREE url = base64_encode("\xfb\xef\xff", BASE64_URL);
    assert_string_equal(url, "--__");
    char *AUTO_FREE empty = base64_encode("", BASE64_URL);
    assert_string_equal(empty, "");
}

static void test_malformed_base64(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "", "=", "Z", "Zg=", "Zg===", "Zg==Zg==", "Z g=", "Zg==\n", "Zm9v=", "-_-_", "Zé"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len = 77;
        if (base64_decode(cases[i], &len) != NULL)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(len, 77);
    }
}

static void assert_header(struct registry_login *take_login, const char *json)
{
    char *header = registry_login_header(take_login);
    char *AUTO_FREE wanted = base64_encode(json, BASE64_URL);
    assert_string_equal(header, wanted);
    assert_int_equal(strlen(header) % 4, 0);
    secret_free(header);
    registry_login_free(take_login);
}

static void test_headers(void **state)
{
    (void)state;
    /* as docker-py sends it, but for its blanks */
    assert_header(registry_login_new("https://r.example/v1/", "u", "p\"w\xc3\xbc"),
                  "{\"username\":\"u\",\"password\":\"p\\\"w\xc3\xbc\",\"email\":null,\"serveraddress\":"
                  "\"https://r.example/v1/\"}");
    struct registry_login *token = check_alloc(sizeof(*token));
    token->identity_token = check_strdup("tok>?");
    assert_header(token, "{\"identitytoken\":\"tok>?\"}");
    token = check_alloc(sizeof(*token));
    token->server = check_strdup("r.example");
    token->registry_token = check_strdup("t");
    assert_header(token, "{\"registrytoken\":\"t\"}");
    struct registry_login *with_email = registry_login_new("s", "u", "p");
    with_email->email = check_strdup("e@x");
    assert_header(with_email,
                  "{\"username\":\"u\",\"password\":\"p\",\"email\":\"e@x\",\"serveraddress\":\"s\"}");
}

/* A registry that repeats what it was sent. */
static void test_what_a_registry_repeats_is_hidden(void **state)
{
    (void)state;
    struct registry_login *login = registry_login_new("s", "user", "pass-word");
    char *AUTO_FREE basic = base64_encode("user:pass-word", BASE64_STANDARD);
    char *header = registry_login_header(login);
    char *AUTO_FREE message =
        check_printf("401: \"Authorization: Basic %s\", %s, pass-wordpass-word, pass-wor", basic, header);
    registry_login_hide(login, message);
    assert_null(strstr(message, "pass-word"));
    assert_null(strstr(message, basic));
    assert_null(strstr(message, header));
    assert_non_null(strstr(message, "401: \"Authorization: Basic ***"));
    assert_non_null(strstr(message, "pass-wor"));
    secret_free(header);
    registry_login_free(login);
    registry_login_hide(NULL, message);
    char text[] = "a sentence";
    secret_hide(text, "e");
    secret_hide(text, "");
    secret_hide(text, NULL);
    assert_string_equal(text, "a sentence");
}

static void test_secrets_are_compared(void **state)
{
    (void)state;
    assert_true(secret_equals(NULL, NULL));
    assert_false(secret_equals(NULL, ""));
    assert_false(secret_equals("", NULL));
    assert_true(secret_equals("", ""));
    assert_true(secret_equals("abc", "abc"));
    assert_false(secret_equals("abc", "abd"));
    assert_false(secret_equals("abc", "abcd"));
    char u[] = "u", p[] = "p", q[] = "q", r[] = "r", s[] = "s";
    const struct jobspec_credentials one = {u, p, r, true};
    const struct jobspec_credentials others[] = {
        {q, p, r, true}, {u, q, r, true}, {u, p, s, true}, {u, p, r, false}};
    struct jobspec_credentials *copy = jobspec_credentials_copy(&one);
    assert_true(jobspec_credentials_equal(&one, copy));
    jobspec_credentials_free(copy);
    assert_true(jobspec_credentials_equal(NULL, NULL));
    assert_false(jobspec_credentials_equal(&one, NULL));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(jobspec_credentials_equal(&one, &others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_malformed_base64),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_what_a_registry_repeats_is_hidden),
        cmocka_unit_test(test_secrets_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
