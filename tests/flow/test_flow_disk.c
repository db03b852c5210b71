/*
 * test_flow_disk.c - the disk under the state file fails, the process dies, or the power goes, at every
 * single operation of a life of the service: it stops (fail closed) and says why; nothing was done whose row
 * is not on the disk; started again on a well disk it brings every run to its one right end.
 *
 * Without an argument a part of the points is tried; "all" tries each one, and "FAULT N" tells one story:
 * SLUICE_FLOW_LOG=1 test_flow_disk full 57
 */
#include "tests/flow/world.h"

#include "store/store.h"
#include "tests/support/disk.h"

#include <stdlib.h>

#define RUNS 2
/* Points that one run of the program leaves out between two it tries, unless it tries all. */
#define STRIDE 29

/* What happens at the point. */
static const struct mishap {
    const char *name;
    enum disk_fault fault; /* NONE: the process dies */
    bool loses_power;
    bool stays; /* the disk is unwell until the service has ended */
} mishaps[] = {
    {"kill", DISK_FAULT_NONE, false, false},   {"power", DISK_FAULT_NONE, true, false},
    {"write", DISK_FAULT_WRITE, false, false}, {"short-write", DISK_FAULT_SHORT_WRITE, false, true},
    {"full", DISK_FAULT_FULL, false, true},    {"sync", DISK_FAULT_SYNC, false, false},
    {"read", DISK_FAULT_READ, false, false},   {"read-only", DISK_FAULT_READ_ONLY, false, true},
    {"io", DISK_FAULT_IO, false, true},
};

static bool tries_all;
static const char *one_name; /* NULL: all of them */
static uint64_t one_point;

struct story {
    struct world *w;
    struct disk *disk;
    const struct mishap *mishap;
    uint64_t point;
    uint64_t seed;
    struct random_source random;
    bool was_told; /* the failure showed */
};

static void begin(struct story *s, const struct mishap *mishap, uint64_t point)
{
    void *world;
    *s = (struct story){.mishap = mishap, .point = point, .seed = point * 31 + 7};
    s->random = random_seeded(&s->seed);
    s->disk = disk_new();
    assert_int_equal(world_setup(&world), 0);
    s->w = world;
    /* Containers go, so that the second life finds none of the first by surprise. */
    s->w->flow.run_ms = SECONDS(3);
    for (int i = 0; i < RUNS; i++)
        world_add_run(s->w);
}

static void end(struct story *s)
{
    void *world = s->w;
    world_teardown(&world);
    disk_free(s->disk);
}

static void arm(struct story *s)
{
    if (s->mishap->fault != DISK_FAULT_NONE)
        disk_fail(s->disk, s->point, s->mishap->fault, s->mishap->stays);
    else
        disk_stop_at(s->disk, s->point, s->mishap->loses_power ? &s->random : NULL);
}

static bool all_is_done(struct world *w)
{
    return world_count(w, PREFECT_STATE_COMPLETED) == RUNS && world_launches(w) == 0;
}

static void expect(const struct story *s, bool holds, const char *what, int line)
{
    if (!holds)
        fail_msg("%s %llu (%s), line %d: not so: %s", s->mishap->name, (unsigned long long)s->point,
                 disk_last(s->disk), line, what);
}

#define EXPECT(s, condition) expect(s, condition, #condition, __LINE__)

/* A life until its work is done, or the mishap has ended it. */
static void live(struct story *s, bool stops_cleanly)
{
    struct world *w = s->w;
    struct err err;
    s->was_told = false;
    if (!world_try_start(w, "[limits]\nrunning = 1\n", &err)) {
        s->was_told = true;
        EXPECT(s, strstr(err.msg, w->state_path) != NULL);
        return;
    }
    UNTIL(w, MINUTES(10), w->has_ended || disk_is_stopped(s->disk) || all_is_done(w));
    if (w->has_ended && !disk_is_stopped(s->disk)) {
        s->was_told = true;
        EXPECT(s, w->exit_code == 1);
        EXPECT(s, !service_is_well(w->service));
        EXPECT(s, world_logged(w, "the state file can't be written; stopping") == 1);
        EXPECT(s, world_logged(w, "file=") > 0);
    } else if (!disk_is_stopped(s->disk) && stops_cleanly) {
        service_stop(w->service);
        UNTIL(w, SECONDS(10), w->has_ended || disk_is_stopped(s->disk));
    }
    world_crash(w);
}

struct text {
    char text[100];
};

static void take_first(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct text *text = arg;
    (void)columns;
    (void)names;
    snprintf(text->text, sizeof(text->text), "%s", values[0]);
}

/* The first column of the last row; "" where the file has no tables yet. */
static struct text ask(struct story *s, const char *sql)
{
    struct text text = {""};
    struct err err;
    if (store_query_file(s->w->state_path, sql, take_first, &text, &err) != 0)
        EXPECT(s, err.kind == ERR_NOT_FOUND || strstr(err.msg, "empty") != NULL);
    return text;
}

static bool is_saved(struct story *s, const char *id, const char *what)
{
    char *AUTO_FREE sql = check_printf(
        "SELECT count(*) FROM launches WHERE (launch_id = '%s' OR submit_id = '%s') AND %s", id, id, what);
    return strcmp(ask(s, sql).text, "1") == 0;
}

/* Whatever engine and server have seen of us, its row was on the disk before. */
static void expect_nothing_unsaved(struct story *s)
{
    struct world *w = s->w;
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(w->engine, i);
        EXPECT(s, is_saved(s, c->launch_id, "create_sent = 1"));
        EXPECT(s, c->starts == 0 || is_saved(s, c->launch_id, "start_sent = 1"));
    }
    for (size_t i = 0; i < RUNS; i++) {
        struct fake_prefect_look look;
        EXPECT(s, fake_prefect_look(w->prefect, fake_prefect_run_id(w->prefect, i), &look));
        EXPECT(s, look.type != PREFECT_STATE_PENDING ||
                      is_saved(s, look.transition_id, "state <> 'QUEUED' AND has_claim = 1"));
    }
}

static void expect_right_end(struct story *s)
{
    struct world *w = s->w;
    for (size_t i = 0; i < RUNS; i++) {
        const char *run = fake_prefect_run_id(w->prefect, i);
        EXPECT(s, world_state(w, run) == PREFECT_STATE_COMPLETED);
        EXPECT(s, world_times_run(w, run) == 1);
    }
    EXPECT(s, fake_engine_starts(w->engine, NULL) == RUNS);
    EXPECT(s, fake_engine_container_count(w->engine) == RUNS);
    EXPECT(s, strcmp(ask(s, "PRAGMA integrity_check").text, "ok") == 0);
    EXPECT(s, strcmp(ask(s, "SELECT count(*) FROM launches WHERE state <> 'FINISHED'").text, "0") == 0);
}

/* False: the life has fewer operations than that. */
static bool tell(const struct mishap *mishap, uint64_t point)
{
    struct story s;
    begin(&s, mishap, point);
    arm(&s);
    live(&s, true);
    bool has_happened = disk_is_stopped(s.disk) || disk_failures(s.disk) > 0;
    disk_fail(s.disk, 0, DISK_FAULT_NONE, false);
    disk_stop_at(s.disk, 0, NULL);
    disk_revive(s.disk);
    if (has_happened) {
        expect_nothing_unsaved(&s);
        live(&s, true);
        EXPECT(&s, !s.was_told);
    }
    expect_right_end(&s);
    end(&s);
    return has_happened;
}

static void tell_all(const struct mishap *mishap)
{
    uint64_t stride = tries_all ? 1 : STRIDE;
    uint64_t points = 0;
    for (uint64_t point = 1; tell(mishap, point); point += stride)
        points++;
    print_message("%s: %llu points\n", mishap->name, (unsigned long long)points);
    assert_true(points * stride > 100);
}

static void test_any_mishap_at_any_point(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(mishaps); i++) {
        if (one_name == NULL)
            tell_all(&mishaps[i]);
        else if (strcmp(one_name, mishaps[i].name) == 0)
            tell(&mishaps[i], one_point);
    }
}

int main(int argc, char **argv)
{
    tries_all = argc == 2 && strcmp(argv[1], "all") == 0;
    one_name = argc == 3 ? argv[1] : NULL;
    one_point = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_any_mishap_at_any_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
