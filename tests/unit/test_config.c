/*
 * config: what a file may say. Every key of the table with a good and a bad value, every kind of mistake with
 * its exact sentence, and files that are no configuration at all.
 */
#include "config_fixture.h"
#include "config_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- every key ---- */

#define DURATION_FROM(min) "; allowed: a duration such as 500ms, 60s, 5m, 2h or 7d, from " min " to 365d"
#define AUTO_OR_DURATION(min)                                                                                \
    "; allowed: auto or a duration such as 500ms, 60s, 5m, 2h or 7d, from " min " to 365d"
#define COUNT_FROM(range) "; allowed: a whole number from " range
#define NO_LIMIT "; leave the key out for no limit"

#define PER_VALUE                                                                                            \
    "; allowed: tag:GLOB, deployment, flow, work_queue or parameter:NAME, each with a number from 1 to "     \
    "1000000, separated by commas, such as tag:team-* 5"

struct key_case {
    const char *section;
    const char *key;
    const char *good;
    const char *shown; /* as printed */
    const char *bad;
    const char *problem; /* after `: [section] key: ` */
};

#define PERCENT "; allowed: a percentage from 50% to below 100%, such as 99.5%"
#define WEBHOOK "; allowed: a URL such as https://alerts.example.com/hooks/sluice"

static const struct key_case key_cases[] = {
    {"prefect", "api_url", "http://h:4200/api//", "http://h:4200/api", "h:4200",
     "\"h:4200\" does not begin with http:// or https://; allowed: a URL such as http://127.0.0.1:4200/api"},
    {"prefect", "pool", "my pool", "my pool", "a/b", "\"a/b\" holds / or %; allowed: a name without / and %"},
    {"prefect", "work_queues", "a, b c", "a, b c", "a,,b",
     "\"a,,b\" has an empty item; allowed: names separated by commas, or nothing"},
    {"prefect", "name", "w1", "w1", "50%", "\"50%\" holds / or %; allowed: a name without / and %"},
    {"prefect", "poll_interval", "1500ms", "1500ms", "99ms", "\"99ms\" is too small" DURATION_FROM("100ms")},
    {"prefect", "prefetch", "0", "0", "-1s", "\"-1s\" is too small" DURATION_FROM("0")},
    {"prefect", "heartbeat_interval", "1.5m", "90s", "30", "\"30\" has no unit" DURATION_FROM("100ms")},
    {"prefect", "create_pool", "No", "false", "maybe",
     "\"maybe\" is neither true nor false; allowed: true or false"},
    {"prefect", "withhold", "PREFECT_API_KEY, PREFECT_LOGGING_*", "PREFECT_API_KEY, PREFECT_LOGGING_*", "a[b",
     "\"a[b\" has a [ that is never closed; allowed: globs separated by commas, such as etl, nightly-*, "
     "team-[ab]; "
     "\\ before a special character"},
    {"prefect", "default_image", "img:1", "img:1", "", "\"\" is empty; allowed: a text of one line"},
    {"engine", "adopt", "0123456789abcdef, official", "0123456789abcdef, official", "a,,b",
     "\"a,,b\" has an empty item; allowed: names separated by commas, or nothing"},
    {"engine", "host", "unix:///run/d.sock", "unix:///run/d.sock", "ssh://h",
     "\"ssh://h\" is not supported (forward the engine's socket: ssh -L /PATH:/var/run/docker.sock HOST); "
     "allowed: "
     "unix:///PATH or tcp://HOST:PORT"},
    {"engine", "api_version", "1.44", "1.44", "v1.44",
     "\"v1.44\" is not a version; allowed: a version such as 1.41"},
    {"engine", "keep_containers", "7d", "7d", "forever", "\"forever\" is not a duration" DURATION_FROM("0")},
    {"engine", "when_run_is_over", "stop", "stop", "kill",
     "\"kill\" is not known; allowed: one of leave, stop"},
    {"state", "path", "/x/y.db", "/x/y.db", "", "\"\" is empty; allowed: a text of one line"},
    {"state", "max_size", "1.5GB", "1500MB", "5",
     "\"5\" is not a size; allowed: a size such as 500MB or 4GB, up to 1000GB; 0: none"},
    {"state", "keep_history", "36h", "36h", "366d", "\"366d\" is too large" DURATION_FROM("1s")},
    {"limits", "starts_per_second", "0.5", "0.5", "0",
     "\"0\" is too small; allowed: a number above 0, such as 8 or 0.5" NO_LIMIT},
    {"engine", "tls_verify", "true", "true", "on1",
     "\"on1\" is neither true nor false; allowed: true or false"},
    {"engine", "cert_path", "/c", "/c", "", "\"\" is empty; allowed: a text of one line"},
    {"engine", "connect", "auto", "auto", "0", "\"0\" is too small" AUTO_OR_DURATION("1ms")},
    {"engine", "inactivity", "5s", "5s", "0", "\"0\" is too small" AUTO_OR_DURATION("1ms")},
    {"engine", "total", "auto", "auto", "x", "\"x\" is not a duration" AUTO_OR_DURATION("1ms")},
    {"engine", "max_connections", "64", "64", "7", "\"7\" is too small" COUNT_FROM("8 to 20000")},
    {"engine", "keep_alive", "0", "0", "1", "\"1\" has no unit" DURATION_FROM("0")},
    {"engine", "proxy", "http://p:3128", "http://p:3128", "p:3128",
     "\"p:3128\" does not begin with http:// or https://; allowed: a URL such as http://proxy:3128"},
    {"engine", "docker_config", "/etc/d", "/etc/d", "", "\"\" is empty; allowed: a text of one line"},
    {"engine", "credential_helper_timeout", "5s", "5s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"limits", "start_burst", "4", "4", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000")},
    {"limits", "shared_limit", "all-hosts", "all-hosts", "a/b",
     "\"a/b\" holds / or %; allowed: a name without / and %"},
    {"limits", "shared_limit_fallback", "0.5", "0.5", "0",
     "\"0\" is too small; allowed: a number above 0, such as 8 or 0.5" NO_LIMIT},
    {"limits", "launching", "5", "5", "many",
     "\"many\" is not a whole number; allowed: auto or a whole number from 1 to 1000000"},
    {"limits", "running", "200", "200", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000") NO_LIMIT},
    {"limits", "running_per", "tag:team-* 5, deployment 1", "tag:team-* 5, deployment 1", "tag:a 5, tag:a 6",
     "\"tag:a 5, tag:a 6\" limits the same twice" PER_VALUE},
    {"limits", "pulls", "2", "2", "1.5",
     "\"1.5\" is not a whole number; allowed: auto or a whole number from 1 to 1000000"},
    {"limits", "registry_pulls", "docker.io 2, *:5000 8", "docker.io 2, *:5000 8", "docker.io 0.5",
     "\"docker.io 0.5\" has no number at its end; allowed: HOST NUMBER, separated by commas, such as "
     "docker.io 2, *.internal:5000 8"},
    {"limits", "registry_pulls_per_second", "docker.io 0.5", "docker.io 0.5", "[ 5",
     "\"[ 5\" has a [ that is never closed; allowed: HOST RATE, separated by commas, such as docker.io 0.5, "
     "*.internal:5000 8"},
    {"limits", "stops", "2", "2", "-3", "\"-3\" is too small" COUNT_FROM("1 to 1000000")},
    {"limits", "when_late", "run", "run", "never",
     "\"never\" is not known; allowed: one of run, leave, skip"},
    {"limits", "late_after", "6h", "6h", "6", "\"6\" has no unit" DURATION_FROM("0")},
    {"limits", "ageing", "5m", "5m", "8d",
     "\"8d\" is too large; allowed: a duration such as 500ms, 60s, 5m, 2h or 7d, from 0 to 7d"},
    {"timeouts", "timeout_margin", "3", "3", "0.5", "\"0.5\" is too small; allowed: a number from 1 to 100"},
    {"timeouts", "timeout_samples", "5", "5", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000")},
    {"timeouts", "connect_floor", "1s", "1s", "auto",
     "\"auto\" is only for the clocks of a call to the engine" DURATION_FROM("1ms")},
    {"timeouts", "connect_ceiling", "10s", "10s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"timeouts", "inactivity_floor", "1s", "1s", "1", "\"1\" has no unit" DURATION_FROM("1ms")},
    {"timeouts", "inactivity_ceiling", "10m", "10m", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"timeouts", "launch_deadline", "30s", "30s", "1 h", "\"1 h\" is not a duration" DURATION_FROM("0")},
    {"timeouts", "cancel_grace", "90s", "90s", "1e", "\"1e\" is not a duration" DURATION_FROM("0")},
    {"timeouts", "max_run_time", "2h", "2h", "2H", "\"2H\" is not a duration" DURATION_FROM("0")},
    {"retry", "max_attempts", "10", "10", "0", "\"0\" is too small" COUNT_FROM("1 to 1000")},
    {"retry", "max_time", "10m", "10m", "-1s", "\"-1s\" is too small" DURATION_FROM("0")},
    {"retry", "base", "1s", "1s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"retry", "factor", "1.5", "1.5", "0.9", "\"0.9\" is too small; allowed: a number from 1 to 100"},
    {"retry", "cap", "10m", "10m", "1e3s", "\"1e3s\" is not a duration" DURATION_FROM("1ms")},
    {"retry", "jitter", "decorrelated", "decorrelated", "Full",
     "\"Full\" is not known; allowed: one of none, equal, full, decorrelated"},
    {"retry", "hand_back_after", "0", "0", "s", "\"s\" is not a duration" DURATION_FROM("0")},
    {"traces", "endpoint", "https://h/v1/traces", "https://h/v1/traces", "http://u:p@h",
     "the value holds a login (use OTEL_EXPORTER_OTLP_HEADERS); allowed: a URL such as "
     "http://127.0.0.1:4200/api"},
    {"traces", "collector", "http://h:4318/", "http://h:4318", "h:4317",
     "\"h:4317\" does not begin with http:// or https://; allowed: a URL such as http://127.0.0.1:4200/api"},
    {"traces", "disabled", "yes", "true", "2", "\"2\" is neither true nor false; allowed: true or false"},
    {"traces", "exporter", "otlp, console", "otlp, console", "",
     "\"\" is empty; allowed: a text of one line"},
    {"traces", "protocol", "grpc", "grpc", "http",
     "\"http\" is not known; allowed: one of http/json, http/protobuf, grpc"},
    {"traces", "timeout", "3s", "3s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"traces", "service_name", "s 1", "s 1", "", "\"\" is empty; allowed: a text of one line"},
    {"traces", "resource_attributes", "a=b", "a=b", "", "\"\" is empty; allowed: a text of one line"},
    {"traces", "sampler", "traceidratio", "traceidratio", "some",
     "\"some\" is not known; allowed: one of always_on, always_off, traceidratio, parentbased_always_on, "
     "parentbased_always_off, parentbased_traceidratio, jaeger_remote, parentbased_jaeger_remote, xray"},
    {"traces", "sampler_arg", "0.25", "0.25", "1.5", "\"1.5\" is too large; allowed: a number from 0 to 1"},
    {"traces", "batch_delay", "1s", "1s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"traces", "queue_size", "9", "9", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000")},
    {"traces", "batch_size", "9", "9", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000")},
    {"traces", "ca_file", "/etc/passwd", "/etc/passwd", "", "\"\" is empty; allowed: a text of one line"},
    {"traces", "cert_file", "/etc/passwd", "/etc/passwd", "", "\"\" is empty; allowed: a text of one line"},
    {"traces", "key_file", "/etc/passwd", "/etc/passwd", "", "\"\" is empty; allowed: a text of one line"},
    {"log", "format", "json", "json", "xml", "\"xml\" is not known; allowed: one of logfmt, json"},
    {"log", "output_names", "no", "false", "2", "\"2\" is neither true nor false; allowed: true or false"},
    {"admin", "listen", "[::1]:9191", "[::1]:9191", "9191",
     "\"9191\" has no port; allowed: HOST:PORT, such as 127.0.0.1:9191 or [::1]:9191"},
    {"admin", "names", "a.example, b", "a.example, b", "a,,b",
     "\"a,,b\" has an empty item; allowed: names separated by commas, or nothing"},
    {"log", "level", "debug", "debug", "loud",
     "\"loud\" is not known; allowed: one of debug, info, warn, error"},
    {"log", "file", "/var/log/sluice/sluice.log", "/var/log/sluice/sluice.log", "",
     "\"\" is empty; allowed: a text of one line"},
    {"log", "core_dumps", "yes", "true", "maybe",
     "\"maybe\" is neither true nor false; allowed: true or false"},
    {"class", "match_tag", "a, b-*, [x,y]", "a, b-*, [x,y]", "a[b",
     "\"a[b\" has a [ that is never closed; allowed: globs separated by commas, such as etl, nightly-*, "
     "team-[ab]; "
     "\\ before a special character"},
    {"class", "match_deployment", "f/d, \\,x", "f/d, \\,x", "x\\",
     "\"x\\\" ends in a lone \\; allowed: globs separated by commas, such as etl, nightly-*, team-[ab]; \\ "
     "before a "
     "special character"},
    {"class", "match_flow", "[]a]", "[]a]", "a,",
     "\"a,\" has an empty item; allowed: globs separated by commas, such as etl, nightly-*, team-[ab]; \\ "
     "before a "
     "special character"},
    {"class", "match_work_queue", "fast # 1", "fast # 1", "",
     "\"\" is empty; allowed: globs separated by commas, such as etl, nightly-*, team-[ab]; \\ before a "
     "special "
     "character"},
    {"class", "match_parameter", "size=large, n=1*", "size=large, n=1*", "size",
     "\"size\" has an item that is not NAME=GLOB; allowed: NAME=GLOB, separated by commas"},
    {"class", "starts_per_second", "8", "8", "-1",
     "\"-1\" is too small; allowed: a number above 0, such as 8 or 0.5" NO_LIMIT},
    {"alerts", "interval", "1m", "60s", "10ms", "\"10ms\" is too small" DURATION_FROM("1s")},
    {"alerts", "timeout_objective", "99.9%", "99.9%", "100%", "\"100%\" is too large" PERCENT},
    {"alerts", "launch_objective", "95", "95%", "0.5%", "\"0.5%\" is too small" PERCENT},
    {"alerts", "queue_age", "0", "0", "-1s", "\"-1s\" is too small" DURATION_FROM("0")},
    {"alerts", "nothing_starts", "30m", "30m", "soon", "\"soon\" is not a duration" DURATION_FROM("0")},
    {"alerts", "webhook", "https://me:pw@h.example:8443/hook/?t=1", "(set)", "ftp://h/secret",
     "the value does not begin with http:// or https://" WEBHOOK},
    {"alerts", "webhook_authorization", "Bearer secret", "(set)", "",
     "the value is empty; allowed: a text of one line"},
    {"alerts", "webhook_ca_file", "/dev/null", "/dev/null", "", "\"\" is empty; allowed: a text of one line"},
    {"class", "start_burst", "2", "2", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000")},
    {"class", "running_per", "parameter:region 2", "parameter:region 2", "tag:[a 5",
     "\"tag:[a 5\" has a [ that is never closed" PER_VALUE},
    {"class", "running", "20", "20", "0", "\"0\" is too small" COUNT_FROM("1 to 1000000") NO_LIMIT},
    {"class", "launching", "2", "2", "auto",
     "\"auto\" is not a whole number" COUNT_FROM("1 to 1000000") NO_LIMIT},
    {"class", "priority", "-5", "-5", "high",
     "\"high\" is not a whole number" COUNT_FROM("-1000000 to 1000000")},
    {"class", "park", "yes", "true", "2", "\"2\" is neither true nor false; allowed: true or false"},
    {"rule", "stage", "create, start", "create, start", "creat",
     "\"creat\" has an unknown word; allowed: one or several of api, resolve, image, pull, create, network, "
     "start, run, inspect, stop, report, remove"},
    {"rule", "dependency", "engine", "engine", "docker",
     "\"docker\" has an unknown word; allowed: one or several of engine, registry, prefect"},
    {"rule", "status", "429, 5xx, 400-404", "429, 5xx, 400-404", "700",
     "\"700\" has a status that no answer has; allowed: statuses from 100 to 599, separated by commas, such "
     "as "
     "429, 5xx, 500-504"},
    {"rule", "transport", "DNS failure, partial body", "DNS failure, partial body", "owl",
     "\"owl\" has an unknown word; allowed: words of `sluice explain --transport`, separated by commas, such "
     "as "
     "DNS failure, partial body"},
    {"rule", "message", "*no space*, *full*", "*no space*, *full*", "a[b",
     "\"a[b\" has a [ that is never closed; allowed: globs separated by commas, such as etl, nightly-*, "
     "team-[ab]; \\ before a special character"},
    {"rule", "job_class", "etl*", "etl*", "a[b",
     "\"a[b\" has a [ that is never closed; allowed: globs separated by commas, such as etl, nightly-*, "
     "team-[ab]; \\ before a special character"},
    {"rule", "class", "capacity", "capacity", "full",
     "\"full\" is not known; allowed: one of transient, throttled, capacity, conflict, gone, auth, "
     "permanent, "
     "unknown_outcome"},
    {"rule", "action", "retry", "retry", "again",
     "\"again\" is not known; allowed: one of retry, fail, park"},
    {"rule", "delay", "30s", "30s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"rule", "max_attempts", "20", "20", "0", "\"0\" is too small" COUNT_FROM("1 to 1000")},
    {"rule", "max_time", "10m", "10m", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"rule", "base", "5s", "5s", "5", "\"5\" has no unit" DURATION_FROM("1ms")},
    {"rule", "factor", "1.5", "1.5", "0.9", "\"0.9\" is too small; allowed: a number from 1 to 100"},
    {"rule", "cap", "10m", "10m", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"rule", "jitter", "none", "none", "some",
     "\"some\" is not known; allowed: one of none, equal, full, decorrelated"},
};

/* The keys of [retry] that begin with a stage, by what they end with. */
static const struct key_case stage_retry_cases[] = {
    {"retry", "_max_attempts", "9", "9", "0", "\"0\" is too small" COUNT_FROM("1 to 1000")},
    {"retry", "_max_time", "90s", "90s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"retry", "_base", "90ms", "90ms", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"retry", "_factor", "1.5", "1.5", "0.9", "\"0.9\" is too small; allowed: a number from 1 to 100"},
    {"retry", "_cap", "90s", "90s", "0", "\"0\" is too small" DURATION_FROM("1ms")},
    {"retry", "_jitter", "none", "none", "Full",
     "\"Full\" is not known; allowed: one of none, equal, full, decorrelated"},
};

static bool ends_with(const char *text, const char *end)
{
    return strlen(text) > strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static bool is_clock(const struct config_key *key)
{
    return strcmp(key->section, "timeouts") == 0 && strcmp(key->key, "launch_deadline") != 0 &&
           strcmp(key->key, "max_run_time") != 0 && strcmp(key->key, "cancel_grace") != 0 &&
           strncmp(key->key, "timeout_", 8) != 0;
}

/* A file with this one key in it, and further down what it needs beside it. */
static char *file_with(const char *section, const char *key, const char *value)
{
    bool is_named = strcmp(section, "class") == 0 || strcmp(section, "rule") == 0;
    bool is_class = strcmp(section, "class") == 0 && strncmp(key, "match_", 6) != 0;
    bool matches = strcmp(key, "stage") == 0 || strcmp(key, "dependency") == 0 ||
                   strcmp(key, "status") == 0 || strcmp(key, "transport") == 0 ||
                   strcmp(key, "message") == 0 || strcmp(key, "job_class") == 0;
    bool ends = strcmp(key, "action") == 0 || strcmp(key, "class") == 0;
    const char *rule = strcmp(section, "rule") != 0 ? ""
                       : matches                    ? "class = transient\n"
                       : ends                       ? "stage = create\n"
                                                    : "message = m\n";
    return check_printf("[%s%s]\n%s = %s\n%s%s%s", section, is_named ? " k" : "", key, value,
                        is_class ? "match_tag = t\n" : "", rule,
                        strcmp(key, "start_burst") == 0 ? "starts_per_second = 1\n" : "");
}

static void check_key(struct fixture *f, const struct key_case *c)
{
    bool is_class = strcmp(c->section, "class") == 0 || strcmp(c->section, "rule") == 0;
    char *AUTO_FREE good = file_with(c->section, c->key, c->good);
    char *AUTO_FREE bad = file_with(c->section, c->key, c->bad);
    char *AUTO_FREE name = check_printf("%s%s.%s", c->section, is_class ? " k" : "", c->key);
    char *AUTO_FREE shown = check_printf("%s c.conf:2", c->shown);
    char *AUTO_FREE problem =
        check_printf("c.conf:2: [%s%s] %s: %s\n", c->section, is_class ? " k" : "", c->key, c->problem);
    fixture_load(f, good, NULL, NULL);
    fixture_expect_problems(f, "");
    if (strcmp(c->key, "base") != 0 && strcmp(c->key, "cap") != 0)
        assert_string_equal(fixture_printed(f, name), shown);
    fixture_load(f, bad, NULL, NULL);
    fixture_expect_problems(f, problem);
}

static void test_every_key(void **state)
{
    struct fixture *f = *state;
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!config_key_is_in_file(key))
            continue;
        const struct key_case clock = {"timeouts", key->key, "90s",
                                       "90s",      "0",      "\"0\" is too small" DURATION_FROM("1ms")};
        const struct key_case learned = {"timeouts", key->key, "auto",
                                         "auto",     "0",      "\"0\" is too small" AUTO_OR_DURATION("1ms")};
        const struct key_case *found = key->type == CONFIG_TYPE_TIME_AUTO ? &learned
                                       : is_clock(key)                    ? &clock
                                                                          : NULL;
        for (size_t i = 0; i < ARRAY_LEN(key_cases); i++)
            if (strcmp(key_cases[i].section, key->section) == 0 && strcmp(key_cases[i].key, key->key) == 0)
                found = &key_cases[i];
        struct key_case of_stage = {"retry", key->key, "", "", "", ""};
        for (size_t i = 0; i < ARRAY_LEN(stage_retry_cases) && found == NULL; i++)
            if (strcmp(key->section, "retry") == 0 && ends_with(key->key, stage_retry_cases[i].key)) {
                of_stage = stage_retry_cases[i];
                of_stage.key = key->key;
                found = &of_stage;
            }
        if (found == NULL)
            fail_msg("[%s] %s has no case in this test", key->section, key->key);
        check_key(f, found);
    }
}

static void test_every_key_that_a_class_may_set(void **state)
{
    struct fixture *f = *state;
    size_t count = 0;
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!key->in_class)
            continue;
        char *AUTO_FREE words =
            key->words == NULL ? NULL : strndup(key->words, strcspn(key->words, " ")); /* the first */
        const char *value = key->type == CONFIG_TYPE_TIME || key->type == CONFIG_TYPE_TIME_AUTO ||
                                    key->type == CONFIG_TYPE_DURATION
                                ? "45s"
                            : key->type == CONFIG_TYPE_JITTER ? "none"
                            : key->type == CONFIG_TYPE_WORD   ? words
                                                              : "3";
        char *AUTO_FREE text = file_with("class", key->key, value);
        char *AUTO_FREE name = check_printf("class k.%s", key->key);
        char *AUTO_FREE shown = check_printf("%s c.conf:2", value);
        fixture_load(f, text, NULL, NULL);
        count++;
        if (strcmp(key->key, "base") != 0 || f->problems.count == 0)
            assert_string_equal(fixture_printed(f, name), shown);
    }
    assert_int_equal(count, 3 * 11 + 2 * 8 + 2 * 2 + 2 + 3 + 7 + 2 + 5 * 6 + 2);
}

static void test_values_arrive_in_the_struct(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[prefect]\nwork_queues = q1,q2\npoll_interval = 2s\n[limits]\nstarts_per_second = 8\nstart_burst = "
        "4\n"
        "launching = 5\nrunning = 200\n[timeouts]\ncreate = 5m\ncreate_inactivity = 4m\nstart = 70s\n"
        "[retry]\nmax_attempts = 9\nbase = 2s\nfactor = 3\ncap = 3m\njitter = equal\nhand_back_after = 1m\n"
        "[class etl]\nmatch_tag = etl, nightly-*\nmatch_flow = f\npark = true\npriority = 7\n"
        "keep_containers = 1d\nstart = 20s\n",
        NULL, NULL);
    fixture_expect_problems(f, "");
    const struct config *c = f->config;
    assert_int_equal(c->work_queue_count, 2);
    assert_string_equal(c->work_queues[1], "q2");
    assert_int_equal(c->poll_interval_ms, 2000);
    assert_true(c->starts_per_second == 8.0);
    assert_int_equal(c->start_burst, 4);
    assert_int_equal(c->launching, 5);
    assert_false(c->launching_is_auto);
    assert_int_equal(c->running, 200);
    assert_int_equal(c->class_count, 2);
    const struct config_class *etl = &c->classes[0];
    const struct config_class *rest = &c->classes[1];
    assert_string_equal(etl->name, "etl");
    assert_string_equal(etl->rule_text, "tag: etl, nightly-*; flow: f");
    assert_int_equal(etl->rule.tag.count, 2);
    assert_true(etl->retry.park);
    assert_int_equal(etl->priority, 7);
    assert_int_equal(etl->keep_containers.ms, 86400000);
    assert_string_equal(etl->keep_containers.from, "c.conf:25");
    assert_int_equal(etl->clocks[STAGE_CREATE].total.ms, 300000);
    assert_int_equal(etl->clocks[STAGE_CREATE].inactivity.ms, 240000);
    assert_int_equal(etl->retry.start_clock_ms, 20000);
    assert_int_equal(etl->retry.max_attempts, 9);
    assert_string_equal(rest->name, "default");
    assert_true(match_rule_is_empty(&rest->rule));
    assert_int_equal(rest->retry.start_clock_ms, 70000);
    assert_int_equal(rest->retry.base_ms, 2000);
    assert_true(rest->retry.factor == 3.0);
    assert_int_equal(rest->retry.cap_ms, 180000);
    assert_int_equal(rest->retry.jitter, JITTER_EQUAL);
    assert_int_equal(rest->retry.hand_back_after_ms, 60000);
    assert_false(rest->retry.park);
    assert_true(rest->starts_per_second < 0);
    assert_int_equal(rest->running, CONFIG_NO_LIMIT);
    assert_int_equal(rest->launching, CONFIG_NO_LIMIT);
}

static void test_pulls_may_be_learned(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[limits]\npulls = auto\n", NULL, NULL);
    fixture_expect_problems(f, "");
    assert_true(f->config->pulls_is_auto);
    assert_int_equal(f->config->pulls, CONFIG_NO_LIMIT);
    assert_true(f->config->launching_is_auto);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, NULL, NULL, NULL);
    fixture_expect_problems(f, "");
    const struct config *c = f->config;
    const struct retry_policy policy = retry_policy_default();
    const struct config_class *rest = &c->classes[0];
    assert_null(c->api_url);
    assert_null(c->pool);
    assert_null(c->state_path);
    assert_string_equal(c->worker_name, "sluice-box");
    assert_true(c->csrf_enabled);
    assert_true(c->create_pool);
    assert_int_equal(c->launching, CONFIG_NO_LIMIT);
    assert_true(c->launching_is_auto);
    assert_int_equal(c->pulls, 3);
    assert_false(c->pulls_is_auto);
    assert_true(c->starts_per_second < 0);
    assert_int_equal(c->running, CONFIG_NO_LIMIT);
    assert_int_equal(c->limit, CONFIG_NO_LIMIT);
    assert_int_equal(c->poll_interval_ms, 10000);
    assert_int_equal(c->heartbeat_interval_ms, 30000);
    assert_int_equal(rest->retry.max_attempts, policy.max_attempts);
    assert_int_equal(rest->retry.base_ms, policy.base_ms);
    assert_int_equal(rest->retry.cap_ms, policy.cap_ms);
    assert_true(rest->retry.factor == policy.factor);
    assert_int_equal(rest->retry.jitter, policy.jitter);
    assert_int_equal(rest->retry.hand_back_after_ms, policy.hand_back_after_ms);
    assert_int_equal(rest->retry.cancel_grace_ms, policy.cancel_grace_ms);
    assert_int_equal(rest->launch_deadline.ms, 3600000);
    assert_int_equal(rest->max_run_time.ms, 0);
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        const struct config_clocks *clocks = &rest->clocks[stage];
        if (stage == STAGE_RUN)
            continue;
        assert_int_equal(clocks->connect.ms, 60000);
        assert_int_equal(clocks->inactivity.ms, 60000);
        assert_int_equal(clocks->total.ms, stage == STAGE_PULL ? 1800000 : 60000);
        assert_string_equal(clocks->total.from, "default");
    }
}

static void test_classes_choose(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[class a]\nmatch_tag = x\nmatch_flow = f*\n[class b]\nmatch_tag = x, y\n", NULL, NULL);
    const char *const tags[] = {"x"};
    struct match_subject subject = {.tags = tags, .tag_count = 1, .flow = "fun"};
    assert_string_equal(config_class_for(f->config, &subject)->name, "a");
    subject.flow = "gun";
    assert_string_equal(config_class_for(f->config, &subject)->name, "b");
    subject.tag_count = 0;
    assert_string_equal(config_class_for(f->config, &subject)->name, "default");
    assert_string_equal(config_class_by_name(f->config, "b")->name, "b");
    assert_string_equal(config_class_by_name(f->config, "gone")->name, "default");
}

/* ---- mistakes ---- */

static void test_late_needs_to_be_told_when(void **state)
{
    static const struct fixture_text cases[] = {
        {"[limits]\nwhen_late = skip\nlate_after = 1h\n[class k]\nmatch_tag = t\nwhen_late = leave\n", ""},
        {"[limits]\nwhen_late = skip\n", "c.conf:2: [limits] when_late: \"skip\" without late_after would "
                                         "mean nothing; allowed: with late_after "
                                         "above 0\n"},
        {"[class k]\nmatch_tag = t\nwhen_late = leave\n",
         "c.conf:3: [class k] when_late: \"leave\" without late_after would mean nothing; allowed: with "
         "late_after "
         "above 0\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

static void test_unknown_words(void **state)
{
    static const struct fixture_text cases[] = {
        {"[limits]\nruning = 5\n", "c.conf:2: [limits] runing: unknown key; did you mean \"running\"?\n"},
        {"[limits]\nRunning = 5\n", "c.conf:2: [limits] Running: unknown key; did you mean \"running\"?\n"},
        {"[limits]\npusl = 5\n", "c.conf:2: [limits] pusl: unknown key; did you mean \"pulls\"?\n"},
        {"[limits]\nbanana = 5\n",
         "c.conf:2: [limits] banana: unknown key; allowed: starts_per_second, start_burst, "
         "shared_limit, shared_limit_fallback, launching, running, running_per, pulls, registry_pulls, "
         "registry_pulls_per_second, stops, "
         "ageing, when_late, late_after\n"},
        {"[prefect]\nrunning = 5\n", "c.conf:2: [prefect] running: unknown key; it belongs to [limits]\n"},
        {"[prefect]\nmatch_tag = x\n",
         "c.conf:2: [prefect] match_tag: unknown key; it belongs to [class NAME]\n"},
        {"[prefect]\napi_key = x\n",
         "c.conf:2: [prefect] api_key: not read from a file; use PREFECT_API_KEY\n"},
        {"[prefect]\nlimit = 5\n", "c.conf:2: [prefect] limit: not read from a file; use --limit\n"},
        {"[timeouts]\ncraete = 5s\n", "c.conf:2: [timeouts] craete: unknown key; did you mean \"create\"?\n"},
        {"[timeouts]\npull_idle_long = 5s\n",
         "c.conf:2: [timeouts] pull_idle_long: unknown key; allowed: STAGE, STAGE_connect and "
         "STAGE_inactivity "
         "(stages: api, resolve, image, pull, create, network, start, inspect, stop, report, remove), "
         "STAGE_floor and STAGE_ceiling (but for api, resolve and report), timeout_margin, timeout_samples, "
         "connect_floor, connect_ceiling, inactivity_floor, inactivity_ceiling, launch_deadline, "
         "max_run_time\n"},
        {"[class k]\nmatch_tag = t\nmax_atempts = 5\n",
         "c.conf:3: [class k] max_atempts: unknown key; did you mean \"max_attempts\"?\n"},
        {"[retry]\nbudget = 10%\nbudget_floor = 10\n",
         "c.conf:2: [retry] budget: this version has no such key; leave it out\n"
         "c.conf:3: [retry] budget_floor: this version has no such key; leave it out\n"},
        {"[limit]\nrunning = 0\n", "c.conf:1: [limit]: unknown section; did you mean [limits]?\n"},
        {"[banana]\nx = 0\n", "c.conf:1: [banana]: unknown section; allowed: prefect, engine, state, limits, "
                              "timeouts, retry, log, alerts, traces, admin, class NAME, rule NAME\n"},
        {"[limits]\nstage = create\n", "c.conf:2: [limits] stage: unknown key; it belongs to [rule NAME]\n"},
        {"[rule k]\nstage = stop\nmax_attempts = 3\nrunning = 5\n",
         "c.conf:4: [rule k] running: unknown key; it belongs to [limits]\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

#define ONLY_FOR_ENGINE "\"auto\" is only for the clocks of a call to the engine" DURATION_FROM("1ms") "\n"

static void test_learned_times_with_mistakes(void **state)
{
    static const struct fixture_text cases[] = {
        {"[timeouts]\ncreate = auto\ncreate_floor = 5s\ncreate_ceiling = 5s\n", ""},
        {"[timeouts]\napi = auto\n", "c.conf:2: [timeouts] api: " ONLY_FOR_ENGINE},
        {"[timeouts]\nreport_inactivity = auto\n",
         "c.conf:2: [timeouts] report_inactivity: " ONLY_FOR_ENGINE},
        {"[timeouts]\nlaunch_deadline = auto\n",
         "c.conf:2: [timeouts] launch_deadline: \"auto\" is only for the clocks of a call to the "
         "engine" DURATION_FROM("0") "\n"},
        {"[timeouts]\npull_inactivity = auto\npull_connect = auto\ninactivity_floor = 5s\n", ""},
        {"[timeouts]\npull_inactivity = Auto\n",
         "c.conf:2: [timeouts] pull_inactivity: \"Auto\" is not a duration" AUTO_OR_DURATION("1ms") "\n"},
        /* Told once, and not by each stage again. */
        {"[engine]\nconnect = auto\ninactivity = 5\ntotal = automatic\n",
         "c.conf:3: [engine] inactivity: \"5\" has no unit" AUTO_OR_DURATION(
             "1ms") "\n"
                    "c.conf:4: [engine] total: \"automatic\" is not a duration" AUTO_OR_DURATION("1ms") "\n"},
        {"[timeouts]\ninactivity_floor = 4m\n",
         "c.conf:2: [timeouts] inactivity_floor: 4m (c.conf:2) is above inactivity_ceiling, 3m (default); "
         "allowed: a floor up to the ceiling\n"},
        {"[class k]\nmatch_tag = t\nconnect_ceiling = 2s\n",
         "c.conf:3: [class k] connect_floor: 5s (default) is above connect_ceiling, 2s (c.conf:3); allowed: "
         "a floor up to the ceiling\n"},
        {"[timeouts]\ncreate = Auto\n",
         "c.conf:2: [timeouts] create: \"Auto\" is not a duration" AUTO_OR_DURATION("1ms") "\n"},
        {"[timeouts]\ncreate_floor = 4m\n",
         "c.conf:2: [timeouts] create_floor: 4m (c.conf:2) is above create_ceiling, "
         "3m (default); allowed: a floor up to "
         "the ceiling\n"},
        {"[timeouts]\nstart_ceiling = 2s\n", "c.conf:2: [timeouts] start_floor: 5s (default) is above "
                                             "start_ceiling, 2s (c.conf:2); allowed: a floor up to "
                                             "the ceiling\n"},
        /* What a class takes over is told once, what it makes of it is its own mistake. */
        {"[timeouts]\npull_floor = 3h\n[class k]\nmatch_tag = t\n",
         "c.conf:2: [timeouts] pull_floor: 3h (c.conf:2) is above pull_ceiling, 2h (default); allowed: a "
         "floor up to "
         "the "
         "ceiling\n"},
        {"[timeouts]\nstop_floor = 1m\n[class k]\nmatch_tag = t\nstop = auto\nstop_ceiling = 30s\n",
         "c.conf:6: [class k] stop_floor: 60s (c.conf:2) is above stop_ceiling, 30s (c.conf:6); allowed: a "
         "floor up to "
         "the ceiling\n"},
        {"[timeouts]\ntimeout_margin = 0\n[class k]\nmatch_tag = t\ntimeout_samples = -1\n",
         "c.conf:2: [timeouts] timeout_margin: \"0\" is too small; allowed: a number from 1 to 100\n"
         "c.conf:5: [class k] timeout_samples: \"-1\" is too small" COUNT_FROM("1 to 1000000") "\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

static void expect_learned(const struct config_class *of, enum stage stage, bool is_auto, int64_t fixed_ms,
                           const char *from)
{
    const struct config_clocks *clocks = &of->clocks[stage];
    assert_int_equal(clocks->total.is_auto, is_auto);
    assert_int_equal(clocks->total.ms, fixed_ms);
    assert_string_equal(clocks->total.from, from);
    assert_int_equal(clocks->inactivity.is_auto, is_auto && stage != STAGE_PULL);
}

static void test_learned_times(void **state)
{
    struct fixture *f = *state;
    const char *const environment[] = {"DOCKER_CLIENT_TIMEOUT=90", NULL};
    fixture_load(f,
                 "[timeouts]\ncreate = auto\npull = auto\nstop = 70s\n[class a]\nmatch_tag = a\ncreate = "
                 "20s\nstart = auto\ntimeout_margin = 3\nstart_floor = 1s\n[class b]\nmatch_tag = b\n",
                 environment, NULL);
    fixture_expect_problems(f, "");
    const struct config_class *a = config_class_by_name(f->config, "a");
    const struct config_class *b = config_class_by_name(f->config, "b");
    /* The variable says how long to wait while too little is known; what a class says beats it. */
    expect_learned(b, STAGE_CREATE, true, 90000, "c.conf:2");
    expect_learned(b, STAGE_PULL, true, 1800000, "c.conf:3");
    expect_learned(b, STAGE_STOP, false, 90000, "DOCKER_CLIENT_TIMEOUT");
    expect_learned(a, STAGE_CREATE, false, 20000, "c.conf:7");
    expect_learned(a, STAGE_START, true, 90000, "c.conf:8");
    assert_true(a->timeout_margin == 3 && b->timeout_margin == 2.5);
    assert_int_equal(a->clocks[STAGE_START].floor_ms, 1000);
    assert_int_equal(b->clocks[STAGE_START].floor_ms, 5000);
    assert_int_equal(b->clocks[STAGE_PULL].ceiling_ms, 2 * 3600000);
    assert_int_equal(config_longest_ms(a, STAGE_START), 180000);
    assert_int_equal(config_longest_ms(a, STAGE_CREATE), 20000);
    assert_string_equal(fixture_printed(f, "timeouts.create"), "auto c.conf:2");
    assert_string_equal(fixture_printed(f, "timeouts.create_inactivity"), "auto c.conf:2");
    assert_string_equal(fixture_printed(f, "class a.start"), "auto c.conf:8");
}

/* One word for all stages of the engine: but pull's whole time, which is learned by its own key. */
static void test_learned_times_of_all_stages(void **state)
{
    struct fixture *f = *state;
    fixture_load(f,
                 "[engine]\nconnect = auto\ninactivity = auto\ntotal = auto\n[timeouts]\nstart = 20s\n"
                 "stop_inactivity = 9s\nremove_connect = 2s\n[class c]\nmatch_tag = c\ncreate = 5m\n",
                 NULL, NULL);
    fixture_expect_problems(f, "");
    const struct config_class *rest = config_class_by_name(f->config, "default");
    for (int stage = 0; stage < STAGE_COUNT; stage++) {
        const struct config_clocks *clocks = &rest->clocks[stage];
        bool is_engines =
            stage != STAGE_API && stage != STAGE_RESOLVE && stage != STAGE_REPORT && stage != STAGE_RUN;
        assert_int_equal(clocks->connect.is_auto, is_engines && stage != STAGE_REMOVE);
        assert_int_equal(clocks->inactivity.is_auto, is_engines && stage != STAGE_STOP);
        assert_int_equal(clocks->total.is_auto, is_engines && stage != STAGE_PULL && stage != STAGE_START);
        assert_int_equal(clocks->inactivity_follows, clocks->total.is_auto && clocks->inactivity.is_auto);
        if (is_engines && stage != STAGE_STOP)
            assert_int_equal(clocks->inactivity.ms, 60000);
    }
    assert_string_equal(fixture_printed(f, "engine.total"), "auto c.conf:4");
    assert_string_equal(fixture_printed(f, "timeouts.create"), "auto c.conf:4");
    assert_string_equal(fixture_printed(f, "timeouts.pull_inactivity"), "auto c.conf:3");
    assert_string_equal(fixture_printed(f, "timeouts.pull"), "30m default");
    /* What is said of one stage is meant more, of silence too. */
    const struct config_clocks *create = &config_class_by_name(f->config, "c")->clocks[STAGE_CREATE];
    assert_false(create->total.is_auto || create->inactivity.is_auto);
    assert_int_equal(create->inactivity.ms, 300000);
}

static void test_a_learned_silence(void **state)
{
    struct fixture *f = *state;
    const char *const environment[] = {"DOCKER_CLIENT_TIMEOUT=90", NULL};
    fixture_load(f,
                 "[timeouts]\npull_inactivity = auto\ncreate_inactivity = auto\nstart = auto\n"
                 "start_inactivity = auto\n[class c]\nmatch_tag = c\ncreate = 5m\npull_inactivity = 20s\n",
                 environment, NULL);
    fixture_expect_problems(f, "");
    const struct config_class *c = config_class_by_name(f->config, "c");
    const struct config_class *rest = config_class_by_name(f->config, "default");
    /* The variable says how long to wait while too little is known. */
    assert_true(rest->clocks[STAGE_PULL].inactivity.is_auto && !rest->clocks[STAGE_PULL].inactivity_follows);
    assert_int_equal(rest->clocks[STAGE_PULL].inactivity.ms, 90000);
    assert_string_equal(rest->clocks[STAGE_PULL].inactivity.from, "c.conf:2");
    assert_false(c->clocks[STAGE_PULL].inactivity.is_auto);
    assert_int_equal(c->clocks[STAGE_PULL].inactivity.ms, 20000);
    assert_true(rest->clocks[STAGE_START].inactivity_follows);
    /* A create that may take 5 minutes is not ended after 90 s before anything is known. */
    assert_true(c->clocks[STAGE_CREATE].inactivity.is_auto && !c->clocks[STAGE_CREATE].inactivity_follows);
    assert_int_equal(c->clocks[STAGE_CREATE].inactivity.ms, 300000);
    assert_int_equal(c->inactivity_floor_ms, 5000);
    assert_int_equal(c->connect_ceiling_ms, 180000);
}

static void test_form(void **state)
{
    static const struct fixture_text cases[] = {
        {"", ""},
        {"# a\n; b\n   # c\n \t \n[log]\nlevel=warn", ""},
        {"\xEF\xBB\xBF[log]\r\nlevel = warn\r\n", ""},
        {"pool = x\n[prefect]\n",
         "c.conf:1: a key before any section; allowed: a line such as [prefect] above it\n"},
        {"[prefect]\npool\n\nname = x\n",
         "c.conf:2: no = in the line; allowed: KEY = VALUE, [SECTION], # COMMENT\n"},
        {"[prefect]\npool", "c.conf:2: no = in the line; allowed: KEY = VALUE, [SECTION], # COMMENT\n"},
        {"[prefect]\n= x\n", "c.conf:2: no key in front of the =; allowed: KEY = VALUE\n"},
        {"[prefect]\npool = a\n  b\n",
         "c.conf:3: the line is indented; allowed: lines that begin at the margin, values of one line\n"},
        {"[prefect]\n\tpool = a\n",
         "c.conf:2: the line is indented; allowed: lines that begin at the margin, values of one line\n"},
        {"[prefect]\npool = a\nname = w\npool = b\n",
         "c.conf:4: [prefect] pool: given twice, first on line 2; allowed: once\n"},
        {"[log]\nlevel = info\n[state]\n[log]\nformat = json\n",
         "c.conf:4: [log]: given twice, first on line 1; allowed: once\n"},
        {"[class a]\nmatch_tag = t\n[class a]\nmatch_tag = u\n",
         "c.conf:3: [class a]: given twice, first on line 1; allowed: once\n"},
        {"[class a]\nmatch_tag = t\npriority = 1\npriority = 1\n",
         "c.conf:4: [class a] priority: given twice, first on line 3; allowed: once\n"},
        {"[prefect\npool = x\n", "c.conf:1: the section has no closing ]; allowed: [NAME]\n"},
        {"[prefect] # x\npool = x\n",
         "c.conf:1: text after the section's ]; allowed: [NAME] alone, comments on lines of their own\n"},
        {"[prefect]\npool = x # mine\n",
         "c.conf:2: [prefect] pool: a comment after the value; allowed: comments on lines of their own\n"},
        {"[prefect]\npool = x ; mine\n",
         "c.conf:2: [prefect] pool: a comment after the value; allowed: comments on lines of their own\n"},
        {"[prefect]\npool = \"x\"\n",
         "c.conf:2: [prefect] pool: the value is in quotes; allowed: the bare value\n"},
        {"[prefect]\npool = a\001b\n",
         "c.conf:2: the line holds a control character; allowed: plain UTF-8 text\n"},
        {"[prefect]\npool = a\rb\n",
         "c.conf:2: the line holds a control character; allowed: plain UTF-8 text\n"},
        {"[prefect]\npool = a\xFF\n", "c.conf:2: the line is not valid UTF-8; allowed: plain UTF-8 text\n"},
        {"[prefect]\npool = a\xC0\xAF\n",
         "c.conf:2: the line is not valid UTF-8; allowed: plain UTF-8 text\n"},
        {"[prefect]\npool = a\xED\xA0\x80\n",
         "c.conf:2: the line is not valid UTF-8; allowed: plain UTF-8 text\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

static void test_classes_with_mistakes(void **state)
{
    static const struct fixture_text cases[] = {
        {"[class default]\npriority = 1\n", "c.conf:1: [class default]: default is what no class matches, "
                                            "and is set by [timeouts] and [retry]; allowed: "
                                            "any other name\n"},
        {"[class]\n", "c.conf:1: [class ]: bad name; allowed: 1 to 40 letters, digits, _, . and -\n"},
        {"[class a b]\n", "c.conf:1: [class a b]: bad name; allowed: 1 to 40 letters, digits, _, . and -\n"},
        {"[class a/b]\n", "c.conf:1: [class a/b]: bad name; allowed: 1 to 40 letters, digits, _, . and -\n"},
        {"[class aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n",
         "c.conf:1: [class aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]: bad name; allowed: 1 to 40 letters, "
         "digits, _, . "
         "and -\n"},
        {"[class aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nmatch_tag = t\nrunning = 2\n", ""},
        {"[class k]\nrunning = 2\n",
         "c.conf:1: [class k]: no rule, so no run would belong to it; allowed: at least one of match_tag, "
         "match_deployment, match_flow, match_work_queue, match_parameter\n"},
        {"[class k]\nmatch_tag = t\nbase = 2m\n", "c.conf:3: [class k] base: 120000ms is longer than cap, "
                                                  "60000ms (default); allowed: a base up to cap\n"},
        {"[class k]\nmatch_tag = t\ncap = 100ms\n",
         "c.conf:3: [class k] base: 500ms is longer than cap, 100ms (c.conf:3); allowed: a base up to cap\n"},
        {"[retry]\nbase = 2m\ncap = 1m\n", "c.conf:2: [retry] base: 120000ms is longer than cap, 60000ms "
                                           "(c.conf:3); allowed: a base up to cap\n"},
    };
    fixture_check_texts(*state, cases, ARRAY_LEN(cases));
}

static void test_addresses(void **state)
{
    static const struct {
        const char *host;
        const char *wrong; /* NULL: fine */
    } cases[] = {
        {"tcp://127.0.0.1:2375", NULL},
        {"tcp://:2375", NULL},
        {"http://h:80", NULL},
        {"[::1]:2375", NULL},
        {"h:2375", NULL},
        {"unix:///a", NULL},
        {"unix://", "has no path"},
        {"tcp://h", "has no port"},
        {"tcp://h:0", "has a bad port"},
        {"tcp://h:65536", "has a bad port"},
        {"tcp://h:12x", "has a bad port"},
        {"tcp://[::1:80", "has no host"},
        {"https://h:2376", NULL},
        {"https://h", "has no port"},
        {"npipe:////./pipe/x", "is not an address of an engine"},
        {"fd://3", "is not an address of an engine"},
        {"tcp://h:1?x", "holds a blank, a query or a fragment"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text = check_printf("[engine]\nhost = %s\n", cases[i].host);
        char *AUTO_FREE problem =
            check_printf("c.conf:2: [engine] host: \"%s\" %s; allowed: unix:///PATH or tcp://HOST:PORT\n",
                         cases[i].host, cases[i].wrong != NULL ? cases[i].wrong : "");
        fixture_load(f, text, NULL, NULL);
        fixture_expect_problems(f, cases[i].wrong != NULL ? problem : "");
    }
}

static void test_where_to_listen(void **state)
{
    static const struct {
        const char *where;
        const char *wrong; /* NULL: fine */
    } cases[] = {
        {"127.0.0.1:9191", NULL},
        {"localhost:1", NULL},
        {"[::]:65535", NULL},
        {"0.0.0.0:9191", NULL},
        {":9191", "has no host (0.0.0.0 is every address of this machine)"},
        {"localhost", "has no port"},
        {"localhost:", "has a bad port"},
        {"localhost:0", "has a bad port"},
        {"localhost:65536", "has a bad port"},
        {"localhost:http", "has a bad port"},
        {"::1:9191", "has an IPv6 address without [ ]"},
        {"[::1]", "has no port"},
        {"[::1:9191", "has no host"},
        {"http://localhost:9191", "holds more than a host and a port"},
        {"localhost:9191/", "holds more than a host and a port"},
        {"unix:///run/x", "holds more than a host and a port"},
        {"a b:1", "holds more than a host and a port"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text = check_printf("[admin]\nlisten = %s\n", cases[i].where);
        char *AUTO_FREE problem = check_printf(
            "c.conf:2: [admin] listen: \"%s\" %s; allowed: HOST:PORT, such as 127.0.0.1:9191 or [::1]:9191\n",
            cases[i].where, cases[i].wrong != NULL ? cases[i].wrong : "");
        fixture_load(f, text, NULL, NULL);
        fixture_expect_problems(f, cases[i].wrong != NULL ? problem : "");
    }
}

static void test_logins_in_addresses_are_not_shown(void **state)
{
    struct fixture *f = *state;
    fixture_load(f, "[prefect]\napi_url = http://u:hunter2@h/api\n[engine]\nhost = tcp://u:hunter2@h:1\n",
                 NULL, NULL);
    fixture_expect_problems(
        f,
        "c.conf:2: [prefect] api_url: the value holds a login (use PREFECT_API_AUTH_STRING); allowed: a URL "
        "such as http://127.0.0.1:4200/api\n"
        "c.conf:4: [engine] host: the value holds a login; allowed: unix:///PATH or tcp://HOST:PORT\n");
}

static void test_webhooks(void **state)
{
    static const struct {
        const char *url;
        const char *wrong;
    } cases[] = {
        {"http://h", NULL},
        {"https://hooks.example.com/services/T0/B0/x?thread=1&y=/@", NULL},
        {"https://h?x=1", NULL},
        {"http://u:p@h:9093/api/", NULL},
        {"http://[::1]:4200/api", NULL},
        {"http://", "has no host"},
        {"http://u:p@/x", "has no host"},
        {"http://u:p@h:0/x", "has a bad port"},
        {"http://h:65536", "has a bad port"},
        {"http://h/a b", "holds a character that no such URL has"},
        {"http://h/#a", "holds a character that no such URL has"},
        {"file:///etc/passwd", "does not begin with http:// or https://"},
        {"h/x", "does not begin with http:// or https://"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text = check_printf("[alerts]\nwebhook = %s\n", cases[i].url);
        char *AUTO_FREE problem = check_printf("c.conf:2: [alerts] webhook: the value %s" WEBHOOK "\n",
                                               cases[i].wrong != NULL ? cases[i].wrong : "");
        fixture_load(f, text, NULL, NULL);
        fixture_expect_problems(f, cases[i].wrong != NULL ? problem : "");
        if (cases[i].wrong == NULL)
            assert_string_equal(f->config->webhook, cases[i].url);
    }
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        const char *wrong;
    } cases[] = {
        {"http://h", NULL},
        {"https://api.prefect.cloud/api/accounts/a/workspaces/b", NULL},
        {"http://[::1]:4200/api", NULL},
        {"http://", "has no host"},
        {"http:///api", "has no host"},
        {"http://h:x/api", "has a bad port"},
        {"http://h:/api", "has a bad port"},
        {"http://h/a b", "holds a character that no URL has"},
        {"http://h/api?x=1", "has a query or fragment"},
        {"ftp://h", "does not begin with http:// or https://"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *AUTO_FREE text = check_printf("[prefect]\napi_url = %s\n", cases[i].url);
        char *AUTO_FREE problem = check_printf(
            "c.conf:2: [prefect] api_url: \"%s\" %s; allowed: a URL such as http://127.0.0.1:4200/api\n",
            cases[i].url, cases[i].wrong != NULL ? cases[i].wrong : "");
        fixture_load(f, text, NULL, NULL);
        fixture_expect_problems(f, cases[i].wrong != NULL ? problem : "");
    }
}

static void test_all_mistakes_are_told_and_the_rest_is_read(void **state)
{
    struct fixture *f = *state;
    fixture_load(
        f,
        "[prefect]\npool = a/b\nname = w1\n[limits]\nrunning = 0\npulls = 7\nbad\n[class k]\nmatch_tag = [\n",
        NULL, NULL);
    assert_int_equal(f->problems.count, 4);
    assert_string_equal(f->config->worker_name, "w1");
    assert_int_equal(f->config->pulls, 7);
    assert_null(f->config->pool);
}

static void test_mistakes_come_in_the_order_of_lines(void **state)
{
    struct fixture *f = *state;
    const char *const environment[] = {"DOCKER_HOST=x", NULL};
    fixture_load(f, "[class k]\npriority = x\nbanan = 1\n[limits]\npulls = 0\nstop = 1\n[log]\nlevel = x\n",
                 environment, NULL);
    assert_int_equal(f->problems.count, 6);
    static const char *const starts[] = {
        "c.conf:2: ", "c.conf:3: ", "c.conf:5: ", "c.conf:6: ", "c.conf:8: ", "DOCKER_HOST: "};
    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (strncmp(f->problems.items[i].text, starts[i], strlen(starts[i])) != 0)
            fail_msg("%zu: %s", i, f->problems.items[i].text);
}

/* ---- files that are something else ---- */

static void test_line_length(void **state)
{
    struct fixture *f = *state;
    char text[400];
    for (int len = 198; len <= 201; len++) {
        char name[300];
        memset(name, 'n', sizeof(name));
        snprintf(text, sizeof(text), "[prefect]\nname = %.*s\npool = p\n", len - 7, name);
        fixture_load(f, text, NULL, NULL);
        char *AUTO_FREE problem =
            check_printf("c.conf:2: the line is %d bytes long; allowed: 200 with its newline\n", len + 1);
        fixture_expect_problems(f, len <= 199 ? "" : problem);
        assert_string_equal(f->config->pool, "p");
        if (len <= 199)
            assert_int_equal(strlen(f->config->worker_name), len - 7);
    }
}

static void test_lines_of_300_bytes_are_one_mistake_each(void **state)
{
    struct fixture *f = *state;
    char text[1000];
    char filler[301];
    memset(filler, 'x', 300);
    filler[300] = '\0';
    snprintf(text, sizeof(text), "[prefect]\n%s\npool=%s\n# %s\nname = w\n", filler, filler, filler);
    fixture_load(f, text, NULL, NULL);
    fixture_expect_problems(f, "c.conf:2: the line is 301 bytes long; allowed: 200 with its newline\n"
                               "c.conf:3: the line is 306 bytes long; allowed: 200 with its newline\n"
                               "c.conf:4: the line is 303 bytes long; allowed: 200 with its newline\n");
    assert_string_equal(f->config->worker_name, "w");
}

static void test_binary_file(void **state)
{
    struct fixture *f = *state;
    char bytes[65536];
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        seed = seed * 1664525u + 1013904223u;
        bytes[i] = (char)(seed >> 24);
    }
    fixture_write_bytes("c.conf", bytes, sizeof(bytes));
    fixture_load_file(f, "c.conf", NULL, NULL);
    assert_int_equal(f->result, 0);
    assert_int_equal(f->problems.count, CONFIG_MAX_PROBLEMS + 1);
    assert_string_equal(f->problems.items[CONFIG_MAX_PROBLEMS].text,
                        "more than 100 mistakes; the rest is not shown");
}

static void test_nul_bytes(void **state)
{
    struct fixture *f = *state;
    const char bytes[] = "[prefect]\npool = a\0b\nname = w\n";
    fixture_write_bytes("c.conf", bytes, sizeof(bytes) - 1);
    fixture_load_file(f, "c.conf", NULL, NULL);
    fixture_expect_problems(f, "c.conf:2: the line holds a control character; allowed: plain UTF-8 text\n");
    assert_string_equal(f->config->worker_name, "w");
}

static void test_ten_megabytes(void **state)
{
    struct fixture *f = *state;
    size_t size = 10 * 1024 * 1024;
    char *AUTO_FREE bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, '#', size);
    fixture_write_bytes("c.conf", bytes, size);
    fixture_load_file(f, "c.conf", NULL, NULL);
    assert_int_equal(f->result, -1);
    assert_int_equal(f->err.kind, ERR_LIMIT);
    assert_string_equal(f->err.msg, "configuration: c.conf: larger than 1024 KiB");
    /* without a newline, and with nothing but newlines */
    memset(bytes, 'a', size);
    fixture_write_bytes("c.conf", bytes, CONFIG_MAX_FILE_BYTES);
    fixture_load_file(f, "c.conf", NULL, NULL);
    fixture_expect_problems(f, "c.conf:1: the line is 1048577 bytes long; allowed: 200 with its newline\n");
    memset(bytes, '\n', size);
    fixture_write_bytes("c.conf", bytes, CONFIG_MAX_FILE_BYTES);
    fixture_load_file(f, "c.conf", NULL, NULL);
    fixture_expect_problems(f, "");
}

static void test_many_classes(void **state)
{
    struct fixture *f = *state;
    char *text = check_strdup("");
    for (int i = 0; i < CONFIG_MAX_CLASSES + 1; i++) {
        char *more = check_printf("%s[class c%d]\nmatch_tag = t\n", text, i);
        free(text);
        text = more;
    }
    fixture_load(f, text, NULL, NULL);
    free(text);
    fixture_expect_problems(f, "c.conf:401: [class c200]: too many classes; allowed: 200\n");
    assert_int_equal(f->config->class_count, CONFIG_MAX_CLASSES + 1);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    fixture_load_file(f, "none.conf", NULL, NULL);
    assert_int_equal(f->result, -1);
    assert_int_equal(f->err.kind, ERR_NOT_FOUND);
    assert_string_equal(f->err.msg, "configuration: none.conf: no such file");
    fixture_load_file(f, ".", NULL, NULL);
    assert_int_equal(f->result, -1);
    assert_int_equal(f->err.kind, ERR_IO);
    assert_string_equal(f->err.msg, "configuration: .: can't be read: Is a directory");
}

static void test_example_in_the_repository(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE path = check_printf("%s/sluice.conf", f->start_folder);
    fixture_load_file(f, path, NULL, NULL);
    if (f->result != 0)
        fail_msg("%s", f->err.msg);
    fixture_expect_problems(f, "");
    assert_string_equal(f->config->pool, "docker-pool");
    assert_int_equal(f->config->class_count, 3);
    assert_string_equal(f->config->classes[0].name, "etl");
}

static bool line_holds(const char *line, const char *word, size_t word_len)
{
    char *AUTO_FREE text = strndup(line, strcspn(line, "\n"));
    char *AUTO_FREE quoted = check_printf("`%.*s`", (int)word_len, word);
    assert_non_null(text);
    return strstr(text, quoted) != NULL;
}

/* One line of a table that has the key, its meaning, its default, its variables and its option. */
static bool is_documented(const char *text, const struct config_key *key)
{
    for (const char *line = strstr(text, key->help); line != NULL; line = strstr(line + 1, key->help)) {
        const char *start = line;
        while (start > text && start[-1] != '\n')
            start--;
        bool is_right = !config_key_is_in_file(key) || line_holds(start, key->key, strlen(key->key));
        is_right = is_right && (key->flag == NULL || line_holds(start, key->flag, strlen(key->flag)));
        is_right = is_right && (key->default_text == NULL ||
                                line_holds(start, key->default_text, strlen(key->default_text)));
        for (const char *name = key->environment; is_right && name != NULL && *name != '\0';) {
            size_t len = strcspn(name, " ");
            is_right = line_holds(start, name, len);
            name += len + strspn(name + len, " ");
        }
        if (is_right)
            return true;
    }
    return false;
}

static void test_documentation_names_every_key(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE path = check_printf("%s/docs/configuration.md", f->start_folder);
    static char text[200000];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[len] = '\0';
    for (size_t row = 0; row < config_key_count; row++)
        if (!is_documented(text, &config_keys[row]))
            fail_msg("docs/configuration.md has no right line for %s.%s", config_keys[row].section,
                     config_keys[row].key);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_key),
        TEST(test_every_key_that_a_class_may_set),
        TEST(test_values_arrive_in_the_struct),
        TEST(test_pulls_may_be_learned),
        TEST(test_defaults),
        TEST(test_classes_choose),
        TEST(test_late_needs_to_be_told_when),
        TEST(test_unknown_words),
        TEST(test_learned_times_with_mistakes),
        TEST(test_learned_times),
        TEST(test_learned_times_of_all_stages),
        TEST(test_a_learned_silence),
        TEST(test_form),
        TEST(test_classes_with_mistakes),
        TEST(test_addresses),
        TEST(test_where_to_listen),
        TEST(test_urls),
        TEST(test_webhooks),
        TEST(test_logins_in_addresses_are_not_shown),
        TEST(test_all_mistakes_are_told_and_the_rest_is_read),
        TEST(test_mistakes_come_in_the_order_of_lines),
        TEST(test_line_length),
        TEST(test_lines_of_300_bytes_are_one_mistake_each),
        TEST(test_binary_file),
        TEST(test_nul_bytes),
        TEST(test_ten_megabytes),
        TEST(test_many_classes),
        TEST(test_files_that_cannot_be_read),
        TEST(test_example_in_the_repository),
        TEST(test_documentation_names_every_key),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
