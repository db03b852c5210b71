/*
 * test_flow_hand_back.c - a claimed run that we can't or won't launch goes back to SCHEDULED, with its
 * concurrency slot free and its pid cleared, and another worker runs it then; we don't touch it any more.
 */
#include "tests/flow/world.h"

#include "runner.h"

#define NO_JITTER "[retry]\njitter = none\nmax_attempts = 20\n"

struct setting {
    const char *deployment; /* of limit 1 */
    const char *run;
};

static struct setting add(struct world *w, const char *job_variables_json)
{
    struct setting s;
    s.deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "single",
                                                      .pool = WORLD_POOL,
                                                      .job_variables_json = job_variables_json,
                                                      .has_limit = true,
                                                      .limit = 1});
    s.run = fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = s.deployment});
    return s;
}

static bool is_resting(const struct world *w, const char *run, enum run_state state)
{
    const struct live *live = runner_find_flow_run(service_runner(w->service), run);
    return live != NULL && live->launch->run.state == state && live->launch->run.pending == RUN_ACTION_NONE &&
           live->launch->run.next_try_at_ms != 0;
}

static void answer_503(struct world *w, enum fake_prefect_route route, int nth, int times)
{
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = route,
                                                                .nth = nth,
                                                                .times = times,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503,
                                                                .header = "Retry-After: 60"});
}

static void lose_set_state(struct world *w, enum fake_prefect_fault_kind kind)
{
    fake_prefect_fault(w->prefect,
                       &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .kind = kind});
}

/* ---- states to go back from ---- */

#define IMAGE "{\"image\":\"" WORLD_IMAGE "\"}"

static struct setting begin_claiming(struct world *w, const char *config_text)
{
    struct setting s = add(w, IMAGE);
    lose_set_state(w, PREFECT_FAULT_DROP_AFTER);
    answer_503(w, FAKE_PREFECT_FILTER_RUNS, 1, 1);
    world_start(w, config_text);
    UNTIL(w, SECONDS(20),
          fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS) >= 1 &&
              is_resting(w, s.run, RUN_STATE_CLAIMING));
    return s;
}

static struct setting begin_resolving(struct world *w, const char *config_text)
{
    struct setting s = add(w, IMAGE);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 3000});
    answer_503(w, FAKE_PREFECT_GET_DEPLOYMENT, 2, 20);
    world_start(w, config_text);
    UNTIL(w, SECONDS(20), is_resting(w, s.run, RUN_STATE_RESOLVING));
    return s;
}

static struct setting begin_pulling(struct world *w, const char *config_text)
{
    struct setting s = add(w, "{\"image\":\"etl:2\"}");
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 100});
    world_start(w, config_text);
    UNTIL(w, SECONDS(20), world_is_in(w, s.run, RUN_STATE_PULLING));
    world_pass(w, SECONDS(20));
    return s;
}

static struct setting begin_ready(struct world *w, const char *config_text)
{
    char *text = check_printf("%s[limits]\nstarts_per_second = 0.001\n", config_text);
    const char *first = world_add_run(w);
    w->flow.run_ms = 1000;
    world_start(w, text);
    free(text);
    UNTIL(w, SECONDS(20), world_state(w, first) == PREFECT_STATE_COMPLETED);
    struct setting s = add(w, IMAGE);
    UNTIL(w, SECONDS(30), world_is_in(w, s.run, RUN_STATE_READY));
    return s;
}

/* A container may exist, since an answer was lost; it does. */
static struct setting begin_creating(struct world *w, const char *config_text)
{
    struct setting s = add(w, IMAGE);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_DROP_AFTER});
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_INSPECT,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 503,
                                                          .headers = "Retry-After: 300\r\n"});
    world_start(w, config_text);
    UNTIL(w, SECONDS(20), is_resting(w, s.run, RUN_STATE_CREATING));
    assert_int_equal(fake_engine_container_count(w->engine), 1);
    return s;
}

/* The pid was written, and nobody knows. */
static struct setting begin_announcing(struct world *w, const char *config_text)
{
    struct setting s = add(w, IMAGE);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .kind = PREFECT_FAULT_DROP_AFTER});
    answer_503(w, FAKE_PREFECT_PATCH_RUN, 2, 1);
    world_start(w, config_text);
    UNTIL(w, SECONDS(20),
          fake_prefect_calls(w->prefect, FAKE_PREFECT_PATCH_RUN) == 2 &&
              is_resting(w, s.run, RUN_STATE_ANNOUNCING));
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, s.run, &look));
    assert_string_not_equal(look.pid, "");
    return s;
}

/* ---- what must hold ---- */

static void expect_back(struct world *w, const struct setting *s)
{
    struct fake_prefect_look look;
    assert_true(fake_prefect_look(w->prefect, s->run, &look));
    assert_int_equal(look.type, PREFECT_STATE_SCHEDULED);
    assert_string_equal(look.pid, "");
    assert_int_equal(fake_prefect_slots(w->prefect, s->deployment), 0);
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        assert_string_equal(fake_engine_container_at(w->engine, i)->state, "exited");
}

/* Another worker takes it and runs it, whatever we do meanwhile. */
static void expect_another_runs_it(struct world *w, const struct setting *s)
{
    fake_prefect_clear_faults(w->prefect);
    fake_engine_clear_faults(w->engine);
    assert_true(fake_prefect_other_worker_claims(w->prefect, s->run));
    assert_int_equal(fake_prefect_slots(w->prefect, s->deployment), 1);
    if (w->service == NULL)
        world_start(w, "");
    world_pass(w, MINUTES(2));
    assert_int_equal(world_state(w, s->run), PREFECT_STATE_PENDING);
    assert_true(fake_prefect_container_runs(w->prefect, s->run));
    world_pass(w, MINUTES(2));
    assert_true(fake_prefect_container_completes(w->prefect, s->run));
    UNTIL(w, MINUTES(2), world_launches(w) == 0);
    assert_int_equal(world_times_run(w, s->run), 1);
    assert_int_equal(world_state(w, s->run), PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_prefect_slots(w->prefect, s->deployment), 0);
}

typedef struct setting (*begin_fn)(struct world *w, const char *config_text);

/* SIGTERM: gone within ten seconds, and the run is back. */
static void drain(struct world *w, begin_fn begin)
{
    struct setting s = begin(w, NO_JITTER);
    fake_prefect_clear_faults(w->prefect);
    world_stop(w);
    assert_int_equal(w->exit_code, 0);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

/* The launch deadline passes. */
static void run_late(struct world *w, begin_fn begin)
{
    struct setting s = begin(w, NO_JITTER "[timeouts]\nlaunch_deadline = 50s\n");
    UNTIL(w, SECONDS(70), fake_prefect_had_state(w->prefect, s.run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, true); /* or we take it again */
    UNTIL(w, SECONDS(5), world_launches(w) == 0);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

#define DRAINED(name)                                                                                        \
    static void test_drained_in_##name(void **state)                                                         \
    {                                                                                                        \
        drain(*state, begin_##name);                                                                         \
    }
#define LATE(name)                                                                                           \
    static void test_late_in_##name(void **state)                                                            \
    {                                                                                                        \
        run_late(*state, begin_##name);                                                                      \
    }

DRAINED(claiming)
DRAINED(resolving)
DRAINED(pulling)
DRAINED(ready)
DRAINED(creating)
LATE(resolving)
LATE(pulling)
LATE(ready)
LATE(creating)
LATE(announcing)

/* The answer to "Submitting" comes while we stop. */
static void test_drained_in_submitting(void **state)
{
    struct world *w = *state;
    struct setting s = add(w, IMAGE);
    fake_prefect_fault(
        w->prefect,
        &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .nth = 2, .kind = PREFECT_FAULT_HOLD});
    world_start(w, NO_JITTER);
    UNTIL(w, SECONDS(20), fake_prefect_held(w->prefect) == 1);
    service_stop(w->service);
    world_pass(w, SECONDS(2));
    assert_false(w->has_ended);
    fake_prefect_release(w->prefect);
    UNTIL(w, SECONDS(5), w->has_ended);
    world_crash(w);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

/* ---- answers of the hand back that get lost ---- */

static void test_the_answer_to_the_hand_back_is_lost(void **state)
{
    struct world *w = *state;
    struct setting s = begin_pulling(w, NO_JITTER);
    lose_set_state(w, PREFECT_FAULT_DROP_AFTER);
    world_stop(w);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

/* Then it is still PENDING for us; the next start hands it back when the first proposal can't land any more.
 */
static void test_the_hand_back_itself_is_lost(void **state)
{
    struct world *w = *state;
    struct setting s = begin_pulling(w, NO_JITTER);
    lose_set_state(w, PREFECT_FAULT_DROP_BEFORE);
    world_stop(w);
    assert_int_equal(world_state(w, s.run), PREFECT_STATE_PENDING);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, true);
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_state(w, s.run) == PREFECT_STATE_SCHEDULED && world_launches(w) == 0);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

/* With its pid, a later cancel would wait for an infrastructure that there is not. */
static void test_a_pid_that_can_not_be_cleared_at_first(void **state)
{
    struct world *w = *state;
    struct setting s = begin_announcing(w, NO_JITTER "[timeouts]\nlaunch_deadline = 50s\n");
    int patches = fake_prefect_calls(w->prefect, FAKE_PREFECT_PATCH_RUN);
    answer_503(w, FAKE_PREFECT_PATCH_RUN, 1, 2);
    UNTIL(w, MINUTES(4), fake_prefect_had_state(w->prefect, s.run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, true); /* or we take it again */
    UNTIL(w, SECONDS(5), world_launches(w) == 0);
    assert_true(fake_prefect_calls(w->prefect, FAKE_PREFECT_PATCH_RUN) >= patches + 3);
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

static void test_a_pid_that_may_not_be_cleared_keeps_no_run(void **state)
{
    struct world *w = *state;
    struct setting s = begin_announcing(w, NO_JITTER "[timeouts]\nlaunch_deadline = 50s\n");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 422});
    UNTIL(w, SECONDS(70), fake_prefect_had_state(w->prefect, s.run, PREFECT_STATE_SCHEDULED, NULL) == 2);
    fake_prefect_pause_pool(w->prefect, WORLD_POOL, true);
    UNTIL(w, SECONDS(5), world_launches(w) == 0);
    expect_another_runs_it(w, &s);
}

/* Killed between the hand back and its answer; another worker was quick. */
static void test_a_kill_while_the_hand_back_is_out(void **state)
{
    struct world *w = *state;
    struct setting s = begin_pulling(w, NO_JITTER);
    lose_set_state(w, PREFECT_FAULT_HOLD);
    service_stop(w->service);
    UNTIL(w, SECONDS(5), fake_prefect_held(w->prefect) == 1);
    world_crash(w);
    fake_prefect_release(w->prefect); /* and it is carried out all the same */
    expect_back(w, &s);
    expect_another_runs_it(w, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_drained_in_claiming),
        FLOW_TEST(test_drained_in_submitting),
        FLOW_TEST(test_drained_in_resolving),
        FLOW_TEST(test_drained_in_pulling),
        FLOW_TEST(test_drained_in_ready),
        FLOW_TEST(test_drained_in_creating),
        FLOW_TEST(test_late_in_resolving),
        FLOW_TEST(test_late_in_pulling),
        FLOW_TEST(test_late_in_ready),
        FLOW_TEST(test_late_in_creating),
        FLOW_TEST(test_late_in_announcing),
        FLOW_TEST(test_the_answer_to_the_hand_back_is_lost),
        FLOW_TEST(test_the_hand_back_itself_is_lost),
        FLOW_TEST(test_a_pid_that_can_not_be_cleared_at_first),
        FLOW_TEST(test_a_pid_that_may_not_be_cleared_keeps_no_run),
        FLOW_TEST(test_a_kill_while_the_hand_back_is_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
