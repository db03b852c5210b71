/*
 * turn.c - see turn.h.
 *
 * A turn that waits is one with a libevent timer of 1 ms: curl rounds its own waits of less than that up to
 * 1 ms, so turning without any wait could miss them.
 */
#include "tests/support/turn.h"

#include "api/http.h"

#include <event2/event.h>

#include <stddef.h>

#define TURNS_MAX 200000
#define WAITING_TURNS_MAX 20000
#define QUIET_TURNS 12
#define QUIET_WAITING_TURNS 2

static void on_wait_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void turn_waiting(struct event_base *base)
{
    struct timeval tv = {.tv_usec = 1000};
    struct event *timer = evtimer_new(base, on_wait_end, NULL);
    CHECK(timer != NULL && event_add(timer, &tv) == 0);
    CHECK(event_base_loop(base, EVLOOP_ONCE) >= 0);
    event_free(timer);
}

void turn_until_quiet(struct event_base *base, const struct http *http)
{
    uint64_t seen = http == NULL ? 0 : http_activity(http);
    int quiet = 0;
    for (int turns = 0; quiet < QUIET_TURNS + QUIET_WAITING_TURNS; turns++) {
        CHECK(turns < TURNS_MAX);
        if (quiet < QUIET_TURNS)
            CHECK(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
        else
            turn_waiting(base);
        uint64_t now = http == NULL ? 0 : http_activity(http);
        quiet = now == seen ? quiet + 1 : 0;
        seen = now;
        if (quiet == QUIET_TURNS && http != NULL && http_calls_out(http) == 0)
            break;
    }
}

bool turn_until(struct event_base *base, bool (*is_done)(const void *arg), const void *arg)
{
    for (int turns = 0; turns < WAITING_TURNS_MAX; turns++) {
        if (is_done(arg))
            return true;
        turn_waiting(base);
    }
    return is_done(arg);
}
