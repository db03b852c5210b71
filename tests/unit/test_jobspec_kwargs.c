/*
 * test_jobspec_kwargs.c - what container_create_kwargs does beyond the create body at API 1.41, which
 * test_jobspec_cases.c holds against the official worker: newer engines, further networks, warnings, limits,
 * and errors that keep secrets.
 */
#include "tests/unit/jobspec_input.h"

#include "api/jobspec.h"
#include "api/json.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define MAC "02:42:ac:11:00:02"

static struct jobspec_input input_of(const char *run)
{
    struct jobspec_input input = ordinary_input();
    input.run_variables_json = run;
    input.engine_api_version = "1.44";
    return input;
}

static void render(const char *run, const char *api_version, struct jobspec *spec)
{
    struct jobspec_input input = input_of(run);
    struct err err = {0};
    input.engine_api_version = api_version;
    if (jobspec_render(&input, spec, &err) != 0)
        fail_msg("%s", err.msg);
}

/* A part of the create body as text, "null" if absent; malloc'ed. */
static char *part_of(const struct jobspec *spec, const char *key)
{
    struct err err;
    struct json *body = NULL;
    assert_int_equal(json_parse(spec->create_body, strlen(spec->create_body), &body, &err), 0);
    const struct json *part = json_get(body, key);
    char *text = part == NULL ? check_strdup("null") : json_write(part);
    json_free(body);
    return text;
}

static void assert_part(const char *run, const char *api_version, const char *key, const char *expected)
{
    struct jobspec spec;
    render(run, api_version, &spec);
    char *AUTO_FREE text = part_of(&spec, key);
    assert_string_equal(text, expected);
    jobspec_done(&spec);
}

static void assert_refused(const char *run, enum err_kind kind, const char *part)
{
    struct jobspec_input input = input_of(run);
    struct jobspec spec = {0};
    struct err err = {0};
    assert_int_equal(jobspec_render(&input, &spec, &err), -1);
    if (strstr(err.msg, part) == NULL)
        fail_msg("\"%s\" does not hold \"%s\"", err.msg, part);
    assert_int_equal(err.kind, kind);
    assert_null(spec.create_body);
    assert_null(spec.warning);
}

static void assert_warned(const char *run, const char *part)
{
    struct jobspec spec;
    render(run, "1.41", &spec);
    if (part == NULL ? spec.warning != NULL : spec.warning == NULL || strstr(spec.warning, part) == NULL)
        fail_msg("the warning is \"%s\"", spec.warning == NULL ? "" : spec.warning);
    jobspec_done(&spec);
}

/* --- networks --------------------------------------------------------------------------------------------
 */

static void test_mac_address_goes_where_the_engine_wants_it(void **state)
{
    (void)state;
    static const char plain[] = "{\"container_create_kwargs\":{\"mac_address\":\"" MAC "\"}}";
    static const char mode[] =
        "{\"network_mode\":\"net\",\"container_create_kwargs\":{\"mac_address\":\"" MAC "\"}}";
    static const char none[] =
        "{\"network_mode\":\"none\",\"container_create_kwargs\":{\"mac_address\":\"" MAC "\"}}";
    static const char networks[] =
        "{\"networks\":[\"a\",\"b\"],\"container_create_kwargs\":{\"mac_address\":\"" MAC
        "\",\"networking_config\":{\"a\":{\"Aliases\":[\"x\"]},\"b\":null}}}";
    static const char *const old[] = {"1.41", "1.43", ""};
    for (size_t i = 0; i < ARRAY_LEN(old); i++) {
        assert_part(plain, old[i], "MacAddress", "\"" MAC "\"");
        assert_part(plain, old[i], "NetworkingConfig", "null");
        assert_part(networks, old[i], "NetworkingConfig",
                    "{\"EndpointsConfig\":{\"a\":{\"Aliases\":[\"x\"]}}}");
    }
    static const char *const new[] = {"1.44", "1.51", "2.0"};
    for (size_t i = 0; i < ARRAY_LEN(new); i++) {
        assert_part(plain, new[i], "MacAddress", "null");
        assert_part(plain, new[i], "NetworkingConfig",
                    "{\"EndpointsConfig\":{\"default\":{\"MacAddress\":\"" MAC "\"}}}");
        assert_part(none, new[i], "MacAddress", "\"" MAC "\"");
        assert_part(none, new[i], "NetworkingConfig", "null");
        assert_part(mode, new[i], "NetworkingConfig",
                    "{\"EndpointsConfig\":{\"net\":{\"MacAddress\":\"" MAC "\"}}}");
        assert_part(networks, new[i], "NetworkingConfig",
                    "{\"EndpointsConfig\":{\"a\":{\"Aliases\":[\"x\"],\"MacAddress\":\"" MAC "\"}}}");
    }
}

static void test_two_mac_addresses(void **state)
{
    (void)state;
#define WITH_OWN(mac)                                                                                        \
    "{\"networks\":[\"a\"],\"container_create_kwargs\":{\"mac_address\":\"" MAC                              \
    "\",\"networking_config\":{\"a\":{\"MacAddress\":\"" mac "\"}}}}"
    assert_refused(WITH_OWN("02:42:ac:11:00:03"), ERR_INVALID, "container_create_kwargs: mac_address: ");
    assert_part(WITH_OWN("02:42:AC:11:00:02"), "1.44", "NetworkingConfig",
                "{\"EndpointsConfig\":{\"a\":{\"MacAddress\":\"" MAC "\"}}}");
    assert_part("{\"networks\":[\"a\"],\"container_create_kwargs\":{\"mac_address\":null}}", "1.44",
                "NetworkingConfig", "{\"EndpointsConfig\":{\"a\":{}}}");
}

/* "name=settings " for each of the further networks. */
static void assert_further(const char *run, const char *expected)
{
    struct jobspec spec;
    render(run, "1.41", &spec);
    char *text = check_strdup("");
    for (size_t i = 0; spec.networks != NULL && spec.networks[i] != NULL; i++) {
        char *more = check_printf("%s%s=%s ", text, spec.networks[i], spec.endpoints[i]);
        free(text);
        text = more;
    }
    assert_string_equal(text, expected);
    free(text);
    jobspec_done(&spec);
}

static void test_further_networks_bring_their_settings(void **state)
{
    (void)state;
    assert_further("{\"networks\":[\"a\"]}", "");
    assert_further("{\"networks\":[\"a\",\"b\",\"c\"]}", "b={} c={} ");
    assert_further("{\"networks\":[\"a\",\"b\",\"c\"],\"container_create_kwargs\":{\"networking_config\":"
                   "{\"c\":{\"Aliases\":[\"x\"],\"n\":1.0},\"b\":null}}}",
                   "b={} c={\"Aliases\":[\"x\"],\"n\":1.0} ");
    assert_further("{\"networks\":[\"a\",\"b\"],\"container_create_kwargs\":{\"network\":\"c\"}}",
                   "a={} b={} ");
    assert_further(
        "{\"container_create_kwargs\":{\"network\":\"a\",\"networking_config\":{\"c\":{\"Links\":[]},"
        "\"a\":{},\"b\":{}}}}",
        "c={\"Links\":[]} b={} ");
    assert_further("{\"networks\":[\"a\"],\"container_create_kwargs\":{\"networking_config\":{\"b\":{}}}}",
                   "");
    assert_further("{\"container_create_kwargs\":{\"networking_config\":{\"a\":{},\"b\":{}}}}", "");
}

/* --- warnings and errors ---------------------------------------------------------------------------------
 */

static void test_what_is_ignored_is_told(void **state)
{
    (void)state;
    assert_warned("{}", NULL);
    assert_warned(
        "{\"container_create_kwargs\":{\"lxc_conf\":null,\"networking_config\":{},\"network\":\"\"}}", NULL);
    assert_warned("{\"container_create_kwargs\":{\"volumes\":null}}", "job variable volumes");
    assert_warned("{\"container_create_kwargs\":{\"lxc_conf\":[]}}", "lxc_conf");
    assert_warned("{\"container_create_kwargs\":{\"networking_config\":{\"a\":{}}}}",
                  "for \"a\" is ignored, since the first of the networks is not given");
    assert_warned("{\"networks\":[\"b\"],\"container_create_kwargs\":{\"networking_config\":{\"a\":{}}}}",
                  "for \"a\" is ignored, since the first of the networks is b");
    assert_warned("{\"networks\":[\"b\"],\"network_mode\":\"host\"}", "network_mode \"host\" is ignored");
    assert_warned(
        "{\"networks\":[\"b\"],\"network_mode\":\"host\",\"container_create_kwargs\":{\"volumes\":[],"
        "\"lxc_conf\":1}}",
        "; lxc_conf in");
}

static void test_errors_keep_secrets(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "{\"container_create_kwargs\":{\"environment\":\"hunter2\"}}",
        "{\"container_create_kwargs\":{\"environment\":[\"A=hunter2\",5]}}",
        "{\"container_create_kwargs\":{\"environment\":[[\"hunter2\"]]}}",
        "{\"container_create_kwargs\":{\"environment\":{\"A\":\"hunter2\"},\"nosuch\":\"hunter2\"}}",
        "{\"container_create_kwargs\":{\"log_config\":{\"config\":[\"hunter2\"]}}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        struct jobspec_input input = input_of(runs[i]);
        struct jobspec spec;
        struct err err = {0};
        assert_int_equal(jobspec_render(&input, &spec, &err), -1);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

/* "prefix" + count members "kN":value + "suffix"; malloc'ed. */
static char *with_members(const char *prefix, int count, const char *value, const char *suffix)
{
    struct buf text;
    struct err err;
    buf_init(&text, SIZE_MAX / 4);
    assert_int_equal(buf_add_str(&text, prefix, &err), 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(buf_printf(&text, &err, "%s\"k%d\":%s", i == 0 ? "" : ",", i, value), 0);
    assert_int_equal(buf_add_str(&text, suffix, &err), 0);
    return buf_take(&text);
}

static void test_members_are_bounded(void **state)
{
    (void)state;
    static const char *const keywords[] = {"ports", "sysctls", "environment", "networking_config"};
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        char *AUTO_FREE prefix = check_printf("{\"container_create_kwargs\":{\"%s\":{", keywords[i]);
        char *AUTO_FREE part = check_printf("container_create_kwargs: %s: more than", keywords[i]);
        char *AUTO_FREE run = with_members(prefix, 100000, "null", "}}}");
        assert_refused(run, ERR_LIMIT, part);
    }
    char *AUTO_FREE unknown = with_members("{\"container_create_kwargs\":{", 100000, "null", "}}");
    assert_refused(unknown, ERR_LIMIT, "container_create_kwargs: more than");
    char *AUTO_FREE many =
        with_members("{\"networks\":[\"a\"],\"container_create_kwargs\":{\"networking_config\":"
                     "{\"a\":{},",
                     3000, "{}", "}}}");
    assert_part(many, "1.41", "NetworkingConfig", "{\"EndpointsConfig\":{\"a\":{}}}");
}

static void test_hostile_texts(void **state)
{
    (void)state;
    assert_refused("{\"container_create_kwargs\":{\"hostname\":\"a\\u0000b\"}}", ERR_INVALID, "u0000");
    assert_refused("{\"container_create_kwargs\":{\"a\\u0000b\":1}}", ERR_INVALID, "u0000");
    char *AUTO_FREE text = check_alloc(300001);
    memset(text, '[', 300000);
    char *AUTO_FREE deep = check_printf("{\"container_create_kwargs\":{\"mounts\":%s", text);
    assert_refused(deep, ERR_LIMIT, "nested");
    memset(text, 'x', 300000);
    char *AUTO_FREE unknown = check_printf("{\"container_create_kwargs\":{\"%s\":1}}", text);
    assert_refused(unknown, ERR_INVALID, "container_create_kwargs: xxx");
    char *AUTO_FREE policy =
        check_printf("{\"container_create_kwargs\":{\"restart_policy\":{\"Name\":\"%s\"}}}", text);
    assert_refused(policy, ERR_INVALID, "refused, since a container that the engine starts again");
    char *AUTO_FREE sysctl =
        check_printf("{\"container_create_kwargs\":{\"sysctls\":{\"a\":[\"%s\"]}}}", text);
    struct jobspec spec;
    render(sysctl, "1.41", &spec);
    assert_true(strlen(spec.create_body) > 300000);
    jobspec_done(&spec);
}

/* Any change of a few bytes gives either a sentence or a body that is JSON. */
static void test_random_damage(void **state)
{
    (void)state;
    static const char good[] = "{\"networks\":[\"a\",\"b\"],\"container_create_kwargs\":{\"ports\":{\"80/"
                               "tcp\":[\"[::1]:80\",[\"1.2.3.4\",null],8],"
                               "\"81\":{\"HostIp\":\"x\",\"HostPort\":1}},\"devices\":[\"/a:/"
                               "b:r:x\",{}],\"links\":{\"a\":\"b\",\"c\":null},"
                               "\"device_requests\":[{\"Count\":-1,\"capabilities\":[[\"gpu\"]]}],"
                               "\"healthcheck\":{\"test\":\"t\",\"Interval\":9},"
                               "\"volumes_from\":\"a,b:ro,\",\"lxc_conf\":{\"k\":1.0},\"restart_policy\":{"
                               "\"Name\":\"no\"},\"network\":\"n\","
                               "\"networking_config\":{\"n\":{\"Aliases\":[\"x\"]},\"m\":null},\"mac_"
                               "address\":\"02:42\",\"tmpfs\":[\"/a:b\"],"
                               "\"environment\":[\"A=b\",\"C\"],\"extra_hosts\":[\"h:1\"],\"ulimits\":[{"
                               "\"name\":\"n\",\"Soft\":1}],\"detach\":1,"
                               "\"log_config\":{\"Type\":\"t\",\"config\":{\"a\":\"b\"}},\"sysctls\":{\"a\":["
                               "true,null]},\"shm_size\":\"1.5g\"}}";
    static const char interesting[] = "{}[]\",:\\'.0-$/ &;#\xff";
    uint64_t seed = 2026;
    int rendered = 0;
    for (int i = 0; i < 3000; i++) {
        char run[sizeof(good)];
        memcpy(run, good, sizeof(good));
        for (int change = 0; change < 1 + i % 3; change++) {
            uint64_t bits = random_splitmix64(&seed);
            run[(bits >> 8) % (sizeof(good) - 1)] = interesting[(bits >> 48) % (sizeof(interesting) - 1)];
        }
        struct jobspec_input input = input_of(run);
        struct jobspec spec;
        struct err err = {0};
        if (jobspec_render(&input, &spec, &err) != 0) {
            assert_true(err.kind != ERR_NONE && err.msg[0] != '\0');
            continue;
        }
        rendered++;
        struct json *body = NULL;
        assert_int_equal(json_parse(spec.create_body, strlen(spec.create_body), &body, &err), 0);
        json_free(body);
        jobspec_done(&spec);
    }
    assert_in_range(rendered, 100, 2900);
}

/* --- proxies ---------------------------------------------------------------------------------------------
 */

static void test_proxies_stand_in_front(void **state)
{
    (void)state;
    static const char *const proxies[] = {"http_proxy", "http://u:p@h", "HTTP_PROXY", "http://u:p@h", NULL};
    struct jobspec_input input = input_of("{\"env\":{\"HTTP_PROXY\":null}}");
    struct jobspec spec;
    struct err err = {0};
    input.proxy_environment = proxies;
    assert_int_equal(jobspec_render(&input, &spec, &err), 0);
    assert_non_null(strstr(spec.create_body,
                           "\"Env\":[\"http_proxy=http://u:p@h\",\"HTTP_PROXY=http://u:p@h\","
                           "\"PREFECT_API_URL="));
    jobspec_done(&spec);
    input.run_variables_json = "{\"container_create_kwargs\":{\"use_config_proxy\":false}}";
    assert_int_equal(jobspec_render(&input, &spec, &err), 0);
    assert_null(strstr(spec.create_body, "proxy"));
    jobspec_done(&spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac_address_goes_where_the_engine_wants_it),
        cmocka_unit_test(test_two_mac_addresses),
        cmocka_unit_test(test_further_networks_bring_their_settings),
        cmocka_unit_test(test_what_is_ignored_is_told),
        cmocka_unit_test(test_errors_keep_secrets),
        cmocka_unit_test(test_members_are_bounded),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_proxies_stand_in_front),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
