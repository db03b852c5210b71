/*
 * output_fd.h - writes to a descriptor that is shared with others, without ever waiting for its reader.
 *
 * O_NONBLOCK belongs to the open file, and stdout's is mostly shared: with the shell, with a log collector.
 * So a pipe or a terminal is opened a second time for us alone, a socket is written with MSG_DONTWAIT, and a
 * file takes what it is given. Where the second opening is refused (another user's terminal), poll() is asked
 * before each write of at most a pipe's page.
 */
#ifndef SLUICE_OUTPUT_FD_H
#define SLUICE_OUTPUT_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct event;
struct event_base;

enum output_fd_kind { OUTPUT_FD_PLAIN, OUTPUT_FD_OWN, OUTPUT_FD_SOCKET, OUTPUT_FD_POLLED };

struct output_fd {
    enum output_fd_kind kind;
    int fd;
    struct event_base *base;
    struct event *event; /* NULL: it can't be waited for */
    void (*on_writable)(void *arg);
    void *arg;
};

/* output_fd_open - fd: borrowed, stays as it is; base: borrowed. on_writable: what output_fd_wait() leads to.
 */
void output_fd_open(struct output_fd *out, int fd, struct event_base *base, void (*on_writable)(void *arg),
                    void *arg);
void output_fd_close(struct output_fd *out);
/* output_fd_write - how many bytes were taken, 0: none at present; -1 with errno. SIGPIPE is the program's to
 * ignore. */
ssize_t output_fd_write(const struct output_fd *out, const char *data, size_t len);

/* output_fd_wait - on_writable is called once, later, when bytes are taken again; false: of this one it can't
 * be told. */
bool output_fd_wait(struct output_fd *out);

#endif
