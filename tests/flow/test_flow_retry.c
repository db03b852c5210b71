/* test_flow_retry.c - the operator's rules and limits at work, and retries that a kill neither speeds up nor
 * puts off. */
#include "tests/flow/world.h"

#define RETRY_8S "[retry]\nbase = 8s\nfactor = 1.5\njitter = none\nmax_attempts = 6\n"

static void fail_always(struct world *w, enum fake_engine_call call, int status, const char *message)
{
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){
            .call = call, .nth = -1, .kind = FAKE_FAULT_STATUS, .status = status, .message = message});
}

static void fail_once(struct world *w, enum fake_engine_call call, int status, const char *message)
{
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = call, .kind = FAKE_FAULT_STATUS, .status = status, .message = message});
}

static void need_a_pull(struct world *w)
{
    w->flow_variables = "{\"image\": \"etl:2\"}";
    fake_engine_add_registry_image(w->engine, &(struct fake_registry_image){.image = "etl:2"});
}

/* ---- killed in a backoff ---- */

struct backoff {
    long tries;
    int64_t next_try_at_ms;
};

static struct backoff backoff_of(struct world *w)
{
    struct backoff b = {.tries = world_number(w, "SELECT attempt FROM launches")};
    b.next_try_at_ms = strtoll(world_query(w, "SELECT next_try_at_ms FROM launches"), NULL, 10);
    return b;
}

/* Kill it, be away for so long, and start it again: the try comes when it was due, or at once if that is
 * over; never a second before or behind. */
static void kill_in_backoff(struct world *w, enum fake_engine_call call, int64_t wait_ms, int64_t away_ms)
{
    world_pass(w, 100); /* the row is written within 50 ms */
    const struct backoff before = backoff_of(w);
    assert_true(before.next_try_at_ms > w->clock.wall_ms);
    int calls = fake_engine_calls(w->engine, (int)call);
    world_pass(w, wait_ms);
    assert_int_equal(fake_engine_calls(w->engine, (int)call), calls);
    world_crash(w);
    world_pass(w, away_ms);
    int64_t due_ms = before.next_try_at_ms > w->clock.wall_ms ? before.next_try_at_ms : w->clock.wall_ms;
    world_start(w, NULL);
    if (due_ms == before.next_try_at_ms) {
        world_pass(w, due_ms - w->clock.wall_ms > 200 ? 100 : 0);
        const struct backoff after = backoff_of(w);
        assert_int_equal(after.tries, before.tries);
        assert_int_equal(after.next_try_at_ms, before.next_try_at_ms);
    }
    UNTIL(w, SECONDS(90), fake_engine_calls(w->engine, (int)call) > calls);
    assert_in_range(w->clock.wall_ms, due_ms, due_ms + SECONDS(1));
}

static int64_t take_20ms(void *arg, int call, int in_flight)
{
    (void)arg;
    (void)call;
    (void)in_flight;
    return 20;
}

/* With the kills the launch has as many tries as without. The engine takes its time, so that it is found
 * within reach after the launches have been read. */
static void expect_exact_tries(struct world *w, enum fake_engine_call call)
{
    static const struct {
        int64_t wait_ms;
        int64_t away_ms;
    } kills[] = {{0, 0}, {2000, 1000}, {9000, SECONDS(300)}, {13000, 5000}, {500, 30000}};
    const char *run = world_add_run(w);
    fake_engine_set_latency(w->engine, take_20ms, NULL);
    world_start(w, RETRY_8S);
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, (int)call) == 1);
    for (size_t i = 0; i < ARRAY_LEN(kills); i++)
        kill_in_backoff(w, call, kills[i].wait_ms, kills[i].away_ms);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CRASHED && world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, (int)call), 6);
}

static void test_killed_in_the_backoff_of_a_create(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 500, "database is locked");
    expect_exact_tries(w, FAKE_ENGINE_CREATE);
}

static void test_killed_in_the_backoff_of_a_pull(void **state)
{
    struct world *w = *state;
    need_a_pull(w);
    fail_always(w, FAKE_ENGINE_PULL, 500, "received unexpected HTTP status: 502 Bad Gateway");
    expect_exact_tries(w, FAKE_ENGINE_PULL);
}

/* What the other side asked for is kept, too. */
static void test_killed_in_a_wait_that_was_asked_for(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 503,
                                                          .message = "busy",
                                                          .headers = "Retry-After: 50\r\n"});
    const char *run = world_add_run(w);
    world_start(w, RETRY_8S);
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    int64_t asked_ms = w->clock.wall_ms + SECONDS(50);
    world_pass(w, 100);
    assert_in_range(backoff_of(w).next_try_at_ms, asked_ms, asked_ms + SECONDS(10));
    kill_in_backoff(w, FAKE_ENGINE_CREATE, SECONDS(20), SECONDS(5));
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* The clock of the total time goes on over a kill as well. */
static void test_the_total_time_goes_on_over_a_kill(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 500, "database is locked");
    const char *run = world_add_run(w);
    world_start(
        w, "[retry]\nbase = 4s\nfactor = 1\njitter = none\nmax_attempts = 1000\ncreate_max_time = 30s\n");
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    int64_t first_ms = w->clock.wall_ms;
    for (int i = 0; i < 3; i++)
        kill_in_backoff(w, FAKE_ENGINE_CREATE, 1000, 1000);
    UNTIL(w, MINUTES(3), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 9); /* at 0, 4, ..., 28, 30 s */
    assert_in_range(w->clock.wall_ms, first_ms + SECONDS(30), first_ms + SECONDS(31));
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 9);
}

/* ---- rules ---- */

static void test_a_rule_repeats_what_the_table_ends(void **state)
{
    struct world *w = *state;
    need_a_pull(w);
    fail_once(w, FAKE_ENGINE_PULL, 403, "denied: access forbidden");
    const char *run = world_add_run(w);
    world_start(w,
                "[rule vpn]\nstage = pull\nmessage = *ACCESS FORBIDDEN*\nclass = transient\ndelay = 40s\n");
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 1);
    int64_t first_ms = w->clock.wall_ms;
    UNTIL(w, MINUTES(3), fake_engine_calls(w->engine, FAKE_ENGINE_PULL) == 2);
    assert_in_range(w->clock.wall_ms, first_ms + SECONDS(40), first_ms + SECONDS(49));
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_logged(w, "rule=vpn"), 1);
    assert_string_equal(
        world_query(w, "SELECT error_class FROM attempts WHERE stage = 'pull' AND outcome = 'error'"),
        "transient");
}

static void test_a_rule_ends_what_the_table_repeats(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 500, "the licence server says no");
    const char *run = world_add_run(w);
    world_start(w, "[rule licence]\nstage = create\nstatus = 5xx\nmessage = *licence*\naction = fail\n");
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 1);
}

/* What goes wrong on the way to the report is not why the run is given up. */
static void test_a_crash_is_told_with_its_own_reason(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 500, "the licence server says no");
    fail_once(w, FAKE_ENGINE_LIST, 500, "the list is lost");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .nth = 3,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    const char *run = world_add_run(w);
    world_start(w, "[rule licence]\nstage = create\nmessage = *licence*\naction = fail\n");
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_non_null(strstr(world_message(w, run), "the licence server says no"));
}

/* The container that may exist is cleared in between; a restart doesn't forget what the rule said. */
static void test_a_rule_parks(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 400, "bad");
    fake_engine_add_fault(
        w->engine, &(struct fake_fault){.call = FAKE_ENGINE_LIST, .nth = -1, .kind = FAKE_FAULT_STALL});
    const char *run = world_add_run(w);
    world_start(w, "[rule bad]\nstage = create\nstatus = 400\naction = park\n");
    UNTIL(w, SECONDS(60), world_is_in(w, run, RUN_STATE_CLEARING));
    world_pass(w, 100);
    world_crash(w);
    fake_engine_clear_faults(w->engine);
    world_start(w, "");
    UNTIL(w, MINUTES(3), world_is_in(w, run, RUN_STATE_PARKED));
    assert_int_equal(world_state(w, run), PREFECT_STATE_PENDING);
}

/* An answer that got lost is looked at, whatever a rule says. */
static void test_no_rule_repeats_what_may_have_been_done(void **state)
{
    struct world *w = *state;
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_CREATE, FAKE_ENGINE_START};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        fake_engine_add_fault(w->engine,
                              &(struct fake_fault){.call = calls[i], .kind = FAKE_FAULT_DROP_AFTER});
    const char *run = world_add_run(w);
    world_start(w,
                "[rule again]\nstage = create, start, inspect, remove\naction = retry\nclass = transient\n");
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 1);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_START), 1);
    assert_int_equal(world_logged(w, "rule=again"), 0);
}

static void test_limits_by_stage(void **state)
{
    struct world *w = *state;
    fail_always(w, FAKE_ENGINE_CREATE, 500, "database is locked");
    const char *run = world_add_run(w);
    world_start(w, "[retry]\ncreate_max_attempts = 2\ncreate_base = 20s\ncreate_jitter = none\n");
    UNTIL(w, SECONDS(30), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 1);
    int64_t first_ms = w->clock.wall_ms;
    UNTIL(w, SECONDS(60), fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) == 2);
    assert_in_range(w->clock.wall_ms, first_ms + SECONDS(20), first_ms + SECONDS(21));
    UNTIL(w, SECONDS(30), world_state(w, run) == PREFECT_STATE_CRASHED);
    assert_int_equal(fake_engine_calls(w->engine, FAKE_ENGINE_CREATE), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_killed_in_the_backoff_of_a_create),
        FLOW_TEST(test_killed_in_the_backoff_of_a_pull),
        FLOW_TEST(test_killed_in_a_wait_that_was_asked_for),
        FLOW_TEST(test_the_total_time_goes_on_over_a_kill),
        FLOW_TEST(test_a_rule_repeats_what_the_table_ends),
        FLOW_TEST(test_a_rule_ends_what_the_table_repeats),
        FLOW_TEST(test_a_crash_is_told_with_its_own_reason),
        FLOW_TEST(test_a_rule_parks),
        FLOW_TEST(test_no_rule_repeats_what_may_have_been_done),
        FLOW_TEST(test_limits_by_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
