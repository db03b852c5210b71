/* sluice why: the sentence for each way to wait, to be parked, to run and to end. */
#include "store/reader.h"
#include "store_fixture.h"
#include "why.h"

#include <stdint.h>

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
        {"limit of the work pool at the server", "that count there"},
        {"limit of the work pool or of work queue paused at the server", "that count there"},
        {"place among the first 200 due runs, which is what the server shows of a pool with limits",
         "before it"},
        {"image of 8 runs before it", "image is there"},
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
    expect(&w, "otter (0a1b) left the queue at T0, unclaimed: another worker has it, its queue was paused, "
               "or it is no "
               "longer due "
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

static void ask(struct store_fixture *f, const char *sql, const char *word, store_reader_row_fn fn, void *arg)
{
    struct err err;
    struct store_reader *reader;
    const char *const values[] = {word, NULL};
    if (store_reader_open(f->path, &reader, &err) != 0 ||
        store_reader_ask(reader, sql, values, fn, arg, &err) != 0)
        fail_msg("%s", err.msg);
    store_reader_close(reader);
}

static void add_line(void *arg, size_t columns, const struct store_cell *cells)
{
    char **plan = arg;
    char *more = check_printf("%s%s\n", *plan, cells[columns - 1].text);
    free(*plan);
    *plan = more;
}

/* One run out of a million is looked up, by its name and by its id. */
static void test_the_query_uses_indexes(void **state)
{
    struct store_fixture *f = *state;
    store_close(store_fixture_open(f));
    char *AUTO_FREE sql = check_printf("EXPLAIN QUERY PLAN %s", why_query);
    char *AUTO_FREE plan = check_strdup("");
    ask(f, sql, "it's", add_line, &plan);
    assert_non_null(strstr(plan, "SEARCH launches USING INDEX launches_run_name (run_name=?)"));
    assert_non_null(strstr(
        plan, "SEARCH launches USING COVERING INDEX launches_flow_run (flow_run_id>? AND flow_run_id<?)"));
    static const char *const walks[] = {"SCAN launches", "SCAN l\n", "SCAN h\n", "SCAN history_rows"};
    for (size_t i = 0; i < ARRAY_LEN(walks); i++)
        if (strstr(plan, walks[i]) != NULL)
            fail_msg("%s:\n%s", walks[i], plan);
}

static void count_row(void *arg, size_t columns, const struct store_cell *cells)
{
    char **found = arg;
    (void)columns;
    char *more = check_printf("%s%s ", *found, cells[1].text);
    free(*found);
    *found = more;
}

static void expect_found(struct store_fixture *f, const char *word, const char *names)
{
    char *AUTO_FREE found = check_strdup("");
    ask(f, why_query, word, count_row, &found);
    assert_string_equal(found, names);
}

static void test_whom_the_query_finds(void **state)
{
    struct store_fixture *f = *state;
    struct store *store = store_fixture_open(f);
    for (int n = 1; n <= 3; n++) {
        struct launch *l = store_fixture_launch(f, n);
        l->flow_run_id[0] = "0ab"[n - 1];
        l->run.state = n == 2 ? RUN_STATE_FINISHED : RUN_STATE_QUEUED;
        launch_set_text(&l->run_name, n == 3 ? "0000" : "o'tter");
        store_fixture_save(store, l);
        launch_free(l);
    }
    store_close(store);
    expect_found(f, "o'tter", "o'tter o'tter "); /* who lives comes first */
    expect_found(f, "a000", "o'tter ");
    expect_found(f, "A0000001-0000-4000-8000-000000000002", "o'tter ");
    expect_found(f, "a00", "");
    expect_found(f, "a001", "");
    expect_found(f, "0000", "0000 o'tter ");
    expect_found(f, "%", "");
    expect_found(f, "", "");
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, store_fixture_setup, store_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_what_ends_a_wait),
        cmocka_unit_test(test_runs_and_is_parked),
        cmocka_unit_test(test_is_ending),
        cmocka_unit_test(test_has_ended),
        cmocka_unit_test(test_each_verdict_has_words),
        STORE_TEST(test_the_query_uses_indexes),
        STORE_TEST(test_whom_the_query_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
