/*
 * contract_engine.c - runs one list of calls through api/engine and prints what came of each, without ids and
 * times. What it prints for the fake engine and for a real one must be equal, or the fake only agrees with
 * us.
 *
 * Usage: contract_engine --fake | contract_engine DOCKER_HOST IMAGE. IMAGE: one with busybox. A network
 * "sluice-contract-net" must exist. The containers are named sluice-contract-*, and removed at the beginning
 * and at the end. Time is real here, since a real engine knows no other; exit code 1: a call could not be
 * made, or did not end within a minute.
 */
#include "api/engine.h"
#include "base/buf.h"
#include "scheduler/tune_image.h"
#include "tests/fakes/fake_engine.h"

#include <event2/event.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MADE_LABEL "io.sluice.contract=made"
#define MADE_IMAGE "sluice-contract-made:1"
#define FAKE_IMAGE "sluice-contract-image:1"
#define LAUNCH "sluice-contract"
#define NETWORK "sluice-contract-net" /* made and removed by whoever runs this */
#define CALL_LIMIT_MS 60000
#define CLOCKS (&(struct http_clocks){.connect_ms = 10000, .inactivity_ms = 30000, .total_ms = 30000})
#define EVENTS_MAX_BYTES 65536

struct contract {
    struct event_base *base;
    struct timers *timers;
    struct http *http;
    struct engine *engine;
    struct fake_engine *fake; /* NULL: a real one */
    const char *image;
    const char *step;
    bool is_done; /* the call of this step */
    bool is_quiet;
    bool stream_is_open;
    struct buf live;   /* events as they came */
    struct buf replay; /* events asked for afterwards */
    struct buf output;
};

/* ---- the loop ---- */

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void turn(struct contract *c)
{
    int64_t wait_ms = timers_next_ms(c->timers);
    if (wait_ms < 0 || wait_ms > 100)
        wait_ms = 100;
    struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = (wait_ms % 1000) * 1000};
    struct event *wake = evtimer_new(c->base, on_wake, NULL);
    CHECK(wake != NULL && event_add(wake, &tv) == 0);
    CHECK(event_base_loop(c->base, EVLOOP_ONCE) >= 0);
    event_free(wake);
    timers_run(c->timers);
}

/* Turn until *flag; the clock, not the number of turns, is the limit, since a real engine takes its time. */
static void turn_until(struct contract *c, const bool *flag)
{
    int64_t end_ms = clock_mono_ms(&clock_system) + CALL_LIMIT_MS;
    while (!*flag) {
        if (clock_mono_ms(&clock_system) > end_ms) {
            printf("%s: no end within %d ms\n", c->step, CALL_LIMIT_MS);
            exit(1);
        }
        turn(c);
    }
}

/* ---- printing ---- */

/* What the sentence is about, whatever its wording; "other" with the sentence for what is not listed. */
static const char *message_class(const char *message)
{
    static const char *const classes[][2] = {
        {"no such image", "no such image"},
        {"unable to remove repository reference", "image in use"},
        {"error processing tar file", "no tar"},
        {"no such container", "no such container"},
        {"already in use", "name in use"},
        {"is not running", "not running"},
        {"remove a running container", "still running"},
        {"container is running", "still running"},
        {"no command specified", "no command"},
        {"invalid container name", "bad name"},
        {"invalid signal", "bad signal"},
        {"already exists in network", "connected already"},
        {"sharing network namespace", "shares a network namespace"},
        {"connection refused", "connection refused"},
        {"executable file not found", "no such program"},
    };
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (strcasestr(message, classes[i][0]) != NULL)
            return classes[i][1];
    if (strncmp(message, "network ", 8) == 0 && strstr(message, "not found") != NULL)
        return "no such network";
    return message;
}

static const char *state_name(enum engine_container_state state)
{
    switch (state) {
    case ENGINE_CONTAINER_CREATED:
        return "created";
    case ENGINE_CONTAINER_RUNNING:
        return "running";
    case ENGINE_CONTAINER_EXITED:
        return "exited";
    case ENGINE_CONTAINER_REMOVING:
        return "removing";
    }
    UNREACHABLE();
}

static void print_container(const struct engine_container *c)
{
    printf(" [id %s, name \"%s\", launch \"%s\", %s, code %d, tty %d, oom %d, error \"%s\", created %d, "
           "started %d, ended %d]",
           strlen(c->id) == 64 ? "ok" : c->id, c->name, c->launch_id, state_name(c->state), (int)c->exit_code,
           c->tty, c->oom_killed, c->error[0] == '\0' ? "" : message_class(c->error), c->created_at_ms > 0,
           c->started_at_ms > 0, c->finished_at_ms > 0);
}

static void print_failure(const struct failure *f)
{
    printf(" failed: %s, stage %s, status %d, transport %s, sent %d, changes %d, \"%s\"\n",
           dependency_name(f->dependency), stage_name(f->stage), f->status, transport_name(f->transport),
           f->sent, f->changes, message_class(f->message));
}

static void on_done(void *arg, const struct engine_reply *r)
{
    struct contract *c = arg;
    c->is_done = true;
    if (c->is_quiet)
        return;
    printf("%s:", c->step);
    if (r->failure != NULL) {
        print_failure(r->failure);
        return;
    }
    printf(" ok, status %d%s", r->status, r->was_already ? ", already" : "");
    if (r->container_id != NULL)
        printf(", id %s", strlen(r->container_id) == 64 ? "ok" : r->container_id);
    if (r->image_id != NULL)
        printf(", image %s", strncmp(r->image_id, "sha256:", 7) == 0 ? "ok" : r->image_id);
    if (r->containers != NULL)
        printf(", %zu", r->count);
    if (r->image_ids != NULL)
        printf(", %zu images", r->count);
    for (size_t i = 0; r->containers != NULL && i < r->count; i++)
        print_container(&r->containers[i]);
    if (r->warning != NULL)
        printf(", warning");
    printf("\n");
}

/* ---- steps ---- */

static void begin(struct contract *c, const char *step)
{
    c->step = step;
    c->is_done = false;
}

static void end(struct contract *c, int started, const struct err *err)
{
    if (started != 0) {
        printf("%s: %s\n", c->step, err->msg);
        exit(1);
    }
    turn_until(c, &c->is_done);
}

#define STEP(c, text, call)                                                                                  \
    do {                                                                                                     \
        struct err err;                                                                                      \
        begin(c, text);                                                                                      \
        end(c, call, &err);                                                                                  \
    } while (0)

static void create(struct contract *c, const char *step, const char *name, const char *image,
                   const char *rest)
{
    char *AUTO_FREE body = check_printf(
        "{\"Image\":\"%s\",\"Labels\":{\"" ENGINE_LABEL_LAUNCH "\":\"" LAUNCH "\"}%s}", image, rest);
    STEP(c, step, engine_create(c->engine, name, NULL, body, CLOCKS, on_done, c, NULL, &err));
}

static void start(struct contract *c, const char *name)
{
    STEP(c, "start", engine_start(c->engine, name, CLOCKS, on_done, c, NULL, &err));
}

static void inspect(struct contract *c, const char *name)
{
    STEP(c, "inspect", engine_inspect(c->engine, name, CLOCKS, on_done, c, NULL, &err));
}

static void wait_end(struct contract *c, const char *name)
{
    STEP(c, "wait", engine_wait(c->engine, name, CLOCKS, on_done, c, NULL, &err));
}

static void kill_it(struct contract *c, const char *name)
{
    STEP(c, "kill", engine_kill(c->engine, name, "SIGKILL", CLOCKS, on_done, c, NULL, &err));
}

static void stop(struct contract *c, const char *name)
{
    STEP(c, "stop", engine_stop(c->engine, name, 900, CLOCKS, on_done, c, NULL, &err));
}

static void remove_it(struct contract *c, const char *name, bool force)
{
    STEP(c, force ? "remove by force" : "remove",
         engine_remove(c->engine, name, force, CLOCKS, on_done, c, NULL, &err));
}

static void connect_to(struct contract *c, const char *step, const char *network, const char *name)
{
    STEP(c, step, engine_network_connect(c->engine, network, name, "{}", CLOCKS, on_done, c, NULL, &err));
}

static void list(struct contract *c)
{
    STEP(c, "list", engine_list(c->engine, ENGINE_LABEL_LAUNCH "=" LAUNCH, CLOCKS, on_done, c, NULL, &err));
}

static void remove_image(struct contract *c, const char *step, bool force)
{
    STEP(c, step, engine_image_remove(c->engine, MADE_IMAGE, force, CLOCKS, on_done, c, NULL, &err));
}

static void clean_up(struct contract *c)
{
    static const char *const names[] = {"sluice-contract-a", "sluice-contract-b", "sluice-contract-c",
                                        "sluice-contract-d", "sluice-contract-e"};
    c->is_quiet = true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        remove_it(c, names[i], true);
    remove_image(c, "clean up", true);
    c->is_quiet = false;
}

#define OWN_NETWORK ",\"HostConfig\":{\"NetworkMode\":\"" NETWORK "\"}"
#define NO_NETWORK ",\"HostConfig\":{\"NetworkMode\":\"none\"}"

static void try_images(struct contract *c)
{
    STEP(c, "ping", engine_ping(c->engine, CLOCKS, on_done, c, NULL, &err));
    STEP(c, "image", engine_image_inspect(c->engine, c->image, CLOCKS, on_done, c, NULL, &err));
    STEP(c, "image that is absent",
         engine_image_inspect(c->engine, "sluice-contract-absent:1", CLOCKS, on_done, c, NULL, &err));
    STEP(c, "image that is absent, without tag",
         engine_image_inspect(c->engine, "localhost:9/sluice/absent", CLOCKS, on_done, c, NULL, &err));
    STEP(c, "pull from a registry that is down",
         engine_pull(c->engine, "127.0.0.1:9/sluice/absent:1", NULL, NULL, CLOCKS, on_done, c, NULL, &err));
}

static void try_creating(struct contract *c)
{
    create(c, "create of an absent image", "sluice-contract-a", "sluice-contract-absent",
           ",\"Cmd\":[\"true\"]");
    create(c, "create without a command", "sluice-contract-a", c->image, "");
    create(c, "create with a name too short", "s", c->image, ",\"Cmd\":[\"true\"]");
    create(c, "create", "sluice-contract-a", c->image,
           ",\"Cmd\":[\"sh\",\"-c\",\"echo out; exit 3\"]" NO_NETWORK);
    create(c, "create under a name that is taken", "sluice-contract-a", c->image, ",\"Cmd\":[\"true\"]");
    list(c);
    inspect(c, "sluice-contract-a");
    wait_end(c, "sluice-contract-a");
    stop(c, "sluice-contract-a");
    kill_it(c, "sluice-contract-a");
}

static void on_output(void *arg, int stream, const char *data, size_t len)
{
    struct contract *c = arg;
    struct err err;
    (void)stream;
    CHECK(buf_add(&c->output, data, len, &err) == 0);
}

static void logs(struct contract *c, const char *name, bool tty)
{
    struct engine_log log = {0};
    buf_clear(&c->output);
    STEP(c, "logs", engine_logs(c->engine, name, tty, 0, &log, 0, on_output, CLOCKS, on_done, c, NULL, &err));
    printf("logs: %zu bytes: %.*s\n", c->output.len, (int)strcspn(buf_text(&c->output), "\r\n"),
           buf_text(&c->output));
}

/* A life that ends by itself, and a second one in the same container. */
static void try_living(struct contract *c)
{
    start(c, "sluice-contract-a");
    wait_end(c, "sluice-contract-a");
    inspect(c, "sluice-contract-a");
    logs(c, "sluice-contract-a", false);
    start(c, "sluice-contract-a");
    wait_end(c, "sluice-contract-a");
    list(c);
    remove_it(c, "sluice-contract-a", false);
}

static void try_absent(struct contract *c)
{
    inspect(c, "sluice-contract-a");
    start(c, "sluice-contract-a");
    stop(c, "sluice-contract-a");
    kill_it(c, "sluice-contract-a");
    wait_end(c, "sluice-contract-a");
    logs(c, "sluice-contract-a", false);
    remove_it(c, "sluice-contract-a", true);
    remove_it(c, "sluice-contract-a", false);
    connect_to(c, "connect of an absent container", NETWORK, "sluice-contract-a");
    list(c);
}

static void try_ending(struct contract *c)
{
    create(c, "create", "sluice-contract-b", c->image, ",\"Cmd\":[\"sleep\",\"60\"]" NO_NETWORK);
    start(c, "sluice-contract-b");
    start(c, "sluice-contract-b");
    inspect(c, "sluice-contract-b");
    remove_it(c, "sluice-contract-b", false);
    stop(c, "sluice-contract-b");
    inspect(c, "sluice-contract-b");
    stop(c, "sluice-contract-b");
    start(c, "sluice-contract-b");
    kill_it(c, "sluice-contract-b");
    wait_end(c, "sluice-contract-b");
    kill_it(c, "sluice-contract-b");
    remove_it(c, "sluice-contract-b", true);
}

/* The wait and the removal end in any order. */
struct pair {
    int32_t code;
    int ended;
    bool both_ended;
};

static void on_waited(void *arg, const struct engine_reply *r)
{
    struct pair *p = arg;
    p->code = r->failure == NULL && r->count == 1 ? r->containers[0].exit_code : -1;
    p->both_ended = ++p->ended == 2;
}

static void on_removed(void *arg, const struct engine_reply *r)
{
    struct pair *p = arg;
    CHECK(r->failure == NULL);
    p->both_ended = ++p->ended == 2;
}

static void try_removing_under_a_wait(struct contract *c)
{
    struct err err;
    struct pair pair = {0};
    create(c, "create", "sluice-contract-c", c->image,
           ",\"Tty\":true,\"Cmd\":[\"sh\",\"-c\",\"echo tty; sleep 60\"]" NO_NETWORK);
    start(c, "sluice-contract-c");
    CHECK(engine_wait(c->engine, "sluice-contract-c", CLOCKS, on_waited, &pair, NULL, &err) == 0);
    inspect(c, "sluice-contract-c"); /* answered, so the wait has been sent */
    begin(c, "remove under a wait");
    CHECK(engine_remove(c->engine, "sluice-contract-c", true, CLOCKS, on_removed, &pair, NULL, &err) == 0);
    turn_until(c, &pair.both_ended);
    printf("%s: code %d\n", c->step, (int)pair.code);
}

static void try_networks(struct contract *c)
{
    create(c, "create", "sluice-contract-d", c->image, ",\"Cmd\":[\"sleep\",\"60\"]" OWN_NETWORK);
    connect_to(c, "connect before the start to a network that is absent", "sluice-contract-absent",
               "sluice-contract-d");
    start(c, "sluice-contract-d");
    inspect(c, "sluice-contract-d");
    remove_it(c, "sluice-contract-d", true);
    create(c, "create", "sluice-contract-d", c->image, ",\"Cmd\":[\"sleep\",\"60\"]" OWN_NETWORK);
    start(c, "sluice-contract-d");
    connect_to(c, "connect again", NETWORK, "sluice-contract-d");
    connect_to(c, "connect to a network that is absent", "sluice-contract-absent", "sluice-contract-d");
    remove_it(c, "sluice-contract-d", true);
    create(c, "create", "sluice-contract-d", c->image,
           ",\"Cmd\":[\"sleep\",\"60\"],\"HostConfig\":{\"NetworkMode\":\"host\"}");
    connect_to(c, "connect of a container with the host's network", NETWORK, "sluice-contract-d");
    remove_it(c, "sluice-contract-d", true);
}

static void try_failing_start(struct contract *c)
{
    create(c, "create", "sluice-contract-e", c->image, ",\"Cmd\":[\"sluice-no-such-program\"]" NO_NETWORK);
    start(c, "sluice-contract-e");
    inspect(c, "sluice-contract-e");
    remove_it(c, "sluice-contract-e", false);
}

static void import(struct contract *c, const char *step, const char *tar, size_t len)
{
    struct engine_import import = {.name = MADE_IMAGE, .label = MADE_LABEL, .tar = tar, .tar_len = len};
    STEP(c, step, engine_image_import(c->engine, &import, CLOCKS, on_done, c, NULL, &err));
}

static void list_images(struct contract *c)
{
    STEP(c, "list of images", engine_image_list(c->engine, MADE_LABEL, CLOCKS, on_done, c, NULL, &err));
}

/* From nothing to an image, a container of it, and back. */
static void try_making_images(struct contract *c)
{
    size_t len;
    char *AUTO_FREE tar = tune_image_tar(&len);
    char no_tar[511];
    memset(no_tar, 'x', sizeof(no_tar));
    import(c, "import of no tar", no_tar, sizeof(no_tar));
    list_images(c);
    import(c, "import", tar, len);
    list_images(c);
    create(c, "create of a made image", "sluice-contract-a", MADE_IMAGE,
           ",\"Entrypoint\":[\"/exit\"]" NO_NETWORK);
    remove_image(c, "removal of an image in use", false);
    start(c, "sluice-contract-a");
    wait_end(c, "sluice-contract-a");
    inspect(c, "sluice-contract-a");
    remove_it(c, "sluice-contract-a", false);
    remove_image(c, "removal of an image", false);
    remove_image(c, "removal of an image that has gone", true);
    list_images(c);
}

/* ---- events ---- */

static void note_event(struct buf *b, const struct engine_event *e)
{
    struct err err;
    if (strcmp(e->launch_id, LAUNCH) == 0)
        CHECK(buf_printf(b, &err, " %s/%s%s", e->type, e->action, e->time_ms > 0 ? "" : " without time") ==
              0);
}

static bool on_live_event(void *arg, const struct engine_event *e)
{
    struct contract *c = arg;
    note_event(&c->live, e);
    return true;
}

static bool on_replayed_event(void *arg, const struct engine_event *e)
{
    struct contract *c = arg;
    note_event(&c->replay, e);
    return true;
}

static void on_stream_open(void *arg)
{
    struct contract *c = arg;
    c->stream_is_open = true;
}

static void on_stream_done(void *arg, const struct engine_reply *r)
{
    (void)arg;
    printf("events: ended too early%s\n", r->failure != NULL ? r->failure->message : "");
    exit(1);
}

/* The replay is whole, so the live stream has all when it has as much. */
static void compare_events(struct contract *c, int64_t since_ms)
{
    STEP(c, "events since then",
         engine_events(c->engine, NULL, since_ms, clock_wall_ms(&clock_system) + 1, NULL, on_replayed_event,
                       CLOCKS, on_done, c, NULL, &err));
    int64_t end_ms = clock_mono_ms(&clock_system) + 5000;
    while (c->live.len < c->replay.len && clock_mono_ms(&clock_system) < end_ms)
        turn(c);
    printf("replayed:%s\nlive: %s\n", buf_text(&c->replay),
           strcmp(buf_text(&c->replay), buf_text(&c->live)) == 0 ? "the same" : buf_text(&c->live));
}

/* ---- the fake ---- */

static struct fake_program choose_program(void *arg, const struct fake_container *container)
{
    (void)arg;
    if (strstr(container->command, "sluice-no-such-program") != NULL)
        return (struct fake_program){.start_status = 400,
                                     .start_message = "exec: executable file not found in $PATH"};
    if (container->command[0] == '\0') /* an entrypoint: the made image's */
        return (struct fake_program){0};
    if (strstr(container->command, "sleep") != NULL)
        return (struct fake_program){
            .run_ms = 60000, .ignores_sigterm = true, .output = container->tty ? "tty\r\n" : NULL};
    return (struct fake_program){.exit_code = 3, .output = "out\n"};
}

static void make_fake(struct contract *c)
{
    c->fake = fake_engine_new(c->base, c->timers, NULL);
    c->image = FAKE_IMAGE;
    fake_engine_add_image(c->fake, FAKE_IMAGE);
    fake_engine_add_network(c->fake, NETWORK);
    fake_engine_choose_program(c->fake, choose_program, NULL);
    fake_engine_add_registry_image(
        c->fake, &(struct fake_registry_image){.image = "127.0.0.1:9/sluice/absent:1",
                                               .status = 500,
                                               .message = "Get \"http://127.0.0.1:9/v2/\": dial tcp "
                                                          "127.0.0.1:9: connect: connection refused"});
}

static void run(struct contract *c)
{
    struct err err;
    struct engine_call *stream = NULL;
    clean_up(c);
    int64_t since_ms = clock_wall_ms(&clock_system);
    begin(c, "events");
    CHECK(engine_events(c->engine, NULL, 0, 0, on_stream_open, on_live_event, CLOCKS, on_stream_done, c,
                        &stream, &err) == 0);
    turn_until(c, &c->stream_is_open);
    try_images(c);
    try_creating(c);
    try_living(c);
    try_absent(c);
    try_ending(c);
    try_removing_under_a_wait(c);
    try_networks(c);
    try_failing_start(c);
    try_making_images(c);
    compare_events(c, since_ms);
    engine_cancel(stream);
    clean_up(c);
}

int main(int argc, char **argv)
{
    struct contract c = {0};
    struct err err;
    bool is_fake = argc == 2 && strcmp(argv[1], "--fake") == 0;
    if (!is_fake && argc != 3) {
        fprintf(stderr, "usage: contract_engine --fake | contract_engine DOCKER_HOST IMAGE\n");
        return 2;
    }
    buf_init(&c.live, EVENTS_MAX_BYTES);
    buf_init(&c.replay, EVENTS_MAX_BYTES);
    buf_init(&c.output, EVENTS_MAX_BYTES);
    c.base = event_base_new();
    CHECK(c.base != NULL);
    c.timers = timers_new(&clock_system);
    if (is_fake)
        make_fake(&c);
    else
        c.image = argv[2];
    struct engine_settings settings = {.host = is_fake ? fake_engine_host(c.fake) : argv[1]};
    if (http_new(c.base, c.timers, &(struct http_settings){.proxy = ""}, &c.http, &err) != 0 ||
        engine_new(c.http, c.timers, &settings, &c.engine, &err) != 0) {
        fprintf(stderr, "contract_engine: %s\n", err.msg);
        return 1;
    }
    run(&c);
    engine_free(c.engine);
    http_free(c.http);
    fake_engine_free(c.fake);
    timers_free(c.timers);
    event_base_free(c.base);
    buf_done(&c.live);
    buf_done(&c.replay);
    buf_done(&c.output);
    return 0;
}
