/*
 * test_flow_guards.c - what a dependency that is ill, or gone, is asked: retries within its budget, probes
 * while its breaker is open, and everybody goes on soon after it is back.
 */
#include "tests/flow/world.h"

#define SECONDS_MAX 3600
#define SEEN_MAX 8192

/* Fails so many of a hundred calls, all routes alike. */
struct illness {
    struct fake_clock *clock;
    uint64_t random_state;
    uint64_t percent;
    int64_t calls; /* that it was asked about */
    int64_t by_second[SECONDS_MAX];
    int64_t began_ms;
    /* Of a server: */
    struct fake_prefect *prefect;
    uint64_t seen[SEEN_MAX];      /* hashes of the proposals and announcements that came */
    int64_t retries[SECONDS_MAX]; /* those that came once more, by second */
};

static size_t second_of(const struct illness *ill)
{
    int64_t second = (ill->clock->mono_ms - ill->began_ms) / 1000;
    CHECK(second >= 0 && second < SECONDS_MAX);
    return (size_t)second;
}

/* The very same request again is a retry: a claim carries its own transition id. */
static void note_request(struct illness *ill, const char *request)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char *c = request; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    size_t i = (size_t)(hash % SEEN_MAX);
    while (ill->seen[i] != 0 && ill->seen[i] != hash)
        i = (i + 1) % SEEN_MAX;
    ill->retries[second_of(ill)] += ill->seen[i] == hash ? 1 : 0;
    ill->seen[i] = hash;
}

static bool is_struck(struct illness *ill)
{
    ill->calls++;
    ill->by_second[second_of(ill)]++;
    return random_splitmix64(&ill->random_state) % 100 < ill->percent;
}

static bool prefect_is_ill(void *arg, enum fake_prefect_route route, struct fake_prefect_fault *fault)
{
    struct illness *ill = arg;
    if (route == FAKE_PREFECT_SET_STATE || route == FAKE_PREFECT_PATCH_RUN)
        note_request(ill, fake_prefect_last_request(ill->prefect));
    *fault = (struct fake_prefect_fault){.kind = PREFECT_FAULT_STATUS, .status = 503};
    return is_struck(arg);
}

static bool prefect_drops(void *arg, enum fake_prefect_route route, struct fake_prefect_fault *fault)
{
    (void)route;
    *fault = (struct fake_prefect_fault){.kind = PREFECT_FAULT_DROP_BEFORE};
    return is_struck(arg);
}

static bool engine_drops(void *arg, int call, const struct fake_container *container,
                         struct fake_fault *fault)
{
    (void)call;
    (void)container;
    *fault = (struct fake_fault){.kind = FAKE_FAULT_DROP_BEFORE};
    return is_struck(arg);
}

static void fall_ill(struct illness *ill, struct world *w, uint64_t percent)
{
    *ill = (struct illness){.clock = &w->clock,
                            .random_state = 7,
                            .percent = percent,
                            .began_ms = w->clock.mono_ms,
                            .prefect = w->prefect};
}

/* Most calls in one second, from so many seconds after the begin. */
static int64_t busiest_second(const struct illness *ill, size_t from)
{
    int64_t most = 0;
    for (size_t i = from; i < ARRAY_LEN(ill->by_second); i++)
        most = ill->by_second[i] > most ? ill->by_second[i] : most;
    return most;
}

/* ---- the budget ---- */

static int64_t sum(const int64_t *by_second, size_t from, size_t to)
{
    int64_t total = 0;
    for (size_t i = from; i < to; i++)
        total += by_second[i];
    return total;
}

static void test_a_server_that_fails_half_of_it_sees_a_tenth_more(void **state)
{
    struct world *w = *state;
    enum { RUNS = 300 };
    static struct illness ill;
    for (size_t i = 0; i < RUNS; i++)
        world_add_run(w);
    world_start(w, "[limits]\nlaunching = 20\n");
    fall_ill(&ill, w, 50);
    fake_prefect_choose_fault(w->prefect, prefect_is_ill, &ill);
    UNTIL(w, MINUTES(60), world_count(w, PREFECT_STATE_COMPLETED) == RUNS && world_launches(w) == 0);
    size_t end = second_of(&ill);
    int64_t most = 0;
    for (size_t i = 0; i + 60 <= end; i++) {
        int64_t retries = sum(ill.retries, i, i + 60);
        int64_t first = sum(ill.by_second, i > 0 ? i - 1 : 0, i + 60) - retries;
        most = retries > most ? retries : most;
        /* A tenth, and the floor of a minute and of the second that the window cuts. */
        assert_true(retries <= first / 10 + 60 + 10);
    }
    print_message(
        "every second call of %d runs answered 503: all well after %d s, %d calls, %d of them retries, "
        "%d in the minute with most\n",
        RUNS, (int)end, (int)ill.calls, (int)sum(ill.retries, 0, end), (int)most);
    assert_int_equal(fake_engine_starts(w->engine, NULL), RUNS);
}

static void test_who_waits_for_a_retry_says_so_and_loses_no_attempt(void **state)
{
    struct world *w = *state;
    enum { RUNS = 30 };
    for (size_t i = 0; i < RUNS; i++)
        world_add_run(w);
    fake_engine_add_fault(w->engine, &(struct fake_fault){.call = FAKE_ENGINE_CREATE,
                                                          .nth = -1,
                                                          .kind = FAKE_FAULT_STATUS,
                                                          .status = 500,
                                                          .message = "database is locked"});
    world_start(w, "[limits]\nlaunching = 20\n[retry]\nmax_attempts = 20\n");
    UNTIL(w, SECONDS(30),
          world_number(
              w, "SELECT count(*) FROM queue WHERE waits_for LIKE 'retry budget of engine until 2%Z'") > 10);
    int before = fake_engine_calls(w->engine, FAKE_ENGINE_CREATE);
    world_pass(w, SECONDS(60));
    int retries = fake_engine_calls(w->engine, FAKE_ENGINE_CREATE) - before;
    print_message("30 creates that keep failing: %d more in 60 s\n", retries);
    assert_in_range(retries, 40, 70); /* the floor: ten in ten seconds */
    assert_int_equal(world_number(w, "SELECT max(attempt) <= (SELECT count(*) FROM attempt_rows WHERE "
                                     "stage = 'create') / 30 + 3 FROM launches"),
                     1);
    fake_engine_clear_faults(w->engine);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == RUNS && world_launches(w) == 0);
}

/* ---- the breaker ---- */

/* So many runs whose containers have ended, which nobody could look at yet. */
static void test_a_thousand_wait_for_an_engine_that_is_gone(void **state)
{
    struct world *w = *state;
    enum { RUNS = 1000 };
    static struct illness ill;
    for (size_t i = 0; i < RUNS; i++)
        world_add_run(w);
    w->flow = (struct world_flow){.run_ms = -1};
    world_start(w, "[limits]\nlaunching = 50\n");
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_RUNNING) == RUNS);
    fall_ill(&ill, w, 100);
    fake_engine_choose_fault(w->engine, engine_drops, &ill);
    for (size_t i = 0; i < RUNS; i++) /* the stream tells, and no look is answered */
        fake_engine_exit(w->engine, fake_engine_container_at(w->engine, i)->id, 3);
    world_pass(w, SECONDS(2));
    fake_engine_go_down(w->engine, false, false);
    fake_engine_come_up(w->engine);
    world_pass(w, MINUTES(10));
    print_message(
        "%d runs to look at and the engine gone for 10 minutes: %d calls, %d in the busiest second\n", RUNS,
        (int)sum(ill.by_second, 10, SECONDS_MAX), (int)busiest_second(&ill, 10));
    assert_true(busiest_second(&ill, 10) <= 1);
    assert_int_equal(world_number(w, "SELECT count(*) FROM launches WHERE state = 'RUNNING'"), RUNS);
    assert_int_equal(world_number(w,
                                  "SELECT count(*) FROM limits WHERE kind = 'breaker' AND learned_value = 1 "
                                  "AND learned_from LIKE 'engine: open, nobody answers since 2%'"),
                     1);
    fake_engine_choose_fault(w->engine, NULL, NULL);
    int64_t back_ms = w->clock.mono_ms;
    UNTIL(w, SECONDS(10), world_number(w, "SELECT count(*) FROM launches WHERE state = 'RUNNING'") == 0);
    print_message("all looked at %d ms after it is back\n", (int)(w->clock.mono_ms - back_ms));
    UNTIL(w, SECONDS(60), world_count(w, PREFECT_STATE_CRASHED) == RUNS && world_launches(w) == 0);
}

static void test_hundreds_wait_for_a_server_that_is_gone(void **state)
{
    struct world *w = *state;
    enum { RUNS = 300 };
    static struct illness ill;
    for (size_t i = 0; i < RUNS; i++)
        world_add_run(w);
    w->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    world_start(w, "[limits]\nlaunching = 50\n");
    UNTIL(w, MINUTES(10), world_count(w, PREFECT_STATE_RUNNING) == RUNS);
    fall_ill(&ill, w, 100);
    fake_prefect_choose_fault(w->prefect, prefect_drops, &ill);
    for (size_t i = 0; i < RUNS; i++)
        fake_engine_exit(w->engine, fake_engine_container_at(w->engine, i)->id, 3);
    world_pass(w, MINUTES(10));
    print_message(
        "%d runs to report and the server gone for 10 minutes: %d calls, %d in the busiest second\n", RUNS,
        (int)sum(ill.by_second, 10, SECONDS_MAX), (int)busiest_second(&ill, 10));
    assert_true(busiest_second(&ill, 10) <= 1);
    assert_int_equal(world_number(w,
                                  "SELECT count(*) FROM limits WHERE kind = 'breaker' AND learned_value = 1 "
                                  "AND learned_from LIKE 'prefect: open, nobody answers since 2%'"),
                     1);
    fake_prefect_choose_fault(w->prefect, NULL, NULL);
    UNTIL(w, SECONDS(10), world_count(w, PREFECT_STATE_CRASHED) == RUNS);
    UNTIL(w, SECONDS(30),
          world_number(w, "SELECT count(*) FROM limits WHERE kind = 'breaker' AND "
                          "learned_value = 0 AND learned_from LIKE 'prefect: closed since 2%'") == 1);
}

/* It answers, and says no to everybody. */
static void test_a_server_that_throttles_everybody_is_left_alone(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++)
        world_add_run(w);
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), fake_engine_starts(w->engine, NULL) == 20);
    fake_prefect_fault(
        w->prefect, &(struct fake_prefect_fault){
                        .route = FAKE_PREFECT_ANY, .times = -1, .kind = PREFECT_FAULT_STATUS, .status = 429});
    for (size_t i = 0; i < 20; i++)
        world_add_run(w);
    world_pass(w, SECONDS(40));
    int before = fake_prefect_calls(w->prefect, FAKE_PREFECT_ANY);
    world_pass(w, SECONDS(60));
    assert_true(fake_prefect_calls(w->prefect, FAKE_PREFECT_ANY) - before <= 60);
    assert_int_equal(world_number(w,
                                  "SELECT count(*) FROM limits WHERE kind = 'breaker' AND learned_from LIKE "
                                  "'prefect: open, it refuses since%'"),
                     1);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == 40);
}

/* A restart begins with the question whether it is back, and with nothing else. */
static void test_a_restart_keeps_an_open_breaker_open(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < 5; i++)
        world_add_run(w);
    w->flow = (struct world_flow){.run_ms = SECONDS(30)};
    world_start(w, NULL);
    UNTIL(w, SECONDS(20), world_count(w, PREFECT_STATE_RUNNING) == 5);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_ANY,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_DROP_BEFORE});
    world_pass(w, MINUTES(2));
    world_crash(w);
    int before = fake_prefect_calls(w->prefect, FAKE_PREFECT_ANY);
    world_start(w, NULL);
    assert_int_equal(world_logged(w, "the breaker was open when we stopped"), 1);
    world_pass(w, SECONDS(10));
    int calls = fake_prefect_calls(w->prefect, FAKE_PREFECT_ANY) - before;
    print_message("restart beside a server that is gone: %d calls in 10 s\n", calls);
    assert_in_range(calls, 3, 10);
    fake_prefect_clear_faults(w->prefect);
    UNTIL(w, SECONDS(10), world_logged(w, "Prefect is back") == 1);
    UNTIL(w, MINUTES(2), world_count(w, PREFECT_STATE_COMPLETED) == 5 && world_launches(w) == 0);
}

/* ---- registries ---- */

#define ILL_IMAGE "ill.example:5000/team/a:1"
#define ILL_IMAGE_HERE "ill.example:5000/team/c:1"
#define WELL_IMAGE "well.example/team/b:1"

static void throttle(struct world *w, const char *image)
{
    fake_engine_add_registry_image(
        w->engine,
        &(struct fake_registry_image){.image = image,
                                      .status = 500,
                                      .message = "toomanyrequests: You have reached your pull rate limit"});
}

/* Found by fuzz_texts: two parts of us read the registry differently. */
static void test_names_of_one_registry_share_its_breaker(void **state)
{
    struct world *w = *state;
    static const char *const images[] = {"index.docker.io/team/a:1", "index.docker.io/team/b:1", "team/c:1"};
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        char *AUTO_FREE variables = check_printf("{\"image\":\"%s\"}", images[i]);
        throttle(w, images[i]);
        w->flow_variables = variables;
        (void)world_add_run(w);
        w->flow_variables = NULL;
    }
    world_start(w, "[retry]\nmax_attempts = 10\n");
    UNTIL(w, SECONDS(60),
          world_number(w, "SELECT count(*) FROM limits WHERE kind = 'breaker' "
                          "AND learned_from LIKE 'registry docker.io: open%'") == 1);
    UNTIL(w, SECONDS(10),
          world_number(w, "SELECT count(*) FROM queue WHERE waits_for = 'breaker of registry docker.io'") ==
              3);
}

static void test_a_registry_that_throttles_holds_up_its_own_images_only(void **state)
{
    struct world *w = *state;
    enum { EACH = 8 };
    const char *ill[EACH];
    const char *well[EACH];
    throttle(w, ILL_IMAGE);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = WELL_IMAGE, .took_ms = 2000, .lines = 4});
    for (int i = 0; i < EACH; i++) {
        w->flow_variables = "{\"image\":\"" ILL_IMAGE "\"}";
        ill[i] = world_add_run(w);
        w->flow_variables = "{\"image\":\"" WELL_IMAGE "\"}";
        well[i] = world_add_run(w);
    }
    world_start(w, "[limits]\nlaunching = 20\n[retry]\nmax_attempts = 10\n");
    UNTIL(w, SECONDS(20), world_count(w, PREFECT_STATE_COMPLETED) == EACH);
    for (int i = 0; i < EACH; i++)
        assert_int_equal(world_state(w, well[i]), PREFECT_STATE_COMPLETED);
    UNTIL(w, SECONDS(30),
          world_number(w, "SELECT count(*) FROM limits WHERE kind = 'breaker' AND learned_value = 1 "
                          "AND learned_from LIKE 'registry ill.example:5000: open%'") == 1);
    int before = fake_engine_calls(w->engine, FAKE_ENGINE_PULL);
    UNTIL(w, SECONDS(10),
          world_number(w, "SELECT count(*) FROM queue WHERE waits_for = "
                          "'breaker of registry ill.example:5000'") > 0);
    world_pass(w, SECONDS(60));
    int pulls = fake_engine_calls(w->engine, FAKE_ENGINE_PULL) - before;
    print_message("a registry that throttles: %d pulls in a minute\n", pulls);
    assert_in_range(pulls, 5, 60);
    assert_int_equal(world_count(w, PREFECT_STATE_CRASHED), 0);
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = ILL_IMAGE, .took_ms = 2000, .lines = 4});
    UNTIL(w, SECONDS(60), world_count(w, PREFECT_STATE_COMPLETED) == 2 * EACH);
    assert_int_equal(world_times_run(w, ill[0]), 1);
}

/* Who may do without the pull doesn't wait for the registry. */
static void test_behind_an_open_breaker_an_image_that_is_here_will_do(void **state)
{
    struct world *w = *state;
    throttle(w, ILL_IMAGE);
    throttle(w, ILL_IMAGE_HERE);
    fake_engine_add_image(w->engine, ILL_IMAGE_HERE);
    w->flow_variables = "{\"image\":\"" ILL_IMAGE "\"}";
    for (int i = 0; i < 4; i++)
        world_add_run(w);
    world_start(w, "[limits]\npulls = 1\n");
    UNTIL(w, SECONDS(30),
          world_number(w, "SELECT count(*) FROM limits WHERE kind = 'breaker' AND learned_value = 1") == 1);
    w->flow_variables = "{\"image\":\"" ILL_IMAGE_HERE "\",\"image_pull_policy\":\"IfPossible\"}";
    for (int i = 0; i < 10; i++)
        world_add_run(w);
    UNTIL(w, SECONDS(30), world_count(w, PREFECT_STATE_COMPLETED) == 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FLOW_TEST(test_a_server_that_fails_half_of_it_sees_a_tenth_more),
        FLOW_TEST(test_who_waits_for_a_retry_says_so_and_loses_no_attempt),
        FLOW_TEST(test_a_thousand_wait_for_an_engine_that_is_gone),
        FLOW_TEST(test_hundreds_wait_for_a_server_that_is_gone),
        FLOW_TEST(test_a_server_that_throttles_everybody_is_left_alone),
        FLOW_TEST(test_a_restart_keeps_an_open_breaker_open),
        FLOW_TEST(test_names_of_one_registry_share_its_breaker),
        FLOW_TEST(test_a_registry_that_throttles_holds_up_its_own_images_only),
        FLOW_TEST(test_behind_an_open_breaker_an_image_that_is_here_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
