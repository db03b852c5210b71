/*
 * Slots follow from rows: counted step by step along random lives, they always equal a fresh count; and what
 * each situation of a launch holds.
 */
#include "core/slots.h"

#include "run_table.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LAUNCHES 40
#define STEPS 200000

static struct slots recount(const struct run *runs, const bool *is_there)
{
    struct slots slots = {0};
    for (size_t i = 0; i < LAUNCHES; i++) {
        if (!is_there[i])
            continue;
        slots.running += run_holds_running_slot(&runs[i]) ? 1 : 0;
        slots.launching += run_holds_launch_slot(&runs[i]) ? 1 : 0;
        slots.starting += run_holds_start_slot(&runs[i]) ? 1 : 0;
        slots.announcing +=
            runs[i].state == RUN_STATE_ANNOUNCING && runs[i].pending != RUN_ACTION_NONE ? 1 : 0;
        slots.stopping += run_holds_stop_slot(&runs[i]) ? 1 : 0;
        slots.claim_ahead += run_is_claim_ahead(&runs[i]) ? 1 : 0;
        slots.pulling += runs[i].state == RUN_STATE_PULLING ? 1 : 0;
        slots.claiming += runs[i].pending == RUN_ACTION_CLAIM ? 1 : 0;
        slots.queued += runs[i].state == RUN_STATE_QUEUED && !runs[i].has_claim ? 1 : 0;
    }
    return slots;
}

/* Mostly what keeps a launch going, or lives would end at once. */
static enum run_event_kind random_kind(const struct run *run, uint64_t random)
{
    uint64_t luck = (random >> 32) % 100;
    if (luck < 50)
        return run->pending != RUN_ACTION_NONE ? RUN_EVENT_DONE : RUN_EVENT_ADMITTED;
    if (luck < 70 && run->pending == RUN_ACTION_NONE)
        return RUN_EVENT_ENTER;
    for (int i = 0; i < 50 && luck < 95; i++) {
        enum run_event_kind kind = (enum run_event_kind)(random_splitmix64(&random) % RUN_EVENT_COUNT);
        if (run_event_is_answer(kind) && run_can_answer(run->pending, kind))
            return kind;
    }
    return (enum run_event_kind)(random % RUN_EVENT_COUNT);
}

static struct run_event random_event(const struct run *run, uint64_t random, int64_t now_ms)
{
    struct run_event event = trip_event(random_kind(run, random));
    event.now_ms = now_ms;
    event.random = random;
    event.out_of_reach = (random >> 40) % 4 == 0;
    event.was_sent = !event.out_of_reach;
    event.exit_code = (int32_t)((random >> 48) % 2);
    event.after_restart = event.kind == RUN_EVENT_ENTER && (random >> 50) % 4 == 0;
    return event;
}

static void test_counted_by_step_equals_counted_afresh(void **state)
{
    (void)state;
    static struct run runs[LAUNCHES];
    static bool is_there[LAUNCHES];
    struct retry_policy policy = retry_policy_default();
    struct slots slots = {0};
    struct slots most = {0};
    uint64_t random = 3;
    for (int64_t i = 0; i < STEPS; i++) {
        size_t which = random_splitmix64(&random) % LAUNCHES;
        struct run *run = &runs[which];
        if (!is_there[which]) {
            *run = run_new(i);
            is_there[which] = true;
            slots_change(&slots, NULL, run);
        } else if (run->state == RUN_STATE_FINISHED) {
            is_there[which] = false;
            slots_change(&slots, run, NULL);
        } else {
            struct run_event event = random_event(run, random_splitmix64(&random), i * 100);
            struct run before = *run;
            *run = run_step(&before, &event, &policy).next;
            slots_change(&slots, &before, run);
        }
        struct slots fresh = recount(runs, is_there);
        assert_true(slots_equal(&slots, &fresh));
        most.running = slots.running > most.running ? slots.running : most.running;
        most.launching = slots.launching > most.launching ? slots.launching : most.launching;
        most.starting = slots.starting > most.starting ? slots.starting : most.starting;
        most.announcing = slots.announcing > most.announcing ? slots.announcing : most.announcing;
        most.claim_ahead = slots.claim_ahead > most.claim_ahead ? slots.claim_ahead : most.claim_ahead;
        most.stopping = slots.stopping > most.stopping ? slots.stopping : most.stopping;
        most.claiming = slots.claiming > most.claiming ? slots.claiming : most.claiming;
        most.pulling = slots.pulling > most.pulling ? slots.pulling : most.pulling;
        most.queued = slots.queued > most.queued ? slots.queued : most.queued;
    }
    /* The walk is worth something only if every kind was held. */
    assert_true(most.running > 5 && most.launching > most.starting && most.starting > 0 &&
                most.stopping > 0 && most.claim_ahead > 5 && most.claiming > 0 && most.pulling > 0 &&
                most.queued > 0 && most.announcing > 0);
}

static void test_equal_looks_at_every_kind(void **state)
{
    (void)state;
    const struct slots none = {0};
    const struct slots others[] = {{.running = 1},     {.launching = 1}, {.stopping = 1},
                                   {.claim_ahead = 1}, {.claiming = 1},  {.pulling = 1},
                                   {.queued = 1},      {.starting = 1},  {.announcing = 1}};
    assert_true(slots_equal(&none, &none));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(slots_equal(&none, &others[i]));
}

/* Design: a launch slot is held only while an engine call of the launch is out. */
static void test_what_each_situation_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < situation_count; i++) {
        struct trip trip = trip_to(&situations[i]);
        const struct run *run = &trip.run;
        bool is_claimed = run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_CLEARING;
        bool is_ahead = run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_READY &&
                        run->state != RUN_STATE_PULLING;
        bool is_launching = run->state >= RUN_STATE_CREATING && run->state <= RUN_STATE_STARTING;
        bool is_engine_call = run->pending != RUN_ACTION_NONE && run->pending != RUN_ACTION_ANNOUNCE;
        struct slots slots = {0};
        slots_change(&slots, NULL, run);
        assert_int_equal(slots.pulling, run->state == RUN_STATE_PULLING);
        assert_int_equal(slots.queued, run->state == RUN_STATE_QUEUED && !run->has_claim);
        assert_int_equal(run_holds_stop_slot(run), run->pending == RUN_ACTION_STOP);
        assert_int_equal(run_holds_running_slot(run), is_claimed);
        assert_int_equal(run_is_claim_ahead(run), is_ahead);
        assert_int_equal(run_holds_launch_slot(run), is_launching && is_engine_call);
        assert_int_equal(run_holds_start_slot(run), run->state == RUN_STATE_STARTING && is_engine_call);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted_by_step_equals_counted_afresh),
        cmocka_unit_test(test_equal_looks_at_every_kind),
        cmocka_unit_test(test_what_each_situation_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
