/*
 * test_flow_return.c - Prefect away for ten minutes with runs in every phase, in each way a server can be
 * away: nothing is lost, and within 15 s of its return all due runs are started and all ended ones reported.
 */
#include "tests/flow/world.h"

#define RETURN_MS SECONDS(15)
#define OUTAGE_MS MINUTES(10)
/* Long enough for every backoff to have reached its cap. */
#define SHORT_OUTAGE_MS MINUTES(3)

/* How Prefect is away. */
enum absence { REFUSES, IS_SILENT, SAYS_503, SAYS_HTML };

static const char *const names[] = {"refuses", "silent", "503", "HTML"};

static void go_away(struct world *w, enum absence how)
{
    if (how == REFUSES) {
        fake_prefect_go_down(w->prefect);
        return;
    }
    static const struct fake_prefect_fault faults[] = {
        [IS_SILENT] = {.kind = PREFECT_FAULT_HOLD},
        [SAYS_503] = {.kind = PREFECT_FAULT_STATUS, .status = 503},
        [SAYS_HTML] = {.kind = PREFECT_FAULT_HTML, .status = 502},
    };
    struct fake_prefect_fault fault = faults[how];
    fault.route = FAKE_PREFECT_ANY;
    fault.times = -1;
    fake_prefect_fault(w->prefect, &fault);
}

/* Of the group of tests that runs. */
static enum absence chosen;

static void begin(struct world *w, const char *config_text)
{
    world_start(w, config_text);
    UNTIL(w, SECONDS(10), world_logged(w, "worker online") == 1);
}

/* What is held is never carried out: it was lost on the way. */
static int64_t come_back(struct world *w, enum absence how)
{
    if (how == REFUSES)
        fake_prefect_come_up(w->prefect);
    fake_prefect_clear_faults(w->prefect);
    return w->clock.mono_ms;
}

static int64_t took(const struct world *w, int64_t since_ms)
{
    return w->clock.mono_ms - since_ms;
}

/* Launches on their way: the outage catches them in the state given. */
static void launching_in(struct world *w, enum absence how, enum run_state state)
{
    begin(w, NULL);
    /* A slow claim: the copy of the deployment has become old, and resolving is a call of its own. */
    if (state == RUN_STATE_RESOLVING)
        fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                    .kind = PREFECT_FAULT_DELAY,
                                                                    .delay_ms = 3000});
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(30), world_is_in(w, run, state));
    go_away(w, how);
    world_pass(w, SHORT_OUTAGE_MS);
    int64_t back_ms = come_back(w, how);
    UNTIL(w, RETURN_MS, fake_engine_starts(w->engine, NULL) == 1);
    printf("%s, %s: started %lld ms after the return\n", names[how], run_state_name(state),
           (long long)took(w, back_ms));
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
}

/* Runs that fell due meanwhile, and runs that wait for a slot. */
static void waiting(struct world *w, enum absence how)
{
    begin(w, "[limits]\nlaunching = 20\n");
    go_away(w, how);
    world_pass(w, MINUTES(2));
    for (int i = 0; i < 40; i++)
        world_add_run(w);
    world_pass(w, OUTAGE_MS - MINUTES(2));
    assert_int_equal(fake_engine_starts(w->engine, NULL), 0);
    int64_t back_ms = come_back(w, how);
    UNTIL(w, RETURN_MS, fake_engine_starts(w->engine, NULL) == 40);
    printf("%s, 40 waiting: started %lld ms after the return\n", names[how], (long long)took(w, back_ms));
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_COMPLETED) == 40 && world_launches(w) == 0);
}

/* Containers that end badly meanwhile. */
static void ending(struct world *w, enum absence how)
{
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = MINUTES(3), .exit_code = 9};
    begin(w, "[limits]\nlaunching = 20\n");
    for (int i = 0; i < 40; i++)
        world_add_run(w);
    UNTIL(w, SECONDS(40), world_count(w, PREFECT_STATE_RUNNING) == 40);
    go_away(w, how);
    world_pass(w, OUTAGE_MS);
    assert_int_equal((int)world_count(w, PREFECT_STATE_RUNNING), 40);
    int64_t back_ms = come_back(w, how);
    UNTIL(w, RETURN_MS, world_count(w, PREFECT_STATE_CRASHED) == 40);
    printf("%s, 40 ended: reported %lld ms after the return\n", names[how], (long long)took(w, back_ms));
    for (size_t i = 0; i < 40; i++)
        assert_non_null(strstr(world_message(w, fake_prefect_run_id(w->prefect, i)), "status code 9"));
}

/* The report's own answer is lost as the outage begins. */
static void reporting(struct world *w, enum absence how)
{
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = SECONDS(5), .exit_code = 9};
    begin(w, NULL);
    const char *run = world_add_run(w);
    UNTIL(w, SECONDS(40), world_is_in(w, run, RUN_STATE_REPORTING));
    go_away(w, how);
    world_pass(w, SHORT_OUTAGE_MS);
    int64_t back_ms = come_back(w, how);
    UNTIL(w, RETURN_MS, world_state(w, run) == PREFECT_STATE_CRASHED);
    printf("%s, REPORTING: reported %lld ms after the return\n", names[how], (long long)took(w, back_ms));
}

static void test_waiting(void **state)
{
    struct world *w = *state;
    waiting(w, chosen);
}

static void test_claiming(void **state)
{
    struct world *w = *state;
    launching_in(w, chosen, RUN_STATE_CLAIMING);
}

static void test_submitting(void **state)
{
    struct world *w = *state;
    launching_in(w, chosen, RUN_STATE_SUBMITTING);
}

static void test_resolving(void **state)
{
    struct world *w = *state;
    launching_in(w, chosen, RUN_STATE_RESOLVING);
}

static void test_pulling(void **state)
{
    struct world *w = *state;
    launching_in(w, chosen, RUN_STATE_PULLING);
}

static void test_announcing(void **state)
{
    struct world *w = *state;
    launching_in(w, chosen, RUN_STATE_ANNOUNCING);
}

static void test_ending(void **state)
{
    struct world *w = *state;
    ending(w, chosen);
}

static void test_reporting(void **state)
{
    struct world *w = *state;
    reporting(w, chosen);
}

/* One call that hangs until its clock runs out, while others are answered, is no outage. */
static void test_one_call_that_hangs_is_no_outage(void **state)
{
    struct world *w = *state;
    begin(w, NULL);
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_HOLD});
    UNTIL(w, MINUTES(1), fake_prefect_held(w->prefect) == 1);
    UNTIL(w, MINUTES(2), world_logged(w, "msg=timeout") == 1);
    world_pass(w, SECONDS(2));
    assert_int_equal(world_logged(w, "Prefect does not answer"), 0);
    UNTIL(w, MINUTES(3), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* A server that was overloaded answers what it had taken on a little after it is back: nothing is asked
 * twice. */
static void test_calls_that_were_only_slow_keep_their_answers(void **state)
{
    struct world *w = *state;
    begin(w, NULL);
    const char *run = world_add_run(w);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 20000});
    UNTIL(w, MINUTES(1), fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE) == 1);
    fake_prefect_fault(
        w->prefect, &(struct fake_prefect_fault){
                        .route = FAKE_PREFECT_ANY, .times = -1, .kind = PREFECT_FAULT_STATUS, .status = 503});
    UNTIL(w, MINUTES(1), world_logged(w, "Prefect does not answer") == 1);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(1), world_logged(w, "Prefect is back") == 1);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_logged(w, "Prefect does not answer"), 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM attempts WHERE error_class = 'unknown_outcome'"),
                     0);
    assert_int_equal(fake_prefect_calls(w->prefect, FAKE_PREFECT_SET_STATE), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        FLOW_TEST(test_waiting),   FLOW_TEST(test_claiming),  FLOW_TEST(test_submitting),
        FLOW_TEST(test_resolving), FLOW_TEST(test_pulling),   FLOW_TEST(test_announcing),
        FLOW_TEST(test_ending),    FLOW_TEST(test_reporting),
    };
    static const struct CMUnitTest slow[] = {
        FLOW_TEST(test_one_call_that_hangs_is_no_outage),
        FLOW_TEST(test_calls_that_were_only_slow_keep_their_answers),
    };
    int failed = cmocka_run_group_tests_name("slow", slow, NULL, NULL);
    for (chosen = REFUSES; chosen <= SAYS_HTML; chosen++)
        failed += cmocka_run_group_tests_name(names[chosen], tests, NULL, NULL);
    return failed;
}
