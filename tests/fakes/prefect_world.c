/* prefect_world.c - see prefect_world.h. */
#include "prefect_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

static void turn_after_timers(void *arg)
{
    prefect_world_turn(arg);
}

int prefect_world_setup(void **state)
{
    struct prefect_world *w = calloc(1, sizeof(*w));
    struct err err;
    assert_non_null(w);
    w->base = event_base_new();
    fake_clock_init(&w->fc);
    w->timers = timers_new(fake_clock_clock(&w->fc));
    assert_int_equal(http_new(w->base, w->timers, &(struct http_settings){0}, &w->http, &err), 0);
    fake_prefect_new(&(struct fake_prefect_settings){.base = w->base, .timers = w->timers, .seed = 1},
                     &w->fake);
    w->fc.after_timers = turn_after_timers;
    w->fc.after_timers_arg = w;
    w->random_state = 7;
    w->random = random_seeded(&w->random_state);
    w->text.now_ms = w->fc.wall_ms;
    w->settings = (struct prefect_settings){.api_url = fake_prefect_url(w->fake),
                                            .worker_name = "w 1",
                                            .csrf_enabled = true,
                                            .random = &w->random};
    assert_int_equal(prefect_new(w->http, w->timers, &w->settings, &w->prefect, &err), 0);
    *state = w;
    return 0;
}

int prefect_world_teardown(void **state)
{
    struct prefect_world *w = *state;
    prefect_free(w->prefect);
    http_free(w->http);
    fake_prefect_free(w->fake);
    timers_free(w->timers);
    /* libevent ends a freed connection in the turn after. */
    event_base_loop(w->base, EVLOOP_NONBLOCK);
    assert_int_equal(event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED), 0);
    event_base_free(w->base);
    free(w);
    return 0;
}

void prefect_world_restart(struct prefect_world *w)
{
    struct err err;
    prefect_free(w->prefect);
    w->prefect = NULL;
    if (prefect_new(w->http, w->timers, &w->settings, &w->prefect, &err) != 0)
        fail_msg("%s", err.msg);
}

void prefect_world_turn(struct prefect_world *w)
{
    turn_until_quiet(w->base, w->http);
}

void prefect_world_advance(struct prefect_world *w, int64_t ms)
{
    fake_clock_advance(&w->fc, w->timers, ms);
    prefect_world_turn(w);
}

struct heard heard_new(struct prefect_world *w)
{
    return (struct heard){.world = w};
}

static void on_done(void *arg, const struct prefect_reply *reply)
{
    struct heard *heard = arg;
    heard->done_count++;
    heard->has_failure = reply->failure != NULL;
    if (reply->failure != NULL)
        heard->failure = *reply->failure;
    heard->status = reply->status;
    heard->took_ms = reply->took_ms;
    heard->outcome = reply->outcome;
    free(heard->text);
    heard->text = prefect_text_of(&heard->world->text, heard->kind, reply);
    if (heard->in_done != NULL)
        heard->in_done(heard);
    heard->call = NULL;
}

struct prefect_ask heard_ask(struct heard *heard)
{
    return (struct prefect_ask){.stage = STAGE_API,
                                .clocks = {.connect_ms = 1000, .inactivity_ms = 5000, .total_ms = 10000},
                                .done = on_done,
                                .arg = heard,
                                .call = &heard->call};
}

void heard_done(struct heard *heard)
{
    free(heard->text);
    heard->text = NULL;
}

void heard_expect(struct heard *heard)
{
    prefect_world_turn(heard->world);
    assert_int_equal(heard->done_count, 1);
}

const struct prefect_ask *heard_begin(struct heard *heard)
{
    heard->done_count = 0;
    heard->ask = heard_ask(heard);
    return &heard->ask;
}

void heard_run(struct heard *heard, int call_result)
{
    if (call_result != 0)
        fail_msg("%s", heard->err.msg);
    assert_int_equal(heard->done_count, 0);
    heard_expect(heard);
}
