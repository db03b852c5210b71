/*
 * test_flow_disk.c - the disk under the state file fails, the process dies, or the power goes, at every
 * single operation of a life of the service: it stops (fail closed) and says why; nothing was done whose row
 * is not on the disk; started again on a well disk it brings every run to its one right end.
 *
 * Without an argument a part of the points is tried; "all FILTER" tries each one, and "FAULT N [TIME]" tells
 * one story: SLUICE_FLOW_LOG=1 test_flow_disk full 57
 */
#include "tests/flow/world.h"

#include "store/store.h"
#include "tests/support/disk.h"

#include <stdlib.h>

#define RUNS 2
/* Points that one run of the program leaves out between two it tries, unless it tries all. */
#define STRIDE 53

/* What happens at the point. */
static const struct mishap {
    const char *name;
    enum disk_fault fault; /* NONE: the process dies */
    bool loses_power;
    bool stays;     /* the disk is unwell until the service has ended */
    int then_power; /* told so many times, and each time the power goes somewhere else in the next life */
} mishaps[] = {
    {"kill", DISK_FAULT_NONE, false, false, 0},
    {"power", DISK_FAULT_NONE, true, false, 0},
    {"write", DISK_FAULT_WRITE, false, false, 0},
    {"short-write", DISK_FAULT_SHORT_WRITE, false, true, 0},
    {"full", DISK_FAULT_FULL, false, true, 0},
    {"sync", DISK_FAULT_SYNC, false, false, 0},
    {"sync-power", DISK_FAULT_SYNC, false, true, 10},
    {"read", DISK_FAULT_READ, false, false, 0},
    {"read-only", DISK_FAULT_READ_ONLY, false, true, 0},
    {"io", DISK_FAULT_IO, false, true, 0},
};
/* Operations of a life, roughly. */
#define LIFE_OPERATIONS 250

static bool tries_all;
static const char *one_name; /* NULL: all of them */
static uint64_t one_point;
static int one_time;

struct story {
    struct world *w;
    struct disk *disk;
    const struct mishap *mishap;
    uint64_t point;
    uint64_t seed;
    struct random_source random;
    bool was_told; /* the failure showed */
};

static void begin(struct story *s, const struct mishap *mishap, uint64_t point, int again)
{
    void *world;
    *s = (struct story){.mishap = mishap, .point = point, .seed = point * 31 + 7 + (uint64_t)again};
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

#define ROWS_MAX 16

struct row {
    char launch_id[UUID_TEXT_SIZE];
    char submit_id[UUID_TEXT_SIZE];
    bool is_claiming; /* or beyond */
    bool create_sent;
    bool start_sent;
};

struct rows {
    struct row items[ROWS_MAX];
    size_t count;
};

static void take_row(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    struct rows *rows = arg;
    (void)names;
    assert_int_equal(columns, 5);
    assert_true(rows->count < ROWS_MAX);
    struct row *row = &rows->items[rows->count++];
    snprintf(row->launch_id, sizeof(row->launch_id), "%s", values[0]);
    snprintf(row->submit_id, sizeof(row->submit_id), "%s", values[1]);
    row->is_claiming = *values[2] == '1';
    row->create_sent = *values[3] == '1';
    row->start_sent = *values[4] == '1';
}

static void query(struct story *s, const char *sql, store_row_fn fn, void *arg)
{
    struct err err;
    if (store_query_file(s->w->state_path, sql, fn, arg, &err) != 0)
        fail_msg("%s %llu: %s", s->mishap->name, (unsigned long long)s->point, err.msg);
}

static struct row find_row(const struct rows *rows, const char *id)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(rows->items[i].launch_id, id) == 0 || strcmp(rows->items[i].submit_id, id) == 0)
            return rows->items[i];
    }
    return (struct row){0};
}

/* Whatever engine and server have seen of us, its row was on the disk before. */
static void expect_nothing_unsaved(struct story *s)
{
    struct world *w = s->w;
    struct rows rows = {.count = 0};
    /* What nobody has seen needs no row, and a file that was left in its making can't be asked. */
    if (fake_engine_container_count(w->engine) > 0 || world_count(w, PREFECT_STATE_SCHEDULED) < RUNS)
        query(s,
              "SELECT launch_id, submit_id, state <> 'QUEUED' AND has_claim, create_sent, start_sent FROM "
              "launches",
              take_row, &rows);
    for (size_t i = 0; i < fake_engine_container_count(w->engine); i++) {
        const struct fake_container *c = fake_engine_container_at(w->engine, i);
        struct row row = find_row(&rows, c->launch_id);
        EXPECT(s, row.create_sent);
        EXPECT(s, c->starts == 0 || row.start_sent);
    }
    for (size_t i = 0; i < RUNS; i++) {
        struct fake_prefect_look look;
        EXPECT(s, fake_prefect_look(w->prefect, fake_prefect_run_id(w->prefect, i), &look));
        EXPECT(s, look.type != PREFECT_STATE_PENDING || find_row(&rows, look.transition_id).is_claiming);
    }
}

static void take_text(void *arg, size_t columns, const char *const *names, const char *const *values)
{
    (void)columns;
    (void)names;
    snprintf(arg, 100, "%s", values[0]);
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
    char answer[100] = "";
    query(s,
          "SELECT (SELECT group_concat(integrity_check) FROM pragma_integrity_check) || ', open: ' || "
          "(SELECT count(*) FROM launches WHERE state <> 'FINISHED')",
          take_text, answer);
    EXPECT(s, strcmp(answer, "ok, open: 0") == 0);
}

static void heal(struct story *s)
{
    disk_fail(s->disk, 0, DISK_FAULT_NONE, false);
    disk_stop_at(s->disk, 0, NULL);
    disk_revive(s->disk);
}

static void lose_power_too(struct story *s)
{
    disk_stop_at(s->disk, 1 + random_splitmix64(&s->seed) % LIFE_OPERATIONS, &s->random);
    live(s, true);
    heal(s);
    expect_nothing_unsaved(s);
}

/* Returns the number of the operation that it happened at; 0: the life has no such operation any more. */
static uint64_t tell(const struct mishap *mishap, uint64_t point, int again)
{
    struct story s;
    begin(&s, mishap, point, again);
    arm(&s);
    live(&s, true);
    uint64_t at = disk_is_stopped(s.disk) ? point : disk_failed_at(s.disk);
    heal(&s);
    if (at != 0) {
        expect_nothing_unsaved(&s);
        if (mishap->then_power > 0)
            lose_power_too(&s);
        live(&s, true);
        EXPECT(&s, !s.was_told);
    }
    expect_right_end(&s);
    end(&s);
    return at;
}

static int tell_all(const struct mishap *mishap)
{
    uint64_t stride = tries_all || one_name != NULL ? 1 : STRIDE;
    int stories = 0;
    int points = 0;
    uint64_t last = 0;
    for (uint64_t at; (at = tell(mishap, last + stride, 0)) != 0; last = at, points++) {
        stories++;
        for (int again = 1; again < mishap->then_power && (stride == 1 || again < 2); again++, stories++)
            tell(mishap, last + stride, again);
    }
    print_message("%s: %d points, %d stories, the last at operation %d\n", mishap->name, points, stories,
                  (int)last);
    assert_true(points > 0);
    return stories;
}

/* Half of the mishaps, so that two programs may share the work. */
static void test_some_mishaps(size_t first)
{
    int stories = 0;
    for (size_t i = first; i < ARRAY_LEN(mishaps); i += 2) {
        if (one_name == NULL)
            stories += tell_all(&mishaps[i]);
        else if (strcmp(one_name, mishaps[i].name) == 0 && one_point == 0)
            stories += tell_all(&mishaps[i]);
        else if (strcmp(one_name, mishaps[i].name) == 0)
            tell(&mishaps[i], one_point, one_time);
    }
    assert_true(!tries_all || stories >= 600);
}

static void test_even_mishaps_at_any_point(void **state)
{
    (void)state;
    test_some_mishaps(0);
}

static void test_odd_mishaps_at_any_point(void **state)
{
    (void)state;
    test_some_mishaps(1);
}

int main(int argc, char **argv)
{
    tries_all = argc == 3 && strcmp(argv[1], "all") == 0;
    if (argc >= 2 && !tries_all) {
        one_name = argv[1];
        one_point = argc >= 3 ? strtoull(argv[2], NULL, 10) : 0;
        one_time = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_even_mishaps_at_any_point),
                                       cmocka_unit_test(test_odd_mishaps_at_any_point)};
    if (tries_all)
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
