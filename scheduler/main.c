/*
 * main.c - wiring and exit codes: reads the command line, runs the subcommand; for `start` makes the loop and
 * the service and turns signals into calls. SIGTERM and SIGINT stop, SIGHUP reloads the configuration,
 * SIGUSR1 opens the log file again. The last two wait until they can be obeyed: before that they would kill.
 */
#include "admin.h"
#include "admin_pages.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/memory.h"
#include "command_tune.h"
#include "commands.h"
#include "instance_lock.h"
#include "log_output.h"
#include "loop.h"
#include "meters.h"
#include "notify.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct program {
    const struct options *options;
    struct config *config;
    struct loop *loop;
    struct log_output *log;
    struct notify *notify; /* NULL: nobody is to be told */
    struct service *service;
    struct admin *admin;       /* NULL: can't be made */
    struct admin_pages *pages; /* NULL: nothing is served over HTTP */
    int exit_code;
};

static enum log_level level_of(const struct config *c)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    enum log_level level = LOG_LEVEL_INFO;
    for (size_t i = 0; i < ARRAY_LEN(levels); i++)
        if (strcmp(c->log_level, levels[i]) == 0)
            level = (enum log_level)i;
    return level;
}

static int open_log(struct program *p, struct err *err)
{
    const struct config *c = p->config;
    struct log_output_settings settings = {.base = loop_base(p->loop),
                                           .fd = STDERR_FILENO,
                                           .file = c->log_file,
                                           .journal_stream = getenv("JOURNAL_STREAM")};
    if (log_output_open(&settings, &p->log, err) != 0)
        return -1;
    log_setup(log_output_sink, p->log,
              strcmp(c->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT, level_of(c),
              log_output_is_journal(p->log) ? NULL : &clock_system);
    return 0;
}

/* Until there is somebody who obeys them: a manager may ask for a reload as soon as it has started us. */
static void hold_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    sigprocmask(how, &set, NULL);
}

/* Each copied output needs a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files could not be raised", kv_int("errno", errno));
}

/* What we hold is in the memory of libraries too, and can't all be wiped. Nor may others of our user look
 * into it (ptrace). */
static void keep_secrets(const struct config *c)
{
    if (!c->core_dumps && prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0)
        log_warn("core dumps could not be switched off", kv_int("errno", errno));
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

static void on_config_news(void *arg, bool is_mistake, const char *text)
{
    (void)arg;
    if (is_mistake)
        log_error("mistake in the configuration", kv_s("mistake", text));
    else
        log_warn("about the configuration", kv_s("notice", text));
}

/* The new file is checked first; with any mistake the old one stays. */
static void reload(struct program *p)
{
    struct config *fresh = commands_read_config(p->options, on_config_news, NULL);
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
    log_set_level(level_of(fresh));
    config_free(p->config);
    p->config = fresh;
    log_info("configuration reloaded", kv_s("file", p->options->config_file));
}

static void on_reload_signal(void *arg)
{
    struct program *p = arg;
    notify_reload_begins(p->notify);
    reload(p);
    notify_reload_ends(p->notify);
}

static void on_reopen_signal(void *arg)
{
    struct program *p = arg;
    struct err err;
    if (log_output_reopen(p->log, &err) != 0)
        log_error("the log file could not be opened again; the old one goes on", kv_s("error", err.msg));
    else
        log_info("log file opened again", kv_s("file", p->config->log_file));
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
    notify_turn_end(p->notify);
}

static void on_lag(void *arg, int64_t late_us)
{
    struct program *p = arg;
    meters_loop_lag(service_meters(p->service), late_us);
}

static void say(const char *sentence)
{
    fprintf(stderr, "sluice: %s\n", sentence);
}

static int connect_signals(struct program *p, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* ignored by who started us, the ends of credential helpers would be lost */
    if (loop_on_signal(p->loop, SIGTERM, on_stop_signal, p, err) != 0 ||
        loop_on_signal(p->loop, SIGINT, on_stop_signal, p, err) != 0)
        return -1;
    if (loop_on_signal(p->loop, SIGHUP, on_reload_signal, p, err) != 0 ||
        loop_on_signal(p->loop, SIGUSR1, on_reopen_signal, p, err) != 0)
        return -1;
    hold_signals(SIG_UNBLOCK);
    return 0;
}

/* The service works without whoever wants to be told, too. Its variables are not for the children, which are
 * not the service. */
static void find_manager(struct program *p)
{
    static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    struct err err;
    struct notify_settings settings = {.address = getenv(names[0]),
                                       .watchdog_usec = getenv(names[1]),
                                       .watchdog_pid = getenv(names[2]),
                                       .own_pid = getpid(),
                                       .timers = loop_timers(p->loop),
                                       .clock = &clock_system};
    if (notify_new(&settings, &p->notify, &err) != 0)
        log_warn("the service manager can't be told anything", kv_s("error", err.msg));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
}

static int serve_pages(struct program *p, struct err *err)
{
    char hostname[256] = "";
    if (gethostname(hostname, sizeof(hostname) - 1) != 0)
        hostname[0] = '\0';
    struct admin_pages_settings settings = {.base = loop_base(p->loop),
                                            .timers = loop_timers(p->loop),
                                            .config = p->config,
                                            .hostname = hostname};
    return admin_pages_new(&settings, &p->pages, err);
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
        rc = serve_pages(p, err);
    if (rc == 0)
        rc = service_new(&settings, &p->service, err);
    if (rc == 0)
        rc = connect_signals(p, err);
    if (rc == 0) {
        admin_pages_set_service(p->pages, p->service);
        serve_commands(p);
        loop_on_lag(p->loop, on_lag, p);
        notify_begin(p->notify, p->service);
        loop_on_turn_end(p->loop, on_turn_end, p);
        loop_run(p->loop);
    }
    admin_free(p->admin);
    admin_pages_free(p->pages);
    notify_free(p->notify);
    service_free(p->service);
    free(cwd);
    return rc;
}

static int run_in_loop(struct program *p, const char *template_json, struct err *err)
{
    if (loop_new(&clock_system, &p->loop, err) != 0)
        return -1;
    int rc = open_log(p, err);
    if (rc == 0) {
        raise_descriptor_limit();
        keep_secrets(p->config);
        find_manager(p);
        rc = run(p, template_json, err);
    }
    log_setup(NULL, NULL, LOG_FORMAT_LOGFMT, LOG_LEVEL_ERROR, NULL);
    log_output_close(p->log);
    loop_free(p->loop);
    return rc;
}

/* What is needed to start and the configuration lacks, as a sentence; NULL: nothing. */
static const char *find_missing(const struct config *config)
{
    if (config->pool == NULL)
        return "no work pool was given: use --pool NAME, or pool = NAME under [prefect]";
    if (config->api_url == NULL)
        return "no Prefect server was given: set PREFECT_API_URL (an ephemeral server can't be used, since "
               "containers could not reach it)";
    return NULL;
}

static int start(const struct options *options)
{
    struct program p = {.options = options, .exit_code = EXIT_FAILED};
    struct err err;
    hold_signals(SIG_BLOCK);
    p.config = commands_load_config(options);
    if (p.config == NULL)
        return options->mistake_code;
    struct buf template_json;
    buf_init(&template_json, COMMANDS_TEMPLATE_MAX_BYTES);
    int code = options->mistake_code;
    const char *missing = find_missing(p.config);
    if (missing != NULL) {
        say(missing);
    } else if (commands_prepare(p.config, &template_json, &err) != 0) {
        say(err.msg);
    } else {
        memory_keep_small();
        bool has_run = run_in_loop(&p, buf_text(&template_json), &err) == 0;
        code = has_run ? p.exit_code : EXIT_FAILED;
        if (!has_run)
            say(err.msg);
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
    case COMMAND_TIMEOUTS:
        return command_timeouts(options, stdout);
    case COMMAND_EXPLAIN:
        return command_explain(options, stdout);
    case COMMAND_WHY:
        return command_why(options, stdout);
    case COMMAND_BACKUP:
        return command_backup(options, stdout);
    case COMMAND_COMPACT:
        return command_compact(options, stdout);
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

/* A command's output that could not be written must not look like success. Who closed a pipe knows. */
static int end_output(int code)
{
    bool has_failed = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !has_failed)
        return code;
    if (errno != EPIPE)
        fprintf(stderr, "sluice: stdout can't be written%s%s\n", errno == 0 ? "" : ": ",
                errno == 0 ? "" : strerror(errno));
    return code == EXIT_FINE ? EXIT_FAILED : code;
}

/* Started with one of them closed, the first file or socket we open would take its number, and a message
 * meant for stderr would go to the engine. In its place comes what can't be used that way either. */
static void fill_closed_descriptors(void)
{
    static const int modes[] = {
        [STDIN_FILENO] = O_WRONLY, [STDOUT_FILENO] = O_RDONLY, [STDERR_FILENO] = O_RDONLY};
    for (int fd = 0; fd < (int)ARRAY_LEN(modes); fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", modes[fd]); /* the lowest free number: this one */
}

int main(int argc, char **argv)
{
    fill_closed_descriptors();
    struct options options;
    struct err err;
    if (options_parse(argc, argv, &options, &err) != 0) {
        bool is_start = argc > 1 && strcmp(argv[1], "start") == 0;
        fprintf(stderr, "sluice: %s\n", err.msg);
        return is_start ? options.mistake_code : EXIT_WRONG_USE;
    }
    int code = run_command(&options);
    bool is_start = options.command == COMMAND_START;
    options_done(&options);
    return is_start ? code : end_output(code);
}
