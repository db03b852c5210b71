#include "core/lease.h"

/* A third of the shortest first lease that a server can be set to, 30 s: what is launched sooner costs no
 * call. */
#define FIRST_MS 10000
#define AGAIN_MS (LEASE_DURATION_MS / 3)
#define RETRY_MS 5000

bool lease_is_ours(const struct run *run, bool is_running_at_server)
{
    if (!run->has_claim || is_running_at_server)
        return false;
    switch (run->state) {
    case RUN_STATE_RESTORING:
    case RUN_STATE_REMOVING:
    case RUN_STATE_FINISHED:
        return false;
    case RUN_STATE_QUEUED:
    case RUN_STATE_CLAIMING:
    case RUN_STATE_SUBMITTING:
    case RUN_STATE_RESOLVING:
    case RUN_STATE_PULLING:
    case RUN_STATE_READY:
    case RUN_STATE_CREATING:
    case RUN_STATE_CONNECTING:
    case RUN_STATE_ANNOUNCING:
    case RUN_STATE_STARTING:
    case RUN_STATE_RUNNING:
    case RUN_STATE_STOPPING:
    case RUN_STATE_CLEARING:
    case RUN_STATE_REPORTING:
    case RUN_STATE_HANDING_BACK:
    case RUN_STATE_PARKED:
        return true;
    }
    return false;
}

bool lease_is_due(const struct lease_times *times)
{
    if (times->failed_ago_ms >= 0)
        return times->failed_ago_ms >= RETRY_MS;
    if (times->renewed_ago_ms >= 0)
        return times->renewed_ago_ms >= AGAIN_MS;
    return times->claimed_ago_ms >= FIRST_MS || times->claimed_ago_ms < 0; /* or the clock jumped back */
}
