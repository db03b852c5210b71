#include "run_world.h"

#include "base/check.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define CONTAINERS_MAX 40
#define LATE_MAX 40
#define STEPS_MAX 4000

enum server_state {
    SCHEDULED,
    PENDING_OURS,
    PENDING_OTHER,
    RUNNING_OURS,
    RUNNING_OTHER,
    COMPLETED,
    CRASHED,
    CANCELLING,
    CANCELLED
};
enum box_state { BOX_ABSENT, BOX_CREATED, BOX_RUNNING, BOX_EXITED };

struct box {
    enum box_state state;
    bool ours;
    int name_index;
    int starts;
    int exit_code;
};

struct late {
    enum run_action action;
    int box; /* the container it is about */
    int name_index;
    enum run_verdict verdict; /* of a report */
    bool restores;    /* of a restore: it has read that what our proposal overwrote is to be put back */
    int64_t until_ms; /* it lands by then; INT64_MAX: a create, and the engine has answered nothing since */
};

/* The row: the run and, as the shell keeps it, which container is ours. */
struct row {
    struct run run;
    int box;
};

struct world {
    uint64_t random;
    run_step_fn step;
    struct retry_policy policy;
    int64_t now_ms;
    struct row row;   /* in memory */
    struct row saved; /* on disk */
    enum server_state server;
    enum server_state before_claim; /* what our claim overwrote */
    bool claim_overtook;
    int flows_run;
    struct box boxes[CONTAINERS_MAX]; /* index 0 is never used */
    int box_count;
    bool has_stranger; /* box 1 is somebody else's, and has our name */
    struct late late[LATE_MAX];
    int late_count;
    struct run_event answer; /* of the request that is out */
    bool has_answer;
    enum run_action wait; /* ADMIT, ASK_START, ASK_SLOT or WAIT: what the run waits for */
    bool is_restarted;
    bool is_over;
    bool user_wants_cancel;
    bool cancelling_is_other; /* another worker had the run when it was cancelled */
    bool stop_is_refused;     /* by the engine, for good: only a kill ends a container */
    struct walk_result result;
};

static uint64_t draw(struct world *w, uint64_t below)
{
    return random_splitmix64(&w->random) % below;
}

static bool chance(struct world *w, int percent)
{
    return draw(w, 100) < (uint64_t)percent;
}

static void violate(struct world *w, const char *what)
{
    if (w->result.violation == NULL)
        w->result.violation = what;
}

static bool is_ended(enum server_state s)
{
    return s == COMPLETED || s == CRASHED || s == CANCELLED;
}

static void flow_runs(struct world *w)
{
    w->flows_run++;
    if (w->flows_run > 1)
        violate(w, "the flow ran twice");
}

static int holder_of(const struct world *w, int name_index)
{
    for (int i = 1; i <= w->box_count; i++)
        if (w->boxes[i].state != BOX_ABSENT && w->boxes[i].name_index == name_index)
            return i;
    return 0;
}

static struct run_event answer(enum run_event_kind kind)
{
    return (struct run_event){.kind = kind, .retry_after_ms = -1, .was_sent = true};
}

/* set_state PENDING with our id, by the table of protocol 4.3. */
static struct run_event effect_claim(struct world *w)
{
    switch (w->server) {
    case SCHEDULED:
        w->before_claim = SCHEDULED;
        w->claim_overtook = false;
        w->server = PENDING_OURS;
        return answer(RUN_EVENT_DONE);
    case PENDING_OURS: /* same transition id: recognised */
        return answer(w->claim_overtook ? RUN_EVENT_OVERTOOK : RUN_EVENT_DONE);
    case COMPLETED:
    case CRASHED:
        w->before_claim = w->server;
        w->claim_overtook = true;
        w->server = PENDING_OURS;
        return answer(RUN_EVENT_OVERTOOK);
    case PENDING_OTHER:
    case RUNNING_OURS:
    case RUNNING_OTHER:
    case CANCELLING:
    case CANCELLED:
        break;
    }
    return answer(RUN_EVENT_REFUSED);
}

static struct run_event look_run(const struct world *w)
{
    switch (w->server) {
    case SCHEDULED:
        return answer(RUN_EVENT_RUN_SCHEDULED);
    case PENDING_OURS:
        return answer(w->claim_overtook ? RUN_EVENT_OVERTOOK : RUN_EVENT_RUN_PENDING);
    case PENDING_OTHER:
        return answer(RUN_EVENT_RUN_ENDED);
    case RUNNING_OURS:
    case RUNNING_OTHER:
        return answer(RUN_EVENT_RUN_RUNNING);
    case CANCELLING: /* the history tells whose */
        return answer(w->cancelling_is_other ? RUN_EVENT_RUN_ENDED : RUN_EVENT_RUN_CANCELLING);
    case COMPLETED:
    case CRASHED:
    case CANCELLED:
        break;
    }
    return answer(RUN_EVENT_RUN_ENDED);
}

static struct run_event effect_submit(struct world *w)
{
    if (w->server == PENDING_OURS)
        return answer(RUN_EVENT_DONE);
    if (w->server == SCHEDULED || w->server == COMPLETED || w->server == CRASHED) {
        w->before_claim = w->server;
        w->claim_overtook = true;
        w->server = PENDING_OURS;
        return answer(RUN_EVENT_DONE);
    }
    if (w->server == CANCELLING)
        return answer(RUN_EVENT_RUN_CANCELLING);
    return answer(is_ended(w->server) ? RUN_EVENT_RUN_ENDED : RUN_EVENT_REFUSED);
}

static bool has_running_box(const struct world *w)
{
    for (int i = 1; i <= w->box_count; i++)
        if (w->boxes[i].ours && w->boxes[i].state == BOX_RUNNING)
            return true;
    return false;
}

/* Nothing that was sent for this launch may be able to land behind its verdict. */
static void expect_nothing_to_land(struct world *w)
{
    const struct run *run = &w->row.run;
    for (int i = 0; i < w->late_count; i++)
        if (w->late[i].action == RUN_ACTION_CREATE && run->started_at_ms == 0 && !run->has_container)
            violate(w, "a verdict while a create may still land");
}

static struct run_event effect_report(struct world *w, enum run_verdict verdict)
{
    expect_nothing_to_land(w);
    bool cancels = verdict == RUN_VERDICT_CANCELLED || verdict == RUN_VERDICT_SKIPPED;
    if (w->server == CANCELLING && !cancels)
        return answer(RUN_EVENT_RUN_CANCELLING);
    if (is_ended(w->server))
        return answer(RUN_EVENT_REFUSED);
    if (has_running_box(w))
        violate(w, "a verdict while our container runs");
    if (w->server == PENDING_OTHER || w->server == RUNNING_OTHER ||
        (w->server == CANCELLING && w->cancelling_is_other))
        violate(w, "a verdict on another worker's run");
    w->server = cancels ? CANCELLED : CRASHED;
    return answer(RUN_EVENT_DONE);
}

static struct run_event effect_hand_back(struct world *w)
{
    expect_nothing_to_land(w);
    if (w->server == CANCELLING)
        return answer(RUN_EVENT_RUN_CANCELLING);
    if (w->server == PENDING_OURS)
        w->server = SCHEDULED;
    else if (w->server == PENDING_OTHER || w->server == RUNNING_OTHER || w->server == RUNNING_OURS)
        violate(w, "handed back what is not ours to hand back");
    return answer(RUN_EVENT_DONE);
}

static struct run_event effect_create(struct world *w, int name_index, int *box)
{
    if (holder_of(w, name_index) != 0)
        return answer(RUN_EVENT_CONFLICT);
    CHECK(w->box_count + 1 < CONTAINERS_MAX);
    for (int i = 1; i <= w->box_count; i++)
        if (w->boxes[i].ours && w->boxes[i].state != BOX_ABSENT)
            violate(w, "a second container for one launch");
    w->box_count++;
    w->boxes[w->box_count] = (struct box){.state = BOX_CREATED, .ours = true, .name_index = name_index};
    *box = w->box_count;
    return answer(RUN_EVENT_DONE);
}

/* Like a real engine: an ended container is started again if asked to. */
static struct run_event effect_start(struct world *w, int box)
{
    struct box *b = &w->boxes[box];
    if (b->state == BOX_ABSENT)
        return answer(RUN_EVENT_GONE);
    if (b->state == BOX_RUNNING)
        return answer(RUN_EVENT_DONE);
    b->state = BOX_RUNNING;
    b->starts++;
    w->result.starts++;
    if (w->result.starts > 1)
        violate(w, "a second container start for one launch");
    return answer(RUN_EVENT_DONE);
}

static struct run_event found(const struct world *w, int box)
{
    struct run_event ev = answer(RUN_EVENT_FOUND_ABSENT);
    if (box == 0)
        return ev;
    const struct box *b = &w->boxes[box];
    if (b->state == BOX_CREATED)
        ev.kind = RUN_EVENT_FOUND_CREATED;
    if (b->state == BOX_RUNNING)
        ev.kind = RUN_EVENT_FOUND_RUNNING;
    if (b->state == BOX_EXITED) {
        ev.kind = RUN_EVENT_FOUND_EXITED;
        ev.exit_code = b->exit_code;
    }
    return ev;
}

static struct run_event look_name(struct world *w)
{
    int box = holder_of(w, w->row.run.name_index);
    if (box != 0 && !w->boxes[box].ours)
        return answer(RUN_EVENT_FOUND_FOREIGN);
    struct run_event ev = found(w, box);
    if (box != 0)
        w->row.box = box;
    return ev;
}

/* The adapter removes without force and asks the engine's events whether the container had ever started. */
static struct run_event effect_retire(struct world *w, int box)
{
    struct box *b = &w->boxes[box];
    if (b->state == BOX_RUNNING)
        return answer(RUN_EVENT_CONFLICT);
    b->state = BOX_ABSENT;
    return answer(b->starts > 0 ? RUN_EVENT_GONE : RUN_EVENT_DONE);
}

static struct run_event effect_kill(struct world *w, int box)
{
    struct box *b = &w->boxes[box];
    if (b->state == BOX_ABSENT)
        return answer(RUN_EVENT_GONE);
    if (b->state != BOX_RUNNING)
        return answer(RUN_EVENT_CONFLICT);
    if (chance(w, 80)) { /* else the engine can't get rid of it yet */
        b->state = BOX_EXITED;
        b->exit_code = 137;
    }
    return answer(RUN_EVENT_DONE);
}

static struct run_event effect_stop(struct world *w, int box)
{
    struct box *b = &w->boxes[box];
    if (b->state == BOX_ABSENT)
        return answer(RUN_EVENT_GONE);
    if (w->stop_is_refused)
        return answer(RUN_EVENT_PERMANENT);
    if (b->state == BOX_RUNNING) {
        b->state = BOX_EXITED;
        b->exit_code = 137;
    }
    return answer(RUN_EVENT_DONE);
}

static struct run_event effect_clear(struct world *w)
{
    for (int i = 1; i <= w->box_count; i++)
        if (w->boxes[i].ours)
            w->boxes[i].state = BOX_ABSENT;
    return answer(RUN_EVENT_DONE);
}

/* By force: the server takes it whatever the run is by then. */
static struct run_event effect_restore(struct world *w, bool restores)
{
    if (!restores)
        return answer(RUN_EVENT_DONE);
    if (w->server == PENDING_OTHER || w->server == RUNNING_OTHER || w->server == RUNNING_OURS)
        violate(w, "what others have taken up was put back");
    w->server = w->before_claim;
    return answer(RUN_EVENT_DONE);
}

static struct run_event apply(struct world *w, struct late what)
{
    switch (what.action) {
    case RUN_ACTION_CLAIM:
        return effect_claim(w);
    case RUN_ACTION_LOOK_RUN:
        return look_run(w);
    case RUN_ACTION_SUBMIT:
        return effect_submit(w);
    case RUN_ACTION_CREATE:
        return effect_create(w, what.name_index, &w->row.box);
    case RUN_ACTION_LOOK_NAME:
        return look_name(w);
    case RUN_ACTION_START:
        return effect_start(w, what.box);
    case RUN_ACTION_LOOK_CONTAINER:
        return found(w, what.box);
    case RUN_ACTION_RETIRE:
        return effect_retire(w, what.box);
    case RUN_ACTION_STOP:
        return effect_stop(w, what.box);
    case RUN_ACTION_KILL:
        return effect_kill(w, what.box);
    case RUN_ACTION_CLEAR:
        return effect_clear(w);
    case RUN_ACTION_REPORT:
        return effect_report(w, what.verdict);
    case RUN_ACTION_HAND_BACK:
        return effect_hand_back(w);
    case RUN_ACTION_RESTORE:
        return effect_restore(w, what.restores);
    case RUN_ACTION_REMOVE:
        w->boxes[what.box].state = BOX_ABSENT;
        return answer(RUN_EVENT_DONE);
    case RUN_ACTION_RESOLVE:
    case RUN_ACTION_PULL:
    case RUN_ACTION_CONNECT:
    case RUN_ACTION_ANNOUNCE:
    case RUN_ACTION_NONE:
    case RUN_ACTION_WAIT:
    case RUN_ACTION_ADMIT:
    case RUN_ACTION_ASK_START:
    case RUN_ACTION_ASK_SLOT:
    case RUN_ACTION_ASK_STOP:
    case RUN_ACTION_WATCH:
    case RUN_ACTION_FORGET:
        break;
    }
    return answer(RUN_EVENT_DONE);
}

static bool is_server_change(enum run_action a)
{
    return a == RUN_ACTION_CLAIM || a == RUN_ACTION_SUBMIT || a == RUN_ACTION_REPORT ||
           a == RUN_ACTION_HAND_BACK || a == RUN_ACTION_RESTORE;
}

static bool is_unknown_when_lost(enum run_action a)
{
    return is_server_change(a) || a == RUN_ACTION_CREATE || a == RUN_ACTION_START;
}

static void land(struct world *w, int i)
{
    struct late what = w->late[i];
    w->late[i] = w->late[--w->late_count];
    int box = w->row.box;
    w->result.landed[what.action]++;
    apply(w, what);
    w->row.box = box; /* a late create tells nobody its id */
}

/* Time passes; a proposal to the server can't be under way for ever. */
static void pass_time(struct world *w, int64_t ms)
{
    w->now_ms += ms;
    for (int i = w->late_count - 1; i >= 0; i--)
        if (w->late[i].action != RUN_ACTION_START && w->late[i].until_ms <= w->now_ms)
            land(w, i);
}

/* The engine answers: what it was asked to create before is under way. */
static void engine_answers(struct world *w)
{
    for (int i = 0; i < w->late_count; i++)
        if (w->late[i].action == RUN_ACTION_CREATE && w->late[i].until_ms == INT64_MAX)
            w->late[i].until_ms = w->now_ms + (int64_t)draw(w, 3000);
}

/* Which effects may land late: those whose repetition is the danger. */
static bool may_be_late(enum run_action a)
{
    return a == RUN_ACTION_CREATE || a == RUN_ACTION_START || a == RUN_ACTION_CLAIM ||
           a == RUN_ACTION_SUBMIT || a == RUN_ACTION_REPORT || a == RUN_ACTION_HAND_BACK ||
           a == RUN_ACTION_RESTORE;
}

static struct run_event lost(struct world *w, enum run_action a)
{
    w->result.lost_answers++;
    return answer(is_unknown_when_lost(a) ? RUN_EVENT_UNKNOWN_OUTCOME : RUN_EVENT_TRANSIENT);
}

static struct run_event error_answer(struct world *w)
{
    static const enum run_event_kind kinds[] = {RUN_EVENT_TRANSIENT, RUN_EVENT_TRANSIENT, RUN_EVENT_THROTTLED,
                                                RUN_EVENT_CAPACITY,  RUN_EVENT_PERMANENT, RUN_EVENT_AUTH,
                                                RUN_EVENT_CONFLICT};
    struct run_event ev = answer(kinds[draw(w, ARRAY_LEN(kinds))]);
    if (chance(w, 25)) {
        ev = answer(RUN_EVENT_TRANSIENT);
        ev.out_of_reach = true;
        ev.was_sent = false;
    }
    return ev;
}

/* Carry a request out, or not, and find the answer that will come. */
static void perform_request(struct world *w, enum run_action action)
{
    struct late what = {.action = action,
                        .box = w->row.box,
                        .name_index = w->row.run.name_index,
                        .verdict = w->row.run.verdict,
                        .restores = w->server == PENDING_OURS && w->claim_overtook,
                        .until_ms = w->now_ms + (int64_t)draw(w, (uint64_t)w->policy.settle_ms)};
    if (action == RUN_ACTION_CREATE)
        what.until_ms = INT64_MAX;
    uint64_t fate = draw(w, 100);
    w->has_answer = true;
    if (fate < 70) {
        w->answer = apply(w, what);
        if (action == RUN_ACTION_CLEAR || action == RUN_ACTION_LOOK_NAME || action == RUN_ACTION_CREATE)
            engine_answers(w);
    } else if (fate < 78) {
        int box = w->row.box;
        apply(w, what);
        w->row.box = box;
        w->answer = lost(w, action);
    } else if (fate < 84) {
        w->answer = lost(w, action);
    } else if (fate < 92 && may_be_late(action) && w->late_count < LATE_MAX) {
        w->late[w->late_count++] = what;
        w->result.late_effects++;
        w->answer = lost(w, action);
    } else if ((action == RUN_ACTION_REPORT || action == RUN_ACTION_HAND_BACK ||
                action == RUN_ACTION_RESTORE || action == RUN_ACTION_REMOVE || action == RUN_ACTION_STOP ||
                action == RUN_ACTION_KILL)) {
        w->answer = answer(RUN_EVENT_TRANSIENT);
    } else {
        w->answer = error_answer(w);
    }
}

static void crash(struct world *w);

static void feed(struct world *w, struct run_event ev)
{
    ev.now_ms = w->now_ms;
    ev.random = random_splitmix64(&w->random);
    struct run_step step = w->step(&w->row.run, &ev, &w->policy);
    if (step.action == RUN_ACTION_WAIT && run_holds_launch_slot(&step.next))
        violate(w, "a run in backoff holds a launch slot");
    if (getenv("WALK_TRACE") != NULL)
        fprintf(stderr, "%s/%s %s -> %s %s (server %d)\n", run_state_name(w->row.run.state),
                run_action_name(w->row.run.pending), run_event_name(ev.kind), run_state_name(step.next.state),
                run_action_name(step.action), (int)w->server);
    w->row.run = step.next;
    w->result.reached[step.next.state] = true;
    if (!step.next.has_container && step.next.state != RUN_STATE_CREATING)
        w->row.box = 0;
    if (chance(w, 3)) {
        crash(w);
        return;
    }
    if (run_action_is_durable(step.action) || chance(w, 50))
        w->saved = w->row;
    if (chance(w, 3)) {
        crash(w);
        return;
    }
    if (run_action_is_request(step.action)) {
        w->wait = RUN_ACTION_NONE;
        perform_request(w, step.action);
        if (chance(w, 3))
            crash(w);
    } else if (step.action == RUN_ACTION_FORGET) {
        w->is_over = true;
    } else if (step.action != RUN_ACTION_NONE) {
        w->has_answer = false;
        w->wait = step.action;
        if (step.action == RUN_ACTION_WAIT)
            pass_time(w, step.delay_ms);
    }
}

static void crash(struct world *w)
{
    w->result.crashes++;
    w->row = w->saved;
    w->is_restarted = true;
    w->row.run.pending = RUN_ACTION_NONE;
    w->row.run.died_early = false;
    w->row.run.create_lost = false;
    w->row.run.waits_for_create = false;
    w->row.run.name_was_taken = false;
    w->row.run.is_over = false;
    w->row.run.is_left_alone = false;
    w->has_answer = false;
    w->wait = RUN_ACTION_WAIT; /* loaded: ENTER comes next */
}

/* The other worker, the person, the containers and the clock do something. */
static void world_moves(struct world *w)
{
    if (w->has_stranger && chance(w, 5)) { /* its owner removes it: the name is free */
        w->has_stranger = false;
        w->boxes[1].state = BOX_ABSENT;
    }
    pass_time(w, (int64_t)draw(w, 20000));
    if (w->late_count > 0 && chance(w, 15)) {
        int i = (int)draw(w, (uint64_t)w->late_count);
        land(w, i);
    }
    if (w->server == SCHEDULED && chance(w, 4)) {
        w->server = PENDING_OTHER;
        w->result.other_worker_runs++;
    } else if (w->server == PENDING_OTHER && chance(w, 50)) {
        w->server = RUNNING_OTHER;
        flow_runs(w);
    } else if (w->server == RUNNING_OTHER && chance(w, 50)) {
        w->server = COMPLETED;
    }
    if (!w->user_wants_cancel && !is_ended(w->server) && chance(w, 1)) {
        w->user_wants_cancel = true;
        w->result.cancels++;
        w->cancelling_is_other = w->server == PENDING_OTHER || w->server == RUNNING_OTHER;
        w->server = w->server == SCHEDULED ? CANCELLED : CANCELLING;
    }
    if ((w->server == PENDING_OURS || w->server == RUNNING_OURS) && !w->claim_overtook && chance(w, 1)) {
        w->server = CRASHED; /* an automation lost patience */
        w->result.ended_by_others++;
    }
    for (int i = 1; i <= w->box_count; i++) {
        struct box *b = &w->boxes[i];
        if (!b->ours || b->state != BOX_RUNNING)
            continue;
        if (w->server == PENDING_OURS && chance(w, 60)) {
            w->server = RUNNING_OURS;
            flow_runs(w);
        } else if (w->server == RUNNING_OURS && chance(w, 30)) {
            bool ends_well = chance(w, 70);
            w->server = ends_well ? COMPLETED : RUNNING_OURS;
            b->state = BOX_EXITED;
            b->exit_code = ends_well ? 0 : 137;
        } else if (chance(w, 10)) {
            b->state = BOX_EXITED;
            b->exit_code = chance(w, 50) ? 0 : 1;
            if (w->server == CANCELLING && chance(w, 50))
                w->server = CANCELLED;
        }
    }
}

/* What reaches the launch from outside, at any moment; after a restart, not before ENTER. */
static void outside_event(struct world *w)
{
    if (w->is_restarted) /* ENTER comes first */
        return;
    if (w->user_wants_cancel && chance(w, 30))
        feed(w, answer(RUN_EVENT_CANCEL));
    else if ((w->server == COMPLETED || w->server == CRASHED) && w->row.run.has_claim && chance(w, 20))
        feed(w, answer(RUN_EVENT_SEEN_OVER));
    else if (w->row.run.is_over && w->server == RUNNING_OURS && chance(w, 50))
        feed(w, answer(RUN_EVENT_SEEN_ALIVE));
    else if (chance(w, 1))
        feed(w, answer(RUN_EVENT_LEASE_LOST));
    else if (chance(w, 2))
        feed(w, answer(RUN_EVENT_LAUNCH_DEADLINE));
    else if (chance(w, 2))
        feed(w, answer(RUN_EVENT_DRAIN));
    else if (w->row.box != 0 && w->boxes[w->row.box].state == BOX_EXITED && chance(w, 60))
        feed(w, answer(RUN_EVENT_DIED));
    else if (w->row.run.state == RUN_STATE_PARKED && w->server == SCHEDULED && chance(w, 50))
        feed(w, answer(RUN_EVENT_SEEN_ELSEWHERE));
    else if (w->row.run.state == RUN_STATE_PARKED)
        feed(w, answer(chance(w, 50) ? RUN_EVENT_RELEASE : RUN_EVENT_DISCARD));
}

static void enter(struct world *w)
{
    struct run_event ev = answer(RUN_EVENT_ENTER);
    ev.after_restart = w->is_restarted;
    w->is_restarted = false;
    feed(w, ev);
}

static void launch_moves(struct world *w)
{
    if (w->has_answer) {
        if (!chance(w, 70))
            return;
        w->has_answer = false;
        feed(w, w->answer);
        return;
    }
    switch ((int)w->wait) {
    case RUN_ACTION_ADMIT:
        /* A queued row is a hint: it may be stale, and sometimes nobody notices in time. */
        if (w->server != SCHEDULED && !w->row.run.has_claim && chance(w, 80))
            feed(w, answer(RUN_EVENT_SEEN_ELSEWHERE));
        else
            feed(w, answer(RUN_EVENT_ADMITTED));
        return;
    case RUN_ACTION_ASK_START:
    case RUN_ACTION_ASK_SLOT:
    case RUN_ACTION_ASK_STOP:
        feed(w, answer(RUN_EVENT_ADMITTED));
        return;
    case RUN_ACTION_WAIT:
        enter(w);
        return;
    case RUN_ACTION_WATCH:
        if (chance(w, 20)) /* reconcile, or the timer of a cancel */
            feed(w, answer(RUN_EVENT_ENTER));
        return;
    default:
        return;
    }
}

/* The launch is over: what was sent lands now, and the world must be in order. */
static void check_end(struct world *w)
{
    while (w->late_count > 0)
        land(w, 0);
    for (int i = 1; i <= w->box_count; i++)
        if (w->boxes[i].ours && w->boxes[i].state == BOX_RUNNING)
            violate(w, "a container of ours runs and nobody owns it");
    if (w->server == PENDING_OURS)
        violate(w, "the run is left PENDING");
    if (w->server == RUNNING_OURS)
        violate(w, "the run is left RUNNING without a container");
    if (w->server == CANCELLING && w->row.run.has_claim && w->row.run.verdict == RUN_VERDICT_CANCELLED)
        violate(w, "the run is left CANCELLING");
}

struct walk_result run_walk(uint64_t seed, run_step_fn step)
{
    struct world w = {.random = seed, .step = step, .policy = retry_policy_default(), .now_ms = 1000000};
    w.policy.start_clock_ms = 60000;
    w.policy.park = chance(&w, 10);
    w.policy.remove_ended_container = chance(&w, 30);
    w.policy.stop_when_over = chance(&w, 50);
    w.stop_is_refused = chance(&w, 10);
    w.policy.skip_late = seed % 13 == 0;
    w.policy.late_after_ms = w.policy.skip_late ? 1000 : 0;
    w.row.run = run_new(w.now_ms - (seed % 2 == 0 ? 2000 : 0));
    w.saved = w.row;
    w.has_stranger = chance(&w, 20);
    if (w.has_stranger) {
        w.box_count = 1;
        w.boxes[1] = (struct box){.state = BOX_RUNNING, .ours = false, .name_index = 0};
    }
    w.wait = RUN_ACTION_WAIT;
    while (!w.is_over && w.result.violation == NULL && w.result.steps < STEPS_MAX) {
        w.result.steps++;
        world_moves(&w);
        outside_event(&w);
        if (!w.is_over)
            launch_moves(&w);
    }
    if (!w.is_over && w.result.violation == NULL)
        violate(&w, "the launch did not end");
    if (w.result.violation == NULL)
        check_end(&w);
    return w.result;
}
