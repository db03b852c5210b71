/* prefect_world.h - what the tests of the Prefect client stand in: bridge, client, fake server, fake clock.
 */
#ifndef SLUICE_TESTS_PREFECT_WORLD_H
#define SLUICE_TESTS_PREFECT_WORLD_H

#include "fake_prefect.h"
#include "prefect_text.h"
#include "tests/support/fake_clock.h"
#include "tests/support/turn.h"

struct prefect_world {
    struct event_base *base;
    struct fake_clock fc;
    struct timers *timers;
    struct http *http;
    struct fake_prefect *fake;
    struct prefect *prefect;
    struct prefect_settings settings; /* of the client; api_url is the fake's */
    uint64_t random_state;
    struct random_source random;
    struct prefect_text text;
};

/* One call and what was told about it. */
struct heard {
    struct prefect_world *world;
    enum prefect_text_kind kind;
    int done_count;
    bool has_failure;
    struct failure failure;
    int status;
    int64_t took_ms;
    enum prefect_outcome outcome;
    char *text; /* the reply as a line */
    struct prefect_call *call;
    struct prefect_ask ask;
    struct err err;
    void (*in_done)(struct heard *heard); /* called inside the callback; may be NULL */
    void *in_done_arg;
};

/* cmocka setup and teardown; teardown also checks that nothing is left in the loop. */
int prefect_world_setup(void **state);
int prefect_world_teardown(void **state);
/* Make the client anew after settings were changed. */
void prefect_world_restart(struct prefect_world *w);
/* Turn until nothing more happens without time passing. */
void prefect_world_turn(struct prefect_world *w);
/* Let time pass, turning between deadlines. */
void prefect_world_advance(struct prefect_world *w, int64_t ms);

struct heard heard_new(struct prefect_world *w);
/* An ask that records into heard: 1 s to connect, 5 s of silence, 10 s in all. */
struct prefect_ask heard_ask(struct heard *heard);
void heard_done(struct heard *heard);
/* Turn, then check that done came exactly once. */
void heard_expect(struct heard *heard);
/* Both in one: heard_run(&h, prefect_get_pool(p, heard_begin(&h), "pool", &h.err)). Also checks that done did
 * not come before the call had returned. */
const struct prefect_ask *heard_begin(struct heard *heard);
void heard_run(struct heard *heard, int call_result);

#endif
