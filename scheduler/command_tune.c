#include "command_tune.h"

#include "base/file_lock.h"
#include "commands.h"
#include "engine_settings.h"
#include "instance_lock.h"
#include "loop.h"
#include "tune.h"
#include "tune_print.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

struct tune_command {
    const struct options *options;
    struct tune_settings settings;
    FILE *out;
    struct loop *loop;
    struct http *http;
    struct engine *engine;
    struct tune *tune;
    int exit_code;
};

static void on_stop_signal(void *arg)
{
    struct tune_command *c = arg;
    fputs("sluice: stopping, and removing what was made; again to leave it\n", stderr);
    tune_stop(c->tune);
}

static void on_pass(void *arg, int32_t in_flight, const struct tune_pass *pass)
{
    (void)arg;
    if (isatty(STDERR_FILENO) == 1)
        fprintf(stderr, "%2d in flight: %d starts in %.1f s\n", in_flight, pass->starts,
                (double)pass->took_ms / 1000);
}

static void print_found(const struct tune_command *c, const struct tune_report *report)
{
    bool is_terminal = isatty(fileno(c->out)) == 1;
    if (c->options->tune.dry_run && c->options->json)
        tune_print_plan_json(&c->settings, report, c->out);
    else if (c->options->tune.dry_run)
        tune_print_plan(&c->settings, report, c->out);
    else if (c->options->json)
        tune_print_json(report, c->out);
    else
        tune_print(report, tune_can_draw(is_terminal, getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")),
                   c->out);
}

static void on_end(void *arg, const struct tune_report *report)
{
    struct tune_command *c = arg;
    bool is_fine = report->error == NULL && report->pull_error == NULL &&
                   (c->options->tune.dry_run || report->picture.knee >= 0);
    if (report->error == NULL || report->picture.knee >= 0 || c->options->json)
        print_found(c, report);
    if (report->error != NULL)
        fprintf(stderr, "sluice: %s\n", report->error);
    if (report->pull_error != NULL)
        fprintf(stderr, "sluice: %s\n", report->pull_error);
    c->exit_code = is_fine ? EXIT_FINE : EXIT_FAILED;
    loop_stop(c->loop);
}

/* The lock is given up with the process. Without a place for it there is none. */
static int be_the_only_one(struct err *err)
{
    char *AUTO_FREE folder =
        instance_lock_folder(geteuid() == 0, getenv("RUNTIME_DIRECTORY"), getenv("XDG_RUNTIME_DIR"));
    if (folder == NULL || (mkdir(folder, 0755) != 0 && errno != EEXIST))
        return 0;
    char holder[FILE_LOCK_HOLDER_SIZE] = "";
    char *AUTO_FREE path = check_printf("%s/tune.lock", folder);
    int fd;
    if (file_lock_take(path, &clock_system, &fd, holder, err) == 0 || err->kind != ERR_CONFLICT)
        return 0;
    return err_set(err, ERR_CONFLICT,
                   "another `sluice tune`%s%s runs on this machine: each would spoil the other's figures",
                   holder[0] != '\0' ? " " : "", holder);
}

static int make(struct tune_command *c, const struct config *config, struct err *err)
{
    struct http_settings http = engine_http_settings_of(config);
    struct engine_settings engine = engine_settings_of(config);
    if (!c->settings.dry_run && be_the_only_one(err) != 0)
        return -1;
    if (loop_new(&clock_system, &c->loop, err) != 0 ||
        http_new(loop_base(c->loop), loop_timers(c->loop), &http, &c->http, err) != 0 ||
        engine_new(c->http, loop_timers(c->loop), &engine, &c->engine, err) != 0)
        return -1;
    c->settings.engine = c->engine;
    c->settings.timers = loop_timers(c->loop);
    c->tune = tune_new(&c->settings);
    signal(SIGPIPE, SIG_IGN);
    if (loop_on_signal(c->loop, SIGTERM, on_stop_signal, c, err) != 0)
        return -1;
    if (loop_on_signal(c->loop, SIGHUP, on_stop_signal, c, err) != 0)
        return -1;
    return loop_on_signal(c->loop, SIGINT, on_stop_signal, c, err);
}

int command_tune(const struct options *options, FILE *out)
{
    struct tune_command c = {.options = options,
                             .out = out,
                             .exit_code = EXIT_FAILED,
                             .settings = {.random = &random_system,
                                          .image = options->tune.image,
                                          .pull = options->tune.pull,
                                          .network = options->tune.network,
                                          .time_ms = options->tune.time_ms,
                                          .containers = options->tune.containers,
                                          .dry_run = options->tune.dry_run,
                                          .on_pass = on_pass,
                                          .on_end = on_end,
                                          .arg = &c}};
    struct err err;
    struct config *config = commands_load_config(options);
    if (config == NULL)
        return EXIT_FAILED;
    if (make(&c, config, &err) == 0) {
        tune_start(c.tune);
        loop_run(c.loop);
    } else {
        fprintf(stderr, "sluice: %s\n", err.msg);
    }
    tune_free(c.tune);
    engine_free(c.engine);
    http_free(c.http);
    loop_free(c.loop);
    config_free(config);
    return c.exit_code;
}
