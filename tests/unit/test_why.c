/* sluice why: the sentence for each way to wait, to be parked, to run and to end. */
#include "base/check.h"
#include "why.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct why plain(const char *state)
{
    return (struct why){.run_id = "0a1b",
                        .run_name = "otter",
                        .class_name = "etl",
                        .state = state,
                        .since = "T0",
                        .position = "3",
                        .waits_for = "",
                        .next_try_at = "",
                        .tries = "0",
                        .last_error = "",
                        .verdict = "none",
                        .exit_code = "0",
                        .oom_killed = "0",
                        .container_id = "c0ffee000000aaaa",
                        .started_at = "T1",
                        .came_from = "",
                        .came_by = "",
                        .token_s = ""};
}

static void expect(const struct why *w, const char *sentence)
{
    char *AUTO_FREE said = why_say(w);
    assert_string_equal(said, sentence);
}

static void test_waits(void **state)
{
    (void)state;
    struct why w = plain("QUEUED");
    w.waits_for = "pool limit: running 200";
    expect(&w, "otter (0a1b) waits, QUEUED since T0, at place 3 of the queue: pool limit: running 200; this "
               "ends when "
               "one of the runs that count has ended");
    w.state = "CREATING";
    w.waits_for = "backoff until T9";
    w.tries = "2";
    w.last_error = "create: database is locked";
    expect(&w, "otter (0a1b) waits, CREATING since T0, at place 3 of the queue: backoff until T9; this ends "
               "by itself; "
               "failed tries: 2, the last: create: database is locked");
    w = plain("READY");
    w.waits_for = "class etl limit: starts_per_second 0.5";
    w.token_s = "1.7";
    expect(&w, "otter (0a1b) waits, READY since T0, at place 3 of the queue: class etl limit: "
               "starts_per_second 0.5; "
               "this ends with the next token, in 1.7 s");
}

/* Each word of the view has an end of its own. */
static void test_what_ends_a_wait(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"paused (sluice resume ends it) since T", "sluice resume"},
        {"engine out of reach since T", "return"},
        {"Prefect out of reach since T", "return"},
        {"dependency out of reach since T", "return"},
        {"answer to create", "answer"},
        {"pool limit: launching 3", "launches under way"},
        {"launch slot", "launches under way"},
        {"claim-ahead window", "claimed before"},
        {"paused (sluice resume ends it) since T; engine out of reach since T", "sluice resume"},
    };
    struct why w = plain("QUEUED");
    assert_string_equal(why_ends(&w), "");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        w.waits_for = cases[i][0];
        if (strstr(why_ends(&w), cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], why_ends(&w));
    }
}

static void test_runs_and_is_parked(void **state)
{
    (void)state;
    struct why w = plain("RUNNING");
    expect(&w, "otter (0a1b) runs since T1 in container c0ffee000000");
    w.last_error = "the flow run is over, and its container runs on";
    expect(&w, "otter (0a1b) runs since T1 in container c0ffee000000; the flow run is over, and its "
               "container runs on");
    w = plain("PARKED");
    w.last_error = "pull: no such image";
    expect(&w, "otter (0a1b) is parked since T0: pull: no such image; sluice retry 0a1b tries it again, "
               "sluice discard "
               "0a1b reports it Crashed; until then it stays Pending at the server");
}

static void test_is_ending(void **state)
{
    (void)state;
    struct why w = plain("REPORTING");
    w.verdict = "exited";
    w.exit_code = "137";
    w.oom_killed = "1";
    expect(&w, "otter (0a1b) is ending, REPORTING since T0: its container ended with exit code 137, killed "
               "for want of "
               "memory");
    w.next_try_at = "T9";
    w.last_error = "report: 503";
    expect(&w, "otter (0a1b) is ending, REPORTING since T0: its container ended with exit code 137, killed "
               "for want of "
               "memory; tried again at T9, after: report: 503");
}

static void test_has_ended(void **state)
{
    (void)state;
    struct why w = plain("FINISHED");
    w.came_from = "QUEUED";
    w.came_by = "SEEN_ELSEWHERE";
    expect(&w, "otter (0a1b) left the queue at T0, unclaimed: another worker has it, or it is no longer due "
               "(SEEN_ELSEWHERE)");
    w.came_from = "CLAIMING";
    w.came_by = "REFUSED";
    expect(&w, "otter (0a1b) was let go at T0, from CLAIMING: it was no longer ours to launch (REFUSED)");
    w.verdict = "launch_failed";
    w.last_error = "pull: no such image";
    expect(&w, "otter (0a1b) ended at T0: its launch failed for good: pull: no such image");
}

/* No verdict is left without words. */
static void test_each_verdict_has_words(void **state)
{
    (void)state;
    static const char *const verdicts[] = {"launch_failed", "exited",      "ended",        "never_ran",
                                           "left_running",  "disappeared", "ran_too_long", "cancelled",
                                           "over",          "hand_back"};
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        struct why w = plain("FINISHED");
        w.verdict = verdicts[i];
        char *AUTO_FREE said = why_say(&w);
        assert_non_null(strstr(said, "ended at T0: "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_what_ends_a_wait),
        cmocka_unit_test(test_runs_and_is_parked),
        cmocka_unit_test(test_is_ending),
        cmocka_unit_test(test_has_ended),
        cmocka_unit_test(test_each_verdict_has_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
