/* test_flow_admin.c - pause, resume and drain, through the real socket, and the commands that ask for them.
 */
#include "tests/flow/talker.h"

#include "runner.h"

#include <sys/socket.h>
#include <unistd.h>

#define PAUSE "{\"command\":\"pause\"}"
#define RESUME "{\"command\":\"resume\"}"
#define DRAIN "{\"command\":\"drain\"}"
#define DRAIN_AND_WAIT "{\"command\":\"drain\",\"wait\":true}"

static size_t claimed(const struct world *w)
{
    return fake_prefect_run_count(w->prefect) - world_count(w, PREFECT_STATE_SCHEDULED);
}

/* ---- pause ---- */

static void test_paused_nothing_is_claimed(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, SECONDS(1));
    expect_said(ask(w, PAUSE), "\"ok\":true");
    const char *run = world_add_run(w);
    world_pass(w, MINUTES(30));
    assert_int_equal(claimed(w), 0);
    assert_int_equal(world_launch_calls(w), 0);
    assert_true(world_is_in(w, run, RUN_STATE_QUEUED)); /* still seen */
    expect_said(world_query(w, "SELECT waits_for FROM queue"),
                "paused (sluice resume ends it) since 2026-01-01T00:00:01");
    expect_said(ask(w, PAUSE), "\"ok\":true"); /* once more does no harm */
    expect_said(ask(w, RESUME), "\"ok\":true");
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_string_equal(world_query(w, "SELECT count(*) FROM hold_rows"), "0");
}

static void test_a_pause_outlives_the_process(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    expect_said(ask(w, PAUSE), "\"ok\":true");
    world_crash(w); /* with the answer, it is on disk */
    const char *run = world_add_run(w);
    world_start(w, NULL);
    world_pass(w, MINUTES(10));
    assert_int_equal(claimed(w), 0);
    assert_int_equal(world_logged(w, "still paused"), 1);
    expect_said(ask(w, "{\"command\":\"progress\"}"), "\"paused\":true");
    expect_said(ask(w, RESUME), "resumed");
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    world_stop(w);
    world_start(w, NULL);
    assert_int_equal(world_logged(w, "still paused"), 1);
}

/* What runs is watched to its end, stopped when it is cancelled, and reported. */
static void test_paused_what_runs_goes_on(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = MINUTES(2);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    w->flow.run_ms = -1;
    const char *cancelled = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, cancelled, RUN_STATE_RUNNING));
    ask(w, PAUSE);
    fake_prefect_user_cancels(w->prefect, cancelled);
    UNTIL(w, MINUTES(3), world_state(w, cancelled) == PREFECT_STATE_CANCELLED);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
}

/* Claimed, and before its token: not started when that has come, and after hand_back_after another worker may
 * have it. */
static void test_paused_what_waits_for_its_start_is_handed_back(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = 1000;
    const char *first = world_add_run(w);
    world_start(w, "[limits]\nstarts_per_second = 0.02\n[retry]\nhand_back_after = 5m\n");
    UNTIL(w, MINUTES(1), world_state(w, first) == PREFECT_STATE_COMPLETED);
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_READY));
    ask(w, PAUSE);
    world_pass(w, MINUTES(4)); /* its token has long been there */
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
    assert_true(world_is_in(w, run, RUN_STATE_READY));
    expect_said(world_query(w, "SELECT waits_for FROM queue"), "paused (sluice resume ends it)");
    UNTIL(w, SECONDS(70), world_state(w, run) == PREFECT_STATE_SCHEDULED);
    world_pass(w, MINUTES(5));
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    expect_said(world_query(w, "SELECT last_error FROM launches WHERE verdict = 'hand_back'"),
                "sluice is paused");
}

/* ---- drain ---- */

static void test_drain_watches_to_the_end(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(10);
    const char *runs = world_add_run(w);
    world_start(w, "[limits]\nstarts_per_second = 0.001\nrunning = 2\n");
    UNTIL(w, MINUTES(1), world_is_in(w, runs, RUN_STATE_RUNNING));
    const char *ready = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, ready, RUN_STATE_READY));
    const char *queued = world_add_run(w); /* there is room for it when that one goes back */
    UNTIL(w, MINUTES(1), world_is_in(w, queued, RUN_STATE_QUEUED));
    struct talker t;
    talker_join(&t, w);
    expect_said(talker_ask(&t, w, DRAIN_AND_WAIT), "draining: ");
    const char *late = world_add_run(w);
    UNTIL(w, MINUTES(1), world_state(w, ready) == PREFECT_STATE_SCHEDULED);
    UNTIL(w, SECONDS(5),
          talker_has_heard(&t, "draining: 0 on their way to a container, 1 running, 0 ending, 0 parked"));
    world_pass(w, MINUTES(7)); /* more than 30 polls that do not come */
    assert_false(w->has_ended);
    assert_true(service_is_well(w->service));
    assert_int_equal(fake_prefect_had_state(w->prefect, queued, PREFECT_STATE_PENDING, NULL), 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, late, PREFECT_STATE_PENDING, NULL), 0);
    expect_said(ask(w, PAUSE), "it is draining, which can't be taken back");
    expect_said(ask(w, RESUME), "it is draining, which can't be taken back");
    expect_said(ask(w, DRAIN), "\"ok\":true");
    UNTIL(w, MINUTES(10), w->has_ended);
    assert_int_equal(w->exit_code, 0);
    assert_true(talker_has_heard(&t, "\"drained\":true"));
    assert_int_equal(world_state(w, runs), PREFECT_STATE_COMPLETED); /* its end was seen, and told */
    assert_int_equal(
        world_number(w, "SELECT count(*) FROM launches WHERE state NOT IN ('FINISHED', 'QUEUED')"), 0);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches WHERE has_claim AND state = 'QUEUED'"),
                     0);
    talker_leave(&t);
}

/* A call that was out when the drain began is answered first; what it leads to goes back as well. */
static void test_drain_hands_back_what_comes_out_of_a_pull(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 30000, .lines = 3});
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), fake_prefect_held(w->prefect) == 1);
    expect_said(ask(w, DRAIN), "draining: 1 on their way");
    world_pass(w, SECONDS(5));
    assert_false(w->has_ended);
    fake_prefect_release(w->prefect);
    UNTIL(w, MINUTES(1), w->has_ended);
    assert_int_equal(w->exit_code, 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_PENDING, NULL) >= 1, 1);
}

/* Stopped in the middle, the one who waits is told so, and the next start is no drain. */
static void test_a_drain_that_is_stopped(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(10);
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    struct talker t;
    talker_join(&t, w);
    talker_ask(&t, w, DRAIN_AND_WAIT);
    service_stop(w->service);
    UNTIL(w, SECONDS(10), w->has_ended);
    assert_true(talker_has_heard(&t, "stopped before it was drained"));
    assert_false(talker_has_heard(&t, "\"drained\":true"));
    talker_leave(&t);
    world_crash(w);
    const char *other = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, other, RUN_STATE_RUNNING));
}

static void test_requests_that_make_no_sense(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    expect_said(ask(w, "what?"), "\"ok\":false");
    expect_said(ask(w, "[]"), "unknown command");
    expect_said(ask(w, "{\"command\":7}"), "unknown command");
    expect_said(ask(w, "{\"command\":\"retry\"}"), "\"ok\":false");
    expect_said(ask(w, "{\"command\":\"retry\",\"run\":{}}"), "\"ok\":false");
    expect_said(ask(w, "{\"command\":\"drain\",\"wait\":\"yes\"}"), "\"ok\":true"); /* but nobody waits */
    UNTIL(w, SECONDS(5), w->has_ended);
    assert_int_equal(w->exit_code, 0);
}

/* Clients that talk nonsense, say half of it, don't listen, or come in crowds are nobody's concern. */
static void test_hostile_clients_change_nothing(void **state)
{
    struct world *w = *state;
    struct talker crowd[40];
    char *AUTO_FREE huge = check_alloc(100001);
    memset(huge, '[', 100000);
    world_start(w, NULL);
    world_pass(w, SECONDS(1));
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
        talker_join(&crowd[i], w);
        (void)!send(crowd[i].fd, huge, i % 3 == 0 ? 100000 : i, MSG_NOSIGNAL | MSG_DONTWAIT);
        world_pass(w, 0);
    }
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_COMPLETED);
    expect_said(ask(w, PAUSE), "\"ok\":true"); /* those who said nothing whole have been sent away */
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        talker_leave(&crowd[i]);
}

/* ---- the commands ---- */

static void test_commands_and_their_exit_codes(void **state)
{
    struct world *w = *state;
    const char *text;
    assert_int_equal(run_command(w, "pause", &text), 1);
    expect_said(text, "no running sluice is found at ");
    world_start(w, NULL);
    world_pass(w, SECONDS(1));
    assert_int_equal(run_command(w, "pause", &text), 0);
    expect_said(text, "paused: nothing more is claimed");
    assert_int_equal(run_command(w, "resume|--json", &text), 0);
    expect_said(text, "{\"ok\":true,\"said\":\"resumed\",\"progress\":{\"paused\":false");
    assert_int_equal(run_command(w, "retry|nobody", &text), 1);
    expect_said(text, "this sluice has no run \"nobody\" in hand");
    assert_int_equal(run_command(w, "retry", &text), 2);
    expect_said(text, "which run?");
    assert_int_equal(run_command(w, "drain|now", &text), 2);
    assert_int_equal(run_command(w, "pause|--wait", &text), 2);
    assert_int_equal(run_command(w, "drain|--wait", &text), 0);
    expect_said(text, "draining: 0 on their way to a container");
    expect_said(text, "drained: nothing is left");
    assert_true(w->has_ended);
    assert_int_equal(w->exit_code, 0);
}

static void test_status_of_a_service(void **state)
{
    struct world *w = *state;
    const char *text;
    const char *run = world_add_named_run(w, "otter");
    w->flow.run_ms = MINUTES(5);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, SECONDS(1));
    assert_int_equal(run_command(w, "status", &text), 0);
    expect_said(text, "running for ");
    expect_said(text, "0 queued, 0 starting, 1 running, 0 ending, 0 parked\n");
    assert_int_equal(run_command(w, "pause", &text), 0);
    assert_int_equal(run_command(w, "status", &text), 0);
    expect_said(text, "paused for ");
    assert_int_equal(run_command(w, "drain", &text), 0);
    assert_int_equal(run_command(w, "status|--json", &text), 0);
    expect_said(text, "{\"service\":{\"state\":\"draining\",\"pid\":");
    world_stop(w);
    assert_int_equal(run_command(w, "status", &text), 0);
    expect_said(text, "down: no sluice serves ");
    expect_said(text, "1 running");
}

static void test_why_with_and_without_a_service(void **state)
{
    struct world *w = *state;
    const char *text;
    const char *first = world_add_named_run(w, "otter");
    w->flow.run_ms = MINUTES(5);
    world_start(w, "[limits]\nrunning = 1\n");
    UNTIL(w, MINUTES(1), world_is_in(w, first, RUN_STATE_RUNNING));
    const char *run = world_add_named_run(w, "it's next");
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_QUEUED));
    world_pass(w, SECONDS(1));
    assert_int_equal(run_command(w, "why|it's next", &text), 0);
    expect_said(text, "at place 1 of the queue: pool limit: running 1; this ends when one of the runs that "
                      "count has ended\n");
    assert_int_equal(run_command(w, "why|otter|--json", &text), 0);
    expect_said(text, "\"state\":\"RUNNING\"");
    expect_said(text, "\"served\":true");
    char *AUTO_FREE prefix = check_printf("why|%.8s", first);
    UNTIL(w, MINUTES(6),
          world_state(w, first) == PREFECT_STATE_COMPLETED && !world_is_in(w, first, RUN_STATE_REPORTING));
    world_stop(w);
    assert_int_equal(run_command(w, prefix, &text), 0);
    expect_said(text, "ended at 2026-01-01T00:05:");
    expect_said(text, "exit code 0");
    assert_int_equal(run_command(w, "why|it's next", &text), 0);
    expect_said(text, "no sluice serves this state file now");
    assert_int_equal(run_command(w, "why|weasel' OR 1=1 --", &text), 1);
    expect_said(text, "knows no run \"weasel' OR 1=1 --\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_paused_nothing_is_claimed),
        FLOW_TEST(test_a_pause_outlives_the_process),
        FLOW_TEST(test_paused_what_runs_goes_on),
        FLOW_TEST(test_paused_what_waits_for_its_start_is_handed_back),
        FLOW_TEST(test_drain_watches_to_the_end),
        FLOW_TEST(test_drain_hands_back_what_comes_out_of_a_pull),
        FLOW_TEST(test_a_drain_that_is_stopped),
        FLOW_TEST(test_requests_that_make_no_sense),
        FLOW_TEST(test_hostile_clients_change_nothing),
        FLOW_TEST(test_commands_and_their_exit_codes),
        FLOW_TEST(test_status_of_a_service),
        FLOW_TEST(test_why_with_and_without_a_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
