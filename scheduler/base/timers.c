#include "base/timers.h"

#include <string.h>

/* A delay beyond this never ends anyway (290,000 years), and the sum with any clock still fits. */
#define LONGEST_DELAY_MS (INT64_MAX / 1000)

struct timers {
    const struct clock *clock;
    struct timer **heap; /* binary heap, earliest first; borrowed pointers */
    size_t count;
    size_t cap;
    uint64_t next_seq;
    void (*on_change)(void *arg);
    void *on_change_arg;
};

struct timers *timers_new(const struct clock *clock)
{
    struct timers *t = check_alloc(sizeof(*t));
    t->clock = clock;
    return t;
}

void timers_free(struct timers *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++)
        t->heap[i]->timers = NULL;
    free(t->heap);
    free(t);
}

void timers_on_change(struct timers *t, void (*fn)(void *arg), void *arg)
{
    t->on_change = fn;
    t->on_change_arg = arg;
}

static bool is_before(const struct timer *a, const struct timer *b)
{
    if (a->deadline_ms != b->deadline_ms)
        return a->deadline_ms < b->deadline_ms;
    return a->seq < b->seq;
}

static void place(struct timers *t, size_t i, struct timer *timer)
{
    t->heap[i] = timer;
    timer->heap_index = i;
}

static void sift_up(struct timers *t, size_t i)
{
    struct timer *timer = t->heap[i];
    while (i > 0 && is_before(timer, t->heap[(i - 1) / 2])) {
        place(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(t, i, timer);
}

static void sift_down(struct timers *t, size_t i)
{
    struct timer *timer = t->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= t->count)
            break;
        if (child + 1 < t->count && is_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!is_before(t->heap[child], timer))
            break;
        place(t, i, t->heap[child]);
        i = child;
    }
    place(t, i, timer);
}

static void tell_change(struct timers *t)
{
    if (t->on_change != NULL)
        t->on_change(t->on_change_arg);
}

static void take_out(struct timer *timer)
{
    struct timers *t = timer->timers;
    size_t i = timer->heap_index;
    CHECK(i < t->count && t->heap[i] == timer);
    t->count--;
    timer->timers = NULL;
    if (i == t->count)
        return;
    place(t, i, t->heap[t->count]);
    sift_down(t, i);
    sift_up(t, t->heap[i]->heap_index);
}

void timer_start(struct timers *t, struct timer *timer, int64_t delay_ms, timer_fn fn, void *arg)
{
    if (timer->timers != NULL)
        take_out(timer);
    if (t->count == t->cap) {
        t->cap = t->cap == 0 ? 64 : t->cap * 2;
        t->heap = check_realloc(t->heap, t->cap * sizeof(*t->heap));
    }
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > LONGEST_DELAY_MS)
        delay_ms = LONGEST_DELAY_MS;
    timer->timers = t;
    timer->deadline_ms = clock_mono_ms(t->clock) + delay_ms;
    timer->seq = t->next_seq++;
    timer->fn = fn;
    timer->arg = arg;
    place(t, t->count, timer);
    t->count++;
    sift_up(t, t->count - 1);
    if (t->heap[0] == timer)
        tell_change(t);
}

void timer_start_wall(struct timers *t, struct timer *timer, int64_t wall_ms, int64_t max_delay_ms,
                      timer_fn fn, void *arg)
{
    int64_t delay_ms;
    if (wall_ms <= 0 || __builtin_sub_overflow(wall_ms, clock_wall_ms(t->clock), &delay_ms) || delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > max_delay_ms)
        delay_ms = max_delay_ms;
    timer_start(t, timer, delay_ms, fn, arg);
}

void timer_cancel(struct timer *timer)
{
    if (timer->timers != NULL)
        take_out(timer);
}

bool timer_is_running(const struct timer *timer)
{
    return timer->timers != NULL;
}

int64_t timers_next_ms(const struct timers *t)
{
    if (t->count == 0)
        return -1;
    int64_t delay_ms = t->heap[0]->deadline_ms - clock_mono_ms(t->clock);
    return delay_ms > 0 ? delay_ms : 0;
}

int64_t timers_late_us(const struct timers *t)
{
    if (t->count == 0)
        return 0;
    int64_t late_us = clock_mono_us(t->clock) - t->heap[0]->deadline_ms * 1000;
    return late_us > 0 ? late_us : 0;
}

int timers_run(struct timers *t)
{
    int64_t now_ms = clock_mono_ms(t->clock);
    uint64_t first_new_seq = t->next_seq;
    int ran = 0;
    while (t->count > 0 && t->heap[0]->deadline_ms <= now_ms && t->heap[0]->seq < first_new_seq) {
        struct timer *timer = t->heap[0];
        take_out(timer);
        timer->fn(timer->arg);
        ran++;
    }
    tell_change(t);
    return ran;
}

const struct clock *timers_clock(const struct timers *t)
{
    return t->clock;
}
