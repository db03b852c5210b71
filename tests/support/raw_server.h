/*
 * raw_server.h - a misbehaving HTTP server: the test says which bytes go out, and when a connection breaks.
 *
 * Lives on the test's event base. It only finds the end of each request (header block and Content-Length) and
 * counts; answers are raw bytes. A unix socket or a TCP port on 127.0.0.1.
 */
#ifndef SLUICE_TESTS_SUPPORT_RAW_SERVER_H
#define SLUICE_TESTS_SUPPORT_RAW_SERVER_H

#include "base/buf.h"
#include "base/list.h"

#include <stdbool.h>

struct event;
struct event_base;
struct raw_connection;

enum raw_then {
    RAW_KEEP,  /* leave the connection open */
    RAW_CLOSE, /* close it in order */
    RAW_RESET  /* TCP only: cut it with a reset */
};

struct raw_answer {
    const char *bytes; /* NULL: none */
    enum raw_then then;
};

struct raw_server {
    struct event_base *base;
    char path[108]; /* of the unix socket, "" for TCP */
    int port;
    int fd;
    struct event *event;
    struct list connections;
    /* Told by the test. on_request comes for each complete request and wins over `answers`, of which each
     * request takes one, in order; the last one stays. Neither: silence. */
    void (*on_request)(struct raw_connection *c, const char *request, void *arg);
    void *arg;
    const struct raw_answer *answers;
    size_t answer_count;
    bool never_reads;
    size_t close_after_bytes; /* close a connection at once when it has more unanswered bytes; 0: never */
    /* What was seen. */
    int connection_count; /* ever accepted */
    int open_count;       /* open now */
    int request_count;
    struct buf last_request;
};

void raw_server_listen_unix(struct raw_server *s, struct event_base *base, const char *path);
void raw_server_listen_tcp(struct raw_server *s, struct event_base *base);
void raw_server_done(struct raw_server *s);
void raw_server_answer(struct raw_server *s, const struct raw_answer *answers, size_t count);

/* Bytes that don't fit into the socket at once follow as it drains. */
void raw_send(struct raw_connection *c, const char *data, size_t len);
/* End a connection, in a later turn, once what was given to raw_send() is out. */
void raw_end(struct raw_connection *c, enum raw_then then);
/* The connection accepted last, NULL if it is gone. */
struct raw_connection *raw_last(struct raw_server *s);

#endif
