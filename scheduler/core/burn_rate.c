/*
 * burn_rate.c - see burn_rate.h.
 *
 * Two rings that are indexed by the unit's number from time 0; both move on with `minute`, since a half hour
 * is 30 of them. The text is "1 NOW SINCE" and then the units that aren't empty, "mAGE:TOTAL:BAD" and
 * "hAGE:TOTAL:BAD", where AGE is the distance from the newest unit and SINCE how long ago it began, in ms.
 */
#include "core/burn_rate.h"

#include "base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define HALF_HOUR_MINUTES 30
#define HALF_HOUR_MS (HALF_HOUR_MINUTES * MINUTE_MS)
/* After a longer one what is now has yet to be seen. */
#define GAP_MS (5 * MINUTE_MS)
#define LONGEST_MS (BURN_HALF_HOURS * HALF_HOUR_MS)

const struct burn_speed burn_speeds[BURN_SPEED_COUNT] = {
    [BURN_FAST] = {"fast", 14.4, HOUR_MS, 5 * MINUTE_MS, 10, 0},
    [BURN_MEDIUM] = {"medium", 6, 6 * HOUR_MS, 30 * MINUTE_MS, 10, 0},
    [BURN_SLOW] = {"slow", 1, 72 * HOUR_MS, 6 * HOUR_MS, 10, 3},
};

static struct burn_unit *at_minute(struct burn_rate *rate, int64_t minute)
{
    return &rate->minutes[minute % BURN_MINUTES];
}

static struct burn_unit *at_half_hour(struct burn_rate *rate, int64_t half_hour)
{
    return &rate->half_hours[half_hour % BURN_HALF_HOURS];
}

void burn_rate_begin(struct burn_rate *rate, int64_t now_ms)
{
    memset(rate, 0, sizeof(*rate));
    rate->minute = now_ms / MINUTE_MS;
    rate->since_ms = now_ms;
}

/* What has left the rings by now is emptied. */
static void go_on(struct burn_rate *rate, int64_t now_ms)
{
    int64_t minute = now_ms / MINUTE_MS;
    int64_t newest = rate->minute;
    if (minute <= newest)
        return;
    int64_t from = minute - newest < BURN_MINUTES ? newest + 1 : minute - BURN_MINUTES + 1;
    for (int64_t m = from; m <= minute; m++)
        *at_minute(rate, m) = (struct burn_unit){0};
    int64_t half_hour = minute / HALF_HOUR_MINUTES;
    newest /= HALF_HOUR_MINUTES;
    from = half_hour - newest < BURN_HALF_HOURS ? newest + 1 : half_hour - BURN_HALF_HOURS + 1;
    for (int64_t h = from; h <= half_hour; h++)
        *at_half_hour(rate, h) = (struct burn_unit){0};
    rate->minute = minute;
}

static uint32_t add_up(uint32_t a, uint64_t b)
{
    return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static void add_to(struct burn_unit *unit, struct burn_counts counts)
{
    unit->total = add_up(unit->total, counts.total);
    unit->bad = add_up(unit->bad, counts.bad);
}

void burn_rate_add(struct burn_rate *rate, int64_t now_ms, struct burn_counts counts)
{
    go_on(rate, now_ms);
    add_to(at_minute(rate, rate->minute), counts);
    add_to(at_half_hour(rate, rate->minute / HALF_HOUR_MINUTES), counts);
}

struct burn_counts burn_rate_window(struct burn_rate *rate, int64_t now_ms, int64_t window_ms)
{
    struct burn_counts sum = {0};
    go_on(rate, now_ms);
    bool is_fine = window_ms <= BURN_MINUTES * MINUTE_MS;
    int64_t units = window_ms / (is_fine ? MINUTE_MS : HALF_HOUR_MS);
    int64_t newest = is_fine ? rate->minute : rate->minute / HALF_HOUR_MINUTES;
    CHECK(units >= 1 && units <= (is_fine ? BURN_MINUTES : BURN_HALF_HOURS));
    for (int64_t i = newest; i > newest - units && i >= 0; i--) {
        const struct burn_unit *unit = is_fine ? at_minute(rate, i) : at_half_hour(rate, i);
        sum.total += unit->total;
        sum.bad += unit->bad;
    }
    return sum;
}

static double burn_of(struct burn_counts counts, double budget)
{
    return counts.total == 0 ? 0 : (double)counts.bad / (double)counts.total / budget;
}

struct burn_look burn_rate_look(struct burn_rate *rate, int64_t now_ms, const struct burn_speed *speed,
                                double budget)
{
    struct burn_look look = {.in_long = burn_rate_window(rate, now_ms, speed->long_ms),
                             .in_short = burn_rate_window(rate, now_ms, speed->short_ms)};
    look.long_burn = burn_of(look.in_long, budget);
    look.short_burn = burn_of(look.in_short, budget);
    double bad = (double)look.in_long.bad;
    double allowed = speed->factor * budget * (double)look.in_long.total;
    bool goes_on = look.in_short.bad >= BURN_SHORT_BAD_MIN;
    if (look.in_long.bad >= speed->bad_min && bad - speed->deviations * sqrt(bad) > allowed && goes_on &&
        look.short_burn > speed->factor)
        look.verdict = BURN_HIGH;
    else if (now_ms - rate->since_ms >= speed->short_ms && (!goes_on || look.short_burn < speed->factor / 2))
        look.verdict = BURN_LOW;
    else
        look.verdict = BURN_BETWEEN;
    return look;
}

uint64_t burn_delta(uint64_t before, uint64_t now)
{
    return now >= before ? now - before : now;
}

/* ---- the state file ---- */

static size_t write_units(char *text, size_t used, char kind, struct burn_rate *rate)
{
    bool is_minute = kind == 'm';
    int64_t newest = is_minute ? rate->minute : rate->minute / HALF_HOUR_MINUTES;
    int64_t count = is_minute ? BURN_MINUTES : BURN_HALF_HOURS;
    for (int64_t age = 0; age < count && age <= newest; age++) {
        const struct burn_unit *unit =
            is_minute ? at_minute(rate, newest - age) : at_half_hour(rate, newest - age);
        if (unit->total == 0 && unit->bad == 0)
            continue;
        int len = snprintf(text + used, BURN_TEXT_SIZE - used, " %c%d:%" PRIu32 ":%" PRIu32, kind, (int)age,
                           unit->total, unit->bad);
        CHECK(len > 0 && (size_t)len < BURN_TEXT_SIZE - used);
        used += (size_t)len;
    }
    return used;
}

size_t burn_rate_write(struct burn_rate *rate, int64_t now_ms, char text[static BURN_TEXT_SIZE])
{
    go_on(rate, now_ms);
    now_ms = now_ms < rate->minute * MINUTE_MS ? rate->minute * MINUTE_MS : now_ms;
    int64_t since = now_ms - rate->since_ms;
    since = since < 0 ? 0 : since > LONGEST_MS ? LONGEST_MS : since;
    size_t used = (size_t)snprintf(text, BURN_TEXT_SIZE, "1 %" PRId64 " %" PRId64, now_ms, since);
    used = write_units(text, used, 'm', rate);
    return write_units(text, used, 'h', rate);
}

/* Decimal digits up to max; NULL: none, or more. */
static const char *read_number(const char *p, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    const char *begin = p;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
        if (value > max)
            return NULL;
    }
    *out = value;
    return p == begin ? NULL : p;
}

/* One unit from " m3:120:4" on; NULL: it is none. */
static const char *read_unit(struct burn_rate *rate, const char *p, int64_t saved_minute)
{
    uint64_t age;
    struct burn_counts counts;
    bool is_minute = p[0] == ' ' && p[1] == 'm';
    if (p[0] != ' ' || (p[1] != 'm' && p[1] != 'h'))
        return NULL;
    p = read_number(p + 2, is_minute ? BURN_MINUTES - 1 : BURN_HALF_HOURS - 1, &age);
    if (p == NULL || *p != ':' || (p = read_number(p + 1, UINT32_MAX, &counts.total)) == NULL || *p != ':' ||
        (p = read_number(p + 1, UINT32_MAX, &counts.bad)) == NULL || counts.bad > counts.total)
        return NULL;
    int64_t newest = is_minute ? rate->minute : rate->minute / HALF_HOUR_MINUTES;
    int64_t place = (is_minute ? saved_minute : saved_minute / HALF_HOUR_MINUTES) - (int64_t)age;
    if (place >= 0 && newest - place < (is_minute ? BURN_MINUTES : BURN_HALF_HOURS))
        add_to(is_minute ? at_minute(rate, place) : at_half_hour(rate, place), counts);
    return p;
}

static bool read_all(struct burn_rate *rate, const char *text, int64_t now_ms)
{
    uint64_t saved;
    uint64_t since;
    const char *p = strncmp(text, "1 ", 2) == 0 ? read_number(text + 2, INT64_MAX / 2, &saved) : NULL;
    p = p != NULL && *p == ' ' ? read_number(p + 1, LONGEST_MS, &since) : NULL;
    int64_t saved_ms = p != NULL && (int64_t)saved < now_ms ? (int64_t)saved : now_ms;
    while (p != NULL && *p != '\0')
        p = read_unit(rate, p, saved_ms / MINUTE_MS);
    if (p == NULL)
        return false;
    if (now_ms - saved_ms < GAP_MS)
        rate->since_ms = saved_ms - (int64_t)since;
    return true;
}

bool burn_rate_read(struct burn_rate *rate, const char *text, int64_t now_ms)
{
    burn_rate_begin(rate, now_ms);
    if (strlen(text) < BURN_TEXT_SIZE && read_all(rate, text, now_ms))
        return true;
    burn_rate_begin(rate, now_ms);
    return false;
}
