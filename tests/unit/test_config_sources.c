/*
 * config: where values come from. Precedence of the sources, DOCKER_CLIENT_TIMEOUT in all its cases,
 * Prefect's variables, what goes on into containers, the state file's place, and what is printed and told of
 * a change.
 */
#include "config_fixture.h"
#include "config_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ENVIRONMENT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- precedence ---- */

/* Strongest last; source i is given when bit i of the mask is set. */
enum {
    PROFILE = 1,
    PYPROJECT = 2,
    PREFECT_TOML = 4,
    FILE_KEY = 8,
    DOTENV = 16,
    ENVIRON = 32,
    FLAG = 64,
    ALL = 127
};

static const char *const expected_by_source[] = {
    "1s profile p",         "2s pyproject.toml:2", "3s prefect.toml:2",
    "4s c.conf:2",          "5s .env:1",           "6s PREFECT_WORKER_PREFETCH_SECONDS",
    "7s --prefetch-seconds"};

static void test_precedence_of_every_combination(void **state)
{
    struct fixture *f = *state;
    for (unsigned mask = 0; mask <= ALL; mask++) {
        fixture_write("profiles.toml",
                      mask & PROFILE ? "active = \"p\"\n[profiles.p]\nPREFECT_WORKER_PREFETCH_SECONDS = 1\n"
                                     : "");
        fixture_write("pyproject.toml",
                      mask & PYPROJECT ? "[tool.prefect.worker]\nprefetch_seconds = 2\n" : "");
        fixture_write("prefect.toml", mask & PREFECT_TOML ? "[worker]\nprefetch_seconds = 3.0\n" : "");
        fixture_write(".env", mask & DOTENV ? "PREFECT_WORKER_PREFETCH_SECONDS=5\n" : "");
        fixture_load(f, mask & FILE_KEY ? "[prefect]\nprefetch = 4s\n" : "",
                     ENVIRONMENT("PREFECT_PROFILES_PATH=profiles.toml",
                                 mask & ENVIRON ? "PREFECT_WORKER_PREFETCH_SECONDS=6" : "X=1"),
                     mask & FLAG ? FLAGS("prefect.prefetch", "7") : NULL);
        fixture_expect_problems(f, "");
        const char *expected = "10s default";
        for (unsigned i = 0; i < ARRAY_LEN(expected_by_source); i++)
            if ((mask & (1u << i)) != 0)
                expected = expected_by_source[i];
        assert_string_equal(fixture_printed(f, "prefect.prefetch"), expected);
    }
}

static void test_each_variable_reaches_its_key(void **state)
{
    static const struct {
        const char *variable;
        const char *key;
        const char *shown; /* NULL: "(set) NAME" */
    } cases[] = {
        {"PREFECT_API_URL=http://h/api/", "prefect.api_url", "http://h/api PREFECT_API_URL"},
        {"PREFECT_API_KEY=k", "environment.api_key", "(set) PREFECT_API_KEY"},
        {"PREFECT_API_AUTH_STRING=u:p", "environment.auth_string", "(set) PREFECT_API_AUTH_STRING"},
        {"PREFECT_WORKER_HEARTBEAT_SECONDS=2.5", "prefect.heartbeat_interval",
         "2500ms PREFECT_WORKER_HEARTBEAT_SECONDS"},
        {"PREFECT_WORKER_QUERY_SECONDS=1", "prefect.poll_interval", "1s PREFECT_WORKER_QUERY_SECONDS"},
        {"PREFECT_WORKER_PREFETCH_SECONDS=0", "prefect.prefetch", "0 PREFECT_WORKER_PREFETCH_SECONDS"},
        {"PREFECT_CLIENT_CUSTOM_HEADERS={\"A\": \"b\"}", "environment.custom_headers",
         "(set) PREFECT_CLIENT_CUSTOM_HEADERS"},
        {"PREFECT_CLIENT_CSRF_SUPPORT_ENABLED=False", "environment.csrf_enabled",
         "false PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"},
        {"PREFECT_API_TLS_INSECURE_SKIP_VERIFY=1", "environment.tls_skip_verify",
         "true PREFECT_API_TLS_INSECURE_SKIP_VERIFY"},
        {"PREFECT_API_SSL_CERT_FILE=ca.pem", "environment.ca_file", "ca.pem PREFECT_API_SSL_CERT_FILE"},
        {"SSL_CERT_FILE=ca.pem", "environment.ca_file", "ca.pem SSL_CERT_FILE"},
        {"PREFECT_API_REQUEST_TIMEOUT=5.5", "timeouts.resolve", "5500ms PREFECT_API_REQUEST_TIMEOUT"},
        {"DOCKER_HOST=tcp://h:1", "engine.host", "tcp://h:1 DOCKER_HOST"},
        {"DOCKER_API_VERSION=1.44", "engine.api_version", "1.44 DOCKER_API_VERSION"},
        {"PREFECT_LOGGING_LEVEL=DEBUG", "log.level", "info default"},
        {"PREFECT_API_URL=", "prefect.api_url", "- default"},
        {"DOCKER_HOST=", "engine.host", "- default"},
        {"PREFECT_WORKER_QUERY_SECONDS=", "prefect.poll_interval", "10s default"},
    };
    struct fixture *f = *state;
    fixture_write("ca.pem", "x");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_load(f, NULL, ENVIRONMENT(cases[i].variable), NULL);
        fixture_expect_problems(f, "");
        assert_string_equal(fixture_printed(f, cases[i].key), cases[i].shown);
    }
    fixture_load(f, NULL, ENVIRONMENT("SSL_CERT_FILE=none", "PREFECT_API_SSL_CERT_FILE=ca.pem"), NULL);
    assert_string_equal(f->config->ca_file, "ca.pem");
}

static void test_bad_variables(void **state)
{
    static const struct {
        const char *variable;
        const char *problem;
    } cases[] = {
        {"PREFECT_API_URL=localhost:4200",
         "PREFECT_API_URL: \"localhost:4200\" does not begin with http:// or "
         "https://; allowed: a URL such as http://127.0.0.1:4200/api\n"},
        {"PREFECT_API_KEY=a\nb",
         "PREFECT_API_KEY: the value holds a control character; allowed: a text of one line\n"},
        {"PREFECT_WORKER_QUERY_SECONDS=2s",
         "PREFECT_WORKER_QUERY_SECONDS: \"2s\" is not a number of seconds; allowed: a "
         "number of seconds, 0.1 or more, such as 60 or 2.5\n"},
        {"PREFECT_WORKER_PREFETCH_SECONDS=-1",
         "PREFECT_WORKER_PREFETCH_SECONDS: \"-1\" is too small; allowed: a number "
         "of seconds, 0 or more, such as 60 or 2.5\n"},
        {"PREFECT_CLIENT_CSRF_SUPPORT_ENABLED=perhaps", "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: \"perhaps\" is "
                                                        "neither true nor false; allowed: true or false\n"},
        {"PREFECT_API_SSL_CERT_FILE=/none/x",
         "PREFECT_API_SSL_CERT_FILE: \"/none/x\" can't be read: No such file or directory\n"},
        {"DOCKER_HOST=https://h",
         "DOCKER_HOST: \"https://h\" has no port; allowed: unix:///PATH or tcp://HOST:PORT\n"},
        {"DOCKER_TLS_VERIFY=1", ""}, /* without effect on a unix socket */
        {"DOCKER_CERT_PATH=/none", ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_load(f, NULL, ENVIRONMENT(cases[i].variable), NULL);
        fixture_expect_problems(f, cases[i].problem);
    }
    fixture_write("profiles.toml", "[profiles.p]\nPREFECT_API_REQUEST_TIMEOUT = \"x\"\n");
    fixture_load(f, NULL, ENVIRONMENT("PREFECT_PROFILES_PATH=profiles.toml", "PREFECT_PROFILE=p"), NULL);
    fixture_expect_problems(
        f, "profile p: PREFECT_API_REQUEST_TIMEOUT: \"x\" is not a number of seconds; allowed: a "
           "number of seconds above 0, such as 60 or 2.5\n");
}

static void test_tls_to_the_engine(void **state)
{
    struct fixture *f = *state;
    static const char tcp[] = "[engine]\nhost = tcp://h:1\n";
    fixture_load(f, tcp, NULL, NULL);
    assert_false(f->config->engine_is_tls);
    fixture_load(f, "[engine]\nhost = https://h:1\n", NULL, NULL);
    assert_true(f->config->engine_is_tls);
    assert_false(f->config->engine_tls_verify);
    /* As Docker reads it: any text. Without a home there is no folder, and the system's authorities count. */
    fixture_load(f, tcp, ENVIRONMENT("DOCKER_TLS_VERIFY=0", "DOCKER_CERT_PATH="), NULL);
    fixture_expect_problems(f, "");
    assert_true(f->config->engine_is_tls && f->config->engine_tls_verify);
    assert_null(f->config->engine_ca_file);
    fixture_load(f, tcp, ENVIRONMENT("DOCKER_TLS_VERIFY="), NULL);
    assert_false(f->config->engine_is_tls);

    fixture_load(f, "[engine]\nhost = tcp://h:1\ncert_path = nowhere\n", NULL, NULL);
    fixture_expect_problems(
        f, "c.conf:3: \"nowhere\" holds none of ca.pem, cert.pem and key.pem; allowed: a folder "
           "with the files that Docker's clients take\n");
    assert_int_equal(mkdir("certs", 0700), 0);
    fixture_write("certs/cert.pem", "x");
    fixture_load(f, tcp, ENVIRONMENT("DOCKER_CERT_PATH=certs"), NULL);
    fixture_expect_problems(
        f, "DOCKER_CERT_PATH: \"certs\" holds one of cert.pem and key.pem; allowed: both, or none of "
           "them\n");
    fixture_write("certs/key.pem", "x");
    fixture_write("certs/ca.pem", "x");
    fixture_load(f, tcp, ENVIRONMENT("DOCKER_CERT_PATH=certs"), NULL);
    fixture_expect_problems(f, "");
    assert_true(f->config->engine_is_tls && !f->config->engine_tls_verify);
    assert_string_equal(f->config->engine_ca_file, "certs/ca.pem");
    assert_string_equal(f->config->engine_cert_file, "certs/cert.pem");
    assert_string_equal(f->config->engine_key_file, "certs/key.pem");
    fixture_load(f, "[engine]\nhost = http://h:1\ntls_verify = true\n", NULL, NULL);
    fixture_expect_problems(
        f, "c.conf:2: \"http://h:1\" is without TLS, which c.conf:3 asks for; allowed: tcp:// or https://\n");
    fixture_load(f, "[engine]\ntls_verify = 1x\nproxy = http://u:secret@h:1\n", NULL, NULL);
    fixture_expect_problems(
        f, "c.conf:2: [engine] tls_verify: \"1x\" is neither true nor false; allowed: true or false\n"
           "c.conf:3: [engine] proxy: the value holds a login, which this version can't keep secret; "
           "allowed: a URL such "
           "as http://proxy:3128\n");
}

static void test_clocks_of_the_engine(void **state)
{
    struct fixture *f = *state;
    fixture_load(f,
                 "[timeouts]\ncreate = 7s\n[engine]\nconnect = 2s\ninactivity = 3s\ntotal = 4s\n[class c]\n"
                 "match_tag = c\nstart_connect = 1s\n",
                 NULL, NULL);
    fixture_expect_problems(f, "");
    assert_string_equal(fixture_printed(f, "timeouts.start"), "4s c.conf:6");
    assert_string_equal(fixture_printed(f, "timeouts.create"), "7s c.conf:2");
    assert_string_equal(fixture_printed(f, "timeouts.create_connect"), "2s c.conf:4");
    assert_string_equal(fixture_printed(f, "timeouts.pull_inactivity"), "3s c.conf:5");
    assert_string_equal(fixture_printed(f, "timeouts.pull"), "30m default");
    assert_string_equal(fixture_printed(f, "timeouts.api"), "60s default");
    assert_int_equal(f->config->classes[0].clocks[STAGE_START].connect.ms, 1000);
    assert_int_equal(f->config->classes[0].clocks[STAGE_START].total.ms, 4000);
    fixture_load(f, "[engine]\ntotal = 4s\n", ENVIRONMENT("DOCKER_CLIENT_TIMEOUT=9"), NULL);
    assert_string_equal(fixture_printed(f, "timeouts.start"), "9s DOCKER_CLIENT_TIMEOUT");
    fixture_load(f, "[engine]\ntotal = never\n", NULL, NULL);
    fixture_expect_problems(
        f, "c.conf:2: [engine] total: \"never\" is not a duration; allowed: auto or a duration "
           "such as 500ms, 60s, 5m, 2h or "
           "7d, from 1ms to 365d\n");
}

/* total and inactivity of stage create, for what [engine] says of all stages and [timeouts] of this one */
static void test_a_stage_beats_the_clocks_of_the_engine(void **state)
{
    static const struct {
        const char *engine; /* line 2 */
        const char *stage;  /* line 4 */
        const char *total;
        const char *inactivity;
    } cases[] = {
        {"inactivity = 30s", "create = 5m", "5m c.conf:4", "5m c.conf:4"},
        {"inactivity = 30s", "create = auto", "auto c.conf:4", "auto c.conf:4"},
        {"inactivity = 30s", "create = 20s", "20s c.conf:4", "30s c.conf:2"},
        {"inactivity = 30s", "create_inactivity = 9s", "60s default", "9s c.conf:4"},
        {"total = 5m", "", "5m c.conf:2", "5m c.conf:2"},
        {"total = 5m", "create_inactivity = 9s", "5m c.conf:2", "9s c.conf:4"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text =
            check_printf("[engine]\n%s\n[timeouts]\n%s\n", cases[i].engine, cases[i].stage);
        fixture_load(f, text, NULL, NULL);
        fixture_expect_problems(f, "");
        assert_string_equal(fixture_printed(f, "timeouts.create"), cases[i].total);
        assert_string_equal(fixture_printed(f, "timeouts.create_inactivity"), cases[i].inactivity);
    }
    /* Both said of all stages by one hand: neither is more than the other. */
    fixture_load(f, "[engine]\ninactivity = 30s\ntotal = 5m\n", NULL, NULL);
    assert_string_equal(fixture_printed(f, "timeouts.create"), "5m c.conf:3");
    assert_string_equal(fixture_printed(f, "timeouts.create_inactivity"), "30s c.conf:2");
}

static void test_flags(void **state)
{
    struct fixture *f = *state;
    fixture_write("ca.pem", "{}");
    fixture_load(f, "[prefect]\nwork_queues = a,b\npool = x\n[limits]\nrunning = 10\n", NULL,
                 FLAGS("prefect.pool", "p", "prefect.work_queues", "q, 1", "prefect.work_queues", "q2",
                       "command.limit", "4", "command.run_once", "true", "prefect.create_pool", "false",
                       "command.type", "docker", "command.with_healthcheck", "true",
                       "command.base_job_template", "ca.pem", "prefect.name", "w", "state.path", "s.db"));
    fixture_expect_problems(f, "");
    const struct config *c = f->config;
    assert_string_equal(c->pool, "p");
    assert_int_equal(c->work_queue_count, 2);
    assert_string_equal(c->work_queues[0], "q, 1");
    assert_string_equal(c->work_queues[1], "q2");
    assert_int_equal(c->limit, 4);
    assert_int_equal(c->running, 4);
    assert_true(c->run_once);
    assert_false(c->create_pool);
    assert_string_equal(c->worker_type, "docker");
    assert_true(c->with_healthcheck);
    assert_string_equal(c->base_job_template_file, "ca.pem");
    assert_string_equal(c->worker_name, "w");
    assert_string_equal(c->state_path, "s.db");
    fixture_load(f, "[limits]\nrunning = 3\n", NULL, FLAGS("command.limit", "4"));
    assert_int_equal(f->config->running, 3);
    fixture_load(f, NULL, NULL,
                 FLAGS("command.limit", "0", "prefect.prefetch", "2.5", "command.base_job_template", "none"));
    fixture_expect_problems(
        f, "--limit: \"0\" is too small; allowed: a whole number from 1 to 1000000\n"
           "--prefetch-seconds: \"2.5\" is not a number of seconds; allowed: a whole number of "
           "seconds, 0 or more, such as 60\n"
           "--base-job-template: \"none\" can't be read: No such file or directory\n");
}

/* ---- DOCKER_CLIENT_TIMEOUT ---- */

static bool is_engine_stage(int stage)
{
    return stage != STAGE_API && stage != STAGE_RESOLVE && stage != STAGE_REPORT && stage != STAGE_RUN;
}

static void expect_time(const struct config_time *time, int64_t ms, const char *from)
{
    assert_int_equal(time->ms, ms);
    assert_string_equal(time->from, from);
}

static void test_client_timeout_sets_every_engine_stage(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[timeouts]\ncreate = 90s\nstop_inactivity = 90s\npull = 10m\n",
                 ENVIRONMENT("DOCKER_CLIENT_TIMEOUT=7"), NULL);
    fixture_expect_problems(f, "");
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        const struct config_clocks *clocks = &f->config->classes[0].clocks[stage];
        if (stage == STAGE_RUN)
            continue;
        int64_t ms = is_engine_stage(stage) ? 7000 : 60000;
        const char *from = is_engine_stage(stage) ? "DOCKER_CLIENT_TIMEOUT" : "default";
        expect_time(&clocks->connect, ms, from);
        expect_time(&clocks->inactivity, ms, from);
        if (stage == STAGE_PULL)
            expect_time(&clocks->total, 600000, "c.conf:4");
        else
            expect_time(&clocks->total, ms, from);
    }
}

static void test_request_timeout_sets_the_api_stages(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[timeouts]\napi = 90s\n", ENVIRONMENT("PREFECT_API_REQUEST_TIMEOUT=7"), NULL);
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        if (stage == STAGE_RUN)
            continue;
        const struct config_clocks *clocks = &f->config->classes[0].clocks[stage];
        expect_time(&clocks->connect, is_engine_stage(stage) ? 60000 : 7000,
                    is_engine_stage(stage) ? "default" : "PREFECT_API_REQUEST_TIMEOUT");
    }
    expect_time(&f->config->classes[0].clocks[STAGE_API].total, 7000, "PREFECT_API_REQUEST_TIMEOUT");
}

static void test_client_timeout_values(void **state)
{
    static const struct {
        const char *value;
        int64_t ms; /* 0: refused */
        const char *wrong;
    } cases[] = {
        {"60", 60000, ""},
        {"2.5", 2500, ""},
        {"0.0001", 1, ""},
        {"1", 1000, ""},
        {"007", 7000, ""},
        {"31536000", 31536000000, ""},
        {"31536001", 0, "\"31536001\" is too large"},
        {"99999999999999999999999999999999", 0, "\"99999999999999999999999999999999\" is too large"},
        {"0", 0, "\"0\" is too small"},
        {"0.0", 0, "\"0.0\" is too small"},
        {"-1", 0, "\"-1\" is too small"},
        {"", 0, "\"\" is empty"},
        {" ", 0, "\" \" is not a number of seconds"},
        {"60s", 0, "\"60s\" is not a number of seconds"},
        {"1m", 0, "\"1m\" is not a number of seconds"},
        {"abc", 0, "\"abc\" is not a number of seconds"},
        {"1e3", 0, "\"1e3\" is not a number of seconds"},
        {"0x10", 0, "\"0x10\" is not a number of seconds"},
        {"nan", 0, "\"nan\" is not a number of seconds"},
        {"inf", 0, "\"inf\" is not a number of seconds"},
        {"1,5", 0, "\"1,5\" is not a number of seconds"},
        {"1.", 0, "\"1.\" is not a number of seconds"},
        {".5", 0, "\".5\" is not a number of seconds"},
        {"+5", 0, "\"+5\" is not a number of seconds"},
        {"60 60", 0, "\"60 60\" is not a number of seconds"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE variable = check_printf("DOCKER_CLIENT_TIMEOUT=%s", cases[i].value);
        char *AUTO_FREE problem = check_printf(
            "DOCKER_CLIENT_TIMEOUT: %s; allowed: a number of seconds above 0, such as 60 or 2.5\n",
            cases[i].wrong);
        fixture_load(f, NULL, ENVIRONMENT(variable), NULL);
        fixture_expect_problems(f, cases[i].ms == 0 ? problem : "");
        if (cases[i].ms != 0)
            expect_time(&f->config->classes[0].clocks[STAGE_START].total, cases[i].ms,
                        "DOCKER_CLIENT_TIMEOUT");
    }
}

/* total and inactivity of stage create in class k, for each way to set them */
static void test_class_beats_client_timeout(void **state)
{
    static const struct {
        const char *timeouts; /* line 2 */
        const char *class;    /* line 5 */
        const char *variable;
        int64_t total_ms;
        const char *total_from;
        int64_t inactivity_ms;
        const char *inactivity_from;
    } cases[] = {
        {"", "", "X=1", 60000, "default", 60000, "default"},
        {"", "", "DOCKER_CLIENT_TIMEOUT=5", 5000, "DOCKER_CLIENT_TIMEOUT", 5000, "DOCKER_CLIENT_TIMEOUT"},
        {"create = 5m", "", "X=1", 300000, "c.conf:2", 300000, "c.conf:2"},
        {"create = 5m", "", "DOCKER_CLIENT_TIMEOUT=5", 5000, "DOCKER_CLIENT_TIMEOUT", 5000,
         "DOCKER_CLIENT_TIMEOUT"},
        {"", "create = 5m", "DOCKER_CLIENT_TIMEOUT=5", 300000, "c.conf:5", 300000, "c.conf:5"},
        {"create = 2m", "create = 5m", "X=1", 300000, "c.conf:5", 300000, "c.conf:5"},
        {"create = 2m", "create = 5m", "DOCKER_CLIENT_TIMEOUT=5", 300000, "c.conf:5", 300000, "c.conf:5"},
        {"create_inactivity = 9s", "create = 5m", "X=1", 300000, "c.conf:5", 9000, "c.conf:2"},
        {"create_inactivity = 9s", "create = 5m", "DOCKER_CLIENT_TIMEOUT=5", 300000, "c.conf:5", 300000,
         "c.conf:5"},
        {"", "create_inactivity = 9s", "DOCKER_CLIENT_TIMEOUT=5", 5000, "DOCKER_CLIENT_TIMEOUT", 9000,
         "c.conf:5"},
        {"", "create = 2s", "DOCKER_CLIENT_TIMEOUT=5", 2000, "c.conf:5", 5000, "DOCKER_CLIENT_TIMEOUT"},
        {"create = 2s", "", "X=1", 2000, "c.conf:2", 60000, "default"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text =
            check_printf("[timeouts]\n%s\n[class k]\nmatch_tag = t\n%s\n", cases[i].timeouts, cases[i].class);
        fixture_load(f, text, ENVIRONMENT(cases[i].variable), NULL);
        fixture_expect_problems(f, "");
        const struct config_clocks *clocks = &f->config->classes[0].clocks[STAGE_CREATE];
        expect_time(&clocks->total, cases[i].total_ms, cases[i].total_from);
        expect_time(&clocks->inactivity, cases[i].inactivity_ms, cases[i].inactivity_from);
    }
}

static void test_a_pull_keeps_its_inactivity_clock(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[timeouts]\npull = 2h\n[class k]\nmatch_tag = t\npull = 3h\n", NULL, NULL);
    expect_time(&f->config->classes[0].clocks[STAGE_PULL].total, 10800000, "c.conf:5");
    expect_time(&f->config->classes[0].clocks[STAGE_PULL].inactivity, 60000, "default");
}

/* ---- into containers ---- */

static void expect_forwarded(const struct fixture *f, const char *expected)
{
    char *text = check_strdup("");
    for (const char *const *p = f->config->forwarded; p[0] != NULL; p += 2) {
        char *more = check_printf("%s%s=%s\n", text, p[0], p[1]);
        free(text);
        text = more;
    }
    if (strcmp(text, expected) != 0)
        fail_msg("forwarded:\n%s", text);
    free(text);
}

static void test_forwarded(void **state)
{
    struct fixture *f = *state;
    fixture_write("profiles.toml",
                  "active = 'p'\n[profiles.p]\nPREFECT_API_KEY = \"profile-key\"\n"
                  "PREFECT_RESULTS_PERSIST_BY_DEFAULT = true\nPREFECT_LOGGING_LEVEL = \"INFO\"\n"
                  "PREFECT_HOME = \"/x\"\nNOT_OURS = \"x\"\n");
    fixture_load(f, "[prefect]\napi_url = http://file/api\n",
                 ENVIRONMENT("PREFECT_PROFILES_PATH=profiles.toml", "PREFECT_LOGGING_LEVEL=DEBUG",
                             "PREFECT_HOME=/h", "PREFECT_PROFILE=p", "PREFECT_WORKER_QUERY_SECONDS=5",
                             "PREFECT_UNKNOWN_X=1", "PREFECT_UI_URL=http://ui", "PREFECT_UI_URLS=x",
                             "PREFECT_API_ENABLE_HTTP2=1", "PREFECT_SERVER_EPHEMERAL_ENABLED=True",
                             "PREFECT_TASKS_REFRESH_CACHE=off", "PREFECT_CLIENT_MAX_RETRIES=1",
                             "PREFECT__FLOW_RUN_ID=x", "PREFECT_FLOWS_DEFAULT_RETRIES=", "PREFECT_API_=x",
                             "DOCKER_HOST=unix:///a", "PATH=/bin"),
                 NULL);
    fixture_expect_problems(f, "");
    expect_forwarded(f, "PREFECT_HOME=/h\n"
                        "PREFECT_PROFILES_PATH=profiles.toml\n"
                        "PREFECT_API_URL=http://file/api\n"
                        "PREFECT_API_KEY=profile-key\n"
                        "PREFECT_API_ENABLE_HTTP2=True\n"
                        "PREFECT_CLIENT_MAX_RETRIES=1\n"
                        "PREFECT_LOGGING_LEVEL=DEBUG\n"
                        "PREFECT_RESULTS_PERSIST_BY_DEFAULT=True\n"
                        "PREFECT_SERVER_EPHEMERAL_ENABLED=True\n"
                        "PREFECT_TASKS_REFRESH_CACHE=False\n"
                        "PREFECT_WORKER_QUERY_SECONDS=5.0\n"
                        "PREFECT_UI_URL=http://ui\n");
    fixture_load(f, NULL, NULL, NULL);
    expect_forwarded(f, "PREFECT_SERVER_EPHEMERAL_ENABLED=True\n");
}

static void test_settings_kept_out_of_containers(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[prefect]\napi_url = http://file/api\nwithhold = PREFECT_API_KEY, PREFECT_LOGGING_*\n",
                 ENVIRONMENT("PREFECT_API_KEY=secret", "PREFECT_API_AUTH_STRING=u:p",
                             "PREFECT_LOGGING_LEVEL=DEBUG", "PREFECT_LOGGING_TO_API_ENABLED=1"),
                 NULL);
    fixture_expect_problems(f, "");
    expect_forwarded(f, "PREFECT_API_URL=http://file/api\n"
                        "PREFECT_API_AUTH_STRING=u:p\n"
                        "PREFECT_SERVER_EPHEMERAL_ENABLED=True\n");
    assert_string_equal(f->config->api_key, "secret"); /* ours all the same */
}

static void test_values_that_prefect_would_refuse(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, NULL,
                 ENVIRONMENT("PREFECT_RUNNER_POLL_FREQUENCY=often", "PREFECT_LOGGING_LEVEL=LOUD",
                             "PREFECT_API_REQUEST_TIMEOUT=x", "PREFECT_DEBUG_MODE=perhaps"),
                 NULL);
    fixture_expect_problems(
        f,
        "PREFECT_API_REQUEST_TIMEOUT: \"x\" is not a number of seconds; allowed: a number of seconds above "
        "0, "
        "such as 60 or 2.5\n"
        "PREFECT_DEBUG_MODE: the value can't be read; allowed: true or false\n"
        "PREFECT_LOGGING_LEVEL: the value can't be read; allowed: DEBUG, INFO, WARNING, ERROR or CRITICAL\n"
        "PREFECT_RUNNER_POLL_FREQUENCY: the value can't be read; allowed: a whole number\n");
}

static void test_profile_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    fixture_write("profiles.toml", "active = 'a'\n[profiles.a]\nPREFECT_API_URL = 'http://a/api'\n");
    fixture_load(f, NULL, ENVIRONMENT("PREFECT_PROFILES_PATH=profiles.toml", "PREFECT_PROFILE=b"), NULL);
    fixture_expect_problems(f, "");
    assert_null(f->config->api_url);
    assert_string_equal(f->config->notice, "there is no profile \"b\" (named by PREFECT_PROFILE) in "
                                           "profiles.toml; the profile ephemeral is used");
    fixture_load(f, NULL, ENVIRONMENT("PREFECT_PROFILES_PATH=profiles.toml"), NULL);
    assert_string_equal(f->config->api_url, "http://a/api");
    assert_null(f->config->notice);
}

static void test_addresses_that_look_wrong(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, NULL, ENVIRONMENT("PREFECT_API_URL=https://app.prefect.cloud/account/a"), NULL);
    assert_non_null(strstr(f->config->notice, "did you mean api.prefect.cloud?"));
    fixture_load(f, NULL, ENVIRONMENT("PREFECT_API_URL=https://api.prefect.cloud/api/accounts/a/workspace/b"),
                 NULL);
    assert_non_null(strstr(f->config->notice, "/workspaces/"));
    fixture_load(f, NULL,
                 ENVIRONMENT("PREFECT_API_URL=https://api.prefect.cloud/api/account/a",
                             "PREFECT_SILENCE_API_URL_MISCONFIGURATION=1"),
                 NULL);
    assert_null(f->config->notice);
    fixture_load(f, NULL,
                 ENVIRONMENT("PREFECT_API_URL=https://api.prefect.cloud/api/accounts/a/workspaces/b"), NULL);
    assert_null(f->config->notice);
    assert_true(f->config->is_cloud);
}

/* ---- the state file's place ---- */

static const char *place(const struct config_sources *sources, const char *pool, const char *name,
                         struct config_arena *arena)
{
    struct config_problems problems = {NULL, 0};
    const char *path = config_state_path(sources, pool, name, arena, &problems);
    assert_int_equal(problems.count, 0);
    return path;
}

static void test_state_path(void **state)
{
    (void)state;
    char home[] = "HOME=/home/u";
    char xdg[] = "XDG_STATE_HOME=/s";
    char relative[] = "XDG_STATE_HOME=s";
    char *with_xdg[] = {home, xdg, NULL};
    char *with_relative[] = {home, relative, NULL};
    char *nothing[] = {NULL};
    struct config_arena arena = {NULL};
    struct config_sources sources = {.environ = with_xdg, .is_root = true};
    assert_string_equal(place(&sources, "p", "n", &arena), "/var/lib/sluice/p/n.db");
    sources.is_root = false;
    assert_string_equal(place(&sources, "p", "n", &arena), "/s/sluice/p/n.db");
    sources.environ = with_relative;
    assert_string_equal(place(&sources, "p", "n", &arena), "/home/u/.local/state/sluice/p/n.db");
    sources.is_root = true;
    assert_string_equal(place(&sources, "..", ".", &arena), "/var/lib/sluice/%2E./%2E.db");
    assert_string_equal(place(&sources, "a b/\xC3\xA9%", "x.y_z-1", &arena),
                        "/var/lib/sluice/a%20b%2F%C3%A9%25/x.y_z-1.db");
    char one[400];
    char two[400];
    memset(one, 'a', sizeof(one));
    one[399] = '\0';
    memcpy(two, one, sizeof(one));
    two[398] = 'b';
    const char *first = place(&sources, "p", one, &arena);
    assert_int_equal(strlen(first), strlen("/var/lib/sluice/p/") + 200 + 3);
    assert_string_not_equal(first, place(&sources, "p", two, &arena));
    struct config_problems problems = {NULL, 0};
    sources.environ = nothing;
    sources.is_root = false;
    assert_string_equal(config_state_path(&sources, "p", "n", &arena, &problems), "sluice/p/n.db");
    assert_int_equal(problems.count, 1);
    assert_string_equal(problems.items[0].text,
                        "state.path: neither HOME nor XDG_STATE_HOME is set, so there is no place "
                        "for the state file; allowed: --state FILE");
    config_problems_done(&problems);
    config_arena_done(&arena);
}

static void test_state_path_of_a_configuration(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[prefect]\npool = p\n", NULL, NULL);
    assert_string_equal(f->config->state_path, "/var/lib/sluice/p/sluice-box.db");
    fixture_load(f, "[prefect]\npool = p\n[state]\npath = a.db\n", NULL, FLAGS("state.path", "b.db"));
    assert_string_equal(f->config->state_path, "b.db");
}

/* ---- for people ---- */

static void test_secrets_are_never_printed(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[alerts]\nwebhook_authorization = hunter2\n",
                 ENVIRONMENT("PREFECT_API_KEY=hunter2", "PREFECT_API_AUTH_STRING=u:hunter2",
                             "PREFECT_CLIENT_CUSTOM_HEADERS={\"X\": \"hunter2\"}",
                             "SLUICE_ALERTS_WEBHOOK=http://h/hunter2"),
                 NULL);
    assert_string_equal(f->config->webhook, "http://h/hunter2");
    for (int json = 0; json < 2; json++) {
        char *AUTO_FREE text = fixture_print(f, json == 1);
        assert_null(strstr(text, "hunter2"));
        assert_non_null(strstr(text, "(set)"));
    }
}

static void test_print_as_json(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[prefect]\npool = a\"b\\c\n[class k]\nmatch_tag = t\nrunning = 2\n", NULL, NULL);
    char *AUTO_FREE text = fixture_print(f, true);
    assert_non_null(
        strstr(text, "{\n  \"settings\": [\n    {\"key\": \"prefect.api_url\", \"value\": null, \"from\": "
                     "\"default\"},\n    {\"key\": \"prefect.pool\", \"value\": \"a\\\"b\\\\c\", \"from\": "
                     "\"c.conf:2\"},\n"));
    assert_non_null(strstr(
        text, "    {\"key\": \"class k.running\", \"value\": \"2\", \"from\": \"c.conf:5\"}\n  ]\n}\n"));
}

static void on_line(void *arg, const char *line)
{
    char **text = arg;
    char *more = check_printf("%s%s\n", *text, line);
    free(*text);
    *text = more;
}

static void expect_changes(struct fixture *f, const char *before, const char *const *before_environment,
                           const char *after, const char *const *after_environment, const char *expected)
{
    fixture_load(f, before, before_environment, NULL);
    struct config *old = f->config;
    f->config = NULL;
    fixture_load(f, after, after_environment, NULL);
    char *text = check_strdup("");
    config_describe_changes(old, f->config, on_line, &text);
    config_free(old);
    assert_string_equal(text, expected);
    free(text);
}

static void test_changes(void **state)
{
    struct fixture *f = *state;
    expect_changes(f, "[limits]\nrunning = 200\n", NULL, "[limits]\nrunning = 100\n", NULL,
                   "limits.running: 200 -> 100\n");
    expect_changes(f, "[limits]\nrunning = 200\n", NULL, "\n\n[limits]\nrunning = 200\n", NULL, "");
    expect_changes(f, "[retry]\ncap = 60s\n", NULL, "[retry]\ncap = 1m\n", NULL, "");
    expect_changes(f, "", NULL, "[limits]\nrunning = 5\nlaunching = 4\n", NULL,
                   "limits.launching: auto -> 4\nlimits.running: no limit -> 5\n");
    expect_changes(
        f, "[prefect]\npool = a\n", NULL, "[prefect]\npool = b\n", NULL,
        "prefect.pool: a -> b (after a restart)\n"
        "state.path: /var/lib/sluice/a/sluice-box.db -> /var/lib/sluice/b/sluice-box.db (after a restart)\n");
    expect_changes(f, "[prefect]\nwork_queues = a\n", NULL, "[prefect]\nwork_queues =\n", NULL,
                   "prefect.work_queues: a -> -\n");
    expect_changes(f, NULL, ENVIRONMENT("PREFECT_API_KEY=a"), NULL, ENVIRONMENT("PREFECT_API_KEY=b"),
                   "environment.api_key: changed (after a restart)\n");
    expect_changes(f, NULL, ENVIRONMENT("PREFECT_API_KEY=a"), NULL, ENVIRONMENT("PREFECT_API_KEY=a"), "");
}

static void test_changes_of_classes(void **state)
{
    struct fixture *f = *state;
    const char *before = "[class a]\nmatch_tag = t\nrunning = 5\n[class b]\nmatch_flow = f\n";
    expect_changes(f, before, NULL, "[class a]\nmatch_tag = t, u\n[class c]\nmatch_flow = g\n", NULL,
                   "class a.match_tag: t -> t, u\nclass a.running: 5 -> no limit\nclass b: removed\n"
                   "class c: added (flow: g)\n");
    /* what all classes take over is told once */
    expect_changes(
        f, "[timeouts]\nstop = 10s\n[class a]\nmatch_tag = t\n[class b]\nmatch_tag = u\nstop = 7s\n", NULL,
        "[timeouts]\nstop = 20s\n[class a]\nmatch_tag = t\n[class b]\nmatch_tag = u\nstop = 8s\n", NULL,
        "timeouts.stop: 10s -> 20s\nclass b.stop: 7s -> 8s\n");
    expect_changes(f, before, NULL, "[class b]\nmatch_flow = f\n[class a]\nmatch_tag = t\nrunning = 5\n",
                   NULL, "classes: their order changed, the first that matches wins\n");
}

/* ---- credentials of systemd ---- */

#define IN_FOLDER "CREDENTIALS_DIRECTORY=."

static void expect_key(const struct fixture *f, const char *key)
{
    assert_int_equal(f->result, 0);
    if (key == NULL)
        assert_null(f->config->api_key);
    else
        assert_string_equal(f->config->api_key, key);
}

static void test_credentials(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    fixture_expect_problems(f, "");
    expect_key(f, NULL);
    fixture_write("prefect-api-key", "pnu_of_a_file\n");
    fixture_write("prefect-api-auth-string", "login:of a file");
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER, "PREFECT_API_URL=http://u/api"), NULL);
    fixture_expect_problems(f, "");
    expect_key(f, "pnu_of_a_file");
    assert_string_equal(f->config->auth_string, "login:of a file");
    /* Flows need it as much as with a variable. */
    expect_forwarded(f, "PREFECT_API_URL=http://u/api\nPREFECT_API_AUTH_STRING=login:of a file\n"
                        "PREFECT_API_KEY=pnu_of_a_file\nPREFECT_SERVER_EPHEMERAL_ENABLED=True\n");
    char *printed = fixture_print(f, false);
    assert_null(strstr(printed, "of_a_file"));
    assert_non_null(strstr(printed, "credential prefect-api-key"));
    free(printed);
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER, "PREFECT_API_KEY=pnu_given"), NULL);
    expect_key(f, "pnu_given");
    fixture_write("prefect-api-key", "\r\n");
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    fixture_expect_problems(f, "");
    expect_key(f, NULL);
    fixture_load(f, NULL, NULL, NULL);
    assert_null(f->config->auth_string);
}

static void test_bad_credentials(void **state)
{
    struct fixture *f = *state;
    static char large[65537 + 1];
    fixture_write_bytes("prefect-api-key", "a\0b", 3);
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    fixture_expect_problems(f, "credential prefect-api-key: holds a NUL character\n");
    fixture_write("prefect-api-key", "two\nlines\n");
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    assert_int_equal(f->problems.count, 1);
    assert_null(strstr(f->problems.items[0].text, "two"));
    memset(large, 'x', sizeof(large) - 1);
    fixture_write("prefect-api-key", large);
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    assert_int_equal(f->problems.count, 1);
    assert_non_null(strstr(f->problems.items[0].text, "larger than 64 KiB"));
    assert_int_equal(unlink("prefect-api-key"), 0);
    assert_int_equal(mkdir("prefect-api-key", 0700), 0);
    fixture_load(f, NULL, ENVIRONMENT(IN_FOLDER), NULL);
    assert_int_equal(f->problems.count, 1);
    assert_int_equal(rmdir("prefect-api-key"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_precedence_of_every_combination),
        TEST(test_each_variable_reaches_its_key),
        TEST(test_bad_variables),
        TEST(test_tls_to_the_engine),
        TEST(test_clocks_of_the_engine),
        TEST(test_a_stage_beats_the_clocks_of_the_engine),
        TEST(test_flags),
        TEST(test_client_timeout_sets_every_engine_stage),
        TEST(test_request_timeout_sets_the_api_stages),
        TEST(test_client_timeout_values),
        TEST(test_class_beats_client_timeout),
        TEST(test_a_pull_keeps_its_inactivity_clock),
        TEST(test_forwarded),
        TEST(test_settings_kept_out_of_containers),
        TEST(test_values_that_prefect_would_refuse),
        TEST(test_profile_that_is_not_there),
        TEST(test_addresses_that_look_wrong),
        cmocka_unit_test(test_state_path),
        TEST(test_state_path_of_a_configuration),
        TEST(test_secrets_are_never_printed),
        TEST(test_credentials),
        TEST(test_bad_credentials),
        TEST(test_print_as_json),
        TEST(test_changes),
        TEST(test_changes_of_classes),
    };
    return cmocka_run_group_tests_name("config_sources", tests, NULL, NULL);
}
