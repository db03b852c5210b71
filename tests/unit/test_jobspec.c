/*
 * test_jobspec.c - the promises of api/jobspec.h, and what hostile or broken input does to them.
 *
 * What a good configuration becomes is held against the official worker in test_jobspec_cases.c.
 */
#include "tests/unit/jobspec_input.h"

#include "api/jobspec.h"
#include "api/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define BIG_BYTES ((size_t)5 << 20)

static struct jobspec_input input_of(const char *template, const char *deployment, const char *run)
{
    struct jobspec_input input = ordinary_input();
    if (template != NULL)
        input.template_json = template;
    input.deployment_variables_json = deployment;
    input.run_variables_json = run;
    return input;
}

/* Render; on failure the error must be of that kind and name `part`, and the output must be untouched. */
static void assert_refused(const char *template, const char *run, enum err_kind kind, const char *part)
{
    struct jobspec_input input = input_of(template, "{}", run);
    struct jobspec spec = {.stream_output = true, .pull_policy = JOBSPEC_PULL_NEVER};
    struct err err = {0};
    assert_int_equal(jobspec_render(&input, &spec, &err), -1);
    if (strstr(err.msg, part) == NULL)
        fail_msg("\"%s\" does not name \"%s\"", err.msg, part);
    assert_int_equal(err.kind, kind);
    assert_null(spec.image);
    assert_null(spec.create_body);
    assert_true(spec.stream_output && spec.pull_policy == JOBSPEC_PULL_NEVER);
}

/* Render what must succeed; the caller frees the body with json_free. */
static struct json *body_of(const struct jobspec_input *input, struct jobspec *spec)
{
    struct err err = {0};
    if (jobspec_render(input, spec, &err) != 0)
        fail_msg("%s", err.msg);
    struct json *body = NULL;
    assert_int_equal(json_parse(spec->create_body, strlen(spec->create_body), &body, &err), 0);
    return body;
}

/* What is long enough to be a secret goes; words that happen to be values stay. */
static void test_hidden_values(void **state)
{
    (void)state;
    struct jobspec_input input = input_of(
        NULL, "{}", "{\"env\":{\"A\":\"s3cr3t-t0ken\",\"B\":\"true\",\"C\":\"with \\\"quotes\\\" in it\"}}");
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    char message[] = "A=s3cr3t-t0ken B=true C=with \"quotes\" in it s3cr3t-t0ken";
    jobspec_hide(&spec, message);
    assert_string_equal(message, "A=************ B=true C=******************* ************");
    jobspec_hide(NULL, message);
    json_free(body);
    jobspec_done(&spec);
    jobspec_hide(&spec, message);
    assert_string_equal(message, "A=************ B=true C=******************* ************");
}

/* "prefix" + count times "part" + "suffix"; malloc'ed. */
static char *repeat(const char *prefix, const char *part, size_t count, const char *suffix)
{
    struct buf text;
    struct err err;
    buf_init(&text, SIZE_MAX / 4);
    assert_int_equal(buf_add_str(&text, prefix, &err), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(buf_add_str(&text, part, &err), 0);
    assert_int_equal(buf_add_str(&text, suffix, &err), 0);
    return buf_take(&text);
}

/* --- the small functions ---------------------------------------------------------------------------------
 */

static void assert_slug(const char *text, const char *expected)
{
    char *AUTO_FREE slug = jobspec_slug(text);
    assert_string_equal(slug, expected);
}

static void test_slug(void **state)
{
    (void)state;
    assert_slug("größe naïve Ærø ©", "grosse-naive-AEro-c");
    assert_slug("Привет мир", "Privet-mir");
    assert_slug("Ζώρζ Ψ", "Zorz-Ps");
    assert_slug("1,000,000 rows", "1000000-rows");
    assert_slug("it's, don’t", "it-s-dont");
    assert_slug("caf&eacute;&#33;x&#x2e;y", "cafe-x.y");
    assert_slug("日本語 run", "run");
    assert_slug("_-.tail-_.-", "tail-_.");
    assert_slug("", "");
    assert_slug("!?!", "");
    assert_slug("אבג", "");
    assert_slug("\u202e\u2067evil", "evil");
    assert_slug("a\xff\xc3(b\xe2\x82", "a-b");
    assert_slug("&#99999999999999999999;&#65;&bogus;&", "99999999999999999999-65-bogus");
}

/* Every character there is, in bunches: nothing but legal ones may come out. */
static void test_slug_is_always_legal(void **state)
{
    (void)state;
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    for (uint32_t first = 1; first < 0x110000; first += 64) {
        char text[64 * 4 + 1];
        size_t n = 0;
        for (uint32_t c = first; c < first + 64 && c < 0x110000; c++) {
            if (c < 0x80) {
                text[n++] = (char)c;
            } else if (c < 0x800) {
                text[n++] = (char)(0xC0 | c >> 6);
                text[n++] = (char)(0x80 | (c & 0x3F));
            } else if (c < 0x10000) {
                text[n++] = (char)(0xE0 | c >> 12);
                text[n++] = (char)(0x80 | (c >> 6 & 0x3F));
                text[n++] = (char)(0x80 | (c & 0x3F));
            } else {
                text[n++] = (char)(0xF0 | c >> 18);
                text[n++] = (char)(0x80 | (c >> 12 & 0x3F));
                text[n++] = (char)(0x80 | (c >> 6 & 0x3F));
                text[n++] = (char)(0x80 | (c & 0x3F));
            }
        }
        text[n] = '\0';
        char *AUTO_FREE slug = jobspec_slug(text);
        assert_int_equal(strspn(slug, legal), strlen(slug));
        assert_true(strlen(slug) <= 250);
        assert_null(strchr("_-.", *slug == '\0' ? 'x' : *slug));
    }
}

static void assert_words(const char *command, const char *expected)
{
    char **words = NULL;
    struct err err;
    assert_int_equal(jobspec_split_command(command, &words, &err), 0);
    char joined[200] = "";
    size_t n = 0;
    for (char **word = words; *word != NULL; word++)
        n += (size_t)snprintf(joined + n, sizeof(joined) - n, "[%s]", *word);
    jobspec_free_list(words);
    assert_string_equal(joined, expected);
}

static void test_split_command(void **state)
{
    (void)state;
    assert_words("", "");
    assert_words(" \t\r\n ", "");
    assert_words("sh -c 'echo \"$HOME\" \\ x'", "[sh][-c][echo \"$HOME\" \\ x]");
    assert_words("a\\ b \"c \\\" \\\\ \\n\" ''", "[a b][c \" \\ \\n][]");
    assert_words("x'y'\"z\" # no comment", "[xyz][#][no][comment]");
    static const char *const broken[] = {"'", "a \"b", "a\\", "\"a\\"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        char **words = NULL;
        struct err err;
        assert_int_equal(jobspec_split_command(broken[i], &words, &err), -1);
        assert_int_equal(err.kind, ERR_PARSE);
        assert_null(words);
    }
}

static void test_parse_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long long bytes;
    } good[] = {{"", 0},          {"512m", 512LL << 20}, {"1.5G", 3LL << 29},  {"10kb", 10240},
                {"-1", -1},       {"1.999m", 2096103},   {"12 m", 12LL << 20}, {"1_000k", 1024000},
                {"1e7", 10000000}};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        long long bytes = 7;
        assert_int_equal(jobspec_parse_size(good[i].text, &bytes, &err), 0);
        assert_int_equal(bytes, good[i].bytes);
    }
    char *AUTO_FREE digits = repeat("", "9", 5000, "k");
    const char *const bad[] = {"1t",  "12mib",    "m",   "b",    "x",    "1e",    "0x1",
                               "nan", "infinity", "1 2", "1__0", "\xff", "9e99g", digits};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        long long bytes = 7;
        assert_int_equal(jobspec_parse_size(bad[i], &bytes, &err), -1);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_int_equal(bytes, 7);
    }
}

static void test_image_tag(void **state)
{
    (void)state;
    const char *image = "r.example:5000/a/b:2";
    assert_ptr_equal(jobspec_image_tag(image), image + strlen(image) - 1);
    assert_string_equal(jobspec_image_tag("r.example:5000/app"), "latest");
    assert_string_equal(jobspec_image_tag("busybox"), "latest");
    assert_string_equal(jobspec_image_tag("busybox:"), "latest");
    assert_string_equal(jobspec_image_tag("a/b:1@sha256:00"), "sha256:00");
    assert_string_equal(jobspec_image_tag(""), "latest");
}

/* --- rendering -------------------------------------------------------------------------------------------
 */

static void test_warning_only_for_an_old_engine(void **state)
{
    (void)state;
    struct jobspec_input input =
        input_of(NULL, "{}", "{\"env\":{\"PREFECT_API_URL\":\"http://localhost/api\"}}");
    struct jobspec spec;
    static const char *const versions[] = {"1.41", "1.51", "2.0", ""};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        input.engine_api_version = versions[i];
        struct json *body = body_of(&input, &spec);
        const struct json *hosts = json_get(json_get(body, "HostConfig"), "ExtraHosts");
        assert_string_equal(json_text(json_first(hosts), ""), "host.docker.internal:host-gateway");
        assert_null(spec.warning);
        json_free(body);
        jobspec_done(&spec);
    }
    input.engine_api_version = "1.40";
    struct json *body = body_of(&input, &spec);
    assert_int_equal(json_count(json_get(json_get(body, "HostConfig"), "ExtraHosts")), 0);
    assert_non_null(strstr(spec.warning, "host-gateway"));
    json_free(body);
    jobspec_done(&spec);
}

/* Podman before 4.7 takes "host-gateway" for an address. Its own name of the machine is in every container.
 */
static void test_podman_has_a_name_of_its_own(void **state)
{
    (void)state;
    static const char *const local[] = {"PREFECT_API_URL", "http://127.0.0.1:4200/api", NULL};
    static const struct {
        const char *version;
        const char *url;
        bool has_entry;
    } cases[] = {
        {"4.3.1", "PREFECT_API_URL=http://host.containers.internal:4200/api", false},
        {"4.6.2", "PREFECT_API_URL=http://host.containers.internal:4200/api", false},
        {"3.4", "PREFECT_API_URL=http://host.containers.internal:4200/api", false},
        {"4.7.0", "PREFECT_API_URL=http://host.docker.internal:4200/api", true},
        {"5.0.0-dev", "PREFECT_API_URL=http://host.docker.internal:4200/api", true},
        {"", "PREFECT_API_URL=http://host.docker.internal:4200/api", true},
    };
    struct jobspec_input input = input_of(NULL, "{}", "{\"network_mode\":\"bridge\"}");
    input.api_url = local[1];
    input.forwarded = local;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        input.podman_version = cases[i].version;
        struct jobspec spec;
        struct json *body = body_of(&input, &spec);
        assert_string_equal(json_text(json_first(json_get(body, "Env")), ""), cases[i].url);
        assert_int_equal(json_count(json_get(json_get(body, "HostConfig"), "ExtraHosts")),
                         cases[i].has_entry);
        assert_null(spec.warning);
        json_free(body);
        jobspec_done(&spec);
    }
}

static void test_podman_warns_of_a_name_it_does_not_know(void **state)
{
    (void)state;
    struct jobspec_input input =
        input_of(NULL, "{}", "{\"env\":{\"PREFECT_API_URL\":\"http://host.docker.internal/api\"}}");
    input.podman_version = "4.3.1";
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    assert_non_null(strstr(spec.warning, "Podman 4.3.1"));
    assert_non_null(strstr(spec.warning, "host.containers.internal"));
    json_free(body);
    jobspec_done(&spec);
}

static void test_nothing_set(void **state)
{
    (void)state;
    struct jobspec_input input = input_of(NULL, "null", "null");
    input.forwarded = NULL;
    input.worker_name = "";
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    const struct json *first = json_first(json_get(body, "Env"));
    assert_string_equal(json_text(first, ""), "PREFECT__FLOW_RUN_ID=9cbc73f1-52d4-41c9-8e06-1c2c934f169e");
    assert_string_equal(spec.image, "prefecthq/prefect:3-latest");
    assert_string_equal(spec.name, "heron");
    assert_null(spec.networks);
    assert_null(spec.platform);
    assert_false(spec.tty);
    json_free(body);
    jobspec_done(&spec);
}

static void test_what_keywords_tell_the_caller(void **state)
{
    (void)state;
    struct jobspec_input input = input_of(
        NULL, "{}",
        "{\"container_create_kwargs\":{\"tty\":true,\"platform\":\"linux/arm64\",\"volumes\":[\"/a\"]}}");
    struct jobspec spec;
    json_free(body_of(&input, &spec));
    assert_true(spec.tty);
    assert_string_equal(spec.platform, "linux/arm64");
    assert_non_null(strstr(spec.warning, "volumes"));
    jobspec_done(&spec);
}

static void test_own_labels_cannot_be_taken(void **state)
{
    (void)state;
    struct jobspec_input input = input_of(NULL, "{}",
                                          "{\"labels\":{\"io.sluice.launch\":\"other\",\"sluice.io/"
                                          "instance\":\"other\",\"io.sluice.class\":\"x\"}}");
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    const struct json *labels = json_get(body, "Labels");
    assert_string_equal(json_get_text(labels, "io.sluice.launch", ""), "l");
    assert_string_equal(json_get_text(labels, "io.sluice.instance", ""), "i");
    assert_string_equal(json_get_text(labels, "io.sluice.class", ""), "c");
    json_free(body);
    jobspec_done(&spec);
}

static void test_malformed_templates(void **state)
{
    (void)state;
    static const char *const pool = "base job template of the work pool";
    assert_refused("", "{}", ERR_PARSE, pool);
    assert_refused("{", "{}", ERR_PARSE, pool);
    assert_refused("[]", "{}", ERR_PARSE, pool);
    assert_refused("{}", "{}", ERR_PARSE, "job_configuration");
    assert_refused("null", "{}", ERR_PARSE, "job_configuration");
    assert_refused("{\"job_configuration\":[]}", "{}", ERR_PARSE, "job_configuration");
    assert_refused("{\"job_configuration\":{},\"variables\":[]}", "{}", ERR_PARSE, pool);
    assert_refused("{\"job_configuration\":{},\"variables\":{\"properties\":[]}}", "{}", ERR_PARSE, pool);
    assert_refused("{\"job_configuration\":{},\"variables\":{\"properties\":{\"x\":5}}}", "{}", ERR_PARSE,
                   "variable x");
    assert_refused(NULL, "[]", ERR_PARSE, "job variables of the flow run");
    assert_refused(NULL, "{\"env\":{\"A\":\"\\u0000\"}}", ERR_INVALID, "u0000");
    assert_refused(NULL, "{\"env\":{\"A\":\"\xff\"}}", ERR_PARSE, "UTF-8");
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char *AUTO_FREE deep = repeat("{\"env\":{\"A\":", "[", 100000, "");
    assert_refused(NULL, deep, ERR_LIMIT, "nested");
    char *AUTO_FREE dotted = repeat("{\"env", ".a", 100000, "\":1}");
    assert_refused(NULL, dotted, ERR_LIMIT, "parts");
    char *AUTO_FREE path = repeat("{\"job_configuration\":{\"image\":\"{{ a", "[0]", 100000, " }}\"}}");
    assert_refused(path, "{}", ERR_LIMIT, "image");
}

static void test_members_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    struct err err;
    buf_init(&text, SIZE_MAX / 4);
    assert_int_equal(buf_add_str(&text, "{\"env\":{\"a\":1", &err), 0);
    for (int i = 0; i < 200000; i++)
        assert_int_equal(buf_printf(&text, &err, ",\"k%d\":1", i), 0);
    assert_int_equal(buf_add_str(&text, "}}", &err), 0);
    assert_refused(NULL, buf_text(&text), ERR_LIMIT, "env");
    assert_refused(NULL, buf_text(&text) + strlen("{\"env\":"), ERR_PARSE, "job variables");
    buf_done(&text);
}

static void test_growth_is_bounded(void **state)
{
    (void)state;
    char *AUTO_FREE run = repeat("{\"x\":\"", "0123456789abcdef", BIG_BYTES / 16, "\"}");
    char *AUTO_FREE texts = repeat("{\"job_configuration\":{\"command\":\"", "{{ x }}", 1000, "\"}}");
    assert_refused(texts, run, ERR_LIMIT, "command");
    char *AUTO_FREE items =
        repeat("{\"job_configuration\":{\"networks\":[\"{{ x }}\"", ",\"{{ x }}\"", 1000, "]}}");
    assert_refused(items, run, ERR_LIMIT, "networks");
    struct jobspec_input input = input_of(texts, "{}", "{\"x\":\"\"}");
    struct jobspec spec;
    json_free(body_of(&input, &spec));
    jobspec_done(&spec);
}

static void test_large_values_arrive_whole(void **state)
{
    (void)state;
    char *AUTO_FREE run = repeat("{\"env\":{\"A\":\"", "0123456789abcdef", BIG_BYTES / 16, "\"}}");
    struct jobspec_input input = input_of(NULL, "{}", run);
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    bool is_found = false;
    for (const struct json *item = json_first(json_get(body, "Env")); item != NULL; item = json_next(item))
        is_found = is_found || strlen(json_text(item, "")) == strlen("A=") + BIG_BYTES;
    assert_true(is_found);
    json_free(body);
    jobspec_done(&spec);
    char *AUTO_FREE braces = repeat("{\"name\":\"", "{{ ", BIG_BYTES / 3, "\"}");
    input.run_variables_json = braces;
    json_free(body_of(&input, &spec));
    assert_string_equal(spec.name, "run-9cbc73f1");
    jobspec_done(&spec);
}

static void test_errors_keep_secrets(void **state)
{
    (void)state;
    static const char *const runs[] = {
        "{\"registry_credentials\":{\"username\":\"u\",\"password\":\"hunter2\"}}",
        "{\"registry_credentials\":{\"username\":[\"hunter2\"],\"password\":\"hunter2\",\"registry_url\":"
        "\"r\"}}",
        "{\"registry_credentials\":{\"username\":\"u\",\"password\":{\"hunter2\":1},\"registry_url\":\"r\"}}",
        "{\"registry_credentials\":{\"username\":\"u\",\"password\":\"hunter2\",\"registry_url\":\"r\","
        "\"reauth\":\"hunter2\"}}",
        "{\"registry_credentials\":\"hunter2\"}",
        "{\"env\":{\"A\":\"hunter2\",\"B\":{\"$ref\":\"hunter2\"}}}",
        "{\"env\":\"hunter2\"}",
        "{\"labels\":{\"a\":[\"hunter2\"]}}",
        "{\"env.A\":\"hunter2\",\"env.A.B\":\"hunter2\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        struct jobspec_input input = input_of(NULL, "{}", runs[i]);
        struct jobspec spec;
        struct err err = {0};
        assert_int_equal(jobspec_render(&input, &spec, &err), -1);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

static void test_registry_credentials(void **state)
{
    (void)state;
    struct jobspec_input input = input_of(NULL, "{}",
                                          "{\"registry_credentials\":{\"username\":\"u\",\"password\":\"p:"
                                          "w\",\"registry_url\":\"https://r.example/v1/\"}}");
    struct jobspec spec;
    struct json *body = body_of(&input, &spec);
    assert_string_equal(spec.credentials->username, "u");
    assert_string_equal(spec.credentials->password, "p:w");
    assert_string_equal(spec.credentials->registry_url, "https://r.example/v1/");
    assert_true(spec.credentials->reauth);
    assert_null(strstr(spec.create_body, "p:w"));
    json_free(body);
    jobspec_done(&spec);
    input.run_variables_json =
        "{\"registry_credentials\":{\"username\":\"\",\"password\":\"\",\"registry_url\":"
        "\"\",\"reauth\":\"off\",\"more\":[1]}}";
    json_free(body_of(&input, &spec));
    assert_false(spec.credentials->reauth);
    jobspec_done(&spec);
    input.run_variables_json = "{\"registry_credentials\":null}";
    json_free(body_of(&input, &spec));
    assert_null(spec.credentials);
    jobspec_done(&spec);
}

static void test_wrong_registry_credentials(void **state)
{
    (void)state;
    assert_refused(NULL, "{\"registry_credentials\":[]}", ERR_INVALID,
                   "registry_credentials: expected an object");
    assert_refused(NULL, "{\"registry_credentials\":{\"username\":\"u\",\"registry_url\":\"r\"}}",
                   ERR_INVALID, "registry_credentials: password is missing");
    assert_refused(NULL,
                   "{\"registry_credentials\":{\"username\":\"u\",\"password\":7,\"registry_url\":\"r\"}}",
                   ERR_INVALID, "registry_credentials: password: expected text, got");
    assert_refused(NULL, "{\"registry_credentials\":{\"username\":\"u\",\"password\":\"p\"}}", ERR_INVALID,
                   "registry_url is missing");
    assert_refused(NULL,
                   "{\"registry_credentials\":{\"username\":\"u\",\"password\":\"p\",\"registry_url\":\"r\","
                   "\"reauth\":2}}",
                   ERR_INVALID, "reauth: expected true or false");
    char *AUTO_FREE huge =
        repeat("{\"registry_credentials\":{\"username\":\"u\",\"registry_url\":\"r\",\"password\":\"", "x",
               70000, "\"}}");
    assert_refused(NULL, huge, ERR_LIMIT, "registry_credentials: password is longer");
}

static void test_hostile_names(void **state)
{
    (void)state;
    static const char *const names[] = {"\u202e\u2066\u200f", "🎉🎊🎈",  "////", "..", "x", "日本",
                                        "&#0;&#x0;",          "{{ }}"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct jobspec_input input = input_of(NULL, "{}", "{}");
        input.flow_run_name = names[i];
        struct jobspec spec;
        json_free(body_of(&input, &spec));
        assert_string_equal(spec.name, "run-9cbc73f1");
        jobspec_done(&spec);
    }
    char *AUTO_FREE run = repeat("{\"name\":\"", "aб", 300, "\"}");
    struct jobspec_input input = input_of(NULL, "{}", run);
    struct jobspec spec;
    json_free(body_of(&input, &spec));
    assert_int_equal(strlen(spec.name), 250);
    jobspec_done(&spec);
}

/* Any change of a few bytes gives either a sentence or a body that is JSON. */
static void test_random_damage(void **state)
{
    (void)state;
    static const char good[] =
        "{\"env\":{\"A\":\"{{ x.y[0] }}\",\"B\":null,\"C\":1.50},\"env.D\":\"d\",\"name\":\"{{ ctx.flow.name "
        "}}\","
        "\"command\":\"sh -c 'a b'\",\"volumes\":[\"./a:/b:ro\",\"C:\\\\x:/y\"],\"mem_limit\":\"1.5g\","
        "\"labels\":{\"a.b/c\":\"&#65;\"},\"networks\":[\"n\",\"m\"],\"image\":\"r:5000/a@b:c\"}";
    static const char interesting[] = "{}[]\",:\\'.0-$/ &;#\xff";
    uint32_t seed = 12345;
    int rendered = 0;
    for (int i = 0; i < 1500; i++) {
        char run[sizeof(good)];
        memcpy(run, good, sizeof(good));
        for (int change = 0; change < 1 + i % 3; change++) {
            seed = seed * 1664525 + 1013904223;
            run[(seed >> 8) % (sizeof(good) - 1)] = interesting[(seed >> 24) % (sizeof(interesting) - 1)];
        }
        struct jobspec_input input = input_of(NULL, "{\"env\":{\"A\":\"a\"}}", run);
        struct jobspec spec;
        struct err err = {0};
        if (jobspec_render(&input, &spec, &err) != 0) {
            assert_true(err.kind != ERR_NONE && err.msg[0] != '\0');
            continue;
        }
        if (spec.question_count > 0) { /* for a field of the flow that it may have */
            jobspec_done(&spec);
            continue;
        }
        rendered++;
        struct json *body = NULL;
        assert_int_equal(json_parse(spec.create_body, strlen(spec.create_body), &body, &err), 0);
        json_free(body);
        jobspec_done(&spec);
    }
    assert_in_range(rendered, 100, 1400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hidden_values),
        cmocka_unit_test(test_slug),
        cmocka_unit_test(test_slug_is_always_legal),
        cmocka_unit_test(test_split_command),
        cmocka_unit_test(test_parse_size),
        cmocka_unit_test(test_image_tag),
        cmocka_unit_test(test_warning_only_for_an_old_engine),
        cmocka_unit_test(test_podman_has_a_name_of_its_own),
        cmocka_unit_test(test_podman_warns_of_a_name_it_does_not_know),
        cmocka_unit_test(test_nothing_set),
        cmocka_unit_test(test_what_keywords_tell_the_caller),
        cmocka_unit_test(test_own_labels_cannot_be_taken),
        cmocka_unit_test(test_malformed_templates),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_members_are_bounded),
        cmocka_unit_test(test_growth_is_bounded),
        cmocka_unit_test(test_large_values_arrive_whole),
        cmocka_unit_test(test_registry_credentials),
        cmocka_unit_test(test_wrong_registry_credentials),
        cmocka_unit_test(test_errors_keep_secrets),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
