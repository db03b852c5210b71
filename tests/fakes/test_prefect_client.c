/* test_prefect_client.c - the promises of api/prefect.h, against the fake server. */
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

/* --- headers and settings --- */

static void test_headers(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    w->settings.worker_name = " \tw\xc3\xa4 1\n ";
    prefect_world_restart(w);
    heard_run(&heard, prefect_server_version(w->prefect, heard_begin(&heard), &heard.err));
    assert_string_equal(heard.text, "200 json=3.8.8");
    assert_string_equal(fake_prefect_last_header(w->fake, "User-Agent"), "prefect/3.8.8 (API 0.8.4)");
    assert_string_equal(fake_prefect_last_header(w->fake, "X-PREFECT-API-VERSION"), "0.8.4");
    assert_string_equal(fake_prefect_last_header(w->fake, "X-Prefect-Worker-Name"), "w%C3%A4 1%0A");
    assert_string_equal(fake_prefect_last_header(w->fake, "X-Sluice-Version"), SLUICE_VERSION);
    assert_null(fake_prefect_last_header(w->fake, "Authorization"));
    assert_null(fake_prefect_last_header(w->fake, "Content-Type"));
    assert_null(fake_prefect_last_header(w->fake, "Prefect-Csrf-Token"));
    (void)fake_prefect_add_pool(w->fake, "pool", "docker", "{}");
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "pool", 30, &heard.err));
    assert_string_equal(fake_prefect_last_header(w->fake, "Content-Type"), "application/json");
    heard_done(&heard);
}

static void test_authorization(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    w->settings.api_key = "pnu_abc";
    prefect_world_restart(w);
    heard_run(&heard, prefect_server_version(w->prefect, heard_begin(&heard), &heard.err));
    assert_string_equal(fake_prefect_last_header(w->fake, "Authorization"), "Bearer pnu_abc");
    /* RFC 4648 vectors with every length of padding. */
    static const struct {
        const char *auth;
        const char *line;
    } cases[] = {{"foobar", "Basic Zm9vYmFy"},
                 {"fooba", "Basic Zm9vYmE="},
                 {"foob", "Basic Zm9vYg=="},
                 {"u:p", "Basic dTpw"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        w->settings.auth_string = cases[i].auth;
        prefect_world_restart(w);
        heard_run(&heard, prefect_server_version(w->prefect, heard_begin(&heard), &heard.err));
        assert_string_equal(fake_prefect_last_header(w->fake, "Authorization"), cases[i].line);
    }
    heard_done(&heard);
}

static void test_login_is_refused(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    struct fake_prefect *open = w->fake;
    fake_prefect_new(
        &(struct fake_prefect_settings){
            .base = w->base, .timers = w->timers, .authorization = "Basic dTpw", .seed = 2},
        &w->fake);
    w->settings.api_url = fake_prefect_url(w->fake);
    w->settings.auth_string = "u:wrong";
    prefect_world_restart(w);
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "pool", &heard.err));
    assert_string_equal(heard.text, "failure 401 none sent: Unauthorized");
    /* A changing call meets the refusal at the token, and nothing of it was sent. */
    heard_run(&heard,
              prefect_set_state(w->prefect, heard_begin(&heard), CLAIM_ID,
                                &(struct prefect_proposal){.type = PREFECT_STATE_PENDING}, &heard.err));
    assert_string_equal(heard.text, "failure 401 none unsent: Unauthorized");
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_SET_STATE), 0);
    w->settings.auth_string = "u:p";
    prefect_world_restart(w);
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "pool", &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Work pool \"pool\" not found.");
    heard_done(&heard);
    fake_prefect_free(open);
}

static void test_custom_headers(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    w->settings.api_key = "key";
    w->settings.custom_headers_json =
        "{\"X-Extra\":\"1\",\"user-agent\":\"evil\",\"Prefect-CSRF-Token\":\"x\",\"prefect-csrf-client\":"
        "\"x\","
        "\"content-length\":\"7\",\"authorization\":\"Token t\",\"x-prefect-api-version\":\"0.8.5\"}";
    prefect_world_restart(w);
    heard_run(&heard, prefect_server_version(w->prefect, heard_begin(&heard), &heard.err));
    assert_string_equal(fake_prefect_last_header(w->fake, "X-Extra"), "1");
    assert_string_equal(fake_prefect_last_header(w->fake, "User-Agent"), "prefect/3.8.8 (API 0.8.4)");
    assert_null(fake_prefect_last_header(w->fake, "Prefect-CSRF-Token"));
    assert_null(fake_prefect_last_header(w->fake, "Prefect-Csrf-Token"));
    assert_null(fake_prefect_last_header(w->fake, "content-length"));
    assert_string_equal(fake_prefect_last_header(w->fake, "authorization"), "Token t");
    assert_null(fake_prefect_last_header(w->fake, "Authorization"));
    assert_string_equal(fake_prefect_last_header(w->fake, "x-prefect-api-version"), "0.8.5");
    heard_done(&heard);
}

static void assert_settings_refused(struct prefect_world *w, struct prefect_settings settings,
                                    const char *says)
{
    struct prefect *untouched = NULL;
    struct err err;
    settings.random = &w->random;
    assert_int_equal(prefect_new(w->http, w->timers, &settings, &untouched, &err), -1);
    assert_null(untouched);
    assert_int_equal(err.kind, ERR_INVALID);
    if (strstr(err.msg, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
    assert_null(strstr(err.msg, "hunter2"));
}

static void test_bad_settings(void **state)
{
    struct prefect_world *w = *state;
    const char *const urls[] = {NULL,
                                "",
                                "localhost:4200/api",
                                "ftp://x/api",
                                "http://",
                                "http:///",
                                "http://a b/api",
                                "http://a/api?x=1",
                                "http://a/api#x",
                                "http://a/\napi"};
    for (size_t i = 0; i < ARRAY_LEN(urls); i++)
        assert_settings_refused(w, (struct prefect_settings){.api_url = urls[i]}, "API URL");
    const char *const headers[] = {"[]",
                                   "x",
                                   "{\"a\":1}",
                                   "{\"a b\":\"c\"}",
                                   "{\"\":\"c\"}",
                                   "{\"a:\":\"c\"}",
                                   "{\"a\":\"hunter2\\r\\nb: c\"}",
                                   "{\"a\":null}"};
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        assert_settings_refused(
            w, (struct prefect_settings){.api_url = "http://a/api", .custom_headers_json = headers[i]},
            "PREFECT_CLIENT_CUSTOM_HEADERS");
        assert_int_equal(prefect_check_custom_headers(headers[i], &err), -1);
        assert_null(strstr(err.msg, "hunter2"));
    }
    assert_int_equal(prefect_check_custom_headers("{\"a\":\"b\"}", &err), 0);
    assert_int_equal(prefect_check_custom_headers(NULL, &err), 0);
    assert_settings_refused(w, (struct prefect_settings){.api_url = "http://a/api", .api_key = "hunter2\n"},
                            "API key");
}

static void test_url_loses_its_slash(void **state)
{
    struct prefect_world *w = *state;
    char *url = check_printf("%s//", fake_prefect_url(w->fake));
    w->settings.api_url = url;
    prefect_world_restart(w);
    assert_string_equal(prefect_api_url(w->prefect), fake_prefect_url(w->fake));
    free(url);
}

/* --- routes --- */

static void test_pools(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "a b/\xc3\xa4", &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Work pool \"a b/\xc3\xa4\" not found.");
    heard_run(&heard,
              prefect_create_pool(w->prefect, heard_begin(&heard), "p", "docker",
                                  "{\"job_configuration\":{\"n\":1.0},\"variables\":{}}", &heard.err));
    assert_string_equal(heard.text, "201 pool id=ID name=p type=docker limit=-1 "
                                    "template={\"job_configuration\":{\"n\":1.0},\"variables\":{}}");
    heard_run(&heard, prefect_create_pool(w->prefect, heard_begin(&heard), "p", "docker", "{}", &heard.err));
    assert_string_equal(heard.text, "failure 409 none sent: A work pool with this name already exists.");
    heard_run(&heard, prefect_patch_pool_template(w->prefect, heard_begin(&heard), "p", "{}", &heard.err));
    assert_string_equal(heard.text, "204");
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "p", &heard.err));
    assert_string_equal(heard.text, "200 pool id=ID name=p type=docker limit=-1 template={} no-template");
    (void)fake_prefect_add_queue(w->fake, "p", "high", 3);
    heard_run(&heard, prefect_list_queues(w->prefect, heard_begin(&heard), "p", &heard.err));
    assert_string_equal(
        heard.text,
        "200 queue id=ID name=default priority=1 limit=-1; queue id=ID name=high priority=3 limit=-1");
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_string_equal(heard.text, "204");
    assert_int_equal(fake_prefect_heartbeats(w->fake), 1);
    assert_string_equal(fake_prefect_last_request(w->fake),
                        "POST /api/work_pools/p/workers/heartbeat "
                        "{\"name\":\"w 1\",\"heartbeat_interval_seconds\":30}");
    heard_done(&heard);
}

static void test_poll(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *const tags[] = {"red", NULL};
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    (void)fake_prefect_add_queue(w->fake, "p", "low", 9);
    (void)fake_prefect_add_run(w->fake, &(struct fake_prefect_run){.pool = "p", .queue = "low", .name = "a"});
    (void)fake_prefect_add_run(
        w->fake,
        &(struct fake_prefect_run){.pool = "p", .name = "b", .tags = tags, .parameters_json = "{\"x\":1.0}"});
    int64_t now_ms = w->fc.wall_ms;
    heard_run(&heard, prefect_poll(w->prefect, heard_begin(&heard), "p", NULL, 0, now_ms, -1, &heard.err));
    assert_string_equal(heard.text,
                        "200 run id=ID name=b flow=ID deployment=- queue=ID pid=- parameters={\"x\":1.0} "
                        "variables={} tag=red is=SCHEDULED/Scheduled due=+0s; "
                        "run id=ID name=a flow=ID deployment=- queue=ID pid=- parameters={} variables={} "
                        "is=SCHEDULED/Scheduled due=+0s");
    /* Keys that aren't needed are not sent. */
    assert_string_equal(
        fake_prefect_last_request(w->fake),
        "POST /api/work_pools/p/get_scheduled_flow_runs {\"scheduled_before\":\"2026-01-01T00:00:00.000Z\"}");
    const char *const names[] = {"low"};
    heard_run(&heard, prefect_poll(w->prefect, heard_begin(&heard), "p", names, 1, now_ms, 0, &heard.err));
    assert_string_equal(heard.text, "200");
    assert_non_null(strstr(
        fake_prefect_last_request(w->fake),
        "{\"work_queue_names\":[\"low\"],\"scheduled_before\":\"2026-01-01T00:00:00.000Z\",\"limit\":0}"));
    const char *const missing[] = {"nah"};
    heard_run(&heard, prefect_poll(w->prefect, heard_begin(&heard), "p", missing, 1, now_ms, 10, &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Work pool queue 'p/nah' not found.");
    heard_done(&heard);
}

static void test_run_life(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    prefect_text_name(&w->text, run, "RUN");
    prefect_text_name(&w->text, CLAIM_ID, "CLAIM");
    struct prefect_proposal proposal = claim();
    heard.kind = PREFECT_TEXT_SET_STATE;
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(
        heard.text,
        "201 ACCEPT PENDING/Pending message=- transition=CLAIM lease=- data=null scheduled=+0s reason=-");
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(heard.text, "200 REJECT PENDING/Pending message=- transition=CLAIM lease=- data=null "
                                    "scheduled=+0s reason=This run has already made this state transition.");
    proposal = (struct prefect_proposal){.type = PREFECT_STATE_SCHEDULED,
                                         .name = "AwaitingRetry",
                                         .message = "handed \"back\"",
                                         .scheduled_at_ms = w->fc.wall_ms + 600000,
                                         .data_json = "{\"n\":1.0}"};
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(heard.text, "201 ACCEPT SCHEDULED/AwaitingRetry message=handed \"back\" transition=- "
                                    "lease=- data={\"n\":1.0} scheduled=+600s reason=-");
    proposal = (struct prefect_proposal){.type = PREFECT_STATE_RUNNING};
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_string_equal(heard.text,
                        "200 WAIT wait_s=600 SCHEDULED/AwaitingRetry message=handed \"back\" transition=- "
                        "lease=- data={\"n\":1.0} scheduled=+600s reason=Scheduled time is in the future");
    proposal = (struct prefect_proposal){.type = PREFECT_STATE_CANCELLED, .force = true};
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_int_equal(heard.outcome, PREFECT_OUTCOME_ACCEPT);
    heard.kind = PREFECT_TEXT_PLAIN;
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), run, "http+docker://localhost:abc",
                                        &heard.err));
    assert_string_equal(heard.text, "204");
    const char *const labels[] = {"prefect.worker.name", "w 1", "a", "b", NULL};
    heard_run(&heard, prefect_patch_labels(w->prefect, heard_begin(&heard), run, labels, &heard.err));
    assert_string_equal(fake_prefect_label(w->fake, run, "prefect.worker.name"), "w 1");
    heard_run(&heard, prefect_get_run(w->prefect, heard_begin(&heard), run, &heard.err));
    assert_string_equal(
        heard.text, "200 run id=RUN name=run-1 flow=ID deployment=- queue=ID pid=http+docker://localhost:abc "
                    "parameters={} variables={} is=CANCELLED/Cancelled due=+0s state=CANCELLED/Cancelled "
                    "message=- transition=- lease=- data=null scheduled=-");
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), run, NULL, &heard.err));
    heard_run(&heard, prefect_filter_runs(w->prefect, heard_begin(&heard), &run, 1, &heard.err));
    assert_non_null(strstr(heard.text, "200 run id=RUN name=run-1 flow=ID deployment=- queue=ID pid=- "));
    heard_run(&heard, prefect_get_history(w->prefect, heard_begin(&heard), run, &heard.err));
    assert_string_equal(
        heard.text,
        "200 SCHEDULED/Scheduled message=- transition=- lease=- data=null scheduled=+0s; PENDING/Pending "
        "message=- transition=CLAIM lease=- data=null scheduled=+0s; SCHEDULED/AwaitingRetry message=handed "
        "\"back\" transition=- lease=- data={\"n\":1.0} scheduled=+600s; CANCELLED/Cancelled message=- "
        "transition=- lease=- data=null scheduled=-");
    char *id = check_strdup(run);
    fake_prefect_delete_run(w->fake, id);
    heard_run(&heard, prefect_get_run(w->prefect, heard_begin(&heard), id, &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Flow run not found");
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), id, "x", &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Flow run not found");
    heard.kind = PREFECT_TEXT_SET_STATE;
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), id, &proposal, &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent changes: Flow run with id RUN not found");
    const char *const ids[] = {id};
    heard.kind = PREFECT_TEXT_PLAIN;
    heard_run(&heard, prefect_filter_runs(w->prefect, heard_begin(&heard), ids, 1, &heard.err));
    assert_string_equal(heard.text, "200");
    free(id);
    heard_done(&heard);
}

static void test_deployment_and_flow(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    const char *flow = fake_prefect_add_flow(w->fake, "my flow");
    const char *deployment = fake_prefect_add_deployment(
        w->fake,
        &(struct fake_prefect_deployment){
            .name = "d", .flow_id = flow, .pool = "p", .job_variables_json = "{\"env\":{\"A\":1.50}}"});
    prefect_text_name(&w->text, flow, "FLOW");
    prefect_text_name(&w->text, deployment, "DEP");
    heard_run(&heard, prefect_get_deployment(w->prefect, heard_begin(&heard), deployment, &heard.err));
    assert_string_equal(heard.text,
                        "200 deployment id=DEP name=d flow=FLOW variables={\"env\":{\"A\":1.50}} updated");
    heard_run(&heard, prefect_get_flow(w->prefect, heard_begin(&heard), flow, &heard.err));
    assert_string_equal(heard.text, "200 flow=my flow");
    heard_run(&heard, prefect_get_deployment(w->prefect, heard_begin(&heard), flow, &heard.err));
    assert_string_equal(heard.text, "failure 404 none sent: Deployment not found");
    heard_done(&heard);
}

/* Names stay names, whatever is in them; and an answer without the part that counts is none. */
static void test_blocks_and_variables(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_set_block(w->fake, "a/b", "c?d", "{\"value\":1.0}");
    fake_prefect_set_variable(w->fake, "x/../y", "[12345678901234567890]");
    heard_run(&heard, prefect_get_block_by_name(w->prefect, heard_begin(&heard), "a/b", "c?d", &heard.err));
    assert_string_equal(heard.text, "200 json={\"value\":1.0} secret=[\"*\"]");
    heard_run(&heard, prefect_get_variable(w->prefect, heard_begin(&heard), "x/../y", &heard.err));
    assert_string_equal(heard.text, "200 json=[12345678901234567890]");
    static const char *const bad[] = {"{}", "[]", "null", "{\"data\":[\"s3cret\"]}", "{\"data\":\"s3cret\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                 .times = 2,
                                                                 .kind = PREFECT_FAULT_STATUS,
                                                                 .status = 200,
                                                                 .body = bad[i]});
        heard_run(&heard, prefect_get_block(w->prefect, heard_begin(&heard), "b", &heard.err));
        assert_non_null(strstr(heard.text, "failure 200 answer not understood"));
        assert_null(strstr(heard.text, "s3cret"));
        heard_run(&heard, prefect_get_variable(w->prefect, heard_begin(&heard), "v", &heard.err));
        assert_non_null(strstr(heard.text, "failure 200 answer not understood"));
    }
    heard_done(&heard);
}

static void test_wrong_names_are_refused_at_once(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    struct prefect_ask ask = heard_ask(&heard);
    struct err err;
    assert_int_equal(prefect_get_run(w->prefect, &ask, "..", &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(prefect_get_run(w->prefect, &ask, ".", &err), -1);
    assert_int_equal(prefect_get_pool(w->prefect, &ask, "", &err), -1);
    assert_int_equal(prefect_get_variable(w->prefect, &ask, "..", &err), -1);
    assert_int_equal(prefect_get_block(w->prefect, &ask, "", &err), -1);
    assert_int_equal(prefect_get_block_by_name(w->prefect, &ask, "..", "b", &err), -1);
    assert_int_equal(prefect_get_block_by_name(w->prefect, &ask, "t", ".", &err), -1);
    assert_int_equal(prefect_create_pool(w->prefect, &ask, "p", "docker", "{\"cut", &err), -1);
    assert_int_equal(err.kind, ERR_INVALID);
    struct prefect_proposal proposal = claim();
    proposal.data_json = "nonsense";
    assert_int_equal(prefect_set_state(w->prefect, &ask, CLAIM_ID, &proposal, &err), -1);
    prefect_world_turn(w);
    assert_int_equal(heard.done_count, 0);
    assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_ANY), 0);
}

/* --- failures --- */

static void test_error_answers(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    static const struct {
        struct fake_prefect_fault fault;
        const char *text;
    } cases[] = {
        {{.status = 503,
          .body = "{\"exception_message\":\"Service Unavailable\"}",
          .header = "Retry-After: 7"},
         "failure 503 none sent retry_after_ms=7000: Service Unavailable"},
        {{.status = 429, .body = "{}", .header = "Retry-After: 0.25"},
         "failure 429 none sent retry_after_ms=250: "},
        {{.status = 429, .header = "Retry-After: Thu, 01 Jan 2026 00:00:30 GMT"},
         "failure 429 none sent retry_after_ms=30000: scripted"},
        {{.status = 500, .body = "Internal Server Error", .header = "retry-after: soon"},
         "failure 500 none sent: an answer that is not the API's"},
        {{.status = 502, .body = "<html>bad gateway</html>"},
         "failure 502 none sent: an HTML page instead of the API's answer"},
        {{.status = 423, .header = "Retry-After: 2"}, "failure 423 none sent retry_after_ms=2000: scripted"},
        {{.status = 403, .body = "<html>login</html>"},
         "failure 403 none sent: an HTML page instead of the API's answer"},
        /* A proxy's "not found" says nothing about our run. */
        {{.status = 404, .body = "404 page not found"},
         "failure 404 answer not understood sent: an answer that is not the API's"},
        {{.status = 404, .body = ""}, "failure 404 answer not understood sent: an empty answer"},
        {{.status = 409, .body = "<html>"},
         "failure 409 answer not understood sent: an HTML page instead of the API's answer"},
        {{.status = 302, .body = "{}"},
         "failure 302 none sent: redirected elsewhere: the API URL should name the final address"},
        {{.kind = PREFECT_FAULT_HTML},
         "failure 200 answer not understood sent: an HTML page came instead of the API's answer: does the "
         "API URL end in /api?"},
        {{.kind = PREFECT_FAULT_CUT_JSON}, NULL},
    };
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_prefect_fault(w->fake, &cases[i].fault);
        heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "p", &heard.err));
        if (cases[i].text != NULL)
            assert_string_equal(heard.text, cases[i].text);
        else
            assert_non_null(strstr(heard.text, "failure 200 answer not understood sent: not valid JSON"));
        assert_int_equal(heard.failure.dependency, DEPENDENCY_PREFECT);
        assert_int_equal(heard.failure.stage, STAGE_API);
    }
    heard_run(&heard, prefect_get_pool(w->prefect, heard_begin(&heard), "p", &heard.err));
    assert_false(heard.has_failure);
    heard_done(&heard);
}

/* HTML with a good status is no success of a call without an answer either. */
static void test_html_is_no_success(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    fake_prefect_fault(
        w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_HEARTBEAT, .kind = PREFECT_FAULT_HTML});
    heard_run(&heard, prefect_heartbeat(w->prefect, heard_begin(&heard), "p", 30, &heard.err));
    assert_int_equal(heard.failure.transport, TRANSPORT_BAD_ANSWER);
    heard_done(&heard);
}

/* Only a lost set_state is an unknown outcome; after it the run may be claimed or not. */
static void test_lost_answers(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    struct prefect_proposal proposal = claim();
    heard.kind = PREFECT_TEXT_SET_STATE;
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                             .kind = PREFECT_FAULT_DROP_BEFORE});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_true(heard.has_failure && heard.failure.sent && heard.failure.changes);
    assert_int_equal(heard.failure.status, 0);
    assert_string_equal(fake_prefect_history(w->fake, run), "SCHEDULED Scheduled");
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                             .kind = PREFECT_FAULT_DROP_AFTER});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_true(heard.has_failure && heard.failure.sent && heard.failure.changes);
    assert_string_equal(fake_prefect_history(w->fake, run), "SCHEDULED Scheduled, PENDING Pending");
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                             .kind = PREFECT_FAULT_CUT_JSON});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_true(heard.failure.sent && heard.failure.changes);
    assert_int_equal(heard.failure.transport, TRANSPORT_BAD_ANSWER);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                             .kind = PREFECT_FAULT_HALF_BODY});
    heard_run(&heard, prefect_set_state(w->prefect, heard_begin(&heard), run, &proposal, &heard.err));
    assert_int_equal(heard.failure.transport, TRANSPORT_PARTIAL_BODY);
    assert_true(heard.failure.changes);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_RUN,
                                                             .kind = PREFECT_FAULT_DROP_AFTER});
    heard.kind = PREFECT_TEXT_PLAIN;
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), run, "x", &heard.err));
    assert_true(heard.has_failure && !heard.failure.changes);
    heard_done(&heard);
}

static void test_clocks(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    struct err err;
    const char *run = add_run(w);
    struct prefect_proposal proposal = claim();
    heard_run(&heard, prefect_patch_pid(w->prefect, heard_begin(&heard), run, "x", &heard.err));
    fake_prefect_fault(
        w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE, .kind = PREFECT_FAULT_HOLD});
    struct prefect_ask ask = heard_ask(&heard);
    heard.kind = PREFECT_TEXT_SET_STATE;
    heard.done_count = 0;
    assert_int_equal(prefect_set_state(w->prefect, &ask, run, &proposal, &err), 0);
    prefect_world_turn(w);
    assert_int_equal(fake_prefect_held(w->fake), 1);
    prefect_world_advance(w, 4999);
    assert_int_equal(heard.done_count, 0);
    prefect_world_advance(w, 1);
    heard_expect(&heard);
    assert_int_equal(heard.failure.transport, TRANSPORT_READ_TIMEOUT);
    assert_true(heard.failure.sent && heard.failure.changes);
    assert_int_equal(heard.took_ms, 5000);
    /* The server carries it out all the same. */
    assert_string_equal(fake_prefect_history(w->fake, run), "SCHEDULED Scheduled");
    assert_int_equal(fake_prefect_release(w->fake), 1);
    assert_string_equal(fake_prefect_history(w->fake, run), "SCHEDULED Scheduled, PENDING Pending");
    prefect_world_turn(w);
    assert_int_equal(heard.done_count, 1);
    heard_done(&heard);
}

static void test_delayed_answer(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    struct err err;
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_VERSION,
                                                             .kind = PREFECT_FAULT_DELAY,
                                                             .delay_ms = 3000});
    struct prefect_ask ask = heard_ask(&heard);
    assert_int_equal(prefect_server_version(w->prefect, &ask, &err), 0);
    prefect_world_turn(w);
    prefect_world_advance(w, 2999);
    assert_int_equal(heard.done_count, 0);
    prefect_world_advance(w, 1);
    heard_expect(&heard);
    assert_string_equal(heard.text, "200 json=3.8.8");
    assert_int_equal(heard.took_ms, 3000);
    heard_done(&heard);
}

static void cancel_itself_and_other(struct heard *heard)
{
    struct heard *other = heard->in_done_arg;
    prefect_cancel(heard->call);
    prefect_cancel(other->call);
}

static void test_cancel(void **state)
{
    struct prefect_world *w = *state;
    struct heard first = heard_new(w);
    struct heard second = heard_new(w);
    struct err err;
    struct prefect_ask ask = heard_ask(&first);
    assert_int_equal(prefect_server_version(w->prefect, &ask, &err), 0);
    prefect_cancel(first.call);
    prefect_world_turn(w);
    assert_int_equal(first.done_count, 0);
    /* From inside another's callback, and while waiting for a token. */
    (void)fake_prefect_add_pool(w->fake, "p", "docker", "{}");
    fake_prefect_demand_csrf(w->fake, true);
    first.in_done = cancel_itself_and_other;
    first.in_done_arg = &second;
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){
                                    .route = FAKE_PREFECT_CSRF, .kind = PREFECT_FAULT_STATUS, .status = 503});
    assert_int_equal(prefect_heartbeat(w->prefect, &ask, "p", 30, &err), 0);
    struct prefect_ask second_ask = heard_ask(&second);
    assert_int_equal(prefect_heartbeat(w->prefect, &second_ask, "p", 30, &err), 0);
    prefect_world_turn(w);
    assert_int_equal(first.done_count, 1);
    assert_string_equal(first.text, "failure 503 none unsent: scripted");
    assert_int_equal(second.done_count, 0);
    heard_done(&first);
}

static void test_free_ends_calls_silently(void **state)
{
    struct prefect_world *w = *state;
    struct heard read = heard_new(w);
    struct heard change = heard_new(w);
    struct err err;
    struct prefect_ask read_ask = heard_ask(&read);
    struct prefect_ask change_ask = heard_ask(&change);
    fake_prefect_demand_csrf(w->fake, true);
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){
                                    .route = FAKE_PREFECT_ANY, .times = -1, .kind = PREFECT_FAULT_HOLD});
    assert_int_equal(prefect_server_version(w->prefect, &read_ask, &err), 0);
    assert_int_equal(prefect_heartbeat(w->prefect, &change_ask, "p", 30, &err), 0);
    prefect_world_turn(w);
    assert_int_equal(fake_prefect_held(w->fake), 2);
    prefect_free(w->prefect);
    w->prefect = NULL;
    fake_prefect_release(w->fake);
    prefect_world_turn(w);
    assert_int_equal(read.done_count + change.done_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prefect_world_setup, prefect_world_teardown)

/* --- what a server lacks --- */

static const char *const no_labels[] = {"a", "b", NULL};

static int patch_labels(struct prefect_world *w, struct heard *heard, const char *run)
{
    return prefect_patch_labels(w->prefect, heard_begin(heard), run, no_labels, &heard->err);
}

static void lack_labels(struct prefect_world *w, int status, const char *body)
{
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_PATCH_LABELS,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = status,
                                                             .body = body});
}

static void test_what_a_server_lacks_is_asked_once_in_ten_minutes(void **state)
{
    static const struct {
        int status;
        const char *body;
    } cases[] = {{404, "{\"detail\":\"Not Found\"}"},
                 {405, "{\"detail\":\"Method Not Allowed\"}"},
                 {422, "{\"exception_message\":\"Invalid request received.\"}"}};
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fake_prefect_reset_counts(w->fake);
        lack_labels(w, cases[i].status, cases[i].body);
        heard_run(&heard, patch_labels(w, &heard, run));
        assert_int_equal(heard.failure.status, cases[i].status);
        assert_true(prefect_lacks(w->prefect, PREFECT_OPTIONAL_LABELS));
        assert_false(prefect_lacks(w->prefect, PREFECT_OPTIONAL_EVENTS));
        char *AUTO_FREE lacking = prefect_lacking(w->prefect);
        assert_string_equal(lacking, "labels of flow runs");
        prefect_world_advance(w, PREFECT_LACK_MS - 1000);
        assert_int_equal(patch_labels(w, &heard, run), 0);
        prefect_world_advance(w, 1);
        heard_expect(&heard);
        assert_int_equal(heard.failure.status, 404);
        assert_false(heard.failure.sent);
        assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_PATCH_LABELS), 1);
        prefect_world_advance(w, 1000);
        heard_run(&heard, patch_labels(w, &heard, run));
        assert_false(heard.has_failure);
        assert_int_equal(fake_prefect_calls(w->fake, FAKE_PREFECT_PATCH_LABELS), 2);
    }
    heard_done(&heard);
}

/* A run that is gone, a proxy's page, a server that is busy: they say nothing of the route. */
static void test_other_failures_are_not_a_lack(void **state)
{
    static const struct {
        int status;
        const char *body;
    } cases[] = {{404, "{\"exception_message\":\"Flow run with id X not found\"}"},
                 {404, "<html>"},
                 {503, "{\"exception_message\":\"Service Unavailable\"}"},
                 {401, "{\"exception_message\":\"Unauthorized\"}"}};
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        lack_labels(w, cases[i].status, cases[i].body);
        heard_run(&heard, patch_labels(w, &heard, run));
        assert_true(heard.has_failure);
        assert_false(prefect_lacks(w->prefect, PREFECT_OPTIONAL_LABELS));
    }
    /* A call that everything hangs on is never left out. */
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_GET_RUN,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = 404,
                                                             .body = "{\"detail\":\"Not Found\"}"});
    heard_run(&heard, prefect_get_run(w->prefect, heard_begin(&heard), run, &heard.err));
    assert_true(heard.has_failure);
    heard_run(&heard, prefect_get_run(w->prefect, heard_begin(&heard), run, &heard.err));
    assert_false(heard.has_failure);
    heard_done(&heard);
}

static void test_another_server_is_asked_anew(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    const char *run = add_run(w);
    lack_labels(w, 405, "{\"detail\":\"Method Not Allowed\"}");
    heard_run(&heard, patch_labels(w, &heard, run));
    prefect_forget_lacking(w->prefect);
    heard_run(&heard, patch_labels(w, &heard, run));
    assert_false(heard.has_failure);
    heard_done(&heard);
}

/* --- Cloud --- */

#define WORKER_ID "cb88b57f-c60f-48c3-a219-1e24dd55c2ae"

static void answer_heartbeat(struct prefect_world *w, int status, const char *body)
{
    fake_prefect_fault(w->fake, &(struct fake_prefect_fault){.route = FAKE_PREFECT_HEARTBEAT,
                                                             .kind = PREFECT_FAULT_STATUS,
                                                             .status = status,
                                                             .body = body});
}

static void beat(struct prefect_world *w, struct heard *heard)
{
    heard_run(heard, prefect_heartbeat(w->prefect, heard_begin(heard), "pool", 30, &heard->err));
}

static void test_cloud_gives_the_worker_an_id(void **state)
{
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)add_run(w);
    beat(w, &heard);
    assert_null(strstr(fake_prefect_last_request(w->fake), "return_id"));
    w->settings.is_cloud = true;
    prefect_world_restart(w);
    answer_heartbeat(w, 200, WORKER_ID);
    beat(w, &heard);
    assert_false(heard.has_failure);
    assert_non_null(strstr(fake_prefect_last_request(w->fake), "\"return_id\":true"));
    assert_non_null(strstr(fake_prefect_last_request(w->fake), "\"prefect-docker\""));
    assert_string_equal(prefect_worker_id(w->prefect), WORKER_ID);
    beat(w, &heard);
    assert_null(strstr(fake_prefect_last_request(w->fake), "return_id"));
    assert_string_equal(fake_prefect_last_header(w->fake, "X-Prefect-Worker-Id"), WORKER_ID);
    heard_done(&heard);
}

static void test_cloud_without_ids(void **state)
{
    static const char *const bodies[] = {"", "null", "\"x\"", "cb88b57f-c60f-48c3-a219", "{}"};
    struct prefect_world *w = *state;
    struct heard heard = heard_new(w);
    (void)add_run(w);
    w->settings.is_cloud = true;
    prefect_world_restart(w);
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        answer_heartbeat(w, 200, bodies[i]);
        beat(w, &heard);
        assert_false(heard.has_failure);
        assert_string_equal(prefect_worker_id(w->prefect), "");
    }
    answer_heartbeat(w, 422, "{\"exception_message\":\"Invalid request received.\"}");
    beat(w, &heard);
    assert_int_equal(heard.failure.status, 422);
    beat(w, &heard);
    assert_false(heard.has_failure);
    assert_null(strstr(fake_prefect_last_request(w->fake), "return_id"));
    heard_done(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_headers),
        TEST(test_authorization),
        TEST(test_login_is_refused),
        TEST(test_custom_headers),
        TEST(test_bad_settings),
        TEST(test_url_loses_its_slash),
        TEST(test_pools),
        TEST(test_poll),
        TEST(test_run_life),
        TEST(test_deployment_and_flow),
        TEST(test_blocks_and_variables),
        TEST(test_wrong_names_are_refused_at_once),
        TEST(test_error_answers),
        TEST(test_html_is_no_success),
        TEST(test_lost_answers),
        TEST(test_clocks),
        TEST(test_delayed_answer),
        TEST(test_cancel),
        TEST(test_free_ends_calls_silently),
        TEST(test_what_a_server_lacks_is_asked_once_in_ten_minutes),
        TEST(test_other_failures_are_not_a_lack),
        TEST(test_another_server_is_asked_anew),
        TEST(test_cloud_gives_the_worker_an_id),
        TEST(test_cloud_without_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
