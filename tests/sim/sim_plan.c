/* sim_plan.c - how each request fares: on its way (sim_net.h) and at the fakes. See sim.h. */
#include "sim.h"

#include <string.h>

/* No server carries out a request longer than this after it was sent; the service counts on 60 s. */
#define LATE_MAX_MS 40000

static struct sim_plan draw_plan(struct sim *sim, bool is_stream)
{
    static const enum sim_fault faults[] = {SIM_FAULT_REFUSED, SIM_FAULT_NO_ANSWER, SIM_FAULT_LOST_BEFORE,
                                            SIM_FAULT_LATE,    SIM_FAULT_LATE,      SIM_FAULT_SLOW,
                                            SIM_FAULT_CUT,     SIM_FAULT_CUT,       SIM_FAULT_CUT,
                                            SIM_FAULT_SILENT,  SIM_FAULT_SILENT};
    struct sim_plan plan = {.fault = faults[sim_draw(sim, ARRAY_LEN(faults))]};
    plan.delay_ms = sim_chance(sim, 50) ? sim_between(sim, 1, 3000) : sim_between(sim, 1, LATE_MAX_MS);
    plan.at_byte = sim_chance(sim, 50) ? 0 : (size_t)sim_between(sim, 0, is_stream ? 8000 : 500);
    return plan;
}

struct sim_plan sim_plan_request(void *arg, const struct sim_request *request)
{
    struct sim *sim = arg;
    struct sim_worker *worker = sim_worker_of(sim, request->http);
    struct sim_plan plan = {.fault = SIM_FAULT_NONE};
    sim_check_sending(sim, worker, request);
    if (!sim->is_healed && sim_chance(sim, sim->weather.net)) {
        sim->result->faults++;
        plan = draw_plan(sim, strstr(request->target, "/events?") != NULL);
    }
    /* The most dangerous of all: a claim that arrives when the run has long been another's. */
    bool is_claim = strstr(request->body, "\"name\":\"Pending\"") != NULL;
    if (!sim->is_healed && is_claim && sim->weather.net > 0 && sim_chance(sim, 4)) {
        plan = (struct sim_plan){.fault = SIM_FAULT_LATE, .delay_ms = sim_between(sim, 5000, LATE_MAX_MS)};
        sim->result->faults++;
    }
    if (sim->story != NULL)
        sim_tell(sim, "%s: %s %.150s %.300s%s%s", worker == NULL ? "starting" : worker->name, request->method,
                 request->target, strstr(request->target, "/create") != NULL ? "" : request->body,
                 plan.fault == SIM_FAULT_NONE ? "" : " -- ",
                 plan.fault == SIM_FAULT_NONE          ? ""
                 : plan.fault == SIM_FAULT_REFUSED     ? "refused"
                 : plan.fault == SIM_FAULT_NO_ANSWER   ? "no connection"
                 : plan.fault == SIM_FAULT_LOST_BEFORE ? "lost before"
                 : plan.fault == SIM_FAULT_LATE        ? "late"
                 : plan.fault == SIM_FAULT_SLOW        ? "slow"
                 : plan.fault == SIM_FAULT_CUT         ? "cut"
                                                       : "silent");
    sim_mix(sim, request->method);
    sim_mix(sim, request->target);
    sim_mix(sim, request->body);
    return plan;
}

static bool spoil_engine(void *arg, int call, const struct fake_container *container,
                         struct fake_fault *fault)
{
    struct sim *sim = arg;
    (void)container;
    static const struct fake_fault faults[] = {
        {.kind = FAKE_FAULT_STATUS, .status = 500, .message = "database is locked"},
        {.kind = FAKE_FAULT_STATUS, .status = 500, .message = "context deadline exceeded"},
        {.kind = FAKE_FAULT_STATUS, .status = 503, .message = "busy"},
        {.kind = FAKE_FAULT_STATUS, .status = 409, .message = "removal of container is already in progress"},
        {.kind = FAKE_FAULT_BODY, .body = "<html>not JSON</html>"},
        {.kind = FAKE_FAULT_BODY, .body = "{\"Id\":"},
        {.kind = FAKE_FAULT_NONE, .delay_ms = 5000}};
    if (sim->is_healed || call == FAKE_ENGINE_PING || !sim_chance(sim, sim->weather.status))
        return false;
    *fault = faults[sim_draw(sim, ARRAY_LEN(faults))];
    if (fault->kind == FAKE_FAULT_NONE)
        fault->delay_ms = sim_between(sim, 1, LATE_MAX_MS / 2);
    sim->result->faults++;
    sim_tell(sim, "the engine spoils %s: %d %s", fake_engine_call_name(call), fault->status,
             fault->message != NULL ? fault->message
             : fault->body != NULL  ? fault->body
                                    : "later");
    return true;
}

static bool spoil_prefect(void *arg, enum fake_prefect_route route, struct fake_prefect_fault *fault)
{
    struct sim *sim = arg;
    static const struct fake_prefect_fault faults[] = {
        {.kind = PREFECT_FAULT_STATUS, .status = 429, .header = "Retry-After: 7"},
        {.kind = PREFECT_FAULT_STATUS, .status = 500},
        {.kind = PREFECT_FAULT_STATUS, .status = 503, .header = "Retry-After: 2"},
        {.kind = PREFECT_FAULT_STATUS, .status = 408},
        {.kind = PREFECT_FAULT_STATUS, .status = 502},
        {.kind = PREFECT_FAULT_STATUS_AFTER, .status = 500},
        {.kind = PREFECT_FAULT_STATUS_AFTER, .status = 504},
        {.kind = PREFECT_FAULT_HTML},
        {.kind = PREFECT_FAULT_HTML, .status = 502},
        {.kind = PREFECT_FAULT_CUT_JSON},
        {.kind = PREFECT_FAULT_DELAY},
        {.kind = PREFECT_FAULT_LATE}};
    if (route == FAKE_PREFECT_SET_STATE && sim_refuse_waits_for_poll(sim)) {
        *fault = (struct fake_prefect_fault){.kind = PREFECT_FAULT_HOLD};
        return true;
    }
    if (sim->is_healed || !sim_chance(sim, sim->weather.status))
        return false;
    *fault = faults[sim_draw(sim, ARRAY_LEN(faults))];
    fault->delay_ms = sim_between(sim, 1, LATE_MAX_MS / 2);
    sim->result->faults++;
    sim_tell(sim, "the server spoils route %d: fault %d, status %d", (int)route, (int)fault->kind,
             fault->status);
    return true;
}

void sim_plan_begin(struct sim *sim)
{
    fake_engine_choose_fault(sim->engine, spoil_engine, sim);
    fake_prefect_choose_fault(sim->prefect, spoil_prefect, sim);
}
