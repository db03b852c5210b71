#include "admin_pages.h"

#include "api/admin_http.h"
#include "base/log.h"
#include "metrics.h"
#include "readiness.h"
#include "service.h"
#include "status_json.h"
#include "status_page.h"
#include "status_series.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* The page asks every two seconds, Prometheus every fifteen. */
#define FRESH_MS 500
#define ACCEPT_MAX_BYTES 255

/* An answer that cost something, as it is given again to who asks for the same within a moment. */
struct kept {
    struct buf body; /* empty: none is kept */
    const char *content_type;
    char accept[ACCEPT_MAX_BYTES + 1]; /* what it was asked for with */
    int64_t made_ms;                   /* mono */
};

struct admin_pages {
    struct timers *timers;
    struct service *service; /* NULL: not yet */
    struct admin_http *health;
    struct admin_http *admin;
    char **names; /* of this host, ended by NULL; owned, as are the texts */
    struct status_series series;
    struct timer series_timer;
    struct metrics *metrics; /* of the service */
    struct kept status;
    struct kept metrics_kept;
};

static void add_text(struct admin_http_answer *answer, const char *text)
{
    struct err err;
    CHECK(buf_add_str(&answer->body, text, &err) == 0);
}

/* ---- health ---- */

/* In the words of Prefect's worker (prefect/workers/server.py). */
static void answer_health(void *arg, const struct admin_http_request *request,
                          struct admin_http_answer *answer)
{
    const struct admin_pages *p = arg;
    (void)request;
    bool is_well = p->service != NULL && service_is_well(p->service);
    answer->status = is_well ? 200 : 503;
    add_text(answer,
             is_well ? "{\"message\":\"OK\"}" : "{\"message\":\"Worker may be unresponsive at this time\"}");
}

/* That it is answered is the whole of it: no dependency may get us killed. */
static void answer_livez(void *arg, const struct admin_http_request *request,
                         struct admin_http_answer *answer)
{
    (void)arg;
    static const struct readiness_check loop = {.name = "loop"};
    answer->content_type = "text/plain; charset=utf-8";
    answer->status = readiness_write("livez", &loop, 1, request->query, &answer->body);
}

static void answer_readyz(void *arg, const struct admin_http_request *request,
                          struct admin_http_answer *answer)
{
    const struct admin_pages *p = arg;
    struct readiness_check checks[READINESS_CHECK_COUNT];
    answer->content_type = "text/plain; charset=utf-8";
    if (p->service == NULL) {
        answer->status = 503;
        add_text(answer, "starting");
        return;
    }
    struct snapshot snapshot;
    snapshot_take(p->service, &snapshot);
    readiness_checks(&snapshot, service_state_file_trouble(p->service), checks);
    snapshot_done(&snapshot);
    answer->status = readiness_write("readyz", checks, READINESS_CHECK_COUNT, request->query, &answer->body);
}

/* ---- the status page ---- */

/* False: it has to be made anew. */
static bool give_kept(const struct admin_pages *p, const struct kept *kept, const char *accept,
                      struct admin_http_answer *answer)
{
    struct err err;
    int64_t now_ms = clock_mono_ms(timers_clock(p->timers));
    if (kept->body.len == 0 || now_ms - kept->made_ms >= FRESH_MS || strcmp(kept->accept, accept) != 0)
        return false;
    answer->content_type = kept->content_type;
    CHECK(buf_add(&answer->body, kept->body.data, kept->body.len, &err) == 0);
    return true;
}

static void keep(const struct admin_pages *p, struct kept *kept, const char *accept,
                 const struct admin_http_answer *answer)
{
    struct err err;
    buf_clear(&kept->body);
    if (answer->status != 200 || strlen(accept) > ACCEPT_MAX_BYTES)
        return;
    CHECK(buf_add(&kept->body, answer->body.data, answer->body.len, &err) == 0);
    kept->content_type = answer->content_type;
    snprintf(kept->accept, sizeof(kept->accept), "%s", accept);
    kept->made_ms = clock_mono_ms(timers_clock(p->timers));
}

static void answer_status(void *arg, const struct admin_http_request *request,
                          struct admin_http_answer *answer)
{
    struct admin_pages *p = arg;
    (void)request;
    if (p->service == NULL) {
        answer->status = 503;
        add_text(answer, "{\"detail\":\"starting\"}");
    } else if (!give_kept(p, &p->status, "", answer)) {
        status_json_write(p->service, &p->series, &answer->body);
        keep(p, &p->status, "", answer);
    }
}

static void answer_metrics(void *arg, const struct admin_http_request *request,
                           struct admin_http_answer *answer)
{
    struct admin_pages *p = arg;
    if (p->service == NULL) {
        answer->status = 503;
        add_text(answer, "{\"detail\":\"starting\"}");
    } else if (!give_kept(p, &p->metrics_kept, request->accept, answer)) {
        metrics_answer(p->metrics, request, answer);
        keep(p, &p->metrics_kept, request->accept, answer);
    }
}

static void answer_page(void *arg, const struct admin_http_request *request, struct admin_http_answer *answer)
{
    (void)arg;
    (void)request;
    answer->content_type = "text/html; charset=utf-8";
    answer->content_security_policy = status_page_policy();
    add_text(answer, status_page_html());
}

static void on_series_step(void *arg)
{
    struct admin_pages *p = arg;
    struct status_sample now = status_json_sample(p->service);
    status_series_add(&p->series, &now);
    timer_start(p->timers, &p->series_timer, STATUS_SERIES_STEP_MS, on_series_step, p);
}

/* ---- the tables of routes ---- */

static const struct admin_http_route health_routes[] = {{"/health", answer_health}, {NULL, NULL}};

static const struct admin_http_route admin_routes[] = {
    {"/", answer_page},
    {"/status.json", answer_status},
    {"/metrics", answer_metrics},
    {"/livez", answer_livez},
    {"/readyz", answer_readyz},
    {"/health", answer_health},
    {NULL, NULL},
};

/* ---- listening ---- */

/* HOST:PORT or [ADDRESS]:PORT, as config_check.c has let it pass. The host is malloc'ed. */
static char *split_listen(const char *listen, int *port)
{
    const char *colon = strrchr(listen, ':');
    bool has_brackets = listen[0] == '[';
    *port = (int)strtol(colon + 1, NULL, 10);
    return check_strndup(listen + (has_brackets ? 1 : 0), (size_t)(colon - listen) - (has_brackets ? 2 : 0));
}

static bool is_for_this_machine(const char *host)
{
    struct in_addr v4;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}

/* What we may be called: the configured host, this machine's name, and what the configuration adds. */
static void make_names(struct admin_pages *p, const struct config *c, const char *host, const char *hostname)
{
    size_t count = 0;
    p->names = check_alloc((c->admin_name_count + 3) * sizeof(*p->names));
    p->names[count++] = check_strdup(host);
    if (hostname[0] != '\0')
        p->names[count++] = check_strdup(hostname);
    for (size_t i = 0; i < c->admin_name_count; i++)
        p->names[count++] = check_strdup(c->admin_names[i]);
}

static int listen_for_admin(struct admin_pages *p, const struct admin_pages_settings *s, struct err *err)
{
    int port;
    char *AUTO_FREE host = split_listen(s->config->admin_listen, &port);
    make_names(p, s->config, host, s->hostname);
    struct admin_http_settings settings = {.base = s->base,
                                           .timers = s->timers,
                                           .host = host,
                                           .port = s->takes_any_port ? 0 : port,
                                           .what = "[admin] listen",
                                           .routes = admin_routes,
                                           .names = (const char *const *)p->names,
                                           .arg = p};
    if (admin_http_new(&settings, &p->admin, err) != 0)
        return -1;
    log_info("status page", kv_s("listen", s->config->admin_listen));
    if (!is_for_this_machine(host))
        log_warn("the status page can be read by whoever reaches this address: it has no login",
                 kv_s("listen", s->config->admin_listen));
    return 0;
}

static int listen_for_health(struct admin_pages *p, const struct admin_pages_settings *s, struct err *err)
{
    struct admin_http_settings settings = {.base = s->base,
                                           .timers = s->timers,
                                           .host = s->config->webserver_host,
                                           .port = s->takes_any_port ? 0 : (int)s->config->webserver_port,
                                           .what =
                                               "the health endpoint (PREFECT_WORKER_WEBSERVER_HOST, _PORT)",
                                           .is_prefects = true,
                                           .routes = health_routes,
                                           .arg = p};
    return admin_http_new(&settings, &p->health, err);
}

int admin_pages_new(const struct admin_pages_settings *settings, struct admin_pages **out, struct err *err)
{
    const struct config *c = settings->config;
    *out = NULL;
    if (!c->with_healthcheck && c->admin_listen == NULL)
        return 0;
    struct admin_pages *p = check_alloc(sizeof(*p));
    p->timers = settings->timers;
    buf_init(&p->status.body, ADMIN_HTTP_BODY_MAX_BYTES);
    buf_init(&p->metrics_kept.body, ADMIN_HTTP_BODY_MAX_BYTES);
    if ((c->with_healthcheck && listen_for_health(p, settings, err) != 0) ||
        (c->admin_listen != NULL && listen_for_admin(p, settings, err) != 0)) {
        admin_pages_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

void admin_pages_set_service(struct admin_pages *p, struct service *service)
{
    if (p == NULL)
        return;
    p->service = service;
    if (p->admin == NULL)
        return;
    p->metrics = metrics_new(service);
    struct status_sample now = status_json_sample(service);
    status_series_begin(&p->series, &now);
    timer_start(p->timers, &p->series_timer, STATUS_SERIES_STEP_MS, on_series_step, p);
}

void admin_pages_free(struct admin_pages *p)
{
    if (p == NULL)
        return;
    timer_cancel(&p->series_timer);
    admin_http_free(p->health);
    admin_http_free(p->admin);
    for (size_t i = 0; p->names != NULL && p->names[i] != NULL; i++)
        free(p->names[i]);
    free(p->names);
    buf_done(&p->status.body);
    buf_done(&p->metrics_kept.body);
    metrics_free(p->metrics);
    free(p);
}

const struct admin_http *admin_pages_health(const struct admin_pages *p)
{
    return p->health;
}

const struct admin_http *admin_pages_admin(const struct admin_pages *p)
{
    return p->admin;
}
