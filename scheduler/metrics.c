#include "metrics.h"

#include "metrics_process.h"
#include "service_internal.h"

struct metrics {
    struct service *service;
    double start_seconds;
    struct metrics_places places;
};

struct metrics *metrics_new(struct service *service)
{
    struct metrics *m = check_alloc(sizeof(*m));
    m->service = service;
    m->start_seconds = metrics_process_start();
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

static void look(const struct metrics *m, const struct snapshot *now, struct metrics_view *view)
{
    const struct service *s = m->service;
    const char *why;
    struct tell_counts told = tell_counts(s->tell);
    *view = (struct metrics_view){.now = now,
                                  .done = s->meters,
                                  .timeouts = s->timeouts,
                                  .state = store_disk(s->store),
                                  .was_state_damaged = store_set_aside(s->store, &why) != NULL,
                                  .lost = {.output_lines = output_counts(s->output).dropped_lines,
                                           .events = told.events.dropped,
                                           .log_lines = told.logs.dropped},
                                  .process = {.start_seconds = m->start_seconds}};
    metrics_process_read(&view->process);
}

void metrics_answer(struct metrics *m, const struct admin_http_request *request,
                    struct admin_http_answer *answer)
{
    enum metrics_format format = metrics_format_for(request->accept);
    struct snapshot now;
    struct metrics_view view;
    size_t series;
    struct err err;
    snapshot_take(m->service, &now);
    look(m, &now, &view);
    answer->content_type = metrics_content_type(format);
    if (!metrics_write(&view, &m->places, format, &answer->body, &series)) {
        static const char sentence[] = "{\"message\":\"the metrics are larger than an answer may be\"}";
        buf_clear(&answer->body);
        answer->status = 500;
        answer->content_type = "application/json";
        (void)!buf_add(&answer->body, sentence, sizeof(sentence) - 1, &err);
    }
    snapshot_done(&now);
}
