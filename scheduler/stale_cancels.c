/*
 * stale_cancels.c - see stale_cancels.h.
 *
 * A round is one page of CANCELLING runs, and then, run by run, history and proposal. The next round goes on
 * behind the runs that this one has left CANCELLING, so that many of others' hide none of ours.
 */
#include "stale_cancels.h"

#include "base/log.h"
#include "clocks.h"
#include "history.h"

#include <stdio.h>
#include <string.h>

#define ROUND_MS 30000
#define ROUND_RUNS_MAX 20

/* A run of the page that may be ours to end. */
struct stale_run {
    char id[UUID_TEXT_SIZE];
    size_t passed; /* runs of the page up to it, itself included */
};

struct stale_cancels {
    struct stale_cancels_settings s;
    struct timer timer;
    struct prefect_call *call; /* the one that is out; NULL: none */
    int64_t offset;            /* of the page */
    size_t page_count;         /* runs on it */
    size_t passed;             /* runs of it that are dealt with when all of `runs` are */
    struct stale_run runs[ROUND_RUNS_MAX];
    size_t count;
    size_t next;  /* of runs */
    size_t ended; /* in this round: no longer on the server's list */
};

static void begin_round(void *arg);
static void look_at_next(struct stale_cancels *stale);

struct stale_cancels *stale_cancels_new(const struct stale_cancels_settings *settings)
{
    struct stale_cancels *stale = check_alloc(sizeof(*stale));
    stale->s = *settings;
    return stale;
}

void stale_cancels_stop(struct stale_cancels *stale)
{
    timer_cancel(&stale->timer);
    if (stale->call != NULL)
        prefect_cancel(stale->call);
    stale->call = NULL;
}

void stale_cancels_free(struct stale_cancels *stale)
{
    if (stale == NULL)
        return;
    stale_cancels_stop(stale);
    free(stale);
}

void stale_cancels_set_config(struct stale_cancels *stale, const struct config *config)
{
    stale->s.config = config;
}

void stale_cancels_start(struct stale_cancels *stale)
{
    timer_start(stale->s.timers, &stale->timer, ROUND_MS, begin_round, stale);
}

/* passed: runs of the page that need not be looked at again before all others have been. */
static void end_round(struct stale_cancels *stale, size_t passed)
{
    bool was_last = passed == stale->page_count && stale->page_count < PREFECT_LIST_MAX;
    stale->offset = was_last ? 0 : stale->offset + (int64_t)(passed - stale->ended);
    stale_cancels_start(stale);
}

static struct prefect_ask ask_for(struct stale_cancels *stale, enum stage stage, prefect_done_fn done)
{
    return (struct prefect_ask){.stage = stage,
                                .clocks = clocks_for(stale->s.config, "default", stage),
                                .done = done,
                                .arg = stale,
                                .call = &stale->call};
}

/* The call is over. False: it failed, and with it the round. */
static bool is_fine(struct stale_cancels *stale, const char *what, const struct prefect_reply *reply)
{
    const struct failure *failure = reply->failure;
    stale->call = NULL;
    if (failure == NULL)
        return true;
    log_debug("a cancelled run could not be looked after", kv_s("call", what),
              kv_int("status", failure->status), kv_s("error", failure->message));
    return false;
}

/* ---- one run ---- */

static void on_proposed(void *arg, const struct prefect_reply *reply)
{
    struct stale_cancels *stale = arg;
    const struct stale_run *run = &stale->runs[stale->next];
    if (!is_fine(stale, "set_state", reply)) {
        end_round(stale, run->passed);
        return;
    }
    if (reply->outcome == PREFECT_OUTCOME_ACCEPT)
        log_info("a cancelled run that nobody had claimed is Cancelled: its container had ended long before",
                 kv_s("run", run->id));
    stale->ended += reply->states[0].type != PREFECT_STATE_CANCELLING;
    stale->next++;
    look_at_next(stale);
}

static void propose(struct stale_cancels *stale, const char *flow_run_id)
{
    struct prefect_ask ask = ask_for(stale, STAGE_REPORT, on_proposed);
    struct prefect_proposal proposal = {.type = PREFECT_STATE_CANCELLED,
                                        .message = "Flow run cancelled by worker."};
    struct err err;
    CHECK(prefect_set_state(stale->s.prefect, &ask, flow_run_id, &proposal, &err) == 0);
}

static void on_history(void *arg, const struct prefect_reply *reply)
{
    struct stale_cancels *stale = arg;
    const struct stale_run *run = &stale->runs[stale->next];
    if (!is_fine(stale, "history", reply)) {
        end_round(stale, run->passed);
    } else if (history_was_cancelled_unclaimed(reply->states, reply->count)) {
        propose(stale, run->id);
    } else {
        stale->next++;
        look_at_next(stale);
    }
}

static void look_at_next(struct stale_cancels *stale)
{
    if (stale->next == stale->count) {
        end_round(stale, stale->passed);
        return;
    }
    struct prefect_ask ask = ask_for(stale, STAGE_API, on_history);
    struct err err;
    CHECK(prefect_get_history(stale->s.prefect, &ask, stale->runs[stale->next].id, &err) == 0);
}

/* ---- the page ---- */

/* A pid is the engine's address and, behind its last colon, the container's id. */
static const char *container_of(const char *pid)
{
    const char *colon = strrchr(pid, ':');
    return colon == NULL ? "" : colon + 1;
}

static bool may_be_ours(const struct stale_cancels *stale, const struct prefect_run *run)
{
    bool has_ended = false;
    struct err err;
    if (run->state_type != PREFECT_STATE_CANCELLING || container_of(run->infrastructure_pid)[0] == '\0' ||
        runner_find_flow_run(stale->s.runner, run->id) != NULL)
        return false;
    if (store_has_ended(stale->s.store, run->id, container_of(run->infrastructure_pid), &has_ended, &err) ==
        0)
        return has_ended;
    log_debug("a cancelled run could not be looked up", kv_s("run", run->id), kv_s("error", err.msg));
    return false;
}

static void on_page(void *arg, const struct prefect_reply *reply)
{
    struct stale_cancels *stale = arg;
    if (!is_fine(stale, "filter", reply)) {
        stale_cancels_start(stale);
        return;
    }
    stale->page_count = reply->count;
    for (size_t i = 0; i < reply->count && stale->count < ROUND_RUNS_MAX; i++) {
        stale->passed = i + 1;
        if (!may_be_ours(stale, &reply->runs[i]))
            continue;
        struct stale_run *run = &stale->runs[stale->count++];
        snprintf(run->id, sizeof(run->id), "%s", reply->runs[i].id);
        run->passed = i + 1;
    }
    look_at_next(stale);
}

static void begin_round(void *arg)
{
    struct stale_cancels *stale = arg;
    stale->passed = stale->count = stale->next = stale->ended = 0;
    struct prefect_ask ask = ask_for(stale, STAGE_API, on_page);
    ask.can_wait = true;
    struct err err;
    CHECK(prefect_list_in_state(stale->s.prefect, &ask, stale->s.config->pool, PREFECT_STATE_CANCELLING,
                                stale->offset, &err) == 0);
}
