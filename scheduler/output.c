/*
 * output.c - one `follow` per container: its log stream, opened again after a break; and the writing to
 * stdout, a block at a time.
 *
 * What one turn of the loop has brought is written at its end, so that many small lines share a write.
 */
#include "output.h"

#include "base/list.h"
#include "base/log.h"
#include "output_fd.h"

#include <errno.h>
#include <string.h>

#define SOURCE_MAX_BYTES ((size_t)2 * 1024 * 1024)
#define ALL_MAX_BYTES ((size_t)8 * 1024 * 1024)
/* A turn of the loop writes so many blocks at most. */
#define BLOCKS_A_TURN 256
#define WRITE_AGAIN_MS 20 /* where it can't be told when */
#define WRITE_AFTER_ERROR_MS 1000
#define SAY_EVERY_MS 60000
#define REOPEN_MS 1000
#define REOPEN_MAX_MS 30000
/* Docker mostly ends a stream before the container's last bytes, if they are no whole line, are in its log.
 */
#define LOOK_AFTER_END_MS 500
/* That are one message of each stream; a few more do no harm. */
#define LOOK_TAIL 4
/* Streams that bring nothing but what is no log. */
#define BAD_STREAMS_MAX 10
/* After a restart. */
#define INSPECTS_AT_ONCE 4

struct follow {
    struct list link;
    struct output *output;
    char *launch_id;
    char *container_id;
    bool is_asked_for; /* tty, and whether it runs, are not known yet */
    bool is_inspecting;
    bool tty;
    struct http_clocks clocks;
    int64_t since_ms;
    struct engine_log log;
    struct engine_call *call;
    struct timer timer;
    int failures;  /* in a row, without a byte in between */
    bool has_news; /* the stream has brought something */
    int tail;      /* of the stream to open */
    struct output_source *source;
};

struct output {
    struct output_settings s;
    struct output_fd out;
    struct list follows;
    size_t inspects;
    struct output_lines *lines;
    struct output_block *block; /* being written */
    size_t written;             /* of it */
    bool is_gone;               /* nobody reads any more */
    bool is_torn;               /* a line was cut off by an error */
    bool is_waiting;            /* for stdout to take bytes */
    struct timer write_timer;
    struct timer say_timer;
    int last_errno;
    uint64_t said_lines;
};

static void on_write(void *arg);

struct output *output_new(const struct output_settings *settings)
{
    struct output *o = check_alloc(sizeof(*o));
    o->s = *settings;
    list_init(&o->follows);
    output_fd_open(&o->out, settings->fd, settings->base, on_write, o);
    o->lines = output_lines_new(SOURCE_MAX_BYTES, ALL_MAX_BYTES);
    return o;
}

struct output_counts output_counts(const struct output *output)
{
    return output_lines_counts(output->lines);
}

/* ---- saying what was dropped ---- */

static void on_say(void *arg)
{
    struct output *o = arg;
    struct output_counts counts = output_counts(o);
    if (counts.dropped_lines == o->said_lines)
        return;
    log_warn(
        "output of containers was dropped; the engine's own log has it",
        kv_int("lines", (int64_t)(counts.dropped_lines - o->said_lines)),
        kv_int("lines_in_all", (int64_t)counts.dropped_lines),
        kv_int("bytes_in_all", (int64_t)counts.dropped_bytes),
        kv_s("because", o->last_errno == 0 ? "stdout is slower than they are" : strerror(o->last_errno)));
    o->said_lines = counts.dropped_lines;
    o->last_errno = 0;
    timer_start(o->s.timers, &o->say_timer, SAY_EVERY_MS, on_say, o);
}

static void say_soon(struct output *o)
{
    if (output_counts(o).dropped_lines != o->said_lines && !timer_is_running(&o->say_timer))
        timer_start(o->s.timers, &o->say_timer, 0, on_say, o);
}

/* ---- writing ---- */

static void end_block(struct output *o, bool is_dropped)
{
    output_block_done(o->lines, o->block, is_dropped, o->written);
    o->block = NULL;
    o->written = 0;
}

/* A disk may have room again; a pipe or socket that is closed stays closed. */
static int64_t take_error(struct output *o, int error)
{
    o->last_errno = error;
    o->is_torn = o->is_torn || (o->written > 0 && o->block->data[o->written - 1] != '\n');
    o->is_gone = error == EPIPE || error == ECONNRESET || error == EBADF;
    end_block(o, true);
    while (o->is_gone && (o->block = output_lines_take(o->lines)) != NULL)
        end_block(o, true);
    return WRITE_AFTER_ERROR_MS;
}

static bool mend_torn(struct output *o)
{
    if (o->is_torn && output_fd_write(&o->out, "\n", 1) == 1)
        o->is_torn = false;
    return !o->is_torn;
}

/* In how many ms to go on; -1: nothing waits. */
static int64_t write_blocks(struct output *o)
{
    for (int i = 0; i < BLOCKS_A_TURN; i++) {
        if (o->block == NULL)
            o->block = output_lines_take(o->lines);
        if (o->block == NULL)
            return -1;
        if (!o->is_gone && !mend_torn(o))
            return WRITE_AFTER_ERROR_MS;
        ssize_t n = o->is_gone
                        ? -1
                        : output_fd_write(&o->out, o->block->data + o->written, o->block->len - o->written);
        if (n < 0)
            return take_error(o, o->is_gone ? EPIPE : errno);
        if (n == 0)
            return WRITE_AGAIN_MS;
        o->written += (size_t)n;
        if (o->written == o->block->len)
            end_block(o, false);
    }
    return 0;
}

static void on_write(void *arg)
{
    struct output *o = arg;
    o->is_waiting = false;
    timer_cancel(&o->write_timer);
    int64_t next_ms = write_blocks(o);
    bool has_more = next_ms >= 0 && (o->block != NULL || output_lines_is_waiting(o->lines));
    o->is_waiting = has_more && next_ms == WRITE_AGAIN_MS && output_fd_wait(&o->out);
    if (has_more && !o->is_waiting)
        timer_start(o->s.timers, &o->write_timer, next_ms, on_write, o);
    say_soon(o);
}

static void write_soon(struct output *o)
{
    if (output_lines_is_waiting(o->lines) && !o->is_waiting && !timer_is_running(&o->write_timer))
        timer_start(o->s.timers, &o->write_timer, 0, on_write, o);
    say_soon(o);
}

/* ---- streams ---- */

static void go_on(void *arg);
static void inspect_next(struct output *o);

static void free_follow(struct follow *f)
{
    struct output *o = f->output;
    if (f->call != NULL)
        engine_cancel(f->call);
    if (f->is_inspecting)
        o->inspects--;
    timer_cancel(&f->timer);
    list_remove(&f->link);
    output_source_close(f->source);
    free(f->launch_id);
    free(f->container_id);
    free(f);
    write_soon(o);
}

static void on_output(void *arg, int stream, const char *data, size_t len)
{
    struct follow *f = arg;
    f->failures = 0;
    f->has_news = true;
    output_source_feed(f->source, stream, data, len);
    write_soon(f->output);
}

static void open_later(struct follow *f)
{
    int64_t delay_ms = REOPEN_MS;
    for (int i = 1; i < f->failures && delay_ms < REOPEN_MAX_MS; i++)
        delay_ms *= 2;
    timer_start(f->output->s.timers, &f->timer, delay_ms < REOPEN_MAX_MS ? delay_ms : REOPEN_MAX_MS, go_on,
                f);
}

static bool still_runs(const struct follow *f)
{
    const struct output_settings *s = &f->output->s;
    return s->still_runs != NULL && s->still_runs(s->arg, f->launch_id);
}

/* After a stream that has brought something: for what it was ended before. Of a log whose place is among many
 * messages of one time, the newest can't be told apart. */
static void look_again(void *arg)
{
    struct follow *f = arg;
    f->has_news = false;
    f->tail = still_runs(f) || f->log.whole_count > 1 ? 0 : LOOK_TAIL;
    go_on(f);
}

/* An engine that is shut down may end the streams of containers that live on, too. */
static void on_clean_end(struct follow *f)
{
    if (f->has_news) {
        timer_start(f->output->s.timers, &f->timer, LOOK_AFTER_END_MS, look_again, f);
    } else if (still_runs(f)) {
        f->failures++;
        f->tail = 0;
        open_later(f);
    } else {
        free_follow(f);
    }
}

static bool may_come_back(const struct follow *f, const struct failure *failure)
{
    if (failure->status == 200)
        return f->failures < BAD_STREAMS_MAX;
    /* 404, 409, 501: no such container, or a log driver that can't be read */
    return failure->status == 0 || failure->status == 429 ||
           (failure->status >= 500 && failure->status != 501);
}

static void on_stream_end(void *arg, const struct engine_reply *reply)
{
    struct follow *f = arg;
    f->call = NULL;
    if (reply->failure == NULL) {
        on_clean_end(f);
        return;
    }
    f->failures++;
    if (may_come_back(f, reply->failure)) {
        open_later(f);
        return;
    }
    if (reply->failure->status != 404)
        log_warn("output is not copied", kv_s("container", f->container_id),
                 kv_int("status", reply->failure->status), kv_s("error", reply->failure->message));
    free_follow(f);
}

static void open_stream(struct follow *f)
{
    struct http_clocks clocks = {.connect_ms = f->clocks.connect_ms};
    struct err err;
    if (engine_logs(f->output->s.engine, f->container_id, f->tty, f->since_ms, &f->log, f->tail, on_output,
                    &clocks, on_stream_end, f, &f->call, &err) != 0)
        free_follow(f);
}

/* ---- after a restart ---- */

static void on_inspected(void *arg, const struct engine_reply *reply)
{
    struct follow *f = arg;
    struct output *o = f->output;
    f->call = NULL;
    f->is_inspecting = false;
    o->inspects--;
    if (reply->failure != NULL && reply->failure->status != 404) {
        f->failures++;
        f->is_asked_for = true;
        open_later(f);
    } else if (reply->failure != NULL || reply->containers[0].state != ENGINE_CONTAINER_RUNNING) {
        free_follow(f);
    } else {
        f->tty = reply->containers[0].tty;
        f->failures = 0;
        open_stream(f);
    }
    inspect_next(o);
}

static void inspect(struct follow *f)
{
    struct output *o = f->output;
    struct err err;
    f->is_asked_for = false;
    if (engine_inspect(o->s.engine, f->container_id, &f->clocks, on_inspected, f, &f->call, &err) != 0) {
        free_follow(f);
        return;
    }
    f->is_inspecting = true;
    o->inspects++;
}

/* A few at a time: after a restart there may be a thousand. */
static void inspect_next(struct output *o)
{
    struct list *next;
    for (struct list *link = o->follows.next; link != &o->follows && o->inspects < INSPECTS_AT_ONCE;
         link = next) {
        struct follow *f = LIST_ITEM(link, struct follow, link);
        next = link->next;
        if (f->is_asked_for && !timer_is_running(&f->timer))
            inspect(f);
    }
}

static void go_on(void *arg)
{
    struct follow *f = arg;
    if (f->is_asked_for)
        inspect_next(f->output);
    else
        open_stream(f);
}

void output_follow(struct output *o, const struct output_wish *wish)
{
    for (struct list *link = o->follows.next; link != &o->follows; link = link->next)
        if (strcmp(LIST_ITEM(link, struct follow, link)->container_id, wish->container_id) == 0)
            return;
    struct follow *f = check_alloc(sizeof(*f));
    char *AUTO_FREE prefix = o->s.with_names ? check_printf("%s | ", wish->name) : check_strdup("");
    f->output = o;
    f->launch_id = check_strdup(wish->launch_id);
    f->container_id = check_strdup(wish->container_id);
    f->tty = wish->tty;
    f->clocks = wish->clocks;
    f->is_asked_for = wish->is_resumed;
    f->has_news = true;
    f->since_ms = wish->is_resumed ? engine_now_ms(o->s.engine) : 0;
    f->source = output_source_new(o->lines, prefix);
    list_add_last(&o->follows, &f->link);
    go_on(f);
}

void output_free(struct output *o)
{
    if (o == NULL)
        return;
    struct list *link;
    while ((link = list_take_first(&o->follows)) != NULL)
        free_follow(LIST_ITEM(link, struct follow, link));
    (void)write_blocks(o);
    timer_cancel(&o->write_timer);
    timer_cancel(&o->say_timer);
    if (o->block != NULL)
        end_block(o, true);
    output_fd_close(&o->out);
    output_lines_free(o->lines);
    free(o);
}
