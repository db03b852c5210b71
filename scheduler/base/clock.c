#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock_ms(clockid_t id)
{
    struct timespec ts;
    CHECK(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_mono_ms(void *arg)
{
    (void)arg;
    return read_clock_ms(CLOCK_MONOTONIC);
}

static int64_t system_wall_ms(void *arg)
{
    (void)arg;
    return read_clock_ms(CLOCK_REALTIME);
}

static int64_t system_mono_us(void *arg)
{
    (void)arg;
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

const struct clock clock_system = {
    .mono_ms = system_mono_ms, .wall_ms = system_wall_ms, .mono_us = system_mono_us};

void clock_format(int64_t wall_ms, char text[static CLOCK_TEXT_SIZE])
{
    int64_t seconds = wall_ms / 1000;
    int64_t rest_ms = wall_ms % 1000;
    if (rest_ms < 0) {
        rest_ms += 1000;
        seconds--;
    }
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL)
        memset(&tm, 0, sizeof(tm));
    size_t n = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, CLOCK_TEXT_SIZE - n, ".%03dZ", (int)rest_ms);
}

/* Read exactly `digits` decimal digits at *p and step over them; -1 if there are not so many. */
static int read_number(const char **p, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (**p < '0' || **p > '9')
            return -1;
        value = value * 10 + (**p - '0');
        (*p)++;
    }
    return value;
}

static int step_over(const char **p, char c)
{
    if (**p != c)
        return -1;
    (*p)++;
    return 0;
}

static int read_fraction_ms(const char **p, int *ms)
{
    *ms = 0;
    if (**p != '.' && **p != ',')
        return 0;
    (*p)++;
    int digits = 0;
    int weight = 100;
    while (**p >= '0' && **p <= '9' && digits < 9) {
        *ms += (**p - '0') * weight;
        weight /= 10;
        digits++;
        (*p)++;
    }
    return digits > 0 ? 0 : -1;
}

static int read_offset_min(const char **p, int *offset_min)
{
    *offset_min = 0;
    if (**p == '\0')
        return 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return 0;
    }
    if (**p != '+' && **p != '-')
        return -1;
    int sign = **p == '-' ? -1 : 1;
    (*p)++;
    int hours = read_number(p, 2);
    if (**p == ':')
        (*p)++;
    int minutes = read_number(p, 2);
    if (hours < 0 || minutes < 0 || hours > 23 || minutes > 59)
        return -1;
    *offset_min = sign * (hours * 60 + minutes);
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month] + (month == 1 && is_leap ? 1 : 0);
}

int clock_parse(const char *text, int64_t *wall_ms, struct err *err)
{
    const char *p = text;
    struct tm tm = {0};
    int ms;
    int offset_min;
    int year = read_number(&p, 4);
    int bad = year < 1970 || step_over(&p, '-') != 0;
    tm.tm_year = year - 1900;
    tm.tm_mon = bad ? -1 : read_number(&p, 2) - 1;
    bad = bad || tm.tm_mon < 0 || tm.tm_mon > 11 || step_over(&p, '-') != 0;
    tm.tm_mday = bad ? -1 : read_number(&p, 2);
    bad = bad || tm.tm_mday < 1 || tm.tm_mday > days_in_month(year, tm.tm_mon) || (*p != 'T' && *p != ' ');
    if (!bad)
        p++;
    tm.tm_hour = bad ? -1 : read_number(&p, 2);
    bad = bad || tm.tm_hour < 0 || tm.tm_hour > 23 || step_over(&p, ':') != 0;
    tm.tm_min = bad ? -1 : read_number(&p, 2);
    bad = bad || tm.tm_min < 0 || tm.tm_min > 59 || step_over(&p, ':') != 0;
    tm.tm_sec = bad ? -1 : read_number(&p, 2);
    bad = bad || tm.tm_sec < 0 || tm.tm_sec > 60 || read_fraction_ms(&p, &ms) != 0 ||
          read_offset_min(&p, &offset_min) != 0 || *p != '\0';
    if (bad)
        return err_set(err, ERR_PARSE, "\"%.40s\" is not an ISO 8601 time", text);
    *wall_ms = ((int64_t)timegm(&tm) - (int64_t)offset_min * 60) * 1000 + ms;
    return 0;
}
