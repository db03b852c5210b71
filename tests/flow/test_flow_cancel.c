/*
 * test_flow_cancel.c - a cancelled run ends Cancelled within the grace time of what it runs plus ten seconds,
 * from every state, also when answers get lost on the way; never Crashed, and no container of it runs on.
 *
 * Each case brings a run into a state and rests there. Then the user cancels, fake time is measured, and what
 * must hold afterwards is the same for all of them. Each case is played a second time with the next answer to
 * the watch, to stop, to remove and to the verdict lost.
 */
#include "tests/flow/world.h"

#include "runner.h"

/* Whatever grace time a state has, the cancel is seen and carried out within so long. */
#define BOUND_MS SECONDS(10)
/* cancel_grace, and stop's grace time after it. */
#define CANCEL_GRACE_MS SECONDS(60)
#define STOP_GRACE_MS SECONDS(30)

struct cancel_case {
    const char *(*begin)(struct world *w); /* the run that rests in the state */
    int64_t grace_ms;
    int starts; /* of containers, in the end */
};

static void lose_answers(struct world *w)
{
    static const enum fake_engine_call calls[] = {FAKE_ENGINE_STOP, FAKE_ENGINE_REMOVE, FAKE_ENGINE_LIST};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        fake_engine_add_fault(w->engine,
                              &(struct fake_fault){.call = calls[i], .kind = FAKE_FAULT_DROP_AFTER});
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_FILTER_RUNS, FAKE_PREFECT_SET_STATE};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        fake_prefect_fault(
            w->prefect, &(struct fake_prefect_fault){.route = routes[i], .kind = PREFECT_FAULT_DROP_AFTER});
}

static void expect_no_container_runs(struct world *w)
{
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        assert_string_not_equal(fake_engine_container_at(w->engine, i)->state, "running");
}

static void play(struct world *w, const struct cancel_case *c, bool loses)
{
    const char *run = c->begin(w);
    if (loses)
        lose_answers(w);
    int64_t began_ms = w->clock.mono_ms;
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, c->grace_ms + BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_true(w->clock.mono_ms - began_ms <= c->grace_ms + BOUND_MS);
    expect_no_container_runs(w);
    UNTIL(w, MINUTES(4), w->service == NULL || world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), c->starts);
    expect_no_container_runs(w);
}

#define CASE(name, grace, container_starts)                                                                  \
    static void test_##name(void **state)                                                                    \
    {                                                                                                        \
        play(*state, &(struct cancel_case){begin_##name, grace, container_starts}, false);                   \
    }                                                                                                        \
    static void test_##name##_with_lost_answers(void **state)                                                \
    {                                                                                                        \
        play(*state, &(struct cancel_case){begin_##name, grace, container_starts}, true);                    \
    }
#define TESTS(name) FLOW_TEST(test_##name), FLOW_TEST(test_##name##_with_lost_answers)

#define NO_JITTER "[retry]\njitter = none\n"

static void fail_engine(struct world *w, enum fake_engine_call call, int times)
{
    for (int i = 0; i < times; i++)
        fake_engine_add_fault(w->engine,
                              &(struct fake_fault){.call = call, .kind = FAKE_FAULT_STATUS, .status = 500});
}

static void fail_prefect(struct world *w, enum fake_prefect_route route, enum fake_prefect_fault_kind kind,
                         int nth, int times)
{
    fake_prefect_fault(w->prefect,
                       &(struct fake_prefect_fault){
                           .route = route, .nth = nth, .times = times, .kind = kind, .status = 503});
}

static bool is_resting(const struct world *w, const char *run, enum run_state state)
{
    const struct live *live = runner_find_flow_run(service_runner(w->service), run);
    return live != NULL && live->launch->run.state == state && live->launch->run.pending == RUN_ACTION_NONE &&
           live->launch->run.next_try_at_ms != 0;
}

/* The wait that the run rests in is longer than the bound: only the watch can bring it out in time. */
static int64_t rest_ms(const struct world *w, const char *run)
{
    const struct live *live = runner_find_flow_run(service_runner(w->service), run);
    return live->launch->run.next_try_at_ms - w->clock.wall_ms;
}

/* ---- before the container ---- */

/* The claim's answer is lost, and looks fail, until the backoff is long. */
static const char *begin_claiming(struct world *w)
{
    const char *run = world_add_run(w);
    fail_prefect(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_AFTER, 1, 1);
    fail_prefect(w, FAKE_PREFECT_FILTER_RUNS, PREFECT_FAULT_STATUS, 1, -1);
    world_start(w, NO_JITTER);
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_CLAIMING) && rest_ms(w, run) > SECONDS(20));
    fake_prefect_clear_faults(w->prefect);
    return run;
}
CASE(claiming, 0, 0)

static const char *begin_resolving(struct world *w)
{
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 3000}); /* its copy gets old */
    fail_prefect(w, FAKE_PREFECT_GET_DEPLOYMENT, PREFECT_FAULT_STATUS, 2, 8);
    world_start(w, NO_JITTER "max_attempts = 20\n");
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_RESOLVING) && rest_ms(w, run) > SECONDS(12));
    return run;
}
CASE(resolving, 0, 0)

static const char *begin_pulling(struct world *w)
{
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 100});
    const char *run = world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_PULLING));
    world_pass(w, SECONDS(30));
    return run;
}
CASE(pulling, 0, 0)

/* Its start_time is set: Prefect's own worker would leave it alone. */
static const char *begin_a_retried_run(struct world *w)
{
    w->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 100});
    const char *run = world_add_run(w);
    assert_true(fake_prefect_container_runs(w->prefect, run));
    assert_true(fake_prefect_container_fails(w->prefect, run));
    fake_prefect_propose(
        w->prefect, run,
        &(struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED, .scheduled_at_ms = w->clock.wall_ms});
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_PULLING));
    return run;
}
CASE(a_retried_run, 0, 0)

static const char *begin_ready(struct world *w)
{
    const char *first = world_add_run(w);
    w->flow.run_ms = 1000;
    world_start(w, "[limits]\nstarts_per_second = 0.001\n");
    UNTIL(w, SECONDS(20), world_state(w, first) == PREFECT_STATE_COMPLETED);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(30), world_is_in(w, run, RUN_STATE_READY));
    return run;
}
CASE(ready, 0, 1)

static const char *begin_a_parked_run(struct world *w)
{
    w->flow_variables = "{\"image\":\"nowhere:1\"}";
    const char *run = world_add_run(w);
    world_start(w, "[class a]\nmatch_deployment = *\npark = true\n");
    UNTIL(w, MINUTES(3), world_is_in(w, run, RUN_STATE_PARKED));
    world_pass(w, MINUTES(5));
    return run;
}
CASE(a_parked_run, 0, 0)

/* The hand back was lost before it arrived, and a second one must wait for a minute. */
static const char *begin_handing_back(struct world *w)
{
    const char *run = begin_pulling(w);
    fail_prefect(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_BEFORE, 1, 1);
    runner_feed_kind(service_runner(w->service), runner_find_flow_run(service_runner(w->service), run),
                     RUN_EVENT_LAUNCH_DEADLINE);
    UNTIL(w, MINUTES(1), is_resting(w, run, RUN_STATE_HANDING_BACK));
    return run;
}
CASE(handing_back, 0, 0)

/* ---- a container exists, or may ---- */

static const char *begin_creating(struct world *w)
{
    const char *run = world_add_run(w);
    fail_engine(w, FAKE_ENGINE_CREATE, 8);
    world_start(w, NO_JITTER "max_attempts = 20\n");
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_CREATING) && rest_ms(w, run) > SECONDS(12));
    return run;
}
CASE(creating, 0, 0)

/* The container is there; nobody knows. */
static const char *begin_creating_unknown(struct world *w)
{
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_DROP_AFTER});
    fail_engine(w, FAKE_ENGINE_INSPECT, 8);
    world_start(w, NO_JITTER "max_attempts = 20\n");
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_CREATING) && rest_ms(w, run) > SECONDS(12));
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    return run;
}
CASE(creating_unknown, 0, 0)

static const char *begin_connecting(struct world *w)
{
    w->flow_variables = "{\"networks\":[\"bridge\",\"second\"]}";
    fake_engine_add_network(w->engine, "second");
    const char *run = world_add_run(w);
    fail_engine(w, FAKE_ENGINE_NETWORK_CONNECT, 8);
    world_start(w, NO_JITTER "max_attempts = 20\n");
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_CONNECTING) && rest_ms(w, run) > SECONDS(12));
    return run;
}
CASE(connecting, 0, 0)

static const char *begin_announcing(struct world *w)
{
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503,
                                                                .header = "Retry-After: 30"});
    world_start(w, NO_JITTER);
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_ANNOUNCING) && rest_ms(w, run) > SECONDS(12));
    return run;
}
CASE(announcing, 0, 0)

/* The start never arrived, and its container may still start for a minute. */
static const char *begin_starting(struct world *w)
{
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_DROP_BEFORE});
    world_start(w, NO_JITTER);
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_STARTING) && rest_ms(w, run) > SECONDS(12));
    return run;
}
CASE(starting, 0, 0)

static const char *begin_clearing(struct world *w)
{
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_START,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "no such command"});
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_REMOVE, .kind = FAKE_FAULT_HOLD});
    world_start(w, NO_JITTER);
    UNTIL(w, MINUTES(3), fake_engine_held(w->engine, FAKE_ENGINE_REMOVE) == 1);
    return run;
}

/* The remove that is out is answered soon after. */
static void test_clearing(void **state)
{
    struct world *w = *state;
    const char *run = begin_clearing(w);
    fake_prefect_user_cancels(w->prefect, run);
    world_pass(w, SECONDS(4));
    fake_engine_release(w->engine, FAKE_ENGINE_REMOVE);
    UNTIL(w, SECONDS(6), world_state(w, run) == PREFECT_STATE_CANCELLED);
    UNTIL(w, SECONDS(6), world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
}

/* ---- the container runs ---- */

static const char *run_until_told(struct world *w, bool ignores_sigterm)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.run_ms = -1, .ignores_sigterm = ignores_sigterm};
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_is_in(w, run, RUN_STATE_RUNNING));
    return run;
}

static const char *begin_running(struct world *w)
{
    return run_until_told(w, false);
}
CASE(running, CANCEL_GRACE_MS, 1)

/* The watch has just looked, so that the cancel is seen as late as can be. */
static const char *begin_running_just_watched(struct world *w)
{
    const char *run = run_until_told(w, false);
    world_pass(w, SECONDS(40));
    int looks = fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS);
    UNTIL(w, SECONDS(20), fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS) > looks);
    return run;
}
CASE(running_just_watched, CANCEL_GRACE_MS, 1)

static const char *begin_running_deaf(struct world *w)
{
    return run_until_told(w, true);
}
CASE(running_deaf, CANCEL_GRACE_MS + STOP_GRACE_MS, 1)

/* The engine refuses to stop it, now and always. */
static const char *begin_running_unstoppable(struct world *w)
{
    const char *run = run_until_told(w, false);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_STOP,
                                                          .nth = -1,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "cannot stop"});
    return run;
}
CASE(running_unstoppable, CANCEL_GRACE_MS, 1)

/* It has the stop grace time of a container, and is killed then. */
static const char *begin_stopping(struct world *w)
{
    const char *run = world_add_run(w);
    w->flow = (struct world_flow){.run_ms = -1, .ignores_sigterm = true};
    world_start(w, "[timeouts]\nmax_run_time = 1m\n");
    UNTIL(w, MINUTES(2), fake_engine_in_flight(w->engine, FAKE_ENGINE_STOP) == 1);
    return run;
}
CASE(stopping, STOP_GRACE_MS, 1)

static const char *begin_a_restart(struct world *w)
{
    const char *run = run_until_told(w, false);
    world_crash(w);
    world_start(w, NULL);
    return run;
}
CASE(a_restart, CANCEL_GRACE_MS, 1)

/* What remains of the container is as the job says. */
static void test_the_stopped_container_goes_if_the_job_says_so(void **state)
{
    struct world *w = *state;
    w->flow_variables = "{\"auto_remove\":true}";
    play(w, &(struct cancel_case){begin_running, CANCEL_GRACE_MS, 1}, false);
    assert_int_equal(fake_engine_container_count(w->engine), 0);
}

/* ---- the container is dead ---- */

static const char *begin_dead_while_down(struct world *w)
{
    const char *run = run_until_told(w, false);
    world_crash(w);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 137));
    return run;
}

/* Cancelled while nobody looked after it: the clock counts from our return. */
static void test_dead_while_down(void **state)
{
    struct world *w = *state;
    const char *run = begin_dead_while_down(w);
    fake_prefect_user_cancels(w->prefect, run);
    world_pass(w, MINUTES(2));
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
    world_start(w, NULL);
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

static void test_removed_while_down(void **state)
{
    struct world *w = *state;
    const char *run = begin_dead_while_down(w);
    assert_true(fake_engine_remove(w->engine, fake_engine_container_at(w->engine, 0)->id));
    fake_prefect_user_cancels(w->prefect, run);
    world_start(w, NULL);
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

/* Ended with 0 and left its run RUNNING: cancelled just after the first look at that. */
static const char *begin_left_running(struct world *w)
{
    const char *run = run_until_told(w, false);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 0));
    UNTIL(w, SECONDS(20), is_resting(w, run, RUN_STATE_REPORTING));
    return run;
}
CASE(left_running, 0, 1)

static void test_it_dies_of_the_cancel(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, false);
    fake_prefect_user_cancels(w->prefect, run);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 137));
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    UNTIL(w, BOUND_MS, world_launches(w) == 0);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

/* Exit code 0, and nothing said: the looks at a run left RUNNING find it out. */
static void test_it_ends_well_and_says_nothing(void **state)
{
    struct world *w = *state;
    const char *run = run_until_told(w, false);
    fake_prefect_user_cancels(w->prefect, run);
    assert_true(fake_engine_exit(w->engine, fake_engine_container_at(w->engine, 0)->id, 0));
    UNTIL(w, BOUND_MS, world_state(w, run) == PREFECT_STATE_CANCELLED);
    assert_int_equal(fake_prefect_had_state(w->prefect, run, PREFECT_STATE_CRASHED, NULL), 0);
}

/* ---- whose cancel it is ---- */

/* Our claim was lost and never arrived; another worker has the run, and that is the run which is cancelled.
 */
static void test_another_workers_run_is_left_to_it(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fail_prefect(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_BEFORE, 1, 1);
    world_start(w, NO_JITTER);
    UNTIL(w, MINUTES(3), is_resting(w, run, RUN_STATE_CLAIMING));
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
}

/* The same after a hand back whose answer was lost. */
static void test_a_run_that_was_handed_back_is_left_to_others(void **state)
{
    struct world *w = *state;
    const char *run = begin_pulling(w);
    fail_prefect(w, FAKE_PREFECT_SET_STATE, PREFECT_FAULT_DROP_AFTER, 1, 1);
    runner_feed_kind(service_runner(w->service), runner_find_flow_run(service_runner(w->service), run),
                     RUN_EVENT_LAUNCH_DEADLINE);
    UNTIL(w, MINUTES(1), is_resting(w, run, RUN_STATE_HANDING_BACK));
    assert_true(fake_prefect_other_worker_claims(w->prefect, run));
    fake_prefect_user_cancels(w->prefect, run);
    UNTIL(w, MINUTES(3), world_launches(w) == 0);
    assert_int_equal(world_state(w, run), PREFECT_STATE_CANCELLING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TESTS(claiming),
        TESTS(resolving),
        TESTS(pulling),
        TESTS(a_retried_run),
        TESTS(ready),
        TESTS(a_parked_run),
        TESTS(handing_back),
        TESTS(creating),
        TESTS(creating_unknown),
        TESTS(connecting),
        TESTS(announcing),
        TESTS(starting),
        FLOW_TEST(test_clearing),
        TESTS(running),
        TESTS(running_just_watched),
        TESTS(running_deaf),
        TESTS(running_unstoppable),
        TESTS(stopping),
        TESTS(a_restart),
        FLOW_TEST(test_the_stopped_container_goes_if_the_job_says_so),
        FLOW_TEST(test_dead_while_down),
        FLOW_TEST(test_removed_while_down),
        TESTS(left_running),
        FLOW_TEST(test_it_dies_of_the_cancel),
        FLOW_TEST(test_it_ends_well_and_says_nothing),
        FLOW_TEST(test_another_workers_run_is_left_to_it),
        FLOW_TEST(test_a_run_that_was_handed_back_is_left_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
