#include "admin_client.h"

#include "api/admin_socket.h"
#include "api/json.h"
#include "base/check.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A turn of the loop takes milliseconds. */
#define LOOK_CLOCK_MS 1000
#define LINE_MAX_BYTES ((size_t)64 * 1024)

char *admin_client_read_line(int fd, struct buf *from, int clock_ms)
{
    struct err err;
    for (;;) {
        const char *end = from->len > 0 ? memchr(from->data, '\n', from->len) : NULL;
        if (end != NULL) {
            size_t len = (size_t)(end - from->data);
            char *line = check_strndup(from->data, len);
            buf_consume(from, len + 1);
            return line;
        }
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, clock_ms) <= 0)
            return NULL;
        char piece[1024];
        ssize_t n = recv(fd, piece, sizeof(piece), 0);
        if (n <= 0 || buf_add(from, piece, (size_t)n, &err) != 0)
            return NULL;
    }
}

const char *service_state_name(enum service_state state)
{
    static const char *const names[] = {
        [SERVICE_DOWN] = "down",     [SERVICE_SILENT] = "silent",     [SERVICE_RUNNING] = "running",
        [SERVICE_PAUSED] = "paused", [SERVICE_DRAINING] = "draining", [SERVICE_STOPPING] = "stopping",
    };
    return names[state];
}

static enum service_state state_of(const char *line)
{
    struct json *answer;
    struct err err;
    if (json_parse(line, strlen(line), &answer, &err) != 0)
        return SERVICE_SILENT;
    const struct json *progress = json_get(answer, "progress");
    enum service_state state = json_kind(progress) != JSON_OBJECT           ? SERVICE_SILENT
                               : json_get_bool(progress, "draining", false) ? SERVICE_DRAINING
                               : json_get_bool(progress, "stopping", false) ? SERVICE_STOPPING
                               : json_get_bool(progress, "paused", false)   ? SERVICE_PAUSED
                                                                            : SERVICE_RUNNING;
    json_free(answer);
    return state;
}

static enum service_state ask(int fd)
{
    static const char request[] = "{\"command\":\"progress\"}\n";
    struct buf from;
    buf_init(&from, LINE_MAX_BYTES);
    char *AUTO_FREE line = send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)
                               ? admin_client_read_line(fd, &from, LOOK_CLOCK_MS)
                               : NULL;
    buf_done(&from);
    return line == NULL ? SERVICE_SILENT : state_of(line);
}

/* Does any process hold a flock on the file? To try the lock would take it for a moment, and a service that
 * starts in that moment would find it held. Source: proc_locks(5). */
static bool is_locked(const char *path)
{
    struct stat st;
    FILE *f = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
    if (f == NULL)
        return false;
    char *AUTO_FREE wanted =
        check_printf(" %02x:%02x:%llu ", major(st.st_dev), minor(st.st_dev), (unsigned long long)st.st_ino);
    char line[256];
    bool is_held = false;
    while (!is_held && fgets(line, sizeof(line), f) != NULL)
        is_held = strstr(line, " FLOCK ") != NULL && strstr(line, wanted) != NULL;
    fclose(f);
    return is_held;
}

/* The lock stands beside the file itself, not beside a link to it. */
static char *lock_path_of(const char *state_path)
{
    char real[PATH_MAX];
    return check_printf("%s.lock", realpath(state_path, real) != NULL ? real : state_path);
}

static void read_holder(const char *lock_path, struct service_sight *sight)
{
    char line[FILE_LOCK_HOLDER_SIZE] = "";
    FILE *f = fopen(lock_path, "re");
    if (f == NULL)
        return;
    long long pid = 0;
    char since[FILE_LOCK_HOLDER_SIZE] = "";
    if (fgets(line, sizeof(line), f) != NULL &&
        sscanf(line, "(process %lld since %24[0-9TZ:.-])", &pid, since) == 2) {
        sight->pid = pid;
        struct err err;
        if (clock_parse(since, &sight->since_ms, &err) != 0)
            sight->since_ms = 0;
    }
    fclose(f);
}

struct service_sight admin_client_look(const char *state_path)
{
    struct service_sight sight = {.state = SERVICE_DOWN};
    char *AUTO_FREE socket_path = admin_socket_path(state_path);
    char *AUTO_FREE lock_path = lock_path_of(state_path);
    int fd = admin_socket_connect(socket_path);
    if (fd >= 0) {
        sight.state = ask(fd);
        close(fd);
    } else if (errno == EAGAIN || is_locked(lock_path)) {
        sight.state = SERVICE_SILENT;
    }
    if (sight.state != SERVICE_DOWN)
        read_holder(lock_path, &sight);
    return sight;
}
