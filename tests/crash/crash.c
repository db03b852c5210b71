/* crash.c - see crash.h. */
#include "tests/crash/crash.h"

#include "base/log.h"
#include "store/store_internal.h"
#include "tests/support/fake_clock.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <sqlite3.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Steps of both without a byte moved: then time passes. */
#define QUIET_STEPS 3
/* The same, each with a real millisecond, while a request is on its way: curl has waits as short as that. */
#define QUIET_WAITING_STEPS 3
#define FAKES_TURNS 2
#define STEPS_MAX 3000000
#define LOG_TAIL_BYTES 8000
#define LOG_MAX_BYTES ((size_t)64 * 1024 * 1024)
/* A process that stopped when told to, and left memory behind. */
#define LEAK_CODE 23

/* What every process would do anew: the services are forked from one that has done it. */
static void load_libraries(void)
{
    static bool is_done;
    store_use_memory();
    if (!is_done)
        CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && sqlite3_initialize() == SQLITE_OK);
    is_done = true;
}

struct crash *crash_begin(uint64_t seed)
{
    load_libraries();
    struct crash *c = check_alloc(sizeof(*c));
    void *world = NULL;
    world_setup(&world);
    c->world = world;
    c->shared = mmap(NULL, sizeof(*c->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(c->shared != MAP_FAILED);
    c->seed = seed;
    c->shared->random_state = seed;
    c->kill_after_us = -1;
    c->check_every = 1;
    return c;
}

static void add_log_to_world(struct crash *c)
{
    char *log = crash_log(c);
    struct err err;
    CHECK(buf_add_str(&c->world->log, log, &err) == 0);
    free(log);
}

static char *log_path(const struct crash *c)
{
    return check_printf("%s/log", c->world->folder);
}

void crash_end(struct crash *c)
{
    void *world = c->world;
    crash_kill(c);
    /* The world's own checks, that no secret is in it, then count for the log of the service, too. */
    add_log_to_world(c);
    char *path = log_path(c);
    unlink(path);
    free(path);
    munmap(c->shared, sizeof(*c->shared));
    free(c);
    world_teardown(&world);
}

char *crash_log(struct crash *c)
{
    char *path = log_path(c);
    struct buf text;
    struct err err;
    char piece[65536];
    buf_init(&text, LOG_MAX_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t n; fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0;)
        CHECK(buf_add(&text, piece, (size_t)n, &err) == 0);
    if (fd >= 0)
        close(fd);
    free(path);
    return buf_take(&text);
}

void crash_fail(struct crash *c, const char *fmt, ...)
{
    char what[1000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    char *log = crash_log(c);
    size_t len = strlen(log);
    fprintf(stderr, "...%s\n", log + (len > LOG_TAIL_BYTES ? len - LOG_TAIL_BYTES : 0));
    for (size_t i = 0; i < fake_prefect_run_count(c->world->prefect); i++) {
        const char *run = fake_prefect_run_id(c->world->prefect, i);
        fprintf(stderr, "run %s: %s\n", run, fake_prefect_history(c->world->prefect, run));
    }
    fprintf(stderr, "seed %llu, %d starts, %d kills: %s\n", (unsigned long long)c->seed, c->starts, c->kills,
            what);
    if (c->pid > 0)
        kill(c->pid, SIGKILL);
    fail_msg("%s", what);
    abort();
}

/* ---- life and death ---- */

/* Nothing of the fakes may live on in the child: a connection they close must be closed. */
static void close_all_but(int a, int b)
{
    int low = a < b ? a : b;
    int high = a < b ? b : a;
    CHECK(close_range(3, (unsigned)low - 1, 0) == 0);
    CHECK(low + 1 == high || close_range((unsigned)low + 1, (unsigned)high - 1, 0) == 0);
    CHECK(close_range((unsigned)high + 1, ~0U, 0) == 0);
}

/* Where it is built with a sanitizer. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static void be_the_service(struct crash *c, int orders_fd, int answers_fd) __attribute__((noreturn));
static void be_the_service(struct crash *c, int orders_fd, int answers_fd)
{
    char *path = log_path(c);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
    free(path);
    close_all_but(orders_fd, answers_fd);
    log_tap(NULL, NULL);
    kill_points_use(&c->shared->points);
    if (c->use_lack != NULL)
        c->use_lack(&c->shared->lack, &c->shared->places);
    int code = crash_serve(c->world, c->shared, orders_fd, answers_fd);
    if (c->use_lack != NULL)
        c->use_lack(NULL, NULL);
    if (code == 0 && __lsan_do_recoverable_leak_check != NULL && __lsan_do_recoverable_leak_check() != 0)
        code = LEAK_CODE;
    _exit(code);
}

static size_t log_bytes(struct crash *c)
{
    char *path = log_path(c);
    struct stat st;
    size_t bytes = stat(path, &st) == 0 ? (size_t)st.st_size : 0;
    free(path);
    return bytes;
}

static void put_time(struct crash *c)
{
    c->shared->mono_ms = c->world->clock.mono_ms;
    c->shared->wall_ms = c->world->clock.wall_ms;
}

void crash_start(struct crash *c, const char *config_text)
{
    int orders[2], answers[2];
    CHECK(c->pid == 0 && pipe2(orders, O_CLOEXEC) == 0 && pipe2(answers, O_CLOEXEC) == 0);
    world_keep_text(c->world, config_text);
    put_time(c);
    c->shared->points.plan = c->next_plan;
    c->shared->lack = c->next_lack;
    c->next_plan = (struct kill_plan){.pass = 0};
    c->next_lack = (struct lack){.fail_at = 0};
    c->log_bytes = log_bytes(c);
    c->shared->next_ms = -1;
    c->shared->calls_out[0] = 0;
    c->shared->calls_out[1] = 0;
    c->shared->launches = SIZE_MAX; /* not known before its first step */
    fflush(NULL);
    c->pid = fork();
    CHECK(c->pid >= 0);
    if (c->pid == 0)
        be_the_service(c, orders[0], answers[1]);
    close(orders[0]);
    close(answers[1]);
    c->orders_fd = orders[1];
    c->answers_fd = answers[0];
    c->quiet = 0;
    c->starts++;
}

/* The process has ended, or is about to: take note of how. Returns its status. */
static int bury(struct crash *c)
{
    int status = 0;
    while (waitpid(c->pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    c->pid = 0;
    close(c->orders_fd);
    close(c->answers_fd);
    return status;
}

void crash_kill(struct crash *c)
{
    if (c->pid == 0)
        return;
    kill(c->pid, SIGKILL);
    (void)bury(c);
    c->kills++;
}

/* Code 1 for lack of memory: memory was short, and the process has said so. */
static bool says_no_memory(struct crash *c)
{
    char *log = crash_log(c);
    bool says =
        c->shared->lack.failed > 0 && (strcasestr(log + c->log_bytes, "out of memory") != NULL ||
                                       strcasestr(log + c->log_bytes, "cannot allocate memory") != NULL);
    free(log);
    return says;
}

static void on_death(struct crash *c)
{
    int status = bury(c);
    /* SIGTERM before it listens to signals is as good as SIGKILL, also with main.c. */
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM))
        c->kills++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        c->clean_ends++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && says_no_memory(c))
        c->memory_ends++;
    else
        crash_fail(c, "the service ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (c->starts % c->check_every == 0)
        crash_check_file(c);
    if (!c->is_down)
        crash_start(c, NULL);
}

/* ---- in step ---- */

/* A real wait, but only for as long as the service computes: which instruction it dies at is its business. */
static void wait_us(int64_t us)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 < us);
}

/* False: it is dead. */
static bool step_service(struct crash *c, bool waits)
{
    char order = waits ? 'w' : 't';
    put_time(c);
    if (write(c->orders_fd, &order, 1) != 1)
        return false;
    if (c->kill_after_us >= 0) {
        wait_us(c->kill_after_us);
        kill(c->pid, SIGKILL);
        c->kill_after_us = -1;
        return false;
    }
    ssize_t n;
    while ((n = read(c->answers_fd, &order, 1)) < 0 && errno == EINTR)
        ;
    if (n == 1 && c->shared->wrong[0] != '\0')
        crash_fail(c, "%s", c->shared->wrong);
    return n == 1;
}

static void step_fakes(struct crash *c)
{
    for (int i = 0; i < FAKES_TURNS; i++)
        CHECK(event_base_loop(c->world->base, EVLOOP_NONBLOCK) >= 0);
    if (timers_next_ms(c->world->timers) == 0)
        timers_run(c->world->timers);
}

static bool is_on_the_wire(const struct crash *c)
{
    return c->pid != 0 &&
           (c->shared->calls_out[0] > (size_t)fake_engine_in_flight(c->world->engine, FAKE_ENGINE_ANY) ||
            c->shared->calls_out[1] > fake_prefect_unanswered(c->world->prefect));
}

static void jump(struct crash *c)
{
    struct world *w = c->world;
    int64_t next_ms = timers_next_ms(w->timers);
    int64_t service_ms = c->pid == 0 ? -1 : c->shared->next_ms;
    if (service_ms >= 0 && (next_ms < 0 || service_ms < next_ms))
        next_ms = service_ms;
    if (next_ms < 0)
        next_ms = 1000;
    w->clock.mono_ms += next_ms;
    w->clock.wall_ms += next_ms;
    timers_run(w->timers);
    c->quiet = 0;
}

void crash_step(struct crash *c)
{
    bool on_the_wire = is_on_the_wire(c);
    if (c->quiet >= QUIET_STEPS + (on_the_wire ? QUIET_WAITING_STEPS : 0))
        jump(c);
    bool waits = c->quiet >= QUIET_STEPS;
    step_fakes(c);
    if (c->pid != 0 && !step_service(c, waits))
        on_death(c);
    uint64_t now = c->shared->activity;
    c->quiet = now == c->seen_activity ? c->quiet + 1 : 0;
    c->seen_activity = now;
    if (++c->steps > STEPS_MAX)
        crash_fail(c, "it never comes to rest");
}

void crash_until(struct crash *c, int64_t limit_ms, bool (*is_over)(struct crash *c), const char *what)
{
    int64_t end_ms = c->world->clock.mono_ms + limit_ms;
    while (!is_over(c)) {
        if (c->world->clock.mono_ms > end_ms)
            crash_fail(c, "not in time: %s", what);
        crash_step(c);
    }
}

void crash_pass(struct crash *c, int64_t ms)
{
    int64_t end_ms = c->world->clock.mono_ms + ms;
    while (c->world->clock.mono_ms < end_ms)
        crash_step(c);
}

static bool is_an_end(enum prefect_state_type type)
{
    return type == PREFECT_STATE_COMPLETED || type == PREFECT_STATE_FAILED || type == PREFECT_STATE_CRASHED ||
           type == PREFECT_STATE_CANCELLED;
}

bool crash_is_all_over(struct crash *c)
{
    struct world *w = c->world;
    if (c->pid == 0 || c->shared->launches != 0)
        return false;
    for (size_t i = 0; i < fake_prefect_run_count(w->prefect); i++)
        if (!is_an_end(world_state(w, fake_prefect_run_id(w->prefect, i))))
            return false;
    return true;
}
