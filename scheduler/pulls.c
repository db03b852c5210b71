/*
 * pulls.c - one `flight` per image and platform: LOOK (image inspect), WAIT for a pull slot, PULL, done.
 * Waiters join a flight of the same needs; a flight nobody waits for any more is cancelled.
 *
 * A pull that has fallen silent leaves its slot to another while its inactivity clock runs: a dead registry
 * must not hold up images of others. So that an engine that is stuck altogether is not given ever more to do,
 * there are never more than twice `pulls` in flight.
 */
#include "pulls.h"

#include "base/list.h"
#include "core/registry.h"
#include "index.h"
#include "pull_limits.h"

#include <stdio.h>
#include <string.h>

/* Silent for so long, it no longer counts as in flight. An engine that makes progress says so ten times a
 * second. */
#define SILENT_MS 2000
#define SILENT_FACTOR 2

enum flight_step { FLIGHT_LOOKS, FLIGHT_WAITS, FLIGHT_PULLS, FLIGHT_LOOKS_AFTER };

struct flight {
    struct list link;
    struct pulls *pulls;
    char *image;
    char *platform; /* NULL: none */
    char registry[REGISTRY_SIZE];
    char *class_name;
    enum jobspec_pull_policy policy;
    bool must_pull;
    enum flight_step step;
    struct engine_call *call;
    struct list waits; /* pull_wait.link */
    char *pull_error;  /* IF_POSSIBLE: what the pull said */
    struct failure *pull_failure;
    int64_t pull_took_ms;
    int64_t total_ms; /* of the call that is out */
    enum stage expired_stage;
    int64_t expired_ms;    /* the total that ran out; 0: none did */
    int64_t pull_began_ms; /* mono */
    struct timer early;    /* delivers a failure that was known before anything was sent */
    struct failure *early_failure;
};

struct pull_wait {
    struct list link;
    struct flight *flight; /* NULL: answered without one, delivery is due */
    pull_done_fn done;
    void *arg;
    struct timer timer;
};

struct pulls {
    struct engine *engine;
    struct timers *timers;
    const struct config *config;
    struct learned_timeouts *timeouts; /* NULL: as configured */
    struct list flights;
    struct list ready;     /* waits whose answer is known from memory, delivered by their timer */
    struct index present;  /* keys owned: "image platform" seen here */
    struct guards *guards; /* NULL: none */
    struct index failed;   /* keys owned: images whose last pull failed through their registry */
    size_t in_flight;
    struct pull_limits *limits;
    struct timer slot_timer; /* when a pull that waits may have a slot */
};

struct pulls *pulls_new(struct engine *engine, struct timers *timers, struct store *store,
                        const struct config *config)
{
    struct pulls *p = check_alloc(sizeof(*p));
    p->engine = engine;
    p->timers = timers;
    p->config = config;
    p->limits = pull_limits_new(store, timers_clock(timers));
    list_init(&p->flights);
    list_init(&p->ready);
    return p;
}

static void start_waiting_pulls(struct pulls *p);

void pulls_set_config(struct pulls *pulls, const struct config *config)
{
    pulls->config = config;
    start_waiting_pulls(pulls);
}

void pulls_set_timeouts(struct pulls *pulls, struct learned_timeouts *timeouts)
{
    pulls->timeouts = timeouts;
}

size_t pulls_in_flight(const struct pulls *pulls)
{
    return pulls->in_flight;
}

static void forget_all(struct index *index)
{
    for (size_t i = 0; i < index->cap; i++)
        if (index->slots[i].key != NULL)
            free(index->slots[i].value);
    index_done(index);
}

void pulls_forget(struct pulls *p)
{
    forget_all(&p->present);
}

void pulls_set_guards(struct pulls *pulls, struct guards *guards)
{
    pulls->guards = guards;
}

static char *presence_key(const char *image, const char *platform)
{
    return check_printf("%s %s", image, platform == NULL ? "" : platform);
}

static void remember(struct pulls *p, const struct flight *f)
{
    char *key = presence_key(f->image, f->platform);
    if (index_find(&p->present, key) != NULL)
        free(key);
    else
        index_put(&p->present, key, key);
}

static void free_flight(struct flight *f)
{
    if (f->call != NULL)
        engine_cancel(f->call);
    list_remove(&f->link);
    free(f->image);
    free(f->platform);
    free(f->class_name);
    free(f->pull_error);
    free(f->pull_failure);
    free(f->early_failure);
    timer_cancel(&f->early);
    free(f);
}

static struct http_clocks clocks_of(struct flight *f, enum stage stage)
{
    struct pulls *p = f->pulls;
    struct http_clocks clocks =
        learned_timeouts_clocks(p->timeouts, config_class_by_name(p->config, f->class_name), stage);
    f->total_ms = clocks.total_ms;
    return clocks;
}

/* A call is over: once for the flight, however many wait for it. */
static void learn(struct flight *f, enum stage stage, const struct engine_reply *reply)
{
    struct pulls *p = f->pulls;
    const struct config_class *of = config_class_by_name(p->config, f->class_name);
    if (reply->failure == NULL)
        learned_timeouts_done(p->timeouts, of, stage, reply->took_ms);
    if (reply->failure == NULL || reply->failure->clock != CLOCK_KIND_TOTAL)
        return;
    f->expired_stage = stage;
    f->expired_ms = f->total_ms;
}

static void finish(struct flight *f, const struct failure *failure, int64_t took_ms, bool was_pulled,
                   const char *warning)
{
    struct pulls *p = f->pulls;
    if (failure == NULL)
        remember(p, f);
    /* Out of the list first: whoever comes while we tell the others gets a flight of its own. */
    list_remove(&f->link);
    struct list *link;
    while ((link = list_take_first(&f->waits)) != NULL) {
        struct pull_wait *wait = LIST_ITEM(link, struct pull_wait, link);
        pull_done_fn done = wait->done;
        void *arg = wait->arg;
        free(wait);
        done(arg, failure, took_ms, was_pulled, warning);
    }
    /* After they were told: what they record is the value that was in force. */
    if (f->expired_ms > 0)
        learned_timeouts_expired(p->timeouts, config_class_by_name(p->config, f->class_name),
                                 f->expired_stage, f->expired_ms);
    free_flight(f);
    start_waiting_pulls(p);
}

static void look(struct flight *f, enum flight_step step);

/* Only what the registry has said, or has not said in time, counts; not that the engine was away. */
static void note_pull(struct flight *f, const struct failure *failure)
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

static void on_early(void *arg)
{
    struct flight *f = arg;
    finish(f, f->early_failure, 0, false, NULL);
}

/* Nobody may hear of the end before pulls_want() has returned. */
static void fail_early(struct flight *f, const struct failure *failure)
{
    f->early_failure = check_alloc(sizeof(*f->early_failure));
    *f->early_failure = *failure;
    f->step = FLIGHT_LOOKS;
    timer_start(f->pulls->timers, &f->early, 0, on_early, f);
}

static void fail_call(struct flight *f, const struct err *err)
{
    struct failure failure = {
        .dependency = DEPENDENCY_ENGINE, .stage = STAGE_IMAGE, .status = 400, .retry_after_ms = -1};
    snprintf(failure.message, sizeof(failure.message), "%s", err->msg);
    fail_early(f, &failure);
}

/* One that may go without its pull looks whether the image is here all the same. */
static bool goes_on_without(struct flight *f, const struct failure *failure, int64_t took_ms)
{
    if (f->policy != JOBSPEC_PULL_IF_POSSIBLE)
        return false;
    f->pull_error = check_strdup(failure->message);
    f->pull_failure = check_alloc(sizeof(*f->pull_failure));
    *f->pull_failure = *failure;
    f->pull_took_ms = took_ms;
    start_waiting_pulls(f->pulls);
    look(f, FLIGHT_LOOKS_AFTER);
    return true;
}

static void on_pulled(void *arg, const struct engine_reply *reply)
{
    struct flight *f = arg;
    f->call = NULL;
    f->pulls->in_flight--;
    learn(f, STAGE_PULL, reply);
    note_pull(f, reply->failure);
    if (reply->failure == NULL)
        finish(f, NULL, reply->took_ms, true, NULL);
    else if (!goes_on_without(f, reply->failure, reply->took_ms))
        finish(f, reply->failure, reply->took_ms, false, NULL);
}

/* What keeps a pull from being sent: the breaker of its registry, or that registry's retry budget. */
static bool is_held(struct flight *f, struct failure *failure)
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

static void on_slot(void *arg)
{
    start_waiting_pulls(arg);
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

/* Is there a slot? If not, come back when there may be one. */
static bool has_slot(struct pulls *p, const struct flight *f)
{
    int64_t limit = p->config->pulls;
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

static void pull(struct flight *f)
{
    struct pulls *p = f->pulls;
    f->step = FLIGHT_WAITS;
    if (!has_slot(p, f))
        return;
    struct failure failure;
    f->step = FLIGHT_LOOKS; /* no longer one of those that wait, whatever comes of it */
    if (is_held(f, &failure)) {
        if (!goes_on_without(f, &failure, 0))
            fail_early(f, &failure);
        return;
    }
    struct http_clocks clocks = clocks_of(f, STAGE_PULL);
    struct err err;
    f->pull_began_ms = clock_mono_ms(timers_clock(p->timers));
    if (p->guards != NULL)
        guard_probe(guards_registry(p->guards, f->image));
    if (engine_pull(p->engine, f->image, f->platform, NULL, &clocks, on_pulled, f, &f->call, &err) != 0) {
        fail_call(f, &err);
        return;
    }
    f->step = FLIGHT_PULLS;
    p->in_flight++;
    pull_limits_take(p->limits, p->config, f->registry);
}

static void start_waiting_pulls(struct pulls *p)
{
    timer_cancel(&p->slot_timer);
    for (struct list *link = p->flights.next; link != &p->flights;) {
        struct flight *f = LIST_ITEM(link, struct flight, link);
        link = link->next;
        if (f->step == FLIGHT_WAITS)
            pull(f);
    }
}

static void on_looked(void *arg, const struct engine_reply *reply)
{
    struct flight *f = arg;
    f->call = NULL;
    learn(f, STAGE_IMAGE, reply);
    bool is_absent = reply->failure != NULL && reply->failure->status == 404;
    if (reply->failure == NULL && f->step == FLIGHT_LOOKS_AFTER) {
        char *warning =
            check_printf("the image could not be pulled (%s); the one that is here is used", f->pull_error);
        finish(f, NULL, reply->took_ms, false, warning);
        free(warning);
    } else if (reply->failure == NULL) {
        finish(f, NULL, reply->took_ms, false, NULL);
    } else if (is_absent && f->step == FLIGHT_LOOKS) {
        pull(f);
    } else if (is_absent) {
        finish(f, f->pull_failure, f->pull_took_ms, false, NULL);
    } else {
        finish(f, reply->failure, reply->took_ms, false, NULL);
    }
}

static void look(struct flight *f, enum flight_step step)
{
    struct pulls *p = f->pulls;
    f->step = step;
    struct http_clocks clocks = clocks_of(f, STAGE_IMAGE);
    struct err err;
    if (engine_image_inspect(p->engine, f->image, &clocks, on_looked, f, &f->call, &err) != 0)
        fail_call(f, &err);
}

static bool is_same(const struct flight *f, const char *image, const char *platform,
                    enum jobspec_pull_policy policy)
{
    bool same_platform = (f->platform == NULL && platform == NULL) ||
                         (f->platform != NULL && platform != NULL && strcmp(f->platform, platform) == 0);
    return f->policy == policy && same_platform && strcmp(f->image, image) == 0;
}

static void on_ready(void *arg)
{
    struct pull_wait *wait = arg;
    pull_done_fn done = wait->done;
    void *done_arg = wait->arg;
    list_remove(&wait->link);
    free(wait);
    done(done_arg, NULL, 0, false, NULL);
}

static bool is_known_present(struct pulls *p, const char *image, const char *platform)
{
    char *key = presence_key(image, platform);
    bool known = index_find(&p->present, key) != NULL;
    free(key);
    return known;
}

static struct flight *new_flight(struct pulls *p, const char *image, const char *platform,
                                 const char *class_name, enum jobspec_pull_policy policy, bool must_pull)
{
    struct flight *f = check_alloc(sizeof(*f));
    f->pulls = p;
    f->image = check_strdup(image);
    registry_of(image, f->registry);
    f->platform = check_strdup_or_null(platform);
    f->class_name = check_strdup(class_name);
    f->policy = policy;
    f->must_pull = must_pull;
    list_init(&f->waits);
    list_add_last(&p->flights, &f->link);
    return f;
}

struct pull_wait *pulls_want(struct pulls *p, const char *image, const char *platform,
                             enum jobspec_pull_policy policy, bool must_pull, const char *class_name,
                             pull_done_fn done, void *arg)
{
    struct pull_wait *wait = check_alloc(sizeof(*wait));
    wait->done = done;
    wait->arg = arg;
    list_init(&wait->link);
    bool needs_nothing = policy == JOBSPEC_PULL_NEVER || (policy == JOBSPEC_PULL_IF_NOT_PRESENT &&
                                                          !must_pull && is_known_present(p, image, platform));
    if (needs_nothing) {
        list_add_last(&p->ready, &wait->link);
        timer_start(p->timers, &wait->timer, 0, on_ready, wait);
        return wait;
    }
    for (struct list *link = p->flights.next; link != &p->flights; link = link->next) {
        struct flight *f = LIST_ITEM(link, struct flight, link);
        if (is_same(f, image, platform, policy)) {
            wait->flight = f;
            list_add_last(&f->waits, &wait->link);
            return wait;
        }
    }
    struct flight *f = new_flight(p, image, platform, class_name, policy, must_pull);
    wait->flight = f;
    list_add_last(&f->waits, &wait->link);
    if (policy == JOBSPEC_PULL_IF_NOT_PRESENT && !must_pull)
        look(f, FLIGHT_LOOKS);
    else
        pull(f);
    return wait;
}

void pulls_leave(struct pull_wait *wait)
{
    struct flight *f = wait->flight;
    timer_cancel(&wait->timer);
    list_remove(&wait->link);
    free(wait);
    if (f == NULL || !list_is_empty(&f->waits))
        return;
    struct pulls *p = f->pulls;
    if (f->step == FLIGHT_PULLS)
        p->in_flight--;
    free_flight(f);
    start_waiting_pulls(p);
}

void pulls_free(struct pulls *p)
{
    if (p == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&p->flights)) != NULL) {
        struct flight *f = LIST_ITEM(link, struct flight, link);
        struct list *w;
        while ((w = list_take_first(&f->waits)) != NULL)
            free(LIST_ITEM(w, struct pull_wait, link));
        free_flight(f);
    }
    while ((link = list_take_first(&p->ready)) != NULL) {
        struct pull_wait *wait = LIST_ITEM(link, struct pull_wait, link);
        timer_cancel(&wait->timer);
        free(wait);
    }
    timer_cancel(&p->slot_timer);
    pull_limits_free(p->limits);
    pulls_forget(p);
    forget_all(&p->failed);
    free(p);
}
