/*
 * test_flow_state_file.c - what becomes of the state file, and of the work, when it can't be written or read:
 * full and read-only disk, another program's lock, damage, a lost file, a file of an older version.
 */
#include "tests/flow/world.h"

#include "core/launch.h"
#include "metrics.h"
#include "store/store.h"
#include "tests/support/disk.h"

#include <dirent.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static struct disk *disk;

/* The world on a disk that can fail. */
static int disk_setup(void **state)
{
    disk = disk_new();
    return world_setup(state);
}

static int disk_teardown(void **state)
{
    int result = world_teardown(state);
    disk_free(disk);
    disk = NULL;
    return result;
}

#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

static void expect_not_made(struct world *w, const char *sentence)
{
    struct err err = {0};
    int calls = world_launch_calls(w) + world_api_calls(w);
    assert_false(world_try_start(w, NULL, &err));
    if (strstr(err.msg, sentence) == NULL || strstr(err.msg, w->state_path) == NULL)
        fail_msg("not what was expected (%s): %s", sentence, err.msg);
    world_pass(w, SECONDS(60));
    assert_int_equal(world_launch_calls(w) + world_api_calls(w), calls);
}

#define EARLIER_RUNS 6

/* With a run in its container and another one due, the disk becomes unwell: the service ends and says so, the
 * container lives on, nothing more is claimed; the next start finds all of it. */
static void expect_ends_and_recovers(struct world *w, enum disk_fault fault, const char *sentence)
{
    /* The log has room from the migrations: once that is used, every write needs more disk. */
    for (int i = 0; i < EARLIER_RUNS; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == EARLIER_RUNS && world_launches(w) == 0);
    w->flow.run_ms = MINUTES(5);
    const char *first = world_add_run(w);
    UNTIL(w, MINUTES(1), world_is_in(w, first, RUN_STATE_RUNNING));
    world_pass(w, SECONDS(5));
    int starts = fake_engine_starts(w->engine, NULL);
    disk_fail(disk, 1, fault, true);
    const char *second = world_add_run(w);
    UNTIL(w, MINUTES(1), w->has_ended);
    assert_int_equal(w->exit_code, 1);
    assert_int_equal(world_logged(w, "the state file can't be written; stopping"), 1);
    assert_int_equal(world_logged(w, sentence), 1);
    assert_false(service_is_well(w->service));
    world_crash(w);
    world_pass(w, SECONDS(30));
    assert_int_equal(world_state(w, first), PREFECT_STATE_RUNNING);
    assert_int_equal(world_state(w, second), PREFECT_STATE_SCHEDULED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), starts);

    disk_fail(disk, 0, DISK_FAULT_NONE, false);
    world_start(w, NULL);
    UNTIL(w, MINUTES(20), world_launches(w) == 0 && world_state(w, second) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_state(w, first), PREFECT_STATE_COMPLETED);
    assert_int_equal(fake_engine_starts(w->engine, NULL), starts + 1);
}

static void test_a_disk_that_gets_full(void **state)
{
    expect_ends_and_recovers(*state, DISK_FAULT_FULL, "make room on its disk");
}

static void test_a_disk_that_becomes_read_only(void **state)
{
    expect_ends_and_recovers(*state, DISK_FAULT_READ_ONLY, "disk I/O error");
}

static void test_a_disk_that_can_not_sync(void **state)
{
    expect_ends_and_recovers(*state, DISK_FAULT_SYNC, "disk I/O error");
}

static void test_a_full_disk_at_the_start(void **state)
{
    struct world *w = *state;
    world_add_run(w);
    disk_fail(disk, 1, DISK_FAULT_FULL, true);
    expect_not_made(w, "make room on its disk");
    expect_not_made(w, "make room on its disk");
    disk_fail(disk, 0, DISK_FAULT_NONE, false);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_COMPLETED) == 1);
}

static void test_a_read_only_disk_at_the_start(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    world_stop(w);
    disk_fail(disk, 1, DISK_FAULT_READ_ONLY, true);
    expect_not_made(w, "must be writable for this user");
    disk_fail(disk, 0, DISK_FAULT_NONE, false);
    world_start(w, NULL);
}

static sqlite3 *other_program(struct world *w)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(w->state_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void test_a_file_that_another_program_keeps_locked(void **state)
{
    struct world *w = *state;
    world_start(w, NULL);
    sqlite3 *db = other_program(w);
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(1), w->has_ended);
    assert_int_equal(w->exit_code, 1);
    assert_int_equal(world_logged(w, "another program keeps it locked"), 1);
    world_crash(w);
    assert_int_equal(world_state(w, run), PREFECT_STATE_SCHEDULED);
    expect_not_made(w, "another program keeps it locked");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_state(w, run) == PREFECT_STATE_COMPLETED);
}

/* ---- damage; these use the real disk ---- */

static void damage(const struct world *w)
{
    char garbage[8192];
    memset(garbage, 0xaa, sizeof(garbage));
    char *AUTO_FREE log = check_printf("%s-wal", w->state_path);
    unlink(log);
    FILE *file = fopen(w->state_path, "r+be");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4096, SEEK_SET), 0);
    assert_int_equal(fwrite(garbage, 1, sizeof(garbage), file), sizeof(garbage));
    fclose(file);
}

/* Removes the files that were set aside; how many there were, logs not counted. */
static int take_set_aside(const struct world *w)
{
    int count = 0;
    DIR *folder = opendir(w->folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strstr(entry->d_name, ".corrupt-") == NULL)
            continue;
        char *AUTO_FREE path = check_printf("%s/%s", w->folder, entry->d_name);
        count += strstr(entry->d_name, "Z-") == NULL;
        assert_int_equal(unlink(path), 0);
    }
    closedir(folder);
    return count;
}

/* /metrics says so, for as long as the process lives. */
static void expect_metrics_tell(struct world *w)
{
    const struct admin_http_request request = {.path = "/metrics", .query = "", .accept = ""};
    struct admin_http_answer answer = {.status = 200};
    struct metrics *metrics = metrics_new(w->service);
    buf_init(&answer.body, 4 * 1024 * 1024);
    metrics_answer(metrics, &request, &answer);
    assert_non_null(strstr(buf_text(&answer.body), "\nsluice_state_file_damaged 1.0\n"));
    buf_done(&answer.body);
    metrics_free(metrics);
}

static void test_live_containers_are_adopted_after_damage(void **state)
{
    struct world *w = *state;
    w->flow.run_ms = MINUTES(3);
    for (int i = 0; i < 3; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), world_count(w, PREFECT_STATE_RUNNING) == 3);
    world_crash(w);
    damage(w);
    world_start(w, NULL);
    assert_int_equal(take_set_aside(w), 1);
    assert_int_equal(world_logged(w, "level=error msg=\"the state file was damaged"), 1);
    assert_true(world_logged(w, ".corrupt-2026") >= 1);
    expect_metrics_tell(w);
    UNTIL(w, SECONDS(5), world_launches(w) == 3);
    UNTIL(w, MINUTES(10), world_launches(w) == 0);
    assert_int_equal(world_count(w, PREFECT_STATE_COMPLETED), 3);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 3);
}

/* Claims whose containers don't run, in each state before that, when the file is damaged: they are found by
 * the ids of their states, handed back, and run once; what lands late is waited for. */
static void test_lost_claims_are_handed_back(void **state)
{
    struct world *w = *state;
    static const enum run_state states[] = {RUN_STATE_CLAIMING, RUN_STATE_SUBMITTING, RUN_STATE_PULLING,
                                            RUN_STATE_CREATING, RUN_STATE_ANNOUNCING, RUN_STATE_STARTING};
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_DROP_AFTER});
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        const char *run = world_add_run(w);
        world_start(w, NULL);
        UNTIL(w, MINUTES(3), world_is_in(w, run, states[i]) && world_state(w, run) == PREFECT_STATE_PENDING);
        world_crash(w);
        damage(w);
    }
    world_start(w, NULL);
    UNTIL(w, MINUTES(10),
          world_count(w, PREFECT_STATE_COMPLETED) == ARRAY_LEN(states) && world_launches(w) == 0);
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        assert_int_equal(world_times_run(w, fake_prefect_run_id(w->prefect, i)), 1);
    assert_int_equal(fake_engine_starts(w->engine, NULL), ARRAY_LEN(states));
    assert_true(world_logged(w, "handing back a run that we had claimed and no launch knows") >= 3);
    assert_true(take_set_aside(w) > 0);
}

/* A start that the dead process had sent lands after the new one began: the container is adopted, not
 * cleared. */
static void test_a_late_start_of_a_lost_launch_is_adopted(void **state)
{
    struct world *w = *state;
    const char *run = world_add_run(w);
    w->flow.run_ms = MINUTES(5);
    fake_engine_add_fault(w->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START, .kind = FAKE_FAULT_HOLD});
    world_start(w, NULL);
    UNTIL(w, MINUTES(1), fake_engine_held(w->engine, FAKE_ENGINE_START) == 1);
    world_crash(w);
    damage(w);
    world_start(w, NULL);
    world_pass(w, SECONDS(40));
    assert_int_equal(fake_engine_release(w->engine, FAKE_ENGINE_START), 1);
    UNTIL(w, MINUTES(20), world_state(w, run) == PREFECT_STATE_COMPLETED && world_launches(w) == 0);
    assert_int_equal(world_times_run(w, run), 1);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 1);
    assert_int_equal(world_logged(w, "handing back a run"), 0);
    assert_int_equal(take_set_aside(w), 1);
}

/* The server has the run PENDING by a claim that was made with this mark. */
static void claim_with(struct world *w, const char *run, uint64_t number, const char *mark)
{
    struct launch *l = launch_new(run, 0);
    launch_make_ids(l, number << 32, number, mark);
    bool is_claim = number % 2 == 0;
    struct prefect_proposal claim = {.type = PREFECT_STATE_PENDING,
                                     .name = is_claim ? "Pending" : "Submitting",
                                     .transition_id = is_claim ? l->launch_id : l->submit_id};
    assert_int_equal(fake_prefect_propose(w->prefect, run, &claim).outcome, PREFECT_OUTCOME_ACCEPT);
    launch_free(l);
}

static void our_mark(struct world *w, const char *state_path, char mark[static SERVICE_INSTANCE_SIZE])
{
    char instance[SERVICE_INSTANCE_SIZE];
    service_instance(fake_prefect_url(w->prefect), WORLD_POOL, "worker 1", instance);
    service_mark(instance, state_path, mark);
}

/* Another worker's, and those of one that has our name and another state file. */
static void test_claims_of_others_are_left_alone(void **state)
{
    struct world *w = *state;
    char mark[SERVICE_INSTANCE_SIZE];
    our_mark(w, "/elsewhere/state.db", mark);
    assert_true(fake_prefect_other_worker_claims(w->prefect, world_add_run(w)));
    claim_with(w, world_add_run(w), 1, mark);
    claim_with(w, world_add_run(w), 2, mark);
    world_start(w, NULL);
    world_pass(w, MINUTES(10));
    assert_int_equal(world_count(w, PREFECT_STATE_PENDING), 3);
    assert_true(fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS) >= 1);
}

/* More than a page of them, and the server doesn't answer at first. */
static void test_many_lost_claims(void **state)
{
    struct world *w = *state;
    char mark[SERVICE_INSTANCE_SIZE];
    our_mark(w, w->state_path, mark);
    w->flow.run_ms = 0;
    for (uint64_t i = 0; i < 450; i++)
        claim_with(w, world_add_run(w), i, mark);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503});
    world_start(w, NULL);
    UNTIL(w, MINUTES(30), world_count(w, PREFECT_STATE_COMPLETED) == 450 && world_launches(w) == 0);
    assert_int_equal(fake_engine_starts(w->engine, NULL), 450);
    assert_int_equal(world_logged(w, "handing back a run"), 450);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DISK_TEST(test_a_disk_that_gets_full),
        DISK_TEST(test_a_disk_that_becomes_read_only),
        DISK_TEST(test_a_disk_that_can_not_sync),
        DISK_TEST(test_a_full_disk_at_the_start),
        DISK_TEST(test_a_read_only_disk_at_the_start),
        DISK_TEST(test_a_file_that_another_program_keeps_locked),
        FLOW_TEST(test_live_containers_are_adopted_after_damage),
        FLOW_TEST(test_lost_claims_are_handed_back),
        FLOW_TEST(test_a_late_start_of_a_lost_launch_is_adopted),
        FLOW_TEST(test_claims_of_others_are_left_alone),
        FLOW_TEST(test_many_lost_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
