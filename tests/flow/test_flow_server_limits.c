/*
 * test_flow_server_limits.c - concurrency limits of work pool and queues at the server: runs that our own
 * limits block hide nobody who could start, and no such limit is ever exceeded by us.
 *
 * "crowd" is a deployment with a class of its own, which runs one at a time; whoever is first in it stays.
 * Its runs were due long ago, so polls show them first.
 */
#include "tests/flow/world.h"

#include <stdlib.h>
#include <unistd.h>

#include <fcntl.h>

#include "api/jobspec.h"

#define CROWD_ALONE "[class crowd]\nmatch_deployment = crowd\nrunning = 1\n"

/* So many, due since so long, a second apart; NULL runs: nobody wants to know them. */
static void add_runs(struct world *w, const char *deployment, const char **runs, int count, int64_t since_ms)
{
    for (int i = 0; i < count; i++) {
        const char *run = fake_prefect_add_run(
            w->prefect,
            &(struct fake_prefect_run){.deployment_id = deployment,
                                       .scheduled_at_ms = w->clock.wall_ms - since_ms + SECONDS(i)});
        if (runs != NULL)
            runs[i] = run;
    }
}

static void add_crowd(struct world *w, const char *queue, int count)
{
    add_runs(w, world_add_deployment(w, "crowd", queue), NULL, count, MINUTES(600));
}

/* What counts against a limit of the pool. */
static size_t occupied(const struct world *w)
{
    return world_count(w, PREFECT_STATE_PENDING) + world_count(w, PREFECT_STATE_RUNNING);
}

static bool are_in(struct world *w, const char *const *runs, int count, enum prefect_state_type type)
{
    bool are = true;
    for (int i = 0; i < count; i++)
        are = are && world_state(w, runs[i]) == type;
    return are;
}

/* ---- nobody is hidden ---- */

static void test_blocked_runs_hide_nobody_behind_a_limit_of_the_pool(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 5, OTHERS = 10 };
    const char *runs[OTHERS];
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    w->flow.run_ms = 20000;
    world_start(w, CROWD_ALONE);
    UNTIL_DOING(w, SECONDS(40), occupied(w) == LIMIT, assert_true(occupied(w) <= LIMIT));
    UNTIL_DOING(w, MINUTES(3), are_in(w, runs, OTHERS, PREFECT_STATE_COMPLETED),
                assert_true(occupied(w) <= LIMIT));
}

/* The limit of the crowd's queue; what is behind in that queue is of another deployment. */
static void test_blocked_runs_hide_nobody_behind_a_limit_of_a_queue(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 3, OTHERS = 6 };
    const char *runs[OTHERS];
    fake_prefect_limit_queue(w->prefect, WORLD_POOL, "default", LIMIT);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    w->flow.run_ms = 20000;
    world_start(w, CROWD_ALONE);
    UNTIL_DOING(w, MINUTES(4), are_in(w, runs, OTHERS, PREFECT_STATE_COMPLETED),
                assert_true(occupied(w) <= LIMIT));
}

/* Beside a queue with a limit; the one without is nobody's business, whoever else is there. */
static void test_a_queue_without_limit_is_read_on_beside_one_with(void **state)
{
    struct world *w = *state;
    enum { CROWD = 400 };
    const char *behind;
    fake_prefect_add_queue(w->prefect, WORLD_POOL, "night", 9);
    fake_prefect_limit_queue(w->prefect, WORLD_POOL, "night", 2);
    add_crowd(w, NULL, CROWD);
    add_runs(w, w->deployment, &behind, 1, MINUTES(5));
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_state(w, behind) == PREFECT_STATE_RUNNING);
    UNTIL(w, SECONDS(20),
          world_number(w, "SELECT count(*) FROM launches WHERE state = 'QUEUED'") == CROWD - 1);
}

static void test_as_many_as_a_poll_shows_and_no_more(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 4, OTHERS = 12 };
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 10);
    add_runs(w, w->deployment, NULL, OTHERS, MINUTES(5));
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL_DOING(w, SECONDS(40), occupied(w) == LIMIT, assert_true(occupied(w) <= LIMIT));
    for (int i = 0; i < 60; i++) {
        world_pass(w, SECONDS(2));
        assert_int_equal(occupied(w), LIMIT);
    }
    assert_int_equal(fake_engine_starts(w->engine, NULL), LIMIT);
}

/* The server is slow, and claims are let through while a poll is out. */
static void test_a_slow_server_is_not_overrun(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 3, OTHERS = 15 };
    const char *runs[OTHERS];
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 10);
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    static const enum fake_prefect_route routes[] = {FAKE_PREFECT_POLL, FAKE_PREFECT_FILTER_RUNS,
                                                     FAKE_PREFECT_LIST_WORKERS, FAKE_PREFECT_SET_STATE};
    static const int64_t delays_ms[] = {2900, 2100, 1300, 700};
    for (size_t i = 0; i < ARRAY_LEN(routes); i++)
        fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = routes[i],
                                                                    .times = -1,
                                                                    .kind = PREFECT_FAULT_DELAY,
                                                                    .delay_ms = delays_ms[i]});
    w->flow.run_ms = 3000;
    world_start(w, CROWD_ALONE);
    UNTIL_DOING(w, MINUTES(10), are_in(w, runs, OTHERS, PREFECT_STATE_COMPLETED),
                assert_true(occupied(w) <= LIMIT));
}

/* A claim whose answer was lost lands long after, when polls have shown its place free. */
static void test_a_claim_that_lands_late_has_its_place(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 2, OTHERS = 8 };
    const char *runs[OTHERS];
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 10);
    w->flow.run_ms = -1;
    world_start(w, "[timeouts]\napi = 4s\n" CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_count(w, PREFECT_STATE_RUNNING) == 1);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .kind = PREFECT_FAULT_LATE,
                                                                .delay_ms = 25000});
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    UNTIL_DOING(w, SECONDS(40), occupied(w) == LIMIT, assert_true(occupied(w) <= LIMIT));
    for (int i = 0; i < 60; i++) {
        world_pass(w, SECONDS(2));
        assert_true(occupied(w) <= LIMIT);
    }
}

/* Polls show nobody while the limit is reached, and those that are known must not be asked for all the time.
 */
static void test_what_thousands_behind_a_limit_cost(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 2, CROWD = 1500 };
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, CROWD);
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, MINUTES(1),
          world_number(w, "SELECT count(*) FROM launches WHERE state = 'QUEUED'") == CROWD - 1);
    add_runs(w, w->deployment, NULL, 1, MINUTES(5));
    UNTIL(w, MINUTES(2), occupied(w) == LIMIT);
    world_pass(w, MINUTES(3));
    int before = fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS);
    world_pass(w, MINUTES(10));
    /* The watch and the look for cancels that nobody has: 80; one in fifteen seconds: 40. */
    assert_in_range(fake_prefect_calls(w->prefect, FAKE_PREFECT_FILTER_RUNS) - before, 80, 140);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches WHERE state = 'QUEUED'"), CROWD - 1);
}

/* Claims that were let through while a poll was out are not in its answer. */
static void test_claims_during_a_poll_count_against_it(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 3 };
    struct err err;
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 10);
    w->flow.run_ms = -1;
    world_start(w, "[prefect]\npoll_interval = 1s\n" CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_count(w, PREFECT_STATE_RUNNING) == 1);
    assert_int_equal(service_pause(w->service, &err), 0);
    add_runs(w, w->deployment, NULL, 8, SECONDS(8));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 900});
    world_pass(w, SECONDS(4));
    int polls = fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL);
    UNTIL(w, SECONDS(3), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == polls + 1);
    assert_int_equal(service_resume(w->service, &err), 0);
    UNTIL(w, 300, occupied(w) == LIMIT); /* before that poll is answered */
    UNTIL_DOING(w, SECONDS(20), fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) == polls + 5,
                assert_true(occupied(w) <= LIMIT));
}

/* Whoever was claimed in its place has its place. */
static void test_a_shown_run_that_is_unblocked_has_lost_its_place(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 3 };
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 10);
    add_runs(w, w->deployment, NULL, 8, MINUTES(5));
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    UNTIL(w, SECONDS(40), occupied(w) == LIMIT);
    world_reload(w, "[limits]\nlaunching = 20\n");
    for (int i = 0; i < 200; i++) {
        world_pass(w, 100);
        assert_int_equal(occupied(w), LIMIT);
    }
}

/* ---- several workers ---- */

static void test_beside_another_worker_only_what_polls_show_is_claimed(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 5, OTHERS = 4 };
    const char *runs[OTHERS];
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    world_pass(w, MINUTES(5));
    assert_true(are_in(w, runs, OTHERS, PREFECT_STATE_SCHEDULED));
    assert_int_equal(occupied(w), 1);
    assert_int_equal(world_logged(w, "another worker serves the pool"), 1);
    /* It is gone for good. */
    UNTIL(w, MINUTES(6), are_in(w, runs, OTHERS, PREFECT_STATE_RUNNING));
    assert_int_equal(occupied(w), LIMIT);
}

static void test_a_worker_that_comes_ends_it(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 5, OTHERS = 4 };
    const char *runs[OTHERS];
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, runs, OTHERS, MINUTES(5));
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nlaunching = 1\nrunning = 2\n" CROWD_ALONE);
    UNTIL(w, SECONDS(40), occupied(w) == 2);
    fake_prefect_worker_is_there(w->prefect, WORLD_POOL, "worker 7");
    world_pass(w, SECONDS(3)); /* the last look before it is too old */
    world_reload(w, CROWD_ALONE);
    world_pass(w, MINUTES(5));
    assert_int_equal(occupied(w), 2);
}

static void expect_polls_decide(struct world *w, int status, const char *workers)
{
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 5);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, NULL, 4, MINUTES(5));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LIST_WORKERS,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = status,
                                                                .body = workers});
    w->flow.run_ms = -1;
    world_start(w, CROWD_ALONE);
    world_pass(w, MINUTES(5));
    assert_int_equal(occupied(w), 1);
}

/* Who is there can't be read: an old server. */
static void test_without_a_look_at_the_workers_polls_decide(void **state)
{
    expect_polls_decide(*state, 404, NULL);
}

/* We are not among those who told of themselves lately: the clocks differ, and others may be missing, too. */
static void test_a_look_that_does_not_show_us_is_none(void **state)
{
    expect_polls_decide(*state, 200, "[]");
}

/* It could be read once, and has failed since. */
static void test_an_old_look_at_the_workers_does_not_count(void **state)
{
    struct world *w = *state;
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, 5);
    add_crowd(w, NULL, 40);
    add_runs(w, w->deployment, NULL, 4, MINUTES(5));
    w->flow.run_ms = -1;
    world_start(w, "[limits]\nlaunching = 1\nrunning = 2\n" CROWD_ALONE);
    UNTIL(w, SECONDS(40), occupied(w) == 2);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_LIST_WORKERS,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 503});
    world_pass(w, SECONDS(3));
    world_reload(w, CROWD_ALONE);
    world_pass(w, MINUTES(5));
    assert_int_equal(occupied(w), 2);
}

/* Another sluice in the same process, with limits of its own. */
struct second {
    struct service *service;
    struct config *config;
    char *state_path;
    int output_fd;
};

static void on_second_end(void *arg, int exit_code)
{
    (void)arg;
    (void)exit_code;
}

static void start_second(struct world *w, struct second *second, const char *text)
{
    struct err err;
    const char *const *flags = w->flags;
    second->state_path = check_printf("%s/second.db", w->folder);
    const char *const own[] = {"prefect.name", "worker 2", "state.path", second->state_path, NULL};
    w->flags = own;
    world_keep_text(w, text);
    assert_int_equal(world_load_config(w, &second->config, &err), 0);
    w->flags = flags;
    second->output_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct service_settings settings = {.base = w->base,
                                        .timers = w->timers,
                                        .clock = fake_clock_clock(&w->clock),
                                        .random = &w->random,
                                        .config = second->config,
                                        .output_fd = second->output_fd,
                                        .working_directory = w->folder,
                                        .template_json = jobspec_default_template(),
                                        .on_end = on_second_end,
                                        .arg = second};
    assert_int_equal(service_new(&settings, &second->service, &err), 0);
}

static void end_second(struct second *second)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    service_free(second->service);
    config_free(second->config);
    close(second->output_fd);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = check_printf("%s%s", second->state_path, ends[i]);
        unlink(path);
        free(path);
    }
    free(second->state_path);
}

#define EVERY_SECOND "[prefect]\npoll_interval = 1s\n"

/* The first one blocks what polls show, and was alone for a while; the second one doesn't, and both poll at
 * the same moment when places come free. */
static void test_two_workers_never_exceed_a_limit_of_the_pool(void **state)
{
    struct world *w = *state;
    enum { LIMIT = 4, RUNS = 24 };
    struct second second = {0};
    fake_prefect_limit_pool(w->prefect, WORLD_POOL, LIMIT);
    add_runs(w, world_add_deployment(w, "crowd", NULL), NULL, RUNS, MINUTES(60));
    add_runs(w, world_add_deployment(w, "flock", NULL), NULL, RUNS, MINUTES(50));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_LATE,
                                                                .delay_ms = 300});
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DELAY,
                                                                .delay_ms = 600});
    w->flow.run_ms = -1;
    world_start(w, EVERY_SECOND CROWD_ALONE);
    UNTIL(w, SECONDS(20), world_count(w, PREFECT_STATE_RUNNING) == 1);
    w->flow.run_ms = 8000;
    UNTIL(w, SECONDS(20), occupied(w) == LIMIT);
    start_second(w, &second, EVERY_SECOND "[class flock]\nmatch_deployment = flock\nrunning = 1\n");
    UNTIL_DOING(w, MINUTES(10), world_count(w, PREFECT_STATE_COMPLETED) == 2 * RUNS - 1, {
        service_turn_end(second.service);
        assert_true(occupied(w) <= LIMIT);
    });
    end_second(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_blocked_runs_hide_nobody_behind_a_limit_of_the_pool),
        FLOW_TEST(test_blocked_runs_hide_nobody_behind_a_limit_of_a_queue),
        FLOW_TEST(test_a_queue_without_limit_is_read_on_beside_one_with),
        FLOW_TEST(test_as_many_as_a_poll_shows_and_no_more),
        FLOW_TEST(test_a_slow_server_is_not_overrun),
        FLOW_TEST(test_a_claim_that_lands_late_has_its_place),
        FLOW_TEST(test_what_thousands_behind_a_limit_cost),
        FLOW_TEST(test_claims_during_a_poll_count_against_it),
        FLOW_TEST(test_a_shown_run_that_is_unblocked_has_lost_its_place),
        FLOW_TEST(test_beside_another_worker_only_what_polls_show_is_claimed),
        FLOW_TEST(test_a_worker_that_comes_ends_it),
        FLOW_TEST(test_without_a_look_at_the_workers_polls_decide),
        FLOW_TEST(test_a_look_that_does_not_show_us_is_none),
        FLOW_TEST(test_an_old_look_at_the_workers_does_not_count),
        FLOW_TEST(test_two_workers_never_exceed_a_limit_of_the_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
