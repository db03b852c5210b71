#include "watch.h"

/* A look of its own is due later; a cancel brings it forward. */
static bool waits_to_look(const struct run *run)
{
    bool looks = run->state == RUN_STATE_CLAIMING || run->state == RUN_STATE_HANDING_BACK ||
                 run->state == RUN_STATE_REPORTING;
    return looks && run->next_try_at_ms != 0;
}

bool run_is_watched(const struct run *run)
{
    bool is_kept = run->state == RUN_STATE_PARKED || run->state == RUN_STATE_QUEUED;
    bool is_underway = run->state >= RUN_STATE_SUBMITTING && run->state <= RUN_STATE_CLEARING;
    return run->has_claim && !run->cancel_wanted && (is_kept || is_underway || waits_to_look(run));
}

int64_t watch_period_ms(const struct run *run)
{
    bool is_launching = run->state >= RUN_STATE_CLAIMING && run->state <= RUN_STATE_STARTING;
    return is_launching || waits_to_look(run) ? WATCH_LAUNCHING_MS : WATCH_RUNNING_MS;
}

bool run_heeds(const struct run *run, enum prefect_state_type type, enum run_event_kind *kind)
{
    *kind = RUN_EVENT_CANCEL;
    if (waits_to_look(run))
        return type == PREFECT_STATE_CANCELLING; /* all else can wait for that look */
    switch (type) {
    case PREFECT_STATE_CANCELLING:
    case PREFECT_STATE_CANCELLED:
        return true;
    case PREFECT_STATE_COMPLETED:
    case PREFECT_STATE_FAILED:
    case PREFECT_STATE_CRASHED:
        *kind = RUN_EVENT_SEEN_OVER;
        return !run->is_over;
    case PREFECT_STATE_SCHEDULED:
    case PREFECT_STATE_RUNNING:
    case PREFECT_STATE_PAUSED:
        if (run->state == RUN_STATE_PARKED) {
            *kind = RUN_EVENT_SEEN_ELSEWHERE;
            return true;
        }
        *kind = RUN_EVENT_SEEN_ALIVE;
        return run->is_over;
    case PREFECT_STATE_PENDING:
    case PREFECT_STATE_UNKNOWN:
        *kind = RUN_EVENT_SEEN_ALIVE;
        return run->is_over;
    }
    return false;
}
