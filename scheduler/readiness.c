#include "readiness.h"

#include <stdio.h>
#include <string.h>

/* A poll comes once in an interval, and is missed when the next is missing as well. */
#define STALE_POLLS 2

static const char *engine_breaker(const struct snapshot *s)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].dependency == DEPENDENCY_ENGINE && s->guards[i].is_open)
            return "its breaker is open";
    return "";
}

static void check_engine(const struct snapshot *s, struct readiness_check *check)
{
    if (s->is_engine_away)
        snprintf(check->reason, sizeof(check->reason), "out of reach for %lld s",
                 (long long)(s->engine_away_ms / 1000));
    else
        snprintf(check->reason, sizeof(check->reason), "%s", engine_breaker(s));
}

static void check_prefect(const struct snapshot *s, struct readiness_check *check)
{
    const char *reason = s->is_prefect_away ? "out of reach"
                         : !s->is_online    ? "the pool has not been read yet, or no heartbeat was taken"
                                            : "";
    snprintf(check->reason, sizeof(check->reason), "%s", reason);
}

static void check_poll(const struct snapshot *s, struct readiness_check *check)
{
    if (s->is_draining || s->is_stopping)
        return; /* it polls no more, as it should */
    int64_t since_ms = s->last_poll_mono_ms == 0 ? s->began_mono_ms : s->last_poll_mono_ms;
    int64_t age_ms = s->now_mono_ms - since_ms;
    if (s->last_poll_mono_ms == 0)
        snprintf(check->reason, sizeof(check->reason), "no poll has gone well yet");
    else if (age_ms > STALE_POLLS * s->poll_interval_ms)
        snprintf(check->reason, sizeof(check->reason), "the last that went well was %lld s ago",
                 (long long)(age_ms / 1000));
}

void readiness_checks(const struct snapshot *s, const char *state_file_reason,
                      struct readiness_check checks[static READINESS_CHECK_COUNT])
{
    static const char *const names[READINESS_CHECK_COUNT] = {"state_file", "engine", "prefect", "poll",
                                                             "shutdown"};
    for (size_t i = 0; i < READINESS_CHECK_COUNT; i++)
        checks[i] = (struct readiness_check){.name = names[i]};
    snprintf(checks[0].reason, sizeof(checks[0].reason), "%s", state_file_reason);
    check_engine(s, &checks[1]);
    check_prefect(s, &checks[2]);
    check_poll(s, &checks[3]);
    snprintf(checks[4].reason, sizeof(checks[4].reason), "%s",
             s->is_stopping   ? "stopping"
             : s->is_draining ? "draining"
                              : "");
}

/* ---- the answer ---- */

/* The next "name" or "name=value" of a query. False: there is none. */
static bool take_parameter(const char **query, const char **text, size_t *len)
{
    *query += strspn(*query, "&");
    *text = *query;
    *len = strcspn(*query, "&");
    *query += *len;
    return *len > 0;
}

static bool is_text(const char *text, size_t len, const char *other)
{
    return strlen(other) == len && memcmp(text, other, len) == 0;
}

/* The value of an "exclude=", NULL: it is another parameter. */
static const char *exclusion(const char *text, size_t *len)
{
    static const char name[] = "exclude=";
    if (*len < strlen(name) || memcmp(text, name, strlen(name)) != 0)
        return NULL;
    *len -= strlen(name);
    return text + strlen(name);
}

static bool is_verbose(const char *query)
{
    const char *text;
    size_t len;
    while (take_parameter(&query, &text, &len))
        if (is_text(text, len, "verbose") || (len > 8 && memcmp(text, "verbose=", 8) == 0))
            return true;
    return false;
}

static bool is_excluded(const char *query, const char *check)
{
    const char *text;
    size_t len;
    while (take_parameter(&query, &text, &len)) {
        const char *value = exclusion(text, &len);
        if (value != NULL && is_text(value, len, check))
            return true;
    }
    return false;
}

static bool is_known(const char *text, size_t len, const struct readiness_check *checks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_text(text, len, checks[i].name))
            return true;
    return false;
}

/* Whoever mistypes a name would otherwise believe that it was left out. What was asked for is not repeated.
 */
static bool has_unknown_exclusion(const char *query, const struct readiness_check *checks, size_t count)
{
    const char *text;
    size_t len;
    while (take_parameter(&query, &text, &len)) {
        const char *value = exclusion(text, &len);
        if (value != NULL && !is_known(value, len, checks, count))
            return true;
    }
    return false;
}

static void add_line(struct buf *out, const struct readiness_check *check, bool is_out)
{
    struct err err;
    if (is_out)
        CHECK(buf_printf(out, &err, "[+]%s excluded: ok\n", check->name) == 0);
    else if (check->reason[0] == '\0')
        CHECK(buf_printf(out, &err, "[+]%s ok\n", check->name) == 0);
    else
        CHECK(buf_printf(out, &err, "[-]%s failed: %s\n", check->name, check->reason) == 0);
}

int readiness_write(const char *what, const struct readiness_check *checks, size_t count, const char *query,
                    struct buf *out)
{
    struct err err;
    bool is_fine = true;
    for (size_t i = 0; i < count; i++)
        is_fine = is_fine && (checks[i].reason[0] == '\0' || is_excluded(query, checks[i].name));
    if (is_fine && !is_verbose(query)) {
        CHECK(buf_add_str(out, "ok", &err) == 0);
        return 200;
    }
    for (size_t i = 0; i < count; i++)
        add_line(out, &checks[i], is_excluded(query, checks[i].name));
    if (has_unknown_exclusion(query, checks, count))
        CHECK(buf_add_str(out, "warn: some health checks cannot be excluded: no such name\n", &err) == 0);
    CHECK(buf_printf(out, &err, "%s check %s\n", what, is_fine ? "passed" : "failed") == 0);
    return is_fine ? 200 : 503;
}
