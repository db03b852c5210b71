/* test_prefect_lane.c - calls that can wait let others go first, keep their order, and never wait for ever.
 */
#include "prefect_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_MS 10000

static const char *const labels[] = {"a", "b", NULL};

static const char *add_run(struct prefect_world *w)
{
    if (!fake_prefect_has_pool(w->fake, "pool"))
        (void)fake_prefect_add_pool(w->fake, "pool", "docker", "{}");
    return fake_prefect_add_run(w->fake, &(struct fake_prefect_run){.pool = "pool"});
}

/* A call on which somebody waits, whose answer does not come. */
static void hold_urgent(struct heard *heard)
{
    struct prefect_world *w = heard->world;
    fake_prefect_fault(
        w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_POOL, .kind = PREFECT_FAULT_HOLD});
    struct prefect_ask ask = heard_ask(heard);
    ask.clocks = (struct http_clocks){1000, 0, 60000};
    assert_int_equal(prefect_get_pool(w->prefect, &ask, "pool", &heard->err), 0);
    prefect_world_turn(w);
    assert_int_equal(fake_prefect_held(w->fake), 1);
}

/* Answer what is held; then whoever has waited for that goes, and for those... */
static void release(struct prefect_world *w)
{
    fake_prefect_release(w->fake);
    prefect_world_turn(w);
    for (int i = 0; i < 4; i++)
        prefect_world_advance(w, 0);
}

static void begin_patient(struct heard *heard, const char *run)
{
    struct prefect_ask ask = heard_ask(heard);
    ask.can_wait = true;
    assert_int_equal(prefect_patch_labels(heard->world->prefect, &ask, run, labels, &heard->err), 0);
}

static int labels_sent(const struct prefect_world *w)
{
    return fake_prefect_calls(w->fake, FAKE_PREFECT_PATCH_LABELS);
}

static void test_goes_at_once_when_nothing_is_in_its_way(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    begin_patient(&heard, add_run(w));
    prefect_world_turn(w);
    heard_expect(&heard);
    assert_false(heard.has_failure);
    heard_done(&heard);
}

static void test_waits_until_the_urgent_are_over(void **state)
{
    struct prefect_world *w = *state;
    struct heard urgent = heard_new(w);
    struct heard patient = heard_new(w);
    const char *run = add_run(w);
    hold_urgent(&urgent);
    begin_patient(&patient, run);
    prefect_world_advance(w, PATIENCE_MS - 1000);
    assert_int_equal(labels_sent(w), 0);
    release(w);
    heard_expect(&urgent);
    heard_expect(&patient);
    assert_int_equal(labels_sent(w), 1);
    assert_false(patient.has_failure);
    /* Its clocks began when it went: 10 s in all would have been over. */
    assert_int_equal(patient.took_ms, 0);
    heard_done(&urgent);
    heard_done(&patient);
}

static void test_waits_no_longer_than_its_patience(void **state)
{
    struct prefect_world *w = *state;
    struct heard urgent = heard_new(w);
    struct heard patient[2] = {heard_new(w), heard_new(w)};
    const char *run = add_run(w);
    hold_urgent(&urgent);
    begin_patient(&patient[0], run);
    prefect_world_advance(w, 4000);
    begin_patient(&patient[1], run);
    prefect_world_advance(w, PATIENCE_MS - 4000);
    assert_int_equal(labels_sent(w), 1);
    heard_expect(&patient[0]);
    prefect_world_advance(w, 4000);
    assert_int_equal(labels_sent(w), 2);
    heard_expect(&patient[1]);
    assert_int_equal(urgent.done_count, 0);
    prefect_cancel(urgent.call);
    for (int i = 0; i < 2; i++)
        heard_done(&patient[i]);
    heard_done(&urgent);
}

static void test_a_few_at_a_time_and_in_order(void **state)
{
    struct prefect_world *w = *state;
    struct heard patient[9];
    const char *run = add_run(w);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_LABELS,
                                                             .kind = PREFECT_FAULT_HOLD,
                                                             .times = -1});
    for (int i = 0; i < 9; i++) {
        patient[i] = heard_new(w);
        begin_patient(&patient[i], run);
    }
    prefect_world_turn(w);
    assert_int_equal(fake_prefect_held(w->fake), 4);
    fake_prefect_clear_faults(w->fake);
    release(w);
    for (int i = 0; i < 9; i++)
        heard_expect(&patient[i]);
    assert_int_equal(labels_sent(w), 9);
    for (int i = 0; i < 9; i++)
        heard_done(&patient[i]);
}

static void test_cancelled_while_it_waits(void **state)
{
    struct prefect_world *w = *state;
    struct heard urgent = heard_new(w);
    struct heard patient = heard_new(w);
    const char *run = add_run(w);
    hold_urgent(&urgent);
    begin_patient(&patient, run);
    prefect_cancel(patient.call);
    fake_prefect_release(w->fake);
    prefect_world_advance(w, PATIENCE_MS);
    assert_int_equal(labels_sent(w), 0);
    assert_int_equal(patient.done_count, 0);
    heard_done(&urgent);
    heard_done(&patient);
}

static void test_in_a_hurry_nobody_waits(void **state)
{
    struct prefect_world *w = *state;
    struct heard urgent = heard_new(w);
    struct heard patient[2] = {heard_new(w), heard_new(w)};
    const char *run = add_run(w);
    hold_urgent(&urgent);
    begin_patient(&patient[0], run);
    prefect_world_turn(w);
    assert_int_equal(labels_sent(w), 0);
    prefect_hurry(w->prefect);
    begin_patient(&patient[1], run);
    prefect_world_turn(w);
    assert_int_equal(labels_sent(w), 2);
    prefect_cancel(urgent.call);
    for (int i = 0; i < 2; i++) {
        heard_expect(&patient[i]);
        heard_done(&patient[i]);
    }
    heard_done(&urgent);
}

static void test_the_client_goes_while_calls_wait(void **state)
{
    struct prefect_world *w = *state;
    struct heard urgent = heard_new(w);
    struct heard patient = heard_new(w);
    const char *run = add_run(w);
    hold_urgent(&urgent);
    begin_patient(&patient, run);
    prefect_world_restart(w);
    prefect_world_advance(w, PATIENCE_MS);
    assert_int_equal(patient.done_count, 0);
    heard_done(&urgent);
    heard_done(&patient);
}

#define LANE_TEST(name) cmocka_unit_test_setup_teardown(name, prefect_world_setup, prefect_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LANE_TEST(test_goes_at_once_when_nothing_is_in_its_way),
        LANE_TEST(test_waits_until_the_urgent_are_over),
        LANE_TEST(test_waits_no_longer_than_its_patience),
        LANE_TEST(test_a_few_at_a_time_and_in_order),
        LANE_TEST(test_cancelled_while_it_waits),
        LANE_TEST(test_in_a_hurry_nobody_waits),
        LANE_TEST(test_the_client_goes_while_calls_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
