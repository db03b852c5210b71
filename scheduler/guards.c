#include "guards.h"

#include "base/log.h"
#include "core/breaker.h"
#include "core/budget.h"
#include "core/registry.h"

#include <stdio.h>
#include <string.h>

/* Registries are named by job configurations; nobody means thousands of them. */
#define REGISTRIES_MAX 200

struct guard {
    struct list link;
    struct guards *guards;
    enum dependency dependency;
    char *name;
    const struct breaker_rule *rule;
    struct breaker breaker;
    int64_t changed_ms; /* wall */
    struct budget budget;
    struct list line; /* live.held_link: launches that wait for a retry */
    int64_t line_count;
    struct timer line_timer;
};

struct guards {
    struct guards_settings s;
    struct list all; /* guard.link */
    size_t registry_count;
    struct guard *engine;
    struct guard *prefect;
};

/* Single faults pass; what lasts for some seconds is an outage. One call that hung for as long is enough. */
static const struct breaker_rule prefect_rule = {
    .failing_ms = 3000, .silent = 1, .failures = 5, .share_calls = 20, .share_percent = 90};
/* That it doesn't answer is noticed by its events; here, that it answers everybody badly, or late. */
static const struct breaker_rule engine_rule = {
    .failing_ms = 3000, .silent = 5, .failures = 5, .share_calls = 20, .share_percent = 90};
/* Pulls are few, and each is tried several times by the engine itself. */
static const struct breaker_rule registry_rule = {
    .failing_ms = 0, .silent = 3, .failures = 3, .share_calls = 10, .share_percent = 90};

static int64_t now_ms(const struct guard *g)
{
    return clock_mono_ms(g->guards->s.clock);
}

const char *guard_name(const struct guard *guard)
{
    return guard->name;
}

enum dependency guard_dependency(const struct guard *guard)
{
    return guard->dependency;
}

int64_t guard_retries_left(const struct guard *guard)
{
    return budget_left(&guard->budget, now_ms(guard));
}

const struct guard *guards_next(const struct guards *guards, const struct guard *guard)
{
    const struct list *next = guard == NULL ? guards->all.next : guard->link.next;
    if (next == &guards->all)
        return NULL;
    return (const struct guard *)((const char *)next - offsetof(struct guard, link));
}

/* ---- the state file ---- */

static int load(struct guard *g, struct err *err)
{
    char *AUTO_FREE key = check_printf("breaker:%s", g->name);
    char *AUTO_FREE state = NULL;
    if (store_load_learned(g->guards->s.store, key, &state, err) != 0)
        return -1;
    g->breaker = breaker_read(state, now_ms(g));
    if (g->breaker.state != BREAKER_CLOSED)
        log_warn("the breaker was open when we stopped, and stays so", kv_s("dependency", g->name));
    return 0;
}

static int save(struct guard *g, struct err *err)
{
    char state[BREAKER_TEXT_SIZE];
    char since[CLOCK_TEXT_SIZE];
    breaker_write(&g->breaker, state);
    clock_format(g->changed_ms, since);
    bool is_open = g->breaker.state != BREAKER_CLOSED;
    const char *why = !is_open               ? "closed"
                      : g->breaker.is_silent ? "open, nobody answers"
                                             : "open, it refuses";
    char *AUTO_FREE key = check_printf("breaker:%s", g->name);
    char *AUTO_FREE said = check_printf("%s: %s since %s", g->name, why, since);
    struct store_learned row = {.name = key,
                                .class_name = "",
                                .kind = "breaker",
                                .value = is_open ? 1 : 0,
                                .learned_from = said,
                                .state = state};
    if (store_begin(g->guards->s.store, err) != 0)
        return -1;
    return store_save_learned(g->guards->s.store, &row, err);
}

static void on_change(struct guard *g)
{
    struct guards *all = g->guards;
    struct err err;
    g->changed_ms = clock_wall_ms(all->s.clock);
    int rc = save(g, &err);
    all->s.on_saved(all->s.arg, rc == 0 ? NULL : &err);
    all->s.on_change(all->s.arg, g);
}

/* ---- making ---- */

static struct guard *add(struct guards *all, enum dependency dependency, const char *name,
                         const struct breaker_rule *rule)
{
    struct guard *g = check_alloc(sizeof(*g));
    g->guards = all;
    g->dependency = dependency;
    g->name = check_strdup(name);
    g->rule = rule;
    list_init(&g->line);
    list_add_last(&all->all, &g->link);
    return g;
}

int guards_new(const struct guards_settings *settings, struct guards **out, struct err *err)
{
    struct guards *all = check_alloc(sizeof(*all));
    all->s = *settings;
    list_init(&all->all);
    all->engine = add(all, DEPENDENCY_ENGINE, "engine", &engine_rule);
    all->prefect = add(all, DEPENDENCY_PREFECT, "prefect", &prefect_rule);
    if (load(all->engine, err) != 0 || load(all->prefect, err) != 0) {
        guards_free(all);
        return -1;
    }
    *out = all;
    return 0;
}

void guards_free(struct guards *all)
{
    if (all == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&all->all)) != NULL) {
        struct guard *g = LIST_ITEM(link, struct guard, link);
        while (!list_is_empty(&g->line))
            guard_leave(LIST_ITEM(g->line.next, struct live, held_link));
        timer_cancel(&g->line_timer);
        free(g->name);
        free(g);
    }
    free(all);
}

struct guard *guards_engine(struct guards *guards)
{
    return guards->engine;
}

struct guard *guards_prefect(struct guards *guards)
{
    return guards->prefect;
}

/* Beyond so many they share one, which is as good as none. */
struct guard *guards_registry(struct guards *all, const char *image)
{
    char host[REGISTRY_SIZE];
    registry_of(image, host);
    bool is_full = all->registry_count >= REGISTRIES_MAX;
    char *AUTO_FREE name = check_printf("registry %s", host);
    for (struct list *link = all->all.next; link != &all->all; link = link->next) {
        struct guard *g = LIST_ITEM(link, struct guard, link);
        if (strcmp(g->name, name) == 0 || (is_full && link->next == &all->all))
            return g;
    }
    struct guard *g = add(all, DEPENDENCY_REGISTRY, name, &registry_rule);
    struct err err;
    all->registry_count++;
    if (load(g, &err) != 0)
        all->s.on_saved(all->s.arg, &err);
    return g;
}

/* ---- the breaker ---- */

static bool says_nothing(const struct failure *f)
{
    return f->transport == TRANSPORT_CANCELLED || f->transport == TRANSPORT_EMFILE ||
           f->transport == TRANSPORT_BREAKER_OPEN || f->transport == TRANSPORT_BUDGET_EMPTY;
}

/* Nobody who speaks the dependency's language has answered. */
static bool is_silence(const struct failure *f)
{
    return f->transport != TRANSPORT_NONE || (f->status >= 502 && f->status <= 504);
}

/* It answers, and says no to whoever asks. */
static bool is_refusal(const struct guard *g, const struct failure *f)
{
    enum error_class class = classify(f).error_class;
    if (class == ERROR_CLASS_THROTTLED)
        return true;
    bool is_its_own = f->status >= 500 || g->dependency == DEPENDENCY_REGISTRY;
    return class == ERROR_CLASS_TRANSIENT && is_its_own;
}

void guard_note(struct guard *g, const struct failure *f, int64_t began_ms)
{
    if (f != NULL && says_nothing(f))
        return;
    bool was_open = guard_is_open(g);
    budget_request(&g->budget, now_ms(g));
    if (f != NULL && (is_silence(f) || is_refusal(g, f)))
        breaker_fail(&g->breaker, g->rule, now_ms(g),
                     &(struct breaker_failure){.began_ms = began_ms,
                                               .retry_after_ms = f->retry_after_ms,
                                               .is_silent = is_silence(f),
                                               .is_refusal = f->status == 503});
    else
        breaker_succeed(&g->breaker, now_ms(g));
    if (guard_is_open(g) == was_open)
        return;
    /* Those that are watched are told of by who watches them. */
    if (was_open && g->dependency == DEPENDENCY_REGISTRY)
        log_info("breaker closed", kv_s("dependency", g->name));
    else if (g->dependency == DEPENDENCY_REGISTRY)
        log_warn("breaker opened: the dependency is only probed until it answers well",
                 kv_s("dependency", g->name), kv_int("status", f->status),
                 kv_s("transport", transport_name(f->transport)), kv_s("error", f->message));
    on_change(g);
}

void guard_open(struct guard *g)
{
    if (guard_is_open(g))
        return;
    breaker_open(&g->breaker, now_ms(g));
    on_change(g);
}

bool guard_is_open(const struct guard *g)
{
    return g->breaker.state != BREAKER_CLOSED;
}

bool guard_was_silent(const struct guard *g)
{
    return g->breaker.is_silent;
}

int64_t guard_wait_ms(const struct guard *g)
{
    return breaker_wait_ms(&g->breaker, now_ms(g));
}

void guard_probe(struct guard *g)
{
    if (guard_is_open(g))
        breaker_probe(&g->breaker, now_ms(g), g->guards->s.random->next(g->guards->s.random->arg));
}

struct failure guard_refusal(const struct guard *g, enum stage stage)
{
    struct failure failure = {.dependency = g->dependency,
                              .stage = stage,
                              .transport = TRANSPORT_BREAKER_OPEN,
                              .retry_after_ms = guard_wait_ms(g)};
    snprintf(failure.message, sizeof(failure.message), "breaker of %s", g->name);
    return failure;
}

/* ---- the budget ---- */

static void serve_line(void *arg);

static void serve_line_later(struct guard *g)
{
    if (!list_is_empty(&g->line))
        timer_start(g->guards->s.timers, &g->line_timer, budget_wait_ms(&g->budget, now_ms(g), 0), serve_line,
                    g);
}

/* Whoever is first has its retry, unless it waits for something else by now. */
static void serve_line(void *arg)
{
    struct guard *g = arg;
    while (!list_is_empty(&g->line) && budget_wait_ms(&g->budget, now_ms(g), 0) == 0) {
        struct live *live = LIST_ITEM(g->line.next, struct live, held_link);
        guard_leave(live);
        if (!runner_go_on(live))
            continue;
        budget_retry(&g->budget, now_ms(g));
        live->has_retry = true;
    }
    serve_line_later(g);
}

bool guard_take(struct guard *g, int64_t *wait_ms)
{
    *wait_ms = budget_wait_ms(&g->budget, now_ms(g), g->line_count);
    if (*wait_ms > 0)
        return false;
    budget_retry(&g->budget, now_ms(g));
    return true;
}

bool guard_lets(struct guard *g, struct live *live, int64_t *wait_ms)
{
    bool has_retry = live->has_retry;
    live->has_retry = false;
    if (has_retry)
        return true;
    if (live->held_by == g) { /* its time was an estimate */
        *wait_ms = budget_wait_ms(&g->budget, now_ms(g), g->line_count);
        return false;
    }
    if (list_is_empty(&g->line) && guard_take(g, wait_ms))
        return true;
    *wait_ms = budget_wait_ms(&g->budget, now_ms(g), g->line_count);
    guard_leave(live);
    live->held_by = g;
    list_add_last(&g->line, &live->held_link);
    g->line_count++;
    serve_line_later(g);
    return false;
}

void guard_leave(struct live *live)
{
    if (live->held_by == NULL)
        return;
    live->held_by->line_count--;
    live->held_by = NULL;
    list_remove(&live->held_link);
}

struct failure guard_hold(const struct guard *g, enum stage stage, int64_t wait_ms)
{
    struct failure failure = {.dependency = g->dependency,
                              .stage = stage,
                              .transport = TRANSPORT_BUDGET_EMPTY,
                              .retry_after_ms = wait_ms > 0 ? wait_ms : 1};
    char until[CLOCK_TEXT_SIZE];
    clock_format(clock_wall_ms(g->guards->s.clock) + failure.retry_after_ms, until);
    snprintf(failure.message, sizeof(failure.message), "retry budget of %s until %s", g->name, until);
    return failure;
}
