#include "tests/fakes/fake_webhook.h"

#include "base/check.h"
#include "tests/fakes/fake_wire.h"

#include <stdio.h>
#include <string.h>

#define REQUESTS_MAX 2000
#define PIECE_BYTES 16384

struct fake_webhook {
    struct wire *wire;
    char url[100];
    enum fake_webhook_mood mood;
    int status;
    int count;
    char *bodies[REQUESTS_MAX];
    char authorization[100];
    size_t hanging;
};

static void on_gone(void *arg)
{
    struct fake_webhook *w = arg;
    w->hanging--;
}

static void flood(struct wire_exchange *x)
{
    static char piece[PIECE_BYTES];
    memset(piece, 'x', sizeof(piece));
    wire_begin(x, 200, "");
    for (int i = 0; i < 64; i++)
        wire_chunk(x, piece, sizeof(piece));
}

static void on_request(void *arg, struct wire_exchange *x)
{
    struct fake_webhook *w = arg;
    const char *authorization = wire_header(x, "Authorization");
    CHECK(w->count < REQUESTS_MAX);
    CHECK(strcmp(wire_method(x), "POST") == 0);
    w->bodies[w->count++] = check_strdup(wire_body(x));
    snprintf(w->authorization, sizeof(w->authorization), "%s", authorization == NULL ? "" : authorization);
    switch (w->mood) {
    case FAKE_WEBHOOK_TAKES:
        wire_reply(x, w->status, w->status == 302 ? "Location: http://127.0.0.1:1/\r\n" : "", "ok");
        return;
    case FAKE_WEBHOOK_RESETS:
        wire_drop(x);
        return;
    case FAKE_WEBHOOK_HANGS:
        break;
    case FAKE_WEBHOOK_FLOODS:
        flood(x);
        break;
    case FAKE_WEBHOOK_STUCK:
        wire_begin(x, 200, "");
        wire_chunk(x, "half", 4);
        break;
    }
    w->hanging++;
    wire_on_gone(x, on_gone, w);
}

struct fake_webhook *fake_webhook_new(struct event_base *base)
{
    struct fake_webhook *w = check_alloc(sizeof(*w));
    w->wire = wire_new_tcp(base, on_request, w);
    wire_listen(w->wire);
    snprintf(w->url, sizeof(w->url), "http://127.0.0.1:%d/%s/?a=1", wire_port(w->wire), FAKE_WEBHOOK_SECRET);
    fake_webhook_be(w, FAKE_WEBHOOK_TAKES, 200);
    return w;
}

void fake_webhook_free(struct fake_webhook *w)
{
    if (w == NULL)
        return;
    wire_free(w->wire);
    for (int i = 0; i < w->count; i++)
        free(w->bodies[i]);
    free(w);
}

const char *fake_webhook_url(const struct fake_webhook *w)
{
    return w->url;
}

void fake_webhook_be(struct fake_webhook *w, enum fake_webhook_mood mood, int status)
{
    w->mood = mood;
    w->status = status;
}

int fake_webhook_count(const struct fake_webhook *w)
{
    return w->count;
}

const char *fake_webhook_body(const struct fake_webhook *w, int n)
{
    return n >= 0 && n < w->count ? w->bodies[n] : NULL;
}

const char *fake_webhook_authorization(const struct fake_webhook *w)
{
    return w->authorization;
}

size_t fake_webhook_unanswered(const struct fake_webhook *w)
{
    return w->hanging;
}
