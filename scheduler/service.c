/*
 * service.c - see service.h.
 *
 * Who talks to whom: poller -> runner (events) -> act (calls) -> runner (answers); admission stands between
 * runner and act where a launch needs a token or a slot; watcher feeds the ends of containers. All of them
 * meet in the runner, none knows another's inside.
 */
#include "service.h"

#include "act.h"
#include "admission.h"
#include "base/log.h"
#include "leases.h"
#include "lost_claims.h"
#include "poller.h"
#include "pool_sync.h"
#include "reach.h"
#include "watcher.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Docker kills after 10 s. */
#define STOP_MS 8000
/* Goodbyes to a server that doesn't listen. */
#define FLUSH_MS 1000
/* Prefect's own worker is unwell after so many missed polls. */
#define UNWELL_POLLS 30
#define UNREACHABLE_LOOK_MS 1000
#define TRIM_EVERY_MS (10 * 60 * 1000)
#define TRIM_ROWS 2000
#define TURN_PASSES_MAX 32
/* Cloud knows no CSRF tokens (protocol 1.4). */
#define CLOUD_URL "https://api.prefect.cloud/api"
/* Calls are bounded by admission; each copied output holds a connection of its own for as long as its
 * container runs. */
#define ENGINE_CONNECTIONS_MAX 20000

struct service {
    struct service_settings s;
    char instance[SERVICE_INSTANCE_SIZE];
    char mark[SERVICE_INSTANCE_SIZE];
    struct store *store;
    struct http *engine_http;
    struct http *prefect_http;
    struct http *probe_http; /* the calls that wait in an outage use up all connections of the other */
    struct engine *engine;
    struct prefect *prefect;
    struct prefect *probe;
    struct reach *reach;
    struct pulls *pulls;
    struct catalog *catalog;
    struct looks *looks;
    struct output *output;
    struct tell *tell;
    struct runner *runner;
    struct admission *admission;
    struct pool_sync *pool_sync;
    struct poller *poller;
    struct leases *leases;
    struct watcher *watcher;
    struct lost_claims *lost_claims;
    struct act act;
    struct timer stop_timer;
    struct timer reach_timer;
    int64_t unreachable_since_ms; /* mono; valid while the engine is out of reach */
    struct timer trim_timer;
    bool is_online;   /* the pool was read and a heartbeat sent */
    int64_t began_ms; /* mono */
    bool has_polled;
    bool is_stopping;
    bool is_flushing; /* everything else is done */
    bool is_ended;
    int exit_code;
};

/* FNV-1a with two offsets: an identity, not a secret. */
static uint64_t hash_parts(uint64_t h, const char *const *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (const char *p = parts[i]; *p != '\0'; p++)
            h = (h ^ (unsigned char)*p) * 0x100000001b3u;
        h = (h ^ 0xff) * 0x100000001b3u;
    }
    return h;
}

static void hash_text(const char *const *parts, size_t count, char text[static SERVICE_INSTANCE_SIZE])
{
    snprintf(text, SERVICE_INSTANCE_SIZE, "%016llx%016llx",
             (unsigned long long)hash_parts(0xcbf29ce484222325u, parts, count),
             (unsigned long long)hash_parts(0x9ae16a3b2f90404fu, parts, count));
}

void service_instance(const char *api_url, const char *pool, const char *name,
                      char text[static SERVICE_INSTANCE_SIZE])
{
    const char *parts[] = {api_url, pool, name};
    hash_text(parts, ARRAY_LEN(parts), text);
}

void service_mark(const char *instance, const char *state_path, char text[static SERVICE_INSTANCE_SIZE])
{
    char host[256] = "";
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    const char *parts[] = {instance, host, state_path};
    hash_text(parts, ARRAY_LEN(parts), text);
}

static void end_with(struct service *s, int exit_code)
{
    if (s->is_ended)
        return;
    s->is_ended = true;
    s->exit_code = exit_code;
}

/* Claims need a pool, an engine within reach, and nobody who wants us to stop. */
static void open_gates(struct service *s)
{
    bool reach = watcher_is_reachable(s->watcher);
    admission_open(s->admission, s->is_online && reach && !s->is_stopping, reach);
}

/* Nothing fails while the gate of starts is closed, so those who wait at it have nobody else to tell them. */
static void on_unreachable(void *arg)
{
    struct service *s = arg;
    int64_t now_ms = clock_mono_ms(s->s.clock);
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        int64_t since_ms =
            live->waits_since_ms > s->unreachable_since_ms ? live->waits_since_ms : s->unreachable_since_ms;
        const struct config_class *c = config_class_by_name(s->s.config, live->launch->class_name);
        if (live->launch->run.state != RUN_STATE_READY || now_ms - since_ms < c->retry.hand_back_after_ms)
            continue;
        runner_note(s->runner, live,
                    "the engine is out of reach: handed back, so that another worker can take the run");
        runner_feed_kind(s->runner, live, RUN_EVENT_LAUNCH_DEADLINE);
    }
    timer_start(s->s.timers, &s->reach_timer, UNREACHABLE_LOOK_MS, on_unreachable, s);
}

static void on_reach(void *arg, bool is_reachable)
{
    struct service *s = arg;
    s->unreachable_since_ms = clock_mono_ms(s->s.clock);
    timer_cancel(&s->reach_timer);
    if (is_reachable)
        runner_wake(s->runner, DEPENDENCY_ENGINE);
    else
        timer_start(s->s.timers, &s->reach_timer, UNREACHABLE_LOOK_MS, on_unreachable, s);
    open_gates(s);
}

/* ---- Prefect away and back ---- */

static void on_prefect_call_end(void *arg, const struct failure *failure, int64_t began_ms)
{
    struct service *s = arg;
    if (s->reach != NULL)
        reach_note(s->reach, failure, began_ms);
}

static void on_prefect_back(void *arg, int64_t answered_since_ms)
{
    struct service *s = arg;
    prefect_give_up(s->prefect, answered_since_ms);
    pool_sync_wake(s->pool_sync);
    poller_wake(s->poller);
    runner_wake(s->runner, DEPENDENCY_PREFECT);
    watcher_look(s->watcher);
}

static bool is_away(void *arg, const struct failure *failure)
{
    struct service *s = arg;
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
    if (!s->is_stopping)
        poller_start(s->poller);
    open_gates(s);
}

static void on_polled(void *arg)
{
    struct service *s = arg;
    s->has_polled = true;
}

/* --run-once: one poll, then leave; with --limit, when all it launched has ended. */
static bool has_run_once(struct service *s)
{
    if (!s->s.config->run_once || !s->has_polled || admission_queued(s->admission) > 0 ||
        poller_has_dues(s->poller))
        return false;
    bool waits_for_end = s->s.config->limit != CONFIG_NO_LIMIT;
    return waits_for_end ? runner_count(s->runner) == 0 : runner_calls_out(s->runner) == 0;
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
    fprintf(stderr, "sluice: %s\n", sentence);
    end_with(s, 1);
}

static void on_save_failure(void *arg, const struct err *err)
{
    struct service *s = arg;
    log_error("the state file can't be written; stopping, since nothing may be done that is not on disk",
              kv_s("file", store_path(s->store)), kv_s("error", err->msg));
    end_with(s, 1);
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
    leases_forget(s->leases, live);
    act_forget(&s->act, live);
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

static void want_sight(void *arg, struct live *const *lives, size_t count)
{
    struct service *s = arg;
    poller_want_sight(s->poller, lives, count);
}

/* ---- what people see of the configuration in the state file ---- */

static int save_limits(struct service *s, const struct config *c, struct err *err)
{
    size_t max = 5 + 4 * c->class_count;
    struct store_limit *limits = check_alloc(max * sizeof(*limits));
    char **buckets = check_alloc(c->class_count * sizeof(*buckets));
    struct store_class *classes = check_alloc(c->class_count * sizeof(*classes));
    size_t n = 0;
    limits[n++] =
        (struct store_limit){"", "starts_per_second", c->starts_per_second, c->start_burst, "pool", NULL};
    limits[n++] = (struct store_limit){"", "launching", (double)c->launching,
                                       0,  NULL,        c->launching_is_auto ? "auto" : NULL};
    limits[n++] = (struct store_limit){"", "running", (double)c->running, 0, NULL, NULL};
    limits[n++] = (struct store_limit){"", "pulls", (double)c->pulls, 0, NULL, NULL};
    limits[n++] = (struct store_limit){"", "stops", (double)c->stops, 0, NULL, NULL};
    for (size_t i = 0; i < c->class_count; i++) {
        const struct config_class *k = &c->classes[i];
        buckets[i] = check_printf("class:%s", k->name);
        classes[i] = (struct store_class){k->name, k->rule_text, k->priority};
        limits[n++] = (struct store_limit){k->name,        "starts_per_second", k->starts_per_second,
                                           k->start_burst, buckets[i],          NULL};
        limits[n++] = (struct store_limit){k->name, "launching", (double)k->launching, 0, NULL, NULL};
        limits[n++] = (struct store_limit){k->name, "running", (double)k->running, 0, NULL, NULL};
    }
    int rc = store_begin(s->store, err);
    if (rc == 0)
        rc = store_replace_classes(s->store, classes, c->class_count, err);
    if (rc == 0)
        rc = store_replace_limits(s->store, limits, n, err);
    if (rc == 0)
        rc = store_commit(s->store, err);
    for (size_t i = 0; i < c->class_count; i++)
        free(buckets[i]);
    free(buckets);
    free(classes);
    free(limits);
    return rc;
}

static void on_trim(void *arg)
{
    struct service *s = arg;
    struct err err;
    int64_t trimmed = 0;
    int64_t before_ms = clock_wall_ms(s->s.clock) - s->s.config->keep_history_ms;
    if (store_begin(s->store, &err) != 0 || store_trim(s->store, before_ms, TRIM_ROWS, &trimmed, &err) != 0) {
        on_save_failure(s, &err);
        return;
    }
    if (trimmed > 0)
        log_info("history trimmed", kv_int("launches", trimmed));
    /* The next commit of the runner takes it along. */
    if (runner_sync(s->runner) == 0)
        timer_start(s->s.timers, &s->trim_timer, trimmed >= TRIM_ROWS ? 1000 : TRIM_EVERY_MS, on_trim, s);
}

/* ---- making ---- */

static int make_clients(struct service *s, struct err *err)
{
    const struct config *c = s->s.config;
    struct http_settings engine_http = {.max_connections = ENGINE_CONNECTIONS_MAX, .proxy = ""};
    struct http_settings prefect_http = {
        .max_connections = 16, .tls_skip_verify = c->tls_skip_verify, .ca_file = c->ca_file};
    struct engine_settings engine = {.host = c->engine_host, .api_version = c->engine_api_version};
    struct http_settings probe_http = prefect_http;
    probe_http.max_connections = 1;
    bool is_cloud = strncmp(c->api_url, CLOUD_URL, strlen(CLOUD_URL)) == 0;
    struct prefect_settings prefect = {.api_url = c->api_url,
                                       .api_key = c->api_key,
                                       .auth_string = c->auth_string,
                                       .worker_name = c->worker_name,
                                       .custom_headers_json = c->custom_headers,
                                       .on_call_end = on_prefect_call_end,
                                       .arg = s,
                                       .csrf_enabled = c->csrf_enabled && !is_cloud,
                                       .random = s->s.random};
    if (http_new(s->s.base, s->s.timers, &engine_http, &s->engine_http, err) != 0 ||
        http_new(s->s.base, s->s.timers, &prefect_http, &s->prefect_http, err) != 0 ||
        http_new(s->s.base, s->s.timers, &probe_http, &s->probe_http, err) != 0)
        return -1;
    if (engine_new(s->engine_http, s->s.timers, &engine, &s->engine, err) != 0)
        return -1;
    if (prefect_new(s->prefect_http, s->s.timers, &prefect, &s->prefect, err) != 0)
        return -1;
    return prefect_new(s->probe_http, s->s.timers, &prefect, &s->probe, err);
}

static int make_parts(struct service *s, const char *template_json, struct err *err)
{
    const struct service_settings *set = &s->s;
    s->pulls = pulls_new(s->engine, set->timers, set->config);
    s->catalog = catalog_new(s->prefect, set->clock, set->config);
    s->looks = looks_new(s->prefect, set->timers);
    s->output = output_new(s->engine, set->timers, set->output_fd);
    s->pool_sync = pool_sync_new(&(struct pool_sync_settings){.prefect = s->prefect,
                                                              .timers = set->timers,
                                                              .config = set->config,
                                                              .template_json = template_json,
                                                              .on_ready = on_online,
                                                              .on_failure = on_pool_failure,
                                                              .on_fatal = on_fatal,
                                                              .arg = s});
    s->reach = reach_new(&(struct reach_settings){.prefect = s->probe,
                                                  .timers = set->timers,
                                                  .clock = set->clock,
                                                  .random = set->random,
                                                  .pool = pool_sync_pool(s->pool_sync)->name,
                                                  .on_back = on_prefect_back,
                                                  .arg = s});
    s->tell = tell_new(s->prefect, set->timers, set->random, set->config, pool_sync_pool(s->pool_sync),
                       engine_pid_base(s->engine));
    s->runner = runner_new(&(struct runner_settings){.store = s->store,
                                                     .timers = set->timers,
                                                     .clock = set->clock,
                                                     .random = set->random,
                                                     .config = set->config,
                                                     .mark = s->mark,
                                                     .ports = {.arg = s,
                                                               .perform = perform,
                                                               .abandon = abandon,
                                                               .is_away = is_away,
                                                               .wait = on_wait,
                                                               .forget = on_forget,
                                                               .on_failure = on_save_failure}});
    s->act = (struct act){.runner = s->runner,
                          .engine = s->engine,
                          .prefect = s->prefect,
                          .pulls = s->pulls,
                          .catalog = s->catalog,
                          .looks = s->looks,
                          .output = s->output,
                          .tell = s->tell,
                          .clock = set->clock,
                          .config = set->config,
                          .pool = pool_sync_pool(s->pool_sync),
                          .instance = s->instance,
                          .working_directory = set->working_directory,
                          .default_image = set->config->default_image,
                          .prefect_version = PREFECT_CLAIMED_VERSION};
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
                                                        .timers = set->timers,
                                                        .clock = set->clock,
                                                        .config = set->config,
                                                        .instance = s->instance,
                                                        .look = look,
                                                        .on_reach = on_reach,
                                                        .arg = s});
    s->act.watcher = s->watcher;
    s->lost_claims = lost_claims_new(&(struct lost_claims_settings){.runner = s->runner,
                                                                    .store = s->store,
                                                                    .engine = s->engine,
                                                                    .prefect = s->prefect,
                                                                    .timers = set->timers,
                                                                    .clock = set->clock,
                                                                    .config = set->config,
                                                                    .instance = s->instance,
                                                                    .mark = s->mark});
    return admission_new(&(struct admission_settings){.runner = s->runner,
                                                      .store = s->store,
                                                      .timers = set->timers,
                                                      .clock = set->clock,
                                                      .config = set->config,
                                                      .sight = sight,
                                                      .want_sight = want_sight,
                                                      .arg = s},
                         &s->admission, err);
}

/* What a person must know, and what follows from it. */
static void tell_of_file(const struct service *s)
{
    const char *why;
    const char *aside = store_set_aside(s->store, &why);
    if (aside != NULL)
        log_error(
            "the state file was damaged: it is kept under another name, and a new one begun; containers "
            "that live are adopted by their label, history and backoffs are lost",
            kv_s("file", store_path(s->store)), kv_s("kept_as", aside), kv_s("error", why));
    log_info("state file open", kv_s("file", store_path(s->store)),
             kv_int("unfinished", (int64_t)runner_count(s->runner)),
             kv_s("is", store_is_new(s->store) ? "new" : NULL));
}

int service_new(const struct service_settings *settings, struct service **out, struct err *err)
{
    struct service *s = check_alloc(sizeof(*s));
    const struct config *c = settings->config;
    s->s = *settings;
    s->began_ms = clock_mono_ms(settings->clock);
    service_instance(c->api_url, c->pool, c->worker_name, s->instance);
    service_mark(s->instance, c->state_path, s->mark);
    if (store_open(c->state_path, settings->clock, &s->store, err) != 0 || make_clients(s, err) != 0 ||
        make_parts(s, settings->template_json, err) != 0 || save_limits(s, c, err) != 0 ||
        runner_load(s->runner, err) != 0) {
        service_free(s);
        return -1;
    }
    tell_of_file(s);
    s->unreachable_since_ms = clock_mono_ms(settings->clock);
    timer_start(settings->timers, &s->reach_timer, UNREACHABLE_LOOK_MS, on_unreachable, s);
    pool_sync_start(s->pool_sync);
    watcher_start(s->watcher);
    lost_claims_start(s->lost_claims);
    timer_start(settings->timers, &s->trim_timer, TRIM_EVERY_MS, on_trim, s);
    *out = s;
    return 0;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    timer_cancel(&s->stop_timer);
    timer_cancel(&s->reach_timer);
    timer_cancel(&s->trim_timer);
    lost_claims_free(s->lost_claims);
    watcher_free(s->watcher);
    poller_free(s->poller);
    runner_free(s->runner);
    leases_free(s->leases);
    admission_free(s->admission);
    tell_free(s->tell);
    pool_sync_free(s->pool_sync);
    output_free(s->output);
    pulls_free(s->pulls);
    looks_free(s->looks);
    catalog_free(s->catalog);
    reach_free(s->reach);
    prefect_free(s->prefect);
    prefect_free(s->probe);
    engine_free(s->engine);
    http_free(s->prefect_http);
    http_free(s->probe_http);
    http_free(s->engine_http);
    store_close(s->store);
    free(s);
}

/* ---- turning, stopping, reloading ---- */

/* Nothing is out any more: the rows are at rest in a state that the next start goes on from. */
static bool is_at_rest(struct service *s)
{
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        const struct run *run = &LIST_ITEM(link, struct live, all_link)->launch->run;
        /* It goes back as soon as what may still land on the engine is cleared: seconds. */
        if (run->state == RUN_STATE_CLEARING && run->verdict == RUN_VERDICT_HAND_BACK)
            return false;
    }
    return runner_calls_out(s->runner) == 0;
}

static void on_flushed(void *arg)
{
    struct service *s = arg;
    log_info("stopped", kv_int("launches", (int64_t)runner_count(s->runner)));
    end_with(s, 0);
}

/* The rows are on disk; what is left is to say goodbye, for a moment only. */
static void finish_stop(struct service *s)
{
    if (s->is_flushing || runner_sync(s->runner) != 0)
        return;
    s->is_flushing = true;
    timer_cancel(&s->stop_timer);
    if (s->is_online)
        tell_stopped(s->tell);
    tell_flush(s->tell, FLUSH_MS, on_flushed, s);
}

static void on_stop_timer(void *arg)
{
    struct service *s = arg;
    log_warn("stopping with calls out; the next start looks what became of them",
             kv_int("calls", (int64_t)runner_calls_out(s->runner)));
    finish_stop(s);
}

void service_stop(struct service *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    log_info("stopping: nothing more is claimed, containers live on",
             kv_int("launches", (int64_t)runner_count(s->runner)));
    poller_stop(s->poller);
    prefect_hurry(s->prefect);
    watcher_stop_answering(s->watcher);
    open_gates(s);
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next)
        runner_feed_kind(s->runner, LIST_ITEM(link, struct live, all_link), RUN_EVENT_DRAIN);
    timer_start(s->s.timers, &s->stop_timer, STOP_MS, on_stop_timer, s);
}

/* While stopping, a launch whose call has been answered since is asked again to go back. */
static void drain_again(struct service *s)
{
    struct list *all = runner_all(s->runner);
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        const struct run *run = &live->launch->run;
        bool is_in_backoff =
            run->state == RUN_STATE_CREATING && !run->has_container && run->pending == RUN_ACTION_NONE;
        bool may_go_back =
            (run->state >= RUN_STATE_RESOLVING && run->state <= RUN_STATE_READY) || is_in_backoff;
        if (may_go_back && !live->was_drained) {
            live->was_drained = true;
            runner_feed_kind(s->runner, live, RUN_EVENT_DRAIN);
        }
    }
}

void service_turn_end(struct service *s)
{
    for (int pass = 0; pass < TURN_PASSES_MAX && !s->is_ended; pass++) {
        if (s->is_stopping)
            drain_again(s);
        if (runner_flush(s->runner) != 0 || admission_run(s->admission) == 0)
            break;
    }
    if (!s->is_stopping && has_run_once(s))
        service_stop(s);
    if (s->is_stopping && !s->is_ended && is_at_rest(s))
        finish_stop(s);
    if (s->is_ended && s->s.on_end != NULL) {
        void (*on_end)(void *arg, int exit_code) = s->s.on_end;
        s->s.on_end = NULL;
        on_end(s->s.arg, s->exit_code);
    }
}

bool service_is_well(const struct service *s)
{
    if (s->is_ended && s->exit_code != 0)
        return false;
    int64_t since_ms = poller_last_ms(s->poller);
    if (since_ms == 0)
        since_ms = s->began_ms;
    return clock_mono_ms(s->s.clock) - since_ms <= UNWELL_POLLS * s->s.config->poll_interval_ms;
}

int service_reload(struct service *s, const struct config *config, struct err *err)
{
    if (save_limits(s, config, err) != 0)
        return -1;
    s->s.config = config;
    s->act.config = config;
    runner_set_config(s->runner, config);
    pulls_set_config(s->pulls, config);
    catalog_set_config(s->catalog, config);
    pool_sync_set_config(s->pool_sync, config);
    poller_set_config(s->poller, config);
    leases_set_config(s->leases, config);
    watcher_set_config(s->watcher, config);
    lost_claims_set_config(s->lost_claims, config);
    return admission_set_config(s->admission, config, err);
}

struct runner *service_runner(struct service *s)
{
    return s->runner;
}

bool service_sees(const struct service *s)
{
    return watcher_listening_since_ms(s->watcher) >= 0 && watcher_has_listed(s->watcher);
}

struct http *service_http(struct service *s, int which)
{
    struct http *const all[SERVICE_HTTP_COUNT] = {s->engine_http, s->prefect_http, s->probe_http};
    return all[which];
}
