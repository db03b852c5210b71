/*
 * engine_world.h - the engine client against the fake engine on one event base with a fake clock; and a
 * listener that notes every callback.
 */
#ifndef SLUICE_TESTS_ENGINE_WORLD_H
#define SLUICE_TESTS_ENGINE_WORLD_H

#include "api/engine.h"
#include "base/buf.h"
#include "tests/fakes/fake_engine.h"
#include "tests/support/fake_clock.h"

#define ENGINE_WORLD_CLOCKS                                                                                  \
    ((struct http_clocks){.connect_ms = 10000, .inactivity_ms = 20000, .total_ms = 30000})
#define ENGINE_WORLD_BODY                                                                                    \
    "{\"Image\":\"busybox\",\"Cmd\":[\"true\"],\"Labels\":{\"io.sluice.launch\":\"l1\",\"io.sluice."         \
    "instance\":"                                                                                            \
    "\"i1\",\"io.sluice.class\":\"big\",\"io.prefect.flow-run-id\":\"f1\"}}"

/* Two blocks of a tar, the zeros of its end only. */
#define ENGINE_WORLD_IMPORT                                                                                  \
    ((struct engine_import){                                                                                 \
        .name = "made:t1", .label = "io.sluice.tune=t1", .tar = (const char[1024]){0}, .tar_len = 1024})

struct engine_world {
    struct event_base *base;
    struct fake_clock clock;
    struct timers *timers;
    struct http *http;
    struct fake_engine *fake;
    struct engine *engine;
};

/* What came of one call; everything is a copy. */
struct noted {
    int done;
    bool has_failed;
    struct failure failure;
    int status;
    bool was_already;
    int64_t took_ms;
    int64_t downloaded_bytes;
    char container_id[128];
    char image_id[128];
    char version[64];
    char api_version[16];
    char warning[256];
    size_t count;
    enum engine_container_state state;
    int32_t exit_code;
    char name[64];
    char launch_id[64];
    char error[128];
    int opened;
    int events;
    char event_text[1024];  /* "type action id launch;" each */
    char output_text[1024]; /* "1:text" or "2:text" each */
    bool stops_events;      /* on_event returns false */
    struct engine_log log;
    struct engine_call *call;
    bool cancels; /* in its next stream callback */
};

/* The fake has the image "busybox" and a program that runs until told. */
int engine_world_setup(void **state);
int engine_world_teardown(void **state);
/* Replace the client by a new one; api_version NULL: negotiate. */
void engine_world_reconnect(struct engine_world *w, const char *api_version);
/* Turn until nothing moves. */
void engine_world_turn(struct engine_world *w);
/* Move the clock, turning at each deadline. */
void engine_world_advance(struct engine_world *w, int64_t ms);

void noted_on_done(void *arg, const struct engine_reply *reply);
void noted_on_open(void *arg);
bool noted_on_event(void *arg, const struct engine_event *event);
void noted_on_output(void *arg, int stream, const char *data, size_t len);

/* Start the call of this kind with its usual arguments ("c1", "busybox", "net1"). */
void engine_world_start(struct engine_world *w, int kind, struct noted *noted);
/* The same, turned until quiet. */
void engine_world_call(struct engine_world *w, int kind, struct noted *noted);
/* A container "c1" with the usual body, made behind the client's back; "running" starts it. */
const struct fake_container *engine_world_make(struct engine_world *w, bool is_running);

/* Does an unanswered call of this kind leave its outcome unknown? */
bool engine_world_changes(int kind);
/* A world in which this kind of call would succeed; the version is known, counts are 0. */
void engine_world_prepare(struct engine_world *w, int kind);

void noted_assert_fine(const struct noted *n);
/* The engine itself has answered thus. */
void noted_assert_refused(const struct noted *n, int status, const char *message);
/* One request went out, one callback came, and it is a failure of this call. */
void engine_world_assert_failed_once(const struct engine_world *w, int kind, const struct noted *n);

#endif
