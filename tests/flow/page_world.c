/*
 * page_world.c - a service with its fakes in one of a few scenes, whose status page a real browser can look
 * at: page_world SCENE prints the port and serves until its standard input ends. Time stands still meanwhile,
 * so that a picture of it is always the same. With "gone" on standard input it stops answering.
 */
#include "api/admin_http.h"
#include "runner.h"
#include "tests/flow/visitor.h"

#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define CONFIG                                                                                               \
    "[limits]\nstarts_per_second = 1.5\nstart_burst = 3\nrunning = 40\n"                                     \
    "[timeouts]\ncreate = 30s\nstart = 20s\n"                                                                \
    "[class etl]\nmatch_tag = etl\nrunning = 12\n[class reports]\nmatch_tag = reports\nstarts_per_second = " \
    "0.2\n"                                                                                                  \
    "[class interactive]\nmatch_tag = interactive\npriority = 100\n"

static void add_launch(struct world *w, size_t n, const char *name, const char *class_name, enum run_state in,
                       int64_t ago_ms)
{
    char *AUTO_FREE id = check_printf("%08zx-91c3-4d11-9a60-%012zx", n * 2654435761u & 0xffffffffu, n);
    struct launch *launch = launch_new(id, w->clock.wall_ms - ago_ms);
    launch_make_ids(launch, n, 7, "0123456789abcdef");
    launch_set_text(&launch->run_name, name);
    launch_set_text(&launch->class_name, class_name);
    launch_set_text(&launch->deployment_name, "nightly");
    launch->run.state = in;
    launch->updated_at_ms = w->clock.wall_ms - ago_ms / 2;
    if (in == RUN_STATE_PARKED)
        launch_set_text(&launch->last_error,
                        "create: no such image: registry.example/etl:3 (manifest unknown)");
    runner_add(service_runner(w->service), launch);
}

static void add_tagged_run(struct world *w, const char *name, const char *tag)
{
    const char *tags[] = {tag, NULL};
    fake_prefect_add_run(
        w->prefect, &(struct fake_prefect_run){.deployment_id = w->deployment, .name = name, .tags = tags});
}

static const char *const tags[] = {"etl", "etl", "reports", "interactive", "other"};

/* A quarter of an hour with waves of runs, a slow engine now and then, and calls that time out. */
static void play(struct world *w)
{
    static const char *const adjectives[] = {"happy", "silent", "amber", "quick", "misty", "brave", "lucky"};
    static const char *const animals[] = {"otter", "heron", "lynx", "marten", "crane", "ibex"};
    size_t n = 0;
    for (int step = 0; step < 100; step++) {
        int due = step % 30 < 12 ? 6 : 1;
        for (int i = 0; i < due; i++, n++) {
            char *AUTO_FREE name = check_printf("%s-%s-%zu", adjectives[n % 7], animals[(n / 7 + n) % 6], n);
            add_tagged_run(w, name, tags[n % ARRAY_LEN(tags)]);
        }
        w->flow.run_ms = SECONDS(20 + (int)(n * 37 % 90));
        if (step % 30 == 14)
            fake_engine_add_fault(w->engine,
                                  &(struct fake_fault){.call = FAKE_ENGINE_CREATE, .kind = FAKE_FAULT_STALL});
        if (step % 30 == 20)
            fake_engine_add_fault(
                w->engine,
                &(struct fake_fault){
                    .call = FAKE_ENGINE_START,
                    .kind = FAKE_FAULT_STATUS,
                    .status = 500,
                    .message = "failed to create task for container: resource temporarily unavailable"});
        world_pass(w, SECONDS(10));
    }
}

/* As an engine that is busy: a create takes seconds, and the longer the more of them there are. */
static int64_t take_time(void *arg, int call, int in_flight)
{
    unsigned *n = arg;
    int64_t some_ms = (int64_t)(*n += 7919) % 1000;
    if (call == FAKE_ENGINE_CREATE)
        return 700 + some_ms * 2 + (int64_t)in_flight * 600 + (some_ms > 960 ? 9000 : 0);
    return call == FAKE_ENGINE_START ? 300 + some_ms + (int64_t)in_flight * 150 : 20 + some_ms / 20;
}

static void make_busy(struct world *w)
{
    static unsigned noise;
    fake_engine_set_latency(w->engine, take_time, &noise);
    play(w);
    for (size_t i = 0; i < 3; i++)
        add_launch(w, 90000 + i, "nightly-import", "etl", RUN_STATE_PARKED, MINUTES(50 * ((int)i + 1)));
}

static void make_many(struct world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *AUTO_FREE name = check_printf("sturdy-walrus-%zu", i);
        const char *class_name = i % 3 == 0 ? "etl" : i % 3 == 1 ? "reports" : "default";
        enum run_state in = i % 100 < 2    ? RUN_STATE_PARKED
                            : i % 100 < 12 ? RUN_STATE_RUNNING
                            : i % 100 < 15 ? RUN_STATE_PULLING
                                           : RUN_STATE_QUEUED;
        add_launch(w, i, name, class_name, in, SECONDS((int)(i % 3000)));
    }
}

static void make_hostile(struct world *w)
{
    static char longest[10001];
    static const char *const names[] = {
        "<script>document.title='owned'</script>",
        "\"><img src=x onerror=document.title='owned'>",
        "</script><script>document.title='owned'</script>",
        "javascript:document.title='owned'",
        "invoice\xe2\x80\xae"
        "fdp.exe",
        "\xf0\x9f\xa6\xa6\xf0\x9f\x8f\xb3\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x8c\x88 \xe2\x9c\x93",
        "NUL\\u0000\x01\x1b[31mred",
        "\xff\xfe\xc3",
        longest,
        "<style>*{display:none}</style>",
        "a&amp;b&lt;c"};
    static const enum run_state states[] = {RUN_STATE_RUNNING, RUN_STATE_PARKED, RUN_STATE_READY,
                                            RUN_STATE_QUEUED};
    memset(longest, 'W', sizeof(longest) - 1);
    for (size_t i = 0; i < ARRAY_LEN(names) * ARRAY_LEN(states); i++)
        add_launch(w, i, names[i / ARRAY_LEN(states)], "default", states[i % ARRAY_LEN(states)], MINUTES(3));
}

static void make_scene(struct world *w, const char *scene)
{
    if (strcmp(scene, "busy") == 0)
        make_busy(w);
    else if (strcmp(scene, "hundred") == 0)
        make_many(w, 100);
    else if (strcmp(scene, "many") == 0)
        make_many(w, 10000);
    else if (strcmp(scene, "hostile") == 0)
        make_hostile(w);
    else
        CHECK(strcmp(scene, "empty") == 0);
}

/* Turn the loop until standard input has something to say. False: it has ended. */
static bool serve(struct world *w, char *line, size_t size)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&in, 1, 5) == 0)
        CHECK(event_base_loop(w->base, EVLOOP_NONBLOCK) >= 0);
    return fgets(line, (int)size, stdin) != NULL;
}

int main(int argc, char **argv)
{
    void *state = NULL;
    char line[20];
    CHECK(argc == 2 && world_setup(&state) == 0);
    struct world *w = state;
    char *AUTO_FREE text = check_printf("%s%s", CONFIG, VISITOR_ADMIN);
    world_start(w, text);
    struct admin_pages *pages = visitor_begin(w);
    world_pass(w, SECONDS(2));
    make_scene(w, argv[1]);
    printf("%d\n", admin_http_port(admin_pages_admin(pages)));
    fflush(stdout);
    while (serve(w, line, sizeof(line)) && strncmp(line, "gone", 4) != 0)
        ;
    admin_pages_free(pages);
    while (serve(w, line, sizeof(line)))
        ;
    return world_teardown(&state);
}
