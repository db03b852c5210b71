#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static void read_holder(int fd, char holder[static FILE_LOCK_HOLDER_SIZE])
{
    ssize_t n = pread(fd, holder, FILE_LOCK_HOLDER_SIZE - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
}

static int write_holder(int fd, const struct clock *clock)
{
    char now[CLOCK_TEXT_SIZE];
    char holder[FILE_LOCK_HOLDER_SIZE];
    clock_format(clock_wall_ms(clock), now);
    int len = snprintf(holder, sizeof(holder), "(process %ld since %s)\n", (long)getpid(), now);
    return ftruncate(fd, 0) == 0 && pwrite(fd, holder, (size_t)len, 0) == len ? 0 : -1;
}

int file_lock_take(const char *path, const struct clock *clock, int *fd_out,
                   char holder[static FILE_LOCK_HOLDER_SIZE], struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, errno, "can't open the lock file %s", path);
    int rc = 0;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        bool is_held = errno == EWOULDBLOCK;
        rc = is_held ? err_set(err, ERR_CONFLICT, "the lock file %s is held", path)
                     : err_sys(err, errno, "can't lock %s", path);
        if (is_held)
            read_holder(fd, holder);
    } else if (write_holder(fd, clock) != 0) {
        rc = err_sys(err, errno, "can't write the lock file %s", path);
    }
    if (rc != 0)
        close(fd);
    else
        *fd_out = fd;
    return rc;
}
