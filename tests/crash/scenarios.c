/* scenarios.c - see scenarios.h. */
#include "tests/crash/scenarios.h"

#include <signal.h>

#define FAST_CLOCKS                                                                                          \
    "[timeouts]\ncreate = 9s\nstart = 9s\ninspect = 9s\nremove = 9s\nstop = 9s\nimage = 9s\napi = "          \
    "9s\nreport = "                                                                                          \
    "9s\nresolve = 9s\n"
/* The last change of a launch waits for a commit at most this long. */
#define SAVE_MS 100
#define LIFE_MS MINUTES(60)

static void one_run(struct crash *c)
{
    c->run = world_add_run(c->world);
}

/* ---- furnishing ---- */

static void exits_with_3(struct crash *c)
{
    one_run(c);
    c->world->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = 5000, .exit_code = 3};
}

static void needs_a_pull(struct crash *c)
{
    c->world->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        c->world->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = 4000, .lines = 4});
    one_run(c);
}

static void needs_a_long_pull(struct crash *c)
{
    c->world->flow_variables = "{\"image\":\"etl:2\"}";
    fake_engine_add_registry_image(
        c->world->engine,
        &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(10), .lines = 100});
    one_run(c);
}

/* Its lease would end while the image is pulled. */
static void holds_a_lease(struct crash *c)
{
    struct world *w = c->world;
    fake_engine_add_registry_image(
        w->engine, &(struct fake_registry_image){.image = "etl:2", .took_ms = MINUTES(3), .lines = 100});
    const char *deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = "single",
                                                      .pool = WORLD_POOL,
                                                      .job_variables_json = "{\"image\":\"etl:2\"}",
                                                      .has_limit = true,
                                                      .limit = 1,
                                                      .grace_s = 60});
    c->run = fake_prefect_add_run(w->prefect, &(struct fake_prefect_run){.deployment_id = deployment});
}

static void three_networks(struct crash *c)
{
    c->world->flow_variables = "{\"networks\":[\"bridge\",\"second\",\"third\"]}";
    fake_engine_add_network(c->world->engine, "second");
    fake_engine_add_network(c->world->engine, "third");
    one_run(c);
}

static void runs_until_told(struct crash *c)
{
    c->world->flow = (struct world_flow){.end = FLOW_STAYS_RUNNING, .run_ms = -1};
    one_run(c);
}

static void start_is_refused(struct crash *c)
{
    fake_engine_add_fault(c->world->engine,
                          &(struct fake_fault){.call = FAKE_ENGINE_START,
                                               .nth = -1,
                                               .kind = FAKE_FAULT_STATUS,
                                               .status = 400,
                                               .message = "OCI runtime create failed: exec: \"flow\": "
                                                          "executable file not found in $PATH: unknown"});
    one_run(c);
}

static void auto_remove(struct crash *c)
{
    c->world->flow_variables = "{\"auto_remove\":true}";
    one_run(c);
}

static void lose_claim(struct crash *c)
{
    fake_prefect_fault(c->world->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                       .kind = PREFECT_FAULT_DROP_AFTER});
    one_run(c);
}

static void lose_engine_answer(struct crash *c, enum fake_engine_call call, enum fake_fault_kind kind)
{
    fake_engine_add_fault(c->world->engine, &(struct fake_fault){.call = call, .kind = kind});
    one_run(c);
}

static void lose_create(struct crash *c)
{
    lose_engine_answer(c, FAKE_ENGINE_CREATE, FAKE_FAULT_DROP_AFTER);
}

static void lose_start(struct crash *c)
{
    lose_engine_answer(c, FAKE_ENGINE_START, FAKE_FAULT_DROP_AFTER);
}

static void start_never_lands(struct crash *c)
{
    lose_engine_answer(c, FAKE_ENGINE_START, FAKE_FAULT_DROP_BEFORE);
}

static void start_lands_late(struct crash *c)
{
    lose_engine_answer(c, FAKE_ENGINE_START, FAKE_FAULT_HOLD);
}

static void hold_claim(struct crash *c)
{
    fake_prefect_fault(c->world->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_SET_STATE,
                                                                       .kind = PREFECT_FAULT_HOLD});
    one_run(c);
}

/* ---- meddling ---- */

static void cancel_while_running(struct crash *c)
{
    if (c->acts == 0 && world_state(c->world, c->run) == PREFECT_STATE_RUNNING) {
        fake_prefect_user_cancels(c->world->prefect, c->run);
        c->acts = 1;
    }
}

/* As systemd stops a service: once, while the image is pulled. */
static void stop_while_pulling(struct crash *c)
{
    if (c->acts == 0 && c->pid != 0 && fake_engine_in_flight(c->world->engine, FAKE_ENGINE_PULL) > 0) {
        kill(c->pid, SIGTERM);
        c->acts = 1;
    }
}

static void let_the_deadline_pass(struct crash *c)
{
    if (c->acts == 0 &&
        fake_prefect_had_state(c->world->prefect, c->run, PREFECT_STATE_SCHEDULED, NULL) == 2) {
        fake_engine_add_image(c->world->engine, "etl:2");
        c->acts = 1;
    }
}

/* Another worker takes the run and ends it while our claim is on its way; then the claim lands on it. */
static void finish_it_elsewhere(struct crash *c)
{
    struct world *w = c->world;
    if (c->acts > 0 || fake_prefect_held(w->prefect) == 0)
        return;
    c->acts = 1;
    CHECK(fake_prefect_other_worker_claims(w->prefect, c->run));
    CHECK(fake_prefect_container_runs(w->prefect, c->run));
    CHECK(fake_prefect_container_completes(w->prefect, c->run));
    fake_prefect_release(w->prefect);
}

#define LATE_MS 12000
static void let_it_land(struct crash *c)
{
    struct world *w = c->world;
    if (fake_engine_held(w->engine, FAKE_ENGINE_START) == 0)
        return;
    if (c->acts == 0) {
        c->acts = 1;
        c->acted_ms = w->clock.mono_ms;
    } else if (w->clock.mono_ms - c->acted_ms >= LATE_MS) {
        fake_engine_release(w->engine, FAKE_ENGINE_START);
    }
}

const struct scenario scenarios[] = {
    {"plain success", FAST_CLOCKS, one_run, NULL, PREFECT_STATE_COMPLETED, 1},
    {"nonzero exit", FAST_CLOCKS, exits_with_3, NULL, PREFECT_STATE_CRASHED, 1},
    {"image is pulled", FAST_CLOCKS, needs_a_pull, NULL, PREFECT_STATE_COMPLETED, 1},
    {"lease renewed", FAST_CLOCKS, holds_a_lease, NULL, PREFECT_STATE_COMPLETED, 1},
    {"three networks", FAST_CLOCKS, three_networks, NULL, PREFECT_STATE_COMPLETED, 1},
    {"cancelled while running", FAST_CLOCKS, runs_until_told, cancel_while_running, PREFECT_STATE_CANCELLED,
     1},
    {"start is refused", FAST_CLOCKS, start_is_refused, NULL, PREFECT_STATE_CRASHED, 0},
    {"stopped while pulling", FAST_CLOCKS, needs_a_pull, stop_while_pulling, PREFECT_STATE_COMPLETED, 1},
    {"launch deadline", FAST_CLOCKS "launch_deadline = 2m\n", needs_a_long_pull, let_the_deadline_pass,
     PREFECT_STATE_COMPLETED, 1},
    {"auto_remove", FAST_CLOCKS, auto_remove, NULL, PREFECT_STATE_COMPLETED, 0},
    {"answer to claim lost", FAST_CLOCKS, lose_claim, NULL, PREFECT_STATE_COMPLETED, 1},
    {"answer to create lost", FAST_CLOCKS, lose_create, NULL, PREFECT_STATE_COMPLETED, 1},
    {"answer to start lost", FAST_CLOCKS, lose_start, NULL, PREFECT_STATE_COMPLETED, 1},
    {"start never lands", FAST_CLOCKS, start_never_lands, NULL, PREFECT_STATE_COMPLETED, 1},
    {"start lands late", FAST_CLOCKS, start_lands_late, let_it_land, PREFECT_STATE_COMPLETED, 1},
    {"claim lands on an ended run", FAST_CLOCKS, hold_claim, finish_it_elsewhere, PREFECT_STATE_COMPLETED, 0},
};
const size_t scenario_count = ARRAY_LEN(scenarios);

static void check_ends(const struct scenario *s, struct crash *c)
{
    struct world *w = c->world;
    for (size_t i = 0; i < fake_prefect_run_count(w->prefect); i++)
        if (world_state(w, fake_prefect_run_id(w->prefect, i)) != s->end)
            crash_fail(c, "run %zu has another end than \"%s\" should have", i, s->name);
    if (s->containers >= 0 && fake_engine_container_count(w->engine) != (size_t)s->containers)
        crash_fail(c, "%zu containers are left, not %d", fake_engine_container_count(w->engine),
                   s->containers);
}

static void lead_to_the_end(const struct scenario *scenario, struct crash *c)
{
    int64_t end_ms = c->world->clock.mono_ms + LIFE_MS;
    while (!crash_is_all_over(c)) {
        if (scenario->meddle != NULL)
            scenario->meddle(c);
        if (c->world->clock.mono_ms > end_ms)
            crash_fail(c, "\"%s\" never came to its end", scenario->name);
        crash_step(c);
    }
}

void scenario_live(const struct scenario *scenario, struct crash *c, const struct kill_plan *first,
                   const struct kill_plan *second)
{
    scenario->furnish(c);
    c->next_plan = *first;
    crash_start(c, scenario->config);
    c->next_plan = *second;
    int kills;
    do { /* it may die once more before its last change is saved */
        lead_to_the_end(scenario, c);
        kills = c->kills;
        crash_pass(c, SAVE_MS);
    } while (c->kills != kills);
    check_ends(scenario, c);
    crash_check_end(c);
}
