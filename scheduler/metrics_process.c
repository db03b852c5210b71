#include "metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* starttime is the 22nd field of stat; the 2nd, a name in parentheses, may hold anything. */
#define FIELDS_BEFORE_START 19

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t len = fread(text, 1, size - 1, file);
    text[len] = '\0';
    fclose(file);
    return len > 0;
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    return clock_gettime(clock, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec / 1e9 : 0;
}

/* Clock ticks after boot; -1: not known. */
static int64_t start_ticks(void)
{
    char text[1024];
    if (!read_file("/proc/self/stat", text, sizeof(text)))
        return -1;
    char *field = strrchr(text, ')');
    for (int i = 0; field != NULL && i <= FIELDS_BEFORE_START; i++)
        field = strchr(field + 1, ' ');
    return field == NULL ? -1 : strtoll(field, NULL, 10);
}

double metrics_process_start(void)
{
    int64_t ticks = start_ticks();
    if (ticks < 0)
        return 0;
    double age = seconds(CLOCK_BOOTTIME) - (double)ticks / (double)sysconf(_SC_CLK_TCK);
    return seconds(CLOCK_REALTIME) - age;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* From Linux 6.2 on the folder's size is the number; else they are counted. */
static int64_t open_descriptors(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return st.st_size;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        return -1;
    int64_t count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += entry->d_name[0] != '.' ? 1 : 0;
    closedir(folder);
    return count - 1; /* the folder itself */
}

void metrics_process_read(struct metrics_process *p)
{
    struct rusage usage;
    struct rlimit limit;
    char text[128];
    int64_t virtual_pages = -1;
    int64_t resident_pages = -1;
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    p->cpu_seconds = 0;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        p->cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    bool is_read = read_file("/proc/self/statm", text, sizeof(text)) &&
                   sscanf(text, "%" SCNd64 " %" SCNd64, &virtual_pages, &resident_pages) == 2;
    p->virtual_bytes = is_read ? virtual_pages * page_bytes : -1;
    p->resident_bytes = is_read ? resident_pages * page_bytes : -1;
    p->open_fds = open_descriptors();
    p->max_fds = getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int64_t)limit.rlim_cur : -1;
}
