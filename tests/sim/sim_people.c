/*
 * sim_people.c - people who talk to workers over the admin socket: pause, resume, drain, and what becomes of
 * parked runs. See sim.h.
 *
 * They are told whether it was done, and count on that. Once all is well they pause nothing any more, and
 * look after what they have paused and what is parked.
 */
#include "sim.h"

#include "admin.h"

#include <string.h>

#define LOOK_MAX_MS 30000

/* True: done. *is_open: it could not be written down, so that nobody knows. */
static bool ask(struct sim_worker *w, const char *command, const char *run, bool *is_open)
{
    bool stays = false;
    char *AUTO_FREE request = check_printf("{\"command\":\"%s\",\"run\":\"%s\"}", command, run);
    char *AUTO_FREE answer = admin_answer(w->service, request, &stays);
    bool is_done = strstr(answer, "\"ok\":true") != NULL;
    *is_open = !is_done && strstr(answer, "drain") == NULL && strstr(answer, "stopping") == NULL;
    sim_tell(w->sim, "a person asks %s to %s %s: %.300s", w->name, command, run, answer);
    sim_mix(w->sim, answer);
    return is_done;
}

static void set_pause(struct sim_worker *w, bool pauses)
{
    bool is_open;
    if (ask(w, pauses ? "pause" : "resume", "", &is_open))
        w->is_paused = pauses;
    else if (is_open)
        w->is_pause_open = true;
}

static void settle_parked(struct sim_worker *w)
{
    struct sim *sim = w->sim;
    bool is_open;
    for (size_t i = 0; i < sim->row_count; i++) {
        struct sim_row *row = &sim->rows[i];
        if (row->worker != w || !row->is_committed || row->launch.run.state != RUN_STATE_PARKED ||
            sim_chance(sim, 50))
            continue;
        bool gives_up = sim_chance(sim, 30);
        if (ask(w, gives_up ? "discard" : "retry", row->launch.flow_run_id, &is_open) && gives_up)
            row->was_discarded = true;
    }
}

static void look_after(struct sim_worker *w)
{
    struct sim *sim = w->sim;
    bool is_open;
    settle_parked(w);
    if (w->is_paused && (sim->is_healed || sim_chance(sim, 40)))
        set_pause(w, false);
    else if (!sim->is_healed && sim_chance(sim, 10))
        set_pause(w, true);
    else if (!sim->is_healed && sim_chance(sim, 3))
        (void)ask(w, "drain", "", &is_open);
}

static void on_look(void *arg)
{
    struct sim *sim = arg;
    for (int i = 0; i < sim->worker_count; i++)
        if (sim->workers[i].service != NULL && !sim->workers[i].has_ended)
            look_after(&sim->workers[i]);
    timer_start(sim->timers, &sim->people_timer, sim_between(sim, 1, LOOK_MAX_MS), on_look, sim);
}

void sim_people_begin(struct sim *sim)
{
    if (sim->control.has_people)
        timer_start(sim->timers, &sim->people_timer, sim_between(sim, 1, LOOK_MAX_MS), on_look, sim);
}
