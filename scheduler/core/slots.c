#include "core/slots.h"

#include <stddef.h>

static void add(struct slots *slots, const struct run *run, int64_t sign)
{
    if (run == NULL)
        return;
    slots->running += run_holds_running_slot(run) ? sign : 0;
    slots->launching += run_holds_launch_slot(run) ? sign : 0;
    slots->starting += run_holds_start_slot(run) ? sign : 0;
    slots->announcing += run->state == RUN_STATE_ANNOUNCING && run->pending != RUN_ACTION_NONE ? sign : 0;
    slots->stopping += run_holds_stop_slot(run) ? sign : 0;
    slots->claim_ahead += run_is_claim_ahead(run) ? sign : 0;
    slots->pulling += run->state == RUN_STATE_PULLING ? sign : 0;
    slots->claiming += run->pending == RUN_ACTION_CLAIM ? sign : 0;
    slots->queued += run->state == RUN_STATE_QUEUED && !run->has_claim ? sign : 0;
}

void slots_change(struct slots *slots, const struct run *before, const struct run *after)
{
    add(slots, before, -1);
    add(slots, after, 1);
}

bool slots_equal(const struct slots *a, const struct slots *b)
{
    return a->running == b->running && a->launching == b->launching && a->claim_ahead == b->claim_ahead &&
           a->claiming == b->claiming && a->pulling == b->pulling && a->stopping == b->stopping &&
           a->queued == b->queued && a->starting == b->starting && a->announcing == b->announcing;
}
