/*
 * pull_slots.c - what may be pulled now.
 *
 * A pull that has fallen silent leaves its slot to another while its inactivity clock runs: a dead registry
 * must not hold up images of others. So that an engine that is stuck altogether is not given ever more to do,
 * there are never more than twice `pulls` in flight.
 */
#include "pulls_internal.h"

#include <string.h>

/* Silent for so long, it no longer counts as in flight. An engine that makes progress says so ten times a
 * second. */
#define SILENT_MS 2000
#define SILENT_FACTOR 2

static void on_slot(void *arg)
{
    pulls_start_waiting(arg);
}

/* Come back then, or sooner. */
static void come_back(struct pulls *p, int64_t wait_ms)
{
    int64_t at_ms = clock_mono_ms(timers_clock(p->timers)) + wait_ms;
    if (!timer_is_running(&p->slot_timer) || at_ms < p->slot_timer.deadline_ms)
        timer_start(p->timers, &p->slot_timer, wait_ms, on_slot, p);
}

struct in_flight {
    int64_t active;      /* not silent */
    int64_t of_registry; /* silent or not */
    int64_t silent_in_ms;
};

static struct in_flight count_pulls(const struct pulls *p, const char *registry)
{
    struct in_flight count = {.silent_in_ms = SILENT_MS};
    int64_t now_ms = clock_mono_ms(timers_clock(p->timers));
    for (const struct list *link = p->flights.next; link != &p->flights; link = link->next) {
        const struct flight *f = (const struct flight *)((const char *)link - offsetof(struct flight, link));
        if (f->step != FLIGHT_PULLS)
            continue;
        int64_t left_ms = SILENT_MS - (now_ms - engine_heard_ms(f->call));
        count.active += left_ms > 0 ? 1 : 0;
        count.of_registry += strcmp(f->registry, registry) == 0 ? 1 : 0;
        if (left_ms > 0 && left_ms < count.silent_in_ms)
            count.silent_in_ms = left_ms;
    }
    return count;
}

static int64_t limit_of(const struct pulls *p)
{
    bool is_learned = p->config->pulls_is_auto && p->learning != NULL;
    return is_learned ? learning_limit(p->learning, LEARNING_PULL) : p->config->pulls;
}

bool pull_has_slot(struct pulls *p, const struct flight *f)
{
    int64_t limit = limit_of(p);
    struct in_flight count = count_pulls(p, f->registry);
    if (limit != CONFIG_NO_LIMIT &&
        (count.active >= limit || (int64_t)p->in_flight >= limit * SILENT_FACTOR)) {
        come_back(p, count.silent_in_ms);
        return false;
    }
    int64_t wait_ms = pull_limits_wait_ms(p->limits, p->config, f->registry, count.of_registry);
    if (wait_ms > 0)
        come_back(p, wait_ms);
    return wait_ms == 0;
}

bool pull_is_refused(const struct flight *f)
{
    struct pulls *p = f->pulls;
    if (p->guards == NULL)
        return false;
    struct guard *guard = guards_registry(p->guards, f->image);
    return guard_is_open(guard) && guard_wait_ms(guard) > 0;
}

bool pull_is_held(struct flight *f, struct failure *failure)
{
    struct pulls *p = f->pulls;
    int64_t wait_ms;
    if (p->guards == NULL)
        return false;
    struct guard *guard = guards_registry(p->guards, f->image);
    bool is_open = guard_is_open(guard);
    bool is_retry = index_find(&p->failed, f->image) != NULL;
    if (is_open && guard_wait_ms(guard) > 0)
        *failure = guard_refusal(guard, STAGE_PULL);
    else if (!is_open && is_retry && !guard_take(guard, &wait_ms))
        *failure = guard_hold(guard, STAGE_PULL, wait_ms);
    else
        return false;
    return true;
}

/* Only what the registry has said, or has not said in time, counts; not that the engine was away. */
void pull_note(struct flight *f, const struct failure *failure)
{
    struct pulls *p = f->pulls;
    bool is_registrys =
        failure == NULL || failure->transport == TRANSPORT_NONE || failure->clock == CLOCK_KIND_INACTIVITY;
    if (p->guards == NULL || !is_registrys)
        return;
    guard_note(guards_registry(p->guards, f->image), failure, f->pull_began_ms);
    char *known = index_find(&p->failed, f->image);
    enum error_class class = failure == NULL ? ERROR_CLASS_PERMANENT : classify(failure).error_class;
    bool has_failed = class == ERROR_CLASS_TRANSIENT || class == ERROR_CLASS_THROTTLED;
    if (has_failed && known == NULL) {
        known = check_strdup(f->image);
        index_put(&p->failed, known, known);
    } else if (!has_failed && known != NULL) {
        index_remove(&p->failed, f->image);
        free(known);
    }
}
