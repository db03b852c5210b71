/* test_flow_alerts.c - the built-in alerts: what fires, who is told, and that nothing of it is in the way. */
#include "tests/flow/world.h"

#include "api/json.h"
#include "core/alerts.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#define HOOK_TOKEN "hook_token_nobody_may_see"
/* A queue that is too old as soon as a run has waited a second. */
#define IMPATIENT "[limits]\nstarts_per_second = 0.1\nrunning = 2\n[alerts]\ninterval = 1s\nqueue_age = 1s\n"

/* What an outage would set off if it were no excuse. */
#define HASTY "[alerts]\nqueue_age = 2m\nnothing_starts = 2m\n"

static void make_webhook(struct world *w)
{
    static char variables[2][200];
    static const char *environment[3];
    w->webhook = fake_webhook_new(w->base);
    snprintf(variables[0], sizeof(variables[0]), "SLUICE_ALERTS_WEBHOOK=%s", fake_webhook_url(w->webhook));
    snprintf(variables[1], sizeof(variables[1]), "SLUICE_ALERTS_WEBHOOK_AUTHORIZATION=Bearer " HOOK_TOKEN);
    environment[0] = variables[0];
    environment[1] = variables[1];
    w->environment = environment;
}

static void add_runs(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        world_add_run(w);
}

static bool is_state(struct world *w, const char *alert, const char *severity, const char *state)
{
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT count(*) FROM alerts WHERE alert = '%s' AND severity = '%s' AND state = '%s'", alert,
             severity, state);
    return world_number(w, sql) == 1;
}

static long changed_alerts(struct world *w)
{
    return world_number(w, "SELECT count(*) FROM alerts WHERE state <> 'ok'");
}

static struct json *body_of(struct world *w, int n)
{
    const char *text = fake_webhook_body(w->webhook, n);
    struct json *body = NULL;
    struct err err;
    assert_non_null(text);
    assert_null(strstr(text, FAKE_WEBHOOK_SECRET));
    if (json_parse(text, strlen(text), &body, &err) != 0)
        fail_msg("%s: %s", err.msg, text);
    return body;
}

static const struct json *first_alert(const struct json *body)
{
    return json_first(json_get(body, "alerts"));
}

static const char *text_at(const struct json *object, const char *part, const char *key)
{
    return json_get_text(json_get(object, part), key, "");
}

/* ---- an alert's life ---- */

static void test_every_alert_is_in_the_view_from_the_start_on(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, MINUTES(2));
    assert_int_equal(world_number(w, "SELECT count(*) FROM alerts"), ALERT_COUNT);
    assert_int_equal(world_number(w, "SELECT count(*) FROM alerts WHERE state = 'ok' AND since IS NULL AND "
                                     "reason IS NULL AND class IS NULL AND last_change IS NULL"),
                     ALERT_COUNT);
}

/* Each start is answered only after its clock, as often as not. */
static void test_a_storm_of_timeouts_pages_and_ends(void **state)
{
    struct world *w = *state;
    make_webhook(w);
    fake_engine_add_fault(
        w->engine, &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL, .nth = -1});
    add_runs(w, 40);
    world_start(w, "[timeouts]\nstart = 5s\nstart_inactivity = 5s\n[class etl]\nmatch_flow = *\n");
    UNTIL(w, MINUTES(5), fake_webhook_count(w->webhook) == 1);
    struct json *body = body_of(w, 0);
    const struct json *alert = first_alert(body);
    assert_string_equal(json_get_text(body, "version", ""), "4");
    assert_string_equal(json_get_text(body, "status", ""), "firing");
    assert_int_equal(json_count(json_get(body, "alerts")), 1);
    assert_string_equal(json_get_text(alert, "status", ""), "firing");
    assert_string_equal(text_at(alert, "labels", "alertname"), "SluiceTimeoutBurn");
    assert_string_equal(text_at(alert, "labels", "alert"), "timeout_burn");
    assert_string_equal(text_at(alert, "labels", "severity"), "page");
    assert_string_equal(text_at(alert, "labels", "pool"), WORLD_POOL);
    assert_string_equal(text_at(alert, "labels", "worker"), "worker 1");
    assert_string_equal(text_at(alert, "annotations", "class"), "etl");
    assert_non_null(strstr(text_at(alert, "annotations", "description"), "calls of launches timed out"));
    assert_string_equal(json_get_text(alert, "endsAt", ""), "0001-01-01T00:00:00Z");
    assert_string_equal(fake_webhook_authorization(w->webhook), "Bearer " HOOK_TOKEN);
    assert_true(is_state(w, "timeout_burn", "page", "firing"));
    assert_string_equal(world_query(w, "SELECT since FROM alerts WHERE state = 'firing'"),
                        json_get_text(alert, "startsAt", ""));
    assert_int_equal(world_logged(w, "an alert fires"), 1);
    char *fingerprint = check_strdup(json_get_text(alert, "fingerprint", ""));
    json_free(body);

    fake_engine_clear_faults(w->engine);
    UNTIL(w, MINUTES(60), fake_webhook_count(w->webhook) == 2);
    body = body_of(w, 1);
    alert = first_alert(body);
    assert_string_equal(json_get_text(body, "status", ""), "resolved");
    assert_string_equal(json_get_text(alert, "fingerprint", ""), fingerprint);
    assert_string_equal(json_get_text(alert, "endsAt", ""),
                        world_query(w, "SELECT last_change FROM alerts WHERE state = 'resolved'"));
    assert_true(is_state(w, "timeout_burn", "page", "resolved"));
    world_pass(w, SECONDS(1));
    assert_int_equal(world_number(w, "SELECT count(*) FROM alerts WHERE webhook = 'sent'"), 1);
    assert_int_equal(changed_alerts(w), 1);
    assert_null(strstr(buf_text(&w->log), HOOK_TOKEN));
    json_free(body);
    free(fingerprint);
}

static void test_an_outage_of_the_engine_is_one_alert(void **state)
{
    struct world *w = *state;
    add_runs(w, 10);
    w->flow.run_ms = SECONDS(60);
    world_start(w, "[limits]\nstarts_per_second = 1\n" HASTY);
    UNTIL(w, SECONDS(30), fake_engine_starts(w->engine, NULL) == 3);
    fake_engine_go_down(w->engine, true, false);
    add_runs(w, 10);
    UNTIL(w, MINUTES(4), is_state(w, "breaker_open", "page", "firing"));
    assert_string_equal(world_query(w, "SELECT reason FROM alerts WHERE state = 'firing'"),
                        "out of reach: engine");
    world_pass(w, MINUTES(6));
    assert_int_equal(changed_alerts(w), 1);
    fake_engine_come_up(w->engine);
    UNTIL(w, MINUTES(5), is_state(w, "breaker_open", "page", "resolved"));
    world_pass(w, MINUTES(6));
    assert_int_equal(changed_alerts(w), 1);
}

static void test_an_outage_of_prefect_is_one_alert(void **state)
{
    struct world *w = *state;
    add_runs(w, 10);
    world_start(w, "[limits]\nstarts_per_second = 0.2\n" HASTY);
    UNTIL(w, SECONDS(60), fake_engine_starts(w->engine, NULL) == 3);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
    world_pass(w, MINUTES(6));
    assert_true(is_state(w, "breaker_open", "page", "firing"));
    assert_int_equal(changed_alerts(w), 1);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 10);
    world_pass(w, MINUTES(6));
    assert_true(is_state(w, "breaker_open", "page", "resolved"));
    assert_int_equal(changed_alerts(w), 1);
}

static void test_paused_runs_are_no_alert(void **state)
{
    struct world *w = *state;
    struct err err;
    world_start(w, NULL);
    world_pass(w, SECONDS(30));
    assert_int_equal(service_pause(w->service, &err), 0);
    add_runs(w, 20);
    world_pass(w, MINUTES(60));
    assert_int_equal(service_resume(w->service, &err), 0);
    UNTIL(w, MINUTES(5), world_count(w, PREFECT_STATE_COMPLETED) == 20);
    assert_int_equal(changed_alerts(w), 0);
}

/* A create that the engine keeps for itself, and a clock that lets it. */
static void test_nothing_starts_although_runs_are_due(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(
        w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD, .nth = -1});
    add_runs(w, 10);
    world_start(w, "[timeouts]\ncreate = 3h\ncreate_inactivity = 3h\n[limits]\nlaunching = 2\n");
    UNTIL(w, MINUTES(13), is_state(w, "nothing_starts", "page", "firing"));
    world_pass(w, MINUTES(7));
    assert_int_equal(changed_alerts(w), 1);
    fake_engine_clear_faults(w->engine);
    fake_engine_release(w->engine, FAKE_ENGINE_CREATE);
    UNTIL(w, MINUTES(2), is_state(w, "nothing_starts", "page", "resolved"));
}

/* Limits that hold the runs are no fault of the service; that they wait long is said of the queue. */
static void test_runs_at_a_limit_are_only_old(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(120);
    add_runs(w, 6);
    world_start(w, "[limits]\nrunning = 2\n");
    world_pass(w, MINUTES(60));
    assert_true(is_state(w, "queue_old", "ticket", "firing"));
    assert_string_equal(world_query(w, "SELECT class FROM alerts WHERE state = 'firing'"), "default");
    assert_int_equal(changed_alerts(w), 1);
}

static void test_polls_that_fail_while_prefect_answers(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_pass(w, MINUTES(1));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 404});
    UNTIL(w, MINUTES(5), is_state(w, "poll_stale", "page", "firing"));
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(2), is_state(w, "poll_stale", "page", "resolved"));
    assert_int_equal(changed_alerts(w), 1);
}

static void test_a_damaged_file_is_told_until_it_is_moved(void **state)
{
    struct world *w = *state;
    char *path = check_printf("%s.corrupt-20260101T000000Z", w->state_path);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fclose(f);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), is_state(w, "state_file_damaged", "ticket", "firing"));
    unlink(path);
    UNTIL(w, MINUTES(2), is_state(w, "state_file_damaged", "ticket", "resolved"));
    free(path);
}

/* ---- the webhook ---- */

static void test_a_restart_sends_what_is_due(void **state)
{
    struct world *w = *state;
    make_webhook(w);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_HANGS, 0);
    add_runs(w, 12);
    world_start(w, IMPATIENT);
    UNTIL(w, MINUTES(2), fake_webhook_count(w->webhook) == 1);
    assert_string_equal(world_query(w, "SELECT webhook FROM alerts WHERE alert = 'queue_old'"), "due");
    world_crash(w);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_TAKES, 204);
    world_start(w, NULL);
    UNTIL(w, SECONDS(1), fake_webhook_count(w->webhook) == 2);
    assert_string_equal(fake_webhook_body(w->webhook, 0), fake_webhook_body(w->webhook, 1));
    UNTIL(w, SECONDS(1),
          is_state(w, "queue_old", "ticket", "firing") &&
              strcmp(world_query(w, "SELECT webhook FROM alerts WHERE alert = 'queue_old'"), "sent") == 0);
    world_pass(w, SECONDS(30));
    world_crash(w);
    world_start(w, NULL);
    world_pass(w, SECONDS(30));
    assert_int_equal(fake_webhook_count(w->webhook), 2);
    assert_int_equal(world_logged(w, "an alert fires"), 1);
}

static void test_who_refuses_is_asked_five_times(void **state)
{
    struct world *w = *state;
    make_webhook(w);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_TAKES, 404);
    add_runs(w, 200);
    world_start(w, IMPATIENT);
    UNTIL(w, MINUTES(10), world_logged(w, "the webhook refuses alerts: given up") == 1);
    assert_int_equal(fake_webhook_count(w->webhook), 5);
    assert_int_equal(world_logged(w, "the webhook does not take alerts"), 1);
    world_pass(w, MINUTES(6));
    assert_int_equal(fake_webhook_count(w->webhook), 5);
    assert_string_equal(world_query(w, "SELECT webhook FROM alerts WHERE alert = 'queue_old'"), "given up");
}

static void test_a_redirect_elsewhere_is_a_refusal(void **state)
{
    struct world *w = *state;
    make_webhook(w);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_TAKES, 302);
    add_runs(w, 100);
    world_start(w, IMPATIENT);
    UNTIL(w, MINUTES(10), world_logged(w, "the webhook refuses alerts: given up") == 1);
    assert_int_equal(fake_webhook_count(w->webhook), 5);
}

static void test_what_is_over_meanwhile_is_sent_as_over_and_once(void **state)
{
    struct world *w = *state;
    make_webhook(w);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_TAKES, 503);
    add_runs(w, 6);
    world_start(w, IMPATIENT);
    UNTIL(w, MINUTES(20), is_state(w, "queue_old", "ticket", "resolved"));
    world_pass(w, MINUTES(12));
    int failed = fake_webhook_count(w->webhook);
    assert_in_range(failed, 6, 20); /* further and further apart, up to 5 min */
    assert_int_equal(world_logged(w, "the webhook does not take alerts"), 1);
    fake_webhook_be(w->webhook, FAKE_WEBHOOK_TAKES, 200);
    UNTIL(w, MINUTES(6), fake_webhook_count(w->webhook) == failed + 1);
    struct json *body = body_of(w, failed);
    assert_string_equal(json_get_text(body, "status", ""), "resolved");
    assert_int_equal(json_count(json_get(body, "alerts")), 1);
    json_free(body);
    world_pass(w, MINUTES(2));
    assert_int_equal(fake_webhook_count(w->webhook), failed + 1);
    assert_int_equal(world_logged(w, "the webhook takes alerts again"), 1);
}

/* 200 and then nonsense: it has been taken. */
static void test_the_body_of_the_answer_does_not_matter(void **state)
{
    static const enum fake_webhook_mood moods[] = {FAKE_WEBHOOK_FLOODS, FAKE_WEBHOOK_STUCK};
    struct world *w = *state;
    make_webhook(w);
    for (size_t i = 0; i < ARRAY_LEN(moods); i++) {
        fake_webhook_be(w->webhook, moods[i], 0);
        add_runs(w, 5);
        if (w->service == NULL)
            world_start(w, IMPATIENT);
        UNTIL(w, MINUTES(2), fake_webhook_count(w->webhook) == (int)(2 * i) + 1);
        UNTIL(w, SECONDS(30), world_number(w, "SELECT count(*) FROM alerts WHERE webhook = 'sent'") == 1);
        UNTIL(w, MINUTES(20), fake_webhook_count(w->webhook) == (int)(2 * i) + 2);
        world_pass(w, SECONDS(30));
    }
    assert_int_equal(fake_webhook_count(w->webhook), 4);
    assert_int_equal(world_logged(w, "the webhook does not take alerts"), 0);
}

static void test_a_new_receiver_is_told_what_fires(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(120);
    add_runs(w, 12);
    world_start(w, IMPATIENT);
    UNTIL(w, MINUTES(2), is_state(w, "queue_old", "ticket", "firing"));
    assert_string_equal(world_query(w, "SELECT webhook FROM alerts WHERE alert = 'queue_old'"), "");
    make_webhook(w);
    world_reload(w, NULL);
    UNTIL(w, SECONDS(5), fake_webhook_count(w->webhook) == 1);
    world_reload(w, IMPATIENT "# nothing new\n");
    world_pass(w, MINUTES(1));
    assert_int_equal(fake_webhook_count(w->webhook), 1);
    w->environment = NULL;
    world_reload(w, NULL);
    world_pass(w, MINUTES(1));
    assert_int_equal(fake_webhook_count(w->webhook), 1);
}

/* ---- not in the way ---- */

/* When each container was started, as text. malloc'ed. */
static char *starts_with_webhook(int mood)
{
    void *state = NULL;
    assert_int_equal(world_setup(&state), 0);
    struct world *w = state;
    if (mood >= 0) {
        make_webhook(w);
        fake_webhook_be(w->webhook, (enum fake_webhook_mood)mood, 500);
    }
    add_runs(w, 12);
    world_start(w, IMPATIENT "[class etl]\nmatch_flow = *\nrunning = 1\n");
    int64_t began_ms = w->clock.mono_ms;
    UNTIL(w, MINUTES(20), world_count(w, PREFECT_STATE_COMPLETED) == 12 && world_launches(w) == 0);
    if (mood >= 0)
        assert_true(fake_webhook_count(w->webhook) > 0);
    char *starts = check_strdup(world_query(
        w,
        "SELECT group_concat(at, ' ') FROM (SELECT at FROM history WHERE \"to\" = 'RUNNING' ORDER BY at)"));
    int64_t stop_ms = w->clock.mono_ms;
    world_stop(w);
    assert_true(w->clock.mono_ms - stop_ms <= SECONDS(1));
    assert_true(stop_ms - began_ms > SECONDS(60));
    assert_int_equal(world_teardown(&state), 0);
    return starts;
}

static void test_starts_are_the_same_whatever_the_webhook_does(void **state)
{
    static const int moods[] = {FAKE_WEBHOOK_TAKES, FAKE_WEBHOOK_HANGS, FAKE_WEBHOOK_RESETS,
                                FAKE_WEBHOOK_FLOODS, FAKE_WEBHOOK_STUCK};
    (void)state;
    char *without = starts_with_webhook(-1);
    assert_int_equal(strlen(without), 12 * 25 - 1);
    for (size_t i = 0; i < ARRAY_LEN(moods); i++) {
        char *with = starts_with_webhook(moods[i]);
        assert_string_equal(with, without);
        free(with);
    }
    free(without);
}

/* ---- the state file ---- */

static void edit(struct world *w, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(w->state_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_a_storm_goes_on_after_a_restart(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(
        w->engine, &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_STALL, .nth = -1});
    add_runs(w, 60);
    world_start(w, "[timeouts]\nstart = 5s\nstart_inactivity = 5s\n[limits]\nstarts_per_second = 0.5\n");
    UNTIL(w, MINUTES(5), is_state(w, "timeout_burn", "page", "firing"));
    world_crash(w);
    assert_true(strlen(world_query(w, "SELECT windows FROM burn_rows WHERE name = 'timeouts'")) > 10);
    world_start(w, NULL);
    world_pass(w, MINUTES(1));
    world_stop(w);
    assert_true(is_state(w, "timeout_burn", "page", "firing"));
    edit(w,
         "UPDATE burn_rows SET windows = 'm0:1:1'; UPDATE alert_rows SET state = 'banana', delivery = '?', "
         "since_ms = -5 WHERE name = 'queue_old'; INSERT INTO alert_rows VALUES ('of a later version', "
         "'page', "
         "'firing', '', 1, 1, '', 'due', 0)");
    world_start(w, NULL);
    assert_int_equal(world_logged(w, "what alerts go by can't be read; it is counted anew"), 3);
    world_pass(w, MINUTES(2));
    assert_true(is_state(w, "timeout_burn", "page", "firing")); /* what is not known has not ended */
    assert_int_equal(world_logged(w, "an alert fires"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_every_alert_is_in_the_view_from_the_start_on),
        FLOW_TEST(test_a_storm_of_timeouts_pages_and_ends),
        FLOW_TEST(test_an_outage_of_the_engine_is_one_alert),
        FLOW_TEST(test_an_outage_of_prefect_is_one_alert),
        FLOW_TEST(test_paused_runs_are_no_alert),
        FLOW_TEST(test_nothing_starts_although_runs_are_due),
        FLOW_TEST(test_runs_at_a_limit_are_only_old),
        FLOW_TEST(test_polls_that_fail_while_prefect_answers),
        FLOW_TEST(test_a_damaged_file_is_told_until_it_is_moved),
        FLOW_TEST(test_a_restart_sends_what_is_due),
        FLOW_TEST(test_who_refuses_is_asked_five_times),
        FLOW_TEST(test_a_redirect_elsewhere_is_a_refusal),
        FLOW_TEST(test_what_is_over_meanwhile_is_sent_as_over_and_once),
        FLOW_TEST(test_the_body_of_the_answer_does_not_matter),
        FLOW_TEST(test_a_new_receiver_is_told_what_fires),
        FLOW_TEST(test_a_storm_goes_on_after_a_restart),
        cmocka_unit_test(test_starts_are_the_same_whatever_the_webhook_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
