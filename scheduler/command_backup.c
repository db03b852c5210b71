/*
 * command_backup.c - `sluice backup FILE` and `sluice compact`: the state file copied, and written anew.
 */
#include "commands.h"

#include "base/clock.h"
#include "store/store.h"

#include <signal.h>
#include <unistd.h>

static volatile sig_atomic_t stop_wanted;

static void on_signal(int number)
{
    (void)number;
    stop_wanted = 1;
}

/* What was begun is removed before the process ends. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sigaction(numbers[i], &action, NULL);
}

struct progress {
    bool is_shown; /* stderr is a terminal */
    int shown;     /* percent; -1: nothing yet */
};

static bool on_progress(void *arg, int64_t done, int64_t total)
{
    struct progress *p = arg;
    int percent = total > 0 ? (int)(done * 100 / total) : 100;
    if (p->is_shown && percent != p->shown)
        fprintf(stderr, percent < 100 ? "\r%3d %% copied" : "\r%3d %% copied, now read and checked\n",
                percent);
    p->shown = percent;
    return stop_wanted == 0;
}

int command_backup(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct progress progress = {.is_shown = isatty(STDERR_FILENO) == 1, .shown = -1};
    struct err err;
    catch_signals();
    if (store_backup(config->state_path, options->file, options->force, on_progress, &progress, &err) != 0) {
        bool is_line_open = progress.is_shown && progress.shown >= 0 && progress.shown < 100;
        fprintf(stderr, "%ssluice: %s\n", is_line_open ? "\n" : "", err.msg);
        code = EXIT_FAILED;
    } else {
        fprintf(out, "%s: a whole copy of %s\n", options->file, config->state_path);
    }
    config_free(config);
    return code;
}

static int compact(const char *path, struct store_size *before, struct store_size *after, struct err *err)
{
    struct store *store;
    if (store_open(path, &clock_system, &store, err) != 0)
        return -1;
    int rc = store_size(store, before, err);
    if (rc == 0)
        rc = store_compact(store, err);
    if (rc == 0)
        rc = store_size(store, after, err);
    store_close(store);
    return rc;
}

int command_compact(const struct options *options, FILE *out)
{
    int code = EXIT_FINE;
    struct config *config = commands_find_state(options, &code);
    if (config == NULL)
        return code;
    struct store_size before;
    struct store_size after;
    struct err err;
    if (access(config->state_path, F_OK) != 0) {
        fprintf(stderr, "sluice: there is no state file %s\n", config->state_path);
        code = EXIT_FAILED;
    } else if (compact(config->state_path, &before, &after, &err) != 0) {
        fprintf(stderr, "sluice: %s\n", err.msg);
        code = EXIT_FAILED;
    } else {
        fprintf(out, "%s: %.1f MB, was %.1f MB\n", config->state_path, (double)after.bytes / 1e6,
                (double)before.bytes / 1e6);
    }
    config_free(config);
    return code;
}
