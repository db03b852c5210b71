#include "admin.h"

#include "api/admin_socket.h"
#include "api/json.h"
#include "base/log.h"
#include "runner.h"

#include <string.h>
#include <strings.h>

#define TELL_EVERY_MS 1000
/* Fewer digits of an id are too easily another's. */
#define PREFIX_MIN 4

struct admin {
    struct admin_settings s;
    struct admin_socket *socket;
    struct timer timer;
    char *told; /* the last progress, owned */
};

/* ---- answers ---- */

static char *write_and_free(struct json *answer)
{
    char *text = json_write(answer);
    json_free(answer);
    return text;
}

static char *refuse(const char *sentence)
{
    struct json *o = json_new_object();
    json_set_bool(o, "ok", false);
    json_set_text(o, "error", sentence);
    return write_and_free(o);
}

static struct json *write_progress(const struct service_progress *p)
{
    struct json *o = json_new_object();
    json_set_bool(o, "paused", p->paused_at_ms != 0);
    json_set_bool(o, "draining", p->is_draining);
    json_set_bool(o, "stopping", p->is_stopping);
    json_set_int(o, "queued", (int64_t)p->queued);
    json_set_int(o, "waiting", (int64_t)p->waiting);
    json_set_int(o, "running", (int64_t)p->running);
    json_set_int(o, "ending", (int64_t)p->ending);
    json_set_int(o, "parked", (int64_t)p->parked);
    return o;
}

static char *agree(struct service *service, const char *sentence)
{
    struct service_progress p = service_progress(service);
    struct json *o = json_new_object();
    json_set_bool(o, "ok", true);
    json_set_text(o, "said", sentence);
    json_take_set(o, "progress", write_progress(&p));
    return write_and_free(o);
}

static char *say_progress(const struct service_progress *p)
{
    const char *what = p->is_draining    ? "draining"
                       : p->is_stopping  ? "stopping"
                       : p->paused_at_ms ? "paused"
                                         : "working";
    return check_printf(
        "%s: %zu on their way to a container, %zu running, %zu ending, %zu parked%s", what, p->waiting,
        p->running, p->ending, p->parked,
        p->is_draining && p->parked > 0
            ? " (a drain waits for them: sluice retry RUN hands them back, sluice discard RUN "
              "reports them Crashed)"
            : "");
}

static char *agree_with_progress(struct service *service)
{
    struct service_progress p = service_progress(service);
    char *AUTO_FREE said = say_progress(&p);
    return agree(service, said);
}

/* ---- runs ---- */

struct found {
    struct live *exact; /* by its whole id */
    struct live *first;
    struct live *parked;
    size_t parked_count;
};

static bool is_named(const struct launch *l, const char *word)
{
    size_t len = strlen(word);
    return strcmp(l->run_name, word) == 0 ||
           (len >= PREFIX_MIN && strncasecmp(l->flow_run_id, word, len) == 0);
}

static struct found find(struct service *service, const char *word)
{
    struct found f = {0};
    struct list *all = runner_all(service_runner(service));
    for (struct list *link = all->next; link != all; link = link->next) {
        struct live *live = LIST_ITEM(link, struct live, all_link);
        if (!is_named(live->launch, word))
            continue;
        if (strcasecmp(live->launch->flow_run_id, word) == 0)
            f.exact = live;
        if (f.first == NULL)
            f.first = live;
        if (live->launch->run.state != RUN_STATE_PARKED)
            continue;
        f.parked = live;
        f.parked_count++;
    }
    return f;
}

/* The parked run that is meant, or NULL with a sentence. */
static struct live *find_parked(struct service *service, const char *word, struct err *err)
{
    struct found f = find(service, word);
    struct live *live = f.exact != NULL ? f.exact : f.parked_count == 1 ? f.parked : NULL;
    if (live == NULL && f.parked_count > 1) {
        err_set(err, ERR_CONFLICT, "%zu parked runs are called \"%.60s\": give the run's id", f.parked_count,
                word);
        return NULL;
    }
    if (live == NULL)
        live = f.first;
    if (live == NULL) {
        err_set(err, ERR_NOT_FOUND,
                "this sluice has no run \"%.60s\" in hand: give a run's id, the first digits of it (at least "
                "%d), or "
                "its name, as the view `parked` shows them",
                word, PREFIX_MIN);
        return NULL;
    }
    if (live->launch->run.state == RUN_STATE_PARKED)
        return live;
    err_set(err, ERR_CONFLICT, "run %s (%.60s) is not parked: it is %s", live->launch->flow_run_id,
            live->launch->run_name, run_state_name(live->launch->run.state));
    return NULL;
}

static char *settle_parked(struct service *service, const struct json *request, enum run_event_kind kind)
{
    struct err err;
    struct live *live = find_parked(service, json_get_text(request, "run", ""), &err);
    if (live == NULL)
        return refuse(err.msg);
    bool is_retry = kind == RUN_EVENT_RELEASE;
    struct service_progress p = service_progress(service);
    const char *how = !is_retry        ? "is given up: reported Crashed, if it is still ours at the server"
                      : p.is_draining  ? "is released: handed back, since this sluice is draining"
                      : p.paused_at_ms ? "is released: tried again after sluice resume"
                                       : "is released: tried again";
    log_info(is_retry ? "a parked run is released" : "a parked run is given up",
             kv_s("run", live->launch->flow_run_id), kv_s("name", live->launch->run_name));
    runner_feed_kind(service_runner(service), live, kind);
    char *AUTO_FREE said =
        check_printf("run %s (%s) %s", live->launch->flow_run_id, live->launch->run_name, how);
    return agree(service, said);
}

/* ---- requests ---- */

static char *answer_or_refuse(struct service *service, int rc, const char *said, const struct err *err)
{
    return rc != 0 ? refuse(err->msg) : said != NULL ? agree(service, said) : agree_with_progress(service);
}

static char *answer_request(struct service *service, const struct json *request, bool *stays)
{
    const char *command = json_get_text(request, "command", "");
    struct err err;
    if (strcmp(command, "pause") == 0) {
        int rc = service_pause(service, &err);
        return answer_or_refuse(
            service, rc, "paused: nothing more is claimed or started until sluice resume; what runs goes on",
            &err);
    }
    if (strcmp(command, "resume") == 0)
        return answer_or_refuse(service, service_resume(service, &err), "resumed", &err);
    if (strcmp(command, "drain") == 0) {
        int rc = service_drain(service, &err);
        *stays = rc == 0 && json_get_bool(request, "wait", false);
        return answer_or_refuse(service, rc, NULL, &err);
    }
    if (strcmp(command, "progress") == 0)
        return agree_with_progress(service);
    if (strcmp(command, "retry") == 0)
        return settle_parked(service, request, RUN_EVENT_RELEASE);
    if (strcmp(command, "discard") == 0)
        return settle_parked(service, request, RUN_EVENT_DISCARD);
    return refuse("unknown command; known are pause, resume, drain, progress, retry and discard");
}

char *admin_answer(struct service *service, const char *line, bool *stays)
{
    struct json *request;
    struct err err;
    if (json_parse(line, strlen(line), &request, &err) != 0)
        return refuse(err.msg);
    char *answer = answer_request(service, request, stays);
    json_free(request);
    return answer;
}

/* ---- who waits for a drain ---- */

static void on_tell(void *arg)
{
    struct admin *a = arg;
    if (admin_socket_staying(a->socket) == 0)
        return;
    char *now = agree_with_progress(a->s.service);
    if (a->told == NULL || strcmp(now, a->told) != 0)
        admin_socket_tell(a->socket, now);
    free(a->told);
    a->told = now;
    timer_start(a->s.timers, &a->timer, TELL_EVERY_MS, on_tell, a);
}

static char *on_line(void *arg, const char *line, bool *stays)
{
    struct admin *a = arg;
    char *answer = admin_answer(a->s.service, line, stays);
    if (*stays && !timer_is_running(&a->timer))
        timer_start(a->s.timers, &a->timer, TELL_EVERY_MS, on_tell, a);
    return answer;
}

void admin_end(struct admin *a, int exit_code)
{
    if (a == NULL)
        return;
    struct service_progress p = service_progress(a->s.service);
    bool is_drained = exit_code == 0 && p.is_draining && p.waiting + p.running + p.ending + p.parked == 0;
    struct json *o = json_new_object();
    json_set_bool(o, "ok", is_drained);
    json_set_bool(o, "drained", is_drained);
    if (is_drained)
        json_set_text(o, "said", "drained: nothing is left, and sluice has ended");
    else
        json_set_text(o, "error",
                      "sluice was stopped before it was drained; the next start takes over what is left");
    char *AUTO_FREE line = write_and_free(o);
    admin_socket_tell(a->socket, line);
}

int admin_new(const struct admin_settings *settings, struct admin **out, struct err *err)
{
    struct admin *a = check_alloc(sizeof(*a));
    a->s = *settings;
    char *AUTO_FREE path = admin_socket_path(settings->state_path);
    struct admin_socket_settings socket = {
        .base = settings->base, .timers = settings->timers, .path = path, .answer = on_line, .arg = a};
    if (admin_socket_new(&socket, &a->socket, err) != 0) {
        free(a);
        return -1;
    }
    *out = a;
    return 0;
}

void admin_free(struct admin *a)
{
    if (a == NULL)
        return;
    timer_cancel(&a->timer);
    admin_socket_free(a->socket);
    free(a->told);
    free(a);
}
