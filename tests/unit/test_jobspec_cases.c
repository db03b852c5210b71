/*
 * test_jobspec_cases.c - our job configurations against those of the official worker.
 *
 * tests/data/jobspec-cases.json and reference-cases.json (blocks and variables) hold what the official
 * classes made of each input; make_jobspec_cases.py and make_reference_cases.py renew them. Before the texts
 * are compared, to the last byte and with the order of keys, the official result is changed by three rules:
 *   1. our three labels (instance, launch, class) stand behind the others;
 *   2. HostConfig.AutoRemove is left out: the service removes the container after reading its exit code;
 *   3. NetworkingConfig {"NET": null} is {"EndpointsConfig": {"NET": {}}}, the form engines know, and of
 * several endpoints only the first network's is left, since the others are connected after the create;
 *   4. no name, or one too short for the engine, is "run-" and the first 8 characters of the run's id.
 * Cases with "ours" are deliberate differences and say themselves what is to come out.
 */
#include "tests/unit/jobspec_server.h"
#include "tests/unit/whole_file.h"

#include <stdio.h>
#include <string.h>

#define CASES_MIN 600
#define PAIRS_MAX 20

static const char *text_of(const struct json *input, const char *key)
{
    const char *text = json_get_text(input, key, NULL);
    assert_non_null(text);
    return text;
}

static const char *lookup(void *arg, const char *name)
{
    return json_get_text(arg, name, NULL);
}

static struct json *with_defaults(const struct json *defaults, const struct json *input)
{
    struct json *all = json_copy(defaults);
    for (const struct json *item = json_first(input); item != NULL; item = json_next(item))
        json_take_set(all, json_key(item), json_copy(item));
    return all;
}

/* What the server has: for blocks, variables and the whole flow run. */
static struct json *world_of(const struct json *input)
{
    const struct json *server = json_get(input, "server");
    struct json *world = server == NULL ? json_new_object() : json_copy(server);
    if (json_kind(json_get(input, "flow_run_json")) == JSON_OBJECT)
        json_take_set(world, "flow_run", json_copy(json_get(input, "flow_run_json")));
    return world;
}

static void fill_pairs(const struct json *object, const char **out)
{
    assert_true(json_count(object) <= PAIRS_MAX);
    for (const struct json *item = json_first(object); item != NULL; item = json_next(item)) {
        *out++ = json_key(item);
        *out++ = json_text(item, "");
    }
}

static int render(struct json *input, struct jobspec *out, struct err *err)
{
    const struct json *template = json_get(input, "template");
    char *AUTO_FREE template_text =
        template == NULL ? check_strdup(jobspec_default_template()) : json_write(template);
    char *AUTO_FREE deployment = json_write(json_get(input, "deployment_variables"));
    char *AUTO_FREE run = json_write(json_get(input, "run_variables"));
    const char *forwarded[PAIRS_MAX * 2 + 1] = {NULL};
    const char *proxies[PAIRS_MAX * 2 + 1] = {NULL};
    fill_pairs(json_get(input, "forwarded"), forwarded);
    fill_pairs(json_get(input, "proxy_environment"), proxies);
    struct jobspec_input in = {
        .template_json = template_text,
        .deployment_variables_json = deployment,
        .run_variables_json = run,
        .flow_run_id = text_of(input, "flow_run_id"),
        .flow_run_name = text_of(input, "flow_run_name"),
        .flow_id = text_of(input, "flow_id"),
        .flow_name = text_of(input, "flow_name"),
        .deployment_id = text_of(input, "deployment_id"),
        .deployment_name = text_of(input, "deployment_name"),
        .deployment_updated = text_of(input, "deployment_updated"),
        .pool_id = text_of(input, "pool_id"),
        .pool_name = text_of(input, "pool_name"),
        .worker_name = text_of(input, "worker_name"),
        .worker_id = text_of(input, "worker_id"),
        .prefect_version = text_of(input, "prefect_version"),
        .api_url = text_of(input, "api_url"),
        .forwarded = forwarded,
        .proxy_environment = proxies,
        .default_image = text_of(input, "default_image"),
        .working_directory = text_of(input, "working_directory"),
        .instance = "inst",
        .launch_id = "launch-1",
        .class_name = "default",
        .engine_api_version = text_of(input, "engine_api_version"),
        .getenv = lookup,
        .getenv_arg = json_edit(input, "environment"),
    };
    struct json *world = world_of(input);
    struct jobspec_server server = {.world = world};
    int rc = jobspec_server_render(&server, &in, out, err);
    jobspec_server_done(&server);
    json_free(world);
    return rc;
}

/* --- what is expected ------------------------------------------------------------------------------------
 */

/* The four rules of the head comment. */
static void normalise(struct json *result)
{
    struct json *body = json_edit(result, "body");
    if (strlen(json_get_text(result, "name", "")) < 2)
        json_set_text(result, "name", "run-9cbc73f1");
    struct json *labels = json_edit(body, "Labels");
    json_set_text(labels, "io.sluice.instance", "inst");
    json_set_text(labels, "io.sluice.launch", "launch-1");
    json_set_text(labels, "io.sluice.class", "default");
    json_remove(json_edit(body, "HostConfig"), "AutoRemove");
    if (json_get(body, "NetworkingConfig") == NULL)
        return;
    const char *network = json_get_text(json_get(body, "HostConfig"), "NetworkMode", "");
    const struct json *given =
        json_get(json_get(json_get(body, "NetworkingConfig"), "EndpointsConfig"), network);
    struct json *endpoints = json_new_object();
    json_take_set(endpoints, network, given == NULL ? json_new_object() : json_copy(given));
    struct json *config = json_new_object();
    json_take_set(config, "EndpointsConfig", endpoints);
    json_take_set(body, "NetworkingConfig", config);
}

/* Deliberate differences that are more than a sentence. */
static void apply_ours(struct json *expected, const struct json *ours)
{
    struct json *body = json_edit(expected, "body");
    struct json *host = json_edit(body, "HostConfig");
    if (json_get(ours, "name") != NULL)
        json_take_set(expected, "name", json_copy(json_get(ours, "name")));
    if (json_get(ours, "networks") != NULL)
        json_take_set(expected, "networks", json_copy(json_get(ours, "networks")));
    if (json_get(ours, "memory") != NULL) {
        struct json *limited = json_new_object();
        json_take_set(limited, "Memory", json_copy(json_get(ours, "memory")));
        for (const struct json *item = json_first(host); item != NULL; item = json_next(item))
            json_take_set(limited, json_key(item), json_copy(item));
        json_take_set(body, "HostConfig", limited);
    }
    if (json_get(ours, "binds") != NULL)
        json_take_set(host, "Binds", json_copy(json_get(ours, "binds")));
    if (json_get(ours, "paths") == NULL)
        return;
    struct json *volumes = json_new_object();
    for (const struct json *path = json_first(json_get(ours, "paths")); path != NULL; path = json_next(path))
        json_take_set(volumes, json_text(path, ""), json_new_object());
    json_take_set(body, "Volumes", volumes);
}

static const struct json *find_case(const struct json *root, const char *title)
{
    for (const struct json *one = json_first(json_get(root, "cases")); one != NULL; one = json_next(one)) {
        if (strcmp(json_get_text(one, "title", ""), title) == 0)
            return one;
    }
    fail_msg("no case has the title \"%s\"", title);
    return NULL;
}

static struct json *expected_result(const struct json *root, const struct json *one)
{
    const struct json *ours = json_get(one, "ours");
    const char *other = json_get_text(ours, "same_as", NULL);
    if (other != NULL)
        one = find_case(root, other);
    struct json *expected = json_copy(json_get(one, "official"));
    assert_non_null(json_get(expected, "body"));
    normalise(expected);
    apply_ours(expected, ours);
    return expected;
}

/* --- comparing -------------------------------------------------------------------------------------------
 */

static struct json *result_of(const struct jobspec *spec)
{
    static const char *const policies[] = {
        [JOBSPEC_PULL_IF_NOT_PRESENT] = "IfNotPresent",
        [JOBSPEC_PULL_ALWAYS] = "Always",
        [JOBSPEC_PULL_IF_POSSIBLE] = "IfPossible",
        [JOBSPEC_PULL_NEVER] = "Never",
    };
    struct json *result = json_new_object();
    struct json *body = NULL;
    struct err err;
    assert_int_equal(json_parse(spec->create_body, strlen(spec->create_body), &body, &err), 0);
    json_take_set(result, "body", body);
    json_set_text(result, "name", spec->name);
    json_set_text(result, "platform", spec->platform);
    json_set_text(result, "image", spec->image);
    json_set_text(result, "pull_policy", policies[spec->pull_policy]);
    struct json *networks = json_new_array();
    for (char **network = spec->networks; network != NULL && *network != NULL; network++)
        json_take_add(networks, json_new_text(*network));
    json_take_set(result, "networks", networks);
    json_set_bool(result, "auto_remove", spec->auto_remove);
    json_set_bool(result, "stream_output", spec->stream_output);
    return result;
}

static bool is_as_expected(const struct json *root, const struct json *one, const struct jobspec *spec)
{
    struct json *wanted = expected_result(root, one);
    struct json *got = result_of(spec);
    char *AUTO_FREE wanted_text = json_write(wanted);
    char *AUTO_FREE got_text = json_write(got);
    json_free(wanted);
    json_free(got);
    bool is_equal = strcmp(wanted_text, got_text) == 0;
    if (!is_equal) {
        size_t same = 0;
        while (wanted_text[same] == got_text[same])
            same++;
        same -= same < 60 ? same : 60;
        print_error("wanted ...%.160s\n   got ...%.160s\n", wanted_text + same, got_text + same);
    }
    return is_equal;
}

static bool run_case(const struct json *root, const struct json *one)
{
    struct json *input = with_defaults(json_get(root, "defaults"), json_get(one, "input"));
    struct jobspec spec = {0};
    struct err err = {0};
    int rc = render(input, &spec, &err);
    const char *sentence = json_get_text(json_get(one, "ours"), "error", NULL);
    bool is_good = false;
    if (sentence != NULL)
        is_good = rc == -1 && strstr(err.msg, sentence) != NULL &&
                  (err.kind == ERR_INVALID || err.kind == ERR_PARSE);
    else if (rc == 0)
        is_good = is_as_expected(root, one, &spec);
    if (!is_good)
        print_error("case \"%s\": %s\n", json_get_text(one, "title", ""), rc == 0 ? "differs" : err.msg);
    jobspec_done(&spec);
    json_free(input);
    return is_good;
}

static void expect_cases(const char *path, int count_min)
{
    char *AUTO_FREE text = read_whole(path);
    struct json *root = NULL;
    struct err err;
    assert_int_equal(json_parse(text, strlen(text), &root, &err), 0);
    int count = 0;
    int failed = 0;
    for (const struct json *one = json_first(json_get(root, "cases")); one != NULL; one = json_next(one)) {
        count++;
        failed += !run_case(root, one);
    }
    print_message("%d cases, %d differ\n", count, failed);
    json_free(root);
    free(STEAL(text));
    assert_true(count >= count_min);
    assert_int_equal(failed, 0);
}

static void test_official_cases(void **state)
{
    (void)state;
    expect_cases("tests/data/jobspec-cases.json", 300);
}

static void test_official_references(void **state)
{
    (void)state;
    expect_cases("tests/data/reference-cases.json", 50);
}

static void test_default_template_is_the_file(void **state)
{
    (void)state;
    char *AUTO_FREE text = read_whole("api/docker-base-job-template.json");
    assert_string_equal(jobspec_default_template(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_official_cases),
        cmocka_unit_test(test_official_references),
        cmocka_unit_test(test_default_template_is_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
