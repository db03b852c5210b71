/*
 * The sentences that people read at the server; their beginnings are matched by people's automations.
 */
#include "crash_text.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(enum run_verdict verdict, int32_t exit_code, const char *last_error,
                        const char *wanted)
{
    struct launch *launch = launch_new("00000000-0000-4000-8000-000000000000", 0);
    launch->run.verdict = verdict;
    launch->run.exit_code = exit_code;
    launch_set_text(&launch->last_error, last_error);
    char *text = crash_text(launch);
    assert_string_equal(text, wanted);
    free(text);
    launch_free(launch);
}

#define SUBMIT "Failed to submit flow run to infrastructure: "

static void test_launch_failed_names_the_stage_as_a_kind(void **state)
{
    (void)state;
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "create: no such image: x",
                SUBMIT "CreateError: no such image: x");
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "pull: denied", SUBMIT "PullError: denied");
}

static void test_launch_failed_without_a_stage(void **state)
{
    (void)state;
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "", SUBMIT "LaunchError: no further reason is known");
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, NULL, SUBMIT "LaunchError: no further reason is known");
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "something", SUBMIT "LaunchError: something");
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, ": text", SUBMIT "LaunchError: : text");
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "this is far too long for a stage: text",
                SUBMIT "LaunchError: this is far too long for a stage: text");
}

static void test_what_the_engine_says_is_not_a_format(void **state)
{
    (void)state;
    assert_text(RUN_VERDICT_LAUNCH_FAILED, 0, "start: 100%s %n", SUBMIT "StartError: 100%s %n");
}

#define EXITED "Flow run infrastructure exited with non-zero status code "

static void assert_begins(int32_t exit_code, const char *wanted)
{
    struct launch *launch = launch_new("00000000-0000-4000-8000-000000000000", 0);
    launch->run.verdict = RUN_VERDICT_EXITED;
    launch->run.exit_code = exit_code;
    char *text = crash_text(launch);
    if (strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("\"%s\" does not begin with \"%s\"", text, wanted);
    assert_true(strlen(text) > strlen(wanted) + 10); /* an explanation follows */
    assert_non_null(crash_hint(launch));
    free(text);
    launch_free(launch);
}

static void test_exit_codes(void **state)
{
    (void)state;
    assert_begins(1, EXITED "1. ");
    assert_begins(125, EXITED "125. ");
    assert_begins(126, EXITED "126. ");
    assert_begins(127, EXITED "127. ");
    assert_begins(137, EXITED "137. ");
    assert_begins(143, EXITED "143. ");
    assert_begins(247, EXITED "247. ");
    assert_begins(3, EXITED "3. ");
    assert_begins(-1, EXITED "-1. ");
}

static char *text_of_137(bool oom_killed)
{
    struct launch *launch = launch_new("00000000-0000-4000-8000-000000000000", 0);
    launch->run.verdict = RUN_VERDICT_EXITED;
    launch->run.exit_code = 137;
    launch->run.oom_killed = oom_killed;
    char *text = crash_text(launch);
    launch_free(launch);
    return text;
}

/* The engine knows whether the kernel killed it for its memory; then no "probably". */
static void test_out_of_memory_is_told_from_a_kill(void **state)
{
    (void)state;
    char *killed = text_of_137(false);
    char *out_of_memory = text_of_137(true);
    assert_non_null(strstr(killed, "SIGKILL"));
    assert_non_null(strstr(out_of_memory, "memory limit"));
    assert_null(strstr(out_of_memory, "probably"));
    free(killed);
    free(out_of_memory);
}

static void test_every_proposed_verdict_has_a_sentence(void **state)
{
    (void)state;
    for (int v = 0; v <= (int)RUN_VERDICT_HAND_BACK; v++) {
        bool is_proposed = v != RUN_VERDICT_NONE && v != RUN_VERDICT_ENDED && v != RUN_VERDICT_HAND_BACK;
        struct launch *launch = launch_new("00000000-0000-4000-8000-000000000000", 0);
        launch->run.verdict = (enum run_verdict)v;
        char *text = crash_text(launch);
        assert_int_equal(text[0] != '\0', is_proposed);
        if (v != RUN_VERDICT_EXITED)
            assert_null(crash_hint(launch));
        free(text);
        launch_free(launch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_launch_failed_names_the_stage_as_a_kind),
        cmocka_unit_test(test_launch_failed_without_a_stage),
        cmocka_unit_test(test_what_the_engine_says_is_not_a_format),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_out_of_memory_is_told_from_a_kill),
        cmocka_unit_test(test_every_proposed_verdict_has_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
