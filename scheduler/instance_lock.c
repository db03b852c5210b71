#include "instance_lock.h"

#include "base/file_lock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static bool is_set(const char *value)
{
    return value != NULL && *value != '\0';
}

char *instance_lock_folder(bool is_root, const char *runtime_directory, const char *xdg_runtime_dir)
{
    if (is_set(runtime_directory)) /* a list; ours is the first */
        return check_printf("%.*s", (int)strcspn(runtime_directory, ":"), runtime_directory);
    if (is_root)
        return check_strdup("/run/sluice");
    return is_set(xdg_runtime_dir) ? check_printf("%s/sluice", xdg_runtime_dir) : NULL;
}

int instance_lock_take(const char *folder, const char *instance, const char *pool, const char *name,
                       const struct clock *clock, int *fd, struct err *err)
{
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return err_sys(err, errno, "can't make the folder %s", folder);
    char holder[FILE_LOCK_HOLDER_SIZE] = "";
    char *AUTO_FREE path = check_printf("%s/%s.lock", folder, instance);
    if (file_lock_take(path, clock, fd, holder, err) == 0)
        return 0;
    if (err->kind != ERR_CONFLICT)
        return -1;
    return err_set(err, ERR_CONFLICT,
                   "another sluice%s%s on this machine is the worker \"%s\" of the work pool \"%s\": give "
                   "this one a name "
                   "of its own with --name, or stop the other",
                   *holder != '\0' ? " " : "", holder, name, pool);
}
