/*
 * options.c - the command line, read with getopt_long from the tables of settings and of other options.
 *
 * An option of the table becomes a pair (key, value) for config_load and is checked here already, so that a
 * bad one ends the command at once with one sentence. Tables: config_table.c, options_table.c; help:
 * options_help.c. Knows nothing of what the commands do.
 */
#include "options_internal.h"

#include "config_text.h"
#include "core/tune.h"
#include "options_look.h"
#include "options_tune.h"

#include <getopt.h>
#include <string.h>

enum { FIRST_KEY = 1000, FIRST_NEGATION = 3000, FIRST_EXTRA = 5000, MAX_OPTIONS = 64 };

/* What getopt_long is given, built from both tables for one command. */
struct grammar {
    struct option longs[MAX_OPTIONS];
    char *negations[MAX_OPTIONS]; /* owned: "no-create-pool-if-not-found" */
    size_t count;
    size_t negation_count;
    char shorts[2 * MAX_OPTIONS];
};

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
        if (!options_key_is_for(key, command))
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
    for (size_t i = 0; i < options_extra_count; i++)
        if ((options_extras[i].commands & FOR(command)) != 0)
            add_long(g, options_extras[i].flag + 2,
                     options_extras[i].argument != NULL ? required_argument : no_argument,
                     FIRST_EXTRA + (int)i, options_extras[i].short_flag);
}

static void grammar_done(struct grammar *g)
{
    for (size_t i = 0; i < g->negation_count; i++)
        free(g->negations[i]);
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

static int take_mistake_code(struct options *options, struct err *err)
{
    int64_t code = 0;
    if (!text_to_whole(optarg, &code) || code < 1 || code > 255)
        return err_set(err, ERR_INVALID,
                       "--mistake-code: \"%.40s\" is no exit code; allowed: a whole number from 1 to 255",
                       optarg);
    options->mistake_code = (int)code;
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

/* What `explain` is asked. */
static int take_question(struct options *options, enum extra extra, struct err *err)
{
    switch (extra) {
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
    default:
        UNREACHABLE();
    }
}

/* How `queue`, `status`, `why` and `timeouts` show what. */
static int take_look(struct options *options, enum extra extra, struct err *err)
{
    switch (extra) {
    case EXTRA_WATCH:
        options->look.watch = true;
        return 0;
    case EXTRA_INTERVAL:
        options->look.watch = true;
        return options_interval(optarg, &options->look.interval_ms, err);
    case EXTRA_SINCE:
        return options_since(optarg, &options->look.since_ms, err);
    case EXTRA_ONLY_CLASS:
        options->look.job_class = optarg;
        return 0;
    case EXTRA_ONLY_STAGE:
        return options_stage(optarg, &options->look.stage, err);
    case EXTRA_LIMIT:
        return options_limit(optarg, &options->look.limit, err);
    case EXTRA_WIDE:
        options->look.wide = true;
        return 0;
    case EXTRA_COLOR:
        return options_color(optarg, &options->look.color, err);
    default:
        UNREACHABLE();
    }
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
    case EXTRA_MISTAKE_CODE:
        return take_mistake_code(options, err);
    case EXTRA_JSON:
        options->json = true;
        return 0;
    case EXTRA_PROMPT:
    case EXTRA_NO_PROMPT:
    case EXTRA_EMPTY_WORK_QUEUE:
        return 0;
    case EXTRA_INSTALL_POLICY:
        if (text_is_in_words(optarg, options_extras[extra].words))
            return 0;
        return err_set(
            err, ERR_INVALID,
            "--install-policy: \"%.40s\" is not known; allowed: one of always, if-not-present, never, "
            "prompt",
            optarg);
    case EXTRA_STAGE:
    case EXTRA_STATUS:
    case EXTRA_MESSAGE:
    case EXTRA_MESSAGE_FILE:
    case EXTRA_HEADER:
    case EXTRA_CLASS:
    case EXTRA_TRANSPORT:
    case EXTRA_DEPENDENCY:
        return take_question(options, extra, err);
    case EXTRA_WAIT:
        options->wait = true;
        return 0;
    case EXTRA_WATCH:
    case EXTRA_INTERVAL:
    case EXTRA_SINCE:
    case EXTRA_ONLY_CLASS:
    case EXTRA_ONLY_STAGE:
    case EXTRA_LIMIT:
    case EXTRA_WIDE:
    case EXTRA_COLOR:
        return take_look(options, extra, err);
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
    case EXTRA_FORCE:
        options->force = true;
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
    bool takes_copy = options->command == COMMAND_BACKUP;
    if (takes_copy && (optind == argc || argv[optind][0] == '\0'))
        return err_set(err, ERR_INVALID, "where to? give the file to write");
    if (takes_copy)
        options->file = argv[optind++];
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
    const char *words[MAX_OPTIONS + 1] = {NULL};
    CHECK(options_command_count <= MAX_OPTIONS);
    for (size_t i = 0; i < options_command_count; i++) {
        words[i] = options_commands[i].name;
        if (strcmp(word, options_commands[i].name) == 0) {
            options->command = options_commands[i].command;
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
                              .mistake_code = OPTIONS_MISTAKE_CODE_DEFAULT,
                              .look = {.interval_ms = OPTIONS_INTERVAL_DEFAULT_MS,
                                       .since_ms = OPTIONS_SINCE_DEFAULT_MS,
                                       .limit = -1},
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
        out->mistake_code = options.mistake_code;
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
