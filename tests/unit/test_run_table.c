/*
 * The table of docs/states.md is the one that run_step() makes, and what holds in every situation.
 *
 * After a wanted change: STATES_WRITE=1 build/dev/tests/unit/test_run_table writes the table anew (from the
 * top of the source tree).
 */
#include "run_table.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE "docs/states.md"
#define BEGIN "<!-- table: begin (written by test_run_table) -->\n```text"
#define END "```\n<!-- table: end -->"
#define PAGE_MAX_BYTES (1024 * 1024)

static char *read_page(void)
{
    FILE *file = fopen(PAGE, "r");
    if (file == NULL)
        fail_msg("can't open %s: run the test from the top of the source tree", PAGE);
    char *text = check_alloc(PAGE_MAX_BYTES);
    size_t size = fread(text, 1, PAGE_MAX_BYTES - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* Where the block of the page begins and ends. */
static void find_block(char *page, char **begin, char **end)
{
    *begin = strstr(page, BEGIN);
    *end = strstr(page, END);
    if (*begin == NULL || *end == NULL || *end < *begin)
        fail_msg("%s lacks its two marker lines", PAGE);
    *begin += strlen(BEGIN);
}

static void write_page(const char *page, const char *begin, const char *table, const char *end)
{
    FILE *file = fopen(PAGE, "w");
    assert_non_null(file);
    fwrite(page, 1, (size_t)(begin - page), file);
    fputs(table, file);
    fputs(end, file);
    assert_int_equal(fclose(file), 0);
}

static int first_line_that_differs(const char *a, const char *b)
{
    int line = 1;
    for (; *a != '\0' && *a == *b; a++, b++)
        line += *a == '\n' ? 1 : 0;
    return line;
}

static void test_table_is_the_one_in_docs(void **state)
{
    (void)state;
    char *page = read_page();
    char *table = run_table_print();
    char *begin;
    char *end;
    find_block(page, &begin, &end);
    if (getenv("STATES_WRITE") != NULL) {
        write_page(page, begin, table, end);
    } else {
        char *block = check_strdup(begin);
        block[end - begin] = '\0';
        if (strcmp(block, table) != 0)
            fail_msg("%s differs from run_step() at line %d of its table; see the head of this test", PAGE,
                     first_line_that_differs(block, table));
        free(block);
    }
    free(table);
    free(page);
}

static bool is_told_by(const char *page, const char *word)
{
    const char *line = page;
    size_t length = strlen(word);
    for (; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        if (strncmp(line, "| ", 2) == 0 && strncmp(line + 2, word, length) == 0 && line[2 + length] == ' ')
            return true;
    }
    return false;
}

static void test_page_explains_every_state(void **state)
{
    (void)state;
    char *page = read_page();
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        if (!is_told_by(page, run_state_name((enum run_state)s)))
            fail_msg("no row of a table in %s begins with %s", PAGE, run_state_name((enum run_state)s));
    free(page);
}

static void test_situations_reach_every_state_and_request(void **state)
{
    (void)state;
    bool has_state[RUN_STATE_COUNT] = {false};
    bool has_action[RUN_ACTION_COUNT] = {false};
    for (size_t i = 0; i < situation_count; i++) {
        struct trip trip = trip_to(&situations[i]);
        has_state[trip.run.state] = true;
        has_action[trip.action] = true;
    }
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        if (!has_state[s])
            fail_msg("no situation in %s", run_state_name((enum run_state)s));
    for (int a = RUN_ACTION_NONE + 1; a < RUN_ACTION_COUNT; a++)
        if (!has_action[a])
            fail_msg("no situation with %s", run_action_name((enum run_action)a));
}

/* ---- what holds in every situation ---- */

typedef void (*check_fn)(const struct situation *situation, const struct trip *trip, struct run_event event);

static void try_all(check_fn check)
{
    for (size_t i = 0; i < situation_count; i++) {
        struct trip trip = trip_to(&situations[i]);
        for (int e = 0; e < RUN_EVENT_COUNT; e++) {
            struct run_event event = trip_event((enum run_event_kind)e);
            check(&situations[i], &trip, event);
            event.out_of_reach = true;
            event.was_sent = false;
            check(&situations[i], &trip, event);
        }
    }
}

static void fail_at(const struct situation *s, const struct trip *trip, struct run_event event,
                    const char *what)
{
    fail_msg("%s (%s, %s): %s", run_state_name(trip->run.state), s->title, run_event_name(event.kind), what);
}

/* Also an answer that no rule expects: a launch that waits for nothing would stay for ever. */
static void every_answer_leads_on(const struct situation *s, const struct trip *trip, struct run_event event)
{
    if (trip->run.pending == RUN_ACTION_NONE || !run_event_is_answer(event.kind))
        return;
    struct trip copy = *trip;
    struct run_step step = trip_feed(&copy, event);
    if (step.action == RUN_ACTION_NONE && step.next.state != RUN_STATE_PARKED)
        fail_at(s, trip, event, "an answer came, and nothing follows");
}

static void test_every_answer_leads_on(void **state)
{
    (void)state;
    try_all(every_answer_leads_on);
}

static bool is_same(const struct run *a, const struct run *b)
{
    return a->state == b->state && a->verdict == b->verdict && a->pending == b->pending &&
           a->epoch == b->epoch && a->attempt == b->attempt && a->reach_tries == b->reach_tries &&
           a->has_claim == b->has_claim && a->has_container == b->has_container &&
           a->start_sent == b->start_sent && a->is_retiring == b->is_retiring &&
           a->exit_code == b->exit_code && a->next_try_at_ms == b->next_try_at_ms &&
           a->retrying_since_ms == b->retrying_since_ms && a->park_wanted == b->park_wanted &&
           a->unsettled_until_ms == b->unsettled_until_ms;
}

static void late_answer_changes_nothing(const struct situation *s, const struct trip *trip,
                                        struct run_event event)
{
    if (!run_event_is_answer(event.kind))
        return;
    struct trip copy = *trip;
    copy.run.pending = RUN_ACTION_NONE;
    struct trip before = copy;
    struct run_step step = trip_feed(&copy, event);
    if (step.action != RUN_ACTION_NONE || !is_same(&before.run, &copy.run))
        fail_at(s, trip, event, "nothing was out, and the answer changed something");
}

static void test_late_answers_change_nothing(void **state)
{
    (void)state;
    try_all(late_answer_changes_nothing);
}

/* The shell drops answers by their epoch, so that each request must have one of its own. */
static void epoch_and_pending_follow(const struct situation *s, const struct trip *trip,
                                     struct run_event event)
{
    struct trip copy = *trip;
    struct run_step step = trip_feed(&copy, event);
    bool is_request = run_action_is_request(step.action);
    if (is_request && step.next.pending != step.action)
        fail_at(s, trip, event, "the request is not the one that counts as out");
    if (is_request && step.next.epoch <= trip->run.epoch)
        fail_at(s, trip, event, "a request without an epoch of its own");
    if (!is_request && step.action != RUN_ACTION_NONE && step.next.pending != RUN_ACTION_NONE)
        fail_at(s, trip, event, "a wait while a request counts as out");
    if (step.action == RUN_ACTION_NONE && !run_event_is_answer(event.kind) &&
        step.next.pending != trip->run.pending)
        fail_at(s, trip, event, "an event that does nothing has lost the request that is out");
}

static void test_epoch_and_pending_follow_requests(void **state)
{
    (void)state;
    try_all(epoch_and_pending_follow);
}

static void a_wait_has_an_end(const struct situation *s, const struct trip *trip, struct run_event event)
{
    struct trip copy = *trip;
    struct run_step step = trip_feed(&copy, event);
    if (step.action == RUN_ACTION_WAIT && step.next.next_try_at_ms != trip->now_ms + step.delay_ms)
        fail_at(s, trip, event, "next_try_at_ms is not the end of the wait");
    if (step.action != RUN_ACTION_WAIT && step.action != RUN_ACTION_NONE && step.next.next_try_at_ms != 0)
        fail_at(s, trip, event, "next_try_at_ms is left over");
    if (step.delay_ms < 0 ||
        (step.delay_ms != 0 && step.action != RUN_ACTION_WAIT && step.action != RUN_ACTION_WATCH))
        fail_at(s, trip, event, "a delay that means nothing");
    if (step.action == RUN_ACTION_WAIT && run_holds_launch_slot(&step.next))
        fail_at(s, trip, event, "a launch slot is held during a backoff");
}

static void test_a_wait_has_an_end_and_holds_no_launch_slot(void **state)
{
    (void)state;
    try_all(a_wait_has_an_end);
}

/* From a clean stop anywhere, ENTER alone sets the launch going again. */
static void test_a_restart_sets_every_launch_going(void **state)
{
    (void)state;
    for (size_t i = 0; i < situation_count; i++) {
        struct trip trip = trip_to(&situations[i]);
        enum run_state before = trip.run.state;
        trip.action = RUN_ACTION_NONE;
        trip_go(&trip, "restart");
        if (trip.action == RUN_ACTION_NONE && before != RUN_STATE_PARKED)
            fail_msg("%s (%s) waits for nothing after a restart", run_state_name(before),
                     situations[i].title);
        if (trip.run.state != before)
            fail_msg("%s (%s) is another state after a restart", run_state_name(before), situations[i].title);
    }
}

/* The look that must come before a repetition, for everything that must not be done twice. */
static void test_a_restart_looks_before_it_repeats(void **state)
{
    (void)state;
    for (size_t i = 0; i < situation_count; i++) {
        struct trip trip = trip_to(&situations[i]);
        enum run_action out = trip.run.pending;
        trip_go(&trip, "restart");
        bool is_repeated = trip.run.pending == out && out != RUN_ACTION_NONE;
        bool must_look = out == RUN_ACTION_CLAIM || out == RUN_ACTION_CREATE || out == RUN_ACTION_START ||
                         out == RUN_ACTION_RETIRE || out == RUN_ACTION_REPORT || out == RUN_ACTION_HAND_BACK;
        if (is_repeated && must_look)
            fail_msg("%s (%s): %s is repeated without a look", run_state_name(trip.run.state),
                     situations[i].title, run_action_name(out));
    }
}

/* Once a create was sent, no proposal that ends our claim comes before the containers are surely gone. */
static void no_verdict_overtakes(const struct situation *s, const struct trip *trip, struct run_event event)
{
    const struct run *run = &trip->run;
    if (!run->create_sent || run->state >= RUN_STATE_RUNNING || event.kind == RUN_EVENT_FOUND_EXITED)
        return;
    struct trip copy = *trip;
    struct run_step step = trip_feed(&copy, event);
    bool is_proposed = step.action == RUN_ACTION_REPORT || step.action == RUN_ACTION_HAND_BACK;
    if (is_proposed && run->state != RUN_STATE_QUEUED)
        fail_at(s, trip, event, "a verdict overtakes a create or start that may still land");
}

static void test_no_verdict_overtakes_a_create(void **state)
{
    (void)state;
    try_all(no_verdict_overtakes);
}

/* A run that is to be cancelled takes nothing new in hand, and ends as cancelled whatever the answer was;
 * only a start that may have landed is looked for first. */
static void a_cancel_ends_in_cancelled(const struct situation *s, const struct trip *trip,
                                       struct run_event event)
{
    bool is_launching = trip->run.state >= RUN_STATE_CLAIMING && trip->run.state <= RUN_STATE_STARTING;
    if (!is_launching || !trip->run.cancel_wanted || !run_event_is_answer(event.kind) ||
        trip->run.pending == RUN_ACTION_NONE || !run_can_answer(trip->run.pending, event.kind))
        return;
    struct trip copy = *trip;
    struct run_step step = trip_feed(&copy, event);
    enum run_state next = step.next.state;
    bool looks = next == RUN_STATE_STARTING && step.next.cancel_wanted && step.next.start_sent_at_ms != 0 &&
                 (step.action == RUN_ACTION_WAIT || step.action == RUN_ACTION_LOOK_CONTAINER);
    bool is_fine = step.next.verdict == RUN_VERDICT_CANCELLED || next == RUN_STATE_RUNNING ||
                   next == RUN_STATE_RESTORING || next == RUN_STATE_FINISHED || looks;
    if (!is_fine)
        fail_at(s, trip, event, "the cancel is forgotten");
}

static void test_a_cancel_is_never_forgotten(void **state)
{
    (void)state;
    try_all(a_cancel_ends_in_cancelled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_the_one_in_docs),
        cmocka_unit_test(test_page_explains_every_state),
        cmocka_unit_test(test_situations_reach_every_state_and_request),
        cmocka_unit_test(test_every_answer_leads_on),
        cmocka_unit_test(test_late_answers_change_nothing),
        cmocka_unit_test(test_epoch_and_pending_follow_requests),
        cmocka_unit_test(test_a_wait_has_an_end_and_holds_no_launch_slot),
        cmocka_unit_test(test_a_restart_sets_every_launch_going),
        cmocka_unit_test(test_a_restart_looks_before_it_repeats),
        cmocka_unit_test(test_no_verdict_overtakes_a_create),
        cmocka_unit_test(test_a_cancel_is_never_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
