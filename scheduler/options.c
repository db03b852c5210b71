/*
 * options.c - the command line, read with getopt_long from the table of settings.
 *
 * An option of the table becomes a pair (key, value) for config_load and is checked here already, so that a
 * bad one ends the command at once with one sentence. The few options that are no setting (--config, --json,
 * those of `explain` and `tune`) are in a second, small table. Knows nothing of what the commands do.
 */
#include "options.h"

#include "config_table.h"
#include "config_text.h"
#include "core/tune.h"
#include "options_tune.h"

#include <getopt.h>
#include <string.h>

#define FOR(command) (1u << (command))
#define FOR_ALL (~0u)
#define FOR_CONFIGURED (FOR(COMMAND_START) | FOR(COMMAND_CHECK) | FOR(COMMAND_CONFIG) | FOR_FILE)
/* They need no more than to find the state file. */
#define FOR_FILE (FOR(COMMAND_QUEUE) | FOR(COMMAND_STATUS) | FOR(COMMAND_WHY) | FOR_ADMIN)
#define FOR_ADMIN                                                                                            \
    (FOR(COMMAND_PAUSE) | FOR(COMMAND_RESUME) | FOR(COMMAND_DRAIN) | FOR(COMMAND_RETRY) |                    \
     FOR(COMMAND_DISCARD))
#define FOR_RUN (FOR(COMMAND_WHY) | FOR(COMMAND_RETRY) | FOR(COMMAND_DISCARD))

static const struct {
    const char *name;
    enum command command;
    const char *arguments;
    const char *help;
} commands[] = {
    {"start", COMMAND_START, "", "serve a work pool (accepts every option of `prefect worker start`)"},
    {"check", COMMAND_CHECK, " [FILE]", "read a configuration as start would and list every mistake"},
    {"config", COMMAND_CONFIG, " [FILE]", "print the configuration in effect and where each value came from"},
    {"queue", COMMAND_QUEUE, "", "list the runs that wait, and for what"},
    {"status", COMMAND_STATUS, "", "the pool at a glance: counts, limits, what runs"},
    {"why", COMMAND_WHY, " RUN",
     "tell why a run waits, failed or ended (RUN: id, its first digits, or name)"},
    {"pause", COMMAND_PAUSE, "", "claim and start nothing more until resume, also over a restart"},
    {"resume", COMMAND_RESUME, "", "take a pause back"},
    {"drain", COMMAND_DRAIN, "", "claim nothing more, end when all that runs has ended: to retire a host"},
    {"retry", COMMAND_RETRY, " RUN", "try a parked run again (RUN: id, its first digits, or name)"},
    {"discard", COMMAND_DISCARD, " RUN", "give a parked run up: it is reported Crashed"},
    {"explain", COMMAND_EXPLAIN, "", "tell how an error would be judged, and the delays that follow"},
    {"tune", COMMAND_TUNE, "", "measure the engine with short-lived containers and propose settings"},
};

/* Options that are no setting. */
enum extra {
    EXTRA_CONFIG,
    EXTRA_PROFILE,
    EXTRA_JSON,
    EXTRA_INSTALL_POLICY,
    EXTRA_PROMPT,
    EXTRA_NO_PROMPT,
    EXTRA_EMPTY_WORK_QUEUE,
    EXTRA_STAGE,
    EXTRA_STATUS,
    EXTRA_MESSAGE,
    EXTRA_MESSAGE_FILE,
    EXTRA_HEADER,
    EXTRA_TRANSPORT,
    EXTRA_DEPENDENCY,
    EXTRA_CLASS,
    EXTRA_WAIT,
    EXTRA_IMAGE,
    EXTRA_PULL,
    EXTRA_NETWORK,
    EXTRA_TIME,
    EXTRA_CONTAINERS,
    EXTRA_DRY_RUN,
    EXTRA_HELP
};
static const struct {
    const char *flag;
    char short_flag;
    const char *argument; /* NULL: none */
    unsigned commands;
    const char *help;
} extras[] = {
    [EXTRA_CONFIG] = {"--config", 0, "FILE", FOR_CONFIGURED | FOR(COMMAND_EXPLAIN) | FOR(COMMAND_TUNE),
                      "configuration file"},
    [EXTRA_PROFILE] = {"--profile", 0, "NAME", FOR_CONFIGURED,
                       "the profile of Prefect to take settings from"},
    [EXTRA_JSON] = {"--json", 0, NULL,
                    FOR(COMMAND_CONFIG) | FOR_FILE | FOR(COMMAND_EXPLAIN) | FOR(COMMAND_TUNE), "print JSON"},
    [EXTRA_INSTALL_POLICY] = {"--install-policy", 0, "POLICY", FOR(COMMAND_START),
                              "always, if-not-present, never or prompt; nothing is ever installed"},
    [EXTRA_PROMPT] = {"--prompt", 0, NULL, FOR(COMMAND_START), "accepted; nothing is ever asked"},
    [EXTRA_NO_PROMPT] = {"--no-prompt", 0, NULL, FOR(COMMAND_START), "accepted; nothing is ever asked"},
    [EXTRA_EMPTY_WORK_QUEUE] = {"--empty-work-queue", 0, NULL, FOR(COMMAND_START),
                                "accepted; without --work-queue, queues are as configured"},
    [EXTRA_STAGE] = {"--stage", 0, "STAGE", FOR(COMMAND_EXPLAIN), "pull, create, start, ..."},
    [EXTRA_STATUS] = {"--status", 0, "N", FOR(COMMAND_EXPLAIN), "HTTP status of the answer"},
    [EXTRA_MESSAGE] = {"--message", 0, "TEXT", FOR(COMMAND_EXPLAIN), "message in the answer"},
    [EXTRA_MESSAGE_FILE] = {"--message-file", 0, "FILE", FOR(COMMAND_EXPLAIN),
                            "file with the answer: a JSON error, the lines of a pull, or text"},
    [EXTRA_HEADER] = {"--header", 0, "'NAME: VALUE'", FOR(COMMAND_EXPLAIN),
                      "header of the answer, such as Retry-After; may be repeated"},
    [EXTRA_TRANSPORT] = {"--transport", 0, "TEXT", FOR(COMMAND_EXPLAIN), "what went wrong below HTTP"},
    [EXTRA_DEPENDENCY] = {"--dependency", 0, "NAME", FOR(COMMAND_EXPLAIN), "engine, registry or prefect"},
    [EXTRA_CLASS] = {"--class", 0, "CLASS", FOR(COMMAND_EXPLAIN),
                     "class of the run, of those in the configuration file"},
    [EXTRA_WAIT] = {"--wait", 0, NULL, FOR(COMMAND_DRAIN), "tell how it goes, until nothing is left"},
    [EXTRA_IMAGE] = {"--image", 0, "IMAGE", FOR(COMMAND_TUNE),
                     "run `true` in this image, which must be on the engine; by default one is made"},
    [EXTRA_PULL] = {"--pull", 0, "IMAGE", FOR(COMMAND_TUNE),
                    "measure how long this image takes to pull, too"},
    [EXTRA_NETWORK] = {"--network", 0, "NAME", FOR(COMMAND_TUNE),
                       "network of the containers: host, bridge (default), none or any other"},
    [EXTRA_TIME] = {"--time", 0, "DURATION", FOR(COMMAND_TUNE), "end within this time, by default 60s"},
    [EXTRA_CONTAINERS] = {"--containers", 0, "N", FOR(COMMAND_TUNE),
                          "containers at each number in flight, at most; by default 64"},
    [EXTRA_DRY_RUN] = {"--dry-run", 0, NULL, FOR(COMMAND_TUNE), "say what would be done"},
    [EXTRA_HELP] = {"--help", 'h', NULL, FOR_ALL, "this text"},
};

enum { FIRST_KEY = 1000, FIRST_NEGATION = 3000, FIRST_EXTRA = 5000, MAX_OPTIONS = 64 };

/* What getopt_long is given, built from both tables for one command. */
struct grammar {
    struct option longs[MAX_OPTIONS];
    char *negations[MAX_OPTIONS]; /* owned: "no-create-pool-if-not-found" */
    size_t count;
    size_t negation_count;
    char shorts[2 * MAX_OPTIONS];
};

static bool key_is_for(const struct config_key *key, enum command command)
{
    static const char *const names[] = {"--state", "--pool", "--name"};
    if (key->flag == NULL || (FOR_CONFIGURED & FOR(command)) == 0)
        return false;
    if ((FOR_FILE & FOR(command)) == 0)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(key->flag, names[i]) == 0)
            return true;
    return false;
}

static void add_long(struct grammar *g, const char *name, int has_argument, int value, char short_flag)
{
    CHECK(g->count + 1 < MAX_OPTIONS);
    g->longs[g->count++] = (struct option){name, has_argument, NULL, value};
    if (short_flag == 0)
        return;
    size_t len = strlen(g->shorts);
    g->shorts[len] = short_flag;
    g->shorts[len + 1] = has_argument != no_argument ? ':' : '\0';
}

static void grammar_init(struct grammar *g, enum command command)
{
    *g = (struct grammar){.shorts = ":"};
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!key_is_for(key, command))
            continue;
        bool is_switch = key->type == CONFIG_TYPE_BOOL;
        add_long(g, key->flag + 2, is_switch ? no_argument : required_argument, FIRST_KEY + (int)row,
                 key->short_flag);
        if (is_switch) {
            char *name = check_printf("no-%s", key->flag + 2);
            g->negations[g->negation_count++] = name;
            add_long(g, name, no_argument, FIRST_NEGATION + (int)row, 0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(extras); i++)
        if ((extras[i].commands & FOR(command)) != 0)
            add_long(g, extras[i].flag + 2, extras[i].argument != NULL ? required_argument : no_argument,
                     FIRST_EXTRA + (int)i, extras[i].short_flag);
}

static void grammar_done(struct grammar *g)
{
    for (size_t i = 0; i < g->negation_count; i++)
        free(g->negations[i]);
}

const char *options_command_name(enum command command)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].command == command)
            return commands[i].name;
    return "";
}

/* A short option stands for the row that names it. */
static int value_of_short(int letter)
{
    for (size_t row = 0; row < config_key_count; row++)
        if (config_keys[row].flag != NULL && config_keys[row].short_flag == letter)
            return FIRST_KEY + (int)row;
    return letter == 'h' ? FIRST_EXTRA + EXTRA_HELP : letter;
}

static void add_flag(struct options *options, const struct config_key *key, const char *value)
{
    size_t count = 0;
    while (options->flags[count] != NULL)
        count += 2;
    const char **flags = check_realloc(options->flags, (count + 3) * sizeof(*flags));
    flags[count] = check_printf("%s.%s", key->section, key->key);
    flags[count + 1] = value;
    flags[count + 2] = NULL;
    options->flags = flags;
}

static int take_key(struct options *options, int value, struct err *err)
{
    bool is_negation = value >= FIRST_NEGATION;
    const struct config_key *key = &config_keys[value - (is_negation ? FIRST_NEGATION : FIRST_KEY)];
    const char *text = key->type != CONFIG_TYPE_BOOL ? optarg : is_negation ? "false" : "true";
    if (config_value_check(key, text, CONFIG_STYLE_FLAG, err) != 0)
        return err_wrap(err, "%s", key->flag);
    add_flag(options, key, text);
    return 0;
}

static int take_status(struct options *options, struct err *err)
{
    int64_t status = 0;
    if (!text_to_whole(optarg, &status) || status < 0 || status > 999)
        return err_set(err, ERR_INVALID,
                       "--status: \"%.40s\" is not a status; allowed: a whole number from 0 to 999", optarg);
    options->question.status = (int)status;
    return 0;
}

static int take_header(struct options *options, struct err *err)
{
    size_t count = 0;
    while (count < EXPLAIN_MAX_HEADERS && options->question.headers[count] != NULL)
        count++;
    if (count == EXPLAIN_MAX_HEADERS)
        return err_set(err, ERR_INVALID, "--header: too many; allowed: %d", EXPLAIN_MAX_HEADERS);
    options->question.headers[count] = optarg;
    return 0;
}

static int take_extra(struct options *options, enum extra extra, struct err *err)
{
    switch (extra) {
    case EXTRA_CONFIG:
        options->config_file = optarg;
        return 0;
    case EXTRA_PROFILE:
        options->profile = optarg;
        return 0;
    case EXTRA_JSON:
        options->json = true;
        return 0;
    case EXTRA_PROMPT:
    case EXTRA_NO_PROMPT:
    case EXTRA_EMPTY_WORK_QUEUE:
        return 0;
    case EXTRA_INSTALL_POLICY:
        if (text_is_in_words(optarg, "always if-not-present never prompt"))
            return 0;
        return err_set(
            err, ERR_INVALID,
            "--install-policy: \"%.40s\" is not known; allowed: one of always, if-not-present, never, "
            "prompt",
            optarg);
    case EXTRA_STAGE:
        options->question.stage = optarg;
        return 0;
    case EXTRA_STATUS:
        return take_status(options, err);
    case EXTRA_MESSAGE:
        options->question.message = optarg;
        return 0;
    case EXTRA_MESSAGE_FILE:
        options->question.message_file = optarg;
        return 0;
    case EXTRA_HEADER:
        return take_header(options, err);
    case EXTRA_CLASS:
        options->question.job_class = optarg;
        return 0;
    case EXTRA_TRANSPORT:
        options->question.transport = optarg;
        return 0;
    case EXTRA_DEPENDENCY:
        options->question.dependency = optarg;
        return 0;
    case EXTRA_WAIT:
        options->wait = true;
        return 0;
    case EXTRA_IMAGE:
        return options_tune_name(optarg, "--image", &options->tune.image, err);
    case EXTRA_PULL:
        return options_tune_name(optarg, "--pull", &options->tune.pull, err);
    case EXTRA_NETWORK:
        return options_tune_name(optarg, "--network", &options->tune.network, err);
    case EXTRA_TIME:
        return options_tune_time(optarg, &options->tune.time_ms, err);
    case EXTRA_CONTAINERS:
        return options_tune_containers(optarg, &options->tune.containers, err);
    case EXTRA_DRY_RUN:
        options->tune.dry_run = true;
        return 0;
    case EXTRA_HELP:
        options->help_for = options->command;
        options->command = COMMAND_HELP;
        return 0;
    }
    UNREACHABLE();
}

static int refuse_option(const struct grammar *g, enum command command, const char *given, struct err *err)
{
    const char *words[MAX_OPTIONS + 1];
    size_t count = 0;
    for (; count < g->count; count++)
        words[count] = g->longs[count].name;
    words[count] = NULL;
    bool is_long = strncmp(given, "--", 2) == 0;
    bool is_known = false;
    for (size_t i = 0; i < g->count; i++)
        is_known = is_known || (optopt != 0 && g->longs[i].val == optopt);
    if (is_known)
        return err_set(err, ERR_INVALID, "%.60s: this option takes no value", given);
    if (!is_long)
        return err_set(err, ERR_INVALID, "-%c: unknown option; see sluice %s --help", optopt,
                       options_command_name(command));
    char *AUTO_FREE name = check_strndup(given + 2, strcspn(given + 2, "="));
    const char *nearest = text_nearest(name, words);
    if (nearest != NULL)
        return err_set(err, ERR_INVALID, "--%.60s: unknown option; did you mean --%s?", name, nearest);
    return err_set(err, ERR_INVALID, "--%.60s: unknown option; see sluice %s --help", name,
                   options_command_name(command));
}

/* Takes one result of getopt_long. */
static int take(struct options *options, const struct grammar *g, int value, char **argv, struct err *err)
{
    if (value == ':')
        return err_set(err, ERR_INVALID, "%.60s: a value is missing", argv[optind - 1]);
    if (value == '?')
        return refuse_option(g, options->command, argv[optind - 1], err);
    if (value < FIRST_KEY)
        value = value_of_short(value);
    if (value >= FIRST_EXTRA)
        return take_extra(options, (enum extra)(value - FIRST_EXTRA), err);
    return take_key(options, value, err);
}

static int take_positional(struct options *options, int argc, char **argv, struct err *err)
{
    bool takes_file = options->command == COMMAND_CHECK || options->command == COMMAND_CONFIG;
    if (optind < argc && takes_file && options->config_file == NULL)
        options->config_file = argv[optind++];
    bool takes_run = (FOR_RUN & FOR(options->command)) != 0;
    if (takes_run && (optind == argc || argv[optind][0] == '\0'))
        return err_set(err, ERR_INVALID, "which run? give its id, the first digits of it, or its name");
    if (takes_run)
        options->run = argv[optind++];
    if (optind < argc)
        return err_set(err, ERR_INVALID, "\"%.60s\": unexpected; see sluice %s --help", argv[optind],
                       options_command_name(options->command));
    return 0;
}

/* argv[0] is the command's name. */
static int parse_command(struct options *options, int argc, char **argv, struct err *err)
{
    struct grammar grammar;
    grammar_init(&grammar, options->command);
    int result = 0;
    opterr = 0;
    optind = 0; /* glibc: start anew */
    for (int value; result == 0 && options->command != COMMAND_HELP &&
                    (value = getopt_long(argc, argv, grammar.shorts, grammar.longs, NULL)) != -1;)
        result = take(options, &grammar, value, argv, err);
    if (result == 0 && options->command != COMMAND_HELP)
        result = take_positional(options, argc, argv, err);
    grammar_done(&grammar);
    return result;
}

static int find_command(const char *word, struct options *options, struct err *err)
{
    const char *words[ARRAY_LEN(commands) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        words[i] = commands[i].name;
        if (strcmp(word, commands[i].name) == 0) {
            options->command = commands[i].command;
            return 0;
        }
    }
    const char *nearest = text_nearest(word, words);
    if (nearest != NULL)
        return err_set(err, ERR_INVALID, "\"%.60s\": unknown command; did you mean %s?", word, nearest);
    return err_set(err, ERR_INVALID, "\"%.60s\": unknown command; see sluice --help", word);
}

int options_parse(int argc, char **argv, struct options *out, struct err *err)
{
    struct options options = {.command = COMMAND_HELP,
                              .help_for = COMMAND_HELP,
                              .tune = {.network = "bridge",
                                       .time_ms = TUNE_TIME_DEFAULT_MS,
                                       .containers = TUNE_CONTAINERS_DEFAULT}};
    options.flags = check_alloc(sizeof(*options.flags));
    options.flags[0] = NULL;
    int result = 0;
    if (argc < 2)
        result = err_set(err, ERR_INVALID, "a command is missing; see sluice --help");
    else if (strcmp(argv[1], "--version") == 0)
        options.command = COMMAND_VERSION;
    else if (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0) {
        result = find_command(argv[1], &options, err);
        if (result == 0)
            result = parse_command(&options, argc - 1, argv + 1, err);
    }
    if (result != 0) {
        options_done(&options);
        return -1;
    }
    *out = options;
    return 0;
}

void options_done(struct options *options)
{
    if (options == NULL || options->flags == NULL)
        return;
    for (size_t i = 0; options->flags[i] != NULL; i += 2)
        free((char *)(uintptr_t)options->flags[i]);
    free(options->flags);
    options->flags = NULL;
}

/* ---- help ---- */

static void print_option(FILE *out, const char *flag, char short_flag, const char *argument, const char *help,
                         const char *environment)
{
    char left[80];
    char letter[8] = "    ";
    if (short_flag != 0)
        snprintf(letter, sizeof(letter), "-%c, ", short_flag);
    snprintf(left, sizeof(left), "%s%s%s%s", letter, flag, argument != NULL ? " " : "",
             argument != NULL ? argument : "");
    fprintf(out, "  %-34s %s", left, help);
    if (environment != NULL)
        fprintf(out, " [%s]", environment);
    fputc('\n', out);
}

static const char *argument_of(const struct config_key *key)
{
    if (key->type == CONFIG_TYPE_BOOL)
        return NULL;
    if (key->type == CONFIG_TYPE_TEXT)
        return "FILE";
    if (key->type == CONFIG_TYPE_COUNT)
        return "N";
    return key->type == CONFIG_TYPE_DURATION ? "SECONDS" : "NAME";
}

static void print_command_help(enum command command, FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (commands[i].command == command)
            fprintf(out, "usage: sluice %s [OPTIONS]%s\n\n%s\n\noptions:\n", commands[i].name,
                    commands[i].arguments, commands[i].help);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        if (!key_is_for(key, command))
            continue;
        print_option(out, key->flag, key->short_flag, argument_of(key), key->help, key->environment);
        if (key->type == CONFIG_TYPE_BOOL) {
            char *AUTO_FREE name = check_printf("--no-%s", key->flag + 2);
            print_option(out, name, 0, NULL, "the opposite", NULL);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(extras); i++)
        if ((extras[i].commands & FOR(command)) != 0)
            print_option(out, extras[i].flag, extras[i].short_flag, extras[i].argument, extras[i].help, NULL);
}

/* Settings without an option, so that --help of start shows all there is. */
static void print_settings(FILE *out)
{
    fputs("\nsettings without an option (file: [section] key; environment in brackets):\n", out);
    for (size_t row = 0; row < config_key_count; row++) {
        const struct config_key *key = &config_keys[row];
        bool is_clock = strcmp(key->section, "timeouts") == 0 && strchr(key->key, '_') != NULL &&
                        strstr(key->help, "in stage") != NULL;
        if (key->flag != NULL || is_clock)
            continue;
        char *AUTO_FREE name = config_key_is_in_file(key) ? check_printf("[%s] %s", key->section, key->key)
                                                          : check_strdup("environment only");
        print_option(out, name, 0, NULL, key->help, key->environment);
    }
    fputs("  [timeouts] STAGE_connect, STAGE_inactivity: its other two clocks; docs/configuration.md\n", out);
}

void options_print_help(enum command command, FILE *out)
{
    if (command != COMMAND_HELP && command != COMMAND_VERSION) {
        print_command_help(command, out);
        if (command == COMMAND_START)
            print_settings(out);
        return;
    }
    fputs("usage: sluice COMMAND [OPTIONS]\n\nA worker for Prefect's Docker work pools.\n\ncommands:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\nsluice COMMAND --help tells its options; sluice --version the version.\n"
          "exit codes: 0 fine, 1 failed, 2 wrong use\n",
          out);
}
