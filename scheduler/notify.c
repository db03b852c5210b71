/* notify.c - see notify.h. */
#include "notify.h"

#include "core/notify.h"
#include "service.h"

#include "base/check.h"
#include "base/log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LOOK_MS 1000
/* What the end of a process takes besides: the last write of its log, the files. */
#define STOP_SPARE_MS 5000

struct notify {
    struct notify_settings s;
    struct service *service; /* NULL before notify_begin() */
    int fd;
    struct timer timer;
    int64_t look_ms; /* between two looks */
    struct notify_watchdog watchdog;
    uint64_t turns;
    char status[NOTIFY_STATUS_SIZE]; /* last told */
    bool is_ready;
    bool is_stopping;
    bool has_failed; /* the last datagram; told once in a row */
};

/* ---- life ---- */

static int connect_to(const struct notify_address *address, int *out, struct err *err)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    _Static_assert(sizeof(to.sun_path) == NOTIFY_PATH_MAX, "the size of a socket's name");
    memcpy(to.sun_path, address->path, sizeof(to.sun_path));
    bool is_path = address->path[0] != '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + address->len + (is_path ? 1 : 0));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "the socket for NOTIFY_SOCKET can't be made");
    if (connect(fd, (const struct sockaddr *)&to, len) != 0) {
        err_sys(err, errno, "nobody listens on NOTIFY_SOCKET");
        close(fd);
        return -1;
    }
    *out = fd;
    return 0;
}

int notify_new(const struct notify_settings *settings, struct notify **out, struct err *err)
{
    struct notify_address address;
    struct notify_watchdog watchdog = {0};
    int fd = -1;
    *out = NULL;
    if (settings->address == NULL)
        return 0;
    if (notify_address_read(settings->address, &address, err) != 0 ||
        notify_watchdog_ms(settings->watchdog_usec, settings->watchdog_pid, settings->own_pid,
                           &watchdog.every_ms, err) != 0 ||
        connect_to(&address, &fd, err) != 0)
        return -1;
    struct notify *n = check_alloc(sizeof(*n));
    n->s = *settings;
    n->fd = fd;
    n->watchdog = watchdog;
    n->look_ms = watchdog.every_ms > 0 && watchdog.every_ms < LOOK_MS ? watchdog.every_ms : LOOK_MS;
    *out = n;
    return 0;
}

void notify_free(struct notify *n)
{
    if (n == NULL)
        return;
    timer_cancel(&n->timer);
    close(n->fd);
    free(n);
}

/* ---- telling ---- */

static void tell(struct notify *n, enum notify_event event, const char *status)
{
    char text[NOTIFY_TEXT_SIZE];
    /* The clock counts in milliseconds; a time that is rounded down would lie before systemd's request. */
    int64_t mono_us = clock_mono_ms(n->s.clock) * 1000 + 999;
    notify_text(event, mono_us, SERVICE_STOP_MAX_MS + STOP_SPARE_MS, status, text);
    bool has_failed = send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0;
    if (has_failed && !n->has_failed)
        log_warn("the service manager could not be told; going on", kv_s("error", strerror(errno)));
    n->has_failed = has_failed;
}

static void make_status(const struct notify *n, char text[static NOTIFY_STATUS_SIZE])
{
    struct service_progress p = service_progress(n->service);
    struct notify_picture picture = {.running = p.running,
                                     .waiting = p.waiting,
                                     .queued = p.queued,
                                     .parked = p.parked,
                                     .is_engine_reachable = service_reaches_engine(n->service),
                                     .is_prefect_reachable = service_reaches_prefect(n->service),
                                     .is_paused = p.paused_at_ms != 0,
                                     .is_draining = p.is_draining,
                                     .is_stopping = p.is_stopping};
    notify_status(&picture, text);
}

/* The status goes along with what else there is to tell, if it has changed. */
static void look(struct notify *n)
{
    char status[NOTIFY_STATUS_SIZE];
    int64_t now_ms = clock_mono_ms(n->s.clock);
    make_status(n, status);
    bool is_news = strcmp(status, n->status) != 0;
    if (is_news)
        memcpy(n->status, status, sizeof(status));
    if (notify_feeds(&n->watchdog,
                     &(struct notify_progress){.now_ms = now_ms,
                                               .next_look_ms = now_ms + n->look_ms,
                                               .turns = n->turns,
                                               .poller_due_ms = service_poller_due_ms(n->service)}))
        tell(n, NOTIFY_WATCHDOG, is_news ? status : NULL);
    else if (is_news)
        tell(n, NOTIFY_STATUS, status);
}

static void on_timer(void *arg)
{
    struct notify *n = arg;
    look(n);
    timer_start(n->s.timers, &n->timer, n->look_ms, on_timer, n);
}

void notify_begin(struct notify *n, struct service *service)
{
    if (n == NULL)
        return;
    n->service = service;
    timer_start(n->s.timers, &n->timer, n->look_ms, on_timer, n);
}

/* With the status of this moment. */
static void tell_state(struct notify *n, enum notify_event event)
{
    make_status(n, n->status);
    tell(n, event, n->status);
}

void notify_turn_end(struct notify *n)
{
    if (n == NULL || n->service == NULL)
        return;
    n->turns++;
    if (!n->is_stopping && service_is_leaving(n->service)) {
        n->is_stopping = true;
        tell_state(n, NOTIFY_STOPPING);
    } else if (!n->is_ready && !n->is_stopping) {
        n->is_ready = true;
        tell_state(n, NOTIFY_READY);
    }
}

void notify_reload_begins(struct notify *n)
{
    if (n != NULL && n->is_ready && !n->is_stopping)
        tell(n, NOTIFY_RELOADING, NULL);
}

void notify_reload_ends(struct notify *n)
{
    if (n != NULL && n->is_ready && !n->is_stopping)
        tell_state(n, NOTIFY_READY);
}
