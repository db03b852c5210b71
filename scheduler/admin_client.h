/*
 * admin_client.h - the commands' end of the admin socket, and what can be told of the service behind a state
 * file.
 */
#ifndef SLUICE_ADMIN_CLIENT_H
#define SLUICE_ADMIN_CLIENT_H

#include "base/buf.h"
#include "base/file_lock.h"

#include <stdbool.h>
#include <stdint.h>

/* admin_client_read_line - the next line of `from` without its end, the caller's; NULL: the connection is
 * over, or nothing came for clock_ms (-1: for ever). What came after the line stays in `from`. */
char *admin_client_read_line(int fd, struct buf *from, int clock_ms);

/* What the service behind a state file is doing. */
enum service_state {
    SERVICE_DOWN,   /* nobody has the file */
    SERVICE_SILENT, /* somebody has it, and does not answer: stopped, or without a socket */
    SERVICE_RUNNING,
    SERVICE_PAUSED,
    SERVICE_DRAINING,
    SERVICE_STOPPING,
};
/* "down" */
const char *service_state_name(enum service_state state);

struct service_sight {
    enum service_state state;
    int64_t pid;      /* as the holder of the lock wrote it; 0: not known */
    int64_t since_ms; /* wall, when that process began; 0: not known */
};

/* admin_client_look - asks the socket and reads the lock file; takes a second at most, changes nothing. */
struct service_sight admin_client_look(const char *state_path);

#endif
