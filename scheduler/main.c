/*
 * main.c - wiring and exit codes: reads the command line, runs the subcommand; for `start` makes the loop and
 * the service and turns signals into calls. SIGTERM and SIGINT stop, SIGHUP reloads the configuration.
 */
#include "admin.h"
#include "api/admin_health.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/memory.h"
#include "command_tune.h"
#include "commands.h"
#include "instance_lock.h"
#include "loop.h"
#include "service.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct program {
    const struct options *options;
    struct config *config;
    struct loop *loop;
    struct service *service;
    struct admin *admin;         /* NULL: can't be made */
    struct admin_health *health; /* NULL without --with-healthcheck */
    int exit_code;
};

static void setup_log(const struct config *c)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_LEVEL_INFO;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(c->log_level, levels[i]) == 0)
            level = (enum log_level)i;
    bool json = strcmp(c->log_format, "json") == 0;
    log_setup(stderr, json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, level, &clock_system);
}

/* Each copied output needs a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files could not be raised", kv_int("errno", errno));
}

static void on_stop_signal(void *arg)
{
    struct program *p = arg;
    service_stop(p->service);
}

static void on_change(void *arg, const char *text)
{
    (void)arg;
    log_info("configuration changed", kv_s("change", text));
}

/* The new file is checked first; with any mistake the old one stays. */
static void on_reload_signal(void *arg)
{
    struct program *p = arg;
    struct config *fresh = commands_load_config(p->options);
    if (fresh == NULL) {
        log_error("the configuration has mistakes and was not reloaded; the old one stays in force",
                  kv_s("file", p->options->config_file));
        return;
    }
    struct err err;
    config_describe_changes(p->config, fresh, on_change, NULL);
    if (service_reload(p->service, fresh, &err) != 0) {
        log_error("reload failed", kv_s("error", err.msg));
        service_stop(p->service);
    }
    setup_log(fresh);
    config_free(p->config);
    p->config = fresh;
    log_info("configuration reloaded", kv_s("file", p->options->config_file));
}

static void on_end(void *arg, int exit_code)
{
    struct program *p = arg;
    p->exit_code = exit_code;
    admin_end(p->admin, exit_code);
    loop_stop(p->loop);
}

static void on_turn_end(void *arg)
{
    struct program *p = arg;
    service_turn_end(p->service);
}

static int say(const char *sentence)
{
    fprintf(stderr, "sluice: %s\n", sentence);
    return EXIT_FAILED;
}

static int connect_signals(struct program *p, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    if (loop_on_signal(p->loop, SIGTERM, on_stop_signal, p, err) != 0 ||
        loop_on_signal(p->loop, SIGINT, on_stop_signal, p, err) != 0)
        return -1;
    return loop_on_signal(p->loop, SIGHUP, on_reload_signal, p, err);
}

static bool is_well(void *arg)
{
    struct program *p = arg;
    return service_is_well(p->service);
}

static int serve_health(struct program *p, struct err *err)
{
    const struct config *c = p->config;
    if (!c->with_healthcheck)
        return 0;
    return admin_health_new(loop_base(p->loop), c->webserver_host, (int)c->webserver_port, is_well, p,
                            &p->health, err);
}

/* Containers matter more than commands: without a socket it goes on. */
static void serve_commands(struct program *p)
{
    struct err err;
    struct admin_settings settings = {.base = loop_base(p->loop),
                                      .timers = loop_timers(p->loop),
                                      .service = p->service,
                                      .state_path = p->config->state_path};
    if (admin_new(&settings, &p->admin, &err) != 0)
        log_warn("no commands can be taken (sluice pause, resume, drain, retry, discard)",
                 kv_s("error", err.msg));
}

/* The lock is given up with the process. Without a place for it, or the right to write there, only the state
 * file's own lock is left. */
static int be_the_only_one(const struct config *c, struct err *err)
{
    char instance[SERVICE_INSTANCE_SIZE];
    service_instance(c->api_url, c->pool, c->worker_name, instance);
    char *AUTO_FREE folder =
        instance_lock_folder(geteuid() == 0, getenv("RUNTIME_DIRECTORY"), getenv("XDG_RUNTIME_DIR"));
    int fd;
    if (folder == NULL ||
        instance_lock_take(folder, instance, c->pool, c->worker_name, &clock_system, &fd, err) == 0)
        return 0;
    if (err->kind == ERR_CONFLICT)
        return -1;
    log_warn("another sluice of this name would not be noticed", kv_s("error", err->msg));
    return 0;
}

static int run(struct program *p, const char *template_json, struct err *err)
{
    char *cwd = getcwd(NULL, 0);
    struct service_settings settings = {.base = loop_base(p->loop),
                                        .timers = loop_timers(p->loop),
                                        .clock = &clock_system,
                                        .random = &random_system,
                                        .config = p->config,
                                        .output_fd = STDOUT_FILENO,
                                        .working_directory = cwd == NULL ? "/" : cwd,
                                        .template_json = template_json,
                                        .on_end = on_end,
                                        .arg = p};
    /* The port first: if it is taken, no state file is made. Nothing is served before the loop runs. */
    int rc = be_the_only_one(p->config, err);
    if (rc == 0)
        rc = serve_health(p, err);
    if (rc == 0)
        rc = service_new(&settings, &p->service, err);
    if (rc == 0)
        rc = connect_signals(p, err);
    if (rc == 0) {
        serve_commands(p);
        loop_on_turn_end(p->loop, on_turn_end, p);
        loop_run(p->loop);
    }
    admin_free(p->admin);
    admin_health_free(p->health);
    service_free(p->service);
    free(cwd);
    return rc;
}

static int start(const struct options *options)
{
    struct program p = {.options = options, .exit_code = EXIT_FAILED};
    struct err err;
    p.config = commands_load_config(options);
    if (p.config == NULL)
        return EXIT_FAILED;
    struct buf template_json;
    buf_init(&template_json, COMMANDS_TEMPLATE_MAX_BYTES);
    int code;
    if (p.config->pool == NULL) {
        code = say("no work pool was given: use --pool NAME, or pool = NAME under [prefect]");
    } else if (p.config->api_url == NULL) {
        code = say("no Prefect server was given: set PREFECT_API_URL (an ephemeral server can't be used, "
                   "since containers could not reach it)");
    } else if (commands_prepare(p.config, &template_json, &err) != 0) {
        code = say(err.msg);
    } else {
        setup_log(p.config);
        memory_keep_small();
        raise_descriptor_limit();
        if (loop_new(&clock_system, &p.loop, &err) != 0 || run(&p, buf_text(&template_json), &err) != 0)
            code = say(err.msg);
        else
            code = p.exit_code;
        loop_free(p.loop);
    }
    buf_done(&template_json);
    config_free(p.config);
    return code;
}

static int run_command(const struct options *options)
{
    switch (options->command) {
    case COMMAND_START:
        return start(options);
    case COMMAND_CHECK:
        return command_check(options, stdout);
    case COMMAND_CONFIG:
        return command_config(options, stdout);
    case COMMAND_QUEUE:
        return command_queue(options, stdout);
    case COMMAND_STATUS:
        return command_status(options, stdout);
    case COMMAND_EXPLAIN:
        return command_explain(options, stdout);
    case COMMAND_WHY:
        return command_why(options, stdout);
    case COMMAND_PAUSE:
    case COMMAND_RESUME:
    case COMMAND_DRAIN:
    case COMMAND_RETRY:
    case COMMAND_DISCARD:
        return command_admin(options, stdout);
    case COMMAND_TUNE:
        return command_tune(options, stdout);
    case COMMAND_HELP:
        options_print_help(options->help_for, stdout);
        return EXIT_FINE;
    case COMMAND_VERSION:
        printf("sluice %s\n", SLUICE_VERSION);
        return EXIT_FINE;
    }
    return EXIT_WRONG_USE;
}

int main(int argc, char **argv)
{
    struct options options;
    struct err err;
    if (options_parse(argc, argv, &options, &err) != 0) {
        bool is_start = argc > 1 && strcmp(argv[1], "start") == 0;
        fprintf(stderr, "sluice: %s\n", err.msg);
        return is_start ? EXIT_FAILED : EXIT_WRONG_USE;
    }
    int code = run_command(&options);
    options_done(&options);
    return code;
}
