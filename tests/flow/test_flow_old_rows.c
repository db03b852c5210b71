/*
 * test_flow_old_rows.c - rows that an older version wrote: tests/data/state-form-N.sql holds a state file of
 * each form that was ever released, with one launch in each state. Today's code migrates it, and brings every
 * launch to its right end. The ids are made to fit the world; nothing else in the rows is touched.
 */
#include "tests/flow/world.h"

#include "api/engine.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdlib.h>

/* What the server shows of the run when the service starts. */
enum server_side {
    AT_SCHEDULED,
    AT_PENDING,
    AT_SUBMITTING,
    AT_RUNNING,
    AT_CANCELLING,
    AT_COMPLETED,
    AT_OVERTAKEN
};

static const struct {
    enum run_state state; /* of the row; also the name of its run */
    enum server_side server;
    bool has_container; /* created, and never started */
    enum prefect_state_type end;
    int starts; /* of containers of the run, from now on */
} rows[] = {
    {RUN_STATE_QUEUED, AT_SCHEDULED, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_CLAIMING, AT_SCHEDULED, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_SUBMITTING, AT_PENDING, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_RESOLVING, AT_SUBMITTING, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_PULLING, AT_SUBMITTING, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_READY, AT_SUBMITTING, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_CREATING, AT_SUBMITTING, false, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_CONNECTING, AT_SUBMITTING, true, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_ANNOUNCING, AT_SUBMITTING, true, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_STARTING, AT_SUBMITTING, true, PREFECT_STATE_COMPLETED, 1},
    {RUN_STATE_RUNNING, AT_RUNNING, false, PREFECT_STATE_CRASHED, 0}, /* its container is gone */
    {RUN_STATE_STOPPING, AT_CANCELLING, false, PREFECT_STATE_CANCELLED, 0},
    {RUN_STATE_CLEARING, AT_SUBMITTING, false, PREFECT_STATE_CRASHED, 0},
    {RUN_STATE_REPORTING, AT_RUNNING, false, PREFECT_STATE_CRASHED, 0},
    {RUN_STATE_HANDING_BACK, AT_SUBMITTING, false, PREFECT_STATE_COMPLETED, 1}, /* taken again by us */
    {RUN_STATE_RESTORING, AT_OVERTAKEN, false, PREFECT_STATE_COMPLETED, 0},
    {RUN_STATE_PARKED, AT_SUBMITTING, false, PREFECT_STATE_PENDING, 0}, /* until somebody releases it */
    {RUN_STATE_REMOVING, AT_COMPLETED, false, PREFECT_STATE_COMPLETED, 0},
    {RUN_STATE_FINISHED, AT_COMPLETED, false, PREFECT_STATE_COMPLETED, 0},
};

static void run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%.80s: %s", sql, message);
}

static sqlite3 *load_dump(const struct world *w, const char *path)
{
    char *text = check_alloc((size_t)1 << 20);
    FILE *file = fopen(path, "re");
    sqlite3 *db = NULL;
    assert_non_null(file);
    text[fread(text, 1, ((size_t)1 << 20) - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(sqlite3_open(w->state_path, &db), SQLITE_OK);
    run_sql(db, text);
    free(text);
    return db;
}

/* The row's id in the dump: a letter and number for its kind, the state's place at the end. */
static void row_id(char id[static UUID_TEXT_SIZE], const char *kind, enum run_state state)
{
    snprintf(id, UUID_TEXT_SIZE, "%s000000-0000-4000-8000-0000000000%02x", kind, (unsigned)state);
}

static void set_server_side(struct world *w, const char *run, enum run_state state, enum server_side side)
{
    char claim[UUID_TEXT_SIZE];
    char submit[UUID_TEXT_SIZE];
    row_id(claim, "a1", state);
    row_id(submit, "a2", state);
    struct prefect_proposal pending = {
        .type = PREFECT_STATE_PENDING, .name = "Pending", .transition_id = claim};
    struct prefect_proposal submitting = {
        .type = PREFECT_STATE_PENDING, .name = "Submitting", .transition_id = submit};
    if (side == AT_SCHEDULED)
        return;
    (void)fake_prefect_propose(w->prefect, run, &pending);
    if (side != AT_PENDING)
        (void)fake_prefect_propose(w->prefect, run, &submitting);
    if (side >= AT_RUNNING)
        assert_true(fake_prefect_container_runs(w->prefect, run));
    if (side == AT_CANCELLING)
        fake_prefect_user_cancels(w->prefect, run);
    if (side >= AT_COMPLETED)
        assert_true(fake_prefect_container_completes(w->prefect, run));
    if (side == AT_OVERTAKEN)
        assert_int_equal(fake_prefect_propose(w->prefect, run, &pending).outcome, PREFECT_OUTCOME_ACCEPT);
}

static const char *make_container(struct world *w, const char *run, enum run_state state)
{
    char instance[SERVICE_INSTANCE_SIZE];
    char launch[UUID_TEXT_SIZE];
    row_id(launch, "a1", state);
    service_instance(fake_prefect_url(w->prefect), WORLD_POOL, "worker 1", instance);
    char *AUTO_FREE body = check_printf(
        "{\"Image\":\"" WORLD_IMAGE "\",\"Cmd\":[\"x\"],\"Labels\":{\"" ENGINE_LABEL_INSTANCE "\":\"%s\","
        "\"" ENGINE_LABEL_LAUNCH "\":\"%s\",\"io.prefect.flow-run-id\":\"%s\"}}",
        instance, launch, run);
    char *AUTO_FREE name = check_printf("name-of-%02x", (unsigned)state);
    const struct fake_container *c = fake_engine_create(w->engine, name, body);
    assert_non_null(c);
    return c->id;
}

static void fit(struct world *w, sqlite3 *db, size_t i, const char *flow)
{
    enum run_state state = rows[i].state;
    const char *run = world_add_named_run(w, run_state_name(state));
    set_server_side(w, run, state, rows[i].server);
    char *AUTO_FREE sql = check_printf(
        "UPDATE launches SET flow_run_id = '%s', deployment_id = '%s', flow_id = '%s' WHERE state = '%s'",
        run, w->deployment, flow, run_state_name(state));
    run_sql(db, sql);
    if (!rows[i].has_container)
        return;
    char *AUTO_FREE with = check_printf("UPDATE launches SET container_id = '%s' WHERE state = '%s'",
                                        make_container(w, run, state), run_state_name(state));
    run_sql(db, with);
}

/* Parked ones stay. */
static bool is_over(struct world *w)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (world_state(w, fake_prefect_run_id(w->prefect, i)) != rows[i].end)
            return false;
    }
    return world_launches(w) == 1;
}

static void expect_ends(struct world *w)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *run = fake_prefect_run_id(w->prefect, i);
        bool ran_before = rows[i].server >= AT_RUNNING;
        if (world_state(w, run) != rows[i].end || world_times_run(w, run) != rows[i].starts + ran_before)
            fail_msg("%s: %s", run_state_name(rows[i].state), fake_prefect_history(w->prefect, run));
    }
}

static void test_every_row_of_an_older_form_goes_on(struct world *w, const char *path)
{
    sqlite3 *db = load_dump(w, path);
    const char *flow = fake_prefect_add_flow(w->prefect, "flow");
    int starts = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fit(w, db, i, flow);
        starts += rows[i].starts;
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    w->flow.run_ms = SECONDS(2);
    world_start(w, NULL);
    struct world_wait wait = world_wait_begin(w, MINUTES(30), NULL, __FILE__, __LINE__);
    while (!is_over(w) && w->clock.mono_ms < wait.end_ms)
        world_wait_step(w, &wait);
    expect_ends(w);
    assert_int_equal(fake_engine_starts(w->engine, NULL), starts);
    world_pass(w, SECONDS(1));
    assert_string_equal(world_query(w, "PRAGMA integrity_check"), "ok");
    assert_string_equal(world_query(w, "SELECT group_concat(state) FROM launches WHERE state <> 'FINISHED'"),
                        "PARKED");
}

static void test_form_2(void **state)
{
    test_every_row_of_an_older_form_goes_on(*state, "tests/data/state-form-2.sql");
}

int main(void)
{
    const struct CMUnitTest tests[] = {FLOW_TEST(test_form_2)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
