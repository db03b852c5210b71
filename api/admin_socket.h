/*
 * admin_socket.h - the unix socket for the commands: one request a line, one answer a line.
 *
 * Only carries lines; what they mean is the port's. The socket (mode 0600) stands beside the state file, and
 * whoever holds that file's lock may replace one that a dead process left. Clients are few (16), a line is
 * short (4 KiB) and has to be complete within 10 s, an answer goes out at once or the client is dropped:
 * nobody can hold up the loop, or make it keep more than this.
 *
 * A path longer than an address can be (107 bytes) is reached through /proc/self/fd, by the client as well.
 */
#ifndef SLUICE_API_ADMIN_SOCKET_H
#define SLUICE_API_ADMIN_SOCKET_H

#include "base/buf.h"
#include "base/timers.h"

struct event_base;
struct admin_socket;

#define ADMIN_LINE_MAX_BYTES 4096

struct admin_socket_settings {
    struct event_base *base;
    struct timers *timers;
    const char *path;
    /* line: without its end. The answer, malloc'ed, is one line without its end. *stays: the client wants the
     * lines of admin_socket_tell() as well. */
    char *(*answer)(void *arg, const char *line, bool *stays);
    void *arg;
};

/* admin_socket_new - the caller holds the state file's lock. Errors: IO, CONFLICT (something that is no
 * socket has the name), each with a sentence. */
int admin_socket_new(const struct admin_socket_settings *settings, struct admin_socket **out,
                     struct err *err) MUST_CHECK;
/* Closes all clients and removes the socket. */
void admin_socket_free(struct admin_socket *socket);
/* admin_socket_tell - one line to each client that stays. */
void admin_socket_tell(struct admin_socket *socket, const char *line);
size_t admin_socket_staying(const struct admin_socket *socket);

/* admin_socket_path - of the state file; malloc'ed. */
char *admin_socket_path(const char *state_path);
/* admin_socket_connect - a client's end, blocking, but at most a second for connecting; -1: errno tells
 * (EAGAIN: nobody accepts). */
int admin_socket_connect(const char *path);

#endif
