#include "core/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int notify_address_read(const char *text, struct notify_address *out, struct err *err)
{
    size_t len = strlen(text);
    if ((text[0] != '/' && text[0] != '@') || len < 2)
        return err_set(err, ERR_INVALID, "NOTIFY_SOCKET is neither a path nor @NAME");
    /* A path is closed by a NUL, a name of the abstract space is not. */
    if (len > (text[0] == '/' ? NOTIFY_PATH_MAX - 1 : NOTIFY_PATH_MAX))
        return err_set(err, ERR_INVALID, "NOTIFY_SOCKET is longer than the name of a socket can be");
    memset(out->path, 0, sizeof(out->path));
    memcpy(out->path, text, len);
    out->len = len;
    if (text[0] == '@')
        out->path[0] = '\0';
    return 0;
}

/* Digits only: strtoll() would take a sign and blanks, too. */
static bool read_positive(const char *text, int64_t *out)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || strlen(text) > 18)
        return false;
    *out = strtoll(text, NULL, 10);
    return *out > 0;
}

int notify_watchdog_ms(const char *usec, const char *pid, int64_t own_pid, int64_t *out, struct err *err)
{
    int64_t period_us;
    int64_t for_pid;
    *out = 0;
    if (usec == NULL)
        return 0;
    if (!read_positive(usec, &period_us))
        return err_set(err, ERR_INVALID, "WATCHDOG_USEC is no number above 0");
    if (pid != NULL && !read_positive(pid, &for_pid))
        return err_set(err, ERR_INVALID, "WATCHDOG_PID is no number above 0");
    if (pid != NULL && for_pid != own_pid)
        return 0;
    *out = period_us < 2000 ? 1 : period_us / 2000;
    return 0;
}

/* ---- messages ---- */

struct line {
    char *text;
    size_t len;
};

static void add(struct line *line, const char *words)
{
    int n = snprintf(line->text + line->len, NOTIFY_STATUS_SIZE - line->len, "%s%s",
                     line->len == 0 ? "" : ", ", words);
    line->len += n < 0 ? 0 : (size_t)n;
    if (line->len >= NOTIFY_STATUS_SIZE)
        line->len = NOTIFY_STATUS_SIZE - 1;
}

static void add_count(struct line *line, size_t count, const char *what)
{
    char words[64];
    snprintf(words, sizeof(words), "%zu %s", count, what);
    add(line, words);
}

void notify_status(const struct notify_picture *p, char text[static NOTIFY_STATUS_SIZE])
{
    struct line line = {.text = text};
    text[0] = '\0';
    if (p->is_stopping)
        add(&line, "stopping");
    else if (p->is_draining)
        add(&line, "draining");
    else if (p->is_paused)
        add(&line, "paused");
    add_count(&line, p->running, "running");
    if (p->waiting > 0)
        add_count(&line, p->waiting, "launching");
    add_count(&line, p->queued, "queued");
    if (p->parked > 0)
        add_count(&line, p->parked, "parked");
    add(&line, p->is_engine_reachable ? "engine in reach" : "engine out of reach");
    if (!p->is_prefect_reachable)
        add(&line, "Prefect out of reach");
}

void notify_text(enum notify_event event, int64_t mono_us, int64_t extend_ms, const char *status,
                 char text[static NOTIFY_TEXT_SIZE])
{
    char head[80] = "";
    switch (event) {
    case NOTIFY_READY:
        snprintf(head, sizeof(head), "READY=1\n");
        break;
    case NOTIFY_RELOADING:
        snprintf(head, sizeof(head), "RELOADING=1\nMONOTONIC_USEC=%lld\n", (long long)mono_us);
        break;
    case NOTIFY_STOPPING:
        snprintf(head, sizeof(head), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\n", (long long)extend_ms * 1000);
        break;
    case NOTIFY_STATUS:
        break;
    case NOTIFY_WATCHDOG:
        snprintf(head, sizeof(head), "WATCHDOG=1\n");
        break;
    }
    if (status == NULL)
        snprintf(text, NOTIFY_TEXT_SIZE, "%s", head);
    else
        snprintf(text, NOTIFY_TEXT_SIZE, "%sSTATUS=%.*s\n", head, NOTIFY_STATUS_SIZE - 1, status);
}

/* ---- the watchdog ---- */

bool notify_feeds(struct notify_watchdog *w, const struct notify_progress *p)
{
    bool is_time = w->fed_ms == 0 || p->next_look_ms - w->fed_ms > w->every_ms;
    bool poller_advances = p->poller_due_ms > p->now_ms - NOTIFY_LATE_MS;
    if (w->every_ms == 0 || !is_time || p->turns == w->turns || !poller_advances)
        return false;
    w->fed_ms = p->now_ms;
    w->turns = p->turns;
    return true;
}
