#include "loop.h"

#include <event2/event.h>

#include <errno.h>

#define SIGNALS_MAX 8

struct loop_signal {
    struct event *event;
    loop_fn fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct timers *timers;
    struct event *timer_event;
    struct loop_signal signals[SIGNALS_MAX];
    int signal_count;
    loop_fn turn_end;
    void *turn_end_arg;
    void (*lag)(void *arg, int64_t late_us);
    void *lag_arg;
    bool is_stopped;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop *loop = arg;
    if (loop->lag != NULL)
        loop->lag(loop->lag_arg, timers_late_us(loop->timers));
    timers_run(loop->timers);
}

/* The head of our heap has changed: arm libevent's one timer for it. */
static void on_timers_change(void *arg)
{
    struct loop *loop = arg;
    int64_t delay_ms = timers_next_ms(loop->timers);
    if (delay_ms < 0) {
        event_del(loop->timer_event);
        return;
    }
    struct timeval tv = {.tv_sec = (time_t)(delay_ms / 1000),
                         .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    CHECK_MEMORY(event_add(loop->timer_event, &tv) == 0);
}

int loop_new(const struct clock *clock, struct loop **out, struct err *err)
{
    struct loop *loop = check_alloc(sizeof(*loop));
    loop->base = event_base_new();
    if (loop->base == NULL) {
        free(loop);
        return err_set(err, ERR_IO, "the event loop could not be made: out of memory, or epoll is missing");
    }
    loop->timer_event = evtimer_new(loop->base, on_timer, loop);
    CHECK_MEMORY(loop->timer_event != NULL);
    loop->timers = timers_new(clock);
    timers_on_change(loop->timers, on_timers_change, loop);
    *out = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    for (int i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
    timers_on_change(loop->timers, NULL, NULL);
    timers_free(loop->timers);
    event_free(loop->timer_event);
    event_base_free(loop->base);
    free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct timers *loop_timers(struct loop *loop)
{
    return loop->timers;
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_signal *s = arg;
    s->fn(s->arg);
}

int loop_on_signal(struct loop *loop, int signal_number, loop_fn fn, void *arg, struct err *err)
{
    CHECK(loop->signal_count < SIGNALS_MAX);
    struct loop_signal *s = &loop->signals[loop->signal_count];
    s->fn = fn;
    s->arg = arg;
    s->event = evsignal_new(loop->base, signal_number, on_signal, s);
    CHECK_MEMORY(s->event != NULL);
    errno = 0;
    int added = event_add(s->event, NULL);
    CHECK_MEMORY(added == 0 || errno != ENOMEM);
    if (added != 0)
        return err_set(err, ERR_IO, "signal %d can't be caught", signal_number);
    loop->signal_count++;
    return 0;
}

void loop_on_turn_end(struct loop *loop, loop_fn fn, void *arg)
{
    loop->turn_end = fn;
    loop->turn_end_arg = arg;
}

void loop_on_lag(struct loop *loop, void (*fn)(void *arg, int64_t late_us), void *arg)
{
    loop->lag = fn;
    loop->lag_arg = arg;
}

void loop_run(struct loop *loop)
{
    while (!loop->is_stopped) {
        event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
        if (loop->turn_end != NULL)
            loop->turn_end(loop->turn_end_arg);
    }
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}
