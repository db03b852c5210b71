/* test_flow_traces.c - a launch as spans at a collector, whatever it goes through, and that nobody waits for
 * the collector. */
#include "tests/flow/world.h"
#include "traces.h"

#include <malloc.h>

#define PARENT_TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT_SPAN "b7ad6b7169203331"
#define HEADER_SECRET "header_nobody_may_see"
#define LABEL "__OTEL_TRACEPARENT"

static char endpoint[100];
static const char *environment[4];

/* Starts with a collector, and one further variable, which may be NULL. */
static void start_traced(struct world *w, const char *config, const char *further)
{
    if (w->collector == NULL)
        w->collector = fake_collector_new(w->base);
    snprintf(endpoint, sizeof(endpoint), "OTEL_EXPORTER_OTLP_ENDPOINT=%s", fake_collector_url(w->collector));
    environment[0] = endpoint;
    environment[1] = "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20" HEADER_SECRET;
    environment[2] = further;
    w->environment = environment;
    world_start(w, config);
}

static void live_to(struct world *w, const char *run, enum prefect_state_type end)
{
    UNTIL(w, MINUTES(30), world_state(w, run) == end && world_launches(w) == 0);
    world_pass(w, SECONDS(6)); /* the batch */
}

/* ---- looking at spans ---- */

/* The n-th span of this name, from 0 on; NULL: there are fewer. */
static const struct json *nth(struct world *w, const char *name, int n)
{
    for (size_t i = 0; i < fake_collector_count(w->collector); i++) {
        const struct json *span = fake_collector_span(w->collector, i);
        if (strcmp(json_get_text(span, "name", ""), name) == 0 && n-- == 0)
            return span;
    }
    return NULL;
}

static const struct json *span_of(struct world *w, const char *name)
{
    const struct json *span = nth(w, name, 0);
    if (span == NULL)
        fail_msg("no span %s", name);
    return span;
}

static int count_of(struct world *w, const char *name)
{
    int count = 0;
    while (nth(w, name, count) != NULL)
        count++;
    return count;
}

static int64_t ms_of(const struct json *span, const char *key)
{
    return strtoll(json_get_text(span, key, "0"), NULL, 10) / 1000000;
}

static int64_t length_ms(const struct json *span)
{
    return ms_of(span, "endTimeUnixNano") - ms_of(span, "startTimeUnixNano");
}

static bool is_error(const struct json *span)
{
    return json_get_int(json_get(span, "status"), "code", 0) == 2;
}

static void expect_attribute(const struct json *span, const char *key, const char *text)
{
    const char *found = fake_collector_attribute(span, key);
    if (found == NULL || strcmp(found, text) != 0)
        fail_msg("%s of span %s: %s, not %s", key, json_get_text(span, "name", ""),
                 found == NULL ? "none" : found, text);
}

static const struct json *with_id(struct world *w, const char *id)
{
    for (size_t i = 0; i < fake_collector_count(w->collector); i++)
        if (strcmp(json_get_text(fake_collector_span(w->collector, i), "spanId", ""), id) == 0)
            return fake_collector_span(w->collector, i);
    return NULL;
}

/* One trace, one root with this parent, everything else below it by one or two steps, no id twice, and no
 * span that reaches out of its root. */
static void expect_a_tree(struct world *w, const char *parent_of_root)
{
    const struct json *root = span_of(w, "launch");
    assert_int_equal(count_of(w, "launch"), 1);
    assert_string_equal(json_get_text(root, "parentSpanId", ""), parent_of_root);
    for (size_t i = 0; i < fake_collector_count(w->collector); i++) {
        const struct json *span = fake_collector_span(w->collector, i);
        const char *id = json_get_text(span, "spanId", "");
        assert_string_equal(json_get_text(span, "traceId", ""), json_get_text(root, "traceId", "?"));
        assert_ptr_equal(with_id(w, id), span);
        assert_true(ms_of(span, "startTimeUnixNano") >= ms_of(root, "startTimeUnixNano"));
        assert_true(ms_of(span, "endTimeUnixNano") <= ms_of(root, "endTimeUnixNano"));
        if (span == root)
            continue;
        const struct json *parent = with_id(w, json_get_text(span, "parentSpanId", ""));
        assert_non_null(parent);
        bool is_state = fake_collector_attribute(span, "sluice.state") != NULL;
        assert_true(is_state ? parent == root : fake_collector_attribute(parent, "sluice.state") != NULL);
    }
}

/* The spans of states in the order they came. */
static void expect_states(struct world *w, const char *names)
{
    char *got = check_strdup("");
    for (size_t i = 0; i < fake_collector_count(w->collector); i++) {
        const struct json *span = fake_collector_span(w->collector, i);
        if (fake_collector_attribute(span, "sluice.state") == NULL)
            continue;
        char *more = check_printf("%s%s%s", got, got[0] == '\0' ? "" : ", ", json_get_text(span, "name", ""));
        free(got);
        got = more;
    }
    assert_string_equal(got, names);
    free(got);
}

/* The TRACEPARENT that the container was made with; "" if none. */
static void trace_in_container(struct world *w, const char *run, char text[static TRACE_PARENT_SIZE])
{
    const char *body = "";
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++)
        if (strcmp(fake_engine_container_at(w->engine, i)->flow_run_id, run) == 0)
            body = fake_engine_container_at(w->engine, i)->create_body;
    assert_true(body[0] != '\0');
    const char *at = strstr(body, "\"TRACEPARENT=");
    text[0] = '\0';
    if (at != NULL)
        snprintf(text, TRACE_PARENT_SIZE, "%.*s", TRACE_PARENT_SIZE - 1, at + strlen("\"TRACEPARENT="));
}

/* What container and label name is the root. */
static void expect_handed_on(struct world *w, const char *run, const char *trace, const char *span,
                             const char *flags)
{
    char in_container[TRACE_PARENT_SIZE];
    char *AUTO_FREE expected = check_printf("00-%s-%s-%s", trace, span, flags);
    trace_in_container(w, run, in_container);
    assert_string_equal(in_container, expected);
    assert_string_equal(fake_prefect_label(w->prefect, run, LABEL), expected);
}

/* ---- lives ---- */

static void test_a_whole_life(void **state)
{
    struct world *w = *state;
    const char *run = world_add_named_run(w, "kelpie");
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    expect_states(w, "queue, claim, submit, resolve, pull, wait for start, create, network, announce, start, "
                     "run, report");
    const struct json *root = span_of(w, "launch");
    expect_handed_on(w, run, json_get_text(root, "traceId", ""), json_get_text(root, "spanId", ""), "01");
    assert_int_equal(json_get_int(root, "kind", 0), 5);
    assert_false(is_error(root));
    expect_attribute(root, "messaging.system", "prefect");
    expect_attribute(root, "messaging.destination.name", WORLD_POOL);
    expect_attribute(root, "prefect.run.id", run);
    expect_attribute(root, "prefect.run.name", "kelpie");
    expect_attribute(root, "prefect.deployment.name", "nightly");
    expect_attribute(root, "container.id", fake_engine_container_at(w->engine, 0)->id);
    expect_attribute(root, "container.image.name", "flows");
    expect_attribute(root, "container.image.tags", "1");
    expect_attribute(root, "process.exit.code", "0");
    expect_attribute(root, "sluice.verdict", "ended");
    expect_attribute(root, "sluice.launch.id", fake_engine_container_at(w->engine, 0)->launch_id);
    assert_true(length_ms(span_of(w, "run")) == 5000);
    /* A call is a span, too, with its timeout and where that came from. */
    const struct json *call = nth(w, "create", 0);
    assert_int_equal(json_get_int(call, "kind", 0), 3);
    expect_attribute(call, "sluice.attempt", "1");
    expect_attribute(call, "sluice.outcome", "ok");
    expect_attribute(call, "sluice.timeout_ms", "60000");
    expect_attribute(call, "sluice.timeout.origin", "default");
    expect_attribute(call, "peer.service", "engine");
    /* Once for all spans: whose they are. */
    const char *body = fake_collector_body(w->collector);
    assert_non_null(strstr(body, "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"sluice\"}}"));
    assert_non_null(
        strstr(body, "{\"key\":\"prefect.worker.name\",\"value\":{\"stringValue\":\"worker 1\"}}"));
    assert_string_equal(fake_collector_path(w->collector), "/v1/traces");
    assert_non_null(strstr(fake_collector_head(w->collector), "authorization: Bearer " HEADER_SECRET "\r\n"));
    assert_null(strstr(body, WORLD_ENV_SECRET));
    assert_null(strstr(body, WORLD_API_KEY));
    assert_null(strstr(buf_text(&w->log), HEADER_SECRET));
}

static void test_without_a_collector_nothing_is_different(void **state)
{
    struct world *w = *state;
    char text[TRACE_PARENT_SIZE];
    static const char *const off[] = {NULL, "OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"};
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        const char *run = world_add_run(w);
        if (i == 0)
            world_start(w, NULL);
        else
            start_traced(w, NULL, off[i]);
        UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
        trace_in_container(w, run, text);
        assert_string_equal(text, "");
        assert_null(fake_prefect_label(w->prefect, run, LABEL));
        world_stop(w);
    }
    assert_int_equal(fake_collector_requests(w->collector), 0);
}

static void test_a_job_that_brings_its_own(void **state)
{
    struct world *w = *state;
    char text[TRACE_PARENT_SIZE];
    w->flow_variables = "{\"env\":{\"TRACEPARENT\":\"00-" PARENT_TRACE "-" PARENT_SPAN "-00\"}}";
    const char *run = world_add_run(w);
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    trace_in_container(w, run, text);
    assert_string_equal(text, "00-" PARENT_TRACE "-" PARENT_SPAN "-00");
}

/* Each try of a create is a span, and so is each wait between two. */
static void test_retries(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    for (int i = 1; i <= 2; i++)
        fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                              .kind = FAKE_FAULT_STATUS,
                                                              .status = 500,
                                                              .message = "driver is busy"});
    start_traced(w, "[retry]\njitter = none\n", NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    assert_int_equal(count_of(w, "create"), 4); /* three calls, one state */
    for (int i = 0; i < 3; i++) {
        const struct json *call = nth(w, "create", i);
        char number[8];
        snprintf(number, sizeof(number), "%d", i + 1);
        expect_attribute(call, "sluice.attempt", number);
        assert_int_equal(is_error(call), i < 2);
        if (i == 2)
            break;
        expect_attribute(call, "error.type", "500");
        expect_attribute(call, "http.response.status_code", "500");
        expect_attribute(call, "sluice.error.class", "transient");
        assert_non_null(strstr(json_get_text(json_get(call, "status"), "message", ""), "driver is busy"));
    }
    expect_attribute(nth(w, "create", 3), "sluice.attempts", "3");
    assert_int_equal(count_of(w, "backoff"), 2);
    assert_int_equal(length_ms(nth(w, "backoff", 0)), 500);
    assert_int_equal(length_ms(nth(w, "backoff", 1)), 1000);
    expect_attribute(nth(w, "backoff", 1), "sluice.attempt", "2");
}

/* A launch that is given up says where, and why. */
static void test_a_launch_that_fails(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 400,
                                                          .message = "invalid mount config"});
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_CRASHED);
    expect_a_tree(w, "");
    const struct json *root = span_of(w, "launch");
    assert_true(is_error(root));
    expect_attribute(root, "error.type", "launch_failed");
    assert_non_null(strstr(json_get_text(json_get(root, "status"), "message", ""), "invalid mount config"));
    assert_true(is_error(nth(w, "create", 1)));
    expect_attribute(nth(w, "create", 1), "sluice.state", "CREATING");
    assert_false(is_error(span_of(w, "report")));
    assert_null(nth(w, "run", 0));
}

static void test_a_timeout_and_what_came_late(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_HOLD});
    start_traced(w, "[timeouts]\ncreate = 7s\n[retry]\njitter = none\n", NULL);
    UNTIL(w, SECONDS(60),
          world_logged(w, "msg=timeout") > 0 || world_logged(w, "timeout stage") > 0 ||
              world_number(w, "select count(*) from attempts where outcome = 'timeout'") > 0);
    fake_engine_release(w->engine, FAKE_ENGINE_CREATE);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    const struct json *call = nth(w, "create", 0);
    assert_true(is_error(call));
    expect_attribute(call, "sluice.outcome", "timeout");
    expect_attribute(call, "sluice.clock", "total");
    expect_attribute(call, "sluice.clock_ms", "7000");
    assert_non_null(strstr(fake_collector_attribute(call, "sluice.timeout.origin"), "sluice.conf:2"));
    assert_int_equal(length_ms(call), 7000);
    const struct json *late = nth(w, "create", 1);
    expect_attribute(late, "sluice.outcome", "late");
    expect_attribute(late, "sluice.timeout_ms", "7000");
    assert_true(length_ms(late) >= 7000);
    assert_int_equal(ms_of(late, "startTimeUnixNano"), ms_of(call, "startTimeUnixNano"));
}

static void test_a_cancel(void **state)
{
    struct world *w = *state;
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    const char *run = world_add_run(w);
    start_traced(w, "[timeouts]\ncancel_grace = 1s\n", NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_RUNNING);
    fake_prefect_user_cancels(w->prefect, run);
    live_to(w, run, PREFECT_STATE_CANCELLED);
    expect_a_tree(w, "");
    const struct json *root = span_of(w, "launch");
    assert_false(is_error(root));
    expect_attribute(root, "sluice.verdict", "cancelled");
    assert_int_equal(count_of(w, "stop"), 2); /* the call and the state */
}

/* A launch that never claimed its run has done nothing that anyone would look for. */
static void test_a_run_that_another_worker_takes(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = SECONDS(60);
    const char *run = world_add_run(w);
    start_traced(w, "[limits]\nrunning = 1\n", NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_RUNNING);
    const char *other = world_add_run(w);
    UNTIL(w, SECONDS(60), world_is_in(w, other, RUN_STATE_QUEUED));
    assert_true(fake_prefect_other_worker_claims(w->prefect, other));
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    assert_int_equal(count_of(w, "queue"), 1);
}

/* ---- traces of others ---- */

static void test_a_run_that_is_part_of_a_trace(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_set_label(w->prefect, run, LABEL, "00-" PARENT_TRACE "-" PARENT_SPAN "-01");
    start_traced(w, NULL, NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_RUNNING);
    world_pass(w, SECONDS(2));
    world_crash(w); /* what others say of the run by then is another trace */
    fake_prefect_set_label(w->prefect, run, LABEL, "00-0000000000000000000000000000000a-000000000000000b-01");
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    const struct json *root = span_of(w, "launch");
    assert_string_equal(json_get_text(root, "traceId", ""), PARENT_TRACE);
    assert_string_equal(json_get_text(root, "parentSpanId", ""), PARENT_SPAN);
    assert_int_equal(json_get_int(root, "flags", 0), 0x301);
    char in_container[TRACE_PARENT_SIZE];
    char *AUTO_FREE expected = check_printf("00-" PARENT_TRACE "-%s-01", json_get_text(root, "spanId", ""));
    trace_in_container(w, run, in_container);
    assert_string_equal(in_container, expected);
}

static void test_a_label_that_is_none(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    fake_prefect_set_label(w->prefect, run, LABEL, "00-" PARENT_TRACE "-" PARENT_SPAN "-01 or so");
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    assert_string_not_equal(json_get_text(span_of(w, "launch"), "traceId", ""), PARENT_TRACE);
}

static void test_samplers(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *sampler, *label;
        bool is_recorded;
    } cases[] = {
        {"OTEL_TRACES_SAMPLER=always_off", NULL, false},
        {"OTEL_TRACES_SAMPLER=always_on", "00-" PARENT_TRACE "-" PARENT_SPAN "-00", true},
        {"OTEL_TRACES_SAMPLER=parentbased_always_on", "00-" PARENT_TRACE "-" PARENT_SPAN "-00", false},
        {"OTEL_TRACES_SAMPLER=parentbased_always_off", "00-" PARENT_TRACE "-" PARENT_SPAN "-01", true},
        {"OTEL_TRACES_SAMPLER=xray", NULL, true}, /* with a warning */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[TRACE_PARENT_SIZE];
        const char *run = world_add_run(w);
        if (cases[i].label != NULL)
            fake_prefect_set_label(w->prefect, run, LABEL, cases[i].label);
        start_traced(w, NULL, cases[i].sampler);
        size_t before = fake_collector_count(w->collector);
        live_to(w, run, PREFECT_STATE_COMPLETED);
        assert_int_equal(fake_collector_count(w->collector) > before, cases[i].is_recorded);
        /* Who is below is told as well. */
        trace_in_container(w, run, text);
        assert_string_equal(text + strlen(text) - 2, cases[i].is_recorded ? "01" : "00");
        world_stop(w);
    }
    assert_int_equal(world_logged(w, "there is no sampler xray: parentbased_always_on is used"), 1);
}

/* ---- restarts ---- */

/* Killed in each state that has a request out: one trace, one root, no id twice. What was in memory for the
 * collector is gone. */
static void test_killed_in_mid_life(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_CLAIMING, RUN_STATE_PULLING, RUN_STATE_CREATING,
                                            RUN_STATE_STARTING, RUN_STATE_RUNNING, RUN_STATE_REPORTING};
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const char *run = world_add_run(w);
        char id[TRACE_PARENT_SIZE];
        start_traced(w, NULL, NULL);
        UNTIL(w, SECONDS(60), world_is_in(w, run, states[i]));
        world_crash(w);
        world_pass(w, SECONDS(3));
        start_traced(w, NULL, NULL);
        live_to(w, run, PREFECT_STATE_COMPLETED);
        trace_in_container(w, run, id);
        const struct json *root = nth(w, "launch", (int)i);
        assert_memory_equal(json_get_text(root, "traceId", ""), id + 3, 32);
        assert_memory_equal(json_get_text(root, "spanId", ""), id + 36, 16);
        assert_int_equal(count_of(w, "launch"), i + 1);
        world_stop(w);
    }
    for (size_t i = 0; i < fake_collector_count(w->collector); i++) {
        const struct json *span = fake_collector_span(w->collector, i);
        assert_ptr_equal(with_id(w, json_get_text(span, "spanId", "")), span);
    }
}

/* A stop in the middle of a run sends what there is; the next start goes on. */
static void test_stopped_in_mid_life(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = SECONDS(60);
    const char *run = world_add_run(w);
    start_traced(w, NULL, NULL);
    UNTIL(w, SECONDS(60), world_state(w, run) == PREFECT_STATE_RUNNING);
    world_stop(w);
    size_t before = fake_collector_count(w->collector);
    assert_true(before > 10);
    start_traced(w, NULL, NULL);
    live_to(w, run, PREFECT_STATE_COMPLETED);
    expect_a_tree(w, "");
    assert_true(length_ms(span_of(w, "run")) >= SECONDS(59));
}

/* ---- collectors in trouble ---- */

static int64_t live_once(struct world *w)
{
    int64_t begun_ms = w->clock.mono_ms;
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(5), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    return w->clock.mono_ms - begun_ms;
}

static void test_nobody_waits_for_the_collector(void **state)
{
    struct world *w = *state;
    static const struct {
        int status;
        const char *headers, *body;
    } answers[] = {{0, "", ""}, {400, "", "bad"}, {429, "Retry-After: 3600\r\n", ""}, {503, "", ""}};
    w->flow.run_ms = SECONDS(20); /* longer than a batch waits, and less than two requests hang */
    world_start(w, NULL);
    int64_t usual_ms = live_once(w);
    world_stop(w);
    for (size_t i = 0; i < ARRAY_LEN(answers) + 1; i++) {
        start_traced(w, NULL, NULL);
        if (i < ARRAY_LEN(answers))
            fake_collector_answer(w->collector, answers[i].status, answers[i].headers, answers[i].body);
        else
            wire_shut(fake_collector_wire(w->collector), false);
        /* As quick as without, but for the place of the poll. */
        assert_true(live_once(w) <= usual_ms + w->config->poll_interval_ms);
        int64_t begun_ms = w->clock.mono_ms;
        world_stop(w);
        assert_true(w->clock.mono_ms - begun_ms <= 1000);
    }
    assert_true(world_logged(w, "the collector did not take all spans") >= 5);
    assert_null(strstr(buf_text(&w->log), HEADER_SECRET));
}

/* What is lost is in the state file beside what others lost. */
static void test_losses_are_counted(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    start_traced(w, NULL, NULL);
    fake_collector_answer(w->collector, 200, "",
                          "{\"partialSuccess\":{\"rejectedSpans\":\"4\",\"errorMessage\":\"quota\"}}");
    live_to(w, run, PREFECT_STATE_COMPLETED);
    world_pass(w, SECONDS(60));
    assert_true(world_logged(w, "error=\"the collector rejected some of a batch: quota\"") >= 1);
    run = world_add_run(w); /* the next commit takes them along */
    live_to(w, run, PREFECT_STATE_COMPLETED);
    assert_true(world_number(w, "select dropped from losses where what = 'spans'") >= 4);
}

static size_t in_use(void)
{
    return mallinfo2().uordblks;
}

/* 10,000 launches, each through its states, while the collector is away: what they leave behind is bounded.
 */
static void test_ten_thousand_runs_without_a_collector(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_CLAIMING,   RUN_STATE_SUBMITTING, RUN_STATE_RESOLVING,
                                            RUN_STATE_PULLING,    RUN_STATE_READY,      RUN_STATE_CREATING,
                                            RUN_STATE_CONNECTING, RUN_STATE_ANNOUNCING, RUN_STATE_STARTING,
                                            RUN_STATE_RUNNING,    RUN_STATE_REPORTING,  RUN_STATE_FINISHED};
    start_traced(w, NULL, "OTEL_BSP_MAX_QUEUE_SIZE=1000000");
    wire_shut(fake_collector_wire(w->collector), false);
    struct traces *traces;
    struct err err;
    assert_int_equal(traces_new(&(struct traces_settings){.base = w->base,
                                                          .timers = w->timers,
                                                          .random = &w->random,
                                                          .config = w->config,
                                                          .instance = "i"},
                                &traces, &err),
                     0);
    size_t before = in_use(), most = 0;
    for (int i = 0; i < 10000; i++) {
        struct live live = {.launch = launch_new("5f3a61c2-7b1d-4e50-9c3f-0123456789ab", 1)};
        struct launch *l = live.launch;
        launch_make_ids(l, random_splitmix64(&w->random_state), random_splitmix64(&w->random_state),
                        "0123456789ab");
        launch_set_text(&l->run_name, "a name of some length");
        for (size_t s = 0; s < ARRAY_LEN(states); s++) {
            struct run was = l->run;
            l->run.state = states[s];
            traces_stepped(traces, &live, &was);
            l->updated_at_ms += 7;
        }
        launch_free(l);
        if (i % 100 == 0)
            world_pass(w, 1000);
        most = in_use() > before + most ? in_use() - before : most;
    }
    struct otlp_counts counts = traces_counts(traces);
    assert_int_equal(counts.dropped + counts.queued, 10000 * 13);
    assert_true(most <= 1024 * 1024);
    traces_free(traces);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_whole_life),
        FLOW_TEST(test_without_a_collector_nothing_is_different),
        FLOW_TEST(test_a_job_that_brings_its_own),
        FLOW_TEST(test_retries),
        FLOW_TEST(test_a_launch_that_fails),
        FLOW_TEST(test_a_timeout_and_what_came_late),
        FLOW_TEST(test_a_cancel),
        FLOW_TEST(test_a_run_that_another_worker_takes),
        FLOW_TEST(test_a_run_that_is_part_of_a_trace),
        FLOW_TEST(test_a_label_that_is_none),
        FLOW_TEST(test_samplers),
        FLOW_TEST(test_killed_in_mid_life),
        FLOW_TEST(test_stopped_in_mid_life),
        FLOW_TEST(test_nobody_waits_for_the_collector),
        FLOW_TEST(test_losses_are_counted),
        FLOW_TEST(test_ten_thousand_runs_without_a_collector),
    };
    return cmocka_run_group_tests_name("flow_traces", tests, NULL, NULL);
}
