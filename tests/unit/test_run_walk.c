/*
 * Random walks over run_step: 200,000 lives in a world that loses, delays and crashes, and a few deliberately
 * broken copies of single transitions that the same walk must catch (the test of the test).
 */
#include "run_world.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WALKS 200000
#define WALKS_TO_CATCH 20000
#define LATE_OF_EACH_KIND 2000 /* of five kinds */

static void test_walks_keep_every_promise(void **state)
{
    (void)state;
    int64_t steps = 0;
    int64_t crashes = 0;
    int64_t lost = 0;
    int64_t late = 0;
    int64_t others = 0;
    int64_t cancels = 0;
    int64_t starts = 0;
    int64_t ended = 0;
    bool reached[RUN_STATE_COUNT] = {false};
    for (uint64_t seed = 1; seed <= WALKS; seed++) {
        struct walk_result r = run_walk(seed, run_step);
        if (r.violation != NULL)
            fail_msg("seed %llu, step %d: %s", (unsigned long long)seed, r.steps, r.violation);
        steps += r.steps;
        crashes += r.crashes;
        lost += r.lost_answers;
        late += r.late_effects;
        others += r.other_worker_runs;
        cancels += r.cancels;
        starts += r.starts;
        ended += r.ended_by_others;
        for (int s = 0; s < RUN_STATE_COUNT; s++)
            reached[s] = reached[s] || r.reached[s];
    }
    printf("walks %d, steps %lld, crashes %lld, lost answers %lld, late effects %lld, other worker %lld, "
           "cancels %lld, "
           "starts %lld, ended by others %lld\n",
           WALKS, (long long)steps, (long long)crashes, (long long)lost, (long long)late, (long long)others,
           (long long)cancels, (long long)starts, (long long)ended);
    /* The walks are worth something only if they went everywhere. */
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        if (!reached[s])
            fail_msg("no walk ever reached %s", run_state_name((enum run_state)s));
    assert_true(starts > WALKS / 4);
    assert_true(late > WALKS / 10);
    assert_true(others > WALKS / 100);
    assert_true(ended > WALKS / 100);
}

/* Every kind of changing call, its answer lost and its effect yet to come: before, between or after the
 * looks. */
static void test_late_completions_make_no_duplicates(void **state)
{
    (void)state;
    static const enum run_action changing[] = {RUN_ACTION_CLAIM, RUN_ACTION_CREATE, RUN_ACTION_START,
                                               RUN_ACTION_REPORT, RUN_ACTION_HAND_BACK};
    int landed[RUN_ACTION_COUNT] = {0};
    int least = 0;
    for (uint64_t seed = 1; least < LATE_OF_EACH_KIND; seed++) {
        struct walk_result r = run_walk(seed, run_step);
        if (r.violation != NULL)
            fail_msg("seed %llu, step %d: %s", (unsigned long long)seed, r.steps, r.violation);
        assert_true(r.starts <= 1);
        least = INT_MAX;
        for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
            landed[changing[i]] += r.landed[changing[i]];
            least = landed[changing[i]] < least ? landed[changing[i]] : least;
        }
    }
    for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++)
        printf("%s: %d late completions\n", run_action_name(changing[i]), landed[changing[i]]);
}

/* Find the first seed whose walk notices the broken copy. */
static void assert_caught(run_step_fn broken, const char *what)
{
    for (uint64_t seed = 1; seed <= WALKS_TO_CATCH; seed++) {
        struct walk_result r = run_walk(seed, broken);
        if (r.violation != NULL) {
            printf("%s: caught by walk %llu: %s\n", what, (unsigned long long)seed, r.violation);
            return;
        }
    }
    fail_msg("%s: not caught in %d walks", what, WALKS_TO_CATCH);
}

static struct run_step start_without_look(const struct run *run, const struct run_event *ev,
                                          const struct retry_policy *policy)
{
    struct run_step step = run_step(run, ev, policy);
    if (run->state == RUN_STATE_STARTING && ev->kind == RUN_EVENT_ADMITTED && run->start_sent) {
        step.action = RUN_ACTION_START;
        step.next.pending = RUN_ACTION_START;
    }
    return step;
}

static struct run_step retire_too_early(const struct run *run, const struct run_event *ev,
                                        const struct retry_policy *policy)
{
    /* Takes "Created" for "will never start", and forgets the container instead of removing it. */
    struct run_step step = run_step(run, ev, policy);
    if (run->state == RUN_STATE_STARTING && ev->kind == RUN_EVENT_FOUND_CREATED) {
        step.next.state = RUN_STATE_CREATING;
        step.next.start_sent = false;
        step.next.name_index = run->name_index + 1;
        step.next.pending = RUN_ACTION_CREATE;
        step.action = RUN_ACTION_CREATE;
    }
    return step;
}

static struct run_step verdict_without_clearing(const struct run *run, const struct run_event *ev,
                                                const struct retry_policy *policy)
{
    struct run_step step = run_step(run, ev, policy);
    if (step.next.state == RUN_STATE_CLEARING && run->state != RUN_STATE_CLEARING) {
        step.next.state = RUN_STATE_REPORTING;
        step.next.pending = RUN_ACTION_REPORT;
        step.action = RUN_ACTION_REPORT;
    }
    return step;
}

static struct run_step overtaking_unnoticed(const struct run *run, const struct run_event *ev,
                                            const struct retry_policy *policy)
{
    struct run_event done = *ev;
    if (run->state == RUN_STATE_CLAIMING && ev->kind == RUN_EVENT_OVERTOOK)
        done.kind = RUN_EVENT_DONE;
    return run_step(run, &done, policy);
}

static struct run_step lost_claim_forgotten(const struct run *run, const struct run_event *ev,
                                            const struct retry_policy *policy)
{
    struct run_event refused = *ev;
    if (run->state == RUN_STATE_CLAIMING && ev->kind == RUN_EVENT_UNKNOWN_OUTCOME)
        refused.kind = RUN_EVENT_REFUSED;
    return run_step(run, &refused, policy);
}

static struct run_step cleared_at_first_sight(const struct run *run, const struct run_event *ev,
                                              const struct retry_policy *policy)
{
    struct run settled = *run;
    if (run->state == RUN_STATE_CLEARING)
        settled.create_lost = false;
    return run_step(&settled, ev, policy);
}

static struct run_step next_name_at_once(const struct run *run, const struct run_event *ev,
                                         const struct retry_policy *policy)
{
    struct run settled = *run;
    if (run->state == RUN_STATE_CREATING && ev->kind == RUN_EVENT_FOUND_FOREIGN)
        settled.create_lost = false;
    return run_step(&settled, ev, policy);
}

static struct run_step refused_stop_is_an_end(const struct run *run, const struct run_event *ev,
                                              const struct retry_policy *policy)
{
    struct run_event done = *ev;
    if (run->state == RUN_STATE_STOPPING && ev->kind == RUN_EVENT_PERMANENT)
        done.kind = RUN_EVENT_DONE;
    return run_step(run, &done, policy);
}

static struct run_step any_cancelling_is_ours(const struct run *run, const struct run_event *ev,
                                              const struct retry_policy *policy)
{
    struct run_step step = run_step(run, ev, policy);
    if (run->state == RUN_STATE_CLAIMING && run->pending == RUN_ACTION_NONE && ev->kind == RUN_EVENT_CANCEL) {
        step.next.state = RUN_STATE_REPORTING;
        step.next.verdict = RUN_VERDICT_CANCELLED;
        step.next.pending = RUN_ACTION_REPORT;
        step.action = RUN_ACTION_REPORT;
    }
    return step;
}

static void test_broken_copies_are_caught(void **state)
{
    (void)state;
    assert_caught(start_without_look, "start without looking first");
    assert_caught(retire_too_early, "a new container while the old one may still start");
    assert_caught(verdict_without_clearing, "verdict without clearing");
    assert_caught(cleared_at_first_sight, "verdict while a lost create may land");
    assert_caught(next_name_at_once, "another name while a lost create may land");
    assert_caught(overtaking_unnoticed, "claim of an ended run goes unnoticed");
    assert_caught(lost_claim_forgotten, "claim with a lost answer is forgotten");
    assert_caught(refused_stop_is_an_end, "a stop that was refused counts as the container's end");
    assert_caught(any_cancelling_is_ours,
                  "a cancelled run counts as ours though the claim's answer was lost");
}

/* WALK_SEED=n WALK_TRACE=1 tells one walk step by step. */
static void test_one_walk(void **state)
{
    (void)state;
    const char *seed = getenv("WALK_SEED");
    struct walk_result r = run_walk(seed == NULL ? 1 : strtoull(seed, NULL, 10), run_step);
    if (r.violation != NULL)
        fail_msg("step %d: %s", r.steps, r.violation);
}

static void test_walk_replays_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct walk_result a = run_walk(seed, run_step);
        struct walk_result b = run_walk(seed, run_step);
        assert_int_equal(a.steps, b.steps);
        assert_int_equal(a.crashes, b.crashes);
        assert_int_equal(a.starts, b.starts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_walk),
        cmocka_unit_test(test_walks_keep_every_promise),
        cmocka_unit_test(test_late_completions_make_no_duplicates),
        cmocka_unit_test(test_broken_copies_are_caught),
        cmocka_unit_test(test_walk_replays_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
