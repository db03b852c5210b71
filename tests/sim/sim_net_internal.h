/* sim_net_internal.h - a connection, with its client (sim_http.c) and its server (sim_wire.c). */
#ifndef SLUICE_TESTS_SIM_NET_INTERNAL_H
#define SLUICE_TESTS_SIM_NET_INTERNAL_H

#include "api/http.h"
#include "base/buf.h"
#include "base/list.h"
#include "sim_net.h"
#include "tests/fakes/fake_wire.h"

struct wire {
    struct list link; /* net.servers */
    struct sim_net *net;
    char *place;
    bool is_unix;
    int port;
    wire_request_fn on_request;
    void *arg;
    bool is_listening;
    bool is_refused; /* not listening, but its socket is there */
    bool is_halted;
    int accepted;
};

enum link_state {
    LINK_CONNECTING, /* nobody has seen the request */
    LINK_LATE,       /* sent, and still on its way; client may be gone */
    LINK_UNREAD,     /* with a halted server; client may be gone */
    LINK_SERVED,     /* the server has it */
    LINK_ENDED       /* the server has let go of it */
};

/* A connection: one request and its answer. Lives until neither side needs it. */
struct wire_exchange {
    struct list link; /* net.links */
    struct sim_net *net;
    struct wire *server;    /* NULL: there is nobody at that place */
    struct http_call *call; /* NULL: the client has gone */
    const struct http *http;
    enum link_state state;
    struct sim_plan plan;
    struct timer timer; /* of LATE and SLOW */
    char *place;
    char *method;
    char *target;
    char *head; /* lines with CRLF */
    char *body;
    struct buf answer;     /* written by the server, not yet with the client */
    size_t answered_bytes; /* with the client */
    bool is_closed;        /* the server writes no more */
    bool is_broken;        /* the client is to notice an end at once, with what it has */
    bool is_silent;
    bool is_slow; /* the answer waits for `timer` */
    bool gone_is_told;
    wire_gone_fn on_gone;
    void *on_gone_arg;
    bool in_work;      /* not to be freed now */
    size_t work_index; /* place among the net's work, SIZE_MAX: none */
};

struct sim_net {
    struct sim_net_settings s;
    struct random_source random;
    struct list servers;
    struct list links;
    struct wire_exchange **work;
    size_t work_count;
    size_t work_cap;
    struct list ready; /* http_call.in_ready: ended by a clock, not yet told */
    int ports;
};

struct sim_net *sim_net_of(struct event_base *base);
/* Something may happen with this connection now. */
void sim_net_wake(struct wire_exchange *x);
/* The client lets go. */
void sim_net_leave(struct wire_exchange *x);
/* Start a connection. Texts are copied. */
struct wire_exchange *sim_net_connect(struct sim_net *net, struct http_call *call,
                                      const struct sim_request *request, const char *const *headers,
                                      bool closes);
struct wire *sim_net_server_at(const struct sim_net *net, const char *place);
/* Free it if neither side needs it. */
void sim_net_release(struct wire_exchange *x);
uint64_t sim_net_draw(struct sim_net *net, uint64_t below);

/* sim_http.c */
void sim_http_connected(struct http_call *call);
void sim_http_refused(struct http_call *call, enum transport transport);
/* Bytes of the answer; the call may be gone afterwards. */
void sim_http_receive(struct http_call *call, const char *data, size_t len);
void sim_http_closed(struct http_call *call);
/* Tell the end of one call that a clock has ended; false: there is none. */
bool sim_http_tell_one(struct sim_net *net);

/* sim_wire.c */
void sim_wire_deliver(struct wire_exchange *x);

#endif
