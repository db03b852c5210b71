/*
 * world.c - see world.h.
 *
 * "Quiet" is: several turns in which no byte moved on the service's side. While requests are on the wire
 * (sent, and not yet seen by a fake) a turn waits a real millisecond, since curl rounds its own shorter waits
 * up to that.
 */
#include "tests/flow/world.h"

#include "alerts.h"
#include "api/http.h"
#include "api/jobspec.h"
#include "base/log.h"
#include "runner.h"
#include "store/store.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define QUIET_TURNS 12
#define QUIET_WAITING_TURNS 3
#define TURNS_MAX 20000000
#define LOG_MAX_BYTES (256 * 1024 * 1024)
#define LOG_TAIL_BYTES 6000

/* ---- log ---- */

static void on_log_line(void *arg, enum log_level level, const char *line)
{
    struct world *w = arg;
    struct err err;
    (void)level;
    CHECK(buf_printf(&w->log, &err, "%s\n", line) == 0);
    if (getenv("SLUICE_FLOW_LOG") != NULL)
        fprintf(stderr, "%s\n", line);
}

int world_logged(const struct world *w, const char *text)
{
    int count = 0;
    for (const char *at = buf_text(&w->log); (at = strstr(at, text)) != NULL; count++) {
        at = strchr(at, '\n');
        if (at == NULL)
            break;
    }
    return count;
}

/* ---- life ---- */

int world_setup(void **state)
{
    struct world *w = check_alloc(sizeof(*w));
    const char *parent = getenv("TMPDIR");
    snprintf(w->folder, sizeof(w->folder), "%.40s/sluice-flow-XXXXXX", parent == NULL ? "/tmp" : parent);
    CHECK(mkdtemp(w->folder) != NULL);
    w->state_path = check_printf("%s/state.db", w->folder);
    w->config_path = check_printf("%s/sluice.conf", w->folder);
    w->output_path = check_printf("%s/output", w->folder);
    buf_init(&w->log, LOG_MAX_BYTES);
    fake_clock_init(&w->clock);
    w->timers = timers_new(fake_clock_clock(&w->clock));
    w->base = event_base_new();
    CHECK(w->base != NULL);
    w->random_state = 1;
    w->random = random_seeded(&w->random_state);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_DEBUG, fake_clock_clock(&w->clock));
    log_tap(on_log_line, w);
    w->engine = fake_engine_new(w->base, w->timers, NULL);
    fake_engine_add_image(w->engine, WORLD_IMAGE);
    fake_prefect_new(
        &(struct fake_prefect_settings){
            .base = w->base, .timers = w->timers, .authorization = "Bearer " WORLD_API_KEY, .seed = 5},
        &w->prefect);
    (void)fake_prefect_add_pool(w->prefect, WORLD_POOL, "docker", jobspec_default_template());
    w->deployment = fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){
                        .name = "nightly",
                        .pool = WORLD_POOL,
                        .job_variables_json = "{\"image\":\"" WORLD_IMAGE "\",\"command\":\"flow\","
                                              "\"env\":{\"TOKEN\":\"" WORLD_ENV_SECRET "\"}}"});
    world_play_begin(w);
    *state = w;
    return 0;
}

/* The text anywhere in the file's bytes. */
static bool file_holds(const char *path, const char *text)
{
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    size_t len = strlen(text);
    size_t matched = 0;
    bool found = false;
    for (int c; !found && (c = getc_unlocked(f)) != EOF;) {
        matched = c == text[matched] ? matched + 1 : (size_t)(c == text[0]);
        found = matched == len;
    }
    fclose(f);
    return found;
}

bool world_printed(const struct world *w, const char *text)
{
    return file_holds(w->output_path, text);
}

static void assert_no_secret(struct world *w, const char *secret)
{
    char *log_path = check_printf("%s-wal", w->state_path);
    assert_null(strstr(buf_text(&w->log), secret));
    assert_false(file_holds(w->state_path, secret));
    assert_false(file_holds(log_path, secret));
    free(log_path);
}

static void remove_files(struct world *w)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock", "-journal"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char *path = check_printf("%s%s", w->state_path, ends[i]);
        unlink(path);
        free(path);
    }
    unlink(w->config_path);
    unlink(w->output_path);
    CHECK(rmdir(w->folder) == 0);
}

int world_teardown(void **state)
{
    struct world *w = *state;
    int max_starts = fake_engine_max_starts(w->engine);
    assert_no_secret(w, WORLD_API_KEY);
    assert_no_secret(w, WORLD_ENV_SECRET);
    assert_no_secret(w, WORLD_REGISTRY_PASSWORD);
    assert_no_secret(w, FAKE_WEBHOOK_SECRET);
    world_crash(w);
    world_play_done(w);
    fake_engine_free(w->engine);
    fake_prefect_free(w->prefect);
    fake_collector_free(w->collector);
    fake_webhook_free(w->webhook);
    timers_free(w->timers);
    event_base_loop(w->base, EVLOOP_NONBLOCK); /* libevent ends a freed connection in the turn after */
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(w->base);
    log_tap(NULL, NULL);
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
    remove_files(w);
    buf_done(&w->log);
    free(w->state_path);
    free(w->config_path);
    free(w->output_path);
    free(w->config_text);
    free(w->answer);
    free(w);
    assert_true(max_starts <= 1);
    return 0;
}

/* ---- the service ---- */

static void on_end(void *arg, int exit_code)
{
    struct world *w = arg;
    w->has_ended = true;
    w->exit_code = exit_code;
    admin_end(w->admin, exit_code);
}

static size_t add_all(const char **list, size_t count, size_t max, const char *const *more)
{
    for (size_t i = 0; more != NULL && more[i] != NULL; i++) {
        CHECK(count + 1 < max);
        list[count++] = more[i];
    }
    list[count] = NULL;
    return count;
}

int world_load_config(struct world *w, struct config **config, struct err *err)
{
    const char *flags[32] = {"prefect.pool", WORLD_POOL,   "prefect.name",
                             "worker 1",     "state.path", w->state_path};
    char *url = check_printf("PREFECT_API_URL=%s", fake_prefect_url(w->prefect));
    char *host = check_printf("DOCKER_HOST=%s", fake_engine_host(w->engine));
    const char *environment[32] = {url, host, "PREFECT_API_KEY=" WORLD_API_KEY,
                                   "PREFECT_PROFILES_PATH=/nonexistent"};
    add_all(flags, 6, ARRAY_LEN(flags), w->flags);
    add_all(environment, 4, ARRAY_LEN(environment), w->environment);
    char *copies[32] = {NULL};
    for (size_t i = 0; environment[i] != NULL; i++)
        copies[i] = check_strdup(environment[i]);
    struct config_sources sources = {.file = w->config_path,
                                     .flags = flags,
                                     .environ = copies,
                                     .working_directory = w->folder,
                                     .hostname = "box",
                                     .is_root = false};
    struct config_problems problems = {0};
    int result = config_load(&sources, config, &problems, err);
    if (result == 0 && problems.count > 0)
        result = err_set(err, ERR_INVALID, "%s", problems.items[0].text);
    config_problems_done(&problems);
    for (size_t i = 0; copies[i] != NULL; i++)
        free(copies[i]);
    free(url);
    free(host);
    return result;
}

static struct config *load_config(struct world *w)
{
    struct config *config = NULL;
    struct err err;
    if (world_load_config(w, &config, &err) != 0)
        fail_msg("configuration: %s", err.msg);
    return config;
}

void world_keep_text(struct world *w, const char *config_text)
{
    if (config_text == NULL && w->config_text != NULL)
        return;
    char *copy = check_strdup(config_text == NULL ? "" : config_text);
    free(w->config_text);
    w->config_text = copy;
    FILE *f = fopen(w->config_path, "we");
    CHECK(f != NULL && fputs(w->config_text, f) >= 0 && fclose(f) == 0);
}

bool world_try_start(struct world *w, const char *config_text, struct err *err)
{
    CHECK(w->service == NULL);
    world_keep_text(w, config_text);
    w->config = load_config(w);
    w->has_ended = false;
    struct service_settings settings = {
        .base = w->base,
        .timers = w->timers,
        .clock = fake_clock_clock(&w->clock),
        .random = &w->random,
        .config = w->config,
        .output_fd = open(w->output_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600),
        .working_directory = w->folder,
        .template_json = jobspec_default_template(),
        .on_end = on_end,
        .arg = w};
    w->output_fd = settings.output_fd;
    if (service_new(&settings, &w->service, err) == 0 &&
        admin_new(
            &(struct admin_settings){
                .base = w->base, .timers = w->timers, .service = w->service, .state_path = w->state_path},
            &w->admin, err) == 0)
        return true;
    world_crash(w);
    return false;
}

void world_start(struct world *w, const char *config_text)
{
    struct err err;
    if (!world_try_start(w, config_text, &err))
        fail_msg("the service can't be made: %s", err.msg);
}

void world_reload(struct world *w, const char *config_text)
{
    struct config *before = w->config;
    struct err err;
    world_keep_text(w, config_text);
    w->config = load_config(w);
    if (service_reload(w->service, w->config, &err) != 0)
        fail_msg("reload: %s", err.msg);
    config_free(before);
}

void world_crash(struct world *w)
{
    admin_free(w->admin);
    w->admin = NULL;
    service_free(w->service);
    w->service = NULL;
    config_free(w->config);
    w->config = NULL;
    if (w->output_fd > 0)
        close(w->output_fd);
    w->output_fd = 0;
}

void world_stop(struct world *w)
{
    service_stop(w->service);
    UNTIL(w, SECONDS(10), w->has_ended);
    world_crash(w);
}

/* ---- time ---- */

static uint64_t activity(const struct world *w)
{
    if (w->service == NULL)
        return 0;
    uint64_t sum = 0;
    for (int i = 0; i < SERVICE_HTTP_COUNT; i++)
        sum += http_activity(service_http(w->service, i));
    const struct http *webhook = alerts_http(service_alerts(w->service));
    return webhook == NULL ? sum : sum + http_activity(webhook);
}

/* Requests that no fake has seen yet, or whose answer is on its way. */
static bool is_on_the_wire(const struct world *w)
{
    if (w->service == NULL)
        return false;
    const struct http *webhook = alerts_http(service_alerts(w->service));
    if (webhook != NULL && w->webhook != NULL &&
        http_calls_out(webhook) > fake_webhook_unanswered(w->webhook))
        return true;
    return http_calls_out(service_http(w->service, 0)) >
               (size_t)fake_engine_in_flight(w->engine, FAKE_ENGINE_ANY) ||
           http_calls_out(service_http(w->service, 1)) + http_calls_out(service_http(w->service, 2)) >
               fake_prefect_unanswered(w->prefect) ||
           http_calls_out(service_http(w->service, 3)) >
               (w->collector == NULL ? 0 : fake_collector_held(w->collector));
}

static void on_wait_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void end_turn(struct world *w)
{
    if (w->service == NULL || w->has_ended)
        return;
    service_turn_end(w->service);
    if (w->on_turn_end != NULL)
        w->on_turn_end(w->turn_end_arg);
}

static void turn(struct world *w, bool waits)
{
    if (waits) {
        struct timeval tv = {.tv_usec = 1000};
        struct event *timer = evtimer_new(w->base, on_wait_end, NULL);
        CHECK(timer != NULL && event_add(timer, &tv) == 0);
        CHECK(event_base_loop(w->base, EVLOOP_ONCE) >= 0);
        event_free(timer);
    } else {
        CHECK(event_base_loop(w->base, EVLOOP_NONBLOCK) >= 0);
    }
    end_turn(w);
    CHECK(++w->turns < TURNS_MAX);
}

struct world_wait world_wait_begin(struct world *w, int64_t limit_ms, const char *condition, const char *file,
                                   int line)
{
    return (struct world_wait){.end_ms = w->clock.mono_ms + limit_ms,
                               .condition = condition,
                               .file = file,
                               .line = line,
                               .activity = activity(w)};
}

static void give_up(struct world *w, const struct world_wait *wait)
{
    size_t len = w->log.len;
    fprintf(stderr, "...%s\nnot in time: %s\n",
            buf_text(&w->log) + (len > LOG_TAIL_BYTES ? len - LOG_TAIL_BYTES : 0), wait->condition);
    _fail(wait->file, wait->line);
}

/* Quiet: the clock jumps to the next deadline. */
static void jump(struct world *w, struct world_wait *wait)
{
    int64_t next_ms = timers_next_ms(w->timers);
    int64_t left_ms = wait->end_ms - w->clock.mono_ms;
    if (next_ms < 0 || next_ms > left_ms) {
        if (wait->condition != NULL)
            give_up(w, wait);
        next_ms = left_ms;
    }
    w->clock.mono_ms += next_ms;
    w->clock.wall_ms += next_ms;
    timers_run(w->timers);
    end_turn(w);
    wait->quiet = 0;
}

static bool is_quiet(const struct world *w, const struct world_wait *wait)
{
    bool waits_for_helper = w->service != NULL && !w->helpers_hang && service_helpers(w->service) > 0;
    return !waits_for_helper && wait->quiet >= QUIET_TURNS + (is_on_the_wire(w) ? QUIET_WAITING_TURNS : 0);
}

void world_wait_step(struct world *w, struct world_wait *wait)
{
    if (is_quiet(w, wait)) {
        jump(w, wait);
        return;
    }
    turn(w, wait->quiet >= QUIET_TURNS);
    uint64_t now = activity(w);
    wait->quiet = now == wait->activity ? wait->quiet + 1 : 0;
    wait->activity = now;
    if (timers_next_ms(w->timers) == 0) {
        timers_run(w->timers);
        wait->quiet = 0;
    }
}

void world_pass(struct world *w, int64_t ms)
{
    struct world_wait wait = world_wait_begin(w, ms, NULL, __FILE__, __LINE__);
    while (w->clock.mono_ms < wait.end_ms || !is_quiet(w, &wait))
        world_wait_step(w, &wait);
}

/* ---- furnishing and looking ---- */

const char *world_add_named_run(struct world *w, const char *name)
{
    return fake_prefect_add_run(w->prefect,
                                &(struct fake_prefect_run){.deployment_id = w->deployment,
                                                           .name = name,
                                                           .job_variables_json = w->flow_variables});
}

const char *world_add_deployment(struct world *w, const char *name, const char *queue)
{
    return fake_prefect_add_deployment(
        w->prefect, &(struct fake_prefect_deployment){.name = name,
                                                      .pool = WORLD_POOL,
                                                      .queue = queue,
                                                      .job_variables_json = "{\"image\":\"" WORLD_IMAGE
                                                                            "\",\"command\":\"flow\"}"});
}

const char *world_add_run(struct world *w)
{
    return world_add_named_run(w, NULL);
}

enum prefect_state_type world_state(struct world *w, const char *run)
{
    struct fake_prefect_look look;
    return fake_prefect_look(w->prefect, run, &look) ? look.type : PREFECT_STATE_UNKNOWN;
}

const char *world_message(struct world *w, const char *run)
{
    struct fake_prefect_look look;
    return fake_prefect_look(w->prefect, run, &look) ? look.message : "";
}

size_t world_count(const struct world *w, enum prefect_state_type type)
{
    return fake_prefect_runs_in(w->prefect, type);
}

int world_times_run(const struct world *w, const char *run)
{
    struct fake_prefect_look look;
    return fake_prefect_look(w->prefect, run, &look) ? look.run_count : 0;
}

static void on_first_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct world *w = arg;
    (void)names;
    if (columns > 0 && w->answer == NULL)
        w->answer = check_strdup(values[0]);
}

const char *world_query(struct world *w, const char *sql)
{
    struct err err;
    free(w->answer);
    w->answer = NULL;
    if (store_query_file(w->state_path, sql, on_first_row, w, &err) != 0)
        fail_msg("%s: %s", sql, err.msg);
    if (w->answer == NULL)
        w->answer = check_strdup("");
    return w->answer;
}

long world_number(struct world *w, const char *sql)
{
    return strtol(world_query(w, sql), NULL, 10);
}

const char *world_row(struct world *w, const char *run)
{
    char sql[200];
    snprintf(sql, sizeof(sql), "SELECT state FROM launches WHERE flow_run_id = '%s' ORDER BY launch_key DESC",
             run);
    return world_query(w, sql);
}

int world_launch_calls(const struct world *w)
{
    static const int others[] = {FAKE_ENGINE_PING, FAKE_ENGINE_EVENTS, FAKE_ENGINE_LIST,
                                 FAKE_ENGINE_IMAGE_INSPECT};
    int calls = fake_engine_calls(w->engine, FAKE_ENGINE_ANY);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        calls -= fake_engine_calls(w->engine, others[i]);
    return calls;
}

size_t world_launches(const struct world *w)
{
    return runner_count(service_runner(w->service));
}

int world_api_calls(const struct world *w)
{
    static const enum fake_prefect_route others[] = {FAKE_PREFECT_POLL, FAKE_PREFECT_HEARTBEAT,
                                                     FAKE_PREFECT_GET_POOL, FAKE_PREFECT_LIST_QUEUES};
    int calls = fake_prefect_calls(w->prefect, FAKE_PREFECT_ANY);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        calls -= fake_prefect_calls(w->prefect, others[i]);
    return calls;
}

const char *world_launch(const struct world *w, const char *run)
{
    const struct live *live =
        w->service == NULL ? NULL : runner_find_flow_run(service_runner(w->service), run);
    return live == NULL ? "" : run_state_name(live->launch->run.state);
}

bool world_is_in(const struct world *w, const char *run, enum run_state state)
{
    return strcmp(world_launch(w, run), run_state_name(state)) == 0;
}
