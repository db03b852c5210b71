/*
 * fuzz_template.c - job templates: a line each for template (empty: the default one), deployment's variables,
 * run's variables, the run's name, the whole flow run, the deployment's time, the API URL, the engine's
 * version; empty or missing ones have a fallback.
 *
 * A rendering comes out the same twice; a body is JSON as we write it, without a key twice in what we build;
 * names are what an engine takes; our labels can't be overwritten; a setting that is forwarded is in no
 * error; an error has a sentence.
 */
#include "fuzz.h"

#include "api/engine.h"
#include "api/engine_read.h"
#include "api/jobspec.h"
#include "api/json.h"

#define SECRET "key-that-no-sentence-may-hold"

static void check_same_text(const char *a, const char *b)
{
    CHECK((a == NULL) == (b == NULL));
    CHECK(a == NULL || strcmp(a, b) == 0);
}

static void check_same(const struct jobspec *a, const struct jobspec *b)
{
    check_same_text(a->image, b->image);
    check_same_text(a->name, b->name);
    check_same_text(a->create_body, b->create_body);
    check_same_text(a->platform, b->platform);
    check_same_text(a->warning, b->warning);
    CHECK(a->pull_policy == b->pull_policy && a->auto_remove == b->auto_remove);
    CHECK(a->stream_output == b->stream_output && a->tty == b->tty);
    CHECK((a->networks == NULL) == (b->networks == NULL));
    for (size_t i = 0; a->networks != NULL && a->networks[i] != NULL; i++)
        check_same_text(a->networks[i], b->networks[i]);
}

/* An engine takes the last of two, our own readers the first. */
static void check_keys_once(const struct json *object)
{
    CHECK(json_kind(object) == JSON_OBJECT);
    for (const struct json *item = json_first(object); item != NULL; item = json_next(item))
        CHECK(json_get(object, json_key(item)) == item);
}

static void check_body(const char *body, const struct jobspec_input *input)
{
    struct json *root = NULL;
    struct err err;
    CHECK(json_parse(body, strlen(body), &root, &err) == 0);
    char *AUTO_FREE again = json_write(root);
    CHECK(strcmp(again, body) == 0);
    check_keys_once(root);
    check_keys_once(json_get(root, "HostConfig"));
    const struct json *labels = json_get(root, "Labels");
    check_keys_once(labels);
    CHECK(strcmp(json_get_text(labels, ENGINE_LABEL_LAUNCH, ""), input->launch_id) == 0);
    CHECK(strcmp(json_get_text(labels, ENGINE_LABEL_INSTANCE, ""), input->instance) == 0);
    CHECK(strcmp(json_get_text(labels, ENGINE_LABEL_CLASS, ""), input->class_name) == 0);
    for (const struct json *item = json_first(labels); item != NULL; item = json_next(item))
        CHECK(json_text(item, NULL) != NULL);
    for (const struct json *item = json_first(json_get(root, "Env")); item != NULL; item = json_next(item))
        CHECK(strchr(json_text(item, ""), '=') != NULL);
    json_free(root);
}

static void check_rendered(const struct jobspec *spec, const struct jobspec_input *input)
{
    CHECK(engine_is_container_name(spec->name) && strlen(spec->name) >= 2 && strlen(spec->name) <= 250);
    char *AUTO_FREE slug = jobspec_slug(spec->name);
    CHECK(strcmp(slug, spec->name) == 0);
    CHECK(spec->image != NULL);
    check_body(spec->create_body, input);
}

static const char *variable(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HOME") == 0 ? "/home/me" : NULL;
}

/* has_secret: the input itself holds it. */
static void render_twice(const struct jobspec_input *input, bool has_secret)
{
    struct jobspec first = {0};
    struct jobspec second = {0};
    struct err first_err = {.msg = ""};
    struct err second_err = {.msg = ""};
    int rc = jobspec_render(input, &first, &first_err);
    CHECK(jobspec_render(input, &second, &second_err) == rc);
    if (rc == 0) {
        check_same(&first, &second);
        check_rendered(&first, input);
        CHECK(has_secret || first.warning == NULL || strstr(first.warning, SECRET) == NULL);
    } else {
        CHECK(first_err.kind == second_err.kind && strcmp(first_err.msg, second_err.msg) == 0);
        CHECK(first_err.msg[0] != '\0' && (has_secret || strstr(first_err.msg, SECRET) == NULL));
    }
    jobspec_done(&first);
    jobspec_done(&second);
}

/* What it asks for is this text, be it a block, a variable or an object; "": there is no such thing. False:
 * it asks for nothing more. */
static bool answer(struct jobspec_input *input, struct jobspec_answer *answers, char *text)
{
    struct jobspec spec = {0};
    struct err err;
    bool asks = jobspec_render(input, &spec, &err) == 0 && spec.question_count > 0;
    for (size_t i = 0; i < spec.question_count; i++) {
        for (size_t k = 0; k < input->answer_count; k++)
            CHECK(!jobspec_is_same_question(&spec.questions[i], &answers[k].question));
        CHECK(input->answer_count < JOBSPEC_QUESTIONS_MAX);
        answers[input->answer_count++] =
            (struct jobspec_answer){.question = jobspec_copy_question(&spec.questions[i]),
                                    .is_found = text[0] != '\0',
                                    .json = text,
                                    .json_len = strlen(text)};
    }
    jobspec_done(&spec);
    return asks;
}

static const char *or_else(const char *text, const char *fallback)
{
    return text[0] == '\0' ? fallback : text;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    bool has_secret = memmem(data, len, SECRET, strlen(SECRET)) != NULL;
    char *AUTO_FREE template = fuzz_line(&data, &len);
    char *AUTO_FREE deployment = fuzz_line(&data, &len);
    char *AUTO_FREE run = fuzz_line(&data, &len);
    char *AUTO_FREE name = fuzz_line(&data, &len);
    char *AUTO_FREE flow_run = fuzz_line(&data, &len);
    char *AUTO_FREE updated = fuzz_line(&data, &len);
    char *AUTO_FREE api_url = fuzz_line(&data, &len);
    char *AUTO_FREE version = fuzz_line(&data, &len);
    const char *url = or_else(api_url, "http://127.0.0.1:4200/api");
    const char *forwarded[] = {"PREFECT_API_URL", url, "PREFECT_API_KEY", SECRET, NULL};
    struct jobspec_input input = {
        .template_json = or_else(template, jobspec_default_template()),
        .deployment_variables_json = or_else(deployment, "{}"),
        .run_variables_json = or_else(run, "{}"),
        .flow_run_id = "9cbc73f1-52d4-41c9-8e06-1c2c934f169e",
        .flow_run_name = name,
        .flow_id = "62069e31-5965-4bb9-9f78-50f6d26eff79",
        .flow_name = "f2",
        .deployment_id = "4b9dc601-a385-4946-88e6-7c27a77f2c56",
        .deployment_name = "d",
        .deployment_updated = updated,
        .pool_id = "d2596db4-9ee0-4848-bbd0-7ac7c3207dcd",
        .pool_name = "p",
        .worker_name = "w",
        .worker_id = "",
        .prefect_version = "3.8.8",
        .api_url = url,
        .forwarded = forwarded,
        .default_image = "prefecthq/prefect:3",
        .working_directory = "/srv/worker",
        .instance = "instance-1",
        .launch_id = "launch-1",
        .class_name = "class-1",
        .engine_api_version = or_else(version, "1.41"),
        .getenv = variable,
    };
    struct jobspec_answer answers[JOBSPEC_QUESTIONS_MAX];
    input.answers = answers;
    while (answer(&input, answers, flow_run))
        continue;
    render_twice(&input, has_secret);
    for (size_t i = 0; i < input.answer_count; i++)
        jobspec_free_question(&answers[i].question);
    return 0;
}
