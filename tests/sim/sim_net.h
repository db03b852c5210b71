/*
 * sim_net.h - a network without sockets: what http.h starts on one side arrives at fake_wire.h on the other.
 *
 * It stands in for libcurl, the kernel and libevent: `struct event_base *` is this net in disguise. Work lies
 * in one heap of things that may happen now (a request arrives, bytes of an answer arrive, an end is
 * noticed); sim_net_step() draws one of them, so different connections overtake each other, while the bytes
 * of one keep their order. When no work is left, everything waits for a timer, and time may move on.
 *
 * Each connection carries one request. A plan, drawn when it is made, may spoil it: refused, lost before or
 * after its arrival, arriving late (whether or not its sender still waits), cut or silent at any byte of the
 * answer.
 */
#ifndef SLUICE_TESTS_SIM_NET_H
#define SLUICE_TESTS_SIM_NET_H

#include "base/random.h"
#include "base/timers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http;
struct sim_net;

enum sim_fault {
    SIM_FAULT_NONE,
    SIM_FAULT_REFUSED,     /* no connection; nothing was sent */
    SIM_FAULT_NO_ANSWER,   /* connecting takes for ever */
    SIM_FAULT_LOST_BEFORE, /* the connection breaks before the request arrives */
    SIM_FAULT_LATE,        /* the request arrives delay_ms later, whoever still waits */
    SIM_FAULT_SLOW,        /* the answer arrives delay_ms later */
    SIM_FAULT_CUT,         /* the connection breaks when at_byte bytes of the answer have arrived */
    SIM_FAULT_SILENT       /* nothing arrives after at_byte bytes of the answer, and nobody notices */
};

struct sim_plan {
    enum sim_fault fault;
    int64_t delay_ms;
    size_t at_byte;
};

/* A request as the net sees it; texts are borrowed. */
struct sim_request {
    const struct http *http; /* whose */
    const char *place;       /* the server's: path of its socket, or "127.0.0.1:PORT" */
    const char *method;
    const char *target;
    const char *body;
};

struct sim_net_settings {
    struct timers *timers; /* of the servers' side; borrowed */
    /* Asked for each request when it is started: how it shall fare. */
    struct sim_plan (*plan)(void *arg, const struct sim_request *request);
    /* A request has reached its server; told before the server sees it. */
    void (*on_arrival)(void *arg, const struct sim_request *request);
    void *arg;
};

struct sim_net *sim_net_new(const struct sim_net_settings *settings, const struct random_source *random);
/* Nothing may use it any more. */
void sim_net_free(struct sim_net *net);
/* For whoever takes an event_base: http_new(), wire_new(). */
struct event_base *sim_net_base(struct sim_net *net);

/* One thing that may happen now, drawn at random. False: there is none. */
bool sim_net_step(struct sim_net *net);
/* Break one connection, drawn at random, or make it silent for ever; false: there is none. */
bool sim_net_spoil_any(struct sim_net *net, bool is_silent);
/* Connections whose client has not gone and whose target holds the text, of this client. */
size_t sim_net_count(const struct sim_net *net, const struct http *http, const char *method,
                     const char *text);

#endif
