/*
 * sim_control.c - flow control in a world: which limits, rates, rules and policies its workers have, and
 * which runs they concern. See sim.h; what must hold then: sim_control_check.c.
 *
 * Half of the worlds have none of it. What is drawn here comes from a sequence of its own.
 */
#include "sim.h"

#include "tests/fakes/fake_prefect_internal.h"

#include <string.h>

#define SHARED_LIMIT "hosts"
#define TEAMS 3
#define REGIONS 2

/* Sections, and words of the errors that they end. */
struct sim_rules {
    const char *sections;
    const char *ends;
    bool parks; /* instead of reporting Crashed */
};

static const struct sim_rules all_rules[] = {
    {"[rule locked]\nmessage = *database is locked*\naction = retry\ndelay = 3s\n"
     "[rule progress]\nstage = remove, create, start\nstatus = 409\nmessage = *in progress*\nclass = "
     "capacity\n",
     NULL, false},
    {"[rule deadline]\nstage = image, pull, create, network, start\nmessage = *deadline exceeded*\n"
     "max_attempts = 2\nbase = 2s\n",
     "deadline exceeded", false},
    {"[rule busy]\nstage = image, pull, create, network, start\nstatus = 503\nmessage = busy\naction = "
     "fail\n",
     "busy", false},
    {"[rule locked]\nstage = image, pull, create, network, start\nmessage = *database is locked*\n"
     "action = park\n",
     "database is locked", true}};

static uint64_t draw(struct sim *sim, uint64_t below)
{
    return random_splitmix64(&sim->control.random_state) % below;
}

static bool chance(struct sim *sim, int percent)
{
    return draw(sim, 100) < (uint64_t)percent;
}

static int between(struct sim *sim, int first, int last)
{
    int64_t count = (int64_t)last - first + 1;
    return first + (int)draw(sim, (uint64_t)count);
}

static void draw_limits(struct sim *sim)
{
    static const int64_t ageings_ms[] = {0, 0, 1000, 600000};
    struct sim_control *c = &sim->control;
    sim->running_limit = between(sim, 2, 5); /* so that there is a line */
    c->team_limit = between(sim, 1, 3);
    c->region_limit = between(sim, 1, 2);
    c->low_limit = between(sim, 1, sim->running_limit < 3 ? sim->running_limit : 3);
    c->ageing_ms = ageings_ms[draw(sim, ARRAY_LEN(ageings_ms))];
}

static void draw_rates(struct sim *sim)
{
    struct sim_control *c = &sim->control;
    c->starts_per_second = between(sim, 2, 20) / 10.0;
    c->start_burst = between(sim, 1, 4);
    c->low_starts_per_second = c->starts_per_second / 2;
}

static void draw_shared(struct sim *sim)
{
    struct sim_control *c = &sim->control;
    c->shared_limit = between(sim, 1, 4);
    c->shared_decay = between(sim, 2, 10) / 10.0;
    c->shared_fallback = between(sim, 1, 4) / 10.0;
    /* Only where it can always be asked is it known to the token what it allows. */
    if (chance(sim, 50))
        sim->weather.net = sim->weather.status = sim->weather.meddle = 0;
}

void sim_control_draw(struct sim *sim)
{
    struct sim_control *c = &sim->control;
    c->random_state = sim->seed * 0xd1342543de82ef95u + 7;
    if (chance(sim, 50))
        return;
    if (chance(sim, 40))
        draw_limits(sim);
    if (chance(sim, 35)) {
        /* Behind a limit of the pool's what is left hides all that is due after it. */
        bool leaves = chance(sim, 50) && sim->seed % SIM_POOL_LIMITED_EVERY != 0;
        c->late = leaves ? SIM_LATE_IS_LEFT : SIM_LATE_IS_SKIPPED;
        c->late_after_ms = SECONDS(between(sim, 5, 90));
    }
    if (chance(sim, 35))
        c->rules = &all_rules[draw(sim, ARRAY_LEN(all_rules))];
    c->parks = chance(sim, 30);
    /* What is parked waits for a person. */
    c->has_people = c->parks || (c->rules != NULL && c->rules->parks) || chance(sim, 35);
    if (c->parks) { /* what fails too often */
        sim->gives_up = true;
        sim->weather.status = sim->weather.status < 30 ? 30 : sim->weather.status;
    }
    if (chance(sim, 20)) {
        c->hub_pulls = between(sim, 1, 2);
        c->hub_pulls_per_second = between(sim, 1, 10) / 10.0;
    }
    if (chance(sim, 20))
        draw_rates(sim);
    if (chance(sim, 12))
        draw_shared(sim);
}

static void hub_image(int number, char name[static 32])
{
    snprintf(name, 32, SIM_REGISTRY "/flows%d:1", number);
}

void sim_control_furnish(struct sim *sim)
{
    const struct sim_control *c = &sim->control;
    char name[32];
    if (c->shared_limit > 0)
        fake_prefect_add_limit(sim->prefect, SHARED_LIMIT, c->shared_limit, c->shared_decay);
    for (int i = 0; c->hub_pulls > 0 && i < SIM_HUB_IMAGES; i++) {
        hub_image(i, name);
        fake_engine_add_registry_image(
            sim->engine,
            &(struct fake_registry_image){.image = name, .took_ms = 500 + 2000 * (int64_t)i, .lines = 2});
    }
    sim_tell(
        sim,
        "control: team %d, region %d, low %d, ageing %lld ms, late %d after %lld ms, rules \"%s\"%s%s, hub "
        "%d and %.1f/s, starts %.1f/s of %d, shared %d",
        c->team_limit, c->region_limit, c->low_limit, (long long)c->ageing_ms, (int)c->late,
        (long long)c->late_after_ms, c->rules == NULL ? "" : c->rules->sections, c->parks ? ", parks" : "",
        c->has_people ? ", people" : "", c->hub_pulls, c->hub_pulls_per_second, c->starts_per_second,
        c->start_burst, c->shared_limit);
}

/* ---- the configuration ---- */

void sim_control_write_limits(const struct sim *sim, FILE *f)
{
    const struct sim_control *c = &sim->control;
    if (c->team_limit > 0)
        fprintf(f, "running_per = tag:team-* %d\nageing = %lldms\n", c->team_limit, (long long)c->ageing_ms);
    if (c->hub_pulls > 0)
        fprintf(f, "registry_pulls = " SIM_REGISTRY " %d\nregistry_pulls_per_second = *.io %.1f\n",
                c->hub_pulls, c->hub_pulls_per_second);
    if (c->starts_per_second > 0)
        fprintf(f, "starts_per_second = %.3f\nstart_burst = %d\n", c->starts_per_second, c->start_burst);
    if (c->shared_limit > 0)
        fprintf(f, "shared_limit = " SHARED_LIMIT "\nshared_limit_fallback = %.1f\n", c->shared_fallback);
}

static void write_class(const struct sim *sim, FILE *f, const char *name, const char *match)
{
    fprintf(f, "[class %s]\n%s\n%s", name, match, sim->control.parks ? "park = true\n" : "");
}

/* In every second world times are learned, from the little there is: often wrong, never unsafe. In every
 * fourth also silences and the times to connect. */
static void write_learned_clocks(const struct sim *sim, FILE *f)
{
    fprintf(f, "timeout_samples = 2\nstart = auto\nstart_floor = 1s\ncreate%s = auto\ncreate_floor = 1s\n",
            sim->seed % 8 == 0 ? "_inactivity" : "");
    if (sim->seed % 4 == 0)
        fprintf(f, "inactivity_floor = 1s\npull_inactivity = auto\nstop_inactivity = auto\n"
                   "remove_inactivity = auto\nconnect_floor = 1s\ncreate_connect = auto\n"
                   "start_connect = auto\nremove_connect = auto\n");
}

void sim_control_write_sections(const struct sim *sim, FILE *f)
{
    const struct sim_control *c = &sim->control;
    if (c->late != SIM_LATE_RUNS) {
        write_class(sim, f, "periodic", "match_tag = periodic");
        fprintf(f, "when_late = %s\nlate_after = %lldms\n", c->late == SIM_LATE_IS_LEFT ? "leave" : "skip",
                (long long)c->late_after_ms);
    }
    if (c->team_limit > 0) {
        write_class(sim, f, "high", "match_tag = high");
        fprintf(f, "priority = 10\nrunning_per = parameter:region %d\n", c->region_limit);
        write_class(sim, f, "low", "match_tag = low");
        fprintf(f, "priority = -5\nrunning = %d\n", c->low_limit);
        if (c->low_starts_per_second > 0)
            fprintf(f, "starts_per_second = %.3f\n", c->low_starts_per_second);
    }
    if (sim->narrow != NULL) {
        write_class(sim, f, "narrow", "match_deployment = narrow");
        fputs("running = 1\n", f);
    }
    if (c->rules != NULL)
        fputs(c->rules->sections, f);
    if (sim->seed % 2 == 0) {
        write_class(sim, f, "learned", "match_flow = *");
        write_learned_clocks(sim, f);
    } else if (c->parks) {
        write_class(sim, f, "rest", "match_flow = *");
    }
}

bool sim_control_rule_ends(const struct sim *sim, const char *message)
{
    const struct sim_rules *rules = sim->control.rules;
    return rules != NULL && rules->ends != NULL && strstr(message, rules->ends) != NULL;
}

bool sim_control_parks(const struct sim *sim, const char *message)
{
    return sim->control.parks || (sim_control_rule_ends(sim, message) && sim->control.rules->parks);
}

/* ---- runs ---- */

static enum sim_class draw_class(struct sim *sim)
{
    if (sim->control.late != SIM_LATE_RUNS && chance(sim, 40))
        return SIM_CLASS_PERIODIC;
    if (sim->control.team_limit == 0)
        return SIM_CLASS_REST;
    return (enum sim_class)between(sim, SIM_CLASS_HIGH, SIM_CLASS_REST);
}

/* As somebody does who tidies up. Once for each: a launch pulls a second time, and no more. */
static void lose_hub_image(struct sim *sim)
{
    char name[32];
    int number = between(sim, 0, SIM_HUB_IMAGES - 1);
    hub_image(number, name);
    if (sim->control.hub_is_lost[number] || !fake_engine_remove_image(sim->engine, name))
        return;
    sim->control.hub_is_lost[number] = true;
    sim_tell(sim, "the image %s is gone", name);
}

/* Two of three runs are narrow where there are such. */
static const char *deployment_of(const struct sim *sim, int index)
{
    return sim->narrow != NULL && index % 3 != 0 ? sim->narrow : sim->deployment;
}

const char *sim_control_add_run(struct sim *sim, struct sim_flow_run *run, int64_t due_ms)
{
    static const char *const teams[] = {NULL, "team-a", "team-b", "team-c"};
    static const char *const classes[] = {"periodic", "high", "low"};
    const struct sim_control *c = &sim->control;
    struct fake_prefect_run setup = {.deployment_id = deployment_of(sim, sim->runs_added),
                                     .scheduled_at_ms = due_ms};
    const char *tags[3] = {NULL};
    int tag_count = 0;
    char image[32];
    char variables[64];
    char parameters[32];
    run->class_ = draw_class(sim);
    run->team = c->team_limit > 0 ? between(sim, 0, TEAMS) : 0;
    run->region = c->team_limit > 0 ? between(sim, 0, REGIONS) : 0;
    run->image = c->hub_pulls > 0 ? between(sim, -1, SIM_HUB_IMAGES - 1) : -1;
    if (run->image >= 0) {
        hub_image(run->image, image);
        snprintf(variables, sizeof(variables), "{\"image\":\"%s\"}", image);
        setup.job_variables_json = variables;
        lose_hub_image(sim);
    }
    if (run->region > 0) {
        snprintf(parameters, sizeof(parameters), "{\"region\":%d}", run->region);
        setup.parameters_json = parameters;
    }
    if (run->class_ != SIM_CLASS_REST)
        tags[tag_count++] = classes[run->class_];
    if (run->team > 0)
        tags[tag_count++] = teams[run->team];
    setup.tags = tag_count > 0 ? tags : NULL;
    return fake_prefect_add_run(sim->prefect, &setup);
}

bool sim_control_is_late(struct sim *sim, const struct sim_flow_run *run, int64_t wall_ms)
{
    if (sim->control.late == SIM_LATE_RUNS || run->class_ != SIM_CLASS_PERIODIC)
        return false;
    const struct fake_run *r = fake_find_run(sim->prefect, run->id);
    const struct fake_state *state = r == NULL ? NULL : fake_present_state(r);
    return state != NULL && state->type == PREFECT_STATE_SCHEDULED &&
           wall_ms - state->scheduled_at_ms > sim->control.late_after_ms;
}

bool sim_control_is_left(struct sim *sim, const struct sim_flow_run *run)
{
    return sim->control.late == SIM_LATE_IS_LEFT && sim_control_is_late(sim, run, sim->wall_ms);
}
