#include "command_tune.h"

#include "base/file_lock.h"
#include "commands.h"
#include "engine_settings.h"
#include "instance_lock.h"
#include "loop.h"
#include "progress.h"
#include "tune.h"
#include "tune_print.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#define TICK_MS 500

struct tune_command {
    const struct options *options;
    struct tune_settings settings;
    FILE *out;
    struct loop *loop;
    struct http *http;
    struct engine *engine;
    struct tune *tune;
    struct progress progress;
    struct timer tick;
    int64_t began_ms; /* mono */
    size_t passes;    /* that are to be made */
    size_t passes_made;
    char last_pass[80];
    int exit_code;
};

/* ---- how far it is ---- */

static void show_progress(struct tune_command *c, bool is_news)
{
    int64_t took_ms = clock_mono_ms(&clock_system) - c->began_ms;
    char *AUTO_FREE text = c->progress.terminal.can_move
                               ? check_printf("%llds of %llds at most  %s", (long long)(took_ms / 1000),
                                              (long long)(c->settings.time_ms / 1000), c->last_pass)
                               : check_strdup(c->last_pass);
    progress_show(&c->progress, (double)c->passes_made / (double)c->passes, text, is_news);
}

static void on_tick(void *arg)
{
    struct tune_command *c = arg;
    show_progress(c, false);
    timer_start(loop_timers(c->loop), &c->tick, TICK_MS, on_tick, c);
}

static void begin_progress(struct tune_command *c)
{
    int32_t levels[TUNE_LEVELS_MAX];
    c->progress = progress_of(stderr);
    c->began_ms = clock_mono_ms(&clock_system);
    c->passes = tune_plan(c->settings.containers, levels) * TUNE_PASSES;
    snprintf(c->last_pass, sizeof(c->last_pass), "getting ready");
    if (!c->settings.dry_run && c->progress.terminal.can_move)
        on_tick(c);
}

static void end_progress(struct tune_command *c)
{
    timer_cancel(&c->tick);
    progress_clear(&c->progress);
}

static void on_stop_signal(void *arg)
{
    struct tune_command *c = arg;
    end_progress(c);
    fputs("sluice: stopping, and removing what was made; again to leave it\n", stderr);
    tune_stop(c->tune);
}

static void on_pass(void *arg, int32_t in_flight, const struct tune_pass *pass)
{
    struct tune_command *c = arg;
    c->passes_made++;
    snprintf(c->last_pass, sizeof(c->last_pass), "%2d in flight: %d starts in %.1f s", in_flight,
             pass->starts, (double)pass->took_ms / 1000);
    show_progress(c, true);
}

static void print_found(const struct tune_command *c, const struct tune_report *report)
{
    struct terminal terminal = terminal_look(fileno(c->out), TERMINAL_COLOR_NEVER, false);
    if (c->options->tune.dry_run && c->options->json)
        tune_print_plan_json(&c->settings, report, c->out);
    else if (c->options->tune.dry_run)
        tune_print_plan(&c->settings, report, c->out);
    else if (c->options->json)
        tune_print_json(report, c->out);
    else
        tune_print(report, terminal.is_terminal && terminal.display.is_utf8, c->out);
}

static void on_end(void *arg, const struct tune_report *report)
{
    struct tune_command *c = arg;
    end_progress(c);
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
        begin_progress(&c);
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
