/*
 * fake_engine_internal.h - shared by the files of the fake engine.
 *
 * fake_engine.c          life; a request up to its effect: route, count, fault, delay
 * fake_engine_answer.c   answers, right and spoiled
 * fake_engine_images.c   images: find, import, list, remove
 * fake_engine_rules.c    containers and networks: find, create, connect, look
 * fake_engine_running.c  start, stop, kill, remove, and what runs
 * fake_engine_streams.c  answers that last: events, wait, logs, pull
 * fake_engine_script.c   what tests set and count
 */
#ifndef SLUICE_TESTS_FAKE_ENGINE_INTERNAL_H
#define SLUICE_TESTS_FAKE_ENGINE_INTERNAL_H

#include "api/json.h"
#include "base/buf.h"
#include "base/list.h"
#include "tests/fakes/fake_engine.h"
#include "tests/fakes/fake_wire.h"

#define EVENTS_KEPT 256 /* as many as Docker replays */

struct output {
    struct list link;
    int stream;
    int64_t time_ns; /* no two have the same */
    size_t len;
    char *text;
};

struct container {
    struct fake_container pub; /* its texts are owned */
    struct fake_engine *engine;
    struct list link;     /* engine.containers */
    struct json *body;    /* create's, parsed */
    struct list networks; /* name_item.link */
    struct list outputs;
    struct fake_program program;
    struct timer end_timer;  /* ends by itself */
    struct timer term_timer; /* ends because it was told to */
    int term_code;
};

struct name_item {
    struct list link;
    char *name;
    char *label; /* of an imported image: "KEY=VALUE"; else NULL */
};

struct registry_image {
    struct list link;
    struct fake_registry_image pub; /* its texts are owned */
};

struct fault_item {
    struct list link;
    struct fake_fault pub; /* its texts are owned */
};

struct start_count {
    char *launch_id;
    int count;
};

struct past_event {
    int64_t wall_ms;
    struct json *event;
};

enum call_state {
    CALL_NEW,
    CALL_DELAYED,
    CALL_HELD,
    CALL_STOPPING, /* answered when its container has ended */
    CALL_STREAMING,
    CALL_PARKED /* never answered; waits for the client to go */
};

struct fake_call {
    struct list link; /* engine.open_calls */
    struct fake_engine *engine;
    struct wire_exchange *exchange;
    int kind;
    enum call_state state;
    uint64_t number;
    char *subject;           /* container, image or network of the path; decoded; "" */
    char *query;             /* as sent */
    struct fake_fault fault; /* texts owned */
    bool is_released;
    struct timer timer;
    /* streams */
    bool has_begun;
    bool is_mute;                        /* STALL_BODY after its first piece */
    struct container *container;         /* logs, wait, stop: the container; NULL after its removal */
    int ticks_left;                      /* pull */
    const struct registry_image *source; /* pull */
    char *condition;                     /* wait */
};

struct kind_counts {
    int calls;
    int effects;
    int in_flight;
    int peak;
    char *last_request;
    char *last_body;
    char *last_registry_auth;
};

/* Where fake_engine_container_at() was last: tests go through thousands, one after the other. */
struct container_cursor {
    struct list *link; /* NULL: nowhere */
    size_t index;
};

struct fake_engine {
    struct timers *timers;
    struct wire *wire;
    char *path;
    char *host;
    char *folder; /* NULL: the path was given */
    char *newest_api;
    char *oldest_api;
    char *podman_version;   /* NULL: it is Docker */
    struct list containers; /* oldest first */
    struct container_cursor *cursor;
    void *containers_by_id; /* tsearch trees */
    void *containers_by_name;
    void *starts_by_launch; /* struct start_count */
    size_t container_count;
    uint64_t ids_made;
    struct list images;   /* name_item */
    struct list networks; /* name_item */
    struct list registry; /* registry_image */
    struct list faults;   /* fault_item */
    struct list open_calls;
    uint64_t last_number;
    struct kind_counts counts[FAKE_ENGINE_CALL_COUNT + 1]; /* the last is ANY */
    int64_t wall_offset_ms;
    int all_starts;
    int max_starts;
    struct fake_program program;
    fake_program_fn choose_program;
    void *choose_program_arg;
    fake_fault_fn choose_fault;
    void *choose_fault_arg;
    fake_latency_fn latency;
    void *latency_arg;
    fake_pull_rate_fn pull_rate;
    void *pull_rate_arg;
    uint64_t outputs_made;
    bool forgets_output;       /* as soon as it is told */
    uint64_t events_forgotten; /* those before this number died with the daemon */
    struct past_event past[EVENTS_KEPT];
    uint64_t events_made;
};

int64_t fake_engine_wall_ms(const struct fake_engine *e);
void fake_engine_add_name(struct list *names, const char *name);
struct name_item *fake_engine_find_name(const struct list *names, const char *name);
void fake_engine_free_names(struct list *names);
void fake_engine_copy_fault(struct fake_fault *to, const struct fake_fault *from);
void fake_engine_done_fault(struct fake_fault *fault);

/* fake_engine.c */
char *fake_engine_query(const struct fake_call *call, const char *key); /* decoded, malloc'ed; NULL: absent */
void fake_engine_count_effect(struct fake_engine *e, int kind);
void fake_engine_free_text(const char *text);      /* for the owned texts of public structs */
void fake_engine_end_call(struct fake_call *call); /* its exchange has ended already */
void fake_engine_perform(struct fake_call *call);

/* fake_engine_answer.c: each ends the call. */
void fake_engine_drop(struct fake_call *call);
void fake_engine_answer(struct fake_call *call, int status, const char *body);
void fake_engine_answer_message(struct fake_call *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void fake_engine_answer_json(struct fake_call *call, int status, struct json *take_json);
/* Begin and send end it only when a fault says so, and return false then. */
bool fake_engine_stream_begin(struct fake_call *call);
bool fake_engine_stream_send(struct fake_call *call, const void *data, size_t len);
void fake_engine_stream_end(struct fake_call *call);

/* fake_engine_images.c */
char *fake_engine_full_image_name(const char *image);
char *fake_engine_image_id(const char *full_name);
void fake_engine_drop_image(struct fake_engine *e, struct name_item *image);
void fake_engine_do_image_inspect(struct fake_call *call);
void fake_engine_do_image_list(struct fake_call *call);
void fake_engine_do_image_remove(struct fake_call *call);
void fake_engine_do_import(struct fake_call *call);

/* fake_engine_rules.c */
/* 64 hex digits that follow from a number. */
char *fake_engine_make_id(uint64_t seed);
struct container *fake_engine_find_container(struct fake_engine *e, const char *ref);
/* Returns the status; *message (malloc'ed) is set if it is no 2xx, *made if it is. */
int fake_engine_create_container(struct fake_engine *e, const char *name, const char *body,
                                 struct container **made, char **message);
/* The call's container; NULL: there is none, and a 404 has ended the call. */
struct container *fake_engine_subject(struct fake_call *call);
bool fake_engine_is_running(const struct container *c);
void fake_engine_free_container(struct container *c);
/* Take it off every list and free it. */
void fake_engine_forget_container(struct container *c);
void fake_engine_do_create(struct fake_call *call);
void fake_engine_do_network_connect(struct fake_call *call);
void fake_engine_do_inspect(struct fake_call *call);
/* The query's filters, the caller's; NULL without any. False: they can't be read, and a 500 has ended the
 * call. */
bool fake_engine_read_filters(struct fake_call *call, struct json **filters);
void fake_engine_do_list(struct fake_call *call);

/* fake_engine_running.c */
void fake_engine_exit_container(struct container *c, int code, bool oom);
void fake_engine_remove_container(struct container *c); /* as by force */
void fake_engine_do_start(struct fake_call *call);
void fake_engine_do_stop(struct fake_call *call);
void fake_engine_do_kill(struct fake_call *call);
void fake_engine_do_remove(struct fake_call *call);

/* fake_engine_streams.c */
/* exit_code: of die, else NULL. c may be NULL, then id is the actor's. */
void fake_engine_emit(struct fake_engine *e, const char *type, const char *action, const char *id,
                      const struct container *c, const int *exit_code);
void fake_engine_tell_ended(struct container *c);   /* waits, logs, stops */
void fake_engine_tell_removed(struct container *c); /* nobody may point to it afterwards */
void fake_engine_tell_output(struct container *c, const struct output *output);
void fake_engine_do_events(struct fake_call *call);
void fake_engine_do_logs(struct fake_call *call);
void fake_engine_do_wait(struct fake_call *call);
void fake_engine_do_pull(struct fake_call *call);

#endif
