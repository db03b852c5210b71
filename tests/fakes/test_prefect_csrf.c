/* test_prefect_csrf.c - when the Prefect client fetches, waits for and gives up on CSRF tokens. */
#include "prefect_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CLAIM_ID "11111111-2222-4333-8444-555555555555"

static struct prefect_proposal claim(void)
{
    return (struct prefect_proposal){
        .type = PREFECT_STATE_PENDING, .name = "Pending", .transition_id = CLAIM_ID};
}

static const char *add_run(struct prefect_world *w)
{
    if (!fake_prefect_has_pool(w->fake, "pool"))
        (void)fake_prefect_add_pool(w->fake, "pool", "docker", "{}");
    return fake_prefect_add_run(w->fake, &(struct fake_prefect_run){.pool = "pool"});
}

static void test_csrf_not_here_is_asked_once(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "p", &heard.err));
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 0);
    for (int i = 0; i < 3; i++)
        heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_string_equal(heard.text, "204");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 1);
    heard_done(&heard);
}

/* A 404 of something that isn't the API does not switch tokens off. */
static void test_csrf_404_must_be_the_apis(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_CSRF,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = 404,
                                                             .body = "<html>"});
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_int_equal(heard.failure.transport, TRANSPORT_BAD_ANSWER);
    assert_false(heard.failure.sent);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_CSRF,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = 404,
                                                             .body = "{\"detail\":\"Not Found\"}"});
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_string_equal(heard.text, "204");
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    heard_done(&heard);
}

static void test_csrf_token_is_fetched_once_and_expires(void **state)
{
    struct prefect_world *w = *state;
    struct heard heards[5];
    struct err err;
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_demand_csrf(w->fake, true);
    for (size_t i = 0; i < ARRAY_LEN(heards); i++) {
        heards[i] = heard_new(w);
        struct prefect_ask ask = heard_ask(&heards[i]);
        assert_int_equal(prefect_heartbeat(w->prefect, &ask, "p", 30, &err), 0);
    }
    prefect_world_turn(w);
    for (size_t i = 0; i < ARRAY_LEN(heards); i++) {
        assert_int_equal(heards[i].done_count, 1);
        assert_string_equal(heards[i].text, "204");
    }
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 1);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_HEARTBEAT), 5);
    assert_int_equal(strlen(fake_prefect_last_header(w->fake, "Prefect-Csrf-Client")), UUID_TEXT_SIZE - 1);
    /* Used until it expires, then fetched anew before anything is refused. */
    prefect_world_advance(w, 3590 * 1000);
    heard_run(&heards[0], prefect_heartbeat(w->prefect, heard_begin(&heards[0]), "p", 30, &heards[0].err));
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 1);
    prefect_world_advance(w, 10 * 1000);
    heard_run(&heards[0], prefect_heartbeat(w->prefect, heard_begin(&heards[0]), "p", 30, &heards[0].err));
    assert_string_equal(heards[0].text, "204");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_HEARTBEAT), 7);
    for (size_t i = 0; i < ARRAY_LEN(heards); i++)
        heard_done(&heards[i]);
}

/* Our clock is two hours ahead of the server's: the token looks dead, yet it isn't fetched for each request.
 */
static void test_csrf_with_a_clock_ahead(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_demand_csrf(w->fake, true);
    fake_prefect_fault(w->fake,
                       &(struct fake_prefect_fault){
                           .route = FAKE_PREFECT_CSRF,
                           .kind = PREFECT_FAULT_STATUS_AFTER,
                           .status = 200,
                           .body = "{\"token\":\"not the one\",\"expiration\":\"2020-01-01T00:00:00Z\"}"});
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_string_equal(heard.text,
                        "failure 200 answer not understood unsent: the CSRF token's answer holds no token");
    fake_prefect_set_csrf_life_ms(w->fake, -7200 * 1000);
    fake_prefect_demand_csrf(w->fake, true);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_HEARTBEAT,
                                                             .times = -1,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = 204,
                                                             .body = ""});
    for (int i = 0; i < 3; i++)
        heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    heard_done(&heard);
}

static void test_csrf_refused_token_is_renewed_once(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    struct prefect_proposal proposal = claim();
    heard.kind = PREFECT_TEXT_SET_STATE;
    fake_prefect_demand_csrf(w->fake, true);
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), run, "x", &heard.err));
    fake_prefect_forget_csrf_tokens(w->fake);
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_int_equal(heard.outcome, PREFECT_OUTCOME_ACCEPT);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_SET_STATE), 2);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    /* A server that goes on refusing is not asked a third time. */
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){
                                    .route = FAKE_PREFECT_SET_STATE,
                                    .times = -1,
                                    .kind = PREFECT_FAULT_STATUS,
                                    .status = 403,
                                    .body = "{\"detail\":\"Invalid CSRF token or client identifier.\"}"});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(heard.text,
                        "failure 403 none sent changes: Invalid CSRF token or client identifier.");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_SET_STATE), 4);
    /* Any other 403 goes straight to the caller. */
    fake_prefect_clear_faults(w->fake);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = 403,
                                                             .body = "{\"detail\":\"not your pool\"}"});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(heard.text, "failure 403 none sent changes: not your pool");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_SET_STATE), 5);
    heard_done(&heard);
}

static void test_csrf_switched_on_later(void **state)
{
    struct prefect_world *w = *state;
    struct heard heards[3];
    struct err err;
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    for (size_t i = 0; i < ARRAY_LEN(heards); i++)
        heards[i] = heard_new(w);
    heard_run(&heards[0], prefect_heartbeat(w->prefect, heard_begin(&heards[0]), "p", 30, &heards[0].err));
    fake_prefect_demand_csrf(w->fake, true);
    /* Three at once are refused; one token serves them all. */
    for (size_t i = 0; i < ARRAY_LEN(heards); i++) {
        struct prefect_ask ask = heard_ask(&heards[i]);
        heards[i].done_count = 0;
        assert_int_equal(prefect_heartbeat(w->prefect, &ask, "p", 30, &err), 0);
    }
    prefect_world_turn(w);
    for (size_t i = 0; i < ARRAY_LEN(heards); i++) {
        assert_int_equal(heards[i].done_count, 1);
        assert_string_equal(heards[i].text, "204");
        heard_done(&heards[i]);
    }
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_HEARTBEAT), 7);
}

/* A refusal that comes when the new token is here already doesn't fetch another one. */
static void test_csrf_late_refusal_takes_the_new_token(void **state)
{
    struct prefect_world *w = *state;
    struct heard early = heard_new(w);
    struct heard late = heard_new(w);
    struct err err;
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_demand_csrf(w->fake, true);
    heard_run(&early, prefect_heartbeat(w->prefect, heard_begin(&early), "p", 30, &early.err));
    fake_prefect_forget_csrf_tokens(w->fake);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_HEARTBEAT,
                                                             .kind = PREFECT_FAULT_DELAY,
                                                             .delay_ms = 3000});
    assert_int_equal(prefect_heartbeat(w->prefect, heard_begin(&late), "p", 30, &err), 0);
    prefect_world_turn(w);
    heard_run(&early, prefect_heartbeat(w->prefect, heard_begin(&early), "p", 30, &early.err));
    assert_string_equal(early.text, "204");
    assert_int_equal(late.done_count, 0);
    prefect_world_advance(w, 3000);
    heard_expect(&late);
    assert_string_equal(late.text, "204");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 2);
    heard_done(&early);
    heard_done(&late);
}

static void test_csrf_switched_off_by_settings(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    w->settings.csrf_enabled = false;
    prefect_world_restart(w);
    fake_prefect_demand_csrf(w->fake, true);
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_string_equal(heard.text, "failure 403 none sent: Missing CSRF token.");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_CSRF), 0);
    heard_done(&heard);
}

/* Who waits for a token waits under the clock of its own call. */
static void test_csrf_wait_is_bounded(void **state)
{
    struct prefect_world *w = *state;
    struct heard slow = heard_new(w);
    struct heard quick = heard_new(w);
    struct err err;
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_demand_csrf(w->fake, true);
    fake_prefect_fault(w->fake,
                       &(struct fake_prefect_fault){.route = FAKE_PREFECT_CSRF, .kind = PREFECT_FAULT_HOLD});
    struct prefect_ask slow_ask = heard_ask(&slow);
    slow_ask.clocks = (struct http_clocks){.inactivity_ms = 60000};
    struct prefect_ask quick_ask = heard_ask(&quick);
    quick_ask.clocks = (struct http_clocks){.total_ms = 2000};
    assert_int_equal(prefect_heartbeat(w->prefect, &slow_ask, "p", 30, &err), 0);
    assert_int_equal(prefect_heartbeat(w->prefect, &quick_ask, "p", 30, &err), 0);
    prefect_world_turn(w);
    prefect_world_advance(w, 2000);
    assert_int_equal(quick.done_count, 1);
    assert_string_equal(quick.text, "failure 0 total timeout unsent: the CSRF token did not come in time");
    assert_int_equal(quick.failure.clock, CLOCK_KIND_TOTAL);
    assert_int_equal(slow.done_count, 0);
    assert_int_equal(fake_prefect_release(w->fake), 1);
    heard_expect(&slow);
    assert_string_equal(slow.text, "204");
    heard_done(&slow);
    heard_done(&quick);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prefect_world_setup, prefect_world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_csrf_not_here_is_asked_once),
        TEST(test_csrf_404_must_be_the_apis),
        TEST(test_csrf_token_is_fetched_once_and_expires),
        TEST(test_csrf_with_a_clock_ahead),
        TEST(test_csrf_refused_token_is_renewed_once),
        TEST(test_csrf_switched_on_later),
        TEST(test_csrf_late_refusal_takes_the_new_token),
        TEST(test_csrf_switched_off_by_settings),
        TEST(test_csrf_wait_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
