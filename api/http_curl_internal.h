/*
 * http_curl_internal.h - what the files http_curl*.c share. CURL * and CURLM * are `void *` here, so that
 * curl's header stays inside the .c files.
 *
 * A call is in one place at a time: in the multi (curl works on it), or finished (its failure or its answer
 * is known). Callbacks of the user are made only from http_curl_deliver(), which runs from an event of its
 * own: there neither curl nor http_start() is on the stack.
 */
#ifndef SLUICE_API_HTTP_CURL_INTERNAL_H
#define SLUICE_API_HTTP_CURL_INTERNAL_H

#include "api/http.h"
#include "base/buf.h"
#include "base/list.h"

struct event;

#define HTTP_CALL_MAGIC 0x68747463u
#define HTTP_MAGIC 0x68747470u

/* A descriptor that curl watches. Indexed by the descriptor itself, since curl may drop one while its event
 * is being handled. */
struct http_socket {
    struct event *event;    /* owned; NULL: not watched */
    struct http_call *call; /* whose bytes travel on it; NULL: nobody's */
};

struct http {
    uint32_t magic;
    struct event_base *base; /* borrowed */
    struct timers *timers;   /* borrowed */
    void *multi;             /* CURLM */
    struct event *curl_timer;
    struct event *deliver_event;
    struct http_socket *sockets; /* by descriptor */
    size_t socket_count;
    struct list calls; /* all of them */
    struct list ready; /* those with something to deliver */
    size_t call_count;
    uint64_t activity;
    bool is_delivering;
    int max_connections;
    int64_t idle_close_ms;
    bool tls_skip_verify;
    char *ca_file;   /* NULL: the system's */
    char *ca_folder; /* NULL: the system's */
    char *cert_file;
    char *key_file;
    char *proxy; /* NULL: from the environment */
    char *user_agent;
};

struct http_call {
    uint32_t magic;
    struct http *http;
    struct list in_calls;
    struct list in_ready;
    void *easy;       /* CURL; NULL once finished */
    void *lines;      /* struct curl_slist of the request's headers */
    char *body;       /* of the request */
    char *where;      /* for people: unix:///path or http://host:port, never with a password */
    char *curl_error; /* curl's own words for what went wrong */
    enum dependency dependency;
    enum stage stage;
    bool changes;
    struct http_clocks clocks;
    http_chunk_fn on_chunk;
    http_headers_fn on_headers;
    http_done_fn done;
    void *arg;
    bool is_unix;

    struct timer connect_timer;
    struct timer inactivity_timer;
    struct timer total_timer;
    int64_t started_ms; /* mono */
    int64_t took_ms;
    int64_t connecting_ms; /* mono; since when the connect clock runs, if there is one */
    int64_t connect_ms;
    int64_t touched_ms; /* mono; since when the inactivity clock runs, if there is one */
    int64_t silence_ms;

    /* How far the request is. */
    bool has_socket;     /* a connection was tried */
    bool has_begun;      /* connected (or reused), the request goes out */
    bool resend_refused; /* curl wanted to send it once more */
    int socket_errno;    /* of socket(), 0 if it worked */
    int redirects;

    /* The answer. */
    bool has_line;    /* a status line or header has come */
    bool has_headers; /* all of them, and they are not a 1xx */
    int status;
    struct buf headers; /* lines, each ended by NUL */
    struct buf answer;  /* collected body */
    struct buf chunks;  /* streamed body that was not delivered yet */
    bool headers_too_large;
    bool answer_too_large;
    bool answer_cut; /* an error body of a streamed call, longer than is kept */

    bool is_finished;
    bool is_cancelled;
    bool in_callback;
    bool headers_told;
    struct failure *failure; /* NULL: none */
};

/* base/kill_point.h, for requests: one is about to be made, bytes of some have moved, an answer is about to
 * be told, a call is no more. In tests/crash/kill_requests.c, which names each after its method and route. */
#ifdef SLUICE_KILL_POINTS
void kill_request_begins(const struct http_call *call, const struct http_request *request);
void kill_request_moved(struct http *http);
void kill_request_answers(const struct http_call *call);
void kill_request_ends(const struct http_call *call);
#define KILL_REQUEST(function, ...) kill_request_##function(__VA_ARGS__)
#else
#define KILL_REQUEST(function, ...) ((void)0)
#endif

#define HTTP_HEADERS_MAX_BYTES ((size_t)64 * 1024)
#define HTTP_ERROR_BODY_MAX_BYTES ((size_t)64 * 1024)

/* http_curl.c: url_code is a CURLUcode. Ends the process if it says that memory is out. */
bool http_curl_url_is_fine(unsigned url_code);

/* http_curl_loop.c: curl on libevent. */
void http_curl_loop_init(struct http *http);
void http_curl_loop_done(struct http *http);
/* Hand the call's handle to curl. Nothing happens before the next turn of the loop. */
int http_curl_add(struct http_call *call, struct err *err) MUST_CHECK;
/* Take the call out of curl's hands, its clocks and its sockets. */
void http_curl_detach(struct http_call *call);

/* http_curl_answer.c: what curl tells us while a call runs. */
void http_curl_answer_options(struct http_call *call);
/* Forget what came so far; for the next request after a redirect. */
void http_curl_answer_reset(struct http_call *call);
static inline bool http_curl_is_streamed(const struct http_call *call)
{
    return call->on_chunk != NULL && call->status >= 200 && call->status <= 299;
}

/* http_curl_call.c: the end of a call, its clocks, the callbacks to its user. */
void http_curl_start_clocks(struct http_call *call);
/* The request goes out: the connect clock ends, the inactivity clock begins. */
void http_curl_begin(struct http_call *call);
/* Bytes moved: the inactivity clock starts again. */
void http_curl_touch(struct http_call *call);
/* curl is done with the request; curl_code is its CURLcode. */
void http_curl_on_result(struct http_call *call, int curl_code);
/* End the call with this failure; done comes later. */
void http_curl_fail(struct http_call *call, enum transport transport, enum clock_kind clock, bool sent,
                    const char *fmt, ...) PRINTF_LIKE(5, 6);
void http_curl_mark_ready(struct http_call *call);
/* Make the callbacks that are due. */
void http_curl_deliver(struct http *http);
void http_curl_call_free(struct http_call *call);

/* http_curl_failure.c: which word of core/classify.h fits. */
/* Whether a byte of the request was taken by the other side's connection. */
bool http_curl_was_sent(const struct http_call *call);
void http_curl_fail_by_code(struct http_call *call, int curl_code);
void http_curl_fail_by_clock(struct http_call *call, enum clock_kind clock);
/* The multi broke: nothing is known but how far the call had come. */
void http_curl_fail_uncertain(struct http_call *call, const char *why);

/* http_curl_redirect.c: Prefect answers a wrong slash with a 307. */
/* Whether this finished answer is to be followed; then the handle is set to the new URL. */
bool http_curl_follow(struct http_call *call);

#endif
