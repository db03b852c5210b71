/*
 * alerts.c - see alerts.h.
 *
 * One function per condition says what it sees and, when it is bad, why; one function moves every alert. The
 * order of alerts_step() is the order of causes: who is looked at later may ask whether an earlier one fires.
 */
#include "core/alerts.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
/* Dependencies are away for seconds now and then, at a restart of theirs. */
#define BREAKER_OPEN_MS (2 * MINUTE_MS)
/* What pages is seen as a slow loss before; a ticket has time until that is told apart. */
#define TICKET_MS (60 * MINUTE_MS)
/* Calls that were out while a dependency was away end by their clocks for so long after it is back. */
#define OUTAGE_ECHO_MS MINUTE_MS
/* A poll is stale after so many intervals, and not before POLL_STALE_MS. */
#define POLLS_MISSED 6
#define POLL_STALE_MS (3 * MINUTE_MS)
/* Commits are slow when so many of the last minutes were, and such a share. */
#define COMMITS_MS (5 * MINUTE_MS)
#define SLOW_COMMITS_MIN 3
#define SLOW_COMMITS_SHARE 0.1
/* A disk is nearly full below the smaller of the two, and no longer so above 5/4 of that. */
#define DISK_FREE_MIN_BYTES (INT64_C(256) * 1024 * 1024)
#define DISK_FREE_MIN_SHARE 20 /* a twentieth */

enum condition { IS_FINE, IS_NEITHER, IS_BAD };

/* Why a condition is bad. */
struct saying {
    char reason[ALERT_REASON_SIZE];
    char class_name[ALERT_CLASS_SIZE];
};

/* What all conditions are asked with. */
struct look {
    struct alerts_book *book;
    const struct alerts_rules *rules;
    const struct alerts_signals *now;
    bool is_outage; /* engine or Prefect are away, or were a moment ago */
    bool has_started;
};

void alerts_begin(struct alerts_book *book, int64_t now_ms, int64_t wall_ms)
{
    *book = (struct alerts_book){.began_ms = now_ms, .began_wall_ms = wall_ms, .free_since_ms = now_ms};
    burn_rate_begin(&book->timeouts, wall_ms);
    burn_rate_begin(&book->launches, wall_ms);
    burn_rate_begin(&book->commits, wall_ms);
}

int64_t alerts_time_ms(const struct alerts_book *book, int64_t now_ms)
{
    return book->began_wall_ms + (now_ms - book->began_ms);
}

void alerts_restored(struct alerts_book *book)
{
    for (size_t i = 0; i < ALERT_COUNT; i++) {
        struct alert *alert = &book->all[i];
        for (size_t speed = 0; speed < BURN_SPEED_COUNT; speed++)
            alert->has_burned[speed] = alert->is_firing;
    }
}

/* ---- sentences ---- */

#define SPAN_SIZE 32

/* "45 s", "12 min", "3.5 h", "2.0 d" */
static const char *span_text(int64_t ms, char out[static SPAN_SIZE])
{
    double minutes = (double)ms / (double)MINUTE_MS;
    if (minutes < 2)
        snprintf(out, SPAN_SIZE, "%.0f s", minutes * 60);
    else if (minutes < 120)
        snprintf(out, SPAN_SIZE, "%.0f min", minutes);
    else if (minutes < 48.0 * 60)
        snprintf(out, SPAN_SIZE, "%.1f h", minutes / 60);
    else
        snprintf(out, SPAN_SIZE, "%.1f d", minutes / (24.0 * 60));
    return out;
}

static void say_class(struct saying *said, const char *class_name)
{
    snprintf(said->class_name, sizeof(said->class_name), "%s", class_name);
}

/* ---- conditions ---- */

static enum condition look_at_breaker(const char *names, struct saying *said)
{
    if (names[0] == '\0')
        return IS_FINE;
    snprintf(said->reason, sizeof(said->reason), "out of reach: %s", names);
    return IS_BAD;
}

static enum condition look_at_breakers(const struct look *l, struct saying *said)
{
    return look_at_breaker(l->now->away, said);
}

static enum condition look_at_registries(const struct look *l, struct saying *said)
{
    return look_at_breaker(l->now->registries_away, said);
}

static enum condition look_at_polls(const struct look *l, struct saying *said)
{
    const struct alerts_signals *now = l->now;
    char span[SPAN_SIZE];
    if (now->is_leaving)
        return IS_FINE; /* it polls no more */
    if (l->is_outage)
        return IS_NEITHER;
    int64_t since_ms = now->last_poll_ms > l->book->began_ms ? now->last_poll_ms : l->book->began_ms;
    /* A poll that an outage cut off is given the time from its end on. */
    if (l->book->had_outage && l->book->last_outage_ms > since_ms)
        since_ms = l->book->last_outage_ms;
    int64_t limit_ms = POLLS_MISSED * now->poll_interval_ms;
    if (now->now_ms - since_ms < (limit_ms > POLL_STALE_MS ? limit_ms : POLL_STALE_MS))
        return now->last_poll_ms == 0 ? IS_NEITHER : IS_FINE;
    snprintf(said->reason, sizeof(said->reason), "no poll has gone well for %s; one is made every %.0f s",
             span_text(now->now_ms - since_ms, span), (double)now->poll_interval_ms / 1000);
    return IS_BAD;
}

static bool fires(const struct look *l, enum alert_id id)
{
    return l->book->all[id].is_firing;
}

static enum condition look_at_starts(const struct look *l, struct saying *said)
{
    char span[SPAN_SIZE];
    if (l->rules->nothing_starts_ms == 0 || l->now->is_paused || l->now->is_leaving || l->has_started)
        return IS_FINE;
    if (l->is_outage || fires(l, ALERT_POLL_STALE))
        return IS_NEITHER;
    if (l->now->startable == 0)
        return IS_FINE;
    const struct alert *alert = &l->book->all[ALERT_NOTHING_STARTS];
    int64_t since_ms = alert->is_bad ? alert->bad_since_ms : l->now->now_ms;
    snprintf(said->reason, sizeof(said->reason),
             "%zu runs are due that no limit holds, and nothing has started for %s", l->now->startable,
             span_text(l->now->now_ms - since_ms, span));
    return IS_BAD;
}

static enum condition look_at_queue(const struct look *l, struct saying *said)
{
    const struct alerts_signals *now = l->now;
    char span[SPAN_SIZE];
    char limit[SPAN_SIZE];
    if (l->rules->queue_age_ms == 0 || now->is_paused || now->is_leaving || now->oldest_due_ms == 0)
        return IS_FINE;
    int64_t age_ms = now->wall_ms - now->oldest_due_ms;
    if (age_ms <= l->rules->queue_age_ms)
        return IS_FINE;
    bool is_excused = now->now_ms - l->book->free_since_ms <= l->rules->queue_age_ms;
    if (is_excused || l->is_outage || fires(l, ALERT_POLL_STALE) || fires(l, ALERT_NOTHING_STARTS))
        return IS_NEITHER;
    snprintf(said->reason, sizeof(said->reason),
             "the oldest due run, of class %s, has waited for %s; wanted: at most %s", now->oldest_class,
             span_text(age_ms, span), span_text(l->rules->queue_age_ms, limit));
    say_class(said, now->oldest_class);
    return IS_BAD;
}

static enum condition look_at_room(const struct look *l, struct saying *said)
{
    const struct alerts_signals *now = l->now;
    int64_t wanted = now->disk_bytes / DISK_FREE_MIN_SHARE;
    wanted = wanted > DISK_FREE_MIN_BYTES ? DISK_FREE_MIN_BYTES : wanted;
    if (now->disk_free_bytes < 0)
        return IS_FINE;
    if (now->disk_free_bytes >= wanted)
        return now->disk_free_bytes >= wanted / 4 * 5 ? IS_FINE : IS_NEITHER;
    snprintf(said->reason, sizeof(said->reason),
             "%" PRId64 " MiB are free on the disk of the state file; wanted: %" PRId64 " MiB",
             now->disk_free_bytes >> 20, wanted >> 20);
    return IS_BAD;
}

static enum condition look_at_commits(const struct look *l, struct saying *said)
{
    int64_t time_ms = alerts_time_ms(l->book, l->now->now_ms);
    struct burn_counts commits = burn_rate_window(&l->book->commits, time_ms, COMMITS_MS);
    if (commits.bad < SLOW_COMMITS_MIN || (double)commits.bad < SLOW_COMMITS_SHARE * (double)commits.total) {
        bool is_seen = time_ms - l->book->commits.since_ms >= COMMITS_MS;
        return is_seen && commits.bad == 0 ? IS_FINE : IS_NEITHER;
    }
    snprintf(said->reason, sizeof(said->reason),
             "%" PRIu64 " of %" PRIu64 " commits of the state file in the last 5 min took %d ms or longer",
             commits.bad, commits.total, ALERTS_SLOW_COMMIT_MS);
    return IS_BAD;
}

static enum condition look_at_file(const struct look *l, struct saying *said)
{
    if (l->now->damaged_file[0] == '\0')
        return IS_FINE;
    snprintf(said->reason, sizeof(said->reason), "set aside as %s", l->now->damaged_file);
    return IS_BAD;
}

/* ---- burn rates ---- */

/* What is counted, and as what it is told. */
struct burning {
    struct burn_rate *rate;
    double budget;
    const char *said; /* "calls of launches timed out" */
    const char *class_name;
};

static void say_burn(struct saying *said, const struct burning *what, const struct burn_speed *speed,
                     const struct burn_look *look)
{
    char long_span[SPAN_SIZE];
    char short_span[SPAN_SIZE];
    bool is_of_class = what->class_name[0] != '\0';
    snprintf(said->reason, sizeof(said->reason),
             "%" PRIu64 " of %" PRIu64 " %s in the last %s, %" PRIu64 " of %" PRIu64
             " in the last %s: %.1f and %.1f times the allowed %.4g %% (%s)%s%s",
             look->in_long.bad, look->in_long.total, what->said, span_text(speed->long_ms, long_span),
             look->in_short.bad, look->in_short.total, span_text(speed->short_ms, short_span),
             look->long_burn, look->short_burn, what->budget * 100, speed->name,
             is_of_class ? "; most of class " : "", what->class_name);
    say_class(said, what->class_name);
}

/* The worst of the speeds first to last. */
static enum condition look_at_burn(const struct look *l, enum alert_id id, const struct burning *what,
                                   enum burn_speed_id first, enum burn_speed_id last, struct saying *said)
{
    struct alert *alert = &l->book->all[id];
    int64_t time_ms = alerts_time_ms(l->book, l->now->now_ms);
    bool is_high = false;
    bool has_burned = false;
    for (enum burn_speed_id speed = first; speed <= last; speed++) {
        struct burn_look look = burn_rate_look(what->rate, time_ms, &burn_speeds[speed], what->budget);
        if (look.verdict == BURN_HIGH && !is_high)
            say_burn(said, what, &burn_speeds[speed], &look);
        is_high = is_high || look.verdict == BURN_HIGH;
        if (look.verdict != BURN_BETWEEN)
            alert->has_burned[speed] = look.verdict == BURN_HIGH;
        has_burned = has_burned || alert->has_burned[speed];
    }
    return is_high ? IS_BAD : has_burned ? IS_NEITHER : IS_FINE;
}

/* ---- moving ---- */

static void end(struct alert *alert, int64_t wall_ms)
{
    char was[ALERT_REASON_SIZE];
    char span[SPAN_SIZE];
    memcpy(was, alert->reason, sizeof(was));
    alert->is_firing = false;
    alert->changed_ms = wall_ms;
    snprintf(alert->reason, sizeof(alert->reason), "over after %s; it was: %.*s",
             span_text(wall_ms > alert->since_ms ? wall_ms - alert->since_ms : 0, span),
             (int)sizeof(was) - 64, was);
}

static void note_condition(struct alert *alert, enum condition condition, int64_t now_ms)
{
    if (condition == IS_FINE && !alert->is_fine)
        alert->fine_since_ms = now_ms;
    if (condition == IS_BAD && !alert->is_bad)
        alert->bad_since_ms = now_ms;
    alert->is_fine = condition == IS_FINE;
    alert->is_bad = condition == IS_BAD || (condition == IS_FINE && alert->is_bad);
}

/* The only place where an alert begins or ends. Returns its bit if it does. */
static uint32_t move(const struct look *l, enum alert_id id, enum condition condition, int64_t fire_after_ms,
                     const struct saying *said)
{
    struct alert *alert = &l->book->all[id];
    bool was_firing = alert->is_firing;
    int64_t now_ms = l->now->now_ms;
    note_condition(alert, condition, now_ms);
    if (condition == IS_BAD && !was_firing && now_ms - alert->bad_since_ms >= fire_after_ms) {
        alert->is_firing = true;
        alert->since_ms = alert->changed_ms = l->now->wall_ms;
    }
    if (condition == IS_BAD && alert->is_firing) {
        memcpy(alert->reason, said->reason, sizeof(alert->reason));
        memcpy(alert->class_name, said->class_name, sizeof(alert->class_name));
    }
    if (condition == IS_FINE && now_ms - alert->fine_since_ms >= alert_kinds[id].end_after_ms) {
        alert->is_bad = false;
        if (was_firing)
            end(alert, l->now->wall_ms);
    }
    return (uint32_t)(alert->is_firing != was_firing) << id;
}

static uint32_t move_simple(const struct look *l, enum alert_id id,
                            enum condition (*look_at)(const struct look *l, struct saying *said),
                            int64_t fire_after_ms)
{
    struct saying said = {0};
    enum condition condition = look_at(l, &said);
    return move(l, id, condition, fire_after_ms, &said);
}

/* One cause, one alert: who was woken needs no ticket beside it, nor afterwards for the same storm. */
static bool was_paged(const struct look *l, const struct alert *page)
{
    int64_t ago_ms = l->now->wall_ms - page->changed_ms;
    return page->is_firing ||
           (page->changed_ms > 0 && ago_ms >= 0 && ago_ms < burn_speeds[BURN_SLOW].short_ms);
}

static uint32_t move_burns(const struct look *l, const struct burning *what, enum alert_id page,
                           enum alert_id ticket)
{
    const struct alert *all = l->book->all;
    struct saying said[2] = {0};
    enum condition fast = IS_NEITHER;
    enum condition slow = IS_NEITHER;
    if (!l->is_outage) {
        fast = look_at_burn(l, page, what, BURN_FAST, BURN_MEDIUM, &said[0]);
        slow = look_at_burn(l, ticket, what, BURN_SLOW, BURN_SLOW, &said[1]);
    }
    uint32_t changed = move(l, page, fast, 0, &said[0]);
    if (slow == IS_BAD && !all[ticket].is_firing && was_paged(l, &all[page]))
        slow = IS_NEITHER;
    return changed | move(l, ticket, slow, TICKET_MS, &said[1]);
}

/* ---- the step ---- */

static struct burn_counts since(uint64_t total_before, uint64_t total, uint64_t bad_before, uint64_t bad)
{
    struct burn_counts counts = {burn_delta(total_before, total), burn_delta(bad_before, bad)};
    if (counts.bad > counts.total)
        counts.total = counts.bad;
    return counts;
}

/* What happens in an outage is the outage's. */
static void count(const struct look *l)
{
    struct alerts_book *book = l->book;
    const struct alerts_counters *last = &book->last;
    const struct alerts_counters *now = &l->now->done;
    int64_t time_ms = alerts_time_ms(book, l->now->now_ms);
    burn_rate_add(&book->commits, time_ms,
                  since(last->commits, now->commits, last->slow_commits, now->slow_commits));
    if (l->is_outage)
        return;
    burn_rate_add(&book->timeouts, time_ms,
                  since(last->attempts, now->attempts, last->timeouts, now->timeouts));
    burn_rate_add(
        &book->launches, time_ms,
        since(last->launches_ended, now->launches_ended, last->launches_failed, now->launches_failed));
    if (l->now->registries_away[0] == '\0')
        burn_rate_add(&book->timeouts, time_ms,
                      since(last->pulls, now->pulls, last->pull_timeouts, now->pull_timeouts));
}

static struct look begin_look(struct alerts_book *book, const struct alerts_rules *rules,
                              const struct alerts_signals *now)
{
    struct look l = {.book = book, .rules = rules, .now = now};
    l.has_started = burn_delta(book->last.starts, now->done.starts) > 0;
    if (now->away[0] != '\0') {
        book->had_outage = true;
        book->last_outage_ms = now->now_ms;
    }
    l.is_outage = book->had_outage && now->now_ms - book->last_outage_ms < OUTAGE_ECHO_MS;
    if (l.is_outage || now->is_paused || now->is_leaving)
        book->free_since_ms = now->now_ms;
    return l;
}

uint32_t alerts_step(struct alerts_book *book, const struct alerts_rules *rules,
                     const struct alerts_signals *signals)
{
    struct look l = begin_look(book, rules, signals);
    const struct burning timeouts = {&book->timeouts, rules->timeout_budget, "calls of launches timed out",
                                     signals->timeout_class};
    const struct burning launches = {&book->launches, rules->launch_budget, "launches failed",
                                     signals->failure_class};
    count(&l);
    uint32_t changed = 0;
    changed |= move_simple(&l, ALERT_BREAKER_OPEN_PAGE, look_at_breakers, BREAKER_OPEN_MS);
    changed |= move_simple(&l, ALERT_BREAKER_OPEN_TICKET, look_at_registries, BREAKER_OPEN_MS);
    changed |= move_simple(&l, ALERT_POLL_STALE, look_at_polls, 0);
    changed |= move_simple(&l, ALERT_NOTHING_STARTS, look_at_starts, rules->nothing_starts_ms);
    changed |= move_simple(&l, ALERT_QUEUE_OLD, look_at_queue, 0);
    changed |= move_burns(&l, &timeouts, ALERT_TIMEOUT_BURN_PAGE, ALERT_TIMEOUT_BURN_TICKET);
    changed |= move_burns(&l, &launches, ALERT_LAUNCH_FAILURE_BURN_PAGE, ALERT_LAUNCH_FAILURE_BURN_TICKET);
    changed |= move_simple(&l, ALERT_DISK_TROUBLE_PAGE, look_at_room, 0);
    changed |= move_simple(&l, ALERT_DISK_TROUBLE_TICKET, look_at_commits, 0);
    changed |= move_simple(&l, ALERT_STATE_FILE_DAMAGED, look_at_file, 0);
    book->last = signals->done;
    return changed;
}
