#include "history.h"

#include <string.h>

bool history_is_state_of(const struct prefect_state *state, const char *transition_id)
{
    return state->type == PREFECT_STATE_PENDING && transition_id[0] != '\0' &&
           strcmp(state->transition_id, transition_id) == 0;
}

static bool is_late_mark(const struct prefect_state *s)
{
    return s->type == PREFECT_STATE_SCHEDULED && strcmp(s->name, "Late") == 0;
}

static bool is_hand_back(const struct prefect_state *s, const char *transition_id)
{
    return s->type == PREFECT_STATE_SCHEDULED && transition_id[0] != '\0' &&
           strcmp(s->transition_id, transition_id) == 0;
}

struct history history_read(const struct prefect_state *states, size_t count, const struct history_ids *ids)
{
    struct history h = {0};
    const struct prefect_state *ended = NULL;
    const struct prefect_state *scheduled = NULL; /* after our claim, and claimed by nobody since */
    for (size_t i = 0; i < count; i++) {
        const struct prefect_state *s = &states[i];
        if (is_late_mark(s))
            continue;
        bool is_claim = history_is_state_of(s, ids->claim);
        h.ends_with_cancel_of_ours = s->type == PREFECT_STATE_CANCELLING && h.ends_with_ours;
        h.ends_with_ours = is_claim || history_is_state_of(s, ids->submitting);
        if (is_claim) {
            h.is_ours = h.was_ours = true;
            h.latest = s;
            h.overwritten = ended;
            scheduled = NULL;
        } else if (h.ends_with_ours) {
            h.overwritten = scheduled != NULL ? scheduled : ended;
            if (h.is_ours)
                h.latest = s;
        } else if (s->type == PREFECT_STATE_PENDING && ended != NULL) {
            /* Another's proposal that landed late: it has taken nothing, and whoever is on top puts the end
             * back.
             */
            h.is_ours = false;
        } else if (s->type == PREFECT_STATE_SCHEDULED || s->type == PREFECT_STATE_PENDING) {
            scheduled = h.was_ours && s->type == PREFECT_STATE_SCHEDULED ? s : NULL;
            ended = NULL;
            h.is_ours = false;
        } else if (s->type == PREFECT_STATE_CANCELLING && scheduled != NULL) {
            h.is_ours = h.is_ours || is_hand_back(scheduled, ids->hand_back);
        } else if (s->type == PREFECT_STATE_RUNNING) {
            ended = NULL; /* somebody has taken it all the same */
        } else if (prefect_state_type_is_final(s->type)) {
            ended = s;
        }
    }
    return h;
}

bool history_was_cancelled_unclaimed(const struct prefect_state *states, size_t count)
{
    if (count == 0 || states[count - 1].type != PREFECT_STATE_CANCELLING)
        return false;
    size_t before = count - 1;
    while (before > 0 && is_late_mark(&states[before - 1]))
        before--;
    return before > 0 && states[before - 1].type == PREFECT_STATE_SCHEDULED;
}
