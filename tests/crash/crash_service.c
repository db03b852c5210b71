/*
 * crash_service.c - the process that dies: what main.c makes of a configuration, turned step by step.
 *
 * Differs from main.c in three things: time is the test's, a turn is taken when the test asks for one, and
 * after each turn the process looks at itself.
 */
#include "tests/crash/crash.h"

#include "api/http.h"
#include "api/jobspec.h"
#include "base/log.h"
#include "scheduler/loop.h"
#include "scheduler/runner.h"

#include <event2/event.h>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* Turns in a row in which nothing happens: then it is the fakes' turn. */
#define QUIET_TURNS 2
#define TURNS_MAX 10000

struct served {
    struct crash_shared *shared;
    struct clock clock;
    struct loop *loop;
    struct service *service;
    bool has_ended;
    int exit_code;
};

static int64_t read_mono_ms(void *arg)
{
    return ((struct crash_shared *)arg)->mono_ms;
}

static int64_t read_wall_ms(void *arg)
{
    return ((struct crash_shared *)arg)->wall_ms;
}

static void on_end(void *arg, int exit_code)
{
    struct served *s = arg;
    s->has_ended = true;
    s->exit_code = exit_code;
}

static void on_stop_signal(void *arg)
{
    struct served *s = arg;
    service_stop(s->service);
}

/* ---- looking at itself ---- */

static void check_slots(struct served *s)
{
    struct runner *runner = service_runner(s->service);
    struct slots counted = {0};
    struct list *all = runner_all(runner);
    for (struct list *link = all->next; link != all; link = link->next)
        slots_change(&counted, NULL, &LIST_ITEM(link, struct live, all_link)->launch->run);
    struct slots kept = runner_slots(runner, NULL);
    if (!slots_equal(&counted, &kept))
        snprintf(s->shared->wrong, sizeof(s->shared->wrong),
                 "slots in memory: %d running, %d launching; rows hold %d and %d", (int)kept.running,
                 (int)kept.launching, (int)counted.running, (int)counted.launching);
}

static uint64_t activity(const struct served *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < SERVICE_HTTP_COUNT; i++)
        sum += http_activity(service_http(s->service, i));
    return sum;
}

static void tell_state(struct served *s)
{
    struct crash_shared *shared = s->shared;
    check_slots(s);
    shared->next_ms = timers_next_ms(loop_timers(s->loop));
    shared->activity = activity(s);
    shared->calls_out[0] = http_calls_out(service_http(s->service, 0));
    shared->calls_out[1] = 0;
    for (int i = 1; i < SERVICE_HTTP_COUNT; i++)
        shared->calls_out[1] += http_calls_out(service_http(s->service, i));
    shared->launches = runner_count(service_runner(s->service));
}

/* ---- turning ---- */

static void on_wait_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void turn(struct served *s, bool waits)
{
    struct timeval tv = {.tv_usec = 1000};
    if (waits)
        event_base_once(loop_base(s->loop), -1, EV_TIMEOUT, on_wait_end, NULL, &tv);
    event_base_loop(loop_base(s->loop), waits ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    if (timers_next_ms(loop_timers(s->loop)) == 0)
        timers_run(loop_timers(s->loop));
    if (!s->has_ended)
        service_turn_end(s->service);
}

static void step(struct served *s, bool waits)
{
    uint64_t seen = activity(s);
    int quiet = 0;
    for (int turns = 0; quiet < QUIET_TURNS && !s->has_ended; turns++) {
        CHECK(turns < TURNS_MAX);
        turn(s, waits && turns == 0);
        uint64_t now = activity(s);
        quiet = now == seen && timers_next_ms(loop_timers(s->loop)) != 0 ? quiet + 1 : 0;
        seen = now;
    }
    tell_state(s);
}

static void serve(struct served *s, int orders_fd, int answers_fd)
{
    char order;
    while (!s->has_ended && read(orders_fd, &order, 1) == 1) {
        step(s, order == 'w');
        if (write(answers_fd, &order, 1) != 1)
            return;
    }
}

static int complain(const struct err *err)
{
    fprintf(stderr, "sluice: %s\n", err->msg);
    return 1;
}

int crash_serve(struct world *world, struct crash_shared *shared, int orders_fd, int answers_fd)
{
    struct served s = {.shared = shared,
                       .clock = {.mono_ms = read_mono_ms, .wall_ms = read_wall_ms, .arg = shared},
                       .exit_code = 1};
    struct random_source random = random_seeded(&shared->random_state);
    struct err err;
    enum log_level level = getenv("SLUICE_FLOW_LOG") == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
    log_setup(log_to_file, stderr, LOG_FORMAT_LOGFMT, level, &s.clock);
    struct config *config = NULL;
    if (world_load_config(world, &config, &err) != 0)
        return complain(&err);
    int output_fd = open(world->output_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    signal(SIGPIPE, SIG_IGN);
    if (loop_new(&s.clock, &s.loop, &err) != 0)
        return complain(&err);
    struct service_settings settings = {.base = loop_base(s.loop),
                                        .timers = loop_timers(s.loop),
                                        .clock = &s.clock,
                                        .random = &random,
                                        .config = config,
                                        .output_fd = output_fd,
                                        .working_directory = world->folder,
                                        .template_json = jobspec_default_template(),
                                        .on_end = on_end,
                                        .arg = &s};
    int code = 1;
    if (service_new(&settings, &s.service, &err) != 0 ||
        loop_on_signal(s.loop, SIGTERM, on_stop_signal, &s, &err) != 0) {
        code = complain(&err);
    } else {
        serve(&s, orders_fd, answers_fd);
        code = s.exit_code;
    }
    service_free(s.service);
    loop_free(s.loop);
    config_free(config);
    close(output_fd);
    return code;
}
