#include "store/store.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

static int64_t bytes_of(const char *path, int64_t if_missing)
{
    struct stat st;
    if (stat(path, &st) == 0)
        return st.st_size;
    return errno == ENOENT ? if_missing : -1;
}

struct store_disk store_disk(const struct store *store)
{
    const char *path = store_path(store);
    char *AUTO_FREE log_path = check_printf("%s-wal", path);
    struct store_disk size = {bytes_of(path, -1), bytes_of(log_path, 0), -1, -1};
    struct statvfs disk;
    if (statvfs(path, &disk) == 0) {
        size.disk_free_bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
        size.disk_bytes = (int64_t)(disk.f_blocks * disk.f_frsize);
    }
    return size;
}
