/*
 * Alerts as a pure step: a day without a false one, storms, what follows a cause, pauses, restarts. Signals
 * are made up by the interval, as scheduler/alerts.c makes them of counters and a snapshot.
 */
#include "core/alerts.h"

#include "base/check.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define INTERVAL INT64_C(15000)
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define T0 INT64_C(5000000)
#define WALL0 INT64_C(1790000000000)

static const struct alerts_rules rules = {.timeout_budget = 0.005,
                                          .launch_budget = 0.005,
                                          .queue_age_ms = 15 * MINUTE,
                                          .nothing_starts_ms = 10 * MINUTE};

struct plant {
    struct alerts_book book;
    struct alerts_signals s;
    uint64_t random_state;
    int64_t last_change_ms[ALERT_COUNT]; /* mono; 0: never */
    int changes[ALERT_COUNT];
};

static struct plant *planted(uint64_t seed)
{
    static struct plant plant;
    plant = (struct plant){.s = {.now_ms = T0,
                                 .wall_ms = WALL0,
                                 .timeout_class = "",
                                 .failure_class = "",
                                 .away = "",
                                 .registries_away = "",
                                 .oldest_class = "",
                                 .damaged_file = "",
                                 .last_poll_ms = T0,
                                 .poll_interval_ms = 10000,
                                 .disk_free_bytes = INT64_C(50) << 30,
                                 .disk_bytes = INT64_C(100) << 30},
                           .random_state = seed};
    alerts_begin(&plant.book, T0, WALL0);
    return &plant;
}

static void step(struct plant *p)
{
    uint32_t changed = alerts_step(&p->book, &rules, &p->s);
    for (int id = 0; id < ALERT_COUNT; id++) {
        if ((changed >> id & 1) == 0)
            continue;
        p->last_change_ms[id] = p->s.now_ms;
        p->changes[id]++;
        assert_int_equal(p->book.all[id].changed_ms, p->s.wall_ms);
        assert_true(p->book.all[id].reason[0] != '\0');
    }
}

static void pass(struct plant *p, int64_t ms)
{
    p->s.now_ms += ms;
    p->s.wall_ms += ms;
}

/* One interval; polls go well unless Prefect is away. */
static void tick(struct plant *p)
{
    pass(p, INTERVAL);
    if (p->s.away[0] == '\0')
        p->s.last_poll_ms = p->s.now_ms - 3000;
    step(p);
}

static void ticks(struct plant *p, int64_t ms)
{
    for (int64_t end = p->s.now_ms + ms; p->s.now_ms < end;)
        tick(p);
}

static bool fires(const struct plant *p, enum alert_id id)
{
    return p->book.all[id].is_firing;
}

static int firing(const struct plant *p)
{
    int count = 0;
    for (int id = 0; id < ALERT_COUNT; id++)
        count += p->book.all[id].is_firing;
    return count;
}

static int changes(const struct plant *p)
{
    int count = 0;
    for (int id = 0; id < ALERT_COUNT; id++)
        count += p->changes[id];
    return count;
}

static bool happens(struct plant *p, double share)
{
    return (double)(random_splitmix64(&p->random_state) >> 11) / 9007199254740992.0 < share;
}

/* Launches of six calls each, at this rate, of whose calls this share times out. */
static void launch(struct plant *p, double launches, double timeout_share, double failure_share)
{
    int whole = (int)launches + happens(p, launches - (int)launches);
    for (int i = 0; i < whole; i++) {
        p->s.done.launches_ended++;
        p->s.done.starts++;
        p->s.done.commits += 3;
        p->s.done.launches_failed += happens(p, failure_share);
        for (int call = 0; call < 6; call++) {
            p->s.done.attempts++;
            p->s.done.timeouts += happens(p, timeout_share);
        }
    }
}

/* ---- a healthy day ---- */

/* Busy hours, quiet nights, gusts at the full hour, one engine restart's worth of slow minutes. */
static void live_a_day(struct plant *p, double launches_a_day, double timeout_share)
{
    for (int64_t end = p->s.now_ms + 24 * HOUR; p->s.now_ms < end;) {
        double hour = (double)((p->s.now_ms - T0) % (24 * HOUR)) / (double)HOUR;
        double tide = hour < 6 ? 0.1 : hour < 18 ? 1.7 : 0.5;
        bool is_gust = (p->s.now_ms - T0) % HOUR < MINUTE;
        double share = hour > 14 && hour < 14.2 ? timeout_share * 4 : timeout_share;
        launch(p, launches_a_day / 5760 * tide * (is_gust ? 10 : 0.85), share, 0.001);
        p->s.oldest_due_ms = happens(p, 0.3) ? p->s.wall_ms - (int64_t)(tide * 120000) : 0;
        p->s.startable = happens(p, 0.2) ? 3 : 0;
        tick(p);
    }
}

static void test_24_healthy_hours_without_a_false_alert(void **state)
{
    (void)state;
    static const double launches[] = {200, 1000, 5000, 20000};
    static const double shares[] = {0.001, 0.002, 0.003};
    int days = 0;
    for (size_t i = 0; i < ARRAY_LEN(launches); i++) {
        for (size_t j = 0; j < ARRAY_LEN(shares); j++) {
            for (uint64_t seed = 1; seed <= (launches[i] > 5000 ? 3 : 10); seed++, days++) {
                struct plant *p = planted(seed * 7919);
                live_a_day(p, launches[i], shares[j]);
                if (changes(p) > 0)
                    for (int id = 0; id < ALERT_COUNT; id++)
                        if (p->changes[id] > 0)
                            fail_msg("%g launches, %g timeouts, seed %llu: %s", launches[i], shares[j],
                                     (unsigned long long)seed, p->book.all[id].reason);
            }
        }
    }
    print_message("%d healthy days\n", days);
}

/* ---- storms ---- */

/* The same sums, made of a list of all intervals: the first at which both windows are above. */
static int64_t first_high_ms(const double *totals, const double *bads, size_t count, int64_t long_ms,
                             int64_t short_ms, double threshold)
{
    for (size_t i = 0; i < count; i++) {
        double sums[2][2] = {{0}};
        for (size_t j = 0; j <= i; j++) {
            /* Units are whole minutes of the wall clock. */
            int64_t age = (WALL0 + (int64_t)(i + 1) * INTERVAL) / MINUTE -
                          (WALL0 + (int64_t)(j + 1) * INTERVAL) / MINUTE;
            for (int w = 0; w < 2; w++)
                if (age < (w == 0 ? long_ms : short_ms) / MINUTE) {
                    sums[w][0] += totals[j];
                    sums[w][1] += bads[j];
                }
        }
        if (sums[0][1] >= 10 && sums[0][1] > threshold * sums[0][0] && sums[1][1] > threshold * sums[1][0])
            return (int64_t)(i + 1) * INTERVAL;
    }
    return 0;
}

#define STORM_FROM (8 * 240) /* intervals */

/* Eight good hours, then this share of timeouts; when the page comes, after the beginning of the good hours.
 */
static int64_t storm(struct plant *p, uint64_t calls, double share, double *totals, double *bads,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double bad = i < STORM_FROM ? 0 : share * (double)calls * ((double)(i - STORM_FROM) + 1);
        uint64_t total_bad = (uint64_t)bad;
        totals[i] = (double)calls;
        bads[i] = (double)(total_bad - p->s.done.timeouts);
        p->s.done.attempts += calls;
        p->s.done.timeouts = total_bad;
        tick(p);
    }
    return p->last_change_ms[ALERT_TIMEOUT_BURN_PAGE] - T0;
}

static void test_a_tenth_times_out_and_the_alert_comes_with_its_window(void **state)
{
    (void)state;
    static double totals[STORM_FROM + 480];
    static double bads[STORM_FROM + 480];
    struct plant *p = planted(1);
    int64_t came_ms = storm(p, 20, 0.1, totals, bads, ARRAY_LEN(totals));
    int64_t fast_ms = first_high_ms(totals, bads, ARRAY_LEN(totals), HOUR, 5 * MINUTE, 14.4 * 0.005);
    int64_t medium_ms = first_high_ms(totals, bads, ARRAY_LEN(totals), 6 * HOUR, 30 * MINUTE, 6 * 0.005);
    int64_t due_ms = fast_ms < medium_ms ? fast_ms : medium_ms;
    assert_true(due_ms > 0);
    assert_in_range(came_ms, due_ms, due_ms + INTERVAL);
    print_message("10 %%: paged after %.1f min\n", (double)(came_ms - STORM_FROM * INTERVAL) / MINUTE);
    assert_in_range(came_ms - STORM_FROM * INTERVAL, 42 * MINUTE, 44 * MINUTE); /* 7.2 of 10 % of an hour */
    assert_non_null(strstr(p->book.all[ALERT_TIMEOUT_BURN_PAGE].reason, "times the allowed 0.5 %"));
}

static void test_a_total_storm_pages_within_five_minutes_and_ends(void **state)
{
    (void)state;
    static double totals[STORM_FROM + 40];
    static double bads[STORM_FROM + 40];
    struct plant *p = planted(1);
    int64_t came_ms = storm(p, 20, 1, totals, bads, ARRAY_LEN(totals)) - STORM_FROM * INTERVAL;
    print_message("100 %%: paged after %.1f min\n", (double)came_ms / MINUTE);
    assert_in_range(came_ms, 4 * MINUTE, 5 * MINUTE); /* 7.2 % of an hour: 4 min 19 s */
    assert_int_equal(p->changes[ALERT_TIMEOUT_BURN_PAGE], 1);
    assert_int_equal(firing(p), 1); /* no ticket beside it */
    assert_non_null(strstr(p->book.all[ALERT_TIMEOUT_BURN_PAGE].reason, "(fast)"));
    int64_t over_ms = p->s.now_ms;
    for (int i = 0; i < 240; i++) {
        p->s.done.attempts += 20;
        tick(p);
    }
    assert_int_equal(p->changes[ALERT_TIMEOUT_BURN_PAGE], 2);
    assert_in_range(p->last_change_ms[ALERT_TIMEOUT_BURN_PAGE] - over_ms, 4 * MINUTE, 6 * MINUTE);
    assert_non_null(strstr(p->book.all[ALERT_TIMEOUT_BURN_PAGE].reason, "over after"));
}

/* What a stage's clock allows: a timeout every half minute of one run, then success. */
static void test_one_run_that_times_out_in_a_quiet_night_wakes_nobody(void **state)
{
    (void)state;
    struct plant *p = planted(1);
    ticks(p, HOUR);
    for (int i = 0; i < 6; i++) { /* max_attempts */
        p->s.done.attempts++;
        p->s.done.timeouts++;
        ticks(p, 2 * MINUTE);
    }
    p->s.done.launches_ended++;
    p->s.done.launches_failed++;
    ticks(p, 6 * HOUR);
    assert_int_equal(changes(p), 0);
}

static void test_a_long_slow_loss_is_a_ticket(void **state)
{
    (void)state;
    struct plant *p = planted(3);
    for (int64_t end = p->s.now_ms + 24 * HOUR; p->s.now_ms < end;) {
        launch(p, 2, 0.012, 0); /* 1.2 %: above 1 time, below 6 times the budget */
        tick(p);
    }
    assert_true(fires(p, ALERT_TIMEOUT_BURN_TICKET));
    assert_int_equal(firing(p), 1);
    assert_int_equal(p->changes[ALERT_TIMEOUT_BURN_TICKET], 1);
}

static void test_launches_that_fail_page_with_their_class(void **state)
{
    (void)state;
    struct plant *p = planted(4);
    p->s.failure_class = "etl";
    for (int64_t end = p->s.now_ms + HOUR; p->s.now_ms < end;) {
        launch(p, 1, 0, 0.2);
        tick(p);
    }
    const struct alert *alert = &p->book.all[ALERT_LAUNCH_FAILURE_BURN_PAGE];
    assert_true(alert->is_firing);
    assert_string_equal(alert->class_name, "etl");
    assert_non_null(strstr(alert->reason, "launches failed"));
    assert_non_null(strstr(alert->reason, "most of class etl"));
}

static void test_at_the_threshold_it_does_not_flap(void **state)
{
    (void)state;
    struct plant *p = planted(5);
    for (int64_t end = p->s.now_ms + 24 * HOUR; p->s.now_ms < end;) {
        launch(p, 1, 0.072, 0);
        tick(p);
    }
    assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
    assert_int_equal(p->changes[ALERT_TIMEOUT_BURN_PAGE], 1);
}

/* ---- one cause, one alert ---- */

static void be_away(struct plant *p, const char *names)
{
    p->s.away = names;
}

static void test_an_outage_is_one_alert(void **state)
{
    (void)state;
    struct plant *p = planted(6);
    live_a_day(p, 5000, 0.001);
    be_away(p, "engine");
    for (int i = 0; i < 240; i++) { /* an hour: all times out, runs wait, launches fail */
        p->s.done.attempts += 20;
        p->s.done.timeouts += 20;
        p->s.done.launches_ended += 2;
        p->s.done.launches_failed += 2;
        p->s.oldest_due_ms = p->s.wall_ms - (int64_t)i * INTERVAL;
        p->s.startable = 50;
        tick(p);
    }
    assert_true(fires(p, ALERT_BREAKER_OPEN_PAGE));
    assert_string_equal(p->book.all[ALERT_BREAKER_OPEN_PAGE].reason, "out of reach: engine");
    be_away(p, "");
    int64_t back_ms = p->s.now_ms;
    for (int i = 0; i < 240; i++) { /* what had piled up is started; late calls end by their clocks */
        p->s.done.timeouts += i < 3 ? 20 : 0;
        p->s.oldest_due_ms = i < 40 ? p->s.oldest_due_ms : 0;
        launch(p, 1, 0.001, 0);
        tick(p);
    }
    assert_int_equal(p->changes[ALERT_BREAKER_OPEN_PAGE], 2);
    assert_in_range(p->last_change_ms[ALERT_BREAKER_OPEN_PAGE] - back_ms, MINUTE, MINUTE + 2 * INTERVAL);
    assert_int_equal(changes(p), 2);
}

static void test_a_breaker_that_opens_for_a_moment_is_none(void **state)
{
    (void)state;
    struct plant *p = planted(7);
    be_away(p, "prefect");
    ticks(p, 105000);
    be_away(p, "");
    ticks(p, HOUR);
    assert_int_equal(changes(p), 0);
    for (int i = 0; i < 20; i++) { /* but one that keeps opening is */
        be_away(p, "prefect");
        ticks(p, 3 * INTERVAL);
        be_away(p, "");
        ticks(p, 2 * INTERVAL);
    }
    assert_int_equal(p->changes[ALERT_BREAKER_OPEN_PAGE], 1);
}

static void test_a_registry_that_is_away_holds_only_its_pulls(void **state)
{
    (void)state;
    struct plant *p = planted(8);
    p->s.registries_away = "registry ghcr.io";
    for (int i = 0; i < 40; i++) {
        p->s.done.pulls += 5;
        p->s.done.pull_timeouts += 5;
        p->s.done.attempts += 20;
        tick(p);
    }
    assert_true(fires(p, ALERT_BREAKER_OPEN_TICKET));
    assert_int_equal(firing(p), 1);
    for (int i = 0; i < 40; i++) {
        p->s.done.attempts += 20;
        p->s.done.timeouts += 20;
        tick(p);
    }
    assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
}

/* ---- the queue ---- */

static void test_a_queue_that_gets_old_is_a_ticket_and_ends(void **state)
{
    (void)state;
    struct plant *p = planted(9);
    ticks(p, HOUR);
    p->s.oldest_due_ms = p->s.wall_ms;
    p->s.oldest_class = "etl";
    for (int i = 0; i < 120; i++) {
        p->s.done.starts++;
        tick(p);
    }
    const struct alert *alert = &p->book.all[ALERT_QUEUE_OLD];
    assert_true(alert->is_firing);
    assert_in_range(alert->since_ms - p->s.oldest_due_ms, 15 * MINUTE, 15 * MINUTE + 2 * INTERVAL);
    assert_string_equal(alert->reason,
                        "the oldest due run, of class etl, has waited for 30 min; wanted: at most 15 min");
    p->s.oldest_due_ms = 0;
    ticks(p, 2 * MINUTE);
    assert_false(alert->is_firing);
    assert_int_equal(changes(p), 2);
}

static void test_while_paused_nothing_has_to_start(void **state)
{
    (void)state;
    struct plant *p = planted(10);
    ticks(p, HOUR);
    p->s.oldest_due_ms = p->s.wall_ms;
    p->s.startable = 40;
    p->s.is_paused = true;
    ticks(p, 5 * HOUR);
    assert_int_equal(changes(p), 0);
    p->s.is_paused = false;
    ticks(p, 9 * MINUTE); /* as if they were due only now */
    assert_int_equal(changes(p), 0);
    ticks(p, 2 * MINUTE);
    assert_true(fires(p, ALERT_NOTHING_STARTS));
    ticks(p, HOUR);
    assert_int_equal(changes(p), 1); /* the queue gets old because of that */
    p->s.is_paused = true;
    ticks(p, MINUTE);
    assert_int_equal(firing(p), 0);
}

static void test_nothing_starts_ends_with_a_start(void **state)
{
    (void)state;
    struct plant *p = planted(11);
    p->s.startable = 2;
    ticks(p, 11 * MINUTE);
    assert_true(fires(p, ALERT_NOTHING_STARTS));
    assert_non_null(strstr(p->book.all[ALERT_NOTHING_STARTS].reason, "2 runs are due that no limit holds"));
    p->s.done.starts++;
    tick(p);
    assert_false(fires(p, ALERT_NOTHING_STARTS));
    ticks(p, 9 * MINUTE);
    assert_int_equal(changes(p), 2);
}

static void test_polls_that_stop(void **state)
{
    (void)state;
    struct plant *p = planted(12);
    ticks(p, HOUR);
    p->s.startable = 5;
    p->s.oldest_due_ms = p->s.wall_ms;
    for (int i = 0; i < 240; i++) {
        pass(p, INTERVAL);
        step(p);
    }
    assert_true(fires(p, ALERT_POLL_STALE));
    assert_int_equal(firing(p), 1);
    assert_in_range(p->last_change_ms[ALERT_POLL_STALE] - p->s.last_poll_ms, 3 * MINUTE,
                    3 * MINUTE + 2 * INTERVAL);
    p->s.is_leaving = true;
    tick(p);
    assert_int_equal(firing(p), 0);
}

/* ---- the disk ---- */

static void test_the_disk(void **state)
{
    (void)state;
    struct plant *p = planted(13);
    ticks(p, HOUR);
    p->s.disk_free_bytes = (INT64_C(256) << 20) - 1;
    tick(p);
    assert_true(fires(p, ALERT_DISK_TROUBLE_PAGE));
    assert_string_equal(p->book.all[ALERT_DISK_TROUBLE_PAGE].reason,
                        "255 MiB are free on the disk of the state file; wanted: 256 MiB");
    p->s.disk_free_bytes = INT64_C(300) << 20; /* a bit of room is not enough */
    ticks(p, HOUR);
    assert_true(fires(p, ALERT_DISK_TROUBLE_PAGE));
    p->s.disk_free_bytes = INT64_C(400) << 20;
    ticks(p, 6 * MINUTE);
    assert_false(fires(p, ALERT_DISK_TROUBLE_PAGE));
    p->s.done.commits += 20;
    p->s.done.slow_commits += 2;
    tick(p);
    assert_false(fires(p, ALERT_DISK_TROUBLE_TICKET));
    p->s.done.commits += 10;
    p->s.done.slow_commits += 2;
    tick(p);
    assert_true(fires(p, ALERT_DISK_TROUBLE_TICKET));
    assert_non_null(strstr(p->book.all[ALERT_DISK_TROUBLE_TICKET].reason, "4 of 30 commits"));
}

static void test_a_small_disk_has_a_small_threshold(void **state)
{
    (void)state;
    struct plant *p = planted(14);
    p->s.disk_bytes = INT64_C(200) << 20;
    p->s.disk_free_bytes = INT64_C(20) << 20;
    tick(p);
    assert_int_equal(firing(p), 0);
    p->s.disk_free_bytes = INT64_C(9) << 20;
    tick(p);
    assert_true(fires(p, ALERT_DISK_TROUBLE_PAGE));
    p->s.disk_free_bytes = -1; /* can't be asked: says nothing */
    p->s.disk_bytes = -1;
    ticks(p, HOUR);
    assert_false(fires(p, ALERT_DISK_TROUBLE_PAGE));
}

static void test_a_damaged_file_is_told_until_it_is_moved(void **state)
{
    (void)state;
    struct plant *p = planted(15);
    p->s.damaged_file = "state.db.corrupt-20261125T224500Z";
    tick(p);
    assert_true(fires(p, ALERT_STATE_FILE_DAMAGED));
    ticks(p, HOUR);
    p->s.damaged_file = "";
    tick(p);
    assert_int_equal(p->changes[ALERT_STATE_FILE_DAMAGED], 2);
}

/* ---- restarts and clocks ---- */

/* The process dies and begins anew: counters at 0, another mono clock, what the state file kept. */
static void restart(struct plant *p, int64_t away_ms, bool keeps_windows)
{
    static char texts[3][BURN_TEXT_SIZE];
    struct alerts_book before = p->book;
    int64_t time_ms = alerts_time_ms(&before, p->s.now_ms);
    burn_rate_write(&before.timeouts, time_ms, texts[0]);
    burn_rate_write(&before.launches, time_ms, texts[1]);
    burn_rate_write(&before.commits, time_ms, texts[2]);
    pass(p, away_ms);
    p->s.now_ms = T0 / 2 + (int64_t)(random_splitmix64(&p->random_state) % 100000);
    p->s.last_poll_ms = 0;
    p->s.done = (struct alerts_counters){0};
    alerts_begin(&p->book, p->s.now_ms, p->s.wall_ms);
    for (int id = 0; id < ALERT_COUNT; id++) {
        struct alert *alert = &p->book.all[id];
        alert->is_firing = before.all[id].is_firing;
        alert->since_ms = before.all[id].since_ms;
        alert->changed_ms = before.all[id].changed_ms;
        memcpy(alert->reason, before.all[id].reason, sizeof(alert->reason));
    }
    alerts_restored(&p->book);
    if (!keeps_windows)
        return;
    assert_true(burn_rate_read(&p->book.timeouts, texts[0], p->s.wall_ms));
    assert_true(burn_rate_read(&p->book.launches, texts[1], p->s.wall_ms));
    assert_true(burn_rate_read(&p->book.commits, texts[2], p->s.wall_ms));
}

static void burn(struct plant *p, int64_t ms, double share)
{
    for (int64_t end = p->s.now_ms + ms; p->s.now_ms < end;) {
        launch(p, 2, share, 0);
        tick(p);
    }
}

static void test_a_restart_in_the_storm_neither_forgets_nor_doubles(void **state)
{
    (void)state;
    for (int keeps = 0; keeps <= 1; keeps++) {
        struct plant *p = planted(16);
        burn(p, HOUR, 0.001);
        burn(p, 8 * MINUTE, 0.8);
        assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
        int64_t since_ms = p->book.all[ALERT_TIMEOUT_BURN_PAGE].since_ms;
        for (int i = 0; i < 5; i++) {
            restart(p, 7000, keeps == 1);
            burn(p, 2 * MINUTE, 0.8);
        }
        assert_int_equal(changes(p), 1);
        assert_int_equal(p->book.all[ALERT_TIMEOUT_BURN_PAGE].since_ms, since_ms);
        burn(p, 40 * MINUTE, 0.001);
        assert_int_equal(p->changes[ALERT_TIMEOUT_BURN_PAGE], 2);
        assert_int_equal(firing(p), 0);
    }
}

static void test_silence_after_a_restart_is_no_end(void **state)
{
    (void)state;
    struct plant *p = planted(21);
    burn(p, HOUR, 0.001);
    burn(p, 8 * MINUTE, 0.8);
    restart(p, 20 * MINUTE, false);
    ticks(p, 4 * MINUTE);
    assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
    ticks(p, 30 * MINUTE);
    assert_int_equal(firing(p), 0);
}

static void test_a_restart_before_the_alert_does_not_delay_it(void **state)
{
    (void)state;
    struct plant *p = planted(17);
    burn(p, 8 * HOUR, 0.001);
    burn(p, 3 * MINUTE, 1);
    restart(p, 5000, true);
    assert_int_equal(changes(p), 0);
    burn(p, 2 * MINUTE, 1);
    assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
}

static void test_other_alerts_over_a_restart(void **state)
{
    (void)state;
    struct plant *p = planted(18);
    ticks(p, HOUR);
    be_away(p, "prefect");
    ticks(p, 3 * MINUTE);
    p->s.damaged_file = "x.corrupt-1";
    tick(p);
    int before = changes(p);
    restart(p, 5000, true);
    ticks(p, 3 * MINUTE);
    assert_int_equal(changes(p), before);
    assert_true(fires(p, ALERT_BREAKER_OPEN_PAGE));
    be_away(p, "");
    p->s.damaged_file = "";
    ticks(p, 20 * MINUTE);
    p->s.oldest_due_ms = p->s.wall_ms - 20 * MINUTE;
    tick(p);
    assert_true(fires(p, ALERT_QUEUE_OLD));
    before = changes(p);
    restart(p, 5000, true);
    ticks(p, 20 * MINUTE);
    assert_int_equal(changes(p), before);
    assert_true(fires(p, ALERT_QUEUE_OLD));
}

static void test_a_wall_clock_that_jumps_moves_no_window(void **state)
{
    (void)state;
    static const int64_t jumps[] = {-48 * HOUR, 48 * HOUR, -5 * MINUTE, 365 * 24 * HOUR};
    for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
        struct plant *p = planted(19);
        burn(p, HOUR, 0.001);
        burn(p, 2 * MINUTE, 1);
        p->s.wall_ms += jumps[i];
        burn(p, 3 * MINUTE, 1);
        assert_true(fires(p, ALERT_TIMEOUT_BURN_PAGE));
        p->s.wall_ms -= jumps[i];
        burn(p, 40 * MINUTE, 0.001);
        assert_int_equal(changes(p), 2);
    }
}

static void test_what_is_switched_off_never_fires(void **state)
{
    (void)state;
    struct plant *p = planted(20);
    struct alerts_rules off = rules;
    off.queue_age_ms = off.nothing_starts_ms = 0;
    p->s.startable = 9;
    p->s.oldest_due_ms = 1;
    for (int i = 0; i < 500; i++) {
        pass(p, INTERVAL);
        p->s.last_poll_ms = p->s.now_ms;
        assert_int_equal(alerts_step(&p->book, &off, &p->s), 0);
    }
}

static void test_every_alert_is_told_apart_and_explained(void **state)
{
    (void)state;
    for (int a = 0; a < ALERT_COUNT; a++) {
        const struct alert_kind *kind = &alert_kinds[a];
        assert_non_null(kind->name);
        assert_true(strlen(kind->summary) > 20 && strlen(kind->what_to_do) > 20);
        for (int b = 0; b < a; b++)
            assert_true(strcmp(alert_kinds[b].name, kind->name) != 0 ||
                        alert_kinds[b].severity != kind->severity);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_24_healthy_hours_without_a_false_alert),
        cmocka_unit_test(test_a_tenth_times_out_and_the_alert_comes_with_its_window),
        cmocka_unit_test(test_a_total_storm_pages_within_five_minutes_and_ends),
        cmocka_unit_test(test_one_run_that_times_out_in_a_quiet_night_wakes_nobody),
        cmocka_unit_test(test_a_long_slow_loss_is_a_ticket),
        cmocka_unit_test(test_launches_that_fail_page_with_their_class),
        cmocka_unit_test(test_at_the_threshold_it_does_not_flap),
        cmocka_unit_test(test_an_outage_is_one_alert),
        cmocka_unit_test(test_a_breaker_that_opens_for_a_moment_is_none),
        cmocka_unit_test(test_a_registry_that_is_away_holds_only_its_pulls),
        cmocka_unit_test(test_a_queue_that_gets_old_is_a_ticket_and_ends),
        cmocka_unit_test(test_while_paused_nothing_has_to_start),
        cmocka_unit_test(test_nothing_starts_ends_with_a_start),
        cmocka_unit_test(test_polls_that_stop),
        cmocka_unit_test(test_the_disk),
        cmocka_unit_test(test_a_small_disk_has_a_small_threshold),
        cmocka_unit_test(test_a_damaged_file_is_told_until_it_is_moved),
        cmocka_unit_test(test_a_restart_in_the_storm_neither_forgets_nor_doubles),
        cmocka_unit_test(test_silence_after_a_restart_is_no_end),
        cmocka_unit_test(test_a_restart_before_the_alert_does_not_delay_it),
        cmocka_unit_test(test_other_alerts_over_a_restart),
        cmocka_unit_test(test_a_wall_clock_that_jumps_moves_no_window),
        cmocka_unit_test(test_what_is_switched_off_never_fires),
        cmocka_unit_test(test_every_alert_is_told_apart_and_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
