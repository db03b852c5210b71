/*
 * test_history.c - whose a run is, by its states. A history is written "S P:c P:s C": the type's letter, then
 * the transition id. S SCHEDULED, L the server's Late mark, P PENDING, R RUNNING, F FAILED, C COMPLETED, X
 * CANCELLING; c our claim, s our Submitting, h our hand back, o another worker's.
 */
#include "history.h"

#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define STATES_MAX 16

static const struct history_ids ids = {"claim", "submitting", "hand back"};

static enum prefect_state_type type_of(char letter)
{
    static const struct {
        char letter;
        enum prefect_state_type type;
    } types[] = {{'S', PREFECT_STATE_SCHEDULED}, {'L', PREFECT_STATE_SCHEDULED},
                 {'P', PREFECT_STATE_PENDING},   {'R', PREFECT_STATE_RUNNING},
                 {'F', PREFECT_STATE_FAILED},    {'C', PREFECT_STATE_COMPLETED},
                 {'X', PREFECT_STATE_CANCELLING}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].letter == letter)
            return types[i].type;
    fail_msg("no state '%c'", letter);
    return PREFECT_STATE_UNKNOWN;
}

static const char *id_of(char letter)
{
    return letter == 'c'   ? "claim"
           : letter == 's' ? "submitting"
           : letter == 'h' ? "hand back"
           : letter == 'o' ? "other"
                           : "";
}

static size_t read_states(const char *text, struct prefect_state states[static STATES_MAX])
{
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at += at[0] == ' ') {
        CHECK(count < STATES_MAX);
        states[count].type = type_of(*at);
        states[count].name = *at == 'L' ? "Late" : "some";
        at++;
        states[count].transition_id = *at == ':' ? id_of(at[1]) : "";
        at += *at == ':' ? 2 : 0;
        count++;
    }
    return count;
}

/* overwritten, latest: the number of the state, counted from 0; -1 none. */
static void expect(const char *text, bool is_ours, bool ends_with_ours, int latest, int overwritten)
{
    struct prefect_state states[STATES_MAX] = {0};
    size_t count = read_states(text, states);
    struct history h = history_read(states, count, &ids);
    print_message("%s\n", text);
    assert_int_equal(h.is_ours, is_ours);
    assert_int_equal(h.ends_with_ours, ends_with_ours);
    assert_int_equal(h.latest != NULL ? h.latest - states : -1, latest);
    assert_int_equal(h.overwritten != NULL ? h.overwritten - states : -1, overwritten);
}

static void test_ours(void **state)
{
    (void)state;
    expect("", false, false, -1, -1);
    expect("S", false, false, -1, -1);
    expect("S P:c", true, true, 1, -1);
    expect("S P:c P:s", true, true, 2, -1);
    expect("S P:c P:s R F", true, false, 2, -1);
    expect("S P:c P:s X", true, false, 2, -1);
}

static void test_another_s(void **state)
{
    (void)state;
    expect("S P:o R", false, false, -1, -1);
    expect("S P:c S", false, false, 1, -1);
    expect("S P:c S P:o R", false, false, 1, -1);
    expect("S P:c P:s F S P:o R", false, false, 2, -1);
}

static void test_our_claim_again_is_ours_again(void **state)
{
    (void)state;
    expect("S P:c S P:c", true, true, 3, -1);
}

static void test_a_late_mark_changes_nothing(void **state)
{
    (void)state;
    expect("S P:c L", true, true, 1, -1);
    expect("S L P:c P:s L R", true, false, 3, -1);
    expect("S P:c L P:s", true, true, 3, -1);
}

static void test_submitting_alone_makes_nothing_ours(void **state)
{
    (void)state;
    expect("S P:o P:s", false, true, -1, -1);
    expect("S P:c S P:o P:s R", false, false, 1, -1);
}

static void test_an_end_that_was_overwritten(void **state)
{
    (void)state;
    expect("S P:o R C P:c", true, true, 4, 3);
    expect("S P:c R C P:s", true, true, 4, 3);
    expect("S P:o R C P:c P:s", true, true, 5, 3);
    expect("S P:o R F S P:c", true, true, 5, -1);
}

/* Two workers' proposals land late, one on the other: who is seen last puts the end back. */
static void test_an_end_that_another_overwrote_first(void **state)
{
    (void)state;
    expect("S P:c R F S P:o R C P:o P:s", false, true, 1, 7);
    expect("S P:o R C P:o P:c", true, true, 5, 3);
    expect("S P:o R C P:o R P:s", false, true, -1, -1); /* somebody runs it again */
    expect("S P:o R C S P:o P:s", false, true, -1, -1);
}

static void test_a_cancel_of_what_we_handed_back_is_ours(void **state)
{
    (void)state;
    expect("S P:c P:s S:h", false, false, 2, -1);
    expect("S P:c P:s S:h X", true, false, 2, -1);
    expect("S P:c P:s S X", false, false, 2, -1);
    expect("S P:c P:s S:h P:o X", false, false, 2, -1);
}

static void expect_cancel_of_ours(const char *text, bool expected)
{
    struct prefect_state states[STATES_MAX] = {0};
    struct history h = history_read(states, read_states(text, states), &ids);
    print_message("%s\n", text);
    assert_int_equal(h.ends_with_cancel_of_ours, expected);
}

static void test_a_cancel_of_what_overwrote_something(void **state)
{
    (void)state;
    expect("S P:c R C P:s X", true, false, 4, 3);
    expect_cancel_of_ours("S P:c R C P:s X", true);
    expect_cancel_of_ours("S P:c X", true);
    expect_cancel_of_ours("S P:c R X", false);
    expect_cancel_of_ours("S P:c S P:o X", false);
    expect_cancel_of_ours("S P:c X S", false);
}

static void expect_cancelled_unclaimed(const char *text, bool expected)
{
    struct prefect_state states[STATES_MAX] = {0};
    print_message("%s\n", text);
    assert_int_equal(history_was_cancelled_unclaimed(states, read_states(text, states)), expected);
}

static void test_cancelled_unclaimed(void **state)
{
    (void)state;
    expect_cancelled_unclaimed("S P:c P:s R F S X", true);
    expect_cancelled_unclaimed("S L X", true);
    expect_cancelled_unclaimed("S P:c F S L X", true);
    expect_cancelled_unclaimed("S P:c F S P:o X", false);
    expect_cancelled_unclaimed("S P:c F S P:o L X", false);
    expect_cancelled_unclaimed("S P:c R X", false);
    expect_cancelled_unclaimed("S P:c F S", false);
    expect_cancelled_unclaimed("L X", false);
    expect_cancelled_unclaimed("X", false);
    expect_cancelled_unclaimed("", false);
}

static void test_a_schedule_that_was_overwritten(void **state)
{
    (void)state;
    expect("S P:c R F S P:s", false, true, 1, 4);
    expect("S P:c S P:s", false, true, 1, 2);
    expect("S P:c S P:c P:s", true, true, 4, -1);
    expect("S P:c R F S P:o P:s", false, true, 1, -1);
    expect("S P:s", false, true, -1, -1); /* adopted: its "Submitting" was another's, and so was the claim */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_another_s),
        cmocka_unit_test(test_our_claim_again_is_ours_again),
        cmocka_unit_test(test_a_late_mark_changes_nothing),
        cmocka_unit_test(test_submitting_alone_makes_nothing_ours),
        cmocka_unit_test(test_an_end_that_was_overwritten),
        cmocka_unit_test(test_a_schedule_that_was_overwritten),
        cmocka_unit_test(test_a_cancel_of_what_overwrote_something),
        cmocka_unit_test(test_an_end_that_another_overwrote_first),
        cmocka_unit_test(test_a_cancel_of_what_we_handed_back_is_ours),
        cmocka_unit_test(test_cancelled_unclaimed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
