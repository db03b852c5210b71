/*
 * admission_world.h - admission with a real runner and a real state file, and launches that get ready by
 * themselves.
 *
 * What comes before the engine is answered at once; creates and starts stay out until a test answers them, so
 * that they hold their launch slots. Time is a fake clock's.
 */
#ifndef SLUICE_TESTS_ADMISSION_WORLD_H
#define SLUICE_TESTS_ADMISSION_WORLD_H

#include "admission.h"

#include "store_fixture.h"
#include "tests/support/fake_clock.h"

#include <stddef.h>

#define WORLD_LIVES_MAX 400
#define WORLD_CLASSES_MAX 3

struct admission_world {
    struct store_fixture *fixture;
    struct fake_clock clock;
    struct timers *timers;
    struct store *store;
    struct runner *runner;
    struct admission *admission;
    struct config_class classes[WORLD_CLASSES_MAX]; /* "a", "b", "default" */
    struct config config;
    uint64_t random;
    int added;

    bool holds_claims;                         /* claims stay out, too */
    int64_t learned[LEARNING_LAUNCHING_COUNT]; /* with launching_is_auto */
    enum sight sight; /* of all launches but those whose seen_generation is 1 + another */
    int sights;       /* launches whose sight was asked for, in the last turn */
    int sight_calls;  /* of want_sight, in the last turn */
    size_t wanted;    /* launches that the last want_sight named */

    /* In the order they came. */
    struct live *claimed[WORLD_LIVES_MAX];
    size_t claimed_count;
    struct live *created[WORLD_LIVES_MAX]; /* a token paid for each */
    size_t created_count;
};

int admission_world_setup(void **state);
int admission_world_teardown(void **state);

/* A launch that is due, in the line of its class. */
struct live *world_add(struct admission_world *w, const char *class_name);
struct live *world_add_with(struct admission_world *w, const char *class_name, int32_t queue_priority,
                            int64_t due_at_ms);
/* One of this flow run, which another launch may have been of. */
struct live *world_add_run(struct admission_world *w, const char *class_name, const char *flow_run_id);
/* One that counts against these values: lines of core/per_value.h. */
struct live *world_add_valued(struct admission_world *w, const char *class_name, const char *lines);
void world_add_many(struct admission_world *w, const char *class_name, int count);
/* One turn of the loop. */
void world_turn(struct admission_world *w);
void world_advance(struct admission_world *w, int64_t ms);
/* Answer the request of a launch, and turn. */
void world_answer(struct admission_world *w, struct live *live, enum run_event_kind kind);
/* Answer all creates that are out so that they end, and turn: their launches are given up. */
void world_fail_creates(struct admission_world *w);
/* The process is killed, and starts again with what the state file holds. */
void world_restart(struct admission_world *w);
/* Launches in this state. */
size_t world_count(struct admission_world *w, enum run_state state);

#endif
