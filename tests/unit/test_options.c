/*
 * options: each command line of `prefect worker start`, what each command takes, every wrong use with its
 * sentence, and help that names all there is.
 */
#include "base/check.h"
#include "config_table.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 40 };

/* Splits at "|", so that words may hold blanks. Returns what options_parse does. */
static int parse(const char *line, struct options *out, char **storage, struct err *err)
{
    char *argv[MAX_WORDS + 1];
    int argc = 0;
    *storage = check_strdup(line);
    char *rest = *storage;
    for (char *word = strsep(&rest, "|"); word != NULL; word = strsep(&rest, "|")) {
        assert_true(argc < MAX_WORDS);
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return options_parse(argc, argv, out, err);
}

/* "prefect.pool=p command.limit=3 " */
static char *flags_text(const struct options *options)
{
    char *text = check_strdup("");
    for (size_t i = 0; options->flags[i] != NULL; i += 2) {
        char *more = check_printf("%s%s=%s ", text, options->flags[i], options->flags[i + 1]);
        free(text);
        text = more;
    }
    return text;
}

static void test_flags_become_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum command command;
        const char *flags;
        const char *file;
    } cases[] = {
        {"sluice|start", COMMAND_START, "", NULL},
        {"sluice|start|--pool|p", COMMAND_START, "prefect.pool=p ", NULL},
        {"sluice|start|--pool=p", COMMAND_START, "prefect.pool=p ", NULL},
        {"sluice|start|-p|p", COMMAND_START, "prefect.pool=p ", NULL},
        {"sluice|start|-pp", COMMAND_START, "prefect.pool=p ", NULL},
        {"sluice|start|--name|a b|-n|c", COMMAND_START, "prefect.name=a b prefect.name=c ", NULL},
        {"sluice|start|-q|a|--work-queue|b, c|--work-queue=d", COMMAND_START,
         "prefect.work_queues=a prefect.work_queues=b, c prefect.work_queues=d ", NULL},
        {"sluice|start|--type|docker", COMMAND_START, "command.type=docker ", NULL},
        {"sluice|start|-t|docker|-l|5|--limit|6", COMMAND_START,
         "command.type=docker command.limit=5 command.limit=6 ", NULL},
        {"sluice|start|--prefetch-seconds|0", COMMAND_START, "prefect.prefetch=0 ", NULL},
        {"sluice|start|--run-once|--with-healthcheck", COMMAND_START,
         "command.run_once=true command.with_healthcheck=true ", NULL},
        {"sluice|start|--no-run-once|--no-with-healthcheck", COMMAND_START,
         "command.run_once=false command.with_healthcheck=false ", NULL},
        {"sluice|start|--create-pool-if-not-found", COMMAND_START, "prefect.create_pool=true ", NULL},
        {"sluice|start|--no-create-pool-if-not-found", COMMAND_START, "prefect.create_pool=false ", NULL},
        {"sluice|start|--base-job-template|t.json", COMMAND_START, "command.base_job_template=t.json ", NULL},
        {"sluice|start|--install-policy|if-not-present", COMMAND_START, "", NULL},
        {"sluice|start|--install-policy=never", COMMAND_START, "", NULL},
        {"sluice|start|--profile|a|--prompt|--no-prompt|--empty-work-queue", COMMAND_START, "", NULL},
        {"sluice|start|--config|a.conf|--state|s.db", COMMAND_START, "state.path=s.db ", "a.conf"},
        {"sluice|check", COMMAND_CHECK, "", NULL},
        {"sluice|check|a.conf", COMMAND_CHECK, "", "a.conf"},
        {"sluice|start|--mistake-code|78|--pool|p", COMMAND_START, "prefect.pool=p ", NULL},
        {"sluice|check|--config|a.conf", COMMAND_CHECK, "", "a.conf"},
        {"sluice|config|a.conf|--pool|p", COMMAND_CONFIG, "prefect.pool=p ", "a.conf"},
        {"sluice|config|--pool|p|--|--odd", COMMAND_CONFIG, "prefect.pool=p ", "--odd"},
        {"sluice|queue|--state|s.db", COMMAND_QUEUE, "state.path=s.db ", NULL},
        {"sluice|status|--pool|p|--name|w|--config|c", COMMAND_STATUS, "prefect.pool=p prefect.name=w ", "c"},
        {"sluice|explain", COMMAND_EXPLAIN, "", NULL},
        {"sluice|pause|--state|s.db", COMMAND_PAUSE, "state.path=s.db ", NULL},
        {"sluice|resume|--pool|p|--name|w", COMMAND_RESUME, "prefect.pool=p prefect.name=w ", NULL},
        {"sluice|drain|--config|c", COMMAND_DRAIN, "", "c"},
        {"sluice|retry|otter|--state|s.db", COMMAND_RETRY, "state.path=s.db ", NULL},
        {"sluice|discard|--state|s.db|otter", COMMAND_DISCARD, "state.path=s.db ", NULL},
        {"sluice|why|otter|--pool|p", COMMAND_WHY, "prefect.pool=p ", NULL},
        {"sluice|tune|--config|c|--image|a:1|--dry-run", COMMAND_TUNE, "", "c"},
        {"sluice|--version", COMMAND_VERSION, "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options options;
        struct err err;
        char *AUTO_FREE storage = NULL;
        if (parse(cases[i].line, &options, &storage, &err) != 0)
            fail_msg("%s: %s", cases[i].line, err.msg);
        char *AUTO_FREE flags = flags_text(&options);
        assert_int_equal(options.command, cases[i].command);
        assert_string_equal(flags, cases[i].flags);
        if (cases[i].file == NULL)
            assert_null(options.config_file);
        else
            assert_string_equal(options.config_file, cases[i].file);
        assert_false(options.json);
        assert_int_equal(options.mistake_code, strstr(cases[i].line, "--mistake-code") != NULL ? 78 : 1);
        options_done(&options);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "sluice|config|--json",    "sluice|queue|--json", "sluice|status|--json",
        "sluice|explain|--json",   "sluice|pause|--json", "sluice|drain|--json",
        "sluice|why|otter|--json", "sluice|tune|--json",  "sluice|timeouts|--json"};
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct options options;
        struct err err;
        char *AUTO_FREE storage = NULL;
        assert_int_equal(parse(lines[i], &options, &storage, &err), 0);
        assert_true(options.json);
        options_done(&options);
    }
}

static void test_which_run_and_whether_to_wait(void **state)
{
    (void)state;
    static const char *const lines[] = {"sluice|why|my run", "sluice|retry|--state|s|my run",
                                        "sluice|discard|--|my run"};
    struct options options;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *AUTO_FREE storage = NULL;
        assert_int_equal(parse(lines[i], &options, &storage, &err), 0);
        assert_string_equal(options.run, "my run");
        assert_false(options.wait);
        options_done(&options);
    }
    char *AUTO_FREE waits = NULL;
    assert_int_equal(parse("sluice|drain|--wait", &options, &waits, &err), 0);
    assert_true(options.wait);
    assert_null(options.run);
    options_done(&options);
}

static void test_looks(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    char *AUTO_FREE first = NULL;
    char *AUTO_FREE second = NULL;
    char *AUTO_FREE third = NULL;
    assert_int_equal(parse("sluice|status", &options, &first, &err), 0);
    assert_false(options.look.watch);
    assert_int_equal(options.look.interval_ms, 2000);
    assert_int_equal(options.look.color, TERMINAL_COLOR_AUTO);
    assert_int_equal(options.look.limit, -1);
    options_done(&options);
    assert_int_equal(
        parse("sluice|timeouts|--since|90m|--class|etl|--stage|pull|--limit|0|--wide|--color=always",
              &options, &second, &err),
        0);
    assert_int_equal(options.look.since_ms, 5400000);
    assert_string_equal(options.look.job_class, "etl");
    assert_string_equal(options.look.stage, "pull");
    assert_int_equal(options.look.limit, 0);
    assert_true(options.look.wide);
    assert_int_equal(options.look.color, TERMINAL_COLOR_ALWAYS);
    options_done(&options);
    static const struct {
        const char *line;
        int64_t ms;
    } intervals[] = {{"sluice|status|--interval|2", 2000},
                     {"sluice|status|--interval|0.5", 500},
                     {"sluice|status|--interval|250ms", 250},
                     {"sluice|status|--watch|--interval|1h", 3600000}};
    for (size_t i = 0; i < ARRAY_LEN(intervals); i++) {
        free(third);
        assert_int_equal(parse(intervals[i].line, &options, &third, &err), 0);
        assert_true(options.look.watch);
        assert_int_equal(options.look.interval_ms, intervals[i].ms);
        options_done(&options);
    }
}

static void test_explain(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    char *AUTO_FREE storage = NULL;
    assert_int_equal(
        parse("sluice|explain|--stage|create|--status=500|--message|no space left|--transport|DNS failure|"
              "--dependency|engine",
              &options, &storage, &err),
        0);
    assert_string_equal(options.question.stage, "create");
    assert_int_equal(options.question.status, 500);
    assert_string_equal(options.question.message, "no space left");
    assert_string_equal(options.question.transport, "DNS failure");
    assert_string_equal(options.question.dependency, "engine");
    options_done(&options);
}

static void test_tune(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    char *AUTO_FREE first = NULL;
    char *AUTO_FREE second = NULL;
    assert_int_equal(parse("sluice|tune", &options, &first, &err), 0);
    assert_null(options.tune.image);
    assert_null(options.tune.pull);
    assert_string_equal(options.tune.network, "bridge");
    assert_int_equal(options.tune.time_ms, 60000);
    assert_int_equal(options.tune.containers, 64);
    assert_false(options.tune.dry_run);
    options_done(&options);
    assert_int_equal(parse("sluice|tune|--image|a:1|--pull|b|--network|host|--time|1.5m|--containers|1000|"
                           "--dry-run",
                           &options, &second, &err),
                     0);
    assert_string_equal(options.tune.image, "a:1");
    assert_string_equal(options.tune.pull, "b");
    assert_string_equal(options.tune.network, "host");
    assert_int_equal(options.tune.time_ms, 90000);
    assert_int_equal(options.tune.containers, 1000);
    assert_true(options.tune.dry_run);
    options_done(&options);
}

struct wrong_use {
    const char *line;
    const char *sentence;
};

static void expect_refused(const struct wrong_use *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct options options = {.command = COMMAND_QUEUE, .question.status = 77};
        struct err err;
        char *AUTO_FREE storage = NULL;
        if (parse(cases[i].line, &options, &storage, &err) != -1)
            fail_msg("%s was taken", cases[i].line);
        assert_int_equal(err.kind, ERR_INVALID);
        assert_string_equal(err.msg, cases[i].sentence);
        assert_int_equal(options.question.status, 77); /* outputs only on success, but for one */
        assert_int_equal(options.mistake_code, strstr(cases[i].line, "--mistake-code|78") != NULL ? 78 : 1);
    }
}

static void test_wrong_use(void **state)
{
    (void)state;
    static const struct wrong_use cases[] = {
        {"sluice", "a command is missing; see sluice --help"},
        {"sluice|strat", "\"strat\": unknown command; did you mean start?"},
        {"sluice|banana", "\"banana\": unknown command; see sluice --help"},
        {"sluice|start|--pol|p", "--pol: unknown option; did you mean --pool?"},
        {"sluice|start|--banana=x", "--banana: unknown option; see sluice start --help"},
        {"sluice|start|--mistake-code|78|--banana=x", "--banana: unknown option; see sluice start --help"},
        {"sluice|start|--mistake-code|0",
         "--mistake-code: \"0\" is no exit code; allowed: a whole number from 1 to 255"},
        {"sluice|start|--mistake-code|256",
         "--mistake-code: \"256\" is no exit code; allowed: a whole number from 1 to 255"},
        {"sluice|start|-x", "-x: unknown option; see sluice start --help"},
        {"sluice|start|--pool", "--pool: a value is missing"},
        {"sluice|start|-p", "-p: a value is missing"},
        {"sluice|start|--run-once=yes", "--run-once=yes: this option takes no value"},
        {"sluice|start|p", "\"p\": unexpected; see sluice start --help"},
        {"sluice|check|a|b", "\"b\": unexpected; see sluice check --help"},
        {"sluice|start|--name|a/b", "--name: \"a/b\" holds / or %; allowed: a name without / and %"},
        {"sluice|start|-n|50%", "--name: \"50%\" holds / or %; allowed: a name without / and %"},
        {"sluice|start|--name|", "--name: \"\" is empty; allowed: a name without / and %"},
        {"sluice|start|--limit|0", "--limit: \"0\" is too small; allowed: a whole number from 1 to 1000000"},
        {"sluice|start|-l|many",
         "--limit: \"many\" is not a whole number; allowed: a whole number from 1 to 1000000"},
        {"sluice|start|--prefetch-seconds|1.5",
         "--prefetch-seconds: \"1.5\" is not a number of seconds; allowed: a whole "
         "number of seconds, 0 or more, such as 60"},
        {"sluice|start|--type|process", "--type: \"process\" is not known; allowed: one of docker"},
        {"sluice|start|--install-policy|perhaps",
         "--install-policy: \"perhaps\" is not known; allowed: one of always, if-not-present, never, prompt"},
        {"sluice|start|--json", "--json: unknown option; see sluice start --help"},
        {"sluice|queue|--with-healthcheck", "--with-healthcheck: unknown option; see sluice queue --help"},
        {"sluice|start|--stage|pull", "--stage: unknown option; did you mean --state?"},
        {"sluice|explain|--pool|p", "--pool: unknown option; see sluice explain --help"},
        {"sluice|retry", "which run? give its id, the first digits of it, or its name"},
        {"sluice|why|", "which run? give its id, the first digits of it, or its name"},
        {"sluice|retry|a|b", "\"b\": unexpected; see sluice retry --help"},
        {"sluice|pause|a", "\"a\": unexpected; see sluice pause --help"},
        {"sluice|pause|--wait", "--wait: unknown option; see sluice pause --help"},
        {"sluice|drain|--limit|3", "--limit: unknown option; see sluice drain --help"},
        {"sluice|explain|--status|x",
         "--status: \"x\" is not a status; allowed: a whole number from 0 to 999"},
        {"sluice|explain|--status|-1",
         "--status: \"-1\" is not a status; allowed: a whole number from 0 to 999"},
        {"sluice|tune|--time|60", "--time: \"60\" can't be used; allowed: a duration from 6s to 1h"},
        {"sluice|tune|--time|5.9s", "--time: \"5.9s\" can't be used; allowed: a duration from 6s to 1h"},
        {"sluice|tune|--time|61m", "--time: \"61m\" can't be used; allowed: a duration from 6s to 1h"},
        {"sluice|tune|--containers|9",
         "--containers: \"9\" can't be used; allowed: a whole number from 10 to 1000"},
        {"sluice|tune|--containers|1001",
         "--containers: \"1001\" can't be used; allowed: a whole number from 10 to 1000"},
        {"sluice|tune|--image|", "--image: \"\" is no name"},
        {"sluice|tune|--pool|p", "--pool: unknown option; did you mean --pull?"},
        {"sluice|start|--dry-run", "--dry-run: unknown option; see sluice start --help"},
        {"sluice|explain|--status|1000",
         "--status: \"1000\" is not a status; allowed: a whole number from 0 to 999"},
    };
    expect_refused(cases, ARRAY_LEN(cases));
}

static void test_wrong_use_of_looks(void **state)
{
    (void)state;
    static const struct wrong_use cases[] = {
        {"sluice|queue|--limit|-1",
         "--limit: \"-1\" can't be used; allowed: a whole number from 0 to 1000000"},
        {"sluice|queue|--watch", "--watch: unknown option; see sluice queue --help"},
        {"sluice|status|--limit|3", "--limit: unknown option; see sluice status --help"},
        {"sluice|status|--interval|0",
         "--interval: \"0\" can't be used; allowed: a duration or seconds, from 100ms to 1h"},
        {"sluice|status|--interval|61m",
         "--interval: \"61m\" can't be used; allowed: a duration or seconds, from 100ms to 1h"},
        {"sluice|why|x|--color|blue", "--color: \"blue\" is not known; allowed: one of auto, always, never"},
        {"sluice|timeouts|--since|5",
         "--since: \"5\" can't be used; allowed: a duration such as 90m, 24h or 7d"},
        {"sluice|timeouts|--since|0s",
         "--since: \"0s\" can't be used; allowed: a duration such as 90m, 24h or 7d"},
        {"sluice|timeouts|--stage|nap", "--stage: \"nap\" is not known; allowed: one of api, resolve, image, "
                                        "pull, create, network, start, run, "
                                        "inspect, stop, report, remove"},
        {"sluice|pause|--wide", "--wide: unknown option; see sluice pause --help"},
    };
    expect_refused(cases, ARRAY_LEN(cases));
}

static void test_help_is_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum command help_for;
    } cases[] = {{"sluice|--help", COMMAND_HELP},
                 {"sluice|-h", COMMAND_HELP},
                 {"sluice|start|--help", COMMAND_START},
                 {"sluice|check|-h", COMMAND_CHECK},
                 {"sluice|queue|--help|x", COMMAND_QUEUE},
                 {"sluice|start|--help|--limit|x", COMMAND_START},
                 {"sluice|config|--help", COMMAND_CONFIG},
                 {"sluice|status|--help", COMMAND_STATUS},
                 {"sluice|explain|--help", COMMAND_EXPLAIN},
                 {"sluice|drain|--help", COMMAND_DRAIN},
                 {"sluice|retry|--help", COMMAND_RETRY},
                 {"sluice|why|-h", COMMAND_WHY},
                 {"sluice|tune|--help", COMMAND_TUNE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct options options;
        struct err err;
        char *AUTO_FREE storage = NULL;
        assert_int_equal(parse(cases[i].line, &options, &storage, &err), 0);
        assert_int_equal(options.command, COMMAND_HELP);
        assert_int_equal(options.help_for, cases[i].help_for);
        options_done(&options);
    }
}

static void test_nothing_is_left_from_the_line_before(void **state)
{
    (void)state;
    struct options options;
    struct err err;
    char *AUTO_FREE first = NULL;
    char *AUTO_FREE second = NULL;
    /* ends in the middle of a cluster of letters */
    assert_int_equal(parse("sluice|start|-hx", &options, &first, &err), 0);
    options_done(&options);
    assert_int_equal(parse("sluice|start|-p|p", &options, &second, &err), 0);
    char *AUTO_FREE flags = flags_text(&options);
    assert_string_equal(flags, "prefect.pool=p ");
    options_done(&options);
}

static char *help(enum command command)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    options_print_help(command, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_help_of_start_names_every_option_and_setting(void **state)
{
    (void)state;
    char *AUTO_FREE text = help(COMMAND_START);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        bool is_second_clock = strstr(key->help, ", in stage") != NULL;
        char *AUTO_FREE name = key->flag != NULL ? check_printf("%s ", key->flag)
                                                 : check_printf("[%s] %s", key->section, key->key);
        const char *word = config_key_is_in_file(key) || key->flag != NULL ? name : key->environment;
        if (!is_second_clock && strstr(text, word) == NULL)
            fail_msg("start --help does not name %s", word);
    }
    static const char *const others[] = {"-q, --work-queue", "--no-create-pool-if-not-found", "--config FILE",
                                         "--install-policy", "PREFECT_WORKER_PREFETCH_SECONDS"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_non_null(strstr(text, others[i]));
}

static void test_help_of_the_program_names_every_command(void **state)
{
    (void)state;
    static const char *const names[] = {"start", "check",    "config",  "queue", "status",
                                        "why",   "timeouts", "explain", "tune"};
    char *AUTO_FREE text = help(COMMAND_HELP);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *AUTO_FREE line = check_printf("\n  %s ", names[i]);
        assert_non_null(strstr(text, line));
    }
    char *AUTO_FREE queue = help(COMMAND_QUEUE);
    assert_non_null(strstr(queue, "--json"));
    assert_non_null(strstr(queue, "--limit"));
    assert_null(strstr(queue, "--with-healthcheck"));
}

static void test_done_takes_what_never_was(void **state)
{
    (void)state;
    struct options options = {.command = COMMAND_HELP};
    options_done(&options);
    options_done(NULL);
    assert_null(options.flags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_become_pairs),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_which_run_and_whether_to_wait),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_tune),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_wrong_use_of_looks),
        cmocka_unit_test(test_help_is_asked_for),
        cmocka_unit_test(test_nothing_is_left_from_the_line_before),
        cmocka_unit_test(test_help_of_start_names_every_option_and_setting),
        cmocka_unit_test(test_help_of_the_program_names_every_command),
        cmocka_unit_test(test_done_takes_what_never_was),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
