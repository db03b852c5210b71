/* http_world.h - what the tests of api/http.h stand in: a bridge, a raw server of each kind, a recorded call.
 */
#ifndef SLUICE_TESTS_UNIT_HTTP_WORLD_H
#define SLUICE_TESTS_UNIT_HTTP_WORLD_H

#include "api/http.h"
#include "tests/support/fake_clock.h"
#include "tests/support/raw_server.h"
#include "tests/support/turn.h"

struct http_world {
    struct event_base *base;
    struct fake_clock fc;
    struct timers *timers;
    struct http *http;
    struct raw_server unix_server;
    struct raw_server tcp_server;
    char dir[64];
    char path[96]; /* of the unix server's socket */
};

/* One call and all that was told about it. */
struct call_record {
    struct http_world *world;
    struct http_call *call;
    int done_count;
    int headers_count;
    int headers_status;
    int chunk_count;
    bool headers_after_chunk;
    struct buf chunks;
    int status;
    char *body;
    size_t body_len;
    char *header_x; /* value of the answer's header X, NULL: none */
    int64_t took_ms;
    int64_t connect_ms;
    int64_t silence_ms;
    bool has_failure;
    struct failure failure;
    /* What to do in callbacks. */
    bool stop_at_chunk;
    bool cancel_in_headers;
    bool cancel_in_chunk;
    bool cancel_in_done;
    struct call_record *cancel_other; /* in done */
    struct call_record *start_other;  /* in headers, chunk or done, whichever comes first */
};

int http_world_setup(void **state);
int http_world_teardown(void **state);
/* Make the bridge anew with other settings. */
void http_world_settings(struct http_world *w, const struct http_settings *settings);

/* A GET of /x on the unix server, or of the TCP server's URL (kept in a static buffer). */
struct http_request http_world_get(const struct http_world *w);
struct http_request http_world_tcp(const struct http_world *w, const char *path);
void call_start(struct http_world *w, struct call_record *r, const struct http_request *request);
/* Set request's callbacks to record chunks and headers, too. */
void request_stream(struct http_request *request);
/* Start, turn until quiet, and check that done came once. */
void call_run(struct http_world *w, struct call_record *r, const struct http_request *request);
void call_done(struct call_record *r);
void turn(struct http_world *w);
void answer_with(struct raw_server *s, const char *bytes, enum raw_then then);
void assert_failure(const struct call_record *r, enum transport transport, bool sent, enum clock_kind clock);

#endif
