/*
 * fake_wire.h - a small HTTP/1.1 server, on a unix socket or loopback, that can misbehave on purpose.
 *
 * For fakes that must do what evhttp forbids: answer half a body, close at any byte, answer after the client
 * has gone, stand still with the kernel's queue filling up. It runs in the caller's event_base. An exchange
 * is one request and its answer; it belongs to the fake until one of the functions marked "ends" is called,
 * whether or not the client is still there. Request bodies need Content-Length; no pipelining.
 */
#ifndef SLUICE_TESTS_FAKE_WIRE_H
#define SLUICE_TESTS_FAKE_WIRE_H

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct wire;
struct wire_exchange;
typedef void (*wire_request_fn)(void *arg, struct wire_exchange *x);
typedef void (*wire_gone_fn)(void *arg);

/* wire_new - path: of the socket, made by wire_listen. */
struct wire *wire_new(struct event_base *base, const char *path, wire_request_fn on_request, void *arg);
/* The same on a port of 127.0.0.1 that wire_listen finds, and that stays the same afterwards. */
struct wire *wire_new_tcp(struct event_base *base, wire_request_fn on_request, void *arg);
int wire_port(const struct wire *w);
/* Drops every connection, ends every exchange, removes the socket. Accepts NULL. */
void wire_free(struct wire *w);

void wire_listen(struct wire *w);
/* Stop listening and drop every connection. keep_file: the socket stays, so connecting is refused
 * (ECONNREFUSED) instead of finding nothing (ENOENT). */
void wire_shut(struct wire *w, bool keep_file);
/* Stand still like a halted process: the kernel accepts connections and data, nobody reads them. */
void wire_halt(struct wire *w);
void wire_resume(struct wire *w);

/* Connections accepted since wire_new. */
int wire_accepted(const struct wire *w);
int wire_open_connections(const struct wire *w);

/* The request; borrowed until the exchange ends. */
const char *wire_method(const struct wire_exchange *x);
const char *wire_target(const struct wire_exchange *x);                   /* path and query as sent */
const char *wire_body(const struct wire_exchange *x);                     /* "" if none */
const char *wire_header(const struct wire_exchange *x, const char *name); /* NULL if absent */
const char *wire_head(const struct wire_exchange *x);                     /* header lines, each with CRLF */
/* A line of a block of header lines, without its end; NULL if absent. Borrowed until the next call. */
const char *wire_find_line(const char *head, const char *name);

/* fn is called once when the client goes away before the exchange ends; the exchange stays. */
void wire_on_gone(struct wire_exchange *x, wire_gone_fn fn, void *arg);
bool wire_is_gone(const struct wire_exchange *x);

/* A whole answer. headers: complete lines with CRLF, "" for none. Ends. */
void wire_reply(struct wire_exchange *x, int status, const char *headers, const char *body);
/* A chunked answer, piece by piece; wire_end ends. */
void wire_begin(struct wire_exchange *x, int status, const char *headers);
void wire_chunk(struct wire_exchange *x, const void *data, size_t len);
void wire_end(struct wire_exchange *x);
/* Bytes as they are. */
void wire_raw(struct wire_exchange *x, const void *data, size_t len);
/* Send what is written, then close the connection. Ends. */
void wire_drop(struct wire_exchange *x);

#endif
