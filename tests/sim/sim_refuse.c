/*
 * sim_refuse.c - claims that the server refuses for a while, and the run stays SCHEDULED, due and offered by
 * each poll: so are runs whose deployment has a limit of 0, or that a rule of the server holds. See sim.h.
 *
 * Often the refusal comes together with the next poll's answer, so that the run is offered again in the very
 * turn in which its last launch ends. Half of the worlds have none of it. What is drawn here comes from a
 * sequence of its own.
 */
#include "sim.h"

#include <string.h>

/* Beside the longest delay of the net (sim_plan.c) within what the service counts on. */
#define WAIT_FOR_POLL_MAX_MS 15000

static uint64_t draw(struct sim *sim, uint64_t below)
{
    return random_splitmix64(&sim->refusals.random_state) % below;
}

static bool chance(struct sim *sim, int percent)
{
    return draw(sim, 100) < (uint64_t)percent;
}

void sim_refuse_draw(struct sim *sim)
{
    static const int percents[] = {0, 0, 10, 40};
    sim->refusals.random_state = sim->seed * 0xa0761d6478bd642fu + 3;
    sim->refusals.percent = percents[draw(sim, ARRAY_LEN(percents))];
}

static void answer_all(struct sim *sim)
{
    timer_cancel(&sim->refusals.timer);
    (void)fake_prefect_release(sim->prefect);
}

static void on_no_poll(void *arg)
{
    answer_all(arg);
}

/* The run whose claim this is; NULL: it is none. */
static struct sim_flow_run *claimed_run(struct sim *sim, const struct sim_request *request)
{
    static const char path[] = "/api/flow_runs/";
    char id[UUID_TEXT_SIZE];
    if (strstr(request->body, "\"name\":\"Pending\"") == NULL ||
        strncmp(request->target, path, strlen(path)) != 0)
        return NULL;
    snprintf(id, sizeof(id), "%s", request->target + strlen(path));
    return sim_find_run(sim, id);
}

static void refuse(struct sim *sim, struct sim_flow_run *run)
{
    enum prefect_outcome outcome = chance(sim, 50) ? PREFECT_OUTCOME_REJECT : PREFECT_OUTCOME_ABORT;
    int64_t span_ms = 1000 + (int64_t)draw(sim, MINUTES(1));
    fake_prefect_refuse_claims(sim->prefect, run->id, outcome, span_ms);
    run->refused_until_ms = sim->mono_ms + span_ms;
    sim->result->faults++;
    sim_tell(sim, "the server refuses claims of %s for %lld ms with %s", run->id, (long long)span_ms,
             outcome == PREFECT_OUTCOME_REJECT ? "REJECT" : "ABORT");
}

void sim_refuse_on_arrival(struct sim *sim, const struct sim_request *request)
{
    struct sim_refusals *r = &sim->refusals;
    r->waits_for_poll = false;
    if (r->percent == 0)
        return;
    if (strstr(request->target, "/get_scheduled_flow_runs") != NULL)
        answer_all(sim);
    struct sim_flow_run *run = claimed_run(sim, request);
    if (run == NULL)
        return;
    bool is_refused = sim->mono_ms < run->refused_until_ms;
    if (!is_refused && !sim->is_healed && chance(sim, r->percent)) {
        refuse(sim, run);
        is_refused = true;
    }
    r->waits_for_poll = is_refused && !sim->is_healed && chance(sim, 50);
}

bool sim_refuse_waits_for_poll(struct sim *sim)
{
    struct sim_refusals *r = &sim->refusals;
    if (!r->waits_for_poll)
        return false;
    r->waits_for_poll = false;
    if (!timer_is_running(&r->timer))
        timer_start(sim->timers, &r->timer, WAIT_FOR_POLL_MAX_MS, on_no_poll, sim);
    return true;
}
