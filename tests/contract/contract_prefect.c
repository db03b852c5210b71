/*
 * contract_prefect.c - asks one Prefect server everything that a worker asks, and prints its answers, made
 * equal.
 *
 *     contract_prefect URL      a real server, e.g. http://127.0.0.1:4200/api
 *     contract_prefect --fake   the fake of tests/fakes, in this process, with the server's setting
 *                               PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS from the environment
 *
 * The two outputs must be the same, byte by byte: then the fake's rules are the server's, and our client
 * reads both. Ids become names, times their distance from now. It makes a pool, deployments and flow runs of
 * its own and deletes them. Exit codes: 0 everything was asked, 1 something could not be asked (stderr says
 * what), 2 wrong use.
 */
#include "fake_prefect.h"
#include "prefect_text.h"

#include "api/json.h"
#include "tests/support/turn.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Answers of 503 in a whole run of the program. */
enum { BUSY_MAX = 1000 };

struct contract {
    struct event_base *base;
    struct timers *timers;
    struct http *http;
    struct fake_prefect *fake; /* NULL: a real server */
    struct prefect *prefect;
    struct prefect_text text;
    char pool[64];
    char flow_id[UUID_TEXT_SIZE];
    char deployment_id[UUID_TEXT_SIZE];
    /* the call that is out */
    enum prefect_text_kind kind;
    bool is_done;
    char *line;
    struct err err;
    int raw_status; /* 0: raw_failure says why */
    char raw_failure[64];
    struct json *raw_body;
    int busy_count;
};

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "contract_prefect: %s: %s\n", what, why);
    exit(1);
}

static bool is_done(const void *arg)
{
    return ((const struct contract *)arg)->is_done;
}

static void wait_done(struct contract *c, const char *what)
{
    if (!turn_until(c->base, is_done, c))
        give_up(what, "no answer");
}

/* --- calls through the client --- */

static void on_reply(void *arg, const struct prefect_reply *reply)
{
    struct contract *c = arg;
    c->text.now_ms = clock_wall_ms(&clock_system);
    free(c->line);
    c->line = prefect_text_of(&c->text, c->kind, reply);
    c->is_done = true;
}

static const struct prefect_ask *ask(struct contract *c)
{
    static struct prefect_ask made;
    made = (struct prefect_ask){.stage = STAGE_API, .done = on_reply, .arg = c};
    c->is_done = false;
    prefect_forget_lacking(c->prefect); /* what was refused once is asked for again */
    return &made;
}

/*
 * Busy, as a server on SQLite is now and then: 503, and then it closes the connection without having said so,
 * which meets the next call on it.
 */
static bool is_busy(struct contract *c, const char *what)
{
    if (strncmp(c->line, "failure 503", 11) != 0 && strncmp(c->line, "failure 0 reused", 16) != 0)
        return false;
    if (++c->busy_count > BUSY_MAX)
        give_up(what, c->line);
    return true;
}

/* Wait for the call just made and print its answer. False: the server was busy (503, as it is on SQLite now
 * and then), and the call must be made again. */
static bool was_told(struct contract *c, const char *what, bool with_words, int call_result)
{
    if (call_result != 0)
        give_up(what, c->err.msg);
    wait_done(c, what);
    if (is_busy(c, what))
        return false;
    char *colon = strstr(c->line, ": ");
    if (!with_words && strncmp(c->line, "failure", 7) == 0 && colon != NULL)
        *colon = '\0';
    printf("%s: %s\n", what, c->line);
    return true;
}

/* Make a call until the server has time for it, and print its answer. */
#define TELL(c, what, call)                                                                                  \
    while (!was_told((c), (what), true, (call))) {                                                           \
    }
/* As TELL, without the words of an error: they name fields of the server's own models. */
#define TELL_STATUS(c, what, call)                                                                           \
    while (!was_told((c), (what), false, (call))) {                                                          \
    }

static void propose(struct contract *c, const char *what, const char *run_id,
                    const struct prefect_proposal *proposal)
{
    c->kind = PREFECT_TEXT_SET_STATE;
    TELL(c, what, prefect_set_state(c->prefect, ask(c), run_id, proposal, &c->err));
    c->kind = PREFECT_TEXT_PLAIN;
}

/* --- set-up by plain requests --- */

static void on_raw(void *arg, const struct http_reply *reply)
{
    struct contract *c = arg;
    struct err err;
    json_free(c->raw_body);
    c->raw_body = NULL;
    c->raw_status = reply->failure != NULL ? 0 : reply->status;
    snprintf(c->raw_failure, sizeof(c->raw_failure), "%s",
             reply->failure != NULL ? transport_name(reply->failure->transport) : "");
    if (reply->body_len > 0 && json_parse(reply->body, reply->body_len, &c->raw_body, &err) != 0)
        c->raw_body = NULL;
    c->is_done = true;
}

/* The server must agree; its answer is in raw_body. */
static void raw(struct contract *c, const char *method, const char *path, const char *body)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    char *url = check_printf("%s%s", prefect_api_url(c->prefect), path);
    struct http_request request = {.method = method,
                                   .url = url,
                                   .headers = headers,
                                   .body = body,
                                   .body_len = body != NULL ? strlen(body) : 0,
                                   .done = on_raw,
                                   .arg = c};
    do {
        struct http_call *call;
        c->is_done = false;
        if (http_start(c->http, &request, &call, &c->err) != 0)
            give_up(path, c->err.msg);
        wait_done(c, path);
    } while ((c->raw_status == 503 || c->raw_status == 0) && ++c->busy_count <= BUSY_MAX);
    free(url);
    if (c->raw_status / 100 != 2) {
        char what[128];
        snprintf(what, sizeof(what), "%s: %d %s", method, c->raw_status, c->raw_failure);
        give_up(path, what);
    }
}

static void raw_id(struct contract *c, const char *path, const char *body, char id[static UUID_TEXT_SIZE])
{
    raw(c, "POST", path, body);
    snprintf(id, UUID_TEXT_SIZE, "%s", json_get_text(c->raw_body, "id", ""));
}

static void raw_pool(struct contract *c, const char *method, const char *after, const char *body)
{
    char *path = check_printf("/work_pools/%s%s", c->pool, after);
    raw(c, method, path, body);
    free(path);
}

static void make_deployment(struct contract *c, const char *name, const char *more,
                            char id[static UUID_TEXT_SIZE])
{
    char *body = check_printf("{\"name\":\"%s\",\"flow_id\":\"%s\",\"work_pool_name\":\"%s\"%s}", name,
                              c->flow_id, c->pool, more);
    raw_id(c, "/deployments/", body, id);
    free(body);
}

/* A run of a deployment, due delay_s from now. */
static void make_run(struct contract *c, const char *deployment_id, int64_t delay_s,
                     char id[static UUID_TEXT_SIZE])
{
    char at[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(&clock_system) + delay_s * 1000, at);
    char *path = check_printf("/deployments/%s/create_flow_run", deployment_id);
    char *body = check_printf(
        "{\"name\":\"run\",\"state\":{\"type\":\"SCHEDULED\",\"state_details\":{\"scheduled_time\":\"%s\"}}}",
        at);
    raw_id(c, path, body, id);
    free(path);
    free(body);
}

static void delete_run(struct contract *c, const char *id)
{
    char *path = check_printf("/flow_runs/%s", id);
    raw(c, "DELETE", path, NULL);
    free(path);
}

/* --- the transition table --- */

struct step {
    enum prefect_state_type type;
    const char *name;
    const char *data;
};

struct row {
    const char *name;
    int64_t delay_s;
    struct step steps[3]; /* from SCHEDULED to the row's state; type UNKNOWN ends */
    bool is_deleted;
    bool has_pid;
};

static const struct row rows[] = {
    {.name = "SCHEDULED"},
    {.name = "SCHEDULED with pid", .has_pid = true},
    {.name = "SCHEDULED in future", .delay_s = 600},
    {.name = "PENDING Pending", .steps = {{PREFECT_STATE_PENDING, "Pending", NULL}}},
    {.name = "PENDING Pending in future",
     .delay_s = 600,
     .steps = {{PREFECT_STATE_PENDING, "Pending", NULL}}},
    {.name = "PENDING Submitting",
     .steps = {{PREFECT_STATE_PENDING, "Pending", NULL}, {PREFECT_STATE_PENDING, "Submitting", NULL}}},
    {.name = "RUNNING", .steps = {{PREFECT_STATE_RUNNING, NULL, NULL}}},
    {.name = "CANCELLING",
     .steps = {{PREFECT_STATE_RUNNING, NULL, NULL}, {PREFECT_STATE_CANCELLING, NULL, NULL}}},
    {.name = "COMPLETED",
     .steps = {{PREFECT_STATE_RUNNING, NULL, NULL}, {PREFECT_STATE_COMPLETED, NULL, NULL}}},
    {.name = "COMPLETED persisted",
     .steps = {{PREFECT_STATE_RUNNING, NULL, NULL},
               {PREFECT_STATE_COMPLETED, NULL, "{\"type\":\"result\",\"storage_key\":\"k\"}"}}},
    {.name = "COMPLETED unpersisted",
     .steps = {{PREFECT_STATE_RUNNING, NULL, NULL},
               {PREFECT_STATE_COMPLETED, NULL, "{\"type\":\"unpersisted\"}"}}},
    {.name = "FAILED", .steps = {{PREFECT_STATE_RUNNING, NULL, NULL}, {PREFECT_STATE_FAILED, NULL, NULL}}},
    {.name = "CRASHED", .steps = {{PREFECT_STATE_CRASHED, NULL, NULL}}},
    {.name = "CANCELLED", .steps = {{PREFECT_STATE_CANCELLED, NULL, NULL}}},
    {.name = "deleted", .is_deleted = true},
};

static const struct step columns[] = {
    {PREFECT_STATE_PENDING, "Pending", NULL},
    {PREFECT_STATE_PENDING, "Submitting", NULL},
    {PREFECT_STATE_PENDING, "InfrastructurePending", NULL},
    {PREFECT_STATE_RUNNING, NULL, NULL},
    {PREFECT_STATE_CRASHED, NULL, NULL},
    {PREFECT_STATE_CANCELLED, NULL, NULL},
    {PREFECT_STATE_SCHEDULED, "AwaitingRetry", NULL},
    {PREFECT_STATE_COMPLETED, NULL, NULL},
    {PREFECT_STATE_FAILED, NULL, NULL},
    {PREFECT_STATE_CANCELLING, NULL, NULL},
};

/* Columns that are also tried forced. */
static bool is_forced_too(const struct step *column)
{
    return column->type == PREFECT_STATE_CANCELLED || column->type == PREFECT_STATE_CANCELLING ||
           column->type == PREFECT_STATE_COMPLETED ||
           (column->type == PREFECT_STATE_PENDING && strcmp(column->name, "Pending") == 0);
}

/* As was_told, for a call that must succeed and is not printed. */
static bool was_done(struct contract *c, const char *what, int call_result)
{
    if (call_result != 0)
        give_up(what, c->err.msg);
    wait_done(c, what);
    if (is_busy(c, what))
        return false;
    if (strncmp(c->line, "failure", 7) == 0)
        give_up(what, c->line);
    return true;
}

#define DO_SILENTLY(c, what, call)                                                                           \
    while (!was_done((c), (what), (call))) {                                                                 \
    }

static void reach_row(struct contract *c, const struct row *row, char run_id[static UUID_TEXT_SIZE])
{
    make_run(c, c->deployment_id, row->delay_s, run_id);
    if (row->has_pid)
        DO_SILENTLY(c, row->name, prefect_patch_pid(c->prefect, ask(c), run_id, "pid", &c->err));
    for (size_t i = 0; i < ARRAY_LEN(row->steps) && row->steps[i].type != PREFECT_STATE_UNKNOWN; i++) {
        const struct step *step = &row->steps[i];
        struct prefect_proposal proposal = {.type = step->type, .name = step->name, .data_json = step->data};
        c->kind = PREFECT_TEXT_SET_STATE;
        DO_SILENTLY(c, row->name, prefect_set_state(c->prefect, ask(c), run_id, &proposal, &c->err));
        c->kind = PREFECT_TEXT_PLAIN;
    }
    if (row->is_deleted)
        delete_run(c, run_id);
}

static void try_cell(struct contract *c, const struct row *row, const struct step *column, bool is_forced)
{
    char run_id[UUID_TEXT_SIZE];
    char transition_id[UUID_TEXT_SIZE];
    size_t names = c->text.name_count;
    reach_row(c, row, run_id);
    random_uuid(&random_system, transition_id);
    prefect_text_name(&c->text, run_id, "RUN");
    prefect_text_name(&c->text, transition_id, "TRANSITION");
    struct prefect_proposal proposal = {.type = column->type,
                                        .name = column->name,
                                        .message = "why",
                                        .transition_id = transition_id,
                                        .force = is_forced};
    char *what = check_printf("%s -> %s %s%s", row->name, prefect_state_type_name(column->type),
                              column->name != NULL ? column->name : "-", is_forced ? " forced" : "");
    propose(c, what, run_id, &proposal);
    free(what);
    TELL(c, "    history", prefect_get_history(c->prefect, ask(c), run_id, &c->err));
    if (!row->is_deleted)
        delete_run(c, run_id);
    c->text.name_count = names;
}

static void try_table(struct contract *c)
{
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        for (size_t k = 0; k < ARRAY_LEN(columns); k++) {
            try_cell(c, &rows[r], &columns[k], false);
            if (is_forced_too(&columns[k]))
                try_cell(c, &rows[r], &columns[k], true);
        }
        fflush(stdout);
    }
}

/* --- a claim's life --- */

static void try_claims(struct contract *c)
{
    static const char claim_id[] = "aaaaaaaa-0000-4000-8000-000000000001";
    static const char submit_id[] = "aaaaaaaa-0000-4000-8000-000000000002";
    static const char back_id[] = "aaaaaaaa-0000-4000-8000-000000000003";
    char run[UUID_TEXT_SIZE];
    make_run(c, c->deployment_id, 0, run);
    prefect_text_name(&c->text, run, "RUN");
    prefect_text_name(&c->text, claim_id, "CLAIM");
    prefect_text_name(&c->text, submit_id, "SUBMIT");
    prefect_text_name(&c->text, back_id, "BACK");
    struct prefect_proposal claim = {
        .type = PREFECT_STATE_PENDING, .name = "Pending", .transition_id = claim_id};
    struct prefect_proposal submit = {
        .type = PREFECT_STATE_PENDING, .name = "Submitting", .transition_id = claim_id};
    propose(c, "claim", run, &claim);
    propose(c, "claim again", run, &claim);
    propose(c, "submitting with the claim's id", run, &submit);
    submit.transition_id = submit_id;
    propose(c, "submitting", run, &submit);
    propose(c, "claim after submitting", run, &claim);
    struct prefect_proposal back = {.type = PREFECT_STATE_SCHEDULED,
                                    .name = "Scheduled",
                                    .transition_id = back_id,
                                    .scheduled_at_ms = clock_wall_ms(&clock_system) + 60000};
    propose(c, "hand back", run, &back);
    propose(c, "hand back again", run, &back);
    propose(c, "claim after hand back", run, &claim);
    TELL(c, "run", prefect_get_run(c->prefect, ask(c), run, &c->err));
    TELL(c, "pid", prefect_patch_pid(c->prefect, ask(c), run, "http+docker://localhost:abc", &c->err));
    const char *const labels[] = {"a", "b", NULL};
    TELL(c, "labels", prefect_patch_labels(c->prefect, ask(c), run, labels, &c->err));
    const char *const ids[] = {run};
    TELL(c, "filter", prefect_filter_runs(c->prefect, ask(c), ids, 1, &c->err));
    TELL(c, "pid cleared", prefect_patch_pid(c->prefect, ask(c), run, NULL, &c->err));
    TELL(c, "run", prefect_get_run(c->prefect, ask(c), run, &c->err));
    delete_run(c, run);
    TELL(c, "run deleted", prefect_get_run(c->prefect, ask(c), run, &c->err));
    TELL(c, "filter deleted", prefect_filter_runs(c->prefect, ask(c), ids, 1, &c->err));
    TELL(c, "pid deleted", prefect_patch_pid(c->prefect, ask(c), run, "x", &c->err));
    TELL(c, "labels deleted", prefect_patch_labels(c->prefect, ask(c), run, labels, &c->err));
    TELL(c, "history deleted", prefect_get_history(c->prefect, ask(c), run, &c->err));
}

/* --- limits of a deployment --- */

static void try_limit(struct contract *c, const char *name, const char *options)
{
    char deployment[UUID_TEXT_SIZE];
    char first[UUID_TEXT_SIZE];
    char second[UUID_TEXT_SIZE];
    make_deployment(c, name, options, deployment);
    make_run(c, deployment, 0, first);
    make_run(c, deployment, 0, second);
    struct prefect_proposal claim = {.type = PREFECT_STATE_PENDING, .name = "Pending"};
    struct prefect_proposal submit = {.type = PREFECT_STATE_PENDING, .name = "Submitting"};
    struct prefect_proposal crash = {.type = PREFECT_STATE_CRASHED};
    printf("limit: %s\n", name);
    propose(c, "first", first, &claim);
    propose(c, "second", second, &claim);
    propose(c, "first submitting", first, &submit);
    propose(c, "first crashed", first, &crash);
    propose(c, "second again", second, &claim);
    delete_run(c, first);
    delete_run(c, second);
    char *path = check_printf("/deployments/%s", deployment);
    raw(c, "DELETE", path, NULL);
    free(path);
}

/* --- leases on those slots --- */

static void tell_slots(struct contract *c, const char *what, const char *deployment)
{
    char *path = check_printf("/deployments/%s", deployment);
    raw(c, "GET", path, NULL);
    free(path);
    const struct json *limit = json_get(c->raw_body, "global_concurrency_limit");
    printf("%s: slots %lld of %lld\n", what, (long long)json_get_int(limit, "active_slots", -1),
           (long long)json_get_int(limit, "limit", -1));
}

static void get_lease(struct contract *c, const char *run, char lease[static UUID_TEXT_SIZE])
{
    char *path = check_printf("/flow_runs/%s", run);
    raw(c, "GET", path, NULL);
    free(path);
    const struct json *details = json_get(json_get(c->raw_body, "state"), "state_details");
    snprintf(lease, UUID_TEXT_SIZE, "%s", json_get_text(details, "deployment_concurrency_lease_id", ""));
}

static void renew(struct contract *c, const char *what, const char *lease, int64_t duration_s)
{
    TELL_STATUS(c, what, prefect_renew_lease(c->prefect, ask(c), lease, duration_s, &c->err));
}

/* A run takes this way, and each step tells the slots and whether the lease can be renewed. */
static void try_way(struct contract *c, const char *deployment, const struct prefect_proposal *way,
                    size_t count)
{
    char run[UUID_TEXT_SIZE];
    char lease[UUID_TEXT_SIZE] = "";
    make_run(c, deployment, 0, run);
    for (size_t i = 0; i < count; i++) {
        propose(c, "leased run", run, &way[i]);
        if (i == 0)
            get_lease(c, run, lease);
        tell_slots(c, "then", deployment);
        renew(c, "renewed", lease, 300);
    }
    delete_run(c, run);
    tell_slots(c, "run deleted", deployment);
    renew(c, "renewed", lease, 300);
}

static void try_leases(struct contract *c)
{
    static const struct prefect_proposal claim = {.type = PREFECT_STATE_PENDING, .name = "Pending"};
    static const struct prefect_proposal submit = {.type = PREFECT_STATE_PENDING, .name = "Submitting"};
    static const struct prefect_proposal back = {.type = PREFECT_STATE_SCHEDULED};
    static const struct prefect_proposal crash = {.type = PREFECT_STATE_CRASHED};
    static const struct prefect_proposal begin = {.type = PREFECT_STATE_RUNNING};
    static const struct prefect_proposal cancel = {.type = PREFECT_STATE_CANCELLING};
    static const struct prefect_proposal cancelled = {.type = PREFECT_STATE_CANCELLED};
    char deployment[UUID_TEXT_SIZE];
    char run[UUID_TEXT_SIZE];
    char lease[UUID_TEXT_SIZE];
    make_deployment(c, "leased",
                    ",\"concurrency_limit\":1,\"concurrency_options\":{\"collision_strategy\":\"ENQUEUE\","
                    "\"grace_period_seconds\":60}",
                    deployment);
    try_way(c, deployment, (const struct prefect_proposal[]){claim, submit, back, claim, crash}, 5);
    try_way(c, deployment, (const struct prefect_proposal[]){claim, begin, cancel, cancelled}, 4);
    try_way(c, deployment, (const struct prefect_proposal[]){claim}, 1); /* deleted while PENDING */
    make_run(c, deployment, 0, run);
    propose(c, "leased run", run, &claim);
    get_lease(c, run, lease);
    renew(c, "renewed for 60 s", lease, 60);
    renew(c, "renewed for 59 s", lease, 59);
    renew(c, "renewed for a day", lease, 86400);
    renew(c, "renewed for longer", lease, 86401);
    renew(c, "unknown lease", "00000000-0000-4000-8000-000000000000", 300);
    renew(c, "no uuid", "no-uuid", 300);
    delete_run(c, run);
    char *path = check_printf("/deployments/%s", deployment);
    raw(c, "DELETE", path, NULL);
    free(path);
}

static void try_limits(struct contract *c)
{
    try_limit(c, "enqueue",
              ",\"concurrency_limit\":1,\"concurrency_options\":{\"collision_strategy\":\"ENQUEUE\"}");
    try_limit(c, "cancel-new",
              ",\"concurrency_limit\":1,\"concurrency_options\":{\"collision_strategy\":\"CANCEL_NEW\"}");
    try_limit(c, "two", ",\"concurrency_limit\":2");
    try_leases(c);
}

/* --- polls --- */

static void poll_as(struct contract *c, const char *what, const char *queue, int64_t limit)
{
    int64_t before_ms = clock_wall_ms(&clock_system) + 1000;
    TELL(c, what,
         prefect_poll(c->prefect, ask(c), c->pool, &queue, queue != NULL, before_ms, limit, &c->err));
}

/* A page of the runs that are due from after_s on; NULL queue: of all. */
static void list_due(struct contract *c, const char *what, const char *queue, int64_t after_s, bool is_by_id,
                     int64_t offset)
{
    int64_t now_ms = clock_wall_ms(&clock_system);
    const struct prefect_due_page page = {.pool = c->pool,
                                          .queue_names = &queue,
                                          .queue_count = queue != NULL,
                                          .has_after = after_s != 0,
                                          .after_ms = now_ms + after_s * 1000,
                                          .before_ms = now_ms + 1000,
                                          .is_by_id = is_by_id,
                                          .offset = offset};
    TELL(c, what, prefect_list_due(c->prefect, ask(c), &page, &c->err));
}

static void try_due_pages(struct contract *c)
{
    list_due(c, "due", NULL, 0, false, 0);
    list_due(c, "due of second", "second", 0, false, 0);
    list_due(c, "due from then on", NULL, -70, false, 0);
    list_due(c, "due from then on, by id", NULL, -50, true, 0);
    list_due(c, "due, another page", NULL, 0, false, 3);
    list_due(c, "due, a page too far", NULL, 0, false, 4);
    list_due(c, "due of a missing queue", "missing", 0, false, 0);
}

static void try_polls(struct contract *c)
{
    static const int64_t delays_s[] = {-40, -80, 600};
    char high_deployment[UUID_TEXT_SIZE];
    char run[UUID_TEXT_SIZE];
    /* As every pool has "default" with priority 1, the others come after it. */
    raw_pool(c, "POST", "/queues", "{\"name\":\"second\",\"priority\":2}");
    make_deployment(c, "second", ",\"work_queue_name\":\"second\"", high_deployment);
    for (size_t i = 0; i < ARRAY_LEN(delays_s); i++) {
        char name[16];
        make_run(c, high_deployment, delays_s[i] - 20, run);
        snprintf(name, sizeof(name), "SECOND%zu", i);
        prefect_text_name(&c->text, run, name);
        make_run(c, c->deployment_id, delays_s[i], run);
        snprintf(name, sizeof(name), "FIRST%zu", i);
        prefect_text_name(&c->text, run, name);
    }
    TELL(c, "queues", prefect_list_queues(c->prefect, ask(c), c->pool, &c->err));
    poll_as(c, "poll", NULL, -1);
    poll_as(c, "poll of two", NULL, 2);
    poll_as(c, "poll of none", NULL, 0);
    poll_as(c, "poll of second", "second", 200);
    poll_as(c, "poll of a missing queue", "missing", 200);
    try_due_pages(c);
    raw_pool(c, "PATCH", "/queues/default", "{\"is_paused\":true}");
    poll_as(c, "poll with a paused queue", NULL, -1);
    list_due(c, "due with a paused queue", NULL, -70, false, 0);
    raw_pool(c, "PATCH", "/queues/default", "{\"is_paused\":false,\"concurrency_limit\":1}");
    poll_as(c, "poll with a limited queue", NULL, -1);
    raw_pool(c, "PATCH", "", "{\"concurrency_limit\":2}");
    poll_as(c, "poll with a limited pool", NULL, -1);
    struct prefect_proposal claim = {.type = PREFECT_STATE_PENDING};
    propose(c, "claim of the last", run, &claim);
    poll_as(c, "poll with a slot taken", NULL, -1);
    raw_pool(c, "PATCH", "", "{\"is_paused\":true}");
    poll_as(c, "poll of a paused pool", NULL, -1);
    TELL(c, "paused pool", prefect_get_pool(c->prefect, ask(c), c->pool, &c->err));
    raw_pool(c, "PATCH", "", "{\"is_paused\":false}");
    TELL(c, "poll of a missing pool",
         prefect_poll(c->prefect, ask(c), "contract-nowhere", NULL, 0, 0, 10, &c->err));
}

/* --- pools, deployments, the rest --- */

static void try_pools(struct contract *c)
{
    static const char template[] =
        "{\"job_configuration\":{\"image\":\"{{ image }}\",\"n\":1.0},\"variables\":"
        "{\"properties\":{\"image\":{\"type\":\"string\"}},\"type\":\"object\"}}";
    TELL(c, "missing pool", prefect_get_pool(c->prefect, ask(c), "contract-nowhere", &c->err));
    TELL(c, "create pool", prefect_create_pool(c->prefect, ask(c), c->pool, "docker", "{}", &c->err));
    TELL(c, "create pool again", prefect_create_pool(c->prefect, ask(c), c->pool, "docker", "{}", &c->err));
    TELL_STATUS(c, "create pool a/b",
                prefect_create_pool(c->prefect, ask(c), "a/b", "docker", "{}", &c->err));
    TELL(c, "create pool prefect-x",
         prefect_create_pool(c->prefect, ask(c), "prefect-x", "docker", "{}", &c->err));
    TELL(c, "pool", prefect_get_pool(c->prefect, ask(c), c->pool, &c->err));
    TELL(c, "patch template", prefect_patch_pool_template(c->prefect, ask(c), c->pool, template, &c->err));
    TELL(c, "pool", prefect_get_pool(c->prefect, ask(c), c->pool, &c->err));
    TELL(c, "patch template of a missing pool",
         prefect_patch_pool_template(c->prefect, ask(c), "contract-nowhere", "{}", &c->err));
    TELL(c, "heartbeat", prefect_heartbeat(c->prefect, ask(c), c->pool, 30, &c->err));
    TELL(c, "heartbeat of a missing pool",
         prefect_heartbeat(c->prefect, ask(c), "contract-nowhere", 30, &c->err));
    int64_t now_ms = clock_wall_ms(&clock_system);
    TELL(c, "workers", prefect_list_workers(c->prefect, ask(c), c->pool, now_ms - 60000, &c->err));
    TELL(c, "workers of later", prefect_list_workers(c->prefect, ask(c), c->pool, now_ms + 60000, &c->err));
    TELL(c, "workers of a missing pool",
         prefect_list_workers(c->prefect, ask(c), "contract-nowhere", 0, &c->err));
    TELL(c, "queues", prefect_list_queues(c->prefect, ask(c), c->pool, &c->err));
    TELL(c, "queues of a missing pool", prefect_list_queues(c->prefect, ask(c), "contract-nowhere", &c->err));
}

static void try_deployments(struct contract *c)
{
    static const char nowhere[] = "00000000-0000-4000-8000-000000000000";
    TELL(c, "deployment", prefect_get_deployment(c->prefect, ask(c), c->deployment_id, &c->err));
    TELL(c, "missing deployment", prefect_get_deployment(c->prefect, ask(c), nowhere, &c->err));
    TELL(c, "flow", prefect_get_flow(c->prefect, ask(c), c->flow_id, &c->err));
    TELL(c, "missing flow", prefect_get_flow(c->prefect, ask(c), nowhere, &c->err));
    TELL(c, "missing run", prefect_get_run(c->prefect, ask(c), nowhere, &c->err));
    TELL(c, "no uuid", prefect_get_run(c->prefect, ask(c), "no-uuid", &c->err));
}

/* A block of a type of its own, named "block". */
static void make_block(struct contract *c, const char *slug, const char *data, char id[static UUID_TEXT_SIZE])
{
    char type_id[UUID_TEXT_SIZE];
    char schema_id[UUID_TEXT_SIZE];
    char *type = check_printf("{\"name\":\"%s\",\"slug\":\"%s\"}", slug, slug);
    raw_id(c, "/block_types/", type, type_id);
    char *schema = check_printf("{\"block_type_id\":\"%s\",\"fields\":{\"title\":\"%s\",\"type\":\"object\","
                                "\"properties\":{\"value\":{\"title\":\"v\"}},\"block_type_slug\":\"%s\","
                                "\"secret_fields\":[\"value\"]}}",
                                type_id, slug, slug);
    raw_id(c, "/block_schemas/", schema, schema_id);
    char *block =
        check_printf("{\"name\":\"block\",\"data\":%s,\"block_type_id\":\"%s\",\"block_schema_id\":\"%s\"}",
                     data, type_id, schema_id);
    raw_id(c, "/block_documents/", block, id);
    free(type);
    free(schema);
    free(block);
}

static void try_references(struct contract *c)
{
    static const char nowhere[] = "00000000-0000-4000-8000-000000000000";
    char id[UUID_TEXT_SIZE];
    char variable[80];
    make_block(c, c->pool, "{\"value\":{\"k\":[1.5,\"s\",null,true]}}", id);
    TELL(c, "block", prefect_get_block(c->prefect, ask(c), id, &c->err));
    TELL(c, "block by name", prefect_get_block_by_name(c->prefect, ask(c), c->pool, "block", &c->err));
    TELL(c, "missing block", prefect_get_block(c->prefect, ask(c), nowhere, &c->err));
    TELL(c, "missing name", prefect_get_block_by_name(c->prefect, ask(c), c->pool, "a-b", &c->err));
    TELL(c, "missing block type",
         prefect_get_block_by_name(c->prefect, ask(c), "contract-nothing", "block", &c->err));
    snprintf(variable, sizeof(variable), "contract_%.8s", id);
    char *body = check_printf("{\"name\":\"%s\",\"value\":{\"k\":[1.5,\"s\",null,true]}}", variable);
    raw(c, "POST", "/variables/", body);
    free(body);
    TELL(c, "variable", prefect_get_variable(c->prefect, ask(c), variable, &c->err));
    TELL(c, "missing variable", prefect_get_variable(c->prefect, ask(c), "contract_nothing", &c->err));
    TELL(c, "missing run as a whole", prefect_get_run_object(c->prefect, ask(c), nowhere, &c->err));
    TELL(c, "missing flow as a whole", prefect_get_flow_object(c->prefect, ask(c), nowhere, &c->err));
}

static void try_telemetry(struct contract *c)
{
    static const char event[] =
        "{\"occurred\":\"2026-11-23T02:31:08.520303Z\",\"event\":\"sluice.contract\",\"id\":"
        "\"01a2063e-2fe8-7669-a3df-fff9d470956e\",\"resource\":{\"prefect.resource.id\":"
        "\"sluice.contract\"},\"related\":[],\"payload\":{}}";
    static const char line[] = "{\"name\":\"contract\",\"level\":20,\"message\":\"m\",\"timestamp\":"
                               "\"2026-11-23T02:08:05.123456+00:00\"";
    char *events = check_printf("[%s]", event);
    char *logs = check_printf("[%s}]", line);
    char *extra = check_printf("[%s,\"worker_id\":\"w\"}]", line);
    TELL(c, "events", prefect_post_events(c->prefect, ask(c), events, &c->err));
    TELL(c, "events again", prefect_post_events(c->prefect, ask(c), events, &c->err));
    TELL_STATUS(c, "event without id",
                prefect_post_events(c->prefect, ask(c), "[{\"event\":\"x\"}]", &c->err));
    TELL(c, "logs", prefect_post_logs(c->prefect, ask(c), logs, &c->err));
    TELL_STATUS(c, "log with another key", prefect_post_logs(c->prefect, ask(c), extra, &c->err));
    TELL_STATUS(c, "logs without a list", prefect_post_logs(c->prefect, ask(c), "{}", &c->err));
    free(events);
    free(logs);
    free(extra);
}

/* --- the program --- */

static void open_server(struct contract *c, const char *url)
{
    struct http_settings http_settings = {0};
    struct prefect_settings settings = {
        .api_url = url, .worker_name = "contract", .csrf_enabled = true, .random = &random_system};
    c->base = event_base_new();
    c->timers = timers_new(&clock_system);
    if (http_new(c->base, c->timers, &http_settings, &c->http, &c->err) != 0)
        give_up("http", c->err.msg);
    if (url == NULL) {
        const char *slot_wait_s = getenv("PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS");
        fake_prefect_new(&(struct fake_prefect_settings){.base = c->base,
                                                         .timers = c->timers,
                                                         .seed = 1,
                                                         .slot_wait_ms = slot_wait_s != NULL
                                                                             ? atol(slot_wait_s) * 1000
                                                                             : 0},
                         &c->fake);
        settings.api_url = fake_prefect_url(c->fake);
    }
    if (prefect_new(c->http, c->timers, &settings, &c->prefect, &c->err) != 0)
        give_up("settings", c->err.msg);
}

static void close_server(struct contract *c)
{
    prefect_free(c->prefect);
    http_free(c->http);
    fake_prefect_free(c->fake);
    timers_free(c->timers);
    event_base_loop(c->base, EVLOOP_NONBLOCK);
    event_base_free(c->base);
    json_free(c->raw_body);
    free(c->line);
}

int main(int argc, char **argv)
{
    struct contract c = {.is_done = false};
    char name[UUID_TEXT_SIZE];
    char *flow_body;
    if (argc != 2) {
        fprintf(stderr, "usage: contract_prefect URL | --fake\n");
        return 2;
    }
    open_server(&c, strcmp(argv[1], "--fake") == 0 ? NULL : argv[1]);
    random_uuid(&random_system, name);
    prefect_text_name(&c.text, name, "POOL");
    snprintf(c.pool, sizeof(c.pool), "contract-%s", name);
    flow_body = check_printf("{\"name\":\"%s\"}", c.pool);
    try_pools(&c);
    raw_id(&c, "/flows/", flow_body, c.flow_id);
    prefect_text_name(&c.text, c.flow_id, "FLOW");
    make_deployment(&c, "main", ",\"job_variables\":{\"image\":\"x\"}", c.deployment_id);
    prefect_text_name(&c.text, c.deployment_id, "DEPLOYMENT");
    try_deployments(&c);
    try_claims(&c);
    try_limits(&c);
    try_references(&c);
    try_telemetry(&c);
    try_table(&c);
    try_polls(&c);
    raw_pool(&c, "DELETE", "", NULL);
    free(flow_body);
    close_server(&c);
    return 0;
}
