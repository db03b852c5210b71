#include "docker_config_file.h"

#include "api/docker_config.h"
#include "base/check.h"
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void docker_config_file_done(struct docker_config_file *file)
{
    free(file->path);
    secret_free_bytes(file->text, file->len);
}

static int read_all(int fd, struct docker_config_file *file, struct err *err)
{
    if (fstat(fd, &file->status) != 0)
        return err_sys(err, errno, "it can't be read");
    if (!S_ISREG(file->status.st_mode))
        return err_set(err, ERR_IO, "it is no regular file");
    if ((size_t)file->status.st_size > DOCKER_CONFIG_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "it is larger than %zu bytes", DOCKER_CONFIG_MAX_BYTES);
    size_t size = (size_t)file->status.st_size;
    file->text = check_alloc(size + 1);
    while (file->len < size) {
        ssize_t n = read(fd, file->text + file->len, size - file->len);
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "it can't be read");
        if (n == 0)
            break; /* it has just become shorter; what is missing shows in its grammar */
        file->len += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* False: there is none of that name. With a mistake, err says so, and text is NULL. */
static bool open_file(const char *folder, const char *name, struct docker_config_file *file, struct err *err)
{
    if (folder == NULL || folder[0] == '\0')
        return false;
    *file = (struct docker_config_file){.path = check_printf("%s/%s", folder, name)};
    *err = (struct err){.kind = ERR_NONE};
    /* Non-blocking: a fifo of that name must not hang us. */
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        docker_config_file_done(file);
        return false;
    }
    int rc = fd < 0 ? err_sys(err, errno, "it can't be read") : read_all(fd, file, err);
    if (rc != 0) {
        secret_free_bytes(file->text, file->len);
        file->text = NULL;
        file->len = 0;
    }
    if (fd >= 0)
        close(fd);
    return true;
}

/* Whatever is in it. */
bool docker_config_file_find(const char *folder, const char *home, bool has_old_form,
                             struct docker_config_file *file, struct err *err)
{
    return open_file(folder, "config.json", file, err) || open_file(home, ".docker/config.json", file, err) ||
           (has_old_form && open_file(home, ".dockercfg", file, err));
}
