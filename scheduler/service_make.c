/*
 * service_make.c - makes the parts of the service, connects them, and ends them in order.
 *
 * The functions before the making are what the parts tell each other; none decides anything about a launch.
 */
#include "service_internal.h"

#include "engine_settings.h"

#include "log_output.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A server that was only overloaded answers what it had taken on within this after it is back. */
#define GIVE_UP_MS 8000

static void on_reach(void *arg, bool is_reachable)
{
    struct service *s = arg;
    s->unreachable_since_ms = clock_mono_ms(s->s.clock);
    service_keep_reach(s, DEPENDENCY_ENGINE, is_reachable);
    if (is_reachable)
        runner_wake(s->runner, DEPENDENCY_ENGINE, guard_was_silent(guards_engine(s->guards)));
    service_open_gates(s);
}

static void count_call(struct service *s, enum dependency dependency, const struct call_end *end)
{
    char route[CALL_ROUTE_SIZE];
    call_route(end->method, end->path, route);
    meters_call(s->meters, dependency, route, end->status, end->is_stream ? -1 : end->took_ms);
}

static void on_engine_call_end(void *arg, const struct call_end *end)
{
    struct service *s = arg;
    count_call(s, DEPENDENCY_ENGINE, end);
    if (!end->is_stream)
        guard_note(guards_engine(s->guards), end->failure, end->began_ms);
}

static bool may_ask_engine(void *arg)
{
    const struct service *s = arg;
    return !guard_is_open(guards_engine(s->guards));
}

static bool may_ask_prefect(void *arg)
{
    const struct service *s = arg;
    return !guard_is_open(guards_prefect(s->guards));
}

/* What follows for Prefect is reach.c's. */
static void on_guard_change(void *arg, struct guard *guard)
{
    struct service *s = arg;
    if (guard == guards_prefect(s->guards))
        return;
    if (guard == guards_engine(s->guards) && guard_is_open(guard))
        watcher_trip(s->watcher);
    else if (guard != guards_engine(s->guards) && !guard_is_open(guard))
        runner_wake(s->runner, DEPENDENCY_REGISTRY, guard_was_silent(guard));
}

static void on_rows_begun(void *arg, const struct err *err)
{
    struct service *s = arg;
    if (err == NULL)
        runner_save_soon(s->runner);
    else
        service_on_save_failure(s, err);
}

/* ---- Prefect away and back ---- */

static void on_prefect_call_end(void *arg, const struct call_end *end)
{
    struct service *s = arg;
    count_call(s, DEPENDENCY_PREFECT, end);
    if (s->reach == NULL)
        return;
    reach_note(s->reach, end->failure, end->began_ms);
    service_keep_reach(s, DEPENDENCY_PREFECT, !reach_is_away(s->reach));
}

/* What was sent into the void has no answer to wait for. */
static void on_give_up(void *arg)
{
    struct service *s = arg;
    prefect_give_up(s->prefect, s->answered_since_ms);
}

static void on_prefect_back(void *arg, int64_t answered_since_ms)
{
    struct service *s = arg;
    s->answered_since_ms = answered_since_ms;
    timer_start(s->s.timers, &s->give_up_timer, GIVE_UP_MS, on_give_up, s);
    pool_sync_wake(s->pool_sync);
    poller_wake(s->poller);
    run_watch_wake(s->run_watch);
    runner_wake(s->runner, DEPENDENCY_PREFECT, guard_was_silent(guards_prefect(s->guards)));
    watcher_look(s->watcher);
}

static bool is_away(void *arg, const struct live *live, const struct failure *failure)
{
    struct service *s = arg;
    if (failure->stage == STAGE_PULL && live->launch->image[0] != '\0' &&
        guard_is_open(guards_registry(s->guards, live->launch->image)))
        return true; /* it was the probe */
    if (failure->dependency == DEPENDENCY_PREFECT)
        return reach_is_away(s->reach);
    if (failure->dependency != DEPENDENCY_ENGINE)
        return false;
    watcher_suspect(s->watcher, failure);
    return !watcher_is_reachable(s->watcher);
}

static void on_online(void *arg)
{
    struct service *s = arg;
    s->is_online = true;
    log_info("worker online", kv_s("pool", s->s.config->pool), kv_s("name", s->s.config->worker_name),
             kv_s("url", s->s.config->api_url), kv_s("instance", s->instance));
    tell_started(s->tell);
    if (!s->is_stopping && !s->is_draining) {
        poller_start(s->poller);
        stale_cancels_start(s->stale_cancels);
    }
    service_open_gates(s);
}

static void on_polled(void *arg)
{
    struct service *s = arg;
    s->has_polled = true;
}

static void on_pool_failure(void *arg, const struct failure *failure, int64_t took_ms)
{
    struct service *s = arg;
    runner_record_timeout(s->runner, failure, took_ms);
}

static void on_fatal(void *arg, const char *sentence)
{
    struct service *s = arg;
    log_error("giving up", kv_s("error", sentence));
    log_output_say(STDERR_FILENO, sentence);
    service_end(s, 1);
}

void service_on_save_failure(void *arg, const struct err *err)
{
    struct service *s = arg;
    log_error("the state file can't be written; stopping, since nothing may be done that is not on disk",
              kv_s("file", store_path(s->store)), kv_s("error", err->msg));
    service_end(s, 1);
}

static void on_wait(void *arg, struct live *live, enum run_action what)
{
    struct service *s = arg;
    admission_wait(s->admission, live, what);
}

static void on_forget(void *arg, struct live *live)
{
    struct service *s = arg;
    if (live->launch->run.state == RUN_STATE_FINISHED)
        tell_over(s->tell, live);
    if (s->poller != NULL)
        poller_note_end(s->poller, live);
    leases_forget(s->leases, live);
    guard_leave(live);
    act_forget(&s->act, live);
}

static bool still_runs(void *arg, const char *launch_id)
{
    struct service *s = arg;
    const struct live *live = runner_find_launch(s->runner, launch_id);
    return live != NULL &&
           (live->launch->run.state == RUN_STATE_RUNNING || live->launch->run.state == RUN_STATE_STOPPING);
}

static void perform(void *arg, struct live *live, enum run_action action)
{
    struct service *s = arg;
    act_perform(&s->act, live, action);
}

static void abandon(void *arg, struct live *live)
{
    struct service *s = arg;
    act_abandon(&s->act, live);
}

static void look(void *arg, struct live *live)
{
    struct service *s = arg;
    act_perform(&s->act, live, RUN_ACTION_LOOK_CONTAINER);
}

static enum sight sight(void *arg, const struct live *live)
{
    struct service *s = arg;
    return poller_sight(s->poller, live);
}

static void on_claim(void *arg, const struct live *live)
{
    struct service *s = arg;
    poller_on_claim(s->poller, live);
}

static bool take_shared(void *arg, int64_t ready)
{
    struct service *s = arg;
    return shared_starts_take(s->shared_starts, ready);
}

static int64_t learned_limit(void *arg, enum learning_stage stage)
{
    struct service *s = arg;
    return learning_limit(s->learning, stage);
}

static void hide(void *arg, const struct live *live, char *message)
{
    (void)arg;
    act_hide(live, message);
}

static int ride(void *arg, struct err *err)
{
    struct service *s = arg;
    if (service_save_losses(s, err) != 0)
        return -1;
    if (learned_timeouts_save(s->timeouts, false, err) != 0 || learning_save(s->learning, false, err) != 0)
        return -1;
    return alerts_save(s->alerts, false, err);
}

static void want_sight(void *arg, struct live *const *lives, size_t count)
{
    struct service *s = arg;
    poller_want_sight(s->poller, lives, count);
}

/* The rows of a change of alerts must be on disk before anybody hears of it. */
static int sync_alerts(void *arg)
{
    struct service *s = arg;
    return s->is_ended ? -1 : runner_sync(s->runner);
}

/* ---- making ---- */

static int make_clients(struct service *s, struct err *err)
{
    const struct config *c = s->s.config;
    struct http_settings engine_http = engine_http_settings_of(c);
    struct http_settings prefect_http = {.max_connections = 16,
                                         .tls_skip_verify = c->tls_skip_verify,
                                         .ca_file = c->ca_file,
                                         .ca_folder = c->ca_folder,
                                         .proxy = c->api_proxy};
    struct engine_settings engine = engine_settings_of(c);
    engine.on_call_end = on_engine_call_end;
    engine.may_go = may_ask_engine;
    engine.arg = s;
    struct http_settings probe_http = prefect_http;
    probe_http.max_connections = 1;
    struct prefect_settings prefect = {.api_url = c->api_url,
                                       .api_key = c->api_key,
                                       .auth_string = c->auth_string,
                                       .worker_name = c->worker_name,
                                       .custom_headers_json = c->custom_headers,
                                       .on_call_end = on_prefect_call_end,
                                       .may_go = may_ask_prefect,
                                       .arg = s,
                                       .csrf_enabled = c->csrf_enabled && !c->is_cloud,
                                       .is_cloud = c->is_cloud,
                                       .random = s->s.random};
    if (http_new(s->s.base, s->s.timers, &engine_http, &s->engine_http, err) != 0 ||
        http_new(s->s.base, s->s.timers, &prefect_http, &s->prefect_http, err) != 0 ||
        http_new(s->s.base, s->s.timers, &probe_http, &s->probe_http, err) != 0)
        return -1;
    if (engine_new(s->engine_http, s->s.timers, &engine, &s->engine, err) != 0)
        return -1;
    if (prefect_new(s->prefect_http, s->s.timers, &prefect, &s->prefect, err) != 0)
        return -1;
    prefect.may_go = NULL;
    return prefect_new(s->probe_http, s->s.timers, &prefect, &s->probe, err);
}

/* What asks one thing of the engine or of Prefect, and knows no launch. */
static void make_askers(struct service *s, const char *template_json)
{
    const struct service_settings *set = &s->s;
    s->logins = registry_logins_new(set->base, set->timers, set->config);
    s->pulls = pulls_new(s->engine, set->timers, s->store, set->config);
    pulls_set_logins(s->pulls, s->logins);
    pulls_set_guards(s->pulls, s->guards);
    s->catalog = catalog_new(s->prefect, set->timers, set->config);
    catalog_set_guard(s->catalog, guards_prefect(s->guards));
    s->references = references_new(s->prefect, set->timers, guards_prefect(s->guards), set->config);
    s->looks = looks_new(s->prefect, set->timers);
    s->output = output_new(&(struct output_settings){.engine = s->engine,
                                                     .timers = set->timers,
                                                     .base = set->base,
                                                     .fd = set->output_fd,
                                                     .with_names = set->config->output_names,
                                                     .still_runs = still_runs,
                                                     .arg = s});
    s->pool_sync = pool_sync_new(&(struct pool_sync_settings){.prefect = s->prefect,
                                                              .timers = set->timers,
                                                              .config = set->config,
                                                              .template_json = template_json,
                                                              .on_ready = on_online,
                                                              .on_failure = on_pool_failure,
                                                              .on_fatal = on_fatal,
                                                              .arg = s});
    s->reach = reach_new(&(struct reach_settings){.prefect = s->probe,
                                                  .guard = guards_prefect(s->guards),
                                                  .timers = set->timers,
                                                  .clock = set->clock,
                                                  .pool = pool_sync_pool(s->pool_sync)->name,
                                                  .on_back = on_prefect_back,
                                                  .arg = s});
    s->tell = tell_new(s->prefect, set->timers, set->random, set->config, pool_sync_pool(s->pool_sync),
                       engine_pid_base(s->engine));
}

/* The launches, and what performs their actions. */
static void make_runner(struct service *s)
{
    const struct service_settings *set = &s->s;
    s->runner = runner_new(&(struct runner_settings){.store = s->store,
                                                     .timers = set->timers,
                                                     .clock = set->clock,
                                                     .random = set->random,
                                                     .config = set->config,
                                                     .mark = s->mark,
                                                     .timeouts = s->timeouts,
                                                     .meters = s->meters,
                                                     .traces = s->traces,
                                                     .ports = {.arg = s,
                                                               .perform = perform,
                                                               .abandon = abandon,
                                                               .is_away = is_away,
                                                               .wait = on_wait,
                                                               .forget = on_forget,
                                                               .hide = hide,
                                                               .ride = ride,
                                                               .on_failure = service_on_save_failure}});
    pulls_set_timeouts(s->pulls, s->timeouts);
    pulls_set_learning(s->pulls, s->learning);
    s->act = (struct act){.runner = s->runner,
                          .timeouts = s->timeouts,
                          .engine = s->engine,
                          .prefect = s->prefect,
                          .pulls = s->pulls,
                          .guards = s->guards,
                          .catalog = s->catalog,
                          .references = s->references,
                          .looks = s->looks,
                          .learning = s->learning,
                          .output = s->output,
                          .tell = s->tell,
                          .traces = s->traces,
                          .clock = set->clock,
                          .config = set->config,
                          .pool = pool_sync_pool(s->pool_sync),
                          .instance = s->instance,
                          .working_directory = set->working_directory,
                          .prefect_version = PREFECT_CLAIMED_VERSION};
}

static int commit_upkeep(void *arg)
{
    struct service *s = arg;
    return runner_sync(s->runner);
}

static struct upkeep *make_upkeep(struct service *s)
{
    return upkeep_new(&(struct upkeep_settings){.store = s->store,
                                                .timers = s->s.timers,
                                                .clock = s->s.clock,
                                                .config = s->s.config,
                                                .commit = commit_upkeep,
                                                .on_failure = service_on_save_failure,
                                                .arg = s});
}

/* What sees the outside and tells the launches. */
static void make_observers(struct service *s)
{
    const struct service_settings *set = &s->s;
    s->poller = poller_new(&(struct poller_settings){.runner = s->runner,
                                                     .catalog = s->catalog,
                                                     .prefect = s->prefect,
                                                     .timers = set->timers,
                                                     .clock = set->clock,
                                                     .random = set->random,
                                                     .config = set->config,
                                                     .pool = pool_sync_pool(s->pool_sync),
                                                     .on_polled = on_polled,
                                                     .arg = s});
    s->run_watch = run_watch_new(&(struct run_watch_settings){.runner = s->runner,
                                                              .prefect = s->prefect,
                                                              .timers = set->timers,
                                                              .clock = set->clock,
                                                              .config = set->config});
    s->leases = leases_new(&(struct leases_settings){.runner = s->runner,
                                                     .prefect = s->prefect,
                                                     .timers = set->timers,
                                                     .clock = set->clock,
                                                     .config = set->config});
    s->watcher = watcher_new(&(struct watcher_settings){.runner = s->runner,
                                                        .store = s->store,
                                                        .engine = s->engine,
                                                        .prefect = s->prefect,
                                                        .pulls = s->pulls,
                                                        .guard = guards_engine(s->guards),
                                                        .timers = set->timers,
                                                        .clock = set->clock,
                                                        .config = set->config,
                                                        .instance = s->instance,
                                                        .look = look,
                                                        .on_reach = on_reach,
                                                        .arg = s});
    s->shared_starts = shared_starts_new(&(struct shared_starts_settings){
        .prefect = s->prefect, .timers = set->timers, .clock = set->clock, .config = set->config});
    s->act.watcher = s->watcher;
    s->act.leases = s->leases;
    s->lost_claims = lost_claims_new(&(struct lost_claims_settings){.runner = s->runner,
                                                                    .store = s->store,
                                                                    .engine = s->engine,
                                                                    .prefect = s->prefect,
                                                                    .timers = set->timers,
                                                                    .clock = set->clock,
                                                                    .config = set->config,
                                                                    .instance = s->instance,
                                                                    .mark = s->mark});
    s->stale_cancels = stale_cancels_new(&(struct stale_cancels_settings){.runner = s->runner,
                                                                          .store = s->store,
                                                                          .prefect = s->prefect,
                                                                          .timers = set->timers,
                                                                          .config = set->config});
}

static int make_alerts(struct service *s, struct err *err)
{
    return alerts_new(&(struct alerts_settings){.base = s->s.base,
                                                .timers = s->s.timers,
                                                .clock = s->s.clock,
                                                .random = s->s.random,
                                                .config = s->s.config,
                                                .store = s->store,
                                                .service = s,
                                                .runner = s->runner,
                                                .meters = s->meters,
                                                .sync = sync_alerts,
                                                .on_saved = on_rows_begun,
                                                .arg = s},
                      &s->alerts, err);
}

/* Each knows those made before it. */
static int make_parts(struct service *s, const char *template_json, struct err *err)
{
    const struct service_settings *set = &s->s;
    if (learned_timeouts_new(s->store, set->clock, set->config, &s->timeouts, err) != 0 ||
        learning_new(s->store, set->clock, set->config, &s->learning, err) != 0)
        return -1;
    const struct traces_settings traces = {.base = set->base,
                                           .timers = set->timers,
                                           .random = set->random,
                                           .config = set->config,
                                           .instance = s->instance};
    if (traces_new(&traces, &s->traces, err) != 0)
        return -1;
    make_askers(s, template_json);
    make_runner(s);
    make_observers(s);
    s->upkeep = make_upkeep(s);
    if (make_alerts(s, err) != 0)
        return -1;
    return admission_new(&(struct admission_settings){.runner = s->runner,
                                                      .store = s->store,
                                                      .timers = set->timers,
                                                      .clock = set->clock,
                                                      .config = set->config,
                                                      .sight = sight,
                                                      .learned_limit = learned_limit,
                                                      .want_sight = want_sight,
                                                      .on_claim = on_claim,
                                                      .take_shared = take_shared,
                                                      .arg = s},
                         &s->admission, err);
}

int service_make(struct service *s, struct err *err)
{
    struct guards_settings guards = {.store = s->store,
                                     .timers = s->s.timers,
                                     .clock = s->s.clock,
                                     .random = s->s.random,
                                     .on_saved = on_rows_begun,
                                     .on_change = on_guard_change,
                                     .arg = s};
    s->meters = meters_new(s->s.config);
    if (guards_new(&guards, &s->guards, err) != 0 || make_clients(s, err) != 0)
        return -1;
    return make_parts(s, s->s.template_json, err);
}

void service_begin(struct service *s)
{
    s->unreachable_since_ms = clock_mono_ms(s->s.clock);
    service_open_gates(s);
    pool_sync_start(s->pool_sync);
    watcher_start(s->watcher);
    lost_claims_start(s->lost_claims);
    alerts_start(s->alerts);
}

void service_unmake(struct service *s)
{
    upkeep_free(s->upkeep);
    alerts_free(s->alerts);
    stale_cancels_free(s->stale_cancels);
    lost_claims_free(s->lost_claims);
    watcher_free(s->watcher);
    run_watch_free(s->run_watch);
    poller_free(s->poller);
    s->poller = NULL;
    runner_free(s->runner);
    learned_timeouts_free(s->timeouts);
    leases_free(s->leases);
    admission_free(s->admission);
    shared_starts_free(s->shared_starts);
    tell_free(s->tell);
    traces_free(s->traces);
    pool_sync_free(s->pool_sync);
    output_free(s->output);
    pulls_free(s->pulls);
    registry_logins_free(s->logins);
    looks_free(s->looks);
    learning_free(s->learning);
    references_free(s->references);
    catalog_free(s->catalog);
    reach_free(s->reach);
    prefect_free(s->prefect);
    prefect_free(s->probe);
    engine_free(s->engine);
    guards_free(s->guards);
    meters_free(s->meters);
    http_free(s->prefect_http);
    http_free(s->probe_http);
    http_free(s->engine_http);
}
