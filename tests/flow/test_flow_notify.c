/*
 * test_flow_notify.c - what a service manager hears of the whole service, on a stand-in for its socket: order
 * of messages, reload, status, the watchdog that starves with a stuck loop, poller or watch, stop.
 */
#include "tests/flow/world.h"

#include "notify.h"
#include "poller.h"
#include "run_watch.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define WATCHDOG_SECONDS 30

struct manager {
    struct world *w;
    struct notify *notify;
    int fd;
    char *path;
    struct buf heard;   /* all datagrams */
    int64_t fed_ms;     /* mono; the last time the watchdog was */
    int64_t hungry_ms;  /* the longest time without */
    bool loop_is_stuck; /* turns come to no end any more */
};

static int set_up(void **state)
{
    assert_int_equal(world_setup(state), 0);
    struct world *w = *state;
    struct manager *m = check_alloc(sizeof(*m));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    m->w = w;
    buf_init(&m->heard, 10000000);
    m->path = check_printf("%s/notify", w->folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", m->path);
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(m->fd >= 0);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    *state = m;
    return 0;
}

static void stop_listening(struct manager *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    unlink(m->path);
}

static int tear_down(void **state)
{
    struct manager *m = *state;
    *state = m->w;
    notify_free(m->notify);
    m->w->on_turn_end = NULL;
    stop_listening(m);
    free(m->path);
    buf_done(&m->heard);
    free(m);
    return world_teardown(state);
}

/* Everything that has come in so far; a datagram ends with an empty line. */
static void listen_to(struct manager *m)
{
    char text[1000];
    struct err err;
    int64_t now_ms = m->w->clock.mono_ms;
    for (ssize_t n; m->fd >= 0 && (n = recv(m->fd, text, sizeof(text) - 1, 0)) >= 0;) {
        text[n] = '\0';
        if (strstr(text, "WATCHDOG=1\n") != NULL)
            m->fed_ms = now_ms;
        assert_int_equal(buf_printf(&m->heard, &err, "%s\n", text), 0);
    }
    if (m->fed_ms != 0 && now_ms - m->fed_ms > m->hungry_ms)
        m->hungry_ms = now_ms - m->fed_ms;
}

static void on_turn_end(void *arg)
{
    struct manager *m = arg;
    if (!m->loop_is_stuck)
        notify_turn_end(m->notify);
    listen_to(m);
}

/* As main.c does it. */
static void start_notified(struct manager *m, const char *config_text)
{
    struct err err;
    struct notify_settings settings = {.address = m->path,
                                       .watchdog_usec = "30000000",
                                       .own_pid = 1,
                                       .timers = m->w->timers,
                                       .clock = fake_clock_clock(&m->w->clock)};
    assert_int_equal(notify_new(&settings, &m->notify, &err), 0);
    m->w->turn_end_arg = m;
    m->w->on_turn_end = on_turn_end;
    world_start(m->w, config_text);
    notify_begin(m->notify, m->w->service);
}

static int heard(const struct manager *m, const char *text)
{
    int count = 0;
    for (const char *at = buf_text(&m->heard); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static void forget(struct manager *m)
{
    listen_to(m);
    buf_clear(&m->heard);
    m->hungry_ms = 0;
}

/* ---- life ---- */

static void test_ready_without_server_and_engine(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    fake_prefect_go_down(w->prefect);
    fake_engine_go_down(w->engine, true, false);
    start_notified(m, NULL);
    assert_string_equal(buf_text(&m->heard), "");
    UNTIL(w, SECONDS(1), heard(m, "READY=1") == 1);
    assert_string_equal(buf_text(&m->heard), "READY=1\nSTATUS=0 running, 0 queued, engine out of reach\n\n");
    world_pass(w, MINUTES(30));
    assert_int_equal(heard(m, "READY=1"), 1);
    assert_int_equal(heard(m, "STATUS=0 running, 0 queued, engine out of reach, Prefect out of reach\n"), 1);
    /* An outage is no reason to be restarted. */
    assert_true(m->hungry_ms <= SECONDS(WATCHDOG_SECONDS / 2));
}

static void test_status_says_what_changes_once_a_second(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    w->flow.run_ms = MINUTES(5);
    start_notified(m, NULL);
    UNTIL(w, SECONDS(5), heard(m, "STATUS=0 running, 0 queued, engine in reach\n") == 1);
    for (int i = 0; i < 20; i++)
        world_add_run(w);
    UNTIL(w, MINUTES(2), heard(m, "STATUS=20 running, 0 queued, engine in reach\n") == 1);
    int64_t began_ms = w->clock.mono_ms;
    forget(m);
    world_pass(w, MINUTES(2));
    assert_int_equal(heard(m, "STATUS="), 0); /* nothing has changed */
    UNTIL(w, MINUTES(10), heard(m, "STATUS=0 running") == 1);
    assert_true(heard(m, "STATUS=") <= (w->clock.mono_ms - began_ms) / 1000);
    assert_int_equal(service_pause(w->service, &(struct err){0}), 0);
    world_pass(w, SECONDS(2));
    assert_int_equal(heard(m, "STATUS=paused, 0 running, 0 queued, engine in reach\n"), 1);
}

/* RELOADING with a time that is not before the request, then READY; also if it is refused (main.c calls the
 * two around both). */
static void test_reload(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    start_notified(m, NULL);
    notify_reload_begins(m->notify); /* nobody was told READY yet: this is no reload */
    notify_reload_ends(m->notify);
    assert_string_equal(buf_text(&m->heard), "");
    world_pass(w, SECONDS(5));
    forget(m);
    int64_t asked_us = w->clock.mono_ms * 1000;
    notify_reload_begins(m->notify);
    world_reload(w, "[limits]\nrunning = 3\n");
    notify_reload_ends(m->notify);
    listen_to(m);
    long long told_us;
    assert_int_equal(sscanf(buf_text(&m->heard), "RELOADING=1\nMONOTONIC_USEC=%lld\n", &told_us), 1);
    assert_in_range(told_us, asked_us, asked_us + 1000);
    assert_non_null(strstr(buf_text(&m->heard), "\n\nREADY=1\nSTATUS=0 running"));
}

static void test_stop(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    start_notified(m, NULL);
    world_pass(w, SECONDS(5));
    forget(m);
    service_stop(w->service);
    UNTIL(w, SECONDS(10), w->has_ended);
    listen_to(m);
    static const char first[] = "STOPPING=1\nEXTEND_TIMEOUT_USEC=14000000\nSTATUS=stopping, 0 running";
    assert_memory_equal(buf_text(&m->heard), first, strlen(first));
    assert_int_equal(heard(m, "STOPPING=1"), 1);
    assert_int_equal(heard(m, "READY=1"), 0);
    notify_reload_begins(m->notify);
    notify_reload_ends(m->notify);
    listen_to(m);
    assert_int_equal(heard(m, "RELOADING=1"), 0);
}

/* ---- the watchdog ---- */

/* In a drain nothing is polled, and what runs may run for days. */
static void test_fed_while_draining_and_paused(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    w->flow.run_ms = MINUTES(200);
    const char *run = world_add_run(w);
    start_notified(m, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    assert_int_equal(service_pause(w->service, &(struct err){0}), 0);
    world_pass(w, MINUTES(20));
    assert_int_equal(service_drain(w->service, &(struct err){0}), 0);
    world_pass(w, MINUTES(20));
    assert_true(m->fed_ms > 0);
    assert_true(m->hungry_ms <= SECONDS(WATCHDOG_SECONDS / 2));
    assert_int_equal(heard(m, "STATUS=draining, 1 running, 0 queued, engine in reach\n"), 1);
}

/* A server that hangs uses up the poll's clock, one that asks to be left alone gets an hour. */
static void test_fed_while_the_server_hangs_or_asks_for_time(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    start_notified(m, "[timeouts]\napi = 20m\n");
    world_pass(w, SECONDS(5));
    fake_prefect_fault(w->prefect,
                       &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL, .kind = PREFECT_FAULT_STALL});
    world_pass(w, MINUTES(19));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_POLL,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 3600"});
    world_pass(w, MINUTES(40));
    assert_int_equal(world_logged(w, "msg=\"poll failed; going on trying\""), 1);
    assert_true(m->hungry_ms <= SECONDS(WATCHDOG_SECONDS / 2));
}

/* The watch over claimed runs waits for its answer, or for its time, as the poller does. */
static void test_fed_while_the_watch_waits(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    w->flow.run_ms = MINUTES(200);
    const char *run = world_add_run(w);
    start_notified(m, "[timeouts]\napi = 20m\n");
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STALL});
    world_pass(w, MINUTES(19));
    fake_prefect_clear_faults(w->prefect);
    fake_prefect_fault(w->prefect, &(struct fake_prefect_fault){.route = FAKE_PREFECT_FILTER_RUNS,
                                                                .times = -1,
                                                                .kind = PREFECT_FAULT_STATUS,
                                                                .status = 429,
                                                                .header = "Retry-After: 3600"});
    world_pass(w, MINUTES(40));
    assert_true(m->hungry_ms <= SECONDS(WATCHDOG_SECONDS / 2));
}

static void expect_starved(struct manager *m)
{
    int64_t fed_ms = m->fed_ms;
    assert_true(fed_ms > 0);
    /* What was fed before counts as long as the watchdog's time. */
    world_pass(m->w, SECONDS(WATCHDOG_SECONDS));
    fed_ms = m->fed_ms;
    world_pass(m->w, MINUTES(10));
    assert_int_equal(m->fed_ms, fed_ms);
}

static void test_starved_by_a_stuck_poller(void **state)
{
    struct manager *m = *state;
    start_notified(m, NULL);
    world_pass(m->w, MINUTES(1));
    poller_lose_poll(service_poller(m->w->service));
    expect_starved(m);
}

/* The poller goes on, but cancellations would not be noticed any more. */
static void test_starved_by_a_stuck_watch(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    w->flow.run_ms = MINUTES(200);
    const char *run = world_add_run(w);
    start_notified(m, NULL);
    UNTIL(w, MINUTES(1), world_is_in(w, run, RUN_STATE_RUNNING));
    world_pass(w, MINUTES(1));
    run_watch_lose_look(service_run_watch(w->service));
    int polls = fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL);
    expect_starved(m);
    assert_true(fake_prefect_calls(w->prefect, FAKE_PREFECT_POLL) > polls);
}

/* The timers go on, but no turn comes to its end: nothing is saved, nothing is done. */
static void test_starved_by_a_stuck_loop(void **state)
{
    struct manager *m = *state;
    start_notified(m, NULL);
    world_pass(m->w, MINUTES(1));
    m->loop_is_stuck = true;
    expect_starved(m);
}

/* ---- trouble with the socket ---- */

static void test_a_manager_that_goes_away_or_does_not_read(void **state)
{
    struct manager *m = *state;
    struct world *w = m->w;
    start_notified(m, NULL);
    world_pass(w, SECONDS(5));
    w->on_turn_end = NULL; /* so that nobody reads */
    for (int i = 0; i < 5000; i++)
        notify_reload_begins(m->notify);
    assert_int_equal(world_logged(w, "the service manager could not be told; going on"), 1);
    stop_listening(m);
    const char *run = world_add_run(w);
    UNTIL(w, MINUTES(2), world_state(w, run) == PREFECT_STATE_COMPLETED);
    assert_int_equal(world_logged(w, "the service manager could not be told; going on"), 1);
}

static void test_an_address_that_nobody_listens_on(void **state)
{
    struct manager *m = *state;
    struct err err;
    struct notify_settings settings = {.timers = m->w->timers, .clock = fake_clock_clock(&m->w->clock)};
    assert_int_equal(notify_new(&settings, &m->notify, &err), 0);
    assert_null(m->notify);
    notify_begin(m->notify, NULL); /* all do nothing without one */
    notify_turn_end(m->notify);
    notify_reload_begins(m->notify);
    notify_reload_ends(m->notify);
    settings.address = "/nonexistent/notify";
    assert_int_equal(notify_new(&settings, &m->notify, &err), -1);
    assert_string_equal(err.msg, "nobody listens on NOTIFY_SOCKET: No such file or directory");
    settings.address = "nonsense";
    assert_int_equal(notify_new(&settings, &m->notify, &err), -1);
}

int main(void)
{
#define NOTIFY_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        NOTIFY_TEST(test_ready_without_server_and_engine),
        NOTIFY_TEST(test_status_says_what_changes_once_a_second),
        NOTIFY_TEST(test_reload),
        NOTIFY_TEST(test_stop),
        NOTIFY_TEST(test_fed_while_draining_and_paused),
        NOTIFY_TEST(test_fed_while_the_server_hangs_or_asks_for_time),
        NOTIFY_TEST(test_fed_while_the_watch_waits),
        NOTIFY_TEST(test_starved_by_a_stuck_poller),
        NOTIFY_TEST(test_starved_by_a_stuck_watch),
        NOTIFY_TEST(test_starved_by_a_stuck_loop),
        NOTIFY_TEST(test_a_manager_that_goes_away_or_does_not_read),
        NOTIFY_TEST(test_an_address_that_nobody_listens_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
