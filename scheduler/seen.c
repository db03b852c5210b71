#include "seen.h"

/* The queued launch of the flow run; NULL: there is none. */
static struct live *queued(const struct runner *runner, const char *flow_run_id)
{
    struct live *live = runner_find_flow_run(runner, flow_run_id);
    return live != NULL && live->launch->run.state == RUN_STATE_QUEUED ? live : NULL;
}

bool seen_is_claimable(const struct prefect_run *run)
{
    return run->state_type == PREFECT_STATE_SCHEDULED && !run->retries_in_process;
}

void seen_note(struct runner *runner, const struct prefect_run *run, int64_t began_ms, uint64_t generation)
{
    struct live *live = queued(runner, run->id);
    if (live == NULL)
        return;
    if (began_ms > live->seen_mono_ms) {
        live->seen_mono_ms = began_ms;
        runner_follow_schedule(runner, live, run->expected_start_ms);
    }
    if (generation != 0)
        live->seen_generation = generation;
}

void seen_by_id(struct runner *runner, char (*ids)[UUID_TEXT_SIZE], size_t count,
                const struct prefect_reply *reply, int64_t began_ms)
{
    for (size_t i = 0; i < reply->count; i++)
        if (seen_is_claimable(&reply->runs[i]))
            seen_note(runner, &reply->runs[i], began_ms, 0);
    for (size_t i = 0; i < count; i++) {
        struct live *live = queued(runner, ids[i]);
        if (live != NULL && !live->launch->run.has_claim && live->seen_mono_ms < began_ms)
            runner_feed_kind(runner, live, RUN_EVENT_SEEN_ELSEWHERE);
    }
}
