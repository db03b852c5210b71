/*
 * http.h - our own request and reply types for HTTP; http_curl.c is behind it.
 *
 * Promises: `done` comes exactly once, on the loop thread, never before http_start() has returned, never
 * after http_cancel(). No request is ever sent twice, also not by libcurl when a kept connection turns out
 * dead: that ends the call with TRANSPORT_REUSED_CLOSED. Every call has connect, inactivity and total clocks
 * (they run on our `timers`, so tests use fake time; the connect clock too) and a maximum body size; headers
 * are limited to 64 KiB. A call that is cut off tells in its failure whether the request, or part of it, may
 * have reached the other side (`sent`). 307 and 308 to the same origin are followed, three times at most, as
 * new requests with the same method and body; other redirects are answers. HTTP/1.1 only. Not here: retrying,
 * judging a status.
 */
#ifndef SLUICE_API_HTTP_H
#define SLUICE_API_HTTP_H

#include "base/err.h"
#include "base/timers.h"
#include "core/classify.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http;
struct http_call;

/* 0 switches a clock off. connect: until the request goes out, waiting for a free connection included.
 * inactivity: from then on, no byte arrived (or was accepted) for this long. total: all of it, redirects,
 * too. */
struct http_clocks {
    int64_t connect_ms;
    int64_t inactivity_ms;
    int64_t total_ms;
};

/* http_clock_ms - one of them; 0 for NONE. */
static inline int64_t http_clock_ms(const struct http_clocks *clocks, enum clock_kind clock)
{
    return clock == CLOCK_KIND_CONNECT      ? clocks->connect_ms
           : clock == CLOCK_KIND_INACTIVITY ? clocks->inactivity_ms
           : clock == CLOCK_KIND_TOTAL      ? clocks->total_ms
                                            : 0;
}

struct http_reply {
    int status; /* 0 if no status line arrived */
    const char
        *body; /* NUL-terminated, "" if empty; borrowed for the callback; what was streamed is not here */
    size_t body_len;
    int64_t took_ms;
    int64_t connect_ms; /* as the connect clock counts it; -1: on a kept connection, or none came about */
    int64_t silence_ms; /* the longest that the inactivity clock has run; 0: it never did */
    const struct failure
        *failure; /* NULL: an HTTP answer was read to its end, whatever its status. Its message is ours */
    const struct http_call *call; /* for http_reply_header() */
};

/* What a client (engine.h, prefect.h) tells of a call that has ended, beside its own callback. Borrowed. */
struct call_end {
    const struct failure *failure; /* NULL: it went well */
    int64_t began_ms;              /* mono */
    int64_t took_ms;
    const char *method;
    const char *path; /* behind the version or the API's URL, with its query */
    int status;       /* 0: no answer came */
    bool
        is_stream; /* its end says nothing of the other side: of a registry, of a container, of who listens */
};

/* call_route - "POST /containers/{}/start": method and path with a placeholder for every part that is no
 * fixed word of the two APIs, so that there are few. Without the query; cut at the size. */
#define CALL_ROUTE_SIZE 80
void call_route(const char *method, const char *path, char route[static CALL_ROUTE_SIZE]);

typedef void (*http_done_fn)(void *arg, const struct http_reply *reply);
/* A piece of a streamed body with a 2xx status. Return false to end the call (failure TRANSPORT_CANCELLED).
 * May be called any number of times. */
typedef bool (*http_chunk_fn)(void *arg, const char *data, size_t len);
/* The status line and headers of a streamed call are here, whatever the status; once, before the first chunk.
 */
typedef void (*http_headers_fn)(void *arg, int status);

/* Everything is borrowed for the call of http_start() only, and copied where it is needed longer. */
struct http_request {
    const char *method;
    const char *url;            /* http or https, already percent-encoded */
    const char *unix_socket;    /* path; NULL: connect as the URL says */
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const char *body;           /* NULL: none */
    size_t body_len;
    bool fresh_connection;      /* never on a reused connection, and the connection is closed afterwards: for
                                   changing engine calls */
    bool changes;               /* passed on into the failure */
    enum dependency dependency; /* passed on into the failure */
    enum stage stage;           /* passed on into the failure */
    struct http_clocks clocks;
    size_t max_body_bytes;      /* of a collected body; 0: 16 MiB. Streamed chunks don't count */
    http_chunk_fn on_chunk;     /* NULL: collect the body. An answer with another status than 2xx is always
                                   collected (cut at 64 KiB) */
    http_headers_fn on_headers; /* may be NULL */
    http_done_fn done;
    void *arg; /* for all three callbacks */
};

#define HTTP_NEVER_KEEP (-1)

struct http_settings {
    int max_connections;   /* kept open or in use at once, streams included; 0: 64 */
    int64_t idle_close_ms; /* idle connections older than this are not reused; 0: 4000 (uvicorn closes after
                              5 s); HTTP_NEVER_KEEP: each call has one of its own. In real time and whole
                              seconds, as libcurl counts; 1000 at least */
    bool tls_skip_verify;
    const char *ca_file; /* NULL: the system's; this one and what follows: borrowed for http_new() */
    const char
        *ca_folder; /* of certificates, named by their hashes; only without ca_file; NULL: the system's */
    const char *cert_file;  /* PEM, shown to the server; NULL: none */
    const char *key_file;   /* of that certificate */
    const char *proxy;      /* NULL: as libcurl reads the environment; "": none */
    const char *user_agent; /* NULL: none */
};

/* http_new - base and timers are borrowed for the life of the bridge. Errors: IO. */
int http_new(struct event_base *base, struct timers *timers, const struct http_settings *settings,
             struct http **out, struct err *err) MUST_CHECK;
/* http_free - ends every call without a callback. Accepts NULL. */
void http_free(struct http *http);

/* http_start - may be called from inside any callback. *call stays valid until done has returned or
 * http_cancel. Errors: INVALID (URL, method); then done never comes. */
int http_start(struct http *http, const struct http_request *request, struct http_call **call,
               struct err *err) MUST_CHECK;
/* http_cancel - end a call; no callback comes. May be called from inside any callback, the call's own chunk
 * callback included. */
void http_cancel(struct http_call *call);
/* http_give_up - end a call of which no byte of an answer has come, as one whose answer is lost; done comes
 * later. One that is being answered, or has ended, is left alone. */
void http_give_up(struct http_call *call);
/* http_reply_header - value of an answer's header (case of the name doesn't matter), NULL if absent; borrowed
 * for the callback. */
const char *http_reply_header(const struct http_reply *reply, const char *name);
/* http_find_header - the same in header lines that are each ended by NUL, len bytes in all. */
const char *http_find_header(const char *lines, size_t len, const char *name);

/* http_retry_after_ms - read a Retry-After value: seconds (decimals allowed) or an HTTP date; capped at one
 * hour; -1 if it is neither. */
int64_t http_retry_after_ms(const char *value, int64_t wall_ms);

/* http_read_date - an HTTP date (RFC 9110, 5.6.7), as in a Date header; false if it is none. NULL is none. */
bool http_read_date(const char *value, int64_t *wall_ms);

/* Calls that are out, and a count that rises with every callback and every byte moved: tests turn the loop
 * until neither changes. 0 for NULL. */
size_t http_calls_out(const struct http *http);
uint64_t http_activity(const struct http *http);

/* http_escape - percent-encode a path part; malloc'ed. */
char *http_escape(const char *text);

#endif
