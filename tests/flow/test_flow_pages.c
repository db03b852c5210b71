/*
 * test_flow_pages.c - what is told over HTTP of the running service: health, readiness with each dependency
 * taken away in turn, and the status page's JSON at any size and with any name.
 */
#include "api/json.h"
#include "runner.h"
#include "status_json.h"
#include "tests/flow/visitor.h"

#include <stdlib.h>
#include <unistd.h>

static void expect(const struct visit *v, int status, const char *body)
{
    if (v->status != status || strcmp(v->body, body) != 0)
        fail_msg("%d %s\ninstead of %d %s", v->status, v->body, status, body);
}

static void expect_part(const struct visit *v, int status, const char *part)
{
    if (v->status != status || strstr(v->body, part) == NULL)
        fail_msg("%d %s\ndoes not hold %s", v->status, v->body, part);
}

static struct admin_pages *begin(struct world *w, const char *more)
{
    char *AUTO_FREE text = check_printf("%s%s", more, VISITOR_ADMIN);
    world_start(w, text);
    struct admin_pages *pages = visitor_begin(w);
    world_pass(w, SECONDS(2));
    return pages;
}

static void end(struct admin_pages *pages)
{
    admin_pages_free(pages);
    visit_done();
}

/* ---- ready and alive ---- */

#define ALL_FINE                                                                                             \
    "[+]state_file ok\n[+]engine ok\n[+]prefect ok\n[+]poll ok\n[+]shutdown ok\nreadyz check passed\n"

static void test_ready_when_all_is_there(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    expect(visit(w, pages, "/readyz"), 200, "ok");
    expect(visit(w, pages, "/readyz?verbose"), 200, ALL_FINE);
    expect(visit(w, pages, "/livez"), 200, "ok");
    expect(visit(w, pages, "/livez?verbose"), 200, "[+]loop ok\nlivez check passed\n");
    struct visit *v = visit(w, pages, "/health");
    expect(v, 200, "{\"message\":\"OK\"}");
    assert_non_null(strstr(v->head, "Content-Type: application/json\r\n"));
    expect_part(visit(w, pages, "/readyz?exclude=engine&verbose=1"), 200, "[+]engine excluded: ok\n");
    expect_part(visit(w, pages, "/readyz?verbose&exclude=nothing"), 200, "warn: some health checks cannot");
    end(pages);
}

/* Whatever is away: named within two polls, live and healthy all the while, ready again when it is back. */
static void expect_unready(struct world *w, const struct admin_pages *pages, const char *check)
{
    char *AUTO_FREE line = check_printf("[-]%s failed: ", check);
    char *AUTO_FREE without = check_printf("/readyz?exclude=%s", check);
    world_pass(w, SECONDS(21));
    struct visit *v = visit(w, pages, "/readyz");
    expect_part(v, 503, line);
    expect_part(v, 503, "readyz check failed\n");
    visit(w, pages, without); /* of the engine's outage nothing else follows */
    expect(visit(w, pages, "/livez"), 200, "ok");
    world_pass(w, MINUTES(60));
    expect(visit(w, pages, "/livez"), 200, "ok");
}

static void test_without_an_engine_it_is_not_ready_and_lives(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    fake_engine_go_down(w->engine, false, false);
    expect_unready(w, pages, "engine");
    expect(visit(w, pages, "/readyz?exclude=engine"), 200, "ok");
    expect(visit(w, pages, "/health"), 200, "{\"message\":\"OK\"}");
    fake_engine_come_up(w->engine);
    UNTIL(w, MINUTES(1), visit(w, pages, "/readyz")->status == 200);
    end(pages);
}

static void test_without_prefect_it_is_not_ready_and_lives(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
    expect_unready(w, pages, "prefect");
    expect_part(visit(w, pages, "/readyz?exclude=prefect"), 503,
                "[-]poll failed: the last that went well was 36");
    expect(visit(w, pages, "/health"), 503,
           "{\"message\":\"Worker may be unresponsive at this time\"}"); /* as Prefect's */
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(2), visit(w, pages, "/readyz")->status == 200);
    end(pages);
}

static void test_a_stuck_poll_is_named(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 500});
    expect_unready(w, pages, "poll");
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(2), visit(w, pages, "/readyz")->status == 200);
    end(pages);
}

static void test_a_state_file_that_is_gone_is_named(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    char *AUTO_FREE aside = check_printf("%s.aside", w->state_path);
    assert_int_equal(rename(w->state_path, aside), 0);
    expect_part(visit(w, pages, "/readyz"), 503, "[-]state_file failed: it is gone from its place\n");
    expect(visit(w, pages, "/livez"), 200, "ok");
    assert_int_equal(rename(aside, w->state_path), 0);
    expect(visit(w, pages, "/readyz"), 200, "ok");
    end(pages);
}

static void test_draining_it_is_not_ready_and_lives(void **state)
{
    struct world *w = *state;
    struct err err;
    w->flow.run_ms = MINUTES(30);
    const char *run = world_add_run(w);
    struct admin_pages *pages = begin(w, "");
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_int_equal(service_drain(w->service, &err), 0);
    world_pass(w, MINUTES(20));
    expect_part(visit(w, pages, "/readyz"), 503, "[+]poll ok\n[-]shutdown failed: draining\n");
    expect(visit(w, pages, "/livez"), 200, "ok");
    expect(visit(w, pages, "/health"), 200, "{\"message\":\"OK\"}");
    expect_part(visit(w, pages, "/status.json"), 200, "\"state\":\"draining\"");
    end(pages);
}

static void test_paused_it_is_ready(void **state)
{
    struct world *w = *state;
    struct err err;
    struct admin_pages *pages = begin(w, "");
    assert_int_equal(service_pause(w->service, &err), 0);
    world_pass(w, MINUTES(5));
    expect(visit(w, pages, "/readyz"), 200, "ok");
    expect_part(visit(w, pages, "/status.json"), 200, "\"state\":\"paused\"");
    end(pages);
}

/* ---- where ---- */

static void test_prefects_address_has_health_alone(void **state)
{
    struct world *w = *state;
    static const char *const flags[] = {"command.with_healthcheck", "true", NULL};
    static const char *const others[] = {"/", "/livez", "/readyz", "/status.json", "/metrics", "/docs"};
    w->flags = flags;
    struct admin_pages *pages = begin(w, "");
    expect(visit_health(w, pages, "/health"), 200, "{\"message\":\"OK\"}");
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        expect(visit_health(w, pages, others[i]), 404, "{\"detail\":\"Not Found\"}");
    end(pages);
}

static void test_without_being_asked_nothing_listens(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    assert_null(visitor_begin(w));
}

static void test_an_address_for_all_is_warned_of(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    assert_int_equal(world_logged(w, "it has no login"), 0);
    end(pages);
    world_stop(w);
    world_start(w, "[admin]\nlisten = 0.0.0.0:9191\n");
    pages = visitor_begin(w);
    assert_int_equal(world_logged(w, "it has no login"), 1);
    end(pages);
}

static void test_the_page_says_what_may_run_in_it(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    struct visit *v = visit(w, pages, "/");
    expect_part(v, 200, "<!doctype html>");
    assert_non_null(strstr(v->head, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(v->head, "Content-Security-Policy: default-src 'none'; script-src 'sha256-"));
    assert_non_null(strstr(v->head, "frame-ancestors 'none'\r\n"));
    assert_null(strstr(v->head, "unsafe"));
    static const char *const outside[] = {"src=", "@import", "url(", "https:", "innerHTML", "eval("};
    for (size_t i = 0; i < ARRAY_LEN(outside); i++)
        assert_null(strstr(v->body, outside[i]));
    end(pages);
}

/* ---- the JSON ---- */

static struct json *read_status(struct world *w, const struct admin_pages *pages)
{
    struct err err;
    struct json *status = NULL;
    world_pass(w, 500); /* so long an answer is kept */
    struct visit *v = visit(w, pages, "/status.json");
    assert_int_equal(v->status, 200);
    assert_in_range(strlen(v->body), 100, STATUS_MAX_BYTES);
    if (json_parse(v->body, strlen(v->body), &status, &err) != 0)
        fail_msg("%s", err.msg);
    return status;
}

static const struct json *item(const struct json *array, size_t index)
{
    const struct json *at = json_first(array);
    for (; at != NULL && index > 0; index--)
        at = json_next(at);
    return at;
}

static const struct json *run_rows(const struct json *status, const char *kind)
{
    return json_get(json_get(status, "runs"), kind);
}

static void test_a_run_is_shown_from_queue_to_container(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(10);
    struct admin_pages *pages = begin(w, "[limits]\nrunning = 1\n");
    const char *first = world_add_named_run(w, "first");
    UNTIL(w, MINUTES(1), world_is_in(w, first, RUN_STATE_RUNNING));
    world_add_named_run(w, "second");
    world_pass(w, SECONDS(30));
    struct json *status = read_status(w, pages);
    assert_string_equal(json_get_text(status, "state", ""), "working");
    assert_true(json_get_bool(status, "engine_ok", false));
    assert_string_equal(json_get_text(item(run_rows(status, "running"), 0), "name", ""), "first");
    const struct json *waiting = item(run_rows(status, "waiting"), 0);
    assert_string_equal(json_get_text(waiting, "name", ""), "second");
    assert_string_equal(json_get_text(waiting, "state", ""), "QUEUED");
    assert_string_equal(json_get_text(waiting, "waits_for", ""), "pool limit: running");
    const struct json *class = item(json_get(status, "classes"), 0);
    assert_string_equal(json_get_text(class, "name", ""), "default");
    assert_int_equal(json_get_int(class, "due", -1), 1);
    assert_int_equal(json_get_int(class, "running", -1), 1);
    assert_int_equal(json_get_int(class, "starts", -1), 1);
    const struct json *reason = item(json_get(class, "reasons"), 0);
    assert_string_equal(json_get_text(reason, "why", ""), "pool limit: running");
    assert_int_equal(json_get_int(reason, "count", -1), 1);
    const struct json *series = json_get(status, "series");
    assert_in_range(json_count(json_get(series, "starts")), 3, 5);
    size_t steps = json_count(json_get(series, "running"));
    assert_string_equal(json_number_text(item(json_get(series, "running"), steps - 1)), "1");
    json_free(status);
    end(pages);
}

static void test_timeouts_are_shown_with_their_clock(void **state)
{
    struct world *w = *state;
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STALL});
    world_add_named_run(w, "unlucky");
    struct admin_pages *pages = begin(w, "[timeouts]\ncreate = 20s\n");
    world_pass(w, MINUTES(2));
    struct json *status = read_status(w, pages);
    const struct json *trouble = item(json_get(status, "troubles"), 0);
    assert_string_equal(json_get_text(trouble, "name", ""), "unlucky");
    assert_string_equal(json_get_text(trouble, "stage", ""), "create");
    assert_string_equal(json_get_text(trouble, "clock", ""), "total");
    assert_int_equal(json_get_int(trouble, "timeout_ms", 0), 20000);
    assert_non_null(strstr(json_get_text(trouble, "timeout_from", ""), "sluice.conf:2"));
    assert_string_equal(json_get_text(trouble, "meaning", ""), "unknown_outcome");
    json_free(status);
    end(pages);
}

/* As many launches as it takes, without the polls and calls that would bring them. */
static void add_launches(struct world *w, size_t count, enum run_state in, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        char *AUTO_FREE id = check_printf("%08zx-0000-4000-8000-%012x", i, (unsigned)in);
        struct launch *launch = launch_new(id, w->clock.wall_ms - (int64_t)(count - i));
        launch_make_ids(launch, i, (uint64_t)in, "0123456789abcdef");
        launch_set_text(&launch->class_name, "default");
        launch->run.state = in;
        runner_add(service_runner(w->service), launch);
        /* Only now: what the log makes of ten thousand such names is no matter of the page. */
        launch_set_text(&launch->run_name, name);
        launch_set_text(&launch->deployment_name, name);
        launch_set_text(&launch->last_error, name);
    }
}

static void test_of_ten_thousand_two_hundred_are_named(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    static char longest[10001];
    memset(longest, '\x01', sizeof(longest) - 1); /* six bytes each in JSON */
    add_launches(w, 9000, RUN_STATE_QUEUED, longest);
    add_launches(w, 900, RUN_STATE_RUNNING, longest);
    add_launches(w, 100, RUN_STATE_PARKED, longest);
    struct buf out;
    struct err err;
    struct status_series series = {0};
    buf_init(&out, (size_t)1 << 20);
    status_json_write(w->service, &series, &out);
    assert_in_range(out.len, 50000, STATUS_MAX_BYTES);
    struct json *status;
    assert_int_equal(json_parse(out.data, out.len, &status, &err), 0);
    assert_int_equal(json_get_int(json_get(status, "runs"), "total", 0), 10000);
    assert_int_equal(json_get_int(json_get(status, "all"), "queued", 0), 9000);
    size_t rows = json_count(run_rows(status, "waiting")) + json_count(run_rows(status, "running")) +
                  json_count(run_rows(status, "parked"));
    assert_in_range(rows, 40, STATUS_ROWS_MAX);
    json_free(status);
    buf_done(&out);
    end(pages);
}

static void test_names_of_any_kind_stay_texts(void **state)
{
    struct world *w = *state;
    static const char *const names[] = {"</script><script>alert(1)</script>",
                                        "\"><img src=x onerror=alert(1)>",
                                        "a\u202eb",
                                        "\xf0\x9f\xa6\xa6 \xe2\x9c\x93",
                                        "a\\\"b\nc\td",
                                        "\xff\xfe",
                                        "${7*7}{{7*7}}"};
    static const char *const told[] = {"</script><script>alert(1)</script>",
                                       "\"><img src=x onerror=alert(1)>",
                                       "a\u202eb",
                                       "\xf0\x9f\xa6\xa6 \xe2\x9c\x93",
                                       "a\\\"b\nc\td",
                                       "\xef\xbf\xbd\xef\xbf\xbd",
                                       "${7*7}{{7*7}}"};
    struct admin_pages *pages = begin(w, "");
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add_launches(w, 1, (enum run_state)(RUN_STATE_RUNNING - (int)i), names[i]);
    struct buf out;
    struct err err;
    struct status_series series = {0};
    buf_init(&out, (size_t)1 << 20);
    status_json_write(w->service, &series, &out);
    struct json *status;
    assert_int_equal(json_parse(out.data, out.len, &status, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        const struct json *row =
            i == 0 ? item(run_rows(status, "running"), 0) : item(run_rows(status, "waiting"), i - 1);
        assert_string_equal(json_get_text(row, "name", ""), told[i]);
    }
    json_free(status);
    buf_done(&out);
    end(pages);
}

/* Asked for again within a moment, it is not made again. */
static void test_who_asks_without_end_gets_the_same(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    char *AUTO_FREE first = check_strdup(visit(w, pages, "/status.json")->body);
    world_pass(w, 200);
    assert_string_equal(visit(w, pages, "/status.json?x")->body, first);
    world_pass(w, 500);
    assert_string_not_equal(visit(w, pages, "/status.json")->body, first);
    end(pages);
}

static void test_metrics_are_served(void **state)
{
    struct world *w = *state;
    struct admin_pages *pages = begin(w, "");
    struct visit *v = visit(w, pages, "/metrics");
    expect_part(v, 200, "# TYPE sluice_");
    assert_non_null(strstr(v->head, "Content-Type: text/plain"));
    end(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_ready_when_all_is_there),
        FLOW_TEST(test_without_an_engine_it_is_not_ready_and_lives),
        FLOW_TEST(test_without_prefect_it_is_not_ready_and_lives),
        FLOW_TEST(test_a_stuck_poll_is_named),
        FLOW_TEST(test_a_state_file_that_is_gone_is_named),
        FLOW_TEST(test_draining_it_is_not_ready_and_lives),
        FLOW_TEST(test_paused_it_is_ready),
        FLOW_TEST(test_prefects_address_has_health_alone),
        FLOW_TEST(test_without_being_asked_nothing_listens),
        FLOW_TEST(test_an_address_for_all_is_warned_of),
        FLOW_TEST(test_the_page_says_what_may_run_in_it),
        FLOW_TEST(test_a_run_is_shown_from_queue_to_container),
        FLOW_TEST(test_timeouts_are_shown_with_their_clock),
        FLOW_TEST(test_of_ten_thousand_two_hundred_are_named),
        FLOW_TEST(test_names_of_any_kind_stay_texts),
        FLOW_TEST(test_who_asks_without_end_gets_the_same),
        FLOW_TEST(test_metrics_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
