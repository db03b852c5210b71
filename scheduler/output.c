/*
 * output.c - one `follow` per container: a log stream, the line that is not complete yet, and the lines that
 * stdout has not taken.
 *
 * stdout is written only when poll() says that it takes bytes, and never more at once than a pipe takes
 * without blocking. What doesn't go now waits for a timer. A stream that breaks is opened again from the time
 * it broke, a few times.
 */
#include "output.h"

#include "base/buf.h"
#include "base/list.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 16384 /* longer lines are written in pieces */
#define WAITING_ALL_MAX_BYTES (8 * 1024 * 1024)
#define WRITE_AGAIN_MS 20
#define REOPEN_MS 1000
#define REOPENS_MAX 10

struct follow {
    struct list link;
    struct output *output;
    char *container_id;
    char *name;
    bool tty;
    struct http_clocks clocks;
    struct engine_call *call;
    struct timer timer;
    int64_t last_ms; /* wall; when the last piece came */
    int reopens;
    struct buf line; /* without its end yet */
};

struct output {
    struct engine *engine;
    struct timers *timers;
    int fd;
    struct list follows;
    struct buf waiting; /* whole lines on their way to fd */
    struct timer write_timer;
    int64_t dropped_bytes;
};

struct output *output_new(struct engine *engine, struct timers *timers, int fd)
{
    struct output *o = check_alloc(sizeof(*o));
    o->engine = engine;
    o->timers = timers;
    o->fd = fd;
    list_init(&o->follows);
    buf_init(&o->waiting, WAITING_ALL_MAX_BYTES);
    return o;
}

static void free_follow(struct follow *f)
{
    if (f->call != NULL)
        engine_cancel(f->call);
    timer_cancel(&f->timer);
    list_remove(&f->link);
    buf_done(&f->line);
    free(f->container_id);
    free(f->name);
    free(f);
}

static bool takes_bytes(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static void write_waiting(struct output *o);

static void on_write_timer(void *arg)
{
    write_waiting(arg);
}

static void write_waiting(struct output *o)
{
    while (o->waiting.len > 0 && takes_bytes(o->fd)) {
        size_t piece = o->waiting.len < PIPE_BUF ? o->waiting.len : PIPE_BUF;
        ssize_t n = write(o->fd, o->waiting.data, piece);
        if (n <= 0) {
            if (n < 0 && errno != EINTR && errno != EAGAIN) {
                o->dropped_bytes += (int64_t)o->waiting.len; /* nobody reads any more */
                buf_clear(&o->waiting);
            }
            break;
        }
        buf_consume(&o->waiting, (size_t)n);
    }
    if (o->waiting.len > 0 && !timer_is_running(&o->write_timer))
        timer_start(o->timers, &o->write_timer, WRITE_AGAIN_MS, on_write_timer, o);
}

void output_free(struct output *o)
{
    if (o == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&o->follows)) != NULL)
        free_follow(LIST_ITEM(link, struct follow, link));
    write_waiting(o);
    timer_cancel(&o->write_timer);
    buf_done(&o->waiting);
    free(o);
}

int64_t output_dropped_bytes(const struct output *output)
{
    return output->dropped_bytes;
}

static void emit_line(struct follow *f)
{
    struct output *o = f->output;
    struct err err;
    size_t before = o->waiting.len;
    if (buf_printf(&o->waiting, &err, "%s | ", f->name) != 0 ||
        buf_add(&o->waiting, f->line.data == NULL ? "" : f->line.data, f->line.len, &err) != 0 ||
        buf_add(&o->waiting, "\n", 1, &err) != 0) {
        o->dropped_bytes += (int64_t)f->line.len;
        o->waiting.len = before;
        if (o->waiting.data != NULL)
            o->waiting.data[before] = '\0';
    }
    buf_clear(&f->line);
}

static void on_output(void *arg, int stream, const char *data, size_t len)
{
    struct follow *f = arg;
    (void)stream;
    f->last_ms = clock_wall_ms(timers_clock(f->output->timers));
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t piece = end == NULL ? len : (size_t)(end - data);
        size_t room = LINE_MAX_BYTES - f->line.len;
        bool is_cut = piece > room;
        if (is_cut)
            piece = room;
        struct err err;
        CHECK(buf_add(&f->line, data, piece, &err) == 0);
        data += piece;
        len -= piece;
        if (is_cut || end != NULL)
            emit_line(f);
        if (!is_cut && end != NULL) {
            data++;
            len--;
        }
    }
    write_waiting(f->output);
}

static void open_stream(void *arg);

static void on_stream_end(void *arg, const struct engine_reply *reply)
{
    struct follow *f = arg;
    f->call = NULL;
    if (f->line.len > 0)
        emit_line(f);
    write_waiting(f->output);
    /* 4xx and 501: no such container, or a log driver that can't be read. */
    bool may_come_back =
        reply->failure != NULL && (reply->failure->status == 0 || reply->failure->status == 200);
    if (may_come_back && f->reopens < REOPENS_MAX) {
        f->reopens++;
        timer_start(f->output->timers, &f->timer, REOPEN_MS, open_stream, f);
        return;
    }
    free_follow(f);
}

static void open_stream(void *arg)
{
    struct follow *f = arg;
    struct http_clocks clocks = {.connect_ms = f->clocks.connect_ms};
    struct err err;
    if (engine_logs(f->output->engine, f->container_id, f->tty, f->last_ms, on_output, &clocks, on_stream_end,
                    f, &f->call, &err) != 0)
        free_follow(f);
}

void output_follow(struct output *o, const char *container_id, const char *name, bool tty, int64_t since_ms,
                   const struct http_clocks *clocks)
{
    for (struct list *link = o->follows.next; link != &o->follows; link = link->next)
        if (strcmp(LIST_ITEM(link, struct follow, link)->container_id, container_id) == 0)
            return;
    struct follow *f = check_alloc(sizeof(*f));
    f->output = o;
    f->container_id = check_strdup(container_id);
    f->name = check_strdup(name);
    f->tty = tty;
    f->clocks = *clocks;
    f->last_ms = since_ms;
    buf_init(&f->line, LINE_MAX_BYTES);
    list_add_last(&o->follows, &f->link);
    open_stream(f);
}
