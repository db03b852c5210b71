/*
 * no_sync.c - nothing is forced to the disk: here a process dies, never the machine, and what it has written
 * the kernel keeps. (The disk that loses what was not synced is tests/support/disk.h.)
 *
 * Found before the C library's by every library of this process.
 */
int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}
