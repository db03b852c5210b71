/*
 * test_jobspec_references.c - blocks, variables and whole objects in a configuration: what is asked, when,
 * and what hostile answers do.
 *
 * What becomes of good answers is held against the official worker in test_jobspec_cases.c.
 */
#include "tests/unit/jobspec_input.h"
#include "tests/unit/jobspec_server.h"

#include <stdio.h>
#include <string.h>

#define BIG_BYTES ((size_t)5 << 20)
#define BLOCK_ID "9cbc73f1-52d4-41c9-8e06-1c2c934f169e"

/* An ordinary run with the job configuration {"image": "i:1", FIELDS}. */
struct fixture {
    struct jobspec_input input;
    struct jobspec_server server;
    struct json *world;
    const char *run_variables; /* NULL: none */
    char *template;
    struct jobspec spec;
    struct err err;
};

static int set_up(void **state)
{
    *state = check_alloc(sizeof(struct fixture));
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    jobspec_server_done(&f->server);
    jobspec_done(&f->spec);
    json_free(f->world);
    free(f->template);
    free(f);
    return 0;
}

/* Render with these fields and this world; a NULL world is the one before. */
static int render(struct fixture *f, const char *fields, const char *world)
{
    free(f->template);
    f->template =
        check_printf("{\"job_configuration\":{\"image\":\"i:1\"%s%s}}", *fields == '\0' ? "" : ",", fields);
    if (world != NULL) {
        json_free(f->world);
        assert_int_equal(json_parse(world, strlen(world), &f->world, &f->err), 0);
    }
    f->server.world = f->world;
    f->input = ordinary_input();
    f->input.template_json = f->template;
    if (f->run_variables != NULL)
        f->input.run_variables_json = f->run_variables;
    f->input.forwarded = NULL;
    jobspec_done(&f->spec);
    return jobspec_server_render(&f->server, &f->input, &f->spec, &f->err);
}

static void assert_renders(struct fixture *f, const char *fields, const char *world)
{
    if (render(f, fields, world) != 0)
        fail_msg("%s", f->err.msg);
}

static void assert_refused(struct fixture *f, const char *fields, const char *world, enum err_kind kind,
                           const char *part)
{
    assert_int_equal(render(f, fields, world), -1);
    if (strstr(f->err.msg, part) == NULL)
        fail_msg("\"%s\" does not name \"%s\"", f->err.msg, part);
    assert_int_equal(f->err.kind, kind);
    assert_null(strstr(f->err.msg, "hunter2"));
    assert_null(f->spec.create_body);
    assert_null(f->spec.questions);
}

/* The text is somewhere in the body. */
static bool body_has(const struct fixture *f, const char *text)
{
    return strstr(f->spec.create_body, text) != NULL;
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

/* --- what is asked ---------------------------------------------------------------------------------------
 */

static void test_nothing_is_asked_for_nothing(void **state)
{
    struct fixture *f = *state;
    assert_renders(
        f, "\"env\":{\"A\":\"prefect.blocks.a.b\",\"B\":\"{{ prefect.block.a.b }}\"},\"name\":\"n\"", "{}");
    assert_int_equal(f->server.answer_count, 0);
}

static void test_all_is_asked_at_once_and_each_once(void **state)
{
    struct fixture *f = *state;
    f->run_variables =
        "{\"n\":\"{{ prefect.blocks.json.a.x }}-{{ ctx.flow_run.tags[0] }}-{{ ctx.flow.tags[0] }}\"}";
    assert_renders(
        f,
        "\"env\":{\"A\":\"{{ prefect.blocks.json.a.x }}\",\"B\":\"{{ prefect.blocks.json.a.y }}\","
        "\"C\":\"{{ prefect.variables.v }}{{ prefect.variables.v }}\",\"D\":{\"$ref\":{\"block_document_id\":"
        "\"" BLOCK_ID "\"}}},\"labels\":{\"a\":\"{{ prefect.variables.v }}\"},\"name\":\"{{ n }}\"",
        "{\"blocks\":{\"json/a\":{\"value\":{\"x\":1,\"y\":2}}},\"ids\":{\"" BLOCK_ID "\":{\"k\":\"v\"}},"
        "\"variables\":{\"v\":\"w\"},\"flow_run\":{\"tags\":[\"r\"]},\"flow\":{\"tags\":[\"f\"]}}");
    assert_int_equal(f->server.rounds, 1);
    assert_int_equal(f->server.answer_count, 5);
    assert_true(jobspec_server_was_asked(&f->server, "block json a"));
    assert_true(jobspec_server_was_asked(&f->server, "id  " BLOCK_ID));
    assert_true(jobspec_server_was_asked(&f->server, "variable  v"));
    assert_true(jobspec_server_was_asked(&f->server, "run  "));
    assert_true(jobspec_server_was_asked(&f->server, "flow  "));
    assert_string_equal(f->spec.name, "1-r-f");
    assert_true(body_has(f, "C=ww"));
}

static void test_what_is_known_of_run_and_flow_is_not_asked(void **state)
{
    struct fixture *f = *state;
    assert_renders(
        f, "\"name\":\"{{ prefect.variables.n }}\"",
        "{\"variables\":{\"n\":\"{{ ctx.flow.name }}-{{ ctx.flow.id[0] }}-{{ ctx.flow_run.name }}-{{ "
        "ctx.flow_run.flow_id }}-{{ ctx.flow_run.deployment_id }}\"}}");
    assert_int_equal(f->server.answer_count, 1);
    assert_string_equal(f->spec.name, "f2-6-heron-62069e31-None");
}

/* A block, in it a variable, in it a field of the flow run: that is as far as it goes. */
static void test_three_rounds_are_the_most(void **state)
{
    struct fixture *f = *state;
    assert_renders(f, "\"name\":\"{{ prefect.blocks.string.n }}\"",
                   "{\"blocks\":{\"string/n\":{\"value\":\"{{ prefect.variables.n }}\"}},"
                   "\"variables\":{\"n\":\"{{ ctx.flow_run.run_count }}{{ prefect.blocks.string.n }}-x\"},"
                   "\"flow_run\":{\"run_count\":3}}");
    assert_int_equal(f->server.rounds, 3);
    assert_string_equal(f->spec.name, "3-prefect.blocks.string.n-x");
}

static void test_circles_end(void **state)
{
    struct fixture *f = *state;
    assert_renders(
        f, "\"env\":{\"A\":\"{{ prefect.blocks.string.a }}\",\"B\":\"{{ prefect.variables.a }}\"}",
        "{\"blocks\":{\"string/a\":{\"value\":\"{{ prefect.blocks.string.a }}{{ prefect.variables.a }}\"}},"
        "\"variables\":{\"a\":\"{{ prefect.variables.a }}{{ prefect.blocks.string.a }}\"}}");
    assert_int_equal(f->server.rounds, 1);
    assert_int_equal(f->server.answer_count, 2);
    assert_true(body_has(f, "B={{ prefect.variables.a }}{{ prefect.blocks.string.a }}"));
    /* A block that refers to itself by id. */
    assert_renders(f, "\"env\":{\"A\":{\"$ref\":{\"block_document_id\":\"" BLOCK_ID "\"}}}",
                   "{\"ids\":{\"" BLOCK_ID "\":{\"$ref\":{\"block_document_id\":\"" BLOCK_ID "\"}}}}");
    assert_int_equal(f->server.answer_count, 1);
}

static void test_other_keys_of_the_template_are_not_asked_for(void **state)
{
    struct fixture *f = *state;
    assert_renders(f, "\"cpu\":\"{{ prefect.blocks.secret.gone }}\",\"x\":{\"$ref\":\"text\"}", "{}");
    assert_int_equal(f->server.answer_count, 0);
}

static void test_questions_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct buf fields;
    struct err err;
    buf_init(&fields, SIZE_MAX / 4);
    assert_int_equal(buf_add_str(&fields, "\"env\":{\"A0\":\"\"", &err), 0);
    for (int i = 1; i <= JOBSPEC_QUESTIONS_MAX; i++)
        assert_int_equal(buf_printf(&fields, &err, ",\"A%d\":\"{{ prefect.variables.v%d }}\"", i, i), 0);
    char *AUTO_FREE allowed = check_printf("%s}", buf_text(&fields));
    assert_renders(f, allowed, "{}");
    assert_int_equal(f->server.answer_count, JOBSPEC_QUESTIONS_MAX);
    char *AUTO_FREE more = check_printf("%s,\"B\":\"{{ prefect.variables.w }}\"}", buf_text(&fields));
    assert_refused(f, more, NULL, ERR_LIMIT, "env: more than 100 different blocks and variables");
    buf_done(&fields);
}

/* --- answers ---------------------------------------------------------------------------------------------
 */

static void test_numbers_are_kept_as_written(void **state)
{
    struct fixture *f = *state;
    assert_renders(
        f,
        "\"container_create_kwargs\":{\"mounts\":[{\"a\":\"{{ prefect.variables.a }}\",\"b\":\"{{ "
        "prefect.blocks.json.b }}\"}]},\"env\":{\"A\":\"{{ prefect.variables.a }}\",\"B\":\"x{{ "
        "prefect.blocks.json.b.one }}\",\"C\":\"x{{ prefect.blocks.json.b.two }}\"}",
        "{\"variables\":{\"a\":9007199254740993},\"blocks\":{\"json/b\":{\"value\":{\"one\":1.0,\"two\":"
        "12345678901234567890,\"three\":1.50}}}}");
    assert_true(body_has(f, "\"a\":9007199254740993"));
    assert_true(body_has(f, "{\"one\":1.0,\"two\":12345678901234567890,\"three\":1.50}"));
    assert_true(body_has(f, "A=9007199254740993"));
    assert_true(body_has(f, "B=x1.0"));
    assert_true(body_has(f, "C=x12345678901234567890"));
}

static void test_credentials_may_come_from_a_block(void **state)
{
    struct fixture *f = *state;
    static const char run[] = "\"registry_credentials\":{\"$ref\":{\"block_document_id\":\"" BLOCK_ID "\"}}";
    assert_renders(f, run,
                   "{\"ids\":{\"" BLOCK_ID "\":{\"username\":\"u\",\"password\":\"hunter2\","
                   "\"registry_url\":\"r.example\"}}}");
    assert_string_equal(f->spec.credentials->password, "hunter2");
    assert_refused(f, run, "{\"ids\":{\"" BLOCK_ID "\":{\"password\":\"hunter2\"}}}", ERR_INVALID,
                   "registry_credentials");
}

static void test_hidden_secrets_are_told(void **state)
{
    struct fixture *f = *state;
    static const char world[] =
        "{\"blocks\":{\"secret/s\":{\"value\":\"********\"},\"json/j\":{\"value\":{\"a\":"
        "[\"********\"],\"b\":\"fine\"}}},\"ids\":{\"" BLOCK_ID "\":{\"p\":\"********\"}}}";
    assert_renders(f, "\"env\":{\"A\":\"<{{ prefect.blocks.secret.s }}>\"}", world);
    assert_non_null(strstr(f->spec.warning, "block 's' of type 'secret'"));
    assert_renders(f, "\"env\":{\"A\":\"{{ prefect.blocks.json.j.a }}\"}", NULL);
    assert_non_null(strstr(f->spec.warning, "block 'j' of type 'json'"));
    assert_renders(f, "\"env\":{\"$ref\":{\"block_document_id\":\"" BLOCK_ID "\"}}", NULL);
    assert_non_null(strstr(f->spec.warning, "block " BLOCK_ID));
    assert_renders(f, "\"env\":{\"A\":\"{{ prefect.blocks.json.j.b }}\"}", NULL);
    assert_null(f->spec.warning);
    /* Beside another warning. */
    assert_renders(f,
                   "\"env\":{\"A\":\"{{ prefect.blocks.secret.s "
                   "}}\"},\"container_create_kwargs\":{\"volumes\":[\"/a\"]}",
                   NULL);
    assert_non_null(strstr(f->spec.warning, "type 'secret'"));
    assert_non_null(strstr(f->spec.warning, "volumes"));
}

static void test_errors_keep_secrets(void **state)
{
    struct fixture *f = *state;
    static const char world[] =
        "{\"blocks\":{\"json/"
        "b\":{\"value\":{\"l\":[\"hunter2\"],\"t\":\"hunter2\"}}},\"variables\":{\"v\":\"hunter2\"}}";
    assert_refused(f, "\"command\":\"{{ prefect.blocks.json.b.l }}\"", world, ERR_INVALID, "command");
    assert_refused(f, "\"command\":\"x{{ prefect.blocks.json.b.l }}\"", NULL, ERR_INVALID, "command");
    assert_refused(f, "\"privileged\":\"{{ prefect.blocks.json.b.t }}\"", NULL, ERR_INVALID, "privileged");
    assert_refused(f, "\"labels\":\"{{ prefect.variables.v }}\"", NULL, ERR_INVALID, "labels");
    assert_refused(f, "\"mem_limit\":\"{{ prefect.blocks.json.b }}\"", NULL, ERR_INVALID, "mem_limit");
    assert_refused(f, "\"env\":{\"A\":\"{{ prefect.blocks.json.b.t.x }}\"}", NULL, ERR_INVALID, "env");
    assert_refused(f, "\"env\":{\"A\":\"{{ prefect.blocks.hunter3 }}\"}", NULL, ERR_INVALID, "env");
}

static void test_names_that_are_none(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"prefect.blocks.",     "prefect.blocks.a",    "prefect.blocks.a.",
                                      "prefect.blocks..b",   "prefect.blocks...",   "prefect.variables.",
                                      "prefect.variables..", "prefect.variables..."};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *AUTO_FREE whole = check_printf("\"command\":\"{{ %s }}\"", bad[i]);
        assert_refused(f, whole, "{}", ERR_INVALID, bad[i]);
        char *AUTO_FREE inside = check_printf("\"command\":\"x{{ %s }}\"", bad[i]);
        assert_refused(f, inside, "{}", ERR_INVALID, bad[i]);
    }
}

/* What jobspec_hide() makes of a message about the job. */
static void expect_hidden(struct fixture *f, const char *message, const char *shown)
{
    char *AUTO_FREE copy = check_strdup(message);
    jobspec_hide(&f->spec, copy);
    assert_string_equal(copy, shown);
}

/* What the server calls secret is, wherever in the job it stands; what it doesn't is for people to read. */
static void test_secrets_of_blocks_are_hidden(void **state)
{
    struct fixture *f = *state;
    static const char fields[] =
        "\"command\":\"run --token {{ prefect.blocks.a.b.token }}\","
        "\"labels\":{\"l\":\"{{ prefect.blocks.a.b.child.pin }}-{{ prefect.blocks.a.b.host }}\"}";
    static const char data[] = "\"blocks\":{\"a/b\":{\"token\":\"t0ken-t0ken\",\"host\":\"db.example\","
                               "\"child\":{\"pin\":73915,\"other\":\"plainly\"},"
                               "\"more\":{\"deep\":[\"0ther-t0ken\"]},\"text\":\"t0ken-t0ken-longer\"}}";
    char *AUTO_FREE world = check_printf(
        "{%s,\"secret_fields\":[\"token\",\"child.pin\",\"more.*\",\"text\",\"absent.x\",\"host.x\",7,\"\"]}",
        data);
    char *AUTO_FREE open_world = check_printf("{%s}", data);
    static const char told[] = "no t0ken-t0ken 73915 at db.example, plainly 0ther-t0ken t0ken-t0ken-longer";
    render(f, fields, world);
    expect_hidden(f, told, "no *********** ***** at db.example, plainly *********** ******************");
    render(f, fields, open_world);
    expect_hidden(f, told, told);
}

static const char *worker_environment(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "TOKEN") == 0 ? "w0rker-t0ken" : strcmp(name, "STAGE") == 0 ? "live" : NULL;
}

static void test_values_of_the_workers_environment_are_hidden(void **state)
{
    struct fixture *f = *state;
    struct jobspec_input input = ordinary_input();
    input.template_json =
        "{\"job_configuration\":{\"image\":\"i:1\",\"command\":\"x {{ $TOKEN }} {{ $STAGE }}\"}}";
    input.getenv = worker_environment;
    assert_int_equal(jobspec_render(&input, &f->spec, &f->err), 0);
    expect_hidden(f, "no w0rker-t0ken in live", "no ************ in live");
}

static void expect_answer_is_refused(struct fixture *f, const char *answer, enum err_kind kind,
                                     const char *part)
{
    assert_renders(f, "", "{}");
    char *AUTO_FREE json = check_strdup(answer);
    char name[] = "v";
    char none[] = "";
    struct jobspec_answer one = {{JOBSPEC_ASK_VARIABLE, name, none}, true, json, strlen(answer), NULL};
    struct jobspec_input input = f->input;
    input.template_json = "{\"job_configuration\":{\"command\":\"{{ prefect.variables.v }}\"}}";
    input.answers = &one;
    input.answer_count = 1;
    jobspec_done(&f->spec);
    assert_int_equal(jobspec_render(&input, &f->spec, &f->err), -1);
    assert_int_equal(f->err.kind, kind);
    assert_non_null(strstr(f->err.msg, "command: variable 'v': "));
    assert_non_null(strstr(f->err.msg, part));
}

static void test_answers_that_are_no_json(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE deep = repeat("", "[", 100000, "");
    expect_answer_is_refused(f, "", ERR_PARSE, "not valid JSON");
    expect_answer_is_refused(f, "{\"a\":", ERR_PARSE, "not valid JSON");
    expect_answer_is_refused(f, "\"a\\u0000b\"", ERR_INVALID, "u0000");
    expect_answer_is_refused(f, deep, ERR_LIMIT, "nested");
}

/* As deep as an answer may be, in a place that is as deep as it may be. */
static void test_depth_adds_up(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE list = repeat("", "[", 150, "");
    char *AUTO_FREE ends = repeat("", "]", 150, "");
    char *AUTO_FREE world = check_printf("{\"variables\":{\"v\":%s1%s}}", list, ends);
    char *AUTO_FREE fields = check_printf("\"env\":{\"A\":%s\"{{ prefect.variables.v }}\"%s}", list, ends);
    assert_renders(f, fields, world);
    char *AUTO_FREE all = check_printf("A=%s%s1%s%s", list, list, ends, ends);
    assert_true(body_has(f, all));
}

static void test_large_values_arrive_whole(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE value = repeat("", "0123456789abcdef", BIG_BYTES / 16, "");
    char *AUTO_FREE world = check_printf(
        "{\"blocks\":{\"string/b\":{\"value\":\"%s\"}},\"variables\":{\"v\":\"%s\"}}", value, value);
    assert_renders(
        f, "\"env\":{\"A\":\"<{{ prefect.blocks.string.b }}>\",\"B\":\"{{ prefect.variables.v }}\"}", world);
    char *AUTO_FREE inside = check_printf("\"A=<%s>\"", value);
    char *AUTO_FREE whole = check_printf("\"B=%s\"", value);
    assert_true(body_has(f, inside));
    assert_true(body_has(f, whole));
}

static void test_growth_is_bounded(void **state)
{
    struct fixture *f = *state;
    char *AUTO_FREE world =
        repeat("{\"blocks\":{},\"variables\":{\"v\":\"", "0123456789abcdef", BIG_BYTES / 16, "\"}}");
    char *AUTO_FREE text = repeat("\"command\":\"", "{{ prefect.variables.v }}", 1000, "\"");
    assert_refused(f, text, world, ERR_LIMIT, "command");
    char *AUTO_FREE items = repeat("\"networks\":[\"\"", ",\"{{ prefect.variables.v }}\"", 1000, "]");
    assert_refused(f, items, NULL, ERR_LIMIT, "networks");
}

static void test_members_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct buf world;
    struct err err;
    buf_init(&world, SIZE_MAX / 4);
    assert_int_equal(
        buf_add_str(&world, "{\"blocks\":{\"json/b\":{\"value\":{\"k\":\"{{ prefect.variables.v }}\"", &err),
        0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(buf_printf(&world, &err, ",\"k%d\":1", i), 0);
    assert_int_equal(buf_add_str(&world, "}}}}", &err), 0);
    assert_refused(f, "\"env\":\"{{ prefect.blocks.json.b }}\"", buf_text(&world), ERR_LIMIT,
                   "env: more than");
    buf_done(&world);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_asked_for_nothing),
        TEST(test_all_is_asked_at_once_and_each_once),
        TEST(test_what_is_known_of_run_and_flow_is_not_asked),
        TEST(test_three_rounds_are_the_most),
        TEST(test_circles_end),
        TEST(test_other_keys_of_the_template_are_not_asked_for),
        TEST(test_questions_are_bounded),
        TEST(test_numbers_are_kept_as_written),
        TEST(test_credentials_may_come_from_a_block),
        TEST(test_hidden_secrets_are_told),
        TEST(test_errors_keep_secrets),
        TEST(test_names_that_are_none),
        TEST(test_secrets_of_blocks_are_hidden),
        TEST(test_values_of_the_workers_environment_are_hidden),
        TEST(test_answers_that_are_no_json),
        TEST(test_depth_adds_up),
        TEST(test_large_values_arrive_whole),
        TEST(test_growth_is_bounded),
        TEST(test_members_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
