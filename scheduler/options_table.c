/*
 * options_table.c - which commands there are, which options are no setting, and who takes which.
 */
#include "options_internal.h"

#include "base/check.h"

#include <string.h>

const struct option_command options_commands[] = {
    {"start", COMMAND_START, "", "serve a work pool (accepts every option of `prefect worker start`)"},
    {"check", COMMAND_CHECK, " [FILE]", "read a configuration as start would and list every mistake"},
    {"config", COMMAND_CONFIG, " [FILE]", "print the configuration in effect and where each value came from"},
    {"queue", COMMAND_QUEUE, "", "list the runs that wait, and for what"},
    {"status", COMMAND_STATUS, "",
     "the pool at a glance: what waits and for what, what runs, limits, trouble"},
    {"why", COMMAND_WHY, " RUN",
     "tell why a run waits, failed or ended (RUN: id, its first digits, or name)"},
    {"timeouts", COMMAND_TIMEOUTS, "", "list recent timeouts, and each clock against what calls take"},
    {"pause", COMMAND_PAUSE, "", "claim and start nothing more until resume, also over a restart"},
    {"resume", COMMAND_RESUME, "", "take a pause back"},
    {"drain", COMMAND_DRAIN, "", "claim nothing more, end when all that runs has ended: to retire a host"},
    {"retry", COMMAND_RETRY, " RUN", "try a parked run again (RUN: id, its first digits, or name)"},
    {"discard", COMMAND_DISCARD, " RUN", "give a parked run up: it is reported Crashed"},
    {"backup", COMMAND_BACKUP, " FILE", "copy the state file, while a sluice uses it or not"},
    {"compact", COMMAND_COMPACT, "", "write the state file of a stopped sluice anew, without free room"},
    {"explain", COMMAND_EXPLAIN, "", "tell how an error would be judged, and the delays that follow"},
    {"tune", COMMAND_TUNE, "", "measure the engine with short-lived containers and propose settings"},
};

const size_t options_command_count = ARRAY_LEN(options_commands);

const struct option_extra options_extras[] = {
    [EXTRA_CONFIG] = {.flag = "--config",
                      .argument = "FILE",
                      .commands = FOR_CONFIGURED | FOR(COMMAND_EXPLAIN) | FOR(COMMAND_TUNE),
                      .help = "configuration file"},
    [EXTRA_PROFILE] = {.flag = "--profile",
                       .argument = "NAME",
                       .commands = FOR_CONFIGURED,
                       .help = "a profile of Prefect whose settings beat the environment"},
    [EXTRA_MISTAKE_CODE] = {.flag = "--mistake-code",
                            .argument = "N",
                            .commands = FOR(COMMAND_START),
                            .help = "exit code for a mistake in the configuration, in the place of 1: for a "
                                    "supervisor that shall not try again then"},
    [EXTRA_JSON] = {.flag = "--json",
                    .commands = FOR(COMMAND_CONFIG) | (FOR_FILE & ~FOR_COPY) | FOR(COMMAND_EXPLAIN) |
                                FOR(COMMAND_TUNE),
                    .help = "print JSON"},
    [EXTRA_INSTALL_POLICY] = {.flag = "--install-policy",
                              .argument = "POLICY",
                              .commands = FOR(COMMAND_START),
                              .help = "always, if-not-present, never or prompt; nothing is ever installed",
                              .words = "always if-not-present never prompt"},
    [EXTRA_PROMPT] = {.flag = "--prompt",
                      .commands = FOR(COMMAND_START),
                      .help = "accepted; nothing is ever asked"},
    [EXTRA_NO_PROMPT] = {.flag = "--no-prompt",
                         .commands = FOR(COMMAND_START),
                         .help = "accepted; nothing is ever asked"},
    [EXTRA_EMPTY_WORK_QUEUE] = {.flag = "--empty-work-queue",
                                .commands = FOR(COMMAND_START),
                                .help = "accepted; without --work-queue, queues are as configured"},
    [EXTRA_STAGE] = {.flag = "--stage",
                     .argument = "STAGE",
                     .commands = FOR(COMMAND_EXPLAIN),
                     .help = "pull, create, start, ...",
                     .like = "rule.stage"},
    [EXTRA_STATUS] = {.flag = "--status",
                      .argument = "N",
                      .commands = FOR(COMMAND_EXPLAIN),
                      .help = "HTTP status of the answer"},
    [EXTRA_MESSAGE] = {.flag = "--message",
                       .argument = "TEXT",
                       .commands = FOR(COMMAND_EXPLAIN),
                       .help = "message in the answer"},
    [EXTRA_MESSAGE_FILE] = {.flag = "--message-file",
                            .argument = "FILE",
                            .commands = FOR(COMMAND_EXPLAIN),
                            .help = "file with the answer: a JSON error, the lines of a pull, or text"},
    [EXTRA_HEADER] = {.flag = "--header",
                      .argument = "'NAME: VALUE'",
                      .commands = FOR(COMMAND_EXPLAIN),
                      .help = "header of the answer, such as Retry-After; may be repeated"},
    [EXTRA_TRANSPORT] = {.flag = "--transport",
                         .argument = "TEXT",
                         .commands = FOR(COMMAND_EXPLAIN),
                         .help = "what went wrong below HTTP"},
    [EXTRA_DEPENDENCY] = {.flag = "--dependency",
                          .argument = "NAME",
                          .commands = FOR(COMMAND_EXPLAIN),
                          .help = "engine, registry or prefect",
                          .like = "rule.dependency"},
    [EXTRA_CLASS] = {.flag = "--class",
                     .argument = "CLASS",
                     .commands = FOR(COMMAND_EXPLAIN),
                     .help = "class of the run, of those in the configuration file"},
    [EXTRA_WAIT] = {.flag = "--wait",
                    .commands = FOR(COMMAND_DRAIN),
                    .help = "tell how it goes, until nothing is left"},
    [EXTRA_WATCH] = {.flag = "--watch",
                     .commands = FOR(COMMAND_STATUS),
                     .help = "redraw in place until q or Ctrl-C"},
    [EXTRA_INTERVAL] = {.flag = "--interval",
                        .argument = "DURATION",
                        .commands = FOR(COMMAND_STATUS),
                        .help = "--watch, redrawing so often; by default every 2s"},
    [EXTRA_SINCE] = {.flag = "--since",
                     .argument = "DURATION",
                     .commands = FOR(COMMAND_TIMEOUTS),
                     .help = "how far to look back, by default 24h"},
    [EXTRA_ONLY_CLASS] = {.flag = "--class",
                          .argument = "CLASS",
                          .commands = FOR(COMMAND_QUEUE) | FOR(COMMAND_TIMEOUTS),
                          .help = "only of this class"},
    [EXTRA_ONLY_STAGE] = {.flag = "--stage",
                          .argument = "STAGE",
                          .commands = FOR(COMMAND_TIMEOUTS),
                          .help = "only of this stage: pull, create, start, ..."},
    [EXTRA_LIMIT] = {.flag = "--limit",
                     .argument = "N",
                     .commands = FOR(COMMAND_QUEUE) | FOR(COMMAND_TIMEOUTS),
                     .help = "so many rows at most: of the queue by default all (0), of single timeouts 20"},
    [EXTRA_WIDE] = {.flag = "--wide", .commands = FOR_LOOK, .help = "cut nothing to the terminal's width"},
    [EXTRA_COLOR] = {.flag = "--color",
                     .argument = "WHEN",
                     .commands = FOR_LOOK,
                     .help = "auto, always or never; auto obeys NO_COLOR",
                     .words = "auto always never"},
    [EXTRA_IMAGE] = {.flag = "--image",
                     .argument = "IMAGE",
                     .commands = FOR(COMMAND_TUNE),
                     .help = "run `true` in this image, which must be on the engine; by default one is made"},
    [EXTRA_PULL] = {.flag = "--pull",
                    .argument = "IMAGE",
                    .commands = FOR(COMMAND_TUNE),
                    .help = "measure how long this image takes to pull, too"},
    [EXTRA_NETWORK] = {.flag = "--network",
                       .argument = "NAME",
                       .commands = FOR(COMMAND_TUNE),
                       .help = "network of the containers: host, bridge (default), none or any other"},
    [EXTRA_TIME] = {.flag = "--time",
                    .argument = "DURATION",
                    .commands = FOR(COMMAND_TUNE),
                    .help = "end within this time, by default 60s"},
    [EXTRA_CONTAINERS] = {.flag = "--containers",
                          .argument = "N",
                          .commands = FOR(COMMAND_TUNE),
                          .help = "containers at each number in flight, at most; by default 64"},
    [EXTRA_DRY_RUN] = {.flag = "--dry-run", .commands = FOR(COMMAND_TUNE), .help = "say what would be done"},
    [EXTRA_FORCE] = {.flag = "--force",
                     .commands = FOR(COMMAND_BACKUP),
                     .help = "replace an older copy of that name"},
    [EXTRA_HELP] = {.flag = "--help", .short_flag = 'h', .commands = FOR_ALL, .help = "this text"},
};
const size_t options_extra_count = ARRAY_LEN(options_extras);

bool options_key_is_for(const struct config_key *key, enum command command)
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

const char *options_extra_words(const struct option_extra *extra)
{
    const struct config_key *key = extra->like == NULL ? NULL : config_keys_find_full(extra->like);
    return key == NULL ? extra->words : key->words;
}

const char *options_command_name(enum command command)
{
    for (size_t i = 0; i < options_command_count; i++)
        if (options_commands[i].command == command)
            return options_commands[i].name;
    return "";
}
