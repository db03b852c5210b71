#include "core/sweep.h"

static struct sweep_span span_from(int64_t after_ms, int64_t before_ms)
{
    return (struct sweep_span){.is_on = true, .after_ms = after_ms, .before_ms = before_ms};
}

void sweep_open(struct sweep *s, int64_t now_mono_ms, int64_t now_wall_ms, int64_t before_ms)
{
    int64_t from_ms = now_wall_ms - SWEEP_OVERLAP_MS;
    if (!s->pass.is_on && now_mono_ms >= s->due_mono_ms) {
        s->pass = span_from(SWEEP_FROM_FIRST, before_ms);
        s->began_mono_ms = now_mono_ms;
        s->window_from_ms = from_ms;
    } else if (!s->window.is_on) {
        /* The wall clock may have been set back since. */
        s->window = span_from(s->window_from_ms < from_ms ? s->window_from_ms : from_ms, before_ms);
        s->window_from_ms = from_ms;
    }
}

bool sweep_next(const struct sweep *s, struct sweep_page *page)
{
    const struct sweep_span *span = s->window.is_on ? &s->window : &s->pass;
    if (!span->is_on)
        return false;
    *page = (struct sweep_page){.is_window = span == &s->window,
                                .is_by_id = span->is_by_id,
                                .after_ms = span->after_ms,
                                /* All microseconds of that millisecond. */
                                .before_ms = span->is_by_id ? span->after_ms + 1 : span->before_ms,
                                .offset = span->offset};
    return true;
}

static void go_on(struct sweep_span *span, size_t count, int64_t last_due_ms)
{
    bool is_full = count >= SWEEP_PAGE;
    if (span->is_by_id && is_full) {
        span->offset += SWEEP_PAGE;
    } else if (span->is_by_id) {
        *span = span_from(span->after_ms + 1, span->before_ms);
    } else if (!is_full || last_due_ms < span->after_ms) {
        span->is_on = false; /* the second: an answer out of order would have us ask for ever */
    } else if (last_due_ms > span->after_ms) {
        span->after_ms = last_due_ms;
    } else {
        span->is_by_id = true;
        span->offset = 0;
    }
}

bool sweep_answered(struct sweep *s, const struct sweep_page *page, size_t count, int64_t last_due_ms,
                    int64_t now_mono_ms)
{
    go_on(page->is_window ? &s->window : &s->pass, count, last_due_ms);
    if (page->is_window || s->pass.is_on)
        return false;
    int64_t pause_ms = SWEEP_PAUSE_TIMES * (now_mono_ms - s->began_mono_ms);
    s->due_mono_ms = now_mono_ms + (pause_ms > SWEEP_PAUSE_MS ? pause_ms : SWEEP_PAUSE_MS);
    return true;
}
