/* output_fd.c - see output_fd.h. */
#include "output_fd.h"

#include "base/check.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_again(int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct output_fd *out = arg;
    (void)fd;
    (void)what;
    out->on_writable(out->arg);
}

void output_fd_open(struct output_fd *out, int fd, struct event_base *base, void (*on_writable)(void *arg),
                    void *arg)
{
    struct stat st;
    *out = (struct output_fd){
        .kind = OUTPUT_FD_PLAIN, .fd = fd, .base = base, .on_writable = on_writable, .arg = arg};
    if (fstat(fd, &st) != 0 || S_ISREG(st.st_mode))
        return;
    int own = S_ISSOCK(st.st_mode) ? -1 : open_again(fd);
    out->kind = S_ISSOCK(st.st_mode) ? OUTPUT_FD_SOCKET : own >= 0 ? OUTPUT_FD_OWN : OUTPUT_FD_POLLED;
    out->fd = own >= 0 ? own : fd;
    out->event = event_new(base, out->fd, EV_WRITE, on_event, out);
    CHECK_MEMORY(out->event != NULL);
}

void output_fd_close(struct output_fd *out)
{
    if (out->event != NULL)
        event_free(out->event);
    if (out->kind == OUTPUT_FD_OWN)
        close(out->fd);
    *out = (struct output_fd){.fd = -1};
}

bool output_fd_wait(struct output_fd *out)
{
    return out->event != NULL && event_add(out->event, NULL) == 0; /* /dev/null, /dev/full: refused */
}

static bool takes_bytes(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && p.revents != 0;
}

ssize_t output_fd_write(const struct output_fd *out, const char *data, size_t len)
{
    ssize_t n;
    if (out->kind == OUTPUT_FD_POLLED && !takes_bytes(out->fd))
        return 0;
    if (out->kind == OUTPUT_FD_POLLED && len > PIPE_BUF)
        len = PIPE_BUF;
    if (out->kind == OUTPUT_FD_SOCKET)
        n = send(out->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        n = write(out->fd, data, len);
    bool is_not_now = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    return is_not_now ? 0 : n;
}
