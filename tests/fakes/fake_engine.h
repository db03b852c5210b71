/*
 * fake_engine.h - a Docker Engine without Docker: a scripted server on a unix socket, in the event_base of
 * the code under test.
 *
 * It keeps the real engine's rules and words (recorded from Docker 20.10; the contract test compares): names
 * exist once, a second start is 304, a running container is not removed without force, what is missing is a
 * 404. What runs in a container is a `fake_program`. It counts calls, effects and starts, so that "none
 * twice" is read from here and never from our own rows. Time is that of `timers`: without a fake clock
 * moving, nothing that takes time ends. An answer without delay is sent within the turn that reads its
 * request.
 *
 * A call goes: received (counted) -> fault or latency chosen -> delay -> effect -> answer. A client that goes
 * away in between does not stop the effect, as with the real one.
 *
 *     struct fake_engine *e = fake_engine_new(base, timers, NULL);
 *     fake_engine_add_image(e, "busybox:latest");
 *     fake_engine_set_program(e, &(struct fake_program){.run_ms = 5000, .exit_code = 3});
 *     fake_engine_add_fault(e, &(struct fake_fault){.call = FAKE_ENGINE_START, .kind =
 * FAKE_FAULT_DROP_AFTER});
 *     ... run the code under test against fake_engine_host(e), advance the clock ...
 *     assert_int_equal(fake_engine_starts(e, "launch-1"), 1);
 */
#ifndef SLUICE_TESTS_FAKE_ENGINE_H
#define SLUICE_TESTS_FAKE_ENGINE_H

#include "base/timers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct fake_engine;

#define FAKE_ENGINE_CALLS(X)                                                                                 \
    X(PING)                                                                                                  \
    X(IMAGE_INSPECT)                                                                                         \
    X(IMAGE_LIST)                                                                                            \
    X(IMAGE_REMOVE)                                                                                          \
    X(IMPORT)                                                                                                \
    X(PULL)                                                                                                  \
    X(CREATE)                                                                                                \
    X(NETWORK_CONNECT)                                                                                       \
    X(START)                                                                                                 \
    X(INSPECT)                                                                                               \
    X(LIST)                                                                                                  \
    X(STOP)                                                                                                  \
    X(KILL)                                                                                                  \
    X(REMOVE)                                                                                                \
    X(WAIT)                                                                                                  \
    X(EVENTS)                                                                                                \
    X(LOGS)                                                                                                  \
    X(OTHER) /* a path the fake doesn't know: 404 */

enum fake_engine_call {
#define X(name) FAKE_ENGINE_##name,
    FAKE_ENGINE_CALLS(X)
#undef X
};
#define FAKE_ENGINE_CALL_COUNT (FAKE_ENGINE_OTHER + 1)
#define FAKE_ENGINE_ANY FAKE_ENGINE_CALL_COUNT /* where a function takes "all kinds" */
const char *fake_engine_call_name(int call);   /* "CREATE" */

/* path: of the socket; NULL makes one in a new folder below TMPDIR, removed at the end. Listens at once.
 * timers are borrowed. API version 1.41, one network "bridge", no images. */
struct fake_engine *fake_engine_new(struct event_base *base, struct timers *timers, const char *path);
void fake_engine_free(struct fake_engine *e);
const char *fake_engine_host(const struct fake_engine *e); /* as DOCKER_HOST */

/* ---- the engine itself ---- */

/* NULL: no Api-Version header. Default "1.41", oldest "1.12". A request for a version outside is a 400. */
void fake_engine_set_api_version(struct fake_engine *e, const char *newest, const char *oldest);
/* From now on it answers as Podman 4.3 does, in what differs (docs/engine-facts.md): headers, words and
 * statuses of refusals, the code of a wait on a created container, and events, whose filter knows Podman's
 * own words only and which are never replayed. NULL: as Docker again. */
void fake_engine_be_podman(struct fake_engine *e, const char *version);
/* The daemon ends: connections break, the socket is gone (refused: it stays, and connecting is refused).
 * containers_die: those running exit with 137, as without live-restore. Delays and holds go on: what the
 * engine had begun is carried out. */
void fake_engine_go_down(struct fake_engine *e, bool refused, bool containers_die);
/* A daemon that comes up has forgotten all events. */
void fake_engine_come_up(struct fake_engine *e);
/* A halted (SIGSTOP) daemon: connections and requests pile up unread; resume carries all of them out, also
 * those whose client has gone. */
void fake_engine_halt(struct fake_engine *e);
void fake_engine_resume(struct fake_engine *e);

/* ---- images ---- */

/* "NAME", "NAME:TAG", "NAME@DIGEST"; without both the tag is "latest". */
void fake_engine_add_image(struct fake_engine *e, const char *image);
/* Emits untag and delete events. False: there was none. */
bool fake_engine_remove_image(struct fake_engine *e, const char *image);
bool fake_engine_has_image(const struct fake_engine *e, const char *image);
size_t fake_engine_image_count(const struct fake_engine *e);

/* What a pull of `image` finds at its registry; texts are copied. Unknown images: 404 "pull access denied".
 */
struct fake_registry_image {
    const char *image;
    int64_t took_ms; /* of the whole pull, in `lines` even steps */
    int lines;       /* of progress; at least 1 */
    int64_t bytes;   /* of its one layer; 0: as many as lines */
    int status;      /* >= 400: the pull is refused with this and `message` before the stream begins */
    const char *message;
    const char *error;         /* not NULL: the stream ends with this error instead of the image */
    bool error_is_old_style;   /* only "error", no "errorDetail" */
    const char *registry_auth; /* not NULL: with any other X-Registry-Auth it is refused, as by a private
                                  registry: 500 "no basic auth credentials" */
};
/* A second one for the same image replaces the first. */
void fake_engine_add_registry_image(struct fake_engine *e, const struct fake_registry_image *image);
void fake_engine_add_network(struct fake_engine *e, const char *network);

/* ---- containers ---- */

struct fake_container {
    const char *id; /* 64 hex digits, the same in every run of the test */
    const char *name;
    const char *image;
    const char *launch_id; /* label io.sluice.launch, "" */
    const char *flow_run_id;
    const char *command;     /* Cmd, joined by blanks */
    const char *create_body; /* as it was sent */
    const char *state;       /* "created", "running", "exited" */
    const char *error;       /* State.Error */
    int exit_code;
    bool oom_killed;
    bool tty;
    int starts;            /* times its program has begun */
    int64_t created_at_ms; /* wall; the others 0 until it happens */
    int64_t started_at_ms;
    int64_t finished_at_ms;
};

/* What happens when a container starts. All zero: ends at once with code 0. */
struct fake_program {
    int64_t
        run_ms; /* ends by itself after this long; 0: at once, before the start is answered; -1: when told */
    int exit_code;
    bool oom_killed;      /* ends with an oom event before die */
    bool ignores_sigterm; /* stop kills it (137) after its grace time */
    int64_t sigterm_ms;   /* SIGTERM to its end */
    int sigterm_code;     /* 0: 143 */
    const char *output;   /* written to stdout when it starts; NULL: nothing */
    int start_status;     /* not 0: the start is refused with this status, and the container stays created */
    const char *start_message;
};
/* For all containers from their next start on. */
void fake_engine_set_program(struct fake_engine *e, const struct fake_program *program);
/* Asked at each start instead; the texts must live on. fn NULL: set_program's again. */
typedef struct fake_program (*fake_program_fn)(void *arg, const struct fake_container *container);
void fake_engine_choose_program(struct fake_engine *e, fake_program_fn fn, void *arg);

/* Containers by id (or 12 and more digits of it), name, or launch id (the newest); NULL: none. Borrowed until
 * it is removed. */
const struct fake_container *fake_engine_find(struct fake_engine *e, const char *what);
size_t fake_engine_container_count(const struct fake_engine *e);
/* By order of creation; what is removed leaves no gap. */
const struct fake_container *fake_engine_container_at(const struct fake_engine *e, size_t index);
/* Make one without any call, as another worker would; body as for create. NULL: refused by the rules. */
const struct fake_container *fake_engine_create(struct fake_engine *e, const char *name, const char *body);
/* Start it without any call, as another worker would. False: there is no such container, or it runs. */
bool fake_engine_start(struct fake_engine *e, const char *what);
/* Acts of the outside world; false: there is no such container, or it is in no state for it. */
bool fake_engine_exit(struct fake_engine *e, const char *what, int exit_code);
bool fake_engine_oom(struct fake_engine *e, const char *what); /* oom event, then exit 137 */
bool fake_engine_remove(struct fake_engine *e, const char *what);
/* stream 1 or 2. */
bool fake_engine_write(struct fake_engine *e, const char *what, int stream, const char *text);
bool fake_engine_write_bytes(struct fake_engine *e, const char *what, int stream, const char *data,
                             size_t len);
/* Output is kept for nobody who opens a log later: for much of it. */
void fake_engine_forget_output(struct fake_engine *e);

/* ---- counts ---- */

/* Requests received since the last reset; call may be FAKE_ENGINE_ANY. */
int fake_engine_calls(const struct fake_engine *e, int call);
/* Of those, the ones that changed something (START: a program began; CREATE: a container was made...). */
int fake_engine_effects(const struct fake_engine *e, int call);
/* Received and not yet answered, now and at most. Streams count until they end. */
int fake_engine_in_flight(const struct fake_engine *e, int call);
int fake_engine_peak(const struct fake_engine *e, int call);
/* Sets calls, effects and peaks to 0. Starts are kept. */
void fake_engine_reset_counts(struct fake_engine *e);
/* Times a program began in containers with this launch label, removed ones included; NULL: all. */
int fake_engine_starts(const struct fake_engine *e, const char *launch_id);
/* The highest of those counts: above 1 a flow ran twice. */
int fake_engine_max_starts(const struct fake_engine *e);
/* Connections accepted so far, and open now. */
int fake_engine_connections(const struct fake_engine *e);
int fake_engine_open_connections(const struct fake_engine *e);

/* The last request of a kind: "POST /v1.41/containers/create?name=x", its body and its X-Registry-Auth; ""
 * where there is none. Borrowed until the next call of that kind. */
const char *fake_engine_last_request(const struct fake_engine *e, int call);
const char *fake_engine_last_body(const struct fake_engine *e, int call);
const char *fake_engine_last_registry_auth(const struct fake_engine *e, int call);

/* ---- time and faults ---- */

/* The engine's wall clock is that of `timers` plus so much; its answers say it in their Date. */
void fake_engine_set_wall_offset_ms(struct fake_engine *e, int64_t offset_ms);

/* How long a call takes before its effect (ms); in_flight counts calls of its kind, itself included. NULL:
 * nothing takes time. Not asked for streams. */
typedef int64_t (*fake_latency_fn)(void *arg, int call, int in_flight);
void fake_engine_set_latency(struct fake_engine *e, fake_latency_fn fn, void *arg);
/* Bytes a millisecond that all pulls share evenly, with so many in flight; took_ms of images does not count
 * then. NULL: each takes its time. */
typedef double (*fake_pull_rate_fn)(void *arg, int in_flight);
void fake_engine_set_pull_rate(struct fake_engine *e, fake_pull_rate_fn fn, void *arg);

enum fake_fault_kind {
    FAKE_FAULT_NONE,        /* only delay_ms */
    FAKE_FAULT_STATUS,      /* no effect; answers status and {"message":message} */
    FAKE_FAULT_BODY,        /* effect; answers `status` (0: the usual) with `body` as it is: HTML, cut JSON */
    FAKE_FAULT_DROP_BEFORE, /* no effect; closes without a byte */
    FAKE_FAULT_DROP_AFTER,  /* effect; closes without a byte */
    FAKE_FAULT_HOLD,        /* neither effect nor answer until fake_engine_release() */
    FAKE_FAULT_STALL,       /* effect; never a byte */
    FAKE_FAULT_HALF_HEADERS, /* effect; half a header block, then closes */
    FAKE_FAULT_HALF_BODY,    /* effect; all headers, half the body, then closes. Streams: their first piece */
    FAKE_FAULT_STALL_BODY    /* as HALF_BODY, but stays open and silent */
};

struct fake_fault {
    enum fake_engine_call call;
    int nth; /* 0 and 1: the next call of this kind from now on, 2: the one after... -1: every one */
    enum fake_fault_kind kind;
    int64_t delay_ms; /* before anything of it happens */
    int status;
    const char *message;   /* STATUS. NULL: "scripted failure" */
    const char *body;      /* BODY */
    const char *headers;   /* STATUS, BODY: further header lines, each with CRLF. NULL: none */
    const char *launch_id; /* only calls about this launch's container count; NULL: all */
};
/* Texts are copied. Several may wait; the first that fits is taken and (but for nth -1) used up. */
void fake_engine_add_fault(struct fake_engine *e, const struct fake_fault *fault);
void fake_engine_clear_faults(struct fake_engine *e);
/* Asked for calls that no added fault meets, for random faults: fill *fault and return true. Texts must live
 * on. container: NULL where the call names none that exists. */
typedef bool (*fake_fault_fn)(void *arg, int call, const struct fake_container *container,
                              struct fake_fault *fault);
void fake_engine_choose_fault(struct fake_engine *e, fake_fault_fn fn, void *arg);
/* Carry out held calls of this kind (or FAKE_ENGINE_ANY), oldest first, also those whose client has gone.
 * Returns how many. */
int fake_engine_release(struct fake_engine *e, int call);
int fake_engine_held(const struct fake_engine *e, int call);

#endif
