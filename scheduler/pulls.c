/*
 * pulls.c - one `flight` per image, platform and login of the job: LOOK (image inspect), WAIT for a pull
 * slot, ASK a helper for a login where Docker's configuration names one, PULL, done. Waiters join a flight of
 * the same needs; a flight nobody waits for any more is cancelled. What may go now is told by pull_slots.c.
 *
 * A helper is asked when there is a slot, and holds none while it thinks: one that hangs holds up no other
 * pull. What it said is good for LOGIN_AGE_MS, should the slot be gone by then. Logins are wiped when their
 * flight ends.
 */
#include "pulls_internal.h"

#include "base/secret.h"

#include <stdio.h>
#include <string.h>

/* Some helpers give tokens that live for minutes. */
#define LOGIN_AGE_MS 60000
/* Told behind what a pull said whose image might have been here. */
#define NOT_HERE "; nor is the image here"

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

void pulls_set_config(struct pulls *pulls, const struct config *config)
{
    pulls->config = config;
    pulls_start_waiting(pulls);
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

void pulls_set_learning(struct pulls *pulls, struct learning *learning)
{
    pulls->learning = learning;
}

void pulls_set_logins(struct pulls *pulls, struct registry_logins *logins)
{
    pulls->logins = logins;
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

static void forget_login(struct flight *f)
{
    login_answer_done(&f->login);
    f->has_login = false;
}

static void free_flight(struct flight *f)
{
    if (f->call != NULL)
        engine_cancel(f->call);
    if (f->login_ask != NULL)
        registry_logins_leave(f->login_ask);
    forget_login(f);
    jobspec_credentials_free(f->credentials);
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
    f->clocks = learned_timeouts_clocks(p->timeouts, config_class_by_name(p->config, f->class_name), stage);
    return f->clocks;
}

/* A call is over: once for the flight, however many wait for it. */
static void learn(struct flight *f, enum stage stage, const struct engine_reply *reply)
{
    struct pulls *p = f->pulls;
    const struct config_class *of = config_class_by_name(p->config, f->class_name);
    if (reply->failure == NULL) {
        const struct learned_times times = {reply->connect_ms, reply->silence_ms, reply->took_ms};
        learned_timeouts_done(p->timeouts, of, stage, &times);
        return;
    }
    if (reply->failure->clock == CLOCK_KIND_NONE)
        return;
    f->expired_stage = stage;
    f->expired = reply->failure->clock;
    f->expired_ms = http_clock_ms(&f->clocks, f->expired);
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
                                 f->expired_stage, f->expired, f->expired_ms);
    free_flight(f);
    pulls_start_waiting(p);
}

static void look(struct flight *f, enum flight_step step);

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
    pulls_start_waiting(f->pulls);
    look(f, FLIGHT_LOOKS_AFTER);
    return true;
}

static bool is_refused_for_login(const struct failure *failure)
{
    return failure->dependency == DEPENDENCY_REGISTRY && classify(failure).error_class == ERROR_CLASS_AUTH;
}

/* What people are told: without anything secret that the registry has repeated, and with the reason why there
 * was no login, where it wanted one. Its words have a row in the table of core/classify_table.c. */
static struct failure explain(const struct flight *f, const struct failure *failure)
{
    struct failure told = *failure;
    registry_login_hide(f->login.login, told.message);
    if (f->login.problem == NULL || !is_refused_for_login(failure))
        return told;
    size_t len = strnlen(told.message, sizeof(told.message) / 2);
    snprintf(told.message + len, sizeof(told.message) - len, "; %s (%s)",
             f->login.may_pass ? CLASSIFY_NO_LOGIN_YET : "there was no login to send", f->login.problem);
    return told;
}

static void on_pulled(void *arg, const struct engine_reply *reply)
{
    struct flight *f = arg;
    f->call = NULL;
    f->step = FLIGHT_LOOKS; /* no longer one of those that pull, whatever comes of it */
    f->pulls->in_flight--;
    learn(f, STAGE_PULL, reply);
    learning_end(f->pulls->learning, &f->learning_call, reply->failure, reply->downloaded_bytes);
    pull_note(f, reply->failure);
    if (reply->failure == NULL) {
        finish(f, NULL, reply->took_ms, true, NULL);
        return;
    }
    struct failure failure = explain(f, reply->failure);
    if (!goes_on_without(f, &failure, reply->took_ms))
        finish(f, &failure, reply->took_ms, false, NULL);
}

static void pull(struct flight *f);

static void keep_login(struct flight *f, struct login_answer answer)
{
    f->login = answer;
    f->has_login = true;
    f->login_ms = clock_mono_ms(timers_clock(f->pulls->timers));
}

static void on_login(void *arg, struct login_answer answer)
{
    struct flight *f = arg;
    f->login_ask = NULL;
    keep_login(f, answer);
    pull(f);
}

/* False: a helper is being asked, and the flight comes back. */
static bool has_login(struct flight *f)
{
    struct pulls *p = f->pulls;
    if (f->has_login && clock_mono_ms(timers_clock(p->timers)) - f->login_ms <= LOGIN_AGE_MS)
        return true;
    forget_login(f);
    if (p->logins == NULL)
        return true;
    struct login_answer answer;
    f->login_ask = registry_logins_want(p->logins, f->image, f->credentials, on_login, f, &answer);
    if (f->login_ask == NULL)
        keep_login(f, answer);
    return f->login_ask == NULL;
}

static int send_pull(struct flight *f, struct err *err)
{
    struct http_clocks clocks = clocks_of(f, STAGE_PULL);
    char *header = f->login.login == NULL ? NULL : registry_login_header(f->login.login);
    int rc =
        engine_pull(f->pulls->engine, f->image, f->platform, header, &clocks, on_pulled, f, &f->call, err);
    secret_free(header);
    return rc;
}

static void pull(struct flight *f)
{
    struct pulls *p = f->pulls;
    f->step = FLIGHT_WAITS;
    if (!pull_has_slot(p, f))
        return;
    struct failure failure;
    f->step = FLIGHT_ASKS_LOGIN; /* no longer one of those that wait, whatever comes of it */
    if (!pull_is_refused(f) && !has_login(f))
        return;
    f->step = FLIGHT_LOOKS;
    if (pull_is_held(f, &failure)) {
        if (!goes_on_without(f, &failure, 0))
            fail_early(f, &failure);
        return;
    }
    struct err err;
    f->pull_began_ms = clock_mono_ms(timers_clock(p->timers));
    if (p->guards != NULL)
        guard_probe(guards_registry(p->guards, f->image));
    if (send_pull(f, &err) != 0) {
        fail_call(f, &err);
        return;
    }
    f->step = FLIGHT_PULLS;
    p->in_flight++;
    if (p->learning != NULL)
        learning_begin(p->learning, &f->learning_call, LEARNING_PULL);
    pull_limits_take(p->limits, p->config, f->registry);
}

void pulls_start_waiting(struct pulls *p)
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
        char *message = f->pull_failure->message;
        size_t len = strnlen(message, FAILURE_MESSAGE_SIZE - sizeof(NOT_HERE));
        snprintf(message + len, FAILURE_MESSAGE_SIZE - len, NOT_HERE);
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

static bool is_same(const struct flight *f, const struct pull_request *request)
{
    const char *platform = request->platform;
    bool same_platform = (f->platform == NULL && platform == NULL) ||
                         (f->platform != NULL && platform != NULL && strcmp(f->platform, platform) == 0);
    return f->policy == request->policy && same_platform && strcmp(f->image, request->image) == 0 &&
           jobspec_credentials_equal(f->credentials, request->credentials);
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

static struct flight *new_flight(struct pulls *p, const struct pull_request *request)
{
    struct flight *f = check_alloc(sizeof(*f));
    f->pulls = p;
    f->image = check_strdup(request->image);
    registry_of(request->image, f->registry);
    f->platform = check_strdup_or_null(request->platform);
    f->class_name = check_strdup(request->class_name);
    f->policy = request->policy;
    f->must_pull = request->must_pull;
    f->credentials = jobspec_credentials_copy(request->credentials);
    list_init(&f->waits);
    list_add_last(&p->flights, &f->link);
    return f;
}

struct pull_wait *pulls_want(struct pulls *p, const struct pull_request *request, pull_done_fn done,
                             void *arg)
{
    struct pull_wait *wait = check_alloc(sizeof(*wait));
    wait->done = done;
    wait->arg = arg;
    list_init(&wait->link);
    bool may_look = request->policy == JOBSPEC_PULL_IF_NOT_PRESENT && !request->must_pull;
    bool needs_nothing = request->policy == JOBSPEC_PULL_NEVER ||
                         (may_look && is_known_present(p, request->image, request->platform));
    if (needs_nothing) {
        list_add_last(&p->ready, &wait->link);
        timer_start(p->timers, &wait->timer, 0, on_ready, wait);
        return wait;
    }
    for (struct list *link = p->flights.next; link != &p->flights; link = link->next) {
        struct flight *f = LIST_ITEM(link, struct flight, link);
        if (is_same(f, request)) {
            wait->flight = f;
            list_add_last(&f->waits, &wait->link);
            return wait;
        }
    }
    struct flight *f = new_flight(p, request);
    wait->flight = f;
    list_add_last(&f->waits, &wait->link);
    if (may_look)
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
    if (f->step == FLIGHT_PULLS) {
        p->in_flight--;
        learning_leave(p->learning, &f->learning_call);
    }
    free_flight(f);
    pulls_start_waiting(p);
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
