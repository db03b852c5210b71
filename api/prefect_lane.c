/*
 * prefect_lane.c - who goes first: calls that can wait let those go before them on which a launch waits.
 *
 * While runs are being launched the server is the narrow place: a claim costs it 30 ms of a core, a report
 * 40, labels 18. So labels, looks at ended runs, their reports and telemetry go when nothing urgent is out, a
 * few at a time; each after PATIENCE_MS at the latest, so that a launch storm without end starves nobody.
 * Order among them is kept. Does not judge which call is which: prefect_ask.can_wait says it.
 */
#include "api/prefect_internal.h"

/* Longest wait for others. */
#define PATIENCE_MS 10000
/* Patient calls that are out at once while nothing urgent is. */
#define PATIENT_OUT_MAX 4

void prefect_lane_init(struct prefect *p)
{
    list_init(&p->lane.patient);
}

void prefect_lane_done(struct prefect *p)
{
    timer_cancel(&p->lane.timer);
}

/* Nothing is in the way of one more. */
static bool is_free(const struct prefect_lane *lane)
{
    return lane->is_in_hurry || (lane->urgent_count == 0 && lane->patient_out < PATIENT_OUT_MAX);
}

static struct prefect_call *oldest(const struct prefect_lane *lane)
{
    return LIST_ITEM(lane->patient.next, struct prefect_call, lane_link);
}

static int64_t patience_left_ms(const struct prefect_call *call)
{
    return call->started_mono_ms + PATIENCE_MS - prefect_mono_ms(call->prefect);
}

static void on_timer(void *arg);

/* Let go who may. A call that is let go can fail at once and end others, so the list is looked at anew. */
static void run(struct prefect *p)
{
    struct prefect_lane *lane = &p->lane;
    while (!list_is_empty(&lane->patient)) {
        struct prefect_call *call = oldest(lane);
        if (!is_free(lane) && patience_left_ms(call) > 0)
            break;
        list_remove(&call->lane_link);
        call->is_patient = false;
        call->started_mono_ms = prefect_mono_ms(p);
        lane->patient_out++;
        prefect_call_go_late(call);
    }
    if (list_is_empty(&lane->patient))
        timer_cancel(&lane->timer);
    else
        timer_start(p->timers, &lane->timer, patience_left_ms(oldest(lane)), on_timer, p);
}

static void on_timer(void *arg)
{
    run(arg);
}

bool prefect_lane_enter(struct prefect_call *call)
{
    struct prefect *p = call->prefect;
    struct prefect_lane *lane = &p->lane;
    if (!call->ask.can_wait) {
        lane->urgent_count++;
        return true;
    }
    if (is_free(lane) && list_is_empty(&lane->patient)) {
        lane->patient_out++;
        return true;
    }
    call->is_patient = true;
    list_add_last(&lane->patient, &call->lane_link);
    if (!timer_is_running(&lane->timer))
        timer_start(p->timers, &lane->timer, PATIENCE_MS, on_timer, p);
    return false;
}

void prefect_lane_leave(struct prefect_call *call)
{
    struct prefect *p = call->prefect;
    struct prefect_lane *lane = &p->lane;
    list_remove(&call->lane_link);
    if (!call->ask.can_wait)
        lane->urgent_count--;
    else if (!call->is_patient)
        lane->patient_out--;
    /* What is over may be followed by something urgent within its callback; and we may be in the middle of
     * freeing: the next turn lets others go. */
    if (!list_is_empty(&lane->patient) && is_free(lane))
        timer_start(p->timers, &lane->timer, 0, on_timer, p);
}

void prefect_hurry(struct prefect *p)
{
    p->lane.is_in_hurry = true;
    run(p);
}
