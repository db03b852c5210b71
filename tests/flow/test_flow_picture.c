/* test_flow_picture.c - what is shown of the service (meters.h, snapshot.h) is what it has done and what it
 * is doing, counted by the fakes. */
#include "tests/flow/world.h"

#include "meters.h"
#include "snapshot.h"

#include <string.h>

static const struct meters_class *class_meters(const struct world *w, const char *name)
{
    const struct meters *m = service_meters(w->service);
    for (size_t i = 0; i < meters_class_count(m); i++)
        if (strcmp(meters_class(m, i)->name, name) == 0)
            return meters_class(m, i);
    fail_msg("no class %s", name);
    return NULL;
}

static uint64_t calls(const struct world *w, const char *route, int status_class)
{
    const struct meters *m = service_meters(w->service);
    for (size_t i = 0; i < meters_endpoint_count(m); i++)
        if (strcmp(meters_endpoint(m, i)->name, route) == 0)
            return meters_endpoint(m, i)->by_status[status_class];
    return 0;
}

static void test_what_was_done_is_counted(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        world_add_run(w);
    fake_engine_add_fault(
        w->engine,
        &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STATUS, .status = 500});
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL});
    world_start(w, "[timeouts]\nstart = 5s\n");
    UNTIL(w, MINUTES(3), world_count(w, PREFECT_STATE_COMPLETED) == 5 && world_launches(w) == 0);
    const struct meters_class *c = class_meters(w, "default");
    assert_int_equal(c->claims, 5);
    assert_int_equal(c->starts, 5);
    assert_int_equal(c->ends[RUN_VERDICT_ENDED], 5);
    assert_int_equal(c->retries[ERROR_CLASS_TRANSIENT], 1);
    assert_int_equal(c->retries[ERROR_CLASS_UNKNOWN_OUTCOME], 1);
    assert_int_equal(c->timeouts[STAGE_START][CLOCK_KIND_TOTAL], 1);
    assert_int_equal(c->errors[STAGE_CREATE], 1);
    assert_int_equal(c->attempts[STAGE_CREATE],
                     (uint64_t)world_number(w, "SELECT count(*) FROM attempts WHERE stage = 'create'"));
    const struct meters *m = service_meters(w->service);
    assert_int_equal(meters_lateness(m)->count, 4); /* one was seen ended only */
    assert_int_equal(meters_took(m, STAGE_CREATE, METERS_OK)->count, 5);
    assert_int_equal(calls(w, "POST /containers/create", 2), 5);
    assert_int_equal(calls(w, "POST /containers/create", 5), 1);
    assert_int_equal(calls(w, "POST /containers/{}/start", 0), 1);
    assert_true(calls(w, "POST /flow_runs/{}/set_state", 2) >= 10);
    assert_true(meters_commits(m)->count > 0);
}

static void test_what_is_now_is_told(void **state)
{
    struct world *w = *state;
    struct snapshot s;
    for (int i = 0; i < 7; i++)
        world_add_run(w);
    w->flow.run_ms = MINUTES(10);
    world_start(w, "[limits]\nrunning = 2\nstarts_per_second = 5\nlaunching = 3\n");
    UNTIL(w, SECONDS(60), fake_engine_starts(w->engine, NULL) == 2);
    world_pass(w, SECONDS(20));
    snapshot_take(w->service, &s);
    assert_int_equal(s.pool.states[RUN_STATE_RUNNING], 2);
    assert_int_equal(s.pool.running, 2);
    assert_int_equal(s.pool.running_limit, 2);
    assert_int_equal(s.pool.queued, 5);
    assert_int_equal(s.pool.due, 5);
    assert_true(s.now_ms - s.pool.oldest_due_ms >= SECONDS(20));
    assert_true(s.pool.starts_per_second > 4.9 && s.pool.tokens > 0.9);
    assert_int_equal(s.class_count, 2);
    assert_string_equal(s.classes[0].name, "default");
    assert_int_equal(s.classes[0].queued, 5);
    assert_int_equal(s.classes[1].queued, 0);
    assert_int_equal(s.slots[0].limit, 3);
    assert_false(s.slots[0].is_learned);
    assert_true(s.is_online && !s.is_engine_away && !s.is_prefect_away);
    assert_true(s.last_poll_mono_ms > 0 && s.now_mono_ms - s.last_poll_mono_ms <= s.poll_interval_ms + 1000);
    assert_true(s.guard_count >= 2);
    snapshot_done(&s);

    fake_engine_go_down(w->engine, true, false);
    world_pass(w, SECONDS(30));
    snapshot_take(w->service, &s);
    assert_true(s.is_engine_away && s.engine_away_ms >= SECONDS(25) && s.engine_away_ms <= SECONDS(35));
    bool is_open = false;
    for (size_t i = 0; i < s.guard_count; i++)
        is_open = is_open || (s.guards[i].is_open && strcmp(s.guards[i].name, "engine") == 0);
    assert_true(is_open);
    snapshot_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_what_was_done_is_counted),
        FLOW_TEST(test_what_is_now_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
