/*
 * alerts_table.c - the alerts there are: data only. Order: a cause before its followers.
 */
#include "core/alerts.h"

#define MINUTES(n) ((n)*INT64_C(60000))

const struct alert_kind alert_kinds[ALERT_COUNT] = {
    [ALERT_BREAKER_OPEN_PAGE] = {"breaker_open", "SluiceBreakerOpen", ALERT_PAGE,
                                 "The engine or Prefect is out of reach; nothing but probes is sent there.",
                                 "Look at the one that is named; sluice goes on by itself when it answers.",
                                 MINUTES(1)},
    [ALERT_BREAKER_OPEN_TICKET] = {"breaker_open", "SluiceBreakerOpen", ALERT_TICKET,
                                   "A registry is out of reach; runs that need an image of it wait.",
                                   "Look at the registry that is named, and at the login to it.", MINUTES(1)},
    [ALERT_POLL_STALE] = {"poll_stale", "SluicePollStale", ALERT_PAGE,
                          "No poll for work has gone well for a while, although Prefect answers.",
                          "Look for lines about polls and the work pool in the log.", 0},
    [ALERT_NOTHING_STARTS] = {"nothing_starts", "SluiceNothingStarts", ALERT_PAGE,
                              "Runs are due, no limit and no pause holds them, and nothing starts.",
                              "Ask sluice why RUN, for the first runs of sluice queue.", 0},
    [ALERT_QUEUE_OLD] = {"queue_old", "SluiceQueueOld", ALERT_TICKET,
                         "The oldest due run waits longer than is wanted.",
                         "See what it waits for: sluice queue, and sluice why RUN.", MINUTES(1)},
    [ALERT_TIMEOUT_BURN_PAGE] =
        {"timeout_burn", "SluiceTimeoutBurn", ALERT_PAGE,
         "Far more calls of launches time out than the objective allows.",
         "See which stage and clock, and where its value comes from: sluice timeouts.", 0},
    [ALERT_TIMEOUT_BURN_TICKET] =
        {"timeout_burn", "SluiceTimeoutBurn", ALERT_TICKET,
         "More calls of launches time out than the objective allows, for days.",
         "See which stage and clock, and where its value comes from: sluice timeouts.", 0},
    [ALERT_LAUNCH_FAILURE_BURN_PAGE] = {"launch_failure_burn", "SluiceLaunchFailureBurn", ALERT_PAGE,
                                        "Far more launches fail for good than the objective allows.",
                                        "See why: the views attempts and history of the state file.", 0},
    [ALERT_LAUNCH_FAILURE_BURN_TICKET] = {"launch_failure_burn", "SluiceLaunchFailureBurn", ALERT_TICKET,
                                          "More launches fail for good than the objective allows, for days.",
                                          "See why: the views attempts and history of the state file.", 0},
    [ALERT_DISK_TROUBLE_PAGE] =
        {"disk_trouble", "SluiceDiskTrouble", ALERT_PAGE,
         "The disk of the state file is nearly full; when nothing can be written, sluice ends.",
         "Make room on the disk of the state file.", MINUTES(5)},
    [ALERT_DISK_TROUBLE_TICKET] =
        {"disk_trouble", "SluiceDiskTrouble", ALERT_TICKET,
         "Commits of the state file are slow, and every start waits for one.",
         "See who else writes to the disk of the state file, and whether it is failing.", MINUTES(5)},
    [ALERT_STATE_FILE_DAMAGED] = {"state_file_damaged", "SluiceStateFileDamaged", ALERT_TICKET,
                                  "A damaged state file was set aside, and its history with it.",
                                  "Check the disk, then move the file whose name ends in .corrupt-TIME away.",
                                  0},
};

const char *alert_severity_name(enum alert_severity severity)
{
    return severity == ALERT_PAGE ? "page" : "ticket";
}
